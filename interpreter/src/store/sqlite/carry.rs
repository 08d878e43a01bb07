//! Brings data that are in memory only to a new version of their program.

use std::path::Path;
use std::sync::Arc;

use patternc_program::Program;

use super::{Opening, Sqlite};
use crate::limits::Limits;
use crate::store::state::State;
use crate::store::{CommitRequest, InboxChange, OutboxChange, Refused, Store, StoreError, Write};

/// The state as the program `to` has it: as if it had been stored by the program `from` and opened by the other, with the same refusals.
///
/// `scratch` is the path of a file that is not there yet and that the caller removes.
pub fn carry_over(state: &State, from: &Arc<Program>, to: &Arc<Program>, limits: &Limits, scratch: &Path) -> Result<State, StoreError> {
    let mut store = Sqlite::open(scratch, Opening::new(from.clone(), limits.clone()))?;
    let request = whole(state);
    let committed = store.commit(&request, i64::MIN).map_err(|refused| match refused {
        Refused::Store(error) => error,
        refused => StoreError { message: format!("the data cannot be carried over: {refused}"), transient: false },
    })?;
    store.wait_durable(committed.version)?;
    drop(store);
    let store = Sqlite::open(scratch, Opening::new(to.clone(), limits.clone()))?;
    Ok(store.state.clone())
}

/// One request that makes an empty store keep the same. Ids of deleted records are not part of it: those that are made do not repeat.
fn whole(state: &State) -> CommitRequest {
    let mut request = CommitRequest::default();
    for stored in state.records() {
        if let Some(cells) = stored.cells {
            request.writes.push(Write::Create { record: stored.record.clone(), cells: cells.cloned().collect() });
        }
    }
    request.outbox.extend(state.outgoing().cloned().map(OutboxChange::Add));
    request.inbox.extend(state.inbox().map(|(event, kept)| InboxChange::Record {
        event: event.clone(),
        received: kept.received,
        ty: kept.ty,
        keep_until: kept.keep_until,
    }));
    request
}
