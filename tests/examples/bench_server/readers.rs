//! Many readers of one log over HTTP: the time from an event to the last byte at each of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use theazo_tests::{Http, ServerProcess};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
};

use crate::{report, report::Bar};

const READERS: usize = 1000;
const EVENTS: usize = 200;
const EVERY: Duration = Duration::from_millis(100);

/// Milliseconds from an event to 1,000 sockets, at 10 events a second.
pub async fn delays() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.as_ref().expect("a new server makes keys");
    let address = server.url.trim_start_matches("http://").to_owned();
    let (delays, mut delayed) = mpsc::unbounded_channel();
    for _ in 0..READERS {
        let request = format!(
            "GET /v1/logs/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             accept: text/event-stream\r\n\r\n"
        );
        let mut socket = TcpStream::connect(&address).await.expect("it connects");
        socket.write_all(request.as_bytes()).await.expect("it is sent");
        let mut lines = BufReader::new(socket).lines();
        // The stream is open when it has said so.
        while lines.next_line().await.expect("it streams").expect("it goes on") != ": open" {}
        let delays = delays.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let Some(event) = line.strip_prefix("data: ") else { continue };
                // Before the JSON is read: that is the reader's time, not the server's.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
                if delays.send((now, event.to_owned())).is_err() {
                    return;
                }
            }
        });
    }
    let http = Http::new(&server.url, key);
    let mut ticks = tokio::time::interval(EVERY);
    for number in 0..EVENTS {
        ticks.tick().await;
        let (status, _) = http.send("POST", "/v1/sessions", json!({ "userId": format!("user_{number}") })).await;
        assert_eq!(status, 201);
    }
    let mut milliseconds = Vec::with_capacity(READERS * EVENTS);
    while milliseconds.len() < READERS * EVENTS {
        let (came, event) = delayed.recv().await.expect("they go on");
        let entry: serde_json::Value = serde_json::from_str(&event).expect("it is JSON");
        let happened: theazo::types::Timestamp =
            entry["timestamp"].as_str().expect("it has a time").parse().expect("it is a time");
        milliseconds.push(came.as_secs_f64() * 1000.0 - happened.as_millis() as f64);
    }
    milliseconds.sort_by(f64::total_cmp);
    let at = |share: usize| milliseconds[milliseconds.len() * share / 100];
    let detail =
        format!("median {:.2}, resident {:.0} MiB", at(50), server.resident_bytes() as f64 / f64::from(1 << 20));
    report("event to 1,000 sockets at 10/s, p99, ms", &[at(99)], Bar::AtMost(20.0), &detail);
    server.stop().await;
}
