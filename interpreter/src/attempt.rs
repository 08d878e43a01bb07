//! One attempt at a transaction: what the engine gives the machine, and what it gets back.

use std::sync::Arc;

use patternc_program::Program;

use crate::event::{Action, EventId, PendingArm, SagaProgress};
use crate::failure::Failure;
use crate::limits::Limits;
use crate::store::{CommitRequest, Read, Stores};
use crate::value::{RecordRef, Value};

/// What an attempt runs.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// An event where it arrives.
    Event {
        action: &'a Action,
        /// From outside: where its references point is tested before the handler starts, internal handlers are refused.
        outside: bool,
    },
    /// An arm where its send came from, with the value it binds: the result, or the failure as a struct.
    Arm { record: &'a RecordRef, arm: &'a PendingArm, value: &'a Value },
    /// A step of a saga of this record is evaluated and sent.
    Step { record: &'a RecordRef, progress: &'a SagaProgress },
}

/// What an attempt runs in. Nothing else reaches it, so that equal attempts on equal states give equal results.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    pub program: &'a Program,
    pub stores: &'a Stores,
    pub limits: &'a Limits,
    /// The event that is received, or for an arm the one whose answer it decides: what `return send` answers.
    pub answers: Option<&'a EventId>,
    /// Milliseconds since the epoch: what `now()` gives.
    pub now: i64,
    /// Ids made in this attempt count up from here: records, `new_id()`, outgoing events.
    pub ids: u128,
    pub caller: Option<&'a Arc<str>>,
}

/// What came of an attempt. Nothing is written yet.
#[derive(Clone, Debug)]
pub enum Attempt {
    Commit(Box<Success>),
    Failed {
        failure: Failure,
        /// What the failure depends on.
        reads: Vec<Read>,
    },
}

/// A transaction that wants to commit.
#[derive(Clone, Debug)]
pub struct Success {
    pub request: CommitRequest,
    /// What the event is answered with: the handler's result, or the reference of the record created.
    pub result: Value,
    /// `return send`: this outgoing event (in the request's outbox) decides the answer instead.
    pub deferred: Option<EventId>,
}
