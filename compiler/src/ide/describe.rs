//! Types with their spaces, declarations and effects in words.

use std::fmt::Write;

use patternc_grammar::syntax::Repeat;

use super::definition::Definition;
use crate::db::Db;
use crate::effects::describe::{Describe, cell_path, failing_steps, failures, record_name};
use crate::effects::{EffectSpace, Effects, Grain, WriteKind, effects};
use crate::hir::{Body, BodyOwner};
use crate::resolve::{item_name, one_of};
use crate::signature::{
    HandlerKind, Home, ParamSig, Signature, cell_sig, enum_sig, extern_sig, handler_sig, operation_sig, record_sig, signature, struct_sig,
};
use crate::types::{HandlerId, ItemId, Place, Ty};

/// The type as it would be written where `body` is, places included.
pub fn type_name(db: &dyn Db, ty: &Ty) -> String {
    let mut out = String::new();
    write_type(db, ty, &mut out);
    out
}

fn write_type(db: &dyn Db, ty: &Ty, out: &mut String) {
    let mut generic = |name: &str, args: &[&Ty]| {
        out.push_str(name);
        out.push('<');
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            write_type(db, arg, out);
        }
        out.push('>');
    };
    match ty {
        Ty::List(inner) => generic("List", &[inner]),
        Ty::Set(inner) => generic("Set", &[inner]),
        Ty::Map(key, value) => generic("Map", &[key, value]),
        Ty::Optional(inner) => {
            write_type(db, inner, out);
            out.push('?');
        }
        Ty::Record(id, place) => {
            out.push_str(item_name(db, *id).as_str());
            let fixed = matches!(record_sig(db, *id).map(|sig| sig.home), Some(Home::Plain(_)));
            match place {
                Place::Any if !fixed => out.push_str("@any"),
                Place::Plain(space) if !fixed => {
                    let _ = write!(out, "@{}", item_name(db, *space));
                }
                _ => {}
            }
        }
        Ty::Struct(id, place) | Ty::Enum(id, place) => {
            out.push_str(item_name(db, *id).as_str());
            if *place == Place::Any {
                out.push_str("@any");
            }
        }
        Ty::Bool => out.push_str("Bool"),
        Ty::Int => out.push_str("Int"),
        Ty::Float => out.push_str("Float"),
        Ty::Text => out.push_str("Text"),
        Ty::Bytes => out.push_str("Bytes"),
        Ty::Time => out.push_str("Time"),
        Ty::Duration => out.push_str("Duration"),
        Ty::Space => out.push_str("Space"),
        Ty::Failure => out.push_str("Failure"),
        Ty::SagaResult(..) => out.push_str("the results of a saga"),
        Ty::None => out.push_str("none"),
        Ty::Unknown | Ty::Error => out.push('_'),
        Ty::Unit => out.push_str("nothing"),
    }
}

/// Where a record of a type is: "in `home`", "in the space of `self`", "where `x` is", "somewhere, not known where". `None` for what is no
/// record.
pub fn place_of(db: &dyn Db, body: Option<&Body>, ty: &Ty) -> Option<String> {
    let Ty::Record(_, place) = super::names::present(ty) else { return None };
    Some(match place {
        Place::Plain(space) => format!("in `{}`", item_name(db, *space)),
        Place::Of(local) => {
            let name = body.and_then(|body| body.locals.get(local.0 as usize)).map(|local| local.name);
            name.map_or_else(|| "in the space of another record".to_owned(), |name| format!("where `{name}` is"))
        }
        Place::Any => "somewhere, not known where: it can be read and sent to, not written".to_owned(),
        Place::Here => match body {
            Some(body) if body.self_record.is_some() => "in the space of `self`".to_owned(),
            Some(body) => match body.locals.first() {
                Some(local) => format!("in the space of `{}`", local.name),
                None => "here".to_owned(),
            },
            None => "here: in the space of what holds it".to_owned(),
        },
    })
}

/// `(target: Person, note: Text)`.
pub fn params(db: &dyn Db, params: &[ParamSig]) -> String {
    let shown: Vec<String> = params.iter().map(|param| format!("{}: {}", param.name, type_name(db, &param.ty))).collect();
    format!("({})", shown.join(", "))
}

fn result(db: &dyn Db, ty: &Ty) -> String {
    match ty {
        Ty::Unit | Ty::SagaResult(..) => String::new(),
        ty => format!(" -> {}", type_name(db, ty)),
    }
}

/// A declaration in one line, as it would be written.
pub fn headline(db: &dyn Db, definition: Definition) -> Option<String> {
    Some(match definition {
        Definition::Item(id) => item(db, id)?,
        Definition::Cell(id) => {
            let sig = cell_sig(db, id)?;
            let word = if sig.derived { "derived" } else { "cell" };
            let mut line = format!("{word} {}.{}: {}", record_name(db, id.record), sig.name, type_name(db, &sig.ty));
            for (set, mark) in [(sig.key, " key"), (sig.unique, " unique"), (sig.index, " index")] {
                if set {
                    line.push_str(mark);
                }
            }
            if let Some(other) = sig.inverse {
                let _ = write!(line, " inverse {}", cell_path(db, other));
            }
            line
        }
        Definition::Handler(id) => handler(db, id)?,
        Definition::Field { of, index } => {
            let sig = struct_sig(db, of)?;
            let field = sig.fields.get(index as usize)?;
            format!("{}.{}: {}", sig.name, field.name, type_name(db, &field.ty))
        }
        Definition::Variant { of, index } => {
            let sig = enum_sig(db, of)?;
            let variant = sig.variants.get(index as usize)?;
            let fields = if variant.fields.is_empty() { String::new() } else { params(db, &variant.fields) };
            format!("{}.{}{fields}", sig.name, variant.name)
        }
        Definition::Payload { of, variant, index } => {
            let sig = enum_sig(db, of)?;
            let variant = sig.variants.get(variant as usize)?;
            let field = variant.fields.get(index as usize)?;
            format!("{}.{}({}: {})", sig.name, variant.name, field.name, type_name(db, &field.ty))
        }
        Definition::Operation(id) => {
            let (of, sig) = (extern_sig(db, id.of)?, operation_sig(db, id)?);
            let repeat = match sig.repeat {
                Repeat::Readonly => " readonly",
                Repeat::Idempotent => " idempotent",
                Repeat::Once => "",
            };
            format!("{}.{}{}{}{repeat}", of.name, sig.name, params(db, &sig.params), result(db, &sig.result))
        }
        Definition::Local { .. } | Definition::File(_) => return None,
    })
}

fn item(db: &dyn Db, id: ItemId) -> Option<String> {
    Some(match signature(db, id) {
        Signature::Space(sig) => match &sig.key {
            Some(key) => format!("space {}[{}]", sig.name, type_name(db, key)),
            None => format!("space {}", sig.name),
        },
        Signature::Struct(sig) => {
            let fields: Vec<String> = sig.fields.iter().map(|field| format!("{}: {}", field.name, type_name(db, &field.ty))).collect();
            format!("struct {} {{ {} }}", sig.name, fields.join(", "))
        }
        Signature::Enum(sig) => {
            let variants: Vec<&str> = sig.variants.iter().map(|variant| variant.name.as_str()).collect();
            format!("enum {} {{ {} }}", sig.name, variants.join(", "))
        }
        Signature::Record(sig) => match sig.home {
            Home::Plain(space) | Home::Family(space) => format!("record {} in {}", sig.name, item_name(db, space)),
            Home::Floating => format!("record {}", sig.name),
        },
        Signature::Fn(sig) => format!("fn {}{}{}", sig.name, params(db, &sig.params), result(db, &sig.result)),
        Signature::Extern(sig) => format!("extern {}", sig.name),
        Signature::Mirror(sig) => {
            let name = |item: Option<ItemId>| item.map_or_else(|| "_".into(), |item| item_name(db, item).to_string());
            format!("mirror {} of {} to {}", sig.name, name(sig.record), name(sig.target))
        }
        Signature::Invariant(sig) => {
            let word = if sig.eventually { "eventually invariant" } else { "invariant" };
            let record = sig.record.map_or_else(|| "_".into(), |record| item_name(db, record).to_string());
            format!("{word} {} over every {record}", sig.name)
        }
        Signature::Other => return None,
    })
}

fn handler(db: &dyn Db, id: HandlerId) -> Option<String> {
    let sig = handler_sig(db, id)?;
    let word = match sig.kind {
        HandlerKind::Public => "handler",
        HandlerKind::Internal => "internal handler",
        HandlerKind::Saga => "saga",
    };
    let mut line = format!("{word} {}.{}{}{}", record_name(db, id.record), sig.name, params(db, &sig.params), result(db, &sig.result));
    if let Some(writes) = &sig.writes {
        let entries: Vec<String> = writes
            .iter()
            .map(|entry| match entry.cell {
                Some(index) => cell_path(db, crate::types::CellId { record: entry.record, index }),
                None => record_name(db, entry.record),
            })
            .collect();
        let _ = write!(line, " writes {}", entries.join(", "));
    }
    if !sig.across.is_empty() {
        let spaces: Vec<String> = sig.across.iter().map(|space| item_name(db, *space).to_string()).collect();
        let _ = write!(line, " across {}", spaces.join(", "));
    }
    Some(line)
}

/// Where a body runs and what it does, a line a kind of effect: "writes `self.members`, in `home`".
pub fn effect_lines(db: &dyn Db, body: &Body) -> Vec<String> {
    let effects = effects(db, body.owner);
    let describe = Describe { db, body };
    let mut lines = Vec::new();
    if let BodyOwner::Handler(handler) | BodyOwner::Saga(handler) = body.owner {
        lines.push(match record_sig(db, handler.record).map(|sig| sig.home) {
            Some(Home::Plain(space)) => format!("runs in `{}`", item_name(db, space)),
            Some(Home::Family(space)) => format!("runs in the space of `self`, one of `{}`", item_name(db, space)),
            _ => "runs in the space of `self`".to_owned(),
        });
    }
    let reads = read(describe, effects);
    if !reads.is_empty() {
        lines.push(format!("reads {}", reads.join(", ")));
    }
    let writes = written(describe, effects);
    for (what, entries) in writes {
        lines.push(format!("{what} {}", entries.join(", ")));
    }
    let sends: Vec<String> = unique(effects.sends.iter().map(|send| format!("`{}`", describe.event(send))));
    if !sends.is_empty() {
        lines.push(format!("sends {}", sends.join(", ")));
    }
    let ways = failures(db, effects);
    if !ways.is_empty() {
        lines.push(format!("can fail: {}", ways.join(", ")));
    }
    for (step, ways) in failing_steps(db, effects) {
        lines.push(format!("can fail in `{}`: {}", describe.event(step), ways.join(", ")));
    }
    if effects.incomplete {
        lines.push("and more: part of it could not be understood".to_owned());
    }
    lines
}

/// What is read, with the space where that is not the one of the body.
fn read(describe: Describe<'_>, effects: &Effects) -> Vec<String> {
    let db = describe.db;
    unique(effects.reads.iter().map(|read| {
        let what = match (&read.grain, read.cell) {
            (Grain::Query, Some(cell)) => format!("`{}` of every `{}`", cell_path(db, cell), record_name(db, read.record)),
            (_, Some(cell)) => format!("`{}`", describe.cell_of(&read.target, cell)),
            (Grain::Query, None) => format!("which `{}` there are", record_name(db, read.record)),
            (_, None) => format!("whether {} is there", one_of(&record_name(db, read.record))),
        };
        match read.space {
            EffectSpace::Here => what,
            space => format!("{what} in {}", describe.space(space)),
        }
    }))
}

/// What is written, created and deleted, with the space where that is not the one of the body.
fn written(describe: Describe<'_>, effects: &Effects) -> Vec<(&'static str, Vec<String>)> {
    let mut kinds: Vec<(&'static str, Vec<String>)> = vec![("writes", Vec::new()), ("creates", Vec::new()), ("deletes", Vec::new())];
    for write in &effects.writes {
        let (kind, what) = match (write.kind, write.cell) {
            (WriteKind::Create, _) => (1, record_name(describe.db, write.record)),
            (WriteKind::Delete, _) | (_, None) => (2, record_name(describe.db, write.record)),
            (_, Some(cell)) => (0, describe.cell_of(&write.target, cell)),
        };
        let entry = match write.space {
            EffectSpace::Here => format!("`{what}`"),
            space => format!("`{what}` in {}", describe.space(space)),
        };
        if !kinds[kind].1.contains(&entry) {
            kinds[kind].1.push(entry);
        }
    }
    kinds.retain(|(_, entries)| !entries.is_empty());
    kinds
}

fn unique(entries: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for entry in entries {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all
}

/// The body that a definition has.
pub fn body_of(db: &dyn Db, definition: Definition) -> Option<&Body> {
    let (file, owners) = match definition {
        Definition::Handler(id) => (id.record.file, vec![BodyOwner::Handler(id), BodyOwner::Saga(id)]),
        Definition::Cell(id) => (id.record.file, vec![BodyOwner::Derived(id)]),
        Definition::Item(id) => (id.file, vec![BodyOwner::Fn(id), BodyOwner::Invariant(id)]),
        _ => return None,
    };
    let bodies = crate::bodies::bodies(db, file);
    owners.into_iter().find_map(|owner| bodies.get(owner)).map(|body| &**body)
}
