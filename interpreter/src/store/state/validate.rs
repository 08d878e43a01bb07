//! Whether what a transaction read is still so.

use super::State;
use crate::store::{CommitRequest, Presence, Read, ReadKey, Refused, Seen, Version, Write};
use crate::value::{RecordRef, Value};

impl State {
    /// Refuses with [`Refused::Stale`] if any read is out of date, or an invariant has come to read what is written since it was found out which
    /// ones do.
    pub fn validate(&self, request: &CommitRequest) -> Result<(), Refused> {
        if request.snapshot == self.version {
            return Ok(());
        }
        if let Some(read) = request.reads.iter().find(|read| !self.is_current(read, request.snapshot)) {
            return Err(Refused::Stale(read.key.clone()));
        }
        if self.has_invariant_reads()
            && let Some(key) = request.changed().find(|key| self.dependents(key).iter().any(|due| !self.is_judged(due, request)))
        {
            return Err(Refused::Stale(key));
        }
        Ok(())
    }

    /// Whether a request knows what becomes of an invariant for a record: it has evaluated it, or deletes the record.
    fn is_judged(&self, (invariant, record): &(u32, RecordRef), request: &CommitRequest) -> bool {
        let deletes = |write: &Write| matches!(write, Write::Delete { record: deleted } if deleted == record);
        request.invariant_reads.iter().any(|(evaluated, of, _)| evaluated == invariant && of == record)
            || self.presence(record) != Presence::Live
            || request.writes.iter().any(deletes)
    }

    fn is_current(&self, read: &Read, snapshot: Version) -> bool {
        match (&read.key, &read.seen) {
            (ReadKey::Exists(record), Seen::Value(seen)) => (self.presence(record) == Presence::Live) == seen.is_some(),
            (ReadKey::Cell(record, cell), Seen::Unchanged) => {
                let found = self.find(record).and_then(|handle| self.entry(handle).cells.get(cell.index()));
                found.is_some_and(|cell| cell.changed <= snapshot)
            }
            (ReadKey::Cell(record, cell), Seen::Value(seen)) => self.cell(record, *cell) == seen.as_ref(),
            (ReadKey::Element(record, cell, key), Seen::Value(seen)) => self.element(record, *cell, key) == seen.as_ref(),
            (ReadKey::Unique(record, space, cell, value), Seen::Value(seen)) => {
                let holder = self.unique(*record, space, *cell, value);
                match seen {
                    None => holder.is_none(),
                    Some(Value::Ref(seen)) => holder == Some(seen),
                    Some(_) => false,
                }
            }
            (ReadKey::Query { record, space, cells, index }, Seen::Unchanged) => {
                let Some(table) = self.table(*record, space) else { return true };
                if let Some((cell, value)) = index
                    && let Some(Some(index)) = table.indexes.get(cell.index())
                {
                    return index.changed(value) <= snapshot
                        && index.members(value).into_iter().all(|handle| {
                            let entry = self.entry(handle);
                            cells.iter().all(|cell| entry.cells.get(cell.index()).is_none_or(|cell| cell.changed <= snapshot))
                        });
                }
                table.membership <= snapshot
                    && index.iter().all(|(cell, _)| table.changed[cell.index()] <= snapshot)
                    && cells.iter().all(|cell| table.changed[cell.index()] <= snapshot)
            }
            // A read whose kind does not fit what was seen was never made by a transaction.
            (ReadKey::Exists(_) | ReadKey::Element(..) | ReadKey::Unique(..), Seen::Unchanged)
            | (ReadKey::Query { .. }, Seen::Value(_)) => false,
        }
    }
}
