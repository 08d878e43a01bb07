//! The sagas of the bounty board on SQLite files whose disk fails at any commit. Either it is full, and what was to be committed is not there
//! afterwards; or what is written cannot be made durable, and then it is there afterwards, although the process was told that it failed. That
//! process goes on with its other store; the next one, on a disk that works again, ends what was begun.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::FailureKind;
use patternc_interpreter::simulate::{Disk, Fault, ReopenedDisk, sqlite_disk};
use patternc_interpreter::store::{Store, StoreError};
use patternc_interpreter::value::Value;
use patternc_program::Program;
use patternc_tests::bounty::{Case, Mishap, at_every_point, board, claimed_and_settled};
use patternc_tests::world::{World, limits};

const FAILS: &str = "PATTERNC_TEST_DISK_FAILS";

/// SQLite files on a disk that fails where it is told to ([`fail`]), until another process opens them.
struct FailingDisk {
    files: ReopenedDisk,
    folder: PathBuf,
}

impl FailingDisk {
    fn new(program: &Arc<Program>, folder: &Path, stores: usize) -> Self {
        FailingDisk { files: sqlite_disk(program, &limits(), folder, stores), folder: folder.to_owned() }
    }
}

impl Disk for FailingDisk {
    fn stores(&self) -> usize {
        self.files.stores()
    }

    fn open(&mut self, store: usize) -> Result<Box<dyn Store>, StoreError> {
        for fault in [Fault::Broken, Fault::AnswerLost] {
            // Most do not fail.
            let _ = fs::remove_file(mark(&self.folder, store, fault));
        }
        self.files.open(store)
    }

    fn is_controlled(&self, store: usize) -> bool {
        self.files.is_controlled(store)
    }

    fn flush(&mut self, store: usize) {
        self.files.flush(store);
    }
}

/// What has the disk fail for a store: `disk.c` looks for it.
fn mark(folder: &Path, store: usize, fault: Fault) -> PathBuf {
    let ending = match fault {
        Fault::Broken => "full",
        Fault::AnswerLost => "unsynced",
        Fault::Refused | Fault::Panic => panic!("no disk does that"),
    };
    folder.join(format!("{store}.db-wal.{ending}"))
}

fn fail(folder: &Path, store: usize, fault: Fault) {
    fs::write(mark(folder, store, fault), "").expect("there is room for a file");
}

/// A process whose disk can fail runs a test of this file.
fn on_a_disk_that_fails(test: &str) -> bool {
    if std::env::var_os(FAILS).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let library = folder.path().join("disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/failing_disk/disk.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", source, "-ldl", "-o"]).arg(&library).output();
    let made = made.expect("the C compiler that compiled SQLite is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut child = Command::new(std::env::current_exe().expect("it runs"));
    let run = child.args(["--exact", test, "--nocapture"]).env(FAILS, "").env("LD_PRELOAD", &library).status();
    assert!(run.expect("it runs once, so it does twice").success());
    false
}

#[test]
fn what_a_disk_refuses_is_not_there_and_what_it_does_not_make_durable_is_and_neither_is_told_as_done() {
    if !on_a_disk_that_fails("what_a_disk_refuses_is_not_there_and_what_it_does_not_make_durable_is_and_neither_is_told_as_done") {
        return;
    }
    let program = board();
    for (fault, told, there) in [(Fault::Broken, "database or disk is full", false), (Fault::AnswerLost, "disk I/O error", true)] {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let places = vec![0; program.spaces.len()];
        let mut world = World::on(&program, 1, Box::new(FailingDisk::new(&program, folder.path(), 1)), places).expect("it opens");
        let create =
            |world: &mut World, name: &str| world.try_create("Agent", world.space("claims"), &[("name", Value::Text(name.into()))]);
        assert!(matches!(create(&mut world, "ann"), Outcome::Committed(_)));
        fail(folder.path(), 0, fault);
        let outcome = create(&mut world, "bob");
        assert!(
            matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable && failure.message.contains(told)),
            "{outcome:?}"
        );
        world.crash();
        assert_eq!(world.records().len(), if there { 2 } else { 1 }, "{fault:?}");
    }
}

#[test]
fn sagas_end_all_done_or_all_undone_whichever_commit_the_disk_fails_at() {
    if !on_a_disk_that_fails("sagas_end_all_done_or_all_undone_whichever_commit_the_disk_fails_at") {
        return;
    }
    let cases = [(1, true), (2, false), (2, true)].into_iter().flat_map(|(stores, refuses)| {
        let faults = (0..stores).flat_map(|store| [(store, Fault::Broken), (store, Fault::AnswerLost)]);
        faults.map(move |(store, fault)| Case {
            seed: 4,
            stores,
            refuses,
            loses_first_answers: !refuses,
            mishap: Mishap::Store(store, fault),
        })
    });
    let program = board();
    // They wait for their disk more than they compute.
    std::thread::scope(|scope| {
        for case in cases {
            let program = &program;
            scope.spawn(move || {
                at_every_point(case, |point| {
                    let folder = tempfile::tempdir().expect("there is room for a folder");
                    let disk = FailingDisk::new(program, folder.path(), case.stores);
                    claimed_and_settled(program, case, point, Box::new(disk), &|store, fault| fail(folder.path(), store, fault))
                });
            });
        }
    });
}
