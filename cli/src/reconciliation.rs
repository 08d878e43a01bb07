//! Scopes of a mirror reconciled one after the other, on a thread of its own: for the command, and for the owner of a store whom the command
//! asks. What was found is told as JSON, the same for both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use patternc_interpreter::duration;
use patternc_interpreter::engine::{Progress, Reconciled};
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::json::{self, Form, Names, Path, Reader};
use patternc_interpreter::runtime::Caretaker;
use patternc_interpreter::sync::lock;
use patternc_interpreter::value::Value;
use patternc_program::{Program, Type};
use serde_json::{Value as Json, json};

/// A reconciliation under way; when this is dropped it ends after what is being repaired.
pub struct Reconciliation {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

struct State {
    scopes: usize,
    ended: usize,
    progress: Progress,
    /// Of the scopes that have ended, as far as they were not asked for.
    reports: Vec<Json>,
    /// It has ended because the other side did not go on.
    stalled: bool,
    done: bool,
}

impl Reconciliation {
    /// Begins to reconcile the scope, or all of which the mirror has or had facts; it ends when nothing has happened for so long as
    /// `patience`, since what comes after it would wait for the same other side.
    ///
    /// # Errors
    /// If there is no such mirror, the text is no scope of it, or the store cannot be read.
    pub fn begin(caretaker: Caretaker, mirror: &str, scope: Option<&str>, patience: Duration) -> Result<Reconciliation, String> {
        let stopped = || "the patterns are no longer run here".to_owned();
        let program = caretaker.program().ok_or_else(stopped)?;
        let index = find(&program, mirror)?;
        let scopes = match scope {
            Some(scope) => vec![read_scope(&program, index, scope)?],
            None => {
                let scopes = caretaker.scopes(index).ok_or_else(stopped)?;
                scopes.map_err(|error| format!("the store cannot be read: {error}"))?
            }
        };
        let state =
            State { scopes: scopes.len(), ended: 0, progress: Progress::default(), reports: Vec::new(), stalled: false, done: false };
        let (state, stop) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (shared, stops) = (state.clone(), stop.clone());
        let work = move || {
            for scope in scopes {
                let (mut part, mut since, mut stalled) = ((None, 0), Instant::now(), None);
                let result = caretaker.reconcile(index, scope.clone(), |progress| {
                    if part != (progress.found, progress.repaired) {
                        (part, since) = ((progress.found, progress.repaired), Instant::now());
                    }
                    let waits = since.elapsed() < patience;
                    if !waits {
                        stalled = Some(still(&progress, patience));
                    }
                    lock(&shared).progress = progress;
                    waits && !stops.load(Ordering::Relaxed)
                });
                let Some(result) = result.filter(|_| !stops.load(Ordering::Relaxed)) else { break };
                let mut state = lock(&shared);
                state.progress = Progress::default();
                state.stalled = stalled.is_some();
                state.reports.push(report(&program, index, &scope, &stalled.map_or(result, Err)));
                if state.stalled {
                    break;
                }
                state.ended += 1;
            }
            lock(&shared).done = true;
        };
        let thread = std::thread::Builder::new().name("patternc-reconcile".to_owned()).spawn(work);
        thread.map(|_| Reconciliation { state, stop }).map_err(|error| format!("no thread to reconcile on: {error}"))
    }

    /// How far it is, with the reports that have come since it was asked last.
    pub fn look(&self) -> Json {
        let mut state = lock(&self.state);
        let reports = std::mem::take(&mut state.reports);
        json!({
            "scopes": state.scopes,
            "ended": state.ended,
            "found": state.progress.found,
            "repaired": state.progress.repaired,
            "reports": reports,
            "stalled": state.stalled,
            "done": state.done,
        })
    }
}

impl Drop for Reconciliation {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What is said of one that does not go on.
fn still(progress: &Progress, patience: Duration) -> Failure {
    let so_far = match progress.found {
        None => "what the other side has was not read".to_owned(),
        Some(found) => format!("{} of {found} differences are repaired", progress.repaired),
    };
    let why = progress.trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
    let message = format!(
        "nothing has happened for {} (`--timeout`){why}; {so_far}. What was sent goes on whenever the patterns run: see to the other side, and \
         reconcile again",
        duration::exact(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX))
    );
    Failure::new(FailureKind::Unavailable, message)
}

/// The mirror of this name, by index.
///
/// # Errors
/// If there is none.
pub fn find(program: &Program, name: &str) -> Result<u32, String> {
    let names: Vec<&str> = program.mirrors.iter().map(|mirror| mirror.name.as_str()).collect();
    let found = names.iter().position(|known| *known == name);
    found.map(|at| at as u32).ok_or_else(|| {
        let known = if names.is_empty() { "the patterns have none".to_owned() } else { format!("there are {}", names.join(", ")) };
        format!("there is no mirror `{name}`; {known}")
    })
}

/// A scope of a mirror: a Text as it is, anything else as JSON.
///
/// # Errors
/// If it is not of the type.
pub fn read_scope(program: &Program, mirror: u32, text: &str) -> Result<Value, String> {
    let ty = &program.mirrors[mirror as usize].scope_ty;
    if *ty == Type::Text {
        return Ok(Value::Text(text.into()));
    }
    // A reference or a variant is written as a bare text.
    let json: Json = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()));
    let names = Names::new(program);
    let reader = Reader { program, names: &names, form: Form::Outside, here: None, keys: None, limits: None };
    let value = reader.value(&json, ty, &Path::Root);
    value.map_err(|error| format!("{text:?} is no scope of `{}`: {error}", program.mirrors[mirror as usize].name))
}

/// What a reconciliation came to.
pub fn report(program: &Program, mirror: u32, scope: &Value, result: &Result<Reconciled, Failure>) -> Json {
    let declared = &program.mirrors[mirror as usize];
    let value = |value: &Value, ty: &Type| serde_json::from_str(&json::to_text(program, value, ty)).unwrap_or(Json::Null);
    let facts = |facts: &[Value]| facts.iter().map(|fact| value(fact, &declared.fact)).collect::<Vec<Json>>();
    let scope = value(scope, &declared.scope_ty);
    match result {
        Ok(report) => json!({
            "mirror": declared.name.as_str(),
            "scope": scope,
            "facts": report.facts,
            "missing": facts(&report.missing),
            "surplus": facts(&report.surplus),
            "settled": facts(&report.settled),
            "refused": report.refused.iter().map(|(fact, why)| json!({ "fact": value(fact, &declared.fact), "reason": why })).collect::<Vec<_>>(),
        }),
        Err(failure) => json!({
            "mirror": declared.name.as_str(),
            "scope": scope,
            "failure": { "kind": failure.kind.name(), "message": &*failure.message },
        }),
    }
}
