//! From a request to its effects.
//!
//! What can fail (writing values as JSON) is done by [`Recorder::prepare`] before the state is changed; [`Recorder::record`] puts the parts
//! together afterwards, when it is known that the request was accepted, and with what the state says by then.

use std::collections::HashMap;
use std::fmt::Write as _;

use patternc_program::{CellIndex, Program, RecordId};
use rustc_hash::FxHashMap;

use super::effect::Effect;
use super::events;
use super::native::{write_column, write_key};
use super::positions::Positions;
use super::schema::{CellLayout, Kind, Layout};
use crate::event::EventId;
use crate::json::{JsonError, write_text};
use crate::store::state::State;
use crate::store::{CommitRequest, InboxChange, OutboxChange, Presence, Write};
use crate::value::{RecordRef, Value};

/// Writes the effects of requests.
#[derive(Debug)]
pub(in crate::store) struct Recorder {
    layout: Layout,
    /// Of lists that were changed since the store was opened, and of those with gaps: by record and cell.
    positions: FxHashMap<(u64, u32), Positions>,
    /// The number of each outgoing event.
    sent: HashMap<EventId, u64>,
    next_sent: u64,
    parts: Parts,
    /// Whether the request being recorded changes any list in place.
    in_place: bool,
    /// Other processes follow: they are told which invariants were evaluated.
    followed: bool,
}

/// Values as JSON, one after the other, in the order in which the effects need them.
#[derive(Debug, Default)]
struct Parts {
    text: String,
    ends: Vec<usize>,
    taken: usize,
}

impl Parts {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.taken = 0;
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    /// The next part.
    fn take(&mut self) -> &str {
        let start = if self.taken == 0 { 0 } else { self.ends[self.taken - 1] };
        self.taken += 1;
        &self.text[start..self.ends[self.taken - 1]]
    }
}

impl Recorder {
    /// A recorder that goes on where the tables end. `positions`: of the lists whose elements do not stand at their indexes.
    pub(in crate::store) fn new(layout: Layout, positions: FxHashMap<(u64, u32), Positions>, sent: HashMap<EventId, u64>) -> Self {
        let next_sent = sent.values().max().map_or(0, |last| last + 1);
        Recorder { layout, positions, sent, next_sent, parts: Parts::default(), in_place: false, followed: false }
    }

    /// Also tells those who follow the journal what they need beyond the rows.
    pub(in crate::store) fn followed(self) -> Self {
        Recorder { followed: true, ..self }
    }

    /// Takes note of an event that another process has sent or dealt with.
    pub(in crate::store) fn follow_sent(&mut self, effect: &Effect) {
        match effect {
            Effect::Out { sent, id, .. } => {
                self.sent.insert(EventId(id.as_str().into()), *sent);
                self.next_sent = self.next_sent.max(sent + 1);
            }
            Effect::Unout { id } => {
                self.sent.remove(&EventId(id.as_str().into()));
            }
            _ => {}
        }
    }

    /// The schema, and the positions of lists, which who replays the journal of others keeps up to date.
    pub(in crate::store) fn layout_and_positions(&mut self) -> (&Layout, &mut FxHashMap<(u64, u32), Positions>) {
        (&self.layout, &mut self.positions)
    }

    /// Whether a request has effects at all.
    pub(in crate::store) fn has_effects(request: &CommitRequest) -> bool {
        !(request.writes.is_empty() && request.outbox.is_empty() && request.inbox.is_empty())
    }

    /// Writes down the values of a request, before it is applied. Gives the bytes they have.
    pub(in crate::store) fn prepare(&mut self, program: &Program, state: &State, request: &CommitRequest) -> Result<usize, JsonError> {
        self.parts.clear();
        for change in &request.inbox {
            if let InboxChange::Record { received, ty, .. } = change {
                events::write_received(&mut self.parts.text, program, received, ty)?;
                self.parts.end();
            }
        }
        for change in &request.outbox {
            match change {
                OutboxChange::Add(outgoing) => {
                    events::write_outgoing(&mut self.parts.text, program, outgoing)?;
                    self.parts.end();
                    let ty = outgoing.event.action.result_type(program);
                    events::write_state(&mut self.parts.text, program, &outgoing.state, &ty)?;
                    self.parts.end();
                }
                OutboxChange::Update(id, new) => {
                    // One that is not there is refused when the request is applied, if this request does not add it.
                    let added = request.outbox.iter().find_map(|change| match change {
                        OutboxChange::Add(outgoing) if outgoing.event.id == *id => Some(outgoing),
                        _ => None,
                    });
                    if let Some(outgoing) = state.outgoing_by_id(id).or(added) {
                        let ty = outgoing.event.action.result_type(program);
                        events::write_state(&mut self.parts.text, program, new, &ty)?;
                    }
                    self.parts.end();
                }
                OutboxChange::Remove(_) | OutboxChange::Require(_) => {}
            }
        }
        for write in &request.writes {
            self.prepare_write(program, state, write)?;
        }
        Ok(self.parts.text.len())
    }

    fn prepare_write(&mut self, program: &Program, state: &State, write: &Write) -> Result<(), JsonError> {
        let Recorder { layout, parts, positions, .. } = self;
        let mut column = |value: &Value, layout: &CellLayout| -> Result<(), JsonError> {
            write_column(&mut parts.text, program, value, &layout.value)?;
            parts.end();
            Ok(())
        };
        match write {
            Write::Create { record, cells } => {
                let types = &layout.ty(record.record()).cells;
                return cells.iter().zip(types).try_for_each(|(value, cell)| prepare_cell(parts, program, value, cell));
            }
            Write::Set { record, cell, value } => {
                return prepare_cell(parts, program, value, layout.cell(record.record(), *cell));
            }
            Write::Append { record, cell, value } => {
                column(value, layout.cell(record.record(), *cell))?;
                know_positions(positions, layout, state, record, *cell);
            }
            Write::RemoveFirst { record, cell, .. } => know_positions(positions, layout, state, record, *cell),
            Write::Insert { record, cell, value } | Write::Remove { record, cell, value } => {
                write_key(&mut parts.text, program, value, &layout.cell(record.record(), *cell).key)?;
                parts.end();
            }
            Write::SetEntry { record, cell, key, value } => {
                let cell = layout.cell(record.record(), *cell);
                write_key(&mut parts.text, program, key, &cell.key)?;
                parts.end();
                write_column(&mut parts.text, program, value, &cell.value)?;
                parts.end();
            }
            Write::RemoveEntry { record, cell, key } => {
                write_key(&mut parts.text, program, key, &layout.cell(record.record(), *cell).key)?;
                parts.end();
            }
            Write::AddInt { .. } | Write::Delete { .. } => {}
        }
        Ok(())
    }

    /// Appends the effects of the request that was prepared last and that the state has applied, each with a comma after it. Gives about how
    /// many they are.
    pub(in crate::store) fn record(&mut self, out: &mut String, program: &Program, state: &State, request: &CommitRequest) -> usize {
        for change in &request.inbox {
            match change {
                InboxChange::Record { event, ty, .. } => {
                    out.push_str("[\"in\",");
                    write_text(out, &event.0);
                    out.push(',');
                    out.push_str(self.parts.take());
                    out.push(',');
                    write_text(out, &program.ty(ty));
                    // An answer may be kept otherwise than the request says.
                    match state.received_until(event) {
                        Some(time) => put(out, format_args!(",{time}],")),
                        None => out.push_str(",null],"),
                    }
                }
                InboxChange::Forget(event) => effect_of_event(out, "forget", event),
            }
        }
        for change in &request.outbox {
            match change {
                OutboxChange::Add(outgoing) => {
                    let id = &outgoing.event.id;
                    put(out, format_args!("[\"out\",{},", self.next_sent));
                    write_text(out, &id.0);
                    out.push(',');
                    out.push_str(self.parts.take());
                    out.push(',');
                    out.push_str(self.parts.take());
                    out.push_str("],");
                    self.sent.insert(id.clone(), self.next_sent);
                    self.next_sent += 1;
                }
                OutboxChange::Update(id, _) => {
                    out.push_str("[\"state\",");
                    write_text(out, &id.0);
                    out.push(',');
                    out.push_str(self.parts.take());
                    out.push_str("],");
                }
                OutboxChange::Require(_) => {}
                OutboxChange::Remove(id) => {
                    effect_of_event(out, "unout", id);
                    self.sent.remove(id);
                }
            }
        }
        // Positions cost memory, so they are kept of lists only that are changed in place.
        self.in_place = request.writes.iter().any(|write| matches!(write, Write::Append { .. } | Write::RemoveFirst { .. }));
        let mut removals = state.removals().iter();
        let mut sparse = Vec::new();
        for write in &request.writes {
            self.record_write(out, program, state, write, &mut removals, &mut sparse);
        }
        for (record, cell) in sparse {
            self.rewrite(out, program, state, &record, cell);
        }
        if self.followed {
            for (invariant, record, _) in &request.invariant_reads {
                // One of a record that was deleted afterwards concerns nobody.
                if state.presence(record) == Presence::Live {
                    out.push_str("[\"inv\",");
                    write_text(out, &program.invariants[*invariant as usize].name);
                    put(out, format_args!(",{}],", order_of(state, record)));
                }
            }
        }
        self.parts.ends.len() + request.writes.len() + request.inbox.len() + request.outbox.len()
    }

    fn record_write<'s>(
        &mut self,
        out: &mut String,
        program: &Program,
        state: &State,
        write: &Write,
        removals: &mut impl Iterator<Item = &'s Option<usize>>,
        sparse: &mut Vec<(RecordRef, CellIndex)>,
    ) {
        let order = |record: &RecordRef| order_of(state, record);
        match write {
            Write::Create { record, cells } => {
                let n = order(record);
                put(out, format_args!("[\"new\",{},{n},", self.layout.ty(record.record()).id));
                write_identity(out, program, record);
                out.push_str("],");
                for (cell, value) in cells.iter().enumerate() {
                    self.record_cell(out, record.record(), CellIndex(cell as u32), n, value);
                }
            }
            Write::Delete { record } => {
                let n = order(record);
                let ty = self.layout.ty(record.record());
                put(out, format_args!("[\"del\",{},{n}],", ty.id));
                for cell in ty.cells.iter().filter(|cell| cell.kind == Kind::List) {
                    self.positions.remove(&(n, cell.id));
                }
            }
            Write::Set { record, cell, value } => {
                let n = order(record);
                let stored = self.layout.cell(record.record(), *cell);
                if stored.kind != Kind::Column {
                    put(out, format_args!("[\"clr\",{},{n}],", stored.id));
                }
                self.record_cell(out, record.record(), *cell, n, value);
            }
            Write::AddInt { record, cell, .. } => {
                // A record that was deleted afterwards has no value: its deletion says all.
                if let Some(Value::Int(sum)) = state.cell(record, *cell) {
                    put(out, format_args!("[\"set\",{},{},{sum}],", self.layout.cell(record.record(), *cell).id, order(record)));
                }
            }
            Write::Append { record, cell, .. } => {
                let (id, n) = (self.layout.cell(record.record(), *cell).id, order(record));
                let position = self.positions.entry((n, id)).or_default().push();
                put(out, format_args!("[\"put\",{id},{n},{position},"));
                out.push_str(self.parts.take());
                out.push_str("],");
            }
            Write::RemoveFirst { record, cell, .. } => {
                let (id, n) = (self.layout.cell(record.record(), *cell).id, order(record));
                if let Some(index) = removals.next().expect("the state notes every removal") {
                    let positions = self.positions.entry((n, id)).or_default();
                    put(out, format_args!("[\"rem\",{id},{n},{}],", positions.remove(*index)));
                    if positions.is_sparse() && !sparse.iter().any(|(r, c)| r == record && c == cell) {
                        sparse.push((record.clone(), *cell));
                    }
                }
            }
            Write::Insert { record, cell, .. } => {
                put(out, format_args!("[\"put\",{},{},", self.layout.cell(record.record(), *cell).id, order(record)));
                out.push_str(self.parts.take());
                out.push_str("],");
            }
            Write::SetEntry { record, cell, .. } => {
                put(out, format_args!("[\"put\",{},{},", self.layout.cell(record.record(), *cell).id, order(record)));
                out.push_str(self.parts.take());
                out.push(',');
                out.push_str(self.parts.take());
                out.push_str("],");
            }
            Write::Remove { record, cell, .. } | Write::RemoveEntry { record, cell, .. } => {
                put(out, format_args!("[\"rem\",{},{},", self.layout.cell(record.record(), *cell).id, order(record)));
                out.push_str(self.parts.take());
                out.push_str("],");
            }
        }
    }

    /// A whole cell.
    fn record_cell(&mut self, out: &mut String, record: RecordId, cell: CellIndex, n: u64, value: &Value) {
        let cell = self.layout.cell(record, cell);
        let id = cell.id;
        match (cell.kind, value) {
            (Kind::List, Value::List(items)) => {
                for position in 0..items.len() {
                    put(out, format_args!("[\"put\",{id},{n},{position},"));
                    out.push_str(self.parts.take());
                    out.push_str("],");
                }
                if self.in_place || self.positions.contains_key(&(n, id)) {
                    self.positions.insert((n, id), Positions::contiguous(items.len()));
                }
            }
            (Kind::Set, Value::Set(items)) => {
                for _ in 0..items.len() {
                    put(out, format_args!("[\"put\",{id},{n},"));
                    out.push_str(self.parts.take());
                    out.push_str("],");
                }
            }
            (Kind::Map, Value::Map(entries)) => {
                for _ in 0..entries.len() {
                    put(out, format_args!("[\"put\",{id},{n},"));
                    out.push_str(self.parts.take());
                    out.push(',');
                    out.push_str(self.parts.take());
                    out.push_str("],");
                }
            }
            _ => {
                put(out, format_args!("[\"set\",{id},{n},"));
                out.push_str(self.parts.take());
                out.push_str("],");
            }
        }
    }

    /// Writes a list with many gaps anew.
    fn rewrite(&mut self, out: &mut String, program: &Program, state: &State, record: &RecordRef, cell: CellIndex) {
        let Some(Value::List(items)) = state.cell(record, cell) else { return };
        let n = state.order(record).expect("a record that is there was created");
        let stored = self.layout.cell(record.record(), cell);
        let (id, ty) = (stored.id, &stored.value);
        put(out, format_args!("[\"clr\",{id},{n}],"));
        for (position, item) in items.iter().enumerate() {
            put(out, format_args!("[\"put\",{id},{n},{position},"));
            write_column(out, program, item, ty).expect("what is in the state was written before");
            out.push_str("],");
        }
        self.positions.insert((n, id), Positions::contiguous(items.len()));
    }
}

/// The parts of a whole cell.
fn prepare_cell(parts: &mut Parts, program: &Program, value: &Value, cell: &CellLayout) -> Result<(), JsonError> {
    let mut each = |value: &Value, key: bool| -> Result<(), JsonError> {
        if key {
            write_key(&mut parts.text, program, value, &cell.key)?;
        } else {
            write_column(&mut parts.text, program, value, &cell.value)?;
        }
        parts.end();
        Ok(())
    };
    match (cell.kind, value) {
        (Kind::List, Value::List(items)) => items.iter().try_for_each(|item| each(item, false)),
        (Kind::Set, Value::Set(items)) => items.iter().try_for_each(|item| each(item, true)),
        (Kind::Map, Value::Map(entries)) => entries.iter().try_for_each(|(key, value)| {
            each(key, true)?;
            each(value, false)
        }),
        (Kind::Column, value) => each(value, false),
        (Kind::List | Kind::Set | Kind::Map, value) => Err(JsonError {
            path: String::new(),
            message: format!("a value that is not a collection cannot be stored in its cell: {value:?}"),
        }),
    }
}

/// Makes the positions of a list known before it is changed. Of a record that the same request creates they become known with that.
fn know_positions(positions: &mut FxHashMap<(u64, u32), Positions>, layout: &Layout, state: &State, record: &RecordRef, cell: CellIndex) {
    if let (Some(Value::List(items)), Some(n)) = (state.cell(record, cell), state.order(record)) {
        let id = layout.cell(record.record(), cell).id;
        positions.entry((n, id)).or_insert_with(|| Positions::contiguous(items.len()));
    }
}

fn order_of(state: &State, record: &RecordRef) -> u64 {
    state.order(record).expect("what was written was created")
}

/// Appends the space and the id of a record as texts.
fn write_identity(out: &mut String, program: &Program, record: &RecordRef) {
    write_text(out, &crate::json::space_text(program, record.space()));
    out.push(',');
    write_text(out, &crate::json::id_text(record));
}

fn effect_of_event(out: &mut String, name: &str, event: &EventId) {
    put(out, format_args!("[\"{name}\","));
    write_text(out, &event.0);
    out.push_str("],");
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("writing to a String cannot fail");
}
