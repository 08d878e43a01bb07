//! `patternc repl`

mod commands;
mod input;
mod session;
mod show;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use self::input::{Entry, Input};
use self::session::Session;
use crate::fault::Fault;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given. Without any, data ends with the session.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let Some(mut session) = Session::open(&arguments.path, arguments.deployment.clone())? else { return Ok(ExitCode::FAILURE) };
    let mut input = Input::open()?;
    if input.is_terminal() && !quiet {
        println!("{}", session.greeting());
    }
    let mut all_well = true;
    loop {
        let entry = input.next(&session.names())?;
        let mut out = std::io::stdout().lock();
        let well = match entry {
            Entry::Text(text) => match text.trim().strip_prefix(':') {
                Some(command) => match commands::run(&mut session, command, &mut out)? {
                    commands::Next::Go(well) => well,
                    commands::Next::Quit => break,
                },
                None => session.enter(&text, &mut out)?,
            },
            Entry::Cancelled => true,
            Entry::End => break,
        };
        out.flush()?;
        all_well &= well;
    }
    session.close();
    // A script that is piped in is a job like any other: it fails if a line of it did.
    Ok(if all_well || input.is_terminal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
