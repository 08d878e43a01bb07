//! Looking through all that stores keep for what should not be. Nothing is ever mended.

use std::collections::HashMap;
use std::sync::Arc;

use patternc_program::{CellIndex, Home, Program, RecordId};

use crate::attempt::Env;
use crate::event::{Outgoing, OutgoingState};
use crate::failure::Failure;
use crate::json::{reference_text, space_text};
use crate::limits::Limits;
use crate::machine::Execution;
use crate::store::format::places;
use crate::store::memory::Memory;
use crate::store::state::{State, StoredRecord};
use crate::store::{Placement, Presence, Store, StoreError, Stores};
use crate::value::{RecordRef, Value};

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    /// The record that it is about.
    pub record: RecordRef,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An invariant does not hold for it.
    Invariant,
    /// The other end of a link does not link back.
    Inverse,
    /// Another record has the same value in a `key` or `unique` cell.
    Unique,
    /// It, or a reference in it, is where its type cannot be, or in a store that does not keep its space.
    Misplaced,
    /// It refers to a record that is gone. The language allows that; reading through it fails.
    Gone,
}

impl Kind {
    /// As in the output of `patternc audit`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invariant => "invariant",
            Kind::Inverse => "inverse",
            Kind::Unique => "unique",
            Kind::Misplaced => "misplaced",
            Kind::Gone => "gone",
        }
    }

    /// Whether no program that `check` accepts can have brought it about.
    pub fn is_error(self) -> bool {
        self != Kind::Gone
    }
}

/// What an audit came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// By kind, then in the order of the records.
    pub findings: Vec<Finding>,
    /// Records looked at, but for what mirrors keep for themselves.
    pub records: usize,
    /// Events in flight, whatever they wait for: while there are any, `eventually` invariants need not hold, and were not looked at.
    pub in_flight: usize,
    /// Those of them whose time has not come.
    pub later: usize,
}

/// Looks through the contents of the stores of a deployment. `now` is what invariants see as the time.
pub fn audit(program: &Arc<Program>, stores: &[State], placement: &Placement, limits: &Limits, now: i64) -> Result<Audit, StoreError> {
    let memories = stores.iter().map(|state| Box::new(Memory::with_state(state.clone())) as Box<dyn Store>).collect();
    let outgoing = || stores.iter().flat_map(State::outgoing);
    let is_later = |outgoing: &&Arc<Outgoing>| outgoing.state == OutgoingState::Pending && outgoing.due.is_some_and(|due| due > now);
    let (in_flight, later) = (outgoing().count(), outgoing().filter(is_later).count());
    let mut auditor = Auditor {
        program,
        stores: Stores::new(memories, placement.clone()),
        limits,
        now,
        execution: Execution::default(),
        unique: HashMap::new(),
        findings: Vec::new(),
    };
    let mut records = 0;
    for (index, state) in stores.iter().enumerate() {
        for stored in state.records().filter(|stored| stored.cells.is_some()) {
            records += usize::from(!program.is_kept_by_mirror(stored.record.record()));
            auditor.record(index, &stored, in_flight == 0)?;
        }
    }
    let mut findings = auditor.findings;
    findings.sort_by_key(|finding| finding.kind);
    Ok(Audit { findings, records, in_flight, later })
}

struct Auditor<'a> {
    program: &'a Program,
    stores: Stores,
    limits: &'a Limits,
    now: i64,
    execution: Execution,
    /// Who has a value of a unique cell.
    unique: HashMap<(RecordId, CellIndex, crate::value::SpaceRef, Value), RecordRef>,
    findings: Vec<Finding>,
}

impl Auditor<'_> {
    fn found(&mut self, kind: Kind, record: &RecordRef, message: String, help: impl Into<String>) {
        self.findings.push(Finding { kind, record: record.clone(), message, help: help.into() });
    }

    fn shown(&self, record: &RecordRef) -> String {
        reference_text(self.program, record)
    }

    fn record(&mut self, store: usize, stored: &StoredRecord<'_>, settled: bool) -> Result<(), StoreError> {
        let program = self.program;
        let record = stored.record;
        let of = program.record(record.record());
        let space = space_text(program, record.space());
        let at_home = match of.home {
            Home::Plain(home) | Home::Family(home) => home == record.space().space,
            Home::Floating => true,
        };
        if !at_home {
            let message = format!("{} is in `{space}`, where no {} may be", self.shown(record), of.name);
            self.found(Kind::Misplaced, record, message, "run the patterns that wrote it, and create it anew in the right space");
        }
        if self.stores.place(record.space()) != store {
            let message =
                format!("{} is in a store that does not keep `{space}` under this deployment: nobody finds it there", self.shown(record));
            let help = "name that store under `spaces` again, or carry its data over with `patternc export` and `import`";
            self.found(Kind::Misplaced, record, message, help);
            return Ok(());
        }
        for (index, value) in stored.cells.clone().into_iter().flatten().enumerate() {
            self.cell(record, CellIndex(index as u32), value)?;
        }
        // A record type lists those that each commit checks; `eventually` ones are looked at here alone.
        for (invariant, declared) in (0..).zip(&program.invariants).filter(|(_, declared)| declared.record == record.record()) {
            if declared.eventually && !settled {
                continue;
            }
            let why = match self.holds(invariant, record)? {
                Ok(Value::Bool(true)) => continue,
                Ok(_) => String::new(),
                Err(failure) => format!(" ({failure})"),
            };
            let message = format!("the invariant `{}` does not hold for {}{why}", declared.name, self.shown(record));
            let help = if declared.eventually {
                "nothing is on its way that would make it hold: send the events that bring both sides together"
            } else {
                "no commit can have left this: look for a change by hand, mend it with events, or restore a copy"
            };
            self.found(Kind::Invariant, record, message, help);
        }
        Ok(())
    }

    fn holds(&mut self, invariant: u32, record: &RecordRef) -> Result<Result<Value, Failure>, StoreError> {
        let env =
            Env { program: self.program, stores: &self.stores, limits: self.limits, answers: None, now: self.now, ids: 0, caller: None };
        let body = self.program.invariants[invariant as usize].body;
        Ok(self.execution.evaluate_body(&env, body, record)?.value)
    }

    fn cell(&mut self, record: &RecordRef, index: CellIndex, value: &Value) -> Result<(), StoreError> {
        let program = self.program;
        let of = program.record(record.record());
        let cell = &of.cells[index.index()];
        let named = format!("{}.{}", self.shown(record), cell.name);
        if !places::fit(program, value, &cell.ty, record.space()) {
            let message = format!("{named} points to another space than its type {} allows", program.ty(&cell.ty));
            self.found(Kind::Misplaced, record, message, "write the cell anew");
        }
        if cell.unique && *value != Value::None {
            let key = (record.record(), index, record.space().clone(), value.clone());
            if let Some(other) = self.unique.insert(key, record.clone()) {
                let message = format!("{named} has the same value as {}.{}, and is unique", self.shown(&other), cell.name);
                self.found(Kind::Unique, record, message, "give one of them another value, or delete it");
            }
        }
        for other in references(value) {
            let presence = self.stores.of(other.space()).presence(&other)?;
            if presence != Presence::Live {
                let what = if presence == Presence::Deleted { "was deleted" } else { "was never there" };
                let message = format!("{named} refers to {}, which {what}: reading through it fails with `missing`", self.shown(&other));
                let help = "write the cell anew; `inverse` on the cell takes deleted records out by itself";
                self.found(Kind::Gone, record, message, help);
                continue;
            }
            let Some(inverse) = cell.inverse else { continue };
            let back = self.stores.of(other.space()).cell(&other, inverse.cell)?;
            if !back.is_some_and(|back| references(&back).contains(record)) {
                let there = &program.record(other.record()).cells[inverse.cell.index()].name;
                let message = format!("{named} links to {}, whose `{there}` does not link back", self.shown(&other));
                self.found(Kind::Inverse, record, message, "write one of the two ends anew: the runtime writes the other");
            }
        }
        Ok(())
    }
}

/// Every reference in a value.
fn references(value: &Value) -> Vec<RecordRef> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<RecordRef>) {
    match value {
        Value::Ref(record) => found.push(record.clone()),
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Set(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            collect(key, found);
            collect(value, found);
        }),
        Value::Struct(values) | Value::Variant(_, values) => values.iter().for_each(|value| collect(value, found)),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Space(_) => {}
    }
}
