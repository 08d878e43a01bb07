//! Whether a value from outside fits its type, and every reference in it its place.

use patternc_program::{Field, Home, Place, Program, RecordId, SpaceId, Type};

use crate::failure::{Failure, FailureKind};
use crate::value::{RecordRef, SpaceRef, Value};

/// Where `Here` is.
#[derive(Clone, Copy, Debug)]
pub enum Here<'a> {
    Space(&'a SpaceRef),
    /// Inside a value whose references may point anywhere.
    Anywhere,
    Plain(SpaceId),
}

impl Here<'_> {
    fn within(self, place: Place) -> Self {
        match place {
            Place::Here => self,
            Place::Plain(space) => Here::Plain(space),
            Place::Any => Here::Anywhere,
        }
    }

    fn holds(self, space: &SpaceRef) -> bool {
        match self {
            Here::Space(here) => here == space,
            Here::Anywhere => true,
            Here::Plain(plain) => space.space == plain && space.key.is_none(),
        }
    }
}

/// Tests a value and everything in it. `what` it is, for the message: "the argument `to`".
///
/// # Errors
/// `rejected` if the type is another, `isolation` if a reference points where it may not.
pub fn fits(program: &Program, value: &Value, ty: &Type, here: Here<'_>, what: &dyn std::fmt::Display) -> Result<(), Failure> {
    let mistyped = || Err(Failure::new(FailureKind::Rejected, format!("{what} must be {}", type_name(program, ty))));
    let fields = |fields: &[Field], values: &[Value], here: Here<'_>| {
        if fields.len() != values.len() {
            return mistyped();
        }
        fields
            .iter()
            .zip(values)
            .try_for_each(|(field, value)| fits(program, value, &field.ty, here, &format_args!("{what}.{}", field.name)))
    };
    match (ty, value) {
        (Type::Unknown, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Text, Value::Text(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Time, Value::Time(_))
        | (Type::Duration, Value::Duration(_))
        | (Type::Optional(_), Value::None) => Ok(()),
        // The machine makes no others: comparing, adding and writing them down would each have its own odd rule.
        (Type::Float, Value::Float(number)) if number.is_finite() => Ok(()),
        (Type::Space, Value::Space(space)) => {
            space_exists(program, space).map_err(|why| Failure::new(FailureKind::Rejected, format!("{what}: {why}")))
        }
        (Type::Failure, Value::Struct(fields)) if matches!(&**fields, [Value::Text(_), Value::Text(_)]) => Ok(()),
        (Type::Optional(inner), value) => fits(program, value, inner, here, what),
        (Type::List(element), Value::List(list)) => list.iter().try_for_each(|value| fits(program, value, element, here, what)),
        (Type::Set(element), Value::Set(set)) => set.iter().try_for_each(|value| fits(program, value, element, here, what)),
        (Type::Map(key, entry), Value::Map(map)) => {
            map.iter().try_for_each(|(k, v)| fits(program, k, key, here, what).and_then(|()| fits(program, v, entry, here, what)))
        }
        (Type::Struct(id, place), Value::Struct(values)) => fields(&program.structs[id.index()].fields, values, here.within(*place)),
        (Type::Enum(id, place), Value::Variant(variant, values)) => match program.enums[id.index()].variants.get(*variant as usize) {
            Some(variant) => fields(&variant.fields, values, here.within(*place)),
            None => mistyped(),
        },
        (Type::Record(id, place), Value::Ref(record)) if record.record() == *id => {
            record_space(program, *id, record.space()).map_err(|why| {
                Failure::new(FailureKind::Rejected, format!("{what} is in {}: {why}", super::text::space(program, record.space())))
            })?;
            // All records of a type with a plain home are there, wherever they are seen from.
            let home = matches!(program.record(*id).home, Home::Plain(_));
            if home || here.within(*place).holds(record.space()) {
                Ok(())
            } else {
                Err(misplaced(program, record, here.within(*place), what))
            }
        }
        (Type::SagaResult(results), Value::Struct(values)) if results.len() == values.len() => {
            results.iter().zip(values.iter()).try_for_each(|(result, value)| fits(program, value, &result.ty, here, what))
        }
        _ => mistyped(),
    }
}

fn misplaced(program: &Program, record: &RecordRef, here: Here<'_>, what: &dyn std::fmt::Display) -> Failure {
    let wanted = match here {
        Here::Space(space) => super::text::space(program, space),
        Here::Plain(space) => program.spaces[space.index()].name.to_string(),
        Here::Anywhere => "any space".to_owned(),
    };
    let name = program.record(record.record()).name;
    let message =
        format!("{what} is {name} \"{}\" in space {}, but must be in {wanted}", record.id(), super::text::space(program, record.space()));
    Failure::new(FailureKind::Isolation, message)
}

/// Whether there can be such a space: a plain one has no key, one of a family a key of its type.
pub fn space_exists(program: &Program, space: &SpaceRef) -> Result<(), String> {
    let Some(declaration) = program.spaces.get(space.space.index()) else {
        return Err("there is no such space".to_owned());
    };
    match (&declaration.key, &space.key) {
        (None, None) => Ok(()),
        (Some(ty), Some(key)) => {
            fits(program, key, ty, Here::Anywhere, &"the key of the space").map_err(|failure| failure.message.to_string())
        }
        (None, Some(_)) => Err(format!("{} is one space and has no key", declaration.name)),
        (Some(_), None) => Err(format!("{} is a family of spaces: name one of them by its key", declaration.name)),
    }
}

/// Whether a record of this type can be in the space.
pub fn record_space(program: &Program, record: RecordId, space: &SpaceRef) -> Result<(), String> {
    space_exists(program, space)?;
    let declaration = program.record(record);
    match declaration.home {
        Home::Floating => Ok(()),
        Home::Plain(home) | Home::Family(home) if space.space == home => Ok(()),
        Home::Plain(home) | Home::Family(home) => Err(format!("every {} is in {}", declaration.name, program.spaces[home.index()].name)),
    }
}

/// The type as it is written in the language.
pub fn type_name(program: &Program, ty: &Type) -> String {
    let placed = |name: &str, place: &Place| match place {
        Place::Here => name.to_owned(),
        Place::Any => format!("{name}@any"),
        Place::Plain(space) => format!("{name}@{}", program.spaces[space.index()].name),
    };
    match ty {
        Type::Bool => "Bool".into(),
        Type::Int => "Int".into(),
        Type::Float => "Float".into(),
        Type::Text => "Text".into(),
        Type::Bytes => "Bytes".into(),
        Type::Time => "Time".into(),
        Type::Duration => "Duration".into(),
        Type::Space => "Space".into(),
        Type::Failure => "Failure".into(),
        Type::List(element) => format!("List<{}>", type_name(program, element)),
        Type::Set(element) => format!("Set<{}>", type_name(program, element)),
        Type::Map(key, entry) => format!("Map<{}, {}>", type_name(program, key), type_name(program, entry)),
        Type::Optional(inner) => format!("{}?", type_name(program, inner)),
        Type::Struct(id, place) => placed(&program.structs[id.index()].name, place),
        Type::Enum(id, place) => placed(&program.enums[id.index()].name, place),
        Type::Record(id, place) => placed(&program.record(*id).name, place),
        Type::SagaResult(_) => "the results of a saga".into(),
        Type::Unknown => "any value".into(),
    }
}
