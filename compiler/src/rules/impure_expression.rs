//! `impure-expression`: a write, send or handler call where only a value may be computed. Reported where names, types or text are understood; only what
//! the functions that a mirror calls read is known from effects.

use super::{Check, Fixes, Rule};
use super::context::{Context, with_path};
use crate::diagnostic::{Diagnostic, Level};
use crate::effects::Entry;
use crate::hir::BodyOwner;

pub static RULE: Rule = Rule {
    name: "impure-expression",
    level: Level::Error,
    summary: "a write, send or handler call where only a value may be computed",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

/// The clauses of a mirror give values only to the functions that they call: what those read, nobody sees a change of.
fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.callables.iter().filter(|callable| matches!(callable.body.owner, BodyOwner::Mirror(..))) {
        let Some(read) = callable.effects.reads.iter().find(|read| !read.path().is_empty()) else { continue };
        let message = "a mirror sees a change of its facts in the record's own cells, but a function that this calls looks at other records";
        let finding = RULE.at(callable.place(read.here()), "reads other records", message);
        let finding = with_path(finding, context.db, read, "read here");
        findings.push(finding.help("keep what the facts need in cells of the record"));
    }
}

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
