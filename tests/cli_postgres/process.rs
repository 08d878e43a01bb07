//! A project on a server, and processes that run it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Accounts in spaces of their own, and a room in which everyone writes.
const PATTERN: &str = r#"
space lobby
space branch[Text]

record Room in lobby {
  cell messages: List<Text> = []

  handler say(text: Text) {
    self.messages += text
  }
}

invariant solvent(account: Account) { account.balance >= 0 }

record Account in branch {
  cell balance: Int = 1000000
  cell sent: Int = 0
  cell taken: Int = 0

  handler pay(to: Account@any, amount: Int) {
    require amount <= self.balance else "not enough"
    self.balance -= amount
    self.sent += 1
    send to.take(amount) then {
      err(_e) => { self.balance += amount }
    }
  }

  handler take(amount: Int) {
    self.balance += amount
    self.taken += 1
  }
}
"#;

/// Accounts that the tests pay from and to.
pub const ACCOUNTS: usize = 6;

pub struct Project {
    folder: TempDir,
    urls: Vec<String>,
}

impl Project {
    /// A project whose spaces are on one server, or whose branches are spread over several.
    pub fn new(urls: Vec<String>) -> Project {
        let folder = TempDir::new().expect("there is room");
        fs::write(folder.path().join("bank.pattern"), PATTERN).expect("there is room");
        let stores: Vec<String> = (0..urls.len()).map(|i| format!("pg{i}: {{ kind: postgres, url: \"${{URL_{i}}}\" }}")).collect();
        let names: Vec<String> = (0..urls.len()).map(|i| format!("pg{i}")).collect();
        let branches = if urls.len() > 1 { format!(", \"branch[*]\": {{ shard: [{}] }}", names.join(", ")) } else { String::new() };
        let yaml = format!("deployments:\n  servers:\n    stores: {{ {} }}\n    spaces: {{ \"*\": pg0{branches} }}\n", stores.join(", "));
        fs::write(folder.path().join("patternc.yaml"), yaml).expect("there is room");
        Project { folder, urls }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patternc"));
        command.arg("run").current_dir(self.folder.path()).env("NO_COLOR", "1");
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

    /// Makes the room and the accounts.
    pub fn set_up(&self) {
        let mut process = self.start();
        process.send(&json!({"id": "room", "create": "Room", "as": "room", "in": "lobby"}));
        for i in 0..ACCOUNTS {
            process.send(&json!({"id": format!("new{i}"), "create": "Account", "as": format!("a{i}"), "in": format!("branch[b{i}]")}));
        }
        process.end();
        assert!(process.all_committed(ACCOUNTS + 1), "{:?}", process.outcomes);
    }

    /// Waits until every payment has arrived; gives the payments sent and the messages said.
    pub fn settled(&self) -> (i64, Vec<String>) {
        let began = Instant::now();
        loop {
            let mut process = self.start();
            process.send(&json!({"id": "room", "read": "Room/room", "cells": ["messages"]}));
            for i in 0..ACCOUNTS {
                process.send(&json!({"id": format!("r{i}"), "read": account(i), "cells": ["balance", "sent", "taken"]}));
            }
            process.end();
            let sum = |cell: &str| -> i64 {
                (0..ACCOUNTS).map(|i| process.outcomes[&format!("r{i}")]["cells"][cell].as_i64().expect("it is a number")).sum()
            };
            let (balance, sent, taken) = (sum("balance"), sum("sent"), sum("taken"));
            if sent == taken {
                assert_eq!(balance, 1_000_000 * ACCOUNTS as i64);
                let messages = process.outcomes["room"]["cells"]["messages"].as_array().expect("it is a list");
                return (sent, messages.iter().map(|text| text.as_str().expect("it is a text").to_owned()).collect());
            }
            assert!(began.elapsed() < PATIENCE, "{sent} were sent and {taken} arrived, and no more do");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// How the account is referred to.
pub fn account(i: usize) -> String {
    format!("Account/a{i}@branch[b{i}]")
}

/// A payment and a message for each number; the ids are made of the name and the number.
pub fn events(name: &str, numbers: std::ops::Range<usize>) -> Vec<Value> {
    let both = |n: usize| {
        let (from, to) = (n % ACCOUNTS, (n / ACCOUNTS + n + 1 + n % 2) % ACCOUNTS);
        let to = if from == to { (to + 1) % ACCOUNTS } else { to };
        let pay = json!({"id": format!("{name} pay {n}"), "to": account(from), "handler": "pay",
            "args": {"to": {"ref": account(to)}, "amount": 1 + n % 7}});
        let say = json!({"id": format!("{name} say {n}"), "to": "Room/room", "handler": "say", "args": {"text": format!("{name} {n}")}});
        [pay, say]
    };
    numbers.flat_map(both).collect()
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

    /// Waits until so many outcomes are there, or the process has ended.
    pub fn wait_for(&mut self, count: usize) {
        let began = Instant::now();
        while self.outcomes.len() < count {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    let outcome: Value = serde_json::from_str(&line).expect("an outcome is JSON");
                    let id = outcome["id"].as_str().unwrap_or_else(|| panic!("{outcome}")).to_owned();
                    assert!(self.outcomes.insert(id, outcome).is_none(), "an outcome was told twice: {line}");
                }
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
