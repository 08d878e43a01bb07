//! Several processes on a server: kills, restarts, cuts and refusals in the middle.

use std::time::{Duration, Instant};

use patternc_postgres_server::{Cut, Proxy, Server};
use serde_json::{Value, json};

use crate::process::{PATIENCE, Process, Project};
use crate::server::{database, server};
use crate::workload::{ACCOUNTS, Workload};

/// For what does not depend on what is done.
const WORKLOAD: Workload = Workload::Transfers;

fn feed(process: &mut Process, events: &[Value]) {
    events.iter().for_each(|event| process.send(event));
}

#[test]
fn two_and_four_processes_share_a_server() {
    let Some(server) = server() else { return };
    for (workload, count) in both() {
        let project = workload.project(vec![server.url(&database())]);
        let all: Vec<Vec<Value>> = (0..count).map(|p| workload.events(p, 0..60)).collect();
        let mut processes: Vec<Process> = (0..count).map(|_| project.start()).collect();
        // In turns, so that they meet.
        for part in 0..6 {
            for (process, events) in processes.iter_mut().zip(&all) {
                feed(process, &events[part * 20..(part + 1) * 20]);
            }
        }
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(120), "{workload:?}, {count}: {:?}", process.outcomes);
        }
        workload.check(&project, &all);
    }
}

/// What the promise for several processes is held to.
fn both() -> impl Iterator<Item = (Workload, usize)> {
    Workload::ALL.into_iter().flat_map(|workload| [2, 4].map(|count| (workload, count)))
}

#[test]
fn an_event_that_another_process_has_seen_gives_the_recorded_outcome() {
    let Some(server) = server() else { return };
    for workload in Workload::ALL {
        let project = workload.project(vec![server.url(&database())]);
        let all = vec![workload.events(0, 0..20)];
        let mut processes: Vec<Process> = (0..3).map(|_| project.start()).collect();
        processes.iter_mut().for_each(|process| feed(process, &all[0]));
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(40), "{:?}", process.outcomes);
        }
        workload.check(&project, &all);
    }
}

#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    for (workload, count) in both() {
        let project = workload.project(vec![server.url(&database())]);
        let all: Vec<Vec<Value>> = (0..count).map(|p| workload.events(p, 0..60)).collect();
        let mut processes: Vec<Process> = (0..count).map(|_| project.start()).collect();
        for (process, events) in processes.iter_mut().zip(&all) {
            feed(process, events);
        }
        let killed = &mut processes[0];
        killed.wait_for(20 * count);
        killed.kill();
        assert!(killed.outcomes.values().all(|outcome| outcome["outcome"] == "committed"), "{:?}", killed.outcomes);
        for process in &mut processes[1..] {
            process.end();
            assert!(process.all_committed(120), "{workload:?}, {count}: {:?}", process.outcomes);
        }
        // Whoever was not told sends again.
        let again = project.run(&all[0]);
        assert!(again.all_committed(120), "{workload:?}, {count}: {:?}", again.outcomes);
        workload.check(&project, &all);
    }
}

#[test]
fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let Some(mut server) = server() else { return };
    for (workload, count) in both() {
        let project = workload.project(vec![server.url(&database())]);
        let all: Vec<Vec<Value>> = (0..count).map(|p| workload.events(p, 0..80)).collect();
        let mut processes: Vec<Process> = (0..count).map(|_| project.start()).collect();
        for (process, events) in processes.iter_mut().zip(&all) {
            feed(process, &events[..100]);
        }
        // In the middle of what was fed: at once, as `pg_ctl -m immediate` does, and after all connections have ended.
        for crash in [true, false] {
            processes.iter_mut().for_each(|process| process.wait_for(if crash { 10 } else { 40 }));
            match crash {
                true => server.crash(),
                false => server.stop(),
            }
            server.run();
        }
        for (process, events) in processes.iter_mut().zip(&all) {
            feed(process, &events[100..]);
        }
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(160), "{workload:?}, {count}: {:?}", process.outcomes);
        }
        workload.check(&project, &all);
    }
}

#[test]
fn a_connection_cut_at_a_commit_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    // One that is alone commits in another way than several.
    for (cut, count) in [(Cut::Answer(0), 2), (Cut::Request(20), 2), (Cut::Answer(0), 1), (Cut::Request(20), 1)] {
        let name = database();
        let direct = server.url(&name);
        let project = WORKLOAD.project(vec![direct.clone()]);
        let proxy = Proxy::start(server.port());
        proxy.cut_every(2, cut);
        let cut_off = project.at(vec![direct.replace(&server.port().to_string(), &proxy.port().to_string())]);
        let all: Vec<Vec<Value>> = (0..count).map(|p| WORKLOAD.events(p, 0..40)).collect();
        let mut processes: Vec<Process> = (0..count).map(|_| cut_off.start()).collect();
        for (process, events) in processes.iter_mut().zip(&all) {
            for event in events {
                process.send(event);
                // The entries of one that is alone are as large as there is time.
                if count == 1 {
                    process.wait_for(process.outcomes.len() + 1);
                } else {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(80), "{:?}", process.outcomes);
        }
        assert!(proxy.cuts() > 0, "nothing was cut");
        WORKLOAD.check(&project, &all);
    }
}

#[test]
fn serialization_failures_are_tried_again() {
    let Some(server) = server() else { return };
    let name = database();
    let project = WORKLOAD.project(vec![server.url(&name)]);
    // What a server does that finds no order for two transactions.
    let inject = "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN IF random() < 0.2 THEN \
        RAISE EXCEPTION 'injected' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
        CREATE TRIGGER refuse BEFORE UPDATE ON _patternc_head FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.sql(&name, inject).expect("it is SQL");
    let all: Vec<Vec<Value>> = (0..2).map(|p| WORKLOAD.events(p, 0..40)).collect();
    let mut processes: Vec<Process> = (0..2).map(|_| project.start()).collect();
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, events);
    }
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(80), "{:?}", process.outcomes);
    }
    WORKLOAD.check(&project, &all);
}

#[test]
fn the_spaces_of_a_family_are_spread_over_servers() {
    let (Some(server), Some(second)) = (server(), Server::start(&["fsync=off"])) else { return };
    let (name, other) = (database(), database());
    let urls = vec![server.url(&name), second.url(&other)];
    let project = WORKLOAD.project(urls.clone());
    let all: Vec<Vec<Value>> = (0..2).map(|p| WORKLOAD.events(p, 0..40)).collect();
    let mut processes: Vec<Process> = (0..2).map(|_| project.start()).collect();
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, events);
    }
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(80), "{:?}", process.outcomes);
    }
    WORKLOAD.check(&project, &all);
    drop(processes);
    for (server, name) in [(&*server, &name), (&second, &other)] {
        let accounts = server.sql(name, "SELECT count(*) FROM \"Account\"").expect("there is a view");
        assert!((1..ACCOUNTS).contains(&accounts.parse().expect("it is a number")), "{accounts} of {ACCOUNTS} accounts");
    }
    // Data do not move by themselves, and are not lost sight of either.
    let turned = project.at(vec![urls[1].clone(), urls[0].clone()]).refused();
    assert!(turned.contains("has, or had, records of the space") && turned.contains("Nothing was changed"), "{turned}");
}

/// What others have done meanwhile is told, also if nobody keeps the outcome any more: nobody waits for ever.
#[test]
fn a_process_that_slept_longer_than_outcomes_are_kept_goes_on() {
    let Some(server) = server() else { return };
    let pattern = "space home
extern slow { call() -> Int idempotent }
record A in home {
  cell n: Int = 0
  handler go() -> Int { return send slow.call() }
  handler add() { self.n += 1 }
}
";
    let externs = "{ slow: { kind: command, run: [sh, \"-c\", \"touch called; sleep 1; echo 1\"] } }\nlimits: { keep-outcomes: 1s }";
    let project = Project::with_externs(pattern, vec![server.url(&database())], "", externs);
    let (mut sleeper, mut other) = (project.start(), project.start());
    sleeper.send(&json!({"id": "new", "create": "A", "as": "a"}));
    sleeper.wait_for(1);
    let add = |i: u64| json!({"id": format!("add{i}"), "to": "A/a", "handler": "add", "args": {}});
    other.send(&add(0));
    other.wait_for(1);
    // The second and third call are not made yet when it falls asleep.
    let go = ["go1", "go2", "go3"];
    for id in go {
        sleeper.send(&json!({"id": id, "to": "A/a", "handler": "go", "args": {}}));
    }
    let called = project.folder().join("called");
    while !called.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    sleeper.signal("-STOP");
    // It counts as dead in 5 s; then the calls are made anew, answered, and forgotten.
    for i in 1..16 {
        std::thread::sleep(Duration::from_secs(1));
        other.send(&add(i));
    }
    other.wait_for(16);
    sleeper.signal("-CONT");
    sleeper.send(&json!({"id": "last", "to": "A/a", "handler": "add", "args": {}}));
    sleeper.wait_for(5);
    for id in go {
        let told = &sleeper.outcomes[id];
        assert!(told["outcome"] == "committed" || told["failure"]["kind"] == "unknown", "{told}");
    }
    sleeper.end();
    other.end();
}

/// As of a file: what went wrong last is seen when nobody runs the patterns any more.
#[test]
fn the_last_error_is_told_when_nobody_runs_the_patterns() {
    let Some(server) = server() else { return };
    let pattern = "space home
extern bank { pay() -> Int idempotent }
record A in home { handler go() -> Int { return send bank.pay() } }
";
    let externs = "{ bank: { kind: command, run: [sh, \"-c\", \"echo the line is cut >&2; exit 1\"] } }";
    let project = Project::with_externs(pattern, vec![server.url(&database())], "", externs);
    let mut process = project.start();
    process.send(&json!({"id": "new", "create": "A", "as": "a"}));
    process.wait_for(1);
    process.send(&json!({"id": "go", "to": "A/a", "handler": "go", "args": {}}));
    let status = || {
        let said = project.patternc().arg("status").output().expect("the binary starts");
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let wait_for = |wanted: &[&str]| {
        let begun = Instant::now();
        loop {
            let said = status();
            if wanted.iter().all(|wanted| said.contains(wanted)) {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "{said}");
        }
    };
    wait_for(&["the line is cut"]);
    process.signal("-INT");
    process.end();
    let said = wait_for(&["nobody uses it"]);
    assert!(said.contains("the line is cut"), "{said}");
}

/// A rolling change of the list of servers would have two processes keep one space in two of them.
#[test]
fn processes_that_keep_a_space_in_different_stores_are_not_alive_at_once() {
    let Some(server) = server() else { return };
    let urls: Vec<String> = (0..3).map(|_| server.url(&database())).collect();
    let pattern = "space lobby\nspace u[Text]\nrecord Box in u { cell n: Int = 0 }\n";
    let two = Project::new(pattern, urls[..2].to_vec(), "u");
    let three = Project::new(pattern, urls.clone(), "u");
    let mut process = two.start();
    process.send(&json!({"id": "e", "create": "Box", "as": "b", "in": "u[5]"}));
    process.wait_for(1);
    let said = three.refused();
    assert!(
        said.contains("`pg0`") && said.contains("the deployment keeps other spaces in it than the one with which others still run"),
        "{said}"
    );
    // One that agrees may come, and the stores are as they were.
    assert!(two.run(&[json!({"id": "g", "create": "Box", "as": "d", "in": "u[5]"})]).all_committed(1));
    process.send(&json!({"id": "f", "create": "Box", "as": "c", "in": "u[5]"}));
    process.wait_for(2);
    process.end();
}

/// Sends what is delayed, not all for the same time, and not in that order.
const CLOCK: &str = r#"
space home
space away

record Box in away {
  cell lines: List<Int> = []
  handler note(line: Int) { self.lines += line }
}

record Clock in home {
  cell box: Box
  handler plan(from: Int) {
    send self.box.note(from + 1) after 2s
    send self.box.note(from + 2) after 2s
    send self.box.note(from) after 1s
  }
}
"#;

#[test]
fn delayed_events_of_processes_that_died_come_in_the_order_in_which_they_are_due() {
    let Some(server) = server() else { return };
    let project = Project::new(CLOCK, vec![server.url(&database())], "");
    let made = [
        json!({"id": "box", "create": "Box", "as": "b"}),
        json!({"id": "clock", "create": "Clock", "as": "c", "cells": {"box": {"ref": "Box/b"}}}),
    ];
    assert!(project.run(&made).all_committed(2));
    let plan = |from: i64| json!({"id": format!("p{from}"), "to": "Clock/c", "handler": "plan", "args": {"from": from}});
    let mut processes = [project.start(), project.start()];
    // One after the other, from the same record.
    for (process, from) in processes.iter_mut().zip([10, 20]) {
        process.send(&plan(from));
        process.wait_for(1);
    }
    processes.iter_mut().for_each(Process::kill);
    let mut last = project.start();
    let lines = (0..).find_map(|n| {
        last.send(&json!({"id": format!("r{n}"), "read": "Box/b", "cells": ["lines"]}));
        last.wait_for(n + 1);
        let lines = last.outcomes[&format!("r{n}")]["cells"]["lines"].as_array().expect("it is a list").clone();
        std::thread::sleep(Duration::from_millis(100));
        (lines.len() == 6).then_some(lines)
    });
    let lines: Vec<i64> = lines.expect("they come").iter().filter_map(Value::as_i64).collect();
    for ordered in [[10, 11, 12], [20, 21, 22]] {
        assert!(lines.iter().filter(|line| ordered.contains(line)).eq(&ordered), "{lines:?}");
    }
    // Those of the first plan were due before those of the second.
    for of in 0..3 {
        assert!(lines.iter().filter(|line| **line % 10 == of).eq(&[10 + of, 20 + of]), "{lines:?}");
    }
}
