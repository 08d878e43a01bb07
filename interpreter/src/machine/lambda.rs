//! Methods that take a lambda.

use std::sync::Arc;

use imbl::Vector;
use patternc_program::{Binary, Expr, Lambda, Method};

use super::Machine;
use crate::transaction::Run;
use crate::value::Value;

impl<'a> Machine<'a> {
    /// `base.method(x => …)`.
    pub(super) fn apply(&mut self, method: Method, base: &'a Expr, start: Option<&'a Expr>, lambda: &'a Lambda) -> Run<Value> {
        let base = self.eval(base)?;
        // Those that stop at what they look for count as far as they come.
        if !matches!(method, Method::All | Method::Any | Method::Find) {
            self.take_steps(base.element_count())?;
        }
        match &base {
            Value::List(list) => self.apply_to(method, list.iter(), start, lambda),
            Value::Set(set) => self.apply_to(method, set.iter(), start, lambda),
            other => self.mistyped("a List or Set", other),
        }
    }

    fn apply_to<'v>(
        &mut self,
        method: Method,
        mut elements: impl Iterator<Item = &'v Value>,
        start: Option<&'a Expr>,
        lambda: &'a Lambda,
    ) -> Run<Value> {
        let (Some(&param), body) = (lambda.params.last(), &lambda.body) else {
            return self.mistyped("a lambda with a parameter", &Value::None);
        };
        Ok(match method {
            Method::Map => {
                let mut mapped = Vector::new();
                for element in elements {
                    mapped.push_back(self.with(param, element.clone(), body)?);
                }
                Value::List(Arc::new(mapped))
            }
            Method::Filter => {
                let mut kept = Vector::new();
                for element in elements {
                    if self.test(param, element, body)? {
                        kept.push_back(element.clone());
                    }
                }
                Value::List(Arc::new(kept))
            }
            Method::Any => {
                for element in elements {
                    if self.test(param, element, body)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Value::Bool(false)
            }
            Method::All => {
                for element in elements {
                    if !self.test(param, element, body)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Value::Bool(true)
            }
            Method::Find => {
                for element in elements {
                    if self.test(param, element, body)? {
                        return Ok(element.clone());
                    }
                }
                Value::None
            }
            Method::SortBy => {
                let mut keyed = Vec::new();
                for element in elements {
                    keyed.push((self.with(param, element.clone(), body)?, element.clone()));
                }
                let before = self.left();
                keyed.iter().try_for_each(|(key, _)| self.weigh(key))?;
                // Each key is compared about so many times.
                let times = keyed.len().checked_ilog2().unwrap_or(0) as usize;
                self.take_steps((before - self.left()).saturating_mul(times))?;
                keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
                Value::list(keyed.into_iter().map(|(_, element)| element))
            }
            Method::Sum => {
                let mut sum = self.zero(start)?;
                for element in elements {
                    let value = self.with(param, element.clone(), body)?;
                    sum = self.add_to(sum, value)?;
                }
                sum.unwrap_or(Value::Int(0))
            }
            Method::Min | Method::Max => {
                let mut best: Option<(Value, &Value)> = None;
                for element in elements.by_ref() {
                    let key = self.with(param, element.clone(), body)?;
                    self.weigh(&key)?;
                    let better = match &best {
                        None => true,
                        Some((best, _)) if method == Method::Min => key < *best,
                        Some((best, _)) => key > *best,
                    };
                    if better {
                        best = Some((key, element));
                    }
                }
                best.map_or(Value::None, |(_, element)| element.clone())
            }
            Method::Fold => {
                let (Some(&acc), Some(start)) = (lambda.params.first(), start) else {
                    return self.mistyped("a start", &Value::None);
                };
                let mut value = self.eval(start)?;
                for element in elements {
                    self.set_slot(acc, value);
                    value = self.with(param, element.clone(), body)?;
                }
                value
            }
            _ => return self.mistyped("a method that takes a lambda", &Value::text(method.name())),
        })
    }

    fn test(&mut self, param: patternc_program::Slot, element: &Value, body: &'a Expr) -> Run<bool> {
        match self.with(param, element.clone(), body)? {
            Value::Bool(b) => Ok(b),
            other => self.mistyped("a Bool", &other),
        }
    }

    /// What a sum starts from, where the program says it.
    pub(super) fn zero(&mut self, start: Option<&'a Expr>) -> Run<Option<Value>> {
        start.map(|start| self.eval(start)).transpose()
    }

    /// The sum with one more value.
    pub(super) fn add_to(&mut self, sum: Option<Value>, value: Value) -> Run<Option<Value>> {
        match sum {
            None => Ok(Some(value)),
            Some(sum) => self.binary(Binary::Add, sum, value).map(Some),
        }
    }
}
