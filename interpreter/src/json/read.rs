//! JSON to values.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imbl::{OrdMap, OrdSet, Vector};
use patternc_program::{CellIndex, Field, Home, Program, RecordId, StructId, Type};
use serde_json::Value as Json;

use super::error::{JsonError, Path, meant, shown};
use super::write::named;
use super::{Form, Names, scalar};
use crate::duration;
use crate::limits::Limits;
use crate::store::StoreError;
use crate::value::{RecordRef, SpaceRef, Value};

/// Finds records by the value of their `key` cell, for references like `Bounty["b1"]`.
pub trait Keys {
    /// The record of this type and space with this key.
    fn by_key(
        &self,
        record: RecordId,
        space: &SpaceRef,
        cell: CellIndex,
        key: &Value,
    ) -> std::result::Result<Option<RecordRef>, StoreError>;
}

/// Reads values of known types.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub program: &'a Program,
    pub names: &'a Names,
    pub form: Form,
    /// The space that a reference without one means where its type does not fix it.
    pub here: Option<&'a SpaceRef>,
    /// Where references by key are looked up; without it they are refused.
    pub keys: Option<&'a dyn Keys>,
    /// Longest texts and collections; without it any.
    pub limits: Option<&'a Limits>,
}

type Result<T> = std::result::Result<T, JsonError>;

impl Reader<'_> {
    /// Reads a value of this type.
    pub fn value(&self, json: &Json, ty: &Type, path: &Path<'_>) -> Result<Value> {
        match ty {
            Type::Optional(_) if json.is_null() => Ok(Value::None),
            Type::Optional(of) => self.value(json, of, path),
            Type::Unknown => self.unknown(json, path),
            Type::List(of) => {
                let items = self.array(json, ty, path)?;
                let items = items.iter().enumerate().map(|(i, item)| self.value(item, of, &path.index(i)));
                Ok(Value::List(Arc::new(items.collect::<Result<Vector<Value>>>()?)))
            }
            Type::Set(of) => {
                let mut set = OrdSet::new();
                for (i, item) in self.array(json, ty, path)?.iter().enumerate() {
                    let path = path.index(i);
                    if set.insert(self.value(item, of, &path)?).is_some() {
                        return Err(path.error(format!("{} is in the set already", shown(item))));
                    }
                }
                Ok(Value::Set(Arc::new(set)))
            }
            Type::Map(key, of) => self.map(json, key, of, ty, path),
            Type::Struct(id, _) => self.structure(json, *id, ty, path),
            Type::Enum(..) => self.variant(json, ty, path),
            Type::Failure => {
                let Json::Object(object) = json else { return self.mismatch(json, ty, path) };
                let fields = [("kind", &Type::Text), ("message", &Type::Text)];
                Ok(Value::Struct(self.fields(object, fields.into_iter(), path)?.into()))
            }
            Type::SagaResult(results) => {
                let Json::Object(object) = json else { return self.mismatch(json, ty, path) };
                let fields = results.iter().map(|result| (result.name.as_str(), &result.ty));
                Ok(Value::Struct(self.fields(object, fields, path)?.into()))
            }
            Type::Bool
            | Type::Int
            | Type::Float
            | Type::Text
            | Type::Bytes
            | Type::Time
            | Type::Duration
            | Type::Space
            | Type::Record(..) => self.scalar(json, ty, path),
        }
    }

    fn scalar(&self, json: &Json, ty: &Type, path: &Path<'_>) -> Result<Value> {
        match (ty, json) {
            (Type::Bool, Json::Bool(b)) => Ok(Value::Bool(*b)),
            (Type::Int, Json::Number(number)) => {
                let text = number.to_string();
                match text.parse() {
                    Ok(n) => Ok(Value::Int(n)),
                    Err(_) if text.contains(['.', 'e', 'E']) => self.mismatch(json, ty, path),
                    Err(_) => Err(path.error(format!("{text} does not fit an Int, which has 64 bits"))),
                }
            }
            (Type::Float, Json::Number(number)) => {
                let text = number.to_string();
                match (text.parse::<f64>(), text.parse::<i64>()) {
                    // An Int was stored, and the type has changed: nothing of it may be lost.
                    (Ok(x), Ok(n)) if self.form == Form::Stored && x as i128 != i128::from(n) => {
                        Err(path.error(format!("{n} is no Float: the nearest one is {x:?}")))
                    }
                    (Ok(x), _) if x.is_finite() => Ok(Value::Float(x)),
                    _ => Err(path.error(format!("{number} does not fit a Float"))),
                }
            }
            (Type::Float, Json::String(text)) => match text.as_str() {
                "-0.0" => Ok(Value::Float(-0.0)),
                "NaN" | "Infinity" | "-Infinity" => Err(path.error(format!("a Float is always finite: there is no {text}"))),
                _ => self.mismatch(json, ty, path),
            },
            (Type::Text, Json::String(text)) => {
                if let Some(limit) = self.limits.map(|l| l.text_length)
                    && text.len() > limit
                {
                    let length = text.len();
                    return Err(path.error(format!("a text of {length} bytes is longer than the limit `text-length` of {limit}")));
                }
                Ok(Value::Text(text.as_str().into()))
            }
            (Type::Bytes, Json::String(text)) => match BASE64.decode(text) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(_) => Err(path.error(format!("expected Bytes as base64 (A-Z, a-z, 0-9, +, /, padded with =), found {}", shown(json)))),
            },
            (Type::Time, Json::String(text)) => match scalar::parse_time(text) {
                Some(ms) => Ok(Value::Time(ms)),
                None => self.mismatch(json, ty, path),
            },
            // Beyond the years that can be written as text.
            (Type::Time, Json::Number(number)) => match number.as_i64() {
                Some(ms) if scalar::time(ms, false).is_none() => Ok(Value::Time(ms)),
                _ => self.mismatch(json, ty, path),
            },
            (Type::Duration, Json::String(text)) => match duration::parse(text) {
                Some(ms) => Ok(Value::Duration(ms)),
                None => self.mismatch(json, ty, path),
            },
            (Type::Space, Json::String(text)) => Ok(Value::Space(self.space(text, path)?)),
            (Type::Record(of, _), _) => {
                let text = match (self.form, json) {
                    (Form::Stored, Json::String(text)) => text,
                    (Form::Outside | Form::Answer, Json::Object(object)) if object.len() == 1 => match object.get("ref") {
                        Some(Json::String(text)) => text,
                        _ => return self.mismatch(json, ty, path),
                    },
                    _ => return self.mismatch(json, ty, path),
                };
                let record = self.reference(text, path)?;
                if record.record() != *of {
                    return self.mismatch(json, ty, path);
                }
                Ok(Value::Ref(record))
            }
            _ => self.mismatch(json, ty, path),
        }
    }

    fn array<'j>(&self, json: &'j Json, ty: &Type, path: &Path<'_>) -> Result<&'j [Json]> {
        let Json::Array(items) = json else { return Err(self.unexpected(json, ty, path)) };
        self.check_length(items.len(), path)?;
        Ok(items)
    }

    fn check_length(&self, length: usize, path: &Path<'_>) -> Result<()> {
        match self.limits.map(|l| l.collection_length) {
            Some(limit) if length > limit => {
                Err(path.error(format!("{length} elements are more than the limit `collection-length` of {limit}")))
            }
            _ => Ok(()),
        }
    }

    fn map(&self, json: &Json, key: &Type, of: &Type, ty: &Type, path: &Path<'_>) -> Result<Value> {
        let mut map = OrdMap::new();
        if *key == Type::Text {
            let Json::Object(object) = json else { return self.mismatch(json, ty, path) };
            self.check_length(object.len(), path)?;
            for (key, value) in object {
                map.insert(Value::Text(key.as_str().into()), self.value(value, of, &path.name(key))?);
            }
            return Ok(Value::Map(Arc::new(map)));
        }
        for (i, pair) in self.array(json, ty, path)?.iter().enumerate() {
            let path = path.index(i);
            let Json::Array(pair) = pair else { return self.mismatch(json, ty, &path) };
            let [k, v] = pair.as_slice() else {
                return Err(path.error(format!("expected a pair [key, value], found an array of {}", pair.len())));
            };
            if map.insert(self.value(k, key, &path.index(0))?, self.value(v, of, &path.index(1))?).is_some() {
                return Err(path.error(format!("the key {} is in the map already", shown(k))));
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn structure(&self, json: &Json, id: StructId, ty: &Type, path: &Path<'_>) -> Result<Value> {
        let Json::Object(object) = json else { return self.mismatch(json, ty, path) };
        Ok(Value::Struct(self.fields(object, named(&self.program.structs[id.index()].fields), path)?.into()))
    }

    fn variant(&self, json: &Json, ty: &Type, path: &Path<'_>) -> Result<Value> {
        let Type::Enum(id, _) = ty else { return self.mismatch(json, ty, path) };
        let of = &self.program.enums[id.index()];
        let (name, fields) = match json {
            Json::String(name) => (name, None),
            Json::Object(object) => {
                // An answer may say more than which variant it is.
                let counts = |name: &str| object.len() == 1 || self.form == Form::Answer && of.variants.iter().any(|v| v.name == *name);
                let mut named = object.iter().filter(|(name, _)| counts(name));
                match (named.next(), named.next()) {
                    (Some((name, Json::Object(fields))), None) => (name, Some(fields)),
                    _ => return self.mismatch(json, ty, path),
                }
            }
            _ => return self.mismatch(json, ty, path),
        };
        let Some(position) = of.variants.iter().position(|v| v.name == *name) else {
            let names = of.variants.iter().map(|v| v.name.as_str());
            return Err(path.error(format!("{} has no variant {name:?}{}", of.name, meant(name, names))));
        };
        let variant = &of.variants[position];
        let values = match fields {
            Some(fields) => self.fields(fields, named(&variant.fields), &path.name(name))?,
            None if variant.fields.is_empty() => Vec::new(),
            None => {
                let names: Vec<_> = variant.fields.iter().map(|f| format!("{:?}:…", f.name.as_str())).collect();
                return Err(path.error(format!("expected {{{name:?}:{{{}}}}}, found {name:?} without its fields", names.join(","))));
            }
        };
        Ok(Value::Variant(position as u32, values.into()))
    }

    /// Reads named values in the order of their declaration. Optional ones may be left out.
    pub(crate) fn fields<'n>(
        &self,
        object: &serde_json::Map<String, Json>,
        fields: impl Iterator<Item = (&'n str, &'n Type)> + Clone,
        path: &Path<'_>,
    ) -> Result<Vec<Value>> {
        if self.form != Form::Answer
            && let Some(unknown) = object.keys().find(|name| !fields.clone().any(|(field, _)| field == name.as_str()))
        {
            let names = fields.map(|(name, _)| name);
            return Err(path.error(format!("there is no {unknown:?} here{}", meant(unknown, names))));
        }
        fields
            .map(|(name, ty)| match (object.get(name), ty) {
                (Some(json), _) => self.value(json, ty, &path.name(name)),
                (None, Type::Optional(_)) => Ok(Value::None),
                (None, _) => Err(path.error(format!("{name:?} is missing: {}", self.expected(ty)))),
            })
            .collect()
    }

    /// A value whose type is not known: nothing from outside is one.
    fn unknown(&self, json: &Json, path: &Path<'_>) -> Result<Value> {
        match (self.form, json) {
            (_, Json::Null) => Ok(Value::None),
            (Form::Outside | Form::Answer, _) => Err(path.error(format!("nothing is expected here, found {}", shown(json)))),
            (Form::Stored, Json::Object(object)) if object.len() == 1 => {
                let (tag, json) = object.iter().next().expect("it has one entry");
                self.tagged(tag, json, path)
            }
            (Form::Stored, _) => Err(path.error(format!("expected a value with its kind, found {}", shown(json)))),
        }
    }

    fn tagged(&self, tag: &str, json: &Json, path: &Path<'_>) -> Result<Value> {
        let items = || self.array(json, &Type::List(Box::new(Type::Unknown)), path);
        let values = |items: &[Json]| items.iter().map(|item| self.unknown(item, path)).collect::<Result<Vec<Value>>>();
        let ty = match tag {
            "bool" => Type::Bool,
            "int" => Type::Int,
            "float" => Type::Float,
            "text" => Type::Text,
            "bytes" => Type::Bytes,
            "time" => Type::Time,
            "duration" => Type::Duration,
            "space" => Type::Space,
            "ref" => {
                let Json::String(text) = json else { return Err(path.error("expected a reference")) };
                return Ok(Value::Ref(self.reference(text, path)?));
            }
            "list" => return Ok(Value::List(Arc::new(values(items()?)?.into()))),
            "set" => return Ok(Value::Set(Arc::new(values(items()?)?.into_iter().collect()))),
            "struct" => return Ok(Value::Struct(values(items()?)?.into())),
            "map" => {
                let mut map = OrdMap::new();
                for pair in items()? {
                    let Some([key, value]) = pair.as_array().map(Vec::as_slice) else { return Err(path.error("expected a pair")) };
                    map.insert(self.unknown(key, path)?, self.unknown(value, path)?);
                }
                return Ok(Value::Map(Arc::new(map)));
            }
            "variant" => {
                let [Json::Number(variant), Json::Array(fields)] = items()? else {
                    return Err(path.error("expected a variant and its fields"));
                };
                let Some(variant) = variant.as_u64().and_then(|n| u32::try_from(n).ok()) else {
                    return Err(path.error("expected the number of a variant"));
                };
                return Ok(Value::Variant(variant, values(fields)?.into()));
            }
            other => return Err(path.error(format!("there are no values of the kind {other:?}"))),
        };
        self.scalar(json, &ty, path)
    }

    fn mismatch<T>(&self, json: &Json, ty: &Type, path: &Path<'_>) -> Result<T> {
        Err(self.unexpected(json, ty, path))
    }

    fn unexpected(&self, json: &Json, ty: &Type, path: &Path<'_>) -> JsonError {
        path.error(format!("expected {}, found {}", self.expected(ty), shown(json)))
    }

    /// The type as someone who writes JSON needs it, with an example where that helps.
    fn expected(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "true or false".into(),
            Type::Int => "an Int".into(),
            Type::Float => "a Float".into(),
            Type::Text => "a Text".into(),
            Type::Bytes => "Bytes as base64".into(),
            Type::Time => "a Time like \"2030-01-31T12:00:00Z\"".into(),
            Type::Duration => "a Duration like \"30s\" or \"1h5m\" (units: d h m s ms, in this order)".into(),
            Type::Space => "a space like \"home\"".into(),
            Type::Failure => "a failure with kind and message".into(),
            Type::List(of) => format!("an array for a List<{}>", self.program.ty(of)),
            Type::Set(of) => format!("an array for a Set<{}>", self.program.ty(of)),
            Type::Map(key, of) if **key == Type::Text => format!("an object for a Map<Text, {}>", self.program.ty(of)),
            Type::Map(key, of) => format!("an array of [key, value] pairs for a Map<{}, {}>", self.program.ty(key), self.program.ty(of)),
            Type::Optional(of) => format!("{}, or null", self.expected(of)),
            Type::Struct(id, _) => {
                let of = &self.program.structs[id.index()];
                format!("an object for a {} with {}", of.name, field_names(&of.fields))
            }
            Type::Enum(id, _) => {
                let of = &self.program.enums[id.index()];
                let example = match of.variants.iter().find(|v| v.fields.is_empty()).or(of.variants.first()) {
                    Some(v) if v.fields.is_empty() => format!(" like {:?}", v.name.as_str()),
                    Some(v) => format!(" like {{{:?}:{{…}}}} with {}", v.name.as_str(), field_names(&v.fields)),
                    None => String::new(),
                };
                format!("a {}{example}", of.name)
            }
            Type::Record(id, _) => {
                let of = self.program.record(*id);
                let space = match of.home {
                    Home::Plain(_) => "",
                    _ => "@…",
                };
                let (open, close) = if self.form == Form::Stored { ("", "") } else { ("{\"ref\":", "}") };
                format!("a {0} reference like {open}\"{0}/…{space}\"{close}", of.name)
            }
            Type::SagaResult(_) => "the results of a saga".into(),
            Type::Unknown => "nothing".into(),
        }
    }
}

fn field_names(fields: &[Field]) -> String {
    if fields.is_empty() {
        return "no fields".into();
    }
    fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ")
}
