//! How much of the host's disk a sandbox's files take, watched from the host, because that needs no rights and no particular
//! file system.
//!
//! What a program writes between two looks can go beyond the limit. So it is stopped rather than refused a write, and while
//! there is too much, programs can read and remove files but not write them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::files;
use super::sandbox::State;
use crate::files::{Roots, Usage};
use crate::{Limits, SpaceLimit};

/// How often it is looked while programs run. Where looking takes long, it is done more seldom.
const INTERVAL: Duration = Duration::from_millis(250);
/// How many times longer than a look the time between two looks is at least.
const REST: u32 = 20;
/// How many bytes programs leave free on the host's disk in any case.
const KEPT_FREE: u64 = 256 << 20;

/// The limits on a sandbox's files, and what was seen last.
pub struct Quota {
    roots: Roots,
    stored: u64,
    entries: u64,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    at: Instant,
    took: Duration,
    usage: Usage,
    free: Option<u64>,
    excess: Option<Excess>,
}

/// What is over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    pub limit: SpaceLimit,
    pub value: u64,
    pub used: u64,
}

impl Quota {
    pub fn new(roots: Roots, limits: &Limits) -> Self {
        Self { roots, stored: limits.stored, entries: limits.entries, seen: Mutex::default() }
    }

    /// What is over its limit now. Where nothing was at the last look, it is not looked again.
    pub async fn excess(self: &Arc<Self>) -> Option<Excess> {
        let was_over = self.seen().as_ref().is_some_and(|seen| seen.excess.is_some());
        if was_over { self.look().await } else { None }
    }

    /// What will be over its limit with one more file of this size, which counts from now on.
    pub async fn excess_with(self: &Arc<Self>, bytes: u64) -> Option<Excess> {
        let is_fresh = self.seen().as_ref().is_some_and(|seen| seen.excess.is_none() && !seen.remaining().is_zero());
        if !is_fresh {
            self.look().await;
        }
        let mut seen = self.seen();
        let seen = seen.as_mut()?;
        let usage =
            Usage { stored: seen.usage.stored.saturating_add(bytes), entries: seen.usage.entries + 1, ..seen.usage };
        let excess = self.compare(usage, seen.free.map(|free| free.saturating_sub(bytes)));
        if excess.is_none() {
            seen.usage = usage;
        }
        excess
    }

    /// Ends when something is over its limit.
    pub async fn outgrown(self: &Arc<Self>, mut state: watch::Receiver<State>) -> Excess {
        loop {
            let wait = self.seen().as_ref().map_or(Duration::ZERO, Seen::remaining);
            tokio::time::sleep(wait).await;
            // Nothing grows in a paused sandbox. An error means that the sandbox is gone.
            let _ = state.wait_for(|state| *state != State::Paused).await;
            if let Some(excess) = self.look().await {
                return excess;
            }
        }
    }

    async fn look(self: &Arc<Self>) -> Option<Excess> {
        let quota = Arc::clone(self);
        // What is seen is kept also where nobody waits for it any more: a program that ended early counts as well.
        let looked = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let (usage, free) = (files::usage(&quota.roots), free(&quota.roots));
            let excess = quota.compare(usage, free);
            *quota.seen() = Some(Seen { at: Instant::now(), took: begun.elapsed(), usage, free, excess });
            excess
        });
        looked.await.ok().flatten()
    }

    fn compare(&self, usage: Usage, free: Option<u64>) -> Option<Excess> {
        let excess = |limit, value, used| (used > value).then_some(Excess { limit, value, used });
        excess(SpaceLimit::Bytes, self.stored, usage.stored)
            .or_else(|| excess(SpaceLimit::Entries, self.entries, usage.entries))
            // What is written to a file that has no name any more is in nobody's directories, but takes the disk.
            .or_else(|| {
                let used = free.filter(|free| *free < KEPT_FREE)?;
                Some(Excess { limit: SpaceLimit::HostDisk, value: KEPT_FREE, used })
            })
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// How long this is still good enough.
    fn remaining(&self) -> Duration {
        INTERVAL.max(self.took * REST).saturating_sub(self.at.elapsed())
    }
}

/// How many bytes are free on the disk for whoever has no special rights.
fn free(roots: &Roots) -> Option<u64> {
    let found = rustix::fs::statvfs(&roots.workspace).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_compared_with_what_is_there() {
        let roots = Roots { workspace: "/nowhere".into(), data: "/nowhere".into() };
        let quota = Quota::new(roots, &Limits { stored: 4096, entries: 2, ..Limits::default() });
        let usage = |stored, entries| Usage { size: 0, stored, entries };

        let full = |limit, value, used| Some(Excess { limit, value, used });

        assert_eq!(quota.compare(usage(4096, 2), Some(KEPT_FREE)), None);
        assert_eq!(quota.compare(usage(8192, 2), None), full(SpaceLimit::Bytes, 4096, 8192));
        assert_eq!(quota.compare(usage(0, 3), None), full(SpaceLimit::Entries, 2, 3));
        assert_eq!(quota.compare(usage(0, 0), Some(9)), full(SpaceLimit::HostDisk, KEPT_FREE, 9));
    }
}
