//! `wrong-case`: a type in lower case, or another name in upper case. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "wrong-case",
    level: Level::Error,
    summary: "a type in lower case, or another name in upper case",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The case of a name says what it is: `UpperCamel` names are types, `lower_snake` names are everything else. A name in the wrong case
would be read as something it is not.

## Bad

```pattern
record Note {
  cell Text_body: Text = ""
}
```

## Good

```pattern
record Note {
  cell text_body: Text = ""
}
```
"##;
