//! The commands.

pub mod audit;
pub mod check;
pub mod completions;
pub mod explain;
pub mod explore;
pub mod export;
pub mod fmt;
pub mod import;
pub mod lsp;
pub mod man;
pub mod new;
pub mod repl;
pub mod retry;
pub mod run;
pub mod status;
pub mod test;
