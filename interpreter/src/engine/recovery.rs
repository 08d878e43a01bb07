//! When commits that were not durable are lost, without the end of the process: what a start after a crash does, in mid-run.
//!
//! A store that several processes share can lose its connection, and with it what was committed and not yet durable. Nobody was told of
//! it. The store is as before; what the engine knows of events on their way is thrown away and found in the stores again, and events from
//! outside whose commit is lost run once more, before those that came after them in their session.

use std::collections::VecDeque;
use std::sync::Arc;

use super::flight::Stage;
use super::job::{Job, JobKey, Kind};
use super::outside::{Session, Ticket};
use super::{Engine, Point, Step, Waiter};
use crate::event::{Event, EventId};
use crate::store::{StoreError, Version};

/// An event from outside whose outcome is not durable yet.
#[derive(Clone)]
pub(super) struct Undurable {
    version: Version,
    ticket: Ticket,
    what: What,
}

#[derive(Clone)]
enum What {
    /// Its commit may be lost: then it runs again.
    Received { event: Arc<Event>, session: Session },
    /// Its answer, given by a later commit, may be lost: then it is waited for again.
    Answered(EventId),
}

impl Engine {
    /// Remembers an event from outside until its commit is durable.
    pub(super) fn note_received(&mut self, event: &Arc<Event>, session: Session, ticket: Ticket, point: Point) {
        if self.is_shared(point.store) {
            let what = What::Received { event: event.clone(), session };
            self.undurable[point.store].push_back(Undurable { version: point.version, ticket, what });
            self.forget_durable(point.store);
        }
    }

    /// Remembers that an event from outside was answered until that is durable.
    pub(super) fn note_answered(&mut self, event: &EventId, ticket: Ticket, point: Point) {
        if self.is_shared(point.store) {
            self.undurable[point.store].push_back(Undurable { version: point.version, ticket, what: What::Answered(event.clone()) });
        }
    }

    /// Drops what has become durable. To be called often.
    pub(super) fn forget_durable(&mut self, store: usize) {
        let Some(durability) = self.undurable[store].front().map(|_| self.stores.get(store).durability()) else { return };
        while self.undurable[store].front().is_some_and(|first| durability.is_durable(first.version).is_ok_and(|durable| durable)) {
            self.undurable[store].pop_front();
        }
    }

    /// Whether the outcome of an event from outside is not durable yet.
    pub(super) fn has_undurable(&self) -> bool {
        let open = |(store, undurable): (usize, &VecDeque<Undurable>)| {
            undurable.back().is_some_and(|last| !self.is_durable(Point { store, version: last.version }))
        };
        self.undurable.iter().enumerate().any(open)
    }

    /// A job whose store was found to have lost commits, before its attempt.
    pub(super) fn run_anew(&mut self, key: JobKey, mut job: Job) {
        let Kind::Outside { session, .. } = job.kind else { return };
        job.prepared = None;
        self.jobs.insert(key, job);
        // What was lost of its session runs first. One that was just submitted is put behind that by who submits it.
        if !self.backlog.contains_key(&session) {
            self.ready.push_back(Step::Run(key));
        }
    }

    /// A store has lost commits and stands where it stood before.
    pub(super) fn recover(&mut self, store: usize) -> Result<(), StoreError> {
        self.forget_durable(store);
        let lost = std::mem::take(&mut self.undurable[store]);
        let fenced = self.take_fenced();
        self.drop_everything();
        self.learn_invariant_reads(store)?;
        self.learn_givers(store)?;
        self.rerun_lost(store, lost)?;
        self.adopt_all_stored()?;
        self.drop_dealt_with()?;
        self.wait_for_answers()?;
        self.fence_again(fenced)?;
        // The first of each session goes on.
        let sessions: Vec<JobKey> = self.backlog.values().filter_map(|queue| queue.front().copied()).collect();
        self.ready.extend(sessions.into_iter().map(Step::Run));
        Ok(())
    }

    /// Throws away all that can be found in the stores. Calls that are being made are kept: their answers come.
    fn drop_everything(&mut self) {
        self.give_up_reconciling();
        self.jobs.retain(|_, job| {
            job.prepared = None;
            job.is_outside()
        });
        self.ready.clear();
        self.backoffs.clear();
        self.timers.clear();
        self.parked_facts.clear();
        self.pairs.clear();
        self.waiting_durable.iter_mut().for_each(|waiting| waiting.clear());
        // Those whose senders have durably dealt with them are still to be forgotten; the others are found again.
        for store in 0..self.forgetting.len() {
            let forgetting = std::mem::take(&mut self.forgetting[store]);
            self.forgetting[store] = forgetting.into_iter().filter(|(_, point)| self.is_durable(*point)).collect();
        }
        for waiters in self.waiting_answer.values_mut() {
            waiters.retain(|waiter| matches!(waiter, Waiter::Ticket(_)));
        }
        self.waiting_answer.retain(|_, waiters| !waiters.is_empty());
        let called: Vec<_> = self.flights.iter().filter(|(key, f)| f.stage == Stage::Calling && self.calls.is_made(**key)).collect();
        let mut called: Vec<_> = called.into_iter().map(|(key, _)| *key).collect();
        called.sort_unstable();
        self.flights.retain(|key, _| called.contains(key));
        self.by_event.retain(|_, key| called.contains(key));
        self.answering.retain(|_, key| called.contains(key));
        self.calls.keep_made();
        self.resting = 0;
        // Their places in the queues of their pairs are the first: they were on their way.
        for key in called {
            if self.flights.get_mut(&key).is_some_and(|flight| std::mem::take(&mut flight.queued)) {
                self.queue_in_pair(key);
            }
        }
    }

    /// Calls that are being made, and of which others have dealt with the outcome meanwhile: nobody waits for their answers.
    fn drop_dealt_with(&mut self) -> Result<(), StoreError> {
        let kept: Vec<_> = self.flights.values().map(|flight| (flight.sent.store, flight.outgoing.event.id.clone())).collect();
        for (store, event) in kept {
            if self.stores.get(store).outgoing_by_id(&event)?.is_none() {
                self.landed_elsewhere(&event);
            }
        }
        Ok(())
    }

    /// Events from outside whose commit is lost take their places before what waits in their sessions.
    fn rerun_lost(&mut self, store: usize, lost: VecDeque<Undurable>) -> Result<(), StoreError> {
        for Undurable { ticket, what, .. } in lost.into_iter().rev() {
            match what {
                What::Received { event, session } => {
                    let key = self.key();
                    self.waiting_answer.remove(&event.id);
                    self.jobs.insert(key, Job::new(Kind::Outside { event, session, ticket }));
                    self.backlog.entry(session).or_default().push_front(key);
                }
                What::Answered(event) => {
                    if self.stores.get(store).received(&event)?.is_some() {
                        self.waiting_answer.entry(event).or_default().push(Waiter::Ticket(ticket));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is waited for may have been answered by others, or before the loss.
    fn wait_for_answers(&mut self) -> Result<(), StoreError> {
        let events: Vec<EventId> = self.waiting_answer.keys().cloned().collect();
        events.iter().try_for_each(|event| self.look_for_answer(event))
    }
}
