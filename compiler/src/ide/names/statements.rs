//! The names of statements and expressions.

use patternc_grammar::syntax::{
    Answer, Block, Cond, Else, Expr, ExprKind, FieldInit, If, Name, Pattern, PatternKind, Send, SpaceExpr, Span, Stmt, StmtKind, TextPart,
};

use super::{Access, Walk, member};
use crate::ide::definition::Definition;
use crate::signature::{enum_sig, extern_sig, record_sig, struct_sig};
use crate::types::{CellId, ItemId, OperationId, Ty};

impl<'db> Walk<'db> {
    pub(super) fn block(&mut self, block: &'db Block) {
        self.scoped(block.span, |walk| block.stmts.iter().for_each(|stmt| walk.stmt(stmt)));
    }

    pub(super) fn stmt(&mut self, stmt: &'db Stmt) {
        match &stmt.kind {
            StmtKind::Let { name, ty, value, otherwise } => {
                ty.iter().for_each(|ty| self.ty(ty));
                self.expr(value);
                otherwise.iter().for_each(|otherwise| self.stmt(otherwise));
                self.declare_after(*name, stmt.span.end);
            }
            StmtKind::Assign { target, value, .. } => {
                self.target(target);
                self.expr(value);
            }
            StmtKind::Delete(value) => self.target(value),
            StmtKind::Fail(value) | StmtKind::Expr(value) | StmtKind::Expect(value) | StmtKind::Advance(value) | StmtKind::Order(value) => {
                self.expr(value)
            }
            StmtKind::Require { cond, message } => {
                self.expr(cond);
                self.exprs(message);
            }
            StmtKind::If(it) => self.if_stmt(it),
            StmtKind::For { key, item, iter, body } => {
                self.expr(iter);
                self.scoped(body.span, |walk| {
                    key.iter().for_each(|key| walk.declare(*key));
                    walk.declare(*item);
                    walk.block(body);
                });
            }
            StmtKind::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    self.scoped(arm.span, |walk| {
                        walk.pattern(&arm.pattern);
                        walk.block(&arm.body);
                    });
                }
            }
            StmtKind::Return(value) => self.exprs(value),
            StmtKind::Send(send) => self.send(send),
            StmtKind::Try { body, error, catch } => {
                self.block(body);
                self.scoped(catch.span, |walk| {
                    walk.declare(*error);
                    walk.block(catch);
                });
            }
            StmtKind::ExpectFail { call, with, .. } => {
                self.stmt(call);
                self.exprs(with);
            }
            StmtKind::Concurrently { times, body } => {
                self.exprs(times);
                self.block(body);
            }
            StmtKind::Hold(body) => self.block(body),
            StmtKind::As { caller, body } => {
                self.expr(caller);
                self.block(body);
            }
            StmtKind::Given(given) => {
                self.item_name(given.of);
                let operation = self.item(given.of.name).and_then(|of| self.operation(of, given.operation.name));
                self.reads(given.operation, operation);
                self.scoped(given.span, |walk| {
                    given.params.iter().for_each(|param| walk.declare(*param));
                    match &given.answer {
                        Answer::Value(value) => walk.expr(value),
                        Answer::Fails { message, times } => {
                            walk.expr(message);
                            walk.exprs(times);
                        }
                    }
                });
            }
            StmtKind::Reconcile { mirror, scope } => {
                self.item_name(*mirror);
                self.exprs(scope);
            }
            StmtKind::Crash | StmtKind::Error => {}
        }
    }

    fn if_stmt(&mut self, it: &'db If) {
        self.scoped(Span { start: it.span.start, end: it.then.span.end }, |walk| {
            walk.cond(&it.cond);
            walk.block(&it.then);
        });
        match &it.otherwise {
            Some(Else::Block(body)) => self.block(body),
            Some(Else::If(inner)) => self.if_stmt(inner),
            None => {}
        }
    }

    fn cond(&mut self, cond: &'db Cond) {
        match cond {
            Cond::Expr(value) => self.expr(value),
            Cond::Let { name, value } => {
                self.expr(value);
                self.declare_after(*name, value.span.end);
            }
        }
    }

    fn send(&mut self, send: &'db Send) {
        self.expr(&send.event);
        self.exprs(&send.after);
        for arm in send.ok.iter().chain(&send.err) {
            self.scoped(arm.span, |walk| {
                arm.param.iter().for_each(|param| walk.declare(*param));
                walk.block(&arm.body);
            });
        }
    }

    fn pattern(&mut self, pattern: &'db Pattern) {
        match &pattern.kind {
            PatternKind::Bind(name) => self.declare(*name),
            PatternKind::Variant { of, variant, fields } => {
                self.item_name(*of);
                let to = self.item(of.name).and_then(|of| self.variant(of, variant.name));
                self.reads(*variant, to);
                fields.iter().for_each(|field| self.pattern(field));
            }
            PatternKind::Literal(value) => self.expr(value),
            PatternKind::Wildcard => {}
        }
    }

    /// What is written by `self.x = …`, `self.m[k] += …`, `delete r.m[k]`.
    pub(super) fn target(&mut self, target: &'db Expr) {
        match &target.kind {
            ExprKind::Field { base, name, .. } => {
                self.expr(base);
                if let Some(to) = self.member_of(base, name.name) {
                    self.add(name.span, to, Access::Writes);
                }
            }
            ExprKind::Index { base, index } => {
                self.target(base);
                self.expr(index);
            }
            _ => self.expr(target),
        }
    }

    /// What stands after the `.` of `base`.
    fn member_of(&self, base: &Expr, name: Name) -> Option<Definition> {
        match &base.kind {
            ExprKind::TypeName(of) => return self.variant(self.item(of.name)?, name),
            ExprKind::Name(of) if !self.locals.iter().any(|(local, _)| *local == of.name) => {
                let of = self.item(of.name)?;
                return self.operation(of, name);
            }
            ExprKind::SelfRef => return member(self.db, &Ty::Record(self.record?, crate::types::Place::Here), name),
            _ => {}
        }
        member(self.db, self.types.get(&base.span)?, name)
    }

    pub(super) fn variant(&self, of: ItemId, name: Name) -> Option<Definition> {
        let index = enum_sig(self.db, of)?.variants.iter().position(|variant| variant.name == name)?;
        Some(Definition::Variant { of, index: index as u32 })
    }

    pub(super) fn operation(&self, of: ItemId, name: Name) -> Option<Definition> {
        let index = extern_sig(self.db, of)?.operations.iter().position(|operation| operation.name == name)?;
        Some(Definition::Operation(OperationId { of, index: index as u32 }))
    }

    fn inits(&mut self, fields: &'db [FieldInit], to: impl Fn(&Self, Name) -> Option<Definition>) {
        for field in fields {
            let to = to(self, field.name.name);
            self.reads(field.name, to);
            self.expr(&field.value);
        }
    }

    fn exprs(&mut self, values: impl IntoIterator<Item = &'db Expr>) {
        values.into_iter().for_each(|value| self.expr(value));
    }

    pub(super) fn expr(&mut self, expr: &'db Expr) {
        match &expr.kind {
            ExprKind::Interpolation(parts) => {
                for part in parts {
                    if let TextPart::Expr(value) = part {
                        self.expr(value);
                    }
                }
            }
            ExprKind::Name(name) => {
                let to = self.lookup(name.name);
                self.reads(*name, to);
            }
            ExprKind::TypeName(name) => self.item_name(*name),
            ExprKind::List(values) | ExprKind::Set(values) => self.exprs(values),
            ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| self.exprs([key, value])),
            ExprKind::Struct { name, spread, fields } => {
                self.item_name(*name);
                self.exprs(spread.as_deref());
                let of = self.item(name.name);
                self.inits(fields, |walk, field| {
                    let index = struct_sig(walk.db, of?)?.fields.iter().position(|known| known.name == field)?;
                    Some(Definition::Field { of: of?, index: index as u32 })
                });
            }
            ExprKind::Variant { of, variant, fields } => {
                self.item_name(*of);
                let to = self.item(of.name).and_then(|of| self.variant(of, variant.name));
                self.reads(*variant, to);
                self.inits(fields, |walk, field| {
                    let Some(Definition::Variant { of, index: variant }) = to else { return None };
                    let known = &enum_sig(walk.db, of)?.variants.get(variant as usize)?.fields;
                    let index = known.iter().position(|known| known.name == field)? as u32;
                    Some(Definition::Payload { of, variant, index })
                });
            }
            ExprKind::Create { record, space, fields } => {
                self.item_name(*record);
                match space.as_deref() {
                    Some(SpaceExpr::Named { name, key }) => {
                        let to = self.lookup(name.name);
                        self.reads(*name, to);
                        self.exprs(key);
                    }
                    Some(SpaceExpr::Of(value)) => self.expr(value),
                    None => {}
                }
                let of = self.item(record.name);
                self.inits(fields, |walk, cell| {
                    let index = record_sig(walk.db, of?)?.cell(cell)?;
                    Some(Definition::Cell(CellId { record: of?, index }))
                });
            }
            ExprKind::Field { base, name, .. } => {
                self.expr(base);
                let to = self.member_of(base, name.name);
                self.reads(*name, to);
            }
            ExprKind::Method { base, name, args, .. } => {
                self.expr(base);
                let to = self.member_of(base, name.name);
                self.reads(*name, to);
                self.exprs(args);
            }
            ExprKind::Index { base, index } => self.exprs([&**base, &**index]),
            ExprKind::Call { name, args } => {
                let to = self.lookup(name.name);
                self.reads(*name, to);
                self.exprs(args);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => self.exprs([&**left, &**right]),
            ExprKind::If { cond, then, otherwise } => {
                self.scoped(then.span, |walk| {
                    walk.cond(cond);
                    walk.expr(then);
                });
                self.exprs(otherwise.as_deref());
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    self.scoped(arm.span, |walk| {
                        walk.pattern(&arm.pattern);
                        walk.expr(&arm.value);
                    });
                }
            }
            ExprKind::Block { lets, value, .. } => self.scoped(expr.span, |walk| {
                lets.iter().for_each(|stmt| walk.stmt(stmt));
                walk.exprs(value.as_deref());
            }),
            ExprKind::Lambda { params, body } => self.scoped(expr.span, |walk| {
                params.iter().for_each(|param| walk.declare(*param));
                walk.expr(body);
            }),
            ExprKind::True
            | ExprKind::False
            | ExprKind::None
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Text(_)
            | ExprKind::Duration(_)
            | ExprKind::SelfRef
            | ExprKind::Error => {}
        }
    }
}
