//! From a YAML tree to a [`Config`].

use std::time::Duration;

use indexmap::IndexMap;
use ustr::ustr;

use super::yaml::{Node, Part, Path, locate, parse};
use super::{Config, Deployment, Extern, Http, HttpOperation, Keepers, Problem, SpacePattern, Store, Template};
use crate::diagnostic::Level;
use crate::resolve::did_you_mean;
use crate::rules;

/// Where things that are judged together with the patterns are in the text.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By deployment, in order: its key, and its `spaces`.
    pub deployments: Vec<DeploymentPlaces>,
}

#[derive(Debug, Default)]
pub(super) struct DeploymentPlaces {
    pub key: Path,
    /// Where each store says which file or database it is.
    pub stores: Vec<(Box<str>, Path)>,
    pub spaces: Vec<(SpacePattern, Path)>,
    pub externs: Vec<(Box<str>, Path)>,
    pub operations: Vec<(Box<str>, Box<str>, Path)>,
}

/// What the text says, where names of patterns are in it, and what is wrong.
pub(super) fn read(text: &str) -> (Config, Places, Vec<Problem>) {
    let mut reader = Reader { text, problems: Vec::new(), places: Places::default() };
    let config = match parse(text) {
        Ok(Node::Null) => Config::default(),
        Ok(node) => reader.config(&At { node: &node, path: Vec::new() }),
        Err(problem) => {
            reader.problems.push(problem);
            Config::default()
        }
    };
    (config, reader.places, reader.problems)
}

/// A node and the way to it.
struct At<'a> {
    node: &'a Node,
    path: Path,
}

/// An entry of a mapping.
struct Entry<'a> {
    key: &'a str,
    value: At<'a>,
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    places: Places,
}

impl Reader<'_> {
    fn problem(&mut self, path: &[usize], part: Part, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem { span: locate(self.text, path, part), message: message.into(), help, deployment: None, also: None });
    }

    fn wrong(&mut self, at: &At<'_>, what: &str, wanted: &str) {
        let message = format!("{what} is {wanted}, not {}", at.node.describe());
        self.problem(&at.path, Part::Value, message, None);
    }

    /// The entries of a mapping, each key once.
    fn entries<'n>(&mut self, at: &At<'n>, what: &str) -> Vec<Entry<'n>> {
        let entries = match at.node {
            Node::Map(entries) => entries,
            Node::Null => return Vec::new(),
            _ => {
                self.wrong(at, what, "a mapping");
                return Vec::new();
            }
        };
        let mut all: Vec<Entry<'n>> = Vec::new();
        for (index, (key, node)) in entries.iter().enumerate() {
            let mut path = at.path.clone();
            path.push(index);
            if all.iter().any(|earlier| earlier.key == key) {
                self.problem(&path, Part::Key, format!("{what} has `{key}` twice"), Some("keep one of them".to_owned()));
                continue;
            }
            all.push(Entry { key, value: At { node, path } });
        }
        all
    }

    /// The entries of a mapping that knows its keys; others are reported.
    fn fields<'n>(&mut self, at: &At<'n>, what: &str, known: &[&str]) -> Vec<Entry<'n>> {
        let mut entries = self.entries(at, what);
        entries.retain(|entry| {
            let is_known = known.contains(&entry.key);
            if !is_known {
                let help = match did_you_mean(entry.key, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it can have {}", list(known)),
                };
                self.problem(&entry.value.path, Part::Key, format!("{what} has no `{}`", entry.key), Some(help));
            }
            is_known
        });
        entries
    }

    fn text<'n>(&mut self, at: &At<'n>, what: &str) -> Option<&'n str> {
        match at.node {
            Node::Text(text) => Some(text),
            _ => {
                self.wrong(at, what, "a text");
                None
            }
        }
    }

    fn template(&mut self, at: &At<'_>, what: &str) -> Option<Template> {
        let text = match at.node {
            // A port or a flag written without quotes is a text here all the same.
            Node::Int(number) => number.to_string(),
            _ => self.text(at, what)?.to_owned(),
        };
        match Template::new(&text) {
            Ok(template) => Some(template),
            Err((_, problem)) => {
                self.problem(&at.path, Part::Value, format!("{what}: {problem}"), Some("write `${NAME}`".to_owned()));
                None
            }
        }
    }

    fn texts(&mut self, at: &At<'_>, what: &str) -> Vec<Template> {
        self.elements(at, what).iter().filter_map(|element| self.template(element, what)).collect()
    }

    fn elements<'n>(&mut self, at: &At<'n>, what: &str) -> Vec<At<'n>> {
        let Node::List(elements) = at.node else {
            self.wrong(at, what, "a list");
            return Vec::new();
        };
        let element = |(index, node)| {
            let mut path = at.path.clone();
            path.push(index);
            At { node, path }
        };
        elements.iter().enumerate().map(element).collect()
    }

    /// True or false; false where it is neither, which is reported.
    fn truth(&mut self, at: &At<'_>, what: &str) -> bool {
        let Node::Bool(truth) = at.node else {
            self.problem(&at.path, Part::Value, format!("{what} is true or false"), Some("write `true` or `false`".to_owned()));
            return false;
        };
        *truth
    }

    fn duration(&mut self, at: &At<'_>, what: &str) -> Option<Duration> {
        let help = || Some("write a number and a unit: `250ms`, `5s`, `2m`, `1h`".to_owned());
        let Node::Text(text) = at.node else {
            self.problem(&at.path, Part::Value, format!("{what} is a duration"), help());
            return None;
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let milliseconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
        match milliseconds {
            None => self.problem(&at.path, Part::Value, format!("{what} is a duration, not `{text}`"), help()),
            Some(0) => self.problem(&at.path, Part::Value, format!("{what} is longer than nothing"), help()),
            Some(milliseconds) => return Some(Duration::from_millis(milliseconds)),
        }
        None
    }

    fn config(&mut self, at: &At<'_>) -> Config {
        let mut config = Config::default();
        let known = ["project", "patterns", "rules", "default-deployment", "deployments"];
        let mut default = None;
        for entry in self.fields(at, "patternc.yaml", &known) {
            match entry.key {
                "project" => config.project = self.text(&entry.value, "`project`").map(Into::into),
                "patterns" => {
                    let globs = self.elements(&entry.value, "`patterns`");
                    config.patterns = globs.iter().filter_map(|glob| self.text(glob, "a pattern of file names").map(Into::into)).collect();
                }
                "rules" => config.rules = self.rules(&entry.value),
                "default-deployment" => {
                    config.default_deployment = self.text(&entry.value, "`default-deployment`").map(Into::into);
                    default = Some(entry.value.path);
                }
                _ => {
                    for deployment in self.entries(&entry.value, "`deployments`") {
                        let before = self.problems.len();
                        let read = self.deployment(&deployment);
                        self.problems[before..].iter_mut().for_each(|problem| problem.deployment = Some(deployment.key.into()));
                        config.deployments.insert(deployment.key.into(), read);
                    }
                }
            }
        }
        if let (Some(name), Some(path)) = (&config.default_deployment, default)
            && !config.deployments.contains_key(name)
        {
            let help = did_you_mean(name, config.deployments.keys().map(|name| &**name)).map(|meant| format!("did you mean `{meant}`?"));
            let help = help.or_else(|| Some("name one of those under `deployments`".to_owned()));
            self.problem(&path, Part::Value, format!("there is no deployment `{name}`"), help);
            config.default_deployment = None;
        }
        config
    }

    fn rules(&mut self, at: &At<'_>) -> IndexMap<&'static str, Level> {
        let mut levels = IndexMap::new();
        for entry in self.entries(at, "`rules`") {
            let Some(rule) = rules::named(entry.key) else {
                let help = did_you_mean(entry.key, rules::ALL.iter().map(|rule| rule.name)).map(|meant| format!("did you mean `{meant}`?"));
                let help = help.or_else(|| Some("`patternc explain --list` names them all".to_owned()));
                self.problem(&entry.value.path, Part::Key, format!("there is no rule `{}`", entry.key), help);
                continue;
            };
            let level = match entry.value.node {
                // YAML takes a plain `off` for false in its older version.
                Node::Bool(false) => Some(Level::Off),
                Node::Text(text) => Level::named(text),
                _ => None,
            };
            let Some(level) = level else {
                let help = Some("a level is `error`, `warn`, `info` or `off`".to_owned());
                self.problem(&entry.value.path, Part::Value, format!("the level of `{}` is not one there is", rule.name), help);
                continue;
            };
            if rule.level == Level::Error && level != Level::Error {
                let message =
                    format!("`{}` is an error: the promise of the language would be broken, so it cannot be set lower", rule.name);
                self.problem(&entry.value.path, Part::Value, message, Some("take the entry out".to_owned()));
                continue;
            }
            levels.insert(rule.name, level);
        }
        levels
    }

    fn deployment(&mut self, entry: &Entry<'_>) -> Deployment {
        const FIELDS: &[&str] = &["stores", "spaces", "externs"];
        let what = format!("deployment `{}`", entry.key);
        let mut deployment = Deployment::default();
        let mut places = DeploymentPlaces { key: entry.value.path.clone(), ..DeploymentPlaces::default() };
        let fields = self.fields(&entry.value, &what, FIELDS);
        for field in &fields {
            if field.key == "stores" {
                for store in self.entries(&field.value, "`stores`") {
                    if let Some(read) = self.store(&store, &mut places) {
                        deployment.stores.insert(store.key.into(), read);
                    }
                }
            }
        }
        for field in &fields {
            match field.key {
                "spaces" => self.spaces(field, &fields, &mut deployment, &mut places),
                "externs" => {
                    for entry in self.entries(&field.value, "`externs`") {
                        places.externs.push((entry.key.into(), entry.value.path.clone()));
                        if let Some(read) = self.read_extern(&entry, &mut places) {
                            deployment.externs.insert(entry.key.into(), read);
                        }
                    }
                }
                _ => {}
            }
        }
        for missing in ["stores", "spaces"] {
            // One that is misspelt is reported as that.
            let is_misspelt = matches!(entry.value.node, Node::Map(all) if all.iter().any(|(key, _)| {
                !FIELDS.contains(&key.as_str()) && did_you_mean(key, FIELDS.iter().copied()) == Some(missing)
            }));
            if is_misspelt {
                continue;
            }
            if matches!(entry.value.node, Node::Map(_)) && !fields.iter().any(|field| field.key == missing) {
                let help = match missing {
                    "stores" => "write `stores: { main: { kind: memory } }`",
                    _ => "write `spaces: { \"*\": main }` with the name of a store",
                };
                self.problem(&entry.value.path, Part::Key, format!("{what} has no `{missing}`"), Some(help.to_owned()));
            }
        }
        self.places.deployments.push(places);
        deployment
    }

    fn spaces(&mut self, field: &Entry<'_>, fields: &[Entry<'_>], deployment: &mut Deployment, places: &mut DeploymentPlaces) {
        let stores: Vec<&str> = match fields.iter().find(|field| field.key == "stores").map(|field| field.value.node) {
            Some(Node::Map(stores)) => stores.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        };
        for entry in self.entries(&field.value, "`spaces`") {
            let pattern = match entry.key.strip_suffix("[*]") {
                _ if entry.key == "*" => SpacePattern::All,
                Some(family) => SpacePattern::Family(ustr(family)),
                None if entry.key.contains(['[', '*']) => {
                    let help = Some("an entry is a space (`home`), a whole family (`\"user[*]\"`), or all others (`\"*\"`)".to_owned());
                    self.problem(&entry.value.path, Part::Key, format!("`{}` is no space or family", entry.key), help);
                    continue;
                }
                None => SpacePattern::Plain(ustr(entry.key)),
            };
            let keepers = match entry.value.node {
                Node::Map(_) => self.shard(&entry.value, pattern, &stores),
                _ => self.store_name(&entry.value, &stores).map(Keepers::Store),
            };
            let Some(keepers) = keepers else { continue };
            places.spaces.push((pattern, entry.value.path));
            deployment.spaces.insert(pattern, keepers);
        }
    }

    /// The name of one of the stores. One that is not there is reported, and kept all the same.
    fn store_name(&mut self, at: &At<'_>, stores: &[&str]) -> Option<Box<str>> {
        let store = self.text(at, "the store of a space")?;
        if !stores.contains(&store) {
            let help = did_you_mean(store, stores.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
            let help = help.or_else(|| Some("name one of those under `stores`".to_owned()));
            self.problem(&at.path, Part::Value, format!("there is no store `{store}` in this deployment"), help);
        }
        Some(store.into())
    }

    /// `{ shard: [a, b] }`: over which stores the spaces of a family are spread.
    fn shard(&mut self, at: &At<'_>, pattern: SpacePattern, stores: &[&str]) -> Option<Keepers> {
        let fields = self.fields(at, "what keeps a space", &["shard"]);
        let Some(field) = fields.first() else {
            let help = Some("write the name of a store, or `{ shard: [a, b] }` to spread a family over several".to_owned());
            self.problem(&at.path, Part::Value, "it does not say which store keeps the space", help);
            return None;
        };
        if !matches!(pattern, SpacePattern::Family(_)) {
            let help = Some("name one store: only the spaces of a family (`\"user[*]\"`) can be spread over several".to_owned());
            self.problem(&field.value.path, Part::Key, "one space cannot be spread over several stores", help);
            return None;
        }
        let mut names: Vec<Box<str>> = Vec::new();
        for element in self.elements(&field.value, "`shard`") {
            let Some(name) = self.store_name(&element, stores) else { continue };
            if names.contains(&name) {
                let help = Some("take it out: each store gets the same share".to_owned());
                self.problem(&element.path, Part::Value, format!("the store `{name}` is named twice"), help);
                continue;
            }
            names.push(name);
        }
        if names.is_empty() {
            self.problem(&field.value.path, Part::Value, "`shard` names no store", Some("write `shard: [a, b]`".to_owned()));
            return None;
        }
        Some(Keepers::Shard(names))
    }

    /// The value of `kind`, which decides what else there can be.
    fn kind<'n>(&mut self, entry: &Entry<'n>, what: &str, kinds: &[&str]) -> Option<&'n str> {
        let fields = match entry.value.node {
            Node::Map(fields) => fields,
            _ => {
                self.wrong(&entry.value, what, "a mapping with a `kind`");
                return None;
            }
        };
        let Some(index) = fields.iter().position(|(key, _)| key == "kind") else {
            let help = Some(format!("write `kind: {}`", kinds.join("` or `kind: ")));
            self.problem(&entry.value.path, Part::Key, format!("{what} has no `kind`"), help);
            return None;
        };
        let mut path = entry.value.path.clone();
        path.push(index);
        let at = At { node: &fields[index].1, path };
        let kind = self.text(&at, "a `kind`")?;
        if !kinds.contains(&kind) {
            let help = did_you_mean(kind, kinds.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
            let help = help.or_else(|| Some(format!("the kinds are {}", list(kinds))));
            self.problem(&at.path, Part::Value, format!("{what} cannot be of kind `{kind}`"), help);
            return None;
        }
        Some(kind)
    }

    /// A field that must be there.
    fn required<T>(&mut self, value: Option<T>, entry: &Entry<'_>, what: &str, field: &str, present: bool) -> Option<T> {
        if value.is_none() && !present {
            self.problem(&entry.value.path, Part::Key, format!("{what} has no `{field}`"), Some(format!("add `{field}: …`")));
        }
        value
    }

    fn store(&mut self, entry: &Entry<'_>, places: &mut DeploymentPlaces) -> Option<Store> {
        let what = format!("store `{}`", entry.key);
        let kind = self.kind(entry, &what, &["memory", "sqlite", "postgres"])?;
        let field = match kind {
            "sqlite" => Some("path"),
            "postgres" => Some("url"),
            _ => None,
        };
        let known: Vec<&str> = ["kind"].into_iter().chain(field).collect();
        let fields = self.fields(&entry.value, &format!("a store of kind {kind}"), &known);
        let Some(field) = field else { return Some(Store::Memory) };
        let given = fields.iter().find(|given| given.key == field);
        let value = given.and_then(|given| self.template(&given.value, &format!("`{field}`")));
        let value = self.required(value, entry, &what, field, given.is_some())?;
        places.stores.extend(given.map(|given| (entry.key.into(), given.value.path.clone())));
        Some(if kind == "sqlite" { Store::Sqlite { path: value } } else { Store::Postgres { url: value } })
    }

    fn read_extern(&mut self, entry: &Entry<'_>, places: &mut DeploymentPlaces) -> Option<Extern> {
        let what = format!("extern `{}`", entry.key);
        let kind = self.kind(entry, &what, &["http", "command", "spicedb"])?;
        let known: &[&str] = match kind {
            "http" => &["kind", "base", "headers", "timeout", "authorities", "replays", "operations"],
            "command" => &["kind", "run", "timeout", "replays"],
            _ => &["kind", "endpoint", "token", "timeout", "authorities", "calls"],
        };
        let fields = self.fields(&entry.value, &format!("an extern of kind {kind}"), known);
        let field = |name: &str| fields.iter().find(|field| field.key == name).map(|field| &field.value);
        let authorities = field("authorities").and_then(|at| self.template(at, "`authorities`"));
        let timeout = field("timeout").and_then(|at| self.duration(at, "`timeout`"));
        let replays = field("replays").is_some_and(|at| self.truth(at, "`replays`"));
        match kind {
            "http" => {
                let base = field("base").and_then(|at| self.template(at, "`base`"));
                let base = self.required(base, entry, &what, "base", field("base").is_some());
                let mut headers = IndexMap::new();
                for header in field("headers").map(|at| self.entries(at, "`headers`")).unwrap_or_default() {
                    if let Some(value) = self.template(&header.value, "a header") {
                        headers.insert(header.key.into(), value);
                    }
                }
                let mut operations = IndexMap::new();
                for operation in field("operations").map(|at| self.entries(at, "`operations`")).unwrap_or_default() {
                    places.operations.push((entry.key.into(), operation.key.into(), operation.value.path.clone()));
                    let read = self.operation(&operation);
                    operations.insert(operation.key.into(), read);
                }
                Some(Extern::Http(Http { base: base?, headers, timeout, authorities, replays, operations }))
            }
            "command" => {
                let run = field("run").map(|at| self.texts(at, "`run`"));
                let run = self.required(run, entry, &what, "run", field("run").is_some())?;
                if run.is_empty() {
                    if let Some(Node::List(_)) = field("run").map(|at| at.node) {
                        let path = &field("run")?.path;
                        let help = Some("write the program and its arguments: `run: [\"./rates.py\"]`".to_owned());
                        self.problem(path, Part::Value, "`run` names no program", help);
                    }
                    return None;
                }
                Some(Extern::Command { run, timeout, replays })
            }
            _ => {
                let endpoint = field("endpoint").and_then(|at| self.template(at, "`endpoint`"));
                let endpoint = self.required(endpoint, entry, &what, "endpoint", field("endpoint").is_some())?;
                let token = field("token").and_then(|at| self.template(at, "`token`"));
                let calls = match field("calls").and_then(|at| self.text(at, "`calls`")) {
                    None => Some("patternc/call".into()),
                    Some("none") => None,
                    Some(calls) => Some(calls.into()),
                };
                Some(Extern::SpiceDb { endpoint, token, timeout, authorities, calls })
            }
        }
    }

    fn operation(&mut self, entry: &Entry<'_>) -> HttpOperation {
        let mut operation = HttpOperation { method: "POST".into(), path: format!("/{}", entry.key).into(), reject: None };
        for field in self.fields(&entry.value, "an operation", &["method", "path", "reject"]) {
            match field.key {
                "method" => {
                    const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
                    let Some(method) = self.text(&field.value, "`method`") else { continue };
                    if METHODS.contains(&method) {
                        operation.method = method.into();
                    } else {
                        let help = Some(format!("it is one of {}", list(&METHODS)));
                        self.problem(&field.value.path, Part::Value, format!("`{method}` is no method"), help);
                    }
                }
                "path" => {
                    let Some(path) = self.text(&field.value, "`path`") else { continue };
                    if path.starts_with('/') {
                        operation.path = path.into();
                    } else {
                        let help = Some(format!("write `/{path}`: it is appended to `base`"));
                        self.problem(&field.value.path, Part::Value, "a path starts with `/`", help);
                    }
                }
                _ => {
                    let mut codes = Vec::new();
                    for element in self.elements(&field.value, "`reject`") {
                        match element.node {
                            Node::Int(code @ 100..=599) => codes.push(*code as u16),
                            _ => self.problem(&element.path, Part::Value, "`reject` is a list of HTTP status codes", None),
                        }
                    }
                    operation.reject = Some(codes);
                }
            }
        }
        operation
    }
}

/// Names with backquotes: "`a`, `b` and `c`".
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
project: bounty-board
patterns: ["**/*.pattern", "more/*.pattern"]
default-deployment: local
deployments:
  local:
    stores: { main: { kind: sqlite, path: .patternc/local.db } }
    spaces: { "*": main }
  two-stores:
    stores:
      a: { kind: postgres, url: "${DATABASE_URL}" }
      b: { kind: memory }
    spaces: { claims: a, bounties: b, "user[*]": a }
    externs:
      oauth: { kind: http, base: "https://auth.example", operations: { refresh: { method: PUT, path: /token, reject: [400, 401] }, revoke: {} } }
      payments: { kind: http, base: "https://pay.example", headers: { authorization: "Bearer ${PAY_TOKEN}" }, timeout: 5s, authorities: ca.pem }
      authz: { kind: spicedb, endpoint: "localhost:50051", token: "${SPICEDB_TOKEN}" }
      rates: { kind: command, run: ["./rates.py", 3], timeout: 250ms, replays: true }
"#;

    /// Problems as `place: message (help)`.
    fn problems(text: &str) -> Vec<String> {
        let problem = |problem: Problem| {
            let at = problem.span.slice(text).to_owned();
            format!("{at}: {}{}", problem.message, problem.help.map(|help| format!(" ({help})")).unwrap_or_default())
        };
        read(text).2.into_iter().map(problem).collect()
    }

    #[test]
    fn a_whole_file_is_read() {
        let (config, _, problems) = read(WHOLE);
        assert_eq!(problems, []);
        assert_eq!(config.project.as_deref(), Some("bounty-board"));
        assert_eq!(config.patterns.len(), 2);
        assert_eq!(config.default_deployment().map(|(name, _)| name), Some("local"));
        let two = &config.deployments["two-stores"];
        assert_eq!(two.store_of(ustr("claims"), false), Some("a"));
        assert_eq!(two.store_of(ustr("user"), true), Some("a"));
        assert_eq!(two.store_of(ustr("user"), false), None);
        assert_eq!(config.deployments["local"].store_of(ustr("anything"), true), Some("main"));
        assert!(matches!(&two.stores["a"], Store::Postgres { url } if url.is_secret()));
        let Extern::Http(oauth) = &two.externs["oauth"] else { panic!("http") };
        let refresh = HttpOperation { method: "PUT".into(), path: "/token".into(), reject: Some(vec![400, 401]) };
        assert_eq!(oauth.operations["refresh"], refresh);
        assert_eq!(&*oauth.operations["revoke"].path, "/revoke");
        let Extern::Http(payments) = &two.externs["payments"] else { panic!("http") };
        assert_eq!(payments.timeout, Some(Duration::from_secs(5)));
        assert_eq!(payments.authorities.as_ref().map(Template::source), Some("ca.pem"));
        assert_eq!(payments.headers["authorization"].source(), "Bearer ${PAY_TOKEN}");
        let Extern::Command { run, timeout, replays } = &two.externs["rates"] else { panic!("command") };
        assert_eq!((run.len(), run[1].source(), *timeout, *replays), (2, "3", Some(Duration::from_millis(250)), true));
        assert!(!payments.replays);
    }

    #[test]
    fn a_file_half_written_is_no_reason_to_stop() {
        for (at, _) in WHOLE.char_indices() {
            let without_one = format!("{}{}", &WHOLE[..at], &WHOLE[at + 1..]);
            for text in [&WHOLE[..at], &WHOLE[at..], &without_one] {
                for problem in read(text).2 {
                    assert!(text.get(problem.span.start as usize..problem.span.end as usize).is_some(), "{problem:?} in\n{text}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_the_default() {
        assert_eq!(read("# later\n").0, Config::default());
        assert_eq!(problems(""), [""; 0]);
    }

    #[test]
    fn mistakes_have_a_place_and_a_way_out() {
        for (text, expected) in [
            ("projekt: x", "projekt: patternc.yaml has no `projekt` (did you mean `project`?)"),
            ("project: [x]", "[: `project` is a text, not a list"),
            ("project: a\nproject: b", "project: patternc.yaml has `project` twice (keep one of them)"),
            ("- x", "- x: patternc.yaml is a mapping, not a list"),
            ("rules: { unused-nam: off }", "unused-nam: there is no rule `unused-nam` (did you mean `unused-name`?)"),
            (
                "rules: { unused-name: loud }",
                "loud: the level of `unused-name` is not one there is (a level is `error`, `warn`, `info` or `off`)",
            ),
            (
                "rules: { space-escape: warn }",
                "warn: `space-escape` is an error: the promise of the language would be broken, so it cannot be set lower (take the entry out)",
            ),
            (
                "default-deployment: lokal\ndeployments: { local: { stores: {}, spaces: {} } }",
                "lokal: there is no deployment `lokal` (did you mean `local`?)",
            ),
            ("deployments: { a: { storess: {}, spaces: {} } }", "storess: deployment `a` has no `storess` (did you mean `stores`?)"),
            ("deployments: { a: { spaces: {} } }", "a: deployment `a` has no `stores` (write `stores: { main: { kind: memory } }`)"),
            ("deployments: { a: { stores: { m: { kind: sqlite } }, spaces: {} } }", "m: store `m` has no `path` (add `path: …`)"),
            (
                "deployments: { a: { stores: { m: { kind: sqllite } }, spaces: {} } }",
                "sqllite: store `m` cannot be of kind `sqllite` (did you mean `sqlite`?)",
            ),
            (
                "deployments: { a: { stores: { m: { kind: memory, path: x } }, spaces: {} } }",
                "path: a store of kind memory has no `path` (it can have `kind`)",
            ),
            (
                "deployments: { a: { stores: { main: { kind: memory } }, spaces: { home: mian } } }",
                "mian: there is no store `mian` in this deployment (did you mean `main`?)",
            ),
            (
                "deployments: { a: { stores: { m: { kind: memory } }, spaces: { \"user[x]\": m } } }",
                "\"user[x]\": `user[x]` is no space or family (an entry is a space (`home`), a whole family (`\"user[*]\"`), or all others (`\"*\"`))",
            ),
            (
                "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: http, base: \"${X\" } } } }",
                "\"${X\": `base`: `${` is not closed by `}` (write `${NAME}`)",
            ),
            (
                "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [] } } } }",
                "[: `run` names no program (write the program and its arguments: `run: [\"./rates.py\"]`)",
            ),
            (
                "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [x], timeout: 5 } } } }",
                "5: `timeout` is a duration (write a number and a unit: `250ms`, `5s`, `2m`, `1h`)",
            ),
            (
                "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: command, run: [x], replays: 5 } } } }",
                "5: `replays` is true or false (write `true` or `false`)",
            ),
            (
                "deployments: { a: { stores: {}, spaces: {}, externs: { p: { kind: http, base: x, operations: { o: { path: t } } } } } }",
                "t: a path starts with `/` (write `/t`: it is appended to `base`)",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }
}
