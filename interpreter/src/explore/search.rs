//! The search: breadth first, with what was seen.

use std::collections::VecDeque;
use std::sync::Arc;

use patternc_program::{Program, Source, Test, TestStmt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::canonical::{Canonical, Renaming};
use super::point::{Move, Point, Used};
use super::stage::Exploring;
use super::story::{Story, Teller};
use super::{Bounds, Violation};
use crate::limits::Limits;
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

/// Tries every schedule of a test.
pub struct Explorer {
    program: Arc<Program>,
    /// For each declared space, the store that keeps it.
    places: Vec<usize>,
    limits: Limits,
    bounds: Bounds,
}

/// A point found, as the way that led to it.
struct Node {
    parent: u32,
    by: Option<Move>,
}

/// Which schedules a search tries, and what it looks for.
enum Aim {
    /// Every schedule; what is not as it must be.
    Violations,
    /// One concurrent event, with all that it causes, after the other; what that comes to.
    Serial,
    /// Every schedule; one that comes to something else than these.
    Other(FxHashSet<u128>),
}

struct Search<'p> {
    aim: Aim,
    /// What the ends come to, with [`Aim::Serial`].
    results: FxHashSet<u128>,
    bounds: Bounds,
    nodes: Vec<Node>,
    /// The point at which something was found.
    end: u32,
    seen: FxHashMap<u128, Used>,
    open: VecDeque<(u32, u32, Point<'p>)>,
    /// By concurrent block: the renamings under which its events are the same. The first renames nothing.
    symmetries: FxHashMap<Option<Source>, Vec<Renaming>>,
    outcome: Outcome,
}

impl Explorer {
    /// For the tests of a program. `places`: for each declared space, the store that keeps it; spaces beyond the end are in the first.
    pub fn new(program: Arc<Program>, places: Vec<usize>, bounds: Bounds) -> Self {
        Explorer { program, places, limits: Limits::default(), bounds }
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
        let mut search = Search::new(Aim::Violations, self.bounds);
        let mut root = Point::new(self.world()?, test);
        match root.settle() {
            Err(violation) => search.outcome.violation = Some((*violation, Story::default())),
            Ok(()) => {
                search.add(root, 0, None, 0);
                if search.run(progress).is_some() {
                    let (story, violation) = Teller::tell(self.world()?, test, self.bounds, false, &search.way());
                    let violation = violation.expect("a way leads to the same point again");
                    search.outcome.violation = Some((violation, story));
                }
            }
        }
        search.outcome.states = search.nodes.len();
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
            let mut search = Search::new(aim, bounds);
            let mut root = Point::new(self.world()?, test);
            root.answers = Some(0);
            let begins = root.settle().is_ok();
            if begins {
                search.add(root, 0, None, 0);
            }
            let stopped = begins && search.run(progress).is_some();
            Ok((search, stopped))
        };
        let (serial, stopped) = run(Aim::Serial)?;
        let mut comparison = Comparison { states: serial.nodes.len(), serial: serial.results.len(), complete: false, anomaly: None };
        if stopped || !serial.outcome.complete {
            return Ok(comparison);
        }
        let (every, found) = run(Aim::Other(serial.results))?;
        comparison.states += every.nodes.len();
        comparison.complete = every.outcome.complete;
        if found {
            comparison.anomaly = Some(Teller::tell(self.world()?, test, bounds, true, &every.way()).0);
        }
        Ok(comparison)
    }

    fn world(&self) -> Result<Exploring, StoreError> {
        Exploring::new(&self.program, self.places.clone(), &self.limits)
    }
}

impl<'p> Search<'p> {
    fn new(aim: Aim, bounds: Bounds) -> Self {
        let outcome = Outcome { states: 0, steps: 0, depth: 0, ends: 0, symmetries: 1, complete: false, violation: None };
        Search {
            aim,
            results: FxHashSet::default(),
            bounds,
            nodes: Vec::new(),
            end: 0,
            seen: FxHashMap::default(),
            open: VecDeque::new(),
            symmetries: FxHashMap::default(),
            outcome,
        }
    }

    /// What it looks for, at the newest point: the violation, or none where an end comes to something else.
    fn run(&mut self, progress: &mut dyn FnMut(Progress)) -> Option<Option<Violation>> {
        let mut next_report = 1 << 14;
        while let Some((id, depth, point)) = self.open.pop_front() {
            if self.nodes.len() >= next_report {
                progress(Progress { states: self.nodes.len(), open: self.open.len(), depth });
                next_report = self.nodes.len() + (1 << 14);
            }
            self.outcome.depth = self.outcome.depth.max(depth);
            if self.nodes.len() >= self.bounds.states || depth >= self.bounds.depth {
                return None;
            }
            let mut moves = point.moves(&self.bounds);
            if moves.is_empty() {
                self.outcome.ends += 1;
                let result = || Canonical { renaming: &Renaming::default(), loose: true }.result(&point);
                match &self.aim {
                    Aim::Violations => {}
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
            let mut point = Some(point);
            for (at, &chosen) in moves.iter().enumerate() {
                let last = at + 1 == moves.len();
                let mut next = match &mut point {
                    Some(_) if last => point.take().expect("it is there until its last move"),
                    Some(point) => {
                        let mut next = point.fork();
                        point.script.world.lend_room(&mut next.script.world);
                        next
                    }
                    None => unreachable!("it is there until its last move"),
                };
                self.outcome.steps += 1;
                let taken = next.take(chosen);
                if let Some(point) = &mut point {
                    next.script.world.lend_room(&mut point.script.world);
                }
                match taken {
                    Ok(()) => self.add(next, id, Some(chosen), depth + 1),
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

    fn add(&mut self, point: Point<'p>, parent: u32, by: Option<Move>, depth: u32) {
        let block = point.groups.get(1).map(|group| group.at);
        // Who compares tells sessions apart.
        let found = || if point.answers.is_some() { vec![Renaming::default()] } else { symmetries(&point) };
        let renamings = self.symmetries.entry(block).or_insert_with(found);
        self.outcome.symmetries = self.outcome.symmetries.max(renamings.len());
        let hashes = renamings.iter().map(|renaming| Canonical { renaming, loose: false }.point(&point));
        let hash = hashes.min().expect("renaming nothing is a symmetry");
        match self.seen.get_mut(&hash) {
            Some(used) if used.covers(point.used) => return,
            Some(used) => *used = point.used,
            None => {
                self.seen.insert(hash, point.used);
            }
        }
        let id = u32::try_from(self.nodes.len()).expect("fewer than 2^32 points fit in memory");
        self.nodes.push(Node { parent, by });
        self.open.push_back((id, depth, point));
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
