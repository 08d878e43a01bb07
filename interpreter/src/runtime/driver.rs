//! The thread that delivers, rings timers and has the outside called.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Core, Shared, lock, outside};

/// Steps taken before others may have the lock.
const STEPS_AT_ONCE: usize = 128;

/// How often the driver gives way to threads that want the lock.
const YIELDS: u32 = 64;

/// Wakes the driver.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Default)]
struct BellState {
    rung: bool,
    /// The driver waits for commits to become durable.
    awaits_durability: bool,
    stopped: bool,
}

impl Bell {
    /// There is something to do.
    pub fn ring(&self) {
        lock(&self.state).rung = true;
        self.rung.notify_one();
    }

    /// Something has become durable: of interest only while the driver waits for that.
    pub fn ring_if_waiting(&self) {
        let mut state = lock(&self.state);
        if state.awaits_durability {
            state.rung = true;
            self.rung.notify_one();
        }
    }

    /// The driver is to end.
    pub fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        state.rung = true;
        self.rung.notify_one();
    }

    /// From now on, durability is (not) waited for. To be said before the engine is asked what is durable, so that nothing is missed.
    fn await_durability(&self, awaits: bool) {
        lock(&self.state).awaits_durability = awaits;
    }

    /// Waits until it is rung, at most for so long; `false` when the driver is to end.
    fn wait(&self, at_most: Option<Duration>) -> bool {
        let mut state = lock(&self.state);
        if !state.rung {
            state = match at_most {
                Some(at_most) => self.rung.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0,
                None => self.rung.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.rung = false;
        !state.stopped
    }
}

/// The exit code of a process whose main thread panics.
const PANICKED: i32 = 101;

/// Drives the engine until the bell is stopped. A mistake of ours ends the process: what is in memory cannot be trusted any more, who waits would
/// wait for ever, and other processes would take this one to be at work. Ended like that, it loses nothing.
pub(super) fn drive_or_end(shared: &Arc<Shared>) {
    if catch_unwind(AssertUnwindSafe(|| drive(shared))).is_err() {
        // The panic has said where.
        eprintln!(
            "error: patternc has made a mistake, and ends here. What was told as committed is in the stores: start it again to go on"
        );
        std::process::exit(PANICKED);
    }
}

fn drive(shared: &Arc<Shared>) {
    loop {
        let mut core = lock(&shared.core);
        let Core { engine: Some(engine), givens, pending, again, alarm, idlers, .. } = &mut *core else { return };
        // Who waits until nothing is left to do waits for that too.
        let awaits = engine.waits_for_durability() || *idlers > 0;
        shared.bell.await_durability(awaits);
        engine.wake();
        for _ in 0..STEPS_AT_ONCE {
            if !engine.step() {
                break;
            }
        }
        while let Some((ticket, receipt)) = engine.take_finished() {
            match pending.remove(&ticket) {
                Some(slot) => slot.fill(receipt),
                None if shared.takes_turns => {
                    again.insert(ticket, receipt);
                }
                None => {}
            }
        }
        let calls: Vec<_> = std::iter::from_fn(|| engine.take_call()).collect();
        for call in calls {
            outside::call(shared, engine, givens, call);
        }
        if *idlers > 0 && engine.is_idle() {
            shared.idle.notify_all();
        }
        let more = engine.has_step() || engine.has_calls() || engine.waits_for_durability() && !awaits;
        let next = engine.next_wake();
        let at_most = next.map(|at| Duration::from_millis(at.saturating_sub(engine.now()).max(0).unsigned_abs()));
        *alarm = next;
        drop(core);
        // A mutex is not fair: without this, a busy driver could keep everyone else out.
        for _ in 0..YIELDS {
            if shared.clients.load(Ordering::Relaxed) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        let at_most = if more { Some(Duration::ZERO) } else { at_most };
        if !shared.bell.wait(at_most) {
            return;
        }
    }
}
