//! What a declaration promises to the rest of the program: names and resolved types, no bodies and no spans.
//!
//! Signatures are compared after every edit; that they hold nothing of a body is what keeps an edit inside one file.

mod build;

use std::sync::Arc;

use patternc_grammar::syntax::{Name, Repeat};

use crate::db::{Db, SourceFile};
use crate::diagnostic::Diagnostic;
use crate::types::{CellId, HandlerId, ItemId, OperationId, Ty};

/// The signatures of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSignatures {
    /// By [`ItemId::index`].
    pub by_item: Vec<Signature>,
}

/// What the declarations of `file` promise. Equal after an edit that changes none of them, also where one of them has an error.
#[salsa::tracked(returns(deref))]
pub fn signatures(db: &dyn Db, file: SourceFile) -> Arc<FileSignatures> {
    Arc::clone(&resolved(db, file).signatures)
}

/// What is wrong with the types and names in the declarations of `file`.
pub fn signature_diagnostics(db: &dyn Db, file: SourceFile) -> &[Diagnostic] {
    &resolved(db, file).diagnostics
}

/// Signatures with their findings, which hold spans and so change more often.
struct Resolved {
    signatures: Arc<FileSignatures>,
    diagnostics: Vec<Diagnostic>,
}

// Read by two queries of the same file only: which of the parts changed is told apart there.
#[salsa::tracked(returns(ref), no_eq)]
fn resolved(db: &dyn Db, file: SourceFile) -> Resolved {
    let (signatures, diagnostics) = build::build(db, file);
    Resolved { signatures: Arc::new(signatures), diagnostics }
}

/// The signature of one item.
pub fn signature(db: &dyn Db, id: ItemId) -> &Signature {
    signatures(db, id.file).by_item.get(id.index as usize).unwrap_or(&Signature::Other)
}

/// Declares the way to a signature of one kind.
macro_rules! of_kind {
    ($($name:ident: $variant:ident($ty:ident), $doc:literal;)*) => { $(
        #[doc = $doc]
        pub fn $name(db: &dyn Db, id: ItemId) -> Option<&$ty> {
            match signature(db, id) {
                Signature::$variant(signature) => Some(signature),
                _ => None,
            }
        }
    )* };
}

of_kind! {
    space_sig: Space(SpaceSig), "The signature of a space; `None` if the item is something else.";
    struct_sig: Struct(StructSig), "The signature of a struct; `None` if the item is something else.";
    enum_sig: Enum(EnumSig), "The signature of an enum; `None` if the item is something else.";
    record_sig: Record(RecordSig), "The signature of a record; `None` if the item is something else.";
    fn_sig: Fn(FnSig), "The signature of a function; `None` if the item is something else.";
    extern_sig: Extern(ExternSig), "The signature of an extern; `None` if the item is something else.";
    mirror_sig: Mirror(MirrorSig), "The signature of a mirror; `None` if the item is something else.";
    invariant_sig: Invariant(InvariantSig), "The signature of an invariant; `None` if the item is something else.";
}

/// The signature of a cell.
pub fn cell_sig(db: &dyn Db, id: CellId) -> Option<&CellSig> {
    record_sig(db, id.record)?.cells.get(id.index as usize)
}

/// The signature of a handler or saga.
pub fn handler_sig(db: &dyn Db, id: HandlerId) -> Option<&HandlerSig> {
    record_sig(db, id.record)?.handlers.get(id.index as usize)
}

/// The signature of an extern operation.
pub fn operation_sig(db: &dyn Db, id: OperationId) -> Option<&OperationSig> {
    extern_sig(db, id.of)?.operations.get(id.index as usize)
}

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

impl RecordSig {
    /// The position of the first cell of this name, stored or derived.
    pub fn cell(&self, name: Name) -> Option<u32> {
        self.cells.iter().position(|cell| cell.name == name).map(|index| index as u32)
    }

    /// The position of the first handler or saga of this name.
    pub fn handler(&self, name: Name) -> Option<u32> {
        self.handlers.iter().position(|handler| handler.name == name).map(|index| index as u32)
    }

    /// The position of the `key` cell.
    pub fn key(&self) -> Option<u32> {
        self.cells.iter().position(|cell| cell.key).map(|index| index as u32)
    }
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

impl Home {
    /// Whether no space is one of both.
    pub fn is_apart_from(self, other: Home) -> bool {
        self != other && self != Home::Floating && other != Home::Floating
    }
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
    /// [`Ty::Unit`] without `-> Type`; for a saga, a [`Ty::SagaResult`] with the names of its steps and [`Ty::Unknown`] for their types,
    /// which only its body tells.
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
    /// `remove(f) first = …`.
    pub remove_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantSig {
    pub name: Name,
    pub eventually: bool,
    pub record: Option<ItemId>,
}
