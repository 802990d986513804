//! Files with several names, while a tree is copied.
//!
//! The names may be anywhere in the tree, also where no path leads. So each such file gets one more name in a folder of its own
//! beside the copy, for as long as names of it are missing.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Stopped;
use crate::linux::files::cursor::identity;
use crate::linux::files::remove_tree;

pub struct Links {
    path: PathBuf,
    /// Made for the first such file.
    folder: Option<OwnedFd>,
    kept: HashMap<(u64, u64), Kept>,
    next: u64,
}

struct Kept {
    name: String,
    /// How many names the original has that the copy has not yet.
    missing: usize,
}

impl Links {
    /// For a copy that is made there.
    pub fn beside(copy: &Path) -> Self {
        let mut path = copy.as_os_str().to_owned();
        path.push(".links");
        Self { path: path.into(), folder: None, kept: HashMap::new(), next: 0 }
    }

    /// Gives the copy of a file one name more. Says whether there is a copy.
    pub fn link(&mut self, stat: &Stat, target: BorrowedFd<'_>, name: &Path) -> Result<bool, Errno> {
        let (Some(folder), Some(kept)) = (&self.folder, self.kept.get_mut(&identity(stat))) else { return Ok(false) };
        kept.missing -= 1;
        if kept.missing > 0 {
            rustix::fs::linkat(folder, &kept.name, target, name, AtFlags::empty())?;
        } else {
            // The last one takes its place, so that a file never has more names than the original.
            rustix::fs::renameat(folder, &kept.name, target, name)?;
            self.kept.remove(&identity(stat));
        }
        Ok(true)
    }

    /// Keeps the first copy of a file for the names to come.
    pub fn keep(&mut self, stat: &Stat, target: BorrowedFd<'_>, name: &Path) -> Result<(), Errno> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => {
                rustix::fs::mkdirat(CWD, &self.path, Mode::RWXU)?;
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::open(&self.path, flags, Mode::empty())?
            }
        };
        self.next += 1;
        let kept =
            Kept { name: self.next.to_string(), missing: usize::try_from(stat.st_nlink).unwrap_or(usize::MAX) - 1 };
        rustix::fs::linkat(target, name, folder.as_fd(), &kept.name, AtFlags::empty())?;
        self.kept.insert(identity(stat), kept);
        self.folder = Some(folder);
        Ok(())
    }

    /// Removes what was kept for names outside of the tree.
    pub fn end(&mut self) -> Result<(), Stopped> {
        match self.folder.take().map(|_| remove_tree(&self.path)) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        // Where the copy failed, that is what its caller is told of.
        let _ = self.end();
    }
}
