//! Traces: each run is one, and what an agent does between its runs is another. They are read from the event log.

use std::time::Duration;

use serde_json::Map;
use theazo_api::{
    AgentId, AgentStatus, Cost, Page, RunId, RunStatus, SpanId, SpanKind, Timestamp, Trace, TraceDetail, TraceId,
    TraceListFilters, TraceSpan, TraceStatus,
};

use super::{
    Context,
    pages::parse_cursor,
    spans::{extend_to, root_of_agent, root_of_run, spans_within},
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, RunRecord},
    store::{EventFilter, EventScope, Filter, StoreError, StoredEvent, Tenant, UsageOf, View},
};

/// How many traces a page has where the caller does not say.
const DEFAULT_LIMIT: i64 = 20;

/// What most events of a trace are, and what no span is made of.
const TEXT: [&str; 2] = ["model.text", "output"];

impl Context {
    /// Lists traces, the newest first.
    pub async fn list_traces(&self, filters: TraceListFilters) -> AppResult<Page<Trace>> {
        let cursor = filters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let before = cursor.map(parse_cursor).transpose()?;
        let limit = filters.limit.unwrap_or(DEFAULT_LIMIT);
        let filter = Filter {
            session_id: filters.session_id.map(|id| id.to_string()),
            agent_id: filters.agent_id.map(|id| id.to_string()),
            before,
            limit: Some(limit + 1),
            ..Filter::default()
        };
        let (tenant, now) = (self.tenant.clone(), self.app.clock.now());
        self.app.store.scan(move |view| trace_page(view, &tenant, &filter, limit, now)).await
    }

    /// Fetches a trace with its spans.
    pub async fn get_trace(&self, id: TraceId) -> AppResult<TraceDetail> {
        let (tenant, now) = (self.tenant.clone(), self.app.clock.now());
        self.app.store.scan(move |view| trace_detail(view, &tenant, &id, now)).await
    }
}

/// The trace that an event belongs to.
pub fn trace_of(view: &View<'_>, tenant: &Tenant, scope: &EventScope) -> Result<Option<TraceId>, StoreError> {
    if !scope.run_id.is_empty() {
        let joined = view.member_of::<RunRecord>(tenant, &scope.run_id, "$.trace.traceId")?;
        let own = || trace_of_run(&RunId::from(scope.run_id.as_str()));
        return Ok(Some(joined.map_or_else(own, TraceId::from)));
    }
    let agent = Some(&scope.agent_id).filter(|id| !id.is_empty());
    Ok(agent.map(|id| trace_of_agent(&AgentId::from(id.as_str()))))
}

/// The trace of a run whose caller had none.
fn trace_of_run(id: &RunId) -> TraceId {
    TraceId::from_suffix(id.as_str().trim_start_matches(RunId::PREFIX))
}

/// The trace of what an agent does between its runs.
fn trace_of_agent(id: &AgentId) -> TraceId {
    TraceId::from_suffix(id.as_str().trim_start_matches(AgentId::PREFIX))
}

fn trace_page(view: &View<'_>, tenant: &Tenant, filter: &Filter, limit: i64, now: Timestamp) -> AppResult<Page<Trace>> {
    // The agent of a single run has no trace of its own: what it does is part of that run's.
    let lasting = Filter { flags: vec![("$.oneShot", false)], ..filter.clone() };
    let runs = view
        .list::<RunRecord>(tenant, filter)?
        .into_iter()
        .map(|(position, run)| (position, Subject::Run(Box::new(run))));
    let agents = view.list::<AgentRecord>(tenant, &lasting)?;
    let agents = agents.into_iter().map(|(position, agent)| (position, Subject::Agent(Box::new(agent))));
    let mut found: Vec<(i64, Subject)> = runs.chain(agents).collect();
    found.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| has_more).map(|(position, _)| format!("c{position}")).unwrap_or_default();
    let data = found.iter().map(|(_, subject)| subject.trace(view, tenant, now)).collect::<AppResult<_>>()?;
    Ok(Page { data, has_more, cursor })
}

fn trace_detail(view: &View<'_>, tenant: &Tenant, id: &TraceId, now: Timestamp) -> AppResult<TraceDetail> {
    let subjects = find_subjects(view, tenant, id)?;
    let mut details = Vec::new();
    for subject in &subjects {
        let root = subject.root(view, tenant, now)?;
        let events = subject.events(view, tenant)?;
        let mut spans = spans_within(&root, &events, root.end_time);
        spans.insert(0, root);
        details.push((subject.trace(view, tenant, now)?, spans));
    }
    // A caller's trace can have several runs.
    let begins = |trace: &Trace| trace.started_at.unwrap_or(now);
    let ends = |trace: &Trace| begins(trace).plus(Duration::from_millis(trace.duration_ms.unsigned_abs()));
    let traces = || details.iter().map(|(trace, _)| trace);
    let Some(first) = traces().min_by_key(|trace| begins(trace)).cloned() else {
        return Err(AppError::not_found("trace", id.as_str(), TraceId::PREFIX));
    };
    let last = traces().map(ends).max().unwrap_or(now);
    let status = [TraceStatus::Running, TraceStatus::Failed]
        .into_iter()
        .find(|status| traces().any(|trace| trace.status.as_ref() == Some(status)));
    let cost = traces().map(|trace| trace.cost.to_micro_cents()).sum();
    let duration = last.since(begins(&first));
    let mut spans: Vec<TraceSpan> = details.into_iter().flat_map(|(_, spans)| spans).collect();
    // Stable, so that each stays behind the one that it is part of.
    spans.sort_by_key(|span| span.start_time);
    Ok(TraceDetail {
        trace_id: id.clone(),
        agent_id: first.agent_id,
        session_id: first.session_id,
        run_id: first.run_id,
        status: Some(status.unwrap_or(TraceStatus::Completed)),
        started_at: first.started_at,
        duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
        cost: Cost::from_micro_cents(cost),
        spans,
    })
}

/// What a trace is of.
enum Subject {
    Run(Box<RunRecord>),
    Agent(Box<AgentRecord>),
}

/// Whatever has this trace, the oldest first.
fn find_subjects(view: &View<'_>, tenant: &Tenant, id: &TraceId) -> AppResult<Vec<Subject>> {
    let joined = Filter { trace_id: Some(id.to_string()), ..Filter::default() };
    let mut subjects: Vec<Subject> = view
        .list::<RunRecord>(tenant, &joined)?
        .into_iter()
        .rev()
        .map(|(_, run)| Subject::Run(Box::new(run)))
        .collect();
    let suffix = id.as_str().trim_start_matches(TraceId::PREFIX);
    let run: Option<RunRecord> = view.find(tenant, RunId::from_suffix(suffix).as_str())?;
    subjects.extend(run.filter(|run| run.trace.is_none()).map(|run| Subject::Run(Box::new(run))));
    let agent: Option<AgentRecord> = view.find(tenant, AgentId::from_suffix(suffix).as_str())?;
    subjects.extend(agent.map(|agent| Subject::Agent(Box::new(agent))));
    Ok(subjects)
}

impl Subject {
    /// The outermost span.
    fn root(&self, view: &View<'_>, tenant: &Tenant, now: Timestamp) -> AppResult<TraceSpan> {
        let (mut span, ended_at) = match self {
            Self::Run(run) => (root_of_run_record(run), run.data.completed_at),
            Self::Agent(agent) => {
                let endings = EventFilter {
                    agent_id: Some(agent.data.id.to_string()),
                    kinds: vec!["agent.terminated", "agent.failed"],
                    ..EventFilter::default()
                };
                let endings = if agent.has_ended() { view.events(tenant, &endings)? } else { Vec::new() };
                (root_of_agent_record(agent), endings.last().map(|stored| stored.at))
            }
        };
        extend_to(&mut span, ended_at.unwrap_or(now));
        Ok(span)
    }

    /// What happened in it.
    fn events(&self, view: &View<'_>, tenant: &Tenant) -> AppResult<Vec<StoredEvent>> {
        let of_agent = |id: &AgentId| EventFilter {
            agent_id: Some(id.to_string()),
            except: TEXT.to_vec(),
            ..EventFilter::default()
        };
        let (run_id, filter) = match self {
            Self::Agent(agent) => ("", of_agent(&agent.data.id)),
            Self::Run(run) => (run.data.id.as_str(), of_agent(&run.data.agent_id)),
        };
        let is_one_shot = match self {
            Self::Agent(_) => false,
            Self::Run(run) => {
                let agent: Option<AgentRecord> = view.find(tenant, run.data.agent_id.as_str())?;
                agent.is_some_and(|agent| agent.one_shot)
            }
        };
        // What the agent of a single run does between runs is part of that one: its sandbox is made for it.
        let filter = if is_one_shot { filter } else { EventFilter { run_id: Some(run_id.to_owned()), ..filter } };
        Ok(view.events(tenant, &filter)?)
    }

    /// The trace without its spans.
    fn trace(&self, view: &View<'_>, tenant: &Tenant, now: Timestamp) -> AppResult<Trace> {
        let root = self.root(view, tenant, now)?;
        let (agent_id, session_id, run_id) = match self {
            Self::Run(run) => (&run.data.agent_id, &run.data.session_id, run.data.id.to_string()),
            Self::Agent(agent) => (&agent.data.id, &agent.data.session_id, String::new()),
        };
        let cost = match self {
            Self::Run(run) if run.data.status.is_terminal() => run.data.cost.clone(),
            Self::Run(run) => Cost::from_micro_cents(view.usage(tenant, UsageOf::Run(run.data.id.as_str()))?.total()),
            Self::Agent(agent) => Cost::from_micro_cents(charged_without_run(view, tenant, &agent.data.id)?),
        };
        let trace_id = match self {
            Self::Run(run) => {
                run.trace.as_ref().map_or_else(|| trace_of_run(&run.data.id), |trace| trace.trace_id.clone())
            }
            Self::Agent(agent) => trace_of_agent(&agent.data.id),
        };
        Ok(Trace {
            trace_id,
            agent_id: agent_id.clone(),
            session_id: session_id.to_string(),
            run_id,
            status: Some(root.status),
            started_at: Some(root.start_time),
            duration_ms: root.duration_ms,
            cost,
        })
    }
}

/// What an agent cost beside its runs, in micro-cents.
fn charged_without_run(view: &View<'_>, tenant: &Tenant, agent_id: &AgentId) -> AppResult<i64> {
    let filter = EventFilter {
        agent_id: Some(agent_id.to_string()),
        run_id: Some(String::new()),
        kinds: vec!["charged"],
        ..EventFilter::default()
    };
    let charged = view.events(tenant, &filter)?;
    let cost = |stored: &StoredEvent| match &stored.event {
        Event::Charged { charge, .. } => charge.cost.to_micro_cents(),
        _ => 0,
    };
    Ok(charged.iter().map(cost).sum())
}

fn root_of_run_record(run: &RunRecord) -> TraceSpan {
    let data = &run.data;
    let mut root = outermost(root_of_run(&data.id), SpanKind::Run, format!("run {}", data.agent), data.created_at);
    root.status = match data.status {
        RunStatus::Completed => TraceStatus::Completed,
        RunStatus::Failed | RunStatus::Cancelled => TraceStatus::Failed,
        _ => TraceStatus::Running,
    };
    root.error = data.error.as_ref().filter(|_| root.status == TraceStatus::Failed).map(|error| error.message.clone());
    root.attributes.insert("agent".to_owned(), data.agent.as_str().into());
    if let Some(caller) = &run.trace {
        root.attributes.insert("callerSpanId".to_owned(), caller.parent_span_id.as_str().into());
    }
    root
}

fn root_of_agent_record(agent: &AgentRecord) -> TraceSpan {
    let data = &agent.data;
    let name = format!("agent {}", data.name);
    let mut root = outermost(root_of_agent(&data.id), SpanKind::Sandbox, name, data.created_at);
    root.status = match data.status {
        AgentStatus::Completed => TraceStatus::Completed,
        AgentStatus::Failed => TraceStatus::Failed,
        _ => TraceStatus::Running,
    };
    root.attributes.insert("agent".to_owned(), data.name.as_str().into());
    root.attributes.insert("provider".to_owned(), data.provider.as_str().into());
    root
}

fn outermost(span_id: SpanId, kind: SpanKind, name: String, started: Timestamp) -> TraceSpan {
    TraceSpan {
        span_id,
        parent_span_id: None,
        name,
        kind,
        status: TraceStatus::Running,
        error: None,
        start_time: started,
        end_time: started,
        duration_ms: 0,
        attributes: Map::new(),
    }
}
