//! What each piece needs, looks at and changes, once it is known which records are the same.

use rustc_hash::FxHashSet;

use super::bindings::{Bindings, Class};
use super::replay::name;
use super::schedule::Stop;
use super::state::{Need, State};
use super::{Access, Chain, Condition, Decides, Piece, Rejection, Way};
use crate::effects::known::{Const, Fact};
use crate::effects::{Form, Grain, Site, Target, WriteKind};
use crate::types::{CellId, ItemId};

/// What an access is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Thing {
    /// `None`: some record of the type, or all of them.
    pub record: Option<Class>,
    pub of: ItemId,
    /// `None`: the existence of the record.
    pub cell: Option<CellId>,
    pub element: Option<Class>,
    /// What is known of the element, if it is a text.
    pub form: Form,
    /// The record is just being made: nobody else has it.
    pub fresh: bool,
}

pub(super) struct Change<'a> {
    pub access: &'a Access,
    pub thing: Thing,
    /// What is written is made of these, and of what was read.
    pub made: Option<Vec<Class>>,
    /// All of what was read that it is made of, if that is known.
    pub from: Option<Vec<Thing>>,
    /// It is an append, and somebody looks what comes first.
    pub ordered: bool,
    pub sure: bool,
    /// It happens whenever what it needs is so.
    pub told: bool,
    /// Its transaction can commit without it.
    pub chosen: bool,
    /// It does not happen unless these hold.
    pub when: Vec<Need<'a>>,
    /// What was read, where, that decides about it; `None`: all that decides about anything.
    pub by: Option<&'a [Site]>,
}

/// A piece of an event, in classes.
pub(super) struct Prepared<'a> {
    pub refused: bool,
    pub rejection: Rejection,
    /// What is left, beside what its arms do, if it is rejected: a name for the event that nobody has taken, or for whose answer it is.
    pub left: Option<u64>,
    /// Its parameters depend on the event alone.
    pub blind: bool,
    /// The records that it was sent from and to, where order between them is kept.
    pub sent: Option<(Class, Class)>,
    /// It is sent only where what its parent read says so.
    pub chosen: bool,
    /// What must have been so then, as far as constants say.
    pub when: Vec<Need<'a>>,
    /// It is sent whenever that is so.
    pub told: bool,
    /// What its parent read, where, that decided about it; `None`: all that did about anything.
    pub by: Option<&'a [Site]>,
    /// What decides whether it is rejected, beyond what it needs; and what else, with where, decides about what it does.
    pub decided: Vec<Thing>,
    /// What it needs whenever it ends so.
    pub demands: Vec<Thing>,
    pub parts: Vec<(Thing, Site)>,
    pub needs: Vec<Need<'a>>,
    /// It is one of two arms, and nothing here decides which: the outside does.
    pub outside: bool,
    /// It needs what contradicts itself.
    pub never: bool,
    /// A name for what, beside what is read, decides how it ends: no more than the record, or the event.
    pub decider: u64,
    /// With what must be so for it to be read.
    pub reads: Vec<(Thing, Vec<Need<'a>>)>,
    pub changes: Vec<Change<'a>>,
    /// The records that it makes, as others name them.
    pub makes: Vec<Class>,
    /// The record that it runs on.
    pub on: Option<Class>,
}

impl<'a> Prepared<'a> {
    /// As a cycle needs it: it goes on to the pieces that are on the cycle, and does there what the cycle goes through. `None` if it cannot.
    pub(super) fn new(
        stop: &Stop<'a>,
        on_cycle: &[usize],
        (event, index): (usize, usize),
        ordered: &FxHashSet<CellId>,
        bindings: &mut Bindings<'_>,
    ) -> Option<Self> {
        let used: Vec<usize> = [stop.entry, stop.exit].into_iter().filter(|place| place.piece == index).map(|place| place.access).collect();
        Self::doing(stop.chain, &used, on_cycle, (event, index), ordered, bindings)
    }

    /// As it is, whatever a cycle needs. `None` if it does all that there is anyway, or what it sends rests on more than that it commits.
    pub(super) fn freely(
        stop: &Stop<'a>,
        on_cycle: &[usize],
        (event, index): (usize, usize),
        ordered: &FxHashSet<CellId>,
        bindings: &mut Bindings<'_>,
    ) -> Option<Self> {
        let used =
            [stop.entry, stop.exit].iter().any(|place| place.piece == index && !stop.chain.pieces[index].accesses[place.access].always);
        let sends = stop.chain.pieces[index].conditions.iter().all(|condition| condition.always || condition.told);
        (used && sends && on_cycle.contains(&index)).then(|| Self::doing(stop.chain, &[], &[], (event, index), ordered, bindings))?
    }

    fn doing(
        chain: &'a Chain,
        used: &[usize],
        on_cycle: &[usize],
        (event, index): (usize, usize),
        ordered: &FxHashSet<CellId>,
        bindings: &mut Bindings<'_>,
    ) -> Option<Self> {
        let piece = &chain.pieces[index];
        let goes_on = |condition: &&Condition| on_cycle.contains(&index) && on_cycle.iter().any(|piece| condition.to.contains(piece));
        let next: Vec<_> = piece.conditions.iter().filter(goes_on).collect();
        if next.iter().any(|condition| condition.without.iter().any(|access| used.contains(access))) {
            return None;
        }
        let (mut needs, mut demands) = (Vec::new(), Vec::new());
        for condition in &next {
            needs.extend(condition.facts.iter().filter_map(|fact| Need::of(event, fact, bindings)));
        }
        for (position, access) in piece.accesses.iter().enumerate() {
            // What happens whenever the piece commits needs what it needs.
            if access.always || used.contains(&position) {
                let own = access.facts.iter().filter_map(|fact| Need::of(event, fact, bindings));
                let from = needs.len();
                needs.extend(own);
                demands.extend(needs[from..].iter().map(Need::thing).filter(|_| access.always));
            }
        }
        let mut unlike: Vec<Need<'a>> = Vec::with_capacity(needs.len());
        needs.into_iter().for_each(|need| {
            if !unlike.contains(&need) {
                unlike.push(need)
            }
        });
        let (mut reads, mut changes, mut decided, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (position, access) in piece.accesses.iter().enumerate() {
            if next.iter().any(|condition| condition.without.contains(&position)) {
                continue;
            }
            let thing = thing(event, access, ordered, bindings);
            if access.reads() {
                match access.decides {
                    Decides::Nothing => {}
                    Decides::All => decided.push(thing),
                    Decides::Parts => parts.push((thing, access.site)),
                }
                let mut known = access.facts.iter().chain(next.iter().flat_map(|condition| condition.facts.iter()));
                // Of what is needed, and is known whole by that, no more is seen.
                if !(piece.refused || chain.writes() && known.any(|fact| tells_all(fact, access))) {
                    let when = access.facts.iter().filter_map(|fact| Need::of(event, fact, bindings)).collect();
                    reads.push((thing, when));
                }
                continue;
            }
            let sure = access.always || used.contains(&position) || next.iter().any(|condition| condition.with.contains(&position));
            let when: Vec<Need<'a>> = access.facts.iter().filter_map(|fact| Need::of(event, fact, bindings)).collect();
            if !sure && contradicts(unlike.iter().chain(&when)) {
                continue;
            }
            let made = access.made.as_ref().map(|made| made.of.iter().map(|value| bindings.value(event, value)).collect());
            let from = access.made.as_ref().and_then(|made| made.cells.as_ref()).and_then(|cells| {
                let thing = |(target, cell): &(Target, CellId)| {
                    let record = (*target != Target::Unknown).then(|| bindings.record(event, target))?;
                    Some(Thing {
                        record: Some(record),
                        of: cell.record,
                        cell: Some(*cell),
                        element: None,
                        form: Form::default(),
                        fresh: false,
                    })
                };
                cells.iter().map(thing).collect()
            });
            let ordered = is_ordered(access, ordered);
            let (told, chosen, by) = (access.told, !access.always, access.by.as_deref());
            changes.push(Change { access, thing, made, from, ordered, sure, told, chosen, when, by });
        }
        let sent = match &piece.way {
            Way::Sent { from, ordered: true, .. } if *from != Target::Unknown && piece.on != Target::Unknown => {
                Some((bindings.record(event, from), bindings.record(event, &piece.on)))
            }
            _ => None,
        };
        let condition = piece.parent.and_then(|parent| condition_for(chain, parent, index));
        let chosen = piece.parent.is_some() && condition.is_none_or(|condition| !condition.always);
        let when =
            condition.iter().flat_map(|condition| condition.facts.iter()).filter_map(|fact| Need::of(event, fact, bindings)).collect();
        let by = condition.and_then(|condition| condition.by.as_deref());
        let told = condition.is_some_and(|condition| condition.told);
        let (refused, rejection, blind) = (piece.refused, piece.rejection, piece.blind);
        let never = contradicts(unlike.iter());
        let decider = match &piece.way {
            Way::Start | Way::Sent { .. } if piece.alone && !matches!(piece.on, Target::Unknown | Target::Fresh) => {
                name(&(piece.body, refused, bindings.record(event, &piece.on)))
            }
            _ => name(&(event, index)),
        };
        let other_arm = |other: &Piece| match (&piece.way, &other.way) {
            (Way::Arm { ok, .. }, Way::Arm { ok: not, .. }) => ok != not && (other.parent, other.turn) == (piece.parent, piece.turn),
            _ => false,
        };
        let outside = chain.pieces.iter().any(other_arm);
        let left = left(chain, (event, index), bindings);
        let makes = piece.makes.iter().map(|made| bindings.record(event, made)).collect();
        let on = (!matches!(piece.on, Target::Unknown | Target::Fresh)).then(|| bindings.record(event, &piece.on));
        Some(Prepared {
            refused,
            rejection,
            left,
            blind,
            sent,
            chosen,
            when,
            told,
            by,
            decided,
            demands,
            parts,
            needs: unlike,
            outside,
            never,
            decider,
            reads,
            changes,
            makes,
            on,
        })
    }

    /// Whether it makes a difference which of two pieces of different events comes first.
    pub(super) fn meets(&self, other: &Prepared<'_>) -> bool {
        let looks = |looker: &Prepared<'_>, writer: &Prepared<'_>| {
            writer.changes.iter().any(|change| looker.looks_at().any(|thing| thing.shows(&change.thing)))
        };
        let writes = || {
            let pairs = self.changes.iter().flat_map(|one| other.changes.iter().map(move |other| (one, other)));
            pairs.into_iter().any(|(one, other)| one.thing.overlaps(&other.thing) && !one.commutes(other))
        };
        (self.sent.is_some() && self.sent == other.sent) || looks(self, other) || looks(other, self) || writes()
    }

    /// Whether it names a record, which then is there.
    pub(super) fn names(&self, record: Class) -> bool {
        let things = self.changes.iter().map(|change| change.thing).chain(self.looks_at());
        self.on == Some(record) || things.into_iter().any(|thing| thing.record == Some(record))
    }

    fn looks_at(&self) -> impl Iterator<Item = Thing> {
        let when = self.changes.iter().flat_map(|change| &change.when);
        let needs = self.needs.iter().chain(&self.when).chain(when).map(Need::thing);
        self.reads
            .iter()
            .map(|(thing, _)| thing)
            .chain(&self.decided)
            .copied()
            .chain(self.parts.iter().map(|(thing, _)| *thing))
            .chain(needs)
    }
}

/// See [`Prepared::left`]. Who has sent it twice cannot tell which of two that are alike has not been taken.
fn left(chain: &Chain, (event, index): (usize, usize), bindings: &mut Bindings<'_>) -> Option<u64> {
    let piece = &chain.pieces[index];
    let taken = |other: &Piece| other.parent == Some(index) && matches!(other.way, Way::Arm { ok: false, .. });
    match (&piece.way, &piece.given) {
        (Way::Sent { .. }, _) if !chain.defers && chain.pieces.iter().any(taken) => None,
        (Way::Sent { at, from, .. }, Some(given)) if !chain.defers && *from != Target::Unknown => {
            // Without arms it makes no difference where it was sent.
            let has_arms = chain.pieces.iter().any(|other| matches!(other.way, Way::Arm { of, .. } if of == *at));
            let what = (piece.body, has_arms.then_some(*at));
            let from = bindings.record(event, from);
            let to = (!matches!(piece.on, Target::Unknown | Target::Fresh)).then(|| bindings.record(event, &piece.on));
            let given: Vec<Class> = given.iter().map(|value| bindings.value(event, value)).collect();
            (to.is_some() || piece.on == Target::Fresh).then(|| name(&(what, from, to, given))).or_else(|| Some(name(&(event, index))))
        }
        _ => Some(name(&(event, index))),
    }
}

/// What a piece says of the runs in which it sends what another is.
fn condition_for(chain: &Chain, parent: usize, piece: usize) -> Option<&Condition> {
    chain.pieces[parent].conditions.iter().find(|condition| condition.to.contains(&piece))
}

fn is_ordered(access: &Access, ordered: &FxHashSet<CellId>) -> bool {
    access.write == Some(WriteKind::Append) && access.cell.is_some_and(|cell| ordered.contains(&cell))
}

fn thing(event: usize, access: &Access, ordered: &FxHashSet<CellId>, bindings: &mut Bindings<'_>) -> Thing {
    // Who looks whether there is one under a key knows it by that.
    let by_key = access.reads() && access.cell.is_none() && matches!(access.grain, Grain::Element(Some(_)));
    let named = !by_key && !matches!(access.target, Target::Unknown | Target::Fresh);
    let record = named.then(|| bindings.record(event, &access.target));
    let element = match &access.grain {
        Grain::Element(Some(element)) if !is_ordered(access, ordered) => Some(bindings.value(event, element)),
        _ => None,
    };
    Thing { record, of: access.record, cell: access.cell, element, form: access.form(), fresh: access.target == Target::Fresh }
}

/// Whether a fact is about what is read, and leaves nothing of it open.
fn tells_all(fact: &Fact, access: &Access) -> bool {
    match fact {
        Fact::Holds { target, cell, value, is } => {
            let whole = match value {
                Const::Bool(_) => true,
                Const::Literal(_) | Const::Absent => *is,
                // It may have fields, or be one of many numbers.
                Const::Variant(..) | Const::Present | Const::Below(_) | Const::AtLeast(_) => false,
            };
            whole && Some(*cell) == access.cell && *target == access.target
        }
        Fact::Has { target, cell, element, .. } => {
            let one = matches!(&access.grain, Grain::Element(Some(of)) if of == element);
            one && Some(*cell) == access.cell && *target == access.target
        }
        Fact::There { record, key, .. } => access.looks_under(*record, key),
        Fact::Apart(..) => false,
    }
}

/// Whether needs cannot all be met at once.
fn contradicts<'n, 'a: 'n>(needs: impl Iterator<Item = &'n Need<'a>>) -> bool {
    let mut state = State::default();
    for need in needs {
        if !state.allows(need) {
            return true;
        }
        state.learn(need);
    }
    false
}

impl Thing {
    /// Whether who looks at this can see that the other is written: which cells a record has says nothing of whether it is there.
    pub(super) fn shows(&self, written: &Thing) -> bool {
        self.overlaps(written) && (self.cell.is_some() || written.cell.is_none())
    }

    /// Whether both can be about the same.
    pub(super) fn overlaps(&self, other: &Thing) -> bool {
        let may_be = |one: Option<Class>, other: Option<Class>| one.is_none() || other.is_none() || one == other;
        if !self.form.may_be(other.form) {
            return false;
        }
        if self.fresh || other.fresh {
            // Only who looks which there are, or whether there is one under its key, sees one that is made.
            return self.of == other.of && self.cell.is_none() && other.cell.is_none() && may_be(self.element, other.element);
        }
        let cell = self.cell == other.cell || self.cell.is_none() || other.cell.is_none();
        self.of == other.of && cell && may_be(self.record, other.record) && may_be(self.element, other.element)
    }
}

impl Change<'_> {
    /// Whether both orders leave the same.
    fn commutes(&self, other: &Change<'_>) -> bool {
        use WriteKind::{Add, Append, Create, Insert, Set};
        match (self.access.write, other.access.write) {
            (Some(Append), Some(Append)) => !self.ordered,
            (Some(Add), Some(Add)) | (Some(Insert), Some(Insert)) | (Some(Create), Some(Create)) => true,
            (Some(Set), Some(Set)) => {
                let whole = self.thing.element.is_none() && other.thing.element.is_none();
                whole && self.access.fixed && other.access.fixed && self.access.value == other.access.value
            }
            _ => false,
        }
    }
}
