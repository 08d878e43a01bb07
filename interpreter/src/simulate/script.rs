//! Runs the statements of a test in a world.

mod schedule;
mod statement;

use std::sync::Arc;

use patternc_program::{Program, Source};

use super::answers::Answers;
use super::report::TestFailure;
use super::session::{Awaited, End, Thread, Waits};
use super::stage::Stage;
use crate::event::Outcome;
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
