//! The file functions, on `openat2`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;

use crate::Error;
use crate::files::{Entry, Roots};

/// How often a directory that is removed is looked at again. Each pass removes one level of what is deepest in it.
const PASSES: usize = 1_000_000;
/// How many names of one directory are listed, or removed at once.
const MAXIMUM_ENTRIES: usize = 100_000;
/// How often a path is resolved again when the sandbox moves directories under it meanwhile.
const ATTEMPTS: usize = 16;

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
    let names = names(&directory).map_err(|error| place.failed("list", error))?;
    let mut entries: Vec<Entry> = names
        .iter()
        // What is gone by now is not listed.
        .filter_map(|name| Some(entry(name.to_string_lossy().into_owned(), &stat(directory.as_fd(), name).ok()?)))
        .collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Removes a file, or a directory with all that is in it.
///
/// # Errors
/// As [`list`]; `/workspace` and `/data` themselves cannot be removed.
pub fn remove(roots: &Roots, path: &str) -> Result<(), Error> {
    let place = Place::find(roots, path)?;
    let Some((directory, name)) = place.split() else {
        let problem = format!("`{path}` cannot be removed; remove what is in it");
        return Err(Error::InvalidInput { parameter: "path", problem });
    };
    let directory = place
        .open(directory, OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(|error| place.failed("open the directory of", error))?;
    remove_below(directory.as_fd(), Path::new(name)).map_err(|error| place.failed("remove", error))
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

/// How many bytes the files of both directories have. Links are not followed, and what is deeper than a path can say is not
/// counted.
pub fn size(roots: &Roots) -> u64 {
    ["/workspace", "/data"].iter().filter_map(|path| Place::find(roots, path).ok()).map(|place| place.size()).sum()
}

/// A path of the sandbox, as a root on the host and what follows it.
struct Place {
    given: String,
    root: OwnedFd,
    /// Without a leading slash, `.`, `..` or empty parts; empty for the root itself.
    relative: String,
}

impl Place {
    fn find(roots: &Roots, given: &str) -> Result<Self, Error> {
        let outside = || Error::OutsideSandbox { path: given.into() };
        let mut parts: Vec<&str> = if given.starts_with('/') { Vec::new() } else { vec!["workspace"] };
        for part in given.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(outside)?),
                part if part.contains('\0') => return Err(outside()),
                part => parts.push(part),
            }
        }
        let root = match parts.first() {
            Some(&"workspace") => &roots.workspace,
            Some(&"data") => &roots.data,
            _ => return Err(outside()),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|error| Error::io(format!("open the directory {}", root.display()), error))?;
        Ok(Self { given: given.into(), root, relative: parts[1..].join("/") })
    }

    /// The directory and the name; `None` for the root itself.
    fn split(&self) -> Option<(&str, &str)> {
        if self.relative.is_empty() {
            None
        } else {
            Some(self.relative.rsplit_once('/').unwrap_or(("", &self.relative)))
        }
    }

    fn open(&self, relative: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = relative.as_ref();
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&self.root, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The bytes of the files below. Keeps a list rather than calling itself: a program chooses the depth.
    fn size(&self) -> u64 {
        let mut total = 0u64;
        let mut waiting = vec![std::ffi::OsString::from(".")];
        while let Some(directory) = waiting.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let Ok(opened) = self.open(&directory, flags) else { continue };
            for name in names(&opened).unwrap_or_default() {
                let Ok(found) = stat(opened.as_fd(), &name) else { continue };
                match FileType::from_raw_mode(found.st_mode) {
                    FileType::RegularFile => total = total.saturating_add(u64::try_from(found.st_size).unwrap_or(0)),
                    FileType::Directory => waiting.push(Path::new(&directory).join(name).into_os_string()),
                    _ => {}
                }
            }
        }
        total
    }

    /// Opens a directory, making those on the way that are missing.
    fn make_directories(&self, relative: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut current = self.open("", flags)?;
        let ends = relative.match_indices('/').map(|(index, _)| index).chain([relative.len()]);
        for end in ends.filter(|end| *end > 0) {
            let prefix = &relative[..end];
            current = match self.open(prefix, flags) {
                Err(Errno::NOENT) => {
                    let name = prefix.rsplit_once('/').map_or(prefix, |(_, name)| name);
                    match rustix::fs::mkdirat(&current, name, Mode::from_raw_mode(0o755)) {
                        Ok(()) => give(&current, name)?,
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                    self.open(prefix, flags)?
                }
                opened => opened?,
            };
        }
        Ok(current)
    }

    fn failed(&self, action: &str, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        let path = self.given.clone();
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Error::NotFound { path },
            Some(Errno::NOTDIR) => Error::NotADirectory { path },
            Some(Errno::NAMETOOLONG) => {
                Error::InvalidInput { parameter: "path", problem: "is longer than a path can be".into() }
            }
            // A socket cannot be opened at all; a directory cannot be replaced by a file.
            Some(Errno::NXIO | Errno::ISDIR) => Error::NotAFile { path },
            _ => Error::io(format!("{action} `{path}`"), error),
        }
    }
}

/// Gives a new directory to the owner of the one it is in, so that the sandbox's user can use what the host made.
fn give(parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    give_to_owner_of(parent.as_fd(), made.as_fd())
}

fn give_to_owner_of(parent: BorrowedFd<'_>, made: BorrowedFd<'_>) -> Result<(), Errno> {
    let (wanted, found) = (rustix::fs::fstat(parent)?, rustix::fs::fstat(made)?);
    if (wanted.st_uid, wanted.st_gid) == (found.st_uid, found.st_gid) {
        return Ok(());
    }
    rustix::fs::fchown(made, Some(Uid::from_raw(wanted.st_uid)), Some(Gid::from_raw(wanted.st_gid)))
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

fn remove_below(directory: BorrowedFd<'_>, name: &Path) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    let top = open_to_change(directory, name)?;
    let mut moved = 0;
    // A sandbox that lives may fill it faster than this empties it.
    for _ in 0..PASSES {
        let names = names(&top)?;
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
    for name in names(&inner)? {
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
fn open_to_change(parent: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
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

fn names(directory: &OwnedFd) -> Result<Vec<std::ffi::OsString>, Errno> {
    use std::os::unix::ffi::OsStrExt;
    let entries = Dir::read_from(directory)?.take(MAXIMUM_ENTRIES);
    let names =
        entries.map(|entry| entry.map(|entry| std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()));
    names.filter(|name| !matches!(name, Ok(name) if name == "." || name == "..")).collect()
}

fn stat(directory: BorrowedFd<'_>, name: &std::ffi::OsStr) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, Path::new(name), AtFlags::SYMLINK_NOFOLLOW)
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
