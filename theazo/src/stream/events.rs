//! A stream of events that resumes after the last event that arrived.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, future::BoxFuture};
use http::HeaderValue;
use theazo_api::{ErrorCode, Reply};
use tokio::{
    runtime::Handle,
    task::coop,
    time::{Instant, sleep},
};

use super::{
    farewell::{Abandoned, Farewell},
    last_event::LastEvents,
    parser::{Parser, RawEvent, TooLarge},
    patience::{Impatience, Patience, SILENCE},
};
use crate::{
    error::{Error, ErrorKind},
    hooks::ArrivedEvent,
    transport::{
        self, ByteStream, Call, ClosedForGood, Exchange, LAST_EVENT_ID, LONGEST_OBEYED, Reading, Received,
        ResponseMeta, Transport, backoff_pause, event_too_large, name_of, new_idempotency_key, root_of,
    },
};

/// How often in a row a stream is reconnected without a new event, unless the caller chose a number of retries.
const RECONNECTS: u32 = 5;

/// A stream of events as they came.
///
/// When a connection breaks, or nothing arrives for 45 seconds while somebody waits, the stream reconnects with
/// `Last-Event-ID`: no event is lost and none comes twice. A server that gives its events no ids cannot promise that; then
/// the stream ends with an error. It ends after the event that says so.
///
/// Dropping it early, even while it is being opened, closes the connection; where the operation says so (`agent.stream`,
/// `agent.execStream`, `chat.stream`, ...), it also ends the work that the stream started, unless the stream is
/// [detached](Self::detach). After an error nothing is ended: a run goes on and can be found by its id.
pub struct EventStream {
    transport: Transport,
    call: Call,
    meta: ResponseMeta,
    run_id: Option<String>,
    /// What the server does for the stream, by the id that the head gave: a run, or a program.
    work_id: Option<String>,
    state: State,
    parser: Parser,
    last: LastEvents,
    /// The id of the last event of an earlier connection; what is not beyond it has been seen.
    seen: Option<String>,
    /// Whether an event was given that has no id: then no connection can go on where this one was.
    has_no_place: bool,
    failures: u32,
    max_failures: u32,
    patience: Patience,
    /// Where the farewell is sent from: a drop can happen outside the runtime.
    runtime: Option<Handle>,
}

enum State {
    Reading(ByteStream),
    Reconnecting(BoxFuture<'static, Result<Received, Error>>),
    Ended,
}

impl EventStream {
    pub(crate) async fn open(transport: Transport, mut call: Call) -> Result<Self, Error> {
        let started = Instant::now();
        if call.operation.repeat == theazo_api::Repeat::Keyed {
            // Fixed here, because a resumed stream must be the same call.
            call.options.idempotency_key.get_or_insert_with(new_idempotency_key);
        }
        let mut abandoned = Abandoned::guard(&transport, &call);
        let exchange = Exchange::new(&transport, &call)?.telling(abandoned.is_unclear());
        let received = exchange.run(Reading::Head).await;
        abandoned.disarm();
        let received = received?;
        let deadline =
            transport.options(&call).deadline.and_then(|deadline| Some((deadline, started.checked_add(deadline)?)));
        Self::over(transport, call, received, deadline)
    }

    /// The stream of a connection that is open.
    fn over(
        transport: Transport,
        call: Call,
        received: Received,
        deadline: Option<(Duration, Instant)>,
    ) -> Result<Self, Error> {
        let max_failures = transport.chosen_retries(&call).unwrap_or(RECONNECTS);
        let last = LastEvents::of(call.operation);
        let mut stream = Self {
            transport,
            call,
            meta: ResponseMeta::default(),
            run_id: None,
            work_id: None,
            state: State::Ended,
            parser: Parser::default(),
            last,
            seen: None,
            has_no_place: false,
            failures: 0,
            max_failures,
            patience: Patience::new(deadline),
            runtime: Handle::try_current().ok(),
        };
        stream.connected(received)?;
        Ok(stream)
    }

    /// The next event; `None` when the stream has ended.
    ///
    /// Dropping the future loses nothing: the next call goes on where it was.
    ///
    /// # Errors
    ///
    /// When the stream cannot be resumed; nothing follows.
    pub async fn next(&mut self) -> Option<Result<RawEvent, Error>> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The run that the stream belongs to, where it belongs to one.
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Everything about the answer that opened the stream, or resumed it last, that is not its events.
    pub fn meta(&self) -> &ResponseMeta {
        &self.meta
    }

    /// Leaves the stream and lets the server's work go on.
    pub fn detach(mut self) {
        self.state = State::Ended;
    }

    /// Leaves the stream as dropping it does, and waits until the server knows. Dropping the future ends the waiting alone.
    ///
    /// # Errors
    ///
    /// When the server could not be told to end the work.
    pub async fn close(mut self) -> Result<(), Error> {
        match self.farewell() {
            Some(farewell) => farewell.tell().await,
            None => Ok(()),
        }
    }

    /// The error of an event that is not what the API describes.
    pub(crate) fn unreadable(&self, data: &[u8], problem: &serde_json::Error) -> Error {
        let name = name_of(self.call.operation);
        let what = format!("an event of {name}");
        transport::unreadable(
            &what,
            data,
            problem,
            &self.meta,
            &self.transport.redactor_of_answer(self.call.operation, self.call.body.as_deref()),
        )
    }

    /// Takes over a connection.
    fn connected(&mut self, received: Received) -> Result<(), Error> {
        if received.meta.status == 204 {
            self.state = State::Ended;
            let is_first = self.meta.status == 0;
            self.meta = received.meta;
            // Later it says that nothing follows; at first there should have been something.
            return if is_first { Err(transport::nothing(self.call.operation, &self.meta)) } else { Ok(()) };
        }
        let id = |name| received.meta.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.run_id = id(transport::RUN_ID).or(self.run_id.take());
        self.work_id = self.run_id.clone().or_else(|| id(transport::EXEC_ID)).or(self.work_id.take());
        self.meta = received.meta;
        self.parser = self.parser.resumed();
        self.seen = self.parser.last_event_id().map(str::to_owned);
        self.patience.heard();
        self.state = received.rest.map_or(State::Ended, State::Reading);
        Ok(())
    }

    pub(crate) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RawEvent, Error>>> {
        let polled = self.poll_connection(context);
        self.patience.listening(polled.is_pending());
        polled
    }

    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RawEvent, Error>>> {
        loop {
            match self.parser.next() {
                Ok(Some(event)) => match self.judge(&event) {
                    Judgement::Skip => continue,
                    Judgement::Give => return Poll::Ready(Some(Ok(event))),
                    Judgement::GiveAsLast => {
                        self.end();
                        return Poll::Ready(Some(Ok(event)));
                    }
                    Judgement::End => {
                        self.end();
                        return Poll::Ready(None);
                    }
                },
                Ok(None) => {}
                Err(TooLarge) => return self.fail(event_too_large(self.call.operation)),
            }
            let problem = match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Reading(body) => {
                    // A peer that never stops talking must not keep the thread from everything else.
                    let turn = ready!(coop::poll_proceed(context));
                    let polled = body.as_mut().poll_next(context);
                    if polled.is_ready() {
                        turn.made_progress();
                    }
                    match polled {
                        Poll::Ready(Some(Ok(chunk))) => {
                            if let Some(limit) = self.patience.heard() {
                                return self.out_of_time(limit);
                            }
                            self.parser.push(chunk);
                            continue;
                        }
                        Poll::Ready(Some(Err(source))) => match source.downcast::<ClosedForGood>() {
                            Ok(closed) => {
                                let error = closed.into_error(
                                    self.call.operation,
                                    &self.transport.redactor_of_answer(self.call.operation, self.call.body.as_deref()),
                                );
                                return self.fail(error);
                            }
                            Err(source) => root_of(&*source),
                        },
                        Poll::Ready(None) => "the connection ended before the stream did".to_owned(),
                        Poll::Pending => match ready!(self.patience.poll(context)) {
                            Impatience::Silence => format!("nothing arrived for {SILENCE:?}, not even a heartbeat"),
                            Impatience::Deadline(limit) => return self.out_of_time(limit),
                        },
                    }
                }
                State::Reconnecting(attempt) => match attempt.as_mut().poll(context) {
                    Poll::Ready(Ok(received)) => match self.connected(received) {
                        Ok(()) => continue,
                        Err(error) => return self.fail(error),
                    },
                    Poll::Ready(Err(error)) => return self.fail(error),
                    Poll::Pending => {
                        let limit = ready!(self.patience.poll_deadline(context));
                        return self.out_of_time(limit);
                    }
                },
            };
            if let Some(error) = self.broken(problem) {
                return self.fail(error);
            }
        }
    }

    fn out_of_time(&mut self, limit: Duration) -> Poll<Option<Result<RawEvent, Error>>> {
        self.fail(transport::timeout_error(self.call.operation, limit))
    }

    /// What to do with an event.
    fn judge(&mut self, event: &RawEvent) -> Judgement {
        if event.data.is_empty() || self.is_seen(event) {
            return Judgement::Skip;
        }
        self.failures = 0;
        self.has_no_place = event.id.is_none();
        let (operation, hooks) = (self.call.operation, self.transport.hooks());
        if !hooks.is_empty() {
            let id = event.id.as_deref();
            hooks.stream_event(&ArrivedEvent { operation: operation.id, id, data: &event.data });
        }
        if &event.data[..] == b"[DONE]" {
            Judgement::End
        } else if self.last.have(&event.data) {
            Judgement::GiveAsLast
        } else {
            Judgement::Give
        }
    }

    /// Whether an earlier connection gave this event already. Ids are numbers that grow; of others only the same one
    /// counts as seen. An event that says no id stands after the one before, whose id it then carries, and is a new one.
    fn is_seen(&self, event: &RawEvent) -> bool {
        if !self.parser.has_own_id() {
            return false;
        }
        let (Some(seen), Some(id)) = (&self.seen, &event.id) else { return false };
        match (seen.parse::<u64>(), id.parse::<u64>()) {
            (Ok(seen), Ok(id)) => id <= seen,
            _ => id == seen,
        }
    }

    /// Starts to reconnect, or gives the error that ends the stream.
    fn broken(&mut self, problem: String) -> Option<Error> {
        self.failures += 1;
        if self.has_no_place || self.failures > self.max_failures {
            let mut message = format!("the stream of {} broke: {problem}", name_of(self.call.operation));
            if self.has_no_place {
                message.push_str("; its events have no ids, so it cannot go on where it was");
            }
            let mut error = Error::new(ErrorKind::MaybeReceived, ErrorCode::ConnectionError, message);
            error.parts().retryable = true;
            return Some(error);
        }
        tracing::debug!(operation = self.call.operation.id, problem, failures = self.failures, "resuming the stream");
        let asked = self.parser.retry().unwrap_or_default().min(LONGEST_OBEYED);
        let pause = backoff_pause(self.failures - 1, None, rand::random()).max(asked);
        let last_event_id = self.parser.last_event_id().map(str::to_owned);
        let (transport, mut call) = (self.transport.clone(), self.call.clone());
        call.options.deadline = None;
        call.options.max_retries = Some(self.max_failures - self.failures);
        self.state = State::Reconnecting(Box::pin(async move {
            sleep(pause).await;
            let mut exchange = Exchange::new(&transport, &call)?;
            if let Some(id) = last_event_id {
                // Browsers cannot set headers of a WebSocket, so there the place is in the query.
                exchange = match HeaderValue::from_bytes(id.as_bytes()) {
                    _ if call.operation.reply == Reply::Socket => exchange.query("since", &id),
                    Ok(value) => exchange.header(LAST_EVENT_ID, value),
                    Err(_) => exchange,
                };
            }
            exchange.run(Reading::Head).await
        }));
        None
    }

    fn fail(&mut self, mut error: Error) -> Poll<Option<Result<RawEvent, Error>>> {
        self.end();
        if let Some(run_id) = &self.run_id {
            transport::tell_run(&mut error, run_id);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.parser = self.parser.resumed();
    }

    /// What tells the server that the caller left, if it is to be told; the stream ends in any case.
    fn farewell(&mut self) -> Option<Farewell> {
        let is_open = !matches!(std::mem::replace(&mut self.state, State::Ended), State::Ended);
        if !is_open || !self.call.operation.ends_with_caller {
            return None;
        }
        let farewell = transport::operation(self.call.operation.farewell)?;
        let known = farewell.path_parameters().count().saturating_sub(1);
        let path = self.call.path.iter().take(known).cloned().chain([self.work_id.clone()?]);
        Some(Farewell::new(&self.transport, Call::new(farewell).path(path), self.runtime.clone()))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        drop(self.farewell());
    }
}

impl Stream for EventStream {
    type Item = Result<RawEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(context)
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("operation", &self.call.operation.id)
            .field("run_id", &self.run_id)
            .field("last_event_id", &self.parser.last_event_id())
            .finish_non_exhaustive()
    }
}

/// What to do with an event.
enum Judgement {
    Skip,
    Give,
    GiveAsLast,
    End,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http::{HeaderMap, header::CONTENT_TYPE};

    use super::*;
    use crate::{config::Config, transport};

    /// A stream over pieces that come at these seconds; then nothing comes any more. It never reconnects.
    fn over(pieces: &'static [(u64, &'static str)]) -> EventStream {
        let body = stream::iter(pieces).then(|&(seconds, text)| async move {
            sleep(Duration::from_secs(seconds)).await;
            Ok(Bytes::from_static(text.as_bytes()))
        });
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
        let received = Received {
            meta: ResponseMeta { status: 200, headers, ..ResponseMeta::default() },
            whole: Bytes::new(),
            rest: Some(Box::pin(body.chain(stream::pending()))),
        };
        let mut call = Call::new(transport::operation("StreamLogs").unwrap());
        call.options.max_retries = Some(0);
        let transport = Transport::new(Config::with_api_key("th_test_1")).unwrap();
        EventStream::over(transport, call, received, None).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_keep_a_quiet_stream_alive_and_silence_ends_it() {
        let mut stream = over(&[(40, ": heartbeat\n\n"), (40, ": heartbeat\n\n"), (40, "id: 1\ndata: 1\n\n")]);
        let begun = Instant::now();

        let event = stream.next().await.unwrap().unwrap();
        assert_eq!((&event.data[..], begun.elapsed().as_secs()), (&b"1"[..], 120));

        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), 165);
        assert_eq!(
            error.message(),
            "the stream of `GET /v1/logs/stream` broke: nothing arrived for 45s, not even a heartbeat"
        );
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn row_26_a_consumer_that_is_slow_does_not_take_its_own_silence_for_the_peer_s() {
        let mut stream = over(&[(0, "data: 1\n\n"), (1, "data: 2\n\n"), (1, "data: 3\n\n"), (1, "data: 4\n\n")]);
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"1");

        sleep(Duration::from_secs(3600)).await;
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"2");
        // One who begins to wait, turns to something else and comes back.
        assert!(tokio::time::timeout(Duration::from_millis(500), stream.next()).await.is_err());
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"3");
        sleep(SILENCE - Duration::from_millis(1)).await;
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"4");

        let begun = Instant::now();
        assert!(stream.next().await.unwrap().is_err());
        assert_eq!(begun.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_dropped_loses_no_event() {
        let mut stream = over(&[(0, "data: 1\n\nda"), (10, "ta: 2\n\n")]);
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"1");

        let gave_up = tokio::time::timeout(Duration::from_secs(1), stream.next()).await;

        assert!(gave_up.is_err());
        assert_eq!(&stream.next().await.unwrap().unwrap().data[..], b"2");
    }
}
