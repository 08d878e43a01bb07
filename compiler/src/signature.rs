//! What a declaration promises to the rest of the program: names and resolved types, no bodies and no spans.
//!
//! Signatures are compared after every edit; that they hold nothing of a body is what keeps an edit inside one file.

use std::sync::Arc;

use patternc_grammar::syntax::{Name, Repeat};

use crate::types::{ItemId, Ty};

/// The resolved declaration of one item, by position in its file. `use` items and tests are [`Signature::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    Space(SpaceSig),
    Struct(StructSig),
    Enum(EnumSig),
    Record(RecordSig),
    Fn(FnSig),
    Extern(ExternSig),
    Mirror(MirrorSig),
    Invariant(InvariantSig),
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceSig {
    pub name: Name,
    /// The key type of a family.
    pub key: Option<Ty>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructSig {
    pub name: Name,
    pub fields: Arc<[ParamSig]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumSig {
    pub name: Name,
    pub variants: Arc<[VariantSig]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantSig {
    pub name: Name,
    pub fields: Arc<[ParamSig]>,
}

/// A field, parameter or variant field. Places are as seen from the declaration: a plain reference is `Here`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSig {
    pub name: Name,
    pub ty: Ty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSig {
    pub name: Name,
    pub home: Home,
    /// Stored and derived cells, in the order of their declaration.
    pub cells: Arc<[CellSig]>,
    /// Handlers and sagas, in the order of their declaration.
    pub handlers: Arc<[HandlerSig]>,
    /// Whether there is a `create { … }` block.
    pub has_create: bool,
}

/// Which spaces the instances of a record can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// `in s`: all of them in the plain space `s`.
    Plain(ItemId),
    /// `in f`: each in one space of the family `f`.
    Family(ItemId),
    /// No `in`: each in any space.
    Floating,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSig {
    pub name: Name,
    pub ty: Ty,
    pub derived: bool,
    pub has_default: bool,
    pub key: bool,
    pub unique: bool,
    pub index: bool,
    /// The cell at the other end of the link: (record, position of the cell), whichever end declares it.
    pub inverse: Option<crate::types::CellId>,
    /// Position among the members of the record declaration.
    pub member: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerSig {
    pub name: Name,
    pub kind: HandlerKind,
    pub params: Arc<[ParamSig]>,
    /// [`Ty::Unit`] without `-> Type`; [`Ty::SagaResult`] for a saga.
    pub result: Ty,
    /// The declared `writes`, resolved: a cell, or a whole record type. `None` without the clause.
    pub writes: Option<Arc<[WriteSig]>>,
    pub across: Arc<[ItemId]>,
    /// Position among the members of the record declaration.
    pub member: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerKind {
    /// Callable from outside.
    Public,
    /// `internal`: reached by sends, timers and direct calls only.
    Internal,
    Saga,
}

/// One entry of a `writes` clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriteSig {
    pub record: ItemId,
    /// Position in [`RecordSig::cells`]; `None`: every cell, and deleting.
    pub cell: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FnSig {
    pub name: Name,
    pub params: Arc<[ParamSig]>,
    pub result: Ty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternSig {
    pub name: Name,
    pub operations: Arc<[OperationSig]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSig {
    pub name: Name,
    pub params: Arc<[ParamSig]>,
    pub result: Ty,
    pub repeat: Repeat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSig {
    pub name: Name,
    pub record: Option<ItemId>,
    pub target: Option<ItemId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantSig {
    pub name: Name,
    pub eventually: bool,
    pub record: Option<ItemId>,
}
