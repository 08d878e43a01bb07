//! Commands that look at data.

use std::io::Write;

use patternc_compiler::resolve::did_you_mean;
use patternc_interpreter::json::{self, CellName, Form, Names, Path, Reader};
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, DerivedIndex, RecordId};

use super::super::session::Session;
use crate::fault::Fault;
use crate::render;

/// `:spaces`
pub fn spaces(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    for space in all_spaces(session)? {
        writeln!(out, "{}", json::space_text(&session.program, &space))?;
    }
    Ok(true)
}

fn all_spaces(session: &Session) -> Result<Vec<SpaceRef>, Fault> {
    let read = session.runtime().read(|engine| {
        let stores = engine.stores();
        (0..stores.len()).map(|i| stores.get(i).spaces()).collect::<Result<Vec<_>, _>>()
    });
    let mut spaces: Vec<SpaceRef> = read.and_then(|r| r).map_err(|error| Fault::Use(error.message))?.into_iter().flatten().collect();
    spaces.sort();
    spaces.dedup();
    Ok(spaces)
}

fn all_of(session: &Session, record: RecordId) -> Result<Vec<RecordRef>, Fault> {
    let mut all = Vec::new();
    for space in all_spaces(session)? {
        let found = session.runtime().read(|engine| engine.stores().of(&space).scan(record, &space, None));
        all.extend(found.and_then(|r| r).map_err(|error| Fault::Use(error.message))?);
    }
    Ok(all)
}

/// `:records`
pub fn records(session: &Session, name: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let program = &session.program;
    if name.is_empty() {
        for (i, record) in program.records.iter().enumerate() {
            writeln!(out, "{:<24} {}", record.name.as_str(), all_of(session, RecordId(i as u32))?.len())?;
        }
        return Ok(true);
    }
    let Some(record) = program.record_named(name) else {
        let meant = did_you_mean(name, program.records.iter().map(|record| record.name.as_str()));
        let way_out = meant.map_or("`:records` lists them".to_owned(), |meant| format!("did you mean `{meant}`?"));
        writeln!(out, "there is no record type `{name}`; {way_out}")?;
        return Ok(false);
    };
    for record in all_of(session, record)? {
        if session.is_interrupted() {
            writeln!(out, "interrupted")?;
            return Ok(false);
        }
        writeln!(out, "{}", json::reference_text(program, &record))?;
    }
    Ok(true)
}

/// The record that is meant by a name bound here, or a reference; otherwise it is said what is wrong.
fn record_of(session: &Session, what: &str, out: &mut impl Write) -> Result<Option<RecordRef>, Fault> {
    let program = &session.program;
    if let Some(Value::Ref(record)) = session.value_of(what) {
        return Ok(Some(record));
    }
    let names = Names::new(program);
    let reader = Reader { program, names: &names, form: Form::Outside, here: None, keys: None, limits: None };
    match reader.reference(what, &Path::Root) {
        Ok(record) => Ok(Some(record)),
        Err(error) => {
            writeln!(out, "{error}")?;
            Ok(None)
        }
    }
}

/// `:show`
pub fn show(session: &Session, what: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let Some(record) = record_of(session, what, out)? else { return Ok(false) };
    let program = &session.program;
    let of = program.record(record.record());
    let stored = (0..of.cells.len()).map(|i| CellName::Stored(CellIndex(i as u32)));
    let derived = (0..of.derived.len()).map(|i| CellName::Derived(DerivedIndex(i as u32)));
    writeln!(out, "{}", json::reference_text(program, &record))?;
    for cell in stored.chain(derived) {
        let (name, ty) = cell.describe(program, record.record());
        match session.runtime().read(|engine| engine.read_cell(&record, cell)).map_err(|error| Fault::Use(error.message))? {
            Ok(value) => writeln!(out, "  {name} = {}", session.shown(render::value::text(program, &value, ty)))?,
            Err(failure) => {
                writeln!(out, "  {failure}")?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// `:history`
pub fn history(session: &Session, what: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let Some(record) = record_of(session, what, out)? else { return Ok(false) };
    let record = json::reference_text(&session.program, &record);
    let mut any = false;
    for transaction in session.journal.of(&record) {
        any = true;
        let again = match transaction.reruns {
            0 => String::new(),
            times => format!(", ran again {}", render::count(times, "time")),
        };
        writeln!(out, "#{} {} ({}{again})", transaction.number, transaction.what, transaction.by)?;
        for (_, _, line) in transaction.changes.iter().filter(|(of, ..)| *of == record) {
            writeln!(out, "  {line}")?;
        }
        if let Some(failure) = &transaction.failure {
            writeln!(out, "  failed: {failure}")?;
        }
    }
    if !any {
        writeln!(out, "nothing has written {record} since the prompt began")?;
    }
    Ok(true)
}
