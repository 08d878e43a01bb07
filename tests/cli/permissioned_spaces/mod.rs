//! The mirror of `patterns/permissioned_spaces` against SpiceDB, with a proxy between that cuts, delays, doubles and reorders calls, while the
//! process is killed.

mod spicedb;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

use self::spicedb::{Request, Server, TOKEN, id, read_request};
use crate::patternc::{patternc, repository, run_with_input, seen};

/// What happens to one call on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
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

const FAULTS: [Fault; 7] =
    [Fault::CutBefore, Fault::CutAfter, Fault::Late, Fault::Doubled, Fault::Slow, Fault::KillBefore, Fault::KillAfter];

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

fn forward(server: &str, request: &Request) -> Option<Vec<u8>> {
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

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    for file in ["spaces.pattern", "patternc.yaml"] {
        std::fs::copy(repository().join("patterns/permissioned_spaces").join(file), folder.path().join(file)).expect("it is there");
    }
    folder
}

fn command(folder: &Path, endpoint: &str) -> Command {
    let mut command = patternc(folder);
    command.env("SPICEDB_ENDPOINT", endpoint).env("SPICEDB_TOKEN", TOKEN);
    command
}

/// An account of its own for each case: what is left of one does not meet the next.
fn events(owner: &str) -> String {
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
fn wanted(owner: &str) -> BTreeSet<String> {
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

#[test]
fn whatever_happens_to_a_call_or_the_process_the_facts_end_equal() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for fault in FAULTS {
            let server = &server;
            scope.spawn(move || (1..=7).for_each(|write| happens(server, vec![(write, fault)])));
        }
    });
}

#[test]
fn two_faults_on_the_way_end_equal_too() {
    let ours = Server::alike();
    let ours = &ours;
    // Every fault meets every other one, each time at other writes.
    let pairs = (0..FAULTS.len()).flat_map(|first| (0..FAULTS.len()).map(move |second| (first, second)));
    let pairs: Vec<_> =
        pairs.map(|(first, second)| vec![(1 + (first + second) % 5, FAULTS[first]), (3 + second % 5, FAULTS[second])]).collect();
    std::thread::scope(|scope| {
        for part in pairs.chunks(pairs.len().div_ceil(4)) {
            scope.spawn(move || part.iter().for_each(|faults| happens(ours, faults.clone())));
        }
    });
}

fn happens(server: &Server, faults: Vec<(usize, Fault)>) {
    let name: String = faults.iter().map(|(write, fault)| format!("{write}{fault:?}")).collect();
    let owner = format!("did:plc:{}", name.to_lowercase());
    let folder = project();
    let proxy = Proxy::start(server, faults);
    let mut child = start(folder.path(), &proxy.address, &events(&owner));
    loop {
        if proxy.kills.recv_timeout(Duration::from_millis(10)).is_ok() {
            child.kill().expect("it runs");
            child.wait().expect("it was started");
            // What was not told is sent again, as an application would.
            child = start(folder.path(), &proxy.address, &events(&owner));
        }
        if child.try_wait().expect("it was started").is_some() {
            break;
        }
    }
    let output = child.wait_with_output().expect("its output is short");
    assert_eq!(output.status.code(), Some(0), "{owner}: {}", seen(&output));
    proxy.settle();
    assert_eq!(server.facts(&owner), wanted(&owner), "{owner}: {}", seen(&output));
}

#[test]
fn what_was_changed_by_hand_is_repaired_in_one_account_and_left_alone_in_the_other() {
    let server = Server::start();
    let folder = project();
    let (ann, eve) = ("did:plc:ann", "did:plc:eve");
    let ran = run_with_input(
        {
            let mut command = command(folder.path(), &server.address);
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
        let output = command(folder.path(), &server.address).arg("reconcile").args(arguments).output().expect("the binary starts");
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

/// A process that runs the patterns until its input ends.
fn start_open(folder: &Path, endpoint: &str, token: &str, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut command = command(folder, endpoint);
    command.env("SPICEDB_TOKEN", token).arg("run").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary of the test starts");
    let stdin = child.stdin.take().expect("it is piped");
    (child, stdin)
}

/// The lines of an output, until one that has this text.
fn read_until(output: impl Read, text: &str) -> String {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut seen = String::new();
    for line in lines.by_ref() {
        seen.push_str(&line);
        seen.push('\n');
        if line.contains(text) {
            return seen;
        }
    }
    panic!("{text:?} does not come: {seen}")
}

#[test]
fn reconcile_works_while_the_patterns_run_and_for_an_account_without_records() {
    let server = Server::start();
    let folder = project();
    let (ann, ghost) = ("did:plc:ann2", "did:plc:ghost");
    let (mut child, mut stdin) = start_open(folder.path(), &server.address, TOKEN, &[]);
    stdin.write_all(events(ann).as_bytes()).expect("it reads");
    let out = child.stdout.take().expect("it is piped");
    read_until(out, &format!("{ann}-7"));
    // More than SpiceDB is asked for at once, and more than is repaired at once.
    let relationship = |n: usize| {
        json!({ "resource": { "objectType": "space", "objectId": id(&format!("at://{ghost}/space/{n}")) }, "relation": "reader",
            "subject": { "object": { "objectType": "user", "objectId": "mallory" } } })
    };
    for part in 0..3 {
        let updates: Vec<Json> =
            (part * 400..(part + 1) * 400).map(|n| json!({ "operation": "OPERATION_TOUCH", "relationship": relationship(n) })).collect();
        assert_eq!(server.call("/v1/relationships/write", &json!({ "updates": updates })).0, 200);
    }
    server.by_hand("OPERATION_DELETE", &format!("at://{ann}/space/notes"), "reader", ("user", "bob"));
    let reconcile = |arguments: &[&str]| {
        let mut command = command(folder.path(), "localhost:1");
        let output = command.arg("reconcile").args(arguments).output().expect("the binary starts");
        (output.status.code(), seen(&output))
    };
    let (code, said) = reconcile(&["ownership", ghost, "--output-format", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Json = serde_json::from_str(said.lines().next().expect("it says something")).expect("a report is JSON");
    assert_eq!((report["facts"].as_u64(), report["surplus"].as_array().map(Vec::len)), (Some(0), Some(1200)));
    assert!(server.facts(ghost).is_empty());
    assert_ne!(server.facts(ann), wanted(ann), "the other account is not touched");
    // What was removed is known from now on.
    let (code, said) = reconcile(&["ownership"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 facts, 1 missing and added") && said.contains("2 scopes of `ownership`"), "{said}");
    assert_eq!(server.facts(ann), wanted(ann));
    // A record of that account comes after all.
    stdin.write_all(events(ghost).as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("its output is short");
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert_eq!(server.facts(ghost), wanted(ghost));
}

#[test]
fn a_wrong_token_is_told_and_nothing_is_given_up() {
    let server = Server::start();
    let folder = project();
    let owner = "did:plc:token";
    let (mut child, mut stdin) = start_open(folder.path(), &server.address, "not the token", &["--verbose"]);
    stdin.write_all(events(owner).as_bytes()).expect("it reads");
    let said = read_until(child.stderr.take().expect("it is piped"), "does not accept the `token` of the extern");
    assert!(!said.contains("not the token"), "{said}");
    child.kill().expect("it runs");
    child.wait().expect("it was started");
    let mut again = command(folder.path(), &server.address);
    again.arg("run");
    let ran = run_with_input(again, &events(owner));
    assert_eq!(ran.status.code(), Some(0), "{}", seen(&ran));
    assert_eq!(server.facts(owner), wanted(owner));
}

#[test]
fn what_the_schema_does_not_have_is_parked_with_what_it_lacks() {
    let server = Server::start();
    let folder = project();
    let pattern = folder.path().join("spaces.pattern");
    let text = std::fs::read_to_string(&pattern).expect("it is there");
    std::fs::write(&pattern, text.replace("relation: \"reader\"", "relation: \"viewer\"")).expect("there is room");
    let owner = "did:plc:schema";
    let mut run = command(folder.path(), &server.address);
    run.arg("run");
    let events: String = events(owner).lines().take(3).map(|line| format!("{line}\n")).collect();
    let ran = run_with_input(run, &events);
    let said = seen(&ran);
    assert!(said.contains("authz refuses what the mirror ownership tells it"), "{said}");
    assert!(said.contains("`viewer` not found") && said.contains("patternc retry"), "{said}");
    // The others arrive.
    assert_eq!(server.facts(owner).len(), 2, "{said}");
}

#[test]
fn an_endpoint_that_speaks_no_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // What comes is no HTTP either.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        }
    });
    let folder = project();
    let (mut child, mut stdin) = start_open(folder.path(), &format!("https://{address}"), TOKEN, &["--verbose"]);
    stdin.write_all(events("did:plc:tls").as_bytes()).expect("it reads");
    read_until(child.stderr.take().expect("it is piped"), "TLS with the `endpoint` of the extern fails");
    child.kill().expect("it runs");
    child.wait().expect("it was started");
}

#[test]
fn ours_answers_as_spicedb_does() {
    let Some(real) = Server::real() else {
        eprintln!("skipped: there is no npm here, so no SpiceDB to compare with");
        return;
    };
    let ours = Server::alike();
    let relationship = |space: &str, subject: &str| {
        json!({ "resource": { "objectType": "space", "objectId": space }, "relation": "parent",
            "subject": { "object": { "objectType": "space", "objectId": subject } } })
    };
    let call = |key: &str| {
        let object = json!({ "objectType": "patternc/call", "objectId": key });
        json!({ "operation": "OPERATION_CREATE", "relationship":
            { "resource": object, "relation": "made", "subject": { "object": object }, "optionalExpiresAt": "2099-01-01T00:00:00Z" } })
    };
    let does = |operation: &str, relationship: &Json| json!({ "operation": operation, "relationship": relationship });
    let (a, b) = (relationship("x/a", "x/b"), relationship("x/b", &id("x:c")));
    let write = "/v1/relationships/write";
    let read =
        |filter: Json| ("/v1/relationships/read", json!({ "consistency": { "fullyConsistent": true }, "relationshipFilter": filter }));
    let calls = [
        (write, json!({ "updates": [does("OPERATION_TOUCH", &a), call("k1")] })),
        (write, json!({ "updates": [does("OPERATION_TOUCH", &a), call("k1")] })),
        (write, json!({ "updates": [does("OPERATION_DELETE", &a), call("k2")] })),
        (write, json!({ "updates": [does("OPERATION_TOUCH", &a), call("k1")] })),
        read(json!({ "resourceType": "space" })),
        (write, json!({ "updates": [does("OPERATION_DELETE", &a)] })),
        (write, json!({ "updates": [does("OPERATION_CREATE", &b)] })),
        (write, json!({ "updates": [does("OPERATION_CREATE", &b)] })),
        (
            write,
            json!({ "updates": [does("OPERATION_TOUCH", &a)], "optionalPreconditions":
            [{ "operation": "OPERATION_MUST_MATCH", "filter": { "resourceType": "space", "optionalResourceId": "x/b" } }] }),
        ),
        (
            write,
            json!({ "updates": [does("OPERATION_TOUCH", &a)], "optionalPreconditions":
            [{ "operation": "OPERATION_MUST_NOT_MATCH", "filter": { "resourceType": "space", "optionalResourceId": "x/b" } }] }),
        ),
        read(json!({ "resourceType": "space", "optionalResourceIdPrefix": "x/" })),
        read(json!({ "resourceType": "space", "optionalResourceId": "x/a", "optionalRelation": "parent" })),
        read(json!({ "resourceType": "space", "optionalSubjectFilter": { "subjectType": "space", "optionalSubjectId": "x=3Ac" } })),
        read(json!({ "resourceType": "patternc/call", "optionalResourceId": "k2" })),
        read(json!({ "resourceType": "nothing" })),
        read(json!({ "resourceType": "space", "optionalRelation": "nothing" })),
    ];
    for (path, body) in calls {
        let [(real_status, real_said), (our_status, our_said)] = [&real, &ours].map(|server| server.call(path, &body));
        assert_eq!(real_status, our_status, "{body}: {real_said:?} {our_said:?}");
        // Tokens and the words of messages are each one's own; codes and relations are not.
        let told = |said: &[Json]| {
            let part = |line: &Json| {
                let relationship = &line["result"]["relationship"];
                (
                    line["code"].as_u64(),
                    relationship["resource"].clone(),
                    relationship["relation"].clone(),
                    relationship["subject"]["object"].clone(),
                )
            };
            said.iter().map(|line| format!("{:?}", part(line))).collect::<BTreeSet<_>>()
        };
        assert_eq!(told(&real_said), told(&our_said), "{body}");
    }
}
