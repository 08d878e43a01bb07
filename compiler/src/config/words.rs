//! The words of a `patternc.yaml`: what each mapping of it can say, and what that means. What reads the file, and what helps to write it, know
//! the same.

/// A key, or a value that is one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub name: &'static str,
    /// What it means: Markdown, no sentence.
    pub what: &'static str,
}

const fn word(name: &'static str, what: &'static str) -> Word {
    Word { name, what }
}

/// Their names.
pub fn names(words: &[Word]) -> Vec<&'static str> {
    words.iter().map(|word| word.name).collect()
}

pub const PROJECT: &[Word] = &[
    word("project", "the name of the project"),
    word("patterns", "which files are patterns: globs, relative to this folder; `[\"**/*.pattern\"]` unless given"),
    word("rules", "the level of rules: `error`, `warn`, `info`, `off`. A rule that is an error stays one"),
    word("limits", "what a run may use"),
    word("default-deployment", "the deployment that `run`, `repl`, `test` and `explore` use when none is named"),
    word("deployments", "by name: which store keeps which space, and what answers externs"),
];

/// What a limit is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Count,
    Time,
}

/// What `limits` can set, and what it is counted in.
pub const LIMITS: [(Word, Measure); 13] = [
    (word("steps", "statements and expressions that one transaction may evaluate; 10,000,000 unless given"), Measure::Count),
    (word("collection-length", "elements of one list, set or map; 10,000,000 unless given"), Measure::Count),
    (word("text-length", "bytes of one text; 16 MiB unless given"), Measure::Count),
    (word("value-nesting", "structs and enums inside one another in one value; 100 unless given"), Measure::Count),
    (word("transaction-size", "bytes that one transaction may write to a store; 256 MiB unless given"), Measure::Count),
    (word("event-size", "bytes of one event or request from outside; 1 MiB unless given"), Measure::Count),
    (word("event-nesting", "how deep values from outside may be nested; 64 unless given"), Measure::Count),
    (
        word("queue", "events that wait or are on their way, beyond which those from outside are refused; 100,000 unless given"),
        Measure::Count,
    ),
    (word("keep-outcomes", "how long the outcome of an event from outside is kept; `7d` unless given"), Measure::Time),
    (
        word(
            "conflict-timeout",
            "after which an event from outside that keeps losing against others ends in `conflict`; `30s` unless given",
        ),
        Measure::Time,
    ),
    (
        word(
            "unavailable-timeout",
            "after which an event from outside whose store does not answer ends in `unavailable`; `30s` unless given",
        ),
        Measure::Time,
    ),
    (word("extern-calls", "calls to the outside that are under way at once; 64 unless given"), Measure::Count),
    (
        word("extern-timeout", "how long a call to the outside may take, where its extern has no `timeout`; `30s` unless given"),
        Measure::Time,
    ),
];

pub const DEPLOYMENT: &[Word] = &[
    word("stores", "by name: where spaces can be kept"),
    word("spaces", "which store keeps which space: `home: main`, a family `\"user[*]\": main`, the rest `\"*\": main`"),
    word("externs", "by their names in the patterns: what answers their calls"),
];

pub const STORE_KINDS: &[Word] = &[
    word("memory", "gone when the process ends"),
    word("sqlite", "one file, made if it does not exist: its `path`"),
    word("postgres", "a database: its `url`"),
];

const STORE_KIND: Word = word("kind", "what keeps the spaces: `memory`, `sqlite` or `postgres`");
pub const MEMORY: &[Word] = &[STORE_KIND];
pub const SQLITE: &[Word] = &[STORE_KIND, word("path", "the file, relative to this folder")];
pub const POSTGRES: &[Word] = &[
    STORE_KIND,
    word("url", "where the database is: `postgres://user:password@host/database`, or `${DATABASE_URL}` from the environment"),
];

/// What keeps an entry of `spaces`, where it is not the name of a store.
pub const KEEPERS: &[Word] = &[word("shard", "over which stores the spaces of a family are spread, each space by its key: `[a, b]`")];

pub const EXTERN_KINDS: &[Word] = &[
    word("http", "a service: every operation is a request"),
    word("command", "a program that is given each call as JSON on its standard input"),
    word("spicedb", "SpiceDB, by its HTTP gateway"),
];

const EXTERN_KIND: Word = word("kind", "what answers: `http`, `command` or `spicedb`");
const TIMEOUT: Word = word("timeout", "how long one attempt may take: `250ms`, `5s`, `2m`; 30 s unless given");
const AUTHORITIES: Word =
    word("authorities", "a PEM file with the certificates that are trusted instead of the public ones, relative to this folder");
const REPLAYS: Word = word("replays", "`true`: it answers an idempotency key that it knows with what it answered first");
pub const HTTP: &[Word] = &[
    EXTERN_KIND,
    word("base", "the address that the path of an operation is appended to"),
    word("headers", "sent with every request: `{ authorization: \"Bearer ${TOKEN}\" }`"),
    TIMEOUT,
    AUTHORITIES,
    REPLAYS,
    word("operations", "how operations become requests; one that is not named is a POST to `base/NAME` with its arguments as JSON"),
];
pub const COMMAND: &[Word] = &[EXTERN_KIND, word("run", "the program and its arguments: `[\"./rates.py\"]`"), TIMEOUT, REPLAYS];
pub const SPICEDB: &[Word] = &[
    EXTERN_KIND,
    word("endpoint", "of its HTTP gateway: `host:port`, or with `https://` before it"),
    word("token", "the preshared key: `\"${SPICEDB_TOKEN}\"` from the environment"),
    TIMEOUT,
    AUTHORITIES,
    word("calls", "the object type in which calls are noted; `patternc/call` unless given, `none` to note none"),
];

pub const OPERATION: &[Word] = &[
    word("method", "`GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`; `POST` unless given"),
    word("path", "appended to `base`; `/NAME` unless given"),
    word("reject", "the status codes that reject the event; 4xx but 408, 425 and 429 unless given"),
];

pub const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/// The fields of a store of a kind, or of an extern; `None` if there is no such kind.
pub fn of_kind(kind: &str) -> Option<&'static [Word]> {
    Some(match kind {
        "memory" => MEMORY,
        "sqlite" => SQLITE,
        "postgres" => POSTGRES,
        "http" => HTTP,
        "command" => COMMAND,
        "spicedb" => SPICEDB,
        _ => return None,
    })
}
