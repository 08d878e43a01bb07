//! What bodies are made of: statements and expressions over slots.

use crate::{
    ArmId, BodyId, CellIndex, DerivedIndex, EnumId, ExternId, Field, HandlerId, Method, Name, RecordId, SagaId, Slot, Source, SpaceId,
    StructId, Type,
};

/// Something that can be run: a frame of slots and code over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// "Person.link", "Person.degree", "label": for messages and step budgets.
    pub name: Box<str>,
    /// How many slots are filled by the caller (`self` included).
    pub params: u32,
    /// Size of the frame.
    pub slots: u32,
    pub code: Code,
    pub at: Source,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Code {
    /// Ends at the end or at a `Return`.
    Block(Vec<Stmt>),
    Expr(Expr),
}

/// The body of an `ok` or `err` arm: it outlives the transaction that sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// For those who look: "Agent.start/send 1/ok".
    pub name: Box<str>,
    /// What it is found by in another version of the program: where it stands, and what is sent. "Agent.start/Auth.refresh/ok".
    pub known_as: Box<str>,
    /// Whether no other arm is known as the same.
    pub alone: bool,
    /// Tells those apart that are known as the same: equal for equal text, whatever its layout and comments.
    pub fingerprint: u64,
    /// `self` in slot 0, then the captures, then what it binds.
    pub body: BodyId,
    /// By the names they have where it was sent.
    pub captures: Vec<Field>,
    /// The type of the value that is bound after the captures, if one is.
    pub binds: Option<Type>,
    /// What the answer of the event must be when the send is `return send`.
    pub result: Option<Type>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    Let {
        slot: Slot,
        value: Expr,
    },
    /// Runs `otherwise` (which ends the body) when the value is `none`.
    LetElse {
        slot: Slot,
        value: Expr,
        otherwise: Box<Stmt>,
    },
    /// A direct call: the callee runs in this transaction.
    Call {
        result: Option<Slot>,
        target: Expr,
        handler: HandlerId,
        args: Vec<Expr>,
        at: Source,
    },
    /// Replaces a cell.
    SetCell {
        record: Expr,
        of: RecordId,
        cell: CellIndex,
        value: Expr,
        at: Source,
    },
    /// `+=` / `-=` on a cell.
    ChangeCell {
        record: Expr,
        of: RecordId,
        cell: CellIndex,
        op: Change,
        value: Expr,
        at: Source,
    },
    /// `self.m[k] = v`.
    SetEntry {
        record: Expr,
        of: RecordId,
        cell: CellIndex,
        key: Expr,
        value: Expr,
        at: Source,
    },
    /// `self.m[k] += v`: a read and a write; fails `missing` without an entry.
    ChangeEntry {
        record: Expr,
        of: RecordId,
        cell: CellIndex,
        key: Expr,
        op: Change,
        value: Expr,
        at: Source,
    },
    /// `delete self.m[k]`.
    RemoveEntry {
        record: Expr,
        of: RecordId,
        cell: CellIndex,
        key: Expr,
        at: Source,
    },
    DeleteRecord {
        record: Expr,
        at: Source,
    },
    Require {
        cond: Expr,
        message: Option<Expr>,
        at: Source,
    },
    Fail {
        message: Expr,
        at: Source,
    },
    If {
        cond: Expr,
        then: Vec<Stmt>,
        otherwise: Vec<Stmt>,
    },
    /// Runs `then` with the value in the slot when it is not `none`.
    IfLet {
        slot: Slot,
        value: Expr,
        then: Vec<Stmt>,
        otherwise: Vec<Stmt>,
    },
    /// Over a List or Set (`item`), or a Map (`key`, `item`), as it was at the start.
    For {
        key: Option<Slot>,
        item: Slot,
        iter: Expr,
        body: Vec<Stmt>,
    },
    Match {
        subject: Expr,
        arms: Vec<(Pattern, Vec<Stmt>)>,
    },
    Return(Option<Expr>),
    Send(Box<Send>),
    /// A savepoint: `catch` runs with the failure in the slot.
    Try {
        body: Vec<Stmt>,
        error: Slot,
        catch: Vec<Stmt>,
    },
    /// For its effect, or as the value of a snippet.
    Eval(Expr),
}

/// What `+=` and `-=` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Int; commutes.
    AddInt,
    /// Int; commutes.
    SubInt,
    /// A read and a write. Also Duration and Time.
    AddValue,
    /// A read and a write.
    SubValue,
    /// Text: a read and a write.
    Concat,
    /// List; commutes.
    Append,
    /// List: the first equal one, nothing if there is none.
    RemoveFirst,
    /// Set; commutes.
    Insert,
    /// Set; commutes.
    Remove,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Wildcard,
    Bind(Slot),
    Variant {
        of: EnumId,
        variant: u32,
        fields: Vec<Pattern>,
    },
    /// Equal to the value.
    Literal(Expr),
}

/// An event stored with the transaction and delivered after it commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// The outcome of the running event is the outcome of this send (or of its arm).
    pub answer: bool,
    pub event: SendEvent,
    pub after: Option<Expr>,
    pub ok: Option<SendArm>,
    pub err: Option<SendArm>,
    pub at: Source,
}

/// An arm and the slots it takes along, in the order of its captures.
#[derive(Clone, Debug, PartialEq)]
pub struct SendArm {
    pub arm: ArmId,
    pub captures: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SendEvent {
    Handler { target: Expr, handler: HandlerId, args: Vec<Expr> },
    Saga { target: Expr, saga: SagaId, args: Vec<Expr> },
    Extern { of: ExternId, operation: u32, args: Vec<Expr> },
    Create(Create),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    pub record: RecordId,
    pub space: SpaceExpr,
    /// Cells given, in the order written; the others take their defaults.
    pub cells: Vec<(CellIndex, Expr)>,
    pub at: Source,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SpaceExpr {
    /// The space of `self`.
    Here,
    Plain(SpaceId),
    Family(SpaceId, Box<Expr>),
    /// An expression that gives a space.
    Of(Box<Expr>),
}

/// A lambda: code over slots of the frame it stands in. It never outlives the method call it is given to.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    pub params: Vec<Slot>,
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Bool(bool),
    None,
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Milliseconds.
    Duration(i64),
    Slot(Slot),
    /// The parts as text, joined.
    Interpolate(Vec<TextPart>),
    /// A stored cell. `optional`: `none` when the base is `none` or deleted.
    Cell {
        record: Box<Expr>,
        of: RecordId,
        cell: CellIndex,
        optional: bool,
        at: Source,
    },
    Derived {
        record: Box<Expr>,
        of: RecordId,
        derived: DerivedIndex,
        optional: bool,
        at: Source,
    },
    /// A field of a struct, failure (0 `kind`, 1 `message`) or saga result. `optional`: `none` when the base is `none`.
    Field {
        base: Box<Expr>,
        index: u32,
        optional: bool,
    },
    List(Vec<Expr>),
    Set(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Struct {
        of: StructId,
        fields: Vec<Expr>,
    },
    /// All fields of `base`, some replaced.
    Update {
        of: StructId,
        base: Box<Expr>,
        fields: Vec<(u32, Expr)>,
    },
    Variant {
        of: EnumId,
        variant: u32,
        args: Vec<Expr>,
    },
    Create(Box<Create>),
    /// Fails `missing` out of range.
    ListIndex {
        base: Box<Expr>,
        index: Box<Expr>,
        at: Source,
    },
    /// `none` without an entry. When `base` is a cell, only that entry is read.
    MapIndex {
        base: Box<Expr>,
        key: Box<Expr>,
    },
    /// `R[key]`: by the key cell; `none` if there is none.
    Lookup {
        record: RecordId,
        space: SpaceExpr,
        key: Box<Expr>,
    },
    /// In the order of creation.
    All {
        record: RecordId,
        space: SpaceExpr,
    },
    Where(Box<Where>),
    Method {
        method: Method,
        base: Box<Expr>,
        args: Vec<Expr>,
        at: Source,
    },
    /// A method with a lambda: `map filter any all find sort_by fold` (`fold` has its start in `start`), and `sum min max` by.
    Apply {
        method: Method,
        base: Box<Expr>,
        start: Option<Box<Expr>>,
        lambda: Box<Lambda>,
        at: Source,
    },
    /// `base?.method(…)`: `none` when the base is; the base is bound to the slot.
    OptionalMethod {
        base: Box<Expr>,
        slot: Slot,
        then: Box<Expr>,
    },
    SpaceOf(Box<Expr>),
    Exists(Box<Expr>),
    /// Whether the record is in the space of `self`.
    SameSpace(Box<Expr>),
    CallFn {
        body: BodyId,
        args: Vec<Expr>,
    },
    Now,
    NewId,
    Caller,
    /// `[0, …, n - 1]`.
    Range(Box<Expr>),
    Not(Box<Expr>),
    /// Of Int, Float or Duration.
    Neg(Box<Expr>, Source),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Coalesce(Box<Expr>, Box<Expr>),
    Binary {
        op: Binary,
        left: Box<Expr>,
        right: Box<Expr>,
        at: Source,
    },
    /// `element in collection`. When the right side is a Set or Map cell, only that element is read.
    In {
        element: Box<Expr>,
        collection: Box<Expr>,
    },
    If {
        cond: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    IfLet {
        slot: Slot,
        value: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Match {
        subject: Box<Expr>,
        arms: Vec<(Pattern, Expr)>,
    },
    Block {
        lets: Vec<Stmt>,
        value: Box<Expr>,
    },
    /// Code that `check` refuses, lowered for forced runs: runs as if it were allowed and gives the result in the slot.
    Forced {
        stmt: Box<Stmt>,
        result: Slot,
    },
}

/// A part of a text with `{…}` in it.
#[derive(Clone, Debug, PartialEq)]
pub enum TextPart {
    Text(Box<str>),
    /// The type says how the value is written: it knows the names of variants and fields.
    Value(Expr, Type),
}

/// `R.where(x => cond)` with what conflict detection and the index need to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Where {
    pub record: RecordId,
    pub space: SpaceExpr,
    pub param: Slot,
    pub cond: Expr,
    /// Stored cells of `record` that the condition reads of its parameter.
    pub cells: Vec<CellIndex>,
    /// An indexed cell that the condition compares with a value that does not depend on the parameter, so that the index alone gives
    /// every record in question. Where evaluating the value fails, all records are gone through as without an index: the condition may
    /// never have come to it.
    pub index: Option<(CellIndex, Expr)>,
}

/// Operators that evaluate both sides. The operands have one type: Int, Float, Text, Duration, or Time with Duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Also: Text + Text, List + List, Time + Duration.
    Add,
    /// Also: Time - Time, Time - Duration.
    Sub,
    Mul,
    Div,
    Rem,
}

/// A statement of a test. Expressions are evaluated in a transaction that only reads; every call and create is an event of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum TestStmt {
    Let {
        slot: Slot,
        value: Expr,
    },
    LetElse {
        slot: Slot,
        value: Expr,
        otherwise: Box<TestStmt>,
    },
    /// An event; what it sent is delivered before the next statement.
    Event {
        result: Option<Slot>,
        event: TestEvent,
        at: Source,
    },
    If {
        cond: Expr,
        then: Vec<TestStmt>,
        otherwise: Vec<TestStmt>,
    },
    IfLet {
        slot: Slot,
        value: Expr,
        then: Vec<TestStmt>,
        otherwise: Vec<TestStmt>,
    },
    For {
        key: Option<Slot>,
        item: Slot,
        iter: Expr,
        body: Vec<TestStmt>,
    },
    Match {
        subject: Expr,
        arms: Vec<(Pattern, Vec<TestStmt>)>,
    },
    Expect {
        cond: Expr,
        at: Source,
    },
    ExpectFail {
        call: TestEvent,
        with: Option<Expr>,
        kind: Option<Box<str>>,
        at: Source,
    },
    /// Each statement a session of its own, or `times` copies of the whole.
    Concurrently {
        times: Option<Expr>,
        body: Vec<TestStmt>,
        at: Source,
    },
    Hold {
        body: Vec<TestStmt>,
        at: Source,
    },
    Crash,
    Advance(Expr),
    /// The next statement happens in this order: the names of its transactions, with spaces between.
    Order {
        order: Expr,
        at: Source,
    },
    /// `params` are filled with the arguments before `value` is evaluated.
    Given {
        of: ExternId,
        operation: u32,
        params: Vec<Slot>,
        answer: Answer,
    },
    As {
        caller: Expr,
        body: Vec<TestStmt>,
    },
    Reconcile {
        mirror: u32,
        scope: Option<Expr>,
        at: Source,
    },
    /// Ends the test as failed.
    Fail {
        message: Expr,
        at: Source,
    },
}

/// An event from outside in a test.
#[derive(Clone, Debug, PartialEq)]
pub enum TestEvent {
    Handler { target: Expr, handler: HandlerId, args: Vec<Expr> },
    Saga { target: Expr, saga: SagaId, args: Vec<Expr> },
    Create(Create),
}

/// A line typed at the REPL, or a query from outside, compiled against a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet {
    /// Size of the frame. The first `params` slots are filled with the values that earlier lines bound.
    pub slots: u32,
    pub params: u32,
    /// Run first, as those of a test: every call and create is an event of its own. Empty for a query.
    pub stmts: Vec<TestStmt>,
    /// Then the value of the line, evaluated in a transaction that only reads.
    pub value: Option<(Expr, Type)>,
    /// What the line binds for later ones: its outermost `let`s.
    pub bindings: Vec<(Name, Slot, Type)>,
    pub at: Source,
}

/// What the outside answers in a test.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(Expr),
    /// Without `times`, always.
    Fails {
        message: Expr,
        times: Option<Expr>,
    },
}
