//! `unreachable-arm`: an arm that an earlier one always takes. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unreachable-arm",
    level: Level::Warn,
    summary: "an arm that an earlier one always takes",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The arm never runs: every value it could take is taken by an arm before it.

## Bad

```pattern
enum Status { open, done }
record Task {
  cell status: Status = Status.open
  derived label: Text = match self.status {
    Status.open => "open",
    _ => "other",
    Status.done => "done"
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

## When it is fine

Never: take the arm out, or put it before the one that hides it.
"##;
