//! One helper process and the conversation with it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::protocol::{Action, Outcome, Reply, Request};
use super::{packet, reexec, sys};
use crate::{Error, LauncherConfig};

/// How long a helper may take until it answers for the first time; loading a large executable takes most of it.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A helper that was started. It ends when this is dropped, and all its sandboxes with it.
pub struct Connection {
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
    ended: watch::Receiver<bool>,
    next_number: AtomicU64,
    /// The limits that hold for a whole sandbox, beside those that always do.
    pub enforced: Vec<String>,
    /// Whether sandboxes can be frozen.
    pub can_freeze: bool,
    /// The helper's process id.
    pub pid: u32,
}

struct Shared {
    socket: AsyncFd<OwnedFd>,
    /// Who waits for the answer to which request; `None` when the helper is gone.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Outcome>>>>,
}

impl Connection {
    /// Starts a helper. Fails with the reason for people.
    pub async fn open(config: &LauncherConfig, user_namespaces: bool) -> Result<Self, String> {
        let (socket, theirs) = packet::pair().map_err(|error| format!("could not make a socket: {error}"))?;
        let state_dir = config.state_dir.clone();
        let mut child = tokio::task::spawn_blocking(move || reexec::spawn(theirs, &state_dir))
            .await
            .map_err(|error| format!("could not start the helper: {error}"))?
            .map_err(|error| format!("could not start the helper: {error}"))?;
        let pid = child.id();
        let (end, ended) = watch::channel(false);
        // A thread of its own, because the helper has to be reaped even where the runtime is gone by then.
        std::thread::Builder::new()
            .name("theazo-sandbox".into())
            .stack_size(256 << 10)
            .spawn(move || {
                // A host that ignores or collects the ends of its children leaves nothing to wait for; that is no problem.
                let _ = child.wait();
                let _ = end.send(true);
            })
            .map_err(|error| format!("could not start a thread: {error}"))?;
        let socket = sys::watch(socket).map_err(|error| format!("could not watch a socket: {error}"))?;
        let action = Action::Configure { user_namespaces, user: config.user };
        packet::send_json(socket.get_ref(), &Request { number: 0, key: 0, action }, &[])
            .map_err(|error| format!("could not reach the helper: {error}"))?;
        let first = tokio::time::timeout(START_TIMEOUT, receive(&socket)).await;
        let Ok(Ok(Some(Reply { result: Outcome::Ready { enforced, can_freeze }, .. }))) = first else {
            return Err(format!("the helper did not start: {}", describe(first)));
        };
        // Only loading the module needed it.
        let _ = std::fs::remove_file(reexec::link(&config.state_dir));
        let shared = Arc::new(Shared { socket, waiting: Mutex::new(Some(HashMap::new())) });
        let reader = tokio::spawn(read(Arc::clone(&shared)));
        Ok(Self { shared, reader, ended, next_number: AtomicU64::new(1), enforced, can_freeze, pid })
    }

    /// A new number for a sandbox or a request, unique for this helper.
    pub fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the helper still answers.
    pub fn is_alive(&self) -> bool {
        // The end of the process may be known before that of its socket was read.
        self.waiting().is_some() && !*self.ended.borrow()
    }

    /// Asks for something about a sandbox and waits for the answer. A caller that stops waiting does not stop the helper.
    pub async fn ask(&self, key: u64, action: Action, descriptors: &[BorrowedFd<'_>]) -> Result<Outcome, Error> {
        let number = self.next_number();
        let (sender, receiver) = oneshot::channel();
        match &mut *self.waiting() {
            Some(waiting) => drop(waiting.insert(number, sender)),
            None => return Err(Error::HelperDied),
        }
        let request = serde_json::to_vec(&Request { number, key, action });
        let request = request.map_err(|error| Error::io("write a request", error))?;
        send(&self.shared.socket, &request, descriptors).await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::HelperDied,
            _ => Error::io("reach the sandbox helper", error),
        })?;
        receiver.await.map_err(|_| Error::HelperDied)
    }

    /// Tells the helper to destroy a sandbox, without waiting; for destructors.
    pub fn tell_to_destroy(&self, key: u64) {
        let request = Request { number: self.next_number(), key, action: Action::Destroy };
        let _ = packet::send_json(self.shared.socket.get_ref(), &request, &[]);
    }

    /// Ends the helper, and waits until it is gone.
    pub async fn close(&self) {
        let _ = rustix::net::shutdown(self.shared.socket.get_ref(), Shutdown::Both);
        self.ended().await;
    }

    /// Waits until the helper is gone and reaped.
    pub async fn ended(&self) {
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Outcome>>>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The task holds the socket too, so closing it takes more than dropping ours.
        let _ = rustix::net::shutdown(self.shared.socket.get_ref(), Shutdown::Both);
        self.reader.abort();
    }
}

async fn read(shared: Arc<Shared>) {
    while let Ok(Some(Reply { number, result })) = receive(&shared.socket).await {
        let mut waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.as_mut().and_then(|waiting| waiting.remove(&number)) {
            // Nobody listens when the caller gave up waiting.
            let _ = sender.send(result);
        }
    }
    // Dropping the senders tells everyone who waits.
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Sends one packet, waiting while the other side is behind.
pub async fn send(socket: &AsyncFd<OwnedFd>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        let mut ready = socket.writable().await?;
        if let Ok(result) = ready.try_io(|socket| packet::send(socket.get_ref().as_fd(), bytes, descriptors)) {
            return result;
        }
    }
}

/// Receives one message; `None` when the other side is closed.
pub async fn receive<T: serde::de::DeserializeOwned>(socket: &AsyncFd<OwnedFd>) -> io::Result<Option<T>> {
    receive_packet(socket).await?.map(|(bytes, _)| packet::parse(&bytes)).transpose()
}

/// Receives one packet with its descriptors; `None` when the other side is closed.
pub async fn receive_packet(socket: &AsyncFd<OwnedFd>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    loop {
        let mut ready = socket.readable().await?;
        if let Ok(result) = ready.try_io(|socket| packet::receive(socket.get_ref().as_fd())) {
            return result;
        }
    }
}

fn describe(first: Result<io::Result<Option<Reply>>, tokio::time::error::Elapsed>) -> String {
    match first {
        Err(_) => format!("no answer in {} s", START_TIMEOUT.as_secs()),
        Ok(Ok(Some(Reply { result: Outcome::Failed { reason }, .. }))) => reason,
        Ok(Ok(_)) => "it ended at once".into(),
        Ok(Err(error)) => error.to_string(),
    }
}

/// Makes the state directory.
pub fn prepare(state_dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(state_dir).map_err(|error| format!("could not create {}: {error}", state_dir.display()))
}
