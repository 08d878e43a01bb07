//! `patternc.yaml` together with the patterns: names that no pattern declares, spaces that no store keeps.

use patternc_grammar::syntax::Name;

use super::read::{DeploymentPlaces, Places};
use super::yaml::{Part, locate};
use super::{Config, Deployment, Problem, SpacePattern};
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
        checker.spaces(deployment, places, &spaces);
        checker.externs(places, &externs);
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
        self.problems.push(Problem { span, message, help: Some(help), deployment: Some(self.name.into()) });
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

    fn externs(&mut self, places: &DeploymentPlaces, externs: &[Outside]) {
        for (bound, path) in &places.externs {
            if externs.iter().all(|known| *known.name != **bound) {
                let help = did_you_mean(bound, externs.iter().map(|known| known.name.as_str()));
                let help = help.map_or("no pattern of this project declares it".to_owned(), |meant| format!("did you mean `{meant}`?"));
                self.problem(path, format!("there is no extern `{bound}`"), help);
            }
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
