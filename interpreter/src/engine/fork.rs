//! The engine as data: copied, and looked at from outside. For a driver that tries every schedule.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::flight::{Flight, FlightKey, Pair};
use super::job::{Job, Kind};
use super::{Engine, Session, Stage, Step};
use crate::event::{Action, Event, EventId, Outcome, Outgoing, OutgoingState};
use crate::failure::FailureKind;
use crate::host::Host;
use crate::machine::Execution;
use crate::store::memory::Memory;
use crate::store::{CommitRequest, Store, Stores};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// An event arrives, from outside or from inside.
    Receive,
    /// The sender deals with the outcome.
    Settle,
    /// A call that must not be repeated is noted as tried.
    MarkTried,
    Resume,
    /// The receiver forgets events that their senders have dealt with. Nobody can tell.
    Forget,
}

/// Something that can be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NextStep<'a> {
    pub event: Option<&'a EventId>,
    /// As in [`Waiting`] and [`InFlight`].
    pub key: u64,
    pub doing: Doing,
    pub outside: bool,
    /// An attempt that has run is to be committed.
    pub commit: bool,
}

/// What steps have done to the stores.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// How many there were.
    pub steps: usize,
    /// What they committed. As many as there were steps if nothing else happened: each ran an attempt that a store took.
    pub commits: Vec<CommitRequest>,
}

/// An event from outside that is not decided.
pub(crate) struct Waiting<'a> {
    /// Tells apart what is waiting or on its way in one engine.
    pub key: u64,
    pub event: &'a Event,
    pub session: Session,
    /// Its attempt, if one has run, and whether what it read is up to date.
    pub prepared: Option<(&'a CommitRequest, bool)>,
}

/// An event on its way.
pub(crate) struct InFlight<'a> {
    /// As for [`Waiting`].
    pub key: u64,
    pub outgoing: &'a Arc<Outgoing>,
    pub state: &'a OutgoingState,
    pub stage: Stage,
    /// How many events of its pair are to arrive before it; of one that waits for its time, how many that wait for theirs.
    pub ahead: usize,
    /// The receiver has it.
    pub received: bool,
    /// How many deliveries of it are under way.
    pub deliveries: u64,
    /// Its outcome, while the sender deals with it.
    pub outcome: Option<&'a Outcome>,
    /// As for [`Waiting`].
    pub prepared: Option<(&'a CommitRequest, bool)>,
}

impl Engine {
    /// An engine of its own that stands where this one does; `None` if a store cannot be copied.
    pub(crate) fn fork(&self, host: Box<dyn Host>) -> Option<Engine> {
        let mut fork = Engine::idle(self.program.clone(), self.fork_stores()?, host, self.limits.clone(), self.overlap);
        fork.stand_as(self);
        Some(fork)
    }

    /// Stands where the other one does from now on. Both are forks of one engine: what it has in store is no longer needed, and its room is
    /// used again.
    pub(crate) fn stand_as(&mut self, other: &Engine) {
        let Engine {
            program: _,
            stores,
            host: _,
            limits: _,
            overlap: _,
            execution: _,
            interrupt,
            broken,
            shared,
            ask_at,
            undurable,
            next_key,
            jobs,
            ready,
            backoffs,
            flights,
            by_event,
            answering,
            pairs,
            timers,
            waiting_answer,
            resting,
            waiting_durable,
            forgetting,
            backlog,
            finished,
            held,
            open,
            calls,
            parked_facts,
            givers,
            fences,
            reconciling,
            history: _,
            trace: _,
            counters,
        } = other;
        for store in 0..stores.len() {
            let (mine, other) = (self.stores.get_mut(store).in_memory_mut(), stores.get(store).in_memory());
            mine.zip(other).map(|(mine, other)| mine.clone_from(other)).expect("the stores of a fork are in memory");
        }
        self.interrupt.clone_from(interrupt);
        self.broken.clone_from(broken);
        self.shared.clone_from(shared);
        self.ask_at.clone_from(ask_at);
        self.undurable.clone_from(undurable);
        self.next_key = *next_key;
        self.jobs.clone_from(jobs);
        self.ready.clone_from(ready);
        self.backoffs.clone_from(backoffs);
        self.flights.clone_from(flights);
        self.by_event.clone_from(by_event);
        self.answering.clone_from(answering);
        self.pairs.clone_from(pairs);
        self.timers.clone_from(timers);
        self.waiting_answer.clone_from(waiting_answer);
        self.resting = *resting;
        self.waiting_durable.clone_from(waiting_durable);
        self.forgetting.clone_from(forgetting);
        self.backlog.clone_from(backlog);
        self.finished.clone_from(finished);
        self.held = *held;
        self.open.clone_from(open);
        self.calls.clone_from(calls);
        self.parked_facts.clone_from(parked_facts);
        self.givers.clone_from(givers);
        self.fences.clone_from(fences);
        self.reconciling.clone_from(reconciling);
        self.history = None;
        self.trace = None;
        self.counters = *counters;
    }

    /// Copies of its stores; `None` if one has data elsewhere than in memory.
    pub(crate) fn fork_stores(&self) -> Option<Stores> {
        let copies = (0..self.stores.len()).map(|store| {
            let state = self.stores.get(store).in_memory()?;
            Some(Box::new(Memory::with_state(state.clone())) as Box<dyn Store>)
        });
        Some(Stores::new(copies.collect::<Option<_>>()?, self.stores.places().to_vec()))
    }

    /// Takes the room that attempts use, and gives its own.
    pub(crate) fn swap_room(&mut self, room: &mut Execution) {
        std::mem::swap(&mut self.execution, room);
    }

    /// Notes from now on what steps do to the stores.
    pub(crate) fn begin_trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Gives the room of a trace that was looked at back to the next attempt.
    pub(crate) fn recycle(&mut self, trace: Trace) {
        trace.commits.into_iter().for_each(|request| self.execution.recycle(request));
    }

    /// What steps have done since [`Engine::begin_trace`], and ends that.
    pub(crate) fn end_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// Whether it knows anything that is not in its stores: only then does it make a difference that the process dies.
    pub(crate) fn has_to_lose(&self) -> bool {
        let mut delivered: Vec<FlightKey> = Vec::new();
        let known_here = |job: &Job| match job.kind {
            Kind::Outside { .. } => job.prepared.is_some(),
            Kind::Deliver { flight } => {
                let again = delivered.contains(&flight);
                delivered.push(flight);
                again || job.prepared.is_some()
            }
            _ => true,
        };
        let asked = |flight: &Flight| {
            matches!(flight.outgoing.event.action, Action::Extern { .. })
                && !matches!(flight.stage, Stage::Queued | Stage::Timer | Stage::Parked)
        };
        self.jobs.values().any(known_here) || self.flights.values().any(asked)
    }

    /// Another clock and other dice from now on.
    pub(crate) fn set_host(&mut self, host: Box<dyn Host>) {
        self.host = host;
    }

    /// What can be done now, in the order of [`Engine::step_at`].
    pub(crate) fn next_steps(&self) -> impl Iterator<Item = NextStep<'_>> {
        self.ready.iter().map(|step| {
            let (Step::Run(key) | Step::Commit(key)) = step;
            match self.jobs.get(key) {
                Some(job) => NextStep {
                    event: self.event_of(&job.kind),
                    key: flight_of(&job.kind).unwrap_or(*key),
                    doing: doing(&job.kind),
                    outside: job.is_outside(),
                    commit: matches!(step, Step::Commit(_)),
                },
                // Its job has ended: the step does nothing.
                None => NextStep { event: None, key: *key, doing: Doing::Forget, outside: false, commit: false },
            }
        })
    }

    /// The events from outside that are not decided, in no order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.jobs.iter().filter_map(|(key, job)| match &job.kind {
            Kind::Outside { event, session, .. } => Some(Waiting { key: *key, event, session: *session, prepared: self.prepared_of(job) }),
            _ => None,
        })
    }

    /// The events on their way, in the order they became known.
    /// `anew`: whether some may be delivered although they were received.
    pub(crate) fn in_flight(&self, anew: bool) -> Vec<InFlight<'_>> {
        let mut keys: Vec<_> = self.flights.keys().copied().collect();
        keys.sort_unstable();
        let mut flights: Vec<InFlight<'_>> = Vec::with_capacity(keys.len());
        for key in &keys {
            let flight = &self.flights[key];
            let event = &flight.outgoing.event;
            let delivered = !matches!(flight.stage, Stage::Queued | Stage::Timer) && (anew || flight.stage != Stage::Delivering);
            let received = match self.receiver(&event.action).filter(|_| delivered) {
                Some(store) => self.stores.get(store).received(&event.id).is_ok_and(|received| received.is_some()),
                None => false,
            };
            flights.push(InFlight {
                key: *key,
                outgoing: &flight.outgoing,
                state: &flight.state,
                stage: flight.stage,
                ahead: 0,
                received,
                deliveries: 0,
                outcome: None,
                prepared: None,
            });
        }
        let mut note = |key: &FlightKey, ahead: usize| {
            if let Ok(at) = keys.binary_search(key) {
                flights[at].ahead = ahead;
            }
        };
        for line in self.pairs.values() {
            line.iter().enumerate().skip(1).for_each(|(ahead, key)| note(key, ahead));
        }
        let mut delayed: FxHashMap<Pair, usize> = FxHashMap::default();
        for (_, key) in &self.timers {
            let flight = self.flights.get(key).filter(|flight| flight.stage == Stage::Timer);
            if let Some(pair) = flight.and_then(|flight| self.pair(flight)) {
                let ahead = delayed.entry(pair).or_default();
                note(key, *ahead);
                *ahead += 1;
            }
        }
        for job in self.jobs.values() {
            let Some(flight) = flight_of(&job.kind) else { continue };
            let settles = match &job.kind {
                Kind::Settle { outcome, .. } => Some(outcome),
                _ => None,
            };
            if let Ok(at) = keys.binary_search(&flight) {
                flights[at].deliveries += u64::from(matches!(job.kind, Kind::Deliver { .. }));
                flights[at].outcome = flights[at].outcome.or(settles);
                flights[at].prepared = flights[at].prepared.or(self.prepared_of(job));
            }
        }
        flights
    }

    fn prepared_of<'a>(&'a self, job: &'a Job) -> Option<(&'a CommitRequest, bool)> {
        let prepared = job.prepared.as_deref()?;
        let state = self.stores.get(prepared.store).in_memory();
        Some((&prepared.request, state.is_some_and(|state| state.validate(&prepared.request).is_ok())))
    }

    /// Whether nothing is on its way, and no event from outside is half decided.
    pub(crate) fn nothing_in_flight(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether the store of its receiver has recorded an event.
    pub(crate) fn was_received(&self, event: &EventId) -> bool {
        let Some(flight) = self.by_event.get(event).and_then(|key| self.flights.get(key)) else { return false };
        let receiver = self.receiver(&flight.outgoing.event.action);
        receiver.is_some_and(|store| self.stores.get(store).received(event).is_ok_and(|received| received.is_some()))
    }

    /// Whether an event is parked, or has left its space.
    pub(crate) fn has_trouble(&self) -> bool {
        let left =
            |job: &Job| matches!(&job.kind, Kind::Settle { outcome: Outcome::Failed(why), .. } if why.kind == FailureKind::Isolation);
        self.flights.values().any(|flight| flight.stage == Stage::Parked) || self.jobs.values().any(left)
    }

    /// What went wrong last with an event on its way.
    pub(crate) fn trouble(&self, event: &EventId) -> Option<String> {
        self.by_event.get(event).and_then(|key| self.flights.get(key))?.trouble.clone()
    }

    /// Throws away the attempts whose reads are out of date: their commits would be refused, and they would run again.
    pub(crate) fn restart_stale(&mut self) {
        let stale: Vec<_> =
            self.jobs.iter().filter(|(_, job)| self.prepared_of(job).is_some_and(|(_, current)| !current)).map(|(key, _)| *key).collect();
        for key in stale {
            if let Some(job) = self.jobs.get_mut(&key) {
                job.prepared = None;
                job.clock = None;
            }
            self.ready.iter_mut().filter(|step| **step == Step::Commit(key)).for_each(|step| *step = Step::Run(key));
        }
    }
}

/// The event on its way that a job is about.
fn flight_of(kind: &Kind) -> Option<FlightKey> {
    match kind {
        Kind::Deliver { flight }
        | Kind::Settle { flight, .. }
        | Kind::MarkTried { flight }
        | Kind::Resume { flight, .. }
        | Kind::Renew { flight, .. }
        | Kind::Spare { flight } => Some(*flight),
        Kind::Outside { .. } | Kind::Repair { .. } | Kind::Forget { .. } => None,
    }
}

fn doing(kind: &Kind) -> Doing {
    match kind {
        Kind::Outside { .. } | Kind::Deliver { .. } => Doing::Receive,
        Kind::Settle { .. } => Doing::Settle,
        Kind::MarkTried { .. } => Doing::MarkTried,
        Kind::Resume { .. } | Kind::Renew { .. } | Kind::Spare { .. } | Kind::Repair { .. } => Doing::Resume,
        Kind::Forget { .. } => Doing::Forget,
    }
}
