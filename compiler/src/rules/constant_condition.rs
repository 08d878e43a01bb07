//! `constant-condition`: a condition that is always true or always false. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "constant-condition",
    level: Level::Warn,
    summary: "a condition that is always true or always false",
    fixes: Fixes::None("whether the condition or what it guards is wrong only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

One branch never runs, and a `require` that is always true guards nothing.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler add() {
    require true else "closed"
    self.count += 1
  }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  cell open: Bool = true
  handler add() {
    require self.open else "closed"
    self.count += 1
  }
}
```

## When it is fine

While something is switched off for a moment. Where a test must not get, `fail "…"` says so, and why.
"##;
