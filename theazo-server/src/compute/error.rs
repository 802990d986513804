//! Why a sandbox could not do what it was asked.

use std::{io, time::Duration};

/// The name of the limit on the bytes of the files of a sandbox.
pub const STORAGE_BYTES: &str = "storageBytes";

/// The name of the limit on the bytes that the host's disk keeps free.
pub const HOST_DISK: &str = "hostDiskBytes";

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
    /// The files take more room than they may. A program that wrote them was killed.
    #[error("{reason}")]
    OutOfSpace {
        /// What is full, for people.
        reason: String,
        /// [`STORAGE_BYTES`], `storageEntries` or [`HOST_DISK`].
        limit: &'static str,
        /// The limit.
        value: u64,
        /// What there is.
        used: u64,
        /// What the program printed.
        stdout: String,
        /// What the program printed as errors.
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
    /// Something else of what was asked for cannot be used.
    #[error("{field} {reason}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something in the way.
    #[error("{0}")]
    Conflict(String),
    /// The provider cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The files are more than a snapshot may have, or such that none can be made.
    #[error("the files cannot be kept: what programs left there {0}")]
    CannotCopy(String),
    /// Nothing listens on the port.
    #[error("nothing listens on port {0} of the sandbox")]
    NothingListens(u16),
    /// The sandbox is paused.
    #[error("the sandbox is paused")]
    Paused,
    /// The sandbox is gone.
    #[error("the sandbox is gone")]
    Gone,
    /// The disk of the host is full.
    #[error("{0}")]
    HostDiskFull(String),
    /// The provider failed.
    #[error("{0}")]
    Failed(String),
}

impl ComputeError {
    /// The host's file system refused something.
    pub fn of_host(reason: String, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::HostDiskFull(reason),
            _ => Self::Failed(reason),
        }
    }
}
