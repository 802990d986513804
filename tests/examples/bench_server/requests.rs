//! Requests over HTTP: reading one resource against a bare handler, and creating.

use std::net::SocketAddr;

use axum::{Router, http::header, routing::get};
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::Http;
use tokio::net::TcpListener;

use crate::{TURNS, load::Load, report, report::Bar};

const REQUESTS: usize = 6_400;
const IN_FLIGHT: usize = 64;

/// A plane whose every acknowledgement is on disk, behind a socket.
struct Served {
    address: SocketAddr,
    key: String,
    plane: ControlPlane,
    _directory: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a folder is made");
        let config = PlaneConfig::default().data_dir(directory.path()).default_provider("simulated");
        let plane = ControlPlane::start(config).await.expect("it starts");
        let key = plane.live_key().expect("it is new").to_owned();
        Self { address: serve(plane.router()).await, key, plane, _directory: directory }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let (key, length) = (&self.key, body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Reading one session, against an axum handler that returns the same bytes.
pub async fn read_one() {
    let served = Served::start().await;
    let http = Http::new(&format!("http://{}", served.address), &served.key);
    let (status, session) = http.send("POST", "/v1/sessions", serde_json::json!({ "userId": "ada" })).await;
    assert_eq!(status, 201);
    let path = format!("/v1/sessions/{}", session["id"].as_str().expect("it has an id"));
    let (_, body) = http.send("GET", &path, serde_json::Value::Null).await;
    let body = body.to_string();
    let bare = Router::new().route(
        "/v1/sessions/{id}",
        get(move || {
            let body = body.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], body) }
        }),
    );
    let request = served.request("GET", &path, "");
    let ours = Load { address: served.address, request: request.clone(), in_flight: IN_FLIGHT };
    let theirs = Load { address: serve(bare).await, request, in_flight: IN_FLIGHT };
    let (mut ratios, mut detail) = (Vec::new(), String::new());
    for _ in 0..=TURNS {
        let (ours, theirs) = (ours.send(REQUESTS).await, theirs.send(REQUESTS).await);
        ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
        let rate = |time: std::time::Duration| REQUESTS as f64 / time.as_secs_f64();
        detail = format!("{:.0}/s, axum {:.0}/s", rate(ours), rate(theirs));
    }
    // The first warms up.
    report("reads/s of one resource over bare axum", &ratios[1..], Bar::AtLeast(0.4), &detail);
    served.plane.shutdown().await;
}

/// Sessions created over HTTP, each on disk before it is acknowledged.
pub async fn create() {
    let served = Served::start().await;
    let request = served.request("POST", "/v1/sessions", r#"{"userId":"ada"}"#);
    let load = Load { address: served.address, request, in_flight: IN_FLIGHT };
    let mut rates = Vec::new();
    for _ in 0..=TURNS {
        rates.push(REQUESTS as f64 / load.send(REQUESTS).await.as_secs_f64());
    }
    report("sessions created/s over HTTP, 64 in flight", &rates[1..], Bar::AtLeast(8_000.0), "");
    served.plane.shutdown().await;
}
