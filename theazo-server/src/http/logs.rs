//! Logs.

use bytes::Bytes;
use theazo_api::{
    AgentLogEvent, LogEntry, LogId, LogLevel, LogSource, Timestamp,
    logs::{OpenLogSocket, QueryLogs, StreamAgentLogs, StreamLogs},
};

use super::{
    encode,
    mount::{Call, Routes},
    stream::{EventSource, Notice, Shown},
};
use crate::{
    app::Context,
    error::AppResult,
    feed::{FeedItem, LogLine},
    store::{EventFilter, StoredEvent},
};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<QueryLogs>| async move { call.context.query_logs(call.query).await });
    routes.events(|call: Call<StreamLogs>| async move {
        let filter = EventFilter {
            session_id: call.query.session_id.map(|id| id.to_string()),
            agent_id: call.query.agent_id.map(|id| id.to_string()),
            ..EventFilter::default()
        };
        log_source(&call.context, filter, call.query.level, call.last_event_id)
    });
    routes.events(|call: Call<StreamAgentLogs>| async move { stream_agent_logs(call) });
    routes.socket(|call: Call<OpenLogSocket>| async move {
        let filter = EventFilter {
            session_id: call.query.session_id.map(|id| id.to_string()),
            agent_id: call.query.agent_id.map(|id| id.to_string()),
            ..EventFilter::default()
        };
        log_source(&call.context, filter, call.query.level, call.last_event_id)
    });
}

/// Log entries after a place, or from now on.
fn log_source(
    context: &Context,
    filter: EventFilter,
    level: Option<LogLevel>,
    after: Option<i64>,
) -> AppResult<EventSource> {
    let filter = context.follow_from(after, filter)?;
    let context = context.clone();
    let show = move |item: &FeedItem| {
        let line = item.log_line.get_or_init(|| log_line(&context, item)).as_ref()?;
        let fits = level.as_ref().is_none_or(|level| line.level == *level);
        fits.then(|| Shown { parts: vec![line.json.clone()], last: false })
    };
    let source = EventSource::of_items(filter, Box::new(show));
    Ok(source.telling(|notice| encoded(&notice_entry(notice))))
}

fn log_line(context: &Context, stored: &StoredEvent) -> Option<LogLine> {
    let entry = entry_of(context, stored)?;
    Some(LogLine { json: encoded(&entry)?, level: entry.level })
}

fn entry_of(context: &Context, stored: &StoredEvent) -> Option<LogEntry> {
    context.log_entry(stored).unwrap_or_else(|error| {
        tracing::error!(%error, sequence = stored.sequence, "the trace of an event cannot be read");
        None
    })
}

fn stream_agent_logs(call: Call<StreamAgentLogs>) -> AppResult<EventSource> {
    let context = &call.context;
    context.get_agent(&call.path.agent_id)?;
    let filter = EventFilter { agent_id: Some(call.path.agent_id.to_string()), ..EventFilter::default() };
    let filter = context.follow_from(call.last_event_id, filter)?;
    let level = call.query.level;
    let context = call.context;
    let show = move |stored: &StoredEvent| {
        let entry = entry_of(&context, stored)?;
        let fits = level.as_ref().is_none_or(|level| entry.level == *level);
        if fits { Shown::new(&AgentLogEvent::from(entry), false) } else { None }
    };
    let source = EventSource::new(filter, show);
    Ok(source.telling(|notice| encoded(&AgentLogEvent::from(notice_entry(notice)))).beating(heartbeat))
}

fn heartbeat(now: Timestamp) -> Option<Bytes> {
    encoded(&AgentLogEvent::Heartbeat { t: now.as_millis() })
}

/// What a stream says of itself, as a log entry.
pub fn notice_entry(notice: &Notice) -> LogEntry {
    let event = format!("stream.{}", notice.kind);
    LogEntry {
        id: LogId::from_suffix(format!("{:012}", notice.place)),
        timestamp: notice.at,
        level: LogLevel::Warn,
        source: LogSource::System,
        message: notice.message.clone(),
        agent_id: String::new(),
        session_id: String::new(),
        user_id: String::new(),
        provider: String::new(),
        metadata: Some([("event".to_owned(), event.into())].into_iter().collect()),
        trace_id: None,
    }
}

fn encoded(value: &impl serde::Serialize) -> Option<Bytes> {
    encode::json(value).ok().map(Bytes::from)
}
