//! What the file knows of the program that wrote it: record types and cells with ids of their own, and their tables.
//!
//! A record type has a table with a row a live record and a column for each cell that is no collection. Each List, Set or Map cell has a
//! table with a row an element. Names are the program's; ids are the file's and never given twice, so that a name that goes and comes back
//! later is told apart from the first.

use patternc_program::{CellIndex, Program, RecordId, Type};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::native::is_plain_key;
use super::type_text;

/// The record types of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredSchema {
    /// The next id of a type or cell.
    pub(super) next_id: u32,
    pub(super) types: Vec<StoredType>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredType {
    pub(super) id: u32,
    pub(super) name: String,
    /// Where its records can be, as text.
    pub(super) home: String,
    /// Whether the program still has it. What remains of one that it has not are the ids of deleted records.
    pub(super) present: bool,
    pub(super) cells: Vec<StoredCell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredCell {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The type with everything it is made of ([`type_text::layout`]).
    pub(super) layout: String,
    /// What the texts in the columns of keys and values are, for the views.
    pub(super) key: Shape,
    pub(super) value: Shape,
}

/// What a column holds, as someone who makes JSON of it has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    /// Texts that are themselves.
    Text,
    /// Numbers, or texts that are themselves.
    Plain,
    /// 0 or 1.
    Bool,
    /// JSON.
    Json,
    /// The name of a variant, or JSON that starts with a brace.
    Variant,
}

impl Shape {
    fn of_value(program: &Program, ty: &Type) -> Shape {
        match ty {
            Type::Text => Shape::Text,
            Type::Bool => Shape::Bool,
            Type::Optional(of) => Shape::of_value(program, of),
            Type::Enum(..) if !is_plain_key(program, ty) => Shape::Variant,
            ty if is_plain_key(program, ty) => Shape::Plain,
            _ => Shape::Json,
        }
    }

    fn of_key(program: &Program, ty: &Type) -> Shape {
        match ty {
            Type::Text => Shape::Text,
            Type::Bool => Shape::Bool,
            ty if is_plain_key(program, ty) => Shape::Plain,
            _ => Shape::Json,
        }
    }

    /// An expression that is the JSON value of a column.
    pub(super) fn json(self, column: &str) -> String {
        match self {
            Shape::Text | Shape::Plain => column.to_owned(),
            Shape::Bool => format!("iif({column} IS NULL, NULL, json(iif({column}, 'true', 'false')))"),
            Shape::Json => format!("json({column})"),
            Shape::Variant => format!("CASE WHEN {column} LIKE '{{%' THEN json({column}) ELSE {column} END"),
        }
    }
}

/// How a cell is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A column of the type's table.
    Column,
    /// A table of rows with positions.
    List,
    /// A table of rows with a value each.
    Set,
    /// A table of rows with key and value.
    Map,
}

impl Kind {
    pub(super) fn of(ty: &Type) -> Kind {
        match ty {
            Type::List(_) => Kind::List,
            Type::Set(_) => Kind::Set,
            Type::Map(..) => Kind::Map,
            _ => Kind::Column,
        }
    }

    /// The column that tells the elements of one cell apart.
    pub(super) fn key(self) -> &'static str {
        match self {
            Kind::Column | Kind::List => "position",
            Kind::Set => "value",
            Kind::Map => "key",
        }
    }
}

/// A name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl StoredType {
    /// The name of its table.
    pub(super) fn table(&self) -> String {
        format!("_{}_{}", self.id, self.name)
    }

    pub(super) fn cell(&self, name: &str) -> Option<&StoredCell> {
        self.cells.iter().find(|cell| cell.name == name)
    }

    /// The cells that are columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = &StoredCell> {
        self.cells.iter().filter(|cell| cell.kind == Kind::Column)
    }

    /// The cells that have tables.
    pub(super) fn collections(&self) -> impl Iterator<Item = &StoredCell> {
        self.cells.iter().filter(|cell| cell.kind != Kind::Column)
    }

    /// Makes its tables.
    pub(super) fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        let columns: String = self.columns().map(|cell| format!(", {}", quoted(&cell.column()))).collect();
        let table = quoted(&self.table());
        connection.execute_batch(&format!(
            "CREATE TABLE {table} (_record INTEGER PRIMARY KEY, _space TEXT NOT NULL, _id TEXT NOT NULL{columns})"
        ))?;
        self.collections().try_for_each(|cell| cell.create_table(self, connection))
    }

    /// Drops its tables.
    pub(super) fn drop(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.collections().try_for_each(|cell| cell.drop(self, connection))?;
        connection.execute_batch(&format!("DROP TABLE {}", quoted(&self.table())))
    }
}

impl StoredCell {
    /// The name of its column. A name that could be one of the table's own columns gets the id before it.
    pub(super) fn column(&self) -> String {
        if self.name.starts_with('_') { format!("_{}{}", self.id, self.name) } else { self.name.clone() }
    }

    /// The name of its table, for a collection.
    pub(super) fn table(&self, of: &StoredType) -> String {
        format!("_{}_{}_{}", self.id, of.name, self.name)
    }

    fn create_table(&self, of: &StoredType, connection: &Connection) -> rusqlite::Result<()> {
        let table = quoted(&self.table(of));
        let columns = match self.kind {
            Kind::Column => return Ok(()),
            Kind::List => "record INTEGER, position INTEGER, value, PRIMARY KEY (record, position)",
            Kind::Set => "record INTEGER, value, PRIMARY KEY (record, value)",
            Kind::Map => "record INTEGER, key, value, PRIMARY KEY (record, key)",
        };
        connection.execute_batch(&format!("CREATE TABLE {table} ({columns}) WITHOUT ROWID"))
    }

    /// Makes its column or table.
    pub(super) fn create(&self, of: &StoredType, connection: &Connection) -> rusqlite::Result<()> {
        match self.kind {
            Kind::Column => connection.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {}", quoted(&of.table()), quoted(&self.column()))),
            Kind::List | Kind::Set | Kind::Map => self.create_table(of, connection),
        }
    }

    /// Drops its column or table.
    pub(super) fn drop(&self, of: &StoredType, connection: &Connection) -> rusqlite::Result<()> {
        match self.kind {
            Kind::Column => {
                connection.execute_batch(&format!("ALTER TABLE {} DROP COLUMN {}", quoted(&of.table()), quoted(&self.column())))
            }
            Kind::List | Kind::Set | Kind::Map => connection.execute_batch(&format!("DROP TABLE {}", quoted(&self.table(of)))),
        }
    }
}

impl StoredSchema {
    /// What the schema becomes for a program: names that are there keep their ids, new ones get the next.
    pub(super) fn for_program(&self, program: &Program) -> StoredSchema {
        let mut next_id = self.next_id;
        let mut fresh = || {
            next_id += 1;
            next_id - 1
        };
        let mut types: Vec<StoredType> = program
            .records
            .iter()
            .enumerate()
            .map(|(i, record)| {
                let old = self.types.iter().find(|ty| ty.name == record.name.as_str());
                let id = old.map_or_else(&mut fresh, |old| old.id);
                let cells = record.cells.iter().map(|cell| {
                    let name = cell.name.to_string();
                    let layout = type_text::layout(program, &cell.ty);
                    // What is kept another way needs another place.
                    let kind = Kind::of(&cell.ty);
                    let same = old
                        .filter(|old| old.present)
                        .and_then(|old| old.cell(&name))
                        .filter(|cell| cell.kind == kind && cell.layout == layout);
                    let id = same.map_or_else(&mut fresh, |same| same.id);
                    let CellLayout { key, value, .. } = CellLayout::new(id, &cell.ty);
                    let (key, value) = (Shape::of_key(program, &key), Shape::of_value(program, &value));
                    StoredCell { id, name, kind, layout, key, value }
                });
                let cells = cells.collect();
                StoredType { id, name: record.name.to_string(), home: type_text::home(program, RecordId(i as u32)), present: true, cells }
            })
            .collect();
        for gone in &self.types {
            if !types.iter().any(|ty| ty.id == gone.id) {
                types.push(StoredType { present: false, cells: Vec::new(), ..gone.clone() });
            }
        }
        StoredSchema { next_id, types }
    }
}

/// The ids of a program's records and cells in the file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    types: Vec<TypeLayout>,
}

/// A record type as effects need it.
#[derive(Clone, Debug)]
pub(super) struct TypeLayout {
    pub(super) id: u32,
    pub(super) cells: Vec<CellLayout>,
}

/// A cell as effects need it.
#[derive(Clone, Debug)]
pub(super) struct CellLayout {
    pub(super) id: u32,
    pub(super) kind: Kind,
    /// Of a map's key or a set's element.
    pub(super) key: Type,
    /// Of the cell, or of a list's element or a map's value.
    pub(super) value: Type,
}

impl Layout {
    /// The ids that a schema made by [`StoredSchema::for_program`] has for the program.
    pub(super) fn new(schema: &StoredSchema, program: &Program) -> Layout {
        let types = program.records.iter().zip(&schema.types).map(|(record, stored)| TypeLayout {
            id: stored.id,
            cells: record.cells.iter().zip(&stored.cells).map(|(cell, stored)| CellLayout::new(stored.id, &cell.ty)).collect(),
        });
        Layout { types: types.collect() }
    }

    pub(super) fn ty(&self, record: RecordId) -> &TypeLayout {
        &self.types[record.index()]
    }

    pub(super) fn cell(&self, record: RecordId, cell: CellIndex) -> &CellLayout {
        &self.types[record.index()].cells[cell.index()]
    }
}

impl CellLayout {
    fn new(id: u32, ty: &Type) -> CellLayout {
        let (key, value) = match ty {
            Type::List(of) => (Type::Int, (**of).clone()),
            Type::Set(of) => ((**of).clone(), Type::Unknown),
            Type::Map(key, of) => ((**key).clone(), (**of).clone()),
            ty => (Type::Unknown, ty.clone()),
        };
        CellLayout { id, kind: Kind::of(ty), key, value }
    }
}
