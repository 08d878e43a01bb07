//! Differences of mirrors on their way: which there are, what becomes of those that the other side refuses, and what a new program means for
//! data that are there already.
//!
//! A difference is an outgoing call of the ledger's record (`machine::mirror`), so calls for one fact are made in order, and the next one only
//! when the other side has answered the one before: a call whose answer was lost is repeated under its key until it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patternc_program::{CellIndex, Home, Mirror, RecordId};

use super::flight::{Flight, FlightKey};
use super::givers::Says;
use super::job::{Job, Kind, Prepared, Renewal, Then};
use super::{Engine, Point};
use crate::attempt::Env;
use crate::event::{EventId, Outcome, Outgoing, OutgoingState};
use crate::failure::Failure;
use crate::json;
use crate::machine::{Execution, fact_call, id_text, ledger_record};
use crate::store::{CommitRequest, OutboxChange, Presence, Read, ReadKey, Refused, Seen, StoreError, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// Scope and fact; how many records give it, and how many did for the ledger.
type Count = ((Value, Value), (i64, i64));

/// Differences stored by one commit while a store is opened.
const AT_ONCE: usize = 1000;

impl Engine {
    /// The mirror whose difference this is.
    pub(super) fn mirror_of(&self, outgoing: &Outgoing) -> Option<u32> {
        if self.program.mirrors.is_empty() { None } else { self.program.mirror_kept_by(outgoing.from.record()) }
    }

    /// Why a difference is parked.
    pub(super) fn refusal(&self, mirror: u32, failure: &Failure) -> String {
        let mirror = &self.program.mirrors[mirror as usize];
        let target = self.program.externs[mirror.target.index()].name;
        format!(
            "{target} refuses what the mirror {} tells it ({failure}): mend the cause, and tell it again with `patternc retry`; where the other \
             side is as it should be all the same, `patternc reconcile {}` finds that out",
            mirror.name, mirror.name
        )
    }

    /// If it was a difference: the other side has acknowledged it, or it is no longer wanted.
    pub(super) fn fact_told(&mut self, key: FlightKey, flight: &Flight) {
        let Some(says) = flight.says else { return };
        let outgoing = &flight.outgoing;
        self.release_fence(&outgoing.event.id, &outgoing.from);
        for parked in self.parked_facts.remove(&says.fact).unwrap_or_default() {
            if parked == key {
                continue;
            }
            // What was refused before it is out of date; what was refused after it is not.
            if parked < key && self.is_outdone(parked, flight) {
                self.enqueue(Job::new(Kind::Renew { flight: parked, by: Renewal::Newer }));
            } else {
                self.parked_facts.entry(says.fact).or_default().push(parked);
            }
        }
        self.left(key, outgoing, None);
    }

    /// Whether a parked difference need not be told, now that a newer one of its fact has landed: not if that says the same, and was told, or
    /// comes from the same record of a ledger, or if the record of the parked one does not give the fact any more.
    fn is_outdone(&self, parked: FlightKey, by: &Flight) -> bool {
        let told = by.calls > 0 && !matches!(by.state, OutgoingState::Parked { .. });
        self.flights.get(&parked).is_none_or(|Flight { outgoing: parked, .. }| {
            parked.from == by.outgoing.from || told && parked.event.action == by.outgoing.event.action || !self.is_given_by(&parked.from)
        })
    }

    /// The other side refuses a difference.
    pub(super) fn fact_parked(&mut self, key: FlightKey, reason: &str) {
        let Some(flight) = self.flights.get(&key) else { return };
        if flight.says.is_some() {
            let outgoing = flight.outgoing.clone();
            self.note_parked_fact(key);
            self.say_what_fences();
            self.left(key, &outgoing, Some(reason));
        }
    }

    /// If it is a difference that is parked: a newer one of the same fact takes it away when it lands, and one from the same record of a ledger
    /// also when it is parked itself. Taken up again, that one says what is true.
    pub(super) fn note_parked_fact(&mut self, key: FlightKey) {
        let Some(Flight { says: Some(says), outgoing, .. }) = self.flights.get(&key) else { return };
        let (fact, new) = (says.fact, outgoing.clone());
        let parked = self.parked_facts.entry(fact).or_default();
        let before = parked.clone();
        parked.push(key);
        for older in before.into_iter().filter(|older| *older < key) {
            let Some(old) = self.flights.get(&older).map(|flight| flight.outgoing.clone()).filter(|old| old.from == new.from) else {
                continue;
            };
            // Whoever waits for a removal goes on waiting.
            self.fence_instead(&old.event.id, &new.event.id, &new.from);
            self.enqueue(Job::new(Kind::Renew { flight: older, by: Renewal::Newer }));
        }
    }

    /// Takes a parked difference out of the store.
    pub(super) fn renew(
        &self,
        execution: &mut Execution,
        flight: &Flight,
        by: Renewal,
        now: i64,
        ids: u128,
    ) -> Result<Prepared, StoreError> {
        let from = &flight.outgoing.from;
        let mirror = self.mirror_of(&flight.outgoing);
        let row = |cell| self.stores.of(from.space()).cell(from, cell);
        let (Some(mirror), Some(fact), Some(Value::Int(given))) = (mirror, row(Mirror::FACT)?, row(Mirror::GIVEN)?) else {
            return Ok(self.remove(flight));
        };
        match by {
            Renewal::Newer => return Ok(self.remove(flight)),
            Renewal::SoAlready => {
                let mut prepared = self.remove(flight);
                self.note_there(&mut prepared.request, from, None)?;
                return Ok(self.prepared(prepared.store, prepared.request, prepared.then));
            }
            Renewal::Again if flight.says.is_some_and(|says| self.telling_of(says, &flight.outgoing).is_some()) => {
                return Ok(self.remove(flight));
            }
            Renewal::Again => {}
        }
        let env = self.env(None, flight.outgoing.event.caller.as_ref(), now, ids);
        match self.difference(execution, &env, mirror, from, &fact, given > 0, EventId(id_text(ids).into()))? {
            Ok(difference) => {
                let mut prepared = self.remove(flight);
                prepared.request.outbox.push(OutboxChange::Add(Arc::new(difference)));
                prepared.request.reads.push(unchanged(from, Mirror::GIVEN));
                // Parked by a program that noted nothing of it.
                if self.may_be_there(from)?.is_none() {
                    self.note_there(&mut prepared.request, from, Some(true))?;
                }
                Ok(self.prepared(prepared.store, prepared.request, prepared.then))
            }
            Err(failure) => {
                let reason = self.refusal(mirror, &failure).into();
                Ok(self.park(flight, Outcome::Failed(failure), reason, CommitRequest::default()))
            }
        }
    }

    /// Takes a difference out of the store.
    pub(super) fn remove(&self, flight: &Flight) -> Prepared {
        let outbox = vec![OutboxChange::Remove(flight.outgoing.event.id.clone())];
        let request = CommitRequest { outbox, ..CommitRequest::default() };
        self.prepared(flight.sent.store, request, Then::Renewed)
    }

    /// A parked difference is gone; `sent`: the one that was sent for it. If it was taken up again, another may have been on its way.
    pub(super) fn renewed(&mut self, key: FlightKey, by: Renewal, sent: Option<&EventId>, point: Point) {
        let Some(Flight { outgoing, says, .. }) = self.flights.get(&key) else { return };
        let (outgoing, says) = (outgoing.clone(), *says);
        if let Some(new) = sent {
            self.fence_instead(&outgoing.event.id, new, &outgoing.from);
        }
        let instead = sent.and_then(|sent| self.by_event.get(sent)).copied();
        let instead = instead.or_else(|| self.telling_of(says.filter(|_| by == Renewal::Again)?, &outgoing));
        if let Some(instead) = instead.and_then(|instead| self.flights.get_mut(&instead)) {
            instead.instead_of = Some(outgoing.event.id.clone());
        }
        self.landed(key, point);
    }

    /// What is on its way and says something of the same fact, from the same record of a ledger.
    pub(super) fn telling_of(&self, says: Says, outgoing: &Outgoing) -> Option<FlightKey> {
        let of = self.program.mirrors[self.mirror_of(outgoing)? as usize].target;
        self.telling(says.fact, of).find(|(_, other)| other.outgoing.from == outgoing.from).map(|(key, _)| key)
    }

    /// The outgoing event that tells the other side of a fact, or that there is none.
    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    pub(super) fn difference(
        &self,
        execution: &mut Execution,
        env: &Env<'_>,
        mirror: u32,
        from: &RecordRef,
        fact: &Value,
        given: bool,
        id: EventId,
    ) -> Result<Result<Outgoing, Failure>, StoreError> {
        let declared = &self.program.mirrors[mirror as usize];
        let call = execution.mirror_call(env, if given { declared.add } else { declared.remove }, fact)?;
        Ok(call.map(|action| fact_call(id, env.caller.cloned(), from.clone(), action)))
    }

    /// Compares what the records of a store give with its ledgers, and stores the differences: a mirror that is new, or whose `facts` or
    /// `scope` are others than those of the program that wrote the data, is brought up to date by them.
    pub(super) fn compare_facts(&mut self, store: usize) -> Result<(), StoreError> {
        if self.program.mirrors.is_empty() || self.stores.get(store).knows_invariant_reads() {
            return Ok(());
        }
        let program = self.program.clone();
        for (index, mirror) in program.mirrors.iter().enumerate() {
            for space in self.stores.get(store).spaces()? {
                let may_be_there = match program.record(mirror.record).home {
                    Home::Plain(home) | Home::Family(home) => home == space.space,
                    Home::Floating => true,
                };
                if may_be_there && self.stores.place(&space) == store {
                    self.compare_facts_in(store, index as u32, &space)?;
                }
            }
        }
        Ok(())
    }

    fn compare_facts_in(&mut self, store: usize, mirror: u32, space: &SpaceRef) -> Result<(), StoreError> {
        // Another process may be about it as well, or go on already.
        while !self.compare_facts_once(store, mirror, space)? {
            self.stores.get_mut(store).refresh()?;
        }
        Ok(())
    }

    /// `false`: what was compared is out of date.
    fn compare_facts_once(&mut self, store: usize, mirror: u32, space: &SpaceRef) -> Result<bool, StoreError> {
        let program = self.program.clone();
        let declared = &program.mirrors[mirror as usize];
        let mut counts: BTreeMap<(Value, Value), (i64, i64)> = BTreeMap::new();
        for record in self.stores.get(store).scan(declared.record, space, None)? {
            let (now, ids) = (self.host.now(), self.fresh_ids());
            let env = Env { program: &program, stores: &self.stores, limits: &self.limits, answers: None, now, ids, caller: None };
            let facts = self.execution.facts(&env, mirror, &record)?.map_err(|failure| {
                let record = json::reference_text(&program, &record);
                let message = format!("the mirror {} does not work on the stored data: {record}: {failure}", declared.name);
                StoreError { message, transient: false }
            })?;
            for fact in facts {
                counts.entry(fact).or_default().0 += 1;
            }
        }
        for row in self.stores.get(store).scan(declared.ledger, space, None)? {
            let cell = |cell| Ok::<_, StoreError>(self.stores.get(store).cell(&row, cell)?.unwrap_or(Value::None));
            if let Value::Int(given) = cell(Mirror::GIVEN)? {
                counts.entry((cell(Mirror::SCOPE)?, cell(Mirror::FACT)?)).or_default().1 = given;
            }
        }
        let changed: Vec<Count> = counts.into_iter().filter(|(_, (now, stored))| now != stored).collect();
        for batch in changed.chunks(AT_ONCE) {
            if !self.store_counts(store, mirror, space, batch)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn store_counts(&mut self, store: usize, mirror: u32, space: &SpaceRef, counts: &[Count]) -> Result<bool, StoreError> {
        let program = self.program.clone();
        let snapshot = self.stores.get(store).version();
        let mut request = CommitRequest { snapshot, spaces: vec![space.clone()], ..CommitRequest::default() };
        let unfit = |failure: Failure| StoreError { message: failure.message.to_string(), transient: false };
        for ((scope, fact), (given, stored)) in counts {
            let row = ledger_record(&program, mirror, space, scope, fact).map_err(unfit)?;
            request.writes.push(match self.stores.get(store).presence(&row)? {
                Presence::Live => {
                    request.reads.push(unchanged(&row, Mirror::GIVEN));
                    Write::Set { record: row.clone(), cell: Mirror::GIVEN, value: Value::Int(*given) }
                }
                Presence::Never | Presence::Deleted => {
                    request.reads.push(Read { key: ReadKey::Exists(row.clone()), seen: Seen::Value(None) });
                    Write::Create { record: row.clone(), cells: vec![scope.clone(), fact.clone(), Value::Int(*given), Value::None] }
                }
            });
            if (*given > 0) != (*stored > 0) {
                let (now, ids) = (self.host.now(), self.fresh_ids());
                let env = Env { program: &program, stores: &self.stores, limits: &self.limits, answers: None, now, ids, caller: None };
                let mut execution = std::mem::take(&mut self.execution);
                let call = self.difference(&mut execution, &env, mirror, &row, fact, *given > 0, EventId(id_text(ids).into()));
                self.execution = execution;
                request.outbox.push(OutboxChange::Add(Arc::new(call?.map_err(unfit)?)));
            }
        }
        let now = self.host.now();
        match self.stores.get_mut(store).commit(&request, now) {
            Ok(_) => Ok(true),
            Err(Refused::Stale(_)) => Ok(false),
            Err(Refused::Store(error)) => Err(error),
            Err(refused) => Err(StoreError { message: format!("what a mirror has to tell is not taken: {refused}"), transient: false }),
        }
    }

    /// The scopes of which a mirror has, or had, facts.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn scopes(&self, mirror: u32) -> Result<Vec<Value>, StoreError> {
        let mut scopes = BTreeSet::new();
        self.ledger_rows(self.program.mirrors[mirror as usize].ledger, None, |_, scope, _, _| {
            scopes.insert(scope);
        })?;
        Ok(scopes.into_iter().collect())
    }

    /// The rows of a ledger in all stores: record, scope, fact, and how many give it.
    pub(super) fn ledger_rows(
        &self,
        ledger: RecordId,
        scope: Option<&Value>,
        mut row: impl FnMut(RecordRef, Value, Value, i64),
    ) -> Result<(), StoreError> {
        for store in 0..self.stores.len() {
            for space in self.stores.get(store).spaces()? {
                if self.stores.place(&space) != store {
                    continue;
                }
                let records = self.stores.get(store).scan(ledger, &space, scope.map(|scope| (Mirror::SCOPE, scope)))?;
                for record in records {
                    let cell = |cell| self.stores.get(store).cell(&record, cell);
                    if let (Some(scope), Some(fact), Some(Value::Int(given))) =
                        (cell(Mirror::SCOPE)?, cell(Mirror::FACT)?, cell(Mirror::GIVEN)?)
                    {
                        row(record.clone(), scope, fact, given);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A read of a cell as it is now.
pub(super) fn unchanged(record: &RecordRef, cell: CellIndex) -> Read {
    Read { key: ReadKey::Cell(record.clone(), cell), seen: Seen::Unchanged }
}
