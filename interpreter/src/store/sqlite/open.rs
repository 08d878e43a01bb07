//! Opens a store: takes its ownership, brings the journal to the tables, compares the program with the one that wrote the data, loads.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::journal::{self, Position};
use super::lock::Lock;
use super::rows::FileRows;
use super::tables::{self, ApplyError, Tables};
use super::{Opening, definition, views};
use crate::json::Names;
use crate::store::format::load::{LoadError, Loaded, Loader};
use crate::store::format::migration::{Migration, Steps};
use crate::store::format::schema::{Layout, StoredSchema, quoted};
use crate::store::state::{Schema, State};
use crate::store::{StoreError, Version};

/// "ptrn": says that an SQLite file is a store.
const APPLICATION_ID: i32 = 0x7074_726e;
/// The format of the file. A file with a newer one is not opened.
const FORMAT: i32 = 1;
/// How long to wait for other processes that hold the file for a moment.
pub(super) const BUSY: Duration = Duration::from_secs(30);

/// A store that was opened.
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) connection: Connection,
    pub(super) tables: Tables,
    pub(super) position: Position,
    pub(super) state: State,
    pub(super) layout: Layout,
    pub(super) loaded: Loaded,
}

/// Opens the store at a path, or makes it.
pub(super) fn open(path: &Path, opening: &mut Opening<'_>) -> Result<Opened, StoreError> {
    let shown = path.display();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| fatal(format!("cannot make the folder {}: {error}", folder.display())))?;
    }
    let lock = Lock::take(path)?;
    let unopened = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, &error.to_string()),
        _ => fatal(format!("cannot open {shown}: {}", why(&error))),
    };
    let connection = connect(path).map_err(unopened)?;
    // Also the file of a process that died before it had made its tables.
    let is_new = is_empty(&connection).map_err(unopened)?;
    if is_new {
        create(&connection).map_err(|error| fatal(format!("cannot make the store {shown}: {error}")))?;
        sync_folder(path).map_err(|error| fatal(format!("cannot write the folder of {shown}: {error}")))?;
    }
    check_format(&connection).map_err(|message| fatal(format!("cannot open {shown}: {message}")))?;
    let Brought { tables, position, state, layout, loaded } = bring_up(&connection, path, "quick_check", opening)?;
    Ok(Opened { lock, connection, tables, position, state, layout, loaded })
}

/// The contents of the store at a path as of its newest durable commit, for a program. Nothing is owned, and nothing in the file is changed:
/// a copy in memory is brought up instead.
pub(super) fn look(path: &Path, opening: &mut Opening<'_>) -> Result<State, StoreError> {
    let shown = path.display();
    let unreadable = |error: String| fatal(format!("cannot read {shown}: {error}"));
    if !path.exists() {
        return Err(unreadable("there is no such file".to_owned()));
    }
    let copy = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file = Connection::open_with_flags(path, flags)?;
        file.busy_timeout(BUSY)?;
        let mut copy = Connection::open_in_memory()?;
        // All pages in one step: as of one moment, whoever writes meanwhile.
        Backup::new(&file, &mut copy)?.step(-1)?;
        Ok(copy)
    };
    let copy = copy().map_err(|error: rusqlite::Error| unreadable(why(&error)))?;
    check_kind(&copy).map_err(unreadable)?;
    Ok(bring_up(&copy, path, "integrity_check", opening)?.state)
}

/// What a store has brought up.
struct Brought {
    tables: Tables,
    position: Position,
    state: State,
    layout: Layout,
    loaded: Loaded,
}

/// Brings the journal to the tables, and both to the program. `check`: the pragma that looks for damage.
fn bring_up(connection: &Connection, path: &Path, check: &str, opening: &mut Opening<'_>) -> Result<Brought, StoreError> {
    let shown = path.display();
    let damaged = |what: String| damaged(path, &what);
    let integrity: Result<String, _> = connection.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0));
    match integrity {
        Ok(result) if result == "ok" => {}
        Ok(result) => return Err(damaged(result)),
        Err(error) => return Err(damaged(error.to_string())),
    }
    let stored = stored_schema(connection).map_err(&damaged)?;
    let recovered = recover(connection, &Tables::new(&stored)).map_err(|error| match error {
        ApplyError::Damaged(what) => damaged(what),
        ApplyError::Sqlite(error) => fatal(format!("cannot bring the journal of {shown} to its tables: {error}")),
    })?;
    let refused = |error: LoadError| match error {
        LoadError::Damaged(what) => damaged(what),
        LoadError::Unfit(what) => fatal(format!("the program does not fit the data in {shown}: {what}")),
        LoadError::Database(error) => fatal(format!("cannot read {shown}: {error}")),
    };
    let schema = stored.for_opening(opening);
    let mut state = State::new(Arc::new(Schema::new(&opening.program)), &opening.limits);
    state.set_version(Version(recovered.version));
    let names = Names::new(&opening.program);
    let rows = FileRows(connection);
    let loader = Loader { rows: &rows, program: &opening.program, names: &names, schema: &stored, new_schema: &schema };
    let mut loaded = loader.load(&mut state).map_err(refused)?;
    if schema != stored {
        let migration = Migration { rows: &rows, stored: &stored, schema: &schema };
        let steps = migration.plan(&mut state, &loaded.missing, &mut loaded.positions, opening).map_err(refused)?;
        migrate(connection, steps, &schema).map_err(|error| fatal(format!("cannot bring {shown} to the new program: {error}")))?;
    }
    let layout = Layout::new(&schema, &opening.program);
    let tables = Tables::new(&schema);
    let position = Position { version: state.version().0, ..recovered };
    Ok(Brought { tables, position, state, layout, loaded })
}

fn damaged(path: &Path, what: &str) -> StoreError {
    let shown = path.display();
    fatal(format!("the store {shown} is damaged: {what}. Nothing was changed. Restore a copy, or look into it with an SQLite tool"))
}

fn fatal(message: String) -> StoreError {
    StoreError { message, transient: false }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(1024);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    Ok(connection)
}

/// Whether nobody has put anything into the file.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(application == 0 && tables == 0)
}

/// The tables that every store has.
fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         CREATE TABLE _meta (schema TEXT NOT NULL, applied INTEGER NOT NULL, version INTEGER NOT NULL, now INTEGER NOT NULL);
         CREATE TABLE _journal (batch INTEGER PRIMARY KEY, version INTEGER NOT NULL, now INTEGER NOT NULL, effects TEXT NOT NULL,
             checksum INTEGER NOT NULL);
         CREATE TABLE _deleted (record INTEGER PRIMARY KEY, type INTEGER NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL);
         CREATE TABLE _outbox (sent INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, state TEXT NOT NULL);
         CREATE TABLE _inbox (id TEXT PRIMARY KEY, received TEXT NOT NULL, type TEXT NOT NULL, keep_until INTEGER) WITHOUT ROWID;
         CREATE INDEX _inbox_keep_until ON _inbox (keep_until) WHERE keep_until IS NOT NULL;"
    ))?;
    let schema = to_text(&StoredSchema::default());
    transaction.execute("INSERT INTO _meta (schema, applied, version, now) VALUES (?1, 0, 0, 0)", [schema])?;
    transaction.commit()
}

/// Makes the names of new files durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Why a file cannot be read, and the way out where it is known.
pub(super) fn why(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is no SQLite file, but something else; give another path, or move that file away".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether the file is a store of a format that is known.
pub(super) fn check_kind(connection: &Connection) -> Result<(), String> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = pragma("application_id").map_err(|error| why(&error))?;
    if application != APPLICATION_ID {
        return Err("it is an SQLite file, but not a store of this program; give another path".to_owned());
    }
    let format = pragma("user_version").map_err(|error| why(&error))?;
    if format > FORMAT {
        return Err(format!("its format is {format}, this program knows {FORMAT} at most; use a newer patternc"));
    }
    if format < 1 {
        return Err(format!("its format is {format}, which never was"));
    }
    Ok(())
}

fn check_format(connection: &Connection) -> Result<(), String> {
    check_kind(connection)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(|error| error.to_string())?;
    if mode != "wal" {
        // Someone has changed it; the promise of group commit rests on it.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| error.to_string())?;
    }
    Ok(())
}

pub(super) fn stored_schema(connection: &Connection) -> Result<StoredSchema, String> {
    let text: String = connection.query_row("SELECT schema FROM _meta", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("its schema cannot be read: {error}"))
}

fn to_text(schema: &StoredSchema) -> String {
    serde_json::to_string(schema).expect("a schema is plain data")
}

/// Brings the whole journal to the tables: what is done in the background otherwise.
fn recover(connection: &Connection, tables: &Tables) -> Result<Position, ApplyError> {
    let mut position = journal::position(connection)?;
    loop {
        let (applied, more) = journal::apply(connection, tables, position.applied, 100_000)?;
        position.applied = applied;
        if !more {
            return Ok(position);
        }
    }
}

/// Brings the tables to the schema of another program.
fn migrate(connection: &Connection, steps: Steps<'_>, schema: &StoredSchema) -> Result<(), ApplyError> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    views::drop(&transaction)?;
    for old in steps.gone_types {
        let (table, id) = (quoted(&old.table()), old.id);
        transaction
            .execute_batch(&format!("INSERT INTO _deleted (record, type, space, id) SELECT _record, {id}, _space, _id FROM {table}"))?;
        definition::drop_type(&transaction, old)?;
    }
    for (old, cell) in steps.gone_cells {
        definition::drop_cell(&transaction, old, &old.cells[cell])?;
    }
    for new in steps.new_types {
        definition::create_type(&transaction, new)?;
    }
    for (new, cell) in steps.new_cells {
        definition::create_cell(&transaction, new, &new.cells[cell])?;
    }
    tables::apply(steps.filled, &transaction, &Tables::new(schema))?;
    transaction.execute("UPDATE _meta SET schema = ?1", [to_text(schema)])?;
    views::create(&transaction, schema)?;
    transaction.commit()?;
    Ok(())
}
