//! What would end every cycle of a chain: each tried on the chains as they would be then.

use super::neighbourhood::Neighbourhood;
use super::search::verdict;
use super::told::Cycle;
use super::{Access, Chain};
use crate::db::Db;
use crate::effects::{Site, WriteKind};
use crate::signature::cell_sig;
use crate::types::{CellId, Ty};

/// What ends the cycles of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// Both places in one space: the chain is one transaction then.
    OneSpace,
    /// The replaced cell changed by an operation instead, `+=` or `-=`, at these places.
    Commute(CellId, Vec<Site>),
    /// An `eventually invariant` over what the chain writes says that the in-between is accepted.
    Eventually,
}

/// What would end every cycle of a chain.
pub(super) fn ways_out(db: &dyn Db, near: &Neighbourhood<'_>, chain: usize, cycle: &Cycle) -> Vec<WayOut> {
    // What was sent is called then: all of it is one transaction, unless it waits for the outside on its way.
    let mut ways = if near.chains[chain].waits { Vec::new() } else { vec![WayOut::OneSpace] };
    let changed = |change: &dyn Fn(&Chain) -> Chain| near.chains.iter().map(|chain| change(chain)).collect::<Vec<Chain>>();
    let ends = |set: &[Chain]| {
        let near = Neighbourhood::new(db, set.iter().collect());
        verdict(db, &near, chain).is_none()
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
    if cycle.observed && ends(&changed(&|chain| if chain.writes() { chain.clone() } else { Chain { pieces: Vec::new(), ..chain.clone() } }))
    {
        ways.push(WayOut::Eventually);
    }
    ways
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
