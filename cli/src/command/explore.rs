//! `patternc explore`

mod made;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::lower;
use patternc_interpreter::explore::{Bounds, Explorer, Outcome, Progress};
use patternc_program::{Program, Source, Test};
use serde_json::{Value, json};

use crate::command::test::Chosen;
use crate::deployment;
use crate::errors::{place, refuse_errors};
use crate::fault::Fault;
use crate::project::{self, Loaded};
use crate::render;
use crate::render::story::{self, Explored};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files or folders; the current folder unless given.
    paths: Vec<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// Which spaces share a store: as in this deployment. Without one, all of them do.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
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
    /// How many different states are looked at: in a test, or in all that are made up [default: 1000000, or 200000 with --events].
    #[arg(long, value_name = "N")]
    states: Option<usize>,
    /// How many steps are taken on one way.
    #[arg(long, default_value_t = 1_000)]
    depth: u32,
    /// Make up tests: every set of at most so many events that come at once, from the signatures of the handlers.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, conflicts_with = "filter", value_parser = clap::value_parser!(u8).range(1..))]
    events: Option<u8>,
    /// How many records of each type the tests that are made up have.
    #[arg(long, value_name = "M", value_hint = ValueHint::Other, requires = "events", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    records: u8,
    /// How many sets of events are tried at most.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, requires = "events", default_value_t = 10_000)]
    sets: usize,
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

impl Arguments {
    fn states(&self) -> usize {
        self.states.unwrap_or(if self.events.is_some() { 200_000 } else { 1_000_000 })
    }

    /// The bound that ended a search which has not seen all.
    fn reached(&self, outcome: &Outcome) -> Option<&'static str> {
        match outcome.complete {
            true => None,
            false if outcome.states >= self.states() => Some("--states"),
            false if outcome.depth >= self.depth => Some("--depth"),
            false => None,
        }
    }
}

/// What is known when Ctrl-C is pressed is still shown; pressed again, it ends at once.
fn until_interrupted() -> Result<Arc<AtomicBool>, Fault> {
    let stop = Arc::new(AtomicBool::new(false));
    let heard = stop.clone();
    ctrlc::set_handler(move || {
        if heard.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|error| Fault::Use(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(stop)
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let projects = project::load(&arguments.paths, Vec::new())?;
    if let Some(said) = project::lacks_files(&arguments.paths, &projects)?.filter(|_| !quiet) {
        eprintln!("{said}");
    }
    let stop = until_interrupted()?;
    let mut explored = Vec::new();
    let mut any_meant = false;
    let mut out = io::stdout().lock();
    for project in &projects {
        if let Some(code) = refuse_errors(project, deployment::judged(project, arguments.deployment.as_deref())?)? {
            return Ok(code);
        }
        let program = Arc::new(lower::lower(&project.db));
        any_meant |= wanted(arguments, project, &program).next().is_some();
        let (places, _) = deployment::places(project, &program, arguments.deployment.as_deref())?;
        let searcher = Searcher { arguments, places, stop: stop.clone(), quiet };
        let results: Box<dyn Iterator<Item = Result<Explored, Fault>>> = match arguments.events {
            Some(events) => Box::new(made::explore(&searcher, project, &program, events)?.into_iter().map(Ok)),
            None => Box::new(own_tests(&searcher, project, &program)),
        };
        for result in results {
            let result = result?;
            if arguments.output_format == Format::Full && (!quiet || result.outcome.violation.is_some()) {
                story::write(&mut out, &result)?;
            }
            explored.push(result);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    if let Some(fault) = arguments.chosen.none_found().filter(|_| !any_meant) {
        return Err(fault);
    }
    let interrupted = stop.load(Ordering::Relaxed);
    let violations = explored.iter().filter(|e| e.outcome.violation.is_some()).count();
    match arguments.output_format {
        Format::Full if explored.is_empty() && !interrupted => writeln!(out, "no tests found")?,
        Format::Full => {
            let states = explored.iter().map(|e| e.outcome.states).sum::<usize>();
            let tests = if arguments.events.is_some() { "patterns".to_owned() } else { render::count(explored.len(), "test") };
            let ended = if interrupted { "; interrupted: the rest was not explored" } else { "" };
            let (found, bounds) = (render::count(violations, "violation"), bounds(arguments));
            writeln!(out, "{tests} explored, {found}, {}; {bounds}{ended}", render::count(states, "state"))?;
        }
        Format::Json => {
            let tests: Vec<Value> = explored.iter().map(story::json).collect();
            let mut bounds = json!({
                "crashes": arguments.crashes, "duplicates": arguments.duplicates, "failures": arguments.failures,
                "states": arguments.states(), "depth": arguments.depth,
            });
            if let Some(events) = arguments.events {
                bounds["events"] = events.into();
                bounds["records"] = arguments.records.into();
                bounds["sets"] = arguments.sets.into();
            }
            let all = json!({ "tests": tests, "violations": violations, "bounds": bounds, "interrupted": interrupted });
            serde_json::to_writer_pretty(&mut out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(match (interrupted, violations) {
        (true, _) => ExitCode::from(130),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

/// The bounds, in words.
fn bounds(arguments: &Arguments) -> String {
    let mut bounds = vec![
        render::count(usize::from(arguments.crashes), "crash").replace("crashs", "crashes"),
        render::count(usize::from(arguments.duplicates), "duplicate"),
        render::count(usize::from(arguments.failures), "refusal"),
        render::count(arguments.states(), "state"),
        format!("{} on a way", render::count(arguments.depth as usize, "step")),
    ];
    if let Some(events) = arguments.events {
        let records = render::count(usize::from(arguments.records), "record");
        let events = render::count(usize::from(events), "event");
        bounds.insert(0, format!("{events} at once, {records} of each type, {} of events", render::count(arguments.sets, "set")));
    }
    format!("at most {}", bounds.join(", "))
}

/// The tests of a project, as they are asked for.
/// The tests that were asked for.
fn wanted<'a>(arguments: &'a Arguments, project: &'a Loaded, program: &'a Program) -> impl Iterator<Item = &'a Test> {
    let is_wanted = |test: &&Test| project.is_path_wanted(Path::new(&*program.files[test.at.file.index()]));
    program.tests.iter().filter(|test| arguments.chosen.has(&test.name)).filter(is_wanted)
}

fn own_tests<'a>(
    searcher: &'a Searcher<'a>,
    project: &'a Loaded,
    program: &'a Arc<Program>,
) -> impl Iterator<Item = Result<Explored, Fault>> + 'a {
    wanted(searcher.arguments, project, program).filter_map(move |test| {
        if let Some(why) = Explorer::refusal(test) {
            if !searcher.quiet {
                eprintln!("{}: not explored: {why}", test.name);
            }
            return None;
        }
        let began = Instant::now();
        let outcome = match searcher.explore(program, test, &test.name, searcher.bounds()) {
            Ok(outcome) => outcome,
            Err(fault) => return Some(Err(fault)),
        };
        let (path, start) = place(project, program, test.at);
        let violation_at = outcome.violation.as_ref().map(|(violation, _)| place(project, program, violation.at()));
        let text = project.text_of(&program.files[test.at.file.index()]);
        let again = outcome.violation.as_ref().map(|(_, story)| again(&text, test, &story.orders));
        let seconds = began.elapsed().as_secs_f64();
        Some(Ok(Explored {
            name: test.name.clone(),
            path,
            start,
            bound: searcher.arguments.reached(&outcome),
            outcome,
            seconds,
            violation_at,
            again,
            command: searcher.command(),
            made: None,
        }))
    })
}

/// Runs searches as the arguments say.
struct Searcher<'a> {
    arguments: &'a Arguments,
    places: Vec<usize>,
    stop: Arc<AtomicBool>,
    quiet: bool,
}

impl Searcher<'_> {
    fn bounds(&self) -> Bounds {
        let Arguments { crashes, duplicates, failures, depth, .. } = *self.arguments;
        Bounds { crashes, duplicates, failures, states: self.arguments.states(), depth }
    }

    /// What runs a test that is printed.
    fn command(&self) -> String {
        let deployment = self.arguments.deployment.as_ref().map(|name| format!(" --deployment {name}"));
        format!("patternc test{}", deployment.unwrap_or_default())
    }

    fn explore(&self, program: &Arc<Program>, test: &Test, name: &str, bounds: Bounds) -> Result<Outcome, Fault> {
        let shows = self.shows();
        let began = Instant::now();
        let mut progress = |at: Progress| {
            if shows {
                let rate = at.states as f64 / began.elapsed().as_secs_f64().max(0.001);
                eprint!("\r{name}: {} states, {} open, {} steps deep, {rate:.0} states/s \x1b[K", at.states, at.open, at.depth);
            }
        };
        let explorer = Explorer::new(program.clone(), self.places.clone(), bounds).until(self.stop.clone());
        let outcome = explorer.explore(test, &mut progress).map_err(|error| Fault::Use(error.message))?;
        if shows {
            eprint!("\r\x1b[K");
        }
        Ok(outcome)
    }

    /// Says what comes next, where a line says how far it is.
    fn tell(&self, what: &str) {
        if self.shows() {
            eprint!("\r{what} \x1b[K");
        }
    }

    /// Whether a line says how far it is.
    fn shows(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// The test with the orders that have it go wrong.
fn again(text: &str, test: &Test, orders: &[(Source, String)]) -> String {
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
