//! The world in which every schedule is tried: an engine over stores in memory that can be copied at any point.

use std::sync::Arc;

use patternc_program::{Program, Source};

use crate::engine::{CallAnswer, Doing, Engine, Entry, ExternCall, InFlight, Overlap, Session, Submitted, Ticket};
use crate::event::{Action, Event, EventId, Outcome};
use crate::host::Host;
use crate::limits::Limits;
use crate::machine::Execution;
use crate::simulate::Request;
use crate::simulate::order::{EventName, Item, Names};
use crate::simulate::stage::Stage;
use crate::store::memory::Memory;
use crate::store::state::Schema;
use crate::store::{Store, StoreError, Stores};

/// 2026-01-01T00:00:00Z: when explorations begin.
pub(super) const BEGINNING: i64 = 1_767_225_600_000;

/// A clock that stands, and ids that follow from the event: the same transaction makes the same ids in every schedule.
struct Standing {
    now: i64,
    draws: u64,
}

impl Host for Standing {
    fn now(&mut self) -> i64 {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.draws += 1;
        self.draws
    }

    fn ids(&mut self, event: &EventId, arm: bool) -> u128 {
        let mut hash = super::canonical::Hash::new();
        hash.text(&event.0);
        hash.word(u64::from(arm));
        hash.finish()
    }
}

fn host(now: i64) -> Box<Standing> {
    Box::new(Standing { now, draws: 0 })
}

/// An event from outside that has no outcome yet.
#[derive(Clone)]
pub(super) struct Asked {
    pub request: Request,
    pub session: Session,
    event: Arc<Event>,
    ticket: Option<Ticket>,
}

impl Asked {
    /// The id of the event.
    pub fn id(&self) -> &str {
        &self.event.id.0
    }
}

/// See the module's documentation.
pub(super) struct Exploring {
    engine: Engine,
    now: i64,
    holds: u32,
    sent: u64,
    asked: Vec<Asked>,
    outcomes: Vec<(Request, Outcome)>,
    calls: Vec<ExternCall>,
    /// Whether events may be delivered that were received: after a crash, or by someone's second try.
    anew: bool,
    /// For a way that is told.
    told: Option<Box<Told>>,
}

/// What is known of a way that is told.
#[derive(Clone, Default)]
pub(super) struct Told {
    pub names: Names,
    /// Where the statement begins that runs.
    pub statement: Option<Source>,
}

impl Exploring {
    /// Empty stores. `places`: for each declared space, the store that keeps it.
    pub fn new(program: &Arc<Program>, places: Vec<usize>, limits: &Limits) -> Result<Self, StoreError> {
        let schema = Arc::new(Schema::new(program));
        let count = places.iter().max().map_or(1, |most| most + 1);
        let stores = (0..count).map(|_| Box::new(Memory::new(schema.clone(), limits)) as Box<dyn Store>).collect();
        let stores = Stores::new(stores, places);
        let engine = Engine::open(program.clone(), stores, host(BEGINNING), limits.clone(), Overlap::Unvalidated)?;
        Ok(Exploring {
            engine,
            now: BEGINNING,
            holds: 0,
            sent: 0,
            asked: Vec::new(),
            outcomes: Vec::new(),
            calls: Vec::new(),
            anew: false,
            told: None,
        })
    }

    /// The same point once more, to go another way from it.
    pub fn fork(&self) -> Self {
        Exploring {
            engine: self.engine.fork(host(self.now)).expect("stores in memory can be copied"),
            now: self.now,
            holds: self.holds,
            sent: self.sent,
            asked: self.asked.clone(),
            outcomes: self.outcomes.clone(),
            calls: self.calls.clone(),
            anew: self.anew,
            told: None,
        }
    }

    /// Becomes the same as another point of the search.
    pub fn stand_as(&mut self, other: &Self) {
        let Exploring { engine, now, holds, sent, asked, outcomes, calls, anew, told: _ } = other;
        self.engine.stand_as(engine);
        if self.now != *now {
            self.engine.set_host(host(*now));
        }
        self.now = *now;
        self.holds = *holds;
        self.sent = *sent;
        self.asked.clone_from(asked);
        self.outcomes.clone_from(outcomes);
        self.calls.clone_from(calls);
        self.anew = *anew;
        self.told = None;
    }

    /// Takes the room that attempts use, and gives its own: points that wait need none.
    pub fn swap_room(&mut self, room: &mut Execution) {
        self.engine.swap_room(room);
    }

    /// Keeps a history and names from now on.
    pub fn tell(&mut self) {
        self.engine.record_history();
        self.told = Some(Box::default());
    }

    /// What is known of the way, if it is told.
    pub fn told(&self) -> Option<&Told> {
        self.told.as_deref()
    }

    /// What happened since the last call, on a way that is told.
    pub fn take_history(&mut self) -> Vec<Entry> {
        let entries = self.engine.take_history();
        if let Some(told) = &mut self.told {
            entries.iter().for_each(|entry| told.names.note(entry));
        }
        entries
    }

    /// Delivers an event on its way once more.
    pub fn deliver_again(&mut self, at: u16) {
        self.anew = true;
        self.engine.deliver_again(u64::from(at));
    }

    /// The events on their way.
    pub fn in_flight(&self) -> Vec<InFlight<'_>> {
        self.engine.in_flight(self.anew)
    }

    /// Events from outside without an outcome, in the order sent.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Whether the outcome of an event from outside is known.
    pub fn has_outcome(&self, request: Request) -> bool {
        self.outcomes.iter().any(|(known, _)| *known == request)
    }

    /// Calls to the outside that wait for an answer; none while deliveries wait.
    pub fn calls(&self) -> &[ExternCall] {
        if self.is_held() { &[] } else { &self.calls }
    }

    /// Answers a call.
    pub fn answer(&mut self, call: usize, answer: CallAnswer) {
        let call = self.calls.remove(call);
        self.engine.answer(&call.event, call.attempt, answer);
    }

    /// The positions of the steps that can be taken.
    pub fn steps(&self) -> Vec<usize> {
        let held = self.is_held();
        let steps = self.engine.next_steps().enumerate();
        steps.filter(|(_, step)| step.event.is_some() && (!held || step.outside)).map(|(at, _)| at).collect()
    }

    /// Whether nothing can happen but what sessions do.
    pub fn is_idle(&self) -> bool {
        let held = self.is_held();
        !self.engine.next_steps().any(|step| step.event.is_some() && (!held || step.outside)) && self.calls().is_empty()
    }

    /// Does all that makes no difference which anyone could see, and takes what the engine has to say.
    pub fn settle(&mut self) {
        loop {
            self.engine.wake();
            self.engine.end_pauses();
            self.engine.restart_stale();
            while let Some(call) = self.engine.take_call() {
                self.calls.push(call);
            }
            self.take_outcomes();
            match self.unseen_step() {
                Some(step) => self.engine.step_at(step),
                None => return,
            }
        }
    }

    /// A step that only tidies up: events are forgotten, or one arrives where it was received before.
    fn unseen_step(&self) -> Option<usize> {
        let held = self.is_held();
        self.engine.next_steps().position(|step| match (step.event, step.doing) {
            (None, _) | (_, Doing::Forget) => true,
            (Some(event), Doing::Receive) => self.anew && !held && !step.outside && !step.commit && self.engine.was_received(event),
            _ => false,
        })
    }

    fn take_outcomes(&mut self) {
        while let Some((ticket, receipt)) = self.engine.take_finished() {
            let Some(at) = self.asked.iter().position(|asked| asked.ticket == Some(ticket)) else { continue };
            let outcome = receipt.open(&self.engine).unwrap_or_else(|_| unreachable!("stores in memory are durable at once"));
            let asked = self.asked.remove(at);
            self.outcomes.push((asked.request, outcome));
        }
    }

    fn submit(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        match self.engine.submit(asked.session, asked.event.clone()) {
            Submitted::Pending(ticket) => asked.ticket = Some(ticket),
            Submitted::Done(receipt) => {
                let outcome = receipt.open(&self.engine).unwrap_or_else(|_| unreachable!("stores in memory are durable at once"));
                let asked = self.asked.remove(at);
                self.outcomes.push((asked.request, outcome));
            }
        }
    }
}

impl Stage for Exploring {
    fn engine(&self) -> &Engine {
        &self.engine
    }

    fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    fn send(&mut self, name: EventName, caller: Option<Arc<str>>, action: Action) -> Request {
        self.sent += 1;
        let request = Request::numbered(self.sent);
        // The same in every schedule.
        let id = EventId(format!("{}.{}", name.session.0, name.event).into());
        if let Some(told) = &mut self.told {
            told.names.event(id.clone(), name);
        }
        let event = Arc::new(Event { id, caller, action });
        self.asked.push(Asked { request, session: name.session, event, ticket: None });
        self.submit(self.asked.len() - 1);
        request
    }

    fn begin_statement(&mut self, at: Source) {
        if let Some(told) = &mut self.told {
            told.names = Names::default();
            told.statement = Some(at);
        }
    }

    /// Every order is tried.
    fn follow(&mut self, _order: Vec<Item>) {}

    fn take_outcome(&mut self, request: Request) -> Option<Outcome> {
        let at = self.outcomes.iter().position(|(known, _)| *known == request)?;
        Some(self.outcomes.remove(at).1)
    }

    fn hold(&mut self) {
        self.holds += 1;
    }

    fn release(&mut self) {
        self.holds = self.holds.saturating_sub(1);
    }

    fn is_held(&self) -> bool {
        self.holds > 0
    }

    fn crash(&mut self) {
        let stores = self.engine.fork_stores().expect("stores in memory can be copied");
        let (program, limits) = (self.engine.program().clone(), self.engine.limits().clone());
        let recorded = self.engine.records_history();
        self.engine = Engine::open(program, stores, host(self.now), limits, Overlap::Unvalidated).expect("stores in memory open");
        if recorded {
            self.engine.record_history();
        }
        self.calls.clear();
        self.anew = true;
        let mut at = 0;
        while at < self.asked.len() {
            let before = self.asked.len();
            self.asked[at].ticket = None;
            self.submit(at);
            at += usize::from(self.asked.len() == before);
        }
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn set_now(&mut self, now: i64) {
        self.now = self.now.max(now);
        self.engine.set_host(host(self.now));
    }

    fn flush(&mut self) {}
}
