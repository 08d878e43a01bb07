//! An index of one cell over the records of one type in one space.

use std::collections::{BTreeMap, HashMap};

use super::Handle;
use crate::store::Version;
use crate::value::Value;

/// Which records have which value in a cell.
///
/// Values come from outside, so they are hashed with the standard library's keyed hash.
#[derive(Clone, Debug)]
pub(super) struct Index {
    unique: bool,
    buckets: HashMap<Value, Bucket>,
    /// The newest change of a value that nobody has now.
    emptied: Version,
}

#[derive(Clone, Debug)]
struct Bucket {
    members: Members,
    /// When a record came or went last.
    changed: Version,
}

/// Records in the order of creation. Most values of most indexes have one.
#[derive(Clone, Debug)]
enum Members {
    One(u64, Handle),
    Many(BTreeMap<u64, Handle>),
}

impl Index {
    pub(super) fn new(unique: bool) -> Self {
        Index { unique, buckets: HashMap::new(), emptied: Version::default() }
    }

    /// Adds a record; false if the value is taken.
    pub(super) fn insert(&mut self, value: &Value, order: u64, handle: Handle, changed: Version) -> bool {
        let Some(bucket) = self.buckets.get_mut(value) else {
            self.buckets.insert(value.clone(), Bucket { members: Members::One(order, handle), changed });
            return true;
        };
        if self.unique && *value != Value::None {
            return false;
        }
        bucket.changed = changed;
        match &mut bucket.members {
            Members::One(first_order, first) => {
                bucket.members = Members::Many(BTreeMap::from([(*first_order, *first), (order, handle)]));
            }
            Members::Many(members) => {
                members.insert(order, handle);
            }
        }
        true
    }

    /// Takes out a record that is in.
    pub(super) fn remove(&mut self, value: &Value, order: u64, changed: Version) {
        let Some(bucket) = self.buckets.get_mut(value) else { return };
        bucket.changed = changed;
        let empty = match &mut bucket.members {
            Members::One(only, _) => *only == order,
            Members::Many(members) => {
                members.remove(&order);
                members.is_empty()
            }
        };
        if empty {
            self.buckets.remove(value);
            self.emptied = self.emptied.max(changed);
        }
    }

    /// The first record with the value.
    pub(super) fn first(&self, value: &Value) -> Option<Handle> {
        match &self.buckets.get(value)?.members {
            Members::One(_, handle) => Some(*handle),
            Members::Many(members) => members.values().next().copied(),
        }
    }

    /// The records with the value, in the order of creation.
    pub(super) fn members(&self, value: &Value) -> Vec<Handle> {
        match self.buckets.get(value).map(|b| &b.members) {
            None => Vec::new(),
            Some(Members::One(_, handle)) => vec![*handle],
            Some(Members::Many(members)) => members.values().copied().collect(),
        }
    }

    /// No record came to the value or left it after this version. It may be newer than the last that did.
    pub(super) fn changed(&self, value: &Value) -> Version {
        self.buckets.get(value).map_or(self.emptied, |bucket| bucket.changed)
    }
}
