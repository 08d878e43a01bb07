//! The wish that what runs should end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised by whoever no longer wants what runs, from any thread. A transaction that notices it leaves nothing.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// What runs is to end.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What runs from now on is wanted.
    pub fn lower(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether what runs is to end.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
