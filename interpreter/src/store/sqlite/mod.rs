//! A store in one SQLite file.
//!
//! # How it works
//! All data are in memory too, as a [`State`]: a commit is checked and applied there, and what it did is appended to the batch that gathers.
//! A batch is written as *one* row of a journal table, with one `fsync` (SQLite in WAL mode, `synchronous=FULL`); while one is being
//! written the next gathers, so that many commits share an `fsync`. In quiet moments, and when the journal has grown, its effects are
//! brought to the tables and its rows deleted, in one transaction. The file is always the tables and then the journal; opening brings
//! the journal to the tables and loads them. How much data a store can hold is thus limited by memory: about 300 bytes a record and 50 a
//! value beside the values themselves.
//!
//! # In the file
//! Anyone may read it meanwhile, with any SQLite tool. For each record type there is a view of its name (`SELECT * FROM Person`) with the
//! columns `_ref`, `_space`, `_id` and the cells; collections appear as JSON, and each has a view of its own, `"Person.members"`. The views
//! lay the journal over the tables: they show what is durable, all of it and nothing else. Values are as in JSON (see [`crate::json`], the
//! stored form), numbers and texts as SQLite's own. The tables behind begin with `_`: one a record type with a row a record, one a
//! collection cell with a row an element (so that an append costs the same in a list of ten and of a million), `_outbox` and `_inbox` for
//! events on their way and events received, `_deleted` for ids that are not given again, `_journal` ([`crate::store::format::effect`] says what its rows mean),
//! `_meta` with the schema, in which every name has an id of its own. The format has a number (`PRAGMA user_version`); a file with a newer
//! one is not opened.
//!
//! # Who may write
//! One process owns the file, by a lock on a file beside it (`….lock`) that ends with the process. A second one is told so: it reads
//! what the owner has made durable ([`Follower`]), and what it wants done it asks the owner for ([`requests`]). Should something else write to the file nevertheless, the store notices and stops.
//!
//! # When it goes wrong
//! A batch that cannot be written (a full disk, an I/O error) is the end: nothing more is committed or read, and every call says why. What was
//! reported as durable is in the file; what was committed and not yet durable may or may not be. A killed process loses what was not
//! durable and nothing else. What is damaged (a journal row whose checksum is wrong, a table that SQLite finds broken, a value that is
//! not of its type) is reported when the store is opened, and never mended silently.

mod carry;
mod definition;
mod follower;
mod glance;
mod import;
mod journal;
mod lock;
mod open;
pub mod requests;
mod rows;
mod tables;
#[cfg(test)]
pub(in crate::store) mod tests;
mod values;
mod views;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use patternc_program::{CellIndex, Program, RecordId};

pub use self::carry::carry_over;
pub use self::follower::Follower;
pub use self::glance::glance;
pub use self::import::Import;
use self::lock::Lock;
use self::open::Opened;
use self::writer::Shared;
use super::format::record::Recorder;
pub use super::format::{DefaultOf, Opening};
use super::state::State;
use super::{Capabilities, CommitRequest, Committed, Durability, Presence, ReadKey, Refused, Store, StoreError, Version};
use crate::event::{EventId, Outgoing, Received};
use crate::failure::{Failure, FailureKind};
use crate::value::{RecordRef, SpaceRef, Value};

/// A store in a file.
pub struct Sqlite {
    state: State,
    program: Arc<Program>,
    recorder: Recorder,
    /// The effects of one request; serves again.
    effects: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    knows_invariant_reads: bool,
    /// [`Limits::transaction_size`](crate::limits::Limits::transaction_size).
    transaction_size: usize,
    /// Given up last.
    _lock: Lock,
}

impl Sqlite {
    /// Opens the store at a path, or makes it. The folder is made as well.
    ///
    /// # Errors
    /// When another process owns the store, its format is newer, it is damaged, or the program does not fit its data.
    pub fn open(path: &Path, mut opening: Opening<'_>) -> Result<Sqlite, StoreError> {
        let Opened { lock, connection, tables, position, state, layout, loaded } = open::open(path, &mut opening)?;
        let failed = |what: String| StoreError { message: format!("cannot open {}: {what}", path.display()), transient: false };
        let shared = Arc::new(Shared::new(path, connection, tables, position, opening.quiet).map_err(|error| failed(error.to_string()))?);
        let recorder = Recorder::new(layout, loaded.positions, loaded.sent);
        let thread = {
            let shared = shared.clone();
            let builder = std::thread::Builder::new().name("patternc-store".to_owned());
            builder.spawn(move || shared.run()).map_err(|error| failed(error.to_string()))?
        };
        let knows_invariant_reads = state.is_empty();
        Ok(Sqlite {
            state,
            program: opening.program,
            recorder,
            effects: String::new(),
            shared,
            thread: Some(thread),
            knows_invariant_reads,
            transaction_size: opening.limits.transaction_size,
            _lock: lock,
        })
    }

    /// The contents of the store at a path as of its newest durable commit, as they are for a program: without owning the file, which another
    /// process may write meanwhile, and without changing it. All of it is tested for damage.
    ///
    /// # Errors
    /// When there is no store, its format is newer, it is damaged, or the program does not fit its data.
    pub fn look(path: &Path, mut opening: Opening<'_>) -> Result<State, StoreError> {
        open::look(path, &mut opening)
    }

    /// Who owns the store at this path now, as "the process 123"; `None`: nobody.
    pub fn owner(path: &Path) -> Option<String> {
        Lock::owner(path)
    }

    /// What is kept.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Makes everything durable, brings it to the tables and ends. Dropping the store does the same, without telling of a failure.
    ///
    /// # Errors
    /// When something could not be written: what was told as durable is.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.end();
        self.works()
    }

    fn end(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; what it left is as after a kill.
            let _ = thread.join();
        }
    }

    /// Whether the store still takes something.
    fn works(&self) -> Result<(), StoreError> {
        match self.shared.failure() {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.end();
    }
}

impl Store for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities { commits_across: true, durable: true, largest_batch: Some(self.transaction_size), shared: false }
    }

    fn version(&self) -> Version {
        self.state.version()
    }

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError> {
        self.works()?;
        Ok(self.state.presence(record))
    }

    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError> {
        self.works()?;
        Ok(self.state.cell(record, cell).cloned())
    }

    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError> {
        self.works()?;
        Ok(self.state.element(record, cell, key).cloned())
    }

    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError> {
        self.works()?;
        Ok(self.state.unique(record, space, cell, value).cloned())
    }

    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError> {
        self.works()?;
        Ok(self.state.scan(record, space, index))
    }

    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError> {
        self.works()?;
        Ok(self.state.spaces())
    }

    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError> {
        self.works()?;
        Ok(self.state.dependents(key))
    }

    fn knows_invariant_reads(&self) -> bool {
        self.knows_invariant_reads
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError> {
        self.works()?;
        Ok(self.state.received(event))
    }

    fn remembered(&self) -> Result<Vec<EventId>, StoreError> {
        self.works()?;
        Ok(self.state.remembered())
    }

    fn contents(&self) -> Result<State, StoreError> {
        self.works()?;
        Ok(self.state.clone())
    }

    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError> {
        self.works()?;
        Ok(self.state.outgoing().cloned().collect())
    }

    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError> {
        self.works()?;
        Ok(self.state.outgoing_by_id(event).cloned())
    }

    fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Committed, Refused> {
        self.works()?;
        self.state.validate(request)?;
        self.effects.clear();
        let has_effects = Recorder::has_effects(request);
        if has_effects {
            let unwritable = |message: String| Refused::Failed(Failure::new(FailureKind::Overflow, message));
            let size = self.recorder.prepare(&self.program, &self.state, request).map_err(|error| unwritable(error.to_string()))?;
            if size > self.transaction_size {
                return Err(unwritable(format!(
                    "the transaction writes {size} bytes; {} is the most (limit `transaction-size`): do it in several steps",
                    self.transaction_size
                )));
            }
        }
        let version = self.state.apply(request, now)?;
        let effects = if has_effects { self.recorder.record(&mut self.effects, &self.program, &self.state, request) } else { 0 };
        self.shared.gather(version, now, &self.effects, effects);
        Ok(Committed { version })
    }

    fn durable(&self) -> Result<Version, StoreError> {
        self.shared.durable()
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        self.shared.wait_durable(version)
    }

    fn durability(&self) -> Arc<dyn Durability> {
        self.shared.clone()
    }
}
