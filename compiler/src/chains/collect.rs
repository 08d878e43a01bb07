//! The pieces of a chain, from the effect tables.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::neighbours::{Touched, touched};
use super::rejection::{demanded, other_rejections, rejection, rejections, rejects_alone, values_of_others};
use super::{Access, Answers, Chain, Decides, Piece, Rejection, Way};
use crate::db::{Db, SourceFile};
use crate::effects::known::{Const, Fact, Known};
use crate::effects::within_reach::{Bodies, within_reach};
use crate::effects::{
    self, Argument, CallEffect, EffectSpace, Effects, Entry, FailureCause, FailureEffect, Frame, Grain, Layout, Made, SendRole, SendTarget,
    Site, Target, Told, Value, WriteKind,
};
use crate::facts;
use crate::hir::BodyOwner;
use crate::signature::{HandlerKind, Home, cell_sig, enum_sig, handler_sig, record_sig};
use crate::summary;
use crate::types::{CellId, HandlerId, ItemId, LocalId, Ty};

/// The chains that start in a file, and what they touch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileChains {
    all: Vec<Chain>,
    pub(super) touched: Vec<Touched>,
}

/// Pieces of a chain that goes round of which a second round is followed. In a longer one what a round does to the next is left out: most of it
/// shows among its own pieces.
const SHORT: usize = 8;

/// The chains that start in a file.
pub fn chains(db: &dyn Db, file: SourceFile) -> &[Chain] {
    &file_chains(db, file).all
}

#[salsa::tracked(returns(ref))]
pub(super) fn file_chains(db: &dyn Db, file: SourceFile) -> FileChains {
    let bodies = within_reach(db, file);
    let starting = bodies.of_file().filter(|owner| starts(db, bodies, *owner));
    let all: Vec<Chain> = starting.filter_map(|owner| chain(db, bodies, owner)).collect();
    FileChains { touched: touched(&all), all }
}

/// Whether a body runs for an event from outside, or for a timer.
fn starts(db: &dyn Db, bodies: Bodies<'_>, owner: BodyOwner) -> bool {
    match owner {
        BodyOwner::Handler(handler) => {
            handler_sig(db, handler).is_some_and(|sig| sig.kind == HandlerKind::Public) || timed(db).contains(&handler)
        }
        BodyOwner::Saga(_) | BodyOwner::Create(_) => true,
        // Reading such a cell from outside looks at several records at once.
        BodyOwner::Derived(_) => {
            let reads = &bodies.effects(owner).reads;
            let stored = |cell: Option<CellId>| cell.and_then(|cell| cell_sig(db, cell)).is_some_and(|sig| !sig.derived);
            let mut others = reads.iter().filter(|read| stored(read.cell) && read.target != Target::SelfRecord);
            others.next().is_some()
        }
        _ => false,
    }
}

/// The handlers that bodies of a file send to after some time.
pub(crate) fn timed_in(db: &dyn Db, file: SourceFile) -> Vec<HandlerId> {
    let sends = effects::file_effects(db, file).bodies.iter().flat_map(|body| body.own.pieces()).flat_map(|piece| &piece.sends);
    let mut timed: Vec<HandlerId> = sends
        .filter_map(|send| match send.to {
            SendTarget::Handler(handler) if send.delayed => Some(handler),
            _ => None,
        })
        .collect();
    timed.sort_unstable();
    timed.dedup();
    timed
}

#[salsa::tracked(returns(ref))]
fn timed(db: &dyn Db) -> FxHashSet<HandlerId> {
    summary::timed(db).flatten().copied().collect()
}

fn chain(db: &dyn Db, bodies: Bodies<'_>, root: BodyOwner) -> Option<Chain> {
    let effects = bodies.effects(root);
    if effects.recursive || (effects.reads.is_empty() && !effects.acts()) {
        return None;
    }
    let chain = followed(db, bodies, root, effects, 1);
    let goes_round = !chain.repeats.is_empty() && chain.pieces.len() <= SHORT;
    Some(if goes_round { followed(db, bodies, root, effects, 2) } else { chain })
}

/// The chain that starts with a body. One that sends to itself is followed through so many rounds: two stand for all.
fn followed(db: &dyn Db, bodies: Bodies<'_>, root: BodyOwner, effects: &Effects, rounds: usize) -> Chain {
    let mut collector = Collector {
        db,
        bodies,
        home: effects::home(db, root),
        chain: Chain {
            root,
            pieces: Vec::new(),
            apart: Vec::new(),
            single: false,
            repeats: Vec::new(),
            waits: false,
            defers: defers(root, effects),
            answers: answers(db, root, effects),
            incomplete: false,
        },
        around: vec![root],
        turns: 0,
        again: false,
        rounds,
    };
    let first = collector.piece(Opening {
        body: root,
        effects,
        parent: None,
        way: Way::Start,
        on: Target::SelfRecord,
        space: EffectSpace::Here,
        outcomes: Vec::new(),
        turn: 0,
        blind: true,
        seen: None,
        created: None,
        given: None,
    });
    collector.chain.single = is_single(db, bodies, &first);
    collector.chain.pieces.push(first);
    collector.go_on(0, root, effects, None);
    collector.keep_apart();
    collector.chain
}

/// Whether the event of a body comes out as what it sends does.
fn defers(root: BodyOwner, effects: &Effects) -> bool {
    matches!(root, BodyOwner::Saga(_)) || effects.sends.iter().any(|send| send.role == SendRole::Answer)
}

/// When the event of a body is answered with a value.
fn answers(db: &dyn Db, root: BodyOwner, effects: &Effects) -> Answers {
    let result = match root {
        BodyOwner::Handler(handler) => handler_sig(db, handler).is_some_and(|sig| sig.result != Ty::Unit),
        BodyOwner::Derived(_) => true,
        _ => false,
    };
    match result {
        false => Answers::Never,
        true if defers(root, effects) => Answers::Last,
        true => Answers::First,
    }
}

/// Whether the first piece shows that there is only ever one record of its type: the creation in a plain space that demands a constant under a
/// key, which it keeps, and none is deleted, so that another could take its place.
fn is_single(db: &dyn Db, bodies: Bodies<'_>, first: &Piece) -> bool {
    let record = match first.body {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler.record,
        BodyOwner::Create(record) => record,
        _ => return false,
    };
    let Some(sig) = record_sig(db, record).filter(|sig| matches!(sig.home, Home::Plain(_)) && sig.has_create) else { return false };
    let Some(body) = bodies.own(BodyOwner::Create(record)).filter(|_| !facts::is_deleted(db, record)) else { return false };
    let whole = body.layout.blocks(|kind| kind == effects::BlockKind::Body).next();
    body.layout.known.iter().any(|known| match &known.fact {
        Fact::Holds { target: Target::SelfRecord, cell, value: Const::Literal(_), is: true } => {
            let own = sig.cells.get(cell.index as usize);
            let kept = !facts::is_changed(db, *cell) && bodies.effects(body.owner).writes.iter().all(|write| write.cell != Some(*cell));
            Some(known.block) == whole && known.demanded && kept && own.is_some_and(|own| own.key || own.unique)
        }
        _ => false,
    })
}

pub(super) struct Collector<'db> {
    pub db: &'db dyn Db,
    pub bodies: Bodies<'db>,
    pub home: Option<ItemId>,
    pub chain: Chain,
    /// The bodies that are being followed.
    pub around: Vec<BodyOwner>,
    /// Numbers given so far.
    pub turns: u32,
    /// What is followed is another round of what is being followed already.
    pub again: bool,
    /// How often a body is followed that sends, by way of others, to itself.
    pub rounds: usize,
}

/// What a piece is made of.
pub(super) struct Opening<'e> {
    pub body: BodyOwner,
    pub effects: &'e Effects,
    pub parent: Option<usize>,
    pub way: Way,
    pub on: Target,
    pub space: EffectSpace,
    pub outcomes: Vec<(u32, bool)>,
    pub turn: u32,
    pub blind: bool,
    /// How its body looks from where the chain starts; `None` for the first.
    pub seen: Option<&'e CallEffect>,
    /// If it is a creation that was sent: which record of the type.
    pub created: Option<&'e Grain>,
    pub given: Option<Arc<[Value]>>,
}

impl Collector<'_> {
    /// The piece that commits.
    pub(super) fn piece(&mut self, opening: Opening<'_>) -> Piece {
        let Opening { body, effects, parent, way, on, space, outcomes, turn, blind, seen, created, given } = opening;
        self.chain.incomplete |= effects.incomplete || effects.recursive;
        let layout = self.bodies.own(body).map(|own| Arc::clone(&own.layout));
        let frame = seen.map(|call| Frame { call, home: self.home });
        let stored = |cell: Option<CellId>| cell.is_none_or(|cell| cell_sig(self.db, cell).is_some_and(|sig| !sig.derived));
        let facts = |site: Site| match &layout {
            Some(layout) if site.body == body => self.facts(layout, site, effects, frame.as_ref()),
            _ => Arc::default(),
        };
        let told =
            |site: Site| layout.as_ref().is_some_and(|layout| site.body == body && self.is_all_told(layout, site, effects, frame.as_ref()));
        let always = |site: Site| layout.as_ref().is_some_and(|layout| site.body == body && layout.is_unconditional(site));
        let by = |site: Site| layout.as_ref().and_then(|layout| self.decided_by(layout, site, body, effects, seen));
        let inside = |entry: &dyn Entry| is_sure_inside(self.bodies, entry, seen);
        let writes = effects.writes.iter().map(|write| {
            let written_by = self.bodies.own(write.site().body).map(|own| &own.layout);
            // Of several only the first is listed: what the last one writes is not known.
            let constant = written_by.filter(|_| !write.several).and_then(|layout| layout.written(write.site()).cloned());
            // Of another body the parameters are not known here.
            let own = written_by.filter(|_| !write.several && write.site().body == body);
            let made = own.and_then(|layout| layout.made(write.site())).and_then(|made| {
                let seen = |value: &Value| frame.as_ref().map_or_else(|| Some(value.clone()), |frame| frame.value(value));
                let of = made.of.iter().map(seen).collect::<Option<_>>()?;
                let target = |target: &Target| frame.as_ref().map_or_else(|| target.clone(), |frame| frame.target(target));
                // Of a cell that is derived, or that the piece itself changes, it is not told here what it holds; nor of which record, where that was
                // read.
                let told = |cell: CellId| {
                    stored(Some(cell)) && !effects.writes.iter().any(|other| other.cell == Some(cell) && other.site() != write.site())
                };
                let cells = made.cells.as_ref().filter(|cells| blind && cells.iter().all(|(_, cell)| told(*cell)));
                let cells = cells.map(|cells| cells.iter().map(|(of, cell)| (target(of), *cell)).collect());
                Some(Made { of, copy: made.copy, cells })
            });
            let value = constant.or_else(|| made.as_ref().and_then(|made| self.given_constant(made, write)));
            Access {
                record: write.record,
                cell: write.cell,
                target: write.target.clone(),
                space: write.space,
                grain: match write.kind {
                    WriteKind::Create => self.made_under(write.record, &write.grain),
                    _ => write.grain.clone(),
                },
                write: Some(write.kind),
                fixed: value.as_ref().is_some_and(|value| self.is_fixed(value)),
                value,
                blind: blind
                    && !write.several
                    && write.site().body == body
                    && written_by.is_some_and(|layout| layout.is_blind(write.site())),
                made,
                site: write.site(),
                always: always(own_site(write, seen)) && inside(write),
                facts: if write.several { Arc::default() } else { facts(own_site(write, seen)) },
                told: !write.several && inside(write) && told(own_site(write, seen)),
                decides: Decides::Nothing,
                by: if own_site(write, seen) == write.site() && !write.several { by(write.site()) } else { None },
            }
        });
        let writes: Vec<Access> = writes.collect();
        let created = self.created(body, &way, space, created, given.as_ref());
        let told = self.told_creations(writes.iter().chain(&created));
        let decides = |read: &effects::Read| {
            let Some(layout) = &layout else { return Decides::All };
            let site = own_site(read, seen);
            let mut failures = other_rejections(effects, &told);
            let by_read = |failure: &FailureEffect| {
                // What a callee demands may rest on all that it reads.
                let called = !failure.path[usize::from(seen.is_some())..].is_empty() && own_site(failure, seen) == site;
                // Nor is it told what an entry that is not there, or a value that is taken, rests on.
                called || !matches!(failure.cause, FailureCause::Require | FailureCause::Fail)
            };
            if failures.any(by_read) {
                return Decides::All;
            }
            let known = facts(site);
            let is_known = || {
                known.iter().any(|fact| match fact {
                    Fact::Holds { target, cell, .. } | Fact::Has { target, cell, .. } => Some(*cell) == read.cell && *target == read.target,
                    Fact::There { record, key, .. } => read.cell.is_none() && read.target == Target::Key(*record, key.clone()),
                    Fact::Apart(..) => false,
                })
            };
            let mut decides = if inside(read) { Decides::Nothing } else { Decides::Parts };
            for decision in layout.decided_by(site) {
                match decision.rejects {
                    true if !(decision.known >= Told::ButForTheEvent && is_known()) => return Decides::All,
                    true => {}
                    false => decides = Decides::Parts,
                }
            }
            // What a callee does may rest on what it reads.
            let callee = read.path.len() > usize::from(seen.is_some());
            if callee && decides == Decides::Nothing { Decides::Parts } else { decides }
        };
        let reads = effects.reads.iter().filter(|read| stored(read.cell)).map(|read| Access {
            record: read.record,
            cell: read.cell,
            target: read.target.clone(),
            space: read.space,
            grain: match (read.cell, &read.target) {
                (None, Target::Key(_, key)) => self.existence(read.record, Some(key)),
                _ => read.grain.clone(),
            },
            write: None,
            value: None,
            fixed: false,
            blind: false,
            made: None,
            site: read.site(),
            always: always(own_site(read, seen)) && inside(read),
            facts: if read.several { Arc::default() } else { facts(own_site(read, seen)) },
            told: false,
            decides: decides(read),
            by: None,
        });
        let reads: Vec<Access> = reads.collect();
        let mut accesses: Vec<Access> = reads.into_iter().chain(writes).chain(created).collect();
        let demanded = demanded(self.db, self.bodies, body, &way, &on, space, &accesses);
        let mut taken = values_of_others(self.db, &accesses);
        for look in &mut taken {
            if let Some((record, key)) = told.iter().find(|(record, key)| look.looks_under(*record, key)) {
                let free = Fact::There { record: *record, key: key.clone(), is: false };
                look.facts = look.facts.iter().cloned().chain([free]).collect();
                look.decides = Decides::Nothing;
            }
        }
        let all_told = demanded.is_empty() && taken.iter().all(|look| look.decides == Decides::Nothing);
        let rejection = match &layout {
            Some(layout) if all_told && self.tells_who_is_there(layout, frame.as_ref()) => rejection(layout, effects, seen, &told),
            // A creation of which nothing is written down.
            None if all_told && !told.is_empty() && rejections(effects).next().is_none() => Rejection::Told,
            _ => Rejection::Open,
        };
        let looks_alone = taken.is_empty() && demanded.iter().all(|access| access.cell.is_none());
        let alone = looks_alone && layout.as_ref().is_some_and(|layout| rejects_alone(layout, effects, seen));
        accesses.extend(demanded);
        accesses.extend(taken);
        let entries = effects.reads.iter().map(|read| read as &dyn Entry).chain(effects.writes.iter().map(|write| write as &dyn Entry));
        let again: Vec<Site> = entries.filter(|entry| self.happens_again(*entry, seen.is_some())).map(Entry::site).collect();
        let round = self.other_round();
        let other: Vec<Access> =
            accesses.iter().filter(|access| again.contains(&access.site)).filter_map(|access| round.other(access)).collect();
        accesses.extend(other);
        let rejects = rejections(effects).next().map(|failure| failure.site);
        for known in layout.iter().flat_map(|layout| &layout.known) {
            // An event that demands it and finds it otherwise does nothing.
            if known.block.0 == 0
                && known.demanded
                && way == Way::Start
                && let Fact::Apart(one, other) = &known.fact
            {
                let target = |target: &Target| frame.as_ref().map_or_else(|| target.clone(), |frame| frame.target(target));
                let (one, other) = (target(one), target(other));
                if is_named(&one) && is_named(&other) {
                    self.chain.apart.push((one, other));
                }
            }
        }
        Piece {
            body,
            turn,
            refused: false,
            rejection,
            alone,
            way,
            given,
            parent,
            on,
            space,
            outcomes,
            accesses,
            blind,
            again: self.again,
            makes: Vec::new(),
            rejects,
            conditions: Vec::new(),
        }
    }

    /// The reads of a piece by which it is decided whether it does something of its own text.
    pub(super) fn decided_by(
        &self,
        layout: &Layout,
        site: Site,
        body: BodyOwner,
        effects: &Effects,
        seen: Option<&CallEffect>,
    ) -> Option<Arc<[Site]>> {
        let rests = |read: &&effects::Read| {
            let at = own_site(*read, seen);
            at.body != body || layout.rests_on(site, at)
        };
        (site.body == body).then(|| effects.reads.iter().filter(rests).map(Entry::site).collect())
    }

    /// Whether constants tell all that a body demands of which records there are.
    fn tells_who_is_there(&self, layout: &Layout, frame: Option<&Frame<'_>>) -> bool {
        let seen = |fact: &Fact| frame.map_or_else(|| Some(fact.clone()), |frame| frame.fact(fact));
        let mut there = layout.known.iter().filter(|known| matches!(known.fact, Fact::There { .. }));
        there.all(|known| seen(&known.fact).is_some_and(|fact| self.is_told(&fact)))
    }

    /// The only thing that a piece demands of what it reads, if that is all that decides whether it is rejected.
    pub(super) fn only_demand(&self, piece: &Piece, effects: &Effects, seen: Option<&CallEffect>) -> Option<Fact> {
        let told = self.told_creations(piece.accesses.iter());
        let mut others = other_rejections(effects, &told);
        let site = match (others.next(), others.next(), &told[..]) {
            (Some(failure), None, []) => failure.site,
            (None, None, [(record, key)]) if piece.rejection == Rejection::Told => {
                return Some(Fact::There { record: *record, key: key.clone(), is: false });
            }
            _ => return None,
        };
        let layout = &self.bodies.own(piece.body)?.layout;
        let mut demanded = layout.demanded_at(site).filter(|known| !matches!(known.fact, Fact::Apart(..)));
        let (fact, None) = (&demanded.next()?.fact, demanded.next()) else { return None };
        let stored = |cell: CellId| cell_sig(self.db, cell).is_some_and(|sig| !sig.derived);
        let fact = match seen {
            Some(call) => Frame { call, home: self.home }.fact(fact)?,
            None => fact.clone(),
        };
        let is_stored = match &fact {
            Fact::Holds { cell, .. } | Fact::Has { cell, .. } => stored(*cell),
            Fact::There { .. } => self.is_told(&fact),
            Fact::Apart(..) => false,
        };
        (piece.rejection == Rejection::Told && is_stored).then_some(fact)
    }

    /// Whether an argument depends on the event that starts the chain alone.
    pub(super) fn is_blind(&self, arg: &Argument) -> bool {
        match arg {
            Argument::Record { target: Target::SelfRecord, .. } | Argument::Value(Value::SelfRecord | Value::Literal(_)) => true,
            Argument::Record { target: Target::Local(local), .. } | Argument::Value(Value::Local(local)) => self.is_param(*local),
            Argument::Record { .. } | Argument::Value(Value::Cell(_)) | Argument::Unknown => false,
        }
    }

    /// An argument that depends on the event that starts the chain alone.
    pub(super) fn given(&self, arg: &Argument) -> Option<Value> {
        let value = match arg {
            Argument::Record { target: Target::SelfRecord, .. } => Value::SelfRecord,
            Argument::Record { target: Target::Local(local), .. } => Value::Local(*local),
            Argument::Value(value) => value.clone(),
            Argument::Record { .. } | Argument::Unknown => return None,
        };
        self.is_blind(arg).then_some(value)
    }

    /// Whether a local is a parameter of the event that starts the chain.
    pub(super) fn is_param(&self, local: LocalId) -> bool {
        local.0 < self.params()
    }

    /// How many parameters the event has that starts the chain.
    pub(super) fn params(&self) -> u32 {
        match self.chain.root {
            BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => {
                handler_sig(self.db, handler).map_or(0, |sig| sig.params.len() as u32)
            }
            _ => 0,
        }
    }

    /// The constant that a write gives its cell, if it is what the body was sent.
    fn given_constant(&self, made: &Made, write: &effects::WriteEffect) -> Option<Const> {
        let ([Value::Literal(text)], WriteKind::Set, Grain::Whole) = (&made.of[..], write.kind, &write.grain) else { return None };
        let ty = &cell_sig(self.db, write.cell?)?.ty;
        let inner = if let Ty::Optional(inner) = ty { inner } else { ty };
        match inner {
            Ty::Bool if made.copy => Some(Const::Bool(&**text == "true")),
            Ty::Int | Ty::Text if made.copy => Some(Const::Literal(text.clone())),
            _ => None,
        }
    }

    /// Whether a constant is all of a value.
    fn is_fixed(&self, value: &Const) -> bool {
        match value {
            Const::Bool(_) | Const::Literal(_) | Const::Absent => true,
            Const::Variant(of, variant) => {
                let variants = enum_sig(self.db, *of).map(|sig| &sig.variants[..]).unwrap_or_default();
                variants.get(*variant as usize).is_some_and(|variant| variant.fields.is_empty())
            }
            Const::Present | Const::Below(_) | Const::AtLeast(_) => false,
        }
    }

    /// What is so at a site of a piece when its transaction starts.
    pub(super) fn facts(&self, layout: &Layout, site: Site, effects: &Effects, frame: Option<&Frame<'_>>) -> Arc<[Fact]> {
        let known = layout.known_at(site).filter(|known| self.is_of_the_start(known, layout, site, effects, frame));
        let mut facts = Vec::new();
        for known in known {
            let fact = match frame {
                Some(frame) => frame.fact(&known.fact),
                None => Some(known.fact.clone()),
            };
            facts.extend(fact.into_iter().flat_map(|fact| self.of_stored(fact)).filter(|fact| self.is_told(fact)));
        }
        facts.into()
    }

    /// Whether a site of a piece is reached whenever its facts are so.
    pub(super) fn is_all_told(&self, layout: &Layout, site: Site, effects: &Effects, frame: Option<&Frame<'_>>) -> bool {
        let stored = |fact: &Fact| match fact {
            Fact::Holds { cell, .. } | Fact::Has { cell, .. } => cell_sig(self.db, *cell).is_some_and(|sig| !sig.derived),
            Fact::There { .. } => true,
            Fact::Apart(..) => false,
        };
        let told = |known: &Known| {
            let seen = match frame {
                Some(frame) => frame.fact(&known.fact),
                None => Some(known.fact.clone()),
            };
            stored(&known.fact) && seen.is_some_and(|fact| self.is_told(&fact)) && self.is_of_the_start(known, layout, site, effects, frame)
        };
        layout.told_at(site).is_some_and(|mut known| known.all(told))
    }

    /// Whether what is known at a site of a piece was so when its transaction started: what the piece itself has changed before says nothing of that.
    fn is_of_the_start(&self, known: &Known, layout: &Layout, site: Site, effects: &Effects, frame: Option<&Frame<'_>>) -> bool {
        let changed = |cell: CellId, known: &Known| {
            let own = |write: &effects::WriteEffect| own_site(write, frame.map(|frame| frame.call));
            let before = |at: Site| at.body != site.body || layout.can_precede(at, known);
            effects.writes.iter().any(|write| write.cell == Some(cell) && before(own(write)))
        };
        let made = |record: ItemId, known: &Known| {
            let made = effects.writes.iter().filter(|write| write.cell.is_none() && write.record == record);
            made.into_iter().any(|write| layout.can_precede(own_site(write, frame.map(|frame| frame.call)), known))
        };
        match &known.fact {
            Fact::Holds { cell, .. } | Fact::Has { cell, .. } => !changed(*cell, known),
            Fact::There { record, .. } => !made(*record, known),
            Fact::Apart(..) => false,
        }
    }

    /// Whether constants tell what a fact is about all along the chain.
    fn is_told(&self, fact: &Fact) -> bool {
        match fact {
            Fact::There { record, key, .. } => self.told_there(*record, key).is_some(),
            Fact::Holds { .. } | Fact::Has { .. } | Fact::Apart(..) => true,
        }
    }

    /// What a fact about a derived cell says of stored ones.
    fn of_stored(&self, fact: Fact) -> Vec<Fact> {
        match &fact {
            Fact::Holds { target, cell, value: Const::Bool(value), is } if cell_sig(self.db, *cell).is_some_and(|sig| sig.derived) => {
                let owner = BodyOwner::Derived(*cell);
                let Some(own) = self.bodies.own(owner) else { return Vec::new() };
                let truth = if value == is { &own.layout.truth.0 } else { &own.layout.truth.1 };
                let site = Site { body: owner, index: 0 };
                let space = EffectSpace::Here;
                let call = CallEffect { callee: owner, target: target.clone(), space, args: Arc::default(), site, caught: false };
                let frame = Frame { call: &call, home: None };
                let stored = |fact: &Fact| match fact {
                    Fact::Holds { cell, .. } | Fact::Has { cell, .. } => cell_sig(self.db, *cell).is_some_and(|sig| !sig.derived),
                    Fact::There { .. } => true,
                    Fact::Apart(..) => false,
                };
                truth.iter().filter(|fact| stored(fact)).filter_map(|fact| frame.fact(fact)).collect()
            }
            _ => vec![fact],
        }
    }
}

/// Where an entry happens in the text of the piece itself: the effect, or the direct call that leads to it.
pub(super) fn own_site(entry: &dyn Entry, seen: Option<&CallEffect>) -> Site {
    // Seen from where the chain starts, the path begins with the send.
    let own = entry.path().get(usize::from(seen.is_some()));
    own.copied().unwrap_or(entry.site())
}

/// Whether an entry that comes through direct calls happens whenever the first of them does.
pub(super) fn is_sure_inside(bodies: Bodies<'_>, entry: &dyn Entry, seen: Option<&CallEffect>) -> bool {
    let calls = entry.path().get(usize::from(seen.is_some())..).unwrap_or_default();
    let last = (!calls.is_empty()).then(|| entry.site());
    let mut inner = calls.iter().skip(1).copied().chain(last);
    inner.all(|site| bodies.own(site.body).is_some_and(|own| own.layout.is_unconditional(site)))
}

pub(super) fn is_named(target: &Target) -> bool {
    !matches!(target, Target::Unknown | Target::Fresh)
}

impl Frame<'_> {
    /// A fact of the callee as the caller sees it; `None` if what it is about has no name there.
    pub(super) fn fact(&self, fact: &Fact) -> Option<Fact> {
        let named = |target: &Target| Some(self.target(target)).filter(is_named);
        Some(match fact {
            Fact::Holds { target, cell, value, is } => Fact::Holds { target: named(target)?, cell: *cell, value: value.clone(), is: *is },
            Fact::Has { target, cell, element, is } => {
                Fact::Has { target: named(target)?, cell: *cell, element: self.value(element)?, is: *is }
            }
            Fact::There { record, key, is } => Fact::There { record: *record, key: self.value(key)?, is: *is },
            Fact::Apart(one, other) => Fact::Apart(named(one)?, named(other)?),
        })
    }
}
