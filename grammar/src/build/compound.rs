//! Expressions made of blocks: `{ … }`, `if`, `match`.

use super::{Builder, ELSE_IFS, MAX_HEIGHT};
use crate::habits::Place;
use crate::parse::Rule;
use crate::syntax::*;

impl Builder<'_> {
    /// `{ let … value }`.
    pub(super) fn expr_block(&mut self) -> Expr {
        let inside = self.enter();
        let mut lets = Vec::new();
        let mut value: Option<Box<Expr>> = None;
        let mut of_value = Vec::new();
        let mut allows = Vec::new();
        let mut height = 0;
        let mut before_start = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            match rule {
                Rule::allow => allows.push(self.allow()),
                Rule::value => {
                    let inside = self.enter();
                    let expr = self.expr();
                    self.leave_open(inside);
                    height = height.max(self.height);
                    of_value = std::mem::take(&mut allows);
                    if let Some(before) = value.replace(Box::new(expr)) {
                        self.not_in_value_block(before.span);
                    }
                }
                _ => {
                    let errors = self.errors.len();
                    let Some(mut stmt) = self.stmt(Place::ValueBlock, before_start) else {
                        continue;
                    };
                    height = height.max(self.height);
                    stmt.allows = std::mem::take(&mut allows);
                    if let (Some(before), true) = (value.take(), self.errors.len() == errors) {
                        self.not_in_value_block(before.span);
                    }
                    lets.push(stmt);
                }
            }
            before_start = Some(start);
        }
        self.allows_of_nothing(allows);
        self.height = height + 1;
        Expr { kind: ExprKind::Block { lets, value, allows: of_value }, span: self.leave_closed(inside) }
    }

    fn not_in_value_block(&mut self, span: Span) {
        self.wrong(
            span,
            "the value of this expression is not used",
            "such a block consists of `let`s and, at its end, one expression: its value",
        );
    }

    pub(super) fn if_expr(&mut self) -> Expr {
        let inside = self.enter();
        let mut height = 0;
        let mut links: Vec<(Cond, Expr, u32)> = Vec::new();
        let mut last: Option<Expr> = None;
        let cond = self.cond();
        height = height.max(self.height);
        let then = self.expr_block();
        height = height.max(self.height);
        links.push((cond, then, inside.token.start));
        while let Some(rule) = self.peek() {
            if last.is_some() {
                let span = self.token_span(self.tokens[self.at]);
                self.leaf();
                self.wrong(span, "an `if` has one `else`", "the first `else` without `if` is the last");
            } else if rule == Rule::expr_block {
                last = Some(self.expr_block());
            } else {
                let link = self.enter();
                let cond = self.cond();
                height = height.max(self.height);
                let then = self.expr_block();
                self.leave(&link);
                links.push((cond, then, link.token.start));
            }
            height = height.max(self.height);
        }
        self.leave(&inside);
        let start = inside.token.start;
        self.height = height + links.len() as u32;
        let span = self.span(start, self.last);
        if self.height > MAX_HEIGHT {
            let what = if links.len() as u32 > MAX_HEIGHT { ELSE_IFS } else { "this has more parts one inside the other" };
            self.too_high(span, what);
            self.height = 0;
            return Expr { kind: ExprKind::Error, span };
        }
        for (cond, then, start) in links.into_iter().rev() {
            let span = Span { start: self.place(start), end: span.end };
            let kind = ExprKind::If { cond: Box::new(cond), then: Box::new(then), otherwise: last.take().map(Box::new) };
            last = Some(Expr { kind, span });
        }
        last.expect("an `if` has at least one condition")
    }

    pub(super) fn match_expr(&mut self) -> Expr {
        let inside = self.enter();
        let subject = Box::new(self.expr());
        let mut height = self.height;
        let mut arms = Vec::new();
        let mut before = None;
        while let Some(rule) = self.peek() {
            if rule != Rule::expr_arm {
                self.lost(Place::ExprArms, before);
                continue;
            }
            let inside = self.enter();
            before = Some(inside.token.start);
            let pattern = self.pattern();
            let value = self.expr();
            height = height.max(self.height);
            let span = pattern.span.to(value.span);
            self.leave_open(inside);
            arms.push(ExprArm { pattern, value, span });
        }
        self.height = height + 1;
        Expr { kind: ExprKind::Match { subject, arms }, span: self.leave_closed(inside) }
    }
}
