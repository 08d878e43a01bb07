//! What the core asks of the world: the time, and chance.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use crate::event::EventId;

/// The clock and the dice. A simulation gives both from a seed.
pub trait Host: Send {
    /// Milliseconds since 1970-01-01T00:00:00Z. Never less than before: what has expired stays so.
    fn now(&mut self) -> i64;

    /// A fresh random number, for ids and jitter.
    fn random(&mut self) -> u64;

    /// Moves the clock ahead by so many milliseconds; `false` if it is not one that can be moved.
    fn advance(&mut self, _milliseconds: i64) -> bool {
        false
    }

    /// Where the ids begin that one transaction makes: the one that receives this event, or with `arm` the one that deals with its outcome.
    fn ids(&mut self, _event: &EventId, _arm: bool) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }
}

/// A small random number generator (SplitMix64, Steele, Lea and Flood 2014): enough for schedules, jitter and ids that nobody guesses at.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to this seed.
    pub fn seeded(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The high half of a product: no division, and a bias too small to matter here.
        ((u128::from(self.draw()) * bound as u128) >> 64) as usize
    }
}

/// A clock that does not go back where the machine's is set back: it goes on at half the speed until the other has caught up. So pauses and
/// time-outs end, and leases that have expired do not come back.
#[derive(Debug, Default)]
struct Clock {
    last: i64,
    /// Since when it is ahead of the machine's, and what it was then.
    ahead: Option<(Instant, i64)>,
}

impl Clock {
    fn read(&mut self, machine: i64, instant: impl FnOnce() -> Instant) -> i64 {
        if machine >= self.last {
            self.ahead = None;
            self.last = machine;
        } else {
            let now = instant();
            let (since, then) = *self.ahead.get_or_insert((now, self.last));
            let half = i64::try_from(now.saturating_duration_since(since).as_millis() / 2).unwrap_or(i64::MAX);
            self.last = self.last.max(then.saturating_add(half));
        }
        self.last
    }
}

/// The machine's clock, and chance from the operating system.
#[derive(Debug)]
pub struct SystemHost {
    clock: Clock,
    low: Random,
    high: Random,
}

impl SystemHost {
    /// A host with dice of its own.
    pub fn new() -> Self {
        // The standard library seeds its hashers from the operating system.
        let seed = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        SystemHost { clock: Clock::default(), low: Random::seeded(seed()), high: Random::seeded(seed()) }
    }
}

/// The machine's clock, which can be moved ahead.
#[derive(Debug, Default)]
pub struct AheadHost {
    system: SystemHost,
    /// Milliseconds that it is ahead.
    ahead: Arc<AtomicI64>,
}

impl AheadHost {
    /// A host whose clock is ahead by so many milliseconds, which it moves on.
    pub fn new(ahead: Arc<AtomicI64>) -> Self {
        AheadHost { system: SystemHost::new(), ahead }
    }
}

impl Host for AheadHost {
    fn now(&mut self) -> i64 {
        self.system.now().saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    fn random(&mut self) -> u64 {
        self.system.random()
    }

    fn advance(&mut self, milliseconds: i64) -> bool {
        let _ = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| Some(ahead.saturating_add(milliseconds)));
        true
    }
}

impl Default for SystemHost {
    fn default() -> Self {
        SystemHost::new()
    }
}

impl Host for SystemHost {
    fn now(&mut self) -> i64 {
        // A clock before 1970 is as wrong as one at it.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.clock.read(i64::try_from(since.as_millis()).unwrap_or(i64::MAX), Instant::now)
    }

    fn random(&mut self) -> u64 {
        self.low.draw() ^ self.high.draw().rotate_left(17)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_set_back_is_waited_for_without_standing_still() {
        let start = Instant::now();
        let at = |ms| move || start + Duration::from_millis(ms);
        let mut clock = Clock::default();
        assert_eq!(clock.read(10_000, at(0)), 10_000);
        assert_eq!(clock.read(10_500, at(500)), 10_500);
        // Set back by a second.
        assert_eq!(clock.read(9_500, at(500)), 10_500);
        assert_eq!(clock.read(9_600, at(600)), 10_550);
        // And by another one, then forward until it has caught up.
        assert_eq!(clock.read(8_700, at(700)), 10_600);
        assert_eq!(clock.read(10_650, at(1_100)), 10_650);
        assert_eq!(clock.read(11_000, at(1_200)), 11_000);
        // Set back once more: it begins anew.
        assert_eq!(clock.read(10_990, at(1_300)), 11_000);
        assert_eq!(clock.read(11_090, at(1_400)), 11_090);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_they_stay_below_the_bound() {
        let (mut a, mut b) = (Random::seeded(7), Random::seeded(7));
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let n = a.below(5);
            assert_eq!(n, b.below(5));
            seen[n] += 1;
        }
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
        assert_eq!(a.below(0), 0);
    }
}
