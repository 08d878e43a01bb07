//! What happens more than once, in rounds of a loop: two stand for all, since a cycle enters a chain once and leaves it once. What a local that is no
//! parameter holds is another thing in the other round.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::collect::Collector;
use super::follow::LONGEST_CHAIN;
use super::{Access, Condition, Piece, Repeat, Way};
use crate::effects::known::Fact;
use crate::effects::{EffectSpace, Entry, Grain, Made, SendEffect, Target, Value};
use crate::types::LocalId;

/// What the number of a local is more in the other round. No body has that many.
const OTHER: u32 = 1 << 20;

/// The other round, seen from a chain whose event has so many parameters.
pub(super) struct OtherRound {
    params: u32,
}

impl Collector<'_> {
    pub(super) fn other_round(&self) -> OtherRound {
        OtherRound { params: self.params() }
    }

    /// Whether an entry of a piece can happen more than once: it, or a call that leads to it, is in a loop.
    pub(super) fn happens_again(&self, entry: &dyn Entry, seen: bool) -> bool {
        let calls = entry.path().get(usize::from(seen)..).unwrap_or_default();
        let mut sites = calls.iter().copied().chain([entry.site()]);
        sites.any(|site| self.bodies.own(site.body).is_some_and(|own| own.layout.in_loop(site)))
    }

    /// Whether a send can go out more than once.
    pub(super) fn is_sent_again(&self, send: &SendEffect, seen: bool) -> bool {
        send.several || self.happens_again(send, seen)
    }

    /// What a piece sends, and all that comes of it, in the other round of a loop.
    pub(super) fn again(&mut self, piece: usize, of: Range<usize>) {
        let pieces = &self.chain.pieces;
        if pieces.len() + of.len() > LONGEST_CHAIN {
            self.chain.incomplete = true;
            return;
        }
        let (round, shift) = (self.other_round(), pieces.len() - of.start);
        let shifted = |range: &Range<usize>| range.start + shift..range.end + shift;
        let decided: Vec<u32> = pieces[piece].outcomes.iter().map(|(number, _)| *number).collect();
        // How something comes out that is decided in a round says nothing of the other one.
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        for index in of.clone() {
            let mut copy = round.piece(&self.chain.pieces[index]);
            let mut renumbered = |number: u32| match decided.contains(&number) {
                true => number,
                false => *numbers.entry(number).or_insert_with(|| self.number()),
            };
            copy.again = true;
            copy.turn = renumbered(copy.turn);
            copy.outcomes.iter_mut().for_each(|(number, _)| *number = renumbered(*number));
            copy.parent = copy.parent.map(|parent| if of.contains(&parent) { parent + shift } else { parent });
            copy.conditions.iter_mut().for_each(|condition| condition.to = shifted(&condition.to));
            self.chain.pieces.push(copy);
        }
        let of_round = |condition: &&Condition| condition.to == of;
        if let Some(condition) = self.chain.pieces[piece].conditions.iter().find(of_round) {
            let condition = Condition { to: shifted(&of), always: false, told: false, ..round.condition(condition) };
            self.chain.pieces[piece].conditions.push(condition);
        }
        let inside = |repeat: &&Repeat| of.contains(&repeat.piece);
        let repeats: Vec<Repeat> = self.chain.repeats.iter().filter(inside).cloned().collect();
        let copied = repeats.into_iter().map(|repeat| Repeat { piece: repeat.piece + shift, on: round.target(&repeat.on), ..repeat });
        self.chain.repeats.extend(copied);
    }
}

impl OtherRound {
    fn local(&self, local: LocalId) -> LocalId {
        if local.0 < self.params { local } else { LocalId(local.0 + OTHER) }
    }

    fn target(&self, target: &Target) -> Target {
        match target {
            Target::Local(local) => Target::Local(self.local(*local)),
            Target::Key(record, key) => Target::Key(*record, self.value(key)),
            Target::Path(path) => Target::Path(Arc::new((self.target(&path.0), path.1))),
            Target::SelfRecord | Target::Fresh | Target::Unknown => target.clone(),
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Local(local) => Value::Local(self.local(*local)),
            Value::Cell(path) => Value::Cell(Arc::new((self.target(&path.0), path.1))),
            Value::Literal(_) | Value::SelfRecord => value.clone(),
        }
    }

    fn space(&self, space: EffectSpace) -> EffectSpace {
        match space {
            EffectSpace::Of(local) => EffectSpace::Of(self.local(local)),
            EffectSpace::Here | EffectSpace::Plain(_) | EffectSpace::Any => space,
        }
    }

    fn fact(&self, fact: &Fact) -> Fact {
        match fact {
            Fact::Holds { target, cell, value, is } => {
                Fact::Holds { target: self.target(target), cell: *cell, value: value.clone(), is: *is }
            }
            Fact::Has { target, cell, element, is } => {
                Fact::Has { target: self.target(target), cell: *cell, element: self.value(element), is: *is }
            }
            Fact::There { record, key, is } => Fact::There { record: *record, key: self.value(key), is: *is },
            Fact::Apart(one, other) => Fact::Apart(self.target(one), self.target(other)),
        }
    }

    fn facts(&self, facts: &[Fact]) -> Arc<[Fact]> {
        facts.iter().map(|fact| self.fact(fact)).collect()
    }

    /// An access in the other round; `None` if it is the same there.
    pub(super) fn other(&self, access: &Access) -> Option<Access> {
        let other = self.access(access);
        (other != *access).then_some(other)
    }

    fn access(&self, access: &Access) -> Access {
        let grain = match &access.grain {
            Grain::Element(Some(value)) => Grain::Element(Some(self.value(value))),
            grain => grain.clone(),
        };
        let made = access.made.as_ref().map(|made| Made {
            of: made.of.iter().map(|value| self.value(value)).collect(),
            copy: made.copy,
            cells: made.cells.as_ref().map(|cells| cells.iter().map(|(target, cell)| (self.target(target), *cell)).collect()),
        });
        let (target, space) = (self.target(&access.target), self.space(access.space));
        Access { target, space, grain, made, facts: self.facts(&access.facts), ..access.clone() }
    }

    fn condition(&self, condition: &Condition) -> Condition {
        Condition { facts: self.facts(&condition.facts), ..condition.clone() }
    }

    fn piece(&self, piece: &Piece) -> Piece {
        let way = match &piece.way {
            Way::Sent { at, from, ordered, answer } => Way::Sent { at: *at, from: self.target(from), ordered: *ordered, answer: *answer },
            way => way.clone(),
        };
        Piece {
            way,
            given: piece.given.as_ref().map(|given| given.iter().map(|value| self.value(value)).collect()),
            on: self.target(&piece.on),
            space: self.space(piece.space),
            makes: piece.makes.iter().map(|made| self.target(made)).collect(),
            accesses: piece.accesses.iter().map(|access| self.access(access)).collect(),
            conditions: piece.conditions.iter().map(|condition| self.condition(condition)).collect(),
            ..piece.clone()
        }
    }
}
