//! Which processes share the store, as far as this one knows.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long it is believed who was alive. Who comes waits longer for a process that does not look ([`super::statements::UNAWARE`]).
const BELIEVED: Duration = Duration::from_secs(1);

/// The processes that were seen lately.
#[derive(Default)]
pub(super) struct Live {
    /// Unknown before they were looked for.
    runtimes: Option<HashSet<i64>>,
    /// When the server was asked.
    asked: Option<Instant>,
    /// How often there were others than before.
    changes: u64,
}

impl Live {
    /// What the server says that was asked at a time. Gives whether that is something new.
    pub(super) fn learn(&mut self, runtimes: HashSet<i64>, asked: Instant) -> bool {
        self.asked = Some(asked);
        let new = self.runtimes.as_ref() != Some(&runtimes);
        if new {
            self.changes += 1;
            self.runtimes = Some(runtimes);
        }
        new
    }

    /// How often there were others than before.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// All of them.
    pub(super) fn runtimes(&self) -> Option<&HashSet<i64>> {
        self.runtimes.as_ref()
    }

    /// Whether this process is the only one, since which change.
    pub(super) fn alone(&self, runtime: i64) -> Option<u64> {
        let asked = self.asked.is_some_and(|asked| asked.elapsed() < BELIEVED);
        let only = self.runtimes.as_ref().is_some_and(|runtimes| runtimes.len() == 1 && runtimes.contains(&runtime));
        (asked && only).then_some(self.changes)
    }

    /// Whether this is the process that does what one is enough for.
    pub(super) fn is_first(&self, runtime: i64) -> bool {
        self.runtimes.iter().flatten().min().is_none_or(|first| *first == runtime)
    }
}
