//! Suites over the built `patternc`.

mod ci;
mod commands;
mod confirmed;
mod crash;
mod deployments;
mod docs;
mod explore;
mod externs;
mod fixes;
mod following;
mod graph;
mod hanging;
mod lsp;
mod operations;
mod patternc;
mod permissioned_spaces;
mod refused_facts;
mod reopen;
mod repl;
mod repl_outside;
mod reports;
mod saga_crash;
mod seeds;
mod terminal;
mod token_refresh;
