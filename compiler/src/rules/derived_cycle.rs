//! `derived-cycle`: a derived cell that depends on itself. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "derived-cycle",
    level: Level::Error,
    summary: "a derived cell that depends on itself",
    fixes: Fixes::None("which of the cells is to be stored only their author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The cell has no value: to know it one would have to know it already. It is judged by declaration: a derived cell that reads the same
derived cell of another record counts, because the links may form a circle.

## Bad

```pattern
record Box {
  cell own: Int = 0
  cell inner: Box?
  derived weight: Int = self.own + (self.inner?.weight ?? 0)
}
```

## Good

```pattern
record Box {
  cell own: Int = 0
  cell inner: Box?
  derived weight: Int = self.own + (self.inner?.own ?? 0)
}
```
"##;
