//! Values as a database has them: what SQLite's `->>` operator makes of their JSON in the stored form.
//!
//! Numbers and texts are numbers and texts, `true` and `false` are 1 and 0, `none` is NULL, and what has parts is JSON text. So the views can
//! take a value from a table or from the journal and show the same.

use std::cmp::Ordering;

use patternc_program::{Program, Type};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer};
use serde_json::Value as Json;

use super::schema::Shape;
use crate::json::{self, Form, JsonError, Path, Reader};
use crate::value::Value;

/// A value of a column.
#[derive(Clone, Debug)]
pub(in crate::store) enum Native {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A value of a column that stands elsewhere.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum NativeRef<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
}

impl Native {
    /// What `->>` makes of JSON.
    pub(in crate::store) fn from_json(json: Json) -> Native {
        match json {
            Json::Null => Native::Null,
            Json::Bool(b) => Native::Integer(i64::from(b)),
            Json::Number(number) => {
                let text = number.to_string();
                match text.parse() {
                    Ok(n) => Native::Integer(n),
                    Err(_) => Native::Real(text.parse().unwrap_or(f64::NAN)),
                }
            }
            Json::String(text) => Native::Text(text),
            json @ (Json::Array(_) | Json::Object(_)) => Native::Text(json.to_string()),
        }
    }

    /// The same, borrowed.
    pub(in crate::store) fn as_ref(&self) -> NativeRef<'_> {
        match self {
            Native::Null => NativeRef::Null,
            Native::Integer(n) => NativeRef::Integer(*n),
            Native::Real(x) => NativeRef::Real(*x),
            Native::Text(text) => NativeRef::Text(text),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Native::Null => 0,
            Native::Integer(_) => 1,
            Native::Real(_) => 2,
            Native::Text(_) => 3,
        }
    }
}

/// An order for keys of one column, which are all of one kind.
impl Ord for Native {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Native::Integer(a), Native::Integer(b)) => a.cmp(b),
            (Native::Real(a), Native::Real(b)) => a.total_cmp(b),
            (Native::Text(a), Native::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Native {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Native {}

impl<'de> Deserialize<'de> for Native {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NativeVisitor)
    }
}

struct NativeVisitor;

impl<'de> Visitor<'de> for NativeVisitor {
    type Value = Native;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Native, E> {
        Ok(Native::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Native, E> {
        Ok(Native::Integer(i64::from(b)))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Native, E> {
        Ok(Native::Integer(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Native, E> {
        Ok(i64::try_from(n).map_or(Native::Real(n as f64), Native::Integer))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Native, E> {
        Ok(Native::Real(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Native, E> {
        Ok(Native::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Native, E> {
        Ok(Native::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Native, A::Error> {
        Json::deserialize(SeqAccessDeserializer::new(items)).map(Native::from_json)
    }

    // Numbers with a fraction come this way too: they keep their digits.
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Native, A::Error> {
        Json::deserialize(MapAccessDeserializer::new(entries)).map(Native::from_json)
    }
}

/// Whether a value of this type can be a key as it is. Others are keys as JSON text, so that `none` and "null" stay two.
pub(in crate::store) fn is_plain_key(program: &Program, ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Int | Type::Float | Type::Text | Type::Bytes | Type::Time | Type::Duration | Type::Space | Type::Record(..) => {
            true
        }
        Type::Enum(id, _) => program.enums[id.index()].variants.iter().all(|variant| variant.fields.is_empty()),
        Type::Failure
        | Type::List(_)
        | Type::Set(_)
        | Type::Map(..)
        | Type::Optional(_)
        | Type::Struct(..)
        | Type::SagaResult(_)
        | Type::Unknown => false,
    }
}

/// Appends the JSON of a value in a column.
pub(in crate::store) fn write_column(out: &mut String, program: &Program, value: &Value, ty: &Type) -> Result<(), JsonError> {
    json::write_value(out, program, Form::Stored, value, ty)
}

/// Appends the JSON of a value as a key.
pub(in crate::store) fn write_key(out: &mut String, program: &Program, value: &Value, ty: &Type) -> Result<(), JsonError> {
    if is_plain_key(program, ty) {
        return json::write_key(out, program, value, ty);
    }
    let mut text = String::new();
    json::write_key(&mut text, program, value, ty)?;
    json::write_text(out, &text);
    Ok(())
}

/// Reads a column of this type.
pub(in crate::store) fn read_column(reader: &Reader<'_>, ty: &Type, column: NativeRef<'_>) -> Result<Value, JsonError> {
    let here = Path::Root;
    let text = match (ty, column) {
        (Type::Optional(_), NativeRef::Null) => return Ok(Value::None),
        (Type::Optional(of), column) => return read_column(reader, of, column),
        (Type::Int, NativeRef::Integer(n)) => return Ok(Value::Int(n)),
        (Type::Bool, NativeRef::Integer(n @ (0 | 1))) => return Ok(Value::Bool(n == 1)),
        (Type::Float, NativeRef::Real(x)) => return Ok(Value::Float(x)),
        (_, NativeRef::Null) => return reader.value(&Json::Null, ty, &here),
        (_, NativeRef::Integer(n)) => return reader.value(&Json::from(n), ty, &here),
        (_, NativeRef::Real(x)) => return reader.value(&serde_json::Number::from_f64(x).map_or(Json::Null, Json::Number), ty, &here),
        (_, NativeRef::Text(text)) => text,
    };
    let is_json = match ty {
        Type::Text => return Ok(Value::Text(text.into())),
        Type::Enum(..) => text.starts_with('{'),
        Type::Bool | Type::Int | Type::Float | Type::Bytes | Type::Time | Type::Duration | Type::Space | Type::Record(..) => false,
        Type::Failure
        | Type::List(_)
        | Type::Set(_)
        | Type::Map(..)
        | Type::Optional(_)
        | Type::Struct(..)
        | Type::SagaResult(_)
        | Type::Unknown => true,
    };
    let json = if is_json { parse(text)? } else { Json::String(text.to_owned()) };
    reader.value(&json, ty, &here)
}

/// Reads a column that was written for another type, of which only the shape is known. Its value fits if its JSON does.
pub(in crate::store) fn read_shape(reader: &Reader<'_>, shape: Shape, ty: &Type, column: NativeRef<'_>) -> Result<Value, JsonError> {
    let here = Path::Root;
    let json = match column {
        NativeRef::Null => Json::Null,
        NativeRef::Integer(n) if shape == Shape::Bool => Json::Bool(n != 0),
        NativeRef::Integer(n) => Json::from(n),
        NativeRef::Real(x) => serde_json::Number::from_f64(x).map_or(Json::Null, Json::Number),
        NativeRef::Text(text) => match shape {
            Shape::Json => parse(text)?,
            Shape::Variant if text.starts_with('{') => parse(text)?,
            Shape::Text | Shape::Plain | Shape::Bool | Shape::Variant => Json::String(text.to_owned()),
        },
    };
    reader.value(&json, ty, &here)
}

/// Reads a key of this type.
pub(in crate::store) fn read_key(reader: &Reader<'_>, ty: &Type, column: NativeRef<'_>) -> Result<Value, JsonError> {
    if is_plain_key(reader.program, ty) {
        return read_column(reader, ty, column);
    }
    match column {
        NativeRef::Text(text) => reader.value(&parse(text)?, ty, &Path::Root),
        _ => Err(Path::Root.error("it is not the JSON text of a key")),
    }
}

/// Reads JSON that a store wrote.
pub(in crate::store) fn parse(text: &str) -> Result<Json, JsonError> {
    json::from_text(text).map_err(|error| Path::Root.error(format!("it is not JSON: {error}")))
}
