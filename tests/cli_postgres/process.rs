//! A project on servers, and processes that run it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct Project {
    folder: Arc<TempDir>,
    urls: Vec<String>,
}

impl Project {
    /// A project of one pattern whose spaces are on the first server, but for those of `spread`, which are over all.
    pub fn new(pattern: &str, urls: Vec<String>, spread: &str) -> Project {
        Project::with_externs(pattern, urls, spread, "{}")
    }

    /// The same with these externs.
    pub fn with_externs(pattern: &str, urls: Vec<String>, spread: &str, externs: &str) -> Project {
        let folder = TempDir::new().expect("there is room");
        fs::write(folder.path().join("main.pattern"), pattern).expect("there is room");
        let stores: Vec<String> = (0..urls.len()).map(|i| format!("pg{i}: {{ kind: postgres, url: \"${{URL_{i}}}\" }}")).collect();
        let names: Vec<String> = (0..urls.len()).map(|i| format!("pg{i}")).collect();
        let spread = if urls.len() > 1 { format!(", \"{spread}[*]\": {{ shard: [{}] }}", names.join(", ")) } else { String::new() };
        let yaml = format!(
            "deployments:\n  servers:\n    stores: {{ {} }}\n    spaces: {{ \"*\": pg0{spread} }}\n    externs: {externs}\n",
            stores.join(", ")
        );
        fs::write(folder.path().join("patternc.yaml"), yaml).expect("there is room");
        Project { folder: Arc::new(folder), urls }
    }

    /// The same project with other servers.
    pub fn at(&self, urls: Vec<String>) -> Project {
        Project { urls, ..self.clone() }
    }

    fn command(&self) -> Command {
        let mut command = self.patternc();
        command.arg("run");
        command
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The binary in the project.
    pub fn patternc(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patternc"));
        command.current_dir(self.folder.path()).env("NO_COLOR", "1");
        for (i, url) in self.urls.iter().enumerate() {
            command.env(format!("URL_{i}"), url);
        }
        command
    }

    /// What a process says that is refused at its start.
    pub fn refused(&self) -> String {
        let output = self.command().stdin(Stdio::null()).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A process that waits for events.
    pub fn start(&self) -> Process {
        let mut command = self.command();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let out = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { stdin: child.stdin.take(), child, lines, outcomes: BTreeMap::new() }
    }

    /// What a process tells that is given these events and nothing else.
    pub fn run(&self, events: &[Value]) -> Process {
        let mut process = self.start();
        events.iter().for_each(|event| process.send(event));
        process.end();
        process
    }
}

pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// By id.
    pub outcomes: BTreeMap<String, Value>,
}

impl Process {
    /// Sends an event. One that is dead already takes nothing.
    pub fn send(&mut self, event: &Value) {
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{event}");
        }
    }

    fn note(&mut self, line: &str) {
        let outcome: Value = serde_json::from_str(line).expect("an outcome is JSON");
        let id = outcome["id"].as_str().unwrap_or_else(|| panic!("{outcome}")).to_owned();
        assert!(self.outcomes.insert(id, outcome).is_none(), "an outcome was told twice: {line}");
    }

    /// The ids of the outcomes that it has told so far.
    pub fn told(&mut self) -> Vec<String> {
        while let Ok(line) = self.lines.try_recv() {
            self.note(&line);
        }
        self.outcomes.keys().cloned().collect()
    }

    /// Waits until so many outcomes are there, or the process has ended.
    pub fn wait_for(&mut self, count: usize) {
        let began = Instant::now();
        while self.outcomes.len() < count {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) => self.note(&line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("{} of {count} outcomes have come, and no more do", self.outcomes.len()),
            }
        }
    }

    /// Ends its input and waits for all it has to tell.
    pub fn end(&mut self) {
        self.stdin = None;
        self.wait_for(usize::MAX);
        self.child.wait().expect("it ends");
    }

    /// Sends a signal, like `-STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("it is there").success());
    }

    /// `kill -9`. What it had told is kept.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.stdin = None;
        self.child.wait().expect("it ends");
        self.wait_for(usize::MAX);
    }

    /// Whether so many events were committed, and no other outcome was told.
    pub fn all_committed(&self, count: usize) -> bool {
        self.outcomes.len() == count && self.outcomes.values().all(|outcome| outcome["outcome"] == "committed")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
