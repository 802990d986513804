//! How much a sandbox's files take, however a program laid them out.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::cursor::{Cursor, Opened, identity};
use super::place::{Place, names, stat};
use crate::files::{Roots, Usage};

/// How often a walk is taken up again that lost its way because a program moved folders. What was not seen by then is seen the
/// next time.
const MAXIMUM_LOSSES: usize = 16;

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
            // What is gone by now is not counted.
            let _ = walk.measure(&place.root);
        }
    }
    walk.usage
}

#[derive(Default)]
struct Walk {
    usage: Usage,
    /// The files with several names that were counted.
    seen: HashSet<(u64, u64)>,
}

/// A folder on the way to the present one.
struct Level {
    name: OsString,
    /// The folders in it that were not looked into yet.
    waiting: Vec<OsString>,
}

impl Walk {
    fn measure(&mut self, root: &OwnedFd) -> Result<(), Errno> {
        let mut cursor = Cursor::new(Opened::of(root)?.folder);
        let mut levels = vec![Level { name: OsString::new(), waiting: self.look(cursor.here()) }];
        let mut losses = 0;
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.waiting.pop() {
                if enter(&mut cursor, &name).is_ok() {
                    levels.push(Level { name, waiting: self.look(cursor.here()) });
                }
                continue;
            }
            levels.pop();
            if !levels.is_empty() && cursor.leave().is_err() {
                losses += 1;
                if losses > MAXIMUM_LOSSES {
                    return Err(Errno::STALE);
                }
                cursor = find_again(root, &mut levels)?;
            }
        }
        Ok(())
    }

    /// Counts what is in a folder, and returns the folders in it.
    fn look(&mut self, folder: BorrowedFd<'_>) -> Vec<OsString> {
        let is_folder =
            |name: &OsString| stat(folder, name).is_ok_and(|found| self.count(&found) == FileType::Directory);
        names(folder, usize::MAX).unwrap_or_default().into_iter().filter(is_folder).collect()
    }

    fn count(&mut self, found: &Stat) -> FileType {
        let kind = FileType::from_raw_mode(found.st_mode);
        let has_other_names = kind != FileType::Directory && found.st_nlink > 1;
        if has_other_names && !self.seen.insert(identity(found)) {
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

fn enter(cursor: &mut Cursor, name: &OsStr) -> Result<(), Errno> {
    let inner = Opened::at(cursor.here(), name)?;
    cursor.enter(inner.folder)
}

/// Goes down again from the root, as far as the names lead; what is below is not where it was.
fn find_again(root: &OwnedFd, levels: &mut Vec<Level>) -> Result<Cursor, Errno> {
    let mut cursor = Cursor::new(Opened::of(root)?.folder);
    let reached = levels.iter().skip(1).take_while(|level| enter(&mut cursor, &level.name).is_ok()).count();
    levels.truncate(1 + reached);
    Ok(cursor)
}
