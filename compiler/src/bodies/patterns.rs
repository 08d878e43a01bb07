//! Patterns, and whether the arms of a `match` cover everything.

use patternc_grammar::lower_snake;
use patternc_grammar::syntax::{self as syn, Ident, Name, PatternKind as S, Span};

use crate::diagnostic::{Edit, Location, Safety};
use crate::hir::{Expr, ExprKind, LocalKind, Pattern, PatternKind};
use crate::resolve::one_of;
use crate::types::{ItemId, Ty};

use super::checker::Checker;
use super::expect::{Role, Want};
use super::places::unwrap;
use super::show::counted;

/// How many values left out are named.
const SHOWN: usize = 4;

/// What is left of a subject of type `ty` after an arm: without `none`, once `none` has its arm.
pub(super) fn after(pattern: &Pattern, ty: Ty) -> Ty {
    match (&pattern.kind, ty) {
        (PatternKind::Literal(Expr { kind: ExprKind::None, .. }), Ty::Optional(inner)) => (*inner).clone(),
        (_, ty) => ty,
    }
}

impl Checker<'_> {
    /// A pattern for a subject of type `ty`; its names come into scope.
    pub fn pattern(&mut self, pattern: &syn::Pattern, ty: &Ty) -> Pattern {
        let span = pattern.span;
        let kind = match &pattern.kind {
            S::Wildcard => PatternKind::Wildcard,
            S::Bind(name) => self.binding(*name, ty),
            S::Variant { of, variant, fields } => self.variant_pattern(*of, *variant, fields, ty, span),
            S::Literal(literal) => PatternKind::Literal(self.literal_pattern(literal, ty)),
        };
        Pattern { kind, span }
    }

    /// A name alone takes whatever is matched. One that a variant has was meant to be that.
    fn binding(&mut self, name: Ident, ty: &Ty) -> PatternKind {
        if let Ty::Enum(id, _) = unwrap(ty).0
            && let Some(sig) = self.enumeration(*id)
            && let Some(variant) = sig.variants.iter().find(|variant| is_same_word(variant.name, name.name))
        {
            let holes = vec!["_"; variant.fields.len()].join(", ");
            let holes = if holes.is_empty() { holes } else { format!("({holes})") };
            let meant = format!("{}.{}{holes}", sig.name, variant.name);
            let message = format!("`{}` alone is a name for whatever is matched, not the variant of `{}`", name.name, sig.name);
            let finding = self
                .error("unknown-name", name.span, message)
                .label(Location::Item(*id), format!("`{}` is declared here", sig.name))
                .help(format!("write `{meant}`; for a name that takes everything choose another one"))
                .replace(format!("write `{meant}`"), Safety::Unsafe, self.file, name.span, meant);
            self.push(finding);
            let local = self.declare(name, ty.clone(), LocalKind::Bound);
            self.mark_used(local);
            return PatternKind::Error;
        }
        PatternKind::Bind(self.declare(name, ty.clone(), LocalKind::Bound))
    }

    fn literal_pattern(&mut self, literal: &syn::Expr, ty: &Ty) -> Expr {
        if matches!(literal.kind, syn::ExprKind::None) && !matches!(ty, Ty::Optional(_) | Ty::None | Ty::Error | Ty::Unknown) {
            let found = self.quoted(ty);
            let finding = self
                .warn("unreachable-arm", literal.span, "what is matched is never `none`, so this arm never runs")
                .saying(format!("matches {found}"));
            self.push(finding);
            return Expr { kind: ExprKind::None, ty: Ty::None, span: literal.span };
        }
        self.check(literal, Want::new(ty, Role::Pattern, literal.span))
    }

    fn variant_pattern(&mut self, of: Ident, variant: Ident, fields: &[syn::Pattern], ty: &Ty, span: Span) -> PatternKind {
        let (subject, _) = unwrap(ty);
        let found = self.type_name(of, "enum");
        let known = found.and_then(|id| Some((id, self.variant(id, variant)?)));
        let Some((id, (index, declared))) = known else {
            self.bind_unknown(fields);
            return PatternKind::Error;
        };
        let place = match subject {
            Ty::Enum(other, place) if *other == id => *place,
            Ty::Error | Ty::Unknown => crate::types::Place::Any,
            other => {
                let found = self.quoted(other);
                let finding = self
                    .error("type-mismatch", span, format!("what is matched is {found}, never {}", one_of(&of.name)))
                    .label(Location::Item(id), format!("`{}` is declared here", of.name));
                self.push(finding);
                self.bind_unknown(fields);
                return PatternKind::Error;
            }
        };
        if fields.len() != declared.len() {
            let names: Vec<&str> = declared.iter().map(|field| field.name.as_str()).collect();
            let (has, given) = (counted(declared.len(), "field"), counted(fields.len(), "field"));
            let finding = self
                .error("wrong-arguments", span, format!("`{}` has {has}, but the pattern has {given}", variant.name))
                .label(Location::Item(id), format!("`{}` is declared here", of.name))
                .help(if names.is_empty() {
                    format!("write `{}.{}`", of.name, variant.name)
                } else {
                    format!("write `{}.{}({})`, with `_` for what is not needed", of.name, variant.name, names.join(", "))
                });
            self.push(finding);
        }
        let mut made = Vec::with_capacity(declared.len());
        for (declared, field) in declared.iter().zip(fields) {
            let ty = self.seen(&declared.ty, place);
            made.push(self.pattern(field, &ty));
        }
        self.bind_unknown(fields.get(declared.len()..).unwrap_or_default());
        made.resize_with(declared.len(), || Pattern { kind: PatternKind::Wildcard, span });
        PatternKind::Variant { of: id, variant: index, fields: made }
    }

    /// Brings the names of patterns into scope that match nothing known.
    fn bind_unknown(&mut self, patterns: &[syn::Pattern]) {
        for pattern in patterns {
            match &pattern.kind {
                S::Bind(name) => {
                    let local = self.declare(*name, Ty::Error, LocalKind::Bound);
                    self.mark_used(local);
                }
                S::Variant { fields, .. } => self.bind_unknown(fields),
                S::Wildcard | S::Literal(_) => {}
            }
        }
    }

    /// Reports what the arms of a `match` leave out, and arms that never run. `statement`: an arm can be left empty.
    pub fn cover(&mut self, subject: &Expr, arms: &[(&Pattern, Span)], span: Span, statement: bool) {
        if matches!(subject.ty, Ty::Error | Ty::Unknown) || arms.iter().any(|(pattern, _)| has_error(pattern)) {
            return;
        }
        let types = [subject.ty.clone()];
        let mut rows: Vec<Vec<Pat<'_>>> = Vec::with_capacity(arms.len());
        for (pattern, arm) in arms {
            let row = vec![self.pat(pattern, &subject.ty)];
            let never_none = matches!(pattern.kind, PatternKind::Literal(Expr { kind: ExprKind::None, ty: Ty::None, .. }));
            if !never_none && !self.useful(&rows, &row, &types) {
                let all = rows.iter().any(|row| matches!(row[0], Pat::Any));
                let message = if all {
                    "this arm never runs: one before it takes everything"
                } else {
                    "this arm never runs: those before it take all that it matches"
                };
                // With the comma behind it.
                let after = self.text_after(arm.end);
                let comma = after.trim_start().starts_with(',').then(|| after.len() - after.trim_start().len() + 1);
                let whole = Span { start: arm.start, end: arm.end + comma.unwrap_or(0) as u32 };
                let finding = self
                    .warn("unreachable-arm", pattern.span, message)
                    .help("remove it, or put it before the arm that takes everything")
                    .replace("remove it", Safety::Unsafe, self.file, self.removal(whole), "");
                self.push(finding);
            }
            rows.push(row);
        }
        // An arm that could not be read may be the one that is missing.
        let is_inside = |error: &patternc_grammar::SyntaxError| span.start <= error.span.start && error.span.end <= span.end;
        if crate::items::parsed(self.db, self.file).errors.iter().any(is_inside) {
            return;
        }
        let mut left_out: Vec<String> = Vec::new();
        while left_out.len() <= SHOWN {
            let Some(witness) = self.witness(&rows, &types) else { break };
            let [witness] = &witness[..] else { break };
            let witness = match (witness, self.all_made(&subject.ty).and_then(|all| all.into_iter().next())) {
                // Where there is no arm at all, the first of them.
                (Pat::Any, Some(first)) => {
                    let parts = self.part_types(&first, &subject.ty).len();
                    Pat::Made(first, vec![Pat::Any; parts])
                }
                (witness, _) => witness.clone(),
            };
            left_out.push(self.show_pat(&witness, &subject.ty));
            rows.push(vec![witness]);
        }
        if left_out.is_empty() {
            return;
        }
        let more = left_out.len() > SHOWN;
        left_out.truncate(SHOWN);
        // Of values without an end, none can be named.
        let endless = left_out.iter().any(|left| left == "_");
        let names = if endless { "what is left".to_owned() } else { super::show::listed(&left_out) };
        let rest = if more { " and more" } else { "" };
        let word = Span { start: span.start, end: (span.start + "match".len() as u32).min(span.end) };
        let ty = self.quoted(&subject.ty);
        let mut finding = self
            .error("missing-arm", word, format!("this `match` has no arm for {names}{rest}"))
            .label(self.at(subject.span), ty)
            .help(if endless { "add `_ => …` for all other values" } else { "add an arm for each, or `_ =>` for all the others" });
        if statement && !more {
            let end = Span { start: span.end.saturating_sub(1), end: span.end.saturating_sub(1) };
            let text = left_out.iter().map(|arm| format!("{arm} => {{ }} ")).collect();
            let edits = vec![Edit { file: self.file, span: end, text }];
            let title = if endless { "add an empty arm for the others" } else { "add an empty arm for each" };
            finding = finding.fix(title, Safety::Unsafe, edits);
        }
        self.push(finding);
    }

    /// Whether a value matches `row` and none of `rows`: Maranget, Warnings for pattern matching, 2007.
    fn useful(&mut self, rows: &[Vec<Pat<'_>>], row: &[Pat<'_>], types: &[Ty]) -> bool {
        let Some((head, rest)) = row.split_first() else { return rows.is_empty() };
        match head {
            Pat::Made(made, parts) => {
                let inner = self.part_types(made, &types[0]);
                let (rows, row) = (specialize(rows, made, inner.len()), [parts, rest].concat());
                self.useful(&rows, &row, &[&inner, &types[1..]].concat())
            }
            Pat::Any => match self.complete(rows, &types[0]) {
                Some(all) => all.iter().any(|made| {
                    let inner = self.part_types(made, &types[0]);
                    let row = [&vec![Pat::Any; inner.len()], rest].concat();
                    self.useful(&specialize(rows, made, inner.len()), &row, &[&inner, &types[1..]].concat())
                }),
                None => self.useful(&others(rows), rest, &types[1..]),
            },
        }
    }

    /// A value that no row matches, as patterns.
    fn witness<'p>(&mut self, rows: &[Vec<Pat<'p>>], types: &[Ty]) -> Option<Vec<Pat<'p>>> {
        let Some(head) = types.first() else { return rows.is_empty().then(Vec::new) };
        if let Some(all) = self.complete(rows, head) {
            for made in all {
                let inner = self.part_types(&made, head);
                let found = self.witness(&specialize(rows, &made, inner.len()), &[&inner, &types[1..]].concat());
                if let Some(mut found) = found {
                    let rest = found.split_off(inner.len());
                    return Some(std::iter::once(Pat::Made(made, found)).chain(rest).collect());
                }
            }
            return None;
        }
        let found = self.witness(&others(rows), &types[1..])?;
        let head = match self.all_made(head) {
            Some(all) => {
                let free = all.into_iter().find(|made| !rows.iter().any(|row| matches!(&row[0], Pat::Made(other, _) if other == made)));
                match free {
                    Some(made) if rows.iter().any(|row| matches!(row[0], Pat::Made(..))) => {
                        let parts = self.part_types(&made, head).len();
                        Pat::Made(made, vec![Pat::Any; parts])
                    }
                    _ => Pat::Any,
                }
            }
            None => Pat::Any,
        };
        Some(std::iter::once(head).chain(found).collect())
    }

    /// All ways to make a value of the type, if the rows name each of them.
    fn complete<'p>(&mut self, rows: &[Vec<Pat<'p>>], ty: &Ty) -> Option<Vec<Made<'p>>> {
        let all = self.all_made(ty)?;
        let named = |made: &Made<'_>| rows.iter().any(|row| matches!(&row[0], Pat::Made(other, _) if other == made));
        all.iter().all(named).then_some(all)
    }

    /// The ways to make a value of the type; `None` if there is no end to them.
    fn all_made<'p>(&mut self, ty: &Ty) -> Option<Vec<Made<'p>>> {
        match ty {
            Ty::Bool => Some(vec![Made::Bool(true), Made::Bool(false)]),
            Ty::Optional(_) => Some(vec![Made::None, Made::Some]),
            Ty::Enum(id, _) => {
                let id = *id;
                let sig = self.enumeration(id)?;
                Some((0..sig.variants.len() as u32).map(|index| Made::Variant(id, index)).collect())
            }
            _ => None,
        }
    }

    /// The types of the parts of a value of type `ty` made by `made`.
    fn part_types(&mut self, made: &Made<'_>, ty: &Ty) -> Vec<Ty> {
        match made {
            Made::Variant(id, index) => match self.enumeration(*id) {
                Some(sig) => sig.variants[*index as usize].fields.iter().map(|field| field.ty.clone()).collect(),
                None => Vec::new(),
            },
            Made::Some => vec![unwrap(ty).0.clone()],
            _ => Vec::new(),
        }
    }

    /// A pattern for a subject of type `ty`, as far as covering goes.
    fn pat<'p>(&mut self, pattern: &'p Pattern, ty: &Ty) -> Pat<'p> {
        let made = match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Error => return Pat::Any,
            PatternKind::Literal(Expr { kind: ExprKind::None, .. }) => return Pat::Made(Made::None, Vec::new()),
            PatternKind::Literal(Expr { kind: ExprKind::Bool(value), .. }) => Pat::Made(Made::Bool(*value), Vec::new()),
            PatternKind::Literal(literal) => Pat::Made(Made::Literal(&literal.kind), Vec::new()),
            PatternKind::Variant { of, variant, fields } => {
                let made = Made::Variant(*of, *variant);
                let types = self.part_types(&made, ty);
                Pat::Made(made, fields.iter().zip(&types).map(|(field, ty)| self.pat(field, ty)).collect())
            }
        };
        if matches!(ty, Ty::Optional(_)) { Pat::Made(Made::Some, vec![made]) } else { made }
    }

    fn show_pat(&mut self, pat: &Pat<'_>, ty: &Ty) -> String {
        match pat {
            Pat::Any => "_".to_owned(),
            Pat::Made(made, parts) => {
                let types = self.part_types(made, ty);
                let parts: Vec<String> = parts.iter().zip(&types).map(|(part, ty)| self.show_pat(part, ty)).collect();
                match made {
                    Made::Bool(value) => value.to_string(),
                    Made::None => "none".to_owned(),
                    // What is there is bound to a name.
                    Made::Some => parts.into_iter().next().filter(|part| part != "_").unwrap_or_else(|| "x".to_owned()),
                    Made::Variant(id, index) => {
                        let Some(sig) = self.enumeration(*id) else { return String::new() };
                        let variant = &sig.variants[*index as usize];
                        let parts = if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
                        format!("{}.{}{parts}", sig.name, variant.name)
                    }
                    Made::Literal(_) => "_".to_owned(),
                }
            }
        }
    }
}

/// A pattern as far as covering goes.
#[derive(Clone, Debug)]
enum Pat<'p> {
    Any,
    Made(Made<'p>, Vec<Pat<'p>>),
}

/// How a value is made.
#[derive(Clone, Debug, PartialEq)]
enum Made<'p> {
    Bool(bool),
    None,
    /// An optional that is not `none`.
    Some,
    Variant(ItemId, u32),
    Literal(&'p ExprKind),
}

/// The rows that match what is made by `made`, with its `parts` in place of the first column.
fn specialize<'p>(rows: &[Vec<Pat<'p>>], made: &Made<'_>, parts: usize) -> Vec<Vec<Pat<'p>>> {
    rows.iter()
        .filter_map(|row| match &row[0] {
            Pat::Any => Some([&vec![Pat::Any; parts][..], &row[1..]].concat()),
            Pat::Made(other, inner) if other == made => Some([&inner[..], &row[1..]].concat()),
            Pat::Made(..) => None,
        })
        .collect()
}

/// The rows that match whatever the first column is.
fn others<'p>(rows: &[Vec<Pat<'p>>]) -> Vec<Vec<Pat<'p>>> {
    rows.iter().filter(|row| matches!(row[0], Pat::Any)).map(|row| row[1..].to_vec()).collect()
}

fn has_error(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Error => true,
        PatternKind::Variant { fields, .. } => fields.iter().any(has_error),
        _ => false,
    }
}

/// Whether two names are one but for their case.
fn is_same_word(one: Name, other: Name) -> bool {
    lower_snake(&one) == lower_snake(&other)
}
