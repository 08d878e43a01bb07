//! Removals that come first: while the other side of a mirror has not taken away what a `remove(f) first` takes away, nobody is told of
//! anything that may rely on it.
//!
//! What a transaction relies on is not known at a finer grain than its spaces: until such a removal has been acknowledged, outcomes of
//! commits that wrote or read its space are not told, and nothing that the space sends reaches another space or the outside. The commits
//! themselves do not wait, nor does what stays within the space, since nobody outside can see it without being told.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use patternc_program::{Mirror, Program};
use rustc_hash::FxHashSet;

use super::flight::FlightKey;
use super::job::{Job, JobKey, Kind, space_of};
use super::outside::Ticket;
use super::{Engine, Point, Step};
use crate::attempt::Env;
use crate::event::{Action, EventId, Outcome, Outgoing, Received};
use crate::failure::{Failure, FailureKind};
use crate::store::{CommitRequest, StoreError};
use crate::value::{RecordRef, SpaceRef, Value};

/// Removals on their way, and what waits for them.
#[derive(Clone, Default)]
pub(super) struct Fences {
    in_use: bool,
    removals: HashMap<SpaceRef, BTreeSet<FlightKey>>,
    waiting: VecDeque<Fenced>,
    /// What the commit that is being dealt with has to wait for.
    raised: BTreeSet<FlightKey>,
}

#[derive(Clone)]
struct Fenced {
    removals: BTreeSet<FlightKey>,
    then: Then,
}

#[derive(Clone)]
enum Then {
    Tell { ticket: Ticket, event: EventId, outcome: Outcome, point: Option<Point>, deadline: i64 },
    Run(Box<Job>),
    Start(FlightKey),
}

impl Fences {
    pub fn new(program: &Program) -> Self {
        Fences { in_use: program.mirrors.iter().any(|mirror| mirror.remove_first), ..Fences::default() }
    }

    /// Whether any mirror asks for it.
    pub fn in_use(&self) -> bool {
        self.in_use
    }

    /// The spaces that a commit depends on; none where no fence can be.
    pub fn spaces_of(&self, request: &CommitRequest, receiver: Option<&SpaceRef>) -> Vec<SpaceRef> {
        if !self.in_use {
            return Vec::new();
        }
        let read = request.reads.iter().map(|read| space_of(&read.key));
        let spaces: FxHashSet<&SpaceRef> = request.spaces.iter().chain(read).chain(receiver).collect();
        spaces.into_iter().cloned().collect()
    }

    /// What is told from here on relies on these spaces.
    pub fn raise(&mut self, spaces: &[SpaceRef]) {
        self.raised = spaces.iter().filter_map(|space| self.removals.get(space)).flatten().copied().collect();
    }

    /// Ends [`Fences::raise`].
    pub fn lower(&mut self) {
        self.raised.clear();
    }

    /// The job, unless it has to wait.
    pub fn after(&mut self, job: Job) -> Option<Job> {
        if self.raised.is_empty() {
            return Some(job);
        }
        self.waiting.push_back(Fenced { removals: self.raised.clone(), then: Then::Run(Box::new(job)) });
        None
    }

    /// When the first of those who wait to be told is told that it takes too long.
    pub fn deadline(&self) -> Option<i64> {
        let deadlines = self.waiting.iter().filter_map(|fenced| match fenced.then {
            Then::Tell { deadline, .. } => Some(deadline),
            Then::Run(_) | Then::Start(_) => None,
        });
        deadlines.min()
    }
}

impl Job {
    /// Where an event from outside arrives.
    pub(super) fn space(&self) -> Option<&SpaceRef> {
        match &self.kind {
            Kind::Outside { event, .. } => match &event.action {
                Action::Handler { to, .. } | Action::Saga { to, .. } => Some(to.space()),
                Action::Create { space, .. } => Some(space),
                Action::Extern { .. } => None,
            },
            _ => None,
        }
    }
}

impl Engine {
    /// Whoever waits to be told, with the events of the removals that they wait for; the fences are down after it.
    pub(super) fn take_fenced(&mut self) -> Vec<(Vec<EventId>, Ticket, EventId)> {
        let waiting = std::mem::take(&mut self.fences.waiting);
        self.fences = Fences { in_use: self.fences.in_use, ..Fences::default() };
        let tells = waiting.into_iter().filter_map(|fenced| match fenced.then {
            Then::Tell { ticket, event, .. } => {
                let removals = fenced.removals.iter().filter_map(|key| Some(self.flights.get(key)?.outgoing.event.id.clone()));
                Some((removals.collect(), ticket, event))
            }
            // Found again with the events that they deliver.
            Then::Run(_) | Then::Start(_) => None,
        });
        tells.collect()
    }

    /// Has them wait again, after everything was found anew.
    pub(super) fn fence_again(&mut self, fenced: Vec<(Vec<EventId>, Ticket, EventId)>) -> Result<(), StoreError> {
        for (removals, ticket, event) in fenced {
            for store in 0..self.stores.len() {
                // One whose commit is lost runs again.
                let Some(Received::Done(outcome)) = self.stores.get(store).received(&event)? else { continue };
                let point = Some(Point { store, version: self.stores.get(store).version() });
                let keys: Vec<FlightKey> = removals.iter().filter_map(|removal| self.by_event.get(removal).copied()).collect();
                self.fences.raised = keys.into_iter().collect();
                self.finish(ticket, &event, outcome, point);
                self.fences.lower();
                break;
            }
        }
        Ok(())
    }

    /// Notes a removal that others have to wait for.
    pub(super) fn fence_removal(&mut self, key: FlightKey, outgoing: &Outgoing) {
        if self.fences.in_use && self.is_first_removal(outgoing) {
            self.fences.removals.entry(outgoing.from.space().clone()).or_default().insert(key);
        }
    }

    /// Whether it takes a fact away, for a mirror that wants this to come first.
    fn is_first_removal(&mut self, outgoing: &Outgoing) -> bool {
        let program = self.program.clone();
        let Some(mirror) = self.mirror_of(outgoing).map(|mirror| &program.mirrors[mirror as usize]).filter(|mirror| mirror.remove_first)
        else {
            return false;
        };
        let Ok(Some(fact)) = self.stores.of(outgoing.from.space()).cell(&outgoing.from, Mirror::FACT) else { return true };
        let env = Env { program: &program, stores: &self.stores, limits: &self.limits, answers: None, now: 0, ids: 0, caller: None };
        let removal = self.execution.mirror_call(&env, mirror.remove, &fact);
        // In doubt, the others wait.
        !matches!(removal, Ok(Ok(removal)) if removal != outgoing.event.action)
    }

    /// What a new difference stands in for, an old one no longer does.
    pub(super) fn fence_instead(&mut self, old: FlightKey, new: FlightKey, from: &RecordRef) {
        if !self.fences.removals.get(from.space()).is_some_and(|removals| removals.contains(&new)) {
            return;
        }
        for fenced in &mut self.fences.waiting {
            if fenced.removals.remove(&old) {
                fenced.removals.insert(new);
            }
        }
    }

    /// The removal has reached the other side, or is no longer wanted.
    pub(super) fn release_fence(&mut self, key: FlightKey, from: &RecordRef) {
        let Some(removals) = self.fences.removals.get_mut(from.space()) else { return };
        if !removals.remove(&key) {
            return;
        }
        if removals.is_empty() {
            self.fences.removals.remove(from.space());
        }
        let mut released = Vec::new();
        for mut fenced in std::mem::take(&mut self.fences.waiting) {
            fenced.removals.remove(&key);
            if fenced.removals.is_empty() {
                released.push(fenced.then);
            } else {
                self.fences.waiting.push_back(fenced);
            }
        }
        let raised = std::mem::take(&mut self.fences.raised);
        for then in released {
            match then {
                Then::Tell { ticket, event, outcome, point, .. } => self.finish(ticket, &event, outcome, point),
                Then::Run(job) => {
                    let key: JobKey = self.key();
                    self.jobs.insert(key, *job);
                    self.ready.push_back(Step::Run(key));
                }
                Then::Start(flight) => self.start(flight),
            }
        }
        self.fences.raised = raised;
    }

    /// The outcome, if it may be told now.
    pub(super) fn tell_later(
        &mut self,
        ticket: Ticket,
        event: &EventId,
        outcome: Outcome,
        point: Option<Point>,
    ) -> Option<(Outcome, Option<Point>)> {
        if self.fences.raised.is_empty() {
            return Some((outcome, point));
        }
        let deadline = self.host.now().saturating_add(self.limits.unavailable_timeout);
        let then = Then::Tell { ticket, event: event.clone(), outcome, point, deadline };
        self.fences.waiting.push_back(Fenced { removals: self.fences.raised.clone(), then });
        None
    }

    /// Whether the event has to wait for removals of the space that it comes from.
    pub(super) fn waits_at_fence(&mut self, key: FlightKey, outgoing: &Arc<Outgoing>) -> bool {
        let Some(removals) = self.fences.removals.get(outgoing.from.space()) else { return false };
        let stays = match &outgoing.event.action {
            Action::Handler { to, .. } | Action::Saga { to, .. } => to.space() == outgoing.from.space(),
            Action::Create { space, .. } => space == outgoing.from.space(),
            Action::Extern { .. } => self.program.mirror_kept_by(outgoing.from.record()).is_some(),
        };
        if stays {
            return false;
        }
        self.fences.waiting.push_back(Fenced { removals: removals.clone(), then: Then::Start(key) });
        true
    }

    /// Tells those who have waited too long that the other side does not answer.
    pub(super) fn expire_fenced(&mut self, now: i64) {
        let late = |fenced: &Fenced| matches!(fenced.then, Then::Tell { deadline, .. } if deadline <= now);
        while let Some(at) = self.fences.waiting.iter().position(late) {
            let Some(Fenced { then: Then::Tell { ticket, event, .. }, .. }) = self.fences.waiting.remove(at) else { return };
            let message = format!(
                "what a mirror removes first has not reached the other side for {} ms (setting `unavailable-timeout`); what it depends on is \
                 committed, and is told when it is sent again with the same id after that",
                self.limits.unavailable_timeout
            );
            self.finish(ticket, &event, Outcome::Failed(Failure::new(FailureKind::Unavailable, message)), None);
        }
    }

    /// The value of a cell of a ledger's record.
    pub(super) fn of_ledger(&self, record: &RecordRef, cell: patternc_program::CellIndex) -> Option<Value> {
        self.stores.of(record.space()).cell(record, cell).ok().flatten()
    }
}
