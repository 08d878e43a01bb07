//! Chance histories: the file and the memory store agree, after every reopening, and the views show the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use patternc_program::{CellIndex, Program, Type};
use proptest::prelude::*;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{dump, open, open_with_tail, reader};
use crate::event::{EventId, Outcome, OutgoingState, Received};
use crate::failure::{Failure, FailureKind};
use crate::json::{Form, write_value};
use crate::limits::Limits;
use crate::store::conformance::{outgoing, received};
use crate::store::format::schema::Kind;
use crate::store::memory::Memory;
use crate::store::state::{Schema, State};
use crate::store::{CommitRequest, InboxChange, OutboxChange, Refused, Store, Write};
use crate::test_program::{PROFILE, a_list, a_person, any_value, home, person, person_cells, program, text, user};
use crate::value::{RecordRef, Value};

const PEOPLE: [&str; 4] = ["a", "b@%", "c \n/", "D"];

fn any_id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PEOPLE[..])
}

fn any_write() -> BoxedStrategy<Write> {
    let items = || prop::sample::select(vec!["x", "y", "z"]).prop_map(text);
    let key = || prop::sample::select(vec!["", "k", "\"]", "é\u{1}"]).prop_map(text);
    let status = prop_oneof![
        Just(Value::Variant(0, [].into())),
        "[a-z{]{0,3}".prop_map(|by| Value::Variant(1, [text(&by), Value::Time(1500)].into())),
    ];
    let record = |id: &str| a_person(id);
    prop_oneof![
        3 => any_id().prop_map(move |id| Write::Create { record: record(id), cells: person_cells(id, 1) }),
        1 => any_id().prop_map(move |id| Write::Delete { record: record(id) }),
        3 => (any_id(), -5..5i64).prop_map(move |(id, by)| Write::AddInt { record: record(id), cell: person::BALANCE, by }),
        6 => (any_id(), items()).prop_map(move |(id, value)| Write::Append { record: record(id), cell: person::ITEMS, value }),
        5 => (any_id(), items()).prop_map(move |(id, value)| Write::RemoveFirst { record: record(id), cell: person::ITEMS, value }),
        1 => (any_id(), prop::collection::vec(items(), 0..4))
            .prop_map(move |(id, items)| Write::Set { record: record(id), cell: person::ITEMS, value: a_list(items) }),
        2 => (any_id(), any_id()).prop_map(move |(id, member)| Write::Insert {
            record: record(id), cell: person::MEMBERS, value: Value::Ref(a_person(member)) }),
        2 => (any_id(), any_id()).prop_map(move |(id, member)| Write::Remove {
            record: record(id), cell: person::MEMBERS, value: Value::Ref(a_person(member)) }),
        1 => any_id().prop_map(move |id| Write::Set { record: record(id), cell: person::MEMBERS, value: Value::Set(Arc::default()) }),
        2 => (any_id(), key(), any::<i64>()).prop_map(move |(id, key, n)| Write::SetEntry {
            record: record(id), cell: person::SCORES, key, value: Value::Int(n) }),
        1 => (any_id(), key()).prop_map(move |(id, key)| Write::RemoveEntry { record: record(id), cell: person::SCORES, key }),
        1 => (any_id(), status).prop_map(move |(id, value)| Write::Set { record: record(id), cell: person::STATUS, value }),
        1 => (any_id(), prop_oneof![Just(Value::None), items()])
            .prop_map(move |(id, value)| Write::Set { record: record(id), cell: person::NICK, value }),
        1 => (any_id(), any_id()).prop_map(move |(id, best)| Write::Set {
            record: record(id), cell: person::BEST, value: Value::Ref(a_person(best)) }),
    ]
    .boxed()
}

/// A record with a value of every type.
fn any_profile() -> BoxedStrategy<Write> {
    let program = program();
    let cells: Vec<_> = program.record(PROFILE).cells.iter().map(|cell| any_value(&program, &cell.ty, 2)).collect();
    ("[a-z]{1,2}", "[a-z@]{1,2}", cells)
        .prop_map(|(space, id, cells)| Write::Create { record: RecordRef::new(PROFILE, user(&space), id), cells })
        .boxed()
}

pub(in crate::store) fn any_request() -> BoxedStrategy<(CommitRequest, i64)> {
    let id = || prop::sample::select(vec!["1", "2", "3"]);
    let outcome = Outcome::Failed(Failure::new(FailureKind::Missing, "gone"));
    let parked = OutgoingState::Parked { outcome, reason: "\"no\"".into() };
    let outbox = prop_oneof![
        4 => Just(None),
        2 => id().prop_map(|id| Some(OutboxChange::Add(outgoing(id)))),
        1 => id().prop_map(|id| Some(OutboxChange::Remove(EventId(id.into())))),
        1 => (id(), prop_oneof![Just(OutgoingState::Tried), Just(parked)])
            .prop_map(|(id, state)| Some(OutboxChange::Update(EventId(id.into()), state))),
    ];
    let inbox = prop_oneof![
        4 => Just(None),
        2 => ((0..40u8), prop::option::of(Just(0))).prop_map(|(id, keep)| Some(received(&id.to_string(), 1, keep))),
        1 => ((0..40u8), id(), prop::option::of(Just(0))).prop_map(|(event, decider, keep_until)| Some(InboxChange::Record {
            event: EventId(event.to_string().into()),
            received: Received::Deferred(EventId(decider.into())),
            ty: Type::Int,
            keep_until,
        })),
        1 => (0..40u8).prop_map(|id| Some(InboxChange::Forget(EventId(id.to_string().into())))),
    ];
    let writes = prop_oneof![9 => prop::collection::vec(any_write(), 0..4), 1 => any_profile().prop_map(|write| vec![write])];
    (writes, outbox, inbox, 0..3i64)
        .prop_map(|(writes, outbox, inbox, pause)| {
            let outbox = outbox.into_iter().collect();
            let inbox = inbox.into_iter().collect();
            (CommitRequest { spaces: vec![home()], writes, outbox, inbox, ..CommitRequest::default() }, pause)
        })
        .boxed()
}

/// Says the first difference, not everything.
fn same_dump(file: &State, model: &State, now: i64) {
    let (file, model) = (dump(file), dump(model));
    for (a, b) in file.iter().zip(&model) {
        assert_eq!(a, b, "at {now}");
    }
    assert_eq!(file.len(), model.len(), "at {now}");
}

fn same(a: &Result<crate::store::Committed, Refused>, b: &Result<crate::store::Committed, Refused>) -> bool {
    match (a, b) {
        (Ok(_), Ok(_)) => true,
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_reopened_store_is_as_it_was(parts in prop::collection::vec((prop::collection::vec(any_request(), 0..40), any::<bool>()), 1..4)) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        let program = program();
        let mut memory = Memory::new(Arc::new(Schema::new(&program)), &Limits::default());
        let mut now = 0;
        for (requests, tail) in parts {
            let mut store = if tail { open_with_tail(&path) } else { open(&path) };
            // Events past their time are forgotten with the next commit; the last one may have had no effects that were written.
            store.commit(&CommitRequest::default(), now).unwrap();
            memory.commit(&CommitRequest::default(), now).unwrap();
            same_dump(store.state(), memory.state(), now);
            for (mut request, pause) in requests {
                now += pause;
                for change in &mut request.inbox {
                    if let InboxChange::Record { keep_until: Some(time), .. } = change {
                        *time = now + 20;
                    }
                }
                let (file, model) = (store.commit(&request, now), memory.commit(&request, now));
                prop_assert!(same(&file, &model), "{:?} and {:?}", file, model);
            }
            same_dump(store.state(), memory.state(), now);
            store.wait_durable(store.version()).unwrap();
            check_views(&reader(&path), &program, store.state());
            store.close().unwrap();
            check_views(&reader(&path), &program, memory.state());
            let left: u64 = reader(&path).query_row("SELECT count(*) FROM _journal", [], |row| row.get(0)).unwrap();
            prop_assert_eq!(left, 0);
        }
        let mut store = open(&path);
        store.commit(&CommitRequest::default(), now).unwrap();
        memory.commit(&CommitRequest::default(), now).unwrap();
        same_dump(store.state(), memory.state(), now);
    }
}

/// What a view shows, as JSON, and what the state says, are the same.
fn check_views(connection: &Connection, program: &Program, state: &State) {
    for (index, record) in program.records.iter().enumerate() {
        let mut expected = BTreeMap::new();
        for live in state.records().filter(|live| live.record.record().index() == index) {
            let Some(cells) = live.cells else { continue };
            let ty = Type::Record(live.record.record(), patternc_program::Place::Any);
            let reference = json(program, &Value::Ref(live.record.clone()), &ty);
            let cells: Vec<Json> = cells.zip(&record.cells).map(|(value, cell)| shown(json(program, value, &cell.ty), &cell.ty)).collect();
            expected.insert(reference.as_str().unwrap().to_owned(), cells);
        }
        let names: Vec<String> = record.cells.iter().map(|cell| format!("\"{}\"", cell.name)).collect();
        let sql = format!("SELECT _ref, {} FROM \"{}\"", names.join(", "), record.name);
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            let cells = record.cells.iter().enumerate().map(|(i, cell)| shown(column(row, i + 1, &cell.ty), &cell.ty)).collect();
            Ok((row.get::<_, String>(0)?, cells))
        });
        let rows: BTreeMap<String, Vec<Json>> = rows.unwrap().collect::<rusqlite::Result<_>>().unwrap();
        assert_eq!(rows, expected, "{}", record.name);
        for (i, cell) in record.cells.iter().enumerate().filter(|(_, cell)| Kind::of(&cell.ty) != Kind::Column) {
            let sql = format!("SELECT count(*) FROM \"{}.{}\"", record.name, cell.name);
            let count: usize = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            let elements: usize = expected.values().map(|cells| cells[i].as_array().map_or(0, Vec::len)).sum();
            assert_eq!(count, elements, "{}.{}", record.name, cell.name);
        }
    }
}

fn json(program: &Program, value: &Value, ty: &Type) -> Json {
    let mut out = String::new();
    write_value(&mut out, program, Form::Stored, value, ty).unwrap();
    crate::json::from_text(&out).unwrap()
}

/// What can be compared: no difference between `true` and 1, no order in sets and maps.
fn shown(json: Json, ty: &Type) -> Json {
    let mut items: Vec<Json> = match (ty, json) {
        (Type::Optional(of), json) => return shown(json, of),
        (Type::Bool, Json::Bool(b)) => return Json::from(i64::from(b)),
        (Type::List(of), Json::Array(items)) => return items.into_iter().map(|item| shown(item, of)).collect(),
        (Type::Set(_), Json::Array(items)) => items,
        (Type::Map(..), Json::Array(pairs)) => pairs,
        (Type::Map(..), Json::Object(entries)) => entries.into_iter().map(|(k, v)| Json::from(vec![Json::from(k), v])).collect(),
        // Numbers as numbers: 1e300 has more than one text.
        (Type::Float, Json::Number(number)) => return Json::from(format!("{:?}", number.to_string().parse::<f64>().unwrap())),
        (_, json) => return json,
    };
    let floats = format!("{ty:?}").contains("Float");
    items = items.into_iter().map(|item| if floats { plain(item) } else { item }).collect();
    items.sort_by_key(ToString::to_string);
    Json::Array(items)
}

/// Every number in it as the Float it is.
fn plain(json: Json) -> Json {
    match json {
        Json::Number(number) => Json::from(format!("{:?}", number.to_string().parse::<f64>().unwrap())),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

fn column(row: &Row<'_>, index: usize, ty: &Type) -> Json {
    let column = row.get_ref(index).unwrap();
    let of = if let Type::Optional(of) = ty { of } else { ty };
    match column {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(n) => Json::from(n),
        ValueRef::Real(x) => Json::from(x),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).unwrap();
            match of {
                Type::List(_) | Type::Set(_) | Type::Map(..) | Type::Struct(..) => crate::json::from_text(text).unwrap(),
                Type::Enum(..) if text.starts_with('{') => crate::json::from_text(text).unwrap(),
                _ => Json::from(text),
            }
        }
        ValueRef::Blob(_) => panic!("no value is a BLOB"),
    }
}

#[test]
fn a_list_stays_cheap_to_change() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let mut store = open(&path);
    let request = |writes: Vec<Write>| CommitRequest { writes, ..CommitRequest::default() };
    let append = |i: usize| Write::Append { record: a_person("a"), cell: person::ITEMS, value: text(&i.to_string()) };
    let take = |i: usize| Write::RemoveFirst { record: a_person("a"), cell: person::ITEMS, value: text(&i.to_string()) };
    store.commit(&request(vec![Write::Create { record: a_person("a"), cells: person_cells("a", 0) }]), 0).unwrap();
    // Holes everywhere, again and again, beyond the point where the list is written anew.
    for round in 0..6 {
        store.commit(&request((0..200).map(|i| append(round * 1000 + i)).collect()), 0).unwrap();
        store.commit(&request((0..200).filter(|i| i % 3 != 0).map(|i| take(round * 1000 + i)).collect()), 0).unwrap();
    }
    let before = store.cell(&a_person("a"), CellIndex(2)).unwrap();
    store.close().unwrap();
    assert_eq!(open(&path).cell(&a_person("a"), CellIndex(2)).unwrap(), before);
}
