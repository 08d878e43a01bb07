//! What the first word of a text that could not be read was meant to be.

use super::elsewhere::{NO_WAITING, sql_statement, type_elsewhere};
use super::token::negation;
use super::{Habit, Place, token, word};
use crate::SyntaxErrorKind;
use crate::literal;
use crate::mend::closing;

/// What the first word of a text that could not be read was meant to be. The text may go on after what was lost.
pub(crate) fn first_word(text: &str, place: Place) -> Option<Habit> {
    let first = word(text);
    if first.is_empty() {
        return comment(text);
    }
    let after = &text[first.len()..];
    let rest = after.trim_start_matches([' ', '\t']);
    // The word and the space after it: what to take away.
    let with_space = text.len() - rest.len();
    let no_such = |help: &str| Some(Habit::new(0, first.len(), format!("`{first}` is not a word of the language"), help));
    let block = matches!(place, Place::Block | Place::Saga | Place::ValueBlock | Place::StmtArms);
    match first {
        "await" => {
            let mut habit = Habit::new(
                0,
                first.len(),
                "a transaction cannot wait for an answer",
                "send it, and go on in an arm: `send … then { ok(result) => { … } err(e) => { … } }`",
            );
            habit.kind = SyntaxErrorKind::Await;
            Some(habit)
        }
        "const" | "var" | "val" | "auto" if block => {
            let habit = no_such("write `let`; a name keeps its value, what changes over time is a cell")?;
            Some(if word(rest).is_empty() { habit } else { habit.fix("let") })
        }
        "let" | "const" | "var" | "val" if place == Place::Record => {
            let habit = no_such("what a record keeps is a `cell`, what it computes is `derived`")
                .filter(|_| first != "let")
                .or_else(|| Some(Habit::new(0, first.len(), "a `let` stands in a handler", "what a record keeps is a `cell`")))?;
            Some(if is_named(rest, ':') { habit.fix("cell") } else { habit })
        }
        "let" | "const" | "var" | "val" if place == Place::File => Some(Habit::new(
            0,
            first.len(),
            "a file has no variables",
            "what lasts is a `cell` of a record; for a constant write `fn name() -> Int { … }`",
        )),
        "unless" if block => no_such("write `if !condition { … }`"),
        "while" | "loop" | "until" | "do" if block => Some(Habit::new(
            0,
            first.len(),
            format!("there is no `{first}`: every handler ends"),
            "walk over a collection with `for x in xs { … }`, or over numbers with `for i in range(n) { … }`",
        )),
        "for" if block && rest.starts_with('(') => {
            let habit = Habit::new(0, with_space + 1, "`for` has no brackets", "write `for x in xs { … }`, or `for i in range(n) { … }`");
            Some(match walked(rest) {
                Some((walk, length)) => Habit { start: with_space, end: with_space + length, ..habit }.fix(walk),
                None => habit,
            })
        }
        "for" if block && go_range(rest).is_some() => {
            let (name, length) = go_range(rest)?;
            let help = "write `for x in xs { … }`";
            Some(Habit::new(with_space, with_space + length, "a `for` is written with `in`", help).fix(format!("{name} in ")))
        }
        "catch" | "finally" if block => {
            Some(Habit::new(0, first.len(), format!("this `{first}` belongs to no `try`"), "write `try { … } catch e { … }`"))
        }
        // Its `require` was read without it.
        "else" if rest.starts_with(['\'', '`']) => token(text, 0, with_space, place),
        "else" if block => Some(Habit::new(0, first.len(), "this `else` belongs to no `if`", "write `if … { … } else { … }`")),
        "elif" | "elsif" | "elseif" if block => no_such("write `else if`").map(|habit| habit.fix("else if")),
        "throw" | "raise" | "panic" | "abort" if block => {
            let habit = no_such("write `fail \"why\"`: the event is rejected, and nothing of it remains")?;
            Some(match thrown(rest) {
                Some((reason, length)) => Habit { end: with_space + length, ..habit }.fix(format!("fail {reason}")),
                None if rest.starts_with('"') => habit.fix("fail"),
                None => habit,
            })
        }
        "setTimeout" | "setInterval" if block => no_such(NO_WAITING),
        "assert" if block => no_such("write `require … else \"why\"` in a handler, `expect …` in a test"),
        "switch" | "case" | "when" if place != Place::File && place != Place::Record => {
            if first == "case" && matches!(place, Place::StmtArms | Place::ExprArms) {
                Some(Habit::new(0, with_space, "an arm begins with its pattern", "leave `case` out").fix(""))
            } else {
                no_such("write `match e { Status.open => … _ => … }`")
            }
        }
        "emit" | "dispatch" | "publish" | "spawn" | "go" | "defer" if block => {
            no_such("write `send target.handler(…)`: it is delivered after this transaction has committed")
        }
        "new" if block => no_such("write `create Person { … }` for a record, `Message { … }` for a struct"),
        "not" if block => Some(negation(text, 0, with_space)),
        "return" if place == Place::ValueBlock => Some(
            Habit::new(0, with_space, "there is no `return` here", "the last expression of the block is its value: leave the word out")
                .fix(""),
        ),
        "require" | "fail" | "send" | "delete" | "try" | "for" | "expect" if place == Place::ValueBlock => Some(Habit::new(
            0,
            first.len(),
            format!("`{first}` cannot stand in an expression"),
            "such a block consists of `let`s and, at its end, one expression: its value; a handler can do the rest",
        )),
        "undo" if block => Some(Habit::new(
            0,
            first.len(),
            "an `undo` belongs to a step of a saga",
            "a step is written `step name = target.handler(…) undo target.other(…)`; what fails in a handler is undone by itself",
        )),
        "step" | "pivot" if matches!(place, Place::Block | Place::StmtArms) && rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let message = format!("a `{first}` stands in a saga itself, not in a handler, an `if` or a `for`");
            let help = "a saga runs each of its steps once; what is done for each of several is one handler that does it for all";
            Some(Habit::new(0, first.len(), message, help))
        }
        "test" | "it" | "describe" if place == Place::File && after.starts_with('(') => {
            let habit = Habit::new(0, first.len(), "a test is no call", "write `test \"name\" { … }`");
            Some(called_test(text, first).unwrap_or(habit))
        }
        "function" | "def" | "func" | "fun" | "sub" | "proc" | "method" => {
            let habit = if place == Place::Record {
                no_such("an event is a `handler name(…) { … }`; a function without effect stands outside: `fn name(…) -> Type { … }`")
            } else {
                no_such("a function is written `fn name(x: Int) -> Int { … }`, outside of records")
            }?;
            Some(match place {
                Place::File => habit.fix("fn"),
                Place::Record if rest[word(rest).len()..].starts_with('(') => habit.fix("handler"),
                _ => habit,
            })
        }
        "fn" if place != Place::File => {
            Some(Habit::new(0, first.len(), "a `fn` stands outside of records", "move it there, or make it a `handler`"))
        }
        "handler" | "cell" | "derived" | "saga" if place != Place::Record => {
            Some(Habit::new(0, first.len(), format!("a `{first}` stands in a record"), "move it to the record it belongs to"))
        }
        "record" | "struct" | "enum" | "space" | "extern" | "mirror" | "invariant" | "test" | "use" if place != Place::File => {
            Some(Habit::new(0, first.len(), format!("a `{first}` stands at the top of a file"), "move it out of these braces"))
        }
        "class" | "object" | "interface" | "type" | "trait" | "impl" | "entity" | "model" | "table" | "union" | "data" => {
            let habit = no_such("what has an identity is a `record`, a plain value a `struct`, a choice an `enum`")?;
            Some(if place == Place::File { declared_elsewhere(text, habit) } else { habit })
        }
        "import" | "from" | "include" | "package" | "module" | "namespace" if place == Place::File => {
            let habit = no_such("write `use \"file.pattern\" { Person, label }`")?;
            Some(match imported(text) {
                Some((import, length)) => Habit { end: length, ..habit }.fix(import),
                None => habit,
            })
        }
        "async" | "public" | "pub" | "export" | "static" | "override" | "abstract" | "final" | "default"
            if !rest.is_empty() && !matches!(place, Place::StmtArms | Place::ExprArms) =>
        {
            let help = match first {
                "async" => "leave it out: a handler is one transaction, what comes later is sent",
                _ => "leave it out: everything can be used from other files; `internal handler` hides one from outside",
            };
            Some(Habit::new(0, with_space, format!("`{first}` is not a word of the language"), help).fix(""))
        }
        "private" | "protected" => {
            let habit = no_such("a handler that is not reached from outside is an `internal handler`")?;
            Some(if rest.starts_with("handler") { habit.fix("internal") } else { habit })
        }
        "field" | "property" | "attribute" | "state" | "column" if place == Place::Record && !rest.starts_with(':') => {
            let habit = no_such("write `cell name: Type`")?;
            Some(if is_named(rest, ':') { habit.fix("cell") } else { habit })
        }
        "get" | "computed" | "getter" if place == Place::Record && !rest.starts_with(':') => {
            let habit = no_such("write `derived name: Type = …`")?;
            Some(if is_named(rest, ':') { habit.fix("derived") } else { habit })
        }
        "event" | "action" | "command" | "on" if place == Place::Record && !rest.starts_with(':') => {
            let habit = no_such("write `handler name(…) { … }`")?;
            Some(if is_named(rest, '(') { habit.fix("handler") } else { habit })
        }
        "constructor" | "init" | "__init__" if place == Place::Record && !rest.starts_with(':') => {
            let habit = no_such("write `create { … }`: it runs in the transaction that creates one")?;
            let body = rest.strip_prefix("()").unwrap_or(rest).trim_start();
            Some(if body.starts_with('{') { Habit { end: text.len() - body.len(), ..habit }.fix("create ") } else { habit })
        }
        _ if place == Place::Record && constraint(first, rest).is_some() => {
            let help = constraint(first, rest)?;
            Some(Habit::new(0, first.len(), "a constraint is no member of a record", help))
        }
        "select" | "insert" | "update" | "delete" if block && is_sql(first, rest) => {
            no_such(sql_statement(&first.to_ascii_uppercase()).unwrap_or_default())
        }
        _ if (block || place == Place::File) && sql_statement(first).is_some() => no_such(sql_statement(first).unwrap_or_default()),
        _ if place == Place::Record && after.starts_with('(') && first.starts_with(|c: char| c.is_ascii_lowercase()) => {
            let help = format!("an event is a `handler {first}(…) {{ … }}`; a value that is computed is `derived`");
            Some(Habit::new(0, first.len(), "expected a member of a record", help).fix(format!("handler {first}")))
        }
        _ if place == Place::Record && rest.starts_with(':') => Some(
            Habit::new(0, first.len(), "expected a member of a record", format!("a cell is written `cell {first}: Type`"))
                .fix(format!("cell {first}")),
        ),
        _ if place == Place::Record && is_snake(first) && is_name(first) && is_type(rest) => {
            let habit = Habit::new(0, first.len(), "expected a member of a record", format!("a cell is written `cell {first}: Type`"));
            Some(habit.fix(format!("cell {first}:")))
        }
        // The type first.
        _ if place == Place::Record && is_type(text) && is_snake(word(rest)) && is_name(first) && is_name(word(rest)) => {
            let (name, ty) = (word(rest), type_elsewhere(first).unwrap_or(first));
            let habit =
                Habit::new(0, with_space + name.len(), "expected a member of a record", format!("a cell is written `cell {name}: {ty}`"));
            Some(habit.fix(format!("cell {name}: {ty}")))
        }
        _ => None,
    }
}

/// What is written here instead of a constraint that SQL has beside its columns, such as `unique (a)`; `rest` stands behind its word.
fn constraint(word: &str, rest: &str) -> Option<String> {
    let line = rest.lines().next().unwrap_or_default();
    // With a body it was meant as an event.
    if line.contains('{') || !line.contains('(') {
        return None;
    }
    let cell = line.find('(').map(|open| self::word(line[open + 1..].trim_start())).filter(|name| !name.is_empty()).unwrap_or("name");
    Some(match word.to_ascii_lowercase().as_str() {
        "unique" | "index" => format!("it stands behind the cell: `cell {cell}: Text {}`", word.to_ascii_lowercase()),
        "primary" => format!("what a record is found by is marked `key`: `cell {cell}: Text key`"),
        "foreign" => "a link has the type of its record: `cell owner: Person`".to_owned(),
        "check" | "constraint" => INVARIANT.to_owned(),
        _ => return None,
    })
}

pub(super) const INVARIANT: &str = "what must always hold stands at the top of the file: `invariant name(r: Record) { r.n > 0 }`";

/// The reason in `new Error("…")`, `Error("…")`, `ValueError('…')`, as a text of this language, and how long all of it is.
fn thrown(text: &str) -> Option<(String, usize)> {
    let made = text.strip_prefix("new").map_or(text, str::trim_start);
    let inside = made[word(made).len()..].strip_prefix('(').filter(|_| made.starts_with(|c: char| c.is_ascii_uppercase()))?;
    let quote = inside.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let close = 1 + inside[1..].find(quote)?;
    let reason = &inside[1..close];
    let end = inside[close + 1..].strip_prefix(')').filter(|_| !reason.contains(['"', '\\', '{', '\n']))?;
    Some((format!("\"{reason}\""), text.len() - end.len()))
}

/// Whether a text begins with a name and, directly or after blanks, a sign.
fn is_named(text: &str, sign: char) -> bool {
    let name = word(text);
    is_snake(name) && text[name.len()..].trim_start().starts_with(sign)
}

fn is_snake(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && word.chars().all(|c| !c.is_ascii_uppercase())
}

/// Whether a word may be a name, and is none of those that SQL has behind the type of a column.
fn is_name(word: &str) -> bool {
    let sql = ["references", "check", "nullable", "auto_increment", "default", "null", "not", "primary", "unique", "foreign", "constraint"];
    !literal::is_reserved(word) && !sql.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a text begins with the name of a type, of this language or another.
fn is_type(text: &str) -> bool {
    let name = word(text);
    name.starts_with(|c: char| c.is_ascii_uppercase()) || type_elsewhere(name).is_some()
}

fn is_sql(first: &str, rest: &str) -> bool {
    let line = rest.lines().next().unwrap_or_default().to_ascii_lowercase();
    match first {
        "select" => line.contains(" from "),
        "insert" => line.starts_with("into "),
        "update" => line.contains(" set "),
        _ => line.starts_with("from "),
    }
}

/// A comment of another language, such as `-- said`, up to the end of its line.
fn comment(text: &str) -> Option<Habit> {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let said = line.strip_prefix("--").or_else(|| line.strip_prefix('#')).filter(|said| said.starts_with([' ', '\t']))?;
    let sign = &line[..line.len() - said.len()];
    let habit = Habit::new(0, line.len(), format!("`{sign}` begins nothing here"), "a comment is written `// …`");
    Some(habit.fix(format!("//{said}")).meant(""))
}

/// `(const x of xs)` as `x in xs`, and how long it is.
fn walked(text: &str) -> Option<(String, usize)> {
    let close = closing(text)?;
    let mut inside = text[1..close].trim();
    for word in ["const ", "let ", "var "] {
        inside = inside.strip_prefix(word).unwrap_or(inside).trim_start();
    }
    let name = word(inside);
    let rest = inside[name.len()..].trim_start();
    let of = rest.strip_prefix("of ").or_else(|| rest.strip_prefix("in ")).or_else(|| rest.strip_prefix(": "))?;
    is_snake(name).then(|| (format!("{name} in {}", of.trim()), close + 1))
}

/// `_, x := range ` as `x`, and how long it is.
fn go_range(text: &str) -> Option<(&str, usize)> {
    let (names, behind) = text.split_once(":=")?;
    let behind = behind.trim_start().strip_prefix("range ")?;
    let name = names.trim().strip_prefix('_')?.trim_start().strip_prefix(',')?.trim();
    (is_snake(name) && word(name) == name).then(|| (name, text.len() - behind.len()))
}

/// `test("name", () => { … })`, with what to write instead.
fn called_test(text: &str, first: &str) -> Option<Habit> {
    let inside = text[first.len()..].strip_prefix('(')?.trim_start();
    let quote = inside.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = &inside[1..1 + inside[1..].find(quote)?];
    let behind = inside[name.len() + 2..].trim_start().strip_prefix(',')?.trim_start();
    let open = text.len() - behind.len() + behind.find('{')?;
    let head = &text[text.len() - behind.len()..open];
    let is_lambda = head.trim_end().ends_with("=>") || head.starts_with("function") || head.starts_with("async function");
    let body_end = open + closing(&text[open..])? + 1;
    let tail = text[body_end..].trim_start().strip_prefix(')')?;
    let tail = tail.strip_prefix(';').unwrap_or(tail);
    if !is_lambda || head.contains(['\n', '{']) || name.contains(['"', '{', '\\']) {
        return None;
    }
    let habit = Habit::new(0, open, "a test is no call", "write `test \"name\" { … }`");
    Some(habit.fix(format!("test \"{name}\" ")).and(body_end, text.len() - tail.len(), ""))
}

/// `class Foo {`, `interface Foo {`, `type Foo = {`, `type Foo struct {`, with what to write instead where that can be seen.
fn declared_elsewhere(text: &str, habit: Habit) -> Habit {
    let first = word(text);
    let behind = |from: &str| from.len() - from.trim_start_matches([' ', '\t']).len();
    let name_at = first.len() + behind(&text[first.len()..]);
    let name = word(&text[name_at..]);
    let rest_at = name_at + name.len() + behind(&text[name_at + name.len()..]);
    let rest = &text[rest_at..];
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return match (first, name) {
            ("data", "class") => Habit { end: name_at + name.len(), ..habit }.meant("struct"),
            _ => habit,
        };
    }
    let is_body = |text: &str| text.starts_with('{') && closing(text).is_some();
    match first {
        "class" | "entity" | "model" | "object" if rest.contains('{') && !rest.starts_with('(') => habit.fix("record"),
        "table" if is_body(rest) => habit.fix("record"),
        // One with methods has an identity.
        "interface" if is_body(rest) && !rest[..closing(rest).unwrap_or_default()].contains('(') => habit.fix("struct"),
        "interface" if is_body(rest) => habit.fix("record"),
        "type" => {
            let assigned = rest.strip_prefix('=').map(str::trim_start);
            if let Some(body) = assigned.or(rest.strip_prefix("struct").map(str::trim_start)).filter(|body| is_body(body)) {
                return Habit { end: text.len() - body.len(), ..habit }.fix(format!("struct {name} "));
            }
            match assigned.and_then(choice) {
                Some((variants, length)) => {
                    let end = text.len() - assigned.map_or(0, str::len) + length;
                    Habit { end, ..habit }.fix(format!("enum {name} {{ {} }}", variants.join(", ")))
                }
                None => habit,
            }
        }
        _ => habit,
    }
}

/// `"open" | "closed"` as the names of variants, and how long it is.
fn choice(text: &str) -> Option<(Vec<&str>, usize)> {
    let mut variants = Vec::new();
    let mut rest = text.strip_prefix('|').unwrap_or(text).trim_start();
    loop {
        let inside = rest.strip_prefix(['"', '\''])?;
        let name = word(inside);
        rest = inside[name.len()..].strip_prefix(['"', '\''])?;
        if !is_snake(name) || literal::is_reserved(name) {
            return None;
        }
        variants.push(name);
        match rest.trim_start().strip_prefix('|') {
            Some(behind) => rest = behind.trim_start(),
            None => break,
        }
    }
    let end = rest.strip_prefix(';').unwrap_or(rest);
    (variants.len() > 1).then_some((variants, text.len() - end.len()))
}

/// `import { A, b } from "./file"` as a `use`, and how long it is.
fn imported(text: &str) -> Option<(String, usize)> {
    let names = text
        .strip_prefix("import")?
        .trim_start()
        .strip_prefix("type ")
        .map(str::trim_start)
        .or(Some(text["import".len()..].trim_start()))?;
    let close = closing(names.strip_prefix('{').map(|_| names)?)?;
    let list: Vec<&str> = names[1..close].split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let from = names[close + 1..].trim_start().strip_prefix("from")?.trim_start();
    let quote = from.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let path = &from[1..1 + from[1..].find(quote)?];
    let behind = &from[path.len() + 2..];
    let behind = behind.strip_prefix(';').unwrap_or(behind);
    let file = path.strip_prefix("./").unwrap_or(path);
    let file = if file.ends_with(".pattern") {
        file.to_owned()
    } else {
        format!("{}.pattern", file.trim_end_matches(".ts").trim_end_matches(".js"))
    };
    let is_plain = list.iter().all(|name| word(name) == *name) && !file.contains(['"', '{', '\\', '\n']);
    is_plain.then(|| (format!("use \"{file}\" {{ {} }}", list.join(", ")), text.len() - behind.len()))
}

/// Statements of one word in other languages.
pub(crate) fn lone_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "break" | "continue" => "choose what to walk over before: `for x in xs.filter(x => …) { … }`, `xs.find(x => …)`",
        "pass" => "an empty block is `{ }`",
        _ => return None,
    })
}
