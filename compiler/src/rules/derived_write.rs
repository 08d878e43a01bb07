//! `derived-write`: a write to a derived cell. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "derived-write",
    level: Level::Error,
    summary: "a write to a derived cell",
    fixes: Fixes::None("whether the cell is to be stored, or the write belongs to what it is derived from, only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A derived cell is always what its expression gives. A value written into it would have nowhere to stay.

## Bad

```pattern
record Task {
  cell state: Text = "open"
  derived open: Bool = self.state == "open"
  handler close() { self.open = false }
}
```

## Good

```pattern
record Task {
  cell state: Text = "open"
  derived open: Bool = self.state == "open"
  handler close() { self.state = "closed" }
}
```
"##;
