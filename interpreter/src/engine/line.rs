//! A queue in which mostly one waits: that one needs no room of its own.

use std::collections::VecDeque;

/// First in, first out.
#[derive(Clone, Debug)]
pub(super) struct Line<T> {
    first: Option<T>,
    /// Empty while there is no first.
    rest: VecDeque<T>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line { first: None, rest: VecDeque::new() }
    }
}

impl<T> Line<T> {
    pub fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub fn push_back(&mut self, last: T) {
        match self.first {
            None => self.first = Some(last),
            Some(_) => self.rest.push_back(last),
        }
    }

    pub fn push_front(&mut self, first: T) {
        if let Some(second) = self.first.replace(first) {
            self.rest.push_front(second);
        }
    }

    pub fn pop_front(&mut self) -> Option<T> {
        let next = self.rest.pop_front();
        std::mem::replace(&mut self.first, next)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }
}

impl<T: PartialEq> Line<T> {
    /// Takes one out that stands in it once, wherever it is. It is nearly always the first, and the others are not looked at then.
    pub fn remove(&mut self, one: &T) {
        if self.first.as_ref() == Some(one) {
            self.pop_front();
        } else {
            self.rest.retain(|other| other != one);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn it_does_what_a_queue_does() {
        let (mut line, mut queue) = (Line::default(), VecDeque::new());
        for n in 0..200u32 {
            match n.wrapping_mul(2_654_435_761) >> 28 & 7 {
                0 | 1 => (line.push_back(n), queue.push_back(n)).1,
                2 => (line.push_front(n), queue.push_front(n)).1,
                3 => {
                    let one = queue.get(queue.len() / 2).copied().unwrap_or(n);
                    line.remove(&one);
                    queue.retain(|m| *m != one);
                }
                _ => assert_eq!(line.pop_front(), queue.pop_front()),
            }
            assert_eq!(line.front(), queue.front());
            assert!(line.iter().eq(&queue));
        }
    }

    /// Counts how often it is compared.
    struct Counted<'a>(u32, &'a Cell<u32>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    #[test]
    fn the_first_leaves_without_a_look_at_the_others() {
        let compared = Cell::new(0);
        let mut line = Line::default();
        (0..1_000).for_each(|n| line.push_back(Counted(n, &compared)));
        (0..1_000).for_each(|n| line.remove(&Counted(n, &compared)));
        assert!(line.front().is_none());
        assert_eq!(compared.get(), 1_000);
    }
}
