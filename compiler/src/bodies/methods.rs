//! The built-in methods of values, and lambdas.

use patternc_grammar::syntax::{self as syn, ExprKind as S, Ident, Span};
use patternc_program::Method;

use crate::diagnostic::Safety;
use crate::hir::{Arg, Expr, ExprKind, Lambda, LocalKind};
use crate::types::Ty;

use super::checker::{Checker, Implied};
use super::expect::{Role, Want, open};
use super::expressions::error_expr;
use super::operators::is_ordered;
use super::places::{optional, unwrap};
use super::show::counted;

/// How often the start of a `fold` is made wider before it is taken as it is: places and optionals each widen once.
const FOLD_ROUNDS: u32 = 8;

/// Whether any value has a method of this name.
pub(super) fn is_name(name: &str) -> bool {
    Method::named(name).is_some()
}

/// Whether values of the type have a method of this name.
pub(super) fn has_method(ty: &Ty, name: &str) -> bool {
    Method::named(name).is_some_and(|method| methods_of(ty).contains(&method))
}

const LIST: &[Method] = &[
    Method::Len,
    Method::IsEmpty,
    Method::First,
    Method::Last,
    Method::Contains,
    Method::Map,
    Method::Filter,
    Method::Any,
    Method::All,
    Method::Find,
    Method::SortBy,
    Method::Sum,
    Method::Min,
    Method::Max,
    Method::Take,
    Method::Skip,
    Method::Reverse,
    Method::Distinct,
    Method::Join,
    Method::Fold,
];
const SET: &[Method] = &[
    Method::Len,
    Method::IsEmpty,
    Method::Contains,
    Method::Map,
    Method::Filter,
    Method::Any,
    Method::All,
    Method::Find,
    Method::SortBy,
    Method::Sum,
    Method::Min,
    Method::Max,
    Method::Join,
    Method::Fold,
    Method::Union,
    Method::Intersect,
    Method::Minus,
];
const MAP: &[Method] = &[Method::Len, Method::IsEmpty, Method::Keys, Method::Values, Method::Get, Method::Contains];
const TEXT: &[Method] = &[
    Method::Len,
    Method::Upper,
    Method::Lower,
    Method::Trim,
    Method::Split,
    Method::Lines,
    Method::Slice,
    Method::Contains,
    Method::StartsWith,
    Method::EndsWith,
    Method::Replace,
    Method::ToInt,
    Method::ToFloat,
];

/// The methods that values of a type have.
pub fn methods_of(ty: &Ty) -> &'static [Method] {
    match ty {
        Ty::List(_) => LIST,
        Ty::Set(_) => SET,
        Ty::Map(..) => MAP,
        Ty::Text => TEXT,
        Ty::Int => &[Method::ToFloat],
        Ty::Float => &[Method::Round],
        _ => &[],
    }
}

/// The method of a type that other languages call `name`, with the same arguments.
fn called_elsewhere(ty: &Ty, name: &str) -> Option<Method> {
    Some(match (ty, name) {
        (Ty::List(_) | Ty::Set(_), "some") => Method::Any,
        (Ty::List(_) | Ty::Set(_), "every") => Method::All,
        (Ty::Text, "toUpperCase" | "to_uppercase" | "toUpper") => Method::Upper,
        (Ty::Text, "toLowerCase" | "to_lowercase" | "toLower") => Method::Lower,
        (Ty::Text, "includes") => Method::Contains,
        (Ty::Text, "substring") => Method::Slice,
        _ => return None,
    })
}

impl Checker<'_> {
    /// `base.name(args)` where `name` is built in.
    pub fn built_in_method(&mut self, mut base: Expr, name: Ident, args: &[syn::Expr], chained: bool, span: Span) -> Expr {
        let (inner, was_optional) = unwrap(&base.ty);
        let inner = inner.clone();
        if matches!(inner, Ty::Error | Ty::Unknown | Ty::None) {
            self.all_of(args);
            if inner == Ty::None {
                self.may_be_none(&base, &format!("`{}`", name.name));
            }
            return error_expr(span);
        }
        let known = methods_of(&inner);
        let Some(method) = Method::named(name.name.as_str()).filter(|method| known.contains(method)) else {
            self.all_of(args);
            self.unknown_method(&inner, name);
            return error_expr(span);
        };
        if was_optional && !chained {
            self.may_be_none(&base, &format!("`{}`", name.name));
            // Reported: from here on it counts as there.
            base.ty = inner.clone();
        }
        if chained && !was_optional {
            let found = self.quoted(&base.ty);
            let finding = self
                .warn("constant-condition", base.span, "this is never `none`, so `?.` does what `.` does")
                .saying(format!("{found}, not optional"))
                .help("write `.`");
            self.push(finding);
        }
        let Some((args, ty)) = self.apply(method, &inner, args, span) else { return error_expr(span) };
        let ty = self.through(ty, chained);
        Expr { kind: ExprKind::Method { method, base: Box::new(base), args, optional: chained }, ty, span }
    }

    fn unknown_method(&mut self, ty: &Ty, name: Ident) {
        let owner = self.quoted(ty);
        let known = methods_of(ty);
        let text = name.name.as_str();
        if let Some(method) = called_elsewhere(ty, text) {
            let finding = self
                .error("unknown-name", name.span, format!("{owner} has no method `{text}`"))
                .help(format!("it is called `{}`", method.name()))
                .replace(format!("write `{}`", method.name()), Safety::Unsafe, self.file, name.span, method.name());
            self.push(finding);
            return;
        }
        let help = match (ty, text) {
            (Ty::Text, "is_empty") => Some("compare it: `text == \"\"`"),
            (_, "length" | "size" | "count") if known.contains(&Method::Len) => Some("it is called `len()`"),
            (Ty::List(_), "push" | "append" | "add") | (Ty::Set(_), "add" | "insert") => {
                Some("a value never changes; a cell takes an element with `+=`")
            }
            (Ty::List(_) | Ty::Set(_), "remove" | "delete") => Some("a value never changes; a cell gives an element up with `-=`"),
            (Ty::List(_) | Ty::Set(_) | Ty::Map(..), "forEach" | "for_each" | "each") => Some("use a `for` statement"),
            (Ty::List(_), "includes" | "has") | (Ty::Set(_) | Ty::Map(..), "has") => Some("ask `x in …`"),
            (Ty::List(_), "concat") => Some("two lists are joined with `+`: `xs + ys`"),
            (Ty::List(_), "slice" | "splice") => Some("a part of a List is `xs.skip(from).take(number)`"),
            (Ty::List(_), "indexOf" | "index_of" | "findIndex") => {
                Some("ask `x in …` whether it is there; `find(x => …)` gives the element itself")
            }
            (Ty::Text, "concat") => Some("put both into one text: `\"{a}{b}\"`"),
            (Ty::Text, "indexOf" | "index_of") => Some("ask `contains(…)` whether it is there; `split(…)` gives what stands around it"),
            (Ty::List(_), "reduce") => Some("it is called `fold(start, (acc, x) => …)`"),
            (Ty::List(_), "sort") => Some("it is called `sort_by(x => …)`"),
            (Ty::Map(..), "set" | "insert" | "remove" | "delete") => {
                Some("a value never changes; write the entry of the cell: `self.m[k] = v`, `delete self.m[k]`")
            }
            (Ty::Set(_), "first" | "last" | "take" | "skip" | "reverse" | "distinct") => {
                Some("a Set has no order of its own: `sort_by(x => …)` gives a List")
            }
            (_, "to_string" | "toString" | "to_text") => Some("put it into a text: `\"{value}\"`"),
            _ => None,
        };
        if let Some(help) = help {
            let finding = self.error("unknown-name", name.span, format!("{owner} has no method `{text}`")).help(help);
            self.push(finding);
            return;
        }
        self.unknown_member(&owner, "method", name, known.iter().map(|method| method.name()));
    }

    /// The arguments and the result of a method on a value of type `of`.
    fn apply(&mut self, method: Method, of: &Ty, args: &[syn::Expr], span: Span) -> Option<(Vec<Arg>, Ty)> {
        let name = method.name();
        let element = match of {
            Ty::List(element) | Ty::Set(element) => (**element).clone(),
            _ => Ty::Unknown,
        };
        let list = |ty: Ty| Ty::List(ty.into());
        Some(match (method, of) {
            (Method::Len, _) => self.no_arguments(name, args, Ty::Int, span),
            (Method::IsEmpty, _) => self.no_arguments(name, args, Ty::Bool, span),
            (Method::First | Method::Last, _) => self.no_arguments(name, args, optional(element), span),
            (Method::Reverse | Method::Distinct, _) => self.no_arguments(name, args, of.clone(), span),
            (Method::Contains, Ty::Map(key, _)) => (self.compared(name, args, key, span)?, Ty::Bool),
            (Method::Contains, Ty::Text) => self.values(name, args, &[Ty::Text], Ty::Bool, span)?,
            (Method::Contains, _) => (self.compared(name, args, &element, span)?, Ty::Bool),
            (Method::Map, _) => {
                let (lambda, ty) = self.one_lambda(name, args, element, None, span)?;
                (vec![lambda], list(ty))
            }
            (Method::Filter, _) => {
                let (lambda, _) = self.one_lambda(name, args, element.clone(), Some(&Ty::Bool), span)?;
                (vec![lambda], list(element))
            }
            (Method::Any | Method::All, _) => {
                let (lambda, _) = self.one_lambda(name, args, element, Some(&Ty::Bool), span)?;
                (vec![lambda], Ty::Bool)
            }
            (Method::Find, _) => {
                let (lambda, _) = self.one_lambda(name, args, element.clone(), Some(&Ty::Bool), span)?;
                (vec![lambda], optional(element))
            }
            (Method::SortBy, _) => {
                let (lambda, key) = self.one_lambda(name, args, element.clone(), None, span)?;
                self.ordered(name, &key, &lambda, span);
                (vec![lambda], list(element))
            }
            (Method::Sum, _) => {
                let (args, ty) = match args {
                    [] => (Vec::new(), element),
                    _ => {
                        let (lambda, ty) = self.one_lambda(name, args, element, None, span)?;
                        (vec![lambda], ty)
                    }
                };
                if !matches!(ty, Ty::Int | Ty::Float | Ty::Duration | Ty::Error | Ty::Unknown) {
                    let found = self.quoted(&ty);
                    let finding = self
                        .error("type-mismatch", span, format!("`sum` adds Int, Float or Duration, but these are {found}"))
                        .help("say what is added: `sum(x => x.amount)`");
                    self.push(finding);
                    return Some((args, Ty::Error));
                }
                // The sum of nothing known is a number of no known kind.
                let ty = if ty == Ty::Unknown { Ty::Int } else { ty };
                (args, ty)
            }
            (Method::Min | Method::Max, _) => {
                let args = match args {
                    [] => {
                        self.ordered_elements(name, &element, span);
                        Vec::new()
                    }
                    _ => {
                        let (lambda, key) = self.one_lambda(name, args, element.clone(), None, span)?;
                        self.ordered(name, &key, &lambda, span);
                        vec![lambda]
                    }
                };
                (args, optional(element))
            }
            (Method::Take | Method::Skip, _) => self.values(name, args, &[Ty::Int], of.clone(), span)?,
            (Method::Join, _) => {
                if !matches!(element, Ty::Text | Ty::Error | Ty::Unknown) {
                    let found = self.quoted(&element);
                    let finding = self
                        .error("type-mismatch", span, format!("`join` joins Texts, but these are {found}"))
                        .help("make them Texts first: `.map(x => \"{x}\").join(…)`");
                    self.push(finding);
                }
                self.values(name, args, &[Ty::Text], Ty::Text, span)?
            }
            (Method::Fold, _) => self.fold(element, args, None, span)?,
            (Method::Union, Ty::Set(_)) => {
                let [other] = self.exactly::<1>(name, args, span) else { return None };
                let made = self.expr(other);
                let ty = self.join(of, &made.ty).filter(|ty| matches!(ty, Ty::Set(_)));
                match ty {
                    Some(ty) => (vec![Arg::Value(made)], ty),
                    None => {
                        let made = self.coerce(made, Want::new(of, Role::Built(name), other.span));
                        (vec![Arg::Value(made)], of.clone())
                    }
                }
            }
            (Method::Intersect | Method::Minus, Ty::Set(_)) => {
                // What is taken out or kept is told by equality: where its records are does not matter.
                let [other] = self.exactly::<1>(name, args, span) else { return None };
                let made = self.expr(other);
                let fits = self.join(of, &made.ty).is_some_and(|ty| matches!(ty, Ty::Set(_)));
                let made = if fits { made } else { self.coerce(made, Want::new(of, Role::Built(name), other.span)) };
                (vec![Arg::Value(made)], of.clone())
            }
            (Method::Keys, Ty::Map(key, _)) => self.no_arguments(name, args, list((**key).clone()), span),
            (Method::Values, Ty::Map(_, value)) => self.no_arguments(name, args, list((**value).clone()), span),
            (Method::Get, Ty::Map(key, value)) => (self.compared(name, args, key, span)?, optional((**value).clone())),
            (Method::Upper | Method::Lower | Method::Trim, _) => self.no_arguments(name, args, Ty::Text, span),
            (Method::Split, _) => self.values(name, args, &[Ty::Text], list(Ty::Text), span)?,
            (Method::Lines, _) => self.no_arguments(name, args, list(Ty::Text), span),
            (Method::Slice, _) => self.values(name, args, &[Ty::Int, Ty::Int], Ty::Text, span)?,
            (Method::StartsWith | Method::EndsWith, _) => self.values(name, args, &[Ty::Text], Ty::Bool, span)?,
            (Method::Replace, _) => self.values(name, args, &[Ty::Text, Ty::Text], Ty::Text, span)?,
            (Method::ToInt, _) => self.no_arguments(name, args, optional(Ty::Int), span),
            (Method::ToFloat, Ty::Int) => self.no_arguments(name, args, Ty::Float, span),
            (Method::ToFloat, _) => self.no_arguments(name, args, optional(Ty::Float), span),
            (Method::Round, _) => self.no_arguments(name, args, Ty::Int, span),
            (Method::Union | Method::Intersect | Method::Minus | Method::Keys | Method::Values | Method::Get, _) => return None,
        })
    }

    fn no_arguments(&mut self, name: &str, args: &[syn::Expr], ty: Ty, span: Span) -> (Vec<Arg>, Ty) {
        self.exactly::<0>(name, args, span);
        (Vec::new(), ty)
    }

    fn values(&mut self, name: &'static str, args: &[syn::Expr], wanted: &[Ty], ty: Ty, span: Span) -> Option<(Vec<Arg>, Ty)> {
        if args.len() != wanted.len() {
            let (takes, given) = (counted(wanted.len(), "argument"), counted(args.len(), "argument"));
            let verb = if args.len() == 1 { "is" } else { "are" };
            let finding = self.error("wrong-arguments", span, format!("`{name}` takes {takes}, but {given} {verb} given"));
            self.push(finding);
            self.all_of(args);
            return None;
        }
        let made = args.iter().zip(wanted).map(|(arg, wanted)| Arg::Value(self.check(arg, Want::new(wanted, Role::Built(name), arg.span))));
        Some((made.collect(), ty))
    }

    /// One argument that is compared with elements or keys of type `with`.
    fn compared(&mut self, name: &'static str, args: &[syn::Expr], with: &Ty, span: Span) -> Option<Vec<Arg>> {
        let [arg] = self.exactly::<1>(name, args, span) else { return None };
        let made = self.looked_up(arg, with);
        Some(vec![Arg::Value(made)])
    }

    fn one_lambda(&mut self, name: &'static str, args: &[syn::Expr], element: Ty, wanted: Option<&Ty>, span: Span) -> Option<(Arg, Ty)> {
        let [arg] = self.exactly::<1>(name, args, span) else { return None };
        let (lambda, ty) = self.lambda(name, arg, &[element], wanted)?;
        Some((Arg::Lambda(lambda), ty))
    }

    /// A lambda given to `name`, whose parameters are of the types `params`; with what it gives, as seen outside.
    pub fn lambda(&mut self, name: &'static str, arg: &syn::Expr, params: &[Ty], wanted: Option<&Ty>) -> Option<(Lambda, Ty)> {
        let S::Lambda { params: names, body } = &arg.kind else {
            self.no_lambda(name, arg, params);
            return None;
        };
        if names.len() != params.len() {
            let (takes, given) = (counted(params.len(), "parameter"), counted(names.len(), "parameter"));
            let finding = self.error("wrong-arguments", arg.span, format!("the lambda of `{name}` has {takes}, but {given} here"));
            self.push(finding);
        }
        let mark = self.enter();
        let mut locals = Vec::with_capacity(params.len());
        for (index, param) in names.iter().enumerate() {
            let ty = params.get(index).cloned().unwrap_or(Ty::Error);
            locals.push(self.declare(*param, ty, LocalKind::LambdaParam));
        }
        for missing in params.iter().skip(names.len()) {
            let nameless = Ident { name: Default::default(), span: arg.span };
            locals.push(self.hidden(nameless, missing.clone(), LocalKind::LambdaParam));
        }
        locals.truncate(params.len());
        self.cx.lambdas += 1;
        let body = match wanted {
            Some(wanted) => self.check(body, Want::new(wanted, Role::Lambda(name), body.span)),
            None => self.expr(body),
        };
        self.cx.lambdas -= 1;
        self.leave(mark);
        if body.ty == Ty::Unit {
            let finding = self.error("type-mismatch", body.span, format!("the lambda of `{name}` gives no value"));
            self.push(finding);
        }
        // Each element has its own names: what the lambda gives is seen without them.
        let ty = self.escape(body.ty.clone(), mark.locals);
        Some((Lambda { params: locals, body, span: arg.span }, ty))
    }

    /// Reports an argument of `name` that should be a lambda. Names in it that mean nothing but a cell or field of the element are what a lambda
    /// would have read.
    fn no_lambda(&mut self, name: &'static str, arg: &syn::Expr, params: &[Ty]) {
        let element = if let [element] = params { Some(element) } else { None };
        let around = std::mem::replace(&mut self.cx.implied, element.map(|ty| Implied { ty: ty.clone(), members: Vec::new() }));
        if !matches!(&arg.kind, S::Name(name) if self.names.lookup(name.name).is_some()) {
            self.expr(arg);
        }
        let implied = std::mem::replace(&mut self.cx.implied, around);
        let finding = self.error("wrong-arguments", arg.span, format!("`{name}` takes a lambda"));
        let finding = match implied.filter(|implied| !implied.members.is_empty()) {
            Some(implied) => {
                let lambda = self.lambda_of(arg.span, implied);
                finding.help(format!("write `{name}({lambda})`")).replace(
                    format!("write `{lambda}`"),
                    Safety::Unsafe,
                    self.file,
                    arg.span,
                    lambda,
                )
            }
            None => finding.help(format!("write `{name}({})`", if element.is_some() { "x => …" } else { "(acc, x) => …" })),
        };
        self.push(finding);
    }

    /// The text at `span` as a lambda that reads the members of the element.
    fn lambda_of(&mut self, span: Span, implied: Implied) -> String {
        let initial = match implied.ty {
            Ty::Record(id, _) | Ty::Struct(id, _) => self.item_name(id).chars().next().map(|first| first.to_lowercase().to_string()),
            _ => None,
        };
        let is_free = |name: &&str| self.local_named((*name).into()).is_none() && self.names.lookup((*name).into()).is_none();
        let param = initial.as_deref().into_iter().chain(["x", "each"]).find(is_free).unwrap_or("element").to_owned();
        let mut lambda = span.slice(self.file.text(self.db)).to_owned();
        let mut places: Vec<u32> = implied.members.iter().map(|member| member.span.start).collect();
        places.sort_unstable();
        places.dedup();
        for place in places.into_iter().rev() {
            lambda.insert_str((place - span.start) as usize, &format!("{param}."));
        }
        format!("{param} => {lambda}")
    }

    fn ordered(&mut self, name: &str, key: &Ty, lambda: &Arg, span: Span) {
        let at = match lambda {
            Arg::Lambda(lambda) => lambda.body.span,
            Arg::Value(_) => span,
        };
        if !is_ordered(key) {
            let found = self.quoted(key);
            let finding = self
                .error("type-mismatch", at, format!("`{name}` orders by Int, Float, Text, Time or Duration, but this is {found}"))
                .saying(found);
            self.push(finding);
        }
    }

    fn ordered_elements(&mut self, name: &str, element: &Ty, span: Span) {
        if !is_ordered(element) {
            let found = self.quoted(element);
            let finding = self
                .error("type-mismatch", span, format!("`{name}` compares Int, Float, Text, Time or Duration, but these are {found}"))
                .help(format!("say what is compared: `{name}(x => x.cell)`"));
            self.push(finding);
        }
    }

    /// A call of `fold` where its result is wanted: that says what an empty start is.
    pub fn fold_wanting(&mut self, call: &syn::Expr, want: Want<'_>) -> Expr {
        let S::Method { base: on, name, args, .. } = &call.kind else { return self.expr(call) };
        if matches!(&on.kind, S::TypeName(_)) || matches!(&on.kind, S::Name(name) if self.is_outside(*name).is_some()) {
            return self.expr(call);
        }
        let base = self.expr(on);
        let element = match &base.ty {
            Ty::List(element) | Ty::Set(element) => (**element).clone(),
            _ => {
                let called = self.method_call(base, *name, args, false, call.span);
                return self.value_of(called);
            }
        };
        let Some((args, ty)) = self.fold(element, args, Some(want.ty), call.span) else { return error_expr(call.span) };
        Expr { kind: ExprKind::Method { method: Method::Fold, base: Box::new(base), args, optional: false }, ty, span: call.span }
    }

    /// `fold(start, (acc, x) => …)`. What the lambda gives is the next `acc`: both are of one type, and at one place.
    fn fold(&mut self, element: Ty, args: &[syn::Expr], wanted: Option<&Ty>, span: Span) -> Option<(Vec<Arg>, Ty)> {
        let [start, step] = self.exactly::<2>("fold", args, span) else { return None };
        let start = self.expr(start);
        let mut acc = start.ty.clone();
        if let Some(wanted) = wanted.filter(|_| open(&acc)) {
            acc = super::expect::filled(&acc, wanted);
        }
        for round in 1.. {
            let mark = self.enter();
            let findings = self.diagnostics.len();
            let (lambda, ty) = self.lambda("fold", step, &[acc.clone(), element.clone()], None)?;
            if ty == acc {
                return Some((vec![Arg::Value(start), Arg::Lambda(lambda)], acc));
            }
            match self.join(&acc, &ty) {
                Some(wider) if wider == acc => return Some((vec![Arg::Value(start), Arg::Lambda(lambda)], acc)),
                Some(wider) if round < FOLD_ROUNDS => {
                    self.forget(mark, findings);
                    acc = wider;
                }
                _ => {
                    let (from, to) = (self.quoted(&acc), self.quoted(&ty));
                    let finding = self
                        .error("type-mismatch", lambda.body.span, format!("`fold` starts with {from}, but its lambda gives {to}"))
                        .saying(to)
                        .label(self.at(start.span), from)
                        .help("what the lambda gives is the next `acc`: both must be of one type");
                    self.push(finding);
                    return Some((vec![Arg::Value(start), Arg::Lambda(lambda)], acc));
                }
            }
        }
        None
    }
}
