//! A store in a file that another process owns, for reading: it has what that has made durable.
//!
//! It is read anew, whole, when the file has changed since: no page of it is changed here, and nothing keeps the owner waiting.

use std::path::Path;
use std::sync::Arc;

use patternc_program::{CellIndex, RecordId};
use rusqlite::{Connection, OpenFlags};

use crate::event::{EventId, Outgoing, Received};
use crate::store::memory::Memory;
use crate::store::state::State;
use crate::store::{Capabilities, CommitRequest, Committed, Durability, News, Presence, ReadKey, Refused, Store, StoreError, Version};
use crate::value::{RecordRef, SpaceRef, Value};

/// Reads what the file keeps now: [`super::Sqlite::look`].
pub type Look = Box<dyn FnMut() -> Result<State, StoreError> + Send>;

/// See the module's documentation.
pub struct Follower {
    /// As of the newest look.
    seen: Memory,
    look: Look,
    /// Tells whether others have written to the file.
    connection: Connection,
    shown: String,
    /// What SQLite counted before the newest look.
    changes: i64,
    /// What was known before is to be found anew.
    news: bool,
}

impl Follower {
    /// Follows the owner of the store at a path.
    ///
    /// # Errors
    /// When it cannot be read, or the program does not fit its data.
    pub fn open(path: &Path, mut look: Look) -> Result<Follower, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let shown = path.display().to_string();
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(super::open::BUSY)?;
            let changes = changes(&connection)?;
            Ok((connection, changes))
        });
        let (connection, changes) = opened.map_err(|error| unreadable(&shown, &error))?;
        Ok(Follower { seen: Memory::with_state(look()?), look, connection, shown, changes, news: false })
    }
}

/// Grows with every commit of another connection.
fn changes(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn unreadable(shown: &str, error: &rusqlite::Error) -> StoreError {
    StoreError { message: format!("cannot read {shown}: {error}"), transient: true }
}

impl Store for Follower {
    fn capabilities(&self) -> Capabilities {
        Capabilities { shared: true, ..self.seen.capabilities() }
    }

    fn version(&self) -> Version {
        self.seen.version()
    }

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError> {
        self.seen.presence(record)
    }

    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError> {
        self.seen.cell(record, cell)
    }

    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError> {
        self.seen.element(record, cell, key)
    }

    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError> {
        self.seen.unique(record, space, cell, value)
    }

    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError> {
        self.seen.scan(record, space, index)
    }

    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError> {
        self.seen.spaces()
    }

    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError> {
        self.seen.dependents(key)
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError> {
        self.seen.received(event)
    }

    fn remembered(&self) -> Result<Vec<EventId>, StoreError> {
        self.seen.remembered()
    }

    fn contents(&self) -> Result<State, StoreError> {
        self.seen.contents()
    }

    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError> {
        self.seen.outgoing()
    }

    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError> {
        self.seen.outgoing_by_id(event)
    }

    fn refresh(&mut self) -> Result<(), StoreError> {
        // Before the look: what is written meanwhile is looked at the next time.
        let changes = changes(&self.connection).map_err(|error| unreadable(&self.shown, &error))?;
        if changes != self.changes {
            self.seen = Memory::with_state((self.look)()?);
            self.changes = changes;
            self.news = true;
        }
        Ok(())
    }

    fn news(&mut self) -> Option<News> {
        std::mem::take(&mut self.news).then(|| News { lost: true, ..News::default() })
    }

    fn is_elsewhere(&self, _event: &EventId) -> bool {
        true
    }

    fn commit(&mut self, _request: &CommitRequest, _now: i64) -> Result<Committed, Refused> {
        let message = format!("{} is only read here: the process that owns it writes it", self.shown);
        Err(Refused::Store(StoreError { message, transient: false }))
    }

    fn durable(&self) -> Result<Version, StoreError> {
        self.seen.durable()
    }

    fn wait_durable(&self, version: Version) -> Result<(), StoreError> {
        self.seen.wait_durable(version)
    }

    fn durability(&self) -> Arc<dyn Durability> {
        self.seen.durability()
    }
}
