//! The pieces that come of what a piece sends.

use std::ops::Range;
use std::sync::Arc;

use super::collect::{Collector, Opening, is_sure_inside, own_site};
use super::rejection::{refused, rejections};
use super::{Condition, Piece, Rejection, Repeat, Way};
use crate::effects::{self, CallEffect, Effects, Entry, Frame, SendEffect, SendRole, SendTarget};
use crate::effects::{Target, receiver};
use crate::hir::BodyOwner;
use crate::signature::cell_sig;

/// Pieces that a chain is followed through.
pub const LONGEST_CHAIN: usize = 64;

/// A way in which an event comes out: the piece that says so, and what has come out on the way there.
#[derive(Clone)]
pub(super) struct End {
    after: usize,
    ok: bool,
    outcomes: Vec<(u32, bool)>,
}

/// A send with what is known of it when it is followed.
struct Sent<'e> {
    send: &'e SendEffect,
    /// The piece after which it goes out.
    after: usize,
    outcomes: Vec<(u32, bool)>,
    /// How the body of the sender looks from where the chain starts.
    seen: Option<&'e CallEffect>,
    /// It is sent again until it is taken.
    until_taken: bool,
}

impl Collector<'_> {
    /// Follows the sends of a piece. Gives how its event can come out, if it commits.
    pub(super) fn go_on(&mut self, piece: usize, body: BodyOwner, effects: &Effects, seen: Option<&CallEffect>) -> Vec<End> {
        if matches!(body, BodyOwner::Saga(_)) && matches!(self.chain.pieces[piece].way, Way::Start | Way::Sent { .. }) {
            return self.steps(piece, effects, seen);
        }
        let own = self.chain.pieces[piece].outcomes.clone();
        let layout = self.bodies.own(body).map(|own| Arc::clone(&own.layout));
        let sends: Vec<&SendEffect> = effects.sends.iter().filter(|send| !send.delayed).collect();
        // Of those in two branches of one decision only one goes out.
        let mut outcomes = vec![own.clone(); sends.len()];
        for (one, other) in (0..sends.len()).flat_map(|one| (one + 1..sends.len()).map(move |other| (one, other))) {
            let (here, there) = (own_site(sends[one], seen), own_site(sends[other], seen));
            if here.body == body && there.body == body && layout.as_ref().is_some_and(|layout| layout.excludes(here, there)) {
                let choice = self.number();
                outcomes[one].push((choice, true));
                outcomes[other].push((choice, false));
            }
        }
        let mut ends = Vec::new();
        let mut defers = false;
        for (send, outcomes) in sends.into_iter().zip(outcomes) {
            let first = self.chain.pieces.len();
            let rounds = self.chain.repeats.len();
            let came = self.send(Sent { send, after: piece, outcomes, seen, until_taken: false }, body);
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
            if send.role != SendRole::Answer && first < self.chain.pieces.len() && self.is_sent_again(send, seen.is_some()) {
                self.again(piece, first..self.chain.pieces.len());
            }
            if send.role == SendRole::Answer {
                ends.extend(came);
                let site = own_site(send, seen);
                defers |= site.body == body && layout.as_ref().is_some_and(|layout| layout.is_unconditional(site));
            }
        }
        if !defers {
            ends.push(End { after: piece, ok: true, outcomes: own });
        }
        ends
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
        let Some(layout) = self.bodies.own(body).map(|own| Arc::clone(&own.layout)).filter(|_| site.body == body) else { return };
        let frame = seen.map(|call| Frame { call, home: self.home });
        let facts = self.facts(&layout, site, effects, frame.as_ref());
        let stored = |read: &&effects::Read| read.cell.is_none_or(|cell| cell_sig(self.db, cell).is_some_and(|sig| !sig.derived));
        let reads = effects.reads.iter().filter(stored).map(|read| read as &dyn Entry);
        let entries: Vec<&dyn Entry> = reads.chain(effects.writes.iter().map(|write| write as &dyn Entry)).collect();
        let of = |judge: &dyn Fn(&dyn Entry, effects::Site) -> bool| {
            let own = entries.iter().map(|entry| (*entry, own_site(*entry, seen))).enumerate();
            own.filter(|(_, (entry, at))| at.body == body && judge(*entry, *at)).map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let with = of(&|entry, at| layout.happens_with(at, site) && is_sure_inside(self.bodies, entry, seen));
        let without = of(&|_, at| layout.excludes(at, site));
        let sure = is_sure_inside(self.bodies, send, seen);
        let always = layout.is_unconditional(site) && sure;
        let told = sure && self.is_all_told(&layout, site, effects, frame.as_ref());
        let by = if send.site() == site { self.decided_by(&layout, site, body, effects, seen) } else { None };
        self.chain.pieces[piece].conditions.push(Condition { to, facts, always, told, with, without, by });
    }

    /// Follows a send and its arms. Gives how it comes out in the end.
    fn send(&mut self, sent: Sent<'_>, body: BodyOwner) -> Vec<End> {
        let Sent { send, after: sender, seen, .. } = sent;
        let mut ends = Vec::new();
        for end in self.receive(sent) {
            match if end.ok { &send.ok } else { &send.err } {
                Some(arm) => ends.extend(self.arm(send, arm, sender, end, body, seen)),
                None => ends.push(end),
            }
        }
        ends
    }

    /// An arm that runs once its send has come out.
    fn arm(&mut self, send: &SendEffect, arm: &Effects, sender: usize, end: End, body: BodyOwner, seen: Option<&CallEffect>) -> Vec<End> {
        if let (SendTarget::Create(_), true, Some(made), None) = (send.to, end.ok, send.answer, seen) {
            self.chain.pieces[end.after].makes.push(Target::Local(made));
        }
        let lasting = self.lasting_in(arm, end.after);
        let arm = lasting.as_ref().unwrap_or(arm);
        let sender = &self.chain.pieces[sender];
        let (on, space, blind) = (sender.on.clone(), sender.space, sender.blind);
        let way = Way::Arm { of: send.site, ok: end.ok, answer: send.role == SendRole::Answer };
        let always_fails = self.bodies.own(body).is_some_and(|own| {
            rejections(arm).any(|failure| own_site(failure, seen) == failure.site && own.layout.always_fails(failure.site))
        });
        let turn = self.turn_after(&end);
        let opening = Opening {
            body,
            effects: arm,
            parent: Some(end.after),
            way,
            on,
            space,
            outcomes: end.outcomes,
            turn,
            blind,
            seen,
            created: None,
            given: None,
        };
        self.transaction(opening, always_fails, false)
    }

    /// Adds the pieces of a transaction, one for each way in which it can end, and what comes of them.
    fn transaction(&mut self, opening: Opening<'_>, always_fails: bool, until_taken: bool) -> Vec<End> {
        if self.is_full() {
            return Vec::new();
        }
        let (body, effects, seen) = (opening.body, opening.effects, opening.seen);
        let number = self.number();
        let piece = self.piece(opening);
        let may_reject = piece.rejection != Rejection::Never && !until_taken;
        let only = if always_fails { None } else { self.only_demand(&piece, effects, seen) };
        let with = |piece: Piece, ok: bool| Piece { outcomes: [&piece.outcomes[..], &[(number, ok)]].concat(), ..piece };
        let mut ends = Vec::new();
        let mut refused = may_reject.then(|| with(refused(&piece, only), false));
        // Nothing else stands for it then.
        if let Some(refused) = refused.as_mut().filter(|_| always_fails) {
            refused.rejects = piece.rejects;
        }
        if !always_fails {
            self.chain.pieces.push(if may_reject { with(piece, true) } else { piece });
            let added = self.chain.pieces.len() - 1;
            // An arm is text of a body that is being followed already.
            let arm = matches!(self.chain.pieces[added].way, Way::Arm { .. });
            if !arm {
                self.around.push(body);
            }
            ends = self.go_on(added, body, effects, seen);
            if !arm {
                self.around.pop();
            }
        }
        if let Some(refused) = refused {
            let outcomes = refused.outcomes.clone();
            self.chain.pieces.push(refused);
            ends.push(End { after: self.chain.pieces.len() - 1, ok: false, outcomes });
        }
        ends
    }

    /// The pieces of the receiver, and what they lead to.
    fn receive(&mut self, sent: Sent<'_>) -> Vec<End> {
        let Sent { send, after, outcomes, seen, until_taken } = sent;
        let Some(callee) = receiver(self.db, send) else {
            // The outside: time passes, and nothing here changes.
            self.chain.incomplete |= send.to == SendTarget::Unknown;
            return self.either(after, &outcomes);
        };
        let target = self.lasting_receiver(send, after);
        if self.around.iter().filter(|around| **around == callee).count() >= self.rounds {
            self.chain.repeats.push(Repeat { piece: after, condition: None, on: target });
            return self.either(after, &outcomes);
        }
        let args = self.lasting_args(send, after);
        let call = CallEffect { callee, target: target.clone(), space: send.space, args, site: send.site, caught: false };
        let effects = Frame { call: &call, home: self.home }.each(self.bodies.effects(callee));
        let from = self.chain.pieces[after].on.clone();
        let way = match send.role {
            SendRole::Undo => Way::Undo { at: send.site },
            _ => Way::Sent {
                at: send.site,
                from,
                ordered: !matches!(send.role, SendRole::Step { .. }) && own_site(send, seen) == send.site,
                answer: send.role == SendRole::Answer,
            },
        };
        let blind = self.chain.pieces[after].blind && call.args.iter().all(|arg| self.is_blind(arg));
        let given = match callee {
            BodyOwner::Create(record) => self.given_key(record, &send.created),
            _ => call.args.iter().map(|arg| self.given(arg)).collect(),
        };
        let (on, space) = (target, send.space);
        let turn = self.number();
        let opening = Opening {
            body: callee,
            effects: &effects,
            parent: Some(after),
            way,
            on,
            space,
            outcomes,
            turn,
            blind,
            seen: Some(&call),
            created: Some(&send.created),
            given,
        };
        let around = self.again;
        self.again |= self.around.contains(&callee);
        let ends = self.transaction(opening, false, until_taken);
        self.again = around;
        ends
    }

    /// What comes out one way or the other, as nothing here decides.
    fn either(&mut self, after: usize, outcomes: &[(u32, bool)]) -> Vec<End> {
        self.chain.waits = true;
        let number = self.number();
        [true, false].map(|ok| End { after, ok, outcomes: [outcomes, &[(number, ok)]].concat() }).into()
    }

    /// The steps of a saga, one after the other, and what undoes them.
    fn steps(&mut self, first: usize, effects: &Effects, seen: Option<&CallEffect>) -> Vec<End> {
        let mut steps: Vec<(&SendEffect, Option<&SendEffect>)> = Vec::new();
        for send in &effects.sends {
            match send.role {
                SendRole::Step { .. } => steps.push((send, None)),
                SendRole::Undo => {
                    if let Some((_, undo)) = steps.last_mut() {
                        *undo = Some(send);
                    }
                }
                SendRole::Send | SendRole::Answer => {}
            }
        }
        let pivot = steps.iter().position(|(step, _)| step.role == SendRole::Step { pivot: true }).unwrap_or(steps.len().saturating_sub(1));
        let outcomes = self.chain.pieces[first].outcomes.clone();
        self.step(&steps, 0, pivot, End { after: first, ok: true, outcomes }, seen)
    }

    /// A step of a saga, and all that comes after it.
    fn step(
        &mut self,
        steps: &[(&SendEffect, Option<&SendEffect>)],
        at: usize,
        pivot: usize,
        done: End,
        seen: Option<&CallEffect>,
    ) -> Vec<End> {
        let Some(&(send, _)) = steps.get(at) else { return vec![done] };
        let mut ends = Vec::new();
        // After the pivot nothing is given up.
        let until_taken = at > pivot;
        for mut end in self.receive(Sent { send, after: done.after, outcomes: done.outcomes, seen, until_taken }) {
            if end.ok {
                ends.extend(self.step(steps, at + 1, pivot, end, seen));
            } else if !until_taken {
                for undo in steps[..at].iter().rev().filter_map(|(_, undo)| *undo) {
                    let outcomes = std::mem::take(&mut end.outcomes);
                    let came = self.receive(Sent { send: undo, after: end.after, outcomes, seen, until_taken: true });
                    let Some(undone) = came.into_iter().find(|end| end.ok) else { return ends };
                    end = End { ok: false, ..undone };
                }
                ends.push(End { ok: false, ..end });
            }
        }
        ends
    }

    pub(super) fn number(&mut self) -> u32 {
        self.turns += 1;
        self.turns
    }

    /// The turn of an arm. Which arm of an event that nothing here decides, is decided like how a transaction ends.
    fn turn_after(&mut self, end: &End) -> u32 {
        match end.outcomes.last() {
            Some(&(choice, _)) if !self.chain.pieces[end.after].outcomes.iter().any(|(number, _)| *number == choice) => choice,
            _ => self.number(),
        }
    }

    fn is_full(&mut self) -> bool {
        let full = self.chain.pieces.len() >= LONGEST_CHAIN;
        self.chain.incomplete |= full;
        full
    }
}
