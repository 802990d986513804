//! The worker: it leases jobs, holds sandboxes, runs the model loop, and keeps the meters and timers going.
//!
//! It meets the operations only in the primitives: jobs come from the queue, outcomes go to the store, and it learns from
//! the event log that a run was ended by somebody else.

mod commands;
mod journal;
mod limits;
mod outcome;
mod programs;
mod run;
mod sandboxes;
mod step;
mod timers;
mod tool_calls;
mod tools;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{AgentCommand, App},
    compute::Provider,
    error::{AppError, AppResult},
    model::Model,
    store::{Job, JobResult, Tenant, World},
};

pub use timers::TIMERS;
pub use tools::Toolbox;

use sandboxes::Sandboxes;

/// How many jobs a worker does at once. It bounds the memory that runs take; the rest wait in the queue.
const MAX_JOBS: usize = 512;

/// How long a job waits that the store refused to take further.
const POSTPONE: Duration = Duration::from_secs(1);

/// What a worker needs.
pub struct Engine {
    app: Arc<App>,
    providers: Vec<Arc<dyn Provider>>,
    live_model: Arc<dyn Model>,
    test_model: Arc<dyn Model>,
    toolbox: Toolbox,
    /// Where the files of sandboxes are kept.
    directory: PathBuf,
    sandboxes: Sandboxes,
    runs: Mutex<HashMap<String, CancellationToken>>,
    owner: String,
}

/// A worker that runs.
pub struct Worker {
    engine: Arc<Engine>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    /// A worker's parts.
    pub fn new(
        app: Arc<App>,
        providers: Vec<Arc<dyn Provider>>,
        live_model: Arc<dyn Model>,
        test_model: Arc<dyn Model>,
        toolbox: Toolbox,
        directory: PathBuf,
    ) -> Arc<Self> {
        let owner = format!("worker-{}", crate::random::id_suffix(app.clock.now()));
        Arc::new(Self {
            app,
            providers,
            live_model,
            test_model,
            toolbox,
            directory,
            sandboxes: Sandboxes::default(),
            runs: Mutex::default(),
            owner,
        })
    }

    /// Takes over what a dead worker left, and begins to work.
    pub async fn start(self: Arc<Self>) -> AppResult<Worker> {
        self.recover().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Read before the first job is leased, so that no ending is missed.
        let seen = self.app.store.read(|view| Ok::<_, AppError>(view.last_sequence()?))?;
        tasks.spawn(stop.clone().run_until_cancelled_owned(self.clone().watch_endings(seen)));
        tasks.spawn(self.clone().lease_jobs(stop.clone(), tasks.clone()));
        Ok(Worker { engine: self, stop, tasks })
    }

    /// The store has one plane at a time, so whoever had leases before is gone.
    async fn recover(&self) -> AppResult<()> {
        let owner = self.owner.clone();
        let app = self.app.clone();
        let released = self.app.store.write(move |tx| {
            for (tenant, mut agent) in
                tx.list_everywhere::<crate::records::AgentRecord>(&["booting", "ready", "running", "paused"])?
            {
                // Since its last tick nobody knows how long the sandbox ran: that is not charged.
                if let Some(meter) = agent.meter.take() {
                    tx.settle(&meter.reservation, 0, 0)?;
                    tx.update(&tenant, &agent)?;
                }
            }
            // It belongs to no account.
            tx.enqueue(&Tenant::new("", World::Live), &timers::maintenance_job(app.clock.now()))?;
            Ok::<_, AppError>(tx.release_leases(&owner)?)
        });
        let released = released.await?;
        if released > 0 {
            tracing::info!(jobs = released, "continuing what another process left");
        }
        Ok(())
    }

    async fn lease_jobs(self: Arc<Self>, stop: CancellationToken, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_JOBS));
        let mut commits = self.app.store.commits();
        loop {
            // A job that ends commits before it frees its place, so the place is what is waited for.
            tokio::select! {
                () = stop.cancelled() => return,
                free = places.acquire() => drop(free),
            }
            commits.mark_unchanged();
            let (jobs, next_due) = match self.lease_due(places.available_permits()).await {
                Ok(leased) => leased,
                Err(error) => {
                    tracing::error!(%error, "cannot lease jobs");
                    (Vec::new(), None)
                }
            };
            let idle = jobs.is_empty();
            for job in jobs {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let engine = self.clone();
                let stop = stop.clone();
                tasks.spawn(async move {
                    // A job that is stopped stays leased: the next process takes it over.
                    stop.run_until_cancelled_owned(engine.work_or_give_up(job)).await;
                    drop(place);
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
                    changed = commits.changed() => if changed.is_err() { return },
                    () = due => {}
                }
            } else if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn lease_due(&self, places: usize) -> AppResult<(Vec<Job>, Option<theazo_api::Timestamp>)> {
        let now = self.app.clock.now();
        let next_due = self.app.store.read(|view| Ok::<_, AppError>(view.next_due()?))?;
        let limit = i64::try_from(places).unwrap_or(i64::MAX);
        match next_due {
            Some(time) if time <= now => {
                let owner = self.owner.clone();
                let jobs = self.app.store.write(move |tx| Ok::<_, AppError>(tx.lease_due(&owner, now, limit)?)).await?;
                Ok((jobs, None))
            }
            next_due => Ok((Vec::new(), next_due)),
        }
    }

    /// Does a job. A bug that panics ends what the job was for, so that nobody waits for it for ever.
    async fn work_or_give_up(self: Arc<Self>, job: Job) {
        let work = AssertUnwindSafe(self.clone().work(job.clone())).catch_unwind().await;
        if work.is_ok() {
            return;
        }
        let error = AppError::internal(format!("the job `{}` of kind `{}` panicked", job.id, job.kind));
        if job.kind == "run" {
            let run_id = theazo_api::RunId::from(job.subject.as_str());
            if let Err(error) = self.fail_run(&job.tenant, &run_id, error.clone()).await {
                tracing::error!(%error, "a run whose job panicked cannot be ended");
            }
        }
        self.finish(&job, (job.kind == AgentCommand::JOB).then_some(Err(error))).await;
    }

    async fn finish(&self, job: &Job, result: Option<JobResult>) {
        let id = job.id.clone();
        let finished = self.app.store.write(move |tx| Ok::<_, AppError>(tx.finish(&id, result.as_ref())?)).await;
        if let Err(error) = finished {
            tracing::error!(job = %job.id, %error, "a job's end cannot be stored");
            self.postpone(job).await;
        }
    }

    /// Gives back a job that the store refused to take further, for example because the disk is full.
    async fn postpone(&self, job: &Job) {
        loop {
            // The machine's own time: a disk that fills up and empties does not follow a test's clock.
            tokio::time::sleep(POSTPONE).await;
            let (id, now) = (job.id.clone(), self.app.clock.now());
            if self.app.store.write(move |tx| Ok::<_, AppError>(tx.postpone(&id, now)?)).await.is_ok() {
                return;
            }
        }
    }

    async fn work(self: Arc<Self>, job: Job) {
        let tenant = job.tenant.clone();
        let result = match job.kind.as_str() {
            "run" => match self.run_job(&tenant, &job.subject).await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(run = job.subject, %error, "a run's outcome cannot be stored");
                    return self.postpone(&job).await;
                }
            },
            AgentCommand::JOB => match self.command(&job).await {
                commands::Done::Finished => return,
                commands::Done::Outcome(outcome) => Some(outcome),
            },
            "plane.maintain" => {
                self.maintain(&tenant).await;
                None
            }
            "agent.meter" => {
                self.tick_meter(&tenant, &job.subject).await;
                None
            }
            "session.expire" => {
                self.expire_session(&tenant, &job.subject).await;
                None
            }
            "run.timeout" => {
                self.time_out_run(&tenant, &job.subject, &job.payload).await;
                None
            }
            kind => {
                tracing::error!(kind, "a job of an unknown kind");
                None
            }
        };
        self.finish(&job, result).await;
    }

    /// Stops the work on runs that somebody ended. `seen` is the place in the log after which it looks.
    async fn watch_endings(self: Arc<Self>, mut seen: i64) {
        let mut commits = self.app.store.commits();
        loop {
            commits.mark_unchanged();
            let kinds = ["run.cancelled", "run.failed"];
            // The place first: what comes between the two is looked at once more. Without it every commit would read
            // the log from the last ending on.
            let read = self.app.store.read(|view| {
                let newest = view.last_sequence()?;
                Ok::<_, AppError>((newest, view.events_everywhere(seen, &kinds)?))
            });
            match read {
                Ok((newest, events)) => {
                    seen = newest;
                    for stored in events {
                        if let Some(token) = self.runs().get(&stored.scope.run_id) {
                            token.cancel();
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "cannot read the event log"),
            }
            if commits.changed().await.is_err() {
                return;
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn provider(&self, name: &str) -> AppResult<&Arc<dyn Provider>> {
        self.providers
            .iter()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| AppError::internal(format!("the provider `{name}` of an agent is not here")))
    }

    fn model(&self, tenant: &Tenant) -> &Arc<dyn Model> {
        match tenant.world() {
            World::Live => &self.live_model,
            World::Test => &self.test_model,
        }
    }
}

impl Worker {
    /// Stops: work in hand is left for the next process, and every sandbox ends.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for provider in &self.engine.providers {
            provider.shutdown().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
