//! What can happen between a record's commit and the acknowledgement of the other side, and to the other side by hand: in whatever store the
//! records are.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::spicedb::{Request, Server, TOKEN, read_request};
use crate::patternc::{patternc, repository, run_with_input, seen};

/// How long it may take until the facts are equal.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happens to one call on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The connection is cut before SpiceDB has the call.
    CutBefore,
    /// And after it has made the call, before the answer is back.
    CutAfter,
    /// The connection is cut, and the call arrives after the next calls.
    Late,
    /// It arrives twice at once, and once more after the next calls.
    Doubled,
    /// It arrives after a while.
    Slow,
    /// The process is killed before, or after, SpiceDB has it.
    KillBefore,
    KillAfter,
}

pub const FAULTS: [Fault; 7] =
    [Fault::CutBefore, Fault::CutAfter, Fault::Late, Fault::Doubled, Fault::Slow, Fault::KillBefore, Fault::KillAfter];

/// Every fault with every other one, each time at other writes.
pub fn pairs() -> Vec<Vec<(usize, Fault)>> {
    let pairs = (0..FAULTS.len()).flat_map(|first| (0..FAULTS.len()).map(move |second| (first, second)));
    pairs.map(|(first, second)| vec![(1 + (first + second) % 5, FAULTS[first]), (3 + second % 5, FAULTS[second])]).collect()
}

/// Stands between patternc and SpiceDB.
struct Proxy {
    address: String,
    state: Arc<Mutex<State>>,
    kills: Receiver<()>,
}

struct State {
    server: String,
    /// Which writes of all, and what happens to them.
    faults: Vec<(usize, Fault)>,
    writes: usize,
    /// Copies that are still under way, and after how many more writes they arrive.
    late: Vec<(usize, Request)>,
    kill: Sender<()>,
}

/// The answer of a server to a request.
pub fn forward(server: &str, request: &Request) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let text = String::from_utf8_lossy(&request.text).replacen("\r\n", "\r\nconnection: close\r\n", 1);
    stream.write_all(text.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut answer, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        let ends = line.trim().is_empty();
        answer.extend_from_slice(line.as_bytes());
        if ends {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    answer.extend_from_slice(&body);
    Some(answer)
}

impl Proxy {
    fn start(server: &Server, faults: Vec<(usize, Fault)>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (kill, kills) = mpsc::channel();
        let state = State { server: server.address.clone(), faults, writes: 0, late: Vec::new(), kill };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Proxy { address, state, kills }
    }

    /// What was under way arrives.
    fn settle(&self) {
        let late = std::mem::take(&mut self.state.lock().expect("no test panics in it").late);
        let server = self.state.lock().expect("no test panics in it").server.clone();
        for (_, request) in late {
            forward(&server, &request);
        }
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    while let Some(request) = read_request(stream) {
        let mut fault = None;
        let mut arrives = Vec::new();
        let (server, kill) = {
            let mut state = state.lock().expect("no test panics in it");
            if request.path == "/v1/relationships/write" {
                state.writes += 1;
                fault = state.faults.iter().find(|(at, _)| *at == state.writes).map(|(_, fault)| *fault);
                for (after, copy) in std::mem::take(&mut state.late) {
                    if after == 0 { arrives.push(copy) } else { state.late.push((after - 1, copy)) }
                }
            }
            (state.server.clone(), state.kill.clone())
        };
        let later = |after| state.lock().expect("no test panics in it").late.push((after, request.clone()));
        match fault {
            Some(Fault::CutBefore) => return,
            Some(Fault::KillBefore) => {
                let _ = kill.send(());
                return;
            }
            Some(Fault::Late) => return later(1),
            Some(Fault::Slow) => std::thread::sleep(Duration::from_millis(300)),
            Some(Fault::Doubled) => {
                forward(&server, &request);
                later(1);
            }
            Some(Fault::CutAfter | Fault::KillAfter) | None => {}
        }
        let answer = forward(&server, &request);
        for copy in arrives {
            forward(&server, &copy);
        }
        match fault {
            Some(Fault::CutAfter) => return,
            Some(Fault::KillAfter) => {
                let _ = kill.send(());
                return;
            }
            _ => {}
        }
        let Some(answer) = answer else { return };
        let mut stream = stream;
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The project, in a folder of its own.
pub fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    for file in ["spaces.pattern", "patternc.yaml"] {
        std::fs::copy(repository().join("patterns/permissioned_spaces").join(file), folder.path().join(file)).expect("it is there");
    }
    folder
}

pub fn command(folder: &Path, endpoint: &str) -> Command {
    let mut command = patternc(folder);
    command.env("SPICEDB_ENDPOINT", endpoint).env("SPICEDB_TOKEN", TOKEN);
    command
}

/// An account of its own for each case: what is left of one does not meet the next.
pub fn events(owner: &str) -> String {
    let space = |name: &str| format!("SpaceRecord/{owner}-{name}@account[{owner}]");
    let uri = |name: &str| format!("at://{owner}/space/{name}");
    let create = |id: &str, name: &str, parent: &str| {
        json!({"id": format!("{owner}-{id}"), "create": "SpaceRecord", "as": format!("{owner}-{name}"), "in": format!("account[{owner}]"),
            "cells": {"uri": uri(name), "owner": owner, "parent": parent}})
    };
    let call = |id: &str, handler: &str, args: Json| json!({"id": format!("{owner}-{id}"), "to": space("notes"), "handler": handler, "args": args});
    let lines = [
        create("1", "root", &format!("at://{owner}")),
        create("2", "notes", &uri("root")),
        call("3", "share", json!({"name": "bob"})),
        call("4", "unshare", json!({"name": "bob"})),
        call("5", "share", json!({"name": "cyd"})),
        call("6", "share", json!({"name": "bob"})),
        call("7", "unshare", json!({"name": "cyd"})),
    ];
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What the records say after the events.
pub fn wanted(owner: &str) -> BTreeSet<String> {
    let uri = |name: &str| format!("space:at://{owner}/space/{name}");
    [
        format!("{} parent space:at://{owner}", uri("root")),
        format!("{} parent {}", uri("notes"), uri("root")),
        format!("{} reader user:bob", uri("notes")),
    ]
    .into()
}

fn start(folder: &Path, endpoint: &str, input: &str) -> Child {
    let mut child = command(folder, endpoint)
        .arg("run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of the test starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    std::thread::spawn(move || {
        // A process that is killed reads no more.
        let _ = stdin.write_all(input.as_bytes());
    });
    child
}

/// Runs the project in a folder while these things happen to its writes: the facts end equal. `shared`: others may have its store too.
pub fn happens(server: &Server, folder: &Path, faults: Vec<(usize, Fault)>, shared: bool) {
    let name: String = faults.iter().map(|(write, fault)| format!("{write}{fault:?}")).collect();
    let owner = format!("did:plc:{}", name.to_lowercase());
    let proxy = Proxy::start(server, faults);
    let mut child = start(folder, &proxy.address, &events(&owner));
    loop {
        if proxy.kills.recv_timeout(Duration::from_millis(10)).is_ok() {
            child.kill().expect("it runs");
            child.wait().expect("it was started");
            // What was not told is sent again, as an application would.
            child = start(folder, &proxy.address, &events(&owner));
        }
        if child.try_wait().expect("it was started").is_some() {
            break;
        }
    }
    let output = child.wait_with_output().expect("its output is short");
    assert_eq!(output.status.code(), Some(0), "{owner}: {}", seen(&output));
    let began = Instant::now();
    // What one has sent that was killed is delivered by whoever is there once it counts as dead.
    while shared && server.facts(&owner) != wanted(&owner) && began.elapsed() < PATIENCE {
        let mut next = command(folder, &proxy.address);
        next.arg("run");
        let ran = run_with_input(next, "");
        assert_eq!(ran.status.code(), Some(0), "{owner}: {}", seen(&ran));
    }
    proxy.settle();
    assert_eq!(server.facts(&owner), wanted(&owner), "{owner}: {}", seen(&output));
}

/// Breaks the facts of two accounts by hand, and reconciles first the one, then the other.
pub fn changed_by_hand(folder: &Path) {
    let server = Server::start();
    let (ann, eve) = ("did:plc:ann", "did:plc:eve");
    let ran = run_with_input(
        {
            let mut command = command(folder, &server.address);
            command.arg("run");
            command
        },
        &(events(ann) + &events(eve)),
    );
    assert_eq!(ran.status.code(), Some(0), "{}", seen(&ran));
    for owner in [ann, eve] {
        let notes = format!("at://{owner}/space/notes");
        server.by_hand("OPERATION_DELETE", &notes, "reader", ("user", "bob"));
        server.by_hand("OPERATION_TOUCH", &notes, "reader", ("user", "mallory"));
        server.by_hand("OPERATION_TOUCH", &format!("at://{owner}/space/ghost"), "parent", ("space", &notes));
    }
    let broken = server.facts(eve);
    assert_ne!(broken, wanted(eve));
    let reconcile = |arguments: &[&str]| {
        let output = command(folder, &server.address).arg("reconcile").args(arguments).output().expect("the binary starts");
        (output.status.code(), seen(&output))
    };
    let (code, said) = reconcile(&["ownership", ann]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 facts, 1 missing and added, 2 too much and removed"), "{said}");
    assert!(said.contains("user:mallory") && !said.contains(TOKEN), "{said}");
    assert_eq!((server.facts(ann), server.facts(eve)), (wanted(ann), broken));
    let (code, said) = reconcile(&["ownership", "--quiet", "--output-format", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let reports: Vec<Json> = said.lines().map(|line| serde_json::from_str(line).expect("a report is JSON")).collect();
    assert_eq!(reports.iter().map(|report| report["surplus"].as_array().map(Vec::len)).collect::<Vec<_>>(), [Some(0), Some(2)]);
    assert_eq!(server.facts(eve), wanted(eve));
    let (code, said) = reconcile(&["ownership"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 scopes of `ownership` reconciled: those that records have, or had, facts of"), "{said}");
    assert_eq!(reconcile(&["nothing"]).0, Some(2));
}
