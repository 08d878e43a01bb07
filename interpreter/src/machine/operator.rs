//! Operators. Ints are checked, Floats stay finite: what does not fit fails `overflow`, as does a division by zero.

use std::sync::Arc;

use patternc_program::Binary;

use super::{Machine, text};
use crate::failure::FailureKind;
use crate::transaction::{Run, fail};
use crate::value::Value;

impl Machine<'_> {
    /// Applies an operator to two values.
    pub(super) fn binary(&mut self, op: Binary, left: Value, right: Value) -> Run<Value> {
        if matches!(op, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge) {
            self.weigh_both(&left, &right)?;
        }
        Ok(Value::Bool(match op {
            Binary::Eq => left == right,
            Binary::Ne => left != right,
            Binary::Lt => left < right,
            Binary::Le => left <= right,
            Binary::Gt => left > right,
            Binary::Ge => left >= right,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem => return self.arithmetic(op, left, right),
        }))
    }

    fn arithmetic(&mut self, op: Binary, left: Value, right: Value) -> Run<Value> {
        match (op, &left, &right) {
            (_, Value::Int(a), Value::Int(b)) => {
                let result = match op {
                    Binary::Add => a.checked_add(*b),
                    Binary::Sub => a.checked_sub(*b),
                    Binary::Mul => a.checked_mul(*b),
                    Binary::Div => a.checked_div(*b),
                    _ => a.checked_rem(*b),
                };
                self.fitting(op, &left, &right, result.map(Value::Int))
            }
            (_, Value::Float(a), Value::Float(b)) => {
                let result = match op {
                    Binary::Add => a + b,
                    Binary::Sub => a - b,
                    Binary::Mul => a * b,
                    Binary::Div => a / b,
                    _ => a % b,
                };
                self.fitting(op, &left, &right, result.is_finite().then_some(Value::Float(result)))
            }
            (_, Value::Duration(a), Value::Duration(b)) => {
                let result = match op {
                    Binary::Add => a.checked_add(*b),
                    Binary::Sub => a.checked_sub(*b),
                    Binary::Rem => a.checked_rem(*b),
                    _ => return self.mistyped("a number", &left),
                };
                self.fitting(op, &left, &right, result.map(Value::Duration))
            }
            (Binary::Mul, Value::Duration(a), Value::Int(b)) | (Binary::Mul, Value::Int(a), Value::Duration(b)) => {
                self.fitting(op, &left, &right, a.checked_mul(*b).map(Value::Duration))
            }
            (Binary::Div, Value::Duration(a), Value::Int(b)) => self.fitting(op, &left, &right, a.checked_div(*b).map(Value::Duration)),
            (Binary::Add, Value::Time(a), Value::Duration(b)) | (Binary::Add, Value::Duration(a), Value::Time(b)) => {
                self.fitting(op, &left, &right, a.checked_add(*b).map(Value::Time))
            }
            (Binary::Sub, Value::Time(a), Value::Duration(b)) => self.fitting(op, &left, &right, a.checked_sub(*b).map(Value::Time)),
            (Binary::Sub, Value::Time(a), Value::Time(b)) => self.fitting(op, &left, &right, a.checked_sub(*b).map(Value::Duration)),
            (Binary::Add, Value::Text(a), Value::Text(b)) => {
                let joined = [&**a, &**b].concat();
                self.bounded(joined)
            }
            (Binary::Add, Value::List(a), Value::List(b)) => {
                self.room(a.len() + b.len())?;
                // Lists are kept in chunks of 64, which are put together anew and not copied.
                self.take_steps((a.len() + b.len()) / 64)?;
                let mut joined = imbl::Vector::clone(a);
                joined.append(imbl::Vector::clone(b));
                Ok(Value::List(Arc::new(joined)))
            }
            (Binary::Add | Binary::Sub, Value::Int(_) | Value::Float(_) | Value::Duration(_) | Value::Time(_) | Value::Text(_), other) => {
                self.mistyped("a value of the same type", other)
            }
            (_, other, _) => self.mistyped("a number", other),
        }
    }

    /// The negative of an Int, Float or Duration.
    pub(super) fn negative(&mut self, value: Value) -> Run<Value> {
        let result = match &value {
            Value::Int(n) => n.checked_neg().map(Value::Int),
            Value::Duration(n) => n.checked_neg().map(Value::Duration),
            Value::Float(x) => Some(Value::Float(-x)),
            other => return self.mistyped("a number", other),
        };
        match result {
            Some(result) => Ok(result),
            None => fail(FailureKind::Overflow, format!("-({}) does not fit", self.shown(&value))),
        }
    }

    fn fitting(&self, op: Binary, left: &Value, right: &Value, result: Option<Value>) -> Run<Value> {
        match result {
            Some(result) => Ok(result),
            None => self.overflow(op, left, right),
        }
    }

    #[cold]
    fn overflow(&self, op: Binary, left: &Value, right: &Value) -> Run<Value> {
        let sign = match op {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            _ => "%",
        };
        let zero = matches!(right, Value::Int(0)) || matches!(right, Value::Float(x) if *x == 0.0) || matches!(right, Value::Duration(0));
        let why = if zero && matches!(op, Binary::Div | Binary::Rem) { "divides by zero" } else { "does not fit" };
        fail(FailureKind::Overflow, format!("{} {sign} {} {why}", self.shown(left), self.shown(right)))
    }

    fn shown(&self, value: &Value) -> String {
        text::quoted(self.env.program, value, &patternc_program::Type::Unknown)
    }

    /// A text within the limit.
    pub(super) fn bounded(&mut self, text: String) -> Run<Value> {
        self.text_room(text.len())?;
        Ok(Value::text(text))
    }

    /// Fails `overflow` if a text would be longer than the limit. Counts a step for each 64 bytes.
    pub(super) fn text_room(&mut self, len: usize) -> Run<()> {
        self.take_steps(len / 64)?;
        let limit = self.env.limits.text_length;
        if len <= limit {
            return Ok(());
        }
        fail(FailureKind::Overflow, format!("a text of {len} bytes is longer than the limit of {limit} (setting `text-length`)"))
    }

    /// Fails `overflow` if a collection would be longer than the limit.
    pub(super) fn room(&self, len: usize) -> Run<()> {
        let limit = self.env.limits.collection_length;
        if len <= limit {
            return Ok(());
        }
        fail(
            FailureKind::Overflow,
            format!("a collection of {len} elements is longer than the limit of {limit} (setting `collection-length`)"),
        )
    }
}
