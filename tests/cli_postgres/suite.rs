use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use patternc_postgres_server::Server;
use serde_json::Value;

use crate::process::{ACCOUNTS, Process, Project, events};
use crate::proxy::{Cut, Proxy};

/// One server for all tests; `None` where there are no binaries. One test at a time: some restart it.
fn server() -> Option<MutexGuard<'static, Server>> {
    static SERVER: OnceLock<Option<Mutex<Server>>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(&["fsync=off"]).map(Mutex::new)).as_ref()?;
    Some(server.lock().unwrap_or_else(PoisonError::into_inner))
}

fn database() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("bank{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What is true in the end, whatever happened: every event took effect once.
fn check(project: &Project, all: &[Vec<Value>]) {
    let (sent, mut messages) = project.settled();
    let count: usize = all.iter().map(Vec::len).sum();
    assert_eq!(sent as usize, count / 2, "payments");
    messages.sort();
    let mut expected: Vec<&str> = all.iter().flatten().filter_map(|event| event["args"]["text"].as_str()).collect();
    expected.sort_unstable();
    assert_eq!(messages, expected);
}

fn feed(process: &mut Process, events: &[Value]) {
    events.iter().for_each(|event| process.send(event));
}

#[test]
fn two_and_four_processes_share_a_server() {
    let Some(server) = server() else { return };
    for count in [2, 4] {
        let project = Project::new(vec![server.url(&database())]);
        project.set_up();
        let all: Vec<Vec<Value>> = (0..count).map(|p| events(&format!("p{p}"), 0..60)).collect();
        let mut processes: Vec<Process> = (0..count).map(|_| project.start()).collect();
        // In turns, so that they meet.
        for part in 0..6 {
            for (process, events) in processes.iter_mut().zip(&all) {
                feed(process, &events[part * 20..(part + 1) * 20]);
            }
        }
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(120), "{:?}", process.outcomes);
        }
        check(&project, &all);
    }
}

#[test]
fn an_event_that_another_process_has_seen_gives_the_recorded_outcome() {
    let Some(server) = server() else { return };
    let project = Project::new(vec![server.url(&database())]);
    project.set_up();
    let all = vec![events("same", 0..20)];
    let mut processes: Vec<Process> = (0..3).map(|_| project.start()).collect();
    processes.iter_mut().for_each(|process| feed(process, &all[0]));
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(40), "{:?}", process.outcomes);
    }
    check(&project, &all);
}

#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    let project = Project::new(vec![server.url(&database())]);
    project.set_up();
    let all: Vec<Vec<Value>> = (0..2).map(|p| events(&format!("p{p}"), 0..80)).collect();
    let (mut killed, mut other) = (project.start(), project.start());
    feed(&mut killed, &all[0]);
    feed(&mut other, &all[1]);
    killed.wait_for(40);
    killed.kill();
    let told: Vec<Value> = killed.outcomes.values().cloned().collect();
    assert!(told.iter().all(|outcome| outcome["outcome"] == "committed"), "{told:?}");
    other.end();
    assert!(other.all_committed(160), "{:?}", other.outcomes);
    // Whoever was not told sends again.
    let mut again = project.start();
    feed(&mut again, &all[0]);
    again.end();
    assert!(again.all_committed(160), "{:?}", again.outcomes);
    check(&project, &all);
}

#[test]
fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let Some(mut server) = server() else { return };
    let project = Project::new(vec![server.url(&database())]);
    project.set_up();
    let all: Vec<Vec<Value>> = (0..2).map(|p| events(&format!("p{p}"), 0..120)).collect();
    let mut processes: Vec<Process> = (0..2).map(|_| project.start()).collect();
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, &events[..80]);
    }
    for crash in [true, false] {
        processes[0].wait_for(if crash { 20 } else { 60 });
        match crash {
            true => server.crash(),
            false => server.stop(),
        }
        std::thread::sleep(Duration::from_millis(300));
        server.run();
    }
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, &events[80..]);
    }
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(240), "{:?}", process.outcomes);
    }
    check(&project, &all);
}

#[test]
fn a_connection_cut_at_a_commit_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    for cut in [Cut::AfterCommit, Cut::BeforeCommit] {
        let name = database();
        let direct = server.url(&name);
        let project = Project::new(vec![direct.clone()]);
        project.set_up();
        let proxy = Proxy::start(server.port(), cut, 7);
        let cut_off = Project::new(vec![direct.replace(&server.port().to_string(), &proxy.port.to_string())]);
        let all: Vec<Vec<Value>> = (0..2).map(|p| events(&format!("p{p}"), 0..40)).collect();
        let mut processes: Vec<Process> = (0..2).map(|_| cut_off.start()).collect();
        for (process, events) in processes.iter_mut().zip(&all) {
            for event in events {
                process.send(event);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        for process in &mut processes {
            process.end();
            assert!(process.all_committed(80), "{:?}", process.outcomes);
        }
        assert!(proxy.cuts.load(Ordering::SeqCst) > 0, "nothing was cut");
        check(&project, &all);
    }
}

#[test]
fn serialization_failures_are_tried_again() {
    let Some(server) = server() else { return };
    let name = database();
    let project = Project::new(vec![server.url(&name)]);
    project.set_up();
    // What a server does that finds no order for two transactions.
    let inject = "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN IF random() < 0.2 THEN \
        RAISE EXCEPTION 'injected' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
        CREATE TRIGGER refuse BEFORE UPDATE ON _patternc_head FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.sql(&name, inject).expect("it is SQL");
    let all: Vec<Vec<Value>> = (0..2).map(|p| events(&format!("p{p}"), 0..40)).collect();
    let mut processes: Vec<Process> = (0..2).map(|_| project.start()).collect();
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, events);
    }
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(80), "{:?}", process.outcomes);
    }
    check(&project, &all);
}

#[test]
fn the_spaces_of_a_family_are_spread_over_servers() {
    let (Some(server), Some(second)) = (server(), Server::start(&["fsync=off"])) else { return };
    let (name, other) = (database(), database());
    let urls = vec![server.url(&name), second.url(&other)];
    let project = Project::new(urls.clone());
    project.set_up();
    let all: Vec<Vec<Value>> = (0..2).map(|p| events(&format!("p{p}"), 0..40)).collect();
    let mut processes: Vec<Process> = (0..2).map(|_| project.start()).collect();
    for (process, events) in processes.iter_mut().zip(&all) {
        feed(process, events);
    }
    for process in &mut processes {
        process.end();
        assert!(process.all_committed(80), "{:?}", process.outcomes);
    }
    check(&project, &all);
    drop(processes);
    for (server, name) in [(&*server, &name), (&second, &other)] {
        let accounts = server.sql(name, "SELECT count(*) FROM \"Account\"").expect("there is a view");
        assert!((1..ACCOUNTS).contains(&accounts.parse().expect("it is a number")), "{accounts} of {ACCOUNTS} accounts");
    }
    // Data do not move by themselves, and are not lost sight of either.
    let turned = Project::new(vec![urls[1].clone(), urls[0].clone()]).refused();
    assert!(turned.contains("has records of the space") && turned.contains("Nothing was changed"), "{turned}");
}
