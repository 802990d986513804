//! Server-sent events: a view of the event log that follows it as it grows.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::Bytes;

use crate::{
    error::AppError,
    store::{EventFilter, Store, StoredEvent, Tenant},
};

/// How often a comment shows that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many events are read at once.
const BATCH: i64 = 500;

/// What a stream shows of the event log.
pub struct EventSource {
    /// Whose log.
    pub tenant: Tenant,
    /// Which events.
    pub filter: EventFilter,
    /// What is shown of each.
    pub show: fn(&StoredEvent) -> Option<Shown>,
}

/// What is shown of an event.
pub struct Shown {
    /// The JSON.
    pub data: String,
    /// Whether the stream ends with it.
    pub last: bool,
}

impl Shown {
    /// Shows a value.
    pub fn new(value: &impl serde::Serialize, last: bool) -> Option<Self> {
        serde_json::to_string(value).ok().map(|data| Self { data, last })
    }
}

/// The answer that streams a source. Its headers go out at once, before any event exists.
pub fn event_stream(store: Store, source: EventSource) -> Response<Body> {
    let body = async_stream::stream! {
        let EventSource { tenant, mut filter, show } = source;
        filter.limit = Some(BATCH);
        let mut commits = store.commits();
        yield Ok::<_, AppError>(Bytes::from_static(b": open\n\n"));
        loop {
            commits.mark_unchanged();
            let events = match store.read(|view| Ok::<_, AppError>(view.events(&tenant, &filter)?)) {
                Ok(events) => events,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let mut text = String::new();
            let mut last = false;
            for stored in &events {
                filter.after = stored.sequence;
                let Some(shown) = show(stored) else { continue };
                text.push_str(&format!("id: {}\ndata: {}\n\n", stored.sequence, shown.data));
                last = shown.last;
                if last {
                    break;
                }
            }
            if !text.is_empty() {
                yield Ok(Bytes::from(text));
            }
            if last {
                return;
            }
            if events.is_empty() {
                match tokio::time::timeout(HEARTBEAT, commits.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
                }
            }
        }
    };
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
