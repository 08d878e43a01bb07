//! Expressions: what they read and call.

use patternc_grammar::syntax::BinaryOp;
use patternc_program::Method;

use super::{Walk, record_of};
use crate::effects::{Argument, EffectSpace, FailureCause, Grain, Target};
use crate::hir::{Arg, BodyOwner, Expr, ExprKind, TextPart};
use crate::types::Ty;

impl Walk<'_, '_> {
    fn exprs<'e>(&mut self, values: impl IntoIterator<Item = &'e Expr>) {
        values.into_iter().for_each(|value| self.expr(value));
    }

    /// A collection of which a part, or how many elements it has, is looked at.
    fn part(&mut self, collection: &Expr, grain: Grain) {
        match &collection.kind {
            ExprKind::Cell { base, cell, optional } => {
                self.expr(base);
                if !optional {
                    self.trust(base, collection.span);
                }
                self.read(base, *cell, grain, collection.span);
            }
            _ => self.expr(collection),
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Cell { base, cell, optional } => {
                self.expr(base);
                if !optional {
                    self.trust(base, expr.span);
                }
                self.read(base, *cell, Grain::Whole, expr.span);
            }
            ExprKind::MapIndex { base, key } => {
                self.expr(key);
                let key = self.value(key);
                self.part(base, Grain::Element(key));
            }
            ExprKind::Binary { op: BinaryOp::In, left, right } => {
                self.expr(left);
                let element = self.value(left);
                self.part(right, Grain::Element(element));
            }
            ExprKind::Method { method, base, args, .. } => self.method(*method, base, args),
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                self.expr(left);
                self.under(left, *op == BinaryOp::And, right);
            }
            ExprKind::Binary { op, left, right } => {
                self.expr(left);
                self.expr(right);
                match op {
                    BinaryOp::Div | BinaryOp::Rem if matches!(expr.ty, Ty::Int | Ty::Float) => self.division(right, expr.span),
                    BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul if expr.ty == Ty::Int => self.overflow(expr.span),
                    _ => {}
                }
            }
            ExprKind::Lookup { record, key } => {
                self.expr(key);
                let space = self.query_space(*record);
                let target = self.target(expr);
                self.read_records(*record, target, space, expr.span);
            }
            ExprKind::All { record } => {
                let space = self.query_space(*record);
                self.read_records(*record, Target::Unknown, space, expr.span);
            }
            ExprKind::Where { record, param, cond } => {
                self.there.push(*param);
                let space = self.query_space(*record);
                self.read_records(*record, Target::Unknown, space, expr.span);
                self.queried.push(*param);
                self.expr(cond);
                self.queried.pop();
            }
            ExprKind::Exists(record) => {
                self.expr(record);
                if let Some((of, _)) = record_of(&record.ty) {
                    let (target, space) = (self.target(record), self.space(record));
                    self.read_records(of, target, space, expr.span);
                }
            }
            ExprKind::CallFn { of, args } => {
                self.exprs(args);
                let args = self.arguments(args);
                let site = self.site(expr.span);
                let space = common_space(&args);
                self.push_call(BodyOwner::Fn(*of), Target::Unknown, space, args, site);
            }
            ExprKind::Create(create) => self.create(create),
            ExprKind::ListIndex { base, index } => {
                self.expr(base);
                self.expr(index);
                self.failure(FailureCause::Missing, expr.span);
            }
            ExprKind::Block { lets, value } => {
                lets.iter().for_each(|stmt| {
                    self.stmt(stmt);
                });
                self.expr(value);
            }
            ExprKind::IfLet { local, value, then, otherwise } => {
                self.expr(value);
                self.know(*local, value);
                self.expr(then);
                self.expr(otherwise);
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(cond);
                self.under(cond, true, then);
                self.under(cond, false, otherwise);
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                self.exprs(arms.iter().map(|(_, value)| value));
            }
            ExprKind::Interpolation(parts) => self.exprs(parts.iter().filter_map(|part| match part {
                TextPart::Expr(value) => Some(value),
                TextPart::Text(_) => None,
            })),
            ExprKind::Field { base, .. } | ExprKind::FailureField { base, .. } | ExprKind::SagaField { base, .. } => self.expr(base),
            ExprKind::List(values) | ExprKind::Set(values) => self.exprs(values),
            ExprKind::Map(entries) => self.exprs(entries.iter().flat_map(|(key, value)| [key, value])),
            ExprKind::Struct { spread, fields, .. } => {
                self.exprs(spread.as_deref());
                self.exprs(fields.iter().flatten());
            }
            ExprKind::Variant { args, .. } => self.exprs(args),
            ExprKind::SpaceOf(inner) | ExprKind::SameSpace(inner) | ExprKind::Range(inner) | ExprKind::Unary { operand: inner, .. } => {
                self.expr(inner);
            }
            ExprKind::ForbiddenCall(_) | ExprKind::Error => self.found.incomplete = true,
            ExprKind::Bool(_)
            | ExprKind::None
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Text(_)
            | ExprKind::Duration(_)
            | ExprKind::SelfRef
            | ExprKind::Local(_)
            | ExprKind::Now
            | ExprKind::NewId
            | ExprKind::Caller => {}
        }
    }

    fn method(&mut self, method: Method, base: &Expr, args: &[Arg]) {
        let list = matches!(base.ty, Ty::List(_));
        match (method, args.first()) {
            (Method::Contains | Method::Get, Some(Arg::Value(key))) => {
                let key = self.value(key);
                self.part(base, Grain::Element(key));
            }
            (Method::Any | Method::All | Method::Find, _) if list => self.part(base, Grain::Element(None)),
            (Method::Len | Method::IsEmpty, _) => self.part(base, Grain::Size),
            _ => self.expr(base),
        }
        for arg in args {
            match arg {
                Arg::Value(value) => self.expr(value),
                Arg::Lambda(lambda) => {
                    // The records of `R.all.filter(x => …)` are all looked at, as those of `R.where(x => …)`.
                    if self.is_there(base) {
                        self.there.extend(lambda.params.last());
                    }
                    let query = matches!(base.kind, ExprKind::All { .. } | ExprKind::Where { .. });
                    let before = self.queried.len();
                    if query {
                        self.queried.extend(&lambda.params);
                    }
                    self.expr(&lambda.body);
                    self.queried.truncate(before);
                }
            }
        }
    }
}

/// The space that all records among the arguments are in, as far as known.
fn common_space(args: &[Argument]) -> EffectSpace {
    let mut spaces = args.iter().filter_map(|arg| match arg {
        Argument::Record { space, .. } => Some(*space),
        Argument::Value(_) | Argument::Unknown => None,
    });
    let first = spaces.next().unwrap_or(EffectSpace::Here);
    if spaces.all(|space| space == first) { first } else { EffectSpace::Any }
}
