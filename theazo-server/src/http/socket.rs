//! WebSockets: the same streams, each event a message. A ping every 15 seconds shows that the stream is alive, and says
//! where it is, so that one that breaks before its first event is resumed without a loss too.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
        request::Parts,
    },
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use theazo_api::LogId;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::stream::{Follower, Turn};
use crate::error::{AppError, AppResult};

/// How large a message of the peer may be. It has nothing to say but pings and a goodbye.
const MAX_INCOMING_BYTES: usize = 16 << 10;

/// How much may wait to be sent beside one message.
const MAX_UNSENT_BYTES: usize = 256 << 10;

/// How long a peer may take nothing of what is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long saying goodbye may take.
const LEAVING: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// A request for a WebSocket that can be granted.
pub struct Upgrade {
    accept: HeaderValue,
    connection: OnUpgrade,
}

impl Upgrade {
    /// Reads the handshake of a request.
    pub fn of(parts: &mut Parts) -> AppResult<Self> {
        let says = |name, wanted: &str| has_word(&parts.headers, name, wanted);
        if !says(CONNECTION, "upgrade") || !says(UPGRADE, "websocket") {
            return Err(AppError::unreadable(
                "this is a WebSocket: ask with `Connection: Upgrade` and `Upgrade: websocket`",
            ));
        }
        if !says(SEC_WEBSOCKET_VERSION, "13") {
            return Err(AppError::unreadable("`Sec-WebSocket-Version` must be 13"));
        }
        let Some(key) = parts.headers.get(SEC_WEBSOCKET_KEY) else {
            return Err(AppError::unreadable("the header `Sec-WebSocket-Key` is missing"));
        };
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(AppError::internal)?;
        let Some(connection) = parts.extensions.remove::<OnUpgrade>() else {
            return Err(AppError::unreadable("this connection cannot become a WebSocket; use HTTP/1.1"));
        };
        Ok(Self { accept, connection })
    }

    /// The answer that opens the socket, over which the stream goes as soon as the answer is sent.
    pub fn grant(self, follower: Follower) -> Response<Body> {
        let connection = self.connection;
        tokio::spawn(async move {
            // Whoever asked may leave before it is answered.
            let Ok(upgraded) = connection.await else { return };
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_INCOMING_BYTES))
                .max_frame_size(Some(MAX_INCOMING_BYTES))
                .write_buffer_size(0)
                .max_write_buffer_size(MAX_UNSENT_BYTES);
            let io = TokioIo::new(upgraded);
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            let ended = serve(&mut socket, follower).await;
            if let Err(error) = &ended {
                tracing::debug!(%error, "a WebSocket ended");
            }
            // What is left to say is said, and the peer's own goodbye awaited: else it could find a reset in its place.
            let _ = timeout(LEAVING, async { while let Some(Ok(_)) = socket.next().await {} }).await;
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

/// Sends the stream until it ends or the peer leaves.
async fn serve(socket: &mut Socket, mut follower: Follower) -> Result<(), tungstenite::Error> {
    if let Some(place) = follower.first_place() {
        send(socket, vec![ping(place)]).await?;
    }
    loop {
        let turn = tokio::select! {
            said = socket.next() => match said {
                None => return Ok(()),
                // The library answers pings and goodbyes by itself, when it is asked to go on.
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    refuse(socket, &error).await;
                    return Err(error);
                }
            },
            turn = follower.next() => turn,
        };
        match turn {
            Ok(Turn::Events(parts, last)) => {
                let message = |(id, json): (String, Bytes)| match follower.is_numbered {
                    true => message([b"{\"id\":\"", id.as_bytes(), b"\",\"event\":", &json, b"}"].concat().into()),
                    false => message(json),
                };
                send(socket, parts.into_iter().filter_map(message).collect()).await?;
                if last {
                    return close(socket, CloseCode::Normal, "").await;
                }
            }
            Ok(Turn::Notice(notice, _)) if notice.kind == "dropped" => {
                return close(socket, CloseCode::Again, &notice.message).await;
            }
            Ok(Turn::Notice(_, told)) => send(socket, told.and_then(message).into_iter().collect()).await?,
            Ok(Turn::Heartbeat(_)) => send(socket, vec![ping(follower.place())]).await?,
            Ok(Turn::Closed) => return close(socket, CloseCode::Away, "the control plane stops").await,
            Err(error) => {
                tracing::error!(%error, "a stream cannot be read");
                return close(socket, CloseCode::Error, "the control plane failed").await;
            }
        }
    }
}

/// Sends messages; a peer that takes none of them for long is left.
async fn send(socket: &mut Socket, messages: Vec<Message>) -> Result<(), tungstenite::Error> {
    let sending = async {
        for message in messages {
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    timeout(PATIENCE, sending).await.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

async fn close(socket: &mut Socket, code: CloseCode, reason: &str) -> Result<(), tungstenite::Error> {
    let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
    timeout(LEAVING, socket.close(Some(frame))).await.unwrap_or(Ok(()))
}

/// Tells a peer that broke the protocol which way it did.
async fn refuse(socket: &mut Socket, error: &tungstenite::Error) {
    let code = match error {
        tungstenite::Error::Capacity(_) => CloseCode::Size,
        tungstenite::Error::Utf8(_) => CloseCode::Invalid,
        tungstenite::Error::Protocol(_) => CloseCode::Protocol,
        _ => return,
    };
    // The connection is as good as gone: whether it hears this changes nothing.
    let _ = close(socket, code, "").await;
}

fn message(json: Bytes) -> Option<Message> {
    Some(Message::Text(Utf8Bytes::try_from(json).ok()?))
}

/// A sign of life that says after which id the stream goes on.
fn ping(place: i64) -> Message {
    Message::Ping(Bytes::from(LogId::from_suffix(format!("{place:012}")).to_string()))
}

/// Whether a header has a word among those that it lists.
fn has_word(headers: &HeaderMap, name: axum::http::HeaderName, wanted: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case(wanted)))
}
