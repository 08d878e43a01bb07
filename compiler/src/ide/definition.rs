//! What a name can mean.

use patternc_grammar::syntax::{Ident, ItemKind, Member, MemberKind, Operation, Param, Span, Variant};

use crate::db::{Db, SourceFile};
use crate::diagnostic::Location;
use crate::items::{ItemHead, head};
use crate::location::{item, locate};
use crate::types::{CellId, HandlerId, ItemId, OperationId};

/// Something that a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Definition {
    Item(ItemId),
    /// Stored or derived.
    Cell(CellId),
    /// Or a saga.
    Handler(HandlerId),
    /// A field of a struct.
    Field {
        of: ItemId,
        index: u32,
    },
    Variant {
        of: ItemId,
        index: u32,
    },
    /// A field of a variant.
    Payload {
        of: ItemId,
        variant: u32,
        index: u32,
    },
    Operation(OperationId),
    /// A parameter, a `let`, a step of a saga, anything bound in a body: where its name is declared.
    Local {
        file: SourceFile,
        span: Span,
    },
    /// What a `use` imports from.
    File(SourceFile),
}

impl Definition {
    /// Where its name is declared. A file begins at its beginning.
    pub fn place(self, db: &dyn Db) -> Option<(SourceFile, Span)> {
        match self {
            Definition::Item(item) => locate(db, Location::Item(item)),
            Definition::Cell(cell) => locate(db, Location::Cell(cell)),
            Definition::Handler(handler) => locate(db, Location::Handler(handler)),
            Definition::Field { of, index } => Some((of.file, field(db, of, index)?.name.span)),
            Definition::Variant { of, index } => Some((of.file, variant(db, of, index)?.name.span)),
            Definition::Payload { of, variant, index } => Some((of.file, payload(db, of, variant, index)?.name.span)),
            Definition::Operation(operation) => Some((operation.of.file, self::operation(db, operation)?.name.span)),
            Definition::Local { file, span } => Some((file, span)),
            Definition::File(file) => Some((file, Span::default())),
        }
    }

    /// The whole declaration that its name stands in.
    pub fn declaration(self, db: &dyn Db) -> Option<(SourceFile, Span)> {
        match self {
            Definition::Item(id) => Some((id.file, item(db, id)?.span)),
            Definition::Cell(cell) => Some((cell.record.file, cell_member(db, cell)?.span)),
            Definition::Handler(handler) => Some((handler.record.file, handler_member(db, handler)?.span)),
            Definition::Field { of, index } => Some((of.file, field(db, of, index)?.span)),
            Definition::Variant { of, index } => Some((of.file, variant(db, of, index)?.span)),
            Definition::Payload { of, variant, index } => Some((of.file, payload(db, of, variant, index)?.span)),
            Definition::Operation(operation) => Some((operation.of.file, self::operation(db, operation)?.span)),
            Definition::Local { .. } | Definition::File(_) => self.place(db),
        }
    }

    /// Its name, as it is declared.
    pub fn name(self, db: &dyn Db) -> Option<String> {
        let (file, span) = self.place(db)?;
        match self {
            Definition::File(file) => Some(file.path(db).to_string()),
            _ => file.text(db).get(span.start as usize..span.end as usize).map(str::to_owned),
        }
    }

    /// The `///` lines before it.
    pub fn docs(self, db: &dyn Db) -> Option<&str> {
        let docs = match self {
            Definition::Item(id) => item(db, id)?.docs.as_deref(),
            Definition::Cell(cell) => cell_member(db, cell)?.docs.as_deref(),
            Definition::Handler(handler) => handler_member(db, handler)?.docs.as_deref(),
            Definition::Variant { of, index } => variant(db, of, index)?.docs.as_deref(),
            Definition::Operation(operation) => self::operation(db, operation)?.docs.as_deref(),
            Definition::Field { .. } | Definition::Payload { .. } | Definition::Local { .. } | Definition::File(_) => None,
        };
        docs.filter(|docs| !docs.is_empty())
    }

    /// Whether its names begin with a capital letter.
    pub fn is_type(self, db: &dyn Db) -> bool {
        match self {
            Definition::Item(id) => {
                matches!(head(db, id), Some(ItemHead::Struct { .. } | ItemHead::Enum { .. } | ItemHead::Record(_)))
            }
            _ => false,
        }
    }
}

fn members(db: &dyn Db, record: ItemId) -> &[Member] {
    match item(db, record).map(|item| &item.kind) {
        Some(ItemKind::Record(record)) => &record.members,
        _ => &[],
    }
}

pub(super) fn cell_member(db: &dyn Db, cell: CellId) -> Option<&Member> {
    let cells = members(db, cell.record).iter().filter(|member| matches!(member.kind, MemberKind::Cell(_) | MemberKind::Derived(_)));
    cells.into_iter().nth(cell.index as usize)
}

pub(super) fn handler_member(db: &dyn Db, handler: HandlerId) -> Option<&Member> {
    let handlers = members(db, handler.record).iter().filter(|member| matches!(member.kind, MemberKind::Handler(_) | MemberKind::Saga(_)));
    handlers.into_iter().nth(handler.index as usize)
}

fn field(db: &dyn Db, of: ItemId, index: u32) -> Option<&Param> {
    match &item(db, of)?.kind {
        ItemKind::Struct(decl) => decl.fields.get(index as usize),
        _ => None,
    }
}

fn variant(db: &dyn Db, of: ItemId, index: u32) -> Option<&Variant> {
    match &item(db, of)?.kind {
        ItemKind::Enum(decl) => decl.variants.get(index as usize),
        _ => None,
    }
}

fn payload(db: &dyn Db, of: ItemId, variant: u32, index: u32) -> Option<&Param> {
    self::variant(db, of, variant)?.fields.get(index as usize)
}

pub(super) fn operation(db: &dyn Db, id: OperationId) -> Option<&Operation> {
    match &item(db, id.of)?.kind {
        ItemKind::Extern(decl) => decl.operations.get(id.index as usize),
        _ => None,
    }
}

/// The name of a cell, handler or saga in its declaration.
pub(super) fn member_name(member: &Member) -> Option<Ident> {
    match &member.kind {
        MemberKind::Cell(cell) => Some(cell.name),
        MemberKind::Derived(derived) => Some(derived.name),
        MemberKind::Handler(handler) => Some(handler.name),
        MemberKind::Saga(saga) => Some(saga.name),
        MemberKind::Create(_) => None,
    }
}
