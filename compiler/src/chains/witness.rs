//! A finding of the analyses as a concrete run: which records there are, which events come in, and in which order their pieces commit.
//!
//! The explorer turns it into a run that shows the finding, or finds that nothing of the kind happens.

use crate::effects::Site;
use crate::effects::known::Const;
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId};

/// How chains get in each other's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// No two of them are the same record.
    pub records: Vec<Record>,
    /// The events from outside; each starts a chain.
    pub events: Vec<Event>,
    /// The transactions in the order in which they commit. Those that are not named come before or after, as their chains allow.
    pub order: Vec<Turn>,
    /// Lists of which somebody looks what comes first.
    pub ordered: Vec<CellId>,
    /// Cells that are touched on the way: what they must hold for it may not be known, or only in part.
    pub open: Vec<Open>,
    /// Record types of which it is asked which records there are, or whether there is one under a key.
    pub asked: Vec<ItemId>,
    /// The literals of the accesses on the way, as they are written: what cells and keys are likely to be compared with.
    pub constants: Vec<Box<str>>,
}

/// A cell that may have to hold something in particular when the run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// By position in [`Witness::records`].
    pub record: usize,
    pub cell: CellId,
    /// The entry of a Map, or the element, that is looked at.
    pub element: Option<Given>,
}

/// A record that the events work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub of: ItemId,
    /// What the message calls it: `a`, `b`.
    pub name: Box<str>,
    /// The text of its key, where the chains name it by one.
    pub key: Option<Box<str>>,
    /// Cells that hold links when the run starts: the cell, and the position of the other record in [`Witness::records`].
    pub links: Vec<(CellId, usize)>,
    /// What else its cells hold, or do not hold, when the run starts.
    pub holds: Vec<Held>,
}

/// What the run needs of a cell when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub cell: CellId,
    pub what: What,
    /// Whether it is so, or must not be.
    pub is: bool,
    /// The run cannot be without it; otherwise more happens with it than without.
    pub needed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The cell holds this.
    Value(Const),
    /// This is in the Set.
    Element(Given),
}

/// An event from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The handler or saga; the creation of a record ([`BodyOwner::Create`]); or a derived cell that is read ([`BodyOwner::Derived`]).
    pub starts: BodyOwner,
    /// Its record, by position in [`Witness::records`].
    pub on: usize,
    /// By parameter.
    pub args: Vec<Given>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// By position in [`Witness::records`].
    Record(usize),
    /// This literal.
    Literal(Box<str>),
    /// Any value of the type of the parameter: the same for the same number, another one for another.
    Value(usize),
}

/// One transaction of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// By position in [`Witness::events`].
    pub event: usize,
    /// The body whose text the transaction runs.
    pub body: BodyOwner,
    /// For what an event sent: where it was sent. For an arm: the send that was answered.
    pub sent: Option<Site>,
    /// `ok` or `err`, if it is an arm.
    pub arm: Option<bool>,
    /// It is rejected, by what it reads.
    pub refused: bool,
    /// Its record, by position in [`Witness::records`], where it is one of them.
    pub on: Option<usize>,
}
