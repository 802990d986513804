//! One way out: it tells reports to the control plane from what is meant for the network.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use futures_util::{FutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{Door, Gateway, Programs, Reach, allowance::Allowance, proxy};
use crate::outbound::Guard;

/// How long a program may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes the head of a request may have.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How many bytes a report may have.
const MAX_REPORT_BYTES: usize = 5 << 20;

/// The ways out of the sandboxes of one plane.
pub struct PlaneGateway {
    router: Router,
    guard: Guard,
}

impl PlaneGateway {
    /// Leads reports to `router`, and what else programs call to where `guard` lets them.
    pub fn new(router: Router, guard: Guard) -> Self {
        Self { router, guard }
    }
}

impl Gateway for PlaneGateway {
    fn open(&self, programs: Programs) -> Arc<dyn Door> {
        let door = PlaneDoor {
            router: self.router.clone(),
            guard: self.guard.clone(),
            token: programs.token,
            reach: programs.reach,
            allowance: Allowance::default(),
        };
        Arc::new(OpenDoor(Arc::new(door)))
    }
}

struct OpenDoor(Arc<PlaneDoor>);

struct PlaneDoor {
    router: Router,
    guard: Guard,
    token: Option<String>,
    reach: Arc<dyn Reach>,
    allowance: Allowance,
}

/// Where a connection goes on when it speaks no HTTP any more.
type Tunnel = Arc<Mutex<Option<BoxFuture<'static, ()>>>>;

impl Door for OpenDoor {
    fn serve(&self, connection: TcpStream) -> BoxFuture<'static, ()> {
        let (door, tunnel) = (self.0.clone(), Tunnel::default());
        let later = tunnel.clone();
        let service = service_fn(move |request| {
            let (door, tunnel) = (door.clone(), tunnel.clone());
            async move { Ok::<_, Infallible>(door.answer(request, &tunnel).await) }
        });
        async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(connection), service)
                .with_upgrades();
            // A program that breaks off is told nothing.
            let _ = served.await;
            let tunnel = later.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(tunnel) = tunnel {
                tunnel.await;
            }
        }
        .boxed()
    }
}

impl PlaneDoor {
    async fn answer(&self, request: Request<Incoming>, tunnel: &Tunnel) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return match proxy::connect(request, &self.guard, &*self.reach).await {
                Ok((response, connected)) => {
                    *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(connected);
                    response
                }
                Err(refused) => refused.respond(),
            };
        }
        if request.uri().authority().is_some() {
            return proxy::forward(request, &self.guard, &*self.reach)
                .await
                .unwrap_or_else(|refused| refused.respond());
        }
        let path = request.uri().path().strip_prefix("/bridge/").and_then(|rest| rest.split_once('/'));
        if path.is_some_and(|(token, _)| self.token.as_deref() == Some(token)) {
            return self.report(request).await;
        }
        say(StatusCode::NOT_FOUND, "there is nothing here but what `THEAZO_ENDPOINT` and the proxy variables lead to")
    }

    /// Passes a report on to the control plane, if it is not too much.
    async fn report(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_REPORT_BYTES).collect().await else {
            return say(StatusCode::PAYLOAD_TOO_LARGE, &format!("a report has at most {MAX_REPORT_BYTES} bytes"));
        };
        let body = body.to_bytes();
        if let Err(wait) = self.allowance.take(body.len()) {
            let mut response = say(StatusCode::TOO_MANY_REQUESTS, "the programs of this sandbox report too much");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            return response;
        }
        let request = Request::from_parts(head, Body::from(body));
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// An answer of one line.
pub fn say(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
