//! Methods without a lambda.

use std::sync::Arc;

use imbl::Vector;
use patternc_program::{Expr, Method};

use super::Machine;
use crate::failure::FailureKind;
use crate::transaction::{Run, fail};
use crate::value::Value;

impl<'a> Machine<'a> {
    /// `base.method(args)`.
    pub(super) fn method(&mut self, method: Method, base: &'a Expr, args: &'a [Expr]) -> Run<Value> {
        // Of a stored Set or Map, these read one element.
        match (method, args) {
            (Method::Contains, [element]) => {
                let element = self.eval(element)?;
                return self.contains(base, &element);
            }
            (Method::Get, [key]) => return self.map_index(base, key),
            _ => {}
        }
        let base = self.eval(base)?;
        match (&base, args) {
            (Value::Text(text), _) => {
                let text = text.clone();
                self.text_method(method, &text, args)
            }
            (Value::List(_) | Value::Set(_) | Value::Map(_), [other]) => {
                let other = self.eval(other)?;
                self.collection_method_with(method, &base, other)
            }
            (Value::List(_) | Value::Set(_) | Value::Map(_), _) => self.collection_method(method, &base),
            (Value::Int(n), []) if method == Method::ToFloat => Ok(Value::Float(*n as f64)),
            (Value::Float(x), []) if method == Method::Round => {
                let rounded = x.round();
                // 2^63 is the first that does not fit.
                if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                    Ok(Value::Int(rounded as i64))
                } else {
                    fail(FailureKind::Overflow, format!("{x:?} rounded does not fit an Int"))
                }
            }
            _ => self.no_method(method, &base),
        }
    }

    #[cold]
    fn no_method<T>(&self, method: Method, base: &Value) -> Run<T> {
        self.mistyped(&format!("a value with the method `{}`", method.name()), base)
    }

    fn collection_method(&mut self, method: Method, base: &Value) -> Run<Value> {
        match method {
            Method::Len => return Ok(Value::Int(base.element_count() as i64)),
            Method::IsEmpty => return Ok(Value::Bool(base.element_count() == 0)),
            Method::First | Method::Last => self.step()?,
            // What compares elements goes through them.
            Method::Distinct | Method::Min | Method::Max => self.weigh(base)?,
            _ => self.take_steps(base.element_count())?,
        }
        let option = |value: Option<&Value>| value.cloned().unwrap_or(Value::None);
        Ok(match (method, base) {
            (Method::First, Value::List(list)) => option(list.front()),
            (Method::Last, Value::List(list)) => option(list.back()),
            (Method::Reverse, Value::List(list)) => Value::list(list.iter().rev().cloned()),
            (Method::Distinct, Value::List(list)) => {
                let mut seen = std::collections::HashSet::with_capacity(list.len());
                Value::list(list.iter().filter(|value| seen.insert(*value)).cloned())
            }
            (Method::Min, Value::List(list)) => option(first_best(list.iter(), |a, b| a < b)),
            (Method::Max, Value::List(list)) => option(first_best(list.iter(), |a, b| a > b)),
            (Method::Min, Value::Set(set)) => option(set.get_min()),
            (Method::Max, Value::Set(set)) => option(set.get_max()),
            (Method::Sum, Value::List(list)) => return self.sum(None, list.iter()),
            (Method::Sum, Value::Set(set)) => return self.sum(None, set.iter()),
            (Method::Join, Value::List(list)) => return self.join(list.iter(), ""),
            (Method::Join, Value::Set(set)) => return self.join(set.iter(), ""),
            (Method::Keys, Value::Map(map)) => Value::list(map.keys().cloned()),
            (Method::Values, Value::Map(map)) => Value::list(map.values().cloned()),
            _ => return self.no_method(method, base),
        })
    }

    fn collection_method_with(&mut self, method: Method, base: &Value, other: Value) -> Run<Value> {
        match method {
            Method::Take | Method::Skip => self.step()?,
            // The elements of the smaller one are looked for in the greater one.
            Method::Union => self.weigh(if base.element_count() < other.element_count() { base } else { &other })?,
            Method::Intersect | Method::Minus => self.weigh(base)?,
            _ => self.take_steps(base.element_count() + other.element_count())?,
        }
        Ok(match (method, base, &other) {
            (Method::Take, Value::List(list), Value::Int(count)) => Value::List(Arc::new(list.take(clamp(*count, list.len())))),
            (Method::Skip, Value::List(list), Value::Int(count)) => Value::List(Arc::new(list.skip(clamp(*count, list.len())))),
            (Method::Union, Value::Set(a), Value::Set(b)) => {
                let union = imbl::OrdSet::clone(a).union(imbl::OrdSet::clone(b));
                self.room(union.len())?;
                Value::Set(Arc::new(union))
            }
            (Method::Intersect, Value::Set(a), Value::Set(b)) => Value::set(a.iter().filter(|value| b.contains(*value)).cloned()),
            (Method::Minus, Value::Set(a), Value::Set(b)) => Value::set(a.iter().filter(|value| !b.contains(*value)).cloned()),
            (Method::Sum, Value::List(list), _) => return self.sum(Some(other), list.iter()),
            (Method::Sum, Value::Set(set), _) => return self.sum(Some(other), set.iter()),
            (Method::Join, Value::List(list), Value::Text(separator)) => return self.join(list.iter(), separator),
            (Method::Join, Value::Set(set), Value::Text(separator)) => return self.join(set.iter(), separator),
            _ => return self.no_method(method, base),
        })
    }

    fn sum<'v>(&mut self, zero: Option<Value>, values: impl Iterator<Item = &'v Value>) -> Run<Value> {
        let mut sum = zero;
        for value in values {
            sum = self.add_to(sum, value.clone())?;
        }
        Ok(sum.unwrap_or(Value::Int(0)))
    }

    fn join<'v>(&mut self, values: impl Iterator<Item = &'v Value>, separator: &str) -> Run<Value> {
        let mut out = String::new();
        for (at, value) in values.enumerate() {
            if at > 0 {
                out.push_str(separator);
            }
            match value {
                Value::Text(text) => out.push_str(text),
                other => return self.mistyped("a Text", other),
            }
            if out.len() > self.env.limits.text_length {
                break;
            }
        }
        self.bounded(out)
    }

    fn text_method(&mut self, method: Method, text: &str, args: &'a [Expr]) -> Run<Value> {
        self.take_steps(text.len() / 64)?;
        let args = self.eval_all(args)?;
        Ok(match (method, &*args) {
            (Method::Len, []) => Value::Int(text.chars().count() as i64),
            (Method::IsEmpty, []) => Value::Bool(text.is_empty()),
            (Method::Upper, []) => return self.bounded(text.to_uppercase()),
            (Method::Lower, []) => return self.bounded(text.to_lowercase()),
            (Method::Trim, []) => Value::text(text.trim()),
            (Method::Lines, []) => self.texts(text.lines())?,
            (Method::ToInt, []) => text.parse().map_or(Value::None, Value::Int),
            (Method::ToFloat, []) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => Value::None,
            },
            // Without a separator, every character is a part.
            (Method::Split, [Value::Text(separator)]) if separator.is_empty() => {
                let mut buffer = [0; 4];
                let parts: Vector<Value> = text.chars().map(|c| Value::text(&*c.encode_utf8(&mut buffer))).collect();
                self.take_steps(parts.len())?;
                self.room(parts.len())?;
                Value::List(Arc::new(parts))
            }
            (Method::Split, [Value::Text(separator)]) => self.texts(text.split(&**separator))?,
            (Method::StartsWith, [Value::Text(start)]) => Value::Bool(text.starts_with(&**start)),
            (Method::EndsWith, [Value::Text(end)]) => Value::Bool(text.ends_with(&**end)),
            // There is no empty part to replace.
            (Method::Replace, [Value::Text(part), Value::Text(_)]) if part.is_empty() => Value::text(text),
            (Method::Replace, [Value::Text(part), Value::Text(by)]) => {
                let found = text.matches(&**part).count();
                self.text_room(text.len().saturating_sub(found * part.len()).saturating_add(found.saturating_mul(by.len())))?;
                Value::text(text.replace(&**part, by))
            }
            (Method::Slice, [Value::Int(from), Value::Int(to)]) => Value::text(slice(text, *from, *to)),
            (Method::Slice, [Value::Int(from)]) => Value::text(slice(text, *from, i64::MAX)),
            _ => return self.no_method(method, &Value::text(text)),
        })
    }

    fn texts<'t>(&mut self, parts: impl Iterator<Item = &'t str>) -> Run<Value> {
        let parts: Vector<Value> = parts.map(Value::text).collect();
        self.take_steps(parts.len())?;
        self.room(parts.len())?;
        Ok(Value::List(Arc::new(parts)))
    }
}

fn clamp(count: i64, len: usize) -> usize {
    usize::try_from(count.max(0)).map_or(len, |count| count.min(len))
}

/// Characters `from` up to and without `to`, as far as there are any.
fn slice(text: &str, from: i64, to: i64) -> &str {
    let from = from.max(0);
    let to = to.max(from);
    let byte = |position: i64| {
        usize::try_from(position).ok().and_then(|position| text.char_indices().nth(position)).map_or(text.len(), |(byte, _)| byte)
    };
    &text[byte(from)..byte(to)]
}

/// The best, the first of equal ones.
fn first_best<'v>(values: impl Iterator<Item = &'v Value>, better: impl Fn(&Value, &Value) -> bool) -> Option<&'v Value> {
    values.fold(None, |best, value| match best {
        Some(best) if !better(value, best) => Some(best),
        _ => Some(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_characters_and_clamp() {
        assert_eq!(slice("häuser", 1, 3), "äu");
        assert_eq!(slice("häuser", -5, 2), "hä");
        assert_eq!(slice("häuser", 4, 99), "er");
        assert_eq!(slice("häuser", 5, 2), "");
        assert_eq!(slice("", 0, 1), "");
    }
}
