//! The proxy that programs with a granted network use: it knows names, connects to allowed addresses alone, and looks into
//! nothing that is encrypted.

use std::{net::IpAddr, time::Duration};

use async_stream::stream;
use axum::body::Body;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{
        CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::{Reach, door::say};
use crate::outbound::{DomainRules, Guard, Refusal};

/// How long a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What concerns one connection and is not passed on.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why a program does not get what it asks for.
pub struct Refused {
    status: StatusCode,
    reason: String,
}

impl Refused {
    /// What the program is told.
    pub fn respond(&self) -> Response<Body> {
        say(self.status, &self.reason)
    }
}

fn refuse(status: StatusCode, reason: &str) -> Refused {
    Refused { status, reason: reason.to_owned() }
}

/// Connects for a program that wants to speak with a host itself. Returns the answer, and what then passes bytes to and fro.
pub async fn connect(
    request: Request<Incoming>,
    guard: &Guard,
    reach: &dyn Reach,
) -> Result<(Response<Body>, BoxFuture<'static, ()>), Refused> {
    let (host, port) = target(request.uri(), 443)?;
    let mut upstream = open("https", &host, port, guard, reach).await?;
    let tunnel = async move {
        let Ok(program) = hyper::upgrade::on(request).await else { return };
        // Whichever side breaks off ends it; there is nobody to tell.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(program), &mut upstream).await;
    };
    Ok((Response::new(Body::empty()), tunnel.boxed()))
}

/// Sends a request for a program that speaks plain HTTP.
pub async fn forward(
    mut request: Request<Incoming>,
    guard: &Guard,
    reach: &dyn Reach,
) -> Result<Response<Body>, Refused> {
    if request.uri().scheme_str() != Some("http") {
        return Err(refuse(StatusCode::BAD_REQUEST, "only `http` addresses are asked for; use CONNECT for others"));
    }
    let (host, port) = target(request.uri(), 80)?;
    let upstream = open("http", &host, port, guard, reach).await?;
    let unreachable =
        |error: hyper::Error| refuse(StatusCode::BAD_GATEWAY, &format!("`{host}` does not answer: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(upstream)).await.map_err(unreachable)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    remove_hop_by_hop(request.headers_mut());
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(authority)) = authority {
        // A host that serves several names must get the one that was allowed.
        request.headers_mut().insert(HOST, authority);
    }
    *request.uri_mut() = request.uri().path_and_query().map(|path| Uri::from(path.clone())).unwrap_or_default();
    let (mut head, body) = sender.send_request(request).await.map_err(unreachable)?.into_parts();
    remove_hop_by_hop(&mut head.headers);
    let body = Body::new(body);
    let pieces = stream! {
        // The connection ends with what is read from it.
        let _connection = connection;
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            yield piece;
        }
    };
    Ok(Response::from_parts(head, Body::from_stream(pieces)))
}

fn target(uri: &Uri, usual_port: u16) -> Result<(String, u16), Refused> {
    match uri.authority() {
        Some(authority) if !authority.as_str().contains('@') => {
            Ok((authority.host().to_owned(), authority.port_u16().unwrap_or(usual_port)))
        }
        _ => Err(refuse(StatusCode::BAD_REQUEST, "the request does not name a host alone")),
    }
}

/// Connects to a host that is allowed, at an address that is allowed.
async fn open(scheme: &str, host: &str, port: u16, guard: &Guard, reach: &dyn Reach) -> Result<TcpStream, Refused> {
    let opened = match allowed(scheme, host, port, guard, reach).await {
        Err(refusal) => Err(refuse(StatusCode::FORBIDDEN, &refusal.to_string())),
        Ok((host, addresses)) => {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, connect_to_any(&addresses, port));
            let closed = || refuse(StatusCode::BAD_GATEWAY, &format!("`{host}` accepts no connection on port {port}"));
            connecting.await.ok().flatten().ok_or_else(closed)
        }
    };
    opened.inspect_err(|refused| reach.failed(&refused.reason))
}

/// The host as it was understood, in whatever way a program spelled it, and the addresses at which it may be reached.
async fn allowed(
    scheme: &str,
    host: &str,
    port: u16,
    guard: &Guard,
    reach: &dyn Reach,
) -> Result<(String, Vec<IpAddr>), Refusal> {
    let url = guard.check_url(&format!("{scheme}://{host}:{port}/"), &DomainRules::default())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    reach.admit(&host).await?;
    let addresses = guard.addresses(&host).await?;
    Ok((host, addresses))
}

async fn connect_to_any(addresses: &[IpAddr], port: u16) -> Option<TcpStream> {
    for address in addresses {
        if let Ok(connected) = TcpStream::connect((*address, port)).await {
            return Some(connected);
        }
    }
    None
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}
