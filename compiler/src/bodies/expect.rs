//! A value where a type is wanted.

use patternc_grammar::syntax::{self as syn, ExprKind as S, Name, Span};

use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::hir::{Expr, ExprKind};
use crate::resolve::one_of;
use crate::types::{ItemId, LocalId, Place, Ty};

use super::checker::Checker;
use super::expressions::error_expr;
use super::places::{Fit, NOWHERE, holds_nothing, unwrap, without_nowhere};

/// What wants the value, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// A stored or derived cell.
    Cell {
        of: ItemId,
        name: Name,
    },
    /// A cell of a record that is created in a space that is named.
    Created {
        of: ItemId,
        name: Name,
    },
    /// `+=` on a cell: one element of it.
    Added {
        of: ItemId,
        name: Name,
    },
    /// The key of an entry of a cell, of a look-up, of a family of spaces.
    Key,
    /// A parameter of a handler, function or extern operation.
    Argument {
        of: Name,
        name: Name,
    },
    /// The argument of a built-in method or function.
    Built(&'static str),
    /// What the lambda of a built-in method gives.
    Lambda(&'static str),
    /// A field of a struct or enum variant.
    Field {
        of: Name,
        name: Name,
    },
    /// What a handler, function, derived cell gives.
    Result,
    /// The same, given by what answers a `return send` that no `ok` arm takes.
    Answer,
    /// `let x: T`.
    Local(Name),
    /// "`require`", "`if`": what wants a Bool, a Text, a Duration.
    Word(&'static str),
    Element,
    Index,
    Pattern,
}

/// A type that is wanted, by what, and where that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want<'a> {
    pub ty: &'a Ty,
    pub role: Role,
    /// Where the demand is written; the value itself where that is the same.
    pub at: Span,
}

impl<'a> Want<'a> {
    pub fn new(ty: &'a Ty, role: Role, at: Span) -> Self {
        Want { ty, role, at }
    }

    fn inner(self, ty: &'a Ty) -> Self {
        Want { ty, ..self }
    }
}

impl Checker<'_> {
    /// A value that must fit `want`. What does not fit is reported at the innermost expression that is to blame.
    pub fn check(&mut self, expr: &syn::Expr, want: Want<'_>) -> Expr {
        let (inner, _) = unwrap(want.ty);
        match (&expr.kind, inner) {
            (S::List(items), Ty::List(element)) => {
                let items: Vec<Expr> = items.iter().map(|item| self.check(item, want.inner(element))).collect();
                let ty = self.elements(&items, element);
                Expr { kind: ExprKind::List(items), ty: Ty::List(ty.into()), span: expr.span }
            }
            (S::Set(items), Ty::Set(element)) => {
                let items: Vec<Expr> = items.iter().map(|item| self.check(item, want.inner(element))).collect();
                let ty = self.elements(&items, element);
                Expr { kind: ExprKind::Set(items), ty: Ty::Set(ty.into()), span: expr.span }
            }
            (S::Map(entries), Ty::Map(key, value)) => {
                let entries: Vec<(Expr, Expr)> =
                    entries.iter().map(|(k, v)| (self.check(k, want.inner(key)), self.check(v, want.inner(value)))).collect();
                let key = self.joined(entries.iter().map(|(key, _)| key), key);
                let value = self.joined(entries.iter().map(|(_, value)| value), value);
                Expr { kind: ExprKind::Map(entries), ty: Ty::Map(key.into(), value.into()), span: expr.span }
            }
            (S::Struct { name, spread, fields }, Ty::Struct(id, place)) if self.names.lookup(name.name) == Some(*id) => {
                let made = self.structure_literal(*id, *name, spread.as_deref(), fields, Some(*place), expr.span);
                self.coerce(made, want)
            }
            (S::Variant { of, variant, fields }, Ty::Enum(id, place)) if self.names.lookup(of.name) == Some(*id) => {
                let made = self.variant_by_name(*id, *variant, fields, Some(*place), expr.span);
                self.coerce(made, want)
            }
            (S::Block { lets, value: None, .. }, Ty::Map(..) | Ty::Set(_) | Ty::List(_)) if lets.is_empty() => {
                let (what, empty) = match inner {
                    Ty::Map(..) => ("Map", "Map[]"),
                    Ty::Set(_) => ("Set", "Set[]"),
                    _ => ("List", "[]"),
                };
                let finding = self
                    .error("type-mismatch", expr.span, format!("`{{ }}` is a block without a value, not an empty {what}"))
                    .help(format!("an empty {what} is `{empty}`"))
                    .replace(format!("write `{empty}`"), Safety::Safe, self.file, expr.span, empty);
                self.push(finding);
                Expr { ty: self.known(want.ty), ..error_expr(expr.span) }
            }
            (S::If { cond, then, otherwise }, _) => self.if_expr(expr.span, cond, then, otherwise.as_deref(), Some(want)),
            (S::Match { subject, arms }, _) => self.match_expr(expr.span, subject, arms, Some(want)),
            (S::Block { lets, value, .. }, _) => self.block_expr(expr.span, lets, value.as_deref(), Some(want)),
            (S::Method { name, optional: false, .. }, _) if name.name.as_str() == "fold" => {
                let made = self.fold_wanting(expr, want);
                self.coerce(made, want)
            }
            _ => {
                let made = self.expr(expr);
                self.coerce(made, want)
            }
        }
    }

    /// The element type of a literal whose elements were checked against `wanted`.
    fn elements(&mut self, items: &[Expr], wanted: &Ty) -> Ty {
        self.joined(items.iter(), wanted)
    }

    fn joined<'e>(&mut self, items: impl Iterator<Item = &'e Expr>, wanted: &Ty) -> Ty {
        let mut ty = Ty::Unknown;
        for item in items {
            match self.join(&ty, &item.ty) {
                Some(joined) => ty = joined,
                None => return self.known(wanted),
            }
        }
        filled(&ty, wanted)
    }

    /// A wanted type as that of a value.
    pub fn known(&self, wanted: &Ty) -> Ty {
        without_nowhere(wanted)
    }

    /// Tests a value against `want`, and gives what is still unknown of its type.
    pub fn coerce(&mut self, mut made: Expr, want: Want<'_>) -> Expr {
        match self.fits(&made.ty, want.ty) {
            Fit::Yes => made.ty = filled(&made.ty, want.ty),
            Fit::No => {
                let finding = self.mismatch(&made, want);
                self.push(finding);
                if let (ExprKind::Int(value), (Ty::Float, _)) = (&made.kind, unwrap(want.ty)) {
                    made.kind = ExprKind::Float(*value as f64);
                }
                made.ty = self.known(want.ty);
            }
            Fit::Elsewhere { .. } if holds_nothing(&made) => made.ty = self.known(want.ty),
            Fit::Elsewhere { of, found, wanted } => {
                let finding = self.elsewhere(&made, want, of, found, wanted);
                self.push(finding);
            }
        }
        made
    }

    /// Tests what a call gives, or what answers a send: there is a type, and no expression that would say more.
    pub fn coerce_given(&mut self, ty: Ty, span: Span, want: Want<'_>) {
        self.coerce(Expr { ty, ..error_expr(span) }, want);
    }

    /// "cell `name` of `Person` holds `Text`".
    fn wants(&mut self, want: Want<'_>) -> String {
        let ty = self.quoted(want.ty);
        match want.role {
            Role::Cell { of, name } | Role::Created { of, name } => format!("cell `{name}` of {} holds {ty}", self.quoted_name(of)),
            Role::Added { of, name } => format!("cell `{name}` of {} takes one {ty} here", self.quoted_name(of)),
            Role::Key => format!("the key is {ty}"),
            Role::Argument { of, name } => format!("`{of}` takes {ty} for `{name}`"),
            Role::Built(name) => format!("`{name}` takes {ty}"),
            Role::Lambda(name) => format!("the lambda of `{name}` must give {ty}"),
            Role::Field { of, name } => format!("`{name}` of `{of}` is {ty}"),
            Role::Result | Role::Answer => format!("the result is declared {ty}"),
            Role::Local(name) => format!("`{name}` is declared {ty}"),
            Role::Word(word) => format!("`{word}` needs {ty}"),
            Role::Element => format!("the elements are {ty}"),
            Role::Index => format!("the index of a List is {ty}"),
            Role::Pattern => format!("what is matched is {ty}"),
        }
    }

    fn mismatch(&mut self, made: &Expr, want: Want<'_>) -> Diagnostic {
        let wants = self.wants(want);
        let found = self.quoted(&made.ty);
        let wanted = self.quoted(want.ty);
        let mut finding =
            self.error("type-mismatch", made.span, format!("{wants}, but this is {found}")).saying(format!("{found}, not {wanted}"));
        if want.at != made.span {
            finding = finding.label(self.at(want.at), format!("{wanted} is wanted here"));
        }
        self.with_way_out(finding, made, want)
    }

    /// Ways from the type found to the type wanted.
    fn with_way_out(&mut self, finding: Diagnostic, made: &Expr, want: Want<'_>) -> Diagnostic {
        let span = made.span;
        let after = Span { start: span.end, end: span.end };
        let before = Span { start: span.start, end: span.start };
        let (inner, _) = unwrap(want.ty);
        match (&made.ty, inner) {
            (Ty::Optional(found), _) if self.fits(found, want.ty) != Fit::No => {
                finding.help("it may be `none`: give a value for that with `??`, or take it apart with `let … else` or `if let`")
            }
            (Ty::None, _) => finding.help("declare it optional with `?` if it may be absent"),
            (Ty::Int, Ty::Float) => match made.kind {
                ExprKind::Int(value) => finding.help("an Int does not become a Float by itself").replace(
                    format!("write `{value}.0`"),
                    Safety::Safe,
                    self.file,
                    span,
                    format!("{value}.0"),
                ),
                _ => finding.help("an Int does not become a Float by itself: use `.to_float()`"),
            },
            (Ty::Float, Ty::Int) => finding.help("round it: `.round()`"),
            (Ty::Text, Ty::Int) => finding.help("`.to_int()` gives an `Int?`: `none` where the text is no number"),
            (Ty::Text, Ty::Float) => finding.help("`.to_float()` gives a `Float?`: `none` where the text is no number"),
            (Ty::List(found) | Ty::Set(found), wanted)
                if matches!(want.role, Role::Added { .. }) && self.fits(found, wanted) != Fit::No =>
            {
                self.one_at_a_time(finding, made)
            }
            (Ty::Unit, _) => finding.help("what is called here gives nothing back; declare a result with `-> Type` if it should"),
            (found, Ty::Text) if !matches!(found, Ty::Error | Ty::SagaResult(..)) => {
                let edits = vec![
                    Edit { file: self.file, span: before, text: "\"{".into() },
                    Edit { file: self.file, span: after, text: "}\"".into() },
                ];
                let finding = finding.help("put it into a text: `\"{…}\"`");
                if self.text(span).contains('"') { finding } else { finding.fix("put it into a text", Safety::Unsafe, edits) }
            }
            (Ty::Text, Ty::Enum(id, _)) => self.as_variant(finding, *id, made),
            (Ty::List(_), Ty::Set(_)) if matches!(made.kind, ExprKind::List(_)) => {
                finding.help("`Set[…]` makes a Set").replace("make it a Set", Safety::Safe, self.file, before, "Set")
            }
            (found, Ty::Record(id, _)) if !matches!(found, Ty::Record(..)) => {
                let id = *id;
                match self.record(id) {
                    Some(sig) if sig.key().is_some() => {
                        finding.help(format!("`{0}[key]` finds {1} by its key", sig.name, one_of(&sig.name)))
                    }
                    _ => finding,
                }
            }
            (found, Ty::List(element))
                if matches!(want.role, Role::Cell { .. } | Role::Created { .. }) && self.fits(found, element) != Fit::No =>
            {
                finding.help("to append one element use `+=`; a List of one is `[x]`")
            }
            (found, Ty::Set(element))
                if matches!(want.role, Role::Cell { .. } | Role::Created { .. }) && self.fits(found, element) != Fit::No =>
            {
                finding.help("to insert one element use `+=`; a Set of one is `Set[x]`")
            }
            _ => finding,
        }
    }

    /// The way out where a text stands for a variant of an enum.
    pub(super) fn as_variant(&mut self, finding: Diagnostic, of: ItemId, made: &Expr) -> Diagnostic {
        let Some(sig) = self.enumeration(of) else { return finding };
        let named = |text: &str| sig.variants.iter().find(|variant| variant.fields.is_empty() && variant.name.as_str() == text);
        match &made.kind {
            ExprKind::Text(text) if let Some(variant) = named(text) => {
                let value = format!("{}.{}", sig.name, variant.name);
                finding.help(format!("write `{value}`")).replace(format!("write `{value}`"), Safety::Safe, self.file, made.span, value)
            }
            _ => {
                let variants: Vec<String> = sig.variants.iter().map(|variant| format!("{}.{}", sig.name, variant.name)).collect();
                let variants: Vec<&str> = variants.iter().map(String::as_str).collect();
                finding.help(format!("{} is no text: it is one of {}", one_of(&sig.name), super::show::listed(&variants)))
            }
        }
    }

    /// The way out where a whole collection is added to, or taken from, one.
    fn one_at_a_time(&self, finding: Diagnostic, made: &Expr) -> Diagnostic {
        match &made.kind {
            ExprKind::List(items) | ExprKind::Set(items) if items.len() == 1 => {
                let element = self.text(items[0].span).to_owned();
                let finding = finding.help(format!("`+=` and `-=` take the element itself: write `{element}`"));
                finding.replace(format!("write `{element}`"), Safety::Safe, self.file, made.span, element)
            }
            ExprKind::List(_) | ExprKind::Set(_) => finding.help("`+=` and `-=` take one element at a time: write one statement for each"),
            _ => {
                let many = self.text(made.span).to_owned();
                finding.help(format!("`+=` and `-=` take one element at a time: walk over the others, `for x in {many} {{ … += x }}`"))
            }
        }
    }

    /// "cell `next`", "the result": what the value goes into.
    fn goal(&mut self, role: Role) -> String {
        match role {
            Role::Cell { of, name } | Role::Created { of, name } | Role::Added { of, name } => {
                format!("what cell `{name}` of {} links to", self.quoted_name(of))
            }
            Role::Argument { of, name } => format!("`{name}` of `{of}`"),
            Role::Field { of, name } => format!("`{name}` of `{of}`"),
            Role::Result | Role::Answer => "the result".to_owned(),
            Role::Local(name) => format!("`{name}`"),
            Role::Key => "the key".to_owned(),
            Role::Built(name) | Role::Lambda(name) | Role::Word(name) => format!("`{name}`"),
            Role::Element | Role::Index | Role::Pattern => "this".to_owned(),
        }
    }

    /// The finding for a reference that may lead to another space than the one that is wanted.
    fn elsewhere(&mut self, made: &Expr, want: Want<'_>, of: ItemId, found: Place, wanted: Place) -> Diagnostic {
        let goal = self.goal(want.role);
        let name = self.item_name(of);
        let direct = matches!(unwrap(&made.ty).0, Ty::Record(id, _) if *id == of);
        let (found_at, wanted_at) = (self.show_place(found), self.show_place(wanted));
        let holds = if direct { String::new() } else { format!("holds {} ", one_of(&name)) };
        let own = match (&made.kind, found) {
            (ExprKind::Local(local), Place::Of(of)) if direct && *local == of => Some(self.local(of).name),
            _ => None,
        };
        let found_at = if own.is_some() { self.show_place(Place::Any) } else { found_at };
        // A record that is created `in user[k]`: that is where it is, under whatever name.
        let created_in = (wanted == NOWHERE && matches!(want.role, Role::Created { .. })).then(|| self.text(want.at).to_owned());
        let wanted_at = created_in.as_ref().map_or(wanted_at, |space| format!("in `{space}`"));
        let inside = match want.role {
            Role::Cell { .. } | Role::Created { .. } | Role::Added { .. } => goal.clone(),
            _ => format!("in {goal} it"),
        };
        let message = match (found, direct) {
            _ if let Some(own) = own => format!("`{own}` may be in any space, but {goal} must be {wanted_at}"),
            (Place::Any, true) => format!("this `{name}` may be in any space, but {goal} must be {wanted_at}"),
            (Place::Any, false) => format!("this holds {} that may be in any space, but {inside} must be {wanted_at}", one_of(&name)),
            (_, true) => format!("this `{name}` is {found_at}, but {goal} must be {wanted_at}"),
            (_, false) => format!("this holds {} that is {found_at}, but {inside} must be {wanted_at}", one_of(&name)),
        };
        let mut finding = self.error("space-escape", made.span, message).saying(format!("{holds}{found_at}"));
        if want.at != made.span {
            finding = finding.label(self.at(want.at), format!("needs it {wanted_at}"));
        }
        finding =
            finding.note("what a plain reference leads to is written in the same transaction as its holder, so both must be in one space");
        let subject = match (&made.kind, found) {
            (ExprKind::Local(local), _) if direct => Some(*local),
            (_, Place::Of(local)) if found != NOWHERE => Some(local),
            _ => None,
        };
        let widen = match want.role {
            Role::Cell { .. } | Role::Created { .. } | Role::Added { .. } => format!("declare the cell with `{name}@any`"),
            Role::Argument { .. } => format!("declare the parameter `{name}@any`"),
            Role::Field { .. } => format!("declare the field `{name}@any`"),
            Role::Result | Role::Answer => format!("declare the result `{name}@any`"),
            Role::Local(_) => format!("declare it `{name}@any`"),
            _ => format!("declare it with `{name}@any`"),
        };
        let may_be_here = match subject {
            Some(subject) => self.may_be_here(&self.local(subject).ty.clone()),
            None => self.may_be_here(&made.ty),
        };
        let can_narrow = wanted == self.cx.here && self.cx.has_here && self.cx.mode != super::checker::Mode::Fn && may_be_here;
        let help = match (wanted, subject) {
            (NOWHERE, _) if created_in.is_some() => widen,
            (NOWHERE, _) => format!(
                "give the record that takes it a name first (`let r = …`): what is read through `r` is known to be where `r` is; or {widen}"
            ),
            (_, Some(subject)) if can_narrow => {
                finding = self.narrowing_fix(finding, subject);
                format!("test it first: `require same_space({}) else \"…\"`; or {widen}", self.local(subject).name)
            }
            (_, None) if can_narrow && matches!(want.role, Role::Answer) => {
                format!("take it in an `ok` arm, `ok(x) => {{ require same_space(x) else \"…\"  return x }}`; or {widen}")
            }
            (_, None) if can_narrow => {
                format!("give it a name with `let x = …` and test it: `require same_space(x) else \"…\"`; or {widen}")
            }
            _ => widen,
        };
        finding.help(help)
    }

    /// Whether the record that a type leads to can be in the space of this body.
    fn may_be_here(&mut self, ty: &Ty) -> bool {
        let Ty::Record(record, _) = unwrap(ty).0 else { return true };
        let home = self.home(*record);
        self.cx.home.is_none_or(|here| !here.is_apart_from(home))
    }

    /// A fix that tests where a local is before the statement, where a statement can stand there and the local is known.
    fn narrowing_fix(&self, finding: Diagnostic, subject: LocalId) -> Diagnostic {
        let (local, stmt) = (self.local(subject), self.cx.stmt);
        if !self.cx.mode.writes() || self.cx.blocks > 0 || local.span.start >= stmt.start {
            return finding;
        }
        let text = self.file.text(self.db);
        let before = &text[..stmt.start as usize];
        let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
        // A statement that begins its line gets one before it, others one in front.
        let between = if line.trim().is_empty() { format!("\n{line}") } else { "  ".to_owned() };
        let name = local.name;
        let text = format!("require same_space({name}) else \"`{name}` is in another space\"{between}");
        let at = Span { start: stmt.start, end: stmt.start };
        finding.replace(format!("test that `{name}` is here first"), Safety::Unsafe, self.file, at, text)
    }
}

/// `found`, with what it does not know taken from `wanted`.
pub(super) fn filled(found: &Ty, wanted: &Ty) -> Ty {
    match (found, wanted) {
        (Ty::Unknown, _) | (Ty::None, Ty::Optional(_)) => without_nowhere(wanted),
        (Ty::List(inner), Ty::List(wanted)) if open(inner) => Ty::List(filled(inner, wanted).into()),
        (Ty::Set(inner), Ty::Set(wanted)) if open(inner) => Ty::Set(filled(inner, wanted).into()),
        (Ty::Map(key, value), Ty::Map(wanted_key, wanted_value)) if open(key) || open(value) => {
            Ty::Map(filled(key, wanted_key).into(), filled(value, wanted_value).into())
        }
        (found, Ty::Optional(wanted)) if open(found) => filled(found, wanted),
        _ => found.clone(),
    }
}

/// Whether something of the type is not known yet.
pub(super) fn open(ty: &Ty) -> bool {
    match ty {
        Ty::Unknown | Ty::None => true,
        Ty::List(inner) | Ty::Set(inner) | Ty::Optional(inner) => open(inner),
        Ty::Map(key, value) => open(key) || open(value),
        _ => false,
    }
}
