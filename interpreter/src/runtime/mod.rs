//! The public API: an engine with threads around it, for applications and the command line.
//!
//! Events are executed on the thread that submits them, under one lock, and their outcomes are waited for without it: many can be on their
//! way at once and share a commit to disk, while one at a time costs no change of threads of ours. A driver thread delivers what they send,
//! rings timers, and has the outside called on threads of its own.

mod caretaker;
mod driver;
mod forward;
mod outside;
mod patience;
mod snippet;
mod stepwise;
mod taken;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patternc_program::{ExternId, Program};
use rustc_hash::FxHashMap;

pub use self::caretaker::{Caretaker, Found, Resumed, Resumption};
use self::driver::Bell;
use self::forward::Forward;
pub use self::forward::{Desk, Owner};
pub use self::outside::Callee;
pub use self::patience::Patience;
pub use self::snippet::{SnippetError, SnippetRun, Unanswered};
pub use self::stepwise::Begun;
use self::taken::{Answer, Slot};
pub use self::taken::{Hanging, Taken};
use crate::engine::{Counters, Engine, Entry, Overlap, Receipt, RetryError, Session, Status, Submitted, Ticket};
use crate::event::{Action, Event, EventId};
use crate::failure::{Failure, FailureKind};
use crate::given::{Given, Givens};
use crate::host::{Host, SystemHost};
use crate::interrupt::Interrupt;
use crate::limits::Limits;
use crate::store::{Durability, Placement, Shard, Store, StoreError, Stores};
use crate::sync::lock;

/// How often a thread gives way to those that are about to commit.
const LET_IN: u32 = 200;

/// What a runtime is made of.
pub struct Config {
    pub stores: Vec<Box<dyn Store>>,
    /// What they are called, for those who look after them; empty where nobody named them.
    pub names: Vec<String>,
    /// For each declared space, the index of the store that keeps it; spaces beyond the end are in the first.
    pub places: Vec<usize>,
    /// Families whose spaces are spread over several stores.
    pub shards: Vec<Shard>,
    /// What each extern is bound to. Calls of an extern that is not bound wait until it is.
    pub externs: FxHashMap<ExternId, Arc<dyn Callee>>,
    pub limits: Limits,
    pub host: Box<dyn Host>,
    /// Whether it begins with deliveries held, as by [`Runtime::hold`].
    pub held: bool,
    /// What the outside answers instead of what it is bound to.
    pub givens: Givens,
    /// Ends what runs when it is raised, if anyone may.
    pub interrupt: Option<Interrupt>,
    /// The process that owns the stores, if these only follow it: it takes the events.
    pub owner: Option<Box<dyn Owner>>,
}

impl Config {
    /// One store for all spaces, default limits, the machine's clock, no externs.
    pub fn single(store: Box<dyn Store>) -> Self {
        Config {
            stores: vec![store],
            names: Vec::new(),
            places: Vec::new(),
            shards: Vec::new(),
            externs: FxHashMap::default(),
            limits: Limits::default(),
            host: Box::new(SystemHost::new()),
            held: false,
            givens: Givens::default(),
            interrupt: None,
            owner: None,
        }
    }
}

/// A program that runs. Dropping it stops it; what is on its way is found again when the stores are opened next.
pub struct Runtime {
    shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
}

struct Shared {
    program: Arc<Program>,
    core: Mutex<Core>,
    /// Threads that want the lock: the driver lets them go first.
    clients: AtomicUsize,
    /// Rung when the driver has something to do.
    bell: Bell,
    /// Told when the driver has nothing left to do.
    idle: Condvar,
    durability: Vec<Arc<dyn Durability>>,
    /// Whether a store is shared with other processes, and commits in turns.
    takes_turns: bool,
    externs: FxHashMap<ExternId, Arc<dyn Callee>>,
    interrupt: Option<Interrupt>,
    limits: Limits,
    /// Where another process takes the events.
    forward: Mutex<Option<Forward>>,
}

/// What the lock protects.
struct Core {
    /// Gone once the runtime is stopped, and the stores with it, whoever still waits for something.
    engine: Option<Engine>,
    next_session: u64,
    pending: FxHashMap<Ticket, Arc<Slot>>,
    /// Receipts of events that ran again, because their store had lost their commits, before who waits for them knew of it.
    again: FxHashMap<Ticket, Receipt>,
    /// When the driver will look at the clock next, if it sleeps.
    alarm: Option<i64>,
    givens: Givens,
    /// Threads that wait until nothing is left to do.
    idlers: usize,
    stopping: bool,
}

impl Runtime {
    /// Starts the program over its stores and goes on with whatever is on its way in them.
    ///
    /// # Errors
    /// If the stores cannot do what the program declares ([`Stores::serve`]), or one of them cannot be read.
    pub fn open(program: Arc<Program>, config: Config) -> Result<Self, StoreError> {
        let Config { stores, names, places, shards, externs, limits, host, held, givens, interrupt, owner } = config;
        let durability: Vec<Arc<dyn Durability>> = stores.iter().map(|store| store.durability()).collect();
        let stores = Stores::new(stores, Placement::from(places).with_shards(program.clone(), shards).with_names(names));
        stores.check_places(&program)?;
        stores.serve(&program)?;
        let takes_turns = (0..stores.len()).any(|store| stores.get(store).capabilities().shared);
        let begin = if held { Engine::open_held } else { Engine::open };
        let mut engine = begin(program.clone(), stores, host, limits.clone(), Overlap::None)?;
        for (of, callee) in &externs {
            if let Some(timeout) = callee.timeout() {
                engine.set_extern_timeout(*of, i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
            }
        }
        if let Some(interrupt) = &interrupt {
            engine.set_interrupt(interrupt.clone());
        }
        for (of, operation) in outside::operations(&program) {
            engine.set_answered(of, operation, externs.contains_key(&of) || givens.answer_to(of, operation));
        }
        let name = engine.fresh_event_id().0.to_string();
        let forward = owner.map(|owner| Forward::start(program.clone(), name, owner)).transpose()?;
        let core = Core {
            engine: Some(engine),
            givens,
            next_session: 1,
            pending: FxHashMap::default(),
            again: FxHashMap::default(),
            alarm: None,
            idlers: 0,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            program,
            core: Mutex::new(core),
            clients: AtomicUsize::new(0),
            bell: Bell::default(),
            idle: Condvar::new(),
            durability,
            takes_turns,
            externs,
            interrupt,
            limits,
            forward: Mutex::new(forward),
        });
        for durability in &shared.durability {
            let listener = Arc::downgrade(&shared);
            durability.notify(Box::new(move || {
                if let Some(shared) = listener.upgrade() {
                    if shared.durability.iter().any(|durability| durability.is_behind()) {
                        shared.bell.ring();
                    } else {
                        shared.bell.ring_if_waiting();
                    }
                }
            }));
        }
        let driven = shared.clone();
        let driver = std::thread::Builder::new().name("patternc-driver".to_owned()).spawn(move || driver::drive_or_end(&driven));
        let driver =
            driver.map_err(|error| StoreError { message: format!("the driver thread does not start: {error}"), transient: false })?;
        shared.bell.ring();
        Ok(Runtime { shared, driver: Some(driver) })
    }

    /// The program that runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.shared.program
    }

    /// The limits that hold.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// A new session: its events take effect one after the other.
    pub fn session(&self) -> Session {
        self.shared.session()
    }

    /// Takes an event. With an `id` that was received before, its outcome is the recorded one.
    pub fn submit(&self, session: Session, id: Option<EventId>, caller: Option<Arc<str>>, action: Action) -> Taken {
        self.shared.submit(session, id, caller, action)
    }

    /// Whether another process owns the stores: they are only read here, and events go to it.
    pub fn follows(&self) -> bool {
        self.shared.forwards()
    }

    /// Reads with exclusive use of the engine, and gives what was read once it is durable.
    ///
    /// # Errors
    /// If a store that others share does not answer, or what was read can no longer become durable.
    pub fn read<T>(&self, read: impl FnOnce(&mut Engine) -> T) -> Result<T, StoreError> {
        let mut core = self.shared.lock();
        core.engine().refresh()?;
        let value = read(core.engine());
        let reading = core.engine().read(value);
        drop(core);
        reading.wait(&self.shared.durability)
    }

    /// What the outside answers from now on. What it is bound to is asked only where nothing was given.
    pub fn give(&self, given: Given) {
        let mut core = self.shared.lock();
        let (of, operation) = (given.of, given.operation);
        core.givens.push(given);
        let answered = core.givens.answer_to(of, operation) || self.shared.externs.contains_key(&of);
        core.engine().set_answered(of, operation, answered);
        drop(core);
        self.shared.bell.ring();
    }

    /// All that was given, and how often each refusal is still to come.
    pub fn givens(&self) -> Givens {
        self.shared.lock().givens.clone()
    }

    /// How often the refusal that was given at this place is still to come; `None`: always.
    pub fn set_given_left(&self, at: usize, left: Option<u64>) {
        let mut core = self.shared.lock();
        core.givens.set_left(at, left);
        let Some((of, operation)) = core.givens.iter().nth(at).map(|given| (given.of, given.operation)) else { return };
        let answered = core.givens.answer_to(of, operation) || self.shared.externs.contains_key(&of);
        core.engine().set_answered(of, operation, answered);
    }

    /// What an action does, in a few words: "Person/ada.link".
    pub fn describe(&self, action: &Action) -> String {
        self.shared.lock().engine().describe(action)
    }

    /// Whether an adapter answers this extern.
    pub fn is_bound(&self, of: ExternId) -> bool {
        self.shared.externs.contains_key(&of)
    }

    /// Calls that wait for someone to answer them.
    pub fn unanswered_calls(&self) -> Vec<Action> {
        self.shared.lock().engine().unanswered_calls().into_iter().cloned().collect()
    }

    /// Moves the clock ahead, past everything that becomes due on the way; `false` if it is not one that can be moved.
    pub fn advance(&self, milliseconds: i64, patience: &mut dyn Patience) -> bool {
        let target = self.shared.lock().engine().now().saturating_add(milliseconds);
        loop {
            let mut core = self.shared.lock();
            let engine = core.engine();
            let due = engine.next_delayed().filter(|&due| due <= target && !engine.is_held());
            let (now, since) = (engine.now(), engine.mark());
            if !engine.advance(due.unwrap_or(target).saturating_sub(now).max(0)) {
                return false;
            }
            drop(core);
            self.shared.bell.ring();
            if !self.settle(since, patience) || due.is_none() {
                return true;
            }
        }
    }

    /// Looks after the runtime from other threads.
    pub fn caretaker(&self) -> Caretaker {
        Caretaker::of(&self.shared)
    }

    /// What is on its way.
    pub fn status(&self) -> Status {
        self.shared.lock().engine().status()
    }

    /// What has happened since the runtime was opened.
    pub fn counters(&self) -> Counters {
        self.shared.lock().engine().counters()
    }

    /// Takes a parked event up again.
    ///
    /// # Errors
    /// If there is no such parked event, or repeating it could do it twice.
    pub fn retry(&self, event: &EventId) -> Result<(), RetryError> {
        let result = self.shared.lock().engine().retry(event);
        self.shared.bell.ring();
        result
    }

    /// Keeps a history from now on, for [`Runtime::take_history`].
    pub fn record_history(&self) {
        self.shared.lock().engine().record_history();
    }

    /// What happened since the last call.
    pub fn take_history(&self) -> Vec<Entry> {
        self.shared.lock().engine().take_history()
    }

    /// Waits until nothing is left to do but what is delayed or parked, at most for so long; `false` if there still is.
    pub fn wait_idle(&self, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        let mut core = self.shared.lock();
        core.idlers += 1;
        let idle = loop {
            if core.engine().is_idle() {
                break true;
            }
            self.shared.bell.ring();
            let left = deadline.map_or(Duration::from_secs(3600), |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break false;
            }
            core = self.shared.idle.wait_timeout(core, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        core.idlers -= 1;
        idle
    }

    /// Takes no more events, and finishes what is on its way as far as that takes no longer than `patience`. Gives whether anything (but what
    /// is delayed or parked) is left: it is found again when the stores are opened next.
    pub fn wind_down(&self, patience: Duration) -> bool {
        self.shared.lock().stopping = true;
        !self.wait_idle(patience)
    }

    /// As [`Runtime::wind_down`], and stops.
    pub fn close(mut self, patience: Duration) -> bool {
        let left = self.wind_down(patience);
        self.stop();
        left
    }

    fn stop(&mut self) {
        // What it has not answered is told so.
        drop(lock(&self.shared.forward).take());
        self.shared.bell.stop();
        if let Some(driver) = self.driver.take() {
            driver.join().expect("a driver that panics ends the process");
        }
        let mut core = self.shared.lock();
        core.stopping = true;
        core.engine = None;
        for (_, slot) in core.pending.drain() {
            slot.fill(Receipt::shut_down());
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.driver.is_some() {
            self.stop();
        }
    }
}

impl Shared {
    /// The lock, for whoever is not the driver. The engine catches panics of what it runs; what it holds in memory is whole or found again in the
    /// stores.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.clients.fetch_add(1, Ordering::Relaxed);
        let core = lock(&self.core);
        self.clients.fetch_sub(1, Ordering::Relaxed);
        core
    }
}

impl Shared {
    fn session(&self) -> Session {
        let mut core = self.lock();
        core.next_session += 1;
        Session(core.next_session)
    }

    fn submit(self: &Arc<Self>, session: Session, id: Option<EventId>, caller: Option<Arc<str>>, action: Action) -> Taken {
        let mut core = self.lock();
        let id = match id {
            Some(id) => id,
            None => core.engine().fresh_event_id(),
        };
        if core.engine.is_none() {
            // From who looks after it; whatever it asks next finds it gone.
            drop(core);
            return Taken { id, answer: Answer::Receipt(Receipt::shut_down()), shared: self.clone() };
        }
        let answer = if core.stopping {
            let failure = Failure::new(FailureKind::Unavailable, "the runtime is being shut down; send it again later");
            Answer::Receipt(Receipt::refused(failure))
        } else if let Some(forward) = &*lock(&self.forward) {
            let slot = Arc::new(Slot::default());
            forward.send(session, Event { id: id.clone(), caller, action }, slot.clone());
            return Taken { id, answer: Answer::Slot(slot), shared: self.clone() };
        } else {
            match core.engine().submit(session, Event { id: id.clone(), caller, action }) {
                Submitted::Done(receipt) => Answer::Receipt(receipt),
                Submitted::Pending(ticket) => {
                    let slot = Arc::new(Slot::default());
                    core.pending.insert(ticket, slot.clone());
                    Answer::Slot(slot)
                }
            }
        };
        let rings = core.needs_driver();
        drop(core);
        if rings {
            self.bell.ring();
        }
        Taken { id, answer, shared: self.clone() }
    }

    /// What an answer hangs on: see [`Engine::hangs_on`].
    fn hangs_on(&self, event: &EventId) -> Option<(EventId, String)> {
        let follows = self.forwards();
        let mut core = self.lock();
        let engine = core.engine.as_mut()?;
        if follows {
            // The owner has parked it; what cannot be read now shows the next time.
            let _ = engine.refresh();
        }
        engine.hangs_on(event)
    }

    /// Before a turn at a store that others share is ended by waiting for it: whoever is about to commit does so in the same turn.
    fn let_in(&self) {
        for _ in 0..LET_IN {
            if !self.takes_turns || self.clients.load(Ordering::Relaxed) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Core {
    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the engine is there until the runtime is stopped")
    }

    /// Whether the driver has something to do before it would look by itself.
    fn needs_driver(&mut self) -> bool {
        let alarm = self.alarm;
        let engine = self.engine();
        let earlier = match (engine.next_wake(), alarm) {
            (Some(next), Some(alarm)) => next < alarm,
            (Some(_), None) => true,
            (None, _) => false,
        };
        earlier || engine.has_step() || engine.has_calls() || engine.waits_for_durability() || engine.has_finished()
    }
}
