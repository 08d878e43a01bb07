//! From stored rows to the state in memory.

use std::collections::HashMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use patternc_program::{Cell, CellIndex, Home, Program, RecordId, Type};
use rustc_hash::FxHashMap;

use super::events::EventReader;
use super::native::{NativeRef, read_column, read_key, read_shape};
use super::places;
use super::positions::Positions;
use super::schema::{Kind, Shape, StoredCell, StoredSchema, StoredType};
use super::type_text;
use crate::event::{EventId, Outcome, Received};
use crate::failure::{Failure, FailureKind};
use crate::json::{self, Form, JsonError, Names, Reader};
use crate::machine::text::quoted;
use crate::store::StoreError;
use crate::store::state::{ReceivedEvent, State};
use crate::value::{RecordRef, SpaceRef, Value};

/// Why data cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum LoadError {
    /// The database fails.
    #[error("{0}")]
    Database(String),
    /// The program is not the one that wrote the data, and does not fit them.
    #[error("{0}")]
    Unfit(String),
    /// What no program has written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// What was loaded beside the state.
#[derive(Debug, Default)]
pub(in crate::store) struct Loaded {
    /// Of lists whose elements do not stand at their indexes.
    pub(in crate::store) positions: FxHashMap<(u64, u32), Positions>,
    pub(in crate::store) sent: HashMap<EventId, u64>,
    /// Cells that the stored records do not have yet: they hold `none` for now.
    pub(in crate::store) missing: Vec<(RecordId, CellIndex)>,
}

/// A live record with the columns asked for.
pub(in crate::store) struct RecordRow<'a> {
    pub(in crate::store) n: u64,
    pub(in crate::store) space: &'a str,
    pub(in crate::store) id: &'a str,
    pub(in crate::store) columns: &'a [NativeRef<'a>],
}

/// An element of a collection: of a list with its position as key, of a set without a value.
pub(in crate::store) struct ElementRow<'a> {
    pub(in crate::store) n: u64,
    pub(in crate::store) key: NativeRef<'a>,
    pub(in crate::store) value: NativeRef<'a>,
}

/// A record that was deleted.
pub(in crate::store) struct DeletedRow<'a> {
    pub(in crate::store) n: u64,
    pub(in crate::store) ty: u32,
    pub(in crate::store) space: &'a str,
    pub(in crate::store) id: &'a str,
}

/// An event on its way.
pub(in crate::store) struct OutgoingRow<'a> {
    pub(in crate::store) sent: u64,
    pub(in crate::store) id: &'a str,
    pub(in crate::store) event: &'a str,
    pub(in crate::store) state: &'a str,
}

/// An event received.
pub(in crate::store) struct ReceivedRow<'a> {
    pub(in crate::store) id: &'a str,
    pub(in crate::store) received: &'a str,
    pub(in crate::store) ty: &'a str,
    pub(in crate::store) keep_until: Option<i64>,
}

// Each takes a row; an error ends the reading.
pub(in crate::store) type EachRecord<'a> = &'a mut dyn FnMut(RecordRow<'_>) -> Result<(), LoadError>;
pub(in crate::store) type EachElement<'a> = &'a mut dyn FnMut(ElementRow<'_>) -> Result<(), LoadError>;
pub(in crate::store) type EachDeleted<'a> = &'a mut dyn FnMut(DeletedRow<'_>) -> Result<(), LoadError>;
pub(in crate::store) type EachOutgoing<'a> = &'a mut dyn FnMut(OutgoingRow<'_>) -> Result<(), LoadError>;
pub(in crate::store) type EachReceived<'a> = &'a mut dyn FnMut(ReceivedRow<'_>) -> Result<(), LoadError>;

/// The rows of a store, without its journal.
pub(in crate::store) trait Rows {
    /// The live records of a type, in the order of creation, with these of its cells that are columns.
    fn records(&self, of: &StoredType, columns: &[&StoredCell], each: EachRecord<'_>) -> Result<(), LoadError>;

    /// The elements of a collection cell, by record and key.
    fn elements(&self, of: &StoredType, cell: &StoredCell, each: EachElement<'_>) -> Result<(), LoadError>;

    /// The records deleted.
    fn deleted(&self, each: EachDeleted<'_>) -> Result<(), LoadError>;

    /// The events on their way, in the order sent.
    fn outgoing(&self, each: EachOutgoing<'_>) -> Result<(), LoadError>;

    /// The events received, in the order in which they are forgotten.
    fn received(&self, each: EachReceived<'_>) -> Result<(), LoadError>;

    /// How many live records of a type there are.
    fn count(&self, of: &StoredType) -> Result<u64, LoadError>;

    /// How many records have something in a cell.
    fn count_filled(&self, of: &StoredType, cell: &StoredCell) -> Result<u64, LoadError>;
}

/// Reads all rows of a schema for a program.
pub(in crate::store) struct Loader<'a> {
    pub(in crate::store) rows: &'a dyn Rows,
    pub(in crate::store) program: &'a Program,
    pub(in crate::store) names: &'a Names,
    /// What the rows were written for.
    pub(in crate::store) schema: &'a StoredSchema,
    /// What they become for the program.
    pub(in crate::store) new_schema: &'a StoredSchema,
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

    fn value(&self, shape: Option<Shape>, ty: &Type, column: NativeRef<'_>) -> Result<Value, JsonError> {
        match shape {
            None => read_column(&self.reader(), ty, column),
            Some(shape) => read_shape(&self.reader(), shape, ty, column),
        }
    }

    /// Fills an empty state.
    pub(in crate::store) fn load(&self, state: &mut State) -> Result<Loaded, LoadError> {
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
        let mut spaces: HashMap<String, SpaceRef> = HashMap::new();
        let moved = stored.home != type_text::home(self.program, record);
        if moved {
            // Said before anything about the references in it.
            self.rows.records(stored, &[], &mut |row| self.space(record, stored, &row).map(drop))?;
        }
        let mut columns: Vec<&StoredCell> = Vec::new();
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
                    columns.push(old);
                    Source::Column(columns.len() - 1, same.is_none().then_some(old.value))
                }
                Some(old) => {
                    let (values, empty) = self.collection(stored, old, cell, same.is_some(), loaded)?;
                    Source::Collection(values, empty)
                }
            });
        }
        self.rows.records(stored, &columns, &mut |row| {
            let n = row.n;
            let space = match spaces.get(row.space) {
                Some(space) => space.clone(),
                None => {
                    let space = self.space(record, stored, &row)?;
                    spaces.insert(row.space.to_owned(), space.clone());
                    space
                }
            };
            let id = json::unescape(row.id).map_err(|what| LoadError::Damaged(format!("the {} {n}: {what}", stored.name)))?;
            let key = RecordRef::new(record, space, id);
            let mut cells = Vec::with_capacity(sources.len());
            for (index, source) in sources.iter_mut().enumerate() {
                let value = match source {
                    Source::Column(column, shape) => self
                        .value(*shape, &of.cells[index].ty, row.columns[*column])
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
            let unique = of.cells.iter().enumerate().filter(|(_, cell)| cell.unique);
            let unique: Vec<(CellIndex, Value)> = unique.map(|(index, _)| (CellIndex(index as u32), cells[index].clone())).collect();
            let Err(StoreError { message, .. }) = state.load_record(key.clone(), n, Some(cells)) else { return Ok(()) };
            let taken = unique.iter().find_map(|(cell, value)| {
                let other = state.unique(record, key.space(), *cell, value).filter(|other| **other != key)?;
                Some((&of.cells[cell.index()], value, other))
            });
            Err(match taken {
                // A cell that is unique now was not before: no damage.
                Some((cell, value, other)) => LoadError::Unfit(format!(
                    "`{}` of {} and of {} is {}, and has to be unique now: under the patterns that wrote them, give one of them another value, or \
                     delete it",
                    cell.name,
                    json::reference_text(self.program, other),
                    json::reference_text(self.program, &key),
                    quoted(self.program, value, &cell.ty),
                )),
                None if checked.iter().all(Option::is_none) => LoadError::Damaged(message),
                None => LoadError::Unfit(message),
            })
        })?;
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

    /// The space that a record is in.
    fn space(&self, record: RecordId, stored: &StoredType, row: &RecordRow<'_>) -> Result<SpaceRef, LoadError> {
        let (name, id, text) = (&stored.name, row.id, row.space);
        let space = self.reader().space(text, &json::Path::Root);
        let space = space.map_err(|error| LoadError::Unfit(format!("the {name} {id:?} is in `{text}`: {error}")))?;
        if let Home::Plain(home) | Home::Family(home) = self.program.record(record).home
            && home != space.space
        {
            let now = type_text::home(self.program, record);
            return Err(LoadError::Unfit(format!(
                "the {name} {id:?} is in `{text}`, but the program has `record {name} {now}`; records cannot move"
            )));
        }
        Ok(space)
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
        let filled = match old.kind {
            Kind::Column => self.rows.count(stored)?,
            _ if Kind::of(&cell.ty) == Kind::Column => self.rows.count(stored)?,
            _ => self.rows.count_filled(stored, old)?,
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

    /// All collections of a cell, by record, and an empty one.
    fn collection(
        &self,
        stored: &StoredType,
        old: &StoredCell,
        cell: &Cell,
        same: bool,
        loaded: &mut Loaded,
    ) -> Result<(FxHashMap<u64, Value>, Value), LoadError> {
        let mut values = FxHashMap::default();
        let mut gathering: Option<(u64, Gathered)> = None;
        let shapes = (!same).then_some((old.key, old.value));
        let mut finish = |values: &mut FxHashMap<u64, Value>, done: Option<(u64, Gathered)>| {
            if let Some((n, gathered)) = done {
                values.insert(n, gathered.finish(n, old.id, &mut loaded.positions));
            }
        };
        self.rows.elements(stored, old, &mut |row| {
            let n = row.n;
            if gathering.as_ref().is_none_or(|(at, _)| *at != n) {
                finish(&mut values, gathering.replace((n, Gathered::new(old.kind))));
            }
            let Some((_, gathered)) = &mut gathering else { return Ok(()) };
            let added = gathered.add(self, shapes, &cell.ty, row.key, row.value);
            added.map_err(|error| self.unreadable(stored, &self.id_of(stored, n), cell, !same, &error))
        })?;
        finish(&mut values, gathering);
        Ok((values, empty(&cell.ty)))
    }

    /// The id of a record, for messages.
    fn id_of(&self, stored: &StoredType, n: u64) -> String {
        let mut found = n.to_string();
        // Should it fail, the number names the record as well.
        let _ = self.rows.records(stored, &[], &mut |row| {
            if row.n == n {
                row.id.clone_into(&mut found);
            }
            Ok(())
        });
        found
    }

    fn deleted(&self, state: &mut State) -> Result<(), LoadError> {
        self.rows.deleted(&mut |row| {
            let Some(stored) = self.schema.types.iter().find(|stored| stored.id == row.ty) else {
                return Err(LoadError::Damaged(format!("a deleted record is of the type {}, which is not there", row.ty)));
            };
            // Nobody speaks of the rows of a ledger: that of a mirror which comes back has the same again.
            if stored.is_kept_by_mirror() {
                state.leave_out(row.n);
                return Ok(());
            }
            // What the program has no more cannot be spoken of. Should the type come back, its ids are still taken.
            let Some(record) = self.program.record_named(&stored.name) else { return Ok(()) };
            let Ok(space) = self.reader().space(row.space, &json::Path::Root) else { return Ok(()) };
            let id = json::unescape(row.id).map_err(LoadError::Damaged)?;
            let record = RecordRef::new(record, space, id);
            state.load_record(record, row.n, None).map_err(|error| LoadError::Damaged(error.message))
        })
    }

    fn outgoing(&self, state: &mut State, loaded: &mut Loaded) -> Result<(), LoadError> {
        let reader = EventReader { program: self.program, names: self.names };
        self.rows.outgoing(&mut |row| {
            let id = row.id;
            let outgoing = reader.outgoing(id, row.event, row.state).map_err(|error| {
                LoadError::Unfit(format!(
                    "the event {id:?} is still on its way and does not fit the program: {error}. Drain first: run the program that sent it \
                     until nothing is in flight (`patternc status` shows what is)"
                ))
            })?;
            loaded.sent.insert(outgoing.event.id.clone(), row.sent);
            state.load_outgoing(Arc::new(outgoing));
            Ok(())
        })
    }

    fn received(&self, state: &mut State) -> Result<(), LoadError> {
        let reader = EventReader { program: self.program, names: self.names };
        self.rows.received(&mut |row| {
            state.load_received(EventId(row.id.into()), received(&reader, row.received, row.ty, row.keep_until));
            Ok(())
        })
    }
}

/// What is remembered of an event received.
pub(in crate::store) fn received(reader: &EventReader<'_>, received: &str, ty: &str, keep_until: Option<i64>) -> ReceivedEvent {
    let read = type_text::parse(reader.program, ty).and_then(|ty| Some((reader.received(received, &ty).ok()?, ty)));
    let (received, ty) = read.unwrap_or_else(|| {
        // It happened once and must not happen again, whatever has become of its result.
        let message = "it was committed under an earlier version of the program, whose result does not fit this one";
        (Received::Done(Outcome::Failed(Failure::new(FailureKind::Unknown, message))), Type::Unknown)
    });
    ReceivedEvent { received, ty, keep_until }
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
        key: NativeRef<'_>,
        value: NativeRef<'_>,
    ) -> Result<(), JsonError> {
        let read_key = |ty: &Type| match shapes {
            None => read_key(&loader.reader(), ty, key),
            Some((shape, _)) => read_shape(&loader.reader(), shape, ty, key),
        };
        let read_value = |ty: &Type| loader.value(shapes.map(|(_, shape)| shape), ty, value);
        match (self, ty) {
            (Gathered::List(items, positions), Type::List(of)) => {
                items.push_back(read_value(of)?);
                let NativeRef::Integer(position) = key else { return Err(json::Path::Root.error("its position is no number")) };
                positions.push(position);
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

/// What a cell of this type holds before anything is put into it.
pub(in crate::store) fn empty(ty: &Type) -> Value {
    match ty {
        Type::List(_) => Value::List(Arc::default()),
        Type::Set(_) => Value::Set(Arc::default()),
        Type::Map(..) => Value::Map(Arc::default()),
        _ => Value::None,
    }
}
