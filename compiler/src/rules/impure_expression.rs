//! `impure-expression`: a write, send or handler call where only a value may be computed. Reported where names, types or text are understood, not from effects.

use super::Rule;
use crate::diagnostic::Level;

pub static RULE: Rule = Rule {
    name: "impure-expression",
    level: Level::Error,
    summary: "a write, send or handler call where only a value may be computed",
    page: PAGE,
    check: None,
};

const PAGE: &str = r##"
## What goes wrong

Functions, derived cells, invariants and lambdas are evaluated whenever their value is needed, as often as needed. What they changed
would change at times nobody chose.

## Bad

```pattern
record Counter {
  cell count: Int = 0
  handler add() -> Int {
    self.count += 1
    return self.count
  }
  derived next: Int = self.add()
}
```

## Good

```pattern
record Counter {
  cell count: Int = 0
  handler add() -> Int {
    self.count += 1
    return self.count
  }
  derived next: Int = self.count + 1
}
```
"##;
