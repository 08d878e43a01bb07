//! Values and events as the language writes them, with the names that are bound at the prompt.

use std::fmt::Write as _;

use patternc_interpreter::event::Action;
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{Program, Type};

use super::session::Variable;

/// A text as the language writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '{' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The value as an expression of the language; `None` where it has none, or holds records that no name is bound to.
pub fn literal(program: &Program, names: &[Variable], value: &Value, ty: &Type) -> Option<String> {
    let sequence = |name: &str, items: &mut dyn Iterator<Item = &Value>, of: &Type| {
        let items: Option<Vec<String>> = items.map(|item| literal(program, names, item, of)).collect();
        Some(format!("{name}[{}]", items?.join(", ")))
    };
    let named = |fields: &[patternc_program::Field], values: &[Value]| {
        let fields =
            fields.iter().zip(values).map(|(field, value)| Some(format!("{}: {}", field.name, literal(program, names, value, &field.ty)?)));
        Some(fields.collect::<Option<Vec<String>>>()?.join(", "))
    };
    match (value, ty) {
        (Value::None, Type::Optional(_)) => Some("none".to_owned()),
        (value, Type::Optional(of)) => literal(program, names, value, of),
        (Value::Text(text), _) => Some(quoted(text)),
        (Value::Int(n), _) => Some(n.to_string()).filter(|_| *n != i64::MIN),
        (Value::Float(x), _) if !x.is_finite() => None,
        (Value::Bool(_) | Value::Float(_) | Value::Duration(_), ty) => Some(crate::render::value::text(program, value, ty)),
        (Value::Ref(record), _) => name_of(names, record),
        (Value::List(items), Type::List(of)) => sequence("", &mut items.iter(), of),
        (Value::Set(items), Type::Set(of)) => sequence("Set", &mut items.iter(), of),
        (Value::Map(entries), Type::Map(key, of)) => {
            let entries =
                entries.iter().map(|(k, v)| Some(format!("{}: {}", literal(program, names, k, key)?, literal(program, names, v, of)?)));
            Some(format!("Map[{}]", entries.collect::<Option<Vec<String>>>()?.join(", ")))
        }
        (Value::Struct(values), Type::Struct(of, _)) => {
            let of = &program.structs[of.index()];
            Some(format!("{} {{ {} }}", of.name, named(&of.fields, values)?))
        }
        (Value::Variant(variant, values), Type::Enum(of, _)) => {
            let of = &program.enums[of.index()];
            let variant = &of.variants[*variant as usize];
            let values = if values.is_empty() { String::new() } else { format!("({})", named(&variant.fields, values)?) };
            Some(format!("{}.{}{values}", of.name, variant.name))
        }
        _ => None,
    }
}

/// The name that a record is bound to.
fn name_of(names: &[Variable], record: &RecordRef) -> Option<String> {
    let known = names.iter().find(|v| matches!(&v.value, Value::Ref(other) if other == record))?;
    Some(known.name.to_string())
}

/// The event as a statement; `None` where a record or value of it cannot be written.
pub fn event(program: &Program, names: &[Variable], action: &Action) -> Option<String> {
    let call = |to: &RecordRef, name: patternc_program::Name, params: &[patternc_program::Field], args: &[Value]| {
        let args: Option<Vec<String>> = params.iter().zip(args).map(|(param, arg)| literal(program, names, arg, &param.ty)).collect();
        Some(format!("{}.{name}({})", name_of(names, to)?, args?.join(", ")))
    };
    match action {
        Action::Handler { to, handler, args } => {
            let handler = program.handler(*handler);
            call(to, handler.name, &handler.params, args)
        }
        Action::Saga { to, saga, args } => {
            let saga = &program.sagas[saga.index()];
            call(to, saga.name, &saga.params, args)
        }
        Action::Create { record, space, cells, .. } => {
            let of = program.record(*record);
            let cells = cells.iter().map(|(cell, value)| {
                let cell = &of.cells[cell.index()];
                Some(format!("{}: {}", cell.name, literal(program, names, value, &cell.ty)?))
            });
            let cells = cells.collect::<Option<Vec<String>>>()?.join(", ");
            Some(format!("create {} in {} {{ {cells} }}", of.name, space_text(program, names, space)?))
        }
        Action::Extern { .. } => None,
    }
}

fn space_text(program: &Program, names: &[Variable], space: &SpaceRef) -> Option<String> {
    let of = &program.spaces[space.space.index()];
    Some(match (&space.key, &of.key) {
        (Some(key), Some(ty)) => format!("{}[{}]", of.name, literal(program, names, key, ty)?),
        _ => of.name.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use patternc_grammar::parse_statements;

    use super::*;

    #[test]
    fn texts_are_written_so_that_they_are_read_the_same() {
        for text in ["", "a \"b\" \\ {c}", "two\nlines\t\u{1}", "ü"] {
            let source = format!("let x = {}", quoted(text));
            let parsed = parse_statements(&source);
            assert_eq!(parsed.errors, [], "{source}");
            assert!(format!("{:?}", parsed.block).contains(&format!("{text:?}")), "{source} {:?}", parsed.block);
        }
    }
}
