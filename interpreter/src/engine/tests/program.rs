//! A program of one record type whose instances can be in two spaces, with a handler for everything that an engine has to do.

use patternc_program::{
    Arm, ArmId, Body, BodyId, Cell, CellIndex, Change, Code, Expr, Extern, ExternId, Field, FileId, Handler, HandlerId, Home, Name,
    Operation, Place, Program, Record, RecordId, Repeat, Send, SendArm, SendEvent, Slot, Source, Space, SpaceId, Stmt, Type,
};

use crate::value::{RecordRef, SpaceRef};

pub const NODE: RecordId = RecordId(0);
pub const TOTAL: CellIndex = CellIndex(0);
pub const LOG: CellIndex = CellIndex(1);
pub const ACKS: CellIndex = CellIndex(2);
pub const REFUSED: CellIndex = CellIndex(3);
pub const LAST: CellIndex = CellIndex(4);
pub const PAY: ExternId = ExternId(0);

const AT: Source = Source { file: FileId(0), start: 0, end: 0 };

/// The space `a` (0) or `b` (1).
pub fn space(index: u32) -> SpaceRef {
    SpaceRef { space: SpaceId(index), key: None }
}

pub fn node(space_index: u32, id: &str) -> RecordRef {
    RecordRef::new(NODE, space(space_index), id)
}

struct Builder(Program);

fn slot(n: u32) -> Expr {
    Expr::Slot(Slot(n))
}

fn read(cell: CellIndex) -> Expr {
    Expr::Cell { record: Box::new(slot(0)), of: NODE, cell, optional: false, at: AT }
}

fn plus(left: Expr, right: Expr) -> Expr {
    Expr::Binary { op: patternc_program::Binary::Add, left: Box::new(left), right: Box::new(right), at: AT }
}

fn set(cell: CellIndex, value: Expr) -> Stmt {
    Stmt::SetCell { record: slot(0), of: NODE, cell, value, at: AT }
}

fn change(cell: CellIndex, op: Change, value: Expr) -> Stmt {
    Stmt::ChangeCell { record: slot(0), of: NODE, cell, op, value, at: AT }
}

fn count(cell: CellIndex) -> Stmt {
    change(cell, Change::AddInt, Expr::Int(1))
}

fn text(s: &str) -> Expr {
    Expr::Text(s.into())
}

impl Builder {
    fn body(&mut self, name: &str, params: u32, stmts: Vec<Stmt>) -> BodyId {
        self.0.bodies.push(Body { name: name.into(), params, slots: params + 4, code: Code::Block(stmts), at: AT });
        BodyId(self.0.bodies.len() as u32 - 1)
    }

    /// An arm that takes along `captures` Int slots and binds a value after them.
    fn arm(&mut self, captures: &[u32], stmts: Vec<Stmt>) -> SendArm {
        let body = self.body("arm", 1 + captures.len() as u32 + 1, stmts);
        let name = format!("arm {}", self.0.arms.len()).into();
        let captures_declared = captures.iter().map(|n| Field { name: format!("v{n}").as_str().into(), ty: Type::Unknown }).collect();
        let (known_as, fingerprint) = (Box::clone(&name), 0);
        self.0.arms.push(Arm {
            name,
            known_as,
            alone: true,
            fingerprint,
            body,
            captures: captures_declared,
            binds: Some(Type::Unknown),
            result: Some(Type::Int),
        });
        SendArm { arm: ArmId(self.0.arms.len() as u32 - 1), captures: captures.iter().map(|&n| Slot(n)).collect() }
    }

    fn handler(&mut self, name: &str, params: &[Type], result: Option<Type>, stmts: Vec<Stmt>) -> HandlerId {
        let body = self.body(name, 1 + params.len() as u32, stmts);
        let params = params.iter().enumerate().map(|(i, ty)| Field { name: Name::from(&format!("p{i}")), ty: ty.clone() });
        let params = params.collect();
        self.0.handlers.push(Handler {
            name: Name::from(name),
            record: NODE,
            internal: false,
            params,
            result,
            body,
            across: Vec::new(),
            halfway: false,
        });
        let id = HandlerId(self.0.handlers.len() as u32 - 1);
        self.0.records[0].handlers.push(id);
        id
    }
}

fn send(target: Expr, handler: HandlerId, args: Vec<Expr>) -> Send {
    Send { answer: false, event: SendEvent::Handler { target, handler, args }, after: None, ok: None, err: None, at: AT }
}

fn sends(send: Send) -> Stmt {
    Stmt::Send(Box::new(send))
}

fn call(operation: u32, args: Vec<Expr>) -> Send {
    Send { answer: false, event: SendEvent::Extern { of: PAY, operation, args }, after: None, ok: None, err: None, at: AT }
}

/// The handler of this name.
pub fn handler(program: &Program, name: &str) -> HandlerId {
    HandlerId(program.handlers.iter().position(|h| h.name == name).expect("the program has the handler") as u32)
}

/// The program.
pub fn program() -> Program {
    let cell = |name: &str, ty: Type| Cell { name: Name::from(name), ty, default: None, unique: false, index: false, inverse: None };
    let cells = vec![
        cell("total", Type::Int),
        cell("log", Type::List(Box::new(Type::Int))),
        cell("acks", Type::Int),
        cell("refused", Type::Int),
        cell("last", Type::Int),
    ];
    let record = Record {
        name: Name::from("Node"),
        home: Home::Floating,
        cells,
        derived: Vec::new(),
        key: None,
        create: None,
        handlers: Vec::new(),
        sagas: Vec::new(),
        invariants: Vec::new(),
        mirrors: Vec::new(),
    };
    let operation = |name: &str, repeat| {
        let params = vec![Field { name: Name::from("n"), ty: Type::Int }];
        Operation { name: Name::from(name), params, result: Some(Type::Int), repeat }
    };
    let operations = vec![operation("quote", Repeat::Readonly), operation("charge", Repeat::Idempotent), operation("take", Repeat::Once)];
    let plain = |name: &str| Space { name: Name::from(name), key: None };
    let mut b = Builder(Program {
        files: vec!["engine.pattern".into()],
        spaces: vec![plain("a"), plain("b")],
        records: vec![record],
        externs: vec![Extern { name: Name::from("pay"), operations }],
        ..Program::default()
    });
    for cell in [TOTAL, ACKS, REFUSED, LAST] {
        let default = b.body("zero", 1, vec![Stmt::Return(Some(Expr::Int(0)))]);
        b.0.records[0].cells[cell.index()].default = Some(default);
    }
    let default = b.body("empty", 1, vec![Stmt::Return(Some(Expr::List(Vec::new())))]);
    b.0.records[0].cells[LOG.index()].default = Some(default);

    let to = || Type::Record(NODE, Place::Any);
    let log = |n: Expr| change(LOG, Change::Append, n);

    // Commutes with itself.
    let add = b.handler("add", &[Type::Int], None, vec![change(TOTAL, Change::AddInt, slot(1)), log(slot(1))]);
    // Reads what it writes.
    let put = b.handler("put", &[Type::Int], None, vec![set(TOTAL, plus(read(TOTAL), slot(1))), log(slot(1))]);
    let refuse = b.handler("refuse", &[Type::Int], None, vec![log(slot(1)), Stmt::Fail { message: text("no"), at: AT }]);
    let get = b.handler("get", &[], Some(Type::Int), vec![Stmt::Return(Some(read(TOTAL)))]);

    let minus = || change(TOTAL, Change::SubInt, slot(2));
    b.handler("give", &[to(), Type::Int], None, vec![minus(), sends(send(slot(1), add, vec![slot(2)]))]);
    b.handler("give_put", &[to(), Type::Int], None, vec![minus(), sends(send(slot(1), put, vec![slot(2)]))]);
    let arms = |b: &mut Builder| {
        let ok = b.arm(&[2], vec![count(ACKS)]);
        let err = b.arm(&[2], vec![change(TOTAL, Change::AddInt, slot(1)), count(REFUSED)]);
        (Some(ok), Some(err))
    };
    let (ok, err) = arms(&mut b);
    b.handler("give_ack", &[to(), Type::Int], None, vec![minus(), sends(Send { ok, err, ..send(slot(1), put, vec![slot(2)]) })]);
    let (ok, err) = arms(&mut b);
    b.handler("give_refused", &[to(), Type::Int], None, vec![minus(), sends(Send { ok, err, ..send(slot(1), refuse, vec![slot(2)]) })]);
    b.handler("give_unheard", &[to(), Type::Int], None, vec![minus(), sends(send(slot(1), refuse, vec![slot(2)]))]);
    // Its ok arm fails while `refused` is 0.
    let require = Stmt::Require {
        cond: Expr::Binary { op: patternc_program::Binary::Gt, left: Box::new(read(REFUSED)), right: Box::new(Expr::Int(0)), at: AT },
        message: Some(text("not ready")),
        at: AT,
    };
    let ok = b.arm(&[], vec![require, count(ACKS)]);
    b.handler(
        "give_parked_arm",
        &[to(), Type::Int],
        None,
        vec![minus(), sends(Send { ok: Some(ok), ..send(slot(1), add, vec![slot(2)]) })],
    );
    b.handler("ready", &[], None, vec![count(REFUSED)]);

    // Deferred answers: ask3 -> ask2 -> ask1 -> get. Each adds one.
    let pass = |b: &mut Builder, target: Expr, handler, args| {
        let ok = b.arm(&[], vec![set(LAST, slot(1)), Stmt::Return(Some(plus(slot(1), Expr::Int(1))))]);
        sends(Send { answer: true, ok: Some(ok), ..send(target, handler, args) })
    };
    let stmt = pass(&mut b, slot(1), get, vec![]);
    let ask1 = b.handler("ask1", &[to()], Some(Type::Int), vec![stmt]);
    let stmt = pass(&mut b, slot(1), ask1, vec![slot(2)]);
    let ask2 = b.handler("ask2", &[to(), to()], Some(Type::Int), vec![stmt]);
    let stmt = pass(&mut b, slot(1), ask2, vec![slot(2), slot(3)]);
    b.handler("ask3", &[to(), to(), to()], Some(Type::Int), vec![stmt]);
    // No arms at all: the outcome is the send's own.
    b.handler("relay", &[to()], Some(Type::Int), vec![sends(Send { answer: true, ..send(slot(1), get, vec![]) })]);
    b.handler("relay_refused", &[to()], None, vec![sends(Send { answer: true, ..send(slot(1), refuse, vec![Expr::Int(1)]) })]);
    // An arm that sends on, and answers with that.
    let inner = b.arm(&[], vec![Stmt::Return(Some(plus(slot(1), Expr::Int(100))))]);
    let chained = sends(Send { answer: true, ok: Some(inner), ..send(slot(1), get, vec![]) });
    let outer = b.arm(&[2], vec![chained]);
    b.handler(
        "ask_twice",
        &[to(), to()],
        Some(Type::Int),
        vec![sends(Send { answer: true, ok: Some(outer), ..send(slot(1), get, vec![]) })],
    );

    let later = Send { after: Some(Expr::Duration(300_000)), ..send(slot(0), add, vec![slot(1)]) };
    b.handler("later", &[Type::Int], None, vec![sends(later)]);
    let later = Send { after: Some(slot(3)), ..send(slot(1), add, vec![slot(2)]) };
    b.handler("give_later", &[to(), Type::Int, Type::Duration], None, vec![minus(), sends(later)]);

    for (name, operation) in [("charge", 1), ("take", 2)] {
        let ok = b.arm(&[], vec![set(LAST, slot(1)), count(ACKS)]);
        let err = b.arm(&[], vec![count(REFUSED)]);
        b.handler(name, &[Type::Int], None, vec![sends(Send { ok: Some(ok), err: Some(err), ..call(operation, vec![slot(1)]) })]);
    }
    b.handler("take_unheard", &[Type::Int], None, vec![sends(call(2, vec![slot(1)]))]);
    b.handler("quote", &[Type::Int], Some(Type::Int), vec![sends(Send { answer: true, ..call(0, vec![slot(1)]) })]);
    b.0
}
