//! A process is killed at a chance moment; what it had been told is durable is there, and nothing is there in part.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::open;
use crate::event::EventId;
use crate::store::conformance::{add, append, create, entry, received, writes};
use crate::store::{CommitRequest, Store};
use crate::test_program::{a_list, a_person, person, text};
use crate::value::Value;

const PATH: &str = "PATTERNC_TEST_STORE";

/// Commits for ever; says on standard output what is durable. Only run as a child of the tests below.
#[test]
#[ignore = "a child of other tests"]
fn child() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let mut store = open(&path);
    let mut out = std::io::stdout();
    let first = match store.cell(&a_person("a"), person::BALANCE) {
        Ok(Some(Value::Int(n))) => n,
        _ => 0,
    };
    if first == 0 && store.cell(&a_person("a"), person::BALANCE).unwrap().is_none() {
        store.commit(&writes([create("a")]), 0).unwrap();
    }
    for i in first.. {
        let id = i.to_string();
        let request = CommitRequest { inbox: vec![received(&id, i, None)], ..writes([add("a", 1), append("a", &id), entry("a", &id, i)]) };
        let committed = match store.commit(&request, i) {
            Ok(committed) => committed,
            Err(refused) => {
                writeln!(out, "refused {refused}").unwrap();
                return;
            }
        };
        if i % 7 == 0 {
            match store.wait_durable(committed.version) {
                Ok(()) => writeln!(out, "durable {i}").unwrap(),
                Err(error) => {
                    writeln!(out, "failed {error}").unwrap();
                    assert!(store.commit(&request, i).is_err());
                    assert!(store.presence(&a_person("a")).is_err());
                    return;
                }
            }
        }
    }
}

fn start(path: &Path, shell: &str) -> std::process::Child {
    let test = std::env::current_exe().unwrap();
    let name = "store::sqlite::tests::crash::child";
    let command = format!("{shell} exec '{}' --exact {name} --ignored --nocapture --test-threads=1", test.display());
    Command::new("sh").arg("-c").arg(command).env(PATH, path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What is in the store is what the first `n` transactions did, and `n` is more than what was said to be durable.
fn check(path: &Path, durable: i64) -> i64 {
    let store = open(path);
    let Some(Value::Int(n)) = store.cell(&a_person("a"), person::BALANCE).unwrap() else {
        assert_eq!(durable, -1);
        return -1;
    };
    assert!(n > durable, "{durable} was durable, {n} are there");
    assert_eq!(store.cell(&a_person("a"), person::ITEMS).unwrap(), Some(a_list((0..n).map(|i| text(&i.to_string())))));
    for i in 0..n {
        assert!(store.received(&EventId(i.to_string().into())).unwrap().is_some(), "{i}");
        assert_eq!(store.element(&a_person("a"), person::SCORES, &text(&i.to_string())), Ok(Some(Value::Int(i))));
    }
    assert!(store.received(&EventId(n.to_string().into())).unwrap().is_none());
    store.close().unwrap();
    n
}

fn said(line: &str) -> Option<i64> {
    line.rsplit_once("durable ")?.1.trim().parse().ok()
}

#[test]
fn a_killed_process_loses_nothing_durable() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let mut durable = -1;
    let mut seed = 12345u64;
    for _ in 0..25 {
        let mut child = start(&path, "");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reading = std::thread::spawn(move || lines.map_while(Result::ok).filter_map(|line| said(&line)).last());
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_millis(5 + (seed >> 33) % 120));
        child.kill().unwrap();
        child.wait().unwrap();
        durable = reading.join().unwrap().unwrap_or(durable).max(durable);
        let there = check(&path, durable);
        durable = durable.max(there - 1);
    }
    assert!(durable > 0, "the child did something");
}

#[test]
fn a_full_disk_fails_the_store_and_loses_nothing_durable() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    // Files may have 600 KiB: a write beyond fails as on a full disk.
    let child = start(&path, "trap '' XFSZ; ulimit -f 600;");
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let durable = output.lines().filter_map(said).max().expect("something fits");
    let end = output.lines().find(|line| line.contains("failed ") || line.contains("refused ")).expect("it fails in the end");
    assert!(end.contains("cannot write to") || end.contains("cannot bring the journal"), "{end}");
    assert!(end.contains("Nothing more is committed"), "{end}");
    check(&path, durable);
}
