//! A run of pieces, as far as it can be told without values: which constants cells hold, and on which writes everything else depends.
//!
//! A value that is computed is a name for where it was written and for everything that its event had read by then. Two runs agree if the cells
//! end with the same names, and the events that only look have seen the same ones.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use rustc_hash::FxHasher;

use super::bindings::{Bindings, Class};
use super::schedule::{Stop, Turn};
use super::{Access, Decides, Way};
use crate::effects::known::{Const, Fact};
use crate::effects::{Grain, Target, WriteKind};
use crate::hir::BodyOwner;
use crate::types::{CellId, ItemId};

/// What is needed, looked at and changed by one piece, in classes.
pub(super) struct Prepared<'a> {
    /// The records that an event goes from and to, where order between them is kept, and the position of the sender's piece.
    pub sent: Option<(Class, Class, Option<usize>)>,
    /// The piece that leads to it.
    pub parent: Option<usize>,
    /// Its position in its chain.
    index: usize,
    /// It is sent only where what its parent read says so.
    chosen: bool,
    /// What decides whether it is rejected, beyond what it needs; and what else decides about what it does.
    decided: [Vec<Thing>; 2],
    needs: Vec<Need<'a>>,
    reads: Vec<Thing>,
    changes: Vec<Change<'a>>,
}

/// What an access is about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Thing {
    /// `None`: some record of the type, or all of them.
    record: Option<Class>,
    of: ItemId,
    /// `None`: the existence of the record.
    cell: Option<CellId>,
    element: Option<Class>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need<'a> {
    Holds(Class, CellId, &'a Const, bool),
    Has(Class, CellId, Class, bool),
}

struct Change<'a> {
    access: &'a Access,
    thing: Thing,
    sure: bool,
    /// Its transaction can commit without it.
    chosen: bool,
    /// It does not happen unless these hold.
    when: Vec<Need<'a>>,
}

impl<'a> Prepared<'a> {
    /// `None` if the piece cannot do what the cycle needs of it.
    pub(super) fn new(stops: &[Stop<'a>], turns: &[Turn], (event, index): Turn, bindings: &mut Bindings<'_>) -> Option<Self> {
        let stop = &stops[event];
        let piece = &stop.chain.pieces[index];
        let goes_on = |to: &Range<usize>| turns.iter().any(|(of, piece)| *of == event && to.contains(piece));
        let next: Vec<_> = piece.conditions.iter().filter(|condition| goes_on(&condition.to)).collect();
        let used: Vec<usize> = [stop.entry, stop.exit].into_iter().filter(|place| place.piece == index).map(|place| place.access).collect();
        if next.iter().any(|condition| condition.without.iter().any(|access| used.contains(access))) {
            return None;
        }
        let mut needs = Vec::new();
        for condition in &next {
            needs.extend(condition.facts.iter().filter_map(|fact| need(event, fact, bindings)));
        }
        for (position, access) in piece.accesses.iter().enumerate() {
            // What happens whenever the piece commits needs what it needs.
            if access.always || used.contains(&position) {
                needs.extend(access.facts.iter().filter_map(|fact| need(event, fact, bindings)));
            }
        }
        needs.dedup();
        let mut reads = Vec::new();
        let mut changes = Vec::new();
        let mut decided = [Vec::new(), Vec::new()];
        for (position, access) in piece.accesses.iter().enumerate() {
            if next.iter().any(|condition| condition.without.contains(&position)) {
                continue;
            }
            let record = (!matches!(access.target, Target::Unknown | Target::Fresh)).then(|| bindings.record(event, &access.target));
            let element = match &access.grain {
                Grain::Element(Some(element)) => Some(bindings.value(event, element)),
                _ => None,
            };
            let thing = Thing { record, of: access.record, cell: access.cell, element };
            if access.reads() {
                match access.decides {
                    Decides::Nothing => {}
                    Decides::All => decided[0].push(thing),
                    Decides::Parts => decided[1].push(thing),
                }
                // What only decides whether it goes on, and is met, says nothing more to what is written.
                let about = |fact: &Fact| match fact {
                    Fact::Holds { target, cell, .. } | Fact::Has { target, cell, .. } => {
                        Some(*cell) == access.cell && *target == access.target
                    }
                    Fact::Apart(..) => false,
                };
                let mut known = access.facts.iter().chain(next.iter().flat_map(|condition| condition.facts.iter()));
                if !(stop.chain.writes() && known.any(about)) {
                    reads.push(thing);
                }
                continue;
            }
            let sure = access.always || used.contains(&position) || next.iter().any(|condition| condition.with.contains(&position));
            let when = access.facts.iter().filter_map(|fact| need(event, fact, bindings)).collect();
            changes.push(Change { access, thing, sure, chosen: !access.always, when });
        }
        let sent = match &piece.way {
            Way::Sent { from, ordered: true, .. } if *from != Target::Unknown && piece.on != Target::Unknown => {
                let parent = piece.parent.and_then(|parent| turns.iter().position(|turn| *turn == (event, parent)));
                Some((bindings.record(event, from), bindings.record(event, &piece.on), parent))
            }
            _ => None,
        };
        let chosen = piece.parent.is_some_and(|parent| {
            let mut ways = stop.chain.pieces[parent].conditions.iter().filter(|condition| condition.to.contains(&index));
            !ways.next().is_some_and(|way| way.always)
        });
        Some(Prepared { sent, parent: piece.parent, index, chosen, decided, needs, reads, changes })
    }
}

fn need<'a>(event: usize, fact: &'a Fact, bindings: &mut Bindings<'_>) -> Option<Need<'a>> {
    match fact {
        Fact::Holds { target, cell, value, is } => Some(Need::Holds(bindings.record(event, target), *cell, value, *is)),
        Fact::Has { target, cell, element, is } => {
            Some(Need::Has(bindings.record(event, target), *cell, bindings.value(event, element), *is))
        }
        Fact::Apart(..) => None,
    }
}

/// What is known of cells, as far as constants say.
#[derive(Clone, Default)]
struct State<'a> {
    holds: Vec<(Class, CellId, &'a Const)>,
    not: Vec<(Class, CellId, &'a Const)>,
    has: Vec<(Class, CellId, Class, bool)>,
}

impl Need<'_> {
    fn thing(&self) -> Thing {
        match *self {
            Need::Holds(record, cell, ..) => Thing { record: Some(record), of: cell.record, cell: Some(cell), element: None },
            Need::Has(record, cell, element, _) => {
                Thing { record: Some(record), of: cell.record, cell: Some(cell), element: Some(element) }
            }
        }
    }
}

impl<'a> State<'a> {
    /// Whether it is known if a need can be met.
    fn knows(&self, need: &Need<'_>) -> bool {
        match *need {
            Need::Holds(record, cell, value, is) => {
                let mut held = self.holds.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                let mut not = self.not.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                held.any(|(.., held)| *held == value || !held.allows(value, is) || !held.allows(value, !is))
                    || not.any(|(.., held)| *held == value)
            }
            Need::Has(record, cell, element, _) => self.has.iter().any(|(of, at, what, _)| (*of, *at, *what) == (record, cell, element)),
        }
    }

    /// Whether a need can be met.
    fn allows(&self, need: &Need<'_>) -> bool {
        match *need {
            Need::Holds(record, cell, value, is) => {
                let held = self.holds.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                let mut not = self.not.iter().filter(|(of, at, _)| (*of, *at) == (record, cell));
                held.into_iter().all(|(.., held)| held.allows(value, is)) && (!is || not.all(|(.., held)| *held != value))
            }
            Need::Has(record, cell, element, is) => {
                self.has.iter().all(|(of, at, what, there)| (*of, *at, *what) != (record, cell, element) || *there == is)
            }
        }
    }

    /// What was needed and met was so.
    fn learn(&mut self, need: &Need<'a>) {
        match *need {
            Need::Holds(record, cell, value, true) => {
                if !self.holds.iter().any(|(of, at, _)| (*of, *at) == (record, cell)) {
                    self.holds.push((record, cell, value));
                }
            }
            // Not absent is present, not false is true.
            Need::Holds(record, cell, Const::Absent, false) => self.learn(&Need::Holds(record, cell, &Const::Present, true)),
            Need::Holds(record, cell, Const::Bool(true), false) => self.learn(&Need::Holds(record, cell, &Const::Bool(false), true)),
            Need::Holds(record, cell, Const::Bool(false), false) => self.learn(&Need::Holds(record, cell, &Const::Bool(true), true)),
            Need::Holds(record, cell, value, false) => self.not.push((record, cell, value)),
            Need::Has(record, cell, element, is) => {
                if !self.has.iter().any(|(of, at, what, _)| (*of, *at, *what) == (record, cell, element)) {
                    self.has.push((record, cell, element, is));
                }
            }
        }
    }

    fn apply(&mut self, change: &Change<'a>) {
        let Some(cell) = change.access.cell else { return };
        let Thing { record, element, .. } = change.thing;
        let hits = |of: Class| record.is_none_or(|record| record == of);
        match (change.access.write, element) {
            (Some(WriteKind::Insert | WriteKind::Remove), Some(element)) => {
                self.has.retain(|(of, at, what, _)| !(hits(*of) && *at == cell && *what == element));
                if let (Some(record), true) = (record, change.sure) {
                    self.has.push((record, cell, element, change.access.write == Some(WriteKind::Insert)));
                }
            }
            _ => {
                self.holds.retain(|(of, at, _)| !(hits(*of) && *at == cell));
                self.not.retain(|(of, at, _)| !(hits(*of) && *at == cell));
                self.has.retain(|(of, at, ..)| !(hits(*of) && *at == cell));
                if let (Some(record), true, Some(value)) = (record, change.sure, &change.access.value) {
                    self.holds.push((record, cell, value));
                }
            }
        }
    }
}

/// A cell, or the existence of a record (`None`), of a record (`None`: one that is not known), or of one element of it.
type Key = (Option<Class>, ItemId, Option<CellId>, Option<Class>);

/// A run so far.
#[derive(Clone)]
pub(super) struct Run<'a> {
    state: State<'a>,
    /// What is not as it was at the start: names of values.
    cells: Vec<(Key, u64)>,
    /// What each event has read.
    read: Vec<u64>,
    /// What decided that a piece of an event commits, and what its sends that it may leave out rest on: names, zero for what the start says.
    decided: Vec<((usize, usize), [u64; 2])>,
    /// Whether it counts what decides about what an event does. Of sagas it does not: an undo may ask whether there is something to undo only
    /// to leave the same as if it had never been, and names of values do not tell such questions from others.
    counts: Vec<bool>,
    /// Whether an event only looks.
    looks: Vec<bool>,
}

impl<'a> Run<'a> {
    pub(super) fn new(stops: &[Stop<'_>]) -> Self {
        let counts = stops.iter().map(|stop| !matches!(stop.chain.root, BodyOwner::Saga(_))).collect();
        let looks = stops.iter().map(|stop| !stop.chain.writes()).collect();
        Run { state: State::default(), cells: Vec::new(), read: vec![0; stops.len()], decided: Vec::new(), counts, looks }
    }

    /// Commits a piece; false if its conditions are not met.
    pub(super) fn commit(&mut self, event: usize, piece: &Prepared<'a>) -> bool {
        let parent = piece.parent.and_then(|parent| self.decided.iter().find(|(of, _)| *of == (event, parent)));
        let mut decided = parent.map_or(0, |(_, names)| names[usize::from(piece.chosen)]);
        for need in &piece.needs {
            if !self.state.allows(need) {
                return false;
            }
            // It may be met or not by what others wrote.
            if !self.state.knows(need) {
                decided = self.decided(event, decided, &need.thing());
            }
            self.state.learn(need);
        }
        decided = piece.decided[0].iter().fold(decided, |decided, thing| self.decided(event, decided, thing));
        let chosen = self.decided_by(event, decided, piece, &[], &self.state);
        self.decided.push(((event, piece.index), [decided, chosen]));
        for thing in &piece.reads {
            self.read[event] = name(&(self.read[event], self.value(thing)));
        }
        let start = self.state.clone();
        for change in piece.changes.iter().filter(|change| change.when.iter().all(|need| start.allows(need))) {
            self.state.apply(change);
            let by = if change.chosen { self.decided_by(event, decided, piece, &change.when, &start) } else { decided };
            self.write(event, change, by);
        }
        true
    }

    /// Whether everything ends and is seen alike.
    pub(super) fn agrees_with(&self, other: &Run<'_>) -> bool {
        let seen =
            |run: &Run<'_>| run.read.iter().zip(&run.looks).filter(|(_, looks)| **looks).map(|(read, _)| *read).collect::<Vec<u64>>();
        let same = |one: &Run<'_>, other: &Run<'_>| one.cells.iter().all(|entry| other.cells.contains(entry));
        self.cells.len() == other.cells.len() && same(self, other) && seen(self) == seen(other)
    }

    fn value(&self, thing: &Thing) -> u64 {
        let hit = |key: &Key| {
            let record = thing.record.is_none() || key.0.is_none() || key.0 == thing.record;
            // Whether there is a record is part of every look at it.
            let cell = key.2 == thing.cell || key.2.is_none();
            record && key.1 == thing.of && cell && (thing.element.is_none() || key.3.is_none() || key.3 == thing.element)
        };
        // In any order the same.
        self.cells.iter().filter(|(key, _)| hit(key)).map(name).fold(0, u64::wrapping_add)
    }

    /// What was decided in a piece about something that it may leave out. What is said of a cell and known to be so decides nothing.
    fn decided_by(&self, event: usize, decided: u64, piece: &Prepared<'_>, when: &[Need<'_>], known: &State<'_>) -> u64 {
        let said: Vec<Thing> = piece.needs.iter().chain(when.iter().filter(|need| known.knows(need))).map(Need::thing).collect();
        let open = piece.decided[1].iter().filter(|thing| !said.contains(thing));
        open.fold(decided, |decided, thing| self.decided(event, decided, thing))
    }

    /// What was decided, now also by what a thing holds. What it held at the start is the same in every run.
    fn decided(&self, event: usize, decided: u64, thing: &Thing) -> u64 {
        match self.value(thing) {
            _ if !self.counts[event] => decided,
            0 => decided,
            value => name(&(decided, value)),
        }
    }

    /// Writes. `decided` names what decided that it happens.
    fn write(&mut self, event: usize, change: &Change<'_>, decided: u64) {
        let Thing { record, of, cell, element } = change.thing;
        let access = change.access;
        let own = match (&access.value, access.fixed) {
            (Some(value), true) => name(value),
            _ if access.blind => name(&(event, access.site)),
            _ => name(&(event, access.site, self.read[event])),
        };
        let by = |own: u64| if decided == 0 { own } else { name(&(own, decided)) };
        let own = by(own);
        let replaces = matches!(access.write, Some(WriteKind::Set | WriteKind::Delete));
        if replaces && element.is_none() {
            self.cells.retain(|(known, _)| (known.0, known.1, known.2) != (record, of, cell));
        }
        let key = (record, of, cell, element);
        let at = self.cells.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.cells.push((key, 0));
            self.cells.len() - 1
        });
        let held = &mut self.cells[at].1;
        *held = match access.write {
            // In any order the same. Which element comes first in a list is not compared.
            Some(WriteKind::Add | WriteKind::Append | WriteKind::Create) => held.wrapping_add(own),
            // What is there already stays.
            Some(WriteKind::Insert) if decided == 0 || *held == name(&true) => name(&true),
            Some(WriteKind::Insert) => held.wrapping_add(by(name(&true))),
            // What a Set does not hold any more; of a list, the one that was put in before.
            Some(WriteKind::Remove) if *held == name(&false) => name(&false),
            Some(WriteKind::Remove) if decided != 0 => name(&(*held, by(name(&false)))),
            Some(WriteKind::Remove) if *held == 0 || *held == name(&true) => name(&false),
            Some(WriteKind::Remove) => name(&(*held, false)),
            Some(WriteKind::Set | WriteKind::Delete) | None => own,
        };
    }
}

fn name(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
