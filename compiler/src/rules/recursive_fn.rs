//! `recursive-fn`: a function that calls itself, directly or through others. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "recursive-fn",
    level: Level::Error,
    summary: "a function that calls itself, directly or through others",
    fixes: Fixes::None("what it computes has to be said in another way"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Every handler ends, because nothing in it can go round for ever. A function that calls itself might. Walk a collection with `for`, or with
`map`, `filter` and `fold`.

## Bad

```pattern
fn count(n: Int) -> Int { if n == 0 { 0 } else { 1 + count(n - 1) } }
record Pile {
  cell size: Int = 0
  derived counted: Int = count(self.size)
}
```

## Good

```pattern
fn count(n: Int) -> Int { range(n).len() }
record Pile {
  cell size: Int = 0
  derived counted: Int = count(self.size)
}
```
"##;
