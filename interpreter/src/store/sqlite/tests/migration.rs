//! A new program on old data.

use std::path::Path;
use std::sync::Arc;

use patternc_program::{Body, BodyId, Cell, Code, Enum, EnumId, Expr, Home, Name, Place, Program, Type, Variant};
use tempfile::TempDir;

use super::{dump, message, open, open_for};
use crate::limits::Limits;
use crate::store::conformance::{append, create, entry, join, outgoing, received, set, writes};
use crate::store::sqlite::{Opening, Sqlite};
use crate::store::{CommitRequest, OutboxChange, Presence, Store, StoreError, Write};
use crate::test_program::{AWAY, HOME, NOTE, PERSON, a_list, a_person, cell, field, home, person, program, text};
use crate::value::{RecordRef, Value};

/// A store with two people and a note in `home`, one person deleted.
fn stored(path: &Path) {
    let mut store = open(path);
    let note = Write::Create { record: RecordRef::new(NOTE, home(), "n"), cells: vec![text("1"), Value::None] };
    let request = writes([
        create("a"),
        create("b"),
        create("gone"),
        note,
        append("a", "x"),
        join("a", "b"),
        entry("b", "k", 5),
        set("b", person::NICK, text("bee")),
    ]);
    store.commit(&CommitRequest { inbox: vec![received("in", 3, None)], ..request }, 0).unwrap();
    store.commit(&writes([Write::Delete { record: a_person("gone") }]), 0).unwrap();
    store.close().unwrap();
}

/// What opening with a changed program gives. Opening with the old one afterwards must work if it is refused.
fn opened(change: impl FnOnce(&mut Program)) -> Result<(Sqlite, TempDir), StoreError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let mut changed = program();
    change(&mut changed);
    match open_for(&path, changed) {
        Ok(store) => Ok((store, folder)),
        Err(error) => {
            assert_eq!(open(&path).state().records().count(), 4);
            Err(error)
        }
    }
}

fn refused(change: impl FnOnce(&mut Program)) -> String {
    match opened(change) {
        Ok(_) => panic!("it opens"),
        Err(error) => error.message,
    }
}

fn people(program: &mut Program) -> &mut Vec<Cell> {
    &mut program.records[PERSON.index()].cells
}

fn default(program: &mut Program, expr: Expr) -> Option<BodyId> {
    let at = program.bodies[0].at;
    program.bodies.push(Body { name: "default".into(), params: 1, slots: 1, code: Code::Expr(expr), at });
    Some(BodyId(program.bodies.len() as u32 - 1))
}

#[test]
fn an_unchanged_program_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let schema = |path: &Path| -> String { super::reader(path).query_row("SELECT schema FROM _meta", [], |row| row.get(0)).unwrap() };
    let before = (schema(&path), dump(open(&path).state()));
    assert_eq!((schema(&path), dump(open(&path).state())), before);
}

#[test]
fn new_cells_take_their_defaults() {
    let (store, folder) = opened(|program| {
        let five = default(program, Expr::Int(5));
        let tags = default(program, Expr::List(vec![Expr::Text("t".into())]));
        people(program).insert(0, Cell { default: five, ..cell("age", Type::Int) });
        people(program).push(Cell { default: tags, ..cell("tags", Type::List(Box::new(Type::Text))) });
        people(program).push(cell("email", Type::Optional(Box::new(Type::Text))));
    })
    .unwrap();
    let cell = |store: &Sqlite, i| store.cell(&a_person("b"), patternc_program::CellIndex(i)).unwrap().unwrap();
    assert_eq!(cell(&store, 0), Value::Int(5));
    assert_eq!(cell(&store, 1), text("b"));
    assert_eq!(cell(&store, 9), a_list([text("t")]));
    assert_eq!(cell(&store, 10), Value::None);
    assert_eq!(store.presence(&a_person("gone")), Ok(Presence::Deleted));
    let view = super::reader(&folder.path().join("state.db"));
    let row: (i64, String) =
        view.query_row("SELECT age, tags FROM Person WHERE _id = 'a'", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, (5, "[\"t\"]".to_owned()));
}

#[test]
fn a_new_cell_without_a_default_is_refused() {
    let error = refused(|program| people(program).push(cell("age", Type::Int)));
    assert!(
        error.contains("the new cell `Person.age` has no default, and there are 2 records that need one: give it a default"),
        "{error}"
    );
    // Where there are no records, none needs one.
    assert!(opened(|program| program.records[1].cells.push(cell("age", Type::Int))).is_ok());
}

#[test]
fn computed_defaults_are_asked_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let mut changed = program();
    let now = default(&mut changed, Expr::Now);
    people(&mut changed).push(Cell { default: now, ..cell("since", Type::Int) });
    let error = message(open_for(&path, changed.clone()));
    assert!(error.contains("`Person.since` has to be computed"), "{error}");
    let mut opening = Opening::new(Arc::new(changed), Limits::default());
    let mut compute = |stores: &crate::store::Stores, record: &RecordRef, _: patternc_program::CellIndex| {
        let key = stores.of(record.space()).cell(record, person::KEY).unwrap().unwrap();
        Ok(Value::Int(if key == text("a") { 1 } else { 2 }))
    };
    opening.defaults = Some(&mut compute);
    let store = Sqlite::open(&path, opening).unwrap();
    let since = |id: &str| store.cell(&a_person(id), patternc_program::CellIndex(8)).unwrap();
    assert_eq!((since("a"), since("b")), (Some(Value::Int(1)), Some(Value::Int(2))));
}

#[test]
fn removed_cells_and_types_with_data_are_refused() {
    let error = refused(|program| drop(people(program).remove(6)));
    assert!(error.contains("1 records have a value in the cell `Person.nick`, which the program no longer has"), "{error}");
    let error = refused(|program| drop(people(program).remove(2)));
    assert!(error.contains("1 records have a value in the cell `Person.items`"), "{error}");
    let error = refused(|program| drop(program.records.remove(2)));
    assert!(error.contains("there are 1 records of the type Note, which the program no longer has"), "{error}");
    // Without data they may go.
    let (store, _folder) = opened(|program| drop(people(program).remove(7))).unwrap();
    assert_eq!(store.cell(&a_person("b"), person::NICK), Ok(Some(text("bee"))));
}

#[test]
fn what_may_be_discarded_goes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let mut changed = program();
    people(&mut changed).remove(2);
    changed.records.remove(2);
    let mut opening = Opening::new(Arc::new(changed), Limits::default());
    opening.discard = vec!["Person.items".into(), "Note".into()];
    Sqlite::open(&path, opening).unwrap().close().unwrap();
    // What comes back is new, and the ids of what was there are still taken.
    let mut back = program();
    let items = default(&mut back, Expr::List(vec![]));
    people(&mut back)[2].default = items;
    let store = open_for(&path, back).unwrap();
    assert_eq!(store.cell(&a_person("a"), person::ITEMS), Ok(Some(a_list([]))));
    assert_eq!(store.presence(&RecordRef::new(NOTE, home(), "n")), Ok(Presence::Deleted));
}

#[test]
fn changed_types_are_accepted_if_every_value_fits() {
    // An Int is a Float, a Text is an optional Text, another variant takes nothing away, and maps and sets go along.
    let (store, folder) = opened(|program| {
        people(program)[1].ty = Type::Float;
        people(program)[2].ty = Type::List(Box::new(Type::Optional(Box::new(Type::Text))));
        people(program)[4].ty = Type::Map(Box::new(Type::Optional(Box::new(Type::Text))), Box::new(Type::Float));
        program.enums[0].variants.insert(0, Variant { name: Name::from("new"), fields: vec![] });
    })
    .expect("every value fits");
    let check = |store: &Sqlite| {
        assert_eq!(store.cell(&a_person("a"), person::BALANCE), Ok(Some(Value::Float(0.0))));
        assert_eq!(store.cell(&a_person("a"), person::STATUS), Ok(Some(Value::Variant(1, [].into()))));
        assert_eq!(store.cell(&a_person("a"), person::ITEMS), Ok(Some(a_list([text("x")]))));
    };
    check(&store);
    drop(store);
    let path = folder.path().join("state.db");
    let view = super::reader(&path);
    let kind: String = view.query_row("SELECT typeof(balance) FROM Person", [], |row| row.get(0)).unwrap();
    assert_eq!(kind, "real");
}

#[test]
fn an_int_that_no_float_equals_is_refused() {
    for (stored_int, fits) in [((1 << 53) + 1, false), (i64::MAX, false), (1 << 53, true), (i64::MIN, true), (-3, true)] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        stored(&path);
        let mut store = open(&path);
        store.commit(&writes([set("a", person::BALANCE, Value::Int(stored_int))]), 0).unwrap();
        store.close().unwrap();
        let mut changed = program();
        people(&mut changed)[1].ty = Type::Float;
        match open_for(&path, changed) {
            Ok(store) => {
                assert!(fits, "{stored_int}");
                assert_eq!(store.cell(&a_person("a"), person::BALANCE), Ok(Some(Value::Float(stored_int as f64))));
            }
            Err(error) => {
                assert!(!fits && error.message.contains(&format!("{stored_int} is no Float: the nearest one is ")), "{error}");
                assert!(error.message.contains("It was stored as Int; the program has Float now"), "{error}");
            }
        }
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let error = refused(|program| people(program)[6].ty = Type::Int);
    assert!(
        error.contains(
            "the cell `nick` of the Person \"b\": expected an Int, found \"bee\". It was stored as Text?; the program has Int now"
        ) || error.contains("the cell `nick` of the Person \"a\": expected an Int, found null"),
        "{error}"
    );
    let error = refused(|program| people(program)[2].ty = Type::Set(Box::new(Type::Text)));
    assert!(
        error.contains("`Person.items` was stored as List<Text>; the program has Set<Text> now, which 1 records do not fit"),
        "{error}"
    );
    let error = refused(|program| {
        let variants = vec![Variant { name: Name::from("dark"), fields: vec![field("by", Type::Text)] }];
        program.enums.push(Enum { name: Name::from("Shade"), variants });
        people(program)[5].ty = Type::Enum(EnumId(1), Place::Here);
    });
    assert!(error.contains("Shade has no variant \"open\""), "{error}");
    let error = refused(|program| program.records[PERSON.index()].home = Home::Plain(AWAY));
    assert!(error.contains("is in `home`, but the program has `record Person in away`; records cannot move"), "{error}");
}

#[test]
fn references_must_be_where_their_type_says() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let mut store = open(&path);
    let away = crate::value::SpaceRef { space: AWAY, key: None };
    let far = RecordRef::new(NOTE, away, "far");
    let near = Write::Create { record: RecordRef::new(NOTE, home(), "near"), cells: vec![text("1"), Value::Ref(far)] };
    store.commit(&writes([near]), 0).unwrap();
    store.close().unwrap();
    let mut changed = program();
    changed.records[NOTE.index()].cells[1].ty = Type::Optional(Box::new(Type::Record(NOTE, Place::Here)));
    let error = message(open_for(&path, changed));
    assert!(error.contains("the Note \"near\" holds in `ref` a reference to another space than its type Note? allows"), "{error}");
}

#[test]
fn new_unique_cells_are_checked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let mut changed = program();
    people(&mut changed)[1] = Cell { unique: true, index: true, ..cell("balance", Type::Int) };
    let error = message(open_for(&path, changed));
    let said = "does not fit the data in";
    assert!(error.contains(said) && error.contains("`balance` of Person/a and of Person/b is 0, and has to be unique now"), "{error}");
}

#[test]
fn events_on_their_way_must_still_fit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    stored(&path);
    let mut store = open(&path);
    store.commit(&CommitRequest { outbox: vec![OutboxChange::Add(outgoing("e1"))], ..CommitRequest::default() }, 0).unwrap();
    store.close().unwrap();
    let opened = |change: &dyn Fn(&mut Program)| {
        let mut changed = program();
        change(&mut changed);
        open_for(&path, changed)
    };
    let error = message(opened(&|program| program.handlers[0].name = Name::from("tie")));
    assert!(
        error.contains(
            "the event \"e1\" is still on its way and does not fit the program: there is no handler Person.link any more. Drain first"
        ),
        "{error}"
    );
    let error = message(opened(&|program| program.handlers[0].params[0].ty = Type::Int));
    assert!(error.contains("args.target: expected an Int"), "{error}");
    let error = message(opened(&|program| program.handlers[0].params.push(field("more", Type::Int))));
    assert!(error.contains("\"more\" is missing"), "{error}");
    // In another order, and with an optional parameter more, it fits.
    let store = opened(&|program| {
        program.handlers[0].params.swap(0, 2);
        program.handlers[0].params.push(field("more", Type::Optional(Box::new(Type::Int))));
        program.spaces.push(patternc_program::Space { name: Name::from("later"), key: None });
        assert_eq!(program.records[0].home, Home::Plain(HOME));
    })
    .unwrap();
    assert_eq!(store.outgoing().unwrap().len(), 1);
}
