//! What stops a command before it can give a result: wrong use, configuration, input and output. Exit status 2.

use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot write to the output: {0}")]
    Output(#[from] std::io::Error),
    /// Anything else that the user can mend: says what is wrong and the way out.
    #[error("{0}")]
    Use(String),
}
