//! Records and events by chance, for any program.

use std::sync::Arc;

use patternc_interpreter::event::{Action, Outcome};
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, HandlerId, Home, Program, Record, RecordId, SpaceId, Type};

use crate::generate::Tape;
use crate::world::{World, fits, may_be_in};

/// Spaces in which records are created: the plain ones and two of the family.
pub fn spaces(program: &Program) -> Vec<SpaceRef> {
    let mut spaces = Vec::new();
    for (index, space) in program.spaces.iter().enumerate() {
        let id = SpaceId(index as u32);
        match &space.key {
            None => spaces.push(SpaceRef { space: id, key: None }),
            Some(_) => {
                spaces.extend(["a", "b"].map(|key| SpaceRef { space: id, key: Some(Arc::new(Value::Text(key.into()))) }));
            }
        }
    }
    spaces
}

/// Some of every type, in spaces by chance, with the cells that they need.
pub fn populate(world: &mut World, tape: &mut Tape<'_>) -> Vec<RecordRef> {
    let program = world.program.clone();
    let spaces = spaces(&program);
    let mut refs = Vec::new();
    // A second round reaches what could not be made before others were there.
    for _ in 0..2 {
        for (index, record) in program.records.iter().enumerate() {
            let possible: Vec<&SpaceRef> = spaces.iter().filter(|space| may_be_in(record.home, space)).collect();
            if possible.is_empty() {
                continue;
            }
            for number in 0..if matches!(record.home, Home::Plain(_)) { 1 } else { 2 } {
                let space = possible[(number + tape.below(possible.len())) % possible.len()].clone();
                let Some(cells) = needed_cells(&program, record, &space, &refs, tape) else { continue };
                let action = Action::Create { record: RecordId(index as u32), space, id: None, cells };
                if let Outcome::Committed(Value::Ref(created)) = world.event(action) {
                    refs.push(created);
                }
            }
        }
    }
    refs
}

/// Values for the cells without a default, and for an Int `n` where there is one.
fn needed_cells(
    program: &Program,
    record: &Record,
    here: &SpaceRef,
    refs: &[RecordRef],
    tape: &mut Tape<'_>,
) -> Option<Vec<(CellIndex, Value)>> {
    let needed =
        record.cells.iter().enumerate().filter(|(_, cell)| {
            cell.default.is_none() && !matches!(cell.ty, Type::Optional(_)) || cell.name == "n" && cell.ty == Type::Int
        });
    needed.map(|(index, cell)| Some((CellIndex(index as u32), value(program, &cell.ty, here, refs, tape)?))).collect()
}

/// A value of the type with references by chance, most of them where they are wanted. `None` where there is no record to refer to.
pub fn value(program: &Program, ty: &Type, here: &SpaceRef, refs: &[RecordRef], tape: &mut Tape<'_>) -> Option<Value> {
    Some(match ty {
        Type::Bool => Value::Bool(tape.one_in(2)),
        Type::Int => Value::Int(tape.below(3) as i64),
        Type::Float => Value::Float(tape.below(9) as f64 / 4.0),
        Type::Bytes => Value::Bytes(Arc::from([7u8].as_slice())),
        Type::Time => Value::Time(tape.below(1000) as i64),
        Type::Duration => Value::Duration(tape.below(1000) as i64),
        Type::Space => Value::Space(here.clone()),
        Type::Failure => Value::Struct(Arc::from([Value::Text("rejected".into()), Value::Text("no".into())])),
        Type::SagaResult(results) => {
            let values: Option<Vec<Value>> = results.iter().map(|result| value(program, &result.ty, here, refs, tape)).collect();
            Value::Struct(values?.into())
        }
        Type::Unknown => Value::None,
        Type::Text => Value::Text(["k", "l"][tape.below(2)].into()),
        Type::Record(record, _) => {
            let near = tape.below(6) > 0;
            let of_type: Vec<&RecordRef> = refs
                .iter()
                .filter(|r| r.record() == *record && (!near || fits(program, &Value::Ref((*r).clone()), ty, Some(here))))
                .collect();
            Value::Ref((*tape.pick(&of_type)?).clone())
        }
        Type::Optional(of) => match tape.one_in(6) {
            true => Value::None,
            false => value(program, of, here, refs, tape).unwrap_or(Value::None),
        },
        Type::List(of) => Value::List(Arc::new((0..tape.below(3)).filter_map(|_| value(program, of, here, refs, tape)).collect())),
        Type::Set(of) => Value::Set(Arc::new((0..tape.below(3)).filter_map(|_| value(program, of, here, refs, tape)).collect())),
        Type::Map(key, of) => {
            let entries =
                (0..tape.below(3)).filter_map(|_| Some((value(program, key, here, refs, tape)?, value(program, of, here, refs, tape)?)));
            Value::Map(Arc::new(entries.collect()))
        }
        Type::Struct(id, _) => {
            let fields: Option<Vec<Value>> =
                program.structs[id.index()].fields.iter().map(|f| value(program, &f.ty, here, refs, tape)).collect();
            Value::Struct(fields?.into())
        }
        Type::Enum(id, _) => {
            let variants = &program.enums[id.index()].variants;
            if variants.is_empty() {
                return None;
            }
            let variant = tape.below(variants.len());
            let fields: Option<Vec<Value>> = variants[variant].fields.iter().map(|f| value(program, &f.ty, here, refs, tape)).collect();
            Value::Variant(variant as u32, fields?.into())
        }
    })
}

/// A call by chance, and whether its references are where the handler takes them from.
pub fn call(program: &Program, refs: &[RecordRef], tape: &mut Tape<'_>) -> Option<(Action, bool)> {
    let to = tape.pick(refs)?.clone();
    let public: Vec<HandlerId> = program.record(to.record()).handlers.iter().copied().filter(|h| !program.handler(*h).internal).collect();
    // Most calls are of what does something; those that only fill a cell are many in generated patterns.
    let setter = |h: &HandlerId| program.handler(*h).name.starts_with("set");
    let (setters, others): (Vec<HandlerId>, Vec<HandlerId>) = public.into_iter().partition(setter);
    let from = if others.is_empty() || !setters.is_empty() && tape.below(4) == 0 { &setters } else { &others };
    let handler = *tape.pick(from)?;
    let params = &program.handler(handler).params;
    let args: Option<Vec<Value>> = params.iter().map(|p| value(program, &p.ty, to.space(), refs, tape)).collect();
    let args = args?;
    let fit = params.iter().zip(&args).all(|(p, arg)| fits(program, arg, &p.ty, Some(to.space())));
    Some((Action::Handler { to, handler, args }, fit))
}
