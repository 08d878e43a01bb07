//! How a test went.

use patternc_program::{Source, Test};

use crate::engine::Counters;
use crate::store::StoreError;

/// What is said of an expectation that is not so.
pub const DOES_NOT_HOLD: &str = "this does not hold";

/// How a test went with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct TestReport {
    pub name: Box<str>,
    /// Gives the same run again.
    pub seed: u64,
    /// `None`: it passed.
    pub failure: Option<TestFailure>,
    /// Expectations that held.
    pub expectations: u64,
    pub counters: Counters,
    pub crashes: u64,
    /// Events that nobody took, at the end: what each was, and why it is parked.
    pub parked: Vec<String>,
    /// A line for each thing that happened, if asked for.
    pub history: Vec<String>,
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq)]
pub struct TestFailure {
    pub at: Source,
    pub message: String,
    /// The values of both sides of a comparison, and what else helps.
    pub notes: Vec<String>,
}

impl TestReport {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }

    pub(super) fn not_begun(test: &Test, seed: u64, error: &StoreError) -> Self {
        let failure = TestFailure { at: test.at, message: format!("the store does not open: {error}"), notes: Vec::new() };
        TestReport {
            name: test.name.clone(),
            seed,
            failure: Some(failure),
            expectations: 0,
            counters: Counters::default(),
            crashes: 0,
            parked: Vec::new(),
            history: Vec::new(),
        }
    }
}
