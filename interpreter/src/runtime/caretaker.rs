//! Looking after a runtime while it runs: what is on its way, and what is parked.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Core, Shared};
use crate::engine::{RetryError, Stage, Status};
use crate::event::EventId;

/// How long between two looks at what was resumed.
const LOOK: Duration = Duration::from_millis(20);

/// A handle on a runtime that does not keep it running. Once it is stopped, there is nothing to look after: `None`.
#[derive(Clone)]
pub struct Caretaker(Weak<Shared>);

/// An event that was parked and taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    pub event: EventId,
    /// "Person/ada.link".
    pub what: String,
    pub now: Resumption,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Its outcome has been dealt with.
    Done,
    /// It is parked again, for this reason.
    Parked(String),
    /// It is still on its way; what went wrong last, if anything did.
    OnItsWay(Option<String>),
}

impl Caretaker {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Caretaker(Arc::downgrade(shared))
    }

    /// What is on its way.
    pub fn status(&self) -> Option<Status> {
        self.with(|core| core.engine().status())
    }

    /// What is tried again and again: the event, what it does, and what went wrong last.
    pub fn troubles(&self) -> Option<Vec<(EventId, String, String)>> {
        self.with(|core| core.engine().troubles().map(|(id, what, why)| (id.clone(), what, why.to_owned())).collect())
    }

    /// Takes one parked event up again, or all of them, and waits for what becomes of them, at most for so long.
    pub fn resume(&self, event: Option<&EventId>, patience: Duration) -> Option<Result<Vec<Resumed>, RetryError>> {
        let begun = self.with(|core| {
            let engine = core.engine();
            let events = event.map_or_else(|| engine.parked(), |event| vec![event.clone()]);
            let status = engine.status();
            let mut resumed = Vec::new();
            for event in events {
                engine.retry(&event)?;
                let flight = status.flights.iter().find(|flight| flight.event.id == event);
                let what = flight.map_or_else(String::new, |flight| engine.describe(&flight.event.action));
                resumed.push(Resumed { event, what, now: Resumption::OnItsWay(None) });
            }
            Ok(resumed)
        })?;
        self.0.upgrade()?.bell.ring();
        let mut resumed = match begun {
            Ok(resumed) => resumed,
            Err(error) => return Some(Err(error)),
        };
        let deadline = Instant::now() + patience;
        loop {
            let status = self.status()?;
            for one in &mut resumed {
                let flight = status.flights.iter().find(|flight| flight.event.id == one.event);
                one.now = match flight {
                    None => Resumption::Done,
                    Some(flight) if flight.stage == Stage::Parked => Resumption::Parked(flight.trouble.clone().unwrap_or_default()),
                    Some(flight) => Resumption::OnItsWay(flight.trouble.clone()),
                };
            }
            if Instant::now() >= deadline || !resumed.iter().any(|one| matches!(one.now, Resumption::OnItsWay(_))) {
                return Some(Ok(resumed));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Core) -> T) -> Option<T> {
        let shared = self.0.upgrade()?;
        let mut core = shared.lock();
        core.engine.is_some().then(|| look(&mut core))
    }
}
