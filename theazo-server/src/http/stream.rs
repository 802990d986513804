//! Server-sent events: a view of the event log that follows it as it grows.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::Bytes;
use tokio::time::Instant;

use super::encode;
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
    pub show: Show,
}

/// Chooses what is shown of an event, if anything.
pub type Show = Box<dyn Fn(&StoredEvent) -> Option<Shown> + Send>;

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
        let data = String::from_utf8(encode::json(value).ok()?).ok()?;
        Some(Self { data, last })
    }
}

/// The answer that streams a source. Its headers go out at once, before any event exists.
///
/// A stream that is not resumed says first where it begins: if its connection breaks before the first event, what happens
/// until the next one is open is not lost.
pub fn event_stream(store: Store, source: EventSource, is_resumed: bool) -> Response<Body> {
    let body = async_stream::stream! {
        let EventSource { tenant, mut filter, show } = source;
        filter.limit = Some(BATCH);
        let mut commits = store.commits();
        let place = if is_resumed { String::new() } else { format!("id: {}\n", filter.after) };
        yield Ok::<_, AppError>(Bytes::from(place + ": open\n\n"));
        // Counted from what was sent last: what others do on the plane wakes this stream, but says nothing on it.
        let mut heartbeat = Instant::now() + HEARTBEAT;
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
                heartbeat = Instant::now() + HEARTBEAT;
            }
            if last {
                return;
            }
            if events.is_empty() {
                match tokio::time::timeout_at(heartbeat, commits.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        yield Ok(Bytes::from_static(b": heartbeat\n\n"));
                        heartbeat = Instant::now() + HEARTBEAT;
                    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;
    use crate::store::World;

    #[tokio::test]
    async fn a_stream_says_where_it_begins_before_anything_happens() {
        let opening = async |is_resumed| {
            let tenant = Tenant::new("acct_1", World::Live);
            let filter = EventFilter { after: 41, ..EventFilter::default() };
            let source = EventSource { tenant, filter, show: Box::new(|_| None) };
            let mut body = event_stream(Store::in_memory().expect("it opens"), source, is_resumed).into_body();
            body.frame().await.expect("it opens").expect("it streams").into_data().expect("it is data")
        };

        assert_eq!(opening(false).await.as_ref(), b"id: 41\n: open\n\n");
        assert_eq!(opening(true).await.as_ref(), b": open\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_shows_that_it_is_alive_while_others_keep_the_plane_busy() {
        let store = Store::in_memory().expect("it opens");
        let tenant = Tenant::new("acct_1", World::Live);
        let source = EventSource { tenant, filter: EventFilter::default(), show: Box::new(|_| None) };
        let mut body = event_stream(store.clone(), source, false).into_body();
        let busy = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                store.write(|_| Ok::<_, AppError>(())).await.expect("it commits");
            }
        };
        let alive = async {
            body.frame().await.expect("it opens").expect("it streams");
            body.frame().await.expect("it goes on").expect("it streams").into_data().expect("it is data")
        };

        let heartbeat = tokio::select! {
            frame = tokio::time::timeout(2 * HEARTBEAT, alive) => frame,
            () = busy => unreachable!("it goes on for ever"),
        };

        assert_eq!(heartbeat.expect("it shows a sign of life").as_ref(), b": heartbeat\n\n");
    }
}
