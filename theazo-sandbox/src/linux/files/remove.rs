//! Removing what a program made, however deep and however closed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::place::{Place, names};
use crate::Error;
use crate::files::Roots;

/// How often a directory that is removed is looked at again. Each pass removes one level of what is deepest in it.
const PASSES: usize = 1_000_000;
/// How many names of one directory are removed at once.
const AT_ONCE: usize = 100_000;

/// Removes a file, or a directory: with all that is in it if `recursive`, and otherwise only if it is empty.
///
/// # Errors
/// As [`super::list`], and [`Error::NotEmpty`]; `/workspace` and `/data` themselves cannot be removed.
pub fn remove(roots: &Roots, path: &str, recursive: bool) -> Result<(), Error> {
    let place = Place::find(roots, path)?;
    let Some((directory, name)) = place.split() else {
        let problem = format!("`{path}` cannot be removed; remove what is in it");
        return Err(Error::InvalidInput { parameter: "path", problem });
    };
    let directory = place
        .open(directory, OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(|error| place.failed("open the directory of", error))?;
    let removed = if recursive {
        remove_below(directory.as_fd(), Path::new(name))
    } else {
        remove_one(directory.as_fd(), Path::new(name))
    };
    removed.map_err(|error| place.failed("remove", error))
}

/// Removes a directory of the host in which sandboxes wrote, with all that is in it.
///
/// The standard library's own way uses stack and descriptors by the depth of the tree, which a program in a sandbox chooses,
/// and stops at directories that their owner may not read.
///
/// # Errors
/// What the system answered; of the kind `NotFound` when there is no such directory.
pub fn remove_tree(directory: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(remove_below(parent.as_fd(), Path::new(name))?)
}

fn remove_one(directory: BorrowedFd<'_>, name: &Path) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
            removed => removed,
        },
        removed => removed,
    }
}

fn remove_below(directory: BorrowedFd<'_>, name: &Path) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    let top = open_to_change(directory, name)?;
    let mut moved = 0;
    // A sandbox that lives may fill it faster than this empties it.
    for _ in 0..PASSES {
        let names = names(&top, AT_ONCE)?;
        if names.is_empty() {
            break;
        }
        for name in names {
            gone(flatten(&top, Path::new(&name), &mut moved))?;
        }
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

/// Removes a name of the top directory; the directories that were in it become names of the top directory themselves.
///
/// So a tree of any depth takes neither stack nor descriptors.
fn flatten(top: &OwnedFd, name: &Path, moved: &mut u64) -> Result<(), Errno> {
    match rustix::fs::unlinkat(top, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    let inner = open_to_change(top.as_fd(), name)?;
    for name in names(&inner, AT_ONCE)? {
        let name = Path::new(&name);
        match rustix::fs::unlinkat(&inner, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => gone(move_up(&inner, name, top, moved))?,
            other => gone(other)?,
        }
    }
    match rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR) {
        // It held more than is listed at once, or is being filled; the next pass finds it again.
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        other => other,
    }
}

fn move_up(directory: &OwnedFd, name: &Path, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    // Without root, a directory can be moved only by whom its mode lets change it.
    drop(open_to_change(directory.as_fd(), name)?);
    loop {
        *moved += 1;
        match rustix::fs::renameat(directory, name, top, format!(".theazo-removed-{moved}")) {
            // The program took this name.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            other => return other,
        }
    }
}

/// Opens a directory whose mode may forbid that to its owner, who may change the mode.
pub fn open_to_change(parent: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let mode = rustix::fs::fstat(&found)?.st_mode;
    if mode & 0o700 != 0o700 {
        // Through the descriptor, because the name could lead elsewhere by now.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
        rustix::fs::chmod(path, Mode::from_raw_mode(0o700))?;
    }
    rustix::fs::openat(&found, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What is gone already need not be removed.
fn gone(removed: Result<(), Errno>) -> Result<(), Errno> {
    if removed == Err(Errno::NOENT) { Ok(()) } else { removed }
}
