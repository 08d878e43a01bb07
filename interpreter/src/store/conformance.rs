//! One suite for all stores: what a commit promises, whoever keeps the data.

use std::sync::Arc;

use patternc_program::{CellIndex, HandlerId, Type};

use super::{CommitRequest, InboxChange, OutboxChange, Presence, Read, ReadKey, Refused, Seen, Store, Version, Write};
use crate::event::{Action, Event, EventId, Outcome, Outgoing, OutgoingState, Received};
use crate::failure::{Failure, FailureKind};
use crate::test_program::{NOTE, PERSON, a_list, a_person, home, person, person_cells, text, user};
use crate::value::{RecordRef, Value};

/// A request that writes in `home`.
pub(super) fn writes(writes: impl Into<Vec<Write>>) -> CommitRequest {
    CommitRequest { spaces: vec![home()], writes: writes.into(), ..CommitRequest::default() }
}

/// Creates a person of this key, which is also its id.
pub(super) fn create(id: &str) -> Write {
    Write::Create { record: a_person(id), cells: person_cells(id, 0) }
}

pub(super) fn add(id: &str, by: i64) -> Write {
    Write::AddInt { record: a_person(id), cell: person::BALANCE, by }
}

pub(super) fn append(id: &str, item: &str) -> Write {
    Write::Append { record: a_person(id), cell: person::ITEMS, value: text(item) }
}

pub(super) fn take(id: &str, item: &str) -> Write {
    Write::RemoveFirst { record: a_person(id), cell: person::ITEMS, value: text(item) }
}

pub(super) fn entry(id: &str, key: &str, score: i64) -> Write {
    Write::SetEntry { record: a_person(id), cell: person::SCORES, key: text(key), value: Value::Int(score) }
}

pub(super) fn join(id: &str, member: &str) -> Write {
    Write::Insert { record: a_person(id), cell: person::MEMBERS, value: Value::Ref(a_person(member)) }
}

pub(super) fn set(id: &str, cell: CellIndex, value: Value) -> Write {
    Write::Set { record: a_person(id), cell, value }
}

/// An event from one person to another.
pub(super) fn outgoing(id: &str) -> Arc<Outgoing> {
    let args = vec![Value::Ref(a_person("b")), Value::None, Value::Variant(0, [].into())];
    let action = Action::Handler { to: a_person("a"), handler: HandlerId(0), args };
    Arc::new(Outgoing {
        event: Event { id: EventId(id.into()), caller: Some("did:x".into()), action },
        from: a_person("b"),
        at: 3,
        due: Some(5),
        ok: None,
        err: None,
        answers: Some(EventId("outer".into())),
        saga: None,
        state: OutgoingState::Pending,
    })
}

/// That an event was received.
pub(super) fn received(id: &str, result: i64, keep_until: Option<i64>) -> InboxChange {
    let received = Received::Done(Outcome::Committed(Value::Int(result)));
    InboxChange::Record { event: EventId(id.into()), received, ty: Type::Int, keep_until }
}

fn ok(store: &mut dyn Store, request: CommitRequest) -> Version {
    let committed = store.commit(&request, 0).expect("the commit is accepted").version;
    store.wait_durable(committed).expect("it becomes durable");
    committed
}

fn refused(store: &mut dyn Store, request: CommitRequest) -> Refused {
    let version = store.version();
    let refused = store.commit(&request, 0).expect_err("the commit is refused");
    assert_eq!(store.version(), version);
    refused
}

fn cell(store: &dyn Store, id: &str, cell: CellIndex) -> Value {
    store.cell(&a_person(id), cell).expect("it answers").expect("the record is there")
}

fn is_stale(refused: Refused) -> bool {
    matches!(refused, Refused::Stale(_))
}

fn after(snapshot: Version, key: ReadKey, seen: Seen, write: Write) -> CommitRequest {
    CommitRequest { snapshot, reads: vec![Read { key, seen }], ..writes([write]) }
}

/// What each store is tested for.
macro_rules! suite {
    ($($name:ident)*) => {
        /// Runs the suite on what the expression makes: a boxed store, and whatever has to live as long.
        macro_rules! store_conformance {
            ($make:expr) => { $(
                #[test]
                fn $name() {
                    let (mut store, _alive) = $make;
                    $crate::store::conformance::$name(&mut *store);
                }
            )* };
        }
    };
}

suite! {
    reads_see_what_was_committed
    cells_conflict_by_cell
    elements_conflict_by_element
    existence_and_uniqueness_conflict_by_answer
    queries_conflict_by_members_and_cells
    blind_operations_commute
    all_or_nothing
    ids_are_never_used_again
    removing_takes_the_first_equal_element
    unique_values_can_be_exchanged_in_one_commit
    scans_are_in_the_order_of_creation
    events_are_received_once
    outgoing_events_are_dealt_with_once
    received_events_are_forgotten_in_time
    readers_of_a_change_are_found
    what_an_invariant_has_come_to_read_is_not_written_unseen
    versions_grow_and_become_durable
}
pub(crate) use store_conformance;

pub(crate) fn reads_see_what_was_committed(store: &mut dyn Store) {
    assert_eq!(store.presence(&a_person("a")), Ok(Presence::Never));
    assert_eq!(store.cell(&a_person("a"), person::BALANCE), Ok(None));
    ok(store, writes([create("a"), append("a", "x"), append("a", "y"), entry("a", "k", 5), join("a", "a"), add("a", 7)]));
    assert_eq!(store.presence(&a_person("a")), Ok(Presence::Live));
    assert_eq!(cell(store, "a", person::BALANCE), Value::Int(7));
    assert_eq!(cell(store, "a", person::ITEMS), a_list([text("x"), text("y")]));
    assert_eq!(store.element(&a_person("a"), person::SCORES, &text("k")), Ok(Some(Value::Int(5))));
    assert_eq!(store.element(&a_person("a"), person::SCORES, &text("other")), Ok(None));
    let itself = Value::Ref(a_person("a"));
    assert_eq!(store.element(&a_person("a"), person::MEMBERS, &itself), Ok(Some(itself)));
    assert_eq!(store.spaces(), Ok(vec![home()]));
}

pub(crate) fn cells_conflict_by_cell(store: &mut dyn Store) {
    let seen = ok(store, writes([create("a"), create("b")]));
    let balance = |id: &str| ReadKey::Cell(a_person(id), person::BALANCE);
    ok(store, writes([add("a", 1)]));
    assert!(is_stale(refused(store, after(seen, balance("a"), Seen::Unchanged, add("b", 1)))));
    ok(store, after(seen, balance("b"), Seen::Unchanged, append("a", "x")));
    ok(store, after(seen, ReadKey::Cell(a_person("a"), person::NICK), Seen::Unchanged, add("a", 1)));
    ok(store, writes([Write::Delete { record: a_person("b") }]));
    assert!(is_stale(refused(store, after(seen, balance("b"), Seen::Unchanged, add("a", 1)))));
    assert_eq!(cell(store, "a", person::BALANCE), Value::Int(2));
}

pub(crate) fn elements_conflict_by_element(store: &mut dyn Store) {
    let seen = ok(store, writes([create("a"), create("b"), entry("a", "k", 1), join("a", "b")]));
    let score = |key: &str| ReadKey::Element(a_person("a"), person::SCORES, text(key));
    let member = |id: &str| ReadKey::Element(a_person("a"), person::MEMBERS, Value::Ref(a_person(id)));
    ok(store, writes([entry("a", "other", 1), join("a", "a")]));
    ok(store, after(seen, score("k"), Seen::Value(Some(Value::Int(1))), add("a", 1)));
    ok(store, after(seen, member("b"), Seen::Value(Some(Value::Ref(a_person("b")))), add("a", 1)));
    assert!(is_stale(refused(store, after(seen, score("other"), Seen::Value(None), add("a", 1)))));
    assert!(is_stale(refused(store, after(seen, member("a"), Seen::Value(None), add("a", 1)))));
    ok(store, writes([entry("a", "k", 2)]));
    assert!(is_stale(refused(store, after(seen, score("k"), Seen::Value(Some(Value::Int(1))), add("a", 1)))));
    ok(store, writes([Write::RemoveEntry { record: a_person("a"), cell: person::SCORES, key: text("k") }]));
    ok(store, after(seen, score("k"), Seen::Value(None), add("a", 1)));
}

pub(crate) fn existence_and_uniqueness_conflict_by_answer(store: &mut dyn Store) {
    let seen = ok(store, writes([create("a")]));
    let holder = |key: &str| ReadKey::Unique(PERSON, home(), person::KEY, text(key));
    let exists = |id: &str| ReadKey::Exists(a_person(id));
    ok(store, writes([create("b")]));
    ok(store, after(seen, exists("a"), Seen::Value(Some(Value::Bool(true))), add("a", 1)));
    ok(store, after(seen, holder("a"), Seen::Value(Some(Value::Ref(a_person("a")))), add("a", 1)));
    ok(store, after(seen, holder("nobody"), Seen::Value(None), add("a", 1)));
    assert!(is_stale(refused(store, after(seen, exists("b"), Seen::Value(None), add("a", 1)))));
    assert!(is_stale(refused(store, after(seen, holder("b"), Seen::Value(None), add("a", 1)))));
    assert_eq!(store.unique(PERSON, &home(), person::KEY, &text("b")), Ok(Some(a_person("b"))));
    assert_eq!(store.unique(PERSON, &home(), person::KEY, &text("c")), Ok(None));
}

pub(crate) fn queries_conflict_by_members_and_cells(store: &mut dyn Store) {
    let seen = ok(store, writes([create("a"), create("b")]));
    let query = |cells: &[CellIndex]| ReadKey::Query { record: PERSON, space: home(), cells: cells.to_vec(), index: None };
    let done = Value::Variant(2, [].into());
    let open = Value::Variant(0, [].into());
    let by_status =
        |status: &Value| ReadKey::Query { record: PERSON, space: home(), cells: vec![], index: Some((person::STATUS, status.clone())) };
    ok(store, writes([append("a", "x")]));
    ok(store, after(seen, query(&[person::BALANCE]), Seen::Unchanged, append("b", "x")));
    let seen = ok(store, writes([add("a", 1)]));
    ok(store, writes([add("b", 1)]));
    assert!(is_stale(refused(store, after(seen, query(&[person::BALANCE]), Seen::Unchanged, append("b", "x")))));
    ok(store, after(seen, query(&[]), Seen::Unchanged, append("b", "x")));
    ok(store, after(seen, by_status(&done), Seen::Unchanged, append("b", "x")));
    let seen = ok(store, writes([set("a", person::STATUS, done.clone())]));
    ok(store, writes([create("c")]));
    assert!(is_stale(refused(store, after(seen, query(&[]), Seen::Unchanged, append("b", "x")))));
    ok(store, after(seen, by_status(&done), Seen::Unchanged, append("b", "x")));
    assert!(is_stale(refused(store, after(seen, by_status(&open), Seen::Unchanged, append("b", "x")))));
    assert_eq!(store.scan(PERSON, &home(), Some((person::STATUS, &done))), Ok(vec![a_person("a")]));
    assert_eq!(store.scan(PERSON, &home(), Some((person::STATUS, &open))), Ok(vec![a_person("b"), a_person("c")]));
}

pub(crate) fn blind_operations_commute(store: &mut dyn Store) {
    let seen = ok(store, writes([create("a")]));
    for i in 0..10 {
        let blind = [append("a", &i.to_string()), add("a", i), entry("a", &i.to_string(), i), join("a", &i.to_string())];
        ok(store, CommitRequest { snapshot: seen, ..writes(blind) });
    }
    assert_eq!(cell(store, "a", person::BALANCE), Value::Int(45));
    assert_eq!(cell(store, "a", person::ITEMS), a_list((0..10).map(|i| text(&i.to_string()))));
}

pub(crate) fn all_or_nothing(store: &mut dyn Store) {
    ok(store, writes([create("a"), append("a", "x"), add("a", i64::MAX), entry("a", "k", 1), join("a", "a")]));
    let before: Vec<Value> = (0..8).map(|i| cell(store, "a", CellIndex(i))).collect();
    let all = |last: Write| {
        let mut request = writes([
            create("new"),
            take("a", "x"),
            append("a", "y"),
            entry("a", "k", 2),
            entry("a", "l", 2),
            join("a", "new"),
            set("a", person::NICK, text("n")),
            set("a", person::STATUS, Value::Variant(2, [].into())),
            last,
        ]);
        request.outbox = vec![OutboxChange::Add(outgoing("out"))];
        request.inbox = vec![received("in", 1, None)];
        request
    };
    let overflow = refused(store, all(add("a", 1)));
    assert!(matches!(overflow, Refused::Failed(Failure { kind: FailureKind::Overflow, .. })), "{overflow:?}");
    let missing = refused(store, all(add("nobody", 1)));
    assert!(matches!(missing, Refused::Failed(Failure { kind: FailureKind::Missing, .. })), "{missing:?}");
    let taken = refused(store, all(Write::Create { record: a_person("b"), cells: person_cells("a", 0) }));
    assert!(matches!(taken, Refused::Failed(Failure { kind: FailureKind::Rejected, .. })), "{taken:?}");
    let gone = CommitRequest { outbox: vec![OutboxChange::Remove(EventId("nothing".into()))], ..all(add("a", -1)) };
    assert!(matches!(refused(store, gone), Refused::Gone(_)));
    let now: Vec<Value> = (0..8).map(|i| cell(store, "a", CellIndex(i))).collect();
    assert_eq!(now, before);
    assert_eq!(store.presence(&a_person("new")), Ok(Presence::Never));
    assert_eq!(store.received(&EventId("in".into())), Ok(None));
    assert_eq!(store.outgoing(), Ok(vec![]));
    assert_eq!(store.scan(PERSON, &home(), Some((person::STATUS, &Value::Variant(2, [].into())))), Ok(vec![]));
    ok(store, all(add("a", -1)));
    assert_eq!(cell(store, "a", person::ITEMS), a_list([text("y")]));
}

pub(crate) fn ids_are_never_used_again(store: &mut dyn Store) {
    ok(store, writes([create("a")]));
    let twice = refused(store, writes([Write::Create { record: a_person("a"), cells: person_cells("other", 0) }]));
    assert!(matches!(twice, Refused::Failed(_)), "{twice:?}");
    ok(store, writes([Write::Delete { record: a_person("a") }]));
    assert_eq!(store.presence(&a_person("a")), Ok(Presence::Deleted));
    assert_eq!(store.cell(&a_person("a"), person::BALANCE), Ok(None));
    assert!(matches!(refused(store, writes([create("a")])), Refused::Failed(_)));
    assert!(matches!(refused(store, writes([add("a", 1)])), Refused::Failed(Failure { kind: FailureKind::Missing, .. })));
    // Its unique value is free.
    ok(store, writes([Write::Create { record: a_person("a2"), cells: person_cells("a", 0) }]));
    // The same id in another space is another record.
    let there = RecordRef::new(NOTE, user("x"), "n");
    let here = RecordRef::new(NOTE, home(), "n");
    let note = |record: &RecordRef| writes([Write::Create { record: record.clone(), cells: vec![text("1"), Value::None] }]);
    ok(store, note(&there));
    assert_eq!(store.presence(&here), Ok(Presence::Never));
    ok(store, note(&here));
    assert_eq!(store.scan(NOTE, &user("x"), None), Ok(vec![there]));
    assert_eq!(store.spaces(), Ok(vec![home(), user("x")]));
}

pub(crate) fn removing_takes_the_first_equal_element(store: &mut dyn Store) {
    ok(store, writes([create("a"), append("a", "x"), append("a", "y"), append("a", "x"), take("a", "z")]));
    ok(store, writes([take("a", "x"), append("a", "z"), take("a", "y"), take("a", "y"), append("a", "x")]));
    assert_eq!(cell(store, "a", person::ITEMS), a_list(["x", "z", "x"].map(text)));
    ok(store, writes([set("a", person::ITEMS, a_list(["p", "q"].map(text))), append("a", "r"), take("a", "q")]));
    assert_eq!(cell(store, "a", person::ITEMS), a_list(["p", "r"].map(text)));
}

pub(crate) fn unique_values_can_be_exchanged_in_one_commit(store: &mut dyn Store) {
    ok(store, writes([create("a"), create("b")]));
    assert!(matches!(refused(store, writes([set("a", person::KEY, text("b"))])), Refused::Failed(_)));
    ok(store, writes([set("a", person::KEY, text("b")), set("b", person::KEY, text("a"))]));
    assert_eq!(store.unique(PERSON, &home(), person::KEY, &text("a")), Ok(Some(a_person("b"))));
}

pub(crate) fn scans_are_in_the_order_of_creation(store: &mut dyn Store) {
    for id in ["z", "a", "m", "b"] {
        ok(store, writes([create(id)]));
    }
    ok(store, writes([Write::Delete { record: a_person("m") }, add("z", 1)]));
    assert_eq!(store.scan(PERSON, &home(), None), Ok(["z", "a", "b"].map(a_person).to_vec()));
    assert_eq!(store.scan(PERSON, &user("x"), None), Ok(vec![]));
}

pub(crate) fn events_are_received_once(store: &mut dyn Store) {
    ok(store, writes([create("a")]));
    let event = |result, keep| CommitRequest { inbox: vec![received("e", result, keep)], ..writes([add("a", 1)]) };
    ok(store, event(1, Some(10)));
    let Refused::Duplicate(Received::Done(Outcome::Committed(known))) = refused(store, event(2, Some(10))) else {
        panic!("the event is known");
    };
    assert_eq!(known, Value::Int(1));
    assert_eq!(cell(store, "a", person::BALANCE), Value::Int(1));
    // A deferred event is decided by what it was deferred to, once.
    let deferred = InboxChange::Record {
        event: EventId("d".into()),
        received: Received::Deferred(EventId("out".into())),
        ty: Type::Unknown,
        keep_until: None,
    };
    ok(store, CommitRequest { inbox: vec![deferred], outbox: vec![OutboxChange::Add(outgoing("out"))], ..CommitRequest::default() });
    assert_eq!(store.received(&EventId("d".into())), Ok(Some(Received::Deferred(EventId("out".into())))));
    let early = CommitRequest { inbox: vec![received("d", 5, None)], ..CommitRequest::default() };
    assert!(matches!(refused(store, early.clone()), Refused::Duplicate(Received::Deferred(_))));
    let decided = CommitRequest { outbox: vec![OutboxChange::Remove(EventId("out".into()))], ..early };
    ok(store, decided.clone());
    assert_eq!(store.received(&EventId("d".into())), Ok(Some(Received::Done(Outcome::Committed(Value::Int(5))))));
    assert!(!matches!(refused(store, decided), Refused::Stale(_)));
    let forget = CommitRequest { inbox: vec![InboxChange::Forget(EventId("d".into()))], ..CommitRequest::default() };
    ok(store, forget.clone());
    ok(store, forget);
    assert_eq!(store.received(&EventId("d".into())), Ok(None));
}

pub(crate) fn outgoing_events_are_dealt_with_once(store: &mut dyn Store) {
    let outbox = |change| CommitRequest { outbox: vec![change], ..CommitRequest::default() };
    for id in ["3", "1", "2"] {
        ok(store, outbox(OutboxChange::Add(outgoing(id))));
    }
    let parked =
        OutgoingState::Parked { outcome: Outcome::Failed(Failure::new(FailureKind::Rejected, "no")), reason: "nobody takes it".into() };
    ok(store, outbox(OutboxChange::Update(EventId("1".into()), parked.clone())));
    let changed = Arc::new(Outgoing { state: parked, ..Outgoing::clone(&outgoing("1")) });
    assert_eq!(store.outgoing(), Ok(vec![outgoing("3"), changed, outgoing("2")]));
    ok(store, outbox(OutboxChange::Remove(EventId("1".into()))));
    assert!(matches!(refused(store, outbox(OutboxChange::Remove(EventId("1".into())))), Refused::Gone(_)));
    assert!(matches!(refused(store, outbox(OutboxChange::Update(EventId("1".into()), OutgoingState::Tried))), Refused::Gone(_)));
    assert!(matches!(refused(store, outbox(OutboxChange::Require(EventId("1".into())))), Refused::Gone(_)));
    assert_eq!(store.outgoing(), Ok(vec![outgoing("3"), outgoing("2")]));
}

pub(crate) fn received_events_are_forgotten_in_time(store: &mut dyn Store) {
    let inbox = |id: &str, until| CommitRequest { inbox: vec![received(id, 1, until)], ..CommitRequest::default() };
    for (id, until) in [("a", Some(10)), ("b", Some(20)), ("c", None)] {
        ok(store, inbox(id, until));
    }
    let known = |store: &dyn Store, id: &str| store.received(&EventId(id.into())).expect("it answers").is_some();
    store.commit(&inbox("d", Some(40)), 10).expect("it commits");
    assert!(known(store, "a"));
    store.commit(&inbox("e", Some(40)), 15).expect("it commits");
    assert!(!known(store, "a") && known(store, "b") && known(store, "c"));
    store.commit(&inbox("f", Some(50)), 45).expect("it commits");
    assert!(!known(store, "b") && known(store, "c") && !known(store, "d") && known(store, "f"));
}

pub(crate) fn readers_of_a_change_are_found(store: &mut dyn Store) {
    ok(store, writes([create("a"), create("b")]));
    let reads = vec![
        ReadKey::Cell(a_person("b"), person::BALANCE),
        ReadKey::Element(a_person("b"), person::MEMBERS, Value::Ref(a_person("a"))),
        ReadKey::Query { record: NOTE, space: home(), cells: vec![CellIndex(0)], index: None },
    ];
    let evaluated = vec![(0, a_person("a"), reads)];
    ok(store, CommitRequest { invariant_reads: evaluated, ..CommitRequest::default() });
    let found = |store: &dyn Store, key: ReadKey| store.dependents(&key).expect("it answers");
    let a = vec![(0, a_person("a"))];
    let element = |of: &str| ReadKey::Element(a_person("b"), person::MEMBERS, Value::Ref(a_person(of)));
    assert_eq!(found(store, ReadKey::Cell(a_person("b"), person::BALANCE)), a);
    assert_eq!(found(store, element("a")), a);
    assert_eq!(found(store, element("b")), vec![]);
    assert_eq!(found(store, ReadKey::Cell(a_person("b"), person::NICK)), vec![]);
    let query = |cells: &[CellIndex]| ReadKey::Query { record: NOTE, space: home(), cells: cells.to_vec(), index: None };
    assert_eq!(found(store, query(&[])), a);
    assert_eq!(found(store, query(&[CellIndex(1)])), vec![]);
    // The next evaluation replaces what was read before.
    let evaluated = vec![(0, a_person("a"), vec![ReadKey::Cell(a_person("b"), person::NICK)])];
    ok(store, CommitRequest { invariant_reads: evaluated, ..CommitRequest::default() });
    assert_eq!(found(store, ReadKey::Cell(a_person("b"), person::BALANCE)), vec![]);
    assert_eq!(found(store, ReadKey::Cell(a_person("b"), person::NICK)), a);
}

pub(crate) fn what_an_invariant_has_come_to_read_is_not_written_unseen(store: &mut dyn Store) {
    ok(store, writes([create("a"), create("b")]));
    let snapshot = store.version();
    let reads = vec![ReadKey::Cell(a_person("b"), person::BALANCE)];
    ok(store, CommitRequest { invariant_reads: vec![(0, a_person("a"), reads)], ..CommitRequest::default() });
    let set = Write::Set { record: a_person("b"), cell: person::BALANCE, value: Value::Int(5) };
    let unseen = CommitRequest { snapshot, ..writes([set]) };
    assert!(is_stale(store.commit(&unseen, 0).expect_err("the invariant was not asked")));
    // Of a record that goes no invariant is asked.
    let mut gone = unseen;
    gone.writes.push(Write::Delete { record: a_person("a") });
    ok(store, gone);
}

pub(crate) fn versions_grow_and_become_durable(store: &mut dyn Store) {
    let mut last = store.version();
    for i in 0..50 {
        let committed = store.commit(&writes([create(&i.to_string())]), 0).expect("it commits").version;
        assert!(committed > last);
        assert_eq!(store.version(), committed);
        last = committed;
    }
    let durability = store.durability();
    let waiting = std::thread::spawn(move || durability.wait_durable(last));
    store.wait_durable(last).expect("it becomes durable");
    waiting.join().expect("it does not panic").expect("it becomes durable");
    assert!(store.durable().expect("it answers") >= last);
    // A commit without effects is one too.
    let nothing = ok(store, CommitRequest::default());
    assert!(nothing > last);
}
