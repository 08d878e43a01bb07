//! `patternc.yaml` together with the patterns: names that no pattern declares, spaces that no store keeps, externs that
//! nothing answers.

use patternc_grammar::syntax::Name;

use super::read::{DeploymentPlaces, Places};
use super::yaml::{Part, locate};
use super::{Config, Deployment, Problem, SpacePattern, Store};
use crate::db::{Db, Project};
use crate::items::{ItemHead, items};
use crate::resolve::did_you_mean;
use crate::signature::{Signature, signatures};

/// A declared space.
struct Space {
    name: Name,
    family: bool,
}

/// A declared extern with its operations.
struct Outside {
    name: Name,
    operations: Vec<Name>,
}

pub(super) fn check(db: &dyn Db, config: &Config, places: &Places, text: &str, problems: &mut Vec<Problem>) {
    let (mut spaces, mut externs) = (Vec::new(), Vec::new());
    for &file in Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default() {
        for (index, head) in items(db, file).heads.iter().enumerate() {
            match head {
                ItemHead::Space { name, family } => spaces.push(Space { name: *name, family: *family }),
                ItemHead::Extern { name } => {
                    let Some(Signature::Extern(sig)) = signatures(db, file).by_item.get(index) else { continue };
                    externs.push(Outside { name: *name, operations: sig.operations.iter().map(|operation| operation.name).collect() });
                }
                _ => {}
            }
        }
    }
    for ((name, deployment), places) in config.deployments.iter().zip(&places.deployments) {
        let mut checker = Checker { text, name, problems };
        checker.stores(deployment, places);
        checker.spaces(deployment, places, &spaces);
        checker.externs(deployment, places, &externs);
    }
}

struct Checker<'a> {
    text: &'a str,
    /// The deployment.
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, path: &[usize], message: String, help: String) {
        let span = locate(self.text, path, Part::Key);
        self.problems.push(Problem { span, message, help: Some(help), deployment: Some(self.name.into()), also: None });
    }

    /// Two stores that are one: each would take the other's records for its own.
    fn stores(&mut self, deployment: &Deployment, places: &DeploymentPlaces) {
        let mut known: Vec<(String, &str, &[usize])> = Vec::new();
        for (name, path) in &places.stores {
            let Some(site) = deployment.stores.get(name).and_then(site) else { continue };
            let Some((_, other, first)) = known.iter().find(|(of, ..)| *of == site) else {
                known.push((site, name, path));
                continue;
            };
            let what = if matches!(deployment.stores[name], Store::Sqlite { .. }) { "file" } else { "database" };
            self.problems.push(Problem {
                span: locate(self.text, path, Part::Value),
                message: format!("the stores `{other}` and `{name}` are the same {what}"),
                help: Some(format!("give each its own, or take `{name}` out and name `{other}` under `spaces` for both")),
                deployment: Some(self.name.into()),
                also: Some((locate(self.text, first, Part::Value), format!("`{other}` is here").into())),
            });
        }
    }

    fn spaces(&mut self, deployment: &Deployment, places: &DeploymentPlaces, spaces: &[Space]) {
        for (pattern, path) in &places.spaces {
            let (mapped, family) = match pattern {
                SpacePattern::All => continue,
                SpacePattern::Plain(name) => (*name, false),
                SpacePattern::Family(name) => (*name, true),
            };
            match spaces.iter().find(|space| space.name == mapped) {
                Some(space) if space.family == family => {}
                Some(space) if space.family => {
                    self.problem(path, format!("`{mapped}` is a family of spaces"), format!("write `\"{mapped}[*]\"` for all of them"));
                }
                Some(_) => self.problem(path, format!("`{mapped}` is one space, not a family"), format!("write `{mapped}`")),
                None => {
                    let help = did_you_mean(mapped.as_str(), spaces.iter().map(|space| space.name.as_str()));
                    let help = help.map_or("no pattern of this project declares it".to_owned(), |meant| format!("did you mean `{meant}`?"));
                    self.problem(path, format!("there is no space `{mapped}`"), help);
                }
            }
        }
        for space in spaces.iter().filter(|space| deployment.keepers(space.name, space.family).is_none()) {
            let written = if space.family { format!("\"{}[*]\"", space.name) } else { space.name.to_string() };
            self.problem(
                &places.key,
                format!("deployment `{}` says of no store that it keeps `{}`", self.name, space.name),
                format!("add `{written}: …` under `spaces`, or `\"*\": …` for all others"),
            );
        }
    }

    fn externs(&mut self, deployment: &Deployment, places: &DeploymentPlaces, externs: &[Outside]) {
        for (bound, path) in &places.externs {
            if externs.iter().all(|known| *known.name != **bound) {
                let help = did_you_mean(bound, externs.iter().map(|known| known.name.as_str()));
                let help = help.map_or("no pattern of this project declares it".to_owned(), |meant| format!("did you mean `{meant}`?"));
                self.problem(path, format!("there is no extern `{bound}`"), help);
            }
        }
        for unbound in externs.iter().filter(|known| !deployment.externs.contains_key(known.name.as_str())) {
            self.problem(
                &places.key,
                format!("deployment `{}` does not say what answers the extern `{}`", self.name, unbound.name),
                format!(
                    "add `{}: {{ kind: http, base: \"https://…\" }}` under `externs`, or another kind (`command`, `spicedb`)",
                    unbound.name
                ),
            );
        }
        for (of, operation, path) in &places.operations {
            let Some(known) = externs.iter().find(|known| *known.name == **of) else { continue };
            if known.operations.iter().all(|known| **known != **operation) {
                let help = did_you_mean(operation, known.operations.iter().map(|name| name.as_str()));
                let help = help.map_or(format!("`{of}` declares no such operation"), |meant| format!("did you mean `{meant}`?"));
                self.problem(path, format!("extern `{of}` has no operation `{operation}`"), help);
            }
        }
    }
}

/// What stands for the file or the database of a store, so that two that are the same have the same, as far as the text tells: what the
/// environment makes of it is seen when the stores are opened.
fn site(store: &Store) -> Option<String> {
    match store {
        Store::Memory => None,
        Store::Sqlite { path } => Some(format!("file {}", normal(path.source()))),
        Store::Postgres { url } => Some(database(url.source())),
    }
}

/// A path without detours.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", Some(before)) if *before != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

/// Host, port, database, and the schema in it: not who connects, and how.
fn database(url: &str) -> String {
    let Some((_, rest)) = url.split_once("://") else { return url.to_owned() };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let (host, name) = place.split_once('/').unwrap_or((place, ""));
    let host = host.strip_suffix(":5432").unwrap_or(host);
    let schema = parameters.split('&').find(|parameter| parameter.starts_with("options=")).unwrap_or_default();
    format!("{host}/{name} {schema}")
}
