//! Commits: what each answer of a store means for the job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::flight::Stage;
use super::job::{Closed, Job, JobKey, Kind, Prepared, Then, panic_message, sent};
use super::timing::{LOSSES_BEFORE_TURN, Wake};
use super::{Engine, Point, What};
use crate::event::{EventId, Outgoing, OutgoingState, Received};
use crate::failure::FailureKind;
use crate::store::{CommitRequest, Committed, OutboxChange, Refused, StoreError};
use crate::value::SpaceRef;

impl Engine {
    /// Commits the attempt that the job has made, once what it has read in other stores is durable.
    pub(super) fn commit_prepared(&mut self, key: JobKey, mut job: Job) {
        match job.prepared.take() {
            Some(prepared) => self.commit(key, job, *prepared),
            None => self.run(key, job),
        }
    }

    /// Commits an attempt of the job.
    pub(super) fn commit(&mut self, key: JobKey, job: Job, prepared: Prepared) {
        let Some((mut job, prepared)) = self.before_commit(key, job, prepared) else { return };
        if let Some(&need) = prepared.needs.iter().find(|need| !self.is_durable(**need)) {
            if job.losses < LOSSES_BEFORE_TURN {
                job.prepared = Some(Box::new(prepared));
                self.jobs.insert(key, job);
                return self.wait_durable(need, Wake::Commit(key));
            }
            if let Err(error) = self.stores.get(need.store).wait_durable(need.version) {
                return self.store_failed(key, job, need.store, error, false);
            }
        }
        if !self.is_current(&job.kind) {
            return self.drop_job(&job);
        }
        let Prepared { store, mut request, relies, then, .. } = prepared;
        self.stamp(&mut request);
        let sent = sent(&request);
        let now = job.clock.map_or(0, |(now, _)| now);
        let committed = self.commit_request(store, &request, now);
        if committed.is_ok() {
            if !request.writes.is_empty() {
                self.note_job(&job, || What::Wrote(request.writes.clone()));
            }
            self.hear_those_before(store, &request);
        }
        match &mut self.trace {
            Some(trace) if committed.is_ok() => trace.commits.push(request),
            _ => self.execution.recycle(request),
        }
        match committed {
            Ok(committed) => self.committed(job, then, sent, &relies, Point { store, version: committed.version }),
            Err(Refused::Stale(read)) => {
                self.counters.conflicts += 1;
                self.note_job(&job, || What::Lost(read));
                self.lost(key, job);
            }
            Err(Refused::Failed(failure)) => {
                // The state refuses it: that is the outcome. What the attempt had read was up to date, or it would have been stale.
                let then = self.fail(&job.kind, failure, Vec::new(), now);
                match self.commit_request(then.store, &then.request, now) {
                    Ok(committed) => {
                        let point = Point { store: then.store, version: committed.version };
                        self.hear_those_before(store, &then.request);
                        self.committed(job, then.then, Vec::new(), &relies, point);
                    }
                    Err(refused) => self.refused(key, job, store, refused),
                }
            }
            Err(refused) => self.refused(key, job, store, refused),
        }
    }

    /// Notes in the events that a request sends when that is: at its commit, whenever its attempt ran.
    fn stamp(&mut self, request: &mut CommitRequest) {
        let mut now = None;
        for change in &mut request.outbox {
            if let OutboxChange::Add(outgoing) = change {
                Arc::make_mut(outgoing).at = *now.get_or_insert_with(|| self.host.now());
            }
        }
    }

    /// `now`: when the attempt ran; good enough to forget old events by.
    fn commit_request(&mut self, store: usize, request: &CommitRequest, now: i64) -> Result<Committed, Refused> {
        if let Some(error) = &self.broken[store] {
            return Err(Refused::Store(error.clone()));
        }
        let commit = catch_unwind(AssertUnwindSafe(|| self.stores.get_mut(store).commit(request, now)));
        commit.unwrap_or_else(|panic| {
            let message = format!("internal error in the store: {}; please report it", panic_message(&*panic));
            Err(Refused::Store(StoreError { message, transient: false }))
        })
    }

    /// What others have committed before this, perhaps since its attempt, comes first: events to one receiver have their order, and the outcome
    /// may have to wait for removals.
    fn hear_those_before(&mut self, store: usize, request: &CommitRequest) {
        // A store takes note of what changes nothing without following the others.
        let follows = !(request.writes.is_empty() && request.outbox.is_empty() && request.inbox.is_empty());
        if follows
            && self.is_shared(store)
            && let Err(error) = self.hear(store)
        {
            self.store_broke(store, error);
        }
    }

    /// `relies`: where it wrote and read, as far as fences need to know.
    fn committed(&mut self, job: Job, then: Then, sent: Vec<Arc<Outgoing>>, relies: &[SpaceRef], point: Point) {
        self.counters.commits += 1;
        self.note_job(&job, || What::Committed { store: point.store, version: point.version.0 });
        if self.history.is_some()
            && let Some(by) = self.event_of(&job.kind).cloned()
        {
            let arm = matches!(job.kind, Kind::Settle { .. });
            for outgoing in &sent {
                let what = self.describe(&outgoing.event.action);
                self.note(&outgoing.event.id, || What::Sent { by: by.clone(), arm, what });
            }
        }
        if let (Kind::Repair { reconciliation }, Then::Repaired(Ok(repairs))) = (&job.kind, &then) {
            self.reconciling.sent(*reconciliation, &repairs.sent);
        }
        let renewed = sent.first().map(|outgoing| outgoing.event.id.clone());
        self.adopt_all(sent, point, false);
        let home = self.home_of(&job.kind);
        self.relying(relies.iter().chain(&home), |engine| engine.dealt_with_job(job.kind, then, renewed, point));
    }

    fn dealt_with_job(&mut self, kind: Kind, then: Then, renewed: Option<EventId>, point: Point) {
        match (kind, then) {
            (Kind::Outside { event, session, ticket }, Then::Received(received)) => {
                self.note_received(&event, session, ticket, point);
                self.received_outside(ticket, &event, received, Some(point));
                self.next_in_session(session);
            }
            (Kind::Deliver { flight }, Then::Received(received)) => self.delivered(flight, received, Some(point)),
            (Kind::Deliver { flight }, Then::ReceivedAndClosed(outcome, closed)) => {
                if let Some(event) = self.flights.get(&flight).map(|flight| flight.outgoing.event.id.clone()) {
                    self.note(&event, || What::Outcome(outcome));
                }
                self.closed(flight, closed, point);
            }
            (Kind::Settle { flight, .. }, Then::Closed(closed)) => self.closed(flight, closed, point),
            (Kind::MarkTried { flight }, _) => self.marked_tried(flight, point),
            (Kind::Deliver { flight }, Then::Closed(closed)) => self.closed(flight, closed, point),
            (Kind::Resume { flight, .. }, Then::Closed(_)) => self.sent_anew(flight, renewed.as_ref(), point),
            (Kind::Resume { flight, .. }, _) => self.resumed(flight, point),
            (Kind::Renew { flight, by }, _) => self.renewed(flight, by, renewed.as_ref(), point),
            (Kind::Spare { flight }, then) => self.spared(flight, &then, point),
            (Kind::Repair { reconciliation }, Then::Repaired(repairs)) => self.repaired(reconciliation, repairs),
            (Kind::Forget { resume, .. }, _) => {
                if let Some(flight) = resume {
                    let job = self.key();
                    self.jobs.insert(job, Job::new(Kind::Resume { flight, anew: false }));
                    self.wait_durable(point, Wake::Run(job));
                }
            }
            (Kind::Outside { .. } | Kind::Deliver { .. } | Kind::Settle { .. } | Kind::Repair { .. }, _) => {
                unreachable!("each kind of job prepares its own kind of commit")
            }
        }
    }

    fn closed(&mut self, flight: u64, closed: Closed, point: Point) {
        match closed {
            Closed::Landed(answer) => {
                self.landed(flight, point);
                if let Some((event, received)) = answer {
                    self.answered(&event, received, point);
                }
            }
            Closed::Parked(outcome, reason) => self.now_parked(flight, outcome, reason),
        }
    }

    /// A refusal that is neither a stale read nor a failure of the transaction.
    fn refused(&mut self, key: JobKey, job: Job, store: usize, refused: Refused) {
        match refused {
            Refused::Duplicate(received) => {
                self.counters.duplicates += 1;
                if job.doubtful {
                    self.resync(store);
                }
                self.note_job(&job, || What::Duplicate);
                let version = self.stores.get(store).version();
                let home = self.home_of(&job.kind);
                self.relying(&home, |engine| match job.kind {
                    Kind::Outside { event, session, ticket } => {
                        engine.received_outside(ticket, &event, received, Some(Point { store, version }));
                        engine.next_in_session(session);
                    }
                    Kind::Deliver { flight } => engine.delivered(flight, received, Some(Point { store, version })),
                    // What it answers was recorded by someone else, who has removed the event as well.
                    Kind::Settle { flight, .. } => engine.dealt_with(flight, Point { store, version }),
                    Kind::MarkTried { .. }
                    | Kind::Resume { .. }
                    | Kind::Renew { .. }
                    | Kind::Spare { .. }
                    | Kind::Repair { .. }
                    | Kind::Forget { .. } => {}
                });
            }
            Refused::Gone(_) => {
                self.counters.duplicates += 1;
                self.resync(store);
                let version = self.stores.get(store).version();
                if let Kind::MarkTried { flight } = job.kind {
                    self.call_dropped();
                    // Another process may have begun it.
                    let event = self.flights.get(&flight).map(|flight| flight.outgoing.event.id.clone());
                    if event.is_some_and(|event| self.stores.get(store).outgoing_by_id(&event).is_ok_and(|found| found.is_some())) {
                        return self.now_elsewhere(flight);
                    }
                }
                match job.kind {
                    Kind::Settle { flight, .. }
                    | Kind::Deliver { flight }
                    | Kind::MarkTried { flight }
                    | Kind::Resume { flight, .. }
                    | Kind::Renew { flight, .. }
                    | Kind::Spare { flight } => self.dealt_with(flight, Point { store, version }),
                    Kind::Outside { .. } | Kind::Repair { .. } | Kind::Forget { .. } => {}
                }
            }
            Refused::Stale(_) => {
                self.counters.conflicts += 1;
                self.lost(key, job);
            }
            Refused::Failed(failure) => {
                // A commit of an outcome alone writes nothing that could fail: the store is at fault.
                let message = format!("the store refuses to record an outcome: {failure}");
                self.store_failed(key, job, store, StoreError { message, transient: false }, true);
            }
            Refused::Store(error) => self.store_failed(key, job, store, error, true),
        }
    }

    /// The outbox no longer has the event: an earlier commit, whose success was in doubt, has dealt with it.
    fn dealt_with(&mut self, flight: u64, point: Point) {
        let answers = self.flights.get(&flight).and_then(|flight| flight.outgoing.answers.clone());
        self.landed(flight, point);
        if let Some(event) = answers
            && let Ok(Some(received @ Received::Done(_))) = self.stores.get(point.store).received(&event)
        {
            self.answered(&event, received, point);
        }
    }

    /// A commit that was in doubt has happened: what it sent is in the store, but not known here.
    fn resync(&mut self, store: usize) {
        if let Err(error) = self.adopt_stored(store) {
            self.store_broke(store, error);
        }
    }

    /// Someone else has done what the job was to do; perhaps the job itself, by a commit that was in doubt.
    pub(super) fn drop_job(&mut self, job: &Job) {
        if job.doubtful {
            (0..self.stores.len()).for_each(|store| self.resync(store));
        }
    }

    pub(super) fn store_broke(&mut self, store: usize, error: StoreError) {
        if !error.transient {
            self.broken[store].get_or_insert(error);
        }
    }

    /// The store does not answer, or has failed for good. Nothing is lost: the job is tried again, or found again when the store is opened.
    pub(super) fn store_failed(&mut self, key: JobKey, mut job: Job, store: usize, error: StoreError, doubtful: bool) {
        job.doubtful |= doubtful;
        job.prepared = None;
        if error.transient {
            return self.retry_later(key, job, &error);
        }
        self.store_broke(store, error);
        let failure = self.broken(store).expect("a store that failed for good is broken");
        match job.kind {
            Kind::Outside { .. } => {
                let message = format!("{}; whether it took effect shows when it is sent again with the same id", failure.message);
                self.give_up(job, FailureKind::Unavailable, message);
            }
            Kind::Deliver { flight }
            | Kind::Settle { flight, .. }
            | Kind::MarkTried { flight }
            | Kind::Resume { flight, .. }
            | Kind::Renew { flight, .. }
            | Kind::Spare { flight } => self.stall(flight, &failure.message),
            Kind::Repair { reconciliation } => self.reconcile_failed(reconciliation, failure),
            Kind::Forget { .. } => {}
        }
    }

    /// A store that takes and tells nothing more until it is opened again.
    pub(super) fn failed_for_good(&self) -> Option<usize> {
        (0..self.stores.len()).find(|&store| self.stores.get(store).durable().is_err_and(|error| !error.transient))
    }

    /// The event can go on only in another process.
    pub(super) fn stall(&mut self, key: u64, why: &str) {
        self.set_stage(key, Stage::Stalled);
        if let Some(outgoing) = self.flights.get(&key).map(|flight| flight.outgoing.clone()) {
            self.left(key, &outgoing, Some(why));
        }
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.trouble = Some(why.to_owned());
        }
    }

    fn resumed(&mut self, key: u64, point: Point) {
        self.set_state(key, OutgoingState::Pending);
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.sent = point;
            flight.goes_on();
            // Whoever takes it up has it in hand, also where another process has parked it.
            flight.elsewhere = false;
            self.start(key);
        }
    }
}
