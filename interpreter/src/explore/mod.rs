//! Tries every schedule of a test, within bounds: which event, delivery or arm commits first, where the process dies, what is delivered
//! twice, what the outside answers.
//!
//! It runs the engine, the machine and the commits that `run` runs, over stores in memory that are copied at each fork of the way. The search
//! is over points that differ (see `canonical`): depth first, which is the fastest way to see them all, and breadth first once that has found
//! something, so that what is told is as short as can be.
//!
//! A transaction is one step: what it has read in its own store is validated by its commit, so that whatever comes in between either has it run
//! again or makes no difference. Only one that has read another store is two steps, its reads and its commit.

mod canonical;
mod commute;
mod explorer;
mod frontier;
mod point;
mod search;
mod stage;
mod story;
mod symmetry;

use patternc_program::Source;

pub use self::explorer::{Comparison, End, Ends, Explorer, Outcome, Progress};
pub use self::point::Sessions;
pub use self::story::{Step, Story};
use crate::simulate::TestFailure;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Deaths of the process.
    pub crashes: u8,
    /// Events delivered twice, and answers of the outside that are lost.
    pub duplicates: u8,
    /// Calls that the outside refuses, whatever the test says that it answers.
    pub failures: u8,
    /// Different points looked at.
    pub states: usize,
    /// Steps of one way.
    pub depth: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { crashes: 1, duplicates: 1, failures: 0, states: 1_000_000, depth: 1_000 }
    }
}

/// What is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An `expect` of the test, or an event that the test needs.
    Expectation,
    /// An `eventually invariant`, when nothing was in flight.
    Eventually,
    /// An event that nobody takes.
    Parked,
    /// A transaction would have written a second space.
    Isolation,
}

/// Something that is not as it must be, at the end of a way.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub kind: Kind,
    pub failure: TestFailure,
}

impl Violation {
    /// Where in the test.
    pub fn at(&self) -> Source {
        self.failure.at
    }
}
