//! `patternc man`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// Write the pages of all commands to this folder, such as `~/.local/share/man/man1`, instead of printing the main one. It is made if it
    /// is not there.
    folder: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, command: Command) -> Result<ExitCode, Fault> {
    match &arguments.folder {
        Some(folder) => {
            let fault = |source| Fault::Write { path: folder.clone(), source };
            std::fs::create_dir_all(folder).map_err(fault)?;
            clap_mangen::generate_to(command, folder).map_err(fault)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            std::io::stdout().lock().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
