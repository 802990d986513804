//! Removing what a program made, however deep and however closed.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::cursor::Cursor;
use super::place::{Place, names};
use crate::Error;
use crate::files::Roots;

/// How often a directory that is removed is looked at again: a sandbox that lives may fill it faster than it is emptied.
const PASSES: usize = 1000;
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
    for _ in 0..PASSES {
        match empty(open_to_change(directory, name)?) {
            // A program moved a folder that this was in.
            Ok(()) | Err(Errno::STALE) => {}
            Err(error) => return Err(error),
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            removed => return removed,
        }
    }
    Err(Errno::NOTEMPTY)
}

/// A folder on the way to the present one, and the folders in it that are still to be removed.
struct Level {
    name: OsString,
    folders: Vec<OsString>,
}

/// Removes what is in a folder, as far as it does not change meanwhile.
fn empty(top: OwnedFd) -> Result<(), Errno> {
    let mut cursor = Cursor::new(top);
    let mut levels = vec![Level { name: OsString::new(), folders: remove_files(cursor.here())? }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.pop() {
            match open_to_change(cursor.here(), Path::new(&name)) {
                Ok(inner) => {
                    cursor.enter(inner)?;
                    levels.push(Level { name, folders: remove_files(cursor.here())? });
                }
                // It is gone, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        let emptied = levels.pop().filter(|_| !levels.is_empty());
        let Some(Level { name, .. }) = emptied else { break };
        cursor.leave()?;
        match rustix::fs::unlinkat(cursor.here(), Path::new(&name), AtFlags::REMOVEDIR) {
            // The next pass finds what it holds by now, or held beyond what is removed at once.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the files in a folder, and returns the folders.
fn remove_files(folder: BorrowedFd<'_>) -> Result<Vec<OsString>, Errno> {
    let mut folders = Vec::new();
    for name in names(folder, AT_ONCE)? {
        match rustix::fs::unlinkat(folder, Path::new(&name), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => folders.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(folders)
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
