//! What invariants read, learned anew after a store was opened with data.
//!
//! It takes as long as evaluating each invariant once for each record: about as long as loading them.

use patternc_program::{Home, RecordId};

use super::Engine;
use crate::attempt::Env;
use crate::store::{CommitRequest, ReadKey, Refused, StoreError};
use crate::value::{RecordRef, SpaceRef, Value};

/// Evaluations remembered by one commit.
const AT_ONCE: usize = 1000;

impl Engine {
    /// Evaluates each invariant for each record of a store that does not know what they read.
    ///
    /// # Errors
    /// When one does not hold: the program is another than the one that wrote the data.
    pub(super) fn learn_invariant_reads(&mut self, store: usize) -> Result<(), StoreError> {
        if self.stores.get(store).knows_invariant_reads() {
            return Ok(());
        }
        let program = self.program.clone();
        for (index, record) in program.records.iter().enumerate() {
            let invariants: Vec<u32> =
                record.invariants.iter().copied().filter(|&invariant| !program.invariants[invariant as usize].eventually).collect();
            if invariants.is_empty() {
                continue;
            }
            for space in self.stores.get(store).spaces()? {
                let may_be_there = match record.home {
                    Home::Plain(home) | Home::Family(home) => home == space.space,
                    Home::Floating => true,
                };
                if may_be_there && self.stores.place(&space) == store {
                    self.learn_in(store, RecordId(index as u32), &space, &invariants)?;
                }
            }
        }
        Ok(())
    }

    fn learn_in(&mut self, store: usize, record: RecordId, space: &SpaceRef, invariants: &[u32]) -> Result<(), StoreError> {
        let mut learned = Vec::new();
        for record in self.stores.get(store).scan(record, space, None)? {
            for &invariant in invariants {
                let reads = self.evaluate_invariant(invariant, &record)?;
                learned.push((invariant, record.clone(), reads));
            }
            if learned.len() >= AT_ONCE {
                self.remember_reads(store, std::mem::take(&mut learned))?;
            }
        }
        self.remember_reads(store, learned)
    }

    /// What the invariant reads for the record; an error when it does not hold.
    pub(super) fn evaluate_invariant(&mut self, invariant: u32, record: &RecordRef) -> Result<Vec<ReadKey>, StoreError> {
        let (now, ids) = (self.host.now(), self.fresh_ids());
        let env = Env { program: &self.program, stores: &self.stores, limits: &self.limits, answers: None, now, ids, caller: None };
        let declared = &self.program.invariants[invariant as usize];
        let evaluation = self.execution.evaluate_body(&env, declared.body, record)?;
        let why = match evaluation.value {
            Ok(Value::Bool(true)) => return Ok(evaluation.reads),
            Ok(_) => String::new(),
            Err(failure) => format!(" ({failure})"),
        };
        let record = crate::json::reference_text(&self.program, record);
        let message = format!(
            "the stored data break the invariant {}: it does not hold for {record}{why}. Mend the data with the program that wrote them, or \
             take the invariant out",
            declared.name
        );
        Err(StoreError { message, transient: false })
    }

    fn remember_reads(&mut self, store: usize, invariant_reads: Vec<(u32, RecordRef, Vec<ReadKey>)>) -> Result<(), StoreError> {
        let now = self.host.now();
        let snapshot = self.stores.get(store).version();
        let request = CommitRequest { snapshot, invariant_reads, ..CommitRequest::default() };
        match self.stores.get_mut(store).commit(&request, now) {
            Ok(_) => Ok(()),
            Err(Refused::Store(error)) => Err(error),
            Err(refused) => Err(StoreError { message: format!("what invariants read is not taken: {refused}"), transient: false }),
        }
    }
}
