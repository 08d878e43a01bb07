//! The suite of all stores, and what only a file can get wrong.

mod crash;
mod damage;
pub(in crate::store) mod history;
mod migration;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patternc_program::Program;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::{Opening, Sqlite};
use crate::limits::Limits;
use crate::store::state::State;
use crate::store::{Presence, Store, StoreError};
use crate::test_program::program;

/// Opens a store for the program of the tests.
fn open(path: &Path) -> Sqlite {
    open_for(path, program()).expect("it opens")
}

/// Opens a store for a program.
fn open_for(path: &Path, program: Program) -> Result<Sqlite, StoreError> {
    Sqlite::open(path, Opening::new(Arc::new(program), Limits::default()))
}

/// Opens a store whose journal stays until it is closed.
fn open_with_tail(path: &Path) -> Sqlite {
    let opening = Opening { quiet: Duration::from_secs(3600), ..Opening::new(Arc::new(program()), Limits::default()) };
    Sqlite::open(path, opening).expect("it opens")
}

/// Another reader of the file.
fn reader(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it can be read")
}

fn message(opened: Result<Sqlite, StoreError>) -> String {
    match opened {
        Ok(_) => panic!("it opens"),
        Err(error) => error.message,
    }
}

/// Everything in a state, in an order of its own.
fn dump(state: &State) -> Vec<String> {
    let records = state.records().map(|r| format!("{} {:?} {:?}", r.order, r.record, r.cells.map(|cells| cells.collect::<Vec<_>>())));
    let mut all: Vec<String> = records.collect();
    all.extend(state.outgoing().map(|outgoing| format!("{outgoing:?}")));
    let mut inbox: Vec<String> = state.inbox().map(|(id, event)| format!("{id:?} {event:?}")).collect();
    inbox.sort();
    all.extend(inbox);
    // Both zeros are one value.
    all.iter().map(|line| line.replace("Float(-0.0)", "Float(0.0)")).collect()
}

crate::store::conformance::store_conformance!({
    let folder = TempDir::new().expect("there is room");
    (Box::new(open(&folder.path().join("state.db"))), folder)
});

#[test]
fn one_process_owns_a_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/down/state.db");
    let store = open(&path);
    let error = message(open_for(&path, program()));
    assert!(error.contains("is in use by the process ") && error.contains("only one process writes a store"), "{error}");
    drop(store);
    assert!(open(&path).close().is_ok());
}

#[test]
fn a_writer_beside_the_owner_is_noticed() {
    use crate::store::conformance::{create, writes};
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let mut store = open_with_tail(&path);
    let version = store.commit(&writes([create("a")]), 0).unwrap().version;
    store.wait_durable(version).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let version = store.commit(&writes([create("b")]), 0).unwrap().version;
    let error = store.wait_durable(version).unwrap_err();
    assert!(error.message.contains("another process has written to the file"), "{error}");
    assert_eq!(store.presence(&crate::test_program::a_person("a")).unwrap_err(), error);
    assert!(store.commit(&writes([create("c")]), 0).is_err());
    drop(store);
    assert_eq!(open(&path).presence(&crate::test_program::a_person("a")), Ok(Presence::Live));
}

#[test]
fn what_nobody_waits_for_becomes_durable_too() {
    use crate::store::conformance::{create, writes};
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    for callback in [false, true] {
        let mut store = open(&path);
        let (sender, called) = std::sync::mpsc::channel();
        if callback {
            store.durability().notify(Box::new(move || sender.send(()).unwrap_or(())));
        }
        // Before and after the thread has gone to sleep.
        for (i, pause) in [0, 0, 150, 0].into_iter().enumerate() {
            std::thread::sleep(Duration::from_millis(pause));
            let version = store.commit(&writes([create(&format!("{callback} {i}"))]), 0).unwrap().version;
            let began = std::time::Instant::now();
            while store.durable().unwrap() < version {
                assert!(began.elapsed() < Duration::from_secs(20), "it is never written");
                std::thread::sleep(Duration::from_millis(1));
            }
            if callback {
                called.recv_timeout(Duration::from_secs(20)).expect("it calls back");
            }
        }
    }
}

#[test]
fn many_threads_wait_for_one_store() {
    use crate::store::conformance::{add, create, writes};
    use std::sync::Mutex;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let store = Mutex::new(open(&path));
    store.lock().unwrap().commit(&writes([create("a")]), 0).unwrap();
    let durability = store.lock().unwrap().durability();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let version = store.lock().unwrap().commit(&writes([add("a", 1)]), 0).unwrap().version;
                    durability.wait_durable(version).unwrap();
                }
            });
        }
    });
    drop(store);
    let reopened = open(&path);
    let balance = reopened.cell(&crate::test_program::a_person("a"), crate::test_program::person::BALANCE);
    assert_eq!(balance, Ok(Some(crate::value::Value::Int(800))));
}
