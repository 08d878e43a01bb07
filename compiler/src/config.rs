//! `patternc.yaml`: which files belong to the project, how much each rule matters, and where spaces live.
//!
//! Reading it never fails: what could be understood is kept, and every mistake is a finding with its place in the file. The text of secrets
//! stays `${NAME}` until [`Template::expand`] is given the environment.

mod check;
mod read;
mod template;
pub mod words;
mod yaml;

use std::time::Duration;

use indexmap::IndexMap;
use patternc_grammar::syntax::{Name, Span};

pub use self::template::{MissingVariable, Secret, Template};
use crate::db::{Db, Project, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location};
use crate::rules;

/// What `patternc.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the project.
    pub project: Option<Box<str>>,
    /// Globs of the pattern files, relative to the folder of `patternc.yaml`.
    pub patterns: Vec<Box<str>>,
    /// Levels set for rules, in the order of the file.
    pub rules: IndexMap<&'static str, Level>,
    /// What a run may use, by the names of [`words::LIMITS`]: times in milliseconds.
    pub limits: IndexMap<&'static str, u64>,
    /// The deployment that commands use when none is named; a key of `deployments`.
    pub default_deployment: Option<Box<str>>,
    pub deployments: IndexMap<Box<str>, Deployment>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            project: None,
            patterns: vec!["**/*.pattern".into()],
            rules: IndexMap::new(),
            limits: IndexMap::new(),
            default_deployment: None,
            deployments: IndexMap::new(),
        }
    }
}

impl Config {
    /// The deployment that commands use when none is named: the one said to be, or the only one.
    pub fn default_deployment(&self) -> Option<(&str, &Deployment)> {
        match &self.default_deployment {
            Some(name) => self.deployments.get_key_value(name).map(|(name, deployment)| (&**name, deployment)),
            None if self.deployments.len() == 1 => self.deployments.first().map(|(name, deployment)| (&**name, deployment)),
            None => None,
        }
    }
}

/// Which store keeps each space, and what stands behind each extern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    pub stores: IndexMap<Box<str>, Store>,
    /// In the order of the file. Each store is a key of `stores`.
    pub spaces: IndexMap<SpacePattern, Keepers>,
    /// By the name of the extern in the patterns. One that is not named here cannot be reached under this deployment.
    pub externs: IndexMap<Box<str>, Extern>,
}

/// The spaces that an entry under `spaces` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpacePattern {
    /// `"*"`: all that no other entry names.
    All,
    /// `home`: a plain space.
    Plain(Name),
    /// `"user[*]"`: every space of a family.
    Family(Name),
}

impl SpacePattern {
    /// The entry of one space, or of a family.
    pub fn of(space: Name, family: bool) -> Self {
        if family { SpacePattern::Family(space) } else { SpacePattern::Plain(space) }
    }
}

/// What keeps the spaces of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keepers {
    /// `home: main`: one store keeps them all.
    Store(Box<str>),
    /// `"user[*]": { shard: [a, b] }`: each space of the family is in one of these, by its key.
    Shard(Vec<Box<str>>),
}

impl Deployment {
    /// What keeps a plain space, or the spaces of a family.
    pub fn keepers(&self, space: Name, family: bool) -> Option<&Keepers> {
        self.spaces.get(&SpacePattern::of(space, family)).or_else(|| self.spaces.get(&SpacePattern::All))
    }

    /// The name of the store that keeps a plain space, or every space of a family; `None` also if they are spread over several.
    pub fn store_of(&self, space: Name, family: bool) -> Option<&str> {
        match self.keepers(space, family)? {
            Keepers::Store(store) => Some(store),
            Keepers::Shard(_) => None,
        }
    }
}

/// A place where spaces are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// `kind: memory`: gone when the process ends.
    Memory,
    /// `kind: sqlite`: one file, made if it does not exist. `path` is relative to the folder of `patternc.yaml`.
    Sqlite { path: Template },
    /// `kind: postgres`: a database by its connection URL.
    Postgres { url: Template },
}

impl Store {
    /// As in `kind: sqlite`.
    pub fn kind(&self) -> &'static str {
        match self {
            Store::Memory => "memory",
            Store::Sqlite { .. } => "sqlite",
            Store::Postgres { .. } => "postgres",
        }
    }

    /// Whether it commits several of its spaces at once, as `across` needs. The runtime asks the store that it opens once more.
    pub fn commits_across(&self) -> bool {
        match self {
            Store::Memory | Store::Sqlite { .. } | Store::Postgres { .. } => true,
        }
    }
}

/// What stands behind an extern of the patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extern {
    /// `kind: http`: every operation is a request.
    Http(Http),
    /// `kind: command`: a program that is given requests as JSON Lines.
    Command {
        /// The program and its arguments.
        run: Vec<Template>,
        timeout: Option<Duration>,
        /// Whether it answers an idempotency key that it knows with what it answered first.
        replays: bool,
    },
    /// `kind: spicedb`: an authorization store.
    SpiceDb {
        /// Of its HTTP gateway: `host:port` or a URL.
        endpoint: Template,
        token: Option<Template>,
        timeout: Option<Duration>,
        /// As [`Http::authorities`].
        authorities: Option<Template>,
        /// The object type in which calls are remembered, so that none takes effect twice; `None`: they are not.
        calls: Option<Box<str>>,
    },
}

/// An extern reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// What the path of an operation is appended to.
    pub base: Template,
    /// Sent with every request.
    pub headers: IndexMap<Box<str>, Template>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// A PEM file with the certificates of the authorities that are trusted instead of the public ones. Relative to the folder of
    /// `patternc.yaml`.
    pub authorities: Option<Template>,
    /// Whether it answers an idempotency key that it knows with what it answered first.
    pub replays: bool,
    /// By the name of the operation. One that is not named is a POST to `base/NAME`.
    pub operations: IndexMap<Box<str>, HttpOperation>,
}

/// How an operation becomes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOperation {
    /// In capitals; `POST` if it is not said.
    pub method: Box<str>,
    /// Appended to the base; `/NAME` if it is not said.
    pub path: Box<str>,
    /// Status codes that reject the event; `None`: 4xx but 408, 425 and 429.
    pub reject: Option<Vec<u16>>,
}

/// A mistake in the text of a `patternc.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The deployment it is in.
    pub deployment: Option<Box<str>>,
    /// Another place that belongs to it, and what is there.
    pub also: Option<(Span, Box<str>)>,
}

/// Reads the text of a `patternc.yaml`: what could be understood, and what is wrong with the rest. Names of the patterns are not known
/// here; [`diagnostics`] also judges those.
pub fn parse(text: &str) -> (Config, Vec<Problem>) {
    let (config, _, problems) = read::read(text);
    (config, problems)
}

/// The configuration of the project; the default one without a `patternc.yaml`.
#[salsa::tracked(returns(ref))]
pub fn config(db: &dyn Db) -> Config {
    match Project::try_get(db).and_then(|project| project.config(db)) {
        Some(file) => parse(file.text(db)).0,
        None => Config::default(),
    }
}

/// What is wrong with the `patternc.yaml` of the project, by itself and together with the patterns: spaces that no store keeps, names that
/// no pattern declares.
#[salsa::tracked(returns(ref))]
pub fn diagnostics(db: &dyn Db) -> Vec<Diagnostic> {
    let Some(file) = Project::try_get(db).and_then(|project| project.config(db)) else { return Vec::new() };
    let (config, places, mut problems) = read::read(file.text(db));
    check::check(db, &config, &places, file.text(db), &mut problems);
    problems.sort_by_key(|problem| problem.span);
    problems.into_iter().map(|problem| finding(file, problem)).collect()
}

/// Where the `patternc.yaml` of the project says which store keeps a space: the entry of that space, or the one for all others.
/// `deployment`: by its position.
pub fn place_of_space(db: &dyn Db, deployment: u32, space: Name, family: bool) -> Option<(SourceFile, Span)> {
    let file = Project::try_get(db)?.config(db)?;
    let text = file.text(db);
    let (_, places, _) = read::read(text);
    let spaces = &places.deployments.get(deployment as usize)?.spaces;
    let find = |wanted: SpacePattern| spaces.iter().find(|(pattern, _)| *pattern == wanted);
    let (_, path) = find(SpacePattern::of(space, family)).or_else(|| find(SpacePattern::All))?;
    Some((file, yaml::locate(text, path, yaml::Part::Key)))
}

fn finding(file: SourceFile, problem: Problem) -> Diagnostic {
    let finding = Diagnostic::error(rules::configuration::RULE.name, file, problem.span, problem.message);
    let finding = match problem.help {
        Some(help) => finding.help(help),
        None => finding,
    };
    let finding = match problem.also {
        Some((span, text)) => finding.label(Location::Span(file, span), text),
        None => finding,
    };
    match problem.deployment {
        Some(deployment) => finding.under(deployment),
        None => finding,
    }
}
