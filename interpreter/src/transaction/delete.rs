//! Deleting records.

use patternc_program::CellIndex;

use super::{Run, Transaction};
use crate::value::{RecordRef, Value};

impl Transaction<'_> {
    /// Deletes the record and takes it out of the other ends of its inverse cells.
    ///
    /// # Errors
    /// `missing` if it is not there, `rejected` where an end that may not be empty would be.
    pub(crate) fn delete(&mut self, record: &RecordRef) -> Run<()> {
        let at = self.touch(record);
        self.open(at)?;
        let declarations = &self.program.record(record.record()).cells;
        for (cell, declaration) in declarations.iter().enumerate() {
            let cell = CellIndex(cell as u32);
            if let Some(inverse) = declaration.inverse {
                let ends = self.cell_at(at, cell)?;
                for end in super::inverse::targets(&ends) {
                    if end != *record {
                        self.unlink(record, inverse, &end)?;
                    }
                }
            }
            if declaration.unique {
                let old = self.cell_at(at, cell)?;
                self.claim(record, cell, &old, &Value::None)?;
            }
        }
        self.push_delete(at);
        Ok(())
    }
}
