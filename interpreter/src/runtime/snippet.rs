//! Lines typed at a prompt, and queries from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use patternc_program::{Answer, Expr, ExternId, Slot, Snippet, Source, TestEvent, TestStmt};

use super::{Patience, Runtime};
use crate::engine::{Mark, Reconciled, Session};
use crate::event::{Action, EventId, Outcome};
use crate::expectation;
use crate::failure::{Failure, FailureKind};
use crate::given::{Given, GivenAnswer};
use crate::interrupt::Interrupt;
use crate::store::StoreError;
use crate::value::Value;

/// What a line came to.
#[derive(Clone, Debug, PartialEq)]
pub struct SnippetRun {
    /// The value of an expression.
    pub value: Option<Value>,
    /// The events it sent, in order, with what they do and how they ended; `None`: not yet.
    pub events: Vec<(EventId, Action, Option<Outcome>)>,
    /// The scopes of mirrors that it reconciled.
    pub reconciled: Vec<Reconciled>,
    /// The frame at its end: what it binds for later lines.
    pub frame: Vec<Value>,
}

/// Why a line ended early. What its events did before that stays.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SnippetError {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// With the values of both sides.
    #[error("this does not hold{}", .1.iter().map(|note| format!("\n  {note}")).collect::<String>())]
    NotHeld(Source, Vec<String>),
    #[error("this was expected to fail")]
    NotFailed(Source),
    #[error("this was expected to fail otherwise, and failed: {1}")]
    FailedOtherwise(Source, Failure),
    #[error("a query is one expression")]
    NoQuery,
    #[error("`{0}` is for tests")]
    OnlyInTests(&'static str),
    /// It goes on, and is answered later.
    #[error("{what} has no answer yet: {why}")]
    NoAnswer { what: String, why: Unanswered },
    #[error("interrupted")]
    Interrupted,
    #[error("what it caused is still on its way")]
    Unsettled,
    /// Another process owns the stores, and only it can do that.
    #[error("another process owns the store, and `{0}` is for that one alone")]
    OwnerOnly(&'static str),
    /// An adapter answers this extern.
    #[error("the extern is bound: what it answers cannot be given")]
    Bound(ExternId),
    #[error("the clock is that of the machine, and cannot be moved")]
    NoClock,
}

/// Why an event has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("what it waits for is held")]
    Held,
    #[error("nobody answers the call that it waits for")]
    Nobody,
    #[error("what it waits for is parked: {0}")]
    Parked(String),
    #[error("what it waits for is delayed")]
    Later,
    #[error("it is still on its way after {} s", .0.as_secs())]
    Slow(Duration),
}

struct Line<'r> {
    runtime: &'r Runtime,
    session: Session,
    caller: Option<Arc<str>>,
    patience: &'r mut dyn Patience,
    /// When it began.
    since: Mark,
    /// Steps that are left of its budget.
    steps: u64,
    run: SnippetRun,
}

/// Whether the line goes on.
#[derive(PartialEq)]
enum Flow {
    On,
    Ends,
}

impl Runtime {
    /// Runs a line. `values` fill its first slots; every event of it waits for its answer and for what it causes as
    /// long as `patience` lasts. Its statements and expressions have the steps of one transaction together.
    pub fn run_snippet(
        &self,
        session: Session,
        caller: Option<Arc<str>>,
        snippet: &Snippet,
        values: &[Value],
        patience: &mut dyn Patience,
    ) -> (SnippetRun, Result<(), SnippetError>) {
        let mut frame = values.to_vec();
        frame.resize(snippet.slots.max(snippet.params) as usize, Value::None);
        let run = SnippetRun { value: None, events: Vec::new(), reconciled: Vec::new(), frame };
        let (since, steps) = (self.mark(), self.limits().steps);
        let mut line = Line { runtime: self, session, caller, patience, since, steps, run };
        let result = line.whole(snippet);
        (line.run, result)
    }

    /// The value of a query: a line that is one expression. It sees all that was submitted before it.
    pub fn query(&self, caller: Option<&Arc<str>>, snippet: &Snippet) -> Result<Value, SnippetError> {
        let Some((expr, _)) = snippet.value.as_ref().filter(|_| snippet.stmts.is_empty()) else {
            return Err(SnippetError::NoQuery);
        };
        let mut frame = vec![Value::None; snippet.slots as usize];
        Ok(self.read(|engine| engine.evaluate(expr, &mut frame, caller))??)
    }
}

impl Line<'_> {
    fn whole(&mut self, snippet: &Snippet) -> Result<(), SnippetError> {
        if self.block(&snippet.stmts)? == Flow::On
            && let Some((value, _)) = &snippet.value
        {
            self.run.value = Some(self.value(value)?);
        }
        Ok(())
    }

    fn value(&mut self, expr: &Expr) -> Result<Value, SnippetError> {
        let (frame, caller) = (&mut self.run.frame, self.caller.as_ref());
        let steps = &mut self.steps;
        Ok(self.runtime.read(|engine| engine.with_budget(steps, |engine| engine.evaluate(expr, frame, caller)))??)
    }

    /// One step of the budget, unless whoever waits has lost patience.
    fn step(&mut self) -> Result<(), SnippetError> {
        if self.runtime.shared.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(SnippetError::Interrupted);
        }
        self.steps = self.steps.checked_sub(1).ok_or_else(|| {
            let limit = self.runtime.limits().steps;
            Failure::new(FailureKind::Budget, format!("this takes more than {limit} steps in all (setting `steps`): do less at once"))
        })?;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), SnippetError> {
        if self.runtime.settle(self.since, self.patience) { Ok(()) } else { Err(SnippetError::Unsettled) }
    }

    fn set(&mut self, slot: Slot, value: Value) {
        self.run.frame[slot.index()] = value;
    }

    fn block(&mut self, stmts: &[TestStmt]) -> Result<Flow, SnippetError> {
        for stmt in stmts {
            self.step()?;
            if self.statement(stmt)? == Flow::Ends {
                return Ok(Flow::Ends);
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, stmt: &TestStmt) -> Result<Flow, SnippetError> {
        if let Some(what) = of_owner(stmt).filter(|_| self.runtime.follows()) {
            return Err(SnippetError::OwnerOnly(what));
        }
        match stmt {
            TestStmt::Let { slot, value } => {
                let value = self.value(value)?;
                self.set(*slot, value);
            }
            TestStmt::LetElse { slot, value, otherwise } => match self.value(value)? {
                Value::None => {
                    self.statement(otherwise)?;
                    return Ok(Flow::Ends);
                }
                value => self.set(*slot, value),
            },
            TestStmt::Event { result, event, .. } => match self.event(event)? {
                Outcome::Committed(value) => {
                    if let Some(slot) = result {
                        self.set(*slot, value);
                    }
                }
                Outcome::Failed(failure) => return Err(failure.into()),
            },
            TestStmt::If { cond, then, otherwise } => {
                let holds = self.value(cond)? == Value::Bool(true);
                return self.block(if holds { then } else { otherwise });
            }
            TestStmt::IfLet { slot, value, then, otherwise } => match self.value(value)? {
                Value::None => return self.block(otherwise),
                value => {
                    self.set(*slot, value);
                    return self.block(then);
                }
            },
            TestStmt::For { key, item, iter, body } => {
                let items: Vec<(Option<Value>, Value)> = match self.value(iter)? {
                    Value::List(items) => items.iter().map(|item| (None, item.clone())).collect(),
                    Value::Set(items) => items.iter().map(|item| (None, item.clone())).collect(),
                    Value::Map(entries) => entries.iter().map(|(k, v)| (Some(k.clone()), v.clone())).collect(),
                    _ => Vec::new(),
                };
                for (k, v) in items {
                    self.step()?;
                    if let (Some(slot), Some(k)) = (key, k) {
                        self.set(*slot, k);
                    }
                    self.set(*item, v);
                    if self.block(body)? == Flow::Ends {
                        return Ok(Flow::Ends);
                    }
                }
            }
            TestStmt::Match { subject, arms } => {
                let subject = self.value(subject)?;
                for (pattern, body) in arms {
                    let (frame, steps) = (&mut self.run.frame, &mut self.steps);
                    let matches = |engine: &mut crate::engine::Engine| engine.matches(pattern, &subject, frame);
                    if self.runtime.read(|engine| engine.with_budget(steps, matches))?? {
                        return self.block(body);
                    }
                }
            }
            TestStmt::Expect { cond, at } => {
                if self.value(cond)? != Value::Bool(true) {
                    let program = self.runtime.program().clone();
                    let notes = expectation::explain(&program, cond, &mut |expr| self.value(expr).ok());
                    return Err(SnippetError::NotHeld(*at, notes));
                }
            }
            TestStmt::ExpectFail { call, with, kind, at } => {
                let Outcome::Failed(failure) = self.event(call)? else { return Err(SnippetError::NotFailed(*at)) };
                let text = match with {
                    Some(with) => Some(self.value(with)?),
                    None => None,
                };
                let said = matches!(&text, Some(Value::Text(text)) if !failure.message.contains(&**text));
                if said || kind.as_ref().is_some_and(|kind| failure.kind.name() != &**kind) {
                    return Err(SnippetError::FailedOtherwise(*at, failure));
                }
            }
            TestStmt::As { caller, body } => {
                let Value::Text(name) = self.value(caller)? else { return Ok(Flow::On) };
                let before = self.caller.replace(name);
                let flow = self.block(body);
                self.caller = before;
                return flow;
            }
            TestStmt::Fail { message, .. } => {
                let message = match self.value(message)? {
                    Value::Text(message) => message,
                    _ => "failed".into(),
                };
                return Err(Failure::new(FailureKind::Rejected, message).into());
            }
            TestStmt::Concurrently { .. } => return Err(SnippetError::OnlyInTests("concurrently")),
            TestStmt::Hold { body, .. } => {
                let outer = self.runtime.is_held();
                self.runtime.hold();
                let flow = self.block(body);
                if !outer {
                    self.runtime.release();
                }
                self.settle()?;
                return flow;
            }
            TestStmt::Crash => return Err(SnippetError::OnlyInTests("crash")),
            TestStmt::Advance(by) => {
                if let Value::Duration(milliseconds) = self.value(by)?
                    && !self.runtime.advance(milliseconds, self.patience)
                {
                    return Err(SnippetError::NoClock);
                }
            }
            TestStmt::Order { .. } => return Err(SnippetError::OnlyInTests("order")),
            TestStmt::Given { of, operation, params, answer } => {
                if self.runtime.is_bound(*of) {
                    return Err(SnippetError::Bound(*of));
                }
                let answer = self.given(params, answer)?;
                // What waited for it is caused by it.
                if !self.runtime.unanswered_calls().is_empty() {
                    self.since = Mark::default();
                }
                self.runtime.give(Given { of: *of, operation: *operation, answer });
                self.settle()?;
            }
            TestStmt::Reconcile { mirror, scope, .. } => {
                let scopes = match scope {
                    Some(scope) => vec![self.value(scope)?],
                    None => self.runtime.read(|engine| engine.scopes(*mirror))??,
                };
                for scope in scopes {
                    self.reconcile(*mirror, scope)?;
                }
            }
        }
        Ok(Flow::On)
    }

    fn given(&mut self, params: &[Slot], answer: &Answer) -> Result<GivenAnswer, SnippetError> {
        Ok(match answer {
            Answer::Value(value) => {
                GivenAnswer::Value { params: params.into(), value: Arc::new(value.clone()), frame: self.run.frame.clone() }
            }
            Answer::Fails { message, times } => {
                let message = match self.value(message)? {
                    Value::Text(message) => message.to_string(),
                    _ => "refused".to_owned(),
                };
                let left = match times {
                    Some(times) => match self.value(times)? {
                        Value::Int(times) => Some(u64::try_from(times).unwrap_or(0)),
                        _ => Some(0),
                    },
                    None => None,
                };
                GivenAnswer::Fails { message, left }
            }
        })
    }

    fn reconcile(&mut self, mirror: u32, scope: Value) -> Result<(), SnippetError> {
        let began = Instant::now();
        let (runtime, patience) = (self.runtime, &mut *self.patience);
        let mut nobody = false;
        let reconciled = runtime.caretaker().reconcile(mirror, scope, |_| {
            nobody = !runtime.unanswered_calls().is_empty();
            !nobody && patience.lasts(began.elapsed(), runtime)
        });
        let stopped = || Err(Failure::new(FailureKind::Unavailable, "the runtime is being shut down"));
        let reconciled = reconciled.unwrap_or_else(stopped);
        match reconciled {
            Ok(reconciled) => self.run.reconciled.push(reconciled),
            Err(_) if nobody => return Err(SnippetError::NoAnswer { what: "the other side".to_owned(), why: Unanswered::Nobody }),
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    fn event(&mut self, event: &TestEvent) -> Result<Outcome, SnippetError> {
        let (frame, caller, steps) = (&mut self.run.frame, self.caller.as_ref(), &mut self.steps);
        let action = self.runtime.read(|engine| engine.with_budget(steps, |engine| engine.action(event, frame, caller)))??;
        let taken = self.runtime.submit(self.session, None, self.caller.clone(), action.clone());
        self.run.events.push((taken.id().clone(), action.clone(), None));
        let (_, outcome) = self.runtime.answer(taken, &action, self.since, self.patience)?;
        if let Some((_, _, known)) = self.run.events.last_mut() {
            *known = Some(outcome.clone());
        }
        Ok(outcome)
    }
}

/// What a statement is called that changes how the patterns run, rather than sending them events.
fn of_owner(stmt: &TestStmt) -> Option<&'static str> {
    match stmt {
        TestStmt::Hold { .. } => Some("hold"),
        TestStmt::Given { .. } => Some("given"),
        TestStmt::Advance(_) => Some("advance"),
        TestStmt::Reconcile { .. } => Some("reconcile"),
        TestStmt::Crash => Some("crash"),
        _ => None,
    }
}
