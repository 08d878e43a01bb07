//! Removals that come first: while the other side of a mirror has not taken away what a `remove(f) first` takes away, nobody is told of
//! anything that may rely on it.
//!
//! What a transaction relies on is not known at a finer grain than its spaces. Two rules keep it so that this is enough, also for other
//! processes, and after a crash:
//! - What a space holds relies on no removal of another space that is still under way: a transaction that has read another space waits, before
//!   its commit, for the removals that were under way there. Spaces that a handler may write together (`across`) count as one.
//! - Outcomes of what was received in a space, and what it sends to another space or to the outside, wait for the removals that are under way
//!   in it. So does an outcome that is found recorded.
//!
//! Which removals are under way is written in the stores, as outgoing events of ledgers: every process that shares a store knows it from there,
//! and one that starts finds it before it does anything else. The commits of a space itself do not wait, nor does what stays within it, since
//! nobody outside can see it without being told.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use patternc_program::{Home, Program, SpaceId};

use super::flight::{FlightKey, Stage};
use super::job::{Job, JobKey, Kind, Prepared, space_of};
use super::outside::Ticket;
use super::{Engine, Point, Step};
use crate::event::{Action, EventId, Outcome, Outgoing, Received};
use crate::failure::{Failure, FailureKind};
use crate::store::{CommitRequest, StoreError};
use crate::value::{RecordRef, SpaceRef, Value};

/// Removals on their way, and what waits for them.
#[derive(Clone, Default)]
pub(super) struct Fences {
    in_use: bool,
    /// By declared space: the first of those that one transaction may write with it, if there are any.
    together: Vec<Option<SpaceId>>,
    /// By space, or by the first of those that count as one.
    removals: HashMap<SpaceRef, BTreeSet<EventId>>,
    waiting: VecDeque<Fenced>,
    /// What is told now has to wait for these.
    raised: BTreeSet<EventId>,
    /// Where the events were received whose answers come later, if someone outside waits for them.
    awaited: HashMap<EventId, SpaceRef>,
}

#[derive(Clone)]
struct Fenced {
    removals: BTreeSet<EventId>,
    then: Then,
}

#[derive(Clone)]
enum Then {
    Tell {
        ticket: Ticket,
        event: EventId,
        outcome: Outcome,
        point: Option<Point>,
        deadline: i64,
    },
    Run(Box<Job>),
    /// The job has its attempt; only one from outside has a deadline.
    Commit {
        job: JobKey,
        deadline: Option<i64>,
    },
    Start(FlightKey),
}

impl Fences {
    pub fn new(program: &Program) -> Self {
        let in_use = program.mirrors.iter().any(|mirror| mirror.remove_first);
        Fences { in_use, together: if in_use { together(program) } else { Vec::new() }, ..Fences::default() }
    }

    /// Whether any mirror asks for it.
    pub fn in_use(&self) -> bool {
        self.in_use
    }

    /// The space as fences know it.
    fn place(&self, space: &SpaceRef) -> SpaceRef {
        match self.together.get(space.space.index()) {
            Some(&Some(first)) => SpaceRef { space: first, key: None },
            _ => space.clone(),
        }
    }

    /// The spaces, as fences know them, that a transaction has read or writes; none where no fence can be.
    pub fn spaces_of(&self, request: &CommitRequest) -> Vec<SpaceRef> {
        if !self.in_use {
            return Vec::new();
        }
        let read = request.reads.iter().map(|read| space_of(&read.key));
        let mut spaces: Vec<SpaceRef> = request.spaces.iter().chain(read).map(|space| self.place(space)).collect();
        spaces.sort_unstable();
        spaces.dedup();
        spaces
    }

    fn under_way<'a>(&self, spaces: impl IntoIterator<Item = &'a SpaceRef>) -> BTreeSet<EventId> {
        if self.removals.is_empty() {
            return BTreeSet::new();
        }
        spaces.into_iter().filter_map(|space| self.removals.get(&self.place(space))).flatten().cloned().collect()
    }

    /// The job, unless it has to wait.
    pub fn after(&mut self, job: Job) -> Option<Job> {
        if self.raised.is_empty() {
            return Some(job);
        }
        self.waiting.push_back(Fenced { removals: self.raised.clone(), then: Then::Run(Box::new(job)) });
        None
    }

    /// Someone outside waits for the answer of an event that was received here.
    pub fn awaits(&mut self, event: &EventId, space: Option<SpaceRef>) {
        if let Some(space) = space.filter(|_| self.in_use) {
            self.awaited.insert(event.clone(), space);
        }
    }

    /// Where an event was received that someone outside waits for, now that it is answered.
    pub fn no_longer_awaits(&mut self, event: &EventId) -> Option<SpaceRef> {
        self.awaited.remove(event)
    }

    /// When the first of those who wait from outside is told that it takes too long.
    pub fn deadline(&self) -> Option<i64> {
        self.waiting.iter().filter_map(Fenced::deadline).min()
    }
}

impl Fenced {
    fn deadline(&self) -> Option<i64> {
        match self.then {
            Then::Tell { deadline, .. } => Some(deadline),
            Then::Commit { deadline, .. } => deadline,
            Then::Run(_) | Then::Start(_) => None,
        }
    }
}

/// By declared space: the first of those that one transaction may write with it.
fn together(program: &Program) -> Vec<Option<SpaceId>> {
    let mut groups: Vec<BTreeSet<SpaceId>> = Vec::new();
    for handler in program.handlers.iter().filter(|handler| !handler.across.is_empty()) {
        let mut group: BTreeSet<SpaceId> = handler.across.iter().copied().collect();
        match program.record(handler.record).home {
            Home::Plain(space) | Home::Family(space) => drop(group.insert(space)),
            // It may be in any of them.
            Home::Floating => group.extend((0..program.spaces.len() as u32).map(SpaceId)),
        }
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|other| !other.is_disjoint(&group));
        group.extend(joined.into_iter().flatten());
        groups = apart;
        groups.push(group);
    }
    let first = |space: SpaceId| groups.iter().find(|group| group.contains(&space)).and_then(|group| group.first().copied());
    (0..program.spaces.len() as u32).map(|space| first(SpaceId(space))).collect()
}

impl Engine {
    /// The space whose removals the outcome of a job has to wait for: where its event is received, or its arm runs.
    pub(super) fn home_of(&self, kind: &Kind) -> Option<SpaceRef> {
        if !self.fences.in_use {
            return None;
        }
        match kind {
            Kind::Outside { event, .. } => receiving_space(&event.action).cloned(),
            Kind::Deliver { flight } => receiving_space(&self.flights.get(flight)?.outgoing.event.action).cloned(),
            Kind::Settle { flight, .. } => Some(self.flights.get(flight)?.outgoing.from.space().clone()),
            _ => None,
        }
    }

    /// The space in which the event of a flight is received.
    pub(super) fn receiving_space_of(&self, flight: FlightKey) -> Option<SpaceRef> {
        receiving_space(&self.flights.get(&flight)?.outgoing.event.action).cloned()
    }

    /// Whether the outcome of an event must not be recorded where it was sent before the removals have arrived that are under way where it is
    /// received: it would be found there after a crash.
    pub(super) fn is_fenced_off(&self, outgoing: &Outgoing) -> bool {
        self.fences.in_use
            && outgoing.answers.is_some()
            && receiving_space(&outgoing.event.action)
                .is_none_or(|space| self.fences.place(space) != self.fences.place(outgoing.from.space()))
    }

    /// What is told meanwhile relies on these spaces, besides those that are known already.
    pub(super) fn relying<'a>(&mut self, on: impl IntoIterator<Item = &'a SpaceRef>, tell: impl FnOnce(&mut Self)) {
        if !self.fences.in_use {
            return tell(self);
        }
        let more = self.fences.under_way(on);
        let raised = self.fences.raised.clone();
        self.fences.raised.extend(more);
        tell(self);
        self.fences.raised = raised;
    }

    /// The job and its attempt, unless that has read another space where removals are under way: then it waits for them, once.
    pub(super) fn before_commit(&mut self, key: JobKey, mut job: Job, mut prepared: Prepared) -> Option<(Job, Prepared)> {
        if self.fences.removals.is_empty() || prepared.fenced {
            return Some((job, prepared));
        }
        // What is told to the other sides of mirrors never waits for itself.
        let Some(home) = self.home_of(&job.kind) else { return Some((job, prepared)) };
        let own: BTreeSet<SpaceRef> = prepared.request.spaces.iter().chain([&home]).map(|space| self.fences.place(space)).collect();
        let removals = self.fences.under_way(prepared.relies.iter().filter(|space| !own.contains(space)));
        if removals.is_empty() {
            return Some((job, prepared));
        }
        let deadline = job.is_outside().then(|| self.host.now().saturating_add(self.limits.unavailable_timeout));
        prepared.fenced = true;
        job.prepared = Some(Box::new(prepared));
        self.jobs.insert(key, job);
        self.fences.waiting.push_back(Fenced { removals, then: Then::Commit { job: key, deadline } });
        None
    }

    /// Whoever waits to be told, with the removals that they wait for; the fences are down after it.
    pub(super) fn take_fenced(&mut self) -> Vec<(BTreeSet<EventId>, Ticket, EventId)> {
        let waiting = std::mem::take(&mut self.fences.waiting);
        self.fences.removals.clear();
        self.fences.raised.clear();
        let tells = waiting.into_iter().filter_map(|fenced| match fenced.then {
            Then::Tell { ticket, event, .. } => Some((fenced.removals, ticket, event)),
            // Found again with the events that they deliver, or first in their sessions.
            Then::Run(_) | Then::Start(_) | Then::Commit { .. } => None,
        });
        tells.collect()
    }

    /// Has them wait again, after everything was found anew.
    pub(super) fn fence_again(&mut self, fenced: Vec<(BTreeSet<EventId>, Ticket, EventId)>) -> Result<(), StoreError> {
        for (removals, ticket, event) in fenced {
            for store in 0..self.stores.len() {
                // One whose commit is lost runs again.
                let Some(Received::Done(outcome)) = self.stores.get(store).received(&event)? else { continue };
                let point = Some(Point { store, version: self.stores.get(store).version() });
                self.fences.raised = removals.into_iter().filter(|removal| self.by_event.contains_key(removal)).collect();
                self.finish(ticket, &event, outcome, point);
                self.fences.raised.clear();
                break;
            }
        }
        Ok(())
    }

    /// Notes a removal, which others have to wait for if its mirror wants it to come first.
    pub(super) fn fence_removal(&mut self, outgoing: &Outgoing) {
        let first = |mirror: u32| self.program.mirrors[mirror as usize].remove_first;
        if self.fences.in_use && self.mirror_of(outgoing).is_some_and(first) {
            let place = self.fences.place(outgoing.from.space());
            self.fences.removals.entry(place).or_default().insert(outgoing.event.id.clone());
        }
    }

    /// What a new difference stands in for, an old one no longer does.
    pub(super) fn fence_instead(&mut self, old: &EventId, new: &EventId, from: &RecordRef) {
        let place = self.fences.place(from.space());
        if !self.fences.removals.get(&place).is_some_and(|removals| removals.contains(new)) {
            return;
        }
        for fenced in &mut self.fences.waiting {
            if fenced.removals.remove(old) {
                fenced.removals.insert(new.clone());
            }
        }
    }

    /// The removal has reached the other side, or is no longer wanted.
    pub(super) fn release_fence(&mut self, removal: &EventId, from: &RecordRef) {
        if self.fences.removals.is_empty() {
            return;
        }
        let place = self.fences.place(from.space());
        let Some(removals) = self.fences.removals.get_mut(&place) else { return };
        if !removals.remove(removal) {
            return;
        }
        if removals.is_empty() {
            self.fences.removals.remove(&place);
        }
        let mut released = Vec::new();
        for mut fenced in std::mem::take(&mut self.fences.waiting) {
            fenced.removals.remove(removal);
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
                Then::Commit { job, .. } => self.ready.push_back(Step::Commit(job)),
                Then::Start(flight) => {
                    if let Some(flight) = self.flights.get_mut(&flight) {
                        flight.goes_on();
                    }
                    self.start(flight);
                }
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
        let removals = self.fences.under_way([outgoing.from.space()]);
        if removals.is_empty() {
            return false;
        }
        let stays = match receiving_space(&outgoing.event.action) {
            Some(space) => space == outgoing.from.space(),
            None => self.program.mirror_kept_by(outgoing.from.record()).is_some(),
        };
        if stays {
            return false;
        }
        self.fences.waiting.push_back(Fenced { removals, then: Then::Start(key) });
        self.say_what_fences();
        true
    }

    /// Has the events that wait for removals say so, and what can be done if the other side refuses them.
    pub(super) fn say_what_fences(&mut self) {
        let waiting = self.fences.waiting.iter().filter_map(|fenced| match fenced.then {
            Then::Start(key) => Some((key, self.refused_among(&fenced.removals))),
            _ => None,
        });
        for (key, refused) in waiting.collect::<Vec<_>>() {
            if let Some(flight) = self.flights.get_mut(&key) {
                let waits = "it waits until the other side of a mirror has taken a fact away (`remove(f) first`)";
                flight.trouble = Some(if refused.is_empty() { waits.to_owned() } else { format!("{waits}: {refused}") });
            }
        }
    }

    /// The jobs and events on their way that can only go on once a removal is taken up that is parked.
    pub(super) fn rest_at_fences(&self) -> (BTreeSet<JobKey>, BTreeSet<FlightKey>) {
        let parked = |removal: &EventId| {
            self.by_event.get(removal).and_then(|key| self.flights.get(key)).is_some_and(|flight| flight.stage == Stage::Parked)
        };
        let flight_of = |kind: &Kind| match kind {
            Kind::Deliver { flight } | Kind::Settle { flight, .. } => Some(*flight),
            _ => None,
        };
        let (mut jobs, mut flights) = (BTreeSet::new(), BTreeSet::new());
        for fenced in self.fences.waiting.iter().filter(|fenced| fenced.removals.iter().any(parked)) {
            match &fenced.then {
                Then::Run(job) => flights.extend(flight_of(&job.kind)),
                Then::Commit { job: key, deadline: None } => {
                    jobs.insert(*key);
                    flights.extend(self.jobs.get(key).and_then(|job| flight_of(&job.kind)));
                }
                Then::Start(flight) => drop(flights.insert(*flight)),
                // They are told in time.
                Then::Commit { .. } | Then::Tell { .. } => {}
            }
        }
        (jobs, flights)
    }

    /// Tells those who have waited too long that the other side does not answer.
    pub(super) fn expire_fenced(&mut self, now: i64) {
        while let Some(at) = self.fences.waiting.iter().position(|fenced| fenced.deadline().is_some_and(|deadline| deadline <= now)) {
            let Some(fenced) = self.fences.waiting.remove(at) else { return };
            let refused = self.refused_among(&fenced.removals);
            let late = format!(
                "what a mirror removes first has not reached the other side for {} ms (setting `unavailable-timeout`){}{refused}",
                self.limits.unavailable_timeout,
                if refused.is_empty() { "" } else { ": " }
            );
            match fenced.then {
                Then::Tell { ticket, event, .. } => {
                    let message = format!(
                        "{late}; what depends on it is committed, and is told when the event is sent again with the same id after that"
                    );
                    self.finish(ticket, &event, Outcome::Failed(Failure::new(FailureKind::Unavailable, message)), None);
                }
                Then::Commit { job, .. } => {
                    if let Some(job) = self.jobs.remove(&job) {
                        let message = format!("{late}, and the event relies on it: nothing was written; send it again later");
                        self.give_up(job, FailureKind::Unavailable, message);
                    }
                }
                Then::Run(_) | Then::Start(_) => {}
            }
        }
    }

    /// The value of a cell of a ledger's record.
    pub(super) fn of_ledger(&self, record: &RecordRef, cell: patternc_program::CellIndex) -> Option<Value> {
        self.stores.of(record.space()).cell(record, cell).ok().flatten()
    }
}

/// Where an event arrives; `None` for the outside.
pub(super) fn receiving_space(action: &Action) -> Option<&SpaceRef> {
    match action {
        Action::Handler { to, .. } | Action::Saga { to, .. } => Some(to.space()),
        Action::Create { space, .. } => Some(space),
        Action::Extern { .. } => None,
    }
}
