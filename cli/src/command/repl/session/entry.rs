//! What is entered: declarations, statements, expressions; and what comes of them.

use std::io::Write;
use std::sync::Arc;

use patternc_compiler::bodies;
use patternc_compiler::check;
use patternc_compiler::db::SourceFile;
use patternc_compiler::diagnostic::{Diagnostic, Level};
use patternc_compiler::lower::{self, Linker};
use patternc_compiler::types::Ty;
use patternc_grammar::syntax::{Name, StmtKind};
use patternc_interpreter::engine::What;
use patternc_interpreter::event::Outcome;
use patternc_interpreter::runtime::{SnippetError, Unanswered};
use patternc_interpreter::value::Value;
use patternc_program::TestStmt;

use super::super::save::Ended;
use super::super::show;
use super::{Binding, Compiled, Session};
use crate::command::reconcile;
use crate::fault::Fault;
use crate::reconciliation;
use crate::render::{self, count};

/// Words that begin a declaration.
const DECLARES: &[&str] =
    &["space", "struct", "enum", "record", "fn", "extern", "mirror", "invariant", "eventually", "test", "use", "@allow", "///"];

/// Whether an entry declares something.
pub fn declares(text: &str) -> bool {
    let first = text.trim_start();
    let begins = |word: &&str| first.strip_prefix(*word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    DECLARES.iter().any(begins)
}

impl Session {
    /// Takes declarations, or statements and expressions. Whether all went well.
    pub fn enter(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let as_value = self.as_value(text);
        let text = as_value.as_deref().unwrap_or(text);
        if declares(text) { self.declare(text, out) } else { self.run(text, out) }
    }

    /// An `if` or `match` that gives a value, as the expression that it is in brackets: by itself it would be a statement, and show nothing.
    fn as_value(&self, text: &str) -> Option<String> {
        let parsed = patternc_grammar::parse_statements(text);
        let [only] = parsed.block.stmts.as_slice() else { return None };
        if !parsed.errors.is_empty() || !matches!(only.kind, StmtKind::If(_) | StmtKind::Match { .. }) {
            return None;
        }
        let in_brackets = format!("({})", only.span.slice(text));
        let gives_value = |compiled: Compiled| !compiled.acts() && compiled.lowered.value.is_some();
        self.compile(&in_brackets).1.is_some_and(gives_value).then_some(in_brackets)
    }

    /// Statements or an expression as the program runs them, with what is found in them; nothing to run if that has errors.
    pub fn compile(&self, text: &str) -> (Vec<Diagnostic>, Option<Compiled>) {
        let db = &self.project.db;
        let line = SourceFile::new(db, "repl".into(), Arc::from(text));
        let parsed = patternc_grammar::parse_statements(text);
        let mut findings: Vec<Diagnostic> = parsed.errors.iter().map(|error| check::syntax_finding(db, line, error)).collect();
        if !findings.is_empty() {
            return (findings, None);
        }
        let locals: Vec<(Name, Ty)> = self.variables.iter().map(|v| (v.name, v.checked.clone())).collect();
        let checked = bodies::snippet(db, line, &parsed.block, bodies::Session::Prompt(&locals));
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
    pub(super) fn run(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
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
        if matches!(compiled.lowered.stmts.as_slice(), [TestStmt::Crash]) && self.owner().is_none() {
            return self.crash(text, out);
        }
        let lowered = &compiled.lowered;
        let values: Vec<Value> = self.variables.iter().map(|v| v.value.clone()).collect();
        let mut waiting = self.waiting();
        let givens = self.runtime().givens().iter().count();
        let before = self.unanswered_since;
        let (ran, result) = self.runtime().run_snippet(self.clients.current().events, None, lowered, &values, &mut waiting);
        for (event, action, outcome) in &ran.events {
            let what = show::action(&self.program, action);
            self.journal.name(event.clone(), what, &self.clients.current().name);
            if outcome.is_none() {
                self.journal.expect(event.clone(), action.result_type(&self.program));
            }
        }
        self.note_givens(text, givens);
        let history = self.happened(out)?;
        if let Some(owner) = self.owner() {
            // What they wrote is in the history of that process.
            for (_, action, outcome) in &ran.events {
                if matches!(outcome, Some(Outcome::Committed(_))) {
                    writeln!(out, "  committed by {owner}: {}", show::action(&self.program, action))?;
                }
            }
        }
        for reconciled in &ran.reconciled {
            let report = reconciliation::report(&self.program, reconciled.mirror, &reconciled.scope, &Ok(reconciled.clone()));
            reconcile::write_report(out, &report, false)?;
        }
        let value = ran.value.as_ref().zip(lowered.value.as_ref().map(|(_, ty)| ty));
        if let Some((value, ty)) = value
            && (!matches!(value, Value::None) || ran.events.is_empty())
        {
            writeln!(out, "{}", self.shown(render::value::text(&self.program, value, ty)))?;
        }
        match &result {
            Err(SnippetError::Failed(failure)) if show::tells(&history, failure) => {}
            Err(error) => writeln!(out, "{}", self.why(error, ran.events.len()))?,
            Ok(()) if waiting.gave_up() => writeln!(out, "what it caused is no longer waited for; it goes on (`:status` shows it)")?,
            Ok(()) => {}
        }
        self.explain_unanswered(out)?;
        let changed = history.iter().any(|entry| matches!(&entry.what, What::Wrote(_) | What::Sent { .. }));
        let told = givens != self.runtime().givens().iter().count() || !ran.reconciled.is_empty() || compiled.moves_clock();
        if compiled.acts() && !changed && !told {
            self.undo.forget(text);
        }
        let ended = Ended::of(self, text, &compiled, &ran, &result);
        if let Some(ended) = ended {
            let event = ran.events.last().map(|(event, ..)| event.clone()).filter(|_| matches!(ended, Ended::Pending));
            let before = before.filter(|_| givens < self.runtime().givens().iter().count());
            let said = self.say(text.trim(), ended);
            (said.event, said.before) = (event, before);
        }
        if result.is_ok() {
            self.bind(compiled.bindings, &ran.frame);
        }
        self.show_watches(out)?;
        Ok(result.is_ok())
    }

    /// Why an entry ended early, and the way out. It had sent so many events.
    pub fn why(&self, error: &SnippetError, events: usize) -> String {
        let interrupted = self.is_interrupted();
        match error {
            SnippetError::Failed(failure) if interrupted && &*failure.message == "interrupted" => "interrupted".to_owned(),
            SnippetError::Interrupted if events == 0 => "interrupted".to_owned(),
            SnippetError::Interrupted => format!(
                "interrupted: {} of this entry took effect, and the rest was not begun{}",
                count(events, "event"),
                if self.undo.is_empty() { "" } else { " (`:undo` takes them back)" },
            ),
            SnippetError::NoAnswer { what, why: Unanswered::Slow(_) } if interrupted => {
                format!("{what} is no longer waited for; it goes on (`:status` shows it)")
            }
            SnippetError::NoAnswer { why: Unanswered::Slow(_), .. } => format!("{error} (`:status` shows it)"),
            SnippetError::NoAnswer { why: Unanswered::Held, .. } => format!("{error} (`:deliver` lets it through)"),
            SnippetError::NoAnswer { why: Unanswered::Parked(_), .. } => format!("{error} (`:retry` takes it up again)"),
            SnippetError::NoAnswer { why: Unanswered::Later, .. } if self.in_memory() => {
                format!("{error} (`:status` shows it; `advance 5m` moves the clock)")
            }
            SnippetError::NoAnswer { why: Unanswered::Later, .. } => format!("{error} (`:status` shows it)"),
            SnippetError::Unsettled if interrupted => "what it caused is no longer waited for; it goes on (`:status` shows it)".to_owned(),
            SnippetError::Unsettled => format!("{error} (`:status` shows it)"),
            SnippetError::Bound(of) => {
                let name = self.program.externs[of.index()].name;
                format!("an adapter of the deployment answers `{name}`: `patternc repl --memory` runs without one, and takes `given`")
            }
            SnippetError::NoClock => {
                "the clock of a deployment is that of the machine: with `patternc repl --memory` it can be moved".to_owned()
            }
            SnippetError::OwnerOnly(what) => self.owner_only(&format!("`{what}`")),
            SnippetError::OnlyInTests("crash") => "`crash` is an entry of its own here".to_owned(),
            SnippetError::OnlyInTests("concurrently") => {
                "`concurrently` is for tests, where a seed decides who comes first: here, `:begin` and \
                 `:session` show a conflict step by step"
                    .to_owned()
            }
            SnippetError::OnlyInTests("order") => {
                "`order` is for tests: it repeats what `patternc explore` has found; here, `:hold` and `:deliver` go step by step"
                    .to_owned()
            }
            error => error.to_string(),
        }
    }

    /// The process dies, and starts again on what was durable.
    fn crash(&mut self, text: &str, out: &mut impl Write) -> Result<bool, Fault> {
        let kept = self.runtime().snapshot().map_err(|error| Fault::Use(error.message))?;
        let (held, givens) = (self.runtime().is_held(), self.runtime().givens());
        self.stop();
        self.start(kept, held, givens, out)?;
        writeln!(out, "crashed, and started again on what was durable")?;
        self.settle(self.runtime().mark());
        self.show_effects(out)?;
        self.explain_unanswered(out)?;
        self.say(text.trim(), Ended::Done);
        Ok(true)
    }
}
