//! How much a sandbox's files take, however a program laid them out.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, openat2};
use rustix::io::Errno;

use super::place::{Place, names, stat};
use super::remove::open_to_change;
use crate::files::{Roots, Usage};

/// How long a path below an open directory may become before its end is opened in its place.
const LONG: usize = 2048;

/// How many bytes the files of both directories have.
pub fn size(roots: &Roots) -> u64 {
    usage(roots).size
}

/// What the files of both directories take.
///
/// A directory that its owner may not read is made readable to the owner, or a program could hide files in it.
pub fn usage(roots: &Roots) -> Usage {
    let mut walk = Walk::default();
    for path in ["/workspace", "/data"] {
        if let Ok(place) = Place::find(roots, path) {
            walk.measure(place.root);
        }
    }
    walk.usage
}

#[derive(Default)]
struct Walk {
    usage: Usage,
    /// The files with several names that were counted.
    seen: HashSet<(u64, u64)>,
    /// The directories to look at, each as an open one and a path below it. A list rather than a function that calls itself,
    /// and few open directories: a program chooses the depth.
    waiting: Vec<(Rc<OwnedFd>, PathBuf)>,
}

impl Walk {
    fn measure(&mut self, root: OwnedFd) {
        self.waiting.push((Rc::new(root), PathBuf::from(".")));
        while let Some((above, path)) = self.waiting.pop() {
            // What is gone by now is not counted.
            let Ok(directory) = open(&above, &path) else { continue };
            let directory = Rc::new(directory);
            let (above, path) =
                if path.as_os_str().len() > LONG { (Rc::clone(&directory), PathBuf::new()) } else { (above, path) };
            for name in names(&directory, usize::MAX).unwrap_or_default() {
                let Ok(found) = stat(directory.as_fd(), &name) else { continue };
                if self.count(&found) == FileType::Directory {
                    self.waiting.push((Rc::clone(&above), path.join(&name)));
                }
            }
        }
    }

    fn count(&mut self, found: &Stat) -> FileType {
        let kind = FileType::from_raw_mode(found.st_mode);
        let has_other_names = kind != FileType::Directory && found.st_nlink > 1;
        if has_other_names && !self.seen.insert((found.st_dev, found.st_ino)) {
            return kind;
        }
        self.usage.entries += 1;
        self.usage.stored = self.usage.stored.saturating_add(u64::try_from(found.st_blocks).unwrap_or(0) * 512);
        if kind == FileType::RegularFile {
            self.usage.size = self.usage.size.saturating_add(u64::try_from(found.st_size).unwrap_or(0));
        }
        kind
    }
}

fn open(above: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // No part of the path was a link when it was seen. If one is by now, it must not lead out.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(above, path, flags, Mode::empty(), resolve) {
        Err(Errno::ACCESS) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent =
                openat2(above, parent.unwrap_or(Path::new(".")), OFlags::PATH | flags, Mode::empty(), resolve)?;
            open_to_change(parent.as_fd(), Path::new(path.file_name().ok_or(Errno::ACCESS)?))
        }
        opened => opened,
    }
}
