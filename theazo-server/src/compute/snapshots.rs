//! Where snapshots are kept.

use std::{io, path::PathBuf};

use super::{ComputeError, remove_tree};

/// The files of a sandbox that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxFiles {
    /// The id of its agent.
    pub id: String,
    /// The folder of the host that holds them.
    pub directory: PathBuf,
}

/// Where a snapshot is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPlace {
    /// The id of the snapshot, for providers that keep it themselves.
    pub id: String,
    /// The folder of the host for it, which is not there before; its parent is.
    pub directory: PathBuf,
    /// How many bytes of data it may have.
    pub limit: u64,
}

impl SnapshotPlace {
    /// Makes the folder, has it filled, and removes it again if that fails.
    pub fn fill(&self, fill: impl FnOnce(&Self) -> Result<i64, ComputeError>) -> Result<i64, ComputeError> {
        std::fs::create_dir(&self.directory).map_err(failed("make the folder of a snapshot"))?;
        fill(self).inspect_err(|_| {
            if let Err(error) = remove_tree(&self.directory) {
                tracing::warn!(snapshot = self.id, %error, "a part of a snapshot could not be removed");
            }
        })
    }
}

/// Names what was tried, for errors of the host's file system.
pub fn failed(action: &'static str) -> impl Fn(io::Error) -> ComputeError {
    move |error| ComputeError::of_host(format!("could not {action}: {error}"), &error)
}
