//! Reads and writes a sandbox's files from the host, not trusting what the sandbox put there.
//!
//! A path is relative to `/workspace`, or starts with `/workspace` or `/data`; `/` lists both. The system resolves every
//! path as if its directory were the root, so a link that a program planted leads to the program's own files or nowhere.
//! Only regular files are read. The functions block for as long as the disk takes.

use std::path::PathBuf;
use std::time::SystemTime;

/// How large a file may be, where the caller has no other limit.
pub const DEFAULT_LIMIT: u64 = 64 << 20;

/// The two host directories of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The directory shown as `/workspace`.
    pub workspace: PathBuf,
    /// The directory shown as `/data`.
    pub data: PathBuf,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without its directory; characters that are not text are replaced.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// Whether it is a directory.
    pub directory: bool,
}

/// What the files of a sandbox take. Links are not followed, and a file that has several names is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The bytes that the files have.
    pub size: u64,
    /// The bytes that they take on the disk: less than they have where they have holes.
    pub stored: u64,
    /// How many files, directories and links there are.
    pub entries: u64,
}

#[cfg(target_os = "linux")]
pub use crate::linux::copy::{copy_tree, put_in_place};
#[cfg(target_os = "linux")]
pub use crate::linux::files::{list, make_directory, read, remove, remove_tree, rename, size, usage, write};
