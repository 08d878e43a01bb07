//! Reads what is on its way in a file.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::tables::ApplyError;
use crate::store::StoreError;
use crate::store::format::glance::{Glance, Overlay};
use crate::store::format::schema::{StoredSchema, quoted};

/// Looks at the store at a path.
///
/// # Errors
/// If there is none, it cannot be read, or what is read is damaged.
pub fn glance(path: &Path) -> Result<Glance, StoreError> {
    let fail = |what: String| StoreError { message: format!("cannot read {}: {what}", path.display()), transient: false };
    if !path.exists() {
        return Err(fail("there is no such file".to_owned()));
    }
    let connect = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(super::open::BUSY)?;
        // One moment for all that is read.
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    };
    let connection = connect().map_err(|error: rusqlite::Error| fail(super::open::why(&error)))?;
    super::open::check_kind(&connection).map_err(fail)?;
    let stored = super::open::stored_schema(&connection).map_err(fail)?;
    overlay(&connection, &stored).map_err(|error| fail(error.to_string()))?.read().map_err(fail)
}

fn overlay(connection: &Connection, stored: &StoredSchema) -> Result<Overlay, ApplyError> {
    let mut overlay = Overlay::of(stored);
    let mut statement = connection.prepare("SELECT sent, id, event, state FROM _outbox")?;
    let mut outbox = statement.query([])?;
    while let Some(row) = outbox.next()? {
        overlay.send(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    }
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    for ty in stored.types.iter().filter(|ty| ty.present) {
        overlay.count(ty.id, count(&format!("SELECT count(*) FROM {}", quoted(&ty.table())))?);
    }
    overlay.received = count("SELECT count(*) FROM _inbox")?;
    let applied = super::journal::position(connection)?.applied;
    super::journal::read(connection, applied, |effects| {
        effects.into_iter().for_each(|effect| overlay.lay(effect));
        true
    })?;
    Ok(overlay)
}
