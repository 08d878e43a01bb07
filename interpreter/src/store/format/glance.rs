//! What is on its way in a store, read by anyone at any time: without owning it, without the program that wrote it, and without the records.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value as Json;

use super::effect::Effect;
use super::native::Native;
use super::saga;
use super::schema::StoredSchema;
use crate::event::{Rejections, known_as};
use crate::json::{Path, from_text};

/// The durable state of a store, as far as it says what is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// Events on their way, in the order they were sent.
    pub events: Vec<StoredEvent>,
    /// Records that are there, but for what mirrors keep for themselves.
    pub records: i64,
    /// Events received whose outcomes are remembered.
    pub received: i64,
}

/// An event on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub id: String,
    /// By names, as the store keeps it: `handler`, `to`, `args`, `from`, `due` and so on.
    pub event: Json,
    /// Why it is parked, if it is.
    pub parked: Option<String>,
    /// Of a parked one that failed: the kind of the failure. Without, it is done, and what follows on it is parked.
    pub failed: Option<String>,
    /// Whether a call that must not be repeated was begun.
    pub tried: bool,
}

impl StoredEvent {
    /// The id under which it is shown, as [`Outgoing::known_as`](crate::event::Outgoing::known_as).
    pub fn known_as(&self) -> &str {
        known_as(&self.id, self.event.get("answers").and_then(Json::as_str), self.rejections().is_some())
    }

    /// How often it was rejected, of a step of a saga that has to be done.
    pub fn rejections(&self) -> Option<Rejections> {
        saga::rejections(self.event.get("step")?, &Path::Root).ok()?
    }
}

/// The tables, over which the journal is laid.
#[derive(Debug, Default)]
pub(in crate::store) struct Overlay {
    records: i64,
    pub(in crate::store) received: i64,
    /// Id, event and state, by the order of sending.
    outbox: BTreeMap<u64, (String, String, String)>,
    places: HashMap<String, u64>,
    /// The ids of the types whose records mirrors keep for themselves.
    of_mirrors: HashSet<u32>,
}

impl Overlay {
    /// Nothing yet, of a store of this schema.
    pub(in crate::store) fn of(schema: &StoredSchema) -> Self {
        let of_mirrors = schema.types.iter().filter(|ty| ty.is_kept_by_mirror()).map(|ty| ty.id).collect();
        Overlay { of_mirrors, ..Overlay::default() }
    }

    /// Adds so many records of a type, or takes them away.
    pub(in crate::store) fn count(&mut self, ty: u32, more: i64) {
        if !self.of_mirrors.contains(&ty) {
            self.records += more;
        }
    }

    /// Adds an event on its way.
    pub(in crate::store) fn send(&mut self, sent: u64, id: String, event: String, state: String) {
        self.places.insert(id.clone(), sent);
        self.outbox.insert(sent, (id, event, state));
    }

    /// Lays the next effect of the journal over what is there.
    pub(in crate::store) fn lay(&mut self, effect: Effect) {
        match effect {
            Effect::New { ty, .. } => self.count(ty, 1),
            Effect::Del { ty, .. } => self.count(ty, -1),
            Effect::Out { sent, id, event, state } => self.send(sent, id, text(event), text(state)),
            Effect::State { id, state } => {
                if let Some(row) = self.places.get(&id).and_then(|sent| self.outbox.get_mut(sent)) {
                    row.2 = text(state);
                }
            }
            Effect::Unout { id } => {
                if let Some(sent) = self.places.remove(&id) {
                    self.outbox.remove(&sent);
                }
            }
            // A deferred event that is decided is recorded twice: near enough for a number.
            Effect::In { .. } => self.received += 1,
            Effect::Forget { .. } => self.received -= 1,
            Effect::Set { .. } | Effect::Put { .. } | Effect::Rem { .. } | Effect::Clr { .. } | Effect::Inv { .. } => {}
        }
    }

    /// What it says. The error names what is damaged.
    pub(in crate::store) fn read(self) -> Result<Glance, String> {
        let mut glance = Glance { records: self.records, received: self.received, ..Glance::default() };
        for (_, (id, event, state)) in self.outbox {
            let damaged = |what: String| format!("the event {id:?} is damaged: {what}");
            let event = from_text(&event).map_err(|error| damaged(error.to_string()))?;
            let (parked, failed) = match state.as_str() {
                "pending" | "tried" => (None, None),
                other => {
                    let state = from_text(other).map_err(|error| damaged(error.to_string()))?;
                    let failed = state.get("outcome").and_then(|outcome| outcome.get("failed")).and_then(Json::as_str);
                    let reason = state.get("parked").and_then(Json::as_str).unwrap_or_default();
                    (Some(reason.to_owned()), failed.map(str::to_owned))
                }
            };
            glance.events.push(StoredEvent { id, event, parked, failed, tried: state == "tried" });
        }
        Ok(glance)
    }
}

fn text(native: Native) -> String {
    match native {
        Native::Text(text) => text,
        // Not what a store writes.
        Native::Null | Native::Integer(_) | Native::Real(_) => String::new(),
    }
}
