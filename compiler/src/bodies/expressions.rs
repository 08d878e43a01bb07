//! Expressions: their types, found from the inside out; where a type is wanted, [`Checker::check`] comes first.

use patternc_grammar::syntax::{self as syn, Ident, Span, StmtKind as SynStmt};

use crate::hir::{Block, Expr, ExprKind, LocalKind, Pattern, Stmt, StmtKind, TextPart};
use crate::types::Ty;

use super::checker::Checker;
use super::expect::{Role, Want, open};
use super::places::{optional, unwrap};

/// An expression that could not be understood; an error was reported.
pub(super) fn error_expr(span: Span) -> Expr {
    Expr { kind: ExprKind::Error, ty: Ty::Error, span }
}

impl Checker<'_> {
    /// The value of an expression.
    pub fn expr(&mut self, expr: &syn::Expr) -> Expr {
        use syn::ExprKind as S;
        let span = expr.span;
        let plain = |kind, ty| Expr { kind, ty, span };
        match &expr.kind {
            S::True => plain(ExprKind::Bool(true), Ty::Bool),
            S::False => plain(ExprKind::Bool(false), Ty::Bool),
            S::None => plain(ExprKind::None, Ty::None),
            S::Int(value) => plain(ExprKind::Int(*value), Ty::Int),
            S::Float(value) => plain(ExprKind::Float(*value), Ty::Float),
            S::Text(value) => plain(ExprKind::Text(value.clone()), Ty::Text),
            S::Duration(value) => plain(ExprKind::Duration(*value), Ty::Duration),
            S::Interpolation(parts) => {
                let parts = parts.iter().map(|part| match part {
                    syn::TextPart::Text(text) => TextPart::Text(text.clone()),
                    syn::TextPart::Expr(expr) => TextPart::Expr(self.printable(expr)),
                });
                plain(ExprKind::Interpolation(parts.collect()), Ty::Text)
            }
            S::SelfRef => self.self_ref(span),
            S::Name(name) => self.name(*name),
            S::TypeName(name) => self.bare_type(*name),
            S::List(items) => {
                let (items, ty) = self.items(items);
                plain(ExprKind::List(items), Ty::List(ty.into()))
            }
            S::Set(items) => {
                let (items, ty) = self.items(items);
                plain(ExprKind::Set(items), Ty::Set(ty.into()))
            }
            S::Map(entries) => {
                let mut key_ty = Ty::Unknown;
                let mut value_ty = Ty::Unknown;
                let mut made = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    made.push((self.item(key, &mut key_ty), self.item(value, &mut value_ty)));
                }
                plain(ExprKind::Map(made), Ty::Map(key_ty.into(), value_ty.into()))
            }
            S::Struct { name, spread, fields } => match self.type_name(*name, "struct") {
                Some(id) => self.structure_literal(id, *name, spread.as_deref(), fields, None, span),
                None => {
                    self.fields_of_nothing(spread.as_deref(), fields);
                    error_expr(span)
                }
            },
            S::Variant { of, variant, fields } => match self.type_name(*of, "enum") {
                Some(id) => self.variant_by_name(id, *variant, fields, None, span),
                None => {
                    self.fields_of_nothing(None, fields);
                    error_expr(span)
                }
            },
            S::Create { record, space, fields } => self.create_expr(*record, space.as_deref(), fields, span),
            S::Field { base, name, optional } => self.field(base, *name, *optional, span),
            S::Index { base, index } => self.index(base, index, span),
            S::Method { .. } | S::Call { .. } => {
                let called = self.called(expr);
                self.value_of(called)
            }
            S::Unary { op, operand } => self.unary(*op, operand, span),
            S::Binary { op, left, right, op_span } => self.binary(*op, left, right, *op_span, span),
            S::If { cond, then, otherwise } => self.if_expr(span, cond, then, otherwise.as_deref(), None),
            S::Match { subject, arms } => self.match_expr(span, subject, arms, None),
            S::Block { lets, value, .. } => self.block_expr(span, lets, value.as_deref(), None),
            S::Lambda { .. } => {
                let finding = self
                    .error("wrong-arguments", span, "a lambda is no value: it stands only where a method takes one")
                    .help("give it to a method, as in `xs.map(x => …)`; what should have a name is a `fn`");
                self.push(finding);
                error_expr(span)
            }
            S::Error => error_expr(span),
        }
    }

    /// A value that can be put into a text.
    fn printable(&mut self, expr: &syn::Expr) -> Expr {
        let value = self.expr(expr);
        if matches!(value.ty, Ty::Unit | Ty::SagaResult(..)) {
            let found = self.quoted(&value.ty);
            let finding = self.error("type-mismatch", value.span, format!("a text cannot show {found}"));
            self.push(finding);
        }
        value
    }

    fn bare_type(&mut self, name: Ident) -> Expr {
        if self.type_name(name, "type").is_some() {
            let finding = self
                .error("type-mismatch", name.span, format!("`{}` is a type, not a value", name.name))
                .help(format!("`{0}.all` are all of a record type, `{0}[key]` finds one, `{0}.variant` is a value of an enum", name.name));
            self.push(finding);
        }
        error_expr(name.span)
    }

    fn items(&mut self, items: &[syn::Expr]) -> (Vec<Expr>, Ty) {
        let mut ty = Ty::Unknown;
        let items = items.iter().map(|item| self.item(item, &mut ty)).collect();
        (items, ty)
    }

    /// One element of a collection whose elements were `ty` so far.
    fn item(&mut self, item: &syn::Expr, ty: &mut Ty) -> Expr {
        let made = self.expr(item);
        match self.join(ty, &made.ty) {
            Some(joined) => {
                *ty = joined;
                made
            }
            None => self.coerce(made, Want::new(&ty.clone(), Role::Element, item.span)),
        }
    }

    /// `if c { a } else { b }` as an expression.
    pub fn if_expr(
        &mut self,
        span: Span,
        cond: &syn::Cond,
        then: &syn::Expr,
        otherwise: Option<&syn::Expr>,
        want: Option<Want<'_>>,
    ) -> Expr {
        let mark = self.enter();
        let (test, bound) = match cond {
            syn::Cond::Expr(cond) => (self.condition(cond, "if"), None),
            syn::Cond::Let { name, value } => {
                let (value, ty) = self.present(value, "if let");
                (value, Some(self.declare(*name, ty, LocalKind::Bound)))
            }
        };
        if bound.is_none() {
            self.narrow(&test);
        }
        let then = self.branch(then, want);
        self.leave(mark);
        let Some(otherwise) = otherwise else {
            let finding = self
                .error("type-mismatch", span, "this `if` gives no value when its condition is false")
                .help("as an expression, `if` needs an `else`");
            self.push(finding);
            return Expr { kind: ExprKind::Error, ty: self.escape(then.ty, mark.locals), span };
        };
        let otherwise = self.branch(otherwise, want);
        let ty = self.branches(&then, &otherwise, want, "the branches of this `if`");
        let ty = self.escape(ty, mark.locals);
        let (test, then, otherwise) = (Box::new(test), Box::new(then), Box::new(otherwise));
        let kind = match bound {
            Some(local) => ExprKind::IfLet { local, value: test, then, otherwise },
            None => ExprKind::If { cond: test, then, otherwise },
        };
        Expr { kind, ty, span }
    }

    fn branch(&mut self, expr: &syn::Expr, want: Option<Want<'_>>) -> Expr {
        match want {
            Some(want) => self.check(expr, want),
            None => self.expr(expr),
        }
    }

    /// The type of what is one of two branches.
    fn branches(&mut self, first: &Expr, other: &Expr, want: Option<Want<'_>>, what: &str) -> Ty {
        if let Some(ty) = self.join_values(first, other) {
            return ty;
        }
        if let Some(want) = want {
            return self.known(want.ty);
        }
        let (left, right) = (self.quoted(&first.ty), self.quoted(&other.ty));
        let finding = self
            .error("type-mismatch", other.span, format!("{what} give {left} and {right}, which have no type in common"))
            .saying(format!("this is {right}"))
            .label(self.at(first.span), format!("this is {left}"));
        self.push(finding);
        first.ty.clone()
    }

    /// A condition of `word`: a Bool that is not always the same.
    pub fn condition(&mut self, expr: &syn::Expr, word: &'static str) -> Expr {
        let cond = self.check(expr, Want::new(&Ty::Bool, Role::Word(word), expr.span));
        self.constant(&cond, word);
        cond
    }

    /// Warns of a condition that has one outcome only.
    fn constant(&mut self, cond: &Expr, word: &str) {
        let always = match &cond.kind {
            ExprKind::Bool(value) => Some(*value),
            ExprKind::Binary { op, left, right } if is_same_place(left, right) => match op {
                syn::BinaryOp::Eq | syn::BinaryOp::Le | syn::BinaryOp::Ge => Some(true),
                syn::BinaryOp::Ne | syn::BinaryOp::Lt | syn::BinaryOp::Gt => Some(false),
                _ => None,
            },
            _ => None,
        };
        let Some(always) = always else { return };
        let what = match (word, always) {
            ("require" | "expect", true) => format!("this `{word}` always holds, so it tests nothing"),
            ("require" | "expect", false) => format!("this `{word}` never holds, so nothing after it ever runs"),
            (_, always) => format!("this condition is always {always}"),
        };
        let help = match word {
            "expect" if !always => "where this must not be reached, say so: `fail \"…\"`; else let it ask about what can be different",
            "require" | "expect" => "take it away, or let it ask about what can be different",
            _ => "take the condition away, with the branch that never runs, or let it ask about what can be different",
        };
        let finding = self.warn("constant-condition", cond.span, what).saying(format!("always {always}")).help(help);
        self.push(finding);
    }

    /// A value that may be `none`, and its type when it is not.
    pub fn present(&mut self, value: &syn::Expr, word: &str) -> (Expr, Ty) {
        let value = self.expr(value);
        let ty = self.present_type(&value, word);
        (value, ty)
    }

    /// The type of a value when it is not `none`; one that never is `none` is warned of.
    pub fn present_type(&mut self, value: &Expr, word: &str) -> Ty {
        let (inner, was_optional) = unwrap(&value.ty);
        if !was_optional && !matches!(value.ty, Ty::Error | Ty::Unknown | Ty::Unit) {
            let found = self.quoted(&value.ty);
            let what = if value.ty == Ty::None { "is always `none`" } else { "is never `none`" };
            let finding = self
                .warn("constant-condition", value.span, format!("this {what}, so `{word}` has one outcome only"))
                .saying(format!("{found}, which {what}"))
                .help("write a plain `let`");
            self.push(finding);
        }
        if value.ty == Ty::None { Ty::Unknown } else { inner.clone() }
    }

    /// `match` as an expression.
    pub fn match_expr(&mut self, span: Span, subject: &syn::Expr, arms: &[syn::ExprArm], want: Option<Want<'_>>) -> Expr {
        let mark = self.enter();
        let subject = self.expr(subject);
        let mut left = subject.ty.clone();
        let mut made: Vec<(Pattern, Expr)> = Vec::with_capacity(arms.len());
        let mut ty = Ty::Unknown;
        for arm in arms {
            let arm_mark = self.enter();
            let pattern = self.pattern(&arm.pattern, &left);
            let value = self.branch(&arm.value, want);
            self.leave(arm_mark);
            match (self.join(&ty, &value.ty), made.last()) {
                (Some(joined), _) => ty = joined,
                (None, Some(_)) if want.is_none() => {
                    let wanted = self.known(&ty);
                    let (left, right) = (self.quoted(&wanted), self.quoted(&value.ty));
                    let finding = self
                        .error("type-mismatch", value.span, format!("the arms of this `match` give {left} and {right}"))
                        .saying(format!("this is {right}, the ones before are {left}"));
                    self.push(finding);
                }
                _ => {}
            }
            left = super::patterns::after(&pattern, left);
            made.push((pattern, value));
        }
        let covered: Vec<(&Pattern, Span)> = made.iter().zip(arms).map(|((pattern, _), arm)| (pattern, arm.span)).collect();
        self.cover(&subject, &covered, span, false);
        let ty = self.escape(ty, mark.locals);
        Expr { kind: ExprKind::Match { subject: Box::new(subject), arms: made }, ty, span }
    }

    /// `{ let … expr }`.
    pub fn block_expr(&mut self, span: Span, lets: &[syn::Stmt], value: Option<&syn::Expr>, want: Option<Want<'_>>) -> Expr {
        let mark = self.enter();
        let mut made = Block { stmts: Vec::with_capacity(lets.len()), span };
        self.cx.blocks += 1;
        for stmt in lets {
            if !matches!(stmt.kind, SynStmt::Let { .. } | SynStmt::Error) {
                self.only_lets(stmt);
            }
            self.stmt(stmt, &mut made.stmts);
        }
        self.cx.blocks -= 1;
        let value = match value {
            Some(value) => self.branch(value, want),
            None => {
                if !lets.iter().any(|stmt| matches!(stmt.kind, SynStmt::Error)) {
                    let finding = self
                        .error("type-mismatch", Span { start: span.end.saturating_sub(1), end: span.end }, "this block gives no value")
                        .help("end it with the expression that is its value");
                    self.push(finding);
                }
                error_expr(span)
            }
        };
        self.leave(mark);
        let ty = self.escape(value.ty.clone(), mark.locals);
        if made.stmts.is_empty() {
            return Expr { ty, ..value };
        }
        Expr { kind: ExprKind::Block { lets: made.stmts, value: Box::new(value) }, ty, span }
    }

    /// Reports a statement in a block that stands for a value. What changes something reports itself as impure, better.
    fn only_lets(&mut self, stmt: &syn::Stmt) {
        let reported_there = matches!(stmt.kind, SynStmt::Assign { .. } | SynStmt::Delete(_) | SynStmt::Send(_) | SynStmt::Expr(_));
        if reported_there {
            return;
        }
        let message = "a block that gives a value holds `let`s and then the value, no other statements";
        let finding = self.error("impure-expression", stmt.span, message).help("use `if` and `match` as expressions");
        self.push(finding);
    }

    /// The type of a `let` without a declared one: it must be known.
    pub fn settled(&mut self, ty: &Ty, span: Span) {
        if !open(ty) {
            return;
        }
        let (what, help) = match ty {
            Ty::None => ("what it would be if it were not `none`", "declare it: `let x: T? = none`"),
            _ => ("what its elements are", "declare it: `let x: List<T> = []`"),
        };
        let finding = self.error("type-mismatch", span, format!("nothing here says {what}")).help(help);
        self.push(finding);
    }

    /// Type-checks fields whose struct is not known, for the names in them.
    pub fn fields_of_nothing(&mut self, spread: Option<&syn::Expr>, fields: &[syn::FieldInit]) {
        if let Some(spread) = spread {
            self.expr(spread);
        }
        for field in fields {
            self.expr(&field.value);
        }
    }

    /// A value through `?.`: the part's type, optional if the way to it is.
    pub fn through(&self, ty: Ty, chained: bool) -> Ty {
        if chained { optional(ty) } else { ty }
    }

    /// Reports that `.` goes through something that may be `none`.
    pub fn may_be_none(&mut self, base: &Expr, what: &str) {
        let end = Span { start: base.span.end, end: base.span.end };
        let ty = self.quoted(&base.ty);
        let finding = self.error("type-mismatch", base.span, format!("this may be `none`, which has no {what}")).saying(ty);
        if self.cx.written {
            let way = self.text(base.span).to_owned();
            let finding = finding.help(format!(
                "see first that it is there: `if let x = {way} {{ … }}`, or `let x = {way} else fail \"…\"`; then write through `x`"
            ));
            self.push(finding);
            return;
        }
        let finding = finding.help("use `?.`, give a value for `none` with `??`, or take it apart with `let … else` or `if let`").replace(
            "use `?.`",
            crate::diagnostic::Safety::Unsafe,
            self.file,
            end,
            "?",
        );
        self.push(finding);
    }

    /// A placeholder statement.
    pub fn error_stmt(&self, span: Span) -> Stmt {
        Stmt { kind: StmtKind::Error, span }
    }
}

/// Whether two expressions are the same local or the same cells through it.
fn is_same_place(left: &Expr, right: &Expr) -> bool {
    match (&left.kind, &right.kind) {
        (ExprKind::Local(left), ExprKind::Local(right)) => left == right,
        (ExprKind::SelfRef, ExprKind::SelfRef) => true,
        (ExprKind::Cell { base: left, cell: a, .. }, ExprKind::Cell { base: right, cell: b, .. }) => a == b && is_same_place(left, right),
        (ExprKind::Field { base: left, index: a, .. }, ExprKind::Field { base: right, index: b, .. }) => {
            a == b && is_same_place(left, right)
        }
        _ => false,
    }
}
