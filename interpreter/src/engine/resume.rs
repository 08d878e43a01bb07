//! Taking parked events up again, with or without word of what has become of them meanwhile.
//!
//! What is repeated is known not to have happened, or cannot happen twice. Anything else needs someone who has found out: [`Happened`].

use std::sync::Arc;

use patternc_program::Repeat;

use super::flight::{Flight, FlightKey, Stage};
use super::job::{DealtWith, Job, Kind, Prepared, Renewal};
use super::{Engine, Point};
use crate::event::{Action, Event, EventId, Outcome, Outgoing, OutgoingState, Received};
use crate::failure::{Failure, FailureKind};
use crate::machine::id_text;
use crate::store::{CommitRequest, OutboxChange};
use crate::value::Value;

/// What someone has found out about an event that failed, or that nobody knew the outcome of.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// It is done, with this result.
    Done(Value),
    /// Nothing of it is: it can be done anew.
    NotDone,
}

/// Why an event cannot be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    #[error("no event {} is on its way; `patternc status` lists those that are parked", .0.0)]
    Unknown(EventId),
    #[error(
        "the event {} is not parked: it is still on its way, and is tried again by itself. `patternc status` says what stands in its way; a \
         step of a saga that is rejected again and again is parked in a few seconds, and can be taken up then", .0.0
    )]
    NotParked(EventId),
    #[error(
        "whether {what} took effect is not known, and it must not happen twice: find that out, then `patternc retry {0} --done [RESULT]` if it \
         did, or `patternc retry {0} --not-done`", .event.0
    )]
    Unsure { event: EventId, what: String },
    #[error(
        "some of {what} may have been done before it failed: look, then `patternc retry {0} --not-done` does all of it anew, and `patternc retry \
         {0} --done [RESULT]` takes it for done", .event.0
    )]
    Half { event: EventId, what: String },
    #[error("the event {} is done: what is parked is the arm that was rejected. Take it up without saying what happened", .0.0)]
    Done(EventId),
    #[error("the result of the event {} is not given as it has to be: {why}", .event.0)]
    Result { event: EventId, why: String },
}

impl Engine {
    /// Takes a parked event up again: an arm that failed runs again with the same outcome; what was rejected is delivered again, and a call made
    /// under a new key; a call that may be repeated, and of which nobody knows what came of it, is made again under the same key.
    ///
    /// # Errors
    /// If there is no such parked event, or repeating it could do it twice.
    pub fn retry(&mut self, event: &EventId) -> Result<(), RetryError> {
        let (key, flight, outcome) = self.parked_flight(event)?;
        if self.mirror_of(&flight.outgoing).is_some() {
            self.renew_parked(key, Renewal::Again);
            return Ok(());
        }
        let again = match &outcome {
            Outcome::Committed(_) => false,
            Outcome::Failed(failure) if failure.kind == FailureKind::Unknown => {
                let repeatable = self.is_repeatable(&flight.outgoing.event.action);
                // An `err` arm that was rejected can run again; one whose failure would be an answer must not give one.
                if !repeatable && (flight.outgoing.err.is_none() || flight.outgoing.answers.is_some()) {
                    let what = self.describe(&flight.outgoing.event.action);
                    return Err(RetryError::Unsure { event: event.clone(), what });
                }
                repeatable
            }
            // It never was received: only an internal error parks an event so.
            Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable => true,
            // A step of a saga that is known not to have happened is sent anew, by what follows on its outcome.
            Outcome::Failed(_) => flight.outgoing.saga.is_none() && flight.outgoing.err.is_none(),
        };
        if again && self.is_halfway(&flight.outgoing.event.action) {
            let what = self.describe(&flight.outgoing.event.action);
            return Err(RetryError::Half { event: event.clone(), what });
        }
        match outcome {
            Outcome::Failed(failure) if again && failure.kind == FailureKind::Unknown => self.send_again(key, true),
            Outcome::Failed(_) if again => self.do_anew(key),
            outcome => self.settle(key, outcome, None),
        }
        Ok(())
    }

    /// Takes a parked event that failed up again, knowing what has become of it.
    ///
    /// # Errors
    /// If there is no such parked event, or what happened is known already.
    pub fn resolve(&mut self, event: &EventId, happened: Happened) -> Result<(), RetryError> {
        let (key, flight, outcome) = self.parked_flight(event)?;
        let Outcome::Failed(failure) = &outcome else { return Err(RetryError::Done(event.clone())) };
        if self.mirror_of(&flight.outgoing).is_some() {
            // What was not done is told as it is true by now.
            self.renew_parked(key, if happened == Happened::NotDone { Renewal::Again } else { Renewal::SoAlready });
            return Ok(());
        }
        match happened {
            Happened::Done(value) => self.settle(key, Outcome::Committed(value), None),
            Happened::NotDone if flight.outgoing.saga.is_some() && failure.kind != FailureKind::Unknown => self.settle(key, outcome, None),
            Happened::NotDone => self.do_anew(key),
        }
        Ok(())
    }

    /// The event itself; or, of a saga that is under way, its current step. Each attempt at a step is a new event, the saga keeps its id.
    pub fn under_way_for(&self, event: &EventId) -> EventId {
        let step = self.answering.get(event).and_then(|key| self.flights.get(key)).filter(|flight| flight.outgoing.saga.is_some());
        step.map_or(event, |step| &step.outgoing.event.id).clone()
    }

    fn parked_flight(&self, event: &EventId) -> Result<(FlightKey, &Flight, Outcome), RetryError> {
        let found = self.by_event.get(event).and_then(|key| Some((*key, self.flights.get(key)?)));
        let (key, flight) = found.ok_or_else(|| RetryError::Unknown(event.clone()))?;
        match &flight.state {
            OutgoingState::Parked { outcome, .. } if flight.stage == Stage::Parked => Ok((key, flight, outcome.clone())),
            _ => Err(RetryError::NotParked(flight.outgoing.known_as().clone())),
        }
    }

    /// Whether an event may reach its receiver twice without happening twice.
    fn is_repeatable(&self, action: &Action) -> bool {
        matches!(action, Action::Extern { of, operation, .. } if self.repeat(*of, *operation) != Repeat::Once)
    }

    /// Whether some of an event may stay when it fails.
    fn is_halfway(&self, action: &Action) -> bool {
        matches!(action, Action::Handler { handler, .. } if self.program.handler(*handler).halfway)
    }

    /// Takes a parked difference of a mirror away.
    fn renew_parked(&mut self, key: FlightKey, by: Renewal) {
        self.set_stage(key, Stage::Settling);
        self.enqueue(Job::new(Kind::Renew { flight: key, by }));
    }

    /// Does what is known not to have happened. A call gets a new key: the outside may answer one that it knows with what it answered first.
    fn do_anew(&mut self, key: FlightKey) {
        if self.flights.get(&key).is_some_and(|flight| matches!(flight.outgoing.event.action, Action::Extern { .. })) {
            self.set_stage(key, Stage::Settling);
            self.enqueue(Job::new(Kind::Resume { flight: key, anew: true }));
        } else {
            self.send_again(key, false);
        }
    }

    /// The same as a new event, which whoever waits for its answer waits for from now on.
    pub(super) fn anew(&self, flight: &Flight, ids: u128, now: i64) -> Prepared {
        let outgoing = &flight.outgoing;
        let id = EventId(id_text(ids).into());
        let event = Event { id: id.clone(), ..outgoing.event.clone() };
        let new = Outgoing { event, state: OutgoingState::Pending, ..Outgoing::clone(outgoing) };
        let answer = outgoing.answers.is_some().then(|| (Received::Deferred(id), outgoing.event.action.result_type(&self.program)));
        let request = CommitRequest { outbox: vec![OutboxChange::Add(Arc::new(new))], ..CommitRequest::default() };
        self.land(flight, request, answer, now)
    }

    /// A parked event is gone, and this one was sent in its place.
    pub(super) fn sent_anew(&mut self, key: FlightKey, new: Option<&EventId>, point: Point) {
        let old = self.flights.get(&key).map(|flight| flight.outgoing.event.id.clone());
        if let Some(new) = new.and_then(|new| self.by_event.get(new)).and_then(|new| self.flights.get_mut(new)) {
            new.instead_of = old;
        }
        self.landed(key, point);
    }

    /// Delivers a parked event under its own id as if it had never been received, or makes its call again.
    fn send_again(&mut self, key: FlightKey, doubtful: bool) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.doubtful = doubtful;
        let (event, sent) = (flight.outgoing.event.clone(), flight.sent);
        self.set_stage(key, Stage::Settling);
        match self.receiver(&event.action) {
            // The other store must have forgotten it before the sender's says that it is to be delivered.
            Some(receiver) if receiver != sent.store => {
                self.enqueue(Job::new(Kind::Forget { store: receiver, events: vec![DealtWith::for_good(event.id)], resume: Some(key) }));
            }
            _ => self.enqueue(Job::new(Kind::Resume { flight: key, anew: false })),
        }
    }

    /// Why a call is parked whose outcome nobody knows, with the way out; `None` if its outcome is known.
    pub(super) fn open_question(&self, flight: &Flight, outcome: &Outcome) -> Option<String> {
        let Outcome::Failed(failure @ Failure { kind: FailureKind::Unknown, .. }) = outcome else { return None };
        let action = &flight.outgoing.event.action;
        if !matches!(action, Action::Extern { .. }) {
            return None;
        }
        let way_out = if self.is_repeatable(action) {
            "it is asked again when you retry it; or find out what happened, and retry it with `--done [RESULT]` or `--not-done`"
        } else {
            "find out what happened, then retry it with `--done [RESULT]` or `--not-done`"
        };
        Some(format!("whether it took effect is not known ({failure}): {way_out}"))
    }
}
