//! The loop of one call: attempts, pauses between them, and the re-attaching to work that outlives a request.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use theazo_api::{DurationInput, Operation, Reply, TimeClass};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::{
    Attempt, Call, ResponseMeta, Timings, Transport,
    backoff::{self, LONGEST_OBEYED},
    classify::{Ending, may_retry},
    connection::{Body, ByteStream, Failure, Outgoing, Unread},
    header::{ATTEMPT, CONTINUE, IDEMPOTENCY_KEY, PREFER, REPLAYED, RUN_ID, SHOULD_RETRY, TRACE_PARENT},
    outcome,
    prepare::call_headers,
    redact::Redactor,
    retry_after::asked_pause,
    trace::Trace,
};
use crate::{
    error::{Error, ErrorKind},
    hooks::{RequestEvent, ResponseEvent, RetryEvent},
    recording::Label,
};

/// How long the server may hold a request that waits for a run before it says `continue`.
const RUN_WAIT: Duration = Duration::from_secs(25);

/// What is added to that wait for the way there and back.
const RUN_SLACK: Duration = Duration::from_secs(10);

/// A server that says `continue` sooner than this is not holding requests as asked; then a pause keeps us from spinning.
const SHORTEST_HOLD: Duration = Duration::from_millis(100);

/// How much is read of an answer that is an error: more than any has to say.
const MAX_ERROR_BYTES: usize = 1 << 20;

/// Stands for a limit that no clock can count to.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How much of a successful answer to read before returning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All of it.
    Whole,
    /// Only its head; the body is given on.
    Head,
}

/// A successful answer.
pub(crate) struct Received {
    pub meta: ResponseMeta,
    /// The body, if all of it was read.
    pub whole: Bytes,
    /// The body that is still to be read.
    pub rest: Option<ByteStream>,
}

/// One call under way.
pub(crate) struct Exchange<'a> {
    transport: &'a Transport,
    operation: &'static Operation,
    url: Url,
    /// What this call adds to the headers of its client.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
    /// The limit of one attempt.
    limit: Duration,
    /// The limit of the whole call: what was asked for, and when that is.
    overall: Option<(Duration, Instant)>,
    /// Until when to wait for a change of state; then the present state is the answer.
    wait_until: Option<Instant>,
    max_retries: u32,
    /// Whether the idempotency key is the caller's.
    has_own_key: bool,
    /// How many attempts the same call has had before, when an application makes it again.
    attempts_before: u32,
    attempts: Vec<Attempt>,
    trace: Trace,
    started: Instant,
    waited: Duration,
    /// The run that the call waits for, as soon as the server has named it.
    run_id: Option<String>,
    /// Whom to tell whether the server may have begun the work.
    is_unclear: Option<Arc<AtomicBool>>,
}

/// An attempt that failed, with what the decision about the next one needs.
struct Failed {
    ending: Ending,
    asked: Option<Duration>,
    error: Error,
}

impl<'a> Exchange<'a> {
    /// Prepares a call; nothing is sent yet.
    pub fn new(transport: &'a Transport, call: &Call) -> Result<Self, Error> {
        let inner = &transport.inner;
        let operation = call.operation;
        let options = &transport.options(call);
        for (name, time) in [("timeout", options.timeout), ("deadline", options.deadline)] {
            if time == Some(Duration::ZERO) {
                return Err(Error::invalid_input(name, "must be longer than zero"));
            }
        }
        let limit = match operation.time {
            TimeClass::Run => RUN_WAIT + RUN_SLACK,
            TimeClass::Wait => options.timeout.unwrap_or(RUN_WAIT + RUN_SLACK),
            TimeClass::Request | TimeClass::Stream => options.timeout.unwrap_or(inner.timeout),
        };
        // A run is not over when an attempt is, so a caller's timeout can only mean how long to wait in all.
        let waiting = options.timeout.filter(|_| operation.time == TimeClass::Run);
        let overall = [options.deadline, waiting].into_iter().flatten().min();
        let started = Instant::now();
        let until = |duration: Duration| started.checked_add(duration);
        Ok(Self {
            transport,
            operation,
            url: inner.base.join(operation, &call.path, &call.query)?,
            headers: call_headers(call, options)?,
            body: call.body.clone(),
            limit,
            overall: overall.and_then(|overall| Some((overall, until(overall)?))),
            wait_until: wait_of(call)?.and_then(until),
            max_retries: options.max_retries.unwrap_or(inner.max_retries),
            has_own_key: options.idempotency_key.is_some(),
            attempts_before: 0,
            attempts: Vec::with_capacity(1),
            trace: Trace::of(inner.trace_context.as_ref()),
            started,
            waited: Duration::ZERO,
            run_id: None,
            is_unclear: None,
        })
    }

    /// Keeps this up to date: whether the server may have begun the work.
    pub fn telling(mut self, is_unclear: Arc<AtomicBool>) -> Self {
        self.is_unclear = Some(is_unclear);
        self
    }

    /// Adds a header to every attempt.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a query parameter to every attempt, in the place of one of that name.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let others: Vec<(String, String)> =
            self.url.query_pairs().filter(|(other, _)| other != name).map(|(n, v)| (n.into(), v.into())).collect();
        self.url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
        self
    }

    /// Sends until there is an answer, or no further attempt is worth it.
    ///
    /// Boxed, because those who call carry it on: what holds it would hold it twice or thrice, and move it from thread to thread.
    pub fn run(mut self, reading: Reading) -> BoxFuture<'a, Result<Received, Error>> {
        let span = tracing::debug_span!("theazo.call", operation = self.operation.id, trace_id = self.trace.id);
        async move { self.attempts(reading).await }.instrument(span).boxed()
    }

    async fn attempts(&mut self, reading: Reading) -> Result<Received, Error> {
        let (mut number, mut retry, mut waited) = (1, 0, Duration::ZERO);
        self.recall_failure();
        let mut was_lost = false;
        loop {
            let begun = Instant::now();
            self.tell_request(number);
            self.tell_unclear(true);
            let result = self.attempt(number, begun, reading).await;
            let ended = Instant::now();
            let took = ended - begun;
            self.tell_response(number, took, &result);
            match result {
                Ok(received) if is_continuation(&received.meta) && !self.has_waited() => {
                    // The work is alive, so failures from before no longer count.
                    retry = 0;
                    let hold = SHORTEST_HOLD.saturating_sub(took).min(self.time_left().0);
                    if !hold.is_zero() {
                        sleep(hold).await;
                    }
                }
                Ok(mut received) => {
                    self.transport.inner.budget.reward(retry > 0);
                    self.record(number, waited, took, Some(received.meta.status), &received.meta.request_id, None);
                    let timings = &mut received.meta.timings;
                    timings.total = ended - self.started;
                    timings.waited = self.waited;
                    received.meta.attempts = std::mem::take(&mut self.attempts);
                    received.meta.trace_id = std::mem::take(&mut self.trace.id);
                    return Ok(received);
                }
                Err(failed) => {
                    was_lost |= failed.ending == Ending::Broken;
                    self.tell_unclear(was_lost);
                    let status = Some(failed.error.status()).filter(|&status| status != 0);
                    let message = failed.error.message().to_owned();
                    self.record(number, waited, took, status, failed.error.request_id(), Some(message));
                    waited = match self.next_pause(&failed, retry) {
                        Some(pause) => pause,
                        None => return Err(self.give_up(failed)),
                    };
                    self.tell_retry(number, waited, &failed);
                    sleep(waited).await;
                    self.waited += waited;
                    (number, retry) = (number + 1, retry + 1);
                }
            }
        }
    }

    /// Sends once and reads the answer within the limit.
    async fn attempt(&mut self, number: u32, begun: Instant, reading: Reading) -> Result<Received, Failed> {
        let (limit, shown) = self.time_left();
        if limit.is_zero() {
            let error = outcome::timeout_error(self.operation, shown);
            return Err(Failed { ending: Ending::Broken, asked: None, error });
        }
        let outgoing = self.outgoing(self.attempts_before.saturating_add(number), limit);
        let until = begun.checked_add(limit).unwrap_or(begun + A_YEAR);
        match timeout_at(until, self.send(outgoing, begun, reading, until)).await {
            Ok(result) => result,
            Err(_) => {
                let error = outcome::timeout_error(self.operation, shown);
                Err(Failed { ending: Ending::Broken, asked: None, error })
            }
        }
    }

    fn outgoing(&self, number: u32, limit: Duration) -> Outgoing {
        let (client, own) = (&self.transport.inner.headers, &self.headers);
        // With room for what is added here and by HTTP itself, so that it does not grow on the way.
        let mut headers = HeaderMap::with_capacity(client.len() + own.len() + 4);
        for (name, value) in client.iter().chain(own.iter().map(|(name, value)| (name, value))) {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(ATTEMPT, HeaderValue::from(number));
        headers.insert(TRACE_PARENT, self.trace.header());
        if let Some(wait) = self.hold(limit) {
            let prefer = HeaderValue::try_from(format!("wait={wait}")).expect("digits are visible ASCII");
            headers.insert(PREFER, prefer);
        }
        Outgoing {
            method: method(self.operation),
            url: self.url.clone(),
            headers,
            body: self.body.clone(),
            socket: self.operation.reply == Reply::Socket,
        }
    }

    /// How many seconds the server is to hold the request, where it holds any.
    fn hold(&self, limit: Duration) -> Option<u64> {
        match self.operation.time {
            // Rounded down: the server then answers before this side stops waiting, and says which run it is.
            TimeClass::Run => Some(limit.min(RUN_WAIT).as_secs()),
            TimeClass::Wait => {
                let left = self.wait_until.map_or(RUN_WAIT, |until| until.saturating_duration_since(Instant::now()));
                // Rounded up: the last request is to see the end of the wait.
                Some(left.min(RUN_WAIT).as_secs_f64().ceil() as u64)
            }
            TimeClass::Request | TimeClass::Stream => None,
        }
    }

    /// Whether the wait is over: then the state as it is now is the answer.
    fn has_waited(&self) -> bool {
        self.wait_until.is_some_and(|until| Instant::now() >= until)
    }

    /// What a recording must know of a request.
    fn label(&self, outgoing: &Outgoing) -> Label {
        let sent = self.transport.redactor_of_sent(self.operation, outgoing.body.as_deref());
        let tells_secrets = crate::generated::SECRET_ANSWERS.contains(&self.operation.id);
        Label { operation: self.operation.id, sent: sent.into_owned(), tells_secrets }
    }

    async fn send(
        &mut self,
        outgoing: Outgoing,
        begun: Instant,
        reading: Reading,
        until: Instant,
    ) -> Result<Received, Failed> {
        let (inner, connection) = (&self.transport.inner, &*self.transport.connection);
        let sent = match &inner.tape {
            None => connection.send(outgoing).await,
            // Boxed, so that what is rare does not make the future of every call larger.
            Some(tape) => Box::pin(tape.send(connection, self.label(&outgoing), outgoing)).await,
        };
        let incoming = sent.map_err(|failure| self.unanswered(failure))?;
        let (status, headers) = (incoming.status, incoming.headers);
        let timings = Timings { to_first_byte: begun.elapsed(), ..Timings::default() };
        if let Some(run_id) = headers.get(RUN_ID).and_then(|value| value.to_str().ok()) {
            self.run_id = Some(run_id.to_owned());
        }
        let is_success = (200..300).contains(&status) || status == 101;
        if is_success && reading == Reading::Head {
            if !outcome::is_stream(status, &headers) {
                let beginning = beginning_of(incoming.body, outcome::EXCERPT_BYTES, until).await;
                let error = outcome::not_a_stream(self.operation, status, &headers, &beginning, &self.redactor());
                return Err(self.unreadable(error, status, &headers));
            }
            let meta = meta(status, headers, timings);
            return Ok(Received { meta, whole: Bytes::new(), rest: Some(incoming.body.into_stream()) });
        }
        if !is_success {
            // The status says enough, even if the rest of the answer is lost, late or endless.
            let beginning = beginning_of(incoming.body, MAX_ERROR_BYTES, until).await;
            return Err(self.answered(status, &headers, &beginning));
        }
        let mut body = incoming.body;
        let whole = body.collect(inner.max_answer_bytes).await;
        let timings = Timings { body: begun.elapsed().saturating_sub(timings.to_first_byte), ..timings };
        let whole = match whole {
            Ok(whole) => whole,
            Err(Unread::Broken(source)) => return Err(self.unanswered(Failure { ending: Ending::Broken, source })),
            Err(Unread::TooLarge) => {
                let error = outcome::too_large(self.operation, inner.max_answer_bytes);
                return Err(self.unreadable(error, status, &headers));
            }
        };
        let meta = meta(status, headers, timings);
        // Who only waits on has nothing to read; who has waited reads the present state.
        if is_continuation(&meta) && self.operation.time != TimeClass::Wait {
            return Ok(Received { meta, whole, rest: None });
        }
        let form = outcome::check_form(self.operation, status, &whole, || self.redactor());
        form.map_err(|error| self.unreadable(error, status, &meta.headers))?;
        let whole = outcome::page_of(self.operation, whole, &meta.headers);
        Ok(Received { meta, whole, rest: None })
    }

    /// A success that is not what the API describes; it is not asked for again, since the work is done.
    fn unreadable(&self, mut error: Error, status: u16, headers: &HeaderMap) -> Failed {
        error.parts().status = status;
        error.parts().request_id = outcome::request_id(headers);
        Failed { ending: Ending::Refused, asked: None, error }
    }

    /// What is left out when something is shown that may repeat what was sent.
    fn redactor(&self) -> Cow<'_, Redactor> {
        self.transport.redactor_of_sent(self.operation, self.body.as_deref())
    }

    fn unanswered(&self, failure: Failure) -> Failed {
        let ending = failure.ending;
        let error = outcome::connection_error(self.operation, self.transport.target(), failure);
        Failed { ending, asked: None, error }
    }

    fn answered(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failed {
        let error = outcome::answered_error(self.operation, status, headers, body, &self.redactor());
        let advice = headers.get(SHOULD_RETRY).and_then(|value| match value.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        });
        let asked = asked_pause(headers, jiff::Timestamp::now()).or_else(|| outcome::pause_in_details(&error));
        Failed { ending: Ending::Answered { status, advice }, asked, error }
    }

    /// How long the next attempt may take, and the limit to name if that is not enough.
    fn time_left(&self) -> (Duration, Duration) {
        match self.overall {
            Some((overall, until)) => {
                let left = until.saturating_duration_since(Instant::now());
                if left < self.limit { (left, overall) } else { (self.limit, self.limit) }
            }
            None => (self.limit, self.limit),
        }
    }

    fn idempotency_key(&self) -> Option<&str> {
        let (_, key) = self.headers.iter().find(|(name, _)| *name == IDEMPOTENCY_KEY)?;
        key.to_str().ok()
    }

    fn is_repeatable(&self, ending: Ending) -> bool {
        may_retry(ending, self.operation.repeat, self.idempotency_key().is_some())
    }

    /// The pause before the next attempt, or `None` if there is to be none.
    fn next_pause(&self, failed: &Failed, retry: u32) -> Option<Duration> {
        if retry >= self.max_retries || !self.is_repeatable(failed.ending) {
            return None;
        }
        if failed.asked.is_some_and(|asked| asked > LONGEST_OBEYED) {
            return None;
        }
        let pause = backoff::pause(retry, failed.asked, rand::random());
        if self.overall.is_some_and(|(_, until)| Instant::now() + pause >= until) {
            return None;
        }
        if !self.transport.inner.budget.take() {
            tracing::warn!(
                operation = self.operation.id,
                "the retry budget is used up, so the call is not tried again"
            );
            return None;
        }
        Some(pause)
    }

    /// What tells the call from others when an application makes it again.
    fn identity(&self) -> [&[u8]; 3] {
        let key = self.idempotency_key().filter(|_| self.has_own_key).map(str::as_bytes);
        [self.operation.id.as_bytes(), self.url.as_str().as_bytes(), key.or(self.body.as_deref()).unwrap_or_default()]
    }

    fn recall_failure(&mut self) {
        let (attempts, is_news) = self.transport.inner.failures.before(&self.identity());
        self.attempts_before = attempts;
        if is_news {
            tracing::warn!(
                operation = self.operation.id,
                attempts,
                "a call that failed after the client's own retries is made again: two layers of retries multiply \
                 requests, so turn one off, here with `max_retries` 0"
            );
        }
    }

    /// The error of the last attempt, with what the whole call knows.
    fn give_up(&mut self, failed: Failed) -> Error {
        let is_retryable = self.is_repeatable(failed.ending);
        if is_retryable {
            let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
            self.transport.inner.failures.remember(&self.identity(), self.attempts_before.saturating_add(attempts));
        }
        let mut error = failed.error;
        let run_id = self.run_id.take().filter(|_| error.kind() == &ErrorKind::MaybeReceived);
        let parts = error.parts();
        parts.retryable = is_retryable;
        parts.trace_id = std::mem::take(&mut self.trace.id);
        parts.retry_after = failed.asked;
        parts.attempts = std::mem::take(&mut self.attempts);
        if let (None, Some(asked)) = (&parts.hint, failed.asked) {
            parts.hint = Some(format!("the server asks to wait {} s first", asked.as_secs_f64().ceil()));
        }
        if let Some(run_id) = run_id {
            outcome::tell_run(&mut error, &run_id);
        }
        error
    }

    fn tell_unclear(&self, is_unclear: bool) {
        if let Some(told) = &self.is_unclear {
            told.store(is_unclear, Ordering::Relaxed);
        }
    }

    fn tell_request(&self, number: u32) {
        let hooks = &self.transport.inner.hooks;
        if hooks.is_empty() {
            return;
        }
        let sensitive = is_sensitive(self.operation);
        hooks.request(&RequestEvent {
            operation: self.operation.id,
            method: self.operation.method.as_str(),
            path: self.path(),
            attempt: number,
            idempotency_key: self.idempotency_key(),
            trace_id: &self.trace.id,
            body: self.body.as_deref().filter(|_| !sensitive),
        });
    }

    fn tell_response(&self, number: u32, took: Duration, result: &Result<Received, Failed>) {
        let hooks = &self.transport.inner.hooks;
        let (status, request_id, problem, body) = match result {
            Ok(received) => {
                let body = Some(&received.whole[..]).filter(|_| received.rest.is_none());
                (Some(received.meta.status), received.meta.request_id.as_str(), None, body)
            }
            Err(failed) => {
                let status = Some(failed.error.status()).filter(|&status| status != 0);
                (status, failed.error.request_id(), Some(failed.error.message()), None)
            }
        };
        tracing::debug!(attempt = number, status, request_id, problem, took_ms = took.as_millis(), "attempt");
        if hooks.is_empty() {
            return;
        }
        let sensitive = is_sensitive(self.operation);
        hooks.response(&ResponseEvent {
            operation: self.operation.id,
            method: self.operation.method.as_str(),
            path: self.path(),
            attempt: number,
            status,
            request_id,
            problem,
            took,
            trace_id: &self.trace.id,
            body: body.filter(|_| !sensitive),
        });
    }

    fn tell_retry(&self, number: u32, pause: Duration, failed: &Failed) {
        let problem = failed.error.message();
        tracing::debug!(attempt = number, pause_ms = pause.as_millis(), problem, "trying again");
        let event = RetryEvent { operation: self.operation.id, attempt: number, pause, problem };
        self.transport.inner.hooks.retry(&event);
    }

    /// The path and query of the address.
    fn path(&self) -> &str {
        let prefix = self.url.origin().ascii_serialization().len();
        self.url.as_str().get(prefix..).unwrap_or_default()
    }

    fn record(
        &mut self,
        number: u32,
        waited: Duration,
        took: Duration,
        status: Option<u16>,
        request_id: &str,
        problem: Option<String>,
    ) {
        let request_id = Some(request_id.to_owned()).filter(|id| !id.is_empty());
        self.attempts.push(Attempt { number, status, request_id, problem, waited, took });
    }
}

fn method(operation: &Operation) -> http::Method {
    match operation.method {
        theazo_api::Method::Get => http::Method::GET,
        theazo_api::Method::Post => http::Method::POST,
        theazo_api::Method::Put => http::Method::PUT,
        theazo_api::Method::Patch => http::Method::PATCH,
        theazo_api::Method::Delete => http::Method::DELETE,
    }
}

fn meta(status: u16, headers: HeaderMap, timings: Timings) -> ResponseMeta {
    let replayed = headers.get(REPLAYED).is_some_and(|value| value == "true");
    let request_id = outcome::request_id(&headers);
    ResponseMeta { status, request_id, replayed, headers, timings, ..ResponseMeta::default() }
}

/// What comes of a body until then, and at most that much.
async fn beginning_of(body: Body, limit: usize, until: Instant) -> BytesMut {
    let mut beginning = BytesMut::new();
    timeout_at(until, body.read_into(&mut beginning, limit)).await.ok();
    beginning
}

/// How long a call waits for a change of state: the `timeout` of its query, where it is one that waits.
fn wait_of(call: &Call) -> Result<Option<Duration>, Error> {
    if call.operation.time != TimeClass::Wait {
        return Ok(None);
    }
    let Some((_, text)) = call.query.iter().find(|(name, _)| name == "timeout") else { return Ok(None) };
    let wait: DurationInput = text.parse().map_err(|problem| Error::invalid_input("timeout", problem))?;
    Ok(Some(wait.0))
}

/// Whether the body or the answer of an operation can hold secrets.
pub(super) fn is_sensitive(operation: &Operation) -> bool {
    crate::generated::SENSITIVE.contains(&operation.id)
}

/// Whether the work is still going on, and the same request is to be sent again to go on waiting for it.
fn is_continuation(meta: &ResponseMeta) -> bool {
    meta.status == 202 && meta.headers.get(CONTINUE).is_some_and(|value| value == "true")
}
