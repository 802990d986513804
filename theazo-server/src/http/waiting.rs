//! Answers that take long: what a client that can re-attach gets, and what one gets that only waits for headers.

use std::{future::Future, pin::Pin, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use theazo_api::{Endpoint, RequestId};

use super::{encode, error::with_request_id, mount::answer as finished};
use crate::error::AppResult;

/// How long a client may ask the server to wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How long a published client can be kept without headers: it gives up after 30 seconds.
const HEADERS_WITHIN: Duration = Duration::from_secs(20);

/// How often a blank keeps the connection alive after the headers.
const BLANK_EVERY: Duration = Duration::from_secs(10);

/// The seconds of `Prefer: wait=25` (RFC 7240).
pub fn preferred_wait(prefer: &str) -> Option<Duration> {
    let seconds = prefer.split(',').find_map(|part| part.trim().strip_prefix("wait="))?;
    Some(Duration::from_secs(seconds.parse().ok()?).min(MAX_WAIT))
}

type Work<T> = Pin<Box<dyn Future<Output = AppResult<T>> + Send>>;

/// Waits for the work, and answers before the client's patience ends.
///
/// A client that sends `Prefer: wait` is told to ask again, and re-attaches by its idempotency key. Another gets status
/// 200 and blanks, which JSON allows before a value; if the work then fails, the body is cut short, so that the client
/// fails too and never reads a made-up result.
pub async fn answer<E: Endpoint>(
    mut work: Work<E::Response>,
    prefer: Option<Duration>,
    request_id: &RequestId,
) -> Response<Body> {
    match tokio::time::timeout(prefer.unwrap_or(HEADERS_WITHIN), &mut work).await {
        Ok(outcome) => finished::<E>(outcome, request_id),
        Err(_) if prefer.is_some() => {
            let mut response = Response::new(Body::from(r#"{"status":"running"}"#));
            *response.status_mut() = StatusCode::ACCEPTED;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("x-theazo-continue", HeaderValue::from_static("true"));
            with_request_id(response, request_id)
        }
        Err(_) => with_request_id(blanks_until(work), request_id),
    }
}

fn blanks_until<T: serde::Serialize + Send + 'static>(mut work: Work<T>) -> Response<Body> {
    let body = async_stream::stream! {
        yield Ok(Bytes::from_static(b" "));
        loop {
            match tokio::time::timeout(BLANK_EVERY, &mut work).await {
                Err(_) => yield Ok(Bytes::from_static(b" ")),
                Ok(Ok(value)) => {
                    yield encode::json(&value).map(Bytes::from).map_err(std::io::Error::other);
                    return;
                }
                Ok(Err(error)) => {
                    yield Err(std::io::Error::other(error));
                    return;
                }
            }
        }
    };
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
