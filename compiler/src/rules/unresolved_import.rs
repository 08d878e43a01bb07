//! `unresolved-import`: a `use` of a file or name that does not exist. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unresolved-import",
    level: Level::Error,
    summary: "a `use` of a file or name that does not exist",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The file named by `use` is not part of the project, or it declares nothing of that name. Paths are relative to the importing file.

A project is the folder of its `patternc.yaml`, with the files that its `patterns` match and Git does not ignore. Without a `patternc.yaml` it
is the folder of the file that is asked for: what imports from a folder beside or above its own needs one, which may be empty, in the
folder that holds both.

## Bad

```pattern
use "missing.pattern" { Person }
```

## Good

```pattern
use "people.pattern" { Person }

record Note {
  cell author: Person
}
```

```pattern
// file: people.pattern
record Person {
  cell name: Text
}
```
"##;
