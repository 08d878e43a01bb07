//! `unread-mirror`: a call made by hand carries what the mirror to the same extern leaves out.

use rustc_hash::FxHashSet;

use super::{Check, Fixes, Rule};
use super::context::Context;
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::facts;
use crate::hir::{ExprKind, SendEvent, StmtKind};
use crate::signature::{cell_sig, extern_sig, mirror_sig, operation_sig};
use crate::visit;
use patternc_grammar::syntax::Repeat;

pub static RULE: Rule = Rule {
    name: "unread-mirror",
    level: Level::Warn,
    summary: "a cell that a mirror leaves out of its facts, but a call made by hand carries to the same extern",
    fixes: Fixes::None("whether the cell is a fact to be mirrored only its author knows"),
    page: PAGE,
    check: Check::Project(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    let db = context.db;
    for callable in context.transactions() {
        for stmt in callable.statements() {
            let StmtKind::Send(send) = &stmt.kind else { continue };
            let SendEvent::Extern { operation, args } = &send.event else { continue };
            if operation_sig(db, *operation).is_none_or(|sig| sig.repeat == Repeat::Readonly) {
                continue;
            }
            let mut told = FxHashSet::default();
            for arg in args {
                visit::expr(arg, &mut |part| {
                    let ExprKind::Cell { cell, .. } = &part.kind else { return };
                    // What a derived cell is made of may well be in the facts.
                    let Some(sig) = cell_sig(db, *cell).filter(|sig| !sig.derived) else { return };
                    for mirror in facts::mirrors_of_record(db, cell.record) {
                        if mirror.target != operation.of || mirror.cells.contains(cell) || !told.insert((*cell, mirror.item)) {
                            continue;
                        }
                        let name = mirror_sig(db, mirror.item).map_or_else(String::new, |sig| sig.name.to_string());
                        let of = extern_sig(db, operation.of).map_or_else(String::new, |sig| sig.name.to_string());
                        let message = format!(
                            "the mirror `{name}` keeps `{of}` equal to the record, but leaves out `{0}`, which this call tells it by hand: when the \
                             call is lost, or `{0}` changes elsewhere, nothing brings it up to date",
                            sig.name
                        );
                        let place = Location::Span(context.file, part.span);
                        findings.push(
                            RULE.at(place, "told by hand", message)
                                .label(Location::Item(mirror.item), "does not read it")
                                .help(format!("make `{}` part of what `facts` gives, and leave the call out", sig.name)),
                        );
                    }
                });
            }
        }
    }
}

const PAGE: &str = r##"
## What goes wrong

A mirror keeps the other system equal to the records, whatever is lost on the way. A handler that tells the same system more of the record by a call of
its own has no such promise: the call may be refused or, between two versions of the cell, arrive in the wrong order, and `reconcile` knows nothing of it.

## Bad

```pattern
space docs
struct Fact { document: Text, owner: Text }
extern authz {
  touch(fact: Fact) idempotent
  remove(fact: Fact) idempotent
  read(document: Text) -> List<Fact> readonly
  rename(document: Text, title: Text) idempotent
}
record Document in docs {
  cell name: Text
  cell owner: Text
  cell title: Text = ""
  handler tell() {
    send authz.rename(self.name, self.title)
  }
}
mirror ownership of Document to authz {
  facts(d)  = [Fact { document: d.name, owner: d.owner }]
  add(f)    = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(n) = authz.read(n)
  scope(d)  = d.name
}
```

## Good

```pattern
space docs
struct Fact { document: Text, owner: Text, title: Text }
extern authz {
  touch(fact: Fact) idempotent
  remove(fact: Fact) idempotent
  read(document: Text) -> List<Fact> readonly
}
record Document in docs {
  cell name: Text
  cell owner: Text
  cell title: Text = ""
  handler rename(title: Text) { self.title = title }
}
mirror ownership of Document to authz {
  facts(d)  = [Fact { document: d.name, owner: d.owner, title: d.title }]
  add(f)    = authz.touch(f)
  remove(f) = authz.remove(f)
  actual(n) = authz.read(n)
  scope(d)  = d.name
}
```

## When it is fine

Where the call is a message rather than something that has to stay equal, as a note for a log. Write `@allow` with that reason.
"##;
