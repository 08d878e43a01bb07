//! Cells that a chain holds like a lock: it sets them to a constant in one piece and to something else in a later one, and whoever else writes
//! them demands another value. While one event holds it, no other writes the cell, and none that demands another value commits.
//!
//! Why: say that one event has set the cell and has not written it again. The first other event to write it either demands another value, and
//! cannot; or took the lock itself before, and then the cell held that constant when the first one took it, which demanded another value.
//!
//! Nor do two hold it at once: what one does while it holds it cannot come right after what another does.
//!
//! Where a cycle leads from the piece that takes a lock right to something that cannot happen while it is held, there is no such cycle, or it is
//! one of another chain: what comes after the piece that gives the lock back comes after the whole chain as far as the lock is concerned.

use rustc_hash::FxHashMap;

use super::conflict::Conflict;
use super::neighbourhood::Place;
use super::{Access, Chain, Condition, Piece, Repeat};
use crate::effects::known::{Const, Fact};
use crate::effects::{Target, WriteKind};
use crate::types::CellId;

/// The cells that work as locks among some chains, with the constants that say that they are held.
#[derive(Default)]
pub(super) struct Locks(FxHashMap<CellId, Vec<Const>>);

impl Locks {
    pub(super) fn of(chains: &[&Chain]) -> Self {
        // Of what is not understood nothing is known.
        if chains.iter().any(|chain| chain.incomplete) {
            return Locks::default();
        }
        let mut held: FxHashMap<CellId, Vec<Const>> = FxHashMap::default();
        for chain in chains.iter().filter(|chain| chain.pieces.len() > 1) {
            for (later, piece) in chain.pieces.iter().enumerate() {
                for write in writes(piece) {
                    let Some(cell) = write.cell else { continue };
                    let before = piece.parent.and_then(|before| left_in(chain, before, Some(later), cell, &write.target));
                    if let Some(value) = before {
                        let values = held.entry(cell).or_default();
                        if !values.contains(value) {
                            values.push(value.clone());
                        }
                    }
                }
            }
        }
        held.retain(|cell, values| chains.iter().all(|chain| keeps(chain, *cell, values)));
        Locks(held)
    }

    /// Whether an access of another event cannot come after a piece unless this one's event has given back a lock, if what is needed for the
    /// two to get in each other's way is so. `to` is a piece that this one's event goes on to.
    pub(super) fn keep_out(
        &self,
        (chain, after, to): (&Chain, usize, Option<usize>),
        (other, at): (&Chain, Place),
        needs: &Conflict<'_>,
    ) -> bool {
        let Some((own, target)) = needs.records else { return false };
        let access = &other.pieces[at.piece].accesses[at.access];
        self.0.iter().filter(|(cell, _)| cell.record == access.record).any(|(cell, values)| {
            let Some(held) = left_in(chain, after, to, *cell, own).filter(|held| values.contains(held)) else { return false };
            let demands = |fact: &Fact| match fact {
                Fact::Holds { target: of, cell: that, value, is } => of == target && that == cell && !held.allows(value, *is),
                _ => false,
            };
            let before = other.pieces[at.piece].parent;
            let holds = || {
                before.and_then(|before| left_in(other, before, Some(at.piece), *cell, target)).is_some_and(|held| values.contains(held))
            };
            access.facts.iter().any(demands) || holds()
        })
    }
}

fn writes(piece: &Piece) -> impl Iterator<Item = &Access> {
    piece.accesses.iter().filter(|access| !access.reads() && access.target != Target::Fresh)
}

/// The constant that a chain has surely left in a cell of a record when a piece has committed, and what that sends goes on to another one.
fn left_in<'a>(chain: &'a Chain, piece: usize, to: Option<usize>, cell: CellId, target: &Target) -> Option<&'a Const> {
    // A path can lead elsewhere in the next piece.
    if !matches!(target, Target::SelfRecord | Target::Local(_)) {
        return None;
    }
    let (mut at, mut to) = (Some(piece), to);
    while let Some(before) = at {
        let this = &chain.pieces[before];
        let condition = to.and_then(|to| this.conditions.iter().find(|condition| condition.to.contains(&to)));
        match written(this, condition, cell, target) {
            Some(value) => return value,
            None => (at, to) = (this.parent, Some(before)),
        }
    }
    None
}

/// The constant that a piece surely leaves in a cell of a record, if it writes the cell of any.
fn written<'a>(piece: &'a Piece, condition: Option<&Condition>, cell: CellId, target: &Target) -> Option<Option<&'a Const>> {
    let excluded = |access: &Access| {
        condition.is_some_and(|condition| condition.without.iter().any(|position| std::ptr::eq(&piece.accesses[*position], access)))
    };
    let mut own = writes(piece).filter(|write| write.cell == Some(cell) && !excluded(write));
    let first = own.next()?;
    let value = first.value.as_ref();
    let alike =
        |write: &Access| write.write == Some(WriteKind::Set) && write.always && write.target == *target && write.value.as_ref() == value;
    Some(value.filter(|_| alike(first) && own.all(alike)))
}

/// Whether every write of a cell by a chain either demands that nobody holds it, or comes while the chain itself does.
fn keeps(chain: &Chain, cell: CellId, held: &[Const]) -> bool {
    let mut while_held: Vec<usize> = Vec::new();
    for (index, piece) in chain.pieces.iter().enumerate() {
        for write in writes(piece).filter(|write| write.cell == Some(cell)) {
            let demands = |fact: &Fact| match fact {
                Fact::Holds { target, cell: of, value, is } => {
                    *of == cell && *target == write.target && held.iter().all(|held| !held.allows(value, *is))
                }
                _ => false,
            };
            if write.facts.iter().any(demands) {
                continue;
            }
            let before = piece.parent.and_then(|before| left_in(chain, before, Some(index), cell, &write.target));
            // The next round is like this one only on the same record.
            if before.is_none_or(|value| !held.contains(value)) || (!chain.repeats.is_empty() && !is_own(piece, write)) {
                return false;
            }
            while_held.push(index);
        }
    }
    while_held.dedup();
    // Of two that go on from one piece only one gives back what is held.
    let in_line = while_held.iter().enumerate().all(|(position, &one)| {
        while_held[..position]
            .iter()
            .all(|&other| !chain.can_both_happen(one, other) || chain.comes_before(one, other) || chain.comes_before(other, one))
    });
    in_line && (while_held.is_empty() || chain.repeats.iter().all(|repeat| is_held_for(chain, repeat, cell, held)))
}

/// Whether a piece writes the record that it runs on, which is the one that the chain starts on.
fn is_own(piece: &Piece, write: &Access) -> bool {
    piece.on == Target::SelfRecord && write.target == Target::SelfRecord
}

/// Whether a chain still holds a cell when it goes into another round.
fn is_held_for(chain: &Chain, repeat: &Repeat, cell: CellId, held: &[Const]) -> bool {
    let piece = &chain.pieces[repeat.piece];
    let condition = repeat.condition.map(|condition| &piece.conditions[condition]);
    let left = match written(piece, condition, cell, &repeat.on) {
        Some(value) => value,
        None => piece.parent.and_then(|before| left_in(chain, before, Some(repeat.piece), cell, &repeat.on)),
    };
    repeat.on == Target::SelfRecord && left.is_some_and(|value| held.contains(value))
}
