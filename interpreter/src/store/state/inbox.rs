//! Events received: one for every event from outside for as long as outcomes are kept, so each takes little room and time.
//!
//! Those whose outcome is kept for a time stand in a row, in the order they came, which is the order in which they are forgotten; a table of
//! small numbers finds them. Those that others wait for (deferred ones) or forget (events from inside) are few, and in a map.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use patternc_program::Type;

use crate::event::{EventId, Outcome, Received};
use crate::value::Value;

/// Events forgotten by one commit at most, so that none takes long.
const FORGOTTEN_AT_ONCE: usize = 64;

/// What is remembered of an event received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedEvent {
    pub received: Received,
    /// The type of the value in it.
    pub ty: Type,
    /// Milliseconds since the epoch; `None`: until the sender has dealt with the outcome.
    pub keep_until: Option<i64>,
}

/// All events received.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Ids come from outside: the hash is one that nobody can aim at.
    hasher: RandomState,
    /// `None`: forgotten. Times grow with the clock; a clock set back only delays forgetting.
    row: VecDeque<Option<Kept>>,
    /// How many were taken from the front of the row: the number of its first.
    first: u32,
    /// Of each in the row, the hash (upper half) and the number (lower half, wrapping).
    table: HashTable<u64>,
    others: HashMap<EventId, ReceivedEvent>,
}

/// An event in the row.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    id: EventId,
    hash: u32,
    keep_until: i64,
    /// `None`: committed without a result, as most are.
    detail: Option<Box<(Received, Type)>>,
}

/// How to take back a change of the inbox. Changes are taken back in the opposite order.
#[derive(Clone, Debug)]
pub(super) enum InboxUndo {
    Record { id: EventId, old: Option<Box<ReceivedEvent>> },
    Forget { id: EventId, old: Box<Forgotten> },
}

/// What was forgotten, and where it was.
#[derive(Clone, Debug)]
pub(super) enum Forgotten {
    Row(u32, Kept),
    Other(ReceivedEvent),
}

/// What a handler without a result is answered with.
static NO_RESULT: Received = Received::Done(Outcome::Committed(Value::None));

impl Kept {
    fn received(&self) -> &Received {
        self.detail.as_ref().map_or(&NO_RESULT, |detail| &detail.0)
    }

    fn event(&self) -> ReceivedEvent {
        let ty = self.detail.as_ref().map_or(Type::Unknown, |detail| detail.1.clone());
        ReceivedEvent { received: self.received().clone(), ty, keep_until: Some(self.keep_until) }
    }
}

impl Clone for Inbox {
    fn clone(&self) -> Self {
        let mut copy = Inbox::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Self) {
        let Inbox { hasher, row, first, table, others } = other;
        self.hasher.clone_from(hasher);
        self.row.clone_from(row);
        self.first = *first;
        self.table.clone_from(table);
        self.others.clone_from(others);
    }
}

impl Inbox {
    pub fn received(&self, id: &EventId) -> Option<&Received> {
        match self.others.get(id) {
            Some(event) => Some(&event.received),
            None => self.kept(self.hash(id), id).map(Kept::received),
        }
    }

    pub fn keep_until(&self, id: &EventId) -> Option<i64> {
        match self.others.get(id) {
            Some(event) => event.keep_until,
            None => self.kept(self.hash(id), id).map(|kept| kept.keep_until),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&EventId, ReceivedEvent)> {
        let row = self.row.iter().flatten().map(|kept| (&kept.id, kept.event()));
        row.chain(self.others.iter().map(|(id, event)| (id, event.clone())))
    }

    /// Those from inside that are answered.
    pub fn remembered(&self) -> impl Iterator<Item = &EventId> {
        let answered = |event: &ReceivedEvent| event.keep_until.is_none() && matches!(event.received, Received::Done(_));
        self.others.iter().filter(move |(_, event)| answered(event)).map(|(id, _)| id)
    }

    /// Records an event, unless it is known; a deferred one is known no more if `decides` says so of the event that it waits for.
    pub fn record(
        &mut self,
        id: &EventId,
        received: &Received,
        ty: &Type,
        keep_until: Option<i64>,
        decides: impl FnOnce(&EventId) -> bool,
    ) -> Result<InboxUndo, Received> {
        let hash = self.hash(id);
        let mut keep_until = keep_until;
        let mut old = None;
        if let Some(known) = self.others.get(id) {
            match &known.received {
                Received::Deferred(decider) if decides(decider) => {}
                known => return Err(known.clone()),
            }
            // The answer of a deferred event is kept as the event was: one from inside until its sender has dealt with it.
            keep_until = known.keep_until.and(keep_until);
            old = self.others.remove(id).map(Box::new);
        } else if let Some(known) = self.kept(hash, id) {
            return Err(known.received().clone());
        }
        self.insert(hash, id, received, ty, keep_until);
        Ok(InboxUndo::Record { id: id.clone(), old })
    }

    pub fn forget(&mut self, id: &EventId) -> Option<InboxUndo> {
        let old = match self.others.remove(id) {
            Some(event) => Forgotten::Other(event),
            None => {
                let number = self.remove_number(self.hash(id), id)?;
                let position = self.position(number);
                Forgotten::Row(number, self.row[position].take().expect("what has a number is in the row"))
            }
        };
        Some(InboxUndo::Forget { id: id.clone(), old: Box::new(old) })
    }

    pub fn take_back(&mut self, undo: InboxUndo) {
        match undo {
            InboxUndo::Record { id, old } => {
                if self.others.remove(&id).is_none() {
                    let number = self.remove_number(self.hash(&id), &id);
                    let last = self.row.pop_back();
                    debug_assert!(number.is_some() && last.flatten().is_some_and(|kept| kept.id == id), "the last one recorded");
                }
                if let Some(old) = old {
                    self.others.insert(id, *old);
                }
            }
            InboxUndo::Forget { id, old } => match *old {
                Forgotten::Other(event) => {
                    self.others.insert(id, event);
                }
                Forgotten::Row(number, kept) => {
                    self.table.insert_unique(spread(kept.hash), entry(kept.hash, number), |entry| spread((entry >> 32) as u32));
                    let position = self.position(number);
                    self.row[position] = Some(kept);
                }
            },
        }
    }

    /// Takes an event from a checkpoint, in the order of `keep_until`.
    pub fn load(&mut self, id: EventId, event: ReceivedEvent) {
        self.insert(self.hash(&id), &id, &event.received, &event.ty, event.keep_until);
    }

    /// Forgets what has been kept long enough.
    pub fn expire(&mut self, now: i64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.row.front() {
                Some(Some(kept)) if kept.keep_until < now => {
                    let (hash, number) = (kept.hash, self.first);
                    if let Ok(found) = self.table.find_entry(spread(hash), |found| *found == entry(hash, number)) {
                        found.remove();
                    }
                }
                Some(None) => {}
                _ => return,
            }
            self.row.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn insert(&mut self, hash: u32, id: &EventId, received: &Received, ty: &Type, keep_until: Option<i64>) {
        let waiting = matches!(received, Received::Deferred(_));
        let Some(keep_until) = keep_until.filter(|_| !waiting) else {
            self.others.insert(id.clone(), ReceivedEvent { received: received.clone(), ty: ty.clone(), keep_until });
            return;
        };
        let number = self.first.wrapping_add(u32::try_from(self.row.len()).expect("fewer than 2^32 events fit in memory"));
        self.table.insert_unique(spread(hash), entry(hash, number), |entry| spread((entry >> 32) as u32));
        let detail = (*received != NO_RESULT).then(|| Box::new((received.clone(), ty.clone())));
        self.row.push_back(Some(Kept { id: id.clone(), hash, keep_until, detail }));
    }

    fn hash(&self, id: &EventId) -> u32 {
        (self.hasher.hash_one(id) >> 32) as u32
    }

    fn position(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    fn is(&self, found: u64, hash: u32, id: &EventId) -> bool {
        (found >> 32) as u32 == hash && self.row[self.position(found as u32)].as_ref().is_some_and(|kept| kept.id == *id)
    }

    fn kept(&self, hash: u32, id: &EventId) -> Option<&Kept> {
        let found = *self.table.find(spread(hash), |found| self.is(*found, hash, id))?;
        self.row[self.position(found as u32)].as_ref()
    }

    fn remove_number(&mut self, hash: u32, id: &EventId) -> Option<u32> {
        let found = *self.table.find(spread(hash), |found| self.is(*found, hash, id))?;
        if let Ok(entry) = self.table.find_entry(spread(hash), |other| *other == found) {
            entry.remove();
        }
        Some(found as u32)
    }
}

fn entry(hash: u32, number: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(number)
}

/// Half a hash spread over a whole one, as the table takes both ends of it (Fibonacci hashing).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        EventId(text.into())
    }

    fn done(value: Value) -> Received {
        Received::Done(Outcome::Committed(value))
    }

    #[test]
    fn events_are_kept_for_their_time_and_deferred_ones_until_they_are_answered() {
        let mut inbox = Inbox::default();
        let record = |inbox: &mut Inbox, name: &str, received, until| {
            let undo = inbox.record(&id(name), &received, &Type::Unknown, until, |by| *by == id("x"))?;
            Ok(matches!(undo, InboxUndo::Record { old: Some(_), .. }))
        };
        assert_eq!(record(&mut inbox, "a", done(Value::None), Some(10)), Ok(false));
        assert_eq!(record(&mut inbox, "b", done(Value::Int(1)), Some(20)), Ok(false));
        assert_eq!(record(&mut inbox, "c", Received::Deferred(id("x")), Some(20)), Ok(false));
        assert_eq!(record(&mut inbox, "d", Received::Deferred(id("x")), None), Ok(false));
        assert_eq!(record(&mut inbox, "b", done(Value::None), Some(30)), Err(done(Value::Int(1))));
        inbox.expire(30);
        assert_eq!(inbox.iter().count(), 2);
        for name in ["c", "d"] {
            assert!(record(&mut inbox, name, done(Value::Int(2)), Some(50)).is_ok_and(|replaced| replaced));
        }
        assert_eq!(inbox.received(&id("c")), Some(&done(Value::Int(2))));
        inbox.expire(51);
        // The one from inside is forgotten by its sender only.
        assert_eq!(inbox.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [id("d")]);
        assert!(inbox.forget(&id("d")).is_some());
    }
}
