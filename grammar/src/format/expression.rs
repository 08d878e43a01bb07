//! Expressions.

use super::{Gap, Printer};
use crate::format::layout::Piece;
use crate::syntax::*;

impl Printer<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) {
        self.rest(expr.span.start);
        if self.is_bracketed(expr.span) {
            let mate = self.tokens[self.at].mate as usize;
            self.bracketed(expr, mate);
        } else {
            self.unbracketed(expr);
        }
    }

    /// An expression in brackets of its own, which end at the token `mate`.
    fn bracketed(&mut self, expr: &Expr, mate: usize) {
        self.layout.open();
        self.tok();
        self.layout.push(Piece::Indent);
        self.gap(Gap::Soft);
        let inner = self.token().map_or(0, |token| token.mate as usize);
        if self.sees("(") && inner + 1 == mate {
            self.bracketed(expr, inner);
        } else {
            self.unbracketed(expr);
        }
        self.gap(Gap::Soft);
        self.layout.push(Piece::Dedent);
        self.tok();
        self.layout.close();
    }

    fn unbracketed(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::True
            | ExprKind::False
            | ExprKind::None
            | ExprKind::Float(_)
            | ExprKind::Text(_)
            | ExprKind::Interpolation(_)
            | ExprKind::Duration(_)
            | ExprKind::SelfRef
            | ExprKind::Name(_)
            | ExprKind::TypeName(_)
            | ExprKind::Error => self.tok(),
            ExprKind::Int(_) => {
                // The lowest number has its sign with it.
                if self.sees("-") {
                    self.tok();
                }
                self.tok();
            }
            ExprKind::List(values) => self.list(values, Gap::Soft, Self::expr),
            ExprKind::Set(values) => {
                self.tok();
                self.list(values, Gap::Soft, Self::expr);
            }
            ExprKind::Map(entries) => {
                self.tok();
                self.list(entries, Gap::Soft, |this, (key, value)| {
                    this.expr(key);
                    this.tok();
                    this.gap(Gap::Space);
                    this.expr(value);
                });
            }
            ExprKind::Struct { spread, fields, .. } => {
                self.tok();
                self.gap(Gap::Space);
                self.fields(spread.as_deref(), fields, Gap::Line);
            }
            ExprKind::Variant { fields, .. } => {
                self.tok();
                self.tok();
                self.tok();
                self.fields(None, fields, Gap::Soft);
            }
            ExprKind::Create { space, fields, .. } => {
                self.tok();
                self.word();
                if let Some(space) = space {
                    self.word();
                    self.gap(Gap::Space);
                    self.space_expr(space);
                }
                self.gap(Gap::Space);
                self.fields(None, fields, Gap::Line);
            }
            ExprKind::Field { .. } | ExprKind::Index { .. } | ExprKind::Method { .. } => self.chain(expr),
            ExprKind::Call { args, .. } => {
                self.tok();
                self.args(args);
            }
            ExprKind::Unary { op, operand } => {
                self.tok();
                // Two signs that touch would look like another operator.
                if *op == UnaryOp::Neg && self.sees("-") {
                    self.gap(Gap::Space);
                }
                self.expr(operand);
            }
            ExprKind::Binary { .. } => self.binary(expr),
            ExprKind::If { .. } => {
                self.layout.open();
                self.if_expr(expr);
                self.layout.close();
            }
            ExprKind::Match { subject, arms } => {
                self.tok();
                self.gap(Gap::Space);
                self.expr(subject);
                self.gap(Gap::Space);
                self.expr_arms(arms);
            }
            ExprKind::Block { .. } => {
                self.layout.open();
                self.value_block(expr);
                self.layout.close();
            }
            ExprKind::Lambda { params, body } => {
                if self.sees("(") {
                    self.list(params, Gap::Soft, |this, _| this.tok());
                } else {
                    self.tok();
                }
                self.word();
                // Behind a comment it begins a line.
                if self.has_comment_before(body.span.start) {
                    self.layout.open();
                    self.layout.push(Piece::Indent);
                    self.gap(Gap::Space);
                    self.expr(body);
                    self.layout.push(Piece::Dedent);
                    self.layout.close();
                } else {
                    self.gap(Gap::Space);
                    self.expr(body);
                }
            }
        }
    }

    fn space_expr(&mut self, space: &SpaceExpr) {
        match space {
            SpaceExpr::Named { key, .. } => {
                // A name or an index may stand in brackets.
                let mut brackets = 0;
                while self.sees("(") {
                    self.tok();
                    brackets += 1;
                }
                self.tok();
                if let Some(key) = key {
                    while self.sees(")") && brackets > 0 {
                        self.tok();
                        brackets -= 1;
                    }
                    self.list(std::slice::from_ref(key), Gap::Soft, Self::expr);
                }
                for _ in 0..brackets {
                    self.tok();
                }
            }
            SpaceExpr::Of(expr) => self.expr(expr),
        }
    }

    /// The fields of a struct, a variant or a record between their brackets.
    fn fields(&mut self, spread: Option<&Expr>, fields: &[FieldInit], edge: Gap) {
        enum Part<'a> {
            Spread(&'a Expr),
            Field(&'a FieldInit),
        }
        let parts: Vec<Part> = spread.map(Part::Spread).into_iter().chain(fields.iter().map(Part::Field)).collect();
        self.list(&parts, edge, |this, part| match part {
            Part::Spread(value) => {
                this.tok();
                this.expr(value);
            }
            Part::Field(field) => {
                this.tok();
                this.tok();
                this.gap(Gap::Space);
                this.expr(&field.value);
            }
        });
    }

    /// The arguments of a call. One that has brackets of its own shares the lines with those of the call.
    pub(super) fn args(&mut self, args: &[Expr]) {
        let [one] = args else { return self.list(args, Gap::Soft, Self::expr) };
        let Some(mate) = self.token().map(|token| token.mate as usize) else { return };
        if !self.ends_in_brackets(one) || self.has_comment_before(self.tokens[mate].start) {
            return self.list(args, Gap::Soft, Self::expr);
        }
        self.tok();
        self.expr(one);
        if self.sees(",") {
            self.skip();
        }
        self.rest(self.tokens[mate].start);
        self.tok();
    }

    /// Whether a comment stands somewhere before a place.
    fn has_comment_before(&self, end: u32) -> bool {
        self.comments.get(self.comment).is_some_and(|comment| comment.start < end)
    }

    /// Whether the lines of this expression, if it takes several, are those between brackets at its end.
    fn ends_in_brackets(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::List(_)
            | ExprKind::Set(_)
            | ExprKind::Map(_)
            | ExprKind::Struct { .. }
            | ExprKind::Variant { .. }
            | ExprKind::Create { .. }
            | ExprKind::Block { .. } => !self.is_bracketed(expr.span),
            ExprKind::Lambda { body, .. } => self.ends_in_brackets(body),
            _ => false,
        }
    }

    /// `base.field.method(args)[index]`.
    fn chain(&mut self, expr: &Expr) {
        let mut links = Vec::new();
        let mut base = expr;
        while let ExprKind::Field { base: next, .. } | ExprKind::Index { base: next, .. } | ExprKind::Method { base: next, .. } = &base.kind
        {
            links.push(base);
            base = next;
            if self.is_bracketed(base.span) {
                break;
            }
        }
        links.reverse();
        let calls = links.iter().filter(|link| matches!(link.kind, ExprKind::Method { .. })).count();
        // Those that stay with the base: cells, and the first call on a type.
        let mut stay = links.iter().take_while(|link| !matches!(link.kind, ExprKind::Method { .. })).count();
        if stay == 0 && matches!(base.kind, ExprKind::TypeName(_)) {
            stay = 1;
        }
        // What a comment stands before is on a line of its own, and so is what follows it.
        let commented = links.iter().position(|link| self.has_comment_before_name(link));
        stay = commented.map_or(stay, |first| first.min(stay));
        let breaks = calls > 1 || commented.is_some();
        if breaks {
            self.layout.open();
        }
        self.expr(base);
        for (index, link) in links.iter().enumerate() {
            if breaks && index == stay {
                self.layout.push(Piece::Indent);
            }
            if breaks && index >= stay && (matches!(link.kind, ExprKind::Method { .. }) || self.has_comment_before_name(link)) {
                self.gap(Gap::Soft);
            }
            match &link.kind {
                ExprKind::Index { index, .. } => self.list(std::slice::from_ref(&**index), Gap::Soft, Self::expr),
                ExprKind::Method { args, .. } => {
                    self.tok();
                    self.tok();
                    self.args(args);
                }
                _ => {
                    self.tok();
                    self.tok();
                }
            }
        }
        if breaks {
            self.layout.push(Piece::Dedent);
            self.layout.close();
        }
    }

    /// Whether a comment stands before the `.name` of a link.
    fn has_comment_before_name(&self, link: &Expr) -> bool {
        let (ExprKind::Field { name, .. } | ExprKind::Method { name, .. }) = &link.kind else { return false };
        let index = self.tokens.partition_point(|token| token.start < name.span.start);
        let [before, dot] = [2, 1].map(|back| index.checked_sub(back).map(|at| self.tokens[at]));
        let (Some(before), Some(dot)) = (before, dot) else { return false };
        let first = self.comments.partition_point(|comment| comment.start < before.end);
        self.comments.get(first).is_some_and(|comment| comment.start < dot.start)
    }

    /// Operators that bind equally, each at the start of its line where they break; but `-`, which would begin a statement there, at the
    /// end.
    fn binary(&mut self, expr: &Expr) {
        let ExprKind::Binary { op: last_op, .. } = &expr.kind else { return };
        let level = precedence(*last_op);
        let mut rights = Vec::new();
        let mut left = expr;
        while let ExprKind::Binary { op, left: next, right, op_span } = &left.kind
            && precedence(*op) == level
            && (left.span == expr.span || !self.is_bracketed(left.span))
        {
            rights.push((*op, *op_span, &**right));
            left = next;
        }
        rights.reverse();
        self.layout.open();
        // What stands in brackets has been entered already.
        self.expr(left);
        self.layout.push(Piece::Indent);
        for (op, op_span, right) in rights {
            let minus = op == BinaryOp::Sub;
            self.gap(if minus { Gap::Space } else { Gap::Line });
            self.touching(op_span.end);
            self.gap(if minus { Gap::Line } else { Gap::Space });
            self.expr(right);
        }
        self.layout.push(Piece::Dedent);
        self.layout.close();
    }

    /// `if c { a } else { b }`, in a group of its own.
    fn if_expr(&mut self, expr: &Expr) {
        let ExprKind::If { cond, then, otherwise } = &expr.kind else { return };
        self.tok();
        self.gap(Gap::Space);
        self.cond(cond);
        self.gap_before_brace();
        self.value_block(then);
        if let Some(otherwise) = otherwise {
            self.word();
            self.gap(Gap::Space);
            match &otherwise.kind {
                ExprKind::If { .. } => self.if_expr(otherwise),
                _ => self.value_block(otherwise),
            }
        }
    }

    pub(super) fn cond(&mut self, cond: &Cond) {
        // Where a condition takes several lines, they are told from those of the block.
        self.layout.push(Piece::Indent);
        match cond {
            Cond::Expr(value) => self.expr(value),
            Cond::Let { value, .. } => {
                self.tok();
                self.word();
                self.word();
                self.gap(Gap::Space);
                self.expr(value);
            }
        }
        self.layout.push(Piece::Dedent);
    }

    /// Before a block. A type before it on another line stays there, or the two would be a struct.
    pub(super) fn gap_before_brace(&mut self) {
        let before = self.at.checked_sub(1).map(|at| self.tokens[at]);
        let is_type = before.is_some_and(|token| self.text.as_bytes()[token.start as usize].is_ascii_uppercase());
        let fresh = self.token().is_some_and(|token| token.fresh);
        self.gap(if is_type && fresh { Gap::First } else { Gap::Space });
    }

    /// `{ let … value }`, in the group at hand.
    pub(super) fn value_block(&mut self, expr: &Expr) {
        let ExprKind::Block { lets, value, .. } = &expr.kind else { return self.expr(expr) };
        enum Part<'a> {
            Let(&'a Stmt),
            Value(&'a Expr),
        }
        let parts: Vec<Part> = lets.iter().map(Part::Let).chain(value.as_deref().map(Part::Value)).collect();
        self.lines(&parts, Gap::Next, false, |this, part| match part {
            Part::Let(stmt) => this.stmt(stmt),
            Part::Value(value) => {
                // An `@allow` may stand before it.
                this.allows_before(value.span.start);
                this.expr(value);
            }
        });
    }

    fn expr_arms(&mut self, arms: &[ExprArm]) {
        self.layout.open();
        let Some(mate) = self.token().map(|token| token.mate as usize) else { return };
        self.tok();
        if self.at == mate {
            self.nothing_between(true);
            self.layout.close();
            return;
        }
        if self.is_open_on_its_own_line() {
            self.layout.force();
        }
        self.layout.push(Piece::Indent);
        self.gap(Gap::Line);
        for (index, arm) in arms.iter().enumerate() {
            let last = index + 1 == arms.len();
            self.pattern(&arm.pattern);
            self.word();
            self.gap(Gap::Space);
            let block = self.sees("{");
            self.expr(&arm.value);
            if self.sees(",") {
                self.skip();
            }
            if !block {
                self.layout.push(if last { Piece::Comma } else { Piece::Word(",") });
            }
            if !last {
                self.between_parts(true);
            }
        }
        self.rest(self.tokens[mate].start);
        self.gap(Gap::Line);
        self.layout.push(Piece::Dedent);
        self.tok();
        self.layout.close();
    }

    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Variant { fields, .. } => {
                self.tok();
                self.tok();
                self.tok();
                if self.start() < pattern.span.end && self.sees("(") {
                    self.list(fields, Gap::Soft, Self::pattern);
                }
            }
            PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Literal(_) => self.touching(pattern.span.end),
        }
    }
}

/// How tightly an operator binds.
fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::In => 3,
        BinaryOp::Coalesce => 4,
        BinaryOp::Add | BinaryOp::Sub => 5,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => 6,
    }
}
