//! `order "1 2 2.1 1.1"`: which transaction comes when, by name.
//!
//! `1` is the first event of the statement that follows (in `concurrently`, the first session's), `1.2` the second event that it sends, where it
//! arrives or the outside is called, `1.2.then` the arm that takes its outcome, `1.2.then.1` what that sends; `2/3` the third event of the second
//! session. `1.reads` is an attempt that reads now and is committed at `1`; `2.next` the next statement of the second session; `1.1.tried`
//! notes a call that must not be repeated; `1.1.lost` a call whose answer is lost, `1.1.refuses` one that is refused; `crash` the death of the
//! process.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::engine::{Doing, Entry, Session, What};
use crate::event::EventId;

/// What an event from outside is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventName {
    pub session: Session,
    /// Counts the events of the session.
    pub event: u32,
    /// Counts the events of the statement; for one of several sessions, counts these.
    pub number: u32,
    /// Counts the events of a session within the statement.
    pub nth: u32,
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            1 => write!(f, "{}", self.number),
            nth => write!(f, "{}/{nth}", self.number),
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A transaction, or a call answered as the test says.
    Done(String),
    Reads(String),
    Tried(String),
    Lost(String),
    Refuses(String),
    /// The session of this number does its next statement.
    Next(u32),
    Crash,
}

impl Item {
    /// The items of an order, or the word that is none.
    pub fn parse_all(order: &str) -> Result<Vec<Item>, String> {
        order.split_whitespace().map(|word| Item::parse(word).ok_or_else(|| word.to_owned())).collect()
    }

    fn parse(word: &str) -> Option<Item> {
        if word == "crash" {
            return Some(Item::Crash);
        }
        let (name, last) = word.rsplit_once('.').unwrap_or((word, ""));
        if last == "next" {
            return name.parse().ok().map(Item::Next);
        }
        let item: fn(String) -> Item = match last {
            "reads" => Item::Reads,
            "tried" => Item::Tried,
            "lost" => Item::Lost,
            "refuses" => Item::Refuses,
            _ => return is_name(word).then(|| Item::Done(word.to_owned())),
        };
        is_name(name).then(|| item(name.to_owned()))
    }
}

fn is_name(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split('.');
    let first = parts.next().is_some_and(|part| match part.split_once('/') {
        Some((session, nth)) => number(session) && number(nth),
        None => number(part),
    });
    first && parts.all(|part| part == "then" || number(part))
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Done(name) => f.write_str(name),
            Item::Reads(name) => write!(f, "{name}.reads"),
            Item::Tried(name) => write!(f, "{name}.tried"),
            Item::Lost(name) => write!(f, "{name}.lost"),
            Item::Refuses(name) => write!(f, "{name}.refuses"),
            Item::Next(session) => write!(f, "{session}.next"),
            Item::Crash => f.write_str("crash"),
        }
    }
}

/// The names of the transactions of one statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    events: FxHashMap<EventId, String>,
    /// By the name of a transaction: events that it sent.
    sent: FxHashMap<String, u32>,
}

impl Names {
    /// An event from outside is called so.
    pub fn event(&mut self, id: EventId, name: EventName) {
        self.events.insert(id, name.to_string());
    }

    /// Names what was sent.
    pub fn note(&mut self, entry: &Entry) {
        let What::Sent { by, arm, .. } = &entry.what else { return };
        let Some(parent) = self.transaction(by, *arm) else { return };
        let count = self.sent.entry(parent.clone()).or_default();
        *count += 1;
        self.events.insert(entry.event.clone(), format!("{parent}.{count}"));
    }

    /// What an event is called.
    pub fn of(&self, event: &EventId) -> Option<&str> {
        self.events.get(event).map(String::as_str)
    }

    /// What the transaction is called that does this with an event.
    pub fn of_step(&self, event: &EventId, doing: Doing) -> Option<String> {
        self.transaction(event, doing == Doing::Settle)
    }

    fn transaction(&self, event: &EventId, arm: bool) -> Option<String> {
        let name = self.events.get(event)?;
        Some(if arm { format!("{name}.then") } else { name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_written_alike() {
        let order = "1 2.reads 2/3.1 crash 2.1.then 2.1.then.1.lost 3.next 4.1.refuses 4.2.tried";
        let items = Item::parse_all(order).expect("all words are items");
        let written: Vec<String> = items.iter().map(Item::to_string).collect();
        assert_eq!(written.join(" "), order);
        assert_eq!(Item::parse_all("1 2.x"), Err("2.x".to_owned()));
        for wrong in ["", ".1", "a", "1.", "then", "1/.2"] {
            assert_eq!(Item::parse(wrong), None, "{wrong}");
        }
    }
}
