//! A chain with those near it, and the ways by which a cycle can lead from one to another.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::conflict::{Conflict, conflict};
use super::locks::Locks;
use super::{Access, Chain, Condition, Piece};
use crate::db::Db;
use crate::effects::{self, Grain, WriteKind};
use crate::facts;
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId};

/// An access by chain, piece and position, of a neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub chain: usize,
    pub piece: usize,
    pub access: usize,
}

/// Chains, and how their accesses get in each other's way.
pub(super) struct Neighbourhood<'a> {
    pub chains: Vec<&'a Chain>,
    pub ports: Vec<Port<'a>>,
    /// The ports of each chain.
    pub of_chain: Vec<Range<usize>>,
    /// To which chains ways lead from each.
    pub next_to: Vec<Vec<usize>>,
    /// Lists of which somebody looks what comes first.
    pub ordered: FxHashSet<CellId>,
    locks: Locks,
}

/// Accesses of one piece that happen under the same conditions: it makes no difference by which of them a cycle enters or leaves the piece.
pub(super) struct Port<'a> {
    pub chain: usize,
    pub piece: usize,
    /// One of them, by position in the piece.
    access: usize,
    /// They happen whenever the piece does.
    plain: bool,
    pub ways: Vec<Passage<'a>>,
}

/// A way from a port to another of a different event, which does something right after it that cannot change places with it.
pub(super) struct Passage<'a> {
    /// By position in [`Neighbourhood::ports`].
    pub to: usize,
    /// What must be the same for it.
    pub needs: Conflict<'a>,
    /// The pairs of accesses that cannot change places.
    pub by: Vec<(Place, Place)>,
}

impl<'a> Neighbourhood<'a> {
    pub(super) fn new(db: &dyn Db, chains: Vec<&'a Chain>) -> Self {
        let mut ports: Vec<Port<'a>> = Vec::new();
        let mut of_chain = Vec::new();
        // Every access that counts, with its port.
        let mut accesses: Vec<(Place, usize)> = Vec::new();
        for (chain, of) in chains.iter().enumerate() {
            let first = ports.len();
            for (index, piece) in of.pieces.iter().enumerate() {
                let own = ports.len();
                for (position, access) in piece.accesses.iter().enumerate() {
                    // What a piece does twice alike counts once.
                    if piece.accesses[..position].iter().any(|other| alike(other, access)) {
                        continue;
                    }
                    let port = (own..ports.len()).find(|port| is_together(piece, ports[*port].access, position)).unwrap_or_else(|| {
                        ports.push(Port { chain, piece: index, access: position, plain: is_plain(piece, position), ways: Vec::new() });
                        ports.len() - 1
                    });
                    accesses.push((Place { chain, piece: index, access: position }, port));
                }
            }
            of_chain.push(first..ports.len());
        }
        let locks = Locks::of(&chains);
        let ordered = ordered(db, &chains);
        let groups = Groups::new(&chains, &accesses);
        let access = |place: Place| &chains[place.chain].pieces[place.piece].accesses[place.access];
        for &(one, port) in &accesses {
            for &other in groups.meeting(access(one)) {
                let (other, to) = accesses[other];
                let Some(needs) = conflict(access(one), access(other), &ordered) else { continue };
                if locks.keep_out((chains[one.chain], one.piece, None), (chains[other.chain], other), &needs) {
                    continue;
                }
                let ways = &mut ports[port].ways;
                match ways.iter_mut().find(|way| way.to == to && way.needs == needs) {
                    Some(way) => way.by.push((one, other)),
                    None => ways.push(Passage { to, needs, by: vec![(one, other)] }),
                }
            }
        }
        let next_to = of_chain.iter().map(|own: &Range<usize>| {
            let mut to: Vec<usize> = ports[own.clone()].iter().flat_map(|port| &port.ways).map(|way| ports[way.to].chain).collect();
            to.sort_unstable();
            to.dedup();
            to
        });
        let next_to = next_to.collect();
        Neighbourhood { chains, ports, of_chain, next_to, ordered, locks }
    }

    pub(super) fn piece(&self, place: Place) -> &'a Piece {
        &self.chains[place.chain].pieces[place.piece]
    }

    pub(super) fn access(&self, place: Place) -> &'a Access {
        &self.piece(place).accesses[place.access]
    }

    /// Whether what happens by a port of another event cannot come after another port, since that keeps it out. `to` is a piece that the event
    /// of the first port goes on to.
    pub(super) fn keep_out(&self, after: usize, to: Option<usize>, port: usize, needs: &Conflict<'_>) -> bool {
        let (after, place) = (&self.ports[after], self.place(port));
        self.locks.keep_out((self.chains[after.chain], after.piece, to), (self.chains[place.chain], place), needs)
    }

    /// Whether a chain that was left by a port can be entered in a piece after that: the cut of a cycle.
    pub(super) fn is_cut(&self, exit: usize, entry: usize) -> bool {
        let left = &self.ports[exit];
        let chain = self.chains[left.chain];
        let excluded = |condition: &Condition| condition.to.contains(&entry) && condition.without.contains(&left.access);
        chain.is_cut_between(left.piece, entry) && !chain.pieces[left.piece].conditions.iter().any(excluded)
    }

    /// The ports, of those by which an event is entered and left, that say more than that their pieces happen.
    pub(super) fn decisive(&self, entry: usize, exit: usize) -> [Option<usize>; 2] {
        let facts = |port: usize| &self.of_port(port).facts;
        let (into, out) = (&self.ports[entry], &self.ports[exit]);
        let covered = |one: usize, other: usize| {
            self.ports[one].plain && into.piece == out.piece && facts(one).iter().all(|fact| facts(other).contains(fact))
        };
        let says = |port: usize| Some(port).filter(|_| !self.ports[port].plain || !facts(port).is_empty());
        let said = match () {
            () if covered(entry, exit) => [None, says(exit)],
            () if covered(exit, entry) => [None, says(entry)],
            () => [says(entry), says(exit)],
        };
        if into.piece == out.piece { [said[0].min(said[1]), said[0].max(said[1])] } else { said }
    }

    /// Any of the accesses of a port.
    fn place(&self, port: usize) -> Place {
        let Port { chain, piece, access, .. } = self.ports[port];
        Place { chain, piece, access }
    }

    fn of_port(&self, port: usize) -> &'a Access {
        self.access(self.place(port))
    }
}

/// The lists to which some chain appends and of which another, or an invariant, looks what comes first: two appends do not change places then.
fn ordered(db: &dyn Db, chains: &[&Chain]) -> FxHashSet<CellId> {
    let accesses = || chains.iter().flat_map(|chain| &chain.pieces).flat_map(|piece| &piece.accesses);
    let appended: FxHashSet<CellId> =
        accesses().filter(|access| access.write == Some(WriteKind::Append)).filter_map(|access| access.cell).collect();
    let looks = |grain: &Grain| matches!(grain, Grain::Whole | Grain::Query);
    let mut ordered: FxHashSet<CellId> =
        accesses().filter(|access| access.reads() && looks(&access.grain)).filter_map(|access| access.cell).collect();
    ordered.retain(|cell| appended.contains(cell));
    let by_invariant = |cell: &CellId| {
        let reads = facts::invariants_on(db, *cell).iter().flat_map(|of| &effects::effects(db, BodyOwner::Invariant(*of)).reads);
        reads.into_iter().any(|read| read.cell == Some(*cell) && looks(&read.grain))
    };
    ordered.extend(appended.into_iter().filter(by_invariant));
    ordered
}

/// The accesses that can get in each other's way, by what they touch.
#[derive(Default)]
struct Groups {
    /// With the deletions of the record.
    by_cell: FxHashMap<CellId, Vec<usize>>,
    existence: FxHashMap<ItemId, Vec<usize>>,
    by_record: FxHashMap<ItemId, Vec<usize>>,
}

impl Groups {
    fn new(chains: &[&Chain], accesses: &[(Place, usize)]) -> Self {
        let mut groups = Groups::default();
        let mut deletions: Vec<(ItemId, usize)> = Vec::new();
        for (index, &(place, _)) in accesses.iter().enumerate() {
            let access = &chains[place.chain].pieces[place.piece].accesses[place.access];
            groups.by_record.entry(access.record).or_default().push(index);
            match access.cell {
                Some(cell) => groups.by_cell.entry(cell).or_default().push(index),
                None => groups.existence.entry(access.record).or_default().push(index),
            }
            if access.write == Some(WriteKind::Delete) {
                deletions.push((access.record, index));
            }
        }
        for (record, index) in deletions {
            for (cell, group) in &mut groups.by_cell {
                if cell.record == record {
                    group.push(index);
                }
            }
        }
        groups
    }

    fn meeting(&self, access: &Access) -> &[usize] {
        let found = match access.cell {
            Some(cell) => self.by_cell.get(&cell),
            None if access.write == Some(WriteKind::Delete) => self.by_record.get(&access.record),
            None => self.existence.get(&access.record),
        };
        found.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether an access happens whenever its piece does.
fn is_plain(piece: &Piece, access: usize) -> bool {
    piece.accesses[access].always && !piece.conditions.iter().any(|condition| condition.without.contains(&access))
}

/// Whether two accesses of a piece happen under the same conditions.
fn is_together(piece: &Piece, one: usize, other: usize) -> bool {
    is_plain(piece, one) && is_plain(piece, other) && piece.accesses[one].facts == piece.accesses[other].facts
}

fn alike(one: &Access, other: &Access) -> bool {
    let key = |access: &Access| (access.record, access.cell, access.write, access.blind, access.always);
    key(one) == key(other) && one.target == other.target && one.grain == other.grain && one.value == other.value && one.facts == other.facts
}
