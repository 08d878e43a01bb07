//! Which facts are one to the other side of mirrors: those that one call takes away.
//!
//! Each ledger counts for itself: who gives a fact of a scope, in a space. But records of several scopes, spaces and stores, and of several
//! mirrors to one extern, may give what is one fact to the other side. So calls for one stand in one queue, from wherever they come, and a
//! removal whose turn has come is made only if nobody gives the fact by then: that is read where it is committed. What makes this enough:
//! - Who begins to give a fact sends a call that adds it, with its commit. If a removal was made because nobody gave the fact, whoever gives it
//!   since stands behind that removal in the queue.
//! - Who ceases to give it sends a removal, with its commit. The last of these finds nobody.
//!
//! A removal of which it is not known whether it was made, after a crash, is made (once more) if everyone who gives the fact has a call that adds
//! it behind it. Whoever has none has given the fact when the removal's turn came, and so it was never made. Between stores, removals that are
//! found after a crash come first, since nobody knows the order in which calls were made: what was added before is told once more, as a new call.
//!
//! Facts that are added by different calls and taken away by the same one, such as two titles under one key, are one in this sense: the removal
//! of the old title is not made, where the new one is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use patternc_program::{BodyId, ExternId, Home, Mirror};
use rustc_hash::FxHashMap;

use super::flight::{Flight, FlightKey, Pair, Stage};
use super::job::{Job, Kind, Prepared, Then};
use super::mirror::unchanged;
use super::timing::Wake;
use super::{Engine, Point};
use crate::event::{Action, EventId, Outgoing};
use crate::machine::{Execution, id_text};
use crate::store::{CommitRequest, OutboxChange, StoreError};
use crate::value::{RecordRef, Value, keyed_hash};

/// Stands for what a call takes away. Two that are not the same may have one, by chance: then their calls wait for one another, no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fact(u64);

/// What a difference of a mirror says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says {
    pub fact: Fact,
    /// It takes the fact away.
    pub removes: bool,
}

/// The records of ledgers by what they say: all that may give it, also those that do not any more.
#[derive(Clone, Default)]
pub(super) struct Givers {
    /// Mostly there is one.
    first: FxHashMap<Fact, RecordRef>,
    others: FxHashMap<Fact, BTreeSet<RecordRef>>,
}

impl Givers {
    fn note(&mut self, fact: Fact, row: &RecordRef) {
        let first = self.first.entry(fact).or_insert_with(|| row.clone());
        if first != row {
            self.others.entry(fact).or_default().insert(row.clone());
        }
    }

    fn of(&self, fact: Fact) -> impl Iterator<Item = &RecordRef> {
        self.first.get(&fact).into_iter().chain(self.others.get(&fact).into_iter().flatten())
    }
}

/// A record of a ledger that gives a fact.
struct Giver {
    row: RecordRef,
    /// The call by which it is added.
    add: Option<Action>,
}

impl Engine {
    /// What a difference says; `None` if it is no difference. Notes whose it is.
    pub(super) fn says(&mut self, outgoing: &Outgoing) -> Option<Says> {
        let mirror = self.mirror_of(outgoing)?;
        let mut execution = std::mem::take(&mut self.execution);
        let removal = self.clause_call(&mut execution, mirror, &outgoing.from, |mirror| mirror.remove);
        let removes = match &removal {
            Some(removal) if *removal == outgoing.event.action => true,
            // Perhaps of a program of before, whose clauses were others.
            _ => {
                let add = self.clause_call(&mut execution, mirror, &outgoing.from, |mirror| mirror.add);
                add.as_ref() != Some(&outgoing.event.action)
                    && self.of_ledger(&outgoing.from, Mirror::GIVEN).is_none_or(|given| given == Value::Int(0))
            }
        };
        self.execution = execution;
        let fact = fact_of(removal.as_ref(), &outgoing.from);
        self.givers.note(fact, &outgoing.from);
        Some(Says { fact, removes })
    }

    /// What a fact of a mirror is to the other side; `row`: the ledger's record, if there is one.
    pub(super) fn fact_as_told(&self, execution: &mut Execution, mirror: u32, fact: &Value) -> Option<(Fact, Action)> {
        let env = self.env(None, None, 0, 0);
        let removal = execution.mirror_call(&env, self.program.mirrors[mirror as usize].remove, fact).ok()?.ok()?;
        Some((told_by(&removal), removal))
    }

    /// The call that a clause makes for the fact of a ledger's record.
    fn clause_call(&self, execution: &mut Execution, mirror: u32, row: &RecordRef, clause: impl Fn(&Mirror) -> BodyId) -> Option<Action> {
        let fact = self.of_ledger(row, Mirror::FACT)?;
        execution.mirror_call(&self.env(None, None, 0, 0), clause(&self.program.mirrors[mirror as usize]), &fact).ok()?.ok()
    }

    /// Notes what all records of the ledgers of a store say.
    pub(super) fn learn_givers(&mut self, store: usize) -> Result<(), StoreError> {
        let program = self.program.clone();
        let mut execution = std::mem::take(&mut self.execution);
        let learned = self.stores.get(store).spaces().and_then(|spaces| {
            for (index, mirror) in program.mirrors.iter().enumerate() {
                let home = program.record(mirror.ledger).home;
                let may_be_in = |of| matches!(home, Home::Plain(home) | Home::Family(home) if home == of) || home == Home::Floating;
                for space in spaces.iter().filter(|space| may_be_in(space.space)) {
                    for row in self.stores.get(store).scan(mirror.ledger, space, None)? {
                        let removal = self.clause_call(&mut execution, index as u32, &row, |mirror| mirror.remove);
                        self.givers.note(fact_of(removal.as_ref(), &row), &row);
                    }
                }
            }
            Ok(())
        });
        self.execution = execution;
        learned
    }

    /// The records of ledgers that give what a call takes away.
    fn giving(&self, execution: &mut Execution, fact: Fact, removal: &Action) -> Vec<Giver> {
        let mut rows: Vec<&RecordRef> = self.givers.of(fact).filter(|row| self.is_given_by(row)).collect();
        rows.sort_unstable();
        let giver = |row: &RecordRef| {
            let mirror = self.program.mirror_kept_by(row.record())?;
            let same = self.clause_call(execution, mirror, row, |mirror| mirror.remove).as_ref() == Some(removal);
            same.then(|| Giver { row: row.clone(), add: self.clause_call(execution, mirror, row, |mirror| mirror.add) })
        };
        rows.into_iter().filter_map(giver).collect()
    }

    /// Whether some record gives what a call takes away.
    pub(super) fn is_given(&self, execution: &mut Execution, fact: Fact, removal: &Action) -> bool {
        !self.giving(execution, fact, removal).is_empty()
    }

    /// The differences that say something of a fact and have not arrived, in the order in which they are told.
    pub(super) fn telling(&self, fact: Fact, of: ExternId) -> impl Iterator<Item = (FlightKey, &Flight)> {
        let queue = self.pairs.get(&Pair::of_fact(fact, of));
        queue.into_iter().flat_map(|queue| queue.iter()).filter_map(|key| Some((*key, self.flights.get(key)?)))
    }

    /// Whether no other record of a ledger gives a fact, or ever did.
    pub(super) fn is_only_giver(&self, fact: Fact, row: &RecordRef) -> bool {
        self.givers.of(fact).all(|giver| giver == row)
    }

    /// Whether records give the fact of a ledger's record.
    pub(super) fn is_given_by(&self, row: &RecordRef) -> bool {
        matches!(self.of_ledger(row, Mirror::GIVEN), Some(Value::Int(given)) if given > 0)
    }

    /// Whether a removal whose turn has come may be one that is not made, since others give the fact: then that is found out.
    pub(super) fn may_be_spared(&mut self, key: FlightKey) -> bool {
        let Some(flight) = self.flights.get(&key) else { return false };
        let Some(Says { fact, removes: true }) = flight.says else { return false };
        // Once it was made, it is made until it is answered.
        if flight.calls > 0 || flight.doubtful && flight.told_again || !self.givers.of(fact).any(|row| self.is_given_by(row)) {
            return false;
        }
        self.set_stage(key, Stage::Settling);
        self.enqueue(Job::new(Kind::Spare { flight: key }));
        true
    }

    /// Takes a removal out of the store as long as others give the fact; or has what they add told once more before that.
    pub(super) fn spare(
        &self,
        execution: &mut Execution,
        key: FlightKey,
        flight: &Flight,
        now: i64,
        ids: u128,
    ) -> Result<Prepared, StoreError> {
        let store = flight.sent.store;
        let Some((giver, again)) = self.spared_by(execution, key, flight) else {
            return Ok(self.prepared(store, CommitRequest::default(), Then::Made));
        };
        let mut request = CommitRequest { reads: vec![unchanged(&giver, Mirror::GIVEN)], ..CommitRequest::default() };
        if !again {
            request.outbox.push(OutboxChange::Remove(flight.outgoing.event.id.clone()));
            return Ok(self.prepared(store, request, Then::Renewed));
        }
        let env = self.env(None, flight.outgoing.event.caller.as_ref(), now, ids);
        let told = match (self.program.mirror_kept_by(giver.record()), self.of_ledger(&giver, Mirror::FACT)) {
            (Some(mirror), Some(fact)) => {
                let id = EventId(id_text(ids).into());
                self.difference(execution, &env, mirror, &giver, &fact, true, id)?.ok()
            }
            _ => None,
        };
        Ok(match told {
            Some(told) => {
                request.outbox.push(OutboxChange::Add(Arc::new(told)));
                self.prepared(self.stores.place(giver.space()), request, Then::Due)
            }
            None => self.prepared(store, CommitRequest::default(), Then::Made),
        })
    }

    /// The record of a ledger for which a removal is not made, and whether what that one adds is to be told again first: it is told in another
    /// way than what is removed, and perhaps before that; or the removal is made, and comes perhaps after it.
    fn spared_by(&self, execution: &mut Execution, key: FlightKey, flight: &Flight) -> Option<(RecordRef, bool)> {
        let outgoing = &flight.outgoing;
        let (Says { fact, .. }, mirror) = (flight.says?, self.mirror_of(outgoing)?);
        let of = self.program.mirrors[mirror as usize].target;
        let own = self.clause_call(execution, mirror, &outgoing.from, |mirror| mirror.add);
        let adds_behind = |row: &RecordRef| {
            let mut behind = self.telling(fact, of).filter(|(other, _)| *other != key);
            behind.any(|(_, flight)| flight.outgoing.from == *row && flight.says.is_some_and(|says| !says.removes))
        };
        let (mut sparing, mut elsewhere): (Vec<(bool, RecordRef)>, _) = (Vec::new(), None);
        for Giver { row, add } in self.giving(execution, fact, &outgoing.event.action) {
            let behind = adds_behind(&row);
            if !(flight.doubtful && behind) {
                sparing.push((add != own && !behind, row));
            } else if self.stores.len() > 1 {
                elsewhere = Some((row, true));
            }
        }
        sparing.into_iter().min().map(|(again, row)| (row, again)).or(elsewhere)
    }

    /// What is so after [`Engine::spare`]. A reconciliation that had planned the removal learns that it was not made.
    pub(super) fn spared(&mut self, key: FlightKey, then: &Then, point: Point) {
        let Some(flight) = self.flights.get(&key) else { return };
        match then {
            Then::Renewed => {
                let event = flight.outgoing.event.id.clone();
                self.reconciling.spared(&event);
                // Found again after a crash, it would be made, and what was told behind it would not be told once more.
                if self.is_durable(point) {
                    self.landed(key, point);
                } else {
                    self.wait_durable(point, Wake::Land(key));
                }
            }
            Then::Made => {
                self.set_stage(key, Stage::Calling);
                self.queue_call(key);
            }
            _ => {
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.told_again = true;
                }
                if self.is_durable(point) {
                    self.start(key);
                } else {
                    self.wait_durable(point, Wake::Start(key));
                }
            }
        }
    }
}

/// What a record of a ledger says, whose fact this call takes away; of one that no call does, it is its own.
fn fact_of(removal: Option<&Action>, row: &RecordRef) -> Fact {
    removal.map_or_else(|| Fact(keyed_hash(&(row.record(), row.id()))), told_by)
}

fn told_by(removal: &Action) -> Fact {
    match removal {
        Action::Extern { of, operation, args } => Fact(keyed_hash(&(of, operation, args))),
        other => unreachable!("a clause of a mirror calls an extern, and does not {other:?}"),
    }
}
