//! Looking records up: by unique cells, by type and space. The transaction's own changes are seen.

use patternc_program::{CellIndex, RecordId};

use super::savepoint::Undo;
use super::{RecordState, Run, Transaction, UniqueKey, fail};
use crate::failure::FailureKind;
use crate::store::{Read, ReadKey, Seen};
use crate::value::{RecordRef, SpaceRef, Value};

impl<'a> Transaction<'a> {
    /// The record with this value in a unique cell. `none` is nobody's.
    pub(crate) fn unique(&mut self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Run<Option<RecordRef>> {
        if *value == Value::None {
            return Ok(None);
        }
        if let Some(trace) = &mut self.trace {
            trace.push(ReadKey::Unique(record, space.clone(), cell, value.clone()));
        }
        let key: UniqueKey = (record, cell, space.clone(), value.clone());
        let known = self.nursery.uniques.get(&key);
        if let Some(claimed) = known.and_then(|unique| unique.claimed.clone())
            && self.has(&claimed, cell, value)
        {
            return Ok(Some(claimed));
        }
        let stored = match self.nursery.uniques.get(&key).and_then(|unique| unique.stored.clone()) {
            Some(stored) => stored,
            None => {
                let stored = self.stores.of(space).unique(record, space, cell, value)?;
                if self.home.is_some() {
                    let seen = Seen::Value(stored.clone().map(Value::Ref));
                    let key = ReadKey::Unique(record, space.clone(), cell, value.clone());
                    self.nursery.request.reads.push(Read { key, seen });
                }
                self.nursery.uniques.entry(key).or_default().stored = Some(stored.clone());
                stored
            }
        };
        Ok(stored.filter(|holder| self.has(holder, cell, value)))
    }

    /// Whether the record, which had or was given the value, has it still as this transaction sees it.
    fn has(&self, record: &RecordRef, cell: CellIndex, value: &Value) -> bool {
        let Some(at) = self.find(record) else { return true };
        match self.nursery.records[at].state {
            RecordState::Deleted | RecordState::Absent => false,
            _ => match self.find_cell(at, cell).and_then(|slot| self.nursery.cells[slot].current.as_ref()) {
                Some(current) => current == value,
                // Operations on unique cells are never blind: what is not known here was not changed here.
                None => true,
            },
        }
    }

    /// Gives the record a value in a unique cell instead of its old one.
    ///
    /// # Errors
    /// `rejected` if another has it.
    pub(super) fn claim(&mut self, record: &RecordRef, cell: CellIndex, old: &Value, new: &Value) -> Run<()> {
        if old == new {
            return Ok(());
        }
        let of = record.record();
        let space = record.space();
        if !self.program.invariants.is_empty() {
            for value in [old, new].into_iter().filter(|value| **value != Value::None) {
                self.nursery.request.unique_changes.push(ReadKey::Unique(of, space.clone(), cell, value.clone()));
            }
        }
        if *new == Value::None {
            return Ok(());
        }
        if let Some(holder) = self.unique(of, space, cell, new)?
            && holder != *record
        {
            let declaration = &self.program.record(of).cells[cell.index()];
            let text = crate::machine::text::quoted(self.program, new, &declaration.ty);
            let message = format!("{} has the {} {text} already: it is unique", self.describe(&holder), declaration.name);
            return fail(FailureKind::Rejected, message);
        }
        let key: UniqueKey = (of, cell, space.clone(), new.clone());
        let in_try = self.in_try();
        let unique = self.nursery.uniques.entry(key.clone()).or_default();
        let claimed = unique.claimed.replace(record.clone());
        if in_try {
            self.nursery.undo.push(Undo::Claim { key, claimed });
        }
        Ok(())
    }

    /// The live records of a type in a space, in the order of creation. `cells`: those that the condition reads. With an index, at least those
    /// of that value.
    pub(crate) fn scan(
        &mut self,
        record: RecordId,
        space: &SpaceRef,
        cells: &[CellIndex],
        index: Option<(CellIndex, &Value)>,
    ) -> Run<Vec<RecordRef>> {
        // What this transaction wrote is in no index: then all records are gone through.
        let index = index.filter(|(cell, _)| {
            !self.nursery.records.iter().enumerate().any(|(at, touched)| {
                touched.record.record() == record
                    && touched.record.space() == space
                    && self.find_cell(at, *cell).is_some_and(|slot| self.nursery.cells[slot].written)
            })
        });
        let key =
            ReadKey::Query { record, space: space.clone(), cells: cells.to_vec(), index: index.map(|(cell, value)| (cell, value.clone())) };
        if let Some(trace) = &mut self.trace {
            trace.push(key.clone());
        }
        let mut found = self.stores.of(space).scan(record, space, index)?;
        if self.home.is_some() {
            let reads = &mut self.nursery.request.reads;
            // The same query again, as in a loop, is one read.
            if !reads.iter().rev().take(8).any(|read| read.key == key) {
                reads.push(Read { key, seen: Seen::Unchanged });
            }
        }
        if self.nursery.records.iter().any(|touched| touched.state == RecordState::Deleted) {
            found.retain(|record| self.find(record).is_none_or(|at| self.nursery.records[at].state != RecordState::Deleted));
        }
        for &at in &self.nursery.created {
            let touched = &self.nursery.records[at as usize];
            if touched.state == RecordState::Created && touched.record.record() == record && touched.record.space() == space {
                found.push(touched.record.clone());
            }
        }
        Ok(found)
    }
}
