//! The search, with what was seen.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use patternc_program::{CellIndex, HandlerId, RecordId, Source};
use rustc_hash::{FxHashMap, FxHashSet};

use super::canonical::{Canonical, Hash, Renaming};
use super::commute::{Footprint, Sleeper};
use super::explorer::{End, Outcome, Progress};
use super::frontier::{Frontier, Order};
use super::point::{Move, Point, Sessions, Used};
use super::symmetry::symmetries;
use super::{Bounds, Violation};
use crate::event::Action;
use crate::machine::Execution;
use crate::simulate::stage::Stage;

/// A point found, as the way that led to it.
struct Node {
    parent: u32,
    by: Option<Move>,
}

/// Which schedules a search tries, and what it looks for.
pub(super) enum Aim<'j> {
    /// Every schedule; what is not as it must be.
    Violations,
    /// One concurrent event, with all that it causes, after the other; what that comes to.
    Serial,
    /// Every schedule; one that comes to something else than these.
    Other(FxHashSet<u128>),
    /// Every schedule; one whose end is looked for.
    Ends(&'j mut dyn FnMut(End) -> bool),
}

/// What is known of points of one hash.
struct Seen {
    used: Used,
    /// The newest node of such a point.
    node: u32,
    /// Once it was gone on from: what slept there.
    slept: Option<Slept>,
}

/// Where in the list of all that slept: a search has millions of these.
struct Slept {
    from: u32,
    count: u32,
}

/// A move with what its step is known by: the same number wherever the step is, of one event with all that it has to go on. 0 of what is no
/// step, or not to sleep. It has 64 bits, since only steps of one point are told apart by it: that a step is left out by chance, at any of a
/// billion points with thirty steps each, has a probability below 10⁻⁷.
type Known = (Move, u64);

/// A point that is to be gone on from.
struct Open<'p> {
    node: u32,
    depth: u32,
    hash: u128,
    point: Box<Point<'p>>,
    moves: Vec<Known>,
    /// Only these are taken: the others were when the search was here before.
    only: Option<Box<[u64]>>,
}

pub(super) struct Search<'p> {
    pub aim: Aim<'p>,
    /// What the records held when the concurrent events began.
    pub before: Option<u128>,
    /// How many events were parked then.
    parked_before: usize,
    /// What the ends come to, with [`Aim::Serial`].
    pub results: FxHashSet<u128>,
    bounds: Bounds,
    /// Lists of which it counts what comes first, where ends are compared.
    ordered: &'p [(RecordId, CellIndex)],
    nodes: Vec<Node>,
    /// The point at which something was found.
    end: u32,
    /// The sessions whose events were refused on the way there.
    pub refused: Sessions,
    /// Where ends are compared: the sessions whose events were taken on some way, and the handlers to which something was sent on some way.
    pub taken: Sessions,
    pub sent_to: FxHashSet<HandlerId>,
    seen: FxHashMap<u128, Seen>,
    open: Frontier<Open<'p>>,
    /// By node that is to be gone on from: what sleeps there.
    sleeping: FxHashMap<u32, Vec<Sleeper>>,
    /// What slept where the search has gone on, one point after the other.
    slept: Vec<u64>,
    /// Whether every step is taken, also where another order is known to come to the same.
    every_step: bool,
    /// The room that attempts use.
    room: Execution,
    /// Points that nobody goes on from: their room serves others.
    #[expect(clippy::vec_box, reason = "a point moves between here and the queue without being copied")]
    rooms: Vec<Box<Point<'p>>>,
    /// Of the point that is looked at, by the key of each event in the engine: what it has to go on.
    events: Vec<(u64, u128)>,
    /// Set by who wants it to end.
    stop: Arc<AtomicBool>,
    /// By concurrent block: the renamings under which its events are the same. The first renames nothing.
    symmetries: FxHashMap<Option<Source>, Vec<Renaming>>,
    pub outcome: Outcome,
}

impl<'p> Search<'p> {
    pub fn new(
        aim: Aim<'p>,
        order: Order,
        bounds: Bounds,
        ordered: &'p [(RecordId, CellIndex)],
        every_step: bool,
        stop: Arc<AtomicBool>,
    ) -> Self {
        // What goes on with one event until all that it causes is done leaves steps out in its own way.
        let every_step = every_step || matches!(aim, Aim::Serial);
        let outcome = Outcome { states: 0, steps: 0, depth: 0, ends: 0, symmetries: 1, complete: false, violation: None };
        Search {
            aim,
            before: None,
            parked_before: 0,
            results: FxHashSet::default(),
            bounds,
            ordered,
            nodes: Vec::new(),
            end: 0,
            refused: Sessions::default(),
            taken: Sessions::default(),
            sent_to: FxHashSet::default(),
            seen: FxHashMap::default(),
            open: Frontier::new(order),
            sleeping: FxHashMap::default(),
            slept: Vec::new(),
            every_step,
            room: Execution::default(),
            rooms: Vec::new(),
            events: Vec::new(),
            stop,
            symmetries: FxHashMap::default(),
            outcome,
        }
    }

    /// Different points found.
    pub fn states(&self) -> usize {
        self.seen.len()
    }

    /// Searches from here. Gives what it looks for, at the end of its [`Search::way`]: the violation, or none where an end comes to something
    /// else.
    pub fn run(&mut self, beginning: Point<'p>, progress: &mut dyn FnMut(Progress)) -> Option<Option<Violation>> {
        self.add(Box::new(beginning), 0, None, 0, Vec::new());
        let mut next_report = 1 << 14;
        while let Some(open) = self.open.pop() {
            if self.seen.len() >= next_report {
                progress(Progress { states: self.seen.len(), open: self.open.len(), depth: open.depth });
                next_report = self.seen.len() + (1 << 14);
            }
            self.outcome.depth = self.outcome.depth.max(open.depth);
            if self.seen.len() >= self.bounds.states || open.depth >= self.bounds.depth || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if open.moves.is_empty() {
                if self.is_looked_for(&open.point) {
                    self.end = open.node;
                    return Some(None);
                }
                self.rooms.push(open.point);
            } else if let Some(violation) = self.go_on(open) {
                return Some(Some(violation));
            }
        }
        self.outcome.complete = true;
        None
    }

    /// Whether the end of a way is what the search looks for.
    fn is_looked_for(&mut self, point: &Point<'p>) -> bool {
        self.outcome.ends += 1;
        if matches!(self.aim, Aim::Serial | Aim::Other(_)) {
            self.taken = self.taken.with(point.refused.others(point.left_out));
        }
        let canonical = Canonical { renaming: &Renaming::default(), loose: Some(self.ordered) };
        match &mut self.aim {
            Aim::Violations => false,
            Aim::Ends(looked_for) => {
                let engine = point.script.world.engine();
                let records = canonical.records(engine.stores());
                looked_for(End {
                    records,
                    before: self.before.unwrap_or(records),
                    refused: point.used.failures,
                    lost: point.used.duplicates,
                    failed: point.failed,
                    parked: engine.parked().len() > self.parked_before,
                })
            }
            Aim::Serial => {
                self.results.insert(canonical.result(point));
                false
            }
            Aim::Other(known) => {
                self.refused = point.refused;
                !known.contains(&canonical.result(point))
            }
        }
    }

    /// Takes every move that is awake. Gives what is not as it must be.
    fn go_on(&mut self, open: Open<'p>) -> Option<Violation> {
        let Open { node, depth, hash, point, mut moves, only } = open;
        let mut sleeping = self.sleeping.remove(&node).unwrap_or_default();
        if !sleeping.is_empty() {
            sleeping.retain(|sleeper| moves.iter().any(|(_, what)| *what == sleeper.what));
            moves.retain(|(_, what)| !sleeps(&sleeping, *what));
        }
        match only {
            None => self.fell_asleep(hash, node, &sleeping),
            Some(only) => moves.retain(|(_, what)| only.contains(what)),
        }
        let mut point = Some(point);
        for (at, &(chosen, what)) in moves.iter().enumerate() {
            let last = at + 1 == moves.len();
            let mut next = match &point {
                Some(from) if !last => match self.rooms.pop() {
                    Some(mut room) => {
                        room.stand_as(from);
                        room
                    }
                    None => Box::new(from.fork()),
                },
                _ => point.take().expect("it is there until its last move"),
            };
            self.outcome.steps += 1;
            next.script.world.swap_room(&mut self.room);
            let taken = if self.every_step { next.take(chosen).map(|()| None) } else { next.take_traced(chosen) };
            next.script.world.swap_room(&mut self.room);
            match taken {
                Ok(footprint) => {
                    let still = |footprint: &Footprint| {
                        let commute = |sleeper: &&Sleeper| !sleeper.footprint.clashes(footprint);
                        sleeping.iter().filter(commute).cloned().collect()
                    };
                    self.add(next, node, Some(chosen), depth + 1, footprint.as_ref().map_or_else(Vec::new, still));
                    if let (Some(footprint), false, false) = (footprint, what == 0, last) {
                        sleeping.push(Sleeper { what, footprint: Arc::new(footprint) });
                    }
                }
                Err(violation) => {
                    self.end = self.next_node();
                    self.nodes.push(Node { parent: node, by: Some(chosen) });
                    return Some(*violation);
                }
            }
        }
        self.rooms.extend(point);
        None
    }

    fn add(&mut self, point: Box<Point<'p>>, parent: u32, by: Option<Move>, depth: u32, mut sleeping: Vec<Sleeper>) {
        let block = point.groups.get(1).map(|group| group.at);
        if block.is_some() && self.before.is_none() && matches!(self.aim, Aim::Ends(_)) {
            let canonical = Canonical { renaming: &Renaming::default(), loose: Some(&[]) };
            let engine = point.script.world.engine();
            self.before = Some(canonical.records(engine.stores()));
            self.parked_before = engine.parked().len();
        }
        if matches!(self.aim, Aim::Serial | Aim::Other(_)) {
            for flight in point.script.world.in_flight() {
                if let Action::Handler { handler, .. } = &flight.outgoing.event.action {
                    self.sent_to.insert(*handler);
                }
            }
        }
        // Who compares tells sessions apart.
        let found = || if point.answers.is_some() { vec![Renaming::default()] } else { symmetries(&point) };
        let renamings = self.symmetries.entry(block).or_insert_with(found);
        self.outcome.symmetries = self.outcome.symmetries.max(renamings.len());
        let events = &mut self.events;
        events.clear();
        let plain = Canonical { renaming: &renamings[0], loose: None }.with_events(&point, &mut |key, hash| events.push((key, hash)));
        let others = renamings[1..].iter().map(|renaming| Canonical { renaming, loose: None }.point(&point));
        let hash = others.fold(plain, u128::min);
        if renamings.len() > 1 {
            // A step of a point and the same step of one that is equal but for the names are known by different numbers.
            sleeping.clear();
        }
        let mut only = None;
        let node = self.next_node();
        match self.seen.entry(hash) {
            Entry::Occupied(mut seen) if seen.get().used.covers(point.used) => {
                let seen = seen.get_mut();
                match &mut seen.slept {
                    // What is to be gone on from takes all that must be taken on one of the ways to it.
                    None => {
                        if let Some(there) = self.sleeping.get_mut(&seen.node) {
                            there.retain(|sleeper| sleeps(&sleeping, sleeper.what));
                        }
                        return self.rooms.push(point);
                    }
                    Some(Slept { from, count }) => {
                        let slept = &mut self.slept[*from as usize..][..*count as usize];
                        let awake: Box<[u64]> = slept.iter().copied().filter(|what| !sleeps(&sleeping, *what)).collect();
                        if awake.is_empty() {
                            return self.rooms.push(point);
                        }
                        slept.sort_unstable_by_key(|what| awake.contains(what));
                        *count -= u32::try_from(awake.len()).expect("it is a part of what slept");
                        let still = &slept[..slept.len() - awake.len()];
                        sleeping.retain(|sleeper| still.contains(&sleeper.what));
                        only = Some(awake);
                    }
                }
            }
            Entry::Occupied(mut seen) => *seen.get_mut() = Seen { used: point.used, node, slept: None },
            Entry::Vacant(entry) => {
                entry.insert(Seen { used: point.used, node, slept: None });
            }
        }
        self.nodes.push(Node { parent, by });
        let moves = self.moves(&point);
        // Where everything sleeps, there is nothing to come back for.
        if only.is_none() && depth < self.bounds.depth && !moves.is_empty() && moves.iter().all(|(_, what)| sleeps(&sleeping, *what)) {
            self.outcome.depth = self.outcome.depth.max(depth);
            sleeping.retain(|sleeper| moves.iter().any(|(_, what)| *what == sleeper.what));
            self.fell_asleep(hash, node, &sleeping);
            return self.rooms.push(point);
        }
        if !sleeping.is_empty() {
            self.sleeping.insert(node, sleeping);
        }
        let used = point.used.total();
        self.open.push(Open { node, depth, hash, point, moves, only }, used);
    }

    /// What can be done at the point that is looked at.
    fn moves(&self, point: &Point<'p>) -> Vec<Known> {
        if self.every_step {
            let moves = point.moves(&self.bounds);
            let moves = if matches!(self.aim, Aim::Serial) { point.going_on(moves) } else { moves };
            return moves.into_iter().map(|chosen| (chosen, 0)).collect();
        }
        let mut moves = Vec::with_capacity(16);
        let held = point.script.world.is_held();
        for (at, step) in point.script.world.engine().next_steps().enumerate() {
            let Some(event) = step.event.filter(|_| !held || step.outside) else { continue };
            let mut hash = Hash::new();
            hash.text(&event.0);
            hash.word((step.doing as u64) << 1 | u64::from(step.commit));
            self.events.iter().filter(|(key, _)| *key == step.key).for_each(|(_, it)| hash.wide(*it));
            moves.push((Move::Step(at as u16), (hash.finish() as u64).max(1)));
        }
        let steps = !moves.is_empty();
        point.other_moves(&self.bounds, steps, &mut |chosen| moves.push((chosen, 0)));
        moves
    }

    /// A point is gone on from, but for these steps.
    fn fell_asleep(&mut self, hash: u128, node: u32, sleeping: &[Sleeper]) {
        let Some(seen) = self.seen.get_mut(&hash).filter(|seen| seen.node == node) else { return };
        let (from, count) = (u32::try_from(self.slept.len()), u32::try_from(sleeping.len()));
        let (from, count) = from.ok().zip(count.ok()).expect("fewer than 2^32 sleepers fit in memory");
        self.slept.extend(sleeping.iter().map(|sleeper| sleeper.what));
        seen.slept = Some(Slept { from, count });
    }

    fn next_node(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("fewer than 2^32 points fit in memory")
    }

    /// The moves from the beginning to what was found.
    pub fn way(&self) -> Vec<Move> {
        self.way_to(self.end)
    }

    /// The moves to the point that was found last.
    pub fn longest_way(&self) -> Vec<Move> {
        self.way_to(self.next_node() - 1)
    }

    fn way_to(&self, node: u32) -> Vec<Move> {
        let mut way = Vec::new();
        let mut at = node as usize;
        while let Some(by) = self.nodes[at].by {
            way.push(by);
            at = self.nodes[at].parent as usize;
        }
        way.reverse();
        way
    }
}

/// Whether the step known by this number sleeps.
fn sleeps(sleeping: &[Sleeper], what: u64) -> bool {
    sleeping.iter().any(|sleeper| sleeper.what == what)
}
