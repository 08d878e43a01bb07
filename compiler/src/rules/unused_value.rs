//! `unused-value`: a statement that only computes a value. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unused-value",
    level: Level::Warn,
    summary: "a statement that only computes a value, which nothing uses",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Nothing happens: often `==` was written where `=` was meant, or a `return` or `expect` is missing.

## Bad

```pattern
record Door {
  cell open: Bool = false
  handler unlock() { self.open == true }
}
```

## Good

```pattern
record Door {
  cell open: Bool = false
  handler unlock() { self.open = true }
}
```

## When it is fine

Never: remove the statement.
"##;
