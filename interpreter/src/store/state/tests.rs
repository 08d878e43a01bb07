//! Requests that fail somewhere in the middle leave the state as it was.

use std::sync::Arc;

use patternc_program::{CellIndex, Type};
use proptest::prelude::*;

use super::{Schema, State};
use crate::event::{EventId, OutgoingState, Received};
use crate::limits::Limits;
use crate::store::conformance::outgoing;
use crate::store::{CommitRequest, InboxChange, OutboxChange, ReadKey, Write};
use crate::test_program::{PERSON, a_person, home, person, person_cells, program, text};
use crate::value::Value;

const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dan"];
const WORDS: [&str; 3] = ["x", "y", "z"];

fn empty() -> State {
    // So small that lists, sets and maps overflow.
    let limits = Limits { collection_length: 2, ..Limits::default() };
    State::new(Arc::new(Schema::new(&program())), &limits)
}

fn write() -> impl Strategy<Value = Write> {
    let record = || proptest::sample::select(&PEOPLE[..]).prop_map(a_person);
    let word = || proptest::sample::select(&WORDS[..]).prop_map(text);
    let by = prop_oneof![6 => -3..4i64, 1 => Just(i64::MAX)];
    let person = || proptest::sample::select(&PEOPLE[..]).prop_map(|id| Value::Ref(a_person(id)));
    prop_oneof![
        4 => (record(), proptest::sample::select(&PEOPLE[..])).prop_map(|(record, key)| Write::Create { record, cells: person_cells(key, 0) }),
        1 => record().prop_map(|record| Write::Delete { record }),
        2 => (record(), word()).prop_map(|(record, value)| Write::Set { record, cell: person::KEY, value }),
        2 => (record(), 0..3u32).prop_map(|(record, variant)| Write::Set {
            record,
            cell: person::STATUS,
            value: Value::Variant(variant, Arc::from([])),
        }),
        3 => (record(), by).prop_map(|(record, by)| Write::AddInt { record, cell: person::BALANCE, by }),
        3 => (record(), word()).prop_map(|(record, value)| Write::Append { record, cell: person::ITEMS, value }),
        2 => (record(), word()).prop_map(|(record, value)| Write::RemoveFirst { record, cell: person::ITEMS, value }),
        3 => (record(), person()).prop_map(|(record, value)| Write::Insert { record, cell: person::MEMBERS, value }),
        2 => (record(), person()).prop_map(|(record, value)| Write::Remove { record, cell: person::MEMBERS, value }),
        3 => (record(), word(), 0..5i64).prop_map(|(record, key, value)| Write::SetEntry {
            record,
            cell: person::SCORES,
            key,
            value: Value::Int(value),
        }),
        2 => (record(), word()).prop_map(|(record, key)| Write::RemoveEntry { record, cell: person::SCORES, key }),
    ]
}

fn event() -> impl Strategy<Value = EventId> {
    proptest::sample::select(&WORDS[..]).prop_map(|id| EventId(id.into()))
}

fn request() -> impl Strategy<Value = CommitRequest> {
    let outbox = prop_oneof![
        event().prop_map(|id| OutboxChange::Add(outgoing(&id.0))),
        event().prop_map(OutboxChange::Remove),
        event().prop_map(|id| OutboxChange::Update(id, OutgoingState::Tried)),
    ];
    let inbox = prop_oneof![
        2 => (event(), proptest::option::of(event()), proptest::option::of(0..50i64)).prop_map(|(event, deferred, keep_until)| {
            let received = deferred.map_or(Received::Done(crate::event::Outcome::Committed(Value::None)), Received::Deferred);
            InboxChange::Record { event, received, ty: Type::Unknown, keep_until }
        }),
        1 => event().prop_map(InboxChange::Forget),
    ];
    let reads =
        (0..1u32, proptest::sample::select(&PEOPLE[..]), proptest::sample::select(&PEOPLE[..])).prop_map(|(invariant, of, read)| {
            (invariant, a_person(of), vec![ReadKey::Exists(a_person(read)), ReadKey::Cell(a_person(of), person::BALANCE)])
        });
    let changes = (
        proptest::collection::vec(write(), 0..6),
        proptest::collection::vec(outbox, 0..2),
        proptest::collection::vec(inbox, 0..2),
        proptest::collection::vec(reads, 0..2),
    );
    changes.prop_map(|(writes, outbox, inbox, invariant_reads)| CommitRequest {
        spaces: vec![home()],
        writes,
        outbox,
        inbox,
        invariant_reads,
        ..CommitRequest::default()
    })
}

/// All that anyone can see of the state.
fn seen(state: &State) -> String {
    let mut seen = format!("{:?} {:?}\n", state.version(), state.spaces());
    for record in state.records() {
        let cells: Option<Vec<&Value>> = record.cells.map(|cells| cells.collect());
        seen += &format!("{:?} {} {cells:?}\n", record.record, record.order);
    }
    seen += &format!("{:?}\n", state.scan(PERSON, &home(), None));
    for value in WORDS.iter().chain(&PEOPLE) {
        seen += &format!("{value}: {:?}\n", state.unique(PERSON, &home(), person::KEY, &text(value)));
    }
    for variant in 0..3 {
        let value = Value::Variant(variant, Arc::from([]));
        seen += &format!("{variant}: {:?}\n", state.scan(PERSON, &home(), Some((person::STATUS, &value))));
    }
    seen += &format!("{:?}\n", state.outgoing().collect::<Vec<_>>());
    for id in WORDS {
        let id = EventId(id.into());
        seen += &format!("{:?} {:?}\n", state.received(&id), state.outgoing_by_id(&id));
    }
    for id in PEOPLE {
        seen += &format!("{:?}\n", state.dependents(&ReadKey::Exists(a_person(id))));
        seen += &format!("{:?}\n", state.dependents(&ReadKey::Cell(a_person(id), person::BALANCE)));
    }
    seen
}

proptest! {
    /// What is refused leaves nothing, not even in what comes after.
    #[test]
    fn a_request_is_applied_whole_or_not_at_all(requests in proptest::collection::vec(request(), 1..12)) {
        // One state applies everything; the other never sees what is refused.
        let (mut tried, mut spared) = (empty(), empty());
        for (now, request) in requests.iter().enumerate() {
            let before = seen(&tried);
            match tried.apply(request, now as i64) {
                Ok(_) => {
                    prop_assert!(spared.apply(request, now as i64).is_ok(), "accepted after a refusal only: {request:?}");
                }
                Err(refused) => prop_assert_eq!(&seen(&tried), &before, "something is left of {}: {:?}", refused, request),
            }
            prop_assert_eq!(seen(&tried), seen(&spared));
        }
    }

    /// A state loaded from another's parts is the same state.
    #[test]
    fn a_state_is_loaded_from_its_parts(requests in proptest::collection::vec(request(), 1..12)) {
        let mut state = empty();
        for request in &requests {
            // Some are refused: that is what the other property is about.
            let _ = state.apply(request, 0);
        }
        let mut loaded = empty();
        loaded.set_version(state.version());
        for record in state.records() {
            let cells = record.cells.map(|cells| cells.cloned().collect());
            loaded.load_record(record.record.clone(), record.order, cells).expect("the parts fit");
        }
        state.outgoing().for_each(|outgoing| loaded.load_outgoing(outgoing.clone()));
        for (id, event) in state.inbox() {
            loaded.load_received(id.clone(), event);
        }
        for (invariant, record, reads) in state.invariant_reads() {
            loaded.load_invariant_reads(invariant, record, reads);
        }
        prop_assert_eq!(seen(&loaded), seen(&state));
        prop_assert_eq!(loaded.cell(&a_person("ann"), CellIndex(1)), state.cell(&a_person("ann"), CellIndex(1)));
    }
}
