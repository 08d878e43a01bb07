//! Statements that every body with statements has.

use patternc_grammar::syntax::{self as syn, Ident, Span, StmtKind as S};

use crate::diagnostic::{Edit, Location, Safety};
use crate::hir::{Block, Expr, ExprKind, HandlerCall, LocalKind, Pattern, Stmt, StmtArm, StmtKind};
use crate::types::{Place, Ty};

use super::calls::Called;
use super::checker::{Checker, Mode, Returns};
use super::expect::{Role, Want};
use super::places::unwrap;

impl Checker<'_> {
    /// A block with a scope of its own.
    pub fn block(&mut self, block: &syn::Block) -> Block {
        let mark = self.enter();
        let made = self.open_block(block);
        self.leave(mark);
        made
    }

    /// A block whose names stay.
    pub fn open_block(&mut self, block: &syn::Block) -> Block {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        let end = block.stmts.last().map_or(block.span.end, |last| last.span.end);
        let outer = self.cx.rest;
        for stmt in &block.stmts {
            self.cx.rest = Span { start: stmt.span.end, end };
            self.stmt(stmt, &mut stmts);
        }
        self.cx.rest = outer;
        Block { stmts, span: block.span }
    }

    /// One statement, as one or more.
    pub fn stmt(&mut self, stmt: &syn::Stmt, out: &mut Vec<Stmt>) {
        let outer = std::mem::replace(&mut self.cx.stmt, stmt.span);
        self.any_stmt(stmt, out);
        self.cx.stmt = outer;
    }

    fn any_stmt(&mut self, stmt: &syn::Stmt, out: &mut Vec<Stmt>) {
        let span = stmt.span;
        let kind = match &stmt.kind {
            S::Let { name, ty, value, otherwise } => return self.let_stmt(*name, ty.as_ref(), value, otherwise.as_deref(), span, out),
            S::Assign { target, op, value } => self.assign(target, *op, value, span),
            S::Delete(target) => self.delete(target, span),
            S::Require { cond, message } => {
                self.not_in_test(span, "`require`", "a test says what it wants with `expect`");
                let cond = self.condition(cond, "require");
                let message = message.as_ref().map(|message| self.check(message, Want::new(&Ty::Text, Role::Word("else"), message.span)));
                self.narrow(&cond);
                StmtKind::Require { cond, message }
            }
            S::Fail(message) => StmtKind::Fail(self.check(message, Want::new(&Ty::Text, Role::Word("fail"), message.span))),
            S::If(branch) => self.if_stmt(branch),
            S::For { key, item, iter, body } => self.for_stmt(*key, *item, iter, body),
            S::Match { subject, arms } => self.match_stmt(subject, arms, span),
            S::Return(value) => self.return_stmt(value.as_ref(), span),
            S::Send(send) => self.send_stmt(send),
            S::Try { body, error, catch } => {
                self.not_in_test(span, "`try`", "a test says with `expect fail` what must fail");
                let body = self.block(body);
                let mark = self.enter();
                let error = self.declare(*error, Ty::Failure, LocalKind::Outcome);
                let catch = self.open_block(catch);
                self.leave(mark);
                StmtKind::Try { body, error, catch }
            }
            S::Expr(expr) => self.expr_stmt(expr),
            S::Error => StmtKind::Error,
            S::Expect(_)
            | S::ExpectFail { .. }
            | S::Concurrently { .. }
            | S::Hold(_)
            | S::Crash
            | S::Advance(_)
            | S::Order(_)
            | S::Given(_)
            | S::As { .. }
            | S::Reconcile { .. } => self.test_stmt(stmt),
        };
        out.push(Stmt { kind, span });
    }

    /// Reports a statement that has no place in a test or at the REPL.
    pub fn not_in_test(&mut self, span: Span, what: &str, help: &str) {
        if self.cx.mode.is_outside() {
            let finding = self.error(
                "impure-expression",
                span,
                format!("{what} belongs in a handler: {} has no transaction of its own", self.cx.mode.describe()),
            );
            let finding = finding.help(help);
            self.push(finding);
        }
    }

    /// The type that a `let` declares.
    fn declared_type(&mut self, ty: &syn::TypeExpr) -> Ty {
        let here = match self.cx.home {
            Some(home) => crate::resolve::Here::In(home),
            None if self.cx.has_here => crate::resolve::Here::Open,
            None => crate::resolve::Here::Nowhere,
        };
        let ty = crate::resolve::resolve_type_in(self.db, self.names, self.file, ty, here, &mut self.diagnostics);
        self.seen(&ty, Place::Here)
    }

    fn let_stmt(
        &mut self,
        local: Ident,
        declared: Option<&syn::TypeExpr>,
        value: &syn::Expr,
        otherwise: Option<&syn::Stmt>,
        span: Span,
        out: &mut Vec<Stmt>,
    ) {
        let declared = declared.map(|declared| (self.declared_type(declared), declared.span));
        let declared = declared.as_ref().map(|(ty, at)| Want::new(ty, Role::Local(local.name), *at));
        let wanted = declared.filter(|_| otherwise.is_none());
        self.cx.event = value.span;
        let value = match &value.kind {
            // `fold` takes the type of an empty start from what is wanted.
            syn::ExprKind::Method { name, .. } if wanted.is_none() || name.name.as_str() != "fold" => match self.called(value) {
                Called::Handler(call) => return self.let_call(local, declared, call, otherwise, span, out),
                called => {
                    let made = self.value_of(called);
                    match wanted {
                        Some(wanted) => self.coerce(made, wanted),
                        None => made,
                    }
                }
            },
            _ => match wanted {
                Some(wanted) => self.check(value, wanted),
                None => self.expr(value),
            },
        };
        let Some(otherwise) = otherwise else {
            let ty = match declared {
                Some(declared) => declared.ty.clone(),
                None => {
                    self.settled(&value.ty, value.span);
                    self.gives_something(&value.ty, value.span);
                    value.ty.clone()
                }
            };
            let not_understood = matches!(value.kind, ExprKind::Error);
            let space = self.space_place(&value);
            let local = self.declare(local, ty, LocalKind::Let);
            if let Some(space) = space {
                self.cx.spaces.insert(local, space);
            }
            if not_understood {
                // What it is for is reported where its value stands.
                self.mark_used(local);
            }
            out.push(Stmt { kind: StmtKind::Let { local, value }, span });
            return;
        };
        let mut ty = self.present_type(&value, "else");
        if let Some(declared) = declared {
            self.coerce_given(ty, value.span, declared);
            ty = declared.ty.clone();
        }
        self.let_else(local, value, ty, otherwise, span, out);
    }

    fn gives_something(&mut self, ty: &Ty, span: Span) {
        if *ty == Ty::Unit {
            let finding = self
                .error("type-mismatch", span, "this gives nothing that could have a name")
                .help("write it without the `let`, or declare a result with `-> Type` where it is declared");
            self.push(finding);
        }
    }

    fn let_call(
        &mut self,
        name: Ident,
        declared: Option<Want<'_>>,
        call: HandlerCall,
        otherwise: Option<&syn::Stmt>,
        span: Span,
        out: &mut Vec<Stmt>,
    ) {
        let result = self.call_result(&call, declared.filter(|_| otherwise.is_none()));
        self.gives_something(&call.result, call.span);
        let call = match self.allowed_call(call) {
            Ok(call) => call,
            Err(value) => {
                match otherwise {
                    None => {
                        let local = self.declare(name, result, LocalKind::Let);
                        out.push(Stmt { kind: StmtKind::Let { local, value }, span });
                    }
                    Some(otherwise) => {
                        let ty = unwrap(&result).0.clone();
                        self.let_else(name, value, ty, otherwise, span, out);
                    }
                }
                return;
            }
        };
        let Some(otherwise) = otherwise else {
            let local = self.declare(name, result, LocalKind::Let);
            out.push(Stmt { kind: StmtKind::LetCall { local, call }, span });
            return;
        };
        // The call is a statement of its own; what it gave is looked at after it.
        let (ty, at) = (call.result.clone(), call.span);
        let nameless = Ident { name: Default::default(), span: at };
        let given = self.hidden(nameless, ty.clone(), LocalKind::Let);
        out.push(Stmt { kind: StmtKind::LetCall { local: given, call }, span });
        let value = Expr { kind: ExprKind::Local(given), ty: self.local_type(given), span: at };
        let mut ty = self.present_type(&value, "else");
        if let Some(declared) = declared {
            self.coerce_given(ty, at, declared);
            ty = declared.ty.clone();
        }
        self.let_else(name, value, ty, otherwise, span, out);
    }

    /// The type of a local that holds what a call gives.
    fn call_result(&mut self, call: &HandlerCall, declared: Option<Want<'_>>) -> Ty {
        let Some(declared) = declared else { return call.result.clone() };
        if call.result != Ty::Unit {
            self.coerce_given(call.result.clone(), call.span, declared);
        }
        declared.ty.clone()
    }

    fn let_else(&mut self, name: Ident, value: Expr, ty: Ty, otherwise: &syn::Stmt, span: Span, out: &mut Vec<Stmt>) {
        let mut made = Vec::with_capacity(1);
        self.stmt(otherwise, &mut made);
        let otherwise = made.pop().unwrap_or_else(|| self.error_stmt(otherwise.span));
        let local = self.declare(name, ty, LocalKind::Let);
        out.push(Stmt { kind: StmtKind::LetElse { local, value, otherwise: Box::new(otherwise) }, span });
    }

    /// A handler call as a statement, if such statements may stand here; else it is reported, and stands as an expression.
    fn allowed_call(&mut self, call: HandlerCall) -> Result<HandlerCall, Expr> {
        let mode = self.cx.mode;
        if (mode.writes() || mode.is_outside()) && self.cx.lambdas == 0 && self.cx.blocks == 0 {
            self.callable(&call);
            return Ok(call);
        }
        Err(self.forbidden_handler(call))
    }

    fn expr_stmt(&mut self, expr: &syn::Expr) -> StmtKind {
        let value = match &expr.kind {
            syn::ExprKind::Method { .. } | syn::ExprKind::Call { .. } => match self.called(expr) {
                Called::Handler(call) => {
                    return match self.allowed_call(call) {
                        Ok(call) => StmtKind::Call(call),
                        Err(value) => StmtKind::Expr(value),
                    };
                }
                called => self.value_of(called),
            },
            _ => {
                self.cx.event = expr.span;
                self.expr(expr)
            }
        };
        let does_something = matches!(value.kind, ExprKind::Create(_) | ExprKind::ForbiddenCall(_) | ExprKind::Error);
        if !does_something && !matches!(self.cx.mode, Mode::Snippet | Mode::Query) {
            self.without_effect(&value);
        }
        StmtKind::Expr(value)
    }

    /// Reports a value that nobody uses.
    fn without_effect(&mut self, value: &Expr) {
        let mut finding = self.warn("unused-value", value.span, "this only computes a value, and nothing uses it").saying("no effect");
        finding = match &value.kind {
            _ if self.cx.mode == Mode::Test && value.ty == Ty::Bool => {
                let start = Span { start: value.span.start, end: value.span.start };
                finding.help("a test says what it wants with `expect`").replace("expect it", Safety::Safe, self.file, start, "expect ")
            }
            ExprKind::Binary { op: syn::BinaryOp::Eq, left, right } if matches!(left.kind, ExprKind::Cell { .. }) => {
                let finding = finding.help("`==` compares; `=` writes a cell");
                let between = Span { start: left.span.end, end: right.span.start };
                match self.text(between).find("==") {
                    Some(at) => {
                        let start = between.start + at as u32;
                        finding.replace("write `=`", Safety::Unsafe, self.file, Span { start, end: start + 2 }, "=")
                    }
                    None => finding,
                }
            }
            _ if matches!(self.cx.returns, Returns::Value(..)) => finding.help("a handler gives its result with `return`"),
            _ => {
                let line = self.removal(value.span);
                finding.help("give it a name with `let`, or remove it").replace("remove it", Safety::Unsafe, self.file, line, "")
            }
        };
        self.push(finding);
    }

    fn if_stmt(&mut self, branch: &syn::If) -> StmtKind {
        let mark = self.enter();
        let (test, bound) = match &branch.cond {
            syn::Cond::Expr(cond) => {
                let cond = self.condition(cond, "if");
                self.narrow(&cond);
                (cond, None)
            }
            syn::Cond::Let { name, value } => {
                let (value, ty) = self.present(value, "if let");
                (value, Some(self.declare(*name, ty, LocalKind::Bound)))
            }
        };
        let then = self.open_block(&branch.then);
        self.leave(mark);
        let mark = self.enter();
        if bound.is_none() {
            self.narrow_unless(&test);
        }
        let otherwise = branch.otherwise.as_ref().map(|otherwise| match otherwise {
            syn::Else::Block(block) => self.block(block),
            syn::Else::If(branch) => {
                let kind = self.if_stmt(branch);
                Block { stmts: vec![Stmt { kind, span: branch.span }], span: branch.span }
            }
        });
        self.leave(mark);
        match bound {
            Some(local) => StmtKind::IfLet { local, value: test, then, otherwise },
            None => {
                // What comes after it is reached on one way only.
                if Self::ends(&then) {
                    self.narrow_unless(&test);
                } else if otherwise.as_ref().is_some_and(Self::ends) {
                    self.narrow(&test);
                }
                StmtKind::If { cond: test, then, otherwise }
            }
        }
    }

    fn for_stmt(&mut self, key: Option<Ident>, item: Ident, iter: &syn::Expr, body: &syn::Block) -> StmtKind {
        let iter = self.expr(iter);
        let (inner, was_optional) = unwrap(&iter.ty);
        let (key_ty, item_ty) = match (inner, key) {
            (Ty::List(element) | Ty::Set(element), None) if !was_optional => (Ty::Error, (**element).clone()),
            (Ty::Map(key, value), Some(_)) if !was_optional => ((**key).clone(), (**value).clone()),
            (Ty::Error | Ty::Unknown, _) => (Ty::Error, Ty::Error),
            (inner, key) => {
                let inner = inner.clone();
                self.cannot_walk(&iter, &inner, was_optional, key, item);
                match inner {
                    Ty::List(element) | Ty::Set(element) => (Ty::Int, (*element).clone()),
                    Ty::Map(key, value) => ((*key).clone(), (*value).clone()),
                    _ => (Ty::Error, Ty::Error),
                }
            }
        };
        let mark = self.enter();
        let key = key.map(|key| self.declare(key, key_ty, LocalKind::Bound));
        let item = self.declare(item, item_ty, LocalKind::Bound);
        let body = self.open_block(body);
        self.leave(mark);
        StmtKind::For { key, item, iter, body }
    }

    /// Reports what a `for` cannot walk over.
    fn cannot_walk(&mut self, iter: &Expr, inner: &Ty, was_optional: bool, key: Option<Ident>, item: Ident) {
        let found = self.quoted(&iter.ty);
        let finding = match (inner, key) {
            _ if was_optional => self
                .error("type-mismatch", iter.span, "this may be `none`, and `for` cannot walk over that")
                .saying(found)
                .help("give a value for `none`: `for x in (xs ?? [])`"),
            (Ty::Map(..), None) => self
                .error("wrong-arguments", item.span, "a Map has keys and values: `for` needs a name for each")
                .label(self.at(iter.span), found)
                .help("write `for k, v in m`, or walk over `m.keys()` or `m.values()`"),
            (Ty::List(_) | Ty::Set(_), Some(key)) => self
                .error("wrong-arguments", key.span, "a List or Set has elements only: `for` takes one name")
                .label(self.at(iter.span), found)
                .help("for positions walk over `range(xs.len())`"),
            (Ty::Int, _) => {
                let text = self.text(iter.span).to_owned();
                self.error("type-mismatch", iter.span, "`for` walks over a List, Set or Map, but this is `Int`")
                    .help(format!("`range({text})` is the List of the numbers below it"))
                    .replace("walk over the range", Safety::Unsafe, self.file, iter.span, format!("range({text})"))
            }
            _ => self.error("type-mismatch", iter.span, format!("`for` walks over a List, Set or Map, but this is {found}")).saying(found),
        };
        self.push(finding);
    }

    fn match_stmt(&mut self, subject: &syn::Expr, arms: &[syn::StmtArm], span: Span) -> StmtKind {
        let subject = self.expr(subject);
        let mut left = subject.ty.clone();
        let mut made: Vec<StmtArm> = Vec::with_capacity(arms.len());
        for arm in arms {
            let mark = self.enter();
            let pattern = self.pattern(&arm.pattern, &left);
            let body = self.open_block(&arm.body);
            self.leave(mark);
            left = super::patterns::after(&pattern, left);
            made.push(StmtArm { pattern, body });
        }
        let covered: Vec<(&Pattern, Span)> = made.iter().zip(arms).map(|(made, arm)| (&made.pattern, arm.span)).collect();
        self.cover(&subject, &covered, span, true);
        StmtKind::Match { subject, arms: made }
    }

    fn return_stmt(&mut self, value: Option<&syn::Expr>, span: Span) -> StmtKind {
        let returns = self.cx.returns.clone();
        let value = match (&returns, value) {
            (Returns::Value(ty, at), Some(value)) => Some(self.check(value, Want::new(ty, Role::Result, *at))),
            (Returns::Value(ty, at), None) => {
                let ty = self.quoted(ty);
                let finding = self
                    .error("type-mismatch", span, format!("this returns nothing, but the result is declared {ty}"))
                    .label(self.at(*at), "declared here")
                    .help("give the result: `return …`");
                self.push(finding);
                None
            }
            (Returns::Unit | Returns::Creation, None) => None,
            (Returns::Unit | Returns::Creation, Some(value)) => {
                let made = self.expr(value);
                let ty = self.quoted(&made.ty);
                let help = match self.cx.mode {
                    _ if made.ty == Ty::None => "write `return` alone",
                    Mode::Handler => "declare the result in the signature: `-> Type`; the arm of a send answers only in `return send`",
                    _ => "write `return` alone",
                };
                // What could not be understood was reported.
                if made.ty != Ty::Error {
                    let finding = self
                        .error("type-mismatch", made.span, format!("nothing waits for a result here, so this {ty} would be lost"))
                        .help(help);
                    self.push(finding);
                }
                None
            }
            (Returns::Nothing, value) => {
                let value = value.map(|value| self.expr(value));
                if self.cx.blocks == 0 {
                    let what = self.cx.mode.describe();
                    let finding = self.error("impure-expression", span, format!("there is nothing to return from: {what} gives no result"));
                    self.push(finding);
                }
                value
            }
        };
        StmtKind::Return(value)
    }

    /// Whether every way through the block ends with a result, a failure, or a send that answers.
    pub fn ends(block: &Block) -> bool {
        block.stmts.iter().any(|stmt| match &stmt.kind {
            StmtKind::Return(_) | StmtKind::Fail(_) | StmtKind::Error => true,
            StmtKind::Send(send) => send.answer,
            StmtKind::If { then, otherwise: Some(otherwise), .. } | StmtKind::IfLet { then, otherwise: Some(otherwise), .. } => {
                Self::ends(then) && Self::ends(otherwise)
            }
            StmtKind::Match { arms, .. } => !arms.is_empty() && arms.iter().all(|arm| Self::ends(&arm.body)),
            StmtKind::Try { body, catch, .. } => Self::ends(body) && Self::ends(catch),
            StmtKind::Require { cond, .. } => matches!(cond.kind, ExprKind::Bool(false)),
            _ => false,
        })
    }

    /// Reports a block of `what` that can end without the result that was declared.
    pub fn must_end(&mut self, block: &Block, what: &str) {
        let Returns::Value(ty, at) = &self.cx.returns else { return };
        if *ty == Ty::Error || Self::ends(block) {
            return;
        }
        let (wanted, at) = (ty.clone(), *at);
        let ty = self.quoted(&wanted);
        let mut values = Vec::new();
        if Self::last_values(block, &mut values)
            && let Some(first) = values.first()
        {
            let fits = values.iter().all(|value| value.ty == wanted);
            let safety = if fits { Safety::Safe } else { Safety::Unsafe };
            let spans: Vec<Span> = values.iter().map(|value| value.span).collect();
            let edits =
                spans.iter().map(|span| Edit { file: self.file, span: Span { end: span.start, ..*span }, text: "return ".to_owned() });
            let finding = self
                .error("type-mismatch", first.span, format!("{what} ends with this value, but does not return it"))
                .saying("lost here")
                .label(self.at(at), format!("{ty} is declared here"))
                .help("a handler gives its result with `return`")
                .fix("return it", safety, edits.collect());
            // What is to be returned is used.
            self.diagnostics.retain(|known| {
                known.rule != "unused-value" || !spans.iter().any(|span| known.primary.at == Location::Span(self.file, *span))
            });
            self.push(finding);
            return;
        }
        let end = Span { start: block.span.end.saturating_sub(1), end: block.span.end };
        let finding = self
            .error("type-mismatch", end, format!("{what} can end here without the result that it declares"))
            .saying("reached without a `return`")
            .label(self.at(at), format!("{ty} is declared here"))
            .help("end every way through it with `return …` or `fail \"…\"`");
        self.push(finding);
    }

    /// The values with which the ways through a block end that give no result; false if one of them ends with something else.
    fn last_values<'b>(block: &'b Block, values: &mut Vec<&'b Expr>) -> bool {
        if Self::ends(block) {
            return true;
        }
        match block.stmts.last().map(|stmt| &stmt.kind) {
            Some(StmtKind::Expr(value)) if !matches!(value.kind, ExprKind::Error) => {
                values.push(value);
                true
            }
            Some(StmtKind::If { then, otherwise: Some(otherwise), .. } | StmtKind::IfLet { then, otherwise: Some(otherwise), .. }) => {
                Self::last_values(then, values) && Self::last_values(otherwise, values)
            }
            Some(StmtKind::Match { arms, .. }) => arms.iter().all(|arm| Self::last_values(&arm.body, values)),
            _ => false,
        }
    }
}
