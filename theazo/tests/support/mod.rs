//! A server that does exactly what a test says, byte by byte, and tells what it was sent.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{collections::HashMap, time::Duration};

use theazo::{Config, Transport, transport::Call};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
};

/// What the server does with one request, after reading all of it.
pub enum Act {
    /// Writes these bytes and closes the connection.
    Answer(String),
    /// Closes the connection without a word.
    Close,
    /// Writes these bytes and keeps the connection open until the client closes it.
    Hold(String),
    /// Writes these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Writes these bytes and then an `x` every 5 ms until the client closes the connection.
    Drip(String),
    /// Opens a WebSocket, writes these bytes and keeps it open until the client closes it.
    Socket(Vec<u8>),
    /// Opens a WebSocket, writes these bytes and closes the connection.
    CutSocket(Vec<u8>),
    /// Writes these bytes one by one, each in a segment of its own, and closes the connection.
    Trickle(String),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST /v1/sessions`.
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A server with a script: one act for each request, in order.
pub struct Server {
    pub url: String,
    requests: mpsc::UnboundedReceiver<Request>,
    closed: mpsc::UnboundedReceiver<Vec<u8>>,
    task: AbortHandle,
}

impl Server {
    pub async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (request_sender, requests) = mpsc::unbounded_channel();
        let (closed_sender, closed) = mpsc::unbounded_channel();
        let script: Vec<Act> = script.into_iter().collect();
        let task = tokio::spawn(async move {
            for act in script {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                let upgrade = websocket::head(request.header("sec-websocket-key"));
                request_sender.send(request).ok();
                match act {
                    Act::Answer(bytes) => socket.write_all(bytes.as_bytes()).await.unwrap(),
                    Act::Close => {}
                    Act::Reset(bytes) => {
                        socket.write_all(&bytes).await.unwrap();
                        socket.flush().await.unwrap();
                        // With nothing to linger for, closing sends a reset instead of an end.
                        socket.set_zero_linger().unwrap();
                    }
                    Act::Trickle(bytes) => {
                        socket.set_nodelay(true).unwrap();
                        for byte in bytes.as_bytes() {
                            socket.write_all(&[*byte]).await.unwrap();
                            socket.flush().await.unwrap();
                        }
                    }
                    Act::Hold(bytes) => hold(socket, bytes.into_bytes(), &closed_sender),
                    Act::Drip(bytes) => {
                        let closed = closed_sender.clone();
                        tokio::spawn(async move {
                            socket.set_nodelay(true).unwrap();
                            socket.write_all(bytes.as_bytes()).await.unwrap();
                            let mut drops = tokio::time::interval(Duration::from_millis(5));
                            while socket.write_all(b"x").await.is_ok() {
                                drops.tick().await;
                            }
                            closed.send(Vec::new()).ok();
                        });
                    }
                    Act::Socket(bytes) => hold(socket, [upgrade, bytes].concat(), &closed_sender),
                    Act::CutSocket(bytes) => socket.write_all(&[upgrade, bytes].concat()).await.unwrap(),
                }
            }
        });
        Self { url, requests, closed, task: task.abort_handle() }
    }

    /// The next request that came, or comes.
    pub async fn request(&mut self) -> Request {
        self.requests.recv().await.expect("the script has another request")
    }

    /// Waits until the client has closed a connection that was held, and gives what the client wrote meanwhile.
    pub async fn closed(&mut self) -> Vec<u8> {
        self.closed.recv().await.expect("a connection was held")
    }

    /// How many requests came that nobody asked for.
    pub fn unread(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }

    pub fn transport(&self) -> Transport {
        transport(&self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes these bytes and reads until the client closes the connection.
fn hold(socket: TcpStream, bytes: Vec<u8>, closed: &mpsc::UnboundedSender<Vec<u8>>) {
    let closed = closed.clone();
    tokio::spawn(async move {
        let (mut reader, mut writer) = socket.into_split();
        // Both at once, since a client may answer before it has read everything, or leave.
        let writing = async { writer.write_all(&bytes).await.ok() };
        let reading = async {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).await.ok();
            read
        };
        let (_, read) = tokio::join!(writing, reading);
        closed.send(read).ok();
    });
}

async fn read_request(socket: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let head = loop {
        let mut piece = [0; 1024];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "the client closed the connection in the middle of a request");
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut piece = vec![0; length - body.len()];
        let count = socket.read(&mut piece).await.unwrap();
        body.extend_from_slice(&piece[..count]);
    }
    Request { line, headers, body: String::from_utf8(body).unwrap() }
}

/// An answer with a JSON body and these further header lines.
pub fn json(status: u16, headers: &[&str], body: &str) -> Act {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    Act::Answer(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))
}

/// The bytes of an event stream that has not ended.
pub fn events(headers: &[&str], events: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n{headers}\r\n{events}")
}

pub const SESSION: &str = r#"{"id":"ses_1","userId":"u","status":"active","environment":"production","metadata":{},"limits":{},"createdAt":"2026-11-24T09:00:00.000Z"}"#;

pub const RESULT: &str = r#"{"runId":"arun_1","output":"42","artifacts":[],"cost":{"amount":1,"currency":"usd"},"duration":"3s","durationMs":3000,"provider":"simulated","toolCalls":[]}"#;

pub mod http2;
pub mod keep_alive;
pub mod memory;
pub mod memory_used;
#[cfg(unix)]
pub mod reactor;
pub mod said;
pub mod stream;
pub mod tls;
pub mod websocket;

/// A client of the server at this address; in the tests of reactors one whose connections an event loop watches.
pub fn transport(url: &str) -> Transport {
    let transport = Transport::new(Config::with_api_key("th_live_secret").base_url(url)).unwrap();
    #[cfg(unix)]
    if module_path!().starts_with("reactor::") {
        return reactor::beside(&transport);
    }
    transport
}

/// A call of an operation by its id.
pub fn call(id: &str, path: &[&str]) -> Call {
    Call::new(theazo::transport::operation(id).unwrap()).path(path.iter().copied())
}

/// More than any test needs, and short enough to see that one hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a process wrote, and how it ended.
pub struct ChildOutput {
    pub stdout: String,
    pub stderr: String,
    is_success: bool,
}

impl ChildOutput {
    pub fn assert_success(&self) {
        assert!(self.is_success, "{}\n{}", self.stdout, self.stderr);
    }
}

/// Runs the named test again in a process of its own, with only this environment. `None` in that process.
pub fn in_child(test: &str, environment: &[(&str, &str)]) -> Option<ChildOutput> {
    const IN_CHILD: &str = "THEAZO_TEST_CHILD";
    if std::env::var_os(IN_CHILD).is_some() {
        return None;
    }
    let kept = ["PATH", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env_clear()
        .envs(kept)
        .envs(environment.iter().copied())
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("1 passed") || stdout.contains("1 failed"), "`{test}` is no test: {stdout}");
    Some(ChildOutput { stdout, stderr: String::from_utf8(output.stderr).unwrap(), is_success: output.status.success() })
}
