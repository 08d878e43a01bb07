//! A store in memory: for the REPL, tests and exploration. Its data end with the process.

use std::sync::Arc;

use patternc_program::{CellIndex, RecordId};

use super::state::{Schema, State};
use super::{Capabilities, CommitRequest, Committed, Durability, Presence, ReadKey, Refused, Store, StoreError, Version};
use crate::event::{EventId, Outgoing, Received};
use crate::limits::Limits;
use crate::value::{RecordRef, SpaceRef, Value};

/// A [`State`] and nothing else. A clone is a store of its own with the same data.
#[derive(Clone, Debug)]
pub struct Memory {
    state: State,
}

impl Memory {
    /// An empty store for records of this schema.
    pub fn new(schema: Arc<Schema>, limits: &Limits) -> Self {
        Memory { state: State::new(schema, limits) }
    }

    /// A store of what is kept.
    pub fn with_state(state: State) -> Self {
        Memory { state }
    }

    /// What is kept, once the store is no longer needed.
    pub fn into_state(self) -> State {
        self.state
    }

    /// What is kept.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Store for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities { commits_across: true, durable: false, largest_batch: None, shared: false }
    }

    fn version(&self) -> Version {
        self.state.version()
    }

    fn presence(&self, record: &RecordRef) -> Result<Presence, StoreError> {
        Ok(self.state.presence(record))
    }

    fn cell(&self, record: &RecordRef, cell: CellIndex) -> Result<Option<Value>, StoreError> {
        Ok(self.state.cell(record, cell).cloned())
    }

    fn element(&self, record: &RecordRef, cell: CellIndex, key: &Value) -> Result<Option<Value>, StoreError> {
        Ok(self.state.element(record, cell, key).cloned())
    }

    fn unique(&self, record: RecordId, space: &SpaceRef, cell: CellIndex, value: &Value) -> Result<Option<RecordRef>, StoreError> {
        Ok(self.state.unique(record, space, cell, value).cloned())
    }

    fn scan(&self, record: RecordId, space: &SpaceRef, index: Option<(CellIndex, &Value)>) -> Result<Vec<RecordRef>, StoreError> {
        Ok(self.state.scan(record, space, index))
    }

    fn spaces(&self) -> Result<Vec<SpaceRef>, StoreError> {
        Ok(self.state.spaces())
    }

    fn dependents(&self, key: &ReadKey) -> Result<Vec<(u32, RecordRef)>, StoreError> {
        Ok(self.state.dependents(key))
    }

    fn received(&self, event: &EventId) -> Result<Option<Received>, StoreError> {
        Ok(self.state.received(event))
    }

    fn remembered(&self) -> Result<Vec<EventId>, StoreError> {
        Ok(self.state.remembered())
    }

    fn contents(&self) -> Result<State, StoreError> {
        Ok(self.state.clone())
    }

    fn outgoing(&self) -> Result<Vec<Arc<Outgoing>>, StoreError> {
        Ok(self.state.outgoing().cloned().collect())
    }

    fn outgoing_by_id(&self, event: &EventId) -> Result<Option<Arc<Outgoing>>, StoreError> {
        Ok(self.state.outgoing_by_id(event).cloned())
    }

    fn in_memory(&self) -> Option<&State> {
        Some(&self.state)
    }

    fn in_memory_mut(&mut self) -> Option<&mut State> {
        Some(&mut self.state)
    }

    fn commit(&mut self, request: &CommitRequest, now: i64) -> Result<Committed, Refused> {
        self.state.commit(request, now).map(|version| Committed { version })
    }

    /// Nothing survives the process: what is committed is as durable as it gets.
    fn durable(&self) -> Result<Version, StoreError> {
        Ok(self.state.version())
    }

    fn wait_durable(&self, _version: Version) -> Result<(), StoreError> {
        Ok(())
    }

    fn durability(&self) -> Arc<dyn Durability> {
        Arc::new(AtOnce)
    }
}

/// Nothing to wait for.
struct AtOnce;

impl Durability for AtOnce {
    fn durable(&self) -> Result<Version, StoreError> {
        Ok(Version(u64::MAX))
    }

    fn wait_durable(&self, _version: Version) -> Result<(), StoreError> {
        Ok(())
    }

    fn notify(&self, _callback: Box<dyn Fn() + Send + Sync>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_program::program;

    crate::store::conformance::store_conformance!({
        let schema = Arc::new(Schema::new(&program()));
        (Box::new(Memory::new(schema, &Limits::default())), ())
    });
}
