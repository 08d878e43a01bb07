//! What a file declares, free of spans and bodies.
//!
//! Other files see a file through this alone (and through its signatures), so that moving text or editing a body changes nothing for
//! them.

use patternc_grammar::Parsed;
use patternc_grammar::syntax::{ItemKind, MemberKind, Name, PlaceExpr, RecordDecl, TypeExpr, TypeKind};
use rustc_hash::FxHashMap;

use crate::db::{Db, SourceFile};
use crate::types::ItemId;

/// The syntax tree of a file, with what was wrong in the text. It holds spans: only queries of the same file may read it.
// A changed text hardly ever gives an equal tree, so comparing the two would be time lost.
#[salsa::tracked(returns(ref), no_eq)]
pub fn parsed(db: &dyn Db, file: SourceFile) -> Parsed {
    patternc_grammar::parse(file.text(db))
}

/// The names that parts of a file were to declare which could not be read.
pub fn lost_in(db: &dyn Db, file: SourceFile) -> Vec<Name> {
    parsed(db, file).lost.iter().flat_map(|lost| lost.names.iter().copied()).collect()
}

/// The declarations of one file, in the order of the text: positions are those of [`ItemId::index`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    pub heads: Vec<ItemHead>,
    /// The first item of each name.
    by_name: FxHashMap<Name, u32>,
}

/// One declaration, as far as others must know it before any type is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemHead {
    Use(UseHead),
    Space { name: Name, family: bool },
    Struct { name: Name },
    Enum { name: Name },
    Record(RecordHead),
    Fn { name: Name },
    Extern { name: Name },
    Mirror { name: Name },
    Invariant { name: Name },
    Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseHead {
    pub path: Box<str>,
    pub names: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHead {
    pub name: Name,
    /// What stands after `in`.
    pub space: Option<Name>,
    /// Stored and derived cells, in the order of [`crate::signature::RecordSig::cells`].
    pub cells: Vec<CellHead>,
}

/// As much of a cell as the cell at the other end of a link must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellHead {
    pub name: Name,
    pub derived: bool,
    pub link: Option<Link>,
    /// The cell named by `inverse`.
    pub inverse: Option<Name>,
}

/// A type that is a reference or a collection of references, as far as the text says: `R`, `R?`, `Set<R>`, `List<R>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub to: Name,
    pub kind: LinkKind,
    pub place: LinkPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    One,
    Optional,
    Set,
    List,
}

/// What was written after the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPlace {
    Plain,
    Any,
    Space(Name),
}

impl ItemHead {
    pub fn name(&self) -> Option<Name> {
        match self {
            ItemHead::Use(_) | ItemHead::Test => None,
            ItemHead::Record(record) => Some(record.name),
            ItemHead::Space { name, .. }
            | ItemHead::Struct { name }
            | ItemHead::Enum { name }
            | ItemHead::Fn { name }
            | ItemHead::Extern { name }
            | ItemHead::Mirror { name }
            | ItemHead::Invariant { name } => Some(*name),
        }
    }

    /// With its article, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            ItemHead::Use(_) => "an import",
            ItemHead::Space { family: false, .. } => "a space",
            ItemHead::Space { family: true, .. } => "a family of spaces",
            ItemHead::Struct { .. } => "a struct",
            ItemHead::Enum { .. } => "an enum",
            ItemHead::Record(_) => "a record",
            ItemHead::Fn { .. } => "a function",
            ItemHead::Extern { .. } => "an extern",
            ItemHead::Mirror { .. } => "a mirror",
            ItemHead::Invariant { .. } => "an invariant",
            ItemHead::Test => "a test",
        }
    }
}

impl Items {
    /// The first item of this name.
    pub fn named(&self, name: Name) -> Option<u32> {
        self.by_name.get(&name).copied()
    }

    /// Names of the declarations, each once.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.by_name.keys().copied()
    }
}

/// What `file` declares.
#[salsa::tracked(returns(ref))]
pub fn items(db: &dyn Db, file: SourceFile) -> Items {
    let mut items = Items::default();
    for (index, item) in parsed(db, file).file.items.iter().enumerate() {
        let head = match &item.kind {
            ItemKind::Use(import) => {
                ItemHead::Use(UseHead { path: import.path.value.clone(), names: import.names.iter().map(|name| name.name).collect() })
            }
            ItemKind::Space(space) => ItemHead::Space { name: space.name.name, family: space.key.is_some() },
            ItemKind::Struct(decl) => ItemHead::Struct { name: decl.name.name },
            ItemKind::Enum(decl) => ItemHead::Enum { name: decl.name.name },
            ItemKind::Record(record) => ItemHead::Record(record_head(record)),
            ItemKind::Fn(decl) => ItemHead::Fn { name: decl.name.name },
            ItemKind::Extern(decl) => ItemHead::Extern { name: decl.name.name },
            ItemKind::Mirror(decl) => ItemHead::Mirror { name: decl.name.name },
            ItemKind::Invariant(decl) => ItemHead::Invariant { name: decl.name.name },
            ItemKind::Test(_) => ItemHead::Test,
        };
        if let Some(name) = head.name() {
            items.by_name.entry(name).or_insert(index as u32);
        }
        items.heads.push(head);
    }
    items
}

/// The head of one item.
pub fn head(db: &dyn Db, id: ItemId) -> Option<&ItemHead> {
    items(db, id.file).heads.get(id.index as usize)
}

/// The head of a record; `None` if the item is something else.
pub fn record_head_of(db: &dyn Db, id: ItemId) -> Option<&RecordHead> {
    match head(db, id) {
        Some(ItemHead::Record(record)) => Some(record),
        _ => None,
    }
}

fn record_head(record: &RecordDecl) -> RecordHead {
    let cells = record.members.iter().filter_map(|member| match &member.kind {
        MemberKind::Cell(cell) => {
            Some(CellHead { name: cell.name.name, derived: false, link: link(&cell.ty), inverse: cell.inverse.map(|inverse| inverse.name) })
        }
        MemberKind::Derived(derived) => Some(CellHead { name: derived.name.name, derived: true, link: link(&derived.ty), inverse: None }),
        MemberKind::Create(_) | MemberKind::Handler(_) | MemberKind::Saga(_) => None,
    });
    RecordHead { name: record.name.name, space: record.space.map(|space| space.name), cells: cells.collect() }
}

/// How a type written so links to a record, if it does.
fn link(ty: &TypeExpr) -> Option<Link> {
    let (kind, inner) = match &ty.kind {
        TypeKind::Optional(inner) => (LinkKind::Optional, &**inner),
        TypeKind::Named { name, args, .. } => match (name.name.as_str(), args.as_slice()) {
            ("Set", [inner]) => (LinkKind::Set, inner),
            ("List", [inner]) => (LinkKind::List, inner),
            (_, []) => (LinkKind::One, ty),
            _ => return None,
        },
        TypeKind::Error => return None,
    };
    match &inner.kind {
        TypeKind::Named { name, args, place } if args.is_empty() => {
            let place = match place {
                None => LinkPlace::Plain,
                Some(PlaceExpr::Any(_)) => LinkPlace::Any,
                Some(PlaceExpr::Space(space)) => LinkPlace::Space(space.name),
            };
            Some(Link { to: name.name, kind, place })
        }
        _ => None,
    }
}
