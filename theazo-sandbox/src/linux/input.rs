//! What a caller does to a program while it runs: writes to its standard input, sends it signals.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::connection;
use super::protocol::{KILL, SIGNAL};

/// Writes what comes to the pipe, and closes it at the end; never returns. A program that closed its input loses the rest.
pub async fn feed(pipe: Option<AsyncFd<OwnedFd>>, input: Option<mpsc::Receiver<Vec<u8>>>) -> Infallible {
    if let (Some(pipe), Some(mut input)) = (pipe, input) {
        while let Some(bytes) = input.recv().await {
            if write(&pipe, &bytes).await.is_err() {
                break;
            }
        }
    }
    std::future::pending().await
}

async fn write(pipe: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = pipe.writable().await?;
        match ready.try_io(|pipe| Ok(rustix::io::write(pipe.get_ref(), bytes)?)) {
            Ok(Ok(written)) => bytes = &bytes[written..],
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Sends the signals that come; never returns.
pub async fn signal(status: &AsyncFd<OwnedFd>, signals: Option<mpsc::Receiver<i32>>) -> Infallible {
    if let Some(mut signals) = signals {
        while let Some(number) = signals.recv().await {
            let number = u8::try_from(number).unwrap_or(0);
            // One round of signals leaves alive what is being started meanwhile, which must not outlive this one.
            let message: &[u8] = if i32::from(number) == libc::SIGKILL { KILL } else { &[SIGNAL, number] };
            // A program that is gone needs no signal any more.
            let _ = connection::send(status, message, &[]).await;
        }
    }
    std::future::pending().await
}
