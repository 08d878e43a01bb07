//! Whether the pieces of several chains can commit in an order that no order of whole chains explains, by trying the orders.
//!
//! A piece commits after the one that leads to it, events from one record to one record arrive in the order in which they were sent, and a
//! piece whose conditions are not met does nothing.

use super::bindings::{Bindings, Class};
use super::neighbourhood::Place;
use super::replay::{Prepared, Run};
use super::{Access, Chain};
use crate::effects::{Grain, Value};

/// Pieces that are placed for one set of events before it is given up.
const MOST_STEPS: u32 = 400;

/// One event of a cycle: the access where the cycle enters its chain, and the one where it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop<'a> {
    pub chain: &'a Chain,
    pub entry: Place,
    pub exit: Place,
}

/// A piece of one of the events.
pub(super) type Turn = (usize, usize);

/// An order of the pieces in which every stop's exit comes before the next one's entry, and which leaves, or shows, what no order of whole
/// events does. `budget` is how many pieces may be placed still.
pub(super) fn schedule(stops: &[Stop<'_>], bindings: &mut Bindings<'_>, budget: &mut u32) -> Option<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut rest: Vec<Turn> = Vec::new();
    for (event, stop) in stops.iter().enumerate() {
        let (needed, also) = pieces_of(stop);
        turns.extend(needed.into_iter().map(|piece| (event, piece)));
        rest.extend(also.into_iter().map(|piece| (event, piece)));
    }
    let needed = turns.len();
    turns.extend(rest);
    let mut before: Vec<(usize, usize)> = Vec::new();
    let position = |turn: Turn| turns.iter().position(|known| *known == turn);
    for (index, &(event, piece)) in turns.iter().enumerate() {
        before.extend(stops[event].chain.pieces[piece].parent.and_then(|parent| position((event, parent))).map(|parent| (parent, index)));
    }
    for (event, stop) in stops.iter().enumerate() {
        let next = (event + 1) % stops.len();
        let (from, to) = (position((event, stop.exit.piece))?, position((next, stops[next].entry.piece))?);
        before.push((from, to));
    }
    let prepare = |bindings: &mut Bindings<'_>| -> Option<Vec<Prepared<'_>>> {
        turns.iter().map(|&turn| Prepared::new(stops, &turns, turn, bindings)).collect()
    };
    // The first round names everything, which can show that more is the same.
    prepare(bindings)?;
    let pieces = prepare(bindings).filter(|_| bindings.agrees())?;
    let steps = MOST_STEPS.min(*budget);
    let start = Run::new(stops);
    let mut search = Search {
        turns: &turns,
        before: &before,
        pieces: &pieces,
        needed,
        order: Vec::new(),
        gone: Vec::new(),
        steps,
        start: start.clone(),
        serial: None,
    };
    let found = search.place(&start);
    *budget -= steps - search.steps;
    found.then(|| search.order.iter().map(|index| turns[*index]).collect())
}

/// The pieces of one run of a chain: those on the way to where the cycle enters and leaves, and all that can happen along with them.
fn pieces_of(stop: &Stop<'_>) -> (Vec<usize>, Vec<usize>) {
    let chain = stop.chain;
    let mut needed = Vec::new();
    for end in [stop.entry.piece, stop.exit.piece] {
        let mut at = Some(end);
        while let Some(piece) = at {
            if !needed.contains(&piece) {
                needed.push(piece);
            }
            at = chain.pieces[piece].parent;
        }
    }
    needed.sort_unstable();
    let mut also: Vec<usize> = Vec::new();
    for piece in (0..chain.pieces.len()).filter(|piece| !needed.contains(piece)) {
        let mut chosen = needed.iter().chain(&also);
        let parent = chain.pieces[piece].parent.is_none_or(|parent| chosen.clone().any(|other| *other == parent));
        if parent && chosen.all(|other| chain.can_both_happen(*other, piece)) {
            also.push(piece);
        }
    }
    (needed, also)
}

struct Search<'a> {
    /// The pieces on the cycle, and after them what else their chains do.
    turns: &'a [Turn],
    before: &'a [(usize, usize)],
    pieces: &'a [Prepared<'a>],
    /// How many are on the cycle: their orders are tried.
    needed: usize,
    order: Vec<usize>,
    /// What was tried at the end, and cannot be done.
    gone: Vec<usize>,
    /// Pieces that may be placed still.
    steps: u32,
    start: Run<'a>,
    /// What the orders of whole events leave and show.
    serial: Option<Vec<Run<'a>>>,
}

impl<'a> Search<'a> {
    /// Places the pieces that are left; true if they all found a place and no order of whole events explains the result.
    fn place(&mut self, run: &Run<'a>) -> bool {
        if self.order.len() == self.needed {
            return self.finish(run);
        }
        for index in 0..self.needed {
            if self.order.contains(&index) || !self.is_ready(index) {
                continue;
            }
            if self.steps == 0 {
                return false;
            }
            self.steps -= 1;
            let mut after = run.clone();
            if !after.commit(self.turns[index].0, &self.pieces[index]) {
                continue;
            }
            self.order.push(index);
            if self.place(&after) {
                return true;
            }
            self.order.pop();
        }
        false
    }

    /// Lets the chains end, what can, and compares.
    fn finish(&mut self, run: &Run<'a>) -> bool {
        let mut run = run.clone();
        let placed = self.order.len();
        self.gone.clear();
        let next = |search: &Self| {
            let untried = |index: &usize| !search.order.contains(index) && !search.gone.contains(index);
            (search.needed..search.turns.len()).find(|index| untried(index) && search.is_ready(*index))
        };
        while let Some(index) = next(self) {
            let mut after = run.clone();
            if after.commit(self.turns[index].0, &self.pieces[index]) {
                run = after;
                self.order.push(index);
            } else {
                // It does nothing, nor does what it leads to.
                self.gone.push(index);
            }
        }
        let broken = !self.is_explained(&run);
        if !broken {
            self.order.truncate(placed);
            self.gone.clear();
        }
        broken
    }

    /// Whether some order of whole events gives the same.
    fn is_explained(&mut self, run: &Run<'a>) -> bool {
        let serial = self.serial.get_or_insert_with(|| {
            let events = self.turns.iter().map(|turn| turn.0).max().map_or(0, |last| last + 1);
            orders(events).into_iter().map(|order| in_turn(self.turns, self.pieces, &order, &self.start)).collect()
        });
        serial.iter().any(|other| other.agrees_with(run))
    }

    /// Whether everything that must come before is placed.
    fn is_ready(&self, index: usize) -> bool {
        let placed = |index: usize| self.order.iter().position(|placed| *placed == index);
        if self.before.iter().any(|(first, then)| *then == index && placed(*first).is_none()) {
            return false;
        }
        // What the same record sent to the same record earlier arrives earlier.
        let Some((from, to, Some(parent))) = &self.pieces[index].sent else { return true };
        let own = placed(*parent);
        // What is not on the cycle waits for what is.
        let rivals = if index < self.needed { self.needed } else { self.turns.len() };
        self.pieces[..rivals].iter().enumerate().all(|(other, piece)| match &piece.sent {
            Some((sender, receiver, Some(sending)))
                if other != index && (sender, receiver) == (from, to) && placed(other).is_none() && !self.gone.contains(&other) =>
            {
                // Of two sends of one piece the first in the text goes first, which is the lower position.
                match (placed(*sending), own) {
                    (Some(theirs), Some(own)) => theirs > own || (theirs == own && other > index),
                    _ => true,
                }
            }
            _ => true,
        })
    }
}

/// The events one after the other, each whole. What cannot be done does nothing, nor does what it leads to.
fn in_turn<'a>(turns: &[Turn], pieces: &[Prepared<'a>], order: &[usize], start: &Run<'a>) -> Run<'a> {
    let mut run = start.clone();
    for &event in order {
        let mut gone: Vec<usize> = Vec::new();
        let mut own: Vec<usize> = (0..turns.len()).filter(|index| turns[*index].0 == event).collect();
        own.sort_unstable_by_key(|index| turns[*index].1);
        for index in own {
            let mut after = run.clone();
            if pieces[index].parent.is_some_and(|parent| gone.contains(&parent)) || !after.commit(event, &pieces[index]) {
                gone.push(turns[index].1);
            } else {
                run = after;
            }
        }
    }
    run
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
