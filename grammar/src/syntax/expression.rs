//! Expressions.

use super::{Allow, Cond, Ident, Pattern, Span, Stmt};

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
