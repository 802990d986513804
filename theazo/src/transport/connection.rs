//! The edge: sends one request, over HTTP or to a router in this process.

use std::{error::Error as StdError, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::HeaderMap;
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{address::Base, classify::Ending};
use crate::{config::DEFAULT_CONNECT_TIMEOUT, error::Error};

/// Idle connections are kept shorter than the minute after which common load balancers close them.
const POOL_IDLE: Duration = Duration::from_secs(50);

/// Stands for the host in the addresses of calls that never leave this process.
#[cfg(feature = "embedded")]
pub(crate) const IN_PROCESS: &str = "http://embedded.invalid";

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of an answer, piece by piece.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// How requests reach the control plane.
pub(crate) enum Connection {
    /// Over HTTP, with a pool of connections.
    Http(reqwest::Client),
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
    #[cfg(feature = "embedded")]
    InProcess(axum::body::Body),
}

/// Why no answer came.
pub(crate) struct Failure {
    pub ending: Ending,
    pub source: BoxError,
}

impl Connection {
    /// A pool of HTTP connections.
    pub fn http(base: &Base, connect_timeout: Option<Duration>) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(base.is_https())?)
            .connect_timeout(connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT))
            .pool_idle_timeout(POOL_IDLE)
            .tcp_keepalive(Duration::from_secs(60))
            // A redirect could carry the key elsewhere or turn a POST into a GET; it is reported instead.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| Error::configuration(format!("the HTTP client cannot be built: {}", root_of(&source))))?;
        Ok(Self::Http(client))
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Incoming, Failure> {
        match self {
            Self::Http(client) => send_http(client, outgoing).await,
            #[cfg(feature = "embedded")]
            Self::InProcess(router) => send_in_process(router.clone(), outgoing).await,
        }
    }
}

async fn send_http(client: &reqwest::Client, outgoing: Outgoing) -> Result<Incoming, Failure> {
    let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
    *request.headers_mut() = outgoing.headers;
    *request.body_mut() = outgoing.body.map(Into::into);
    let mut response = client.execute(request).await.map_err(|error| {
        let ending = match (error.is_connect(), is_untrusted(&error)) {
            (true, true) => Ending::Refused,
            (true, false) => Ending::NotSent,
            (false, _) => Ending::Broken,
        };
        Failure { ending, source: error.without_url().into() }
    })?;
    let headers = std::mem::take(response.headers_mut());
    Ok(Incoming { status: response.status().as_u16(), headers, body: Body::Http(response) })
}

#[cfg(feature = "embedded")]
async fn send_in_process(router: axum::Router, outgoing: Outgoing) -> Result<Incoming, Failure> {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;
    use tower::ServiceExt;

    let mut request = http::Request::new(axum::body::Body::from(outgoing.body.unwrap_or_default()));
    *request.method_mut() = outgoing.method;
    *request.headers_mut() = outgoing.headers;
    *request.uri_mut() = outgoing
        .url
        .as_str()
        .parse()
        .map_err(|error: http::uri::InvalidUri| Failure { ending: Ending::Refused, source: error.into() })?;
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
    Ok(Incoming { status: head.status.as_u16(), headers: head.headers, body: Body::InProcess(body) })
}

impl Body {
    /// Reads the body to its end.
    pub async fn collect(self) -> Result<Bytes, BoxError> {
        match self {
            Self::Http(response) => response.bytes().await.map_err(|error| error.without_url().into()),
            #[cfg(feature = "embedded")]
            Self::InProcess(body) => axum::body::to_bytes(body, usize::MAX).await.map_err(Into::into),
        }
    }

    /// The body piece by piece.
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Http(response) => {
                Box::pin(response.bytes_stream().map_err(|error| BoxError::from(error.without_url())))
            }
            #[cfg(feature = "embedded")]
            Self::InProcess(body) => Box::pin(body.into_data_stream().map_err(BoxError::from)),
        }
    }
}

/// The TLS configuration: ring, and the roots of the operating system. Plain HTTP trusts nobody and reads no roots, so
/// that it also works where there are none.
fn tls(is_https: bool) -> Result<ClientConfig, Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::configuration(format!("TLS cannot be set up: {source}")))?;
    let builder = if is_https {
        builder.with_platform_verifier().map_err(|source| {
            Error::configuration(format!("the system's root certificates cannot be read: {source}"))
                .with_hint("install the package `ca-certificates`, or set SSL_CERT_FILE to a file of roots")
        })?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether TLS itself failed: a certificate that is not trusted, or a peer that does not speak it.
fn is_untrusted(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.is::<rustls::Error>())
}

/// The innermost cause, which says most to a person.
pub(crate) fn root_of(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        // An I/O error that wraps another gives that one's source as its own, which would skip the wrapped error.
        match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => cause.source(),
        }
    })
}
