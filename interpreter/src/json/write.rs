//! Values to JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use patternc_program::{Field, Program, Type};

use super::error::JsonError;
use super::reference::{write_reference, write_space};
use super::{Form, scalar};
use crate::duration;
use crate::value::Value;

/// Appends a value of this type as JSON.
///
/// Fails when the value is not of the type, which only a program that `check` refuses can bring about.
pub fn write_value(out: &mut String, program: &Program, form: Form, value: &Value, ty: &Type) -> Result<(), JsonError> {
    Writer { program, form, canonical: false, out }.value(value, ty)
}

/// Appends a value that tells others apart, in the stored form: of equal values, the texts are equal too.
pub fn write_key(out: &mut String, program: &Program, value: &Value, ty: &Type) -> Result<(), JsonError> {
    Writer { program, form: Form::Stored, canonical: true, out }.value(value, ty)
}

/// Appends a text with its quotes.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        clean = at + 1;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}").expect("writing to a String cannot fail");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

struct Writer<'a> {
    program: &'a Program,
    form: Form,
    /// In a key: what is equal is written alike.
    canonical: bool,
    out: &'a mut String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, ty: &Type) -> Result<(), JsonError> {
        match (ty, value) {
            (Type::Unknown, value) if self.form == Form::Stored => self.tagged(value),
            (Type::Unknown | Type::Optional(_), Value::None) => {
                self.out.push_str("null");
                Ok(())
            }
            (Type::Optional(of), value) => self.value(value, of),
            (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::Float, Value::Float(_))
            | (Type::Text, Value::Text(_))
            | (Type::Bytes, Value::Bytes(_))
            | (Type::Time, Value::Time(_))
            | (Type::Duration, Value::Duration(_))
            | (Type::Space, Value::Space(_))
            | (Type::Record(..), Value::Ref(_)) => {
                self.scalar(value);
                Ok(())
            }
            (Type::Failure, Value::Struct(fields)) if fields.len() == 2 => {
                self.fields(["kind", "message"].into_iter().zip([&Type::Text, &Type::Text]), fields)
            }
            (Type::List(of), Value::List(items)) => self.items(items.iter(), |w, item| w.value(item, of)),
            (Type::Set(of), Value::Set(items)) => self.items(items.iter(), |w, item| w.key(item, of)),
            (Type::Map(key, of), Value::Map(entries)) if **key == Type::Text => {
                self.out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    self.comma(i);
                    match key {
                        Value::Text(key) => write_text(self.out, key),
                        other => return self.mismatch(other, &Type::Text),
                    }
                    self.out.push(':');
                    self.value(value, of)?;
                }
                self.out.push('}');
                Ok(())
            }
            (Type::Map(key, of), Value::Map(entries)) => self.items(entries.iter(), |w, (k, v)| {
                w.out.push('[');
                w.key(k, key)?;
                w.out.push(',');
                w.value(v, of)?;
                w.out.push(']');
                Ok(())
            }),
            (Type::Struct(id, _), Value::Struct(values)) => {
                let fields = &self.program.structs[id.index()].fields;
                if fields.len() != values.len() {
                    return self.mismatch(value, ty);
                }
                self.fields(named(fields), values)
            }
            (Type::Enum(id, _), Value::Variant(variant, values)) => {
                let Some(variant) = self.program.enums[id.index()].variants.get(*variant as usize) else {
                    return self.mismatch(value, ty);
                };
                if variant.fields.len() != values.len() {
                    return self.mismatch(value, ty);
                }
                if values.is_empty() {
                    write_text(self.out, variant.name.as_str());
                    return Ok(());
                }
                self.out.push('{');
                write_text(self.out, variant.name.as_str());
                self.out.push(':');
                self.fields(named(&variant.fields), values)?;
                self.out.push('}');
                Ok(())
            }
            (Type::SagaResult(results), Value::Struct(values)) if results.len() == values.len() => self.fields(named(results), values),
            (ty, value) => self.mismatch(value, ty),
        }
    }

    /// A key of a map or an element of a set.
    fn key(&mut self, value: &Value, ty: &Type) -> Result<(), JsonError> {
        let outer = std::mem::replace(&mut self.canonical, true);
        let written = self.value(value, ty);
        self.canonical = outer;
        written
    }

    /// A value that is not of its type: shown as it is, never stored.
    fn mismatch(&mut self, value: &Value, ty: &Type) -> Result<(), JsonError> {
        if self.form == Form::Stored {
            let message = format!("a value that is not a {} cannot be stored: {value:?}", self.program.ty(ty));
            return Err(JsonError { path: String::new(), message });
        }
        self.untyped(value)
    }

    fn scalar(&mut self, value: &Value) {
        match value {
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => write!(self.out, "{n}").expect("writing to a String cannot fail"),
            // -0 equals 0, and is not the same. Databases that keep it as a number lose its sign.
            Value::Float(x) if *x == 0.0 && x.is_sign_negative() && !self.canonical => {
                self.out.push_str(if self.form == Form::Stored { "\"-0.0\"" } else { "-0.0" });
            }
            Value::Float(x) => {
                let number = serde_json::Number::from_f64(*x + 0.0).expect("Floats are finite");
                write!(self.out, "{number}").expect("writing to a String cannot fail");
            }
            Value::Text(text) => write_text(self.out, text),
            Value::Bytes(bytes) => {
                self.out.push('"');
                BASE64.encode_string(bytes, self.out);
                self.out.push('"');
            }
            Value::Time(ms) => match scalar::time(*ms, self.form == Form::Stored) {
                Some(text) => write_text(self.out, &text),
                // Beyond the years that can be written.
                None => write!(self.out, "{ms}").expect("writing to a String cannot fail"),
            },
            Value::Duration(ms) => write_text(self.out, &duration::exact(*ms)),
            Value::Space(space) => {
                let mut text = String::new();
                write_space(&mut text, self.program, space);
                write_text(self.out, &text);
            }
            Value::Ref(record) => {
                let mut text = String::new();
                write_reference(&mut text, self.program, self.form, record);
                if self.form == Form::Stored {
                    write_text(self.out, &text);
                } else {
                    self.out.push_str("{\"ref\":");
                    write_text(self.out, &text);
                    self.out.push('}');
                }
            }
            Value::None | Value::List(_) | Value::Set(_) | Value::Map(_) | Value::Struct(_) | Value::Variant(..) => {
                self.out.push_str("null");
            }
        }
    }

    /// A value as it is, without names: for people only.
    fn untyped(&mut self, value: &Value) -> Result<(), JsonError> {
        match value {
            Value::List(items) => self.items(items.iter(), |w, item| w.untyped(item)),
            Value::Set(items) => self.items(items.iter(), |w, item| w.untyped(item)),
            Value::Map(entries) => self.items(entries.iter(), |w, (key, value)| w.items([key, value].into_iter(), |w, x| w.untyped(x))),
            Value::Struct(values) => self.items(values.iter(), |w, item| w.untyped(item)),
            Value::Variant(variant, values) => {
                write!(self.out, "{{\"{variant}\":").expect("writing to a String cannot fail");
                self.items(values.iter(), |w, item| w.untyped(item))?;
                self.out.push('}');
                Ok(())
            }
            scalar => {
                self.scalar(scalar);
                Ok(())
            }
        }
    }

    /// A value that says itself what it is, for where no type is known.
    fn tagged(&mut self, value: &Value) -> Result<(), JsonError> {
        let tag = match value {
            Value::None => {
                self.out.push_str("null");
                return Ok(());
            }
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Time(_) => "time",
            Value::Duration(_) => "duration",
            Value::Space(_) => "space",
            Value::Ref(_) => "ref",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Map(_) => "map",
            Value::Struct(_) => "struct",
            Value::Variant(..) => "variant",
        };
        write!(self.out, "{{\"{tag}\":").expect("writing to a String cannot fail");
        match value {
            Value::List(items) => self.items(items.iter(), |w, item| w.tagged(item))?,
            Value::Set(items) => self.items(items.iter(), |w, item| w.tagged(item))?,
            Value::Map(entries) => self.items(entries.iter(), |w, (key, value)| w.items([key, value].into_iter(), |w, x| w.tagged(x)))?,
            Value::Struct(values) => self.items(values.iter(), |w, item| w.tagged(item))?,
            Value::Variant(variant, values) => {
                write!(self.out, "[{variant},").expect("writing to a String cannot fail");
                self.items(values.iter(), |w, item| w.tagged(item))?;
                self.out.push(']');
            }
            scalar => self.scalar(scalar),
        }
        self.out.push('}');
        Ok(())
    }

    fn items<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.out.push('[');
        for (i, each) in items.enumerate() {
            self.comma(i);
            item(self, each)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn fields<'n>(&mut self, fields: impl Iterator<Item = (&'n str, &'n Type)>, values: &[Value]) -> Result<(), JsonError> {
        self.out.push('{');
        for (i, ((name, ty), value)) in fields.zip(values).enumerate() {
            self.comma(i);
            write_text(self.out, name);
            self.out.push(':');
            self.value(value, ty)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }
}

/// The names and types of fields, in order.
pub(super) fn named(fields: &[Field]) -> impl Iterator<Item = (&str, &Type)> + Clone {
    fields.iter().map(|field| (field.name.as_str(), &field.ty))
}
