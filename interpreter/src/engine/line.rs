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

    pub fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        self.rest.retain(&stays);
        if self.first.as_ref().is_some_and(|first| !stays(first)) {
            self.pop_front();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_a_queue_does() {
        let (mut line, mut queue) = (Line::default(), VecDeque::new());
        for n in 0..200u32 {
            match n.wrapping_mul(2_654_435_761) >> 28 & 7 {
                0 | 1 => (line.push_back(n), queue.push_back(n)).1,
                2 => (line.push_front(n), queue.push_front(n)).1,
                3 => {
                    line.retain(|m| m % 3 != 0);
                    queue.retain(|m| m % 3 != 0);
                }
                _ => assert_eq!(line.pop_front(), queue.pop_front()),
            }
            assert_eq!(line.front(), queue.front());
            assert!(line.iter().eq(&queue));
        }
    }
}
