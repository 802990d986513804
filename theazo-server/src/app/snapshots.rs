//! Snapshots of agents' files, and agents that begin with one.

use theazo_api::{
    AgentData, AgentId, AgentStatus, Page, SessionId, Snapshot, SnapshotForkOpts, SnapshotId, SnapshotListOpts,
    Timestamp,
};

use super::{
    Context,
    agents::{check_room, check_session, find_agent},
    checkpoints::begin_long_run,
    commands::AgentCommand,
    pages::{page, require},
    sessions::find_session,
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    random,
    records::AgentRecord,
    snapshots::{ForkOrigin, SnapshotRecord},
    store::{Filter, NewJob, Tenant, Tx, View},
};

impl Context {
    /// Lists the snapshots of an agent.
    pub fn list_snapshots(&self, agent_id: &AgentId, opts: &SnapshotListOpts) -> AppResult<Page<Snapshot>> {
        self.app.store.read(|view| {
            find_agent(view, &self.tenant, agent_id)?;
            let filter = Filter {
                agent_id: Some(agent_id.to_string()),
                statuses: SnapshotRecord::KEPT.map(str::to_owned).to_vec(),
                ..Filter::default()
            };
            let page = page::<SnapshotRecord>(view, &self.tenant, filter, opts.limit, opts.cursor.as_deref())?;
            Ok(page.map(|record| record.data()))
        })
    }

    /// Creates an agent that begins with a snapshot, and waits until its sandbox is ready.
    pub async fn fork_snapshot(
        &self,
        agent_id: AgentId,
        snapshot_id: SnapshotId,
        opts: SnapshotForkOpts,
    ) -> AppResult<AgentData> {
        let context = self.clone();
        let forked = self.app.store.write(move |tx| {
            let now = context.app.clock.now();
            tx.once(&context.tenant, context.claim.as_ref(), now, || {
                let agent = fork(tx, &context.tenant, &agent_id, &snapshot_id, opts, now)?;
                let job = AgentCommand::Boot.enqueue(tx, &context.tenant, &agent, now)?;
                Ok((agent.data.id, job))
            })
        });
        let (agent_id, job) = self.replayable(forked.await?);
        self.wait_for_job(&job).await?;
        self.get_agent(&agent_id)
    }
}

fn fork(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent_id: &AgentId,
    snapshot_id: &SnapshotId,
    opts: SnapshotForkOpts,
    now: Timestamp,
) -> AppResult<AgentRecord> {
    let original = find_agent(tx, tenant, agent_id)?;
    let snapshot = find_snapshot(tx, tenant, snapshot_id)?;
    if snapshot.agent_id != *agent_id {
        return Err(no_snapshot(snapshot_id));
    }
    if opts.provider.is_some_and(|provider| provider != snapshot.provider) {
        let problem = format!("must be `{}`, which keeps the snapshot, or be left out", snapshot.provider);
        return Err(AppError::invalid_field("provider", problem));
    }
    let session = find_session(tx, tenant, &original.data.session_id)?;
    check_session(&session)?;
    check_room(tx, tenant, &session)?;
    let data = AgentData {
        id: AgentId::from_suffix(random::id_suffix(now)),
        name: opts.name.unwrap_or_else(|| original.data.name.clone()),
        status: AgentStatus::Booting,
        region: opts.region.unwrap_or_else(|| original.data.region.clone()),
        isolation: None,
        created_at: now,
        ..original.data.clone()
    };
    let origin = ForkOrigin {
        snapshot_id: snapshot.id.clone(),
        agent_id: original.data.id.clone(),
        sequence: snapshot.sequence,
    };
    let agent = AgentRecord {
        data,
        one_shot: false,
        paused_by: None,
        task: String::new(),
        current_run: None,
        idle_since: None,
        progress: None,
        checkpoint: None,
        rewinds: Vec::new(),
        input_files_up_to: snapshot.input_files_up_to,
        meter: None,
        ports: Vec::new(),
        origin: Some(origin),
        ..original
    };
    tx.insert(tenant, &agent)?;
    begin_long_run(tx, tenant, &agent)?;
    let event = Event::AgentCreated { name: agent.data.name.clone(), provider: agent.data.provider.clone() };
    tx.append(tenant, now, &agent.scope(), &event)?;
    let event = Event::AgentForked { agent_id: agent_id.clone(), snapshot_id: snapshot_id.clone() };
    tx.append(tenant, now, &agent.scope(), &event)?;
    Ok(agent)
}

/// Finds a snapshot that is kept, or says that there is none.
pub fn find_snapshot(view: &View<'_>, tenant: &Tenant, id: &SnapshotId) -> AppResult<SnapshotRecord> {
    let snapshot: SnapshotRecord = require(view, tenant, id.as_str(), SnapshotId::PREFIX)?;
    if snapshot.deleted_at.is_some() {
        return Err(no_snapshot(id));
    }
    Ok(snapshot)
}

fn no_snapshot(id: &SnapshotId) -> AppError {
    AppError::not_found("snapshot", id.as_str(), SnapshotId::PREFIX)
}

/// The job that removes the snapshots of a session when it has ended.
pub fn remove_snapshots_job(session_id: &SessionId, now: Timestamp) -> NewJob {
    NewJob::about("snapshots", "session.remove_snapshots", session_id, now)
}
