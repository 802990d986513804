//! What goes into the transport and what comes out.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use theazo_api::Operation;

use super::Attempt;

/// One call of an operation.
#[derive(Clone)]
pub struct Call {
    /// The operation.
    pub operation: &'static Operation,
    /// The path parameters in the order of the template, not encoded.
    pub path: Vec<String>,
    /// The query parameters, not encoded.
    pub query: Vec<(String, String)>,
    /// The body as JSON, if there is one.
    pub body: Option<Bytes>,
    /// What the caller wants of this call alone.
    pub options: CallOptions,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bodies hold prompts and secrets.
        f.debug_struct("Call")
            .field("operation", &self.operation.id)
            .field("path", &self.path)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call without parameters.
    pub fn new(operation: &'static Operation) -> Self {
        Self { operation, path: Vec::new(), query: Vec::new(), body: None, options: CallOptions::default() }
    }

    /// The call with these path parameters.
    pub fn path<T: Into<String>>(mut self, parameters: impl IntoIterator<Item = T>) -> Self {
        self.path = parameters.into_iter().map(Into::into).collect();
        self
    }

    /// The call with this body, which must be JSON.
    pub fn body(mut self, json: impl Into<Bytes>) -> Self {
        self.body = Some(json.into());
        self
    }

    /// The call with these options.
    ///
    /// ```
    /// use theazo::{CallOptions, transport::{self, Call}};
    ///
    /// let operation = transport::operation("GetHealth").expect("the table has it");
    /// let call = Call::new(operation).options(CallOptions::new().max_retries(0));
    /// ```
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }
}

/// What a caller wants of one call alone, or of all calls of a client through [`Theazo::with`](crate::Theazo::with). What is
/// `None` is inherited.
///
/// ```
/// use std::time::Duration;
/// use theazo::CallOptions;
///
/// let options = CallOptions::new()
///     .timeout(Duration::from_secs(5))
///     .deadline(Duration::from_secs(20))
///     .max_retries(0)
///     .idempotency_key("order-881")
///     .header("x-team", "growth");
/// assert_eq!(options.max_retries, Some(0));
/// ```
#[derive(Clone, Default)]
pub struct CallOptions {
    /// How long one attempt may take, its body included. For an operation that waits for a run, which has no limit by
    /// default, it is how long to wait in all; the run itself goes on. For a stream it is how long opening may take.
    pub timeout: Option<Duration>,
    /// How long the call may take in all, with every attempt and the pauses between them.
    pub deadline: Option<Duration>,
    /// How often the call is tried again after a failure that may pass.
    pub max_retries: Option<u32>,
    /// The idempotency key; generated if there is none. A repeated call with the same key and the same arguments acts
    /// once, even from another process. It belongs to one call, so it is not inherited.
    pub idempotency_key: Option<String>,
    /// Headers besides those of the client.
    pub headers: Vec<(String, String)>,
}

impl CallOptions {
    /// Options in which nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long a call may take in all.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How often a call is tried again; 0 turns retries off.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// The idempotency key of one call.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// These options over those that they inherit from.
    pub(crate) fn over(&self, inherited: &Self) -> Self {
        Self {
            timeout: self.timeout.or(inherited.timeout),
            deadline: self.deadline.or(inherited.deadline),
            max_retries: self.max_retries.or(inherited.max_retries),
            idempotency_key: self.idempotency_key.clone(),
            // Later ones win where a name stands twice.
            headers: inherited.headers.iter().chain(&self.headers).cloned().collect(),
        }
    }
}

impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values of headers can be secrets.
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("CallOptions")
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("max_retries", &self.max_retries)
            .field("idempotency_key", &self.idempotency_key)
            .field("headers", &headers)
            .finish()
    }
}

/// The answer to a call.
#[derive(Clone)]
pub struct Answer {
    /// The body as JSON; empty where the operation answers nothing.
    pub body: Bytes,
    /// Everything about the answer that is not its body.
    pub meta: ResponseMeta,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("body_bytes", &self.body.len()).field("meta", &self.meta).finish()
    }
}

/// Everything about an answer that is not its body. `with_meta` of a request gives it beside the answer.
///
/// ```no_run
/// # async fn example(session: theazo::Session) -> Result<(), theazo::Error> {
/// use theazo::{Attempt, ResponseMeta, transport::Timings};
///
/// let (usage, meta): (_, ResponseMeta) = session.usage().with_meta().await?;
/// let Timings { total, waited, .. } = meta.timings;
/// println!("{} in {total:?}, of which {waited:?} between attempts", meta.request_id);
/// for Attempt { number, status, problem, .. } in &meta.attempts {
///     println!("attempt {number}: {status:?} {problem:?}");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ResponseMeta {
    /// The HTTP status.
    pub status: u16,
    /// The id of the request, to quote to support; empty if the server gave none.
    pub request_id: String,
    /// What each attempt came to, the successful one last.
    pub attempts: Vec<Attempt>,
    /// Whether the answer is that of an earlier call with the same idempotency key.
    pub replayed: bool,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The trace that the call belongs to, 32 hexadecimal digits.
    pub trace_id: String,
    /// How long the parts of the call took.
    pub timings: Timings,
}

/// How long the parts of a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// The whole call, with every attempt and the pauses between them.
    pub total: Duration,
    /// The pauses between attempts.
    pub waited: Duration,
    /// From the last request to the head of its answer.
    pub to_first_byte: Duration,
    /// From the head of the last answer to the end of its body.
    pub body: Duration,
}
