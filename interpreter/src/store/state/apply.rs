//! Applying a request: all of it, or nothing.
//!
//! Every step that changes something notes how to take it back. A step that fails takes back all before it. Versions are given out only
//! when nothing can fail any more.

use std::sync::Arc;

use indexmap::IndexMap;
use patternc_program::CellIndex;
use rustc_hash::FxBuildHasher;

use super::inbox::InboxUndo;
use super::{Cell, Handle, State};
use crate::event::{EventId, Outgoing, OutgoingState};
use crate::failure::{Failure, FailureKind};
use crate::store::{CommitRequest, InboxChange, OutboxChange, Presence, Refused, StoreError, Version, Write};
use crate::value::{RecordRef, Value};

/// Lists that serve one request after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    undo: Vec<Undo>,
    /// Cells written.
    touched: Vec<(Handle, CellIndex)>,
    /// Records created or deleted.
    members: Vec<Handle>,
    /// Where each removal from a list found its element. Kept until the next request.
    removals: Vec<Option<usize>>,
    /// Indexed cells written, with the value they had before.
    reindex: IndexMap<(Handle, CellIndex), Option<Value>, FxBuildHasher>,
}

/// How to take back a step.
#[derive(Clone, Debug)]
enum Undo {
    Cell(Handle, CellIndex, Value),
    /// The last element of a list was added.
    Append(Handle, CellIndex),
    /// An element of a list was removed.
    RemoveFirst(Handle, CellIndex, usize, Value),
    /// An element of a set was added.
    Insert(Handle, CellIndex, Value),
    /// An element of a set was removed.
    Remove(Handle, CellIndex, Value),
    /// An entry of a map was another, or not there.
    Entry(Handle, CellIndex, Value, Option<Value>),
    Create(Handle),
    Delete(Handle, Box<[Cell]>),
    OutboxAdd(EventId),
    OutboxRemove(u64, Arc<Outgoing>),
    OutboxUpdate(u64, Arc<Outgoing>),
    Inbox(InboxUndo),
}

impl State {
    /// Validates and applies the request.
    pub fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Version, Refused> {
        self.validate(request)?;
        self.apply(request, now)
    }

    /// Applies the request without asking whether its reads are up to date, whole or not at all: what a journal's replay does. Gives its
    /// version. `now` (milliseconds since the epoch) is for forgetting old event ids.
    ///
    /// # Errors
    /// [`Refused::Duplicate`], [`Refused::Gone`]; [`Refused::Failed`] when an operation overflows, a record is missing, a collection is full
    /// or a unique value is taken.
    pub fn apply(&mut self, request: &CommitRequest, now: i64) -> Result<Version, Refused> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.removals.clear();
        let version = Version(self.version.0 + 1);
        let applied = self.apply_steps(request, &mut scratch).and_then(|()| self.reindex(&scratch.reindex, version));
        match &applied {
            Ok(()) => {
                self.version = version;
                self.date(&scratch, version);
                for &handle in &scratch.members {
                    self.forget_reads_of_deleted(handle);
                }
                for (invariant, record, reads) in &request.invariant_reads {
                    let handle = self.intern(record);
                    if self.entry(handle).presence == Presence::Live {
                        self.remember_reads(*invariant, handle, reads);
                    }
                }
                self.inbox.expire(now);
            }
            Err(_) => {
                while let Some(undo) = scratch.undo.pop() {
                    self.take_back(undo);
                }
            }
        }
        scratch.undo.clear();
        scratch.touched.clear();
        scratch.members.clear();
        scratch.reindex.clear();
        self.scratch = scratch;
        applied.map(|()| version)
    }

    /// Applies what another process has committed: its limits counted, not those here.
    pub fn replay(&mut self, request: &CommitRequest, now: i64) -> Result<Version, Refused> {
        let limit = std::mem::replace(&mut self.collection_length, usize::MAX);
        let applied = self.apply(request, now);
        self.collection_length = limit;
        applied
    }

    /// Where each [`Write::RemoveFirst`] of the request applied last found its element, in the order of the writes.
    pub fn removals(&self) -> &[Option<usize>] {
        &self.scratch.removals
    }

    fn apply_steps(&mut self, request: &CommitRequest, scratch: &mut Scratch) -> Result<(), Refused> {
        for change in &request.inbox {
            self.change_inbox(change, request, &mut scratch.undo)?;
        }
        for change in &request.outbox {
            self.change_outbox(change, &mut scratch.undo)?;
        }
        for write in &request.writes {
            self.write(write, scratch)?;
        }
        Ok(())
    }

    fn change_inbox(&mut self, change: &InboxChange, request: &CommitRequest, undo: &mut Vec<Undo>) -> Result<(), Refused> {
        match change {
            InboxChange::Record { event, received, ty, keep_until } => {
                let step = self.inbox.record(event, received, ty, *keep_until, |decider| removes(request, decider));
                undo.push(Undo::Inbox(step.map_err(Refused::Duplicate)?));
            }
            InboxChange::Forget(event) => {
                undo.extend(self.inbox.forget(event).map(Undo::Inbox));
            }
        }
        Ok(())
    }

    fn change_outbox(&mut self, change: &OutboxChange, undo: &mut Vec<Undo>) -> Result<(), Refused> {
        match change {
            OutboxChange::Add(outgoing) => {
                let id = &outgoing.event.id;
                if self.outbox_by_id.contains_key(id) {
                    let message = format!("the outgoing event {id:?} was added twice");
                    return Err(StoreError { message, transient: false }.into());
                }
                self.outbox_by_id.insert(id.clone(), self.next_sent);
                self.outbox.insert(self.next_sent, outgoing.clone());
                self.next_sent += 1;
                undo.push(Undo::OutboxAdd(id.clone()));
            }
            OutboxChange::Remove(id) => {
                let sent = self.outbox_by_id.remove(id).ok_or_else(|| Refused::Gone(id.clone()))?;
                let outgoing = self.outbox.remove(&sent).expect("what has an id in the outbox is in it");
                undo.push(Undo::OutboxRemove(sent, outgoing));
            }
            OutboxChange::Require(id) => {
                if !self.outbox_by_id.contains_key(id) {
                    return Err(Refused::Gone(id.clone()));
                }
            }
            OutboxChange::Update(id, state) => {
                let sent = *self.outbox_by_id.get(id).ok_or_else(|| Refused::Gone(id.clone()))?;
                let slot = self.outbox.get_mut(&sent).expect("what has an id in the outbox is in it");
                // A call that must not be repeated is begun once, whoever finds its event; what is parked is taken up again once.
                let expected = match state {
                    OutgoingState::Tried => matches!(slot.state, OutgoingState::Pending),
                    OutgoingState::Pending => matches!(slot.state, OutgoingState::Parked { .. }),
                    OutgoingState::Parked { .. } => true,
                };
                if !expected {
                    return Err(Refused::Gone(id.clone()));
                }
                let updated = Arc::new(Outgoing { state: state.clone(), ..Outgoing::clone(slot) });
                undo.push(Undo::OutboxUpdate(sent, std::mem::replace(slot, updated)));
            }
        }
        Ok(())
    }

    fn write(&mut self, write: &Write, scratch: &mut Scratch) -> Result<(), Refused> {
        match write {
            Write::Create { record, cells } => self.create(record, cells, scratch),
            Write::Delete { record } => {
                let handle = self.live(record)?;
                let entry = &mut self.entries[handle.0 as usize];
                let cells = std::mem::take(&mut entry.cells);
                entry.presence = Presence::Deleted;
                let order = entry.order;
                if self.schema.records[record.record().index()].indexed {
                    let table = &self.tables[entry.table as usize];
                    for (cell, _) in table.indexes.iter().enumerate().filter(|(_, index)| index.is_some()) {
                        let key = (handle, CellIndex(cell as u32));
                        scratch.reindex.entry(key).or_insert_with(|| Some(cells[cell].value.clone()));
                    }
                }
                let table = &mut self.tables[self.entries[handle.0 as usize].table as usize];
                table.live.remove(&order);
                table.deleted += 1;
                scratch.members.push(handle);
                scratch.undo.push(Undo::Delete(handle, cells));
                Ok(())
            }
            Write::AddInt { record, cell, by } => {
                let handle = self.live(record)?;
                let Value::Int(old) = *self.cell_of(handle, *cell)? else { return Err(self.mistyped(record, *cell)) };
                let Some(new) = old.checked_add(*by) else {
                    let message = format!("{} overflows: {old} + {by} does not fit an Int", self.describe_cell(record, *cell));
                    return Err(Failure::new(FailureKind::Overflow, message).into());
                };
                self.replace(handle, *cell, Value::Int(new), scratch);
                Ok(())
            }
            Write::Set { record, cell, value } => {
                let handle = self.live(record)?;
                self.cell_of(handle, *cell)?;
                self.room(record, *cell, value.element_count())?;
                self.replace(handle, *cell, value.clone(), scratch);
                Ok(())
            }
            Write::Append { record, cell, value } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::List(list) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                let len = list.len() + 1;
                Arc::make_mut(list).push_back(value.clone());
                scratch.undo.push(Undo::Append(handle, *cell));
                self.room(record, *cell, len)
            }
            Write::RemoveFirst { record, cell, value } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::List(list) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                let found = list.index_of(value);
                scratch.removals.push(found);
                if let Some(at) = found {
                    let old = Arc::make_mut(list).remove(at);
                    scratch.undo.push(Undo::RemoveFirst(handle, *cell, at, old));
                }
                Ok(())
            }
            Write::Insert { record, cell, value } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::Set(set) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                if set.contains(value) {
                    return Ok(());
                }
                let len = set.len() + 1;
                Arc::make_mut(set).insert(value.clone());
                scratch.undo.push(Undo::Insert(handle, *cell, value.clone()));
                self.room(record, *cell, len)
            }
            Write::Remove { record, cell, value } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::Set(set) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                if set.contains(value)
                    && let Some(old) = Arc::make_mut(set).remove(value)
                {
                    scratch.undo.push(Undo::Remove(handle, *cell, old));
                }
                Ok(())
            }
            Write::SetEntry { record, cell, key, value } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::Map(map) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                let map = Arc::make_mut(map);
                let old = map.insert(key.clone(), value.clone());
                let len = map.len();
                scratch.undo.push(Undo::Entry(handle, *cell, key.clone(), old));
                self.room(record, *cell, len)
            }
            Write::RemoveEntry { record, cell, key } => {
                let handle = self.prepare(record, *cell, scratch)?;
                let Value::Map(map) = self.cell_mut(handle, *cell) else { return Err(self.mistyped(record, *cell)) };
                if map.contains_key(key)
                    && let Some(old) = Arc::make_mut(map).remove(key)
                {
                    scratch.undo.push(Undo::Entry(handle, *cell, key.clone(), Some(old)));
                }
                Ok(())
            }
        }
    }

    fn create(&mut self, record: &RecordRef, cells: &[Value], scratch: &mut Scratch) -> Result<(), Refused> {
        let Some(schema) = self.schema.records.get(record.record().index()).filter(|schema| schema.cells.len() == cells.len()) else {
            let message = format!("{record:?} was created with {} cells, which its type does not have", cells.len());
            return Err(StoreError { message, transient: false }.into());
        };
        let indexed = schema.indexed;
        let handle = self.intern(record);
        let order = self.next_order;
        let entry = &mut self.entries[handle.0 as usize];
        if entry.presence != Presence::Never {
            let was = if entry.presence == Presence::Live { "there is a" } else { "there was a" };
            let message = format!("{was} {} already: give another id", self.describe(record));
            return Err(Failure::new(FailureKind::Rejected, message).into());
        }
        entry.presence = Presence::Live;
        entry.order = order;
        entry.cells = cells.iter().map(|value| Cell { value: value.clone(), changed: Version::default() }).collect();
        let table = entry.table as usize;
        self.tables[table].live.insert(order, handle);
        if let Some(by_order) = &mut self.by_order {
            by_order.insert(order, handle);
        }
        self.next_order += 1;
        scratch.members.push(handle);
        scratch.undo.push(Undo::Create(handle));
        if indexed {
            for (cell, _) in self.tables[table].indexes.iter().enumerate().filter(|(_, index)| index.is_some()) {
                scratch.reindex.entry((handle, CellIndex(cell as u32))).or_insert(None);
            }
        }
        for (cell, value) in cells.iter().enumerate() {
            self.room(record, CellIndex(cell as u32), value.element_count())?;
        }
        Ok(())
    }

    /// The record, which must be live.
    fn live(&self, record: &RecordRef) -> Result<Handle, Refused> {
        match self.find(record) {
            Some(handle) if self.entry(handle).presence == Presence::Live => Ok(handle),
            _ => Err(Failure::new(FailureKind::Missing, format!("{} is not there", self.describe(record))).into()),
        }
    }

    fn cell_of(&self, handle: Handle, cell: CellIndex) -> Result<&Value, Refused> {
        let entry = self.entry(handle);
        entry.cells.get(cell.index()).map(|c| &c.value).ok_or_else(|| self.mistyped(&entry.key, cell))
    }

    fn cell_mut(&mut self, handle: Handle, cell: CellIndex) -> &mut Value {
        &mut self.entries[handle.0 as usize].cells[cell.index()].value
    }

    /// The record of a cell that is about to be changed in place.
    fn prepare(&mut self, record: &RecordRef, cell: CellIndex, scratch: &mut Scratch) -> Result<Handle, Refused> {
        let handle = self.live(record)?;
        self.cell_of(handle, cell)?;
        self.note(handle, cell, scratch);
        Ok(handle)
    }

    fn replace(&mut self, handle: Handle, cell: CellIndex, value: Value, scratch: &mut Scratch) {
        self.note(handle, cell, scratch);
        let old = std::mem::replace(self.cell_mut(handle, cell), value);
        scratch.undo.push(Undo::Cell(handle, cell, old));
    }

    /// Notes that a cell is about to change.
    fn note(&self, handle: Handle, cell: CellIndex, scratch: &mut Scratch) {
        scratch.touched.push((handle, cell));
        let entry = self.entry(handle);
        if self.schema.records[entry.key.record().index()].cells[cell.index()].indexed {
            scratch.reindex.entry((handle, cell)).or_insert_with(|| Some(entry.cells[cell.index()].value.clone()));
        }
    }

    fn room(&self, record: &RecordRef, cell: CellIndex, len: usize) -> Result<(), Refused> {
        if len <= self.collection_length {
            return Ok(());
        }
        let message = format!(
            "{} would have {len} elements, the limit is {} (setting `collection-length`)",
            self.describe_cell(record, cell),
            self.collection_length
        );
        Err(Failure::new(FailureKind::Overflow, message).into())
    }

    fn mistyped(&self, record: &RecordRef, cell: CellIndex) -> Refused {
        let message = format!("{} does not hold what the operation needs", self.describe_cell(record, cell));
        StoreError { message, transient: false }.into()
    }

    /// Brings the indexes up to date, or leaves them as they were.
    fn reindex(&mut self, changes: &IndexMap<(Handle, CellIndex), Option<Value>, FxBuildHasher>, version: Version) -> Result<(), Refused> {
        if changes.is_empty() {
            return Ok(());
        }
        // First all old values out, then all new ones in: two records may exchange unique values.
        for (&(handle, cell), old) in changes {
            if let Some(old) = old {
                self.take_from_index(handle, cell, old, version);
            }
        }
        for (at, &(handle, cell)) in changes.keys().enumerate() {
            let entry = &self.entries[handle.0 as usize];
            let Some(value) = entry.cells.get(cell.index()).map(|c| &c.value) else { continue };
            let index = self.tables[entry.table as usize].indexes[cell.index()].as_mut().expect("only indexed cells are noted");
            if index.insert(value, entry.order, handle, version) {
                continue;
            }
            let record = entry.key.clone();
            let message =
                format!("another {} has this {}", self.schema.records[record.record().index()].name, self.describe_value(handle, cell));
            for &(handle, cell) in changes.keys().take(at) {
                if let Some(value) = self.entry(handle).cells.get(cell.index()).map(|c| c.value.clone()) {
                    self.take_from_index(handle, cell, &value, version);
                }
            }
            for (&(handle, cell), old) in changes {
                if let Some(old) = old {
                    let entry = &self.entries[handle.0 as usize];
                    let index = self.tables[entry.table as usize].indexes[cell.index()].as_mut().expect("only indexed cells are noted");
                    index.insert(old, entry.order, handle, version);
                }
            }
            return Err(Failure::new(FailureKind::Rejected, message).into());
        }
        Ok(())
    }

    fn take_from_index(&mut self, handle: Handle, cell: CellIndex, value: &Value, version: Version) {
        let entry = &self.entries[handle.0 as usize];
        let index = self.tables[entry.table as usize].indexes[cell.index()].as_mut().expect("only indexed cells are noted");
        index.remove(value, entry.order, version);
    }

    fn describe_value(&self, handle: Handle, cell: CellIndex) -> String {
        let entry = self.entry(handle);
        let name = &self.schema.records[entry.key.record().index()].cells[cell.index()].name;
        match &entry.cells[cell.index()].value {
            Value::Text(text) => format!("{name}: {text:?}"),
            Value::Int(number) => format!("{name}: {number}"),
            _ => name.to_string(),
        }
    }

    /// Gives everything that changed its version.
    fn date(&mut self, scratch: &Scratch, version: Version) {
        for &(handle, cell) in &scratch.touched {
            let entry = &mut self.entries[handle.0 as usize];
            // A record deleted afterwards has no cells.
            if let Some(slot) = entry.cells.get_mut(cell.index()) {
                slot.changed = version;
            }
            self.tables[entry.table as usize].changed[cell.index()] = version;
        }
        for &handle in &scratch.members {
            let entry = &mut self.entries[handle.0 as usize];
            entry.cells.iter_mut().for_each(|cell| cell.changed = version);
            self.tables[entry.table as usize].membership = version;
        }
    }

    fn forget_reads_of_deleted(&mut self, handle: Handle) {
        let entry = self.entry(handle);
        if entry.presence == Presence::Deleted {
            let schema = self.schema.clone();
            for &invariant in &schema.records[entry.key.record().index()].invariants {
                self.forget_reads(invariant, handle);
            }
        }
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Cell(handle, cell, old) => *self.cell_mut(handle, cell) = old,
            Undo::Append(handle, cell) => {
                if let Value::List(list) = self.cell_mut(handle, cell) {
                    Arc::make_mut(list).pop_back();
                }
            }
            Undo::RemoveFirst(handle, cell, at, old) => {
                if let Value::List(list) = self.cell_mut(handle, cell) {
                    Arc::make_mut(list).insert(at, old);
                }
            }
            Undo::Insert(handle, cell, element) => {
                if let Value::Set(set) = self.cell_mut(handle, cell) {
                    Arc::make_mut(set).remove(&element);
                }
            }
            Undo::Remove(handle, cell, element) => {
                if let Value::Set(set) = self.cell_mut(handle, cell) {
                    Arc::make_mut(set).insert(element);
                }
            }
            Undo::Entry(handle, cell, key, old) => {
                if let Value::Map(map) = self.cell_mut(handle, cell) {
                    match old {
                        Some(old) => Arc::make_mut(map).insert(key, old),
                        None => Arc::make_mut(map).remove(&key),
                    };
                }
            }
            Undo::Create(handle) => {
                let entry = &mut self.entries[handle.0 as usize];
                entry.presence = Presence::Never;
                entry.cells = Box::default();
                self.tables[entry.table as usize].live.remove(&entry.order);
                if let Some(by_order) = &mut self.by_order {
                    by_order.remove(&entry.order);
                }
                // Steps are taken back last first, so this order was the newest.
                self.next_order = entry.order;
            }
            Undo::Delete(handle, cells) => {
                let entry = &mut self.entries[handle.0 as usize];
                entry.presence = Presence::Live;
                entry.cells = cells;
                let table = &mut self.tables[entry.table as usize];
                table.live.insert(entry.order, handle);
                table.deleted -= 1;
            }
            Undo::OutboxAdd(id) => {
                if let Some(sent) = self.outbox_by_id.remove(&id) {
                    self.outbox.remove(&sent);
                    self.next_sent = sent;
                }
            }
            Undo::OutboxRemove(sent, outgoing) => {
                self.outbox_by_id.insert(outgoing.event.id.clone(), sent);
                self.outbox.insert(sent, outgoing);
            }
            Undo::OutboxUpdate(sent, outgoing) => {
                self.outbox.insert(sent, outgoing);
            }
            Undo::Inbox(undo) => self.inbox.take_back(undo),
        }
    }
}

fn removes(request: &CommitRequest, event: &EventId) -> bool {
    request.outbox.iter().any(|change| matches!(change, OutboxChange::Remove(id) if id == event))
}
