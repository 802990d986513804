//! What happens when a limit is reached: the session's agents stand still, and their runs wait.

use theazo_api::{AgentId, AgentStatus, RunStatus, SessionId, SessionStatus, Timestamp};

use super::Engine;
use crate::{
    app::{RunEnd, change_session, end_run, find_run, find_session, look_at_tasks, resume_after_limit},
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PausedBy, SessionRecord},
    spending::{PauseForBudget, RUN_LIMIT, renewed_at, stop_meter},
    store::{Filter, Job, NewJob, Shortfall, StoreError, Tenant, Tx},
};

/// The agents that were stopped, and why.
pub(super) struct Stopped {
    agents: Vec<AgentId>,
    error: AppError,
}

impl Stopped {
    /// Stops what `shortfall` stops: one run at its own limit, or every agent of the session at the session's.
    pub fn at(
        tx: &Tx<'_>,
        tenant: &Tenant,
        agent: &AgentRecord,
        shortfall: &Shortfall,
        now: Timestamp,
    ) -> AppResult<Self> {
        let error = AppError::limit_exceeded(shortfall);
        if shortfall.limit == RUN_LIMIT {
            if let Some(run_id) = &agent.current_run {
                let mut run = find_run(tx, tenant, run_id)?;
                end_run(tx, tenant, &mut run, RunEnd::Failed(error.clone().into_detail()), now)?;
            }
            return Ok(Self { agents: Vec::new(), error });
        }
        let session = find_session(tx, tenant, &agent.data.session_id)?;
        let event = Event::SessionLimitReached { error: error.clone().into_detail() };
        tx.append(tenant, now, &session.scope(), &event)?;
        let filter = Filter {
            session_id: Some(session.data.id.to_string()),
            statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(),
            ..Filter::default()
        };
        let mut agents = Vec::new();
        for (_, mut agent) in tx.list::<AgentRecord>(tenant, &filter)? {
            pause_agent(tx, tenant, &mut agent, PausedBy::Limit, Some(&error), now)?;
            agents.push(agent.data.id);
        }
        if let Some(time) = renewed_at(&shortfall.scope, now) {
            tx.enqueue(tenant, &renewal_job(&session.data.id, time))?;
        }
        Ok(Self { agents, error })
    }
}

/// Writes that an agent and its run stand still. Its sandbox is stopped afterwards.
pub(super) fn pause_agent(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    by: PausedBy,
    error: Option<&AppError>,
    now: Timestamp,
) -> AppResult<()> {
    stop_meter(tx, tenant, agent, now)?;
    agent.data.status = AgentStatus::Paused;
    agent.paused_by = Some(by);
    tx.update(tenant, agent)?;
    let reason = match by {
        PausedBy::Caller => "asked for",
        PausedBy::Session => "its session was paused",
        PausedBy::Limit => "a limit was reached",
        PausedBy::Failure => "a run failed",
        PausedBy::Idle => "it had nothing to do",
        PausedBy::Loss => "its sandbox was lost",
    };
    tx.append(tenant, now, &agent.scope(), &Event::AgentPaused { reason: reason.to_owned() })?;
    // One that is paused leaves its place to another.
    look_at_tasks(tx, tenant, &agent.data.session_id, now)?;
    let Some(run_id) = &agent.current_run else { return Ok(()) };
    let mut run = find_run(tx, tenant, run_id)?;
    if !run.data.status.is_terminal() {
        run.data.status = RunStatus::Paused;
        run.data.error = error.map(|error| error.clone().into_detail());
        tx.update(tenant, &run)?;
        tx.append(tenant, now, &run.scope(), &Event::RunPaused { error: run.data.error.clone() })?;
    }
    Ok(())
}

/// The time at which what stands at a limit goes on, because the budget begins anew.
fn renewal_job(session_id: &SessionId, due_at: Timestamp) -> NewJob {
    NewJob::about("renew", "session.renew", session_id, due_at)
}

impl Engine {
    /// Lets the agents of a session go on that stand at a limit whose period is over. If another one holds they pause again.
    pub(super) async fn renew_session(&self, tenant: &Tenant, session_id: &str) -> AppResult<()> {
        let (clock, tenant, session_id) = (self.app.clock.clone(), tenant.clone(), SessionId::from(session_id));
        let renewed = self.app.store.write(move |tx| {
            let session = find_session(tx, &tenant, &session_id)?;
            // A session that was paused looks at its limits when it is resumed.
            if session.data.status == SessionStatus::Active {
                resume_after_limit(tx, &tenant, &session, clock.now())?;
            }
            Ok(())
        });
        renewed.await
    }

    /// Stops the sandboxes of agents that reached a limit, and returns the error that tells of it.
    pub(super) async fn freeze(&self, tenant: &Tenant, stopped: Stopped) -> AppError {
        for agent_id in &stopped.agents {
            if let Err(error) = self.align_sandbox(tenant, agent_id).await {
                tracing::warn!(agent = %agent_id, %error, "a sandbox could not be paused at a limit");
            }
        }
        stopped.error
    }

    /// Pauses the sessions that the alert of a budget is to pause, one by one: an account may have many.
    pub(super) async fn pause_for_budget(&self, job: &Job) -> AppResult<()> {
        let whose = serde_json::from_value(job.payload.clone()).map_err(AppError::internal)?;
        let active = |user_id| Filter { user_id, statuses: vec!["active".to_owned()], ..Filter::default() };
        let list = |filter: Filter| {
            let found = self.app.store.read(|view| view.list::<SessionRecord>(&job.tenant, &filter));
            found.map(|found| found.into_iter().map(|(_, session)| session.data.id).collect())
        };
        let listed: Result<Vec<SessionId>, StoreError> = match whose {
            PauseForBudget::All => list(active(None)),
            PauseForBudget::User(user_id) => list(active(Some(user_id))),
            PauseForBudget::Session(id) => Ok(vec![SessionId::from(id)]),
        };
        for session_id in listed? {
            let (clock, tenant) = (self.app.clock.clone(), job.tenant.clone());
            let paused = self.app.store.write(move |tx| {
                // It may have ended since.
                let session = find_session(tx, &tenant, &session_id)?;
                if session.data.status == SessionStatus::Active {
                    change_session(tx, &tenant, &session_id, SessionStatus::Paused, clock.now())?;
                }
                Ok::<_, AppError>(())
            });
            paused.await?;
        }
        Ok(())
    }
}
