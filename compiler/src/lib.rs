//! The compiler: from pattern text to findings, an effect table, a dependency graph and a program.
//!
//! One salsa database ([`db`]) serves the command line, the REPL and editors. The stages, in order: [`db`] (inputs), `items`, `resolve`,
//! `check` (types and spaces, giving [`hir`]), [`effects`], `graph`, `rules`, `lower`.

pub mod allow;
pub mod bodies;
mod breaking;
pub mod chains;
pub mod check;
pub mod config;
mod cycles;
pub mod db;
mod declarations;
pub mod deployment;
pub mod diagnostic;
pub mod effects;
pub mod facts;
pub mod fixes;
pub mod graph;
pub mod hir;
pub mod ide;
pub mod items;
pub mod lines;
pub mod location;
pub mod lower;
mod mentions;
pub mod project_names;
pub mod resolve;
pub mod rules;
pub mod signature;
mod summary;
mod taken_out;
pub mod types;
mod unused;
pub mod visit;
