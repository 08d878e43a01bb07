//! `wrong-arguments`: a call with too many or too few arguments. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "wrong-arguments",
    level: Level::Error,
    summary: "a call with too many or too few arguments",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A call gives a value for each parameter, in their order. There are no optional parameters.

## Bad

```pattern
fn double(n: Int) -> Int { n * 2 }
record Counter {
  cell count: Int = 0
  derived twice: Int = double(self.count, 2)
}
```

## Good

```pattern
fn double(n: Int) -> Int { n * 2 }
record Counter {
  cell count: Int = 0
  derived twice: Int = double(self.count)
}
```
"##;
