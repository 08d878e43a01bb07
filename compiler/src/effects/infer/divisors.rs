//! Division: which divisors can be zero.

use patternc_grammar::syntax::{BinaryOp, Span, UnaryOp};

use super::Walk;
use crate::effects::FailureCause;
use crate::hir::{Expr, ExprKind};
use crate::types::{LocalId, Ty};

impl Walk<'_, '_> {
    /// A `/` or `%` of Ints: it rejects unless the divisor is known not to be zero.
    pub(super) fn division(&mut self, divisor: &Expr, span: Span) {
        let is_other = match &divisor.kind {
            ExprKind::Local(local) => self.nonzero.contains(local),
            _ => literal(divisor).is_some_and(|is_zero| !is_zero),
        };
        if !is_other {
            self.failure(FailureCause::Division, span);
        }
    }

    /// Walks what is evaluated only where a condition is true, or false.
    pub(super) fn under(&mut self, cond: &Expr, is: bool, value: &Expr) {
        let before = self.nonzero.len();
        self.nonzero.extend(nonzero(cond, is));
        self.expr(value);
        self.nonzero.truncate(before);
    }
}

/// The locals that are not zero if a condition is true, or false. They never change.
pub(super) fn nonzero(cond: &Expr, is: bool) -> Vec<LocalId> {
    match &cond.kind {
        ExprKind::Unary { op: UnaryOp::Not, operand } => nonzero(operand, !is),
        ExprKind::Binary { op: BinaryOp::And, left, right } if is => [nonzero(left, true), nonzero(right, true)].concat(),
        ExprKind::Binary { op: BinaryOp::Or, left, right } if !is => [nonzero(left, false), nonzero(right, false)].concat(),
        ExprKind::Binary { op, left, right } => {
            let differs = match op {
                BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Gt => is,
                BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => !is,
                _ => false,
            };
            let zero = |value: &Expr| literal(value) == Some(true);
            match (&left.kind, &right.kind) {
                (ExprKind::Local(local), _) if differs && zero(right) => vec![*local],
                (_, ExprKind::Local(local)) if differs && zero(left) => vec![*local],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Whether a literal Int is zero.
fn literal(value: &Expr) -> Option<bool> {
    match &value.kind {
        ExprKind::Int(number) if value.ty == Ty::Int => Some(*number == 0),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => literal(operand),
        _ => None,
    }
}
