//! The rows of the tables, for the loader.

use rusqlite::Connection;

use super::values::native;
use crate::store::format::load::{
    DeletedRow, EachDeleted, EachElement, EachOutgoing, EachReceived, EachRecord, ElementRow, LoadError, OutgoingRow, ReceivedRow,
    RecordRow, Rows,
};
use crate::store::format::schema::{Kind, StoredCell, StoredType, quoted};

/// The tables of a file.
pub(super) struct FileRows<'a>(pub(super) &'a Connection);

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> LoadError {
        LoadError::Database(error.to_string())
    }
}

impl Rows for FileRows<'_> {
    fn records(&self, of: &StoredType, columns: &[&StoredCell], each: EachRecord<'_>) -> Result<(), LoadError> {
        let names: String = columns.iter().map(|cell| format!(", {}", quoted(&cell.column()))).collect();
        let sql = format!("SELECT _record, _space, _id{names} FROM {} ORDER BY _record", quoted(&of.table()));
        let mut statement = self.0.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let n = row.get(0)?;
            let text = |at: usize| row.get_ref(at)?.as_str().map_err(|error| LoadError::Damaged(format!("the {} {n}: {error}", of.name)));
            let values = (0..columns.len()).map(|at| native(row.get_ref(at + 3)?)).collect::<Result<Vec<_>, LoadError>>()?;
            each(RecordRow { n, space: text(1)?, id: text(2)?, columns: &values })?;
        }
        Ok(())
    }

    fn elements(&self, of: &StoredType, cell: &StoredCell, each: EachElement<'_>) -> Result<(), LoadError> {
        let table = quoted(&cell.table(of));
        let key = cell.kind.key();
        let value = if cell.kind == Kind::Set { "NULL" } else { "value" };
        let mut statement = self.0.prepare(&format!("SELECT record, {key}, {value} FROM {table} ORDER BY record, {key}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(ElementRow { n: row.get(0)?, key: native(row.get_ref(1)?)?, value: native(row.get_ref(2)?)? })?;
        }
        Ok(())
    }

    fn deleted(&self, each: EachDeleted<'_>) -> Result<(), LoadError> {
        let mut statement = self.0.prepare("SELECT record, space, id, type FROM _deleted")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (space, id): (String, String) = (row.get(1)?, row.get(2)?);
            each(DeletedRow { n: row.get(0)?, ty: row.get(3)?, space: &space, id: &id })?;
        }
        Ok(())
    }

    fn outgoing(&self, each: EachOutgoing<'_>) -> Result<(), LoadError> {
        let mut statement = self.0.prepare("SELECT sent, id, event, state FROM _outbox ORDER BY sent")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, event, state): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            each(OutgoingRow { sent: row.get(0)?, id: &id, event: &event, state: &state })?;
        }
        Ok(())
    }

    fn received(&self, each: EachReceived<'_>) -> Result<(), LoadError> {
        let mut statement = self.0.prepare("SELECT id, received, type, keep_until FROM _inbox ORDER BY keep_until")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, received, ty): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            each(ReceivedRow { id: &id, received: &received, ty: &ty, keep_until: row.get(3)? })?;
        }
        Ok(())
    }

    fn count(&self, of: &StoredType) -> Result<u64, LoadError> {
        self.number(&format!("SELECT count(*) FROM {}", quoted(&of.table())))
    }

    fn count_filled(&self, of: &StoredType, cell: &StoredCell) -> Result<u64, LoadError> {
        match cell.kind {
            Kind::Column => self.number(&format!("SELECT count({}) FROM {}", quoted(&cell.column()), quoted(&of.table()))),
            _ => self.number(&format!("SELECT count(DISTINCT record) FROM {}", quoted(&cell.table(of)))),
        }
    }
}

impl FileRows<'_> {
    fn number(&self, sql: &str) -> Result<u64, LoadError> {
        Ok(self.0.query_row(sql, [], |row| row.get(0))?)
    }
}
