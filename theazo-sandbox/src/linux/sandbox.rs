//! A running sandbox as its caller holds it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, mpsc, watch};

use super::connection::{self, Connection};
use super::protocol::{Action, Command, Outcome, Status};
use super::quota::Quota;
use super::{packet, run, supervisor, sys};
use crate::files::Roots;
use crate::{Attached, Chunk, Error, Exec, ExecOutcome, Process, Runtimes, SandboxSpec};

/// How long freezing may take; a process deep in the kernel can put it off.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of the helper may take to be noticed after that of a sandbox.
const HELPER_NOTICE: Duration = Duration::from_millis(200);

/// An isolated place to run programs in. Dropping it destroys it, without waiting for that.
pub struct Sandbox {
    pub(super) id: String,
    connection: Arc<Connection>,
    key: u64,
    /// Leads to the sandbox's own first process.
    pub(super) control: AsyncFd<OwnedFd>,
    pub(super) runtimes: Runtimes,
    /// The user that its programs run as, where that is not the caller's.
    pub(super) user: Option<u32>,
    environment: BTreeMap<String, String>,
    pub(super) quota: Arc<Quota>,
    /// How often its memory was used up, as far as it is known.
    out_of_memory: AtomicU64,
    state: watch::Sender<State>,
    /// Held while the sandbox changes its state, so that a pause and a resume do not overlap.
    changing: Mutex<()>,
}

/// What a sandbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Paused,
    Destroyed,
}

impl Sandbox {
    pub(super) fn new(
        connection: Arc<Connection>,
        key: u64,
        control: AsyncFd<OwnedFd>,
        spec: &SandboxSpec,
        runtimes: Runtimes,
        user: Option<u32>,
    ) -> Self {
        let mut environment = supervisor::base_environment();
        environment.extend(spec.environment.clone());
        let state = watch::channel(State::Running).0;
        let roots = Roots { workspace: spec.workspace.clone(), data: spec.data.clone() };
        Self {
            id: spec.id.clone(),
            connection,
            key,
            control,
            runtimes,
            user,
            environment,
            quota: Arc::new(Quota::new(roots, &spec.limits)),
            out_of_memory: AtomicU64::new(0),
            state,
            changing: Mutex::new(()),
        }
    }

    /// Its caller's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs a program to its end, any number at a time. Output is kept and, up to the same limit, sent to `output` as it comes;
    /// a slow receiver slows the program down.
    ///
    /// What the program leaves running in the background lives on until the sandbox is destroyed, but its output is not
    /// waited for. Dropping the future kills the program and all it started.
    ///
    /// # Errors
    /// [`Error::TimedOut`] and [`Error::OutOfSpace`] with the output so far; [`Error::MissingInterpreter`];
    /// [`Error::InvalidInput`] for a directory that is not there; [`Error::Paused`]; [`Error::Ended`]; [`Error::HelperDied`].
    pub async fn exec(&self, exec: Exec, output: Option<mpsc::Sender<Chunk>>) -> Result<ExecOutcome, Error> {
        self.exec_attached(exec, Attached { output, ..Attached::default() }).await
    }

    /// The same, for a caller that also writes to the program or sends it signals.
    ///
    /// # Errors
    /// As [`Sandbox::exec`].
    pub async fn exec_attached(&self, exec: Exec, attached: Attached) -> Result<ExecOutcome, Error> {
        run::exec(self, exec, attached).await
    }

    /// Lists the processes that programs in it started, by their numbers.
    ///
    /// # Errors
    /// [`Error::Paused`]; [`Error::Ended`]; [`Error::HelperDied`].
    pub async fn processes(&self) -> Result<Vec<Process>, Error> {
        if !self.check_alive()? {
            return Err(Error::Paused { id: self.id.clone() });
        }
        let list = rustix::fs::memfd_create("theazo-processes", MemfdFlags::CLOEXEC);
        let list = list.map_err(|error| Error::io("make a memory file", error))?;
        self.tell(Command::List, Some(list.as_fd())).await?;
        let mut list = std::fs::File::from(list);
        let read = std::io::Seek::rewind(&mut list).and_then(|()| Ok(serde_json::from_reader(list)?));
        read.map_err(|error| Error::io("read the list of processes", error))
    }

    /// Checks that as many more bytes may be stored in it as one more file.
    ///
    /// # Errors
    /// [`Error::OutOfSpace`].
    pub async fn check_space(&self, bytes: u64) -> Result<(), Error> {
        match self.quota.excess_with(bytes).await {
            None => Ok(()),
            Some(excess) => Err(run::out_of_space(self, excess, Vec::new(), Vec::new())),
        }
    }

    /// Stops all its processes where they are. Time does not pass for the timeouts of its programs.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::HelperDied`], or what the system answered.
    pub async fn pause(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        if !self.check_alive()? {
            return Ok(());
        }
        // Said first: a program is refused rather than started into a freezing sandbox.
        self.state.send_replace(State::Paused);
        let paused = self.freeze().await;
        if paused.is_err() {
            let _ = self.thaw().await;
            self.state.send_replace(State::Running);
        }
        paused
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// As [`Sandbox::pause`].
    pub async fn resume(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        if self.check_alive()? {
            return Ok(());
        }
        self.thaw().await?;
        self.state.send_replace(State::Running);
        Ok(())
    }

    /// Whether its processes stand still.
    pub fn is_paused(&self) -> bool {
        self.state() == State::Paused
    }

    /// Kills everything in it and removes it, and waits until that is done. Its workspace and data directories stay. Destroying it
    /// again does nothing.
    ///
    /// # Errors
    /// [`Error::HelperDied`] when the helper was killed, in which case the sandbox is gone as well.
    pub async fn destroy(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        self.state.send_replace(State::Destroyed);
        // Asked each time: an earlier call may have been dropped before it was done.
        self.ask(Action::Destroy).await.map(drop)
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(super) fn watch_state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The environment of a program.
    pub(super) fn environment_with(&self, more: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        environment.extend(more);
        environment
    }

    /// Why the sandbox does not answer: alone, or because the helper died.
    pub(super) async fn why_ended(&self) -> Error {
        // The helper's end may be noticed a moment after that of its sandboxes.
        let ended = tokio::time::timeout(HELPER_NOTICE, self.connection.ended()).await;
        if ended.is_err() && self.connection.is_alive() {
            Error::Ended { id: self.id.clone() }
        } else {
            Error::HelperDied
        }
    }

    /// Whether it runs rather than is paused.
    fn check_alive(&self) -> Result<bool, Error> {
        match self.state() {
            State::Destroyed => Err(Error::Ended { id: self.id.clone() }),
            state => Ok(state == State::Running),
        }
    }

    async fn freeze(&self) -> Result<(), Error> {
        if !self.connection.can_freeze {
            return self.tell(Command::Stop, None).await;
        }
        let until_frozen = async {
            while let Outcome::Freezing = self.ask(Action::Pause).await? {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        };
        let late = |_| Error::Io { action: "pause the sandbox".into(), source: std::io::ErrorKind::TimedOut.into() };
        tokio::time::timeout(PAUSE_TIMEOUT, until_frozen).await.map_err(late)?
    }

    async fn thaw(&self) -> Result<(), Error> {
        if !self.connection.can_freeze {
            return self.tell(Command::Continue, None).await;
        }
        self.ask(Action::Resume).await.map(drop)
    }

    async fn ask(&self, action: Action) -> Result<Outcome, Error> {
        match self.connection.ask(self.key, action, &[]).await? {
            Outcome::Failed { reason } => Err(Error::io("change the sandbox", std::io::Error::other(reason))),
            outcome => Ok(outcome),
        }
    }

    /// Whether its memory was used up since `before`, which [`Sandbox::out_of_memory_before`] told.
    pub(super) async fn ran_out_of_memory_since(&self, before: u64) -> bool {
        let Ok(Outcome::Count { times }) = self.ask(Action::CountOutOfMemory).await else { return false };
        self.out_of_memory.fetch_max(times, Ordering::Relaxed);
        times > before
    }

    pub(super) fn out_of_memory_before(&self) -> u64 {
        self.out_of_memory.load(Ordering::Relaxed)
    }

    /// Tells its init something and waits until that is done.
    async fn tell(&self, command: Command, descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let (status, theirs) = packet::pair().map_err(|error| Error::io("make a socket", error))?;
        let status = sys::watch(status).map_err(|error| Error::io("watch a socket", error))?;
        let descriptors: Vec<_> = [theirs.as_fd()].into_iter().chain(descriptor).collect();
        if connection::send(&self.control, &[command as u8], &descriptors).await.is_err() {
            return Err(self.why_ended().await);
        }
        drop(theirs);
        match connection::receive::<Status>(&status).await {
            Ok(Some(_)) => Ok(()),
            _ => Err(self.why_ended().await),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.state() != State::Destroyed {
            self.connection.tell_to_destroy(self.key);
        }
    }
}
