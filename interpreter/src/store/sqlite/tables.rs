//! Brings changes to the tables.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use crate::store::format::changes::{Changes, InboxRow, OutboxChange, RecordChange};
use crate::store::format::native::Native;
use crate::store::format::schema::{Kind, StoredSchema, quoted};

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

/// Brings changes to the tables, in the transaction that the caller has begun.
pub(super) fn apply(changes: Changes, connection: &Connection, tables: &Tables) -> Result<(), ApplyError> {
    for (n, change) in changes.records {
        apply_record(change, n, connection, tables)?;
    }
    for (id, change) in changes.outbox {
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
    for (id, row) in changes.inbox {
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

fn apply_record(mut change: RecordChange, n: u64, connection: &Connection, tables: &Tables) -> Result<(), ApplyError> {
    let ty = |id: &u32| tables.types.get(id).ok_or_else(|| ApplyError::Damaged(format!("the schema has no type {id}")));
    if let Some(deleted) = &change.deleted {
        let of = ty(deleted)?;
        return match change.new {
            Some((_, space, id)) => insert_deleted(connection, *deleted, n, &space, &id),
            None => delete(connection, tables, of, *deleted, n),
        };
    }
    if let Some((id, space, name)) = change.new.take() {
        let of = ty(&id)?;
        let mut insert = connection.prepare_cached(&of.insert)?;
        insert.raw_bind_parameter(1, n)?;
        insert.raw_bind_parameter(2, space)?;
        insert.raw_bind_parameter(3, name)?;
        for (i, column) in of.columns.iter().enumerate() {
            let value = change.columns.remove(column);
            insert.raw_bind_parameter(i + 4, value.unwrap_or(Native::Null))?;
        }
        insert.raw_execute()?;
    }
    for (id, value) in change.columns {
        let cell = tables.cell(id)?;
        let of = ty(&cell.ty)?;
        if connection.prepare_cached(&cell.put)?.execute(params![n, value])? != 1 {
            return Err(ApplyError::Damaged(format!("there is no record {n} in {} ({})", of.table, of.name)));
        }
    }
    for (id, change) in change.collections {
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
