//! How far a saga is, as JSON by names, in the event of its current step.
//!
//! ```json
//! {"saga":"Claim.take","steps":["lease: Claim.hold","mark: Bounty.reserve"],"values":{"agent":"ann","lease":7}}
//! ```
//!
//! `steps` ends with the current one. On the way back there is `undoing` (the failure) and `undo` (what is called to undo the current step);
//! a step that was rejected past the pivot has `rejected`.
//!
//! A new version of the program goes on with it if what is left of the saga fits: the steps so far are the same and call the same, and what
//! the rest needs of what was bound is there, of a type that its values fit. Steps that are still to come may have changed in any way.

use std::fmt::Write as _;

use patternc_program::{Program, Saga, SagaId, Slot};
use serde_json::Value as Json;

use super::events::{EventReader, read_failure, text, write_failure};
use crate::event::{Rejections, SagaProgress};
use crate::json::{Form, JsonError, Path, write_text, write_value};
use crate::value::Value;

type Result<T> = std::result::Result<T, JsonError>;

/// Appends the progress of a saga.
pub(super) fn write(out: &mut String, program: &Program, progress: &SagaProgress) -> Result<()> {
    let saga = progress.of(program);
    write!(out, "{{\"saga\":\"{}\",\"steps\":[", name(program, saga)).expect("writing to a String cannot fail");
    for step in 0..=progress.step as usize {
        if step > 0 {
            out.push(',');
        }
        write_text(out, &shape(program, saga, step));
    }
    out.push(']');
    if let Some(failure) = &progress.undoing {
        out.push_str(",\"undoing\":{");
        write_failure(out, failure);
        out.push_str("},\"undo\":");
        write_text(out, &undo(program, saga, progress.step as usize));
    }
    if let Some(Rejections { times, last }) = &progress.rejected {
        write!(out, ",\"rejected\":{{\"times\":{times},").expect("writing to a String cannot fail");
        write_failure(out, last);
        out.push('}');
    }
    out.push_str(",\"self\":");
    let me = progress.frame.first().unwrap_or(&Value::None);
    write_value(out, program, Form::Stored, me, &patternc_program::Type::Record(saga.record, patternc_program::Place::Any))?;
    out.push_str(",\"values\":{");
    let mut first = true;
    for kept in saga.kept.iter().filter(|kept| is_bound(saga, progress, kept.slot)) {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write!(out, "\"{}\":", kept.name).expect("writing to a String cannot fail");
        write_value(out, program, Form::Stored, progress.frame.get(kept.slot.index()).unwrap_or(&Value::None), &kept.ty)?;
    }
    out.push_str("}}");
    Ok(())
}

/// Reads the progress of a saga.
pub(super) fn read(reader: &EventReader<'_>, json: &Json) -> Result<SagaProgress> {
    let program = reader.program;
    let root = Path::Root;
    let path = root.name("step");
    let of = text(json, "saga", &path)?;
    let Some(id) = program.sagas.iter().position(|saga| name(program, saga) == of) else {
        return Err(path.error(format!("there is no saga {of} any more")));
    };
    let saga = &program.sagas[id];
    let steps = json.get("steps").and_then(Json::as_array).filter(|steps| !steps.is_empty());
    let steps = steps.ok_or_else(|| path.error("\"steps\" is missing"))?;
    for (step, stored) in steps.iter().enumerate() {
        let stored = stored.as_str().unwrap_or_default();
        let now = if step < saga.steps.len() { shape(program, saga, step) } else { "nothing".to_owned() };
        if stored != now {
            return Err(path.error(format!("the saga {of} was at `{stored}` as its step {}, which is now `{now}`", step + 1)));
        }
    }
    let step = steps.len() - 1;
    let undoing = json.get("undoing").map(read_failure).transpose()?;
    if undoing.is_some() {
        let (was, now) = (text(json, "undo", &path)?, undo(program, saga, step));
        if was != now {
            let what = saga.step_name(step);
            return Err(path.error(format!("the saga {of} was undoing `{what}` by `{was}`, which is now undone by `{now}`")));
        }
    }
    let rejected = rejections(json, &path)?;
    let me = reader.values().reference(text(json, "self", &path)?, &path.name("self"))?;
    let mut frame = vec![Value::None; saga.slots as usize];
    frame[0] = Value::Ref(me);
    let progress = SagaProgress { saga: SagaId(id as u32), step: step as u32, undoing, frame, unbound: Vec::new(), rejected };
    with_values(reader, progress, json, &path)
}

/// How often a stored step was rejected; `None` of one that was not.
pub(super) fn rejections(step: &Json, path: &Path<'_>) -> Result<Option<Rejections>> {
    let Some(rejected) = step.get("rejected") else { return Ok(None) };
    let times = rejected.get("times").and_then(Json::as_u64).and_then(|times| u32::try_from(times).ok());
    Ok(Some(Rejections { times: times.ok_or_else(|| path.error("\"times\" is missing"))?, last: read_failure(rejected)? }))
}

/// Reads what was bound so far.
fn with_values(reader: &EventReader<'_>, mut progress: SagaProgress, json: &Json, path: &Path<'_>) -> Result<SagaProgress> {
    let program = reader.program;
    let saga = progress.of(program);
    let mut frame = std::mem::take(&mut progress.frame);
    let mut unbound = Vec::new();
    let values = json.get("values").and_then(Json::as_object).ok_or_else(|| path.error("\"values\" is missing"))?;
    let needed = needed(saga, &progress);
    for kept in saga.kept.iter().filter(|kept| is_bound(saga, &progress, kept.slot)) {
        let path = path.name("values");
        match values.get(kept.name.as_str()) {
            Some(value) => frame[kept.slot.index()] = reader.values().value(value, &kept.ty, &path.name(kept.name.as_str()))?,
            None if needed.contains(&kept.slot) => {
                let of = name(program, saga);
                return Err(path.error(format!("what is left of the saga {of} needs `{}`, which there was not when it began", kept.name)));
            }
            None => unbound.push(kept.slot),
        }
    }
    (progress.frame, progress.unbound) = (frame, unbound);
    Ok(progress)
}

/// The slots that what is left of the saga reads.
fn needed(saga: &Saga, progress: &SagaProgress) -> Vec<Slot> {
    let step = progress.step as usize;
    let mut calls = Vec::new();
    if progress.undoing.is_some() {
        calls.extend(saga.steps[..step].iter().filter_map(|step| step.undo.as_ref()));
    } else {
        calls.extend(saga.steps[step + 1..].iter().map(|step| &step.action));
        if step <= saga.pivot() {
            calls.extend(saga.steps[..saga.pivot()].iter().filter_map(|step| step.undo.as_ref()));
        }
    }
    // It answers with the results of its steps.
    let results = saga.steps.iter().filter(|_| progress.undoing.is_none()).filter_map(|step| step.result.as_ref()).map(|(slot, _)| *slot);
    calls.into_iter().flat_map(|call| call.uses.iter().copied()).chain(results).collect()
}

/// Whether a slot has its value: that of a step only once the step is done.
fn is_bound(saga: &Saga, progress: &SagaProgress, slot: Slot) -> bool {
    if progress.unbound.contains(&slot) {
        return false;
    }
    let binds = saga.steps.iter().position(|step| step.result.as_ref().is_some_and(|(result, _)| *result == slot));
    // The step that is being undone was done.
    binds.is_none_or(|step| step < progress.step as usize + usize::from(progress.undoing.is_some()))
}

fn name(program: &Program, saga: &Saga) -> String {
    format!("{}.{}", program.record_name(saga.record), saga.name)
}

/// A step by what it is called and what it calls: "mark: Bounty.reserve".
fn shape(program: &Program, saga: &Saga, step: usize) -> String {
    format!("{}: {}", saga.step_name(step), program.called(&saga.steps[step].action))
}

/// What is called to undo a step.
fn undo(program: &Program, saga: &Saga, step: usize) -> String {
    saga.steps[step].undo.as_ref().map_or_else(|| "nothing".to_owned(), |undo| program.called(undo))
}
