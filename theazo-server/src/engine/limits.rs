//! What happens when a limit is reached: the session's agents stand still, and their runs wait.

use theazo_api::{AgentId, AgentStatus, RunStatus};

use super::Engine;
use crate::{
    app::{RunEnd, end_run, find_run, find_session},
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PausedBy},
    spending::{RUN_LIMIT, stop_meter},
    store::{Filter, Shortfall, Tenant, Tx},
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
        now: theazo_api::Timestamp,
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
    now: theazo_api::Timestamp,
) -> AppResult<()> {
    stop_meter(tx, tenant, agent, now)?;
    agent.data.status = AgentStatus::Paused;
    agent.paused_by = Some(by);
    tx.update(tenant, agent)?;
    let reason = match by {
        PausedBy::Caller => "asked for",
        PausedBy::Session => "its session was paused",
        PausedBy::Limit => "a limit was reached",
    };
    tx.append(tenant, now, &agent.scope(), &Event::AgentPaused { reason: reason.to_owned() })?;
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

impl Engine {
    /// Stops the sandboxes of agents that reached a limit, and returns the error that tells of it.
    pub(super) async fn freeze(&self, tenant: &Tenant, stopped: Stopped) -> AppError {
        for agent_id in &stopped.agents {
            if let Err(error) = self.align_sandbox(tenant, agent_id).await {
                tracing::warn!(agent = %agent_id, %error, "a sandbox could not be paused at a limit");
            }
        }
        stopped.error
    }
}
