//! What names mean in a body: locals, then the items of the file.

use patternc_grammar::syntax::{Ident, Name};

use crate::diagnostic::{Diagnostic, Safety};
use crate::hir::{Expr, ExprKind};
use crate::resolve::{did_you_mean, unknown_name};
use crate::signature::Signature;
use crate::types::{ItemId, Ty};

use super::checker::{Checker, Mode};
use super::expressions::error_expr;

impl Checker<'_> {
    /// A lower-case name as a value.
    pub fn name(&mut self, name: Ident) -> Expr {
        if let Some(local) = self.local_named(name.name) {
            self.mark_used(local);
            return Expr { kind: ExprKind::Local(local), ty: self.local_type(local), span: name.span };
        }
        let Some(item) = self.names.lookup(name.name) else {
            if !self.is_implied(name) {
                self.unknown_value(name);
            }
            return error_expr(name.span);
        };
        let (what, way_out) = match self.sig(item) {
            Signature::Fn(_) => ("a function, not a value", format!("call it: `{}(…)`", name.name)),
            Signature::Extern(_) => ("the outside world, not a value", format!("send to one of its operations: `send {}.…`", name.name)),
            Signature::Space(_) => ("a space, not a value", format!("a space is named after `in`: `create R in {} {{ … }}`", name.name)),
            Signature::Mirror(_) => ("a mirror, not a value", "a mirror runs by itself".to_owned()),
            Signature::Invariant(_) => ("an invariant, not a value", "an invariant is checked by itself at every commit".to_owned()),
            _ => ("not a value", "use the name of a local here".to_owned()),
        };
        let finding = self.error("type-mismatch", name.span, format!("`{}` is {what}", name.name)).help(way_out);
        self.push(finding);
        error_expr(name.span)
    }

    /// Reports a lower-case name that means nothing.
    pub fn unknown_value(&mut self, name: Ident) {
        if let Some(record) = self.cx.self_record
            && let Some(sig) = self.record(record)
        {
            let what = if sig.cell(name.name).is_some() {
                Some("cell")
            } else if sig.handler(name.name).is_some() {
                Some("handler")
            } else {
                None
            };
            if let Some(what) = what {
                let meant = format!("self.{}", name.name);
                let finding = self
                    .error("unknown-name", name.span, format!("there is no local `{}` here; the {what} is `{meant}`", name.name))
                    .help(format!("inside a record its {what}s are always written with `self.`"))
                    .replace(format!("write `{meant}`"), Safety::Safe, self.file, name.span, meant);
                self.push(finding);
                return;
            }
        }
        let known = self.cx.scope.iter().map(|(name, _)| *name).chain(self.all_names()).collect::<Vec<_>>();
        let known = known.iter().map(|name| name.as_str()).filter(|name| !name.starts_with(char::is_uppercase));
        // Parsing has reported those as no words of the language.
        if patternc_grammar::is_word_elsewhere(&name.name) {
            return;
        }
        let finding = unknown_name(self.db, self.file, name, "name", known.chain(["self", "true", "false", "none"]));
        if let Some(finding) = finding {
            let finding = self.variant_meant(name, finding);
            self.push(finding);
        }
    }

    /// Says of an unknown name that is a variant how it is written.
    fn variant_meant(&mut self, name: Ident, finding: Diagnostic) -> Diagnostic {
        let mut meant: Vec<(Name, bool)> = Vec::new();
        for of in self.all_names() {
            let Some(id) = self.names.lookup(of) else { continue };
            if let Signature::Enum(sig) = self.sig(id)
                && let Some(variant) = sig.variants.iter().find(|variant| variant.name == name.name)
            {
                meant.push((of, variant.fields.is_empty()));
            }
        }
        meant.sort_unstable();
        let [(of, is_whole), ..] = meant[..] else { return finding };
        let written = format!("{of}.{}", name.name);
        let all: Vec<String> = meant.iter().map(|(of, _)| format!("`{of}.{}`", name.name)).collect();
        let finding = Diagnostic { fixes: Vec::new(), ..finding }.help(format!("a variant is written with its enum: {}", all.join(" or ")));
        match (is_whole, meant.len()) {
            (true, 1) => finding.replace(format!("write `{written}`"), Safety::Safe, self.file, name.span, written),
            _ => finding,
        }
    }

    /// Whether a name means a cell or field of an element for which a lambda is missing; it is remembered for what is said of that.
    fn is_implied(&mut self, name: Ident) -> bool {
        let Some(mut implied) = self.cx.implied.take() else { return false };
        let is_member = match implied.ty {
            Ty::Record(id, _) => self.record(id).is_some_and(|sig| sig.cell(name.name).is_some()),
            Ty::Struct(id, _) => self.structure(id).is_some_and(|sig| sig.fields.iter().any(|field| field.name == name.name)),
            _ => false,
        };
        if is_member {
            implied.members.push(name);
        }
        self.cx.implied = Some(implied);
        is_member
    }

    /// The item that an upper-case name means; an unknown one is reported.
    pub fn type_name(&mut self, name: Ident, what: &str) -> Option<ItemId> {
        let found = self.names.lookup(name.name);
        if found.is_none() {
            let known = self.all_names();
            let known = known.iter().map(|name| name.as_str()).filter(|name| name.starts_with(char::is_uppercase));
            let finding = unknown_name(self.db, self.file, name, what, known);
            self.diagnostics.extend(finding);
        }
        found
    }

    /// Reports `name`, which `owner` ("`Person`") has not, with the one that was meant.
    pub fn unknown_member<'a>(&mut self, owner: &str, what: &str, name: Ident, known: impl IntoIterator<Item = &'a str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let mut finding = self.error("unknown-name", name.span, format!("{owner} has no {what} `{}`", name.name));
        match did_you_mean(name.name.as_str(), known.iter().copied()) {
            Some(meant) => {
                finding = finding.help(format!("did you mean `{meant}`?")).replace(
                    format!("write `{meant}`"),
                    Safety::Unsafe,
                    self.file,
                    name.span,
                    meant,
                );
            }
            None if !known.is_empty() && known.len() <= 12 => finding = finding.help(format!("it has {}", super::show::listed(&known))),
            None => {}
        }
        self.push(finding);
    }

    /// Every name of an item, for suggestions.
    pub fn all_names(&self) -> Vec<Name> {
        self.names.names().collect()
    }

    /// `self` as a value.
    pub fn self_ref(&mut self, span: patternc_grammar::syntax::Span) -> Expr {
        let Some(record) = self.cx.self_record else {
            let help = match self.cx.mode {
                Mode::Invariant | Mode::Mirror => "use the name of the parameter",
                Mode::Fn => "give the function a parameter for it",
                _ => "name the record that is meant",
            };
            let message = format!("there is no `self` in {}", self.cx.mode.describe());
            let finding = self.error("unknown-name", span, message).help(help);
            self.push(finding);
            return error_expr(span);
        };
        let place = self.place(record, crate::types::Place::Here);
        Expr { kind: ExprKind::SelfRef, ty: Ty::Record(record, place), span }
    }
}
