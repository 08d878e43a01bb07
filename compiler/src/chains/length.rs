//! How many transactions a run of a chain has.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Chain;

impl Chain {
    /// How many transactions commit in the longest of its runs.
    pub fn longest_run(&self) -> usize {
        longest_run(self.committed().map(|piece| (piece.turn, piece.outcomes.clone())).collect()).len()
    }
}

/// A piece: its turn, and how sends come out where it happens.
type InRun = (u32, Vec<(u32, bool)>);

/// The turns of the longest run: of pieces that are not in one another's way.
fn longest_run(pieces: Vec<InRun>) -> FxHashSet<u32> {
    let mut run = FxHashSet::default();
    for together in tied(pieces) {
        // What most depends on is decided first: the rest falls apart by it.
        let mut mentions: FxHashMap<u32, usize> = FxHashMap::default();
        together.iter().flat_map(|(_, outcomes)| outcomes).for_each(|(send, _)| *mentions.entry(*send).or_default() += 1);
        let Some((&send, _)) = mentions.iter().max_by_key(|(send, mentions)| (**mentions, Reverse(**send))) else {
            run.extend(together.into_iter().map(|(turn, _)| turn));
            continue;
        };
        let comes_out = |how: bool| {
            let mut left = together.clone();
            left.retain(|(_, outcomes)| !outcomes.contains(&(send, !how)));
            left.iter_mut().for_each(|(_, outcomes)| outcomes.retain(|(other, _)| *other != send));
            longest_run(left)
        };
        let (ok, not) = (comes_out(true), comes_out(false));
        run.extend(if not.len() > ok.len() { not } else { ok });
    }
    run
}

/// Groups of pieces of which none depends on a send that one of another group depends on.
fn tied(pieces: Vec<InRun>) -> Vec<Vec<InRun>> {
    let mut groups: Vec<Vec<InRun>> = Vec::new();
    for piece in pieces {
        let tied = |other: &InRun| other.1.iter().any(|(send, _)| piece.1.iter().any(|(same, _)| same == send));
        let (mut group, rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.iter().any(tied));
        let mut group: Vec<InRun> = group.drain(..).flatten().collect();
        group.push(piece);
        groups = rest;
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::longest_run;

    #[test]
    fn an_event_takes_one_of_two_arms() {
        let one = |by: u32| [(by, vec![]), (by + 1, vec![(by, true)]), (by + 2, vec![(by, true)]), (by + 3, vec![(by, false)])];
        assert_eq!(longest_run(one(10).to_vec()).len(), 3);
        // Two events that have nothing to do with each other: each of them takes its longest way.
        assert_eq!(longest_run([one(10), one(20)].concat()).len(), 6);
        // Arms that are one turn count once.
        assert_eq!(longest_run(vec![(0, vec![]), (1, vec![(1, true)]), (1, vec![(1, false)])]).len(), 2);
        // Many events in a row are no more work.
        let row: Vec<_> = (0..60).map(|n| (n, (0..=n).map(|before| (before, true)).chain([(n + 100, n % 2 == 0)]).collect())).collect();
        assert_eq!(longest_run(row).len(), 60);
    }
}
