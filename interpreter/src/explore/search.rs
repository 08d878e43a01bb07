//! The search: breadth first, with what was seen.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use patternc_program::{Program, Source, Test, TestStmt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::canonical::{Canonical, Hash, Renaming};
use super::commute::{Footprint, Sleeper};
use super::point::{Move, Point, Used};
use super::stage::Exploring;
use super::story::{Story, Teller};
use super::{Bounds, Violation};
use crate::event::EventId;
use crate::limits::Limits;
use crate::machine::Execution;
use crate::simulate::stage::Stage;
use crate::store::StoreError;
use crate::value::RecordRef;

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Different points found.
    pub states: usize,
    /// Points found and not yet gone on from.
    pub open: usize,
    /// Steps from the beginning.
    pub depth: u32,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub states: usize,
    /// Steps taken, those that led to known points included.
    pub steps: u64,
    /// The longest way looked at.
    pub depth: u32,
    /// Ways on which the test came to its end, by their last points.
    pub ends: usize,
    /// Renamings of records under which the concurrent events are the same; 1: none but the records' own names.
    pub symmetries: usize,
    /// Whether all within the bounds on crashes, duplicates and failures was seen.
    pub complete: bool,
    /// What is not as it must be, with the shortest way to it.
    pub violation: Option<(Violation, Story)>,
}

/// What a comparison with schedules that run one event after the other came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Different points looked at.
    pub states: usize,
    /// Different results of one concurrent event, with all that it causes, after the other.
    pub serial: usize,
    /// Whether every schedule was seen, unless one was found that ends otherwise.
    pub complete: bool,
    /// The shortest way to a result that no order of whole events has.
    pub anomaly: Option<Story>,
}

/// How many steps are told of what has no end.
const ENDLESS: u32 = 12;

/// How a schedule of concurrent events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What the records hold, as a number that is the same for the same data.
    pub records: u128,
    /// What they held before.
    pub before: u128,
    /// Calls that the outside refused.
    pub refused: u8,
    /// Calls that the outside did and whose answers were lost, and events delivered twice.
    pub lost: u8,
    /// Whether an event was answered with a failure.
    pub failed: bool,
    /// Whether an event is parked.
    pub parked: bool,
}

/// What looking at the ends of all schedules came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// Different points looked at.
    pub states: usize,
    /// Ends looked at; none where events cause one another without an end.
    pub ends: usize,
    /// The longest way looked at.
    pub depth: u32,
    /// Whether every schedule within the bounds was seen, unless one was found.
    pub complete: bool,
    /// The shortest way to an end that was looked for.
    pub found: Option<Story>,
    /// A way on which the test cannot go on, with why.
    pub stuck: Option<(Violation, Story)>,
    /// How the longest way begins, if events cause one another and no way comes to an end.
    pub endless: Option<Story>,
}

/// Tries every schedule of a test.
pub struct Explorer {
    program: Arc<Program>,
    /// For each declared space, the store that keeps it.
    places: Vec<usize>,
    limits: Limits,
    bounds: Bounds,
    every_step: bool,
    stop: Arc<AtomicBool>,
}

/// A point found, as the way that led to it.
struct Node {
    parent: u32,
    by: Option<Move>,
}

/// Which schedules a search tries, and what it looks for.
enum Aim<'j> {
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
    slept: Option<Box<[u64]>>,
}

/// A point that is to be gone on from.
struct Open<'p> {
    node: u32,
    depth: u32,
    hash: u128,
    point: Point<'p>,
    /// By position of the steps that can be taken: what each is known by.
    steps: Box<[u64]>,
    /// Only these are taken: the others were when the search was here before.
    only: Option<Box<[u64]>>,
}

struct Search<'p> {
    aim: Aim<'p>,
    /// What the records held when the concurrent events began.
    before: Option<u128>,
    /// What the ends come to, with [`Aim::Serial`].
    results: FxHashSet<u128>,
    bounds: Bounds,
    nodes: Vec<Node>,
    /// The point at which something was found.
    end: u32,
    seen: FxHashMap<u128, Seen>,
    open: VecDeque<Open<'p>>,
    /// By node that is to be gone on from: what sleeps there.
    sleeping: FxHashMap<u32, Vec<Sleeper>>,
    /// Whether every step is taken, also where another order is known to come to the same.
    every_step: bool,
    /// The room that attempts use.
    room: Execution,
    /// Set by who wants it to end.
    stop: Arc<AtomicBool>,
    /// By concurrent block: the renamings under which its events are the same. The first renames nothing.
    symmetries: FxHashMap<Option<Source>, Vec<Renaming>>,
    outcome: Outcome,
}

impl Explorer {
    /// For the tests of a program. `places`: for each declared space, the store that keeps it; spaces beyond the end are in the first.
    pub fn new(program: Arc<Program>, places: Vec<usize>, bounds: Bounds) -> Self {
        Explorer { program, places, limits: Limits::default(), bounds, every_step: false, stop: Arc::default() }
    }

    /// Takes also the steps that are known to lead where others lead: orders of steps that commute, crashes that lose nothing. It finds the
    /// same, later.
    pub fn taking_every_step(self) -> Self {
        Explorer { every_step: true, ..self }
    }

    /// Ends a search with what is known so far once this is set.
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Explorer { stop, ..self }
    }

    /// Why a test cannot be explored, if so.
    pub fn refusal(test: &Test) -> Option<&'static str> {
        reconciles(&test.body).then_some("it reconciles a mirror, which is not explored")
    }

    /// Tries every schedule of the test, until something is not as it must be.
    ///
    /// # Errors
    /// If the stores do not open.
    pub fn explore(&self, test: &Test, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, StoreError> {
        let mut search = Search::new(Aim::Violations, self.bounds, self);
        let mut root = Point::new(self.world()?, test);
        root.every_step = self.every_step;
        match root.settle() {
            Err(violation) => search.outcome.violation = Some((*violation, Story::default())),
            Ok(()) => {
                search.add(root, 0, None, 0, Vec::new());
                if search.run(progress).is_some() {
                    let (story, violation) = Teller::tell(self.world()?, test, self.bounds, false, &search.way());
                    let violation = violation.expect("a way leads to the same point again");
                    search.outcome.violation = Some((violation, story));
                }
            }
        }
        search.outcome.states = search.seen.len() + usize::from(search.outcome.violation.is_some());
        Ok(search.outcome)
    }

    /// Whether every schedule of the test's concurrent events comes to what some order of whole events comes to, each with all that it causes
    /// done before the next begins: in the records, in what is parked, in the answers. Appends to a list commute, and so do creations. Crashes
    /// and duplicates are left out, as they make no schedule of their own.
    ///
    /// # Errors
    /// If the stores do not open.
    pub fn compare(&self, test: &Test, progress: &mut dyn FnMut(Progress)) -> Result<Comparison, StoreError> {
        let bounds = Bounds { crashes: 0, duplicates: 0, failures: 0, ..self.bounds };
        let mut run = |aim| -> Result<(Search<'_>, bool), StoreError> {
            let mut search = Search::new(aim, bounds, self);
            let mut root = Point::new(self.world()?, test);
            root.every_step = self.every_step;
            root.answers = Some(0);
            let begins = root.settle().is_ok();
            if begins {
                search.add(root, 0, None, 0, Vec::new());
            }
            let stopped = begins && search.run(progress).is_some();
            Ok((search, stopped))
        };
        let (serial, stopped) = run(Aim::Serial)?;
        let mut comparison = Comparison { states: serial.seen.len(), serial: serial.results.len(), complete: false, anomaly: None };
        if stopped || !serial.outcome.complete {
            return Ok(comparison);
        }
        let (every, found) = run(Aim::Other(serial.results))?;
        comparison.states += every.seen.len();
        comparison.complete = every.outcome.complete;
        if found {
            comparison.anomaly = Some(Teller::tell(self.world()?, test, bounds, true, &every.way()).0);
        }
        Ok(comparison)
    }

    /// Looks at the end of every schedule of the test's concurrent events, until one is what is looked for. Nothing else is judged.
    ///
    /// # Errors
    /// If the stores do not open.
    pub fn ends(&self, test: &Test, looked_for: &mut dyn FnMut(End) -> bool) -> Result<Ends, StoreError> {
        let mut search = Search::new(Aim::Ends(looked_for), self.bounds, self);
        let mut root = Point::new(self.world()?, test);
        root.every_step = self.every_step;
        root.answers = Some(0);
        let (mut found, mut endless, mut stuck) = (None, None, None);
        if root.settle().is_ok() {
            search.add(root, 0, None, 0, Vec::new());
            let stopped = search.run(&mut |_| {});
            let whole = search.outcome.complete || search.outcome.depth >= self.bounds.depth;
            let tell = |way: &[Move]| Ok::<_, StoreError>(Teller::tell(self.world()?, test, self.bounds, true, way).0);
            match stopped {
                Some(None) => found = Some(tell(&search.way())?),
                // Before the events begin, there is nothing to look at.
                Some(Some(_)) if search.before.is_none() => search.outcome.complete = true,
                Some(Some(violation)) => stuck = Some((violation, tell(&search.way())?)),
                None if search.outcome.ends == 0 && search.before.is_some() && whole => {
                    search.end = u32::try_from(search.nodes.len() - 1).expect("fewer than 2^32 points fit in memory");
                    let way = search.way();
                    endless = Some(tell(&way[..way.len().min(ENDLESS as usize)])?);
                }
                None => {}
            }
        }
        let Outcome { ends, depth, complete, .. } = search.outcome;
        Ok(Ends { states: search.seen.len(), ends, depth, complete, found, stuck, endless })
    }

    fn world(&self) -> Result<Exploring, StoreError> {
        Exploring::new(&self.program, self.places.clone(), &self.limits)
    }
}

impl<'p> Search<'p> {
    fn new(aim: Aim<'p>, bounds: Bounds, explorer: &Explorer) -> Self {
        // What goes on with one event until all that it causes is done leaves steps out in its own way.
        let every_step = explorer.every_step || matches!(aim, Aim::Serial);
        let outcome = Outcome { states: 0, steps: 0, depth: 0, ends: 0, symmetries: 1, complete: false, violation: None };
        Search {
            aim,
            before: None,
            results: FxHashSet::default(),
            bounds,
            nodes: Vec::new(),
            end: 0,
            seen: FxHashMap::default(),
            open: VecDeque::new(),
            sleeping: FxHashMap::default(),
            every_step,
            room: Execution::default(),
            stop: explorer.stop.clone(),
            symmetries: FxHashMap::default(),
            outcome,
        }
    }

    /// What it looks for, at the newest point: the violation, or none where an end comes to something else.
    fn run(&mut self, progress: &mut dyn FnMut(Progress)) -> Option<Option<Violation>> {
        let mut next_report = 1 << 14;
        while let Some(Open { node: id, depth, hash, point, steps, only }) = self.open.pop_front() {
            if self.seen.len() >= next_report {
                progress(Progress { states: self.seen.len(), open: self.open.len(), depth });
                next_report = self.seen.len() + (1 << 14);
            }
            self.outcome.depth = self.outcome.depth.max(depth);
            if self.seen.len() >= self.bounds.states || depth >= self.bounds.depth || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            // Of the steps that were numbered, all can be taken while nothing is held.
            let mut moves = match steps.is_empty() || point.script.world.is_held() {
                true => point.moves(&self.bounds),
                false => point.with_steps(&self.bounds, (0..steps.len()).filter(|&at| steps[at] != 0)),
            };
            let mut sleeping = self.sleeping.remove(&id).unwrap_or_default();
            if moves.is_empty() {
                self.outcome.ends += 1;
                let result = || Canonical { renaming: &Renaming::default(), loose: true }.result(&point);
                match &mut self.aim {
                    Aim::Violations => {}
                    Aim::Ends(looked_for) => {
                        let engine = point.script.world.engine();
                        let records = Canonical { renaming: &Renaming::default(), loose: true }.records(engine.stores());
                        let end = End {
                            records,
                            before: self.before.unwrap_or(records),
                            refused: point.used.failures,
                            lost: point.used.duplicates,
                            failed: point.failed,
                            parked: !engine.parked().is_empty(),
                        };
                        if looked_for(end) {
                            self.end = id;
                            return Some(None);
                        }
                    }
                    Aim::Serial => {
                        self.results.insert(result());
                    }
                    Aim::Other(known) if known.contains(&result()) => {}
                    Aim::Other(_) => {
                        self.end = id;
                        return Some(None);
                    }
                }
                continue;
            }
            if matches!(self.aim, Aim::Serial) {
                moves = point.going_on(moves);
            }
            let known_by = |chosen: &Move| match chosen {
                Move::Step(at) => steps.get(usize::from(*at)).copied(),
                _ => None,
            };
            if !sleeping.is_empty() {
                sleeping.retain(|sleeper| moves.iter().any(|chosen| known_by(chosen) == Some(sleeper.what)));
                moves.retain(|chosen| !sleeping.iter().any(|sleeper| known_by(chosen) == Some(sleeper.what)));
            }
            match only {
                None => {
                    if let Some(seen) = self.seen.get_mut(&hash).filter(|seen| seen.node == id) {
                        seen.slept = Some(sleeping.iter().map(|sleeper| sleeper.what).collect());
                    }
                }
                Some(only) => moves.retain(|chosen| known_by(chosen).is_some_and(|what| only.contains(&what))),
            }
            let mut point = Some(point);
            for (at, &chosen) in moves.iter().enumerate() {
                let last = at + 1 == moves.len();
                let mut next = match &mut point {
                    Some(_) if last => point.take().expect("it is there until its last move"),
                    Some(point) => point.fork(),
                    None => unreachable!("it is there until its last move"),
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
                        self.add(next, id, Some(chosen), depth + 1, footprint.as_ref().map_or_else(Vec::new, still));
                        if let (Some(footprint), Some(what), false) = (footprint, known_by(&chosen), last) {
                            sleeping.push(Sleeper { what, footprint: Arc::new(footprint) });
                        }
                    }
                    Err(violation) => {
                        self.end = u32::try_from(self.nodes.len()).expect("fewer than 2^32 points fit in memory");
                        self.nodes.push(Node { parent: id, by: Some(chosen) });
                        return Some(Some(*violation));
                    }
                }
            }
        }
        self.outcome.complete = true;
        None
    }

    fn add(&mut self, point: Point<'p>, parent: u32, by: Option<Move>, depth: u32, mut sleeping: Vec<Sleeper>) {
        let block = point.groups.get(1).map(|group| group.at);
        if block.is_some() && self.before.is_none() && matches!(self.aim, Aim::Ends(_)) {
            let canonical = Canonical { renaming: &Renaming::default(), loose: true };
            self.before = Some(canonical.records(point.script.world.engine().stores()));
        }
        // Who compares tells sessions apart.
        let found = || if point.answers.is_some() { vec![Renaming::default()] } else { symmetries(&point) };
        let renamings = self.symmetries.entry(block).or_insert_with(found);
        self.outcome.symmetries = self.outcome.symmetries.max(renamings.len());
        let mut events: Vec<(&EventId, u128)> = Vec::with_capacity(16);
        let plain = Canonical { renaming: &renamings[0], loose: false }.with_events(&point, &mut |event, hash| events.push((event, hash)));
        let others = renamings[1..].iter().map(|renaming| Canonical { renaming, loose: false }.point(&point));
        let hash = others.fold(plain, u128::min);
        if renamings.len() > 1 {
            // A step of a point and the same step of one that is equal but for the names are known by different numbers.
            sleeping.clear();
        }
        let mut only = None;
        let node = u32::try_from(self.nodes.len()).expect("fewer than 2^32 points fit in memory");
        match self.seen.entry(hash) {
            Entry::Occupied(mut seen) if seen.get().used.covers(point.used) => {
                let sleeps_here = |what: u64| sleeping.iter().any(|sleeper| sleeper.what == what);
                let seen = seen.get_mut();
                match &mut seen.slept {
                    // What is to be gone on from takes all that must be taken on one of the ways to it.
                    None => {
                        if let Some(there) = self.sleeping.get_mut(&seen.node) {
                            there.retain(|sleeper| sleeps_here(sleeper.what));
                        }
                        return;
                    }
                    Some(slept) => {
                        let (still, awake): (Vec<u64>, Vec<u64>) = slept.iter().partition(|what| sleeps_here(**what));
                        if awake.is_empty() {
                            return;
                        }
                        *slept = still.into();
                        sleeping.retain(|sleeper| slept.contains(&sleeper.what));
                        only = Some(awake.into());
                    }
                }
            }
            Entry::Occupied(mut seen) => *seen.get_mut() = Seen { used: point.used, node, slept: None },
            Entry::Vacant(entry) => {
                entry.insert(Seen { used: point.used, node, slept: None });
            }
        }
        self.nodes.push(Node { parent, by });
        if !sleeping.is_empty() {
            self.sleeping.insert(node, sleeping);
        }
        let steps = if self.every_step { Box::default() } else { known_steps(&point, &events) };
        self.open.push_back(Open { node, depth, hash, point, steps, only });
    }

    /// The moves from the beginning to what was found.
    fn way(&self) -> Vec<Move> {
        let mut way = Vec::new();
        let mut at = self.end as usize;
        while let Some(by) = self.nodes[at].by {
            way.push(by);
            at = self.nodes[at].parent as usize;
        }
        way.reverse();
        way
    }
}

fn reconciles(stmts: &[TestStmt]) -> bool {
    stmts.iter().any(|stmt| match stmt {
        TestStmt::Reconcile { .. } => true,
        TestStmt::If { then, otherwise, .. } | TestStmt::IfLet { then, otherwise, .. } => reconciles(then) || reconciles(otherwise),
        TestStmt::For { body, .. } | TestStmt::Concurrently { body, .. } | TestStmt::Hold { body, .. } | TestStmt::As { body, .. } => {
            reconciles(body)
        }
        TestStmt::Match { arms, .. } => arms.iter().any(|(_, body)| reconciles(body)),
        _ => false,
    })
}

/// What each step that can be taken is known by: its event, with all that it has to go on, and what is done about it.
fn known_steps(point: &Point<'_>, events: &[(&EventId, u128)]) -> Box<[u64]> {
    let steps = point.script.world.engine().next_steps().map(|step| {
        let Some(event) = step.event else { return 0 };
        let mut hash = Hash::new();
        hash.text(&event.0);
        hash.word((step.doing as u64) << 1 | u64::from(step.commit));
        events.iter().filter(|(known, _)| *known == event).for_each(|(_, it)| hash.wide(*it));
        hash.finish() as u64
    });
    steps.collect()
}

/// How many renamings are tried at most.
const RENAMINGS: usize = 720;

/// The renamings of records, each to one of its type, under which a point is the same. The first renames nothing.
fn symmetries(point: &Point<'_>) -> Vec<Renaming> {
    let mut found = vec![Renaming::default()];
    if point.groups.len() < 2 {
        return found;
    }
    let records = point.records();
    let plain = Canonical { renaming: &found[0], loose: false }.point(point);
    let mut tried = 0;
    permutations(&records, &mut Vec::new(), &mut vec![false; records.len()], &mut |images| {
        tried += 1;
        if images != records.as_slice()
            && let Some(renaming) = Renaming::new(&records, images)
            && (Canonical { renaming: &renaming, loose: false }).point(point) == plain
        {
            found.push(renaming);
        }
        tried < RENAMINGS
    });
    found
}

/// Every order of the records in which each stands where one of its type stood; `false` when `see` has seen enough.
fn permutations(
    records: &[RecordRef],
    images: &mut Vec<RecordRef>,
    used: &mut Vec<bool>,
    see: &mut dyn FnMut(&[RecordRef]) -> bool,
) -> bool {
    let Some(next) = records.get(images.len()) else { return see(images) };
    for at in 0..records.len() {
        if used[at] || records[at].record() != next.record() || records[at].space().space != next.space().space {
            continue;
        }
        used[at] = true;
        images.push(records[at].clone());
        let goes_on = permutations(records, images, used, see);
        images.pop();
        used[at] = false;
        if !goes_on {
            return false;
        }
    }
    true
}
