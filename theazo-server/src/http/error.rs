//! Errors as HTTP answers.

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use theazo_api::{ErrorBody, ErrorCode, RequestId, Timestamp};

use super::encode;
use crate::{error::AppError, random};

/// Marks an answer whose connection ends before it is sent. A transport in process turns it into a connection error.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionReset;

/// The id of a new request.
pub fn new_request_id() -> RequestId {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    RequestId::from_suffix(random::id_suffix(Timestamp::EPOCH.plus(now)))
}

/// The id of a request: the one that its caller gave it, if that is one, so that both sides log the same.
pub fn request_id_of<B>(request: &Request<B>) -> RequestId {
    let given = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let is_sane = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(is_sane).map_or_else(new_request_id, RequestId::from)
}

/// The answer that tells of an error. `should_retry` says whether trying again can help, where that is known.
pub fn respond(error: &AppError, request_id: &RequestId, should_retry: Option<bool>) -> Response<Body> {
    let status = if error.unreadable { 400 } else { error.detail.code.status() };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = ErrorBody { error: error.clone().into_detail(), request_id: request_id.to_string() };
    let text = encode::json(&body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let should_retry = match error.detail.code {
        ErrorCode::NotImplemented => Some(false),
        _ => should_retry,
    };
    if let Some(should_retry) = should_retry {
        let value = if should_retry { "true" } else { "false" };
        headers.insert("x-should-retry", HeaderValue::from_static(value));
    }
    with_request_id(response, request_id)
}

/// An answer with the id of its request.
pub fn with_request_id(mut response: Response<Body>, request_id: &RequestId) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
