//! What has happened since the prompt began, by transaction: for `:history`, and to say who changed what another had read.

use std::collections::HashMap;

use patternc_interpreter::engine::{Entry, What};
use patternc_interpreter::event::{EventId, Outcome};
use patternc_interpreter::store::ReadKey;
use patternc_program::{Program, Type};

use super::show;

/// A transaction that was committed, or an event that failed.
pub struct Transaction {
    pub number: usize,
    /// "Person/ada.link(Person/bob)".
    pub what: String,
    /// The session, of an event from outside; what sent it, of others.
    pub by: String,
    /// What it wrote: the record, its cell if it is one, and a line that says it.
    pub changes: Vec<(String, Option<String>, String)>,
    pub failure: Option<String>,
    /// Times it ran again because of others.
    pub reruns: usize,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Journal {
    transactions: Vec<Transaction>,
    /// What each event is, and who sent it.
    events: HashMap<EventId, (String, String)>,
    reruns: HashMap<EventId, usize>,
    /// Events from outside whose answers are still to come, with what they answer.
    expected: HashMap<EventId, Type>,
}

impl Journal {
    /// Says what an event from outside is, before its entries are added.
    pub fn name(&mut self, event: EventId, what: String, session: &str) {
        self.events.insert(event, (what, format!("session {session}")));
    }

    /// The event is to be answered later.
    pub fn expect(&mut self, event: EventId, answer: Type) {
        self.expected.insert(event, answer);
    }

    /// The answer of an event has come.
    pub fn is_answered(&mut self, event: &EventId) {
        self.expected.remove(event);
    }

    /// What an event is whose answer was still to come, and what it answers.
    pub fn late(&self, event: &EventId) -> Option<(&str, &Type)> {
        Some((self.events.get(event)?.0.as_str(), self.expected.get(event)?))
    }

    /// What an event is that was sent by another.
    pub fn inner(&self, event: &EventId) -> Option<&str> {
        self.events.get(event).filter(|(_, by)| !by.starts_with("session ")).map(|(what, _)| what.as_str())
    }

    /// What an event is.
    pub fn what(&self, event: &EventId) -> Option<&str> {
        self.events.get(event).map(|(what, _)| what.as_str())
    }

    /// Adds what an engine did.
    pub fn add(&mut self, program: &Program, entries: &[Entry]) {
        for entry in entries {
            match &entry.what {
                What::Sent { by, what, .. } => {
                    let by = self.events.get(by).map_or_else(|| "an earlier event".to_owned(), |(what, _)| what.clone());
                    self.events.insert(entry.event.clone(), (what.clone(), by));
                }
                What::Lost(_) => *self.reruns.entry(entry.event.clone()).or_default() += 1,
                What::Wrote(changes) => {
                    let changes = changes.iter().map(|change| show::change(program, change)).collect();
                    self.push(&entry.event, changes, None);
                }
                What::Outcome(Outcome::Failed(failure)) => self.push(&entry.event, Vec::new(), Some(failure.to_string())),
                _ => {}
            }
        }
    }

    fn push(&mut self, event: &EventId, changes: Vec<(String, Option<String>, String)>, failure: Option<String>) {
        let unknown = || ("an event".to_owned(), "before this prompt".to_owned());
        let (what, by) = self.events.get(event).cloned().unwrap_or_else(unknown);
        let reruns = self.reruns.remove(event).unwrap_or(0);
        self.transactions.push(Transaction { number: self.transactions.len() + 1, what, by, changes, failure, reruns });
    }

    /// What wrote the record, or failed at it, in order.
    pub fn of<'j>(&'j self, record: &'j str) -> impl Iterator<Item = &'j Transaction> {
        let sent_to = move |what: &str| what.strip_prefix(record).is_some_and(|rest| rest.starts_with('.'));
        self.transactions.iter().filter(move |t| t.changes.iter().any(|(of, ..)| of == record) || sent_to(&t.what))
    }

    /// The last transaction that changed what was read.
    pub fn changed(&self, program: &Program, key: &ReadKey) -> Option<&Transaction> {
        let (record, cell) = show::read_place(program, key);
        self.transactions.iter().rev().find(|t| {
            t.changes.iter().any(|(of, changed, _)| {
                let same_record = if record.contains('/') { *of == record } else { of.starts_with(&format!("{record}/")) };
                same_record && (cell.is_none() || changed.is_none() || *changed == cell)
            })
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Forgets all but the first.
    pub fn truncate(&mut self, len: usize) {
        self.transactions.truncate(len);
    }
}
