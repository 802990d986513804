//! The layer of bytes: takes an operation and its JSON, gives back JSON or a stream of events.
//!
//! It owns everything that every language needs and none should write again: addresses and headers, timeouts, retries
//! with a budget, idempotency keys, and the re-attaching to runs that outlive a connection. It can be used alone:
//!
//! ```no_run
//! # async fn example() -> Result<(), theazo::Error> {
//! use theazo::transport::{self, Call, Transport};
//!
//! let transport = Transport::new(theazo::Config::default().or_environment()?)?;
//! let operation = transport::operation("GetSession").expect("the table has it");
//! let answer = transport.call(Call::new(operation).path(["ses_a1b2c3"])).await?;
//! println!("{}", String::from_utf8_lossy(&answer.body));
//! # Ok(()) }
//! ```
//!
//! Reading order: `call` (what goes in), `exchange` (the loop over attempts), the pure decisions in `classify`,
//! `backoff`, `budget` and `retry_after`, and at the edge `connection` (HTTP or a router in this process).

mod address;
mod attempt;
mod backoff;
mod budget;
mod call;
mod classify;
mod connection;
mod exchange;
mod outcome;
mod prepare;
mod retry_after;

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use theazo_api::Operation;

pub(crate) use address::without_user_part;
pub use attempt::Attempt;
pub(crate) use backoff::{LONGEST_OBEYED, pause as backoff_pause};
pub use call::{Answer, Call, CallOptions, ResponseMeta};
pub(crate) use connection::{ByteStream, root_of};
pub(crate) use exchange::{Exchange, Reading, Received};
pub(crate) use outcome::name as name_of;
pub(crate) use prepare::{LAST_EVENT_ID, new_idempotency_key};

use crate::{
    config::{Config, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT},
    error::Error,
    stream::EventStream,
};

/// The layer of bytes. Clones are cheap and share one connection pool and one retry budget.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    connection: connection::Connection,
    base: address::Base,
    headers: http::HeaderMap,
    secret: secrecy::SecretString,
    timeout: Duration,
    max_retries: Option<u32>,
    budget: budget::RetryBudget,
    /// What must live as long as the transport: the embedded control plane behind it.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
}

impl Transport {
    /// A transport over HTTP.
    ///
    /// # Errors
    ///
    /// If there is no API key, or the base address or a header is malformed, or the system's root certificates cannot
    /// be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        if config.is_local() {
            return Err(Error::configuration("the base address `local` is not an HTTP address").with_hint(
                "build the client with `Theazo::embedded()` and the feature `embedded`, or give an address such as \
                 `http://localhost:8787`",
            ));
        }
        let base = address::Base::parse(config.base_url.as_deref().unwrap_or(crate::config::DEFAULT_BASE_URL))?;
        let connection = connection::Connection::http(&base, config.connect_timeout)?;
        Self::over(connection, base, config)
    }

    /// A transport to a router in this process: the same calls without a socket.
    ///
    /// # Errors
    ///
    /// As for [`Transport::new`].
    #[cfg(feature = "embedded")]
    pub fn in_process(router: axum::Router, config: Config) -> Result<Self, Error> {
        let base = address::Base::parse(connection::IN_PROCESS)?;
        Self::over(connection::Connection::InProcess(router), base, config)
    }

    fn over(connection: connection::Connection, base: address::Base, config: Config) -> Result<Self, Error> {
        let (headers, secret) = prepare::client_headers(&config)?;
        Ok(Self {
            inner: Arc::new(Inner {
                connection,
                base,
                headers,
                secret,
                timeout: config.timeout.unwrap_or(DEFAULT_TIMEOUT),
                max_retries: config.max_retries,
                budget: budget::RetryBudget::default(),
                _kept: None,
            }),
        })
    }

    /// The transport, keeping something alive as long as it or a clone of it lives.
    #[cfg(feature = "embedded")]
    pub(crate) fn keeping(mut self, kept: Arc<dyn Any + Send + Sync>) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("a new transport has no clones");
        inner._kept = Some(kept);
        self
    }

    /// Makes a call whose answer is JSON or empty, and waits for the answer.
    ///
    /// Dropping the future closes the connection; what the server has begun it finishes.
    ///
    /// # Errors
    ///
    /// When the call failed for good: after its retries, past its deadline, or in a way that no retry mends.
    pub async fn call(&self, call: Call) -> Result<Answer, Error> {
        let reply = exchange::Exchange::new(self, &call)?.run(Reading::Whole).await?;
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
        match &self.inner.connection {
            connection::Connection::Http(_) => self.inner.base.as_str(),
            #[cfg(feature = "embedded")]
            connection::Connection::InProcess(_) => "the embedded control plane",
        }
    }

    /// How often a call with these options is tried again.
    pub(crate) fn max_retries(&self, options: &CallOptions) -> u32 {
        options.max_retries.or(self.inner.max_retries).unwrap_or(DEFAULT_MAX_RETRIES)
    }

    /// Whether the number of retries was chosen by the caller.
    pub(crate) fn has_chosen_retries(&self, options: &CallOptions) -> bool {
        options.max_retries.or(self.inner.max_retries).is_some()
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("target", &self.target())
            .field("timeout", &self.inner.timeout)
            .field("max_retries", &self.inner.max_retries)
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
