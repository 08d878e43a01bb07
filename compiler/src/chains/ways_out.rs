//! What would end every cycle of a chain: each tried on the chains as they would be then.

use super::neighbourhood::Neighbourhood;
use super::search::verdict;
use super::told::Cycle;
use super::{Access, Chain, Decides, Way};
use crate::db::Db;
use crate::effects::{EffectSpace, Site, Target, WriteKind};
use crate::signature::cell_sig;
use crate::types::{CellId, Ty};

/// What ends the cycles of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// All records in one space, and what is sent called: the chain is one transaction then.
    OneSpace,
    /// They are in one space already: what is sent can be called.
    Call,
    /// What the arms captured of a cell read again in them.
    ReadAgain(CellId),
    /// The replaced cell changed by an operation instead, `+=` or `-=`, at these places.
    Commute(CellId, Vec<Site>),
    /// An `eventually invariant` over what the chain writes says that the in-between is accepted.
    Eventually,
}

/// What would end every cycle of a chain.
pub(super) fn ways_out(db: &dyn Db, near: &Neighbourhood<'_>, position: usize, cycle: &Cycle) -> Vec<WayOut> {
    let own = near.chains[position];
    // What was sent is called then: all of it is one transaction, unless it waits for the outside on its way.
    let is_in_one = own.pieces.iter().all(|piece| piece.space == EffectSpace::Here);
    let mut ways = match own.waits {
        true => Vec::new(),
        false if is_in_one => vec![WayOut::Call],
        false => vec![WayOut::OneSpace],
    };
    let changed = |change: &dyn Fn(&Chain) -> Chain| near.chains.iter().map(|chain| change(chain)).collect::<Vec<Chain>>();
    let ends = |set: &[Chain]| {
        let near = Neighbourhood::new(db, set.iter().collect());
        verdict(db, &near, position).is_none()
    };
    let replaced = cycle.steps.iter().filter(|step| step.write == Some(WriteKind::Set)).filter_map(|step| step.cell);
    let mut tried = Vec::new();
    for cell in replaced {
        let counts = cell_sig(db, cell).is_some_and(|sig| sig.ty == Ty::Int && !sig.key && !sig.unique);
        if !counts || tried.contains(&cell) {
            continue;
        }
        tried.push(cell);
        if ends(&changed(&|chain| with_operations(chain, cell))) {
            let all = near.chains.iter().flat_map(|chain| &chain.pieces).flat_map(|piece| &piece.accesses);
            let mut sites: Vec<Site> = all.filter(|access| replaces(access, cell)).map(|access| access.site).collect();
            sites.sort_unstable();
            sites.dedup();
            ways.push(WayOut::Commute(cell, sites));
        }
    }
    let mut read: Vec<CellId> =
        cycle.steps.iter().filter(|step| step.event == 0 && step.write.is_none()).filter_map(|step| step.cell).collect();
    read.sort_unstable();
    read.dedup();
    for cell in read {
        let ends = reading_again(own, cell).is_some_and(|changed| {
            let all = near.chains.iter().enumerate().map(|(index, chain)| if index == position { &changed } else { *chain });
            verdict(db, &Neighbourhood::new(db, all.collect()), position).is_none()
        });
        ways.extend(ends.then_some(WayOut::ReadAgain(cell)));
    }
    if cycle.observed && ends(&changed(&|chain| if chain.writes() { chain.clone() } else { Chain { pieces: Vec::new(), ..chain.clone() } }))
    {
        ways.push(WayOut::Eventually);
    }
    ways
}

/// The chain with a cell read in the arms that write, instead of in the transaction before them, which captured it for nothing else; `None` where
/// something else may rest on what it read.
fn reading_again(chain: &Chain, cell: CellId) -> Option<Chain> {
    let mut again = chain.clone();
    let mut moved = false;
    for (index, piece) in chain.pieces.iter().enumerate() {
        let captures: Vec<usize> = (0..piece.accesses.len()).filter(|at| reads(&piece.accesses[*at], cell)).collect();
        let children = || chain.pieces.iter().enumerate().filter(|(_, child)| child.parent == Some(index));
        let arms = || children().filter(|(_, child)| matches!(child.way, Way::Arm { of, .. } if of.body == piece.body));
        if captures.is_empty() || arms().next().is_none() {
            continue;
        }
        let rests = piece.accesses.iter().any(|access| !access.reads() && !access.blind)
            || captures.iter().any(|at| piece.accesses[*at].decides != Decides::Nothing)
            || children().any(|(_, child)| matches!(child.way, Way::Sent { .. }) && !child.blind);
        if rests {
            return None;
        }
        for (arm, child) in arms() {
            // Where it is written.
            let Some(write) = child.accesses.iter().find(|access| !access.reads() && !access.blind) else { continue };
            let read = Access { facts: write.facts.clone(), site: write.site, always: write.always, ..piece.accesses[captures[0]].clone() };
            again.pieces[arm].accesses.push(read);
            moved = true;
        }
        for at in captures {
            // Nobody else has it, and positions stay what they are: conditions name them.
            again.pieces[index].accesses[at].target = Target::Fresh;
        }
    }
    moved.then_some(again)
}

fn reads(access: &Access, cell: CellId) -> bool {
    access.cell == Some(cell) && access.reads()
}

fn replaces(access: &Access, cell: CellId) -> bool {
    access.cell == Some(cell) && access.write == Some(WriteKind::Set)
}

/// The chain with `+=` where a piece reads a number and replaces it.
fn with_operations(chain: &Chain, cell: CellId) -> Chain {
    let mut chain = chain.clone();
    for piece in &mut chain.pieces {
        if piece.accesses.iter().any(|access| replaces(access, cell)) {
            for access in piece.accesses.iter_mut().filter(|access| replaces(access, cell)) {
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
