//! `unused-allow`: an `@allow` that switches nothing off. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unused-allow",
    level: Level::Warn,
    summary: "an `@allow` that switches nothing off",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The finding it was written for is gone. Left in place, it would hide the next one.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  @allow(overwrite-count, "a single writer")
  handler reset() { self.count = 0 }
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler reset() { self.count = 0 }
}
```

## When it is fine

Never: take it out.
"##;
