//! Several processes of the built binary on one PostgreSQL server: nothing is lost, nothing happens twice, whatever ends in the middle.

#[path = "../cli/docs/blocks.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod blocks;
mod mirror;
mod operations;
mod pages;
#[path = "../cli/patternc.rs"]
mod patternc;
mod permissioned_spaces;
mod process;
mod server;
mod suite;
mod workload;
