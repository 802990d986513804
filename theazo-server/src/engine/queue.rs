//! The queue, as a worker takes from it: jobs are leased as they come due, each lane into places of its own.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use theazo_api::Timestamp;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, places::Places};
use crate::{
    app::AgentCommand,
    error::{AppError, AppResult},
    store::{Job, JobResult, Lane, Topic, Tx},
};

/// How many runs and programs a worker works on at once, beside those that wait for a program or a model to end. The rest
/// wait in the queue.
const WORK_PLACES: usize = 512;

/// How many short jobs a worker does at once.
const CONTROL_PLACES: usize = 64;

/// How long what the store refused waits until it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets some time pass while the store does not work. It is the machine's own: a disk that fills up and empties does not
/// follow a test's clock.
pub(super) async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

fn places_of(lane: Lane) -> usize {
    match lane {
        Lane::Work => WORK_PLACES,
        Lane::Control => CONTROL_PLACES,
    }
}

impl Engine {
    pub(super) async fn lease_jobs(self: Arc<Self>, lane: Lane, stop: CancellationToken, tasks: TaskTracker) {
        let places = Places::new(places_of(lane));
        let queued = self.app.store.commits_about(&[Topic::Queue(lane)]);
        loop {
            // A job that ends commits before it frees its place, so the place is what is waited for.
            tokio::select! {
                () = stop.cancelled() => return,
                () = places.wait() => {}
            }
            let (jobs, next_due) = match self.lease_due(lane, places.free()).await {
                Ok(leased) => leased,
                Err(error) => {
                    tracing::error!(%error, "cannot lease jobs");
                    // What is due stays due, and there may be no commit that tells of it again.
                    stop.run_until_cancelled(pause()).await;
                    continue;
                }
            };
            let idle = jobs.is_empty();
            for job in jobs {
                let place = places.take().await;
                let engine = self.clone();
                let stop = stop.clone();
                tasks.spawn(async move {
                    // A job that is stopped stays leased: the next process takes it over.
                    let work = Box::pin(place.hold(engine.work_or_give_up(job)));
                    stop.run_until_cancelled_owned(work).await;
                });
            }
            if idle {
                let clock = self.app.clock.clone();
                let due = async {
                    match next_due {
                        Some(time) => clock.reached(time).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = queued.changed() => {}
                    () = due => {}
                }
            } else if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn lease_due(&self, lane: Lane, places: usize) -> AppResult<(Vec<Job>, Option<Timestamp>)> {
        let now = self.app.clock.now();
        let next_due = self.app.store.read(|view| Ok::<_, AppError>(view.next_due(lane)?))?;
        let limit = i64::try_from(places).unwrap_or(i64::MAX);
        match next_due {
            Some(time) if time <= now => {
                let owner = self.owner.clone();
                let lease = move |tx: &Tx<'_>| Ok::<_, AppError>(tx.lease_due(lane, &owner, now, limit)?);
                Ok((self.app.store.write(lease).await?, None))
            }
            next_due => Ok((Vec::new(), next_due)),
        }
    }

    /// Does a job. A bug that panics ends what the job was for, so that nobody waits for it for ever.
    async fn work_or_give_up(self: Arc<Self>, job: Job) {
        let work = AssertUnwindSafe(Box::pin(self.clone().work(job.clone()))).catch_unwind().await;
        if work.is_ok() {
            return;
        }
        let error = AppError::internal(format!("the job `{}` of kind `{}` panicked", job.id, job.kind));
        if job.kind == "run" {
            let run_id = theazo_api::RunId::from(job.subject.as_str());
            if let Err(error) = Box::pin(self.fail_run(&job, &run_id, error.clone())).await {
                tracing::error!(%error, "a run whose job panicked cannot be ended");
            }
        }
        if AgentCommand::is_job(&job.kind) {
            self.note_lost_exec(&job, &error).await;
        }
        self.finish(&job, AgentCommand::is_job(&job.kind).then_some(Err(error))).await;
    }

    /// Stores that a job is done, and what came of it, as soon as the store takes it: who did it is the only one who knows.
    pub(super) async fn finish(&self, job: &Job, result: Option<JobResult>) {
        let (ended, result) = (job.clone(), Arc::new(result));
        let finish = move |tx: &Tx<'_>| Ok(tx.finish(&ended, result.as_ref().as_ref())?);
        match self.write_at_last(finish).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job = %job.id, "another worker has a job that this one did"),
            Err(error) => {
                tracing::error!(job = %job.id, %error, "a job's end cannot be stored");
                self.postpone(job).await;
            }
        }
    }

    /// Writes what nobody else could write again, however long the store does not work.
    pub(super) async fn write_at_last<T: Send + 'static>(
        &self,
        change: impl Fn(&Tx<'_>) -> AppResult<T> + Clone + Send + 'static,
    ) -> AppResult<T> {
        loop {
            match self.app.store.write(change.clone()).await {
                Err(error) if error.is_outage => pause().await,
                outcome => return outcome,
            }
        }
    }

    /// Gives a job back, to be done at another time.
    pub(super) async fn postpone(&self, job: &Job) {
        pause().await;
        let (given_back, now) = (job.clone(), self.app.clock.now());
        if let Err(error) = self.write_at_last(move |tx| Ok(tx.postpone(&given_back, now)?)).await {
            tracing::error!(job = %job.id, %error, "a job cannot be given back; the next process takes it over");
        }
    }
}
