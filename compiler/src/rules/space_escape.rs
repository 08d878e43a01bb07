//! `space-escape`: a reference from somewhere else where one of this space is needed. Reported where names, types or text are understood, not from effects.

use super::{Check, Fixes, Rule};
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "space-escape",
    level: Level::Error,
    summary: "a reference from somewhere else where one of this space is needed",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::InPassing,
};

const PAGE: &str = r##"
## What goes wrong

A plain `R` promises that the record is in the space of whoever holds it, and a transaction may therefore write it. A reference from
somewhere else would break that promise, and the write would fail with `isolation`.

## Bad

```pattern
record Person {
  cell friend: Person?
  handler befriend(other: Person@any) { self.friend = other }
}
```

## Good

```pattern
record Person {
  cell friend: Person?
  handler befriend(other: Person@any) {
    require same_space(other) else "they live elsewhere"
    self.friend = other
  }
}
```
"##;
