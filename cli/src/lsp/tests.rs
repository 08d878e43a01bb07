//! Tests above their blocks, run on a click.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use patternc_compiler::ide::outline;
use serde_json::{Value, json};

use super::position::Lines;
use super::server::{Event, Refusal};
use super::workspace::At;

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

/// Runs what a lens asks for in a process of its own, from what is on disk; how it ended is told when it has.
pub fn execute(params: &Value, events: &Sender<Event>) -> Result<Value, Refusal> {
    if params["command"] != RUN {
        return Err(Refusal::failed(format!("there is no command {}", params["command"])));
    }
    let Some(path) = params["arguments"][0].as_str() else { return Err(Refusal::failed("the first argument is the path of a file")) };
    let name = params["arguments"][1].as_str();
    let program = std::env::current_exe().map_err(|error| Refusal::failed(format!("cannot find patternc itself: {error}")))?;
    let mut command = Command::new(program);
    command.arg("test").arg(path).env("NO_COLOR", "1").stdin(Stdio::null());
    if let Some(name) = name {
        command.arg("--filter").arg(name);
    }
    if let Some(folder) = Path::new(path).parent() {
        command.current_dir(folder);
    }
    let events = events.clone();
    // It may take as long as the tests do.
    std::thread::spawn(move || {
        let event = match command.output() {
            Ok(output) => {
                let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                Event::Tested { passed: output.status.success(), said: said.trim().to_owned() }
            }
            Err(error) => Event::Tested { passed: false, said: format!("the tests could not be started: {error}") },
        };
        // Nobody is there any more to hear it.
        let _ = events.send(event);
    });
    Ok(Value::Null)
}
