//! `!`, `-`, arithmetic, comparison, `in`, `??`, `&&` and `||`.

use patternc_grammar::syntax::{self as syn, BinaryOp, Ident, Span, UnaryOp};

use crate::diagnostic::Safety;
use crate::hir::{Expr, ExprKind};
use crate::resolve::with_article;
use crate::types::Ty;

use super::checker::Checker;
use super::expect::{Role, Want, filled};
use super::expressions::error_expr;
use super::places::{Fit, holds_nothing, unwrap};

/// The operator as written.
pub(super) fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::In => "in",
        BinaryOp::Coalesce => "??",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
    }
}

/// Whether values of the type can be compared with `<`.
pub(super) fn is_ordered(ty: &Ty) -> bool {
    matches!(ty, Ty::Int | Ty::Float | Ty::Text | Ty::Time | Ty::Duration | Ty::Error | Ty::Unknown)
}

impl Checker<'_> {
    pub fn unary(&mut self, op: UnaryOp, operand: &syn::Expr, span: Span) -> Expr {
        let (operand, ty) = match op {
            UnaryOp::Not => (self.check(operand, Want::new(&Ty::Bool, Role::Word("!"), operand.span)), Ty::Bool),
            UnaryOp::Neg => {
                let operand = self.expr(operand);
                if !matches!(operand.ty, Ty::Int | Ty::Float | Ty::Duration | Ty::Error | Ty::Unknown) {
                    let found = self.quoted(&operand.ty);
                    let message = format!("`-` is for Int, Float and Duration, but this is {found}");
                    let finding = self.error("type-mismatch", operand.span, message);
                    self.push(finding);
                    (operand, Ty::Error)
                } else {
                    let ty = operand.ty.clone();
                    (operand, ty)
                }
            }
        };
        Expr { kind: ExprKind::Unary { op, operand: Box::new(operand) }, ty, span }
    }

    pub fn binary(&mut self, op: BinaryOp, left: &syn::Expr, right: &syn::Expr, op_span: Span, span: Span) -> Expr {
        match op {
            BinaryOp::And | BinaryOp::Or => self.logic(op, left, right, span),
            BinaryOp::Eq | BinaryOp::Ne => self.equality(op, left, right, op_span, span),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => self.order(op, left, right, op_span, span),
            BinaryOp::In => self.membership(left, right, span),
            BinaryOp::Coalesce => self.coalesce(left, right, op_span, span),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
                self.arithmetic(op, left, right, op_span, span)
            }
        }
    }

    fn logic(&mut self, op: BinaryOp, left: &syn::Expr, right: &syn::Expr, span: Span) -> Expr {
        let word = symbol(op);
        let left = self.check(left, Want::new(&Ty::Bool, Role::Word(word), left.span));
        let mark = self.enter();
        if op == BinaryOp::And {
            self.narrow(&left);
        }
        let right = self.check(right, Want::new(&Ty::Bool, Role::Word(word), right.span));
        self.leave(mark);
        make(op, left, right, Ty::Bool, span)
    }

    fn equality(&mut self, op: BinaryOp, left: &syn::Expr, right: &syn::Expr, op_span: Span, span: Span) -> Expr {
        if let Some((at, pattern)) = [left, right].into_iter().find_map(|side| self.variant_that_holds(side)) {
            return self.asks_for_variant(op, at, &pattern, [left, right], span);
        }
        let absent = [left, right].map(|side| self.none_elsewhere(side));
        let mut left = self.expr(left);
        let mut right = self.expr(right);
        match absent {
            [None, Some(name)] => self.compares_with_nothing(op, name, &left),
            [Some(name), None] => self.compares_with_nothing(op, name, &right),
            _ => {}
        }
        match self.join(&left.ty, &right.ty) {
            Some(_) => {
                left.ty = filled(&left.ty, &right.ty);
                right.ty = filled(&right.ty, &left.ty);
                self.never_none(op, &left, &right);
            }
            None => {
                let (found, other) = (self.quoted(&left.ty), self.quoted(&right.ty));
                let never = if op == BinaryOp::Eq { "never equal" } else { "always different" };
                let mut finding = self
                    .error("type-mismatch", op_span, format!("{found} and {other} are {never}"))
                    .saying(format!("`{}` needs the same type on both sides", symbol(op)))
                    .label(self.at(left.span), found)
                    .label(self.at(right.span), other);
                finding = self.number_fix(finding, &left, &right);
                finding = match (&left.ty, &right.ty) {
                    (Ty::Enum(of, _), Ty::Text) => self.as_variant(finding, *of, &right),
                    (Ty::Text, Ty::Enum(of, _)) => self.as_variant(finding, *of, &left),
                    _ => finding,
                };
                self.push(finding);
            }
        }
        make(op, left, right, Ty::Bool, span)
    }

    /// A variant that holds something, written alone: where it is, and the pattern that it is matched by.
    fn variant_that_holds(&mut self, side: &syn::Expr) -> Option<(Span, String)> {
        let syn::ExprKind::Field { base, name, .. } = &side.kind else { return None };
        let syn::ExprKind::TypeName(of) = &base.kind else { return None };
        let id = self.names.lookup(of.name)?;
        let variant = self.enumeration(id)?.variants.iter().find(|variant| variant.name == name.name)?;
        let held = vec!["_"; variant.fields.len()].join(", ");
        (!variant.fields.is_empty()).then(|| (side.span, format!("{}.{}({held})", of.name, name.name)))
    }

    /// Reports a comparison that was meant to ask for the variant alone, whatever it holds.
    fn asks_for_variant(&mut self, op: BinaryOp, at: Span, pattern: &str, [left, right]: [&syn::Expr; 2], span: Span) -> Expr {
        let [left, right] = [left, right].map(|side| if side.span == at { error_expr(at) } else { self.expr(side) });
        let (holds, fails) = if op == BinaryOp::Eq { ("true", "false") } else { ("false", "true") };
        let finding = self
            .error(
                "missing-cell",
                at,
                format!("`{}` compares all that a value holds, and of this one only the variant is told", symbol(op)),
            )
            .help(format!("ask for the variant: `match … {{ {pattern} => {holds}, _ => {fails} }}`"));
        self.push(finding);
        make(op, left, right, Ty::Bool, span)
    }

    /// A word such as `null`, where nothing has that name.
    fn none_elsewhere(&self, expr: &syn::Expr) -> Option<Ident> {
        let syn::ExprKind::Name(name) = expr.kind else { return None };
        let is_free = self.local_named(name.name).is_none() && self.names.lookup(name.name).is_none();
        (is_free && patternc_grammar::is_none_elsewhere(&name.name)).then_some(name)
    }

    /// Reports a comparison with `null` of what never is absent: to write `none` for it would be no way out.
    fn compares_with_nothing(&mut self, op: BinaryOp, word: Ident, value: &Expr) {
        if matches!(value.ty, Ty::Optional(_) | Ty::None | Ty::Error | Ty::Unknown) {
            return;
        }
        let found = self.quoted(&value.ty);
        let always = op == BinaryOp::Ne;
        let finding = self
            .error("syntax", word.span, format!("`{}` is not a word of the language", word.name))
            .label(self.at(value.span), format!("{found}, not optional"))
            .help(format!(
                "take the comparison away: {} is never absent, so it would always be {always}",
                with_article(found.trim_matches('`'))
            ));
        self.push(finding);
    }

    /// Warns of comparing with `none` what never is `none`.
    fn never_none(&mut self, op: BinaryOp, left: &Expr, right: &Expr) {
        let (value, _) = match (&left.kind, &right.kind) {
            (_, ExprKind::None) => (left, right),
            (ExprKind::None, _) => (right, left),
            _ => return,
        };
        // `filled` made the type of `none` optional, never that of the value.
        if matches!(value.ty, Ty::Optional(_) | Ty::None | Ty::Error | Ty::Unknown) {
            return;
        }
        let found = self.quoted(&value.ty);
        let always = op == BinaryOp::Ne;
        let finding = self
            .warn("constant-condition", value.span, format!("this is never `none`, so the comparison is always {always}"))
            .saying(format!("{found}, not optional"))
            .help("take the comparison away, or declare what it compares as optional");
        self.push(finding);
    }

    /// Offers to write an Int literal as a Float where the other side is one.
    fn number_fix(&mut self, finding: crate::diagnostic::Diagnostic, left: &Expr, right: &Expr) -> crate::diagnostic::Diagnostic {
        for (number, other) in [(left, right), (right, left)] {
            if number.ty != Ty::Int || other.ty != Ty::Float {
                continue;
            }
            let finding = finding.help("an Int does not become a Float by itself: `.to_float()` makes it one");
            return match number.kind {
                ExprKind::Int(value) => {
                    finding.replace(format!("write `{value}.0`"), Safety::Safe, self.file, number.span, format!("{value}.0"))
                }
                _ => finding,
            };
        }
        finding
    }

    fn order(&mut self, op: BinaryOp, left: &syn::Expr, right: &syn::Expr, op_span: Span, span: Span) -> Expr {
        let left = self.expr(left);
        let right = self.expr(right);
        let same = left.ty == right.ty || matches!(left.ty, Ty::Error | Ty::Unknown) || matches!(right.ty, Ty::Error | Ty::Unknown);
        if !same || !is_ordered(&left.ty) || !is_ordered(&right.ty) {
            let (found, other) = (self.quoted(&left.ty), self.quoted(&right.ty));
            let mut finding = self
                .error("type-mismatch", op_span, format!("`{}` cannot compare {found} with {other}", symbol(op)))
                .saying("compares two Int, Float, Text, Time or Duration")
                .label(self.at(left.span), found)
                .label(self.at(right.span), other);
            if matches!(left.ty, Ty::Optional(_)) || matches!(right.ty, Ty::Optional(_)) {
                finding = finding.help("give a value for `none` first: `(x ?? …)`");
            }
            finding = self.number_fix(finding, &left, &right);
            self.push(finding);
        }
        make(op, left, right, Ty::Bool, span)
    }

    fn membership(&mut self, left: &syn::Expr, right: &syn::Expr, span: Span) -> Expr {
        let mut element = self.expr(left);
        let mut collection = self.expr(right);
        let wanted = match &collection.ty {
            Ty::List(wanted) | Ty::Set(wanted) | Ty::Map(wanted, _) => Some((**wanted).clone()),
            Ty::Text => Some(Ty::Text),
            Ty::Error | Ty::Unknown => None,
            other => {
                let was_optional = matches!(other, Ty::Optional(_));
                let found = self.quoted(&collection.ty);
                let mut finding = self.error(
                    "type-mismatch",
                    collection.span,
                    format!("`in` looks into a List, a Set, the keys of a Map or a Text, but this is {found}"),
                );
                if was_optional {
                    finding = finding.help("give a value for `none`: `x in (xs ?? [])`");
                }
                self.push(finding);
                None
            }
        };
        if let Some(wanted) = wanted {
            if self.join(&element.ty, &wanted).is_none() {
                let found = self.quoted(&element.ty);
                let ty = self.quoted(&collection.ty);
                let finding = self
                    .error("type-mismatch", element.span, format!("{found} is never in {ty}"))
                    .saying(found)
                    .label(self.at(collection.span), ty);
                self.push(finding);
            }
            element.ty = filled(&element.ty, &wanted);
            if matches!(&collection.ty, Ty::List(_)) {
                collection.ty = filled(&collection.ty, &Ty::List(element.ty.clone().into()));
            }
        }
        make(BinaryOp::In, element, collection, Ty::Bool, span)
    }

    fn coalesce(&mut self, left: &syn::Expr, right: &syn::Expr, op_span: Span, span: Span) -> Expr {
        let left = self.expr(left);
        let right = self.expr(right);
        if !matches!(left.ty, Ty::Optional(_) | Ty::None | Ty::Error | Ty::Unknown) {
            let found = self.quoted(&left.ty);
            let finding = self
                .warn("constant-condition", op_span, "the left side is never `none`, so what stands after `??` is never used")
                .saying("always gives the left side")
                .label(self.at(left.span), format!("{found}, not optional"))
                .help("take the `??` and what follows away");
            self.push(finding);
        }
        let inner = if left.ty == Ty::None { Ty::Unknown } else { unwrap(&left.ty).0.clone() };
        let joined = self.join_apart((&inner, false), (&right.ty, holds_nothing(&right)));
        let ty = match joined {
            Some(ty) => ty,
            None => {
                let (found, other) = (self.quoted(&inner), self.quoted(&right.ty));
                let finding = self
                    .error("type-mismatch", right.span, format!("this stands for {found} where it is `none`, but it is {other}"))
                    .saying(other)
                    .label(self.at(left.span), found);
                self.push(finding);
                inner
            }
        };
        make(BinaryOp::Coalesce, left, right, ty, span)
    }

    fn arithmetic(&mut self, op: BinaryOp, left: &syn::Expr, right: &syn::Expr, op_span: Span, span: Span) -> Expr {
        let left = self.expr(left);
        let right = self.expr(right);
        let ty = match self.arithmetic_type(op, &left.ty, &right.ty) {
            Some(ty) => ty,
            None => {
                let (found, other) = (self.quoted(&left.ty), self.quoted(&right.ty));
                let does = match op {
                    BinaryOp::Add => "adds two Int, Float or Duration, a Duration to a Time, or joins two Texts or two Lists",
                    BinaryOp::Sub => "subtracts two Int, Float, Duration or Time, or a Duration from a Time",
                    _ => "is for two Int or two Float",
                };
                let mut finding = self
                    .error("type-mismatch", op_span, format!("`{}` cannot take {found} and {other}", symbol(op)))
                    .saying(does)
                    .label(self.at(left.span), found)
                    .label(self.at(right.span), other);
                finding = match (&left.ty, &right.ty) {
                    (Ty::Text, _) | (_, Ty::Text) if op == BinaryOp::Add => finding.help("put values into a text with `\"… {value} …\"`"),
                    (Ty::List(element), other) if op == BinaryOp::Add && self.fits(other, element) != Fit::No => {
                        let text = self.text(right.span);
                        let text = format!("[{text}]");
                        finding.help("`+` joins two Lists").replace("make it a List of one", Safety::Safe, self.file, right.span, text)
                    }
                    (Ty::Duration, Ty::Time) if op == BinaryOp::Add => finding.help("write the Time first: `time + duration`"),
                    (Ty::Set(_), _) => finding.help("Sets have `union`, `intersect` and `minus`"),
                    (Ty::Optional(_), _) | (_, Ty::Optional(_)) => finding.help("give a value for `none` first: `(x ?? …)`"),
                    _ => self.number_fix(finding, &left, &right),
                };
                self.push(finding);
                if left.ty == right.ty { Ty::Error } else { left.ty.clone() }
            }
        };
        make(op, left, right, ty, span)
    }

    /// What an operator gives on two types; `None` where it is not for them.
    fn arithmetic_type(&mut self, op: BinaryOp, left: &Ty, right: &Ty) -> Option<Ty> {
        match (op, left, right) {
            (_, Ty::Error | Ty::Unknown, other) | (_, other, Ty::Error | Ty::Unknown) => {
                // What a number or text is joined with is one of its kind; a Time has two kinds of partners.
                Some(if matches!(other, Ty::Int | Ty::Float | Ty::Text | Ty::Duration | Ty::List(_)) { other.clone() } else { Ty::Error })
            }
            (_, Ty::Int, Ty::Int) => Some(Ty::Int),
            (_, Ty::Float, Ty::Float) => Some(Ty::Float),
            (BinaryOp::Add | BinaryOp::Sub, Ty::Duration, Ty::Duration) => Some(Ty::Duration),
            (BinaryOp::Add | BinaryOp::Sub, Ty::Time, Ty::Duration) => Some(Ty::Time),
            (BinaryOp::Sub, Ty::Time, Ty::Time) => Some(Ty::Duration),
            (BinaryOp::Add, Ty::Text, Ty::Text) => Some(Ty::Text),
            (BinaryOp::Add, Ty::List(_), Ty::List(_)) => self.join(left, right),
            _ => None,
        }
    }
}

fn make(op: BinaryOp, left: Expr, right: Expr, ty: Ty, span: Span) -> Expr {
    Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, ty, span }
}
