//! The bodies of a file with those that they lead to, as one result.
//!
//! What depends on the whole project is looked at again after every edit, one dependency after the other. Those that ask much of bodies ask
//! it here: one dependency, which itself depends on those bodies alone.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{BodyEffects, Effects, receiver};
use crate::db::{Db, SourceFile};
use crate::hir::BodyOwner;

/// Bodies that are gathered for one file. What comes after them is still found, at the price of a dependency each.
const MOST: usize = 256;

/// What the bodies of a file, and those that they call and send to, do.
#[derive(Debug, PartialEq, Eq)]
struct Reach {
    of_file: Vec<BodyOwner>,
    own: FxHashMap<BodyOwner, BodyEffects>,
    effects: Arc<EffectsByBody>,
}

/// What bodies do with everything that they call.
pub type EffectsByBody = FxHashMap<BodyOwner, Arc<Effects>>;

/// What bodies do: of those within the reach of a file in one dependency, of all others as [`body`](super::body) and
/// [`effects`](super::effects) say it.
#[derive(Clone, Copy)]
pub struct Bodies<'db> {
    db: &'db dyn Db,
    reach: &'db Reach,
}

/// The bodies of a file, and those that they call and send to.
pub fn within_reach(db: &dyn Db, file: SourceFile) -> Bodies<'_> {
    Bodies { db, reach: reach(db, file) }
}

impl<'db> Bodies<'db> {
    /// The bodies of the file itself, sorted.
    pub fn of_file(self) -> impl Iterator<Item = BodyOwner> {
        self.reach.of_file.iter().copied()
    }

    /// What a body does itself.
    pub fn own(&self, owner: BodyOwner) -> Option<&'db BodyEffects> {
        self.reach.own.get(&owner).or_else(|| super::body(self.db, owner))
    }

    /// What a body does with everything that it calls.
    pub fn effects(&self, owner: BodyOwner) -> &'db Effects {
        match self.reach.effects.get(&owner) {
            Some(effects) => effects,
            None => super::effects(self.db, owner),
        }
    }
}

#[salsa::tracked(returns(ref))]
fn owners_within_reach(db: &dyn Db, file: SourceFile) -> Vec<BodyOwner> {
    let mut ahead: Vec<BodyOwner> = super::file_effects(db, file).bodies.iter().map(|body| body.owner).collect();
    let mut seen: FxHashSet<BodyOwner> = ahead.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(owner) = ahead.pop() {
        if found.len() == MOST {
            break;
        }
        for piece in super::body(db, owner).map(|own| own.own.pieces()).unwrap_or_default() {
            let called = piece.calls.iter().map(|call| call.callee);
            let sent = piece.sends.iter().filter_map(|send| receiver(db, send));
            ahead.extend(called.chain(sent).filter(|owner| seen.insert(*owner)));
        }
        found.push(owner);
    }
    found.sort_unstable();
    found
}

#[salsa::tracked(returns(ref))]
fn reach(db: &dyn Db, file: SourceFile) -> Reach {
    let own = owners_within_reach(db, file).iter().filter_map(|&owner| Some((owner, super::body(db, owner)?.clone())));
    let of_file = super::file_effects(db, file).bodies.iter().map(|body| body.owner).collect();
    Reach { of_file, own: own.collect(), effects: Arc::clone(effects_within_reach(db, file)) }
}

/// As [`Bodies::effects`], for who does not hear of what a body does itself and how its sites lie to each other.
#[salsa::tracked(returns(ref))]
pub fn effects_within_reach(db: &dyn Db, file: SourceFile) -> Arc<EffectsByBody> {
    Arc::new(owners_within_reach(db, file).iter().map(|&owner| (owner, Arc::clone(super::shared_effects(db, owner)))).collect())
}
