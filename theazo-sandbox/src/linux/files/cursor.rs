//! A place in a tree of folders, from which one goes on by names and back by `..`.
//!
//! A program chooses how deep a tree is, deeper than any path can say. So a walk takes neither stack nor descriptors nor longer
//! paths by its depth.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

/// A folder that is open, and which folders it is in.
pub struct Cursor {
    here: OwnedFd,
    /// The identities of those above, the topmost first.
    above: Vec<(u64, u64)>,
}

impl Cursor {
    /// Begins at the top of a tree.
    pub fn new(top: OwnedFd) -> Self {
        Self { here: top, above: Vec::new() }
    }

    /// The folder that it is at.
    pub fn here(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }

    /// Goes to a folder in this one.
    pub fn enter(&mut self, inner: OwnedFd) -> Result<(), Errno> {
        self.above.push(identity(&rustix::fs::fstat(&self.here)?));
        self.here = inner;
        Ok(())
    }

    /// Goes back to the folder that this one is in, and returns this one. Where a program moved it meanwhile, that is another
    /// folder, and an error.
    pub fn leave(&mut self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let up = rustix::fs::openat(&self.here, "..", flags, Mode::empty())?;
        if self.above.pop() != Some(identity(&rustix::fs::fstat(&up)?)) {
            return Err(Errno::STALE);
        }
        Ok(std::mem::replace(&mut self.here, up))
    }
}

/// What makes a file the one that it is, whatever its names are.
pub fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// A folder that was opened to read it and to enter what is in it.
pub struct Opened {
    pub folder: OwnedFd,
    /// What was known of it before.
    pub stat: Stat,
    /// Whether its mode forbade that to its owner and was changed, which a caller may take back.
    pub changed: bool,
}

impl Opened {
    /// Opens a folder of another one; a link is an error.
    pub fn at(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(&rustix::fs::openat(parent, Path::new(name), flags, Mode::empty())?)
    }

    /// Opens a folder that was found.
    pub fn of(found: &OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(found)?;
        // By this name, reading it is not enough: it has to be entered as well.
        let open = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(found, ".", flags, Mode::empty())
        };
        let (opened, changed) = match open() {
            Err(Errno::ACCESS) => {
                // Through the descriptor, because the name could lead elsewhere by now.
                rustix::fs::chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), Mode::RWXU)?;
                (open(), true)
            }
            opened => (opened, false),
        };
        Ok(Self { folder: opened?, stat, changed })
    }
}
