//! What is on its way, for those who look after a store.

use super::Engine;
use super::flight::{Flight, FlightKey, Stage};
use super::job::{Job, Kind};
use crate::event::{Action, Event, EventId, Outcome, OutgoingState};
use crate::value::RecordRef;

/// What an engine has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Events from outside that are not decided yet.
    pub waiting: usize,
    /// Events on their way, in the order they became known.
    pub flights: Vec<FlightStatus>,
    /// Why a store cannot be used, by its index.
    pub broken: Vec<(usize, String)>,
}

/// An event on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct FlightStatus {
    pub event: Event,
    /// The id under which it is shown: its own, or that of the saga of which it is one more attempt at a step.
    pub known_as: EventId,
    pub from: RecordRef,
    pub stage: Stage,
    /// Milliseconds since the epoch.
    pub due: Option<i64>,
    /// The outcome that nobody takes, of a parked one.
    pub outcome: Option<Outcome>,
    /// The event whose outcome this one decides.
    pub answers: Option<EventId>,
    /// The parked event that was taken up again as this one.
    pub instead_of: Option<EventId>,
    /// Where a saga stands whose step it is.
    pub saga: Option<String>,
    /// What went wrong last; why it is parked.
    pub trouble: Option<String>,
    /// Since when it is tried again and again, in milliseconds since the epoch.
    pub troubled_since: Option<i64>,
    /// When it is tried next; `None` while it is tried, or where that is not known.
    pub next_attempt: Option<i64>,
}

/// How an engine fares: of what is on its way, only what stands in the way of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// As [`Status::waiting`].
    pub waiting: usize,
    /// In no order.
    pub troubles: Vec<Trouble>,
    /// As [`Status::broken`].
    pub broken: Vec<(usize, String)>,
}

/// An event that is tried again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub event: EventId,
    /// As [`FlightStatus::known_as`]: the same however often it is tried.
    pub known_as: EventId,
    /// What it does, in a few words.
    pub what: String,
    /// How often this process has asked the outside; 0 of what is not a call.
    pub calls: u32,
    /// What went wrong last.
    pub why: String,
    /// As [`FlightStatus::troubled_since`].
    pub since: Option<i64>,
    /// As [`FlightStatus::next_attempt`].
    pub next: Option<i64>,
}

/// A moment: what is known to an engine before it, and after it. Nothing is known before the default one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(FlightKey);

impl Engine {
    /// What there is to do.
    pub fn status(&self) -> Status {
        let mut keys: Vec<&FlightKey> = self.flights.keys().collect();
        keys.sort_unstable();
        let next_attempts = self.next_attempts();
        let flights = keys.into_iter().map(|key| {
            let flight = &self.flights[key];
            let outcome = match &flight.state {
                OutgoingState::Parked { outcome, .. } => Some(outcome.clone()),
                OutgoingState::Pending | OutgoingState::Tried => None,
            };
            FlightStatus {
                event: flight.outgoing.event.clone(),
                known_as: flight.outgoing.known_as().clone(),
                from: flight.outgoing.from.clone(),
                stage: flight.stage,
                due: flight.outgoing.due,
                outcome,
                answers: flight.outgoing.answers.clone(),
                instead_of: flight.instead_of.clone(),
                saga: flight.outgoing.saga.as_ref().map(|saga| saga.describe(&self.program)),
                trouble: flight.trouble.clone(),
                troubled_since: flight.troubled_since,
                next_attempt: next_attempts.get(key).copied(),
            }
        });
        let flights = flights.collect();
        Status { waiting: self.waiting_jobs(), flights, broken: self.broken_stores() }
    }

    /// How it fares. Cheap enough to be asked again and again, however much is on its way.
    pub fn health(&self) -> Health {
        let next_attempts = self.next_attempts();
        let troubled = self.flights.iter().filter(|(_, flight)| flight.stage != Stage::Parked);
        let troubles = troubled.filter_map(|(key, flight)| {
            let event = &flight.outgoing.event;
            let why = flight.trouble.clone()?;
            let known_as = flight.outgoing.known_as().clone();
            let (since, next) = (flight.troubled_since, next_attempts.get(key).copied());
            Some(Trouble { event: event.id.clone(), known_as, what: self.describe(&event.action), calls: flight.calls, why, since, next })
        });
        let troubles = troubles.collect();
        Health { waiting: self.waiting_jobs(), troubles, broken: self.broken_stores() }
    }

    fn broken_stores(&self) -> Vec<(usize, String)> {
        self.broken.iter().enumerate().filter_map(|(store, error)| Some((store, error.as_ref()?.to_string()))).collect()
    }

    /// What is on its way, in no order.
    pub(crate) fn flights(&self) -> impl Iterator<Item = (FlightKey, &Flight)> {
        self.flights.iter().map(|(key, flight)| (*key, flight))
    }

    /// The event of this id, while it is on its way.
    pub(crate) fn flight(&self, event: &EventId) -> Option<&Flight> {
        self.flights.get(self.by_event.get(event)?)
    }

    /// The parked event that the answer of this one hangs on, and why that is parked; `None` while its answer may come by itself.
    pub fn hangs_on(&self, event: &EventId) -> Option<(EventId, String)> {
        let mut answered = event;
        // An event is answered by one that was sent after it: that ends.
        loop {
            let flight = self.flights.get(self.answering.get(answered)?)?;
            let id = &flight.outgoing.event.id;
            match flight.stage {
                Stage::Parked | Stage::Stalled => {
                    return Some((flight.outgoing.known_as().clone(), flight.trouble.clone().unwrap_or_default()));
                }
                Stage::Deferred | Stage::Elsewhere => answered = id,
                Stage::Queued | Stage::Timer | Stage::Delivering | Stage::Calling | Stage::Settling => return None,
            }
        }
    }

    fn waiting_jobs(&self) -> usize {
        self.jobs.values().filter(|job| job.is_outside()).count()
    }

    /// Whether nothing is to be done before a delayed event is due: nothing waits, runs, is called or pauses.
    ///
    /// While deliveries are held, those that wait for someone to let them through do not count.
    pub fn is_idle(&self) -> bool {
        self.is_idle_since(Mark::default())
    }

    /// Stands for what is known so far.
    pub fn mark(&self) -> Mark {
        Mark(self.next_key)
    }

    /// The same, but that calls which were known before the mark, and are still being made or repeated, do not count.
    pub fn is_idle_since(&self, mark: Mark) -> bool {
        if self.held {
            let delivered = |stage| !matches!(stage, Stage::Calling) || self.calls_are_queued();
            return self.jobs.len() == self.ready.len()
                && !self.has_step()
                && !self.waits_for_durability()
                && self.flights.values().all(|flight| delivered(flight.stage));
        }
        let rests = |key: FlightKey, stage| match stage {
            Stage::Timer | Stage::Parked | Stage::Stalled | Stage::Deferred | Stage::Queued | Stage::Elsewhere => true,
            Stage::Calling => key <= mark.0 || self.is_unanswered(key),
            Stage::Delivering | Stage::Settling => false,
        };
        if !self.ready.is_empty() || self.waits_for_durability() || self.has_undurable() {
            return false;
        }
        if self.jobs.is_empty() && self.flights.iter().all(|(key, flight)| rests(*key, flight.stage)) {
            return true;
        }
        let (jobs, flights) = self.rest_at_fences();
        self.jobs.keys().all(|job| jobs.contains(job))
            && self.flights.iter().all(|(key, flight)| rests(*key, flight.stage) || flights.contains(key))
    }

    /// Whether anything on its way is in the hands of another process.
    pub fn is_elsewhere(&self) -> bool {
        self.flights.values().any(|flight| flight.stage == Stage::Elsewhere)
    }

    /// Delivers an event once more that is on its way or was received, as a network or a second process might. Which one is up to `choice`.
    pub fn deliver_again(&mut self, choice: u64) {
        let keys = self.repeatable();
        if !keys.is_empty() {
            let flight = keys[(choice % keys.len() as u64) as usize];
            self.enqueue(Job::new(Kind::Deliver { flight }));
        }
    }

    /// How many events [`Engine::deliver_again`] can choose from.
    pub(crate) fn deliveries_under_way(&self) -> usize {
        self.repeatable().len()
    }

    fn repeatable(&self) -> Vec<FlightKey> {
        let may = |flight: &super::Flight| matches!(flight.stage, Stage::Delivering | Stage::Deferred | Stage::Settling);
        let internal = |flight: &super::Flight| self.receiver(&flight.outgoing.event.action).is_some();
        let mut keys: Vec<FlightKey> =
            self.flights.iter().filter(|(_, flight)| may(flight) && internal(flight) && flight.started).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
    }

    /// The ids of all parked events, in the order they became known.
    pub fn parked(&self) -> Vec<EventId> {
        let mut keys: Vec<FlightKey> =
            self.flights.iter().filter(|(_, flight)| flight.stage == Stage::Parked).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.iter().map(|key| self.flights[key].outgoing.event.id.clone()).collect()
    }

    /// What an action does, in a few words: "Person/ada.link".
    pub fn describe(&self, action: &Action) -> String {
        let program = &self.program;
        match action {
            Action::Handler { to, handler, .. } => {
                format!("{}/{}.{}", program.record(to.record()).name, to.id(), program.handler(*handler).name)
            }
            Action::Saga { to, saga, .. } => {
                format!("{}/{}.{}", program.record(to.record()).name, to.id(), program.sagas[saga.index()].name)
            }
            Action::Create { record, .. } => format!("create {}", program.record(*record).name),
            Action::Extern { of, operation, .. } => {
                let declared = &program.externs[of.index()];
                format!("{}.{}", declared.name, declared.operations[*operation as usize].name)
            }
        }
    }
}
