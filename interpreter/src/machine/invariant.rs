//! Invariants: evaluated at the end for the records whose last evaluation read something that the transaction changed.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::Machine;
use crate::failure::{Failure, FailureKind};
use crate::store::Write;
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
                    // It may be the written value itself that does not fit: no matter of the invariant.
                    Stop::Failure(Failure { kind: FailureKind::Overflow, message }) => {
                        let (name, of) = (declaration.name, self.tx.describe(&record));
                        return fail(FailureKind::Overflow, format!("the invariant {name} cannot be computed for {of}: {message}"));
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
        for key in self.tx.request().changed() {
            due.extend(self.tx.dependents(&key)?);
        }
        let created = self.tx.writes().iter().filter_map(|write| match write {
            Write::Create { record, .. } => Some(record),
            _ => None,
        });
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
