//! What a transaction changes in the facts of mirrors, made part of its commit.
//!
//! A mirror keeps a ledger: a record for each fact, beside the records that give it, with how many do. When a transaction ends, the facts of
//! each record it has written are compared with those that the record gave before, and the differences are counted in the ledger. Where a
//! count leaves 0 or comes back to it, the call that tells the other side is an outgoing event of the ledger's record. So everything that
//! holds for records and events holds for mirrors: differences are stored with the transaction, two transactions that change one fact
//! conflict, and what is sent for one fact arrives in order, once in effect, or is parked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexSet;
use patternc_program::{BodyId, Change, Code, Mirror, Program, SendEvent, Stmt};

use super::{Execution, Machine};
use crate::attempt::Env;
use crate::event::{Action, Event, EventId, Outgoing, OutgoingState};
use crate::failure::{Failure, FailureKind};
use crate::json;
use crate::store::{StoreError, Write};
use crate::transaction::{Run, Stop, Transaction, fail};
use crate::value::{RecordRef, SpaceRef, Value};

/// Facts, each with its scope.
type Facts = BTreeSet<(Value, Value)>;

impl Execution {
    /// The facts that a record gives a mirror, each with its scope.
    ///
    /// # Errors
    /// Those of the stores; the inner one is the program's failure.
    pub fn facts(&mut self, env: &Env<'_>, mirror: u32, record: &RecordRef) -> Result<Result<Facts, Failure>, StoreError> {
        self.reading(env, None, &mut Vec::new(), |machine| machine.facts(mirror, record))
    }

    /// The call of the other side that a clause of a mirror (`add`, `remove`, `actual`) makes for a fact or scope.
    ///
    /// # Errors
    /// As [`Execution::facts`].
    pub fn mirror_call(&mut self, env: &Env<'_>, clause: BodyId, value: &Value) -> Result<Result<Action, Failure>, StoreError> {
        self.reading(env, None, &mut Vec::new(), |machine| machine.mirror_call(clause, value))
    }
}

/// The record of a ledger that keeps this fact.
pub(crate) fn ledger_record(program: &Program, mirror: u32, space: &SpaceRef, scope: &Value, fact: &Value) -> Result<RecordRef, Failure> {
    let declared = &program.mirrors[mirror as usize];
    let text = |value: &Value, ty| json::stored_text(program, value, ty);
    match (text(scope, &declared.scope_ty), text(fact, &declared.fact)) {
        (Some(scope), Some(fact)) => Ok(RecordRef::new(declared.ledger, space.clone(), format!("{scope} {fact}"))),
        _ => {
            let message = format!("the mirror {} gives a fact or scope that is not of its type", declared.name);
            Err(Failure::new(FailureKind::Rejected, message))
        }
    }
}

/// A call of the other side for a fact, as the ledger's record sends it.
pub(crate) fn fact_call(id: EventId, caller: Option<Arc<str>>, from: RecordRef, action: Action) -> Outgoing {
    let event = Event { id, caller, action };
    Outgoing { event, from, at: 0, due: None, ok: None, err: None, answers: None, saga: None, state: OutgoingState::Pending }
}

impl<'a> Machine<'a> {
    /// Adds to the transaction what it changes in the facts of mirrors.
    pub(super) fn mirror_changes(&mut self) -> Run<()> {
        let program = self.env.program;
        if program.mirrors.is_empty() || self.tx.writes().is_empty() {
            return Ok(());
        }
        let written: IndexSet<RecordRef> = self
            .tx
            .writes()
            .iter()
            .map(Write::record)
            .filter(|record| !program.record(record.record()).mirrors.is_empty())
            .cloned()
            .collect();
        let mut changes: BTreeMap<(u32, SpaceRef, Value, Value), i64> = BTreeMap::new();
        for record in written {
            let after = self.tx.exists(&record)?;
            for &mirror in &program.record(record.record()).mirrors {
                let before = self.facts_before(mirror, &record)?;
                let after = if after { self.facts(mirror, &record)? } else { Facts::new() };
                let mut count = |facts: &Facts, others: &Facts, by: i64| {
                    for (scope, fact) in facts.difference(others) {
                        *changes.entry((mirror, record.space().clone(), scope.clone(), fact.clone())).or_default() += by;
                    }
                };
                count(&before, &after, -1);
                count(&after, &before, 1);
            }
        }
        // What is taken away is told before what is added: both may be one to the other side.
        let (gone, come): (Vec<_>, Vec<_>) = changes.into_iter().filter(|(_, by)| *by != 0).partition(|(_, by)| *by < 0);
        for ((mirror, space, scope, fact), by) in gone.into_iter().chain(come) {
            self.give(mirror, &space, scope, fact, by)?;
        }
        Ok(())
    }

    /// The facts that the record gave before this transaction.
    fn facts_before(&mut self, mirror: u32, record: &RecordRef) -> Run<Facts> {
        if self.tx.writes().iter().any(|write| matches!(write, Write::Create { record: created, .. } if created == record)) {
            return Ok(Facts::new());
        }
        let tx = Transaction::new(&self.env, Some(record.space().clone()), &[], Box::default());
        let mut machine = Machine::new(self.env, tx, Vec::new());
        machine.interrupt = self.interrupt.clone();
        machine.set_steps(self.steps + self.reserve);
        let facts = machine.tx.exists(record).and_then(|there| if there { machine.facts(mirror, record) } else { Ok(Facts::new()) });
        self.set_steps(machine.steps + machine.reserve);
        self.tx.depend(machine.tx.abandon().0);
        facts
    }

    /// The facts that the record gives.
    fn facts(&mut self, mirror: u32, record: &RecordRef) -> Run<Facts> {
        let declared = &self.env.program.mirrors[mirror as usize];
        let facts = self.of_record(declared, declared.facts, record)?;
        let facts: Vec<Value> = match facts {
            Value::List(facts) => facts.iter().cloned().collect(),
            Value::Set(facts) => facts.iter().cloned().collect(),
            other => return self.mistyped("a List of facts", &other),
        };
        if facts.is_empty() {
            return Ok(Facts::new());
        }
        let scope = self.of_record(declared, declared.scope, record)?;
        Ok(facts.into_iter().map(|fact| (scope.clone(), fact)).collect())
    }

    fn of_record(&mut self, mirror: &Mirror, clause: BodyId, record: &RecordRef) -> Run<Value> {
        self.call(clause, |slots| slots.push(Value::Ref(record.clone()))).map_err(|stop| match *stop {
            Stop::Failure(Failure { kind, message }) => {
                let what = if clause == mirror.scope { "scope" } else { "facts" };
                let message = format!("the {what} of {} for the mirror {}: {message}", self.tx.describe(record), mirror.name);
                Failure::new(kind, message).into()
            }
            stop => Box::new(stop),
        })
    }

    /// Counts that so many more (or fewer) records give a fact, and sends word of it when it came or went.
    fn give(&mut self, mirror: u32, space: &SpaceRef, scope: Value, fact: Value, by: i64) -> Run<()> {
        let declared = &self.env.program.mirrors[mirror as usize];
        let record = ledger_record(self.env.program, mirror, space, &scope, &fact)?;
        let known = self.tx.exists(&record)?;
        let before = match if known { self.tx.cell(&record, Mirror::GIVEN)? } else { Value::Int(0) } {
            Value::Int(before) => before,
            other => return self.mistyped("how many records give a fact", &other),
        };
        let after = before.saturating_add(by);
        if after < 0 {
            let message = format!("the ledger of the mirror {} is damaged: {} was given less than once", declared.name, record.id());
            return fail(FailureKind::Unavailable, message);
        }
        if known {
            self.tx.change(&record, Mirror::GIVEN, Change::AddInt, Value::Int(by))?;
        } else {
            self.tx.begin_create(&record)?;
            let cells =
                [(Mirror::SCOPE, scope), (Mirror::FACT, fact.clone()), (Mirror::GIVEN, Value::Int(after)), (Mirror::THERE, Value::None)];
            for (cell, value) in cells {
                self.tx.init_cell(&record, cell, value)?;
            }
            self.tx.end_create(&record)?;
        }
        if (before > 0) != (after > 0) {
            let action = self.mirror_call(if after > 0 { declared.add } else { declared.remove }, &fact)?;
            let id = EventId(Arc::from(self.next_id()));
            self.tx.send(fact_call(id, self.env.caller.cloned(), record, action), false);
        }
        Ok(())
    }

    /// The call that a clause makes for a fact or scope.
    fn mirror_call(&mut self, clause: BodyId, value: &Value) -> Run<Action> {
        let body = self.env.program.body(clause);
        let call = match &body.code {
            Code::Block(stmts) => match &stmts[..] {
                [Stmt::Send(send)] => match &send.event {
                    SendEvent::Extern { of, operation, args } => Some((*of, *operation, args)),
                    _ => None,
                },
                _ => None,
            },
            Code::Expr(_) => None,
        };
        let Some((of, operation, args)) = call else {
            return fail(FailureKind::Rejected, format!("{} calls no operation of the other side", body.name));
        };
        let base = self.slots.len();
        self.slots.push(value.clone());
        self.slots.resize(base + body.slots as usize, Value::None);
        let outer = std::mem::replace(&mut self.base, base);
        let args = self.eval_all(args);
        self.base = outer;
        self.slots.truncate(base);
        Ok(Action::Extern { of, operation, args: args? })
    }
}
