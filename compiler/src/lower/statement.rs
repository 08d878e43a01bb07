//! Statements of handlers, arms, `create` blocks and sagas.

use patternc_grammar::syntax::{AssignOp, Span};
use patternc_program::{Change, Stmt};

use super::expression::Refused;
use super::frame::{FrameLowering, NOT_UNDERSTOOD};
use super::linker::{Callable, CellRef};
use crate::hir::{self, ExprKind, HandlerCall, SendEvent, StmtKind, Write, WriteOp};
use crate::types::Ty;

impl FrameLowering<'_, '_> {
    /// The statements of a block; what they bind ends with it.
    pub(super) fn block(&mut self, block: &hir::Block) -> Vec<Stmt> {
        let mark = self.mark();
        let stmts = self.stmts(&block.stmts);
        self.release(mark);
        stmts
    }

    fn optional_block(&mut self, block: Option<&hir::Block>) -> Vec<Stmt> {
        block.map(|b| self.block(b)).unwrap_or_default()
    }

    /// Statements one after the other, in the scope they stand in.
    pub(super) fn stmts(&mut self, stmts: &[hir::Stmt]) -> Vec<Stmt> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    pub(super) fn stmt(&mut self, stmt: &hir::Stmt) -> Stmt {
        // What a `let` binds stays; what its value, or any other statement, needed in between does not.
        match &stmt.kind {
            StmtKind::Let { local, value } => {
                let slot = self.bind(*local);
                let mark = self.mark();
                let value = self.expr(value);
                self.release(mark);
                Stmt::Let { slot, value }
            }
            StmtKind::LetElse { local, value, otherwise } => {
                let slot = self.bind(*local);
                let mark = self.mark();
                let value = self.expr(value);
                let otherwise = Box::new(self.stmt(otherwise));
                self.release(mark);
                Stmt::LetElse { slot, value, otherwise }
            }
            StmtKind::LetCall { local, call } => {
                let slot = self.bind(*local);
                let mark = self.mark();
                let stmt = self.call(call, Some(slot));
                self.release(mark);
                stmt
            }
            kind => {
                let mark = self.mark();
                let stmt = self.scoped(kind, stmt.span);
                self.release(mark);
                stmt
            }
        }
    }

    /// A statement that binds nothing for those after it.
    fn scoped(&mut self, kind: &StmtKind, span: Span) -> Stmt {
        let at = self.at(span);
        match kind {
            StmtKind::Let { .. } | StmtKind::LetElse { .. } | StmtKind::LetCall { .. } => {
                unreachable!("a `let` is lowered where its scope is known")
            }
            StmtKind::Call(call) => self.call(call, None),
            StmtKind::Write(write) => self.write(write, span),
            StmtKind::DeleteRecord(record) => Stmt::DeleteRecord { record: self.expr(record), at },
            StmtKind::Require { cond, message } => Stmt::Require { cond: self.expr(cond), message: self.option(message.as_ref()), at },
            StmtKind::Fail(message) => Stmt::Fail { message: self.expr(message), at },
            StmtKind::If { cond, then, otherwise } => {
                Stmt::If { cond: self.expr(cond), then: self.block(then), otherwise: self.optional_block(otherwise.as_ref()) }
            }
            StmtKind::IfLet { local, value, then, otherwise } => {
                let value = self.expr(value);
                let slot = self.bind(*local);
                Stmt::IfLet { slot, value, then: self.block(then), otherwise: self.optional_block(otherwise.as_ref()) }
            }
            StmtKind::For { key, item, iter, body } => {
                let iter = self.expr(iter);
                let (key, item) = (key.map(|k| self.bind(k)), self.bind(*item));
                Stmt::For { key, item, iter, body: self.block(body) }
            }
            StmtKind::Match { subject, arms } => {
                let subject = self.expr(subject);
                let arms = arms.iter().map(|arm| (self.pattern(&arm.pattern), self.block(&arm.body)));
                Stmt::Match { subject, arms: arms.collect() }
            }
            StmtKind::Return(value) => Stmt::Return(self.option(value.as_ref())),
            StmtKind::Send(send) => self.send(send),
            StmtKind::Try { body, error, catch } => {
                let body = self.block(body);
                let error = self.bind(*error);
                Stmt::Try { body, error, catch: self.block(catch) }
            }
            // A call of the outside that stands alone.
            StmtKind::Expr(hir::Expr { kind: ExprKind::ForbiddenCall(kind), span, .. }) => self.forbidden_stmt(kind, *span),
            StmtKind::Expr(value) => Stmt::Eval(self.expr(value)),
            StmtKind::Test(_) => self.refuse("this statement has a meaning in tests only", span),
            StmtKind::Error => self.refuse(NOT_UNDERSTOOD, span),
        }
    }

    /// What `check` refuses where it stands. A handler can be called all the same; the outside cannot: its answer does not come within
    /// a transaction.
    pub(super) fn forbidden_stmt(&mut self, kind: &StmtKind, span: Span) -> Stmt {
        match kind {
            StmtKind::Call(call) | StmtKind::LetCall { call, .. } => self.call(call, None),
            StmtKind::Send(send) if matches!(send.event, SendEvent::Extern { .. }) => {
                let SendEvent::Extern { operation, .. } = &send.event else { unreachable!("matched above") };
                let name = self.linker.operation_name(*operation);
                self.refuse(format!("{name} is outside: it cannot answer within a transaction; send it"), span)
            }
            kind => self.stmt(&hir::Stmt { kind: kind.clone(), span }),
        }
    }

    fn call(&mut self, call: &HandlerCall, result: Option<patternc_program::Slot>) -> Stmt {
        let (target, args) = (self.expr(&call.target), self.exprs(&call.args));
        match self.linker.callable(call.handler) {
            Callable::Handler(handler) => Stmt::Call { result, target, handler, args, at: self.at(call.span) },
            Callable::Saga(_) => {
                self.refuse(format!("the saga {} is sent, never called", self.linker.handler_name(call.handler)), call.span)
            }
        }
    }

    fn write(&mut self, write: &Write, span: Span) -> Stmt {
        match self.write_or_refuse(write, span) {
            Ok(stmt) => stmt,
            Err(Refused(why)) => self.refuse(why, span),
        }
    }

    fn write_or_refuse(&mut self, write: &Write, span: Span) -> Result<Stmt, Refused> {
        let at = self.at(span);
        let (of, cell) = match self.linker.cell(write.cell) {
            CellRef::Stored(of, cell) => (of, cell),
            CellRef::Derived(..) => {
                return Err(Refused(format!("{} is derived: it cannot be written", self.linker.cell_name(write.cell))));
            }
        };
        let ty = &self.linker.record_sig(write.cell.record).cells[write.cell.index as usize].ty;
        let record = self.expr(&write.record);
        let key = self.option(write.key.as_ref());
        let wrong = |what: &str| Refused(format!("{} cannot be {what}", self.linker.cell_name(write.cell)));
        Ok(match (&write.op, key) {
            (WriteOp::Assign { op: AssignOp::Set, value }, None) => Stmt::SetCell { record, of, cell, value: self.expr(value), at },
            (WriteOp::Assign { op: AssignOp::Set, value }, Some(key)) => {
                Stmt::SetEntry { record, of, cell, key, value: self.expr(value), at }
            }
            (WriteOp::Assign { op, value }, None) => {
                let op = change(*op, ty).ok_or_else(|| wrong("added to or taken from"))?;
                Stmt::ChangeCell { record, of, cell, op, value: self.expr(value), at }
            }
            (WriteOp::Assign { op, value }, Some(key)) => {
                let Ty::Map(_, entry) = ty else { return Err(wrong("written by key: it is no Map")) };
                let op = change(*op, entry).ok_or_else(|| wrong("added to or taken from"))?;
                Stmt::ChangeEntry { record, of, cell, key, op, value: self.expr(value), at }
            }
            (WriteOp::Delete, Some(key)) => Stmt::RemoveEntry { record, of, cell, key, at },
            (WriteOp::Delete, None) => return Err(wrong("deleted: only records and entries of Maps can")),
        })
    }
}

/// What `+=` or `-=` does to a cell or entry of this type.
fn change(op: AssignOp, ty: &Ty) -> Option<Change> {
    Some(match (op, ty) {
        (AssignOp::Add, Ty::Int) => Change::AddInt,
        (AssignOp::Sub, Ty::Int) => Change::SubInt,
        (AssignOp::Add, Ty::Float | Ty::Duration | Ty::Time) => Change::AddValue,
        (AssignOp::Sub, Ty::Float | Ty::Duration | Ty::Time) => Change::SubValue,
        (AssignOp::Add, Ty::Text) => Change::Concat,
        (AssignOp::Add, Ty::List(_)) => Change::Append,
        (AssignOp::Sub, Ty::List(_)) => Change::RemoveFirst,
        (AssignOp::Add, Ty::Set(_)) => Change::Insert,
        (AssignOp::Sub, Ty::Set(_)) => Change::Remove,
        _ => return None,
    })
}
