//! `patternc man`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder, such as `~/.local/share/man/man1`; it is made if it is not there.
    #[arg(default_value = "man")]
    folder: PathBuf,
}

pub fn run(arguments: &Arguments, command: Command) -> Result<ExitCode, Fault> {
    let fault = |source| Fault::Write { path: arguments.folder.clone(), source };
    std::fs::create_dir_all(&arguments.folder).map_err(fault)?;
    clap_mangen::generate_to(command, &arguments.folder).map_err(fault)?;
    Ok(ExitCode::SUCCESS)
}
