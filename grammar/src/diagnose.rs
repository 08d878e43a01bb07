//! Why a text could not be read: the place where the grammar stopped, what it expected there, and what was found.

use std::sync::{Mutex, PoisonError};

use crate::habits::{self, Habit, Place};
use crate::parse::{PatternParser, Rule};

/// pest keeps the tokens it expected only while a switch of the whole process is on. It reads the switch when a parse
/// begins; parses of other threads that begin in between take longer and are otherwise the same.
static DETAIL: Mutex<()> = Mutex::new(());

/// Finds out why a text could not be read. The part that was lost is from `lost` to `end`; what stands before it was read,
/// but may be the reason; what stands after it is the rest of the file. All places are bytes of the text.
pub(crate) fn explain(whole: &str, lost: usize, end: usize, place: Place) -> Habit {
    let (text, after) = whole.split_at(end);
    if let Some(habit) = habits::first_word(&whole[lost..], place) {
        return Habit { start: habit.start + lost, end: habit.end + lost, ..habit };
    }
    if place == Place::ValueBlock && furthest(&text[lost..], Place::Block).is_none() {
        let end = lost + text[lost..].lines().next().map_or(0, str::len);
        let help = "such a block consists of `let`s and, at its end, one expression: its value; a handler can do the rest";
        return Habit::stopped(lost, end, "a statement cannot stand in an expression".into(), help);
    }
    let (at, expected) = furthest(text, place).unwrap_or((lost, Vec::new()));
    // These could begin an operand, so the grammar looks for one after them.
    let counted = text[lost..].starts_with("--") || text[lost..].starts_with("++");
    let at = if counted { lost } else { skip_space(text, at) };
    let at = word_start(text, at, lost);
    if let Some(habit) = habits::token(text, lost, at, place) {
        return habit;
    }
    let (found, end) = found(text, at, after);
    let (message, help) = if at == 0 || expected.is_empty() {
        let (what, help) = part(place);
        (format!("expected {what}, found {found}"), help)
    } else {
        let expected = describe(text, at, &expected);
        let message = match expected.as_str() {
            "" => format!("unexpected {found}"),
            expected => format!("expected {expected}, found {found}"),
        };
        let help = match expected.as_str() {
            "an expression" => "such as a name, a number, a text, or a call",
            "`:`" if text[lost..at].contains('?') => "there is no `? :`: write `if condition { a } else { b }`",
            expected if expected.starts_with("`:`") => "a field or parameter is written with its name: `name: …`",
            _ => hint(text, at, place),
        };
        (message, help)
    };
    Habit::stopped(at, end, message, help)
}

/// The last place that the grammar reached in a text, and what it would have taken there.
fn furthest(text: &str, place: Place) -> Option<(usize, Vec<String>)> {
    let rule = match place {
        Place::File => Rule::probe_item,
        Place::Record => Rule::probe_member,
        Place::Extern => Rule::probe_operation,
        Place::Mirror => Rule::probe_clause,
        Place::Saga => Rule::probe_step,
        Place::Block => Rule::probe_stmt,
        Place::ValueBlock => Rule::probe_value,
        Place::StmtArms => Rule::probe_stmt_arm,
        Place::ExprArms => Rule::probe_expr_arm,
        Place::SendArms => Rule::probe_send_arm,
    };
    let (at, expected) = attempt(rule, text)?;
    if !expected.is_empty() {
        return Some((at, expected));
    }
    // A look ahead at the next character succeeded, which for pest is progress, and then nothing else did. What was expected
    // there is found when no look ahead can succeed: with a character that is none of the language.
    let before = text[..at].char_indices().next_back().map_or(0, |(before, _)| before);
    let stopped = format!("{}\u{1}", &text[..before]);
    let (stopped_at, expected) = attempt(rule, &stopped)?;
    Some(if stopped_at == before { (before, expected) } else { (at, Vec::new()) })
}

/// Parses a text and gives the last place that was reached and what was expected there; `None` if it can be parsed.
fn attempt(rule: Rule, text: &str) -> Option<(usize, Vec<String>)> {
    let parsed = {
        let _one_at_a_time = DETAIL.lock().unwrap_or_else(PoisonError::into_inner);
        pest::set_error_detail(true);
        let parsed = <PatternParser as pest::Parser<Rule>>::parse(rule, text);
        pest::set_error_detail(false);
        parsed
    };
    let error = parsed.err()?;
    let attempts = error.parse_attempts()?;
    let expected = attempts.expected_tokens().iter().map(ToString::to_string).collect();
    Some((attempts.max_position, expected))
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let content = rest.trim_start_matches([' ', '\t', '\r', '\n']);
    // At the end of a line the error is there, not on the next line.
    if content.is_empty() || rest[..rest.len() - content.len()].contains('\n') { at } else { text.len() - content.len() }
}

/// Where the word begins that a place is inside of: what is wrong is the whole word.
fn word_start(text: &str, at: usize, lost: usize) -> usize {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !text[at..].starts_with(is_word) {
        return at;
    }
    let before = text[..at].trim_end_matches(is_word).len();
    if before >= lost { before } else { at }
}

/// What stands at a place, in words, and where it ends.
fn found(text: &str, at: usize, after: &str) -> (String, usize) {
    let rest = &text[at..];
    let Some(first) = rest.chars().next().filter(|&c| c != '\n' && c != '\r') else {
        let next = rest.chars().chain(after.chars()).find(|&c| !matches!(c, ' ' | '\t' | '\r'));
        let found = match next {
            Some(c) if c != '\n' && rest.trim().is_empty() => format!("`{c}`"),
            None => "the end of the file".to_owned(),
            _ => "the end of the line".to_owned(),
        };
        return (found, at);
    };
    let word = habits::word(rest);
    let length = if !word.is_empty() {
        word.len()
    } else if first == '"' {
        1 + rest[1..].find(['"', '\n']).map_or(0, |end| end + 1)
    } else {
        let operator = |c: char| "=<>!+-*/%&|^~?:.".contains(c);
        if operator(first) { rest.find(|c| !operator(c)).unwrap_or(rest.len()) } else { first.len_utf8() }
    };
    let shown: String = rest[..length].chars().take(40).collect();
    if first.is_control() { (format!("the character U+{:04X}", first as u32), at + length) } else { (format!("`{shown}`"), at + length) }
}

/// What a whole part of a place is called, and what may stand there.
fn part(place: Place) -> (&'static str, &'static str) {
    match place {
        Place::File => (
            "a declaration",
            "a file consists of `use`, `space`, `struct`, `enum`, `record`, `fn`, `extern`, `mirror`, `invariant` and `test`",
        ),
        Place::Record => ("a member of a record", "a record consists of `cell`, `derived`, `create`, `handler` and `saga`"),
        Place::Extern => ("an operation", "an operation is written `name(x: Type) -> Type`, with `readonly` or `idempotent` where it is"),
        Place::Mirror => (
            "a clause of a mirror",
            "the clauses are `facts(r) = …`, `add(f) = …`, `remove(f) = …` (or `remove(f) first = …`), `actual(s) = …` and `scope(r) = …`",
        ),
        Place::Saga => ("a step", "a step is written `step name = target.handler(…) undo target.other(…)`"),
        Place::Block => ("a statement", "such as `let x = …`, `self.a = …`, `require … else \"why\"`, `if … { … }`, or a call"),
        Place::ValueBlock => ("a `let` or the value of the block", "such a block consists of `let`s and, at its end, one expression"),
        Place::StmtArms | Place::ExprArms => ("an arm", "an arm is written `Status.open => …`, and ends with a comma where it is no block"),
        Place::SendArms => ("an arm of a `send`", "the arms are `ok(result) => { … }` and `err(e) => { … }`"),
    }
}

/// What the grammar would have taken, in words: few, the likely ones.
fn describe(text: &str, at: usize, expected: &[String]) -> String {
    let before = text[..at].chars().next_back();
    let continues_word = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    // A range of characters is shown as `a..z`.
    let range = |range: &str| expected.iter().any(|token| token == range);
    let (letter, capital, digit) = (range("a..z"), range("A..Z"), range("0..9"));
    let has = |wanted: &str| expected.iter().any(|token| token == wanted);
    let mut names: Vec<String> = Vec::new();
    let operators = has("==") || has("&&") || has("+") || has("|");
    // An expression is complete, and the next statement may begin.
    let complete = operators && has("\"");
    if complete {
    } else if digit && has("\"") && has("(") {
        names.push("an expression".into());
    } else if !continues_word && (letter || capital) {
        let last = text[..at].trim_end();
        let type_position = last.ends_with(':') || last.ends_with("->") || last.ends_with('<');
        names.push(if type_position || (capital && !letter) { "a type" } else { "a name" }.into());
    } else if has("\"") {
        names.push("a text in double quotes".into());
    }
    // An operand is complete, between two brackets.
    let listed = operators && has(",") && (has(")") || has("]"));
    let expression = names.first().is_some_and(|name| name == "an expression");
    for token in [
        "=",
        ":",
        "=>",
        "->",
        ",",
        ")",
        "]",
        "}",
        ">",
        "{",
        "(",
        "of",
        "to",
        "in",
        "catch",
        "else",
        "handler",
        "invariant",
        "fails",
        "times",
    ] {
        let noise = match token {
            "(" if has(".") => true,
            "(" | "[" | "{" => complete || expression || (operators && token != "{") || (token == "{" && has(",")),
            ")" | "]" => expression && !has(","),
            "=" if has(":") && has("}") => true,
            "=" => operators && (listed || !(has(":") || has("+="))),
            ":" | "=>" | "->" if listed => true,
            ">" | "in" | "else" => operators,
            "catch" | "handler" | "invariant" => has("\"") || has("cell") || has("record"),
            "->" => !has("{") && has(")"),
            _ => false,
        };
        if has(token) && !noise {
            names.push(format!("`{token}`"));
        }
    }
    names.truncate(4);
    if names.is_empty() && letter && !operators {
        names.push("a name".into());
    }
    match names.split_last() {
        None if operators => "an operator or a new line".to_owned(),
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The way out where only the place of an error is known.
fn hint(text: &str, at: usize, place: Place) -> &'static str {
    let rest = &text[at..];
    let first = habits::word(text);
    match first {
        "let" => "a `let` is written `let name = value` or `let name: Type = value`",
        "if" => "an `if` is written `if condition { … } else { … }`",
        "for" => "a `for` is written `for x in xs { … }` or `for key, value in map { … }`",
        "match" => "a `match` is written `match e { Status.open => … _ => … }`",
        "try" => "a `try` is written `try { … } catch e { … }`",
        "send" | "return" if text.contains("send") => {
            "a `send` is written `send target.handler(…) then { ok(result) => { … } err(e) => { … } }`"
        }
        "require" => "a `require` is written `require condition else \"why\"`",
        "cell" => "a cell is written `cell name: Type = default`, then `key`, `unique`, `index` or `inverse other`",
        "derived" => "a derived cell is written `derived name: Type = expression`",
        "handler" | "internal" => {
            "a handler is written `handler name(x: Type) -> Type writes Record.cell across space { … }`, each part after the brackets optional"
        }
        "saga" | "step" | "pivot" => part(Place::Saga).1,
        "record" => "a record is written `record Name in space { … }`",
        "struct" => "a struct is written `struct Name { field: Type, other: Type }`",
        "enum" => "an enum is written `enum Name { first, second(field: Type) }`",
        "fn" => "a function is written `fn name(x: Type) -> Type { … }`",
        "use" => "write `use \"file.pattern\" { Person, label }`",
        "space" => "write `space name`, or `space name[Text]` for one space a key",
        "mirror" => "a mirror is written `mirror name of Record to extern_name { facts(r) = … … }`",
        "extern" => part(Place::Extern).1,
        "invariant" | "eventually" => "an invariant is written `invariant name(r: Record) { condition }`",
        "test" => "a test is written `test \"name\" { … }`",
        _ if rest.starts_with(|c: char| c.is_alphanumeric()) && place == Place::Block => {
            "if a new statement begins here, put it on a line of its own"
        }
        _ => part(place).1,
    }
}
