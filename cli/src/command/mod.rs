//! The commands.

pub mod check;
pub mod explain;
pub mod explore;
pub mod fmt;
pub mod new;
pub mod repl;
pub mod run;
pub mod test;
