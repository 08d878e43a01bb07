//! Calls: of handlers, functions, operations of the outside world, built-in functions; and their arguments.

use patternc_grammar::syntax::{self as syn, ExprKind as S, Ident, Name, Span};

use crate::diagnostic::{Diagnostic, Edit, Location, Safety};
use crate::hir::{BodyOwner, Expr, ExprKind, HandlerCall, LocalKind, Send, SendEvent, StmtKind};
use crate::resolve::{item_name, one_of};
use crate::signature::{HandlerKind, HandlerSig, Home, ParamSig, Signature};
use crate::types::{HandlerId, ItemId, OperationId, Place, Ty};

use super::checker::{Checker, Mode};
use super::expect::{Role, Want};
use super::expressions::error_expr;
use super::places::{Inferred, unwrap};
use super::show::counted;

/// Functions that need no declaration, with how they are called.
const BUILT_IN: [&str; 5] = ["range", "now", "new_id", "caller", "same_space"];

/// What a call turned out to be.
pub(super) enum Called {
    /// A value.
    Value(Expr),
    /// A handler of a record.
    Handler(HandlerCall),
    /// An operation of the outside world.
    Outside(Send),
}

impl Checker<'_> {
    /// Tells what is called by an expression that looks like a call, and checks its arguments. Whether such a call may stand there is left to
    /// the caller.
    pub fn called(&mut self, expr: &syn::Expr) -> Called {
        let span = expr.span;
        match &expr.kind {
            S::Method { base, name, .. } if self.is_callback(base, *name) => Called::Value(self.callback(base, *name, span)),
            S::Call { name, args } => Called::Value(self.call_named(*name, args, span)),
            S::Method { base, name, args, .. } if self.is_elsewhere(base, *name) => {
                self.all_of(args);
                Called::Value(error_expr(span))
            }
            S::Method { base, name, args, optional } => match &base.kind {
                S::TypeName(of) => Called::Value(self.type_call(*of, *name, args, span)),
                S::Name(of) if let Some(outside) = self.is_outside(*of) => self.operation_call(outside, *of, *name, args, span),
                _ => {
                    let base = self.expr(base);
                    self.method_call(base, *name, args, *optional, span)
                }
            },
            _ => Called::Value(self.expr(expr)),
        }
    }

    /// Whether what is called on a call is what other languages have for what comes after its answer.
    pub fn is_callback(&mut self, base: &syn::Expr, name: Ident) -> bool {
        let is_call = match &base.kind {
            S::Method { base, name: before, .. } => !matches!(base.kind, S::TypeName(_)) || self.is_callback(base, *before),
            _ => false,
        };
        is_call && matches!(name.name.as_str(), "then" | "catch" | "finally")
    }

    /// Reports `.then(…)`, and says nothing of what stands in its brackets: it would be written otherwise.
    pub fn callback(&mut self, base: &syn::Expr, name: Ident, span: Span) -> Expr {
        // Of several the first call is what is sent.
        let mut sent = base;
        while let S::Method { base, name, .. } = &sent.kind
            && self.is_callback(base, *name)
        {
            sent = base;
        }
        // What is wrong in it is wrong wherever it stands.
        self.called(sent);
        let rest = Span { start: name.span.start, end: span.end };
        let call = self.text(sent.span).to_owned();
        let finding = self
            .error("syntax", rest, format!("there is no `.{}(…)`: what is done with an answer stands in arms", name.name))
            .help(format!("write `send {call} then {{ ok(x) => {{ … }} err(e) => {{ … }} }}`, with `ok()` where it gives no result"));
        self.push(finding);
        error_expr(span)
    }

    /// Whether `base.name(…)` is a function of other languages, which is reported then.
    fn is_elsewhere(&mut self, base: &syn::Expr, name: Ident) -> bool {
        let (S::TypeName(of) | S::Name(of)) = &base.kind else { return false };
        if self.local_named(of.name).is_some() || self.names.lookup(of.name).is_some() {
            return false;
        }
        self.function_elsewhere(&format!("{}.{}", of.name, name.name), of.span.to(name.span))
    }

    /// Reports a function of other languages at `span`, if `path` is one.
    fn function_elsewhere(&mut self, path: &str, span: Span) -> bool {
        let Some((help, fix)) = patternc_grammar::function_elsewhere(path) else { return false };
        let mut finding = self.error("unknown-name", span, format!("there is no `{path}` here")).help(help);
        if let Some(fix) = fix {
            finding = finding.replace(format!("write `{fix}`"), Safety::Unsafe, self.file, span, fix);
        }
        self.push(finding);
        true
    }

    /// The extern that a name means.
    pub fn is_outside(&mut self, name: Ident) -> Option<ItemId> {
        if self.local_named(name.name).is_some() {
            return None;
        }
        let id = self.names.lookup(name.name)?;
        self.outside(id).map(|_| id)
    }

    /// Checks arguments for the names in them.
    pub fn all_of(&mut self, args: &[syn::Expr]) {
        for arg in args {
            if let S::Lambda { params, body } = &arg.kind {
                let mark = self.enter();
                for param in params {
                    let local = self.declare(*param, Ty::Error, LocalKind::LambdaParam);
                    self.mark_used(local);
                }
                self.expr(body);
                self.leave(mark);
            } else {
                self.expr(arg);
            }
        }
    }

    /// Arguments for parameters, seen from the record (or function) at `from`; what is left out stands as an error.
    fn arguments(&mut self, of: Name, params: &[ParamSig], args: &[syn::Expr], from: Place, at: Span, span: Span) -> Vec<Expr> {
        if args.len() != params.len() {
            let finding = self.wrong_count(of, params, args, span);
            self.push(finding);
        }
        let mut made = Vec::with_capacity(params.len());
        for (param, arg) in params.iter().zip(args) {
            let wanted = self.seen(&param.ty, from);
            made.push(self.check(arg, Want::new(&wanted, Role::Argument { of, name: param.name }, at)));
        }
        if args.len() > params.len() {
            self.all_of(&args[params.len()..]);
        }
        made.resize_with(params.len(), || error_expr(span));
        made
    }

    /// The finding for too few or too many arguments.
    fn wrong_count(&mut self, of: Name, params: &[ParamSig], args: &[syn::Expr], span: Span) -> Diagnostic {
        let declared: Vec<String> = params.iter().map(|param| format!("{}: {}", param.name, self.show(&param.ty))).collect();
        let (wanted, given) = (counted(params.len(), "argument"), counted(args.len(), "argument"));
        let at = args.get(params.len()).map_or(span, |extra| extra.span);
        self.error(
            "wrong-arguments",
            at,
            format!("`{of}` takes {wanted}, but {given} {} given", if args.len() == 1 { "is" } else { "are" }),
        )
        .help(format!("it is declared `{of}({})`", declared.join(", ")))
    }

    /// `name(args)`.
    fn call_named(&mut self, name: Ident, args: &[syn::Expr], span: Span) -> Expr {
        if let Some(id) = self.names.lookup(name.name) {
            if let Signature::Fn(_) = self.sig(id) {
                return self.function_call(id, name, args, span);
            }
            if !BUILT_IN.contains(&name.name.as_str()) {
                self.all_of(args);
                let finding = self
                    .error("type-mismatch", name.span, format!("`{}` is no function, so it cannot be called", name.name))
                    .label(Location::Item(id), "declared here");
                self.push(finding);
                return error_expr(span);
            }
        }
        match name.name.as_str() {
            "range" => {
                let [count] = self.exactly::<1>("range", args, span) else { return error_expr(span) };
                let count = self.check(count, Want::new(&Ty::Int, Role::Built("range"), count.span));
                Expr { kind: ExprKind::Range(Box::new(count)), ty: Ty::List(Ty::Int.into()), span }
            }
            "now" => self.of_event("now", args, ExprKind::Now, Ty::Time, span),
            "new_id" => self.of_event("new_id", args, ExprKind::NewId, Ty::Text, span),
            "caller" => self.of_event("caller", args, ExprKind::Caller, Ty::Optional(Ty::Text.into()), span),
            "same_space" => self.same_space(args, span),
            _ => {
                self.all_of(args);
                self.unknown_function(name);
                error_expr(span)
            }
        }
    }

    fn unknown_function(&mut self, name: Ident) {
        if let Some(local) = self.local_named(name.name) {
            self.mark_used(local);
            let at = self.local(local).span;
            let finding = self
                .error("type-mismatch", name.span, format!("`{}` is a value, so it cannot be called", name.name))
                .label(self.at(at), "a local");
            self.push(finding);
            return;
        }
        let own_handler = self.cx.self_record.and_then(|record| self.record(record)).is_some_and(|sig| sig.handler(name.name).is_some());
        if own_handler {
            self.unknown_value(name);
            return;
        }
        let functions = self.items_where(|sig| matches!(sig, Signature::Fn(_)));
        let known: Vec<&str> = functions.iter().map(|name| name.as_str()).chain(BUILT_IN).collect();
        let is_declared = crate::resolve::files_declaring(self.db, name.name, self.file).next().is_some();
        if !is_declared
            && crate::resolve::did_you_mean(&name.name, known.iter().copied()).is_none()
            && self.function_elsewhere(&name.name, name.span)
        {
            return;
        }
        let finding = crate::resolve::unknown_name(self.db, self.file, name, "function", known);
        self.diagnostics.extend(finding);
    }

    /// Exactly `N` arguments; reports any other number, and then checks them for their names alone.
    pub fn exactly<'s, const N: usize>(&mut self, name: &str, args: &'s [syn::Expr], span: Span) -> &'s [syn::Expr] {
        if args.len() == N {
            return args;
        }
        let (wanted, given) = (counted(N, "argument"), counted(args.len(), "argument"));
        let verb = if args.len() == 1 { "is" } else { "are" };
        let finding = self.error("wrong-arguments", span, format!("`{name}` takes {wanted}, but {given} {verb} given"));
        self.push(finding);
        self.all_of(args);
        &[]
    }

    /// `now()`, `new_id()`, `caller()`: what belongs to the event.
    fn of_event(&mut self, name: &'static str, args: &[syn::Expr], kind: ExprKind, ty: Ty, span: Span) -> Expr {
        self.exactly::<0>(name, args, span);
        if !self.cx.mode.has_event() {
            let what = self.cx.mode.describe();
            let message = format!("{what} is evaluated again whenever something asks, so `{name}()` would mean something else each time");
            let help = match self.cx.mode {
                Mode::Fn => format!("give the function a parameter for it, and let the handler that calls it pass `{name}()`"),
                _ => format!("let a handler store `{name}()` in a cell, and read that"),
            };
            let finding = self.error("impure-expression", span, message).help(help);
            self.push(finding);
        }
        Expr { kind, ty, span }
    }

    /// `same_space(x)`.
    fn same_space(&mut self, args: &[syn::Expr], span: Span) -> Expr {
        let [of] = self.exactly::<1>("same_space", args, span) else { return Expr { ty: Ty::Bool, ..error_expr(span) } };
        let of = self.expr(of);
        match &of.ty {
            Ty::Record(id, place) => {
                let place = self.place(*id, *place);
                if !self.cx.has_here || self.cx.mode == Mode::Fn {
                    let message = format!("{} has no space of its own to compare with", self.cx.mode.describe());
                    let finding = self.error("space-escape", span, message).help("compare spaces: `a.space == b.space`");
                    self.push(finding);
                } else if place == self.cx.here {
                    let at = self.show_place(place);
                    let finding = self
                        .warn("constant-condition", span, "this is always true")
                        .saying(format!("it is {at} in any case"))
                        .help("take the test away");
                    self.push(finding);
                } else if let Some((at, here)) = self.apart(*id, place) {
                    let finding = self
                        .warn("constant-condition", span, "this is never true")
                        .saying(format!("it is {at}, and this is {here}"))
                        .help("take it away, with what it guards: to write there, `send`");
                    self.push(finding);
                }
            }
            Ty::Error | Ty::Unknown => {}
            ty => {
                let ty = ty.clone();
                let found = self.quoted(&ty);
                let mut finding =
                    self.error("type-mismatch", of.span, format!("`same_space` asks where a record is, but this is {found}")).saying(found);
                if matches!(unwrap(&ty).0, Ty::Record(..)) {
                    finding = finding.help("take it apart first with `if let` or `let … else`");
                }
                self.push(finding);
            }
        }
        Expr { kind: ExprKind::SameSpace(Box::new(of)), ty: Ty::Bool, span }
    }

    /// Where a `record` at `place` is, and where this is, if no space can be both.
    fn apart(&mut self, record: ItemId, place: Place) -> Option<(String, String)> {
        let there = match place {
            Place::Plain(space) => Home::Plain(space),
            _ => self.home(record),
        };
        let here = self.cx.home.filter(|here| here.is_apart_from(there))?;
        Some((self.show_home(there), self.show_home(here)))
    }

    /// `label(p)`: accepts any space, and gives what is here only if everything given to it is.
    fn function_call(&mut self, id: ItemId, name: Ident, args: &[syn::Expr], span: Span) -> Expr {
        let Some(sig) = self.function(id) else { return error_expr(span) };
        let made = self.arguments(sig.name, &sig.params, args, Place::Any, name.span, span);
        if let Some(only) = self.cx.only_cells_of {
            for arg in &made {
                if self.holds_references(&arg.ty) {
                    let of = self.local(only).name;
                    let message = format!(
                        "a mirror sees a change of its facts in the record's own cells, but `{}` may read more of what it is given",
                        name.name
                    );
                    let finding = self
                        .error("impure-expression", arg.span, message)
                        .saying("a reference")
                        .help(format!("give it values: cells of `{of}`"));
                    self.push(finding);
                }
            }
        }
        let ty = if self.holds_here(&sig.result) {
            let mut inferred = Inferred::default();
            for (param, arg) in sig.params.iter().zip(&made) {
                self.infer(&arg.ty, &param.ty, &mut inferred);
            }
            let place = inferred.or(self.norm(Place::Here));
            self.seen(&sig.result, place)
        } else {
            self.seen(&sig.result, Place::Here)
        };
        Expr { kind: ExprKind::CallFn { of: id, args: made }, ty, span }
    }

    /// `Type.name(args)`: `where`, or a variant.
    fn type_call(&mut self, of: Ident, name: Ident, args: &[syn::Expr], span: Span) -> Expr {
        let Some(id) = self.type_name(of, "type") else {
            self.all_of(args);
            return error_expr(span);
        };
        match self.sig(id) {
            Signature::Enum(_) => self.variant_by_position(id, name, args, span),
            Signature::Record(sig) => match name.name.as_str() {
                "where" => {
                    let place = self.query_place(id, span);
                    let record = Ty::Record(id, place);
                    let ty = Ty::List(record.clone().into());
                    let [cond] = self.exactly::<1>("where", args, span) else { return Expr { ty, ..error_expr(span) } };
                    let lambda = self.lambda("where", cond, &[record], Some(&Ty::Bool));
                    let Some((lambda, _)) = lambda else { return Expr { ty, ..error_expr(span) } };
                    let kind = ExprKind::Where { record: id, param: lambda.params[0], cond: Box::new(lambda.body) };
                    Expr { kind, ty, span }
                }
                "all" => {
                    self.all_of(args);
                    let parens = Span { start: name.span.end, end: span.end };
                    let finding = self.error("wrong-arguments", span, format!("`{}.all` is written without `()`", of.name)).replace(
                        "remove the `()`",
                        Safety::Safe,
                        self.file,
                        parens,
                        "",
                    );
                    self.push(finding);
                    let place = self.query_place(id, span);
                    Expr { kind: ExprKind::All { record: id }, ty: Ty::List(Ty::Record(id, place).into()), span }
                }
                _ => {
                    self.all_of(args);
                    let mut finding = self.error("unknown-name", name.span, format!("the type `{}` has no `{}`", of.name, name.name));
                    finding = if sig.handler(name.name).is_some() {
                        finding.help(format!("`{}` is a handler of each `{}`: call it on the one that is meant", name.name, of.name))
                    } else {
                        finding.help(format!("`{0}.all`, `{0}.where(x => …)` and `{0}[key]` find records", of.name))
                    };
                    self.push(finding);
                    error_expr(span)
                }
            },
            _ => {
                self.all_of(args);
                let finding = self
                    .error("type-mismatch", span, format!("`{}` is neither a record nor an enum: it has no `{}`", of.name, name.name))
                    .label(Location::Item(id), "declared here");
                self.push(finding);
                error_expr(span)
            }
        }
    }

    /// `payments.charge(a, n)`.
    fn operation_call(&mut self, outside: ItemId, of: Ident, name: Ident, args: &[syn::Expr], span: Span) -> Called {
        let Some(sig) = self.outside(outside) else { return Called::Value(error_expr(span)) };
        let Some(index) = sig.operations.iter().position(|operation| operation.name == name.name) else {
            let owner = format!("`{}`", of.name);
            self.unknown_member(&owner, "operation", name, sig.operations.iter().map(|operation| operation.name.as_str()));
            self.all_of(args);
            return Called::Value(error_expr(span));
        };
        let operation = &sig.operations[index];
        let args = self.arguments(name.name, &operation.params, args, Place::Any, name.span, span);
        let event = SendEvent::Extern { operation: OperationId { of: outside, index: index as u32 }, args };
        let result = self.seen(&operation.result, Place::Any);
        Called::Outside(Send { answer: false, event, after: None, ok: None, err: None, result, span })
    }

    /// `base.name(args)` on a value: a handler, or a built-in method.
    pub fn method_call(&mut self, base: Expr, name: Ident, args: &[syn::Expr], chained: bool, span: Span) -> Called {
        let (inner, was_optional) = unwrap(&base.ty);
        let Ty::Record(id, place) = *inner else {
            return Called::Value(self.built_in_method(base, name, args, chained, span));
        };
        let Some(sig) = self.record(id) else { return Called::Value(error_expr(span)) };
        if name.name.as_str() == "exists" && sig.handler(name.name).is_none() {
            self.exactly::<0>("exists", args, span);
            if chained || was_optional {
                self.not_through(&base, "exists", span);
            }
            if self.cx.only_cells_of.is_some() {
                let message = "a mirror sees a change of its facts in the record's own cells, but this asks about another record";
                let finding = self.error("impure-expression", span, message);
                self.push(finding);
            }
            return Called::Value(Expr { kind: ExprKind::Exists(Box::new(base)), ty: Ty::Bool, span });
        }
        let Some(index) = sig.handler(name.name) else {
            self.all_of(args);
            if sig.cell(name.name).is_some() {
                let parens = Span { start: name.span.end, end: span.end };
                let finding = self
                    .error("type-mismatch", name.span, format!("`{}` is a cell of `{}`, so it is not called", name.name, sig.name))
                    .help(format!("write `.{}`", name.name))
                    .replace("remove the `()`", Safety::Unsafe, self.file, parens, "");
                self.push(finding);
            } else if super::methods::is_name(name.name.as_str()) {
                let finding = self
                    .error("unknown-name", name.span, format!("`{}` is a record: it has no method `{}`", sig.name, name.name))
                    .label(self.at(base.span), one_of(&sig.name))
                    .help("built-in methods are for lists, sets, maps, texts and numbers: call it on a cell");
                self.push(finding);
            } else {
                let owner = format!("`{}`", sig.name);
                self.unknown_member(&owner, "handler", name, sig.handlers.iter().map(|handler| handler.name.as_str()).chain(["exists"]));
            }
            return Called::Value(error_expr(span));
        };
        if chained || was_optional {
            let finding = self
                .error("type-mismatch", base.span, format!("this may be `none`, and then there is nobody to handle `{}`", name.name))
                .help("take it apart first with `if let` or `let … else`");
            self.push(finding);
        }
        let handler = &sig.handlers[index as usize];
        let place = self.place(id, place);
        let into = self.wanted_at(place);
        let at = base.span;
        let args = self.arguments(handler.name, &handler.params, args, into, at, span);
        let handler_id = HandlerId { record: id, index };
        let result = self.handler_result(handler_id, handler, place);
        Called::Handler(HandlerCall { target: base, handler: handler_id, args, result, span })
    }

    /// What a handler or saga of a record at `place` gives, seen from here.
    fn handler_result(&mut self, id: HandlerId, sig: &HandlerSig, place: Place) -> Ty {
        if sig.kind == HandlerKind::Saga {
            let result = super::owners::saga_result(self.db, id);
            return self.seen(result, place);
        }
        self.seen(&sig.result, place)
    }

    /// A handler called inside an expression. Reported; runs in forced runs.
    pub fn forbidden_handler(&mut self, call: HandlerCall) -> Expr {
        let name = self.handler(call.handler).map_or_else(Name::default, |sig| sig.name);
        let mode = self.cx.mode;
        let finding = if self.cx.lambdas > 0 {
            let message =
                format!("a lambda only computes: calling the handler `{name}` in it would change something each time it happens to be run");
            self.error("impure-expression", call.span, message).saying("a handler call").help("use a `for` statement")
        } else if !mode.writes() && !mode.is_outside() {
            let message =
                format!("{} only computes and may run any number of times, so it cannot call the handler `{name}`", mode.describe());
            let help = match mode {
                Mode::Saga => "make it a `step`",
                Mode::Fn => "call it from a handler; what only computes can be a `fn` or a `derived` cell",
                _ => "read cells; what changes something belongs in a handler",
            };
            self.error("impure-expression", call.span, message).saying("a handler call").help(help)
        } else {
            let message =
                format!("the handler `{name}` is called inside a larger expression, where it is easy to miss that it changes something");
            let text = self.text(call.span).to_owned();
            let help = if call.result == Ty::Unit {
                format!("write `{text}` as a statement of its own")
            } else {
                format!("call it in a statement of its own: `let x = {text}`, and use `x`")
            };
            self.error("impure-expression", call.span, message).saying("a handler call").help(help)
        };
        self.push(finding);
        let (ty, span) = (call.result.clone(), call.span);
        Expr { kind: ExprKind::ForbiddenCall(Box::new(StmtKind::Call(call))), ty, span }
    }

    /// The outside called where it cannot be. Reported; runs in forced runs.
    pub fn forbidden_outside(&mut self, send: Send) -> Expr {
        let text = self.text(send.span).to_owned();
        let (message, help) = match self.cx.mode {
            Mode::Handler | Mode::Create => (
                "the outside is called in the middle of a transaction: when the transaction runs again or fails, the call has happened all the same",
                format!(
                    "send it, and go on when it has answered: `send {text} then {{ {} => {{ … }} err(e) => {{ … }} }}`",
                    if send.result == Ty::Unit { "ok()" } else { "ok(x)" }
                ),
            ),
            Mode::Saga => {
                ("the outside is called outside a step, so a crash could repeat or lose it", format!("make it a step: `step x = {text}`"))
            }
            Mode::Test | Mode::Snippet | Mode::Query => (
                "a test calls handlers, not the outside",
                "say what the outside answers with `given …`, and call the handler that sends to it".to_owned(),
            ),
            mode => {
                let _ = mode;
                (
                    "this only computes and may run any number of times, so it cannot call the outside",
                    "let a handler send to it and keep the answer in a cell".to_owned(),
                )
            }
        };
        let mut finding =
            self.error("extern-in-transaction", send.span, message).saying("a call of the outside world, which no space keeps").help(help);
        if let BodyOwner::Handler(handler) = self.cx.owner {
            let here = self.space_of_self();
            finding = finding.label(Location::Handler(handler), format!("one transaction, in {here}"));
            finding = self.waiting_fix(finding, send.span);
        }
        self.push(finding);
        let (ty, span) = (send.result.clone(), send.span);
        Expr { kind: ExprKind::ForbiddenCall(Box::new(StmtKind::Send(Box::new(send)))), ty, span }
    }

    /// A call as a value: handlers and the outside are not.
    pub fn value_of(&mut self, called: Called) -> Expr {
        match called {
            Called::Value(value) => value,
            Called::Handler(call) => self.forbidden_handler(call),
            Called::Outside(send) => self.forbidden_outside(send),
        }
    }

    /// The space of `self`, in words.
    pub fn space_of_self(&self) -> String {
        match self.cx.home {
            Some(Home::Plain(space)) => format!("`{}`, the space of `self`", item_name(self.db, space)),
            _ => "the space of `self`".to_owned(),
        }
    }

    /// A fix that sends what is called. Where its answer is used, the rest of the block goes on when it has answered.
    fn waiting_fix(&self, finding: Diagnostic, call: Span) -> Diagnostic {
        let (stmt, rest) = (self.cx.stmt, self.cx.rest);
        let before = self.text(Span { start: stmt.start, end: call.start }).trim_end();
        let before = before.strip_suffix("await").unwrap_or(before).trim_end();
        let name = match before.strip_prefix("let ").and_then(|rest| rest.strip_suffix('=')) {
            Some(declared) => declared.split(':').next().unwrap_or_default().trim(),
            // What stands around it stays one transaction: a test before it and what that guards are not torn apart.
            None if before.is_empty() && stmt.end == call.end => return self.sending_fix(finding, Span { start: stmt.start, ..call }),
            None => return finding,
        };
        // Anything around the call would need its value here.
        if stmt.end != call.end {
            return finding;
        }
        let edit = |span: Span, text: String| Edit { file: self.file, span, text };
        let end = crate::rules::edits::after_comment(self.file.text(self.db), rest.end);
        // Behind a comment the line is at its end.
        let close = if end == rest.end { " }" } else { "\n}" };
        let end = Span { start: end, end };
        let edits = vec![
            edit(Span { start: stmt.start, end: call.start }, "return send ".to_owned()),
            edit(Span { start: call.end, end: call.end }, format!(" then {{ ok({name}) => {{")),
            edit(end, format!("{close} err(e) => {{ fail e.message }} }}")),
        ];
        finding.fix("send it, and go on when it has answered", Safety::Unsafe, edits)
    }

    /// A fix that sends what a statement calls.
    fn sending_fix(&self, finding: Diagnostic, span: Span) -> Diagnostic {
        let start = Span { start: span.start, end: span.start };
        finding.replace("send it", Safety::Unsafe, self.file, start, "send ")
    }

    /// Whether a handler may be called directly from this body; reports why not.
    pub fn callable(&mut self, call: &HandlerCall) -> bool {
        let Some(sig) = self.handler(call.handler) else { return true };
        let at = Location::Handler(call.handler);
        let finding = match (sig.kind, self.cx.mode.is_outside()) {
            (HandlerKind::Internal, true) => self
                .error("unknown-name", call.span, format!("`{}` is `internal`: it cannot be reached from outside", sig.name))
                .label(at, "declared `internal` here")
                .help("call the handler that calls or sends it"),
            (HandlerKind::Saga, false) => {
                let message = format!("the saga `{}` takes several transactions, so it cannot run inside this one", sig.name);
                let help = format!("send it: `send {}`", self.text(call.span));
                let finding = self.error("impure-expression", call.span, message).label(at, "a saga").help(help);
                if call.span == self.cx.stmt { self.sending_fix(finding, call.span) } else { finding }
            }
            _ => return true,
        };
        self.push(finding);
        false
    }
}
