//! Which points are one: a point is known by a hash of everything that can make a difference to what comes.
//!
//! Left out are the ids of events, versions, and the order in which independent things became possible. The hash has 128 bits and keys of
//! its own process: that two points of a search of a billion share one by chance has a probability below 10⁻²⁰.

use std::sync::Arc;

use patternc_program::{CellIndex, RecordId};
use rustc_hash::FxHashMap;

use super::point::{Group, Player, Point};
use crate::engine::{CallAnswer, InFlight, Stage as FlightStage, Waiting};
use crate::event::{Action, Outcome, OutgoingState, PendingArm, Received};
use crate::simulate::answers::Answers;
use crate::simulate::stage::Stage;
use crate::store::state::State;
use crate::store::{CommitRequest, InboxChange, OutboxChange, Stores, Write};
use crate::value::{RecordRef, SpaceRef, Value};

/// A hash of two lanes of 64 bits, each a chain of folded products (as in wyhash, Wang Yi 2019).
#[derive(Clone, Copy)]
pub(super) struct Hash {
    a: u64,
    b: u64,
}

fn fold(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    product as u64 ^ (product >> 64) as u64
}

impl Hash {
    pub fn new() -> Self {
        Hash { a: 0x2d35_8dcc_aa6c_78a5, b: 0x8bb8_4b93_962e_acc9 }
    }

    pub fn word(&mut self, word: u64) {
        self.a = fold(self.a ^ word, 0xa076_1d64_78bd_642f);
        self.b = fold(self.b.rotate_left(32) ^ word, 0xe703_7ed1_a0b4_28db);
    }

    pub fn wide(&mut self, wide: u128) {
        self.word(wide as u64);
        self.word((wide >> 64) as u64);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    pub fn finish(mut self) -> u128 {
        self.word(0x5895_89f6_3a5d_0c11);
        u128::from(self.a) << 64 | u128::from(self.b)
    }
}

/// A renaming of records and spaces under which the beginning of a search looks the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Renaming {
    /// By the hash of a record: that of the one it stands for.
    records: FxHashMap<u64, u64>,
    spaces: FxHashMap<SpaceRef, SpaceRef>,
}

impl Renaming {
    /// Each of the first records stands for the one at the same position of the second; so do their spaces. `None` if two spaces would
    /// become one, or a space of another type.
    pub fn new(from: &[RecordRef], to: &[RecordRef]) -> Option<Self> {
        let mut renaming = Renaming::default();
        for (from, to) in from.iter().zip(to) {
            renaming.records.insert(from.hash_code(), to.hash_code());
            let (a, b) = (from.space(), to.space());
            if a.space != b.space || *renaming.spaces.entry(a.clone()).or_insert_with(|| b.clone()) != *b {
                return None;
            }
        }
        let mut images: Vec<&SpaceRef> = renaming.spaces.values().collect();
        images.sort_unstable();
        images.dedup();
        (images.len() == renaming.spaces.len()).then_some(renaming)
    }

    fn record(&self, record: &RecordRef) -> u64 {
        let hash = record.hash_code();
        if self.records.is_empty() { hash } else { self.records.get(&hash).copied().unwrap_or(hash) }
    }
}

/// What the hash of a point is made with.
pub(super) struct Canonical<'a> {
    pub renaming: &'a Renaming,
    /// Lists by what is in them, but for these cells, and records by what they hold, whatever came first: appends and creations commute.
    pub loose: Option<&'a [(RecordId, CellIndex)]>,
}

impl Canonical<'_> {
    /// The hash of a point.
    pub fn point(&self, point: &Point<'_>) -> u128 {
        self.with_events(point, &mut |_, _| {})
    }

    /// The hash of a point; says of each event that is not decided, by its key in the engine, a hash of all that it has to go on.
    pub fn with_events(&self, point: &Point<'_>, event: &mut dyn FnMut(u64, u128)) -> u128 {
        let mut hash = Hash::new();
        let world = &point.script.world;
        hash.word(world.now() as u64);
        hash.word(u64::from(world.is_held()));
        let stores = world.engine().stores();
        for store in 0..stores.len() {
            let state = stores.get(store).in_memory().expect("explored stores are in memory");
            hash.wide(self.state(state));
        }
        hash.wide(self.flights(&world.in_flight(), Some(&point.script.outside), event));
        let waiting: Vec<Waiting<'_>> = world.engine().waiting().collect();
        for group in &point.groups {
            hash.wide(self.group(point, group, &waiting, event));
        }
        hash.word(point.script.late().len() as u64);
        hash.wide(point.answers.unwrap_or(0));
        point.script.outside.givens.left().for_each(|left| hash.word(left));
        hash.finish()
    }

    /// What a point comes to, for those who compare: the records, what is parked, and what the concurrent events were answered.
    pub fn result(&self, point: &Point<'_>) -> u128 {
        let mut hash = Hash::new();
        let engine = point.script.world.engine();
        hash.wide(self.records(engine.stores()));
        hash.wide(self.flights(&point.script.world.in_flight(), None, &mut |_, _| {}));
        hash.wide(point.answers.unwrap_or(0));
        hash.finish()
    }

    /// What the records of all stores hold.
    pub fn records(&self, stores: &Stores) -> u128 {
        let states = (0..stores.len()).map(|store| self.state(stores.get(store).in_memory().expect("explored stores are in memory")));
        let mut hash = Hash::new();
        states.for_each(|state| hash.wide(state));
        hash.finish()
    }

    /// An answer to an event of a session; `None`: it was refused.
    pub fn answer(&self, session: u64, outcome: Option<&Outcome>) -> u128 {
        let mut hash = Hash::new();
        hash.word(session);
        match outcome {
            Some(outcome) => self.outcome(&mut hash, outcome),
            None => hash.word(0),
        }
        hash.finish()
    }

    /// What the records of a store hold: the same for equal data, however they came about.
    pub fn state(&self, state: &State) -> u128 {
        let mut tables: u128 = 0;
        for (of, space, members) in state.tables() {
            let mut table = Hash::new();
            table.word(u64::from(of.0));
            self.space(&mut table, space);
            let mut unordered: u128 = 0;
            for (key, cells) in members {
                let mut record = Hash::new();
                record.word(self.renaming.record(key));
                for (index, cell) in cells.enumerate() {
                    let ordered = |loose: &[(RecordId, CellIndex)]| loose.contains(&(of, CellIndex(index as u32)));
                    match self.loose.is_some_and(ordered) {
                        true => Canonical { loose: None, ..*self }.value(&mut record, cell),
                        false => self.value(&mut record, cell),
                    }
                }
                if self.loose.is_some() {
                    unordered = unordered.wrapping_add(record.finish());
                } else {
                    table.wide(record.finish());
                }
            }
            table.wide(unordered);
            tables = tables.wrapping_add(table.finish());
        }
        tables
    }

    fn flights(&self, flights: &[InFlight<'_>], answers: Option<&Answers>, event: &mut dyn FnMut(u64, u128)) -> u128 {
        let mut sum: u128 = 0;
        for flight in flights {
            let mut hash = Hash::new();
            let outgoing = flight.outgoing;
            hash.word(self.renaming.record(&outgoing.from));
            self.action(&mut hash, &outgoing.event.action);
            hash.word(flight.ahead as u64);
            hash.word(outgoing.due.map_or(0, |due| due as u64));
            self.arm(&mut hash, outgoing.ok.as_ref());
            self.arm(&mut hash, outgoing.err.as_ref());
            hash.text(outgoing.answers.as_ref().map_or("", |answers| &answers.0));
            hash.text(outgoing.event.caller.as_deref().unwrap_or(""));
            if let Some(saga) = &outgoing.saga {
                // How often a step was rejected makes no difference to its next attempt.
                hash.word(u64::from(saga.step) << 1 | u64::from(saga.undoing.is_some()));
                hash.word(u64::from(saga.saga.0));
                hash.text(saga.undoing.as_ref().map_or("", |why| &why.message));
                saga.frame.iter().for_each(|value| self.value(&mut hash, value));
            }
            // One that waits for its turn and one that is first differ by their place only.
            let stage = if flight.stage == FlightStage::Queued { FlightStage::Delivering } else { flight.stage };
            hash.word(stage as u64);
            hash.word(u64::from(flight.received));
            hash.word(flight.deliveries.saturating_sub(1));
            match flight.state {
                OutgoingState::Pending => hash.word(0),
                OutgoingState::Tried => hash.word(1),
                OutgoingState::Parked { outcome, .. } => {
                    hash.word(2);
                    self.outcome(&mut hash, outcome);
                }
            }
            if let Some(outcome) = flight.outcome {
                self.outcome(&mut hash, outcome);
            }
            match answers.and_then(|answers| answers.told(&outgoing.event.id)) {
                Some(CallAnswer::Value(value)) => {
                    hash.word(1);
                    self.value(&mut hash, value);
                }
                Some(CallAnswer::Rejected(why)) => {
                    hash.word(2);
                    hash.text(why);
                }
                _ => hash.word(0),
            }
            self.prepared(&mut hash, flight.prepared);
            let hash = hash.finish();
            event(flight.key, hash);
            sum = sum.wrapping_add(hash);
        }
        sum
    }

    /// Sessions of one group are interchangeable, but for who compares what they were answered and what they have made.
    fn group(&self, point: &Point<'_>, group: &Group<'_>, waiting: &[Waiting<'_>], event: &mut dyn FnMut(u64, u128)) -> u128 {
        let mut sum: u128 = 0;
        for player in &group.players {
            let waits = waiting.iter().find(|waiting| waiting.session == player.thread.session);
            let hash = self.player(point, player, waits);
            if let Some(waiting) = waits {
                event(waiting.key, hash);
            }
            sum = sum.wrapping_add(hash);
        }
        sum
    }

    fn player(&self, point: &Point<'_>, player: &Player<'_>, waiting: Option<&Waiting<'_>>) -> u128 {
        let mut hash = Hash::new();
        let thread = &player.thread;
        if thread.is_done() && thread.waits.is_none() {
            return hash.finish();
        }
        hash.word(1 + u64::from(player.rests));
        if point.answers.is_some() {
            hash.word(thread.session.0);
        }
        hash.text(thread.caller.as_deref().unwrap_or(""));
        hash.word(thread.until.unwrap_or(0) as u64);
        if thread.position(|stmts, next| {
            hash.word(stmts);
            hash.word(next);
        }) {
            for value in &thread.frame {
                self.value(&mut hash, value);
            }
        }
        if let Some(waits) = &thread.waits {
            hash.word(waits.kind());
            match waiting {
                Some(waiting) => {
                    self.action(&mut hash, &waiting.event.action);
                    self.prepared(&mut hash, waiting.prepared);
                }
                // Its answer is that of an event on its way.
                None => hash.text(point.event_of(waits.request).unwrap_or("")),
            }
        }
        hash.finish()
    }

    fn prepared(&self, hash: &mut Hash, prepared: Option<(&CommitRequest, bool)>) {
        let Some((request, current)) = prepared else { return hash.word(0) };
        hash.word(1 + u64::from(current));
        for write in &request.writes {
            self.write(hash, write);
        }
        for change in &request.outbox {
            if let OutboxChange::Add(outgoing) = change {
                self.action(hash, &outgoing.event.action);
                self.arm(hash, outgoing.ok.as_ref());
                self.arm(hash, outgoing.err.as_ref());
            }
        }
        for change in &request.inbox {
            if let InboxChange::Record { received, .. } = change {
                match received {
                    Received::Done(outcome) => self.outcome(hash, outcome),
                    Received::Deferred(_) => hash.word(7),
                }
            }
        }
    }

    fn write(&self, hash: &mut Hash, write: &Write) {
        let (tag, record, cell) = match write {
            Write::Create { record, .. } => (0, record, 0),
            Write::Delete { record } => (1, record, 0),
            Write::Set { record, cell, .. } => (2, record, cell.0),
            Write::AddInt { record, cell, .. } => (3, record, cell.0),
            Write::Append { record, cell, .. } => (4, record, cell.0),
            Write::RemoveFirst { record, cell, .. } => (5, record, cell.0),
            Write::Insert { record, cell, .. } => (6, record, cell.0),
            Write::Remove { record, cell, .. } => (7, record, cell.0),
            Write::SetEntry { record, cell, .. } => (8, record, cell.0),
            Write::RemoveEntry { record, cell, .. } => (9, record, cell.0),
        };
        hash.word(tag);
        hash.word(self.renaming.record(record));
        hash.word(u64::from(cell));
        match write {
            Write::Create { cells, .. } => cells.iter().for_each(|cell| self.value(hash, cell)),
            Write::Delete { .. } => {}
            Write::AddInt { by, .. } => hash.word(*by as u64),
            Write::Set { value, .. }
            | Write::Append { value, .. }
            | Write::RemoveFirst { value, .. }
            | Write::Insert { value, .. }
            | Write::Remove { value, .. } => self.value(hash, value),
            Write::SetEntry { key, value, .. } => {
                self.value(hash, key);
                self.value(hash, value);
            }
            Write::RemoveEntry { key, .. } => self.value(hash, key),
        }
    }

    /// Gives a hash of the receiver.
    pub fn action(&self, hash: &mut Hash, action: &Action) -> u128 {
        let mut receiver = Hash::new();
        match action {
            Action::Handler { to, handler, args } => {
                receiver.word(self.renaming.record(to));
                hash.word(1);
                hash.word(u64::from(handler.0));
                args.iter().for_each(|arg| self.value(hash, arg));
            }
            Action::Saga { to, saga, args } => {
                receiver.word(self.renaming.record(to));
                hash.word(2);
                hash.word(u64::from(saga.0));
                args.iter().for_each(|arg| self.value(hash, arg));
            }
            Action::Create { record, space, id, cells } => {
                receiver.word(u64::from(record.0));
                self.space(&mut receiver, space);
                hash.word(3);
                hash.text(id.as_deref().unwrap_or(""));
                for (cell, value) in cells {
                    hash.word(u64::from(cell.0));
                    self.value(hash, value);
                }
            }
            Action::Extern { of, operation, args } => {
                receiver.word(u64::from(of.0));
                receiver.word(4);
                hash.word(u64::from(*operation));
                args.iter().for_each(|arg| self.value(hash, arg));
            }
        }
        let receiver = receiver.finish();
        hash.wide(receiver);
        receiver
    }

    fn arm(&self, hash: &mut Hash, arm: Option<&PendingArm>) {
        let Some(arm) = arm else { return hash.word(0) };
        hash.word(1 + u64::from(arm.arm.0));
        arm.captures.iter().for_each(|value| self.value(hash, value));
    }

    fn outcome(&self, hash: &mut Hash, outcome: &Outcome) {
        match outcome {
            Outcome::Committed(value) => {
                hash.word(1);
                self.value(hash, value);
            }
            Outcome::Failed(failure) => {
                hash.word(2);
                hash.text(failure.kind.name());
                hash.text(&failure.message);
            }
        }
    }

    fn space(&self, hash: &mut Hash, space: &SpaceRef) {
        let space = self.renaming.spaces.get(space).unwrap_or(space);
        hash.word(u64::from(space.space.0));
        if let Some(key) = &space.key {
            self.value(hash, key);
        }
    }

    /// A value; the order of sets and maps makes no difference, as it is that of names.
    pub fn value(&self, hash: &mut Hash, value: &Value) {
        match value {
            Value::None => hash.word(0),
            Value::Bool(b) => hash.word(1 + u64::from(*b)),
            Value::Int(n) => {
                hash.word(3);
                hash.word(*n as u64);
            }
            Value::Float(x) => {
                hash.word(4);
                hash.word((x + 0.0).to_bits());
            }
            Value::Text(text) => {
                hash.word(5);
                hash.text(text);
            }
            Value::Bytes(bytes) => {
                hash.word(6);
                hash.bytes(bytes);
            }
            Value::Time(n) => {
                hash.word(7);
                hash.word(*n as u64);
            }
            Value::Duration(n) => {
                hash.word(8);
                hash.word(*n as u64);
            }
            Value::Space(space) => {
                hash.word(9);
                self.space(hash, space);
            }
            Value::Ref(record) => {
                hash.word(10);
                hash.word(self.renaming.record(record));
            }
            Value::List(items) => {
                hash.word(11);
                hash.word(items.len() as u64);
                if self.loose.is_some() {
                    hash.wide(items.iter().fold(0, |sum: u128, item| sum.wrapping_add(self.alone(&[item]))));
                } else {
                    items.iter().for_each(|item| self.value(hash, item));
                }
            }
            Value::Set(items) => {
                hash.word(12);
                hash.wide(items.iter().fold(0, |sum: u128, item| sum.wrapping_add(self.alone(&[item]))));
            }
            Value::Map(entries) => {
                hash.word(13);
                hash.wide(entries.iter().fold(0, |sum: u128, (key, value)| sum.wrapping_add(self.alone(&[key, value]))));
            }
            Value::Struct(fields) => self.fields(hash, 14, fields),
            Value::Variant(variant, fields) => self.fields(hash, 15 + u64::from(*variant), fields),
        }
    }

    fn fields(&self, hash: &mut Hash, tag: u64, fields: &Arc<[Value]>) {
        hash.word(tag);
        fields.iter().for_each(|field| self.value(hash, field));
    }

    fn alone(&self, values: &[&Value]) -> u128 {
        let mut hash = Hash::new();
        values.iter().for_each(|value| self.value(&mut hash, value));
        hash.finish()
    }
}
