//! Tests above their blocks, run on a click.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::Sender;

use patternc_compiler::ide::outline;
use serde_json::{Value, json};

use super::position::Lines;
use super::server::{Event, Refusal};
use super::workspace::At;
use crate::project::normal;

/// The command that runs tests: with the path of a file and, for one test, its name.
pub const RUN: &str = "patternc.runTest";

/// A lens above each test, and one for all of them above the first.
pub fn lenses(at: At<'_>, lines: &Lines<'_>, path: &Path) -> Value {
    let tests = outline::tests(at.db(), at.file);
    let path = path.display().to_string();
    let mut lenses: Vec<Value> = Vec::with_capacity(tests.len() + 1);
    for test in &tests {
        let command = json!({ "title": "▶ Run test", "command": RUN, "arguments": [path, test.name] });
        lenses.push(json!({ "range": lines.range(test.span), "command": command }));
    }
    if let (Some(first), true) = (tests.first(), tests.len() > 1) {
        let command = json!({ "title": format!("▶ Run all {} tests", tests.len()), "command": RUN, "arguments": [path] });
        lenses.push(json!({ "range": lines.range(first.span), "command": command }));
    }
    lenses.into()
}

/// How a run of tests ended.
pub struct Outcome {
    /// The file whose tests were to run.
    pub file: PathBuf,
    pub passed: bool,
    pub ran: Vec<Ran>,
    /// What a person is told.
    pub said: String,
}

/// One test that ran.
pub struct Ran {
    pub name: String,
    /// Where it failed, by file and line, and what was wrong.
    pub failure: Option<(PathBuf, usize, String)>,
}

/// Runs what a lens asks for in a process of its own, from what is on disk; how it ended is told when it has.
pub fn execute(params: &Value, events: &Sender<Event>) -> Result<Value, Refusal> {
    if params["command"] != RUN {
        return Err(Refusal::failed(format!("there is no command {}", params["command"])));
    }
    let Some(path) = params["arguments"][0].as_str() else { return Err(Refusal::failed("the first argument is the path of a file")) };
    let name = params["arguments"][1].as_str();
    let program = std::env::current_exe().map_err(|error| Refusal::failed(format!("cannot find patternc itself: {error}")))?;
    let file = PathBuf::from(path);
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut command = Command::new(program);
    command.args(["test", "--output-format", "json"]).arg(path).env("NO_COLOR", "1").stdin(Stdio::null()).current_dir(&folder);
    if let Some(name) = name {
        command.args(["--exact", &format!("--filter={name}")]);
    }
    let events = events.clone();
    // It may take as long as the tests do.
    std::thread::spawn(move || {
        let outcome = match command.output() {
            Ok(output) => outcome(file, &folder, &output),
            Err(error) => Outcome { file, passed: false, ran: Vec::new(), said: format!("the tests could not be started: {error}") },
        };
        // Nobody is there any more to hear it.
        let _ = events.send(Event::Tested(outcome));
    });
    Ok(Value::Null)
}

/// What the output of `patternc test` says.
fn outcome(file: PathBuf, folder: &Path, output: &Output) -> Outcome {
    let passed = output.status.success();
    let report = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    if report["tests"].as_array().is_none_or(Vec::is_empty) {
        // The reason: the patterns have errors, or there is no such test on disk.
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Outcome { file, passed, ran: Vec::new(), said };
    }
    let tests = report["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ran: Vec<Ran> = tests.iter().filter_map(|test| ran(folder, test)).collect();
    let mut said = format!("{} passed, {} failed", report["passed"], report["failed"]);
    for Ran { name, failure } in &ran {
        if let Some((_, line, message)) = failure {
            said.push_str(&format!("\n{name} (line {line}): {message}"));
        }
    }
    Outcome { file, passed, ran, said }
}

fn ran(folder: &Path, test: &Value) -> Option<Ran> {
    let failure = &test["failure"];
    let failed = || {
        let mut message = failure["message"].as_str()?.to_owned();
        for note in failure["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            message.push_str(&format!("\n{note}"));
        }
        Some((normal(&folder.join(failure["path"].as_str()?)), failure["line"].as_u64()? as usize, message))
    };
    Some(Ran { name: test["name"].as_str()?.to_owned(), failure: failed() })
}
