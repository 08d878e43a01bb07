//! Brings effects to the tables.
//!
//! What happened to one cell or element in many transactions is first brought to one: a counter that was changed a thousand times costs one
//! update.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::effect::Effect;
use super::native::Native;
use super::schema::{Kind, StoredSchema, quoted};

/// Where types and cells are, with the SQL that changes them.
#[derive(Debug)]
pub(super) struct Tables {
    types: FxHashMap<u32, TypeTable>,
    cells: FxHashMap<u32, CellTable>,
}

#[derive(Debug)]
struct TypeTable {
    name: String,
    table: String,
    /// The cells that are columns, and those that have tables.
    columns: Vec<u32>,
    collections: Vec<u32>,
    insert: String,
    delete: String,
}

#[derive(Debug)]
struct CellTable {
    ty: u32,
    kind: Kind,
    /// Sets a column, or puts an element.
    put: String,
    remove: String,
    clear: String,
}

impl Tables {
    pub(super) fn new(schema: &StoredSchema) -> Tables {
        let mut tables = Tables { types: FxHashMap::default(), cells: FxHashMap::default() };
        for ty in schema.types.iter().filter(|ty| ty.present) {
            let table = quoted(&ty.table());
            let columns: Vec<_> = ty.columns().map(|cell| format!(", {}", quoted(&cell.column()))).collect();
            let places: String = (0..columns.len()).map(|i| format!(", ?{}", i + 4)).collect();
            for cell in &ty.cells {
                let (put, remove, clear) = match cell.kind {
                    Kind::Column => {
                        (format!("UPDATE {table} SET {} = ?2 WHERE _record = ?1", quoted(&cell.column())), String::new(), String::new())
                    }
                    kind => {
                        let elements = quoted(&cell.table(ty));
                        let values = if kind == Kind::Set { "?1, ?2" } else { "?1, ?2, ?3" };
                        (
                            format!("INSERT OR REPLACE INTO {elements} VALUES ({values})"),
                            format!("DELETE FROM {elements} WHERE record = ?1 AND {} = ?2", kind.key()),
                            format!("DELETE FROM {elements} WHERE record = ?1"),
                        )
                    }
                };
                tables.cells.insert(cell.id, CellTable { ty: ty.id, kind: cell.kind, put, remove, clear });
            }
            let of = TypeTable {
                name: ty.name.clone(),
                insert: format!("INSERT INTO {table} (_record, _space, _id{}) VALUES (?1, ?2, ?3{places})", columns.concat()),
                delete: format!("DELETE FROM {table} WHERE _record = ?1"),
                table,
                columns: ty.columns().map(|cell| cell.id).collect(),
                collections: ty.collections().map(|cell| cell.id).collect(),
            };
            tables.types.insert(ty.id, of);
        }
        tables
    }
}

/// What is wrong with an entry of the journal.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Damaged(String),
}

/// Many effects, brought to one for each row.
#[derive(Debug, Default)]
pub(super) struct Changes {
    records: BTreeMap<u64, RecordChange>,
    outbox: BTreeMap<String, OutboxChange>,
    inbox: BTreeMap<String, Option<InboxRow>>,
}

#[derive(Debug, Default)]
struct RecordChange {
    /// The type, and where the record is, when it was created.
    new: Option<(u32, String, String)>,
    /// The type, when it was deleted.
    deleted: Option<u32>,
    columns: BTreeMap<u32, Native>,
    collections: BTreeMap<u32, CollectionChange>,
}

#[derive(Debug, Default)]
struct CollectionChange {
    cleared: bool,
    /// `None`: it is gone.
    elements: BTreeMap<Native, Option<Native>>,
}

#[derive(Debug)]
enum OutboxChange {
    New { sent: u64, event: Native, state: Native },
    State(Native),
    Gone,
}

#[derive(Debug)]
struct InboxRow {
    received: Native,
    ty: String,
    keep_until: Option<i64>,
}

impl Changes {
    /// Adds an effect after those before.
    pub(super) fn add(&mut self, effect: Effect) {
        match effect {
            Effect::New { ty, n, space, id } => self.records.entry(n).or_default().new = Some((ty, space, id)),
            Effect::Del { ty, n } => {
                let record = self.records.entry(n).or_default();
                *record = RecordChange { new: record.new.take(), deleted: Some(ty), ..RecordChange::default() };
            }
            Effect::Set { cell, n, value } => {
                self.records.entry(n).or_default().columns.insert(cell, value);
            }
            Effect::Put { cell, n, key, value } => {
                self.records.entry(n).or_default().collections.entry(cell).or_default().elements.insert(key, Some(value));
            }
            Effect::Rem { cell, n, key } => {
                self.records.entry(n).or_default().collections.entry(cell).or_default().elements.insert(key, None);
            }
            Effect::Clr { cell, n } => {
                let cleared = CollectionChange { cleared: true, elements: BTreeMap::new() };
                self.records.entry(n).or_default().collections.insert(cell, cleared);
            }
            Effect::Out { sent, id, event, state } => {
                self.outbox.insert(id, OutboxChange::New { sent, event, state });
            }
            Effect::State { id, state } => match self.outbox.get_mut(&id) {
                Some(OutboxChange::New { state: old, .. }) => *old = state,
                _ => {
                    self.outbox.insert(id, OutboxChange::State(state));
                }
            },
            Effect::Unout { id } => {
                self.outbox.insert(id, OutboxChange::Gone);
            }
            Effect::In { id, received, ty, keep_until } => {
                self.inbox.insert(id, Some(InboxRow { received, ty, keep_until }));
            }
            Effect::Forget { id } => {
                self.inbox.insert(id, None);
            }
        }
    }

    /// Brings the changes to the tables, in the transaction that the caller has begun.
    pub(super) fn apply(self, connection: &Connection, tables: &Tables) -> Result<(), ApplyError> {
        for (n, change) in self.records {
            change.apply(n, connection, tables)?;
        }
        for (id, change) in self.outbox {
            match change {
                OutboxChange::New { sent, event, state } => {
                    let sql = "INSERT OR REPLACE INTO _outbox (sent, id, event, state) VALUES (?1, ?2, ?3, ?4)";
                    connection.prepare_cached(sql)?.execute(params![sent, id, event, state])?;
                }
                OutboxChange::State(state) => {
                    connection.prepare_cached("UPDATE _outbox SET state = ?2 WHERE id = ?1")?.execute(params![id, state])?;
                }
                OutboxChange::Gone => {
                    connection.prepare_cached("DELETE FROM _outbox WHERE id = ?1")?.execute([id])?;
                }
            }
        }
        for (id, row) in self.inbox {
            match row {
                Some(InboxRow { received, ty, keep_until }) => {
                    let sql = "INSERT OR REPLACE INTO _inbox (id, received, type, keep_until) VALUES (?1, ?2, ?3, ?4)";
                    connection.prepare_cached(sql)?.execute(params![id, received, ty, keep_until])?;
                }
                None => {
                    connection.prepare_cached("DELETE FROM _inbox WHERE id = ?1")?.execute([id])?;
                }
            }
        }
        Ok(())
    }
}

impl RecordChange {
    fn apply(mut self, n: u64, connection: &Connection, tables: &Tables) -> Result<(), ApplyError> {
        let ty = |id: &u32| tables.types.get(id).ok_or_else(|| ApplyError::Damaged(format!("the schema has no type {id}")));
        if let Some(deleted) = &self.deleted {
            let of = ty(deleted)?;
            return match self.new {
                Some((_, space, id)) => insert_deleted(connection, *deleted, n, &space, &id),
                None => delete(connection, tables, of, *deleted, n),
            };
        }
        if let Some((id, space, name)) = self.new.take() {
            let of = ty(&id)?;
            let mut insert = connection.prepare_cached(&of.insert)?;
            insert.raw_bind_parameter(1, n)?;
            insert.raw_bind_parameter(2, space)?;
            insert.raw_bind_parameter(3, name)?;
            for (i, column) in of.columns.iter().enumerate() {
                let value = self.columns.remove(column);
                insert.raw_bind_parameter(i + 4, value.unwrap_or(Native::Null))?;
            }
            insert.raw_execute()?;
        }
        for (id, value) in self.columns {
            let cell = tables.cell(id)?;
            let of = ty(&cell.ty)?;
            if connection.prepare_cached(&cell.put)?.execute(params![n, value])? != 1 {
                return Err(ApplyError::Damaged(format!("there is no record {n} in {} ({})", of.table, of.name)));
            }
        }
        for (id, change) in self.collections {
            let cell = tables.cell(id)?;
            if change.cleared {
                connection.prepare_cached(&cell.clear)?.execute([n])?;
            }
            for (key, value) in change.elements {
                match value {
                    None if change.cleared => {}
                    None => {
                        connection.prepare_cached(&cell.remove)?.execute(params![n, key])?;
                    }
                    Some(_) if cell.kind == Kind::Set => {
                        connection.prepare_cached(&cell.put)?.execute(params![n, key])?;
                    }
                    Some(value) => {
                        connection.prepare_cached(&cell.put)?.execute(params![n, key, value])?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Tables {
    fn cell(&self, id: u32) -> Result<&CellTable, ApplyError> {
        self.cells.get(&id).ok_or_else(|| ApplyError::Damaged(format!("the schema has no cell {id}")))
    }
}

fn insert_deleted(connection: &Connection, ty: u32, n: u64, space: &str, id: &str) -> Result<(), ApplyError> {
    connection
        .prepare_cached("INSERT INTO _deleted (record, type, space, id) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![n, ty, space, id])?;
    Ok(())
}

/// Deletes a record: its id stays, so that it is not given again.
fn delete(connection: &Connection, tables: &Tables, of: &TypeTable, ty: u32, n: u64) -> Result<(), ApplyError> {
    let sql =
        format!("INSERT INTO _deleted (record, type, space, id) SELECT _record, ?2, _space, _id FROM {} WHERE _record = ?1", of.table);
    if connection.prepare_cached(&sql)?.execute(params![n, ty])? != 1 {
        return Err(ApplyError::Damaged(format!("there is no record {n} in {} ({})", of.table, of.name)));
    }
    connection.prepare_cached(&of.delete)?.execute([n])?;
    for cell in &of.collections {
        connection.prepare_cached(&tables.cell(*cell)?.clear)?.execute([n])?;
    }
    Ok(())
}
