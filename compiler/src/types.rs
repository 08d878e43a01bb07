//! Types, and where records are: the space in a type.
//!
//! Whether a write is allowed is a question of types. A record type therefore carries a [`Place`]: which space an instance is in,
//! as seen from the body that holds the value.

use std::sync::Arc;

use patternc_grammar::syntax::Name;

use crate::db::SourceFile;

/// A declaration at the top of a file: the file and the position among its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    pub file: SourceFile,
    pub index: u32,
}

/// A type, places resolved as seen from the body (or declaration) it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Time,
    Duration,
    /// What `x.space` gives.
    Space,
    /// `Failure { kind, message }`: what `err` arms and `catch` bind. Both fields are Text.
    Failure,
    List(Arc<Ty>),
    Set(Arc<Ty>),
    Map(Arc<Ty>, Arc<Ty>),
    /// `T?`; never nested.
    Optional(Arc<Ty>),
    /// The place says what *here* means for the plain references inside.
    Struct(ItemId, Place),
    Enum(ItemId, Place),
    Record(ItemId, Place),
    /// A saga with the results of its steps by name: what its `ok` arm binds.
    SagaResult(HandlerId, Arc<[(Name, Ty)]>),
    /// The type of `none` before it is known which optional is meant.
    None,
    /// The element type of `[]` before it is known.
    Unknown,
    /// No value: the result of a handler without `-> Type`.
    Unit,
    /// A type that could not be found out; an error was reported. Fits everything, so that nothing is reported twice.
    Error,
}

/// The space a record is in, as far as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The space of `self`, of the bound record, or of whatever holds the value. In the body of a record that is in a plain space, that space
    /// stands instead: there *here* has a name. Of a struct or enum without references it says nothing.
    Here,
    /// A plain space: the item of its declaration.
    Plain(ItemId),
    /// Where the record in this immutable local is.
    Of(LocalId),
    /// Somewhere, not known where: `R@any`.
    Any,
}

/// A local of a [`crate::hir::Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);

/// A stored or derived cell: the record's item and the position among its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellId {
    pub record: ItemId,
    /// Position in [`crate::signature::RecordSig::cells`].
    pub index: u32,
}

/// A handler or saga: the record's item and the position in [`crate::signature::RecordSig::handlers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandlerId {
    pub record: ItemId,
    pub index: u32,
}

/// An operation of an extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId {
    pub of: ItemId,
    /// Position in [`crate::signature::ExternSig::operations`].
    pub index: u32,
}
