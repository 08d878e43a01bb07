//! Events received: one for every event from outside for as long as outcomes are kept, so each takes little room.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

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
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    // Ids come from outside: the hash is one that nobody can aim at.
    events: HashMap<EventId, Remembered>,
    /// Events to forget, by the time kept until. Times grow with the clock; a clock set back only delays forgetting.
    expiries: VecDeque<(i64, EventId)>,
}

/// A [`ReceivedEvent`] in little room.
#[derive(Clone, Debug)]
enum Remembered {
    /// An event from outside committed without a result: by far the most.
    Done {
        keep_until: i64,
    },
    Other(Box<ReceivedEvent>),
}

/// What a handler without a result is answered with.
static NO_RESULT: Received = Received::Done(Outcome::Committed(Value::None));

impl Remembered {
    fn new(event: ReceivedEvent) -> Self {
        match event {
            ReceivedEvent { received: Received::Done(Outcome::Committed(Value::None)), keep_until: Some(keep_until), .. } => {
                Remembered::Done { keep_until }
            }
            event => Remembered::Other(Box::new(event)),
        }
    }

    fn received(&self) -> &Received {
        match self {
            Remembered::Done { .. } => &NO_RESULT,
            Remembered::Other(event) => &event.received,
        }
    }

    fn keep_until(&self) -> Option<i64> {
        match self {
            Remembered::Done { keep_until } => Some(*keep_until),
            Remembered::Other(event) => event.keep_until,
        }
    }

    fn into_event(self) -> ReceivedEvent {
        match self {
            Remembered::Done { keep_until } => {
                ReceivedEvent { received: NO_RESULT.clone(), ty: Type::Unknown, keep_until: Some(keep_until) }
            }
            Remembered::Other(event) => *event,
        }
    }
}

impl Inbox {
    pub fn received(&self, id: &EventId) -> Option<&Received> {
        self.events.get(id).map(Remembered::received)
    }

    pub fn keep_until(&self, id: &EventId) -> Option<i64> {
        self.events.get(id)?.keep_until()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&EventId, ReceivedEvent)> {
        self.events.iter().map(|(id, event)| (id, event.clone().into_event()))
    }

    /// Records an event, unless it is known; a deferred one is known no more if `decides` says so of the event that it waits for. Gives
    /// what was remembered before.
    pub fn record(
        &mut self,
        id: &EventId,
        received: &Received,
        ty: &Type,
        keep_until: Option<i64>,
        decides: impl FnOnce(&EventId) -> bool,
    ) -> Result<Option<ReceivedEvent>, Received> {
        let new = |keep_until| Remembered::new(ReceivedEvent { received: received.clone(), ty: ty.clone(), keep_until });
        let (old, keep_until) = match self.events.entry(id.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(new(keep_until));
                (None, keep_until)
            }
            Entry::Occupied(mut known) => {
                match known.get().received() {
                    Received::Deferred(decider) if decides(decider) => {}
                    known => return Err(known.clone()),
                }
                // The answer of a deferred event is kept as the event was: one from inside until its sender has dealt with it.
                let keep_until = known.get().keep_until().and(keep_until);
                (Some(known.insert(new(keep_until)).into_event()), keep_until)
            }
        };
        if let Some(time) = keep_until {
            // A note too many, left when this is taken back, forgets nothing: `expire` asks the event's own time.
            self.expiries.push_back((time, id.clone()));
        }
        Ok(old)
    }

    pub fn forget(&mut self, id: &EventId) -> Option<ReceivedEvent> {
        self.events.remove(id).map(Remembered::into_event)
    }

    /// Puts back what was there.
    pub fn restore(&mut self, id: EventId, event: ReceivedEvent) {
        self.events.insert(id, Remembered::new(event));
    }

    /// Takes an event from a checkpoint, in the order of `keep_until`.
    pub fn load(&mut self, id: EventId, event: ReceivedEvent) {
        if let Some(time) = event.keep_until {
            self.expiries.push_back((time, id.clone()));
        }
        self.restore(id, event);
    }

    /// Forgets what has been kept long enough.
    pub fn expire(&mut self, now: i64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.expiries.front().is_none_or(|(time, _)| *time >= now) {
                return;
            }
            let (time, id) = self.expiries.pop_front().expect("there is a first");
            // What is still to be answered stays: the answer brings a time of its own.
            if let Entry::Occupied(event) = self.events.entry(id)
                && event.get().keep_until() == Some(time)
                && !matches!(event.get().received(), Received::Deferred(_))
            {
                event.remove();
            }
        }
    }
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
        let record =
            |inbox: &mut Inbox, name: &str, received, until| inbox.record(&id(name), &received, &Type::Unknown, until, |by| *by == id("x"));
        assert_eq!(record(&mut inbox, "a", done(Value::None), Some(10)), Ok(None));
        assert_eq!(record(&mut inbox, "b", done(Value::Int(1)), Some(20)), Ok(None));
        assert_eq!(record(&mut inbox, "c", Received::Deferred(id("x")), Some(20)), Ok(None));
        assert_eq!(record(&mut inbox, "d", Received::Deferred(id("x")), None), Ok(None));
        assert_eq!(record(&mut inbox, "b", done(Value::None), Some(30)), Err(done(Value::Int(1))));
        inbox.expire(30);
        assert_eq!(inbox.iter().count(), 2);
        for name in ["c", "d"] {
            assert!(record(&mut inbox, name, done(Value::Int(2)), Some(50)).is_ok_and(|old| old.is_some()));
        }
        assert_eq!(inbox.received(&id("c")), Some(&done(Value::Int(2))));
        inbox.expire(51);
        // The one from inside is forgotten by its sender only.
        assert_eq!(inbox.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [id("d")]);
        assert!(inbox.forget(&id("d")).is_some());
    }
}
