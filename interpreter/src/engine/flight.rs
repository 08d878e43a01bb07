//! Events on their way: each is known in memory from the commit that sent it until its outcome has been dealt with.

use std::sync::Arc;

use patternc_program::{ExternId, RecordId, Repeat};

use super::givers::{Fact, Says};
use super::job::{DealtWith, Job, Kind};
use super::timing::Wake;
use super::{Engine, Point, Waiter, What};
use crate::event::{Action, EventId, Outcome, Outgoing, OutgoingState, Received};
use crate::failure::{Failure, FailureKind};
use crate::value::{RecordRef, SpaceRef, Value};

/// Grows in the order in which events became known.
pub(crate) type FlightKey = u64;

/// An event on its way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub outgoing: Arc<Outgoing>,
    pub state: OutgoingState,
    /// The commit of the sender's store that sent it.
    pub(super) sent: Point,
    pub stage: Stage,
    /// Whether it stands in the queue of its pair.
    pub queued: bool,
    /// Whether a delivery has begun: nothing stands in the way of another.
    pub started: bool,
    /// Whether another process, which writes the same store, has it in hand.
    pub elsewhere: bool,
    /// How often the outside was asked.
    pub calls: u32,
    /// Whether the outside may have been asked, by this process or another, without anyone knowing what came of it.
    pub doubtful: bool,
    /// Of a difference of a mirror.
    pub(super) says: Option<Says>,
    /// Of a removal: what others give was told again behind it.
    pub told_again: bool,
    /// The parked event that was taken up again as this one.
    pub instead_of: Option<EventId>,
    /// Of a difference of a mirror: the tokens that were the newest when the other side was asked last.
    pub saw: Vec<Value>,
    /// What went wrong last, for those who look.
    pub trouble: Option<String>,
    /// When what is tried again and again went wrong for the first time, as far as this process knows.
    pub troubled_since: Option<i64>,
}

/// How far an event on its way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Behind an earlier one to the same receiver.
    Queued,
    /// Waits for its time.
    Timer,
    /// On its way to the receiver.
    Delivering,
    /// An extern is asked.
    Calling,
    /// The receiver will answer later.
    Deferred,
    /// The outcome is known, the arm is to run.
    Settling,
    /// Waits for `patternc retry`.
    Parked,
    /// Its store has failed: it goes on when that is opened again.
    Stalled,
    /// Another process delivers it.
    Elsewhere,
}

/// Order is kept from one sender to one of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    from: Sender,
    to: Target,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sender {
    Record(RecordRef),
    /// Whichever ledgers tell of one fact: their calls keep one order.
    Fact(Fact),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    Record(RecordRef),
    /// Records of one type are created in the order sent.
    New(RecordId, SpaceRef),
    /// A late repetition of one call must not overtake the next.
    Extern(ExternId),
}

impl Pair {
    /// Where the order of what is told of a fact is kept.
    pub fn of_fact(fact: Fact, of: ExternId) -> Self {
        Pair { from: Sender::Fact(fact), to: Target::Extern(of) }
    }
}

impl Flight {
    /// An attempt has failed, and there will be another one.
    pub(super) fn failed(&mut self, why: String, now: i64) {
        self.trouble = Some(why);
        self.troubled_since.get_or_insert(now);
    }

    /// Nothing is known to be in its way any more.
    pub(super) fn goes_on(&mut self) {
        (self.trouble, self.troubled_since) = (None, None);
    }
}

impl Engine {
    /// Where the order of this event is kept; `None` if it has none.
    pub(super) fn pair(&self, flight: &Flight) -> Option<Pair> {
        let to = match &flight.outgoing.event.action {
            Action::Handler { to, .. } | Action::Saga { to, .. } => Target::Record(to.clone()),
            Action::Create { record, space, .. } => Target::New(*record, space.clone()),
            Action::Extern { of, operation, .. } => match self.repeat(*of, *operation) {
                Repeat::Readonly => return None,
                Repeat::Idempotent | Repeat::Once => Target::Extern(*of),
            },
        };
        let from = match flight.says {
            Some(says) => Sender::Fact(says.fact),
            None => Sender::Record(flight.outgoing.from.clone()),
        };
        Some(Pair { from, to })
    }

    pub(super) fn repeat(&self, of: ExternId, operation: u32) -> Repeat {
        self.program.externs[of.index()].operations[operation as usize].repeat
    }

    /// Takes up an event that a commit has sent, or that was found in a store: then someone may have been at it already.
    pub(super) fn adopt(&mut self, outgoing: Arc<Outgoing>, sent: Point, found: bool) {
        let key = self.enter(outgoing.clone(), sent, found);
        self.set_off(key, &outgoing, outgoing.state.clone());
    }

    /// Takes note of an event, and does nothing about it.
    pub(super) fn enter(&mut self, outgoing: Arc<Outgoing>, sent: Point, doubtful: bool) -> FlightKey {
        let key = self.key();
        self.by_event.insert(outgoing.event.id.clone(), key);
        if let Some(answered) = &outgoing.answers {
            self.answering.insert(answered.clone(), key);
        }
        let says = self.says(&outgoing);
        let state = outgoing.state.clone();
        let mut flight = Flight {
            outgoing,
            state,
            sent,
            stage: Stage::Queued,
            queued: false,
            started: false,
            elsewhere: false,
            calls: 0,
            doubtful,
            says,
            told_again: false,
            instead_of: None,
            saw: Vec::new(),
            trouble: None,
            troubled_since: None,
        };
        let rejected = flight.outgoing.saga.as_ref().and_then(|saga| saga.rejected.as_ref());
        flight.trouble = rejected.map(ToString::to_string);
        let outgoing = flight.outgoing.clone();
        self.flights.insert(key, flight);
        if says.is_some_and(|says| says.removes) {
            self.fence_removal(&outgoing);
        }
        key
    }

    /// Has an event of this state go its way: one that was just sent, or found in a store, or taken over.
    pub(super) fn set_off(&mut self, key: FlightKey, outgoing: &Outgoing, state: OutgoingState) {
        match state {
            OutgoingState::Parked { reason, .. } => {
                self.note_parked_fact(key);
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.trouble = Some(reason.to_string());
                }
                self.set_stage(key, Stage::Parked);
            }
            OutgoingState::Tried => {
                let message = "the call was begun before the process ended; whether it took effect is not known";
                self.settle(key, Outcome::Failed(Failure::new(FailureKind::Unknown, message)), None);
            }
            OutgoingState::Pending => {
                self.ring_before(outgoing);
                match outgoing.delayed() {
                    Some(due) => {
                        self.set_stage(key, Stage::Timer);
                        self.timers.insert((due, key));
                    }
                    None => self.take_turn(key),
                }
            }
        }
    }

    /// An event takes its place in the order of its pair, and sets off if it is the first.
    pub(super) fn take_turn(&mut self, key: FlightKey) {
        self.set_stage(key, Stage::Queued);
        match self.queue_in_pair(key) {
            // Behind one that another process has in hand: that is helped along.
            Some(first) if first != key => {
                if self.flights.get(&first).is_some_and(|first| first.elsewhere) {
                    self.start(first);
                }
            }
            _ => self.start(key),
        }
    }

    /// Puts an event at the end of the queue of its pair, unless it is in it. Gives the first of the queue; `None` if its order does not
    /// matter.
    pub(super) fn queue_in_pair(&mut self, key: FlightKey) -> Option<FlightKey> {
        let flight = self.flights.get(&key)?;
        let pair = self.pair(flight)?;
        let queued = flight.queued;
        let queue = self.pairs.entry(pair).or_default();
        if !queued {
            queue.push_back(key);
        }
        let first = *queue.front().expect("it is in the queue itself");
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.queued = true;
        }
        Some(first)
    }

    pub(super) fn set_state(&mut self, key: FlightKey, state: OutgoingState) {
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.state = state;
        }
    }

    pub(super) fn set_stage(&mut self, key: FlightKey, stage: Stage) {
        let rests = |stage| matches!(stage, Stage::Timer | Stage::Parked | Stage::Stalled | Stage::Elsewhere);
        if let Some(flight) = self.flights.get_mut(&key) {
            self.resting -= usize::from(rests(flight.stage));
            self.resting += usize::from(rests(stage));
            flight.stage = stage;
        }
    }

    /// Sets an event on its way whose turn and time have come.
    pub(super) fn start(&mut self, key: FlightKey) {
        let Some(flight) = self.flights.get(&key) else { return };
        // What stands in the way is delivered here as well, rather than waited for.
        if flight.elsewhere && !self.is_in_the_way(key) {
            return;
        }
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.elsewhere = false;
        let sent = flight.sent;
        let outgoing = flight.outgoing.clone();
        if self.holds_back(key, &outgoing) {
            return self.set_stage(key, Stage::Queued);
        }
        let receiver = self.receiver(&outgoing.event.action);
        self.set_stage(key, if receiver.is_some() { Stage::Delivering } else { Stage::Calling });
        // Nobody else may learn of a commit that a crash could undo. Within one store what follows cannot outlive it.
        if receiver != Some(sent.store) && !self.is_durable(sent) {
            return self.wait_durable(sent, Wake::Start(key));
        }
        match receiver {
            Some(_) => {
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.started = true;
                }
                self.enqueue(Job::new(Kind::Deliver { flight: key }));
            }
            None if self.may_be_spared(key) => {}
            None => self.queue_call(key),
        }
    }

    /// The receiver has it (or it is parked): the next one of the pair may go.
    pub(super) fn leave_pair(&mut self, key: FlightKey) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        if !std::mem::take(&mut flight.queued) {
            return;
        }
        let Some(flight) = self.flights.get(&key) else { return };
        let pair = self.pair(flight).expect("a queued event has a pair");
        let queue = self.pairs.get_mut(&pair).expect("a queued event is in the queue of its pair");
        let first = queue.front() == Some(&key);
        queue.remove(&key);
        match queue.front() {
            None => {
                self.pairs.remove(&pair);
            }
            Some(&next) if first => self.start(next),
            Some(_) => {}
        }
    }

    /// The receiver's store has recorded the event. `point`: with which commit, unless that is known to be durable.
    pub(super) fn delivered(&mut self, key: FlightKey, received: Received, point: Option<Point>) {
        let Some(flight) = self.flights.get(&key) else { return };
        if !matches!(flight.stage, Stage::Delivering | Stage::Deferred) {
            return;
        }
        match received {
            Received::Deferred(_) => {
                if flight.stage == Stage::Delivering {
                    let id = flight.outgoing.event.id.clone();
                    self.set_stage(key, Stage::Deferred);
                    self.waiting_answer.entry(id).or_default().push(Waiter::Flight(key));
                }
                self.leave_pair(key);
            }
            Received::Done(outcome) => {
                self.leave_pair(key);
                self.settle(key, outcome, point);
            }
        }
    }

    /// The outcome is known: deals with it in the sender's store. `point`: the commit it comes from, if of a store.
    pub(super) fn settle(&mut self, key: FlightKey, outcome: Outcome, point: Option<Point>) {
        self.set_stage(key, Stage::Settling);
        let Some(flight) = self.flights.get(&key) else { return };
        let store = flight.sent.store;
        let id = flight.outgoing.event.id.clone();
        self.note(&id, || What::Outcome(outcome.clone()));
        if let Some(reconciliation) = self.reconciling.reader(key) {
            return self.has_read(reconciliation, key, outcome);
        }
        let job = Job::new(Kind::Settle { flight: key, outcome });
        let Some(job) = self.fences.after(job) else { return };
        match point {
            // The sender must not act on what a crash of the receiver's store could undo.
            Some(point) if point.store != store && !self.is_durable(point) => {
                let job_key = self.key();
                self.jobs.insert(job_key, job);
                self.wait_durable(point, Wake::Run(job_key));
            }
            _ => self.enqueue(job),
        }
    }

    /// It is no longer on its way.
    pub(super) fn remove_flight(&mut self, key: FlightKey) -> Option<Flight> {
        let flight = self.flights.remove(&key)?;
        self.by_event.remove(&flight.outgoing.event.id);
        if let Some(answered) = &flight.outgoing.answers
            && self.answering.get(answered) == Some(&key)
        {
            self.answering.remove(answered);
        }
        Some(flight)
    }

    /// Its outcome has been dealt with, durably or not yet: `point` is the commit that did.
    pub(super) fn landed(&mut self, key: FlightKey, point: Point) {
        self.leave_pair(key);
        // Counted as resting or not until the end.
        self.set_stage(key, Stage::Settling);
        let Some(flight) = self.remove_flight(key) else { return };
        let event = &flight.outgoing.event;
        self.fact_told(key, &flight);
        if let Some(receiver) = self.receiver(&event.action)
            && receiver != point.store
        {
            // Another process may still deliver it, believing that it has to.
            let others = self.is_shared(point.store).then(|| event.action.result_type(&self.program));
            self.forgetting[receiver].push_back((DealtWith { event: event.id.clone(), others }, point));
            self.forget_soon(receiver);
        }
    }

    /// It waits for someone to look at it.
    pub(super) fn now_parked(&mut self, key: FlightKey, outcome: Outcome, reason: Arc<str>) {
        self.leave_pair(key);
        self.set_stage(key, Stage::Parked);
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.trouble = Some(reason.to_string());
        let id = flight.outgoing.event.id.clone();
        self.note(&id, || What::Parked(reason.to_string()));
        self.fact_parked(key, &reason);
        self.set_state(key, OutgoingState::Parked { outcome, reason });
    }

    /// An event was answered: tells those who wait for it.
    pub(super) fn answered(&mut self, event: &EventId, received: Received, point: Point) {
        let Received::Done(outcome) = received else { return };
        let awaited = self.fences.no_longer_awaits(event);
        for waiter in self.waiting_answer.remove(event).unwrap_or_default() {
            match waiter {
                Waiter::Ticket(ticket) => {
                    self.note_answered(event, ticket, point);
                    self.relying(&awaited, |engine| engine.finish(ticket, event, outcome.clone(), Some(point)));
                }
                Waiter::Flight(key) => {
                    let home = self.receiving_space_of(key);
                    self.relying(&home, |engine| engine.delivered(key, Received::Done(outcome.clone()), Some(point)));
                }
            }
        }
    }
}
