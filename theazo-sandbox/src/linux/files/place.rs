//! Paths of a sandbox, resolved by the system as if the sandbox's directory were the root.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;

use crate::Error;
use crate::files::Roots;

/// How long a path may be.
const LONGEST: usize = 64 << 10;

/// How long a path the system resolves at once.
const AT_ONCE: usize = 4095;

/// How often a path is resolved again when the sandbox moves directories under it meanwhile.
const ATTEMPTS: usize = 16;

/// A path of the sandbox, as a root on the host and what follows it.
pub struct Place {
    pub given: String,
    pub root: OwnedFd,
    /// The name of the root in the sandbox.
    pub top: &'static str,
    /// Without a leading slash, `.`, `..` or empty parts; empty for the root itself.
    pub relative: String,
}

impl Place {
    pub fn find(roots: &Roots, given: &str) -> Result<Self, Error> {
        if given.len() > LONGEST {
            return Err(Error::InvalidInput { parameter: "path", problem: format!("is longer than {LONGEST} bytes") });
        }
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
        let (top, root) = match parts.first() {
            Some(&"workspace") => ("workspace", &roots.workspace),
            Some(&"data") => ("data", &roots.data),
            _ => return Err(outside()),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|error| Error::io(format!("open the directory {}", root.display()), error))?;
        Ok(Self { given: given.into(), root, top, relative: parts[1..].join("/") })
    }

    /// The directory and the name; `None` for the root itself.
    pub fn split(&self) -> Option<(&str, &str)> {
        if self.relative.is_empty() {
            None
        } else {
            Some(self.relative.rsplit_once('/').unwrap_or(("", &self.relative)))
        }
    }

    /// Opens what a path leads to. Links on the way are followed as far as the system resolves a path at once, and refused below.
    pub fn open(&self, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if relative.len() <= AT_ONCE {
            return resolve(&self.root, relative, flags, ResolveFlags::IN_ROOT);
        }
        let (mut beginning, mut rest) = cut(relative)?;
        let folder = OFlags::PATH | OFlags::DIRECTORY;
        let mut here = resolve(&self.root, beginning, folder, ResolveFlags::IN_ROOT)?;
        // What a link deeper down says of the root could not be resolved from here.
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        while rest.len() > AT_ONCE {
            (beginning, rest) = cut(rest)?;
            here = resolve(&here, beginning, folder, below)?;
        }
        resolve(&here, rest, flags, below)
    }

    /// Opens a directory, making those on the way that are missing.
    pub fn make_directories(&self, relative: &str) -> Result<OwnedFd, Errno> {
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

    pub fn failed(&self, action: &str, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        let path = self.given.clone();
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Error::NotFound { path },
            Some(Errno::EXIST) => Error::Exists { path },
            Some(Errno::NOTEMPTY) => Error::NotEmpty { path },
            Some(Errno::NOTDIR) => Error::NotADirectory { path },
            Some(Errno::NAMETOOLONG) => {
                Error::InvalidInput { parameter: "path", problem: "has a name longer than 255 bytes".into() }
            }
            Some(Errno::LOOP) => {
                let problem = format!("leads through too many links, or through one after its first {AT_ONCE} bytes");
                Error::InvalidInput { parameter: "path", problem }
            }
            // A socket cannot be opened at all; a directory cannot be replaced by a file.
            Some(Errno::NXIO | Errno::ISDIR) => Error::NotAFile { path },
            _ => Error::io(format!("{action} `{path}`"), error),
        }
    }
}

fn resolve(root: &OwnedFd, path: &str, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let (flags, resolve) = (flags | OFlags::CLOEXEC, resolve | ResolveFlags::NO_MAGICLINKS);
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Cuts a path after as many folders as can be resolved at once.
fn cut(path: &str) -> Result<(&str, &str), Errno> {
    let end = path.as_bytes()[..=AT_ONCE].iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
    Ok((&path[..end], &path[end + 1..]))
}

/// Gives a new directory to the owner of the one it is in, so that the sandbox's user can use what the host made.
pub fn give(parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    give_to_owner_of(parent.as_fd(), made.as_fd())
}

pub fn give_to_owner_of(parent: BorrowedFd<'_>, made: BorrowedFd<'_>) -> Result<(), Errno> {
    let (wanted, found) = (rustix::fs::fstat(parent)?, rustix::fs::fstat(made)?);
    if (wanted.st_uid, wanted.st_gid) == (found.st_uid, found.st_gid) {
        return Ok(());
    }
    rustix::fs::fchown(made, Some(Uid::from_raw(wanted.st_uid)), Some(Gid::from_raw(wanted.st_gid)))
}

/// The names in a directory, at most as many as asked for.
pub fn names(directory: impl AsFd, maximum: usize) -> Result<Vec<std::ffi::OsString>, Errno> {
    use std::os::unix::ffi::OsStrExt;
    let names = Dir::read_from(directory)?
        .map(|entry| entry.map(|entry| std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()));
    names.filter(|name| !matches!(name, Ok(name) if name == "." || name == "..")).take(maximum).collect()
}

/// What is known of a name in a directory, which may be a link.
pub fn stat(directory: BorrowedFd<'_>, name: &std::ffi::OsStr) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, Path::new(name), AtFlags::SYMLINK_NOFOLLOW)
}
