//! The nursery of a transaction: what it read, what it would write.
//!
//! Reads go through to the store once and are remembered; writes stay here. An operation on a cell that nothing has looked at stays *blind*:
//! it is sent to the store as it is and commutes with those of others. Once the cell is looked at, its value is known here and every later
//! operation is applied to it at once. In the end, everything becomes one [`CommitRequest`].

mod delete;
mod inverse;
mod query;
mod savepoint;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use patternc_program::{Cell, CellIndex, Program, RecordId, SpaceId};
use rustc_hash::FxHashMap;

use self::savepoint::Undo;
use crate::attempt::Env;
use crate::event::{EventId, Outgoing};
use crate::failure::{Failure, FailureKind};
use crate::limits::Limits;
use crate::store::{CommitRequest, OutboxChange, Presence, Read, ReadKey, Seen, Store, StoreError, Stores, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// Why an attempt cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    Failure(Failure),
    Store(StoreError),
}

/// What may stop. Boxed, so that the good result stays small.
pub(crate) type Run<T> = Result<T, Box<Stop>>;

impl From<StoreError> for Box<Stop> {
    fn from(error: StoreError) -> Self {
        Box::new(Stop::Store(error))
    }
}

impl From<Failure> for Box<Stop> {
    fn from(failure: Failure) -> Self {
        Box::new(Stop::Failure(failure))
    }
}

/// Stops with a failure of this kind.
#[cold]
pub(crate) fn fail<T>(kind: FailureKind, message: impl Into<Arc<str>>) -> Run<T> {
    Err(Failure::new(kind, message).into())
}

/// No position in a list.
const NOWHERE: u32 = u32::MAX;

/// From this many on, touched records are found by hashing.
const MANY: usize = 12;

/// A running transaction.
pub(crate) struct Transaction<'a> {
    program: &'a Program,
    stores: &'a Stores,
    limits: &'a Limits,
    /// The store of the space written, with its index: its reads are validated at commit. Without one, nothing is.
    home: Option<(usize, &'a dyn Store)>,
    /// The space of the running handler's record.
    writer: Option<SpaceRef>,
    /// Other plain spaces that may be written.
    across: &'a [SpaceId],
    /// Reads that a query covers: cells of this record.
    covers: Vec<(RecordRef, &'a [CellIndex])>,
    /// Gathers what an invariant reads.
    trace: Option<Vec<ReadKey>>,
    nursery: Box<Nursery>,
}

/// Lists that serve one transaction after another.
#[derive(Debug, Default)]
pub(crate) struct Nursery {
    records: Vec<TouchedRecord>,
    /// Of `records`, once they are many.
    by_ref: FxHashMap<RecordRef, u32>,
    cells: Vec<TouchedCell>,
    /// Positions in `records`, in the order of creation.
    created: Vec<u32>,
    uniques: HashMap<UniqueKey, UniqueValue>,
    /// For each write: the blind operation on the same cell before it.
    chain: Vec<u32>,
    undo: Vec<Undo>,
    savepoints: u32,
    /// The request in the making: its reads, writes and outgoing events.
    request: CommitRequest,
    /// `return send`: the event that decides the answer.
    deferred: Option<EventId>,
}

/// A value of a unique cell in a space.
type UniqueKey = (RecordId, CellIndex, SpaceRef, Value);

/// Who has a value of a unique cell.
#[derive(Debug, Default)]
struct UniqueValue {
    /// In the store, once it was asked.
    stored: Option<Option<RecordRef>>,
    /// The last record of this transaction that was given it. Whether it has it still, its cell says.
    claimed: Option<RecordRef>,
}

/// A record that the transaction has to do with.
#[derive(Debug)]
struct TouchedRecord {
    hash: u64,
    record: RecordRef,
    state: RecordState,
    /// Whether the store of the space written keeps it: its reads are validated.
    validated: bool,
    /// Whether its space may be written; unknown before the first write.
    open: bool,
    /// The first of its touched cells.
    cells: u32,
}

/// Whether a record is there, as far as the transaction knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordState {
    Unknown,
    /// In the store; a read says so.
    Live,
    /// Not in the store; a read says so.
    Absent,
    Created,
    /// By this transaction.
    Deleted,
}

/// A cell that the transaction has to do with.
#[derive(Debug)]
struct TouchedCell {
    /// The next touched cell of the record.
    next: u32,
    cell: CellIndex,
    /// The newest blind operation, as a position in the writes.
    last_blind: u32,
    written: bool,
    /// The value as the transaction sees it, once it is known.
    current: Option<Value>,
    /// Elements and entries as the transaction sees them, while the whole value is not known.
    elements: Option<BTreeMap<Value, Option<Value>>>,
}

impl Nursery {
    /// Takes the emptied lists of a request.
    pub(crate) fn reuse(&mut self, request: CommitRequest) {
        self.request = request;
    }

    fn clear(&mut self) {
        self.records.clear();
        self.by_ref.clear();
        self.cells.clear();
        self.created.clear();
        self.uniques.clear();
        self.chain.clear();
        self.undo.clear();
        self.savepoints = 0;
        self.deferred = None;
    }
}

impl<'a> Transaction<'a> {
    /// A transaction that may write the space, and `across`. Without a space it only reads.
    pub(crate) fn new(env: &Env<'a>, writer: Option<SpaceRef>, across: &'a [SpaceId], mut nursery: Box<Nursery>) -> Self {
        nursery.clear();
        let home = writer.as_ref().map(|space| {
            let place = env.stores.place(space);
            (place, env.stores.get(place))
        });
        if let Some((_, store)) = home {
            nursery.request.snapshot = store.version();
        }
        let (program, stores, limits) = (env.program, env.stores, env.limits);
        Transaction { program, stores, limits, home, writer, across, covers: Vec::new(), trace: None, nursery }
    }

    /// The request of the transaction, and the event that decides its answer. The lists go back to serve the next one.
    pub(crate) fn finish(mut self) -> (CommitRequest, Option<EventId>, Box<Nursery>) {
        let mut request = std::mem::take(&mut self.nursery.request);
        if !request.writes.is_empty() {
            let mut spaces = std::mem::take(&mut request.spaces);
            spaces.clear();
            for record in self.nursery.records.iter().filter(|record| record.open) {
                if !spaces.contains(record.record.space()) {
                    spaces.push(record.record.space().clone());
                }
            }
            request.spaces = spaces;
        }
        (request, self.nursery.deferred.take(), self.nursery)
    }

    /// What was read, when the transaction failed.
    pub(crate) fn abandon(mut self) -> (Vec<Read>, Box<Nursery>) {
        let reads = std::mem::take(&mut self.nursery.request.reads);
        let request = &mut self.nursery.request;
        request.writes.clear();
        request.outbox.clear();
        request.invariant_reads.clear();
        (reads, self.nursery)
    }

    /// Stores an outgoing event with the transaction. `answers`: its outcome is the outcome of the running event.
    pub(crate) fn send(&mut self, outgoing: Outgoing, answers: bool) {
        if answers {
            self.nursery.deferred = Some(outgoing.event.id.clone());
        }
        self.nursery.request.outbox.push(OutboxChange::Add(Arc::new(outgoing)));
    }

    /// What the transaction does depends on these reads as well.
    pub(crate) fn depend(&mut self, reads: Vec<Read>) {
        self.nursery.request.reads.extend(reads);
    }

    /// The transaction's writes so far.
    pub(crate) fn writes(&self) -> &[Write] {
        &self.nursery.request.writes
    }

    /// What it commits so far.
    pub(crate) fn request(&self) -> &CommitRequest {
        &self.nursery.request
    }

    /// The invariants and records whose last evaluation read this.
    pub(crate) fn dependents(&self, key: &ReadKey) -> Run<Vec<(u32, RecordRef)>> {
        match self.home {
            Some((_, store)) => Ok(store.dependents(key)?),
            None => Ok(Vec::new()),
        }
    }

    /// Begins to gather what is read.
    pub(crate) fn begin_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// What was read since, each once.
    pub(crate) fn end_trace(&mut self) -> Vec<ReadKey> {
        let trace = self.trace.take().unwrap_or_default();
        let unique: indexmap::IndexSet<ReadKey> = trace.into_iter().collect();
        unique.into_iter().collect()
    }

    /// What the evaluation of an invariant read replaces what was remembered.
    pub(crate) fn remember(&mut self, invariant: u32, record: RecordRef, reads: Vec<ReadKey>) {
        self.nursery.request.invariant_reads.push((invariant, record, reads));
    }

    /// Until [`Transaction::uncover`], these cells of the record are covered by a query.
    pub(crate) fn cover(&mut self, record: RecordRef, cells: &'a [CellIndex]) {
        self.covers.push((record, cells));
    }

    /// Ends the newest [`Transaction::cover`].
    pub(crate) fn uncover(&mut self) {
        self.covers.pop();
    }

    /// The whole value of a cell.
    ///
    /// # Errors
    /// `missing` if the record is not there.
    pub(crate) fn cell(&mut self, record: &RecordRef, cell: CellIndex) -> Run<Value> {
        if let Some(value) = self.covered(record, cell)? {
            return Ok(value);
        }
        let at = self.touch(record);
        self.cell_at(at, cell)
    }

    fn cell_at(&mut self, at: usize, cell: CellIndex) -> Run<Value> {
        let slot = self.known(at, cell)?;
        Ok(self.nursery.cells[slot].current.clone().expect("known cells have a value"))
    }

    /// The position of the cell, whose value is known from here on.
    fn known(&mut self, at: usize, cell: CellIndex) -> Run<usize> {
        let state = self.nursery.records[at].state;
        if matches!(state, RecordState::Absent | RecordState::Deleted) {
            return self.missing(at);
        }
        if let Some(trace) = &mut self.trace {
            trace.push(ReadKey::Cell(self.nursery.records[at].record.clone(), cell));
        }
        let slot = self.touch_cell(at, cell);
        if self.nursery.cells[slot].current.is_some() {
            return Ok(slot);
        }
        if state == RecordState::Created {
            let record = self.describe(&self.nursery.records[at].record);
            let name = self.declaration(at, cell).name;
            return fail(FailureKind::Missing, format!("{record}.{name} is read before it has a value"));
        }
        let touched = &mut self.nursery.records[at];
        let store = self.home.filter(|_| touched.validated).map_or_else(|| self.stores.of(touched.record.space()), |(_, store)| store);
        let Some(mut value) = store.cell(&touched.record, cell)? else {
            touched.state = RecordState::Absent;
            if self.home.is_some() {
                let key = ReadKey::Exists(touched.record.clone());
                self.nursery.request.reads.push(Read { key, seen: Seen::Value(None) });
            }
            return self.missing(at);
        };
        touched.state = RecordState::Live;
        if self.home.is_some() {
            let key = ReadKey::Cell(touched.record.clone(), cell);
            self.nursery.request.reads.push(Read { key, seen: Seen::Unchanged });
        }
        self.apply_blind(slot, &mut value)?;
        let touched = &mut self.nursery.cells[slot];
        touched.current = Some(value);
        touched.elements = None;
        Ok(slot)
    }

    /// The entry of a map cell, or the element of a set cell: only it is read.
    ///
    /// # Errors
    /// `missing` if the record is not there.
    pub(crate) fn element(&mut self, record: &RecordRef, cell: CellIndex, key: &Value) -> Run<Option<Value>> {
        let pick = |value: &Value| match value {
            Value::Set(set) => set.get(key).cloned(),
            Value::Map(map) => map.get(key).cloned(),
            _ => None,
        };
        if let Some(value) = self.covered(record, cell)? {
            return Ok(pick(&value));
        }
        let at = self.touch(record);
        self.live(at)?;
        let slot = self.touch_cell(at, cell);
        let touched = &self.nursery.cells[slot];
        if let Some(trace) = &mut self.trace {
            trace.push(ReadKey::Element(record.clone(), cell, key.clone()));
        }
        if let Some(current) = &touched.current {
            return Ok(pick(current));
        }
        if let Some(known) = touched.elements.as_ref().and_then(|elements| elements.get(key)) {
            return Ok(known.clone());
        }
        if self.nursery.records[at].state == RecordState::Created {
            return self.known(at, cell).map(|_| None);
        }
        let found = self.store_of(at).element(record, cell, key)?;
        if self.home.is_some() {
            let seen = Seen::Value(found.clone());
            self.nursery.request.reads.push(Read { key: ReadKey::Element(record.clone(), cell, key.clone()), seen });
        }
        self.nursery.cells[slot].elements.get_or_insert_default().insert(key.clone(), found.clone());
        Ok(found)
    }

    /// Whether the record is there.
    pub(crate) fn exists(&mut self, record: &RecordRef) -> Run<bool> {
        let at = self.touch(record);
        self.exists_at(at)
    }

    fn exists_at(&mut self, at: usize) -> Run<bool> {
        if let Some(trace) = &mut self.trace {
            trace.push(ReadKey::Exists(self.nursery.records[at].record.clone()));
        }
        let touched = &self.nursery.records[at];
        if touched.state == RecordState::Unknown {
            let live = self.store_of(at).presence(&touched.record)? == Presence::Live;
            let touched = &mut self.nursery.records[at];
            touched.state = if live { RecordState::Live } else { RecordState::Absent };
            if self.home.is_some() {
                let seen = Seen::Value(live.then_some(Value::Bool(true)));
                self.nursery.request.reads.push(Read { key: ReadKey::Exists(touched.record.clone()), seen });
            }
        }
        Ok(matches!(self.nursery.records[at].state, RecordState::Live | RecordState::Created))
    }

    /// Fails `missing` unless the record is there.
    pub(crate) fn require_live(&mut self, record: &RecordRef) -> Run<()> {
        let at = self.touch(record);
        self.live(at)
    }

    fn live(&mut self, at: usize) -> Run<()> {
        let state = self.nursery.records[at].state;
        if matches!(state, RecordState::Live | RecordState::Created) || self.exists_at(at)? { Ok(()) } else { self.missing(at) }
    }

    /// The value, if a query covers the read and the transaction has not changed the cell.
    fn covered(&mut self, record: &RecordRef, cell: CellIndex) -> Run<Option<Value>> {
        if self.covers.is_empty() || !self.covers.iter().rev().any(|(covered, cells)| covered == record && cells.contains(&cell)) {
            return Ok(None);
        }
        if let Some(at) = self.find(record)
            && (self.nursery.records[at].state == RecordState::Created || self.find_cell(at, cell).is_some())
        {
            return Ok(None);
        }
        Ok(self.stores.of(record.space()).cell(record, cell)?)
    }

    #[cold]
    fn missing<T>(&self, at: usize) -> Run<T> {
        let touched = &self.nursery.records[at];
        let name = self.describe(&touched.record);
        let was = if touched.state == RecordState::Deleted { "was deleted in this transaction" } else { "is not there" };
        fail(FailureKind::Missing, format!("{name} {was}"))
    }

    fn store_of(&self, at: usize) -> &'a dyn Store {
        let touched = &self.nursery.records[at];
        match self.home {
            Some((_, store)) if touched.validated => store,
            _ => self.stores.of(touched.record.space()),
        }
    }

    /// Whether reads of the space are validated at commit.
    fn validates(&self, space: &SpaceRef) -> bool {
        self.home.is_some_and(|(place, _)| self.stores.len() == 1 || self.stores.place(space) == place)
    }

    fn find(&self, record: &RecordRef) -> Option<usize> {
        if self.nursery.records.len() > MANY {
            return self.nursery.by_ref.get(record).map(|&at| at as usize);
        }
        let hash = record.hash_code();
        self.nursery.records.iter().position(|touched| touched.hash == hash && touched.record == *record)
    }

    /// The position of the record among the touched ones.
    fn touch(&mut self, record: &RecordRef) -> usize {
        if let Some(at) = self.find(record) {
            return at;
        }
        let validated = self.validates(record.space());
        let nursery = &mut self.nursery;
        let at = nursery.records.len();
        nursery.records.push(TouchedRecord {
            hash: record.hash_code(),
            record: record.clone(),
            state: RecordState::Unknown,
            validated,
            open: false,
            cells: NOWHERE,
        });
        if nursery.records.len() > MANY {
            if nursery.by_ref.is_empty() {
                nursery.by_ref.extend(nursery.records.iter().enumerate().map(|(at, touched)| (touched.record.clone(), at as u32)));
            } else {
                nursery.by_ref.insert(record.clone(), at as u32);
            }
        }
        at
    }

    fn find_cell(&self, at: usize, cell: CellIndex) -> Option<usize> {
        let mut next = self.nursery.records[at].cells;
        while next != NOWHERE {
            let touched = &self.nursery.cells[next as usize];
            if touched.cell == cell {
                return Some(next as usize);
            }
            next = touched.next;
        }
        None
    }

    /// The position of the cell among the touched ones.
    fn touch_cell(&mut self, at: usize, cell: CellIndex) -> usize {
        if let Some(slot) = self.find_cell(at, cell) {
            return slot;
        }
        let nursery = &mut self.nursery;
        let slot = nursery.cells.len();
        let next = std::mem::replace(&mut nursery.records[at].cells, slot as u32);
        nursery.cells.push(TouchedCell { next, cell, last_blind: NOWHERE, written: false, current: None, elements: None });
        slot
    }

    fn declaration(&self, at: usize, cell: CellIndex) -> &'a Cell {
        &self.program.record(self.nursery.records[at].record.record()).cells[cell.index()]
    }

    /// "Person \"ada\"" for messages.
    pub(crate) fn describe(&self, record: &RecordRef) -> String {
        format!("{} \"{}\"", self.program.record(record.record()).name, record.id())
    }

    /// "home" or "user[\"ann\"]" for messages.
    pub(crate) fn describe_space(&self, space: &SpaceRef) -> String {
        crate::machine::text::space(self.program, space)
    }
}
