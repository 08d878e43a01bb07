//! What differs between the ledger of a mirror and the other side, and the commit that has it told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patternc_program::{Mirror, RecordId};

use super::super::Engine;
use super::super::flight::{Flight, FlightKey};
use super::super::job::{Prepared, Then};
use super::super::mirror::unchanged;
use super::{Repair, Repairs, Run};
use crate::event::EventId;
use crate::failure::{Failure, FailureKind};
use crate::machine::{Execution, id_text, ledger_record};
use crate::store::{CommitRequest, OutboxChange, Read, ReadKey, Seen, StoreError, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// Repairs that are on their way at once.
const BATCH: usize = 256;

/// Something that differs.
struct Planned {
    fact: Value,
    row: Option<RecordRef>,
    missing: bool,
}

impl Engine {
    /// The next batch of repairs, all in one space.
    pub(in super::super) fn repair(&self, execution: &mut Execution, key: u64, now: i64, ids: u128) -> Result<Prepared, StoreError> {
        let repaired = |repairs| Prepared::bare(0, CommitRequest::default(), Then::Repaired(repairs));
        let failed = |kind, message: &str| repaired(Err(Failure::new(kind, message)));
        let Some(run) = self.reconciling.runs.get(&key) else {
            return Ok(failed(FailureKind::Rejected, "the reconciliation was given up"));
        };
        let (plan, facts) = self.plan(execution, run)?;
        let found = plan.len();
        let Some(first) = plan.first() else { return Ok(repaired(Ok(Repairs { sent: Vec::new(), found, facts }))) };
        let Some(space) = first.row.as_ref().map(|row| row.space().clone()).or_else(|| self.space_of_scope(run)) else {
            let message = "no record of this scope was ever here, nor any of its family, so there is no space to note in what is removed";
            return Ok(failed(FailureKind::Rejected, message));
        };
        let env = self.env(None, None, now, ids);
        let mut request = CommitRequest::default();
        let mut sent = Vec::new();
        let in_space = plan.iter().filter(|planned| planned.row.as_ref().is_none_or(|row| *row.space() == space));
        for (at, planned) in in_space.take(BATCH).enumerate() {
            let row = match &planned.row {
                Some(row) => {
                    request.reads.push(unchanged(row, Mirror::GIVEN));
                    // The other side has it, or was told of it before: should it refuse the repair, it may have it.
                    if !planned.missing || self.may_be_there(row)?.is_none() {
                        self.note_there(&mut request, row, Some(true))?;
                    }
                    row.clone()
                }
                None => {
                    let row = match ledger_record(&self.program, run.mirror, &space, &run.scope, &planned.fact) {
                        Ok(row) => row,
                        Err(failure) => return Ok(repaired(Err(failure))),
                    };
                    request.reads.push(Read { key: ReadKey::Exists(row.clone()), seen: Seen::Value(None) });
                    let cells = vec![run.scope.clone(), planned.fact.clone(), Value::Int(0), Value::Bool(true)];
                    request.writes.push(Write::Create { record: row.clone(), cells });
                    if request.spaces.is_empty() {
                        request.spaces.push(space.clone());
                    }
                    row
                }
            };
            let event = EventId(id_text(ids.wrapping_add(at as u128)).into());
            match self.difference(execution, &env, run.mirror, &row, &planned.fact, planned.missing, event.clone())? {
                Ok(call) => request.outbox.push(OutboxChange::Add(Arc::new(call))),
                Err(failure) => return Ok(repaired(Err(failure))),
            }
            sent.push(Repair { event, fact: planned.fact.clone(), missing: planned.missing });
        }
        let store = self.stores.place(&space);
        Ok(self.prepared(store, request, Then::Repaired(Ok(Repairs { sent, found, facts }))))
    }

    /// The store that the repairs of a scope are committed to.
    pub(in super::super) fn store_of_repairs(&self, key: u64) -> Option<usize> {
        let run = self.reconciling.runs.get(&key)?;
        self.space_of_scope(run).map(|space| self.stores.place(&space))
    }

    /// What differs, with the ledger's record of each fact that has one; and how many facts the records give. What is being told anyway, and
    /// what was refused, is left alone.
    fn plan(&self, execution: &mut Execution, run: &Run) -> Result<(Vec<Planned>, usize), StoreError> {
        let declared = &self.program.mirrors[run.mirror as usize];
        let mut rows: BTreeMap<Value, (RecordRef, i64)> = BTreeMap::new();
        self.ledger_rows(declared.ledger, Some(&run.scope), |row, _, fact, given| {
            match rows.get_mut(&fact) {
                Some(known) if known.1 > 0 || given == 0 => {}
                _ => {
                    rows.insert(fact, (row, given));
                }
            };
        })?;
        let refused: BTreeSet<&Value> = run.report.refused.iter().map(|(fact, _)| fact).collect();
        let settled = |fact: &Value| refused.contains(fact) || run.told.contains(fact);
        let mut plan = Vec::new();
        for (fact, (row, given)) in &rows {
            let (wanted, there) = (*given > 0, run.there.contains(fact));
            if wanted != there && !settled(fact) && self.is_to_repair(execution, run.mirror, Some(row), fact, wanted) {
                plan.push(Planned { fact: fact.clone(), row: Some(row.clone()), missing: wanted });
            }
        }
        for fact in run.there.iter().filter(|fact| !rows.contains_key(fact) && !settled(fact)) {
            if self.is_to_repair(execution, run.mirror, None, fact, false) {
                plan.push(Planned { fact: fact.clone(), row: None, missing: false });
            }
        }
        let facts = rows.values().filter(|(_, given)| *given > 0).count();
        Ok((plan, facts))
    }

    /// Whether a fact that differs is for this reconciliation to repair: it is not being told anyway, nor too much only here, given by records of
    /// other scopes or mirrors. `row`: the ledger's record of the fact, if there is one.
    fn is_to_repair(&self, execution: &mut Execution, mirror: u32, row: Option<&RecordRef>, value: &Value, missing: bool) -> bool {
        // What no call takes away is told of by its own record only.
        let Some((fact, removal)) = self.fact_as_told(execution, mirror, value) else { return true };
        // A removal that others tell may be one that is not made.
        let told = |(_, flight): (FlightKey, &Flight)| flight.says.is_some_and(|says| !says.removes) || Some(&flight.outgoing.from) == row;
        let of = self.program.mirrors[mirror as usize].target;
        !self.telling(fact, of).any(told) && (missing || !self.is_given(execution, fact, &removal))
    }

    /// Where the ledger of the scope is, or would be.
    fn space_of_scope(&self, run: &Run) -> Option<SpaceRef> {
        let mut space = None;
        let ledger: RecordId = self.program.mirrors[run.mirror as usize].ledger;
        // A store that cannot be read is told of when the repair is committed.
        let _ = self.ledger_rows(ledger, Some(&run.scope), |row, _, _, _| space = Some(row.space().clone()));
        space.or_else(|| self.space_for(run.mirror, &run.scope))
    }
}
