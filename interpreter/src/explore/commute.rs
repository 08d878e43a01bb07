//! Which steps can change places: neither reads or changes what the other changes, so that both orders come to the same point.
//!
//! A search need not take both orders then. Who has gone on from a point by some steps lets them sleep in what the others lead to, until a
//! step comes that does not commute with them (sleep sets: Godefroid 1996). Every point is found all the same, and by a way as short as
//! before, since the orders left out have the same length.

use std::sync::Arc;

use patternc_program::{CellIndex, Program, RecordId};

use super::canonical::{Canonical, Hash, Renaming};
use crate::engine::Trace;
use crate::store::{CommitRequest, OutboxChange, ReadKey, Stores, Write};
use crate::value::{RecordRef, Value};

/// A step that need not be taken for now.
#[derive(Clone)]
pub(super) struct Sleeper {
    /// The same wherever the step is: of which event it is, and all that it has to go on.
    pub what: u64,
    pub footprint: Arc<Footprint>,
}

/// What a step reads and changes.
#[derive(Debug)]
pub(super) struct Footprint {
    touches: Vec<Touch>,
    /// Record types of which it asks who is there, or who has a value.
    asks: Vec<RecordId>,
    /// Record types of which it changes who is there, or who has a value that others ask for.
    members: Vec<RecordId>,
    /// Senders with receivers to which it sends: their order is kept.
    pairs: Vec<u128>,
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    /// The hash of the record.
    record: u64,
    of: RecordId,
    cell: CellIndex,
    how: How,
}

/// What is done to a cell; elements and keys by their hashes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Look,
    LookAt(u128),
    Set,
    Add,
    Insert(u128),
    Remove(u128),
    Entry(u128),
    /// Whether the record is there.
    LookForRecord,
    /// It is created or deleted.
    Record,
}

impl How {
    fn changes(self) -> bool {
        !matches!(self, How::Look | How::LookAt(_) | How::LookForRecord)
    }

    /// Whether both orders come to the same, of one cell.
    fn commutes(self, other: How) -> bool {
        match (self, other) {
            (How::Look | How::LookAt(_) | How::LookForRecord, How::Look | How::LookAt(_) | How::LookForRecord)
            | (How::Add, How::Add)
            | (How::Insert(_), How::Insert(_))
            | (How::Remove(_), How::Remove(_)) => true,
            (How::LookAt(a), How::Insert(b) | How::Remove(b) | How::Entry(b))
            | (How::Insert(a) | How::Remove(a) | How::Entry(a), How::LookAt(b))
            | (How::Insert(a), How::Remove(b))
            | (How::Remove(a), How::Insert(b))
            | (How::Entry(a), How::Entry(b)) => a != b,
            _ => false,
        }
    }
}

impl Touch {
    fn clashes(&self, other: &Touch) -> bool {
        if self.record != other.record {
            return false;
        }
        match (self.how, other.how) {
            // A cell can be changed, or seen, only while its record is there.
            (How::Record, _) | (_, How::Record) => true,
            (How::LookForRecord, _) | (_, How::LookForRecord) => false,
            (one, other_how) => self.cell == other.cell && !one.commutes(other_how),
        }
    }
}

/// So far from the ends of what an Int can be, additions never overflow in any order.
const FAR: u64 = 1 << 62;

impl Footprint {
    /// Of what steps have done; `None` if that is not all that their effects follow from. `stores`: as they are after it.
    pub fn new(program: &Program, stores: &Stores, trace: &Trace) -> Option<Self> {
        // What a mirror tells the outside depends on what it has told before, and on what is on its way.
        if trace.commits.len() != trace.steps || !program.mirrors.is_empty() {
            return None;
        }
        let mut footprint = Footprint { touches: Vec::new(), asks: Vec::new(), members: Vec::new(), pairs: Vec::new() };
        for commit in &trace.commits {
            footprint.add(program, stores, commit);
        }
        Some(footprint)
    }

    /// Whether the order of the two steps can make a difference.
    pub fn clashes(&self, other: &Footprint) -> bool {
        let asks = |asker: &Footprint, by: &Footprint| {
            asker.asks.iter().any(|of| by.members.contains(of) || by.touches.iter().any(|touch| touch.of == *of && touch.how.changes()))
        };
        self.touches.iter().any(|touch| other.touches.iter().any(|by| touch.clashes(by)))
            // Who is there is listed in the order of creation.
            || self.members.iter().any(|of| other.members.contains(of))
            || self.pairs.iter().any(|pair| other.pairs.contains(pair))
            || asks(self, other)
            || asks(other, self)
    }

    fn add(&mut self, program: &Program, stores: &Stores, commit: &CommitRequest) {
        for read in &commit.reads {
            match &read.key {
                ReadKey::Exists(record) => self.touch(record, CellIndex(0), How::LookForRecord),
                ReadKey::Cell(record, cell) => self.touch(record, *cell, How::Look),
                ReadKey::Element(record, cell, key) => self.touch(record, *cell, How::LookAt(hash(key))),
                ReadKey::Unique(of, ..) | ReadKey::Query { record: of, .. } => self.asks.push(*of),
            }
        }
        for write in &commit.writes {
            self.write(program, stores, write);
        }
        let canonical = Canonical { renaming: &Renaming::default(), loose: None };
        for change in &commit.outbox {
            if let OutboxChange::Add(outgoing) = change {
                let mut pair = Hash::new();
                pair.word(outgoing.from.hash_code());
                let receiver = canonical.action(&mut Hash::new(), &outgoing.event.action);
                pair.wide(receiver);
                self.pairs.push(pair.finish());
            }
        }
    }

    fn write(&mut self, program: &Program, stores: &Stores, write: &Write) {
        let (record, cell, how) = match write {
            Write::Create { record, .. } | Write::Delete { record } => {
                self.members.push(record.record());
                (record, CellIndex(0), How::Record)
            }
            Write::Set { record, cell, .. } | Write::Append { record, cell, .. } | Write::RemoveFirst { record, cell, .. } => {
                (record, *cell, How::Set)
            }
            Write::AddInt { record, cell, by } => {
                let state = stores.of(record.space()).in_memory();
                let near = match state.and_then(|state| state.cell(record, *cell)) {
                    Some(Value::Int(sum)) => sum.unsigned_abs() > FAR || by.unsigned_abs() > FAR / (1 << 20),
                    _ => true,
                };
                (record, *cell, if near { How::Set } else { How::Add })
            }
            Write::Insert { record, cell, value } => (record, *cell, How::Insert(hash(value))),
            Write::Remove { record, cell, value } => (record, *cell, How::Remove(hash(value))),
            Write::SetEntry { record, cell, key, .. } | Write::RemoveEntry { record, cell, key } => (record, *cell, How::Entry(hash(key))),
        };
        if how != How::Record {
            let declared = &program.record(record.record()).cells[cell.index()];
            if declared.unique || declared.index {
                self.members.push(record.record());
            }
        }
        self.touch(record, cell, how);
    }

    fn touch(&mut self, record: &RecordRef, cell: CellIndex, how: How) {
        self.touches.push(Touch { record: record.hash_code(), of: record.record(), cell, how });
    }
}

fn hash(value: &Value) -> u128 {
    let mut hash = Hash::new();
    Canonical { renaming: &Renaming::default(), loose: None }.value(&mut hash, value);
    hash.finish()
}
