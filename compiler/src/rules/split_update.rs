//! `split-update`: a `try` that can undo one of two records' writes while the other's stays.

use super::Rule;
use super::context::{Callable, Context, with_path};
use super::edits;
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::effects::{BlockId, Effects, Entry, FailureCause, Target, WriteEffect, WriteKind};
use crate::facts;
use crate::hir::{Block, BodyOwner, Stmt, StmtKind};
use crate::types::{ItemId, LocalId};

pub static RULE: Rule = Rule {
    name: "split-update",
    level: Level::Warn,
    summary: "a `try` that can undo the write of one record while that of another, outside it, stays (an error if an invariant covers both)",
    page: PAGE,
    check: Some(check),
};

/// A `try` of a piece with the two writes it can tear apart.
pub struct Split<'e> {
    pub undone: &'e WriteEffect,
    pub stays: &'e WriteEffect,
    /// An invariant that reads both.
    pub invariant: Option<ItemId>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Diagnostic>) {
    for callable in context.transactions() {
        let pieces = &callable.pieces;
        for (of, stmt) in callable.tries() {
            if let Some(split) = pieces.iter().find_map(|piece| split(callable, piece, of)) {
                findings.push(finding(context, callable, stmt, &split));
            }
        }
    }
}

/// Whether something inside a `try` of the piece can fail in a way that it catches: a write of another record can, because that may be gone.
pub fn can_fail(callable: &Callable<'_>, piece: &Effects, of: BlockId) -> bool {
    let inside = |entry: &dyn Entry| callable.is_in(entry.here(), of);
    piece.failures.iter().any(|failure| failure.cause != FailureCause::Overflow && inside(failure))
        || piece.writes.iter().any(|write| is_elsewhere(write) && inside(write))
        || piece.reads.iter().any(|read| !matches!(read.target, Target::SelfRecord | Target::Unknown) && inside(read))
}

fn is_elsewhere(write: &WriteEffect) -> bool {
    write.kind != WriteKind::Create && !matches!(write.target, Target::SelfRecord | Target::Fresh)
}

/// The writes that a `try` can tear apart.
pub fn split<'e>(callable: &Callable<'_>, piece: &'e Effects, of: BlockId) -> Option<Split<'e>> {
    let (catch, fails) = callable.catch_of(of)?;
    if fails || !can_fail(callable, piece, of) {
        return None;
    }
    let is_in = |write: &WriteEffect, block: BlockId| callable.is_in(write.here(), block);
    let writes = || piece.writes.iter().filter(|write| !write.inverse);
    let mut found: Option<Split<'e>> = None;
    for stays in writes().filter(|write| !is_in(write, of) && !is_in(write, catch)) {
        let repairs = |write: &&WriteEffect| is_in(write, catch) && write.target == stays.target;
        if writes().any(|write| repairs(&write) && write.cell == stays.cell) {
            continue;
        }
        let notes = writes().any(|write| repairs(&write));
        for undone in writes().filter(|write| is_in(write, of)) {
            let (stays_at, undone_at) = (stays.here(), undone.here());
            let together = callable.can_follow(stays_at, undone_at)
                || callable.can_follow(undone_at, stays_at)
                || callable.can_follow_catch(of, undone_at, stays_at);
            if undone.target == stays.target || !together {
                continue;
            }
            let invariant = covering(callable, stays, undone);
            // A `catch` that writes down what became of it says that the half is meant, unless an invariant says otherwise.
            if notes && invariant.is_none() {
                continue;
            }
            if found.as_ref().is_none_or(|found| found.invariant.is_none() && invariant.is_some()) {
                found = Some(Split { undone, stays, invariant });
            }
        }
    }
    found
}

/// An invariant that reads what both writes change.
fn covering(callable: &Callable<'_>, one: &WriteEffect, other: &WriteEffect) -> Option<ItemId> {
    let others = facts::invariants_on(callable.db, other.cell?);
    facts::invariants_on(callable.db, one.cell?).iter().copied().find(|invariant| others.contains(invariant))
}

fn finding(context: &Context<'_>, callable: &Callable<'_>, stmt: &Stmt, split: &Split<'_>) -> Diagnostic {
    let words = callable.words();
    let name = |write: &WriteEffect| match write.cell {
        Some(cell) => format!("`{}`", words.cell_of(&write.target, cell)),
        None => format!("the `{}`", crate::effects::describe::record_name(context.db, write.record)),
    };
    let (stays, undone) = (name(split.stays), name(split.undone));
    let message = format!(
        "when the `try` in `{}` fails, its write of {undone} is undone and the write of {stays} stays: half of the update is committed",
        callable.name(),
    );
    let there = words.space(split.undone.space);
    let mut finding = RULE.at(callable.place(split.undone.here()), format!("undone by a failure: writes {undone} in {there}"), message);
    finding = with_path(finding, context.db, split.undone, "written here");
    let here = words.space(split.stays.space);
    finding = finding.label(callable.place(split.stays.here()), format!("stays: writes {stays} in {here}"));
    finding = with_path(finding, context.db, split.stays, "written here");
    if let Some(invariant) = split.invariant {
        finding.level = Level::Error;
        let name = crate::effects::describe::body_name(context.db, BodyOwner::Invariant(invariant));
        finding = finding.label(Location::Item(invariant), format!("`{name}` reads both"));
    }
    finding = finding.help("write both inside the `try`, or let `catch` fail, or let it take the other write back");
    if let StmtKind::Try { error, catch, .. } = &stmt.kind {
        let edit = fail_in(context, callable, catch, *error);
        finding = finding.fix("let `catch` fail, so that nothing of the transaction stays", Safety::Unsafe, vec![edit]);
    }
    finding
}

/// Adds a `fail` at the end of a `catch`.
fn fail_in(context: &Context<'_>, callable: &Callable<'_>, catch: &Block, error: LocalId) -> crate::diagnostic::Edit {
    let fail = format!("fail {}.message", callable.words().local(error));
    let text = edits::text(context.db, context.file, catch.span);
    match catch.stmts.last() {
        Some(last) => {
            let indent = last.span.start - catch.span.start;
            let before = &text[..indent as usize];
            let gap: String = before.rsplit(|c: char| !c.is_whitespace()).next().unwrap_or(" ").to_owned();
            edits::insert(context.file, last.span.end, format!("{}{fail}", if gap.is_empty() { " " } else { &gap }))
        }
        None => crate::diagnostic::Edit { file: context.file, span: catch.span, text: format!("{{ {fail} }}") },
    }
}

const PAGE: &str = r##"
## What goes wrong

A `try` is a savepoint. When something inside it fails, what it wrote is undone, and the transaction goes on and commits the rest. If the rest
is the other half of one update, half an update is committed: a link that is seen from one side only, money that left one account and
reached no other.

If an invariant reads both sides, the commit is refused when it runs, every time; then this is an error.

## Bad

```pattern
space home
record Person in home {
  cell members: Set<Person> = Set[]
  handler link(target: Person) writes Person.members {
    self.members += target
    try {
      target.members += self
    } catch _e {
    }
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

A failure then takes back all of it, and the sender is told.

## When it is fine

When the write outside the `try` means something by itself, such as a count of attempts. Let `catch` say what became of it, or write `@allow` with
the reason.
"##;
