//! Statements, blocks, and the statements of tests.

use ustr::ustr;

use super::{Builder, Inside};
use crate::habits::{self, Place};
use crate::parse::Rule;
use crate::syntax::*;

impl Builder<'_> {
    /// `{ … }` of statements.
    pub(super) fn block(&mut self) -> Block {
        let inside = self.enter();
        let mut stmts = Vec::new();
        let mut allows = Vec::new();
        let mut before = None;
        while let Some(rule) = self.peek() {
            let start = self.tokens[self.at].start;
            if rule == Rule::allow {
                allows.push(self.allow());
            } else if let Some(mut stmt) = self.stmt(Place::Block, before) {
                stmt.allows = std::mem::take(&mut allows);
                stmts.push(stmt);
            }
            before = (rule != Rule::semicolon).then_some(start);
        }
        self.allows_of_nothing(allows);
        Block { stmts, span: self.leave_closed(inside) }
    }

    /// One statement; `None` for a stray `;`. `before` is where the statement before it began.
    pub(super) fn stmt(&mut self, place: Place, before: Option<u32>) -> Option<Stmt> {
        let rule = self.peek().expect("called where a statement stands");
        if rule == Rule::semicolon {
            let token = self.leaf();
            let span = self.token_span(token);
            self.misspelt(span, "statements have no `;` at their end", "leave it out", "");
            return None;
        }
        if rule == Rule::lost_stmt {
            let span = self.lost(place, before);
            return Some(Stmt { allows: Vec::new(), kind: StmtKind::Error, span });
        }
        let inside = self.enter();
        let kind = match rule {
            Rule::simple => self.simple(),
            Rule::let_stmt => self.let_stmt(),
            Rule::foreign_let => {
                let word = self.leaf();
                let message = format!("`{}` is not a word of the language", self.slice(word));
                self.misspelt(
                    self.token_span(word),
                    message,
                    "write `let`; a name keeps its value, what changes over time is a cell",
                    "let",
                );
                self.let_stmt()
            }
            Rule::require_stmt => {
                let cond = self.expr();
                let message = self.peek().is_some().then(|| self.expr());
                if message.is_none() {
                    self.forgotten_else();
                }
                StmtKind::Require { cond, message }
            }
            Rule::if_stmt => StmtKind::If(self.if_parts(inside.token.start)),
            Rule::send_stmt => StmtKind::Send(self.send(inside.token.start)),
            Rule::return_stmt => {
                self.leaf();
                StmtKind::Return(self.peek().is_some().then(|| self.expr()))
            }
            Rule::for_stmt => {
                let first = self.lower();
                let second = self.sees(Rule::name).then(|| self.tokens[self.at]).filter(|name| {
                    let between = &self.text[self.last as usize..name.start as usize];
                    between.trim_start().starts_with(',')
                });
                let (key, item) = match second {
                    Some(_) => (Some(first), self.lower()),
                    None => (None, first),
                };
                let iter = self.expr();
                StmtKind::For { key, item, iter, body: self.block() }
            }
            Rule::match_stmt => {
                let subject = self.expr();
                let mut arms = Vec::new();
                let mut before = None;
                while let Some(rule) = self.peek() {
                    if rule == Rule::stmt_arm {
                        before = Some(self.tokens[self.at].start);
                        arms.push(self.stmt_arm());
                    } else {
                        self.lost(Place::StmtArms, before);
                    }
                }
                StmtKind::Match { subject, arms }
            }
            Rule::delete_stmt => StmtKind::Delete(self.expr()),
            Rule::fail_stmt => StmtKind::Fail(self.expr()),
            Rule::try_stmt => self.try_stmt(),
            Rule::expect_stmt => self.expect_stmt(),
            Rule::concurrently => {
                let times = (!self.sees(Rule::block)).then(|| self.expr());
                StmtKind::Concurrently { times, body: self.block() }
            }
            Rule::hold => StmtKind::Hold(self.block()),
            Rule::crash => {
                self.last = inside.token.end;
                StmtKind::Crash
            }
            Rule::advance => StmtKind::Advance(self.expr()),
            Rule::order => StmtKind::Order(self.expr()),
            Rule::given => self.given(inside.token.start),
            Rule::reconcile => {
                let mirror = self.lower();
                let scope = if self.sees(Rule::args) { self.call_args().into_iter().next() } else { None };
                StmtKind::Reconcile { mirror, scope }
            }
            Rule::as_caller => {
                let caller = self.expr();
                StmtKind::As { caller, body: self.block() }
            }
            other => unreachable!("{other:?} is no statement of the grammar"),
        };
        // What ends with a bracket of its own ends where its token ends; white space after the last part is not of it.
        let closed = matches!(rule, Rule::match_stmt);
        let span = if closed { self.leave_closed(inside) } else { self.leave_open(inside) };
        Some(Stmt { allows: Vec::new(), kind, span })
    }

    /// Whether a name that stands alone is a habit, such as `break` or `do { … }`, which is reported then.
    fn lone_name(&mut self, name: &Ident) -> bool {
        if let Some(help) = habits::lone_word(&name.name) {
            self.wrong(name.span, format!("`{}` is not a word of the language", name.name), help);
            return true;
        }
        let text = &self.text[self.last as usize - name.name.len()..];
        let before_brace = text[name.name.len()..].trim_start_matches([' ', '\t']).starts_with('{');
        let Some(habit) = habits::first_word(text, Place::Block).filter(|_| before_brace) else { return false };
        self.report(habit.kind, name.span, habit.message, Some(habit.help), None);
        true
    }

    /// Reports a text that stands directly after a `require`.
    fn forgotten_else(&mut self) {
        let Some(next) = self.tokens.get(self.limit) else { return };
        let between = self.text.get(self.last as usize..next.start as usize);
        if next.rule == Rule::simple && self.text[next.start as usize..].starts_with('"') && between.is_some_and(|gap| !gap.contains('\n'))
        {
            let span = self.span(next.start, next.start);
            self.misspelt(span, "expected `else` before the reason", "a `require` is written `require condition else \"why\"`", "else ");
        }
    }

    /// An expression that stands alone, or an assignment.
    fn simple(&mut self) -> StmtKind {
        let target = self.expr();
        let Some(op) = self.leaf_if(Rule::assign) else {
            if let ExprKind::Name(name) = &target.kind
                && self.lone_name(name)
            {
                return StmtKind::Error;
            }
            return StmtKind::Expr(target);
        };
        let op = match self.slice(op) {
            "=" => AssignOp::Set,
            "+=" => AssignOp::Add,
            "-=" => AssignOp::Sub,
            _ => {
                let span = self.token_span(op);
                self.misspelt(span, "`:=` is not an operator here", "write `=`", "=");
                AssignOp::Set
            }
        };
        let value = self.assigned();
        StmtKind::Assign { target, op, value }
    }

    /// The parts of a `let`.
    pub(super) fn let_stmt(&mut self) -> StmtKind {
        if let Some(word) = self.leaf_if(Rule::mutable) {
            let span = self.token_span(word);
            self.misspelt(span, "a name keeps its value: there is no `mut`", "leave it out; what changes over time is a cell", "");
        }
        let name = self.lower();
        let ty = self.sees(Rule::name).then(|| self.tokens[self.at]).and_then(|next| {
            let between = &self.text[self.last as usize..next.start as usize];
            between.trim_start().starts_with(':').then(|| self.type_expr())
        });
        if let Some(op) = self.leaf_if(Rule::walrus) {
            let span = self.token_span(op);
            self.misspelt(span, "`:=` is not an operator here", "write `=`", "=");
        }
        let value = self.assigned();
        let otherwise = self.sees(Rule::let_else).then(|| {
            let inside = self.enter();
            let stmt = self.stmt(Place::Block, None).expect("`else` of a `let` is followed by `fail` or `return`");
            self.leave_open(inside);
            Box::new(stmt)
        });
        StmtKind::Let { name, ty, value, otherwise }
    }

    fn try_stmt(&mut self) -> StmtKind {
        let body = self.block();
        if self.sees(Rule::foreign_finally) {
            let help =
                "leave `try` out: a failure that nothing catches undoes all of the event, so what stands last is done only with the rest";
            self.finally(help);
            self.lose(body.span);
            return StmtKind::Error;
        }
        let error = if self.sees(Rule::foreign_caught) { self.caught() } else { self.lower() };
        let catch = self.block();
        if self.sees(Rule::foreign_finally) {
            self.finally("write it after the `catch { … }`: where one of both fails, nothing of the event remains");
        }
        StmtKind::Try { body, error, catch }
    }

    /// The name of the failure as other languages write it: in brackets, with a type, or not at all.
    fn caught(&mut self) -> Ident {
        let inside = self.enter();
        self.leaf_if(Rule::upper);
        let name = self.sees(Rule::name).then(|| self.lower());
        self.leaf_if(Rule::name);
        let span = self.leave_closed(inside);
        let help = "write `catch e { … }`: `e.message` says why, `e.kind` what kind of failure it is";
        let Some(name) = name else {
            self.misspelt(span, "expected a name for the failure", help, "_e ");
            return Ident { name: ustr("_e"), span };
        };
        self.misspelt(span, "the name of a failure stands without brackets", help, name.name.as_str());
        name
    }

    /// Reports a `finally`. What it does is not looked at: where it should be done, it stands elsewhere.
    fn finally(&mut self, help: &str) {
        let inside = self.enter();
        self.block();
        let span = self.leave_open(inside);
        self.lose(span);
        self.wrong(Span { end: span.start + "finally".len() as u32, ..span }, "there is no `finally`", help);
    }

    /// What a name or a cell is given.
    fn assigned(&mut self) -> Expr {
        if self.sees(Rule::lost_value) {
            return self.lost_value();
        }
        if !self.sees(Rule::sent_value) {
            return self.expr();
        }
        let inside = self.enter();
        let sending = self.enter();
        let send = self.send(sending.token.start);
        self.leave_open(sending);
        let span = self.leave_open(inside);
        let word = Span { start: span.start, end: span.start + "send".len() as u32 };
        let arm = if send.ok.is_some() {
            "the result is what the `ok` arm gets"
        } else {
            "go on with the result in an arm: `send … then { ok(result) => { … } err(e) => { … } }`"
        };
        self.wrong(word, "a `send` has no value here: it is delivered after this transaction has committed", arm);
        Expr { kind: ExprKind::Error, span }
    }

    /// The value that is missing behind a `=` or `+=`.
    pub(super) fn lost_value(&mut self) -> Expr {
        let token = self.leaf();
        self.last = token.start;
        let span = self.span(token.start, token.start);
        self.lose(span);
        self.wrong(span, "expected an expression, found the end of the line", "such as a name, a number, a text, or a call");
        Expr { kind: ExprKind::Error, span }
    }

    /// A condition: an expression, or `let name = value`.
    pub(super) fn cond(&mut self) -> Cond {
        if !self.sees(Rule::let_cond) {
            return Cond::Expr(self.expr());
        }
        let inside = self.enter();
        let name = self.lower();
        let value = self.expr();
        self.leave_open(inside);
        Cond::Let { name, value }
    }

    /// The parts of an `if` that began at `start`, all of its `else` with them.
    fn if_parts(&mut self, start: u32) -> If {
        let cond = self.cond();
        let then = self.block();
        let mut first = If { cond, then, otherwise: None, span: self.span(start, self.last) };
        let mut rest: Vec<If> = Vec::new();
        let mut last = None;
        while let Some(rule) = self.peek() {
            let chain_ended = last.is_some();
            if rule == Rule::block {
                let block = self.block();
                if chain_ended {
                    self.wrong(block.span, "an `if` has one `else`", "the first `else` without `if` is the last");
                } else {
                    last = Some(Else::Block(block));
                }
            } else {
                let inside = self.enter();
                let start = inside.token.start;
                let cond = self.cond();
                let then = self.block();
                let span = self.leave_open(inside);
                if chain_ended {
                    self.wrong(span, "this `else if` comes after the last `else`", "move it before that `else`");
                } else if rest.len() as u32 == super::MAX_HEIGHT {
                    self.too_high(Span { start: first.span.start, end: span.end }, super::ELSE_IFS);
                } else if (rest.len() as u32) < super::MAX_HEIGHT {
                    rest.push(If { cond, then, otherwise: None, span: self.span(start, start) });
                }
            }
        }
        let end = self.place(self.last);
        for mut link in rest.into_iter().rev() {
            link.otherwise = last.take();
            link.span.end = end;
            last = Some(Else::If(Box::new(link)));
        }
        first.otherwise = last;
        first.span.end = end;
        first
    }

    fn stmt_arm(&mut self) -> StmtArm {
        let inside = self.enter();
        let pattern = self.pattern();
        let body = if self.sees(Rule::block) {
            self.block()
        } else {
            let stmts: Vec<Stmt> = self.stmt(Place::Block, None).into_iter().collect();
            let span = stmts.first().map_or(pattern.span, |stmt| stmt.span);
            Block { stmts, span }
        };
        self.leave_open(inside);
        let span = pattern.span.to(body.span);
        StmtArm { pattern, body, span }
    }

    /// A pattern of a `match`.
    pub(super) fn pattern(&mut self) -> Pattern {
        let inside = self.enter();
        let kind = match self.peek() {
            Some(Rule::wildcard) => {
                self.leaf();
                PatternKind::Wildcard
            }
            Some(Rule::upper) => {
                let of = self.upper();
                let variant = self.lower();
                let mut fields = Vec::new();
                while self.peek().is_some() {
                    fields.push(self.pattern());
                }
                PatternKind::Variant { of, variant, fields }
            }
            Some(Rule::name) => {
                let word = self.slice(self.tokens[self.at]);
                if matches!(word, "true" | "false" | "none") {
                    PatternKind::Literal(Box::new(self.expr()))
                } else {
                    PatternKind::Bind(self.lower())
                }
            }
            _ => PatternKind::Literal(Box::new(self.expr())),
        };
        Pattern { kind, span: self.leave_closed(inside) }
    }

    /// The parts of a `send` that began at `start`.
    fn send(&mut self, start: u32) -> Send {
        let answer = self.leaf_if(Rule::return_word).is_some();
        let event = self.expr();
        let mut send = Send { answer, event, after: None, ok: None, err: None, span: Span::default() };
        while let Some(rule) = self.peek() {
            let inside = self.enter();
            if rule == Rule::after {
                let delay = self.expr();
                if matches!(delay.kind, ExprKind::Unary { op: UnaryOp::Neg, .. }) {
                    let help = "write how long it waits: `after 5m`; or leave `after` out: then it is sent at once";
                    self.wrong(delay.span, "no event is delivered before it is sent", help);
                }
                send.after = Some(delay);
                self.leave_open(inside);
                continue;
            }
            let mut before = None;
            while let Some(rule) = self.peek() {
                if rule == Rule::send_arm {
                    before = Some(self.tokens[self.at].start);
                    self.send_arm(&mut send);
                } else {
                    self.lost(Place::SendArms, before);
                }
            }
            self.leave_closed(inside);
        }
        send.span = self.span(start, self.last);
        send
    }

    fn send_arm(&mut self, send: &mut Send) {
        let inside = self.enter();
        let token = self.leaf();
        let word = self.slice(token);
        let span = self.token_span(token);
        let names = self.names();
        if let Some(second) = names.get(1) {
            self.wrong(second.span, "an arm of a `send` has one parameter", "the result may be a struct");
        }
        let param = names.first().copied();
        let body = self.block();
        let arm = SendArm { param, span: span.to(body.span), body };
        self.leave_open(inside);
        let place = match word {
            "ok" => &mut send.ok,
            "err" => &mut send.err,
            _ => {
                self.wrong(span, format!("a `send` has no arm `{word}`"), "its arms are `ok(result) => { … }` and `err(e) => { … }`");
                return;
            }
        };
        if place.is_some() {
            self.wrong(span, format!("this `send` has a second arm `{word}`"), "leave one of them out");
        } else {
            *place = Some(arm);
        }
    }

    fn expect_stmt(&mut self) -> StmtKind {
        if !self.sees(Rule::expect_fail) {
            let call = self.expr();
            if !self.sees(Rule::foreign_fails) {
                return StmtKind::Expect(call);
            }
            let end = self.place(self.last);
            let inside = self.enter();
            let word = self.leaf();
            let start = Span { start: call.span.start, end: call.span.start };
            let places = vec![(Span { start: end, end: self.place(word.end) }, String::new()), (start, "fail ".to_owned())];
            let message = format!("`{}` stands behind the call", self.slice(word));
            self.habit_of(places, message, "write `expect fail call with \"why\"`");
            let stmt = Stmt { allows: Vec::new(), span: call.span, kind: StmtKind::Expr(call) };
            return self.failing(stmt, inside);
        }
        let inside = self.enter();
        let call = self.stmt(Place::Block, None).expect("`expect fail` is followed by a statement");
        self.failing(call, inside)
    }

    /// How a call is expected to fail.
    fn failing(&mut self, call: Stmt, inside: Inside) -> StmtKind {
        let (mut with, mut kind) = (None, None);
        while let Some(rule) = self.peek() {
            let inside = self.enter();
            if rule == Rule::with {
                with = Some(self.expr());
            } else {
                let token = self.leaf();
                kind = Some(self.ident_of(token));
            }
            self.leave_open(inside);
        }
        self.leave_open(inside);
        StmtKind::ExpectFail { call: Box::new(call), with, kind }
    }

    fn given(&mut self, start: u32) -> StmtKind {
        let of = self.lower();
        let operation = self.lower();
        let params = if self.sees(Rule::names) { self.names() } else { Vec::new() };
        let answer = if self.leaf_if(Rule::gives).is_some() {
            let before = self.errors.len();
            let answer = self.expr();
            if let Some(error) = self.errors.get_mut(before)
                && error.span.slice(self.text) == "fail"
            {
                error.help = Some(format!("a refusal is written `given {}.{} fails \"…\"`", of.name, operation.name));
            }
            Answer::Value(answer)
        } else {
            let message = self.expr();
            let times = self.sees(Rule::times).then(|| {
                let inside = self.enter();
                let times = self.expr();
                self.leave_closed(inside);
                times
            });
            Answer::Fails { message, times }
        };
        StmtKind::Given(Given { of, operation, params, answer, span: self.span(start, self.last) })
    }
}
