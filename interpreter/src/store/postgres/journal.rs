//! Entries of the journal: one for each turn, the same effects as in every store's journal.

use tokio_postgres::Row;

use crate::json::Names;
use crate::store::format::effect::{self, Effect};
use crate::store::format::record::Recorder;
use crate::store::format::replay::Replayer;
use crate::store::state::State;
use crate::store::{CommitRequest, InboxChange, News, OutboxChange};
use patternc_program::Program;

/// What one turn has done.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) position: i64,
    /// The process that wrote it.
    pub(super) runtime: i64,
    /// The newest time of its transactions, in milliseconds since the epoch.
    pub(super) now: i64,
    pub(super) effects: Vec<Effect>,
}

/// Over everything in the row, so that no part of it can change unseen.
pub(super) fn checksum(position: i64, batch: &str, runtime: i64, now: i64, effects: &str) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(batch.as_bytes());
    hasher.update(&runtime.to_le_bytes());
    hasher.update(&now.to_le_bytes());
    hasher.update(effects.as_bytes());
    i64::from(hasher.finalize())
}

/// Reads rows that follow on a position. The error says what is damaged.
pub(super) fn entries(after: i64, rows: &[Row]) -> Result<Vec<Entry>, String> {
    let mut before = after;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let (position, runtime, now): (i64, i64, i64) = (row.get(0), row.get(2), row.get(3));
        let (batch, text): (&str, &str) = (row.get(1), row.get(4));
        let damaged = |what: &str| format!("the journal's entry {position}: {what}");
        if position != before + 1 {
            return Err(damaged(&format!("it should follow on entry {before}")));
        }
        if row.get::<_, i64>(5) != checksum(position, batch, runtime, now, text) {
            return Err(damaged("its checksum is wrong"));
        }
        let effects = effect::read(text).map_err(|error| damaged(&error.to_string()))?;
        entries.push(Entry { position, runtime, now, effects });
        before = position;
    }
    Ok(entries)
}

/// A state that follows the journal.
pub(super) struct Follower {
    pub(super) state: State,
    pub(super) recorder: Recorder,
    pub(super) replayer: Replayer,
    pub(super) names: Names,
    /// By events on their way that another process sent or changed last: which.
    pub(super) owners: rustc_hash::FxHashMap<crate::event::EventId, i64>,
}

impl Follower {
    /// Does what an entry of another process says, and what is news in it.
    pub(super) fn follow(&mut self, program: &Program, entry: Entry, news: &mut News) -> Result<(), String> {
        let position = entry.position;
        let damaged = |what: String| format!("the journal's entry {position} cannot be followed: {what}");
        let Follower { state, recorder, replayer, names, .. } = self;
        let created: Vec<u64> = entry.effects.iter().filter_map(|e| if let Effect::New { n, .. } = e { Some(*n) } else { None }).collect();
        if created.first().is_some_and(|first| *first != state.next_order()) || !created.windows(2).all(|pair| pair[1] == pair[0] + 1) {
            return Err(damaged("the records it creates are not the next".to_owned()));
        }
        let replayed = replayer.request(program, names, state, recorder, entry.effects);
        let replayed = replayed.map_err(|error| damaged(error.to_string()))?;
        self.state.replay(&replayed.request, entry.now).map_err(|error| damaged(error.to_string()))?;
        self.note(&replayed.request, entry.runtime, news);
        for (name, record) in replayed.evaluated {
            let of = program.record(record.record());
            if let Some(&invariant) = of.invariants.iter().find(|&&i| program.invariants[i as usize].name.as_str() == name) {
                news.evaluated.push((invariant, record));
            }
        }
        Ok(())
    }

    fn note(&mut self, request: &CommitRequest, runtime: i64, news: &mut News) {
        for change in &request.outbox {
            match change {
                OutboxChange::Add(outgoing) => {
                    self.owners.insert(outgoing.event.id.clone(), runtime);
                    news.sent.push(outgoing.clone());
                }
                OutboxChange::Update(event, _) => {
                    self.owners.insert(event.clone(), runtime);
                    news.changed.push(event.clone());
                }
                OutboxChange::Remove(event) => {
                    self.owners.remove(event);
                    news.removed.push(event.clone());
                }
                OutboxChange::Require(_) => {}
            }
        }
        for change in &request.inbox {
            if let InboxChange::Record { event, .. } = change {
                news.received.push(event.clone());
            }
        }
    }

    /// Takes note of what this process has committed itself.
    pub(super) fn own(&mut self, request: &CommitRequest) {
        for change in &request.outbox {
            if let OutboxChange::Update(event, _) | OutboxChange::Remove(event) = change {
                self.owners.remove(event);
            }
        }
    }
}
