//! `patternc completions`

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// For which shell.
    shell: Shell,
}

pub fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "patternc", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}
