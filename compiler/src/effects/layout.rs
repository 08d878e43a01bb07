//! How the sites of a body lie to each other: which can happen after which, and what is inside a `try`.

use super::known::{Const, Fact, Known};
use super::{Site, Target, Value};
use crate::types::CellId;

/// A block of a body, by position in [`Layout`]. The first one is the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block around it; the body is its own.
    pub parent: BlockId,
    pub kind: BlockKind,
    /// Its end is never reached: it always returns or fails.
    pub leaves: bool,
    /// It always ends with a failure of its own.
    pub fails: bool,
    /// [`Site::index`] of the first site after its start.
    pub from: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    Body,
    /// One of several of which at most one runs. The number tells the decision.
    Branch(u32),
    Loop,
    /// The part of a `try` that can be undone. The number tells the decision between it having happened and its `catch`.
    Try(u32),
    Catch(u32),
    /// An arm of a send: a transaction of its own. Either arm of one send runs; the number tells the decision.
    Arm(u32),
}

/// A condition, or another value by which a transaction goes one way or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub block: BlockId,
    /// The sites of what it reads: from this one to before the other.
    pub reads: (u32, u32),
    /// It can fail the transaction.
    pub rejects: bool,
    pub known: Told,
    /// It rests on nothing but what is read: no parameter, no clock.
    pub alone: bool,
    /// The first site that does not rest on it. `None`: all that follows can, since it can end the transaction, or is in a `try`.
    pub until: Option<u32>,
}

/// How much of what a decision demands [`Layout::known`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Not all that rests on what is read.
    Partly,
    /// All that rests on what is read; there is more, which rests on the event alone.
    ButForTheEvent,
    All,
}

/// What a written value is made of, beside what is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub of: Box<[Value]>,
    /// The cell holds just that.
    pub copy: bool,
    /// All that it reads: cells of `self` or of records in parameters. `None` if it reads something else.
    pub cells: Option<Box<[(Target, CellId)]>>,
}

/// What a write adds to its cell, or sets it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// `None`: it is computed, of parameters or of what is read.
    pub value: Option<Value>,
    /// It is taken away.
    pub less: bool,
}

/// The blocks of a body, and the block of each of its sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub blocks: Vec<Block>,
    pub block_of: Vec<BlockId>,
    /// What the conditions of the body say, in the order of evaluation.
    pub known: Vec<Known>,
    /// The writes that give their cell a constant, by [`Site::index`].
    pub written: Vec<(u32, Const)>,
    /// What writes add to their cell, or set it to. By [`Site::index`].
    pub given: Vec<(u32, Given)>,
    /// The writes whose value is what a send was answered with. By [`Site::index`].
    pub told: Vec<u32>,
    /// The writes whose value depends on nothing that is read: literals, parameters, the clock. By [`Site::index`].
    pub blind: Vec<u32>,
    /// The writes of what is made of parameters, `self` and what is read alone. By [`Site::index`].
    pub made: Vec<(u32, Made)>,
    /// What decides how the transaction goes on, in the order of evaluation.
    pub decisions: Vec<Decision>,
    /// Blocks that can return, other than those of whole transactions, and the first site after each: what follows may not happen.
    pub returns: Vec<(BlockId, u32)>,
    /// The decisions of which one branch always runs.
    pub total: Vec<u32>,
    /// The branches that run whenever what is known in them is so.
    pub whole: Vec<BlockId>,
    /// The branches that return, and after which what is known in the block around them is all that it takes to come there.
    pub left: Vec<BlockId>,
    /// What is so if the value of the body, a Bool, is true; and if it is false.
    pub truth: (Vec<Fact>, Vec<Fact>),
}

impl Layout {
    /// Whether `second` can happen, and still counts, after `first` has happened. Both are sites of this body, `first` earlier in the order
    /// of evaluation; another round of a loop is not considered.
    pub fn can_follow(&self, first: Site, second: Site) -> bool {
        if first.index >= second.index {
            return false;
        }
        let (before, after) = (self.around(first), self.around(second));
        let shared = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        let (before, after) = (&before[..before.len() - shared], &after[..after.len() - shared]);
        if before.iter().any(|&block| self[block].leaves) {
            return false;
        }
        match (before.last(), after.last()) {
            (Some(&a), Some(&b)) => self[a].decision().is_none() || self[a].decision() != self[b].decision(),
            _ => true,
        }
    }

    /// Whether `first` can have happened, and still counts, when `second` does: as [`Layout::can_follow`], also in an earlier round of a loop.
    pub fn can_have_happened(&self, first: Site, second: Site) -> bool {
        self.in_earlier_round(first, second) || self.can_follow(first, second)
    }

    /// Whether `first` can have happened, and still counts, in an earlier round of a loop than `second`, of one transaction.
    pub fn in_earlier_round(&self, first: Site, second: Site) -> bool {
        self.goes_round(&self.around(first), &self.around(second))
    }

    /// As [`Layout::in_earlier_round`] of what is inside the `try` block `of` and was undone: then the `catch` went on to the next round.
    pub fn caught_in_earlier_round(&self, of: BlockId, first: Site, second: Site) -> bool {
        let before = self.around(first);
        let outside = before.iter().position(|&block| block == of).map(|at| &before[at + 1..]);
        self.catch_of(of).is_some_and(|catch| !self[catch].leaves)
            && outside.is_some_and(|outside| self.goes_round(outside, &self.around(second)))
    }

    /// Whether something with these blocks around it comes to the end of a round of a loop, in which the other is too.
    fn goes_round(&self, around: &[BlockId], other: &[BlockId]) -> bool {
        let mut inside = around;
        // An arm runs when the transaction that sends is over: that it returns ends no loop around the send.
        if let Some(arm) = around.iter().rposition(|block| matches!(self[*block].kind, BlockKind::Arm(_)) && !other.contains(block)) {
            inside = &around[arm + 1..];
        }
        for &block in inside {
            if self[block].leaves {
                return false;
            }
            match self[block].kind {
                BlockKind::Loop if other.contains(&block) => return true,
                // What is around an arm that both are in is another transaction.
                BlockKind::Arm(_) => return false,
                _ => {}
            }
        }
        false
    }

    /// Whether `second` can happen after `first`, inside the `try` block `of`, has happened and was undone: then the `catch` goes on to it,
    /// also where the `try` block itself never reaches its end.
    pub fn can_follow_catch(&self, of: BlockId, first: Site, second: Site) -> bool {
        if first.index >= second.index || self.catch_of(of).is_none_or(|catch| self[catch].leaves) {
            return false;
        }
        let (before, after) = (self.around(first), self.around(second));
        let Some(outside) = before.iter().position(|&block| block == of).map(|at| &before[at + 1..]) else { return false };
        let shared = outside.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        let (outside, after) = (&outside[..outside.len() - shared], &after[..after.len() - shared]);
        if outside.iter().any(|&block| self[block].leaves) {
            return false;
        }
        match (outside.last().or(Some(&of)), after.last()) {
            (Some(&a), Some(&b)) => self[a].decision().is_none() || self[a].decision() != self[b].decision(),
            _ => true,
        }
    }

    /// The `try` blocks around a site, innermost first, as far as they are of the same transaction.
    pub fn tries(&self, site: Site) -> impl Iterator<Item = BlockId> + '_ {
        self.around_in_piece(site).into_iter().filter(|&block| matches!(self[block].kind, BlockKind::Try(_)))
    }

    /// Whether `one` happens whenever `other` does, in the same transaction: no branch, loop or `try` is around it that is not around the
    /// other, and nothing returns in between.
    pub fn happens_with(&self, one: Site, other: Site) -> bool {
        let with = self.around(other);
        self.around(one).into_iter().all(|block| with.contains(&block)) && !self.may_return(one, other.index)
    }

    /// Whether no branch, loop or `try` of its transaction is around a site, and nothing returns before it.
    pub fn is_unconditional(&self, site: Site) -> bool {
        self.around_in_piece(site).len() == 1 && !self.may_return(site, 0)
    }

    /// What is known of a site in the branches around it, if it is reached, where its transaction commits, whenever that is so.
    pub fn told_at(&self, site: Site) -> Option<impl Iterator<Item = &Known>> {
        let around = self.around_in_piece(site);
        let (whole, inside) = around.split_last()?;
        let left = |block: &BlockId| self.left.contains(block) && around.contains(&self[*block].parent);
        let mut returns = self.returns_between(site, 0);
        let told = inside.iter().all(|block| self.whole.contains(block)) && returns.all(|block| left(&block));
        let whole = *whole;
        // What the transaction demands is so if it commits.
        let told = told.then(|| self.known.iter().filter(move |known| known.from <= site.index && around.contains(&known.block)));
        told.map(|known| known.filter(move |known| known.block != whole || !known.demanded))
    }

    /// Whether the transaction of a site may have returned before it, at or after another site.
    fn may_return(&self, site: Site, from: u32) -> bool {
        self.returns_between(site, from).next().is_some()
    }

    /// The blocks by which the transaction of a site may have returned before it, at or after another site.
    fn returns_between(&self, site: Site, from: u32) -> impl Iterator<Item = BlockId> {
        let whole = self.around_in_piece(site).last().copied();
        let returns =
            self.returns.iter().filter(move |&&(block, next)| (from + 1..=site.index).contains(&next) && self.piece_of(block) == whole);
        returns.map(|(block, _)| *block)
    }

    /// The decisions of the transaction of a site that can fail it.
    pub fn rejecting_at(&self, site: Site) -> impl Iterator<Item = &Decision> {
        let whole = self.around_in_piece(site).last().copied();
        self.decisions.iter().filter(move |decision| decision.rejects && self.piece_of(decision.block) == whole)
    }

    /// The decisions of the transaction of a site that can end it.
    pub fn ending_at(&self, site: Site) -> impl Iterator<Item = &Decision> {
        let whole = self.around_in_piece(site).last().copied();
        self.decisions
            .iter()
            .filter(move |decision| (decision.rejects || decision.until.is_none()) && self.piece_of(decision.block) == whole)
    }

    /// Whether the transaction of a site always ends with a failure of its own, if it is an arm of a send.
    pub fn always_fails(&self, site: Site) -> bool {
        self.around_in_piece(site).last().is_some_and(|&whole| self[whole].fails)
    }

    /// The decisions of the transaction of a site that rest on what is read there.
    pub fn decided_by(&self, site: Site) -> impl Iterator<Item = &Decision> {
        let whole = self.around_in_piece(site).last().copied();
        self.decisions
            .iter()
            .filter(move |decision| (decision.reads.0..decision.reads.1).contains(&site.index) && self.piece_of(decision.block) == whole)
    }

    /// Whether it can rest on what is read at a site if something else of its transaction happens.
    pub fn rests_on(&self, site: Site, read: Site) -> bool {
        let decides = |decision: &Decision| decision.reads.1 <= site.index && decision.until.is_none_or(|until| site.index < until);
        let around = self.around_in_piece(site);
        let again = |block: &BlockId| matches!(self[*block].kind, BlockKind::Loop | BlockKind::Try(_) | BlockKind::Catch(_));
        around.iter().any(again) || self.decided_by(read).any(decides)
    }

    /// The block of the whole transaction that a block is part of.
    pub(super) fn piece_of(&self, block: BlockId) -> Option<BlockId> {
        let mut at = block;
        while !matches!(self[at].kind, BlockKind::Body | BlockKind::Arm(_)) {
            at = self[at].parent;
        }
        Some(at)
    }

    /// Whether no run reaches both sites: they stand in branches of one decision, and no loop of their transaction goes the other way next.
    pub fn excludes(&self, one: Site, other: Site) -> bool {
        if self.in_earlier_round(one, other) || self.in_earlier_round(other, one) {
            return false;
        }
        let (one, other) = (self.around(one), self.around(other));
        let shared = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
        match (one[..one.len() - shared].last(), other[..other.len() - shared].last()) {
            (Some(&a), Some(&b)) => {
                matches!((self[a].kind, self[b].kind), (BlockKind::Branch(one), BlockKind::Branch(other)) if one == other)
            }
            _ => false,
        }
    }

    /// Whether something can have happened, in the same transaction, before what is known is known.
    pub fn can_precede(&self, site: Site, known: &Known) -> bool {
        let (one, other) = (self.around(site), self.blocks_around(known.block));
        let shared = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
        let branch = |of: &[BlockId]| match of[..of.len() - shared].last().map(|block| self[*block].kind) {
            Some(BlockKind::Branch(decision)) => Some(decision),
            _ => None,
        };
        let again = one.iter().any(|block| self[*block].kind == BlockKind::Loop);
        site.index < known.from && (again || branch(&one).is_none() || branch(&one) != branch(&other))
    }

    /// The blocks around a site that are of the same transaction, from the innermost.
    pub(super) fn around_in_piece(&self, site: Site) -> Vec<BlockId> {
        let around = self.around(site);
        let arm = around.iter().position(|&block| matches!(self[block].kind, BlockKind::Arm(_)));
        around[..arm.map_or(around.len(), |arm| arm + 1)].to_vec()
    }

    /// Whether a site is in a loop.
    pub fn in_loop(&self, site: Site) -> bool {
        self.around_in_piece(site).iter().any(|&block| self[block].kind == BlockKind::Loop)
    }

    /// Whether a site is in a block, directly or deeper.
    pub fn is_in(&self, site: Site, block: BlockId) -> bool {
        self.around(site).contains(&block)
    }

    /// The `catch` that belongs to a `try`.
    pub fn catch_of(&self, of: BlockId) -> Option<BlockId> {
        let BlockKind::Try(decision) = self[of].kind else { return None };
        let found = self.blocks.iter().position(|block| block.kind == BlockKind::Catch(decision))?;
        Some(BlockId(found as u32))
    }

    /// The blocks of a kind.
    pub fn blocks(&self, kind: impl Fn(BlockKind) -> bool) -> impl Iterator<Item = BlockId> {
        self.blocks.iter().enumerate().filter(move |(_, block)| kind(block.kind)).map(|(index, _)| BlockId(index as u32))
    }

    /// The blocks around a site, from the innermost to the body.
    fn around(&self, site: Site) -> Vec<BlockId> {
        self.block_of.get(site.index as usize).map_or_else(Vec::new, |innermost| self.blocks_around(*innermost))
    }

    /// A block and those around it, to the body.
    fn blocks_around(&self, innermost: BlockId) -> Vec<BlockId> {
        let mut around = Vec::new();
        let mut block = innermost;
        loop {
            around.push(block);
            if self[block].kind == BlockKind::Body {
                return around;
            }
            block = self[block].parent;
        }
    }
}

impl Block {
    fn decision(&self) -> Option<u32> {
        match self.kind {
            BlockKind::Branch(decision) | BlockKind::Try(decision) | BlockKind::Catch(decision) | BlockKind::Arm(decision) => {
                Some(decision)
            }
            BlockKind::Body | BlockKind::Loop => None,
        }
    }
}

impl std::ops::Index<BlockId> for Layout {
    type Output = Block;

    fn index(&self, block: BlockId) -> &Block {
        &self.blocks[block.0 as usize]
    }
}
