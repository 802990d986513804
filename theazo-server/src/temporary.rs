//! The folder of a plane that lives in memory. It goes with the plane; what a killed process left, the next one removes.

use std::{fs::File, io, path::Path};

use tempfile::TempDir;

use crate::compute::remove_tree;

const PREFIX: &str = "theazo-plane-";

/// The file whose lock says that the folder is in use.
const LOCK: &str = "lock";

/// A folder that goes when it is dropped.
pub struct TemporaryDirectory {
    directory: TempDir,
    _lock: File,
}

impl TemporaryDirectory {
    /// Makes a folder, and removes those of processes that are gone.
    pub fn create() -> io::Result<Self> {
        Self::create_in(&std::env::temp_dir())
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        remove_abandoned(parent);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Locked before it has its name, so that nobody finds it unlocked.
        let unnamed = directory.path().join("new-lock");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        std::fs::rename(unnamed, directory.path().join(LOCK))?;
        Ok(Self { directory, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Sandboxes may have made it deeper than the standard library's own way can go.
        if let Err(error) = remove_tree(self.path()) {
            tracing::warn!(%error, "the temporary folder of a control plane could not be removed");
        }
    }
}

fn remove_abandoned(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let path = entry.path();
        if is_ours && is_abandoned(&path) {
            // Another user's folder cannot be removed, and need not be.
            let _ = remove_tree(&path);
        }
    }
}

fn is_abandoned(directory: &Path) -> bool {
    // A link could lead anywhere.
    let is_real = directory.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    is_real && File::open(directory.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().expect("a folder is made");
        let used = TemporaryDirectory::create_in(parent.path()).expect("it is made");
        let abandoned = parent.path().join(format!("{PREFIX}abandoned"));
        std::fs::create_dir(&abandoned).expect("it is made");
        File::create(abandoned.join(LOCK)).expect("it is made");
        let others = parent.path().join("something-else");
        std::fs::create_dir(&others).expect("it is made");

        let next = TemporaryDirectory::create_in(parent.path()).expect("it is made");

        assert!(!abandoned.exists());
        assert!(used.path().exists() && next.path().exists() && others.exists());
    }
}
