//! `allow-without-reason`: an `@allow` that does not say why. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "allow-without-reason",
    level: Level::Warn,
    summary: "an `@allow` that does not say why",
    fixes: Fixes::None("the reason only its author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Whoever reads it later cannot tell whether the reason still holds.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  @allow(overwrite-count)
  handler add() { self.count = self.count + 1 }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  @allow(overwrite-count, "a single writer, and the old value is shown")
  handler add() { self.count = self.count + 1 }
}
```

## When it is fine

Never: a few words are enough.
"##;
