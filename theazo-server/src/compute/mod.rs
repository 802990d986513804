//! Compute: one interface to sandboxes, with a provider for each way to have one.

mod browser;
#[cfg(test)]
mod conformance;
mod error;
mod local;
mod simulated;
mod snapshots;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use theazo_api::{ComputeCapabilities, ComputeRuntime, ExecResult, FileEntry, Isolation, Secret, Timestamp};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{mpsc, oneshot},
};

pub use browser::find_browser;
pub use error::{ComputeError, HOST_DISK, STORAGE_BYTES};
pub use local::{LocalConfig, LocalProvider, remove_tree};
pub use simulated::{SimulatedProvider, Simulation};
pub use snapshots::{SandboxFiles, SnapshotPlace};

/// How long a program has where nobody says.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// A way to have sandboxes. `compute::conformance` says, as tests, what each of them must do.
pub trait Provider: Send + Sync {
    /// The name, as users give it.
    fn name(&self) -> &'static str;

    /// Whether sandboxes can be had, and why not, or how far they are kept apart from the host.
    fn availability(&self) -> BoxFuture<'_, Result<Isolation, String>>;

    /// What its sandboxes can do.
    fn capabilities(&self) -> ComputeCapabilities;

    /// Creates a sandbox.
    fn create(&self, spec: SandboxSpec) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>>;

    /// Creates a sandbox in which this browser of the host can run.
    fn create_for_browser(
        &self,
        spec: SandboxSpec,
        browser: PathBuf,
    ) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>> {
        let _ = spec;
        let reason = format!("`{}` runs no browsers such as `{}`", self.name(), browser.display());
        Box::pin(async { Err(ComputeError::Unsupported(reason)) })
    }

    /// Forgets the files of a sandbox that was ended and is not made again, where they are not in its folder.
    fn forget(&self, id: &str) {
        let _ = id;
    }

    /// Keeps the files of a sandbox that does not run now, and returns how many bytes they have.
    fn snapshot(&self, files: SandboxFiles, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>>;

    /// Gives a sandbox that does not run the files of a snapshot, in place of its own: either all of them or none.
    fn restore(&self, place: SnapshotPlace, files: SandboxFiles) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Ends every sandbox; the provider is not used afterwards.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// What a sandbox is made of.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The id of its agent.
    pub id: String,
    /// The name of its agent.
    pub agent: String,
    /// The folder of the host that holds its files; they survive the sandbox. It begins with what is there already.
    pub directory: PathBuf,
    /// Variables of the environment of every program in it.
    pub environment: Vec<(String, Secret)>,
    /// How many bytes its files may take; what the provider gives if absent.
    pub storage: Option<u64>,
}

/// A sandbox.
pub trait Sandbox: Send + Sync {
    /// How far it is kept apart from the host.
    fn isolation(&self) -> Isolation;

    /// Runs a program. Dropping the future kills it.
    fn exec(&self, exec: Exec, attached: Attached) -> BoxFuture<'_, Result<ExecResult, ComputeError>>;

    /// Lists the processes of its programs, by their numbers.
    fn processes(&self) -> BoxFuture<'_, Result<Vec<Process>, ComputeError>>;

    /// Writes a file and the folders that it needs.
    fn write_file(&self, path: String, content: Vec<u8>) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Reads a file.
    fn read_file(&self, path: String) -> BoxFuture<'_, Result<Vec<u8>, ComputeError>>;

    /// Lists a folder by name.
    fn list_files(&self, dir: String) -> BoxFuture<'_, Result<Vec<FileEntry>, ComputeError>>;

    /// Removes a file or folder; a folder that is not empty only if `recursive`.
    fn remove_file(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Moves a file or folder; what is in its new place only goes if `overwrite`.
    fn move_file(
        &self,
        source: String,
        target: String,
        overwrite: bool,
    ) -> BoxFuture<'_, Result<FileEntry, ComputeError>>;

    /// Makes a folder and those that it is in. One that is there stays as it is.
    fn make_folder(&self, path: String) -> BoxFuture<'_, Result<FileEntry, ComputeError>>;

    /// Connects to what listens on a port in it.
    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Connection, ComputeError>>;

    /// Listens on a port of its loopback interface, for its programs to connect to.
    fn listen(&self, port: u16) -> BoxFuture<'_, Result<TcpListener, ComputeError>>;

    /// Stops its programs until it is resumed, and returns how many bytes its files have.
    fn pause(&self) -> BoxFuture<'_, Result<i64, ComputeError>>;

    /// Lets its programs go on.
    fn resume(&self) -> BoxFuture<'_, Result<(), ComputeError>>;

    /// Keeps its files as they are at one moment, and returns how many bytes they have. Its programs stand still meanwhile.
    fn snapshot(&self, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>>;

    /// Ends it and everything in it. Its folder on the host stays.
    fn destroy(&self) -> BoxFuture<'_, Result<(), ComputeError>>;
}

/// A connection to a program in a sandbox.
pub type Connection = Box<dyn Duplex>;

/// Bytes to and fro.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The caller's name for it, by which its processes are told from others.
    pub label: String,
    /// The language.
    pub language: ComputeRuntime,
    /// The program.
    pub code: String,
    /// How long it may take.
    pub timeout: Duration,
    /// Its environment, beside what every program has. The later of two of one name counts.
    pub environment: Vec<(String, Secret)>,
    /// The folder that it starts in; `/workspace` if absent.
    pub directory: Option<String>,
    /// Whether its standard input stays open; otherwise it is empty.
    pub input: bool,
}

impl Exec {
    /// A program with the usual time and nothing of its own.
    pub fn new(language: ComputeRuntime, code: impl Into<String>) -> Self {
        Self {
            label: String::new(),
            language,
            code: code.into(),
            timeout: DEFAULT_TIMEOUT,
            environment: Vec::new(),
            directory: None,
            input: false,
        }
    }
}

/// What its caller holds of a program that runs.
#[derive(Debug, Default)]
pub struct Attached {
    /// Gets what it prints.
    pub output: Option<mpsc::Sender<Output>>,
    /// Is told the number of its process, where the provider knows it, once it runs.
    pub started: Option<oneshot::Sender<Option<i64>>>,
    /// Brings what is written to its standard input; the end of the channel closes it.
    pub input: Option<mpsc::Receiver<Vec<u8>>>,
    /// Brings the numbers of signals to it and to all that it started.
    pub signals: Option<mpsc::Receiver<i32>>,
}

/// A piece of what a program printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A process in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i64,
    /// The number of the process that started it; 0 if none in the sandbox did.
    pub parent: i64,
    /// The label of the program that it belongs to; empty if that had none.
    pub label: String,
    /// The program with its arguments.
    pub command: String,
    /// How long it used a processor.
    pub processor_time: Duration,
    /// Bytes of memory that it holds.
    pub memory: u64,
    /// When it started.
    pub started_at: Timestamp,
}
