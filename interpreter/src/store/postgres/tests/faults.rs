//! What can go wrong with a server and the way to it: it is said with a way out, and nothing is lost or told that is not so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{MutexGuard, OnceLock};
use std::time::Duration;

use patternc_postgres_server::{Cut, Proxy, Server, certify};
use tempfile::TempDir;

use super::{balance, change, fresh, open, open_for, server};
use crate::store::conformance::{add, create, writes};
use crate::store::postgres::Postgres;
use crate::store::{Refused, Store, StoreError};
use crate::test_program::{a_person, person, program};
use crate::value::Value;

pub(super) fn locked() -> MutexGuard<'static, Server> {
    server().expect("it runs").lock().expect("nobody panics with it")
}

/// Adds one to a balance until that is told to be durable. How often it was told to be lost.
pub(super) fn add_one(store: &mut Postgres) -> usize {
    let mut lost = 0;
    loop {
        let committed = match store.commit(&writes([add("a", 1)]), 0) {
            Ok(committed) => committed,
            Err(Refused::Store(StoreError { transient: true, .. })) => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        match store.wait_durable(committed.version) {
            Ok(()) => return lost,
            Err(error) => assert!(error.transient, "{error}"),
        }
        lost += 1;
    }
}

/// Every byte of a commit and of its answer, from the first to the last; `alone`: by a process that takes no lock.
fn cut_at_any_byte(alone: bool) {
    const THREADS: usize = 8;
    // An answer may end sooner: then nothing is cut, and the next byte need not be tried.
    let answer = if alone { 30 } else { 75 };
    let (lost, kept) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let at_stages = |thread: usize| {
        let Some(url) = fresh() else { return };
        let mut direct = open(&url);
        let made = direct.commit(&writes([create("a")]), 0).expect("it commits").version;
        direct.wait_durable(made).expect("the server answers");
        let _other = (!alone).then_some(direct);
        let port = locked().port();
        let proxy = Proxy::start(port);
        let mut store = open(&url.replace(&port.to_string(), &proxy.port().to_string()));
        let (mut expected, mut stage) = (0, thread);
        let (mut request, mut again) = (usize::MAX, 0);
        while stage < request.saturating_add(answer) {
            if alone {
                // The turn after a loss is one with a lock.
                add_one(&mut store);
                expected += 1;
            }
            let cut = if stage <= request { Cut::Request(stage) } else { Cut::Answer(stage - request - 1) };
            proxy.cut_every(1, cut);
            let before = proxy.cuts();
            // The first try meets the cut, the next ones do not.
            let committed = loop {
                match store.commit(&writes([add("a", 1)]), 0) {
                    Ok(committed) => break committed,
                    Err(Refused::Store(StoreError { transient: true, .. })) => std::thread::sleep(Duration::from_millis(1)),
                    Err(other) => panic!("{other}"),
                }
            };
            let told = std::thread::scope(|scope| {
                let durability = store.durability();
                let waiting = scope.spawn(move || durability.wait_durable(committed.version));
                while proxy.cuts() == before && !waiting.is_finished() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                proxy.rest();
                waiting.join().expect("it does not panic")
            });
            assert!(proxy.cuts() > before, "{cut:?}: nothing was cut");
            let is_lost = told.is_err_and(|error| {
                assert!(error.transient, "{cut:?}: {error}");
                add_one(&mut store);
                true
            });
            expected += 1;
            assert_eq!(balance(&url), Some(Value::Int(expected)), "{cut:?}");
            // Who has waited long, on a busy machine, takes the lock again: then this byte is cut once more.
            if proxy.last().commits == alone {
                again += 1;
                assert!(again < 3, "{cut:?}: never committed as one who is {}alone", if alone { "" } else { "not " });
                continue;
            }
            again = 0;
            request = proxy.last().bytes;
            let told = if is_lost { &lost } else { &kept };
            told.fetch_add(1, Ordering::Relaxed);
            stage += THREADS;
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|thread| drop(scope.spawn(move || at_stages(thread)))));
    let (lost, kept) = (lost.into_inner(), kept.into_inner());
    if server().is_some() {
        assert!(lost > 100 && kept > 20, "{lost} lost, {kept} kept: the cuts say little");
    }
}

#[test]
fn a_connection_cut_at_any_byte_of_a_commit_is_told_as_it_was() {
    cut_at_any_byte(false);
}

#[test]
fn a_connection_cut_at_any_byte_of_a_commit_of_one_who_is_alone_is_told_as_it_was() {
    cut_at_any_byte(true);
}

#[test]
fn a_full_disk_or_a_server_that_only_reads_loses_nothing() {
    let Some(url) = fresh() else { return };
    let mut store = open(&url);
    let version = store.commit(&writes([create("a")]), 0).expect("it commits").version;
    store.wait_durable(version).expect("the server answers");
    for (code, way_out) in [("53100", "make room there"), ("25006", "give the address of the one that writes")] {
        let refuse = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{code}'; END $$ \
             LANGUAGE plpgsql; CREATE TRIGGER refuse BEFORE INSERT ON _patternc_journal FOR EACH ROW EXECUTE FUNCTION refuse()"
        );
        change(&url, &refuse);
        let committed = loop {
            match store.commit(&writes([add("a", 1)]), 0) {
                Ok(committed) => break committed,
                Err(refused) => assert!(matches!(&refused, Refused::Store(StoreError { transient: true, .. })), "{refused}"),
            }
        };
        let error = store.wait_durable(committed.version).expect_err("nothing is written");
        assert!(error.transient && error.message.contains(code) && error.message.contains(way_out), "{error}");
        change(&url, "DROP TRIGGER refuse ON _patternc_journal");
        add_one(&mut store);
    }
    assert_eq!(store.cell(&a_person("a"), person::BALANCE), Ok(Some(Value::Int(2))));
    drop(store);
    assert_eq!(open(&url).cell(&a_person("a"), person::BALANCE), Ok(Some(Value::Int(2))));
}

fn message(url: &str) -> String {
    open_for(url, program()).err().unwrap_or_else(|| panic!("{url} opens")).message
}

#[test]
fn a_server_that_lets_nobody_in_says_what_to_do() {
    let Some(url) = fresh() else { return };
    let missing = message(&format!("{url}_nowhere"));
    assert!(missing.contains("does not exist (3D000)") && missing.contains("Make it with `createdb`"), "{missing}");
    change(&url, "CREATE ROLE narrow LOGIN CONNECTION LIMIT 0; CREATE ROLE poor LOGIN; CREATE ROLE reader LOGIN");
    change(&url, "GRANT CREATE ON SCHEMA public TO reader, narrow; ALTER ROLE reader SET default_transaction_read_only = on");
    for (role, code, way_out) in [
        ("narrow", "53300", "raise `max_connections` of the server"),
        ("poor", "42501", "must be allowed to make tables and views"),
        ("reader", "25006", "give the address of the one that writes"),
    ] {
        let refused = message(&url.replace("//postgres@", &format!("//{role}@")));
        assert!(refused.contains(code) && refused.contains(way_out), "{refused}");
    }
    // Of several, the one that writes is taken.
    drop(open(&format!("{}?target_session_attrs=read-write", url.replace("@127", "@127.0.0.1:1,127"))));
    let nobody = message("postgres://postgres@127.0.0.1:1/none");
    assert!(nobody.contains("Check that the server runs"), "{nobody}");
}

/// A server with TLS and passwords; the folder has the certificates.
fn secure() -> Option<&'static (Server, TempDir)> {
    static SERVER: OnceLock<Option<(Server, TempDir)>> = OnceLock::new();
    let start = || {
        let folder = tempfile::tempdir().expect("there is room");
        certify(folder.path());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("openssl wrote it");
        let users = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        let files = [("server.crt", &*read("server.crt")), ("server.key", &*read("server.key")), ("pg_hba.conf", users)];
        Some((Server::start_with(&["fsync=off", "ssl=on"], &files)?, folder))
    };
    SERVER.get_or_init(start).as_ref()
}

#[test]
fn an_encrypted_connection_goes_to_the_right_server_only() {
    let Some((server, folder)) = secure() else { return };
    let url = server.url("secure").replace("127.0.0.1", "localhost");
    let authority = |name: &str| format!("sslrootcert={}", folder.path().join(name).display());
    for mode in ["require", "verify-full"] {
        let mut store = open(&format!("{url}?sslmode={mode}&{}", authority("ca.crt")));
        if store.presence(&a_person("a")) == Ok(crate::store::Presence::Never) {
            let version = store.commit(&writes([create("a")]), 0).expect("it commits").version;
            store.wait_durable(version).expect("the server answers");
        }
        let sessions = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'patternc' AND datname = 'secure' AND";
        assert_ne!(server.sql("secure", &format!("{sessions} ssl")).as_deref(), Ok("0"));
        assert_eq!(server.sql("secure", &format!("{sessions} NOT ssl")).as_deref(), Ok("0"));
    }
    for (address, what, way_out) in [
        (format!("{url}?sslmode=require&{}", authority("other.crt")), "UnknownIssuer", "with `sslrootcert=FILE`"),
        (format!("{url}?sslmode=require"), "UnknownIssuer", "with `sslrootcert=FILE`"),
        (format!("{}?sslmode=require&{}", server.url("secure"), authority("ca.crt")), "not valid for name", "use that as the host"),
        (format!("{url}?sslmode=require&{}", authority("none.crt")), "none.crt cannot be read", "No such file"),
        (format!("{url}?sslmode=require&{}", authority("names")), "names cannot be read", "it holds none"),
        (format!("{url}?sslmode=verify-ca"), "sslmode", "it is no address"),
    ] {
        let refused = message(&address);
        assert!(refused.contains(what) && refused.contains(way_out), "{refused}");
    }
    let Some(plain) = fresh() else { return };
    let refused = message(&format!("{}?sslmode=require&{}", plain.replace("127.0.0.1", "localhost"), authority("ca.crt")));
    assert!(refused.contains("does not support TLS") && refused.contains("Switch `ssl` on"), "{refused}");
}

#[test]
fn a_wrong_password_is_said_and_never_shown() {
    let Some((server, _)) = secure() else { return };
    let url = server.url("locked");
    server.sql("locked", "CREATE ROLE app LOGIN PASSWORD 'right'; GRANT CREATE ON SCHEMA public TO app").expect("it is SQL");
    let with = |password: &str| url.replace("//postgres@", &format!("//app:{password}@"));
    drop(open(&with("right")));
    let wrong = message(&with("s3cret"));
    assert!(wrong.contains("28P01") && wrong.contains("Check the user and the password") && !wrong.contains("s3cret"), "{wrong}");
}
