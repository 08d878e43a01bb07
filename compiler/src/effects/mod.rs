//! Effects: what each body reads, writes, sends and how it can fail, in which space.
//!
//! One table per callable. Rules, `patternc graph`, the explorer and the footprints of the interpreter read it; none walks the tree again
//! to find writes. Entries hold no spans: a [`Site`] names a place in a body, so that moving text changes no effects.
//!
//! `infer` finds what a body does itself, file by file. `resolve` adds what it does through direct calls, functions, derived cells and
//! `create` blocks, body by body, seen from the caller: the callee's *here* is where the call's target is, its parameters are the arguments.

pub mod always;
pub(crate) mod depth;
pub mod describe;
mod form;
mod infer;
pub mod known;
mod layout;
mod resolve;
pub mod within_reach;

use std::ops::Deref;
use std::sync::Arc;

use patternc_grammar::syntax::Span;

use crate::bodies;
use crate::db::{Db, SourceFile};
use crate::hir::BodyOwner;
use crate::location::owner_item;
use crate::signature::{HandlerKind, handler_sig};
use crate::types::{CellId, HandlerId, ItemId, LocalId, OperationId};

pub use form::Form;
pub(crate) use infer::{constant_of, is_blind};
pub use layout::{Block, BlockId, BlockKind, Decision, Given, Layout, Made, Told};
use resolve::shared_effects;
pub use resolve::{Frame, body, effects, home, spaces};

/// A place in a body, counted rather than located.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    pub body: BodyOwner,
    /// The how-manieth site of its body, in the order of evaluation: arms of sends after the send.
    pub index: u32,
}

/// What one body does: itself, and through the direct calls and functions in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub reads: Vec<Read>,
    pub writes: Vec<WriteEffect>,
    /// Its own calls only: a table that listed those of its callees would grow with the length of the way, not with what is done.
    pub calls: Vec<CallEffect>,
    pub sends: Vec<SendEffect>,
    pub failures: Vec<FailureEffect>,
    /// Records that have to be there.
    pub trusts: Vec<Trust>,
    /// The body calls itself, directly or through others: its effects are what it does itself, without its calls.
    pub recursive: bool,
    /// It has a `try`, itself or in what it calls.
    pub tries: bool,
    /// Part of the body could not be understood, and an error was reported: there may be more effects than are listed.
    pub incomplete: bool,
}

/// Which record an effect falls on, as seen from the body: as much as can be known without running it.
///
/// Two equal targets other than `Fresh` and `Unknown`, in one run of one body, are the same record, unless a cell of a `Path` was written in
/// between. Different targets may be the same record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    SelfRecord,
    /// The record in a parameter or other immutable local.
    Local(LocalId),
    /// `R[key]` with a key that is known.
    Key(ItemId, Value),
    /// Through a path of cells from something known: `self.auth`.
    Path(Arc<(Target, CellId)>),
    /// Created in this body.
    Fresh,
    /// Some record of the type.
    Unknown,
}

/// A value that can be told apart from others without running the body: a key, an element, an argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A literal, as text.
    Literal(Box<str>),
    /// What is in a parameter or other immutable local.
    Local(LocalId),
    SelfRecord,
    /// What the cell of a record holds.
    Cell(Arc<(Target, CellId)>),
}

/// The space an effect falls in, as seen from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EffectSpace {
    /// The space of `self`. Always this, never `Plain`, for the plain space that the record of the body is in.
    Here,
    /// A plain space.
    Plain(ItemId),
    /// Where the record in this local is.
    Of(LocalId),
    /// Not known: may be any.
    Any,
}

/// Calls that a path remembers. Who follows one further looks at the bodies themselves.
const LONGEST_CALL_PATH: usize = 32;

/// The calls through which an effect of another body came here, outermost first; empty for the body's own. Of a long path the innermost calls
/// are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallPath(Option<Arc<[Site]>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub record: ItemId,
    /// `None`: whether a record exists, or which records there are.
    pub cell: Option<CellId>,
    pub target: Target,
    pub space: EffectSpace,
    pub grain: Grain,
    pub site: Site,
    pub path: CallPath,
    /// It stands for several of a callee, this being the first.
    pub several: bool,
}

/// How much of a cell is touched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    Whole,
    /// One element or entry, where it is known which; for a List, a search for an element. Of a creation, the key.
    Element(Option<Value>),
    /// Of a creation: a key of which only this is known.
    Like(Form),
    /// How many elements there are, whatever their order.
    Size,
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
    /// It stands for several of a callee, this being the first.
    pub several: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Another body that runs as part of this one: a handler called directly, a function, a derived cell that is read, the `create` block and
/// the defaults ([`BodyOwner::Create`]) of a record that is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEffect {
    pub callee: BodyOwner,
    /// Its `self`.
    pub target: Target,
    pub space: EffectSpace,
    pub args: Arc<[Argument]>,
    pub site: Site,
    /// Inside a `try`: what it rejects is caught.
    pub caught: bool,
}

/// What is known of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `there`: it is known not to be gone.
    Record {
        target: Target,
        space: EffectSpace,
        there: bool,
    },
    Value(Value),
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendEffect {
    pub to: SendTarget,
    pub target: Target,
    /// Where the receiver is; for an extern, here.
    pub space: EffectSpace,
    pub args: Arc<[Argument]>,
    /// Of a creation: which record of the type it is.
    pub created: Grain,
    /// Of a creation: what the runtime does for it where the record is made, beside what its cells are by default.
    pub made: Option<Arc<Effects>>,
    pub role: SendRole,
    /// `after` was given.
    pub delayed: bool,
    /// It stands for several of a callee, this being the first.
    pub several: bool,
    /// The local in which the `ok` arm has the answer.
    pub answer: Option<LocalId>,
    /// The arms' own effects, each a piece of its own.
    pub ok: Option<Arc<Effects>>,
    pub err: Option<Arc<Effects>>,
    pub site: Site,
    pub path: CallPath,
    /// The space of the record whose handler sends: `Here` unless the send came here through a direct call.
    pub sender: EffectSpace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SendRole {
    /// `send …`.
    Send,
    /// `return send …`.
    Answer,
    /// A step of a saga.
    Step { pivot: bool },
    /// What undoes the step before it.
    Undo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendTarget {
    /// A handler or saga.
    Handler(HandlerId),
    Extern(OperationId),
    Create(ItemId),
    /// The target could not be found out.
    Unknown,
}

/// A way a body can fail by itself. That a record may be gone, and that a write may break an invariant, depends on the
/// rest of the project: see [`crate::facts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureEffect {
    pub cause: FailureCause,
    pub site: Site,
    pub path: CallPath,
    /// Inside a `try`, of this body or of one on the way, that catches it.
    pub caught: bool,
}

/// A place that fails (`missing`) if a record is gone. Whether it may be depends on the rest of the project: see [`crate::facts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub record: ItemId,
    pub target: Target,
    pub site: Site,
    pub path: CallPath,
    /// As [`FailureEffect::caught`].
    pub caught: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    Require,
    Fail,
    /// Writing or creating under a key or unique cell.
    Unique(CellId),
    /// An index out of range, a missing entry.
    Missing,
    /// `/` or `%` by what may be zero.
    Division,
    /// The end of a link that may not be empty would be: its record is deleted, or linked to another one.
    Linked(CellId),
    /// `+`, `-`, `*`. One entry for a body.
    Overflow,
}

/// What the bodies of one file do themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEffects {
    /// Sorted by owner.
    pub bodies: Vec<BodyEffects>,
}

/// What one body does itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyEffects {
    pub owner: BodyOwner,
    pub own: Arc<Effects>,
    /// How its sites lie to each other.
    pub layout: Arc<Layout>,
}

/// The body that a send runs; `None` for an extern.
pub fn receiver(db: &dyn Db, send: &SendEffect) -> Option<BodyOwner> {
    match send.to {
        SendTarget::Handler(handler) => match handler_sig(db, handler)?.kind {
            HandlerKind::Saga => Some(BodyOwner::Saga(handler)),
            HandlerKind::Public | HandlerKind::Internal => Some(BodyOwner::Handler(handler)),
        },
        SendTarget::Create(record) => Some(BodyOwner::Create(record)),
        SendTarget::Extern(_) | SendTarget::Unknown => None,
    }
}

/// The file's effects with the places of their sites, which change with every edit.
struct Located {
    effects: FileEffects,
    /// By body, by [`Site::index`].
    spans: Vec<Vec<Span>>,
}

#[salsa::tracked(returns(ref), no_eq)]
fn located(db: &dyn Db, file: SourceFile) -> Located {
    let mut inference = infer::Inference::new(db);
    let mut found: Vec<_> = bodies::bodies(db, file).bodies.iter().filter_map(|body| inference.body(body)).collect();
    found.sort_unstable_by_key(|(body, _)| body.owner);
    let (bodies, spans) = found.into_iter().unzip();
    Located { effects: FileEffects { bodies }, spans }
}

/// What the bodies of `file` do themselves, without their calls. Tests are left out: each of their calls is an event of its own.
#[salsa::tracked(returns(ref))]
pub fn file_effects(db: &dyn Db, file: SourceFile) -> FileEffects {
    located(db, file).effects.clone()
}

/// What `owner` does itself, without its calls; `None` for a body that does not exist.
pub fn own(db: &dyn Db, owner: BodyOwner) -> Option<&BodyEffects> {
    file_effects(db, owner_item(owner)?.file).get(owner)
}

/// Where a site is now. `None` if its body is gone.
pub fn site_span(db: &dyn Db, site: Site) -> Option<(SourceFile, Span)> {
    let file = owner_item(site.body)?.file;
    let located = located(db, file);
    let body = located.effects.position(site.body)?;
    Some((file, *located.spans[body].get(site.index as usize)?))
}

impl FileEffects {
    /// What the body of `owner` does itself.
    pub fn get(&self, owner: BodyOwner) -> Option<&BodyEffects> {
        self.position(owner).map(|index| &self.bodies[index])
    }

    fn position(&self, owner: BodyOwner) -> Option<usize> {
        self.bodies.binary_search_by_key(&owner, |body| body.owner).ok()
    }
}

impl Effects {
    /// Whether there is something in other bodies that belongs to it, so that its own entries are not all.
    pub fn is_open(&self) -> bool {
        !self.calls.is_empty() || self.sends.iter().flat_map(SendEffect::arms).any(Effects::is_open)
    }

    /// This piece and the arms of its sends, and theirs: every transaction that the body's text describes.
    pub fn pieces(&self) -> Vec<&Effects> {
        let mut pieces = vec![self];
        let mut next = 0;
        while let Some(piece) = pieces.get(next).copied() {
            pieces.extend(piece.sends.iter().flat_map(SendEffect::arms));
            next += 1;
        }
        pieces
    }

    /// Whether it changes or sends anything.
    pub fn acts(&self) -> bool {
        !self.writes.is_empty() || !self.sends.is_empty()
    }

    /// Whether it can reject: through anything but an overflow that no `try` catches.
    pub fn rejects(&self) -> bool {
        self.failures.iter().any(|failure| !failure.caught && failure.cause != FailureCause::Overflow)
    }
}

impl SendEffect {
    /// The effects of its arms.
    pub fn arms(&self) -> impl Iterator<Item = &Effects> {
        self.ok.iter().chain(&self.err).map(|arm| &**arm)
    }
}

impl CallPath {
    /// The path of an effect that comes through the call at `site`, after `rest`.
    pub fn through(site: Site, rest: &CallPath) -> CallPath {
        CallPath(Some(std::iter::once(site).chain(rest.iter().copied()).take(LONGEST_CALL_PATH).collect()))
    }
}

impl Deref for CallPath {
    type Target = [Site];

    fn deref(&self) -> &[Site] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// An entry of an effect table.
pub trait Entry {
    /// Where it happens.
    fn site(&self) -> Site;

    /// The calls that lead there.
    fn path(&self) -> &CallPath;

    /// The place in the body whose table it is: the outermost call, or the effect itself.
    fn here(&self) -> Site {
        self.path().first().copied().unwrap_or(self.site())
    }
}

macro_rules! entries {
    ($($entry:ty),*) => { $(
        impl Entry for $entry {
            fn site(&self) -> Site {
                self.site
            }

            fn path(&self) -> &CallPath {
                &self.path
            }
        }
    )* };
}

entries!(Read, WriteEffect, SendEffect, FailureEffect, Trust);

#[cfg(test)]
mod tests;
