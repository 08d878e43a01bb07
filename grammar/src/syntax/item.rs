//! Declarations, and the members of records.

use super::{Block, Expr, Ident, Span, Stmt, TypeExpr};

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
    /// An [`ExprKind::Block`](super::ExprKind::Block).
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
    /// An [`ExprKind::Block`](super::ExprKind::Block).
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestDecl {
    pub name: Str,
    pub body: Block,
}
