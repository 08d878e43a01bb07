//! What the prompt knows: the project with what was declared here, the program that runs, and the names that were bound.

mod declare;
mod entry;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::Project;
use patternc_compiler::diagnostic::Diagnostic;
use patternc_compiler::lower;
use patternc_compiler::types::Ty;
use patternc_grammar::parse_statements;
use patternc_grammar::syntax::{AssignOp, ExprKind, Name, StmtKind};
use patternc_interpreter::engine::{Entry, Mark, What};
use patternc_interpreter::given::Givens;
use patternc_interpreter::runtime::Runtime;
use patternc_interpreter::store::state::State;
use patternc_interpreter::value::Value;
use patternc_program::{Program, Slot, Snippet, TestStmt, Type};

pub use self::declare::{import, is_typed};
pub use self::entry::declares;
use super::clients::Clients;
use super::commands::COMMANDS;
use super::complete::Known;
use super::journal::Journal;
use super::outside::{Ear, Heard, Typed};
use super::save::{Ended, Said};
use super::show;
use super::start::{Running, Settings, Start};
use super::undo::Undo;
use super::waiting::Waiting;
use super::watch::Watch;
use crate::fault::Fault;
use crate::project::{self, Loaded};
use crate::render::{self, Report, count};

/// Lines of what an entry did that a terminal shows.
const LINES: usize = 40;
/// Characters of a value that a terminal shows.
const SHOWN: usize = 3_000;
pub struct Session {
    path: PathBuf,
    settings: Settings,
    /// Under which deployment the patterns are judged: the one they run on.
    judged: CheckOptions,
    pub project: Loaded,
    pub program: Arc<Program>,
    /// `None` only while it is being replaced.
    running: Option<Running>,
    pub clients: Clients,
    /// What was declared here, in order.
    typed: Vec<String>,
    pub variables: Vec<Variable>,
    /// What was entered and went well, for `:save`.
    pub said: Vec<Said>,
    pub journal: Journal,
    pub watches: Vec<Watch>,
    pub undo: Undo,
    /// Milliseconds that the clock was moved ahead.
    pub ahead: Arc<AtomicI64>,
    /// What adapters have answered since the last entry.
    ear: Ear,
    /// What was given, in order, as the runtime has it.
    pub typed_givens: Vec<Typed>,
    /// Calls that nobody answers, and of which that was said.
    pub explained: BTreeSet<String>,
    /// The entry since which there are calls that nobody answers.
    pub unanswered_since: Option<usize>,
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

    /// Whether one of its statements moves the clock.
    fn moves_clock(&self) -> bool {
        self.lowered.stmts.iter().any(|stmt| matches!(stmt, TestStmt::Advance(_)))
    }
}

impl Session {
    /// Opens the project at the path; `None` if it has errors, which have been shown.
    pub fn open(path: &Path, settings: Settings) -> Result<Option<Self>, Fault> {
        let project = project::load_one(path)?;
        let judged = settings.judged(&project)?;
        if crate::errors::refuse_errors(&project, judged.deployments.clone())?.is_some() {
            return Ok(None);
        }
        let program = Arc::new(lower::lower(&project.db));
        let (ahead, ear) = (Arc::new(AtomicI64::new(0)), Ear::default());
        let running = settings.begin(&project, &program, Start { ahead: ahead.clone(), ear: ear.clone(), ..Start::default() })?;
        Ok(Some(Session {
            path: path.to_path_buf(),
            settings,
            judged,
            project,
            program,
            clients: Clients::new(&running.runtime),
            running: Some(running),
            typed: Vec::new(),
            variables: Vec::new(),
            said: Vec::new(),
            journal: Journal::default(),
            watches: Vec::new(),
            undo: Undo::default(),
            ahead,
            ear,
            typed_givens: Vec::new(),
            explained: BTreeSet::new(),
            unanswered_since: None,
            loading: 0,
        }))
    }

    pub fn greeting(&self) -> String {
        let files = Project::get(&self.project.db).files(&self.project.db).len();
        let place = match self.deployment_name() {
            Some(name) => format!("on the deployment `{name}`"),
            None => "in memory".to_owned(),
        };
        format!("patternc {}: {}, {place}. `:help` lists the commands, Ctrl-D ends.", env!("CARGO_PKG_VERSION"), count(files, "file"))
    }

    /// The process that owns the stores, as "the process 123", if it is not this one.
    pub fn owner(&self) -> Option<&str> {
        self.running.as_ref()?.owner.as_deref()
    }

    /// Where the process that owned the stores has ended, this one takes them, or follows who was faster.
    pub fn take_over(&mut self, out: &mut impl Write) -> Result<(), Fault> {
        let Some(Running { owner: Some(ended), .. }) = self.running.take_if(|running| running.is_orphaned()) else { return Ok(()) };
        self.start(None, false, Givens::default(), out)?;
        let now = self.notice().unwrap_or_else(|| "this prompt has the store now".to_owned());
        Ok(writeln!(out, "{ended} has ended: {now}")?)
    }

    /// What is to be known of the stores before anything is entered.
    pub fn notice(&self) -> Option<String> {
        let owner = self.owner()?;
        Some(format!("the store is in use by {owner}: what that commits is seen here, and calls and `create` go to it"))
    }

    /// The deployment that it runs on.
    pub fn deployment_name(&self) -> Option<String> {
        self.settings.deployment(&self.project).ok().flatten()
    }

    /// Whether Ctrl-C was pressed during this entry.
    pub fn is_interrupted(&self) -> bool {
        self.settings.breaks.interrupt.is_raised()
    }

    /// Waits as a person at this prompt does.
    pub fn waiting(&self) -> Waiting {
        Waiting::new(self.settings.breaks.interrupt.clone(), self.settings.quiet)
    }

    /// Waits until nothing of what was begun since the mark is left to do.
    pub fn settle(&self, since: Mark) {
        self.runtime().settle(since, &mut self.waiting());
    }

    /// Whether there is a program to enter something to.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// As much of a text as a person at a terminal would look at.
    pub fn shown(&self, text: String) -> String {
        match text.char_indices().nth(SHOWN).filter(|_| self.settings.terminal) {
            Some((at, _)) => {
                let left = text[at..].chars().count();
                format!(
                    "{}…\n({} more: take a part, as with `.take(20)`, or read it through a pipe)",
                    &text[..at],
                    count(left, "character")
                )
            }
            None => text,
        }
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
        &self.running.as_ref().expect("a prompt that takes entries has a runtime").runtime
    }

    /// What can be completed.
    pub fn known_names(&self) -> Known {
        let variables = self.variables.iter().map(|v| (v.name.to_string(), v.ty.clone())).collect();
        let sessions = self.clients.all().iter().map(|client| client.name.clone()).collect();
        let db = &self.project.db;
        let files = Project::get(db).files(db).iter().map(|file| (file.path(db).clone(), file.text(db).clone())).collect();
        Known { program: self.program.clone(), variables, sessions, files }
    }

    /// What someone means who types as at another prompt.
    pub fn habit(&self, text: &str) -> Option<String> {
        let word = text.trim().trim_end_matches("()");
        let is_bound = |name: &str| self.variables.iter().any(|v| v.name.as_str() == name);
        if is_bound(word) {
            return None;
        }
        if word == "exit" || COMMANDS.iter().any(|command| command.name == word) {
            let command = if word == "exit" { "quit" } else { word };
            return Some(format!("commands begin with a colon: `:{command}`"));
        }
        match parse_statements(text).block.stmts.as_slice() {
            [only] => match &only.kind {
                StmtKind::Assign { target, op: AssignOp::Set, value } => {
                    let name = target.span.slice(text).trim();
                    let is_name = matches!(target.kind, ExprKind::Name(_));
                    (is_name && !is_bound(name))
                        .then(|| format!("a name is bound with `let`: `let {name} = {}`", value.span.slice(text).trim()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// That something is for the owner of the stores alone.
    pub fn owner_only(&self, what: &str) -> String {
        let owner = self.owner().unwrap_or("another process");
        format!("{what} is for {owner} alone, which runs the patterns: when it ends, this prompt has the store")
    }

    /// Whether it runs without a deployment.
    pub fn in_memory(&self) -> bool {
        self.deployment_name().is_none()
    }

    /// What adapters have answered since the last entry.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// An entry that is part of what `:save` tells.
    pub fn say(&mut self, text: &str, ended: Ended) -> &mut Said {
        let heard: Vec<Heard> = std::mem::take(&mut *self.ear.lock().unwrap_or_else(PoisonError::into_inner));
        self.said.push(Said { text: text.to_owned(), ended, heard, event: None, resolved: None, before: None });
        self.said.last_mut().expect("it was just pushed")
    }

    /// Shows what happened; a terminal the beginning of it.
    fn show_history(&self, history: &[Entry], out: &mut impl Write) -> Result<(), Fault> {
        if !self.settings.terminal {
            return Ok(show::history(out, &self.program, &self.journal, history)?);
        }
        let mut shown = Vec::new();
        show::history(&mut shown, &self.program, &self.journal, history)?;
        let end = shown.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(LINES - 1).map_or(shown.len(), |(at, _)| at + 1);
        out.write_all(&shown[..end])?;
        let more = shown[end..].iter().filter(|byte| **byte == b'\n').count();
        if more > 0 {
            writeln!(out, "  … and {more} more (`:history REF` has what wrote a record)")?;
        }
        Ok(())
    }

    /// Shows what has happened since the last time, and gives it.
    fn happened(&mut self, out: &mut impl Write) -> Result<Vec<Entry>, Fault> {
        let history = self.runtime().take_history();
        self.journal.add(&self.program, &history);
        self.show_history(&history, out)?;
        for entry in &history {
            if let What::Outcome(outcome) = &entry.what {
                self.answered(&entry.event, outcome);
                self.journal.is_answered(&entry.event);
            }
        }
        Ok(history)
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
        let mut shown = Vec::new();
        let history = self.happened(&mut shown)?;
        // That a call is repeated is no news: `:status` has it.
        if !shown.is_empty() && !history.iter().all(|entry| matches!(entry.what, What::Called { .. })) {
            writeln!(out, "meanwhile:")?;
            out.write_all(&shown)?;
        }
        Ok(())
    }

    /// Shows what a command has brought about.
    pub fn show_effects(&mut self, out: &mut impl Write) -> Result<(), Fault> {
        self.happened(out)?;
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
        if let Some(running) = self.running.take() {
            running.runtime.wind_down(Duration::from_secs(1));
        }
    }

    /// Ends the runtime, until [`Session::start`].
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.runtime.wind_down(Duration::ZERO);
        }
    }

    /// Starts the program, on these data or those of the deployment.
    pub fn start(&mut self, kept: Option<Vec<State>>, held: bool, givens: Givens, out: &mut impl Write) -> Result<(), Fault> {
        let start = Start { kept, held, givens, ahead: self.ahead.clone(), ear: self.ear.clone() };
        let running = self.settings.begin(&self.project, &self.program, start)?;
        for lost in self.clients.move_to(&running.runtime) {
            writeln!(out, "`{lost}`, which was open, is rolled back")?;
        }
        self.running = Some(running);
        Ok(())
    }
}
