//! What a send sets going: the effects of the receiver as seen by the sender, how its outcome can be a failure, and what of the outside it
//! changes on the way.

use patternc_grammar::syntax::Repeat;

use super::repairs::{self, Repairs};
use super::steps;
use crate::breaking;
use crate::db::Db;
use crate::effects::depth::{Level, bottom_up};
use crate::effects::{
    self, CallEffect, Effects, FailureCause, Frame, Read, SendEffect, SendRole, SendTarget, Site, Target, WriteEffect, WriteKind,
};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::{CellSig, HandlerKind, handler_sig, operation_sig, record_sig};
use crate::types::{CellId, ItemId, OperationId, Ty};

/// The effects of the receiver as seen from the body that sends: its `self` is the target, its parameters are the arguments. Entries have
/// the send at the start of their path.
pub fn received(db: &dyn Db, sender: BodyOwner, send: &SendEffect) -> Option<Effects> {
    let call = as_call(db, send)?;
    Some(Frame { call: &call, home: effects::home(db, sender) }.effects(effects::effects(db, call.callee)))
}

/// The send as if it were a direct call of its receiver.
pub fn as_call(db: &dyn Db, send: &SendEffect) -> Option<CallEffect> {
    let callee = effects::receiver(db, send)?;
    let site = crate::effects::Entry::here(send);
    Some(CallEffect { callee, target: send.target.clone(), space: send.space, args: send.args.clone(), site, caught: false })
}

/// Why the outcome of an event can be a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failing {
    /// Something in a handler rejects.
    At(Site),
    /// The record that it creates may have the value of another one in a `key` or `unique` cell.
    Taken(CellId),
    /// A write of its may break an invariant.
    Broken(ItemId, Site),
    /// A record that is read, written or called there may have been deleted.
    Lacking(ItemId, Site),
    /// What a record that is written gives a mirror may have no value: the mirror, the write, and where.
    Unmirrored(ItemId, Site, Site),
    /// The record that it is sent to may be deleted by then, by this body.
    Deleted(ItemId, BodyOwner),
    /// The outside, by the send at this place.
    Outside(Site),
}

/// A call of the outside that changes something there, set going by a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideCall {
    pub operation: OperationId,
    pub repeat: Once,
    /// The `send` of the extern call.
    pub site: Site,
    /// Its failure becomes the failure of the body's own event, so that whoever sent that is told.
    pub told: bool,
    /// What `err` arms put right on every way there, as the body sees it.
    pub repairs: Repairs,
}

/// Whether an operation may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Once {
    Idempotent,
    Once,
}

/// How the event of a body can come out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub failing: Option<Failing>,
    /// In a fixed order, each once.
    pub outside: Vec<OutsideCall>,
}

#[salsa::interned(debug)]
struct Receiver<'db> {
    #[returns(copy)]
    owner: BodyOwner,
}

/// How the event that runs `owner` can come out, and what it changes outside, through everything it sends.
pub fn outcome(db: &dyn Db, owner: BodyOwner) -> &Outcome {
    outcome_of(db, Receiver::new(db, owner))
}

// Events may send one another in circles. From round to round calls are only added, and what is repaired on every way to one only shrinks:
// that ends.
#[salsa::tracked(returns(ref), cycle_initial = nothing_yet)]
fn outcome_of<'db>(db: &'db dyn Db, key: Receiver<'db>) -> Outcome {
    let owner = key.owner(db);
    let level = Level::enter();
    if level.is_deep() {
        for below in bottom_up(owner, |owner| receivers(db, owner)) {
            outcome(db, below);
        }
    }
    let effects = effects::effects(db, owner);
    let mut found = Outcome { failing: rejects(db, effects), outside: Vec::new() };
    let mut pieces = vec![effects];
    let saga = matches!(owner, BodyOwner::Saga(_));
    while let Some(piece) = pieces.pop() {
        for send in &piece.sends {
            pieces.extend(send.arms());
            let answers = send.role == SendRole::Answer || (saga && matches!(send.role, SendRole::Step { .. }));
            // What a handler rejects says more than that the outside may.
            if answers && matches!(found.failing, None | Some(Failing::Outside(_))) {
                found.failing = answered(db, send).or(found.failing);
            }
            // What a saga does outside is undone by the saga.
            if !saga {
                let told = answers && send.err.as_ref().is_none_or(|err| err.rejects());
                found
                    .outside
                    .extend(outside_calls(db, owner, send).into_iter().map(|call| OutsideCall { told: told && call.told, ..call }));
            }
        }
    }
    found.outside = least_repaired(found.outside);
    found
}

/// Each call once, with what is repaired on every way to it.
fn least_repaired(mut calls: Vec<OutsideCall>) -> Vec<OutsideCall> {
    calls.sort_by_key(|call| (call.operation, call.site, call.told));
    calls.dedup_by(|call, kept| {
        let same = (call.operation, call.site, call.told) == (kept.operation, kept.site, kept.told);
        if same {
            kept.repairs.keep_common(&call.repairs);
        }
        same
    });
    calls
}

/// The bodies that a body and its arms send to.
fn receivers(db: &dyn Db, owner: BodyOwner) -> Vec<BodyOwner> {
    let pieces = effects::effects(db, owner).pieces();
    pieces.iter().flat_map(|piece| &piece.sends).filter_map(|send| effects::receiver(db, send)).collect()
}

fn nothing_yet<'db>(_: &'db dyn Db, _: salsa::Id, _: Receiver<'db>) -> Outcome {
    Outcome::default()
}

/// Why the transaction of a piece may be rejected.
fn rejects(db: &dyn Db, effects: &Effects) -> Option<Failing> {
    let rejects = |cause: FailureCause| cause != FailureCause::Overflow;
    let at = effects.failures.iter().find(|failure| !failure.caught && rejects(failure.cause)).map(|failure| Failing::At(failure.site));
    let lacking = || steps::lacking(db, effects).map(|trust| Failing::Lacking(trust.record, trust.site));
    let breaks = |write: &WriteEffect| Some(Failing::Broken(steps::invariant(db, write)?, write.site));
    let broken = || effects.writes.iter().filter(|write| !is_guarded(db, write)).find_map(breaks);
    at.or_else(lacking).or_else(broken).or_else(|| unmirrored(db, effects))
}

fn unmirrored(db: &dyn Db, effects: &Effects) -> Option<Failing> {
    steps::unmirrored(db, effects).map(|(mirror, write, fails)| Failing::Unmirrored(mirror, write, fails))
}

/// Why what the runtime does for a record that an event makes may be rejected, beside what the record is given: by a record that it is linked to,
/// by an invariant of another type, by a mirror.
fn made(db: &dyn Db, made: &Effects) -> Option<Failing> {
    let at = made.failures.first().map(|failure| Failing::At(failure.site));
    let lacking = || steps::lacking(db, made).map(|trust| Failing::Lacking(trust.record, trust.site));
    let broken = || made.writes.iter().find_map(|write| Some(Failing::Broken(breaking::broken_by(db, write).next()?, write.site)));
    at.or_else(lacking).or_else(broken).or_else(|| unmirrored(db, made))
}

/// Whether the body that writes has looked at the cell to decide about it: it is taken to know what it does.
fn is_guarded(db: &dyn Db, write: &WriteEffect) -> bool {
    let Some(body) = effects::body(db, write.site.body) else { return false };
    let looks = |read: &Read| read.cell == write.cell && read.path.is_empty() && body.layout.decided_by(read.site).next().is_some();
    write.cell.is_some() && body.own.pieces().iter().flat_map(|piece| &piece.reads).any(looks)
}

/// How the answer that a handler defers to a send can be a failure.
fn answered(db: &dyn Db, send: &SendEffect) -> Option<Failing> {
    let ok = send.ok.as_ref().and_then(|arm| rejects(db, arm));
    ok.or_else(|| match &send.err {
        Some(err) => rejects(db, err),
        None => failing(db, send),
    })
}

/// Why the outcome of a send can be a failure; `None` if it cannot.
pub fn failing(db: &dyn Db, send: &SendEffect) -> Option<Failing> {
    match send.to {
        SendTarget::Extern(_) => Some(Failing::Outside(send.site)),
        SendTarget::Create(record) => {
            // A value that the record makes for itself (`= new_id()`), or may go without, is rarely another's.
            let asked = |cell: &CellSig| (cell.key || cell.unique) && !cell.has_default && !matches!(cell.ty, Ty::Optional(_));
            let taken = record_sig(db, record)?.cells.iter().position(asked);
            let taken = taken.map(|index| Failing::Taken(CellId { record, index: index as u32 }));
            let failing = outcome(db, BodyOwner::Create(record)).failing.or(taken).or_else(|| refused(db, record, send.site));
            failing.or_else(|| made(db, send.made.as_ref()?))
        }
        SendTarget::Handler(_) | SendTarget::Unknown => {
            let owner = effects::receiver(db, send)?;
            let failing = outcome(db, owner).failing;
            failing.filter(|failing| !matches!(failing, Failing::Outside(_))).or_else(|| deleted(db, send, owner)).or(failing)
        }
    }
}

/// An invariant that may refuse a record which is made: one that looks at what every one is given when it is made.
fn refused(db: &dyn Db, record: ItemId, site: Site) -> Option<Failing> {
    let given = |cell: &CellSig| !cell.derived && !cell.has_default && !matches!(cell.ty, Ty::Optional(_) | Ty::Record(..));
    let cells = record_sig(db, record)?.cells.iter().enumerate().filter(|(_, cell)| given(cell));
    let cells: Vec<CellId> = cells.map(|(index, _)| CellId { record, index: index as u32 }).collect();
    let looks = |invariant: &ItemId| cells.iter().any(|cell| facts::invariants_on(db, *cell).contains(invariant));
    facts::invariants_of_record(db, record).find(looks).map(|invariant| Failing::Broken(invariant, site))
}

/// Who may delete the record that an event goes to, before it arrives. What was made in the same transaction is not known to anyone yet.
fn deleted(db: &dyn Db, send: &SendEffect, receiver: BodyOwner) -> Option<Failing> {
    let SendTarget::Handler(handler) = send.to else { return None };
    let elsewhere = || facts::deleter(db, handler.record, receiver).filter(|_| send.target != Target::Fresh);
    // Where it has nothing else to do, it is as well that the record is gone already.
    let own = || (used_up(db, send) && does_more(db, receiver)).then_some(receiver);
    elsewhere().or_else(own).map(|by| Failing::Deleted(handler.record, by))
}

/// Whether a body does anything but change and delete its own record.
fn does_more(db: &dyn Db, owner: BodyOwner) -> bool {
    let pieces = effects::effects(db, owner).pieces();
    pieces
        .iter()
        .any(|piece| !piece.sends.is_empty() || piece.writes.iter().any(|write| !write.inverse && write.target != Target::SelfRecord))
}

/// Whether the receiver of an event deletes its own record, and another event of the same handler may come first: unless the record was made in
/// the same transaction, or nobody else knows it: the sender gives up the link by which it does.
pub fn used_up(db: &dyn Db, send: &SendEffect) -> bool {
    let SendTarget::Handler(handler) = send.to else { return false };
    let Some(receiver) = effects::receiver(db, send) else { return false };
    let mut pieces = effects::effects(db, receiver).pieces().into_iter();
    let deletes = |write: &WriteEffect| write.kind == WriteKind::Delete && write.target == Target::SelfRecord;
    if !pieces.any(|piece| piece.writes.iter().any(deletes)) {
        return false;
    }
    let internal = handler_sig(db, handler).is_some_and(|sig| sig.kind == HandlerKind::Internal);
    let given_up = || match &send.target {
        Target::Fresh => true,
        Target::Path(link) => {
            let own = effects::own(db, send.site.body).map(|body| body.own.pieces()).unwrap_or_default();
            let mut writes = own.iter().flat_map(|piece| &piece.writes);
            writes.any(|write| write.cell == Some(link.1) && write.target == link.0 && write.kind == WriteKind::Set)
        }
        _ => false,
    };
    !(internal && given_up())
}

/// What a send of `body` changes outside, directly or through the handlers it reaches. `told` says that its `err` arm, or whoever stands for it,
/// hears of a failure.
pub fn outside_calls(db: &dyn Db, body: BodyOwner, send: &SendEffect) -> Vec<OutsideCall> {
    let mut calls = match send.to {
        SendTarget::Extern(operation) => {
            let repeat = match operation_sig(db, operation).map(|sig| sig.repeat) {
                Some(Repeat::Once) => Once::Once,
                Some(Repeat::Idempotent) => Once::Idempotent,
                Some(Repeat::Readonly) | None => return Vec::new(),
            };
            vec![OutsideCall { operation, repeat, site: send.site, told: true, repairs: Repairs::default() }]
        }
        _ => as_call(db, send).map(|call| seen(db, body, &call)).unwrap_or_default(),
    };
    if send.err.is_some() {
        for call in calls.iter_mut().filter(|call| call.told) {
            call.repairs.add(repairs::of_err(db, body, send, call.operation));
        }
    }
    calls
}

/// What the receiver of a send changes outside, as the sender sees it.
fn seen(db: &dyn Db, sender: BodyOwner, sent: &CallEffect) -> Vec<OutsideCall> {
    let frame = Frame { call: sent, home: effects::home(db, sender) };
    let outside = &outcome(db, sent.callee).outside;
    outside.iter().map(|call| OutsideCall { repairs: call.repairs.seen(&frame), ..call.clone() }).collect()
}
