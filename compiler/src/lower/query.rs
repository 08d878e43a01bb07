//! `R.where(x => …)`: what conflict detection and the index need to know of the condition.

use patternc_grammar::syntax::BinaryOp;
use patternc_program::{CellIndex, Expr, Where};
use rustc_hash::FxHashSet;

use super::frame::FrameLowering;
use super::linker::{CellRef, Linker};
use crate::hir::{self, BodyKind, BodyOwner, ExprKind};
use crate::signature::RecordSig;
use crate::types::{CellId, ItemId, LocalId};
use crate::{bodies, visit};

impl FrameLowering<'_, '_> {
    pub(super) fn query(&mut self, record: ItemId, param: LocalId, cond: &hir::Expr) -> Expr {
        let space = self.queried_space(record);
        let slot = self.bind(param);
        self.branches += 1;
        let lowered = self.expr(cond);
        let index = self.index_hint(record, param, cond);
        self.branches -= 1;
        let cells = cells_read(self.linker, record, Subject::Local(param), cond);
        Expr::Where(Box::new(Where { record: self.linker.record(record), space, param: slot, cond: lowered, cells, index }))
    }

    /// `param.cell == value` as the condition or one of the parts joined by `&&`, where the cell is indexed and the value can be had
    /// before any record is looked at.
    fn index_hint(&mut self, record: ItemId, param: LocalId, cond: &hir::Expr) -> Option<(CellIndex, Expr)> {
        let ExprKind::Binary { op, left, right } = &cond.kind else { return None };
        match op {
            BinaryOp::And => self.index_hint(record, param, left).or_else(|| self.index_hint(record, param, right)),
            BinaryOp::Eq => [(left, right), (right, left)].into_iter().find_map(|(cell, value)| {
                let cell = self.indexed_cell(record, param, cell)?;
                is_steady(value, param).then(|| (cell, self.expr(value)))
            }),
            _ => None,
        }
    }

    fn indexed_cell(&self, record: ItemId, param: LocalId, expr: &hir::Expr) -> Option<CellIndex> {
        let ExprKind::Cell { base, cell, optional: false } = &expr.kind else { return None };
        if !matches!(base.kind, ExprKind::Local(local) if local == param) || cell.record != record {
            return None;
        }
        let signature = &self.linker.record_sig(record).cells[cell.index as usize];
        match self.linker.cell(*cell) {
            CellRef::Stored(_, index) if signature.key || signature.unique || signature.index => Some(index),
            _ => None,
        }
    }
}

/// Whether the value is the same for every record of the query and costs nothing to have.
fn is_steady(value: &hir::Expr, param: LocalId) -> bool {
    match &value.kind {
        ExprKind::Bool(_)
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Text(_)
        | ExprKind::Duration(_)
        | ExprKind::None
        | ExprKind::SelfRef
        | ExprKind::Caller => true,
        ExprKind::Local(local) => *local != param,
        ExprKind::Cell { base, .. } | ExprKind::Field { base, .. } => is_steady(base, param),
        ExprKind::Variant { args, .. } => args.iter().all(|a| is_steady(a, param)),
        _ => false,
    }
}

/// The record whose cells are looked for in an expression.
#[derive(Clone, Copy)]
enum Subject {
    Local(LocalId),
    SelfRef,
}

impl Subject {
    fn is(self, expr: &hir::Expr) -> bool {
        match (self, &expr.kind) {
            (Subject::Local(wanted), ExprKind::Local(local)) => wanted == *local,
            (Subject::SelfRef, ExprKind::SelfRef) => true,
            _ => false,
        }
    }
}

/// The stored cells of `record` that the expression reads of the subject, in the order of their declaration. Where the subject goes where
/// this cannot follow (a function, another name), all of them.
fn cells_read(linker: &Linker<'_>, record: ItemId, subject: Subject, expr: &hir::Expr) -> Vec<CellIndex> {
    let mut search = Search { linker, record, cells: FxHashSet::default(), derived: FxHashSet::default() };
    search.expr(subject, expr);
    let mut cells: Vec<CellIndex> = search.cells.into_iter().collect();
    cells.sort_unstable();
    cells
}

struct Search<'a, 'db> {
    linker: &'a Linker<'db>,
    record: ItemId,
    cells: FxHashSet<CellIndex>,
    /// Derived cells gone into.
    derived: FxHashSet<CellId>,
}

impl Search<'_, '_> {
    fn expr(&mut self, subject: Subject, expr: &hir::Expr) {
        // The subject as the base of a cell is a read of that cell; compared or asked for its space or existence it reads no cell.
        // Every other use of it is out of sight.
        let mut uses = 0usize;
        let mut followed = 0usize;
        let mut read = Vec::new();
        visit::expr(expr, &mut |e| {
            uses += usize::from(subject.is(e));
            match &e.kind {
                ExprKind::Cell { base, cell, .. } if subject.is(base) && cell.record == self.record => {
                    followed += 1;
                    read.push(*cell);
                }
                ExprKind::SpaceOf(base) | ExprKind::Exists(base) | ExprKind::SameSpace(base) if subject.is(base) => followed += 1,
                ExprKind::Binary { op: BinaryOp::Eq | BinaryOp::Ne | BinaryOp::In, left, right } => {
                    followed += usize::from(subject.is(left)) + usize::from(subject.is(right));
                }
                _ => {}
            }
        });
        for cell in read {
            self.cell(cell);
        }
        if uses > followed {
            self.every_cell();
        }
    }

    fn cell(&mut self, id: CellId) {
        match self.linker.cell(id) {
            CellRef::Stored(_, cell) => {
                self.cells.insert(cell);
            }
            CellRef::Derived(..) => {
                if !self.derived.insert(id) {
                    return;
                }
                let bodies = bodies::bodies(self.linker.db, id.record.file);
                match bodies.get(BodyOwner::Derived(id)).map(|body| &body.kind) {
                    Some(BodyKind::Expr(value)) => self.expr(Subject::SelfRef, value),
                    _ => self.every_cell(),
                }
            }
        }
    }

    fn every_cell(&mut self) {
        let record: &RecordSig = self.linker.record_sig(self.record);
        let stored = record.cells.iter().filter(|c| !c.derived).count() as u32;
        self.cells.extend((0..stored).map(CellIndex));
    }
}
