//! The mirror of `patterns/permissioned_spaces` against SpiceDB, with a proxy between that cuts, delays, doubles and reorders calls, while the
//! process is killed.

pub mod disturbed;
mod preconditions;
pub mod spicedb;
mod tls;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::{Value as Json, json};

use self::disturbed::{FAULTS, changed_by_hand, command, events, happens, pairs, project, wanted};
use self::spicedb::{Server, TOKEN, id};
use crate::patternc::{run_with_input, seen};

#[test]
fn whatever_happens_to_a_call_or_the_process_the_facts_end_equal() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for fault in FAULTS {
            let server = &server;
            scope.spawn(move || (1..=7).for_each(|write| happens(server, project().path(), vec![(write, fault)], false)));
        }
    });
}

#[test]
fn two_faults_on_the_way_end_equal_too() {
    let (ours, pairs) = (&Server::alike(), pairs());
    std::thread::scope(|scope| {
        for part in pairs.chunks(pairs.len().div_ceil(4)) {
            scope.spawn(move || part.iter().for_each(|faults| happens(ours, project().path(), faults.clone(), false)));
        }
    });
}

#[test]
fn what_was_changed_by_hand_is_repaired_in_one_account_and_left_alone_in_the_other() {
    changed_by_hand(project().path());
}

#[test]
fn reconcile_does_not_wait_for_ever_for_the_other_side() {
    let server = Server::alike();
    let (folder, owner) = (project(), "did:plc:wait");
    let mut run = command(folder.path(), &server.address);
    run.arg("run");
    assert_eq!(run_with_input(run, &events(owner)).status.code(), Some(0));
    let mut reconcile = command(folder.path(), "localhost:1");
    let output = reconcile.args(["reconcile", "ownership", "--timeout", "300ms"]).output().expect("the binary starts");
    let said = seen(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not reconciled: unavailable: nothing has happened for 300ms (`--timeout`): "), "{said}");
    assert!(said.contains("what the other side has was not read") && said.contains("0 of 1 scope of `ownership` reconciled"), "{said}");
    let mut again = command(folder.path(), &server.address);
    let output = again.args(["reconcile", "ownership", "--timeout", "1h"]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let mut wrong = command(folder.path(), &server.address);
    let output = wrong.args(["reconcile", "ownership", "--timeout", "soon"]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("as `30s`, `10m` or `2h`"), "{}", seen(&output));
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
fn a_mirror_whose_removals_come_first_needs_calls_to_be_remembered() {
    let folder = project();
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("it is there");
        assert!(text.contains(from), "{file}: {text}");
        std::fs::write(&path, text.replace(from, to)).expect("there is room");
    };
    let run = || {
        let mut run = command(folder.path(), "localhost:1");
        run.arg("run");
        run_with_input(run, "")
    };
    change("patternc.yaml", "timeout: 2s", "timeout: 2s, calls: none");
    let ran = run();
    let said = seen(&ran);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("could bring a fact back after it was removed") && said.contains("leave out `calls: none`"), "{said}");
    change("spaces.pattern", "remove(f) first =", "remove(f) =");
    assert_eq!(run().status.code(), Some(0), "without `first` nobody was promised anything");
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
