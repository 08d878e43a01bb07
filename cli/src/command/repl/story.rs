//! What was entered, as the statements of a test.

use std::collections::BTreeSet;

use patternc_grammar::syntax::{ExprKind, StmtKind};
use patternc_grammar::{LexemeKind, lexemes, parse_statements};
use patternc_interpreter::engine::CallAnswer;
use patternc_interpreter::failure::{Failure, FailureKind};

use super::literal::{literal, quoted};
use super::outside::Heard;
use super::save::{Ended, Said, Written};
use super::session::Session;

/// Up to where a `:hold` is a `hold { … }`: a test cannot let deliveries through one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Up to the last of its `:deliver`s.
    ToLast,
    /// Up to the first.
    ToFirst,
    Never,
}

impl Holds {
    pub const ALL: &[Holds] = &[Holds::ToLast, Holds::ToFirst, Holds::Never];
}

/// A statement of the test, or a comment.
pub struct Line {
    pub code: String,
    /// Whether it expects something, and nothing depends on it.
    pub expects: bool,
    /// Why it is only a comment.
    pub left_out: Option<String>,
}

impl Line {
    pub fn does(code: impl Into<String>) -> Self {
        Line { code: code.into(), expects: false, left_out: None }
    }

    pub fn expects(code: impl Into<String>) -> Self {
        Line { code: code.into(), expects: true, left_out: None }
    }

    fn remark(text: &str, why: &str) -> Self {
        Line::does(format!("// Left out: `{}`. {}", on_one_line(text), sentence(why)))
    }

    /// Whether it only says something to people.
    pub fn is_remark(&self) -> bool {
        self.code.starts_with("//")
    }
}

/// Code as a comment names it.
fn on_one_line(code: &str) -> String {
    without_comment(code).lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The text with a capital and a full stop, on one line.
fn sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    let mut letters = text.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// Statements on their way into a test.
struct Telling<'s> {
    session: &'s Session,
    lines: Vec<Line>,
    answers: usize,
}

impl Session {
    /// The statements of the test.
    pub fn lines(&self, holds: Holds) -> Vec<Line> {
        let mut telling = Telling { session: self, lines: Vec::new(), answers: 0 };
        let heard = self.heard_before();
        let mut told = BTreeSet::new();
        let mut at = 0;
        while at < self.said.len() {
            let is_hold = matches!(self.said[at].ended, Ended::Hold) && holds != Holds::Never;
            let end = if is_hold { self.end_of_hold(at, holds) } else { at + 1 };
            if is_hold {
                telling.hold(at, end, &heard, &mut told);
            } else {
                telling.entry(at, &heard, &mut told);
            }
            at = end;
        }
        telling.lines
    }

    /// Where a hold ends: behind the first or last `:deliver` before the next one.
    fn end_of_hold(&self, hold: usize, holds: Holds) -> usize {
        let next = (hold + 1..self.said.len()).find(|at| matches!(self.said[*at].ended, Ended::Hold)).unwrap_or(self.said.len());
        let mut delivers = (hold + 1..next).filter(|at| matches!(self.said[*at].ended, Ended::Deliver));
        let end = if holds == Holds::ToFirst { delivers.next() } else { delivers.next_back() };
        end.map_or(next, |end| end + 1)
    }

    /// For each entry, the answers of adapters that have to be given before it.
    fn heard_before(&self) -> Vec<Vec<&Heard>> {
        let mut heard: Vec<Vec<&Heard>> = self.said.iter().map(|_| Vec::new()).collect();
        let acts =
            |said: &Said| !matches!(said.ended, Ended::Value(_) | Ended::Declared | Ended::Hold | Ended::Deliver | Ended::Unsayable(_));
        for (at, said) in self.said.iter().enumerate().filter(|(_, said)| !said.heard.is_empty()) {
            // The call may be one of an entry whose answer came late.
            let waiting = (0..at).find(|before| self.said[*before].resolved.is_some_and(|resolved| resolved >= at));
            let acting = (0..=at).rev().find(|before| acts(&self.said[*before])).unwrap_or(at);
            heard[waiting.unwrap_or(acting)].extend(&said.heard);
        }
        heard
    }
}

impl Telling<'_> {
    /// An entry outside of any hold.
    fn entry(&mut self, at: usize, heard: &[Vec<&Heard>], told: &mut BTreeSet<usize>) {
        if !told.insert(at) {
            return;
        }
        self.answers_before(at, heard, told);
        self.tell(at);
    }

    /// What has to be given before an entry: what adapters answered, and what was given only once its call waited for it.
    fn answers_before(&mut self, at: usize, heard: &[Vec<&Heard>], told: &mut BTreeSet<usize>) {
        let said = &self.session.said;
        for given in (at + 1..said.len()).filter(|given| said[*given].before == Some(at) && is_given(&said[*given].text)) {
            if told.insert(given) {
                self.answers_before(given, heard, told);
                self.tell(given);
            }
        }
        self.heard(&heard[at]);
    }

    /// The entries from a `:hold` to its end.
    fn hold(&mut self, from: usize, end: usize, heard: &[Vec<&Heard>], told: &mut BTreeSet<usize>) {
        let said = &self.session.said;
        let inside: Vec<usize> = (from..end).filter(|at| !told.contains(at)).collect();
        let first = self.hoisted(&inside, end);
        let mut after = Vec::new();
        for &at in inside.iter().filter(|at| first.contains(at)) {
            self.entry(at, heard, told);
        }
        for &at in &inside {
            self.answers_before(at, heard, told);
        }
        let before = self.lines.len();
        for &at in inside.iter().filter(|at| !first.contains(at)) {
            if !told.insert(at) {
                continue;
            }
            match &said[at].ended {
                // What fails only once it is let through, or answers then, is expected when nothing is held.
                Ended::Failed(_) | Ended::Answered(_) if said[at].resolved.is_some() => after.push(at),
                _ => self.tell(at),
            }
        }
        if self.lines[before..].iter().any(|line| !line.expects && !line.is_remark()) {
            self.lines.insert(before, Line::does("hold {"));
            self.lines.push(Line::does("}"));
        }
        for at in after {
            self.tell(at);
        }
    }

    /// The entries of a hold that come before it, since they bind names which are used after it.
    fn hoisted(&self, inside: &[usize], end: usize) -> BTreeSet<usize> {
        let said = &self.session.said;
        let mut wanted: BTreeSet<String> = said[end..].iter().flat_map(|said| names_in(&said.text)).collect();
        // Calls that are answered late are told after the hold.
        wanted.extend(inside.iter().filter(|at| said[**at].resolved.is_some()).flat_map(|at| names_in(&said[*at].text)));
        let mut first = BTreeSet::new();
        for &at in inside.iter().rev() {
            if bound_by(&said[at].text).iter().any(|name| wanted.contains(name)) {
                wanted.extend(names_in(&said[at].text));
                first.insert(at);
            }
        }
        first
    }

    /// Whether an entry was answered only because time had passed.
    fn is_delayed(&self, at: usize) -> bool {
        let advances = |text: &str| parse_statements(text).block.stmts.iter().any(|stmt| matches!(stmt.kind, StmtKind::Advance(_)));
        meanwhile(&self.session.said, at).any(|at| advances(&self.session.said[at].text))
    }

    /// The statements of an entry.
    fn tell(&mut self, at: usize) {
        let said = &self.session.said[at];
        let code = without_comment(&said.text);
        match &said.ended {
            Ended::Declared | Ended::Halfway | Ended::Hold | Ended::Deliver => {}
            Ended::Done if said.event.is_some() => self.lines.push(Line::does(call_of(code))),
            Ended::Answered(written) if self.is_delayed(at) => {
                self.lines.push(Line::does(call_of(code)));
                self.lines.push(Line::remark(code, &format!("its answer, {}, came only as time passed", written.shown)));
            }
            Ended::Failed(failure) if self.is_delayed(at) => {
                self.lines.push(Line::remark(code, &format!("it failed only as time passed, which no test can say ({failure})")));
            }
            Ended::Done => self.lines.push(Line::does(code)),
            Ended::Answered(written) => {
                let (before, last, is_expression) = split_last(code);
                if !before.is_empty() {
                    self.lines.push(Line::does(before));
                }
                match &written.literal {
                    Some(value) if is_expression => self.lines.push(Line::expects(equals(last, value))),
                    Some(value) => {
                        self.answers += 1;
                        let answer = format!("answer_{}", self.answers);
                        self.lines.push(Line::does(format!("let {answer} = {}", call_of(last))));
                        self.lines.push(Line::expects(equals(&answer, value)));
                    }
                    None => {
                        self.lines.push(Line::does(call_of(last)));
                        self.unwritable(last, written);
                    }
                }
            }
            Ended::Value(written) => match &written.literal {
                Some(value) => self.lines.push(Line::expects(equals(code, value))),
                None => self.unwritable(code, written),
            },
            Ended::Failed(failure) => self.lines.push(fails(call_of(code), failure)),
            Ended::Parts(parts) => self.lines.extend(parts.iter().map(|(code, failure)| match failure {
                None => Line::does(code.as_str()),
                Some(failure) => fails(code, failure),
            })),
            Ended::Pending => self.lines.push(Line::remark(&said.text, "it had no answer yet")),
            Ended::Unsayable(why) => self.lines.push(Line::remark(&said.text, why)),
        }
    }

    /// A value that was printed and that the language cannot write: what is made anew each time, or has no literal.
    fn unwritable(&mut self, code: &str, written: &Written) {
        if code.trim_start().starts_with("create ") {
            // What it gave is the record itself.
            return;
        }
        let shown: String = written.shown.replace('\n', " ").chars().take(60).collect();
        let more = if shown.len() < written.shown.len() { "…" } else { "" };
        self.lines.push(Line::does(format!("// Not expected: `{}` was {shown}{more}, which a test cannot write.", on_one_line(code))));
    }

    /// Says what adapters answered.
    fn heard(&mut self, heard: &[&Heard]) {
        let mut operations: Vec<(patternc_program::ExternId, u32)> = Vec::new();
        for one in heard {
            if !operations.contains(&(one.of, one.operation)) {
                operations.push((one.of, one.operation));
            }
        }
        for (of, operation) in operations {
            let of_it: Vec<&Heard> = heard.iter().copied().filter(|one| (one.of, one.operation) == (of, operation)).collect();
            let declared = &self.session.program.externs[of.index()];
            let name = format!("{}.{}", declared.name, declared.operations[operation as usize].name);
            match self.givens(&name, &of_it) {
                Ok(lines) => self.lines.extend(lines.into_iter().map(Line::does)),
                Err(why) => self.lines.push(Line::remark(&format!("what {name} answered"), &why)),
            }
        }
    }

    /// What an operation answered, as `given` statements.
    fn givens(&self, name: &str, heard: &[&Heard]) -> Result<Vec<String>, String> {
        let program = &self.session.program;
        let names = &self.session.variables;
        let Some(first) = heard.first() else { return Ok(Vec::new()) };
        let operation = &program.externs[first.of.index()].operations[first.operation as usize];
        let params: Vec<&str> = operation.params.iter().map(|param| param.name.as_str()).collect();
        let mut refusals: Vec<(&str, usize)> = Vec::new();
        let mut values: Vec<(Vec<String>, String)> = Vec::new();
        for one in heard {
            match &one.answer {
                CallAnswer::Value(value) => {
                    let answer = match &operation.result {
                        Some(ty) => literal(program, names, value, ty).ok_or("it holds what a test cannot write")?,
                        None => "true".to_owned(),
                    };
                    let args = operation.params.iter().zip(&one.args).map(|(param, arg)| literal(program, names, arg, &param.ty));
                    let args: Vec<String> = args.collect::<Option<_>>().ok_or("it was asked with what a test cannot write")?;
                    match values.iter().find(|(known, _)| *known == args) {
                        Some((_, known)) if *known != answer => return Err("it answered equal calls differently".to_owned()),
                        Some(_) => {}
                        None => values.push((args, answer)),
                    }
                }
                CallAnswer::Rejected(_) if !values.is_empty() => return Err("it refused after it had answered".to_owned()),
                CallAnswer::Rejected(message) => match refusals.last_mut().filter(|(last, _)| last == message) {
                    Some((_, times)) => *times += 1,
                    None => refusals.push((message, 1)),
                },
                CallAnswer::Unusable(_) => return Err("whether it took effect is not known".to_owned()),
                // It was asked again.
                CallAnswer::NotSent(_) | CallAnswer::Unavailable(_) => {}
            }
        }
        let mut lines = Vec::new();
        if let Some((_, last)) = values.last() {
            let same = values.iter().all(|(_, answer)| answer == last);
            let mut answer = last.clone();
            for (args, other) in values.iter().rev().skip(1).filter(|_| !same) {
                let asked: Vec<String> = params.iter().zip(args).map(|(param, arg)| format!("{param} == {arg}")).collect();
                answer = format!("if {} {{ {other} }} else {{ {answer} }}", asked.join(" && "));
            }
            lines.push(format!("given {name}({}) => {answer}", params.join(", ")));
        }
        // The last that is given answers first.
        lines.extend(refusals.iter().rev().map(|(message, times)| format!("given {name} fails {} {times} times", quoted(message))));
        Ok(lines)
    }
}

/// The entries after one, up to that which brought its answer; none if that came at once.
fn meanwhile(said: &[Said], at: usize) -> std::ops::Range<usize> {
    at + 1..said[at].resolved.map_or(0, |resolved| resolved + 1).min(said.len())
}

/// `expect fail x.f() with "why"`.
fn fails(code: &str, failure: &Failure) -> Line {
    let how = match failure.kind {
        FailureKind::Rejected => format!("with {}", quoted(&failure.message)),
        kind => format!("kind {}", kind.name()),
    };
    Line::expects(format!("expect fail {code} {how}"))
}

/// `expect x == 5`, in the shortest way.
fn equals(expression: &str, value: &str) -> String {
    match value {
        "true" => format!("expect {expression}"),
        "false" => format!("expect !{}", grouped(expression)),
        // A record that was shown.
        value if value == expression => format!("expect {expression}.exists()"),
        value => format!("expect {} == {value}", grouped(expression)),
    }
}

/// An expression that can be compared.
fn grouped(code: &str) -> String {
    let simple = match &parse_statements(code).block.stmts[..] {
        [only] => match &only.kind {
            StmtKind::Expr(expr) => {
                !matches!(expr.kind, ExprKind::Binary { .. } | ExprKind::Unary { .. } | ExprKind::If { .. } | ExprKind::Match { .. })
            }
            _ => true,
        },
        _ => true,
    };
    if simple { code.to_owned() } else { format!("({code})") }
}

/// The code before the last statement, that statement, and whether it is an expression that sends nothing.
fn split_last(code: &str) -> (&str, &str, bool) {
    let parsed = parse_statements(code);
    let Some(last) = parsed.block.stmts.last() else { return ("", code, false) };
    let is_event = match &last.kind {
        StmtKind::Expr(expr) => matches!(expr.kind, ExprKind::Call { .. } | ExprKind::Method { .. } | ExprKind::Create { .. }),
        _ => true,
    };
    let at = last.span.start as usize;
    (code[..at].trim_end(), code[at..].trim_end(), !is_event)
}

/// The event of a statement that is one, without the name that it is bound to.
fn call_of(code: &str) -> &str {
    match parse_statements(code).block.stmts.as_slice() {
        [only] => match &only.kind {
            StmtKind::Let { value, .. } => value.span.slice(code).trim_end(),
            _ => code,
        },
        _ => code,
    }
}

/// Whether an entry says what the outside answers, and nothing else.
fn is_given(text: &str) -> bool {
    parse_statements(text).block.stmts.iter().all(|stmt| matches!(stmt.kind, StmtKind::Given(_)))
}

/// The names that an entry binds for those after it.
fn bound_by(text: &str) -> Vec<String> {
    let parsed = parse_statements(text);
    let bound = parsed.block.stmts.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Let { name, .. } => Some(name.name.to_string()),
        _ => None,
    });
    bound.collect()
}

/// The names that an entry speaks of.
fn names_in(text: &str) -> BTreeSet<String> {
    lexemes(text).into_iter().filter(|l| l.kind == LexemeKind::Name).map(|l| l.span.slice(text).to_owned()).collect()
}

/// Without a comment at its end.
fn without_comment(text: &str) -> &str {
    match lexemes(text).last() {
        Some(last) if last.kind == LexemeKind::Comment => text[..last.span.start as usize].trim_end(),
        _ => text.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_at_the_end_is_no_code() {
        assert_eq!(without_comment("f(1) // why"), "f(1)");
        assert_eq!(without_comment("f(\"// no\")"), "f(\"// no\")");
    }

    #[test]
    fn the_event_of_a_statement_is_found() {
        assert_eq!(call_of("let x = a.f(1)"), "a.f(1)");
        assert_eq!(call_of("a.f(1)"), "a.f(1)");
        assert_eq!(split_last("a.f(1)\nb.n + 1"), ("a.f(1)", "b.n + 1", true));
        assert_eq!(split_last("a.f(1)"), ("", "a.f(1)", false));
    }
}
