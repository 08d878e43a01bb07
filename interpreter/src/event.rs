//! Events: what comes from outside, what handlers send, and how each ends.

use std::fmt;
use std::sync::Arc;

use patternc_program::{ArmId, CellIndex, ExternId, Field, HandlerId, Place, Program, RecordId, SagaId, Slot, Type};

use crate::failure::Failure;
use crate::value::{RecordRef, SpaceRef, Value};

/// The identity of an event: given from outside, or made for a send. An id that was seen gives the recorded outcome again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub Arc<str>);

/// An event with everything its delivery needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: EventId,
    /// Who sent the outside event that began it all.
    pub caller: Option<Arc<str>>,
    pub action: Action,
}

/// What an event does where it arrives.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Handler {
        to: RecordRef,
        handler: HandlerId,
        args: Vec<Value>,
    },
    Saga {
        to: RecordRef,
        saga: SagaId,
        args: Vec<Value>,
    },
    /// A record in another space. Without an id, one is made from the event's.
    Create {
        record: RecordId,
        space: SpaceRef,
        id: Option<Arc<str>>,
        cells: Vec<(CellIndex, Value)>,
    },
    Extern {
        of: ExternId,
        operation: u32,
        args: Vec<Value>,
    },
}

impl Action {
    /// The type of the value that [`Outcome::Committed`] has for it; [`Type::Unknown`] where there is no result (the value is `none`).
    pub fn result_type(&self, program: &Program) -> Type {
        match self {
            Action::Handler { handler, .. } => program.handler(*handler).result.clone().unwrap_or(Type::Unknown),
            Action::Saga { saga, .. } => saga_result(program, *saga),
            Action::Create { record, .. } => Type::Record(*record, Place::Any),
            Action::Extern { of, operation, .. } => {
                let operation = &program.externs[of.index()].operations[*operation as usize];
                operation.result.clone().unwrap_or(Type::Unknown)
            }
        }
    }
}

/// What a saga answers: the results of its steps.
pub(crate) fn saga_result(program: &Program, saga: SagaId) -> Type {
    let steps = program.sagas[saga.index()].steps.iter();
    Type::SagaResult(steps.filter_map(|step| Some(Field { name: step.name?, ty: step.result.as_ref()?.1.clone() })).collect())
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Its transaction is durable; the handler's result, or the reference of the record created.
    Committed(Value),
    Failed(Failure),
}

/// What the receiver's store remembers of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Done(Outcome),
    /// The handler committed with `return send`: this outgoing event's outcome decides.
    Deferred(EventId),
}

/// An event on its way: it lives in the sender's store from the commit that sent it until its outcome has been dealt with.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub event: Event,
    /// The record that sent it: order is kept from one sender to one receiver.
    pub from: RecordRef,
    /// When it was sent, in milliseconds since the epoch; its commit says so.
    pub at: i64,
    /// Milliseconds since the epoch; not delivered before. It takes its place in the order of its pair then.
    pub due: Option<i64>,
    pub ok: Option<PendingArm>,
    pub err: Option<PendingArm>,
    /// `return send`, and the steps of a saga: the event whose outcome this one decides.
    pub answers: Option<EventId>,
    /// A step of a saga: what follows on its outcome is the saga's, not an arm's.
    pub saga: Option<Box<SagaProgress>>,
    pub state: OutgoingState,
}

impl Outgoing {
    /// The id under which it is shown.
    pub fn known_as(&self) -> &EventId {
        let rejected = self.saga.as_ref().is_some_and(|saga| saga.rejected.is_some());
        known_as(&self.event.id, self.answers.as_ref(), rejected)
    }

    /// When its delay ends, if it had one when it was sent.
    pub(crate) fn delayed(&self) -> Option<i64> {
        self.due.filter(|due| *due > self.at)
    }
}

/// How far a saga is. It is kept in the event of its current step and nowhere else: the commit that deals with the outcome of one step sends
/// the next.
#[derive(Clone, Debug, PartialEq)]
pub struct SagaProgress {
    pub saga: SagaId,
    /// The step that the event does, or undoes.
    pub step: u32,
    /// Why what was done is undone; `None` on the way forward.
    pub undoing: Option<Failure>,
    /// By slot: `self`, the parameters, what the prelude and the steps have bound.
    pub frame: Vec<Value>,
    /// The slots that have no value, since they were bound to nothing by the version of the program that began it: nothing that is left of the
    /// saga reads them.
    pub unbound: Vec<Slot>,
    /// That the step was rejected and is done again all the same.
    pub rejected: Option<Rejections>,
}

/// Rejections of a step that must be done in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejections {
    pub times: u32,
    pub last: Failure,
}

impl fmt::Display for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it was rejected {} times, last: {}", self.times, self.last)
    }
}

/// The id under which an event is shown. Each attempt at a step that is `rejected` again and again is a new event: the saga it is of, which it
/// answers, keeps its id.
pub(crate) fn known_as<'a, Id: ?Sized>(id: &'a Id, answers: Option<&'a Id>, rejected: bool) -> &'a Id {
    answers.filter(|_| rejected).unwrap_or(id)
}

/// An arm with what it took along.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingArm {
    pub arm: ArmId,
    pub captures: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OutgoingState {
    Pending,
    /// An operation that must not be repeated was begun: after a crash its outcome is `unknown`.
    Tried,
    /// Nobody took its outcome, or its arm was rejected. `patternc retry` makes it pending again.
    Parked {
        outcome: Outcome,
        reason: Arc<str>,
    },
}
