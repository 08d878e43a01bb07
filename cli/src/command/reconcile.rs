//! `patternc reconcile`

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::lower;
use patternc_interpreter::duration;
use patternc_interpreter::runtime::Runtime;
use serde_json::{Value as Json, json};

use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::owner::{self, Voice, Watch};
use crate::reconciliation::{self, Reconciliation};
use crate::render::count;
use crate::{project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// The mirror.
    mirror: String,
    /// One scope: a Text as it is, anything else as JSON; all that the mirror has facts of unless given.
    scope: Option<String>,
    /// A file or folder of the project.
    #[arg(long, default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// How long the other side may leave it waiting, as `30s`, `10m` or `2h`.
    #[arg(long, default_value = "10m", value_name = "DURATION", value_hint = ValueHint::Other, value_parser = duration)]
    timeout: Duration,
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Output::Full)]
    output_format: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Full,
    Json,
}

/// How long what is on its way may take to finish in the end.
const FINISH: Duration = Duration::from_secs(30);
/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(50);

/// Who does it.
enum Worker {
    /// The process that owns the store.
    Owner { file: PathBuf, id: Json },
    /// This one, which runs the patterns for as long as it takes. What looks after them ends before they do.
    Here { work: Reconciliation, watch: Watch, runtime: Runtime },
}

/// Exit status 0 when all scopes are as their records say, 1 when one could not be reconciled or the other side refused a repair.
pub fn run(arguments: &Arguments, voice: Voice) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let name = arguments.deployment.as_deref();
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    let mirror = reconciliation::find(&program, &arguments.mirror).map_err(Fault::Use)?;
    if let Some(scope) = &arguments.scope {
        reconciliation::read_scope(&program, mirror, scope).map_err(Fault::Use)?;
    }
    let places = stores::places(&project, name)?;
    let request = json!({ "do": "reconcile", "mirror": arguments.mirror, "scope": arguments.scope,
        "timeout": u64::try_from(arguments.timeout.as_millis()).unwrap_or(u64::MAX) });
    let mut worker = None;
    for file in places.iter().filter_map(|place| place.file()) {
        if let Some(answer) = owner::ask(file, &request)? {
            worker = Some(Worker::Owner { file: file.to_path_buf(), id: answer["reconciliation"].clone() });
            break;
        }
    }
    let worker = match worker {
        Some(worker) => worker,
        None => {
            deployment::require_externs(&project, &program, name)?;
            let runtime = deployment::open(&project, &program, name, Fallback::File(&project.root.join(project::deployment::STATE)))?;
            let watch = Watch::start(&places, runtime.caretaker(), voice)?;
            let work = Reconciliation::begin(runtime.caretaker(), &arguments.mirror, arguments.scope.as_deref(), arguments.timeout);
            let work = work.map_err(Fault::Use)?;
            Worker::Here { work, watch, runtime }
        }
    };
    let ended = follow(arguments, &worker, voice == Voice::Quiet)?;
    if let Worker::Here { work, watch, runtime } = worker {
        drop(work);
        runtime.wind_down(if ended == Ended::Stalled { Duration::ZERO } else { FINISH });
        drop(watch);
        drop(runtime);
    }
    Ok(if ended == Ended::Well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// A scope could not be reconciled, or a repair was refused.
    Badly,
    /// The other side did not go on.
    Stalled,
}

fn duration(text: &str) -> Result<Duration, String> {
    let milliseconds = duration::parse(text).and_then(|milliseconds| u64::try_from(milliseconds).ok());
    milliseconds.map(Duration::from_millis).ok_or_else(|| "a duration is a whole number and a unit, as `30s`, `10m` or `2h`".to_owned())
}

impl Worker {
    /// As [`Reconciliation::look`].
    fn look(&self) -> Result<Json, Fault> {
        match self {
            Worker::Here { work, .. } => Ok(work.look()),
            Worker::Owner { file, id } => owner::ask(file, &json!({ "do": "reconciled", "id": id }))?
                .ok_or_else(|| Fault::Use(format!("the process that owned {} has ended meanwhile: reconcile again", file.display()))),
        }
    }
}

/// Tells of each scope when it has ended.
fn follow(arguments: &Arguments, worker: &Worker, quiet: bool) -> Result<Ended, Fault> {
    let bar = !quiet && io::stderr().is_terminal();
    let mut all_well = true;
    let mut out = io::stdout().lock();
    loop {
        let news = worker.look()?;
        if bar {
            eprint!("\r\x1b[K");
        }
        for report in news["reports"].as_array().into_iter().flatten() {
            all_well &= report.get("failure").is_none() && report["refused"].as_array().is_none_or(Vec::is_empty);
            match arguments.output_format {
                Output::Full => write_report(&mut out, report, quiet)?,
                Output::Json => writeln!(out, "{report}")?,
            }
        }
        out.flush()?;
        let (scopes, ended) = (number(&news["scopes"]), number(&news["ended"]));
        if news["done"] == true {
            if news["stalled"] == true {
                if arguments.scope.is_none() && !quiet {
                    eprintln!("patternc: {ended} of {} of `{}` reconciled", count(scopes, "scope"), arguments.mirror);
                }
                return Ok(Ended::Stalled);
            }
            if ended < scopes {
                return Err(Fault::Use(format!("{} of {} reconciled when the patterns stopped running", ended, count(scopes, "scope"))));
            }
            if arguments.scope.is_none() && !quiet {
                eprintln!(
                    "patternc: {} of `{}` reconciled: those that records have, or had, facts of; any other is reconciled when it is named",
                    count(scopes, "scope"),
                    arguments.mirror
                );
            }
            return Ok(if all_well { Ended::Well } else { Ended::Badly });
        }
        if bar {
            draw(ended, scopes, &news);
        }
        std::thread::sleep(LOOK);
    }
}

fn number(json: &Json) -> usize {
    json.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

fn draw(ended: usize, scopes: usize, news: &Json) {
    const WIDTH: usize = 30;
    let repaired = number(&news["repaired"]);
    let (part, found) = match news["found"].as_u64() {
        None => (0, "waiting for the other side".to_owned()),
        Some(0) => (WIDTH, "nothing to repair".to_owned()),
        Some(_) => {
            let found = number(&news["found"]);
            (WIDTH * repaired.min(found) / found, format!("{repaired} of {found} repaired"))
        }
    };
    let done = ((ended * WIDTH + part) / scopes.max(1)).min(WIDTH);
    eprint!("\r\x1b[K[{}{}] scope {} of {scopes}, {found}", "#".repeat(done), " ".repeat(WIDTH - done), (ended + 1).min(scopes));
    // A bar that cannot be drawn is not missed.
    let _ = io::stderr().flush();
}

/// Says what a reconciliation found and did.
pub fn write_report(out: &mut impl Write, report: &Json, quiet: bool) -> io::Result<()> {
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    let what = format!("{}({})", text(&report["mirror"]), report["scope"]);
    if let Some(failure) = report.get("failure") {
        return writeln!(out, "{what}: not reconciled: {}: {}", text(&failure["kind"]), text(&failure["message"]));
    }
    let list = |name: &str| report[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (missing, surplus, refused, settled) = (list("missing"), list("surplus"), list("refused"), list("settled"));
    let facts = count(number(&report["facts"]), "fact");
    if missing.is_empty() && surplus.is_empty() && refused.is_empty() {
        if !quiet || !settled.is_empty() {
            writeln!(out, "{what}: {facts}, all as they should be")?;
        }
    } else {
        write!(out, "{what}: {facts}, {} missing and added, {} too much and removed", missing.len(), surplus.len())?;
        if !refused.is_empty() {
            write!(out, ", {} refused and parked", refused.len())?;
        }
        writeln!(out)?;
    }
    missing.iter().try_for_each(|fact| writeln!(out, "  + {fact}"))?;
    surplus.iter().try_for_each(|fact| writeln!(out, "  - {fact}"))?;
    settled.iter().try_for_each(|fact| writeln!(out, "  = {fact}: no longer parked"))?;
    refused.iter().try_for_each(|refused| writeln!(out, "  ! {}: {}", refused["fact"], text(&refused["reason"])))
}
