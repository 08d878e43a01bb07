//! Events from outside: taken in the order of their session, answered once durable.

use std::sync::Arc;

use super::fence::receiving_space;
use super::job::{Job, Kind};
use super::{Engine, Overlap, Point, Step, Waiter, What};
use crate::event::{Action, Event, EventId, Outcome, Received};
use crate::failure::{Failure, FailureKind};
use crate::store::{Durability, StoreError};

/// Who sends events from outside: those of one session take effect one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub u64);

/// Stands for the outcome of an event from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// What became of an event at once.
#[derive(Debug)]
#[must_use]
pub enum Submitted {
    /// It is decided.
    Done(Receipt),
    /// Its receipt comes from [`Engine::take_finished`].
    Pending(Ticket),
}

/// An outcome that may be told only once it is durable.
#[derive(Clone, Debug)]
#[must_use]
pub struct Receipt {
    outcome: Outcome,
    /// The commit that it came from; `None`: nothing was recorded.
    point: Option<Point>,
    /// Under which the outcome comes again should that commit be lost, of a store that others share.
    again: Option<Ticket>,
}

/// Why a receipt has no outcome.
#[derive(Debug)]
pub enum Unopened {
    /// It is not durable yet.
    NotYet(Receipt),
    /// Its commit is lost, or may be: the event runs again, and [`Engine::take_finished`] will have another receipt of this ticket.
    Again(Ticket),
}

impl Receipt {
    pub(crate) fn refused(failure: Failure) -> Self {
        Receipt::decided(Outcome::Failed(failure))
    }

    /// Of an event that is not decided when the runtime ends.
    pub(crate) fn shut_down() -> Self {
        let message = "the runtime was shut down before the event was answered; its outcome shows when it is sent again with the same id";
        Receipt::refused(Failure::new(FailureKind::Unavailable, message))
    }

    /// One that another process has recorded, durably.
    pub(crate) fn decided(outcome: Outcome) -> Self {
        Receipt { outcome, point: None, again: None }
    }

    /// The outcome if it is durable, or the receipt back.
    pub fn open(self, engine: &Engine) -> Result<Outcome, Receipt> {
        match self.point {
            Some(point) => match engine.stores.get(point.store).durable() {
                Ok(durable) if durable >= point.version => Ok(self.outcome),
                Ok(_) => Err(self),
                Err(error) => Ok(in_doubt(&error)),
            },
            None => Ok(self.outcome),
        }
    }

    /// Waits until the outcome is durable. `durability`: of each store of the engine, in their order.
    pub fn wait(self, durability: &[Arc<dyn Durability>]) -> Result<Outcome, Ticket> {
        let Some(point) = self.point else { return Ok(self.outcome) };
        match (durability[point.store].wait_durable(point.version), self.again) {
            (Ok(()), _) => Ok(self.outcome),
            (Err(error), Some(ticket)) if error.transient => Err(ticket),
            (Err(error), _) => Ok(in_doubt(&error)),
        }
    }

    /// The outcome if it is durable already. `durability` as for [`Receipt::wait`].
    pub fn poll(self, durability: &[Arc<dyn Durability>]) -> Result<Outcome, Unopened> {
        let Some(point) = self.point else { return Ok(self.outcome) };
        match (durability[point.store].is_durable(point.version), self.again) {
            (Ok(true), _) => Ok(self.outcome),
            (Ok(false), _) => Err(Unopened::NotYet(self)),
            (Err(error), Some(ticket)) if error.transient => Err(Unopened::Again(ticket)),
            (Err(error), _) => Ok(in_doubt(&error)),
        }
    }
}

fn in_doubt(error: &StoreError) -> Outcome {
    let message = format!(
        "the store failed before the outcome was durable: {error}; whether it took effect shows when it is sent again with the same id"
    );
    Outcome::Failed(Failure::new(FailureKind::Unavailable, message))
}

impl Engine {
    /// An id for an event that came without one.
    pub fn fresh_event_id(&mut self) -> EventId {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bits = self.fresh_ids();
        let mut text = [0u8; 26];
        for digit in text.iter_mut().rev() {
            *digit = DIGITS[(bits & 31) as usize];
            bits >>= 5;
        }
        EventId(Arc::from(std::str::from_utf8(&text).expect("the digits are ASCII")))
    }

    /// Takes an event from outside. Unless others of its session wait, or attempts overlap, it is decided at once.
    ///
    /// An event whose id was received before gives the recorded outcome.
    pub fn submit(&mut self, session: Session, event: impl Into<Arc<Event>>) -> Submitted {
        let event = event.into();
        if let Some(refusal) = self.refuse(&event) {
            return Submitted::Done(Receipt::refused(refusal));
        }
        let ticket = Ticket(self.key());
        let mut job = Job::new(Kind::Outside { event, session, ticket });
        let waits = !self.backlog.is_empty() && self.backlog.contains_key(&session);
        if waits || self.overlap != Overlap::None {
            job.clock = None;
            let key = self.key();
            self.jobs.insert(key, job);
            let queue = self.backlog.entry(session).or_default();
            queue.push_back(key);
            if !waits {
                self.ready.push_back(Step::Run(key));
            }
            return Submitted::Pending(ticket);
        }
        let key = ticket.0;
        self.run(key, job);
        if let Some((_, receipt)) = self.finished.pop_back_if(|(finished, _)| *finished == ticket) {
            return Submitted::Done(receipt);
        }
        // Still undecided, as a job or as an answer to come: those that follow in the session wait only for a job.
        if self.jobs.contains_key(&key) {
            // Nothing waited before; what does now was lost by its store, and runs again first.
            self.backlog.entry(session).or_default().push_back(key);
        }
        Submitted::Pending(ticket)
    }

    /// What is not even tried: nothing of it is recorded.
    pub(super) fn refuse(&self, event: &Event) -> Option<Failure> {
        let store = match &event.action {
            Action::Extern { .. } => {
                return Some(Failure::new(
                    FailureKind::Rejected,
                    "an extern cannot be called from outside: send an event to a handler that calls it",
                ));
            }
            action => self.receiver(action)?,
        };
        // Its receiver would take the one for the other.
        if self.by_event.contains_key(&event.id) {
            let message = format!("the id {:?} is that of an event on its way: give this event an id of its own", event.id.0);
            return Some(Failure::new(FailureKind::Rejected, message));
        }
        // Events that wait for their time or are parked are not in anyone's way.
        let waiting = self.flights.len() - self.resting + self.jobs.len();
        if waiting >= self.limits.queue {
            let message = format!(
                "the queue is full: {waiting} events are waiting or on their way (setting `queue`, now {}); send it again later",
                self.limits.queue
            );
            return Some(Failure::new(FailureKind::Unavailable, message));
        }
        self.broken(store)
    }

    /// Whether [`Engine::take_finished`] has something to give.
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// The receipts of events that were pending, in the order they were decided.
    pub fn take_finished(&mut self) -> Option<(Ticket, Receipt)> {
        self.finished.pop_front()
    }

    pub(super) fn finish(&mut self, ticket: Ticket, event: &EventId, outcome: Outcome, point: Option<Point>) {
        let Some((outcome, point)) = self.tell_later(ticket, event, outcome, point) else { return };
        self.note(event, || What::Outcome(outcome.clone()));
        let again = point.filter(|point| self.is_shared(point.store)).map(|_| ticket);
        self.finished.push_back((ticket, Receipt { outcome, point, again }));
    }

    /// An event from outside has been received.
    pub(super) fn received_outside(&mut self, ticket: Ticket, event: &Event, received: Received, point: Option<Point>) {
        match received {
            Received::Done(outcome) => self.finish(ticket, &event.id, outcome, point),
            Received::Deferred(_) => {
                self.fences.awaits(&event.id, receiving_space(&event.action).cloned());
                self.waiting_answer.entry(event.id.clone()).or_default().push(Waiter::Ticket(ticket));
            }
        }
    }

    /// The session's event is received or has failed: the next one may run.
    pub(super) fn next_in_session(&mut self, session: Session) {
        if self.backlog.is_empty() {
            return;
        }
        let Some(queue) = self.backlog.get_mut(&session) else { return };
        queue.pop_front();
        match queue.front() {
            Some(&next) => self.ready.push_back(Step::Run(next)),
            None => {
                self.backlog.remove(&session);
            }
        }
    }

    /// Ends a job without a record of it.
    pub(super) fn give_up(&mut self, job: Job, kind: FailureKind, message: String) {
        match job.kind {
            Kind::Outside { event, session, ticket } => {
                self.finish(ticket, &event.id, Outcome::Failed(Failure::new(kind, message)), None);
                self.next_in_session(session);
            }
            Kind::Deliver { flight }
            | Kind::Settle { flight, .. }
            | Kind::MarkTried { flight }
            | Kind::Resume { flight, .. }
            | Kind::Renew { flight, .. }
            | Kind::Spare { flight } => self.stall(flight, &message),
            Kind::Repair { reconciliation } => self.reconcile_failed(reconciliation, Failure::new(kind, message)),
            Kind::Forget { .. } => {}
        }
    }

    /// Forgets that anyone waits for this event: its outcome stays recorded.
    pub fn abandon(&mut self, ticket: Ticket) {
        self.waiting_answer.retain(|_, waiters| {
            waiters.retain(|waiter| *waiter != Waiter::Ticket(ticket));
            !waiters.is_empty()
        });
    }
}
