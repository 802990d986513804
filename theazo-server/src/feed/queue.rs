//! What waits for one reader: little, and never more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::FeedItem;
use crate::{locks::lock, store::EventFilter};

/// How many bytes of events wait at most. One event that is larger waits alone.
pub const MAX_BYTES: usize = 256 << 10;

/// How many events wait at most.
const MAX_EVENTS: usize = 1024;

/// The events that wait for one reader.
pub struct Queue {
    /// Which events the reader wants. The place in it is where the reader began.
    pub filter: EventFilter,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    mode: Mode,
    waiting: VecDeque<Arc<FeedItem>>,
    bytes: usize,
    /// Since when something waits that the reader has not asked for; a reader that asks is alive.
    ignored_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Events are put into the queue.
    Live,
    /// Events are left to the store.
    Behind,
    /// The reader took nothing for so long.
    Dropped,
    /// Nothing comes any more.
    Closed,
}

/// What a reader finds.
pub enum Found {
    /// These, or nothing yet.
    Events(VecDeque<Arc<FeedItem>>),
    /// It is behind: what it lacks is in the store. From now on events are put into the queue again.
    Behind,
    /// It was given up.
    Dropped,
    /// Nothing comes any more.
    Closed,
}

impl Queue {
    /// The queue of a reader that has read nothing yet.
    pub fn new(filter: EventFilter) -> Self {
        let state = State { mode: Mode::Behind, waiting: VecDeque::new(), bytes: 0, ignored_since: None };
        Self { filter, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Puts an event into the queue, or leaves it to the store.
    pub fn push(&self, item: &Arc<FeedItem>, patience: Duration) {
        let mut state = self.state();
        let ignored_since = *state.ignored_since.get_or_insert_with(Instant::now);
        match state.mode {
            Mode::Dropped | Mode::Closed => return,
            _ if ignored_since.elapsed() > patience => state.leave_to_store(Mode::Dropped),
            Mode::Behind => {}
            Mode::Live => {
                let is_full = state.waiting.len() >= MAX_EVENTS || state.bytes + item.size > MAX_BYTES;
                if is_full && !state.waiting.is_empty() {
                    state.leave_to_store(Mode::Behind);
                } else {
                    state.bytes += item.size;
                    state.waiting.push_back(item.clone());
                }
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// What waits.
    pub fn take(&self) -> Found {
        let mut state = self.state();
        state.ignored_since = None;
        match state.mode {
            Mode::Closed => Found::Closed,
            Mode::Dropped => Found::Dropped,
            Mode::Behind => {
                state.mode = Mode::Live;
                Found::Behind
            }
            Mode::Live => {
                state.bytes = 0;
                Found::Events(std::mem::take(&mut state.waiting))
            }
        }
    }

    /// Leaves what comes to the store until the reader has caught up.
    pub fn fall_behind(&self) {
        let mut state = self.state();
        if state.mode == Mode::Live {
            state.leave_to_store(Mode::Behind);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Says that nothing comes any more.
    pub fn close(&self) {
        self.state().leave_to_store(Mode::Closed);
        self.changed.notify_one();
    }

    /// Returns when something may have changed since [`Queue::take`].
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many bytes wait.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn leave_to_store(&mut self, mode: Mode) {
        self.mode = mode;
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }
}
