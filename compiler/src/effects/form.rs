//! How a text begins and ends, as far as that is known without running the body: keys that are put together of parts are mostly told apart by it.

use super::Value;
use crate::hir::{Expr, ExprKind, TextPart};
use crate::types::Ty;

/// What is known of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form {
    first: Edge,
    last: Edge,
}

/// The first or last character of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Edge {
    #[default]
    Any,
    /// There is none: the text is empty.
    None,
    Is(char),
    /// That of a number.
    Number,
}

impl Form {
    /// Of a text that is put together of parts.
    pub fn of_parts(parts: &[TextPart]) -> Self {
        let edge = |text: Option<char>| text.map(Edge::Is);
        let of = |part: &TextPart, last: bool| match part {
            TextPart::Text(text) => edge(if last { text.chars().next_back() } else { text.chars().next() }),
            TextPart::Expr(Expr { ty: Ty::Int, .. }) => Some(Edge::Number),
            TextPart::Expr(_) => Some(Edge::Any),
        };
        Form {
            first: parts.iter().find_map(|part| of(part, false)).unwrap_or(Edge::None),
            last: parts.iter().rev().find_map(|part| of(part, true)).unwrap_or(Edge::None),
        }
    }

    /// Of a value that is put together of parts; `None` if it is not.
    pub fn of(value: &Expr) -> Option<Self> {
        match &value.kind {
            ExprKind::Interpolation(parts) => Some(Form::of_parts(parts)),
            _ => None,
        }
    }

    /// Of a value that has a name: all of it, if that is a literal.
    pub fn of_value(value: &Value) -> Self {
        let Value::Literal(literal) = value else { return Form::default() };
        let text = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
        let edge = |end: Option<char>| end.map_or(Edge::None, Edge::Is);
        text.map_or_else(Form::default, |text| Form { first: edge(text.chars().next()), last: edge(text.chars().next_back()) })
    }

    /// Whether one text can be like both.
    pub fn may_be(self, other: Form) -> bool {
        self.first.may_be(other.first) && self.last.may_be(other.last)
    }
}

impl Edge {
    fn may_be(self, other: Edge) -> bool {
        match (self, other) {
            (Edge::Any, _) | (_, Edge::Any) => true,
            (Edge::Number, Edge::Is(end)) | (Edge::Is(end), Edge::Number) => end == '-' || end.is_ascii_digit(),
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Form {
        Form::of_value(&Value::Literal(format!("{text:?}").into()))
    }

    #[test]
    fn texts_that_begin_or_end_otherwise_are_different() {
        let number = Form { first: Edge::Number, last: Edge::Number };
        assert!(!number.may_be(literal("t")) && !literal("t").may_be(number));
        assert!(number.may_be(literal("-5")) && number.may_be(number) && !number.may_be(literal("")));
        let bill = Form::of_parts(&[TextPart::Text("bill-".into()), TextPart::Text("".into())]);
        assert!(!bill.may_be(literal("order-")) && bill.may_be(literal("big-")) && !bill.may_be(literal("bill")));
        assert_eq!(Form::of_parts(&[TextPart::Text("".into())]), literal(""));
        assert!(literal("\"").may_be(bill) && Form::default().may_be(number));
    }
}
