//! Whether there may be a cycle through a chain at all: union-find over the pieces of all chains near it, near linear.

use petgraph::unionfind::UnionFind;

use super::search::Neighbourhood;

/// Whether two pieces of a chain are joined through conflicts with others, when every other chain, and a second copy of this one, counts as one
/// piece. If not, there is no cycle.
pub(super) fn may_be_cut(near: &Neighbourhood<'_>, chain: usize) -> bool {
    let pieces = near.chains[chain].pieces.len();
    let others = near.chains.len();
    // One class a chain (the second copy of this one included), and one a piece of the first copy.
    let mut classes = UnionFind::<usize>::new(others + pieces);
    for (id, conflicts) in near.conflicts.iter().enumerate() {
        let one = near.accesses[id];
        for &(other, _) in conflicts {
            let other = near.accesses[other];
            classes.union(one.chain, other.chain);
            if one.chain == chain {
                classes.union(others + one.piece, other.chain);
            }
        }
    }
    let found: Vec<usize> = (0..pieces).map(|piece| classes.find(others + piece)).collect();
    found.iter().enumerate().any(|(index, class)| found[..index].contains(class))
}
