//! What goes into the transport and what comes out.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use theazo_api::Operation;

use super::Attempt;

/// One call of an operation.
#[derive(Debug, Clone)]
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
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }
}

/// What a caller wants of one call alone. What is `None` is inherited from the client.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// How long one attempt may take, its body included. For an operation that waits for a run, which has no limit by
    /// default, it is how long to wait in all; the run itself goes on. For a stream it is how long opening may take.
    pub timeout: Option<Duration>,
    /// How long the call may take in all, with every attempt and the pauses between them.
    pub deadline: Option<Duration>,
    /// How often the call is tried again after a failure that may pass.
    pub max_retries: Option<u32>,
    /// The idempotency key; generated if there is none. A repeated call with the same key and the same arguments acts
    /// once, even from another process.
    pub idempotency_key: Option<String>,
    /// Headers besides those of the client.
    pub headers: Vec<(String, String)>,
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The body as JSON; empty where the operation answers nothing.
    pub body: Bytes,
    /// Everything about the answer that is not its body.
    pub meta: ResponseMeta,
}

/// Everything about an answer that is not its body.
#[derive(Debug, Clone, Default)]
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
}
