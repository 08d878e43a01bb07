//! `syntax`: text that is not a pattern, with a hint for habits of other languages. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "syntax",
    level: Level::Error,
    summary: "text that is not a pattern, with a hint for habits of other languages",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The text cannot be read, so that part of the file means nothing and is not checked. Habits of other languages (`;`, `null`, `===`,
`await`, `:=`) get a message that names what to write here.

## Bad

```pattern
record Note {
  cell text: Text = ""
  handler clear() { self.text := "" }
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
