//! A server that keeps its connections open and answers many requests over each.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// One request: the number of its connection and its own number on that, both from 1, and its text.
pub struct Asked<'a> {
    pub connection: usize,
    pub request: usize,
    pub text: &'a str,
}

impl Asked<'_> {
    /// The key of a request for a WebSocket.
    pub fn socket_key(&self) -> &str {
        self.text.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default()
    }
}

/// The bytes that answer a request, or `None` to close the connection.
type Decide = Arc<dyn Fn(Asked<'_>) -> Option<Vec<u8>> + Send + Sync>;

pub struct Server {
    pub url: String,
    /// How many connections are open.
    pub open: watch::Receiver<usize>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    pub async fn start(decide: impl Fn(Asked<'_>) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (open_sender, open) = watch::channel(0);
        let decide: Decide = Arc::new(decide);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                open_sender.send_modify(|open| *open += 1);
                let (decide, open) = (decide.clone(), open_sender.clone());
                tokio::spawn(async move {
                    serve(socket, number, decide).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { url, open, connections, task: task.abort_handle() }
    }

    /// How many connections there were in all.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open.
    pub async fn all_closed(&mut self) {
        self.open.wait_for(|open| *open == 0).await.expect("the server lives");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, connection: usize, decide: Decide) {
    let (mut text, mut piece, mut request) = (String::new(), [0; 4096], 0);
    while let Ok(count @ 1..) = socket.read(&mut piece).await {
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        if text.len() < head + 4 + length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        request += 1;
        let Some(answer) = decide(Asked { connection, request, text: &text }) else { return };
        // A client that left does not read it.
        socket.write_all(&answer).await.ok();
        text.clear();
    }
}

/// A whole answer with a JSON body, after which the connection stays open.
pub fn json(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}
