//! The search of a concrete cycle: up to four events that no order of whole chains explains.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashSet, FxHasher};

use super::bindings::Bindings;
use super::conflict::Conflict;
use super::filter::may_be_cut;
use super::neighbourhood::{Neighbourhood, Passage, Place};
use super::neighbours::neighbours;
use super::schedule::{Stop, schedule};
use super::told::{Cycle, record_of, told};
use super::ways_out::ways_out;
use super::{Access, Chain, chains};
use crate::db::{Db, SourceFile};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::invariant_sig;
use crate::types::{CellId, ItemId};

/// The numbers of events of the cycles that are looked for, shortest first. Most cycles that there are have two; those of four are rare.
const EVENTS: [usize; 3] = [2, 3, 4];

/// How far one chain is followed, for each number of events.
const EFFORT: Effort = Effort { ways: 10_000, placed: 10_000 };

/// What may still be spent on a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// Ways from one event to another that are followed.
    pub ways: u32,
    /// Pieces that are placed in an order.
    pub placed: u32,
}

/// What is said of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Others observe it, or break it, half way.
    Broken(Box<Cycle>),
    /// It may be so with this many events, and the search came to the end of its effort first.
    Unfinished(usize),
}

/// The chains of a file that are not as good as one transaction, as far as is known: by position in [`chains`].
#[salsa::tracked(returns(ref))]
pub fn verdicts(db: &dyn Db, file: SourceFile) -> Vec<(u32, Verdict)> {
    let near = neighbours(db, file);
    if near.is_empty() {
        return Vec::new();
    }
    let all: Vec<&Chain> = near.iter().map(|(file, index)| &chains(db, *file)[*index as usize]).collect();
    let own = near.iter().enumerate().filter(|(_, (of, _))| *of == file).map(|(position, (_, index))| (position, *index));
    let own: Vec<(usize, u32)> = own.filter(|(position, _)| all[*position].pieces.len() > 1 && !all[*position].incomplete).collect();
    let near = Neighbourhood::new(db, all);
    own.into_iter()
        .filter_map(|(position, index)| {
            let mut verdict = verdict(db, &near, position)?;
            if let Verdict::Broken(cycle) = &mut verdict {
                cycle.ways_out = ways_out(db, &near, position, cycle);
            }
            Some((index, verdict))
        })
        .collect()
}

/// The verdict on a chain of a set; `None`: it is as good as one transaction.
pub(super) fn verdict(db: &dyn Db, near: &Neighbourhood<'_>, chain: usize) -> Option<Verdict> {
    if !may_be_cut(near, chain) {
        return None;
    }
    let fixed = |cell: CellId| !facts::is_changed(db, cell);
    for most in EVENTS {
        let (stops, distance, seen) = (Vec::new(), Vec::new(), FxHashSet::default());
        let mut search = Search { db, near, effort: EFFORT, most, stops, entry: 0, distance, seen };
        let mut bindings = Bindings::new(&fixed);
        if !search.begin(0, chain, &mut bindings) {
            return None;
        }
        for exit in near.of_chain[chain].clone() {
            for entry in (0..near.chains[chain].pieces.len()).filter(|entry| near.is_cut(exit, *entry)) {
                search.entry = entry;
                search.distance = distances(near, chain, entry);
                search.stops = vec![Open { chain, into: None, exit }];
                if let Some(found) = search.extend(exit, &bindings) {
                    return Some(Verdict::Broken(Box::new(found)));
                }
            }
        }
        if search.is_spent() {
            return Some(Verdict::Unfinished(most));
        }
    }
    None
}

/// How many events lead from each chain back to a piece of the first event, at least; 0: none do.
fn distances(near: &Neighbourhood<'_>, chain: usize, entry: usize) -> Vec<usize> {
    let mut distances = vec![0; near.chains.len()];
    let enters = |way: &Passage<'_>| near.ports[way.to].chain == chain && near.ports[way.to].piece == entry;
    for port in near.ports.iter().filter(|port| port.ways.iter().any(enters)) {
        distances[port.chain] = 1;
    }
    for distance in 1..EVENTS[EVENTS.len() - 1] {
        for from in 0..near.chains.len() {
            if distances[from] == 0 && near.next_to[from].iter().any(|to| distances[*to] == distance) {
                distances[from] = distance + 1;
            }
        }
    }
    distances
}

/// An event of a cycle that may still lack the place where the cycle enters.
#[derive(Clone, Copy)]
struct Open<'n, 'a> {
    chain: usize,
    into: Option<&'n Passage<'a>>,
    exit: usize,
}

struct Search<'a, 'n> {
    db: &'a dyn Db,
    near: &'n Neighbourhood<'a>,
    effort: Effort,
    most: usize,
    stops: Vec<Open<'n, 'a>>,
    /// The piece of the first event to which the cycle comes back.
    entry: usize,
    /// From each chain back to the first event, see [`distances`].
    distance: Vec<usize>,
    /// What has been tried: accesses of one piece lead to the same orders.
    seen: FxHashSet<u64>,
}

impl<'a, 'n> Search<'a, 'n> {
    fn is_spent(&self) -> bool {
        self.effort.ways == 0 || self.effort.placed == 0
    }

    /// What is known of an event before any conflict.
    fn begin(&self, event: usize, chain: usize, bindings: &mut Bindings<'_>) -> bool {
        let chain = self.near.chains[chain];
        let single = !chain.single || record_of(chain.root).is_none_or(|record| bindings.single(event, record));
        // No record is made twice.
        let alike = |stop: &Open<'_, '_>| matches!(chain.root, BodyOwner::Create(_)) && self.near.chains[stop.chain].root == chain.root;
        let made = || self.stops.iter().enumerate().filter(|(_, stop)| alike(stop)).map(|(other, _)| other);
        single
            && made().all(|other| bindings.start_apart(other, event))
            && chain.apart.iter().all(|(one, other)| bindings.apart(event, one, other))
    }

    /// Goes on from a port of the last stop.
    fn extend(&mut self, from: usize, bindings: &Bindings<'_>) -> Option<Cycle> {
        let near = self.near;
        let event = self.stops.len();
        for way in &near.ports[from].ways {
            let entry = &near.ports[way.to];
            let back = self.distance[entry.chain];
            if back == 0 || back > self.most - event {
                continue;
            }
            if event == 1 && near.keep_out(from, Some(self.entry), way.to, &way.needs) {
                continue;
            }
            if self.is_spent() {
                return None;
            }
            self.effort.ways -= 1;
            let mut next = bindings.clone();
            if !self.can_start(entry.chain) || !self.begin(event, entry.chain, &mut next) || !join(way.needs, event - 1, event, &mut next) {
                continue;
            }
            for exit in near.of_chain[entry.chain].clone() {
                let leaves = &near.ports[exit];
                let of = near.chains[entry.chain];
                let again = of.pieces[entry.piece].again && of.pieces[leaves.piece].again;
                if leaves.ways.is_empty() || again || !of.can_both_happen(entry.piece, leaves.piece) {
                    continue;
                }
                let to = (event == 1).then_some(self.entry);
                if entry.piece == leaves.piece && near.keep_out(from, to, exit, &way.needs) {
                    continue;
                }
                self.stops.push(Open { chain: entry.chain, into: Some(way), exit });
                let found = if event + 1 == self.most { self.close(exit, &next) } else { self.extend(exit, &next) };
                self.stops.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Whether one more event of this chain is possible: a record with a constant key that nobody deletes is created once.
    fn can_start(&self, chain: usize) -> bool {
        let of = self.near.chains[chain];
        !(of.single && matches!(of.root, BodyOwner::Create(_)) && self.stops.iter().any(|stop| stop.chain == chain))
    }

    /// Comes back to the first event, in another piece than the one that was left.
    fn close(&mut self, from: usize, bindings: &Bindings<'_>) -> Option<Cycle> {
        let near = self.near;
        let first = self.stops[0];
        let last = self.stops.len() - 1;
        for way in &near.ports[from].ways {
            let entry = &near.ports[way.to];
            if entry.chain != first.chain || entry.piece != self.entry {
                continue;
            }
            if self.is_spent() {
                return None;
            }
            self.effort.ways -= 1;
            let mut joined = bindings.clone();
            if !join(way.needs, last, 0, &mut joined) || !self.seen.insert(self.shape(way.to, &joined)) {
                continue;
            }
            let Some(stops) = self.places(way) else { continue };
            if let Some(found) = schedule(&stops, &near.ordered, &mut joined, &mut self.effort.placed) {
                return Some(told(self.db, near, &stops, &found, only_look(near, &stops), &mut joined));
            }
        }
        None
    }

    /// The accesses by which the cycle enters and leaves each event; `None` if whatever is seen by them is shown on purpose.
    fn places(&self, last: &Passage<'a>) -> Option<Vec<Stop<'a>>> {
        let passages: Vec<&Passage<'a>> = self.stops[1..].iter().filter_map(|stop| stop.into).chain([last]).collect();
        // What is shown on purpose is a matter of what the first event does, and how others meet that.
        let ends = passages[0].by.iter().flat_map(|first| last.by.iter().map(move |last| (*first, *last)));
        for (first, last) in ends {
            let by = |passage: usize| match passage {
                0 => first,
                _ if passage + 1 == passages.len() => last,
                _ => passages[passage].by[0],
            };
            let stops = self.stops.iter().enumerate().map(|(event, stop)| {
                let before = (event + passages.len() - 1) % passages.len();
                Stop { chain: self.near.chains[stop.chain], entry: by(before).1, exit: by(event).0 }
            });
            let stops: Vec<Stop<'a>> = stops.collect();
            if !self.is_meant(&stops) {
                return Some(stops);
            }
        }
        None
    }

    /// A name for what decides about the orders of a cycle: the pieces, what they need, and which records are the same.
    fn shape(&self, entry: usize, bindings: &Bindings<'_>) -> u64 {
        let near = self.near;
        let mut hasher = FxHasher::default();
        bindings.shape().hash(&mut hasher);
        for stop in &self.stops {
            let (into, exit) = (stop.into.map_or(entry, |way| way.to), stop.exit);
            (stop.chain, near.ports[into].piece, near.ports[exit].piece).hash(&mut hasher);
            near.decisive(into, exit).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether what others see of the chain half way need not hold in between, as an `eventually invariant` says.
    fn is_meant(&self, stops: &[Stop<'_>]) -> bool {
        let (exit, entry) = (self.near.access(stops[0].exit), self.near.access(stops[0].entry));
        stops[1..].iter().any(|stop| !stop.chain.writes()) && is_accepted(self.db, exit, entry)
    }
}

/// Whether the events other than the first only read on their part of the cycle.
fn only_look(near: &Neighbourhood<'_>, stops: &[Stop<'_>]) -> bool {
    let reads = |place: Place| near.access(place).reads();
    stops[1..].iter().all(|stop| reads(stop.entry) && reads(stop.exit))
}

/// Whether an `eventually invariant` looks at what both are about: in between they may disagree.
fn is_accepted(db: &dyn Db, one: &Access, other: &Access) -> bool {
    let over = |access: &Access| facts::invariants_over(db, access.record, access.cell);
    let eventually = |item: &&ItemId| invariant_sig(db, **item).is_some_and(|sig| sig.eventually);
    over(one).iter().filter(eventually).any(|item| over(other).contains(item))
}

/// Makes what a conflict needs to be the same the same.
fn join(found: Conflict<'_>, one: usize, other: usize, bindings: &mut Bindings<'_>) -> bool {
    let mut joined = true;
    if let Some((left, right)) = found.records {
        let (left, right) = (bindings.record(one, left), bindings.record(other, right));
        joined &= bindings.same(left, right);
    }
    if let Some((left, right)) = found.elements {
        let (left, right) = (bindings.value(one, left), bindings.value(other, right));
        joined &= bindings.same(left, right);
    }
    joined
}
