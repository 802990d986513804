//! An HTTP/2 server that does to each request, and to its connection, what a test says.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Response};
use theazo::{Config, Transport, config::HttpVersion};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
};

/// What becomes of one request.
pub enum Deed {
    /// It is answered with this JSON.
    Answer(&'static str),
    /// Its head is answered, and the events that follow are sent by the test.
    Events,
    /// Its stream is reset.
    Reset(Reason),
    /// Its head is answered, and then its stream is reset.
    ResetAfterHead(Reason),
    /// The connection says goodbye, and closes, with this request not acted on.
    GoAway(Reason),
    /// The client may send little of a body at a time from now on; the request is answered when all of it has come.
    ShrinkWindow(&'static str),
    /// Nothing ever comes any more over its connection, which stays open.
    Freeze,
}

/// What a server is to do with a request, by its number on the server and the number of its connection, from 1.
type Decide = Arc<dyn Fn(usize, usize) -> Deed + Send + Sync>;

pub struct Server {
    pub url: String,
    /// The heads of requests as they come.
    pub requests: mpsc::UnboundedReceiver<HeaderMap>,
    /// The streams that are answered by the test.
    pub streams: mpsc::UnboundedReceiver<SendStream<Bytes>>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

struct Reports {
    decide: Decide,
    requests: mpsc::UnboundedSender<HeaderMap>,
    streams: mpsc::UnboundedSender<SendStream<Bytes>>,
    count: AtomicUsize,
}

impl Server {
    pub async fn start(
        max_concurrent_streams: u32,
        decide: impl Fn(usize, usize) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (request_sender, requests) = mpsc::unbounded_channel();
        let (stream_sender, streams) = mpsc::unbounded_channel();
        let count = AtomicUsize::new(0);
        let reports =
            Arc::new(Reports { decide: Arc::new(decide), requests: request_sender, streams: stream_sender, count });
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = accepted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(socket, number, max_concurrent_streams, reports.clone()));
            }
        });
        Self { url, requests, streams, connections, task: task.abort_handle() }
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn transport(&self) -> Transport {
        transport(&self.url)
    }
}

/// A client that speaks HTTP/2 without TLS.
pub fn transport(url: &str) -> Transport {
    Transport::new(Config::with_api_key("th_live_secret").base_url(url).http_version(HttpVersion::Http2)).unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: TcpStream, number: usize, max_concurrent_streams: u32, reports: Arc<Reports>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(max_concurrent_streams);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (head, mut body) = request.into_parts();
        reports.requests.send(head.headers).ok();
        match (reports.decide)(reports.count.fetch_add(1, Ordering::SeqCst) + 1, number) {
            Deed::Answer(json) => answer(&mut respond, json),
            Deed::Events => {
                reports.streams.send(respond.send_response(events(), false).unwrap()).ok();
            }
            Deed::Reset(reason) => respond.send_reset(reason),
            Deed::ResetAfterHead(reason) => {
                let mut stream = respond.send_response(events(), false).unwrap();
                stream.send_reset(reason);
            }
            Deed::GoAway(reason) => connection.abrupt_shutdown(reason),
            Deed::ShrinkWindow(json) => {
                connection.set_initial_window_size(1_000).unwrap();
                tokio::spawn(async move {
                    while let Some(Ok(piece)) = body.data().await {
                        body.flow_control().release_capacity(piece.len()).unwrap();
                    }
                    answer(&mut respond, json);
                });
            }
            Deed::Freeze => return pending().await,
        }
    }
}

fn answer(respond: &mut SendResponse<Bytes>, json: &'static str) {
    let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
    // A client that left does not read it.
    if let Ok(mut stream) = respond.send_response(head, false) {
        stream.send_data(Bytes::from_static(json.as_bytes()), true).ok();
    }
}

fn events() -> Response<()> {
    Response::builder().header("content-type", "text/event-stream").body(()).unwrap()
}

/// Sends as much of this again and again as the client takes, until it has taken nothing for a while; how much that is.
pub async fn fill(stream: &mut SendStream<Bytes>, piece: &Bytes, patience: Duration) -> usize {
    let mut sent = 0;
    loop {
        stream.reserve_capacity(piece.len());
        let granted = tokio::time::timeout(patience, poll_fn(|context| stream.poll_capacity(context))).await;
        let Ok(Some(Ok(capacity))) = granted else { return sent };
        let count = capacity.min(piece.len());
        stream.send_data(piece.slice(..count), false).unwrap();
        sent += count;
    }
}
