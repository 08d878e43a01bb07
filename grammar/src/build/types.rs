//! Types, parameters, names in lists.

use super::Builder;
use crate::habits;
use crate::parse::Rule;
use crate::syntax::*;

/// How deep a type may be nested: `T????`.
const MAX_OPTIONAL: usize = 8;

/// What stands in a list instead of commas, each with what to write.
#[derive(Default)]
pub(super) struct Commas {
    missing: Vec<(Span, String)>,
    other: Vec<(Span, String)>,
}

impl Builder<'_> {
    /// A type: a name, and what follows it.
    pub(super) fn type_expr(&mut self) -> TypeExpr {
        if self.sees(Rule::lost_type) {
            return self.lost_type();
        }
        let first = self.at;
        let after = self.tokens[first].next as usize;
        if self.tokens[after..self.limit].first().is_some_and(|token| token.rule == Rule::foreign_union) && self.is_absent() {
            self.leaf();
            return self.union(first, None);
        }
        let ty = self.plain_type();
        if self.sees(Rule::foreign_union) { self.union(first, Some(ty)) } else { ty }
    }

    /// The type that is missing behind a `:`, before the next member.
    fn lost_type(&mut self) -> TypeExpr {
        let last = self.last;
        self.leaf();
        self.last = last + self.text[last as usize..].find(':').map_or(0, |sign| sign as u32 + 1);
        let span = self.span(self.last, self.last);
        self.wrong(span, "expected a type, found the end of the line", "such as `Text`, `Int`, `List<Text>`, or the name of a record");
        TypeExpr { kind: TypeKind::Error, span }
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
        let params = self.param_list("parameters");
        self.leave_closed(inside);
        params
    }

    /// The parameters or fields between two brackets.
    pub(super) fn param_list(&mut self, what: &str) -> Vec<Param> {
        let mut params = Vec::new();
        let mut commas = Commas::default();
        while self.sees(Rule::param) {
            let inside = self.enter();
            let _ = self.docs();
            let name = self.lower();
            let ty = self.type_expr();
            self.leave(&inside);
            params.push(Param { name, span: name.span.to(ty.span), ty });
            self.comma(&mut commas);
        }
        self.docs_of_nothing();
        self.report_commas(commas, what);
        params
    }

    /// Remembers what stands here instead of a comma.
    pub(super) fn comma(&mut self, commas: &mut Commas) {
        let last = self.last;
        if self.leaf_if(Rule::foreign_gap).is_some() {
            self.last = last;
            commas.missing.push((self.span(last, last), ",".to_owned()));
        } else if let Some(token) = self.leaf_if(Rule::foreign_comma) {
            let behind = &self.text[token.end as usize..];
            let blanks = behind.len() - behind.trim_start_matches(' ').len();
            let (from, to, written) = match self.text[..token.start as usize].trim_end().ends_with('{') {
                true => (token.start, token.end + blanks as u32, ""),
                false => (last, token.end, ","),
            };
            commas.other.push((self.span(from, to), written.to_owned()));
        }
    }

    /// Reports what stands instead of commas between `what`: "fields".
    pub(super) fn report_commas(&mut self, commas: Commas, what: &str) {
        self.habit_of(commas.other, format!("{what} are separated by commas"), "write `,`");
        self.habit_of(commas.missing, "a `,` is missing here", format!("{what} are separated by commas"));
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
        if !self.sees(Rule::result) {
            return None;
        }
        let last = self.last;
        let inside = self.enter();
        let word = self.slice(self.tokens[self.at]);
        if habits::is_no_result(word) && self.tokens[self.at].next as usize == self.limit {
            let token = self.leaf();
            self.leave(&inside);
            let span = self.span(inside.token.start, token.end);
            self.misspelt(span, "nothing is written for no result", "leave it out: without `-> Type` there is no result", "");
            self.last = last;
            return None;
        }
        let ty = self.type_expr();
        self.leave(&inside);
        Some(ty)
    }
}
