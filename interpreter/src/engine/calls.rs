//! Calls to the outside: handed to the driver once nothing they follow from can be lost, answered by it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use patternc_program::{ExternId, Repeat};
use rustc_hash::FxHashMap;

use super::flight::{Flight, FlightKey, Stage};
use super::job::{Job, Kind};
use super::timing::Wake;
use super::{Engine, Point, What};
use crate::event::{Action, EventId, Outcome, Outgoing, OutgoingState};
use crate::failure::{Failure, FailureKind};
use crate::value::Value;

/// A call to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternCall {
    /// The idempotency key; together with `attempt` it names the call when it is answered.
    pub event: EventId,
    /// Counts from 1.
    pub attempt: u32,
    /// An earlier attempt may have arrived, and nobody knows what became of it: that this one is refused says nothing of that one, unless the
    /// outside answers a key that it knows with what it answered first.
    pub doubtful: bool,
    pub of: ExternId,
    pub operation: u32,
    pub args: Vec<Value>,
    /// Milliseconds it may take. After that the engine no longer waits for the answer.
    pub timeout: i64,
    /// What the other side of a mirror answered to the newest difference of the space that asks, of a `readonly` operation; `None` if there is
    /// no such answer, or no one that is the newest.
    pub after: Option<Arc<str>>,
    /// Whether a refusal ends the call: what is told after it is another call, with another key.
    pub ends_refused: bool,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum CallAnswer {
    Value(Value),
    /// The outside refuses: it did nothing, and would do nothing if asked again.
    Rejected(String),
    /// Nothing reached the outside: asked again, whatever the operation is.
    NotSent(String),
    /// No answer, or one that says to ask again. Asked again if that is safe, else unknown.
    Unavailable(String),
    /// The answer does not say whether it took effect, or with which result, and would not if asked again: the outcome is unknown.
    Unusable(String),
}

/// The calls of an engine.
#[derive(Clone, Default)]
pub(super) struct Calls {
    /// Waits until fewer are under way.
    queue: VecDeque<FlightKey>,
    /// The operations that nobody answers, and the calls of them: these wait until someone does.
    unanswered: FxHashMap<(ExternId, u32), VecDeque<FlightKey>>,
    /// From marking (or handing out) to the answer.
    under_way: usize,
    handed_out: VecDeque<ExternCall>,
    /// Of externs that have one of their own.
    timeouts: FxHashMap<ExternId, i64>,
    deadlines: BTreeSet<(i64, FlightKey)>,
}

impl Calls {
    pub(super) fn any_deadline(&self) -> bool {
        !self.deadlines.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|&(at, _)| at)
    }
}

impl Calls {
    /// Whether the call of an event is being made.
    pub(super) fn is_made(&self, key: FlightKey) -> bool {
        self.deadlines.iter().any(|&(_, made)| made == key)
    }

    /// Drops all calls but those that are being made.
    pub(super) fn keep_made(&mut self) {
        self.queue.clear();
        self.unanswered.values_mut().for_each(VecDeque::clear);
        self.under_way = self.deadlines.len();
    }
}

impl Engine {
    /// The next call to be made. Every call taken is answered with [`Engine::answer`], or times out.
    pub fn take_call(&mut self) -> Option<ExternCall> {
        self.calls.handed_out.pop_front()
    }

    /// Whether [`Engine::take_call`] has something to give.
    pub fn has_calls(&self) -> bool {
        !self.calls.handed_out.is_empty()
    }

    /// From now on, calls of this extern may take so many milliseconds, whatever the limit `extern-timeout` is.
    pub fn set_extern_timeout(&mut self, of: ExternId, milliseconds: i64) {
        self.calls.timeouts.insert(of, milliseconds);
    }

    /// Calls handed out and not yet answered.
    pub fn calls_under_way(&self) -> usize {
        self.calls.deadlines.len()
    }

    /// Whether there is someone who answers calls of an operation. Without, they wait until there is.
    pub fn set_answered(&mut self, of: ExternId, operation: u32, answered: bool) {
        let asks = |flight: &Flight| operation_of(&flight.outgoing.event.action) == (of, operation);
        if !answered {
            if !self.calls.unanswered.contains_key(&(of, operation)) {
                let asks = |key: &FlightKey| self.flights.get(key).is_some_and(asks);
                let (wait, queue) = std::mem::take(&mut self.calls.queue).into_iter().partition(asks);
                self.calls.queue = queue;
                self.calls.unanswered.insert((of, operation), wait);
            }
        } else if let Some(waited) = self.calls.unanswered.remove(&(of, operation)) {
            // They have waited longest.
            waited.into_iter().rev().for_each(|key| self.calls.queue.push_front(key));
            // Those that were about to be asked again are asked now.
            let paused: Vec<(i64, FlightKey)> = self
                .timers
                .iter()
                .copied()
                .filter(|(_, key)| self.flights.get(key).is_some_and(|f| f.stage == Stage::Calling && asks(f)))
                .collect();
            for entry in paused {
                self.timers.remove(&entry);
                self.calls.queue.push_back(entry.1);
            }
            for flight in self.flights.values_mut().filter(|flight| asks(flight)) {
                flight.goes_on();
            }
            self.begin_calls();
        }
    }

    /// Calls that wait for someone to answer them, in order.
    pub fn unanswered_calls(&self) -> Vec<&Action> {
        let mut keys: Vec<FlightKey> = self.flights.keys().copied().filter(|key| self.is_unanswered(*key)).collect();
        keys.sort_unstable();
        keys.iter().map(|key| &self.flights[key].outgoing.event.action).collect()
    }

    /// Whether it is a call that nobody answers.
    pub(super) fn is_unanswered(&self, key: FlightKey) -> bool {
        !self.calls.unanswered.is_empty()
            && !self.calls.is_made(key)
            && self.flights.get(&key).is_some_and(|flight| {
                flight.stage == Stage::Calling && self.calls.unanswered.contains_key(&operation_of(&flight.outgoing.event.action))
            })
    }

    /// A call may be made as soon as there is room.
    pub(super) fn queue_call(&mut self, key: FlightKey) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        let (of, operation) = operation_of(&flight.outgoing.event.action);
        match self.calls.unanswered.get_mut(&(of, operation)) {
            Some(waiting) => {
                waiting.push_back(key);
                let name = self.program.externs[of.index()].name;
                flight.trouble = Some(format!("nothing answers the extern `{name}`: name an adapter under `externs` of the deployment"));
            }
            None => self.calls.queue.push_back(key),
        }
        self.begin_calls();
    }

    pub(super) fn begin_calls(&mut self) {
        while !self.held && self.calls.under_way < self.limits.extern_calls.max(1) && self.begin_call() {}
    }

    /// Begins the call that has waited longest and that someone answers; `false` if none waits.
    pub(super) fn begin_call(&mut self) -> bool {
        while let Some(key) = self.calls.queue.pop_front() {
            let Some(flight) = self.flights.get(&key) else { continue };
            let Action::Extern { of, operation, .. } = flight.outgoing.event.action else { continue };
            self.calls.under_way += 1;
            let marked = flight.state == OutgoingState::Tried;
            if self.repeat(of, operation) == Repeat::Once && !marked {
                self.enqueue(Job::new(Kind::MarkTried { flight: key }));
            } else {
                self.hand_out(key);
            }
            return true;
        }
        false
    }

    /// The events of calls that wait to be begun, in order.
    pub(super) fn queued_calls(&self) -> impl Iterator<Item = &Outgoing> {
        self.calls.queue.iter().filter_map(|key| Some(&*self.flights.get(key)?.outgoing))
    }

    /// Whether no call has been begun that is not answered.
    pub(super) fn calls_are_queued(&self) -> bool {
        self.calls.under_way == 0
    }

    /// The event of a call that was about to be made is gone.
    pub(super) fn call_dropped(&mut self) {
        self.calls.under_way -= 1;
        self.begin_calls();
    }

    /// Nobody waits for the answer of a call any more.
    pub(super) fn call_forgotten(&mut self, key: FlightKey) {
        if self.calls.is_made(key) {
            self.calls.deadlines.retain(|&(_, made)| made != key);
            self.call_dropped();
        }
    }

    /// That it was tried is committed, but perhaps not yet durable.
    pub(super) fn marked_tried(&mut self, key: FlightKey, point: Point) {
        self.set_state(key, OutgoingState::Tried);
        if self.is_durable(point) {
            self.hand_out(key);
        } else {
            self.wait_durable(point, Wake::Call(key));
        }
    }

    pub(super) fn hand_out(&mut self, key: FlightKey) {
        let now = self.host.now();
        let Some(outgoing) = self.flights.get(&key).map(|flight| flight.outgoing.clone()) else { return };
        let (saw, after) = (self.tokens_seen(&outgoing), self.newest_token(&outgoing));
        let ends_refused = self.mirror_of(&outgoing).is_some();
        let Some(flight) = self.flights.get_mut(&key) else { return };
        let Action::Extern { of, operation, args } = &outgoing.event.action else { return };
        flight.saw = saw;
        let timeout = self.calls.timeouts.get(of).copied().unwrap_or(self.limits.extern_timeout);
        flight.calls += 1;
        let event = flight.outgoing.event.id.clone();
        let attempt = flight.calls;
        let (of, operation, args, doubtful) = (*of, *operation, args.clone(), flight.doubtful);
        let call = ExternCall { event: event.clone(), attempt, doubtful, of, operation, args, timeout, after, ends_refused };
        self.calls.handed_out.push_back(call);
        // The driver keeps the time-out itself; this catches one that does not come back at all.
        self.calls.deadlines.insert((now.saturating_add(timeout).saturating_add(timeout / 2), key));
        self.note(&event, || What::Called { attempt });
    }

    /// The answer to a call. One that comes too late is ignored.
    pub fn answer(&mut self, event: &EventId, attempt: u32, answer: CallAnswer) {
        let Some(&key) = self.by_event.get(event) else { return };
        let Some(flight) = self.flights.get_mut(&key) else { return };
        if flight.stage != Stage::Calling || flight.calls != attempt || !self.calls.deadlines.iter().any(|&(_, other)| other == key) {
            return;
        }
        self.calls.deadlines.retain(|&(_, other)| other != key);
        self.calls.under_way -= 1;
        let Action::Extern { of, operation, .. } = flight.outgoing.event.action else { return };
        let once = self.repeat(of, operation) == Repeat::Once;
        let Some(flight) = self.flights.get_mut(&key) else { return };
        let outcome = match answer {
            CallAnswer::Value(value) => Some(Outcome::Committed(value)),
            CallAnswer::Rejected(message) => Some(failed(FailureKind::Rejected, message)),
            CallAnswer::Unusable(message) => Some(failed(FailureKind::Unknown, message)),
            CallAnswer::Unavailable(message) if once => Some(failed(FailureKind::Unknown, message)),
            CallAnswer::Unavailable(message) => {
                flight.doubtful = true;
                self.call_again(key, message);
                None
            }
            CallAnswer::NotSent(message) => {
                self.call_again(key, message);
                None
            }
        };
        if let Some(outcome) = outcome {
            self.leave_pair(key);
            self.settle(key, outcome, None);
        }
        self.begin_calls();
    }

    fn call_again(&mut self, key: FlightKey, message: String) {
        let now = self.host.now();
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.failed(message, now);
        let times = flight.calls;
        let at = now.saturating_add(self.call_pause(times));
        self.timers.insert((at, key));
    }

    /// Calls whose driver never came back.
    pub(super) fn expire_calls(&mut self, now: i64) {
        while let Some(&(at, key)) = self.calls.deadlines.first() {
            if at > now {
                return;
            }
            let Some(flight) = self.flights.get(&key) else {
                self.calls.deadlines.pop_first();
                continue;
            };
            let (event, attempt) = (flight.outgoing.event.id.clone(), flight.calls);
            let message = "no answer in time (setting `extern-timeout`, or the `timeout` of the extern)".to_owned();
            self.answer(&event, attempt, CallAnswer::Unavailable(message));
        }
    }
}

/// The operation of a call; of anything else, one that is none.
fn operation_of(action: &Action) -> (ExternId, u32) {
    match action {
        Action::Extern { of, operation, .. } => (*of, *operation),
        _ => (ExternId(u32::MAX), 0),
    }
}

fn failed(kind: FailureKind, message: String) -> Outcome {
    Outcome::Failed(Failure::new(kind, message))
}
