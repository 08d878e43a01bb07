//! Jobs: one transaction each, from its first attempt until a store has decided it.

mod prepare;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use patternc_program::Type;

pub(super) use self::prepare::reading;
use super::flight::{Flight, FlightKey};
use super::outside::{Session, Ticket};
use super::reconcile::Repairs;
use super::{Engine, Overlap, Point, Step, What};
use crate::attempt::{Attempt, Env, Task};
use crate::event::{Action, Event, EventId, Outcome, Outgoing, OutgoingState, PendingArm, Received};
use crate::failure::{Failure, FailureKind};
use crate::machine::Execution;
use crate::store::{CommitRequest, InboxChange, OutboxChange, Read, ReadKey, StoreError};
use crate::value::{SpaceRef, Value};

pub(super) type JobKey = u64;

/// A transaction that wants to happen.
#[derive(Clone)]
pub(super) struct Job {
    pub kind: Kind,
    /// `now()` and the ids it makes: fixed at the first attempt, kept by the others.
    pub clock: Option<(i64, u128)>,
    /// Attempts lost to others.
    pub losses: u32,
    /// Times its store did not answer.
    pub faults: u32,
    /// A store failed while committing: whether it took effect is not known.
    pub doubtful: bool,
    /// Milliseconds that it stood open before its commit was asked for: they are nobody's fault.
    pub stood_open: i64,
    pub prepared: Option<Box<Prepared>>,
}

#[derive(Clone)]
pub(super) enum Kind {
    /// An event from outside.
    Outside { event: Arc<Event>, session: Session, ticket: Ticket },
    /// An event arrives at its receiver.
    Deliver { flight: FlightKey },
    /// The sender deals with the outcome.
    Settle { flight: FlightKey, outcome: Outcome },
    /// A call that must not be repeated is about to be made.
    MarkTried { flight: FlightKey },
    /// A parked event is to be delivered again; `anew`: as a new event.
    Resume { flight: FlightKey, anew: bool },
    /// A parked difference of a mirror goes.
    Renew { flight: FlightKey, by: Renewal },
    /// A removal is not made if others give the fact.
    Spare { flight: FlightKey },
    /// The next repairs of a reconciliation.
    Repair { reconciliation: u64 },
    /// The receiver forgets events that their senders have dealt with.
    Forget { store: usize, events: Vec<DealtWith>, resume: Option<FlightKey> },
}

/// What takes the place of a parked difference of a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// A newer one of its fact, which has landed or is parked itself.
    Newer,
    /// What someone has found out: the other side is as it should be.
    SoAlready,
    /// One that says what is true now, unless that is on its way.
    Again,
}

/// An event that its sender has dealt with.
#[derive(Clone)]
pub(super) struct DealtWith {
    pub event: EventId,
    /// Its type of result, if other processes may still deliver it: then it is known for as long as outcomes are kept.
    pub others: Option<Type>,
}

impl DealtWith {
    /// Of one that nobody delivers any more, unless as if it had never been received.
    pub fn for_good(event: EventId) -> Self {
        DealtWith { event, others: None }
    }
}

/// An attempt that wants to be committed.
#[derive(Clone)]
pub(super) struct Prepared {
    pub store: usize,
    pub request: CommitRequest,
    /// Commits of other stores that it has read: they must be durable before it is committed.
    pub needs: Vec<Point>,
    /// The spaces that it has read or writes, as fences know them; none where no fence can be.
    pub relies: Vec<SpaceRef>,
    /// It has waited for what was under way in them.
    pub fenced: bool,
    pub then: Then,
}

/// What is so once it is committed.
#[derive(Clone)]
pub(super) enum Then {
    /// The event has been received.
    Received(Received),
    /// The event has been received, and the sender needs nothing but its bookkeeping, which was part of the commit.
    ReceivedAndClosed(Outcome, Closed),
    /// The sender has dealt with the outcome.
    Closed(Closed),
    Tried,
    Resumed,
    Renewed,
    /// The call is made after all.
    Made,
    /// The difference takes its turn once more.
    Due,
    /// The repairs that were sent, or why none can be.
    Repaired(Result<Repairs, Failure>),
    Forgotten,
}

/// What the sender's bookkeeping came to.
#[derive(Clone)]
pub(super) enum Closed {
    /// It is gone; perhaps it was the answer of another event.
    Landed(Option<(EventId, Received)>),
    Parked(Outcome, Arc<str>),
}

impl Prepared {
    /// One that relies on nothing.
    pub fn bare(store: usize, request: CommitRequest, then: Then) -> Self {
        Prepared { store, request, needs: Vec::new(), relies: Vec::new(), fenced: false, then }
    }
}

impl Job {
    pub fn new(kind: Kind) -> Self {
        Job { kind, clock: None, losses: 0, faults: 0, doubtful: false, stood_open: 0, prepared: None }
    }

    pub fn is_outside(&self) -> bool {
        matches!(self.kind, Kind::Outside { .. })
    }
}

impl Flight {
    fn arm(&self, outcome: &Outcome) -> Option<&PendingArm> {
        match outcome {
            Outcome::Committed(_) => self.outgoing.ok.as_ref(),
            Outcome::Failed(_) => self.outgoing.err.as_ref(),
        }
    }

    /// Whether nothing of the program follows on this outcome.
    fn is_closed_by(&self, outcome: &Outcome) -> bool {
        self.outgoing.saga.is_none() && self.arm(outcome).is_none()
    }
}

/// The value that an arm binds.
fn bound(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Committed(value) => value.clone(),
        Outcome::Failed(failure) => {
            Value::Struct(Arc::new([Value::Text(failure.kind.name().into()), Value::Text(failure.message.clone())]))
        }
    }
}

impl Engine {
    /// Puts a job at the end of the queue.
    pub(super) fn enqueue(&mut self, job: Job) {
        let key = self.key();
        self.jobs.insert(key, job);
        self.ready.push_back(Step::Run(key));
    }

    /// Runs an attempt of the job, and commits it unless that is a step of its own.
    pub(super) fn run(&mut self, key: JobKey, mut job: Job) {
        if !self.is_current(&job.kind) {
            return self.drop_job(&job);
        }
        if let Some(store) = self.store_of(&job.kind) {
            match self.begin(store) {
                Ok(false) => {}
                Ok(true) => return self.run_anew(key, job),
                Err(error) => return self.store_failed(key, job, store, error, false),
            }
        }
        if !self.is_current(&job.kind) {
            return self.drop_job(&job);
        }
        let (now, ids) = match job.clock {
            Some(clock) => clock,
            None => {
                let now = self.host.now();
                let arm = matches!(job.kind, Kind::Settle { .. });
                let ids = match self.event_of(&job.kind).cloned() {
                    Some(event) => self.host.ids(&event, arm),
                    None => self.fresh_ids(),
                };
                *job.clock.insert((now, ids))
            }
        };
        self.note_job(&job, || What::Ran);
        let mut execution = std::mem::take(&mut self.execution);
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(&mut execution, &job.kind, now, ids)));
        self.execution = execution;
        let prepared = match attempt {
            Ok(Ok(prepared)) => prepared,
            // A store that cannot be read says nothing about those that can. One that has failed for good never answers again.
            Ok(Err(error)) => match self.failed_for_good() {
                Some(store) if !error.transient => return self.store_failed(key, job, store, error, false),
                _ => return self.retry_later(key, job, &error),
            },
            // Attempts only read: nothing is left of it.
            Err(panic) => match self.conclude_panic(&job.kind, &panic_message(&*panic), now) {
                Some(prepared) => prepared,
                None => return self.give_up(job, FailureKind::Unavailable, internal_error(&panic_message(&*panic))),
            },
        };
        let apart = match self.overlap {
            Overlap::None => false,
            Overlap::Unvalidated => !prepared.needs.is_empty(),
            Overlap::Attempts => true,
        };
        // Who has lost several times commits before anyone else can come between.
        if apart && job.losses < super::timing::LOSSES_BEFORE_TURN {
            job.prepared = Some(Box::new(prepared));
            self.jobs.insert(key, job);
            self.ready.push_back(Step::Commit(key));
        } else {
            self.commit(key, job, prepared);
        }
    }

    /// The store that a job, which is current, commits to; `None` if only its attempt says so.
    fn store_of(&self, kind: &Kind) -> Option<usize> {
        match kind {
            Kind::Outside { event, .. } => self.receiver(&event.action),
            Kind::Deliver { flight } => self.receiver(&self.flights[flight].outgoing.event.action),
            Kind::Settle { flight, .. }
            | Kind::MarkTried { flight }
            | Kind::Resume { flight, .. }
            | Kind::Renew { flight, .. }
            | Kind::Spare { flight } => Some(self.flights[flight].sent.store),
            Kind::Repair { reconciliation } => self.store_of_repairs(*reconciliation),
            Kind::Forget { store, .. } => Some(*store),
        }
    }

    /// The event that a job is about; `None` if it has landed meanwhile.
    pub(super) fn event_of<'a>(&'a self, kind: &'a Kind) -> Option<&'a EventId> {
        match kind {
            Kind::Outside { event, .. } => Some(&event.id),
            Kind::Deliver { flight }
            | Kind::Settle { flight, .. }
            | Kind::MarkTried { flight }
            | Kind::Resume { flight, .. }
            | Kind::Renew { flight, .. }
            | Kind::Spare { flight } => self.flights.get(flight).map(|flight| &flight.outgoing.event.id),
            Kind::Repair { reconciliation } => self.reconciling.event(*reconciliation),
            Kind::Forget { events, .. } => events.first().map(|dealt| &dealt.event),
        }
    }

    /// Whether there still is something to do for the job.
    pub(super) fn is_current(&self, kind: &Kind) -> bool {
        self.event_of(kind).is_some()
    }

    /// One attempt: reads the state, changes nothing.
    fn attempt(&self, execution: &mut Execution, kind: &Kind, now: i64, ids: u128) -> Result<Prepared, StoreError> {
        let prepared = match kind {
            Kind::Outside { event, .. } => {
                let env = self.env(Some(&event.id), event.caller.as_ref(), now, ids);
                match self.execute(execution, &env, Task::Event { action: &event.action, outside: true })? {
                    Ok(run) => self.receive(kind, run, now),
                    Err((failure, reads)) => self.fail(kind, failure, reads, now),
                }
            }
            Kind::Deliver { flight } => {
                let event = &self.flights[flight].outgoing.event;
                let env = self.env(Some(&event.id), event.caller.as_ref(), now, ids);
                match self.execute(execution, &env, Task::Event { action: &event.action, outside: false })? {
                    Ok(run) => self.receive(kind, run, now),
                    Err((failure, reads)) => self.fail(kind, failure, reads, now),
                }
            }
            Kind::Settle { flight, outcome } if self.flights[flight].outgoing.saga.is_some() => {
                self.go_on(execution, &self.flights[flight], outcome, now, ids)?
            }
            Kind::Settle { flight, outcome } => {
                let flight = &self.flights[flight];
                let outgoing = &flight.outgoing;
                if self.mirror_of(outgoing).is_some() {
                    return self.close_difference(flight, outcome, now);
                }
                let Some(arm) = flight.arm(outcome) else {
                    return Ok(self.close(flight, outcome.clone(), CommitRequest::default(), now));
                };
                let env = self.env(outgoing.answers.as_ref(), outgoing.event.caller.as_ref(), now, ids);
                let value = bound(outcome);
                match self.execute(execution, &env, Task::Arm { record: &outgoing.from, arm, value: &value })? {
                    Ok(run) => self.close_with_arm(flight, arm, run, now),
                    Err((failure, reads)) => self.fail(kind, failure, reads, now),
                }
            }
            Kind::MarkTried { flight } => self.update(&self.flights[flight], OutgoingState::Tried, Then::Tried),
            Kind::Resume { flight, anew: true } => self.anew(&self.flights[flight], ids, now),
            Kind::Resume { flight, anew: false } => {
                let flight = &self.flights[flight];
                let mut prepared = self.update(flight, OutgoingState::Pending, Then::Resumed);
                if self.receiver(&flight.outgoing.event.action) == Some(flight.sent.store) {
                    prepared.request.inbox.push(InboxChange::Forget(flight.outgoing.event.id.clone()));
                }
                prepared
            }
            Kind::Renew { flight, by } => self.renew(execution, &self.flights[flight], *by, now, ids)?,
            Kind::Spare { flight } => self.spare(execution, *flight, &self.flights[flight], now, ids)?,
            Kind::Repair { reconciliation } => self.repair(execution, *reconciliation, now, ids)?,
            Kind::Forget { store, events, .. } => {
                let mut inbox = Vec::with_capacity(events.len());
                for DealtWith { event, others } in events {
                    inbox.push(InboxChange::Forget(event.clone()));
                    if let (Some(ty), Some(received)) = (others, self.stores.get(*store).received(event)?) {
                        let keep_until = Some(now.saturating_add(self.limits.keep_outcomes));
                        inbox.push(InboxChange::Record { event: event.clone(), received, ty: ty.clone(), keep_until });
                    }
                }
                Prepared::bare(*store, CommitRequest { inbox, ..CommitRequest::default() }, Then::Forgotten)
            }
        };
        Ok(prepared)
    }

    pub(super) fn env<'a>(&'a self, answers: Option<&'a EventId>, caller: Option<&'a Arc<str>>, now: i64, ids: u128) -> Env<'a> {
        Env { program: &self.program, stores: &self.stores, limits: &self.limits, answers, now, ids, caller }
    }

    pub(super) fn execute(
        &self,
        execution: &mut Execution,
        env: &Env<'_>,
        task: Task<'_>,
    ) -> Result<Result<Run, (Failure, Vec<Read>)>, StoreError> {
        Ok(match execution.run(env, task)? {
            Attempt::Commit(success) => Ok(Run { request: success.request, received: received(success.result, success.deferred) }),
            Attempt::Failed { failure, reads } => Err((failure, reads)),
        })
    }

    /// The store that receives an event; `None` for the outside.
    pub(super) fn receiver(&self, action: &Action) -> Option<usize> {
        match action {
            Action::Handler { to, .. } | Action::Saga { to, .. } => Some(self.stores.place(to.space())),
            Action::Create { space, .. } => Some(self.stores.place(space)),
            Action::Extern { .. } => None,
        }
    }
}

/// What an attempt came to.
pub(super) struct Run {
    pub request: CommitRequest,
    pub received: Received,
}

fn received(result: Value, deferred: Option<EventId>) -> Received {
    match deferred {
        Some(event) => Received::Deferred(event),
        None => Received::Done(Outcome::Committed(result)),
    }
}

pub(super) fn space_of(key: &ReadKey) -> &SpaceRef {
    match key {
        ReadKey::Exists(record) | ReadKey::Cell(record, _) | ReadKey::Element(record, _, _) => record.space(),
        ReadKey::Unique(_, space, _, _) | ReadKey::Query { space, .. } => space,
    }
}

/// The outgoing events that a request adds.
pub(super) fn sent(request: &CommitRequest) -> Vec<Arc<Outgoing>> {
    let adds = request.outbox.iter().filter_map(|change| match change {
        OutboxChange::Add(outgoing) => Some(outgoing.clone()),
        OutboxChange::Remove(_) | OutboxChange::Update(..) | OutboxChange::Require(_) => None,
    });
    adds.collect()
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (None, Some(message)) => message.clone(),
        (None, None) => "no message".to_owned(),
    }
}

fn internal_error(message: &str) -> String {
    format!("internal error, nothing was written: {message}; please report it")
}
