//! Opens a store: takes its ownership, brings the journal to the tables, compares the program with the one that wrote the data, loads.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patternc_program::{CellIndex, Program, RecordId, Type};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::journal::{self, Position};
use super::load::{LoadError, Loaded, Loader};
use super::lock::Lock;
use super::native::{write_column, write_key};
use super::schema::{Kind, Layout, StoredSchema, StoredType, quoted};
use super::tables::{ApplyError, Tables};
use super::{Opening, constant, places, views};
use crate::json::Names;
use crate::store::memory::Memory;
use crate::store::state::{Schema, State};
use crate::store::{CommitRequest, Refused, StoreError, Stores, Version, Write};
use crate::value::{RecordRef, Value};

/// "ptrn": says that an SQLite file is a store.
const APPLICATION_ID: i32 = 0x7074_726e;
/// The format of the file. A file with a newer one is not opened.
const FORMAT: i32 = 1;
/// How long to wait for other processes that hold the file for a moment.
const BUSY: Duration = Duration::from_secs(30);

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
    let connection = connect(path).map_err(|error| fatal(format!("cannot open {shown}: {error}")))?;
    // Also the file of a process that died before it had made its tables.
    let is_new = is_empty(&connection).map_err(|error| fatal(format!("cannot open {shown}: {error}")))?;
    if is_new {
        create(&connection).map_err(|error| fatal(format!("cannot make the store {shown}: {error}")))?;
        sync_folder(path).map_err(|error| fatal(format!("cannot write the folder of {shown}: {error}")))?;
    }
    check_format(&connection).map_err(|message| fatal(format!("cannot open {shown}: {message}")))?;
    let damaged = |what: String| {
        fatal(format!("the store {shown} is damaged: {what}. Nothing was changed. Restore a copy, or look into it with an SQLite tool"))
    };
    let integrity: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match integrity {
        Ok(result) if result == "ok" => {}
        Ok(result) => return Err(damaged(result)),
        Err(error) => return Err(damaged(error.to_string())),
    }
    let stored = stored_schema(&connection).map_err(&damaged)?;
    let recovered = recover(&connection, &Tables::new(&stored)).map_err(|error| match error {
        ApplyError::Damaged(what) => damaged(what),
        ApplyError::Sqlite(error) => fatal(format!("cannot bring the journal of {shown} to its tables: {error}")),
    })?;
    let refused = |error: LoadError| match error {
        LoadError::Damaged(what) => damaged(what),
        LoadError::Unfit(what) => fatal(format!("the program does not fit the data in {shown}: {what}")),
        LoadError::Sqlite(error) => fatal(format!("cannot read {shown}: {error}")),
    };
    let schema = stored.for_program(&opening.program);
    let mut state = State::new(Arc::new(Schema::new(&opening.program)), &opening.limits);
    state.set_version(Version(recovered.version));
    let names = Names::new(&opening.program);
    let loader = Loader { connection: &connection, program: &opening.program, names: &names, schema: &stored, new_schema: &schema };
    let loaded = loader.load(&mut state).map_err(refused)?;
    if schema != stored {
        let migration = Migration { connection: &connection, stored: &stored, schema: &schema };
        state = migration.run(state, &loaded, opening).map_err(refused)?;
    }
    let layout = Layout::new(&schema, &opening.program);
    let tables = Tables::new(&schema);
    let position = Position { version: state.version().0, ..recovered };
    Ok(Opened { lock, connection, tables, position, state, layout, loaded })
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
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn check_format(connection: &Connection) -> Result<(), String> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = pragma("application_id").map_err(|error| error.to_string())?;
    if application != APPLICATION_ID {
        return Err("it is an SQLite file, but not a store of this program; give another path".to_owned());
    }
    let format = pragma("user_version").map_err(|error| error.to_string())?;
    if format > FORMAT {
        return Err(format!("its format is {format}, this program knows {FORMAT} at most; use a newer patternc"));
    }
    if format < 1 {
        return Err(format!("its format is {format}, which never was"));
    }
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(|error| error.to_string())?;
    if mode != "wal" {
        // Someone has changed it; the promise of group commit rests on it.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn stored_schema(connection: &Connection) -> Result<StoredSchema, String> {
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

/// Brings stored data to the schema of another program.
struct Migration<'a> {
    connection: &'a Connection,
    stored: &'a StoredSchema,
    schema: &'a StoredSchema,
}

impl Migration<'_> {
    /// Refuses what would lose anything, or changes file and state.
    fn run(&self, mut state: State, loaded: &Loaded, opening: &mut Opening<'_>) -> Result<State, LoadError> {
        for old in self.stored.types.iter().filter(|ty| ty.present) {
            self.check_removed(old, &opening.discard)?;
        }
        self.add_defaults(&mut state, loaded, opening)?;
        let program = opening.program.clone();
        let layout = Layout::new(self.schema, &program);
        let transaction = rusqlite::Transaction::new_unchecked(self.connection, TransactionBehavior::Immediate)?;
        views::drop(&transaction)?;
        for old in self.stored.types.iter().filter(|ty| ty.present) {
            let new = self.schema.types.iter().find(|ty| ty.id == old.id && ty.present);
            match new {
                None => {
                    let (table, id) = (quoted(&old.table()), old.id);
                    transaction.execute_batch(&format!(
                        "INSERT INTO _deleted (record, type, space, id) SELECT _record, {id}, _space, _id FROM {table}"
                    ))?;
                    old.drop(&transaction)?;
                }
                Some(new) => {
                    let gone = old.cells.iter().filter(|cell| !new.cells.iter().any(|kept| kept.id == cell.id));
                    gone.into_iter().try_for_each(|cell| cell.drop(old, &transaction))?;
                }
            }
        }
        for (index, new) in self.schema.types.iter().enumerate().filter(|(_, ty)| ty.present) {
            match self.stored.types.iter().find(|ty| ty.id == new.id && ty.present) {
                None => new.create(&transaction)?,
                Some(old) => {
                    let fresh: Vec<usize> =
                        (0..new.cells.len()).filter(|&i| !old.cells.iter().any(|kept| kept.id == new.cells[i].id)).collect();
                    fresh.iter().try_for_each(|&i| new.cells[i].create(new, &transaction))?;
                    rewrite(&transaction, &program, &layout, &state, (RecordId(index as u32), new), &fresh)?;
                }
            }
        }
        transaction.execute("UPDATE _meta SET schema = ?1", [to_text(self.schema)])?;
        views::create(&transaction, self.schema)?;
        transaction.commit()?;
        Ok(state)
    }

    /// Refuses that a cell or type with data is no longer there, unless it may be discarded.
    fn check_removed(&self, old: &StoredType, discard: &[String]) -> Result<(), LoadError> {
        let may_go = |name: &str| discard.iter().any(|discarded| discarded == name);
        let count = |sql: String| self.connection.query_row(&sql, [], |row| row.get::<_, u64>(0));
        let Some(new) = self.schema.types.iter().find(|ty| ty.id == old.id && ty.present) else {
            let records = count(format!("SELECT count(*) FROM {}", quoted(&old.table())))?;
            if records > 0 && !may_go(&old.name) {
                let name = &old.name;
                return Err(LoadError::Unfit(format!(
                    "there are {records} records of the type {name}, which the program no longer has. Declare it again, delete them first, or \
                     open the store with `{name}` among what is discarded"
                )));
            }
            return Ok(());
        };
        for cell in old.cells.iter().filter(|cell| new.cell(&cell.name).is_none()) {
            let filled = match cell.kind {
                Kind::Column => count(format!("SELECT count({}) FROM {}", quoted(&cell.column()), quoted(&old.table())))?,
                _ => count(format!("SELECT count(DISTINCT record) FROM {}", quoted(&cell.table(old))))?,
            };
            let name = format!("{}.{}", old.name, cell.name);
            if filled > 0 && !may_go(&name) {
                return Err(LoadError::Unfit(format!(
                    "{filled} records have a value in the cell `{name}`, which the program no longer has. Declare it again, empty it first, or \
                     open the store with `{name}` among what is discarded"
                )));
            }
        }
        Ok(())
    }

    /// Gives the stored records the cells that are new.
    fn add_defaults(&self, state: &mut State, loaded: &Loaded, opening: &mut Opening<'_>) -> Result<(), LoadError> {
        let program = opening.program.clone();
        let mut computed = Vec::new();
        for &(record, cell) in &loaded.missing {
            let of = program.record(record);
            let declared = &of.cells[cell.index()];
            let records: Vec<RecordRef> = state
                .records()
                .filter(|stored| stored.cells.is_some() && stored.record.record() == record)
                .map(|s| s.record.clone())
                .collect();
            if records.is_empty() {
                continue;
            }
            let value = match declared.default {
                None if matches!(declared.ty, Type::Optional(_)) => Some(Value::None),
                None => {
                    return Err(LoadError::Unfit(format!(
                        "the new cell `{}.{}` has no default, and there are {} records that need one: give it a default",
                        of.name,
                        declared.name,
                        records.len()
                    )));
                }
                Some(body) => constant::of_body(program.body(body)),
            };
            match value {
                Some(value) => set_all(state, &program, records.into_iter().map(|record| (record, cell, value.clone())))?,
                None => computed.extend(records.into_iter().map(|record| (record, cell))),
            }
        }
        if computed.is_empty() {
            return Ok(());
        }
        let Some(default) = &mut opening.defaults else {
            let (record, cell) = &computed[0];
            let of = program.record(record.record());
            return Err(LoadError::Unfit(format!(
                "the default of the new cell `{}.{}` has to be computed, which cannot be done here: make it a constant",
                of.name,
                of.cells[cell.index()].name
            )));
        };
        let stores = Stores::single(Box::new(Memory::with_state(state.clone())));
        let mut values = Vec::with_capacity(computed.len());
        for (record, cell) in computed {
            let value = default(&stores, &record, cell).map_err(|failure| {
                let of = program.record(record.record());
                let name = of.cells[cell.index()].name;
                LoadError::Unfit(format!(
                    "the default of the new cell `{0}.{name}` fails for the {0} {1:?}: {failure}",
                    of.name,
                    record.id()
                ))
            })?;
            values.push((record, cell, value));
        }
        set_all(state, &program, values.into_iter())
    }
}

fn set_all(state: &mut State, program: &Program, values: impl Iterator<Item = (RecordRef, CellIndex, Value)>) -> Result<(), LoadError> {
    let mut writes = Vec::new();
    for (record, cell, value) in values {
        let declared = &program.record(record.record()).cells[cell.index()];
        if !places::fit(program, &value, &declared.ty, record.space()) {
            return Err(LoadError::Unfit(format!(
                "the default of the new cell `{}` points to another space than its type allows",
                declared.name
            )));
        }
        writes.push(Write::Set { record, cell, value });
    }
    match state.apply(&CommitRequest { writes, ..CommitRequest::default() }, i64::MIN) {
        Ok(_) => Ok(()),
        Err(Refused::Failed(failure)) => Err(LoadError::Unfit(format!("the defaults of new cells: {failure}"))),
        Err(other) => Err(LoadError::Unfit(format!("the defaults of new cells: {other}"))),
    }
}

/// Writes some cells of all records of a type.
fn rewrite(
    connection: &Connection,
    program: &Program,
    layout: &Layout,
    state: &State,
    (record, stored): (RecordId, &StoredType),
    cells: &[usize],
) -> Result<(), LoadError> {
    if cells.is_empty() {
        return Ok(());
    }
    let types = &layout.ty(record).cells;
    for live in state.records().filter(|live| live.record.record() == record) {
        let Some(values) = live.cells else { continue };
        let values: Vec<&Value> = values.collect();
        for &index in cells {
            let (cell, ty, value) = (&stored.cells[index], &types[index], values[index]);
            let native = |value: &Value, key: bool| -> Result<super::native::Native, LoadError> {
                let mut json = String::new();
                let written =
                    if key { write_key(&mut json, program, value, &ty.key) } else { write_column(&mut json, program, value, &ty.value) };
                let json = written.and_then(|()| super::native::parse(&json));
                json.map(super::native::Native::from_json).map_err(|error| LoadError::Unfit(error.to_string()))
            };
            let table = quoted(&cell.table(stored));
            match (cell.kind, value) {
                (Kind::List, Value::List(items)) => {
                    for (position, item) in items.iter().enumerate() {
                        let sql = format!("INSERT INTO {table} VALUES (?1, ?2, ?3)");
                        connection.prepare_cached(&sql)?.execute(params![live.order, position, native(item, false)?])?;
                    }
                }
                (Kind::Set, Value::Set(items)) => {
                    for item in items.iter() {
                        connection
                            .prepare_cached(&format!("INSERT INTO {table} VALUES (?1, ?2)"))?
                            .execute(params![live.order, native(item, true)?])?;
                    }
                }
                (Kind::Map, Value::Map(entries)) => {
                    for (key, value) in entries.iter() {
                        let sql = format!("INSERT INTO {table} VALUES (?1, ?2, ?3)");
                        connection.prepare_cached(&sql)?.execute(params![live.order, native(key, true)?, native(value, false)?])?;
                    }
                }
                (_, value) => {
                    let sql = format!("UPDATE {} SET {} = ?2 WHERE _record = ?1", quoted(&stored.table()), quoted(&cell.column()));
                    connection.prepare_cached(&sql)?.execute(params![live.order, native(value, false)?])?;
                }
            }
        }
    }
    Ok(())
}
