//! What each commit is about, so that whoever waits is woken by what concerns it and by nothing else.
//!
//! A change notes its topics as it writes, and they are told once it is committed. A topic is kept as its hash: two that
//! share one wake each other for nothing, and whoever is woken looks for itself anyway.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::{Lane, Tx};
use crate::locks::lock;

/// Something that a commit can be about.
#[derive(Debug, Clone, Copy, Hash)]
pub enum Topic<'a> {
    /// The document with this id.
    Document(&'a str),
    /// The job with this id.
    Job(&'a str),
    /// The jobs of a lane: there may be one to lease.
    Queue(Lane),
    /// Events of this kind.
    Events(&'static str),
}

impl Topic<'_> {
    fn key(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// The topics of a change that is not committed yet.
pub(super) type Noted = RefCell<Vec<u64>>;

impl Tx<'_> {
    /// Notes that this change is about a topic.
    pub(super) fn note(&self, topic: Topic<'_>) {
        self.noted.borrow_mut().push(topic.key());
    }
}

/// Who waits for which topics.
#[derive(Default)]
pub(super) struct Topics {
    waiting: Mutex<HashMap<u64, Vec<Arc<Notify>>>>,
}

impl Topics {
    pub(super) fn wait_for(self: &Arc<Self>, topics: &[Topic<'_>]) -> Waiter {
        let keys: Vec<u64> = topics.iter().map(|topic| topic.key()).collect();
        let woken = Arc::new(Notify::new());
        let mut waiting = lock(&self.waiting);
        for key in &keys {
            waiting.entry(*key).or_default().push(woken.clone());
        }
        Waiter { topics: self.clone(), keys, woken }
    }

    /// Wakes those who wait for one of these.
    pub(super) fn tell(&self, topics: &[u64]) {
        let waiting = lock(&self.waiting);
        for woken in topics.iter().filter_map(|key| waiting.get(key)).flatten() {
            woken.notify_one();
        }
    }

    /// Wakes everybody: the store is closed.
    pub(super) fn tell_all(&self) {
        for woken in lock(&self.waiting).values().flatten() {
            woken.notify_one();
        }
    }
}

/// Waits for commits about some topics. What was committed since it was made is not missed: look first, then wait.
pub struct Waiter {
    topics: Arc<Topics>,
    keys: Vec<u64>,
    woken: Arc<Notify>,
}

impl Waiter {
    /// Waits until something was committed about one of the topics since the last time, or the store was closed.
    pub async fn changed(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = lock(&self.topics.waiting);
        for key in &self.keys {
            if let Some(all) = waiting.get_mut(key) {
                all.retain(|other| !Arc::ptr_eq(other, &self.woken));
                if all.is_empty() {
                    waiting.remove(key);
                }
            }
        }
    }
}
