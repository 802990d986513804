//! Streams: views of the event log that follow it as it grows, as server-sent events and over WebSockets alike.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::Bytes;
use theazo_api::Timestamp;
use tokio::time::Instant;

use super::{cursor::Beginning, encode};
use crate::{
    clock::Clock,
    error::{AppError, AppResult},
    feed::{FeedItem, Next, Place, Reader},
    store::{EventFilter, StoredEvent},
};

/// How often a stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a stream shows of the event log.
pub struct EventSource {
    /// Which events.
    pub filter: EventFilter,
    show: Show,
    tell: Option<Tell>,
    beat: Option<Beat>,
    is_numbered: bool,
}

/// Chooses what is shown of an event, if anything.
pub type Show = Box<dyn Fn(&FeedItem) -> Option<Shown> + Send>;

/// Says something about the stream itself in the words of its events.
pub type Tell = fn(&Notice) -> Option<Bytes>;

/// Shows that the stream is alive with an event. Without it, that is a comment.
pub type Beat = fn(Timestamp) -> Option<Bytes>;

impl EventSource {
    /// Shows events, one by one.
    pub fn new(filter: EventFilter, show: impl Fn(&StoredEvent) -> Option<Shown> + Send + 'static) -> Self {
        Self::of_items(filter, Box::new(move |item| show(item)))
    }

    /// Shows events with what others who show them have made already.
    pub fn of_items(filter: EventFilter, show: Show) -> Self {
        Self { filter, show, tell: None, beat: None, is_numbered: false }
    }

    /// Over a WebSocket, says the id of each event beside it: the events have none of their own.
    #[must_use]
    pub fn numbered(self) -> Self {
        Self { is_numbered: true, ..self }
    }

    /// Says in this way what there is to say about the stream itself.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        Self { tell: Some(tell), ..self }
    }

    /// Shows in this way that the stream is alive.
    #[must_use]
    pub fn beating(self, beat: Beat) -> Self {
        Self { beat: Some(beat), ..self }
    }
}

/// What is shown of an event.
pub struct Shown {
    /// The JSON of each part; most events are shown in one.
    pub parts: Vec<Bytes>,
    /// Whether the stream ends with it.
    pub last: bool,
}

impl Shown {
    /// Shows a value.
    pub fn new(value: &impl serde::Serialize, last: bool) -> Option<Self> {
        Some(Self { parts: vec![encode::json(value).ok()?.into()], last })
    }
}

/// Something about a stream itself.
pub struct Notice {
    /// What it is, for programs: `gap` or `dropped`.
    pub kind: &'static str,
    /// What it is, for people.
    pub message: String,
    /// The place in the log that it is about.
    pub place: i64,
    /// When.
    pub at: Timestamp,
}

/// What a stream sends next.
pub enum Turn {
    /// Parts of events, each with its id, and whether nothing follows.
    Events(Vec<(String, Bytes)>, bool),
    /// Something about the stream, as an event if its events have words for it. After `dropped` nothing follows.
    Notice(Notice, Option<Bytes>),
    /// A sign of life, as an event if it is one here.
    Heartbeat(Option<Bytes>),
    /// Nothing follows: the plane stops.
    Closed,
}

/// A stream that is open.
pub struct Follower {
    reader: Reader,
    show: Show,
    tell: Option<Tell>,
    beat: Option<Beat>,
    /// Whether messages say the id of their event.
    pub is_numbered: bool,
    beginning: Beginning,
    /// The place up to which events were shown or passed over.
    place: i64,
    clock: Clock,
    /// Counted from what was sent last: what others do on the plane says nothing on this stream.
    heartbeat: Instant,
}

impl Follower {
    /// Opens a stream at one of the places that the tenant has for them.
    pub fn open(place: Place, source: EventSource, beginning: Beginning, clock: Clock) -> AppResult<Self> {
        let EventSource { filter, show, tell, beat, is_numbered } = source;
        let after = filter.after;
        let reader = place.follow(filter)?;
        Ok(Self {
            reader,
            show,
            tell,
            beat,
            is_numbered,
            beginning,
            place: after,
            clock,
            heartbeat: Instant::now() + HEARTBEAT,
        })
    }

    /// The id after which the stream begins, where it does not go on from another: if its connection breaks before the
    /// first event, what happens until the next one is open is not lost.
    pub fn first_place(&self) -> Option<i64> {
        (!self.beginning.is_resumed).then_some(self.place)
    }

    /// Where the stream is.
    pub fn place(&self) -> i64 {
        self.place
    }

    /// Waits for what is to be sent next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> AppResult<Turn> {
        if let Some(through) = self.beginning.gap_through.take() {
            let message = format!("events are missing here: those up to {through} are not kept any more");
            return Ok(self.notice("gap", message, through));
        }
        loop {
            let Ok(next) = tokio::time::timeout_at(self.heartbeat, self.reader.next()).await else {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Ok(Turn::Heartbeat(self.beat.and_then(|beat| beat(self.clock.now()))));
            };
            match next? {
                Next::Closed => return Ok(Turn::Closed),
                Next::Dropped => {
                    let message = "this stream was dropped, because it was not read while more came; \
                                   resume it after the last event that arrived";
                    return Ok(self.notice("dropped", message.to_owned(), self.place));
                }
                Next::Events(items) => {
                    let (parts, last) = self.show(&items);
                    if last || !parts.is_empty() {
                        self.heartbeat = Instant::now() + HEARTBEAT;
                        return Ok(Turn::Events(parts, last));
                    }
                }
            }
        }
    }

    fn show(&mut self, items: &[std::sync::Arc<FeedItem>]) -> (Vec<(String, Bytes)>, bool) {
        let mut shown_parts = Vec::with_capacity(items.len());
        for item in items {
            self.place = item.sequence;
            let Some(shown) = (self.show)(item) else { continue };
            let count = shown.parts.len();
            let seen = match self.beginning.seen_parts {
                Some((sequence, parts)) if sequence == item.sequence => parts,
                _ => 0,
            };
            let numbered = (1..).zip(shown.parts).skip(seen);
            shown_parts.extend(numbered.map(|(number, part)| {
                // The last part has the id of the whole.
                let id = item.sequence.to_string();
                (if number == count { id } else { format!("{id}.{number}") }, part)
            }));
            if shown.last {
                return (shown_parts, true);
            }
        }
        (shown_parts, false)
    }

    fn notice(&self, kind: &'static str, message: String, place: i64) -> Turn {
        let notice = Notice { kind, message, place, at: self.clock.now() };
        let told = self.tell.and_then(|tell| tell(&notice));
        Turn::Notice(notice, told)
    }
}

/// The answer that streams server-sent events. Its headers go out at once, before any event exists.
pub fn event_stream(mut follower: Follower) -> Response<Body> {
    let body = async_stream::stream! {
        let place = follower.first_place().map(|place| format!("id: {place}\n")).unwrap_or_default();
        yield Ok::<_, AppError>(Bytes::from(place + ": open\n\n"));
        loop {
            match follower.next().await {
                Err(error) => {
                    yield Err(error);
                    return;
                }
                Ok(turn) => {
                    let is_last = matches!(
                        turn,
                        Turn::Closed | Turn::Events(_, true) | Turn::Notice(Notice { kind: "dropped", .. }, _)
                    );
                    yield Ok(server_sent(turn));
                    if is_last {
                        return;
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

/// The text of server-sent events. JSON has no line breaks of its own, so each is one line of data.
fn server_sent(turn: Turn) -> Bytes {
    match turn {
        Turn::Events(parts, _) => {
            let mut text = Vec::with_capacity(parts.iter().map(|(id, data)| id.len() + data.len() + 14).sum());
            for (id, data) in parts {
                for piece in [b"id: ", id.as_bytes(), b"\ndata: ", &data, b"\n\n"] {
                    text.extend_from_slice(piece);
                }
            }
            text.into()
        }
        Turn::Notice(notice, Some(data)) => {
            [b"event: ", notice.kind.as_bytes(), b"\ndata: ", &data, b"\n\n"].concat().into()
        }
        Turn::Notice(notice, None) => format!(": {}: {}\n\n", notice.kind, notice.message).into(),
        Turn::Heartbeat(Some(data)) => [b"data: ", &data[..], b"\n\n"].concat().into(),
        Turn::Heartbeat(None) => Bytes::from_static(b": heartbeat\n\n"),
        Turn::Closed => Bytes::from_static(b": the control plane stops\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::{
        feed::{Feed, StreamLimits},
        store::{Store, Tenant, World},
    };

    fn open(store: &Store, after: i64, is_resumed: bool) -> Body {
        let (feed, guard) = Feed::start(store.clone(), StreamLimits::default());
        guard.disarm();
        let tenant = Tenant::new("acct_1", World::Live);
        let place = feed.take_place(&tenant).expect("there is room");
        let source = EventSource::new(EventFilter { after, ..EventFilter::default() }, |_| None);
        let beginning = Beginning { is_resumed, ..Beginning::default() };
        event_stream(Follower::open(place, source, beginning, Clock::system()).expect("it opens")).into_body()
    }

    async fn frame(body: &mut Body) -> Bytes {
        body.frame().await.expect("it goes on").expect("it streams").into_data().expect("it is data")
    }

    #[tokio::test]
    async fn a_stream_says_where_it_begins_before_anything_happens() {
        let store = Store::in_memory().expect("it opens");

        assert_eq!(frame(&mut open(&store, 41, false)).await.as_ref(), b"id: 41\n: open\n\n");
        assert_eq!(frame(&mut open(&store, 41, true)).await.as_ref(), b": open\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_shows_that_it_is_alive_while_others_keep_the_plane_busy() {
        let store = Store::in_memory().expect("it opens");
        let mut body = open(&store, 0, false);
        let busy = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                store.write(|_| Ok::<_, AppError>(())).await.expect("it commits");
            }
        };
        let alive = async {
            frame(&mut body).await;
            frame(&mut body).await
        };

        let heartbeat = tokio::select! {
            frame = tokio::time::timeout(2 * HEARTBEAT, alive) => frame,
            () = busy => unreachable!("it goes on for ever"),
        };

        assert_eq!(heartbeat.expect("it shows a sign of life").as_ref(), b": heartbeat\n\n");
    }
}
