//! Suites over the built `patternc`.

mod docs;
mod patternc;
mod seeds;
