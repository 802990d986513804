//! Activity: everything that an event means to whoever follows all of it.

use theazo_api::{ActivityEvent, ActivityResource, LogEntry, MICRO_CENTS_PER_CENT, MetricName};

use super::{logs::log_entry, metrics::boot_time, pages::require, spans::span_changed_by, traces::trace_of};
use crate::{
    error::AppResult,
    event::Event,
    records::AgentRecord,
    store::{Filter, StoredEvent, Tenant, View},
};

/// What an event means: a change of state, a span, measurements and a line of the log, as far as it is each of them.
pub fn activity_of(view: &View<'_>, tenant: &Tenant, stored: &StoredEvent) -> AppResult<Vec<ActivityEvent>> {
    let trace_id = trace_of(view, tenant, &stored.scope)?;
    let mut events: Vec<ActivityEvent> = state(view, tenant, stored)?.into_iter().collect();
    if let Some(trace_id) = &trace_id
        && let Some(span) = span_changed_by(view, tenant, stored)?
    {
        let Common { timestamp, session_id, agent_id, user_id } = Common::of(stored);
        let trace_id = trace_id.clone();
        events.push(ActivityEvent::Span { timestamp, session_id, agent_id, user_id, trace_id, span });
    }
    for (name, value) in measurements(view, tenant, stored)? {
        let Common { timestamp, session_id, agent_id, user_id } = Common::of(stored);
        events.push(ActivityEvent::Metric { timestamp, session_id, agent_id, user_id, name, value });
    }
    if let Some(entry) = log_entry(stored) {
        let Common { timestamp, session_id, agent_id, user_id } = Common::of(stored);
        let entry = LogEntry { trace_id, ..entry };
        events.push(ActivityEvent::Log { timestamp, session_id, agent_id, user_id, entry });
    }
    Ok(events)
}

/// What every one of these says.
struct Common {
    timestamp: theazo_api::Timestamp,
    session_id: String,
    agent_id: String,
    user_id: String,
}

impl Common {
    fn of(stored: &StoredEvent) -> Self {
        Self {
            timestamp: stored.at,
            session_id: stored.scope.session_id.clone(),
            agent_id: stored.scope.agent_id.clone(),
            user_id: stored.scope.user_id.clone(),
        }
    }
}

/// The state that something has from now on.
fn state(view: &View<'_>, tenant: &Tenant, stored: &StoredEvent) -> AppResult<Option<ActivityEvent>> {
    use ActivityResource::{Agent, Run, Session};
    let (resource, status) = match &stored.event {
        Event::SessionCreated { .. } | Event::SessionResumed { .. } => (Session, "active"),
        Event::SessionPaused { .. } => (Session, "paused"),
        Event::SessionTerminated { .. } => (Session, "terminated"),
        Event::AgentCreated { .. } => (Agent, "booting"),
        Event::AgentReady { .. } | Event::AgentResumed { .. } => {
            let agent: AgentRecord = require(view, tenant, &stored.scope.agent_id, "")?;
            (Agent, if agent.current_run.is_some() { "running" } else { "ready" })
        }
        Event::AgentPaused { .. } => (Agent, "paused"),
        Event::AgentTerminated { .. } => (Agent, "completed"),
        Event::AgentFailed { .. } => (Agent, "failed"),
        Event::RunQueued { .. } => (Run, "queued"),
        Event::RunStarted { .. } | Event::RunContinued { .. } => (Run, "running"),
        Event::RunPaused { .. } => (Run, "paused"),
        Event::RunCompleted { .. } => (Run, "completed"),
        Event::RunFailed { .. } => (Run, "failed"),
        Event::RunCancelled { .. } => (Run, "cancelled"),
        _ => return Ok(None),
    };
    let id = match resource {
        Session => &stored.scope.session_id,
        Agent => &stored.scope.agent_id,
        _ => &stored.scope.run_id,
    };
    let (id, status) = (id.clone(), status.to_owned());
    let Common { timestamp, session_id, agent_id, user_id } = Common::of(stored);
    Ok(Some(ActivityEvent::State { timestamp, session_id, agent_id, user_id, resource, id, status }))
}

/// What an event measures.
fn measurements(view: &View<'_>, tenant: &Tenant, stored: &StoredEvent) -> AppResult<Vec<(MetricName, f64)>> {
    Ok(match &stored.event {
        Event::AgentCreated { .. }
        | Event::AgentPaused { .. }
        | Event::AgentResumed { .. }
        | Event::AgentTerminated { .. }
        | Event::AgentFailed { .. } => {
            let active = Filter { statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(), ..Filter::default() };
            vec![(MetricName::AgentsActive, view.count::<AgentRecord>(tenant, &active)? as f64)]
        }
        Event::AgentReady { .. } => {
            let taken = boot_time(view, tenant, stored)?;
            taken.map(|taken| (MetricName::AgentsBootTime, taken.as_millis() as f64)).into_iter().collect()
        }
        Event::RunCompleted { result, .. } => {
            vec![(MetricName::Latency, result.duration_ms as f64), (MetricName::ErrorRate, 0.0)]
        }
        Event::RunFailed { .. } => vec![(MetricName::ErrorRate, 1.0)],
        Event::RunCancelled { .. } => vec![(MetricName::ErrorRate, 0.0)],
        Event::Charged { charge, .. } => {
            let cents = charge.cost.to_micro_cents() as f64 / MICRO_CENTS_PER_CENT as f64;
            vec![(MetricName::CostTotal, cents)]
        }
        _ => Vec::new(),
    })
}
