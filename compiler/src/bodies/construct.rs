//! Values made of parts: structs, enum values, records.

use patternc_grammar::syntax::{self as syn, FieldInit, Ident, Name, Span};

use crate::diagnostic::{Edit, Location, Safety};
use crate::hir::{Create, Expr, ExprKind, SpaceExpr};
use crate::signature::{Home, ParamSig, Signature};
use crate::types::{CellId, ItemId, Place, Ty};

use super::checker::Checker;
use super::expect::{Role, Want};
use super::expressions::error_expr;
use super::places::Inferred;
use super::show::{counted, listed};

impl<'db> Checker<'db> {
    /// `Message { author: self, … }`. `place` is where its references are wanted, where that is known.
    pub fn structure_literal(
        &mut self,
        id: ItemId,
        name: Ident,
        spread: Option<&syn::Expr>,
        fields: &[FieldInit],
        place: Option<Place>,
        span: Span,
    ) -> Expr {
        let Some(sig) = self.structure(id) else {
            let mut finding =
                self.error("type-mismatch", name.span, format!("`{}` is no struct", name.name)).label(Location::Item(id), "declared here");
            if self.record(id).is_some() {
                let start = Span { start: span.start, end: span.start };
                finding = finding.help(format!("a record is made with `create {} {{ … }}`", name.name)).replace(
                    "create it",
                    Safety::Safe,
                    self.file,
                    start,
                    "create ",
                );
            }
            self.push(finding);
            self.fields_of_nothing(spread, fields);
            return error_expr(span);
        };
        let mut inferred = Inferred::default();
        let spread = spread.map(|spread| {
            let made = self.check(spread, Want::new(&Ty::Struct(id, Place::Any), Role::Word("..."), spread.span));
            // Which of its fields stay does not matter: what is replaced could only be nearer.
            self.infer(&made.ty, &Ty::Struct(id, Place::Here), &mut inferred);
            Box::new(made)
        });
        let kept = inferred;
        let mut made: Vec<Option<Expr>> = sig.fields.iter().map(|_| None).collect();
        self.fill(sig.name, &sig.fields, fields, place, &mut inferred, &mut made);
        if spread.is_none() {
            self.missing(sig.name, "field", &sig.fields, &made, fields, span);
        }
        let ty = Ty::Struct(id, self.made_place(id, place, kept, inferred));
        Expr { kind: ExprKind::Struct { of: id, spread, fields: made }, ty, span }
    }

    /// `Status.claimed(by: "ada", until: t)`.
    pub fn variant_by_name(&mut self, id: ItemId, variant: Ident, fields: &[FieldInit], place: Option<Place>, span: Span) -> Expr {
        let Some((index, declared)) = self.variant(id, variant) else {
            self.fields_of_nothing(None, fields);
            return error_expr(span);
        };
        let mut inferred = Inferred::default();
        let mut made: Vec<Option<Expr>> = declared.iter().map(|_| None).collect();
        self.fill(variant.name, declared, fields, place, &mut inferred, &mut made);
        self.missing(variant.name, "field", declared, &made, fields, span);
        let args = made.into_iter().map(|arg| arg.unwrap_or_else(|| error_expr(span))).collect();
        let ty = Ty::Enum(id, self.made_place(id, place, Inferred::default(), inferred));
        Expr { kind: ExprKind::Variant { of: id, variant: index, args }, ty, span }
    }

    /// `Status.open`.
    pub fn variant_alone(&mut self, id: ItemId, variant: Ident, span: Span) -> Expr {
        self.variant_by_name(id, variant, &[], None, span)
    }

    /// `Status.claimed("ada", t)`: reported, and taken as meant if the number fits.
    pub fn variant_by_position(&mut self, id: ItemId, variant: Ident, args: &[syn::Expr], span: Span) -> Expr {
        let Some((index, declared)) = self.variant(id, variant) else {
            self.all_of(args);
            return error_expr(span);
        };
        if declared.is_empty() && args.is_empty() {
            let parens = Span { start: variant.span.end, end: span.end };
            let finding = self
                .error("wrong-arguments", span, format!("`{}` has no fields: it is written without `()`", variant.name))
                .replace("remove the `()`", Safety::Safe, self.file, parens, "");
            self.push(finding);
            return self.variant_alone(id, variant, span);
        }
        let names: Vec<&str> = declared.iter().map(|field| field.name.as_str()).collect();
        let mut finding = self
            .error("wrong-arguments", span, format!("the fields of `{}` are given by name", variant.name))
            .label(Location::Item(id), "declared here")
            .help(format!("write `{}({})`", variant.name, names.iter().map(|name| format!("{name}: …")).collect::<Vec<_>>().join(", ")));
        if args.len() == declared.len() {
            let edits = args.iter().zip(&names).map(|(arg, name)| Edit {
                file: self.file,
                span: Span { start: arg.span.start, end: arg.span.start },
                text: format!("{name}: "),
            });
            finding = finding.fix("name the fields", Safety::Safe, edits.collect());
        }
        self.push(finding);
        let mut inferred = Inferred::default();
        let mut made = Vec::with_capacity(declared.len());
        for (position, arg) in args.iter().enumerate() {
            match declared.get(position) {
                Some(field) => made.push(self.field_value(variant.name, field, arg, variant.span, None, &mut inferred)),
                None => drop(self.expr(arg)),
            }
        }
        made.resize_with(declared.len(), || error_expr(span));
        let ty = Ty::Enum(id, self.made_place(id, None, Inferred::default(), inferred));
        Expr { kind: ExprKind::Variant { of: id, variant: index, args: made }, ty, span }
    }

    /// The variant of this name, with its fields.
    pub fn variant(&mut self, id: ItemId, variant: Ident) -> Option<(u32, &'db [ParamSig])> {
        let Some(sig) = self.enumeration(id) else {
            let name = self.item_name(id);
            let finding = self
                .error("type-mismatch", variant.span, format!("`{name}` is no enum: it has no variant `{}`", variant.name))
                .label(Location::Item(id), "declared here");
            self.push(finding);
            return None;
        };
        let found = sig.variants.iter().position(|candidate| candidate.name == variant.name);
        let Some(index) = found else {
            let owner = format!("`{}`", sig.name);
            self.unknown_member(&owner, "variant", variant, sig.variants.iter().map(|variant| variant.name.as_str()));
            return None;
        };
        Some((index as u32, &sig.variants[index].fields))
    }

    /// Where the references in a struct or enum that was just made are: `kept` are those of a spread, `inferred` all of them.
    fn made_place(&mut self, id: ItemId, wanted: Option<Place>, kept: Inferred, inferred: Inferred) -> Place {
        if !self.is_sensitive(id) {
            return Place::Here;
        }
        match wanted {
            // Every field that was written was tested against it; what is kept of the spread was not.
            Some(wanted) if self.is_a_place(wanted) => {
                if kept.or(wanted) == wanted {
                    wanted
                } else {
                    Place::Any
                }
            }
            _ => inferred.or(self.norm(Place::Here)),
        }
    }

    /// Whether a wanted place is one that a value can be at, and not all places or none.
    fn is_a_place(&self, place: Place) -> bool {
        place != Place::Any && place != super::places::NOWHERE
    }

    /// The values given for the fields of a struct or variant.
    fn fill(
        &mut self,
        of: Name,
        declared: &[ParamSig],
        fields: &[FieldInit],
        place: Option<Place>,
        inferred: &mut Inferred,
        made: &mut [Option<Expr>],
    ) {
        for field in fields {
            let Some(index) = declared.iter().position(|candidate| candidate.name == field.name.name) else {
                let owner = format!("`{of}`");
                self.unknown_member(&owner, "field", field.name, declared.iter().map(|field| field.name.as_str()));
                self.expr(&field.value);
                continue;
            };
            let value = self.field_value(of, &declared[index], &field.value, field.name.span, place, inferred);
            if made[index].is_some() {
                self.given_twice(field.name);
                continue;
            }
            made[index] = Some(value);
        }
    }

    fn given_twice(&mut self, name: Ident) {
        let finding = self.error("duplicate-name", name.span, format!("`{}` is given twice", name.name)).help("keep one of the two");
        self.push(finding);
    }

    fn field_value(
        &mut self,
        of: Name,
        declared: &ParamSig,
        value: &syn::Expr,
        at: Span,
        place: Option<Place>,
        inferred: &mut Inferred,
    ) -> Expr {
        // Without a wanted place any will do: the value is then where its references are.
        let wanted = self.seen(&declared.ty, place.filter(|place| self.is_a_place(*place)).unwrap_or(Place::Any));
        let made = self.check(value, Want::new(&wanted, Role::Field { of, name: declared.name }, at));
        self.infer(&made.ty, &declared.ty, inferred);
        made
    }

    /// Reports the parts that were not given.
    fn missing(&mut self, of: Name, what: &str, declared: &[ParamSig], made: &[Option<Expr>], fields: &[FieldInit], span: Span) {
        let missing: Vec<Name> = declared.iter().zip(made).filter(|(_, made)| made.is_none()).map(|(field, _)| field.name).collect();
        self.report_missing(of, what, &missing, fields, span);
    }

    fn report_missing(&mut self, of: Name, what: &str, missing: &[Name], fields: &[FieldInit], span: Span) {
        if missing.is_empty() {
            return;
        }
        let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
        let given = if fields.is_empty() { "none is given".to_owned() } else { format!("{} given", counted(fields.len(), what)) };
        let plural = if names.len() == 1 { "" } else { "s" };
        let finding = self
            .error("missing-cell", span, format!("`{of}` needs a value for the {what}{plural} {}", listed(&names)))
            .saying(given)
            .help(format!("give {}", names.iter().map(|name| format!("`{name}: …`")).collect::<Vec<_>>().join(", ")));
        self.push(finding);
    }

    /// `create R in s { … }` as a value.
    pub fn create_expr(&mut self, record: Ident, space: Option<&syn::SpaceExpr>, fields: &[FieldInit], span: Span) -> Expr {
        let created = self.create(record, space, fields, span, false);
        let Some(create) = created else { return error_expr(span) };
        self.may_create(span);
        let ty = Ty::Record(create.record, create.place);
        Expr { kind: ExprKind::Create(Box::new(create)), ty, span }
    }

    /// Reports a `create` where nothing may be created.
    fn may_create(&mut self, span: Span) {
        let mode = self.cx.mode;
        let message = if self.cx.lambdas > 0 {
            "a lambda only computes: creating a record in it would create one each time it happens to be run".to_owned()
        } else if mode.is_outside() && span != self.cx.event {
            let finding = self
                .error(
                    "impure-expression",
                    span,
                    "each `create` here is an event of its own, so it cannot stand inside a larger expression",
                )
                .saying("creates a record")
                .help("give the record a name first: `let x = create …`");
            self.push(finding);
            return;
        } else if mode.writes() || mode.is_outside() {
            return;
        } else {
            format!("{} only computes and may run any number of times, so it cannot create a record", mode.describe())
        };
        let help = if self.cx.lambdas > 0 { "use a `for` statement" } else { "create it in a handler" };
        let finding = self.error("impure-expression", span, message).saying("creates a record").help(help);
        self.push(finding);
    }

    /// A `create`, wherever it stands. `sent` is `send create …`.
    pub fn create(
        &mut self,
        record: Ident,
        space: Option<&syn::SpaceExpr>,
        fields: &[FieldInit],
        span: Span,
        sent: bool,
    ) -> Option<Create> {
        let space_span = space.map_or(record.span, |space| self.space_span(space));
        let id = self.type_name(record, "record");
        let sig = id.and_then(|id| Some((id, self.record(id)?)));
        let Some((id, sig)) = sig else {
            if let Some(id) = id {
                let mut finding = self
                    .error("type-mismatch", record.span, format!("`{}` is no record: only records are created", record.name))
                    .label(Location::Item(id), "declared here");
                if self.structure(id).is_some() {
                    finding = finding.help(format!("a struct is written `{} {{ … }}`", record.name));
                }
                self.push(finding);
            }
            if let Some(space) = space {
                self.space(space, None);
            }
            self.fields_of_nothing(None, fields);
            return None;
        };
        let (place, space) = match space {
            Some(space) => self.space(space, Some((id, sig.home))),
            None => (self.created_here(id, sig.home, record.span, sent), None),
        };
        let into = self.wanted_at(place);
        let mut cells: Vec<(u32, Expr)> = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(index) = sig.cell(field.name.name) else {
                let owner = format!("`{}`", sig.name);
                let known = sig.cells.iter().filter(|cell| !cell.derived).map(|cell| cell.name.as_str());
                self.unknown_member(&owner, "cell", field.name, known);
                self.expr(&field.value);
                continue;
            };
            let cell = &sig.cells[index as usize];
            if cell.derived {
                self.derived_write(CellId { record: id, index }, field.name.span, None);
                self.expr(&field.value);
                continue;
            }
            let wanted = self.seen(&cell.ty, into);
            let (at, role) = match self.holds_here(&cell.ty) {
                true if space_span != record.span => (space_span, Role::Created { of: id, name: cell.name }),
                true => (space_span, Role::Cell { of: id, name: cell.name }),
                false => (field.name.span, Role::Cell { of: id, name: cell.name }),
            };
            let value = self.check(&field.value, Want::new(&wanted, role, at));
            if cells.iter().any(|(other, _)| *other == index) {
                self.given_twice(field.name);
                continue;
            }
            cells.push((index, value));
        }
        let missing: Vec<Name> = sig
            .cells
            .iter()
            .enumerate()
            .filter(|(index, cell)| {
                !cell.derived
                    && !cell.has_default
                    && !matches!(cell.ty, Ty::Optional(_) | Ty::Error)
                    && !fields.iter().any(|field| field.name.name == cell.name)
                    && !cells.iter().any(|(given, _)| *given == *index as u32)
            })
            .map(|(_, cell)| cell.name)
            .collect();
        self.report_missing(sig.name, "cell", &missing, fields, span);
        Some(Create { record: id, place, space, cells, span })
    }

    /// The span of what stands after `in`.
    fn space_span(&self, space: &syn::SpaceExpr) -> Span {
        match space {
            syn::SpaceExpr::Named { name, key: Some(key) } => {
                let rest = &self.file.text(self.db)[key.span.end as usize..];
                let close = rest.find(']').map_or(0, |at| at as u32 + 1);
                name.span.to(Span { start: key.span.end, end: key.span.end + close })
            }
            syn::SpaceExpr::Named { name, key: None } => name.span,
            syn::SpaceExpr::Of(expr) => expr.span,
        }
    }

    /// The place of a record created without `in`.
    fn created_here(&mut self, id: ItemId, home: Home, span: Span, sent: bool) -> Place {
        if let Home::Plain(space) = home {
            return Place::Plain(space);
        }
        let name = self.item_name(id);
        if self.cx.mode.is_outside() && !self.cx.has_here {
            let finding = self
                .error(
                    "space-escape",
                    span,
                    format!("`{name}` records can be in many spaces, and there is no `self` here whose space would be meant"),
                )
                .label(Location::Item(id), "not declared `in` one plain space")
                .help(format!("say where: `create {name} in … {{ … }}`"));
            self.push(finding);
            return Place::Any;
        }
        if let (Home::Family(family), Some(Home::Plain(own))) = (home, self.cx.home) {
            let (family, own) = (self.item_name(family), self.item_name(own));
            let verb = if sent { "send" } else { "have it created there with" };
            let finding = self
                .error(
                    "space-escape",
                    span,
                    format!("this would be created here, in `{own}`, but every `{name}` is in a space of `{family}`"),
                )
                .label(Location::Item(id), format!("in the family `{family}`"))
                .help(format!("say where, and {verb} `send create {name} in {family}[…] {{ … }}`"));
            self.push(finding);
        }
        self.norm(Place::Here)
    }

    /// What stands after the `in` of a `create`.
    fn space(&mut self, space: &syn::SpaceExpr, of: Option<(ItemId, Home)>) -> (Place, Option<SpaceExpr>) {
        match space {
            syn::SpaceExpr::Named { name, key } => {
                if key.is_none() && self.local_named(name.name).is_some() {
                    let value = self.name(*name);
                    return self.computed_space(value, of);
                }
                let found = self.names.lookup(name.name).map(|id| (id, self.sig(id)));
                let Some((id, Signature::Space(sig))) = found else {
                    match found {
                        Some((id, _)) => {
                            let finding = self
                                .error("type-mismatch", name.span, format!("`{}` is no space", name.name))
                                .label(Location::Item(id), "declared here");
                            self.push(finding);
                        }
                        None => {
                            let known = self.items_where(|sig| matches!(sig, Signature::Space(_)));
                            let finding =
                                crate::resolve::unknown_name(self.db, self.file, *name, "space", known.iter().map(|name| name.as_str()));
                            self.diagnostics.extend(finding);
                        }
                    }
                    if let Some(key) = key {
                        self.expr(key);
                    }
                    return (Place::Any, None);
                };
                let wrong_space = self.wrong_space(id, of, name.span);
                match (&sig.key, key) {
                    (None, None) => {
                        let place = if wrong_space { Place::Any } else { Place::Plain(id) };
                        (place, Some(SpaceExpr::Plain(id)))
                    }
                    (Some(wanted), Some(key)) => {
                        let key = self.check(key, Want::new(wanted, Role::Key, name.span));
                        (Place::Any, Some(SpaceExpr::Family(id, Box::new(key))))
                    }
                    (Some(wanted), None) => {
                        let wanted = self.quoted(wanted);
                        let finding = self
                            .error(
                                "wrong-arguments",
                                name.span,
                                format!("`{}` is a family of spaces: which one is meant is missing", name.name),
                            )
                            .label(Location::Item(id), format!("one space for each {wanted}"))
                            .help(format!("write `{}[key]`", name.name));
                        self.push(finding);
                        (Place::Any, None)
                    }
                    (None, Some(key)) => {
                        self.expr(key);
                        let finding = self
                            .error("wrong-arguments", key.span, format!("`{}` is one space and takes no key", name.name))
                            .label(Location::Item(id), "declared without a key")
                            .help(format!("write `{}` alone", name.name));
                        self.push(finding);
                        (Place::Plain(id), Some(SpaceExpr::Plain(id)))
                    }
                }
            }
            syn::SpaceExpr::Of(expr) => {
                let value = self.check(expr, Want::new(&Ty::Space, Role::Word("in"), expr.span));
                self.computed_space(value, of)
            }
        }
    }

    /// `in x.space`, or in a space that a local holds.
    fn computed_space(&mut self, value: Expr, of: Option<(ItemId, Home)>) -> (Place, Option<SpaceExpr>) {
        let value = self.coerce_space(value);
        if let Some((id, Home::Plain(space))) = of {
            let (name, space_name) = (self.item_name(id), self.item_name(space));
            let finding = self
                .error("space-escape", value.span, format!("every `{name}` is in `{space_name}`, but this may be another space"))
                .label(Location::Item(id), format!("in space `{space_name}`"))
                .help("leave the `in` out");
            self.push(finding);
            return (Place::Plain(space), None);
        }
        let place = self.space_place(&value).unwrap_or(Place::Any);
        (place, Some(SpaceExpr::Of(Box::new(value))))
    }

    fn coerce_space(&mut self, value: Expr) -> Expr {
        let span = value.span;
        self.coerce(value, Want::new(&Ty::Space, Role::Word("in"), span))
    }

    /// Reports a space that a record is never in.
    fn wrong_space(&mut self, space: ItemId, of: Option<(ItemId, Home)>, span: Span) -> bool {
        let Some((id, home)) = of else { return false };
        let (home, what) = match home {
            Home::Plain(home) => (home, "in"),
            Home::Family(home) => (home, "in a space of"),
            Home::Floating => return false,
        };
        if home == space {
            return false;
        }
        let (name, wanted, found) = (self.item_name(id), self.item_name(home), self.item_name(space));
        let finding = self
            .error("space-escape", span, format!("every `{name}` is {what} `{wanted}`, so none can be created in `{found}`"))
            .saying(format!("space `{found}`"))
            .label(Location::Item(id), format!("{what} `{wanted}`"))
            .help(match what {
                "in" => "leave the `in` out".to_owned(),
                _ => format!("name one of its spaces: `in {wanted}[…]`"),
            });
        self.push(finding);
        true
    }
}
