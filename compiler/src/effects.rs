//! Effects: what each body reads, writes, sends and how it can fail, in which space.
//!
//! One table per callable. Rules, `patternc graph`, the explorer and the footprints of the interpreter read it; none walks the tree again
//! to find writes. Entries hold no spans: a [`Site`] names a place in a body, so that moving text changes no effects.

use std::sync::Arc;

use patternc_grammar::syntax::Name;

use crate::hir::BodyOwner;
use crate::types::{CellId, HandlerId, ItemId, LocalId, OperationId};

/// A place in a body, counted rather than located.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    pub body: BodyOwner,
    /// The how-manieth site of its body, in the order of the text.
    pub index: u32,
}

/// What one body does: itself, and through the direct calls and functions in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub reads: Vec<Read>,
    pub writes: Vec<WriteEffect>,
    pub calls: Vec<CallEffect>,
    pub sends: Vec<SendEffect>,
    pub failures: Vec<FailureEffect>,
    /// The body calls itself, directly or through others: its effects are those of one round.
    pub recursive: bool,
}

/// Which record an effect falls on, as seen from the body: as much as can be known without running it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    SelfRecord,
    /// The record in a parameter or other immutable local.
    Local(LocalId),
    /// `R[key]` with a key that is a parameter or literal, told apart by its text.
    Key(ItemId, Box<str>),
    /// Through a path of cells from something known: `self.auth`.
    Path(Arc<(Target, CellId)>),
    /// Created in this body.
    Fresh,
    /// Some record of the type.
    Unknown,
}

/// The space an effect falls in, as seen from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EffectSpace {
    /// The space of `self`.
    Here,
    /// A plain space.
    Plain(ItemId),
    /// Where the record in this local is.
    Of(LocalId),
    /// Not known: may be any.
    Any,
}

/// The handlers through which an effect of another body came here, outermost first; empty for the body's own.
pub type CallPath = Arc<[Site]>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub cell: CellId,
    pub target: Target,
    pub space: EffectSpace,
    pub grain: Grain,
    pub site: Site,
    pub path: CallPath,
}

/// How much of a cell is touched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    Whole,
    /// One element or entry; the text of the element or key where it is known.
    Element(Option<Box<str>>),
    /// A query over the type reads this cell of every instance.
    Query,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteEffect {
    pub record: ItemId,
    /// `None` for `create` and `delete` of the record.
    pub cell: Option<CellId>,
    pub target: Target,
    pub space: EffectSpace,
    pub kind: WriteKind,
    pub grain: Grain,
    pub site: Site,
    pub path: CallPath,
    /// Whether the write is of the other end of an `inverse`, made by the runtime.
    pub inverse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// The old value is replaced.
    Set,
    /// `+=` on a List.
    Append,
    /// `+=` / `-=` on an Int.
    Add,
    /// `+=` on a Set.
    Insert,
    /// `-=` on a Set or List, `delete m[k]`.
    Remove,
    Create,
    Delete,
}

/// A direct call of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEffect {
    pub handler: HandlerId,
    pub target: Target,
    pub space: EffectSpace,
    pub site: Site,
    pub path: CallPath,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendEffect {
    pub to: SendTarget,
    pub target: Target,
    pub space: EffectSpace,
    /// `after` was given.
    pub delayed: bool,
    /// `return send …`.
    pub answer: bool,
    /// The arms' own effects, each a piece of its own.
    pub ok: Option<Arc<Effects>>,
    pub err: Option<Arc<Effects>>,
    pub site: Site,
    pub path: CallPath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendTarget {
    Handler(HandlerId),
    Extern(OperationId),
    Create(ItemId),
    /// The target could not be found out.
    Unknown,
}

/// A way a body can fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureEffect {
    pub cause: FailureCause,
    pub site: Site,
    pub path: CallPath,
    /// Inside a `try` of the same body, so that it is caught.
    pub caught: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    Require,
    Fail,
    /// Writing or creating under a key or unique cell.
    Unique(CellId),
    /// A write under an invariant.
    Invariant(ItemId),
    /// Reading a record of a type that some handler deletes, an index out of range, a missing entry.
    Missing,
    /// Arithmetic.
    Overflow,
    /// The `create` block of a record.
    CreateBlock(ItemId),
    /// The name of something else that can go wrong.
    Other(Name),
}
