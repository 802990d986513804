//! Metrics: numbers about the account, computed from the event log when they are asked for.

use std::{collections::HashMap, time::Duration};

use theazo_api::{Cost, MetricDataPoint, MetricName, MetricQueryOpts, MetricsSummary, Timestamp};

use super::{
    Context,
    measures::{Interval, Points},
    tags::Tags,
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, SessionRecord},
    store::{EventFilter, Filter, StoredEvent, Tenant, UsageOf, View},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How much time a point is of where the caller does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(3600);

/// How many points there may be.
const MAX_POINTS: u128 = 10_000;

impl Context {
    /// Sums up how the account does.
    pub async fn metrics_summary(&self) -> AppResult<MetricsSummary> {
        let (tenant, now) = (self.tenant.clone(), self.app.clock.now());
        self.app.store.scan(move |view| summary(view, &tenant, now)).await
    }

    /// Reports one metric over time.
    pub async fn query_metrics(&self, opts: MetricQueryOpts) -> AppResult<Vec<MetricDataPoint>> {
        let now = self.app.clock.now();
        let until = opts.until.unwrap_or(now);
        let since = opts.since.unwrap_or(until.minus(DAY));
        let length = opts.interval.map_or(DEFAULT_INTERVAL, |interval| interval.0);
        if since >= until {
            return Err(AppError::invalid_field("since", "must be earlier than `until`"));
        }
        if until.since(since).as_millis() / length.as_millis().max(1) > MAX_POINTS {
            let message = format!("makes more than {MAX_POINTS} points; choose a longer one");
            return Err(AppError::invalid_field("interval", message));
        }
        let tags = opts.tags.as_deref().map(Tags::parse).transpose()?.unwrap_or_default();
        let query = Query { tenant: self.tenant.clone(), interval: Interval { since, until, length }, tags, now };
        let metric = opts.metric;
        self.app.store.scan(move |view| query.points(view, &metric)).await
    }
}

fn summary(view: &View<'_>, tenant: &Tenant, now: Timestamp) -> AppResult<MetricsSummary> {
    let midnight = Timestamp::from_millis(now.as_millis() - now.as_millis().rem_euclid(24 * 3600 * 1000));
    let today = view.measured(tenant, midnight, now.plus(Duration::from_millis(1)))?;
    let count = |kinds: &[&str]| today.iter().filter(|stored| kinds.contains(&stored.event.kind())).count();
    let (failed, ended) = (count(&["run.failed"]), count(&["run.completed", "run.failed", "run.cancelled"]));
    let active = Filter { statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(), ..Filter::default() };
    let sessions = Filter { statuses: vec!["active".to_owned()], ..Filter::default() };
    let spent = view.usage_by_day(tenant, UsageOf::Account, &[now.day()])?;
    Ok(MetricsSummary {
        active_agents: view.count::<AgentRecord>(tenant, &active)?,
        active_sessions: view.count::<SessionRecord>(tenant, &sessions)?,
        agents_created_today: i64::try_from(count(&["agent.created"])).unwrap_or(i64::MAX),
        error_rate: if ended == 0 { 0.0 } else { failed as f64 / ended as f64 },
        cost_today: Cost::from_micro_cents(spent.iter().map(|(_, totals)| totals.total()).sum()),
    })
}

/// What is asked for.
struct Query {
    tenant: Tenant,
    interval: Interval,
    tags: Tags,
    now: Timestamp,
}

impl Query {
    fn points(&self, view: &View<'_>, metric: &MetricName) -> AppResult<Vec<MetricDataPoint>> {
        let mut points = Points::new(self.interval);
        match metric {
            MetricName::AgentsActive => return self.active_agents(view),
            MetricName::CostTotal => {
                for charged in self.charges(view)? {
                    if let Event::Charged { charge, .. } = &charged.event {
                        points.add(charged.at, charge.cost.to_micro_cents() as f64);
                    }
                }
                return Ok(points.sums(1e-6));
            }
            MetricName::AgentsBootTime => {
                for ready in self.measured(view, "agent.ready")? {
                    if let Some(taken) = boot_time(view, &self.tenant, &ready)? {
                        points.add(ready.at, taken.as_millis() as f64);
                    }
                }
            }
            MetricName::Latency => {
                for completed in self.measured(view, "run.completed")? {
                    if let Event::RunCompleted { result, .. } = &completed.event {
                        points.add(completed.at, result.duration_ms as f64);
                    }
                }
            }
            MetricName::ErrorRate => {
                for ended in self.measured(view, "run.")? {
                    points.add(ended.at, if ended.event.kind() == "run.failed" { 1.0 } else { 0.0 });
                }
                return Ok(points.means());
            }
            unknown => {
                let known = MetricName::KNOWN.join("`, `");
                return Err(AppError::invalid_field(
                    "metric",
                    format!("`{unknown}` is not measured; there is `{known}`"),
                ));
            }
        }
        Ok(points.distributions())
    }

    /// The measured events of these kinds in the interval that have the tags.
    fn measured(&self, view: &View<'_>, kinds: &str) -> AppResult<Vec<StoredEvent>> {
        let mut events = view.measured(&self.tenant, self.interval.since, self.interval.until)?;
        events.retain(|stored| stored.event.kind().starts_with(kinds));
        self.tagged(view, events)
    }

    fn charges(&self, view: &View<'_>) -> AppResult<Vec<StoredEvent>> {
        let filter = EventFilter {
            since: Some(self.interval.since),
            until: Some(self.interval.until),
            kinds: vec!["charged"],
            ..EventFilter::default()
        };
        let events = view.events(&self.tenant, &filter)?;
        self.tagged(view, events)
    }

    fn tagged(&self, view: &View<'_>, events: Vec<StoredEvent>) -> AppResult<Vec<StoredEvent>> {
        if self.tags.is_empty() {
            return Ok(events);
        }
        let mut agents: HashMap<String, Option<AgentRecord>> = HashMap::new();
        let mut tagged = Vec::new();
        for stored in events {
            let id = &stored.scope.agent_id;
            if !agents.contains_key(id) {
                agents.insert(id.clone(), view.find(&self.tenant, id)?);
            }
            let provider = match &stored.event {
                Event::Charged { charge, .. } => Some(charge.provider.as_str()),
                _ => None,
            };
            if let Some(agent) = &agents[id]
                && self.tags.fit(agent, provider)
            {
                tagged.push(stored);
            }
        }
        Ok(tagged)
    }

    /// How many agents were active at the end of each interval: counted back from those that are now.
    fn active_agents(&self, view: &View<'_>) -> AppResult<Vec<MetricDataPoint>> {
        let statuses = AgentRecord::ACTIVE.map(str::to_owned).to_vec();
        let active = view.list::<AgentRecord>(&self.tenant, &Filter { statuses, ..Filter::default() })?;
        let mut count: i64 = active.iter().filter(|(_, agent)| self.tags.fit(agent, None)).count() as i64;
        let after = view.measured(&self.tenant, self.interval.since, self.now.plus(Duration::from_millis(1)))?;
        let mut changes = self.tagged(view, after)?;
        let mut values = Vec::new();
        for (begin, end) in self.interval.parts().into_iter().rev() {
            while changes.last().is_some_and(|stored| stored.at >= end) {
                let Some(stored) = changes.pop() else { break };
                count -= change(view, &self.tenant, &stored)?;
            }
            let value = (begin <= self.now).then_some(count as f64);
            values.push(MetricDataPoint { timestamp: begin, value, p50: None, p95: None, p99: None });
        }
        values.reverse();
        Ok(values)
    }
}

/// By how much an event changed the number of active agents.
fn change(view: &View<'_>, tenant: &Tenant, stored: &StoredEvent) -> AppResult<i64> {
    Ok(match &stored.event {
        Event::AgentCreated { .. } | Event::AgentResumed { .. } => 1,
        Event::AgentPaused { .. } => -1,
        Event::AgentTerminated { .. } | Event::AgentFailed { .. } => {
            let filter = EventFilter {
                agent_id: Some(stored.scope.agent_id.clone()),
                kinds: vec!["agent.paused", "agent.resumed"],
                ..EventFilter::default()
            };
            let earlier = view.events(tenant, &filter)?;
            let last = earlier.iter().rev().find(|earlier| earlier.sequence < stored.sequence);
            // One that stood still was not active before it ended either.
            if last.is_some_and(|last| matches!(last.event, Event::AgentPaused { .. })) { 0 } else { -1 }
        }
        _ => 0,
    })
}

/// How long an agent took until its sandbox was ready, if this event says so: later ones tell of sandboxes made again.
pub fn boot_time(view: &View<'_>, tenant: &Tenant, ready: &StoredEvent) -> AppResult<Option<Duration>> {
    let filter = EventFilter {
        agent_id: Some(ready.scope.agent_id.clone()),
        kinds: vec!["agent.created", "agent.ready"],
        limit: Some(2),
        ..EventFilter::default()
    };
    let events = view.events(tenant, &filter)?;
    Ok(match &events[..] {
        [created, first] if first.sequence == ready.sequence => Some(first.at.since(created.at)),
        _ => None,
    })
}
