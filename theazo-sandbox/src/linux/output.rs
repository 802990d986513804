//! What a program prints: read as it comes, kept up to a limit, the rest read and dropped.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

use super::connection;
use super::protocol::Status;
use crate::{Chunk, Stream};

/// How much is read from a stream after the program ended: more than a pipe holds can only come from what it left behind.
const REST: usize = 1 << 20;

/// Both output streams of a program.
pub struct Streams {
    pub stdout: Kept,
    pub stderr: Kept,
}

impl Streams {
    /// Reads until the program has ended or could not be started, and returns which.
    pub async fn read_until_ended(
        &mut self,
        status: &AsyncFd<OwnedFd>,
        output: Option<&mpsc::Sender<Chunk>>,
        mut started: Option<oneshot::Sender<i32>>,
    ) -> io::Result<Option<Status>> {
        let (stdout, stderr) = (&mut self.stdout, &mut self.stderr);
        let reading = async { tokio::join!(stdout.read(output), stderr.read(output)) };
        tokio::pin!(reading);
        let mut open = true;
        loop {
            tokio::select! {
                status = connection::receive(status) => match status {
                    Ok(Some(Status::Started { pid })) => {
                        // Nobody may want to know.
                        let _ = started.take().map(|started| started.send(pid));
                    }
                    status => return status,
                },
                _ = &mut reading, if open => open = false,
            }
        }
    }

    pub fn read_rest(&mut self) {
        self.stdout.read_rest();
        self.stderr.read_rest();
    }

    pub async fn send_rest(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        self.stdout.send(output).await;
        self.stderr.send(output).await;
    }
}

/// One output stream, and what is kept of it.
pub struct Kept {
    pipe: AsyncFd<OwnedFd>,
    stream: Stream,
    limit: usize,
    pub bytes: Vec<u8>,
    /// Where in `bytes` the part starts that the receiver was not sent yet.
    sent: usize,
    pub truncated: bool,
}

impl Kept {
    pub fn new(pipe: AsyncFd<OwnedFd>, stream: Stream, limit: usize) -> Self {
        Self { pipe, stream, limit, bytes: Vec::new(), sent: 0, truncated: false }
    }

    /// Reads until the stream ends. May be dropped at any point without losing output.
    async fn read(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let Ok(mut ready) = self.pipe.readable().await else { return };
            let read = ready.try_io(|pipe| Ok(rustix::io::read(pipe.get_ref(), &mut buffer)?));
            match read {
                Ok(Ok(0)) => return,
                Ok(Ok(length)) => self.keep(&buffer[..length]),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(_)) => return,
                Err(_) => continue,
            }
            self.send(output).await;
        }
    }

    /// Reads what the pipe still holds, without waiting for more.
    fn read_rest(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut total = 0;
        while total < REST {
            match rustix::io::read(self.pipe.get_ref(), &mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    total += length;
                    self.keep(&buffer[..length]);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.truncated |= kept < bytes.len();
    }

    async fn send(&mut self, output: Option<&mpsc::Sender<Chunk>>) {
        if let Some(output) = output
            && self.sent < self.bytes.len()
            // An error means that nobody listens any more, which is no reason to stop the program.
            && let Ok(permit) = output.reserve().await
        {
            permit.send(Chunk { stream: self.stream, bytes: self.bytes[self.sent..].to_vec() });
            self.sent = self.bytes.len();
        }
    }
}
