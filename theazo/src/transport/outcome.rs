//! What an answer, or the lack of one, means to the caller.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{CONTENT_TYPE, LOCATION},
};
use serde::Deserialize;
use theazo_api::{ErrorBody, ErrorCode, Operation, Reply, WorkflowRunId};

use super::{ResponseMeta, classify::Ending, connection, header::REQUEST_ID, redact::Redactor};
use crate::{
    error::{Error, ErrorKind},
    stream::MAX_EVENT_BYTES,
};

/// What a success that is none of ours suggests.
const FOREIGN: &str = "something other than the Theazo API may be at the base address";

/// How much of an answer that is not JSON stands in the message.
const EXCERPT: usize = 200;

/// How much of an answer is read for that: white space is joined, and secrets are hidden.
pub(crate) const EXCERPT_BYTES: usize = 4 << 10;

/// Nothing came back: the connection failed.
pub(crate) fn connection_error(operation: &Operation, target: &str, failure: connection::Failure) -> Error {
    let cause = connection::root_of(&*failure.source);
    let (kind, message) = match failure.ending {
        Ending::NotSent | Ending::Refused => (ErrorKind::NotSent, format!("cannot connect to {target}: {cause}")),
        Ending::Broken | Ending::Answered { .. } => {
            let message = format!("the connection to {target} ended before the answer to {}: {cause}", name(operation));
            (ErrorKind::MaybeReceived, message)
        }
    };
    let mut error = Error::new(kind, ErrorCode::ConnectionError, message);
    error.parts().source = Some(failure.source);
    error
}

/// Nothing came back in time.
pub(crate) fn timeout_error(operation: &Operation, limit: Duration) -> Error {
    let message = format!("{} took longer than {limit:?}", name(operation));
    Error::new(ErrorKind::MaybeReceived, ErrorCode::Timeout, message)
}

/// JSON that is not what the API describes, with its first bytes.
pub(crate) fn unreadable(
    what: &str,
    data: &[u8],
    problem: &serde_json::Error,
    meta: &ResponseMeta,
    redactor: &Redactor,
) -> Error {
    // The problem can quote a value of any length.
    let (problem, said) = (excerpt(problem.to_string().as_bytes(), redactor), excerpt(data, redactor));
    about(meta, Error::unreadable(format!("{what} is not what the API describes: {problem}, in `{said}`")))
}

/// A success without anything in it, where there should be something.
pub(crate) fn nothing(operation: &Operation, meta: &ResponseMeta) -> Error {
    about(meta, empty(operation, meta.status))
}

fn empty(operation: &Operation, status: u16) -> Error {
    Error::unreadable(format!("{} was answered with HTTP {status} and an empty body", name(operation)))
}

/// The error with what is known of the answer that it is about.
fn about(meta: &ResponseMeta, mut error: Error) -> Error {
    let parts = error.parts();
    parts.status = meta.status;
    parts.request_id.clone_from(&meta.request_id);
    parts.trace_id.clone_from(&meta.trace_id);
    parts.attempts.clone_from(&meta.attempts);
    error
}

/// The answer has more bytes than it may.
pub(crate) fn too_large(operation: &Operation, limit: u64) -> Error {
    Error::unreadable(format!("the answer to {} is larger than {limit} bytes", name(operation)))
        .with_hint("ask for less at once, or raise `max_answer_bytes`")
}

/// Whether the head of a successful answer begins a stream of events, or says that there are none (any more).
pub(crate) fn is_stream(status: u16, headers: &HeaderMap) -> bool {
    matches!(status, 101 | 204) || content_type(headers).to_ascii_lowercase().starts_with("text/event-stream")
}

/// A success that is no stream, where one was asked for.
pub(crate) fn not_a_stream(
    operation: &Operation,
    status: u16,
    headers: &HeaderMap,
    beginning: &[u8],
    redactor: &Redactor,
) -> Error {
    let (kind, said) = (excerpt(content_type(headers).as_bytes(), redactor), excerpt(beginning, redactor));
    Error::unreadable(format!(
        "{} was answered with HTTP {status}, `{kind}` and `{said}`, which is not a stream of events",
        name(operation)
    ))
    .with_hint(FOREIGN)
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().trim_start()
}

/// An event of a stream has more bytes than it may.
pub(crate) fn event_too_large(operation: &Operation) -> Error {
    Error::unreadable(format!("an event of {} is larger than {MAX_EVENT_BYTES} bytes", name(operation)))
}

/// Says which run an error leaves behind, and how to find it.
pub(crate) fn tell_run(error: &mut Error, run_id: &str) {
    let finder = if run_id.starts_with(WorkflowRunId::PREFIX) { "workflows.getRun" } else { "runs.get" };
    let parts = error.parts();
    parts.details.insert("runId".to_owned(), run_id.into());
    parts.hint = Some(format!("the run goes on, `{finder}` with `{run_id}` finds it"));
}

/// The page of a list, also where its items alone stand on the wire: which of the two differs between lists and between
/// servers. Other answers stay as they are.
pub(crate) fn page_of(operation: &Operation, body: Bytes, headers: &HeaderMap) -> Bytes {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_array || !crate::generated::PAGES.contains(&operation.id) {
        return body;
    }
    let cursor = headers.get(theazo_api::NEXT_CURSOR).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut page = Vec::with_capacity(body.len() + cursor.len() + 48);
    page.extend_from_slice(b"{\"data\":");
    page.extend_from_slice(&body);
    page.extend_from_slice(if cursor.is_empty() {
        b",\"hasMore\":false,\"cursor\":"
    } else {
        b",\"hasMore\":true,\"cursor\":"
    });
    serde_json::to_writer(&mut page, cursor).expect("text is always JSON, and a Vec takes everything");
    page.push(b'}');
    page.into()
}

/// The server answered with a status that is not a success.
pub(crate) fn answered_error(
    operation: &Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    redactor: &Redactor,
) -> Error {
    let mut error = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(envelope) => {
            let detail = envelope.error;
            let mut error = Error::new(ErrorKind::Answered, detail.code, redactor.clean(&detail.message));
            let mut details = serde_json::Value::Object(detail.details);
            redactor.clean_json(&mut details);
            if let serde_json::Value::Object(details) = details {
                error.parts().details = details;
            }
            error.parts().request_id = envelope.request_id;
            error
        }
        Err(_) => foreign_error(operation, status, headers, body, redactor),
    };
    error.parts().status = status;
    if error.request_id().is_empty() {
        error.parts().request_id = request_id(headers);
    }
    if error.hint().is_none() {
        error.parts().hint = hint(error.code()).map(str::to_owned);
    }
    error
}

/// An answer without our envelope: from a proxy, or from a server that is none of ours.
fn foreign_error(operation: &Operation, status: u16, headers: &HeaderMap, body: &[u8], redactor: &Redactor) -> Error {
    let text = excerpt(body, redactor);
    let said = if text.is_empty() { "an empty body".to_owned() } else { format!("`{text}`") };
    let message = format!("{} was answered with HTTP {status} and {said}", name(operation));
    if (300..400).contains(&status) {
        let target = headers.get(LOCATION).map(|value| excerpt(value.as_bytes(), redactor));
        let target = target.unwrap_or_else(|| "another address".to_owned());
        return Error::new(ErrorKind::Unreadable, ErrorCode::ConnectionError, message)
            .with_hint(format!("redirects are not followed, {target} may be the right base address"));
    }
    let code = match status {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        408 | 504 => ErrorCode::Timeout,
        409 => ErrorCode::Conflict,
        429 => ErrorCode::RateLimited,
        501 => ErrorCode::NotImplemented,
        400..=499 => ErrorCode::InvalidRequest,
        _ => ErrorCode::InternalError,
    };
    Error::new(ErrorKind::Answered, code, message)
}

/// Checks that a successful answer has the form that the operation promises; whether its fields are right is seen by
/// whoever decodes it. Where nothing is read an object is as good as nothing, but a login page means that nothing was done.
pub(crate) fn check_form<'a>(
    operation: &Operation,
    status: u16,
    body: &Bytes,
    redactor: impl FnOnce() -> Cow<'a, Redactor>,
) -> Result<(), Error> {
    if operation.reply == Reply::Empty && body.is_empty() {
        return Ok(());
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Ok(()),
        Some(_) => {
            let said = excerpt(body, &redactor());
            Err(Error::unreadable(format!(
                "{} was answered with HTTP {status} and `{said}`, not JSON",
                name(operation)
            ))
            .with_hint(FOREIGN))
        }
        None => Err(empty(operation, status)),
    }
}

/// The first bytes of a body for a person to read, without line breaks and without the key.
pub(crate) fn excerpt(body: &[u8], redactor: &Redactor) -> String {
    let piece = &body[..body.len().min(EXCERPT_BYTES)];
    let text = String::from_utf8_lossy(piece);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = redactor.clean(&line);
    // Joining and hiding make the text shorter, so the end of the piece may be shown, and with it a secret that was cut.
    let line = redactor.trim_cut(&line);
    let shown: String = line.chars().take(EXCERPT).collect();
    if shown.len() < line.len() || piece.len() < body.len() { format!("{shown}...") } else { shown }
}

/// The id of the request, from the headers; empty if the server gave none.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The pause that an envelope asks for, where the headers ask for none.
pub(crate) fn pause_in_details(error: &Error) -> Option<Duration> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Seconds(f64);

    let Seconds(seconds) = Seconds::deserialize(error.details().get("retryAfter")?).ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What to do about an error, where its code alone tells.
fn hint(code: &ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::Unauthorized => "check the API key: THEAZO_API_KEY, or the one given to the client",
        ErrorCode::SessionLimitExceeded => "raise the limit of the session; a run that waits at it then goes on",
        ErrorCode::IdempotencyKeyReused => "use a new idempotency key for a different request",
        _ => return None,
    })
}

/// The operation for a person: what was asked, without anybody's ids.
pub(crate) fn name(operation: &Operation) -> String {
    format!("`{} {}`", operation.method.as_str(), operation.path)
}

#[cfg(test)]
mod tests {
    use theazo_api::Secret;

    use super::*;
    use crate::transport;

    fn answered(status: u16, body: &str) -> Error {
        let operation = transport::operation("GetSession").unwrap();
        answered_error(
            operation,
            status,
            &HeaderMap::new(),
            body.as_bytes(),
            &Redactor::new([Secret::from("th_live_key")]),
        )
    }

    #[test]
    fn an_envelope_is_taken_as_it_is() {
        let body =
            r#"{"error":{"code":"rate_limited","message":"slow down","details":{"retryAfter":7}},"requestId":"req_1"}"#;

        let error = answered(429, body);

        assert_eq!(error.code(), &ErrorCode::RateLimited);
        assert_eq!((error.message(), error.request_id(), error.status()), ("slow down", "req_1", 429));
        assert_eq!(pause_in_details(&error), Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_unknown_code_is_kept() {
        let error = answered(418, r#"{"error":{"code":"teapot","message":"short and stout"}}"#);

        assert_eq!(error.code(), &ErrorCode::Other("teapot".to_owned()));
    }

    #[test]
    fn an_answer_without_an_envelope_shows_its_first_bytes() {
        let error = answered(502, "<html>\n  <h1>Bad   Gateway</h1>\n</html>");

        assert_eq!(error.code(), &ErrorCode::InternalError);
        assert_eq!(
            error.message(),
            "`GET /v1/sessions/{sessionId}` was answered with HTTP 502 and `<html> <h1>Bad Gateway</h1> </html>`"
        );
        assert_eq!(answered(404, "").code(), &ErrorCode::NotFound);
        assert_eq!(
            answered(404, "").message(),
            "`GET /v1/sessions/{sessionId}` was answered with HTTP 404 and an empty body"
        );
    }

    #[test]
    fn the_key_is_hidden_even_when_a_server_sends_it_back() {
        let inside = answered(400, "you sent Bearer th_live_key");
        let at_the_cut = answered(400, &format!("{}th_live_key", "x".repeat(EXCERPT - 5)));
        let enveloped = answered(401, r#"{"error":{"code":"unauthorized","message":"bad key th_live_key"}}"#);

        assert!(inside.message().ends_with("`you sent Bearer [hidden]`"), "{inside}");
        assert!(!at_the_cut.message().contains("th_li"), "{at_the_cut}");
        assert_eq!(enveloped.message(), "bad key [hidden]");
    }

    #[test]
    fn a_key_at_the_cut_is_not_shown_in_part_whatever_was_hidden_before_it() {
        let redactor = Redactor::new([Secret::from("th_live_0123456789")]);
        for before in 0..10 {
            for blanks in 0..EXCERPT + 50 {
                let body =
                    format!("{}{}th_live_0123456789 end", "th_live_0123456789 ".repeat(before), "x".repeat(blanks));
                let shown = excerpt(body.as_bytes(), &redactor);
                assert!(!shown.contains("th_l"), "{before} {blanks}: {shown}");
            }
        }
    }

    #[test]
    fn a_success_that_is_not_json_is_unreadable() {
        let operation = transport::operation("GetSession").unwrap();
        let check = |body: &'static str| check_form(operation, 200, &Bytes::from_static(body.as_bytes()), Cow::default);

        assert!(check(" \n {}").is_ok());
        assert!(check("null").is_ok());
        assert_eq!(check("<html>").unwrap_err().kind(), &ErrorKind::Unreadable);
        assert_eq!(
            check("").unwrap_err().message(),
            "`GET /v1/sessions/{sessionId}` was answered with HTTP 200 and an empty body"
        );
    }
}
