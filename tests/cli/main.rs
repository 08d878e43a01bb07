//! Suites over the built `patternc`.

mod commands;
mod crash;
mod deployments;
mod docs;
mod externs;
mod operations;
mod patternc;
mod reopen;
mod seeds;
mod token_refresh;
