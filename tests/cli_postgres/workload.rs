//! What processes do at once, and what has to be true in the end, whatever happened meanwhile: every event took effect once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::patternc::repository;
use crate::process::{PATIENCE, Process, Project};

/// Accounts in spaces of their own, and a room in which everyone writes.
const BANK: &str = r#"
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

/// Users of the chat: one for each process that a test has.
const USERS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Payments from space to space, and messages to a room.
    Transfers,
    /// `patterns/chat`: everyone writes to one list, and is renamed all the time.
    Chat,
}

impl Workload {
    pub const ALL: [Workload; 2] = [Workload::Transfers, Workload::Chat];

    /// A project of it on servers, set up.
    pub fn project(self, urls: Vec<String>) -> Project {
        let project = match self {
            Workload::Transfers => Project::new(BANK, urls, "branch"),
            Workload::Chat => {
                let pattern = repository().join("patterns/chat/chat.pattern");
                Project::new(&std::fs::read_to_string(pattern).expect("the example is there"), urls, "")
            }
        };
        let events = self.set_up();
        let process = project.run(&events);
        assert!(process.all_committed(events.len()), "{:?}", process.outcomes);
        project
    }

    fn set_up(self) -> Vec<Value> {
        match self {
            Workload::Transfers => {
                let new =
                    |i: usize| json!({"id": format!("new{i}"), "create": "Account", "as": format!("a{i}"), "in": format!("branch[b{i}]")});
                let room = json!({"id": "room", "create": "Room", "as": "room", "in": "lobby"});
                [room].into_iter().chain((0..ACCOUNTS).map(new)).collect()
            }
            Workload::Chat => {
                let of = |p: usize| {
                    let user = json!({"create": "User", "as": format!("u{p}"), "cells": {"name": "new"}, "id": format!("user{p}")});
                    let cells = json!({"user": {"ref": format!("User/u{p}")}, "room": {"ref": "Room/tea"}});
                    [user, json!({"create": "Session", "as": format!("s{p}"), "cells": cells, "id": format!("session{p}")})]
                };
                let room = json!({"id": "room", "create": "Room", "as": "tea", "cells": {"topic": "tea"}});
                [room].into_iter().chain((0..USERS).flat_map(of)).collect()
            }
        }
    }

    /// Two events of a process for each number.
    pub fn events(self, process: usize, numbers: Range<usize>) -> Vec<Value> {
        match self {
            Workload::Transfers => payments(&format!("p{process}"), numbers),
            Workload::Chat => {
                let both = |n: usize| {
                    let say = json!({"id": format!("say {process} {n}"), "to": format!("Session/s{process}"), "handler": "say",
                        "args": {"text": format!("p{process} {n}")}});
                    let rename = json!({"id": format!("name {process} {n}"), "to": format!("User/u{process}"), "handler": "rename",
                        "args": {"name": format!("u{process} {n}")}});
                    [say, rename]
                };
                numbers.flat_map(both).collect()
            }
        }
    }

    /// Waits until everything that was sent has arrived, and compares. `all`: the events of each process.
    pub fn check(self, project: &Project, all: &[Vec<Value>]) {
        match self {
            Workload::Transfers => paid(project, all),
            Workload::Chat => said(project, all),
        }
    }
}

/// How the account is referred to.
fn account(i: usize) -> String {
    format!("Account/a{i}@branch[b{i}]")
}

/// A payment and a message for each number; the ids are made of the name and the number.
fn payments(name: &str, numbers: Range<usize>) -> Vec<Value> {
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

/// Every payment has arrived once, and every message stands once in the room.
fn paid(project: &Project, all: &[Vec<Value>]) {
    let read = |i: usize| json!({"id": format!("r{i}"), "read": account(i), "cells": ["balance", "sent", "taken"]});
    let room = json!({"id": "room", "read": "Room/room", "cells": ["messages"]});
    let reads: Vec<Value> = [room].into_iter().chain((0..ACCOUNTS).map(read)).collect();
    let began = Instant::now();
    let (sent, process) = loop {
        let process = project.run(&reads);
        let number = |i: usize, cell: &str| process.outcomes[&format!("r{i}")]["cells"][cell].as_i64().expect("it is a number");
        let sum = |cell: &str| (0..ACCOUNTS).map(|i| number(i, cell)).sum::<i64>();
        let (balance, sent, taken) = (sum("balance"), sum("sent"), sum("taken"));
        if sent == taken {
            assert_eq!(balance, 1_000_000 * ACCOUNTS as i64);
            break (sent, process);
        }
        assert!(began.elapsed() < PATIENCE, "{sent} were sent and {taken} arrived, and no more do");
        std::thread::sleep(Duration::from_millis(300));
    };
    let count: usize = all.iter().map(Vec::len).sum();
    assert_eq!(sent as usize, count / 2, "payments");
    let mut messages: Vec<&str> = list(&process, "messages").iter().map(|text| text.as_str().expect("it is a text")).collect();
    messages.sort_unstable();
    let mut expected: Vec<&str> = all.iter().flatten().filter_map(|event| event["args"]["text"].as_str()).collect();
    expected.sort_unstable();
    assert_eq!(messages, expected);
}

/// What each process said stands once in the room, in its order, under the last name of who said it.
fn said(project: &Project, all: &[Vec<Value>]) {
    let process = project.run(&[json!({"id": "room", "read": "Room/tea", "cells": ["messages", "transcript"]})]);
    let messages = list(&process, "messages");
    let mut by_author: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in messages {
        let text = message["text"].as_str().expect("it is a text");
        by_author.entry(message["author"]["ref"].as_str().expect("it is a reference")).or_default().push(text);
    }
    let texts = |events: &[Value], arg: &str| -> Vec<String> {
        events.iter().filter_map(|event| event["args"][arg].as_str()).map(str::to_owned).collect()
    };
    for (p, events) in all.iter().enumerate() {
        assert_eq!(by_author.get(&*format!("User/u{p}")).map_or(&[][..], Vec::as_slice), texts(events, "text"), "of {p}");
    }
    assert_eq!(messages.len(), all.iter().map(|events| texts(events, "text").len()).sum::<usize>());
    let line = |message: &Value| {
        let author = message["author"]["ref"].as_str().and_then(|author| author.strip_prefix("User/u")).expect("it is a user");
        let names = texts(&all[author.parse::<usize>().expect("it is a number")], "name");
        format!("{}: {}", names.last().expect("it was renamed"), message["text"].as_str().expect("it is a text"))
    };
    let transcript: Vec<String> = messages.iter().map(line).collect();
    assert_eq!(process.outcomes["room"]["cells"]["transcript"].as_str(), Some(&*transcript.join("\n")));
}

fn list<'p>(process: &'p Process, cell: &str) -> &'p [Value] {
    process.outcomes["room"]["cells"][cell].as_array().expect("it is a list")
}
