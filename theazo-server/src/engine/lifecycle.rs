//! What an agent does by itself: it tries a failed run again, and it pauses where it has nothing to do.

use std::time::Duration;

use theazo_api::{AgentFailureAction, AgentId, AgentStatus, ErrorCode, ErrorDetail, RunId, RunStatus, Timestamp};

use super::{Engine, limits::pause_agent};
use crate::{
    app::{AgentCommand, find_agent, find_run, run_job},
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PausedBy, RunRecord},
    snapshots::SnapshotCause,
    store::{NewJob, Tenant, Tx},
};

/// How often a failed run is tried again, where nobody says.
const DEFAULT_RETRIES: i64 = 2;

/// How long to wait before that, where nobody says.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Lets a failed run try again later from where it stands, if its agent is made so and it can help. What its journal has is
/// not done again.
pub(super) fn try_again(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &AgentRecord,
    run: &mut RunRecord,
    error: &AppError,
    now: Timestamp,
) -> AppResult<bool> {
    let Some(lifecycle) = &agent.lifecycle else { return Ok(false) };
    let retries = lifecycle.max_retries.unwrap_or(DEFAULT_RETRIES);
    let is_retried = lifecycle.on_failure == Some(AgentFailureAction::Retry) && run.retries < retries;
    if !is_retried || !can_help(error) {
        return Ok(false);
    }
    run.retries += 1;
    let delay = lifecycle.retry_delay.map_or(DEFAULT_RETRY_DELAY, |delay| delay.0);
    if run.data.status == RunStatus::Running {
        run.data.status = RunStatus::Queued;
        tx.enqueue(tenant, &retry_job(&run.data.id, now.plus(delay)))?;
    }
    tx.update(tenant, run)?;
    let event = Event::RunRetried {
        retry: run.retries,
        delay_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
        error: error.clone().into_detail(),
    };
    tx.append(tenant, now, &run.scope(), &event)?;
    Ok(true)
}

/// Whether what failed once may work another time. A limit, a conflict or a refusal stays what it is.
fn can_help(error: &AppError) -> bool {
    let code = &error.detail.code;
    matches!(
        code,
        ErrorCode::ProviderError
            | ErrorCode::NoProvidersAvailable
            | ErrorCode::RateLimited
            | ErrorCode::InternalError
            | ErrorCode::Interrupted
    )
}

fn retry_job(run_id: &RunId, due_at: Timestamp) -> NewJob {
    NewJob::about("retry", "run.retry", run_id, due_at)
}

/// Does with an agent whose run failed what it is made to do. Says whether it may go on to the next.
pub(super) fn after_failure(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    error: &ErrorDetail,
    now: Timestamp,
) -> AppResult<bool> {
    match agent.lifecycle.as_ref().and_then(|lifecycle| lifecycle.on_failure.as_ref()) {
        Some(AgentFailureAction::Terminate) => {
            agent.data.status = AgentStatus::Failed;
            tx.append(tenant, now, &agent.scope(), &Event::AgentFailed { error: error.clone() })?;
            tx.update(tenant, agent)?;
            Ok(false)
        }
        Some(AgentFailureAction::Pause) => {
            if agent.data.status != AgentStatus::Paused {
                pause_agent(tx, tenant, agent, PausedBy::Failure, None, now)?;
            }
            Ok(false)
        }
        _ => Ok(true),
    }
}

/// Notes that an agent has nothing to do from now on. The caller stores the agent.
pub(super) fn begin_idle(tx: &Tx<'_>, tenant: &Tenant, agent: &mut AgentRecord, now: Timestamp) -> AppResult<()> {
    let Some(limit) = agent.rests_after_idle() else { return Ok(()) };
    agent.idle_since = Some(now);
    Ok(tx.enqueue(tenant, &idle_job(&agent.data.id, now.plus(limit)))?)
}

/// Notes that an agent has done something, and has nothing more to do unless a run is under way.
pub(super) fn idle_again(tx: &Tx<'_>, tenant: &Tenant, agent: &mut AgentRecord, now: Timestamp) -> AppResult<()> {
    if agent.rests_after_idle().is_some() && agent.data.status == AgentStatus::Ready {
        begin_idle(tx, tenant, agent, now)?;
        tx.update(tenant, agent)?;
    }
    Ok(())
}

fn idle_job(agent_id: &AgentId, due_at: Timestamp) -> NewJob {
    NewJob::about("idle", "agent.idle", agent_id, due_at)
}

impl Engine {
    /// Notes that an agent has done something, where it pauses when it has nothing to do.
    pub(super) async fn note_idle(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<()> {
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        if agent.rests_after_idle().is_none() {
            return Ok(());
        }
        let (owner, id, clock) = (tenant.clone(), agent_id.clone(), self.app.clock.clone());
        let noted = self.app.store.write(move |tx| {
            let mut agent = find_agent(tx, &owner, &id)?;
            idle_again(tx, &owner, &mut agent, clock.now())
        });
        noted.await
    }

    /// Takes a run up again that failed.
    pub(super) async fn retry_run(&self, tenant: &Tenant, run_id: &str) -> AppResult<()> {
        let (owner, run_id, clock) = (tenant.clone(), RunId::from(run_id), self.app.clock.clone());
        let retried = self.app.store.write(move |tx| {
            // Paused, it goes on when its agent does.
            if find_run(tx, &owner, &run_id)?.data.status == RunStatus::Queued {
                tx.enqueue(&owner, &run_job(&run_id, clock.now()))?;
            }
            Ok(())
        });
        retried.await
    }

    /// Lets an agent rest that has had nothing to do for as long as it was made to wait: it is paused, or it hibernates.
    pub(super) async fn rest_idle(&self, tenant: &Tenant, agent_id: &str) -> AppResult<()> {
        let id = AgentId::from(agent_id);
        let (owner, agent_id, clock) = (tenant.clone(), id.clone(), self.app.clock.clone());
        match self.app.store.write(move |tx| begin_rest(tx, &owner, &agent_id, clock.now())).await? {
            Rest::None => Ok(()),
            Rest::Pause => self.put_to_sleep(tenant, &id).await.map(drop),
            Rest::Hibernate => self.hibernate(tenant, &id).await,
        }
    }

    /// Keeps the files of an agent that has nothing to do, and ends its sandbox. The next thing to do makes another.
    async fn hibernate(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<()> {
        if self.put_to_sleep(tenant, agent_id).await? {
            self.take_snapshot(tenant, agent_id, SnapshotCause::Pause, None).await?;
            self.end_asleep_sandbox(agent_id).await;
        }
        Ok(())
    }

    /// Lets the sandbox of an agent stand still that was paused because it had nothing to do. Says whether it still has nothing to
    /// do.
    async fn put_to_sleep(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<bool> {
        self.sandboxes.put_to_sleep(agent_id);
        // Whoever woke it before may use its sandbox by now; whoever wakes it from now on is noticed.
        let is_asleep = self.app.store.read(|view| find_agent(view, tenant, agent_id))?.is_asleep();
        if !is_asleep {
            self.sandboxes.keep_awake(agent_id);
        }
        self.align_sandbox(tenant, agent_id).await?;
        Ok(is_asleep)
    }
}

/// How an agent rests.
enum Rest {
    /// Not yet.
    None,
    /// Its sandbox stands still.
    Pause,
    /// Its sandbox goes.
    Hibernate,
}

fn begin_rest(tx: &Tx<'_>, tenant: &Tenant, id: &AgentId, now: Timestamp) -> AppResult<Rest> {
    let mut agent = find_agent(tx, tenant, id)?;
    let (Some(limit), Some(since)) = (agent.rests_after_idle(), agent.idle_since) else { return Ok(Rest::None) };
    let idle = now.since(since);
    if idle < limit {
        // It did something since this timer was set.
        tx.enqueue(tenant, &idle_job(id, since.plus(limit)))?;
        return Ok(Rest::None);
    }
    if !agent.is_asleep() {
        // The end of what is under way sets the timer again.
        let is_busy = agent.current_run.is_some() || tx.has_open_job(AgentCommand::WORK, id.as_str())?;
        if is_busy || agent.data.status != AgentStatus::Ready {
            return Ok(Rest::None);
        }
        pause_agent(tx, tenant, &mut agent, PausedBy::Idle, None, now)?;
    }
    match agent.hibernates_after_idle() {
        Some(limit) if idle >= limit => Ok(Rest::Hibernate),
        Some(limit) => {
            tx.enqueue(tenant, &idle_job(id, since.plus(limit)))?;
            Ok(Rest::Pause)
        }
        None => Ok(Rest::Pause),
    }
}
