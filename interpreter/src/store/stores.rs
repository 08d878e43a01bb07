//! Several stores, and which of them keeps which space.

use patternc_program::{Home, Program, SpaceId};

use super::{Store, StoreError};
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
            let apart = own.iter().chain(&handler.across).find(|space| self.place_of(**space) != self.place_of(first));
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
        self.place_of(space.space)
    }

    /// The index of the store that keeps this declared space.
    pub fn place_of(&self, space: SpaceId) -> usize {
        self.places.get(space.index()).copied().unwrap_or(0)
    }

    /// By declared space: the index of the store that keeps it.
    pub(crate) fn places(&self) -> &[usize] {
        &self.places
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
