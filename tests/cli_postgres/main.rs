//! Several processes of the built binary on one PostgreSQL server: nothing is lost, nothing happens twice, whatever ends in the middle.

mod mirror;
mod operations;
#[path = "../cli/patternc.rs"]
mod patternc;
mod permissioned_spaces;
mod process;
mod server;
mod suite;
mod workload;
