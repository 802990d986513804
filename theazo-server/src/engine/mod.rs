//! The worker: it leases jobs, holds sandboxes, runs the model loop, and keeps the meters and timers going.
//!
//! It meets the operations only in the primitives: jobs come from the queue, outcomes go to the store, and it learns from
//! the event log that a run was ended by somebody else.

mod answer;
mod artifacts;
mod bridge;
mod browser;
mod checkpoints;
mod commands;
mod environment;
mod execs;
mod files;
mod guardrails;
mod hiding;
mod input_files;
mod journal;
mod lifecycle;
mod limits;
mod memory;
mod outcome;
mod places;
mod ports;
mod programs;
mod queue;
mod reach;
mod redaction;
mod retention;
mod retry;
mod run;
mod sandboxes;
mod snapshots;
mod step;
mod timers;
mod tool_calls;
mod tools;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use theazo_api::AgentId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{AgentCommand, App},
    compute::Provider,
    error::{AppError, AppResult},
    gateway::Gateway,
    spending::{PauseForBudget, STORAGE_TIMER},
    store::{Amounts, Job, Lane, Tenant, Topic, World},
};

pub use browser::Browser;
pub use timers::TIMERS;
pub use tools::Toolbox;

use bridge::Bridges;
use hiding::Masks;
use ports::Forwards;
use programs::Programs;
use sandboxes::Sandboxes;

/// What a worker needs.
pub struct Engine {
    app: Arc<App>,
    providers: Vec<Arc<dyn Provider>>,
    toolbox: Toolbox,
    /// Where the files of sandboxes are kept.
    directory: PathBuf,
    sandboxes: Arc<Sandboxes>,
    forwards: Forwards,
    gateway: Arc<dyn Gateway>,
    bridges: Bridges,
    /// What runs in them.
    programs: Programs,
    /// What must be hidden of what their programs print.
    masks: Masks,
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
        toolbox: Toolbox,
        gateway: Arc<dyn Gateway>,
        directory: PathBuf,
    ) -> Arc<Self> {
        let owner = format!("worker-{}", crate::random::id_suffix(app.clock.now()));
        Arc::new(Self {
            app,
            providers,
            toolbox,
            directory,
            sandboxes: Arc::default(),
            forwards: Forwards::default(),
            gateway,
            bridges: Bridges::default(),
            programs: Programs::default(),
            masks: Masks::default(),
            runs: Mutex::default(),
            owner,
        })
    }

    /// Takes over what a dead worker left, and begins to work.
    pub async fn start(self: Arc<Self>) -> AppResult<Worker> {
        self.recover().await?;
        self.revoke_all_bridges().await?;
        self.sweep_snapshots().await?;
        self.sweep_browsers().await;
        self.reopen_ports().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Read before the first job is leased, so that no ending is missed.
        let seen = self.app.store.read(|view| Ok::<_, AppError>(view.last_sequence()?))?;
        tasks.spawn(stop.clone().run_until_cancelled_owned(self.clone().watch_endings(seen)));
        for lane in [Lane::Work, Lane::Control] {
            tasks.spawn(self.clone().lease_jobs(lane, stop.clone(), tasks.clone()));
        }
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
                    tx.settle(&meter.reservation, Amounts::default())?;
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

    async fn work(self: Arc<Self>, job: Job) {
        let tenant = job.tenant.clone();
        // The long ones are put on the heap: a task is as large as the largest that it may become, and is moved as it starts.
        let done = match job.kind.as_str() {
            "run" => Box::pin(self.run_job(&job)).await,
            AgentCommand::WORK | AgentCommand::CONTROL => match Box::pin(self.command(&job)).await {
                commands::Done::Finished => return,
                // Nobody is told that the plane's own disk failed as long as it can be done later.
                commands::Done::Outcome(Err(error)) if error.is_outage => Err(error),
                commands::Done::Outcome(outcome) => return self.finish(&job, Some(outcome)).await,
            },
            PauseForBudget::JOB => self.pause_for_budget(&job).await,
            "plane.maintain" => self.maintain_and_prune(&tenant).await,
            "agent.meter" => self.tick_meter(&tenant, &job.subject).await,
            STORAGE_TIMER => self.charge_storage(&tenant).await,
            "session.remove_snapshots" => self.remove_session_snapshots(&tenant, &job.subject).await,
            "session.expire" => self.expire_session(&tenant, &job.subject).await,
            "session.renew" => self.renew_session(&tenant, &job.subject).await,
            "session.tasks" => self.start_tasks(&tenant, &job.subject).await,
            "run.retry" => self.retry_run(&tenant, &job.subject).await,
            "agent.checkpoint" => self.checkpoint_in_time(&tenant, &job.subject).await,
            "agent.expire" => Box::pin(self.terminate(&tenant, &AgentId::from(job.subject.as_str()))).await.map(drop),
            "agent.idle" => self.rest_idle(&tenant, &job.subject).await,
            "run.timeout" => self.time_out_run(&tenant, &job.subject, &job.payload).await,
            kind => Err(AppError::internal(format!("there are no jobs of the kind `{kind}`"))),
        };
        let Err(error) = done else { return self.finish(&job, None).await };
        tracing::error!(job = %job.id, kind = job.kind, subject = job.subject, %error, "a job could not be done");
        // What is lost with these is money, work or room, so they are not given up whatever the reason.
        let is_kept = matches!(job.kind.as_str(), "run" | STORAGE_TIMER | "session.remove_snapshots" | "agent.expire");
        if error.is_outage || is_kept { self.postpone(&job).await } else { self.finish(&job, None).await }
    }

    /// Stops the work on runs that somebody ended. `seen` is the place in the log after which it looks.
    async fn watch_endings(self: Arc<Self>, mut seen: i64) {
        let kinds = ["run.cancelled", "run.failed"];
        let endings = self.app.store.commits_about(&kinds.map(Topic::Events));
        loop {
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
                Err(error) => {
                    tracing::error!(%error, "cannot read the event log");
                    // The end that it has not seen may be the last commit for a long time.
                    queue::pause().await;
                    continue;
                }
            }
            endings.changed().await;
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
}

impl Worker {
    /// Stops: work in hand is left for the next process, and every sandbox ends.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.engine.forwards.close();
        self.engine.bridges.close();
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
