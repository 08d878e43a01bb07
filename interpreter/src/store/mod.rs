//! Where spaces are kept, behind one primitive: [`Store::commit`], all or nothing.
//!
//! Everything durable goes through [`CommitRequest`]: cells, outgoing events, received event ids, arms and their captures, timers. There is
//! one place to prove and one to attack.

pub mod archive;
#[cfg(test)]
mod conformance;
pub mod format;
pub mod memory;
pub mod postgres;
pub mod sqlite;
pub mod state;
mod stores;

use std::sync::Arc;

use patternc_program::{CellIndex, RecordId, Type};

use self::state::State;
pub use self::stores::{Placement, Shard, Stores};
use crate::event::{EventId, Outgoing, OutgoingState, Received};
use crate::failure::Failure;
use crate::value::{RecordRef, SpaceRef, Value};

/// A number that grows with every commit of a store. What was read is out of date when its version is newer than the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

/// One transaction, whole.
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// The state that all reads saw: while it is still the newest, none of them is out of date.
    pub snapshot: Version,
    /// The space it writes; more than one only for `across`. Empty when it only reads or only books events.
    pub spaces: Vec<SpaceRef>,
    /// Refused if any of it is out of date.
    pub reads: Vec<Read>,
    /// In the order they were made.
    pub writes: Vec<Write>,
    /// Values of unique cells that come or go by them, where invariants may have asked for one.
    pub unique_changes: Vec<ReadKey>,
    pub outbox: Vec<OutboxChange>,
    pub inbox: Vec<InboxChange>,
    /// What each invariant read when it was evaluated in this transaction: replaces what was remembered for the pair.
    pub invariant_reads: Vec<(u32, RecordRef, Vec<ReadKey>)>,
}

impl CommitRequest {
    /// What an invariant can have read that the writes change.
    pub(crate) fn changed(&self) -> impl Iterator<Item = ReadKey> {
        let membership =
            |record: &RecordRef| ReadKey::Query { record: record.record(), space: record.space().clone(), cells: Vec::new(), index: None };
        let queried = |record: &RecordRef, cell: CellIndex| ReadKey::Query {
            record: record.record(),
            space: record.space().clone(),
            cells: vec![cell],
            index: None,
        };
        let of_writes = self.writes.iter().flat_map(move |write| match write {
            Write::Create { record, .. } | Write::Delete { record } => [ReadKey::Exists(record.clone()), membership(record)],
            Write::Set { record, cell, .. }
            | Write::AddInt { record, cell, .. }
            | Write::Append { record, cell, .. }
            | Write::RemoveFirst { record, cell, .. } => [ReadKey::Cell(record.clone(), *cell), queried(record, *cell)],
            Write::Insert { record, cell, value: key }
            | Write::Remove { record, cell, value: key }
            | Write::SetEntry { record, cell, key, .. }
            | Write::RemoveEntry { record, cell, key } => [ReadKey::Element(record.clone(), *cell, key.clone()), queried(record, *cell)],
        });
        of_writes.chain(self.unique_changes.iter().cloned())
    }
}

/// Something a transaction depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub key: ReadKey,
    pub seen: Seen,
}

/// What was read, at the grain of conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReadKey {
    /// Whether the record is there.
    Exists(RecordRef),
    /// The whole value of a cell, and that the record is there.
    Cell(RecordRef, CellIndex),
    /// An entry of a map cell, or an element of a set cell.
    Element(RecordRef, CellIndex, Value),
    /// Which record has this value in a unique cell.
    Unique(RecordId, SpaceRef, CellIndex, Value),
    /// The records of a type in a space: the cells the condition read, and the value of an indexed cell if it asked for one. Out of date
    /// when a record was created or deleted (of that value, if any), or such a cell of one of them changed.
    Query { record: RecordId, space: SpaceRef, cells: Vec<CellIndex>, index: Option<(CellIndex, Value)> },
}

/// What there was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Up to date while no commit newer than [`CommitRequest::snapshot`] touched it: cells and queries.
    Unchanged,
    /// Up to date while it is the same: existence (`Some(true)` or `None`), the element or entry (`None`: there is none), the reference of the
    /// holder of a unique value (`None`: nobody).
    Value(Option<Value>),
}

/// A change of the state. Blind operations are applied to the state at commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Every stored cell, in the order of the declaration.
    Create {
        record: RecordRef,
        cells: Vec<Value>,
    },
    Delete {
        record: RecordRef,
    },
    Set {
        record: RecordRef,
        cell: CellIndex,
        value: Value,
    },
    /// Overflow fails the commit.
    AddInt {
        record: RecordRef,
        cell: CellIndex,
        by: i64,
    },
    Append {
        record: RecordRef,
        cell: CellIndex,
        value: Value,
    },
    /// The first equal element of a list, nothing if there is none.
    RemoveFirst {
        record: RecordRef,
        cell: CellIndex,
        value: Value,
    },
    Insert {
        record: RecordRef,
        cell: CellIndex,
        value: Value,
    },
    /// An element of a set.
    Remove {
        record: RecordRef,
        cell: CellIndex,
        value: Value,
    },
    SetEntry {
        record: RecordRef,
        cell: CellIndex,
        key: Value,
        value: Value,
    },
    RemoveEntry {
        record: RecordRef,
        cell: CellIndex,
        key: Value,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum OutboxChange {
    Add(Arc<Outgoing>),
    /// Its outcome has been dealt with. Refused ([`Refused::Gone`]) if it is not there: someone else has dealt with it.
    Remove(EventId),
    /// Refused like [`OutboxChange::Remove`].
    Update(EventId, OutgoingState),
    /// Changes nothing; refused like [`OutboxChange::Remove`].
    Require(EventId),
}

#[derive(Clone, Debug, PartialEq)]
pub enum InboxChange {
    /// Refused ([`Refused::Duplicate`]) if the event is known already, unless it was deferred to an event that this request removes from
    /// the outbox: then this decides it, or defers it again.
    Record {
        event: EventId,
        received: Received,
        /// The type of the value, so that a store can write it down by names ([`crate::event::Action::result_type`]).
        ty: Type,
        /// Milliseconds since the epoch for outside events; internal ones are forgotten by the sender.
        keep_until: Option<i64>,
    },
    /// The sender has dealt with the outcome.
    Forget(EventId),
}

/// A commit that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the store's order. Durable once [`Store::durable`] has reached it.
    pub version: Version,
}

/// Why a commit was refused. Nothing of it remains.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// This read is out of date: run again.
    #[error("{0:?} changed meanwhile")]
    Stale(ReadKey),
    /// The event has been received before.
    #[error("the event was received before")]
    Duplicate(Received),
    /// An outgoing event that the request removes or changes is not there: its outcome has been dealt with before.
    #[error("the outgoing event has been dealt with before")]
    Gone(EventId),
    /// An operation cannot be applied: overflow, a length limit, a record that is not there, a unique value taken.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The store does not answer or is broken; whether the commit happened may be unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store itself failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What failed and what to do.
    pub message: String,
    /// Worth trying again later.
    pub transient: bool,
}

/// What a store can do. A type, so that a wrapper cannot lose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Commits several spaces at once: `across` is possible.
    pub commits_across: bool,
    /// Survives the end of the process.
    pub durable: bool,
    /// Bytes that one transaction may write, as the store counts them; `None`: no limit of its own. A larger one is refused with
    /// [`Refused::Failed`], and nothing of it remains.
    pub largest_batch: Option<usize>,
    /// Other processes write it as well: [`Store::begin`] and [`Store::news`] have something to do.
    pub shared: bool,
}

impl Write {
    /// The record that it changes.
    pub fn record(&self) -> &RecordRef {
        match self {
            Write::Create { record, .. }
            | Write::Delete { record }
            | Write::Set { record, .. }
            | Write::AddInt { record, .. }
            | Write::Append { record, .. }
            | Write::RemoveFirst { record, .. }
            | Write::Insert { record, .. }
            | Write::Remove { record, .. }
            | Write::SetEntry { record, .. }
            | Write::RemoveEntry { record, .. } => record,
        }
    }
}

/// Whether a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Never,
    Live,
    /// Its id is not used again.
    Deleted,
}

/// What other processes have done to a store.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// What was committed here and was not durable is lost. What was found in the store, or followed from it, has to be found anew.
    pub lost: bool,
    /// Events that others have sent: they deliver them.
    pub sent: Vec<Arc<Outgoing>>,
    /// Outgoing events whose state others have changed.
    pub changed: Vec<EventId>,
    /// Outgoing events that others have dealt with.
    pub removed: Vec<EventId>,
    /// Events that others have received, or answered.
    pub received: Vec<EventId>,
    /// Evaluations of invariants, whose reads are not known here ([`CommitRequest::invariant_reads`]).
    pub evaluated: Vec<(u32, RecordRef)>,
    /// Outgoing events of processes that are no more: whoever is there delivers them.
    pub orphaned: Vec<EventId>,
}

impl News {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.lost
            && self.sent.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.received.is_empty()
            && self.evaluated.is_empty()
            && self.orphaned.is_empty()
    }
}

/// A keeper of spaces. Reads give the state after the last commit; they are checked again at commit.
pub trait Store: Send {
    fn capabilities(&self) -> Capabilities;

    /// The version of the newest commit.
    fn version(&self) -> Version;

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError>;

    /// The value of a cell; `None` if the record is not there.
    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError>;

    /// The entry of a map cell, or the element itself of a set cell; `None` if there is none.
    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError>;

    /// The record with this value in a unique cell.
    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError>;

    /// The live records of a type in a space, in the order of creation; with an index, only those of that value.
    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError>;

    /// The spaces that have records, or had some.
    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError>;

    /// The invariants (by index) and records whose last evaluation read this, or something it is part of.
    ///
    /// Of a [`ReadKey::Query`] with `cells`: whose query read one of them. Without: whose query asked which records there are.
    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError>;

    /// Whether [`Store::dependents`] knows the evaluations of all live records. A store that was opened with data does not: then each
    /// invariant is to be evaluated for each live record of its type, and what it read committed, before anything else is.
    fn knows_invariant_reads(&self) -> bool {
        true
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError>;

    /// Events received from inside whose outcome is remembered until their senders have dealt with it: those that are answered.
    fn remembered(&self) -> Result<Vec<EventId>, StoreError>;

    /// All that is kept, as of one moment: for copies and audits.
    fn contents(&self) -> Result<State, StoreError>;

    /// Every outgoing event, in the order they were sent: what a start after a crash goes on with.
    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError>;

    /// The outgoing event of this id.
    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError>;

    /// Brings the state up to date, and keeps other processes from changing it until what is committed next becomes durable. It may end
    /// sooner; then the commit does the same. Nothing to do for a store of one process.
    ///
    /// # Errors
    /// Also when what was committed before was lost ([`News::lost`]).
    fn begin(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Brings the state up to date, for reading.
    fn refresh(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether others are known to have done something that the state does not have.
    fn is_behind(&self) -> bool {
        false
    }

    /// What others have done, as far as the state has it, since it was asked last.
    fn news(&mut self) -> Option<News> {
        None
    }

    /// Whether another process, which is alive, delivers this outgoing event.
    fn is_elsewhere(&self, _event: &EventId) -> bool {
        false
    }

    /// Says how this process fares to other processes that look at the store, until it says something else. Nobody looks so at a store of one
    /// process.
    fn report(&self, _text: &str) {}

    /// What it keeps, where all of that is in memory and nowhere else.
    fn in_memory(&self) -> Option<&State> {
        None
    }

    /// The same, to be replaced.
    fn in_memory_mut(&mut self) -> Option<&mut State> {
        None
    }

    /// Applies the request whole, or not at all. It is only borrowed, so that its lists can serve the next transaction.
    /// `now` (milliseconds since the epoch) is for forgetting old event ids.
    fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Committed, Refused>;

    /// Whether a commit is durable. Never blocks. Fails like [`Durability::is_durable`].
    fn is_durable(&self, version: Version) -> Result<bool, StoreError> {
        Ok(self.durable()? >= version)
    }

    /// The newest version that would survive the end of the process. Never blocks.
    fn durable(&self) -> Result<Version, StoreError>;

    /// Blocks until [`Store::durable`] has reached `version`.
    fn wait_durable(&self, version: Version) -> Result<(), StoreError>;

    /// The same for other threads, without the store.
    fn durability(&self) -> Arc<dyn Durability>;
}

/// How far a store's commits are durable, for threads that wait for it while others use the store.
pub trait Durability: Send + Sync {
    /// As [`Store::durable`].
    fn durable(&self) -> Result<Version, StoreError>;

    /// Whether a commit is durable.
    ///
    /// # Errors
    /// Transient when it is lost, or may be: a store that other processes share goes on without it.
    fn is_durable(&self, version: Version) -> Result<bool, StoreError> {
        Ok(self.durable()? >= version)
    }

    /// As [`Store::wait_durable`]. Fails like [`Durability::is_durable`].
    fn wait_durable(&self, version: Version) -> Result<(), StoreError>;

    /// As [`Store::is_behind`].
    fn is_behind(&self) -> bool {
        false
    }

    /// Calls back, on any thread, after [`Durability::durable`] has grown or the store has failed. A store that is durable at once never
    /// calls.
    fn notify(&self, callback: Box<dyn Fn() + Send + Sync>);
}
