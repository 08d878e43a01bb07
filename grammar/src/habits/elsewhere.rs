//! Names of other languages: of values, types, functions and statements.

pub(super) const NO_WAITING: &str =
    "a handler does not wait: an event is delivered later with `send self.tick() after 5m`; in a test `advance 5m` moves the clock";

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
        "JSON.stringify" | "JSON.parse" | "json.dumps" | "json.loads" | "String" | "str" | "Text.from" | "Text.format" | "Text.of"
        | "Text.new" | "String.format" | "String.valueOf" | "fmt.Sprintf" | "strconv.Itoa" => {
            ("put a value into a text with `\"{value}\"`; what has parts is a `struct`", None)
        }
        "parseInt" | "Number.parseInt" | "Number" | "int" | "Int.parse" | "Int.from" | "Int.new" | "Integer.parseInt" | "Int.parse_int"
        | "Int.try_parse" | "strconv.Atoi" => ("write `text.to_int()`, which is `none` where the text is no number", None),
        "parseFloat" | "Number.parseFloat" | "float" | "Float.parse" | "Float.from" | "Float.new" | "strconv.ParseFloat" => {
            ("write `text.to_float()`, which is `none` where the text is no number", None)
        }
        "List.of" | "List.new" | "List.from" | "Array.of" | "Array.from" | "vec" | "append" => ("a list is written `[a, b]`", None),
        "Map.new" | "Map.of" | "Map.from" | "HashMap.new" => ("a map is written `Map[key: value]`", None),
        "Set.new" | "Set.of" | "Set.from" | "HashSet.new" => ("a set is written `Set[a, b]`", None),
        "Object.keys" | "Object.values" | "Object.entries" => ("of a map write `m.keys()` and `m.values()`", None),
        "Time.now" => ("the time of the event is `now()`", Some("now")),
        "Duration.seconds" | "Duration.minutes" | "Duration.hours" | "Duration.of" | "Duration.from" => {
            ("a duration is written `30s`, `5m`, `1h`, `7d`", None)
        }
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
        "True" | "TRUE" => ("true", "truth values are written small"),
        "False" | "FALSE" => ("false", "truth values are written small"),
        _ => return None,
    })
}

/// Whether a name is what other languages write as the type of nothing.
pub(crate) fn is_no_result(word: &str) -> bool {
    matches!(word, "void" | "Void" | "unit" | "Unit" | "null" | "nil" | "None" | "undefined" | "never")
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
