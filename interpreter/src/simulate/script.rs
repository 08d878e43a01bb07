//! Runs the statements of a test in a world.

use std::sync::Arc;

use patternc_program::{Answer, Expr, Program, Source, Test, TestEvent, TestStmt, Type};

use super::answers::Answers;
use super::order::Item;
use super::report::{TestFailure, TestReport};
use super::session::{Awaited, End, Thread, Waits, is_known};
use super::stage::Stage;
use super::world::World;
use crate::engine::Session;
use crate::event::Outcome;
use crate::expectation;
use crate::failure::Failure;
use crate::given::{Given, GivenAnswer};
use crate::json;
use crate::value::Value;

/// A test on its way.
pub(crate) struct Script<'p, W> {
    program: Arc<Program>,
    pub world: W,
    pub outside: Answers,
    next_session: u64,
    expectations: u64,
    /// Events whose answers come after their statement: held, or decided by something delayed.
    late: Vec<Waits<'p>>,
}

type Run<T> = Result<T, TestFailure>;

/// What a session did.
pub(crate) enum Moved<'p> {
    On,
    /// It waits for the outcome of an event.
    Waits,
    /// It goes on when nothing more can happen.
    Rests,
    /// It goes on when these have ended.
    Joins(Vec<Thread<'p>>, Source),
    /// It goes on when these scopes of a mirror are reconciled.
    Reconciles(u32, Vec<Value>, Source),
    Done,
}

fn failure<T>(at: Source, message: impl Into<String>) -> Run<T> {
    Err(TestFailure { at, message: message.into(), notes: Vec::new() })
}

impl<'p> Script<'p, World> {
    /// Runs the test to its end, or to the first thing that is not as expected.
    pub fn run(mut self, test: &'p Test, seed: u64) -> TestReport {
        let frame = vec![Value::None; test.slots as usize];
        let mut thread = Thread::new(Session(0), None, frame, &test.body);
        let failure = self.run_alone(&mut thread, test.at).err();
        let engine = self.world.engine();
        let parked = engine.status().flights.into_iter().filter(|flight| flight.outcome.is_some());
        let parked = parked.map(|flight| format!("{}: {}", engine.describe(&flight.event.action), flight.trouble.unwrap_or_default()));
        TestReport {
            name: test.name.clone(),
            seed,
            failure,
            expectations: self.expectations,
            parked: parked.collect(),
            counters: self.world.counters(),
            crashes: self.world.crashes(),
            history: self.world.take_history(),
        }
    }

    /// Runs the session of the test itself: what an event has sent is delivered before the next statement.
    fn run_alone(&mut self, thread: &mut Thread<'p>, at: Source) -> Run<()> {
        loop {
            match self.step(thread)? {
                Moved::On => {}
                Moved::Done => break,
                Moved::Rests => self.rest(at)?,
                Moved::Joins(threads, at) => self.run_together(threads, at)?,
                Moved::Reconciles(mirror, scopes, at) => self.reconcile_all(mirror, &scopes, at)?,
                Moved::Waits => {
                    let waits = thread.waits.take().expect("a session that waits says for what");
                    let at = waits.at;
                    self.world.run_until_idle(&mut self.outside);
                    self.check_trouble(at)?;
                    self.check_order(at)?;
                    match self.world.take_outcome(waits.request) {
                        Some(outcome) => self.resume(thread, &waits, outcome)?,
                        None => self.answer_later(waits)?,
                    }
                    self.check_late()?;
                    self.check_eventually(at)?;
                }
            }
        }
        self.world.run_until_idle(&mut self.outside);
        self.check_trouble(at)?;
        self.check_late()?;
        if let Some(waits) = self.late.first() {
            return failure(waits.at, format!("{} was never answered", waits.what));
        }
        self.check_eventually(at)
    }

    /// Runs sessions side by side: chance decides whose turn it is, and what is delivered in between.
    fn run_together(&mut self, mut threads: Vec<Thread<'p>>, at: Source) -> Run<()> {
        loop {
            for thread in &mut threads {
                if let Some(waits) = thread.waits.take_if(|waits| self.world.has_outcome(waits.request)) {
                    let outcome = self.world.take_outcome(waits.request).expect("it has one");
                    self.resume(thread, &waits, outcome)?;
                }
            }
            let able: Vec<usize> = (0..threads.len()).filter(|&i| threads[i].waits.is_none() && !threads[i].is_done()).collect();
            let chosen = match self.world.order_left() {
                None => able.get(self.world.random().below(able.len() + 1)).copied(),
                Some(Item::Next(number)) => {
                    let number = *number;
                    able.iter().copied().find(|&index| threads[index].is_unseen() || threads[index].number == number)
                }
                Some(_) => able.iter().copied().find(|&index| threads[index].is_unseen()),
            };
            if let Some(index) = chosen {
                if !threads[index].is_unseen() {
                    self.world.happened_in_order();
                }
                match self.step(&mut threads[index])? {
                    Moved::Rests => self.rest(at)?,
                    Moved::Joins(threads, at) => self.run_together(threads, at)?,
                    Moved::Reconciles(mirror, scopes, at) => self.reconcile_all(mirror, &scopes, at)?,
                    Moved::On | Moved::Waits | Moved::Done => {}
                }
                continue;
            }
            let happened = self.world.happen(&mut self.outside);
            self.check_trouble(at)?;
            if !happened && self.world.order_left().is_some() {
                self.check_order(at)?;
            }
            if !happened && able.is_empty() {
                let Some(thread) =
                    threads.iter_mut().find(|thread| thread.waits.as_ref().is_some_and(|w| !self.world.has_outcome(w.request)))
                else {
                    if threads.iter().all(Thread::is_done) {
                        break;
                    }
                    continue;
                };
                let waits = thread.waits.take().expect("it was just found waiting");
                self.answer_later(waits)?;
            }
        }
        self.rest(at)
    }

    /// What an order names must happen.
    fn check_order(&mut self, at: Source) -> Run<()> {
        match self.world.order_left() {
            Some(item) if !self.world.is_held() => {
                failure(at, format!("the order cannot be followed: `{item}` is nothing that can happen now"))
            }
            _ => Ok(()),
        }
    }

    fn reconcile_all(&mut self, mirror: u32, scopes: &[Value], at: Source) -> Run<()> {
        scopes.iter().try_for_each(|scope| self.reconcile(mirror, scope, at))
    }

    /// Reconciles a scope; once more if the process dies meanwhile.
    fn reconcile(&mut self, mirror: u32, scope: &Value, at: Source) -> Run<()> {
        loop {
            let crashes = self.world.crashes();
            let reconciled = match self.world.engine_mut().reconcile(mirror, scope.clone()) {
                Ok(id) => {
                    self.world.run_until_idle(&mut self.outside);
                    self.check_trouble(at)?;
                    self.check_late()?;
                    self.world.engine_mut().take_reconciled(id)
                }
                Err(failure) => Some(Err(failure)),
            };
            let declared = &self.program.mirrors[mirror as usize];
            let what = format!("{}({})", declared.name, self.show(scope, &declared.scope_ty));
            match reconciled {
                Some(Ok(_)) => return Ok(()),
                Some(Err(why)) => return failure(at, format!("{what} cannot be reconciled: {why}")),
                None if self.world.crashes() > crashes => {}
                None => return failure(at, format!("{what} cannot be reconciled: what is on its way for it does not arrive")),
            }
        }
    }

    /// Lets things happen until nothing more can.
    fn rest(&mut self, at: Source) -> Run<()> {
        self.world.run_until_idle(&mut self.outside);
        self.check_trouble(at)?;
        self.check_order(at)?;
        self.check_late()
    }

    fn check_trouble(&mut self, at: Source) -> Run<()> {
        match self.world.take_trouble() {
            Some(trouble) => failure(at, trouble),
            None => Ok(()),
        }
    }
}

impl<'p, W: Stage> Script<'p, W> {
    pub fn new(program: Arc<Program>, world: W) -> Self {
        Script { program, world, outside: Answers::default(), next_session: 1, expectations: 0, late: Vec::new() }
    }

    /// The same test as far in another world.
    pub fn in_world(&self, world: W) -> Self {
        Script {
            program: self.program.clone(),
            world,
            outside: self.outside.clone(),
            next_session: self.next_session,
            expectations: self.expectations,
            late: self.late.clone(),
        }
    }

    /// The same test as far as another script of it, in its own world.
    pub fn stand_as(&mut self, other: &Self) {
        self.outside.clone_from(&other.outside);
        self.next_session = other.next_session;
        self.expectations = other.expectations;
        self.late.clone_from(&other.late);
    }

    /// The events whose answers come after their statement.
    pub fn late(&self) -> &[Waits<'p>] {
        &self.late
    }

    /// Nothing more can happen, and the event has no answer yet.
    pub fn answer_later(&mut self, waits: Waits<'p>) -> Run<()> {
        match waits.then {
            Awaited::Result(None) => {
                // It has been received: whoever goes on relies on that.
                self.world.flush();
                self.late.push(waits);
                Ok(())
            }
            Awaited::Result(Some(_)) | Awaited::Failure { .. } => {
                let why = if self.world.is_held() {
                    "what it waits for is held; use its outcome after the `hold`"
                } else {
                    "what it waits for is delayed or parked; use its outcome after an `advance`"
                };
                failure(waits.at, format!("{} has no answer yet: {why}", waits.what))
            }
        }
    }

    pub fn check_late(&mut self) -> Run<()> {
        let mut index = 0;
        while index < self.late.len() {
            match self.world.take_outcome(self.late[index].request) {
                None => index += 1,
                Some(Outcome::Committed(_)) => {
                    self.late.remove(index);
                }
                Some(Outcome::Failed(why)) => {
                    let waits = self.late.remove(index);
                    return failure(waits.at, format!("{} failed: {why}", waits.what));
                }
            }
        }
        Ok(())
    }

    /// Does one statement, or what comes at the end of a block.
    pub fn step(&mut self, thread: &mut Thread<'p>) -> Run<Moved<'p>> {
        if let Some(target) = thread.until.take() {
            self.pass_time(thread, target);
            return Ok(Moved::Rests);
        }
        if let Some(end) = thread.ended.take() {
            let moved = self.end_block(thread, end)?;
            return Ok(if thread.is_done() && matches!(moved, Moved::On) { Moved::Done } else { moved });
        }
        match thread.next() {
            Some(stmt) => self.statement(thread, stmt),
            None if thread.is_done() => Ok(Moved::Done),
            None => Ok(Moved::On),
        }
    }

    fn stop(&mut self, thread: &mut Thread<'p>) {
        for _ in 0..thread.stop() {
            self.world.release();
        }
    }

    /// Moves the clock on to the next thing that becomes due, at most to `target`.
    fn pass_time(&mut self, thread: &mut Thread<'p>, target: i64) {
        let next = self.world.engine().next_delayed().filter(|&due| due <= target && !self.world.is_held());
        let now = self.world.now().max(next.unwrap_or(target));
        self.world.set_now(now);
        self.world.engine_mut().wake();
        thread.until = next.map(|_| target);
    }

    fn end_block(&mut self, thread: &mut Thread<'p>, end: End<'p>) -> Run<Moved<'p>> {
        match end {
            End::Nothing => {}
            End::Stop => self.stop(thread),
            End::Caller(caller) => thread.caller = caller,
            End::Release => {
                self.world.release();
                return Ok(Moved::Rests);
            }
            End::Loop { key, item, mut rest, body } => {
                if let Some((k, v)) = rest.next() {
                    if let Some(key) = key {
                        thread.set(key, k);
                    }
                    thread.set(item, v);
                    thread.enter(body, End::Loop { key, item, rest, body });
                }
            }
        }
        Ok(Moved::On)
    }

    fn statement(&mut self, thread: &mut Thread<'p>, stmt: &'p TestStmt) -> Run<Moved<'p>> {
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

    fn value(&mut self, thread: &mut Thread<'p>, expr: &Expr, at: Option<Source>) -> Run<Value> {
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

    fn expect(&mut self, thread: &mut Thread<'p>, cond: &Expr, at: Source) -> Run<()> {
        if self.value(thread, cond, Some(at))? == Value::Bool(true) {
            self.expectations += 1;
            return Ok(());
        }
        let program = self.program.clone();
        let notes = expectation::explain(&program, cond, &mut |expr| self.value(thread, expr, None).ok());
        Err(TestFailure { at, message: "this does not hold".to_owned(), notes })
    }

    fn show(&self, value: &Value, ty: &Type) -> String {
        json::to_text(&self.program, value, ty)
    }

    /// Invariants that need to hold only when nothing is on its way.
    pub fn check_eventually(&mut self, at: Source) -> Run<()> {
        let program = self.program.clone();
        if program.invariants.iter().all(|invariant| !invariant.eventually) || !self.world.engine().status().flights.is_empty() {
            return Ok(());
        }
        for invariant in program.invariants.iter().filter(|invariant| invariant.eventually) {
            for record in self.world.records(invariant.record).map_err(|why| TestFailure {
                at,
                message: format!("the store cannot be read: {why}"),
                notes: Vec::new(),
            })? {
                let held = self.world.engine_mut().evaluate_body(invariant.body, &record);
                let broken = match held {
                    Ok(Value::Bool(true)) => continue,
                    Ok(_) => String::new(),
                    Err(why) => format!(" ({why})"),
                };
                let record = json::reference_text(&program, &record);
                let message = format!("nothing is on its way, and the invariant {} does not hold for {record}{broken}", invariant.name);
                return failure(at, message);
            }
        }
        Ok(())
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
