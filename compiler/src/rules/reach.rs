//! What a send sets going: the effects of the receiver as seen by the sender, how its outcome can be a failure, and what of the outside it
//! changes on the way.

use patternc_grammar::syntax::Repeat;

use crate::db::Db;
use crate::effects::depth::{Level, bottom_up};
use crate::effects::{self, CallEffect, Effects, FailureCause, Frame, SendEffect, SendRole, SendTarget, Site, WriteEffect};
use crate::hir::BodyOwner;
use crate::signature::{CellSig, HandlerKind, handler_sig, operation_sig, record_sig};
use crate::types::{CellId, ItemId, OperationId, Ty};

/// The body that a send runs; `None` for an extern.
pub fn receiver(db: &dyn Db, send: &SendEffect) -> Option<BodyOwner> {
    match send.to {
        SendTarget::Handler(handler) => match handler_sig(db, handler)?.kind {
            HandlerKind::Saga => Some(BodyOwner::Saga(handler)),
            HandlerKind::Public | HandlerKind::Internal => Some(BodyOwner::Handler(handler)),
        },
        SendTarget::Create(record) => Some(BodyOwner::Create(record)),
        SendTarget::Extern(_) | SendTarget::Unknown => None,
    }
}

/// The effects of the receiver as seen from the body that sends: its `self` is the target, its parameters are the arguments. Entries have
/// the send at the start of their path.
pub fn received(db: &dyn Db, sender: BodyOwner, send: &SendEffect) -> Option<Effects> {
    let callee = receiver(db, send)?;
    let call =
        CallEffect { callee, target: send.target.clone(), space: send.space, args: send.args.clone(), site: send.site, caught: false };
    Some(Frame { call: &call, home: effects::home(db, sender) }.effects(effects::effects(db, callee)))
}

/// Why the outcome of an event can be a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failing {
    /// Something in a handler rejects.
    At(Site),
    /// The record that it creates may have the value of another one in a `key` or `unique` cell.
    Taken(CellId),
    /// The outside.
    Outside,
}

/// A call of the outside that changes something there, set going by a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutsideCall {
    pub operation: OperationId,
    pub repeat: Once,
    /// The `send` of the extern call.
    pub site: Site,
    /// Its failure becomes the failure of the body's own event, so that whoever sent that is told.
    pub told: bool,
    /// Record types that `err` arms write on every way there, and whether one of them always sends.
    pub repairs: Vec<ItemId>,
    pub sends: bool,
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
    let mut found = Outcome { failing: rejection(effects), outside: Vec::new() };
    let mut pieces = vec![effects];
    let saga = matches!(owner, BodyOwner::Saga(_));
    while let Some(piece) = pieces.pop() {
        for send in &piece.sends {
            pieces.extend(send.arms());
            let answers = send.role == SendRole::Answer || (saga && matches!(send.role, SendRole::Step { .. }));
            // What a handler rejects says more than that the outside may.
            if answers && !matches!(found.failing, Some(Failing::At(_))) {
                found.failing = answered(db, send).or(found.failing);
            }
            // What a saga does outside is undone by the saga.
            if !saga {
                let told = answers && send.err.as_ref().is_none_or(|err| err.rejects());
                found.outside.extend(outside_calls(db, send).into_iter().map(|call| OutsideCall { told: told && call.told, ..call }));
            }
        }
    }
    found.outside = least_repaired(found.outside);
    found
}

/// Each call once, with what is repaired on every way to it.
fn least_repaired(mut calls: Vec<OutsideCall>) -> Vec<OutsideCall> {
    calls.sort_unstable();
    calls.dedup_by(|call, kept| {
        let same = (call.operation, call.site, call.told) == (kept.operation, kept.site, kept.told);
        if same {
            kept.repairs.retain(|record| call.repairs.contains(record));
            kept.sends &= call.sends;
        }
        same
    });
    calls
}

/// The bodies that a body and its arms send to.
fn receivers(db: &dyn Db, owner: BodyOwner) -> Vec<BodyOwner> {
    let pieces = effects::effects(db, owner).pieces();
    pieces.iter().flat_map(|piece| &piece.sends).filter_map(|send| receiver(db, send)).collect()
}

fn nothing_yet<'db>(_: &'db dyn Db, _: salsa::Id, _: Receiver<'db>) -> Outcome {
    Outcome::default()
}

/// The first place where a piece rejects.
fn rejection(effects: &Effects) -> Option<Failing> {
    let rejects = |cause: FailureCause| cause != FailureCause::Overflow;
    effects.failures.iter().find(|failure| !failure.caught && rejects(failure.cause)).map(|failure| Failing::At(failure.site))
}

/// How the answer that a handler defers to a send can be a failure.
fn answered(db: &dyn Db, send: &SendEffect) -> Option<Failing> {
    let ok = send.ok.as_ref().and_then(|arm| rejection(arm));
    ok.or_else(|| match &send.err {
        Some(err) => rejection(err),
        None => failing(db, send),
    })
}

/// Why the outcome of a send can be a failure; `None` if it cannot.
pub fn failing(db: &dyn Db, send: &SendEffect) -> Option<Failing> {
    match send.to {
        SendTarget::Extern(_) => Some(Failing::Outside),
        SendTarget::Create(record) => {
            // A value that the record makes for itself (`= new_id()`), or may go without, is rarely another's.
            let asked = |cell: &CellSig| (cell.key || cell.unique) && !cell.has_default && !matches!(cell.ty, Ty::Optional(_));
            let taken = record_sig(db, record)?.cells.iter().position(asked);
            let taken = taken.map(|index| Failing::Taken(CellId { record, index: index as u32 }));
            outcome(db, BodyOwner::Create(record)).failing.or(taken)
        }
        _ => outcome(db, receiver(db, send)?).failing,
    }
}

/// What a send changes outside, directly or through the handlers it reaches. `told` says that its `err` arm, or whoever stands for it, hears of
/// a failure.
pub fn outside_calls(db: &dyn Db, send: &SendEffect) -> Vec<OutsideCall> {
    let mut calls = match send.to {
        SendTarget::Extern(operation) => {
            let repeat = match operation_sig(db, operation).map(|sig| sig.repeat) {
                Some(Repeat::Once) => Once::Once,
                Some(Repeat::Idempotent) => Once::Idempotent,
                Some(Repeat::Readonly) | None => return Vec::new(),
            };
            vec![OutsideCall { operation, repeat, site: send.site, told: true, repairs: Vec::new(), sends: false }]
        }
        _ => receiver(db, send).map(|owner| outcome(db, owner).outside.clone()).unwrap_or_default(),
    };
    if let Some(err) = &send.err {
        for call in calls.iter_mut().filter(|call| call.told) {
            call.repairs.extend(err.writes.iter().map(|write: &WriteEffect| write.record));
            call.repairs.sort_unstable();
            call.repairs.dedup();
            call.sends |= !err.sends.is_empty();
        }
    }
    calls
}
