//! Types, parameters, names in lists.

use super::Builder;
use crate::habits;
use crate::parse::Rule;
use crate::syntax::*;

/// How deep a type may be nested: `T????`.
const MAX_OPTIONAL: usize = 8;

impl Builder<'_> {
    /// A type: a name, and what follows it.
    pub(super) fn type_expr(&mut self) -> TypeExpr {
        let first = self.at;
        let after = self.tokens[first].next as usize;
        if self.tokens[after..self.limit].first().is_some_and(|token| token.rule == Rule::foreign_union) && self.is_absent() {
            self.leaf();
            return self.union(first, None);
        }
        let ty = self.plain_type();
        if self.sees(Rule::foreign_union) { self.union(first, Some(ty)) } else { ty }
    }

    /// Whether a name is what other languages say of a value that is absent.
    fn is_absent(&self) -> bool {
        let word = self.slice(self.tokens[self.at]);
        word == "none" || habits::is_none_elsewhere(word)
    }

    /// `A | B`, of which `first` is the index of the first token: reported, and read as what was meant where it is one type that may be absent.
    fn union(&mut self, first: usize, ty: Option<TypeExpr>) -> TypeExpr {
        let start = self.tokens[first].start;
        let mut absent = ty.is_none();
        let mut types: Vec<(TypeExpr, &str)> = Vec::new();
        types.extend(ty.map(|ty| (ty, &self.text[start as usize..self.last as usize])));
        let inside = self.enter();
        while self.peek().is_some() {
            if self.is_absent() {
                absent = true;
                self.leaf();
            } else {
                let start = self.tokens[self.at].start;
                let ty = self.plain_type();
                types.push((ty, &self.text[start as usize..self.last as usize]));
            }
        }
        self.leave_open(inside);
        let span = self.span(start, self.last);
        if !absent || types.len() != 1 {
            let help = "a choice is an `enum`, whose variants say what each holds: `enum Answer { number(n: Int), word(text: Text) }`";
            self.wrong(span, "a type has no `|`", help);
            return TypeExpr { kind: TypeKind::Error, span };
        }
        let (ty, written) = types.swap_remove(0);
        let optional = matches!(ty.kind, TypeKind::Optional(_));
        let fix = if optional { written.to_owned() } else { format!("{written}?") };
        self.misspelt(span, "a type has no `|`", format!("what may be absent has a type with `?`: `{fix}`"), fix.as_str());
        if optional { ty } else { TypeExpr { kind: TypeKind::Optional(Box::new(ty)), span } }
    }

    fn plain_type(&mut self) -> TypeExpr {
        let start = self.tokens[self.at].start;
        let name = self.upper();
        let mut args = Vec::new();
        if self.sees(Rule::type_args) {
            let inside = self.enter();
            while self.peek().is_some() {
                args.push(self.type_expr());
            }
            self.leave_closed(inside);
        }
        let place = self.leaf_if(Rule::place).map(|token| {
            let mut word = token;
            word.start += 1;
            match self.slice(word) {
                "any" => PlaceExpr::Any(self.token_span(word)),
                _ => PlaceExpr::Space(self.ident_of(word)),
            }
        });
        let mut ty = TypeExpr { kind: TypeKind::Named { name, args, place }, span: self.span(start, self.last) };
        if let Some(marks) = self.leaf_if(Rule::optional) {
            let count = self.slice(marks).len();
            if count > 1 {
                let span = self.span(marks.start + 1, marks.end);
                self.misspelt(span, "a type is optional or it is not", "one `?` is enough", "");
            }
            for index in 1..=count.min(MAX_OPTIONAL) {
                let span = self.span(start, marks.start + index as u32);
                ty = TypeExpr { kind: TypeKind::Optional(Box::new(ty)), span };
            }
        }
        ty
    }

    /// `(name: Type, …)`.
    pub(super) fn params(&mut self) -> Vec<Param> {
        let inside = self.enter();
        let params = self.param_list();
        self.leave_closed(inside);
        params
    }

    /// The parameters or fields between two brackets.
    pub(super) fn param_list(&mut self) -> Vec<Param> {
        let mut params = Vec::new();
        while self.sees(Rule::param) {
            let inside = self.enter();
            let _ = self.docs();
            let name = self.lower();
            let ty = self.type_expr();
            self.leave(&inside);
            params.push(Param { name, span: name.span.to(ty.span), ty });
        }
        self.docs_of_nothing();
        params
    }

    /// `(a, b)`.
    pub(super) fn names(&mut self) -> Vec<Ident> {
        let inside = self.enter();
        let mut names = Vec::new();
        while self.peek().is_some() {
            names.push(self.lower());
        }
        self.leave_closed(inside);
        names
    }

    /// `-> Type`, if it stands here.
    pub(super) fn result(&mut self) -> Option<TypeExpr> {
        self.sees(Rule::result).then(|| {
            let inside = self.enter();
            let ty = self.type_expr();
            self.leave(&inside);
            ty
        })
    }
}
