//! `duplicate-name`: two declarations of the same name in one place. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "duplicate-name",
    level: Level::Error,
    summary: "two declarations of the same name in one place",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Both declarations could be meant wherever the name is used, so one of them would be silently ignored.

## Bad

```pattern
record Note {
  cell text: Text = ""
  cell text: Text = "empty"
}
```

## Good

```pattern
record Note {
  cell text: Text = ""
  cell title: Text = "empty"
}
```
"##;
