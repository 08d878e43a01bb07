//! Steps of chance transactions, and the program that they become.

use std::sync::Arc;

use patternc_program::*;

use crate::value::{RecordRef, SpaceRef, Value};

/// How many records a transaction is given.
pub const GIVEN: usize = 4;

/// What a transaction does. Records are numbers of those given; what is read is appended to the log, which is returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Add(usize, i64),
    Sub(usize, i64),
    SetN(usize, i64),
    ReadN(usize),
    RequireN(usize, i64),
    Append(usize, i64),
    RemoveFirst(usize, i64),
    ReadItems(usize),
    Insert(usize, i64),
    Remove(usize, i64),
    HasTag(usize, i64),
    ReadTags(usize),
    SetEntry(usize, i64, i64),
    ChangeEntry(usize, i64, i64),
    RemoveEntry(usize, i64),
    ReadEntry(usize, i64),
    ReadMap(usize),
    SetSlug(usize, Option<i64>),
    AddSlug(usize, i64),
    Find(i64),
    SetStatus(usize, i64),
    AddStatus(usize, i64),
    WithStatus(i64),
    WithMore(i64),
    Befriend(usize, usize),
    Unfriend(usize, usize),
    SetFriend(usize, usize),
    ReadFriends(usize),
    SetOwner(usize, Option<usize>),
    Own(usize, usize),
    Disown(usize, usize),
    ReadOwner(usize),
    ReadOwned(usize),
    Create(Option<i64>),
    Delete(usize),
    All,
    Exists(usize),
    Fail,
    Try(Vec<Step>),
}

pub const THING: RecordId = RecordId(0);
pub const N: CellIndex = CellIndex(0);
pub const ITEMS: CellIndex = CellIndex(1);
pub const TAGS: CellIndex = CellIndex(2);
pub const MAP: CellIndex = CellIndex(3);
pub const SLUG: CellIndex = CellIndex(4);
pub const STATUS: CellIndex = CellIndex(5);
pub const FRIENDS: CellIndex = CellIndex(6);
pub const OWNER: CellIndex = CellIndex(7);
pub const OWNED: CellIndex = CellIndex(8);
pub const CELLS: usize = 9;

const AT: Source = Source { file: FileId(0), start: 0, end: 0 };
const LOG: Slot = Slot(GIVEN as u32 + 1);
const ERROR: Slot = Slot(GIVEN as u32 + 2);
const PARAM: Slot = Slot(GIVEN as u32 + 3);
const SLOTS: u32 = GIVEN as u32 + 4;

pub fn home() -> SpaceRef {
    SpaceRef { space: SpaceId(0), key: None }
}

pub fn thing(id: &str) -> RecordRef {
    RecordRef::new(THING, home(), id)
}

/// A program with a handler for each list of steps. Its parameters are the given records.
pub fn program(handlers: &[Vec<Step>]) -> Program {
    let reference = Type::Record(THING, Place::Here);
    let ints = || Box::new(Type::Int);
    let cell = |name: &str, ty: Type| Cell { name: Name::from(name), ty, default: None, unique: false, index: false, inverse: None };
    let end = |cell: CellIndex| Some(Inverse { record: THING, cell });
    let mut bodies = Vec::new();
    let mut default = |value: Expr| {
        bodies.push(Body { name: "default".into(), params: 1, slots: 1, code: Code::Expr(value), at: AT });
        Some(BodyId(bodies.len() as u32 - 1))
    };
    let cells = vec![
        Cell { default: default(Expr::Int(0)), ..cell("n", Type::Int) },
        Cell { default: default(Expr::List(vec![])), ..cell("items", Type::List(ints())) },
        Cell { default: default(Expr::Set(vec![])), ..cell("tags", Type::Set(ints())) },
        Cell { default: default(Expr::Map(vec![])), ..cell("map", Type::Map(ints(), ints())) },
        Cell { unique: true, index: true, ..cell("slug", Type::Optional(ints())) },
        Cell { default: default(Expr::Int(0)), index: true, ..cell("status", Type::Int) },
        Cell { default: default(Expr::Set(vec![])), inverse: end(FRIENDS), ..cell("friends", Type::Set(Box::new(reference.clone()))) },
        Cell { inverse: end(OWNED), ..cell("owner", Type::Optional(Box::new(reference.clone()))) },
        Cell { default: default(Expr::Set(vec![])), inverse: end(OWNER), ..cell("owned", Type::Set(Box::new(reference.clone()))) },
    ];
    let mut declarations = Vec::new();
    for steps in handlers {
        let mut code = vec![Stmt::Let { slot: LOG, value: Expr::List(vec![]) }];
        code.extend(steps.iter().flat_map(stmts));
        code.push(Stmt::Return(Some(Expr::Slot(LOG))));
        bodies.push(Body { name: "Thing.run".into(), params: GIVEN as u32 + 1, slots: SLOTS, code: Code::Block(code), at: AT });
        declarations.push(Handler {
            name: Name::from("run"),
            record: THING,
            internal: false,
            params: (0..GIVEN).map(|n| Field { name: Name::from(format!("t{n}").as_str()), ty: reference.clone() }).collect(),
            result: Some(Type::Unknown),
            body: BodyId(bodies.len() as u32 - 1),
            across: vec![],
            halfway: false,
        });
    }
    let record = Record {
        name: Name::from("Thing"),
        home: Home::Plain(SpaceId(0)),
        cells,
        derived: vec![],
        key: Some(SLUG),
        create: None,
        handlers: (0..handlers.len()).map(|n| HandlerId(n as u32)).collect(),
        sagas: vec![],
        invariants: vec![],
        mirrors: vec![],
    };
    Program {
        spaces: vec![Space { name: Name::from("home"), key: None }],
        records: vec![record],
        handlers: declarations,
        bodies,
        ..Program::default()
    }
}

fn given(n: usize) -> Expr {
    Expr::Slot(Slot(n as u32 + 1))
}

fn read(record: Expr, cell: CellIndex) -> Expr {
    Expr::Cell { record: Box::new(record), of: THING, cell, optional: false, at: AT }
}

fn log(value: Expr) -> Vec<Stmt> {
    let entry = Box::new(Expr::List(vec![value]));
    vec![Stmt::Let { slot: LOG, value: Expr::Binary { op: Binary::Add, left: Box::new(Expr::Slot(LOG)), right: entry, at: AT } }]
}

fn optional(value: Option<i64>) -> Expr {
    value.map_or(Expr::None, Expr::Int)
}

fn query(cell: CellIndex, op: Binary, value: i64, indexed: bool) -> Expr {
    let cond = Expr::Binary { op, left: Box::new(read(Expr::Slot(PARAM), cell)), right: Box::new(Expr::Int(value)), at: AT };
    let index = indexed.then_some((cell, Expr::Int(value)));
    Expr::Where(Box::new(Where { record: THING, space: SpaceExpr::Here, param: PARAM, cond, cells: vec![cell], index }))
}

fn stmts(step: &Step) -> Vec<Stmt> {
    let set = |r: usize, cell, value| vec![Stmt::SetCell { record: given(r), of: THING, cell, value, at: AT }];
    let change = |r: usize, cell, op, value| vec![Stmt::ChangeCell { record: given(r), of: THING, cell, op, value, at: AT }];
    match step {
        Step::Add(r, by) => change(*r, N, Change::AddInt, Expr::Int(*by)),
        Step::Sub(r, by) => change(*r, N, Change::SubInt, Expr::Int(*by)),
        Step::SetN(r, n) => set(*r, N, Expr::Int(*n)),
        Step::ReadN(r) => log(read(given(*r), N)),
        Step::RequireN(r, n) => {
            let cond = Expr::Binary { op: Binary::Ge, left: Box::new(read(given(*r), N)), right: Box::new(Expr::Int(*n)), at: AT };
            vec![Stmt::Require { cond, message: None, at: AT }]
        }
        Step::Append(r, x) => change(*r, ITEMS, Change::Append, Expr::Int(*x)),
        Step::RemoveFirst(r, x) => change(*r, ITEMS, Change::RemoveFirst, Expr::Int(*x)),
        Step::ReadItems(r) => log(read(given(*r), ITEMS)),
        Step::Insert(r, x) => change(*r, TAGS, Change::Insert, Expr::Int(*x)),
        Step::Remove(r, x) => change(*r, TAGS, Change::Remove, Expr::Int(*x)),
        Step::HasTag(r, x) => log(Expr::In { element: Box::new(Expr::Int(*x)), collection: Box::new(read(given(*r), TAGS)) }),
        Step::ReadTags(r) => log(read(given(*r), TAGS)),
        Step::SetEntry(r, k, x) => {
            vec![Stmt::SetEntry { record: given(*r), of: THING, cell: MAP, key: Expr::Int(*k), value: Expr::Int(*x), at: AT }]
        }
        Step::ChangeEntry(r, k, x) => vec![Stmt::ChangeEntry {
            record: given(*r),
            of: THING,
            cell: MAP,
            key: Expr::Int(*k),
            op: Change::AddInt,
            value: Expr::Int(*x),
            at: AT,
        }],
        Step::RemoveEntry(r, k) => vec![Stmt::RemoveEntry { record: given(*r), of: THING, cell: MAP, key: Expr::Int(*k), at: AT }],
        Step::ReadEntry(r, k) => log(Expr::MapIndex { base: Box::new(read(given(*r), MAP)), key: Box::new(Expr::Int(*k)) }),
        Step::ReadMap(r) => log(read(given(*r), MAP)),
        Step::SetSlug(r, slug) => set(*r, SLUG, optional(*slug)),
        Step::AddSlug(r, by) => change(*r, SLUG, Change::AddInt, Expr::Int(*by)),
        Step::Find(slug) => log(Expr::Lookup { record: THING, space: SpaceExpr::Here, key: Box::new(Expr::Int(*slug)) }),
        Step::SetStatus(r, status) => set(*r, STATUS, Expr::Int(*status)),
        Step::AddStatus(r, by) => change(*r, STATUS, Change::AddInt, Expr::Int(*by)),
        Step::WithStatus(status) => log(query(STATUS, Binary::Eq, *status, true)),
        Step::WithMore(n) => log(query(N, Binary::Gt, *n, false)),
        Step::Befriend(r, q) => change(*r, FRIENDS, Change::Insert, given(*q)),
        Step::Unfriend(r, q) => change(*r, FRIENDS, Change::Remove, given(*q)),
        Step::SetFriend(r, q) => set(*r, FRIENDS, Expr::Set(vec![given(*q)])),
        Step::ReadFriends(r) => log(read(given(*r), FRIENDS)),
        Step::SetOwner(r, owner) => set(*r, OWNER, owner.map_or(Expr::None, given)),
        Step::Own(r, q) => change(*r, OWNED, Change::Insert, given(*q)),
        Step::Disown(r, q) => change(*r, OWNED, Change::Remove, given(*q)),
        Step::ReadOwner(r) => log(read(given(*r), OWNER)),
        Step::ReadOwned(r) => log(read(given(*r), OWNED)),
        Step::Create(slug) => {
            let cells = vec![(SLUG, optional(*slug))];
            log(Expr::Create(Box::new(Create { record: THING, space: SpaceExpr::Here, cells, at: AT })))
        }
        Step::Delete(r) => vec![Stmt::DeleteRecord { record: given(*r), at: AT }],
        Step::All => log(Expr::All { record: THING, space: SpaceExpr::Here }),
        Step::Exists(r) => log(Expr::Exists(Box::new(given(*r)))),
        Step::Fail => vec![Stmt::Fail { message: Expr::Text("on purpose".into()), at: AT }],
        Step::Try(steps) => vec![Stmt::Try {
            body: steps.iter().flat_map(stmts).collect(),
            error: ERROR,
            catch: log(Expr::Field { base: Box::new(Expr::Slot(ERROR)), index: 0, optional: false }),
        }],
    }
}

/// The arguments of a handler.
pub fn arguments(given: &[RecordRef; GIVEN]) -> Vec<Value> {
    given.iter().cloned().map(Value::Ref).collect()
}

/// A shared program.
pub fn shared(handlers: &[Vec<Step>]) -> Arc<Program> {
    Arc::new(program(handlers))
}
