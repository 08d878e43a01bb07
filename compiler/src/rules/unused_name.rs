//! `unused-name`: a local, parameter, function, struct or `internal` handler that nothing uses. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unused-name",
    level: Level::Warn,
    summary: "a local, parameter, function, struct or `internal` handler that nothing uses",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Often a different name was meant where this one is missing, and the value computed here is lost.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler add(n: Int) {
    let doubled = n * 2
    self.count += n
  }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler add(n: Int) {
    let doubled = n * 2
    self.count += doubled
  }
}
```

## When it is fine

A parameter that callers must give although it is not needed yet. Start its name with `_`.
"##;
