//! Events on their way and events received, as JSON by names.
//!
//! ```json
//! {"caller":"did:x","handler":"Person.link","to":"Person/ada@home","args":{"target":"Person/bob@home"},"from":"Person/eve@home","at":1700000000000,
//!  "ok":{"arm":"Person.start/Person.best/ok","text":"9ae16a3b2f90404f","captures":{"n":1}}}
//! ```
//!
//! An arm is found again by what was sent and where; of several that are known as the same (then it has `"one_of_several"`), by its text.
//!
//! A step of a saga has, instead of arms, how far the saga is: see [`super::saga`].

use std::fmt::Write as _;
use std::sync::Arc;

use patternc_program::{ArmId, CellIndex, ExternId, Field, HandlerId, Program, SagaId, Type};
use serde_json::Value as Json;

use crate::event::{Action, Event, EventId, Outcome, Outgoing, OutgoingState, PendingArm, Received};
use crate::failure::{Failure, FailureKind};
use crate::json::{Form, JsonError, Names, Path, Reader, write_text, write_value};
use crate::value::{RecordRef, Value};

type Result<T> = std::result::Result<T, JsonError>;

/// Appends all of an outgoing event but its id and state.
pub(in crate::store) fn write_outgoing(out: &mut String, program: &Program, outgoing: &Outgoing) -> Result<()> {
    out.push('{');
    if let Some(caller) = &outgoing.event.caller {
        out.push_str("\"caller\":");
        write_text(out, caller);
        out.push(',');
    }
    write_action(out, program, &outgoing.event.action)?;
    out.push_str(",\"from\":");
    write_record(out, program, &outgoing.from)?;
    write!(out, ",\"at\":{}", outgoing.at).expect("writing to a String cannot fail");
    if let Some(due) = outgoing.due {
        write!(out, ",\"due\":{due}").expect("writing to a String cannot fail");
    }
    for (name, arm) in [("ok", &outgoing.ok), ("err", &outgoing.err)] {
        let Some(PendingArm { arm, captures }) = arm else { continue };
        let arm = &program.arms[arm.index()];
        write!(out, ",\"{name}\":{{\"arm\":").expect("writing to a String cannot fail");
        write_text(out, &arm.known_as);
        let several = if arm.alone { "" } else { ",\"one_of_several\":true" };
        write!(out, ",\"text\":\"{:016x}\"{several},\"captures\":", arm.fingerprint).expect("writing to a String cannot fail");
        write_fields(out, program, &arm.captures, captures)?;
        out.push('}');
    }
    if let Some(answers) = &outgoing.answers {
        out.push_str(",\"answers\":");
        write_text(out, &answers.0);
    }
    if let Some(progress) = &outgoing.saga {
        out.push_str(",\"step\":");
        super::saga::write(out, program, progress)?;
    }
    out.push('}');
    Ok(())
}

fn write_record(out: &mut String, program: &Program, record: &RecordRef) -> Result<()> {
    let ty = Type::Record(record.record(), patternc_program::Place::Any);
    write_value(out, program, Form::Stored, &Value::Ref(record.clone()), &ty)
}

/// Appends what an event does, to stand in an object.
pub(crate) fn write_action(out: &mut String, program: &Program, action: &Action) -> Result<()> {
    match action {
        Action::Handler { to, handler, args } => {
            let handler = program.handler(*handler);
            write!(out, "\"handler\":\"{}.{}\",\"to\":", program.record_name(handler.record), handler.name)
                .expect("writing to a String cannot fail");
            write_record(out, program, to)?;
            write_args(out, program, &handler.params, args)
        }
        Action::Saga { to, saga, args } => {
            let saga = &program.sagas[saga.index()];
            write!(out, "\"saga\":\"{}.{}\",\"to\":", program.record_name(saga.record), saga.name)
                .expect("writing to a String cannot fail");
            write_record(out, program, to)?;
            write_args(out, program, &saga.params, args)
        }
        Action::Create { record, space, id, cells } => {
            write!(out, "\"create\":\"{}\",\"in\":", program.record_name(*record)).expect("writing to a String cannot fail");
            write_value(out, program, Form::Stored, &Value::Space(space.clone()), &Type::Space)?;
            if let Some(id) = id {
                out.push_str(",\"as\":");
                write_text(out, id);
            }
            out.push_str(",\"cells\":{");
            for (i, (cell, value)) in cells.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let cell = &program.record(*record).cells[cell.index()];
                write!(out, "\"{}\":", cell.name).expect("writing to a String cannot fail");
                write_value(out, program, Form::Stored, value, &cell.ty)?;
            }
            out.push('}');
            Ok(())
        }
        Action::Extern { of, operation, args } => {
            let of = &program.externs[of.index()];
            let operation = &of.operations[*operation as usize];
            write!(out, "\"extern\":\"{}.{}\"", of.name, operation.name).expect("writing to a String cannot fail");
            write_args(out, program, &operation.params, args)
        }
    }
}

fn write_args(out: &mut String, program: &Program, params: &[Field], args: &[Value]) -> Result<()> {
    out.push_str(",\"args\":");
    write_fields(out, program, params, args)
}

/// Appends values as an object by their names.
fn write_fields(out: &mut String, program: &Program, fields: &[Field], values: &[Value]) -> Result<()> {
    out.push('{');
    for (i, (field, value)) in fields.iter().zip(values).enumerate() {
        if i > 0 {
            out.push(',');
        }
        write!(out, "\"{}\":", field.name).expect("writing to a String cannot fail");
        write_value(out, program, Form::Stored, value, &field.ty)?;
    }
    out.push('}');
    Ok(())
}

/// Appends the state of an outgoing event, whose result is of this type.
pub(in crate::store) fn write_state(out: &mut String, program: &Program, state: &OutgoingState, ty: &Type) -> Result<()> {
    match state {
        OutgoingState::Pending => out.push_str("\"pending\""),
        OutgoingState::Tried => out.push_str("\"tried\""),
        OutgoingState::Parked { outcome, reason } => {
            out.push_str("{\"parked\":");
            write_text(out, reason);
            out.push_str(",\"outcome\":");
            write_outcome(out, program, outcome, ty)?;
            out.push('}');
        }
    }
    Ok(())
}

fn write_outcome(out: &mut String, program: &Program, outcome: &Outcome, ty: &Type) -> Result<()> {
    match outcome {
        Outcome::Committed(value) => {
            out.push_str("{\"committed\":");
            write_value(out, program, Form::Stored, value, ty)?;
        }
        Outcome::Failed(failure) => {
            out.push('{');
            write_failure(out, failure);
        }
    }
    out.push('}');
    Ok(())
}

/// Appends the parts of a failure, to stand in an object.
pub(super) fn write_failure(out: &mut String, failure: &Failure) {
    write!(out, "\"failed\":\"{}\",\"message\":", failure.kind).expect("writing to a String cannot fail");
    write_text(out, &failure.message);
}

/// Appends what is remembered of an event received, whose result is of this type.
pub(crate) fn write_received(out: &mut String, program: &Program, received: &Received, ty: &Type) -> Result<()> {
    match received {
        Received::Done(outcome) => write_outcome(out, program, outcome, ty),
        Received::Deferred(decider) => {
            out.push_str("{\"deferred\":");
            write_text(out, &decider.0);
            out.push('}');
            Ok(())
        }
    }
}

/// Reads events that were written for a program with the same names.
pub(crate) struct EventReader<'a> {
    pub(crate) program: &'a Program,
    pub(crate) names: &'a Names,
}

impl<'a> EventReader<'a> {
    pub(super) fn values(&self) -> Reader<'a> {
        Reader { program: self.program, names: self.names, form: Form::Stored, here: None, keys: None, limits: None }
    }

    /// Reads an outgoing event.
    pub(in crate::store) fn outgoing(&self, id: &str, event: &str, state: &str) -> Result<Outgoing> {
        let here = Path::Root;
        let event = super::native::parse(event)?;
        let action = self.action(&event)?;
        let ty = action.result_type(self.program);
        let state = self.state(state, &ty)?;
        let arm = |name: &str| event.get(name).map(|arm| self.arm(arm, name)).transpose();
        let optional = |name: &str| event.get(name).and_then(Json::as_str).map(Arc::<str>::from);
        let outgoing = Outgoing {
            from: self.values().reference(text(&event, "from", &here)?, &here.name("from"))?,
            // Earlier versions did not note it: those were sent before all that is.
            at: event.get("at").and_then(Json::as_i64).unwrap_or(0),
            due: event.get("due").and_then(Json::as_i64),
            ok: arm("ok")?,
            err: arm("err")?,
            answers: optional("answers").map(EventId),
            saga: event.get("step").map(|step| super::saga::read(self, step).map(Box::new)).transpose()?,
            state,
            event: Event { id: EventId(id.into()), caller: optional("caller"), action },
        };
        Ok(outgoing)
    }

    /// Reads the state of an outgoing event whose result is of this type.
    pub(in crate::store) fn state(&self, state: &str, ty: &Type) -> Result<OutgoingState> {
        Ok(match state {
            "pending" => OutgoingState::Pending,
            "tried" => OutgoingState::Tried,
            parked => {
                let parked = super::native::parse(parked)?;
                let reason = text(&parked, "parked", &Path::Root)?.into();
                OutgoingState::Parked { outcome: self.outcome(&parked["outcome"], ty)?, reason }
            }
        })
    }

    /// Reads what an event does.
    pub(crate) fn action(&self, event: &Json) -> Result<Action> {
        let program = self.program;
        let here = Path::Root;
        if let Some(name) = event.get("handler") {
            let (of, name) = split(name, &here.name("handler"))?;
            let found = program.handlers.iter().position(|h| h.name == name && program.record(h.record).name == of);
            let Some(handler) = found.map(|i| HandlerId(i as u32)) else {
                return Err(here.error(format!("there is no handler {of}.{name} any more")));
            };
            let to = self.values().reference(text(event, "to", &here)?, &here.name("to"))?;
            let args = self.args(event, &program.handler(handler).params)?;
            return Ok(Action::Handler { to, handler, args });
        }
        if let Some(name) = event.get("saga") {
            let (of, name) = split(name, &here.name("saga"))?;
            let found = program.sagas.iter().position(|s| s.name == name && program.record(s.record).name == of);
            let Some(saga) = found.map(|i| SagaId(i as u32)) else {
                return Err(here.error(format!("there is no saga {of}.{name} any more")));
            };
            let to = self.values().reference(text(event, "to", &here)?, &here.name("to"))?;
            let args = self.args(event, &program.sagas[saga.index()].params)?;
            return Ok(Action::Saga { to, saga, args });
        }
        if let Some(name) = event.get("extern") {
            let (of, name) = split(name, &here.name("extern"))?;
            let found = program.externs.iter().position(|e| e.name == of).and_then(|of| {
                let operation = program.externs[of].operations.iter().position(|o| o.name == name)?;
                Some((ExternId(of as u32), operation as u32))
            });
            let Some((of, operation)) = found else {
                return Err(here.error(format!("there is no operation {of}.{name} any more")));
            };
            let args = self.args(event, &program.externs[of.index()].operations[operation as usize].params)?;
            return Ok(Action::Extern { of, operation, args });
        }
        let name = text(event, "create", &here)?;
        let Some(record) = program.record_named(name) else {
            return Err(here.error(format!("there is no record type {name} any more")));
        };
        let space = self.values().space(text(event, "in", &here)?, &here.name("in"))?;
        let id = event.get("as").and_then(Json::as_str).map(Into::into);
        let path = here.name("cells");
        let given = event.get("cells").and_then(Json::as_object).ok_or_else(|| path.error("it is not an object"))?;
        let mut cells: Vec<(CellIndex, Value)> = Vec::with_capacity(given.len());
        for (name, json) in given {
            let Some(cell) = program.record(record).cell_named(name) else {
                return Err(path.error(format!("{} has no cell {name} any more", program.record_name(record))));
            };
            cells.push((cell, self.values().value(json, &program.record(record).cells[cell.index()].ty, &path.name(name))?));
        }
        Ok(Action::Create { record, space, id, cells })
    }

    fn args(&self, event: &Json, params: &[Field]) -> Result<Vec<Value>> {
        let path = Path::Root.name("args");
        let given = event.get("args").and_then(Json::as_object).ok_or_else(|| path.error("it is not an object"))?;
        self.values().fields(given, params.iter().map(|p| (p.name.as_str(), &p.ty)), &path)
    }

    fn arm(&self, json: &Json, role: &str) -> Result<PendingArm> {
        let path = Path::Root;
        let path = path.name(role);
        let name = text(json, "arm", &path)?;
        let captures = match json.get("captures") {
            Some(Json::Object(captures)) => captures,
            Some(Json::Array(captures)) => return self.numbered_arm(name, captures, &path),
            _ => return Err(path.name("captures").error("it is not an object")),
        };
        let at = self.arm_known_as(name, json, &path)?;
        let path = path.name("captures");
        let captures = self.program.arms[at].captures.iter().map(|field| match captures.get(field.name.as_str()) {
            Some(json) => self.values().value(json, &field.ty, &path.name(field.name.as_str())),
            None => Err(path.error(format!("the arm {name:?} needs `{}`, which was not taken along when it was sent", field.name))),
        });
        Ok(PendingArm { arm: ArmId(at as u32), captures: captures.collect::<Result<Vec<_>>>()? })
    }

    /// The arm that was stored: of several that are known as the same, the one with the same text.
    fn arm_known_as(&self, name: &str, json: &Json, path: &Path<'_>) -> Result<usize> {
        let mut found = self.program.arms.iter().enumerate().filter(|(_, arm)| *arm.known_as == *name);
        let Some((first, arm)) = found.clone().next() else {
            return Err(path.error(format!("there is no arm {name:?} any more")));
        };
        let was_alone = json.get("one_of_several").is_none();
        if was_alone && arm.alone {
            return Ok(first);
        }
        let fingerprint = u64::from_str_radix(text(json, "text", path)?, 16).map_err(|_| path.name("text").error("it is not a number"))?;
        match found.find(|(_, arm)| arm.fingerprint == fingerprint) {
            Some((at, _)) => Ok(at),
            None => Err(path.error(format!(
                "of the arms that are {name:?} now, none has the text of the one that was sent, so that it cannot be told which it is"
            ))),
        }
    }

    /// As earlier versions wrote it: by the number of the send, with what it takes along in order.
    fn numbered_arm(&self, name: &str, captures: &[Json], path: &Path<'_>) -> Result<PendingArm> {
        let Some(at) = self.program.arms.iter().position(|arm| *arm.name == *name) else {
            return Err(path.error(format!("there is no arm {name:?} any more")));
        };
        let arm = &self.program.arms[at];
        let path = path.name("captures");
        if captures.len() != arm.captures.len() {
            return Err(path.error(format!("the arm {name:?} takes {} values along, not {}", arm.captures.len(), captures.len())));
        }
        let captures = captures.iter().zip(&arm.captures).enumerate();
        let captures =
            captures.map(|(i, (json, field))| self.values().value(json, &field.ty, &path.index(i))).collect::<Result<Vec<_>>>()?;
        Ok(PendingArm { arm: ArmId(at as u32), captures })
    }

    fn outcome(&self, json: &Json, ty: &Type) -> Result<Outcome> {
        let path = Path::Root;
        if let Some(value) = json.get("committed") {
            return Ok(Outcome::Committed(self.values().value(value, ty, &path.name("committed"))?));
        }
        Ok(Outcome::Failed(read_failure(json)?))
    }

    /// Reads what is remembered of an event received.
    pub(crate) fn received(&self, received: &str, ty: &Type) -> Result<Received> {
        let json = super::native::parse(received)?;
        match json.get("deferred") {
            Some(Json::String(decider)) => Ok(Received::Deferred(EventId(decider.as_str().into()))),
            _ => Ok(Received::Done(self.outcome(&json, ty)?)),
        }
    }
}

/// Reads a failure.
pub(super) fn read_failure(json: &Json) -> Result<Failure> {
    let path = Path::Root;
    let name = text(json, "failed", &path)?;
    let Some(kind) = FailureKind::ALL.into_iter().find(|kind| kind.name() == name) else {
        return Err(path.error(format!("there is no kind of failure {name:?}")));
    };
    Ok(Failure::new(kind, text(json, "message", &path)?))
}

pub(super) fn text<'j>(json: &'j Json, name: &str, path: &Path<'_>) -> Result<&'j str> {
    json.get(name).and_then(Json::as_str).ok_or_else(|| path.error(format!("{name:?} is missing")))
}

/// "Person.link" as `Person` and `link`.
fn split<'j>(json: &'j Json, path: &Path<'_>) -> Result<(&'j str, &'j str)> {
    json.as_str().and_then(|name| name.split_once('.')).ok_or_else(|| path.error("it is not the name of a declaration and a member"))
}
