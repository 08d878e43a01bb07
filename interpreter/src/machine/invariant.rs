//! Invariants: evaluated at the end for the records whose last evaluation read something that the transaction changed.

use indexmap::IndexSet;
use patternc_program::CellIndex;
use rustc_hash::FxBuildHasher;

use super::Machine;
use crate::failure::{Failure, FailureKind};
use crate::store::{ReadKey, Write};
use crate::transaction::{Run, Stop, fail};
use crate::value::{RecordRef, Value};

/// An invariant and the record it is for.
type Due = IndexSet<(u32, RecordRef), FxBuildHasher>;

impl Machine<'_> {
    /// Fails `invariant` unless every invariant still holds.
    pub(super) fn check_invariants(&mut self) -> Run<()> {
        let program = self.env.program;
        if self.tx.writes().is_empty() || program.invariants.iter().all(|invariant| invariant.eventually) {
            return Ok(());
        }
        let mut due = self.due_invariants()?;
        // Of several that do not hold, always the same is told.
        due.sort();
        for (invariant, record) in due {
            if !self.tx.exists(&record)? {
                continue;
            }
            let declaration = &program.invariants[invariant as usize];
            self.tx.begin_trace();
            let held = self.call(declaration.body, |slots| slots.push(Value::Ref(record.clone())));
            let reads = self.tx.end_trace();
            let describe = |this: &Self| format!("the invariant {} does not hold for {}", declaration.name, this.tx.describe(&record));
            match held {
                Ok(Value::Bool(true)) => self.tx.remember(invariant, record, reads),
                Ok(_) => return fail(FailureKind::Invariant, describe(self)),
                Err(stop) => match *stop {
                    Stop::Failure(Failure { kind: FailureKind::Rejected | FailureKind::Missing, message }) => {
                        return fail(FailureKind::Invariant, format!("{}: {message}", describe(self)));
                    }
                    stop => return Err(Box::new(stop)),
                },
            }
        }
        Ok(())
    }

    fn due_invariants(&self) -> Run<Due> {
        let program = self.env.program;
        let mut due = Due::default();
        let mut touch = |key: ReadKey| -> Run<()> {
            due.extend(self.tx.dependents(&key)?);
            Ok(())
        };
        let changed = |record: &RecordRef, cell: CellIndex| ReadKey::Query {
            record: record.record(),
            space: record.space().clone(),
            cells: vec![cell],
            index: None,
        };
        let mut created = Vec::new();
        for write in self.tx.writes() {
            match write {
                Write::Create { record, .. } => {
                    created.push(record);
                    touch(ReadKey::Exists(record.clone()))?;
                    touch(membership(record))?;
                }
                Write::Delete { record } => {
                    touch(ReadKey::Exists(record.clone()))?;
                    touch(membership(record))?;
                }
                Write::Set { record, cell, .. }
                | Write::AddInt { record, cell, .. }
                | Write::Append { record, cell, .. }
                | Write::RemoveFirst { record, cell, .. } => {
                    touch(ReadKey::Cell(record.clone(), *cell))?;
                    touch(changed(record, *cell))?;
                }
                Write::Insert { record, cell, value: key }
                | Write::Remove { record, cell, value: key }
                | Write::SetEntry { record, cell, key, .. }
                | Write::RemoveEntry { record, cell, key } => {
                    touch(ReadKey::Element(record.clone(), *cell, key.clone()))?;
                    touch(changed(record, *cell))?;
                }
            }
        }
        for key in self.tx.unique_changes() {
            touch(key.clone())?;
        }
        for record in created {
            for &invariant in &program.record(record.record()).invariants {
                if !program.invariants[invariant as usize].eventually {
                    due.insert((invariant, record.clone()));
                }
            }
        }
        Ok(due)
    }
}

/// Which records of its type there are in its space.
fn membership(record: &RecordRef) -> ReadKey {
    ReadKey::Query { record: record.record(), space: record.space().clone(), cells: Vec::new(), index: None }
}
