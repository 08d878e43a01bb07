//! What a store knows of the program that wrote it: record types and cells with ids of their own.
//!
//! A cell that is no collection is a column; a List, Set or Map cell has rows, one an element. Names are the program's; ids are the store's
//! and never given twice, so that a name that goes and comes back later is told apart from the first.

use patternc_program::{CellIndex, Program, RecordId, Type};
use serde::{Deserialize, Serialize};

use super::native::is_plain_key;
use super::type_text;
use super::{Keeps, Opening};

/// The record types of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct StoredSchema {
    /// The next id of a type or cell.
    pub(in crate::store) next_id: u32,
    pub(in crate::store) types: Vec<StoredType>,
    /// What the deployment of who wrote it last keeps here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) keeps: Option<Keeps>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct StoredType {
    pub(in crate::store) id: u32,
    pub(in crate::store) name: String,
    /// Where its records can be, as text.
    pub(in crate::store) home: String,
    /// Whether the program still has it. What remains of one that it has not are the ids of deleted records.
    pub(in crate::store) present: bool,
    pub(in crate::store) cells: Vec<StoredCell>,
    /// Of the ledger of a mirror: the extern that it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) tells: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct StoredCell {
    pub(in crate::store) id: u32,
    pub(in crate::store) name: String,
    pub(in crate::store) kind: Kind,
    /// The type with everything it is made of ([`type_text::layout`]).
    pub(in crate::store) layout: String,
    /// What the texts in the columns of keys and values are, for the views.
    pub(in crate::store) key: Shape,
    pub(in crate::store) value: Shape,
    /// The cell at the other end, `Person.members`: what is stored has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) inverse: Option<String>,
}

/// What a column holds, as someone who makes JSON of it has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::store) enum Shape {
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
}

/// How a cell is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::store) enum Kind {
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
    pub(in crate::store) fn of(ty: &Type) -> Kind {
        match ty {
            Type::List(_) => Kind::List,
            Type::Set(_) => Kind::Set,
            Type::Map(..) => Kind::Map,
            _ => Kind::Column,
        }
    }

    /// The column that tells the elements of one cell apart.
    pub(in crate::store) fn key(self) -> &'static str {
        match self {
            Kind::Column | Kind::List => "position",
            Kind::Set => "value",
            Kind::Map => "key",
        }
    }
}

/// A name as SQL.
pub(in crate::store) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl StoredType {
    /// Whether a mirror keeps its records for itself. Only their types have a dot in their name: `readers.facts`.
    pub(in crate::store) fn is_kept_by_mirror(&self) -> bool {
        self.name.contains('.')
    }

    /// The name of its table.
    pub(in crate::store) fn table(&self) -> String {
        format!("_{}_{}", self.id, self.name)
    }

    pub(in crate::store) fn cell(&self, name: &str) -> Option<&StoredCell> {
        self.cells.iter().find(|cell| cell.name == name)
    }

    /// The cells that are columns.
    pub(in crate::store) fn columns(&self) -> impl Iterator<Item = &StoredCell> {
        self.cells.iter().filter(|cell| cell.kind == Kind::Column)
    }

    /// The cells that have tables.
    pub(in crate::store) fn collections(&self) -> impl Iterator<Item = &StoredCell> {
        self.cells.iter().filter(|cell| cell.kind != Kind::Column)
    }
}

impl StoredCell {
    /// The name of its column. A name that could be one of the table's own columns gets the id before it.
    pub(in crate::store) fn column(&self) -> String {
        if self.name.starts_with('_') { format!("_{}{}", self.id, self.name) } else { self.name.clone() }
    }

    /// The name of its table, for a collection.
    pub(in crate::store) fn table(&self, of: &StoredType) -> String {
        format!("_{}_{}_{}", self.id, of.name, self.name)
    }
}

impl StoredSchema {
    /// What the schema becomes for who opens the store: names that are there keep their ids, new ones get the next.
    pub(in crate::store) fn for_opening(&self, opening: &Opening<'_>) -> StoredSchema {
        let schema = self.for_program(&opening.program);
        StoredSchema { keeps: opening.keeps.clone().or(schema.keeps), ..schema }
    }

    /// The same for a program.
    fn for_program(&self, program: &Program) -> StoredSchema {
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
                    let inverse = cell.inverse.map(|inverse| {
                        let other = program.record(inverse.record);
                        format!("{}.{}", other.name, other.cells[inverse.cell.index()].name)
                    });
                    StoredCell { id, name, kind, layout, key, value, inverse }
                });
                let cells = cells.collect();
                let of = RecordId(i as u32);
                let mirror = program.mirrors.iter().find(|mirror| mirror.ledger == of);
                let tells = mirror.map(|mirror| program.externs[mirror.target.index()].name.to_string());
                StoredType { id, name: record.name.to_string(), home: type_text::home(program, of), present: true, cells, tells }
            })
            .collect();
        for gone in &self.types {
            if !types.iter().any(|ty| ty.id == gone.id) {
                types.push(StoredType { present: false, cells: Vec::new(), ..gone.clone() });
            }
        }
        StoredSchema { next_id, types, keeps: self.keeps.clone() }
    }
}

/// The ids of a program's records and cells in the store.
#[derive(Clone, Debug)]
pub(in crate::store) struct Layout {
    types: Vec<TypeLayout>,
}

/// A record type as effects need it.
#[derive(Clone, Debug)]
pub(in crate::store) struct TypeLayout {
    pub(in crate::store) id: u32,
    pub(in crate::store) cells: Vec<CellLayout>,
}

/// A cell as effects need it.
#[derive(Clone, Debug)]
pub(in crate::store) struct CellLayout {
    pub(in crate::store) id: u32,
    pub(in crate::store) kind: Kind,
    /// Of a map's key or a set's element.
    pub(in crate::store) key: Type,
    /// Of the cell, or of a list's element or a map's value.
    pub(in crate::store) value: Type,
}

impl Layout {
    /// The ids that a schema made by [`StoredSchema::for_opening`] has for the program.
    pub(in crate::store) fn new(schema: &StoredSchema, program: &Program) -> Layout {
        let types = program.records.iter().zip(&schema.types).map(|(record, stored)| TypeLayout {
            id: stored.id,
            cells: record.cells.iter().zip(&stored.cells).map(|(cell, stored)| CellLayout::new(stored.id, &cell.ty)).collect(),
        });
        Layout { types: types.collect() }
    }

    pub(in crate::store) fn types(&self) -> &[TypeLayout] {
        &self.types
    }

    pub(in crate::store) fn ty(&self, record: RecordId) -> &TypeLayout {
        &self.types[record.index()]
    }

    pub(in crate::store) fn cell(&self, record: RecordId, cell: CellIndex) -> &CellLayout {
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
