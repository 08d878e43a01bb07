//! A mirror told by several processes: who is told of what relies on a removal, and reconciliation while others go on.

use std::collections::{BTreeSet, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::process::{Process, Project};
use crate::server::{database, server};

const PATTERN: &str = r#"
space docs
space desk

struct Relation { owner: Text, reader: Text }
extern authz {
  touch(f: Relation) -> Text idempotent
  remove(f: Relation) -> Text idempotent
  read(owner: Text) -> List<Relation> readonly
}

record Doc in docs {
  cell owner: Text
  cell readers: Set<Text> = Set[]
  cell notes: Int = 0
  handler share(name: Text) { self.readers += name }
  handler unshare(name: Text) { self.readers -= name }
  handler note() { self.notes += 1 }
}

mirror readers of Doc to authz {
  facts(d) = d.readers.map(name => Relation { owner: d.owner, reader: name })
  add(f) = authz.touch(f)
  remove(f) first = authz.remove(f)
  actual(owner) = authz.read(owner)
  scope(d) = d.owner
}

record Desk in desk {
  cell doc: Doc@docs
  cell without: Bool = false
  cell asked: Int = 0
  handler look() -> Bool {
    self.without = !("bob" in self.doc.readers)
    return self.without
  }
  handler ask() { self.asked += 1 }
}
"#;

/// The other side: it does each call once, by its key. Removals can be made to wait.
#[derive(Clone)]
struct Authz {
    base: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    facts: BTreeSet<(String, String)>,
    done: HashSet<String>,
    held: bool,
    /// Removals that wait.
    waiting: usize,
}

impl Authz {
    fn start() -> Authz {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let authz = Authz { base, state: Arc::default() };
        let shared = authz.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || while shared.serve(&stream).is_some() {});
            }
        });
        authz
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut first, mut key, mut length) = (String::new(), String::new(), 0);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => key = value.trim().to_owned(),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let answer = self.answer(&first, key, &serde_json::from_slice(&body).ok()?).to_string();
        let mut stream = stream;
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).as_bytes()).ok()
    }

    fn answer(&self, first: &str, key: String, body: &Value) -> Value {
        let (lock, changed) = &*self.state;
        let mut state = lock.lock().expect("no test panics in it");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if first.contains("/read ") {
            let owner = text(&body["owner"]);
            let of = state.facts.iter().filter(|(of, _)| *of == owner);
            return of.map(|(owner, reader)| json!({ "owner": owner, "reader": reader })).collect();
        }
        let fact = (text(&body["f"]["owner"]), text(&body["f"]["reader"]));
        let removes = first.contains("/remove ");
        if removes {
            state.waiting += 1;
            changed.notify_all();
            state = changed.wait_while(state, |state| state.held).expect("no test panics in it");
            state.waiting -= 1;
        }
        if state.done.insert(key) {
            if removes {
                state.facts.remove(&fact)
            } else {
                state.facts.insert(fact)
            };
            changed.notify_all();
        }
        json!("token")
    }

    fn hold(&self, held: bool) {
        self.change(|state| state.held = held);
    }

    fn wait_for_removal(&self) {
        self.wait_while(|state| state.waiting == 0);
    }

    fn wait_while(&self, is: impl Fn(&State) -> bool) {
        let (lock, changed) = &*self.state;
        drop(changed.wait_while(lock.lock().expect("no test panics in it"), |state| is(state)));
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (lock, changed) = &*self.state;
        let result = change(&mut lock.lock().expect("no test panics in it"));
        changed.notify_all();
        result
    }

    fn has(&self, owner: &str, reader: &str) -> bool {
        self.change(|state| state.facts.contains(&(owner.to_owned(), reader.to_owned())))
    }
}

fn project(authz: &Authz, url: String) -> Project {
    project_of(PATTERN, authz, url)
}

fn project_of(pattern: &str, authz: &Authz, url: String) -> Project {
    let externs = format!("{{ authz: {{ kind: http, base: \"{}\", timeout: 60s }} }}", authz.base);
    Project::with_externs(pattern, vec![url], "", &externs)
}

fn call(id: &str, to: &str, handler: &str, args: Value) -> Value {
    json!({ "id": id, "to": to, "handler": handler, "args": args })
}

/// Waits until a cell has a value, as a process sees it that reads.
fn wait_for_cell(reader: &mut Process, record: &str, cell: &str, value: &Value) {
    for n in 0.. {
        let id = format!("{cell} {value} {n}");
        reader.send(&json!({ "id": id, "read": record, "cells": [cell] }));
        while !reader.outcomes.contains_key(&id) {
            let told = reader.outcomes.len();
            reader.wait_for(told + 1);
            assert!(reader.outcomes.len() > told, "it has ended");
        }
        if reader.outcomes[&id]["cells"][cell] == *value {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_removal_is_waited_for_by_every_process_and_after_the_end_of_the_one_that_told_it() {
    let Some(server) = server() else { return };
    let authz = Authz::start();
    let project = project(&authz, server.url(&database()));
    let (mut first, mut second, mut reader) = (project.start(), project.start(), project.start());
    first.send(&json!({ "id": "d", "create": "Doc", "as": "d", "in": "docs", "cells": { "owner": "ann", "readers": ["bob", "cyd"] } }));
    first.send(&json!({ "id": "k", "create": "Desk", "as": "k", "in": "desk", "cells": { "doc": { "ref": "Doc/d@docs" } } }));
    first.wait_for(2);
    assert!(first.all_committed(2), "{:?}", first.outcomes);
    wait_for_cell(&mut reader, "Doc/d@docs", "notes", &json!(0));
    authz.hold(true);
    first.send(&call("unshare", "Doc/d@docs", "unshare", json!({ "name": "bob" })));
    authz.wait_for_removal();
    // What another process does in the same space is committed, and not told.
    second.send(&call("note", "Doc/d@docs", "note", json!({})));
    wait_for_cell(&mut reader, "Doc/d@docs", "notes", &json!(1));
    // What looks at it from another space is not even committed; what does not look is told.
    let mut looker = project.start();
    looker.send(&call("look", "Desk/k@desk", "look", json!({})));
    reader.send(&call("ask", "Desk/k@desk", "ask", json!({})));
    wait_for_cell(&mut reader, "Desk/k@desk", "asked", &json!(1));
    wait_for_cell(&mut reader, "Desk/k@desk", "without", &json!(false));
    assert!(reader.told().contains(&"ask".to_owned()));
    assert!(authz.has("ann", "bob"));
    let committed = |process: &mut Process| {
        process.told();
        process.outcomes.values().filter(|outcome| outcome["outcome"] == "committed").count()
    };
    assert_eq!([&mut first, &mut second, &mut looker].map(committed), [2, 0, 0]);
    // The process that tells it dies. Who was not told sends again, to another process.
    first.kill();
    let mut again = project.start();
    let unshare = call("unshare", "Doc/d@docs", "unshare", json!({ "name": "bob" }));
    again.send(&unshare);
    wait_for_cell(&mut project.start(), "Doc/d@docs", "readers", &json!(["cyd"]));
    assert_eq!([&mut again, &mut second, &mut looker].map(committed), [0, 0, 0]);
    authz.hold(false);
    for process in [&mut again, &mut second, &mut looker] {
        process.wait_for(1);
        assert!(!authz.has("ann", "bob") || process.outcomes.values().all(|outcome| outcome["outcome"] != "committed"));
        process.end();
    }
    // A machine so slow that they were told that it takes too long is told now.
    let mut last = project.start();
    for event in [unshare, call("note", "Doc/d@docs", "note", json!({})), call("look", "Desk/k@desk", "look", json!({}))] {
        last.send(&event);
    }
    last.end();
    assert_eq!(committed(&mut last), 3, "{:?}", last.outcomes);
    assert_eq!(last.outcomes["look"]["result"], json!(true));
    assert!(!authz.has("ann", "bob"));
}

#[test]
fn one_process_reconciles_while_others_go_on() {
    let Some(server) = server() else { return };
    let authz = Authz::start();
    let project = project(&authz, server.url(&database()));
    let mut process = project.start();
    process.send(&json!({ "id": "d", "create": "Doc", "as": "d", "in": "docs", "cells": { "owner": "ann", "readers": ["bob"] } }));
    process.send(&json!({ "id": "e", "create": "Doc", "as": "e", "in": "docs", "cells": { "owner": "eve", "readers": ["bob"] } }));
    process.wait_for(2);
    // A grant may come after its event is told.
    authz.wait_while(|state| state.facts.len() < 2);
    authz.change(|state| {
        for owner in ["ann", "eve", "ghost"] {
            state.facts.remove(&(owner.to_owned(), "bob".to_owned()));
            state.facts.insert((owner.to_owned(), "mallory".to_owned()));
        }
    });
    for n in 0..60 {
        let handler = if n % 2 == 0 { "share" } else { "unshare" };
        process.send(&call(&format!("{n}"), "Doc/d@docs", handler, json!({ "name": format!("r{}", n / 2 % 7) })));
    }
    for scope in ["ann", "ghost"] {
        let output = project.patternc().args(["reconcile", "readers", scope]).output().expect("the binary starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("mallory"), "{said}");
    }
    process.end();
    assert!(process.all_committed(62), "{:?}", process.outcomes);
    let facts = authz.change(|state| state.facts.clone());
    let expected = [("ann", "bob"), ("eve", "mallory")].map(|(owner, reader)| (owner.to_owned(), reader.to_owned()));
    assert_eq!(facts, expected.into(), "eve is not reconciled");
}

/// What one record gives no more, another one of another scope does, told by another process.
#[test]
fn what_records_of_several_scopes_give_is_there_as_long_as_one_of_them_gives_it() {
    let Some(server) = server() else { return };
    let authz = Authz::start();
    let pattern = PATTERN.replace("Relation { owner: d.owner,", "Relation { owner: \"all\",").replace("remove(f) first", "remove(f)");
    let project = project_of(&pattern, &authz, server.url(&database()));
    let mut processes: Vec<Process> = (0..3).map(|_| project.start()).collect();
    let owners = ["ann", "bob", "cyd"];
    for (process, owner) in processes.iter_mut().zip(owners) {
        process.send(&json!({ "id": owner, "create": "Doc", "as": owner, "in": "docs", "cells": { "owner": owner } }));
        process.wait_for(1);
    }
    for round in 0..40 {
        for (at, (process, owner)) in processes.iter_mut().zip(owners).enumerate() {
            let handler = if (round + at) % 3 == 0 { "unshare" } else { "share" };
            let name = format!("r{}", round / 3 % 2);
            process.send(&call(&format!("{owner} {round}"), &format!("Doc/{owner}@docs"), handler, json!({ "name": name })));
        }
        if round == 20 {
            processes[2].wait_for(10);
            processes[2].kill();
            processes[2] = project.start();
            let lost = (0..=round).map(|round| format!("cyd {round}"));
            for id in lost {
                processes[2].send(&call(&id, "Doc/cyd@docs", "share", json!({ "name": "r0" })));
            }
        }
    }
    for (process, owner) in processes.iter_mut().zip(owners) {
        for name in ["r0", "r1"] {
            let handler = if owner == "ann" && name == "r0" { "share" } else { "unshare" };
            process.send(&call(&format!("{owner} {name}"), &format!("Doc/{owner}@docs"), handler, json!({ "name": name })));
        }
    }
    processes.iter_mut().for_each(Process::end);
    // What one of them left to another that had ended by then.
    let mut last = project.start();
    loop {
        let output = project.patternc().args(["status", "--output-format", "json"]).output().expect("the binary starts");
        let status: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        if status["events"] == json!([]) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    last.end();
    let facts = authz.change(|state| state.facts.clone());
    assert_eq!(facts, [("all".to_owned(), "r0".to_owned())].into());
}
