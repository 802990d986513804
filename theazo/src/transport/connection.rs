//! The edge: sends one request, over HTTP, through an injected client, or to a router in this process.

use std::{error::Error as StdError, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, future::Either};
use http::HeaderMap;
use reqwest::Url;

use super::{
    HttpClient,
    address::Base,
    classify::Ending,
    http_client::{self, Reach},
    http_pool::HttpPool,
};
use crate::{config::Settings, error::Error};

/// Stands for the host in the addresses of calls that never leave this process.
#[cfg(feature = "embedded")]
pub(crate) const IN_PROCESS: &str = "http://embedded.invalid";

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of an answer, piece by piece.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// How requests reach the control plane.
pub(crate) enum Connection {
    /// Over HTTP, with a pool of connections.
    Http(Box<HttpPool>),
    /// Through a client that the user gave.
    Injected(Arc<dyn HttpClient>),
    /// To a router in this process.
    #[cfg(feature = "embedded")]
    InProcess(axum::Router),
}

/// One request, ready to be sent.
pub(crate) struct Outgoing {
    pub method: http::Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Whether the connection is to become a WebSocket.
    pub socket: bool,
}

/// The head of an answer, with its body still to be read.
pub(crate) struct Incoming {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
}

/// The body of an answer, not yet read.
pub(crate) enum Body {
    Http(reqwest::Response),
    Stream(ByteStream),
}

/// Why no answer came.
pub(crate) struct Failure {
    pub ending: Ending,
    pub source: BoxError,
}

/// Why a body could not be read.
pub(crate) enum Unread {
    /// It broke off.
    Broken(BoxError),
    /// It is larger than it may be.
    TooLarge,
}

impl Connection {
    /// A pool of HTTP connections.
    pub fn http(base: &Base, settings: &Settings) -> Result<Self, Error> {
        HttpPool::new(base, settings).map(|pool| Self::Http(Box::new(pool)))
    }

    /// Sends a request and waits for the head of the answer.
    pub fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<Incoming, Failure>> + Send + '_ {
        match self {
            // Boxed, so that what is rare does not make the future of every call larger.
            _ if outgoing.socket => Either::Right(self.open_socket(outgoing).boxed()),
            Self::Http(pool) => Either::Left(pool.send(outgoing)),
            Self::Injected(client) => Either::Right(send_injected(&**client, outgoing).boxed()),
            #[cfg(feature = "embedded")]
            Self::InProcess(router) => Either::Right(send_in_process(router.clone(), outgoing).boxed()),
        }
    }

    async fn open_socket(&self, outgoing: Outgoing) -> Result<Incoming, Failure> {
        let Self::Http(pool) = self else {
            let source = "only the built-in HTTP client has WebSockets; `logs.stream` gives the same over HTTP".into();
            return Err(Failure { ending: Ending::Refused, source });
        };
        pool.open_socket(outgoing).await
    }
}

async fn send_injected(client: &dyn HttpClient, outgoing: Outgoing) -> Result<Incoming, Failure> {
    let mut request = http::Request::new(outgoing.body.unwrap_or_default());
    *request.method_mut() = outgoing.method;
    *request.headers_mut() = outgoing.headers;
    *request.uri_mut() = uri(&outgoing.url)?;
    let response = client.send(request).await.map_err(|error| {
        let ending = match error.reach {
            Reach::NotSent => Ending::NotSent,
            Reach::Refused => Ending::Refused,
            Reach::MaybeReceived => Ending::Broken,
        };
        Failure { ending, source: error.source }
    })?;
    let (head, body) = response.into_parts();
    let body = Body::Stream(http_client::Body::into_stream(body));
    Ok(Incoming { status: head.status.as_u16(), headers: head.headers, body })
}

#[cfg(feature = "embedded")]
async fn send_in_process(router: axum::Router, outgoing: Outgoing) -> Result<Incoming, Failure> {
    use std::panic::AssertUnwindSafe;

    use tower::ServiceExt;

    let mut request = http::Request::new(axum::body::Body::from(outgoing.body.unwrap_or_default()));
    *request.method_mut() = outgoing.method;
    *request.headers_mut() = outgoing.headers;
    *request.uri_mut() = uri(&outgoing.url)?;
    // Over a socket a handler that panics breaks its connection and nothing else; here it must not unwind into the caller.
    let response = match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => return Err(Failure { ending: Ending::Broken, source: "the control plane panicked".into() }),
    };
    if response.extensions().get::<theazo_server::ConnectionReset>().is_some() {
        return Err(Failure { ending: Ending::Broken, source: "the connection was reset".into() });
    }
    let (head, body) = response.into_parts();
    let body = Body::Stream(Box::pin(body.into_data_stream().map_err(BoxError::from)));
    Ok(Incoming { status: head.status.as_u16(), headers: head.headers, body })
}

fn uri(url: &Url) -> Result<http::Uri, Failure> {
    let parsed = url.as_str().parse();
    parsed.map_err(|error: http::uri::InvalidUri| Failure { ending: Ending::Refused, source: error.into() })
}

impl Body {
    /// Reads the body to its end, if it has no more bytes than that.
    pub async fn collect(&mut self, limit: u64) -> Result<Bytes, Unread> {
        if let Self::Http(response) = self
            && response.content_length().is_some_and(|length| length > limit)
        {
            return Err(Unread::TooLarge);
        }
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        if first.len() as u64 > limit {
            return Err(Unread::TooLarge);
        }
        // Most answers are one piece, which then is not copied.
        let Some(second) = self.piece().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if (whole.len() + piece.len()) as u64 > limit {
                return Err(Unread::TooLarge);
            }
            whole.extend_from_slice(&piece);
            next = self.piece().await?;
        }
        Ok(whole.freeze())
    }

    /// Adds what comes, until that many bytes are there or nothing more comes.
    pub async fn read_into(mut self, beginning: &mut BytesMut, limit: usize) {
        while beginning.len() < limit
            && let Ok(Some(piece)) = self.piece().await
        {
            beginning.extend_from_slice(&piece[..piece.len().min(limit - beginning.len())]);
        }
    }

    /// The next piece, if there is one.
    async fn piece(&mut self) -> Result<Option<Bytes>, Unread> {
        let piece = match self {
            Self::Http(response) => response.chunk().await.map_err(|error| error.without_url().into()),
            Self::Stream(pieces) => pieces.next().await.transpose(),
        };
        piece.map_err(Unread::Broken)
    }

    /// The body piece by piece.
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Http(response) => {
                Box::pin(response.bytes_stream().map_err(|error| BoxError::from(error.without_url())))
            }
            Self::Stream(pieces) => pieces,
        }
    }
}

/// The innermost cause, which says most to a person.
pub(crate) fn root_of(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        // An I/O error that wraps another gives that one's source as its own, which would skip the wrapped error.
        match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => cause.source(),
        }
    })
}
