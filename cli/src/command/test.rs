//! `patternc test`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::check::Deployments;
use patternc_compiler::config;
use patternc_compiler::lower;
use patternc_interpreter::simulate::{self, Options, TestReport};
use patternc_interpreter::store::postgres::Scratch;
use patternc_program::Program;
use serde_json::{Value, json};

use crate::deployment;
use crate::errors::{errors, place, refuse_errors};
use crate::fault::Fault;
use crate::project::{self, Loaded};
use crate::render::junit::{Case, Failure, Outcome, Suite};
use crate::render::{self, Position};

/// Which tests are meant, by their names.
#[derive(clap::Args)]
pub struct Chosen {
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    filter: Option<String>,
    /// Only the test whose whole name that is.
    #[arg(long, requires = "filter")]
    exact: bool,
}

impl Chosen {
    pub fn has(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|text| if self.exact { name == text } else { name.contains(text) })
    }

    /// That no test is meant, where one was asked for by its name.
    pub fn none_found(&self) -> Option<Fault> {
        let filter = self.filter.as_ref()?;
        let what = if self.exact { format!("no test has the name `{filter}`") } else { format!("no test has `{filter}` in its name") };
        Some(Fault::Use(format!("{what}; `patternc test` without --filter shows their names")))
    }
}

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders; the current folder unless given.
    paths: Vec<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// The first seed: the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With how many seeds each test is run.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Which spaces share a store: as in this deployment. Without one, all of them do.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// Where the data of a test is kept.
    #[arg(long, value_enum, default_value_t = Store::Memory)]
    store: Store,
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Memory,
    Sqlite,
    /// The database at DATABASE_URL; each store of a test has a schema of its own there, which is dropped afterwards.
    Postgres,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a test, and why it failed.
    Full,
    /// One JSON object.
    Json,
    /// JUnit XML.
    Junit,
    /// Annotations of GitHub Actions: each test that failed, where it did.
    Github,
}

/// A test with how all of its runs went: the first failure, or the last success.
struct Ran {
    report: TestReport,
    path: String,
    start: Position,
    /// Runs done.
    runs: u64,
    /// Transactions that had to run again, over all runs.
    conflicts: u64,
    failed: Option<Failed>,
}

/// The failure of a test, as it is shown.
struct Failed {
    path: String,
    at: Position,
    /// What went wrong, with the expectation that did not hold.
    message: String,
    notes: Vec<String>,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let projects = project::load(&arguments.paths, Vec::new())?;
    if let Some(said) = project::lacks_files(&arguments.paths, &projects)?.filter(|_| !quiet) {
        eprintln!("{said}");
    }
    let mut ran = Vec::new();
    let mut out = io::stdout().lock();
    let mut refused = false;
    for project in &projects {
        // What is asked of all projects alike may leave open which deployment is meant; a store for all spaces does for tests then.
        let default = || config::config(&project.db).default_deployment().map(|(name, _)| name);
        let deployment = arguments.deployment.as_deref().or_else(default);
        let judged = || deployment.map_or(Ok(Deployments::None), |name| deployment::judged(project, Some(name)));
        if arguments.output_format == Format::Full {
            if let Some(code) = refuse_errors(project, judged()?)? {
                return Ok(code);
            }
        } else {
            // The output is for a program, which gets what was run: nothing of this project.
            let errors = errors(project, judged()?);
            if !errors.is_empty() {
                render::concise::write(&mut io::stderr().lock(), &errors)?;
                eprintln!("{} in the patterns: nothing of them was run", render::count(errors.len(), "error"));
                refused = true;
                continue;
            }
        }
        let program = Arc::new(lower::lower(&project.db));
        let places = deployment.map(|name| deployment::places(project, &program, Some(name))).transpose()?;
        let places = places.map_or_else(Vec::new, |(places, _)| places);
        for test in program.tests.iter().filter(|test| arguments.chosen.has(&test.name)) {
            let place = place(project, &program, test.at);
            if !project.is_path_wanted(Path::new(&*program.files[test.at.file.index()])) {
                continue;
            }
            let result = run_test(arguments, project, &program, &places, test, place)?;
            if arguments.output_format == Format::Full && (!quiet || !result.report.passed()) {
                write_full(&mut out, &result)?;
            }
            ran.push(result);
        }
    }
    if let Some(fault) = arguments.chosen.none_found().filter(|_| ran.is_empty() && !refused) {
        return Err(fault);
    }
    let failed = ran.iter().filter(|r| !r.report.passed()).count();
    match arguments.output_format {
        Format::Full => {
            if ran.is_empty() {
                writeln!(out, "no tests found")?;
            } else {
                writeln!(out, "{} passed, {failed} failed", ran.len() - failed)?;
            }
        }
        Format::Github => {
            for ran in &ran {
                if let Some(failed) = &ran.failed {
                    let title = format!("test \"{}\"", ran.report.name);
                    render::github::error(&mut out, &failed.path, failed.at, &title, &whole(ran))?;
                }
            }
            writeln!(out, "{} passed, {failed} failed", ran.len() - failed)?;
        }
        Format::Junit => render::junit::write_suites(&mut out, "patternc test", &suites(&ran))?,
        Format::Json => {
            let tests: Vec<Value> = ran.iter().map(json).collect();
            let all = json!({ "tests": tests, "passed": ran.len() - failed, "failed": failed });
            serde_json::to_writer_pretty(&mut out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if failed > 0 || refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_test(
    arguments: &Arguments,
    project: &Loaded,
    program: &Arc<Program>,
    places: &[usize],
    test: &patternc_program::Test,
    (path, start): (String, Position),
) -> Result<Ran, Fault> {
    let mut runs = 0;
    let mut conflicts = 0;
    let stores = places.iter().max().map_or(1, |most| most + 1);
    loop {
        let seed = arguments.seed.wrapping_add(runs);
        let mut options = Options { places: places.to_vec(), ..Options::seeded(seed) };
        let (folder, scratches);
        if arguments.store == Store::Sqlite {
            folder = tempfile::tempdir().map_err(|e| Fault::Use(format!("cannot make a folder for the store of a test: {e}")))?;
            options.disk = Some(Box::new(simulate::sqlite_disk(program, &options.limits, folder.path(), stores)));
        }
        if arguments.store == Store::Postgres {
            let url = std::env::var("DATABASE_URL").map_err(|_| {
                let message = "--store postgres needs a database: set DATABASE_URL to its address (postgres://user:password@host/database)";
                Fault::Use(message.to_owned())
            })?;
            let made: Result<Vec<Scratch>, _> = (0..stores).map(|_| Scratch::new(&url)).collect();
            scratches = made.map_err(|error| Fault::Use(error.message))?;
            let urls: Vec<&str> = scratches.iter().map(Scratch::url).collect();
            options.disk = Some(Box::new(simulate::postgres_disk(program, &options.limits, &urls)));
        }
        let report = simulate::run_test(program, test, options);
        runs += 1;
        conflicts += report.counters.conflicts;
        if !report.passed() || runs == arguments.runs {
            let failed = report.failure.as_ref().map(|failure| {
                let (path, at) = place(project, program, failure.at);
                let text = project.text_of(&program.files[failure.at.file.index()]);
                let written = text.get(failure.at.start as usize..failure.at.end as usize).unwrap_or_default();
                let message = match written.lines().next() {
                    Some(line) if failure.message == simulate::DOES_NOT_HOLD => format!("{}: `{line}`", failure.message),
                    _ => failure.message.clone(),
                };
                Failed { path, at, message, notes: failure.notes.clone() }
            });
            return Ok(Ran { report, path, start, runs, conflicts, failed });
        }
    }
}

fn write_full(out: &mut impl Write, ran: &Ran) -> io::Result<()> {
    let mark = if ran.report.passed() { "ok" } else { "FAILED" };
    let mut about = Vec::new();
    if ran.runs > 1 {
        about.push(render::count(ran.runs as usize, "run"));
    }
    if ran.conflicts > 0 {
        about.push(render::count(ran.conflicts as usize, "conflict"));
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    writeln!(out, "{mark:<6} {}:{}: {}{about}", ran.path, ran.start.line, ran.report.name)?;
    if let Some(Failed { path, at, message, notes }) = &ran.failed {
        writeln!(out, "       {path}:{}:{}: {message}", at.line, at.column)?;
        for note in notes {
            writeln!(out, "         {note}")?;
        }
        writeln!(out, "         the same run again: --seed {}", ran.report.seed)?;
    }
    Ok(())
}

/// All that is said of a test that failed.
fn whole(ran: &Ran) -> String {
    let Some(Failed { message, notes, .. }) = &ran.failed else { return String::new() };
    let again = format!("the same run again: --seed {}", ran.report.seed);
    [message].into_iter().chain(notes).chain([&again]).map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// A suite for each file.
fn suites(ran: &[Ran]) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for ran in ran {
        let failure = ran.failed.as_ref().map(|Failed { path, at, message, .. }| {
            let text = format!("{path}:{}:{}: {}", at.line, at.column, whole(ran));
            Failure { kind: "failed".to_owned(), message: message.clone(), text }
        });
        let case = Case { name: ran.report.name.to_string(), outcome: failure.map_or(Outcome::Passed, Outcome::Failed) };
        match suites.last_mut() {
            Some(suite) if suite.name == ran.path => suite.cases.push(case),
            _ => suites.push(Suite { name: ran.path.clone(), cases: vec![case] }),
        }
    }
    suites
}

fn json(ran: &Ran) -> Value {
    let mut object = json!({
        "name": ran.report.name,
        "path": ran.path,
        "line": ran.start.line,
        "outcome": if ran.report.passed() { "passed" } else { "failed" },
        "runs": ran.runs,
        "seed": ran.report.seed,
        "conflicts": ran.conflicts,
    });
    if let Some(Failed { path, at, message, notes }) = &ran.failed {
        object["failure"] = json!({ "path": path, "line": at.line, "column": at.column, "message": message, "notes": notes });
    }
    object
}
