//! `missing-arm`: a `match` that does not cover every value. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "missing-arm",
    level: Level::Error,
    summary: "a `match` that does not cover every value",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A value that no arm takes would leave nothing to do. Name every variant, or end with `_`.

## Bad

```pattern
enum Status { open, done }
record Task {
  cell status: Status = Status.open
  derived label: Text = match self.status {
    Status.open => "open"
  }
}
```

## Good

```pattern
enum Status { open, done }
record Task {
  cell status: Status = Status.open
  derived label: Text = match self.status {
    Status.open => "open",
    Status.done => "done"
  }
}
```
"##;
