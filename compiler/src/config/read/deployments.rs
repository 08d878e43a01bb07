//! Deployments: stores, and which spaces they keep.

use ustr::ustr;

use super::{At, DeploymentPlaces, Entry, Reader};
use crate::config::yaml::{Node, Part};
use crate::config::{Deployment, Keepers, SpacePattern, Store, words};
use crate::resolve::did_you_mean;

impl Reader<'_> {
    pub(super) fn deployment(&mut self, entry: &Entry<'_>) -> Deployment {
        let names = words::names(words::DEPLOYMENT);
        let what = format!("deployment `{}`", entry.key);
        let mut deployment = Deployment::default();
        let mut places = DeploymentPlaces { key: entry.value.path.clone(), ..DeploymentPlaces::default() };
        let fields = self.fields(&entry.value, &what, words::DEPLOYMENT);
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
                !names.contains(&key.as_str()) && did_you_mean(key, names.iter().copied()) == Some(missing)
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

    pub(super) fn spaces(&mut self, field: &Entry<'_>, fields: &[Entry<'_>], deployment: &mut Deployment, places: &mut DeploymentPlaces) {
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
        let fields = self.fields(at, "what keeps a space", words::KEEPERS);
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

    pub(super) fn store(&mut self, entry: &Entry<'_>, places: &mut DeploymentPlaces) -> Option<Store> {
        let what = format!("store `{}`", entry.key);
        let kind = self.kind(entry, &what, words::STORE_KINDS)?;
        let field = match kind {
            "sqlite" => Some("path"),
            "postgres" => Some("url"),
            _ => None,
        };
        let fields = self.fields(&entry.value, &format!("a store of kind {kind}"), words::of_kind(kind)?);
        let Some(field) = field else { return Some(Store::Memory) };
        let given = fields.iter().find(|given| given.key == field);
        let value = given.and_then(|given| self.template(&given.value, &format!("`{field}`")));
        let value = self.required(value, entry, &what, field, given.is_some())?;
        places.stores.extend(given.map(|given| (entry.key.into(), given.value.path.clone())));
        Some(if kind == "sqlite" { Store::Sqlite { path: value } } else { Store::Postgres { url: value } })
    }
}
