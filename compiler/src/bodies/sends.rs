//! Sends with their arms, and the steps of sagas.

use patternc_grammar::syntax::{self as syn, ExprKind as S, Span};

use crate::diagnostic::{Location, Safety};
use crate::hir::{Block, Expr, ExprKind, LocalKind, Send, SendArm, SendEvent, Step, Stmt, StmtKind};
use crate::types::Ty;

use super::calls::Called;
use super::checker::{Checker, Mode, Returns};
use super::expect::{Role, Want};
use super::places::Fit;

impl Checker<'_> {
    /// `send …`, `return send …`.
    pub fn send_stmt(&mut self, send: &syn::Send) -> StmtKind {
        self.may_send(send.span);
        let (event, result) = self.event(&send.event, "send");
        let after = send.after.as_ref().map(|after| self.check(after, Want::new(&Ty::Duration, Role::Word("after"), after.span)));
        let waiting = self.cx.returns.clone();
        // Nobody waits for the outcome of an arm, unless the answer of the event was put off until then.
        let in_arms = match &waiting {
            Returns::Creation => Returns::Unit,
            waiting if send.answer => waiting.clone(),
            _ => Returns::Unit,
        };
        if send.answer {
            self.answers(&waiting, send, &result);
        }
        self.cx.returns = in_arms;
        let ok = send.ok.as_ref().map(|arm| {
            let ty = result.clone();
            if let Some(param) = arm.param
                && ty == Ty::Unit
            {
                let finding = self
                    .error("wrong-arguments", param.span, "what was sent gives no result, so there is nothing to name")
                    .help("write `ok()`");
                self.push(finding);
            }
            let ty = if ty == Ty::Unit { Ty::Error } else { ty };
            self.arm(arm, ty, send.answer, "the `ok` arm")
        });
        let err = send.err.as_ref().map(|arm| self.arm(arm, Ty::Failure, send.answer, "the `err` arm"));
        self.cx.returns = waiting;
        StmtKind::Send(Box::new(Send { answer: send.answer, event, after, ok, err, result, span: send.span }))
    }

    fn arm(&mut self, arm: &syn::SendArm, ty: Ty, answer: bool, what: &str) -> SendArm {
        let mark = self.enter();
        let nothing = ty == Ty::Error;
        let param = arm.param.map(|param| {
            let local = self.declare(param, ty, LocalKind::Outcome);
            if nothing {
                self.mark_used(local);
            }
            local
        });
        let body = self.open_block(&arm.body);
        if answer {
            self.must_end(&body, what);
        }
        self.leave(mark);
        SendArm { param, body, span: arm.span }
    }

    /// Tests `return send …` against the declared result.
    fn answers(&mut self, waiting: &Returns, send: &syn::Send, result: &Ty) {
        let word = Span { start: send.span.start, end: send.span.start + "return".len() as u32 };
        match waiting {
            Returns::Nothing => {
                let what = self.cx.mode.describe();
                let finding = self.error("impure-expression", word, format!("there is nothing to return from: {what} gives no result"));
                self.push(finding);
            }
            Returns::Creation => {
                let after = self.text(Span { start: word.end, end: send.event.span.start });
                let gap = (after.len() - after.trim_start().len()) as u32;
                let finding = self
                    .error(
                        "impure-expression",
                        word,
                        "whoever creates is answered with the record, so the outcome of a send cannot be the answer",
                    )
                    .saying("a `create` block answers nothing")
                    .help("write `send` without `return`; what becomes of it belongs in its arms")
                    .replace("send without `return`", Safety::Unsafe, self.file, Span { start: word.start, end: word.end + gap }, "");
                self.push(finding);
            }
            Returns::Value(ty, at) if send.ok.is_none() => {
                // What was sent is the answer.
                if self.fits(result, ty) == Fit::No {
                    let (found, wanted) = (self.quoted(result), self.quoted(ty));
                    let finding = self
                        .error(
                            "type-mismatch",
                            send.event.span,
                            format!("the answer would be {found}, but the result is declared {wanted}"),
                        )
                        .label(self.at(*at), "declared here")
                        .help("take the answer in an `ok` arm and return what is declared");
                    self.push(finding);
                } else {
                    self.coerce_given(result.clone(), send.event.span, Want::new(ty, Role::Answer, *at));
                }
            }
            // Without a declared result, only whether it went well is told.
            Returns::Value(..) | Returns::Unit => {}
        }
    }

    /// Reports a send where nothing may be sent.
    fn may_send(&mut self, span: Span) {
        let mode = self.cx.mode;
        let word = Span { start: span.start, end: (span.start + "send".len() as u32).min(span.end) };
        let (message, help) = if mode.is_outside() {
            (
                format!(
                    "there is nothing to send from: each call in {} is an event of its own already",
                    mode.describe().trim_end_matches(',')
                ),
                "call the handler without `send`",
            )
        } else if mode == Mode::Saga {
            ("a saga sends by its steps: before them stand only `let` and `require`".to_owned(), "make it a `step`")
        } else if !mode.writes() {
            (format!("{} only computes and may run any number of times, so it cannot send", mode.describe()), "send from a handler")
        } else if self.cx.blocks > 0 || self.cx.lambdas > 0 {
            ("this block only computes a value, so it cannot send".to_owned(), "send in a statement of the handler")
        } else {
            return;
        };
        let finding = self.error("impure-expression", word, message).saying("a send").help(help);
        self.push(finding);
    }

    /// What is sent by `word`: a call or a `create`.
    fn event(&mut self, event: &syn::Expr, word: &'static str) -> (SendEvent, Ty) {
        match &event.kind {
            S::Create { record, space, fields } => match self.create(*record, space.as_deref(), fields, event.span, true) {
                Some(create) => {
                    let ty = Ty::Record(create.record, create.place);
                    (SendEvent::Create(Box::new(create)), ty)
                }
                None => (SendEvent::Error, Ty::Error),
            },
            S::Method { .. } => match self.called(event) {
                Called::Handler(call) => (SendEvent::Handler { target: call.target, handler: call.handler, args: call.args }, call.result),
                Called::Outside(send) => (send.event, send.result),
                Called::Value(value) => self.not_an_event(&value, word),
            },
            _ => {
                let value = self.expr(event);
                self.not_an_event(&value, word)
            }
        }
    }

    fn not_an_event(&mut self, value: &Expr, word: &'static str) -> (SendEvent, Ty) {
        if !matches!(value.kind, ExprKind::Error) {
            let message = if word == "send" {
                "only calls of handlers, sagas and operations of the outside, and `create`, can be sent".to_owned()
            } else {
                format!("`{word}` takes a call of a handler or of an operation of the outside")
            };
            let found = self.quoted(&value.ty);
            let finding = self.error("type-mismatch", value.span, message).saying(format!("a value: {found}"));
            self.push(finding);
        }
        (SendEvent::Error, Ty::Error)
    }

    /// The prelude and steps of a saga.
    pub fn saga(&mut self, saga: &syn::SagaDecl, span: Span) -> (Block, Vec<Step>) {
        let mut prelude = Vec::with_capacity(saga.prelude.len());
        for stmt in &saga.prelude {
            let findings = self.diagnostics.len();
            self.stmt(stmt, &mut prelude);
            // Other statements were reported as such: nothing more is to be said of what they do.
            if !matches!(stmt.kind, syn::StmtKind::Let { .. } | syn::StmtKind::Require { .. }) {
                self.diagnostics.truncate(findings);
            }
        }
        let steps = saga.steps.iter().map(|step| self.step(step)).collect();
        (Block { stmts: prelude, span }, steps)
    }

    fn step(&mut self, step: &syn::Step) -> Step {
        let word = if step.pivot { "pivot" } else { "step" };
        let (action, result) = self.event(&step.action, word);
        // A step without a result still has its name: only reading it is wrong.
        let name = step.name.map(|name| self.declare(name, result, LocalKind::Step));
        let undo = step.undo.as_ref().map(|undo| self.event(undo, "undo").0);
        Step { pivot: step.pivot, name, action, undo, span: step.span, undo_span: step.undo.as_ref().map(|undo| undo.span) }
    }

    /// A clause of a mirror that calls its other side, as a body of one send.
    pub fn mirror_call(&mut self, value: &syn::Expr, target: Option<crate::types::ItemId>, clause: &str) -> (Stmt, Ty) {
        let called = match &value.kind {
            S::Method { .. } => self.called(value),
            _ => Called::Value(self.expr(value)),
        };
        let (event, result) = match called {
            Called::Outside(send) => {
                if let (SendEvent::Extern { operation, .. }, Some(target)) = (&send.event, target)
                    && operation.of != target
                {
                    let (wanted, found) = (self.item_name(target), self.item_name(operation.of));
                    let finding = self
                        .error("type-mismatch", value.span, format!("the mirror is kept in `{wanted}`, but `{clause}` calls `{found}`"))
                        .label(Location::Item(target), "the other side of the mirror");
                    self.push(finding);
                }
                (send.event, send.result)
            }
            Called::Handler(call) => {
                let finding = self
                    .error(
                        "type-mismatch",
                        value.span,
                        format!("`{clause}` calls an operation of the other side, but this calls a handler"),
                    )
                    .help("name an operation of the extern that the mirror is `to`");
                self.push(finding);
                drop(call);
                (SendEvent::Error, Ty::Error)
            }
            Called::Value(made) => {
                if !matches!(made.kind, ExprKind::Error) {
                    let finding = self
                        .error("type-mismatch", value.span, format!("`{clause}` calls an operation of the other side, but this is a value"))
                        .help("name an operation of the extern that the mirror is `to`");
                    self.push(finding);
                }
                (SendEvent::Error, Ty::Error)
            }
        };
        let send = Send { answer: false, event, after: None, ok: None, err: None, result: result.clone(), span: value.span };
        (Stmt { kind: StmtKind::Send(Box::new(send)), span: value.span }, result)
    }
}
