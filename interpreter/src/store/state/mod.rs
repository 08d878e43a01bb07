//! The state of a store in memory: records with the versions of their cells, indexes, outbox, inbox.
//!
//! [`State::validate`] says whether what a transaction read is still so; [`State::apply`] applies its writes, all or none. A store that keeps
//! a journal loads its tables with the `load…` functions, replays the journal with [`State::apply`], and writes a checkpoint from the
//! iterators.

mod apply;
mod copy;
mod inbox;
mod index;
mod readers;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use patternc_program::{CellIndex, Program, RecordId};
use rustc_hash::{FxBuildHasher, FxHashMap};

use self::apply::Scratch;
use self::inbox::Inbox;
pub use self::inbox::ReceivedEvent;
use self::index::Index;
use self::readers::{Readers, TableReaders};
use super::{Presence, ReadKey, StoreError, Version};
use crate::event::{EventId, Outgoing, Received};
use crate::limits::Limits;
use crate::value::{RecordRef, SpaceRef, Value};

/// The position of a record in its state. It is never given to another record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Handle(u32);

/// What the state needs to know of a program.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    records: Vec<RecordSchema>,
}

#[derive(Clone, Debug)]
struct RecordSchema {
    name: Box<str>,
    cells: Vec<CellSchema>,
    invariants: Vec<u32>,
    /// Whether any cell has an index.
    indexed: bool,
}

#[derive(Clone, Debug)]
struct CellSchema {
    name: Box<str>,
    unique: bool,
    indexed: bool,
}

impl Schema {
    /// The schema of the program's records.
    pub fn new(program: &Program) -> Self {
        let records = program.records.iter().map(|record| RecordSchema {
            name: record.name.as_str().into(),
            cells: record
                .cells
                .iter()
                .map(|cell| CellSchema { name: cell.name.as_str().into(), unique: cell.unique, indexed: cell.unique || cell.index })
                .collect(),
            invariants: record.invariants.iter().copied().filter(|&i| !program.invariants[i as usize].eventually).collect(),
            indexed: record.cells.iter().any(|cell| cell.unique || cell.index),
        });
        Schema { records: records.collect() }
    }
}

/// All records of a store, its outbox and its inbox.
#[derive(Debug)]
pub struct State {
    /// That of `by_ref`: states that share it have one.
    identity: Identity,
    schema: Arc<Schema>,
    /// Elements of one list, set or map.
    collection_length: usize,
    version: Version,
    entries: Vec<Entry>,
    // Changed only by records and spaces never spoken of: copies of the state share them until then.
    by_ref: Arc<HashMap<RecordRef, Handle, FxBuildHasher>>,
    tables: Vec<Table>,
    // Keys of spaces come from outside: the hash is one that nobody can aim at.
    table_of: Arc<HashMap<(RecordId, SpaceRef), u32>>,
    /// The order of the next record created.
    next_order: u64,
    /// By the order of creation, every record that is or was there: only for who follows the journal of others.
    by_order: Option<BTreeMap<u64, Handle>>,
    outbox: BTreeMap<u64, Arc<Outgoing>>,
    outbox_by_id: HashMap<EventId, u64>,
    next_sent: u64,
    inbox: Inbox,
    /// What the last evaluation of an invariant for a record read.
    invariant_reads: FxHashMap<(u32, Handle), Arc<[ReadKey]>>,
    scratch: Scratch,
}

/// Tells the tables of places of a process apart, so that a hint left in a reference by one state is not followed where it may be wrong.
#[derive(Clone, Copy, Debug)]
struct Identity(u32);

impl Identity {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // 0 means: leaves and follows no hints. It is all that is left when the numbers are used up.
        let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
        Identity(next.unwrap_or(0))
    }
}

/// A record that is, was, or is only spoken of.
#[derive(Debug)]
struct Entry {
    key: RecordRef,
    table: u32,
    presence: Presence,
    /// Its place in the order of creation.
    order: u64,
    cells: Box<[Cell]>,
    /// Invariants whose last evaluation read it.
    readers: Option<Box<Readers>>,
}

#[derive(Debug)]
struct Cell {
    value: Value,
    changed: Version,
}

/// The records of one type in one space.
#[derive(Debug)]
struct Table {
    space: SpaceRef,
    live: BTreeMap<u64, Handle>,
    /// How many were deleted.
    deleted: usize,
    /// When a record was created or deleted last.
    membership: Version,
    /// When each cell of any record changed last.
    changed: Box<[Version]>,
    /// By cell; only of indexed ones.
    indexes: Box<[Option<Index>]>,
    readers: TableReaders,
}

/// A record as it is stored.
pub struct StoredRecord<'a> {
    pub record: &'a RecordRef,
    /// Its place in the order of creation.
    pub order: u64,
    /// `None` of a deleted one: its id is not used again.
    pub cells: Option<StoredCells<'a>>,
}

/// The values of the stored cells in the order of the declaration.
#[derive(Clone)]
pub struct StoredCells<'a>(std::slice::Iter<'a, Cell>);

impl<'a> Iterator for StoredCells<'a> {
    type Item = &'a Value;

    fn next(&mut self) -> Option<&'a Value> {
        self.0.next().map(|cell| &cell.value)
    }
}

impl State {
    /// An empty state.
    pub fn new(schema: Arc<Schema>, limits: &Limits) -> Self {
        State {
            identity: Identity::new(),
            schema,
            collection_length: limits.collection_length,
            version: Version::default(),
            entries: Vec::new(),
            by_ref: Arc::default(),
            tables: Vec::new(),
            table_of: Arc::default(),
            next_order: 0,
            by_order: None,
            outbox: BTreeMap::new(),
            outbox_by_id: HashMap::new(),
            next_sent: 0,
            inbox: Inbox::default(),
            invariant_reads: FxHashMap::default(),
            scratch: Scratch::default(),
        }
    }

    /// The version of the newest commit.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Goes on counting from here: after loading a checkpoint.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Whether the record is there.
    pub fn presence(&self, record: &RecordRef) -> Presence {
        self.find(record).map_or(Presence::Never, |handle| self.entry(handle).presence)
    }

    /// The value of a cell of a live record.
    pub fn cell(&self, record: &RecordRef, cell: CellIndex) -> Option<&Value> {
        let entry = self.entry(self.find(record)?);
        // Only live records have cells.
        entry.cells.get(cell.index()).map(|cell| &cell.value)
    }

    /// The entry of a map cell, or the element itself of a set cell.
    pub fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Option<&Value> {
        match self.cell(record, cell)? {
            Value::Set(set) => set.get(key),
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The live record with this value in a unique cell. `none` is nobody's.
    pub fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Option<&RecordRef> {
        if *value == Value::None {
            return None;
        }
        let handle = self.table(record, space)?.indexes.get(cell.index())?.as_ref()?.first(value)?;
        Some(&self.entry(handle).key)
    }

    /// The live records of a type in a space, in the order of creation; with an index, only those of that value.
    pub fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Vec<RecordRef> {
        let Some(table) = self.table(record, space) else { return Vec::new() };
        let key = |handle: &Handle| self.entry(*handle).key.clone();
        match index {
            None => table.live.values().map(key).collect(),
            Some((cell, value)) => match table.indexes.get(cell.index()) {
                Some(Some(index)) => index.members(value).iter().map(key).collect(),
                // No index: the cell says it.
                _ => table.live.values().filter(|h| self.entry(**h).cells[cell.index()].value == *value).map(key).collect(),
            },
        }
    }

    /// The spaces that have live records, in their order.
    pub fn spaces(&self) -> Vec<SpaceRef> {
        let mut spaces: Vec<SpaceRef> =
            self.tables.iter().filter(|t| !t.live.is_empty() || t.deleted > 0).map(|t| t.space.clone()).collect();
        spaces.sort();
        spaces.dedup();
        spaces
    }

    /// What is known of an event received.
    pub fn received(&self, event: &EventId) -> Option<Received> {
        self.inbox.received(event).cloned()
    }

    /// Every outgoing event, in the order they were sent.
    pub fn outgoing(&self) -> impl Iterator<Item = &Arc<Outgoing>> {
        self.outbox.values()
    }

    /// The outgoing event of this id.
    pub fn outgoing_by_id(&self, event: &EventId) -> Option<&Arc<Outgoing>> {
        self.outbox.get(self.outbox_by_id.get(event)?)
    }

    /// Until when an event received is kept; `None`: until its sender has dealt with the outcome.
    pub fn received_until(&self, event: &EventId) -> Option<i64> {
        self.inbox.keep_until(event)
    }

    /// Events received from inside that are answered, and remembered until their senders have dealt with that. In no order.
    pub fn remembered(&self) -> Vec<EventId> {
        self.inbox.remembered().cloned().collect()
    }

    /// Every event received. In no order.
    pub fn inbox(&self) -> impl Iterator<Item = (&EventId, ReceivedEvent)> {
        self.inbox.iter()
    }

    /// Whether no record is or ever was there.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.presence == Presence::Never)
    }

    /// Every record that is or was there, in the order of creation.
    pub fn records(&self) -> impl Iterator<Item = StoredRecord<'_>> {
        let mut handles: Vec<&Entry> = self.entries.iter().filter(|e| e.presence != Presence::Never).collect();
        handles.sort_by_key(|entry| entry.order);
        handles.into_iter().map(Self::stored)
    }

    /// The live records of each type in each space, in the order of creation, with their cells.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (RecordId, &SpaceRef, impl Iterator<Item = (&RecordRef, StoredCells<'_>)>)> {
        self.table_of.iter().map(|((record, space), &table)| {
            let members = self.tables[table as usize].live.values().map(|&handle| {
                let entry = self.entry(handle);
                (&entry.key, StoredCells(entry.cells.iter()))
            });
            (*record, space, members)
        })
    }

    /// The record as it is stored; `None` if it never was.
    pub fn record(&self, record: &RecordRef) -> Option<StoredRecord<'_>> {
        let entry = self.entry(self.find(record)?);
        (entry.presence != Presence::Never).then(|| Self::stored(entry))
    }

    /// From now on finds records by their place in the order of creation. To be said before anything is loaded.
    pub fn keep_order(&mut self) {
        self.by_order.get_or_insert_default();
    }

    /// The record of this place in the order of creation, if [`State::keep_order`] was said.
    pub fn created(&self, order: u64) -> Option<&RecordRef> {
        self.by_order.as_ref()?.get(&order).map(|handle| &self.entry(*handle).key)
    }

    /// The place in the order of creation of the next record.
    pub fn next_order(&self) -> u64 {
        self.next_order
    }

    /// The record's place in the order of creation; `None` if it never was.
    pub fn order(&self, record: &RecordRef) -> Option<u64> {
        let entry = self.entry(self.find(record)?);
        (entry.presence != Presence::Never).then_some(entry.order)
    }

    fn stored(entry: &Entry) -> StoredRecord<'_> {
        let cells = (entry.presence == Presence::Live).then(|| StoredCells(entry.cells.iter()));
        StoredRecord { record: &entry.key, order: entry.order, cells }
    }

    /// What the last evaluation of each invariant read, as [`super::CommitRequest::invariant_reads`] takes it. In no order.
    pub fn invariant_reads(&self) -> impl Iterator<Item = (u32, &RecordRef, &[ReadKey])> {
        self.invariant_reads.iter().map(|((invariant, handle), reads)| (*invariant, &self.entry(*handle).key, &**reads))
    }

    /// Takes a record, or with `cells: None` a deleted one, from a checkpoint. `order`: its place in the order of creation.
    ///
    /// Fails when the record is there already, has another number of cells than its type, or a unique value is taken.
    pub fn load_record(&mut self, record: RecordRef, order: u64, cells: Option<Vec<Value>>) -> Result<(), StoreError> {
        let damaged = |what: String| Err(StoreError { message: what, transient: false });
        let Some(schema) = self.schema.records.get(record.record().index()) else {
            return damaged(format!("{record:?} is of a type that the program does not have"));
        };
        let expected = schema.cells.len();
        let handle = self.intern(&record);
        if self.entry(handle).presence != Presence::Never {
            return damaged(format!("{record:?} is stored twice"));
        }
        let changed = self.version;
        self.next_order = self.next_order.max(order + 1);
        if let Some(by_order) = &mut self.by_order {
            by_order.insert(order, handle);
        }
        let entry = &mut self.entries[handle.0 as usize];
        entry.order = order;
        let Some(cells) = cells else {
            entry.presence = Presence::Deleted;
            self.tables[entry.table as usize].deleted += 1;
            return Ok(());
        };
        if cells.len() != expected {
            return damaged(format!("{record:?} has {} cells, its type has {expected}", cells.len()));
        }
        entry.presence = Presence::Live;
        entry.cells = cells.into_iter().map(|value| Cell { value, changed }).collect();
        let table = &mut self.tables[entry.table as usize];
        if table.live.insert(order, handle).is_some() {
            return damaged(format!("two records are stored as the {order}th created"));
        }
        for (cell, index) in table.indexes.iter_mut().enumerate() {
            let Some(index) = index else { continue };
            if !index.insert(&entry.cells[cell].value, order, handle, changed) {
                return damaged(format!("the unique cell {} of {record:?} has a value that another has", cell));
            }
        }
        Ok(())
    }

    /// Leaves a place in the order of creation to a record of a checkpoint that is not taken.
    pub fn leave_out(&mut self, order: u64) {
        self.next_order = self.next_order.max(order + 1);
    }

    /// Takes an outgoing event from a checkpoint, in the order they were sent.
    pub fn load_outgoing(&mut self, outgoing: Arc<Outgoing>) {
        self.outbox_by_id.insert(outgoing.event.id.clone(), self.next_sent);
        self.outbox.insert(self.next_sent, outgoing);
        self.next_sent += 1;
    }

    /// Takes a received event from a checkpoint, in the order of `keep_until`.
    pub fn load_received(&mut self, id: EventId, event: ReceivedEvent) {
        self.inbox.load(id, event);
    }

    /// Takes from a checkpoint what an invariant read.
    pub fn load_invariant_reads(&mut self, invariant: u32, record: &RecordRef, reads: &[ReadKey]) {
        let handle = self.intern(record);
        self.remember_reads(invariant, handle, reads);
    }

    fn entry(&self, handle: Handle) -> &Entry {
        &self.entries[handle.0 as usize]
    }

    fn table(&self, record: RecordId, space: &SpaceRef) -> Option<&Table> {
        // Plain spaces clone without touching a counter.
        self.table_of.get(&(record, space.clone())).map(|&t| &self.tables[t as usize])
    }

    /// Where the record is, if it was ever spoken of. A reference remembers the answer, so that the next question costs no look-up.
    fn find(&self, record: &RecordRef) -> Option<Handle> {
        let hint = record.hint();
        if (hint >> 32) as u32 == self.identity.0 && hint != 0 {
            return Some(Handle(hint as u32));
        }
        let handle = *self.by_ref.get(record)?;
        self.leave_hint(record, handle);
        Some(handle)
    }

    fn leave_hint(&self, record: &RecordRef, handle: Handle) {
        if self.identity.0 != 0 {
            record.set_hint(u64::from(self.identity.0) << 32 | u64::from(handle.0));
        }
    }

    /// Where the record is; a place is made for one never spoken of.
    fn intern(&mut self, record: &RecordRef) -> Handle {
        if let Some(handle) = self.find(record) {
            return handle;
        }
        let table = self.intern_table(record.record(), record.space());
        let handle = Handle(u32::try_from(self.entries.len()).expect("fewer than 2^32 records fit in memory"));
        self.entries.push(Entry { key: record.clone(), table, presence: Presence::Never, order: 0, cells: Box::default(), readers: None });
        if Arc::get_mut(&mut self.by_ref).is_none() {
            // From here on the table is another than that of the copies.
            self.identity = Identity::new();
        }
        Arc::make_mut(&mut self.by_ref).insert(record.clone(), handle);
        self.leave_hint(record, handle);
        handle
    }

    fn intern_table(&mut self, record: RecordId, space: &SpaceRef) -> u32 {
        let key = (record, space.clone());
        if let Some(&table) = self.table_of.get(&key) {
            return table;
        }
        let cells = self.schema.records.get(record.index()).map_or(&[][..], |r| &r.cells);
        let table = u32::try_from(self.tables.len()).expect("fewer than 2^32 tables fit in memory");
        self.tables.push(Table {
            space: space.clone(),
            live: BTreeMap::new(),
            deleted: 0,
            membership: Version::default(),
            changed: vec![Version::default(); cells.len()].into(),
            indexes: cells.iter().map(|cell| cell.indexed.then(|| Index::new(cell.unique))).collect(),
            readers: TableReaders::default(),
        });
        Arc::make_mut(&mut self.table_of).insert(key, table);
        table
    }

    /// "Person \"ada\"" for messages.
    fn describe(&self, record: &RecordRef) -> String {
        let name = self.schema.records.get(record.record().index()).map_or("record", |r| &r.name);
        format!("{name} \"{}\"", record.id())
    }

    /// "Person \"ada\".members" for messages.
    fn describe_cell(&self, record: &RecordRef, cell: CellIndex) -> String {
        let name = self.schema.records.get(record.record().index()).and_then(|r| r.cells.get(cell.index())).map_or("cell", |c| &c.name);
        format!("{}.{name}", self.describe(record))
    }
}
