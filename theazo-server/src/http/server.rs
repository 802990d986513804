//! Connections: the routes over sockets, with limits on what a peer may take its time with, and an end that loses nothing.

use std::{convert::Infallible, future::Future, io, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header},
};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use theazo_api::ErrorCode;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{
    auth::Peer,
    error::{new_request_id, respond},
};
use crate::error::AppError;

/// How many bytes the head of a request has at most.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How many headers a request has at most.
const MAX_HEADERS: usize = 100;

/// What ends a stream when the server stops: a comment, which every reader skips.
const FAREWELL: &[u8] = b": the server is stopping; resume with Last-Event-ID\n\n";

/// How routes are served over sockets.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// How long the head of a request may take, and how long a connection may wait for one.
    pub head_timeout: Duration,
    /// How long the next piece of a request's body may take.
    pub body_timeout: Duration,
    /// How many connections are served at once; more wait to be accepted.
    pub max_connections: usize,
    /// How long requests that are under way may take when the server is told to stop.
    pub drain: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves routes until `stop` is done. Then requests that are under way are finished, event streams end with a comment that
/// says why, and what takes longer than the configuration allows is cut off.
pub async fn serve(listener: TcpListener, router: Router, config: ServeConfig, stop: impl Future<Output = ()>) {
    let (places, stopping, connections) =
        (Arc::new(Semaphore::new(config.max_connections)), CancellationToken::new(), TaskTracker::new());
    let accept = async {
        loop {
            let place = places.clone().acquire_owned().await;
            let (socket, peer) = next_connection(&listener).await;
            let connection = Connection {
                router: router.clone(),
                peer: peer.ip(),
                stopping: stopping.clone(),
                config: config.clone(),
            };
            connections.spawn(async move {
                connection.serve(socket).await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = stop => {}
        () = accept => {}
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    if tokio::time::timeout(config.drain, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off: they took longer than the time to drain"
        );
    }
}

async fn next_connection(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                // Too many open files, most likely: others must end first.
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether only the connection failed that was to be accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connection {
    router: Router,
    peer: IpAddr,
    stopping: CancellationToken,
    config: ServeConfig,
}

impl Connection {
    async fn serve(self, socket: TcpStream) {
        // Without it the second packet of an answer may wait for the peer to acknowledge the first.
        let _ = socket.set_nodelay(true);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.head_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES);
        let service = service_fn(|request| self.answer(request));
        let connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection failed");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        if let Err(error) = check_framing(request.version(), request.headers()) {
            let mut response = respond(&error, &new_request_id(), Some(false));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(last(response));
        }
        let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let mut request = request.map(|body| with_patience(body, self.config.body_timeout));
        request.extensions_mut().insert(Peer(self.peer));
        let response = self.router.clone().oneshot(request).await?;
        let response = if is_event_stream(&response) { self.until_stopping(response) } else { response };
        // A length beside the encoding may have been dropped unseen, and a proxy may have believed it.
        Ok(if is_chunked { last(response) } else { response })
    }

    fn until_stopping(&self, response: Response<Body>) -> Response<Body> {
        let stopping = self.stopping.clone();
        response.map(|body| Body::from_stream(ended_by(stopping, body)))
    }
}

/// Refuses requests whose end two servers could see at different places, and those that do not say whom they are for.
fn check_framing(version: Version, headers: &HeaderMap) -> Result<(), AppError> {
    let refuse = |message: &str| Err(AppError::new(ErrorCode::InvalidRequest, message));
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return refuse("a request has `Content-Length` or `Transfer-Encoding`, not both");
    }
    if version == Version::HTTP_11 && headers.get_all(header::HOST).iter().count() != 1 {
        return refuse("a request has one `Host`");
    }
    Ok(())
}

/// The last answer of its connection.
fn last(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_event_stream(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The body of a request, which fails when its next piece takes too long.
fn with_patience(mut body: Incoming, patience: Duration) -> Body {
    if hyper::body::Body::is_end_stream(&body) {
        return Body::empty();
    }
    Body::from_stream(async_stream::stream! {
        loop {
            match tokio::time::timeout(patience, body.frame()).await {
                Err(_) => {
                    yield Err(io::Error::from(io::ErrorKind::TimedOut));
                    return;
                }
                Ok(None) => return,
                Ok(Some(Err(error))) => {
                    yield Err(io::Error::other(error));
                    return;
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        yield Ok(data);
                    }
                }
            }
        }
    })
}

/// The stream of a body, which ends with a farewell when the server stops.
fn ended_by(stopping: CancellationToken, mut body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    async_stream::stream! {
        loop {
            let frame = tokio::select! {
                // Or a stream that always has something to say would never end.
                biased;
                () = stopping.cancelled() => {
                    yield Ok(Bytes::from_static(FAREWELL));
                    return;
                }
                frame = body.frame() => frame,
            };
            match frame {
                None => return,
                Some(Err(error)) => {
                    yield Err(error);
                    return;
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        yield Ok(data);
                    }
                }
            }
        }
    }
}
