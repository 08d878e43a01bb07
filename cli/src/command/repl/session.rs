//! What a session knows: the project with what was declared at the prompt, the program that runs, and the names that were bound.

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
use patternc_interpreter::engine;
use patternc_interpreter::json::{Form, Names, Path as JsonPath, Reader};
use patternc_interpreter::runtime::{Runtime, SnippetError};
use patternc_interpreter::value::Value;
use patternc_program::{Program, Type};

use super::show;
use crate::deployment;
use crate::fault::Fault;
use crate::project::{self, CONFIG, Loaded};
use crate::render::{self, Report};

/// The file that holds what is declared at the prompt.
const TYPED: &str = "repl.pattern";
/// How long an event may take before the prompt comes back.
const PATIENCE: Duration = Duration::from_secs(30);
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
    events: engine::Session,
    /// Data of a session without a deployment; gone with it.
    scratch: tempfile::TempDir,
    /// What was declared at the prompt, in order.
    typed: Vec<String>,
    variables: Vec<Variable>,
}

struct Variable {
    name: Name,
    checked: Ty,
    ty: Type,
    value: Value,
}

impl Session {
    /// Opens the project at the path; `None` if it has errors, which have been shown.
    pub fn open(path: &Path, deployment: Option<String>) -> Result<Option<Self>, Fault> {
        let project = project::load_one(path)?;
        let judged = CheckOptions { deployments: deployment::judged(&project, deployment.as_deref())?, ..CheckOptions::default() };
        if super::super::test::refuse_errors(&project, judged.deployments.clone())?.is_some() {
            return Ok(None);
        }
        let scratch = tempfile::tempdir().map_err(|e| Fault::Use(format!("cannot make a folder for the data of the session: {e}")))?;
        let program = Arc::new(lower::lower(&project.db));
        let runtime = start(&project, &program, deployment.as_deref(), scratch.path())?;
        let events = runtime.session();
        let path = path.to_path_buf();
        let runtime = Some(runtime);
        Ok(Some(Session { path, deployment, judged, project, program, runtime, events, scratch, typed: Vec::new(), variables: Vec::new() }))
    }

    pub fn greeting(&self) -> String {
        let files = Project::get(&self.project.db).files(&self.project.db).len();
        format!("patternc {}: {}. `:help` lists the commands, Ctrl-D ends.", env!("CARGO_PKG_VERSION"), render::count(files, "file"))
    }

    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("a session that takes entries has a runtime")
    }

    /// Names that can be completed.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.variables.iter().map(|v| v.name.to_string()).collect();
        for record in &self.program.records {
            names.push(record.name.to_string());
            names.extend(record.cells.iter().map(|c| c.name.to_string()));
            names.extend(record.derived.iter().map(|d| d.name.to_string()));
            names.extend(record.handlers.iter().map(|h| self.program.handler(*h).name.to_string()));
        }
        names.extend(self.program.spaces.iter().map(|s| s.name.to_string()));
        names.extend(super::commands::NAMES.iter().map(|c| format!(":{c}")));
        names.sort();
        names.dedup();
        names
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
        self.restart(true)?;
        Ok(true)
    }

    /// Reads the files again, keeps what was typed, and runs the new program on the same data.
    pub fn reload(&mut self, out: &mut impl Write) -> Result<bool, Fault> {
        let fresh = project::load_one(&self.path)?;
        let judged = CheckOptions { deployments: deployment::judged(&fresh, self.deployment.as_deref())?, ..CheckOptions::default() };
        if super::super::test::refuse_errors(&fresh, judged.deployments.clone())?.is_some() {
            return Ok(false);
        }
        self.judged = judged;
        self.project = fresh;
        self.set_files();
        let errors: Vec<_> = check::check(&self.project.db, &self.judged).into_iter().filter(|f| f.level == Level::Error).collect();
        if !errors.is_empty() {
            self.show(errors, out)?;
            writeln!(out, "what was typed here no longer fits the files, and is left out")?;
            self.typed.clear();
            self.set_files();
        }
        if !self.variables.is_empty() {
            writeln!(out, "names bound here are forgotten")?;
            self.variables.clear();
        }
        self.restart(false)?;
        Ok(true)
    }

    /// Runs statements, or an expression.
    fn run(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let line = SourceFile::new(&self.project.db, "repl".into(), Arc::from(text));
        let parsed = patternc_grammar::parse_statements(text);
        let mut findings: Vec<Diagnostic> = parsed.errors.iter().map(|error| check::syntax_finding(line, error)).collect();
        let locals: Vec<(Name, Ty)> = self.variables.iter().map(|v| (v.name, v.checked.clone())).collect();
        let mut snippet = None;
        if findings.is_empty() {
            let checked = bodies::snippet(&self.project.db, line, &parsed.block, bodies::Session { locals: &locals, here: None });
            findings.extend(checked.diagnostics.iter().filter(|f| !f.rule.starts_with("unused") && f.rule != "shadowed-name").cloned());
            snippet = Some(checked);
        }
        let refused = findings.iter().any(|f| f.level == Level::Error);
        self.show(findings, out)?;
        let Some(checked) = snippet.filter(|_| !refused) else { return Ok(false) };
        let lowered = lower::lower_snippet(&Linker::new(&self.project.db), &checked.body);
        let values: Vec<Value> = self.variables.iter().map(|v| v.value.clone()).collect();
        let runtime = self.runtime();
        runtime.record_history();
        let _ = runtime.take_history();
        let (ran, result) = runtime.run_snippet(self.events, None, &lowered, &values, PATIENCE);
        let history = runtime.take_history();
        show::history(out, runtime, &history)?;
        if let (Some(value), Some((_, ty))) = (&ran.value, &lowered.value)
            && (!matches!(value, Value::None) || ran.events.is_empty())
        {
            writeln!(out, "{}", render::value::text(&self.program, value, ty))?;
        }
        if let Err(error) = &result
            && !matches!(error, SnippetError::Failed(failure) if show::tells(&history, failure))
        {
            writeln!(out, "{error}")?;
        }
        for ((name, slot, ty), (_, _, checked)) in lowered.bindings.iter().zip(checked.bindings) {
            let value = ran.frame[slot.index()].clone();
            if result.is_ok() {
                self.variables.retain(|v| v.name != *name);
                self.variables.push(Variable { name: *name, checked, ty: ty.clone(), value });
            }
        }
        Ok(result.is_ok())
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

    /// Ends the session; what is on its way goes on when the store is opened next.
    pub fn close(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.close(Duration::from_secs(1));
        }
    }

    /// Whether a finding is about what was declared at the prompt.
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

    /// Runs the project as it is now on the same data. Values of names are carried over where their types are still there.
    fn restart(&mut self, keep: bool) -> Result<(), Fault> {
        let old = std::mem::replace(&mut self.program, Arc::new(lower::lower(&self.project.db)));
        if let Some(runtime) = self.runtime.take() {
            runtime.close(PATIENCE);
        }
        let runtime = start(&self.project, &self.program, self.deployment.as_deref(), self.scratch.path())?;
        self.events = runtime.session();
        self.runtime = Some(runtime);
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
        Ok(())
    }
}

fn start(project: &Loaded, program: &Arc<Program>, deployment: Option<&str>, scratch: &Path) -> Result<Runtime, Fault> {
    deployment::open(project, program, deployment, &scratch.join("session.db"))
}
