//! `.cell`, `.field`, `[key]`, and what a type name leads to: `R[key]`, `R.all`, `Status.open`.

use patternc_grammar::syntax::{self as syn, ExprKind as S, Ident, Span};

use crate::diagnostic::{Location, Safety};
use crate::hir::{Expr, ExprKind};
use crate::signature::{Home, Signature};
use crate::types::{CellId, ItemId, Place, Ty};

use super::checker::{Checker, Mode};
use super::expect::{Role, Want};
use super::expressions::error_expr;
use super::places::{optional, unwrap};

/// The fields of a `Failure`.
const FAILURE_FIELDS: [&str; 2] = ["kind", "message"];

impl Checker<'_> {
    /// `base.name`, `base?.name`.
    pub fn field(&mut self, base: &syn::Expr, name: Ident, chained: bool, span: Span) -> Expr {
        match &base.kind {
            S::TypeName(of) => return self.type_member(*of, name, span),
            S::Name(of) if self.is_outside(*of).is_some() => {
                let finding = self
                    .error(
                        "type-mismatch",
                        span,
                        format!("`{}.{}` is no value: it is an operation of the outside world", of.name, name.name),
                    )
                    .help(format!("send to it: `send {}.{}(…) then {{ … }}`", of.name, name.name));
                self.push(finding);
                return error_expr(span);
            }
            _ if self.is_callback(base, name) => return self.callback(base, name, span),
            _ => {}
        }
        let base = self.expr(base);
        self.part(base, name, chained, span)
    }

    /// A cell or field of a value.
    fn part(&mut self, base: Expr, name: Ident, chained: bool, span: Span) -> Expr {
        let (inner, was_optional) = unwrap(&base.ty);
        let inner = inner.clone();
        if was_optional && !chained {
            self.may_be_none(&base, &format!("`{}`", name.name));
        }
        // What was reported is read as if it had been `?.`, and then taken to be there.
        let careful = chained || was_optional;
        match inner {
            Ty::Record(id, place) => self.cell_of(base, id, place, name, chained, careful, span),
            Ty::Struct(id, place) => {
                let Some(sig) = self.structure(id) else { return error_expr(span) };
                let Some(index) = sig.fields.iter().position(|field| field.name == name.name) else {
                    let owner = format!("`{}`", sig.name);
                    self.unknown_member(&owner, "field", name, sig.fields.iter().map(|field| field.name.as_str()));
                    return error_expr(span);
                };
                if chained && !was_optional {
                    self.never_absent(&base);
                }
                let ty = self.seen(&sig.fields[index].ty, place);
                let ty = self.through(ty, chained);
                let kind = ExprKind::Field { base: Box::new(base), of: id, index: index as u32, optional: careful };
                Expr { kind, ty, span }
            }
            Ty::Failure => match FAILURE_FIELDS.iter().position(|field| *field == name.name.as_str()) {
                Some(index) => Expr { kind: ExprKind::FailureField { base: Box::new(base), index: index as u32 }, ty: Ty::Text, span },
                None => {
                    self.unknown_member("a failure", "field", name, FAILURE_FIELDS);
                    error_expr(span)
                }
            },
            Ty::SagaResult(_, steps) => match steps.iter().position(|(step, _)| *step == name.name) {
                Some(index) => {
                    let ty = steps[index].1.clone();
                    Expr { kind: ExprKind::SagaField { base: Box::new(base), index: index as u32 }, ty, span }
                }
                None => {
                    self.unknown_member("this saga", "step with a result", name, steps.iter().map(|(step, _)| step.as_str()));
                    error_expr(span)
                }
            },
            Ty::Error | Ty::Unknown => error_expr(span),
            ty => {
                let found = self.quoted(&ty);
                if super::methods::has_method(&ty, name.name.as_str()) {
                    let end = Span { start: name.span.end, end: name.span.end };
                    let finding = self
                        .error("type-mismatch", name.span, format!("`{}` of {found} is a method, to be called", name.name))
                        .help(format!("write `{}()`", name.name))
                        .replace("call it", Safety::Safe, self.file, end, "()");
                    self.push(finding);
                } else if matches!(name.name.as_str(), "length" | "size" | "count") && super::methods::has_method(&ty, "len") {
                    let finding = self
                        .error("unknown-name", name.span, format!("{found} has no field `{}`", name.name))
                        .help("how many there are is `len()`")
                        .replace("write `len()`", Safety::Safe, self.file, name.span, "len()");
                    self.push(finding);
                } else {
                    self.unknown_member(&found, "field", name, std::iter::empty());
                }
                error_expr(span)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one expression")]
    fn cell_of(&mut self, base: Expr, id: ItemId, place: Place, name: Ident, chained: bool, careful: bool, span: Span) -> Expr {
        let Some(sig) = self.record(id) else { return error_expr(span) };
        let Some(index) = sig.cell(name.name) else {
            if name.name.as_str() == "space" {
                if chained {
                    self.not_through(&base, "space", span);
                }
                return Expr { kind: ExprKind::SpaceOf(Box::new(base)), ty: Ty::Space, span };
            }
            if sig.handler(name.name).is_some() {
                let finding = self
                    .error("type-mismatch", name.span, format!("`{}` is a handler of `{}`, to be called", name.name, sig.name))
                    .label(Location::Item(id), format!("`{}` is declared here", sig.name))
                    .help(format!("write `{}(…)`", name.name));
                self.push(finding);
            } else {
                let owner = format!("`{}`", sig.name);
                let known = sig.cells.iter().map(|cell| cell.name.as_str()).chain(["space"]);
                self.unknown_member(&owner, "cell", name, known);
            }
            return error_expr(span);
        };
        let cell = &sig.cells[index as usize];
        if let Some(only) = self.cx.only_cells_of {
            let message = match &base.kind {
                ExprKind::Local(local) if *local == only => cell.derived.then(|| {
                    format!(
                        "a mirror sees a change of its facts in the record's own cells, but `{}` is derived and may read others",
                        name.name
                    )
                }),
                _ => Some(format!(
                    "a mirror sees a change of its facts in the record's own cells, but this reads `{}` of another record",
                    name.name
                )),
            };
            if let Some(message) = message {
                let of = self.local(only).name;
                let finding = self
                    .error("impure-expression", span, message)
                    .help(format!("use stored cells of `{of}` only; what it links to may stand in a fact as the link itself"));
                self.push(finding);
            }
        }
        let from = self.place(id, place);
        let ty = self.seen(&cell.ty, from);
        let ty = self.through(ty, chained);
        Expr { kind: ExprKind::Cell { base: Box::new(base), cell: CellId { record: id, index }, optional: careful }, ty, span }
    }

    /// `?.` on a struct that is always there.
    fn never_absent(&mut self, base: &Expr) {
        let found = self.quoted(&base.ty);
        let finding = self
            .warn("constant-condition", base.span, "this is never `none`, so `?.` does what `.` does")
            .saying(format!("{found}, not optional"))
            .help("write `.`");
        self.push(finding);
    }

    /// `?.` where only a reference that is there will do.
    pub fn not_through(&mut self, base: &Expr, what: &str, span: Span) {
        let finding = self
            .error("type-mismatch", span, format!("`{what}` is asked of a record that is there, not through `?.`"))
            .label(self.at(base.span), "this may be `none`")
            .help("take it apart first with `if let` or `let … else`");
        self.push(finding);
    }

    /// `Type.name`: all of a record type, or a variant without fields.
    fn type_member(&mut self, of: Ident, name: Ident, span: Span) -> Expr {
        let Some(id) = self.type_name(of, "type") else { return error_expr(span) };
        match self.sig(id) {
            Signature::Record(sig) => match name.name.as_str() {
                "all" => {
                    let place = self.query_place(id, span);
                    let ty = Ty::List(Ty::Record(id, place).into());
                    Expr { kind: ExprKind::All { record: id }, ty, span }
                }
                "where" => {
                    let finding = self
                        .error("wrong-arguments", span, "`where` takes a lambda that says which records are meant")
                        .help(format!("write `{}.where(x => …)`", of.name));
                    self.push(finding);
                    error_expr(span)
                }
                _ => {
                    let mut finding = self.error("unknown-name", name.span, format!("the type `{}` has no `{}`", of.name, name.name));
                    finding = if sig.cell(name.name).is_some() || sig.handler(name.name).is_some() {
                        finding.help(format!("`{}` belongs to each `{}`: name the one that is meant", name.name, of.name))
                    } else {
                        finding.help(format!("`{0}.all`, `{0}.where(x => …)` and `{0}[key]` find records", of.name))
                    };
                    self.push(finding);
                    error_expr(span)
                }
            },
            Signature::Enum(_) => self.variant_alone(id, name, span),
            _ => {
                let finding = self
                    .error("type-mismatch", span, format!("`{}` is neither a record nor an enum: it has no `{}`", of.name, name.name))
                    .label(Location::Item(id), "declared here");
                self.push(finding);
                error_expr(span)
            }
        }
    }

    /// Where records of a type are looked for: their plain space, or the space of `self`.
    pub fn query_place(&mut self, record: ItemId, span: Span) -> Place {
        if let Home::Plain(space) = self.home(record) {
            if self.cx.only_cells_of.is_some() {
                self.query_in_mirror(span);
            }
            return Place::Plain(space);
        }
        if self.cx.only_cells_of.is_some() {
            self.query_in_mirror(span);
        } else if !self.cx.has_here || self.cx.mode == Mode::Fn {
            let name = self.item_name(record);
            let message =
                format!("`{name}` records can be in many spaces, and {} has no space of its own to look in", self.cx.mode.describe());
            let help = match self.cx.mode {
                Mode::Fn => "give the function what it needs as a parameter".to_owned(),
                Mode::Query => match self.home(record) {
                    Home::Family(space) => format!("say which space: `\"in\":\"{}[…]\"`", self.item_name(space)),
                    _ => "say which space: `\"in\":\"…\"`, such as `home` or `user[ann]`".to_owned(),
                },
                _ => "name the records with `let` when they are created, or reach them through another one".to_owned(),
            };
            let finding =
                self.error("space-escape", span, message).label(Location::Item(record), "not declared `in` one plain space").help(help);
            self.push(finding);
        }
        self.norm(Place::Here)
    }

    fn query_in_mirror(&mut self, span: Span) {
        let message = "a mirror sees a change of its facts in the record's own cells, but this looks for other records";
        let finding = self.error("impure-expression", span, message).help("keep what the facts need in cells of the record");
        self.push(finding);
    }

    /// `base[index]`: an element, an entry, or a record found by its key.
    pub fn index(&mut self, base: &syn::Expr, index: &syn::Expr, span: Span) -> Expr {
        if let S::TypeName(of) = &base.kind {
            return self.look_up(*of, index, span);
        }
        let mut base = self.expr(base);
        let (inner, was_optional) = unwrap(&base.ty);
        let inner = inner.clone();
        if was_optional {
            let ty = self.quoted(&base.ty);
            let finding = self
                .error("type-mismatch", base.span, "this may be `none`, which has no elements")
                .saying(ty)
                .help("give a value for `none` with `??`, or take it apart with `let … else` or `if let`");
            self.push(finding);
            base.ty = inner.clone();
        }
        match inner {
            Ty::List(element) => {
                let index = self.check(index, Want::new(&Ty::Int, Role::Index, index.span));
                Expr { kind: ExprKind::ListIndex { base: Box::new(base), index: Box::new(index) }, ty: (*element).clone(), span }
            }
            Ty::Map(key_ty, value) => {
                let key = self.looked_up(index, &key_ty);
                Expr { kind: ExprKind::MapIndex { base: Box::new(base), key: Box::new(key) }, ty: optional((*value).clone()), span }
            }
            Ty::Error | Ty::Unknown => {
                self.expr(index);
                error_expr(span)
            }
            ty => {
                self.expr(index);
                let found = self.quoted(&ty);
                let mut finding = self
                    .error("type-mismatch", span, format!("`[…]` is for Lists and Maps, but this is {found}"))
                    .label(self.at(base.span), found);
                finding = match ty {
                    Ty::Set(_) => finding.help("a Set has no order: ask `x in set`, or walk it with `for`"),
                    Ty::Text => finding.help("`.slice(i, i + 1)` gives one character"),
                    _ => finding,
                };
                self.push(finding);
                error_expr(span)
            }
        }
    }

    /// A key that is compared with others, wherever its records are.
    pub fn looked_up(&mut self, key: &syn::Expr, wanted: &Ty) -> Expr {
        let made = self.expr(key);
        if self.join(&made.ty, wanted).is_some() && !matches!(made.ty, Ty::Optional(_) | Ty::None) {
            return made;
        }
        self.coerce(made, Want::new(wanted, Role::Key, key.span))
    }

    /// `R[key]`.
    fn look_up(&mut self, of: Ident, key: &syn::Expr, span: Span) -> Expr {
        let Some(id) = self.type_name(of, "record") else {
            self.expr(key);
            return error_expr(span);
        };
        let Some(sig) = self.record(id) else {
            self.expr(key);
            let finding = self
                .error("type-mismatch", span, format!("`{}` is no record: only records are found by their key", of.name))
                .label(Location::Item(id), "declared here");
            self.push(finding);
            return error_expr(span);
        };
        let place = self.query_place(id, span);
        let key = match sig.key() {
            Some(index) => {
                let wanted = sig.cells[index as usize].ty.clone();
                self.looked_up(key, &wanted)
            }
            None => {
                let finding = self
                    .error("type-mismatch", span, format!("`{}` has no key to find it by", of.name))
                    .label(Location::Item(id), "none of its cells is `key`")
                    .help(format!("mark the cell that names it with `key`, or use `{}.where(x => …)`", of.name));
                self.push(finding);
                self.expr(key)
            }
        };
        let ty = optional(Ty::Record(id, place));
        Expr { kind: ExprKind::Lookup { record: id, key: Box::new(key) }, ty, span }
    }
}
