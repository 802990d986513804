//! Agents.

use serde::{Deserialize, Serialize};
use theazo_api::{
    AgentCreateOpts, AgentData, AgentId, AgentListFilters, AgentStatus, AgentStatusInfo, ComputeChoice, ComputeRuntime,
    Cost, ErrorCode, ModelChoice, Page, ResumeOpts, SessionAgentListFilters, SessionId, SessionStatus, Snapshot,
    Timestamp, size::parse_size, time::human_duration,
};

use super::{
    Context,
    blueprint::Blueprint,
    checkpoints::{begin_long_run, find_checkpoint},
    commands::AgentCommand,
    credentials::check_named_secrets,
    pages::{page, require},
    sessions::{active_agents, find_session},
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    random,
    records::{AgentRecord, PausedBy, SessionRecord},
    store::{Filter, Tenant, Tx, UsageOf, View},
};

impl Context {
    /// Creates an agent and waits until its sandbox is ready.
    pub async fn create_agent(&self, session_id: SessionId, opts: AgentCreateOpts) -> AppResult<AgentData> {
        let new = self.agent_with(&session_id, opts)?;
        let context = self.clone();
        let created = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let agent = add_agent(tx, &context.tenant, &session_id, new, now)?;
                    let job = AgentCommand::Boot.enqueue(tx, &context.tenant, &agent, now)?;
                    Ok((agent.data.id, job))
                })
            })
            .await?;
        let (agent_id, job) = self.replayable(created);
        self.wait_for_job(&job).await?;
        self.get_agent(&agent_id)
    }

    /// Fetches an agent.
    pub fn get_agent(&self, id: &AgentId) -> AppResult<AgentData> {
        self.app.store.read(|view| Ok(find_agent(view, &self.tenant, id)?.data))
    }

    /// Lists the agents of a session.
    pub fn list_session_agents(
        &self,
        session_id: &SessionId,
        filters: SessionAgentListFilters,
    ) -> AppResult<Page<AgentData>> {
        self.app.store.read(|view| find_session(view, &self.tenant, session_id))?;
        let SessionAgentListFilters { status, provider, compute, limit, cursor } = filters;
        let session_id = Some(session_id.clone());
        self.list_agents(AgentListFilters { status, provider, compute, session_id, limit, cursor })
    }

    /// Lists agents.
    pub fn list_agents(&self, filters: AgentListFilters) -> AppResult<Page<AgentData>> {
        let mut members = Vec::new();
        if let Some(provider) = &filters.provider {
            members.push(("$.data.provider", provider.clone()));
        }
        if let Some(compute) = &filters.compute {
            members.push(("$.data.compute", compute.to_string()));
        }
        let filter = Filter {
            session_id: filters.session_id.as_ref().map(ToString::to_string),
            statuses: filters.status.iter().map(ToString::to_string).collect(),
            members,
            ..Filter::default()
        };
        self.app.store.read(|view| {
            let page = page::<AgentRecord>(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            Ok(page.map(|record| record.data))
        })
    }

    /// Reports the state of an agent.
    pub fn agent_status(&self, id: &AgentId) -> AppResult<AgentStatusInfo> {
        self.app.store.read(|view| {
            let agent = find_agent(view, &self.tenant, id)?;
            let totals = view.usage(&self.tenant, UsageOf::Agent(id.as_str()))?;
            Ok(AgentStatusInfo {
                status: agent.data.status,
                duration: human_duration(self.app.clock.now().since(agent.data.created_at)),
                cost: Cost::from_micro_cents(totals.total()),
                task: agent.task,
                provider: agent.data.provider,
                region: agent.data.region,
            })
        })
    }

    /// Pauses an agent.
    pub async fn pause_agent(&self, id: AgentId) -> AppResult<Snapshot> {
        self.command(id, AgentCommand::Pause { by: PausedBy::Caller }, |agent| {
            check_alive(agent)?;
            if agent.data.status == AgentStatus::Paused && !agent.is_asleep() {
                return Err(AppError::conflict(format!("the agent `{}` is paused already", agent.data.id)));
            }
            Ok(())
        })
        .await
    }

    /// Resumes an agent.
    pub async fn resume_agent(&self, id: AgentId, opts: ResumeOpts) -> AppResult<AgentData> {
        if let Some(checkpoint) = &opts.checkpoint {
            self.app.store.read(|view| find_checkpoint(view, &self.tenant, &id, checkpoint))?;
        }
        let asked = opts.provider.clone();
        self.command(id, AgentCommand::Resume { by: PausedBy::Caller, opts }, move |agent| {
            check_alive(agent)?;
            if asked.is_some_and(|provider| provider != agent.data.provider) {
                let problem = format!("must be `{}`, which has the agent's files, or be left out", agent.data.provider);
                return Err(AppError::invalid_field("provider", problem));
            }
            if agent.data.status != AgentStatus::Paused {
                return Err(AppError::conflict(format!("the agent `{}` is not paused", agent.data.id)));
            }
            Ok(())
        })
        .await
    }

    /// Runs the last failed task of an agent again.
    pub async fn retry_agent(&self, id: AgentId) -> AppResult<AgentData> {
        self.retry_last_run(id.clone()).await?;
        self.get_agent(&id)
    }

    /// Ends an agent.
    pub async fn terminate_agent(&self, id: AgentId) -> AppResult<AgentData> {
        self.command(id, AgentCommand::Terminate, |_| Ok(())).await
    }
}

/// What an agent is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAgent {
    /// Its provider.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Whether it ends with its one run.
    pub one_shot: bool,
    /// What it is made from.
    pub blueprint: Blueprint,
}

/// Refuses the form that names a compute provider of the caller's own: this version does not serve it, and half of what was
/// asked for is not what was asked for.
pub(super) fn refuse_own_providers(opts: &AgentCreateOpts) -> AppResult<()> {
    if matches!(opts.compute, Some(ComputeChoice::Config(_))) {
        let message = "an object as `compute` is part of the API, but this version does not serve it";
        return Err(AppError::new(ErrorCode::NotImplemented, message).with("field", "compute"));
    }
    Ok(())
}

/// Adds an agent to a session, if its limits allow one more.
pub(super) fn add_agent(
    tx: &Tx<'_>,
    tenant: &Tenant,
    session_id: &SessionId,
    new: NewAgent,
    now: Timestamp,
) -> AppResult<AgentRecord> {
    let session = find_session(tx, tenant, session_id)?;
    check_session(&session)?;
    check_room(tx, tenant, &session)?;
    check_named_secrets(tx, tenant, session_id, new.blueprint.opts.secrets.as_deref())?;
    let NewAgent { provider, model, one_shot, blueprint } = new;
    let Blueprint { opts, definition, temperature, max_output_tokens } = blueprint;
    let (definition_id, definition_version) = definition.map(|pin| (pin.id, pin.version)).unzip();
    let data = AgentData {
        id: AgentId::from_suffix(random::id_suffix(now)),
        session_id: session_id.clone(),
        user_id: session.data.user_id.clone(),
        name: opts.name.unwrap_or_else(|| "agent".to_owned()),
        status: AgentStatus::Booting,
        definition_id,
        definition_version,
        provider: provider.clone(),
        compute: opts.compute.as_ref().and_then(ComputeChoice::runtime).cloned().unwrap_or(ComputeRuntime::Python),
        model,
        browser: opts.browser.unwrap_or(false),
        region: opts.region.unwrap_or_else(|| "local".to_owned()),
        isolation: None,
        created_at: now,
    };
    let model_config = match opts.model {
        Some(ModelChoice::Config(config)) => Some(config),
        _ => None,
    };
    let agent = AgentRecord {
        data,
        model_config,
        temperature,
        max_output_tokens,
        instructions: opts.instructions,
        tools: opts.tools,
        secrets: opts.secrets,
        timeout_ms: opts.timeout.map(|timeout| i64::try_from(timeout.0.as_millis()).unwrap_or(i64::MAX)),
        cost_cap: opts.cost_cap.map(|cost| cost.to_micro_cents()),
        one_shot,
        paused_by: None,
        task: String::new(),
        current_run: None,
        progress: None,
        network: opts.network,
        storage: opts.storage.as_deref().and_then(|size| parse_size(size).ok()),
        meter: None,
        lifecycle: opts.lifecycle,
        long_running: opts.long_running.filter(|opts| opts.long_running.unwrap_or(true)),
        checkpoint: None,
        rewinds: Vec::new(),
        idle_since: None,
        input_files_up_to: 0,
        guardrails: opts.guardrails,
        origin: None,
        ports: Vec::new(),
    };
    tx.insert(tenant, &agent)?;
    begin_long_run(tx, tenant, &agent)?;
    let event = Event::AgentCreated { name: agent.data.name.clone(), provider };
    tx.append(tenant, now, &agent.scope(), &event)?;
    Ok(agent)
}

/// Refuses one more agent than `maxAgents` allows.
pub fn check_room(view: &View<'_>, tenant: &Tenant, session: &SessionRecord) -> AppResult<()> {
    let Some(limit) = session.data.limits.max_agents else { return Ok(()) };
    let used = active_agents(view, tenant, &session.data.id)?;
    if used < limit {
        return Ok(());
    }
    let message = format!("the limit `maxAgents` of {limit} is reached: {used} agents are neither paused nor ended");
    let error = AppError::new(ErrorCode::SessionLimitExceeded, message);
    Err(error.with("limit", "maxAgents").with("value", limit).with("used", used))
}

/// Refuses work in a session that is paused or has ended.
pub fn check_session(session: &SessionRecord) -> AppResult<()> {
    let id = &session.data.id;
    match session.data.status {
        SessionStatus::Paused => Err(AppError::conflict(format!("the session `{id}` is paused; resume it first"))),
        SessionStatus::Terminated => Err(AppError::conflict(format!("the session `{id}` has ended"))),
        _ => Ok(()),
    }
}

/// Finds an agent or says that there is none.
pub fn find_agent(view: &View<'_>, tenant: &Tenant, id: &AgentId) -> AppResult<AgentRecord> {
    require(view, tenant, id.as_str(), AgentId::PREFIX)
}

pub(super) fn check_alive(agent: &AgentRecord) -> AppResult<()> {
    if agent.has_ended() {
        return Err(AppError::conflict(format!("the agent `{}` has ended", agent.data.id)));
    }
    Ok(())
}

/// Refuses what a paused or ended agent cannot do.
pub(super) fn check_usable(agent: &AgentRecord) -> AppResult<()> {
    check_alive(agent)?;
    if agent.data.status == AgentStatus::Paused && !agent.is_asleep() {
        return Err(AppError::conflict(format!("the agent `{}` is paused; resume it first", agent.data.id)));
    }
    Ok(())
}

/// Lets an agent go on that paused because it had nothing to do. Its sandbox goes on when it is used.
pub(super) fn wake(tx: &Tx<'_>, tenant: &Tenant, agent: &mut AgentRecord, now: Timestamp) -> AppResult<()> {
    if !agent.is_asleep() {
        return Ok(());
    }
    let session = find_session(tx, tenant, &agent.data.session_id)?;
    check_session(&session)?;
    check_room(tx, tenant, &session)?;
    agent.data.status = AgentStatus::Ready;
    agent.paused_by = None;
    tx.update(tenant, agent)?;
    tx.append(tenant, now, &agent.scope(), &Event::AgentResumed {})?;
    Ok(())
}
