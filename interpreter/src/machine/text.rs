//! The text of values, as `"{…}"` writes them and messages show them.
//!
//! A text stands for itself; inside collections, structs and variants it is quoted, so that its ends are seen. Everything else is written
//! as in the language. A reference is the id of its record.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use patternc_program::{Program, Type};

use crate::value::{SpaceRef, Value};

/// Appends the value of this type.
pub(crate) fn append(out: &mut String, program: &Program, value: &Value, ty: &Type) {
    match value {
        Value::Text(text) => out.push_str(text),
        value => append_quoted(out, program, value, ty),
    }
}

/// The value as it is written inside others.
pub(crate) fn quoted(program: &Program, value: &Value, ty: &Type) -> String {
    let mut out = String::new();
    append_quoted(&mut out, program, value, ty);
    out
}

/// "home" or "user[\"ann\"]".
pub(crate) fn space(program: &Program, space: &SpaceRef) -> String {
    let Some(declaration) = program.spaces.get(space.space.index()) else { return format!("space {}", space.space.0) };
    match &space.key {
        None => declaration.name.to_string(),
        Some(key) => format!("{}[{}]", declaration.name, quoted(program, key, declaration.key.as_ref().unwrap_or(&Type::Unknown))),
    }
}

fn append_quoted(out: &mut String, program: &Program, value: &Value, ty: &Type) {
    let ty = match ty {
        Type::Optional(inner) => inner,
        ty => ty,
    };
    match value {
        Value::None => out.push_str("none"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => {
            let _ = write!(out, "{number:?}");
        }
        Value::Text(text) => {
            let _ = write!(out, "{text:?}");
        }
        Value::Bytes(bytes) => out.push_str(&STANDARD.encode(bytes)),
        Value::Time(time) => match Timestamp::from_millisecond(*time) {
            Ok(time) => {
                let _ = write!(out, "{time}");
            }
            // Beyond the years that a date can be written of.
            Err(_) => {
                let _ = write!(out, "{time}ms after 1970");
            }
        },
        Value::Duration(duration) => out.push_str(&crate::duration::mixed(*duration)),
        Value::Space(reference) => out.push_str(&space(program, reference)),
        Value::Ref(record) => out.push_str(record.id()),
        Value::List(list) => {
            let element = element_type(ty);
            append_all(out, "[", "]", list.iter(), |out, value| append_quoted(out, program, value, element));
        }
        Value::Set(set) => {
            let element = element_type(ty);
            append_all(out, "Set[", "]", set.iter(), |out, value| append_quoted(out, program, value, element));
        }
        Value::Map(map) => {
            let (key, entry) = match ty {
                Type::Map(key, entry) => (&**key, &**entry),
                _ => (&Type::Unknown, &Type::Unknown),
            };
            append_all(out, "Map[", "]", map.iter(), |out, (k, v)| {
                append_quoted(out, program, k, key);
                out.push_str(": ");
                append_quoted(out, program, v, entry);
            });
        }
        Value::Struct(fields) => match ty {
            Type::Struct(id, _) if program.structs.get(id.index()).is_some_and(|s| s.fields.len() == fields.len()) => {
                let declaration = &program.structs[id.index()];
                out.push_str(&declaration.name);
                append_all(out, " { ", " }", declaration.fields.iter().zip(fields.iter()), |out, (field, value)| {
                    let _ = write!(out, "{}: ", field.name);
                    append_quoted(out, program, value, &field.ty);
                });
            }
            // A failure reads like its message with the kind before it.
            Type::Failure if fields.len() == 2 => {
                append(out, program, &fields[0], &Type::Text);
                out.push_str(": ");
                append(out, program, &fields[1], &Type::Text);
            }
            _ => append_all(out, "{ ", " }", fields.iter(), |out, value| append_quoted(out, program, value, &Type::Unknown)),
        },
        Value::Variant(variant, fields) => {
            let declaration = match ty {
                Type::Enum(id, _) => program.enums.get(id.index()).and_then(|e| e.variants.get(*variant as usize)),
                _ => None,
            };
            match declaration {
                Some(declaration) => out.push_str(&declaration.name),
                None => {
                    let _ = write!(out, "variant {variant}");
                }
            }
            if !fields.is_empty() {
                append_all(out, "(", ")", fields.iter().enumerate(), |out, (at, value)| {
                    let field = declaration.and_then(|d| d.fields.get(at));
                    if let Some(field) = field {
                        let _ = write!(out, "{}: ", field.name);
                    }
                    append_quoted(out, program, value, field.map_or(&Type::Unknown, |f| &f.ty));
                });
            }
        }
    }
}

fn element_type(ty: &Type) -> &Type {
    match ty {
        Type::List(element) | Type::Set(element) => element,
        _ => &Type::Unknown,
    }
}

fn append_all<T>(out: &mut String, open: &str, close: &str, items: impl Iterator<Item = T>, mut item: impl FnMut(&mut String, T)) {
    out.push_str(open);
    for (at, next) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        item(out, next);
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_inside_others_only() {
        let program = Program::default();
        let mut out = String::new();
        append(&mut out, &program, &Value::text("a \"b\""), &Type::Text);
        assert_eq!(out, "a \"b\"");
        let list = Value::list([Value::text("a \"b\""), Value::None]);
        assert_eq!(quoted(&program, &list, &Type::List(Box::new(Type::Text))), "[\"a \\\"b\\\"\", none]");
        assert_eq!(quoted(&program, &Value::map([(Value::Int(1), Value::Float(2.0))]), &Type::Unknown), "Map[1: 2.0]");
        assert_eq!(quoted(&program, &Value::Time(0), &Type::Time), "1970-01-01T00:00:00Z");
    }
}
