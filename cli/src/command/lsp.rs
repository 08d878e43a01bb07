//! `patternc lsp`

use std::process::ExitCode;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// Speak over standard input and output: the only way there is. Editors give it.
    #[arg(long)]
    stdio: bool,
}

pub fn run(_arguments: &Arguments) -> Result<ExitCode, Fault> {
    crate::lsp::run()
}
