//! `split-update`: a `try` that can undo one of two records' writes while the other's stays.

use super::{Check, Fixes, Rule};
use super::context::{Callable, Context, with_path};
use super::edits;
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Edit, Level as Severity, Location, Safety};
use crate::effects::depth::{Level, bottom_up};
use crate::effects::always;
use crate::effects::{self, BlockId, CallEffect, Effects, Entry, FailureCause, Frame, Site, Target, WriteEffect, WriteKind};
use crate::facts;
use crate::hir::{Block, BodyOwner, ExprKind, Stmt, StmtKind};
use crate::types::{ItemId, LocalId};
use crate::visit;

pub static RULE: Rule = Rule {
    name: "split-update",
    level: Severity::Warn,
    summary: "a `try` that can undo the write of one record while that of another, outside it, stays (an error if an invariant covers both)",
    fixes: Fixes::Unsafe,
    page: PAGE,
    check: Check::Project(check),
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
        for piece in pieces.iter().copied() {
            for call in piece.calls.iter().filter(|call| !is_told(callable, call)) {
                if let Some((undone, stays, invariant)) = split_by_call(callable, piece, call) {
                    findings.push(call_finding(context, callable, call, &Split { undone: &undone, stays, invariant }));
                }
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
    let writes = || piece.writes.iter();
    let certain = certain(callable, catch);
    let mut found: Option<Split<'e>> = None;
    for stays in writes().filter(|write| !is_in(write, of) && !is_in(write, catch)) {
        for undone in writes().filter(|write| is_in(write, of)) {
            let (stays_at, undone_at) = (stays.here(), undone.here());
            // What comes after the `try` happens beside a failure only where the `catch` goes on to it.
            let together = callable.can_follow(stays_at, undone_at) || callable.can_follow_catch(of, undone_at, stays_at);
            if !together || is_of_one_record(stays, undone) || handled(callable, catch, &certain, stays, undone) {
                continue;
            }
            let invariant = covering(callable, stays, undone);
            if is_of_inverse(stays, undone) && invariant.is_none() {
                continue;
            }
            if found.as_ref().is_none_or(|found| found.invariant.is_none() && invariant.is_some()) {
                found = Some(Split { undone, stays, invariant });
            }
        }
    }
    found
}

/// Whether both writes are of the same record, as far as is known.
fn is_of_one_record(one: &WriteEffect, other: &WriteEffect) -> bool {
    let both_made = one.kind == WriteKind::Create && other.kind == WriteKind::Create;
    one.target == other.target && one.record == other.record && !both_made
}

/// What a `catch` writes, where what it calls writes that on every way.
fn certain(callable: &Callable<'_>, catch: BlockId) -> Vec<WriteEffect> {
    let pieces = callable.own.pieces();
    let all = pieces.into_iter().flat_map(|piece| always::parts(callable.db, callable.body.owner, piece).writes);
    all.filter(|write| callable.is_in(write.here(), catch)).collect()
}

/// Whether every way through a `catch` settles what becomes of the two halves.
fn handled(callable: &Callable<'_>, catch: BlockId, certain: &[WriteEffect], stays: &WriteEffect, undone: &WriteEffect) -> bool {
    let sites: Vec<Site> = certain.iter().filter(|write| handles(write, stays, undone)).map(Entry::here).collect();
    callable.always(catch, &sites)
}

/// Whether a write of a `catch` settles what becomes of the two halves: it writes the cell that stays, or the one that was undone. A note in
/// another cell settles nothing.
fn handles(write: &WriteEffect, stays: &WriteEffect, undone: &WriteEffect) -> bool {
    // What is written of a record that was made says what became of that.
    let is_about = |half: &WriteEffect| is_of_one_record(write, half) && (half.cell.is_none() || write.cell.is_none() || write.cell == half.cell);
    is_about(stays) || is_about(undone)
}

/// Whether one of them is the other end of an `inverse`. The runtime keeps both ends equal: half of a link is never committed, but what an
/// invariant says of an end may be broken.
fn is_of_inverse(stays: &WriteEffect, undone: &WriteEffect) -> bool {
    stays.inverse || undone.inverse
}

/// A write that a `try` undoes without the caller of the body being told, as the body sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tear {
    undone: WriteEffect,
    /// What the `catch` writes on every way through it.
    repairs: Vec<WriteEffect>,
}

#[salsa::interned(debug)]
struct Torn<'db> {
    #[returns(copy)]
    owner: BodyOwner,
}

/// What a body and those that it calls undo, and then return as if nothing had been.
fn tears(db: &dyn Db, owner: BodyOwner) -> &[Tear] {
    tears_of(db, Torn::new(db, owner))
}

#[salsa::tracked(returns(deref), cycle_result = no_tears)]
fn tears_of<'db>(db: &'db dyn Db, key: Torn<'db>) -> Vec<Tear> {
    let owner = key.owner(db);
    let Some(callable) = Callable::of(db, owner).filter(|_| matches!(owner, BodyOwner::Handler(_) | BodyOwner::Create(_))) else {
        return Vec::new();
    };
    let level = Level::enter();
    if level.is_deep() {
        for callee in bottom_up(owner, |owner| effects::own(db, owner).map(|body| callees(&body.own)).unwrap_or_default()) {
            tears(db, callee);
        }
    }
    let piece = callable.effects;
    let mut found = Vec::new();
    for of in callable.try_blocks() {
        let Some((catch, false)) = callable.catch_of(of) else { continue };
        if !can_fail(&callable, piece, of) {
            continue;
        }
        let certain = certain(&callable, catch);
        let everywhere = |write: &&WriteEffect| {
            let again = certain.iter().filter(|other| always::covers(other, write)).map(Entry::here);
            callable.always(catch, &again.collect::<Vec<_>>())
        };
        let repairs: Vec<WriteEffect> = certain.iter().filter(everywhere).cloned().collect();
        let undone = piece.writes.iter().filter(|write| callable.is_in(write.here(), of)).cloned();
        found.extend(undone.map(|undone| Tear { undone, repairs: repairs.clone() }));
    }
    for call in piece.calls.iter().filter(|call| !is_told(&callable, call)) {
        found.extend(tears(db, call.callee).iter().map(|tear| seen(db, owner, call, tear)));
    }
    found
}

fn no_tears<'db>(_: &'db dyn Db, _: salsa::Id, _: Torn<'db>) -> Vec<Tear> {
    Vec::new()
}

fn callees(effects: &Effects) -> Vec<BodyOwner> {
    effects.calls.iter().map(|call| call.callee).collect()
}

/// Whether a caller looks at what a called handler returns, which can say there what became of it.
fn is_told(callable: &Callable<'_>, call: &CallEffect) -> bool {
    let result = callable.statements().into_iter().find_map(|stmt| match &stmt.kind {
        StmtKind::LetCall { local, call: made } if made.span == callable.span(call.site) => Some(*local),
        _ => None,
    });
    let mut looks = false;
    visit::body(callable.body, &mut |part| looks |= matches!(part.kind, ExprKind::Local(local) if Some(local) == result));
    looks
}

/// A tear of a callee as its caller sees it.
fn seen(db: &dyn Db, caller: BodyOwner, call: &CallEffect, tear: &Tear) -> Tear {
    let frame = Frame { call, home: effects::home(db, caller) };
    Tear { undone: frame.write(&tear.undone), repairs: tear.repairs.iter().map(|write| frame.write(write)).collect() }
}

/// The writes that a direct call can tear apart: one that it undoes and does not tell of, and one of its caller.
fn split_by_call<'e>(
    callable: &Callable<'_>,
    piece: &'e Effects,
    call: &CallEffect,
) -> Option<(WriteEffect, &'e WriteEffect, Option<ItemId>)> {
    let mut found: Option<(WriteEffect, &WriteEffect, Option<ItemId>)> = None;
    for tear in tears(callable.db, call.callee) {
        let Tear { undone, repairs } = seen(callable.db, callable.body.owner, call, tear);
        for stays in piece.writes.iter().filter(|write| write.here() != call.site) {
            let together = callable.can_follow(stays.here(), call.site) || callable.can_follow(call.site, stays.here());
            if !together || is_of_one_record(stays, &undone) || repairs.iter().any(|write| handles(write, stays, &undone)) {
                continue;
            }
            let invariant = covering(callable, stays, &undone);
            if is_of_inverse(stays, &undone) && invariant.is_none() {
                continue;
            }
            if found.as_ref().is_none_or(|found| found.2.is_none() && invariant.is_some()) {
                found = Some((undone.clone(), stays, invariant));
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
    let start = format!("when the `try` in `{}` fails", callable.name());
    let mut finding = torn(context, callable, &start, split);
    finding = finding.help("write both inside the `try`, or let `catch` fail, or let it take the other write back");
    if let StmtKind::Try { error, catch, .. } = &stmt.kind {
        let edit = fail_in(context, callable, catch, *error);
        finding = finding.fix("let `catch` fail, so that nothing of the transaction stays", Safety::Unsafe, vec![edit]);
    }
    finding
}

fn call_finding(context: &Context<'_>, callable: &Callable<'_>, call: &CallEffect, split: &Split<'_>) -> Diagnostic {
    let called = crate::effects::describe::body_name(context.db, call.callee);
    let start = format!("when a `try` fails in `{called}`, which `{}` calls and which does not tell", callable.name());
    torn(context, callable, &start, split)
        .help("let the `catch` there fail; or return from it what became of it, and let the caller `require` that")
}

fn torn(context: &Context<'_>, callable: &Callable<'_>, start: &str, split: &Split<'_>) -> Diagnostic {
    let words = callable.words();
    let name = |write: &WriteEffect| match write.cell {
        Some(cell) => format!("`{}`", words.cell_of(&write.target, cell)),
        None => format!("the `{}`", crate::effects::describe::record_name(context.db, write.record)),
    };
    let (stays, undone) = (name(split.stays), name(split.undone));
    let message = format!("{start}, its write of {undone} is undone and the write of {stays} stays: half of the update is committed");
    let there = words.space(split.undone.space);
    let mut finding = RULE.at(callable.place(split.undone.here()), format!("undone by a failure: writes {undone} in {there}"), message);
    finding = with_path(finding, context.db, split.undone, "written here");
    let here = words.space(split.stays.space);
    finding = finding.label(callable.place(split.stays.here()), format!("stays: writes {stays} in {here}"));
    finding = with_path(finding, context.db, split.stays, "written here");
    if let Some(invariant) = split.invariant {
        finding.level = Severity::Error;
        let name = crate::effects::describe::body_name(context.db, BodyOwner::Invariant(invariant));
        finding = finding.label(Location::Item(invariant), format!("`{name}` reads both"));
    }
    finding
}

/// Adds a `fail` at the end of a `catch`, or puts it in the place of a `return` there.
pub(super) fn fail_in(context: &Context<'_>, callable: &Callable<'_>, catch: &Block, error: LocalId) -> Edit {
    let fail = format!("fail {}.message", callable.words().local(error));
    let text = context.file.text(context.db);
    let (insert, replace) = (|at, text: String| edits::insert(context.file, at, text), |span, text| Edit { file: context.file, span, text });
    let Some(last) = catch.stmts.last() else {
        let inside = &text[catch.span.start as usize + 1..catch.span.end as usize - 1];
        return if inside.trim().is_empty() {
            replace(catch.span, format!("{{ {fail} }}"))
        } else {
            // Comments end with their line, so the brace stands on one of its own.
            insert(catch.span.end - 1, format!("  {fail}\n{}", edits::indent_at(text, catch.span.end)))
        };
    };
    if matches!(last.kind, StmtKind::Return(_)) {
        return replace(last.span, fail);
    }
    let before = &text[catch.span.start as usize..last.span.start as usize];
    let gap = before.rsplit(|c: char| !c.is_whitespace()).next().filter(|gap| !gap.is_empty()).unwrap_or(" ");
    let end = edits::after_comment(text, last.span.end);
    if end > last.span.end && !gap.contains('\n') {
        return insert(end, format!("\n{}  {fail}", edits::indent_at(text, end)));
    }
    insert(end, format!("{gap}{fail}"))
}

const PAGE: &str = r##"
## What goes wrong

A `try` is a savepoint. When something inside it fails, what it wrote is undone, and the transaction goes on and commits the rest. If the rest
is the other half of one update, half an update is committed: a link that is seen from one side only, money that left one account and
reached no other.

The same happens where the `try` stands in a handler that this one calls directly, and that returns as if nothing had been.

If an invariant reads both sides, the commit is refused when it runs, every time; then this is an error.

Looked at are writes. What a failed `try` takes back of its sends is not: where the other half of an update is sent, send it outside the `try`, or
let the `catch` fail.

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

When the `catch` settles it, on every way through it: it fails, or takes back the write that stays, or writes the one that was undone in another way.
A note of the failure
in another cell settles nothing, half of the update is still there.

When the write outside the `try` means something by itself, such as a count of attempts: write it in the `try` and again in the `catch`, or write
`@allow` with the reason. Where it is known beforehand that the second write is not to be made, ask for that with an `if` instead of a `try`.
"##;
