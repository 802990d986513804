//! Locks: whoever panicked while holding one left no half-made state behind, so the next one goes on.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// How long to stay awake for a lock.
const AWAKE: Duration = Duration::from_millis(1);

/// Takes a lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    before_lock(mutex);
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock that each holds for microseconds, and that many want: to fall asleep and to be woken takes longer than to let
/// others go on for a moment.
pub fn lock_awake<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    before_lock(mutex);
    let mut begun = None;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if begun.get_or_insert_with(Instant::now).elapsed() < AWAKE => {
                thread::yield_now();
            }
            Err(TryLockError::WouldBlock) => return mutex.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Where a test of schedules may stop a thread.
fn before_lock<T>(_mutex: &Mutex<T>) {
    #[cfg(test)]
    crate::schedules::before_lock(|| !matches!(_mutex.try_lock(), Err(TryLockError::WouldBlock)));
}
