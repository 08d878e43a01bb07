//! What is sure at a place because of the conditions on the way there: that a divisor is not zero, that a record is there.

use patternc_grammar::syntax::{BinaryOp, Span, UnaryOp};

use super::Walk;
use crate::effects::{FailureCause, Target};
use crate::hir::{Expr, ExprKind};
use crate::types::{CellId, LocalId};

/// What is divided by, where it can be told apart from others.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Divisor {
    /// A local: it never changes.
    Local(LocalId),
    /// A stored cell, until it may have been written.
    Cell(Target, CellId),
}

/// Something that is sure where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sure {
    NotZero(Divisor),
    /// The record is there.
    There(Target),
}

impl Walk<'_, '_> {
    /// A `/` or `%`: it rejects unless the divisor is known not to be zero.
    pub(super) fn division(&mut self, divisor: &Expr, span: Span) {
        let known = self.divisor(divisor).filter(|divisor| self.sure.contains(&Some(Sure::NotZero(divisor.clone()))));
        // A derived cell changes with whatever it is derived from.
        let known = known.is_some_and(|divisor| match divisor {
            Divisor::Local(_) => true,
            Divisor::Cell(_, cell) => {
                let sig = self.inference.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize));
                sig.is_some_and(|sig| !sig.derived)
            }
        });
        if !known && literal(divisor).is_none_or(|is_zero| is_zero) {
            self.failure(FailureCause::Division, span);
        }
    }

    fn divisor(&self, value: &Expr) -> Option<Divisor> {
        match &value.kind {
            ExprKind::Local(local) => Some(Divisor::Local(*local)),
            _ => self.cell_of(value).map(|(target, cell)| Divisor::Cell(target, cell)),
        }
    }

    /// Walks what is evaluated only where a condition is true, or false.
    pub(super) fn under(&mut self, cond: &Expr, is: bool, value: &Expr) {
        let before = self.sure.len();
        self.sure.extend(self.sure_if(cond, is));
        self.expr(value);
        self.sure.truncate(before);
    }

    /// What is sure if a condition is true, or false.
    pub(super) fn sure_if(&self, cond: &Expr, is: bool) -> Vec<Option<Sure>> {
        match &cond.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.sure_if(operand, !is),
            ExprKind::Binary { op: BinaryOp::And, left, right } if is => [self.sure_if(left, true), self.sure_if(right, true)].concat(),
            ExprKind::Binary { op: BinaryOp::Or, left, right } if !is => [self.sure_if(left, false), self.sure_if(right, false)].concat(),
            ExprKind::Binary { op, left, right } => {
                let differs = match op {
                    BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Gt => is,
                    BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => !is,
                    _ => false,
                };
                let zero = |value: &Expr| literal(value) == Some(true);
                match differs {
                    true if zero(right) => vec![self.divisor(left).map(Sure::NotZero)],
                    true if zero(left) => vec![self.divisor(right).map(Sure::NotZero)],
                    _ => Vec::new(),
                }
            }
            ExprKind::Exists(of) if is => match self.target(of) {
                Target::Unknown => Vec::new(),
                target => vec![Some(Sure::There(target))],
            },
            _ => Vec::new(),
        }
    }

    /// Forgets what is known of a cell that is written, and of cells of records that it may have led to.
    pub(super) fn forget(&mut self, written: CellId) {
        self.forget_where(|target, cell| cell == Some(written) || matches!(target, Target::Path(_)));
    }

    /// Forgets which records are there: one of them is deleted.
    pub(super) fn forget_records(&mut self) {
        for known in &mut self.sure {
            if matches!(known, Some(Sure::There(_))) {
                *known = None;
            }
        }
    }

    /// Forgets what is known of all cells: they may have been written, or be so when this is walked again.
    pub(super) fn forget_cells(&mut self) {
        self.forget_where(|target, cell| cell.is_some() || matches!(target, Target::Path(_)));
    }

    /// `gone`: of a cell of a target, or of a target itself.
    fn forget_where(&mut self, gone: impl Fn(&Target, Option<CellId>) -> bool) {
        for known in &mut self.sure {
            let is_gone = match known {
                Some(Sure::NotZero(Divisor::Cell(target, cell))) => gone(target, Some(*cell)),
                Some(Sure::There(target)) => gone(target, None),
                Some(Sure::NotZero(Divisor::Local(_))) | None => false,
            };
            if is_gone {
                *known = None;
            }
        }
    }
}

/// Whether a literal number is zero.
fn literal(value: &Expr) -> Option<bool> {
    match &value.kind {
        ExprKind::Int(number) => Some(*number == 0),
        ExprKind::Float(number) => Some(*number == 0.0),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => literal(operand),
        _ => None,
    }
}
