//! Effects of many transactions, brought to one for each row: a counter that was changed a thousand times costs one update.

use std::collections::BTreeMap;

use super::effect::Effect;
use super::native::Native;

/// Many effects, brought to one for each row.
#[derive(Debug, Default)]
pub(in crate::store) struct Changes {
    pub(in crate::store) records: BTreeMap<u64, RecordChange>,
    pub(in crate::store) outbox: BTreeMap<String, OutboxChange>,
    pub(in crate::store) inbox: BTreeMap<String, Option<InboxRow>>,
}

#[derive(Debug, Default)]
pub(in crate::store) struct RecordChange {
    /// The type, and where the record is, when it was created.
    pub(in crate::store) new: Option<(u32, String, String)>,
    /// The type, when it was deleted.
    pub(in crate::store) deleted: Option<u32>,
    pub(in crate::store) columns: BTreeMap<u32, Native>,
    pub(in crate::store) collections: BTreeMap<u32, CollectionChange>,
}

#[derive(Debug, Default)]
pub(in crate::store) struct CollectionChange {
    pub(in crate::store) cleared: bool,
    /// `None`: it is gone.
    pub(in crate::store) elements: BTreeMap<Native, Option<Native>>,
}

#[derive(Debug)]
pub(in crate::store) enum OutboxChange {
    New { sent: u64, event: Native, state: Native },
    State(Native),
    Gone,
}

#[derive(Debug)]
pub(in crate::store) struct InboxRow {
    pub(in crate::store) received: Native,
    pub(in crate::store) ty: String,
    pub(in crate::store) keep_until: Option<i64>,
}

impl Changes {
    /// Adds an effect after those before.
    pub(in crate::store) fn add(&mut self, effect: Effect) {
        match effect {
            Effect::New { ty, n, space, id } => self.records.entry(n).or_default().new = Some((ty, space, id)),
            Effect::Del { ty, n } => {
                let record = self.records.entry(n).or_default();
                *record = RecordChange { new: record.new.take(), deleted: Some(ty), ..RecordChange::default() };
            }
            Effect::Set { cell, n, value } => {
                self.records.entry(n).or_default().columns.insert(cell, value);
            }
            Effect::Put { cell, n, key, value } => {
                self.records.entry(n).or_default().collections.entry(cell).or_default().elements.insert(key, Some(value));
            }
            Effect::Rem { cell, n, key } => {
                self.records.entry(n).or_default().collections.entry(cell).or_default().elements.insert(key, None);
            }
            Effect::Clr { cell, n } => {
                let cleared = CollectionChange { cleared: true, elements: BTreeMap::new() };
                self.records.entry(n).or_default().collections.insert(cell, cleared);
            }
            Effect::Out { sent, id, event, state } => {
                self.outbox.insert(id, OutboxChange::New { sent, event, state });
            }
            Effect::State { id, state } => match self.outbox.get_mut(&id) {
                Some(OutboxChange::New { state: old, .. }) => *old = state,
                _ => {
                    self.outbox.insert(id, OutboxChange::State(state));
                }
            },
            Effect::Unout { id } => {
                self.outbox.insert(id, OutboxChange::Gone);
            }
            Effect::In { id, received, ty, keep_until } => {
                self.inbox.insert(id, Some(InboxRow { received, ty, keep_until }));
            }
            // What invariants read is learned anew when a store is opened.
            Effect::Inv { .. } => {}
            Effect::Forget { id } => {
                self.inbox.insert(id, None);
            }
        }
    }
}
