//! 10,000 typed events, beside a plain line parser over the same bytes: both decode into the same type.

use std::{future::Future, hint::black_box};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{HeaderValue, header::CONTENT_TYPE};
use theazo::{
    Config, Run, Theazo, TypedStream,
    transport::{Body, HttpClient, HttpError},
    types::StreamEvent,
};
use tokio::runtime::Runtime;

use crate::{calls, measure::Pairs, report::Bar, server};

/// How many events a stream has: tokens, and one that ends it.
const EVENTS: usize = 10_000;

/// How many bytes arrive at once where nothing crosses a socket.
const PIECE: usize = 16 << 10;

/// How much a stream that resumes may cost over a parser that knows one line ending and no ids.
const PLAIN: Bar = Bar::AtMost(2.5);

/// The stream of a run as our server writes it, mostly tokens.
pub fn events() -> Vec<u8> {
    let mut text = String::from(": open\n\n");
    for id in 1..EVENTS {
        text.push_str(&format!("id: {id}\ndata: {{\"type\":\"text\",\"text\":\" revenue\"}}\n\n"));
    }
    text.push_str(&format!(
        "id: {EVENTS}\ndata: {{\"type\":\"done\",\"runId\":\"arun_1\",\"output\":\"\",\"cost\":{{\"amount\":4,\
         \"currency\":\"usd\"}},\"duration\":\"3m 12s\",\"durationMs\":192431,\"artifacts\":[]}}\n\n"
    ));
    text.into_bytes()
}

/// Measures a stream that is in memory already, then one that comes over a socket.
pub fn measure(url: &str) {
    let runtime = calls::runtime();
    let from_memory = run(&runtime, Config::new().http_client(Memory));
    let bytes = events();
    let pairs = Pairs::measure(
        || runtime.block_on(read_all(async { from_memory.stream().await.expect("it opens") })),
        || {
            let mut lines = Lines::default();
            lines.take(&bytes);
            assert_eq!(lines.events, EVENTS);
        },
    );
    let (ours, theirs) = pairs.micros_each(EVENTS);
    let detail = format!("{:.0} ns / {:.0} ns an event", ours * 1e3, theirs * 1e3);
    let speed = pairs.our_millions_per_second(EVENTS);
    speed.report("typed events (tokens of a run) from memory, million/s on one core", Bar::AtLeast(1.0), &detail);
    pairs.ratios().report("typed events from memory over a plain line parser: CPU", PLAIN, &detail);

    let over_socket = run(&runtime, Config::new().base_url(url));
    let (client, url) = (calls::bare_client(), format!("{url}/v1/runs/arun_1/stream"));
    let pairs = Pairs::measure(
        || runtime.block_on(read_all(async { over_socket.stream().await.expect("it opens") })),
        || {
            runtime.block_on(async {
                let answer = client.get(&url).send().await.expect("it answers");
                let (mut pieces, mut lines) = (answer.bytes_stream(), Lines::default());
                while let Some(piece) = pieces.next().await {
                    lines.take(&piece.expect("it arrives"));
                }
                assert_eq!(lines.events, EVENTS);
            });
        },
    );
    let (ours, theirs) = pairs.micros_each(EVENTS);
    let detail = format!("{:.0} ns / {:.0} ns an event", ours * 1e3, theirs * 1e3);
    pairs.ratios().report("typed events from a socket over reqwest and a line parser: CPU", PLAIN, &detail);
}

/// The run whose stream is measured, through a client of this configuration.
fn run(runtime: &Runtime, config: Config) -> Run {
    runtime.block_on(async {
        let theazo: Theazo = config.api_key("th_test_1").build().await.expect("it is built");
        theazo.runs().get("arun_1").await.expect("it answers")
    })
}

async fn read_all(open: impl Future<Output = TypedStream<StreamEvent>>) {
    let (mut stream, mut events) = (open.await, 0);
    while let Some(event) = stream.next().await {
        black_box(event.expect("it is an event"));
        events += 1;
    }
    assert_eq!(events, EVENTS);
}

/// What anybody would write who knows that the server ends its lines with a line feed and gives each event one line.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    events: usize,
}

impl Lines {
    fn take(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.partial.is_empty() {
                self.events += usize::from(decode(line));
            } else {
                self.partial.extend_from_slice(line);
                self.events += usize::from(decode(&self.partial));
                self.partial.clear();
            }
            rest = after;
        }
        self.partial.extend_from_slice(rest);
    }
}

fn decode(line: &[u8]) -> bool {
    let Some(data) = line.strip_prefix(b"data: ") else { return false };
    black_box(serde_json::from_slice::<StreamEvent>(data).expect("it is an event"));
    true
}

/// Answers from memory, as the server does.
struct Memory;

impl HttpClient for Memory {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
        let (content_type, body) = server::answer_to(request.uri().path());
        let pieces = (0..body.len()).step_by(PIECE).map(|at| body.slice(at..body.len().min(at + PIECE)));
        let mut response = http::Response::new(Body::from_stream(stream::iter(pieces.map(Ok::<_, HttpError>))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        async { Ok(response) }.boxed()
    }
}
