//! Hooks: code that is told of requests, answers, retries and stream events.
//!
//! ```no_run
//! # async fn example() -> Result<(), theazo::Error> {
//! use theazo::hooks::{Hook, ResponseEvent};
//!
//! struct Slow;
//!
//! impl Hook for Slow {
//!     fn on_response(&self, response: &ResponseEvent<'_>) {
//!         if response.took.as_secs() >= 1 {
//!             println!("{} took {:?} [{}]", response.operation, response.took, response.request_id);
//!         }
//!     }
//! }
//!
//! let theazo = theazo::Config::new().hook(Slow).build().await?;
//! # Ok(()) }
//! ```

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// Is told of requests, answers, retries and stream events. The defaults do nothing.
///
/// Hooks are called in the task of the call, so they must be quick. One that panics is passed over; the call goes on.
///
/// ```
/// use theazo::hooks::{ArrivedEvent, Hook, RequestEvent, ResponseEvent, RetryEvent};
///
/// struct Everything;
///
/// impl Hook for Everything {
///     fn on_request(&self, request: &RequestEvent<'_>) {
///         println!("{} {} (attempt {})", request.method, request.path, request.attempt);
///     }
///
///     fn on_response(&self, response: &ResponseEvent<'_>) {
///         println!("{:?} after {:?}", response.status, response.took);
///     }
///
///     fn on_retry(&self, retry: &RetryEvent<'_>) {
///         println!("{} pauses {:?}: {}", retry.operation, retry.pause, retry.problem);
///     }
///
///     fn on_stream_event(&self, event: &ArrivedEvent<'_>) {
///         println!("{:?}: {} bytes", event.id, event.data.len());
///     }
/// }
/// ```
pub trait Hook: Send + Sync + 'static {
    /// A request is about to be sent: once for each attempt.
    fn on_request(&self, request: &RequestEvent<'_>) {
        let _ = request;
    }

    /// An attempt is over, with an answer or without one.
    fn on_response(&self, response: &ResponseEvent<'_>) {
        let _ = response;
    }

    /// A call is about to be tried again.
    fn on_retry(&self, retry: &RetryEvent<'_>) {
        let _ = retry;
    }

    /// An event of a stream arrived.
    fn on_stream_event(&self, event: &ArrivedEvent<'_>) {
        let _ = event;
    }
}

/// A request that is about to be sent.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestEvent<'a> {
    /// The id of the operation, for example `RunInSession`.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path and query of the address.
    pub path: &'a str,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The idempotency key; `None` where the operation carries none.
    pub idempotency_key: Option<&'a str>,
    /// The trace that it belongs to, 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The body. `None` where there is none, and where it can hold secrets.
    pub body: Option<&'a [u8]>,
}

/// An attempt that is over.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ResponseEvent<'a> {
    /// The id of the operation.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path and query of the address.
    pub path: &'a str,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The id of the request; empty if the server gave none.
    pub request_id: &'a str,
    /// What went wrong; `None` for an attempt that succeeded.
    pub problem: Option<&'a str>,
    /// How long the attempt took.
    pub took: Duration,
    /// The trace that it belongs to, 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The body of a successful answer that is not a stream. `None` where there is none, and where it can hold secrets.
    pub body: Option<&'a [u8]>,
}

/// A call that is about to be tried again.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RetryEvent<'a> {
    /// The id of the operation.
    pub operation: &'static str,
    /// Which attempt failed, from 1.
    pub attempt: u32,
    /// How long the client pauses first.
    pub pause: Duration,
    /// Why the attempt failed.
    pub problem: &'a str,
}

/// An event of a stream that arrived.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ArrivedEvent<'a> {
    /// The id of the operation.
    pub operation: &'static str,
    /// The id of the event, where it has one.
    pub id: Option<&'a str>,
    /// Its data, which is JSON.
    pub data: &'a [u8],
}

// What users said is in bodies and events, so `Debug` shows how long they are.

impl fmt::Debug for RequestEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestEvent")
            .field("operation", &self.operation)
            .field("path", &self.path)
            .field("attempt", &self.attempt)
            .field("body_bytes", &self.body.map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseEvent")
            .field("operation", &self.operation)
            .field("path", &self.path)
            .field("attempt", &self.attempt)
            .field("status", &self.status)
            .field("request_id", &self.request_id)
            .field("problem", &self.problem)
            .field("took", &self.took)
            .field("body_bytes", &self.body.map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ArrivedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrivedEvent")
            .field("operation", &self.operation)
            .field("id", &self.id)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

/// The hooks of a client.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<[Arc<dyn Hook>]>);

impl Hooks {
    pub fn new(hooks: Vec<Arc<dyn Hook>>) -> Self {
        Self(hooks.into())
    }

    /// Whether nobody is told of anything: then nothing needs to be gathered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn request(&self, event: &RequestEvent<'_>) {
        self.each(|hook| hook.on_request(event));
    }

    pub fn response(&self, event: &ResponseEvent<'_>) {
        self.each(|hook| hook.on_response(event));
    }

    pub fn retry(&self, event: &RetryEvent<'_>) {
        self.each(|hook| hook.on_retry(event));
    }

    pub fn stream_event(&self, event: &ArrivedEvent<'_>) {
        self.each(|hook| hook.on_stream_event(event));
    }

    fn each(&self, tell: impl Fn(&dyn Hook)) {
        for hook in self.0.iter() {
            if catch_unwind(AssertUnwindSafe(|| tell(&**hook))).is_err() {
                tracing::warn!("a hook panicked and was passed over");
            }
        }
    }
}
