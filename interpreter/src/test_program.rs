//! A program of declarations only, with every type and every kind of home, and chance values of its types: for the tests of this crate.

use std::sync::Arc;

use patternc_program::{
    Body, BodyId, Cell, CellIndex, Code, Derived, Enum, EnumId, Expr, Extern, Field, FileId, Handler, HandlerId, Home, Name, Operation,
    Place, Program, Record, RecordId, Repeat, Source, Space, SpaceId, Struct, StructId, Type, Variant,
};
use proptest::prelude::*;

use crate::value::{RecordRef, SpaceRef, Value};

pub const HOME: SpaceId = SpaceId(0);
pub const USER: SpaceId = SpaceId(1);
pub const AWAY: SpaceId = SpaceId(2);
pub const PERSON: RecordId = RecordId(0);
pub const PROFILE: RecordId = RecordId(1);
pub const NOTE: RecordId = RecordId(2);
pub const MESSAGE: StructId = StructId(0);
pub const TREE: StructId = StructId(1);
pub const STATUS: EnumId = EnumId(0);

/// `Person`: its cells.
pub mod person {
    use patternc_program::CellIndex;

    pub const KEY: CellIndex = CellIndex(0);
    pub const BALANCE: CellIndex = CellIndex(1);
    pub const ITEMS: CellIndex = CellIndex(2);
    pub const MEMBERS: CellIndex = CellIndex(3);
    pub const SCORES: CellIndex = CellIndex(4);
    pub const STATUS: CellIndex = CellIndex(5);
    pub const NICK: CellIndex = CellIndex(6);
    pub const BEST: CellIndex = CellIndex(7);
}

pub fn field(name: &str, ty: Type) -> Field {
    Field { name: Name::from(name), ty }
}

pub fn cell(name: &str, ty: Type) -> Cell {
    Cell { name: Name::from(name), ty, default: None, unique: false, index: false, inverse: None }
}

fn list(of: Type) -> Type {
    Type::List(Box::new(of))
}

fn set(of: Type) -> Type {
    Type::Set(Box::new(of))
}

fn map(key: Type, of: Type) -> Type {
    Type::Map(Box::new(key), Box::new(of))
}

fn optional(of: Type) -> Type {
    Type::Optional(Box::new(of))
}

fn record(name: &str, home: Home, cells: Vec<Cell>) -> Record {
    Record {
        name: Name::from(name),
        home,
        cells,
        derived: Vec::new(),
        key: None,
        create: None,
        handlers: Vec::new(),
        sagas: Vec::new(),
        invariants: Vec::new(),
        mirrors: Vec::new(),
    }
}

/// The program.
pub fn program() -> Program {
    let at = Source { file: FileId(0), start: 0, end: 0 };
    let person = |place| Type::Record(PERSON, place);
    let profile = |place| Type::Record(PROFILE, place);
    let mut people = record(
        "Person",
        Home::Plain(HOME),
        vec![
            Cell { unique: true, index: true, ..cell("key", Type::Text) },
            cell("balance", Type::Int),
            cell("items", list(Type::Text)),
            cell("members", set(person(Place::Here))),
            cell("scores", map(Type::Text, Type::Int)),
            Cell { index: true, ..cell("status", Type::Enum(STATUS, Place::Here)) },
            cell("nick", optional(Type::Text)),
            cell("best", optional(person(Place::Any))),
        ],
    );
    people.key = Some(CellIndex(0));
    people.handlers = vec![HandlerId(0)];
    people.derived = vec![Derived { name: Name::from("degree"), ty: Type::Int, body: BodyId(0) }];
    let everything = record(
        "Profile",
        Home::Family(USER),
        vec![
            cell("flag", Type::Bool),
            cell("ratio", Type::Float),
            cell("data", Type::Bytes),
            cell("born", Type::Time),
            cell("pause", Type::Duration),
            cell("place", Type::Space),
            cell("message", Type::Struct(MESSAGE, Place::Any)),
            cell("tree", Type::Struct(TREE, Place::Here)),
            cell("log", list(Type::Struct(MESSAGE, Place::Any))),
            cell("friends", set(profile(Place::Here))),
            cell("by_friend", map(profile(Place::Any), optional(Type::Int))),
            cell("by_status", map(Type::Enum(STATUS, Place::Here), list(Type::Float))),
            cell("ratios", set(Type::Float)),
            cell("maybes", set(optional(Type::Text))),
            cell("grid", list(list(Type::Int))),
            cell("ratio_of", map(Type::Float, Type::Bytes)),
            cell("last", optional(Type::Struct(MESSAGE, Place::Any))),
        ],
    );
    let note = record("Note", Home::Floating, vec![cell("id", Type::Text), cell("ref", optional(Type::Record(NOTE, Place::Any)))]);
    Program {
        files: vec!["test.pattern".into()],
        spaces: vec![
            Space { name: Name::from("home"), key: None },
            Space { name: Name::from("user"), key: Some(Type::Text) },
            Space { name: Name::from("away"), key: None },
        ],
        structs: vec![
            Struct {
                name: Name::from("Message"),
                fields: vec![field("author", person(Place::Here)), field("text", Type::Text), field("at", Type::Time)],
            },
            Struct { name: Name::from("Tree"), fields: vec![field("kids", list(Type::Struct(TREE, Place::Here))), field("n", Type::Int)] },
        ],
        enums: vec![Enum {
            name: Name::from("Status"),
            variants: vec![
                Variant { name: Name::from("open"), fields: vec![] },
                Variant { name: Name::from("claimed"), fields: vec![field("by", Type::Text), field("until", Type::Time)] },
                Variant { name: Name::from("done"), fields: vec![] },
            ],
        }],
        records: vec![people, everything, note],
        handlers: vec![Handler {
            name: Name::from("link"),
            record: PERSON,
            internal: false,
            params: vec![
                field("target", person(Place::Here)),
                field("why", optional(Type::Text)),
                field("status", Type::Enum(STATUS, Place::Here)),
            ],
            result: Some(Type::Struct(MESSAGE, Place::Here)),
            body: BodyId(0),
            across: Vec::new(),
            halfway: false,
        }],
        externs: vec![Extern {
            name: Name::from("payments"),
            operations: vec![Operation {
                name: Name::from("charge"),
                params: vec![field("amount", Type::Int)],
                result: Some(Type::Text),
                repeat: Repeat::Idempotent,
            }],
        }],
        bodies: vec![Body { name: "nothing".into(), params: 1, slots: 1, code: Code::Expr(Expr::None), at }],
        ..Program::default()
    }
}

/// The space `home`.
pub fn home() -> SpaceRef {
    SpaceRef { space: HOME, key: None }
}

/// A space of the family `user`.
pub fn user(key: &str) -> SpaceRef {
    SpaceRef { space: USER, key: Some(Arc::new(text(key))) }
}

/// A person in `home`.
pub fn a_person(id: &str) -> RecordRef {
    RecordRef::new(PERSON, home(), id)
}

/// A Text.
pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A list.
pub fn a_list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(Arc::new(items.into_iter().collect()))
}

/// The cells of a person that owns nothing.
pub fn person_cells(key: &str, balance: i64) -> Vec<Value> {
    vec![
        text(key),
        Value::Int(balance),
        a_list([]),
        Value::Set(Arc::default()),
        Value::Map(Arc::default()),
        Value::Variant(0, Arc::from([])),
        Value::None,
        Value::None,
    ]
}

fn any_text() -> BoxedStrategy<String> {
    prop_oneof![3 => "[a-z]{0,6}", 1 => any::<String>(), 1 => "[\"@%/\\[\\] \\n\\\\é]{0,8}"].boxed()
}

fn any_space() -> BoxedStrategy<SpaceRef> {
    prop_oneof![Just(home()), any_text().prop_map(|key| user(&key)), Just(SpaceRef { space: AWAY, key: None })].boxed()
}

fn any_ref(record: RecordId) -> BoxedStrategy<RecordRef> {
    let space = match record {
        PERSON => Just(home()).boxed(),
        PROFILE => any_text().prop_map(|key| user(&key)).boxed(),
        _ => any_space(),
    };
    (space, any_text().prop_filter("ids are not empty", |id| !id.is_empty())).prop_map(move |(s, id)| RecordRef::new(record, s, id)).boxed()
}

/// A value of the type.
pub fn any_value(program: &Program, ty: &Type, depth: u32) -> BoxedStrategy<Value> {
    let size = 0..4usize;
    let inner = |ty: &Type| any_value(program, ty, depth.saturating_sub(1));
    let fields = |fields: &[Field]| -> BoxedStrategy<Arc<[Value]>> {
        fields.iter().map(|f| inner(&f.ty)).collect::<Vec<_>>().prop_map(Arc::from).boxed()
    };
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int => any::<i64>().prop_map(Value::Int).boxed(),
        Type::Float => {
            let special = prop_oneof![Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(-0.0), Just(5.0), Just(1e300)];
            prop_oneof![3 => any::<f64>().prop_filter("Floats are finite", |x| x.is_finite()), 1 => special].prop_map(Value::Float).boxed()
        }
        Type::Text => any_text().prop_map(|t| text(&t)).boxed(),
        Type::Bytes => any::<Vec<u8>>().prop_map(|b| Value::Bytes(b.into())).boxed(),
        Type::Time => prop_oneof![4 => -10_000_000_000_000i64..100_000_000_000_000, 1 => any::<i64>()].prop_map(Value::Time).boxed(),
        Type::Duration => prop_oneof![any::<i64>(), -1000i64..100_000].prop_map(Value::Duration).boxed(),
        Type::Space => any_space().prop_map(Value::Space).boxed(),
        Type::Record(id, _) => any_ref(*id).prop_map(Value::Ref).boxed(),
        Type::Failure => (any_text(), any_text()).prop_map(|(k, m)| Value::Struct([text(&k), text(&m)].into())).boxed(),
        // Types may contain themselves in collections.
        Type::List(_) if depth == 0 => Just(a_list([])).boxed(),
        // Types may contain themselves in collections.
        Type::List(_) if depth == 0 => Just(a_list([])).boxed(),
        Type::List(of) => prop::collection::vec(inner(of), size).prop_map(a_list).boxed(),
        Type::Set(of) => prop::collection::vec(inner(of), size).prop_map(|items| Value::Set(Arc::new(items.into_iter().collect()))).boxed(),
        Type::Map(key, of) => {
            let entries = prop::collection::vec((inner(key), inner(of)), size);
            entries.prop_map(|entries| Value::Map(Arc::new(entries.into_iter().collect()))).boxed()
        }
        Type::Optional(of) => prop_oneof![Just(Value::None), inner(of)].boxed(),
        Type::Struct(id, _) => fields(&program.structs[id.index()].fields).prop_map(Value::Struct).boxed(),
        Type::Enum(id, _) => {
            let variants = program.enums[id.index()].variants.iter().enumerate();
            let variants = variants.map(|(i, v)| fields(&v.fields).prop_map(move |f| Value::Variant(i as u32, f)).boxed());
            proptest::strategy::Union::new(variants).boxed()
        }
        Type::SagaResult(results) => fields(results).prop_map(Value::Struct).boxed(),
        Type::Unknown => prop_oneof![
            Just(Value::None),
            any::<i64>().prop_map(Value::Int),
            inner(&Type::Float),
            inner(&Type::Struct(TREE, Place::Here)),
            inner(&Type::Enum(STATUS, Place::Here)),
            inner(&Type::Map(Box::new(Type::Record(NOTE, Place::Any)), Box::new(Type::Space))),
            inner(&Type::Set(Box::new(Type::Bytes))),
        ]
        .boxed(),
    }
}
