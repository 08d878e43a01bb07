//! Values, references, events and outcomes, there and back, and what is said of bad ones.

use patternc_program::{CellIndex, Field, HandlerId, Name, Place, Program, RecordId, Type};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;

use super::event::from_text;
use super::*;
use crate::event::{Action, EventId, Outcome};
use crate::failure::{Failure, FailureKind};
use crate::limits::Limits;
use crate::store::StoreError;
use crate::test_program::{self, AWAY, MESSAGE, NOTE, PERSON, PROFILE, a_person, any_value, home, program, text, user};

struct OneKey;

impl Keys for OneKey {
    fn by_key(&self, record: RecordId, space: &SpaceRef, _: CellIndex, key: &Value) -> Result<Option<RecordRef>, StoreError> {
        Ok((*key == text("b]1")).then(|| RecordRef::new(record, space.clone(), "found")))
    }
}

fn reader<'a>(program: &'a Program, names: &'a Names, form: Form) -> Reader<'a> {
    Reader { program, names, form, here: None, keys: Some(&OneKey), limits: None }
}

fn types(program: &Program) -> Vec<Type> {
    let cells = program.records.iter().flat_map(|r| r.cells.iter().map(|c| c.ty.clone()));
    let results = [("n", Type::Int), ("said", Type::Struct(MESSAGE, Place::Any)), ("done", Type::Unknown)];
    let results = results.into_iter().map(|(name, ty)| Field { name: Name::from(name), ty }).collect();
    cells.chain([Type::Failure, Type::Unknown, Type::SagaResult(results)]).collect()
}

#[test]
fn values_survive_both_forms() {
    let program = program();
    let names = Names::new(&program);
    for ty in types(&program) {
        let strategy = any_value(&program, &ty, 3);
        TestRunner::new(ProptestConfig::with_cases(60))
            .run(&strategy, |value| {
                for form in [Form::Stored, Form::Outside] {
                    if form == Form::Outside && format!("{ty:?}").contains("Unknown") {
                        continue;
                    }
                    let mut written = String::new();
                    write_value(&mut written, &program, form, &value, &ty).map_err(|e| TestCaseError::fail(e.to_string()))?;
                    let json = from_text(&written).map_err(|e| TestCaseError::fail(format!("{e}: {written}")))?;
                    let read = reader(&program, &names, form).value(&json, &ty, &Path::Root);
                    let read = read.map_err(|e| TestCaseError::fail(format!("{e}: {written}")))?;
                    prop_assert_eq!(&read, &value, "{}", written);
                }
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn values_look_as_documented() {
    let program = program();
    let message = Value::Struct([Value::Ref(a_person("ada")), text("hi"), Value::Time(1500)].into());
    let claimed = Value::Variant(1, [text("ann"), Value::Time(0)].into());
    let status = Type::Enum(test_program::STATUS, Place::Here);
    let cases = [
        (Value::None, Type::Optional(Box::new(Type::Int)), "null", "null"),
        (
            message,
            Type::Struct(MESSAGE, Place::Here),
            r#"{"author":{"ref":"Person/ada"},"text":"hi","at":"1970-01-01T00:00:01.5Z"}"#,
            r#"{"author":"Person/ada@home","text":"hi","at":"1970-01-01T00:00:01.500Z"}"#,
        ),
        (Value::Variant(0, [].into()), status.clone(), r#""open""#, r#""open""#),
        (
            claimed,
            status,
            r#"{"claimed":{"by":"ann","until":"1970-01-01T00:00:00Z"}}"#,
            r#"{"claimed":{"by":"ann","until":"1970-01-01T00:00:00.000Z"}}"#,
        ),
        (Value::Duration(30_000), Type::Duration, r#""30s""#, r#""30s""#),
        (Value::Bytes([1, 2, 255].into()), Type::Bytes, r#""AQL/""#, r#""AQL/""#),
        (Value::Float(1.0), Type::Float, "1.0", "1.0"),
        (
            Value::Ref(RecordRef::new(PROFILE, user("did:plc:ada"), "a@b%/c")),
            Type::Record(PROFILE, Place::Any),
            r#"{"ref":"Profile/a%40b%25/c@user[did:plc:ada]"}"#,
            r#""Profile/a%40b%25/c@user[did:plc:ada]""#,
        ),
        (Value::Space(user("x]\"y")), Type::Space, r#""user[x%5D%22y]""#, r#""user[x%5D%22y]""#),
    ];
    for (value, ty, outside, stored) in cases {
        assert_eq!(to_text(&program, &value, &ty), outside);
        let mut out = String::new();
        write_value(&mut out, &program, Form::Stored, &value, &ty).unwrap();
        assert_eq!(out, stored);
    }
}

#[test]
fn references_are_read_in_every_way() {
    let program = program();
    let names = Names::new(&program);
    let there = user("x");
    let reader = Reader { here: Some(&there), ..reader(&program, &names, Form::Outside) };
    let read = |text: &str| reader.reference(text, &Path::Root);
    assert_eq!(read("Person/a/b@home").unwrap(), a_person("a/b"));
    assert_eq!(read("Person/a").unwrap(), a_person("a"));
    assert_eq!(read("Profile/a").unwrap(), RecordRef::new(PROFILE, user("x"), "a"));
    assert_eq!(read(r#"Profile/a@user["did:x[1]"]"#).unwrap(), RecordRef::new(PROFILE, user("did:x[1]"), "a"));
    assert_eq!(read("Note/n@away").unwrap(), RecordRef::new(NOTE, SpaceRef { space: AWAY, key: None }, "n"));
    assert_eq!(read(r#"Person["b]1"]"#).unwrap(), a_person("found"));
    assert_eq!(read(r#"Person["b]1"]@home"#).unwrap(), a_person("found"));
    for (wrong, message) in [
        ("ada", "expected a reference like \"Person/ada\", found \"ada\""),
        ("Persn/ada", "there is no record type \"Persn\"; did you mean \"Person\"?"),
        ("Person/", "the id in \"Person/\" is empty"),
        ("Person/ada@away", "Person is never in `away`, only in `home`"),
        ("Person/ada@example.com", "there is no space \"example.com\"; there are home, user, away (an `@` in an id is written %40)"),
        ("Person/50%", "a `%` in \"50%\" is not followed by two hexadecimal digits; `%` itself is written %25"),
        ("Profile/a@user", "`user` is a family of spaces: write which one, like user[…]"),
        ("Note/a@home[x]", "`home` is one space: it takes no key"),
        ("Note/a@user[x", "the `[` in the space \"user[x\" is not closed"),
        ("Note[\"x\"]", "Note has no `key` cell: write its id, like Note/…"),
        ("Person[\"x\"]", "there is no Person[\"x\"]"),
        ("Person[x]", "expected a key as JSON in \"Person[x]\", like Person[\"b1\"]"),
        ("Person[\"x\"", "expected `]` after the key in \"Person[\\\"x\\\"\""),
        ("Person[5]", "expected a Text, found 5"),
    ] {
        assert_eq!(read(wrong).unwrap_err().to_string(), message, "{wrong}");
    }
    let nowhere = Reader { here: None, ..reader };
    assert_eq!(
        nowhere.reference("Profile/a", &Path::Root).unwrap_err().to_string(),
        "\"Profile/a\" does not say in which space: write it like \"Profile/a@user[…]\""
    );
}

fn resolve(line: &str) -> Result<(Option<EventId>, Request), String> {
    let program = program();
    let names = Names::new(&program);
    let line = parse(line, &Limits::default()).map_err(|e| e.error.to_string())?;
    let request = line.resolve(&reader(&program, &names, Form::Outside)).map_err(|e| e.to_string())?;
    Ok((line.id, request))
}

/// Whoever sent a line that is wrong is told which it was.
#[test]
fn a_line_that_is_wrong_keeps_its_id() {
    let id = |line: &str| parse(line, &Limits::default()).expect_err(line).id.map(|id| id.0.to_string());
    for wrong in [
        r#"{"id":"e","to":"Person/a","handler":"link","foo":1}"#,
        r#"{"id":"e","to":"Person/a","create":"Person"}"#,
        r#"{"id":"e"}"#,
        r#"{"id":"e","to":"Person/a","to":"Person/b"}"#,
        r#"{"id":"e","to":"Person/a","handler":"link","caller":7}"#,
    ] {
        assert_eq!(id(wrong).as_deref(), Some("e"), "{wrong}");
    }
    for unknown in [r#"{"foo":1}"#, r#"{"id":"","foo":1}"#, r#"{"id":7,"foo":1}"#, r#"{"id":"e","id":"f"}"#, r#"{"id":"e"#] {
        assert_eq!(id(unknown), None, "{unknown}");
    }
}

#[test]
fn events_are_read() {
    let (id, request) = resolve(
        r#"{"id":"e3","to":"Person/ada","handler":"link","args":{"target":{"ref":"Person/bob"},"status":"open"},"caller":"did:x"}"#,
    )
    .unwrap();
    assert_eq!(id, Some(EventId("e3".into())));
    let args = vec![Value::Ref(a_person("bob")), Value::None, Value::Variant(0, [].into())];
    assert_eq!(request, Request::Event(Action::Handler { to: a_person("ada"), handler: HandlerId(0), args }));

    let (_, request) = resolve(r#"{"create":"Note","as":"n","in":"user[x]","cells":{"id":"1","ref":{"ref":"Note/m"}}}"#).unwrap();
    let linked = Value::Ref(RecordRef::new(NOTE, user("x"), "m"));
    let cells = vec![(CellIndex(0), text("1")), (CellIndex(1), linked)];
    assert_eq!(request, Request::Event(Action::Create { record: NOTE, space: user("x"), id: Some("n".into()), cells }));

    let (_, request) = resolve(r#"{"read":"Person/ada","cells":["members","degree"]}"#).unwrap();
    let Request::Read { record, cells } = request else { panic!("a read") };
    let program = program();
    let names: Vec<&str> = cells.iter().map(|c| c.describe(&program, record.record()).0).collect();
    assert_eq!((record, names), (a_person("ada"), vec!["members", "degree"]));

    let (_, request) = resolve(r#"{"query":"Person.all","in":"home"}"#).unwrap();
    assert_eq!(request, Request::Query { text: "Person.all".into(), space: Some(home()) });
}

#[test]
fn what_is_wrong_with_an_event_is_said_with_its_place() {
    for (line, message) in [
        ("[]", "expected an event as a JSON object, found []"),
        ("{\"id\":\"1\"}", "an event has one of \"create\", \"to\", \"read\" and \"query\""),
        ("{\"to\":\"Person/a\",\"create\":\"Note\"}", "an event has either \"create\" or \"to\", not both"),
        ("{\"to\":\"Person/a\",\"handlr\":\"link\"}", "an event with \"to\" has no \"handlr\"; did you mean \"handler\"?"),
        ("{\"to\":\"Person/a\",\"to\":\"Person/b\"}", "\"to\" stands twice in one object: which of them is meant?"),
        ("{\"to\":\"Person/a\"}", "\"handler\" is missing"),
        ("{\"to\":\"Person/a\",\"handler\":\"lnk\"}", "handler: Person has no handler \"lnk\"; did you mean \"link\"?"),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"status\":\"open\"}}",
            "args: \"target\" is missing: a Person reference like {\"ref\":\"Person/…\"}",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"target\":5,\"status\":\"open\"}}",
            "args.target: expected a Person reference like {\"ref\":\"Person/…\"}, found 5",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"target\":{\"ref\":\"Note/a@home\"},\"status\":\"open\"}}",
            "args.target: expected a Person reference like {\"ref\":\"Person/…\"}, found {\"ref\":\"Note/a@home\"}",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"target\":{\"ref\":\"Person/b\"},\"status\":\"opn\"}}",
            "args.status: Status has no variant \"opn\"; did you mean \"open\"?",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"target\":{\"ref\":\"Person/b\"},\"status\":\"claimed\"}}",
            "args.status: expected {\"claimed\":{\"by\":…,\"until\":…}}, found \"claimed\" without its fields",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"target\":{\"ref\":\"Person/b\"},\"status\":{\"claimed\":{\"by\":\"a\",\"until\":\"soon\"}}}}",
            "args.status.claimed.until: expected a Time like \"2030-01-31T12:00:00Z\", found \"soon\"",
        ),
        (
            "{\"to\":\"Person/a\",\"handler\":\"link\",\"args\":{\"traget\":1}}",
            "args: there is no \"traget\" here; did you mean \"target\"?",
        ),
        ("{\"create\":\"Note\"}", "in: a Note can be in any space: say which, like \"in\":\"home\""),
        ("{\"create\":\"Profile\"}", "in: a Profile is in a space of `user`: say which, like \"user[…]\""),
        ("{\"create\":\"Person\",\"in\":\"away\"}", "in: Person is never in `away`, only in `home`"),
        ("{\"create\":\"Note\",\"in\":\"home\",\"cells\":{}}", "cells: \"id\" is missing: it has no default"),
        ("{\"create\":\"Person\",\"cells\":{\"degree\":1}}", "cells.degree: `degree` is derived: it is not given but computed"),
        (
            "{\"create\":\"Person\",\"cells\":{\"balance\":9223372036854775808}}",
            "cells.balance: 9223372036854775808 does not fit an Int, which has 64 bits",
        ),
        ("{\"create\":\"Person\",\"cells\":{\"balance\":1.0}}", "cells.balance: expected an Int, found 1.0"),
        ("{\"create\":\"Person\",\"cells\":{\"scores\":{\"a b\":null}}}", "cells.scores[\"a b\"]: expected an Int, found null"),
        (
            "{\"create\":\"Person\",\"cells\":{\"members\":[{\"ref\":\"Person/a\"},{\"ref\":\"Person/a\"}]}}",
            "cells.members[1]: {\"ref\":\"Person/a\"} is in the set already",
        ),
        (
            "{\"read\":\"Person/a\",\"cells\":[\"nme\"]}",
            "cells[0]: Person has no cell \"nme\"; there are key, balance, items, members, scores, status, nick, best, degree",
        ),
        ("{\"id\":5,\"read\":\"Person/a\"}", "id: expected a text, found 5"),
    ] {
        assert_eq!(resolve(line).unwrap_err(), message, "{line}");
    }
    for (line, expected) in [
        ("{\"id\":", "the line ends before the event does"),
        ("{\"id\":\"a", "the line ends before the event does"),
        ("{id: 1}", "cannot go on with 'i' at character 2"),
        ("{\"ü\": 1,, }", "cannot go on with ',' at character 9"),
        ("{} {}", "cannot go on with '{' at character 4"),
        ("{\"read\": 'x'}", "cannot go on with '\\'' at character 10"),
    ] {
        let message = resolve(line).unwrap_err();
        assert!(message.starts_with("this is not JSON: ") && message.contains(expected), "{line}: {message}");
    }
}

#[test]
fn deep_and_large_events_are_refused_by_their_limits() {
    let deep = format!("{{\"query\":{}", "[".repeat(1_000_000));
    assert_eq!(resolve(&deep[..900_000]).unwrap_err(), "the event is nested 899992 deep, more than the limit `event-nesting` of 64");
    let large = format!("{{\"query\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(resolve(&large).unwrap_err(), "the event has 2097164 bytes, more than the limit `event-size` of 1048576");
    let program = program();
    let names = Names::new(&program);
    let limits = Limits { text_length: 3, collection_length: 1, ..Limits::default() };
    let reader = Reader { limits: Some(&limits), ..reader(&program, &names, Form::Outside) };
    let long = reader.value(&Json::String("four".into()), &Type::Text, &Path::Root).unwrap_err();
    assert_eq!(long.to_string(), "a text of 4 bytes is longer than the limit `text-length` of 3");
    let many = reader.value(&from_text("[1,2]").unwrap(), &Type::List(Box::new(Type::Int)), &Path::Root).unwrap_err();
    assert_eq!(many.to_string(), "2 elements are more than the limit `collection-length` of 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_line_gives_a_result(line in prop_oneof![any::<String>(), r#"\{("(id|to|create|in|as|cells|handler|args|read|query)":("Person/a"|"link"|5|\{\}|\[\]|null),?){0,4}\}"#]) {
        let _ = resolve(&line);
    }

    #[test]
    fn any_reference_gives_a_result(line in prop_oneof![any::<String>(), r#"(Person|Note|Profile)[/\[@"%a-z0-9\]]{0,12}"#]) {
        let program = program();
        let names = Names::new(&program);
        let _ = reader(&program, &names, Form::Outside).reference(&line, &Path::Root);
    }
}

#[test]
fn outcomes_are_lines() {
    let program = program();
    let id = EventId("e1".into());
    let ada = a_person("ada");
    let created = Outcome::Committed(Value::Ref(ada.clone()));
    let ty = Type::Record(PERSON, Place::Any);
    assert_eq!(OutcomeLine::of(&id, &created, true, &ty).to_text(&program), r#"{"id":"e1","outcome":"committed","ref":"Person/ada"}"#);
    let nothing = Outcome::Committed(Value::None);
    let line = OutcomeLine::of(&id, &nothing, false, &Type::Unknown).to_text(&program);
    assert_eq!(line, r#"{"id":"e1","outcome":"committed","result":null}"#);
    let failed = Outcome::Failed(Failure::new(FailureKind::Rejected, "already \"linked\""));
    let line = OutcomeLine::of(&id, &failed, false, &Type::Unknown).to_text(&program);
    assert_eq!(line, r#"{"id":"e1","outcome":"failed","failure":{"kind":"rejected","message":"already \"linked\""}}"#);
    let value = Value::Int(1);
    let cells = OutcomeLine::Cells { id: Some(&id), cells: vec![("degree", &Type::Int, value.clone())] };
    assert_eq!(cells.to_text(&program), r#"{"id":"e1","outcome":"value","cells":{"degree":1}}"#);
    let line = OutcomeLine::Value { id: Some(&id), value: &value, ty: &Type::Int };
    assert_eq!(line.to_text(&program), r#"{"id":"e1","outcome":"value","value":1}"#);
    let error = parse("[]", &Limits::default()).unwrap_err().error;
    assert_eq!(
        OutcomeLine::Invalid { line: 7, id: None, error: &error }.to_text(&program),
        r#"{"line":7,"outcome":"invalid","message":"expected an event as a JSON object, found []"}"#
    );
}
