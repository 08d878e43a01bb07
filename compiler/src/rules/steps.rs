//! The steps of sagas: what each changes, and why it may reject.

use patternc_grammar::syntax::Repeat;
use rustc_hash::FxHashSet;

use super::Rule;
use super::context::{Callable, Context};
use super::reach::{self, Failing};
use super::taken_back;
use crate::breaking;
use crate::db::Db;
use crate::diagnostic::{Diagnostic, Location};
use crate::effects::describe::{body_name, cell_path, record_name};
use crate::effects::{self, Effects, Entry, FailureCause, SendEffect, SendRole, SendTarget, Site, Target, Trust, WriteEffect, WriteKind};
use crate::facts;
use crate::hir::{BodyKind, BodyOwner, Step};
use crate::resolve::{item_name, one_of};
use crate::signature::{HandlerKind, extern_sig, handler_sig, operation_sig, record_sig};
use crate::types::{CellId, ItemId, OperationId};

/// A step with what it sends.
pub struct SagaStep<'a> {
    pub step: &'a Step,
    pub action: &'a SendEffect,
    pub undo: Option<&'a SendEffect>,
}

/// A saga: its steps, and which of them is the point of no return.
pub struct Saga<'a> {
    pub steps: Vec<SagaStep<'a>>,
    pub pivot: usize,
}

/// The sagas of a file that are understood, with their bodies.
pub fn sagas<'a>(context: &'a Context<'_>) -> impl Iterator<Item = (&'a Callable<'a>, Saga<'a>)> {
    context.callables.iter().filter(|callable| !callable.is_incomplete()).filter_map(|callable| {
        let BodyKind::Saga { steps, .. } = &callable.body.kind else { return None };
        // In the order of the text: each step, and what undoes it.
        let mut sends = callable.own.sends.iter().filter(|send| matches!(send.role, SendRole::Step { .. } | SendRole::Undo)).peekable();
        let steps: Vec<SagaStep<'_>> = steps
            .iter()
            .map_while(|step| {
                let action = sends.next()?;
                Some(SagaStep { step, action, undo: sends.next_if(|send| send.role == SendRole::Undo) })
            })
            .collect();
        let pivot = steps.iter().position(|step| step.step.pivot).unwrap_or(steps.len().checked_sub(1)?);
        Some((callable, Saga { steps, pivot }))
    })
}

impl SagaStep<'_> {
    /// Its name in messages: "`lease`", or what it sends.
    pub fn name(&self, callable: &Callable<'_>) -> String {
        match self.step.name {
            Some(local) => callable.words().local(local),
            None => callable.words().event(self.action),
        }
    }
}

/// The name of the saga's point of no return, with its place.
pub fn pivot_label(saga: &Saga<'_>, callable: &Callable<'_>, finding: Diagnostic) -> Diagnostic {
    let Some(pivot) = saga.steps.get(saga.pivot) else { return finding };
    let label = if pivot.step.pivot { "the point of no return" } else { "the point of no return: without `pivot`, the last step" };
    let label = format!("{label}, in {}", reached(callable, pivot.action));
    finding.label(callable.place(pivot.action.site), label)
}

/// Something that a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A write.
    At(Site),
    Outside(OperationId),
}

/// What an event changes, itself or through what it sends; `None` if nothing.
pub fn change(db: &dyn Db, send: &SendEffect) -> Option<Change> {
    changes(db, send, &mut FxHashSet::default())
}

fn changes(db: &dyn Db, send: &SendEffect, seen: &mut FxHashSet<BodyOwner>) -> Option<Change> {
    if let SendTarget::Extern(operation) = send.to {
        return repeat(db, operation).filter(|repeat| *repeat != Repeat::Readonly).map(|_| Change::Outside(operation));
    }
    let owner = effects::receiver(db, send)?;
    if let SendTarget::Create(_) = send.to {
        return Some(Change::At(send.site));
    }
    if !seen.insert(owner) {
        return None;
    }
    let pieces = effects::effects(db, owner).pieces();
    let written = pieces.iter().flat_map(|piece| &piece.writes).next();
    written
        .map(|write| Change::At(write.site))
        .or_else(|| pieces.iter().flat_map(|piece| &piece.sends).find_map(|send| changes(db, send, seen)))
}

/// What an event does, itself and through everything that it sends.
#[derive(Default)]
pub struct Everything<'db> {
    pub pieces: Vec<&'db Effects>,
    /// The operations that change something outside.
    pub outside: Vec<OperationId>,
}

/// What an event does, itself and through everything that it sends; `delayed`: also through what is sent for later. What the undos of a saga
/// would do is left out: they run where the saga is rejected.
pub fn everything<'db>(db: &'db dyn Db, send: &SendEffect, delayed: bool) -> Everything<'db> {
    let (mut found, mut seen) = (Everything::default(), FxHashSet::default());
    let mut ahead = vec![(send.to, effects::receiver(db, send))];
    while let Some((to, owner)) = ahead.pop() {
        if let SendTarget::Extern(operation) = to {
            if repeat(db, operation).is_some_and(|repeat| repeat != Repeat::Readonly) {
                found.outside.push(operation);
            }
            continue;
        }
        let Some(owner) = owner.filter(|owner| seen.len() < MOST_SEEN && seen.insert(*owner)) else { continue };
        let pieces = effects::effects(db, owner).pieces();
        let sends = pieces.iter().flat_map(|piece| &piece.sends).filter(|send| send.role != SendRole::Undo && (delayed || !send.delayed));
        ahead.extend(sends.map(|send| (send.to, effects::receiver(db, send))));
        found.pieces.extend(pieces);
    }
    found
}

/// Bodies that are looked at for one event.
const MOST_SEEN: usize = 256;

/// What repeating an operation does.
pub fn repeat(db: &dyn Db, operation: OperationId) -> Option<Repeat> {
    operation_sig(db, operation).map(|sig| sig.repeat)
}

/// `payments.charge`.
pub fn operation_name(db: &dyn Db, operation: OperationId) -> String {
    let of = extern_sig(db, operation.of).map_or_else(String::new, |sig| sig.name.to_string());
    let name = operation_sig(db, operation).map_or_else(String::new, |sig| sig.name.to_string());
    format!("{of}.{name}")
}

/// Why an event may be rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejecting {
    /// A `require`, `fail`, unique cell, missing entry, division by zero or link that may not be empty.
    At(Site),
    /// A record that is created with a value which another one has in a key or unique cell.
    Unique(CellId),
    /// A write that an invariant forbids.
    Invariant(ItemId, Site),
    /// The record that it goes to may have been deleted.
    Deleted(ItemId),
    /// A record that an argument or target is read from there may have been deleted.
    Gone(ItemId, Site),
    /// A record that is read, written or called there may have been deleted.
    Lacking(ItemId, Site),
    /// What a record that is written there gives a mirror may have no value: the mirror, the write, and where.
    Unmirrored(ItemId, Site, Site),
    /// The outside; which operation, if it is called directly.
    Outside(Option<OperationId>),
}

/// Why an event may be rejected; `None` if it cannot be. The outside is named only where nothing else is to be said.
pub fn rejecting(db: &dyn Db, send: &SendEffect) -> Option<Rejecting> {
    event_rejects(db, send, true, &mut Vec::new())
}

/// The same of an event that a handler sends: whether another event of what deletes its own record comes first, no saga knows.
pub fn rejecting_sent(db: &dyn Db, send: &SendEffect) -> Option<Rejecting> {
    event_rejects(db, send, false, &mut Vec::new())
}

/// Where the target or an argument of an `undo`, or of a step that is not the first, may have no value: then nothing is sent.
pub fn without_value(callable: &Callable<'_>, send: &SendEffect) -> Option<Rejecting> {
    // Sites are counted in the order of evaluation: what belongs to a send stands between the one before it and itself.
    let before = callable.own.sends.iter().map(|other| other.site.index).filter(|index| *index < send.site.index).max();
    let mut failures = callable.effects.failures.iter().filter(|failure| !failure.caught && failure.cause != FailureCause::Overflow);
    let of_it = |index: u32| index < send.site.index && before.is_some_and(|before| before < index);
    if let Some(failure) = failures.find(|failure| of_it(failure.here().index)) {
        return Some(Rejecting::At(failure.site));
    }
    // What is gone by then has no value either.
    let mut reads = callable.effects.reads.iter().filter(|read| read.cell.is_some() && of_it(read.here().index));
    let gone = reads.find(|read| facts::is_deleted_elsewhere(callable.db, read.record, callable.body.owner))?;
    Some(Rejecting::Gone(gone.record, gone.here()))
}

/// The record of a step or `undo` that deletes its own record, which another event like it may have deleted before: unless the saga has
/// made the record itself, or has demanded before something of it that it then has changed, so that a second saga is refused in time.
pub fn used_up(db: &dyn Db, before: &[SagaStep<'_>], send: &SendEffect) -> Option<Rejecting> {
    let SendTarget::Handler(handler) = send.to else { return None };
    if !facts::is_deleted(db, handler.record) {
        return None;
    }
    let internal = handler_sig(db, handler).is_some_and(|sig| sig.kind == HandlerKind::Internal);
    let named = matches!(send.target, Target::SelfRecord | Target::Local(_));
    let same = |step: &&SagaStep<'_>| step.action.target == send.target;
    let again = before.iter().filter(same).any(|step| step.action.to == send.to);
    let made = |step: &SagaStep<'_>| {
        step.action.to == SendTarget::Create(handler.record) && step.step.name.map(Target::Local).is_some_and(|made| made == send.target)
    };
    let held = before.iter().any(made) || before.iter().filter(same).any(|step| holds(db, step.action));
    (!(internal && named && held) || again).then_some(Rejecting::Deleted(handler.record))
}

/// Whether what an event demands of its record is something that it changes.
fn holds(db: &dyn Db, send: &SendEffect) -> bool {
    let Some(body) = effects::receiver(db, send).and_then(|owner| effects::body(db, owner)) else { return false };
    let mut writes = body.own.writes.iter().filter(|write| write.target == Target::SelfRecord && write.cell.is_some());
    writes.any(|write| taken_back::is_demanded(db, &body.layout, write))
}

/// Events that wait for one another's answers are followed so far; what is behind them is told less exactly.
const DEEPEST: usize = 64;

fn event_rejects(db: &dyn Db, send: &SendEffect, by_saga: bool, under: &mut Vec<BodyOwner>) -> Option<Rejecting> {
    if let SendTarget::Extern(operation) = send.to {
        return Some(Rejecting::Outside(Some(operation)));
    }
    let owner = effects::receiver(db, send)?;
    if under.contains(&owner) {
        return None;
    }
    if under.len() >= DEEPEST {
        return reach::failing(db, send).map(|failing| match failing {
            Failing::At(site) => Rejecting::At(site),
            Failing::Taken(cell) => Rejecting::Unique(cell),
            Failing::Broken(invariant, site) => Rejecting::Invariant(invariant, site),
            Failing::Lacking(record, site) => Rejecting::Lacking(record, site),
            Failing::Unmirrored(mirror, write, fails) => Rejecting::Unmirrored(mirror, write, fails),
            Failing::Deleted(record, _) => Rejecting::Deleted(record),
            Failing::Outside(_) => Rejecting::Outside(None),
        });
    }
    let effects = effects::effects(db, owner);
    if let Some(why) = rejection(db, effects) {
        return Some(why);
    }
    if let SendTarget::Handler(handler) = send.to {
        // Whether another event of what deletes its own record comes first, the saga may know: see [`used_up`].
        let elsewhere = facts::is_deleted_elsewhere(db, handler.record, owner);
        if elsewhere || !by_saga && reach::used_up(db, send) {
            return Some(Rejecting::Deleted(handler.record));
        }
    }
    if let SendTarget::Create(record) = send.to {
        let cells = record_sig(db, record).map(|sig| sig.cells.iter().position(|cell| cell.key || cell.unique));
        if let Some(Some(index)) = cells {
            return Some(Rejecting::Unique(CellId { record, index: index as u32 }));
        }
        if let Some(why) = send.made.as_ref().and_then(|made| rejects_itself(db, made)) {
            return Some(why);
        }
    }
    under.push(owner);
    let why = piece_rejects(db, effects, under);
    under.pop();
    why
}

/// Why a piece, or what its answer is deferred to, may be rejected.
fn piece_rejects(db: &dyn Db, piece: &Effects, under: &mut Vec<BodyOwner>) -> Option<Rejecting> {
    if let Some(why) = rejects_itself(db, piece) {
        return Some(why);
    }
    let mut outside = None;
    for send in deferred(piece) {
        let why = event_rejects(db, send, false, under);
        let err = match (&send.err, why) {
            (None, why) => why,
            (Some(err), Some(_)) => piece_rejects(db, err, under),
            (Some(_), None) => None,
        };
        let ok = send.ok.as_ref().and_then(|ok| piece_rejects(db, ok, under));
        for why in [ok, err].into_iter().flatten() {
            match why {
                Rejecting::Outside(_) => outside = Some(Rejecting::Outside(None)),
                why => return Some(why),
            }
        }
    }
    outside
}

/// The sends whose outcome is that of the piece: of a saga its steps up to the point of no return.
fn deferred(piece: &Effects) -> impl Iterator<Item = &SendEffect> {
    let pivot = piece.sends.iter().position(|send| send.role == SendRole::Step { pivot: true });
    let steps = piece.sends.iter().take(pivot.map_or(usize::MAX, |pivot| pivot + 1));
    steps.filter(|send| matches!(send.role, SendRole::Answer | SendRole::Step { .. }))
}

/// Why the transaction of a piece may be rejected.
pub fn rejects_itself(db: &dyn Db, piece: &Effects) -> Option<Rejecting> {
    let broken = || piece.writes.iter().find_map(|write| Some(Rejecting::Invariant(invariant(db, write)?, write.site)));
    let unmirrored = || unmirrored(db, piece).map(|(mirror, write, fails)| Rejecting::Unmirrored(mirror, write, fails));
    rejection(db, piece).or_else(broken).or_else(unmirrored)
}

fn rejection(db: &dyn Db, piece: &Effects) -> Option<Rejecting> {
    let rejects = |cause: FailureCause| cause != FailureCause::Overflow;
    let at = piece.failures.iter().find(|failure| !failure.caught && rejects(failure.cause)).map(|failure| Rejecting::At(failure.site));
    at.or_else(|| lacking(db, piece).map(|trust| Rejecting::Lacking(trust.record, trust.site)))
}

/// What a piece relies on that may have been deleted.
pub fn lacking<'a>(db: &dyn Db, piece: &'a Effects) -> Option<&'a Trust> {
    piece.trusts.iter().find(|trust| !trust.caught && facts::is_deleted(db, trust.record))
}

/// A mirror of a record that may refuse what a piece writes, or that it makes the record; with the write, and what may have no value.
pub fn unmirrored(db: &dyn Db, piece: &Effects) -> Option<(ItemId, Site, Site)> {
    piece.writes.iter().filter(|write| write.kind != WriteKind::Delete).find_map(|write| {
        facts::mirrors_of_record(db, write.record).find_map(|mirror| {
            let fails = mirror.fails.filter(|_| write.cell.is_none_or(|cell| mirror.cells.contains(&cell)))?;
            Some((mirror.item, write.site, fails))
        })
    })
}

/// An invariant that a write may break.
pub fn invariant(db: &dyn Db, write: &WriteEffect) -> Option<ItemId> {
    breaking::rejecting(db, write).next()
}

/// Adds where and why an event may be rejected.
pub fn because(db: &dyn Db, why: &Rejecting, finding: Diagnostic) -> Diagnostic {
    match why {
        Rejecting::At(site) => {
            finding.label(Location::Site(*site), format!("rejects in `{}`: {}", body_name(db, site.body), cause(db, *site)))
        }
        Rejecting::Invariant(invariant, site) => finding
            .label(Location::Site(*site), "this write may break it")
            .label(Location::Item(*invariant), format!("the invariant `{}` rejects what would break it", item_name(db, *invariant))),
        Rejecting::Unique(cell) => finding.label(Location::Cell(*cell), "no two have the same"),
        Rejecting::Gone(record, site) => {
            let label = format!("reads {}, which may be gone by then", one_of(&record_name(db, *record)));
            finding.label(Location::Site(*site), label).note("what is read before the steps (`let … = …`) is kept with the saga")
        }
        Rejecting::Lacking(record, site) => {
            let label = format!("fails if this `{}` was deleted by then", record_name(db, *record));
            finding.label(Location::Site(*site), label).note(
                "read through the link with `?.`, or do it only where `exists()`; or declare the link with `inverse`, so that it is never to a record \
                 that is gone",
            )
        }
        Rejecting::Unmirrored(mirror, write, fails) => finding
            .label(Location::Site(*write), "this write changes what the mirror tells")
            .label(Location::Site(*fails), format!("may have no value, and the mirror `{}` needs one", item_name(db, *mirror))),
        Rejecting::Deleted(_) | Rejecting::Outside(_) => finding,
    }
}

/// The same in words.
pub fn reason(db: &dyn Db, why: &Rejecting) -> String {
    match why {
        Rejecting::At(site) => format!("{} in `{}`", cause(db, *site), body_name(db, site.body)),
        Rejecting::Unique(cell) => format!("another record with the same `{}`", cell_path(db, *cell)),
        Rejecting::Invariant(invariant, _) => format!("the invariant `{}`", item_name(db, *invariant)),
        Rejecting::Deleted(record) => format!("the deletion of its `{}` meanwhile", record_name(db, *record)),
        Rejecting::Gone(record, _) => format!("the deletion of {} that it reads", one_of(&record_name(db, *record))),
        Rejecting::Lacking(record, site) => {
            format!("the deletion of {} that `{}` relies on", one_of(&record_name(db, *record)), body_name(db, site.body))
        }
        Rejecting::Unmirrored(mirror, _, fails) => format!("the mirror `{}`: {} in it", item_name(db, *mirror), cause(db, *fails)),
        Rejecting::Outside(Some(operation)) => format!("the outside, by `{}`", operation_name(db, *operation)),
        Rejecting::Outside(None) => "the outside".to_owned(),
    }
}

/// What rejects at a site.
fn cause(db: &dyn Db, site: Site) -> String {
    let own = effects::own(db, site.body);
    let pieces = own.iter().flat_map(|body| body.own.pieces());
    let pieces = pieces.flat_map(|piece| piece.sends.iter().filter_map(|send| send.made.as_deref()).chain([piece]));
    let cause = pieces.flat_map(|piece| &piece.failures).find(|failure| failure.site == site).map(|failure| failure.cause);
    match cause {
        Some(FailureCause::Require) => "the `require`".to_owned(),
        Some(FailureCause::Fail) => "the `fail`".to_owned(),
        Some(FailureCause::Unique(cell)) => format!("another record with the same `{}`", cell_path(db, cell)),
        Some(FailureCause::Missing) => "an element that may be missing".to_owned(),
        Some(FailureCause::Division) => "a division by zero".to_owned(),
        Some(FailureCause::Linked(cell)) => format!("the link `{}`, which may not be empty,", cell_path(db, cell)),
        Some(FailureCause::Overflow) => "a number that may be too large".to_owned(),
        None => "a rejection".to_owned(),
    }
}

/// A finding at a step.
pub fn at(rule: &Rule, callable: &Callable<'_>, send: &SendEffect, label: &str, message: String) -> Diagnostic {
    rule.at(callable.place(send.site), format!("{label}, in {}", reached(callable, send)), message)
}

/// The space that an event goes to, in words.
pub fn reached(callable: &Callable<'_>, send: &SendEffect) -> String {
    match send.to {
        SendTarget::Extern(_) => "the outside".to_owned(),
        _ => callable.words().space(send.space),
    }
}
