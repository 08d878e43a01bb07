//! `patternc completions`

use std::process::ExitCode;

use clap::{Command, ValueEnum};
use clap_complete::{generate, shells};
use clap_complete_nushell::Nushell;

use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// For which shell.
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

pub fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode, Fault> {
    let (name, mut script) = ("patternc", Vec::new());
    match arguments.shell {
        Shell::Bash => generate(shells::Bash, &mut command, name, &mut script),
        Shell::Elvish => generate(shells::Elvish, &mut command, name, &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, name, &mut script),
        Shell::Nushell => generate(Nushell, &mut command, name, &mut script),
        Shell::Powershell => generate(shells::PowerShell, &mut command, name, &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, name, &mut script),
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}
