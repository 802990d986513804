//! A reader of the feed: the store first, until it has caught up, then its queue.

use std::sync::Arc;

use super::{BATCH_BYTES, FeedItem, Place, queue::Found, queue::Queue};
use crate::store::{EventFilter, Store, StoreError};

/// How many events are read from the store at once.
const BATCH: i64 = 500;

/// Follows a tenant's log: every event that fits, once, in order.
pub struct Reader {
    store: Store,
    place: Place,
    queue: Arc<Queue>,
    /// Which events; its place is that of the last one that was given.
    filter: EventFilter,
    catching_up: bool,
}

/// What a reader gets.
pub enum Next {
    /// Events, at least one.
    Events(Vec<Arc<FeedItem>>),
    /// The reader took nothing for too long and was given up.
    Dropped,
    /// The plane stops.
    Closed,
}

impl Reader {
    pub(super) fn new(store: Store, place: Place, queue: Arc<Queue>, filter: EventFilter) -> Self {
        let filter = EventFilter { limit: Some(BATCH), bytes: Some(BATCH_BYTES), ..filter };
        Self { store, place, queue, filter, catching_up: true }
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Next, StoreError> {
        loop {
            match self.queue.take() {
                Found::Closed => return Ok(Next::Closed),
                Found::Dropped => return Ok(Next::Dropped),
                Found::Behind => self.catching_up = true,
                // While it catches up, what the queue has is in the store too.
                Found::Events(_) if self.catching_up => {}
                Found::Events(waiting) => {
                    let after = self.filter.after;
                    let events: Vec<_> = waiting.into_iter().filter(|event| event.sequence > after).collect();
                    if let Some(last) = events.last() {
                        self.filter.after = last.sequence;
                        return Ok(Next::Events(events));
                    }
                }
            }
            if self.catching_up {
                let events = match self.store.read(|view| view.events(self.place.tenant(), &self.filter)) {
                    Err(StoreError::Closed) => return Ok(Next::Closed),
                    read => read?,
                };
                if let Some(last) = events.last() {
                    self.filter.after = last.sequence;
                    // Nobody else reads them, so their size counts nowhere.
                    return Ok(Next::Events(
                        events.into_iter().map(|event| Arc::new(FeedItem::new(event, 0))).collect(),
                    ));
                }
                self.catching_up = false;
            } else {
                self.queue.changed().await;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.place.leave(&self.queue);
    }
}
