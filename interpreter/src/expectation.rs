//! Why an expectation does not hold: the values of both sides.

use patternc_program::{Binary, Expr, Program, Type};

use crate::json;
use crate::value::Value;

/// Which part of a condition does not hold, with the values of both sides. `value` evaluates a part; `None` where it has no value.
pub(crate) fn explain(program: &Program, cond: &Expr, value: &mut dyn FnMut(&Expr) -> Option<Value>) -> Vec<String> {
    match cond {
        Expr::And(left, right) => {
            let part = if value(left) == Some(Value::Bool(true)) { right } else { left };
            explain(program, part, value)
        }
        Expr::Or(left, right) => {
            let mut notes = explain(program, left, value);
            notes.extend(explain(program, right, value));
            notes
        }
        Expr::Binary { op: Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge, left, right, .. } => {
            sides(program, ("left", left), ("right", right), value)
        }
        Expr::In { element, collection } => sides(program, ("element", element), ("collection", collection), value),
        Expr::Not(inner) => explain(program, inner, value),
        _ => Vec::new(),
    }
}

fn sides(program: &Program, left: (&str, &Expr), right: (&str, &Expr), value: &mut dyn FnMut(&Expr) -> Option<Value>) -> Vec<String> {
    let known = [left.1, right.1].into_iter().find_map(|expr| type_of(program, expr)).unwrap_or(Type::Unknown);
    let note = |(name, expr): (&str, &Expr)| {
        let ty = type_of(program, expr).unwrap_or_else(|| known.clone());
        Some(format!("{name}: {}", json::to_text(program, &value(expr)?, &ty)))
    };
    [left, right].into_iter().filter_map(note).collect()
}

/// The type of an expression's value, where the program says it.
fn type_of(program: &Program, expr: &Expr) -> Option<Type> {
    match expr {
        Expr::Cell { of, cell, .. } => Some(program.record(*of).cells[cell.index()].ty.clone()),
        Expr::Derived { of, derived, .. } => Some(program.record(*of).derived[derived.index()].ty.clone()),
        Expr::Struct { of, .. } | Expr::Update { of, .. } => Some(Type::Struct(*of, patternc_program::Place::Any)),
        Expr::Variant { of, .. } => Some(Type::Enum(*of, patternc_program::Place::Any)),
        Expr::ListIndex { base, .. } => match type_of(program, base)? {
            Type::List(of) => Some(*of),
            _ => None,
        },
        Expr::MapIndex { base, .. } => match type_of(program, base)? {
            Type::Map(_, of) => Some(Type::Optional(of)),
            _ => None,
        },
        Expr::List(items) => items.iter().find_map(|item| type_of(program, item)).map(|of| Type::List(Box::new(of))),
        Expr::Set(items) => items.iter().find_map(|item| type_of(program, item)).map(|of| Type::Set(Box::new(of))),
        _ => None,
    }
}
