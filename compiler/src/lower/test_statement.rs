//! Tests, and lines typed at the REPL: every call and create is an event of its own.

use patternc_grammar::syntax::Span;
use patternc_program::{Answer, Expr, Name, Slot, TestEvent, TestStmt, Type};

use super::expression::Refused;
use super::frame::{FrameLowering, NOT_UNDERSTOOD};
use super::linker::Callable;
use crate::hir::{self, ExprKind, HandlerCall, SendEvent, StmtKind};

impl FrameLowering<'_, '_> {
    pub(super) fn test_block(&mut self, block: &hir::Block) -> Vec<TestStmt> {
        self.test_stmts(&block.stmts)
    }

    pub(super) fn test_stmts(&mut self, stmts: &[hir::Stmt]) -> Vec<TestStmt> {
        // The events of an enclosing statement wait for that statement.
        let outer = self.events.replace(Vec::new());
        let mut lowered = Vec::with_capacity(stmts.len());
        for stmt in stmts {
            let stmt = self.test_stmt(stmt);
            lowered.append(&mut self.take_events());
            lowered.push(stmt);
        }
        self.events = outer;
        lowered
    }

    /// An expression at the end of a line: what has to happen before, and its value.
    pub(super) fn test_value(&mut self, value: &hir::Expr) -> (Vec<TestStmt>, Option<(Expr, Type)>) {
        self.events = Some(Vec::new());
        let lowered = self.expr(value);
        let events = self.take_events();
        self.events = None;
        (events, Some((lowered, self.linker.ty(&value.ty))))
    }

    /// A call at the end of a line, and its result.
    pub(super) fn test_call(&mut self, call: &HandlerCall, stmts: &mut Vec<TestStmt>) -> Option<(Expr, Type)> {
        self.events = Some(Vec::new());
        let event = self.call_event(call);
        stmts.append(&mut self.take_events());
        self.events = None;
        let ty = self.linker.result(&call.result);
        let result = ty.is_some().then(|| self.temp());
        let at = self.at(call.span);
        stmts.push(TestStmt::Event { result, event, at });
        result.zip(ty).map(|(slot, ty)| (Expr::Slot(slot), ty))
    }

    /// What a statement binds for those after it.
    pub(super) fn binding(&self, stmt: &hir::Stmt) -> Option<(Name, Slot, Type)> {
        let (StmtKind::Let { local, .. } | StmtKind::LetElse { local, .. } | StmtKind::LetCall { local, .. }) = &stmt.kind else {
            return None;
        };
        let slot = self.slot(*local)?;
        Some((self.body.locals[local.0 as usize].name, slot, self.local_ty(*local)))
    }

    /// What has to happen before what was lowered since the last call.
    pub(super) fn take_events(&mut self) -> Vec<TestStmt> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn optional_test_block(&mut self, block: Option<&hir::Block>) -> Vec<TestStmt> {
        block.map(|b| self.test_block(b)).unwrap_or_default()
    }

    fn test_stmt(&mut self, stmt: &hir::Stmt) -> TestStmt {
        let at = self.at(stmt.span);
        match &stmt.kind {
            StmtKind::Let { local, value } => {
                if let Some(event) = self.lone_event(value) {
                    let result = Some(self.bind(*local));
                    return TestStmt::Event { result, event, at };
                }
                let value = self.expr(value);
                TestStmt::Let { slot: self.bind(*local), value }
            }
            StmtKind::LetElse { local, value, otherwise } => {
                let value = self.expr(value);
                let slot = self.bind(*local);
                TestStmt::LetElse { slot, value, otherwise: Box::new(self.test_stmt(otherwise)) }
            }
            StmtKind::LetCall { local, call } => {
                let event = self.call_event(call);
                TestStmt::Event { result: Some(self.bind(*local)), event, at }
            }
            StmtKind::Call(call) => TestStmt::Event { result: None, event: self.call_event(call), at },
            StmtKind::Expr(value) => match self.lone_event(value) {
                Some(event) => TestStmt::Event { result: None, event, at },
                None => {
                    let value = self.expr(value);
                    TestStmt::Let { slot: self.temp(), value }
                }
            },
            // Outside of any transaction, sending is what every call does.
            StmtKind::Send(send) => match &send.event {
                event @ (SendEvent::Handler { .. } | SendEvent::Create(_))
                    if send.after.is_none() && send.ok.is_none() && send.err.is_none() && !send.answer =>
                {
                    match self.outside_event(event) {
                        Ok(event) => TestStmt::Event { result: None, event, at },
                        Err(Refused(why)) => self.refuse_test(why, stmt.span),
                    }
                }
                _ => self.refuse_test("a test calls handlers: arms and delays belong into handlers", stmt.span),
            },
            StmtKind::If { cond, then, otherwise } => {
                let cond = self.expr(cond);
                TestStmt::If { cond, then: self.test_block(then), otherwise: self.optional_test_block(otherwise.as_ref()) }
            }
            StmtKind::IfLet { local, value, then, otherwise } => {
                let value = self.expr(value);
                let slot = self.bind(*local);
                TestStmt::IfLet { slot, value, then: self.test_block(then), otherwise: self.optional_test_block(otherwise.as_ref()) }
            }
            StmtKind::For { key, item, iter, body } => {
                let iter = self.expr(iter);
                let (key, item) = (key.map(|k| self.bind(k)), self.bind(*item));
                TestStmt::For { key, item, iter, body: self.test_block(body) }
            }
            StmtKind::Match { subject, arms } => {
                let subject = self.expr(subject);
                let arms = arms.iter().map(|arm| (self.pattern(&arm.pattern), self.test_block(&arm.body)));
                TestStmt::Match { subject, arms: arms.collect() }
            }
            StmtKind::Require { cond, message } => {
                let cond = self.expr(cond);
                let message = self.option(message.as_ref()).unwrap_or_else(|| Expr::Text("a requirement of the test does not hold".into()));
                TestStmt::If { cond, then: Vec::new(), otherwise: vec![TestStmt::Fail { message, at }] }
            }
            StmtKind::Fail(message) => TestStmt::Fail { message: self.expr(message), at },
            StmtKind::Test(test) => self.own_stmt(test, stmt.span),
            StmtKind::Write(_) | StmtKind::DeleteRecord(_) => {
                self.refuse_test("outside of a handler nothing can be written: call a handler that does", stmt.span)
            }
            StmtKind::Return(_) => self.refuse_test("there is nothing to return to here", stmt.span),
            StmtKind::Try { .. } => self.refuse_test("`try` belongs into handlers: a test says `expect fail`", stmt.span),
            StmtKind::Error => self.refuse_test(NOT_UNDERSTOOD, stmt.span),
        }
    }

    fn own_stmt(&mut self, test: &hir::TestStmt, span: Span) -> TestStmt {
        let at = self.at(span);
        match test {
            hir::TestStmt::Expect(cond) => TestStmt::Expect { cond: self.expr(cond), at },
            hir::TestStmt::ExpectFail { call, with, kind } => {
                let with = self.option(with.as_ref());
                match self.expected_failure(call) {
                    Ok(call) => TestStmt::ExpectFail { call, with, kind: kind.map(|k| k.as_str().into()), at },
                    Err(Refused(why)) => self.refuse_test(why, span),
                }
            }
            hir::TestStmt::Concurrently { times, body } => {
                let times = self.option(times.as_ref());
                TestStmt::Concurrently { times, body: self.test_block(body), at }
            }
            hir::TestStmt::Hold(body) => TestStmt::Hold { body: self.test_block(body), at },
            hir::TestStmt::Crash => TestStmt::Crash,
            hir::TestStmt::Advance(by) => TestStmt::Advance(self.expr(by)),
            hir::TestStmt::Order(order) => TestStmt::Order { order: self.expr(order), at },
            hir::TestStmt::Given { operation, params, answer } => {
                let params: Vec<Slot> = params.iter().map(|p| self.bind(*p)).collect();
                // Evaluated when the outside is asked, not here.
                self.branches += 1;
                let answer = match answer {
                    hir::Answer::Value(value) => Answer::Value(self.expr(value)),
                    hir::Answer::Fails { message, times } => {
                        Answer::Fails { message: self.expr(message), times: self.option(times.as_ref()) }
                    }
                };
                self.branches -= 1;
                TestStmt::Given { of: self.linker.extern_(operation.of), operation: operation.index, params, answer }
            }
            hir::TestStmt::As { caller, body } => {
                let caller = self.expr(caller);
                TestStmt::As { caller, body: self.test_block(body) }
            }
            hir::TestStmt::Reconcile { mirror, scope } => {
                let scope = self.option(scope.as_ref());
                match self.linker.mirror(*mirror) {
                    Some(mirror) => TestStmt::Reconcile { mirror, scope, at },
                    None => self.refuse_test(NOT_UNDERSTOOD, span),
                }
            }
        }
    }

    /// The event of `expect fail …`.
    fn expected_failure(&mut self, call: &hir::Stmt) -> Result<TestEvent, Refused> {
        match &call.kind {
            StmtKind::Call(call) | StmtKind::LetCall { call, .. } => Ok(self.call_event(call)),
            StmtKind::Expr(value) | StmtKind::Let { value, .. } => match &value.kind {
                ExprKind::Create(create) => Ok(TestEvent::Create(self.create(create)?)),
                ExprKind::ForbiddenCall(kind) => match &**kind {
                    StmtKind::Call(call) | StmtKind::LetCall { call, .. } => Ok(self.call_event(call)),
                    _ => Err(Refused("only a call of a handler or a `create` can be expected to fail".into())),
                },
                _ => Err(Refused("only a call of a handler or a `create` can be expected to fail".into())),
            },
            StmtKind::Send(send) => self.outside_event(&send.event),
            _ => Err(Refused(NOT_UNDERSTOOD.into())),
        }
    }

    fn outside_event(&mut self, event: &SendEvent) -> Result<TestEvent, Refused> {
        match self.event(event)? {
            patternc_program::SendEvent::Handler { target, handler, args } => Ok(TestEvent::Handler { target, handler, args }),
            patternc_program::SendEvent::Saga { target, saga, args } => Ok(TestEvent::Saga { target, saga, args }),
            patternc_program::SendEvent::Create(create) => Ok(TestEvent::Create(create)),
            patternc_program::SendEvent::Extern { .. } => Err(Refused("a test cannot send to the outside: a handler does".into())),
        }
    }

    pub(super) fn call_event(&mut self, call: &HandlerCall) -> TestEvent {
        let (target, args) = (self.expr(&call.target), self.exprs(&call.args));
        match self.linker.callable(call.handler) {
            Callable::Handler(handler) => TestEvent::Handler { target, handler, args },
            Callable::Saga(saga) => TestEvent::Saga { target, saga, args },
        }
    }

    /// An expression that is nothing but an event.
    fn lone_event(&mut self, value: &hir::Expr) -> Option<TestEvent> {
        match &value.kind {
            // A create that cannot be lowered becomes a value that fails.
            ExprKind::Create(create) => self.create(create).ok().map(TestEvent::Create),
            _ => None,
        }
    }

    fn refuse_test(&self, why: impl Into<String>, span: Span) -> TestStmt {
        TestStmt::Fail { message: Expr::Text(why.into().into()), at: self.at(span) }
    }
}
