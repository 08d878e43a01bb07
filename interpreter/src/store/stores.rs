//! Several stores, and which of them keeps which space.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use patternc_program::{Home, Program, SpaceId};

use super::{Store, StoreError};
use crate::value::SpaceRef;

/// The stores of a deployment with the place of every space.
pub struct Stores {
    stores: Vec<Box<dyn Store>>,
    placement: Placement,
}

/// Which store, by its index, keeps which space.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    /// By declared space: the index of the store that keeps it (for a family, all of its spaces). Spaces beyond the end are in the first.
    places: Vec<usize>,
    shards: Vec<Shard>,
    /// What the stores are called, for those who look after them; empty where nobody named them.
    names: Vec<String>,
    /// Whose names spaces have, if any family is spread.
    program: Option<Arc<Program>>,
    /// Where spaces of families that are spread are: found once for each. Their keys come from outside: a hash that nobody can aim at.
    placed: RefCell<HashMap<SpaceRef, usize>>,
}

impl Placement {
    /// The same with families that are spread over several stores.
    pub fn with_shards(self, program: Arc<Program>, shards: Vec<Shard>) -> Self {
        Placement { shards, program: Some(program), ..self }
    }

    /// The same with what the stores are called.
    pub fn with_names(self, names: Vec<String>) -> Self {
        Placement { names, ..self }
    }

    /// The index of the store that keeps this space.
    pub fn of(&self, space: &SpaceRef) -> usize {
        let Some(shard) = self.shards.iter().find(|shard| shard.space == space.space) else { return self.declared(space.space) };
        if let Some(&place) = self.placed.borrow().get(space) {
            return place;
        }
        let place = self.program.as_ref().map_or(0, |program| shard.place(&crate::json::space_text(program, space)));
        self.placed.borrow_mut().insert(space.clone(), place);
        place
    }

    /// The index of the store that keeps this declared space; of a family that is spread, where it would be otherwise.
    fn declared(&self, space: SpaceId) -> usize {
        self.places.get(space.index()).copied().unwrap_or(0)
    }

    /// Whether no index is beyond so many stores.
    fn fits(&self, stores: usize) -> bool {
        let known = |shard: &Shard| !shard.stores.is_empty() && shard.stores.iter().all(|(_, index)| *index < stores);
        self.places.iter().all(|&place| place < stores) && self.shards.iter().all(known)
    }
}

/// By declared space: the index of the store that keeps it.
impl From<Vec<usize>> for Placement {
    fn from(places: Vec<usize>) -> Self {
        Placement { places, ..Placement::default() }
    }
}

/// Over which stores the spaces of a family are spread.
///
/// A space is in the store for which the hash of the store's name and the space is the highest (rendezvous hashing, Thaler and
/// Ravishankar 1998): the same on every machine, whatever the order of the list. A store more takes from each of the others a share of its
/// spaces, and no space moves between those.
#[derive(Clone, Debug)]
pub struct Shard {
    pub space: SpaceId,
    /// The name and the index of each store.
    pub stores: Vec<(String, usize)>,
}

impl Shard {
    /// The index of the store of a space, as that is written in references: `user[ada]`.
    fn place(&self, space: &str) -> usize {
        let weight = |(name, index): &(String, usize)| (fnv1a(name.bytes().chain([0]).chain(space.bytes())), *index);
        self.stores.iter().map(weight).max().map_or(0, |(_, index)| index)
    }
}

/// FNV-1a with 64 bits, and its bits mixed once more (the finalizer of MurmurHash3): names that differ in one letter are to be far apart.
/// It says where spaces are, so it never changes.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl Stores {
    /// One store for all spaces.
    pub fn single(store: Box<dyn Store>) -> Self {
        Stores { stores: vec![store], placement: Placement::default() }
    }

    /// Several stores.
    ///
    /// # Panics
    /// If there is no store, or a place names one that is not there.
    pub fn new(stores: Vec<Box<dyn Store>>, placement: impl Into<Placement>) -> Self {
        let placement = placement.into();
        assert!(!stores.is_empty(), "a deployment has at least one store");
        assert!(placement.fits(stores.len()), "every space is in one of the stores");
        Stores { stores, placement }
    }

    /// Whether every record, also a deleted one, is in the store that keeps its space: that it is so is all that says where spaces are.
    ///
    /// # Errors
    /// If a store has, or had, records of a space that another keeps now.
    pub fn check_places(&self, program: &Program) -> Result<(), StoreError> {
        if self.stores.len() == 1 {
            return Ok(());
        }
        for (index, store) in self.stores.iter().enumerate() {
            if let Some(space) = store.spaces()?.into_iter().find(|space| self.place(space) != index) {
                let (text, now) = (crate::json::space_text(program, &space), self.place(&space));
                let named = |index: usize| match self.placement.names.get(index) {
                    Some(name) => format!("the store `{name}`"),
                    None => format!("the {}. store", index + 1),
                };
                let message = format!(
                    "{} has, or had, records of the space `{text}`, which the deployment says to be in {}: stores were added, taken away or renamed. \
                     Nothing was changed. Give the deployment the stores that it had",
                    named(index),
                    named(now)
                );
                return Err(StoreError { message, transient: false });
            }
        }
        Ok(())
    }

    /// Whether these stores can do what the program declares.
    ///
    /// # Errors
    /// If a handler writes `across` spaces that two stores keep, or one that commits a single space at a time.
    pub fn serve(&self, program: &Program) -> Result<(), StoreError> {
        let name_of = |space: SpaceId| program.spaces[space.index()].name;
        for handler in program.handlers.iter().filter(|handler| !handler.across.is_empty()) {
            let own: Vec<SpaceId> = match program.record(handler.record).home {
                Home::Plain(space) | Home::Family(space) => vec![space],
                // It may be in any of them.
                Home::Floating => (0..program.spaces.len() as u32).map(SpaceId).collect(),
            };
            let first = own[0];
            let apart = own.iter().chain(&handler.across).find(|space| !self.are_together(**space, first));
            let alone = !self.stores[self.place_of(first)].capabilities().commits_across;
            let why = match (apart, alone) {
                (Some(space), _) => format!("`{}` and `{}` are kept by two stores", name_of(first), name_of(*space)),
                (None, true) => format!("the store of `{}` commits one space at a time", name_of(first)),
                (None, false) => continue,
            };
            let name = format!("{}.{}", program.record(handler.record).name, handler.name);
            return Err(StoreError {
                message: format!(
                    "`{name}` writes several spaces in one commit (`across`), which these stores cannot: {why}; keep the spaces in one store, or \
                     make it a saga"
                ),
                transient: false,
            });
        }
        Ok(())
    }

    /// How many stores there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.stores.len()
    }

    /// The index of the store that keeps this space.
    pub fn place(&self, space: &SpaceRef) -> usize {
        self.placement.of(space)
    }

    /// Whether two declared spaces, or any two of families, are in one store.
    fn are_together(&self, a: SpaceId, b: SpaceId) -> bool {
        self.place_of(a) == self.place_of(b)
            && !self.placement.shards.iter().any(|shard| shard.stores.len() > 1 && (shard.space == a || shard.space == b))
    }

    /// The index of the store that keeps this declared space; of a family that is spread, where it would be otherwise.
    pub fn place_of(&self, space: SpaceId) -> usize {
        self.placement.declared(space)
    }

    /// By declared space: the index of the store that keeps it.
    pub(crate) fn places(&self) -> &[usize] {
        &self.placement.places
    }

    /// The store that keeps this space.
    pub fn of(&self, space: &SpaceRef) -> &dyn Store {
        &*self.stores[self.place(space)]
    }

    /// The store of this index.
    pub fn get(&self, index: usize) -> &dyn Store {
        &*self.stores[index]
    }

    /// The store of this index, for commits.
    pub fn get_mut(&mut self, index: usize) -> &mut dyn Store {
        &mut *self.stores[index]
    }

    /// Ends the use of the stores.
    pub fn into_inner(self) -> Vec<Box<dyn Store>> {
        self.stores
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("stores", &self.stores.len()).field("placement", &self.placement).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_more_takes_a_share_and_moves_nothing_else() {
        let shard = |names: &[&str]| Shard {
            space: SpaceId(0),
            stores: names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), index)).collect(),
        };
        let (three, four, turned) = (shard(&["a", "b", "c"]), shard(&["a", "b", "c", "d"]), shard(&["c", "a", "b"]));
        let mut shares = [0; 4];
        for n in 0..10_000 {
            let space = format!("user[u{n}]");
            let (before, after) = (three.place(&space), four.place(&space));
            assert!(after == before || after == 3, "{space} moved from {before} to {after}");
            assert_eq!(turned.place(&space), (before + 1) % 3, "the order of the list says nothing");
            shares[after] += 1;
        }
        assert!(shares.iter().all(|share| (2_200..2_800).contains(share)), "{shares:?}");
        // Data are where they are: this never changes.
        assert_eq!(["user[ada]", "user[bob]", "user[cleo]", "user[dan]"].map(|space| three.place(space)), [0, 0, 2, 0]);
    }
}
