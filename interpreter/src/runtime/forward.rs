//! Events of a process that only reads its stores: another owns them, and takes the events in this one's stead.
//!
//! Whoever forwards asks again and again: with the events that have come since, in order, and for the outcomes of those before. The owner
//! ([`Desk`]) submits them in a session of its own for each of the other's, and tells each outcome once, when it is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patternc_program::{Program, Type};
use serde_json::{Value as Json, json};

use super::{Caretaker, Slot, Taken, lock};
use crate::engine::{Receipt, Session};
use crate::event::{Event, EventId, Outcome, Received};
use crate::failure::{Failure, FailureKind};
use crate::json::{JsonError, Names};
use crate::store::StoreError;
use crate::store::format::events::{EventReader, write_action, write_received};

/// Events of one request at most.
const AT_ONCE: usize = 1_024;
/// How long the owner waits for an outcome before it says that there is none.
const DECIDE: Duration = Duration::from_millis(50);
/// How often it looks whether there is one.
const LOOK: Duration = Duration::from_millis(1);
/// How long the owner keeps what nobody asks about.
const FORGET: Duration = Duration::from_secs(60);

/// The process that owns the stores.
pub trait Owner: Send {
    /// Asks it for something; `None` if there is no owner, or none that listens.
    fn ask(&mut self, request: &str) -> Result<Option<String>, StoreError>;
}

/// An event on its way to the owner.
struct Sent {
    session: Session,
    event: Event,
    slot: Arc<Slot>,
}

/// The thread that forwards; it ends when this is dropped.
pub(super) struct Forward {
    sender: Option<Sender<Sent>>,
    thread: Option<JoinHandle<()>>,
}

impl Forward {
    /// Begins to forward, under a name that no other process has.
    pub fn start(program: Arc<Program>, name: String, owner: Box<dyn Owner>) -> Result<Self, StoreError> {
        let (sender, receiver) = channel();
        let begin = std::thread::Builder::new().name("patternc-forward".to_owned());
        let forwarder = Forwarder { program, name, owner, waiting: HashMap::new(), began: false };
        let thread = begin
            .spawn(move || forwarder.run(&receiver))
            .map_err(|error| StoreError { message: format!("the thread that forwards does not start: {error}"), transient: false })?;
        Ok(Forward { sender: Some(sender), thread: Some(thread) })
    }

    /// Has the owner take an event; its outcome comes into the slot.
    pub fn send(&self, session: Session, event: Event, slot: Arc<Slot>) {
        let sent = self.sender.as_ref().map(|sender| sender.send(Sent { session, event, slot }));
        if let Some(Err(unsent)) = sent {
            unsent.0.slot.fill(Receipt::shut_down());
        }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; who waits for an outcome is told when the runtime stops.
            let _ = thread.join();
        }
    }
}

struct Forwarder {
    program: Arc<Program>,
    name: String,
    owner: Box<dyn Owner>,
    waiting: HashMap<EventId, Vec<(Type, Arc<Slot>)>>,
    /// Whether the owner knows of this process.
    began: bool,
}

impl Forwarder {
    fn run(mut self, receiver: &Receiver<Sent>) {
        loop {
            let mut batch = Vec::new();
            // With nothing to wait for, it waits for an event.
            let patience = if self.waiting.is_empty() { Duration::from_secs(3600) } else { Duration::ZERO };
            match receiver.recv_timeout(patience) {
                Ok(sent) => batch.push(sent),
                Err(RecvTimeoutError::Timeout) if self.waiting.is_empty() => continue,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.give_up(&Receipt::shut_down()),
            }
            batch.extend(receiver.try_iter().take(AT_ONCE - 1));
            let request = self.request(batch);
            match self.owner.ask(&request.to_string()) {
                Ok(Some(answer)) => self.hear(&answer),
                Ok(None) => self.lost("the process that owned the store ended"),
                Err(error) => self.lost(&error.message),
            }
        }
    }

    fn request(&mut self, batch: Vec<Sent>) -> Json {
        let mut events = Vec::with_capacity(batch.len());
        for Sent { session, event, slot } in batch {
            match event_text(&self.program, &event) {
                Ok(text) => {
                    let ty = event.action.result_type(&self.program);
                    self.waiting.entry(event.id.clone()).or_default().push((ty, slot));
                    events.push(json!({ "session": session.0, "id": &*event.id.0, "caller": event.caller.as_deref(), "event": text }));
                }
                Err(error) => slot.fill(Receipt::refused(Failure::new(FailureKind::Rejected, error.to_string()))),
            }
        }
        json!({ "do": "events", "from": self.name, "begins": !std::mem::replace(&mut self.began, true), "events": events })
    }

    fn hear(&mut self, answer: &str) {
        let answer: Json = match serde_json::from_str(answer) {
            Ok(answer) => answer,
            Err(error) => return self.lost(&format!("the owner of the store answers what is no JSON: {error}")),
        };
        if let Some(error) = answer["error"].as_str() {
            return self.lost(error);
        }
        let names = Names::new(&self.program);
        for told in answer["decided"].as_array().into_iter().flatten() {
            let (Some(id), Some(text)) = (told["id"].as_str(), told["outcome"].as_str()) else { continue };
            for (ty, slot) in self.waiting.remove(&EventId(id.into())).unwrap_or_default() {
                let read = EventReader { program: &self.program, names: &names }.received(text, &ty);
                slot.fill(match read {
                    Ok(Received::Done(outcome)) => Receipt::decided(outcome),
                    Ok(Received::Deferred(_)) => Receipt::refused(unreadable("it is not decided")),
                    Err(error) => Receipt::refused(unreadable(&error.to_string())),
                });
            }
        }
    }

    /// The owner is gone, or does not know what was asked of it.
    fn lost(&mut self, why: &str) {
        self.began = false;
        let message =
            format!("{why}; whether the event was committed is not known: its outcome shows when it is sent again with the same id");
        self.give_up(&Receipt::refused(Failure::new(FailureKind::Unavailable, message)));
    }

    fn give_up(&mut self, receipt: &Receipt) {
        for (_, slot) in self.waiting.drain().flat_map(|(_, waiting)| waiting) {
            slot.fill(receipt.clone());
        }
    }
}

fn unreadable(why: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("the owner of the store runs other patterns, whose answer does not fit: {why}"))
}

fn event_text(program: &Program, event: &Event) -> Result<String, JsonError> {
    let mut out = String::from("{");
    write_action(&mut out, program, &event.action)?;
    out.push('}');
    Ok(out)
}

/// Takes the events that other processes forward.
#[derive(Default)]
pub struct Desk {
    askers: HashMap<String, Asker>,
}

struct Asker {
    asked: Instant,
    /// By the number of the other's session.
    sessions: HashMap<u64, Session>,
    open: Vec<(Taken, Type)>,
}

impl Desk {
    /// Takes what is forwarded, and says what is decided. `None`: it is not understood, or the runtime has stopped.
    pub fn answer(&mut self, caretaker: &Caretaker, request: &Json) -> Option<Json> {
        let (from, events) = (request["from"].as_str()?, request["events"].as_array()?);
        if request["begins"] == true {
            let asker = Asker { asked: Instant::now(), sessions: HashMap::new(), open: Vec::new() };
            self.askers.insert(from.to_owned(), asker);
        }
        let Some(asker) = self.askers.get_mut(from) else {
            return Some(json!({ "error": "the process that owned the store ended" }));
        };
        let program = caretaker.program()?;
        let names = Names::new(&program);
        let mut decided: Vec<Json> = Vec::new();
        for sent in events {
            let id = EventId(sent["id"].as_str()?.into());
            let event = serde_json::from_str(sent["event"].as_str()?).ok()?;
            match (EventReader { program: &program, names: &names }).action(&event) {
                Ok(action) => {
                    let session = match asker.sessions.get(&sent["session"].as_u64()?) {
                        Some(session) => *session,
                        None => *asker.sessions.entry(sent["session"].as_u64()?).or_insert(caretaker.session()?),
                    };
                    let ty = action.result_type(&program);
                    let caller = sent["caller"].as_str().map(Arc::from);
                    asker.open.push((caretaker.submit(session, id, caller, action)?, ty));
                }
                Err(error) => {
                    let message = format!("the owner of the store runs other patterns: {error}");
                    let outcome = Outcome::Failed(Failure::new(FailureKind::Rejected, message));
                    decided.push(told(&program, &id, outcome, &Type::Unknown));
                }
            }
        }
        let deadline = Instant::now() + DECIDE;
        loop {
            asker.open.retain_mut(|(taken, ty)| match taken.poll() {
                Some(outcome) => {
                    decided.push(told(&program, taken.id(), outcome, ty));
                    false
                }
                None => true,
            });
            if asker.open.is_empty() || !decided.is_empty() || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(LOOK);
        }
        asker.asked = Instant::now();
        Some(json!({ "decided": decided }))
    }

    /// Whether anyone waits for an outcome.
    pub fn is_busy(&self) -> bool {
        self.askers.values().any(|asker| !asker.open.is_empty())
    }

    /// Drops what belongs to processes that have stopped asking. What they sent goes on.
    pub fn forget(&mut self) {
        self.askers.retain(|_, asker| asker.open.is_empty() || asker.asked.elapsed() < FORGET);
    }
}

fn told(program: &Program, id: &EventId, outcome: Outcome, ty: &Type) -> Json {
    let mut text = String::new();
    if let Err(error) = write_received(&mut text, program, &Received::Done(outcome), ty) {
        text.clear();
        let failed = Received::Done(Outcome::Failed(unreadable(&error.to_string())));
        write_received(&mut text, program, &failed, &Type::Unknown).expect("a failure can always be written");
    }
    json!({ "id": &*id.0, "outcome": text })
}

impl Caretaker {
    /// A new session, as [`super::Runtime::session`].
    fn session(&self) -> Option<Session> {
        Some(self.running()?.session())
    }

    fn submit(&self, session: Session, id: EventId, caller: Option<Arc<str>>, action: crate::event::Action) -> Option<Taken> {
        Some(self.running()?.submit(session, Some(id), caller, action))
    }
}

impl super::Shared {
    /// Whether another process owns the stores, and takes the events.
    pub(super) fn forwards(&self) -> bool {
        lock(&self.forward).is_some()
    }
}
