//! `nesting-limit`: expressions or blocks nested too deeply. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "nesting-limit",
    level: Level::Error,
    summary: "expressions or blocks nested too deeply",
    fixes: Fixes::None("what the inner parts are called only their author knows"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Nesting has a limit, so that no text can exhaust the memory of what reads it. Give the inner parts names with `let`, or make functions of
them.

## Bad

```pattern ignore=syntax,unused-name
fn deep() -> Int { ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) }
```

## Good

```pattern
record Counter {
  cell count: Int = ((1))
}
```
"##;
