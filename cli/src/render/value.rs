//! Values as the language writes them, for people: `Set[Person/ada]`, `Status.lent(to: Member/ann)`.

use std::fmt::Write;

use patternc_interpreter::json;
use patternc_interpreter::value::Value;
use patternc_program::{Field, Program, Type};

/// The value on one line.
pub fn text(program: &Program, value: &Value, ty: &Type) -> String {
    let mut out = String::new();
    write(&mut out, program, value, ty);
    out
}

fn write(out: &mut String, program: &Program, value: &Value, ty: &Type) {
    match (value, ty) {
        (Value::None, _) => out.push_str("none"),
        (value, Type::Optional(of)) => write(out, program, value, of),
        (Value::Ref(record), _) => out.push_str(&json::reference_text(program, record)),
        (Value::Space(space), _) => out.push_str(&json::space_text(program, space)),
        (Value::List(items), Type::List(of)) => sequence(out, program, "", items.iter(), of),
        (Value::Set(items), Type::Set(of)) => sequence(out, program, "Set", items.iter(), of),
        (Value::Map(entries), Type::Map(key, of)) => {
            out.push_str("Map[");
            for (i, (k, v)) in entries.iter().enumerate() {
                separate(out, i);
                write(out, program, k, key);
                out.push_str(": ");
                write(out, program, v, of);
            }
            out.push(']');
        }
        (Value::Struct(fields), Type::Struct(of, _)) => {
            let declared = &program.structs[of.index()];
            let _ = write!(out, "{} {{ ", declared.name);
            named(out, program, &declared.fields, fields);
            out.push_str(" }");
        }
        (Value::Variant(variant, fields), Type::Enum(of, _)) => {
            let declared = &program.enums[of.index()];
            let variant = &declared.variants[*variant as usize];
            let _ = write!(out, "{}.{}", declared.name, variant.name);
            if !fields.is_empty() {
                out.push('(');
                named(out, program, &variant.fields, fields);
                out.push(')');
            }
        }
        (value, ty) => out.push_str(json::to_text(program, value, ty).trim_matches(|c| matches!(value, Value::Duration(_)) && c == '"')),
    }
}

fn sequence<'a>(out: &mut String, program: &Program, name: &str, items: impl Iterator<Item = &'a Value>, of: &Type) {
    out.push_str(name);
    out.push('[');
    for (i, item) in items.enumerate() {
        separate(out, i);
        write(out, program, item, of);
    }
    out.push(']');
}

fn named(out: &mut String, program: &Program, fields: &[Field], values: &[Value]) {
    for (i, (field, value)) in fields.iter().zip(values).enumerate() {
        separate(out, i);
        let _ = write!(out, "{}: ", field.name);
        write(out, program, value, &field.ty);
    }
}

fn separate(out: &mut String, i: usize) {
    if i > 0 {
        out.push_str(", ");
    }
}
