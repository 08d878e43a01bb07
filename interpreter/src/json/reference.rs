//! References and spaces as text: `Person/ada`, `Profile/ada@user[did:plc:ada]`, `Bounty["b1"]`.
//!
//! In an id, `%`, `@`, control characters and white space other than a space are written as `%` and two hexadecimal digits a byte (UTF-8);
//! in the key of a family's space also `[`, `]` and `"`. Reading takes any character written so.

use patternc_program::{Home, Program, RecordId, SpaceId, Type};
use percent_encoding::{percent_decode_str, percent_encode_byte};
use serde_json::Value as Json;

use super::error::{JsonError, Path, meant};
use super::{Form, Names, Reader, scalar};
use crate::duration;
use crate::value::{RecordRef, SpaceRef, Value};

/// Appends a reference. The space is left out where the type says it, but for the stored form.
pub(super) fn write_reference(out: &mut String, program: &Program, form: Form, record: &RecordRef) {
    let ty = program.record(record.record());
    out.push_str(ty.name.as_str());
    out.push('/');
    escape(out, record.id(), "%@");
    if form == Form::Stored || !matches!(ty.home, Home::Plain(space) if space == record.space().space) {
        out.push('@');
        write_space(out, program, record.space());
    }
}

/// The id of a record as it is written in references.
pub(super) fn id_text(record: &RecordRef) -> String {
    let mut out = String::new();
    escape(&mut out, record.id(), "%@");
    out
}

/// Appends a space.
pub(super) fn write_space(out: &mut String, program: &Program, space: &SpaceRef) {
    out.push_str(program.spaces[space.space.index()].name.as_str());
    if let Some(key) = &space.key {
        out.push('[');
        match &**key {
            Value::Text(text) => escape(out, text, "%[]\""),
            Value::Int(n) => out.push_str(&n.to_string()),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Duration(ms) => out.push_str(&duration::exact(*ms)),
            Value::Time(ms) => out.push_str(&scalar::time(*ms, false).unwrap_or_else(|| ms.to_string())),
            Value::Ref(record) => write_reference(out, program, Form::Stored, record),
            // No family has keys of another type; what a program that `check` refuses makes of it is still told apart.
            other => escape(out, &format!("{other:?}"), "%[]\""),
        }
        out.push(']');
    }
}

fn escape(out: &mut String, text: &str, special: &str) {
    for c in text.chars() {
        if c.is_control() || (c.is_whitespace() && c != ' ') || special.contains(c) {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(percent_encode_byte));
        } else {
            out.push(c);
        }
    }
}

/// Reads what [`id_text`] wrote.
pub(crate) fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let is_code = |after: &str| after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_code) {
        return Err(format!("a `%` in {text:?} is not followed by two hexadecimal digits; `%` itself is written %25"));
    }
    let read = percent_decode_str(text).decode_utf8().map_err(|_| format!("what is written with `%` in {text:?} is not UTF-8"))?;
    Ok(read.into_owned())
}

impl Names {
    /// The record type of this name.
    pub(super) fn record(&self, program: &Program, name: &str, path: &Path<'_>) -> Result<RecordId, JsonError> {
        self.records.get(name).copied().ok_or_else(|| {
            path.error(format!("there is no record type {name:?}{}", meant(name, program.records.iter().map(|r| r.name.as_str()))))
        })
    }
}

impl Reader<'_> {
    /// Reads a space: `home`, `user[did:plc:ada]` or `user["did:plc:ada"]`.
    pub fn space(&self, text: &str, path: &Path<'_>) -> Result<SpaceRef, JsonError> {
        let (name, key) = match text.split_once('[') {
            Some((name, rest)) => match rest.strip_suffix(']') {
                Some(key) => (name, Some(key)),
                None => return Err(path.error(format!("the `[` in the space {text:?} is not closed"))),
            },
            None => (text, None),
        };
        let names = self.program.spaces.iter().map(|s| s.name.as_str());
        let Some(id) = self.names.spaces.get(name).copied() else {
            return Err(path.error(format!("there is no space {name:?}{}", meant(name, names))));
        };
        match (&self.program.spaces[id.index()].key, key) {
            (None, None) => Ok(SpaceRef { space: id, key: None }),
            (Some(ty), Some(key)) => {
                let key = self.space_key(ty, key, path)?;
                Ok(SpaceRef { space: id, key: Some(std::sync::Arc::new(key)) })
            }
            (None, Some(_)) => Err(path.error(format!("`{name}` is one space: it takes no key"))),
            (Some(_), None) => Err(path.error(format!("`{name}` is a family of spaces: write which one, like {name}[…]"))),
        }
    }

    fn space_key(&self, ty: &Type, text: &str, path: &Path<'_>) -> Result<Value, JsonError> {
        if let Type::Text = ty {
            if text.len() >= 2 && text.starts_with('"') {
                return match serde_json::from_str::<String>(text) {
                    Ok(key) => Ok(Value::Text(key.into())),
                    Err(_) => Err(path.error(format!("the key {text} of the space is not one text in double quotes"))),
                };
            }
            return unescape(text).map(|key| Value::Text(key.into())).map_err(|message| path.error(message));
        }
        if let Type::Record(..) = ty {
            return Ok(Value::Ref(self.reference(text, path)?));
        }
        let json = match ty {
            Type::Int | Type::Bool => serde_json::from_str(text).unwrap_or(Json::String(text.to_owned())),
            _ => Json::String(text.to_owned()),
        };
        self.value(&json, ty, path)
    }

    /// Reads a reference of any type, like `Person/ada`. `Bounty["b1"]` is looked up.
    pub fn reference(&self, text: &str, path: &Path<'_>) -> Result<RecordRef, JsonError> {
        let Some(end) = text.find(['/', '[']) else {
            return Err(path.error(format!("expected a reference like \"Person/ada\", found {text:?}")));
        };
        let record = self.names.record(self.program, &text[..end], path)?;
        if text[end..].starts_with('[') {
            return self.reference_by_key(record, text, end + 1, path);
        }
        let rest = &text[end + 1..];
        let (id, space) = match rest.split_once('@') {
            Some((id, space)) => (id, Some(space)),
            None => (rest, None),
        };
        let id = unescape(id).map_err(|message| path.error(message))?;
        if id.is_empty() {
            return Err(path.error(format!("the id in {text:?} is empty")));
        }
        let space = self.space_of(record, text, space, path)?;
        Ok(RecordRef::new(record, space, id))
    }

    fn reference_by_key(&self, record: RecordId, text: &str, key_at: usize, path: &Path<'_>) -> Result<RecordRef, JsonError> {
        let ty = self.program.record(record);
        let name = ty.name;
        let Some(cell) = ty.key else {
            return Err(path.error(format!("{name} has no `key` cell: write its id, like {name}/…")));
        };
        let mut values = serde_json::Deserializer::from_str(&text[key_at..]).into_iter::<Json>();
        let key = match values.next() {
            Some(Ok(key)) => key,
            _ => return Err(path.error(format!("expected a key as JSON in {text:?}, like {name}[\"b1\"]"))),
        };
        let rest = &text[key_at + values.byte_offset()..];
        let space = match rest.strip_prefix(']') {
            Some("") => None,
            Some(space) if space.starts_with('@') => Some(&space[1..]),
            _ => return Err(path.error(format!("expected `]` after the key in {text:?}"))),
        };
        let space = self.space_of(record, text, space, path)?;
        let key = self.value(&key, &ty.cells[cell.index()].ty, path)?;
        let Some(keys) = self.keys else {
            return Err(path.error(format!("{text:?} names a record by its key; here it has to be an id, like {name}/…")));
        };
        match keys.by_key(record, &space, cell, &key) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(path.error(format!("there is no {text}"))),
            Err(error) => Err(path.error(error.to_string())),
        }
    }

    /// The space that a reference names or its type fixes.
    fn space_of(&self, record: RecordId, text: &str, written: Option<&str>, path: &Path<'_>) -> Result<SpaceRef, JsonError> {
        let ty = self.program.record(record);
        let name = ty.name;
        let Some(written) = written else {
            return match (ty.home, self.here) {
                (Home::Plain(space), _) => Ok(SpaceRef { space, key: None }),
                (Home::Family(family), Some(here)) if here.space == family => Ok(here.clone()),
                (Home::Floating, Some(here)) => Ok(here.clone()),
                (home, _) => {
                    let example = match home {
                        Home::Family(space) => format!("{}[…]", self.space_name(space)),
                        _ => self.program.spaces.first().map_or("home".to_owned(), |s| s.name.to_string()),
                    };
                    Err(path.error(format!("{text:?} does not say in which space: write it like \"{text}@{example}\"")))
                }
            };
        };
        let space = self.space(written, path).map_err(|mut error| {
            let name = written.split('[').next().unwrap_or(written);
            if !self.names.spaces.contains_key(name) {
                error.message.push_str(" (an `@` in an id is written %40)");
            }
            error
        })?;
        match ty.home {
            Home::Plain(home) | Home::Family(home) if home != space.space => {
                Err(path.error(format!("{name} is never in `{}`, only in `{}`", self.space_name(space.space), self.space_name(home))))
            }
            _ => Ok(space),
        }
    }

    fn space_name(&self, space: SpaceId) -> &str {
        self.program.spaces[space.index()].name.as_str()
    }
}
