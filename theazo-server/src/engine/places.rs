//! Places of jobs. A job that works holds one, which bounds what a worker does at once. One that only waits, for a program or
//! a model, gives its place back meanwhile: however many wait, what is short is not held up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many jobs may wait without a place. It bounds the memory that they take; beyond it, those that wait keep their places.
const WAITING: usize = 4096;

tokio::task_local! {
    /// The place of the job that this task does.
    static PLACE: Arc<Place>;
}

/// The places of one kind of jobs.
#[derive(Clone)]
pub(super) struct Places {
    inside: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Places {
    pub fn new(count: usize) -> Self {
        Self { inside: Arc::new(Semaphore::new(count)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.inside.available_permits()
    }

    /// Waits until one is free.
    pub async fn wait(&self) {
        drop(self.inside.acquire().await);
    }

    /// Takes one for a job.
    pub async fn take(&self) -> Arc<Place> {
        let held = self.inside.clone().acquire_owned().await.ok();
        Arc::new(Place { places: self.clone(), held: Mutex::new(Held { inside: held, waiting: None, waits: 0 }) })
    }
}

/// What a job holds.
pub(super) struct Place {
    places: Places,
    held: Mutex<Held>,
}

struct Held {
    inside: Option<OwnedSemaphorePermit>,
    waiting: Option<OwnedSemaphorePermit>,
    /// How many things the job waits for, side by side.
    waits: usize,
}

impl Place {
    /// Does the job of this place.
    pub async fn hold<T>(self: Arc<Self>, job: impl Future<Output = T>) -> T {
        PLACE.scope(self, job).await
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step_out(&self) -> Outside<'_> {
        let mut held = self.held();
        held.waits += 1;
        if held.waiting.is_none()
            && let Ok(waiting) = self.places.waiting.clone().try_acquire_owned()
        {
            (held.inside, held.waiting) = (None, Some(waiting));
        }
        Outside(self)
    }

    async fn step_in(&self) {
        // A job that waits for something else yet works on without a place: that is little.
        if self.held().waits > 0 || self.held().waiting.is_none() {
            return;
        }
        let inside = self.places.inside.clone().acquire_owned().await.ok();
        let mut held = self.held();
        // Others of the same job may have stepped out meanwhile, or in.
        if held.waits == 0 && held.inside.is_none() {
            (held.inside, held.waiting) = (inside, None);
        }
    }
}

/// Something that a job waits for.
struct Outside<'a>(&'a Place);

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.held().waits -= 1;
    }
}

/// Waits for what others do, without a place.
pub(super) async fn without_place<T>(work: impl Future<Output = T>) -> T {
    let Ok(place) = PLACE.try_with(Arc::clone) else { return work.await };
    let outside = place.step_out();
    let done = work.await;
    drop(outside);
    place.step_in().await;
    done
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn who_waits_holds_no_place_and_takes_one_to_go_on() {
        let places = Places::new(1);
        let (end, ended) = oneshot::channel::<()>();
        let place = places.take().await;
        assert_eq!(places.free(), 0);
        let job = tokio::spawn(place.hold(async {
            without_place(async { ended.await.expect("it is told") }).await;
            "done"
        }));
        // The one place is free again while the job waits, and another job takes it.
        let other = tokio::time::timeout(Duration::from_secs(60), places.take()).await.expect("there is room");

        end.send(()).expect("it listens");
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!job.is_finished(), "there is no place for it to go on");
        drop(other);

        assert_eq!(job.await.expect("it ends"), "done");
        assert_eq!(places.free(), 1);
    }

    #[tokio::test]
    async fn a_job_that_waits_for_two_things_goes_back_when_both_are_done() {
        let places = Places::new(1);
        let (end, ended) = oneshot::channel::<()>();
        let (first, free) = (without_place(async {}), places.clone());
        let job = places.take().await.hold(async {
            tokio::join!(first, without_place(async { ended.await.expect("it is told") }), async {
                yield_now().await;
                assert_eq!(free.free(), 1);
                end.send(()).expect("it listens");
            });
            free.free()
        });

        assert_eq!(job.await, 0);
        assert_eq!(places.free(), 1);
    }

    #[tokio::test]
    async fn where_too_many_wait_already_a_job_keeps_its_place() {
        let places = Places::new(1);
        let _all =
            places.waiting.clone().try_acquire_many_owned(u32::try_from(WAITING).unwrap()).expect("all are free");
        let (place, free) = (places.take().await, places.clone());

        assert_eq!(place.hold(without_place(async move { free.free() })).await, 0);
    }

    #[tokio::test]
    async fn a_job_that_is_dropped_while_it_waits_leaves_no_place_taken() {
        let places = Places::new(1);
        let mut job = Box::pin(places.take().await.hold(without_place(std::future::pending::<()>())));
        assert!(futures_util::poll!(job.as_mut()).is_pending());

        drop(job);

        assert_eq!((places.free(), places.waiting.available_permits()), (1, WAITING));
    }
}
