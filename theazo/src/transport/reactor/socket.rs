//! A socket that a reactor watches.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use futures_util::task::AtomicWaker;
use mio::{Token, event::Event, net::TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Reactor;

/// What is known of a socket.
#[derive(Default)]
pub(super) struct Readiness {
    read: Direction,
    write: Direction,
}

#[derive(Default)]
struct Direction {
    /// Whether trying is worth it. The system tells only when this changes, so it stays until a try fails.
    is_ready: AtomicBool,
    /// Whether it has ended, which is told once and stays true.
    is_closed: AtomicBool,
    waiting: AtomicWaker,
}

impl Readiness {
    /// Takes in what the system told, and gives whom to wake.
    pub fn note(&self, event: &Event) -> [Option<Waker>; 2] {
        let is_broken = event.is_error();
        [
            self.read.note(event.is_readable(), is_broken || event.is_read_closed()),
            self.write.note(event.is_writable(), is_broken || event.is_write_closed()),
        ]
    }
}

impl Direction {
    fn note(&self, is_ready: bool, is_closed: bool) -> Option<Waker> {
        if is_closed {
            self.is_closed.store(true, Ordering::SeqCst);
        }
        if !is_ready && !is_closed {
            return None;
        }
        self.is_ready.store(true, Ordering::SeqCst);
        self.waiting.take()
    }

    fn poll_ready(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_ready.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        self.waiting.register(context.waker());
        // It may have become ready before the waker was there.
        if self.is_ready.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Tries until it comes to something. A transfer of less than there was room for has used up what there was: the next try
    /// would only be told to wait.
    fn poll_try(
        &self,
        context: &Context<'_>,
        room: usize,
        mut attempt: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_ready(context));
            // Taken back before the try, so that news that comes meanwhile is not lost.
            self.is_ready.store(false, Ordering::SeqCst);
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.is_ready.store(true, Ordering::SeqCst),
                outcome => {
                    let is_used_up = matches!(outcome, Ok(count) if (1..room).contains(&count));
                    if !is_used_up || self.is_closed.load(Ordering::SeqCst) {
                        self.is_ready.store(true, Ordering::SeqCst);
                    }
                    return Poll::Ready(outcome);
                }
            }
        }
    }
}

/// A socket that a reactor watches, with the traits that TLS and HTTP want.
pub(super) struct Socket {
    stream: TcpStream,
    token: Token,
    readiness: Arc<Readiness>,
    reactor: Reactor,
}

impl Socket {
    /// Lets the reactor watch a connected socket that does not block.
    pub fn new(reactor: &Reactor, stream: std::net::TcpStream) -> io::Result<Self> {
        let mut stream = TcpStream::from_std(stream);
        let (token, readiness) = reactor.watch(&mut stream)?;
        readiness.write.is_ready.store(true, Ordering::SeqCst);
        Ok(Self { stream, token, readiness, reactor: reactor.clone() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reactor.forget(self.token, &mut self.stream);
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, readiness, .. } = self.get_mut();
        // First, because this is often asked in vain, and there is no reading into memory without making it zeros.
        ready!(readiness.read.poll_ready(context));
        let room = buffer.initialize_unfilled();
        let count = ready!(readiness.read.poll_try(context, room.len(), || stream.read(room)))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, readiness, .. } = self.get_mut();
        readiness.write.poll_try(context, bytes.len(), || stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, readiness, .. } = self.get_mut();
        let length = pieces.iter().map(|piece| piece.len()).sum();
        readiness.write.poll_try(context, length, || stream.write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.stream.shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            outcome => outcome,
        })
    }
}
