//! Reads that the store does not validate when a handler commits, and what can go wrong by them.
//!
//! A handler that reads what another store keeps is two pieces in truth: it looks there first, and commits here later. So it is a chain, cut
//! where it reads, and the question is the one about chains: whether others can come in between so that no order of whole events explains
//! what is left. That covers the ways back into the handler that are dangerous (another such read, a value read after it, a write of what the
//! others read or wrote) and none that is not, such as a guard on a cell that nothing writes.

use std::sync::Arc;

use super::neighbourhood::Neighbourhood;
use super::neighbours::neighbours_of_readers;
use super::search::{Verdict, verdict};
use super::told::Cycle;
use super::{Access, Chain, Condition, Piece, Rejection, Way, chains};
use crate::db::{Db, SourceFile};
use crate::deployment::{Deployed, deployments};
use crate::effects::EffectSpace;
use crate::effects::known::Fact;
use crate::hir::BodyOwner;
use crate::signature::{Home, record_sig};
use crate::types::{CellId, ItemId};

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

/// Whether a piece reads elsewhere than where it writes.
pub(super) fn looks_away(piece: &Piece) -> bool {
    let away = |access: &Access| access.reads() && access.space != EffectSpace::Here;
    piece.accesses.iter().any(away) && piece.accesses.iter().any(|access| !access.reads())
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
            let cuts = chain.pieces.iter().filter_map(|piece| cut(db, deployed, chain, piece));
            let stale = cuts.into_iter().find_map(|cut| {
                let mut all = near.clone();
                all.push(&cut);
                let position = all.len() - 1;
                let Verdict::Broken(cycle) = verdict(db, &Neighbourhood::new(db, all), position)? else { return None };
                let site = cycle.steps.iter().find(|step| step.event == 0 && step.write.is_none()).map(|step| step.site);
                let reads = &cut.pieces[0].accesses;
                let read = reads.iter().find(|read| Some(read.site) == site).or(reads.first())?.clone();
                let write = cut.pieces[1].accesses.iter().find(|access| !access.reads())?.clone();
                Some(Stale { chain: index as u32, deployment: deployed.index, read, write, cycle: *cycle })
            });
            found.extend(stale);
        }
    }
    found
}

/// A piece as a chain of two: what it reads of other stores, then everything else.
fn cut(db: &dyn Db, deployed: Deployed<'_>, chain: &Chain, piece: &Piece) -> Option<Chain> {
    if !looks_away(piece) {
        return None;
    }
    let home = home_of(db, chain.root);
    // What is written there as well is validated there, or the write is refused.
    let written = |access: &Access| piece.accesses.iter().any(|write| !write.reads() && write.space == access.space);
    let unvalidated = |access: &Access| access.reads() && !written(access) && is_elsewhere(db, deployed, home, access);
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
    let condition = Condition { to: 1..2, facts: facts.into(), always: false, with: Vec::new(), without: Vec::new(), by: None };
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
        rejects: None,
        conditions: vec![condition],
    };
    let accesses = here.into_iter().map(without).collect();
    let committing =
        Piece { way, on, accesses, parent: Some(0), turn: 1, rejection: piece.rejection, conditions: Vec::new(), ..looking.clone() };
    Some(Chain { pieces: vec![looking, committing], ..chain.clone() })
}

fn home_of(db: &dyn Db, owner: BodyOwner) -> Option<Home> {
    let record: ItemId = match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler.record,
        BodyOwner::Create(record) => record,
        BodyOwner::Derived(CellId { record, .. }) => record,
        _ => return None,
    };
    Some(record_sig(db, record)?.home)
}

/// Whether what is read may be in another store than the record that reads.
fn is_elsewhere(db: &dyn Db, deployed: Deployed<'_>, home: Option<Home>, access: &Access) -> bool {
    if access.space == EffectSpace::Here {
        return false;
    }
    let keeper = |space: ItemId| deployed.keeper(space).map(|keeper| keeper.name);
    let of = |home: Option<Home>| match home {
        Some(Home::Plain(space) | Home::Family(space)) => Some(space),
        Some(Home::Floating) | None => None,
    };
    let there = match access.space {
        EffectSpace::Plain(space) => Some(space),
        _ => of(record_sig(db, access.record).map(|sig| sig.home)),
    };
    match (of(home), there) {
        (Some(here), Some(there)) => keeper(here) != keeper(there),
        // It may be in any space.
        _ => {
            let mut stores = crate::deployment::spaces(db).into_iter().filter_map(keeper);
            let first = stores.next();
            stores.any(|store| Some(store) != first)
        }
    }
}
