//! `patternc export`

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueHint;
use patternc_compiler::lower;
use patternc_interpreter::store::archive::{self, ExportError};
use patternc_interpreter::store::state::State;
use patternc_program::Program;

use crate::fault::Fault;
use crate::render::count;
use crate::{atomic, deployment, project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// The file to write, which appears once it is whole; the standard output unless given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let name = arguments.deployment.as_deref();
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let states = stores::look(&stores::places(&project, name)?, &program, &deployment::limits(&project), "export")?;
    let counts = match &arguments.output {
        None => write(&program, &states, &mut BufWriter::new(io::stdout().lock())).map_err(|error| fault(error, None))?,
        Some(path) if atomic::is_written_through(path) => through(&program, &states, path).map_err(|error| fault(error, Some(path)))?,
        Some(path) => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".part");
            let beside = PathBuf::from(beside);
            let written = to_file(&program, &states, &beside).and_then(|counts| Ok(fs::rename(&beside, path).map(|()| counts)?));
            written.map_err(|error| {
                // It is told why; what is left of it is of no use.
                let _ = fs::remove_file(&beside);
                fault(error, Some(path))
            })?
        }
    };
    if !quiet {
        let (records, sent) = (count(declared(&program, &states), "record"), count(counts.sent as usize, "event"));
        eprintln!("exported {records}, {sent} on the way");
    }
    Ok(ExitCode::SUCCESS)
}

/// How many records there are, but for what mirrors keep for themselves.
fn declared(program: &Program, states: &[State]) -> usize {
    let records = states.iter().flat_map(State::records).filter(|stored| stored.cells.is_some());
    records.filter(|stored| !program.is_kept_by_mirror(stored.record.record())).count()
}

/// Into a device or a pipe, which stays what it is.
fn through(program: &Program, states: &[State], path: &Path) -> Result<archive::Counts, ExportError> {
    let mut out = BufWriter::new(File::options().write(true).open(path)?);
    let counts = write(program, states, &mut out)?;
    out.flush()?;
    Ok(counts)
}

fn to_file(program: &Program, states: &[State], path: &Path) -> Result<archive::Counts, ExportError> {
    let mut out = BufWriter::new(File::create(path)?);
    let counts = write(program, states, &mut out)?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(counts)
}

fn write(program: &Program, states: &[State], out: &mut impl Write) -> Result<archive::Counts, ExportError> {
    archive::write(program, states, out)
}

fn fault(error: ExportError, path: Option<&Path>) -> Fault {
    match (error, path) {
        (ExportError::Io(source), Some(path)) => Fault::Write { path: path.to_owned(), source },
        (ExportError::Io(source), None) => Fault::Output(source),
        (error, _) => Fault::Use(format!("cannot be exported: {error}")),
    }
}
