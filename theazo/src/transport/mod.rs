//! The layer of bytes: takes an operation and its JSON, gives back JSON or a stream of events.
//!
//! It owns everything that every language needs and none should write again: addresses and headers, timeouts, retries
//! with a budget, idempotency keys, and the re-attaching to runs that outlive a connection. It can be used alone:
//!
//! ```no_run
//! # async fn example() -> Result<(), theazo::Error> {
//! use std::time::Duration;
//! use theazo::{CallOptions, transport::{self, Answer, Call, Transport}};
//!
//! let transport = Transport::new(theazo::Config::new().or_environment()?)?;
//! let operation = transport::operation("GetSession").expect("the table has it");
//! let answer: Answer = transport.call(Call::new(operation).path(["ses_a1b2c3"])).await?;
//! println!("{}", String::from_utf8_lossy(&answer.body));
//!
//! // Other options for all its calls; the connections are shared.
//! let patient = transport.with(CallOptions::new().timeout(Duration::from_secs(120)));
//! println!("{}", patient.explain());
//!
//! // For a thread that waits, which drives connections of its own.
//! let mut blocking = transport.blocking()?.expect("it needs no proxy");
//! std::thread::spawn(move || {
//!     let answer = blocking.run(async |transport| transport.call(Call::new(operation).path(["ses_a1b2c3"])).await);
//!     println!("{answer:?}");
//! });
//!
//! // A stream of events.
//! let operation = transport::operation("StreamRun").expect("the table has it");
//! let mut events = patient.open(Call::new(operation).path(["arun_a1b2c3"])).await?;
//! while let Some(event) = events.next().await {
//!     println!("{}", String::from_utf8_lossy(&event?.data));
//! }
//! # Ok(()) }
//! ```
//!
//! Reading order: `call` (what goes in), `exchange` (the loop over attempts), the pure decisions in `classify`,
//! `backoff`, `budget` and `retry_after`, and at the edge `connection` (HTTP, an injected client, or a router in this
//! process). For languages that wait in ways of their own: `reactor` (an event loop) and `blocking` (a thread).

mod address;
mod attempt;
mod backoff;
mod blocking;
mod budget;
mod call;
#[cfg(test)]
mod cases;
mod classify;
mod connection;
mod exchange;
mod header;
mod http_client;
mod http_pool;
mod listener;
mod nested;
mod outcome;
mod prepare;
mod providers;
mod reactor;
mod redact;
mod retry_after;
mod socket;
mod trace;

use std::{
    any::Any,
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use theazo_api::{Operation, Secret};

pub(crate) use address::without_user_part;
pub use attempt::Attempt;
pub(crate) use backoff::{LONGEST_OBEYED, pause as backoff_pause};
pub use blocking::Blocking;
pub use call::{Answer, Call, CallOptions, ResponseMeta, Timings};
pub(crate) use classify::Ending as Unanswered;
pub(crate) use connection::{
    Body as AnswerBody, BoxError, ByteStream, Connection, Failure, Incoming, Outgoing, root_of,
};
pub(crate) use exchange::{Exchange, Reading, Received};
pub(crate) use header::{EXEC_ID, LAST_EVENT_ID, RUN_ID};
pub use http_client::{Body, HttpClient, HttpError};
pub(crate) use outcome::{event_too_large, name as name_of, nothing, tell_run, timeout_error, unreadable};
pub(crate) use prepare::new_idempotency_key;
pub use reactor::{Reactor, WATCH_INTERVAL};
pub(crate) use redact::Redactor;
pub(crate) use socket::ClosedForGood;
pub(crate) use trace::{TraceContext, hexadecimal};

use crate::{
    config::{Config, DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, Explanation},
    error::Error,
    hooks::Hooks,
    log::Log,
    recording::Tape,
    stream::EventStream,
};

/// The layer of bytes. Clones are cheap and share one connection pool and one retry budget.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
    connection: Arc<connection::Connection>,
    /// What [`Transport::with`] changed.
    changed: Option<Arc<CallOptions>>,
}

struct Inner {
    base: address::Base,
    /// What calls reach, for messages.
    target: String,
    /// The headers that every request carries.
    headers: http::HeaderMap,
    redactor: redact::Redactor,
    timeout: Duration,
    deadline: Option<Duration>,
    max_retries: u32,
    /// Whether the number of retries was chosen by the caller.
    has_chosen_retries: bool,
    max_answer_bytes: u64,
    budget: budget::RetryBudget,
    failures: nested::Failures,
    hooks: Hooks,
    trace_context: Option<TraceContext>,
    tape: Option<Tape>,
    providers: Option<providers::Providers>,
    explanation: Explanation,
    /// What must live as long as the transport does: an embedded control plane.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
}

impl Transport {
    /// A transport over HTTP.
    ///
    /// # Errors
    ///
    /// If there is no key, or something in `config` cannot be understood, or the root certificates of the system cannot
    /// be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        if config.is_local() {
            return Err(Error::configuration("the base address `local` is not an HTTP address").with_hint(
                "build the client with `Theazo::embedded()` and the feature `embedded`, or give an address such as \
                 `http://localhost:8787`",
            ));
        }
        let base_url = config.settings.base_url.as_deref();
        let base = address::Base::parse(base_url.unwrap_or(crate::config::DEFAULT_BASE_URL))?;
        let connection = match &config.http_client {
            Some(client) => connection::Connection::Injected(client.clone()),
            None => connection::Connection::http(&base, &config.settings)?,
        };
        Self::over(connection, base, config)
    }

    /// A transport over HTTP without a key: the address itself has the secret, in its path.
    pub(crate) fn keyless(config: Config) -> Result<Self, Error> {
        let base = address::Base::parse(config.settings.base_url.as_deref().unwrap_or_default())?;
        let connection = connection::Connection::http(&base, &config.settings)?;
        let (headers, mut secrets) = prepare::keyless_headers(&config)?;
        secrets.extend(base.path_segments().map(Secret::from));
        Self::assemble(connection, base, config, headers, secrets)
    }

    /// A transport to a control plane in this process: the same calls without a socket. It does not keep the plane alive.
    ///
    /// For whoever starts a control plane by hand, as a server that also calls itself does;
    /// [`Plane`](crate::embedded::Plane) is simpler.
    ///
    /// ```no_run
    /// # async fn example(plane: theazo_server::ControlPlane, key: String) -> Result<(), theazo::Error> {
    /// let transport = theazo::Transport::to_plane(&plane, theazo::Config::with_api_key(key))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Transport::new`].
    #[cfg(feature = "embedded")]
    pub fn to_plane(plane: &theazo_server::ControlPlane, config: Config) -> Result<Self, Error> {
        Self::in_process(plane.router(), config)
    }

    /// A transport to a router in this process.
    #[cfg(feature = "embedded")]
    pub(crate) fn in_process(router: axum::Router, config: Config) -> Result<Self, Error> {
        let base = address::Base::parse(connection::IN_PROCESS)?;
        Self::over(connection::Connection::InProcess(router), base, config)
    }

    fn over(connection: connection::Connection, base: address::Base, config: Config) -> Result<Self, Error> {
        let (headers, mut secrets) = prepare::client_headers(&config)?;
        secrets.extend(providers::Providers::secrets(config.compute.as_ref(), config.models.as_ref()));
        Self::assemble(connection, base, config, headers, secrets)
    }

    fn assemble(
        connection: connection::Connection,
        base: address::Base,
        config: Config,
        headers: http::HeaderMap,
        secrets: Vec<Secret>,
    ) -> Result<Self, Error> {
        config.settings.check()?;
        let explanation = config.explain()?;
        let providers = providers::Providers::of(&config)?;
        let Config { settings, mut hooks, trace_context, tape, .. } = config;
        if let Some(log) = Log::new(settings.log.unwrap_or_default(), settings.log_bodies.unwrap_or_default()) {
            hooks.push(Arc::new(log));
        }
        let redactor = redact::Redactor::new(secrets);
        let target = match &connection {
            connection::Connection::Http(_) | connection::Connection::Injected(_) => {
                redactor.clean(base.as_str()).into_owned()
            }
            #[cfg(feature = "embedded")]
            connection::Connection::InProcess(_) => "the embedded control plane".to_owned(),
        };
        let inner = Inner {
            base,
            target,
            headers,
            redactor,
            timeout: settings.timeout.unwrap_or(DEFAULT_TIMEOUT),
            deadline: settings.deadline,
            max_retries: settings.max_retries.unwrap_or(DEFAULT_MAX_RETRIES),
            has_chosen_retries: settings.max_retries.is_some(),
            max_answer_bytes: settings.max_answer_bytes.unwrap_or(DEFAULT_MAX_ANSWER_BYTES),
            budget: budget::RetryBudget::default(),
            failures: nested::Failures::default(),
            hooks: Hooks::new(hooks),
            trace_context,
            tape,
            providers,
            explanation,
            _kept: None,
        };
        Ok(Self { inner: Arc::new(inner), connection: Arc::new(connection), changed: None })
    }

    /// The transport, keeping something alive as long as it or a clone of it lives.
    #[cfg(feature = "embedded")]
    pub(crate) fn keeping(mut self, kept: Arc<dyn Any + Send + Sync>) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("a new transport has no clones");
        inner._kept = Some(kept);
        self
    }

    /// The same transport with other options for its calls: the pool of connections and the retry budget are shared.
    pub fn with(&self, options: CallOptions) -> Self {
        let inherited = self.changed.as_deref().cloned().unwrap_or_default();
        let changed = CallOptions { idempotency_key: None, ..options.over(&inherited) };
        Self { changed: Some(Arc::new(changed)), ..self.clone() }
    }

    /// The same for a thread that waits for its calls: it gets connections of its own, which it drives itself. A runtime of tokio
    /// must be entered where this is called, for names and timers.
    ///
    /// `None` where [`Transport::on`] gives none: there a thread waits for what others do.
    ///
    /// # Errors
    ///
    /// If no runtime is entered, and if the operating system gives no more files.
    pub fn blocking(&self) -> Result<Option<Blocking>, Error> {
        match &*self.connection {
            connection::Connection::Http(pool) if pool.is_plain() => Blocking::new(self, pool.idle_limits()),
            _ => Ok(None),
        }
    }

    /// The same for calls that are polled on the thread of `reactor`: their connections are its own, and speak HTTP/1.1. A
    /// runtime of tokio must be entered wherever such a call is polled, for names and timers. Streams of events can be opened so,
    /// too.
    ///
    /// `None` for what it cannot watch: a transport that is not over HTTP, has an injected client or a proxy, or is to
    /// speak HTTP/2.
    ///
    /// ```
    /// use theazo::{Config, Transport, transport::Reactor};
    ///
    /// let config = Config::with_api_key("th_test_1").base_url("http://localhost:8787").proxy("none");
    /// let reactor = Reactor::new()?;
    /// assert!(Transport::new(config.clone())?.on(&reactor).is_some());
    /// assert!(Transport::new(config.proxy("http://proxy.internal:3128"))?.on(&reactor).is_none());
    /// # Ok::<(), theazo::Error>(())
    /// ```
    pub fn on(&self, reactor: &Reactor) -> Option<Self> {
        let connection::Connection::Http(pool) = &*self.connection else { return None };
        let client = reactor::Client::new(pool, &self.inner.base, self.connection.clone(), reactor)?;
        Some(Self { connection: Arc::new(connection::Connection::Injected(Arc::new(client))), ..self.clone() })
    }

    /// Whether calls go to a control plane in this process. Much of what that is asked it knows at once, so that a call which is
    /// polled where it is made may need no other thread.
    ///
    /// ```
    /// let config = theazo::Config::with_api_key("th_test_1").base_url("http://localhost:8787");
    /// assert!(!theazo::Transport::new(config)?.is_in_process());
    /// # Ok::<(), theazo::Error>(())
    /// ```
    pub fn is_in_process(&self) -> bool {
        match &*self.connection {
            connection::Connection::Http(_) | connection::Connection::Injected(_) => false,
            #[cfg(feature = "embedded")]
            connection::Connection::InProcess(_) => true,
        }
    }

    /// Each setting with its effective value and where that comes from; secrets are masked.
    pub fn explain(&self) -> Explanation {
        let Some(changed) = &self.changed else { return self.inner.explanation.clone() };
        let durations = [("timeout", changed.timeout), ("deadline", changed.deadline)];
        let mut explanation = self.inner.explanation.clone();
        for (name, value) in durations.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            explanation = explanation.changed(name, format!("{value:?}"));
        }
        if let Some(max_retries) = changed.max_retries {
            explanation = explanation.changed("max_retries", max_retries.to_string());
        }
        if !changed.headers.is_empty() {
            let names: Vec<&str> = changed.headers.iter().map(|(name, _)| name.as_str()).collect();
            explanation = explanation.changed("headers", names.join(", "));
        }
        explanation
    }

    /// Makes a call whose answer is JSON or empty, and waits for the answer.
    ///
    /// Dropping the future closes the connection; what the server has begun it finishes.
    ///
    /// # Errors
    ///
    /// When the call failed for good: after its retries, past its deadline, or in a way that no retry mends.
    pub async fn call(&self, call: Call) -> Result<Answer, Error> {
        match &self.inner.providers {
            // Boxed, so that what is rare does not make the future of every call larger.
            Some(providers) if providers.concern(call.operation) => {
                Box::pin(providers.create_session(self, call)).await
            }
            _ => self.exchange(&call).await,
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, Error> {
        let reply = Exchange::new(self, call)?.run(Reading::Whole).await?;
        Ok(Answer { body: reply.whole, meta: reply.meta })
    }

    /// Makes a call whose answer is a stream of events.
    ///
    /// # Errors
    ///
    /// When the stream cannot be opened. Later failures arrive as items of the stream.
    pub async fn open(&self, call: Call) -> Result<EventStream, Error> {
        EventStream::open(self.clone(), call).await
    }

    /// What calls reach, for messages.
    pub(crate) fn target(&self) -> &str {
        &self.inner.target
    }

    /// The options of a call, with what they inherit.
    pub(crate) fn options(&self, call: &Call) -> CallOptions {
        let mut options = match &self.changed {
            Some(changed) => call.options.over(changed),
            None => call.options.clone(),
        };
        options.deadline = options.deadline.or(self.inner.deadline);
        options
    }

    /// How often a stream is resumed, where the caller chose a number of retries.
    pub(crate) fn chosen_retries(&self, call: &Call) -> Option<u32> {
        let chosen = self.options(call).max_retries;
        chosen.or(self.inner.has_chosen_retries.then_some(self.inner.max_retries))
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.inner.hooks
    }

    /// What is left out when something is shown that may repeat what was sent.
    pub(crate) fn redactor_of_sent(&self, operation: &Operation, sent: Option<&[u8]>) -> Cow<'_, redact::Redactor> {
        let secrets = sent.filter(|_| exchange::is_sensitive(operation)).map(operation.secrets_in_body);
        match secrets {
            Some(secrets) if !secrets.is_empty() => Cow::Owned(self.inner.redactor.and(secrets)),
            _ => Cow::Borrowed(&self.inner.redactor),
        }
    }

    /// What is left out when something of a successful answer is shown.
    pub(crate) fn redactor_of_answer(&self, operation: &Operation, sent: Option<&[u8]>) -> Cow<'_, redact::Redactor> {
        if crate::generated::SECRET_ANSWERS.contains(&operation.id) {
            Cow::Owned(redact::Redactor::of_everything())
        } else {
            self.redactor_of_sent(operation, sent)
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("target", &self.target())
            .field("timeout", &self.inner.timeout)
            .field("max_retries", &self.inner.max_retries)
            .field("with", &self.changed)
            .finish_non_exhaustive()
    }
}

/// The operation with this id, those of the test plane included.
pub fn operation(id: &str) -> Option<&'static Operation> {
    static OPERATIONS: LazyLock<HashMap<&'static str, &'static Operation>> = LazyLock::new(|| {
        let all = theazo_api::operations().into_iter().chain(theazo_api::test_operations());
        all.map(|operation| (operation.id, operation)).collect()
    });
    OPERATIONS.get(id).copied()
}
