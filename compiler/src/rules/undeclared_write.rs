//! `undeclared-write`: a write to another record that the signature does not tell.

use super::context::{Callable, Context, with_path};
use super::{Check, Fixes, Rule, cross_space_write, edits};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::{Effects, Entry, Target, WriteEffect, WriteKind};
use crate::hir::BodyOwner;
use crate::signature::WriteSig;

pub static RULE: Rule = Rule {
    name: "undeclared-write",
    level: Level::Error,
    summary: "a write to another record that the `writes` clause of the handler lacks",
    fixes: Fixes::Safe,
    page: PAGE,
    check: Check::File(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in &context.callables {
        let BodyOwner::Handler(handler) = callable.body.owner else { continue };
        // What the handler may not write at all needs no entry: `cross-space-write` reports it.
        let missing = missing(callable, |piece, write| cross_space_write::is_allowed_in(context, callable, piece, write.space));
        let Some((_, first)) = missing.first() else { continue };
        let names: Vec<String> = missing.iter().map(|(entry, _)| edits::entry_name(context.db, *entry)).collect();
        let clause = names.join(", ");
        let message = format!(
            "`{}` changes other records than its own, and its signature does not say so: callers cannot see that it writes {}",
            callable.name(),
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "),
        );
        let mut finding = RULE.at(callable.place(first.here()), said(callable, first), message);
        finding = with_path(finding, context.db, *first, "written here");
        for (_, write) in &missing[1..] {
            finding = finding.label(callable.place(write.here()), said(callable, write));
            finding = with_path(finding, context.db, *write, "written here");
        }
        finding = finding.label(Location::Handler(handler), format!("its signature needs `writes {clause}`"));
        finding = finding.help(format!("add `writes {clause}` to the signature"));
        if let Some(decl) = edits::handler_decl(context.db, handler) {
            let entries: Vec<WriteSig> = missing.iter().map(|(entry, _)| *entry).collect();
            let edits = edits::add_writes(context.db, context.file, decl, &entries);
            finding = finding.fix(format!("declare `writes {clause}`"), Safety::Safe, edits);
        }
        findings.push(finding);
    }
}

/// The entries that the clause of a handler lacks, each with the first write for which `counts` that needs it.
pub fn missing<'e>(callable: &Callable<'e>, counts: impl Fn(&Effects, &WriteEffect) -> bool) -> Vec<(WriteSig, &'e WriteEffect)> {
    let declared = callable.handler().and_then(|sig| sig.writes.as_deref()).unwrap_or_default();
    let mut missing: Vec<(WriteSig, &WriteEffect)> = Vec::new();
    for piece in callable.pieces.iter().copied() {
        for write in piece.writes.iter().filter(|write| needs_entry(write) && counts(piece, write)) {
            let entry = entry(write);
            if !declared.iter().any(|declared| covers(*declared, entry)) && !missing.iter().any(|(known, _)| covers(*known, entry)) {
                missing.push((entry, write));
            }
        }
    }
    missing
}

fn said(callable: &Callable<'_>, write: &WriteEffect) -> String {
    let words = callable.words();
    match (write.cell, words.target(&write.target)) {
        (Some(cell), _) => format!("writes `{}`", words.cell_of(&write.target, cell)),
        (None, Some(target)) => format!("deletes `{target}`"),
        (None, None) => "deletes another record".to_owned(),
    }
}

/// Whether a write must be declared: one of a record other than `self` that was there before, also by the `create` block of one that is made. Creating
/// one needs nothing, nor do the other ends of links.
pub fn needs_entry(write: &WriteEffect) -> bool {
    !write.inverse && write.kind != WriteKind::Create && !matches!(write.target, Target::SelfRecord | Target::Fresh)
}

/// What declares a write.
pub fn entry(write: &WriteEffect) -> WriteSig {
    WriteSig { record: write.record, cell: write.cell.map(|cell| cell.index) }
}

/// Whether an entry of the clause allows what another one needs.
pub fn covers(declared: WriteSig, needed: WriteSig) -> bool {
    declared.record == needed.record && (declared.cell.is_none() || declared.cell == needed.cell)
}

const PAGE: &str = r##"
## What goes wrong

Whoever calls the handler, or changes another one, cannot see from its signature that it changes records besides its own. The clause is
checked, so it can be relied on: it is the place where a reader learns how far an event reaches.

## Bad

```pattern
space home
record Person in home {
  cell members: Set<Person> = Set[]
  handler link(target: Person) {
    self.members += target
    target.members += self
  }
}
```

## Good

```pattern
space home
record Person in home {
  cell members: Set<Person> = Set[]
  handler link(target: Person) writes Person.members {
    self.members += target
    target.members += self
  }
}
```

An entry is a cell (`Person.members`) or a whole record type (`Note`), which includes deleting one. Creating records, and the other ends of an
`inverse`, need no entry.
"##;
