//! Statements, blocks, patterns, sends.

use super::{Allow, Expr, Ident, Span, TypeExpr};

/// `{ … }` of statements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    pub allows: Vec<Allow>,
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `let x: T = value else fail "…"`.
    Let {
        name: Ident,
        ty: Option<TypeExpr>,
        value: Expr,
        /// `else fail …` or `else return …`: a `Fail` or `Return` statement.
        otherwise: Option<Box<Stmt>>,
    },
    /// `let t = x.h()` is a `Let` whose value is a call; which calls are handlers is known later.
    Assign {
        target: Expr,
        op: AssignOp,
        value: Expr,
    },
    /// `delete self.m[k]` or `delete r`.
    Delete(Expr),
    /// `require cond else "why"`.
    Require {
        cond: Expr,
        message: Option<Expr>,
    },
    Fail(Expr),
    If(If),
    For {
        key: Option<Ident>,
        item: Ident,
        iter: Expr,
        body: Block,
    },
    Match {
        subject: Expr,
        arms: Vec<StmtArm>,
    },
    Return(Option<Expr>),
    /// `return send …` is a `Send` with `answer`.
    Send(Send),
    Try {
        body: Block,
        error: Ident,
        catch: Block,
    },
    /// A call that stands alone, or an expression without effect (a finding, or the value at the REPL and of a block).
    Expr(Expr),
    /// `expect e`.
    Expect(Expr),
    /// `expect fail call with "text"`, `expect fail call kind isolation`.
    ExpectFail {
        call: Box<Stmt>,
        with: Option<Expr>,
        kind: Option<Ident>,
    },
    /// `concurrently { … }`, `concurrently 50 { … }`.
    Concurrently {
        times: Option<Expr>,
        body: Block,
    },
    /// `hold { … }`.
    Hold(Block),
    /// `crash`.
    Crash,
    /// `advance 30m`.
    Advance(Expr),
    /// `order "1 2 2.1 1.1"`.
    Order(Expr),
    /// `given payments.charge(a, n) => …`, `given payments.charge fails "down" 2 times`.
    Given(Given),
    /// `as "did:plc:ann" { … }`.
    As {
        caller: Expr,
        body: Block,
    },
    /// `reconcile ownership("did:plc:abc")`.
    Reconcile {
        mirror: Ident,
        scope: Option<Expr>,
    },
    /// Could not be parsed; a syntax error was reported.
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssignOp {
    /// `=`
    Set,
    /// `+=`
    Add,
    /// `-=`
    Sub,
}

/// `if c { } else if let b = e { } else { }`.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    pub cond: Cond,
    pub then: Block,
    pub otherwise: Option<Else>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cond {
    Expr(Expr),
    /// `if let b = e`: runs when `e` is not `none`.
    Let {
        name: Ident,
        value: Expr,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Else {
    Block(Block),
    If(Box<If>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct StmtArm {
    pub pattern: Pattern,
    pub body: Block,
    pub span: Span,
}

/// `Status.claimed(by, until)`, a literal, `none`, `x` (binds), `_`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub kind: PatternKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    Wildcard,
    Bind(Ident),
    Variant {
        of: Ident,
        variant: Ident,
        fields: Vec<Pattern>,
    },
    /// A literal (number, text, `true`, `none`, …).
    Literal(Box<Expr>),
}

/// `send target then { ok(x) => { } err(e) => { } } after 5m`.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// `return send …`: the outcome of the event is the outcome of this send.
    pub answer: bool,
    /// A call (`self.auth.refresh()`) or a `create … in …`.
    pub event: Expr,
    pub after: Option<Expr>,
    pub ok: Option<SendArm>,
    pub err: Option<SendArm>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SendArm {
    /// `ok()` binds nothing.
    pub param: Option<Ident>,
    pub body: Block,
    pub span: Span,
}

/// What the outside answers in a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The extern.
    pub of: Ident,
    pub operation: Ident,
    pub params: Vec<Ident>,
    pub answer: Answer,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// `=> expr`: a value computed from the parameters.
    Value(Expr),
    /// `fails "down" 2 times`; without a count, always.
    Fails { message: Expr, times: Option<Expr> },
}
