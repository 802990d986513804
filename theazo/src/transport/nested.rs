//! Retries around retries: an application that makes a call again which the client has tried several times already.
//!
//! Each layer alone is harmless; together they multiply, so that three tries of three attempts are nine requests on a
//! server that is down. A call that failed is remembered for a while: made again, it goes on with its count of attempts,
//! which the server can see, and the first time the client says so.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How many failed calls are remembered, the latest ones.
const REMEMBERED: usize = 64;

/// How long a failed call is remembered.
const MEMORY: Duration = Duration::from_secs(60);

/// The calls that failed lately.
#[derive(Default)]
pub(crate) struct Failures {
    latest: Mutex<VecDeque<Failure>>,
    /// Whether there may be any, so that a client whose calls succeed does no more than look here.
    any: AtomicBool,
    has_warned: AtomicBool,
    state: RandomState,
}

struct Failure {
    /// What the call was, hashed.
    call: u64,
    attempts: u32,
    at: Instant,
}

impl Failures {
    /// Remembers that a call failed after so many attempts, those before this call included. `parts` tell it from others.
    pub fn remember(&self, parts: &[&[u8]], attempts: u32) {
        let failure = Failure { call: self.state.hash_one(parts), attempts, at: Instant::now() };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(failure);
        self.any.store(true, Ordering::Relaxed);
    }

    /// How many attempts the same call has had before, and whether to say that retries are nested: the first time only.
    pub fn before(&self, parts: &[&[u8]]) -> (u32, bool) {
        if !self.any.load(Ordering::Relaxed) {
            return (0, false);
        }
        let call = self.state.hash_one(parts);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|failure| failure.at.elapsed() < MEMORY);
        let found = latest.iter().rposition(|failure| failure.call == call).and_then(|index| latest.remove(index));
        self.any.store(!latest.is_empty(), Ordering::Relaxed);
        let attempts = found.map_or(0, |failure| failure.attempts);
        // One attempt is no retry: an application that turned ours off may well have its own.
        (attempts, attempts > 1 && !self.has_warned.swap(true, Ordering::Relaxed))
    }
}
