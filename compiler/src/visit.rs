//! Goes through the expressions of a body, each before its parts, in the order of the text, arms of sends and lambdas included.

use crate::hir::{
    Answer, Arg, Block, Body, BodyKind, Create, Expr, ExprKind, HandlerCall, Pattern, PatternKind, Send, SendEvent, SpaceExpr, Stmt,
    StmtKind, TestStmt, TextPart, WriteOp,
};

/// Every expression of a body.
pub fn body<'a>(body: &'a Body, see: &mut dyn FnMut(&'a Expr)) {
    match &body.kind {
        BodyKind::Block(stmts) => block(stmts, see),
        BodyKind::Expr(value) => expr(value, see),
        BodyKind::Saga { prelude, steps } => {
            block(prelude, see);
            for step in steps {
                event(&step.action, see);
                if let Some(undo) = &step.undo {
                    event(undo, see);
                }
            }
        }
    }
}

/// Every expression of a block.
pub fn block<'a>(block: &'a Block, see: &mut dyn FnMut(&'a Expr)) {
    for s in &block.stmts {
        stmt(s, see);
    }
}

/// Every expression of a statement.
pub fn stmt<'a>(stmt: &'a Stmt, see: &mut dyn FnMut(&'a Expr)) {
    stmt_kind(&stmt.kind, see);
}

fn stmt_kind<'a>(kind: &'a StmtKind, see: &mut dyn FnMut(&'a Expr)) {
    match kind {
        StmtKind::Let { value, .. } | StmtKind::DeleteRecord(value) | StmtKind::Fail(value) | StmtKind::Expr(value) => expr(value, see),
        StmtKind::LetElse { value, otherwise, .. } => {
            expr(value, see);
            stmt(otherwise, see);
        }
        StmtKind::LetCall { call, .. } | StmtKind::Call(call) => handler_call(call, see),
        StmtKind::Write(write) => {
            expr(&write.record, see);
            if let Some(key) = &write.key {
                expr(key, see);
            }
            if let WriteOp::Assign { value, .. } = &write.op {
                expr(value, see);
            }
        }
        StmtKind::Require { cond, message } => {
            expr(cond, see);
            option(message.as_ref(), see);
        }
        StmtKind::If { cond: value, then, otherwise } | StmtKind::IfLet { value, then, otherwise, .. } => {
            expr(value, see);
            block(then, see);
            if let Some(otherwise) = otherwise {
                block(otherwise, see);
            }
        }
        StmtKind::For { iter, body, .. } => {
            expr(iter, see);
            block(body, see);
        }
        StmtKind::Match { subject, arms } => {
            expr(subject, see);
            for arm in arms {
                pattern(&arm.pattern, see);
                block(&arm.body, see);
            }
        }
        StmtKind::Return(value) => option(value.as_ref(), see),
        StmtKind::Send(s) => send(s, see),
        StmtKind::Try { body, catch, .. } => {
            block(body, see);
            block(catch, see);
        }
        StmtKind::Test(test) => test_stmt(test, see),
        StmtKind::Error => {}
    }
}

/// Every expression of a send, arms included.
pub fn send<'a>(send: &'a Send, see: &mut dyn FnMut(&'a Expr)) {
    event(&send.event, see);
    option(send.after.as_ref(), see);
    for arm in send.ok.iter().chain(&send.err) {
        block(&arm.body, see);
    }
}

/// The target and arguments of an event.
pub fn event<'a>(event: &'a SendEvent, see: &mut dyn FnMut(&'a Expr)) {
    match event {
        SendEvent::Handler { target, args, .. } => {
            expr(target, see);
            all(args, see);
        }
        SendEvent::Extern { args, .. } => all(args, see),
        SendEvent::Create(c) => create(c, see),
        SendEvent::Error => {}
    }
}

fn test_stmt<'a>(test: &'a TestStmt, see: &mut dyn FnMut(&'a Expr)) {
    match test {
        TestStmt::Expect(value) | TestStmt::Advance(value) | TestStmt::Order(value) => expr(value, see),
        TestStmt::ExpectFail { call, with, .. } => {
            stmt(call, see);
            option(with.as_ref(), see);
        }
        TestStmt::Concurrently { times, body } => {
            option(times.as_ref(), see);
            block(body, see);
        }
        TestStmt::Hold(body) => block(body, see),
        TestStmt::Crash => {}
        TestStmt::Given { answer, .. } => match answer {
            Answer::Value(value) => expr(value, see),
            Answer::Fails { message, times } => {
                expr(message, see);
                option(times.as_ref(), see);
            }
        },
        TestStmt::As { caller, body } => {
            expr(caller, see);
            block(body, see);
        }
        TestStmt::Reconcile { scope, .. } => option(scope.as_ref(), see),
    }
}

fn handler_call<'a>(call: &'a HandlerCall, see: &mut dyn FnMut(&'a Expr)) {
    expr(&call.target, see);
    all(&call.args, see);
}

fn create<'a>(create: &'a Create, see: &mut dyn FnMut(&'a Expr)) {
    match &create.space {
        Some(SpaceExpr::Family(_, e) | SpaceExpr::Of(e)) => expr(e, see),
        Some(SpaceExpr::Plain(_)) | None => {}
    }
    for (_, value) in &create.cells {
        expr(value, see);
    }
}

fn pattern<'a>(p: &'a Pattern, see: &mut dyn FnMut(&'a Expr)) {
    match &p.kind {
        PatternKind::Variant { fields, .. } => fields.iter().for_each(|f| pattern(f, see)),
        PatternKind::Literal(value) => expr(value, see),
        PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Error => {}
    }
}

fn option<'a>(value: Option<&'a Expr>, see: &mut dyn FnMut(&'a Expr)) {
    if let Some(value) = value {
        expr(value, see);
    }
}

fn all<'a>(values: &'a [Expr], see: &mut dyn FnMut(&'a Expr)) {
    for value in values {
        expr(value, see);
    }
}

/// The expression and every one in it.
pub fn expr<'a>(value: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(value);
    match &value.kind {
        ExprKind::Bool(_)
        | ExprKind::None
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Text(_)
        | ExprKind::Duration(_)
        | ExprKind::SelfRef
        | ExprKind::Local(_)
        | ExprKind::All { .. }
        | ExprKind::Now
        | ExprKind::NewId
        | ExprKind::Caller
        | ExprKind::Error => {}
        ExprKind::Interpolation(parts) => {
            for part in parts {
                if let TextPart::Expr(e) = part {
                    expr(e, see);
                }
            }
        }
        ExprKind::Cell { base, .. }
        | ExprKind::Field { base, .. }
        | ExprKind::FailureField { base, .. }
        | ExprKind::SagaField { base, .. }
        | ExprKind::SpaceOf(base)
        | ExprKind::Exists(base)
        | ExprKind::SameSpace(base)
        | ExprKind::Range(base)
        | ExprKind::Unary { operand: base, .. }
        | ExprKind::Lookup { key: base, .. }
        | ExprKind::Where { cond: base, .. } => expr(base, see),
        ExprKind::List(items) | ExprKind::Set(items) | ExprKind::Variant { args: items, .. } | ExprKind::CallFn { args: items, .. } => {
            all(items, see);
        }
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                expr(key, see);
                expr(value, see);
            }
        }
        ExprKind::Struct { spread, fields, .. } => {
            option(spread.as_deref(), see);
            for field in fields {
                option(field.as_ref(), see);
            }
        }
        ExprKind::Create(c) => create(c, see),
        ExprKind::ListIndex { base: a, index: b } | ExprKind::MapIndex { base: a, key: b } | ExprKind::Binary { left: a, right: b, .. } => {
            expr(a, see);
            expr(b, see);
        }
        ExprKind::Method { base, args, .. } => {
            expr(base, see);
            for arg in args {
                match arg {
                    Arg::Value(value) => expr(value, see),
                    Arg::Lambda(lambda) => expr(&lambda.body, see),
                }
            }
        }
        ExprKind::If { cond: a, then, otherwise } | ExprKind::IfLet { value: a, then, otherwise, .. } => {
            expr(a, see);
            expr(then, see);
            expr(otherwise, see);
        }
        ExprKind::Match { subject, arms } => {
            expr(subject, see);
            for (p, value) in arms {
                pattern(p, see);
                expr(value, see);
            }
        }
        ExprKind::Block { lets, value } => {
            for s in lets {
                stmt(s, see);
            }
            expr(value, see);
        }
        ExprKind::ForbiddenCall(kind) => stmt_kind(kind, see),
    }
}
