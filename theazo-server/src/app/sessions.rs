//! Sessions.

use std::time::Duration;

use serde_json::json;
use theazo_api::{
    CostLimitStatus, DurationInput, DurationLimitStatus, Environment, JobId, LimitStatus, LimitsStatus,
    MICRO_CENTS_PER_CENT, MinutesLimitStatus, Page, SessionCreateOpts, SessionData, SessionForUserOpts, SessionId,
    SessionLimitsUpdate, SessionListFilters, SessionStatus, UsageReport, check::Problems, round_to_cents,
};

use super::{
    Context,
    commands::{AgentCommand, run_commands},
    pages::{page, require},
    runs::continue_run,
    secrets::forget_secrets_of,
    session_providers::AskedProviders,
    snapshots::remove_snapshots_job,
    task_queue::look_at_tasks,
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    random,
    records::{AgentRecord, PausedBy, SessionRecord},
    spending::{compute_scope, cost_parts, payer_scope},
    store::{Filter, NewJob, Tenant, Tx, UsageOf, View},
};

impl Context {
    /// Creates a session.
    pub async fn create_session(&self, opts: SessionCreateOpts) -> AppResult<SessionData> {
        let context = self.clone();
        let created = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let SessionCreateOpts { compute, models, providers_digest, .. } = &opts;
                    let providers = AskedProviders::new(compute.clone(), models.clone(), providers_digest.clone())?;
                    context.add_session(tx, opts, providers)
                })
            })
            .await?;
        Ok(self.replayable(created))
    }

    /// Returns the session that a user has, or creates it.
    pub async fn session_for_user(&self, user_id: String, opts: SessionForUserOpts) -> AppResult<SessionData> {
        let mut problems = Problems::default();
        theazo_api::sessions::check_user_id(&user_id, &mut problems);
        problems.into_result().map_err(|found| AppError::invalid_fields(&found))?;
        let filter = Filter {
            user_id: Some(user_id.clone()),
            statuses: vec!["active".to_owned(), "paused".to_owned()],
            limit: Some(1),
            ..Filter::default()
        };
        let SessionForUserOpts { environment, limits, metadata, compute, models, providers_digest } = opts;
        let providers = AskedProviders::new(compute, models, providers_digest)?;
        let existing = |view: &View<'_>, tenant: &Tenant| -> AppResult<Option<SessionRecord>> {
            let found = view.list::<SessionRecord>(tenant, &filter)?;
            Ok(found.into_iter().next().map(|(_, record)| record))
        };
        // Most calls find the session as it should be, so the write comes only after a look.
        if let Some(record) = self.app.store.read(|view| existing(view, &self.tenant))?
            && providers.are_those_of(&record)?
        {
            return Ok(record.data);
        }
        let context = self.clone();
        let filter = filter.clone();
        self.app
            .store
            .write(move |tx| {
                let found = tx.list::<SessionRecord>(&context.tenant, &filter)?;
                if let Some((_, mut record)) = found.into_iter().next() {
                    context.seal_providers(tx, &mut record, providers, context.app.clock.now())?;
                    tx.update(&context.tenant, &record)?;
                    return Ok(record.data);
                }
                let opts = SessionCreateOpts {
                    user_id: Some(user_id),
                    environment,
                    limits,
                    metadata,
                    ..SessionCreateOpts::default()
                };
                context.add_session(tx, opts, providers)
            })
            .await
    }

    fn add_session(&self, tx: &Tx<'_>, opts: SessionCreateOpts, providers: AskedProviders) -> AppResult<SessionData> {
        let now = self.app.clock.now();
        let data = SessionData {
            id: SessionId::from_suffix(random::id_suffix(now)),
            user_id: opts.user_id.unwrap_or_default(),
            status: SessionStatus::Active,
            environment: opts.environment.unwrap_or(Environment::Production),
            metadata: opts.metadata.unwrap_or_default(),
            limits: opts.limits.unwrap_or_default(),
            providers_digest: None,
            created_at: now,
            paused_at: None,
            terminated_at: None,
        };
        let mut record = SessionRecord { data, providers: None };
        self.seal_providers(tx, &mut record, providers, now)?;
        tx.insert(&self.tenant, &record)?;
        tx.append(&self.tenant, now, &record.scope(), &Event::SessionCreated {})?;
        if let Some(job) = expiry_job(&record) {
            tx.enqueue(&self.tenant, &job)?;
        }
        Ok(record.data)
    }

    /// Fetches a session.
    pub fn get_session(&self, id: &SessionId) -> AppResult<SessionData> {
        self.app.store.read(|view| Ok(find_session(view, &self.tenant, id)?.data))
    }

    /// Lists sessions.
    pub fn list_sessions(&self, filters: &SessionListFilters) -> AppResult<Page<SessionData>> {
        let filter = Filter {
            statuses: filters.status.iter().map(ToString::to_string).collect(),
            created_after: filters.created_after,
            ..Filter::default()
        };
        self.app.store.read(|view| {
            let page = page::<SessionRecord>(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            Ok(page.map(|record| record.data))
        })
    }

    /// Changes limits, and lets runs go on that wait at one that was raised.
    pub async fn update_session_limits(&self, id: SessionId, changes: SessionLimitsUpdate) -> AppResult<SessionData> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                let mut record = find_session(tx, &context.tenant, &id)?;
                if record.data.status == SessionStatus::Terminated {
                    return Err(AppError::conflict(format!("the session `{id}` has ended")));
                }
                record.data.limits = changes.apply(&record.data.limits);
                tx.update(&context.tenant, &record)?;
                let limits = record.data.limits.clone();
                tx.append(&context.tenant, now, &record.scope(), &Event::LimitsUpdated { limits })?;
                if !changes.max_duration.is_keep() {
                    tx.dequeue(&expiry_job_id(&record))?;
                    if let Some(job) = expiry_job(&record) {
                        tx.enqueue(&context.tenant, &job)?;
                    }
                }
                if record.data.status == SessionStatus::Active {
                    resume_after_limit(tx, &context.tenant, &record, now)?;
                    look_at_tasks(tx, &context.tenant, &id, now)?;
                }
                Ok(record.data)
            })
            .await
    }

    /// Pauses a session and its agents.
    pub async fn pause_session(&self, id: SessionId) -> AppResult<SessionData> {
        self.change_session(id, SessionStatus::Paused).await
    }

    /// Resumes a session and the agents that were paused with it.
    pub async fn resume_session(&self, id: SessionId) -> AppResult<SessionData> {
        self.change_session(id, SessionStatus::Active).await
    }

    /// Ends a session and its agents.
    pub async fn terminate_session(&self, id: SessionId) -> AppResult<SessionData> {
        self.change_session(id, SessionStatus::Terminated).await
    }

    async fn change_session(&self, id: SessionId, wanted: SessionStatus) -> AppResult<SessionData> {
        let (clock, tenant) = (self.app.clock.clone(), self.tenant.clone());
        let changed = self.app.store.write(move |tx| change_session(tx, &tenant, &id, wanted, clock.now()));
        let (data, jobs) = changed.await?;
        run_commands(self, jobs).await?;
        Ok(data)
    }

    /// Reports what a session used.
    pub fn session_usage(&self, id: &SessionId) -> AppResult<UsageReport> {
        self.app.store.read(|view| {
            find_session(view, &self.tenant, id)?;
            let totals = view.usage(&self.tenant, UsageOf::Session(id.as_str()))?;
            let [compute_cost, model_cost, orchestration_cost, storage_cost] = cost_parts(&totals);
            let all = Filter { session_id: Some(id.to_string()), ..Filter::default() };
            Ok(UsageReport {
                cost: theazo_api::Cost::from_micro_cents(totals.total()),
                compute_cost,
                model_cost,
                orchestration_cost,
                storage_cost,
                gb_hours: totals.gigabyte_hours(),
                compute_minutes: totals.minutes(),
                model_calls: totals.model_calls,
                active_agents: active_agents(view, &self.tenant, id)?,
                total_agents_created: view.count::<AgentRecord>(&self.tenant, &all)?,
            })
        })
    }

    /// Reports how far a session's limits are used.
    pub fn session_limits(&self, id: &SessionId) -> AppResult<LimitsStatus> {
        self.app.store.read(|view| {
            let record = find_session(view, &self.tenant, id)?;
            let limits = &record.data.limits;
            let mut status = LimitsStatus::default();
            if let Some(limit) = &limits.max_cost {
                let scope = payer_scope(&self.tenant, record.payer(), &limit.period, self.app.clock.now());
                let (spent, reserved) = view.budget(&scope)?;
                let used = round_to_cents(spent);
                status.max_cost = Some(CostLimitStatus {
                    limit: limit.amount,
                    used,
                    remaining: (limit.amount - used).max(0),
                    percentage: percentage(spent as f64, (limit.amount * MICRO_CENTS_PER_CENT) as f64),
                    currency: limit.currency.clone(),
                    used_micro_cents: spent,
                    reserved_micro_cents: reserved,
                });
            }
            if let Some(limit) = limits.max_agents {
                let used = active_agents(view, &self.tenant, id)?;
                let remaining = (limit - used).max(0);
                status.max_agents =
                    Some(LimitStatus { limit, used, remaining, percentage: percentage(used as f64, limit as f64) });
            }
            if let Some(limit) = limits.max_compute_minutes {
                let (spent, _) = view.budget(&compute_scope(&self.tenant, id.as_str()))?;
                let used = spent as f64 / 60_000.0;
                let remaining = (limit - used).max(0.0);
                status.max_compute_minutes =
                    Some(MinutesLimitStatus { limit, used, remaining, percentage: percentage(used, limit) });
            }
            if let Some(DurationInput(limit)) = limits.max_duration {
                let until = record.data.terminated_at.unwrap_or_else(|| self.app.clock.now());
                let used = until.since(record.data.created_at).min(limit);
                let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
                status.max_duration = Some(DurationLimitStatus {
                    limit_ms: milliseconds(limit),
                    used_ms: milliseconds(used),
                    remaining_ms: milliseconds(limit - used),
                    percentage: percentage(used.as_secs_f64(), limit.as_secs_f64()),
                });
            }
            Ok(status)
        })
    }
}

pub(super) fn percentage(used: f64, limit: f64) -> f64 {
    if limit > 0.0 { (used / limit * 100.0).min(100.0) } else { 100.0 }
}

/// Finds a session or says that there is none.
pub fn find_session(view: &View<'_>, tenant: &Tenant, id: &SessionId) -> AppResult<SessionRecord> {
    require(view, tenant, id.as_str(), SessionId::PREFIX)
}

/// How many agents count for `maxAgents`.
pub fn active_agents(view: &View<'_>, tenant: &Tenant, session_id: &SessionId) -> AppResult<i64> {
    let filter = Filter {
        session_id: Some(session_id.to_string()),
        statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(),
        ..Filter::default()
    };
    Ok(view.count::<AgentRecord>(tenant, &filter)?)
}

/// Pauses, resumes or ends a session, and asks for the same of its agents.
pub fn change_session(
    tx: &Tx<'_>,
    tenant: &Tenant,
    id: &SessionId,
    wanted: SessionStatus,
    now: theazo_api::Timestamp,
) -> AppResult<(SessionData, Vec<JobId>)> {
    let mut record = find_session(tx, tenant, id)?;
    if record.data.status == wanted {
        return Ok((record.data, Vec::new()));
    }
    if record.data.status == SessionStatus::Terminated {
        return Err(AppError::conflict(format!("the session `{id}` has ended")));
    }
    let agents = agents_of(tx, tenant, &record)?;
    let (event, command) = match wanted {
        SessionStatus::Paused => {
            record.data.paused_at = Some(now);
            (Event::SessionPaused {}, AgentCommand::Pause { by: PausedBy::Session })
        }
        SessionStatus::Active => {
            record.data.paused_at = None;
            (Event::SessionResumed {}, AgentCommand::resume(PausedBy::Session))
        }
        _ => {
            record.data.terminated_at = Some(now);
            record.providers = None;
            forget_secrets_of(tx, tenant, id)?;
            tx.enqueue(tenant, &remove_snapshots_job(id, now))?;
            let reason = "asked for".to_owned();
            (Event::SessionTerminated { reason }, AgentCommand::Terminate)
        }
    };
    record.data.status = wanted;
    tx.update(tenant, &record)?;
    tx.append(tenant, now, &record.scope(), &event)?;
    let mut jobs = Vec::new();
    for agent in agents {
        let concerned = match command {
            AgentCommand::Pause { .. } => agent.paused_by.is_none(),
            AgentCommand::Resume { .. } => agent.paused_by == Some(PausedBy::Session),
            _ => true,
        };
        if concerned {
            jobs.push(command.enqueue(tx, tenant, &agent, now)?);
        }
    }
    if record.data.status == SessionStatus::Active {
        // The limit may have been raised meanwhile.
        resume_after_limit(tx, tenant, &record, now)?;
    }
    look_at_tasks(tx, tenant, id, now)?;
    Ok((record.data, jobs))
}

/// The agents of a session that have not ended.
fn agents_of(view: &View<'_>, tenant: &Tenant, session: &SessionRecord) -> AppResult<Vec<AgentRecord>> {
    let filter = Filter { session_id: Some(session.data.id.to_string()), ..Filter::default() };
    let agents = view.list::<AgentRecord>(tenant, &filter)?;
    Ok(agents.into_iter().map(|(_, agent)| agent).filter(|agent| !agent.has_ended()).collect())
}

/// Lets the agents of a session go on that a limit paused, and their runs with them. If the limit still holds they pause
/// again.
pub fn resume_after_limit(
    tx: &Tx<'_>,
    tenant: &Tenant,
    session: &SessionRecord,
    now: theazo_api::Timestamp,
) -> AppResult<()> {
    for agent in agents_of(tx, tenant, session)? {
        if agent.paused_by == Some(PausedBy::Limit) {
            // Whoever waits for the run from now on waits for what comes next, not for the limit that was.
            if let Some(run_id) = &agent.current_run {
                continue_run(tx, tenant, run_id, now)?;
            }
            AgentCommand::resume(PausedBy::Limit).enqueue(tx, tenant, &agent, now)?;
        }
    }
    Ok(())
}

fn expiry_job_id(record: &SessionRecord) -> JobId {
    JobId::from_suffix(format!("expire-{}", record.data.id))
}

/// The job that ends a session when `maxDuration` is over.
pub fn expiry_job(record: &SessionRecord) -> Option<NewJob> {
    let duration = record.data.limits.max_duration?;
    Some(NewJob {
        id: expiry_job_id(record),
        kind: "session.expire",
        subject: record.data.id.to_string(),
        payload: json!({}),
        due_at: record.data.created_at.plus(duration.0),
    })
}
