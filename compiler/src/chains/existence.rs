//! Which record a creation makes, and which a key looks up: under keys that are known to be different, they have nothing to do with one another.

use std::sync::Arc;

use super::collect::Collector;
use super::{Access, Decides, Way};
use crate::effects::{EffectSpace, Grain, Made, Site, Target, Value, WriteKind};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::{Home, record_sig};
use crate::types::{CellId, ItemId};

impl Collector<'_> {
    /// Which record of a type it is that is made, or looked up, under a key. Any, where the key is not one value all along the chain.
    pub(super) fn existence(&self, record: ItemId, key: Option<&Value>) -> Grain {
        let keeps = |value: &&Value| self.is_kept(record) && self.is_one_value(value);
        Grain::Element(key.filter(keeps).cloned())
    }

    /// Which record of a type a creation makes.
    pub(super) fn made_under(&self, record: ItemId, created: &Grain) -> Grain {
        match created {
            Grain::Element(key) => self.existence(record, key.as_ref()),
            Grain::Like(_) if self.is_kept(record) => created.clone(),
            Grain::Like(_) => Grain::Element(None),
            Grain::Whole | Grain::Size | Grain::Query => Grain::Whole,
        }
    }

    /// Which record of a type a key looks up, where constants tell whether there is one: records of the type are in one space, stay under the
    /// key that they are made with, which is all that no two of them may share, and are never deleted.
    pub(super) fn told_there(&self, record: ItemId, key: &Value) -> Option<Value> {
        let sig = record_sig(self.db, record)?;
        let plain = matches!(sig.home, Home::Plain(_)) && !facts::is_deleted(self.db, record);
        let alone = sig.cells.iter().all(|cell| cell.key || !cell.unique);
        match self.existence(record, Some(key)) {
            Grain::Element(key) if plain && alone => key,
            _ => None,
        }
    }

    /// The creations of a piece that are rejected only if there is one under their key: the type and the key.
    pub(super) fn told_creations<'a>(&self, accesses: impl Iterator<Item = &'a Access> + Clone) -> Vec<(ItemId, Value)> {
        let creations = accesses.filter(|access| access.write == Some(WriteKind::Create));
        let told = creations.clone().filter_map(|access| match &access.grain {
            Grain::Element(Some(key)) if access.always && !self.is_bound(access.record) => {
                Some((access.record, self.told_there(access.record, key)?))
            }
            _ => None,
        });
        // Of two of one type the second finds the first.
        told.filter(|(record, _)| creations.clone().filter(|other| other.record == *record).count() == 1).collect()
    }

    /// Whether invariants say what records of a type hold.
    fn is_bound(&self, record: ItemId) -> bool {
        let cells = record_sig(self.db, record).map_or(0, |sig| sig.cells.len());
        let mut cells = (0..cells as u32).map(|index| CellId { record, index });
        cells.any(|cell| facts::invariants_on(self.db, cell).iter().any(|invariant| facts::holds_always(self.db, *invariant)))
    }

    /// Of a creation that is sent: the key, if that is all that it is given.
    pub(super) fn given_key(&self, record: ItemId, created: &Grain) -> Option<Arc<[Value]>> {
        let alone = record_sig(self.db, record).is_some_and(|sig| sig.cells.len() == 1);
        let Grain::Element(Some(key)) = created else { return None };
        (alone && self.is_one_value(key)).then(|| [key.clone()].into())
    }

    /// The record that a piece is the creation of: the `create` block and the defaults, which are all that its body has, do not say so.
    pub(super) fn created(
        &self,
        body: BodyOwner,
        way: &Way,
        space: EffectSpace,
        made: Option<&Grain>,
        given: Option<&Arc<[Value]>>,
    ) -> Option<Access> {
        let BodyOwner::Create(record) = body else { return None };
        let site = match way {
            Way::Sent { at, .. } | Way::Undo { at } => *at,
            Way::Start => Site { body, index: 0 },
            Way::Arm { .. } => return None,
        };
        let grain = made.map_or(Grain::Whole, |made| self.made_under(record, made));
        Some(Access {
            record,
            cell: None,
            target: Target::Fresh,
            space,
            grain,
            write: Some(WriteKind::Create),
            value: None,
            fixed: false,
            // What its cells are given can have been read.
            blind: false,
            made: given.map(|of| Made { of: of.iter().cloned().collect(), copy: true, cells: None }),
            site,
            always: true,
            facts: Arc::default(),
            told: true,
            decides: Decides::Nothing,
            by: None,
        })
    }

    /// Whether a record stays under the key that its creation is given.
    fn is_kept(&self, record: ItemId) -> bool {
        let cells = record_sig(self.db, record).map(|sig| &sig.cells[..]).unwrap_or_default();
        let mut keys = cells.iter().enumerate().filter(|(_, cell)| cell.key);
        keys.all(|(index, _)| {
            let key = CellId { record, index: index as u32 };
            let own = &self.bodies.effects(BodyOwner::Create(record)).writes;
            !facts::is_changed(self.db, key) && own.iter().all(|write| write.cell != Some(key))
        })
    }

    /// Whether a value is the same wherever the chain names it: a local can be another one in every round of a loop, a cell can be written.
    fn is_one_value(&self, value: &Value) -> bool {
        match value {
            Value::Literal(_) | Value::SelfRecord => true,
            Value::Local(local) => self.is_param(*local),
            Value::Cell(path) => self.is_one_record(&path.0) && !facts::is_changed(self.db, path.1),
        }
    }

    fn is_one_record(&self, target: &Target) -> bool {
        match target {
            Target::SelfRecord => true,
            Target::Local(local) => self.is_param(*local),
            Target::Key(_, key) => self.is_one_value(key),
            Target::Path(path) => self.is_one_record(&path.0) && !facts::is_changed(self.db, path.1),
            Target::Fresh | Target::Unknown => false,
        }
    }
}
