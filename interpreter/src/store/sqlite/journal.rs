//! The journal: one row for every batch of transactions that became durable together.
//!
//! A row is written once and never changed; when its effects have come to the tables it is deleted, in the transaction that brought them
//! there. So the state is always the tables and then the journal, in order.

use rusqlite::{Connection, OptionalExtension, params};

use super::tables::{self, ApplyError, Tables};
use crate::store::format::changes::Changes;
use crate::store::format::effect::{self, Effect};

/// Where the journal stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The batch that came to the tables last.
    pub(super) applied: u64,
    /// The batch that was written last.
    pub(super) written: u64,
    /// The version of the newest commit, and the time of the newest.
    pub(super) version: u64,
    pub(super) now: i64,
}

/// A batch to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Effects, each with a comma after it.
    pub(super) effects: String,
    /// The version of its newest transaction.
    pub(super) version: u64,
    /// The newest time of its transactions.
    pub(super) now: i64,
}

/// Over everything in the row, so that no part of it can change unseen.
fn checksum(batch: u64, version: u64, now: i64, effects: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&batch.to_le_bytes());
    hasher.update(&version.to_le_bytes());
    hasher.update(&now.to_le_bytes());
    hasher.update(effects.as_bytes());
    hasher.finalize()
}

/// Appends a batch, durably: in a transaction of its own.
pub(super) fn write(connection: &Connection, number: u64, batch: &Batch) -> rusqlite::Result<()> {
    // The last comma gives way to the bracket.
    let effects = format!("[{}]", batch.effects.strip_suffix(',').unwrap_or(&batch.effects));
    let checksum = checksum(number, batch.version, batch.now, &effects);
    let sql = "INSERT INTO _journal (batch, version, now, effects, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![number, batch.version, batch.now, effects, checksum])?;
    Ok(())
}

/// Brings the oldest batches to the tables, about as many as have `effects` effects, and deletes them. `applied`: the last batch that came to
/// the tables before. Gives the last that has now, and whether there are more.
///
/// The transaction need not be durable when it ends: without it the batches are still there.
pub(super) fn apply(connection: &Connection, tables: &Tables, applied: u64, effects: usize) -> Result<(u64, bool), ApplyError> {
    let (changes, last, more) = gather(connection, applied, effects)?;
    let Some((batch, version, now)) = last else { return Ok((applied, false)) };
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = bring(connection, tables, changes, batch, version, now).and_then(|()| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok((batch, more))
    });
    if done.is_err() {
        // A rollback that fails leaves nothing to do: SQLite rolls back when the connection ends.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

/// The number of a batch, its version and its time.
pub(super) type Last = Option<(u64, u64, i64)>;

fn gather(connection: &Connection, applied: u64, effects: usize) -> Result<(Changes, Last, bool), ApplyError> {
    let mut changes = Changes::default();
    let mut count = 0;
    let (last, more) = read(connection, applied, |read| {
        count += read.len();
        read.into_iter().for_each(|effect| changes.add(effect));
        count < effects
    })?;
    Ok((changes, last, more))
}

/// Reads the batches after `applied`, in order, until `each` says that it is enough. Gives the last that was read, and whether there are more.
pub(super) fn read(connection: &Connection, applied: u64, mut each: impl FnMut(Vec<Effect>) -> bool) -> Result<(Last, bool), ApplyError> {
    let (mut enough, mut last): (bool, Last) = (false, None);
    let mut rows = connection.prepare_cached("SELECT batch, version, now, effects, checksum FROM _journal ORDER BY batch")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        if enough {
            return Ok((last, true));
        }
        let (batch, version, now): (u64, u64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let damaged = |what: String| ApplyError::Damaged(format!("the journal's batch {batch}: {what}"));
        let before = last.map_or(applied, |(batch, ..)| batch);
        if batch != before + 1 {
            return Err(damaged(format!("it should follow on batch {before}")));
        }
        let text = row.get_ref(3)?.as_str().map_err(|error| damaged(error.to_string()))?;
        if row.get::<_, u32>(4)? != checksum(batch, version, now, text) {
            return Err(damaged("its checksum is wrong".to_owned()));
        }
        enough = !each(effect::read(text).map_err(|error| damaged(error.to_string()))?);
        last = Some((batch, version, now));
    }
    Ok((last, false))
}

fn bring(connection: &Connection, tables: &Tables, changes: Changes, batch: u64, version: u64, now: i64) -> Result<(), ApplyError> {
    tables::apply(changes, connection, tables)?;
    // What is still to be answered stays.
    let sql = "DELETE FROM _inbox WHERE keep_until < ?1 AND received NOT LIKE '{\"deferred\"%'";
    connection.prepare_cached(sql)?.execute([now])?;
    connection.prepare_cached("DELETE FROM _journal WHERE batch <= ?1")?.execute([batch])?;
    connection.prepare_cached("UPDATE _meta SET applied = ?1, version = ?2, now = ?3")?.execute(params![batch, version, now])?;
    Ok(())
}

/// Where the tables stand, and the last batch of the journal.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Position> {
    let position = connection.query_row("SELECT applied, version, now FROM _meta", [], |row| {
        Ok(Position { applied: row.get(0)?, written: row.get(0)?, version: row.get(1)?, now: row.get(2)? })
    })?;
    let last = connection.query_row("SELECT batch, version, now FROM _journal ORDER BY batch DESC LIMIT 1", [], |row| {
        Ok(Position { written: row.get(0)?, version: row.get(1)?, now: row.get(2)?, ..position })
    });
    Ok(last.optional()?.unwrap_or(position))
}
