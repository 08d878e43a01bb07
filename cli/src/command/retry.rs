//! `patternc retry`

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ValueEnum, ValueHint};
use patternc_compiler::lower;
use patternc_interpreter::runtime::Found;
use serde_json::{Value, json};

use crate::deployment::Fallback;
use crate::fault::Fault;
use crate::{deployment, owner, project, stores};

#[derive(clap::Args)]
pub struct Arguments {
    /// The id of a parked event, as `patternc status` shows it; all of them unless given.
    #[arg(value_name = "ID", value_hint = ValueHint::Other)]
    id: Option<String>,
    /// It is done after all: goes on as if it had answered this, in JSON; without a value where there is no result.
    #[arg(long, value_name = "RESULT", value_hint = ValueHint::Other, num_args = 0..=1, requires = "id", conflicts_with = "not_done")]
    done: Option<Option<String>>,
    /// Nothing of it is done: does it anew, also if it must not happen twice.
    #[arg(long, requires = "id")]
    not_done: bool,
    /// A file or folder of the project.
    #[arg(long, value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// A deployment of `patternc.yaml`; its `default-deployment` unless given.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    deployment: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    output_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line an event.
    Full,
    /// One JSON array.
    Json,
}

/// How long what was resumed may take to finish when nobody else runs the patterns.
const FINISH: Duration = Duration::from_secs(30);

pub fn run(arguments: &Arguments, quiet: bool) -> Result<ExitCode, Fault> {
    let project = project::load_one(&arguments.path)?;
    let name = arguments.deployment.as_deref();
    let found = match &arguments.done {
        Some(result) => Some(Found::Done(result.clone())),
        None => arguments.not_done.then_some(Found::NotDone),
    };
    let (word, result) = match &found {
        None => (None, None),
        Some(Found::Done(result)) => (Some("done"), result.as_deref()),
        Some(Found::NotDone) => (Some("not-done"), None),
    };
    let request = json!({ "do": "retry", "id": arguments.id, "found": word, "result": result });
    for file in stores::places(&project, name)?.iter().filter_map(|place| place.file()) {
        if let Some(answer) = owner::ask(file, &request)? {
            return show(arguments, &answer["resumed"], quiet);
        }
    }
    // Nobody runs them: this process does, for as long as it takes.
    if let Some(code) = crate::errors::refuse_errors(&project, deployment::judged(&project, name)?)? {
        return Ok(code);
    }
    let program = Arc::new(lower::lower(&project.db));
    deployment::require_externs(&project, &program, name)?;
    let runtime = deployment::open(&project, &program, name, Fallback::File(&project.root.join(project::deployment::STATE)))?;
    let answer = owner::retry(&runtime.caretaker(), arguments.id.as_deref(), found.as_ref()).expect("the runtime was just opened");
    if runtime.close(FINISH) && !quiet {
        eprintln!("patternc: some events are still on their way; they go on when the patterns are run next");
    }
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Fault::Use(error.to_owned())),
        None => show(arguments, &answer["resumed"], quiet),
    }
}

fn show(arguments: &Arguments, resumed: &Value, quiet: bool) -> Result<ExitCode, Fault> {
    let lines = resumed.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = io::stdout().lock();
    match arguments.output_format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, resumed).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Full => {
            for line in lines {
                let text = |name: &str| line[name].as_str().unwrap_or_default();
                let reason = line["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
                // A saga goes on under other ids.
                let other = line["parked"].as_str().filter(|parked| *parked != text("id")).map(|parked| format!(" as {parked}"));
                let other = other.unwrap_or_default();
                writeln!(out, "{} ({}): {}{other}{reason}", text("id"), text("what"), words(text("outcome")))?;
            }
            if lines.is_empty() && !quiet {
                eprintln!("patternc: nothing is parked; what is tried again and again goes on by itself, and `patternc status` says why");
            }
        }
    }
    out.flush()?;
    let parked = lines.iter().any(|line| line["outcome"] == "parked" || line["outcome"] == "refused");
    Ok(if parked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn words(outcome: &str) -> &str {
    match outcome {
        "parked" => "parked again",
        "on-its-way" => "on its way",
        "refused" => "left parked",
        other => other,
    }
}
