//! Choices read from a tape of numbers, so that whatever shrinks the tape shrinks what was generated from it.

/// A tape of choices. After its end every choice is the first, simplest one.
pub struct Tape<'a> {
    numbers: &'a [u16],
    at: usize,
}

impl<'a> Tape<'a> {
    pub fn new(numbers: &'a [u16]) -> Self {
        Tape { numbers, at: 0 }
    }

    /// Whether there are choices left.
    pub fn ended(&self) -> bool {
        self.at >= self.numbers.len()
    }

    /// One of `0..n`; `n` is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % n
    }

    /// Between the two, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in one of `n` cases; false after the end.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of the items; `None` of none.
    pub fn pick<'b, T>(&mut self, items: &'b [T]) -> Option<&'b T> {
        if items.is_empty() { None } else { items.get(self.below(items.len())) }
    }
}
