//! From a YAML tree to a [`Config`].

mod deployments;
mod externs;
mod values;

use indexmap::IndexMap;

use super::words::{self, LIMITS, Measure};
use super::yaml::{Node, Part, Path, parse};
use super::{Config, Problem, SpacePattern};
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
    fn config(&mut self, at: &At<'_>) -> Config {
        let mut config = Config::default();
        let mut default = None;
        for entry in self.fields(at, "patternc.yaml", words::PROJECT) {
            match entry.key {
                "project" => config.project = self.text(&entry.value, "`project`").map(Into::into),
                "patterns" => {
                    let globs = self.elements(&entry.value, "`patterns`");
                    config.patterns = globs.iter().filter_map(|glob| self.text(glob, "a pattern of file names").map(Into::into)).collect();
                }
                "rules" => config.rules = self.rules(&entry.value),
                "limits" => config.limits = self.limits(&entry.value),
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

    fn limits(&mut self, at: &At<'_>) -> IndexMap<&'static str, u64> {
        let mut limits = IndexMap::new();
        for entry in self.entries(at, "`limits`") {
            let path = &entry.value.path;
            let Some((name, measure)) =
                LIMITS.into_iter().map(|(limit, measure)| (limit.name, measure)).find(|(name, _)| *name == entry.key)
            else {
                let names = LIMITS.map(|(limit, _)| limit.name);
                let meant = did_you_mean(entry.key, names).map(|meant| format!("did you mean `{meant}`?"));
                let help = meant.unwrap_or_else(|| format!("there are {}", values::list(&names)));
                self.problem(path, Part::Key, format!("there is no limit `{}`", entry.key), Some(help));
                continue;
            };
            let value = match (measure, entry.value.node) {
                (Measure::Time, _) => {
                    let time = self.duration(&entry.value, &format!("`{name}`"));
                    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
                }
                (Measure::Count, Node::Int(count @ 1..)) => u64::try_from(*count).ok(),
                (Measure::Count, _) => {
                    let help = Some("write a whole number from 1 on".to_owned());
                    self.problem(path, Part::Value, format!("`{name}` is a number"), help);
                    None
                }
            };
            limits.extend(value.map(|value| (name, value)));
        }
        limits
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
}

#[cfg(test)]
mod tests;
