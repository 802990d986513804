//! A provider on this machine that answers what a test says, byte by byte if it must.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the provider answers.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// The body, in the pieces in which it is sent.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the connection ends before the body does.
    pub is_cut: bool,
}

impl Reply {
    /// A stream of events, in one piece.
    pub fn events(text: impl Into<String>) -> Self {
        Self { status: 200, headers: Vec::new(), pieces: vec![text.into().into_bytes()], is_cut: false }
    }

    /// An error.
    pub fn error(status: u16, body: &Value) -> Self {
        Self { status, ..Self::events(body.to_string()) }
    }

    /// The same, each byte for itself.
    pub fn byte_by_byte(mut self) -> Self {
        self.pieces = self.pieces.concat().into_iter().map(|byte| vec![byte]).collect();
        self
    }

    /// The same, cut off behind the last piece.
    pub fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    /// The same with a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first line and the headers.
    pub head: String,
    /// The body.
    pub body: Value,
}

/// A provider that runs. It ends with the runtime of its test.
pub struct FakeProvider {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeProvider {
    /// Starts it. It gives each request the next answer.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, replies) = (requests.clone(), Arc::new(Mutex::new(VecDeque::from(replies))));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let reply = replies.lock().expect("no test panics here").pop_front();
                tokio::spawn(answer(connection, reply.expect("there are enough answers"), seen.clone()));
            }
        });
        Self { url, requests }
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test panics here").clone()
    }
}

async fn answer(mut connection: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<Request>>>) {
    connection.set_nodelay(true).expect("it is a socket");
    let request = read(&mut connection).await;
    seen.lock().expect("no test panics here").push(request);
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("content-type: text/event-stream\r\n\r\n");
    // The client may leave early.
    let _ = connection.write_all(head.as_bytes()).await;
    for piece in &reply.pieces {
        let frame = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        let _ = connection.write_all(&frame).await;
    }
    if !reply.is_cut {
        let _ = connection.write_all(b"0\r\n\r\n").await;
    }
}

async fn read(connection: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = connection.read(&mut buffer).await.expect("the client sends");
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let body = serde_json::from_str(body).expect("the body is JSON");
            return Request { head: head.to_owned(), body };
        }
    }
}
