//! A run, from its job to its end: sandbox, then model calls and tools by turns until the model has no more to ask.

use theazo_api::{AgentStatus, RunId, RunStatus};
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    artifacts::Workspace,
    journal::Journal,
    memory::{Memory, history_of},
    step::Step,
    timers::timeout_job,
};
use crate::{
    app::{find_agent, find_run},
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, RunRecord},
    spending::stop_meter,
    store::{Job, Tenant, Tx},
};

/// A run takes this many model calls at most; a model that never stops asking for tools is a bug or an attack.
const MAX_STEPS: u32 = 100;

impl Engine {
    /// Does a run, or what is left of it, or frees what it held if somebody ended it.
    pub(super) async fn run_job(&self, job: &Job) -> AppResult<()> {
        let (tenant, run_id) = (&job.tenant, RunId::from(job.subject.as_str()));
        let token = CancellationToken::new();
        self.runs().insert(run_id.to_string(), token.clone());
        let outcome = match self.begin(job, &run_id).await {
            // Only the work on a run that goes on is cut short: what frees an ended run must come to its end.
            Ok(Some((run, agent))) => token.run_until_cancelled(Box::pin(self.drive(tenant, run, agent))).await,
            Ok(None) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        self.runs().remove(run_id.as_str());
        match outcome {
            // Ended from outside: what it holds is free before its job is asked for again, which may wait its turn.
            None => self.begin(job, &run_id).await.map(drop),
            Some(Ok(())) => Ok(()),
            // The run has not failed: it goes on from its journal when the disk does.
            Some(Err(error)) if error.is_outage => Err(error),
            Some(Err(error)) => Box::pin(self.fail_run(job, &run_id, error)).await,
        }
    }

    async fn drive(&self, tenant: &Tenant, run: RunRecord, agent: AgentRecord) -> AppResult<()> {
        let run_id = &run.data.id;
        let agent_id = agent.data.id.clone();
        let sandbox = match self.ensure_sandbox(tenant, &agent_id).await {
            Ok(sandbox) => sandbox,
            Err(error) => return self.stop_or_fail(tenant, run_id, error).await,
        };
        // After a restart, or where a run begins in an agent that was idle.
        self.meter_agent(tenant, &agent_id).await.or_else(ignore_limit)?;
        // All that is in the sandbox of a one-shot agent is of its one run, whoever worked on it before.
        let before = if agent.one_shot { Workspace::default() } else { Workspace::of(&sandbox).await };
        let history = self.app.store.read(|view| history_of(view, tenant, &agent, &run))?;
        let mut journal = Journal::new(Memory::of(&agent.rewinds, i64::MAX));
        loop {
            let run_now = self.app.store.read(|view| {
                journal.read_on(view, tenant, run_id)?;
                find_run(view, tenant, run_id)
            })?;
            if run_now.data.status != RunStatus::Running {
                // Paused, or ended: whoever did that sees to what comes next.
                return Ok(());
            }
            if let Some(answer) = journal.answer.clone() {
                let produced = self.gather(&agent, &sandbox, &before, answer, run_now.reported).await;
                match self.complete_run(tenant, &run, &journal, produced).await? {
                    Step::Done => continue,
                    Step::Stopped => return Ok(()),
                }
            }
            if journal.step >= MAX_STEPS {
                let message = format!("the run took {MAX_STEPS} model calls without an answer");
                return Err(AppError::new(theazo_api::ErrorCode::ProviderError, message));
            }
            let step = if journal.pending.is_empty() {
                Box::pin(self.ask_model(tenant, &run, &agent, &history, &journal)).await?
            } else {
                Box::pin(self.call_tools(tenant, &run, &agent, &journal)).await?
            };
            if let Step::Stopped = step {
                return Ok(());
            }
        }
    }

    /// Marks a run as under way. Returns nothing if there is nothing to do, after freeing what an ended run holds.
    async fn begin(&self, job: &Job, run_id: &RunId) -> AppResult<Option<(RunRecord, AgentRecord)>> {
        let tenant = &job.tenant;
        let (clock, owner, id, held) = (self.app.clock.clone(), tenant.clone(), run_id.clone(), job.clone());
        let begun = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut run = find_run(tx, &owner, &id)?;
                let mut agent = find_agent(tx, &owner, &run.data.agent_id)?;
                // After a limit was raised a run is queued before its agent goes on. That will ask for its job again.
                let is_due = matches!(run.data.status, RunStatus::Queued | RunStatus::Running)
                    && agent.data.status != AgentStatus::Paused;
                if !is_due || !tx.is_held(&held)? {
                    return Ok::<_, AppError>((run, agent, None));
                }
                run.lease += 1;
                let is_first = run.data.started_at.is_none();
                let event = if is_first {
                    run.data.started_at = Some(now);
                    // Until now the sandbox stood idle: that is not the run's to pay.
                    let current = agent.current_run.take();
                    stop_meter(tx, &owner, &mut agent, now)?;
                    agent.current_run = current;
                    if let Some(job) = timeout_job(&run, now) {
                        tx.enqueue(&owner, &job)?;
                    }
                    Event::RunStarted {}
                } else {
                    Event::RunContinued { reason: "a worker took the run up again".to_owned() }
                };
                run.data.status = RunStatus::Running;
                tx.update(&owner, &run)?;
                tx.append(&owner, now, &run.scope(), &event)?;
                let is_idle = agent.data.status == AgentStatus::Ready;
                if is_idle {
                    agent.data.status = AgentStatus::Running;
                }
                if is_first || is_idle {
                    tx.update(&owner, &agent)?;
                }
                Ok((run, agent, Some(is_first)))
            })
            .await?;
        let (run, agent, taken) = begun;
        if let Some(is_first) = taken {
            // A run that has only begun has asked nothing yet.
            if !is_first {
                Box::pin(self.settle_lost_call(tenant, &run, &agent)).await?;
            }
            return Ok(Some((run, agent)));
        }
        if run.data.status.is_terminal() && agent.current_run.as_ref() == Some(run_id) {
            Box::pin(self.settle_lost_call(tenant, &run, &agent)).await?;
            Box::pin(self.free_agent(tenant, run_id)).await?;
        } else if run.data.status.is_terminal() && agent.has_ended() {
            // A process that died may have left the files.
            self.remove_sandbox(&agent.data.id).await;
        }
        Ok(None)
    }

    /// Writes what this worker found out about a run, as long as it has it. Once another took the run over, nothing is
    /// written and nothing returned.
    pub(super) async fn write_held<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        change: impl FnOnce(&Tx<'_>, RunRecord) -> AppResult<T> + Send + 'static,
    ) -> AppResult<Option<T>> {
        let (tenant, known) = (tenant.clone(), Lease::of(run));
        self.app.store.write(move |tx| known.find(tx, &tenant)?.map(|run| change(tx, run)).transpose()).await
    }

    /// As [`Engine::write_held`], for what was paid for or cannot be done again: however long the store does not work.
    pub(super) async fn write_held_at_last<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        change: impl Fn(&Tx<'_>, RunRecord) -> AppResult<T> + Clone + Send + 'static,
    ) -> AppResult<Option<T>> {
        let (tenant, known) = (tenant.clone(), Lease::of(run));
        self.write_at_last(move |tx| known.find(tx, &tenant)?.map(|run| change(tx, run)).transpose()).await
    }

    /// Appends what was done.
    pub(super) async fn append(&self, tenant: &Tenant, run: &RunRecord, event: Event) -> AppResult<()> {
        let (owner, now) = (tenant.clone(), self.app.clock.now());
        let append = move |tx: &Tx<'_>, run: RunRecord| Ok(tx.append(&owner, now, &run.scope(), &event).map(drop)?);
        self.write_held_at_last(tenant, run, append).await.map(drop)
    }

    /// Appends what is about to begin, unless the run was paused or ended since.
    pub(super) async fn append_if_running(&self, tenant: &Tenant, run: &RunRecord, event: Event) -> AppResult<bool> {
        let (owner, now) = (tenant.clone(), self.app.clock.now());
        let append = move |tx: &Tx<'_>, run: RunRecord| {
            let is_running = run.data.status == RunStatus::Running;
            if is_running {
                tx.append(&owner, now, &run.scope(), &event)?;
            }
            Ok(is_running)
        };
        Ok(self.write_held(tenant, run, append).await?.unwrap_or(false))
    }

    async fn stop_or_fail(&self, tenant: &Tenant, run_id: &RunId, error: AppError) -> AppResult<()> {
        let run = self.app.store.read(|view| find_run(view, tenant, run_id))?;
        // Paused by a limit, or ended, or asked to go on again since: whoever did that sees to what comes next.
        if run.data.status == RunStatus::Running { Err(error) } else { Ok(()) }
    }
}

/// A run as the worker has it that works on it.
#[derive(Clone)]
struct Lease {
    run_id: RunId,
    number: i64,
}

impl Lease {
    fn of(run: &RunRecord) -> Self {
        Self { run_id: run.data.id.clone(), number: run.lease }
    }

    /// The run, unless another worker has taken it over.
    fn find(&self, tx: &Tx<'_>, tenant: &Tenant) -> AppResult<Option<RunRecord>> {
        let run = find_run(tx, tenant, &self.run_id)?;
        Ok((run.lease == self.number).then_some(run))
    }
}

/// Whether an error says that a limit was reached, which has stopped the run already.
pub(super) fn is_limit(error: &AppError) -> bool {
    error.detail.code == theazo_api::ErrorCode::SessionLimitExceeded
}

fn ignore_limit(error: AppError) -> AppResult<()> {
    if is_limit(&error) { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use theazo_api::{
        CostLimit, Period, SessionCreateOpts, SessionId, SessionLimits, SessionLimitsUpdate, SessionRunOpts,
    };

    use super::*;
    use crate::{
        app::{Context, continue_run, run_job},
        config::PlaneConfig,
        plane::ControlPlane,
        store::World,
    };

    /// A run that stands at the limit of its session, which allows nothing.
    async fn run_at_its_limit(plane: &ControlPlane) -> (Context, SessionId, RunId) {
        let context = Context::of(plane.app(), &Tenant::new("acct_runs", World::Live));
        let max_cost = Some(CostLimit::cents(0, Period::Day));
        let limits = Some(SessionLimits { max_cost, ..SessionLimits::default() });
        let session = context.create_session(SessionCreateOpts { limits, ..SessionCreateOpts::default() });
        let session_id = session.await.expect("it is made").id;
        let opts = SessionRunOpts { agent: "writer".to_owned(), task: "write".to_owned(), ..SessionRunOpts::default() };
        let stopped = context.run_in_session(session_id.clone(), opts).await.expect_err("there is nothing to spend");
        let run_id = RunId::from(stopped.detail.details["runId"].as_str().expect("it says which run"));
        (context, session_id, run_id)
    }

    /// As after a crash between the two: its job is there, and its agent still stands at the limit.
    #[tokio::test]
    async fn a_run_whose_agent_has_not_been_told_yet_that_a_limit_was_raised_waits_for_it() {
        let plane = ControlPlane::start(PlaneConfig::test()).await.expect("it starts");
        let (context, session_id, run_id) = run_at_its_limit(&plane).await;
        let (app, tenant) = (context.app.clone(), context.tenant.clone());

        let (owner, id, now) = (tenant.clone(), run_id.clone(), app.clock.now());
        let mut commits = app.store.commits();
        let asked = app.store.write(move |tx| {
            continue_run(tx, &owner, &id, now)?;
            Ok::<_, AppError>(tx.enqueue(&owner, &run_job(&id, now))?)
        });
        asked.await.expect("the store works");
        while app.store.read(|view| view.is_pending(&run_job(&run_id, now).id)).expect("it is read") {
            commits.changed().await.expect("the store is open");
        }
        let run = app.store.read(|view| find_run(view, &tenant, &run_id)).expect("it is kept");
        assert_eq!((run.data.status, run.data.error), (RunStatus::Queued, None));

        let raised = SessionLimitsUpdate { max_cost: theazo_api::Patch::Clear, ..SessionLimitsUpdate::default() };
        context.update_session_limits(session_id, raised).await.expect("it is raised");
        context.wait_for_run(&run_id).await.expect("it goes on");
        plane.shutdown().await;
    }

    #[tokio::test]
    async fn a_run_that_waited_longer_than_its_job_is_remembered_goes_on() {
        let plane = ControlPlane::start(PlaneConfig::test()).await.expect("it starts");
        let (context, session_id, run_id) = run_at_its_limit(&plane).await;
        let (app, tenant) = (context.app.clone(), context.tenant.clone());

        let (owner, id, now) = (tenant.clone(), run_id.clone(), app.clock.now());
        let forgotten = app.store.write(move |tx| {
            let mut run = find_run(tx, &owner, &id)?;
            run.lease = 7;
            tx.update(&owner, &run)?;
            Ok::<_, AppError>(tx.forget(&run_job(&id, now).id)?)
        });
        forgotten.await.expect("the store works");
        let raised = SessionLimitsUpdate { max_cost: theazo_api::Patch::Clear, ..SessionLimitsUpdate::default() };
        context.update_session_limits(session_id, raised).await.expect("it is raised");

        context.wait_for_run(&run_id).await.expect("it goes on");
        let run = app.store.read(|view| find_run(view, &tenant, &run_id)).expect("it is kept");
        assert_eq!(run.lease, 8);
        plane.shutdown().await;
    }
}
