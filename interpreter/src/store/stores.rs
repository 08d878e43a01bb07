//! Several stores, and which of them keeps which space.

use patternc_program::SpaceId;

use super::Store;
use crate::value::SpaceRef;

/// The stores of a deployment with the place of every space.
pub struct Stores {
    stores: Vec<Box<dyn Store>>,
    /// By declared space: the index of the store that keeps it (for a family, all of its spaces).
    places: Vec<usize>,
}

impl Stores {
    /// One store for all spaces.
    pub fn single(store: Box<dyn Store>) -> Self {
        Stores { stores: vec![store], places: Vec::new() }
    }

    /// Several stores. `places` has an index into `stores` for every declared space; spaces beyond its end are in the first store.
    ///
    /// # Panics
    /// If there is no store, or a place names one that is not there.
    pub fn new(stores: Vec<Box<dyn Store>>, places: Vec<usize>) -> Self {
        assert!(!stores.is_empty(), "a deployment has at least one store");
        assert!(places.iter().all(|&place| place < stores.len()), "every space is in one of the stores");
        Stores { stores, places }
    }

    /// How many stores there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.stores.len()
    }

    /// The index of the store that keeps this space.
    pub fn place(&self, space: &SpaceRef) -> usize {
        self.place_of(space.space)
    }

    /// The index of the store that keeps this declared space.
    pub fn place_of(&self, space: SpaceId) -> usize {
        self.places.get(space.index()).copied().unwrap_or(0)
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
        f.debug_struct("Stores").field("stores", &self.stores.len()).field("places", &self.places).finish()
    }
}
