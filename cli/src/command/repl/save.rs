//! What was entered, as a test that passes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::Project;
use patternc_compiler::diagnostic::Level;
use patternc_compiler::items::items;
use patternc_compiler::lower;
use patternc_compiler::resolve::relative_path;
use patternc_grammar::{LexemeKind, format, lexemes};
use patternc_interpreter::event::{EventId, Outcome};
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::runtime::{SnippetError, SnippetRun};
use patternc_interpreter::simulate::{self, Options};
use patternc_interpreter::value::Value;
use patternc_program::{TestStmt, Type};

use super::literal::{self, quoted};
use super::outside::Heard;
use super::session::{Compiled, Session, is_typed};
use super::story::{Holds, Line};
use crate::atomic;
use crate::fault::Fault;
use crate::render::{self, Position, Report, count, full};

/// An entry that is part of the story.
pub struct Said {
    pub text: String,
    pub ended: Ended,
    /// What adapters answered meanwhile.
    pub heard: Vec<Heard>,
    /// The event whose answer was still to come.
    pub event: Option<EventId>,
    /// How much had been said when that came.
    pub resolved: Option<usize>,
    /// The entry that it has to come before, as calls which that caused waited for it.
    pub before: Option<usize>,
}

/// A value that was printed.
pub struct Written {
    pub shown: String,
    /// As the language writes it, if it can.
    pub literal: Option<String>,
}

/// How an entry ended.
pub enum Ended {
    Declared,
    Done,
    /// Statements, the last of which had this value.
    Answered(Written),
    /// An expression, with its value.
    Value(Written),
    /// One event, which failed.
    Failed(Failure),
    /// One event, whose answer is still to come.
    Pending,
    /// Events of which not all took effect, one by one: how each failed, if it did.
    Parts(Vec<(String, Option<Failure>)>),
    /// Some of its events took effect, and a later one failed.
    Halfway,
    Hold,
    Deliver,
    /// Why no test can say it. It changed nothing that a test could see.
    Unsayable(String),
}

impl Ended {
    /// How an entry ended; `None` if it left nothing to tell.
    pub fn of(session: &Session, text: &str, compiled: &Compiled, ran: &SnippetRun, result: &Result<(), SnippetError>) -> Option<Ended> {
        let lowered = &compiled.lowered;
        let written = || {
            let (value, (_, ty)) = (ran.value.as_ref()?, lowered.value.as_ref()?);
            Some(session.written(value, ty))
        };
        let one_event = matches!(lowered.stmts.as_slice(), [TestStmt::Event { .. }]);
        let interrupted = |failure: &Failure| session.is_interrupted() && failure.kind == FailureKind::Unavailable;
        match result {
            Ok(()) if !compiled.acts() => written().map(Ended::Value),
            Ok(()) => Some(written().filter(|_| !matches!(ran.value, Some(Value::None))).map_or(Ended::Done, Ended::Answered)),
            Err(SnippetError::Failed(failure)) if interrupted(failure) && ran.events.len() <= 1 => None,
            Err(SnippetError::Failed(failure)) if one_event && !ran.events.is_empty() => Some(Ended::Failed(failure.clone())),
            Err(SnippetError::NoAnswer { .. }) if one_event => Some(Ended::Pending),
            Err(SnippetError::Interrupted | SnippetError::OnlyInTests(_) | SnippetError::Bound(_) | SnippetError::NoClock)
                if ran.events.is_empty() =>
            {
                None
            }
            Err(SnippetError::Unsettled) if ran.events.is_empty() => Some(Ended::Done),
            Err(error) if ran.events.is_empty() => {
                Some(Ended::Unsayable(format!("it failed, and no test can say that of anything but one event ({error})")))
            }
            Err(SnippetError::NotHeld(..) | SnippetError::NotFailed(_) | SnippetError::FailedOtherwise(..))
                if text.starts_with("expect") =>
            {
                Some(Ended::Unsayable("it did not hold".to_owned()))
            }
            Err(_) => Some(session.parts(ran).map_or(Ended::Halfway, Ended::Parts)),
        }
    }
}

impl Session {
    fn written(&self, value: &Value, ty: &Type) -> Written {
        let shown = render::value::text(&self.program, value, ty);
        Written { shown, literal: literal::literal(&self.program, &self.variables, value, ty) }
    }

    /// The events of an entry, one by one, if each can be written down.
    fn parts(&self, ran: &SnippetRun) -> Option<Vec<(String, Option<Failure>)>> {
        let decided = ran.events.iter().filter(|(.., outcome)| {
            let interrupted = |failure: &Failure| self.is_interrupted() && failure.kind == FailureKind::Unavailable;
            !matches!(outcome, Some(Outcome::Failed(failure)) if interrupted(failure))
        });
        let part = |action, outcome: &Option<Outcome>| {
            let failure = match outcome.as_ref()? {
                Outcome::Committed(_) => None,
                Outcome::Failed(failure) => Some(failure.clone()),
            };
            Some((literal::event(&self.program, &self.variables, action)?, failure))
        };
        decided.map(|(_, action, outcome)| part(action, outcome)).collect()
    }

    /// The answer of an event has come that an earlier entry sent.
    pub fn answered(&mut self, event: &EventId, outcome: &Outcome) {
        let Some(at) = self.said.iter().position(|said| said.event.as_ref() == Some(event) && matches!(said.ended, Ended::Pending)) else {
            return;
        };
        let ended = match outcome {
            Outcome::Failed(failure) => Ended::Failed(failure.clone()),
            Outcome::Committed(Value::None) => Ended::Done,
            Outcome::Committed(value) => match self.journal.late(event) {
                Some((_, ty)) => Ended::Answered(self.written(value, &ty.clone())),
                None => Ended::Done,
            },
        };
        let resolved = Some(self.said.len());
        let said = &mut self.said[at];
        (said.ended, said.resolved) = (ended, resolved);
    }

    /// Writes what was entered as a test into a file that is not there yet, or may be replaced.
    pub fn save(&mut self, file: &str, replace: bool, out: &mut impl Write) -> Result<bool, Fault> {
        let path = Path::new(file);
        let refusal = if file.is_empty() {
            Some("where to? `:save FILE.pattern`".to_owned())
        } else if path.extension().is_none_or(|extension| extension != "pattern") {
            Some(format!("a test stands in a `.pattern` file: `:save {file}.pattern`"))
        } else if path.exists() && !replace {
            Some(format!("{file} is there already: `:save! {file}` replaces it"))
        } else {
            None
        };
        let inner = self.project.inner_path(path)?;
        let (None, Some(inner)) = (&refusal, inner) else {
            let outside = || format!("{file} lies outside of the project, so that it could not import anything of it");
            writeln!(out, "{}", refusal.unwrap_or_else(outside))?;
            return Ok(false);
        };
        if let Some(halfway) = self.said.iter().find(|said| matches!(said.ended, Ended::Halfway)) {
            writeln!(out, "`{}` failed halfway, which no test can say: nothing is saved (`:undo` takes it back)", halfway.text)?;
            return Ok(false);
        }
        // What came since the last entry belongs to it.
        let late: Vec<Heard> = std::mem::take(&mut *self.ear().lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(last) = self.said.last_mut() {
            last.heard.extend(late);
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let holds = if self.said.iter().any(|said| matches!(said.ended, Ended::Hold)) { Holds::ALL } else { &Holds::ALL[..1] };
        let mut best: Option<Trial> = None;
        let mut refusals = Vec::new();
        for holds in holds {
            let lines = self.lines(*holds);
            if lines.is_empty() {
                writeln!(out, "nothing was entered that a test could do")?;
                return Ok(false);
            }
            match self.trial(&inner, &name, lines)? {
                Ok(trial) if best.as_ref().is_none_or(|best| trial.left_out < best.left_out) => best = Some(trial),
                Ok(_) => {}
                Err(refused) => refusals.push(refused),
            }
            if best.as_ref().is_some_and(|best| best.left_out == 0) {
                break;
            }
        }
        let Some(trial) = best else {
            let refused = refusals.into_iter().next().expect("each try gives a test or a refusal");
            full::write(out, &refused.reports)?;
            writeln!(out, "{}: nothing is saved", refused.why)?;
            return Ok(false);
        };
        let (text, warnings) = self.tidied(&inner, trial.text);
        let text = format(&text).map_err(|error| Fault::Use(format!("the test cannot be formatted: {}", error.first().1)))?;
        atomic::write(path, &text)?;
        let mut notes = String::new();
        if trial.left_out > 0 {
            let _ = write!(notes, ", {} left out as a comment", count(trial.left_out, "expectation"));
        }
        if trial.remarks > 0 {
            let _ = write!(notes, ", with {} on what no test can say", count(trial.remarks, "comment"));
        }
        writeln!(out, "saved as the test \"{name}\" in {file}{notes}")?;
        full::write(out, &warnings)?;
        Ok(true)
    }

    /// Runs the test, and leaves out as a comment what is not so when it runs anew: made ids, the time.
    fn trial(&self, inner: &str, name: &str, mut lines: Vec<Line>) -> Result<Result<Trial, Refused>, Fault> {
        loop {
            if !lines.iter().any(|line| line.expects && line.left_out.is_none()) {
                let records = self.variables.iter().filter(|v| matches!(v.value, Value::Ref(_)));
                let exist: Vec<Line> = records.map(|v| Line::expects(format!("expect {}.exists()", v.name))).collect();
                if exist.is_empty() {
                    let why = "nothing that was entered can be expected: enter an expression that shows what was done".to_owned();
                    return Ok(Err(Refused { why, reports: Vec::new() }));
                }
                lines.extend(exist);
            }
            let (text, places) = self.text(inner, name, &lines);
            let trial = self.written_as(inner, &text);
            let findings = check::check(&trial.db, &CheckOptions::default());
            let errors: Vec<Report> =
                findings.into_iter().filter(|f| f.level == Level::Error).map(|finding| Report::new(&trial, finding)).collect();
            if !errors.is_empty() {
                return Ok(Err(Refused { why: "what was entered is no test".to_owned(), reports: errors }));
            }
            let program = Arc::new(lower::lower(&trial.db));
            let in_file = |test: &&patternc_program::Test| *program.files[test.at.file.index()] == *inner && *test.name == *name;
            let test = program.tests.iter().rev().find(in_file).expect("the test was just written");
            let Some(failure) = simulate::run_test(&program, test, Options::seeded(1)).failure else {
                let left_out = lines.iter().filter(|line| line.left_out.is_some()).count();
                let remarks = lines.iter().filter(|line| line.is_remark()).count();
                return Ok(Ok(Trial { text, left_out, remarks }));
            };
            let at = Position::of(&text, failure.at.start).line;
            let found = places.iter().position(|place| place.contains(&at)).map(|index| &mut lines[index]);
            match found {
                Some(line) if line.expects && line.left_out.is_none() => line.left_out = Some(failure.message),
                line => {
                    let place = line.map(|line| format!(" (`{}`)", line.code.trim())).unwrap_or_default();
                    let why = format!("what was entered does not run as a test: {}{place}", failure.message);
                    return Ok(Err(Refused { why, reports: Vec::new() }));
                }
            }
        }
    }

    /// The file, and the lines in it of each statement.
    fn text(&self, path: &str, name: &str, lines: &[Line]) -> (String, Vec<Range<usize>>) {
        let declared = self.said.iter().filter(|said| matches!(said.ended, Ended::Declared)).map(|said| said.text.as_str());
        let mut before = declared.map(|text| format!("{text}\n\n")).collect::<String>();
        let code: Vec<&str> = std::iter::once(before.as_str()).chain(lines.iter().map(|line| line.code.as_str())).collect();
        before = format!("{}{before}test {} {{\n", self.imports(path, &code.join("\n")), quoted(name));
        let mut text = before;
        let mut places = Vec::new();
        let mut at = text.matches('\n').count() + 1;
        for line in lines {
            let from = at;
            let mut write = |part: String| {
                text.push_str(&part);
                text.push('\n');
                at += 1;
            };
            if let Some(why) = &line.left_out {
                write(format!("  // Not so when it runs anew: {}", why.replace('\n', " ")));
            }
            let mark = if line.left_out.is_some() { "// " } else { "" };
            line.code.lines().for_each(|part| write(format!("  {mark}{part}")));
            places.push(from..at);
        }
        text.push_str("}\n");
        (text, places)
    }

    /// What the code needs of the other files of the project.
    fn imports(&self, path: &str, code: &str) -> String {
        let words = lexemes(code).into_iter().filter(|l| matches!(l.kind, LexemeKind::Name | LexemeKind::Type | LexemeKind::Place));
        let used: BTreeSet<&str> = words.map(|l| l.span.slice(code).trim_start_matches('@')).collect();
        let db = &self.project.db;
        let mut imports = String::new();
        for &file in Project::get(db).files(db).iter().filter(|file| !is_typed(file.path(db)) && &**file.path(db) != path) {
            let mut names: Vec<&str> = items(db, file).names().map(|name| name.as_str()).filter(|name| used.contains(name)).collect();
            names.sort_unstable();
            if !names.is_empty() {
                let _ = writeln!(imports, "use \"{}\" {{ {} }}", relative_path(path, file.path(db)), names.join(", "));
            }
        }
        if !imports.is_empty() {
            imports.push('\n');
        }
        imports
    }
}

/// A test that passes.
struct Trial {
    text: String,
    /// Expectations that are only comments.
    left_out: usize,
    /// Comments on what no test can say.
    remarks: usize,
}

/// Why there is no test.
struct Refused {
    why: String,
    reports: Vec<Report>,
}
