//! The search of a concrete cycle: up to four events that no order of whole chains explains.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::bindings::{Bindings, Class};
use super::conflict::{Conflict, conflict};
use super::filter::may_be_cut;
use super::neighbours::neighbours;
use super::schedule::{self, Stop, schedule};
use super::witness::{Event, Given, Record, Turn, Witness};
use super::{Access, Chain, Piece, Way, chains};
use crate::db::{Db, SourceFile};
use crate::effects::known::Const;
use crate::effects::{Site, Target, WriteKind};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::{handler_sig, invariant_sig};
use crate::types::{CellId, ItemId, LocalId, Ty};

/// How far a cycle is looked for: the number of events, the conflicts that are followed for one chain, and the pieces that are placed, before it
/// is given up. Most cycles that there are have two events; those of four are rare, and ways to them are many.
const EFFORT: [(usize, u32, u32); 3] = [(2, 3_000, 800), (3, 600, 300), (4, 300, 150)];

/// A way in which others observe, or break, a chain half way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub witness: Witness,
    /// What happens, in the order of the commits: what the first event of the witness and the others do to each other.
    pub steps: Vec<Step>,
    /// The others only look.
    pub observed: bool,
    /// What ends every such cycle of the chain, each tried.
    pub ways_out: Vec<WayOut>,
}

/// One access of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// By position in [`Witness::events`].
    pub event: usize,
    /// By position in [`Witness::order`].
    pub turn: usize,
    pub record: ItemId,
    pub cell: Option<CellId>,
    /// By position in [`Witness::records`], where it is one of them.
    pub on: Option<usize>,
    pub element: Option<usize>,
    pub write: Option<WriteKind>,
    pub value: Option<Const>,
    pub site: Site,
}

/// What ends the cycles of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// Both places in one space: the chain is one transaction then.
    OneSpace,
    /// The replaced cell changed by an operation instead: `+=`, `-=`.
    Commute(CellId),
    /// An `eventually invariant` over what the chain writes says that the in-between is accepted.
    Eventually,
}

/// An access by chain, piece and position, of a neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub chain: usize,
    pub piece: usize,
    pub access: usize,
}

/// Chains, and how their accesses get in each other's way.
pub(super) struct Neighbourhood<'a> {
    pub chains: Vec<&'a Chain>,
    pub accesses: Vec<Place>,
    /// By position in `accesses`.
    pub conflicts: Vec<Vec<(usize, Conflict<'a>)>>,
    of_chain: Vec<Range<usize>>,
}

impl<'a> Neighbourhood<'a> {
    pub(super) fn new(chains: Vec<&'a Chain>) -> Self {
        let mut accesses = Vec::new();
        let mut of_chain = Vec::new();
        let mut by_record: FxHashMap<ItemId, Vec<usize>> = FxHashMap::default();
        for (chain, of) in chains.iter().enumerate() {
            let first = accesses.len();
            for (index, piece) in of.pieces.iter().enumerate() {
                for (position, access) in piece.accesses.iter().enumerate() {
                    // What a piece does twice alike counts once.
                    if piece.accesses[..position].iter().any(|other| alike(other, access)) {
                        continue;
                    }
                    by_record.entry(access.record).or_default().push(accesses.len());
                    accesses.push(Place { chain, piece: index, access: position });
                }
            }
            of_chain.push(first..accesses.len());
        }
        let at = |place: Place| &chains[place.chain].pieces[place.piece].accesses[place.access];
        let mut conflicts: Vec<Vec<(usize, Conflict<'a>)>> = vec![Vec::new(); accesses.len()];
        for group in by_record.values() {
            for &one in group {
                for &other in group {
                    if let Some(found) = conflict(at(accesses[one]), at(accesses[other])) {
                        conflicts[one].push((other, found));
                    }
                }
            }
        }
        Neighbourhood { chains, accesses, conflicts, of_chain }
    }

    fn piece(&self, place: Place) -> &'a Piece {
        &self.chains[place.chain].pieces[place.piece]
    }

    fn access(&self, place: Place) -> &'a Access {
        &self.piece(place).accesses[place.access]
    }
}

fn alike(one: &Access, other: &Access) -> bool {
    let key = |access: &Access| (access.record, access.cell, access.write, access.blind);
    key(one) == key(other)
        && one.target == other.target
        && one.grain == other.grain
        && one.value == other.value
        && one.always == other.always
        && one.facts == other.facts
}

/// The cycles of the chains of a file: by position in [`chains`].
#[salsa::tracked(returns(ref))]
pub fn cycles(db: &dyn Db, file: SourceFile) -> Vec<(u32, Cycle)> {
    let near = neighbours(db, file);
    if near.is_empty() {
        return Vec::new();
    }
    let all: Vec<&Chain> = near.iter().map(|(file, index)| &chains(db, *file)[*index as usize]).collect();
    let own: Vec<(usize, u32)> =
        near.iter().enumerate().filter(|(_, (of, _))| *of == file).map(|(position, (_, index))| (position, *index)).collect();
    let own = own.into_iter().filter(|(position, _)| all[*position].pieces.len() > 1 && !all[*position].incomplete);
    let own: Vec<(usize, u32)> = own.collect();
    let near = Neighbourhood::new(all);
    own.into_iter()
        .filter_map(|(position, index)| {
            let mut cycle = cycle_of(db, &near, position)?;
            cycle.ways_out = ways_out(db, &near, position, &cycle);
            Some((index, cycle))
        })
        .collect()
}

/// The verdict on each chain of a set that is given as it is: the first cycle of those that have one.
pub(super) fn cycle_of<'a>(db: &'a dyn Db, near: &Neighbourhood<'a>, chain: usize) -> Option<Cycle> {
    if !may_be_cut(near, chain) {
        return None;
    }
    let fixed = |cell: CellId| !facts::is_changed(db, cell);
    for (most, tries, placed) in EFFORT {
        let mut search = Search { db, near, tries, placed, most, stops: Vec::new(), seen: FxHashSet::default() };
        for exit in near.of_chain[chain].clone() {
            let mut bindings = Bindings::new(&fixed);
            if !search.begin(0, chain, &mut bindings) {
                continue;
            }
            search.stops = vec![Open { chain, entry: None, exit: near.accesses[exit] }];
            if let Some(found) = search.extend(exit, &bindings) {
                return Some(found);
            }
        }
    }
    None
}

/// A stop that may still lack the place where the cycle enters.
#[derive(Clone, Copy)]
struct Open {
    chain: usize,
    entry: Option<Place>,
    exit: Place,
}

struct Search<'a, 'n> {
    db: &'a dyn Db,
    near: &'n Neighbourhood<'a>,
    /// Conflicts that may be followed, and pieces that may be placed, still.
    tries: u32,
    placed: u32,
    most: usize,
    stops: Vec<Open>,
    /// What has been tried: accesses of one piece lead to the same orders.
    seen: FxHashSet<u64>,
}

impl<'a> Search<'a, '_> {
    /// What is known of an event before any conflict.
    fn begin(&self, event: usize, chain: usize, bindings: &mut Bindings<'_>) -> bool {
        let chain = self.near.chains[chain];
        let single = !chain.single || record_of(chain.root).is_none_or(|record| bindings.single(event, record));
        single && chain.apart.iter().all(|(one, other)| bindings.apart(event, one, other))
    }

    /// Goes on from an access of the last stop.
    fn extend(&mut self, from: usize, bindings: &Bindings<'_>) -> Option<Cycle> {
        let event = self.stops.len();
        for &(to, found) in &self.near.conflicts[from] {
            if self.tries == 0 || self.placed == 0 {
                return None;
            }
            self.tries -= 1;
            let entry = self.near.accesses[to];
            let mut next = bindings.clone();
            if !self.can_start(entry.chain) || !self.begin(event, entry.chain, &mut next) || !join(found, event - 1, event, &mut next) {
                continue;
            }
            for exit in self.near.of_chain[entry.chain].clone() {
                let leaves = self.near.accesses[exit];
                if !self.near.chains[entry.chain].can_both_happen(entry.piece, leaves.piece) || self.near.conflicts[exit].is_empty() {
                    continue;
                }
                self.stops.push(Open { chain: entry.chain, entry: Some(entry), exit: leaves });
                let found = if event + 1 == self.most { self.close(exit, &next) } else { self.extend(exit, &next) };
                self.stops.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Whether one more event of this chain is possible: a record with a constant key is created once.
    fn can_start(&self, chain: usize) -> bool {
        let of = self.near.chains[chain];
        !(of.single && matches!(of.root, BodyOwner::Create(_)) && self.stops.iter().any(|stop| stop.chain == chain))
    }

    /// Comes back to the first event, in another piece than the one that was left.
    fn close(&mut self, from: usize, bindings: &Bindings<'_>) -> Option<Cycle> {
        let first = self.stops[0];
        let chain = self.near.chains[first.chain];
        let last = self.stops.len() - 1;
        for &(to, found) in &self.near.conflicts[from] {
            let entry = self.near.accesses[to];
            if entry.chain != first.chain
                || chain.comes_before(entry.piece, first.exit.piece)
                || !chain.can_both_happen(entry.piece, first.exit.piece)
            {
                continue;
            }
            let mut joined = bindings.clone();
            if !join(found, last, 0, &mut joined) {
                continue;
            }
            let mut stops: Vec<Stop<'a>> = Vec::new();
            for stop in &self.stops {
                stops.push(Stop { chain: self.near.chains[stop.chain], entry: stop.entry.unwrap_or(entry), exit: stop.exit });
            }
            if !self.seen.insert(self.shape(&stops, &joined)) || self.is_meant(&stops) {
                continue;
            }
            if let Some(order) = schedule(&stops, &mut joined, &mut self.placed) {
                return Some(self.told(&stops, &order, &mut joined));
            }
        }
        None
    }

    /// A name for what decides about the orders of a cycle: the pieces, what they need, and which records are the same.
    fn shape(&self, stops: &[Stop<'_>], bindings: &Bindings<'_>) -> u64 {
        let mut hasher = FxHasher::default();
        bindings.shape().hash(&mut hasher);
        for (open, stop) in self.stops.iter().zip(stops) {
            let places = [stop.entry, stop.exit];
            open.chain.hash(&mut hasher);
            places.map(|place| (place.piece, only_looked_at(self.near, place))).hash(&mut hasher);
            places.map(|place| self.near.access(place)).iter().for_each(|access| access.facts.hash(&mut hasher));
        }
        hasher.finish()
    }

    /// Whether what others see of the chain half way is shown on purpose: the progress that it writes down as it goes, or something that an
    /// `eventually invariant` says need not hold in between.
    fn is_meant(&self, stops: &[Stop<'_>]) -> bool {
        let (exit, entry) = (self.near.access(stops[0].exit), self.near.access(stops[0].entry));
        let looks = stops[1..].iter().any(|stop| !stop.chain.writes());
        if looks && exit.cell.zip(entry.cell).is_some_and(|(one, other)| is_accepted(self.db, one, other)) {
            return true;
        }
        let chain = stops[0].chain;
        let own = || chain.pieces.iter().flat_map(|piece| &piece.accesses).filter(|access| !access.reads());
        let is_progress = |access: &Access| {
            let writes = |piece: &&Piece| piece.accesses.iter().any(|other| !other.reads() && same_cell(other, access));
            access.cell.is_some() && chain.pieces.iter().filter(writes).count() > 1
        };
        let mut seen = stops[1..].iter().flat_map(|stop| [stop.entry, stop.exit]).flat_map(|place| &self.near.piece(place).accesses);
        only_look(self.near, stops) && seen.any(|read| read.reads() && own().any(|own| own.cell == read.cell && is_progress(own)))
    }

    /// The cycle as data.
    fn told(&self, stops: &[Stop<'_>], order: &[schedule::Turn], bindings: &mut Bindings<'_>) -> Cycle {
        let mut names = Names::default();
        for (event, stop) in stops.iter().enumerate() {
            if let Some(record) = record_of(stop.chain.root) {
                let class = bindings.record(event, &Target::SelfRecord);
                names.add(bindings.now(class), record);
            }
            for (index, record) in record_params(self.db, stop.chain.root) {
                let class = bindings.record(event, &Target::Local(LocalId(index)));
                names.add(bindings.now(class), record);
            }
        }
        let mut steps = Vec::new();
        for (turn, &(event, piece)) in order.iter().enumerate() {
            let stop = &stops[event];
            // Where both are in one piece, the one that comes from others is told first.
            let mut places = vec![stop.entry, stop.exit];
            places.dedup();
            for place in places.into_iter().filter(|place| place.piece == piece) {
                let access = self.near.access(place);
                let on = match &access.target {
                    Target::Unknown | Target::Fresh => None,
                    target => {
                        let class = bindings.record(event, target);
                        Some(names.add(bindings.now(class), access.record))
                    }
                };
                let element = schedule::element(event, access, bindings).and_then(|class| names.find(bindings.now(class)));
                let (record, cell, write, value, site) = (access.record, access.cell, access.write, access.value.clone(), access.site);
                steps.push(Step { event, turn, record, cell, on, element, write, value, site });
            }
        }
        let events = stops.iter().enumerate().map(|(event, stop)| {
            let on = bindings.record(event, &Target::SelfRecord);
            let on = names.find(bindings.now(on)).unwrap_or_default();
            let params = match stop.chain.root {
                BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler_sig(self.db, handler).map_or(0, |sig| sig.params.len()),
                _ => 0,
            };
            let args = (0..params as u32).map(|index| {
                let class = bindings.record(event, &Target::Local(LocalId(index)));
                names.find(bindings.now(class)).map_or(Given::Any, Given::Record)
            });
            Event { starts: stop.chain.root, on, args: args.collect() }
        });
        let events: Vec<Event> = events.collect();
        let turns = order.iter().map(|&(event, piece)| {
            let piece = &stops[event].chain.pieces[piece];
            let (sent, arm) = match &piece.way {
                Way::Start => (None, None),
                Way::Sent { at, .. } | Way::Undo { at } => (Some(*at), None),
                Way::Arm { of, ok, .. } => (Some(*of), Some(*ok)),
            };
            let on = match &piece.on {
                Target::Unknown | Target::Fresh => None,
                target => {
                    let class = bindings.record(event, target);
                    names.find(bindings.now(class))
                }
            };
            Turn { event, body: piece.body, sent, arm, on }
        });
        let order = turns.collect();
        for (base, cell, linked) in bindings.links() {
            if let (Some(base), Some(record)) = (names.find(base), linked_record(self.db, cell)) {
                let linked = names.add(linked, record);
                names.records[base].1.links.push((cell, linked));
            }
        }
        for index in 0..names.records.len() {
            let key = bindings.literal(names.records[index].0).map(Into::into);
            names.records[index].1.key = key;
        }
        let records = names.records.into_iter().map(|(_, record)| record).collect();
        let observed = only_look(self.near, stops);
        Cycle { witness: Witness { records, events, order }, steps, observed, ways_out: Vec::new() }
    }
}

fn only_looked_at(near: &Neighbourhood<'_>, place: Place) -> (bool, Option<CellId>) {
    let access = near.access(place);
    (access.reads(), access.cell)
}

/// Whether the events other than the first only read on their part of the cycle.
fn only_look(near: &Neighbourhood<'_>, stops: &[Stop<'_>]) -> bool {
    stops[1..].iter().all(|stop| near.access(stop.entry).reads() && near.access(stop.exit).reads())
}

fn same_cell(one: &Access, other: &Access) -> bool {
    one.cell.is_some() && one.cell == other.cell && one.target == other.target
}

/// Whether an `eventually invariant` reads both cells: in between they may disagree.
fn is_accepted(db: &dyn Db, one: CellId, other: CellId) -> bool {
    let others = facts::invariants_on(db, other);
    let eventually = |item: &&ItemId| invariant_sig(db, **item).is_some_and(|sig| sig.eventually);
    facts::invariants_on(db, one).iter().filter(eventually).any(|item| others.contains(item))
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

/// Records with the names that messages give them.
#[derive(Default)]
struct Names {
    records: Vec<(Class, Record)>,
}

impl Names {
    fn find(&self, class: Class) -> Option<usize> {
        self.records.iter().position(|(known, _)| *known == class)
    }

    fn add(&mut self, class: Class, of: ItemId) -> usize {
        self.find(class).unwrap_or_else(|| {
            let letter = char::from(b'a' + (self.records.len() % 26) as u8);
            self.records.push((class, Record { of, name: letter.to_string().into(), key: None, links: Vec::new() }));
            self.records.len() - 1
        })
    }
}

/// The record type that a body is of.
fn record_of(owner: BodyOwner) -> Option<ItemId> {
    match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => Some(handler.record),
        BodyOwner::Create(record) => Some(record),
        BodyOwner::Derived(cell) | BodyOwner::Default(cell) => Some(cell.record),
        _ => None,
    }
}

/// The parameters that are references.
fn record_params(db: &dyn Db, owner: BodyOwner) -> Vec<(u32, ItemId)> {
    let sig = match owner {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler_sig(db, handler),
        _ => None,
    };
    let params = sig.map(|sig| &sig.params[..]).unwrap_or_default();
    params.iter().enumerate().filter_map(|(index, param)| Some((index as u32, linked(&param.ty)?))).collect()
}

fn linked(ty: &Ty) -> Option<ItemId> {
    match ty {
        Ty::Record(record, _) => Some(*record),
        Ty::Optional(inner) => linked(inner),
        _ => None,
    }
}

/// The record type that a cell links to.
fn linked_record(db: &dyn Db, cell: CellId) -> Option<ItemId> {
    crate::signature::cell_sig(db, cell).and_then(|sig| linked(&sig.ty))
}

/// What would end every cycle of a chain.
fn ways_out<'a>(db: &'a dyn Db, near: &Neighbourhood<'a>, chain: usize, cycle: &Cycle) -> Vec<WayOut> {
    let mut ways = vec![WayOut::OneSpace];
    let changed = |change: &dyn Fn(&Chain) -> Chain| near.chains.iter().map(|chain| change(chain)).collect::<Vec<Chain>>();
    let ends = |set: &[Chain]| {
        let near = Neighbourhood::new(set.iter().collect());
        // The set outlives the search only here: what is found is dropped.
        !has_cycle(db, &near, chain)
    };
    let replaced = cycle.steps.iter().filter(|step| step.write == Some(WriteKind::Set)).filter_map(|step| step.cell);
    let mut tried = Vec::new();
    for cell in replaced {
        let counts = crate::signature::cell_sig(db, cell).is_some_and(|sig| sig.ty == Ty::Int && !sig.key && !sig.unique);
        if !counts || tried.contains(&cell) {
            continue;
        }
        tried.push(cell);
        if ends(&changed(&|chain| with_operations(chain, cell))) {
            ways.push(WayOut::Commute(cell));
        }
    }
    if cycle.observed && ends(&changed(&|chain| if chain.writes() { chain.clone() } else { Chain { pieces: Vec::new(), ..chain.clone() } }))
    {
        ways.push(WayOut::Eventually);
    }
    ways
}

fn has_cycle(db: &dyn Db, near: &Neighbourhood<'_>, chain: usize) -> bool {
    cycle_of(db, near, chain).is_some()
}

/// The chain with `+=` where a piece reads a number and replaces it.
fn with_operations(chain: &Chain, cell: CellId) -> Chain {
    let mut chain = chain.clone();
    for piece in &mut chain.pieces {
        let replaces = |access: &Access| access.cell == Some(cell) && access.write == Some(WriteKind::Set);
        if piece.accesses.iter().any(replaces) {
            for access in piece.accesses.iter_mut().filter(|access| replaces(access)) {
                access.write = Some(WriteKind::Add);
            }
            // Positions stay what they are: conditions name them.
            for access in piece.accesses.iter_mut().filter(|access| access.cell == Some(cell) && access.reads()) {
                access.write = Some(WriteKind::Add);
            }
        }
    }
    chain
}
