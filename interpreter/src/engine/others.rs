//! Stores that other processes write as well: what they have done is heard here, and what nobody does any more is taken over.
//!
//! An event is delivered by the process that sent it, from its memory. The others know it too (every process has all that is in the store),
//! for three reasons. Order: what this process sends to a receiver stays behind what another has sent there before. Help: if something of
//! ours stands behind it, we deliver it ourselves rather than wait. And death: when its process is no more, we go on with it. That two
//! deliver one event does no harm: the receiver's record and the sender's removal decide, as after a crash.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::flight::{FlightKey, Stage};
use super::{Engine, Point, Waiter};
use crate::event::{EventId, Outcome, Outgoing, OutgoingState, Received};
use crate::failure::{Failure, FailureKind};
use crate::store::{CommitRequest, News, ReadKey, StoreError};
use crate::value::RecordRef;

/// Milliseconds until a shared store that did not answer is asked again for what others have done.
const ASK_AGAIN: i64 = 200;

impl Engine {
    /// Whether other processes write this store.
    pub(super) fn is_shared(&self, store: usize) -> bool {
        self.shared.get(store).is_some_and(|shared| *shared)
    }

    /// Brings a shared store to its newest state before an attempt, and keeps others out. Gives whether commits were lost meanwhile: then
    /// everything that was known of it has been found anew.
    pub(super) fn begin(&mut self, store: usize) -> Result<bool, StoreError> {
        if !self.is_shared(store) {
            return Ok(false);
        }
        let begun = self.stores.get_mut(store).begin();
        let lost = self.hear(store)?;
        // The attempt may read what commits to other stores have made known: with it belong the removals under way there.
        if self.fences.in_use() {
            for other in (0..self.stores.len()).filter(|other| *other != store) {
                if self.is_shared(other) && self.hear(other)? && !lost {
                    return Ok(true);
                }
            }
        }
        match begun {
            // What was lost has been found anew: that is what the error was about.
            Err(_) if lost => Ok(true),
            begun => begun.map(|()| lost),
        }
    }

    /// Brings all shared stores to their newest state, so that what is read next sees what anyone was told before.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn refresh(&mut self) -> Result<(), StoreError> {
        for store in 0..self.stores.len() {
            if self.is_shared(store) {
                self.stores.get_mut(store).refresh()?;
                self.hear(store)?;
            }
        }
        Ok(())
    }

    /// Looks what others have done where that is known to be something.
    pub(super) fn listen(&mut self) {
        for store in 0..self.stores.len() {
            if !self.is_shared(store) || !self.stores.get(store).is_behind() || self.broken[store].is_some() {
                continue;
            }
            let now = self.host.now();
            if self.ask_at[store].is_some_and(|at| now < at) {
                continue;
            }
            self.ask_at[store] = None;
            let refreshed = self.stores.get_mut(store).refresh();
            if let Err(error) = refreshed.and_then(|()| self.hear(store).map(drop)) {
                self.store_broke(store, error);
                self.ask_at[store] = Some(now.saturating_add(ASK_AGAIN));
            }
        }
    }

    /// Takes up the news of a store. Gives whether commits were lost.
    pub(super) fn hear(&mut self, store: usize) -> Result<bool, StoreError> {
        let Some(news) = self.stores.get_mut(store).news() else { return Ok(false) };
        if news.lost {
            self.recover(store)?;
            return Ok(true);
        }
        let News { sent, changed, removed, received, evaluated, orphaned, .. } = news;
        self.learn_evaluated(store, evaluated)?;
        let point = Point { store, version: self.stores.get(store).version() };
        let gone: FxHashSet<&EventId> = removed.iter().collect();
        for outgoing in sent {
            if gone.contains(&outgoing.event.id) {
                // It has arrived already; who gives the fact is to be known all the same.
                let _ = self.says(&outgoing);
            } else if !self.by_event.contains_key(&outgoing.event.id) {
                self.adopt_elsewhere(outgoing, point);
            }
        }
        for event in changed.iter().filter(|event| !gone.contains(event)) {
            self.changed_elsewhere(store, event)?;
        }
        for event in &removed {
            self.landed_elsewhere(event);
        }
        for event in &received {
            if self.waiting_answer.contains_key(event) {
                self.look_for_answer(event)?;
            }
        }
        for event in &orphaned {
            if let Some(&key) = self.by_event.get(event) {
                self.take_over(key);
            }
        }
        Ok(false)
    }

    /// Someone waits for the answer of an event that others may have answered. One who comes so late that its outcome is no longer kept is told
    /// so.
    pub(super) fn look_for_answer(&mut self, event: &EventId) -> Result<(), StoreError> {
        for store in 0..self.stores.len() {
            match self.stores.get(store).received(event)? {
                Some(received @ Received::Done(_)) => {
                    let version = self.stores.get(store).version();
                    self.answered(event, received, Point { store, version });
                    return Ok(());
                }
                Some(Received::Deferred(_)) => return Ok(()),
                None => {}
            }
        }
        if self.flights.values().all(|flight| flight.outgoing.answers.as_ref() != Some(event)) {
            self.no_longer_known(event);
        }
        Ok(())
    }

    /// Tells those outside who wait for an answer that nobody knows it any more.
    fn no_longer_known(&mut self, event: &EventId) {
        let Some(waiters) = self.waiting_answer.remove(event) else { return };
        self.fences.no_longer_awaits(event);
        let (outside, inside): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|waiter| matches!(waiter, Waiter::Ticket(_)));
        if !inside.is_empty() {
            self.waiting_answer.insert(event.clone(), inside);
        }
        let message = format!(
            "it was taken, and others have dealt with it while this process did not look: its outcome is no longer kept (setting \
             `keep-outcomes`, now {} ms). Look what it did before it is sent again",
            self.limits.keep_outcomes
        );
        for waiter in outside {
            if let Waiter::Ticket(ticket) = waiter {
                self.finish(ticket, event, Outcome::Failed(Failure::new(FailureKind::Unknown, message.clone())), None);
            }
        }
    }

    /// What invariants read that others have evaluated.
    fn learn_evaluated(&mut self, store: usize, mut evaluated: Vec<(u32, RecordRef)>) -> Result<(), StoreError> {
        evaluated.sort();
        evaluated.dedup();
        let mut learned: Vec<(u32, RecordRef, Vec<ReadKey>)> = Vec::new();
        for (invariant, record) in evaluated {
            if self.stores.get(store).presence(&record)? == crate::store::Presence::Live {
                let reads = self.evaluate_invariant(invariant, &record)?;
                learned.push((invariant, record, reads));
            }
        }
        if learned.is_empty() {
            return Ok(());
        }
        let request = CommitRequest { invariant_reads: learned, ..CommitRequest::default() };
        let now = self.host.now();
        match self.stores.get_mut(store).commit(&request, now) {
            Ok(_) => Ok(()),
            Err(refused) => Err(StoreError { message: format!("what invariants read is not taken: {refused}"), transient: false }),
        }
    }

    /// Takes up an event that another process delivers.
    pub(super) fn adopt_elsewhere(&mut self, outgoing: Arc<Outgoing>, sent: Point) {
        let key = self.enter(outgoing.clone(), sent, true);
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.elsewhere = true;
        let parked = match &flight.state {
            OutgoingState::Parked { reason, .. } => {
                flight.trouble = Some(reason.to_string());
                self.note_parked_fact(key);
                true
            }
            OutgoingState::Pending | OutgoingState::Tried => false,
        };
        self.set_stage(key, if parked { Stage::Parked } else { Stage::Elsewhere });
        if parked {
            return;
        }
        self.ring_before(&outgoing);
        match outgoing.delayed() {
            Some(due) => drop(self.timers.insert((due, key))),
            None => drop(self.queue_in_pair(key)),
        }
    }

    /// Another process has changed the state of an outgoing event.
    fn changed_elsewhere(&mut self, store: usize, event: &EventId) -> Result<(), StoreError> {
        let Some(&key) = self.by_event.get(event) else { return Ok(()) };
        let Some(outgoing) = self.stores.get(store).outgoing_by_id(event)? else { return Ok(()) };
        match &outgoing.state {
            OutgoingState::Parked { outcome, reason } => self.now_parked(key, outcome.clone(), reason.clone()),
            state => {
                let state = state.clone();
                self.now_elsewhere(key);
                self.set_state(key, state);
            }
        }
        Ok(())
    }

    /// Another process has it in hand.
    pub(super) fn now_elsewhere(&mut self, key: FlightKey) {
        self.call_forgotten(key);
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.elsewhere = true;
            flight.doubtful = true;
            self.set_stage(key, Stage::Elsewhere);
        }
    }

    /// Another process has dealt with the outcome of an outgoing event.
    pub(super) fn landed_elsewhere(&mut self, event: &EventId) {
        let Some(&key) = self.by_event.get(event) else { return };
        self.call_forgotten(key);
        self.leave_pair(key);
        self.set_stage(key, Stage::Settling);
        let Some(flight) = self.remove_flight(key) else { return };
        if let Some(due) = flight.outgoing.due {
            self.timers.remove(&(due, key));
        }
        // If that was parked, it has been taken up: whoever waits for the removal waits for the one that was sent in its place.
        if let (OutgoingState::Parked { .. }, Some(says)) = (&flight.state, flight.says)
            && let Some(new) = self.telling_of(says, &flight.outgoing).and_then(|new| self.flights.get(&new))
        {
            let new = new.outgoing.event.id.clone();
            self.fence_instead(event, &new, &flight.outgoing.from);
        }
        self.fact_told(key, &flight);
    }

    /// The process that had it in hand is no more.
    fn take_over(&mut self, key: FlightKey) {
        let Some(flight) = self.flights.get(&key).filter(|flight| flight.elsewhere && flight.stage == Stage::Elsewhere) else { return };
        let (outgoing, point) = (flight.outgoing.clone(), flight.sent);
        let state = flight.state.clone();
        // As if it were found when the store is opened. Its place in the queue stays.
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.elsewhere = false;
            flight.sent = point;
        }
        self.set_off(key, &outgoing, state);
    }

    /// Whether something of this process stands behind an event that another delivers, and this one may deliver it as well.
    pub(super) fn is_in_the_way(&self, key: FlightKey) -> bool {
        let Some(flight) = self.flights.get(&key) else { return false };
        if self.receiver(&flight.outgoing.event.action).is_none() {
            // A call is made by who has it in hand.
            return false;
        }
        let Some(pair) = self.pair(flight).filter(|_| flight.queued) else { return false };
        let mut queue = self.pairs.get(&pair).into_iter().flat_map(|queue| queue.iter());
        queue.any(|other| self.flights.get(other).is_some_and(|other| !other.elsewhere))
    }
}
