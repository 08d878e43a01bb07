//! `type-mismatch`: a value of one type where another is needed. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "type-mismatch",
    level: Level::Error,
    summary: "a value of one type where another is needed",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The value does not fit where it stands, and there are no conversions that happen by themselves.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler reset() { self.count = "0" }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler reset() { self.count = 0 }
}
```
"##;
