//! Progress: how far a long-running agent is.

use std::time::Duration;

use theazo_api::{AgentId, AgentProgressData, AgentProgressStatus, AgentStatus, Timestamp, time::human_duration};

use super::{
    Context,
    agents::find_agent,
    checkpoints::{checkpoints_of, last_checkpoint},
};
use crate::{
    error::AppResult,
    event::Event,
    records::AgentRecord,
    snapshots::SnapshotRecord,
    store::{EventFilter, Tenant, View},
};

impl Context {
    /// Reports how far an agent is, and how long it was active.
    pub fn agent_progress(&self, id: &AgentId) -> AppResult<AgentProgressData> {
        self.app.store.read(|view| {
            let agent = find_agent(view, &self.tenant, id)?;
            let times = Times::of(view, &self.tenant, &agent, self.app.clock.now())?;
            let last = last_checkpoint(view, &self.tenant, id)?;
            let by_checkpoint = agent.checkpoint.as_ref().map(|mark| mark.progress);
            Ok(AgentProgressData {
                phase: agent.checkpoint.and_then(|mark| mark.phase),
                percentage: agent.progress.as_ref().map(|progress| progress.percentage).or(by_checkpoint),
                message: agent.progress.map(|progress| progress.message),
                checkpoints: view.count::<SnapshotRecord>(&self.tenant, &checkpoints_of(id))?,
                total_duration: human_duration(times.total),
                total_duration_ms: milliseconds(times.total),
                active_duration: human_duration(times.active),
                active_duration_ms: milliseconds(times.active),
                status: match agent.data.status {
                    AgentStatus::Completed | AgentStatus::Failed => AgentProgressStatus::Terminated,
                    AgentStatus::Paused => AgentProgressStatus::Hibernated,
                    _ => AgentProgressStatus::Active,
                },
                last_checkpoint_at: last.map(|checkpoint| checkpoint.created_at),
            })
        })
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long an agent has existed, and how long of that it was not paused.
struct Times {
    total: Duration,
    active: Duration,
}

impl Times {
    fn of(view: &View<'_>, tenant: &Tenant, agent: &AgentRecord, now: Timestamp) -> AppResult<Self> {
        let filter = EventFilter {
            agent_id: Some(agent.data.id.to_string()),
            kinds: vec!["agent.paused", "agent.resumed", "agent.terminated", "agent.failed"],
            ..EventFilter::default()
        };
        let mut end = now;
        let mut active = Duration::ZERO;
        let mut active_since = Some(agent.data.created_at);
        for stored in view.events(tenant, &filter)? {
            let until = |since: Timestamp| stored.at.since(since);
            match stored.event {
                Event::AgentResumed {} => active_since = active_since.or(Some(stored.at)),
                Event::AgentPaused { .. } => active += active_since.take().map_or(Duration::ZERO, until),
                _ => {
                    end = stored.at;
                    active += active_since.take().map_or(Duration::ZERO, until);
                    break;
                }
            }
        }
        active += active_since.map_or(Duration::ZERO, |since| end.since(since));
        Ok(Self { total: end.since(agent.data.created_at), active })
    }
}
