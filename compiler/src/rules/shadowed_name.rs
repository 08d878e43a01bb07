//! `shadowed-name`: a local with the name of another local around it. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "shadowed-name",
    level: Level::Warn,
    summary: "a local with the name of another local around it",
    fixes: Fixes::None("another name for one of the two only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

From here on the name means something else, which is easy to overlook when the code is changed later.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler add(n: Int) {
    if n > 0 {
      let n = 1
      self.count += n
    }
  }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler add(n: Int) {
    if n > 0 {
      let one = 1
      self.count += one
    }
  }
}
```

## When it is fine

When the inner value replaces the outer one on purpose. A name of its own still reads better.
"##;
