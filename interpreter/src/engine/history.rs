//! What an engine did, in order: for tests, and to compare runs.

use std::fmt;

use super::Engine;
use super::job::Job;
use crate::event::{EventId, Outcome};
use crate::store::{ReadKey, Write};

/// One thing that happened to an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub event: EventId,
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An attempt read the state.
    Ran,
    /// What its commit changed; said before [`What::Committed`].
    Wrote(Vec<Write>),
    Committed {
        store: usize,
        version: u64,
    },
    /// What the attempt had read changed before it could commit.
    Lost(ReadKey),
    /// The receiver knew it already.
    Duplicate,
    Sent {
        by: EventId,
        /// By the arm that took its outcome, not where it arrived.
        arm: bool,
        /// The event in a few words: "Person/ada.link".
        what: String,
    },
    /// The outside was asked.
    Called {
        attempt: u32,
    },
    Outcome(Outcome),
    Parked(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.event.0;
        match &self.what {
            What::Ran => write!(f, "{event} ran"),
            What::Wrote(writes) => write!(f, "{event} wrote {writes:?}"),
            What::Committed { store, version } => write!(f, "{event} committed in store {store} as {version}"),
            What::Lost(key) => write!(f, "{event} lost: {key:?} changed"),
            What::Duplicate => write!(f, "{event} was received before"),
            What::Sent { by, what, .. } => write!(f, "{event}, {what}, was sent by {}", by.0),
            What::Called { attempt } => write!(f, "{event} called the outside, attempt {attempt}"),
            What::Outcome(Outcome::Committed(value)) => write!(f, "{event} was answered {value:?}"),
            What::Outcome(Outcome::Failed(failure)) => write!(f, "{event} failed: {failure}"),
            What::Parked(reason) => write!(f, "{event} was parked: {reason}"),
        }
    }
}

impl Engine {
    /// Whether a history is kept.
    pub(crate) fn records_history(&self) -> bool {
        self.history.is_some()
    }

    pub(super) fn note(&mut self, event: &EventId, what: impl FnOnce() -> What) {
        if let Some(history) = &mut self.history {
            history.push(Entry { event: event.clone(), what: what() });
        }
    }

    pub(super) fn note_job(&mut self, job: &Job, what: impl FnOnce() -> What) {
        if self.history.is_some()
            && let Some(event) = self.event_of(&job.kind).cloned()
        {
            self.note(&event, what);
        }
    }
}
