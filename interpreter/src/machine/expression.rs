//! Expressions.

use std::sync::Arc;

use patternc_program::{CellIndex, Expr, RecordId, Slot, TextPart, Type, Where};

use super::{Machine, text};
use crate::failure::FailureKind;
use crate::transaction::{Run, fail};
use crate::value::{RecordRef, Value};

impl<'a> Machine<'a> {
    /// The value of the expression.
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Run<Value> {
        self.step()?;
        Ok(match expr {
            Expr::Bool(b) => Value::Bool(*b),
            Expr::None => Value::None,
            Expr::Int(n) => Value::Int(*n),
            Expr::Float(x) => Value::Float(*x),
            Expr::Text(text) => Value::text(&**text),
            Expr::Duration(milliseconds) => Value::Duration(*milliseconds),
            Expr::Slot(slot) => self.slot(*slot).clone(),
            Expr::Interpolate(parts) => return self.interpolate(parts),
            Expr::Cell { record, of, cell, optional, at: _ } => return self.read_cell(record, *of, *cell, *optional),
            Expr::Derived { record, of, derived, optional, at: _ } => {
                let Some(record) = self.present(record, *of, *optional)? else { return Ok(Value::None) };
                self.tx.require_live(&record)?;
                let body = self.env.program.record(*of).derived[derived.index()].body;
                return self.call(body, |slots| slots.push(Value::Ref(record)));
            }
            Expr::Field { base, index, optional } => match self.eval(base)? {
                Value::None if *optional => Value::None,
                Value::Struct(fields) if (*index as usize) < fields.len() => fields[*index as usize].clone(),
                other => return self.mistyped("a struct", &other),
            },
            Expr::List(elements) => Value::list(self.eval_all(elements)?),
            Expr::Set(elements) => {
                let elements = self.eval_all(elements)?;
                elements.iter().try_for_each(|element| self.weigh(element))?;
                Value::set(elements)
            }
            Expr::Map(entries) => {
                let mut map = imbl::OrdMap::new();
                for (key, value) in entries {
                    let key = self.eval(key)?;
                    self.weigh(&key)?;
                    map.insert(key, self.eval(value)?);
                }
                Value::Map(Arc::new(map))
            }
            Expr::Struct { of: _, fields } => {
                let fields = self.eval_all(fields)?;
                return self.nested(Value::Struct(fields.into()));
            }
            Expr::Update { of: _, base, fields } => return self.update(base, fields),
            Expr::Variant { of: _, variant, args } => {
                let args = self.eval_all(args)?;
                return self.nested(Value::Variant(*variant, args.into()));
            }
            Expr::Create(create) => Value::Ref(self.eval_create(create)?),
            Expr::ListIndex { base, index, at: _ } => return self.list_index(base, index),
            Expr::MapIndex { base, key } => return self.map_index(base, key),
            Expr::Lookup { record, space, key } => {
                let space = self.space(space)?;
                let value = self.eval(key)?;
                self.weigh(&value)?;
                let Some(cell) = self.env.program.record(*record).key else {
                    return fail(FailureKind::Rejected, format!("{} has no key", self.env.program.record(*record).name));
                };
                match self.tx.unique(*record, &space, cell, &value)? {
                    Some(found) => Value::Ref(found),
                    None => Value::None,
                }
            }
            Expr::All { record, space } => {
                let space = self.space(space)?;
                let found = self.tx.scan(*record, &space, &[], None)?;
                self.take_steps(found.len())?;
                Value::list(found.into_iter().map(Value::Ref))
            }
            Expr::Where(query) => return self.query(query),
            Expr::Method { method, base, args, at: _ } => return self.method(*method, base, args),
            Expr::Apply { method, base, start, lambda, at: _ } => return self.apply(*method, base, start.as_deref(), lambda),
            Expr::OptionalMethod { base, slot, then } => match self.eval(base)? {
                Value::None => Value::None,
                value => {
                    self.set_slot(*slot, value);
                    return self.eval(then);
                }
            },
            Expr::SpaceOf(record) => Value::Space(self.eval_ref(record)?.space().clone()),
            Expr::Exists(record) => {
                let record = self.eval_ref(record)?;
                Value::Bool(self.tx.exists(&record)?)
            }
            Expr::SameSpace(record) => {
                let record = self.eval_ref(record)?;
                Value::Bool(record.space() == self.here()?)
            }
            Expr::CallFn { body, args } => {
                let base = self.slots.len();
                for arg in args {
                    let value = self.eval(arg)?;
                    self.slots.push(value);
                }
                return self.enter(base, self.env.program.body(*body));
            }
            Expr::Now => Value::Time(self.env.now),
            Expr::NewId => Value::text(self.next_id()),
            Expr::Caller => self.env.caller.map_or(Value::None, |caller| Value::Text(caller.clone())),
            Expr::Range(count) => match self.eval(count)? {
                Value::Int(count) => {
                    let len = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
                    self.room(len)?;
                    self.take_steps(len)?;
                    Value::list((0..count).map(Value::Int))
                }
                other => return self.mistyped("an Int", &other),
            },
            Expr::Not(inner) => Value::Bool(!self.eval_bool(inner)?),
            Expr::Neg(inner, _) => {
                let value = self.eval(inner)?;
                return self.negative(value);
            }
            Expr::And(left, right) => Value::Bool(self.eval_bool(left)? && self.eval_bool(right)?),
            Expr::Or(left, right) => Value::Bool(self.eval_bool(left)? || self.eval_bool(right)?),
            Expr::Coalesce(left, right) => match self.eval(left)? {
                Value::None => return self.eval(right),
                value => value,
            },
            Expr::Binary { op, left, right, at: _ } => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                return self.binary(*op, left, right);
            }
            Expr::In { element, collection } => {
                let element = self.eval(element)?;
                return self.contains(collection, &element);
            }
            Expr::If { cond, then, otherwise } => {
                let branch = if self.eval_bool(cond)? { then } else { otherwise };
                return self.eval(branch);
            }
            Expr::IfLet { slot, value, then, otherwise } => match self.eval(value)? {
                Value::None => return self.eval(otherwise),
                value => {
                    self.set_slot(*slot, value);
                    return self.eval(then);
                }
            },
            Expr::Match { subject, arms } => {
                let subject = self.eval(subject)?;
                for (pattern, value) in arms {
                    if self.matches(pattern, &subject)? {
                        return self.eval(value);
                    }
                }
                return self.mistyped("a value that some arm takes", &subject);
            }
            Expr::Block { lets, value } => {
                if self.exec(lets)?.is_some() {
                    return fail(FailureKind::Rejected, "a block inside an expression cannot return from the handler");
                }
                return self.eval(value);
            }
            Expr::Forced { stmt, result } => {
                self.exec_one(stmt)?;
                self.slot(*result).clone()
            }
        })
    }

    pub(super) fn eval_all(&mut self, exprs: &'a [Expr]) -> Run<Vec<Value>> {
        let mut values = Vec::with_capacity(exprs.len());
        for expr in exprs {
            values.push(self.eval(expr)?);
        }
        Ok(values)
    }

    fn read_cell(&mut self, record: &'a Expr, of: RecordId, cell: CellIndex, optional: bool) -> Run<Value> {
        if let (Expr::Slot(slot), false) = (record, optional)
            && let Value::Ref(record) = &self.slots[self.base + slot.index()]
            && record.record() == of
        {
            return self.tx.cell(record, cell);
        }
        match self.present(record, of, optional)? {
            Some(record) => self.tx.cell(&record, cell),
            None => Ok(Value::None),
        }
    }

    /// The record; with `optional`, nothing if it is `none` or not there.
    fn present(&mut self, record: &'a Expr, of: RecordId, optional: bool) -> Run<Option<RecordRef>> {
        match self.eval(record)? {
            Value::Ref(record) if record.record() != of => self.other_type(&record, of),
            Value::Ref(record) => Ok(if optional && !self.tx.exists(&record)? { None } else { Some(record) }),
            Value::None if optional => Ok(None),
            other => self.mistyped("a record", &other),
        }
    }

    fn interpolate(&mut self, parts: &'a [TextPart]) -> Run<Value> {
        let mut out = String::new();
        for part in parts {
            match part {
                TextPart::Text(text) => out.push_str(text),
                TextPart::Value(expr, ty) => {
                    let value = self.eval(expr)?;
                    self.weigh(&value)?;
                    text::append(&mut out, self.env.program, &value, ty);
                    self.text_room(out.len())?;
                }
            }
        }
        self.bounded(out)
    }

    fn update(&mut self, base: &'a Expr, fields: &'a [(u32, Expr)]) -> Run<Value> {
        let base = self.eval(base)?;
        let Value::Struct(old) = &base else { return self.mistyped("a struct", &base) };
        let mut new = old.to_vec();
        for (index, value) in fields {
            let value = self.eval(value)?;
            match new.get_mut(*index as usize) {
                Some(field) => *field = value,
                None => return self.mistyped("a struct with this field", &base),
            }
        }
        self.nested(Value::Struct(new.into()))
    }

    fn list_index(&mut self, base: &'a Expr, index: &'a Expr) -> Run<Value> {
        let base = self.eval(base)?;
        match (&base, self.eval(index)?) {
            (Value::List(list), Value::Int(index)) => match usize::try_from(index).ok().and_then(|at| list.get(at)) {
                Some(value) => Ok(value.clone()),
                None => fail(FailureKind::Missing, format!("there is no element {index}: the list has {}", list.len())),
            },
            (Value::List(_), other) => self.mistyped("an Int", &other),
            _ => self.mistyped("a List", &base),
        }
    }

    /// The record and cell, if the expression is a stored Set or Map cell, of which an element can be read alone.
    fn keyed_cell(&mut self, expr: &'a Expr) -> Run<Option<(RecordRef, CellIndex)>> {
        match expr {
            Expr::Cell { record, of, cell, optional: false, at: _ } if self.is_keyed(*of, *cell) => {
                self.step()?;
                Ok(Some((self.eval_record(record, *of)?, *cell)))
            }
            _ => Ok(None),
        }
    }

    fn is_keyed(&self, of: RecordId, cell: CellIndex) -> bool {
        matches!(self.env.program.record(of).cells[cell.index()].ty, Type::Set(_) | Type::Map(..))
    }

    /// `m[k]`.
    pub(super) fn map_index(&mut self, base: &'a Expr, key: &'a Expr) -> Run<Value> {
        if let Some((record, cell)) = self.keyed_cell(base)? {
            let key = self.eval(key)?;
            self.weigh(&key)?;
            return Ok(self.tx.element(&record, cell, &key)?.unwrap_or(Value::None));
        }
        let base = self.eval(base)?;
        let key = self.eval(key)?;
        self.weigh(&key)?;
        match &base {
            Value::Map(map) => Ok(map.get(&key).cloned().unwrap_or(Value::None)),
            _ => self.mistyped("a Map", &base),
        }
    }

    /// `element in collection`.
    pub(super) fn contains(&mut self, collection: &'a Expr, element: &Value) -> Run<Value> {
        self.weigh(element)?;
        if let Some((record, cell)) = self.keyed_cell(collection)? {
            return Ok(Value::Bool(self.tx.element(&record, cell, element)?.is_some()));
        }
        let collection = self.eval(collection)?;
        self.holds(&collection, element)
    }

    /// Whether the collection has the element, the map the key, the text the part.
    pub(super) fn holds(&mut self, collection: &Value, element: &Value) -> Run<Value> {
        Ok(Value::Bool(match (collection, element) {
            (Value::List(list), element) => {
                if !element.is_small() {
                    self.weigh(collection)?;
                }
                let found = list.iter().position(|value| value == element);
                self.take_steps(found.unwrap_or(list.len()))?;
                found.is_some()
            }
            (Value::Set(set), element) => set.contains(element),
            (Value::Map(map), element) => map.contains_key(element),
            (Value::Text(text), Value::Text(part)) => {
                self.take_steps(text.len() / 64)?;
                text.contains(&**part)
            }
            (collection, _) => return self.mistyped("a collection", collection),
        }))
    }

    fn query(&mut self, query: &'a Where) -> Run<Value> {
        let space = self.space(&query.space)?;
        // A condition that never comes to the comparison may not fail by it: then the index does not help.
        let index = match &query.index {
            Some((cell, value)) => {
                let savepoint = self.tx.savepoint();
                let (base, slots) = (self.base, self.slots.len());
                match self.eval(value) {
                    Ok(value) => {
                        self.tx.release(savepoint);
                        Some((*cell, value))
                    }
                    Err(stop) => match *stop {
                        crate::transaction::Stop::Failure(failure) if failure.kind.is_caught() => {
                            self.tx.rollback(savepoint);
                            self.base = base;
                            self.slots.truncate(slots);
                            None
                        }
                        stop => return Err(Box::new(stop)),
                    },
                }
            }
            None => None,
        };
        let found = self.tx.scan(query.record, &space, &query.cells, index.as_ref().map(|(cell, value)| (*cell, value)))?;
        let mut kept = imbl::Vector::new();
        for record in found {
            self.step()?;
            self.set_slot(query.param, Value::Ref(record.clone()));
            self.tx.cover(record.clone(), &query.cells);
            let holds = self.eval_bool(&query.cond)?;
            self.tx.uncover();
            if holds {
                kept.push_back(Value::Ref(record));
            }
        }
        Ok(Value::List(Arc::new(kept)))
    }

    /// Sets a slot of a lambda and evaluates its body.
    pub(super) fn with(&mut self, slot: Slot, value: Value, body: &'a Expr) -> Run<Value> {
        self.set_slot(slot, value);
        self.eval(body)
    }
}
