//! What is not right with a file is said, and the file is left as it is.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{message, open, open_for, open_with_tail};
use crate::store::Store;
use crate::store::conformance::{append, create, writes};
use crate::store::sqlite::glance;
use crate::test_program::program;

/// A copy of a store that has a journal: of what a killed process leaves.
fn with_journal(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("state.db");
    let mut store = open_with_tail(&path);
    for id in ["a", "b", "c"] {
        let version = store.commit(&writes([create(id), append(id, "x")]), 0).unwrap().version;
        store.wait_durable(version).unwrap();
    }
    let copy = folder.path().join("copy.db");
    for end in ["", "-wal"] {
        fs::copy(format!("{}{end}", path.display()), format!("{}{end}", copy.display())).unwrap();
    }
    copy
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn refused(path: &Path) -> String {
    message(open_for(path, program()))
}

#[test]
fn a_journal_is_read_after_a_crash() {
    let folder = TempDir::new().unwrap();
    let copy = with_journal(&folder);
    let store = open(&copy);
    assert_eq!(store.state().records().count(), 3);
}

#[test]
fn a_changed_journal_is_reported() {
    for (sql, expected) in [
        (
            "UPDATE _journal SET effects = replace(effects, '\"x\"', '\"y\"') WHERE batch = 2",
            "the journal's batch 2: its checksum is wrong",
        ),
        ("UPDATE _journal SET version = version + 1 WHERE batch = 3", "the journal's batch 3: its checksum is wrong"),
        ("DELETE FROM _journal WHERE batch = 2", "the journal's batch 3: it should follow on batch 1"),
    ] {
        let folder = TempDir::new().unwrap();
        let copy = with_journal(&folder);
        change(&copy, sql);
        let error = refused(&copy);
        assert!(error.contains(expected) && error.contains("is damaged") && error.contains("Nothing was changed"), "{error}");
        let left: u64 = Connection::open(&copy).unwrap().query_row("SELECT count(*) FROM _journal", [], |row| row.get(0)).unwrap();
        assert!(left >= 2);
    }
}

#[test]
fn changed_tables_are_reported() {
    for (sql, expected) in [
        (
            "UPDATE _0_Person SET balance = 'much' WHERE _id = 'b'",
            "the cell `balance` of the Person \"b\": expected an Int, found \"much\"",
        ),
        ("UPDATE _0_Person SET status = 'lost'", "Status has no variant \"lost\""),
        ("UPDATE _0_Person SET \"key\" = 'a'", "unique"),
        ("DELETE FROM _0_Person WHERE _id = 'b'", "there are elements of `items` of a Person 1, which is not there"),
        ("UPDATE _meta SET schema = '{'", "its schema cannot be read"),
    ] {
        let folder = TempDir::new().unwrap();
        let copy = with_journal(&folder);
        open(&copy).close().unwrap();
        change(&copy, sql);
        let error = refused(&copy);
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

#[test]
fn a_broken_file_is_reported() {
    let folder = TempDir::new().unwrap();
    let copy = with_journal(&folder);
    open(&copy).close().unwrap();
    let whole = fs::read(&copy).unwrap();
    // Pages of rubbish behind the first.
    let mut broken = whole.clone();
    broken[4096 * 2..4096 * 9].fill(0xA5);
    // Less than a page, less than there should be, and what is no longer what it was.
    for bytes in [&whole[..100], &whole[..4096], &whole[..whole.len() / 2], &broken] {
        fs::write(&copy, bytes).unwrap();
        let error = refused(&copy);
        assert!(error.contains("is damaged") && error.contains("Nothing was changed"), "{error}");
        assert!(fs::read(&copy).unwrap() == *bytes, "the file is as it was");
    }
    let other = "no database at all, but long enough to be taken for a header of one; it is not, however";
    fs::write(&copy, other).unwrap();
    let glanced = glance(&copy).err().unwrap().message;
    for error in [refused(&copy), glanced] {
        assert!(error.contains("it is no SQLite file, but something else; give another path, or move that file away"), "{error}");
    }
    assert_eq!(fs::read_to_string(&copy).unwrap(), other, "the file is as it was");
}

#[test]
fn other_formats_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    open(&path).close().unwrap();
    change(&path, "PRAGMA user_version = 2");
    let error = refused(&path);
    assert!(error.contains("its format is 2, this program knows 1 at most; use a newer patternc"), "{error}");
    let other = folder.path().join("other.db");
    change(&other, "CREATE TABLE mine (x)");
    let error = refused(&other);
    assert!(error.contains("it is an SQLite file, but not a store"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_removed_or_moved_takes_nothing_more() {
    for what in ["moved", "removed", "log"] {
        let folder = TempDir::new().unwrap();
        let inside = folder.path().join("store");
        fs::create_dir(&inside).unwrap();
        let mut store = open(&inside.join("state.db"));
        let version = store.commit(&writes([create("a")]), 0).unwrap().version;
        store.wait_durable(version).unwrap();
        match what {
            "moved" => fs::rename(&inside, folder.path().join("elsewhere")).unwrap(),
            "removed" => fs::remove_dir_all(&inside).unwrap(),
            _ => fs::remove_file(inside.join("state.db-wal")).unwrap(),
        }
        std::thread::sleep(crate::store::sqlite::writer::LOOK);
        let late = store.commit(&writes([create("b")]), 0).map(|committed| store.wait_durable(committed.version));
        let error = late.unwrap().unwrap_err();
        assert!(error.message.contains("was removed or moved while it was in use") && !error.transient, "{error}");
        assert!(store.commit(&writes([create("c")]), 0).is_err());
    }
}
