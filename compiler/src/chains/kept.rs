//! Records that are known to be different because of what links to them: the creation of a record demands it, or an invariant says so, of links
//! that nobody changes.

use rustc_hash::FxHashMap;

use super::collect::Collector;
use super::{Access, Chain};
use crate::db::{Db, SourceFile};
use crate::effects::known::Fact;
use crate::effects::{self, BlockKind, Target};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::invariant_sig;
use crate::summary;
use crate::types::{CellId, ItemId, LocalId};

/// Links from a record to two that are different; without any, it is the record itself.
pub(crate) type Apart = (Vec<CellId>, Vec<CellId>);

/// What creations demand to be different, and what invariants say is, by the record that it is said of.
pub(crate) fn apart_in(db: &dyn Db, file: SourceFile) -> Vec<(ItemId, Apart)> {
    let mut found = Vec::new();
    for body in &effects::file_effects(db, file).bodies {
        let mut note = |record: ItemId, fact: &Fact, of: &Target| {
            if let Fact::Apart(one, other) = fact
                && let (Some(one), Some(other)) = (links(one, of), links(other, of))
            {
                found.push((record, (one, other)));
            }
        };
        match body.owner {
            BodyOwner::Create(record) => {
                let whole = body.layout.blocks(|kind| kind == BlockKind::Body).next();
                let demanded = body.layout.known.iter().filter(|known| known.demanded && Some(known.block) == whole);
                demanded.for_each(|known| note(record, &known.fact, &Target::SelfRecord));
            }
            BodyOwner::Invariant(invariant) => {
                let sig = invariant_sig(db, invariant).filter(|sig| !sig.eventually);
                let Some(record) = sig.and_then(|sig| sig.record) else { continue };
                body.layout.truth.0.iter().for_each(|fact| note(record, fact, &Target::Local(LocalId(0))));
            }
            _ => {}
        }
    }
    found
}

/// The links that lead from one record to another.
fn links(target: &Target, from: &Target) -> Option<Vec<CellId>> {
    match target {
        target if target == from => Some(Vec::new()),
        Target::Path(path) => {
            let mut links = links(&path.0, from)?;
            links.push(path.1);
            Some(links)
        }
        _ => None,
    }
}

/// By record, what is different as long as it is there.
#[salsa::tracked(returns(ref))]
fn kept_apart(db: &dyn Db) -> FxHashMap<ItemId, Vec<Apart>> {
    let stays = |links: &[CellId]| links.iter().all(|cell| !facts::is_changed(db, *cell));
    let mut kept: FxHashMap<ItemId, Vec<Apart>> = FxHashMap::default();
    for (record, apart) in summary::apart(db).flatten().filter(|(_, apart)| stays(&apart.0) && stays(&apart.1)) {
        kept.entry(*record).or_default().push(apart.clone());
    }
    kept
}

impl Collector<'_> {
    /// Notes which of the records that the chain names are different because of the links that lead to them.
    pub(super) fn keep_apart(&mut self) {
        let kept = kept_apart(self.db);
        if kept.is_empty() {
            return;
        }
        let named = named(&self.chain);
        let linking = named.iter().filter_map(|target| kept.get(&last_link(target)?.record));
        let mut found = Vec::new();
        for (one, other) in linking.flatten().flat_map(|(one, other)| [(one, other), (other, one)]) {
            // By the first link it is known from which type.
            for base in named.iter().filter(|_| !one.is_empty()).filter_map(|target| up(target, one)) {
                let pair = (down(base, one), down(base, other));
                let is_known = |known: &(Target, Target)| *known == pair || (&known.1, &known.0) == (&pair.0, &pair.1);
                if named.contains(&pair.1) && !self.chain.apart.iter().chain(&found).any(is_known) {
                    found.push(pair);
                }
            }
        }
        self.chain.apart.extend(found);
    }
}

/// The records that a chain names, with those that lead to them.
fn named(chain: &Chain) -> Vec<Target> {
    let mut named: Vec<Target> = Vec::new();
    let own = chain.pieces.iter().flat_map(|piece| piece.accesses.iter().map(|access: &Access| &access.target).chain([&piece.on]));
    for target in own {
        let mut at = Some(target);
        while let Some(target) = at.filter(|target| !named.contains(target)) {
            named.push(target.clone());
            at = match target {
                Target::Path(path) => Some(&path.0),
                _ => None,
            };
        }
    }
    named
}

fn last_link(target: &Target) -> Option<CellId> {
    match target {
        Target::Path(path) => Some(path.1),
        _ => None,
    }
}

/// From where links lead to a record.
fn up<'t>(target: &'t Target, links: &[CellId]) -> Option<&'t Target> {
    match (links, target) {
        ([], _) => Some(target),
        ([rest @ .., last], Target::Path(path)) if path.1 == *last => up(&path.0, rest),
        _ => None,
    }
}

/// Where links lead from a record.
fn down(base: &Target, links: &[CellId]) -> Target {
    links.iter().fold(base.clone(), |at, cell| Target::Path((at, *cell).into()))
}
