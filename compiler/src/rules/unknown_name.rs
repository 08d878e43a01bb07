//! `unknown-name`: a name that nothing declares. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unknown-name",
    level: Level::Error,
    summary: "a name that nothing declares",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Nothing with this name exists here: it is misspelt, declared elsewhere and not imported, or out of scope.

## Bad

```pattern
record Note {
  cell text: Text = ""
  handler clear() { self.txt = "" }
}
```

## Good

```pattern
record Note {
  cell text: Text = ""
  handler clear() { self.text = "" }
}
```
"##;
