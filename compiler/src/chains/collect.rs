//! The pieces of a chain, from the effect tables.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Access, Chain, Condition, Decides, Piece, Repeat, Way};
use crate::db::{Db, Project, SourceFile};
use crate::effects::known::{Const, Fact, Known};
use crate::effects::{
    self, Argument, CallEffect, EffectSpace, Effects, Entry, FailureCause, Frame, Layout, SendEffect, SendRole, SendTarget, Site, Target,
    Value,
};
use crate::hir::BodyOwner;
use crate::rules::reach::receiver;
use crate::signature::{HandlerKind, Home, cell_sig, enum_sig, handler_sig, record_sig};
use crate::types::{CellId, HandlerId, LocalId};

/// Pieces that a chain is followed through.
const LONGEST_CHAIN: usize = 32;

/// The chains that start in a file.
#[salsa::tracked(returns(ref))]
pub fn chains(db: &dyn Db, file: SourceFile) -> Vec<Chain> {
    let bodies = &effects::file_effects(db, file).bodies;
    bodies.iter().filter(|body| starts(db, body.owner)).filter_map(|body| chain(db, body.owner)).collect()
}

/// Whether a body runs for an event from outside, or for a timer.
fn starts(db: &dyn Db, owner: BodyOwner) -> bool {
    match owner {
        BodyOwner::Handler(handler) => {
            handler_sig(db, handler).is_some_and(|sig| sig.kind == HandlerKind::Public) || timed(db).contains(&handler)
        }
        BodyOwner::Saga(_) | BodyOwner::Create(_) => true,
        // Reading such a cell from outside looks at several records at once.
        BodyOwner::Derived(_) => {
            let reads = &effects::effects(db, owner).reads;
            let stored = |cell: Option<CellId>| cell.and_then(|cell| cell_sig(db, cell)).is_some_and(|sig| !sig.derived);
            let mut others = reads.iter().filter(|read| stored(read.cell) && read.target != Target::SelfRecord);
            others.next().is_some()
        }
        _ => false,
    }
}

/// The handlers that bodies of a file send to after some time.
#[salsa::tracked(returns(ref))]
fn timed_in(db: &dyn Db, file: SourceFile) -> Vec<HandlerId> {
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
    let files = Project::try_get(db).map(|project| project.files(db).as_slice()).unwrap_or_default();
    files.iter().flat_map(|&file| timed_in(db, file)).copied().collect()
}

fn chain(db: &dyn Db, root: BodyOwner) -> Option<Chain> {
    let effects = effects::effects(db, root);
    if effects.recursive || (effects.reads.is_empty() && !effects.acts()) {
        return None;
    }
    let mut collector = Collector {
        db,
        home: effects::home(db, root),
        chain: Chain { root, pieces: Vec::new(), apart: Vec::new(), single: false, repeats: Vec::new(), incomplete: false },
        around: vec![root],
        sends: 0,
    };
    let first = collector.piece(root, effects, None, Way::Start, Target::SelfRecord, EffectSpace::Here, Vec::new(), None);
    collector.chain.single = is_single(db, &collector.chain.pieces[first]);
    collector.go_on(first, root, effects, None);
    Some(collector.chain)
}

/// Whether the first piece shows that there is only one record of its type: the creation in a plain space that demands a constant under a key.
fn is_single(db: &dyn Db, first: &Piece) -> bool {
    let record = match first.body {
        BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler.record,
        BodyOwner::Create(record) => record,
        _ => return false,
    };
    let Some(sig) = record_sig(db, record).filter(|sig| matches!(sig.home, Home::Plain(_)) && sig.has_create) else { return false };
    let Some(body) = effects::body(db, BodyOwner::Create(record)) else { return false };
    let whole = body.layout.blocks(|kind| kind == effects::BlockKind::Body).next();
    body.layout.known.iter().any(|known| match &known.fact {
        Fact::Holds { target: Target::SelfRecord, cell, value: Const::Literal(_), is: true } => {
            let cell = sig.cells.get(cell.index as usize);
            Some(known.block) == whole && cell.is_some_and(|cell| cell.key || cell.unique)
        }
        _ => false,
    })
}

struct Collector<'db> {
    db: &'db dyn Db,
    home: Option<crate::types::ItemId>,
    chain: Chain,
    /// The bodies that are being followed.
    around: Vec<BodyOwner>,
    sends: u32,
}

/// How what was sent is answered: the piece after which the arms run, and the outcomes on the way there.
struct Answered {
    after: usize,
    /// Its own commit says that all went well.
    settles: bool,
}

impl Collector<'_> {
    /// Adds a piece. `seen` is how its body looks from where the chain starts; `None` for the first.
    #[expect(clippy::too_many_arguments, reason = "the parts of a piece")]
    fn piece(
        &mut self,
        body: BodyOwner,
        effects: &Effects,
        parent: Option<usize>,
        way: Way,
        on: Target,
        space: EffectSpace,
        outcomes: Vec<(u32, bool)>,
        seen: Option<&CallEffect>,
    ) -> usize {
        self.chain.incomplete |= effects.incomplete || effects.recursive;
        let layout = effects::body(self.db, body).map(|own| Arc::clone(&own.layout));
        let frame = seen.map(|call| Frame { call, home: self.home });
        let stored = |cell: Option<CellId>| cell.is_none_or(|cell| cell_sig(self.db, cell).is_some_and(|sig| !sig.derived));
        let facts = |site: Site| match &layout {
            Some(layout) if site.body == body => self.facts(layout, site, effects, frame.as_ref()),
            _ => Arc::default(),
        };
        let blind = match (&way, parent) {
            (Way::Start, _) | (_, None) => true,
            (Way::Arm { .. }, Some(parent)) => self.chain.pieces[parent].blind,
            (Way::Sent { .. } | Way::Undo { .. }, Some(parent)) => {
                self.chain.pieces[parent].blind && seen.is_some_and(|call| call.args.iter().all(|arg| self.is_blind(arg)))
            }
        };
        let always = |site: Site| layout.as_ref().is_some_and(|layout| site.body == body && layout.is_unconditional(site));
        let inside = |entry: &dyn Entry| is_sure_inside(self.db, entry, seen);
        let decides = |read: &effects::Read| {
            let Some(layout) = &layout else { return Decides::All };
            let site = own_site(read, seen);
            // What a callee demands may rest on all that it reads.
            let mut failures = effects.failures.iter().filter(|failure| !failure.caught && failure.cause != FailureCause::Overflow);
            if failures.any(|failure| !failure.path[usize::from(seen.is_some())..].is_empty() && own_site(failure, seen) == site) {
                return Decides::All;
            }
            let known = facts(site);
            let is_known = || {
                known.iter().any(|fact| match fact {
                    Fact::Holds { target, cell, .. } | Fact::Has { target, cell, .. } => Some(*cell) == read.cell && *target == read.target,
                    Fact::Apart(..) => false,
                })
            };
            let mut decides = if inside(read) { Decides::Nothing } else { Decides::Parts };
            for decision in layout.decided_by(site) {
                match decision.rejects {
                    true if !(decision.known && is_known()) => return Decides::All,
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
            grain: read.grain.clone(),
            write: None,
            value: None,
            fixed: false,
            blind: false,
            site: read.site(),
            always: always(own_site(read, seen)) && inside(read),
            facts: if read.several { Arc::default() } else { facts(own_site(read, seen)) },
            decides: decides(read),
        });
        let writes = effects.writes.iter().map(|write| {
            let written_by = effects::body(self.db, write.site().body).map(|own| &own.layout);
            // Of several only the first is listed: what the last one writes is not known.
            let value = written_by.filter(|_| !write.several).and_then(|layout| layout.written(write.site()).cloned());
            Access {
                record: write.record,
                cell: write.cell,
                target: write.target.clone(),
                space: write.space,
                grain: write.grain.clone(),
                write: Some(write.kind),
                fixed: value.as_ref().is_some_and(|value| self.is_fixed(value)),
                value,
                blind: blind
                    && !write.several
                    && write.site().body == body
                    && written_by.is_some_and(|layout| layout.is_blind(write.site())),
                site: write.site(),
                always: always(own_site(write, seen)) && inside(write),
                facts: if write.several { Arc::default() } else { facts(own_site(write, seen)) },
                decides: Decides::Nothing,
            }
        });
        let accesses: Vec<Access> = reads.chain(writes).collect();
        let rejects = effects.failures.iter().find(|failure| !failure.caught && failure.cause != FailureCause::Overflow);
        let rejects = rejects.map(|failure| failure.site);
        for known in layout.iter().flat_map(|layout| &layout.known) {
            // What is known in the whole body.
            if known.block.0 == 0
                && !matches!(way, Way::Arm { .. })
                && let Fact::Apart(one, other) = &known.fact
            {
                let target = |target: &Target| frame.as_ref().map_or_else(|| target.clone(), |frame| frame.target(target));
                let (one, other) = (target(one), target(other));
                if is_named(&one) && is_named(&other) {
                    self.chain.apart.push((one, other));
                }
            }
        }
        self.chain.pieces.push(Piece { body, way, parent, on, space, outcomes, accesses, blind, rejects, conditions: Vec::new() });
        self.chain.pieces.len() - 1
    }

    /// Whether an argument depends on the event that starts the chain alone.
    fn is_blind(&self, arg: &Argument) -> bool {
        let params = match self.chain.root {
            BodyOwner::Handler(handler) | BodyOwner::Saga(handler) => handler_sig(self.db, handler).map_or(0, |sig| sig.params.len()),
            _ => 0,
        };
        let param = |local: LocalId| (local.0 as usize) < params;
        match arg {
            Argument::Record { target: Target::SelfRecord, .. } | Argument::Value(Value::SelfRecord | Value::Literal(_)) => true,
            Argument::Record { target: Target::Local(local), .. } | Argument::Value(Value::Local(local)) => param(*local),
            Argument::Record { .. } | Argument::Value(Value::Cell(_)) | Argument::Unknown => false,
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
            Const::Present => false,
        }
    }

    /// What is so at a site of a piece when its transaction starts.
    fn facts(&self, layout: &Layout, site: Site, effects: &Effects, frame: Option<&Frame<'_>>) -> Arc<[Fact]> {
        // What the piece itself has changed before says nothing of the start.
        let changed = |cell: CellId, known: &Known| {
            effects.writes.iter().any(|write| write.cell == Some(cell) && write.site().body == site.body && write.site().index < known.from)
        };
        let known = layout.known_at(site).filter(|known| match &known.fact {
            Fact::Holds { cell, .. } | Fact::Has { cell, .. } => !changed(*cell, known),
            Fact::Apart(..) => false,
        });
        let mut facts = Vec::new();
        for known in known {
            let fact = match frame {
                Some(frame) => frame.fact(&known.fact),
                None => Some(known.fact.clone()),
            };
            facts.extend(fact.into_iter().flat_map(|fact| self.of_stored(fact)));
        }
        facts.into()
    }

    /// What a fact about a derived cell says of stored ones.
    fn of_stored(&self, fact: Fact) -> Vec<Fact> {
        match &fact {
            Fact::Holds { target, cell, value: Const::Bool(value), is } if cell_sig(self.db, *cell).is_some_and(|sig| sig.derived) => {
                let owner = BodyOwner::Derived(*cell);
                let Some(own) = effects::body(self.db, owner) else { return Vec::new() };
                let truth = if value == is { &own.layout.truth.0 } else { &own.layout.truth.1 };
                let site = Site { body: owner, index: 0 };
                let space = EffectSpace::Here;
                let call = CallEffect { callee: owner, target: target.clone(), space, args: Arc::default(), site, caught: false };
                let frame = Frame { call: &call, home: None };
                let stored = |fact: &Fact| match fact {
                    Fact::Holds { cell, .. } | Fact::Has { cell, .. } => cell_sig(self.db, *cell).is_some_and(|sig| !sig.derived),
                    Fact::Apart(..) => false,
                };
                truth.iter().filter(|fact| stored(fact)).filter_map(|fact| frame.fact(fact)).collect()
            }
            _ => vec![fact],
        }
    }

    /// Follows the sends of a piece. Gives the piece after which its own event is answered, where that is not the piece itself.
    fn go_on(&mut self, piece: usize, body: BodyOwner, effects: &Effects, seen: Option<&CallEffect>) -> Option<Answered> {
        if matches!(body, BodyOwner::Saga(_)) && matches!(self.chain.pieces[piece].way, Way::Start | Way::Sent { .. }) {
            return Some(self.steps(piece, effects, seen));
        }
        let mut answered = None;
        for send in effects.sends.iter().filter(|send| !send.delayed) {
            let first = self.chain.pieces.len();
            let rounds = self.chain.repeats.len();
            let after = self.send(piece, send, body, seen);
            let repeats = self.chain.repeats[rounds..].iter().any(|repeat| repeat.piece == piece);
            if first < self.chain.pieces.len() || repeats {
                let to = first..self.chain.pieces.len();
                self.conditions(piece, to, send, effects, body, seen);
                let condition = self.chain.pieces[piece].conditions.len().checked_sub(1);
                self.chain.repeats[rounds..]
                    .iter_mut()
                    .filter(|repeat| repeat.piece == piece)
                    .for_each(|repeat| repeat.condition = condition);
            }
            if send.role == SendRole::Answer {
                answered = answered.or(after);
            }
        }
        answered
    }

    /// What is so, and what happens as well, when a piece goes on to another by a send.
    fn conditions(
        &mut self,
        piece: usize,
        to: Range<usize>,
        send: &SendEffect,
        effects: &Effects,
        body: BodyOwner,
        seen: Option<&CallEffect>,
    ) {
        let site = own_site(send, seen);
        let Some(layout) = effects::body(self.db, body).map(|own| Arc::clone(&own.layout)).filter(|_| site.body == body) else { return };
        let frame = seen.map(|call| Frame { call, home: self.home });
        let facts = self.facts(&layout, site, effects, frame.as_ref());
        let stored = |read: &&effects::Read| read.cell.is_none_or(|cell| cell_sig(self.db, cell).is_some_and(|sig| !sig.derived));
        let reads = effects.reads.iter().filter(stored).map(|read| read as &dyn Entry);
        let entries: Vec<&dyn Entry> = reads.chain(effects.writes.iter().map(|write| write as &dyn Entry)).collect();
        let of = |judge: &dyn Fn(&dyn Entry, Site) -> bool| {
            let own = entries.iter().map(|entry| (*entry, own_site(*entry, seen))).enumerate();
            own.filter(|(_, (entry, at))| at.body == body && judge(*entry, *at)).map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let with = of(&|entry, at| layout.happens_with(at, site) && is_sure_inside(self.db, entry, seen));
        let without = of(&|_, at| layout.excludes(at, site));
        let always = layout.is_unconditional(site) && is_sure_inside(self.db, send, seen);
        self.chain.pieces[piece].conditions.push(Condition { to, facts, always, with, without });
    }

    fn send(&mut self, piece: usize, send: &SendEffect, body: BodyOwner, seen: Option<&CallEffect>) -> Option<Answered> {
        self.sends += 1;
        let number = self.sends;
        let outcomes = self.chain.pieces[piece].outcomes.clone();
        let answered = self.receive(piece, send, number, seen)?;
        let mut last = Answered { after: answered.after, settles: false };
        for (ok, arm) in [(true, &send.ok), (false, &send.err)] {
            let Some(arm) = arm else { continue };
            if self.is_full() {
                return None;
            }
            let mut outcomes = outcomes.clone();
            outcomes.push((number, ok));
            // A rejection leaves nothing of the receiver.
            let after = if ok || !answered.settles { answered.after } else { piece };
            if ok && answered.after != piece {
                outcomes.extend(
                    self.chain.pieces[answered.after].outcomes.iter().filter(|outcome| outcome.0 != number).copied().collect::<Vec<_>>(),
                );
            }
            let (on, space) = (self.chain.pieces[piece].on.clone(), self.chain.pieces[piece].space);
            let added = self.piece(
                body,
                arm,
                Some(after),
                Way::Arm { of: send.site, ok, answer: send.role == SendRole::Answer },
                on,
                space,
                outcomes,
                seen,
            );
            let deferred = self.go_on(added, body, arm, seen);
            if ok {
                last = deferred.unwrap_or(Answered { after: added, settles: false });
            }
        }
        Some(last)
    }

    /// The piece of the receiver, and what it leads to.
    fn receive(&mut self, piece: usize, send: &SendEffect, number: u32, seen: Option<&CallEffect>) -> Option<Answered> {
        let Some(callee) = receiver(self.db, send) else {
            // The outside: time passes, and nothing here changes.
            self.chain.incomplete |= send.to == SendTarget::Unknown;
            return Some(Answered { after: piece, settles: false });
        };
        if self.is_full() {
            return None;
        }
        if self.around.contains(&callee) {
            self.chain.repeats.push(Repeat { piece, condition: None, on: send.target.clone() });
            return Some(Answered { after: piece, settles: false });
        }
        let call =
            CallEffect { callee, target: send.target.clone(), space: send.space, args: send.args.clone(), site: send.site, caught: false };
        let effects = Frame { call: &call, home: self.home }.each(effects::effects(self.db, callee));
        let from = self.chain.pieces[piece].on.clone();
        let way = match send.role {
            SendRole::Undo => Way::Undo { at: send.site },
            _ => Way::Sent {
                at: send.site,
                from,
                ordered: !matches!(send.role, SendRole::Step { .. }) && own_site(send, seen) == send.site,
                answer: send.role == SendRole::Answer,
            },
        };
        let outcomes = self.chain.pieces[piece].outcomes.clone();
        let defers = effects.sends.iter().any(|send| send.role == SendRole::Answer);
        let settles = !defers && !matches!(callee, BodyOwner::Saga(_));
        let own = if settles { [&outcomes[..], &[(number, true)]].concat() } else { outcomes };
        let added = self.piece(callee, &effects, Some(piece), way, send.target.clone(), send.space, own, Some(&call));
        self.around.push(callee);
        let answered = self.go_on(added, callee, &effects, Some(&call));
        self.around.pop();
        Some(answered.unwrap_or(Answered { after: added, settles }))
    }

    /// The steps of a saga, one after the other, and what undoes them.
    fn steps(&mut self, first: usize, effects: &Effects, seen: Option<&CallEffect>) -> Answered {
        self.sends += 1;
        let saga = self.sends;
        let mut last = first;
        let mut done = self.chain.pieces[first].outcomes.clone();
        let explicit = effects.sends.iter().any(|send| send.role == SendRole::Step { pivot: true });
        let steps = effects.sends.iter().filter(|send| matches!(send.role, SendRole::Step { .. })).count();
        let mut count = 0;
        for send in &effects.sends {
            self.sends += 1;
            let number = self.sends;
            match send.role {
                SendRole::Step { pivot } => {
                    count += 1;
                    // What follows the pivot happens only where nothing is undone any more.
                    if pivot || (!explicit && count == steps) {
                        done.push((saga, true));
                    }
                    let before = self.chain.pieces.len();
                    let Some(answered) = self.receive(last, send, number, seen) else { return Answered { after: last, settles: false } };
                    for piece in &mut self.chain.pieces[before..] {
                        piece.outcomes.extend(done.iter().filter(|outcome| outcome.0 == saga));
                    }
                    last = answered.after;
                }
                SendRole::Undo => {
                    let before = self.chain.pieces.len();
                    if self.receive(last, send, number, seen).is_none() {
                        return Answered { after: last, settles: false };
                    }
                    for piece in &mut self.chain.pieces[before..] {
                        piece.outcomes.push((saga, false));
                    }
                }
                SendRole::Send | SendRole::Answer => {}
            }
        }
        Answered { after: last, settles: false }
    }

    fn is_full(&mut self) -> bool {
        let full = self.chain.pieces.len() >= LONGEST_CHAIN;
        self.chain.incomplete |= full;
        full
    }
}

/// Where an entry happens in the text of the piece itself: the effect, or the direct call that leads to it.
fn own_site(entry: &dyn Entry, seen: Option<&CallEffect>) -> Site {
    // Seen from where the chain starts, the path begins with the send.
    let own = entry.path().get(usize::from(seen.is_some()));
    own.copied().unwrap_or(entry.site())
}

/// Whether an entry that comes through direct calls happens whenever the first of them does.
fn is_sure_inside(db: &dyn Db, entry: &dyn Entry, seen: Option<&CallEffect>) -> bool {
    let calls = entry.path().get(usize::from(seen.is_some())..).unwrap_or_default();
    let last = (!calls.is_empty()).then(|| entry.site());
    let mut inner = calls.iter().skip(1).copied().chain(last);
    inner.all(|site| effects::body(db, site.body).is_some_and(|own| own.layout.is_unconditional(site)))
}

fn is_named(target: &Target) -> bool {
    !matches!(target, Target::Unknown | Target::Fresh)
}

impl Frame<'_> {
    /// A fact of the callee as the caller sees it; `None` if what it is about has no name there.
    fn fact(&self, fact: &Fact) -> Option<Fact> {
        let named = |target: &Target| Some(self.target(target)).filter(is_named);
        Some(match fact {
            Fact::Holds { target, cell, value, is } => Fact::Holds { target: named(target)?, cell: *cell, value: value.clone(), is: *is },
            Fact::Has { target, cell, element, is } => {
                Fact::Has { target: named(target)?, cell: *cell, element: self.value(element)?, is: *is }
            }
            Fact::Apart(one, other) => Fact::Apart(named(one)?, named(other)?),
        })
    }
}
