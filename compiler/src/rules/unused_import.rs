//! `unused-import`: an imported name that is not used. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "unused-import",
    level: Level::Warn,
    summary: "an imported name that is not used",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

Nothing, but whoever reads the file looks for a use that is not there.

## Bad

```pattern
use "people.pattern" { Person, label }

record Note {
  cell author: Person
  derived title: Text = self.author.name
}
```

```pattern
// file: people.pattern
record Person {
  cell name: Text
}
fn label(p: Person) -> Text { "{p.name}!" }
record Card {
  cell person: Person
  derived label: Text = label(self.person)
}
```

## Good

```pattern
use "people.pattern" { Person, label }

record Note {
  cell author: Person
  derived title: Text = label(self.author)
}
```

```pattern
// file: people.pattern
record Person {
  cell name: Text
}
fn label(p: Person) -> Text { "{p.name}!" }
```

## When it is fine

While a file is being written. The fix takes the name out.
"##;
