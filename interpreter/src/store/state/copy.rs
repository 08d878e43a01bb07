//! Copies of a state. Who copies one into another, whose data are no longer needed, gets by with the room that is there: an exploration makes
//! copies all the time.

use std::sync::Arc;

use super::{Cell, Entry, State, Table};
use crate::limits::Limits;

impl Clone for State {
    fn clone(&self) -> Self {
        let mut copy = State::new(self.schema.clone(), &Limits::default());
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Self) {
        let State {
            identity,
            schema,
            collection_length,
            version,
            entries,
            by_ref,
            tables,
            table_of,
            next_order,
            by_order,
            outbox,
            outbox_by_id,
            next_sent,
            inbox,
            invariant_reads,
            // Room, and no part of what is kept.
            scratch: _,
        } = other;
        self.identity = *identity;
        self.collection_length = *collection_length;
        self.version = *version;
        self.entries.clone_from(entries);
        self.tables.clone_from(tables);
        share(&mut self.schema, schema);
        share(&mut self.by_ref, by_ref);
        share(&mut self.table_of, table_of);
        self.next_order = *next_order;
        self.by_order.clone_from(by_order);
        self.outbox.clone_from(outbox);
        self.outbox_by_id.clone_from(outbox_by_id);
        self.next_sent = *next_sent;
        self.inbox.clone_from(inbox);
        self.invariant_reads.clone_from(invariant_reads);
    }
}

/// Copies of one state mostly share it already.
fn share<T>(mine: &mut Arc<T>, other: &Arc<T>) {
    if !Arc::ptr_eq(mine, other) {
        mine.clone_from(other);
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        let Entry { key, table, presence, order, cells, readers } = self;
        Entry { key: key.clone(), table: *table, presence: *presence, order: *order, cells: cells.clone(), readers: readers.clone() }
    }

    fn clone_from(&mut self, other: &Self) {
        let Entry { key, table, presence, order, cells, readers } = other;
        if !self.key.is_same(key) {
            self.key.clone_from(key);
        }
        self.table = *table;
        self.presence = *presence;
        self.order = *order;
        self.cells.clone_from(cells);
        self.readers.clone_from(readers);
    }
}

impl Clone for Table {
    fn clone(&self) -> Self {
        let Table { space, live, deleted, membership, changed, indexes, readers } = self;
        Table {
            space: space.clone(),
            live: live.clone(),
            deleted: *deleted,
            membership: *membership,
            changed: changed.clone(),
            indexes: indexes.clone(),
            readers: readers.clone(),
        }
    }

    fn clone_from(&mut self, other: &Self) {
        let Table { space, live, deleted, membership, changed, indexes, readers } = other;
        self.space.clone_from(space);
        if self.live != *live {
            self.live.clone_from(live);
        }
        self.deleted = *deleted;
        self.membership = *membership;
        self.changed.clone_from(changed);
        self.indexes.clone_from(indexes);
        self.readers.clone_from(readers);
    }
}

impl Clone for Cell {
    fn clone(&self) -> Self {
        Cell { value: self.value.clone(), changed: self.changed }
    }

    fn clone_from(&mut self, other: &Self) {
        self.changed = other.changed;
        if !self.value.is_same(&other.value) {
            self.value.clone_from(&other.value);
        }
    }
}
