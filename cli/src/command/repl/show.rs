//! What an entry did: what its transactions wrote, what they sent, and how that ended.

use std::io::{self, Write};

use patternc_interpreter::engine::{Entry, What};
use patternc_interpreter::event::Outcome;
use patternc_interpreter::failure::Failure;
use patternc_interpreter::json;
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::store::Write as Change;
use patternc_interpreter::value::{RecordRef, Value};
use patternc_program::{CellIndex, Program, Type};

use crate::render::value::text;

/// A line for everything that happened and that a person would ask about.
pub fn history(out: &mut impl Write, runtime: &Runtime, entries: &[Entry]) -> io::Result<()> {
    let program = runtime.program();
    for entry in entries {
        match &entry.what {
            What::Wrote(changes) => {
                for change in changes {
                    writeln!(out, "  {}", describe(program, change))?;
                }
            }
            What::Sent { what, .. } => writeln!(out, "  sent {what}")?,
            What::Parked(reason) => writeln!(out, "  parked: {reason}")?,
            What::Lost(_) => writeln!(out, "  ran again: what it had read was changed meanwhile")?,
            What::Called { attempt } if *attempt > 1 => writeln!(out, "  asked the outside again, attempt {attempt}")?,
            What::Outcome(Outcome::Failed(failure)) => writeln!(out, "  failed: {failure}")?,
            What::Outcome(Outcome::Committed(_)) | What::Ran | What::Committed { .. } | What::Duplicate | What::Called { .. } => {}
        }
    }
    Ok(())
}

/// Whether the failure is among what was shown.
pub fn tells(entries: &[Entry], failure: &Failure) -> bool {
    entries.iter().any(|entry| matches!(&entry.what, What::Outcome(Outcome::Failed(told)) if told == failure))
}

fn describe(program: &Program, change: &Change) -> String {
    let at = |record: &RecordRef, cell: CellIndex| -> (String, Type) {
        let declared = &program.record(record.record()).cells[cell.index()];
        (format!("{}.{}", json::reference_text(program, record), declared.name), declared.ty.clone())
    };
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
