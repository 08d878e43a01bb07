//! Time: delays, the pauses between attempts, and waiting until something is durable.

use rustc_hash::FxHashMap;

use super::flight::{FlightKey, Stage};
use super::job::{Job, JobKey, Kind};
use super::{Engine, Point, Step};
use crate::event::Outgoing;
use crate::failure::FailureKind;
use crate::interrupt::Interrupt;
use crate::store::StoreError;

/// After so many lost attempts a job waits its turn: its next attempt and commit are one step.
pub(super) const LOSSES_BEFORE_TURN: u32 = 3;

/// The first pause between attempts in milliseconds, and the longest.
const PAUSE: (i64, i64) = (25, 1_000);

/// The first pause between calls to the outside in milliseconds, and the longest.
const CALL_PAUSE: (i64, i64) = (100, 30_000);

/// What goes on once a commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// An event that a commit has sent starts.
    Start(FlightKey),
    Run(JobKey),
    Commit(JobKey),
    /// The call may be made: that it was tried is durable.
    Call(FlightKey),
    /// What follows a removal that was not made may be told: that it is gone is durable.
    Land(FlightKey),
}

impl Engine {
    /// Makes ready what time and durability allow. To be called before stepping, whenever time has passed or a store has become durable.
    pub fn wake(&mut self) {
        self.listen();
        self.wake_durable();
        if self.timers.is_empty() && self.backoffs.is_empty() && !self.calls.any_deadline() && self.fences.deadline().is_none() {
            return;
        }
        let now = self.host.now();
        self.ring(now);
        while let Some(entry) = self.backoffs.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let job = entry.remove();
            self.ready.push_back(Step::Run(job));
        }
        self.expire_calls(now);
        self.expire_fenced(now);
    }

    /// The next time at which [`Engine::wake`] will have something to do, in milliseconds since the epoch.
    pub fn next_wake(&self) -> Option<i64> {
        let timer = self.timers.first().map(|&(due, _)| due);
        let backoff = self.backoffs.first_key_value().map(|(&(at, _), _)| at);
        let ask = self.ask_at.iter().flatten().min().copied();
        [timer, backoff, ask, self.calls.next_deadline(), self.fences.deadline()].into_iter().flatten().min()
    }

    /// When the next delayed event is due; pauses between attempts are not counted.
    pub fn next_delayed(&self) -> Option<i64> {
        let delayed = self.timers.iter().find(|(_, key)| self.flights.get(key).is_some_and(|flight| flight.stage == Stage::Timer));
        delayed.map(|&(due, _)| due)
    }

    /// When events that are on their way are tried again.
    pub(super) fn next_attempts(&self) -> FxHashMap<FlightKey, i64> {
        let calls = self.timers.iter().filter(|(_, key)| self.flights.get(key).is_some_and(|flight| flight.stage == Stage::Calling));
        let calls = calls.map(|&(at, key)| (key, at));
        let jobs = self.backoffs.iter().filter_map(|(&(at, _), job)| match self.jobs.get(job)?.kind {
            Kind::Deliver { flight } | Kind::Settle { flight, .. } => Some((flight, at)),
            _ => None,
        });
        calls.chain(jobs).collect()
    }

    /// Whether a job or a call pauses before its next attempt; only events from outside if `outside`.
    pub fn has_pauses(&self, outside: bool) -> bool {
        self.backoffs.values().any(|key| !outside || self.jobs.get(key).is_some_and(Job::is_outside))
            || !outside && self.timers.iter().any(|(_, key)| self.flights.get(key).is_some_and(|f| f.stage == Stage::Calling))
    }

    /// Ends the pauses between attempts and between calls, whatever the clock says: a simulation does not wait for them.
    pub fn end_pauses(&mut self) {
        for (_, job) in std::mem::take(&mut self.backoffs) {
            self.ready.push_back(Step::Run(job));
        }
        let repeated: Vec<(i64, FlightKey)> =
            self.timers.iter().copied().filter(|(_, key)| self.flights.get(key).is_some_and(|f| f.stage == Stage::Calling)).collect();
        for entry in repeated {
            self.timers.remove(&entry);
            self.timer_rang(entry.1);
        }
    }

    /// Whether something waits for a commit to become durable.
    pub fn waits_for_durability(&self) -> bool {
        self.waiting_durable.iter().any(|waiting| !waiting.is_empty())
            || self.forgetting.iter().flatten().any(|(_, point)| self.broken[point.store].is_none())
    }

    /// What became due before an event was sent, or with it, takes its place before it: also when both are found in a store, where the clock
    /// of nobody has rung.
    pub(super) fn ring_before(&mut self, outgoing: &Outgoing) {
        if self.timers.first().is_some_and(|&(due, _)| due <= outgoing.at) {
            // Another process may have a clock that is ahead.
            let now = self.host.now();
            self.ring(outgoing.at.min(now));
        }
    }

    /// Rings what is due by then, in the order of that; what is due together in the order sent.
    fn ring(&mut self, by: i64) {
        while let Some(&(due, key)) = self.timers.first()
            && due <= by
        {
            self.timers.pop_first();
            self.timer_rang(key);
        }
    }

    fn timer_rang(&mut self, key: FlightKey) {
        let Some(flight) = self.flights.get(&key) else { return };
        match flight.stage {
            Stage::Timer => self.take_turn(key),
            Stage::Calling => self.queue_call(key),
            // Its process delivers it; what this one sends after it stands behind it.
            Stage::Elsewhere if flight.outgoing.due.is_some() => drop(self.queue_in_pair(key)),
            _ => {}
        }
    }

    pub(super) fn wait_durable(&mut self, point: Point, wake: Wake) {
        self.waiting_durable[point.store].entry(point.version).or_default().push(wake);
    }

    fn wake_durable(&mut self) {
        for store in 0..self.stores.len() {
            self.forget_durable(store);
            if self.waiting_durable[store].is_empty() {
                continue;
            }
            let durable = match self.stores.get(store).durable() {
                Ok(durable) => durable,
                Err(error) if error.transient => continue,
                Err(error) => {
                    self.give_up_waiting(store, error);
                    continue;
                }
            };
            while let Some(entry) = self.waiting_durable[store].first_entry() {
                if *entry.key() > durable {
                    break;
                }
                let point = Point { store, version: *entry.key() };
                for wake in entry.remove() {
                    match wake {
                        Wake::Start(flight) => self.start(flight),
                        Wake::Run(job) => self.ready.push_back(Step::Run(job)),
                        Wake::Commit(job) => self.ready.push_back(Step::Commit(job)),
                        Wake::Call(flight) => self.hand_out(flight),
                        Wake::Land(flight) => self.landed(flight, point),
                    }
                }
            }
        }
        for store in 0..self.stores.len() {
            if !self.forgetting[store].is_empty() {
                self.forget_soon(store);
            }
        }
    }

    /// What waits for a store that has failed would wait for ever.
    fn give_up_waiting(&mut self, store: usize, error: StoreError) {
        let why = format!("the store has failed: {error}");
        for wake in std::mem::take(&mut self.waiting_durable[store]).into_values().flatten() {
            match wake {
                Wake::Start(flight) | Wake::Call(flight) | Wake::Land(flight) => self.stall(flight, &why),
                Wake::Run(job) | Wake::Commit(job) => {
                    if let Some(job) = self.jobs.remove(&job) {
                        self.give_up(job, FailureKind::Unavailable, why.clone());
                    }
                }
            }
        }
        self.store_broke(store, error);
    }

    /// Has a store forget the events whose senders have durably dealt with them.
    pub(super) fn forget_soon(&mut self, store: usize) {
        let mut events = Vec::new();
        while let Some((event, point)) = self.forgetting[store].pop_front() {
            if !self.is_durable(point) {
                self.forgetting[store].push_front((event, point));
                break;
            }
            events.push(event);
        }
        if !events.is_empty() {
            self.enqueue(Job::new(Kind::Forget { store, events, resume: None }));
        }
    }

    /// An attempt was lost to another: it runs again after a pause, on the new state, with the same `now()` and ids.
    pub(super) fn lost(&mut self, key: JobKey, mut job: Job) {
        job.losses += 1;
        if job.is_outside() && self.waited(&job) >= self.limits.conflict_timeout {
            let message = format!(
                "others kept changing what it read for {} ms (setting `conflict-timeout`); send it again",
                self.limits.conflict_timeout
            );
            return self.give_up(job, FailureKind::Conflict, message);
        }
        if job.losses >= LOSSES_BEFORE_TURN {
            self.jobs.insert(key, job);
            self.ready.push_back(Step::Run(key));
        } else {
            let pause = self.pause(PAUSE, job.losses);
            self.pause_job(key, job, pause);
        }
    }

    /// A store does not answer for now.
    pub(super) fn retry_later(&mut self, key: JobKey, mut job: Job, error: &StoreError) {
        job.faults += 1;
        if job.is_outside() && self.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            let message = "it was interrupted, and nothing of it remains".to_owned();
            return self.give_up(job, FailureKind::Unavailable, message);
        }
        if job.is_outside() && self.waited(&job) >= self.limits.unavailable_timeout {
            let message = format!(
                "the store has not answered for {} ms (setting `unavailable-timeout`): {error}; whether it took effect shows when it is sent \
                 again with the same id",
                self.limits.unavailable_timeout
            );
            return self.give_up(job, FailureKind::Unavailable, message);
        }
        let now = self.host.now();
        if let Kind::Deliver { flight } | Kind::Settle { flight, .. } = &job.kind
            && let Some(flight) = self.flights.get_mut(flight)
        {
            flight.failed(error.to_string(), now);
        }
        let pause = self.pause(PAUSE, job.faults);
        self.pause_job(key, job, pause);
    }

    /// Milliseconds since the first attempt, without those it was left open.
    fn waited(&mut self, job: &Job) -> i64 {
        let now = self.host.now();
        job.clock.map_or(0, |(began, _)| now.saturating_sub(began).saturating_sub(job.stood_open))
    }

    fn pause_job(&mut self, key: JobKey, job: Job, pause: i64) {
        let at = self.host.now().saturating_add(pause);
        let order = self.key();
        self.jobs.insert(key, job);
        self.backoffs.insert((at, order), key);
    }

    /// Doubles with every time, half of it by chance.
    fn pause(&mut self, (first, longest): (i64, i64), times: u32) -> i64 {
        let whole = first.saturating_mul(1 << times.saturating_sub(1).min(20)).min(longest);
        let chance = (self.host.random() % (whole.unsigned_abs() / 2 + 1)) as i64;
        whole - chance
    }

    /// The pause before the outside is asked again.
    pub(super) fn call_pause(&mut self, times: u32) -> i64 {
        self.pause(CALL_PAUSE, times)
    }
}
