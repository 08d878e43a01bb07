//! What an event on its way is part of: the saga whose step it does, and the events that wait for its answer, perhaps in other stores.

use std::collections::HashMap;

use patternc_interpreter::store::format::glance::StoredEvent;
use serde_json::{Map, Value};

use super::{Event, Seen, State};

/// Characters of arguments that are shown to people.
const LONGEST: usize = 200;

/// A step of a saga.
pub struct Step {
    /// As `Claim.take`.
    pub saga: String,
    /// With what it calls: "lease: Claim.hold".
    pub step: String,
    /// It is undone.
    pub undoing: bool,
}

impl Step {
    /// The step that an event does or undoes, if it does.
    pub fn of(stored: &StoredEvent) -> Option<Step> {
        let progress = stored.event.get("step")?;
        let step = progress.get("steps")?.as_array()?.last()?.as_str()?.to_owned();
        Some(Step { saga: progress.get("saga")?.as_str()?.to_owned(), step, undoing: progress.get("undoing").is_some() })
    }

    /// In words.
    pub fn words(&self) -> String {
        format!("{}step `{}` of the saga {}", if self.undoing { "undoes the " } else { "" }, self.step, self.saga)
    }
}

/// Who waits for the answer of an event.
pub struct Answers {
    /// The id of the event that it decides.
    pub id: String,
    /// "Buyer/b@shop -> Buyer/b@shop.buy"; `None` of one from outside.
    pub what: Option<String>,
}

/// The arguments of an event, or the cells of what it creates.
pub fn arguments(stored: &StoredEvent) -> Map<String, Value> {
    let given = stored.event.get("args").or_else(|| stored.event.get("cells"));
    given.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The arguments as people read them; nothing where there are none.
pub fn shown(arguments: &Map<String, Value>) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let given = arguments.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ");
    match given.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("({}…)", &given[..cut]),
        None => format!("({given})"),
    }
}

/// Finds out of each event whose answer it gives, and whether its own hangs on one that is parked.
pub fn find(seen: &mut [Seen]) {
    let pairs = || seen.iter().flat_map(|seen| seen.glance.iter().flat_map(|glance| &glance.events).zip(&seen.events));
    let known: HashMap<&str, (&StoredEvent, &Event)> = pairs().map(|(stored, event)| (stored.id.as_str(), (stored, event))).collect();
    let mut hangs: HashMap<String, String> = HashMap::new();
    for (parked, _) in pairs().filter(|(stored, _)| stored.parked.is_some()) {
        // An event is answered by one that was sent after it: that ends.
        let mut answered = answered_by(parked);
        while let Some((waiting, _)) = answered.and_then(|id| known.get(id)) {
            hangs.entry(waiting.id.clone()).or_insert_with(|| parked.known_as().to_owned());
            answered = answered_by(waiting);
        }
    }
    let mut answers: HashMap<String, Answers> = pairs()
        .filter_map(|(stored, _)| {
            let id = answered_by(stored)?;
            let waiting = known.get(id).map(|(_, event)| *event);
            let what = waiting.map(|event| format!("{} -> {}", event.from, event.what));
            let id = waiting.map_or(id, |event| &event.id).to_owned();
            Some((stored.id.clone(), Answers { id, what }))
        })
        .collect();
    for Seen { glance, events, .. } in seen {
        for (stored, event) in glance.iter().flat_map(|glance| &glance.events).zip(events) {
            event.answers = answers.remove(&stored.id);
            if event.state == State::OnItsWay
                && let Some(on) = hangs.remove(&stored.id)
            {
                (event.state, event.hangs_on) = (State::Hanging, Some(on));
            }
        }
    }
}

/// The event whose outcome this one decides.
fn answered_by(stored: &StoredEvent) -> Option<&str> {
    stored.event.get("answers").and_then(Value::as_str)
}
