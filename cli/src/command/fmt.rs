//! `patternc fmt`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use patternc_grammar::{FormatError, format};

use crate::atomic;
use crate::fault::Fault;
use crate::project::{self, PatternFile};
use crate::render::{self, Position, count};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders, the current folder unless given; `-` formats the standard input to the standard output.
    paths: Vec<PathBuf>,
    /// Write nothing; exit with 1 if a file would change.
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change, and exit with 1 if anything would.
    #[arg(long)]
    diff: bool,
    /// Format the standard input, and give it this name in messages.
    #[arg(long, value_name = "PATH")]
    stdin_filename: Option<PathBuf>,
}

/// What became of the files.
#[derive(Default)]
struct Tally {
    changed: usize,
    unchanged: usize,
    /// Left alone, with a reason that was said.
    broken: usize,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let mut tally = Tally::default();
    if project::is_from_stdin(&arguments.paths, arguments.stdin_filename.as_deref())? {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|source| Fault::Read { path: "-".into(), source })?;
        let text = String::from_utf8(project::without_mark(bytes)).map_err(|error| error.utf8_error().valid_up_to());
        let path = arguments.stdin_filename.clone().unwrap_or_else(|| "-".into());
        one(arguments, &PatternFile { path, text }, true, &mut tally)?;
    } else {
        let files = project::pattern_files(&arguments.paths)?;
        for file in &files {
            one(arguments, file, false, &mut tally)?;
        }
        let nothing = if files.is_empty() { Some(project::no_files_unless_said(&arguments.paths)?) } else { None };
        if !quiet {
            eprintln!("{}", nothing.unwrap_or_else(|| summary(&tally, arguments.check || arguments.diff)));
        }
    }
    let refused = tally.broken > 0 || (tally.changed > 0 && (arguments.check || arguments.diff));
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn one(arguments: &Arguments, file: &PatternFile, from_stdin: bool, tally: &mut Tally) -> Result<(), Fault> {
    let shown = file.path.display().to_string();
    let text = match &file.text {
        Ok(text) => text,
        Err(at) => {
            eprintln!("{shown}: left as it is: from byte {at} on it is not UTF-8 text, and pattern files are");
            tally.broken += 1;
            return Ok(());
        }
    };
    let formatted = match format(text) {
        Ok(formatted) => formatted,
        Err(error) => {
            eprintln!("{}", reason(&shown, text, &error));
            tally.broken += 1;
            return Ok(());
        }
    };
    let same = formatted == *text;
    *(if same { &mut tally.unchanged } else { &mut tally.changed }) += 1;
    let mut out = std::io::stdout().lock();
    if arguments.diff {
        render::diff::write(&mut out, &shown, text, &formatted)?;
    } else if arguments.check {
        if !same {
            writeln!(out, "{shown}")?;
        }
    } else if from_stdin {
        out.write_all(formatted.as_bytes())?;
    } else if !same {
        atomic::write(&file.path, &formatted)?;
    }
    out.flush()?;
    Ok(())
}

/// Why a text is left alone: its first error.
fn reason(shown: &str, text: &str, error: &FormatError) -> String {
    let (at, why) = error.first();
    let at = Position::of(text, at);
    let more = match error {
        FormatError::Syntax(errors) if errors.len() > 1 => format!(" (and {} more)", count(errors.len() - 1, "error")),
        _ => String::new(),
    };
    format!("{shown}:{}:{}: left as it is: {why}{more}", at.line, at.column)
}

fn summary(tally: &Tally, only_looked: bool) -> String {
    let mut parts = Vec::new();
    if tally.changed > 0 {
        parts.push(format!("{} {}", count(tally.changed, "file"), if only_looked { "would change" } else { "formatted" }));
    }
    if tally.unchanged > 0 {
        parts.push(format!("{} unchanged", count(tally.unchanged, "file")));
    }
    if tally.broken > 0 {
        let they_are = if tally.broken == 1 { "it is" } else { "they are" };
        parts.push(format!("{} with errors left as {they_are}", count(tally.broken, "file")));
    }
    parts.join(", ")
}
