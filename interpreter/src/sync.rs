//! Mutexes whose data outlive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock, also where a thread panicked that held it: for data that are whole after each statement that changes them.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
