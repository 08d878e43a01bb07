//! `unused-write`: an entry of a `writes` clause that nothing writes.

use super::context::Context;
use super::undeclared_write::{covers, entry};
use super::{edits, Fixes, Rule};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::{Target, WriteKind};
use crate::hir::BodyOwner;
use crate::signature::WriteSig;

pub static RULE: Rule = Rule {
    name: "unused-write",
    level: Level::Warn,
    summary: "an entry of a `writes` clause that the handler never writes",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Some(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let BodyOwner::Handler(handler) = callable.body.owner else { continue };
        let Some(declared) = callable.handler().and_then(|sig| sig.writes.as_deref()) else { continue };
        let pieces = &callable.pieces;
        if callable.is_incomplete() || callable.effects.recursive {
            continue;
        }
        let elsewhere = |target: &Target| *target != Target::SelfRecord;
        let writes = pieces.iter().flat_map(|piece| &piece.writes);
        let writes: Vec<_> = writes.filter(|write| write.kind != WriteKind::Create && (write.inverse || elsewhere(&write.target))).collect();
        for unused in declared.iter().filter(|declared| !writes.iter().any(|write| covers(**declared, entry(write)))) {
            findings.push(finding(context, handler, *unused, &callable.name()));
        }
    }
}

fn finding(context: &Context<'_>, handler: crate::types::HandlerId, unused: WriteSig, owner: &str) -> Diagnostic {
    let name = edits::entry_name(context.db, unused);
    let message = format!("`{owner}` says that it writes `{name}` of another record, and never does");
    let clause = edits::handler_decl(context.db, handler).and_then(|decl| decl.writes.as_ref());
    let found = clause.and_then(|clause| {
        let spelt = |span| edits::text(context.db, context.file, span) == name;
        clause.entries.iter().position(|entry| spelt(entry.span)).map(|index| (clause, index))
    });
    let Some((clause, index)) = found else {
        return RULE.at(Location::Handler(handler), "this handler", message).help(format!("take `{name}` out of its `writes` clause"));
    };
    let spans: Vec<_> = clause.entries.iter().map(|entry| entry.span).collect();
    let edit = edits::remove_entry(context.db, context.file, clause.span, &spans, index);
    RULE.at(Location::Span(context.file, spans[index]), "never written", message)
        .help(format!("take `{name}` out of the clause"))
        .fix(format!("remove `{name}`"), Safety::Safe, vec![edit])
}

const PAGE: &str = r##"
## What goes wrong

Nothing when it runs. But the signature says that the handler reaches further than it does, and whoever reads it is careful for nothing.

## Bad

```pattern
space home
record Person in home {
  cell name: Text = ""
  handler rename(name: Text) writes Person.name {
    self.name = name
  }
}
```

## Good

```pattern
space home
record Person in home {
  cell name: Text = ""
  handler rename(name: Text) {
    self.name = name
  }
}
```

## When it is fine

While the write is about to be added. The clause is for records other than `self`: what a handler writes of its own record needs no entry.
"##;
