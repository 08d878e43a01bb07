//! The words of the language: what is offered, what is inserted, what it is. Completion, hovers and a page of the book say the same.

use std::sync::Arc;

use patternc_program::Method;

use crate::bodies::methods_of;
use crate::types::Ty;

/// What is offered, what is inserted, what it is.
type Words = &'static [(&'static str, &'static str, &'static str)];

pub(super) const ITEMS: Words = &[
    ("record", "record ${1:Name} in ${2:space} {\n  cell ${3:name}: ${4:Text}\n\\}", "an identity in one space, holding cells"),
    ("space", "space ${1:name}", "a unit of isolation"),
    ("space family", "space ${1:name}[${2:Text}]", "one space for each key"),
    ("struct", "struct ${1:Name} { ${2:field}: ${3:Text} \\}", "a value made of fields"),
    ("enum", "enum ${1:Name} {\n  ${2:one},\n  ${3:other},\n\\}", "a value that is one of several"),
    ("fn", "fn ${1:name}(${2:x}: ${3:Int}) -> ${4:Int} { $0 \\}", "a pure function"),
    ("extern", "extern ${1:name} {\n  ${2:operation}(${3:x}: ${4:Text}) -> ${5:Text} ${6|readonly,idempotent|}\n\\}", "the outside world"),
    ("invariant", "invariant ${1:name}(${2:r}: ${3:Record}) { $0 \\}", "what holds at every commit"),
    ("eventually invariant", "eventually invariant ${1:name}(${2:r}: ${3:Record}) { $0 \\}", "what holds when nothing is in flight"),
    (
        "mirror",
        "mirror ${1:name} of ${2:Record} to ${3:extern} {\n  facts(r) = [$0]\n  add(f) = $3.${4:touch}(f)\n  remove(f) = $3.${5:remove}(f)\n  \
         actual(scope) = $3.${6:read}(scope)\n  scope(r) = r.${7:owner}\n\\}",
        "facts kept the same in another system",
    ),
    ("test", "test \"${1:what it shows}\" {\n  $0\n\\}", "run by `patternc test`"),
    ("use", "use \"${1:file}.pattern\" { ${2:Name} \\}", "names from another file"),
    ("@allow", "@allow(${1:rule}, \"${2:why}\")", "switches a warning off"),
];

pub(super) const MEMBERS: Words = &[
    ("cell", "cell ${1:name}: ${2:Text}", "what is stored"),
    ("derived", "derived ${1:name}: ${2:Int} = $0", "computed from cells, always current"),
    ("handler", "handler ${1:name}($2) {\n  $0\n\\}", "one event, one transaction"),
    ("internal handler", "internal handler ${1:name}($2) {\n  $0\n\\}", "not callable from outside"),
    (
        "saga",
        "saga ${1:name}($2) {\n  step ${3:a} = ${4:self.take()} undo ${5:self.give_back()}\n  pivot ${6:b} = ${7:self.pay()}\n\\}",
        "steps over several spaces, done wholly or undone wholly",
    ),
    ("create", "create {\n  require $0 else \"${1:why}\"\n\\}", "runs in the transaction that creates one"),
    ("@allow", "@allow(${1:rule}, \"${2:why}\")", "switches a warning off"),
];

pub(super) const STATEMENTS: Words = &[
    ("let", "let ${1:name} = $0", "a name for a value"),
    ("let else", "let ${1:name} = ${2:value} else fail \"${3:why}\"", "a name for what may be missing"),
    ("require", "require ${1:condition} else \"${2:why}\"", "rejects the event otherwise"),
    ("fail", "fail \"${1:why}\"", "rejects the event"),
    ("if", "if ${1:condition} {\n  $0\n\\}", "only where it holds"),
    ("if let", "if let ${1:name} = ${2:value} {\n  $0\n\\}", "only where it is there"),
    ("for", "for ${1:x} in ${2:xs} {\n  $0\n\\}", "for each"),
    ("match", "match ${1:value} {\n  $0\n\\}", "by what it is"),
    ("return", "return $0", "ends with a result"),
    ("send", "send ${1:target}.${2:handler}()", "an event, delivered after the commit"),
    (
        "send then",
        "send ${1:target}.${2:handler}() then {\n  ok(${3:result}) => { $0 \\}\n  err(${4:e}) => { fail $4.message \\}\n\\}",
        "an event, and what happens next",
    ),
    ("send after", "send ${1:self.tick()} after ${2:5m}", "a timer"),
    ("delete", "delete ${1:record}", "a record or an entry"),
    ("try", "try {\n  $0\n\\} catch ${1:e} {\n  \n\\}", "a savepoint"),
    ("create", "create ", "a new record"),
    ("@allow", "@allow(${1:rule}, \"${2:why}\")", "switches a warning off"),
];

pub(super) const TEST_STATEMENTS: Words = &[
    ("let", "let ${1:name} = $0", "a name for a value"),
    ("expect", "expect $0", "fails the test otherwise"),
    ("expect fail", "expect fail ${1:call} with \"${2:why}\"", "the call must be rejected"),
    ("expect fail kind", "expect fail ${1:call} kind ${2|rejected,missing,overflow,invariant,isolation|}", "the call must fail so"),
    ("concurrently", "concurrently {\n  $0\n\\}", "each call is a session of its own"),
    ("concurrently times", "concurrently ${1:50} { $0 \\}", "so many sessions at once"),
    ("hold", "hold {\n  $0\n\\}", "nothing sent inside is delivered until its end"),
    ("crash", "crash", "the process dies here, and what was durable comes back"),
    ("advance", "advance ${1:30m}", "the clock"),
    ("order", "order \"${1:1 2}\"", "the schedule that `patternc explore` printed"),
    ("given", "given ${1:extern}.${2:operation}(${3:x}) => $0", "what the outside answers"),
    ("given fails", "given ${1:extern}.${2:operation} fails \"${3:down}\" ${4:1} times", "the outside fails"),
    ("as", "as \"${1:did:plc:ann}\" {\n  $0\n\\}", "the caller"),
    ("reconcile", "reconcile ${1:mirror}(${2:scope})", "compares and repairs"),
    ("for", "for ${1:x} in ${2:xs} {\n  $0\n\\}", "for each"),
    ("if", "if ${1:condition} {\n  $0\n\\}", "only where it holds"),
    ("match", "match ${1:value} {\n  $0\n\\}", "by what it is"),
    ("create", "create ", "a new record"),
];

pub(super) const STEPS: Words = &[
    ("step", "step ${1:name} = ${2:call} undo ${3:call}", "done, or undone"),
    ("pivot", "pivot ${1:name} = ${2:call}", "from here on there is no way back"),
];

pub(super) const UNDO: Words = &[("undo", "undo ${1:call}", "takes the step back")];

/// As they are inserted; what they are, the words inside of others say.
pub(super) const SEND_MARKS: Words = &[
    ("then", "then {\n  ok(${1:result}) => { $0 \\}\n  err(${2:e}) => { fail $2.message \\}\n\\}", "what happens once it is answered"),
    ("after", "after ${1:5m}", "it goes when this time has passed"),
];

pub(super) const OPERATIONS: Words =
    &[("operation", "${1:name}(${2:x}: ${3:Text}) -> ${4:Text} ${5|readonly,idempotent|}", "what the outside can be asked to do")];

pub(super) const OPERATION_MARKS: Words =
    &[("readonly", "readonly", "changes nothing"), ("idempotent", "idempotent", "safe to repeat with the same key")];

pub(super) const EXPRESSIONS: Words = &[
    ("if", "if ${1:condition} { ${2:a} \\} else { ${3:b} \\}", "one of two values"),
    ("match", "match ${1:value} { $0 \\}", "by what it is"),
    ("create", "create ", "a new record"),
    ("none", "none", "what is absent"),
    ("true", "true", "Bool"),
    ("false", "false", "Bool"),
    ("Set", "Set[$0]", "a set"),
    ("Map", "Map[${1:key}: ${2:value}]", "a map"),
];

pub(super) const FUNCTIONS: Words = &[
    ("now", "now()", "Time, fixed at the first attempt"),
    ("new_id", "new_id()", "Text, fixed at the first attempt"),
    ("caller", "caller()", "`Text?`, who sent the event from outside"),
    ("range", "range(${1:n})", "`List<Int>`, from 0 to n - 1"),
    ("same_space", "same_space(${1:x})", "Bool, whether a record is here"),
];

pub(super) const CLAUSES: Words = &[
    ("facts", "facts(r) = [$0]", "what a record says"),
    ("add", "add(f) = $0", "how a fact is added there"),
    ("remove", "remove(f) = $0", "how a fact is removed there"),
    ("actual", "actual(scope) = $0", "what is there"),
    ("scope", "scope(r) = r.$0", "what is compared together"),
];

pub(super) const SIGNATURE: Words = &[
    ("writes", "writes ${1:Record}.${2:cell}", "what it writes besides `self`"),
    ("across", "across ${1:space}", "the other spaces it writes"),
];

pub(super) const CELL_MARKS: Words = &[
    ("key", "key", "found again with `R[…]`; unique in its space"),
    ("unique", "unique", "unique in its space"),
    ("index", "index", "makes `where` on it fast"),
    ("inverse", "inverse ${1:cell}", "the cell at the other end"),
];

const OK: (&str, &str, &str) = ("ok", "ok(${1:result}) => { $0 \\}", "after it committed");
const ERR: (&str, &str, &str) = ("err", "err(${1:e}) => { $0 \\}", "after it failed");

/// The arms of a `then` that are not there yet.
pub(super) const fn arms(ok: bool, err: bool) -> Words {
    match (ok, err) {
        (false, false) => &[OK, ERR],
        (true, false) => &[ERR],
        (false, true) => &[OK],
        (true, true) => &[],
    }
}

/// Words that are offered as parts of others.
const PARTS: Words = &[
    ("in", "create ${1:Person} in ${2:home} { \\}", "the space of a record; also `x in xs`, whether one holds it, and `for x in xs`"),
    ("else", "if ${1:condition} { \\} else { \\}", "otherwise; after `require` and `let`, why the event is rejected"),
    ("catch", "try { \\} catch ${1:e} { \\}", "goes on after a failure inside the `try`, of which nothing is left"),
    (
        "then",
        "send ${1:target}.${2:handler}() then { $0 \\}",
        "what happens once the outcome is known: its arms are transactions of their own",
    ),
    ("after", "send ${1:self.tick()} after ${2:5m}", "how long the event waits"),
    ("self", "self.${1:cell}", "the record that the event came to"),
    ("with", "expect fail ${1:call} with \"${2:why}\"", "a part of the message it must fail with"),
    ("kind", "expect fail ${1:call} kind ${2:rejected}", "how it must fail"),
    ("fails", "given ${1:extern}.${2:operation} fails \"${3:down}\"", "the outside cannot be reached"),
    ("times", "given ${1:extern}.${2:operation} fails \"${3:down}\" ${4:1} times", "how often"),
];

/// Types that need no declaration.
const TYPES: Words = &[
    ("Bool", "Bool", "`true` or `false`"),
    ("Int", "Int", "a whole number of 64 bits; one that does not fit fails the transaction"),
    ("Float", "Float", "a number with a fraction, always finite"),
    ("Text", "Text", "characters: `\"text {value}\"`"),
    ("Bytes", "Bytes", "bytes, in base64 outside"),
    ("Time", "Time", "a moment, to the millisecond"),
    ("Duration", "Duration", "a length of time: `250ms` `30s` `5m` `1h` `7d`"),
    ("Space", "Space", "a space: where a record is"),
    ("Failure", "Failure", "why something failed: its `kind` and its `message`"),
    ("List", "List<${1:T}>", "one after the other: `[a, b]`"),
    ("Set", "Set<${1:T}>", "each once, walked in order: `Set[a, b]`"),
    ("Map", "Map<${1:K}, ${2:V}>", "a value for each key, walked in the order of the keys: `Map[\"k\": v]`"),
];

/// The tables, in the order of the book.
const TABLES: [(&str, Words); 15] = [
    ("Declarations", ITEMS),
    ("Members of a record", MEMBERS),
    ("Marks of a cell", CELL_MARKS),
    ("After the parameters of a handler", SIGNATURE),
    ("Parts of a saga", STEPS),
    ("After a step", UNDO),
    ("Marks of an operation", OPERATION_MARKS),
    ("Parts of a mirror", CLAUSES),
    ("Statements", STATEMENTS),
    ("Arms of `then`", arms(false, false)),
    ("Statements of tests", TEST_STATEMENTS),
    ("Values", EXPRESSIONS),
    ("Words inside of others", PARTS),
    ("Functions", FUNCTIONS),
    ("Types", TYPES),
];

/// A word, or a built-in method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// How it is written.
    pub form: String,
    /// What it is, or what it gives.
    pub what: &'static str,
}

/// Every word, table by table, under the title of each.
pub fn tables() -> Vec<(&'static str, Vec<Word>)> {
    let word = |(_, snippet, what): &(&str, &str, &'static str)| Word { form: readable(snippet).trim_end().to_owned(), what };
    TABLES.iter().map(|(title, words)| (*title, words.iter().map(word).collect())).collect()
}

/// The built-in methods, with the types whose values have each.
pub fn methods() -> Vec<(Word, Vec<&'static str>)> {
    let text = || Arc::new(Ty::Text);
    let types = [
        ("List", Ty::List(text())),
        ("Set", Ty::Set(text())),
        ("Map", Ty::Map(text(), text())),
        ("Text", Ty::Text),
        ("Int", Ty::Int),
        ("Float", Ty::Float),
    ];
    let of = |method: &Method| types.iter().filter(|(_, ty)| methods_of(ty).contains(method)).map(|(name, _)| *name).collect();
    Method::ALL.iter().map(|method| (built_in_method(*method), of(method))).collect()
}

/// A built-in method.
pub(super) fn built_in_method(method: Method) -> Word {
    let (snippet, what) = built_in(method.name());
    Word { form: readable(&snippet), what }
}

/// A function of the language.
pub(super) fn built_in_function(name: &str) -> Option<Word> {
    let (_, snippet, what) = FUNCTIONS.iter().find(|(known, ..)| *known == name)?;
    Some(Word { form: readable(snippet), what })
}

/// What a word of the language is. `opens`: a block stands behind it.
pub(super) fn word(name: &str, opens: bool) -> Option<Word> {
    let words = || TABLES.iter().flat_map(|(_, words)| *words);
    let first = |label: &str| label.split(' ').next() == Some(name);
    let opening = |form: &str| form.get(name.len()..).is_some_and(|rest| rest.trim_start().starts_with('{')) == opens;
    let exact = || words().filter(|(label, ..)| *label == name);
    let found = exact().find(|(_, form, _)| opening(form)).or_else(|| exact().next()).or_else(|| words().find(|(label, ..)| first(label)));
    found.map(|(_, snippet, what)| Word { form: readable(snippet).trim_end().to_owned(), what })
}

/// A snippet with the names of its places.
fn readable(snippet: &str) -> String {
    let mut out = String::new();
    let mut rest = snippet;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((place, behind)) => {
                let choice = || place.split('|').nth(1)?.split(',').next();
                out.push_str(place.split_once(':').map(|(_, name)| name).or_else(choice).unwrap_or(place));
                rest = behind;
            }
            None => {
                let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                // A place that is named elsewhere, or one that is left open.
                let named = snippet.split_once(&format!("${{{}:", &rest[..rest.len() - behind.len()]));
                out.push_str(named.and_then(|(_, name)| name.split('}').next()).unwrap_or("…"));
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out.replace("\\}", "}")
}

/// What is inserted for a built-in method, and what it gives.
pub(super) fn built_in(name: &'static str) -> (String, &'static str) {
    let (arguments, what) = match name {
        "len" => ("", "Int, how many"),
        "is_empty" => ("", "Bool, whether there is nothing in it"),
        "first" => ("", "the first, if there is one"),
        "last" => ("", "the last, if there is one"),
        "contains" => ("${1:x}", "Bool, whether it is in there"),
        "map" => ("${1:x} => $0", "a list of what each gives"),
        "filter" => ("${1:x} => $0", "those for which it holds"),
        "any" => ("${1:x} => $0", "Bool, whether it holds for one"),
        "all" => ("${1:x} => $0", "Bool, whether it holds for each"),
        "find" => ("${1:x} => $0", "the first for which it holds"),
        "sort_by" => ("${1:x} => $0", "ascending by what each gives"),
        "sum" => ("", "all together"),
        "min" => ("", "the least, if there is one"),
        "max" => ("", "the greatest, if there is one"),
        "take" => ("${1:n}", "the first few"),
        "skip" => ("${1:n}", "all but the first few"),
        "reverse" => ("", "from the last to the first"),
        "distinct" => ("", "each once"),
        "join" => ("\"${1:, }\"", "Text, with this between"),
        "fold" => ("${1:start}, (${2:all}, ${3:x}) => $0", "one value of all"),
        "union" => ("${1:other}", "what is in either"),
        "intersect" => ("${1:other}", "what is in both"),
        "minus" => ("${1:other}", "what is not in the other"),
        "keys" => ("", "the keys, in order"),
        "values" => ("", "the values, in the order of their keys"),
        "get" => ("${1:key}", "the value, if there is one"),
        "upper" => ("", "Text, in capitals"),
        "lower" => ("", "Text, in small letters"),
        "trim" => ("", "Text, without white space around"),
        "split" => ("\"${1:,}\"", "`List<Text>`, what is between; by `\"\"`, the characters"),
        "lines" => ("", "`List<Text>`, one for each line"),
        "slice" => ("${1:from}, ${2:to}", "Text, the characters from the one to before the other"),
        "starts_with" => ("${1:text}", "Bool, whether it begins so"),
        "ends_with" => ("${1:text}", "Bool, whether it ends so"),
        "replace" => ("${1:what}, ${2:with}", "Text, every occurrence replaced"),
        "to_int" => ("", "`Int?`, where all of the text is a number"),
        "to_float" => ("", "Float; of a Text `Float?`, where all of it is a number"),
        "round" => ("", "Int, the nearest; halves go away from zero"),
        _ => ("", ""),
    };
    (format!("{name}({arguments})"), what)
}
