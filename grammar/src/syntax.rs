//! The syntax tree: what was written, with a span on everything, and no idea what it means.

use ustr::Ustr;

/// An interned identifier. Copy, compared by pointer.
pub type Name = Ustr;

/// A range of bytes in one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A name where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    pub name: Name,
    pub span: Span,
}

/// One pattern file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    pub items: Vec<Item>,
}

/// A declaration at the top of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The `///` lines before it, without the slashes, joined by newlines.
    pub docs: Option<Box<str>>,
    pub allows: Vec<Allow>,
    pub kind: ItemKind,
    /// From the first word of the declaration (after docs and allows) to its end.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    Use(Use),
    Space(SpaceDecl),
    Struct(StructDecl),
    Enum(EnumDecl),
    Record(RecordDecl),
    Fn(FnDecl),
    Extern(ExternDecl),
    Mirror(MirrorDecl),
    Invariant(InvariantDecl),
    Test(TestDecl),
}

/// `@allow(rule-name, "why")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Allow {
    pub rule: Ident,
    /// The reason; `None` when it was left out (a finding of its own).
    pub reason: Option<Str>,
    pub span: Span,
}

/// A plain string literal (no interpolation allowed here).
#[derive(Clone, Debug, PartialEq)]
pub struct Str {
    pub value: Box<str>,
    pub span: Span,
}

/// `use "members.pattern" { Person, label }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    pub path: Str,
    pub names: Vec<Ident>,
}

/// `space home` or `space user[Text]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceDecl {
    pub name: Ident,
    /// The key type of a family.
    pub key: Option<TypeExpr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StructDecl {
    pub name: Ident,
    pub fields: Vec<Param>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EnumDecl {
    pub name: Ident,
    pub variants: Vec<Variant>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub docs: Option<Box<str>>,
    pub name: Ident,
    pub fields: Vec<Param>,
    pub span: Span,
}

/// `name: Type`: a parameter, a struct field, a field of an enum variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: Ident,
    pub ty: TypeExpr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordDecl {
    pub name: Ident,
    /// `in home`, `in user`.
    pub space: Option<Ident>,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub docs: Option<Box<str>>,
    pub allows: Vec<Allow>,
    pub kind: MemberKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MemberKind {
    Cell(CellDecl),
    Derived(DerivedDecl),
    /// `create { … }`: runs in the transaction that creates one.
    Create(Block),
    Handler(HandlerDecl),
    Saga(SagaDecl),
}

/// `cell name: Type = default key unique index inverse other`.
#[derive(Clone, Debug, PartialEq)]
pub struct CellDecl {
    pub name: Ident,
    pub ty: TypeExpr,
    pub default: Option<Expr>,
    /// Span of the word, where written.
    pub key: Option<Span>,
    pub unique: Option<Span>,
    pub index: Option<Span>,
    /// The cell at the other end.
    pub inverse: Option<Ident>,
}

/// `derived name: Type = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedDecl {
    pub name: Ident,
    pub ty: TypeExpr,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HandlerDecl {
    pub name: Ident,
    pub internal: bool,
    pub params: Vec<Param>,
    pub result: Option<TypeExpr>,
    /// `writes Person.members, Note`; `None` when the clause is absent.
    pub writes: Option<WritesClause>,
    pub across: Vec<Ident>,
    pub body: Block,
    /// From `handler` (or `internal`) to the end of the last part before the body: where a clause would be added.
    pub signature_span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WritesClause {
    pub entries: Vec<WritesEntry>,
    pub span: Span,
}

/// `Person.members` or `Note`.
#[derive(Clone, Debug, PartialEq)]
pub struct WritesEntry {
    pub record: Ident,
    pub cell: Option<Ident>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SagaDecl {
    pub name: Ident,
    pub params: Vec<Param>,
    /// `let`s and `require`s before the first step.
    pub prelude: Vec<Stmt>,
    pub steps: Vec<Step>,
    pub signature_span: Span,
}

/// `step lease = self.take(bounty) undo self.release(lease)`, `pivot paid = payments.charge(agent, 10)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub allows: Vec<Allow>,
    pub pivot: bool,
    pub name: Option<Ident>,
    pub action: Expr,
    pub undo: Option<Expr>,
    pub span: Span,
}

/// `fn label(p: Person) -> Text { … }`: the body's last expression is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct FnDecl {
    pub name: Ident,
    pub params: Vec<Param>,
    pub result: Option<TypeExpr>,
    /// An [`ExprKind::Block`].
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExternDecl {
    pub name: Ident,
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub docs: Option<Box<str>>,
    pub name: Ident,
    pub params: Vec<Param>,
    pub result: Option<TypeExpr>,
    pub repeat: Repeat,
    pub span: Span,
}

/// What repeating a call of an extern operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// `readonly`: changes nothing outside.
    Readonly,
    /// `idempotent`: safe to repeat with the same idempotency key.
    Idempotent,
    /// Unmarked: neither.
    Once,
}

/// `mirror ownership of SpaceRecord to authz { facts(r) = … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorDecl {
    pub name: Ident,
    pub record: Ident,
    pub target: Ident,
    pub clauses: Vec<MirrorClause>,
}

/// `facts(r) = [ … ]`, `remove(f) first = authz.remove(f)`.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorClause {
    /// `facts`, `add`, `remove`, `actual` or `scope`; other words are kept for a finding.
    pub name: Ident,
    pub params: Vec<Ident>,
    /// Where `first` stands: nobody is told before the other side has it.
    pub first: Option<Span>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct InvariantDecl {
    /// `eventually invariant`.
    pub eventually: bool,
    pub name: Ident,
    pub params: Vec<Param>,
    /// An [`ExprKind::Block`].
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestDecl {
    pub name: Str,
    pub body: Block,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `Text`, `Person`, `List<T>`, `R@any`, `R@home`.
    Named { name: Ident, args: Vec<TypeExpr>, place: Option<PlaceExpr> },
    /// `T?`.
    Optional(Box<TypeExpr>),
    /// Could not be parsed; a syntax error was reported.
    Error,
}

/// What stands after the `@` of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceExpr {
    Any(Span),
    Space(Ident),
}

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

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    True,
    False,
    None,
    Int(i64),
    Float(f64),
    /// Text without interpolation, escapes resolved.
    Text(Box<str>),
    /// `"… {expr} …"`.
    Interpolation(Vec<TextPart>),
    /// Nanoseconds are not needed: milliseconds.
    Duration(i64),
    SelfRef,
    /// A lower-case name: a local, a function, an extern, a mirror.
    Name(Ident),
    /// An upper-case name: `Bounty` in `Bounty[id]`, `Bounty.all`, `Status.open`.
    TypeName(Ident),
    List(Vec<Expr>),
    /// `Set[a, b]`.
    Set(Vec<Expr>),
    /// `Map[k: v]`.
    Map(Vec<(Expr, Expr)>),
    /// `Message { author: self }`, `Message { ...m, text: t }`.
    Struct {
        name: Ident,
        spread: Option<Box<Expr>>,
        fields: Vec<FieldInit>,
    },
    /// `Status.claimed(by: "ada", until: t)`: construction by name. (`Status.open` is a [`ExprKind::Field`] of a [`ExprKind::TypeName`].)
    Variant {
        of: Ident,
        variant: Ident,
        fields: Vec<FieldInit>,
    },
    /// `create Person in home { name: "Ada" }`.
    Create {
        record: Ident,
        space: Option<Box<SpaceExpr>>,
        fields: Vec<FieldInit>,
    },
    /// `base.name`, `base?.name`.
    Field {
        base: Box<Expr>,
        name: Ident,
        optional: bool,
    },
    /// `base[index]`.
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// `base.name(args)`, `base?.name(args)`.
    Method {
        base: Box<Expr>,
        name: Ident,
        args: Vec<Expr>,
        optional: bool,
    },
    /// `name(args)`: a function or a built-in.
    Call {
        name: Ident,
        args: Vec<Expr>,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
        op_span: Span,
    },
    /// `if c { a } else { b }` as an expression.
    If {
        cond: Box<Cond>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
    Match {
        subject: Box<Expr>,
        arms: Vec<ExprArm>,
    },
    /// `{ let a = … expr }`.
    Block {
        lets: Vec<Stmt>,
        value: Option<Box<Expr>>,
        /// Those before the value.
        allows: Vec<Allow>,
    },
    /// `x => e`, `(a, x) => e`.
    Lambda {
        params: Vec<Ident>,
        body: Box<Expr>,
    },
    /// A habit of another language that parsed but means nothing here (`await x`); the error was reported.
    Error,
}

/// `home`, `user["did:key:z6Mk…"]`, or an expression whose space is meant (`x.space`).
#[derive(Clone, Debug, PartialEq)]
pub enum SpaceExpr {
    Named { name: Ident, key: Option<Expr> },
    Of(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub enum TextPart {
    Text(Box<str>),
    Expr(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldInit {
    pub name: Ident,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExprArm {
    pub pattern: Pattern,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Not,
    Neg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    /// `??`
    Coalesce,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl Span {
    /// The range from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The bytes of `text` it covers.
    pub fn slice(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}
