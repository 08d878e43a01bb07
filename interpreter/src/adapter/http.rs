//! An extern that is an HTTP service.
//!
//! An operation is `POST base/NAME` with its arguments as a JSON object and the header `Idempotency-Key`, unless it is told otherwise. With
//! `GET`, `HEAD` and `DELETE` the arguments are the query: a Text as it is, all else as JSON. 2xx is the result (a body as JSON, none where
//! the operation has no result). 4xx but 408, 425 and 429 reject, with the `message` or `error` of a JSON body, or the body, as the
//! message; or exactly the statuses that are told. Everything else, and silence, is tried again where that is safe. Redirects are not followed.
//!
//! When an earlier attempt may have arrived, a refusal may be that of the repetition: 404 of what the first attempt deleted, 409 of what it made.
//! So it is believed only of a service that answers a known key with its first answer ([`Http::replays`]); and then not where it comes from
//! before the service has looked for the key, or while the first attempt is under way (401, 403, 407, 409): those are asked again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use patternc_program::{Program, Repeat};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use ureq::{Agent, Error, Timeout};

use super::{LARGEST_ANSWER, arguments, message, object, operation, refused, result, time_out, tls};
use crate::engine::{CallAnswer, ExternCall};
use crate::runtime::Callee;

/// An HTTP service.
#[derive(Clone)]
pub struct Http {
    /// What the path of an operation is appended to.
    base: String,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    operations: BTreeMap<String, HttpOperation>,
    replays: bool,
    /// Each call has a connection of its own. On one that is used again, whatever the service says too much is taken for the answer to the next
    /// call; and one that it has just closed would leave it unknown whether it was asked.
    agent: Agent,
}

/// How an operation becomes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOperation {
    /// In capitals.
    pub method: String,
    /// Appended to the base.
    pub path: String,
    /// Statuses that reject; `None`: 4xx but 408, 425 and 429.
    pub reject: Option<Vec<u16>>,
}

impl HttpOperation {
    /// What an operation of this name is when nothing is said: `POST base/NAME`.
    pub fn named(name: &str) -> Self {
        HttpOperation { method: "POST".to_owned(), path: format!("/{name}"), reject: None }
    }

    fn rejects(&self, status: u16) -> bool {
        match &self.reject {
            Some(statuses) => statuses.contains(&status),
            None => (400..500).contains(&status) && ![408, 425, 429].contains(&status),
        }
    }

    /// Whether the arguments are the query.
    fn has_query(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE")
    }
}

impl Http {
    /// A service at this base, like `https://pay.example/v1`. `authorities`: a PEM file with the certificates of those who are trusted to say who
    /// it is, instead of the public ones.
    ///
    /// # Errors
    /// When the base is no URL, a header cannot be sent, or the certificates cannot be used. Values of headers are never told: they may be secret.
    pub fn new(base: &str, headers: Vec<(String, String)>, timeout: Option<Duration>, authorities: Option<&Path>) -> Result<Self, String> {
        let base = base.trim_end_matches('/').to_owned();
        let uri: Result<ureq::http::Uri, _> = base.parse();
        let is_url =
            uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none());
        if !is_url {
            return Err("its `base` is not a URL like https://pay.example/v1".to_owned());
        }
        for (name, value) in &headers {
            if ureq::http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(format!("{name:?} is not the name of a header"));
            }
            if ureq::http::HeaderValue::from_str(value).is_err() {
                return Err(format!("the value of the header {name} has characters that a header cannot have"));
            }
        }
        let tls = tls(authorities)?;
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent("patternc")
            .max_idle_connections(0)
            .max_idle_connections_per_host(0);
        Ok(Http { base, headers, timeout, operations: BTreeMap::new(), replays: false, agent: config.build().into() })
    }

    /// Says how an operation becomes a request.
    #[must_use]
    pub fn operation(mut self, name: impl Into<String>, operation: HttpOperation) -> Self {
        self.operations.insert(name.into(), operation);
        self
    }

    /// Says whether the service answers an idempotency key that it knows with what it answered first.
    #[must_use]
    pub fn replays(mut self, replays: bool) -> Self {
        self.replays = replays;
        self
    }

    fn ask(&self, program: &Program, call: &ExternCall) -> Result<CallAnswer, Error> {
        let declared = operation(program, call);
        let name = declared.name.as_str();
        let own = self.operations.get(name).cloned().unwrap_or_else(|| HttpOperation::named(name));
        let arguments = match arguments(program, call) {
            Ok(arguments) => arguments,
            Err(error) => return Ok(CallAnswer::Rejected(format!("the arguments cannot be sent: {error}"))),
        };
        let mut url = format!("{}{}", self.base, own.path);
        if own.has_query() {
            append_query(&mut url, &arguments);
        }
        let mut request = ureq::http::Request::builder().method(own.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request = request.header("Idempotency-Key", visible(&call.event.0)).header("Accept", "application/json");
        let timeout = Some(time_out(self.timeout, call));
        let agent = &self.agent;
        let mut response = if own.has_query() {
            agent.run(agent.configure_request(request.body(())?).timeout_global(timeout).build())?
        } else {
            let request = request.header("Content-Type", "application/json").body(object(&arguments))?;
            agent.run(agent.configure_request(request).timeout_global(timeout).build())?
        };
        let status = response.status();
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER as u64).read_to_vec();
        if own.rejects(status.as_u16()) {
            // Whatever became of the body, the status says it.
            let said = message(&body.unwrap_or_default(), || format!("HTTP status {status}"));
            let of_the_repetition =
                self.replays && call.doubtful && own.reject.is_none() && [401, 403, 407, 409].contains(&status.as_u16());
            if of_the_repetition && declared.repeat != Repeat::Readonly {
                return Ok(CallAnswer::Unavailable(format!("{said} (HTTP status {status}, which says nothing of the attempt before)")));
            }
            return Ok(refused(program, call, self.replays, said));
        }
        if !status.is_success() {
            return Ok(CallAnswer::Unavailable(format!("HTTP status {status}")));
        }
        match body {
            Ok(body) => Ok(result(program, call, &body)),
            Err(Error::BodyExceedsLimit(_)) => {
                Ok(CallAnswer::Unusable(format!("the answer has more than {LARGEST_ANSWER} bytes, which is the most")))
            }
            Err(error) => Err(error),
        }
    }
}

/// Base and headers may hold secrets.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("timeout", &self.timeout).field("operations", &self.operations).finish_non_exhaustive()
    }
}

impl Callee for Http {
    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer {
        match self.ask(program, call) {
            Ok(answer) => answer,
            Err(error) if never_left(&error) => CallAnswer::NotSent(told_of(&self.base, "base", &error)),
            Err(error) => CallAnswer::Unavailable(told_of(&self.base, "base", &error)),
        }
    }
}

/// Whether nothing reached the service.
pub(super) fn never_left(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl => true,
        Error::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
        ),
        _ => false,
    }
}

/// What happened, without anything that may be secret: addresses can hold passwords.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::BadUri(_) | Error::Http(_) => "the request cannot be made from `base`, `path` and `headers` of the extern".to_owned(),
        Error::Timeout(_) => "no answer in time".to_owned(),
        error => error.to_string(),
    }
}

/// The same of a server at this URL, which the extern's setting of this name gives: why no secure connection to it comes about.
pub(super) fn told_of(url: &str, setting: &str, error: &Error) -> String {
    let why = told(error);
    if !url.starts_with("https:") || !is_of_tls(error) {
        return why;
    }
    let way_out = if why.contains("UnknownIssuer") {
        ". Who signed its certificate is not known: name the certificate of the authority with `authorities: FILE`"
    } else {
        ""
    };
    format!("TLS with the `{setting}` of the extern fails: {why}{way_out}")
}

/// Whether no secure connection came about, as where the other end speaks no TLS or has a certificate that is not trusted.
fn is_of_tls(error: &Error) -> bool {
    match error {
        Error::Tls(_) | Error::Rustls(_) => true,
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Appends arguments as a query.
fn append_query(url: &mut String, arguments: &[(&str, String)]) {
    for (i, (name, value)) in arguments.iter().enumerate() {
        url.push(if i == 0 && !url.contains('?') { '?' } else { '&' });
        percent(url, name);
        url.push('=');
        match serde_json::from_str(value) {
            Ok(Json::String(text)) => percent(url, &text),
            _ => percent(url, value),
        }
    }
}

/// What stands for itself in a URI, wherever it is.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Appends a text, encoded.
fn percent(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, &UNRESERVED));
}

/// An id as a header can hold it; different ids stay different.
fn visible(id: &str) -> String {
    const INVISIBLE: AsciiSet = CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(id, &INVISIBLE).to_string()
}
