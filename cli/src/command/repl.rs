//! `patternc repl`

mod clients;
mod commands;
mod complete;
mod highlight;
mod input;
mod interrupt;
mod journal;
mod literal;
mod outside;
mod save;
mod session;
mod show;
mod start;
mod story;
mod tidy;
mod undo;
mod waiting;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use self::input::{Entry, Input, entries_of};
use self::interrupt::{Breaks, INTERRUPTED};
use self::session::Session;
use self::start::Settings;
use crate::fault::Fault;
use clap::ValueHint;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given. Without any, data is kept in memory and ends with the prompt.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// Run without a deployment: data is kept in memory, and what the outside answers is `given`.
    #[arg(long, conflicts_with = "deployment")]
    memory: bool,
    /// Show each entry of a script before what it does.
    #[arg(long)]
    echo: bool,
}

/// How the prompt goes on.
pub enum Next {
    /// With whether it went well.
    Go(bool),
    Quit,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let mut input = Input::open()?;
    let breaks = Breaks::listen(input.is_terminal())?;
    let settings = Settings {
        deployment: arguments.deployment.clone(),
        memory: arguments.memory,
        quiet,
        terminal: input.is_terminal(),
        breaks: breaks.clone(),
    };
    let opened = Session::open(&arguments.path, settings).map_err(|fault| match fault {
        Fault::Use(why) if !arguments.memory => Fault::Use(format!("{why} (`patternc repl --memory` runs without a deployment)")),
        other => other,
    });
    let Some(mut session) = opened? else { return Ok(ExitCode::FAILURE) };
    if input.is_terminal() && !quiet {
        println!("{}", session.greeting());
    }
    if let Some(notice) = session.notice().filter(|_| !quiet) {
        eprintln!("patternc: {notice}");
    }
    let mut all_well = true;
    loop {
        let next = match input.next(&session.sign(), || session.known_names())? {
            Entry::Text(text) => {
                let mut out = std::io::stdout().lock();
                breaks.begin();
                if arguments.echo && !input.is_terminal() {
                    echo(&session.sign(), &text, &mut out)?;
                }
                let next =
                    if input.is_terminal() { enter_all(&mut session, &text, &mut out) } else { enter(&mut session, &text, &mut out) };
                out.flush()?;
                if breaks.end() && !input.is_terminal() {
                    session.close();
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                match next {
                    Ok(next) => next,
                    Err(fault @ Fault::Output(_)) => return Err(fault),
                    Err(fault) if !session.runs() => return Err(fault),
                    // The data in memory outlive a file that cannot be read.
                    Err(fault) => {
                        writeln!(out, "{fault}")?;
                        Next::Go(false)
                    }
                }
            }
            Entry::NotText(line) => {
                println!("line {line} is not UTF-8 text, and is left out");
                Next::Go(false)
            }
            Entry::Cancelled => Next::Go(true),
            Entry::End => Next::Quit,
        };
        match next {
            Next::Go(well) => all_well &= well,
            Next::Quit => break,
        }
    }
    session.close();
    // A script that is piped in is a job like any other: it fails if a line of it did.
    Ok(if all_well || input.is_terminal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes an entry as it looks when it is typed.
fn echo(sign: &str, text: &str, out: &mut impl Write) -> std::io::Result<()> {
    for (i, line) in text.trim_end().lines().enumerate() {
        if i == 0 { writeln!(out, "{sign}> {line}")? } else { writeln!(out, ". {line}")? }
    }
    Ok(())
}

/// Does what was typed or pasted: several entries, where it goes over lines that are entries of their own.
fn enter_all(session: &mut Session, text: &str, out: &mut impl Write) -> Result<Next, Fault> {
    let mut all_well = true;
    for entry in entries_of(text) {
        match enter(session, &entry, out)? {
            Next::Go(well) => all_well &= well,
            Next::Quit => return Ok(Next::Quit),
        }
        if session.is_interrupted() {
            break;
        }
    }
    Ok(Next::Go(all_well))
}

/// Does what one entry asks for: a command, declarations, or statements.
fn enter(session: &mut Session, text: &str, out: &mut impl Write) -> Result<Next, Fault> {
    session.take_over(out)?;
    match text.trim().strip_prefix(':') {
        Some(command) => commands::run(session, command, out),
        None => {
            if let Some(hint) = session.habit(text) {
                writeln!(out, "{hint}")?;
                return Ok(Next::Go(false));
            }
            Ok(Next::Go(session.enter(text, out)?))
        }
    }
}
