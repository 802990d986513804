//! The same names where there are no local sandboxes.

use std::convert::Infallible;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{Attached, Chunk, Error, Exec, ExecOutcome, Isolation, LauncherConfig, Process, SandboxSpec, Unavailable};

/// Starts sandboxes; never to be had on this system.
pub struct Launcher(Infallible);

impl Launcher {
    /// Says that local sandboxes need Linux.
    ///
    /// # Errors
    /// Always [`Unavailable`].
    pub async fn start(_config: LauncherConfig) -> Result<Self, Unavailable> {
        Err(Unavailable { reason: format!("they need Linux, and this is {}", std::env::consts::OS) })
    }

    /// How well sandboxes are isolated here.
    pub fn isolation(&self) -> &Isolation {
        match self.0 {}
    }

    /// The process id of the helper that starts the next sandbox.
    pub async fn helper_pid(&self) -> u32 {
        match self.0 {}
    }

    /// Creates a sandbox.
    ///
    /// # Errors
    /// None: there is no launcher to call it on.
    pub async fn create(&self, _spec: SandboxSpec) -> Result<Sandbox, Error> {
        match self.0 {}
    }

    /// Ends the helper and every sandbox.
    pub async fn shutdown(self) {
        match self.0 {}
    }
}

/// An isolated place to run programs in; never to be had on this system.
pub struct Sandbox(Infallible);

impl Sandbox {
    /// Its caller's name.
    pub fn id(&self) -> &str {
        match self.0 {}
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn exec(&self, _exec: Exec, _output: Option<mpsc::Sender<Chunk>>) -> Result<ExecOutcome, Error> {
        match self.0 {}
    }

    /// The same, for a caller that also writes to the program or sends it signals.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn exec_attached(&self, _exec: Exec, _attached: Attached) -> Result<ExecOutcome, Error> {
        match self.0 {}
    }

    /// Lists its processes.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn processes(&self) -> Result<Vec<Process>, Error> {
        match self.0 {}
    }

    /// Checks that as many more bytes may be stored in it as one more file.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn check_space(&self, _bytes: u64) -> Result<(), Error> {
        match self.0 {}
    }

    /// Connects to what listens on a port of the sandbox's loopback interface.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn connect(&self, _port: u16) -> Result<TcpStream, Error> {
        match self.0 {}
    }

    /// Listens on a port of the sandbox's loopback interface.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn listen(&self, _port: u16) -> Result<TcpListener, Error> {
        match self.0 {}
    }

    /// Stops all its processes where they are.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn pause(&self) -> Result<(), Error> {
        match self.0 {}
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn resume(&self) -> Result<(), Error> {
        match self.0 {}
    }

    /// Whether its processes stand still.
    pub fn is_paused(&self) -> bool {
        match self.0 {}
    }

    /// Kills everything in it and removes it.
    ///
    /// # Errors
    /// None: there is no sandbox to call it on.
    pub async fn destroy(&self) -> Result<(), Error> {
        match self.0 {}
    }
}
