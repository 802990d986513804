//! The HTTP client as something that can be injected: a test double, a recorder, a corporate gateway.

use std::{error::Error as StdError, fmt, pin::Pin};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};

use super::connection::{BoxError, ByteStream};

/// Sends one request and gives its answer. Everything else (retries, timeouts, resuming) is done around it.
///
/// ```
/// use bytes::Bytes;
/// use futures_util::{FutureExt, future::BoxFuture};
/// use theazo::transport::{Body, HttpClient, HttpError};
///
/// /// Answers everything with an empty list.
/// struct Nothing;
///
/// impl HttpClient for Nothing {
///     fn send(&self, _: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
///         async { Ok(http::Response::new(Body::from(r#"{"data":[],"hasMore":false,"cursor":""}"#))) }.boxed()
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let theazo = theazo::Config::with_api_key("th_test_1").http_client(Nothing).build().await?;
/// assert!(theazo.sessions().list().await?.data.is_empty());
/// # Ok::<(), theazo::Error>(()) }).unwrap();
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends the request. The future resolves when the head of the answer is there; dropping it, or the body, ends the
    /// exchange.
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>>;
}

/// The body of an answer, piece by piece.
///
/// ```
/// use futures_util::stream;
/// use theazo::transport::Body;
///
/// let whole = Body::from(r#"{"status":"ok"}"#);
/// let pieces = stream::iter([Ok::<_, std::io::Error>("data: 1\n\n".into()), Ok("data: 2\n\n".into())]);
/// let in_pieces = Body::from_stream(pieces);
/// ```
pub struct Body(ByteStream);

impl Body {
    /// A body whose pieces come from a stream.
    pub fn from_stream<E: Into<Box<dyn StdError + Send + Sync>>>(
        pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(pieces.map(|piece| piece.map_err(Into::into))))
    }

    pub(crate) fn into_stream(self) -> ByteStream {
        self.0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Box::pin(stream::iter((!bytes.is_empty()).then_some(Ok(bytes)))))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Box<dyn StdError + Send + Sync>>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// Why no answer came. How far the request came decides whether it may be sent again.
///
/// ```
/// use theazo::transport::HttpError;
///
/// let unreachable = HttpError::not_sent("the name cannot be resolved");
/// let cut_off = HttpError::maybe_received("the connection was reset");
/// let forbidden = HttpError::refused("the gateway lets no such address through");
/// assert_eq!(cut_off.to_string(), "the answer did not come");
/// ```
#[derive(Debug)]
pub struct HttpError {
    pub(crate) reach: Reach,
    pub(crate) source: BoxError,
}

/// How far a request came that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    NotSent,
    MaybeReceived,
    Refused,
}

impl HttpError {
    /// The request provably never reached the server, so it may be sent again whatever it does.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reach: Reach::NotSent, source: source.into() }
    }

    /// The request may have reached the server, so it is sent again only where that does no harm.
    pub fn maybe_received(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reach: Reach::MaybeReceived, source: source.into() }
    }

    /// The request never reached the server, and sending it again will not help.
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reach: Reach::Refused, source: source.into() }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reach {
            Reach::NotSent | Reach::Refused => "the request was not sent",
            Reach::MaybeReceived => "the answer did not come",
        })
    }
}

impl StdError for HttpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
