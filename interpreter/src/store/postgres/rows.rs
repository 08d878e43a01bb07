//! The rows of the tables, for the loader.

use rustc_hash::FxHashMap;

use super::link::{Link, LinkError, source};
use super::statements as sql;
use crate::event::EventId;
use crate::store::format::load::{
    DeletedRow, EachDeleted, EachElement, EachOutgoing, EachReceived, EachRecord, ElementRow, LoadError, OutgoingRow, ReceivedRow,
    RecordRow, Rows,
};
use crate::store::format::native::{Native, NativeRef};
use crate::store::format::schema::{Kind, StoredCell, StoredType};

/// The tables of a server.
pub(super) struct ServerRows<'a>(pub(super) &'a Link);

impl From<LinkError> for LoadError {
    fn from(error: LinkError) -> LoadError {
        LoadError::Database(source(&error))
    }
}

/// A value of a column, as the tables have it: a JSON scalar.
pub(super) fn to_text(native: &Native) -> String {
    match native {
        Native::Null => "null".to_owned(),
        Native::Integer(n) => n.to_string(),
        Native::Real(x) => serde_json::Number::from_f64(*x).map_or_else(|| "null".to_owned(), |number| number.to_string()),
        Native::Text(text) => json_text(text),
    }
}

/// A text that may hold anything, as a text of PostgreSQL, which cannot hold a NUL.
pub(super) fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

fn from_text(text: &str) -> Result<Native, LoadError> {
    serde_json::from_str(text).map_err(|error| LoadError::Damaged(format!("a value cannot be read: {error}")))
}

fn plain(text: &str) -> Result<String, LoadError> {
    serde_json::from_str(text).map_err(|error| LoadError::Damaged(format!("a text cannot be read: {error}")))
}

fn number(n: i64) -> Result<u64, LoadError> {
    u64::try_from(n).map_err(|_| LoadError::Damaged(format!("{n} is the number of no record")))
}

impl Rows for ServerRows<'_> {
    fn records(&self, of: &StoredType, columns: &[&StoredCell], each: EachRecord<'_>) -> Result<(), LoadError> {
        let mut cells: Vec<FxHashMap<i64, Native>> = Vec::with_capacity(columns.len());
        for cell in columns {
            let rows = self.0.query(sql::CELLS, &[&i64::from(cell.id)])?;
            let values = rows.iter().map(|row| Ok((row.get(0), from_text(row.get(1))?)));
            cells.push(values.collect::<Result<_, LoadError>>()?);
        }
        for row in self.0.query(sql::RECORDS, &[&i64::from(of.id)])? {
            let n: i64 = row.get(0);
            // A cell that is new and not filled yet has no row.
            let values: Vec<NativeRef<'_>> = cells.iter().map(|cell| cell.get(&n).map_or(NativeRef::Null, Native::as_ref)).collect();
            each(RecordRow { n: number(n)?, space: row.get(1), id: row.get(2), columns: &values })?;
        }
        Ok(())
    }

    fn elements(&self, _of: &StoredType, cell: &StoredCell, each: EachElement<'_>) -> Result<(), LoadError> {
        let id = i64::from(cell.id);
        if cell.kind == Kind::List {
            for row in self.0.query(sql::ITEMS, &[&id])? {
                let value = from_text(row.get(2))?;
                each(ElementRow { n: number(row.get(0))?, key: NativeRef::Integer(row.get(1)), value: value.as_ref() })?;
            }
            return Ok(());
        }
        for row in self.0.query(sql::ELEMENTS, &[&id])? {
            let (key, value) = (from_text(row.get(1))?, from_text(row.get(2))?);
            each(ElementRow { n: number(row.get(0))?, key: key.as_ref(), value: value.as_ref() })?;
        }
        Ok(())
    }

    fn deleted(&self, each: EachDeleted<'_>) -> Result<(), LoadError> {
        for row in self.0.query(sql::DELETED, &[])? {
            let ty: i64 = row.get(1);
            let ty = u32::try_from(ty).map_err(|_| LoadError::Damaged(format!("{ty} is the number of no type")))?;
            each(DeletedRow { n: number(row.get(0))?, ty, space: row.get(2), id: row.get(3) })?;
        }
        Ok(())
    }

    fn outgoing(&self, each: EachOutgoing<'_>) -> Result<(), LoadError> {
        for row in self.0.query(sql::OUTBOX, &[])? {
            let id = plain(row.get(1))?;
            each(OutgoingRow { sent: number(row.get(0))?, id: &id, event: row.get(2), state: row.get(3) })?;
        }
        Ok(())
    }

    fn received(&self, each: EachReceived<'_>) -> Result<(), LoadError> {
        for row in self.0.query(sql::INBOX, &[])? {
            let id = plain(row.get(0))?;
            each(ReceivedRow { id: &id, received: row.get(1), ty: row.get(2), keep_until: row.get(3) })?;
        }
        Ok(())
    }

    fn count(&self, of: &StoredType) -> Result<u64, LoadError> {
        Ok(self.0.query(sql::RECORDS, &[&i64::from(of.id)])?.len() as u64)
    }

    fn count_filled(&self, _of: &StoredType, cell: &StoredCell) -> Result<u64, LoadError> {
        let statement = match cell.kind {
            Kind::Column => sql::CELLS,
            Kind::List => sql::ITEMS,
            Kind::Set | Kind::Map => sql::ELEMENTS,
        };
        let rows = self.0.query(statement, &[&i64::from(cell.id)])?;
        let value = if cell.kind == Kind::Column { 1 } else { 2 };
        let mut records: Vec<i64> =
            rows.iter().filter(|row| cell.kind != Kind::Column || row.get::<_, &str>(value) != "null").map(|row| row.get(0)).collect();
        records.dedup();
        Ok(records.len() as u64)
    }
}

impl ServerRows<'_> {
    /// Which process has sent or changed each event on its way last.
    pub(super) fn owners(&self) -> Result<FxHashMap<EventId, i64>, LoadError> {
        let rows = self.0.query(sql::OUTBOX, &[])?;
        rows.iter().map(|row| Ok((EventId(plain(row.get(1))?.into()), row.get(4)))).collect()
    }
}
