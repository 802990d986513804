//! The benchmark of streams: 1,000 readers of one log over HTTP, from an event to the last byte at each of them, and what a
//! plane takes that does nothing. Prints lines of `name value bar`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use theazo::Theazo;
use theazo_tests::{Http, ServerProcess};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
};

const READERS: usize = 1000;
const EVENTS: usize = 200;
const EVERY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    embedded_ready().await;
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    report("idle plane, MiB resident", server.resident_bytes() as f64 / f64::from(1 << 20), 40.0);
    readers(&server).await;
    report("plane after 1000 readers, MiB resident", server.resident_bytes() as f64 / f64::from(1 << 20), 1000.0);
}

/// The median time from the call of `embedded()` to a plane that answers.
async fn embedded_ready() {
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let theazo = Theazo::embedded().await.expect("it starts");
        theazo.health().await.expect("it answers");
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    report("embedded() to its first answer, ms", times[times.len() / 2], 50.0);
}

async fn readers(server: &ServerProcess) {
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
    report("event to 1000 sockets at 10/s, ms, median", milliseconds[milliseconds.len() / 2], 20.0);
    report("event to 1000 sockets at 10/s, ms, p99", milliseconds[milliseconds.len() * 99 / 100], 20.0);
}

fn report(name: &str, value: f64, bar: f64) {
    println!("{name}\t{value:.2}\t{bar}");
}
