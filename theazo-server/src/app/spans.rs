//! Spans: what the events of a run, or of an agent between its runs, say of when each thing began and ended.
//!
//! There is no second record: a span is an event that opens it and one that closes it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use theazo_api::{AgentId, RunId, SpanId, SpanKind, Timestamp, TraceSpan, TraceStatus, testing::ChargeKind};

use crate::{
    event::Event,
    store::{EventFilter, EventScope, StoreError, StoredEvent, Tenant, View},
};

/// What an event does to spans.
enum Mark {
    /// It begins one.
    Opens(Key, Seed),
    /// It ends one.
    Closes(Key, Ending),
    /// It is one by itself.
    Moment(Seed),
    /// It says what the call of a model cost that is under way.
    Costs(i64),
}

/// Which of the spans of a run or an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Run,
    Model(u32),
    Tool(u32, u32),
    Exec(String),
    Boot,
    Pause,
}

impl Key {
    /// The kinds of events that open it.
    fn opened_by(&self) -> Vec<&'static str> {
        vec![match self {
            Self::Run => "run.queued",
            Self::Model(_) => "model.requested",
            Self::Tool(..) => "tool.started",
            Self::Exec(_) => "exec.started",
            Self::Boot => "agent.created",
            Self::Pause => "agent.paused",
        }]
    }
}

/// What a span is when it begins.
struct Seed {
    kind: SpanKind,
    name: String,
    attributes: Map<String, Value>,
}

/// How a span ends.
#[derive(Default)]
struct Ending {
    error: Option<String>,
    attributes: Map<String, Value>,
}

fn seed(kind: SpanKind, name: impl Into<String>, attributes: Value) -> Seed {
    Seed { kind, name: name.into(), attributes: members(attributes) }
}

fn closes(key: Key, error: Option<String>, attributes: Value) -> Option<Mark> {
    Some(Mark::Closes(key, Ending { error, attributes: members(attributes) }))
}

fn members(attributes: Value) -> Map<String, Value> {
    match attributes {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn mark(event: &Event) -> Option<Mark> {
    let opens = |key, seed| Some(Mark::Opens(key, seed));
    match event {
        Event::RunQueued { agent, .. } => {
            opens(Key::Run, seed(SpanKind::Run, format!("run {agent}"), json!({ "agent": agent })))
        }
        Event::RunCompleted { result, .. } => closes(
            Key::Run,
            None,
            json!({ "costMicroCents": result.cost.to_micro_cents(), "toolCalls": result.tool_calls.len() }),
        ),
        Event::RunFailed { error, .. } => closes(Key::Run, Some(error.message.clone()), json!({ "code": error.code })),
        Event::RunCancelled { reason, .. } => closes(Key::Run, Some(reason.clone()), json!({ "code": "cancelled" })),
        Event::ModelRequested { step, model, .. } => opens(
            Key::Model(*step),
            seed(SpanKind::Model, format!("ask {model}"), json!({ "model": model, "step": step })),
        ),
        Event::ModelResponded { step, tokens, tool_calls, .. } => closes(
            Key::Model(*step),
            None,
            json!({ "inputTokens": tokens.input, "outputTokens": tokens.output, "toolCalls": tool_calls.len() }),
        ),
        Event::ModelFailed { step, message, .. } => closes(Key::Model(*step), Some(message.clone()), Value::Null),
        Event::ToolStarted { step, index, tool, .. } => {
            opens(Key::Tool(*step, *index), seed(SpanKind::Tool, tool, json!({ "tool": tool, "step": step })))
        }
        Event::ToolPostponed { step, index } => closes(Key::Tool(*step, *index), None, json!({ "postponed": true })),
        Event::ToolFinished { step, index, call, failed, .. } => {
            closes(Key::Tool(*step, *index), failed.then(|| call.output.clone()), Value::Null)
        }
        Event::ExecStarted { exec_id, language, .. } => opens(
            Key::Exec(exec_id.clone()),
            seed(SpanKind::Exec, format!("run {language}"), json!({ "execId": exec_id, "language": language })),
        ),
        Event::ExecFinished { exec_id, exit_code, error, .. } => closes(
            Key::Exec(exec_id.clone()),
            error.as_ref().map(|error| error.message.clone()),
            json!({ "exitCode": exit_code }),
        ),
        Event::FileWritten { path, bytes } => {
            Some(Mark::Moment(seed(SpanKind::File, format!("write {path}"), json!({ "path": path, "bytes": bytes }))))
        }
        Event::AgentCreated { provider, .. } => {
            opens(Key::Boot, seed(SpanKind::Sandbox, "boot", json!({ "provider": provider })))
        }
        Event::AgentReady { isolation, .. } => closes(Key::Boot, None, json!({ "isolation": isolation.level })),
        Event::AgentPaused { reason, .. } => {
            opens(Key::Pause, seed(SpanKind::Sandbox, "pause", json!({ "reason": reason })))
        }
        Event::AgentResumed { .. } => closes(Key::Pause, None, Value::Null),
        Event::AgentTerminated { .. } => Some(Mark::Moment(seed(SpanKind::Sandbox, "destroy", Value::Null))),
        Event::AgentFailed { error, .. } => {
            closes(Key::Boot, Some(error.message.clone()), json!({ "code": error.code }))
        }
        Event::Charged { charge, .. } if charge.kind == ChargeKind::Model => {
            Some(Mark::Costs(charge.cost.to_micro_cents()))
        }
        _ => None,
    }
}

/// The outermost span of a run.
pub fn root_of_run(run_id: &RunId) -> SpanId {
    SpanId::from_suffix(run_id.as_str().trim_start_matches(RunId::PREFIX))
}

/// The outermost span of what an agent does between its runs.
pub fn root_of_agent(agent_id: &AgentId) -> SpanId {
    SpanId::from_suffix(agent_id.as_str().trim_start_matches(AgentId::PREFIX))
}

/// The outermost span of what an event is about.
fn root_of(scope: &EventScope) -> SpanId {
    if scope.run_id.is_empty() {
        root_of_agent(&AgentId::from(scope.agent_id.as_str()))
    } else {
        root_of_run(&RunId::from(scope.run_id.as_str()))
    }
}

fn span(stored: &StoredEvent, key: Option<&Key>, root: &SpanId, seed: Seed) -> TraceSpan {
    let is_root = key == Some(&Key::Run);
    let own = || SpanId::from_suffix(format!("{:016x}", stored.sequence));
    TraceSpan {
        span_id: if is_root { root.clone() } else { own() },
        parent_span_id: (!is_root).then(|| root.clone()),
        name: seed.name,
        kind: seed.kind,
        status: if key.is_some() { TraceStatus::Running } else { TraceStatus::Completed },
        error: None,
        start_time: stored.at,
        end_time: stored.at,
        duration_ms: 0,
        attributes: seed.attributes,
    }
}

fn end(span: &mut TraceSpan, at: Timestamp, ending: Ending) {
    span.status = if ending.error.is_some() { TraceStatus::Failed } else { TraceStatus::Completed };
    span.error = ending.error;
    span.attributes.extend(ending.attributes);
    extend_to(span, at);
}

/// Lets a span reach to a time.
pub fn extend_to(span: &mut TraceSpan, at: Timestamp) {
    span.end_time = at.max(span.start_time);
    span.duration_ms = i64::try_from(span.end_time.since(span.start_time).as_millis()).unwrap_or(i64::MAX);
}

/// The spans within an outermost one, by the times at which they began. What is under way reaches to `until`; where
/// the outermost has ended, it ended with that.
pub fn spans_within(root: &TraceSpan, events: &[StoredEvent], until: Timestamp) -> Vec<TraceSpan> {
    let mut spans: Vec<TraceSpan> = Vec::new();
    let mut open: HashMap<Key, usize> = HashMap::new();
    let mut asking = None;
    for stored in events {
        match mark(&stored.event) {
            // The outermost span is known already.
            None | Some(Mark::Opens(Key::Run, _) | Mark::Closes(Key::Run, _)) => {}
            Some(Mark::Moment(seed)) => spans.push(span(stored, None, &root.span_id, seed)),
            Some(Mark::Opens(key, seed)) => {
                let opened = span(stored, Some(&key), &root.span_id, seed);
                if matches!(key, Key::Model(_)) {
                    asking = Some(spans.len());
                }
                if let Some(earlier) = open.insert(key, spans.len()) {
                    let error = Some("the process that did it died; it was begun again".to_owned());
                    end(&mut spans[earlier], stored.at, Ending { error, ..Ending::default() });
                }
                spans.push(opened);
            }
            Some(Mark::Closes(key, ending)) => {
                if let Some(index) = open.remove(&key) {
                    end(&mut spans[index], stored.at, ending);
                }
            }
            Some(Mark::Costs(micro_cents)) => {
                if let Some(index) = asking {
                    spans[index].attributes.insert("costMicroCents".to_owned(), micro_cents.into());
                }
            }
        }
    }
    for index in open.into_values() {
        extend_to(&mut spans[index], until);
        if root.status != TraceStatus::Running {
            spans[index].status = TraceStatus::Failed;
            spans[index].error = Some("it was under way when all ended".to_owned());
        }
    }
    spans
}

/// The span that an event begins or ends, as it is then.
pub fn span_changed_by(
    view: &View<'_>,
    tenant: &Tenant,
    stored: &StoredEvent,
) -> Result<Option<TraceSpan>, StoreError> {
    let root = root_of(&stored.scope);
    let (key, ending) = match mark(&stored.event) {
        None | Some(Mark::Costs(_)) => return Ok(None),
        Some(Mark::Moment(seed)) => return Ok(Some(span(stored, None, &root, seed))),
        Some(Mark::Opens(key, seed)) => return Ok(Some(span(stored, Some(&key), &root, seed))),
        Some(Mark::Closes(key, ending)) => (key, ending),
    };
    let filter = EventFilter {
        agent_id: Some(stored.scope.agent_id.clone()),
        run_id: Some(stored.scope.run_id.clone()),
        kinds: key.opened_by(),
        ..EventFilter::default()
    };
    let openings = view.events(tenant, &filter)?;
    let opening = openings.iter().rev().filter(|opening| opening.sequence < stored.sequence).find_map(|opening| {
        match mark(&opening.event) {
            Some(Mark::Opens(opened, seed)) if opened == key => Some(span(opening, Some(&key), &root, seed)),
            _ => None,
        }
    });
    Ok(opening.map(|mut span| {
        end(&mut span, stored.at, ending);
        span
    }))
}
