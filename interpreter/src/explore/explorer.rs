//! What can be asked of a test: whether any schedule goes wrong, whether all come to what one event after the other comes to, how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use patternc_program::{CellIndex, HandlerId, Program, RecordId, Test, TestStmt};
use rustc_hash::FxHashSet;

use super::frontier::Order;
use super::point::{Move, Point, Sessions};
use super::search::{Aim, Search};
use super::stage::Exploring;
use super::story::{Story, Teller};
use super::{Bounds, Violation};
use crate::limits::Limits;
use crate::store::StoreError;

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
    /// The sessions whose events were taken in some schedule.
    pub taken: Sessions,
    /// The handlers to which something was sent in some schedule.
    pub sent_to: FxHashSet<HandlerId>,
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
    /// Whether one more event is parked than when they began.
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
    ordered: Vec<(RecordId, CellIndex)>,
    every_step: bool,
    stop: Arc<AtomicBool>,
}

impl Explorer {
    /// For the tests of a program. `places`: for each declared space, the store that keeps it; spaces beyond the end are in the first.
    pub fn new(program: Arc<Program>, places: Vec<usize>, bounds: Bounds) -> Self {
        Explorer { program, places, limits: Limits::default(), bounds, ordered: Vec::new(), every_step: false, stop: Arc::default() }
    }

    /// Takes also the steps that are known to lead where others lead: orders of steps that commute, crashes that lose nothing. It finds the
    /// same, later.
    pub fn taking_every_step(self) -> Self {
        Explorer { every_step: true, ..self }
    }

    /// Compares these lists also by what comes first in them: somebody looks.
    pub fn ordering(self, ordered: Vec<(RecordId, CellIndex)>) -> Self {
        Explorer { ordered, ..self }
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
        let mut search = self.search(Aim::Violations, Order::DepthFirst, self.bounds);
        let mut root = self.beginning(test)?;
        if let Err(violation) = root.settle() {
            search.outcome.violation = Some((*violation, Story::default()));
        } else {
            let mut found = search.run(root, progress).is_some();
            if !search.outcome.complete && !self.stop.load(Ordering::Relaxed) {
                // A shorter way may lead there, and what is near the beginning may be beyond the bounds of a search that goes far first.
                let mut root = self.beginning(test)?;
                root.settle().expect("it is the same beginning");
                let mut nearest = self.search(Aim::Violations, Order::BreadthFirst, self.bounds);
                let again = nearest.run(root, progress).is_some();
                if again || !found {
                    (search, found) = (nearest, again);
                }
            }
            if found {
                let (story, violation) = Teller::tell(self.world()?, test, self.bounds, false, &search.way());
                let violation = violation.expect("a way leads to the same point again");
                search.outcome.violation = Some((violation, story));
            }
        }
        search.outcome.states = search.states() + usize::from(search.outcome.violation.is_some());
        Ok(search.outcome)
    }

    /// Whether every schedule of the test's concurrent events comes to what some order of whole events comes to, each with all that it causes
    /// done before the next begins: in the records, in what is parked, in the answers. Appends to a list commute, but for the
    /// lists of [`Explorer::ordering`], and so do creations. Crashes and duplicates are left out, as they make no schedule of their own. An event
    /// that is refused and leaves nothing is as one that was not sent: who finds something locked is told to come again.
    ///
    /// # Errors
    /// If the stores do not open.
    pub fn compare(&self, test: &Test, progress: &mut dyn FnMut(Progress)) -> Result<Comparison, StoreError> {
        let bounds = Bounds { crashes: 0, duplicates: 0, failures: 0, ..self.bounds };
        let mut run = |aim, order, left_out| -> Result<(Search<'_>, bool), StoreError> {
            let mut search = self.search(aim, order, bounds);
            let mut root = self.beginning(test)?;
            root.answers = Some(0);
            root.left_out = left_out;
            let begins = root.settle().is_ok();
            let stopped = begins && search.run(root, progress).is_some();
            Ok((search, stopped))
        };
        let mut comparison =
            Comparison { states: 0, serial: 0, complete: false, anomaly: None, taken: Sessions::default(), sent_to: FxHashSet::default() };
        let mut known = FxHashSet::default();
        let mut tried: Vec<Sessions> = Vec::new();
        let mut left_out = Sessions::default();
        // A way to an anomaly, from when there is one; then the shortest is looked for.
        let mut long_way: Option<Vec<Move>> = None;
        loop {
            if !tried.contains(&left_out) {
                let (serial, stopped) = run(Aim::Serial, Order::DepthFirst, left_out)?;
                comparison.states += serial.states();
                comparison.taken = comparison.taken.with(serial.taken);
                comparison.sent_to.extend(&serial.sent_to);
                if stopped || !serial.outcome.complete {
                    comparison.complete = false;
                    return Ok(comparison);
                }
                tried.push(left_out);
                known.extend(serial.results);
                comparison.serial = known.len();
            }
            let order = if long_way.is_none() { Order::DepthFirst } else { Order::BreadthFirst };
            let (every, found) = run(Aim::Other(known), order, Sessions::default())?;
            comparison.states += every.states();
            comparison.taken = comparison.taken.with(every.taken);
            comparison.sent_to.extend(&every.sent_to);
            comparison.complete = every.outcome.complete;
            if !found && long_way.is_none() {
                break;
            }
            // What the schedules with some events refused come to is not known yet.
            if found && !every.refused.is_empty() && !tried.contains(&every.refused) {
                left_out = every.refused;
            } else if let Some(long_way) = &long_way {
                let way = if found { every.way() } else { long_way.clone() };
                comparison.anomaly = Some(Teller::tell(self.world()?, test, bounds, true, &way).0);
                break;
            } else {
                long_way = Some(every.way());
            }
            let Aim::Other(results) = every.aim else { unreachable!("it looked for others") };
            known = results;
        }
        Ok(comparison)
    }

    /// Looks at the end of every schedule of the test's concurrent events, until one is what is looked for. Nothing else is judged.
    ///
    /// # Errors
    /// If the stores do not open.
    pub fn ends(&self, test: &Test, looked_for: &mut dyn FnMut(End) -> bool) -> Result<Ends, StoreError> {
        let mut search = self.search(Aim::Ends(looked_for), Order::BreadthFirst, self.bounds);
        let mut root = self.beginning(test)?;
        root.answers = Some(0);
        let (mut found, mut endless, mut stuck) = (None, None, None);
        if root.settle().is_ok() {
            let stopped = search.run(root, &mut |_| {});
            let whole = search.outcome.complete || search.outcome.depth >= self.bounds.depth;
            let tell = |way: &[Move]| Ok::<_, StoreError>(Teller::tell(self.world()?, test, self.bounds, true, way).0);
            match stopped {
                Some(None) => found = Some(tell(&search.way())?),
                // Before the events begin, there is nothing to look at.
                Some(Some(_)) if search.before.is_none() => search.outcome.complete = true,
                Some(Some(violation)) => stuck = Some((violation, tell(&search.way())?)),
                None if search.outcome.ends == 0 && search.before.is_some() && whole => {
                    let way = search.longest_way();
                    endless = Some(tell(&way[..way.len().min(ENDLESS as usize)])?);
                }
                None => {}
            }
        }
        let Outcome { ends, depth, complete, .. } = search.outcome;
        Ok(Ends { states: search.states(), ends, depth, complete, found, stuck, endless })
    }

    fn beginning<'p>(&self, test: &'p Test) -> Result<Point<'p>, StoreError> {
        let mut root = Point::new(self.world()?, test);
        root.every_step = self.every_step;
        Ok(root)
    }

    fn search<'p>(&'p self, aim: Aim<'p>, order: Order, bounds: Bounds) -> Search<'p> {
        Search::new(aim, order, bounds, &self.ordered, self.every_step, self.stop.clone())
    }

    fn world(&self) -> Result<Exploring, StoreError> {
        Exploring::new(&self.program, self.places.clone(), &self.limits)
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
