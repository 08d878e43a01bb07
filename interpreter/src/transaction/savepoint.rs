//! Savepoints: what `try` takes back, and what it keeps.

use super::{RecordState, Transaction, UniqueKey};
use crate::event::EventId;
use crate::value::{RecordRef, Value};

/// A point to come back to.
#[derive(Debug)]
pub(crate) struct Savepoint {
    /// How many there were before.
    depth: u32,
    undo: usize,
    writes: usize,
    outbox: usize,
    created: usize,
    covers: usize,
    deferred: Option<EventId>,
}

/// How to take back a change of the nursery. Reads are not taken back.
#[derive(Debug)]
pub(super) enum Undo {
    Current { slot: usize, value: Option<Value>, written: bool },
    State { at: usize, state: RecordState },
    Claim { key: UniqueKey, claimed: Option<RecordRef> },
}

impl Transaction<'_> {
    /// From here on, until [`Transaction::release`] or [`Transaction::rollback`], changes can be taken back, and operations are not blind.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        let nursery = &mut self.nursery;
        nursery.savepoints += 1;
        Savepoint {
            depth: nursery.savepoints - 1,
            undo: nursery.undo.len(),
            writes: nursery.request.writes.len(),
            outbox: nursery.request.outbox.len(),
            created: nursery.created.len(),
            covers: self.covers.len(),
            deferred: nursery.deferred.clone(),
        }
    }

    /// Keeps what was done since.
    pub(crate) fn release(&mut self, savepoint: Savepoint) {
        self.nursery.savepoints = savepoint.depth;
        if self.nursery.savepoints == 0 {
            self.nursery.undo.clear();
        }
    }

    /// Takes back writes, creates and sends made since, in this and all savepoints within. What was read still counts.
    pub(crate) fn rollback(&mut self, savepoint: Savepoint) {
        let nursery = &mut self.nursery;
        while nursery.undo.len() > savepoint.undo {
            match nursery.undo.pop().expect("longer than the savepoint's") {
                Undo::Current { slot, value, written } => {
                    nursery.cells[slot].current = value;
                    nursery.cells[slot].written = written;
                }
                Undo::State { at, state } => {
                    nursery.records[at].state = state;
                }
                Undo::Claim { key, claimed } => {
                    if let Some(unique) = nursery.uniques.get_mut(&key) {
                        unique.claimed = claimed;
                    }
                }
            }
        }
        nursery.request.writes.truncate(savepoint.writes);
        nursery.chain.truncate(savepoint.writes);
        nursery.request.outbox.truncate(savepoint.outbox);
        nursery.created.truncate(savepoint.created);
        nursery.deferred = savepoint.deferred;
        nursery.savepoints = savepoint.depth;
        self.covers.truncate(savepoint.covers);
    }

    /// Whether changes must be noted, and operations must not be blind.
    pub(super) fn in_try(&self) -> bool {
        self.nursery.savepoints > 0
    }
}
