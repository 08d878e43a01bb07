//! `unknown-rule`: an `@allow` or a setting that names no rule. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unknown-rule",
    level: Level::Warn,
    summary: "an `@allow` or a setting that names no rule",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Nothing is switched off, because no rule has this name.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  @allow(overwrite-cuont, "a single writer")
  handler reset() { self.count = 0 }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  @allow(overwrite-count, "a single writer")
  handler add() { self.count = self.count + 1 }
}
```

## When it is fine

Never: correct the name.
"##;
