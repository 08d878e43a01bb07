//! The tables of record types and their cells: made and dropped.

use rusqlite::Connection;

use crate::store::format::schema::{Kind, StoredCell, StoredType, quoted};

/// Makes the tables of a type.
pub(super) fn create_type(connection: &Connection, ty: &StoredType) -> rusqlite::Result<()> {
    let columns: String = ty.columns().map(|cell| format!(", {}", quoted(&cell.column()))).collect();
    let table = quoted(&ty.table());
    connection
        .execute_batch(&format!("CREATE TABLE {table} (_record INTEGER PRIMARY KEY, _space TEXT NOT NULL, _id TEXT NOT NULL{columns})"))?;
    ty.collections().try_for_each(|cell| create_collection(connection, ty, cell))
}

/// Drops the tables of a type.
pub(super) fn drop_type(connection: &Connection, ty: &StoredType) -> rusqlite::Result<()> {
    ty.collections().try_for_each(|cell| drop_cell(connection, ty, cell))?;
    connection.execute_batch(&format!("DROP TABLE {}", quoted(&ty.table())))
}

fn create_collection(connection: &Connection, of: &StoredType, cell: &StoredCell) -> rusqlite::Result<()> {
    let table = quoted(&cell.table(of));
    let columns = match cell.kind {
        Kind::Column => return Ok(()),
        Kind::List => "record INTEGER, position INTEGER, value, PRIMARY KEY (record, position)",
        Kind::Set => "record INTEGER, value, PRIMARY KEY (record, value)",
        Kind::Map => "record INTEGER, key, value, PRIMARY KEY (record, key)",
    };
    connection.execute_batch(&format!("CREATE TABLE {table} ({columns}) WITHOUT ROWID"))
}

/// Makes the column or table of a cell.
pub(super) fn create_cell(connection: &Connection, of: &StoredType, cell: &StoredCell) -> rusqlite::Result<()> {
    match cell.kind {
        Kind::Column => connection.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {}", quoted(&of.table()), quoted(&cell.column()))),
        Kind::List | Kind::Set | Kind::Map => create_collection(connection, of, cell),
    }
}

/// Drops the column or table of a cell.
pub(super) fn drop_cell(connection: &Connection, of: &StoredType, cell: &StoredCell) -> rusqlite::Result<()> {
    match cell.kind {
        Kind::Column => connection.execute_batch(&format!("ALTER TABLE {} DROP COLUMN {}", quoted(&of.table()), quoted(&cell.column()))),
        Kind::List | Kind::Set | Kind::Map => connection.execute_batch(&format!("DROP TABLE {}", quoted(&cell.table(of)))),
    }
}
