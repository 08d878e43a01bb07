//! Where spaces live under each deployment: what a rule asks that depends on it.
//!
//! Which store keeps a space is no business of the patterns, so a rule that needs to know is judged once per deployment, and its finding says
//! which one it holds under ([`Diagnostic::under`](crate::diagnostic::Diagnostic::under)). Without any deployment in `patternc.yaml` one
//! store keeps everything.

use patternc_grammar::syntax::{Name, Span};

use crate::config::{self, Deployment, Keepers, Store};
use crate::db::{Db, Project, SourceFile};
use crate::items::{ItemHead, head, items};
use crate::types::ItemId;

/// A deployment of `patternc.yaml`.
#[derive(Clone, Copy)]
pub struct Deployed<'db> {
    db: &'db dyn Db,
    /// Its position in `patternc.yaml`.
    pub index: u32,
    pub name: &'db str,
    deployment: &'db Deployment,
}

/// The store that keeps a space under a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper<'db> {
    /// Of several stores over which a family is spread, the first.
    pub name: &'db str,
    pub store: &'db Store,
    /// Whether it is one of several: then no two spaces are known to be in one store, nor two of the same family.
    pub spread: bool,
}

impl Keeper<'_> {
    /// Whether the two may be different stores.
    pub fn is_apart_from(&self, other: &Keeper<'_>) -> bool {
        self.name != other.name || self.spread || other.spread
    }
}

/// The deployments of the project, in the order of `patternc.yaml`.
pub fn deployments(db: &dyn Db) -> impl Iterator<Item = Deployed<'_>> {
    let all = config::config(db).deployments.iter().enumerate();
    all.map(move |(index, (name, deployment))| Deployed { db, index: index as u32, name, deployment })
}

/// The deployments that keep two spaces (or two families, or one of each) in different stores, with those stores.
pub fn apart(db: &dyn Db, a: ItemId, b: ItemId) -> impl Iterator<Item = (Deployed<'_>, Keeper<'_>, Keeper<'_>)> {
    deployments(db).filter_map(move |deployed| {
        let (of_a, of_b) = (deployed.keeper(a)?, deployed.keeper(b)?);
        of_a.is_apart_from(&of_b).then_some((deployed, of_a, of_b))
    })
}

/// Every space and family that the project declares.
pub fn spaces(db: &dyn Db) -> Vec<ItemId> {
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    let of_file = |&file: &SourceFile| {
        let heads = items(db, file).heads.iter().enumerate();
        heads.filter(|(_, head)| matches!(head, ItemHead::Space { .. })).map(move |(index, _)| ItemId { file, index: index as u32 })
    };
    files.iter().flat_map(of_file).collect()
}

impl<'db> Deployed<'db> {
    /// The store that keeps a space, or every space of a family. `None` if the deployment names none, or one that cannot be understood: a
    /// finding of the rule `configuration` says so.
    pub fn keeper(&self, space: ItemId) -> Option<Keeper<'db>> {
        let (space, family) = space_name(self.db, space)?;
        let (name, spread) = match self.deployment.keepers(space, family)? {
            Keepers::Store(name) => (name, false),
            Keepers::Shard(names) => (names.first()?, names.len() > 1),
        };
        let (name, store) = self.deployment.stores.get_key_value(name)?;
        Some(Keeper { name, store, spread })
    }
}

/// Where `patternc.yaml` says which store keeps a space under a deployment, by its position.
pub fn entry_span(db: &dyn Db, deployment: u32, space: ItemId) -> Option<(SourceFile, Span)> {
    let (space, family) = space_name(db, space)?;
    config::place_of_space(db, deployment, space, family)
}

/// The name of a space, and whether it is a family.
fn space_name(db: &dyn Db, space: ItemId) -> Option<(Name, bool)> {
    match head(db, space)? {
        ItemHead::Space { name, family } => Some((*name, *family)),
        _ => None,
    }
}
