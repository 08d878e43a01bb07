//! One thing at a time, for people who look: deliveries that wait to be let through, and transactions left open before their commit.

use std::sync::Arc;

use super::job::{Job, Kind};
use super::{Engine, Overlap, Session, Step, Ticket};
use crate::event::{Action, Event, EventId, Outcome, Outgoing, Received};
use crate::failure::Failure;
use crate::store::{InboxChange, OutboxChange, ReadKey, Write};

/// A transaction that has run and is not committed: what it did so far is seen by nobody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Names it for [`Engine::commit_open`] and [`Engine::roll_back`]; its receipt comes under it.
    pub ticket: Ticket,
    pub event: EventId,
    /// What it has read: if any of it changes before the commit, it runs again.
    pub reads: Vec<ReadKey>,
    /// What it will write.
    pub writes: Vec<Write>,
    /// What it will send.
    pub sends: Vec<Action>,
    /// Why it will fail, if it does.
    pub failure: Option<Failure>,
}

/// What became of an event that was to be left open.
#[derive(Debug)]
pub enum Opened {
    Open(Box<Open>),
    /// It was refused.
    Refused(Failure),
    /// Its store does not answer: it goes on by itself, and its receipt comes from [`Engine::take_finished`].
    Pending(Ticket),
}

impl Engine {
    /// From now on, what was sent is not delivered, and the outside not asked, until [`Engine::release`] or [`Engine::deliver_next`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Ends [`Engine::hold`].
    pub fn release(&mut self) {
        self.held = false;
        self.begin_calls();
    }

    /// Whether deliveries wait.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether [`Engine::step`] has something to do.
    pub fn has_step(&self) -> bool {
        if self.held { self.ready.iter().any(|step| !self.delivers(*step)) } else { !self.ready.is_empty() }
    }

    /// What waits to be delivered, in order, in a few words each.
    pub fn waiting_deliveries(&self) -> Vec<String> {
        let steps = self.ready.iter().filter(|step| self.delivers(**step)).map(|step| self.describe_step(*step));
        steps.chain(self.queued_calls().map(|outgoing| self.describe_call(outgoing))).collect()
    }

    /// Delivers the oldest of what waits; says what it was.
    pub fn deliver_next(&mut self) -> Option<String> {
        if let Some(index) = self.ready.iter().position(|step| self.delivers(*step)) {
            let what = self.describe_step(self.ready[index]);
            self.step_at(index);
            return Some(what);
        }
        let what = self.describe_call(self.queued_calls().next()?);
        self.begin_call();
        Some(what)
    }

    /// Whether a step is one that a hold holds back: an event arrives, or an arm runs. Bookkeeping goes on.
    pub(super) fn delivers(&self, step: Step) -> bool {
        let (Step::Run(key) | Step::Commit(key)) = step;
        self.jobs.get(&key).is_some_and(|job| match &job.kind {
            Kind::Deliver { .. } => true,
            Kind::Settle { flight, outcome } => self.flights.get(flight).is_some_and(|flight| {
                let outgoing = &flight.outgoing;
                match outcome {
                    Outcome::Committed(_) => outgoing.ok.is_some(),
                    Outcome::Failed(_) => outgoing.err.is_some(),
                }
            }),
            _ => false,
        })
    }

    fn describe_step(&self, step: Step) -> String {
        let (Step::Run(key) | Step::Commit(key)) = step;
        let flight = |key| self.flights.get(key).map(|flight| &flight.outgoing);
        match self.jobs.get(&key).map(|job| &job.kind) {
            Some(Kind::Settle { flight: key, outcome }) => {
                let arm = if matches!(outcome, Outcome::Committed(_)) { "ok" } else { "err" };
                flight(key).map_or_else(String::new, |outgoing| {
                    let what = self.describe(&outgoing.event.action);
                    format!("the `{arm}` arm of {what}, in {}", self.sender(outgoing))
                })
            }
            Some(Kind::Deliver { flight: key }) => flight(key).map_or_else(String::new, |outgoing| {
                let what = self.describe(&outgoing.event.action);
                format!("{what}, sent by {}", self.sender(outgoing))
            }),
            _ => String::new(),
        }
    }

    fn describe_call(&self, outgoing: &Outgoing) -> String {
        format!("{}, asked by {}", self.describe(&outgoing.event.action), self.sender(outgoing))
    }

    fn sender(&self, outgoing: &Outgoing) -> String {
        crate::json::reference_text(&self.program, &outgoing.from)
    }

    /// Runs an event from outside as [`Engine::submit`] does, and leaves it open before its commit.
    pub fn open_transaction(&mut self, session: Session, event: Event) -> Opened {
        if let Some(failure) = self.refuse(&event) {
            return Opened::Refused(failure);
        }
        let ticket = Ticket(self.key());
        let Ticket(key) = ticket;
        let id = event.id.clone();
        let event = Arc::new(event);
        let overlap = std::mem::replace(&mut self.overlap, Overlap::Attempts);
        self.run(key, Job::new(Kind::Outside { event, session, ticket }));
        self.overlap = overlap;
        if self.ready.pop_back_if(|step| *step == Step::Commit(key)).is_none() {
            return Opened::Pending(ticket);
        }
        let mut job = self.jobs.remove(&key).expect("an attempt that is to be committed belongs to a job");
        let request = &job.prepared.as_ref().expect("an attempt that is to be committed has a request").request;
        let failure = request.inbox.iter().find_map(|change| match change {
            InboxChange::Record { received: Received::Done(Outcome::Failed(failure)), .. } => Some(failure.clone()),
            _ => None,
        });
        let sends = request.outbox.iter().filter_map(|change| match change {
            OutboxChange::Add(outgoing) => Some(outgoing.event.action.clone()),
            _ => None,
        });
        let open = Open {
            ticket,
            event: id,
            reads: request.reads.iter().map(|read| read.key.clone()).collect(),
            writes: request.writes.clone(),
            sends: sends.collect(),
            failure,
        };
        job.stood_open = -self.host.now();
        self.open.insert(ticket, job);
        Opened::Open(Box::new(open))
    }

    /// Commits a transaction that was left open. If what it read has changed, it runs again. Its receipt comes from
    /// [`Engine::take_finished`]; `false` if there is no such transaction.
    pub fn commit_open(&mut self, ticket: Ticket) -> bool {
        let Some(mut job) = self.open.remove(&ticket) else { return false };
        job.stood_open += self.host.now();
        if let Kind::Outside { session, .. } = job.kind {
            self.backlog.entry(session).or_default().push_front(ticket.0);
        }
        self.jobs.insert(ticket.0, job);
        self.ready.push_back(Step::Commit(ticket.0));
        true
    }

    /// Ends a transaction that was left open. Nothing of it remains.
    pub fn roll_back(&mut self, ticket: Ticket) -> bool {
        self.open.remove(&ticket).is_some()
    }
}
