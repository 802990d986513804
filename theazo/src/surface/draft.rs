//! A call that is being put together: typed parts, checked and encoded when it is sent.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use theazo_api::{Check, Endpoint, Problems};

use crate::{
    error::Error,
    stream::TypedStream,
    transport::{Call, CallOptions, ResponseMeta, Transport, name_of, unreadable},
};

/// A call of the operation `E` that has not been sent.
pub(crate) struct Draft<E: Endpoint> {
    pub transport: Transport,
    path: Vec<String>,
    pub query: E::Query,
    pub body: E::Body,
    pub options: CallOptions,
}

impl<E: Endpoint> Draft<E> {
    pub fn new(transport: &Transport, path: Vec<String>, query: E::Query, body: E::Body) -> Self {
        Self { transport: transport.clone(), path, query, body, options: CallOptions::default() }
    }

    // The parts are encoded before there is a future: one that held a large body would be large itself, and be copied.

    /// Sends the call and decodes the answer.
    pub fn json(self) -> impl Future<Output = Result<(E::Response, ResponseMeta), Error>> + Send {
        self.json_as(|data| data)
    }

    /// Sends the call, decodes the answer and makes of it what the caller gets.
    pub fn json_as<T>(
        self,
        make: impl FnOnce(E::Response) -> T + Send,
    ) -> impl Future<Output = Result<(T, ResponseMeta), Error>> + Send {
        let encoded = self.encode();
        async move {
            let (transport, call) = encoded?;
            let sent = call.body.clone();
            let answer = transport.call(call).await?;
            let value = serde_json::from_slice(&answer.body).map_err(|problem| {
                let what = format!("the answer to {}", name_of(E::OPERATION));
                let redactor = transport.redactor_of_answer(E::OPERATION, sent.as_deref());
                unreadable(&what, &answer.body, &problem, &answer.meta, &redactor)
            })?;
            Ok((make(value), answer.meta))
        }
    }

    /// Sends the call, whose answer is not read.
    pub fn empty(self) -> impl Future<Output = Result<((), ResponseMeta), Error>> + Send {
        let encoded = self.encode();
        async move {
            let (transport, call) = encoded?;
            Ok(((), transport.call(call).await?.meta))
        }
    }

    /// Opens the stream.
    pub fn events(self) -> impl Future<Output = Result<TypedStream<E::Response>, Error>> + Send {
        let encoded = self.encode();
        async move {
            let (transport, call) = encoded?;
            Ok(TypedStream::new(transport.open(call).await?))
        }
    }

    /// Checks the parts and encodes them.
    fn encode(self) -> Result<(Transport, Call), Error> {
        let mut problems = Problems::of(&self.query);
        problems.extend(Problems::of(&self.body));
        if !problems.is_empty() {
            return Err(Error::refused(self.body.refusal(), problems));
        }
        let call = Call {
            operation: E::OPERATION,
            path: self.path,
            query: encode_query(&self.query)?,
            body: encode_body(&self.body)?,
            options: self.options,
        };
        Ok((self.transport, call))
    }
}

fn encode_body<T: Serialize + Check + 'static>(body: &T) -> Result<Option<Bytes>, Error> {
    if std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>() {
        return Ok(None);
    }
    let json = serde_json::to_vec(body).map_err(|problem| Error::invalid_input("body", problem))?;
    Ok(Some(Bytes::from(json)))
}

fn encode_query(query: &impl Serialize) -> Result<Vec<(String, String)>, Error> {
    use serde_json::Value;

    let value = serde_json::to_value(query).map_err(|problem| Error::invalid_input("query", problem))?;
    let Value::Object(members) = value else { return Ok(Vec::new()) };
    let pairs = members.into_iter().filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    });
    Ok(pairs.collect())
}

impl<E: Endpoint> Clone for Draft<E>
where
    E::Query: Clone,
    E::Body: Clone,
{
    fn clone(&self) -> Self {
        Self {
            transport: self.transport.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            body: self.body.clone(),
            options: self.options.clone(),
        }
    }
}

impl<E: Endpoint> fmt::Debug for Draft<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies hold prompts, and headers may hold secrets, so neither is shown.
        f.debug_struct("Draft").field("operation", &E::OPERATION.id).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Gives a request its options of one call, and lets it be awaited. The request has a field `draft` and a private
/// method `answer` that sends it.
macro_rules! request_type {
    ($Request:ident, events $Answer:ty) => {
        request_type!(@options $Request);

        impl std::future::IntoFuture for $Request {
            type Output = Result<$Answer, $crate::Error>;
            type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.answer())
            }
        }
    };
    ($Request:ident, $Answer:ty) => {
        request_type!(@options $Request);

        impl $Request {
            /// Sends the request and returns the answer with everything about it that is not its body: status, request
            /// id, attempts, headers. Awaiting the request itself returns the answer alone.
            ///
            /// # Errors
            ///
            /// As awaiting the request.
            pub async fn with_meta(self) -> Result<($Answer, $crate::transport::ResponseMeta), $crate::Error> {
                self.answer().await
            }
        }

        impl std::future::IntoFuture for $Request {
            type Output = Result<$Answer, $crate::Error>;
            type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                use futures_util::TryFutureExt;

                Box::pin(self.answer().map_ok(|(answer, _)| answer))
            }
        }
    };
    (@options $Request:ident) => {
        impl $Request {
            /// How long one attempt of this call may take; for a call that waits for a run, how long to wait in all.
            pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.draft.options.timeout = Some(timeout);
                self
            }

            /// How long this call may take in all, with every attempt and the pauses between them.
            pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
                self.draft.options.deadline = Some(deadline);
                self
            }

            /// How often this call is tried again after a failure that may pass.
            pub fn max_retries(mut self, max_retries: u32) -> Self {
                self.draft.options.max_retries = Some(max_retries);
                self
            }

            /// The idempotency key of this call. A call that is repeated with the same key and the same arguments acts
            /// once, even from another process.
            pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
                self.draft.options.idempotency_key = Some(key.into());
                self
            }

            /// Adds a header to this call.
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.draft.options.headers.push((name.into(), value.into()));
                self
            }
        }
    };
}
pub(crate) use request_type;
