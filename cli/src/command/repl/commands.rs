//! The commands of the prompt, `:help` and others.

use std::io::Write;

use patternc_interpreter::json::{self, CellName, Form, Names, Path, Reader};
use patternc_interpreter::value::{RecordRef, SpaceRef, Value};
use patternc_program::{CellIndex, DerivedIndex, RecordId};

use super::session::Session;
use crate::fault::Fault;
use crate::render;

/// Every command.
pub const NAMES: &[&str] = &["help", "check", "reload", "records", "show", "spaces", "status", "retry", "quit"];

const HELP: &str = "\
An expression prints its value. Every call and every `create` of a statement is a transaction of its own; what it wrote and sent is shown.
Declarations are checked as in a file and join the program. An entry goes on over lines while brackets are open.

:records [Type]   the records of a type, or how many there are of each
:show REF         the cells of a record: `:show Person/ada`, or `:show ada` for a name bound here
:spaces           the spaces that have records
:check            the findings of the project
:reload           reads the files again
:status           what is on its way, and what is parked
:retry            takes parked events up again
:help             this
:quit             ends (Ctrl-D)";

/// How the prompt goes on.
pub enum Next {
    /// With whether it went well.
    Go(bool),
    Quit,
}

pub fn run(session: &mut Session, command: &str, out: &mut impl Write) -> Result<Next, Fault> {
    let (name, argument) = command.trim().split_once(char::is_whitespace).unwrap_or((command.trim(), ""));
    let argument = argument.trim();
    let well = match name {
        "help" | "h" | "?" => {
            writeln!(out, "{HELP}")?;
            true
        }
        "quit" | "q" | "exit" => return Ok(Next::Quit),
        "check" => {
            let findings = session.findings();
            if findings.is_empty() {
                writeln!(out, "nothing found")?;
            }
            session.show(findings, out)?;
            true
        }
        "reload" | "load" => session.reload(out)?,
        "records" => records(session, argument, out)?,
        "show" => show(session, argument, out)?,
        "spaces" => {
            for space in spaces(session)? {
                writeln!(out, "{}", json::space_text(&session.program, &space))?;
            }
            true
        }
        "status" => status(session, out)?,
        "retry" => {
            writeln!(out, "{} taken up again", render::count(session.runtime().retry_all(), "event"))?;
            true
        }
        _ => {
            let nearest = NAMES.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
            let hint = nearest.map(|n| format!("; did you mean `:{n}`?")).unwrap_or_default();
            writeln!(out, "there is no command `:{name}`{hint} (`:help` lists them)")?;
            false
        }
    };
    Ok(Next::Go(well))
}

fn spaces(session: &Session) -> Result<Vec<SpaceRef>, Fault> {
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
    for space in spaces(session)? {
        let found = session.runtime().read(|engine| engine.stores().of(&space).scan(record, &space, None));
        all.extend(found.and_then(|r| r).map_err(|error| Fault::Use(error.message))?);
    }
    Ok(all)
}

fn records(session: &Session, name: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let program = &session.program;
    if name.is_empty() {
        for (i, record) in program.records.iter().enumerate() {
            writeln!(out, "{:<24} {}", record.name, all_of(session, RecordId(i as u32))?.len())?;
        }
        return Ok(true);
    }
    let Some(record) = program.record_named(name) else {
        writeln!(out, "there is no record type `{name}`; `:records` lists them")?;
        return Ok(false);
    };
    for record in all_of(session, record)? {
        writeln!(out, "{}", json::reference_text(program, &record))?;
    }
    Ok(true)
}

fn show(session: &mut Session, what: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let program = session.program.clone();
    let names = Names::new(&program);
    let reader = Reader { program: &program, names: &names, form: Form::Outside, here: None, keys: None, limits: None };
    let record = match session.value_of(what) {
        Some(Value::Ref(record)) => record,
        _ => match reader.reference(what, &Path::Root) {
            Ok(record) => record,
            Err(error) => {
                writeln!(out, "{error}")?;
                return Ok(false);
            }
        },
    };
    let of = program.record(record.record());
    let stored = (0..of.cells.len()).map(|i| CellName::Stored(CellIndex(i as u32)));
    let derived = (0..of.derived.len()).map(|i| CellName::Derived(DerivedIndex(i as u32)));
    writeln!(out, "{}", json::reference_text(&program, &record))?;
    for cell in stored.chain(derived) {
        let (name, ty) = cell.describe(&program, record.record());
        match session.runtime().read(|engine| engine.read_cell(&record, cell)).map_err(|error| Fault::Use(error.message))? {
            Ok(value) => writeln!(out, "  {name} = {}", render::value::text(&program, &value, ty))?,
            Err(failure) => {
                writeln!(out, "  {failure}")?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn status(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    let status = session.runtime().status();
    if status.flights.is_empty() && status.waiting == 0 {
        writeln!(out, "nothing is on its way")?;
    }
    for flight in &status.flights {
        let what = session.runtime().read(|engine| engine.describe(&flight.event.action)).map_err(|error| Fault::Use(error.message))?;
        let state = if flight.outcome.is_some() {
            "parked"
        } else if flight.due.is_some() {
            "later"
        } else {
            "on its way"
        };
        let why = flight.trouble.as_ref().map(|t| format!(": {t}")).unwrap_or_default();
        writeln!(out, "{state:<10} {what}{why}")?;
    }
    Ok(true)
}
