//! The file functions, on `openat2`.

mod change;
pub mod cursor;
mod measure;
mod place;
mod remove;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::Error;
use crate::files::{Entry, Roots};

use place::{Place, give_to_owner_of, names, stat};

pub use change::{make_directory, rename};
pub use measure::{size, usage};
pub use remove::{remove, remove_tree};

/// How many names of one directory are listed; more are refused, because they would be held in memory at once.
const MAXIMUM_ENTRIES: usize = 1_000_000;

/// Reads a file of up to `limit` bytes.
///
/// # Errors
/// [`Error::OutsideSandbox`], [`Error::NotFound`], [`Error::NotAFile`], [`Error::TooLarge`], or what the system answered.
pub fn read(roots: &Roots, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let place = Place::find(roots, path)?;
    // Without blocking, or opening a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = place.open(&place.relative, flags).map_err(|error| place.failed("open", error))?;
    let file = File::from(opened);
    let metadata = file.metadata().map_err(|error| place.failed("read", error))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| place.failed("read", error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

/// Writes a file, making its parent directories. A reader sees the old or the new content, never a part.
///
/// # Errors
/// As [`read`], with `limit` for `bytes`.
pub fn write(roots: &Roots, path: &str, bytes: &[u8], limit: u64) -> Result<(), Error> {
    let place = Place::find(roots, path)?;
    let Some((directory, name)) = place.split() else { return Err(Error::NotAFile { path: path.into() }) };
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.into(), limit });
    }
    let directory = place.make_directories(directory).map_err(|error| place.failed("make the directory of", error))?;
    replace(&directory, name, bytes).map_err(|error| place.failed("write", error))
}

/// Lists a directory, sorted by name. `/` holds `data` and `workspace`.
///
/// # Errors
/// [`Error::OutsideSandbox`], [`Error::NotFound`], [`Error::NotADirectory`], or what the system answered.
pub fn list(roots: &Roots, path: &str) -> Result<Vec<Entry>, Error> {
    if path.starts_with('/') && path.trim_matches('/').is_empty() {
        return [("data", &roots.data), ("workspace", &roots.workspace)]
            .map(|(name, root)| top(name, root))
            .into_iter()
            .collect();
    }
    let place = Place::find(roots, path)?;
    let directory = place.open(&place.relative, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|error| {
        if error == Errno::NOTDIR { Error::NotADirectory { path: path.into() } } else { place.failed("open", error) }
    })?;
    let names = names(&directory, MAXIMUM_ENTRIES + 1).map_err(|error| place.failed("list", error))?;
    if names.len() > MAXIMUM_ENTRIES {
        let problem = format!("`{path}` holds more than {MAXIMUM_ENTRIES} names, which are not listed at once");
        return Err(Error::InvalidInput { parameter: "path", problem });
    }
    let mut entries: Vec<Entry> = names
        .iter()
        // What is gone by now is not listed.
        .filter_map(|name| Some(entry(name.to_string_lossy().into_owned(), &stat(directory.as_fd(), name).ok()?)))
        .collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn replace(directory: &OwnedFd, name: &str, bytes: &[u8]) -> Result<(), io::Error> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let temporary = format!(".theazo-{:016x}", u64::from_ne_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(directory, &temporary, flags, Mode::from_raw_mode(0o644))?);
    let replaced = file
        .write_all(bytes)
        .and_then(|()| Ok(give_to_owner_of(directory.as_fd(), file.as_fd())?))
        .and_then(|()| Ok(keep_mode(directory, name, &file)?))
        // Replaces a link itself, not what it leads to.
        .and_then(|()| Ok(rustix::fs::renameat(directory, &temporary, directory, name)?));
    if replaced.is_err() {
        let _ = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty());
    }
    replaced
}

/// A script that could be executed still can be after it was replaced.
fn keep_mode(directory: &OwnedFd, name: &str, file: &File) -> Result<(), Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(old) if FileType::from_raw_mode(old.st_mode) == FileType::RegularFile => {
            rustix::fs::fchmod(file, Mode::from_raw_mode(old.st_mode & 0o777))
        }
        _ => Ok(()),
    }
}

fn entry(name: String, stat: &Stat) -> Entry {
    let since =
        Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    Entry {
        name,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH),
        directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
    }
}

fn top(name: &str, root: &Path) -> Result<Entry, Error> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(root);
    let metadata = opened.and_then(|root| root.metadata());
    let metadata = metadata.map_err(|error| Error::io(format!("open the directory {}", root.display()), error))?;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Entry { name: name.into(), size: metadata.size(), modified, directory: true })
}
