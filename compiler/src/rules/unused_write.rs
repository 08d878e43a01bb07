//! `unused-write`: an entry of a `writes` clause that nothing writes.

use patternc_grammar::syntax::Span;

use super::context::{Callable, Context};
use super::undeclared_write::{covers, entry, needs_entry};
use super::{Check, Fixes, Rule, edits};
use crate::diagnostic::{Diagnostic, Edit, Level, Location, Safety};
use crate::effects::{Entry, Target, WriteEffect, WriteKind};
use crate::hir::BodyOwner;
use crate::signature::WriteSig;

pub static RULE: Rule = Rule {
    name: "unused-write",
    level: Level::Warn,
    summary: "an entry of a `writes` clause that the handler never writes",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::File(check),
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
    let edit = edits::remove_entries(context.db, context.file, clause.span, &spans, |entry| entry == index);
    RULE.at(Location::Span(context.file, spans[index]), "never written", message)
        .help(format!("take `{name}` out of the clause"))
        .fix(format!("remove `{name}`"), Safety::Safe, vec![edit])
}

/// Takes out of the `writes` clause of a handler what only one statement needs, which does it no longer.
pub fn without(context: &Context<'_>, callable: &Callable<'_>, stmt: Span) -> Option<Edit> {
    let BodyOwner::Handler(handler) = callable.body.owner else { return None };
    let clause = edits::handler_decl(context.db, handler)?.writes.as_ref()?;
    let declared = callable.handler()?.writes.as_deref()?;
    let is_here = |write: &WriteEffect| {
        let span = callable.span(write.here());
        stmt.start <= span.start && span.end <= stmt.end
    };
    let needed = || callable.pieces.iter().flat_map(|piece| &piece.writes).filter(|write| needs_entry(write));
    let is_unneeded = |declared: &&WriteSig| {
        let mut covered = needed().filter(|write| covers(**declared, entry(write))).peekable();
        covered.peek().is_some() && covered.all(is_here)
    };
    let unneeded: Vec<String> = declared.iter().filter(is_unneeded).map(|entry| edits::entry_name(context.db, *entry)).collect();
    let spans: Vec<Span> = clause.entries.iter().map(|entry| entry.span).collect();
    let is_gone = |index: usize| unneeded.iter().any(|name| name == edits::text(context.db, context.file, spans[index]));
    (!unneeded.is_empty()).then(|| edits::remove_entries(context.db, context.file, clause.span, &spans, is_gone))
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
