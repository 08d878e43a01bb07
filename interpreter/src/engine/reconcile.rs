//! Reconciliation: repairs what the other side of a mirror lacks or has too much, whoever broke it.
//!
//! It goes scope by scope. What is on its way for the scope is let run dry, and what comes after is held; then the other side is read and
//! compared with the ledger, and what differs is told anew, as differences like any other: stored before they are sent, repeated until they
//! are acknowledged. They depend on the ledger's counts, so that a transaction that comes between is not undone by a repair. A crash forgets
//! the reconciliation and nothing else.
//!
//! Other processes that share the store do not hold what they send meanwhile, and need not: a repair says what the ledger says at its commit,
//! and stands in the one queue of its fact, here and there. What they have told since the other side was read is as they told it, and left
//! alone.

mod repairs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patternc_program::{Home, Mirror, SpaceId, Type};
use rustc_hash::{FxHashMap, FxHashSet};

use super::flight::{Flight, FlightKey, Stage};
use super::job::{Job, Kind, Renewal};
use super::{Engine, Point};
use crate::event::{EventId, Outcome, Outgoing, OutgoingState};
use crate::failure::{Failure, FailureKind};
use crate::json;
use crate::machine::{fact_call, id_text};
use crate::store::StoreError;
use crate::value::{RecordRef, SpaceRef, Value};

/// Stands for a reconciliation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReconcileId(u64);

/// What a reconciliation found and did.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciled {
    pub mirror: u32,
    pub scope: Value,
    /// How many facts the records of the scope give.
    pub facts: usize,
    /// What the other side lacked, and was given.
    pub missing: Vec<Value>,
    /// What the other side had too much, and was taken away.
    pub surplus: Vec<Value>,
    /// What the other side refused to mend, with the reason: parked.
    pub refused: Vec<(Value, String)>,
    /// What had been refused before, and is as it should be: no longer parked.
    pub settled: Vec<Value>,
}

/// How far a reconciliation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Differences found; unknown until the other side was read.
    pub found: Option<usize>,
    pub repaired: usize,
    /// Why it does not go on for now, where that is known.
    pub trouble: Option<String>,
}

/// A batch of repairs.
#[derive(Clone)]
pub(super) struct Repairs {
    pub sent: Vec<Repair>,
    /// How many facts differ, with those of this batch.
    found: usize,
    /// How many facts the records of the scope give.
    facts: usize,
}

/// A repair that was sent.
#[derive(Clone)]
pub(super) struct Repair {
    event: EventId,
    fact: Value,
    /// Whether the fact was missing; else it was too much.
    missing: bool,
}

/// The reconciliations under way.
#[derive(Clone, Default)]
pub(super) struct Reconciling {
    runs: BTreeMap<u64, Run>,
    readers: FxHashMap<FlightKey, u64>,
    done: BTreeMap<u64, Result<Reconciled, Failure>>,
    /// Those whose results nobody asks for.
    abandoned: BTreeSet<u64>,
}

#[derive(Clone)]
struct Run {
    event: EventId,
    mirror: u32,
    scope: Value,
    stage: Waits,
    /// Facts of the other side, as far as it is known.
    there: BTreeSet<Value>,
    /// What has come since it began.
    held: Vec<FlightKey>,
    /// Facts that others have told since the other side was read: they are as those have told them.
    told: BTreeSet<Value>,
    repairs: FxHashMap<EventId, Value>,
    found: Option<usize>,
    report: Reconciled,
}

/// What a reconciliation waits for.
#[derive(Clone)]
enum Waits {
    /// What was on its way when it began.
    Dry(FxHashSet<FlightKey>),
    Reading,
    /// The repairs that were sent, and those that are being planned.
    Repairs,
}

impl Reconciling {
    /// The event that stands for the reconciliation in histories.
    pub fn event(&self, run: u64) -> Option<&EventId> {
        self.runs.get(&run).map(|run| &run.event)
    }

    /// The reconciliation that reads the other side with this call.
    pub fn reader(&self, key: FlightKey) -> Option<u64> {
        self.readers.get(&key).copied()
    }

    /// These repairs are about to go: they are not held.
    pub fn sent(&mut self, run: u64, repairs: &[Repair]) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.repairs.extend(repairs.iter().map(|repair| (repair.event.clone(), repair.fact.clone())));
        }
    }
}

impl Reconciling {
    fn is_repair(&self, event: &EventId) -> bool {
        self.runs.values().any(|run| run.repairs.contains_key(event))
    }

    /// A removal was not made, since others give the fact: it is no repair.
    pub fn spared(&mut self, event: &EventId) {
        for run in self.runs.values_mut() {
            if let Some(fact) = run.repairs.get(event) {
                run.report.surplus.retain(|surplus| surplus != fact);
                run.there.insert(fact.clone());
            }
        }
    }
}

impl Engine {
    /// Begins to reconcile a scope of a mirror. The result comes from [`Engine::take_reconciled`].
    ///
    /// # Errors
    /// `rejected` while the scope is being reconciled already, `unavailable` if a store that others share does not answer.
    pub fn reconcile(&mut self, mirror: u32, scope: Value) -> Result<ReconcileId, Failure> {
        // What others have sent for the scope is to run dry as well.
        self.refresh().map_err(|error| unreadable(&error))?;
        if self.reconciling.runs.values().any(|run| run.mirror == mirror && run.scope == scope) {
            let declared = &self.program.mirrors[mirror as usize];
            let message =
                format!("{}({}) is being reconciled already", declared.name, json::to_text(&self.program, &scope, &declared.scope_ty));
            return Err(Failure::new(FailureKind::Rejected, message));
        }
        let key = self.key();
        let on_its_way = |flight: &Flight| !matches!(flight.stage, Stage::Parked | Stage::Stalled);
        let dry: FxHashSet<FlightKey> = self
            .flights
            .iter()
            .filter(|(_, flight)| on_its_way(flight) && self.is_of_scope(&flight.outgoing, mirror, &scope))
            .map(|(key, _)| *key)
            .collect();
        let (missing, surplus, refused, settled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let report = Reconciled { mirror, scope: scope.clone(), facts: 0, missing, surplus, refused, settled };
        let event = self.fresh_event_id();
        let (stage, there) = (Waits::Dry(dry), BTreeSet::new());
        let run = Run {
            event,
            mirror,
            scope,
            stage,
            there,
            held: Vec::new(),
            told: BTreeSet::new(),
            repairs: FxHashMap::default(),
            found: None,
            report,
        };
        self.reconciling.runs.insert(key, run);
        self.next_part(key);
        Ok(ReconcileId(key))
    }

    /// The result of a reconciliation, once it has ended. It is given once.
    pub fn take_reconciled(&mut self, id: ReconcileId) -> Option<Result<Reconciled, Failure>> {
        self.reconciling.done.remove(&id.0)
    }

    /// Nobody asks for the result of a reconciliation any more. It goes on.
    pub fn abandon_reconciled(&mut self, id: ReconcileId) {
        if self.reconciling.done.remove(&id.0).is_none() && self.reconciling.runs.contains_key(&id.0) {
            self.reconciling.abandoned.insert(id.0);
        }
    }

    /// How far a reconciliation is; `None` once it has ended.
    pub fn reconcile_progress(&self, id: ReconcileId) -> Option<Progress> {
        let run = self.reconciling.runs.get(&id.0)?;
        let told = run.report.missing.len() + run.report.surplus.len() + run.report.refused.len() + run.report.settled.len();
        let repaired = told.saturating_sub(run.repairs.len());
        Some(Progress { found: run.found, repaired, trouble: self.trouble_of(id.0, run) })
    }

    /// What keeps a reconciliation from going on.
    fn trouble_of(&self, key: u64, run: &Run) -> Option<String> {
        let dry = match &run.stage {
            Waits::Dry(dry) => Some(dry.iter()),
            Waits::Reading | Waits::Repairs => None,
        };
        let reads = self.reconciling.readers.iter().filter(|(_, reads)| **reads == key).map(|(flight, _)| flight);
        let repairs = run.repairs.keys().filter_map(|event| self.by_event.get(event));
        let waited_for = dry.into_iter().flatten().chain(reads).chain(repairs);
        waited_for.filter_map(|flight| self.flights.get(flight)?.trouble.clone()).next()
    }

    fn is_of_scope(&self, outgoing: &Outgoing, mirror: u32, scope: &Value) -> bool {
        self.mirror_of(outgoing) == Some(mirror) && self.of_ledger(&outgoing.from, Mirror::SCOPE).as_ref() == Some(scope)
    }

    /// Whether an event whose turn has come is to wait: for the end of a reconciliation, or for removals that come first.
    pub(super) fn holds_back(&mut self, key: FlightKey, outgoing: &Arc<Outgoing>) -> bool {
        if let Some(run) = self.held_by(key, outgoing)
            && let Some(run) = self.reconciling.runs.get_mut(&run)
        {
            run.held.push(key);
            return true;
        }
        self.waits_at_fence(key, outgoing)
    }

    /// The reconciliation for whose end an event waits, when its turn comes.
    fn held_by(&self, key: FlightKey, outgoing: &Outgoing) -> Option<u64> {
        if self.reconciling.runs.is_empty() || self.reconciling.readers.contains_key(&key) {
            return None;
        }
        let (mirror, scope) = (self.mirror_of(outgoing)?, self.of_ledger(&outgoing.from, Mirror::SCOPE)?);
        let (at, run) = self.reconciling.runs.iter().find(|(_, run)| run.mirror == mirror && run.scope == scope)?;
        let goes = run.repairs.contains_key(&outgoing.event.id) || matches!(&run.stage, Waits::Dry(dry) if dry.contains(&key));
        (!goes && !self.is_before_repair(key)).then_some(*at)
    }

    /// Whether a repair, perhaps of another reconciliation, stands behind an event in its queue: it would wait for the end of one that waits for
    /// it.
    fn is_before_repair(&self, key: FlightKey) -> bool {
        let queue = self.flights.get(&key).and_then(|flight| self.pairs.get(&self.pair(flight)?));
        let mut behind = queue.into_iter().flat_map(|queue| queue.iter()).skip_while(|other| **other != key).skip(1);
        behind.any(|other| self.flights.get(other).is_some_and(|other| self.reconciling.is_repair(&other.outgoing.event.id)))
    }

    /// What was held before repairs that have just been sent goes.
    fn release_before_repairs(&mut self) {
        let held: Vec<FlightKey> = self.reconciling.runs.values().flat_map(|run| run.held.iter().copied()).collect();
        for key in held.into_iter().filter(|key| self.is_before_repair(*key)).collect::<Vec<_>>() {
            self.reconciling.runs.values_mut().for_each(|run| run.held.retain(|held| *held != key));
            self.start(key);
        }
    }

    /// A difference, or the call that reads the other side, has left: it has arrived, or is parked or stalled for a reason.
    pub(super) fn left(&mut self, key: FlightKey, outgoing: &Outgoing, trouble: Option<&str>) {
        if self.reconciling.runs.is_empty() {
            return;
        }
        if let Some(run) = self.reconciling.readers.remove(&key) {
            let why = trouble.unwrap_or("the other side was not read").to_owned();
            return self.reconcile_failed(run, Failure::new(FailureKind::Unavailable, why));
        }
        let of = self.mirror_of(outgoing);
        let (scope, fact) = (self.of_ledger(&outgoing.from, Mirror::SCOPE), self.of_ledger(&outgoing.from, Mirror::FACT));
        let mut changed = Vec::new();
        for (&at, run) in &mut self.reconciling.runs {
            if let Waits::Dry(dry) = &mut run.stage {
                if dry.remove(&key) {
                    changed.push(at);
                }
            } else if let Some(fact) = run.repairs.remove(&outgoing.event.id) {
                changed.push(at);
                if let Some(trouble) = trouble {
                    run.report.missing.retain(|other| *other != fact);
                    run.report.surplus.retain(|other| *other != fact);
                    run.report.settled.retain(|other| *other != fact);
                    run.report.refused.push((fact, trouble.to_owned()));
                }
            } else if of == Some(run.mirror) && scope.as_ref() == Some(&run.scope) {
                run.told.extend(fact.clone());
            }
        }
        changed.into_iter().for_each(|run| self.next_part(run));
    }

    /// Takes the next step if nothing is waited for.
    fn next_part(&mut self, key: u64) {
        let Some(run) = self.reconciling.runs.get_mut(&key) else { return };
        match &run.stage {
            Waits::Dry(dry) if dry.is_empty() => {
                run.stage = Waits::Reading;
                self.read_other_side(key);
            }
            Waits::Repairs if run.repairs.is_empty() => self.enqueue(Job::new(Kind::Repair { reconciliation: key })),
            Waits::Dry(_) | Waits::Reading | Waits::Repairs => {}
        }
    }

    /// Asks the other side what it has: a call that is in no store, since nothing is lost with it.
    fn read_other_side(&mut self, key: u64) {
        let Some(run) = self.reconciling.runs.get(&key) else { return };
        let (mirror, scope) = (run.mirror, run.scope.clone());
        let (now, ids) = (self.host.now(), self.fresh_ids());
        let mut execution = std::mem::take(&mut self.execution);
        let declared = &self.program.mirrors[mirror as usize];
        let call = execution.mirror_call(&self.env(None, None, now, ids), declared.actual, &scope);
        self.execution = execution;
        let action = match call {
            Ok(Ok(action)) => action,
            Ok(Err(failure)) => return self.reconcile_failed(key, failure),
            Err(error) => return self.reconcile_failed(key, unreadable(&error)),
        };
        // Nothing is kept of it; the ledger is named to say whose call it is.
        let space = SpaceRef { space: SpaceId(0), key: None };
        let store = self.stores.place(&space);
        let from = RecordRef::new(self.program.mirrors[mirror as usize].ledger, space, String::new());
        let outgoing = Arc::new(fact_call(EventId(id_text(ids).into()), None, from, action));
        let sent = Point { store, version: self.stores.get(store).version() };
        let flight_key = self.key();
        self.by_event.insert(outgoing.event.id.clone(), flight_key);
        let (state, stage) = (OutgoingState::Pending, Stage::Queued);
        let flight = Flight {
            outgoing,
            state,
            sent,
            stage,
            queued: false,
            started: false,
            elsewhere: false,
            calls: 0,
            doubtful: false,
            says: None,
            told_again: false,
            instead_of: None,
            saw: Vec::new(),
            trouble: None,
            troubled_since: None,
        };
        self.flights.insert(flight_key, flight);
        self.reconciling.readers.insert(flight_key, key);
        self.start(flight_key);
    }

    /// A space where the records of a scope can be that nobody knows yet: there its ledger is begun. Of a family it is the one that the scope
    /// names, if it can be a key.
    fn space_for(&self, mirror: u32, scope: &Value) -> Option<SpaceRef> {
        let home = match self.program.record(self.program.mirrors[mirror as usize].record).home {
            Home::Plain(space) | Home::Family(space) => Some(space),
            Home::Floating => None,
        };
        let spaces = (0..self.program.spaces.len() as u32).map(SpaceId).filter(|space| home.is_none_or(|home| home == *space));
        // A plain space, if there is a choice.
        let space = spaces.min_by_key(|space| self.program.spaces[space.index()].key.is_some())?;
        let key = match (&self.program.spaces[space.index()].key, scope) {
            (None, _) => None,
            (Some(Type::Text), Value::Text(_)) | (Some(Type::Int), Value::Int(_)) | (Some(Type::Bool), Value::Bool(_)) => {
                Some(scope.clone())
            }
            (Some(Type::Text), _) => {
                Some(Value::Text(json::to_text(&self.program, scope, &self.program.mirrors[mirror as usize].scope_ty).as_str().into()))
            }
            (Some(Type::Int), _) => Some(Value::Int(0)),
            (Some(Type::Bool), _) => Some(Value::Bool(false)),
            // No value of these is known to be one: where other records of the family are will do.
            (Some(_), _) => {
                let known = (0..self.stores.len()).filter_map(|store| self.stores.get(store).spaces().ok()).flatten();
                return known.filter(|known| known.space == space).min();
            }
        };
        Some(SpaceRef { space, key: key.map(Arc::new) })
    }

    /// The other side has said what it has.
    pub(super) fn has_read(&mut self, key: u64, flight: FlightKey, outcome: Outcome) {
        self.reconciling.readers.remove(&flight);
        self.remove_flight(flight);
        let Some(run) = self.reconciling.runs.get_mut(&key) else { return };
        match outcome {
            Outcome::Committed(Value::List(facts)) => run.there = facts.iter().cloned().collect(),
            Outcome::Committed(Value::Set(facts)) => run.there = facts.iter().cloned().collect(),
            Outcome::Committed(_) => {
                let failure = Failure::new(FailureKind::Unknown, "what the other side has is no list of facts");
                return self.reconcile_failed(key, failure);
            }
            Outcome::Failed(failure) => return self.reconcile_failed(key, failure),
        }
        run.stage = Waits::Repairs;
        self.settle_refused(key);
        self.next_part(key);
    }

    /// Takes away what was refused and parked, where the other side has what it should have all the same: somebody has seen to it by hand, or the
    /// refusal was of what was so already.
    fn settle_refused(&mut self, key: u64) {
        let Some(run) = self.reconciling.runs.get(&key) else { return };
        let mut settled: Vec<(FlightKey, EventId, Value)> = Vec::new();
        for (flight_key, flight) in self.flights.iter().filter(|(_, flight)| flight.stage == Stage::Parked) {
            let outgoing = &flight.outgoing;
            if !self.is_of_scope(outgoing, run.mirror, &run.scope) {
                continue;
            }
            let (Some(fact), given) = (self.of_ledger(&outgoing.from, Mirror::FACT), self.is_given_by(&outgoing.from)) else { continue };
            if given == run.there.contains(&fact) && !run.told.contains(&fact) {
                settled.push((*flight_key, outgoing.event.id.clone(), fact));
            }
        }
        settled.sort_unstable_by_key(|(flight, ..)| *flight);
        let Some(run) = self.reconciling.runs.get_mut(&key) else { return };
        for (_, event, fact) in &settled {
            run.repairs.insert(event.clone(), fact.clone());
            run.report.settled.push(fact.clone());
        }
        for (flight, ..) in settled {
            self.enqueue(Job::new(Kind::Renew { flight, by: Renewal::SoAlready }));
        }
    }

    /// The repairs of a batch are on their way, or cannot be.
    pub(super) fn repaired(&mut self, key: u64, repairs: Result<Repairs, Failure>) {
        let Repairs { sent, found, facts } = match repairs {
            Ok(repairs) => repairs,
            Err(failure) => return self.reconcile_failed(key, failure),
        };
        let Some(run) = self.reconciling.runs.get_mut(&key) else { return };
        run.found.get_or_insert(found);
        run.report.facts = facts;
        if sent.is_empty() {
            let report = run.report.clone();
            return self.end_reconciliation(key, Ok(report));
        }
        for Repair { fact, missing, .. } in sent {
            if missing {
                run.there.insert(fact.clone());
            } else {
                run.there.remove(&fact);
            }
            let refused = run.report.refused.iter().any(|(refused, _)| *refused == fact);
            match (refused, missing) {
                (true, _) => {}
                (false, true) => run.report.missing.push(fact),
                (false, false) => run.report.surplus.push(fact),
            }
        }
        self.release_before_repairs();
        self.next_part(key);
    }

    /// The reconciliation cannot go on.
    pub(super) fn reconcile_failed(&mut self, key: u64, failure: Failure) {
        if self.reconciling.runs.contains_key(&key) {
            self.end_reconciliation(key, Err(failure));
        }
    }

    /// Gives all of them up: what they knew of the other side may be out of date.
    pub(super) fn give_up_reconciling(&mut self) {
        let runs: Vec<u64> = self.reconciling.runs.keys().copied().collect();
        for run in runs {
            let message = "a store lost its connection meanwhile; reconcile again";
            self.reconcile_failed(run, Failure::new(FailureKind::Unavailable, message));
        }
    }

    fn end_reconciliation(&mut self, key: u64, result: Result<Reconciled, Failure>) {
        let Some(run) = self.reconciling.runs.remove(&key) else { return };
        if !self.reconciling.abandoned.remove(&key) {
            self.reconciling.done.insert(key, result);
        }
        self.reconciling.readers.retain(|_, reads| *reads != key);
        for flight in run.held {
            self.start(flight);
        }
    }
}

fn unreadable(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("the store cannot be read: {error}"))
}
