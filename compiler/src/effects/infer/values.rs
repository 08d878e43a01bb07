//! What is known of values without running the body.

use std::sync::Arc;

use patternc_grammar::syntax::{BinaryOp, UnaryOp};

use crate::effects::{Given, Target, Value};
use crate::hir::{Expr, ExprKind};
use crate::types::CellId;
use crate::visit;

/// Cells that a path may go through before it is given up.
const LONGEST_PATH: usize = 4;

/// The record that an expression gives.
pub(super) fn target(known: &[Option<Target>], record: &Expr) -> Target {
    match &record.kind {
        ExprKind::SelfRef => Target::SelfRecord,
        ExprKind::Local(local) => match known.get(local.0 as usize) {
            Some(Some(target)) => target.clone(),
            _ => Target::Local(*local),
        },
        ExprKind::Cell { base, cell, .. } => extended(&target(known, base), *cell).unwrap_or(Target::Unknown),
        ExprKind::Lookup { record, key } => value_of(known, key).map_or(Target::Unknown, |key| Target::Key(*record, key)),
        ExprKind::Create(_) => Target::Fresh,
        ExprKind::Binary { op: BinaryOp::Coalesce, .. } => Target::Unknown,
        ExprKind::Block { value, .. } => target(known, value),
        _ => Target::Unknown,
    }
}

/// The target that the cell of another holds.
pub(super) fn extended(base: &Target, cell: CellId) -> Option<Target> {
    let mut length = 0;
    let mut root = base;
    while let Target::Path(path) = root {
        root = &path.0;
        length += 1;
    }
    let known = !matches!(root, Target::Unknown | Target::Fresh) && length < LONGEST_PATH;
    known.then(|| Target::Path(Arc::new((base.clone(), cell))))
}

pub(super) fn value_of(known: &[Option<Target>], value: &Expr) -> Option<Value> {
    match &value.kind {
        ExprKind::SelfRef => Some(Value::SelfRecord),
        ExprKind::Local(local) => Some(match known.get(local.0 as usize) {
            Some(Some(Target::SelfRecord)) => Value::SelfRecord,
            Some(Some(Target::Local(alias))) => Value::Local(*alias),
            Some(Some(Target::Path(path))) => Value::Cell(Arc::clone(path)),
            _ => Value::Local(*local),
        }),
        ExprKind::Text(text) => Some(Value::Literal(format!("{text:?}").into())),
        ExprKind::Int(number) => Some(Value::Literal(number.to_string().into())),
        ExprKind::Bool(truth) => Some(Value::Literal(truth.to_string().into())),
        ExprKind::Cell { base, cell, .. } => match target(known, base) {
            Target::Unknown | Target::Fresh => None,
            base => Some(Value::Cell(Arc::new((base, *cell)))),
        },
        _ => None,
    }
}

/// What is known of a value that is added (`less`: taken away) or set; `None` if it is a constant that is computed.
pub(super) fn given(known: &[Option<Target>], value: &Expr, less: bool) -> Option<Given> {
    if let ExprKind::Unary { op: UnaryOp::Neg, operand } = &value.kind {
        return given(known, operand, !less);
    }
    let value_known = value_of(known, value);
    let mut varies = value_known.is_some();
    visit::expr(value, &mut |part| {
        varies |=
            matches!(part.kind, ExprKind::Local(_) | ExprKind::SelfRef | ExprKind::Cell { .. } | ExprKind::All { .. } | ExprKind::Now);
    });
    varies.then_some(Given { value: value_known, less })
}
