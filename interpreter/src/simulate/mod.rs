//! A seeded scheduler: runs tests, and any workload, over chosen interleavings, crashes and mishaps.
//!
//! The same program, test and seed give the same history, byte for byte.

pub(crate) mod answers;
mod disk;
pub(crate) mod order;
mod report;
pub(crate) mod script;
pub(crate) mod session;
pub(crate) mod stage;
mod world;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use patternc_program::{Program, Test};

pub use self::disk::{Disk, Fault, MemoryDisk, Opener, ReopenedDisk};
pub use self::report::{DOES_NOT_HOLD, TestFailure, TestReport};
use self::script::Script;
pub use self::world::{Mishaps, Outside, Request, World};
use crate::limits::Limits;
use crate::store::memory::Memory;
use crate::store::postgres::Postgres;
use crate::store::sqlite::{Opening, Sqlite};
use crate::store::state::Schema;

/// How a test is run.
pub struct Options {
    pub seed: u64,
    pub limits: Limits,
    /// The stores; without it, one in memory.
    pub disk: Option<Box<dyn Disk>>,
    /// For each declared space, the store that keeps it; spaces beyond the end are in the first.
    pub places: Vec<usize>,
    pub mishaps: Mishaps,
    /// Whether the report has the history.
    pub history: bool,
}

impl Options {
    /// One store in memory, nothing out of the ordinary.
    pub fn seeded(seed: u64) -> Self {
        Options { seed, limits: Limits::default(), disk: None, places: Vec::new(), mishaps: Mishaps::default(), history: false }
    }
}

/// Runs a test of the program once.
pub fn run_test(program: &Arc<Program>, test: &Test, options: Options) -> TestReport {
    let Options { seed, limits, disk, places, mishaps, history } = options;
    let stores = places.iter().max().map_or(1, |most| most + 1);
    let disk = disk.unwrap_or_else(|| Box::new(memory_disk(program, &limits, stores)));
    let mut world = match World::new(program.clone(), disk, places, limits, seed) {
        Ok(world) => world,
        Err(error) => return TestReport::not_begun(test, seed, &error),
    };
    if history {
        world.record_history();
    }
    world.set_mishaps(mishaps);
    Script::new(program.clone(), world).run(test, seed)
}

/// Stores in SQLite files of a folder, `0.db` and so on: opened again after each death of the process.
pub fn sqlite_disk(program: &Arc<Program>, limits: &Limits, folder: &Path, stores: usize) -> ReopenedDisk {
    let opener = |store: usize| -> Opener {
        let (program, limits, file) = (program.clone(), limits.clone(), folder.join(format!("{store}.db")));
        Box::new(move || Ok(Box::new(Sqlite::open(&file, Opening::new(program.clone(), limits.clone()))?)))
    };
    ReopenedDisk::new((0..stores).map(opener).collect())
}

/// A store in the database at each address.
pub fn postgres_disk(program: &Arc<Program>, limits: &Limits, urls: &[&str]) -> ReopenedDisk {
    let opener = |url: &&str| -> Opener {
        let (program, limits, url) = (program.clone(), limits.clone(), (*url).to_owned());
        Box::new(move || Ok(Box::new(Postgres::open(&url, Opening::new(program.clone(), limits.clone()))?)))
    };
    ReopenedDisk::new(urls.iter().map(opener).collect())
}

/// Empty stores in memory for a program.
pub fn memory_disk(program: &Program, limits: &Limits, stores: usize) -> MemoryDisk {
    MemoryDisk::new(&Memory::new(Arc::new(Schema::new(program)), limits), stores)
}
