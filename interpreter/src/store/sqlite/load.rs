//! From the tables to the state in memory.

use std::collections::HashMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use patternc_program::{Cell, CellIndex, Home, Program, RecordId, Type};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use rustc_hash::FxHashMap;

use super::events::EventReader;
use super::native::{read_column, read_key, read_shape};
use super::places;
use super::positions::Positions;
use super::schema::{Kind, Shape, StoredCell, StoredSchema, StoredType, quoted};
use super::type_text;
use crate::event::{EventId, Outcome, Received};
use crate::failure::{Failure, FailureKind};
use crate::json::{self, Form, JsonError, Names, Reader};
use crate::store::StoreError;
use crate::store::state::{ReceivedEvent, State};
use crate::value::{RecordRef, SpaceRef, Value};

/// Why data cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The program is not the one that wrote the data, and does not fit them.
    #[error("{0}")]
    Unfit(String),
    /// What no program has written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// What was loaded beside the state.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Of lists whose elements do not stand at their indexes.
    pub(super) positions: FxHashMap<(u64, u32), Positions>,
    pub(super) sent: HashMap<EventId, u64>,
    /// Cells that the stored records do not have yet: they hold `none` for now.
    pub(super) missing: Vec<(RecordId, CellIndex)>,
}

/// Reads all tables of a schema for a program.
pub(super) struct Loader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) program: &'a Program,
    pub(super) names: &'a Names,
    /// What the tables were made for.
    pub(super) schema: &'a StoredSchema,
    /// What they become for the program.
    pub(super) new_schema: &'a StoredSchema,
}

/// Where the values of a cell come from.
enum Source<'a> {
    /// A column of the row; with a shape, it was written for another type.
    Column(usize, Option<Shape>),
    /// A table, read already.
    Collection(FxHashMap<u64, Value>, Value),
    /// Nothing is stored of it.
    Missing(&'a Cell),
}

impl<'a> Loader<'a> {
    fn reader(&self) -> Reader<'a> {
        Reader { program: self.program, names: self.names, form: Form::Stored, here: None, keys: None, limits: None }
    }

    fn value(&self, shape: Option<Shape>, ty: &Type, column: ValueRef<'_>) -> Result<Value, JsonError> {
        match shape {
            None => read_column(&self.reader(), ty, column),
            Some(shape) => read_shape(&self.reader(), shape, ty, column),
        }
    }

    /// Fills an empty state.
    pub(super) fn load(&self, state: &mut State) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded::default();
        for index in 0..self.program.records.len() {
            let record = RecordId(index as u32);
            let name = self.program.record(record).name;
            if let Some(stored) = self.schema.types.iter().find(|ty| ty.present && ty.name == name.as_str()) {
                self.records(record, stored, state, &mut loaded)?;
            }
        }
        self.deleted(state)?;
        self.outgoing(state, &mut loaded)?;
        self.received(state)?;
        Ok(loaded)
    }

    fn records(&self, record: RecordId, stored: &StoredType, state: &mut State, loaded: &mut Loaded) -> Result<(), LoadError> {
        let of = self.program.record(record);
        let spaces = self.spaces(record, stored)?;
        let moved = stored.home != type_text::home(self.program, record);
        let mut columns = String::new();
        // After _record, _space, _id.
        let mut next_column = 3;
        let mut sources = Vec::new();
        let mut checked = Vec::new();
        for (index, cell) in of.cells.iter().enumerate() {
            let old = stored.cell(cell.name.as_str());
            let same = old.filter(|old| self.new_schema.types[record.index()].cells[index].id == old.id);
            checked.push((same.is_none() || moved).then_some(&cell.ty));
            sources.push(match old {
                None => {
                    loaded.missing.push((record, CellIndex(index as u32)));
                    Source::Missing(cell)
                }
                Some(old) if old.kind != Kind::of(&cell.ty) => self.other_kind(stored, old, cell)?,
                Some(old) if old.kind == Kind::Column => {
                    columns.push_str(", ");
                    columns.push_str(&quoted(&old.column()));
                    next_column += 1;
                    Source::Column(next_column - 1, same.is_none().then_some(old.value))
                }
                Some(old) => {
                    let (values, empty) = self.collection(stored, old, cell, same.is_some(), loaded)?;
                    Source::Collection(values, empty)
                }
            });
        }
        let sql = format!("SELECT _record, _space, _id{columns} FROM {} ORDER BY _record", quoted(&stored.table()));
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let n: u64 = row.get(0)?;
            let key = identity(record, stored, row, n, &spaces)?;
            let mut cells = Vec::with_capacity(sources.len());
            for (index, source) in sources.iter_mut().enumerate() {
                let value = match source {
                    Source::Column(column, shape) => self
                        .value(*shape, &of.cells[index].ty, row.get_ref(*column)?)
                        .map_err(|error| self.unreadable(stored, key.id(), &of.cells[index], checked[index].is_some(), &error))?,
                    Source::Collection(values, empty) => values.remove(&n).unwrap_or_else(|| empty.clone()),
                    Source::Missing(cell) if Kind::of(&cell.ty) == Kind::Column => Value::None,
                    Source::Missing(cell) => empty(&cell.ty),
                };
                if let Some(ty) = checked[index]
                    && !places::fit(self.program, &value, ty, key.space())
                {
                    let cell = &of.cells[index];
                    let message = format!("the {} {:?} holds in `{}` a reference to another space", of.name, key.id(), cell.name);
                    return Err(LoadError::Unfit(format!("{message} than its type {} allows", self.program.ty(&cell.ty))));
                }
                cells.push(value);
            }
            state.load_record(key, n, Some(cells)).map_err(|StoreError { message, .. }| match checked.iter().all(Option::is_none) {
                // A cell that is unique now was not before: no damage.
                _ if message.contains("unique") => LoadError::Unfit(message),
                true => LoadError::Damaged(message),
                false => LoadError::Unfit(message),
            })?;
        }
        for (index, source) in sources.iter().enumerate() {
            if let Source::Collection(values, _) = source
                && let Some(n) = values.keys().next()
            {
                let name = of.cells[index].name;
                return Err(LoadError::Damaged(format!("there are elements of `{name}` of a {} {n}, which is not there", of.name)));
            }
        }
        Ok(())
    }

    /// The spaces that the records of a type are in, by their texts.
    fn spaces(&self, record: RecordId, stored: &StoredType) -> Result<HashMap<String, SpaceRef>, LoadError> {
        let mut spaces = HashMap::new();
        let sql = format!("SELECT _space, _id FROM {} GROUP BY _space", quoted(&stored.table()));
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (text, id): (String, String) = (row.get(0)?, row.get(1)?);
            let name = &stored.name;
            let space = self.reader().space(&text, &json::Path::Root);
            let space = space.map_err(|error| LoadError::Unfit(format!("the {name} {id:?} is in `{text}`: {error}")))?;
            if let Home::Plain(home) | Home::Family(home) = self.program.record(record).home
                && home != space.space
            {
                let now = type_text::home(self.program, record);
                return Err(LoadError::Unfit(format!(
                    "the {name} {id:?} is in `{text}`, but the program has `record {name} {now}`; records cannot move"
                )));
            }
            spaces.insert(text, space);
        }
        Ok(spaces)
    }

    /// A value that cannot be read: of a changed type it does not fit, of an unchanged one it was not written so.
    fn unreadable(&self, stored: &StoredType, id: &str, cell: &Cell, changed: bool, error: &JsonError) -> LoadError {
        let what = format!("the cell `{}` of the {} {id:?}: {error}", cell.name, stored.name);
        if changed {
            let old = stored.cell(cell.name.as_str()).map_or("", |old| old.layout.as_str());
            let old = old.split(';').next().unwrap_or(old);
            return LoadError::Unfit(format!(
                "{what}. It was stored as {old}; the program has {} now. Give the new type another name, or change the values first",
                self.program.ty(&cell.ty)
            ));
        }
        LoadError::Damaged(what)
    }

    /// A cell that is kept another way now. Only when there is nothing in it that it could lose.
    fn other_kind(&self, stored: &StoredType, old: &StoredCell, cell: &'a Cell) -> Result<Source<'a>, LoadError> {
        let filled: u64 = match old.kind {
            Kind::Column => self.count(&format!("SELECT count(*) FROM {}", quoted(&stored.table())))?,
            _ if Kind::of(&cell.ty) == Kind::Column => self.count(&format!("SELECT count(*) FROM {}", quoted(&stored.table())))?,
            _ => self.count(&format!("SELECT count(DISTINCT record) FROM {}", quoted(&old.table(stored))))?,
        };
        if filled > 0 {
            let was = old.layout.split(';').next().unwrap_or(&old.layout);
            return Err(LoadError::Unfit(format!(
                "the cell `{0}.{1}` was stored as {was}; the program has {2} now, which {filled} records do not fit. Give the new cell another \
                 name, or empty the old one first",
                stored.name,
                cell.name,
                self.program.ty(&cell.ty)
            )));
        }
        Ok(Source::Collection(FxHashMap::default(), empty(&cell.ty)))
    }

    fn count(&self, sql: &str) -> rusqlite::Result<u64> {
        self.connection.query_row(sql, [], |row| row.get(0))
    }

    /// All collections of a cell, by record, and an empty one.
    fn collection(
        &self,
        stored: &StoredType,
        old: &StoredCell,
        cell: &Cell,
        same: bool,
        loaded: &mut Loaded,
    ) -> Result<(FxHashMap<u64, Value>, Value), LoadError> {
        let table = quoted(&old.table(stored));
        let key = old.kind.key();
        let value = if old.kind == Kind::Set { "NULL" } else { "value" };
        let mut statement = self.connection.prepare(&format!("SELECT record, {key}, {value} FROM {table} ORDER BY record, {key}"))?;
        let mut rows = statement.query([])?;
        let mut values = FxHashMap::default();
        let mut gathering: Option<(u64, Gathered)> = None;
        let shapes = (!same).then_some((old.key, old.value));
        let unreadable = |n: u64, error: &JsonError| {
            let sql = format!("SELECT _id FROM {} WHERE _record = ?1", quoted(&stored.table()));
            let id = self.connection.query_row(&sql, [n], |row| row.get::<_, String>(0)).unwrap_or_else(|_| n.to_string());
            self.unreadable(stored, &id, cell, !same, error)
        };
        let mut finish = |values: &mut FxHashMap<u64, Value>, done: Option<(u64, Gathered)>| {
            if let Some((n, gathered)) = done {
                values.insert(n, gathered.finish(n, old.id, &mut loaded.positions));
            }
        };
        while let Some(row) = rows.next()? {
            let n: u64 = row.get(0)?;
            if gathering.as_ref().is_none_or(|(at, _)| *at != n) {
                finish(&mut values, gathering.replace((n, Gathered::new(old.kind))));
            }
            let Some((_, gathered)) = &mut gathering else { continue };
            gathered.add(self, shapes, &cell.ty, row.get_ref(1)?, row.get_ref(2)?).map_err(|error| unreadable(n, &error))?;
        }
        finish(&mut values, gathering);
        Ok((values, empty(&cell.ty)))
    }

    fn deleted(&self, state: &mut State) -> Result<(), LoadError> {
        let mut statement = self.connection.prepare("SELECT record, space, id, type FROM _deleted")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let ty: u32 = row.get(3)?;
            let Some(stored) = self.schema.types.iter().find(|stored| stored.id == ty) else {
                return Err(LoadError::Damaged(format!("a deleted record is of the type {ty}, which is not there")));
            };
            // What the program has no more cannot be spoken of. Should the type come back, its ids are still taken.
            let Some(record) = self.program.record_named(&stored.name) else { continue };
            let (space, id): (String, String) = (row.get(1)?, row.get(2)?);
            let Ok(space) = self.reader().space(&space, &json::Path::Root) else { continue };
            let id = json::unescape(&id).map_err(LoadError::Damaged)?;
            let record = RecordRef::new(record, space, id);
            state.load_record(record, row.get(0)?, None).map_err(|error| LoadError::Damaged(error.message))?;
        }
        Ok(())
    }

    fn outgoing(&self, state: &mut State, loaded: &mut Loaded) -> Result<(), LoadError> {
        let reader = EventReader { program: self.program, names: self.names };
        let mut statement = self.connection.prepare("SELECT sent, id, event, state FROM _outbox ORDER BY sent")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, event, event_state): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let outgoing = reader.outgoing(&id, &event, &event_state).map_err(|error| {
                LoadError::Unfit(format!(
                    "the event {id:?} is still on its way and does not fit the program: {error}. Drain first: run the program that sent it \
                     until nothing is in flight (`patternc status` shows what is)"
                ))
            })?;
            loaded.sent.insert(outgoing.event.id.clone(), row.get(0)?);
            state.load_outgoing(Arc::new(outgoing));
        }
        Ok(())
    }

    fn received(&self, state: &mut State) -> Result<(), LoadError> {
        let reader = EventReader { program: self.program, names: self.names };
        let mut statement = self.connection.prepare("SELECT id, received, type, keep_until FROM _inbox ORDER BY keep_until")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, received, ty): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let read = type_text::parse(self.program, &ty).and_then(|ty| Some((reader.received(&received, &ty).ok()?, ty)));
            let (received, ty) = read.unwrap_or_else(|| {
                // It happened once and must not happen again, whatever has become of its result.
                let message = "it was committed under an earlier version of the program, whose result does not fit this one";
                (Received::Done(Outcome::Failed(Failure::new(FailureKind::Unknown, message))), Type::Unknown)
            });
            state.load_received(EventId(id.into()), ReceivedEvent { received, ty, keep_until: row.get(3)? });
        }
        Ok(())
    }
}

/// Which record a row is of.
fn identity(
    record: RecordId,
    stored: &StoredType,
    row: &Row<'_>,
    n: u64,
    spaces: &HashMap<String, SpaceRef>,
) -> Result<RecordRef, LoadError> {
    let damaged = |what: String| LoadError::Damaged(format!("the {} {n}: {what}", stored.name));
    let space = row.get_ref(1)?.as_str().map_err(|error| damaged(error.to_string()))?;
    let id = row.get_ref(2)?.as_str().map_err(|error| damaged(error.to_string()))?;
    let id = json::unescape(id).map_err(damaged)?;
    let space = spaces.get(space).ok_or_else(|| damaged(format!("it is in the space {space:?}, which was not there before")))?;
    Ok(RecordRef::new(record, space.clone(), id))
}

/// The elements of one collection.
enum Gathered {
    List(Vector<Value>, Vec<i64>),
    Set(OrdSet<Value>),
    Map(OrdMap<Value, Value>),
}

impl Gathered {
    fn new(kind: Kind) -> Gathered {
        match kind {
            Kind::Column | Kind::List => Gathered::List(Vector::new(), Vec::new()),
            Kind::Set => Gathered::Set(OrdSet::new()),
            Kind::Map => Gathered::Map(OrdMap::new()),
        }
    }

    /// Adds a row. With shapes, key and value were written for another type.
    fn add(
        &mut self,
        loader: &Loader<'_>,
        shapes: Option<(Shape, Shape)>,
        ty: &Type,
        key: ValueRef<'_>,
        value: ValueRef<'_>,
    ) -> Result<(), JsonError> {
        let read_key = |ty: &Type| match shapes {
            None => read_key(&loader.reader(), ty, key),
            Some((shape, _)) => read_shape(&loader.reader(), shape, ty, key),
        };
        let read_value = |ty: &Type| loader.value(shapes.map(|(_, shape)| shape), ty, value);
        match (self, ty) {
            (Gathered::List(items, positions), Type::List(of)) => {
                items.push_back(read_value(of)?);
                positions.push(key.as_i64().map_err(|error| json::Path::Root.error(format!("a position: {error}")))?);
            }
            (Gathered::Set(items), Type::Set(of)) => {
                items.insert(read_key(of)?);
            }
            (Gathered::Map(entries), Type::Map(of_key, of)) => {
                entries.insert(read_key(of_key)?, read_value(of)?);
            }
            _ => return Err(json::Path::Root.error("it is not kept as its type says")),
        }
        Ok(())
    }

    fn finish(self, n: u64, cell: u32, all: &mut FxHashMap<(u64, u32), Positions>) -> Value {
        match self {
            Gathered::List(items, positions) => {
                let positions = Positions::from_ascending(positions);
                if !positions.is_trivial() {
                    all.insert((n, cell), positions);
                }
                Value::List(Arc::new(items))
            }
            Gathered::Set(items) => Value::Set(Arc::new(items)),
            Gathered::Map(entries) => Value::Map(Arc::new(entries)),
        }
    }
}

fn empty(ty: &Type) -> Value {
    match ty {
        Type::List(_) => Value::List(Arc::default()),
        Type::Set(_) => Value::Set(Arc::default()),
        Type::Map(..) => Value::Map(Arc::default()),
        _ => Value::None,
    }
}
