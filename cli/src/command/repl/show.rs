//! What an entry did: what its transactions read and wrote, what they sent, and how that ended.

use std::collections::HashMap;
use std::io::{self, Write};

use patternc_interpreter::engine::{Entry, What};
use patternc_interpreter::event::{Action, EventId, Outcome};
use patternc_interpreter::failure::Failure;
use patternc_interpreter::json;
use patternc_interpreter::store::{ReadKey, Write as Change};
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::{CellIndex, Field, Program, Type};

use super::journal::Journal;
use crate::render::value::text;

/// A line for everything that happened and that a person would ask about. The journal knows it already.
pub fn history(out: &mut impl Write, program: &Program, journal: &Journal, entries: &[Entry]) -> io::Result<()> {
    // Of many attempts at one call, the last says it all.
    let mut attempts: HashMap<&EventId, u32> = HashMap::new();
    for entry in entries {
        if let What::Called { attempt } = entry.what {
            attempts.insert(&entry.event, attempt);
        }
    }
    for entry in entries {
        match &entry.what {
            What::Wrote(changes) => {
                for written in changes {
                    writeln!(out, "  {}", change(program, written).2)?;
                }
            }
            What::Sent { what, .. } => writeln!(out, "  sent {what}")?,
            What::Parked(reason) => writeln!(out, "  parked: {reason}")?,
            What::Lost(key) => {
                let by = journal.changed(program, key).map(|t| format!(" by #{} {}", t.number, t.what)).unwrap_or_default();
                writeln!(out, "  conflict: {}, which it had read, was changed{by}; it runs again", read(program, key))?;
            }
            What::Called { attempt } if *attempt > 1 && attempts.get(&entry.event) == Some(attempt) => {
                writeln!(out, "  asked {} again, attempt {attempt}", journal.what(&entry.event).unwrap_or("the outside"))?;
            }
            What::Outcome(Outcome::Failed(failure)) => match journal.late(&entry.event) {
                Some((what, _)) => writeln!(out, "  {what} failed: {failure}")?,
                None => match journal.inner(&entry.event) {
                    Some(what) => writeln!(out, "  {what} failed: {failure}")?,
                    None => writeln!(out, "  failed: {failure}")?,
                },
            },
            What::Outcome(Outcome::Committed(value)) => {
                if let Some((what, ty)) = journal.late(&entry.event) {
                    let answer = if matches!(value, Value::None) { String::new() } else { format!(": {}", text(program, value, ty)) };
                    writeln!(out, "  {what} was answered{answer}")?;
                }
            }
            What::Ran | What::Committed { .. } | What::Duplicate | What::Called { .. } => {}
        }
    }
    Ok(())
}

/// Whether the failure is among what was shown.
pub fn tells(entries: &[Entry], failure: &Failure) -> bool {
    entries.iter().any(|entry| matches!(&entry.what, What::Outcome(Outcome::Failed(told)) if told == failure))
}

/// What an event does, with its arguments: "Person/ada.link(Person/bob)".
pub fn action(program: &Program, action: &Action) -> String {
    let call = |name: String, params: &[Field], args: &[Value]| {
        let args: Vec<String> = params.iter().zip(args).map(|(param, arg)| text(program, arg, &param.ty)).collect();
        format!("{name}({})", args.join(", "))
    };
    match action {
        Action::Handler { to, handler, args } => {
            let handler = program.handler(*handler);
            call(format!("{}.{}", json::reference_text(program, to), handler.name), &handler.params, args)
        }
        Action::Saga { to, saga, args } => {
            let saga = &program.sagas[saga.index()];
            call(format!("{}.{}", json::reference_text(program, to), saga.name), &saga.params, args)
        }
        Action::Create { record, .. } => format!("create {}", program.record(*record).name),
        Action::Extern { of, operation, args } => {
            let of = &program.externs[of.index()];
            let operation = &of.operations[*operation as usize];
            call(format!("{}.{}", of.name, operation.name), &operation.params, args)
        }
    }
}

/// What was read, in words: "Account/a.balance".
pub fn read(program: &Program, key: &ReadKey) -> String {
    match key {
        ReadKey::Exists(record) => format!("whether {} exists", json::reference_text(program, record)),
        ReadKey::Cell(record, cell) => place(program, record, *cell).0,
        ReadKey::Element(record, cell, element) => {
            let (name, ty) = place(program, record, *cell);
            let ty = match ty {
                Type::Set(of) => *of,
                Type::Map(key, _) => *key,
                other => other,
            };
            format!("{name}[{}]", text(program, element, &ty))
        }
        ReadKey::Unique(record, _, cell, value) => {
            let of = program.record(*record);
            let cell = &of.cells[cell.index()];
            format!("which {} has the {} {}", of.name, cell.name, text(program, value, &cell.ty))
        }
        ReadKey::Query { record, .. } => format!("which records of {} there are", program.record(*record).name),
    }
}

/// The record and cell that a read is of; of a query, the type.
pub fn read_place(program: &Program, key: &ReadKey) -> (String, Option<String>) {
    let cell_name = |record: &RecordRef, cell: &CellIndex| program.record(record.record()).cells[cell.index()].name.to_string();
    match key {
        ReadKey::Exists(record) => (json::reference_text(program, record), None),
        ReadKey::Cell(record, cell) | ReadKey::Element(record, cell, _) => {
            (json::reference_text(program, record), Some(cell_name(record, cell)))
        }
        ReadKey::Unique(record, ..) | ReadKey::Query { record, .. } => (program.record(*record).name.to_string(), None),
    }
}

/// A change: the record, its cell if it is of one, and the line that says it.
pub fn change(program: &Program, change: &Change) -> (String, Option<String>, String) {
    let (record, cell) = match change {
        Change::Create { record, .. } | Change::Delete { record } => (record, None),
        Change::Set { record, cell, .. }
        | Change::AddInt { record, cell, .. }
        | Change::Append { record, cell, .. }
        | Change::RemoveFirst { record, cell, .. }
        | Change::Insert { record, cell, .. }
        | Change::Remove { record, cell, .. }
        | Change::SetEntry { record, cell, .. }
        | Change::RemoveEntry { record, cell, .. } => (record, Some(cell)),
    };
    let cell = cell.map(|cell| program.record(record.record()).cells[cell.index()].name.to_string());
    (json::reference_text(program, record), cell, describe(program, change))
}

fn place(program: &Program, record: &RecordRef, cell: CellIndex) -> (String, Type) {
    let declared = &program.record(record.record()).cells[cell.index()];
    (format!("{}.{}", json::reference_text(program, record), declared.name), declared.ty.clone())
}

fn describe(program: &Program, change: &Change) -> String {
    let at = |record: &RecordRef, cell: CellIndex| place(program, record, cell);
    let operation = |record: &RecordRef, cell: CellIndex, sign: &str, value: &Value| {
        let (place, ty) = at(record, cell);
        let element = match ty {
            Type::List(of) | Type::Set(of) => *of,
            other => other,
        };
        format!("{place} {sign} {}", text(program, value, &element))
    };
    match change {
        Change::Create { record, .. } => format!("created {}", json::reference_text(program, record)),
        Change::Delete { record } => format!("deleted {}", json::reference_text(program, record)),
        Change::Set { record, cell, value } => {
            let (place, ty) = at(record, *cell);
            format!("{place} = {}", text(program, value, &ty))
        }
        Change::AddInt { record, cell, by } if *by < 0 => format!("{} -= {}", at(record, *cell).0, by.unsigned_abs()),
        Change::AddInt { record, cell, by } => format!("{} += {by}", at(record, *cell).0),
        Change::Append { record, cell, value } | Change::Insert { record, cell, value } => operation(record, *cell, "+=", value),
        Change::RemoveFirst { record, cell, value } | Change::Remove { record, cell, value } => operation(record, *cell, "-=", value),
        Change::SetEntry { record, cell, key, value } => {
            let (place, ty) = at(record, *cell);
            let Type::Map(key_ty, value_ty) = ty else { return place };
            format!("{place}[{}] = {}", text(program, key, &key_ty), text(program, value, &value_ty))
        }
        Change::RemoveEntry { record, cell, key } => {
            let (place, ty) = at(record, *cell);
            let Type::Map(key_ty, _) = ty else { return place };
            format!("delete {place}[{}]", text(program, key, &key_ty))
        }
    }
}
