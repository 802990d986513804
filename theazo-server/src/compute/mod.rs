//! Compute: one interface to sandboxes, with a provider for each way to have one.

mod local;
mod simulated;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use theazo_api::{ComputeRuntime, ExecResult, FileEntry, Isolation, Secret};
use tokio::sync::mpsc;

pub use local::{LocalConfig, LocalProvider, remove_tree};
pub use simulated::SimulatedProvider;

/// A way to have sandboxes.
pub trait Provider: Send + Sync {
    /// The name, as users give it.
    fn name(&self) -> &'static str;

    /// Whether sandboxes can be had, and why not, or how far they are kept apart from the host.
    fn availability(&self) -> BoxFuture<'_, Result<Isolation, String>>;

    /// Whether a sandbox can have a browser.
    fn has_browser(&self) -> bool {
        false
    }

    /// Creates a sandbox.
    fn create(&self, spec: SandboxSpec) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>>;

    /// Ends every sandbox; the provider is not used afterwards.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// What a sandbox is made of.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The id of its agent.
    pub id: String,
    /// The folder of the host that holds its files; they survive the sandbox.
    pub directory: PathBuf,
    /// Variables of the environment of every program in it.
    pub environment: Vec<(String, Secret)>,
}

/// A sandbox.
pub trait Sandbox: Send + Sync {
    /// How far it is kept apart from the host.
    fn isolation(&self) -> Isolation;

    /// Runs a program. Dropping the future kills it.
    fn exec(&self, exec: Exec, output: mpsc::Sender<Output>) -> BoxFuture<'_, Result<ExecResult, ComputeError>>;

    /// Writes a file and the folders that it needs.
    fn write_file(&self, path: String, content: Vec<u8>) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Reads a file.
    fn read_file(&self, path: String) -> BoxFuture<'_, Result<Vec<u8>, ComputeError>>;

    /// Lists a folder by name.
    fn list_files(&self, dir: String) -> BoxFuture<'_, Result<Vec<FileEntry>, ComputeError>>;

    /// Stops its programs until it is resumed, and returns how many bytes its files have.
    fn pause(&self) -> BoxFuture<'_, Result<i64, ComputeError>>;

    /// Lets its programs go on.
    fn resume(&self) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Ends it and everything in it. Its folder on the host stays.
    fn destroy(&self) -> BoxFuture<'_, Result<(), ComputeError>>;
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The language.
    pub language: ComputeRuntime,
    /// The program.
    pub code: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// A piece of what a program printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A sandbox could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// A program took too long and was killed.
    #[error("the program did not end within {after:?}")]
    TimedOut {
        /// How long it had.
        after: Duration,
        /// What it printed.
        stdout: String,
        /// What it printed as errors.
        stderr: String,
    },
    /// There is no such file.
    #[error("there is no file `{0}`")]
    NotFound(String),
    /// The path cannot be used.
    #[error("`{path}` {reason}")]
    InvalidPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The provider cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The sandbox is paused.
    #[error("the sandbox is paused")]
    Paused,
    /// The sandbox is gone.
    #[error("the sandbox is gone")]
    Gone,
    /// The provider failed.
    #[error("{0}")]
    Failed(String),
}
