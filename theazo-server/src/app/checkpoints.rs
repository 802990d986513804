//! Checkpoints: points in an agent's work from which it can go on. Each is a snapshot that says how far the agent was.

use theazo_api::{
    AgentId, CheckpointCreateOpts, CheckpointData, CheckpointId, CheckpointListOpts, Page, SnapshotId, Timestamp,
};

use super::{
    Context,
    agents::{check_alive, find_agent},
    commands::AgentCommand,
    pages::page,
    snapshots::find_snapshot,
};
use crate::{
    error::{AppError, AppResult},
    records::AgentRecord,
    snapshots::SnapshotRecord,
    store::{Filter, NewJob, Tenant, Tx, View},
};

impl Context {
    /// Makes a checkpoint of an agent.
    pub async fn create_checkpoint(&self, agent_id: AgentId, opts: CheckpointCreateOpts) -> AppResult<CheckpointData> {
        self.command(agent_id, AgentCommand::Checkpoint(opts), check_alive).await
    }

    /// Lists the checkpoints of an agent.
    pub fn list_checkpoints(&self, agent_id: &AgentId, opts: &CheckpointListOpts) -> AppResult<Page<CheckpointData>> {
        self.app.store.read(|view| {
            find_agent(view, &self.tenant, agent_id)?;
            let filter = checkpoints_of(agent_id);
            let page = page::<SnapshotRecord>(view, &self.tenant, filter, opts.limit, opts.cursor.as_deref())?;
            page.try_map(|record| record.checkpoint().ok_or_else(|| AppError::internal("a checkpoint without a note")))
        })
    }
}

/// Which snapshots are the checkpoints of an agent.
pub(super) fn checkpoints_of(agent_id: &AgentId) -> Filter {
    Filter {
        agent_id: Some(agent_id.to_string()),
        statuses: vec![SnapshotRecord::CHECKPOINT.to_owned()],
        ..Filter::default()
    }
}

/// The checkpoint that an agent made last, if it has one.
pub fn last_checkpoint(view: &View<'_>, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Option<CheckpointData>> {
    let filter = Filter { limit: Some(1), ..checkpoints_of(agent_id) };
    let newest = view.list::<SnapshotRecord>(tenant, &filter)?.into_iter().next();
    Ok(newest.and_then(|(_, snapshot)| snapshot.checkpoint()))
}

/// Finds the snapshot of a checkpoint of an agent, or says that there is none.
pub fn find_checkpoint(
    view: &View<'_>,
    tenant: &Tenant,
    agent_id: &AgentId,
    id: &CheckpointId,
) -> AppResult<SnapshotRecord> {
    let none = || AppError::not_found("checkpoint", id.as_str(), CheckpointId::PREFIX);
    let suffix = id.as_str().strip_prefix(CheckpointId::PREFIX).ok_or_else(none)?;
    let snapshot = find_snapshot(view, tenant, &SnapshotId::from_suffix(suffix)).map_err(|_| none())?;
    if snapshot.agent_id != *agent_id || snapshot.note.is_none() {
        return Err(none());
    }
    Ok(snapshot)
}

/// Sets the timers of an agent that works for hours or days.
pub(super) fn begin_long_run(tx: &Tx<'_>, tenant: &Tenant, agent: &AgentRecord) -> AppResult<()> {
    let began = agent.data.created_at;
    if let Some(interval) = agent.checkpoint_interval() {
        tx.enqueue(tenant, &checkpoint_job(&agent.data.id, began.plus(interval)))?;
    }
    if let Some(life) = agent.long_running.as_ref().and_then(|opts| opts.max_duration) {
        let job = NewJob::about("agent-expire", "agent.expire", &agent.data.id, began.plus(life.0));
        tx.enqueue(tenant, &job)?;
    }
    Ok(())
}

/// The next time that an agent makes a checkpoint by itself.
pub fn checkpoint_job(agent_id: &AgentId, due_at: Timestamp) -> NewJob {
    NewJob::about("checkpoint", "agent.checkpoint", agent_id, due_at)
}
