//! Writes: cells replaced, operations, entries.

use std::sync::Arc;

use patternc_program::{CellIndex, Change};

use super::savepoint::Undo;
use super::{NOWHERE, RecordState, Run, Transaction, fail};
use crate::failure::FailureKind;
use crate::store::{Presence, Write};
use crate::value::{RecordRef, SpaceRef, Value};

impl Transaction<'_> {
    /// Replaces a cell. Keeps the other end of an inverse, refuses a unique value that another has.
    pub(crate) fn set(&mut self, record: &RecordRef, cell: CellIndex, value: Value) -> Run<()> {
        let at = self.touch(record);
        self.open(at)?;
        let declaration = self.declaration(at, cell);
        self.room(at, cell, value.element_count())?;
        if declaration.unique {
            let old = self.cell_at(at, cell)?;
            self.claim(record, cell, &old, &value)?;
        }
        match declaration.inverse {
            None => self.replace(at, cell, value),
            Some(inverse) => {
                let old = self.cell_at(at, cell)?;
                self.replace(at, cell, value.clone())?;
                self.relink(record, cell, inverse, &old, &value)
            }
        }
    }

    /// `+=` and `-=` that commute.
    pub(crate) fn change(&mut self, record: &RecordRef, cell: CellIndex, op: Change, value: Value) -> Run<()> {
        let at = self.touch(record);
        self.open(at)?;
        let declaration = self.declaration(at, cell);
        if declaration.unique {
            return self.change_unique(at, cell, op, value);
        }
        let target = match (declaration.inverse, &value) {
            (Some(inverse), Value::Ref(target)) => Some((inverse, target.clone())),
            _ => None,
        };
        match (op, &value) {
            (Change::AddInt, Value::Int(by)) => self.add_int(at, cell, *by),
            (Change::SubInt, Value::Int(by)) => match by.checked_neg() {
                Some(by) => self.add_int(at, cell, by),
                // The one number without a counterpart: no operation subtracts it.
                None => {
                    let new = subtract(&self.cell_at(at, cell)?, *by);
                    let Some(new) = new else { return self.overflow(at, cell) };
                    self.replace(at, cell, Value::Int(new))
                }
            },
            (Change::Append, _) => {
                self.append(at, cell, value)?;
                target.map_or(Ok(()), |(inverse, target)| self.link(record, cell, inverse, &target))
            }
            (Change::RemoveFirst, _) => {
                let Some((inverse, target)) = target else { return self.remove_first(at, cell, value) };
                // The other end goes with the last of equal elements.
                let slot = self.known(at, cell)?;
                let before = self.list(slot).map_or(0, |list| list.iter().filter(|element| **element == value).count());
                self.remove_first(at, cell, value)?;
                if before == 1 { self.unlink(record, inverse, &target) } else { Ok(()) }
            }
            (Change::Insert, _) => {
                self.insert(at, cell, value)?;
                target.map_or(Ok(()), |(inverse, target)| self.link(record, cell, inverse, &target))
            }
            (Change::Remove, _) => {
                self.remove(at, cell, value)?;
                target.map_or(Ok(()), |(inverse, target)| self.unlink(record, inverse, &target))
            }
            (Change::AddInt | Change::SubInt | Change::AddValue | Change::SubValue | Change::Concat, _) => self.mistyped(at, cell),
        }
    }

    /// An operation on a unique cell looks at its value.
    fn change_unique(&mut self, at: usize, cell: CellIndex, op: Change, value: Value) -> Run<()> {
        let old = self.cell_at(at, cell)?;
        let new = match (op, old, value) {
            (Change::AddInt, Value::Int(old), Value::Int(by)) => match old.checked_add(by) {
                Some(new) => Value::Int(new),
                None => return self.overflow(at, cell),
            },
            (Change::SubInt, old, Value::Int(by)) => match subtract(&old, by) {
                Some(new) => Value::Int(new),
                None => return self.overflow(at, cell),
            },
            (Change::Append, Value::List(mut list), value) => {
                Arc::make_mut(&mut list).push_back(value);
                Value::List(list)
            }
            (Change::RemoveFirst, Value::List(mut list), value) => {
                if let Some(at) = list.index_of(&value) {
                    Arc::make_mut(&mut list).remove(at);
                }
                Value::List(list)
            }
            (Change::Insert, Value::Set(mut set), value) => {
                Arc::make_mut(&mut set).insert(value);
                Value::Set(set)
            }
            (Change::Remove, Value::Set(mut set), value) => {
                Arc::make_mut(&mut set).remove(&value);
                Value::Set(set)
            }
            _ => return self.mistyped(at, cell),
        };
        let record = self.nursery.records[at].record.clone();
        self.set(&record, cell, new)
    }

    /// `self.m[k] = v`.
    pub(crate) fn set_entry(&mut self, record: &RecordRef, cell: CellIndex, key: Value, value: Value) -> Run<()> {
        let at = self.touch(record);
        self.open(at)?;
        let slot = self.prepare(at, cell)?;
        match &mut self.nursery.cells[slot].current {
            Some(Value::Map(map)) => {
                let map = Arc::make_mut(map);
                map.insert(key.clone(), value.clone());
                let len = map.len();
                self.room(at, cell, len)?;
                self.push(slot, Write::SetEntry { record: record.clone(), cell, key, value }, false);
            }
            Some(_) => return self.mistyped(at, cell),
            None => {
                self.nursery.cells[slot].elements.get_or_insert_default().insert(key.clone(), Some(value.clone()));
                self.push(slot, Write::SetEntry { record: record.clone(), cell, key, value }, true);
            }
        }
        Ok(())
    }

    /// `delete self.m[k]`.
    pub(crate) fn remove_entry(&mut self, record: &RecordRef, cell: CellIndex, key: Value) -> Run<()> {
        let at = self.touch(record);
        self.open(at)?;
        let slot = self.prepare(at, cell)?;
        match &mut self.nursery.cells[slot].current {
            Some(Value::Map(map)) => {
                if map.contains_key(&key) {
                    Arc::make_mut(map).remove(&key);
                }
                self.push(slot, Write::RemoveEntry { record: record.clone(), cell, key }, false);
            }
            Some(_) => return self.mistyped(at, cell),
            None => {
                self.nursery.cells[slot].elements.get_or_insert_default().insert(key.clone(), None);
                self.push(slot, Write::RemoveEntry { record: record.clone(), cell, key }, true);
            }
        }
        Ok(())
    }

    /// Makes sure that the record may be written and is there.
    pub(super) fn open(&mut self, at: usize) -> Run<()> {
        if !self.nursery.records[at].open {
            let space = self.nursery.records[at].record.space();
            if !self.may_write(space) {
                return self.isolation(at);
            }
            self.nursery.records[at].open = true;
        }
        self.live(at)
    }

    /// Whether the transaction may write the space.
    pub(super) fn may_write(&self, space: &SpaceRef) -> bool {
        let Some(writer) = &self.writer else { return false };
        writer == space || (space.key.is_none() && self.across.contains(&space.space) && self.validates(space))
    }

    #[cold]
    pub(super) fn isolation<T>(&self, at: usize) -> Run<T> {
        let record = &self.nursery.records[at].record;
        let what = self.describe(record);
        let space = self.describe_space(record.space());
        let message = match &self.writer {
            None => format!("{what} in space {space} cannot be written here: this only reads"),
            Some(writer) if self.across.contains(&record.space().space) => format!(
                "{what} is in space {space}, which another store keeps than {}: a transaction writes one store",
                self.describe_space(writer)
            ),
            Some(writer) => format!(
                "{what} is in space {space}, but this transaction writes space {}: send an event there, or name the space in `across`",
                self.describe_space(writer)
            ),
        };
        fail(FailureKind::Isolation, message)
    }

    #[cold]
    fn overflow<T>(&self, at: usize, cell: CellIndex) -> Run<T> {
        let record = self.describe(&self.nursery.records[at].record);
        fail(FailureKind::Overflow, format!("{record}.{} overflows: the result does not fit an Int", self.declaration(at, cell).name))
    }

    #[cold]
    fn mistyped<T>(&self, at: usize, cell: CellIndex) -> Run<T> {
        let record = self.describe(&self.nursery.records[at].record);
        fail(FailureKind::Rejected, format!("{record}.{} does not hold what the operation needs", self.declaration(at, cell).name))
    }

    fn room(&self, at: usize, cell: CellIndex, len: usize) -> Run<()> {
        let limit = self.limits.collection_length;
        if len <= limit {
            return Ok(());
        }
        let record = self.describe(&self.nursery.records[at].record);
        let name = self.declaration(at, cell).name;
        fail(
            FailureKind::Overflow,
            format!("{record}.{name} would have {len} elements, the limit is {limit} (setting `collection-length`)"),
        )
    }

    /// The cell that is about to be changed. Inside `try` its value is looked at first, and the change noted.
    fn prepare(&mut self, at: usize, cell: CellIndex) -> Run<usize> {
        if !self.in_try() {
            return Ok(self.touch_cell(at, cell));
        }
        let slot = self.known(at, cell)?;
        self.note(slot);
        Ok(slot)
    }

    fn note(&mut self, slot: usize) {
        if self.in_try() {
            let touched = &self.nursery.cells[slot];
            self.nursery.undo.push(Undo::Current { slot, value: touched.current.clone(), written: touched.written });
        }
    }

    fn push(&mut self, slot: usize, write: Write, blind: bool) {
        let nursery = &mut self.nursery;
        let touched = &mut nursery.cells[slot];
        touched.written = true;
        let before = if blind {
            let position = u32::try_from(nursery.request.writes.len()).expect("the step budget ends a transaction before 2^32 writes");
            std::mem::replace(&mut touched.last_blind, position)
        } else {
            NOWHERE
        };
        nursery.chain.push(before);
        nursery.request.writes.push(write);
    }

    /// Brings a value from the store up to the blind operations made on its cell.
    pub(super) fn apply_blind(&mut self, slot: usize, value: &mut Value) -> Run<()> {
        let nursery = &self.nursery;
        let mut next = nursery.cells[slot].last_blind;
        if next == NOWHERE {
            return Ok(());
        }
        let mut operations = Vec::new();
        while next != NOWHERE {
            operations.push(next as usize);
            next = nursery.chain[next as usize];
        }
        for position in operations.into_iter().rev() {
            match (&nursery.request.writes[position], &mut *value) {
                (Write::AddInt { record, cell, by }, Value::Int(number)) => match number.checked_add(*by) {
                    Some(sum) => *number = sum,
                    None => {
                        let at = self.find(record).expect("a record written is touched");
                        return self.overflow(at, *cell);
                    }
                },
                (Write::Append { value: element, .. }, Value::List(list)) => Arc::make_mut(list).push_back(element.clone()),
                (Write::RemoveFirst { value: element, .. }, Value::List(list)) => {
                    if let Some(position) = list.index_of(element) {
                        Arc::make_mut(list).remove(position);
                    }
                }
                (Write::Insert { value: element, .. }, Value::Set(set)) => {
                    Arc::make_mut(set).insert(element.clone());
                }
                (Write::Remove { value: element, .. }, Value::Set(set)) => {
                    Arc::make_mut(set).remove(element);
                }
                (Write::SetEntry { key, value: entry, .. }, Value::Map(map)) => {
                    Arc::make_mut(map).insert(key.clone(), entry.clone());
                }
                (Write::RemoveEntry { key, .. }, Value::Map(map)) => {
                    Arc::make_mut(map).remove(key);
                }
                (write, _) => {
                    return fail(FailureKind::Rejected, format!("a cell does not hold what the operation needs: {write:?}"));
                }
            }
        }
        Ok(())
    }

    /// Replaces the value and nothing else.
    pub(super) fn replace(&mut self, at: usize, cell: CellIndex, value: Value) -> Run<()> {
        let slot = self.touch_cell(at, cell);
        self.note(slot);
        let record = self.nursery.records[at].record.clone();
        self.nursery.cells[slot].current = Some(value.clone());
        self.push(slot, Write::Set { record, cell, value }, false);
        Ok(())
    }

    fn add_int(&mut self, at: usize, cell: CellIndex, by: i64) -> Run<()> {
        let slot = self.prepare(at, cell)?;
        let record = self.nursery.records[at].record.clone();
        let blind = match &mut self.nursery.cells[slot].current {
            Some(Value::Int(number)) => match number.checked_add(by) {
                Some(sum) => {
                    *number = sum;
                    false
                }
                None => return self.overflow(at, cell),
            },
            Some(_) => return self.mistyped(at, cell),
            None => true,
        };
        self.push(slot, Write::AddInt { record, cell, by }, blind);
        Ok(())
    }

    pub(super) fn append(&mut self, at: usize, cell: CellIndex, value: Value) -> Run<()> {
        let slot = self.prepare(at, cell)?;
        let record = self.nursery.records[at].record.clone();
        let blind = match &mut self.nursery.cells[slot].current {
            Some(Value::List(list)) => {
                let list = Arc::make_mut(list);
                list.push_back(value.clone());
                let len = list.len();
                self.room(at, cell, len)?;
                false
            }
            Some(_) => return self.mistyped(at, cell),
            None => true,
        };
        self.push(slot, Write::Append { record, cell, value }, blind);
        Ok(())
    }

    fn remove_first(&mut self, at: usize, cell: CellIndex, value: Value) -> Run<()> {
        let slot = self.prepare(at, cell)?;
        let record = self.nursery.records[at].record.clone();
        let blind = match &mut self.nursery.cells[slot].current {
            Some(Value::List(list)) => {
                if let Some(position) = list.index_of(&value) {
                    Arc::make_mut(list).remove(position);
                }
                false
            }
            Some(_) => return self.mistyped(at, cell),
            None => true,
        };
        self.push(slot, Write::RemoveFirst { record, cell, value }, blind);
        Ok(())
    }

    pub(super) fn insert(&mut self, at: usize, cell: CellIndex, value: Value) -> Run<()> {
        let slot = self.prepare(at, cell)?;
        let record = self.nursery.records[at].record.clone();
        let blind = match &mut self.nursery.cells[slot].current {
            Some(Value::Set(set)) => {
                let set = Arc::make_mut(set);
                set.insert(value.clone());
                let len = set.len();
                self.room(at, cell, len)?;
                false
            }
            Some(_) => return self.mistyped(at, cell),
            None => {
                self.nursery.cells[slot].elements.get_or_insert_default().insert(value.clone(), Some(value.clone()));
                true
            }
        };
        self.push(slot, Write::Insert { record, cell, value }, blind);
        Ok(())
    }

    pub(super) fn remove(&mut self, at: usize, cell: CellIndex, value: Value) -> Run<()> {
        let slot = self.prepare(at, cell)?;
        let record = self.nursery.records[at].record.clone();
        let blind = match &mut self.nursery.cells[slot].current {
            Some(Value::Set(set)) => {
                if set.contains(&value) {
                    Arc::make_mut(set).remove(&value);
                }
                false
            }
            Some(_) => return self.mistyped(at, cell),
            None => {
                self.nursery.cells[slot].elements.get_or_insert_default().insert(value.clone(), None);
                true
            }
        };
        self.push(slot, Write::Remove { record, cell, value }, blind);
        Ok(())
    }

    pub(super) fn list(&self, slot: usize) -> Option<&imbl::Vector<Value>> {
        match &self.nursery.cells[slot].current {
            Some(Value::List(list)) => Some(list),
            _ => None,
        }
    }

    /// Makes sure that the record may be created: its space may be written and its id was never used. Reserves it.
    pub(crate) fn begin_create(&mut self, record: &RecordRef) -> Run<()> {
        let at = self.touch(record);
        if !self.may_write(record.space()) {
            return self.isolation(at);
        }
        self.nursery.records[at].open = true;
        let was = match self.nursery.records[at].state {
            RecordState::Live | RecordState::Created => "is",
            RecordState::Deleted => "was",
            RecordState::Unknown | RecordState::Absent => {
                if self.exists_at(at)? {
                    "is"
                } else if self.store_of(at).presence(record)? == Presence::Deleted {
                    "was"
                } else {
                    self.set_state(at, RecordState::Created);
                    return Ok(());
                }
            }
        };
        fail(FailureKind::Rejected, format!("there {was} a {} already: ids are never used again", self.describe(record)))
    }

    /// Gives a cell of a record under creation its value.
    pub(crate) fn init_cell(&mut self, record: &RecordRef, cell: CellIndex, value: Value) -> Run<()> {
        let at = self.touch(record);
        self.room(at, cell, value.element_count())?;
        if self.declaration(at, cell).unique {
            self.claim(record, cell, &Value::None, &value)?;
        }
        let slot = self.touch_cell(at, cell);
        self.note(slot);
        self.nursery.cells[slot].current = Some(value);
        Ok(())
    }

    /// Creates the record, of which all cells have values, and links it to the other ends.
    pub(crate) fn end_create(&mut self, record: &RecordRef) -> Run<()> {
        let at = self.touch(record);
        let declarations = &self.program.record(record.record()).cells;
        let cells = (0..declarations.len()).map(|cell| self.cell_at(at, CellIndex(cell as u32))).collect::<Run<Vec<_>>>()?;
        self.nursery.created.push(at as u32);
        self.nursery.chain.push(NOWHERE);
        self.nursery.request.writes.push(Write::Create { record: record.clone(), cells: cells.clone() });
        for (cell, declaration) in declarations.iter().enumerate() {
            if let Some(inverse) = declaration.inverse {
                let empty = Value::None;
                self.relink(record, CellIndex(cell as u32), inverse, &empty, &cells[cell])?;
            }
        }
        Ok(())
    }

    pub(super) fn set_state(&mut self, at: usize, state: RecordState) {
        let old = std::mem::replace(&mut self.nursery.records[at].state, state);
        if self.in_try() {
            self.nursery.undo.push(Undo::State { at, state: old });
        }
    }

    /// Notes the deletion.
    pub(super) fn push_delete(&mut self, at: usize) {
        self.set_state(at, RecordState::Deleted);
        self.nursery.chain.push(NOWHERE);
        self.nursery.request.writes.push(Write::Delete { record: self.nursery.records[at].record.clone() });
    }
}

fn subtract(old: &Value, by: i64) -> Option<i64> {
    match old {
        Value::Int(old) => old.checked_sub(by),
        _ => None,
    }
}
