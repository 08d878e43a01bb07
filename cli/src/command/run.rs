//! `patternc run`

mod input;
mod output;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueHint;
use patternc_compiler::lower;
use patternc_interpreter::engine::Stage;
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::json::{self, CellName, Form, InvalidLine, JsonError, Keys, Names, Reader, Request};
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::store::StoreError;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, Program, RecordId};

use self::input::{Input, Line};
use self::output::{Answer, Printer};
use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::owner::{self, Voice, Watch};
use crate::project;
use crate::query::Queries;
use crate::stores::{self, Place};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// Events as JSON Lines; the standard input unless given.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Lose the data of this cell (`Person.nick`), record type (`Person`) or mirror (`readers`), which the patterns no longer have.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    discard: Vec<String>,
}

/// How often it is looked whether the process that owns the stores is still there, while no events come.
const FOLLOW: Duration = Duration::from_millis(500);
/// How long what runs may take to finish after Ctrl-C.
const FINISH: Duration = Duration::from_secs(30);

pub fn run(arguments: &Arguments, voice: Voice) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    if project.is_empty() {
        return Err(project::no_files(std::slice::from_ref(&arguments.path)));
    }
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, arguments.deployment.as_deref())?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    deployment::require_externs(&project, &program, arguments.deployment.as_deref())?;
    let places = stores::places(&project, arguments.deployment.as_deref())?;
    stores::discard(&places, &program, &deployment::limits(&project), &arguments.discard)?;
    let run = Run { project, program, places, deployment: arguments.deployment.clone(), voice };
    let input = Input::open(arguments.events.as_deref())?;
    let printer = Printer::start(run.program.clone());
    let (mut running, mut line) = (run.begin(None)?, None);
    let stopped = loop {
        match run.take_events(&running, &input, &printer, line.take()) {
            Ended::Orphaned(next) => {
                line = next;
                // What the owner did not answer is told so.
                let _ = printer.wait_for_all();
                let ended = running.owner.take();
                drop(running);
                running = run.begin(ended.as_deref())?;
            }
            Ended::Input => break false,
            Ended::Stopped => break true,
            Ended::Broken(source) => return Err(Fault::Read { path: arguments.events.clone().unwrap_or_else(|| "-".into()), source }),
        }
    };
    // What has no outcome when everything had time to finish is answered as `unavailable`: it shows when the event is sent again.
    let stopped = stopped || !printer.wait_for_all();
    let quiet = voice == Voice::Quiet;
    let left = if stopped { running.runtime.wind_down(FINISH) } else { finish(&running.runtime, quiet) };
    if left && !quiet {
        eprintln!("patternc: some events are still on their way; they go on when the patterns are run next");
    }
    drop(running);
    let all_well = printer.finish()?;
    Ok(match (stopped, all_well) {
        (true, _) => ExitCode::from(130),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// What is run.
struct Run {
    project: project::Loaded,
    program: Arc<Program>,
    places: Vec<Place>,
    deployment: Option<String>,
    voice: Voice,
}

/// A program that runs.
struct Running {
    /// Does what other processes ask for. Ends before the runtime does.
    _watch: Option<Watch>,
    runtime: Runtime,
    /// The process that owns the stores, if it is not this one.
    owner: Option<String>,
}

/// Why no more events are taken.
enum Ended {
    /// There are no more.
    Input,
    /// Ctrl-C.
    Stopped,
    Broken(std::io::Error),
    /// The process that owned the stores is no more; with the line that came meanwhile.
    Orphaned(Option<Line>),
}

impl Run {
    /// Starts the program: on its stores, or following who owns them. `ended`: who owned them until now.
    fn begin(&self, ended: Option<&str>) -> Result<Running, Fault> {
        let state = self.project.root.join(project::deployment::STATE);
        let (parts, owner) = deployment::join(&self.project, &self.program, self.deployment.as_deref(), Fallback::File(&state))?;
        let runtime = deployment::start(&self.program, parts)?;
        let _watch = match &owner {
            None => Some(Watch::start(&self.places, runtime.caretaker(), self.voice)?),
            Some(_) => None,
        };
        if self.voice != Voice::Quiet {
            let follows = owner
                .as_ref()
                .map(|owner| format!("the store is in use by {owner}: that takes the events, with the patterns that it runs"));
            match (ended, follows) {
                (None, None) => {}
                (None, Some(follows)) => eprintln!("patternc: {follows}"),
                (Some(ended), None) => eprintln!("patternc: {ended} has ended: this run has the store now"),
                (Some(ended), Some(follows)) => eprintln!("patternc: {ended} has ended, and now {follows}"),
            }
        }
        Ok(Running { _watch, runtime, owner })
    }

    /// Takes the events of the input, this line first.
    fn take_events(&self, running: &Running, input: &Input, printer: &Printer, mut first: Option<Line>) -> Ended {
        let (program, runtime) = (&self.program, &running.runtime);
        let session = runtime.session();
        let names = Names::new(program);
        let limits = deployment::limits(&self.project);
        let keys = LiveKeys { runtime, printer };
        let mut queries = Queries::new(&self.project.db);
        let reader = Reader { program, names: &names, form: Form::Outside, here: None, keys: Some(&keys), limits: Some(&limits) };
        let patience = running.owner.as_ref().map(|_| FOLLOW);
        loop {
            let next = first.take().or_else(|| input.next(patience));
            if running.owner.is_some() && owner::is_gone(&self.places) {
                return Ended::Orphaned(next);
            }
            let (number, text) = match next {
                None => continue,
                Some(Line::Text(number, text)) => (number, text),
                Some(Line::NotText(line, at)) => {
                    let message = format!("this line is not UTF-8 from byte {} on: write the events as UTF-8", at + 1);
                    printer.print(Answer::Invalid { line, id: None, error: JsonError { path: String::new(), message } });
                    continue;
                }
                Some(Line::End) => return Ended::Input,
                Some(Line::Stop) => return Ended::Stopped,
                Some(Line::Broken(source)) => return Ended::Broken(source),
            };
            if text.trim().is_empty() {
                continue;
            }
            let line = match json::parse(&text, &limits) {
                Ok(line) => line,
                Err(InvalidLine { id, error }) => {
                    printer.print(Answer::Invalid { line: number, id, error });
                    continue;
                }
            };
            let id = line.id.clone();
            // A line that names a record by its key, a read and a query see everything before them.
            let request = match line.resolve(&reader) {
                Ok(request) => request,
                Err(error) => {
                    printer.print(Answer::Invalid { line: number, id, error });
                    continue;
                }
            };
            match request {
                Request::Event(action) => {
                    let taken = runtime.submit(session, id, line.caller.clone(), action.clone());
                    printer.print(Answer::Event { taken, action });
                }
                Request::Read { record, cells } => {
                    if !printer.wait_for_all() {
                        return Ended::Stopped;
                    }
                    let values = read_cells(runtime, &record, &cells);
                    printer.print(Answer::Cells { id, record, cells, values });
                }
                Request::Query { text, space } => {
                    if !printer.wait_for_all() {
                        return Ended::Stopped;
                    }
                    let result = queries.run(runtime, &text, space.as_ref(), line.caller.as_ref());
                    printer.print(Answer::Query { line: number, id, result });
                }
            }
        }
    }
}

/// Waits until nothing is in flight, and says what is parked. Gives whether anything is left.
fn finish(runtime: &Runtime, quiet: bool) -> bool {
    while !runtime.wait_idle(Duration::from_secs(1)) && !input::stopped() {}
    if !quiet && !runtime.follows() {
        let status = runtime.status();
        let delayed = status.flights.iter().filter(|f| f.outcome.is_none() && f.stage != Stage::Elsewhere).count();
        if delayed > 0 {
            eprintln!("patternc: {} for later", crate::render::count(delayed, "event"));
        }
        for flight in status.flights.iter().filter(|f| f.outcome.is_some()) {
            let why = flight.trouble.as_deref().unwrap_or("its outcome has no taker");
            eprintln!("patternc: parked: {} ({why})", flight.known_as.0);
        }
    }
    runtime.wind_down(FINISH)
}

fn read_cells(runtime: &Runtime, record: &RecordRef, cells: &[CellName]) -> Result<Vec<Value>, Failure> {
    let read = runtime.read(|engine| cells.iter().map(|cell| engine.read_cell(record, *cell)).collect());
    read.unwrap_or_else(|error| Err(Failure::new(FailureKind::Unavailable, error.message)))
}

/// Looks records up by key in the running stores.
struct LiveKeys<'a> {
    runtime: &'a Runtime,
    printer: &'a Printer,
}

impl Keys for LiveKeys<'_> {
    fn by_key(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, key: &Value) -> Result<Option<RecordRef>, StoreError> {
        if self.runtime.follows() {
            // What came before may still be on its way to the owner. Who wants to stop does not wait.
            let _ = self.printer.wait_for_all();
        }
        self.runtime.read(|engine| engine.stores().of(space).unique(record, space, cell, key))?
    }
}
