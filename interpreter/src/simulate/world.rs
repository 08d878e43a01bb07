//! A simulated world: an engine, its disk, a clock and dice from one seed, and whoever sends events from outside.

mod chance;
mod ordered;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use patternc_program::{Program, RecordId};

use super::disk::Disk;
use super::order::{EventName, Item, Names};
use crate::engine::{CallAnswer, Counters, Engine, Entry, ExternCall, Overlap, Receipt, Session, Submitted, Ticket};
use crate::event::{Action, Event, EventId, Outcome};
use crate::host::{Host, Random};
use crate::limits::Limits;
use crate::store::{StoreError, Stores};
use crate::value::RecordRef;

/// 2026-01-01T00:00:00Z: when simulations begin.
const BEGINNING: i64 = 1_767_225_600_000;

/// Mishaps that a simulation brings about by chance, each in so many of a thousand steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// The process dies.
    pub crash: u32,
    /// An event is delivered once more.
    pub duplicate: u32,
    /// The answer of a repeatable call is lost.
    pub lost_answer: u32,
}

/// An event from outside, over all deaths of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request(u64);

impl Request {
    /// For worlds that count by themselves.
    pub(crate) fn numbered(number: u64) -> Self {
        Request(number)
    }
}

struct Asked {
    session: Session,
    event: Event,
    ticket: Option<Ticket>,
    receipt: Option<Receipt>,
}

/// Answers the calls of a simulation.
pub trait Outside {
    /// The answer, or why the simulation cannot go on.
    fn call(&mut self, engine: &mut Engine, call: &ExternCall) -> Result<CallAnswer, String>;

    /// The call was answered so, whatever it would have said.
    fn answered(&mut self, _call: &ExternCall, _answer: &CallAnswer) {}
}

/// See the module's documentation.
pub struct World {
    program: Arc<Program>,
    places: Vec<usize>,
    limits: Limits,
    disk: Box<dyn Disk>,
    engine: Option<Engine>,
    clock: Arc<AtomicI64>,
    random: Random,
    mishaps: Mishaps,
    next_request: u64,
    asked: BTreeMap<Request, Asked>,
    outcomes: BTreeMap<Request, Outcome>,
    calls: Vec<ExternCall>,
    /// What is sent waits while this is above 0.
    holds: u32,
    counters: Counters,
    crashes: u64,
    history: Option<Vec<Line>>,
    trouble: Option<String>,
    /// What is to happen next, by name; what comes after is up to chance.
    order: VecDeque<Item>,
    names: Names,
    /// What has happened since the last event from outside, or since time last passed.
    unprompted: u32,
}

/// One line of a history.
enum Line {
    Entry(Entry),
    /// What the world did to its engine.
    Note(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Entry(entry) => entry.fmt(f),
            Line::Note(note) => f.write_str(note),
        }
    }
}

struct SimulatedHost {
    clock: Arc<AtomicI64>,
    random: Random,
}

impl Host for SimulatedHost {
    fn now(&mut self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn random(&mut self) -> u64 {
        self.random.draw()
    }
}

impl World {
    /// A world that has just begun. `places`: for each declared space, the store on the disk that keeps it.
    pub fn new(program: Arc<Program>, disk: Box<dyn Disk>, places: Vec<usize>, limits: Limits, seed: u64) -> Result<Self, StoreError> {
        let mut world = World {
            program,
            places,
            limits,
            disk,
            engine: None,
            clock: Arc::new(AtomicI64::new(BEGINNING)),
            random: Random::seeded(seed),
            mishaps: Mishaps::default(),
            next_request: 0,
            asked: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            calls: Vec::new(),
            holds: 0,
            counters: Counters::default(),
            crashes: 0,
            history: None,
            trouble: None,
            order: VecDeque::new(),
            names: Names::default(),
            unprompted: 0,
        };
        world.boot()?;
        Ok(world)
    }

    /// Brings about mishaps from now on.
    pub fn set_mishaps(&mut self, mishaps: Mishaps) {
        self.mishaps = mishaps;
    }

    /// Keeps a history from now on.
    pub fn record_history(&mut self) {
        self.history.get_or_insert_default();
        self.engine_mut().record_history();
    }

    /// What happened since the last call, a line each.
    pub fn take_history(&mut self) -> Vec<String> {
        self.take_lines().iter().map(Line::to_string).collect()
    }

    /// What engines did since the last call.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        let entry = |line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Note(_) => None,
        };
        self.take_lines().into_iter().filter_map(entry).collect()
    }

    fn take_lines(&mut self) -> Vec<Line> {
        self.collect_history();
        self.history.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn collect_history(&mut self) {
        if let Some(engine) = &mut self.engine {
            let entries = engine.take_history();
            if !self.order.is_empty() {
                entries.iter().for_each(|entry| self.names.note(entry));
            }
            if let Some(history) = &mut self.history {
                history.extend(entries.into_iter().map(Line::Entry));
            }
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.history.is_some() {
            self.collect_history();
        }
        if let Some(history) = &mut self.history {
            history.push(Line::Note(line()));
        }
    }

    fn boot(&mut self) -> Result<(), StoreError> {
        let mut stores = Vec::with_capacity(self.disk.stores());
        for store in 0..self.disk.stores() {
            stores.push(self.disk.open(store)?);
        }
        let stores = Stores::new(stores, self.places.clone());
        let host = Box::new(SimulatedHost { clock: self.clock.clone(), random: Random::seeded(self.random.draw()) });
        let mut engine = Engine::open(self.program.clone(), stores, host, self.limits.clone(), Overlap::Attempts)?;
        if self.history.is_some() || !self.order.is_empty() {
            engine.record_history();
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// The engine of the process that runs.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("a process runs, except while it is started")
    }

    /// The same, to be changed.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("a process runs, except while it is started")
    }

    /// The time.
    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Moves the clock on. No store takes as long to make durable what was committed before.
    pub(crate) fn set_now(&mut self, now: i64) {
        let passed = now - self.now();
        if passed > 0 {
            self.flush();
            self.note(|| format!("{passed} ms pass"));
            self.clock.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// The dice of the world.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// What has happened, over all processes.
    pub fn counters(&self) -> Counters {
        let now = self.engine().counters();
        Counters {
            commits: self.counters.commits + now.commits,
            conflicts: self.counters.conflicts + now.conflicts,
            duplicates: self.counters.duplicates + now.duplicates,
        }
    }

    /// How often the process has died.
    pub fn crashes(&self) -> u64 {
        self.crashes
    }

    /// Why the world cannot go on, if so: a store that does not open, a call that nothing answers.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Sends an event from outside. It is sent again, with the same id, after a crash that comes before its outcome.
    pub fn send(&mut self, session: Session, caller: Option<Arc<str>>, action: Action) -> Request {
        let id = self.engine_mut().fresh_event_id();
        self.send_event(session, Event { id, caller, action })
    }

    /// The same for an event that has an id, as one has that is sent once more.
    pub fn send_event(&mut self, session: Session, event: Event) -> Request {
        self.next_request += 1;
        self.unprompted = 0;
        let request = Request(self.next_request);
        self.asked.insert(request, Asked { session, event, ticket: None, receipt: None });
        self.submit(request);
        request
    }

    /// The same for an event of a test, which has a name.
    pub(super) fn send_named(&mut self, name: EventName, caller: Option<Arc<str>>, action: Action) -> Request {
        let request = self.send(name.session, caller, action);
        if !self.order.is_empty()
            && let Some(asked) = self.asked.get(&request)
        {
            self.names.event(asked.event.id.clone(), name);
        }
        request
    }

    fn submit(&mut self, request: Request) {
        let asked = self.asked.get_mut(&request).expect("what is submitted was asked");
        let engine = self.engine.as_mut().expect("a process runs");
        match engine.submit(asked.session, asked.event.clone()) {
            Submitted::Done(receipt) => asked.receipt = Some(receipt),
            Submitted::Pending(ticket) => asked.ticket = Some(ticket),
        }
    }

    /// The id of an event from outside that has no outcome yet.
    pub fn event_id(&self, request: Request) -> Option<&EventId> {
        self.asked.get(&request).map(|asked| &asked.event.id)
    }

    /// The outcome of an event from outside, once it is durable.
    pub fn take_outcome(&mut self, request: Request) -> Option<Outcome> {
        self.outcomes.remove(&request)
    }

    /// Whether the outcome of an event from outside is known.
    pub fn has_outcome(&self, request: Request) -> bool {
        self.outcomes.contains_key(&request)
    }

    /// From now on, what is sent is not delivered.
    pub fn hold(&mut self) {
        self.holds += 1;
    }

    /// Ends a [`World::hold`].
    pub fn release(&mut self) {
        self.holds = self.holds.saturating_sub(1);
    }

    /// Whether deliveries wait.
    pub fn is_held(&self) -> bool {
        self.holds > 0
    }

    /// The process dies: what was durable comes back, and whoever has no outcome yet asks again.
    pub fn crash(&mut self) {
        self.note(|| "the process died".to_owned());
        self.crashes += 1;
        self.counters = self.counters();
        self.calls.clear();
        drop(self.engine.take());
        if let Err(error) = self.boot() {
            self.trouble = Some(format!("the store does not open after the crash: {error}"));
            return;
        }
        let requests: Vec<Request> = self.asked.keys().copied().collect();
        for request in requests {
            let asked = self.asked.get_mut(&request).expect("the keys were just taken");
            asked.ticket = None;
            asked.receipt = None;
            self.submit(request);
        }
    }

    fn has_unflushed(&self, store: usize) -> bool {
        let store = self.engine().stores().get(store);
        store.durable().is_ok_and(|durable| durable < store.version())
    }

    /// The records of a type in all stores.
    pub fn records(&self, record: RecordId) -> Result<Vec<RecordRef>, StoreError> {
        let mut records = Vec::new();
        let stores = self.engine().stores();
        for store in 0..stores.len() {
            for space in stores.get(store).spaces()? {
                records.extend(stores.get(store).scan(record, &space, None)?);
            }
        }
        Ok(records)
    }

    /// Makes everything durable that was committed.
    pub fn flush(&mut self) {
        for store in 0..self.disk.stores() {
            while self.disk.is_controlled(store) && self.has_unflushed(store) {
                self.disk.flush(store);
            }
        }
        self.look();
    }

    /// Where commits become durable when they like, they are waited for, so that the seed alone decides what happens.
    fn wait_durable(&mut self) {
        for store in (0..self.disk.stores()).filter(|&store| !self.disk.is_controlled(store)) {
            let store = self.engine().stores().get(store);
            // Of one that fails, the engine hears as well, and says so to whoever waits.
            let _ = store.wait_durable(store.version());
        }
    }

    /// Takes what the engine has to say.
    fn look(&mut self) {
        self.wait_durable();
        let engine = self.engine.as_mut().expect("a process runs");
        engine.wake();
        while let Some(call) = engine.take_call() {
            self.calls.push(call);
        }
        while let Some((ticket, receipt)) = engine.take_finished() {
            if let Some(asked) = self.asked.values_mut().find(|asked| asked.ticket == Some(ticket)) {
                asked.receipt = Some(receipt);
            }
        }
        let mut told = Vec::new();
        for (request, asked) in &mut self.asked {
            if let Some(receipt) = asked.receipt.take() {
                match receipt.open(engine) {
                    Ok(outcome) => told.push((*request, outcome)),
                    Err(receipt) => asked.receipt = Some(receipt),
                }
            }
        }
        for (request, outcome) in told {
            self.asked.remove(&request);
            self.outcomes.insert(request, outcome);
        }
    }
}
