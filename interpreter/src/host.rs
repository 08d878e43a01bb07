//! What the core asks of the world: the time, and chance.

/// The clock and the dice. A simulation gives both from a seed.
pub trait Host {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now(&mut self) -> i64;

    /// A fresh random number, for ids and jitter.
    fn random(&mut self) -> u64;
}
