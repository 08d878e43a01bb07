//! The mirror of `patterns/permissioned_spaces` with its records on PostgreSQL: the same happens to its calls and its process as on SQLite.

#[path = "../cli/permissioned_spaces/disturbed.rs"]
mod disturbed;
#[path = "../cli/permissioned_spaces/spicedb.rs"]
mod spicedb;

use tempfile::TempDir;

use self::disturbed::{FAULTS, changed_by_hand, happens, pairs, project};
use self::spicedb::Server;
use crate::server::{database, server};

/// The project with its records in the database at an address.
fn on(url: &str) -> TempDir {
    let folder = project();
    let path = folder.path().join("patternc.yaml");
    let yaml = std::fs::read_to_string(&path).expect("it is there");
    let on_server = yaml.replace("{ kind: sqlite, path: .patternc/state.db }", &format!("{{ kind: postgres, url: \"{url}\" }}"));
    assert_ne!(on_server, yaml);
    std::fs::write(&path, on_server).expect("there is room");
    folder
}

#[test]
fn whatever_happens_to_a_call_or_the_process_the_facts_end_equal() {
    let Some(postgres) = server() else { return };
    let (spicedb, postgres) = (&Server::start(), &*postgres);
    std::thread::scope(|scope| {
        for fault in FAULTS {
            scope.spawn(move || {
                (1..=7).for_each(|write| happens(spicedb, on(&postgres.url(&database())).path(), vec![(write, fault)], true));
            });
        }
    });
}

#[test]
fn two_faults_on_the_way_end_equal_too() {
    let Some(postgres) = server() else { return };
    let (ours, postgres, pairs) = (&Server::alike(), &*postgres, pairs());
    // Whoever delivers what a killed process has sent waits until that counts as dead: so many at once.
    std::thread::scope(|scope| {
        for part in pairs.chunks(pairs.len().div_ceil(12)) {
            scope.spawn(move || part.iter().for_each(|faults| happens(ours, on(&postgres.url(&database())).path(), faults.clone(), true)));
        }
    });
}

#[test]
fn what_was_changed_by_hand_is_repaired_in_one_account_and_left_alone_in_the_other() {
    let Some(postgres) = server() else { return };
    changed_by_hand(on(&postgres.url(&database())).path());
}
