//! Chains of calls of any length, on a stack that is not.
//!
//! A query about a body asks for the bodies it calls, and those for theirs. Where that has gone deep, everything below is asked for
//! beforehand, what is called before what calls it, so that no question goes further down than one step.

use std::cell::Cell;
use std::hash::Hash;

use rustc_hash::FxHashSet;

/// Queries within one another before the bodies below are asked for beforehand.
const DEEP: u32 = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// One query within others, as long as it lives.
pub(crate) struct Level {
    deep: bool,
}

impl Level {
    pub(crate) fn enter() -> Level {
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        Level { deep: depth.is_multiple_of(DEEP) }
    }

    /// Whether to ask beforehand.
    pub(crate) fn is_deep(&self) -> bool {
        self.deep
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Everything below `start`, each after what is below it (as far as there are no circles), without `start`.
pub(crate) fn bottom_up<K: Copy + Eq + Hash>(start: K, below: impl Fn(K) -> Vec<K>) -> Vec<K> {
    let mut order = Vec::new();
    let mut seen = FxHashSet::from_iter([start]);
    let mut stack: Vec<(K, bool)> = below(start).into_iter().map(|key| (key, false)).collect();
    while let Some((key, done)) = stack.pop() {
        if done {
            order.push(key);
        } else if seen.insert(key) {
            stack.push((key, true));
            stack.extend(below(key).into_iter().map(|key| (key, false)));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_comes_first() {
        // 0 → 1 → 3, 0 → 2 → 3, 3 → 0.
        let below = |key: u32| match key {
            0 => vec![1, 2],
            1 | 2 => vec![3],
            _ => vec![0],
        };
        let order = bottom_up(0, below);
        assert_eq!(order.len(), 3);
        assert_eq!(order[0], 3);
    }
}
