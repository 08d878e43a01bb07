//! A cycle as plain data: who does what to whom, in the order of the commits, with names for the records.

use patternc_grammar::syntax::Name;

use super::bindings::{Bindings, Class};
use super::neighbourhood::Neighbourhood;
use super::schedule::{self, Found, Stop};
use super::state::{Key, Need};
use super::ways_out::WayOut;
use super::witness::{Event, Given, Held, Open, Record, Turn, What, Witness};
use super::{Access, Way};
use crate::db::Db;
use crate::effects::known::{Const, Fact};
use crate::effects::{Grain, Site, Target, Value, WriteKind};
use crate::hir::BodyOwner;
use crate::resolve::item_name;
use crate::signature::{Home, cell_sig, handler_sig, record_sig};
use crate::types::{CellId, ItemId, LocalId, Ty};

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

/// The cycle as data.
pub(super) fn told(
    db: &dyn Db,
    near: &Neighbourhood<'_>,
    stops: &[Stop<'_>],
    found: &Found<'_>,
    observed: bool,
    bindings: &mut Bindings<'_>,
) -> Cycle {
    let order = &found.order;
    let mut names = Names { taken: taken(db, near, stops), records: Vec::new() };
    for (event, stop) in stops.iter().enumerate() {
        if let Some(record) = record_of(stop.chain.root) {
            let class = bindings.record(event, &Target::SelfRecord);
            names.add(bindings.now(class), record);
        }
        for (index, record) in record_params(db, stop.chain.root) {
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
            let access = near.access(place);
            let on = match &access.target {
                Target::Unknown | Target::Fresh => None,
                // Whether there is one: none to begin with.
                Target::Key(..) if access.cell.is_none() => None,
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
    let mut values: Vec<Class> = Vec::new();
    let events = stops.iter().enumerate().map(|(event, stop)| {
        let on = bindings.record(event, &Target::SelfRecord);
        let on = names.find(bindings.now(on)).unwrap_or_default();
        let params = match stop.chain.root {
            BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler_sig(db, handler).map_or(0, |sig| sig.params.len()),
            _ => 0,
        };
        let args = (0..params as u32).map(|index| {
            let class = bindings.record(event, &Target::Local(LocalId(index)));
            given(class, &names, &mut values, bindings)
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
        Turn { event, body: piece.body, sent, arm, refused: piece.refused, on }
    });
    let order = turns.collect();
    for (base, cell, linked) in bindings.links() {
        if let (Some(base), Some(record)) = (names.find(base), linked_record(db, cell)) {
            let linked = names.add(linked, record);
            names.records[base].1.links.push((cell, linked));
        }
    }
    let assumed = found.run.assumed().iter().map(|need| (need, true));
    let mut under: Vec<(ItemId, Class, bool)> = Vec::new();
    for (need, needed) in assumed.chain(found.run.hoped().map(|need| (need, false))) {
        let (class, cell, what, is) = match *need {
            Need::There(of, Key { class: key, .. }, is) => {
                if !under.iter().any(|(known, at, _)| (*known, *at) == (of, key)) {
                    under.push((of, key, is));
                }
                continue;
            }
            Need::Holds(class, cell, value, is) => (class, cell, What::Value(value.clone()), is),
            Need::Has(class, cell, element, is) => (class, cell, What::Element(given(element, &names, &mut values, bindings)), is),
        };
        let at = names.add(bindings.now(class), cell.record);
        let held = Held { cell, what, is, needed };
        let known = &names.records[at].1.holds;
        if !known.iter().any(|known| (&known.what, known.cell) == (&held.what, held.cell)) {
            names.records[at].1.holds.push(held);
        }
    }
    let mut open = Vec::new();
    let mut asked = Vec::new();
    let mut constants: Vec<Box<str>> = Vec::new();
    for &(event, piece) in &found.order {
        for access in &stops[event].chain.pieces[piece].accesses {
            constants.extend(literals(access));
            if is_asked(access) && !asked.contains(&access.record) {
                asked.push(access.record);
            }
            let Some(cell) = access.cell else { continue };
            let class = match &access.target {
                Target::Unknown | Target::Fresh => continue,
                target => bindings.record(event, target),
            };
            let Some(record) = names.find(bindings.now(class)) else { continue };
            let element = match &access.grain {
                Grain::Element(Some(element)) => Some(given(bindings.value(event, element), &names, &mut values, bindings)),
                _ => None,
            };
            let one = Open { record, cell, element };
            if !open.contains(&one) {
                open.push(one);
            }
        }
    }
    constants.sort_unstable();
    constants.dedup();
    for index in 0..names.records.len() {
        let key = bindings.literal(names.records[index].0).map(Into::into);
        names.records[index].1.key = key;
    }
    for (of, key, _) in under.into_iter().filter(|(.., there)| *there) {
        let record = under_key(db, of, given(key, &names, &mut values, bindings), names.next());
        names.records.extend(record.map(|record| (key, record)));
    }
    let records = names.records.into_iter().map(|(_, record)| record).collect();
    let mut ordered: Vec<CellId> = near.ordered.iter().copied().collect();
    ordered.sort_unstable();
    Cycle { witness: Witness { records, events, order, ordered, open, asked, constants }, steps, observed, ways_out: Vec::new() }
}

/// Whether it looks which records of a type there are, or whether there is one under a key.
fn is_asked(access: &Access) -> bool {
    access.reads() && matches!(access.target, Target::Unknown | Target::Key(..))
}

/// The constants of an access: what it writes, under which key, and what is so when it happens.
fn literals(access: &Access) -> impl Iterator<Item = Box<str>> {
    let value = |value: &Value| match value {
        Value::Literal(text) => Some(text.clone()),
        _ => None,
    };
    let constant = |value: &Const| match value {
        Const::Literal(text) => Some(text.clone()),
        Const::Below(bound) | Const::AtLeast(bound) => Some(bound.to_string().into()),
        _ => None,
    };
    let said = access.facts.iter().filter_map(move |fact| match fact {
        Fact::Holds { value, .. } => constant(value),
        Fact::Has { element, .. } => value(element),
        Fact::There { key, .. } => value(key),
        Fact::Apart(..) => None,
    });
    let under = match &access.grain {
        Grain::Element(Some(key)) => value(key),
        _ => None,
    };
    said.chain(under).chain(access.value.as_ref().and_then(constant))
}

/// A record that nobody names and that is there under a key when the run starts.
fn under_key(db: &dyn Db, of: ItemId, key: Given, name: Box<str>) -> Option<Record> {
    let index = record_sig(db, of)?.cells.iter().position(|cell| cell.key)? as u32;
    let cell = CellId { record: of, index };
    let (links, holds) = match key {
        Given::Record(record) => (vec![(cell, record)], Vec::new()),
        Given::Literal(text) => (Vec::new(), vec![Held { cell, what: What::Value(Const::Literal(text)), is: true, needed: true }]),
        // It is under one that no event names.
        Given::Value(_) => return None,
    };
    Some(Record { of, name, key: None, links, holds })
}

/// What the words about a cycle name besides records: spaces, and parameters that are no records.
fn taken(db: &dyn Db, near: &Neighbourhood<'_>, stops: &[Stop<'_>]) -> Vec<Name> {
    let mut taken = Vec::new();
    for stop in stops {
        for place in [stop.entry, stop.exit] {
            if let Some(Home::Plain(space)) = record_sig(db, near.access(place).record).map(|sig| sig.home) {
                taken.push(item_name(db, space));
            }
        }
        if let BodyOwner::Handler(handler) | BodyOwner::Saga(handler) = stop.chain.root {
            let params = handler_sig(db, handler).map(|sig| &sig.params[..]).unwrap_or_default();
            taken.extend(params.iter().filter(|param| linked(&param.ty).is_none()).map(|param| param.name));
        }
    }
    taken
}

/// What a class of values stands for.
fn given(class: Class, names: &Names, values: &mut Vec<Class>, bindings: &Bindings<'_>) -> Given {
    let class = bindings.now(class);
    match (names.find(class), bindings.literal(class)) {
        (Some(record), _) => Given::Record(record),
        (None, Some(text)) => Given::Literal(text.into()),
        (None, None) => Given::Value(values.iter().position(|known| *known == class).unwrap_or_else(|| {
            values.push(class);
            values.len() - 1
        })),
    }
}

/// Records with the names that messages give them.
struct Names {
    records: Vec<(Class, Record)>,
    /// Names that mean something else in a message.
    taken: Vec<Name>,
}

impl Names {
    fn find(&self, class: Class) -> Option<usize> {
        self.records.iter().position(|(known, _)| *known == class)
    }

    /// The next name: `a`, `b`.
    fn next(&self) -> Box<str> {
        let letters = ('a'..='z').map(|letter| letter.to_string());
        let mut free = letters.filter(|letter| self.taken.iter().all(|taken| taken.as_str() != letter)).skip(self.records.len());
        free.next().unwrap_or_else(|| format!("r{}", self.records.len())).into()
    }

    fn add(&mut self, class: Class, of: ItemId) -> usize {
        self.find(class).unwrap_or_else(|| {
            let name = self.next();
            self.records.push((class, Record { of, name, key: None, links: Vec::new(), holds: Vec::new() }));
            self.records.len() - 1
        })
    }
}

/// The record type that a body is of.
pub(super) fn record_of(owner: BodyOwner) -> Option<ItemId> {
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
    cell_sig(db, cell).and_then(|sig| linked(&sig.ty))
}
