//! What can go wrong, for people and for programs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Language;

/// Local sandboxes cannot be had on this machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("local sandboxes are not available here: {reason}")]
pub struct Unavailable {
    /// What is missing, for people.
    pub reason: String,
}

/// Why an operation on a sandbox failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A new helper could not be started.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The helper process ended, and every sandbox that it had started with it.
    #[error("the sandbox helper process ended, and its sandboxes with it; create the sandbox again")]
    HelperDied,
    /// The sandbox is destroyed, or its first process was killed.
    #[error("sandbox `{id}` has ended")]
    Ended {
        /// The sandbox.
        id: String,
    },
    /// The sandbox is paused.
    #[error("sandbox `{id}` is paused; resume it first")]
    Paused {
        /// The sandbox.
        id: String,
    },
    /// Nothing in the sandbox listens on the port.
    #[error("nothing listens on port {port} of sandbox `{id}`")]
    NothingListens {
        /// The sandbox.
        id: String,
        /// The port.
        port: u16,
    },
    /// The sandbox could not be built.
    #[error("could not create sandbox `{id}`: {reason}")]
    Create {
        /// The sandbox.
        id: String,
        /// The step that failed, and how.
        reason: String,
    },
    /// The program could not be started.
    #[error("could not start the program in sandbox `{id}`: {reason}")]
    Start {
        /// The sandbox.
        id: String,
        /// The step that failed, and how.
        reason: String,
    },
    /// The interpreter is not on this machine.
    #[error("no {language} interpreter at `{}`; install it there or configure another path", path.display())]
    MissingInterpreter {
        /// The language asked for.
        language: Language,
        /// The path that was looked for.
        path: PathBuf,
    },
    /// The program ran longer than it may. It and all it started are dead.
    #[error("the program was stopped after {} ms", after.as_millis())]
    TimedOut {
        /// The time it had.
        after: Duration,
        /// What it had written to its standard output, up to the limit.
        stdout: Vec<u8>,
        /// What it had written to its standard error, up to the limit.
        stderr: Vec<u8>,
    },
    /// The sandbox's files take more of the disk than they may. The program and all it started are dead.
    #[error("{}", too_full(id, *limit, *value, *used))]
    OutOfSpace {
        /// The sandbox.
        id: String,
        /// What is over its limit.
        limit: SpaceLimit,
        /// The limit.
        value: u64,
        /// What there is.
        used: u64,
        /// What the program had written to its standard output, up to the limit.
        stdout: Vec<u8>,
        /// What the program had written to its standard error, up to the limit.
        stderr: Vec<u8>,
    },
    /// A value of the request cannot be used.
    #[error("{parameter} {problem}")]
    InvalidInput {
        /// The value's name.
        parameter: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The path is neither in `/workspace` nor in `/data`.
    #[error("`{path}` is outside the sandbox's files; use a path below /workspace or /data")]
    OutsideSandbox {
        /// The path as it was given.
        path: String,
    },
    /// There is nothing at the path.
    #[error("there is no `{path}` in the sandbox")]
    NotFound {
        /// The path as it was given.
        path: String,
    },
    /// The path is a directory, a device, a socket or a pipe.
    #[error("`{path}` is not a regular file")]
    NotAFile {
        /// The path as it was given.
        path: String,
    },
    /// The path is not a directory.
    #[error("`{path}` is not a directory")]
    NotADirectory {
        /// The path as it was given.
        path: String,
    },
    /// There is something at the path already.
    #[error("there is a `{path}` in the sandbox already")]
    Exists {
        /// The path as it was given.
        path: String,
    },
    /// The directory is not empty.
    #[error("`{path}` is not empty")]
    NotEmpty {
        /// The path as it was given.
        path: String,
    },
    /// The file is larger than the limit.
    #[error("`{path}` is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The path as it was given.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A copy would be larger than it may be, or cannot be made.
    #[error("the files cannot be copied: what a program left there {reason}")]
    CannotCopy {
        /// What stands against it.
        reason: String,
    },
    /// The system refused an operation.
    #[error("could not {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// A limit on what files may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceLimit {
    /// On the bytes that the files of a sandbox take.
    Bytes,
    /// On how many files, directories and links a sandbox has.
    Entries,
    /// On the bytes that the host's disk keeps free.
    HostDisk,
}

fn too_full(id: &str, limit: SpaceLimit, value: u64, used: u64) -> String {
    match limit {
        SpaceLimit::Bytes => {
            format!("the files of sandbox `{id}` may take {value} bytes and take {used}; remove some")
        }
        SpaceLimit::Entries => {
            format!("sandbox `{id}` may have {value} files and directories and has {used}; remove some")
        }
        SpaceLimit::HostDisk => {
            format!("the disk of the host is full: {used} bytes are free, and {value} have to stay so")
        }
    }
}

impl Error {
    /// Wraps a system error with what was tried.
    pub(crate) fn io(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { action: action.into(), source: source.into() }
    }
}
