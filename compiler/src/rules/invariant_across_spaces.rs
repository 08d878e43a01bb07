//! `invariant-across-spaces`: an invariant that reads more than one space.

use super::context::{Context, with_path};
use super::{Check, Fixes, Rule, edits};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::describe::{cell_path, record_name};
use crate::effects::{EffectSpace, Entry, Read};
use crate::hir::BodyOwner;
use crate::location;
use crate::signature::invariant_sig;

pub static RULE: Rule = Rule {
    name: "invariant-across-spaces",
    level: Level::Error,
    summary: "an `invariant` that reads more than one space",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let BodyOwner::Invariant(item) = callable.body.owner else { continue };
        let Some(sig) = invariant_sig(context.db, item) else { continue };
        if sig.eventually {
            continue;
        }
        let Some(outside) = callable.effects.reads.iter().find(|read| read.space != EffectSpace::Here) else { continue };
        let words = callable.words();
        let read = |read: &Read| match read.cell {
            Some(cell) if words.target(&read.target).is_none() => format!("`{}`", cell_path(context.db, cell)),
            Some(cell) => format!("`{}`", words.cell_of(&read.target, cell)),
            None => format!("which `{}` records there are", record_name(context.db, read.record)),
        };
        let (here, there) = (words.space(EffectSpace::Here), words.space(outside.space));
        let message = format!(
            "`{}` reads {} in {there}, but it is checked by transactions that write {here}: a change there would break it unseen",
            sig.name,
            read(outside),
        );
        let mut finding = RULE.at(callable.place(outside.here()), format!("reads {} in {there}", read(outside)), message);
        finding = with_path(finding, context.db, outside, "read here");
        let own = callable.effects.reads.iter().find(|read| read.space == EffectSpace::Here && read.here() != outside.here());
        finding = match own {
            Some(own) => finding.label(callable.place(own.here()), format!("reads {} in {here}", read(own))),
            None => finding.label(Location::Item(item), format!("holds for records in {here}")),
        };
        finding = finding.help("write `eventually invariant`: it must then hold whenever nothing is in flight; or keep both in one space");
        if let Some(decl) = location::item(context.db, item) {
            let edit = edits::insert(context.file, decl.span.start, "eventually ");
            finding = finding.fix("make it an `eventually invariant`", Safety::Unsafe, vec![edit]);
        }
        findings.push(finding);
    }
}

const PAGE: &str = r##"
## What goes wrong

An invariant holds at every commit, and a commit writes one space. If it reads a second one, a transaction over there can break it
without knowing, and no store can refuse that commit.

## Bad

```pattern
space shops
space depots
record Depot in depots {
  cell stock: Int = 0
}
record Shop in shops {
  cell depot: Depot
  cell promised: Int = 0
}
invariant covered(s: Shop) { s.promised <= s.depot.stock }
```

## Good

```pattern
space shops
space depots
record Depot in depots {
  cell stock: Int = 0
}
record Shop in shops {
  cell depot: Depot
  cell promised: Int = 0
}
eventually invariant covered(s: Shop) { s.promised <= s.depot.stock }
```
"##;
