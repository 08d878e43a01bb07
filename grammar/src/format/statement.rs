//! Statements and blocks.

use super::{Gap, Printer};
use crate::format::layout::Piece;
use crate::syntax::*;

impl Printer<'_> {
    /// `{ … }` of statements, in a group of its own.
    pub(super) fn block(&mut self, block: &Block) {
        self.layout.open();
        self.block_lines(block);
        self.layout.close();
    }

    /// `{ … }` of statements, in the group at hand.
    fn block_lines(&mut self, block: &Block) {
        self.lines(&block.stmts, Gap::Next, false, Self::stmt);
    }

    /// The `@allow`s up to the start of what they belong to, each on its own line.
    pub(super) fn allows_before(&mut self, start: u32) {
        while self.start() < start && self.sees("@") {
            self.layout.force();
            self.tok();
            self.tok();
            let Some(mate) = self.token().map(|token| token.mate as usize) else { return };
            let end = self.tokens[mate].end;
            while self.start() < end && self.at < self.tokens.len() {
                let comma = self.sees(",");
                if comma && self.at + 1 == mate {
                    self.skip();
                    continue;
                }
                self.tok();
                if comma {
                    self.gap(Gap::Space);
                }
            }
            self.gap(Gap::First);
        }
    }

    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        self.allows_before(stmt.span.start);
        match &stmt.kind {
            StmtKind::Let { ty, value, otherwise, .. } => {
                self.layout.open();
                self.tok();
                self.word();
                if let Some(ty) = ty {
                    self.tok();
                    self.gap(Gap::Space);
                    self.ty(ty);
                }
                self.word();
                self.gap(Gap::Space);
                self.expr(value);
                if let Some(otherwise) = otherwise {
                    self.layout.push(Piece::Indent);
                    self.gap(Gap::Line);
                    self.tok();
                    self.gap(Gap::Space);
                    self.stmt(otherwise);
                    self.layout.push(Piece::Dedent);
                }
                self.layout.close();
            }
            StmtKind::Assign { target, value, .. } => {
                self.expr(target);
                self.gap(Gap::Space);
                self.rest(value.span.start);
                self.gap(Gap::Space);
                self.expr(value);
            }
            StmtKind::Delete(value) | StmtKind::Fail(value) | StmtKind::Advance(value) | StmtKind::Order(value) => {
                self.tok();
                self.gap(Gap::Space);
                self.expr(value);
            }
            StmtKind::Require { cond, message } => {
                self.layout.open();
                self.tok();
                self.gap(Gap::Space);
                self.expr(cond);
                if let Some(message) = message {
                    self.layout.push(Piece::Indent);
                    self.gap(Gap::Line);
                    self.tok();
                    self.gap(Gap::Space);
                    self.expr(message);
                    self.layout.push(Piece::Dedent);
                }
                self.layout.close();
            }
            StmtKind::If(it) => {
                self.layout.open();
                self.if_stmt(it);
                self.layout.close();
            }
            StmtKind::For { key, iter, body, .. } => {
                self.tok();
                self.word();
                if key.is_some() {
                    self.tok();
                    self.word();
                }
                self.word();
                self.gap(Gap::Space);
                self.expr(iter);
                self.gap_before_brace();
                self.block(body);
            }
            StmtKind::Match { subject, arms } => {
                self.tok();
                self.gap(Gap::Space);
                self.expr(subject);
                self.gap_before_brace();
                self.layout.open();
                self.lines(arms, Gap::Next, true, Self::stmt_arm);
                self.layout.close();
            }
            StmtKind::Return(value) => {
                self.tok();
                if let Some(value) = value {
                    self.gap(Gap::Space);
                    self.expr(value);
                }
            }
            StmtKind::Send(send) => self.send(send),
            StmtKind::Try { body, catch, .. } => {
                self.layout.open();
                self.tok();
                self.gap(Gap::Space);
                self.block_lines(body);
                self.word();
                self.word();
                self.gap(Gap::Space);
                self.block_lines(catch);
                self.layout.close();
            }
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Expect(value) => {
                self.tok();
                self.gap(Gap::Space);
                self.expr(value);
            }
            StmtKind::ExpectFail { call, with, .. } => {
                self.layout.open();
                self.tok();
                self.word();
                self.gap(Gap::Space);
                self.stmt(call);
                self.layout.push(Piece::Indent);
                while self.start() < stmt.span.end && (self.sees("with") || self.sees("kind")) {
                    self.gap(Gap::Line);
                    let value = with.as_ref().filter(|_| self.sees("with"));
                    self.tok();
                    self.gap(Gap::Space);
                    match value {
                        Some(value) => self.expr(value),
                        None => self.tok(),
                    }
                }
                self.layout.push(Piece::Dedent);
                self.layout.close();
            }
            StmtKind::Concurrently { times, body } => {
                self.tok();
                self.gap(Gap::Space);
                if let Some(times) = times {
                    self.expr(times);
                    self.gap_before_brace();
                }
                self.block(body);
            }
            StmtKind::Hold(body) => {
                self.tok();
                self.gap(Gap::Space);
                self.block(body);
            }
            StmtKind::Crash | StmtKind::Error => self.tok(),
            StmtKind::Given(given) => self.given(given),
            StmtKind::As { caller, body } => {
                self.tok();
                self.gap(Gap::Space);
                self.expr(caller);
                self.gap_before_brace();
                self.block(body);
            }
            StmtKind::Reconcile { scope, .. } => {
                self.tok();
                self.word();
                if self.start() < stmt.span.end && self.sees("(") {
                    self.list(scope.as_slice(), Gap::Soft, Self::expr);
                }
            }
        }
        if self.start() < stmt.span.end {
            self.gap(Gap::Space);
            self.rest(stmt.span.end);
        }
    }

    /// An `if` with all of its `else`, in the group at hand: they break together.
    fn if_stmt(&mut self, it: &If) {
        self.tok();
        self.gap(Gap::Space);
        self.cond(&it.cond);
        self.gap_before_brace();
        self.block_lines(&it.then);
        if let Some(otherwise) = &it.otherwise {
            self.word();
            self.gap(Gap::Space);
            match otherwise {
                Else::Block(body) => self.block_lines(body),
                Else::If(inner) => self.if_stmt(inner),
            }
        }
    }

    fn stmt_arm(&mut self, arm: &StmtArm) {
        self.pattern(&arm.pattern);
        self.word();
        self.gap(Gap::Space);
        if self.sees("{") {
            self.block(&arm.body);
        } else {
            if let Some(stmt) = arm.body.stmts.first() {
                self.stmt(stmt);
            }
            self.layout.push(Piece::Word(","));
        }
    }

    fn send(&mut self, send: &Send) {
        self.tok();
        if send.answer {
            self.word();
        }
        self.gap(Gap::Space);
        self.expr(&send.event);
        while self.start() < send.span.end {
            if let Some(after) = send.after.as_ref().filter(|_| self.sees("after")) {
                self.word();
                self.gap(Gap::Space);
                self.expr(after);
            } else if self.sees("then") {
                self.word();
                self.gap(Gap::Space);
                let mut arms: Vec<&SendArm> = send.ok.iter().chain(&send.err).collect();
                arms.sort_by_key(|arm| arm.span.start);
                // Of several `then` each has its own.
                let end = self.token().map_or(0, |token| self.tokens[token.mate as usize].end);
                arms.retain(|arm| arm.span.start >= self.start() && arm.span.end <= end);
                self.layout.open();
                self.lines(&arms, Gap::Next, false, |this, arm| {
                    this.tok();
                    this.list(arm.param.as_slice(), Gap::Soft, |this, _| this.tok());
                    this.word();
                    this.gap(Gap::Space);
                    this.block(&arm.body);
                });
                self.layout.close();
            } else {
                self.gap(Gap::Space);
                self.rest(send.span.end);
            }
        }
    }

    fn given(&mut self, given: &Given) {
        self.tok();
        self.word();
        self.tok();
        self.tok();
        if self.sees("(") {
            self.list(&given.params, Gap::Soft, |this, _| this.tok());
        }
        self.word();
        self.gap(Gap::Space);
        match &given.answer {
            Answer::Value(value) => self.expr(value),
            Answer::Fails { message, times } => {
                self.expr(message);
                if let Some(times) = times {
                    self.gap(Gap::Space);
                    self.expr(times);
                    self.word();
                }
            }
        }
    }
}
