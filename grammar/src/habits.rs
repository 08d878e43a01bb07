//! Habits from other languages: what was meant, and how it is written here.

use crate::SyntaxErrorKind;
use crate::literal;

/// In what a text was found that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    File,
    Record,
    Extern,
    Mirror,
    Saga,
    Block,
    /// A block whose last expression is its value.
    ValueBlock,
    StmtArms,
    ExprArms,
    SendArms,
}

/// A habit that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Habit {
    pub kind: SyntaxErrorKind,
    /// Where it is in the text looked at.
    pub start: usize,
    pub end: usize,
    pub message: String,
    pub help: String,
    /// What to write instead of it, where that is certain.
    pub fix: Option<String>,
}

impl Habit {
    fn new(start: usize, end: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        let kind = SyntaxErrorKind::Syntax;
        Habit { kind, start, end, message: message.into(), help: help.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// The word at the start of a text, which may be empty.
pub(crate) fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// What the first word of a text that could not be read was meant to be. The text may go on after what was lost.
pub(crate) fn first_word(text: &str, place: Place) -> Option<Habit> {
    let first = word(text);
    if first.is_empty() {
        return None;
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
            no_such("what a record keeps is a `cell`, what it computes is `derived`")
                .filter(|_| first != "let")
                .or_else(|| Some(Habit::new(0, first.len(), "a `let` stands in a handler", "what a record keeps is a `cell`")))
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
            Some(Habit::new(0, with_space + 1, "`for` has no brackets", "write `for x in xs { … }`, or `for i in range(n) { … }`"))
        }
        "catch" | "finally" if block => {
            Some(Habit::new(0, first.len(), format!("this `{first}` belongs to no `try`"), "write `try { … } catch e { … }`"))
        }
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
        "not" if block => Some(Habit::new(0, with_space, "`not` is not an operator here", "write `!`").fix("!")),
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
        "function" | "def" | "func" | "fun" | "sub" | "proc" | "method" => {
            let habit = if place == Place::Record {
                no_such("an event is a `handler name(…) { … }`; a function without effect stands outside: `fn name(…) -> Type { … }`")
            } else {
                no_such("a function is written `fn name(x: Int) -> Int { … }`, outside of records")
            }?;
            Some(if place == Place::File { habit.fix("fn") } else { habit })
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
        "class" | "object" | "interface" | "type" | "trait" | "impl" | "entity" | "model" | "table" => {
            no_such("what has an identity is a `record`, a plain value a `struct`, a choice an `enum`")
        }
        "import" | "from" | "include" | "package" | "module" | "namespace" if place == Place::File => {
            no_such("write `use \"file.pattern\" { Person, label }`")
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
        "field" | "property" | "attribute" | "state" | "column" if place == Place::Record => no_such("write `cell name: Type`"),
        "get" | "computed" | "getter" if place == Place::Record => no_such("write `derived name: Type = …`"),
        "event" | "action" | "command" | "on" if place == Place::Record => no_such("write `handler name(…) { … }`"),
        "constructor" | "init" | "__init__" if place == Place::Record => {
            no_such("write `create { … }`: it runs in the transaction that creates one")
        }
        _ if place == Place::Record && constraint(first, rest).is_some() => {
            let help = constraint(first, rest)?;
            Some(Habit::new(0, first.len(), "a constraint is no member of a record", help))
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

const INVARIANT: &str = "what must always hold stands at the top of the file: `invariant name(r: Record) { r.n > 0 }`";
const NO_WAITING: &str =
    "a handler does not wait: an event is delivered later with `send self.tick() after 5m`; in a test `advance 5m` moves the clock";

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

/// What is written here instead of `new Name(…)`, and what exactly where nothing stands between its brackets.
pub(crate) fn made_elsewhere(name: &str) -> (String, Option<&'static str>) {
    match name {
        "Date" => ("the time of the event is `now()`".to_owned(), Some("now()")),
        "Map" | "HashMap" => ("a map is written `Map[key: value]`".to_owned(), Some("Map[]")),
        "Set" | "HashSet" => ("a set is written `Set[a, b]`".to_owned(), Some("Set[]")),
        "Array" | "List" | "ArrayList" => ("a list is written `[a, b]`".to_owned(), Some("[]")),
        "Error" => ("a failure is no value: `fail \"why\"` rejects the event".to_owned(), None),
        _ => (format!("write `create {name} {{ … }}` for a record, `{name} {{ … }}` for a struct"), None),
    }
}

/// What is written here instead of a function of other languages, such as `Math.random`, and its name where it is the same with another.
pub fn function_elsewhere(path: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match path {
        "Math.random" | "random.random" | "random.randint" | "random.choice" | "rand.random" | "random" | "rand" => (
            "a handler may run again and must then do the same, so nothing in it is left to chance: an unguessable text is `new_id()`, a number comes \
             as an argument or as the answer of an `extern`",
            None,
        ),
        "Date.now" | "Date.today" | "datetime.now" | "datetime.utcnow" | "time.time" | "time.now" | "Instant.now" | "SystemTime.now"
        | "DateTime.now" | "Clock.now" | "performance.now" => ("the time of the event is `now()`", Some("now")),
        "crypto.randomUUID" | "uuid.uuid4" | "uuid.v4" | "UUID.randomUUID" | "Uuid.new_v4" | "uuid" | "uuidv4" | "uuid4" | "nanoid" => {
            ("a new id is `new_id()`", Some("new_id"))
        }
        "sleep" | "delay" | "setTimeout" | "setInterval" | "time.sleep" | "thread.sleep" | "Thread.sleep" => (NO_WAITING, None),
        "console.log" | "console.error" | "console.warn" | "console.info" | "console.debug" | "print" | "println" | "printf" | "puts"
        | "System.out" | "logger.info" | "log.info" => (
            "nothing is printed: keep what happened in a cell; `patternc repl` shows what an event wrote, sent and caused, and a test says what it \
             expects",
            None,
        ),
        "Math.max" | "Math.min" | "max" | "min" => ("write `if a > b { a } else { b }`; of a list it is `xs.max()` or `xs.min()`", None),
        "Math.round" | "Math.floor" | "Math.ceil" | "Math.trunc" => {
            ("a Float is rounded with `x.round()`; Ints divide without a rest", None)
        }
        "JSON.stringify" | "JSON.parse" | "json.dumps" | "json.loads" | "String" | "str" => {
            ("put a value into a text with `\"{value}\"`; what has parts is a `struct`", None)
        }
        "parseInt" | "Number.parseInt" | "Number" | "int" => ("write `text.to_int()`, which is `none` where the text is no number", None),
        "parseFloat" | "Number.parseFloat" | "float" => ("write `text.to_float()`, which is `none` where the text is no number", None),
        "len" => ("write `xs.len()`", None),
        "fetch" | "axios.get" | "axios.post" | "requests.get" | "requests.post" | "http.get" | "http.post" => (
            "what is outside is declared as an `extern`, and sent to: `send payments.charge(…) then { ok(r) => { … } err(e) => { … } }`",
            None,
        ),
        _ => return None,
    })
}

/// A name that is a value in other languages: what it was meant to be.
pub(crate) fn value(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "null" | "nil" | "undefined" | "None" | "NULL" | "Nil" => ("none", "a value that is absent is `none`"),
        "this" | "Self" => ("self", "the record of this handler is `self`"),
        "True" => ("true", "truth values are written small"),
        "False" => ("false", "truth values are written small"),
        _ => return None,
    })
}

/// Whether a name is what other languages say of a value that is absent.
pub fn is_none_elsewhere(word: &str) -> bool {
    value(word).is_some_and(|(here, _)| here == "none")
}

/// What a type of other languages is called here.
pub fn type_elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "string" | "String" | "str" | "varchar" | "VARCHAR" | "TEXT" | "char" | "CHAR" | "uuid" | "UUID" => "Text",
        "number" | "Number" | "integer" | "Integer" | "INTEGER" | "INT" | "BIGINT" | "bigint" | "long" | "Long" | "i64" | "u64" => "Int",
        "double" | "Double" | "decimal" | "Decimal" | "DECIMAL" | "NUMERIC" | "real" | "REAL" | "FLOAT" | "f64" => "Float",
        "boolean" | "Boolean" | "BOOLEAN" | "BOOL" => "Bool",
        "array" | "Array" | "Vec" | "ReadonlyArray" | "Vector" => "List",
        "object" | "Object" | "Record" | "HashMap" | "Dict" | "dict" => "Map",
        "HashSet" => "Set",
        "date" | "Date" | "DateTime" | "datetime" | "timestamp" | "Timestamp" | "TIMESTAMP" | "DATE" | "Instant" => "Time",
        "interval" | "Interval" | "INTERVAL" | "TimeSpan" => "Duration",
        "Buffer" | "Uint8Array" | "blob" | "Blob" | "BLOB" | "bytea" | "BYTEA" => "Bytes",
        _ => return None,
    })
}

/// What is written here instead of a statement of SQL that begins with a word.
pub fn sql_statement(word: &str) -> Option<&'static str> {
    Some(match word {
        "SELECT" | "FROM" => "records are found with `Person[key]`, `Person.where(p => …)` and `Person.all`, and read through their cells",
        "UPDATE" => "a handler of the record writes its cells: `self.a = …`, `self.n += 1`",
        "INSERT" => "a record is made with `create Person { name: … }`",
        "DELETE" => "write `delete person`",
        "BEGIN" | "COMMIT" | "ROLLBACK" => "a handler is one transaction, wholly done or not at all: `fail \"why\"` undoes it",
        "CREATE" | "ALTER" | "DROP" => "what has an identity is declared as a `record`, its columns as `cell`s",
        _ => return None,
    })
}

/// Whether a name is a value in other languages, such as `null`: where nothing has that name, parsing reports it.
pub fn is_word_elsewhere(word: &str) -> bool {
    value(word).is_some()
}

/// A name that is an operator before its operand in other languages. `text` begins with it.
pub(crate) fn prefix(text: &str) -> Option<Habit> {
    let found = word(text);
    let rest = text[found.len()..].trim_start_matches([' ', '\t']);
    if found != "not" || !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"') || rest.starts_with("in ") {
        return None;
    }
    word_token(text, text.len() - rest.len(), word(rest), Place::Block)
}

/// Statements of one word in other languages.
pub(crate) fn lone_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "break" | "continue" => "choose what to walk over before: `for x in xs.filter(x => …) { … }`, `xs.find(x => …)`",
        "pass" => "an empty block is `{ }`",
        _ => return None,
    })
}

const OPERATORS: &str = "=<>!+-*/%&|^~?:.;,'`#$@\\";

/// What the token at `at` of a text was meant to be. The text begins with the statement or declaration that it is in, what
/// was lost of it begins at `lost`.
pub(crate) fn token(text: &str, lost: usize, at: usize, place: Place) -> Option<Habit> {
    // The whole run of operator characters around the place.
    let is_operator = |byte: u8| OPERATORS.as_bytes().contains(&byte);
    let bytes = text.as_bytes();
    let here = bytes.get(at).is_some_and(|&byte| is_operator(byte));
    let mut from = at;
    while here && from > 0 && is_operator(bytes[from - 1]) {
        from -= 1;
    }
    let mut to = at;
    while to < bytes.len() && is_operator(bytes[to]) {
        to += 1;
    }
    let found = word(&text[at..]);
    if !found.is_empty() {
        return word_token(text, at, found, place);
    }
    let run = &text[from..to];
    let after = text[to..].trim_start_matches([' ', '\t']);
    let ends_line = after.is_empty() || after.starts_with(['\n', '\r', '}']);
    let not_operator = |help: &str| Some(Habit::new(from, to, format!("`{run}` is not an operator here"), help));
    let at_char = Habit::new(at, (at + 1).min(text.len()), "", "");
    let as_char = |message: &str, help: &str| Some(Habit { message: message.to_owned(), help: help.to_owned(), ..at_char.clone() });
    let first = word(text);
    let arms = matches!(place, Place::StmtArms | Place::ExprArms);
    let code = matches!(place, Place::Block | Place::Saga | Place::ValueBlock | Place::StmtArms | Place::ExprArms | Place::SendArms);
    match run {
        "++" | "--" => {
            let op = &run[..1];
            let habit = not_operator(&format!("write `x {op}= 1`"))?;
            Some(if ends_line { habit.fix(format!(" {op}= 1")) } else { habit })
        }
        "**" => not_operator("multiply: `x * x`"),
        "*=" | "/=" | "%=" | "??=" | "||=" | "&&=" | "**=" => {
            let op = &run[..run.len() - 1];
            not_operator(&format!("write `x = x {op} …`"))
        }
        "===" | "!==" => not_operator(&format!("write `{}`", &run[..2])).map(|habit| habit.fix(&run[..2])),
        "<>" => not_operator("write `!=`").map(|habit| habit.fix("!=")),
        ":=" => not_operator("write `=`").map(|habit| habit.fix("=")),
        "::" => not_operator("write `.`").map(|habit| habit.fix(".")),
        "..." if text[..from].trim_end().ends_with(['[', ',']) => {
            not_operator("two lists are joined with `+`: `xs + [x]`; to append to a cell write `self.xs += x`")
        }
        "..." | ".." | "..=" => not_operator("for numbers write `range(n)`, for a part of a list `xs.skip(a).take(b)`"),
        "&" if code => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "|" if code => not_operator("write `||`").map(|habit| habit.fix("||")),
        "^" | "~" | "<<" | ">>" | ">>>" => not_operator("there are no operators on bits"),
        "->" if matches!(place, Place::StmtArms | Place::ExprArms | Place::SendArms) => {
            not_operator("an arm is written `pattern => …`").map(|habit| habit.fix("=>"))
        }
        "=>" if matches!(place, Place::Record | Place::File | Place::Extern) => {
            not_operator("a result is written `-> Type`, a body in braces")
        }
        "=" if matches!(first, "cell" | "derived") && !text[..from].contains([':', '\n']) => {
            let start = text[..from].trim_end().len();
            let name = word_before(text, start);
            let habit =
                |ty: &str| Habit::new(start, to, format!("the type of `{name}` is missing"), format!("write `{first} {name}: {ty} = …`"));
            Some(type_of_literal(after).map_or_else(|| habit("Type"), |ty| habit(ty).fix(format!(": {ty} ="))))
        }
        "=" if matches!(first, "if" | "require" | "expect" | "else") => not_operator("compare with `==`").map(|habit| habit.fix("==")),
        "=" if matches!(place, Place::StmtArms | Place::ExprArms | Place::SendArms) => {
            not_operator("an arm is written `pattern => …`").map(|habit| habit.fix("=>"))
        }
        "?:" if !code && !word_before(text, from).is_empty() && after.starts_with(|c: char| c.is_ascii_uppercase()) => {
            let (name, ty) = (word_before(text, from), word(after));
            let message = "what may be absent has its `?` behind the type";
            let habit = Habit::new(from, text.len() - after.len() + ty.len(), message, format!("write `{name}: {ty}?`"));
            let whole = !after[ty.len()..].starts_with(['<', '@', '?']);
            Some(if whole { habit.fix(format!(": {ty}?")) } else { Habit { help: format!("write `{name}: {ty}…?`"), ..habit } })
        }
        "?:" => not_operator("write `??`").map(|habit| habit.fix("??")),
        "?" => Some(Habit::new(
            from,
            to,
            "there is no `? :`",
            "write `if condition { a } else { b }`; for a value that may be absent `x ?? instead`",
        )),
        ":" if matches!(place, Place::Record | Place::File | Place::Extern) && text[..from].trim_end().ends_with(')') => {
            not_operator("a result is written `-> Type`").map(|habit| habit.fix(" ->"))
        }
        ":" if matches!(place, Place::Block | Place::Saga) && first.len() == text[..from].trim_end().len() => {
            not_operator(&format!("write `let {first}: Type = …`"))
        }
        ":" if arms
            && !word_before(text, from).is_empty()
            && text[lost.min(from)..from].contains('(')
            && !text[lost.min(from)..from].contains("=>") =>
        {
            let start = from - word_before(text, from).len();
            let end = text.len() - after.len();
            let help = "write the name that it gets here alone: `Status.claimed(by)`";
            Some(Habit::new(start, end, "what a variant holds is matched by its position, not by its name", help).fix(""))
        }
        ":" if place == Place::ValueBlock => not_operator("a struct is written `Message { text: t }`, a map `Map[\"key\": value]`"),
        "=>" if matches!(place, Place::Block | Place::ValueBlock | Place::Saga) => {
            not_operator("a lambda stands between the brackets of a call: `xs.map(x => …)`")
        }
        ":" => not_operator("a block is written in braces: `{ … }`").filter(|_| ends_line),
        "///" => Some(Habit::new(from, to, "`///` documents a declaration, and none follows", "a comment is written `// …`").fix("//")),
        "/*" | "/**" => Some(Habit::new(from, to, "there are no comments of this kind", "write `//` before each line")),
        _ if text[at..].starts_with('\'') => {
            let rest = &text[at + 1..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            let close = line.find('\'');
            let habit = as_char("a text is written in double quotes", "write `\"…\"`")?;
            Some(match close {
                Some(close) if !line[..close].contains(['"', '{', '\\']) => {
                    Habit { end: at + close + 2, ..habit }.fix(format!("\"{}\"", &line[..close]))
                }
                _ => habit,
            })
        }
        _ if arms && text[at..].starts_with('(') && lost <= at && word_before(text, at).starts_with(|c: char| c.is_ascii_lowercase()) => {
            let variant = word_before(text, at);
            let help = format!("write the name of the enum, a dot and the variant, as in `Status.{variant}(…)` of `enum Status`");
            Some(Habit::new(at - variant.len(), at, format!("the variant `{variant}` needs the name of its enum before it"), help))
        }
        _ if text[at..].starts_with('"') && is_for_type(&text[..at]) => {
            let help = "a choice between texts is an `enum`: `enum Status { open, done }`";
            let end = at + 1 + text[at + 1..].find('"').map_or(0, |end| end + 1);
            Some(Habit::new(at, end, "expected a type, found a text", help))
        }
        _ if text[at..].starts_with('[') && is_for_type(&text[..at]) => list_type(text, at, at, at + 1),
        _ if text[at..].starts_with("[]") => {
            let element = word_before(text, at);
            let start = at - element.len();
            if element.is_empty() || !is_for_type(&text[..start]) { None } else { list_type(text, start, start, at) }
        }
        _ if first == "let" && text[at..].starts_with(['{', '[']) && text[..at].trim_end().ends_with("let") => {
            as_char("a `let` gives one name", "write one for each: `let n = x.n`")
        }
        _ if text[at..].starts_with('`') => as_char("a text is written in double quotes", "write `\"… {value} …\"`"),
        _ if text[at..].starts_with('#') => as_char("`#` begins nothing here", "a comment is written `// …`"),
        _ if text[at..].starts_with('$') => as_char("names have no `$`", "in a text write `\"… {value} …\"`"),
        _ if text[at..].starts_with(';') => as_char("there is no `;` here", "leave it out").map(|habit| habit.fix("")),
        _ if text[at..].starts_with(',') && matches!(place, Place::Record | Place::File | Place::Block | Place::Extern | Place::Mirror) => {
            as_char("no comma stands here", "leave it out: each begins on a line of its own")
                .filter(|_| at == lost)
                .map(|habit| habit.fix(""))
        }
        _ if text[at..].starts_with('@') => {
            as_char("`@` stands here without a meaning", "a warning is switched off with `@allow(rule-name, \"why\")`")
        }
        _ => None,
    }
}

/// The type of a text that begins with a literal.
fn type_of_literal(text: &str) -> Option<&'static str> {
    let number = text.strip_prefix('-').unwrap_or(text);
    let digits = number.len() - number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').len();
    match word(text) {
        "true" | "false" => Some("Bool"),
        _ if text.starts_with('"') => Some("Text"),
        _ if digits == 0 => None,
        // `30s` is a Duration, `1.5` a Float.
        _ => match number[digits..].chars().next() {
            Some('.') => Some("Float"),
            Some(unit) if unit.is_ascii_alphabetic() => Some("Duration"),
            _ => Some("Int"),
        },
    }
}

/// Whether a type is wanted after a text.
fn is_for_type(before: &str) -> bool {
    let before = before.trim_end();
    before.ends_with("->") || before.ends_with('<') || (before.ends_with(':') && !before.ends_with("::"))
}

/// `[Text]` and `Text[]`, which begin at `start`: the type of the elements is at `inner`, or before `open`, their bracket.
fn list_type(text: &str, start: usize, inner: usize, open: usize) -> Option<Habit> {
    let close = open + text[open..].find(']')?;
    let element = if inner < open && text[inner..].starts_with('[') { text[open..close].trim() } else { text[inner..open].trim() };
    let is_name = element.starts_with(|c: char| c.is_ascii_alphabetic()) && element.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let element = match type_elsewhere(element) {
        Some(meant) => meant.to_owned(),
        None if is_name => literal::upper_camel(element),
        None => element.to_owned(),
    };
    let is_type = element.starts_with(|c: char| c.is_ascii_uppercase())
        && element.chars().all(|c| c.is_ascii_alphanumeric() || "_<>?@, ".contains(c));
    let help = if is_type { format!("write `List<{element}>`") } else { "write `List<Text>`, with the type of the elements".to_owned() };
    let habit = Habit::new(start, close + 1, "the type of a list is written with its name", help);
    Some(if is_type { habit.fix(format!("List<{element}>")) } else { habit })
}

/// The word that ends at a place of a text, which may be empty.
fn word_before(text: &str, at: usize) -> &str {
    let before = &text[..at];
    &before[before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()..]
}

fn word_token(text: &str, at: usize, found: &str, place: Place) -> Option<Habit> {
    let end = at + found.len();
    let first = word(text);
    let before = text[..at].trim_end_matches([' ', '\t']);
    let word_before = word_before(before, before.len());
    let word_at = before.len() - word_before.len();
    let not_operator = |help: &str| Some(Habit::new(at, end, format!("`{found}` is not an operator here"), help));
    let rest = text[end..].trim_start();
    match word_before {
        "and" | "or" | "is" if word_at > 0 => {
            let op = match word_before {
                "and" => "&&",
                "or" => "||",
                _ => "==",
            };
            let message = format!("`{word_before}` is not an operator here");
            return Some(Habit::new(word_at, before.len(), message, format!("write `{op}`")).fix(op));
        }
        "not" => return Some(Habit::new(word_at, at, "`not` is not an operator here", "write `!`").fix("!")),
        "new" => {
            let help = format!("write `create {found} {{ … }}` for a record, `{found} {{ … }}` for a struct");
            return Some(Habit::new(word_at, before.len(), "`new` is not a word of the language", help));
        }
        _ => {}
    }
    let behind_across = || text[..at].split_whitespace().any(|word| word == "across") && !text[..at].contains('{');
    match found {
        "writes" if matches!(first, "handler" | "internal") && behind_across() => Some(Habit::new(
            at,
            end,
            "`writes` stands before `across`",
            "a handler is written `handler name(x: Type) -> Type writes Record.cell across space { … }`",
        )),
        "NULL" | "null" | "REFERENCES" | "references" | "AUTO_INCREMENT" | "auto_increment" | "nullable" | "check" | "CHECK"
            if first == "cell" =>
        {
            let help = match found {
                "check" | "CHECK" => INVARIANT,
                "NULL" | "null" | "nullable" => "what may be absent has a type with `?`: `cell name: Text?`",
                "REFERENCES" | "references" => "a link has the type of its record: `cell owner: Person`",
                _ => "each record has an identity of its own; a new one for a key is `new_id()`",
            };
            Some(Habit::new(at, end, format!("`{found}` is not a word of the language"), help))
        }
        "AND" => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "OR" => not_operator("write `||`").map(|habit| habit.fix("||")),
        "and" => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "or" => not_operator("write `||`").map(|habit| habit.fix("||")),
        "is" | "eq" | "equals" => not_operator("write `==`").map(|habit| habit.fix("==")),
        "not" => {
            let with_space = text.len() - rest.len();
            Some(Habit::new(at, with_space, "`not` is not an operator here", "write `!`").fix("!"))
        }
        "instanceof" => not_operator("look at the variant with `match`"),
        "of" if first == "for" => not_operator("write `in`").map(|habit| habit.fix("in")),
        "then" | "do" if matches!(first, "if" | "else" | "for" | "match") => {
            Some(Habit::new(at, end, format!("no `{found}` stands here"), "a block is written in braces: `{ … }`"))
        }
        "await" => first_word(&text[at..], place).map(|habit| Habit { start: at, end, ..habit }),
        _ if place == Place::Block
            && !word_before.is_empty()
            && word_before.len() == before.len()
            && !crate::literal::is_reserved(first) =>
        {
            let help = format!("a call is written `{word_before}({found})`; a new statement begins on a line of its own");
            Some(Habit::new(at, end, format!("unexpected `{found}` after `{word_before}`"), help))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_replaces_what_the_habit_covers() {
        let mend = |text: &str, place| {
            let habit = first_word(text, place).expect("a habit");
            format!("{}{}", habit.fix.expect("a fix"), &text[habit.end..])
        };
        assert_eq!(mend("const x = 1", Place::Block), "let x = 1");
        assert_eq!(mend("throw \"why\"", Place::Block), "fail \"why\"");
        assert_eq!(mend("throw new Error('why') }", Place::Block), "fail \"why\" }");
        assert_eq!(mend("elif x { }", Place::Block), "else if x { }");
        assert_eq!(mend("async handler f() { }", Place::Record), "handler f() { }");
        assert_eq!(mend("private handler f() { }", Place::Record), "internal handler f() { }");
        assert_eq!(mend("name: Text", Place::Record), "cell name: Text");
        assert_eq!(mend("case Status.open => 1", Place::ExprArms), "Status.open => 1");
        assert_eq!(mend("return x", Place::ValueBlock), "x");
    }

    #[test]
    fn tokens_are_found_around_the_place_where_reading_stopped() {
        let habit = token("if a AND b { }", 0, 5, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (5, 8, Some("&&")));
        let habit = token("a === b", 0, 4, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (2, 5, Some("==")));
        let habit = token("x = 'a b' + c", 0, 4, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (4, 9, Some("\"a b\"")));
        for (text, at, fixed) in [
            ("fn f(x: [Text]) -> Int", 8, "List<Text>"),
            ("cell t: Text[] = []", 12, "List<Text>"),
            ("cell t: [ R? ]", 8, "List<R?>"),
            ("cell t: string[]", 14, "List<Text>"),
            ("cell t: [line_item]", 8, "List<LineItem>"),
        ] {
            let habit = token(text, 0, at, Place::File).expect("a habit");
            assert_eq!((habit.start, habit.fix.as_deref()), (8, Some(fixed)), "{text}");
        }
        let habit = token("x: [a + b]", 0, 3, Place::File).expect("a habit");
        assert_eq!((habit.fix, &*habit.help), (None, "write `List<Text>`, with the type of the elements"));
        let habit = token("x++", 0, 2, Place::Block).expect("a habit");
        assert_eq!((habit.start, habit.end, habit.fix.as_deref()), (1, 3, Some(" += 1")));
    }
}
