//! Expressions, and which type each place in them wants.

use patternc_grammar::syntax::{Expr, ExprKind, FieldInit, Name, Pattern, SpaceExpr, TextPart};

use super::{Finder, MARKER, Position, element};
use crate::bodies::bodies;
use crate::ide::call::params_of;
use crate::ide::definition::Definition;
use crate::ide::names::{locals_at, member, names};
use crate::items::{ItemHead, head};
use crate::signature::{enum_sig, record_sig, struct_sig};
use crate::types::{Place, Ty};

impl<'db> Finder<'db> {
    /// The type of what is written by an assignment.
    pub(super) fn written(&self, target: &Expr) -> Option<Ty> {
        match &target.kind {
            ExprKind::Field { base, name, .. } => {
                let base = self.type_of(base)?;
                match member(self.db, &base, name.name)? {
                    Definition::Cell(cell) => crate::signature::cell_sig(self.db, cell).map(|sig| sig.ty.clone()),
                    _ => None,
                }
            }
            ExprKind::Index { base, .. } => match self.written(base)? {
                Ty::Map(_, value) => Some((*value).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn type_of(&self, expr: &Expr) -> Option<Ty> {
        match (&expr.kind, self.record) {
            (ExprKind::SelfRef, Some(record)) => Some(Ty::Record(record, Place::Here)),
            _ => match self.types.get(&expr.span) {
                Some(Ty::Error) | None => self.type_by_form(expr),
                Some(ty) => Some((*ty).clone()),
            },
        }
    }

    /// The type of a path, where the body around was not understood.
    pub(super) fn type_by_form(&self, expr: &Expr) -> Option<Ty> {
        match &expr.kind {
            ExprKind::Name(name) => {
                let locals = locals_at(self.db, self.file, self.at);
                let (_, declared) = locals.iter().rev().find(|(local, _)| *local == name.name)?;
                let (owner, id) = names(self.db, self.file).local(*declared)?;
                Some(bodies(self.db, self.file).get(owner)?.locals.get(id.0 as usize)?.ty.clone())
            }
            ExprKind::Field { base, name, .. } => match member(self.db, &self.type_of(base)?, name.name)? {
                Definition::Cell(cell) => crate::signature::cell_sig(self.db, cell).map(|sig| sig.ty.clone()),
                Definition::Field { of, index } => struct_sig(self.db, of)?.fields.get(index as usize).map(|field| field.ty.clone()),
                _ => None,
            },
            ExprKind::Index { base, .. } => match self.type_of(base)? {
                Ty::List(element) | Ty::Map(_, element) => Some((*element).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn after_dot(&mut self, base: &'db Expr, is_send: bool, wanted: Option<&Ty>) {
        if let ExprKind::TypeName(name) | ExprKind::Name(name) = &base.kind
            && let Some(item) = self.item(name.name)
            && !self.types.contains_key(&base.span)
        {
            return self.set(Position::MemberOf(item));
        }
        match &base.kind {
            ExprKind::TypeName(name) => match self.item(name.name) {
                Some(item) => self.set(Position::MemberOf(item)),
                None => self.set(Position::Nothing),
            },
            _ => {
                let (span, base) = (base.span, self.type_of(base).unwrap_or(Ty::Error));
                self.set_wanting(Position::Member { base, span, is_send, begins: false }, wanted);
            }
        }
    }

    pub(super) fn inits(&mut self, of: Option<Definition>, fields: &'db [FieldInit]) {
        for field in fields {
            if self.is(field.name) {
                let given = fields.iter().map(|field| field.name.name).filter(|name| !name.contains(MARKER)).collect();
                match of {
                    Some(of) => self.set(Position::Field { of, given }),
                    None => self.set(Position::Nothing),
                }
            }
            let wanted = of.and_then(|of| self.field_type(of, field.name.name));
            self.expr(&field.value, wanted.as_ref());
        }
    }

    pub(super) fn field_type(&self, of: Definition, name: Name) -> Option<Ty> {
        match of {
            Definition::Item(id) => match head(self.db, id)? {
                ItemHead::Record(_) => {
                    let sig = record_sig(self.db, id)?;
                    sig.cells.get(sig.cell(name)? as usize).map(|cell| cell.ty.clone())
                }
                _ => struct_sig(self.db, id)?.fields.iter().find(|field| field.name == name).map(|field| field.ty.clone()),
            },
            Definition::Variant { of, index } => {
                let variant = enum_sig(self.db, of)?.variants.get(index as usize)?;
                variant.fields.iter().find(|field| field.name == name).map(|field| field.ty.clone())
            }
            _ => None,
        }
    }

    pub(super) fn exprs(&mut self, values: impl IntoIterator<Item = &'db Expr>) {
        values.into_iter().for_each(|value| self.expr(value, None));
    }

    /// The arguments of what is called by a name at a place.
    pub(super) fn args(&mut self, callee: Option<Definition>, args: &'db [Expr]) {
        let params = callee.and_then(|callee| params_of(self.db, callee)).unwrap_or_default();
        for (index, arg) in args.iter().enumerate() {
            let wanted = params.get(index).map(|param| param.ty.clone());
            self.expr(arg, wanted.as_ref());
        }
    }

    pub(super) fn expr(&mut self, expr: &'db Expr, wanted: Option<&Ty>) {
        if !self.has(expr.span) {
            return;
        }
        match &expr.kind {
            ExprKind::Name(name) | ExprKind::TypeName(name) if self.is(*name) => self.set_wanting(Position::Expression, wanted),
            ExprKind::Interpolation(parts) => {
                for part in parts {
                    if let TextPart::Expr(value) = part {
                        self.expr(value, None);
                    }
                }
            }
            ExprKind::List(values) | ExprKind::Set(values) => {
                let inner = wanted.map(element).cloned();
                values.iter().for_each(|value| self.expr(value, inner.as_ref()));
            }
            ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| self.exprs([key, value])),
            ExprKind::Struct { name, spread, fields } => {
                if self.is(*name) {
                    self.set_wanting(Position::Expression, wanted);
                }
                self.exprs(spread.as_deref());
                let of = self.item(name.name).map(Definition::Item);
                self.inits(of, fields);
                self.in_braces(expr, of, fields);
            }
            ExprKind::Variant { of, variant, fields } => {
                if let (true, Some(of)) = (self.is(*variant), self.item(of.name)) {
                    self.set(Position::MemberOf(of));
                }
                let of = self.item(of.name).and_then(|of| {
                    let index = enum_sig(self.db, of)?.variants.iter().position(|known| known.name == variant.name)?;
                    Some(Definition::Variant { of, index: index as u32 })
                });
                self.inits(of, fields);
            }
            ExprKind::Create { record, space, fields } => {
                if self.is(*record) {
                    self.set(Position::Record);
                    if let Some(found) = &mut self.found {
                        found.creates = true;
                    }
                }
                let of = self.item(record.name);
                match space.as_deref() {
                    Some(SpaceExpr::Named { name, key }) => {
                        if self.is(*name) {
                            self.set(Position::Space { of });
                        }
                        self.exprs(key);
                    }
                    Some(SpaceExpr::Of(value)) => self.expr(value, None),
                    None => {}
                }
                let of = of.map(Definition::Item);
                self.inits(of, fields);
                self.in_braces(expr, of, fields);
            }
            ExprKind::Field { base, name, .. } => {
                if self.is(*name) {
                    self.after_dot(base, false, wanted);
                }
                self.expr(base, None);
            }
            ExprKind::Method { base, name, args, .. } => {
                if self.is(*name) {
                    self.after_dot(base, false, wanted);
                }
                self.expr(base, None);
                let callee = names(self.db, self.file).at(name.span.start).map(|reference| reference.to);
                // The one argument of a half-written variant is the name of a field.
                if let (Some(Definition::Variant { .. }), [Expr { kind: ExprKind::Name(field), .. }]) = (callee, args.as_slice())
                    && self.is(*field)
                    && let Some(of) = callee
                {
                    self.set(Position::Field { of, given: Vec::new() });
                }
                self.args(callee, args);
            }
            ExprKind::Index { base, index } => self.exprs([&**base, &**index]),
            ExprKind::Call { name, args } => {
                if self.is(*name) {
                    self.set_wanting(Position::Expression, wanted);
                }
                let callee = self.item(name.name).map(Definition::Item);
                self.args(callee, args);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand, wanted),
            ExprKind::Binary { left, right, op, .. } => {
                use patternc_grammar::syntax::BinaryOp as B;
                let inner = match op {
                    B::And | B::Or => Some(Ty::Bool),
                    B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge => self.type_of(left),
                    B::In => None,
                    _ => wanted.cloned(),
                };
                self.expr(left, if matches!(op, B::And | B::Or) { Some(&Ty::Bool) } else { None });
                self.expr(right, inner.as_ref());
            }
            ExprKind::If { cond, then, otherwise } => {
                self.cond(cond);
                self.expr(then, wanted);
                otherwise.iter().for_each(|otherwise| self.expr(otherwise, wanted));
            }
            ExprKind::Match { subject, arms } => {
                self.expr(subject, None);
                let patterns: Vec<&Pattern> = arms.iter().map(|arm| &arm.pattern).collect();
                for arm in arms {
                    self.pattern(&arm.pattern, subject, &patterns, true);
                    self.expr(&arm.value, wanted);
                }
            }
            ExprKind::Block { lets, value, allows } => {
                if allows.iter().any(|allow| self.is(allow.rule)) {
                    self.set(Position::Rule);
                }
                lets.iter().for_each(|stmt| self.stmt(stmt));
                value.iter().for_each(|value| self.expr(value, wanted));
            }
            ExprKind::Lambda { params, body } => {
                if params.iter().any(|param| self.is(*param)) {
                    self.set(Position::Nothing);
                }
                self.expr(body, None);
            }
            _ => {}
        }
    }

    /// Between the braces of a struct or record, where the grammar could not see a field: the cursor is alone there.
    pub(super) fn in_braces(&mut self, expr: &'db Expr, of: Option<Definition>, fields: &'db [FieldInit]) {
        let text = expr.span.slice(self.file.text(self.db));
        let inside = text.find('{').is_some_and(|brace| self.at as usize > expr.span.start as usize + brace);
        let in_value = fields.iter().any(|field| field.value.span.start <= self.at && self.at <= field.value.span.end);
        if let (true, false, Some(of)) = (inside, in_value, of) {
            self.set(Position::Field { of, given: fields.iter().map(|field| field.name.name).collect() });
        }
    }
}
