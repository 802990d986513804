//! The HTTP client for addresses that somebody gave.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use reqwest::{
    Client, Method, Url,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION},
    redirect::Policy,
};
use tokio::sync::OnceCell;

use super::{
    DomainRules, Guard,
    guard::Refusal,
    redirect::{follow, is_redirect},
    tls::tls_config,
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many header fields an answer may have.
const MAX_HEADERS: usize = 100;

/// How many bytes the header fields of an answer may have over HTTP/2; over HTTP/1.1 the client's buffer is the limit.
const MAX_HEADER_BYTES: u32 = 64 << 10;

/// An HTTP client that calls only what its guard allows.
///
/// A name is resolved once and the connection made to exactly those addresses. Redirects are followed by hand, so that each
/// one is checked. Answers are not decompressed, so that none grows on the way in.
#[derive(Clone)]
pub struct OutboundClient {
    guard: Guard,
    /// Made when it is first needed: reading the root certificates takes longer than the start of a plane may.
    client: Arc<OnceCell<Client>>,
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub url: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// How much an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time for all of it, redirects and body included.
    pub time: Duration,
    /// How many bytes of the body are read; the rest is left.
    pub body_bytes: usize,
    /// How many redirects are followed; with none they are answers like others.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), body_bytes: 1 << 20, redirects: 5 }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it came from, after redirects.
    pub url: Url,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, up to the limit.
    pub body: Vec<u8>,
    /// Whether there was more of the body.
    pub truncated: bool,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// What was to be called must not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It took too long.
    #[error("no complete answer came within {} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Redirects went on and on.
    #[error("there were more than {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect leads nowhere.
    #[error("the answer redirects to `{0}`, which is no address")]
    BadRedirect(String),
    /// A redirect would leave TLS.
    #[error("the answer redirects from https to http")]
    Downgrade,
    /// The exchange failed.
    #[error("{0}")]
    Failed(String),
}

impl OutboundClient {
    /// A client that calls what `guard` allows.
    pub fn new(guard: Guard) -> Self {
        Self { guard, client: Arc::default() }
    }

    /// Sends a request to a domain that `domains` allows, and reads the answer. Dropping the future ends the exchange.
    ///
    /// # Errors
    ///
    /// When the address, or that of a redirect, must not be called, and when no complete answer comes in time.
    pub async fn send(
        &self,
        request: Outgoing,
        domains: &DomainRules,
        limits: Limits,
    ) -> Result<Answer, OutboundError> {
        let exchange = self.exchange(request, domains, limits);
        tokio::time::timeout(limits.time, exchange).await.unwrap_or(Err(OutboundError::TimedOut(limits.time)))
    }

    /// Sends a request once and gives the answer as it comes, to a caller who bounds its time and its size. A redirect is
    /// an answer like others.
    ///
    /// # Errors
    ///
    /// When the address must not be called, and when no answer comes.
    pub async fn open(&self, request: &Outgoing, domains: &DomainRules) -> Result<reqwest::Response, OutboundError> {
        let url = self.guard.check_url(&request.url, domains)?;
        self.send_once(request, url).await
    }

    async fn exchange(
        &self,
        mut request: Outgoing,
        domains: &DomainRules,
        limits: Limits,
    ) -> Result<Answer, OutboundError> {
        let mut redirects = 0;
        loop {
            let url = self.guard.check_url(&request.url, domains)?;
            let response = self.send_once(&request, url.clone()).await?;
            let status = response.status().as_u16();
            let location = response.headers().get(LOCATION).filter(|_| is_redirect(status) && limits.redirects > 0);
            let Some(location) = location else { return read(response, url, limits).await };
            let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
            let target = url.join(&location).map_err(|_| OutboundError::BadRedirect(location))?;
            if url.scheme() == "https" && target.scheme() == "http" {
                return Err(OutboundError::Downgrade);
            }
            redirects += 1;
            if redirects > limits.redirects {
                return Err(OutboundError::TooManyRedirects(limits.redirects));
            }
            request = follow(request, status, &url, &target);
        }
    }

    async fn send_once(&self, request: &Outgoing, url: Url) -> Result<reqwest::Response, OutboundError> {
        let mut sent = reqwest::Request::new(request.method.clone(), url);
        *sent.headers_mut() = request.headers.clone();
        sent.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !request.body.is_empty() {
            *sent.body_mut() = Some(request.body.clone().into());
        }
        let client = self.client.get_or_try_init(async || build(&self.guard)).await?;
        client.execute(sent).await.map_err(failed)
    }
}

fn build(guard: &Guard) -> Result<Client, OutboundError> {
    let tls = tls_config().map_err(|error| OutboundError::Failed(error.to_string()))?;
    let built = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(guard.clone())
        // A proxy would resolve the name again, and reach what this host must not.
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .connect_timeout(CONNECT_TIMEOUT)
        // Calls to the same host are rare, and a kept connection would outlive what was said about its address.
        .pool_max_idle_per_host(0)
        .http1_max_headers(MAX_HEADERS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .user_agent(concat!("theazo/", env!("CARGO_PKG_VERSION")))
        .build();
    built.map_err(|error| OutboundError::Failed(format!("the HTTP client cannot be built: {error}")))
}

async fn read(mut response: reqwest::Response, url: Url, limits: Limits) -> Result<Answer, OutboundError> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let room = limits.body_bytes - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Answer { status, url, headers, body, truncated })
}

/// What failed, from its causes: a refusal of the guard comes back as it was.
fn failed(error: reqwest::Error) -> OutboundError {
    let error = error.without_url();
    let mut cause: &dyn StdError = &error;
    while let Some(source) = cause.source() {
        cause = source;
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return refusal.clone().into();
        }
    }
    OutboundError::Failed(if error.is_connect() {
        format!("no connection could be made: {cause}")
    } else {
        format!("the exchange broke off: {cause}")
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        net::{IpAddr, SocketAddr},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use axum::{
        Router,
        body::Body,
        http::{Response, StatusCode, header},
        routing::get,
    };
    use futures_util::{future::BoxFuture, stream};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outbound::{AddressRules, guard::Resolver};

    /// Answers each question about a name with the next of these, the last one again and again.
    struct Rebinding {
        answers: Vec<&'static str>,
        asked: AtomicUsize,
    }

    impl Resolver for Rebinding {
        fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let count = self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.answers[count.min(self.answers.len() - 1)];
            Box::pin(async move { Ok(vec![answer.parse().expect("it is an address")]) })
        }
    }

    fn redirect(status: u16, to: String) -> Response<Body> {
        let redirect = Response::builder().status(status).header(header::LOCATION, to);
        redirect.body(Body::empty()).expect("it is a response")
    }

    async fn serve(router: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn client(answers: Vec<&'static str>) -> (OutboundClient, Arc<Rebinding>) {
        let resolver = Arc::new(Rebinding { answers, asked: AtomicUsize::new(0) });
        let rules = AddressRules { allow_private: true };
        (OutboundClient::new(Guard::with_resolver(rules, resolver.clone())), resolver)
    }

    async fn fetch(client: &OutboundClient, url: String, limits: Limits) -> Result<Answer, OutboundError> {
        let request = Outgoing { method: Method::GET, url, headers: HeaderMap::new(), body: Vec::new() };
        client.send(request, &DomainRules::default(), limits).await
    }

    #[tokio::test]
    async fn row_29_a_name_is_resolved_once_and_a_rebound_one_is_refused() {
        let address = serve(Router::new().route("/", get(|| async { "hello" }))).await;
        let (client, resolver) = client(vec!["127.0.0.1", "169.254.169.254"]);
        let url = format!("http://rebind.example:{}/", address.port());

        let first = fetch(&client, url.clone(), Limits::default()).await.expect("the first address is allowed");
        assert_eq!((first.status, &first.body[..]), (200, &b"hello"[..]));
        assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);

        let second = fetch(&client, url, Limits::default()).await.expect_err("the second is not");
        assert!(matches!(&second, OutboundError::Refused(Refusal::Address(_))), "{second:?}");
        assert_eq!(resolver.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn row_29_each_redirect_is_checked() {
        let router = Router::new()
            .route("/metadata", get(|| async { redirect(302, "http://169.254.169.254/latest".to_owned()) }))
            .route("/file", get(|| async { redirect(307, "file:///etc/passwd".to_owned()) }))
            .route("/user", get(|| async { redirect(301, "http://a@127.0.0.1/".to_owned()) }))
            .route("/loop", get(|| async { redirect(308, "/loop".to_owned()) }))
            .route("/near", get(|| async { redirect(303, "there".to_owned()) }))
            .route("/there", get(|| async { "arrived" }));
        let address = serve(router).await;
        let (client, _) = client(vec!["127.0.0.1"]);
        let get = |path: &str, limits| fetch(&client, format!("http://{address}{path}"), limits);

        let metadata = get("/metadata", Limits::default()).await;
        assert!(matches!(metadata, Err(OutboundError::Refused(Refusal::Address(_)))), "{metadata:?}");
        let file = get("/file", Limits::default()).await.expect_err("it is no address of HTTP");
        assert_eq!(file, OutboundError::Refused(Refusal::Scheme("file".to_owned())));
        let user = get("/user", Limits::default()).await.expect_err("it has a user part");
        assert_eq!(user, OutboundError::Refused(Refusal::UserPart));
        assert_eq!(
            get("/loop", Limits::default()).await.expect_err("it never ends"),
            OutboundError::TooManyRedirects(5)
        );
        let near = get("/near", Limits::default()).await.expect("it is allowed");
        assert_eq!((near.url.path(), &near.body[..]), ("/there", &b"arrived"[..]));
        let none = get("/near", Limits { redirects: 0, ..Limits::default() }).await.expect("it is an answer");
        assert_eq!(none.status, 303);
    }

    #[tokio::test]
    async fn row_30_an_answer_without_end_and_one_that_never_comes_are_bounded() {
        let endless = || async { Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(vec![b'x'; 1 << 16]))) };
        let silent = || async { std::future::pending::<StatusCode>().await };
        let packed = || async { ([(header::CONTENT_ENCODING, "gzip")], vec![0x1f, 0x8b, 8, 0]) };
        let router =
            Router::new().route("/endless", get(endless)).route("/silent", get(silent)).route("/packed", get(packed));
        let address = serve(router).await;
        let (client, _) = client(vec!["127.0.0.1"]);
        let get = |path: &str, limits| fetch(&client, format!("http://{address}{path}"), limits);

        let cut = get("/endless", Limits { body_bytes: 100_000, ..Limits::default() }).await.expect("it is cut");
        assert_eq!((cut.body.len(), cut.truncated), (100_000, true));
        let time = Duration::from_millis(50);
        let late = get("/silent", Limits { time, ..Limits::default() }).await.expect_err("it never comes");
        assert_eq!(late, OutboundError::TimedOut(time));
        let packed = get("/packed", Limits::default()).await.expect("it comes");
        assert_eq!(packed.body, [0x1f, 0x8b, 8, 0], "it comes as it is");
    }
}
