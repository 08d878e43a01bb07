//! From effects back to a state: what one process wrote is done again in another.
//!
//! The effects of one entry of the journal become one request, which a state that stood where the writer's stood applies whole.

use std::sync::Arc;

use imbl::Vector;
use patternc_program::{CellIndex, Program, RecordId};
use rustc_hash::FxHashMap;

use super::effect::Effect;
use super::events::EventReader;
use super::load::{empty, received};
use super::native::{Native, read_column, read_key};
use super::positions::Positions;
use super::record::Recorder;
use super::schema::{Kind, Layout};
use crate::event::{EventId, Outgoing};
use crate::json::{self, Form, JsonError, Names, Reader};
use crate::store::state::State;
use crate::store::{CommitRequest, InboxChange, OutboxChange, Write};
use crate::value::{RecordRef, Value};

/// What an entry of the journal came to.
#[derive(Debug, Default)]
pub(in crate::store) struct Replayed {
    pub(in crate::store) request: CommitRequest,
    /// Records whose invariants (by name) were evaluated.
    pub(in crate::store) evaluated: Vec<(String, RecordRef)>,
}

/// Reads effects for a state.
pub(in crate::store) struct Replayer {
    types: FxHashMap<u32, RecordId>,
    cells: FxHashMap<u32, (RecordId, CellIndex)>,
}

/// One entry on its way to a request.
struct Replay<'a> {
    replayer: &'a Replayer,
    program: &'a Program,
    names: &'a Names,
    layout: &'a Layout,
    state: &'a State,
    positions: &'a mut FxHashMap<(u64, u32), Positions>,
    /// Records created in this entry.
    created: FxHashMap<u64, RecordRef>,
    /// Lists as they stand within this entry.
    lists: FxHashMap<(u64, u32), Vector<Value>>,
    replayed: Replayed,
}

impl Replayer {
    pub(in crate::store) fn new(layout: &Layout) -> Replayer {
        let mut replayer = Replayer { types: FxHashMap::default(), cells: FxHashMap::default() };
        for (index, ty) in layout.types().iter().enumerate() {
            let record = RecordId(index as u32);
            replayer.types.insert(ty.id, record);
            let cells = ty.cells.iter().enumerate();
            replayer.cells.extend(cells.map(|(cell, of)| (of.id, (record, CellIndex(cell as u32)))));
        }
        replayer
    }

    /// The request that does the effects. The recorder, which goes on from there, learns where the elements of lists stand.
    pub(in crate::store) fn request(
        &self,
        program: &Program,
        names: &Names,
        state: &State,
        recorder: &mut Recorder,
        effects: Vec<Effect>,
    ) -> Result<Replayed, JsonError> {
        for effect in &effects {
            recorder.follow_sent(effect);
        }
        let (layout, positions) = recorder.layout_and_positions();
        let mut replay = Replay {
            replayer: self,
            program,
            names,
            layout,
            state,
            positions,
            created: FxHashMap::default(),
            lists: FxHashMap::default(),
            replayed: Replayed::default(),
        };
        effects.into_iter().try_for_each(|effect| replay.add(effect))?;
        let Replay { lists, replayed, positions, .. } = replay;
        // One whose elements stand at their indexes need not be remembered.
        for list in lists.into_keys() {
            if positions.get(&list).is_some_and(Positions::is_trivial) {
                positions.remove(&list);
            }
        }
        Ok(replayed)
    }
}

impl Replay<'_> {
    fn reader(&self) -> Reader<'_> {
        Reader { program: self.program, names: self.names, form: Form::Stored, here: None, keys: None, limits: None }
    }

    fn events(&self) -> EventReader<'_> {
        EventReader { program: self.program, names: self.names }
    }

    fn record(&self, n: u64) -> Result<RecordRef, JsonError> {
        let found = self.created.get(&n).or_else(|| self.state.created(n)).cloned();
        found.ok_or_else(|| wrong(format!("there is no record {n}")))
    }

    fn cell(&self, id: u32) -> Result<(RecordId, CellIndex), JsonError> {
        self.replayer.cells.get(&id).copied().ok_or_else(|| wrong(format!("the schema has no cell {id}")))
    }

    fn write(&mut self, write: Write) {
        self.replayed.request.writes.push(write);
    }

    fn add(&mut self, effect: Effect) -> Result<(), JsonError> {
        match effect {
            Effect::New { ty, n, space, id } => {
                let ty = *self.replayer.types.get(&ty).ok_or_else(|| wrong(format!("the schema has no type {ty}")))?;
                let space = self.reader().space(&space, &json::Path::Root)?;
                let record = RecordRef::new(ty, space, json::unescape(&id).map_err(wrong)?);
                self.created.insert(n, record.clone());
                // Its cells follow.
                let cells = self.program.record(ty).cells.iter().map(|cell| empty(&cell.ty)).collect();
                self.write(Write::Create { record, cells });
            }
            Effect::Del { n, .. } => {
                let record = self.record(n)?;
                for cell in self.layout.ty(record.record()).cells.iter().filter(|cell| cell.kind == Kind::List) {
                    self.positions.remove(&(n, cell.id));
                    self.lists.remove(&(n, cell.id));
                }
                self.write(Write::Delete { record });
            }
            Effect::Set { cell: id, n, value } => {
                let (ty, cell) = self.cell(id)?;
                let value = read_column(&self.reader(), &self.layout.cell(ty, cell).value, value.as_ref())?;
                let record = self.record(n)?;
                self.write(Write::Set { record, cell, value });
            }
            Effect::Put { cell, n, key, value } => self.put(cell, n, &key, &value)?,
            Effect::Rem { cell, n, key } => self.remove(cell, n, &key)?,
            Effect::Clr { cell: id, n } => {
                let (ty, cell) = self.cell(id)?;
                let record = self.record(n)?;
                let value = empty(&self.program.record(ty).cells[cell.index()].ty);
                if let Value::List(_) = value {
                    self.positions.insert((n, id), Positions::default());
                    self.lists.insert((n, id), Vector::new());
                }
                self.write(Write::Set { record, cell, value });
            }
            Effect::Inv { name, n } => {
                let record = self.record(n)?;
                self.replayed.evaluated.push((name, record));
            }
            Effect::Out { id, event, state, .. } => {
                let outgoing = self.events().outgoing(&id, text(&event)?, text(&state)?)?;
                self.replayed.request.outbox.push(OutboxChange::Add(Arc::new(outgoing)));
            }
            Effect::State { id, state } => {
                let id = EventId(id.into());
                let of = self.outgoing(&id).ok_or_else(|| wrong(format!("the event {:?} is not on its way", id.0)))?;
                let state = self.events().state(text(&state)?, &of.event.action.result_type(self.program))?;
                self.replayed.request.outbox.push(OutboxChange::Update(id, state));
            }
            Effect::Unout { id } => self.replayed.request.outbox.push(OutboxChange::Remove(EventId(id.into()))),
            Effect::In { id, received: outcome, ty, keep_until } => {
                let event = received(&self.events(), text(&outcome)?, &ty, keep_until);
                let (received, ty) = (event.received, event.ty);
                self.replayed.request.inbox.push(InboxChange::Record { event: EventId(id.into()), received, ty, keep_until });
            }
            Effect::Forget { id } => self.replayed.request.inbox.push(InboxChange::Forget(EventId(id.into()))),
        }
        Ok(())
    }

    fn outgoing(&self, id: &EventId) -> Option<Arc<Outgoing>> {
        let added = self.replayed.request.outbox.iter().find_map(|change| match change {
            OutboxChange::Add(outgoing) if outgoing.event.id == *id => Some(outgoing.clone()),
            _ => None,
        });
        added.or_else(|| self.state.outgoing_by_id(id).cloned())
    }

    /// The list and where its elements stand, as of this point of the entry.
    fn list(&mut self, id: u32, n: u64, record: &RecordRef, cell: CellIndex) -> (&mut Vector<Value>, &mut Positions) {
        let list = self.lists.entry((n, id)).or_insert_with(|| match self.state.cell(record, cell) {
            Some(Value::List(items)) => Vector::clone(items),
            _ => Vector::new(),
        });
        let positions = self.positions.entry((n, id)).or_insert_with(|| Positions::contiguous(list.len()));
        (list, positions)
    }

    fn put(&mut self, id: u32, n: u64, key: &Native, value: &Native) -> Result<(), JsonError> {
        let (ty, cell) = self.cell(id)?;
        let record = self.record(n)?;
        let stored = self.layout.cell(ty, cell);
        match stored.kind {
            Kind::List => {
                let value = read_column(&self.reader(), &stored.value, value.as_ref())?;
                let position = position(key)?;
                let (list, positions) = self.list(id, n, &record, cell);
                if !positions.append_at(position, list.len()) {
                    return Err(wrong(format!("an element is put at {position}, which is not the end of its list")));
                }
                list.push_back(value.clone());
                self.write(Write::Append { record, cell, value });
            }
            Kind::Set => {
                let value = read_key(&self.reader(), &stored.key, key.as_ref())?;
                self.write(Write::Insert { record, cell, value });
            }
            Kind::Map => {
                let value = read_column(&self.reader(), &stored.value, value.as_ref())?;
                let key = read_key(&self.reader(), &stored.key, key.as_ref())?;
                self.write(Write::SetEntry { record, cell, key, value });
            }
            Kind::Column => return Err(wrong(format!("the cell {id} is no collection"))),
        }
        Ok(())
    }

    fn remove(&mut self, id: u32, n: u64, key: &Native) -> Result<(), JsonError> {
        let (ty, cell) = self.cell(id)?;
        let record = self.record(n)?;
        let stored = self.layout.cell(ty, cell);
        match stored.kind {
            Kind::List => {
                let position = position(key)?;
                let (list, positions) = self.list(id, n, &record, cell);
                let index = positions.index_of(position).filter(|index| *index < list.len());
                let index = index.ok_or_else(|| wrong(format!("there is no element at {position} of its list")))?;
                positions.remove(index);
                // The first equal one is at this index: that is how it was found by who removed it.
                let value = list.remove(index);
                self.write(Write::RemoveFirst { record, cell, value });
            }
            Kind::Set => {
                let value = read_key(&self.reader(), &stored.key, key.as_ref())?;
                self.write(Write::Remove { record, cell, value });
            }
            Kind::Map => {
                let key = read_key(&self.reader(), &stored.key, key.as_ref())?;
                self.write(Write::RemoveEntry { record, cell, key });
            }
            Kind::Column => return Err(wrong(format!("the cell {id} is no collection"))),
        }
        Ok(())
    }
}

fn wrong(message: impl Into<String>) -> JsonError {
    JsonError { path: String::new(), message: message.into() }
}

fn text(native: &Native) -> Result<&str, JsonError> {
    match native {
        Native::Text(text) => Ok(text),
        _ => Err(wrong("a text is missing")),
    }
}

fn position(key: &Native) -> Result<i64, JsonError> {
    match key {
        Native::Integer(position) => Ok(*position),
        _ => Err(wrong("a position is no number")),
    }
}
