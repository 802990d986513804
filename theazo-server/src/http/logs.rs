//! Logs.

use theazo_api::{
    LogEntry, LogLevel,
    logs::{QueryLogs, StreamLogs},
};

use super::{
    mount::{Call, Routes},
    stream::{EventSource, Shown},
};
use crate::{
    app::log_entry,
    error::{AppError, AppResult},
    store::{EventFilter, StoredEvent},
};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<QueryLogs>| async move { call.context.query_logs(&call.query) });
    routes.events(|call: Call<StreamLogs>| async move { stream_logs(&call) });
}

fn stream_logs(call: &Call<StreamLogs>) -> AppResult<EventSource> {
    let context = &call.context;
    let newest = context.app.store.read(|view| Ok::<_, AppError>(view.last_sequence()?))?;
    let filter = EventFilter {
        after: call.last_event_id.unwrap_or(newest),
        session_id: call.query.session_id.as_ref().map(ToString::to_string),
        agent_id: call.query.agent_id.as_ref().map(ToString::to_string),
        ..EventFilter::default()
    };
    let show: fn(&StoredEvent) -> Option<Shown> = match &call.query.level {
        None => |stored| show(stored, |_| true),
        Some(LogLevel::Debug) => |stored| show(stored, |entry| entry.level == LogLevel::Debug),
        Some(LogLevel::Info) => |stored| show(stored, |entry| entry.level == LogLevel::Info),
        Some(LogLevel::Warn) => |stored| show(stored, |entry| entry.level == LogLevel::Warn),
        Some(LogLevel::Error) => |stored| show(stored, |entry| entry.level == LogLevel::Error),
        Some(other) => {
            let message = format!("`{other}` is not a level; it is `debug`, `info`, `warn` or `error`");
            return Err(AppError::invalid_field("level", message));
        }
    };
    Ok(EventSource { tenant: context.tenant.clone(), filter, show: Box::new(show) })
}

fn show(stored: &StoredEvent, fits: impl Fn(&LogEntry) -> bool) -> Option<Shown> {
    let entry = log_entry(stored)?;
    if fits(&entry) { Shown::new(&entry, false) } else { None }
}
