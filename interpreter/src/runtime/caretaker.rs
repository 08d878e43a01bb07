//! Looking after a runtime while it runs: what is on its way, and what is parked.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use patternc_program::{Program, Type};

use super::{Core, Shared};
use crate::engine::{Engine, Happened, Progress, Reconciled, RetryError, Stage, Status, Trouble};
use crate::event::EventId;
use crate::failure::{Failure, FailureKind};
use crate::json::{self, Form, Names, Path, Reader};
use crate::store::StoreError;
use crate::value::Value;

/// How long between two looks at what was begun.
const LOOK: Duration = Duration::from_millis(20);

/// A handle on a runtime that does not keep it running. Once it is stopped, there is nothing to look after: `None`.
#[derive(Clone)]
pub struct Caretaker(pub(super) Weak<Shared>);

/// An event that was parked and taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    pub event: EventId,
    /// "Person/ada.link".
    pub what: String,
    pub now: Resumption,
}

/// What someone has found out about a parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is done, with this result as JSON; `None` where there is no result.
    Done(Option<String>),
    /// Nothing of it is.
    NotDone,
}

/// What has become of it, and of what waited for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Its outcome has been dealt with.
    Done,
    /// It is parked again, or what it is part of has gone on and is parked further on, for this reason.
    Parked { on: EventId, why: String },
    /// It was left as it is, since repeating it could do it twice: what to do instead.
    Refused(String),
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

    /// What is tried again and again.
    pub fn troubles(&self) -> Option<Vec<Trouble>> {
        self.with(|core| core.engine().troubles().collect())
    }

    /// Says how this process fares to those who look at the stores from other processes ([`crate::store::Store::report`]).
    pub fn report(&self, text: &str) {
        self.with(|core| {
            let stores = core.engine().stores();
            (0..stores.len()).for_each(|store| stores.get(store).report(text));
        });
    }

    /// Takes one parked event up again (by its id, or by that of the saga whose step it is), or all of them, and waits for what becomes of them and of what waits for their answers, at most for so
    /// long.
    ///
    /// # Errors
    /// When the one that is named cannot be taken up, or what was found out about it cannot be so.
    pub fn resume(&self, event: Option<&EventId>, found: Option<&Found>, patience: Duration) -> Option<Result<Vec<Resumed>, RetryError>> {
        let begun = self.with(|core| {
            let engine = core.engine();
            let Some(event) = event else {
                let parked = engine.parked();
                return Ok(parked.into_iter().map(|event| take_up(engine, event)).collect());
            };
            let event = &engine.under_way_for(event);
            let mut one = Watched::new(engine, event.clone());
            match found {
                None => engine.retry(event)?,
                Some(found) => {
                    let happened = happened(engine, event, found)?;
                    engine.resolve(event, happened)?;
                }
            }
            one.resumed.now = Resumption::OnItsWay(None);
            Ok(vec![one])
        })?;
        self.0.upgrade()?.bell.ring();
        let mut watched = match begun {
            Ok(watched) => watched,
            Err(error) => return Some(Err(error)),
        };
        let deadline = Instant::now() + patience;
        loop {
            let status = self.status()?;
            watched.iter_mut().for_each(|one| one.look(&status));
            if Instant::now() >= deadline || !watched.iter().any(|one| matches!(one.resumed.now, Resumption::OnItsWay(_))) {
                return Some(Ok(watched.into_iter().map(|one| one.resumed).collect()));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The program that runs.
    pub fn program(&self) -> Option<Arc<Program>> {
        Some(self.0.upgrade()?.program.clone())
    }

    /// The scopes of which a mirror, by index, has or had facts.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn scopes(&self, mirror: u32) -> Option<Result<Vec<Value>, StoreError>> {
        self.with(|core| {
            core.engine().refresh()?;
            core.engine().scopes(mirror)
        })
    }

    /// Reconciles a scope of a mirror: see [`crate::engine::Engine::reconcile`]. Blocks until it is done; `progress` is told now and then how
    /// far it is, and ends the waiting by `false`.
    ///
    /// # Errors
    /// The failure that ended it.
    pub fn reconcile(&self, mirror: u32, scope: Value, mut progress: impl FnMut(Progress) -> bool) -> Option<Result<Reconciled, Failure>> {
        let id = match self.with(|core| core.engine().reconcile(mirror, scope))? {
            Ok(id) => id,
            Err(failure) => return Some(Err(failure)),
        };
        loop {
            self.0.upgrade()?.bell.ring();
            let (so_far, ended) = self.with(|core| {
                let engine = core.engine();
                (engine.reconcile_progress(id).unwrap_or_default(), engine.take_reconciled(id))
            })?;
            if ended.is_some() {
                return ended;
            }
            if !progress(so_far) {
                self.with(|core| core.engine().abandon_reconciled(id));
                return Some(Err(Failure::new(FailureKind::Unknown, "interrupted; what was sent goes on")));
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

/// An event that was taken up, with those whose answers hang on it.
struct Watched {
    resumed: Resumed,
    waiting: Vec<EventId>,
}

impl Watched {
    fn new(engine: &Engine, event: EventId) -> Self {
        let status = engine.status();
        let flight = |event: &EventId| status.flights.iter().find(|flight| flight.event.id == *event);
        let what = flight(&event).map_or_else(String::new, |flight| engine.describe(&flight.event.action));
        let known_as = flight(&event).map_or_else(|| event.clone(), |flight| flight.known_as.clone());
        let mut waiting = vec![event.clone()];
        while let Some(answered) = waiting.last().and_then(flight).and_then(|flight| flight.answers.clone()) {
            waiting.push(answered);
        }
        Watched { resumed: Resumed { event: known_as, what, now: Resumption::OnItsWay(None) }, waiting }
    }

    fn look(&mut self, status: &Status) {
        if matches!(self.resumed.now, Resumption::Refused(_)) {
            return;
        }
        // What is told again, or must not have the key of what was refused, is sent as a new event.
        for flight in &status.flights {
            if flight.instead_of.as_ref().is_some_and(|old| self.waiting.contains(old)) && !self.waiting.contains(&flight.event.id) {
                self.waiting.push(flight.event.id.clone());
            }
        }
        let is_of_it = |id: &EventId| self.waiting.contains(id);
        let mut flights =
            status.flights.iter().filter(|flight| is_of_it(&flight.event.id) || flight.answers.as_ref().is_some_and(is_of_it));
        let parked = flights.clone().find(|flight| flight.stage == Stage::Parked);
        self.resumed.now = match (parked, flights.next_back()) {
            (Some(parked), _) => Resumption::Parked { on: parked.known_as.clone(), why: parked.trouble.clone().unwrap_or_default() },
            // The one that became known last is nearest to what is done now.
            (None, Some(flight)) => Resumption::OnItsWay(flight.trouble.clone()),
            (None, None) => Resumption::Done,
        };
    }
}

fn take_up(engine: &mut Engine, event: EventId) -> Watched {
    let mut one = Watched::new(engine, event.clone());
    if let Err(error) = engine.retry(&event) {
        one.resumed.now = Resumption::Refused(error.to_string());
    }
    one
}

/// What was found out, as a value of the event's result type.
fn happened(engine: &Engine, event: &EventId, found: &Found) -> Result<Happened, RetryError> {
    let Found::Done(result) = found else { return Ok(Happened::NotDone) };
    let status = engine.status();
    let Some(flight) = status.flights.iter().find(|flight| flight.event.id == *event) else {
        return Err(RetryError::Unknown(event.clone()));
    };
    let program = engine.program();
    // What is told of a fact has none that anyone waits for.
    let told = program.mirror_kept_by(flight.from.record()).is_some();
    let ty = if told { Type::Unknown } else { flight.event.action.result_type(program) };
    let value = result_value(engine.program(), &ty, result.as_deref());
    value.map(Happened::Done).map_err(|why| RetryError::Result { event: event.clone(), why })
}

fn result_value(program: &Program, ty: &Type, result: Option<&str>) -> Result<Value, String> {
    match (ty, result) {
        (Type::Unknown, None) => Ok(Value::None),
        (Type::Unknown, Some(_)) => Err("it has no result: leave it out".to_owned()),
        (ty, None) => Err(format!("say with which result, as JSON: {}", program.ty(ty))),
        (ty, Some(text)) => {
            let json = json::from_text(text).map_err(|error| format!("it is not JSON: {error}"))?;
            let names = Names::new(program);
            let reader = Reader { program, names: &names, form: Form::Outside, here: None, keys: None, limits: None };
            reader.value(&json, ty, &Path::Root).map_err(|error| error.to_string())
        }
    }
}
