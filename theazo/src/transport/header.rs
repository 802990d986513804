//! The names of the headers that requests carry and answers are read for.

use http::HeaderName;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("x-theazo-attempt");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const SDK_VERSION: HeaderName = HeaderName::from_static("x-sdk-version");

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The run that an answer is about, in its head.
pub(crate) const RUN_ID: HeaderName = HeaderName::from_static("x-theazo-run-id");
/// The execution of a program that a stream is about, in its head.
pub(crate) const EXEC_ID: HeaderName = HeaderName::from_static("x-theazo-exec-id");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(crate) const CONTINUE: HeaderName = HeaderName::from_static("x-theazo-continue");
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
