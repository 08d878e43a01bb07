//! Statements.

use std::sync::Arc;

use patternc_program::{CellIndex, Change, Expr, Pattern, RecordId, Slot, Stmt};

use super::Machine;
use crate::failure::{Failure, FailureKind};
use crate::transaction::{Run, Stop, fail};
use crate::value::Value;

impl<'a> Machine<'a> {
    /// Runs statements; gives the value if one of them returned.
    pub(super) fn exec(&mut self, stmts: &'a [Stmt]) -> Run<Option<Value>> {
        for stmt in stmts {
            if let Some(returned) = self.exec_one(stmt)? {
                return Ok(Some(returned));
            }
        }
        Ok(None)
    }

    pub(super) fn exec_one(&mut self, stmt: &'a Stmt) -> Run<Option<Value>> {
        self.step()?;
        match stmt {
            Stmt::Let { slot, value } => {
                let value = self.eval(value)?;
                self.set_slot(*slot, value);
            }
            Stmt::LetElse { slot, value, otherwise } => match self.eval(value)? {
                Value::None => return self.exec_one(otherwise),
                value => self.set_slot(*slot, value),
            },
            Stmt::Call { result, target, handler, args, at: _ } => {
                let returned = self.call_handler(target, *handler, args)?;
                if let Some(slot) = result {
                    self.set_slot(*slot, returned);
                }
            }
            Stmt::SetCell { record, of, cell, value, at: _ } => {
                let record = self.eval_record(record, *of)?;
                let value = self.eval(value)?;
                self.weigh(&value)?;
                self.tx.set(&record, *cell, value)?;
            }
            Stmt::ChangeCell { record, of, cell, op, value, at: _ } => self.change_cell(record, *of, *cell, *op, value)?,
            Stmt::SetEntry { record, of, cell, key, value, at: _ } => {
                let record = self.eval_record(record, *of)?;
                let key = self.eval(key)?;
                let value = self.eval(value)?;
                self.weigh(&key)?;
                self.weigh(&value)?;
                self.tx.set_entry(&record, *cell, key, value)?;
            }
            Stmt::ChangeEntry { record, of, cell, key, op, value, at: _ } => self.change_entry(record, *of, *cell, key, *op, value)?,
            Stmt::RemoveEntry { record, of, cell, key, at: _ } => {
                let record = self.eval_record(record, *of)?;
                let key = self.eval(key)?;
                self.weigh(&key)?;
                self.tx.remove_entry(&record, *cell, key)?;
            }
            Stmt::DeleteRecord { record, at: _ } => {
                let record = self.eval_ref(record)?;
                self.tx.delete(&record)?;
            }
            Stmt::Require { cond, message, at: _ } => {
                if !self.eval_bool(cond)? {
                    let message = match message {
                        Some(message) => self.eval_text(message)?,
                        None => Arc::from("a requirement is not met"),
                    };
                    return fail(FailureKind::Rejected, message);
                }
            }
            Stmt::Fail { message, at: _ } => {
                let message = self.eval_text(message)?;
                return fail(FailureKind::Rejected, message);
            }
            Stmt::If { cond, then, otherwise } => {
                let branch = if self.eval_bool(cond)? { then } else { otherwise };
                return self.exec(branch);
            }
            Stmt::IfLet { slot, value, then, otherwise } => match self.eval(value)? {
                Value::None => return self.exec(otherwise),
                value => {
                    self.set_slot(*slot, value);
                    return self.exec(then);
                }
            },
            Stmt::For { key, item, iter, body } => return self.exec_for(*key, *item, iter, body),
            Stmt::Match { subject, arms } => {
                let subject = self.eval(subject)?;
                for (pattern, body) in arms {
                    if self.matches(pattern, &subject)? {
                        return self.exec(body);
                    }
                }
            }
            Stmt::Return(value) => {
                return Ok(Some(match value {
                    Some(value) => self.eval(value)?,
                    None => Value::None,
                }));
            }
            Stmt::Send(send) => {
                if self.send(send)? {
                    return Ok(Some(Value::None));
                }
            }
            Stmt::Try { body, error, catch } => return self.exec_try(body, *error, catch),
            Stmt::Eval(value) => {
                self.eval(value)?;
            }
        }
        Ok(None)
    }

    fn call_handler(&mut self, target: &'a Expr, handler: patternc_program::HandlerId, args: &'a [Expr]) -> Run<Value> {
        let target = self.eval_ref(target)?;
        let base = self.slots.len();
        self.slots.push(Value::Ref(target.clone()));
        for arg in args {
            let value = self.eval(arg)?;
            self.slots.push(value);
        }
        self.tx.require_live(&target)?;
        self.calls += 1;
        let returned = self.enter(base, self.env.program.body(self.env.program.handler(handler).body));
        self.calls -= 1;
        returned
    }

    fn change_cell(&mut self, record: &'a Expr, of: RecordId, cell: CellIndex, op: Change, value: &'a Expr) -> Run<()> {
        let record = self.eval_record(record, of)?;
        let value = self.eval(value)?;
        self.weigh(&value)?;
        match op {
            Change::AddInt | Change::SubInt | Change::Append | Change::RemoveFirst | Change::Insert | Change::Remove => {
                self.tx.change(&record, cell, op, value)
            }
            Change::AddValue | Change::SubValue | Change::Concat => {
                let old = self.tx.cell(&record, cell)?;
                let new = self.changed(op, old, value)?;
                self.weigh(&new)?;
                self.tx.set(&record, cell, new)
            }
        }
    }

    fn change_entry(&mut self, record: &'a Expr, of: RecordId, cell: CellIndex, key: &'a Expr, op: Change, value: &'a Expr) -> Run<()> {
        let record = self.eval_record(record, of)?;
        let key = self.eval(key)?;
        let value = self.eval(value)?;
        self.weigh(&key)?;
        self.weigh(&value)?;
        let Some(old) = self.tx.element(&record, cell, &key)? else {
            let name = self.env.program.record(of).cells[cell.index()].name;
            let key = super::text::quoted(self.env.program, &key, &patternc_program::Type::Unknown);
            return fail(FailureKind::Missing, format!("{}.{name} has no entry {key}", self.tx.describe(&record)));
        };
        let new = self.changed(op, old, value)?;
        self.weigh(&new)?;
        self.tx.set_entry(&record, cell, key, new)
    }

    /// The value that `+=` and `-=` make of an old one that was read.
    fn changed(&mut self, op: Change, old: Value, value: Value) -> Run<Value> {
        match (op, old) {
            (Change::AddInt | Change::AddValue | Change::Concat, old) => self.binary(patternc_program::Binary::Add, old, value),
            (Change::SubInt | Change::SubValue, old) => self.binary(patternc_program::Binary::Sub, old, value),
            (Change::Append, Value::List(mut list)) => {
                self.room(list.len() + 1)?;
                Arc::make_mut(&mut list).push_back(value);
                Ok(Value::List(list))
            }
            (Change::RemoveFirst, Value::List(mut list)) => {
                self.weigh(&Value::List(Arc::clone(&list)))?;
                if let Some(at) = list.index_of(&value) {
                    Arc::make_mut(&mut list).remove(at);
                }
                Ok(Value::List(list))
            }
            (Change::Insert, Value::Set(mut set)) => {
                self.room(set.len() + 1)?;
                Arc::make_mut(&mut set).insert(value);
                Ok(Value::Set(set))
            }
            (Change::Remove, Value::Set(mut set)) => {
                Arc::make_mut(&mut set).remove(&value);
                Ok(Value::Set(set))
            }
            (_, old) => self.mistyped("a value that the operation fits", &old),
        }
    }

    fn exec_for(&mut self, key: Option<Slot>, item: Slot, iter: &'a Expr, body: &'a [Stmt]) -> Run<Option<Value>> {
        // The collection is held as it is now: what the body changes does not reach it.
        match self.eval(iter)? {
            Value::List(list) => {
                for value in list.iter() {
                    self.set_slot(item, value.clone());
                    if let Some(returned) = self.turn(body)? {
                        return Ok(Some(returned));
                    }
                }
            }
            Value::Set(set) => {
                for value in set.iter() {
                    self.set_slot(item, value.clone());
                    if let Some(returned) = self.turn(body)? {
                        return Ok(Some(returned));
                    }
                }
            }
            Value::Map(map) => {
                for (k, value) in map.iter() {
                    if let Some(key) = key {
                        self.set_slot(key, k.clone());
                    }
                    self.set_slot(item, value.clone());
                    if let Some(returned) = self.turn(body)? {
                        return Ok(Some(returned));
                    }
                }
            }
            other => return self.mistyped("a collection", &other),
        }
        Ok(None)
    }

    fn turn(&mut self, body: &'a [Stmt]) -> Run<Option<Value>> {
        self.step()?;
        self.exec(body)
    }

    fn exec_try(&mut self, body: &'a [Stmt], error: Slot, catch: &'a [Stmt]) -> Run<Option<Value>> {
        let savepoint = self.tx.savepoint();
        let (base, slots, calls) = (self.base, self.slots.len(), self.calls);
        match self.exec(body) {
            Ok(returned) => {
                self.tx.release(savepoint);
                Ok(returned)
            }
            Err(stop) => match *stop {
                Stop::Failure(failure) if failure.kind.is_caught() => {
                    self.tx.rollback(savepoint);
                    self.base = base;
                    self.slots.truncate(slots);
                    self.calls = calls;
                    self.set_slot(error, failure_value(&failure));
                    self.exec(catch)
                }
                stop => Err(Box::new(stop)),
            },
        }
    }

    /// Whether the value has the pattern; its slots are filled as far as it goes.
    pub(super) fn matches(&mut self, pattern: &'a Pattern, value: &Value) -> Run<bool> {
        match pattern {
            Pattern::Wildcard => Ok(true),
            Pattern::Bind(slot) => {
                self.set_slot(*slot, value.clone());
                Ok(true)
            }
            Pattern::Literal(literal) => Ok(self.eval(literal)? == *value),
            Pattern::Variant { of: _, variant, fields } => match value {
                Value::Variant(found, values) if found == variant => {
                    for (field, value) in fields.iter().zip(values.iter()) {
                        if !self.matches(field, value)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                }
                _ => Ok(false),
            },
        }
    }
}

/// The failure as a value of the language: kind and message.
pub(crate) fn failure_value(failure: &Failure) -> Value {
    Value::Struct(Arc::from([Value::text(failure.kind.name()), Value::Text(failure.message.clone())]))
}
