//! A run of pieces, as far as it can be told without values: which constants cells hold, and on which writes everything else depends.
//!
//! A value that is computed is a name for where it was written and for everything that its event had read by then, and had been decided by. Two
//! runs agree if the cells end with the same names, the events that show what they have read have seen the same ones, and the same was rejected.
//!
//! What the cells hold at the start is open. A run that needs something of it assumes it, and only runs from such a start are compared with it.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::prepared::{Change, Prepared, Thing};
use super::schedule::Turn;
use super::state::{Need, State};
use super::{Answers, Chain, Rejection};
use crate::effects::{Site, WriteKind};

/// A run so far.
#[derive(Clone)]
pub(super) struct Run<'a> {
    state: State<'a>,
    /// What it needs of the start.
    assumed: Vec<Need<'a>>,
    /// What must be so at the start for it to do all that it may.
    hoped: Vec<Need<'a>>,
    /// What is not as it was at the start: names of values.
    cells: Vec<(Thing, u64)>,
    /// What each event has read.
    read: Vec<u64>,
    /// What was read of each event when it showed that.
    shown: Vec<u64>,
    /// The events of which a transaction was rejected, and a name for what that has left, if anything.
    rejected: Vec<(usize, Option<u64>)>,
    /// What decided how a transaction ended, where not what is known of cells did: see [`Prepared::decider`], and a name of what was read.
    pub decisions: Vec<(u64, u64)>,
}

/// What is known of a need.
#[derive(Clone, Copy, PartialEq)]
enum Met {
    Yes,
    No,
    /// What the cell held at the start decides.
    AtStart,
    /// What others wrote decides.
    Unknown,
}

/// Whether a transaction can end with a piece.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ending {
    Impossible,
    Certain,
    /// If what is read says so, see [`Run::decisions_of`].
    Possible,
}

/// What a piece was decided by, beyond what is known of cells: names, zero for nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Decided {
    pub all: u64,
    /// Also what its sends that it may leave out rest on.
    pub chosen: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(events: usize) -> Self {
        Run {
            state: State::default(),
            assumed: Vec::new(),
            hoped: Vec::new(),
            cells: Vec::new(),
            read: vec![0; events],
            shown: vec![0; events],
            rejected: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Another run, from a start as this one assumes it.
    pub(super) fn again(&self) -> Self {
        let mut run = Run::new(self.read.len());
        self.assumed.iter().for_each(|need| run.state.learn(need));
        run.assumed.clone_from(&self.assumed);
        run
    }

    /// The same, from a start of which one thing more is known.
    pub(super) fn assuming(&self, need: Need<'a>) -> Self {
        let mut run = self.clone();
        run.assumed.push(need);
        run
    }

    /// A name for what it starts from and is decided by, without these events.
    pub(super) fn basis(&self, without: &[usize]) -> u64 {
        let assumed = self.assumed.iter().map(name).fold(0, u64::wrapping_add);
        name(&(without, assumed, self.decisions.iter().map(name).fold(0, u64::wrapping_add)))
    }

    /// What it needs of the start.
    pub(super) fn assumed(&self) -> &[Need<'a>] {
        &self.assumed
    }

    /// What must be so at the start for it to do all that it may, and may be so as far as is known.
    pub(super) fn hoped(&self) -> impl Iterator<Item = &Need<'a>> {
        let start = self.again();
        self.hoped.iter().filter(move |need| !start.state.knows(need) && start.state.allows(need))
    }

    fn met(&self, need: &Need<'_>) -> Met {
        match () {
            () if !self.state.allows(need) => Met::No,
            () if self.state.knows(need) => Met::Yes,
            () if self.value(&need.thing()) == 0 => Met::AtStart,
            () => Met::Unknown,
        }
    }

    /// Whether something that its sender may leave out can be sent.
    pub(super) fn is_sent(&self, piece: &Prepared<'a>) -> bool {
        piece.when.iter().all(|need| self.met(need) != Met::No)
    }

    /// Whether the transaction can end with a piece.
    pub(super) fn ending(&self, piece: &Prepared<'a>) -> Ending {
        if piece.never {
            return Ending::Impossible;
        }
        let mut open = piece.rejection == Rejection::Open || piece.outside;
        for need in &piece.needs {
            match self.met(need) {
                Met::No => return Ending::Impossible,
                Met::Yes => {}
                Met::AtStart | Met::Unknown => open = true,
            }
        }
        if !open && piece.decided.is_empty() {
            return Ending::Certain;
        }
        Ending::Possible
    }

    /// What a piece needs and is not so now; `None` of one that nothing keeps from happening, or that can never happen.
    pub(super) fn barred(&self, piece: &Prepared<'a>) -> Option<Need<'a>> {
        piece.needs.iter().find(|need| !piece.never && self.met(need) == Met::No).copied()
    }

    /// What must be decided so for a transaction to end with a piece, beyond what is known of cells: what of, and by which values.
    pub(super) fn decisions_of(&self, (event, index): Turn, piece: &Prepared<'a>) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        if piece.outside {
            found.push((name(&(event, index)), 0));
        }
        if piece.rejection == Rejection::Open || !piece.decided.is_empty() {
            let seen = if piece.blind { 0 } else { self.read[event] };
            let mut values: Vec<u64> = piece.demands.iter().chain(&piece.decided).map(|thing| name(&(thing, self.value(thing)))).collect();
            values.sort_unstable();
            values.dedup();
            found.push((piece.decider, name(&(seen, values))));
        }
        let open = piece.needs.iter().filter(|need| self.met(need) == Met::Unknown);
        found.extend(open.map(|need| (name(need), self.value(&need.thing()))));
        found
    }

    /// What decides that a piece sends another, if `before` decided that it is sent itself.
    pub(super) fn sends(&self, piece: &Prepared<'a>, before: Decided, to: &Prepared<'a>) -> Decided {
        let all = if piece.chosen { before.chosen } else { before.all };
        if to.told && to.when.iter().all(|need| self.met(need) == Met::Yes) {
            return Decided { all, chosen: all };
        }
        Decided { all, chosen: self.decided_by(all, piece, &[], to.by, &self.state) }
    }

    /// Ends a transaction with a piece. `before` is what decided that it is sent.
    pub(super) fn commit(&mut self, turn: Turn, piece: &Prepared<'a>, before: Decided, chain: &Chain) {
        let event = turn.0;
        // How it ends is decided alike in the runs that it is compared with, see [`Run::decisions`].
        let decided = if piece.chosen { before.chosen } else { before.all };
        self.need(&piece.when);
        self.need(&piece.needs);
        if piece.refused {
            self.rejected.push((event, piece.left));
            return;
        }
        let chosen = self.decided_by(decided, piece, &[], None, &self.state);
        let known = self.state.clone();
        for (thing, _) in piece.reads.iter().filter(|(_, when)| when.iter().all(|need| known.allows(need))) {
            self.read[event] = name(&(self.read[event], thing, self.value(thing)));
        }
        if chain.answers == Answers::Last || !chain.writes() || (chain.answers == Answers::First && turn.1 == 0) {
            self.shown[event] = name(&(self.read[event], chosen));
        }
        let start = self.state.clone();
        let cells = self.cells.clone();
        let before = Run { state: start, cells, ..Run::new(0) };
        for change in &piece.changes {
            if change.when.iter().any(|need| before.met(need) == Met::No) {
                continue;
            }
            self.hoped.extend(change.when.iter().filter(|need| before.met(need) == Met::AtStart));
            let told = change.told && change.when.iter().all(|need| before.met(need) == Met::Yes);
            self.state.apply(change, change.sure || told);
            let by =
                if change.chosen && !told { before.decided_by(decided, piece, &change.when, change.by, &before.state) } else { decided };
            self.write(event, change, by);
        }
    }

    /// From here on these are so.
    pub(super) fn need(&mut self, needs: &[Need<'a>]) {
        for need in needs {
            if self.met(need) == Met::AtStart {
                self.assumed.push(*need);
            }
            self.state.learn(need);
        }
    }

    /// Whether everything ends and is seen alike, by events other than these, which have left nothing.
    pub(super) fn agrees_with(&self, other: &Run<'_>, without: &[usize]) -> bool {
        let counts = |event: &usize| !without.contains(event);
        let held = |one: &Run<'_>, other: &Run<'_>| one.cells.iter().all(|entry| other.cells.contains(entry));
        let rejected = |run: &Run<'_>| {
            let mut rejected: Vec<u64> = run.rejected.iter().filter(|(event, _)| counts(event)).filter_map(|(_, left)| *left).collect();
            rejected.sort_unstable();
            rejected
        };
        let shown = (0..self.shown.len()).filter(counts).all(|event| self.shown[event] == other.shown[event]);
        shown && self.cells.len() == other.cells.len() && held(self, other) && rejected(self) == rejected(other)
    }

    /// Whether part of an event was rejected.
    pub(super) fn is_rejected(&self, event: usize) -> bool {
        self.rejected.iter().any(|(of, _)| *of == event)
    }

    /// Whether what others wrote decides about one of some needs.
    pub(super) fn is_unknown(&self, needs: &[Need<'a>]) -> bool {
        needs.iter().any(|need| self.met(need) == Met::Unknown)
    }

    /// Which of some needs rests on what is not assumed of the start.
    pub(super) fn open(&self, needs: &[Need<'a>]) -> Option<Need<'a>> {
        needs.iter().find(|need| self.met(need) == Met::AtStart).copied()
    }

    fn value(&self, thing: &Thing) -> u64 {
        // In any order the same.
        self.cells.iter().filter(|(held, _)| thing.shows(held)).map(name).fold(0, u64::wrapping_add)
    }

    /// What was decided in a piece about something that it may leave out, by what it read at some sites. What is said of a cell and known to be so
    /// decides nothing.
    fn decided_by(&self, mut decided: u64, piece: &Prepared<'_>, when: &[Need<'_>], by: Option<&[Site]>, known: &State<'_>) -> u64 {
        for need in when.iter().filter(|need| !known.knows(need)) {
            // What it held at the start and what is known to have been written can differ, and be the same.
            decided = name(&(decided, need.thing(), self.value(&need.thing())));
        }
        let said: Vec<Thing> = piece.needs.iter().chain(when).map(Need::thing).collect();
        let open = piece.parts.iter().filter(|(thing, at)| !said.contains(thing) && by.is_none_or(|by| by.contains(at)));
        open.fold(decided, |decided, (thing, _)| self.decided(decided, thing))
    }

    /// What was decided, now also by what a thing holds. What it held at the start is the same in every run.
    fn decided(&self, decided: u64, thing: &Thing) -> u64 {
        match self.value(thing) {
            0 => decided,
            value => name(&(decided, value)),
        }
    }

    /// Writes. `decided` names what decided that it happens.
    fn write(&mut self, event: usize, change: &Change<'_>, decided: u64) {
        let Thing { record, of, cell, element, fresh, .. } = change.thing;
        let access = change.access;
        let seen = || change.from.as_ref().map(|from| name(&from.iter().map(|thing| (*thing, self.value(thing))).collect::<Vec<_>>()));
        let read = if access.blind { 0 } else { seen().unwrap_or(self.read[event]) };
        // What is computed alike from the same is the same, whoever does it.
        let own = match (&access.value, access.fixed, &change.made, &access.made) {
            (Some(value), true, ..) => name(value),
            (_, _, Some(classes), Some(made)) if made.copy => name(classes),
            (_, _, Some(classes), _) => name(&(access.site, classes, read)),
            _ => name(&(event, access.site, read)),
        };
        let by = |own: u64| if decided == 0 { own } else { name(&(own, decided)) };
        let own = by(own);
        let replaces = matches!(access.write, Some(WriteKind::Set | WriteKind::Delete)) && !fresh;
        if replaces && element.is_none() {
            self.cells.retain(|(known, _)| known.fresh || (known.record, known.of, known.cell) != (record, of, cell));
        }
        let at = self.cells.iter().position(|(known, _)| *known == change.thing).unwrap_or_else(|| {
            self.cells.push((change.thing, 0));
            self.cells.len() - 1
        });
        let held = &mut self.cells[at].1;
        *held = match access.write {
            // What is made has the same in any order.
            _ if fresh => held.wrapping_add(own),
            Some(WriteKind::Append) if change.ordered => name(&(*held, own)),
            // In any order the same. Which element comes first in a list is not compared where nobody looks.
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

pub(super) fn name(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
