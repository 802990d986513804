//! A client that costs as little as possible: connections that stay open, one request sent again and again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is sent, and where.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    /// A whole request.
    pub request: String,
    /// How many connections there are, each with one request at a time.
    pub in_flight: usize,
}

impl Load {
    /// Sends so many requests and returns how long that took.
    pub async fn send(&self, count: usize) -> Duration {
        let begun = Instant::now();
        let connections: Vec<_> = (0..self.in_flight)
            .map(|_| tokio::spawn(converse(self.address, self.request.clone(), count / self.in_flight)))
            .collect();
        for connection in connections {
            connection.await.expect("a connection works");
        }
        begun.elapsed()
    }
}

async fn converse(address: SocketAddr, request: String, count: usize) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket can be told");
    let mut buffer = Vec::with_capacity(8192);
    for _ in 0..count {
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        buffer.clear();
        loop {
            let read = stream.read_buf(&mut buffer).await.expect("the server answers");
            assert_ne!(read, 0, "the server hung up: {}", String::from_utf8_lossy(&buffer));
            if is_whole(&buffer) {
                break;
            }
        }
        assert!(buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&buffer));
    }
}

/// Whether the answer has come to its end; it says its length.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
