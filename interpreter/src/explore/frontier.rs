//! The points that a search is to go on from, and which of them comes next.

use std::collections::VecDeque;

/// Which point a search goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The nearest to the beginning: what is found is found by a shortest way.
    BreadthFirst,
    /// The newest of those with the fewest crashes and the like on their way: few wait, and the one that comes next is still in the caches of
    /// the processor. A point is mostly reached with few before it is reached with more, so that it is gone on from once.
    DepthFirst,
}

/// Points, or whatever a search goes on from.
pub(super) enum Frontier<T> {
    Nearest(VecDeque<T>),
    /// By how much that is out of the ordinary has happened on their way.
    Newest(Vec<Vec<T>>),
}

impl<T> Frontier<T> {
    pub fn new(order: Order) -> Self {
        match order {
            Order::BreadthFirst => Frontier::Nearest(VecDeque::new()),
            Order::DepthFirst => Frontier::Newest(Vec::new()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Frontier::Nearest(points) => points.len(),
            Frontier::Newest(points) => points.iter().map(Vec::len).sum(),
        }
    }

    /// `used`: how much that is out of the ordinary has happened on the way to it.
    pub fn push(&mut self, point: T, used: usize) {
        match self {
            Frontier::Nearest(points) => points.push_back(point),
            Frontier::Newest(points) => {
                if points.len() <= used {
                    points.resize_with(used + 1, Vec::new);
                }
                points[used].push(point);
            }
        }
    }

    /// The one that comes next.
    pub fn pop(&mut self) -> Option<T> {
        match self {
            Frontier::Nearest(points) => points.pop_front(),
            Frontier::Newest(points) => points.iter_mut().find_map(Vec::pop),
        }
    }
}
