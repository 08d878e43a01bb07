//! Which invariants read what: a change is checked for the records it concerns, found here rather than by going through all.

use std::collections::HashMap;

use indexmap::IndexSet;
use patternc_program::CellIndex;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Handle, State};
use crate::store::ReadKey;
use crate::value::{RecordRef, Value};

/// Invariants (by index) and the records they were evaluated for. An ordered set, so that runs are alike.
type Evaluations = IndexSet<Evaluation, FxBuildHasher>;

type Evaluation = (u32, Handle);

/// The cells that a query's condition read.
type Query = (Box<[CellIndex]>, Evaluation);

/// Who read a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers {
    exists: Evaluations,
    cells: FxHashMap<u32, CellReaders>,
}

#[derive(Clone, Debug, Default)]
struct CellReaders {
    whole: Evaluations,
    elements: HashMap<Value, Evaluations>,
}

/// Who asked for the records of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct TableReaders {
    unique: HashMap<(u32, Value), Evaluations>,
    queries: IndexSet<Query, FxBuildHasher>,
}

impl State {
    /// Whether any evaluation is known.
    pub(super) fn has_invariant_reads(&self) -> bool {
        !self.invariant_reads.is_empty()
    }

    /// The invariants and records whose last evaluation read this or something it is part of.
    pub fn dependents(&self, key: &ReadKey) -> Vec<(u32, RecordRef)> {
        let mut found = Vec::new();
        let mut add = |evaluations: &Evaluations| found.extend(evaluations.iter().copied());
        match key {
            ReadKey::Exists(record) => {
                if let Some(readers) = self.readers(record) {
                    add(&readers.exists);
                    for cell in readers.cells.values() {
                        add(&cell.whole);
                        cell.elements.values().for_each(&mut add);
                    }
                }
            }
            ReadKey::Cell(record, cell) => {
                if let Some(cell) = self.readers(record).and_then(|r| r.cells.get(&cell.0)) {
                    add(&cell.whole);
                    cell.elements.values().for_each(&mut add);
                }
            }
            ReadKey::Element(record, cell, element) => {
                if let Some(cell) = self.readers(record).and_then(|r| r.cells.get(&cell.0)) {
                    add(&cell.whole);
                    cell.elements.get(element).into_iter().for_each(&mut add);
                }
            }
            ReadKey::Unique(record, space, cell, value) => {
                if let Some(table) = self.table(*record, space)
                    && !table.readers.unique.is_empty()
                {
                    table.readers.unique.get(&(cell.0, value.clone())).into_iter().for_each(add);
                }
            }
            ReadKey::Query { record, space, cells, .. } => {
                if let Some(table) = self.table(*record, space) {
                    let concerned =
                        table.readers.queries.iter().filter(|(read, _)| cells.is_empty() || cells.iter().any(|c| read.contains(c)));
                    found.extend(concerned.map(|(_, evaluation)| *evaluation));
                }
            }
        }
        let mut found: Vec<_> = found.into_iter().map(|(invariant, handle)| (invariant, self.entry(handle).key.clone())).collect();
        // An order that does not depend on what happened before, nor on a restart.
        found.sort();
        found.dedup();
        found
    }

    fn readers(&self, record: &RecordRef) -> Option<&Readers> {
        self.entry(self.find(record)?).readers.as_deref()
    }

    /// Replaces what is remembered of the evaluation.
    pub(super) fn remember_reads(&mut self, invariant: u32, record: Handle, reads: &[ReadKey]) {
        self.forget_reads(invariant, record);
        let evaluation = (invariant, record);
        for key in reads {
            self.each_reader(key, |evaluations| {
                evaluations.insert(evaluation);
            });
            if let Some((table, query)) = self.query_reader(key, evaluation) {
                self.tables[table].readers.queries.insert(query);
            }
        }
        if !reads.is_empty() {
            self.invariant_reads.insert(evaluation, reads.into());
        }
    }

    /// Forgets the evaluation.
    pub(super) fn forget_reads(&mut self, invariant: u32, record: Handle) {
        let evaluation = (invariant, record);
        let Some(reads) = self.invariant_reads.remove(&evaluation) else { return };
        for key in reads.iter() {
            self.each_reader(key, |evaluations| {
                evaluations.swap_remove(&evaluation);
            });
            if let Some((table, query)) = self.query_reader(key, evaluation) {
                self.tables[table].readers.queries.swap_remove(&query);
            }
            self.drop_empty(key);
        }
    }

    /// The set of evaluations that read exactly this.
    fn each_reader(&mut self, key: &ReadKey, change: impl FnOnce(&mut Evaluations)) {
        match key {
            ReadKey::Exists(record) => change(&mut self.readers_mut(record).exists),
            ReadKey::Cell(record, cell) => change(&mut self.readers_mut(record).cells.entry(cell.0).or_default().whole),
            ReadKey::Element(record, cell, element) => {
                let cell = self.readers_mut(record).cells.entry(cell.0).or_default();
                change(cell.elements.entry(element.clone()).or_default());
            }
            ReadKey::Unique(record, space, cell, value) => {
                let table = self.intern_table(*record, space) as usize;
                change(self.tables[table].readers.unique.entry((cell.0, value.clone())).or_default());
            }
            ReadKey::Query { .. } => {}
        }
    }

    fn query_reader(&mut self, key: &ReadKey, evaluation: Evaluation) -> Option<(usize, Query)> {
        let ReadKey::Query { record, space, cells, index } = key else { return None };
        let table = self.intern_table(*record, space) as usize;
        let cells = cells.iter().copied().chain(index.iter().map(|(cell, _)| *cell)).collect();
        Some((table, (cells, evaluation)))
    }

    fn readers_mut(&mut self, record: &RecordRef) -> &mut Readers {
        let handle = self.intern(record);
        self.entries[handle.0 as usize].readers.get_or_insert_default()
    }

    /// Gives back the room of sets that nobody is in any more.
    fn drop_empty(&mut self, key: &ReadKey) {
        match key {
            ReadKey::Exists(record) | ReadKey::Cell(record, _) | ReadKey::Element(record, ..) => {
                let Some(handle) = self.find(record) else { return };
                let slot = &mut self.entries[handle.0 as usize].readers;
                let Some(readers) = slot else { return };
                if let ReadKey::Cell(_, cell) | ReadKey::Element(_, cell, _) = key
                    && let Some(of_cell) = readers.cells.get_mut(&cell.0)
                {
                    if let ReadKey::Element(_, _, element) = key
                        && of_cell.elements.get(element).is_some_and(|e| e.is_empty())
                    {
                        of_cell.elements.remove(element);
                    }
                    if of_cell.whole.is_empty() && of_cell.elements.is_empty() {
                        readers.cells.remove(&cell.0);
                    }
                }
                if readers.exists.is_empty() && readers.cells.is_empty() {
                    *slot = None;
                }
            }
            ReadKey::Unique(record, space, cell, value) => {
                let table = self.intern_table(*record, space) as usize;
                let unique = &mut self.tables[table].readers.unique;
                let key = (cell.0, value.clone());
                if unique.get(&key).is_some_and(|e| e.is_empty()) {
                    unique.remove(&key);
                }
            }
            ReadKey::Query { .. } => {}
        }
    }
}
