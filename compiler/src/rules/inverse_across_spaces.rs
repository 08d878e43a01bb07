//! `inverse-across-spaces`: an `inverse` whose ends may lie in different spaces. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "inverse-across-spaces",
    level: Level::Error,
    summary: "an `inverse` whose ends may lie in different spaces",
    fixes: Fixes::None("which end decides, and what it sends to the other, is the design of the link"),
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

The runtime writes both ends in one transaction, and a transaction writes one space. With the ends in two spaces one of them could not be
written.

## Bad

```pattern
space homes
space offices
record Person in homes {
  cell team: Team? inverse members
}
record Team in offices {
  cell members: Set<Person> = Set[]
}
```

## Good

```pattern
space homes
record Person in homes {
  cell team: Team? inverse members
}
record Team in homes {
  cell members: Set<Person> = Set[]
}
```
"##;
