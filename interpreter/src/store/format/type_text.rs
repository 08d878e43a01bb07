//! Types as text, by names: `List<Message>`, and the other way.

use std::collections::BTreeMap;

use patternc_program::{EnumId, Field, Home, Name, Place, Program, RecordId, StructId, Type};

/// Reads a type as [`Program::ty`] writes it, without places: they are no part of how a value is written.
pub(in crate::store) fn parse(program: &Program, text: &str) -> Option<Type> {
    let mut rest = text;
    let ty = parse_type(program, &mut rest)?;
    rest.is_empty().then_some(ty)
}

fn parse_type(program: &Program, rest: &mut &str) -> Option<Type> {
    let mut ty = if eat(rest, "(") {
        let mut results = Vec::new();
        while !eat(rest, ")") {
            if !results.is_empty() && !eat(rest, ", ") {
                return None;
            }
            let name = eat_name(rest);
            if !eat(rest, ": ") {
                return None;
            }
            results.push(Field { name: Name::from(name), ty: parse_type(program, rest)? });
        }
        Type::SagaResult(results)
    } else if rest.starts_with('?') {
        *rest = &rest[1..];
        Type::Unknown
    } else {
        let name = eat_name(rest);
        let ty = match name {
            "List" => Type::List(Box::new(parse_arguments(program, rest, 1)?.pop()?)),
            "Set" => Type::Set(Box::new(parse_arguments(program, rest, 1)?.pop()?)),
            "Map" => {
                let mut arguments = parse_arguments(program, rest, 2)?;
                let value = arguments.pop()?;
                Type::Map(Box::new(arguments.pop()?), Box::new(value))
            }
            name => named(program, name)?,
        };
        if eat(rest, "@") {
            eat_name(rest);
        }
        ty
    };
    while eat(rest, "?") {
        ty = Type::Optional(Box::new(ty));
    }
    Some(ty)
}

fn parse_arguments(program: &Program, rest: &mut &str, count: usize) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    for i in 0..count {
        if !eat(rest, if i == 0 { "<" } else { ", " }) {
            return None;
        }
        types.push(parse_type(program, rest)?);
    }
    eat(rest, ">").then_some(types)
}

fn eat_name<'t>(rest: &mut &'t str) -> &'t str {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    *rest = tail;
    name
}

fn eat(rest: &mut &str, text: &str) -> bool {
    match rest.strip_prefix(text) {
        Some(tail) => {
            *rest = tail;
            true
        }
        None => false,
    }
}

fn named(program: &Program, name: &str) -> Option<Type> {
    Some(match name {
        "Bool" => Type::Bool,
        "Int" => Type::Int,
        "Float" => Type::Float,
        "Text" => Type::Text,
        "Bytes" => Type::Bytes,
        "Time" => Type::Time,
        "Duration" => Type::Duration,
        "Space" => Type::Space,
        "Failure" => Type::Failure,
        name => {
            if let Some(record) = program.record_named(name) {
                return Some(Type::Record(record, Place::Any));
            }
            if let Some(at) = program.structs.iter().position(|s| s.name == name) {
                return Some(Type::Struct(StructId(at as u32), Place::Any));
            }
            let at = program.enums.iter().position(|e| e.name == name)?;
            Type::Enum(EnumId(at as u32), Place::Any)
        }
    })
}

/// A type with everything it is made of: two programs in which it is the same write its values alike and accept the same ones.
pub(in crate::store) fn layout(program: &Program, ty: &Type) -> String {
    let mut parts = BTreeMap::new();
    collect(program, ty, &mut parts);
    let parts = parts.into_iter().map(|(name, definition)| format!("; {name} {definition}"));
    std::iter::once(program.ty(ty)).chain(parts).collect()
}

fn collect(program: &Program, ty: &Type, parts: &mut BTreeMap<String, String>) {
    match ty {
        Type::List(of) | Type::Set(of) | Type::Optional(of) => collect(program, of, parts),
        Type::Map(key, of) => {
            collect(program, key, parts);
            collect(program, of, parts);
        }
        Type::SagaResult(results) => results.iter().for_each(|result| collect(program, &result.ty, parts)),
        Type::Struct(id, _) => {
            let of = &program.structs[id.index()];
            if !parts.contains_key(of.name.as_str()) {
                parts.insert(of.name.to_string(), fields_text(program, &of.fields));
                of.fields.iter().for_each(|field| collect(program, &field.ty, parts));
            }
        }
        Type::Enum(id, _) => {
            let of = &program.enums[id.index()];
            if !parts.contains_key(of.name.as_str()) {
                let variants = of.variants.iter().map(|v| format!("{}{}", v.name, fields_text(program, &v.fields)));
                parts.insert(of.name.to_string(), variants.collect::<Vec<_>>().join(" | "));
                of.variants.iter().flat_map(|v| &v.fields).for_each(|field| collect(program, &field.ty, parts));
            }
        }
        Type::Record(id, _) => {
            parts.insert(program.record_name(*id).to_owned(), home(program, *id));
        }
        Type::Bool
        | Type::Int
        | Type::Float
        | Type::Text
        | Type::Bytes
        | Type::Time
        | Type::Duration
        | Type::Space
        | Type::Failure
        | Type::Unknown => {}
    }
}

fn fields_text(program: &Program, fields: &[patternc_program::Field]) -> String {
    let fields = fields.iter().map(|field| format!("{}: {}", field.name, program.ty(&field.ty)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// Where the records of a type can be: "in home", "in user[Text]", "anywhere".
pub(in crate::store) fn home(program: &Program, record: RecordId) -> String {
    match program.record(record).home {
        Home::Plain(space) => format!("in {}", program.spaces[space.index()].name),
        Home::Family(space) => {
            let space = &program.spaces[space.index()];
            let key = space.key.as_ref().map_or(String::new(), |key| program.ty(key));
            format!("in {}[{key}]", space.name)
        }
        Home::Floating => "anywhere".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_program::{MESSAGE, NOTE, STATUS, program};

    #[test]
    fn types_are_read_as_they_are_written() {
        let program = program();
        let any = Place::Any;
        let optional = |ty| Type::Optional(Box::new(ty));
        let map = |key, value| Type::Map(Box::new(key), Box::new(value));
        let results =
            |of: Vec<(&str, Type)>| Type::SagaResult(of.into_iter().map(|(name, ty)| Field { name: Name::from(name), ty }).collect());
        for ty in [
            Type::Unknown,
            optional(Type::Int),
            Type::List(Box::new(optional(Type::Struct(MESSAGE, any)))),
            map(Type::Record(NOTE, any), map(Type::Enum(STATUS, any), Type::Set(Box::new(Type::Float)))),
            Type::SagaResult(vec![]),
            results(vec![("a", Type::Unknown), ("b_2", optional(results(vec![("c", Type::Failure)]))), ("d", Type::Space)]),
        ] {
            assert_eq!(parse(&program, &program.ty(&ty)), Some(ty));
        }
        for wrong in ["", "Lst<Int>", "List<Int", "List", "Map<Int>", "Int Int", "(Int", "(Int)", "Nobody"] {
            assert_eq!(parse(&program, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_layout_has_all_definitions() {
        let program = program();
        let ty = Type::List(Box::new(Type::Struct(MESSAGE, Place::Any)));
        assert_eq!(layout(&program, &ty), "List<Message@any>; Message {author: Person, text: Text, at: Time}; Person in home");
    }
}
