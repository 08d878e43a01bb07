//! `patternc run`

mod input;
mod output;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use patternc_compiler::lower;
use patternc_interpreter::engine::Stage;
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::json::{self, CellName, Form, InvalidLine, JsonError, Keys, Names, Reader, Request};
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::store::StoreError;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, RecordId};

use self::input::{Input, Line};
use self::output::{Answer, Printer};
use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::owner::{Voice, Watch};
use crate::query::Queries;
use crate::{project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// Events as JSON Lines; the standard input unless given.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Lose the data of this cell (`Person.nick`) or record type (`Person`), which the patterns no longer have.
    #[arg(long, value_name = "NAME")]
    discard: Vec<String>,
}

/// How long what runs may take to finish after Ctrl-C.
const FINISH: Duration = Duration::from_secs(30);

pub fn run(arguments: &Arguments, voice: Voice) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    if voice != Voice::Quiet && project.is_empty() {
        eprintln!("{}", project::no_files(std::slice::from_ref(&arguments.path))?);
    }
    if let Some(code) = super::test::refuse_errors(&project, deployment::judged(&project, arguments.deployment.as_deref())?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    deployment::require_externs(&project, &program, arguments.deployment.as_deref())?;
    let places = stores::places(&project, arguments.deployment.as_deref())?;
    stores::discard(&places, &program, &deployment::limits(&project), &arguments.discard)?;
    let state = project.root.join(deployment::STATE);
    let (parts, owner) = deployment::join(&project, &program, arguments.deployment.as_deref(), Fallback::File(&state))?;
    let runtime = deployment::start(&program, parts)?;
    let quiet = voice == Voice::Quiet;
    let watch = match &owner {
        None => Some(Watch::start(&places, runtime.caretaker(), voice)?),
        Some(owner) => {
            if !quiet {
                eprintln!("patternc: the store is in use by {owner}: that takes the events, with the patterns that it runs");
            }
            None
        }
    };
    let input = Input::open(arguments.events.as_deref())?;
    let printer = Printer::start(program.clone());
    let session = runtime.session();
    let names = Names::new(&program);
    let limits = deployment::limits(&project);
    let keys = LiveKeys { runtime: &runtime, printer: &printer };
    let mut queries = Queries::new(&project.db);
    let reader = Reader { program: &program, names: &names, form: Form::Outside, here: None, keys: Some(&keys), limits: Some(&limits) };

    let stopped = loop {
        let (number, text) = match input.next() {
            Line::Text(number, text) => (number, text),
            Line::NotText(line, at) => {
                let message = format!("this line is not UTF-8 from byte {} on: write the events as UTF-8", at + 1);
                printer.print(Answer::Invalid { line, id: None, error: JsonError { path: String::new(), message } });
                continue;
            }
            Line::End => break false,
            Line::Stop => break true,
            Line::Broken(source) => return Err(Fault::Read { path: arguments.events.clone().unwrap_or_else(|| "-".into()), source }),
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
                    break true;
                }
                let values = read_cells(&runtime, &record, &cells);
                printer.print(Answer::Cells { id, record, cells, values });
            }
            Request::Query { text, space } => {
                if !printer.wait_for_all() {
                    break true;
                }
                let result = queries.run(&runtime, &text, space.as_ref(), line.caller.as_ref());
                printer.print(Answer::Query { line: number, id, result });
            }
        }
    };
    // What has no outcome when everything had time to finish is answered as `unavailable`: it shows when the event is sent again.
    let stopped = stopped || !printer.wait_for_all();
    let left = if stopped { runtime.close(FINISH) } else { finish(runtime, quiet) };
    if left && !quiet {
        eprintln!("patternc: some events are still on their way; they go on when the patterns are run next");
    }
    drop(watch);
    let all_well = printer.finish()?;
    Ok(match (stopped, all_well) {
        (true, _) => ExitCode::from(130),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// Waits until nothing is in flight, says what is parked, and closes.
fn finish(runtime: Runtime, quiet: bool) -> bool {
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
    runtime.close(FINISH)
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
