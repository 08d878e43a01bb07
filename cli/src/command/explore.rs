//! `patternc explore`

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, Explorer, Outcome, Progress};
use patternc_program::{Program, Source, Test};
use serde_json::{Value, json};

use crate::command::test::{place, refuse_errors};
use crate::deployment;
use crate::fault::Fault;
use crate::project::{self, Loaded};
use crate::render::story;
use crate::render::{self, Position};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Explore only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Which spaces share a store: as in this deployment. Without one, all of them do.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// How often the process may die.
    #[arg(long, default_value_t = 1)]
    crashes: u8,
    /// How many events may be delivered twice, or answers of the outside be lost.
    #[arg(long, default_value_t = 1)]
    duplicates: u8,
    /// How many calls the outside may refuse, whatever the test says that it answers.
    #[arg(long, default_value_t = 0)]
    failures: u8,
    /// How many different states are looked at in a test.
    #[arg(long, default_value_t = 1_000_000)]
    states: usize,
    /// How many steps are taken on one way.
    #[arg(long, default_value_t = 1_000)]
    depth: u32,
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a test; what is found, as a timeline and as a test.
    Full,
    /// One JSON object.
    Json,
}

/// A test explored.
pub struct Explored {
    pub name: Box<str>,
    pub path: String,
    pub start: Position,
    pub outcome: Outcome,
    pub seconds: f64,
    /// Where the violation is, and a test that shows it again.
    pub violation_at: Option<(String, Position)>,
    pub again: Option<String>,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let projects = project::load(&arguments.paths, None)?;
    let mut explored = Vec::new();
    let mut out = io::stdout().lock();
    for project in &projects {
        if let Some(code) = refuse_errors(project, deployment::judged(project, arguments.deployment.as_deref())?)? {
            return Ok(code);
        }
        let program = Arc::new(lower::lower(&project.db));
        let wanted: Vec<&Test> = program
            .tests
            .iter()
            .filter(|test| arguments.filter.as_ref().is_none_or(|text| test.name.contains(text.as_str())))
            .filter(|test| project.is_path_wanted(Path::new(&*program.files[test.at.file.index()])))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let (places, _) = deployment::places(project, &program, arguments.deployment.as_deref())?;
        for test in wanted {
            if let Some(why) = Explorer::refusal(test) {
                if !quiet {
                    eprintln!("{}: not explored: {why}", test.name);
                }
                continue;
            }
            let result = explore(arguments, project, &program, test, places.clone(), quiet)?;
            if arguments.output_format == Format::Full && (!quiet || result.outcome.violation.is_some()) {
                story::write(&mut out, &result)?;
            }
            explored.push(result);
        }
    }
    let violations = explored.iter().filter(|e| e.outcome.violation.is_some()).count();
    match arguments.output_format {
        Format::Full if explored.is_empty() => writeln!(out, "no tests found")?,
        Format::Full => {
            let states = explored.iter().map(|e| e.outcome.states).sum::<usize>();
            let bounds = format!(
                "at most {}, {}, {}, {}, {} on a way",
                render::count(usize::from(arguments.crashes), "crash").replace("crashs", "crashes"),
                render::count(usize::from(arguments.duplicates), "duplicate"),
                render::count(usize::from(arguments.failures), "refusal"),
                render::count(arguments.states, "state"),
                render::count(arguments.depth as usize, "step"),
            );
            let tests = render::count(explored.len(), "test");
            writeln!(out, "{tests} explored, {}, {}; {bounds}", render::count(violations, "violation"), render::count(states, "state"))?;
        }
        Format::Json => {
            let tests: Vec<Value> = explored.iter().map(story::json).collect();
            let bounds = json!({
                "crashes": arguments.crashes, "duplicates": arguments.duplicates, "failures": arguments.failures,
                "states": arguments.states, "depth": arguments.depth,
            });
            let all = json!({ "tests": tests, "violations": violations, "bounds": bounds });
            serde_json::to_writer_pretty(&mut out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if violations > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn explore(
    arguments: &Arguments,
    project: &Loaded,
    program: &Arc<Program>,
    test: &Test,
    places: Vec<usize>,
    quiet: bool,
) -> Result<Explored, Fault> {
    let bounds = Bounds {
        crashes: arguments.crashes,
        duplicates: arguments.duplicates,
        failures: arguments.failures,
        states: arguments.states,
        depth: arguments.depth,
    };
    let shows = !quiet && io::stderr().is_terminal();
    let began = Instant::now();
    let mut progress = |at: Progress| {
        if shows {
            let rate = at.states as f64 / began.elapsed().as_secs_f64().max(0.001);
            eprint!("\r{}: {} states, {} open, {} steps deep, {rate:.0} states/s \x1b[K", test.name, at.states, at.open, at.depth);
        }
    };
    let explorer = Explorer::new(program.clone(), places, bounds);
    let outcome = explorer.explore(test, &mut progress).map_err(|error| Fault::Use(error.message))?;
    if shows {
        eprint!("\r\x1b[K");
    }
    let (path, start) = place(project, program, test.at);
    let violation_at = outcome.violation.as_ref().map(|(violation, _)| place(project, program, violation.at()));
    let again = outcome.violation.as_ref().map(|(_, story)| again(project, program, test, &story.orders));
    Ok(Explored { name: test.name.clone(), path, start, outcome, seconds: began.elapsed().as_secs_f64(), violation_at, again })
}

/// The test with the orders that have it go wrong.
fn again(project: &Loaded, program: &Program, test: &Test, orders: &[(Source, String)]) -> String {
    let text = project.text_of(&program.files[test.at.file.index()]);
    let (start, end) = (test.at.start as usize, test.at.end as usize);
    let mut out = String::new();
    let mut done = start;
    for (at, order) in orders {
        let at = at.start as usize;
        let Some(before) = text.get(done..at) else { continue };
        let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let indent: String = text[line..at].chars().take_while(|c| c.is_whitespace()).collect();
        out.push_str(before);
        out.push_str(&format!("order \"{order}\"\n{indent}"));
        done = at;
    }
    out.push_str(text.get(done..end).unwrap_or_default());
    out
}
