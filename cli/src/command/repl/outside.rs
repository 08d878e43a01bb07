//! The outside, as the prompt sees it: what it was told that it answers, what adapters have answered, and what nobody answers.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patternc_grammar::parse_statements;
use patternc_grammar::syntax::{Block, Stmt, StmtKind};
use patternc_interpreter::engine::{CallAnswer, ExternCall};
use patternc_interpreter::event::Action;
use patternc_interpreter::runtime::Callee;
use patternc_interpreter::value::Value;
use patternc_program::{ExternId, Program, Type};

use super::save::Ended;
use super::session::{Session, Variable};
use super::show;
use crate::fault::Fault;

/// What an adapter answered.
#[derive(Clone)]
pub struct Heard {
    pub of: ExternId,
    pub operation: u32,
    pub args: Vec<Value>,
    pub answer: CallAnswer,
}

/// What adapters have answered and nobody has asked for yet.
pub type Ear = Arc<Mutex<Vec<Heard>>>;

/// An adapter that is listened to.
pub struct Overheard {
    pub adapter: Arc<dyn Callee>,
    pub ear: Ear,
}

impl Callee for Overheard {
    fn call(&self, program: &Program, call: &ExternCall) -> CallAnswer {
        let answer = self.adapter.call(program, call);
        let heard = Heard { of: call.of, operation: call.operation, args: call.args.clone(), answer: answer.clone() };
        self.ear.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        answer
    }

    fn timeout(&self) -> Option<Duration> {
        self.adapter.timeout()
    }
}

/// A `given` that was typed, so that it can be said again to another program.
#[derive(Clone)]
pub struct Typed {
    /// The statement; `None` where it stands in a loop or a branch.
    text: Option<String>,
    /// The names that it was typed among.
    pub variables: Vec<Variable>,
}

/// The `given` statements of an entry, if each of them runs once.
fn given_statements(text: &str) -> Vec<String> {
    fn walk(text: &str, stmts: &[Stmt], found: &mut Vec<String>) {
        for stmt in stmts {
            let inner: Option<&Block> = match &stmt.kind {
                StmtKind::Given(_) => {
                    found.push(stmt.span.slice(text).trim_end().to_owned());
                    None
                }
                StmtKind::Hold(body) | StmtKind::As { body, .. } => Some(body),
                _ => None,
            };
            if let Some(block) = inner {
                walk(text, &block.stmts, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(text, &parse_statements(text).block.stmts, &mut found);
    found
}

impl Session {
    /// Remembers the `given`s of an entry, of which there were so many before.
    pub fn note_givens(&mut self, text: &str, before: usize) {
        let count = self.runtime().givens().iter().count() - before;
        let statements = given_statements(text);
        let single = statements.len() == count;
        for at in 0..count {
            let text = statements.get(at).filter(|_| single).cloned();
            self.typed_givens.push(Typed { text, variables: self.variables.clone() });
        }
        if count > 0 {
            self.explained.clear();
        }
    }

    /// Says everything that was given again, to the program that runs now; the refusals that came already do not come again.
    pub fn give_again(&mut self, before: &patternc_interpreter::given::Givens, out: &mut impl Write) -> Result<(), Fault> {
        let typed = std::mem::take(&mut self.typed_givens);
        let bound = std::mem::take(&mut self.variables);
        let mut left = before.left_each();
        let mut kept = Vec::new();
        for one in typed {
            let left = left.next().flatten();
            if left == Some(0) {
                continue;
            }
            self.variables = one.variables;
            let compiled = one.text.as_ref().and_then(|text| self.compile(text).1);
            let values: Vec<Value> = self.variables.iter().map(|v| v.value.clone()).collect();
            let events = self.clients.current().events;
            let mut no_time = Duration::ZERO;
            let told = compiled.map(|c| self.runtime().run_snippet(events, None, &c.lowered, &values, &mut no_time).1);
            let typed = Typed { text: one.text, variables: std::mem::take(&mut self.variables) };
            if told.is_some_and(|told| !matches!(told, Err(patternc_interpreter::runtime::SnippetError::Failed(_)))) {
                self.runtime().set_given_left(kept.len(), left);
                kept.push(typed);
            } else {
                let what = typed.text.as_deref().unwrap_or("a `given` of a loop or a branch");
                writeln!(out, "forgotten, since the program has changed: {what}")?;
            }
        }
        self.variables = bound;
        self.typed_givens = kept;
        Ok(())
    }

    /// The entry that has caused what happens now: the one that is being entered, or the `:hold` that is let through.
    fn caused_by(&self) -> usize {
        let delivered = self.said.last().is_some_and(|said| matches!(said.ended, Ended::Deliver));
        let hold = self.said.iter().rposition(|said| matches!(said.ended, Ended::Hold));
        hold.filter(|_| delivered).unwrap_or(self.said.len())
    }

    /// Says what waits for someone to answer it, and how to do that.
    pub fn explain_unanswered(&mut self, out: &mut impl Write) -> io::Result<()> {
        let calls = self.runtime().unanswered_calls();
        self.unanswered_since = match (calls.is_empty(), self.unanswered_since) {
            (true, _) => None,
            (false, Some(since)) => Some(since),
            (false, None) => Some(self.caused_by()),
        };
        let waiting: BTreeSet<String> = calls.iter().map(|call| self.runtime().describe(call)).collect();
        self.explained.retain(|told| waiting.contains(told));
        for call in &calls {
            let Action::Extern { of, operation, .. } = call else { continue };
            let what = self.runtime().describe(call);
            if !self.explained.insert(what.clone()) {
                continue;
            }
            let program = &self.program;
            let declared = &program.externs[of.index()];
            let operation = &declared.operations[*operation as usize];
            let params: Vec<&str> = operation.params.iter().map(|param| param.name.as_str()).collect();
            let answer = operation.result.as_ref().map_or_else(|| "true".to_owned(), |ty| sample(program, ty, 0));
            let name = declared.name;
            writeln!(out, "  {} waits: nothing answers the extern `{name}`", show::action(program, call))?;
            writeln!(out, "    say what it answers:   given {what}({}) => {answer}", params.join(", "))?;
            writeln!(out, "    or that it refuses:    given {what} fails \"down\" 2 times")?;
            match self.deployment_name() {
                Some(deployment) => {
                    writeln!(out, "    or bind it:            under `externs` of the deployment `{deployment}` in patternc.yaml")?
                }
                None => {
                    writeln!(
                        out,
                        "    or bind it:            under `externs` of a deployment in patternc.yaml, and `patternc repl --deployment NAME`"
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// A value of the type, as someone would write it.
fn sample(program: &Program, ty: &Type, depth: usize) -> String {
    let fields = |fields: &[patternc_program::Field]| {
        let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name, sample(program, &field.ty, depth + 1))).collect();
        fields.join(", ")
    };
    match ty {
        _ if depth > 3 => "…".to_owned(),
        Type::Bool => "true".to_owned(),
        Type::Int => "0".to_owned(),
        Type::Float => "0.0".to_owned(),
        Type::Text => "\"\"".to_owned(),
        Type::Duration => "1s".to_owned(),
        Type::Optional(_) => "none".to_owned(),
        Type::List(_) => "[]".to_owned(),
        Type::Set(_) => "Set[]".to_owned(),
        Type::Map(..) => "Map[]".to_owned(),
        Type::Struct(of, _) => {
            let of = &program.structs[of.index()];
            format!("{} {{ {} }}", of.name, fields(&of.fields))
        }
        Type::Enum(of, _) => {
            let of = &program.enums[of.index()];
            match of.variants.first() {
                Some(variant) if variant.fields.is_empty() => format!("{}.{}", of.name, variant.name),
                Some(variant) => format!("{}.{}({})", of.name, variant.name, fields(&variant.fields)),
                None => "…".to_owned(),
            }
        }
        _ => "…".to_owned(),
    }
}
