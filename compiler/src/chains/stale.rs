//! Reads that the store does not validate when a handler commits, and what can go wrong by them.
//!
//! A handler that reads what another store keeps is two pieces in truth: it looks there first, and commits here later. So it is a chain, cut
//! where it reads, and the question is the one about chains: whether others can come in between so that no order of whole events explains
//! what is left. That covers the ways back into the handler that are dangerous (another such read, a value read after it, a write of what the
//! others read or wrote) and none that is not, such as a guard on a cell that nothing writes.

use std::sync::Arc;

use super::collect::is_named;
use super::neighbourhood::Neighbourhood;
use super::neighbours::neighbours_of_readers;
use super::search::{Verdict, verdict};
use super::told::{Cycle, record_of};
use super::{Access, Chain, Condition, Piece, Rejection, Way, chains};
use crate::db::{Db, SourceFile};
use crate::deployment::{self, Deployed, deployments};
use crate::effects::known::Fact;
use crate::effects::{self, EffectSpace, Entry};
use crate::signature::{Home, record_sig};
use crate::types::ItemId;

/// A handler that decides by a value which may have changed by the time it commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// By position in [`chains`].
    pub chain: u32,
    /// The position of the deployment in `patternc.yaml`.
    pub deployment: u32,
    /// The read, and a write that it decides about.
    pub read: Access,
    pub write: Access,
    pub cycle: Cycle,
}

/// Whether a piece writes, and may read elsewhere than where it runs.
pub(super) fn looks_away(piece: &Piece) -> bool {
    let away = |access: &Access| access.reads() && !is_one(access.space, piece.space);
    piece.accesses.iter().any(away) && piece.accesses.iter().any(|access| !access.reads())
}

/// Whether two spaces, as seen from one body, are surely the same.
fn is_one(one: EffectSpace, other: EffectSpace) -> bool {
    one == other && one != EffectSpace::Any
}

/// The handlers of a file that a stale read can mislead, under each deployment. Without any deployment one store keeps all spaces and
/// validates every read: there are none.
#[salsa::tracked(returns(ref))]
pub fn stale_guards(db: &dyn Db, file: SourceFile) -> Vec<Stale> {
    let own: Vec<(usize, &Chain)> = chains(db, file).iter().enumerate().filter(|(_, chain)| chain.pieces.iter().any(looks_away)).collect();
    if own.is_empty() || deployments(db).next().is_none() {
        return Vec::new();
    }
    let near: Vec<&Chain> = neighbours_of_readers(db, file).iter().map(|(file, index)| &chains(db, *file)[*index as usize]).collect();
    let mut found = Vec::new();
    for (index, chain) in own.into_iter().filter(|(_, chain)| !chain.incomplete) {
        for deployed in deployments(db) {
            let mut cuts: Vec<Chain> = Vec::new();
            for cut in chain.pieces.iter().filter_map(|piece| cut(db, deployed, chain, piece)) {
                // What leads to a transaction makes no difference to it.
                if !cuts.contains(&cut) {
                    cuts.push(cut);
                }
            }
            found.extend(cuts.iter().filter_map(|cut| {
                let mut all = near.clone();
                all.push(cut);
                let position = all.len() - 1;
                let Verdict::Broken(cycle) = verdict(db, &Neighbourhood::new(db, all), position)? else { return None };
                let site = cycle.steps.iter().find(|step| step.event == 0 && step.write.is_none()).map(|step| step.site);
                let reads = &cut.pieces[0].accesses;
                let read = reads.iter().find(|read| Some(read.site) == site).or(reads.first())?.clone();
                let write = cut.pieces[1].accesses.iter().find(|access| !access.reads())?.clone();
                Some(Stale { chain: index as u32, deployment: deployed.index, read, write, cycle: *cycle })
            }));
        }
    }
    found
}

/// A piece as a chain of two: what it reads of other stores, then everything else.
fn cut(db: &dyn Db, deployed: Deployed<'_>, chain: &Chain, piece: &Piece) -> Option<Chain> {
    if !looks_away(piece) {
        return None;
    }
    let reader = Reader { db, deployed, chain, piece };
    // What is written there as well is validated there, or the write is refused.
    let written = |access: &Access| piece.accesses.iter().any(|write| !write.reads() && reader.is_together(write, access));
    let unvalidated = |access: &Access| access.reads() && !written(access) && reader.is_elsewhere(access);
    let (away, here): (Vec<Access>, Vec<Access>) = piece.accesses.iter().cloned().partition(unvalidated);
    if away.is_empty() || here.iter().all(Access::reads) {
        return None;
    }
    let about = |fact: &Fact| match fact {
        Fact::Holds { target, cell, .. } | Fact::Has { target, cell, .. } => {
            away.iter().any(|read| read.cell == Some(*cell) && read.target == *target)
        }
        Fact::There { record, key, .. } => away.iter().any(|read| read.looks_under(*record, key)),
        Fact::Apart(..) => false,
    };
    // What every write rests on was so when it was read, not when it commits.
    let mut writes = here.iter().filter(|access| !access.reads());
    let mut facts: Vec<Fact> =
        writes.next().map(|write| write.facts.iter().filter(|fact| about(fact)).cloned().collect()).unwrap_or_default();
    writes.for_each(|write| facts.retain(|fact| write.facts.contains(fact)));
    let without = |access: Access| {
        let facts: Arc<[Fact]> = access.facts.iter().filter(|fact| !about(fact)).cloned().collect();
        Access { facts, ..access }
    };
    let (way, on, space) = (Way::Start, piece.on.clone(), piece.space);
    let condition =
        Condition { to: 1..2, facts: facts.into(), always: false, told: false, with: Vec::new(), without: Vec::new(), by: None };
    let looking = Piece {
        body: piece.body,
        turn: 0,
        refused: false,
        rejection: Rejection::Never,
        alone: false,
        way: way.clone(),
        given: None,
        parent: None,
        on: on.clone(),
        space,
        outcomes: Vec::new(),
        accesses: away.clone(),
        blind: piece.blind,
        again: false,
        makes: Vec::new(),
        rejects: None,
        conditions: vec![condition],
    };
    let accesses = here.into_iter().map(without).collect();
    let committing =
        Piece { way, on, accesses, parent: Some(0), turn: 1, rejection: piece.rejection, conditions: Vec::new(), ..looking.clone() };
    let mut apart = chain.apart.clone();
    // The record that runs it is in its own space: where that is what is read, it is validated.
    let read = &looking.accesses[0].target;
    if is_named(read) && is_named(&piece.on) && looking.accesses.iter().all(|access| access.target == *read) {
        apart.push((read.clone(), piece.on.clone()));
    }
    Some(Chain { pieces: vec![looking, committing], apart, ..chain.clone() })
}

/// A piece that reads, under a deployment.
struct Reader<'a> {
    db: &'a dyn Db,
    deployed: Deployed<'a>,
    chain: &'a Chain,
    piece: &'a Piece,
}

impl Reader<'_> {
    /// Where an access falls, as the record sees it that runs the piece: which space that is may not be known where the chain starts.
    fn seen_within(&self, access: &Access) -> EffectSpace {
        if self.piece.space == EffectSpace::Here {
            return access.space;
        }
        let own = effects::effects(self.db, self.piece.body);
        let here = |entry: &dyn Entry, cell| cell == access.cell && entry.site() == access.site;
        let pieces = own.pieces();
        let reads = pieces.iter().flat_map(|piece| &piece.reads).filter(|read| access.reads() && here(*read, read.cell));
        let writes = pieces.iter().flat_map(|piece| &piece.writes).filter(|write| !access.reads() && here(*write, write.cell));
        let mut spaces = reads.map(|read| read.space).chain(writes.map(|write| write.space));
        // What none of its texts says is looked at for what it writes: there.
        let unsaid = if access.space == self.piece.space { EffectSpace::Here } else { EffectSpace::Any };
        let first = spaces.next().unwrap_or(unsaid);
        if spaces.all(|space| space == first) { first } else { EffectSpace::Any }
    }

    /// Whether two accesses surely fall in one space.
    fn is_together(&self, one: &Access, other: &Access) -> bool {
        is_one(one.space, other.space) || is_one(self.seen_within(one), self.seen_within(other))
    }

    /// Whether what is read may be in another store than the record that reads.
    fn is_elsewhere(&self, access: &Access) -> bool {
        if is_one(access.space, self.piece.space) || self.seen_within(access) == EffectSpace::Here {
            return false;
        }
        let keeper = |space: ItemId| self.deployed.keeper(space);
        let mut stores = match (self.space(self.piece.space, record_of(self.piece.body)), self.space(access.space, Some(access.record))) {
            (Some(here), Some(there)) => vec![keeper(here), keeper(there)],
            // It may be in any space.
            _ => deployment::spaces(self.db).into_iter().map(keeper).collect(),
        };
        // Two spaces of a family can be in different stores of those that keep it.
        let spread = stores.iter().flatten().any(|store| store.spread);
        stores.dedup_by_key(|store| store.map(|store| store.name));
        spread || stores.len() > 1
    }

    /// Which space of the project one is, or is of the family of, as it is seen where the chain starts and by what is in it.
    fn space(&self, space: EffectSpace, record: Option<ItemId>) -> Option<ItemId> {
        let of = |record: Option<ItemId>| match record_sig(self.db, record?)?.home {
            Home::Plain(space) | Home::Family(space) => Some(space),
            Home::Floating => None,
        };
        match space {
            EffectSpace::Plain(space) => Some(space),
            EffectSpace::Here => of(record_of(self.chain.root)),
            EffectSpace::Of(_) | EffectSpace::Any => of(record),
        }
    }
}
