//! WebSockets: asking for one, and reading its messages as the events of a stream.
//!
//! Each message becomes an event as server-sent events write it, so that one stream serves both: it resumes after the
//! last event, notices silence and limits sizes in the same way.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt, stream};
use http::{
    HeaderMap, HeaderValue,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use serde::Deserialize;
use theazo_api::{ErrorCode, LogId, Operation};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    connection::{BoxError, root_of},
    listener::Listener,
    outcome,
    redact::Redactor,
};
use crate::{
    error::{Error, ErrorKind},
    stream::MAX_EVENT_BYTES,
};

/// How much may wait to be sent: the answers to pings of a server that reads none of them.
const MAX_UNSENT_BYTES: usize = 64 << 10;

/// How long saying goodbye may take.
const LEAVING: Duration = Duration::from_secs(1);

/// Adds the headers that ask for a WebSocket, and gives the key that the answer must confirm.
pub(crate) fn ask(headers: &mut HeaderMap) -> String {
    let key = generate_key();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).expect("base64 is visible ASCII"));
    key
}

/// Checks that the answer confirms the key: then the peer speaks WebSocket and did not just repeat an old answer.
pub(crate) fn check(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let upgrades = headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let accepts =
        headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value == derive_accept_key(key.as_bytes()).as_str());
    if upgrades && accepts { Ok(()) } else { Err("the server's answer does not open a WebSocket") }
}

/// The messages of a WebSocket as the bytes of server-sent events.
pub(crate) async fn messages<S>(socket: S) -> impl Stream<Item = Result<Bytes, BoxError>> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_EVENT_BYTES))
        .max_frame_size(Some(MAX_EVENT_BYTES))
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES);
    let socket = WebSocketStream::from_raw_socket(Listener(socket), Role::Client, Some(config)).await;
    stream::unfold(Some(socket), |socket| async move {
        let mut socket = socket?;
        let ending = match socket.next().await? {
            Ok(Message::Text(text)) => return Some((Ok(event(text.as_str())), Some(socket))),
            // A heartbeat, which the library answers by itself.
            Ok(Message::Ping(payload)) => return Some((Ok(place(&payload)), Some(socket))),
            Ok(Message::Pong(_)) => return Some((Ok(Bytes::from_static(b":\n")), Some(socket))),
            Ok(Message::Close(frame)) => {
                leave(&mut socket, None).await;
                return ending(frame).map(|ending| (ending, None));
            }
            Ok(Message::Binary(_) | Message::Frame(_)) => {
                ClosedForGood::unreadable(CloseCode::Unsupported, "a binary message came, and events are text")
            }
            Err(error) => match violation(error) {
                Ok(violation) => violation,
                Err(error) => return Some((Err(error), None)),
            },
        };
        leave(&mut socket, ending.code()).await;
        Some((Err(Box::new(ending)), None))
    })
}

/// Says why the connection is left, or sends what the library answers to the server's own goodbye. Nobody waits long for
/// a server to take note.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, code: Option<CloseCode>) {
    let saying = async {
        match code {
            Some(code) => socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() })).await,
            None => socket.flush().await,
        }
    };
    timeout(LEAVING, saying).await.ok();
}

/// What the server did that no connection will mend; else the error as it came.
fn violation(error: tungstenite::Error) -> Result<ClosedForGood, BoxError> {
    use tungstenite::{
        Error,
        error::{CapacityError, ProtocolError},
    };

    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Ok(ClosedForGood::TooLarge),
        Error::Utf8(_) => Ok(ClosedForGood::unreadable(CloseCode::Invalid, "a message is not UTF-8")),
        // Connections end like this on the way too: a proxy was restarted, a network was left.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Err(error.into()),
        Error::Protocol(problem) => Ok(ClosedForGood::unreadable(CloseCode::Protocol, &root_of(&problem))),
        other => Err(other.into()),
    }
}

/// A message as an event: its own `id` is what the stream resumes after.
fn event(message: &str) -> Bytes {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        id: Option<std::borrow::Cow<'a, str>>,
    }

    let id = serde_json::from_str::<Head<'_>>(message).ok().and_then(|head| head.id);
    let mut text = String::with_capacity(message.len() + 64);
    if let Some(id) = id.filter(|id| !id.contains(['\n', '\r', '\0'])) {
        text.push_str("id: ");
        text.push_str(&id);
        text.push('\n');
    }
    for line in message.split('\n') {
        text.push_str("data: ");
        text.push_str(line.trim_end_matches('\r'));
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// A sign of life as the comment of a stream, or where the stream is, if it says that: our server does so before the first
/// entry, so that nothing is lost either if the connection breaks before there is one.
fn place(payload: &[u8]) -> Bytes {
    match std::str::from_utf8(payload) {
        Ok(id) if LogId::from(id).is_well_formed() => format!("id: {id}\n\n").into(),
        _ => Bytes::from_static(b":\n"),
    }
}

/// How a stream ends that the server closes: by itself where all is said, else broken, for a reason that may pass or not.
fn ending(frame: Option<CloseFrame>) -> Option<Result<Bytes, BoxError>> {
    let frame = frame?;
    let (code, reason) = (u16::from(frame.code), frame.reason.as_str());
    match frame.code {
        // What a stream of server-sent events says at its end.
        CloseCode::Normal => Some(Ok(Bytes::from_static(b"data: [DONE]\n\n"))),
        // The library says this in the place of each code that must not be sent. Proxies send such codes all the same,
        // for what passes: 1006, or 1014 for a bad gateway.
        CloseCode::Protocol if reason == "Protocol violation" => Some(Err("the server closed the stream".into())),
        CloseCode::Protocol
        | CloseCode::Policy
        | CloseCode::Unsupported
        | CloseCode::Invalid
        | CloseCode::Size
        | CloseCode::Extension => Some(Err(Box::new(ClosedForGood::ByServer(format!("{code}: {reason}"))))),
        _ => Some(Err(format!("the server closed the stream with {code}: {reason}").into())),
    }
}

/// A connection ended for a reason that a new one would meet again.
#[derive(Debug)]
pub(crate) enum ClosedForGood {
    /// The server closed it, with this code and reason.
    ByServer(String),
    /// The server sent what the protocol forbids.
    Unreadable(CloseCode, String),
    /// The server sent a message that is too large.
    TooLarge,
}

impl ClosedForGood {
    fn unreadable(code: CloseCode, problem: &str) -> Self {
        Self::Unreadable(code, problem.to_owned())
    }

    /// What the server is told of it.
    fn code(&self) -> Option<CloseCode> {
        match self {
            Self::ByServer(_) => None,
            Self::Unreadable(code, _) => Some(*code),
            Self::TooLarge => Some(CloseCode::Size),
        }
    }

    /// What it means to the caller of an operation.
    pub fn into_error(self, operation: &Operation, redactor: &Redactor) -> Error {
        let name = outcome::name(operation);
        match self {
            Self::ByServer(said) => {
                let message = format!("the server closed the stream of {name} with {}", redactor.clean(&said));
                Error::new(ErrorKind::Answered, ErrorCode::ConnectionError, message)
            }
            Self::Unreadable(_, problem) => {
                Error::unreadable(format!("the stream of {name} is no WebSocket that can be read: {problem}"))
            }
            Self::TooLarge => outcome::event_too_large(operation),
        }
    }
}

impl std::fmt::Display for ClosedForGood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the WebSocket ended for good")
    }
}

impl std::error::Error for ClosedForGood {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_event_with_its_own_id() {
        assert_eq!(
            event(r#"{"id":"log_7","message":"x"}"#),
            "id: log_7\ndata: {\"id\":\"log_7\",\"message\":\"x\"}\n\n"
        );
        assert_eq!(event("{\n\"a\": 1}"), "data: {\ndata: \"a\": 1}\n\n");
        assert_eq!(event(r#"{"id":"a\nb"}"#), "data: {\"id\":\"a\\nb\"}\n\n");
    }

    #[test]
    fn a_ping_may_say_where_the_stream_is() {
        assert_eq!(place(b"log_000000000041"), "id: log_000000000041\n\n");
        for other in [&b""[..], b"are you there?", b"log_", b"log_1\n\ndata: {}", &[7; 125], b"\xFF"] {
            assert_eq!(place(other), ":\n");
        }
    }

    #[test]
    fn an_answer_must_confirm_the_key() {
        let mut headers = HeaderMap::new();
        let key = ask(&mut headers);
        assert_eq!(
            (&headers[UPGRADE], &headers[SEC_WEBSOCKET_VERSION]),
            (&"websocket".parse().unwrap(), &"13".parse().unwrap())
        );

        let mut answer = HeaderMap::new();
        answer.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(check(&answer, &key).is_err());
        answer.insert(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()).parse().unwrap());
        assert_eq!(check(&answer, &key), Ok(()));
        assert!(check(&answer, "another").is_err());
    }
}
