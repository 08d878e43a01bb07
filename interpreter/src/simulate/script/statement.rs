//! What one statement does.

use std::sync::Arc;

use patternc_program::{Answer, Expr, Source, TestEvent, TestStmt, Type};

use super::{Moved, Run, Script, failure};
use crate::engine::Session;
use crate::event::Outcome;
use crate::expectation;
use crate::failure::Failure;
use crate::given::{Given, GivenAnswer};
use crate::json;
use crate::simulate::order::Item;
use crate::simulate::report::TestFailure;
use crate::simulate::session::{Awaited, End, Thread, Waits, is_known};
use crate::simulate::stage::Stage;
use crate::value::Value;

impl<'p, W: Stage> Script<'p, W> {
    pub(super) fn statement(&mut self, thread: &mut Thread<'p>, stmt: &'p TestStmt) -> Run<Moved<'p>> {
        if let TestStmt::Event { at, .. } | TestStmt::ExpectFail { at, .. } | TestStmt::Concurrently { at, .. } | TestStmt::Hold { at, .. } =
            stmt
            && !thread.races
            && !self.world.is_held()
        {
            thread.number = 0;
            self.world.begin_statement(*at);
        }
        match stmt {
            TestStmt::Let { slot, value } => {
                let value = self.value(thread, value, None)?;
                thread.set(*slot, value);
            }
            TestStmt::LetElse { slot, value, otherwise } => match self.value(thread, value, None)? {
                Value::None => thread.enter(std::slice::from_ref(otherwise), End::Stop),
                value => thread.set(*slot, value),
            },
            TestStmt::Event { result, event, at } => {
                self.send(thread, event, *at, Awaited::Result(*result))?;
                return Ok(Moved::Waits);
            }
            TestStmt::ExpectFail { call, with, kind, at } => {
                self.send(thread, call, *at, Awaited::Failure { with: with.as_ref(), kind: kind.as_deref() })?;
                return Ok(Moved::Waits);
            }
            TestStmt::If { cond, then, otherwise } => {
                let holds = self.value(thread, cond, None)? == Value::Bool(true);
                thread.enter(if holds { then } else { otherwise }, End::Nothing);
            }
            TestStmt::IfLet { slot, value, then, otherwise } => match self.value(thread, value, None)? {
                Value::None => thread.enter(otherwise, End::Nothing),
                value => {
                    thread.set(*slot, value);
                    thread.enter(then, End::Nothing);
                }
            },
            TestStmt::For { key, item, iter, body } => {
                let items: Vec<(Value, Value)> = match self.value(thread, iter, None)? {
                    Value::List(items) => items.iter().map(|item| (Value::None, item.clone())).collect(),
                    Value::Set(items) => items.iter().map(|item| (Value::None, item.clone())).collect(),
                    Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
                    _ => Vec::new(),
                };
                self.end_block(thread, End::Loop { key: *key, item: *item, rest: items.into_iter(), body })?;
            }
            TestStmt::Match { subject, arms } => {
                let subject = self.value(thread, subject, None)?;
                for (pattern, body) in arms {
                    let matched = self.world.engine_mut().matches(pattern, &subject, &mut thread.frame);
                    if matched.map_err(|why| self.no_value(None, &why))? {
                        thread.enter(body, End::Nothing);
                        break;
                    }
                }
            }
            TestStmt::Expect { cond, at } => self.expect(thread, cond, *at)?,
            TestStmt::Concurrently { times, body, at } => {
                return Ok(Moved::Joins(self.concurrently(thread, times.as_ref(), body)?, *at));
            }
            TestStmt::Hold { body, .. } => {
                self.world.hold();
                thread.enter(body, End::Release);
            }
            TestStmt::Crash => {
                self.world.crash();
                return Ok(Moved::Rests);
            }
            TestStmt::Advance(by) => {
                if let Value::Duration(milliseconds) = self.value(thread, by, None)? {
                    thread.until = Some(self.world.now().saturating_add(milliseconds));
                }
            }
            TestStmt::Order { order, at } => {
                if let Value::Text(order) = self.value(thread, order, Some(*at))? {
                    match Item::parse_all(&order) {
                        Ok(items) => self.world.follow(items),
                        Err(word) => {
                            return failure(
                                *at,
                                format!(
                                    "`{word}` is nothing that an order can name: write as in `order \"1 2.reads 2 1.1 1.1.then crash\"`"
                                ),
                            );
                        }
                    }
                }
            }
            TestStmt::Given { of, operation, params, answer } => {
                let answer = match answer {
                    Answer::Value(value) => {
                        GivenAnswer::Value { params: params.as_slice().into(), value: Arc::new(value.clone()), frame: thread.frame.clone() }
                    }
                    Answer::Fails { message, times } => {
                        let message = match self.value(thread, message, None)? {
                            Value::Text(message) => message.to_string(),
                            other => self.show(&other, &Type::Unknown),
                        };
                        let left = match times {
                            Some(times) => Some(self.count(thread, times)?),
                            None => None,
                        };
                        GivenAnswer::Fails { message, left }
                    }
                };
                self.outside.givens.push(Given { of: *of, operation: *operation, answer });
            }
            TestStmt::As { caller, body } => {
                let Value::Text(name) = self.value(thread, caller, None)? else { return Ok(Moved::On) };
                let before = thread.caller.replace(name);
                thread.enter(body, End::Caller(before));
            }
            TestStmt::Reconcile { mirror, scope, at } => {
                let scopes = match scope {
                    Some(scope) => vec![self.value(thread, scope, Some(*at))?],
                    None => match self.world.engine().scopes(*mirror) {
                        Ok(scopes) => scopes,
                        Err(why) => return failure(*at, format!("the store cannot be read: {why}")),
                    },
                };
                return Ok(Moved::Reconciles(*mirror, scopes, *at));
            }
            TestStmt::Fail { message, at } => {
                let message = match self.value(thread, message, Some(*at))? {
                    Value::Text(message) => message.to_string(),
                    other => self.show(&other, &Type::Unknown),
                };
                return failure(*at, message);
            }
        }
        Ok(Moved::On)
    }

    fn concurrently(&mut self, thread: &mut Thread<'p>, times: Option<&'p Expr>, body: &'p [TestStmt]) -> Run<Vec<Thread<'p>>> {
        let sessions: Vec<&'p [TestStmt]> = match times {
            Some(times) => (0..self.count(thread, times)?).map(|_| body).collect(),
            None => body.iter().map(std::slice::from_ref).collect(),
        };
        let mut threads = Vec::new();
        for stmts in sessions {
            let session = Session(self.next_session);
            self.next_session += 1;
            thread.number += 1;
            threads.push(Thread::racing(session, thread.number, thread.caller.clone(), thread.frame.clone(), stmts));
        }
        Ok(threads)
    }

    fn send(&mut self, thread: &mut Thread<'p>, event: &'p TestEvent, at: Source, then: Awaited<'p>) -> Run<()> {
        let action = self.world.engine_mut().action(event, &mut thread.frame, thread.caller.as_ref());
        let action = action.map_err(|why| self.no_value(Some(at), &why))?;
        let what = self.world.engine().describe(&action);
        let request = self.world.send(thread.next_event(), thread.caller.clone(), action);
        thread.waits = Some(Waits { request, what, at, then });
        Ok(())
    }

    /// The outcome of the event that a session waits for is here.
    pub fn resume(&mut self, thread: &mut Thread<'p>, waits: &Waits<'p>, outcome: Outcome) -> Run<()> {
        let what = &waits.what;
        match (&waits.then, outcome) {
            (Awaited::Result(slot), Outcome::Committed(value)) => {
                if let Some(slot) = slot {
                    thread.set(*slot, value);
                }
                Ok(())
            }
            // Who loses a race is told so; what has to hold whoever wins is expected after the block.
            (Awaited::Result(_), Outcome::Failed(why)) if thread.races && why.kind.is_decided_by_the_program() => {
                self.stop(thread);
                Ok(())
            }
            (Awaited::Result(_), Outcome::Failed(why)) => failure(waits.at, format!("{what} failed: {why}")),
            (Awaited::Failure { .. }, Outcome::Committed(_)) => failure(waits.at, format!("{what} was expected to fail, and committed")),
            (Awaited::Failure { with, kind }, Outcome::Failed(why)) => {
                if let Some(kind) = kind
                    && why.kind.name() != *kind
                {
                    return failure(waits.at, format!("{what} was expected to fail with kind {kind}, and failed: {why}"));
                }
                if let Some(with) = with
                    && let Value::Text(text) = self.value(thread, with, Some(waits.at))?
                    && !why.message.contains(&*text)
                {
                    return failure(waits.at, format!("{what} was expected to fail with \"{text}\", and failed: {why}"));
                }
                self.expectations += 1;
                Ok(())
            }
        }
    }

    pub(super) fn value(&mut self, thread: &mut Thread<'p>, expr: &Expr, at: Option<Source>) -> Run<Value> {
        if !is_known(expr) {
            // As of every reader: what was seen does not get lost.
            self.world.flush();
        }
        let value = self.world.engine_mut().evaluate(expr, &mut thread.frame, thread.caller.as_ref());
        value.map_err(|why| self.no_value(at.or_else(|| place(expr)), &why))
    }

    fn no_value(&self, at: Option<Source>, why: &Failure) -> TestFailure {
        let at = at.unwrap_or(Source { file: patternc_program::FileId(0), start: 0, end: 0 });
        TestFailure { at, message: format!("this has no value: {why}"), notes: Vec::new() }
    }

    fn count(&mut self, thread: &mut Thread<'p>, times: &Expr) -> Run<u64> {
        match self.value(thread, times, None)? {
            Value::Int(times) => Ok(u64::try_from(times).unwrap_or(0)),
            _ => Ok(0),
        }
    }

    pub(super) fn expect(&mut self, thread: &mut Thread<'p>, cond: &Expr, at: Source) -> Run<()> {
        if self.value(thread, cond, Some(at))? == Value::Bool(true) {
            self.expectations += 1;
            return Ok(());
        }
        let program = self.program.clone();
        let notes = expectation::explain(&program, cond, &mut |expr| self.value(thread, expr, None).ok());
        Err(TestFailure { at, message: crate::simulate::DOES_NOT_HOLD.to_owned(), notes })
    }

    pub(super) fn show(&self, value: &Value, ty: &Type) -> String {
        json::to_text(&self.program, value, ty)
    }
}

/// Where an expression stands, if it knows.
fn place(expr: &Expr) -> Option<Source> {
    match expr {
        Expr::Cell { at, .. }
        | Expr::Derived { at, .. }
        | Expr::ListIndex { at, .. }
        | Expr::Method { at, .. }
        | Expr::Apply { at, .. }
        | Expr::Binary { at, .. }
        | Expr::Neg(_, at) => Some(*at),
        Expr::And(left, right) | Expr::Or(left, right) | Expr::Coalesce(left, right) => place(left).or_else(|| place(right)),
        Expr::Not(inner) | Expr::Exists(inner) => place(inner),
        Expr::MapIndex { base, .. } | Expr::Field { base, .. } => place(base),
        _ => None,
    }
}
