//! Whether there may be a cycle through a chain at all: union-find over the chains near it, near linear.

use petgraph::unionfind::UnionFind;

use super::neighbourhood::Neighbourhood;

/// Whether others, each counted as one piece, and a second copy of this chain too, lead from one piece of a chain to another that does not come
/// before it. If not, there is no cycle.
pub(super) fn may_be_cut(near: &Neighbourhood<'_>, chain: usize) -> bool {
    let pieces = near.chains[chain].pieces.len();
    let mut classes = UnionFind::<usize>::new(near.chains.len());
    let mut entered: Vec<Vec<usize>> = vec![Vec::new(); pieces];
    for port in &near.ports {
        for way in &port.ways {
            let to = &near.ports[way.to];
            classes.union(port.chain, to.chain);
            if to.chain == chain && !entered[to.piece].contains(&port.chain) {
                entered[to.piece].push(port.chain);
            }
        }
    }
    near.of_chain[chain].clone().any(|exit| {
        (0..pieces).filter(|entry| !entered[*entry].is_empty() && near.is_cut(exit, *entry)).any(|entry| {
            let leads_back = |to: usize| entered[entry].iter().any(|from| classes.equiv(*from, to));
            let ways = near.ports[exit].ways.iter().filter(|way| leads_back(near.ports[way.to].chain));
            ways.into_iter().any(|way| !near.keep_out(exit, Some(entry), way.to, &way.needs))
        })
    })
}
