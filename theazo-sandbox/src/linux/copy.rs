//! Copies a directory in which a sandbox wrote: what is in it and how, never what its links lead to.

mod links;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom as Position, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, SeekFrom, Stat, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;

use super::files::cursor::{Cursor, Opened};
use crate::Error;
use links::Links;

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
/// [`Error::CannotCopy`] when there are more than `limit` bytes of data or too many names; otherwise what the system
/// answered.
pub fn copy_tree(from: &Path, to: &Path, limit: u64) -> Result<u64, Error> {
    let failed = |path: &Path, error: Errno| Error::io(format!("copy the directory {}", path.display()), error);
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = rustix::fs::open(from, flags | OFlags::PATH, Mode::empty()).map_err(|error| failed(from, error))?;
    let source = Opened::of(&source).map_err(|error| failed(from, error))?;
    rustix::fs::mkdirat(CWD, to, Mode::RWXU).map_err(|error| failed(to, error))?;
    let target = rustix::fs::open(to, flags | OFlags::RDONLY, Mode::empty()).map_err(|error| failed(to, error))?;
    let mut copy = Copy {
        source: Cursor::new(source.folder),
        target: Cursor::new(target),
        levels: vec![Level { name: OsString::new(), stat: source.stat, changed: source.changed, waiting: Vec::new() }],
        links: Links::beside(to),
        limit,
        bytes: 0,
        names: 0,
    };
    let copied = copy.all();
    if copied.is_err() {
        copy.close_again();
    }
    copied.and_then(|()| copy.links.end()).map_err(|stopped| explain(from, &copy.levels, stopped))?;
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
    source: Cursor,
    target: Cursor,
    /// The folders on the way to the present one, and it itself.
    levels: Vec<Level>,
    links: Links,
    limit: u64,
    bytes: u64,
    names: u64,
}

/// A folder that is being copied. Its own mode and times are set at the end: filling it changes both.
struct Level {
    name: OsString,
    stat: Stat,
    /// Whether the mode of the original had to be changed.
    changed: bool,
    /// The folders in it that were not copied yet.
    waiting: Vec<OsString>,
}

/// Why one name could not be copied.
enum Stopped {
    Refused(String),
    System(Errno),
}

impl From<Errno> for Stopped {
    fn from(error: Errno) -> Self {
        match error {
            Errno::STALE => Self::Refused("was moved meanwhile".into()),
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
    fn all(&mut self) -> Result<(), Stopped> {
        self.fill()?;
        while let Some(level) = self.levels.last_mut() {
            match level.waiting.pop() {
                Some(name) => {
                    self.enter(name)?;
                    self.fill()?;
                }
                None => self.leave()?,
            }
        }
        Ok(())
    }

    /// Goes on to a folder of the present one.
    fn enter(&mut self, name: OsString) -> Result<(), Stopped> {
        let Opened { folder, stat, changed } = Opened::at(self.source.here(), &name)?;
        // From here on it is closed again, whatever becomes of the copy.
        self.source.enter(folder)?;
        self.levels.push(Level { name, stat, changed, waiting: Vec::new() });
        let name = Path::new(&self.levels[self.levels.len() - 1].name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = rustix::fs::openat(self.target.here(), name, flags, Mode::empty())?;
        Ok(self.target.enter(target)?)
    }

    /// Finishes the present folder and goes back to the one that it is in.
    fn leave(&mut self) -> Result<(), Stopped> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        if self.levels.is_empty() {
            level.close(self.source.here())?;
            set(self.target.here(), &level.stat)?;
        } else {
            // Left first: with its own mode it may no longer be.
            level.close(self.source.leave()?.as_fd())?;
            set(self.target.leave()?.as_fd(), &level.stat)?;
        }
        Ok(())
    }

    /// Gives the folders of the original their modes back, where the copy stopped among them.
    fn close_again(&mut self) {
        for (depth, level) in self.levels.iter().enumerate().rev() {
            let closed = match depth {
                0 => level.close(self.source.here()),
                _ => self.source.leave().and_then(|folder| level.close(folder.as_fd())),
            };
            if closed.is_err() {
                return;
            }
        }
    }

    /// Copies what is in the present folder; the folders in it are to be filled later.
    fn fill(&mut self) -> Result<(), Stopped> {
        let mut folders = Vec::new();
        for entry in Dir::read_from(self.source.here())? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            self.names += 1;
            if self.names > MAXIMUM_NAMES {
                return Err(Stopped::Refused(format!("has more than {MAXIMUM_NAMES} names")));
            }
            if self.entry(Path::new(name))? {
                folders.push(name.to_owned());
            }
        }
        if let Some(level) = self.levels.last_mut() {
            level.waiting = folders;
        }
        Ok(())
    }

    /// Copies a name; returns whether it is a folder, which is still to be filled.
    fn entry(&mut self, name: &Path) -> Result<bool, Stopped> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(self.source.here(), name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&found)?;
        let target = self.target.here();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(target, name, Mode::RWXU)?;
                return Ok(true);
            }
            FileType::RegularFile => return self.file(&found, &stat, name).map(|()| false),
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

    fn file(&mut self, found: &OwnedFd, stat: &Stat, name: &Path) -> Result<(), Stopped> {
        if stat.st_nlink > 1 && self.links.link(stat, self.target.here(), name)? {
            return Ok(());
        }
        let source = File::from(readable(found, stat, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let copied = File::from(rustix::fs::openat(self.target.here(), name, flags, Mode::RUSR | Mode::WUSR)?);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.data(&source, &copied, size)?;
        set(copied.as_fd(), stat)?;
        if stat.st_nlink > 1 {
            self.links.keep(stat, self.target.here(), name)?;
        }
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
}

impl Level {
    /// Gives the folder of the original its mode back.
    fn close(&self, folder: BorrowedFd<'_>) -> Result<(), Errno> {
        if self.changed { rustix::fs::fchmod(folder, Mode::from_raw_mode(self.stat.st_mode & 0o7777)) } else { Ok(()) }
    }
}

fn explain(from: &Path, levels: &[Level], stopped: Stopped) -> Error {
    match stopped {
        Stopped::Refused(reason) => Error::CannotCopy { reason },
        Stopped::System(error) => {
            let folder = levels.last().map_or_else(|| from.to_string_lossy(), |level| level.name.to_string_lossy());
            Error::io(format!("copy the folder `{folder}`"), error)
        }
    }
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
