//! What survives the death of a simulated process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use patternc_program::{CellIndex, RecordId};

use crate::event::{EventId, Outgoing, Received};
use crate::store::memory::Memory;
use crate::store::state::State;
use crate::store::{Capabilities, CommitRequest, Committed, Durability, Presence, ReadKey, Refused, Store, StoreError, Version};
use crate::sync::lock;
use crate::value::{RecordRef, SpaceRef, Value};

/// Where the stores of a simulation are, from one process to the next.
pub trait Disk {
    /// How many stores there are.
    fn stores(&self) -> usize;

    /// Opens a store as a new process would: with what was durable.
    fn open(&mut self, store: usize) -> Result<Box<dyn Store>, StoreError>;

    /// Whether commits of a store become durable by [`Disk::flush`] only.
    fn is_controlled(&self, store: usize) -> bool;

    /// Makes the oldest commit of a store durable that is not so yet, if there is one.
    fn flush(&mut self, store: usize);
}

/// Stores in memory whose commits become durable later, one by one, as the simulation decides. What was not is lost with the process.
/// A clone is the same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    platters: Vec<Arc<Mutex<Platter>>>,
}

struct Platter {
    /// With every commit, as the running process sees it.
    live: Memory,
    /// With the durable ones only.
    durable: Memory,
    /// Committed, not durable yet.
    log: VecDeque<(CommitRequest, i64)>,
    /// Commits refused by injected faults from now on: each is decided by the front element.
    faults: VecDeque<Fault>,
    /// Whether it says that other processes write it too.
    shared: bool,
    /// Grows with every process: a store of an earlier one is no longer listened to.
    process: u64,
    /// So many reads from now on panic.
    panics: u32,
    /// Why the store of this process takes and tells nothing more.
    broken: Option<StoreError>,
}

/// A fault of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit does not happen, and says so.
    Refused,
    /// The commit happens, but its success is not told.
    AnswerLost,
    /// The commit does not happen, and the process gets nothing more from the store.
    Broken,
    /// The store panics.
    Panic,
}

impl MemoryDisk {
    /// `count` stores that begin as `empty`.
    pub fn new(empty: &Memory, count: usize) -> Self {
        let platter = || {
            let (live, durable) = (empty.clone(), empty.clone());
            let (log, faults) = (VecDeque::new(), VecDeque::new());
            Arc::new(Mutex::new(Platter { live, durable, log, faults, shared: false, process: 0, panics: 0, broken: None }))
        };
        MemoryDisk { platters: (0..count).map(|_| platter()).collect() }
    }

    /// Has a store say, from when it is opened next, that other processes write it too.
    pub fn share(&self, store: usize) {
        lock(&self.platters[store]).shared = true;
    }

    /// Has the next commit of a store fail.
    pub fn inject(&self, store: usize, fault: Fault) {
        lock(&self.platters[store]).faults.push_back(fault);
    }

    /// Has the next reads of a store panic.
    pub fn panic_on_reads(&self, store: usize, reads: u32) {
        lock(&self.platters[store]).panics = reads;
    }

    /// A copy of a store as the running process sees it.
    pub fn live(&self, store: usize) -> Memory {
        lock(&self.platters[store]).live.clone()
    }
}

impl Disk for MemoryDisk {
    fn stores(&self) -> usize {
        self.platters.len()
    }

    fn open(&mut self, store: usize) -> Result<Box<dyn Store>, StoreError> {
        let mut platter = lock(&self.platters[store]);
        platter.live = platter.durable.clone();
        platter.log.clear();
        platter.faults.clear();
        platter.panics = 0;
        platter.broken = None;
        platter.process += 1;
        Ok(Box::new(Head { process: platter.process, platter: self.platters[store].clone() }))
    }

    fn is_controlled(&self, _store: usize) -> bool {
        true
    }

    fn flush(&mut self, store: usize) {
        lock(&self.platters[store]).flush();
    }
}

impl Platter {
    fn flush(&mut self) -> bool {
        let Some((request, now)) = self.log.pop_front() else { return false };
        self.durable.commit(&request, now).expect("the same commits on the same data are accepted again");
        true
    }

    fn durable_version(&self) -> Version {
        self.durable.version()
    }

    fn works(&self) -> Result<(), StoreError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn wait_durable(&mut self, version: Version) -> Result<(), StoreError> {
        while self.durable_version() < version {
            self.works()?;
            if !self.flush() {
                return Err(StoreError { message: format!("there is no commit {version:?} to wait for"), transient: false });
            }
        }
        Ok(())
    }
}

/// The store of one process.
struct Head {
    process: u64,
    platter: Arc<Mutex<Platter>>,
}

impl Head {
    fn on<T>(&self, read: impl FnOnce(&Memory) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut platter = lock(&self.platter);
        if platter.panics > 0 {
            platter.panics -= 1;
            drop(platter);
            panic!("injected: a mistake in the machine");
        }
        platter.works()?;
        read(&platter.live)
    }
}

impl Store for Head {
    fn capabilities(&self) -> Capabilities {
        let platter = lock(&self.platter);
        Capabilities { durable: true, shared: platter.shared, ..platter.live.capabilities() }
    }

    fn version(&self) -> Version {
        lock(&self.platter).live.version()
    }

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError> {
        self.on(|store| store.presence(record))
    }

    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError> {
        self.on(|store| store.cell(record, cell))
    }

    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError> {
        self.on(|store| store.element(record, cell, key))
    }

    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError> {
        self.on(|store| store.unique(record, space, cell, value))
    }

    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError> {
        self.on(|store| store.scan(record, space, index))
    }

    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError> {
        self.on(Memory::spaces)
    }

    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError> {
        self.on(|store| store.dependents(key))
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError> {
        self.on(|store| store.received(event))
    }

    fn remembered(&self) -> Result<Vec<EventId>, StoreError> {
        self.on(Memory::remembered)
    }

    fn contents(&self) -> Result<State, StoreError> {
        self.on(Memory::contents)
    }

    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError> {
        self.on(Memory::outgoing)
    }

    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError> {
        self.on(|store| store.outgoing_by_id(event))
    }

    fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Committed, Refused> {
        let mut platter = lock(&self.platter);
        if platter.process != self.process {
            return Err(StoreError { message: "this process has ended".to_owned(), transient: false }.into());
        }
        platter.works()?;
        let fault = platter.faults.pop_front();
        let failing = || Refused::Store(StoreError { message: "injected fault".to_owned(), transient: true });
        match fault {
            None | Some(Fault::AnswerLost) => {}
            Some(Fault::Refused) => return Err(failing()),
            Some(Fault::Broken) => {
                let gone = StoreError { message: "injected: the disk is gone".to_owned(), transient: false };
                return Err(platter.broken.insert(gone).clone().into());
            }
            Some(Fault::Panic) => panic!("injected: a mistake in the store"),
        }
        let committed = platter.live.commit(request, now)?;
        platter.log.push_back((request.clone(), now));
        match fault {
            Some(_) => Err(failing()),
            None => Ok(committed),
        }
    }

    fn durable(&self) -> Result<Version, StoreError> {
        let platter = lock(&self.platter);
        platter.works().map(|()| platter.durable_version())
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        lock(&self.platter).wait_durable(version)
    }

    fn durability(&self) -> Arc<dyn Durability> {
        Arc::new(PlatterDurability(self.platter.clone()))
    }
}

struct PlatterDurability(Arc<Mutex<Platter>>);

impl Durability for PlatterDurability {
    fn durable(&self) -> Result<Version, StoreError> {
        let platter = lock(&self.0);
        platter.works().map(|()| platter.durable_version())
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        lock(&self.0).wait_durable(version)
    }

    fn notify(&self, _callback: Box<dyn Fn() + Send + Sync>) {}
}

/// Opens a store; called again after each death of the process, when the one before is closed.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Store>, StoreError>>;

/// Stores that keep their own data, such as files.
pub struct ReopenedDisk(Vec<Opener>);

impl ReopenedDisk {
    /// Each store is opened, and opened again after a crash, by its function.
    pub fn new(openers: Vec<Opener>) -> Self {
        ReopenedDisk(openers)
    }
}

impl Disk for ReopenedDisk {
    fn stores(&self) -> usize {
        self.0.len()
    }

    fn open(&mut self, store: usize) -> Result<Box<dyn Store>, StoreError> {
        (self.0[store])()
    }

    fn is_controlled(&self, _store: usize) -> bool {
        false
    }

    fn flush(&mut self, _store: usize) {}
}
