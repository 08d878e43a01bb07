//! Looking after a runtime while it runs: what is on its way, and what is parked.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use patternc_program::{Program, Type};
use rustc_hash::FxHashMap;

use super::{Core, Shared};
use crate::engine::{Engine, Flight, FlightKey, Happened, Health, Progress, Reconciled, RetryError, Stage};
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

    /// How it fares.
    pub fn health(&self) -> Option<Health> {
        self.with(|core| core.engine().health())
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
            let mut watched = Watched::default();
            let Some(event) = event else {
                for event in engine.parked() {
                    // Before it is taken up: then it may be gone.
                    let one = watched.add(engine, &event);
                    if let Err(error) = engine.retry(&event) {
                        watched.refused(one, &error);
                    }
                }
                return Ok(watched);
            };
            let event = &engine.under_way_for(event);
            watched.add(engine, event);
            match found {
                None => engine.retry(event)?,
                Some(found) => {
                    let happened = happened(engine, event, found)?;
                    engine.resolve(event, happened)?;
                }
            }
            Ok(watched)
        })?;
        self.0.upgrade()?.bell.ring();
        let mut watched = match begun {
            Ok(watched) => watched,
            Err(error) => return Some(Err(error)),
        };
        let deadline = Instant::now() + patience;
        loop {
            self.with(|core| watched.look(core.engine()))?;
            if Instant::now() >= deadline || !watched.resumed.iter().any(|one| matches!(one.now, Resumption::OnItsWay(_))) {
                return Some(Ok(watched.resumed));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The program that runs.
    pub fn program(&self) -> Option<Arc<Program>> {
        Some(self.running()?.program.clone())
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

    /// The runtime, until it is stopped. It may be so any moment.
    pub(super) fn running(&self) -> Option<Arc<Shared>> {
        let shared = self.0.upgrade()?;
        let runs = shared.lock().engine.is_some();
        runs.then_some(shared)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Core) -> T) -> Option<T> {
        let shared = self.0.upgrade()?;
        let mut core = shared.lock();
        core.engine.is_some().then(|| look(&mut core))
    }
}

/// Events that were taken up, with those whose answers hang on them.
#[derive(Default)]
struct Watched {
    resumed: Vec<Resumed>,
    /// By an event: which of those that were taken up it belongs to.
    parts: FxHashMap<EventId, Vec<usize>>,
}

/// What there is of one that was taken up.
#[derive(Clone, Default)]
struct Parts<'a> {
    parked: Option<(FlightKey, &'a Flight)>,
    /// The one that became known last is nearest to what is done now.
    last: Option<(FlightKey, &'a Flight)>,
}

impl Watched {
    /// Adds one that is about to be taken up. Gives its place.
    fn add(&mut self, engine: &Engine, event: &EventId) -> usize {
        let one = self.resumed.len();
        let flight = engine.flight(event);
        let what = flight.map_or_else(String::new, |flight| engine.describe(&flight.outgoing.event.action));
        let known_as = flight.map_or(event, |flight| flight.outgoing.known_as()).clone();
        self.resumed.push(Resumed { event: known_as, what, now: Resumption::OnItsWay(None) });
        let mut part = Some(event);
        while let Some(event) = part {
            self.parts.entry(event.clone()).or_default().push(one);
            part = engine.flight(event).and_then(|flight| flight.outgoing.answers.as_ref());
        }
        one
    }

    /// It is left as it is.
    fn refused(&mut self, one: usize, why: &RetryError) {
        self.resumed[one].now = Resumption::Refused(why.to_string());
    }

    /// Looks how far all of them are.
    fn look(&mut self, engine: &Engine) {
        self.take_up_successors(engine);
        let mut seen = vec![Parts::default(); self.resumed.len()];
        for (key, flight) in engine.flights() {
            let ids = [Some(&flight.outgoing.event.id), flight.outgoing.answers.as_ref()];
            for &one in ids.into_iter().flatten().filter_map(|id| self.parts.get(id)).flatten() {
                let Parts { parked, last } = &mut seen[one];
                if flight.stage == Stage::Parked && parked.is_none_or(|(first, _)| key < first) {
                    *parked = Some((key, flight));
                }
                if last.is_none_or(|(last, _)| key > last) {
                    *last = Some((key, flight));
                }
            }
        }
        for (one, parts) in self.resumed.iter_mut().zip(seen) {
            if matches!(one.now, Resumption::Refused(_)) {
                continue;
            }
            one.now = match (parts.parked, parts.last) {
                (Some((_, flight)), _) => {
                    Resumption::Parked { on: flight.outgoing.known_as().clone(), why: flight.trouble.clone().unwrap_or_default() }
                }
                (None, Some((_, flight))) => Resumption::OnItsWay(flight.trouble.clone()),
                (None, None) => Resumption::Done,
            };
        }
    }

    /// What is told again, or must not have the key of what was refused, is sent as a new event.
    fn take_up_successors(&mut self, engine: &Engine) {
        // One may be instead of another that is.
        let mut looks = true;
        while looks {
            looks = false;
            for (_, flight) in engine.flights() {
                let Some(of) = flight.instead_of.as_ref().and_then(|old| self.parts.get(old)).cloned() else { continue };
                let known = self.parts.entry(flight.outgoing.event.id.clone()).or_default();
                for one in of.into_iter().filter(|one| !known.contains(one)).collect::<Vec<_>>() {
                    known.push(one);
                    looks = true;
                }
            }
        }
    }
}

/// What was found out, as a value of the event's result type.
fn happened(engine: &Engine, event: &EventId, found: &Found) -> Result<Happened, RetryError> {
    let Found::Done(result) = found else { return Ok(Happened::NotDone) };
    let flight = engine.flight(event).ok_or_else(|| RetryError::Unknown(event.clone()))?;
    let program = engine.program();
    // What is told of a fact has none that anyone waits for.
    let told = program.mirror_kept_by(flight.outgoing.from.record()).is_some();
    let ty = if told { Type::Unknown } else { flight.outgoing.event.action.result_type(program) };
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
