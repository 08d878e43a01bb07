//! `patternc import`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueHint;
use patternc_compiler::lower;
use patternc_interpreter::audit::audit;
use patternc_interpreter::host::{Host, SystemHost};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::store::archive::{self, Archive};
use patternc_interpreter::store::{CommitRequest, postgres, sqlite};
use patternc_program::Program;

use crate::fault::Fault;
use crate::render::count;
use crate::stores::{self, Place, Site};
use crate::{deployment, project};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// What `patternc export` has written; the standard input unless given.
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// Changes that one commit makes.
const AT_ONCE: usize = 10_000;

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let name = arguments.deployment.as_deref();
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let places = stores::places(&project, name)?;
    if let Some(place) = places.iter().find(|place| matches!(place.site, Site::Memory)) {
        return Err(place.in_memory("import"));
    }
    let input: Box<dyn BufRead> = match &arguments.input {
        None => Box::new(io::stdin().lock()),
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(|source| Fault::Read { path: path.clone(), source })?)),
    };
    let shown = arguments.input.as_ref().map_or_else(|| "the standard input".to_owned(), |path| path.display().to_string());
    let wrong = |message: String| Fault::Use(format!("{shown}: {message}; nothing was imported"));
    let archive = archive::read(&program, input).map_err(|error| wrong(error.to_string()))?;
    let counts = archive.counts();
    let placement = deployment::placement(&project, &program, name)?;
    let requests = archive.requests(&program, places.len(), |space| placement.of(space), AT_ONCE);
    // In memory first: what does not hold there is never written.
    let limits = deployment::limits(&project);
    let states = Archive::rehearse(&program, &limits, &requests).map_err(|refused| wrong(refused.to_string()))?;
    let mut audited = audit(&program, &states, &placement, &limits, SystemHost::new().now()).map_err(|error| wrong(error.message))?;
    audited.findings.retain(|finding| finding.kind.is_error());
    if !audited.findings.is_empty() {
        super::audit::write_full(&mut io::stdout().lock(), &audited)?;
        return Err(wrong(format!("its data break what the patterns promise ({})", count(audited.findings.len(), "error"))));
    }
    drop(states);
    // What was rehearsed needs no limit any more.
    let limits = Limits { transaction_size: usize::MAX, ..limits };
    let mut prepared = Vec::new();
    for (place, requests) in places.iter().zip(&requests) {
        prepared.push((place, prepare(&program, place, &limits, requests)?));
    }
    // Each store is filled by now, beside its place.
    let mut done: Vec<String> = Vec::new();
    for (place, import) in prepared {
        if let Err(fault) = import.finish(place) {
            let filled = done.join(", ");
            let but = format!(
                "{fault}. But {filled} is filled already: empty it (move the file away, or drop the database) before you import again"
            );
            return Err(if done.is_empty() { fault } else { Fault::Use(but) });
        }
        done.push(place.shown());
    }
    if !quiet {
        let (records, sent) = (count(audited.records, "record"), count(counts.sent as usize, "event"));
        eprintln!("imported {records}, {sent} on the way");
    }
    Ok(ExitCode::SUCCESS)
}

/// A store that is filled, and not yet in its place.
enum Prepared {
    File(sqlite::Import),
    Server(Box<postgres::Import>),
}

impl Prepared {
    fn finish(self, place: &Place) -> Result<(), Fault> {
        let finished = match self {
            Prepared::File(import) => import.finish(),
            Prepared::Server(import) => import.finish(),
        };
        finished.map_err(|error| place.fault(error))
    }
}

fn prepare(program: &Arc<Program>, place: &Place, limits: &Limits, requests: &[CommitRequest]) -> Result<Prepared, Fault> {
    stores::with_opening(program, place, limits, &[], |opening| match &place.site {
        Site::File(file) => sqlite::Import::prepare(file, opening, requests).map(Prepared::File),
        Site::Server(url) => postgres::Import::prepare(url, opening, requests).map(|import| Prepared::Server(Box::new(import))),
        Site::Memory => unreachable!("a store in memory was refused"),
    })
}
