//! How events ended, one a line.

use std::fmt::Write as _;

use patternc_program::{Program, Type};

use super::write::{write_text, write_value};
use super::{Form, JsonError, reference_text};
use crate::event::{EventId, Outcome};
use crate::failure::Failure;
use crate::value::{RecordRef, Value};

/// A line of output.
#[derive(Clone, Debug)]
pub enum OutcomeLine<'a> {
    /// A record was created.
    Created {
        id: &'a EventId,
        record: &'a RecordRef,
    },
    /// A handler committed.
    Committed {
        id: &'a EventId,
        result: &'a Value,
        ty: &'a Type,
    },
    /// The answer to a read: cells by name.
    Cells {
        id: Option<&'a EventId>,
        cells: Vec<(&'a str, &'a Type, Value)>,
    },
    /// The answer to a query.
    Value {
        id: Option<&'a EventId>,
        value: &'a Value,
        ty: &'a Type,
    },
    Failed {
        id: Option<&'a EventId>,
        failure: &'a Failure,
    },
    /// Its answer hangs on an event that is parked, for this reason.
    Pending {
        id: &'a EventId,
        on: &'a EventId,
        why: &'a str,
    },
    /// The line of the input (from 1) that could not be read.
    Invalid {
        line: u64,
        id: Option<&'a EventId>,
        error: &'a JsonError,
    },
}

impl<'a> OutcomeLine<'a> {
    /// The line for the outcome of an event whose result is of this type.
    pub fn of(id: &'a EventId, outcome: &'a Outcome, created: bool, ty: &'a Type) -> Self {
        match outcome {
            Outcome::Committed(Value::Ref(record)) if created => OutcomeLine::Created { id, record },
            Outcome::Committed(result) => OutcomeLine::Committed { id, result, ty },
            Outcome::Failed(failure) => OutcomeLine::Failed { id: Some(id), failure },
        }
    }

    /// The line as JSON, without a line break.
    pub fn to_text(&self, program: &Program) -> String {
        let mut out = String::from("{");
        match self {
            OutcomeLine::Created { id, record } => {
                open(&mut out, Some(id), "committed");
                out.push_str(",\"ref\":");
                write_text(&mut out, &reference_text(program, record));
            }
            OutcomeLine::Committed { id, result, ty } => {
                open(&mut out, Some(id), "committed");
                out.push_str(",\"result\":");
                value(&mut out, program, result, ty);
            }
            OutcomeLine::Cells { id, cells } => {
                open(&mut out, *id, "value");
                out.push_str(",\"cells\":{");
                for (i, (name, ty, cell)) in cells.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(&mut out, name);
                    out.push(':');
                    value(&mut out, program, cell, ty);
                }
                out.push('}');
            }
            OutcomeLine::Value { id, value: result, ty } => {
                open(&mut out, *id, "value");
                out.push_str(",\"value\":");
                value(&mut out, program, result, ty);
            }
            OutcomeLine::Failed { id, failure } => {
                open(&mut out, *id, "failed");
                write!(out, ",\"failure\":{{\"kind\":\"{}\",\"message\":", failure.kind).expect("writing to a String cannot fail");
                write_text(&mut out, &failure.message);
                out.push('}');
            }
            OutcomeLine::Pending { id, on, why } => {
                open(&mut out, Some(id), "pending");
                out.push_str(",\"parked\":");
                write_text(&mut out, &on.0);
                out.push_str(",\"reason\":");
                write_text(&mut out, why);
            }
            OutcomeLine::Invalid { line, id, error } => {
                write!(out, "\"line\":{line},").expect("writing to a String cannot fail");
                open(&mut out, *id, "invalid");
                out.push_str(",\"message\":");
                write_text(&mut out, &error.to_string());
            }
        }
        out.push('}');
        out
    }
}

fn open(out: &mut String, id: Option<&EventId>, outcome: &str) {
    if let Some(id) = id {
        out.push_str("\"id\":");
        write_text(out, &id.0);
        out.push(',');
    }
    write!(out, "\"outcome\":\"{outcome}\"").expect("writing to a String cannot fail");
}

fn value(out: &mut String, program: &Program, value: &Value, ty: &Type) {
    // The outside form shows what is not of its type as it is.
    let written = write_value(out, program, Form::Outside, value, ty);
    debug_assert!(written.is_ok());
}
