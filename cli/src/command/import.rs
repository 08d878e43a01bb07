//! `patternc import`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use patternc_compiler::lower;
use patternc_interpreter::audit::audit;
use patternc_interpreter::host::{Host, SystemHost};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::store::archive::{self, Archive};
use patternc_interpreter::store::sqlite::Import;

use crate::fault::Fault;
use crate::render::count;
use crate::{deployment, project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME")]
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
    if let Some(code) = super::test::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let places = stores::places(&project, name)?;
    let files = places.iter().map(|place| place.need_file("import")).collect::<Result<Vec<_>, _>>()?;
    let input: Box<dyn BufRead> = match &arguments.input {
        None => Box::new(io::stdin().lock()),
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(|source| Fault::Read { path: path.clone(), source })?)),
    };
    let shown = arguments.input.as_ref().map_or_else(|| "the standard input".to_owned(), |path| path.display().to_string());
    let wrong = |message: String| Fault::Use(format!("{shown}: {message}; nothing was imported"));
    let archive = archive::read(&program, input).map_err(|error| wrong(error.to_string()))?;
    let counts = archive.counts();
    let of_space = deployment::whole_places(&project, &program, name, "import")?;
    let requests = archive.requests(&program, places.len(), |space| of_space.get(space.space.index()).copied().unwrap_or(0), AT_ONCE);
    // In memory first: what does not hold there is never written.
    let limits = Limits::default();
    let states = Archive::rehearse(&program, &limits, &requests).map_err(|refused| wrong(refused.to_string()))?;
    let mut audited = audit(&program, &states, &of_space, &limits, SystemHost::new().now()).map_err(|error| wrong(error.message))?;
    audited.findings.retain(|finding| finding.kind.is_error());
    if !audited.findings.is_empty() {
        super::audit::write_full(&mut io::stdout().lock(), &audited)?;
        return Err(wrong(format!("its data break what the patterns promise ({})", count(audited.findings.len(), "error"))));
    }
    drop(states);
    let mut prepared = Vec::new();
    for (file, requests) in files.into_iter().zip(&requests) {
        prepared.push(stores::with_opening(&program, &[], |opening| Import::prepare(file, opening, requests))?);
    }
    // Each store is filled by now, beside its place.
    for import in prepared {
        import.finish().map_err(|error| Fault::Use(error.message))?;
    }
    if !quiet {
        let (records, sent) = (count(counts.records as usize, "record"), count(counts.sent as usize, "event"));
        eprintln!("imported {records}, {sent} on the way");
    }
    Ok(ExitCode::SUCCESS)
}
