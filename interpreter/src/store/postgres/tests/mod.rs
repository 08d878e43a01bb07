//! The suite of all stores, and what only a server that many share can get wrong.

mod alone;
mod faults;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};

use patternc_postgres_server::Server;
use patternc_program::{Cell, CellIndex, Name, Program};

use super::Postgres;
use crate::event::{EventId, OutgoingState};
use crate::limits::Limits;
use crate::store::conformance::{add, append, create, entry, join, outgoing, received, set, take, writes};
use crate::store::format::Opening;
use crate::store::{CommitRequest, OutboxChange, Refused, Store, StoreError, Write};
use crate::test_program::{PERSON, a_list, a_person, person, program, text};
use crate::value::Value;

/// One server for all tests; `None` where there are no binaries.
fn server() -> Option<&'static Mutex<Server>> {
    static SERVER: OnceLock<Option<Mutex<Server>>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["fsync=off"]).map(Mutex::new)).as_ref()
}

/// The address of a database that nobody has used.
fn fresh() -> Option<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Some(server()?.lock().expect("nobody panics with it").url(&name))
}

fn open_for(url: &str, program: Program) -> Result<Postgres, StoreError> {
    Postgres::open(url, Opening::new(Arc::new(program), Limits::default()))
}

fn open(url: &str) -> Postgres {
    open_for(url, program()).expect("it opens")
}

crate::store::conformance::store_conformance!({
    let Some(url) = fresh() else { return };
    (Box::new(open(&url)) as Box<dyn Store>, ())
});

/// What another session does to the database of an address.
fn change(url: &str, sql: &str) {
    let name = url.rsplit('/').next().expect("an address ends with a database");
    server().expect("it runs").lock().expect("nobody panics with it").sql(name, sql).expect("it is SQL");
}

/// Everything in a state, in an order of its own.
fn dump(store: &Postgres) -> Vec<String> {
    let state = store.state();
    let records = state.records().map(|r| format!("{} {:?} {:?}", r.order, r.record, r.cells.map(|cells| cells.collect::<Vec<_>>())));
    let mut all: Vec<String> = records.collect();
    all.extend(state.outgoing().map(|outgoing| format!("{outgoing:?}")));
    let mut inbox: Vec<String> = state.inbox().map(|(id, event)| format!("{id:?} {event:?}")).collect();
    inbox.sort();
    all.extend(inbox);
    all
}

/// What is in the store, whoever has it open.
fn balance(url: &str) -> Option<Value> {
    let looked = Postgres::look(url, Opening::new(Arc::new(program()), Limits::default())).expect("it can be read");
    looked.expect("there is a store").cell(&a_person("a"), person::BALANCE).cloned()
}

fn durably(store: &mut Postgres, request: CommitRequest) {
    let version = store.commit(&request, 0).expect("it commits").version;
    store.wait_durable(version).expect("it becomes durable");
}

#[test]
fn stores_follow_one_another() {
    let Some(url) = fresh() else { return };
    let (mut left, mut right) = (open(&url), open(&url));
    let all = vec![
        writes([create("a"), create("b"), append("a", "x"), append("a", "y"), append("a", "z")]),
        writes([take("a", "y"), append("a", "w"), entry("a", "k", 1), join("a", "b")]),
        writes([take("a", "x"), take("a", "w"), append("a", "v"), add("b", 5), entry("a", "k", 2)]),
        writes([set("a", person::KEY, text("b")), set("b", person::KEY, text("a")), take("a", "z")]),
        CommitRequest {
            outbox: vec![OutboxChange::Add(outgoing("o"))],
            inbox: vec![received("i", 3, Some(50))],
            ..writes([append("a", "u")])
        },
        CommitRequest { outbox: vec![OutboxChange::Update(EventId("o".into()), OutgoingState::Tried)], ..writes([append("a", "t")]) },
        writes([set("a", person::ITEMS, a_list(["p", "q", "p"].map(text))), take("a", "p"), append("a", "r")]),
        CommitRequest {
            outbox: vec![OutboxChange::Remove(EventId("o".into()))],
            ..writes([create("c"), Write::Delete { record: a_person("b") }])
        },
        writes([
            create("d"),
            append("d", &"long ".repeat(2000)),
            entry("d", &"key ".repeat(2000), 1),
            set("d", person::NICK, text("a\0b")),
        ]),
    ];
    for (i, request) in all.into_iter().enumerate() {
        let (writer, reader) = if i % 2 == 0 { (&mut left, &mut right) } else { (&mut right, &mut left) };
        durably(writer, request);
        reader.refresh().expect("the server answers");
        assert_eq!(dump(reader), dump(writer), "after the {i}. commit");
    }
    assert!(right.news().is_some_and(|news| !news.lost && !news.sent.is_empty()));
    let both = dump(&left);
    drop((left, right));
    // From the tables.
    assert_eq!(dump(&open(&url)), both);
}

#[test]
fn a_call_that_must_not_be_repeated_is_begun_once() {
    let Some(url) = fresh() else { return };
    let (mut left, mut right) = (open(&url), open(&url));
    let outbox = |change| CommitRequest { outbox: vec![change], ..CommitRequest::default() };
    durably(&mut left, outbox(OutboxChange::Add(outgoing("o"))));
    let tried = outbox(OutboxChange::Update(EventId("o".into()), OutgoingState::Tried));
    durably(&mut right, tried.clone());
    assert!(matches!(left.commit(&tried, 0), Err(Refused::Gone(_))));
    assert!(left.is_elsewhere(&EventId("o".into())) && !right.is_elsewhere(&EventId("o".into())));
}

#[test]
fn what_is_not_right_with_a_store_is_said() {
    let message = |opened: Result<Postgres, StoreError>| opened.err().expect("it does not open").message;
    let Some(url) = fresh() else { return };
    durably(&mut open(&url), writes([create("a")]));
    change(&url, "UPDATE _patternc_meta SET format = 2");
    let newer = message(open_for(&url, program()));
    assert!(newer.contains("its format is 2, this program knows 1 at most; use a newer patternc"), "{newer}");
    change(&url, "UPDATE _patternc_meta SET format = 1; UPDATE _patternc_head SET position = position + 1");
    let cut = message(open_for(&url, program()));
    assert!(cut.contains("its journal ends with entry 1, and should with 2"), "{cut}");
    change(&url, "INSERT INTO _patternc_journal SELECT position, 'x', 1, 0, '[]', 1 FROM _patternc_head");
    let changed = message(open_for(&url, program()));
    assert!(changed.contains("the journal's entry 2: its checksum is wrong"), "{changed}");
    let nobody = message(open_for("postgres://postgres:secret@127.0.0.1:1/none", program()));
    assert!(nobody.contains("127.0.0.1:1/none") && !nobody.contains("secret"), "{nobody}");
    let wrong = message(open_for("mysql://here", program()));
    assert!(wrong.contains("it is no address of a PostgreSQL server"), "{wrong}");
}

#[test]
fn another_program_waits_for_the_end_of_the_one_before() {
    let Some(url) = fresh() else { return };
    let mut old = open(&url);
    durably(&mut old, writes([create("a")]));
    let changed = with_cell("alias");
    let refused = open_for(&url, changed.clone()).err().expect("the old one is alive").message;
    assert!(refused.contains("others still run the one before") && refused.contains("Stop them first"), "{refused}");
    drop(old);
    let new = open_for(&url, changed).expect("it opens");
    assert_eq!(new.cell(&a_person("a"), CellIndex(8)), Ok(Some(Value::None)));
}

/// The program with one more cell.
fn with_cell(name: &str) -> Program {
    let mut changed = program();
    let nick = changed.records[PERSON.index()].cells[person::NICK.index()].clone();
    changed.records[PERSON.index()].cells.push(Cell { name: Name::from(name), ..nick });
    changed
}

/// What processes are told that open a store at once.
fn opened_at_once(url: &str, programs: Vec<Program>) -> Vec<Result<Postgres, StoreError>> {
    let begin = Barrier::new(programs.len());
    std::thread::scope(|scope| {
        let opening = programs.into_iter().map(|program| {
            let begin = &begin;
            scope.spawn(move || {
                begin.wait();
                open_for(url, program)
            })
        });
        let opening: Vec<_> = opening.collect();
        opening.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
    })
}

#[test]
fn of_those_that_open_with_a_new_program_at_once_one_brings_the_store_to_it() {
    for _ in 0..5 {
        let Some(url) = fresh() else { return };
        durably(&mut open(&url), writes([create("a")]));
        for mut store in opened_at_once(&url, vec![with_cell("alias"); 3]).into_iter().map(|opened| opened.expect("it opens")) {
            durably(&mut store, writes([add("a", 1)]));
            assert_eq!(store.cell(&a_person("a"), CellIndex(8)), Ok(Some(Value::None)));
        }
        // Of two new programs one is served, and the other one is told.
        let url = fresh().expect("there was one before");
        durably(&mut open(&url), writes([create("a")]));
        let opened = opened_at_once(&url, vec![with_cell("alias"), with_cell("other")]);
        let (mut served, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        let [Err(refused)] = &refused[..] else { panic!("{} are refused", refused.len()) };
        let told = ["others still run the one before", "another process has brought it to another program or deployment meanwhile"];
        assert!(told.iter().any(|told| refused.message.contains(told)), "{refused}");
        durably(served[0].as_mut().expect("it is served"), writes([add("a", 1)]));
    }
}

#[test]
fn views_show_what_is_stored() {
    let Some(url) = fresh() else { return };
    durably(&mut open(&url), writes([create("a"), add("a", 7), append("a", "x"), append("a", "y"), entry("a", "k", 5)]));
    let name = url.rsplit('/').next().expect("an address ends with a database");
    let server = server().expect("it runs").lock().expect("nobody panics with it");
    let row = server.sql(name, "SELECT _ref, balance, items, scores FROM \"Person\"").expect("there is a view");
    assert_eq!(row, "Person/a@home|7|[\"x\", \"y\"]|{\"k\": 5}");
    assert_eq!(server.sql(name, "SELECT value FROM \"Person.items\" ORDER BY position").expect("there is a view"), "x\ny");
}
