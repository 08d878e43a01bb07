//! What is on its way, for those who look after a store; and what to do about events that are parked.

use super::Engine;
use super::flight::{FlightKey, Stage};
use super::job::{Job, Kind};
use crate::event::{Action, Event, EventId, Outcome, OutgoingState};
use crate::failure::FailureKind;
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
    pub from: RecordRef,
    pub stage: Stage,
    /// Milliseconds since the epoch.
    pub due: Option<i64>,
    /// The outcome that nobody takes, of a parked one.
    pub outcome: Option<Outcome>,
    /// Where a saga stands whose step it is.
    pub saga: Option<String>,
    /// What went wrong last; why it is parked.
    pub trouble: Option<String>,
}

/// Why an event cannot be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    #[error("no event {} is on its way; `patternc status` lists those that are parked", .0.0)]
    Unknown(EventId),
    #[error("the event {} is not parked: it is still on its way", .0.0)]
    NotParked(EventId),
}

impl Engine {
    /// What there is to do.
    pub fn status(&self) -> Status {
        let mut keys: Vec<&FlightKey> = self.flights.keys().collect();
        keys.sort_unstable();
        let flights = keys.into_iter().map(|key| {
            let flight = &self.flights[key];
            let outcome = match &flight.state {
                OutgoingState::Parked { outcome, .. } => Some(outcome.clone()),
                OutgoingState::Pending | OutgoingState::Tried => None,
            };
            FlightStatus {
                event: flight.outgoing.event.clone(),
                from: flight.outgoing.from.clone(),
                stage: flight.stage,
                due: flight.outgoing.due,
                outcome,
                saga: flight.outgoing.saga.as_ref().map(|saga| saga.describe(&self.program)),
                trouble: flight.trouble.clone(),
            }
        });
        let flights = flights.collect();
        let broken = self.broken.iter().enumerate().filter_map(|(store, error)| Some((store, error.as_ref()?.to_string())));
        Status { waiting: self.waiting_jobs(), flights, broken: broken.collect() }
    }

    /// What is tried again and again: the event, what it does, and what went wrong last. In no order.
    pub fn troubles(&self) -> impl Iterator<Item = (&EventId, String, &str)> {
        let troubled = self.flights.values().filter(|flight| flight.stage != Stage::Parked);
        troubled.filter_map(|flight| {
            let event = &flight.outgoing.event;
            Some((&event.id, self.describe(&event.action), flight.trouble.as_deref()?))
        })
    }

    fn waiting_jobs(&self) -> usize {
        self.jobs.values().filter(|job| job.is_outside()).count()
    }

    /// Whether nothing is to be done before a delayed event is due: nothing waits, runs, is called or pauses.
    ///
    /// While deliveries are held, those that wait for someone to let them through do not count.
    pub fn is_idle(&self) -> bool {
        if self.held {
            let delivered = |stage| !matches!(stage, Stage::Calling) || self.calls_are_queued();
            return self.jobs.len() == self.ready.len()
                && !self.has_step()
                && !self.waits_for_durability()
                && self.flights.values().all(|flight| delivered(flight.stage));
        }
        self.jobs.is_empty()
            && self.ready.is_empty()
            && !self.waits_for_durability()
            && !self.has_undurable()
            && self.flights.values().all(|flight| {
                matches!(flight.stage, Stage::Timer | Stage::Parked | Stage::Stalled | Stage::Deferred | Stage::Queued | Stage::Elsewhere)
            })
    }

    /// Takes a parked event up again: an arm that failed runs again with the same outcome; what was rejected is delivered again.
    pub fn retry(&mut self, event: &EventId) -> Result<(), RetryError> {
        let unknown = || RetryError::Unknown(event.clone());
        let key = *self.by_event.get(event).ok_or_else(unknown)?;
        let flight = self.flights.get(&key).ok_or_else(unknown)?;
        let OutgoingState::Parked { outcome, .. } = &flight.state else {
            return Err(RetryError::NotParked(event.clone()));
        };
        if flight.stage != Stage::Parked {
            return Err(RetryError::NotParked(event.clone()));
        }
        let again = match outcome {
            Outcome::Committed(_) => false,
            // What is known not to have happened is sent anew; what may have happened is asked again, under the same id.
            Outcome::Failed(failure) if flight.outgoing.saga.is_some() => {
                matches!(failure.kind, FailureKind::Unknown | FailureKind::Unavailable)
            }
            // It never was received: only an internal error parks an event so.
            Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable => true,
            Outcome::Failed(_) => flight.outgoing.err.is_none(),
        };
        if self.mirror_of(&flight.outgoing).is_some() {
            self.set_stage(key, Stage::Settling);
            self.enqueue(Job::new(Kind::Renew { flight: key, again: true }));
            return Ok(());
        }
        let outcome = outcome.clone();
        if !again {
            self.settle(key, outcome, None);
            return Ok(());
        }
        let (receiver, sent) = (self.receiver(&flight.outgoing.event.action), flight.sent);
        self.set_stage(key, Stage::Settling);
        match receiver {
            // The other store must have forgotten it before the sender's says that it is to be delivered.
            Some(receiver) if receiver != sent.store => {
                self.enqueue(Job::new(Kind::Forget { store: receiver, events: vec![event.clone()], resume: Some(key) }));
            }
            _ => self.enqueue(Job::new(Kind::Resume { flight: key })),
        }
        Ok(())
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
