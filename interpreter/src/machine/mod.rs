//! Executes lowered bodies over slots, inside a transaction.
//!
//! [`Execution`] is the entry: it runs an event, an arm or an expression against the state of the stores and gives back what would be
//! committed. It asks nothing of the world but what its [`Env`] has, so that equal attempts give equal results.

mod create;
mod defaults;
mod entry;
mod expression;
mod fits;
mod invariant;
mod lambda;
mod method;
mod mirror;
mod operator;
mod saga;
mod send;
mod statement;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod weight;

use std::sync::Arc;

use patternc_program::{Body, BodyId, Code, Expr, Pattern, RecordId, Slot, SpaceExpr, TestEvent};

pub use self::defaults::Defaults;
pub use self::fits::{Here, fits, record_space, space_exists, type_name};
pub(crate) use self::mirror::{fact_call, ledger_record};
use crate::attempt::{Attempt, Env, Task};
use crate::event::Action;
use crate::failure::{Failure, FailureKind};
use crate::interrupt::Interrupt;
use crate::store::{CommitRequest, ReadKey, StoreError};
use crate::transaction::{Nursery, Run, Stop, Transaction, fail};
use crate::value::{RecordRef, SpaceRef, Value};

/// Below this much stack, a body runs on a new piece of it.
const RED_ZONE: usize = 512 << 10;
/// The size of a new piece.
const STACK_PIECE: usize = 4 << 20;
/// How many steps are taken between two looks at whether they are still wanted.
const PORTION: u64 = 1 << 10;

/// Runs attempts, one after another. It keeps nothing between them but room.
#[derive(Debug, Default)]
pub struct Execution {
    slots: Vec<Value>,
    /// Missing while an attempt runs.
    nursery: Option<Box<Nursery>>,
    interrupt: Option<Interrupt>,
    /// What several evaluations share; each has the limit to itself without.
    budget: Option<u64>,
}

/// What an evaluation gave, and what it read if that was asked for.
#[derive(Debug)]
pub struct Evaluation {
    pub value: Result<Value, Failure>,
    pub reads: Vec<ReadKey>,
}

impl Execution {
    /// One with no room yet.
    pub fn new() -> Self {
        Execution::default()
    }

    /// From now on, what runs ends when this is raised.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt = Some(interrupt);
    }

    /// The steps that the evaluations from now on have together; gives what was left of those before.
    pub fn set_budget(&mut self, budget: Option<u64>) -> Option<u64> {
        std::mem::replace(&mut self.budget, budget)
    }

    /// Runs an event or an arm. Nothing is written: what comes back is to be committed.
    ///
    /// # Errors
    /// Only those of the stores. Failures of the program are an [`Attempt::Failed`].
    pub fn run(&mut self, env: &Env<'_>, task: Task<'_>) -> Result<Attempt, StoreError> {
        match task {
            Task::Event { action, outside } => self.run_event(env, action, outside),
            Task::Arm { record, arm, value } => self.run_arm(env, record, arm, value),
            Task::Step { record, progress } => self.run_step(env, record, progress),
        }
    }

    /// Gives the lists of a request that was committed or refused back to the next attempt.
    pub fn recycle(&mut self, mut request: CommitRequest) {
        request.reads.clear();
        request.writes.clear();
        request.outbox.clear();
        request.inbox.clear();
        request.unique_changes.clear();
        request.invariant_reads.clear();
        request.spaces.clear();
        self.nursery().reuse(request);
    }

    /// Evaluates an expression over the slots, in a transaction that only reads: a line of a test, a query from outside.
    ///
    /// # Errors
    /// Those of the stores; the inner one is the program's failure.
    pub fn evaluate(
        &mut self,
        env: &Env<'_>,
        here: Option<&SpaceRef>,
        frame: &mut Vec<Value>,
        expr: &Expr,
    ) -> Result<Result<Value, Failure>, StoreError> {
        self.reading(env, here, frame, |machine| {
            let value = machine.eval(expr)?;
            machine.weigh(&value)?;
            Ok(value)
        })
    }

    /// Whether the value has the pattern; fills its slots if so.
    ///
    /// # Errors
    /// As [`Execution::evaluate`].
    pub fn matches(
        &mut self,
        env: &Env<'_>,
        frame: &mut Vec<Value>,
        pattern: &Pattern,
        value: &Value,
    ) -> Result<Result<bool, Failure>, StoreError> {
        self.reading(env, None, frame, |machine| machine.matches(pattern, value))
    }

    /// What an event of a test does, with its target and arguments evaluated.
    ///
    /// # Errors
    /// As [`Execution::evaluate`].
    pub fn action(&mut self, env: &Env<'_>, frame: &mut Vec<Value>, event: &TestEvent) -> Result<Result<Action, Failure>, StoreError> {
        self.reading(env, None, frame, |machine| machine.test_action(event))
    }

    /// The text of the value, as in `"{…}"`.
    pub fn text(env: &Env<'_>, value: &Value, ty: &patternc_program::Type) -> String {
        let mut out = String::new();
        text::append(&mut out, env.program, value, ty);
        out
    }

    /// Evaluates a derived cell, an invariant or another body of one record that only reads, with the record in slot 0. Gives what it read.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn evaluate_body(&mut self, env: &Env<'_>, body: BodyId, record: &RecordRef) -> Result<Evaluation, StoreError> {
        let mut reads = Vec::new();
        let value = self.reading(env, None, &mut Vec::new(), |machine| {
            machine.tx.begin_trace();
            let value = machine.call(body, |slots| slots.push(Value::Ref(record.clone())));
            reads = machine.tx.end_trace();
            value
        })?;
        Ok(Evaluation { value, reads })
    }

    fn nursery(&mut self) -> &mut Nursery {
        self.nursery.get_or_insert_default()
    }

    fn take_nursery(&mut self) -> Box<Nursery> {
        self.nursery.take().unwrap_or_default()
    }

    fn reading<'a, T>(
        &mut self,
        env: &Env<'a>,
        here: Option<&SpaceRef>,
        frame: &mut Vec<Value>,
        run: impl FnOnce(&mut Machine<'a>) -> Run<T>,
    ) -> Result<Result<T, Failure>, StoreError> {
        let tx = Transaction::new(env, here.cloned(), &[], self.take_nursery());
        let mut machine = Machine::new(*env, tx, std::mem::take(frame));
        machine.stands_in = here.cloned();
        machine.interrupt = self.interrupt.clone();
        if let Some(budget) = self.budget {
            machine.set_steps(budget);
            machine.shared = true;
        }
        let result = run(&mut machine);
        if let Some(budget) = &mut self.budget {
            *budget = machine.steps + machine.reserve;
        }
        *frame = machine.slots;
        self.nursery = Some(machine.tx.abandon().1);
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(stop) => match *stop {
                Stop::Failure(failure) => Ok(Err(failure)),
                Stop::Store(error) => Err(error),
            },
        }
    }
}

/// A running transaction with its frames.
struct Machine<'a> {
    env: Env<'a>,
    tx: Transaction<'a>,
    /// The slots of all running bodies, the innermost last.
    slots: Vec<Value>,
    /// Where the slots of the innermost body begin.
    base: usize,
    /// The space of the outermost body where that has no record: of a query from outside.
    stands_in: Option<SpaceRef>,
    /// What is left of the budget before the next look at the interrupt, and after it.
    steps: u64,
    reserve: u64,
    /// Whether it shares the budget with others.
    shared: bool,
    /// Ends it when raised, if anyone may.
    interrupt: Option<Interrupt>,
    /// Ids made so far.
    ids: u128,
    /// How many direct calls are running: inside them nothing decides the answer of the event.
    calls: u32,
}

impl<'a> Machine<'a> {
    fn new(env: Env<'a>, tx: Transaction<'a>, slots: Vec<Value>) -> Self {
        let mut machine =
            Machine { env, tx, slots, base: 0, stands_in: None, steps: 0, reserve: 0, shared: false, interrupt: None, ids: 0, calls: 0 };
        machine.set_steps(env.limits.steps);
        machine
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps.min(PORTION);
        self.reserve = steps - self.steps;
    }

    /// Counts one step.
    #[inline]
    fn step(&mut self) -> Run<()> {
        self.take_steps(1)
    }

    /// Counts steps: one for each element that a method goes through.
    #[inline]
    fn take_steps(&mut self, steps: usize) -> Run<()> {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => self.next_portion(steps as u64),
        }
    }

    #[cold]
    fn next_portion(&mut self, steps: u64) -> Run<()> {
        if self.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(StoreError { message: "interrupted".to_owned(), transient: true }.into());
        }
        let left = self.steps + self.reserve;
        let Some(left) = left.checked_sub(steps) else {
            self.set_steps(0);
            let limit = self.env.limits.steps;
            let message = if self.shared {
                format!("this takes more than {limit} steps in all (setting `steps`): do less at once")
            } else {
                format!("the transaction takes more than {limit} steps (setting `steps`): do less at once, or in several events")
            };
            return fail(FailureKind::Budget, message);
        };
        self.set_steps(left);
        Ok(())
    }

    fn slot(&self, slot: Slot) -> &Value {
        &self.slots[self.base + slot.index()]
    }

    fn set_slot(&mut self, slot: Slot, value: Value) {
        self.slots[self.base + slot.index()] = value;
    }

    /// Runs a body in a frame of its own. `fill` pushes the values of its first slots.
    fn call(&mut self, body: BodyId, fill: impl FnOnce(&mut Vec<Value>)) -> Run<Value> {
        let base = self.slots.len();
        fill(&mut self.slots);
        self.enter(base, self.env.program.body(body))
    }

    /// Runs a body whose first slots are filled from `base` on.
    fn enter(&mut self, base: usize, body: &'a Body) -> Run<Value> {
        self.step()?;
        self.slots.resize(base + body.slots as usize, Value::None);
        let outer = std::mem::replace(&mut self.base, base);
        let result = stacker::maybe_grow(RED_ZONE, STACK_PIECE, || match &body.code {
            Code::Expr(expr) => self.eval(expr),
            Code::Block(stmts) => self.exec(stmts).map(|returned| returned.unwrap_or(Value::None)),
        });
        self.base = outer;
        self.slots.truncate(base);
        result
    }

    /// The space that a plain reference means: that of the record in slot 0, or where a query stands.
    fn here(&self) -> Run<&SpaceRef> {
        if let Some(space) = self.stands_in.as_ref().filter(|_| self.base == 0) {
            return Ok(space);
        }
        match self.slots.get(self.base) {
            Some(Value::Ref(record)) => Ok(record.space()),
            _ => fail(FailureKind::Rejected, "there is no space here: name one with `in`"),
        }
    }

    fn space(&mut self, space: &'a SpaceExpr) -> Run<SpaceRef> {
        match space {
            SpaceExpr::Here => self.here().cloned(),
            SpaceExpr::Plain(space) => Ok(SpaceRef { space: *space, key: None }),
            SpaceExpr::Family(space, key) => {
                let key = self.eval(key)?;
                Ok(SpaceRef { space: *space, key: Some(Arc::new(key)) })
            }
            SpaceExpr::Of(expr) => match self.eval(expr)? {
                Value::Space(space) => Ok(space),
                other => self.mistyped("a space", &other),
            },
        }
    }

    fn eval_ref(&mut self, expr: &'a Expr) -> Run<RecordRef> {
        match self.eval(expr)? {
            Value::Ref(record) => Ok(record),
            other => self.mistyped("a record", &other),
        }
    }

    /// A record of this type, whose cells are about to be used.
    fn eval_record(&mut self, expr: &'a Expr, of: RecordId) -> Run<RecordRef> {
        let record = self.eval_ref(expr)?;
        if record.record() == of { Ok(record) } else { self.other_type(&record, of) }
    }

    /// A program that `check` refuses was run by force, or data fit another version of it.
    #[cold]
    fn other_type<T>(&self, record: &RecordRef, of: RecordId) -> Run<T> {
        let (found, wanted) = (self.tx.describe(record), self.env.program.record(of).name);
        fail(FailureKind::Rejected, format!("a {wanted} is needed here, not {found}"))
    }

    fn eval_bool(&mut self, expr: &'a Expr) -> Run<bool> {
        match self.eval(expr)? {
            Value::Bool(b) => Ok(b),
            other => self.mistyped("a Bool", &other),
        }
    }

    fn eval_text(&mut self, expr: &'a Expr) -> Run<Arc<str>> {
        match self.eval(expr)? {
            Value::Text(text) => Ok(text),
            other => self.mistyped("a Text", &other),
        }
    }

    /// A program that `check` refuses was run by force.
    #[cold]
    fn mistyped<T>(&self, wanted: &str, found: &Value) -> Run<T> {
        let found = text::quoted(self.env.program, found, &patternc_program::Type::Unknown);
        fail(FailureKind::Rejected, format!("{wanted} is needed here, not {found}"))
    }

    /// An id that no other attempt makes.
    fn next_id(&mut self) -> String {
        let id = self.env.ids.wrapping_add(self.ids);
        self.ids += 1;
        id_text(id)
    }
}

/// The text of an id: 26 characters in the order of the numbers (Crockford's base 32).
pub fn id_text(id: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..26).rev().map(|digit| DIGITS[(id >> (digit * 5)) as usize & 31] as char).collect()
}
