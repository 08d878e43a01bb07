//! Reading outside of any event: queries, tests, the prompt. A read sees the newest state; it may be told once that is durable.

use std::sync::Arc;

use patternc_program::{BodyId, Expr, Pattern, TestEvent};

use super::{Engine, Point};
use crate::attempt::Env;
use crate::event::Action;
use crate::failure::{Failure, FailureKind};
use crate::machine::Execution;
use crate::store::{Durability, StoreError};
use crate::value::{RecordRef, Value};

impl Engine {
    /// The value of an expression over a frame of locals, in a transaction that only reads.
    pub fn evaluate(&mut self, expr: &Expr, frame: &mut Vec<Value>, caller: Option<&Arc<str>>) -> Result<Value, Failure> {
        self.reading(caller, |execution, env| execution.evaluate(env, frame, expr))
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
        read(&mut self.execution, &env)
            .unwrap_or_else(|error| Err(Failure::new(FailureKind::Unavailable, format!("the store cannot be read: {error}"))))
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
