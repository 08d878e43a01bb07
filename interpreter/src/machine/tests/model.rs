//! What steps mean, on plain maps: every step is executed at once on the whole state.

use std::collections::{BTreeMap, BTreeSet};

use super::program::{GIVEN, Step, thing};
use crate::failure::FailureKind;
use crate::machine::id_text;
use crate::value::{RecordRef, Value};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thing {
    pub order: usize,
    pub n: i64,
    pub items: Vec<i64>,
    pub tags: BTreeSet<i64>,
    pub map: BTreeMap<i64, i64>,
    pub slug: Option<i64>,
    pub status: i64,
    pub friends: BTreeSet<RecordRef>,
    pub owner: Option<RecordRef>,
    pub owned: BTreeSet<RecordRef>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub live: BTreeMap<RecordRef, Thing>,
    pub created: usize,
}

/// A transaction on the model.
struct Running<'a> {
    model: Model,
    given: &'a [RecordRef; GIVEN],
    log: Vec<Value>,
    first_id: u128,
    ids: u128,
}

impl Model {
    /// Runs the steps; nothing remains of those that fail.
    pub fn run(&mut self, steps: &[Step], given: &[RecordRef; GIVEN], first_id: u128) -> Result<Vec<Value>, FailureKind> {
        let mut running = Running { model: self.clone(), given, log: Vec::new(), first_id, ids: 0 };
        running.run(steps)?;
        *self = running.model;
        Ok(running.log)
    }

    /// The records in the order of creation.
    pub fn in_order(&self) -> Vec<(&RecordRef, &Thing)> {
        let mut all: Vec<_> = self.live.iter().collect();
        all.sort_by_key(|(_, thing)| thing.order);
        all
    }
}

impl Thing {
    /// Its cells in the order of the declaration.
    pub fn cells(&self) -> Vec<Value> {
        let refs = |set: &BTreeSet<RecordRef>| Value::set(set.iter().cloned().map(Value::Ref));
        vec![
            Value::Int(self.n),
            ints(&self.items),
            Value::set(self.tags.iter().copied().map(Value::Int)),
            map(&self.map),
            self.slug.map_or(Value::None, Value::Int),
            Value::Int(self.status),
            refs(&self.friends),
            self.owner.clone().map_or(Value::None, Value::Ref),
            refs(&self.owned),
        ]
    }
}

fn ints(items: &[i64]) -> Value {
    Value::list(items.iter().copied().map(Value::Int))
}

fn map(entries: &BTreeMap<i64, i64>) -> Value {
    Value::map(entries.iter().map(|(k, v)| (Value::Int(*k), Value::Int(*v))))
}

impl Running<'_> {
    fn run(&mut self, steps: &[Step]) -> Result<(), FailureKind> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn at(&mut self, r: usize) -> Result<&mut Thing, FailureKind> {
        self.model.live.get_mut(&self.given[r]).ok_or(FailureKind::Missing)
    }

    fn of(&mut self, record: &RecordRef) -> Result<&mut Thing, FailureKind> {
        self.model.live.get_mut(record).ok_or(FailureKind::Missing)
    }

    fn step(&mut self, step: &Step) -> Result<(), FailureKind> {
        let overflow = FailureKind::Overflow;
        match step {
            Step::Add(r, by) => {
                let thing = self.at(*r)?;
                thing.n = thing.n.checked_add(*by).ok_or(overflow)?;
            }
            Step::Sub(r, by) => {
                let thing = self.at(*r)?;
                thing.n = thing.n.checked_sub(*by).ok_or(overflow)?;
            }
            Step::SetN(r, n) => self.at(*r)?.n = *n,
            Step::ReadN(r) => {
                let value = Value::Int(self.at(*r)?.n);
                self.log.push(value);
            }
            Step::RequireN(r, n) => {
                if self.at(*r)?.n < *n {
                    return Err(FailureKind::Rejected);
                }
            }
            Step::Append(r, x) => self.at(*r)?.items.push(*x),
            Step::RemoveFirst(r, x) => {
                let items = &mut self.at(*r)?.items;
                if let Some(at) = items.iter().position(|item| item == x) {
                    items.remove(at);
                }
            }
            Step::ReadItems(r) => {
                let value = ints(&self.at(*r)?.items);
                self.log.push(value);
            }
            Step::Insert(r, x) => {
                self.at(*r)?.tags.insert(*x);
            }
            Step::Remove(r, x) => {
                self.at(*r)?.tags.remove(x);
            }
            Step::HasTag(r, x) => {
                let value = Value::Bool(self.at(*r)?.tags.contains(x));
                self.log.push(value);
            }
            Step::ReadTags(r) => {
                let value = self.at(*r)?.cells().swap_remove(2);
                self.log.push(value);
            }
            Step::SetEntry(r, k, x) => {
                self.at(*r)?.map.insert(*k, *x);
            }
            Step::ChangeEntry(r, k, x) => {
                let entry = self.at(*r)?.map.get_mut(k).ok_or(FailureKind::Missing)?;
                *entry = entry.checked_add(*x).ok_or(overflow)?;
            }
            Step::RemoveEntry(r, k) => {
                self.at(*r)?.map.remove(k);
            }
            Step::ReadEntry(r, k) => {
                let value = self.at(*r)?.map.get(k).copied().map_or(Value::None, Value::Int);
                self.log.push(value);
            }
            Step::ReadMap(r) => {
                let value = map(&self.at(*r)?.map);
                self.log.push(value);
            }
            Step::SetSlug(r, slug) => self.set_slug(*r, *slug)?,
            Step::AddSlug(r, by) => match self.at(*r)?.slug {
                // An absent number has no sum: no program that is checked comes here.
                None => return Err(FailureKind::Rejected),
                Some(old) => self.set_slug(*r, Some(old.checked_add(*by).ok_or(overflow)?))?,
            },
            Step::Find(slug) => {
                let found = self.model.live.iter().find(|(_, thing)| thing.slug == Some(*slug));
                self.log.push(found.map_or(Value::None, |(record, _)| Value::Ref(record.clone())));
            }
            Step::SetStatus(r, status) => self.at(*r)?.status = *status,
            Step::AddStatus(r, by) => {
                let thing = self.at(*r)?;
                thing.status = thing.status.checked_add(*by).ok_or(overflow)?;
            }
            Step::WithStatus(status) => self.log_where(|thing| thing.status == *status),
            Step::WithMore(n) => self.log_where(|thing| thing.n > *n),
            Step::Befriend(r, q) => {
                self.at(*r)?;
                self.at(*q)?;
                let (a, b) = (self.given[*r].clone(), self.given[*q].clone());
                self.of(&a)?.friends.insert(b.clone());
                self.of(&b)?.friends.insert(a);
            }
            Step::Unfriend(r, q) => {
                self.at(*r)?;
                let (a, b) = (self.given[*r].clone(), self.given[*q].clone());
                self.unfriend(&a, &b);
            }
            Step::SetFriend(r, q) => {
                let old = self.at(*r)?.friends.clone();
                let (a, b) = (self.given[*r].clone(), self.given[*q].clone());
                if !old.contains(&b) {
                    self.of(&b)?;
                }
                for friend in old.iter().filter(|friend| **friend != b) {
                    self.unfriend(&a, friend);
                }
                self.of(&a)?.friends.insert(b.clone());
                self.of(&b)?.friends.insert(a);
            }
            Step::ReadFriends(r) => {
                let value = self.at(*r)?.cells().swap_remove(6);
                self.log.push(value);
            }
            Step::SetOwner(r, owner) => {
                let owned = self.given[*r].clone();
                let old = self.at(*r)?.owner.clone();
                let owner = owner.map(|q| self.given[q].clone());
                if let Some(owner) = &owner
                    && Some(owner) != old.as_ref()
                {
                    self.of(owner)?;
                }
                self.give(&owned, owner);
            }
            Step::Own(r, q) => {
                self.at(*r)?;
                self.at(*q)?;
                self.give(&self.given[*q].clone(), Some(self.given[*r].clone()));
            }
            Step::Disown(r, q) => {
                self.at(*r)?;
                let (owner, owned) = (self.given[*r].clone(), self.given[*q].clone());
                if self.model.live.get(&owned).is_some_and(|thing| thing.owner.as_ref() == Some(&owner)) {
                    self.give(&owned, None);
                }
            }
            Step::ReadOwner(r) => {
                let value = self.at(*r)?.cells().swap_remove(7);
                self.log.push(value);
            }
            Step::ReadOwned(r) => {
                let value = self.at(*r)?.cells().swap_remove(8);
                self.log.push(value);
            }
            Step::Create(slug) => {
                let record = thing(&id_text(self.first_id + self.ids));
                self.ids += 1;
                if slug.is_some() && self.model.live.values().any(|thing| thing.slug == *slug) {
                    return Err(FailureKind::Rejected);
                }
                let order = self.model.created;
                self.model.created += 1;
                self.model.live.insert(record.clone(), Thing { order, slug: *slug, ..Thing::default() });
                self.log.push(Value::Ref(record));
            }
            Step::Delete(r) => {
                let gone = self.given[*r].clone();
                self.at(*r)?;
                self.give(&gone, None);
                for thing in self.model.live.values_mut() {
                    thing.friends.remove(&gone);
                    if thing.owner.as_ref() == Some(&gone) {
                        thing.owner = None;
                    }
                }
                self.model.live.remove(&gone);
            }
            Step::All => self.log_where(|_| true),
            Step::Exists(r) => {
                let value = Value::Bool(self.model.live.contains_key(&self.given[*r]));
                self.log.push(value);
            }
            Step::Fail => return Err(FailureKind::Rejected),
            Step::Try(steps) => {
                let (model, log) = (self.model.clone(), self.log.clone());
                if let Err(kind) = self.run(steps) {
                    self.model = model;
                    // The log is a local: only the state goes back, and what was read stays known.
                    let _ = log;
                    self.log.push(Value::text(kind.name()));
                }
            }
        }
        Ok(())
    }

    fn set_slug(&mut self, r: usize, slug: Option<i64>) -> Result<(), FailureKind> {
        self.at(r)?;
        let holder = slug.and_then(|slug| self.model.live.iter().find(|(_, thing)| thing.slug == Some(slug)));
        if holder.is_some_and(|(record, _)| *record != self.given[r]) {
            return Err(FailureKind::Rejected);
        }
        self.at(r)?.slug = slug;
        Ok(())
    }

    fn unfriend(&mut self, a: &RecordRef, b: &RecordRef) {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(thing) = self.model.live.get_mut(one) {
                thing.friends.remove(other);
            }
        }
    }

    fn give(&mut self, owned: &RecordRef, owner: Option<RecordRef>) {
        for thing in self.model.live.values_mut() {
            thing.owned.remove(owned);
        }
        if let Some(thing) = self.model.live.get_mut(owned) {
            thing.owner = owner.clone();
        }
        if let Some(thing) = owner.and_then(|owner| self.model.live.get_mut(&owner)) {
            thing.owned.insert(owned.clone());
        }
    }

    fn log_where(&mut self, keep: impl Fn(&Thing) -> bool) {
        let found: Vec<Value> =
            self.model.in_order().into_iter().filter(|(_, thing)| keep(thing)).map(|(record, _)| Value::Ref(record.clone())).collect();
        self.log.push(Value::list(found));
    }
}
