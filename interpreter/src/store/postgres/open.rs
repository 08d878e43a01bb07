//! Opens a store: makes its tables, compares the program with the one that wrote the data, loads.

use std::sync::Arc;

use patternc_program::Program;

use super::journal::{self, Follower};
use super::link::{self, Address, Link, source};
use super::rows::ServerRows;
use super::statements as sql;
use super::{tables, views};
use crate::host::{Host, SystemHost};
use crate::json::Names;
use crate::limits::Limits;
use crate::store::format::Opening;
use crate::store::format::load::{LoadError, Loaded, Loader};
use crate::store::format::migration::{Migration, Steps};
use crate::store::format::record::Recorder;
use crate::store::format::replay::Replayer;
use crate::store::format::schema::{Layout, StoredSchema};
use crate::store::state::{Schema, State};
use crate::store::{News, StoreError, Version};

/// The format of the tables. A store with a newer one is not opened.
const FORMAT: i64 = 1;

/// How often a look is begun anew that others come in between of.
const REHEARSALS: usize = 10;

/// A store that was opened.
pub(super) struct Opened {
    pub(super) follower: Follower,
    pub(super) schema: StoredSchema,
    /// The last entry of the journal that the state has.
    pub(super) position: i64,
    pub(super) generation: i64,
}

/// A number that no other process has.
pub(super) fn number() -> i64 {
    (SystemHost::new().random() >> 1) as i64
}

/// What went wrong, for whoever opens.
pub(super) struct Told<'a>(pub(super) &'a Address);

impl Told<'_> {
    pub(super) fn server(&self, error: &link::LinkError) -> StoreError {
        StoreError {
            message: format!("cannot open the store in the PostgreSQL database {}: {}", self.0.shown, source(error)),
            transient: link::is_transient(error),
        }
    }

    pub(super) fn fatal(&self, what: &str) -> StoreError {
        StoreError { message: format!("cannot open the store in the PostgreSQL database {}: {what}", self.0.shown), transient: false }
    }

    pub(super) fn changed_meanwhile(&self) -> StoreError {
        self.fatal("another process has brought it to another program or deployment meanwhile, or filled it. Start again with the same")
    }

    pub(super) fn damaged(&self, what: &str) -> StoreError {
        let shown = &self.0.shown;
        StoreError { message: format!("the store in {shown} is damaged: {what}. Nothing was changed. Restore a copy"), transient: false }
    }

    pub(super) fn apply(&self, error: tables::ApplyError) -> StoreError {
        match error {
            tables::ApplyError::Server(error) => self.server(&error),
            tables::ApplyError::Damaged(what) => self.damaged(&what),
        }
    }

    fn load(&self, error: LoadError) -> StoreError {
        match error {
            LoadError::Damaged(what) => self.damaged(&what),
            LoadError::Unfit(what) => self.fatal(&format!("the program does not fit the data: {what}")),
            LoadError::Database(what) => StoreError { transient: true, ..self.fatal(&what) },
        }
    }
}

/// Opens the store, or makes it.
pub(super) fn open(address: &Address, opening: &mut Opening<'_>) -> Result<Opened, StoreError> {
    let told = Told(address);
    create(address).map_err(|error| told.server(&error))?;
    let link = Link::open(address).map_err(|error| told.server(&error))?;
    let schema = match stored(&link, &told)?.for_opening(opening) {
        schema if schema == stored(&link, &told)? => schema,
        _ => migrate(&link, &told, opening)?,
    };
    drop(link);
    load(address, &opening.program, &opening.limits, &schema, Version::default())
}

/// Makes the tables, if they are not there.
pub(super) fn create(address: &Address) -> link::Answer<()> {
    link::prepare(address, |query| {
        if query(sql::FORMAT, &[]).is_ok_and(|rows| !rows.is_empty()) && query(sql::HEAD, &[]).is_ok_and(|rows| !rows.is_empty()) {
            return Ok(());
        }
        for table in sql::CREATE {
            // Two processes that begin at once may both find it missing: the second is told so.
            if let Err(error) = query(table, &[])
                && query(table, &[]).is_err()
            {
                return Err(error);
            }
        }
        let schema = to_text(&StoredSchema::default());
        query(sql::CREATE_META, &[&FORMAT, &schema])?;
        query(sql::CREATE_HEAD, &[]).map(drop)
    })
}

fn to_text(schema: &StoredSchema) -> String {
    serde_json::to_string(schema).expect("a schema is plain data")
}

fn stored(link: &Link, told: &Told<'_>) -> Result<StoredSchema, StoreError> {
    let rows = link.query(sql::FORMAT, &[]).map_err(|error| told.server(&error))?;
    let row = rows.first().ok_or_else(|| told.damaged("the row that says its format is gone"))?;
    let format: i64 = row.get(0);
    if format > FORMAT {
        return Err(told.fatal(&format!("its format is {format}, this program knows {FORMAT} at most; use a newer patternc")));
    }
    serde_json::from_str(row.get(2)).map_err(|error| told.damaged(&format!("its schema cannot be read: {error}")))
}

/// Loads a state of this schema, as of the newest entry of the journal. Its versions are counted from here.
pub(super) fn load(
    address: &Address,
    program: &Arc<Program>,
    limits: &Limits,
    schema: &StoredSchema,
    version: Version,
) -> Result<Opened, StoreError> {
    let told = Told(address);
    let link = Link::open(address).map_err(|error| told.server(&error))?;
    link.batch(sql::BEGIN_SNAPSHOT).and_then(|()| link.batch(sql::PATIENT)).map_err(|error| told.server(&error))?;
    let head = link.query(sql::HEAD, &[]).map_err(|error| told.server(&error))?;
    let head = head.first().ok_or_else(|| told.damaged("the head of its journal is gone"))?;
    let (end, generation): (i64, i64) = (head.get(0), head.get(1));
    if stored(&link, &told)? != *schema {
        return Err(told.changed_meanwhile());
    }
    let (mut follower, applied) = from_tables(&link, &told, program, limits, (schema, schema), version)?.0;
    let tail = link.query(sql::TAIL, &[&applied]).map_err(|error| told.server(&error))?;
    let mut position = applied;
    for entry in journal::entries(applied, &tail).map_err(|what| told.damaged(&what))? {
        position = entry.position;
        follower.follow(program, entry, &mut News::default()).map_err(|what| told.damaged(&what))?;
    }
    if position != end {
        return Err(told.damaged(&format!("its journal ends with entry {position}, and should with {end}")));
    }
    link.batch(sql::COMMIT).map_err(|error| told.server(&error))?;
    Ok(Opened { follower, schema: schema.clone(), position, generation })
}

type FromTables = ((Follower, i64), Loaded);

/// Loads the tables. The schemas: of what they have, and of what they become.
fn from_tables(
    link: &Link,
    told: &Told<'_>,
    program: &Arc<Program>,
    limits: &Limits,
    (schema, new_schema): (&StoredSchema, &StoredSchema),
    version: Version,
) -> Result<FromTables, StoreError> {
    let meta = link.query(sql::FORMAT, &[]).map_err(|error| told.server(&error))?;
    let applied: i64 = meta.first().map_or(0, |row| row.get(1));
    let mut state = State::new(Arc::new(Schema::new(program)), limits);
    state.keep_order();
    state.set_version(version);
    let names = Names::new(program);
    let rows = ServerRows(link);
    let loader = Loader { rows: &rows, program, names: &names, schema, new_schema };
    let mut loaded = loader.load(&mut state).map_err(|error| told.load(error))?;
    let owners = rows.owners().map_err(|error| told.load(error))?;
    let layout = Layout::new(new_schema, program);
    let replayer = Replayer::new(&layout);
    let recorder = Recorder::new(layout, std::mem::take(&mut loaded.positions), std::mem::take(&mut loaded.sent)).followed();
    Ok(((Follower { state, recorder, replayer, names, owners }, applied), loaded))
}

/// Brings the store to another program.
fn migrate(link: &Link, told: &Told<'_>, opening: &mut Opening<'_>) -> Result<StoredSchema, StoreError> {
    let server = |error: link::LinkError| told.server(&error);
    begin_alone(link).map_err(server)?;
    let stored = stored(link, told)?;
    let schema = stored.for_opening(opening);
    if schema == stored {
        // Another process has just done it.
        link.batch(sql::ROLLBACK).map_err(server)?;
        return Ok(schema);
    }
    if let Some(names) = users(link, told)? {
        let changed = if stored == (StoredSchema { keeps: stored.keeps.clone(), ..schema }) {
            "the deployment keeps other spaces in it than the one with which others still run"
        } else {
            "the program has changed, and others still run the one before"
        };
        let what = format!("{changed} ({names}). Stop them first, or wait five seconds if they have ended");
        return Err(StoreError { transient: true, ..told.fatal(&what) });
    }
    bring_up(link, told, opening, &stored)?;
    link.batch(sql::COMMIT).map_err(server)?;
    Ok(schema)
}

/// Begins a transaction in which nobody else has a turn, and nobody brings the journal to the tables.
fn begin_alone(link: &Link) -> link::Answer<()> {
    link.batch(sql::BEGIN)?;
    link.batch(sql::PATIENT)?;
    link.query(sql::LOCK, &[])?;
    link.query(sql::LOCK_APPLIED, &[])?;
    Ok(())
}

/// The same for one who wants nobody else to use the store. Gives the schema of what is stored.
pub(super) fn alone(link: &Link, told: &Told<'_>) -> Result<StoredSchema, StoreError> {
    begin_alone(link).map_err(|error| told.server(&error))?;
    match users(link, told)? {
        None => stored(link, told),
        Some(names) => {
            let what = format!("it is in use by {names}. Stop them first, or wait five seconds if they have ended");
            Err(StoreError { transient: true, ..told.fatal(&what) })
        }
    }
}

/// The processes that are alive.
fn users(link: &Link, told: &Told<'_>) -> Result<Option<String>, StoreError> {
    let live = link.query(sql::LIVE, &[]).map_err(|error| told.server(&error))?;
    let names: Vec<&str> = live.iter().map(|row| row.get(2)).collect();
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// Within a transaction that has locked [`sql::LOCK_APPLIED`]: brings the journal to the tables, and these to the program.
pub(super) fn bring_up(
    link: &Link,
    told: &Told<'_>,
    opening: &mut Opening<'_>,
    stored: &StoredSchema,
) -> Result<(Follower, StoredSchema), StoreError> {
    tables::apply_journal(link, stored, i64::MAX).map_err(|error| told.apply(error))?;
    let schema = stored.for_opening(opening);
    let ((mut follower, _), loaded) =
        from_tables(link, told, &opening.program.clone(), &opening.limits, (stored, &schema), Version::default())?;
    if schema != *stored {
        let rows = ServerRows(link);
        let migration = Migration { rows: &rows, stored, schema: &schema };
        let (_, positions) = follower.recorder.layout_and_positions();
        let steps = migration.plan(&mut follower.state, &loaded.missing, positions, opening).map_err(|error| told.load(error))?;
        carry_out(link, steps, &schema).map_err(|error| told.apply(error))?;
    }
    Ok((follower, schema))
}

/// What a store keeps for a program, whoever uses it meanwhile. Nothing in it is changed. `None`: there is none.
pub(super) fn look(address: &Address, opening: &mut Opening<'_>) -> Result<Option<State>, StoreError> {
    let told = Told(address);
    let Some(link) = link::existing(address).map_err(|error| told.server(&error))? else { return Ok(None) };
    let schema = stored(&link, &told)?;
    if schema == schema.for_opening(opening) {
        return Ok(Some(load(address, &opening.program, &opening.limits, &schema, Version::default())?.follower.state));
    }
    // For another program it is brought up in a transaction that is taken back. Who brings the journal to the tables may come in between.
    for _ in 0..REHEARSALS {
        let begin = || {
            link.batch(sql::BEGIN_REHEARSAL)?;
            link.batch(sql::PATIENT)?;
            link.query(sql::LOCK_APPLIED, &[]).map(drop)
        };
        let begun = begin();
        let looked = begun.map_err(|error| told.server(&error)).and_then(|()| {
            let stored = stored(&link, &told)?;
            bring_up(&link, &told, opening, &stored)
        });
        link.batch(sql::ROLLBACK).map_err(|error| told.server(&error))?;
        match looked {
            Err(error) if error.transient => {}
            looked => return looked.map(|(follower, _)| Some(follower.state)),
        }
    }
    Err(StoreError { transient: true, ..told.fatal("others change it all the time. Try again") })
}

fn carry_out(link: &Link, steps: Steps<'_>, schema: &StoredSchema) -> Result<(), tables::ApplyError> {
    views::drop(link)?;
    for old in &steps.gone_types {
        link.execute(sql::DELETE_TYPE, &[&i64::from(old.id)])?;
        old.cells.iter().try_for_each(|cell| drop_cell(link, cell.id))?;
    }
    for (old, cell) in &steps.gone_cells {
        drop_cell(link, old.cells[*cell].id)?;
    }
    tables::apply(link, schema, steps.filled, &Default::default())?;
    link.execute(sql::SET_SCHEMA, &[&to_text(schema)])?;
    link.execute(sql::NEXT_GENERATION, &[])?;
    views::create(link, schema)?;
    Ok(())
}

fn drop_cell(link: &Link, cell: u32) -> link::Answer<()> {
    sql::DROP_CELL.iter().try_for_each(|sql| link.execute(sql, &[&i64::from(cell)]).map(drop))
}
