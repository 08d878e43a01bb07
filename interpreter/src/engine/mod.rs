//! The deterministic core: takes events, runs attempts, commits, delivers what was sent.
//!
//! One thread, no clock, no chance, no I/O of its own: time and dice come from the [`Host`], everything durable is in the [`Stores`], calls
//! to the outside are handed to whoever drives the engine ([`Engine::take_call`], [`Engine::answer`]).
//!
//! Work is a queue of steps, each of which runs one attempt and commits it. A driver calls [`Engine::wake`] (time has passed, something
//! became durable) and [`Engine::step`] until there is nothing left. A simulation picks the steps in any order and separates the beginning of
//! an attempt from its commit, so that attempts overlap.
//!
//! What the engine holds in memory can be lost at any moment: [`Engine::open`] finds all of it again in the stores. The invariants that make
//! this so:
//! - An outgoing event stays in the sender's store until a commit there has dealt with its outcome; that commit removes it.
//! - The receiver's commit records the event with its writes; a redelivery finds the record. It is forgotten only after the removal.
//! - Nothing reaches a second store, the outside, or whoever asked, before the commit that it follows from is durable.

mod calls;
mod commit;
mod fence;
mod flight;
mod fork;
mod givers;
mod history;
mod invariants;
mod job;
mod line;
mod mirror;
mod others;
mod outside;
mod reading;
mod reconcile;
mod recovery;
mod refused;
mod resume;
mod saga;
mod status;
mod stepwise;
mod timing;
mod token;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use patternc_program::Program;
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::calls::{CallAnswer, ExternCall};
use self::flight::Pair;
pub use self::flight::Stage;
pub(crate) use self::flight::{Flight, FlightKey};
pub(crate) use self::fork::{Doing, InFlight, Trace, Waiting};
pub use self::history::{Entry, What};
pub(crate) use self::job::panic_message;
use self::job::{DealtWith, Job, JobKey, Kind};
use self::line::Line;
pub use self::outside::{Receipt, Session, Submitted, Ticket, Unopened};
pub use self::reading::Reading;
pub use self::reconcile::{Progress, ReconcileId, Reconciled};
pub use self::resume::{Happened, RetryError};
pub use self::status::{FlightStatus, Health, Mark, Status, Trouble};
pub use self::stepwise::{Open, Opened};
use self::timing::Wake;
use crate::event::{EventId, Outgoing};
use crate::failure::{Failure, FailureKind};
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::limits::Limits;
use crate::machine::Execution;
use crate::store::{StoreError, Stores, Version};
use crate::value::RecordRef;

/// How attempts and commits follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// An attempt is committed in the step that ran it. Only other processes can come between.
    None,
    /// An attempt that has read what its commit does not validate, in another store, is committed in a step of its own; others as with
    /// [`Overlap::None`]. What comes between an attempt and its commit makes no other difference: the commit is refused, or it is as if both
    /// were one.
    Unvalidated,
    /// An attempt and its commit are steps of their own: the driver decides what comes between.
    Attempts,
}

/// The core. See the module's documentation.
pub struct Engine {
    program: Arc<Program>,
    stores: Stores,
    host: Box<dyn Host>,
    limits: Limits,
    overlap: Overlap,
    execution: Execution,
    /// Ends events from outside when raised, if anyone may.
    interrupt: Option<Interrupt>,
    /// By store: why it can no longer be used. Nothing is lost; opening it again goes on.
    broken: Vec<Option<StoreError>>,
    /// By store: whether other processes write it.
    shared: Vec<bool>,
    /// By store: when one that did not answer is asked again for what others have done.
    ask_at: Vec<Option<i64>>,
    /// By store: events from outside whose outcome is not durable yet; only of shared ones.
    undurable: Vec<VecDeque<recovery::Undurable>>,

    next_key: u64,
    jobs: FxHashMap<JobKey, Job>,
    /// What can be done now.
    ready: VecDeque<Step>,
    /// Jobs that lost or whose store did not answer, by the time of the next attempt.
    backoffs: BTreeMap<(i64, u64), JobKey>,

    flights: FxHashMap<FlightKey, Flight>,
    by_event: FxHashMap<EventId, FlightKey>,
    /// By an event that is not answered yet: the newest of those whose outcome decides it.
    answering: FxHashMap<EventId, FlightKey>,
    /// Events from one sender to one receiver, in the order sent, those with a delay in that of its end; the first is on its way, the others wait.
    pairs: FxHashMap<Pair, Line<FlightKey>>,
    /// Delayed events and repeated calls, by the time they are due.
    timers: BTreeSet<(i64, FlightKey)>,
    /// Who waits for the answer of a deferred event.
    waiting_answer: FxHashMap<EventId, Vec<Waiter>>,
    /// How many events on their way wait for their time or are parked.
    resting: usize,
    /// By store: what waits for its commits to be durable.
    waiting_durable: Vec<BTreeMap<Version, Vec<Wake>>>,
    /// By store: events of other stores that the sender has dealt with, to be forgotten once that is durable.
    forgetting: Vec<VecDeque<(DealtWith, Point)>>,

    /// Outside events of one session that wait for the one before them.
    backlog: FxHashMap<Session, Line<JobKey>>,
    finished: VecDeque<(Ticket, Receipt)>,

    /// Deliveries wait until someone lets them through.
    held: bool,
    /// Transactions left open before their commit.
    open: FxHashMap<Ticket, Job>,

    calls: calls::Calls,
    /// Parked differences of mirrors, by the facts that they are of.
    parked_facts: FxHashMap<givers::Fact, Vec<FlightKey>>,
    givers: givers::Givers,
    fences: fence::Fences,
    reconciling: reconcile::Reconciling,
    history: Option<Vec<Entry>>,
    trace: Option<Trace>,
    counters: Counters,
}

/// What has happened since the engine was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub commits: u64,
    /// Attempts lost because something they read had changed.
    pub conflicts: u64,
    /// Deliveries that found their event received before.
    pub duplicates: u64,
}

/// A commit of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    store: usize,
    version: Version,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiter {
    Ticket(Ticket),
    Flight(FlightKey),
}

/// One thing that can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Runs an attempt.
    Run(JobKey),
    /// Commits the attempt that was run.
    Commit(JobKey),
}

impl Engine {
    /// An engine over these stores, going on with whatever is on its way in them.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn open(program: Arc<Program>, stores: Stores, host: Box<dyn Host>, limits: Limits, overlap: Overlap) -> Result<Self, StoreError> {
        Engine::idle(program, stores, host, limits, overlap).begun()
    }

    /// As [`Engine::open`], but held as by [`Engine::hold`] from the beginning: what is on its way waits too.
    pub fn open_held(
        program: Arc<Program>,
        stores: Stores,
        host: Box<dyn Host>,
        limits: Limits,
        overlap: Overlap,
    ) -> Result<Self, StoreError> {
        let mut engine = Engine::idle(program, stores, host, limits, overlap);
        engine.hold();
        engine.begun()
    }

    /// Looks into its stores, and takes up what is on its way there.
    fn begun(mut self) -> Result<Self, StoreError> {
        for store in 0..self.stores.len() {
            self.compare_facts(store)?;
            self.learn_givers(store)?;
            self.learn_invariant_reads(store)?;
        }
        self.adopt_all_stored()?;
        self.forget_left_behind()?;
        Ok(self)
    }

    /// One that has not looked into its stores.
    fn idle(program: Arc<Program>, stores: Stores, host: Box<dyn Host>, limits: Limits, overlap: Overlap) -> Self {
        let count = stores.len();
        let fences = fence::Fences::new(&program);
        let shared = (0..count).map(|store| stores.get(store).capabilities().shared).collect();
        Engine {
            program,
            stores,
            host,
            limits,
            overlap,
            execution: Execution::default(),
            interrupt: None,
            broken: vec![None; count],
            shared,
            ask_at: vec![None; count],
            undurable: (0..count).map(|_| VecDeque::new()).collect(),
            next_key: 0,
            jobs: FxHashMap::default(),
            ready: VecDeque::new(),
            backoffs: BTreeMap::new(),
            flights: FxHashMap::default(),
            by_event: FxHashMap::default(),
            answering: FxHashMap::default(),
            pairs: FxHashMap::default(),
            timers: BTreeSet::new(),
            waiting_answer: FxHashMap::default(),
            resting: 0,
            waiting_durable: vec![BTreeMap::new(); count],
            forgetting: vec![VecDeque::new(); count],
            backlog: FxHashMap::default(),
            finished: VecDeque::new(),
            held: false,
            open: FxHashMap::default(),
            calls: calls::Calls::default(),
            parked_facts: FxHashMap::default(),
            givers: givers::Givers::default(),
            fences,
            reconciling: reconcile::Reconciling::default(),
            history: None,
            trace: None,
            counters: Counters::default(),
        }
    }

    /// A process that died between the sender's bookkeeping and the receiver's left behind what the receiver remembers: what no store of the
    /// deployment has on its way any more. Within one store both are one commit.
    fn forget_left_behind(&mut self) -> Result<(), StoreError> {
        // Of a store that others write too, what is known here may lag: an event sent meanwhile would seem to be dealt with.
        if self.stores.len() < 2 || (0..self.stores.len()).any(|store| self.stores.get(store).capabilities().shared) {
            return Ok(());
        }
        let mut sent: FxHashSet<EventId> = FxHashSet::default();
        for store in 0..self.stores.len() {
            sent.extend(self.stores.get(store).outgoing()?.iter().map(|outgoing| outgoing.event.id.clone()));
        }
        for store in 0..self.stores.len() {
            let mut events = self.stores.get(store).remembered()?;
            events.retain(|event| !sent.contains(event));
            // The store gives them in no order: the same seed would not give the same history.
            events.sort_unstable();
            if !events.is_empty() {
                let events = events.into_iter().map(DealtWith::for_good).collect();
                self.enqueue(Job::new(Kind::Forget { store, events, resume: None }));
            }
        }
        Ok(())
    }

    /// Takes up the events on their way in all stores that are not known yet.
    fn adopt_all_stored(&mut self) -> Result<(), StoreError> {
        if self.stores.len() > 1 && !self.program.mirrors.is_empty() {
            // What was taken away in one store may have been given since in another: between stores there is no order but this (`givers`).
            for store in 0..self.stores.len() {
                let mut taken = self.stores.get(store).outgoing()?;
                let mut removed: FxHashSet<RecordRef> = FxHashSet::default();
                let mut before: Vec<bool> = Vec::new();
                for outgoing in taken.iter().rev() {
                    if self.says(outgoing).is_some_and(|says| says.removes) {
                        removed.insert(outgoing.from.clone());
                    }
                    before.push(removed.contains(&outgoing.from));
                }
                taken.retain(|_| before.pop() == Some(true));
                self.adopt_new(store, taken);
            }
        }
        (0..self.stores.len()).try_for_each(|store| self.adopt_stored(store))
    }

    /// Takes up the events on their way in a store that are not known yet.
    fn adopt_stored(&mut self, store: usize) -> Result<(), StoreError> {
        let outgoing = self.stores.get(store).outgoing()?;
        self.adopt_new(store, outgoing);
        Ok(())
    }

    fn adopt_new(&mut self, store: usize, mut outgoing: Vec<Arc<Outgoing>>) {
        let version = self.stores.get(store).version();
        outgoing.retain(|outgoing| !self.by_event.contains_key(&outgoing.event.id));
        self.adopt_all(outgoing, Point { store, version }, true);
    }

    /// The program it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The stores, for reading.
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The limits it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The time.
    pub fn now(&mut self) -> i64 {
        self.host.now()
    }

    /// Moves the clock ahead by so many milliseconds; `false` if it is not one that can be moved.
    pub fn advance(&mut self, milliseconds: i64) -> bool {
        self.host.advance(milliseconds)
    }

    /// Numbers for ids that belong to one attempt.
    pub fn fresh_ids(&mut self) -> u128 {
        u128::from(self.host.random()) << 64 | u128::from(self.host.random())
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Keeps a history from now on.
    pub fn record_history(&mut self) {
        self.history.get_or_insert_default();
    }

    /// What happened since the last call; empty unless [`Engine::record_history`] was called.
    pub fn take_history(&mut self) -> Vec<Entry> {
        self.history.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Does the oldest thing that can be done, and is not held back; `false` if there is none.
    pub fn step(&mut self) -> bool {
        let next = if self.held { self.ready.iter().position(|step| !self.delivers(*step)) } else { Some(0) };
        let Some(step) = next.and_then(|next| self.ready.remove(next)) else { return false };
        self.take(step);
        true
    }

    /// How many things can be done.
    pub fn steps(&self) -> usize {
        self.ready.len()
    }

    /// Whether this step belongs to an event from outside; the others deliver what was sent.
    ///
    /// # Panics
    /// If there are not that many steps.
    pub fn is_outside_step(&self, index: usize) -> bool {
        let (Step::Run(key) | Step::Commit(key)) = self.ready[index];
        self.jobs.get(&key).is_some_and(Job::is_outside)
    }

    /// Does one of the things that can be done.
    ///
    /// # Panics
    /// If there are not that many steps.
    pub fn step_at(&mut self, index: usize) {
        let step = self.ready.remove(index).expect("the index is below the number of steps");
        self.take(step);
    }

    fn take(&mut self, step: Step) {
        let (Step::Run(key) | Step::Commit(key)) = step;
        let Some(job) = self.jobs.remove(&key) else { return };
        if let Some(trace) = &mut self.trace {
            trace.steps += 1;
        }
        match step {
            Step::Run(_) => self.run(key, job),
            Step::Commit(_) => self.commit_prepared(key, job),
        }
    }

    fn key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// Whether a commit would survive the end of the process.
    fn is_durable(&self, point: Point) -> bool {
        self.stores.get(point.store).is_durable(point.version).is_ok_and(|durable| durable)
    }

    /// Why a store cannot be used, if so.
    fn broken(&self, store: usize) -> Option<Failure> {
        let error = self.broken[store].as_ref()?;
        Some(Failure::new(FailureKind::Unavailable, format!("the store cannot be used any more: {error}")))
    }

    /// `found`: in a store, rather than sent just now.
    fn adopt_all(&mut self, sent: Vec<Arc<Outgoing>>, point: Point, found: bool) {
        // Removals that others wait for must be known before those start.
        let (first, rest) = match self.fences.in_use() {
            true => sent.into_iter().partition(|outgoing| self.mirror_of(outgoing).is_some()),
            false => (Vec::new(), sent),
        };
        for outgoing in first.into_iter().chain(rest) {
            if self.is_shared(point.store) && self.stores.get(point.store).is_elsewhere(&outgoing.event.id) {
                self.adopt_elsewhere(outgoing, point);
            } else {
                self.adopt(outgoing, point, found);
            }
        }
    }
}
