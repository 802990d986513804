//! What a caller asks for and gets back: limits, programs, outcomes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// How sandboxes are started on this machine.
#[derive(Debug, Clone)]
pub struct LauncherConfig {
    /// A directory of ours on the host; created when it is missing.
    pub state_dir: PathBuf,
    /// Where the interpreters are.
    pub runtimes: Runtimes,
    /// Uses user namespaces even where root could do more. Root then first becomes `user`.
    pub force_user_namespaces: bool,
    /// The user and group that programs run as; never 0.
    pub user: u32,
    /// What the isolation must be at least: its level, and limits that must be enforced, by their names in [`Isolation`].
    /// Where that cannot be had there are no sandboxes, rather than weaker ones.
    pub required: Vec<String>,
}

impl LauncherConfig {
    /// The defaults, with the given state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            runtimes: Runtimes::default(),
            force_user_namespaces: false,
            user: 65534,
            required: Vec::new(),
        }
    }
}

/// Where the interpreters are, on the host and in the sandbox alike.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// Python 3; default `/usr/bin/python3`.
    pub python: PathBuf,
    /// Node; default `/usr/bin/node`.
    pub node: PathBuf,
    /// The Go command; default `/usr/bin/go`, or `/usr/local/go/bin/go` where only that exists.
    pub go: PathBuf,
    /// A POSIX shell; default `/bin/sh`.
    pub shell: PathBuf,
    /// Directories outside `/usr` that the interpreters need, bound read-only at the same path in every sandbox.
    pub read_only: Vec<PathBuf>,
}

impl Default for Runtimes {
    fn default() -> Self {
        let [usual, upstream] = ["/usr/bin/go", "/usr/local/go/bin/go"].map(PathBuf::from);
        let go = if !usual.exists() && upstream.exists() { upstream } else { usual };
        Self {
            python: "/usr/bin/python3".into(),
            node: "/usr/bin/node".into(),
            go,
            shell: "/bin/sh".into(),
            read_only: Vec::new(),
        }
    }
}

impl Runtimes {
    /// The interpreter of a language.
    pub fn path(&self, language: Language) -> &PathBuf {
        match language {
            Language::Python => &self.python,
            Language::Node => &self.node,
            Language::Go => &self.go,
            Language::Shell => &self.shell,
        }
    }
}

/// A language that code can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript on Node.
    Node,
    /// Go, one file, run by `go run`.
    Go,
    /// A POSIX shell script.
    Shell,
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
            Self::Shell => "shell",
        })
    }
}

/// How well sandboxes are isolated on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// `container` (started by root, runs as another user) or `namespaces` (started without root).
    pub level: &'static str,
    /// Which limits really hold for a whole sandbox: out of `memory`, `cpu`, `processes`, `paths`, `network`, `syscalls`, `time`.
    /// `paths` is Landlock, a second wall behind the mounts, which the kernel has since Linux 5.19 if it was built and started
    /// with it.
    pub enforced: Vec<&'static str>,
    /// Why root could not start sandboxes at the level `container`, where it tried.
    pub fallback: Option<String>,
}

impl Isolation {
    /// Whether this level was reached, or this limit is enforced.
    pub fn has(&self, name: &str) -> bool {
        self.level == name || self.enforced.contains(&name)
    }
}

/// What a sandbox may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes and its temporary files, in bytes, without swap; default 512 MiB.
    pub memory: u64,
    /// Processor time per time; default 1.0 (one processor).
    pub cpus: f64,
    /// Processes and threads; default 128.
    pub processes: u32,
    /// Size of `/tmp`, in bytes; default 64 MiB.
    pub temporary: u64,
    /// Size of any one file, in bytes; default 1 GiB.
    pub file: u64,
    /// Bytes on the disk that its workspace and data may take together; default 2 GiB.
    pub stored: u64,
    /// Files, directories and links that these two may hold; default 200,000.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 512 << 20,
            cpus: 1.0,
            processes: 128,
            temporary: 64 << 20,
            file: 1 << 30,
            stored: 2 << 30,
            entries: 200_000,
        }
    }
}

/// A sandbox to create.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The caller's name for it, used in errors.
    pub id: String,
    /// The host directory that becomes `/workspace`; created when missing, given to the sandbox's user, kept on destroy.
    pub workspace: PathBuf,
    /// The host directory that becomes `/data`; as `workspace`.
    pub data: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// Environment of every program in it, beside `PATH`, `HOME` and `LANG`.
    pub environment: BTreeMap<String, String>,
    /// More host directories, bound read-only at the same path.
    pub read_only: Vec<PathBuf>,
}

impl SandboxSpec {
    /// A sandbox with default limits and no more than its two directories.
    pub fn new(id: impl Into<String>, workspace: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            id: id.into(),
            workspace: workspace.into(),
            data: data.into(),
            limits: Limits::default(),
            environment: BTreeMap::new(),
            read_only: Vec::new(),
        }
    }
}

/// A program to run in a sandbox.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Its language.
    pub language: Language,
    /// Its source text, of any length.
    pub code: String,
    /// How long it may run while the sandbox is not paused; `None` for as long as it likes.
    pub timeout: Option<Duration>,
    /// How much of each output stream is kept, in bytes; the rest is read and dropped.
    pub output_limit: usize,
    /// Environment of this program, over that of its sandbox.
    pub environment: BTreeMap<String, String>,
    /// Where it starts, a relative path below `/workspace`; `/workspace` itself by default.
    pub directory: String,
    /// Whether its standard input stays open for [`Attached::input`]; otherwise it is empty.
    pub input: bool,
    /// The caller's name for it, by which [`crate::Sandbox::processes`] tells what it started; at most 128 bytes.
    pub label: String,
}

impl Exec {
    /// A program with 60 seconds and 1 MiB of each output stream, in `/workspace` and without input.
    pub fn new(language: Language, code: impl Into<String>) -> Self {
        Self {
            language,
            code: code.into(),
            timeout: Some(Duration::from_secs(60)),
            output_limit: 1 << 20,
            environment: BTreeMap::new(),
            directory: "/workspace".into(),
            input: false,
            label: String::new(),
        }
    }
}

/// What its caller holds of a program that runs.
#[derive(Debug, Default)]
pub struct Attached {
    /// Gets the output as it comes; a slow receiver slows the program down.
    pub output: Option<mpsc::Sender<Chunk>>,
    /// Is told the number of the program's process in the sandbox once it runs.
    pub started: Option<oneshot::Sender<i32>>,
    /// Brings what is to be written to its standard input, where that is open; the end of the channel closes it. A program
    /// that does not read lets the channel fill up.
    pub input: Option<mpsc::Receiver<Vec<u8>>>,
    /// Brings the numbers of signals to send to it and to all that it started.
    pub signals: Option<mpsc::Receiver<i32>>,
}

/// A process in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number in the sandbox.
    pub pid: i32,
    /// The number of its parent; 0 where that is outside.
    pub parent: i32,
    /// The label of the program that it belongs to.
    pub label: Option<String>,
    /// Its arguments, at most 1024 bytes of them; its name where it has none.
    pub command: String,
    /// How long it used a processor.
    pub processor_time: Duration,
    /// Bytes of memory that it holds.
    pub memory: u64,
    /// How long ago it started.
    pub age: Duration,
}

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output, as it came; pieces may split a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it was written.
    pub stream: Stream,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// Its standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// Its exit code; 128 plus the signal when a signal ended it (137 when memory ran out).
    pub exit_code: i32,
    /// Whether either stream was longer than the limit.
    pub truncated: bool,
    /// Whether the system ended it, or something that it started, because the sandbox ran out of memory. Never where
    /// memory is not enforced.
    pub out_of_memory: bool,
    /// How long it ran.
    pub duration: Duration,
}
