//! HTTP/1.1 over sockets that a reactor watches.

use std::{
    error::Error as StdError,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{
    FutureExt, Stream,
    future::{BoxFuture, poll_fn},
};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::{
        TrySendError,
        http1::{self, Connection, SendRequest},
    },
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{AlertDescription, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tower::Service;

use super::{
    super::{
        self as transport, Body, HttpClient, HttpError, Outgoing,
        address::Base,
        classify::Ending,
        connection::{BoxError, causes},
        http_pool::{HttpPool, IdleLimits, KEEP_ALIVE, is_untrusted},
    },
    Reactor,
    socket::Socket,
};

/// The body of a request, of the kind that the usual client sends.
type Sent = reqwest::Body;

/// What HTTP is spoken over.
trait Bytestream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytestream for T {}

/// Sends requests on the thread that polls them, each over a connection of its own.
pub(in super::super) struct Client(Arc<Shared>);

struct Shared {
    connector: Connector,
    /// Connections without a request.
    #[expect(clippy::vec_box, reason = "each is large, and moved several times for a call")]
    idle: Mutex<Vec<Box<Line>>>,
    limits: IdleLimits,
    /// Woken by news of idle connections.
    keeper: Waker,
    /// The usual way, for a server that speaks no HTTP/1.1.
    usual: Arc<transport::Connection>,
    needs_http2: AtomicBool,
}

impl Client {
    /// A client for the requests that would otherwise go over `pool`; `None` if they need a proxy or HTTP/2.
    pub fn new(pool: &HttpPool, base: &Base, usual: Arc<transport::Connection>, reactor: &Reactor) -> Option<Self> {
        if !pool.is_plain() {
            return None;
        }
        let tls = base.is_https().then(|| Arc::new(pool.tls_for_http1()).into());
        let connector = Connector::new(reactor.clone(), tls, pool.connect_timeout());
        let limits = pool.idle_limits();
        Some(Self(Arc::new_cyclic(|shared| Shared {
            connector,
            idle: Mutex::default(),
            limits,
            keeper: Arc::new(Keeper(shared.clone())).into(),
            usual,
            needs_http2: AtomicBool::new(false),
        })))
    }
}

impl HttpClient for Client {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Body>, HttpError>> {
        self.0.clone().exchange(request).boxed()
    }
}

impl Shared {
    async fn exchange(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, HttpError> {
        let mut line = match self.idle_line() {
            Some(line) => line,
            None if self.needs_http2.load(Ordering::Relaxed) => return self.send_otherwise(request).await,
            None => match self.connector.connect(request.uri()).await {
                Ok(line) => line,
                Err(error) if is_refusal_of_http1(&*error) => {
                    self.needs_http2.store(true, Ordering::Relaxed);
                    return self.send_otherwise(request).await;
                }
                Err(error) => return Err(unreachable(error)),
            },
        };
        let address = request.uri().clone();
        let mut request = in_origin_form(request)?;
        loop {
            let mut failed = match line.ask(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let pieces = Pieces { body, line: Some(line), shared: self };
                    return Ok(Response::from_parts(head, Body::from_stream(pieces)));
                }
                Err(failed) => failed,
            };
            // What the server closed before it was asked had not been sent.
            request = match failed.take_message() {
                None => return Err(HttpError::maybe_received(failed.into_error())),
                Some(_) if line.is_new => return Err(HttpError::not_sent(failed.into_error())),
                Some(unsent) => unsent,
            };
            line = match self.idle_line() {
                Some(line) => line,
                None => self.connector.connect(&address).await.map_err(unreachable)?,
            };
        }
    }

    /// Sends a request over the usual connections. Boxed, so that what is rare does not make the future of every call larger.
    fn send_otherwise(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        async {
            let (head, body) = request.into_parts();
            let url = head.uri.to_string().parse().map_err(HttpError::refused)?;
            let body = Some(body).filter(|body| !body.is_empty());
            let outgoing = Outgoing { method: head.method, url, headers: head.headers, body, socket: false };
            let incoming = self.usual.send(outgoing).await.map_err(|failure| match failure.ending {
                Ending::NotSent => HttpError::not_sent(failure.source),
                Ending::Refused => HttpError::refused(failure.source),
                Ending::Broken | Ending::Answered { .. } => HttpError::maybe_received(failure.source),
            })?;
            let mut response = Response::new(Body::from_stream(incoming.body.into_stream()));
            *response.status_mut() = StatusCode::from_u16(incoming.status).map_err(HttpError::maybe_received)?;
            *response.headers_mut() = incoming.headers;
            Ok(response)
        }
        .boxed()
    }

    fn idle_line(&self) -> Option<Box<Line>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|line| line.since.elapsed() < self.limits.longest);
        idle.pop()
    }

    /// Keeps a connection whose answer was read to its end for the next request.
    fn keep(&self, mut line: Box<Line>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if line.drive(&mut Context::from_waker(&self.keeper)) && line.sender.is_ready() && idle.len() < self.limits.most
        {
            (line.since, line.is_new) = (Instant::now(), false);
            idle.push(line);
        }
    }
}

/// Lets go of idle connections that the server has closed.
struct Keeper(Weak<Shared>);

impl Wake for Keeper {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.0.upgrade() else { return };
        // Whoever holds the lock looks at them anyway.
        if let Ok(mut idle) = shared.idle.try_lock() {
            let mut context = Context::from_waker(&shared.keeper);
            idle.retain_mut(|line| line.drive(&mut context));
        }
    }
}

/// A connection, which is driven by whoever uses it.
struct Line {
    sender: SendRequest<Sent>,
    /// `None` when it has ended.
    connection: Option<Connection<TokioIo<Box<dyn Bytestream>>, Sent>>,
    /// Whether it had no request yet.
    is_new: bool,
    /// Since when it has none.
    since: Instant,
}

impl Line {
    async fn ask(&mut self, request: Request<Sent>) -> Result<Response<Incoming>, TrySendError<Request<Sent>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Sends and receives what it can; whether the connection still stands.
    fn drive(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            // Dropped, it tells the request that waits for it.
            self.connection = None;
        }
        self.connection.is_some()
    }
}

/// The body of an answer. Dropped before its end it closes the connection.
struct Pieces {
    body: Incoming,
    line: Option<Box<Line>>,
    shared: Arc<Shared>,
}

impl Stream for Pieces {
    type Item = Result<Bytes, hyper::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { body, line, shared } = self.get_mut();
        loop {
            if let Some(line) = line {
                line.drive(context);
            }
            match ready!(Pin::new(&mut *body).poll_frame(context)?) {
                Some(frame) => {
                    // Trailers say nothing to us.
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                None => {
                    if let Some(line) = line.take() {
                        shared.keep(line);
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

/// Opens connections.
struct Connector {
    reactor: Reactor,
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
    limit: Duration,
}

impl Connector {
    fn new(reactor: Reactor, tls: Option<TlsConnector>, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_connect_timeout(Some(limit));
        Self { reactor, tcp, tls, limit }
    }

    async fn connect(&self, address: &Uri) -> Result<Box<Line>, BoxError> {
        // Boxed, as is all that is rare.
        let opened = timeout(self.limit, self.open(address)).boxed().await;
        opened.unwrap_or_else(|_| Err(format!("no connection within {:?}", self.limit).into()))
    }

    async fn open(&self, address: &Uri) -> Result<Box<Line>, BoxError> {
        let stream = self.tcp.clone().call(address.clone()).await?.into_inner().into_std()?;
        let socket = Socket::new(&self.reactor, stream)?;
        let stream: Box<dyn Bytestream> = match &self.tls {
            None => Box::new(socket),
            Some(tls) => {
                let host = address.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
                Box::new(tls.connect(ServerName::try_from(host.to_owned())?, socket).await?)
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Line { sender, connection: Some(connection), is_new: true, since: Instant::now() }))
    }
}

/// The request as HTTP/1.1 writes it: a path, and the host as a header.
fn in_origin_form(request: Request<Bytes>) -> Result<Request<Sent>, HttpError> {
    let (mut head, body) = request.into_parts();
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    let host = parts.authority.take().ok_or_else(|| HttpError::refused("the address names no host"))?;
    let host = HeaderValue::try_from(host.as_str()).map_err(HttpError::refused)?;
    head.headers.entry(HOST).or_insert(host);
    parts.scheme = None;
    head.uri = Uri::from_parts(parts).map_err(HttpError::refused)?;
    Ok(Request::from_parts(head, body.into()))
}

fn unreachable(error: BoxError) -> HttpError {
    if is_untrusted(&*error) { HttpError::refused(error) } else { HttpError::not_sent(error) }
}

/// Whether the server wants another protocol.
fn is_refusal_of_http1(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .any(|cause| matches!(cause, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
}
