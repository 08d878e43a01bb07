//! What the prompt knows: the project with what was declared here, the program that runs, and the names that were bound.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patternc_compiler::bodies;
use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::{Project, SourceFile};
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::items::items;
use patternc_compiler::location::locate;
use patternc_compiler::lower::{self, Linker};
use patternc_compiler::types::Ty;
use patternc_grammar::syntax::Name;
use patternc_interpreter::event::Outcome;
use patternc_interpreter::json::{Form, Names, Path as JsonPath, Reader};
use patternc_interpreter::limits::Limits;
use patternc_interpreter::runtime::{Runtime, SnippetError};
use patternc_interpreter::store::Store;
use patternc_interpreter::store::memory::Memory;
use patternc_interpreter::store::sqlite::carry_over;
use patternc_interpreter::store::state::State;
use patternc_interpreter::value::Value;
use patternc_program::{Program, Slot, Snippet, Type};

use super::clients::Clients;
use super::complete::Known;
use super::journal::Journal;
use super::save::{Ended, Said};
use super::show;
use super::undo::Undo;
use super::watch::Watch;
use crate::deployment::{self, Fallback};
use crate::fault::Fault;
use crate::project::{self, CONFIG, Loaded};
use crate::render::{self, Report, count};

/// The file that holds what is declared at the prompt.
pub const TYPED: &str = "repl.pattern";
/// How long an event may take before the prompt comes back.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Words that begin a declaration.
const DECLARES: &[&str] =
    &["space", "struct", "enum", "record", "fn", "extern", "mirror", "invariant", "eventually", "test", "use", "@allow", "///"];

pub struct Session {
    path: PathBuf,
    deployment: Option<String>,
    /// Under which deployment the patterns are judged: the one they run on.
    judged: CheckOptions,
    pub project: Loaded,
    pub program: Arc<Program>,
    /// `None` only while it is being replaced.
    runtime: Option<Runtime>,
    pub clients: Clients,
    /// What was declared here, in order.
    typed: Vec<String>,
    pub variables: Vec<Variable>,
    /// What was entered and went well, for `:save`.
    pub said: Vec<Said>,
    pub journal: Journal,
    pub watches: Vec<Watch>,
    pub undo: Undo,
    /// Scripts that are being loaded, one by the other.
    pub loading: usize,
}

/// A name bound here.
#[derive(Clone)]
pub struct Variable {
    pub name: Name,
    checked: Ty,
    pub ty: Type,
    pub value: Value,
}

/// A name that an entry binds, and where its value will be.
pub struct Binding {
    name: Name,
    slot: Slot,
    ty: Type,
    checked: Ty,
}

/// Statements or an expression, ready to run.
pub struct Compiled {
    pub lowered: Snippet,
    pub bindings: Vec<Binding>,
}

impl Compiled {
    /// Whether it sends events or binds names; an expression does neither.
    pub fn acts(&self) -> bool {
        !self.lowered.stmts.is_empty()
    }
}

impl Session {
    /// Opens the project at the path; `None` if it has errors, which have been shown.
    pub fn open(path: &Path, deployment: Option<String>) -> Result<Option<Self>, Fault> {
        let project = project::load_one(path)?;
        let judged = CheckOptions { deployments: deployment::judged(&project, deployment.as_deref())?, ..CheckOptions::default() };
        if super::super::test::refuse_errors(&project, judged.deployments.clone())?.is_some() {
            return Ok(None);
        }
        let program = Arc::new(lower::lower(&project.db));
        let runtime = begin(&project, &program, deployment.as_deref(), None, false)?;
        Ok(Some(Session {
            path: path.to_path_buf(),
            deployment,
            judged,
            project,
            program,
            clients: Clients::new(&runtime),
            runtime: Some(runtime),
            typed: Vec::new(),
            variables: Vec::new(),
            said: Vec::new(),
            journal: Journal::default(),
            watches: Vec::new(),
            undo: Undo::default(),
            loading: 0,
        }))
    }

    pub fn greeting(&self) -> String {
        let files = Project::get(&self.project.db).files(&self.project.db).len();
        format!("patternc {}: {}. `:help` lists the commands, Ctrl-D ends.", env!("CARGO_PKG_VERSION"), count(files, "file"))
    }

    /// What stands before the prompt: the session, where there are several or it has something open, and whether deliveries are held.
    pub fn sign(&self) -> String {
        let client = self.clients.current();
        let mut words = Vec::new();
        if self.clients.all().len() > 1 || client.open.is_some() {
            words.push(client.name.as_str());
        }
        if client.open.is_some() {
            words.push("(open)");
        }
        if self.runtime().is_held() {
            words.push("(held)");
        }
        let mut sign = words.join(" ");
        if sign.ends_with(')') {
            sign.push(' ');
        }
        sign
    }

    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("a prompt that takes entries has a runtime")
    }

    /// What can be completed.
    pub fn known_names(&self) -> Known {
        let variables = self.variables.iter().map(|v| (v.name.to_string(), v.ty.clone())).collect();
        Known { program: self.program.clone(), variables }
    }

    /// Takes declarations, or statements and expressions. Whether all went well.
    pub fn enter(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let first = text.trim_start();
        let declares = DECLARES
            .iter()
            .any(|word| first.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')));
        if declares { self.declare(text, out) } else { self.run(text, out) }
    }

    /// Adds declarations to the program that runs.
    fn declare(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        self.typed.push(text.to_string());
        self.set_files();
        let findings = check::check(&self.project.db, &self.judged);
        let about = findings.into_iter().filter(|f| f.level == Level::Error || self.is_typed(f));
        let (errors, others): (Vec<_>, Vec<_>) = about.partition(|f| f.level == Level::Error);
        if !errors.is_empty() {
            self.show(errors, out)?;
            self.typed.pop();
            self.set_files();
            return Ok(false);
        }
        // What was just typed is not used yet.
        self.show(others.into_iter().filter(|f| !f.rule.starts_with("unused")).collect(), out)?;
        if let Err(why) = self.restart(true, out)? {
            writeln!(out, "{why}\nit is left out")?;
            self.typed.pop();
            self.set_files();
            return Ok(false);
        }
        self.said.push(Said { text: text.trim_end().to_owned(), ended: Ended::Declared });
        Ok(true)
    }

    /// Reads the files again, keeps what was typed, and runs the new program on the same data.
    pub fn reload(&mut self, out: &mut impl Write) -> Result<bool, Fault> {
        let fresh = project::load_one(&self.path)?;
        let judged = CheckOptions { deployments: deployment::judged(&fresh, self.deployment.as_deref())?, ..CheckOptions::default() };
        if super::super::test::refuse_errors(&fresh, judged.deployments.clone())?.is_some() {
            return Ok(false);
        }
        let old = std::mem::replace(&mut self.project, fresh);
        let typed = self.typed.clone();
        let old_judged = std::mem::replace(&mut self.judged, judged);
        self.set_files();
        let errors: Vec<_> = check::check(&self.project.db, &self.judged).into_iter().filter(|f| f.level == Level::Error).collect();
        if !errors.is_empty() {
            self.show(errors, out)?;
            writeln!(out, "what was typed here no longer fits the files, and is left out")?;
            self.typed.clear();
            self.set_files();
        }
        let bound = !self.variables.is_empty();
        if let Err(why) = self.restart(false, out)? {
            writeln!(out, "{why}\nthe program stays as it was")?;
            self.project = old;
            self.judged = old_judged;
            self.typed = typed;
            return Ok(false);
        }
        if bound {
            writeln!(out, "names bound here are forgotten, and `:save` begins anew")?;
        }
        self.variables.clear();
        self.said.clear();
        Ok(true)
    }

    /// Statements or an expression as the program runs them, with what is found in them; nothing to run if that has errors.
    pub fn compile(&self, text: &str) -> (Vec<Diagnostic>, Option<Compiled>) {
        let db = &self.project.db;
        let line = SourceFile::new(db, "repl".into(), Arc::from(text));
        let parsed = patternc_grammar::parse_statements(text);
        let mut findings: Vec<Diagnostic> = parsed.errors.iter().map(|error| check::syntax_finding(line, error)).collect();
        if !findings.is_empty() {
            return (findings, None);
        }
        let locals: Vec<(Name, Ty)> = self.variables.iter().map(|v| (v.name, v.checked.clone())).collect();
        let checked = bodies::snippet(db, line, &parsed.block, bodies::Session { locals: &locals, here: None });
        findings.extend(checked.diagnostics.iter().filter(|f| !f.rule.starts_with("unused") && f.rule != "shadowed-name").cloned());
        if findings.iter().any(|f| f.level == Level::Error) {
            return (findings, None);
        }
        let lowered = lower::lower_snippet(&Linker::new(db), &checked.body);
        let bound = lowered.bindings.iter().zip(checked.bindings);
        let bindings = bound.map(|((name, slot, ty), (_, _, checked))| Binding { name: *name, slot: *slot, ty: ty.clone(), checked });
        let bindings = bindings.collect();
        (findings, Some(Compiled { lowered, bindings }))
    }

    /// Runs statements, or an expression.
    fn run(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let (findings, compiled) = self.compile(text);
        self.show(findings, out)?;
        let Some(compiled) = compiled else { return Ok(false) };
        self.catch_up(out)?;
        if compiled.acts() {
            if let Some(begun) = &self.clients.current().open {
                writeln!(out, "`{}` is open in this session: `:commit` or `:rollback` it first, or `:session NAME`", begun.what)?;
                return Ok(false);
            }
            self.remember(text)?;
        }
        let lowered = &compiled.lowered;
        let values: Vec<Value> = self.variables.iter().map(|v| v.value.clone()).collect();
        let (ran, result) = self.runtime().run_snippet(self.clients.current().events, None, lowered, &values, PATIENCE);
        for (event, action, _) in &ran.events {
            let what = show::action(&self.program, action);
            self.journal.name(event.clone(), what, &self.clients.current().name);
        }
        let history = self.runtime().take_history();
        self.journal.add(&self.program, &history);
        show::history(out, &self.program, &self.journal, &history)?;
        let value = ran.value.as_ref().zip(lowered.value.as_ref().map(|(_, ty)| ty));
        if let Some((value, ty)) = value
            && (!matches!(value, Value::None) || ran.events.is_empty())
        {
            writeln!(out, "{}", render::value::text(&self.program, value, ty))?;
        }
        if let Err(error) = &result
            && !matches!(error, SnippetError::Failed(failure) if show::tells(&history, failure))
        {
            writeln!(out, "{error}")?;
        }
        // What failed left nothing.
        if ran.events.iter().all(|(_, _, outcome)| matches!(outcome, Some(Outcome::Failed(_)))) {
            self.undo.forget(text);
        }
        let ended = Ended::of(self, &compiled, &ran, &result);
        self.said.extend(ended.map(|ended| Said { text: text.trim().to_owned(), ended }));
        if result.is_ok() {
            self.bind(compiled.bindings, &ran.frame);
        }
        self.show_watches(out)?;
        Ok(result.is_ok())
    }

    /// Binds names to what is in a frame.
    pub fn bind(&mut self, bindings: Vec<Binding>, frame: &[Value]) {
        for Binding { name, slot, ty, checked } in bindings {
            self.variables.retain(|v| v.name != name);
            self.variables.push(Variable { name, checked, ty, value: frame[slot.index()].clone() });
        }
    }

    /// Shows what happened while nobody asked: timers, answers that came late.
    pub fn catch_up(&mut self, out: &mut impl Write) -> Result<(), Fault> {
        let history = self.runtime().take_history();
        let mut shown = Vec::new();
        self.journal.add(&self.program, &history);
        show::history(&mut shown, &self.program, &self.journal, &history)?;
        if !shown.is_empty() {
            writeln!(out, "meanwhile:")?;
            out.write_all(&shown)?;
        }
        Ok(())
    }

    /// Shows what a command has brought about.
    pub fn show_effects(&mut self, out: &mut impl Write) -> Result<(), Fault> {
        let history = self.runtime().take_history();
        self.journal.add(&self.program, &history);
        show::history(out, &self.program, &self.journal, &history)?;
        self.show_watches(out)
    }

    /// The value of a name bound here.
    pub fn value_of(&self, name: &str) -> Option<Value> {
        self.variables.iter().find(|v| v.name == name).map(|v| v.value.clone())
    }

    /// What is found in the project and in what was typed. That the prompt imports more than it needs is no finding.
    pub fn findings(&self) -> Vec<Diagnostic> {
        let findings = check::check(&self.project.db, &self.judged);
        findings.into_iter().filter(|f| !(self.is_typed(f) && f.rule == "unused-import")).collect()
    }

    /// Draws findings.
    pub fn show(&self, findings: Vec<Diagnostic>, out: &mut impl Write) -> Result<(), Fault> {
        let reports: Vec<Report> = findings.into_iter().map(|finding| Report::new(&self.project, finding)).collect();
        Ok(render::full::write(out, &reports)?)
    }

    /// Ends the prompt; what is on its way goes on when the store is opened next.
    pub fn close(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.close(Duration::from_secs(1));
        }
    }

    /// Whether a finding is about what was declared here.
    fn is_typed(&self, finding: &Diagnostic) -> bool {
        locate(&self.project.db, finding.primary.at).is_some_and(|(file, _)| &**file.path(&self.project.db) == TYPED)
    }

    /// The files of the project, and what was typed as one more that sees all of their names.
    fn set_files(&mut self) {
        let db = &self.project.db;
        let project = Project::get(db);
        let mut texts: Vec<(String, String)> = Vec::new();
        let mut prelude = String::new();
        for &file in project.files(db).iter().filter(|f| &**f.path(db) != TYPED) {
            let names: Vec<String> = items(db, file).names().map(|n| n.to_string()).collect();
            if !names.is_empty() {
                prelude.push_str(&format!("use \"{}\" {{ {} }}\n", file.path(db), names.join(", ")));
            }
            texts.push((file.path(db).to_string(), file.text(db).to_string()));
        }
        if !self.typed.is_empty() {
            texts.push((TYPED.to_string(), format!("{prelude}\n{}", self.typed.join("\n"))));
        }
        let config = project.config(db).map(|file| file.text(db).to_string());
        self.project.db.set_project(&texts, config.as_deref().map(|text| (CONFIG, text)));
    }

    /// Runs the project as it is now on the same data. Values of names are carried over where their types are still there. If the data do not
    /// fit the new program, the old one goes on, and why is given back.
    fn restart(&mut self, keep: bool, out: &mut impl Write) -> Result<Result<(), String>, Fault> {
        let fresh = Arc::new(lower::lower(&self.project.db));
        self.runtime().wait_idle(PATIENCE);
        let kept = self.runtime().snapshot().map_err(|error| Fault::Use(error.message))?;
        let held = self.runtime().is_held();
        self.stop();
        let old = std::mem::replace(&mut self.program, fresh);
        let carried = kept.as_ref().map(|states| carry(states, &old, &self.program)).transpose();
        let started = match carried {
            Ok(carried) => self.start(carried, held, out),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = started {
            self.program = old;
            self.start(kept, held, out)?;
            return Ok(Err(fault.to_string()));
        }
        self.undo.clear();
        let linker = Linker::new(&self.project.db);
        let names = Names::new(&self.program);
        let reader = Reader { program: &self.program, names: &names, form: Form::Stored, here: None, keys: None, limits: None };
        let variables = std::mem::take(&mut self.variables);
        self.variables = variables
            .into_iter()
            .filter(|_| keep)
            .filter_map(|variable| {
                let text = patternc_interpreter::json::stored_text(&old, &variable.value, &variable.ty)?;
                let ty = linker.ty(&variable.checked);
                let json = serde_json::from_str(&text).ok()?;
                let value = reader.value(&json, &ty, &JsonPath::Root).ok()?;
                Some(Variable { ty, value, ..variable })
            })
            .collect();
        Ok(Ok(()))
    }

    /// Ends the runtime, until [`Session::start`].
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.close(PATIENCE);
        }
    }

    /// Starts the program, on these data or those of the deployment.
    pub fn start(&mut self, kept: Option<Vec<State>>, held: bool, out: &mut impl Write) -> Result<(), Fault> {
        let runtime = begin(&self.project, &self.program, self.deployment.as_deref(), kept, held)?;
        for lost in self.clients.move_to(&runtime) {
            writeln!(out, "`{lost}`, which was open, is rolled back")?;
        }
        self.runtime = Some(runtime);
        Ok(())
    }
}

fn begin(
    project: &Loaded,
    program: &Arc<Program>,
    deployment: Option<&str>,
    kept: Option<Vec<State>>,
    held: bool,
) -> Result<Runtime, Fault> {
    let mut parts = deployment::parts(project, program, deployment, Fallback::Memory)?;
    if let Some(states) = kept {
        parts.stores = states.into_iter().map(|state| Box::new(Memory::with_state(state)) as Box<dyn Store>).collect();
    }
    parts.held = held;
    let runtime = deployment::start(program, parts)?;
    runtime.record_history();
    Ok(runtime)
}

/// The data of each store as a new program has them.
fn carry(states: &[State], old: &Arc<Program>, new: &Arc<Program>) -> Result<Vec<State>, Fault> {
    let scratch = tempfile::tempdir().map_err(|e| Fault::Use(format!("cannot make a folder to carry the data over: {e}")))?;
    let carried = states.iter().enumerate().map(|(index, state)| {
        let file = scratch.path().join(format!("{index}.db"));
        carry_over(state, old, new, &Limits::default(), &file).map_err(|error| Fault::Use(error.message))
    });
    carried.collect()
}
