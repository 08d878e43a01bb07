//! The words of the language where they are expected: what is shown, what is inserted, what it is.

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
    ("caller", "caller()", "Text?, who sent the event from outside"),
    ("range", "range(${1:n})", "List<Int>, from 0 to n - 1"),
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
pub(super) fn arms(ok: bool, err: bool) -> Words {
    match (ok, err) {
        (false, false) => &[OK, ERR],
        (true, false) => &[ERR],
        (false, true) => &[OK],
        (true, true) => &[],
    }
}
