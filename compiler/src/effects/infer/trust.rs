//! What relies on it that a record is there: reading, writing or calling it fails where it was deleted.

use patternc_grammar::syntax::{BinaryOp, Span};
use patternc_program::Method;

use super::sure::Sure;
use super::{Walk, record_of};
use crate::effects::{CallPath, Target, Trust};
use crate::hir::{BodyOwner, Expr, ExprKind};
use crate::types::{ItemId, LocalId};

impl Walk<'_, '_> {
    /// Here something fails if the record is gone.
    pub(super) fn trust(&mut self, record: &Expr, span: Span) {
        let Some((of, _)) = record_of(&record.ty) else { return };
        if !self.is_surely_there(record) {
            let target = self.target(record);
            self.push_trust(of, target, span);
        }
    }

    /// Whether the record that an expression gives is known to be there, also from what was asked on the way here.
    pub(super) fn is_surely_there(&mut self, record: &Expr) -> bool {
        self.is_there(record) || self.sure.contains(&Some(Sure::There(self.target(record))))
    }

    /// Here something fails if a record is gone that is linked to: what has this value gets its other end.
    pub(super) fn trust_ends(&mut self, of: ItemId, value: &Expr, span: Span) {
        if record_of(&value.ty).is_some() {
            self.trust(value, span);
        } else if !self.is_there(value) {
            self.push_trust(of, Target::Unknown, span);
        }
    }

    fn push_trust(&mut self, record: ItemId, target: Target, span: Span) {
        let (site, caught) = (self.site(span), self.tries > 0);
        self.found.trusts.push(Trust { record, target, site, path: CallPath::default(), caught });
    }

    /// Whether the record that an expression gives, or each in the collection that it gives, is known to be there: there is none, it runs
    /// this body, was made or found by it, or is at the end of a link that the runtime keeps.
    pub(super) fn is_there(&mut self, value: &Expr) -> bool {
        match &value.kind {
            ExprKind::None
            | ExprKind::SelfRef
            | ExprKind::Create(_)
            | ExprKind::Lookup { .. }
            | ExprKind::All { .. }
            | ExprKind::Where { .. } => true,
            ExprKind::Local(local) => {
                let bound = *local == LocalId(0) && matches!(self.body.owner, BodyOwner::Invariant(_) | BodyOwner::Mirror(..));
                bound || self.there.contains(local)
            }
            ExprKind::Cell { cell, .. } => {
                let sig = self.inference.record(cell.record).and_then(|sig| sig.cells.get(cell.index as usize));
                sig.is_some_and(|sig| sig.inverse.is_some())
            }
            ExprKind::Method { method, base, .. } => gives_elements(*method) && self.is_there(base),
            ExprKind::ListIndex { base, .. } => self.is_there(base),
            ExprKind::Block { value, .. } => self.is_there(value),
            ExprKind::List(values) | ExprKind::Set(values) => values.iter().all(|value| self.is_there(value)),
            ExprKind::Binary { op: BinaryOp::Coalesce, left, right } => self.is_there(left) && self.is_there(right),
            ExprKind::If { then, otherwise, .. } => self.is_there(then) && self.is_there(otherwise),
            _ => false,
        }
    }
}

/// Whether what a method gives are elements of its collection, and nothing else.
fn gives_elements(method: Method) -> bool {
    matches!(
        method,
        Method::First
            | Method::Last
            | Method::Filter
            | Method::Find
            | Method::SortBy
            | Method::Take
            | Method::Skip
            | Method::Reverse
            | Method::Distinct
            | Method::Intersect
            | Method::Minus
    )
}
