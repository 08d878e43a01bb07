//! Differences of mirrors that the other side refuses, and what that says of what it has: kept in the ledger, beside the fact.
//!
//! A removal that is refused stands in the way of all that relies on it, since the other side may have the fact still. If an add was refused
//! before, which had found the other side without it, there is nothing to be taken away, and nobody has to wait for that. It is asked all the
//! same: somebody may have put the fact there by hand.

use std::collections::BTreeSet;

use patternc_program::Mirror;

use super::Engine;
use super::flight::{Flight, Stage};
use super::job::Prepared;
use super::mirror::unchanged;
use crate::event::{EventId, Outcome};
use crate::failure::FailureKind;
use crate::store::{CommitRequest, StoreError, Write};
use crate::value::{RecordRef, Value};

impl Engine {
    /// What is committed with the answer to a difference.
    pub(super) fn close_difference(&self, flight: &Flight, outcome: &Outcome, now: i64) -> Result<Prepared, StoreError> {
        let mut request = self.keep_token(flight, outcome)?;
        let (row, before) = (&flight.outgoing.from, self.may_be_there(&flight.outgoing.from)?);
        let removes = flight.says.is_none_or(|says| says.removes);
        let refused = matches!(outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Rejected);
        let needless = refused && removes && before == Some(false);
        if needless && flight.says.is_some_and(|says| self.is_only_giver(says.fact, row)) {
            request.reads.push(unchanged(row, Mirror::THERE));
            return Ok(self.land(flight, request, None, now));
        }
        let there = match outcome {
            Outcome::Committed(_) => None,
            // It was there before only if someone has it there by a difference that is parked.
            Outcome::Failed(_) if refused && !removes => Some(before.unwrap_or_else(|| self.is_parked_of(flight))),
            Outcome::Failed(_) => Some(true),
        };
        self.note_there(&mut request, row, there)?;
        Ok(self.close(flight, outcome.clone(), request, now))
    }

    /// Whether the other side may have the fact of a ledger's record, as far as refusals leave that open.
    pub(super) fn may_be_there(&self, row: &RecordRef) -> Result<Option<bool>, StoreError> {
        Ok(match self.stores.of(row.space()).cell(row, Mirror::THERE)? {
            Some(Value::Bool(there)) => Some(there),
            _ => None,
        })
    }

    /// Adds to a commit what is known from now on of what the other side has.
    pub(super) fn note_there(&self, request: &mut CommitRequest, row: &RecordRef, there: Option<bool>) -> Result<(), StoreError> {
        if self.may_be_there(row)? != there {
            request.writes.push(Write::Set { record: row.clone(), cell: Mirror::THERE, value: there.map_or(Value::None, Value::Bool) });
            if !request.spaces.contains(row.space()) {
                request.spaces.push(row.space().clone());
            }
        }
        request.reads.push(unchanged(row, Mirror::THERE));
        Ok(())
    }

    /// Whether another difference of the same fact is parked.
    fn is_parked_of(&self, flight: &Flight) -> bool {
        flight.says.is_none_or(|says| self.parked_facts.get(&says.fact).is_some_and(|parked| !parked.is_empty()))
    }

    /// Those of these removals that the other side has refused, and how to take them up; empty if there are none.
    pub(super) fn refused_among(&self, removals: &BTreeSet<EventId>) -> String {
        let parked = removals.iter().filter_map(|removal| {
            let flight = self.flights.get(self.by_event.get(removal)?).filter(|flight| flight.stage == Stage::Parked)?;
            let mirror = &self.program.mirrors[self.mirror_of(&flight.outgoing)? as usize];
            let id = &removal.0;
            Some(format!("the removal {id} is refused and parked: `patternc retry {id}`, or `patternc reconcile {}`", mirror.name))
        });
        parked.collect::<Vec<_>>().join("; ")
    }
}
