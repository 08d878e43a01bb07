//! Reading outside of any event: queries, tests, the prompt. A read sees the newest state; it may be told once that is durable.

use std::sync::Arc;

use patternc_program::{BodyId, Expr, FileId, Pattern, Slot, Source, TestEvent};

use super::{Engine, Point};
use crate::attempt::Env;
use crate::event::Action;
use crate::failure::{Failure, FailureKind};
use crate::interrupt::Interrupt;
use crate::json::CellName;
use crate::machine::Execution;
use crate::store::{Durability, StoreError};
use crate::value::{RecordRef, SpaceRef, Value};

impl Engine {
    /// The value of an expression over a frame of locals, in a transaction that only reads.
    pub fn evaluate(&mut self, expr: &Expr, frame: &mut Vec<Value>, caller: Option<&Arc<str>>) -> Result<Value, Failure> {
        self.evaluate_in(None, expr, frame, caller)
    }

    /// The same with a space to stand in: where lists and look-ups that name no space look.
    pub fn evaluate_in(
        &mut self,
        here: Option<&SpaceRef>,
        expr: &Expr,
        frame: &mut Vec<Value>,
        caller: Option<&Arc<str>>,
    ) -> Result<Value, Failure> {
        self.reading(caller, |execution, env| execution.evaluate(env, here, frame, expr))
    }

    /// The value of a cell of a record.
    pub fn read_cell(&mut self, record: &RecordRef, cell: CellName) -> Result<Value, Failure> {
        let of = record.record();
        let (base, optional, at) = (Box::new(Expr::Slot(Slot(0))), false, Source { file: FileId(0), start: 0, end: 0 });
        let expr = match cell {
            CellName::Stored(cell) => Expr::Cell { record: base, of, cell, optional, at },
            CellName::Derived(derived) => Expr::Derived { record: base, of, derived, optional, at },
        };
        self.evaluate(&expr, &mut vec![Value::Ref(record.clone())], None)
    }

    /// Whether a value matches a pattern; what the pattern binds is put into the frame.
    pub fn matches(&mut self, pattern: &Pattern, value: &Value, frame: &mut Vec<Value>) -> Result<bool, Failure> {
        self.reading(None, |execution, env| execution.matches(env, frame, pattern, value))
    }

    /// What an event of a test does, with its target and arguments evaluated.
    pub fn action(&mut self, event: &TestEvent, frame: &mut Vec<Value>, caller: Option<&Arc<str>>) -> Result<Action, Failure> {
        self.reading(caller, |execution, env| execution.action(env, frame, event))
    }

    /// The value of a derived cell, an invariant or another body that only reads, of this record.
    pub fn evaluate_body(&mut self, body: BodyId, record: &RecordRef) -> Result<Value, Failure> {
        self.reading(None, |execution, env| execution.evaluate_body(env, body, record).map(|evaluation| evaluation.value))
    }

    fn reading<T>(
        &mut self,
        caller: Option<&Arc<str>>,
        read: impl FnOnce(&mut Execution, &Env<'_>) -> Result<Result<T, Failure>, StoreError>,
    ) -> Result<T, Failure> {
        let (now, ids) = (self.host.now(), self.fresh_ids());
        let env = Env { program: &self.program, stores: &self.stores, limits: &self.limits, answers: None, now, ids, caller };
        let read = read(&mut self.execution, &env);
        read.unwrap_or_else(|error| {
            let interrupted = error.transient && self.interrupt.as_ref().is_some_and(Interrupt::is_raised);
            let message = if interrupted { "interrupted".to_owned() } else { format!("the store cannot be read: {error}") };
            Err(Failure::new(FailureKind::Unavailable, message))
        })
    }

    /// From now on, reading and events from outside end when this is raised; what is delivered runs again later.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.execution.set_interrupt(interrupt.clone());
        self.interrupt = Some(interrupt);
    }

    /// Reads several times with one budget of steps, which is what is left of it afterwards.
    pub fn with_budget<T>(&mut self, budget: &mut u64, read: impl FnOnce(&mut Engine) -> T) -> T {
        self.execution.set_budget(Some(*budget));
        let read = read(self);
        *budget = self.execution.set_budget(None).unwrap_or(0);
        read
    }

    /// Wraps what was read, so that it is told only once everything it can come from is durable.
    pub fn read<T>(&self, read: T) -> Reading<T> {
        let points = (0..self.stores.len()).map(|store| Point { store, version: self.stores.get(store).version() });
        Reading { read, points: points.collect() }
    }
}

/// Something read that may be told only once it is durable.
#[derive(Debug)]
#[must_use]
pub struct Reading<T> {
    read: T,
    points: Vec<Point>,
}

impl<T> Reading<T> {
    /// Waits until it is durable. `durability`: of each store of the engine, in their order.
    pub fn wait(self, durability: &[Arc<dyn Durability>]) -> Result<T, StoreError> {
        for point in self.points {
            durability[point.store].wait_durable(point.version)?;
        }
        Ok(self.read)
    }
}
