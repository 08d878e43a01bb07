//! Who answers the calls of a deployment.

use indexmap::IndexMap;

use super::values::list;
use super::{DeploymentPlaces, Entry, Reader};
use crate::config::yaml::{Node, Part};
use crate::config::{Extern, Http, HttpOperation, words};

impl Reader<'_> {
    pub(super) fn read_extern(&mut self, entry: &Entry<'_>, places: &mut DeploymentPlaces) -> Option<Extern> {
        let what = format!("extern `{}`", entry.key);
        let kind = self.kind(entry, &what, words::EXTERN_KINDS)?;
        let fields = self.fields(&entry.value, &format!("an extern of kind {kind}"), words::of_kind(kind)?);
        let field = |name: &str| fields.iter().find(|field| field.key == name).map(|field| &field.value);
        let authorities = field("authorities").and_then(|at| self.template(at, "`authorities`"));
        let timeout = field("timeout").and_then(|at| self.duration(at, "`timeout`"));
        let replays = field("replays").is_some_and(|at| self.truth(at, "`replays`"));
        match kind {
            "http" => {
                let base = field("base").and_then(|at| self.template(at, "`base`"));
                let base = self.required(base, entry, &what, "base", field("base").is_some());
                let mut headers = IndexMap::new();
                for header in field("headers").map(|at| self.entries(at, "`headers`")).unwrap_or_default() {
                    if let Some(value) = self.template(&header.value, "a header") {
                        headers.insert(header.key.into(), value);
                    }
                }
                let mut operations = IndexMap::new();
                for operation in field("operations").map(|at| self.entries(at, "`operations`")).unwrap_or_default() {
                    places.operations.push((entry.key.into(), operation.key.into(), operation.value.path.clone()));
                    let read = self.operation(&operation);
                    operations.insert(operation.key.into(), read);
                }
                Some(Extern::Http(Http { base: base?, headers, timeout, authorities, replays, operations }))
            }
            "command" => {
                let run = field("run").map(|at| self.texts(at, "`run`"));
                let run = self.required(run, entry, &what, "run", field("run").is_some())?;
                if run.is_empty() {
                    if let Some(Node::List(_)) = field("run").map(|at| at.node) {
                        let path = &field("run")?.path;
                        let help = Some("write the program and its arguments: `run: [\"./rates.py\"]`".to_owned());
                        self.problem(path, Part::Value, "`run` names no program", help);
                    }
                    return None;
                }
                Some(Extern::Command { run, timeout, replays })
            }
            _ => {
                let endpoint = field("endpoint").and_then(|at| self.template(at, "`endpoint`"));
                let endpoint = self.required(endpoint, entry, &what, "endpoint", field("endpoint").is_some())?;
                let token = field("token").and_then(|at| self.template(at, "`token`"));
                let calls = match field("calls").and_then(|at| self.text(at, "`calls`")) {
                    None => Some("patternc/call".into()),
                    Some("none") => None,
                    Some(calls) => Some(calls.into()),
                };
                Some(Extern::SpiceDb { endpoint, token, timeout, authorities, calls })
            }
        }
    }

    fn operation(&mut self, entry: &Entry<'_>) -> HttpOperation {
        let mut operation = HttpOperation { method: "POST".into(), path: format!("/{}", entry.key).into(), reject: None };
        for field in self.fields(&entry.value, "an operation", words::OPERATION) {
            match field.key {
                "method" => {
                    let Some(method) = self.text(&field.value, "`method`") else { continue };
                    if words::METHODS.contains(&method) {
                        operation.method = method.into();
                    } else {
                        let help = Some(format!("it is one of {}", list(&words::METHODS)));
                        self.problem(&field.value.path, Part::Value, format!("`{method}` is no method"), help);
                    }
                }
                "path" => {
                    let Some(path) = self.text(&field.value, "`path`") else { continue };
                    if path.starts_with('/') {
                        operation.path = path.into();
                    } else {
                        let help = Some(format!("write `/{path}`: it is appended to `base`"));
                        self.problem(&field.value.path, Part::Value, "a path starts with `/`", help);
                    }
                }
                _ => {
                    let mut codes = Vec::new();
                    for element in self.elements(&field.value, "`reject`") {
                        match element.node {
                            Node::Int(code @ 100..=599) => codes.push(*code as u16),
                            _ => self.problem(&element.path, Part::Value, "`reject` is a list of HTTP status codes", None),
                        }
                    }
                    operation.reject = Some(codes);
                }
            }
        }
        operation
    }
}
