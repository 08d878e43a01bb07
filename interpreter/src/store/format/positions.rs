//! Where the elements of a list stand in their table.

use std::collections::VecDeque;

/// The positions of the elements of one list: from `start` to `next`, but for the gaps. An element keeps its position, so that appending
/// and removing touch one row however long the list is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Positions {
    start: i64,
    next: i64,
    /// Ascending, between the first and the last element.
    gaps: VecDeque<i64>,
}

impl Positions {
    /// Those of a list that was written as a whole.
    pub(in crate::store) fn contiguous(len: usize) -> Self {
        Positions { start: 0, next: len as i64, gaps: VecDeque::new() }
    }

    /// Takes positions as they are read from the table, ascending.
    pub(in crate::store) fn from_ascending(positions: impl IntoIterator<Item = i64>) -> Self {
        let mut all: Option<Positions> = None;
        for position in positions {
            match &mut all {
                None => all = Some(Positions { start: position, next: position + 1, gaps: VecDeque::new() }),
                Some(all) => {
                    all.gaps.extend(all.next..position);
                    all.next = position + 1;
                }
            }
        }
        all.unwrap_or_default()
    }

    /// Whether every element's position is its index.
    pub(in crate::store) fn is_trivial(&self) -> bool {
        self.start == 0 && self.gaps.is_empty()
    }

    /// Whether there are so many gaps that writing the list anew is cheaper than keeping them.
    pub(in crate::store) fn is_sparse(&self) -> bool {
        self.gaps.len() > 64 && self.gaps.len() as i64 > (self.next - self.start) / 2
    }

    /// The position of an element appended.
    pub(in crate::store) fn push(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }

    /// Takes an element that another process has appended at a position; `len`: how many there were. False if it is not behind all others.
    pub(in crate::store) fn append_at(&mut self, position: i64, len: usize) -> bool {
        if len == 0 {
            *self = Positions { start: position, next: position + 1, gaps: VecDeque::new() };
            return true;
        }
        // Gaps behind the last element are not seen by who has read the list from its rows.
        while self.gaps.back() == Some(&(self.next - 1)) {
            self.gaps.pop_back();
            self.next -= 1;
        }
        if position < self.next {
            return false;
        }
        self.gaps.extend(self.next..position);
        self.next = position + 1;
        true
    }

    /// The index of the element at a position.
    pub(in crate::store) fn index_of(&self, position: i64) -> Option<usize> {
        if position < self.start || position >= self.next {
            return None;
        }
        match self.gaps.binary_search(&position) {
            Ok(_) => None,
            Err(before) => usize::try_from(position - self.start - before as i64).ok(),
        }
    }

    /// Takes out the element of this index, and gives its position.
    pub(in crate::store) fn remove(&mut self, index: usize) -> i64 {
        let base = self.start + index as i64;
        // Each gap that is not behind the element moves it by one.
        let before = self.gaps_before(base);
        let position = base + before as i64;
        if position == self.start {
            self.start += 1;
            while self.gaps.front() == Some(&self.start) {
                self.gaps.pop_front();
                self.start += 1;
            }
        } else {
            self.gaps.insert(before, position);
        }
        position
    }

    /// How many gaps are before the element that would stand at `base` without any.
    fn gaps_before(&self, base: i64) -> usize {
        let (mut low, mut high) = (0, self.gaps.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.gaps[middle] - middle as i64 <= base {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_follow_a_list(steps in prop::collection::vec(prop_oneof![Just(None), (0..40usize).prop_map(Some)], 0..300)) {
            let mut model: Vec<i64> = (0..5).collect();
            let mut positions = Positions::contiguous(5);
            for step in steps {
                match step {
                    None => model.push(positions.push()),
                    Some(index) if index < model.len() => prop_assert_eq!(positions.remove(index), model.remove(index)),
                    Some(_) => {}
                }
                prop_assert!(model.is_sorted());
            }
            for (index, position) in model.iter().enumerate() {
                prop_assert_eq!(positions.index_of(*position), Some(index));
            }
            if !model.is_empty() {
                // Who has read the rows knows no gap behind the last, and goes on there.
                let (mut other, mut here) = (Positions::from_ascending(model.iter().copied()), positions.clone());
                let position = other.push();
                prop_assert!(here.append_at(position, model.len()));
                prop_assert_eq!(here.index_of(position), Some(model.len()));
                let mut read = Positions::from_ascending(model.iter().copied());
                prop_assert_eq!(read.is_trivial(), model.iter().enumerate().all(|(i, p)| i as i64 == *p));
                for index in [model.len() - 1, model.len() / 2, 0] {
                    prop_assert_eq!(read.clone().remove(index), model[index]);
                }
                prop_assert!(read.push() > model[model.len() - 1]);
            }
        }
    }
}
