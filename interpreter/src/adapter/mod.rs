//! What externs can be bound to: an HTTP service ([`Http`]), a command ([`Command`]), SpiceDB ([`SpiceDb`]).
//!
//! A call is made with its arguments as a JSON object in the outside form of [`crate::json`] and an idempotency key: the id of the event,
//! which is the same in every attempt. What comes back is read as the operation's result type. Nothing that an outside does, not
//! answering included, is more than an answer here.

mod command;
mod http;
mod spicedb;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patternc_program::{Operation, Program, Repeat, Type};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub use self::command::Command;
pub use self::http::{Http, HttpOperation};
pub use self::spicedb::SpiceDb;
use crate::authorities;
use crate::engine::{CallAnswer, ExternCall};
use crate::json::{self, Form, JsonError, Names, Reader};
use crate::value::Value;

/// Bytes that an answer may have.
const LARGEST_ANSWER: usize = 16 << 20;
/// How deep an answer may be nested.
const DEEPEST_ANSWER: usize = 100;
/// Characters of an outside message that are told.
const LONGEST_MESSAGE: usize = 500;

/// The operation that a call is of.
fn operation<'p>(program: &'p Program, call: &ExternCall) -> &'p Operation {
    &program.externs[call.of.index()].operations[call.operation as usize]
}

/// The arguments with their names, each as JSON.
fn arguments<'p>(program: &'p Program, call: &ExternCall) -> Result<Vec<(&'p str, String)>, JsonError> {
    let params = &operation(program, call).params;
    params
        .iter()
        .zip(&call.args)
        .map(|(param, arg)| {
            let mut out = String::new();
            json::write_value(&mut out, program, Form::Outside, arg, &param.ty)?;
            Ok((param.name.as_str(), out))
        })
        .collect()
}

/// A JSON object of values that are JSON already.
fn object(fields: &[(&str, String)]) -> String {
    let mut out = String::from("{");
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        json::write_text(&mut out, name);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}

/// Reads what came back after the operation took effect.
fn result(program: &Program, call: &ExternCall, answer: &[u8]) -> CallAnswer {
    let Some(ty) = &operation(program, call).result else { return CallAnswer::Value(Value::None) };
    match read(program, ty, answer) {
        Ok(value) => CallAnswer::Value(value),
        Err(message) => CallAnswer::Unusable(format!("the answer cannot be used: {message}")),
    }
}

fn read(program: &Program, ty: &Type, answer: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "it is not UTF-8".to_owned())?;
    let depth = json::nesting(text);
    if depth > DEEPEST_ANSWER {
        return Err(format!("it is nested {depth} deep; {DEEPEST_ANSWER} is the most"));
    }
    let json = json::from_text(text).map_err(|error| format!("it is not JSON: {error}"))?;
    // Which of the two counts is not known. What is not read may be as it likes.
    if let Some(name) = json::repeated_name_of(program, ty, text) {
        return Err(format!("it has {name:?} twice"));
    }
    let reader = Reader { program, names: &Names::default(), form: Form::Answer, here: None, keys: None, limits: None };
    reader.value(&json, ty, &json::Path::Root).map_err(|error| error.to_string())
}

/// The answer to a call that was refused: whether the refusal says anything of attempts before this one, which may have arrived.
///
/// `replays`: the outside answers a key that it knows with what it answered first, so that a refusal is one of the call, not of the repetition.
fn refused(program: &Program, call: &ExternCall, replays: bool, said: String) -> CallAnswer {
    if replays || !call.doubtful || operation(program, call).repeat == Repeat::Readonly {
        return CallAnswer::Rejected(said);
    }
    CallAnswer::Unusable(format!(
        "{said}; but an earlier attempt may have taken effect. If a repetition is answered as the first attempt was, say `replays: true` of the \
         extern"
    ))
}

/// What an outside said, short enough to be told: the `message` or `error` of a JSON object, or the text; `otherwise` if it said nothing.
fn message(said: &[u8], otherwise: impl FnOnce() -> String) -> String {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    let json: Option<serde_json::Value> = serde_json::from_str(said).ok();
    let from_json = json.as_ref().and_then(|json| ["message", "error"].iter().find_map(|name| json.get(name)?.as_str()));
    match from_json.unwrap_or(said) {
        "" => otherwise(),
        said => match said.char_indices().nth(LONGEST_MESSAGE) {
            Some((cut, _)) => format!("{}…", &said[..cut]),
            None => said.to_owned(),
        },
    }
}

/// TLS that trusts the authorities whose certificates are in a PEM file; without one, the public ones.
fn tls(authorities: Option<&Path>) -> Result<TlsConfig, String> {
    let Some(file) = authorities else { return Ok(TlsConfig::default()) };
    let certificates = authorities::read(file)?.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates))).build())
}

/// How long a call may take: what the adapter is given ([`crate::runtime::Callee::timeout`]), but not longer than the engine waits.
fn time_out(own: Option<Duration>, call: &ExternCall) -> Duration {
    let engine = Duration::from_millis(call.timeout.max(1).unsigned_abs());
    own.map_or(engine, |own| own.min(engine))
}
