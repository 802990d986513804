//! Copies a directory in which a sandbox wrote: what is in it and how, never what its links lead to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom as Position, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps,
    Uid,
};
use rustix::io::Errno;

use crate::Error;

/// How many names one copy may have: each takes an inode of the host.
const MAXIMUM_NAMES: u64 = 1_000_000;
/// What of a mode is kept. A set-user-id bit would count on the host.
const KEPT_MODE: u32 = 0o1777;

/// Copies the directory `from` as the new directory `to`, and returns how many bytes of data were copied.
///
/// Modes, owners, times, links and hard links stay as they are, and holes stay holes; sockets are left out. Blocks of data
/// are shared where the file system can. Nothing may change in `from` meanwhile, or the copy is of no one moment. What was
/// copied before an error stays: the caller removes it.
///
/// # Errors
/// [`Error::CannotCopy`] when there are more than `limit` bytes of data, too many names, or a path that is too long;
/// otherwise what the system answered.
pub fn copy_tree(from: &Path, to: &Path, limit: u64) -> Result<u64, Error> {
    let failed = |path: &Path, error: Errno| Error::io(format!("copy the directory {}", path.display()), error);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = rustix::fs::open(from, flags, Mode::empty()).map_err(|error| failed(from, error))?;
    rustix::fs::mkdirat(CWD, to, Mode::RWXU).map_err(|error| failed(to, error))?;
    let target = rustix::fs::open(to, flags, Mode::empty()).map_err(|error| failed(to, error))?;
    let mut copy = Copy { source, target, limit, bytes: 0, names: 0, linked: HashMap::new(), finished: Vec::new() };
    copy.all()?;
    Ok(copy.bytes)
}

/// Gives the directory `new` the name `present`. A directory that has it already takes the name `new` in the same moment.
///
/// # Errors
/// What the system answered.
pub fn put_in_place(new: &Path, present: &Path) -> Result<(), Error> {
    let renamed = match rustix::fs::renameat_with(CWD, new, CWD, present, RenameFlags::EXCHANGE) {
        Err(Errno::NOENT) => rustix::fs::renameat_with(CWD, new, CWD, present, RenameFlags::NOREPLACE),
        renamed => renamed,
    };
    renamed.map_err(|error| Error::io(format!("put the directory {} in place", present.display()), error))
}

struct Copy {
    source: OwnedFd,
    target: OwnedFd,
    limit: u64,
    bytes: u64,
    names: u64,
    /// Where the first name of a file with several was put, by the file's identity.
    linked: HashMap<(u64, u64), PathBuf>,
    /// The directories, parents first, whose modes and times are still to be set: filling them changes both.
    finished: Vec<(PathBuf, Stat)>,
}

/// Why one name could not be copied.
enum Stopped {
    Refused(String),
    System(Errno),
}

impl From<Errno> for Stopped {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NAMETOOLONG => Self::Refused("has folders deeper than a path can say".into()),
            error => Self::System(error),
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::from(error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))
    }
}

impl Copy {
    /// Keeps a list rather than calling itself: a program chooses the depth.
    fn all(&mut self) -> Result<(), Error> {
        let mut waiting = vec![PathBuf::from(".")];
        while let Some(directory) = waiting.pop() {
            self.directory(&directory, &mut waiting).map_err(|stopped| explain(&directory, stopped))?;
        }
        for (directory, stat) in std::mem::take(&mut self.finished).into_iter().rev() {
            self.finish(&directory, &stat).map_err(|error| explain(&directory, error.into()))?;
        }
        Ok(())
    }

    fn directory(&mut self, directory: &Path, waiting: &mut Vec<PathBuf>) -> Result<(), Stopped> {
        let source = open_below(&self.source, directory, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&source)?;
        let source = readable(&source, &stat, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let target = open_below(&self.target, directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        for entry in Dir::read_from(&source)? {
            let entry = entry?;
            let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes())).to_owned();
            if matches!(name.as_os_str().as_bytes(), b"." | b"..") {
                continue;
            }
            self.names += 1;
            if self.names > MAXIMUM_NAMES {
                return Err(Stopped::Refused(format!("has more than {MAXIMUM_NAMES} names")));
            }
            let path = directory.join(&name);
            if self.entry(source.as_fd(), target.as_fd(), &name, &path)? {
                waiting.push(path);
            }
        }
        self.finished.push((directory.to_owned(), stat));
        Ok(())
    }

    /// Copies a name; returns whether it is a directory, which is still to be filled.
    fn entry(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        name: &Path,
        path: &Path,
    ) -> Result<bool, Stopped> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(source, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&found)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(target, name, Mode::RWXU)?;
                return Ok(true);
            }
            FileType::RegularFile => return self.file(&found, &stat, target, name, path).map(|()| false),
            FileType::Symlink => {
                let leads_to = rustix::fs::readlinkat(&found, "", Vec::new())?;
                rustix::fs::symlinkat(leads_to, target, name)?;
            }
            FileType::Fifo => {
                rustix::fs::mknodat(target, name, FileType::Fifo, Mode::from_raw_mode(stat.st_mode & 0o777), 0)?;
            }
            // Nothing is behind a socket without the program that made it, and no sandbox can make a device.
            _ => return Ok(false),
        }
        give_at(target, name, &stat)?;
        rustix::fs::utimensat(target, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(false)
    }

    fn file(
        &mut self,
        found: &OwnedFd,
        stat: &Stat,
        target: BorrowedFd<'_>,
        name: &Path,
        path: &Path,
    ) -> Result<(), Stopped> {
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.linked.get(&identity) {
                return Ok(rustix::fs::linkat(&self.target, first, target, name, AtFlags::empty())?);
            }
            self.linked.insert(identity, path.to_owned());
        }
        let source = File::from(readable(found, stat, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let copied = File::from(rustix::fs::openat(target, name, flags, Mode::RUSR | Mode::WUSR)?);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.data(&source, &copied, size)?;
        set(copied.as_fd(), stat)?;
        Ok(())
    }

    /// Copies the data of a file, and leaves out its holes.
    fn data(&mut self, source: &File, target: &File, size: u64) -> Result<(), Stopped> {
        rustix::fs::ftruncate(target, size)?;
        let mut end = 0;
        let mut extents = Vec::new();
        while end < size {
            let begin = match rustix::fs::seek(source, SeekFrom::Data(end)) {
                Ok(begin) if begin < size => begin,
                // Nothing but a hole follows.
                Ok(_) | Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            end = rustix::fs::seek(source, SeekFrom::Hole(begin))?.min(size);
            self.count(end - begin)?;
            extents.push((begin, end));
        }
        if extents.is_empty() || rustix::fs::ioctl_ficlone(target, source).is_ok() {
            return Ok(());
        }
        extents.into_iter().try_for_each(|(begin, end)| Ok(copy_extent(source, target, begin, end)?))
    }

    fn count(&mut self, bytes: u64) -> Result<(), Stopped> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            return Err(Stopped::Refused(format!("has more than {} bytes of data", self.limit)));
        }
        Ok(())
    }

    fn finish(&self, directory: &Path, stat: &Stat) -> Result<(), Errno> {
        let made = open_below(&self.target, directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        set(made.as_fd(), stat)
    }
}

fn explain(directory: &Path, stopped: Stopped) -> Error {
    match stopped {
        Stopped::Refused(reason) => Error::CannotCopy { reason },
        Stopped::System(error) => Error::io(format!("copy `{}`", directory.display()), error),
    }
}

/// Opens what a path of real directories leads to. A link in it is an error: a program has put it there just now.
fn open_below(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens for reading what was found. Without root, a mode may forbid that to the owner, who may change the mode for as long.
fn readable(found: &OwnedFd, stat: &Stat, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let open = || rustix::fs::open(&path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty());
    match open() {
        Err(Errno::ACCESS) => {
            rustix::fs::chmod(&path, Mode::RWXU)?;
            let opened = open();
            rustix::fs::chmod(&path, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
            opened
        }
        opened => opened,
    }
}

/// Gives a copy the owner, mode and times of what it is a copy of.
fn set(copied: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    let made = rustix::fs::fstat(copied)?;
    if (made.st_uid, made.st_gid) != (stat.st_uid, stat.st_gid) {
        rustix::fs::fchown(copied, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    rustix::fs::fchmod(copied, Mode::from_raw_mode(stat.st_mode & KEPT_MODE))?;
    rustix::fs::futimens(copied, &times(stat))
}

fn give_at(target: BorrowedFd<'_>, name: &Path, stat: &Stat) -> Result<(), Errno> {
    let made = rustix::fs::statat(target, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if (made.st_uid, made.st_gid) == (stat.st_uid, stat.st_gid) {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(target, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
}

fn times(stat: &Stat) -> Timestamps {
    let time =
        |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn copy_extent(mut source: &File, mut target: &File, begin: u64, end: u64) -> io::Result<()> {
    let (mut from, mut to) = (begin, begin);
    while from < end {
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), length) {
            // It is shorter by now.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            // Not every pair of file systems can.
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                source.seek(Position::Start(from))?;
                target.seek(Position::Start(to))?;
                io::copy(&mut source.take(end - from), &mut target)?;
                return target.flush();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
