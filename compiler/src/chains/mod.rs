//! Chains: a handler with everything it sends, transitively. One intended unit, chopped into transactions of one space each.
//!
//! Whether a chain is as good as one atomic transaction is asked as Shasha, Llirbat, Simon and Valduriez do for chopped transactions
//! ("Transaction Chopping: Algorithms and Performance Studies", 1995), with what Zhang et al. ("Transaction Chains", 2013) add for chains over
//! servers: operations that commute, and order per sender and receiver. Others observe or break a chain half way exactly if there is a cycle
//! through two of its pieces, along conflicts with other chains.
//!
//! | file | what it knows |
//! |---|---|
//! | `collect` | where chains start, and what each piece touches, seen from there |
//! | `existence` | which record a creation makes, and which a key looks up |
//! | `follow` | the pieces that come of what a piece sends: receivers, arms, steps of sagas and what undoes them |
//! | `kept` | which records are different because of links that never change |
//! | `lasting` | records that a chain has made and goes on with |
//! | `rounds` | the other round of a loop |
//! | `length` | how many transactions a run has |
//! | `rejection` | how a piece can be rejected, and by what it has read |
//! | `conflict` | which accesses get in each other's way, and which records must be the same for that |
//! | `bindings` | which records are the same, under those conditions |
//! | `neighbours` | the chains of the project that touch what a chain touches |
//! | `neighbourhood` | those chains, and the ways by which a cycle can lead from one to another |
//! | `locks` | cells that keep others out while a chain is on its way |
//! | `filter` | whether there may be a cycle at all: union-find, near linear |
//! | `search` | a concrete cycle of up to four events |
//! | `schedule` | whether the pieces can commit in an order that makes the cycle, and that no order of whole chains explains |
//! | `prepared` | what each piece needs, looks at and changes, once it is known which records are the same |
//! | `state` | what constants say of the cells |
//! | `replay` | what an order of pieces leaves in the cells and shows to others |
//! | `stale` | handlers cut where they read what their store does not validate |
//! | `story` | the cycle in words |
//! | `told` | the cycle as plain data: a `witness`, and the steps of the story |
//! | `ways_out` | what would end the cycles of a chain |

mod bindings;
mod collect;
mod conflict;
mod existence;
mod filter;
mod follow;
mod kept;
mod lasting;
mod length;
mod locks;
mod neighbourhood;
mod neighbours;
mod prepared;
mod rejection;
mod replay;
mod rounds;
mod schedule;
mod search;
mod stale;
mod state;
mod story;
mod told;
mod ways_out;
pub mod witness;

use std::ops::Range;
use std::sync::Arc;

use crate::effects::known::{Const, Fact};
use crate::effects::{EffectSpace, Form, Grain, Made, Site, Target, Value, WriteKind};
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId};

pub use collect::chains;
pub(crate) use collect::timed_in;
pub use follow::LONGEST_CHAIN;
pub(crate) use kept::{Apart, apart_in};
pub use search::{Verdict, verdicts};
pub use stale::{Stale, stale_guards};
pub use story::{Line, Story};
pub use told::{Cycle, Step};
pub use ways_out::WayOut;

/// A handler callable from outside (or a saga, a creation, something a timer starts, a derived cell over several records) with everything it
/// sends. Targets, values and spaces in it are seen from the body that starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub root: BodyOwner,
    /// Each after the one that leads to it; the first starts the chain.
    pub pieces: Vec<Piece>,
    /// Records that are known to be different.
    pub apart: Vec<(Target, Target)>,
    /// There is but one record of the type it starts on.
    pub single: bool,
    /// Where it sends what it is itself part of: the next round is like the one that is listed.
    pub repeats: Vec<Repeat>,
    /// On its way it waits for an answer of the outside, or for another round of itself.
    pub waits: bool,
    /// The event that starts it comes out as what it sends does.
    pub defers: bool,
    /// When whoever sent the event that starts it is told something.
    pub answers: Answers,
    /// Part of it could not be understood, or it was too long to follow: nothing is said of it.
    pub incomplete: bool,
}

/// One transaction of a chain, with how it ends: what can be rejected is two pieces, one that commits and one that only reads. What comes of
/// a rejection (an `err` arm, what undoes a saga) comes after the latter, and so rests on what that has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The body whose text it runs.
    pub body: BodyOwner,
    /// The transaction, by number: pieces of one turn are the ways in which it can end.
    pub turn: u32,
    /// It is rejected, and only reads.
    pub refused: bool,
    /// What decides whether it is rejected instead.
    pub rejection: Rejection,
    /// What is read decides it, whatever the event was given.
    pub alone: bool,
    /// What led to it.
    pub way: Way,
    /// Of an event: all that it was sent with, where that depends on the event that starts the chain alone.
    pub given: Option<Arc<[Value]>>,
    /// The piece that commits before it and leads to it.
    pub parent: Option<usize>,
    pub on: Target,
    pub space: EffectSpace,
    /// How sends came out for it to happen: no run has two pieces that disagree.
    pub outcomes: Vec<(u32, bool)>,
    pub accesses: Vec<Access>,
    /// Its parameters depend on the event that starts the chain alone, not on what was read.
    pub blind: bool,
    /// It is of another round of what is in the chain already.
    pub again: bool,
    /// The records that it makes, as later pieces name them: nobody has them before.
    pub makes: Vec<Target>,
    /// The first uncaught `require`, `fail` or missing key.
    pub rejects: Option<Site>,
    /// What its sends that lead to other pieces say of it.
    pub conditions: Vec<Condition>,
}

/// When the event that starts a chain is answered with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It has none.
    Never,
    /// When its own transaction has committed.
    First,
    /// When what it sends has come out.
    Last,
}

/// What decides whether a transaction is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It never is.
    Never,
    /// It is where the facts of what it always does are not so, and only there.
    Told,
    /// Also something else.
    Open,
}

/// What led to a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It starts the chain.
    Start,
    /// An event. `from` is the record that sent it, `ordered` says that it arrives after what that sent before, `answer` that its outcome is
    /// that of the sender's event.
    Sent { at: Site, from: Target, ordered: bool, answer: bool },
    /// An arm of the send there.
    Arm { of: Site, ok: bool, answer: bool },
    /// What undoes a step of a saga.
    Undo { at: Site },
}

impl Way {
    /// The send that it comes of, and which arm of that it is.
    fn site(&self) -> Option<(Site, Option<bool>)> {
        match self {
            Way::Start => None,
            Way::Sent { at, .. } | Way::Undo { at } => Some((*at, None)),
            Way::Arm { of, ok, .. } => Some((*of, Some(*ok))),
        }
    }
}

/// A send to a body that is being followed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The piece that sends.
    pub piece: usize,
    /// What is so then, by position in [`Piece::conditions`].
    pub condition: Option<usize>,
    pub on: Target,
}

/// A cell, or the existence of a record, touched by a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub record: ItemId,
    /// `None`: whether there is a record, or which there are.
    pub cell: Option<CellId>,
    pub target: Target,
    pub space: EffectSpace,
    pub grain: Grain,
    /// `None`: it reads.
    pub write: Option<WriteKind>,
    /// The constant that is written.
    pub value: Option<Const>,
    /// The constant is all that is written: it has no fields.
    pub fixed: bool,
    /// What is written depends on the event alone, not on what was read.
    pub blind: bool,
    /// What is written is made of this, and of what was read.
    pub made: Option<Made>,
    pub site: Site,
    /// No branch, loop or `try` decides over it.
    pub always: bool,
    /// What is so when its transaction starts, if it happens.
    pub facts: Arc<[Fact]>,
    /// It happens whenever that is so.
    pub told: bool,
    /// What it decides about, if it reads, beyond what facts say.
    pub decides: Decides,
    /// The reads by which it is decided whether it happens, if it writes and has a choice. `None`: it may be all of them.
    pub by: Option<Arc<[Site]>>,
}

/// What a read decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    Nothing,
    /// Over what is not always done.
    Parts,
    /// Whether the transaction is rejected.
    All,
}

/// What is so of a piece in the runs in which it sends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The pieces that come of what it sends; none if it is a [`Repeat`].
    pub to: Range<usize>,
    /// What is so when its transaction starts, if it does.
    pub facts: Arc<[Fact]>,
    /// The transaction cannot commit without going on so.
    pub always: bool,
    /// It does whenever the facts are so.
    pub told: bool,
    /// Accesses, by position, that surely happen as well.
    pub with: Vec<usize>,
    /// Accesses, by position, that do not happen then.
    pub without: Vec<usize>,
    /// The reads by which it is decided whether it is sent. `None`: it may be all of them.
    pub by: Option<Arc<[Site]>>,
}

impl Access {
    /// Whether it only looks.
    pub fn reads(&self) -> bool {
        self.write.is_none()
    }

    /// What is known of its element or key, if that is a text.
    pub fn form(&self) -> Form {
        match &self.grain {
            Grain::Like(form) => *form,
            Grain::Element(Some(value)) => Form::of_value(value),
            _ => Form::default(),
        }
    }

    /// Whether it looks if there is a record of this type under this key.
    pub fn looks_under(&self, record: ItemId, key: &Value) -> bool {
        let under = matches!(&self.grain, Grain::Element(Some(of)) if of == key);
        under && self.reads() && self.cell.is_none() && self.record == record
    }
}

impl Chain {
    /// Whether `one` surely commits before `other`, or is it.
    pub fn comes_before(&self, one: usize, other: usize) -> bool {
        let mut at = Some(other);
        while let Some(piece) = at {
            if piece == one {
                return true;
            }
            at = self.pieces[piece].parent;
        }
        false
    }

    /// Whether one run can have both pieces.
    pub fn can_both_happen(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.pieces[one].outcomes, &self.pieces[other].outcomes);
        !one.iter().any(|(send, ok)| other.iter().any(|(same, other)| same == send && other != ok))
    }

    /// Whether others can come after one piece and before another: that does not surely come first, and one run can have both. What is so of a piece
    /// is not said once more of that of the other round.
    pub fn is_cut_between(&self, one: usize, other: usize) -> bool {
        let can = |other: usize| !self.comes_before(other, one) && self.can_both_happen(other, one);
        match (self.pieces[one].again, self.pieces[other].again) {
            (_, false) => can(other),
            (false, true) => can(other) && !self.in_first_round(other).is_some_and(can),
            (true, true) => false,
        }
    }

    /// The piece that is in the first round what one is in the other.
    fn in_first_round(&self, piece: usize) -> Option<usize> {
        let of = &self.pieces[piece];
        let same = |one: &Access, other: &Access| (one.site, &one.target, &one.grain) == (other.site, &other.target, &other.grain);
        let alike = |other: &Piece| {
            (other.body, other.refused, other.way.site()) == (of.body, of.refused, of.way.site())
                && other.accesses.len() == of.accesses.len()
                && other.accesses.iter().zip(&of.accesses).all(|(one, other)| same(one, other))
        };
        self.pieces[..piece].iter().position(|other| !other.again && alike(other))
    }

    /// The transactions that commit, in some of its runs.
    pub fn committed(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| !piece.refused)
    }

    /// Whether any piece writes.
    pub fn writes(&self) -> bool {
        self.pieces.iter().any(|piece| piece.accesses.iter().any(|access| !access.reads()))
    }
}
