//! `no-expectation`: a test that expects nothing. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "no-expectation",
    level: Level::Error,
    summary: "a test that expects nothing",
    fixes: Fixes::None("what the test expects only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A test without `expect` passes whatever the pattern does.

## Bad

```pattern
space home
record Counter in home {
  cell count: Int = 0
  handler add() { self.count += 1 }
}
test "counting" {
  let c = create Counter in home { }
  c.add()
}
```

## Good

```pattern
space home
record Counter in home {
  cell count: Int = 0
  handler add() { self.count += 1 }
}
test "counting" {
  let c = create Counter in home { }
  c.add()
  expect c.count == 1
}
```
"##;
