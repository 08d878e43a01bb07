//! Whether the references in a stored value point where its type says.

use patternc_program::{Place, Program, SpaceId, Type};

use crate::value::{SpaceRef, Value};

/// Where plain references must point.
#[derive(Clone, Copy)]
enum Here<'a> {
    In(&'a SpaceRef),
    Plain(SpaceId),
    Anywhere,
}

impl<'a> Here<'a> {
    fn at(self, place: Place) -> Here<'a> {
        match place {
            Place::Here => self,
            Place::Plain(space) => Here::Plain(space),
            Place::Any => Here::Anywhere,
        }
    }

    fn holds(self, space: &SpaceRef) -> bool {
        match self {
            Here::In(here) => here == space,
            Here::Plain(plain) => space.space == plain,
            Here::Anywhere => true,
        }
    }
}

/// Whether every reference in the value, which is held by a record in this space, is where the type says.
pub(crate) fn fit(program: &Program, value: &Value, ty: &Type, here: &SpaceRef) -> bool {
    fits(program, value, ty, Here::In(here))
}

fn fits(program: &Program, value: &Value, ty: &Type, here: Here<'_>) -> bool {
    match (ty, value) {
        (_, Value::None) => true,
        (Type::Record(_, place), Value::Ref(record)) => here.at(*place).holds(record.space()),
        (Type::Optional(of), value) => fits(program, value, of, here),
        (Type::List(of), Value::List(items)) => items.iter().all(|item| fits(program, item, of, here)),
        (Type::Set(of), Value::Set(items)) => items.iter().all(|item| fits(program, item, of, here)),
        (Type::Map(key, of), Value::Map(entries)) => entries.iter().all(|(k, v)| fits(program, k, key, here) && fits(program, v, of, here)),
        (Type::Struct(id, place), Value::Struct(values)) => {
            let fields = &program.structs[id.index()].fields;
            fields.iter().zip(values.iter()).all(|(field, value)| fits(program, value, &field.ty, here.at(*place)))
        }
        (Type::Enum(id, place), Value::Variant(variant, values)) => {
            let fields = &program.enums[id.index()].variants[*variant as usize].fields;
            fields.iter().zip(values.iter()).all(|(field, value)| fits(program, value, &field.ty, here.at(*place)))
        }
        _ => true,
    }
}
