//! The feed: what was committed is read once, and handed to everyone who follows it.
//!
//! One task for each plane reads the log behind its newest commits and puts each event into the queues of those whom it
//! concerns. Queues are small. Whoever does not keep up loses its queue, not its place: it reads on from the store, at
//! its own pace, until it has caught up. So a reader costs others nothing, however slow it is.

mod queue;
mod reader;

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use theazo_api::{ErrorCode, LogLevel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    error::{AppError, AppResult},
    locks::lock,
    store::{EventFilter, Store, StoreError, StoredEvent, Tenant},
};

pub use reader::{Next, Reader};

use queue::Queue;

/// About how many bytes of events are read at once.
const BATCH_BYTES: usize = 128 << 10;

/// How many streams there may be, and how long one may stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// How many streams an account has at a time, in each world.
    pub per_account: usize,
    /// How long a reader may take nothing while something waits for it.
    pub patience: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { per_account: 2000, patience: Duration::from_secs(60) }
    }
}

/// An event as it is handed out: decoded once, shared by all who read it.
pub struct FeedItem {
    event: StoredEvent,
    /// About how many bytes it takes.
    size: usize,
    /// The line of the log that it is, if any: made by the first who shows it, for all.
    pub log_line: OnceLock<Option<LogLine>>,
    /// Everything that it means: made once in the same way.
    pub activity: OnceLock<Vec<ActivityPart>>,
}

/// One of the things that an event means.
pub struct ActivityPart {
    /// Which kind of thing.
    pub kind: &'static str,
    /// The JSON.
    pub json: Bytes,
}

/// A line of the log as it is sent.
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The JSON of the entry.
    pub json: Bytes,
}

impl FeedItem {
    /// An event that nobody has shown yet.
    pub fn new(event: StoredEvent, size: usize) -> Self {
        Self { event, size, log_line: OnceLock::new(), activity: OnceLock::new() }
    }
}

impl Deref for FeedItem {
    type Target = StoredEvent;

    fn deref(&self) -> &StoredEvent {
        &self.event
    }
}

/// Hands out what was committed. Clones are the same feed.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    limits: StreamLimits,
    registry: Mutex<Registry>,
}

/// Who follows what.
#[derive(Default)]
struct Registry {
    /// The place up to which events were handed out.
    position: i64,
    queues: HashMap<Tenant, Vec<Arc<Queue>>>,
    /// How many streams each tenant has, those included that do not follow anything yet.
    places: HashMap<Tenant, usize>,
    closed: bool,
}

impl Feed {
    /// Begins to hand out what is committed to a store, until that is closed or the guard dropped.
    pub fn start(store: Store, limits: StreamLimits) -> (Self, DropGuard) {
        let feed = Self { shared: Arc::new(Shared { store, limits, registry: Mutex::default() }) };
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(feed.clone().run()));
        (feed, stop.drop_guard())
    }

    /// Takes one of the places that a tenant has for streams. It is free again when what this returns is dropped.
    pub fn take_place(&self, tenant: &Tenant) -> AppResult<Place> {
        let limit = self.shared.limits.per_account;
        let mut registry = self.shared.registry();
        let taken = registry.places.entry(tenant.clone()).or_default();
        if *taken >= limit {
            let message = format!("the account has {limit} streams open, which is the most; close one first");
            let mut error = AppError::new(ErrorCode::RateLimited, message).with("limit", limit);
            error.retry_after = Some(5);
            return Err(error.with("retryAfter", 5));
        }
        *taken += 1;
        Ok(Place { feed: self.clone(), tenant: tenant.clone() })
    }

    async fn run(self) {
        let mut commits = self.shared.store.commits();
        loop {
            commits.mark_unchanged();
            match self.hand_out() {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => {
                    if commits.changed().await.is_err() {
                        break;
                    }
                }
                Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read");
                    // The next commit tries again; followers read from the store what they miss.
                    self.shared.registry().all_behind();
                    if commits.changed().await.is_err() {
                        break;
                    }
                }
            }
        }
        self.shared.registry().close();
    }

    /// Hands out the next events, and says whether there may be more.
    fn hand_out(&self) -> Result<bool, StoreError> {
        let position = {
            let registry = self.shared.registry();
            if registry.queues.is_empty() {
                return self.shared.store.read(|_| Ok(false));
            }
            registry.position
        };
        let committed = self.shared.store.read(|view| view.committed_after(position, BATCH_BYTES))?;
        let Some(last) = committed.last().map(|committed| committed.event.sequence) else { return Ok(false) };
        let mut registry = self.shared.registry();
        for committed in committed {
            let Some(queues) = registry.queues.get(&committed.tenant) else { continue };
            let item = Arc::new(FeedItem::new(committed.event, committed.size));
            for queue in queues.iter().filter(|queue| queue.filter.fits(&item)) {
                queue.push(&item, self.shared.limits.patience);
            }
        }
        registry.position = registry.position.max(last);
        Ok(true)
    }

    /// Follows a tenant's log from a place on.
    fn follow(&self, tenant: &Tenant, filter: &EventFilter) -> AppResult<Arc<Queue>> {
        let queue = Arc::new(Queue::new(filter.clone()));
        let mut registry = self.shared.registry();
        if registry.closed {
            return Err(StoreError::Closed.into());
        }
        if registry.queues.is_empty() {
            // Nobody followed, so nothing was handed out. What is committed by now, the new reader finds in the store.
            registry.position = self.shared.store.read(|view| view.last_sequence())?;
        }
        registry.queues.entry(tenant.clone()).or_default().push(queue.clone());
        Ok(queue)
    }
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

impl Registry {
    fn all_behind(&self) {
        for queue in self.queues.values().flatten() {
            queue.fall_behind();
        }
    }

    fn close(&mut self) {
        self.closed = true;
        for queue in self.queues.drain().flat_map(|(_, queues)| queues) {
            queue.close();
        }
    }
}

/// One of the places that a tenant has for streams.
pub struct Place {
    feed: Feed,
    tenant: Tenant,
}

impl Place {
    /// Whose place it is.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Follows what fits a filter.
    pub fn follow(self, filter: EventFilter) -> AppResult<Reader> {
        let queue = self.feed.follow(&self.tenant, &filter)?;
        Ok(Reader::new(self.feed.shared.store.clone(), self, queue, filter))
    }

    fn leave(&self, queue: &Arc<Queue>) {
        let mut registry = self.feed.shared.registry();
        if let Some(queues) = registry.queues.get_mut(&self.tenant) {
            queues.retain(|other| !Arc::ptr_eq(other, queue));
            if queues.is_empty() {
                registry.queues.remove(&self.tenant);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut registry = self.feed.shared.registry();
        if let Some(taken) = registry.places.get_mut(&self.tenant) {
            *taken -= 1;
            if *taken == 0 {
                registry.places.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;
