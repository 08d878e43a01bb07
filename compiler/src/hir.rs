//! Bodies with every name resolved, every expression typed and placed, every call told apart.
//!
//! Effects are inferred from this tree, rules look at it, and [`crate::lower`] turns it into a [`patternc_program::Program`].
//! Nothing after this stage looks at the syntax tree to find out what a body does.

use patternc_grammar::syntax::{AssignOp, BinaryOp, Name, Span, UnaryOp};

use patternc_program::Method;

use crate::types::{CellId, HandlerId, ItemId, LocalId, OperationId, Place, Ty};

/// Whose body it is. Positions are those of the syntax tree and the signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BodyOwner {
    Handler(HandlerId),
    /// The prelude and steps of a saga: [`BodyKind::Saga`].
    Saga(HandlerId),
    /// `create { … }`.
    Create(ItemId),
    /// The default of a stored cell.
    Default(CellId),
    Derived(CellId),
    Fn(ItemId),
    Invariant(ItemId),
    /// A clause of a mirror: the item and the position of the clause.
    Mirror(ItemId, u32),
    Test(ItemId),
    /// A line typed at the REPL, or a query from outside.
    Snippet,
}

/// One body. `self`, where there is one, is no local.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    pub owner: BodyOwner,
    /// The record `self` (or the bound record of `create`, `default`, `derived`) is of.
    pub self_record: Option<ItemId>,
    /// Parameters first, in order.
    pub locals: Vec<Local>,
    pub params: u32,
    pub kind: BodyKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BodyKind {
    /// Handlers, `create`, tests, snippets of statements.
    Block(Block),
    /// Functions, defaults, derived cells, invariants, `facts` and `scope` of mirrors, snippets that are one expression. `add`, `remove` and
    /// `actual` are a [`BodyKind::Block`] of one send without arms.
    Expr(Expr),
    Saga {
        prelude: Block,
        steps: Vec<Step>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    pub name: Name,
    pub ty: Ty,
    pub span: Span,
    pub kind: LocalKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    Param,
    Let,
    /// Bound by `for`, `if let`, a pattern.
    Bound,
    LambdaParam,
    /// Bound by `ok(x)`, `err(e)`, `catch e`.
    Outcome,
    /// The name of a saga step.
    Step,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    Let {
        local: LocalId,
        value: Expr,
    },
    /// `let x = e else fail …`: `otherwise` is a `Fail` or `Return`.
    LetElse {
        local: LocalId,
        value: Expr,
        otherwise: Box<Stmt>,
    },
    /// `let t = x.h()`.
    LetCall {
        local: LocalId,
        call: HandlerCall,
    },
    /// A direct handler call whose result is not kept.
    Call(HandlerCall),
    Write(Write),
    /// `delete r`.
    DeleteRecord(Expr),
    Require {
        cond: Expr,
        message: Option<Expr>,
    },
    Fail(Expr),
    If {
        cond: Expr,
        then: Block,
        otherwise: Option<Block>,
    },
    IfLet {
        local: LocalId,
        value: Expr,
        then: Block,
        otherwise: Option<Block>,
    },
    /// Over a List or Set (`item`), or a Map (`key` and `item`).
    For {
        key: Option<LocalId>,
        item: LocalId,
        iter: Expr,
        body: Block,
    },
    Match {
        subject: Expr,
        arms: Vec<StmtArm>,
    },
    Return(Option<Expr>),
    Send(Box<Send>),
    Try {
        body: Block,
        error: LocalId,
        catch: Block,
    },
    Expr(Expr),
    Test(TestStmt),
    /// Could not be understood; an error was reported.
    Error,
}

/// Statements that only tests have.
#[derive(Clone, Debug, PartialEq)]
pub enum TestStmt {
    Expect(Expr),
    ExpectFail {
        call: Box<Stmt>,
        with: Option<Expr>,
        kind: Option<Name>,
    },
    /// `times` copies of the whole block when given, else each statement is a session.
    Concurrently {
        times: Option<Expr>,
        body: Block,
    },
    Hold(Block),
    Crash,
    Advance(Expr),
    /// In which order what follows happens.
    Order(Expr),
    /// `params` are locals in `answer`.
    Given {
        operation: OperationId,
        params: Vec<LocalId>,
        answer: Answer,
    },
    As {
        caller: Expr,
        body: Block,
    },
    Reconcile {
        mirror: ItemId,
        scope: Option<Expr>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(Expr),
    Fails { message: Expr, times: Option<Expr> },
}

/// A direct call of a handler: part of the caller's transaction. In a test or at the REPL, an event from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerCall {
    pub target: Expr,
    pub handler: HandlerId,
    pub args: Vec<Expr>,
    pub result: Ty,
    pub span: Span,
}

/// A write of a cell or of an entry of a map cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The record written; `SelfRef` for `self.x`.
    pub record: Expr,
    pub cell: CellId,
    /// `self.m[k]`.
    pub key: Option<Expr>,
    pub op: WriteOp,
    /// The target as written.
    pub target_span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum WriteOp {
    Assign {
        op: AssignOp,
        value: Expr,
    },
    /// `delete self.m[k]`.
    Delete,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StmtArm {
    pub pattern: Pattern,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub kind: PatternKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    Wildcard,
    Bind(LocalId),
    Variant { of: ItemId, variant: u32, fields: Vec<Pattern> },
    Literal(Expr),
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// `return send …`.
    pub answer: bool,
    pub event: SendEvent,
    pub after: Option<Expr>,
    pub ok: Option<SendArm>,
    pub err: Option<SendArm>,
    /// What the `ok` arm gets; [`Ty::Unit`] where there is nothing.
    pub result: Ty,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SendEvent {
    /// A handler or a saga.
    Handler {
        target: Expr,
        handler: HandlerId,
        args: Vec<Expr>,
    },
    Extern {
        operation: OperationId,
        args: Vec<Expr>,
    },
    Create(Box<Create>),
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SendArm {
    pub param: Option<LocalId>,
    pub body: Block,
    pub span: Span,
}

/// A step of a saga.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub pivot: bool,
    pub name: Option<LocalId>,
    pub action: SendEvent,
    pub undo: Option<SendEvent>,
    pub span: Span,
    pub undo_span: Option<Span>,
}

/// `create R in s { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    pub record: ItemId,
    /// Where, as a place: what the effect table needs.
    pub place: Place,
    /// Where, at run time; `None` is here (or the plain space of the record).
    pub space: Option<SpaceExpr>,
    /// Cells given, by position in [`crate::signature::RecordSig::cells`], in the order written.
    pub cells: Vec<(u32, Expr)>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SpaceExpr {
    Plain(ItemId),
    Family(ItemId, Box<Expr>),
    /// An expression of type [`Ty::Space`].
    Of(Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Ty,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Bool(bool),
    None,
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Milliseconds.
    Duration(i64),
    Interpolation(Vec<TextPart>),
    SelfRef,
    Local(LocalId),
    /// A cell read through a record, stored or derived. `optional` is `?.` (or a base of optional type through `?.`): `none` for
    /// a missing base or deleted record.
    Cell {
        base: Box<Expr>,
        cell: CellId,
        optional: bool,
    },
    /// A field of a struct.
    Field {
        base: Box<Expr>,
        of: ItemId,
        index: u32,
        optional: bool,
    },
    /// `e.kind`, `e.message` of a failure; `index` 0 is `kind`, 1 is `message`.
    FailureField {
        base: Box<Expr>,
        index: u32,
    },
    /// A step's result in the `ok` arm of a saga.
    SagaField {
        base: Box<Expr>,
        index: u32,
    },
    List(Vec<Expr>),
    Set(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// Every field, in the order of the declaration; `None` is taken from `spread`.
    Struct {
        of: ItemId,
        spread: Option<Box<Expr>>,
        fields: Vec<Option<Expr>>,
    },
    Variant {
        of: ItemId,
        variant: u32,
        args: Vec<Expr>,
    },
    Create(Box<Create>),
    /// `xs[i]` of a List: fails `missing` out of range.
    ListIndex {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// `m[k]` of a Map: optional.
    MapIndex {
        base: Box<Expr>,
        key: Box<Expr>,
    },
    /// `R[key]`: optional. `space` is where it is looked for; `None` is the plain space of the record, or here.
    Lookup {
        record: ItemId,
        key: Box<Expr>,
    },
    /// `R.all`.
    All {
        record: ItemId,
    },
    /// `R.where(x => …)`.
    Where {
        record: ItemId,
        param: LocalId,
        cond: Box<Expr>,
    },
    /// A call of a built-in method on a value.
    Method {
        method: Method,
        base: Box<Expr>,
        args: Vec<Arg>,
        optional: bool,
    },
    /// `x.space`.
    SpaceOf(Box<Expr>),
    /// `x.exists()`.
    Exists(Box<Expr>),
    /// `same_space(x)`.
    SameSpace(Box<Expr>),
    CallFn {
        of: ItemId,
        args: Vec<Expr>,
    },
    Now,
    NewId,
    Caller,
    Range(Box<Expr>),
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    /// `And`, `Or` and `Coalesce` evaluate the right side only when needed. `In` over List, Set, Map keys and Text.
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    If {
        cond: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    IfLet {
        local: LocalId,
        value: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Match {
        subject: Box<Expr>,
        arms: Vec<(Pattern, Expr)>,
    },
    /// `{ let a = … expr }`: the statements are `Let`s.
    Block {
        lets: Vec<Stmt>,
        value: Box<Expr>,
    },
    /// In forced runs only: calling the outside, or a handler, where it is not allowed. Always comes with an error.
    ForbiddenCall(Box<StmtKind>),
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TextPart {
    Text(Box<str>),
    Expr(Expr),
}

/// An argument of a built-in method.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Value(Expr),
    Lambda(Lambda),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    pub params: Vec<LocalId>,
    pub body: Expr,
    pub span: Span,
}
