//! Expressions.

use patternc_grammar::syntax::{BinaryOp, Span, UnaryOp};
use patternc_program::{Binary, Create, Expr, Lambda, Method, Pattern, SpaceExpr, Stmt, TestEvent, TestStmt, TextPart};

use super::frame::{FrameLowering, NOT_UNDERSTOOD};
use super::linker::{Callable, CellRef};
use crate::hir::{self, Arg, ExprKind, PatternKind, StmtKind};
use crate::signature::Home;
use crate::types::{CellId, ItemId, LocalId, Ty};

/// A part of the program that has no meaning, with what to say when it runs.
pub(super) struct Refused(pub(super) String);

impl FrameLowering<'_, '_> {
    pub(super) fn boxed(&mut self, expr: &hir::Expr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    pub(super) fn exprs(&mut self, exprs: &[hir::Expr]) -> Vec<Expr> {
        exprs.iter().map(|e| self.expr(e)).collect()
    }

    pub(super) fn option(&mut self, expr: Option<&hir::Expr>) -> Option<Expr> {
        expr.map(|e| self.expr(e))
    }

    /// An expression that may not be evaluated, or more than once.
    fn branch(&mut self, expr: &hir::Expr) -> Box<Expr> {
        self.branches += 1;
        let expr = self.boxed(expr);
        self.branches -= 1;
        expr
    }

    pub(super) fn expr(&mut self, expr: &hir::Expr) -> Expr {
        let at = self.at(expr.span);
        match &expr.kind {
            ExprKind::Bool(b) => Expr::Bool(*b),
            ExprKind::None => Expr::None,
            ExprKind::Int(n) => Expr::Int(*n),
            ExprKind::Float(x) => Expr::Float(*x),
            ExprKind::Text(text) => Expr::Text(text.clone()),
            ExprKind::Duration(ms) => Expr::Duration(*ms),
            ExprKind::Interpolation(parts) => Expr::Interpolate(
                parts
                    .iter()
                    .map(|part| match part {
                        hir::TextPart::Text(text) => TextPart::Text(text.clone()),
                        hir::TextPart::Expr(e) => TextPart::Value(self.expr(e), self.linker.ty(&e.ty)),
                    })
                    .collect(),
            ),
            ExprKind::SelfRef if super::frame::has_self(self.body) => Expr::Slot(patternc_program::Slot(0)),
            ExprKind::SelfRef => self.refuse_value("there is no `self` here", expr.span),
            ExprKind::Local(local) => self.local(*local, expr.span),
            ExprKind::Cell { base, cell, optional } => {
                let record = self.boxed(base);
                match self.linker.cell(*cell) {
                    CellRef::Stored(of, cell) => Expr::Cell { record, of, cell, optional: *optional, at },
                    CellRef::Derived(of, derived) => Expr::Derived { record, of, derived, optional: *optional, at },
                }
            }
            ExprKind::Field { base, index, optional, .. } => Expr::Field { base: self.boxed(base), index: *index, optional: *optional },
            ExprKind::FailureField { base, index } | ExprKind::SagaField { base, index } => {
                Expr::Field { base: self.boxed(base), index: *index, optional: false }
            }
            ExprKind::List(items) => Expr::List(self.exprs(items)),
            ExprKind::Set(items) => Expr::Set(self.exprs(items)),
            ExprKind::Map(entries) => Expr::Map(entries.iter().map(|(k, v)| (self.expr(k), self.expr(v))).collect()),
            ExprKind::Struct { of, spread, fields } => self.struct_(*of, spread.as_deref(), fields, expr.span),
            ExprKind::Variant { of, variant, args } => {
                Expr::Variant { of: self.linker.enum_(*of), variant: *variant, args: self.exprs(args) }
            }
            ExprKind::Create(create) => self.create_value(create),
            ExprKind::ListIndex { base, index } => Expr::ListIndex { base: self.boxed(base), index: self.boxed(index), at },
            ExprKind::MapIndex { base, key } => Expr::MapIndex { base: self.boxed(base), key: self.boxed(key) },
            ExprKind::Lookup { record, key } => {
                let key = self.boxed(key);
                Expr::Lookup { record: self.linker.record(*record), space: self.queried_space(*record), key }
            }
            ExprKind::All { record } => Expr::All { record: self.linker.record(*record), space: self.queried_space(*record) },
            ExprKind::Where { record, param, cond } => self.query(*record, *param, cond),
            ExprKind::Method { method, base, args, optional: false } => {
                let base = self.boxed(base);
                self.method(*method, base, args, &expr.ty, expr.span)
            }
            ExprKind::Method { method, base, args, optional: true } => {
                let base = self.boxed(base);
                let slot = self.temp();
                self.branches += 1;
                let then = self.method(*method, Box::new(Expr::Slot(slot)), args, &expr.ty, expr.span);
                self.branches -= 1;
                Expr::OptionalMethod { base, slot, then: Box::new(then) }
            }
            ExprKind::SpaceOf(of) => Expr::SpaceOf(self.boxed(of)),
            ExprKind::Exists(of) => Expr::Exists(self.boxed(of)),
            ExprKind::SameSpace(of) => Expr::SameSpace(self.boxed(of)),
            ExprKind::CallFn { of, args } => Expr::CallFn { body: self.linker.function(*of), args: self.exprs(args) },
            ExprKind::Now => Expr::Now,
            ExprKind::NewId => Expr::NewId,
            ExprKind::Caller => Expr::Caller,
            ExprKind::Range(n) => Expr::Range(self.boxed(n)),
            ExprKind::Unary { op, operand } => self.unary(*op, operand, at),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, at),
            ExprKind::If { cond, then, otherwise } => {
                Expr::If { cond: self.boxed(cond), then: self.branch(then), otherwise: self.branch(otherwise) }
            }
            ExprKind::IfLet { local, value, then, otherwise } => {
                let value = self.boxed(value);
                Expr::IfLet { slot: self.bind(*local), value, then: self.branch(then), otherwise: self.branch(otherwise) }
            }
            ExprKind::Match { subject, arms } => {
                let subject = self.boxed(subject);
                Expr::Match { subject, arms: arms.iter().map(|(pattern, value)| (self.pattern(pattern), *self.branch(value))).collect() }
            }
            ExprKind::Block { lets, value } if lets.is_empty() => self.expr(value),
            ExprKind::Block { lets, value } => {
                // Statements in a row cannot be taken apart into events before them.
                self.branches += 1;
                let lets = self.stmts(lets);
                let value = self.boxed(value);
                self.branches -= 1;
                Expr::Block { lets, value }
            }
            ExprKind::ForbiddenCall(kind) => self.forbidden_call(kind, expr.span),
            ExprKind::Error => self.refuse_value(NOT_UNDERSTOOD, expr.span),
        }
    }

    fn local(&mut self, local: LocalId, span: Span) -> Expr {
        match self.slot(local) {
            Some(slot) => Expr::Slot(slot),
            // Only code that was refused can name a local that is not bound where it runs.
            None => {
                let name = self.body.locals[local.0 as usize].name;
                self.refuse_value(format!("`{name}` has no value here"), span)
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &hir::Expr, at: patternc_program::Source) -> Expr {
        match (op, &operand.kind) {
            (UnaryOp::Not, _) => Expr::Not(self.boxed(operand)),
            (UnaryOp::Neg, ExprKind::Int(n)) if *n != i64::MIN => Expr::Int(-n),
            (UnaryOp::Neg, ExprKind::Float(x)) => Expr::Float(-x),
            (UnaryOp::Neg, _) => Expr::Neg(self.boxed(operand), at),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &hir::Expr, right: &hir::Expr, at: patternc_program::Source) -> Expr {
        let op = match op {
            BinaryOp::And => return Expr::And(self.boxed(left), self.branch(right)),
            BinaryOp::Or => return Expr::Or(self.boxed(left), self.branch(right)),
            BinaryOp::Coalesce => return Expr::Coalesce(self.boxed(left), self.branch(right)),
            BinaryOp::In => return Expr::In { element: self.boxed(left), collection: self.boxed(right) },
            BinaryOp::Eq => Binary::Eq,
            BinaryOp::Ne => Binary::Ne,
            BinaryOp::Lt => Binary::Lt,
            BinaryOp::Le => Binary::Le,
            BinaryOp::Gt => Binary::Gt,
            BinaryOp::Ge => Binary::Ge,
            BinaryOp::Add => Binary::Add,
            BinaryOp::Sub => Binary::Sub,
            BinaryOp::Mul => Binary::Mul,
            BinaryOp::Div => Binary::Div,
            BinaryOp::Rem => Binary::Rem,
        };
        Expr::Binary { op, left: self.boxed(left), right: self.boxed(right), at }
    }

    fn struct_(&mut self, of: ItemId, spread: Option<&hir::Expr>, fields: &[Option<hir::Expr>], span: Span) -> Expr {
        let id = self.linker.struct_(of);
        if let Some(spread) = spread {
            let base = self.boxed(spread);
            let given = fields.iter().enumerate().filter_map(|(i, field)| field.as_ref().map(|f| (i as u32, self.expr(f))));
            return Expr::Update { of: id, base, fields: given.collect() };
        }
        let fields = fields.iter().enumerate().map(|(index, field)| match field {
            Some(field) => self.expr(field),
            None => {
                let name = match self.linker.signature(of) {
                    crate::signature::Signature::Struct(s) => s.fields.get(index).map(|f| f.name.as_str()),
                    _ => None,
                };
                self.refuse_value(format!("the field `{}` is not given", name.unwrap_or("?")), span)
            }
        });
        Expr::Struct { of: id, fields: fields.collect() }
    }

    /// A method on a value, with or without a lambda.
    fn method(&mut self, method: Method, base: Box<Expr>, args: &[Arg], ty: &Ty, span: Span) -> Expr {
        let at = self.at(span);
        let mut values = Vec::new();
        let mut lambda = None;
        for arg in args {
            match arg {
                Arg::Value(value) => values.push(self.expr(value)),
                Arg::Lambda(l) => {
                    let params = l.params.iter().map(|p| self.bind(*p)).collect();
                    lambda = Some(Box::new(Lambda { params, body: *self.branch(&l.body) }));
                }
            }
        }
        if method == Method::Sum {
            values.push(zero(ty));
        }
        match lambda {
            Some(lambda) => Expr::Apply { method, base, start: values.pop().map(Box::new), lambda, at },
            None => Expr::Method { method, base, args: values, at },
        }
    }

    pub(super) fn pattern(&mut self, pattern: &hir::Pattern) -> Pattern {
        match &pattern.kind {
            PatternKind::Wildcard => Pattern::Wildcard,
            PatternKind::Bind(local) => Pattern::Bind(self.bind(*local)),
            PatternKind::Variant { of, variant, fields } => {
                Pattern::Variant { of: self.linker.enum_(*of), variant: *variant, fields: fields.iter().map(|f| self.pattern(f)).collect() }
            }
            PatternKind::Literal(value) => Pattern::Literal(*self.branch(value)),
            // Comparing with it fails, as it should: nobody knows what was meant.
            PatternKind::Error => Pattern::Literal(self.refuse_value(NOT_UNDERSTOOD, pattern.span)),
        }
    }

    /// The space in which a type is looked through.
    pub(super) fn queried_space(&self, record: ItemId) -> SpaceExpr {
        match self.linker.record_sig(record).home {
            Home::Plain(space) => SpaceExpr::Plain(self.linker.space(space)),
            Home::Family(_) | Home::Floating => SpaceExpr::Here,
        }
    }

    pub(super) fn create(&mut self, create: &hir::Create) -> Result<Create, Refused> {
        let space = match &create.space {
            None => self.queried_space(create.record),
            Some(hir::SpaceExpr::Plain(space)) => SpaceExpr::Plain(self.linker.space(*space)),
            Some(hir::SpaceExpr::Family(space, key)) => SpaceExpr::Family(self.linker.space(*space), self.boxed(key)),
            Some(hir::SpaceExpr::Of(of)) => SpaceExpr::Of(self.boxed(of)),
        };
        let mut cells = Vec::with_capacity(create.cells.len());
        for (index, value) in &create.cells {
            let id = CellId { record: create.record, index: *index };
            match self.linker.cell(id) {
                CellRef::Stored(_, cell) => cells.push((cell, self.expr(value))),
                CellRef::Derived(..) => {
                    return Err(Refused(format!("{} is derived: it cannot be given a value", self.linker.cell_name(id))));
                }
            }
        }
        Ok(Create { record: self.linker.record(create.record), space, cells, at: self.at(create.span) })
    }

    fn create_value(&mut self, create: &hir::Create) -> Expr {
        match self.create(create) {
            Err(Refused(why)) => self.refuse_value(why, create.span),
            Ok(lowered) if self.events_can_precede() => self.event_before(TestEvent::Create(lowered), create.span),
            Ok(lowered) => Expr::Create(Box::new(lowered)),
        }
    }

    /// Whether the expression is in a test and sure to be evaluated once: then an event in it can happen before the statement.
    fn events_can_precede(&self) -> bool {
        self.branches == 0 && self.events.is_some()
    }

    /// Lets the event happen before the statement, and gives its result.
    fn event_before(&mut self, event: TestEvent, span: Span) -> Expr {
        let slot = self.temp();
        let at = self.at(span);
        self.events.get_or_insert_default().push(TestStmt::Event { result: Some(slot), event, at });
        Expr::Slot(slot)
    }

    /// A call of a handler inside an expression, or of the outside: `check` refuses both.
    fn forbidden_call(&mut self, kind: &StmtKind, span: Span) -> Expr {
        match kind {
            StmtKind::Call(call) | StmtKind::LetCall { call, .. } => {
                if self.events_can_precede() {
                    let event = self.call_event(call);
                    return self.event_before(event, span);
                }
                match self.linker.callable(call.handler) {
                    Callable::Handler(handler) => {
                        let (target, args) = (self.expr(&call.target), self.exprs(&call.args));
                        let result = self.temp();
                        let at = self.at(call.span);
                        Expr::Forced { stmt: Box::new(Stmt::Call { result: Some(result), target, handler, args, at }), result }
                    }
                    Callable::Saga(_) => {
                        let name = self.linker.handler_name(call.handler);
                        self.refuse_value(format!("the saga {name} is sent, never called"), span)
                    }
                }
            }
            kind => {
                let stmt = Box::new(self.forbidden_stmt(kind, span));
                Expr::Forced { stmt, result: self.temp() }
            }
        }
    }
}

/// What a sum of this type starts from.
fn zero(ty: &Ty) -> Expr {
    match ty {
        Ty::Float => Expr::Float(0.0),
        Ty::Duration => Expr::Duration(0),
        // A sum behind `?.` may be absent.
        Ty::Optional(inner) => zero(inner),
        _ => Expr::Int(0),
    }
}
