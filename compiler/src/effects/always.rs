//! What a transaction does whichever way it goes, and not only on some of its ways.

use super::depth::{Level, bottom_up};
use super::layout::{BlockId, BlockKind, Layout};
use super::{CallEffect, Effects, Entry, Frame, SendEffect, Site, WriteEffect, WriteKind};
use crate::db::Db;
use crate::hir::BodyOwner;

/// What is written and sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub writes: Vec<WriteEffect>,
    pub sends: Vec<SendEffect>,
}

#[salsa::interned(debug)]
struct AlwaysKey<'db> {
    #[returns(copy)]
    owner: BodyOwner,
}

/// What the transaction of a body does on every way through it that does not fail. Equal writes are listed once.
pub fn always(db: &dyn Db, owner: BodyOwner) -> &Done {
    always_of(db, AlwaysKey::new(db, owner))
}

#[salsa::tracked(returns(ref), cycle_result = nothing)]
fn always_of<'db>(db: &'db dyn Db, key: AlwaysKey<'db>) -> Done {
    let owner = key.owner(db);
    let level = Level::enter();
    if level.is_deep() {
        for callee in bottom_up(owner, |owner| super::body(db, owner).map(|body| callees(&body.own)).unwrap_or_default()) {
            always(db, callee);
        }
    }
    let Some(body) = super::body(db, owner) else { return Done::default() };
    let all = parts(db, owner, &body.own);
    let everywhere = |sites: &[Site]| body.layout.always(BlockId(0), sites, Loops::MayHaveNone);
    let mut writes: Vec<WriteEffect> = Vec::new();
    for write in &all.writes {
        let sites: Vec<Site> = all.writes.iter().filter(|other| covers(other, write)).map(Entry::here).collect();
        if !writes.iter().any(|known| covers(known, write)) && everywhere(&sites) {
            writes.push(write.clone());
        }
    }
    let sends = all.sends.iter().filter(|send| everywhere(&[send.here()])).cloned().collect();
    Done { writes, sends }
}

fn nothing<'db>(_: &'db dyn Db, _: salsa::Id, _: AlwaysKey<'db>) -> Done {
    Done::default()
}

/// Whether a write changes all that the other one does: the same cell of the same record, or the record itself is gone.
pub fn covers(write: &WriteEffect, other: &WriteEffect) -> bool {
    let gone = write.kind == WriteKind::Delete && other.kind != WriteKind::Create;
    write.record == other.record && write.target == other.target && (write.cell == other.cell && write.kind.is_of(other.kind) || gone)
}

impl WriteKind {
    /// Both create, both delete, or both write a cell.
    fn is_of(self, other: WriteKind) -> bool {
        let class = |kind| match kind {
            WriteKind::Create => 0,
            WriteKind::Delete => 1,
            _ => 2,
        };
        class(self) == class(other)
    }
}

fn callees(effects: &Effects) -> Vec<BodyOwner> {
    effects.calls.iter().map(|call| call.callee).filter(writes).collect()
}

/// Whether a body of this kind can write.
fn writes(owner: &BodyOwner) -> bool {
    matches!(owner, BodyOwner::Handler(_) | BodyOwner::Create(_))
}

/// What a piece of a body does itself, wherever it stands in it, and what the handlers that it calls always do. [`Layout::always`] tells of which
/// of it the piece does always. The piece is one of the body's own table.
pub fn parts(db: &dyn Db, owner: BodyOwner, piece: &Effects) -> Done {
    let mut done = Done {
        writes: piece.writes.iter().filter(|write| write.path.is_empty()).cloned().collect(),
        sends: piece.sends.iter().filter(|send| send.path.is_empty()).cloned().collect(),
    };
    for call in piece.calls.iter().filter(|call| writes(&call.callee)) {
        let called = seen(db, owner, call, always(db, call.callee));
        done.writes.extend(called.writes);
        done.sends.extend(called.sends);
    }
    done
}

/// What a callee does, as its caller sees it.
pub fn seen(db: &dyn Db, caller: BodyOwner, call: &CallEffect, done: &Done) -> Done {
    let frame = Frame { call, home: super::home(db, caller) };
    Done {
        writes: done.writes.iter().map(|write| frame.write(write)).collect(),
        sends: done.sends.iter().map(|send| frame.sent(send)).collect(),
    }
}

/// Whether a loop is taken to have a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    MayHaveNone,
    HaveOne,
}

/// What of the ways through a block came past none of the sites.
#[derive(Clone, Copy, Default)]
struct Missed {
    /// Some end the transaction.
    leave: bool,
    /// Some come to the end of the block.
    arrive: bool,
}

impl Layout {
    /// Whether every way through a block comes past one of the sites. A way that fails is not asked about: nothing stays of it.
    pub fn always(&self, block: BlockId, sites: &[Site], loops: Loops) -> bool {
        let missed = self.missed(block, sites, loops);
        !missed.leave && !missed.arrive
    }

    /// The same of the whole transaction that the sites are in.
    pub fn always_in_piece(&self, sites: &[Site], loops: Loops) -> bool {
        let innermost = sites.first().and_then(|site| self.block_of.get(site.index as usize));
        innermost.and_then(|&block| self.piece_of(block)).is_some_and(|whole| self.always(whole, sites, loops))
    }

    fn missed(&self, block: BlockId, sites: &[Site], loops: Loops) -> Missed {
        let here = |from: u32, to: u32| {
            sites.iter().any(|site| (from..to).contains(&site.index) && self.block_of.get(site.index as usize) == Some(&block))
        };
        let mut found = Missed { leave: false, arrive: true };
        let mut at = 0;
        let mut inside = self.inside(block).peekable();
        while let Some(first) = inside.next() {
            // What was passed was passed on all ways that came so far.
            if here(at, self[first].from) {
                return Missed { arrive: false, ..found };
            }
            at = self[first].from;
            let arrive = match self[first].kind {
                BlockKind::Branch(decision) => {
                    let mut arrive = !self.total.contains(&decision);
                    let mut branch = Some(first);
                    while let Some(one) = branch {
                        let missed = self.missed(one, sites, loops);
                        found.leave |= missed.leave;
                        arrive |= missed.arrive;
                        branch = inside.next_if(|&next| self[next].kind == BlockKind::Branch(decision));
                    }
                    arrive
                }
                BlockKind::Try(decision) => {
                    // What fails inside goes on in `catch`, with nothing of it done.
                    let tried = self.missed(first, sites, loops);
                    let caught = inside.next_if(|&next| self[next].kind == BlockKind::Catch(decision));
                    let caught = caught.map_or(Missed::default(), |catch| self.missed(catch, sites, loops));
                    found.leave |= tried.leave || caught.leave;
                    tried.arrive || caught.arrive
                }
                BlockKind::Loop => {
                    let round = self.missed(first, sites, loops);
                    found.leave |= round.leave;
                    loops == Loops::MayHaveNone || round.arrive
                }
                // A transaction of its own.
                BlockKind::Arm(_) => true,
                BlockKind::Body | BlockKind::Catch(_) => true,
            };
            if !arrive {
                return Missed { arrive: false, ..found };
            }
        }
        if here(at, u32::MAX) {
            return Missed { arrive: false, ..found };
        }
        if self[block].leaves {
            found.leave |= !self[block].fails;
            found.arrive = false;
        }
        found
    }

    /// The blocks directly inside a block, in the order of the text.
    fn inside(&self, block: BlockId) -> impl Iterator<Item = BlockId> + '_ {
        self.blocks(|_| true).filter(move |&inner| inner != block && self[inner].parent == block)
    }
}
