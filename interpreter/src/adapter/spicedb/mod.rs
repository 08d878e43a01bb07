//! An extern that is SpiceDB, through its HTTP gateway.
//!
//! Operations are told by their names: `touch`, `delete` (or `remove`), `read` and `check`; what they do is told by the names of their
//! arguments and of the fields of structs among them: `resource`, `relation`, `subject` make a relationship or filter, `permission` is what
//! is checked, `must` and `must_not` are filters that have to match (or not) for a write to happen, `at` is a consistency token.
//!
//! SpiceDB knows no idempotency keys, so a call that comes late could undo a newer one. Therefore each write also creates a relationship that
//! stands for the call (`patternc/call:KEY#made@patternc/call:KEY`, for a day): a copy of it, however late, finds it there and does nothing.

mod relation;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use patternc_program::{Program, Type};
use serde_json::{Value as Json, json};
use ureq::Agent;

use self::relation::Parts;
use super::http::{never_left, told, told_of};
use super::{LARGEST_ANSWER, message, operation, refused, result, time_out, tls};
use crate::engine::{CallAnswer, ExternCall};
use crate::json::{Form, write_value};
use crate::runtime::Callee;
use crate::value::Value;

/// Relationships read at once.
const PAGE: usize = 1000;
/// How long a call is remembered by SpiceDB, in milliseconds: far longer than any copy of it can be under way.
const REMEMBERED: i64 = 24 * 60 * 60 * 1000;

/// An authorization store.
pub struct SpiceDb {
    base: String,
    token: Option<String>,
    timeout: Option<Duration>,
    /// The object type of calls; `None`: they are not remembered.
    calls: Option<String>,
    agent: Agent,
}

/// How an attempt ended, if not with an answer.
enum Stop {
    Answer(CallAnswer),
    /// gRPC status and message.
    Refused(u64, String),
}

type Attempt<T> = Result<T, Stop>;

/// The gRPC status of a relationship that is there already.
const ALREADY_EXISTS: u64 = 6;
/// That of a write which its preconditions stop.
const FAILED_PRECONDITION: u64 = 9;
/// Of a caller that is not known, or may not do it.
const UNAUTHENTICATED: u64 = 16;
const PERMISSION_DENIED: u64 = 7;

impl SpiceDb {
    /// The gateway at `endpoint`: `host:port`, or with `http://` or `https://` before it. `calls`: the object type in which calls are
    /// remembered. `authorities`: a PEM file with the certificates of those who are trusted to say who the gateway is, instead of the public ones.
    ///
    /// # Errors
    /// When the endpoint is no address, the token cannot be sent, or the certificates cannot be used. The token itself is never told.
    pub fn new(
        endpoint: &str,
        token: Option<String>,
        timeout: Option<Duration>,
        calls: Option<String>,
        authorities: Option<&Path>,
    ) -> Result<Self, String> {
        let endpoint = endpoint.trim_end_matches('/');
        let base = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let uri: Result<ureq::http::Uri, _> = base.parse();
        if !uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()) {
            return Err("its `endpoint` is not an address like localhost:8443 or https://spicedb.example".to_owned());
        }
        if let Some(token) = &token
            && ureq::http::HeaderValue::from_str(token).is_err()
        {
            return Err("its `token` has characters that a header cannot have".to_owned());
        }
        let config = Agent::config_builder()
            .tls_config(tls(authorities)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false);
        let agent = config.user_agent("patternc").max_idle_connections(16).max_idle_connections_per_host(16).build().into();
        Ok(SpiceDb { base, token, timeout, calls, agent })
    }

    fn ask(&self, program: &Program, call: &ExternCall) -> Attempt<CallAnswer> {
        let declared = operation(program, call);
        let arguments = Arguments::of(program, call);
        match declared.name.as_str() {
            "touch" => self.write(program, call, &arguments, "OPERATION_TOUCH"),
            "delete" | "remove" => self.write(program, call, &arguments, "OPERATION_DELETE"),
            "read" => self.read(program, call, &arguments),
            "check" => self.check(program, call, &arguments),
            other => {
                Err(rejected(format!("SpiceDB has no operation `{other}`: there are `touch`, `delete` (or `remove`), `read`, `check`")))
            }
        }
    }

    fn write(&self, program: &Program, call: &ExternCall, arguments: &Arguments, does: &str) -> Attempt<CallAnswer> {
        let mut updates: Vec<Json> = Vec::new();
        for parts in &arguments.relations {
            updates.push(json!({ "operation": does, "relationship": parts.relationship().map_err(rejected)? }));
        }
        if updates.is_empty() {
            return Err(rejected("a relationship is needed: `resource`, `relation`, `subject`".to_owned()));
        }
        let key = relation::encode(&call.event.0);
        let note = self.calls.as_ref().map(|calls| {
            let object = json!({ "objectType": calls, "objectId": key });
            let relationship = json!({
                "resource": object, "relation": "made", "subject": { "object": object }, "optionalExpiresAt": in_a_day(program),
            });
            json!({ "operation": "OPERATION_CREATE", "relationship": relationship })
        });
        updates.extend(note.clone());
        let mut preconditions: Vec<Json> = Vec::new();
        for (operation, filters) in [("OPERATION_MUST_MATCH", &arguments.must), ("OPERATION_MUST_NOT_MATCH", &arguments.must_not)] {
            for parts in filters {
                preconditions.push(json!({ "operation": operation, "filter": parts.filter().map_err(rejected)? }));
            }
        }
        let body = json!({ "updates": updates, "optionalPreconditions": preconditions });
        let token = match self.post(call, "/v1/relationships/write", &body) {
            Ok(answer) => one(&answer)?.pointer("/writtenAt/token").and_then(Json::as_str).unwrap_or_default().to_owned(),
            // The call has been made before, and its answer was lost.
            Err(Stop::Refused(ALREADY_EXISTS, _)) if self.calls.is_some() => self.token_of(call, &key)?.unwrap_or_default(),
            Err(Stop::Refused(status, why)) if call.ends_refused && is_final(status) && note.is_some() => {
                // A copy of the call that is still under way must not be made after the next one: from here on it finds its note.
                match self.post(call, "/v1/relationships/write", &json!({ "updates": [note] })) {
                    // One of them had been made before.
                    Err(Stop::Refused(ALREADY_EXISTS, _)) => self.token_of(call, &key)?.unwrap_or_default(),
                    Err(Stop::Answer(answer)) => return Err(Stop::Answer(answer)),
                    Ok(_) => return Err(rejected(why)),
                    Err(Stop::Refused(..)) => return Err(self.explain(status, why)),
                }
            }
            // What it made may be what its own preconditions forbid.
            Err(Stop::Refused(FAILED_PRECONDITION, why)) if self.calls.is_some() && call.doubtful => {
                self.token_of(call, &key)?.ok_or_else(|| rejected(why))?
            }
            Err(Stop::Refused(status, why)) => return Err(self.explain(status, why)),
            Err(stop) => return Err(stop),
        };
        Ok(result(program, call, json!(token).to_string().as_bytes()))
    }

    /// A token of a moment at which the call was made; `None` if it was not.
    fn token_of(&self, call: &ExternCall, key: &str) -> Attempt<Option<String>> {
        let filter = json!({ "resourceType": self.calls, "optionalResourceId": key });
        let body = json!({ "consistency": { "fullyConsistent": true }, "relationshipFilter": filter, "optionalLimit": 1 });
        let answer = self.post(call, "/v1/relationships/read", &body)?;
        let token = |line: &Json| line.pointer("/result/readAt/token").and_then(Json::as_str).unwrap_or_default().to_owned();
        Ok(lines(&answer)?.first().map(token))
    }

    fn read(&self, program: &Program, call: &ExternCall, arguments: &Arguments) -> Attempt<CallAnswer> {
        let Some(fields) = operation(program, call).result.as_ref().and_then(|ty| relation_fields(program, ty)) else {
            return Err(rejected("`read` gives a List of a struct with `resource`, `relation` and `subject`, all Text".to_owned()));
        };
        let [parts] = &arguments.relations[..] else {
            return Err(rejected("`read` takes one filter: `resource`, `relation`, `subject`".to_owned()));
        };
        let filter = parts.filter().map_err(rejected)?;
        // Facts are compared with what it gives, so nothing that was written may be missing.
        // The pages are of one moment: the cursor holds it. All else has to be as it was for the first.
        let consistency = arguments.consistency(call);
        let mut found: Vec<Value> = Vec::new();
        let mut cursor = Json::Null;
        loop {
            let mut body = json!({ "consistency": consistency, "relationshipFilter": filter, "optionalLimit": PAGE });
            if !cursor.is_null() {
                body["optionalCursor"] = cursor;
            }
            let answer = self.post(call, "/v1/relationships/read", &body)?;
            let page = lines(&answer)?;
            for line in &page {
                if let Some(parts) = line.pointer("/result/relationship").and_then(Parts::read) {
                    found.push(Value::Struct(fields.iter().map(|field| field.of(&parts)).collect::<Vec<_>>().into()));
                }
            }
            let Some(last) = page.last().filter(|_| page.len() >= PAGE) else { break };
            cursor = last.pointer("/result/afterResultCursor").cloned().unwrap_or(Json::Null);
            if cursor.is_null() {
                break;
            }
        }
        Ok(CallAnswer::Value(Value::list(found)))
    }

    fn check(&self, program: &Program, call: &ExternCall, arguments: &Arguments) -> Attempt<CallAnswer> {
        let [Parts { resource: Some(resource), subject: Some(subject), .. }] = &arguments.relations[..] else {
            return Err(rejected("`check` takes a `resource`, a `permission` and a `subject`".to_owned()));
        };
        let Some(permission) = &arguments.permission else {
            return Err(rejected("`check` takes the `permission` that is asked about".to_owned()));
        };
        let body = json!({
            "consistency": arguments.consistency(call),
            "resource": relation::object(resource).map_err(rejected)?,
            "permission": permission,
            "subject": relation::subject(subject).map_err(rejected)?,
        });
        let answer = self.post(call, "/v1/permissions/check", &body)?;
        match one(&answer)?.get("permissionship").and_then(Json::as_str) {
            Some("PERMISSIONSHIP_HAS_PERMISSION") => Ok(result(program, call, b"true")),
            Some("PERMISSIONSHIP_NO_PERMISSION") => Ok(result(program, call, b"false")),
            Some("PERMISSIONSHIP_CONDITIONAL_PERMISSION") => {
                Err(rejected("whether there is the permission depends on a caveat, which cannot be asked about".to_owned()))
            }
            _ => Err(Stop::Answer(CallAnswer::Unusable("the answer says nothing about the permission".to_owned()))),
        }
    }

    fn post(&self, call: &ExternCall, path: &str, body: &Json) -> Attempt<Vec<u8>> {
        let unreached = |error: &ureq::Error| {
            let why = told_of(&self.base, "endpoint", error);
            Stop::Answer(if never_left(error) { CallAnswer::NotSent(why) } else { CallAnswer::Unavailable(why) })
        };
        let mut request = ureq::http::Request::post(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.to_string()).map_err(|error| unreached(&error.into()))?;
        let request = self.agent.configure_request(request).timeout_global(Some(time_out(self.timeout, call))).build();
        let mut response = self.agent.run(request).map_err(|error| unreached(&error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER as u64).read_to_vec();
        let body = body.map_err(|error| Stop::Answer(CallAnswer::Unavailable(told(&error))))?;
        if status.is_success() {
            return Ok(body);
        }
        let code = serde_json::from_slice::<Json>(&body).ok().and_then(|json| json.get("code")?.as_u64());
        let why = message(&body, || format!("HTTP status {status}"));
        Err(match code {
            Some(code) => Stop::Refused(code, why),
            // Who stands before SpiceDB speaks no gRPC.
            None if status == 401 => Stop::Refused(UNAUTHENTICATED, why),
            None if status == 403 => Stop::Refused(PERMISSION_DENIED, why),
            None => Stop::Answer(CallAnswer::Unavailable(why)),
        })
    }

    /// What a refusal of a write means, and what to do about calls that cannot be remembered.
    fn explain(&self, status: u64, why: String) -> Stop {
        match &self.calls {
            Some(calls) if why.contains(calls.as_str()) => Stop::Refused(
                status,
                format!(
                    "{why}. Calls are remembered there, so that none is made twice: add `use expiration` and `definition {calls} {{ relation \
                     made: {calls} with expiration }}` to the schema, or set `calls: none`"
                ),
            ),
            _ => Stop::Refused(status, why),
        }
    }
}

/// Endpoint and token may be secret.
impl std::fmt::Debug for SpiceDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpiceDb").field("timeout", &self.timeout).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Callee for SpiceDb {
    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer {
        match self.ask(program, call) {
            Ok(answer) | Err(Stop::Answer(answer)) => answer,
            // The call is as good as any other; what is wrong is the deployment.
            Err(Stop::Refused(UNAUTHENTICATED | PERMISSION_DENIED, why)) => {
                let token = if self.token.is_some() {
                    "does not accept the `token` of the extern"
                } else {
                    "asks for a `token`, and the extern has none"
                };
                CallAnswer::NotSent(format!("SpiceDB {token}: {why}"))
            }
            Err(Stop::Refused(status, why)) if is_final(status) => refused(program, call, false, why),
            Err(Stop::Refused(_, why)) => CallAnswer::Unavailable(why),
        }
    }
}

/// Whether a call that ended so would end so again.
fn is_final(status: u64) -> bool {
    // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
    !matches!(status, 1 | 2 | 4 | 8 | 10 | 13 | 14 | 15 | UNAUTHENTICATED | PERMISSION_DENIED)
}

fn rejected(why: String) -> Stop {
    Stop::Answer(CallAnswer::Rejected(why))
}

fn one(answer: &[u8]) -> Attempt<Json> {
    serde_json::from_slice(answer).map_err(|error| Stop::Answer(CallAnswer::Unavailable(format!("the answer is not JSON: {error}"))))
}

/// The results of a stream; an error in it is the answer.
fn lines(answer: &[u8]) -> Attempt<Vec<Json>> {
    let mut lines = Vec::new();
    for line in answer.split(|&byte| byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace)) {
        let line = one(line)?;
        if let Some(error) = line.get("error") {
            let code = error.get("code").and_then(Json::as_u64).unwrap_or(2);
            let why = error.get("message").and_then(Json::as_str).unwrap_or("the stream broke off");
            return Err(Stop::Refused(code, why.to_owned()));
        }
        lines.push(line);
    }
    Ok(lines)
}

/// When a call made now may be forgotten.
fn in_a_day(program: &Program) -> Json {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let mut text = String::new();
    // Not every reader of protobuf's JSON takes fractions of any length.
    let at = Value::Time(now.saturating_add(REMEMBERED) / 1000 * 1000);
    let written = write_value(&mut text, program, Form::Outside, &at, &Type::Time);
    debug_assert!(written.is_ok(), "a time is a time");
    serde_json::from_str(&text).unwrap_or(Json::Null)
}

/// What a call is given, found by the names of arguments and of fields.
#[derive(Default)]
struct Arguments {
    relations: Vec<Parts>,
    must: Vec<Parts>,
    must_not: Vec<Parts>,
    permission: Option<String>,
    /// How fresh an answer has to be.
    at: At,
}

#[derive(Default)]
enum At {
    /// Of now.
    #[default]
    Now,
    /// Not older than what mirrors have told of the space that asks.
    Told,
    Token(String),
}

impl Arguments {
    fn consistency(&self, call: &ExternCall) -> Json {
        let token = match &self.at {
            At::Now => None,
            At::Told => call.after.as_deref(),
            At::Token(token) => Some(token.as_str()),
        };
        match token {
            Some(token) => json!({ "atLeastAsFresh": { "token": token } }),
            None => json!({ "fullyConsistent": true }),
        }
    }

    fn of(program: &Program, call: &ExternCall) -> Arguments {
        let mut arguments = Arguments::default();
        // Arguments that are no structs make one relationship together.
        let mut bare = Parts::default();
        for (param, value) in operation(program, call).params.iter().zip(&call.args) {
            let name = param.name.as_str();
            match name {
                "at" => match value {
                    Value::Text(token) if !token.is_empty() => arguments.at = At::Token(token.to_string()),
                    Value::None => arguments.at = At::Told,
                    _ => {}
                },
                "must" => relations(program, &param.ty, value, &mut arguments.must),
                "must_not" => relations(program, &param.ty, value, &mut arguments.must_not),
                _ => match value {
                    Value::Text(text) => {
                        let text = Some(text.to_string());
                        match name {
                            "resource" => bare.resource = text,
                            "relation" => bare.relation = text,
                            "subject" => bare.subject = text,
                            "permission" => arguments.permission = text,
                            _ => {}
                        }
                    }
                    _ => relations(program, &param.ty, value, &mut arguments.relations),
                },
            }
        }
        if bare != Parts::default() {
            arguments.relations.push(bare);
        }
        arguments
    }
}

/// The relationships in a struct, an optional or a collection of them.
fn relations(program: &Program, ty: &Type, value: &Value, out: &mut Vec<Parts>) {
    match (ty, value) {
        (Type::Optional(ty), value) => relations(program, ty, value, out),
        (Type::List(ty), Value::List(values)) => values.iter().for_each(|value| relations(program, ty, value, out)),
        (Type::Set(ty), Value::Set(values)) => values.iter().for_each(|value| relations(program, ty, value, out)),
        (Type::Struct(id, _), Value::Struct(values)) => {
            let text = |name: &str| {
                let at = program.structs[id.index()].fields.iter().position(|field| field.name == name)?;
                match values.get(at) {
                    Some(Value::Text(text)) => Some(text.to_string()),
                    _ => None,
                }
            };
            out.push(Parts { resource: text("resource"), relation: text("relation"), subject: text("subject") });
        }
        _ => {}
    }
}

/// A field of the struct that `read` gives.
#[derive(Clone, Copy)]
enum Field {
    Resource,
    Relation,
    Subject,
    /// One that may be missing, and is.
    None,
}

impl Field {
    fn of(self, parts: &Parts) -> Value {
        let text = match self {
            Field::Resource => &parts.resource,
            Field::Relation => &parts.relation,
            Field::Subject => &parts.subject,
            Field::None => &None,
        };
        text.as_ref().map_or(Value::None, |text| Value::Text(text.as_str().into()))
    }
}

/// The fields of the struct in a list, if they can be filled.
fn relation_fields(program: &Program, ty: &Type) -> Option<Vec<Field>> {
    let (Type::List(of) | Type::Set(of)) = ty else { return None };
    let Type::Struct(id, _) = **of else { return None };
    let fields = program.structs[id.index()].fields.iter().map(|field| match (field.name.as_str(), &field.ty) {
        ("resource", Type::Text) => Some(Field::Resource),
        ("relation", Type::Text) => Some(Field::Relation),
        ("subject", Type::Text) => Some(Field::Subject),
        (_, Type::Optional(_)) => Some(Field::None),
        _ => None,
    });
    fields.collect()
}
