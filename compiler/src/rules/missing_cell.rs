//! `missing-cell`: a `create` or struct that leaves out a cell or field without a default. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "missing-cell",
    level: Level::Error,
    summary: "a `create` or struct that leaves out a cell or field without a default",
    fixes: Fixes::None("the value only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A cell without a default has no value to start with, so the record could not be created. Only cells with a default, and optional ones,
may be left out.

## Bad

```pattern
record Note {
  cell text: Text
}
record Board {
  handler post() { create Note { } }
}
```

## Good

```pattern
record Note {
  cell text: Text
}
record Board {
  handler post(text: Text) { create Note { text: text } }
}
```
"##;
