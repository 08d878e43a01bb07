//! What was entered, as a test that passes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::Project;
use patternc_compiler::diagnostic::Level;
use patternc_compiler::items::items;
use patternc_compiler::lower;
use patternc_compiler::resolve::relative_path;
use patternc_grammar::syntax::{ExprKind, StmtKind};
use patternc_grammar::{LexemeKind, lexemes, parse_statements};
use patternc_interpreter::failure::{Failure, FailureKind};
use patternc_interpreter::runtime::{SnippetError, SnippetRun};
use patternc_interpreter::simulate::{self, Options};
use patternc_interpreter::value::Value;
use patternc_program::{Program, TestStmt, Type};

use super::session::{Compiled, Session, TYPED, Variable};
use crate::atomic;
use crate::fault::Fault;
use crate::render::{Position, Report, count, full};

/// An entry that is part of the story.
pub struct Said {
    pub text: String,
    pub ended: Ended,
}

/// How an entry ended.
pub enum Ended {
    Declared,
    Done,
    /// One call, with what it answered, if that can be written down.
    Answered(String),
    /// An expression, with its value, if that can be written down.
    Value(Option<String>),
    /// One event, which failed.
    Failed(Failure),
    /// Some of its events took effect, and a later one failed.
    Halfway,
}

impl Ended {
    /// How an entry ended; `None` if it left nothing to tell.
    pub fn of(session: &Session, compiled: &Compiled, ran: &SnippetRun, result: &Result<(), SnippetError>) -> Option<Ended> {
        let lowered = &compiled.lowered;
        let literal = || {
            let (value, (_, ty)) = (ran.value.as_ref()?, lowered.value.as_ref()?);
            literal(&session.program, &session.variables, value, ty)
        };
        let one_event = matches!(lowered.stmts.as_slice(), [TestStmt::Event { .. }]) && compiled.bindings.is_empty();
        match result {
            Ok(()) if !compiled.acts() => Some(Ended::Value(literal())),
            Ok(()) if one_event => Some(literal().map_or(Ended::Done, Ended::Answered)),
            Ok(()) | Err(SnippetError::Held(_)) => Some(Ended::Done),
            Err(SnippetError::Failed(failure)) if one_event => Some(Ended::Failed(failure.clone())),
            Err(_) if ran.events.is_empty() => None,
            // It bound no name, and left nothing.
            Err(SnippetError::Failed(_)) if matches!(lowered.stmts.as_slice(), [TestStmt::Event { .. }]) => None,
            Err(_) => Some(Ended::Halfway),
        }
    }
}

impl Session {
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
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut lines = self.lines();
        if lines.is_empty() {
            writeln!(out, "nothing was entered that a test could do")?;
            return Ok(false);
        }
        // What is not so when it runs anew (made ids, the time) is left as a comment.
        loop {
            let (text, places) = self.text(&inner, &name, &lines);
            let trial = self.project.with_file(&inner, &text, TYPED);
            let findings = check::check(&trial.db, &CheckOptions::default());
            let errors: Vec<Report> =
                findings.into_iter().filter(|f| f.level == Level::Error).map(|finding| Report::new(&trial, finding)).collect();
            if !errors.is_empty() {
                full::write(out, &errors)?;
                writeln!(out, "what was entered is no test: nothing is saved")?;
                return Ok(false);
            }
            let program = Arc::new(lower::lower(&trial.db));
            let in_file = |test: &&patternc_program::Test| *program.files[test.at.file.index()] == *inner && *test.name == *name;
            let test = program.tests.iter().rev().find(in_file).expect("the test was just written");
            let Some(failure) = simulate::run_test(&program, test, Options::seeded(1)).failure else {
                atomic::write(path, &text)?;
                let left_out = lines.iter().filter(|line| line.left_out.is_some()).count();
                let note =
                    if left_out == 0 { String::new() } else { format!(", {} left out as a comment", count(left_out, "expectation")) };
                writeln!(out, "saved as the test \"{name}\" in {file}{note}")?;
                return Ok(true);
            };
            let at = Position::of(&text, failure.at.start).line;
            let found = places.iter().position(|place| place.contains(&at)).map(|index| &mut lines[index]);
            let line = found.filter(|line| line.expects && line.left_out.is_none());
            match line {
                Some(line) => line.left_out = Some(failure.message),
                None => {
                    writeln!(out, "what was entered does not run as a test: {}; nothing is saved", failure.message)?;
                    return Ok(false);
                }
            }
        }
    }

    /// The statements of the test.
    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut answers = 0;
        for said in &self.said {
            let code = without_comment(&said.text);
            match &said.ended {
                Ended::Declared | Ended::Halfway => {}
                Ended::Done => lines.push(Line::does(code.to_owned())),
                Ended::Answered(value) => {
                    answers += 1;
                    lines.push(Line::does(format!("let answer_{answers} = {code}")));
                    lines.push(Line::expects(equals(&format!("answer_{answers}"), value)));
                }
                Ended::Value(None) => {}
                Ended::Value(Some(value)) => {
                    let simple = match &parse_statements(code).block.stmts[..] {
                        [only] => match &only.kind {
                            StmtKind::Expr(expr) => !matches!(
                                expr.kind,
                                ExprKind::Binary { .. } | ExprKind::Unary { .. } | ExprKind::If { .. } | ExprKind::Match { .. }
                            ),
                            _ => true,
                        },
                        _ => true,
                    };
                    let expression = if simple { code.to_owned() } else { format!("({code})") };
                    lines.push(Line::expects(equals(&expression, value)));
                }
                Ended::Failed(failure) => {
                    let how = match failure.kind {
                        FailureKind::Rejected => format!("with {}", quoted(&failure.message)),
                        kind => format!("kind {}", kind.name()),
                    };
                    lines.push(Line::expects(format!("expect fail {code} {how}")));
                }
            }
        }
        if !lines.iter().any(|line| line.expects) {
            let records = self.variables.iter().filter(|v| matches!(v.value, Value::Ref(_)));
            lines.extend(records.map(|v| Line::expects(format!("expect {}.exists()", v.name))));
        }
        lines
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
        for &file in Project::get(db).files(db).iter().filter(|file| &**file.path(db) != TYPED && &**file.path(db) != path) {
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

/// A statement of the test.
struct Line {
    code: String,
    /// Whether it expects something, and nothing depends on it.
    expects: bool,
    /// Why it is only a comment.
    left_out: Option<String>,
}

impl Line {
    fn does(code: String) -> Self {
        Line { code, expects: false, left_out: None }
    }

    fn expects(code: String) -> Self {
        Line { code, expects: true, left_out: None }
    }
}

/// `expect x == 5`, in the shortest way.
fn equals(expression: &str, value: &str) -> String {
    match value {
        "true" => format!("expect {expression}"),
        "false" => format!("expect !{expression}"),
        value => format!("expect {expression} == {value}"),
    }
}

/// Without a comment at its end.
fn without_comment(text: &str) -> &str {
    match lexemes(text).last() {
        Some(last) if last.kind == LexemeKind::Comment => text[..last.span.start as usize].trim_end(),
        _ => text.trim_end(),
    }
}

/// A text as the language writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '{' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The value as an expression of the language; `None` where it has none, or holds records that no name is bound to.
fn literal(program: &Program, names: &[Variable], value: &Value, ty: &Type) -> Option<String> {
    let sequence = |name: &str, items: &mut dyn Iterator<Item = &Value>, of: &Type| {
        let items: Option<Vec<String>> = items.map(|item| literal(program, names, item, of)).collect();
        Some(format!("{name}[{}]", items?.join(", ")))
    };
    let named = |fields: &[patternc_program::Field], values: &[Value]| {
        let fields =
            fields.iter().zip(values).map(|(field, value)| Some(format!("{}: {}", field.name, literal(program, names, value, &field.ty)?)));
        Some(fields.collect::<Option<Vec<String>>>()?.join(", "))
    };
    match (value, ty) {
        (Value::None, Type::Optional(_)) => Some("none".to_owned()),
        (value, Type::Optional(of)) => literal(program, names, value, of),
        (Value::Text(text), _) => Some(quoted(text)),
        (Value::Int(n), _) => Some(n.to_string()).filter(|_| *n != i64::MIN),
        (Value::Float(x), _) if !x.is_finite() => None,
        (Value::Bool(_) | Value::Float(_) | Value::Duration(_), ty) => Some(crate::render::value::text(program, value, ty)),
        (Value::Ref(record), _) => {
            let known = names.iter().find(|v| matches!(&v.value, Value::Ref(other) if other == record))?;
            Some(known.name.to_string())
        }
        (Value::List(items), Type::List(of)) => sequence("", &mut items.iter(), of),
        (Value::Set(items), Type::Set(of)) => sequence("Set", &mut items.iter(), of),
        (Value::Map(entries), Type::Map(key, of)) => {
            let entries =
                entries.iter().map(|(k, v)| Some(format!("{}: {}", literal(program, names, k, key)?, literal(program, names, v, of)?)));
            Some(format!("Map[{}]", entries.collect::<Option<Vec<String>>>()?.join(", ")))
        }
        (Value::Struct(values), Type::Struct(of, _)) => {
            let of = &program.structs[of.index()];
            Some(format!("{} {{ {} }}", of.name, named(&of.fields, values)?))
        }
        (Value::Variant(variant, values), Type::Enum(of, _)) => {
            let of = &program.enums[of.index()];
            let variant = &of.variants[*variant as usize];
            let values = if values.is_empty() { String::new() } else { format!("({})", named(&variant.fields, values)?) };
            Some(format!("{}.{}{values}", of.name, variant.name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_so_that_they_are_read_the_same() {
        for text in ["", "a \"b\" \\ {c}", "two\nlines\t\u{1}", "ü"] {
            let source = format!("let x = {}", quoted(text));
            let parsed = parse_statements(&source);
            assert_eq!(parsed.errors, [], "{source}");
            assert!(format!("{:?}", parsed.block).contains(&format!("{text:?}")), "{source} {:?}", parsed.block);
        }
    }

    #[test]
    fn a_comment_at_the_end_is_no_code() {
        assert_eq!(without_comment("f(1) // why"), "f(1)");
        assert_eq!(without_comment("f(\"// no\")"), "f(\"// no\")");
    }
}
