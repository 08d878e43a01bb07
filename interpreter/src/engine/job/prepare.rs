//! What a job asks its store to commit, once its attempt has ended: the writes, the event received, and the sender's bookkeeping.

use std::sync::Arc;

use patternc_program::Type;

use super::super::flight::Flight;
use super::super::{Engine, Point};
use super::{Closed, Kind, Prepared, Run, Then, internal_error, space_of};
use crate::event::{Outcome, OutgoingState, PendingArm, Received};
use crate::failure::{Failure, FailureKind};
use crate::store::{CommitRequest, InboxChange, OutboxChange, Read};
use crate::value::SpaceRef;

/// A request that only depends on these reads.
pub(in super::super) fn reading(reads: Vec<Read>) -> CommitRequest {
    CommitRequest { reads, ..CommitRequest::default() }
}

impl Engine {
    /// The receiver's commit: the handler's request with the record of the event.
    pub(super) fn receive(&self, kind: &Kind, run: Run, now: i64) -> Prepared {
        let Run { mut request, received } = run;
        match kind {
            Kind::Outside { event, .. } => {
                let store = self.receiver(&event.action).expect("events from outside are never externs");
                if let Err(failure) = self.one_store(store, &request.spaces) {
                    return self.fail(kind, failure, request.reads, now);
                }
                let keep_until = Some(now.saturating_add(self.limits.keep_outcomes));
                let ty = event.action.result_type(&self.program);
                request.inbox.push(InboxChange::Record { event: event.id.clone(), received: received.clone(), ty, keep_until });
                self.prepared(store, request, Then::Received(received))
            }
            Kind::Deliver { flight } => {
                let flight = &self.flights[flight];
                let event = &flight.outgoing.event;
                let store = self.receiver(&event.action).expect("externs are called, not delivered");
                if let Err(failure) = self.one_store(store, &request.spaces) {
                    return self.fail(kind, failure, request.reads, now);
                }
                let ty = event.action.result_type(&self.program);
                // However long that takes, until its sender has dealt with the outcome.
                request.inbox.push(InboxChange::Record { event: event.id.clone(), received: received.clone(), ty, keep_until: None });
                match received {
                    // Nothing is left to do but the sender's bookkeeping, and that is in this store: one commit does both.
                    Received::Done(outcome)
                        if store == flight.sent.store && flight.is_closed_by(&outcome) && !self.is_fenced_off(&flight.outgoing) =>
                    {
                        let mut prepared = self.close(flight, outcome.clone(), request, now);
                        let Then::Closed(closed) = prepared.then else { return prepared };
                        prepared.then = Then::ReceivedAndClosed(outcome, closed);
                        prepared
                    }
                    received => {
                        // One that comes so late that its sender has dealt with it, and had it forgotten, must not be received anew.
                        if store == flight.sent.store {
                            request.outbox.push(OutboxChange::Require(event.id.clone()));
                        }
                        self.prepared(store, request, Then::Received(received))
                    }
                }
            }
            _ => unreachable!("only outside events and deliveries are received"),
        }
    }

    /// What is committed when an attempt, or its commit, has failed for good: the outcome alone.
    pub(in super::super) fn fail(&self, kind: &Kind, failure: Failure, reads: Vec<Read>, now: i64) -> Prepared {
        match kind {
            Kind::Outside { .. } | Kind::Deliver { .. } => {
                self.receive(kind, Run { request: reading(reads), received: Received::Done(Outcome::Failed(failure)) }, now)
            }
            Kind::Settle { flight, outcome } => {
                let flight = &self.flights[flight];
                if flight.outgoing.saga.is_some() {
                    return self.park(flight, outcome.clone(), format!("the saga cannot go on: {failure}").into(), reading(reads));
                }
                if flight.outgoing.answers.is_some() {
                    // Whoever relies on the answer must not take for undone what may have been done.
                    if let Some(question) = self.open_question(flight, outcome) {
                        return self.park(flight, outcome.clone(), question.into(), reading(reads));
                    }
                    return self.land(flight, reading(reads), Some((Received::Done(Outcome::Failed(failure)), Type::Unknown)), now);
                }
                let arm = if matches!(outcome, Outcome::Committed(_)) { "ok" } else { "err" };
                self.park(flight, outcome.clone(), format!("the `{arm}` arm failed: {failure}").into(), reading(reads))
            }
            Kind::MarkTried { flight } => self.update(&self.flights[flight], OutgoingState::Tried, Then::Tried),
            Kind::Resume { flight, .. } => self.update(&self.flights[flight], OutgoingState::Pending, Then::Resumed),
            Kind::Renew { flight, .. } => self.remove(&self.flights[flight]),
            Kind::Spare { flight } => self.prepared(self.flights[flight].sent.store, CommitRequest::default(), Then::Made),
            Kind::Repair { .. } => Prepared::bare(0, CommitRequest::default(), Then::Repaired(Err(failure))),
            Kind::Forget { store, .. } => Prepared::bare(*store, CommitRequest::default(), Then::Forgotten),
        }
    }

    /// What is committed after a panic in an attempt; `None` if nothing is.
    pub(super) fn conclude_panic(&self, kind: &Kind, message: &str, now: i64) -> Option<Prepared> {
        let failure = Failure::new(FailureKind::Unavailable, internal_error(message));
        match kind {
            Kind::Deliver { flight } => {
                let reason = internal_error(message).into();
                Some(self.park(&self.flights[flight], Outcome::Failed(failure), reason, CommitRequest::default()))
            }
            Kind::Settle { .. } => Some(self.fail(kind, failure, Vec::new(), now)),
            _ => None,
        }
    }

    /// The sender's bookkeeping for an outcome that no arm takes.
    pub(in super::super) fn close(&self, flight: &Flight, outcome: Outcome, request: CommitRequest, now: i64) -> Prepared {
        // It is no answer: who waits for one goes on waiting until someone has found out.
        if self.mirror_of(&flight.outgoing).is_none()
            && let Some(question) = self.open_question(flight, &outcome)
        {
            return self.park(flight, outcome, question.into(), request);
        }
        if flight.outgoing.answers.is_some() {
            let ty = flight.outgoing.event.action.result_type(&self.program);
            return self.land(flight, request, Some((Received::Done(outcome), ty)), now);
        }
        match &outcome {
            Outcome::Committed(_) => self.land(flight, request, None, now),
            Outcome::Failed(failure) => {
                let reason = match self.mirror_of(&flight.outgoing) {
                    Some(mirror) => self.refusal(mirror, failure),
                    None => format!("nobody takes its failure ({failure}): the send has no `err` arm"),
                };
                self.park(flight, outcome, reason.into(), request)
            }
        }
    }

    pub(super) fn close_with_arm(&self, flight: &Flight, arm: &PendingArm, run: Run, now: i64) -> Prepared {
        let Run { request, received } = run;
        if let Err(failure) = self.one_store(flight.sent.store, &request.spaces) {
            let outcome = Outcome::Failed(failure.clone());
            return match flight.outgoing.answers {
                Some(_) => self.land(flight, reading(request.reads), Some((Received::Done(outcome), Type::Unknown)), now),
                None => self.park(flight, outcome, format!("an arm failed: {failure}").into(), reading(request.reads)),
            };
        }
        let answer = flight.outgoing.answers.is_some().then(|| {
            let ty = self.program.arms[arm.arm.index()].result.clone().unwrap_or(Type::Unknown);
            (received, ty)
        });
        self.land(flight, request, answer, now)
    }

    /// Removes the event from the outbox, with the answer that its end gives.
    pub(in super::super) fn land(
        &self,
        flight: &Flight,
        mut request: CommitRequest,
        answer: Option<(Received, Type)>,
        now: i64,
    ) -> Prepared {
        let event = &flight.outgoing.event;
        request.outbox.push(OutboxChange::Remove(event.id.clone()));
        if self.receiver(&event.action) == Some(flight.sent.store) {
            request.inbox.push(InboxChange::Forget(event.id.clone()));
        }
        let answer = answer.map(|(received, ty)| {
            let answered = flight.outgoing.answers.clone().expect("only a send that answers has an answer");
            // Applied only to events from outside, as recorded when it was deferred.
            let keep_until = Some(now.saturating_add(self.limits.keep_outcomes));
            request.inbox.push(InboxChange::Record { event: answered.clone(), received: received.clone(), ty, keep_until });
            (answered, received)
        });
        self.prepared(flight.sent.store, request, Then::Closed(Closed::Landed(answer)))
    }

    pub(in super::super) fn park(&self, flight: &Flight, outcome: Outcome, reason: Arc<str>, mut request: CommitRequest) -> Prepared {
        let event = &flight.outgoing.event;
        let state = OutgoingState::Parked { outcome: outcome.clone(), reason: reason.clone() };
        request.outbox.push(OutboxChange::Update(event.id.clone(), state));
        self.prepared(flight.sent.store, request, Then::Closed(Closed::Parked(outcome, reason)))
    }

    pub(super) fn update(&self, flight: &Flight, state: OutgoingState, then: Then) -> Prepared {
        let outbox = vec![OutboxChange::Update(flight.outgoing.event.id.clone(), state)];
        let request = CommitRequest { outbox, ..CommitRequest::default() };
        Prepared::bare(flight.sent.store, request, then)
    }

    /// Reads of other stores are not validated at commit, but they must not be of what a crash could undo.
    pub(in super::super) fn prepared(&self, store: usize, mut request: CommitRequest, then: Then) -> Prepared {
        // One thread: since the attempt began, nothing has been committed.
        request.snapshot = self.stores.get(store).version();
        let relies = self.fences.spaces_of(&request);
        let mut needs: Vec<Point> = Vec::new();
        if self.stores.len() > 1 {
            request.reads.retain(|read| {
                let place = self.stores.place(space_of(&read.key));
                if place != store && needs.iter().all(|need| need.store != place) {
                    needs.push(Point { store: place, version: self.stores.get(place).version() });
                }
                place == store
            });
        }
        Prepared { store, request, needs, relies, fenced: false, then }
    }

    /// Refuses to write several spaces unless one store keeps them all and can.
    fn one_store(&self, store: usize, spaces: &[SpaceRef]) -> Result<(), Failure> {
        let elsewhere = self.stores.len() > 1 && spaces.iter().any(|space| self.stores.place(space) != store);
        if elsewhere {
            return Err(Failure::new(
                FailureKind::Isolation,
                "the spaces written are kept by several stores: one transaction cannot write them all",
            ));
        }
        if spaces.len() > 1 && !self.stores.get(store).capabilities().commits_across {
            return Err(Failure::new(FailureKind::Isolation, "the store cannot write several spaces in one transaction"));
        }
        Ok(())
    }
}
