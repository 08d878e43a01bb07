//! Types as written.

use super::{Ident, Span};

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
