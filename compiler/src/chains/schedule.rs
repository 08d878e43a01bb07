//! Whether the pieces of several chains can commit in an order that no order of whole chains explains, by trying the orders.
//!
//! A piece commits after the one that leads to it, events from one record to one record arrive in the order in which they were sent, and a
//! transaction ends as what it has read says. Of orders that differ only by pieces that do not meet one is tried.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bindings::{Bindings, Class};
use super::neighbourhood::Place;
use super::prepared::{Change, Prepared};
use super::replay::{Decided, Ending, Run};
use super::state::Need;
use super::{Access, Chain};
use crate::effects::{Grain, Value, WriteKind};
use crate::types::CellId;

/// Pieces that are placed for one set of events before it is given up.
const MOST_STEPS: u32 = 2_000;

/// Starts of a run that differ by what one piece sends.
const MOST_SENDINGS: usize = 4;

/// How often the start of a run is filled in by what comes up in it.
const MOST_REPLAYS: u32 = 3;

/// Things that are left open of the start of a run and by which orders of whole events differ: each is tried both ways.
const MOST_CASES: u32 = 5;

/// One event of a cycle: the access where the cycle enters its chain, and the one where it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop<'a> {
    pub chain: &'a Chain,
    pub entry: Place,
    pub exit: Place,
}

/// A piece of one of the events.
pub(super) type Turn = (usize, usize);

/// An order that no order of whole events explains.
pub(super) struct Found<'a> {
    pub order: Vec<Turn>,
    /// As it ends.
    pub run: Run<'a>,
}

/// An order of the pieces in which every stop's exit comes before the next one's entry, and which leaves, or shows, what no order of whole
/// events does. `ordered` are the lists of which somebody looks what comes first. `budget` is how many pieces may be placed still.
pub(super) fn schedule<'a>(
    stops: &[Stop<'a>],
    ordered: &FxHashSet<CellId>,
    bindings: &mut Bindings<'_>,
    budget: &mut u32,
) -> Option<Found<'a>> {
    let on_cycle: Vec<Vec<usize>> = stops.iter().map(pieces_of).collect();
    type Pieces<'a> = FxHashMap<Turn, Prepared<'a>>;
    let prepare = |bindings: &mut Bindings<'_>| -> Option<(Pieces<'a>, Pieces<'a>)> {
        let (mut pieces, mut free) = (FxHashMap::default(), FxHashMap::default());
        for (event, stop) in stops.iter().enumerate() {
            let possible = |piece: &usize| on_cycle[event].iter().all(|other| stop.chain.can_both_happen(*piece, *other));
            for piece in 0..stop.chain.pieces.len() {
                let on_cycle = if possible(&piece) { &on_cycle[event][..] } else { &[] };
                pieces.insert((event, piece), Prepared::new(stop, on_cycle, (event, piece), ordered, bindings)?);
                free.extend(Prepared::freely(stop, on_cycle, (event, piece), ordered, bindings).map(|free| ((event, piece), free)));
            }
        }
        Some((pieces, free))
    };
    // The first round names everything, which can show that more is the same.
    prepare(bindings)?;
    let (pieces, free) = prepare(bindings).filter(|_| bindings.agrees())?;
    let before = (0..stops.len()).map(|event| {
        let next = (event + 1) % stops.len();
        ((event, stops[event].exit.piece), (next, stops[next].entry.piece))
    });
    let steps = MOST_STEPS.min(*budget);
    let made = pieces.iter().flat_map(|(turn, piece)| piece.makes.iter().map(|made| (*made, *turn)));
    let made: Vec<(Class, Turn)> = made.collect();
    let born = pieces.iter().flat_map(|(turn, piece)| {
        made.iter().filter(|(record, maker)| maker.0 != turn.0 && piece.names(*record)).map(|(_, maker)| (*turn, *maker))
    });
    let born = born.collect();
    let mut search = Search {
        stops,
        on_cycle: &on_cycle,
        before: before.collect(),
        pieces: &pieces,
        free: &free,
        born,
        order: Vec::new(),
        steps,
        serial: Vec::new(),
    };
    let start = Point { run: Run::new(stops.len()), pending: (0..stops.len()).map(Pending::start).collect() };
    let found = search.place(&start, Vec::new());
    *budget -= steps - search.steps;
    found.map(|run| Found { order: search.order, run })
}

/// The pieces of a chain on the way to where the cycle enters and leaves it.
fn pieces_of(stop: &Stop<'_>) -> Vec<usize> {
    let mut needed = Vec::new();
    for end in [stop.entry.piece, stop.exit.piece] {
        let mut at = Some(end);
        while let Some(piece) = at {
            if !needed.contains(&piece) {
                needed.push(piece);
            }
            at = stop.chain.pieces[piece].parent;
        }
    }
    needed.sort_unstable();
    needed
}

/// A transaction that is to come: the pieces with which it can end.
#[derive(Clone)]
struct Pending {
    event: usize,
    ways: Vec<usize>,
    /// What decided that it comes.
    before: Decided,
}

impl Pending {
    fn start(event: usize) -> Self {
        Pending { event, ways: vec![0], before: Decided::default() }
    }
}

#[derive(Clone)]
struct Point<'a> {
    run: Run<'a>,
    /// In the order in which they were sent.
    pending: Vec<Pending>,
}

struct Search<'a, 's> {
    stops: &'s [Stop<'a>],
    /// By event.
    on_cycle: &'s [Vec<usize>],
    before: Vec<(Turn, Turn)>,
    pieces: &'s FxHashMap<Turn, Prepared<'a>>,
    /// Those that need not do in an order of whole events what the cycle needs of them.
    free: &'s FxHashMap<Turn, Prepared<'a>>,
    /// Pieces that name a record which another event makes, with the piece that does: nobody has it before.
    born: Vec<(Turn, Turn)>,
    order: Vec<Turn>,
    /// Pieces that may be placed still.
    steps: u32,
    /// What orders of whole events leave and show, with what they start from and are decided by.
    serial: Vec<(u64, Serial<'a>)>,
}

/// What orders of whole events come to.
struct Serial<'a> {
    runs: Vec<Run<'a>>,
    /// What is left open of the start, and decides how some of them go on.
    open: Option<Need<'a>>,
}

impl<'a> Search<'a, '_> {
    /// Places the pieces that are left; the run, if no order of whole events explains it. `asleep` need not be placed next: where they were,
    /// the same came of it.
    fn place(&mut self, point: &Point<'a>, mut asleep: Vec<Turn>) -> Option<Run<'a>> {
        if point.pending.is_empty() {
            let whole = self.on_cycle.iter().enumerate().all(|(event, own)| own.iter().all(|piece| self.order.contains(&(event, *piece))));
            if !whole {
                return None;
            }
            return self.replayed(&point.run, MOST_REPLAYS).and_then(|run| self.unexplained(run, MOST_CASES));
        }
        for at in 0..point.pending.len() {
            if !self.is_ready(point, at) {
                continue;
            }
            let event = point.pending[at].event;
            let endings = self.endings(&point.run, &point.pending[at]);
            if endings.iter().all(|(_, ending)| *ending == Ending::Impossible) {
                // It does nothing, or comes when others have changed what it needs.
                if self.is_needed(&point.pending[at]) {
                    match self.may_come_later(&point.run, &point.pending[at]) {
                        true => continue,
                        false => return None,
                    }
                }
                let mut next = point.clone();
                next.pending.remove(at);
                return self.place(&next, asleep);
            }
            let certain = endings.iter().find(|(_, ending)| *ending == Ending::Certain).map(|(piece, _)| *piece);
            for (piece, ending) in endings {
                let turn = (event, piece);
                let other = ending == Ending::Impossible || certain.is_some_and(|certain| certain != piece);
                if other || !self.fits(turn) || !self.is_born(turn, &self.order) || asleep.contains(&turn) {
                    continue;
                }
                if self.steps == 0 {
                    return None;
                }
                self.steps -= 1;
                let mut next = point.clone();
                if ending == Ending::Possible {
                    let decisions = point.run.decisions_of(turn, &self.pieces[&turn]);
                    next.run.decisions.extend(decisions);
                }
                let still: Vec<Turn> = asleep.iter().copied().filter(|other| !self.meet(*other, turn)).collect();
                self.order.push(turn);
                for mut case in self.sending_or_not(next, turn) {
                    self.take(&mut case, at, piece);
                    if let Some(found) = self.place(&case, still.clone()) {
                        return Some(found);
                    }
                }
                self.order.pop();
                asleep.push(turn);
            }
        }
        None
    }

    /// The point before a piece, from each of the starts that decide what it sends.
    fn sending_or_not(&self, mut point: Point<'a>, turn: Turn) -> Vec<Point<'a>> {
        let (event, piece) = turn;
        let own = &self.pieces[&turn];
        point.run.need(&own.when);
        point.run.need(&own.needs);
        let chain = self.stops[event].chain;
        let next = (0..chain.pieces.len()).filter(|next| chain.pieces[*next].parent == Some(piece));
        let mut cases = vec![point];
        for need in next.flat_map(|next| &self.pieces[&(event, next)].when) {
            let open = |case: &Point<'a>| case.run.open(std::slice::from_ref(need));
            if cases.len() > MOST_SENDINGS {
                break;
            }
            let others: Vec<Point<'a>> = cases
                .iter_mut()
                .filter_map(|case| {
                    let need = open(case)?;
                    let mut other = case.clone();
                    case.run.need(&[need]);
                    other.run.need(&[need.not()]);
                    Some(other)
                })
                .collect();
            cases.extend(others);
        }
        cases
    }

    /// How a transaction can end: if in one of several ways only, then in that.
    fn endings(&self, run: &Run<'a>, pending: &Pending) -> Vec<(usize, Ending)> {
        self.endings_of(run, pending, false)
    }

    fn prepared(&self, turn: Turn, freely: bool) -> &Prepared<'a> {
        self.free.get(&turn).filter(|_| freely).unwrap_or_else(|| &self.pieces[&turn])
    }

    fn endings_of(&self, run: &Run<'a>, pending: &Pending, freely: bool) -> Vec<(usize, Ending)> {
        let ending = |piece: &usize| (*piece, run.ending(self.prepared((pending.event, *piece), freely)));
        let mut endings: Vec<(usize, Ending)> = pending.ways.iter().map(ending).collect();
        let several = endings.len() > 1;
        let mut possible = endings.iter_mut().filter(|(_, ending)| *ending != Ending::Impossible);
        if let (Some((_, only)), None, true) = (possible.next(), possible.next(), several) {
            *only = Ending::Certain;
        }
        endings
    }

    /// The same order once more, from a start of which all is known that a run has assumed on the way: what is named after it is named alike in
    /// the runs that it is compared with. `None` if something of it is not sent then, or comes out otherwise.
    fn replayed(&self, run: &Run<'a>, times: u32) -> Option<Run<'a>> {
        let mut point = Point { run: run.again(), pending: (0..self.stops.len()).map(Pending::start).collect() };
        for &(event, piece) in &self.order {
            let at = point.pending.iter().position(|pending| pending.event == event && pending.ways.contains(&piece))?;
            let endings = self.endings(&point.run, &point.pending[at]);
            let ends_so = |(way, ending): &(usize, Ending)| match ending {
                Ending::Impossible => *way != piece,
                Ending::Certain => *way == piece,
                Ending::Possible => true,
            };
            if !endings.iter().all(ends_so) {
                return None;
            }
            if endings.contains(&(piece, Ending::Possible)) {
                let decisions = point.run.decisions_of((event, piece), &self.pieces[&(event, piece)]);
                point.run.decisions.extend(decisions);
            }
            self.take(&mut point, at, piece);
        }
        // What came up on the way may decide what came before.
        let more = times > 0 && point.run.assumed().len() > run.assumed().len();
        if more { self.replayed(&point.run, times - 1) } else { Some(point.run) }
    }

    /// Whether the cycle goes through a transaction.
    fn is_needed(&self, pending: &Pending) -> bool {
        pending.ways.iter().any(|piece| self.on_cycle[pending.event].contains(piece))
    }

    /// Whether a transaction that cannot end now may when others have come before it.
    fn may_come_later(&self, run: &Run<'a>, pending: &Pending) -> bool {
        let allows = |change: &Change<'_>, need: &Need<'_>| match (need, &change.access.value, change.access.write) {
            (Need::Holds(_, _, value, is), Some(held), Some(WriteKind::Set)) => held.allows(value, *is),
            _ => true,
        };
        let changes = |piece: &Prepared<'_>, need: &Need<'_>| {
            piece.changes.iter().any(|change| need.thing().shows(&change.thing) && allows(change, need))
        };
        pending.ways.iter().filter_map(|way| run.barred(&self.pieces[&(pending.event, *way)])).any(|need| {
            let still = self
                .pieces
                .iter()
                .filter(|(turn, _)| !self.order.contains(turn) && self.is_possible(**turn) && !self.is_after(**turn, pending));
            still.into_iter().any(|(_, piece)| changes(piece, &need))
        })
    }

    /// Whether a turn comes after a transaction in every order that makes the cycle.
    fn is_after(&self, turn: Turn, pending: &Pending) -> bool {
        let chain = self.stops[turn.0].chain;
        let own = turn.0 == pending.event && pending.ways.iter().any(|way| chain.comes_before(*way, turn.1));
        let led = |(first, then): &(Turn, Turn)| then.0 == turn.0 && chain.comes_before(then.1, turn.1) && self.is_after(*first, pending);
        own || self.before.iter().any(led)
    }

    /// Whether a piece leaves the cycle possible, and what must come before it has.
    fn fits(&self, turn: Turn) -> bool {
        self.is_possible(turn) && self.before.iter().all(|(first, then)| *then != turn || self.order.contains(first))
    }

    /// Whether a run with a piece can have those that the cycle goes through.
    fn is_possible(&self, (event, piece): Turn) -> bool {
        self.on_cycle[event].iter().all(|other| self.stops[event].chain.can_both_happen(piece, *other))
    }

    /// Whether all records are there that a piece names, after others.
    fn is_born(&self, turn: Turn, after: &[Turn]) -> bool {
        self.born.iter().all(|(of, maker)| *of != turn || after.contains(maker))
    }

    /// Whether a transaction can come next: what the same record sent to the same record earlier arrives earlier.
    fn is_ready(&self, point: &Point<'a>, at: usize) -> bool {
        let sent = |pending: &Pending| self.pieces[&(pending.event, pending.ways[0])].sent;
        let own = sent(&point.pending[at]);
        own.is_none() || point.pending[..at].iter().all(|earlier| sent(earlier) != own)
    }

    /// Whether it makes a difference which of two turns comes first.
    fn meet(&self, one: Turn, other: Turn) -> bool {
        let sends = |turn: Turn| {
            let chain = self.stops[turn.0].chain;
            let next = move |piece: &usize| chain.pieces[*piece].parent == Some(turn.1);
            (0..chain.pieces.len()).filter(next).filter_map(move |piece| self.pieces[&(turn.0, piece)].sent)
        };
        one.0 == other.0 || self.pieces[&one].meets(&self.pieces[&other]) || sends(one).any(|sent| sends(other).any(|like| like == sent))
    }

    /// Ends a transaction with a piece, and sends what comes of it.
    fn take(&self, point: &mut Point<'a>, at: usize, piece: usize) {
        self.take_as(point, at, piece, false);
    }

    fn take_as(&self, point: &mut Point<'a>, at: usize, piece: usize, freely: bool) {
        let Pending { event, before, .. } = point.pending.remove(at);
        let chain = self.stops[event].chain;
        let own = self.prepared((event, piece), freely);
        point.run.need(&own.when);
        point.run.need(&own.needs);
        let mut next: Vec<Pending> = Vec::new();
        // Of another round no more is said than of the first, unless the cycle goes through both.
        let rounds = self.on_cycle[event].iter().any(|piece| chain.pieces[*piece].again);
        let follows = |of: &usize| chain.pieces[*of].parent == Some(piece) && (rounds || !chain.pieces[*of].again);
        for of in (0..chain.pieces.len()).filter(follows) {
            let known = next.iter_mut().find(|group| chain.pieces[group.ways[0]].turn == chain.pieces[of].turn);
            match known {
                Some(group) => group.ways.push(of),
                None if point.run.is_sent(&self.pieces[&(event, of)]) => {
                    next.push(Pending { event, ways: vec![of], before: Decided::default() });
                }
                None => {}
            }
        }
        for group in &mut next {
            group.before = point.run.sends(own, before, &self.pieces[&(event, group.ways[0])]);
        }
        point.run.commit((event, piece), own, before, chain);
        // Of those that go out in one of several cases, one does.
        let parent = chain.pieces[piece].parent;
        let excluded = |group: &Pending| {
            let beside = |other: &usize| chain.pieces[*other].parent == parent && !chain.can_both_happen(*other, piece);
            group.event == event && group.ways.iter().all(beside)
        };
        if parent.is_some() {
            point.pending.retain(|group| !excluded(group));
        }
        point.pending.extend(next);
    }

    /// The run, from a start from which no order of whole events gives the same; `None` if there is no such start, as far as constants tell.
    /// What a run leaves open of its start can decide how an order of whole events goes on: both are looked at, up to so many times.
    fn unexplained(&mut self, run: Run<'a>, cases: u32) -> Option<Run<'a>> {
        // Who was refused and has left nothing is as if it had not come.
        let changes = |event: usize| self.order.iter().any(|turn| turn.0 == event && !self.pieces[turn].changes.is_empty());
        let refused = |event: &usize| self.stops[*event].chain.defers && run.is_rejected(*event) && !changes(*event);
        let without: Vec<usize> = (0..self.stops.len()).filter(refused).collect();
        let basis = run.basis(&without);
        let known = self.serial.iter().position(|(of, _)| *of == basis);
        let known = known.unwrap_or_else(|| {
            let events: Vec<usize> = (0..self.stops.len()).filter(|event| !without.contains(event)).collect();
            let (mut runs, mut open) = (Vec::new(), None);
            for order in orders(events.len()) {
                let order: Vec<usize> = order.into_iter().map(|at| events[at]).collect();
                runs.extend(self.in_turn(&order, &run, &mut open));
            }
            self.serial.push((basis, Serial { runs, open }));
            self.serial.len() - 1
        });
        let serial = &self.serial[known].1;
        if serial.runs.iter().any(|other| other.agrees_with(&run, &without)) {
            return None;
        }
        let open = serial.open.or_else(|| run.hoped().next().copied());
        let Some(open) = open.filter(|_| cases > 0) else { return Some(run) };
        [open, open.not()].into_iter().find_map(|need| {
            let case = self.replayed(&run.assuming(need), MOST_REPLAYS)?;
            self.unexplained(case, cases - 1)
        })
    }

    /// The events one after the other, each whole, from the start that another run assumes. `None` where something is decided by what was not
    /// so in that run: it can be decided otherwise than there; or by what that leaves `open` of the start.
    fn in_turn(&self, order: &[usize], like: &Run<'a>, open: &mut Option<Need<'a>>) -> Option<Run<'a>> {
        let mut point = Point { run: like.again(), pending: Vec::new() };
        let mut done: Vec<Turn> = Vec::new();
        for &event in order {
            point.pending.push(Pending::start(event));
            while let Some(at) = (0..point.pending.len()).find(|at| self.is_as_there(&point.pending[*at])) {
                let mut endings = self.endings(&point.run, &point.pending[at]);
                let is_none = |endings: &[(usize, Ending)]| endings.iter().all(|(_, ending)| *ending == Ending::Impossible);
                let freely = is_none(&endings) && point.pending[at].ways.iter().any(|piece| self.free.contains_key(&(event, *piece)));
                if freely {
                    endings = self.endings_of(&point.run, &point.pending[at], true);
                }
                if is_none(&endings) {
                    if point.pending[at].ways == [0] {
                        return None;
                    }
                    point.pending.remove(at);
                    continue;
                }
                let ways = || endings.iter().map(|(piece, _)| *piece);
                if let Some(need) = ways().find_map(|piece| point.run.open(&self.prepared((event, piece), freely).when)) {
                    open.get_or_insert(need);
                    return None;
                }
                let certain = endings.iter().find(|(_, ending)| *ending == Ending::Certain).map(|(piece, _)| *piece);
                let possible = || endings.iter().filter(|(_, ending)| *ending == Ending::Possible).map(|(piece, _)| *piece);
                let needed = || possible().find_map(|piece| point.run.open(&self.prepared((event, piece), freely).needs));
                if let (None, Some(need)) = (certain, needed()) {
                    open.get_or_insert(need);
                    return None;
                }
                let as_there = |piece: &usize| {
                    let decisions = point.run.decisions_of((event, *piece), self.prepared((event, *piece), freely));
                    decisions.iter().all(|decision| like.decisions.contains(decision))
                };
                let piece = certain.or_else(|| possible().find(as_there))?;
                let chain = self.stops[event].chain;
                let sent = (0..chain.pieces.len()).filter(|next| chain.pieces[*next].parent == Some(piece));
                let is_open = freely && sent.into_iter().any(|next| point.run.is_unknown(&self.pieces[&(event, next)].when));
                if is_open || !self.is_born((event, piece), &done) {
                    return None;
                }
                done.push((event, piece));
                self.take_as(&mut point, at, piece, freely);
            }
            point.pending.clear();
        }
        Some(point.run)
    }

    /// Whether a transaction is not one of several cases of which another came up in the order that is looked at.
    fn is_as_there(&self, pending: &Pending) -> bool {
        let chain = self.stops[pending.event].chain;
        let parent = chain.pieces[pending.ways[0]].parent;
        let excludes = |(event, piece): &Turn| {
            *event == pending.event
                && chain.pieces[*piece].parent == parent
                && pending.ways.iter().all(|own| !chain.can_both_happen(*own, *piece))
        };
        parent.is_none() || !self.order.iter().any(excludes)
    }
}

/// The orders of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    (0..n).fold(vec![Vec::new()], |shorter, next| {
        shorter
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, next);
                    longer
                })
            })
            .collect()
    })
}

/// The class of the element that an access is about.
pub(super) fn element(event: usize, access: &Access, bindings: &mut Bindings<'_>) -> Option<Class> {
    match &access.grain {
        Grain::Element(Some(element)) if !matches!(element, Value::Literal(_)) => Some(bindings.value(event, element)),
        _ => None,
    }
}
