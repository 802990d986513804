//! HTTP itself: the pool of connections, TLS, proxies, and connections that become WebSockets.

use std::{error::Error as StdError, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryFutureExt};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::sync::OnceCell;

use super::{
    address::Base,
    classify::Ending,
    connection::{Body, Failure, Incoming, Outgoing, causes, root_of},
    socket,
};
use crate::{
    config::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_POOL_IDLE_TIMEOUT, HttpVersion, Settings},
    error::Error,
};

/// How much of an answer over HTTP/2 may have come that nobody has read: what an unread stream can take of the memory.
const STREAM_WINDOW: u32 = 512 << 10;

/// The same for all answers of one connection together: no limit, or a few unread streams would stop every other call.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// When nothing came for this long over HTTP/2 while answers are awaited, the peer is asked whether it is there. With the
/// time that it has to answer this is less than an attempt has, so the next one goes over a new connection.
const PING_AFTER: Duration = Duration::from_secs(15);

/// How long the peer has to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long without a word the operating system asks a peer whether it is there.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What is named in the place of a proxy where there is to be none.
const NO_PROXY: &str = "none";

/// A pool of HTTP connections.
pub(crate) struct HttpPool {
    client: reqwest::Client,
    /// WebSockets begin as HTTP/1.1, so they have a client of their own, made when the first one is opened.
    sockets: OnceCell<reqwest::Client>,
    tls: ClientConfig,
    is_plain: bool,
    settings: Settings,
}

/// What is kept of connections that nobody uses.
pub(crate) struct IdleLimits {
    /// How many.
    pub most: usize,
    /// How long.
    pub longest: Duration,
}

impl IdleLimits {
    pub fn of(settings: &Settings) -> Self {
        let most = settings.pool_max_idle.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        Self { most, longest: settings.pool_idle_timeout.unwrap_or(DEFAULT_POOL_IDLE_TIMEOUT) }
    }
}

impl HttpPool {
    pub fn new(base: &Base, settings: &Settings) -> Result<Self, Error> {
        let tls = tls(base.is_https(), settings.ca_file.as_deref())?;
        let client = client(tls.clone(), settings, settings.http_version.unwrap_or_default())?;
        let is_plain = settings.http_version != Some(HttpVersion::Http2) && is_direct(base, settings);
        Ok(Self { client, sockets: OnceCell::new(), tls, is_plain, settings: settings.clone() })
    }

    /// Whether requests go straight to the server, and over HTTP/1.1 if need be.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// How it speaks TLS where only HTTP/1.1 is spoken over it.
    pub fn tls_for_http1(&self) -> ClientConfig {
        speaking(self.tls.clone(), HttpVersion::Http1)
    }

    /// How long a connection may take to open.
    pub fn connect_timeout(&self) -> Duration {
        connect_timeout(&self.settings)
    }

    /// What is kept of connections that nobody uses.
    pub fn idle_limits(&self) -> IdleLimits {
        IdleLimits::of(&self.settings)
    }

    /// Sends a request and waits for the head of the answer.
    pub fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<Incoming, Failure>> + use<> {
        execute(&self.client, outgoing).map_ok(|mut response| {
            let headers = std::mem::take(response.headers_mut());
            Incoming { status: response.status().as_u16(), headers, body: Body::Http(response) }
        })
    }

    /// Opens a WebSocket. An answer that is no WebSocket comes back as it is.
    pub async fn open_socket(&self, mut outgoing: Outgoing) -> Result<Incoming, Failure> {
        let sockets =
            self.sockets.get_or_try_init(async || client(self.tls.clone(), &self.settings, HttpVersion::Http1));
        let sockets = sockets.await.map_err(|error| Failure { ending: Ending::Refused, source: error.into() })?;
        let key = socket::ask(&mut outgoing.headers);
        let mut response = execute(sockets, outgoing).await?;
        let headers = std::mem::take(response.headers_mut());
        let status = response.status().as_u16();
        if status != 101 {
            return Ok(Incoming { status, headers, body: Body::Http(response) });
        }
        let broken = |source| Failure { ending: Ending::Broken, source };
        socket::check(&headers, &key).map_err(|problem| broken(problem.into()))?;
        let upgraded = response.upgrade().await.map_err(|error| broken(error.without_url().into()))?;
        let messages = socket::messages(upgraded).await;
        Ok(Incoming { status, headers, body: Body::Stream(messages.boxed()) })
    }
}

/// Sends a request. The future does not hold the request: every call has one of these, so it is kept small.
fn execute(
    client: &reqwest::Client,
    outgoing: Outgoing,
) -> impl Future<Output = Result<reqwest::Response, Failure>> + use<> {
    let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
    *request.headers_mut() = outgoing.headers;
    *request.body_mut() = outgoing.body.map(Into::into);
    client.execute(request).map_err(|error| {
        let ending = match (error.is_connect(), is_untrusted(&error)) {
            (true, true) => Ending::Refused,
            (true, false) => Ending::NotSent,
            (false, _) => Ending::Broken,
        };
        Failure { ending, source: error.without_url().into() }
    })
}

fn connect_timeout(settings: &Settings) -> Duration {
    settings.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT)
}

/// The proxy that was named, if one was.
fn proxy(settings: &Settings) -> Option<&str> {
    settings.proxy.as_deref().map(str::trim)
}

/// Whether requests to this address go through no proxy.
fn is_direct(base: &Base, settings: &Settings) -> bool {
    match proxy(settings) {
        Some(proxy) => proxy == NO_PROXY,
        // What reqwest asks, too.
        None => base.as_str().parse().is_ok_and(|address| Matcher::from_env().intercept(&address).is_none()),
    }
}

fn speaking(mut tls: ClientConfig, version: HttpVersion) -> ClientConfig {
    tls.alpn_protocols = match version {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    tls
}

fn client(tls: ClientConfig, settings: &Settings, version: HttpVersion) -> Result<reqwest::Client, Error> {
    let idle = IdleLimits::of(settings);
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(speaking(tls, version))
        .connect_timeout(connect_timeout(settings))
        .pool_idle_timeout(idle.longest)
        .pool_max_idle_per_host(idle.most)
        .tcp_keepalive(KEEP_ALIVE)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        // A redirect could carry the key elsewhere or turn a POST into a GET; it is reported instead.
        .redirect(reqwest::redirect::Policy::none())
        // Retries are our own, each with its attempt header, its place in the budget and its hooks; and a client that keeps
        // no copy of each request for a retry of its own is faster.
        .retry(reqwest::retry::never().max_retries_per_request(0));
    builder = match version {
        HttpVersion::Auto => builder,
        HttpVersion::Http1 => builder.http1_only(),
        HttpVersion::Http2 => builder.http2_prior_knowledge(),
    };
    match proxy(settings) {
        None => {}
        Some(NO_PROXY) => builder = builder.no_proxy(),
        Some(address) => {
            let proxy = reqwest::Proxy::all(address).map_err(|_| {
                let shown = super::address::without_user_part(address);
                Error::configuration(format!("the proxy `{shown}` is not a URL"))
                    .with_hint("give an address such as `http://proxy.example.com:3128`, or `none`")
            })?;
            builder = builder.proxy(proxy);
        }
    }
    builder
        .build()
        .map_err(|source| Error::configuration(format!("the HTTP client cannot be built: {}", root_of(&source))))
}

/// How TLS is spoken: ring, and the roots of the operating system and of `ca_file`. Plain HTTP trusts nobody and reads
/// no roots, so that it also works where there are none.
fn tls(is_https: bool, ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::configuration(format!("TLS cannot be set up: {source}")))?;
    Ok(if is_https {
        let extra = ca_file.map_or_else(|| Ok(Vec::new()), certificates)?;
        let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(|source| {
            Error::configuration(format!("the root certificates cannot be used: {source}"))
                .with_hint("install the package `ca-certificates`, or set SSL_CERT_FILE to a file of roots")
        })?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    })
}

/// The certificates of a file in PEM form.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |problem: String| Error::configuration(format!("`ca_file`: {}: {problem}", path.display()));
    let file = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = file.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("has no certificate in PEM form".to_owned())) } else { Ok(found) }
}

/// Whether TLS itself failed: a certificate that is not trusted, or a peer that does not speak it.
pub(super) fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<rustls::Error>())
}
