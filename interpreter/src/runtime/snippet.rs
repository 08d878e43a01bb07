//! Lines typed at a prompt, and queries from outside.

use std::sync::Arc;
use std::time::Duration;

use patternc_program::{Slot, Snippet, Source, TestEvent, TestStmt};

use super::{Runtime, Taken};
use crate::engine::Session;
use crate::event::{Action, EventId, Outcome};
use crate::failure::Failure;
use crate::store::StoreError;
use crate::value::Value;

/// What a line came to.
#[derive(Clone, Debug, PartialEq)]
pub struct SnippetRun {
    /// The value of an expression.
    pub value: Option<Value>,
    /// The events it sent, in order, with what they do and how they ended; `None`: not yet.
    pub events: Vec<(EventId, Action, Option<Outcome>)>,
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
    #[error("this does not hold")]
    NotHeld(Source),
    #[error("this was expected to fail")]
    NotFailed(Source),
    #[error("this was expected to fail otherwise, and failed: {1}")]
    FailedOtherwise(Source, Failure),
    #[error("a query is one expression")]
    NoQuery,
    #[error("`{0}` is for tests")]
    OnlyInTests(&'static str),
    #[error("{0} has no answer yet: what it waits for is held")]
    Held(String),
    #[error("{what} has no answer after {seconds} s; it is still on its way", seconds = .patience.as_secs())]
    NoAnswer { what: String, patience: Duration },
}

struct Line<'r> {
    runtime: &'r Runtime,
    session: Session,
    caller: Option<Arc<str>>,
    patience: Duration,
    run: SnippetRun,
}

/// Whether the line goes on.
#[derive(PartialEq)]
enum Flow {
    On,
    Ends,
}

impl Runtime {
    /// Runs a line. `values` fill its first slots; every event of it waits up to `patience` for its answer and for what it causes.
    pub fn run_snippet(
        &self,
        session: Session,
        caller: Option<Arc<str>>,
        snippet: &Snippet,
        values: &[Value],
        patience: Duration,
    ) -> (SnippetRun, Result<(), SnippetError>) {
        let mut frame = values.to_vec();
        frame.resize(snippet.slots.max(snippet.params) as usize, Value::None);
        let run = SnippetRun { value: None, events: Vec::new(), frame };
        let mut line = Line { runtime: self, session, caller, patience, run };
        let result = line.whole(snippet);
        (line.run, result)
    }

    /// Waits for the outcome of an event, and for what it causes; where deliveries are held, only for what can happen.
    pub fn answer(&self, taken: Taken, action: &Action, patience: Duration) -> Result<(EventId, Outcome), SnippetError> {
        let held = self.is_held();
        if held {
            self.wait_idle(patience);
        }
        match taken.wait_timeout(if held { Duration::ZERO } else { patience }) {
            Ok(answered) => {
                // What it caused is shown with it.
                self.wait_idle(patience);
                Ok(answered)
            }
            Err(_) => {
                let what = self.read(|engine| engine.describe(action))?;
                Err(if held { SnippetError::Held(what) } else { SnippetError::NoAnswer { what, patience } })
            }
        }
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

    fn value(&mut self, expr: &patternc_program::Expr) -> Result<Value, SnippetError> {
        let (frame, caller) = (&mut self.run.frame, self.caller.as_ref());
        Ok(self.runtime.read(|engine| engine.evaluate(expr, frame, caller))??)
    }

    fn set(&mut self, slot: Slot, value: Value) {
        self.run.frame[slot.index()] = value;
    }

    fn block(&mut self, stmts: &[TestStmt]) -> Result<Flow, SnippetError> {
        for stmt in stmts {
            if self.statement(stmt)? == Flow::Ends {
                return Ok(Flow::Ends);
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, stmt: &TestStmt) -> Result<Flow, SnippetError> {
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
                    let frame = &mut self.run.frame;
                    if self.runtime.read(|engine| engine.matches(pattern, &subject, frame))?? {
                        return self.block(body);
                    }
                }
            }
            TestStmt::Expect { cond, at } => {
                if self.value(cond)? != Value::Bool(true) {
                    return Err(SnippetError::NotHeld(*at));
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
                return Err(Failure::new(crate::failure::FailureKind::Rejected, message).into());
            }
            TestStmt::Concurrently { .. } => return Err(SnippetError::OnlyInTests("concurrently")),
            TestStmt::Hold { .. } => return Err(SnippetError::OnlyInTests("hold")),
            TestStmt::Crash => return Err(SnippetError::OnlyInTests("crash")),
            TestStmt::Advance(_) => return Err(SnippetError::OnlyInTests("advance")),
            TestStmt::Order { .. } => return Err(SnippetError::OnlyInTests("order")),
            TestStmt::Given { .. } => return Err(SnippetError::OnlyInTests("given")),
            TestStmt::Reconcile { .. } => return Err(SnippetError::OnlyInTests("reconcile")),
        }
        Ok(Flow::On)
    }

    fn event(&mut self, event: &TestEvent) -> Result<Outcome, SnippetError> {
        let (frame, caller) = (&mut self.run.frame, self.caller.as_ref());
        let action = self.runtime.read(|engine| engine.action(event, frame, caller))??;
        let taken = self.runtime.submit(self.session, None, self.caller.clone(), action.clone());
        self.run.events.push((taken.id().clone(), action.clone(), None));
        let (_, outcome) = self.runtime.answer(taken, &action, self.patience)?;
        if let Some((_, _, known)) = self.run.events.last_mut() {
            *known = Some(outcome.clone());
        }
        Ok(outcome)
    }
}
