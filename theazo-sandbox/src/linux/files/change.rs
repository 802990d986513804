//! Moving files and making directories.

use std::os::fd::AsFd;

use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use super::place::Place;
use super::{entry, stat};
use crate::Error;
use crate::files::{Entry, Roots};

/// Moves a file or directory, making the parent directories of `target`. What is at `target` already is replaced if
/// `overwrite`, a directory only if it is empty.
///
/// # Errors
/// As [`super::write`], and [`Error::Exists`] or [`Error::NotEmpty`] for what is at `target`.
pub fn rename(roots: &Roots, source: &str, target: &str, overwrite: bool) -> Result<Entry, Error> {
    let (from, to) = (Place::find(roots, source)?, Place::find(roots, target)?);
    let Some((from_directory, from_name)) = from.split() else { return Err(fixed(source)) };
    let Some((to_directory, to_name)) = to.split() else { return Err(Error::Exists { path: target.into() }) };
    let directory = OFlags::RDONLY | OFlags::DIRECTORY;
    let from_directory =
        from.open(from_directory, directory).map_err(|error| from.failed("open the directory of", error))?;
    // Looked for first, so that a source that is not there makes no directories.
    stat(from_directory.as_fd(), from_name.as_ref()).map_err(|error| from.failed("find", error))?;
    let to_directory = to.make_directories(to_directory).map_err(|error| to.failed("make the directory of", error))?;
    let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    match rustix::fs::renameat_with(&from_directory, from_name, &to_directory, to_name, flags) {
        Ok(()) => {}
        Err(Errno::INVAL) => {
            let problem = format!("`{target}` is inside `{source}`, which cannot be moved into itself");
            return Err(Error::InvalidInput { parameter: "target", problem });
        }
        Err(error) => return Err(to.failed("move to", error)),
    }
    let found = stat(to_directory.as_fd(), to_name.as_ref());
    Ok(entry(to_name.to_owned(), &found.map_err(|error| to.failed("find", error))?))
}

/// Makes a directory and those that it is in. One that is there already stays as it is.
///
/// # Errors
/// As [`super::write`]; [`Error::NotADirectory`] where a file is in the way.
pub fn make_directory(roots: &Roots, path: &str) -> Result<Entry, Error> {
    let place = Place::find(roots, path)?;
    let made = place.make_directories(&place.relative).map_err(|error| place.failed("make the directory", error))?;
    let found = rustix::fs::fstat(&made).map_err(|error| place.failed("find", error))?;
    Ok(entry(place.split().map_or(place.top, |(_, name)| name).to_owned(), &found))
}

fn fixed(path: &str) -> Error {
    Error::InvalidInput { parameter: "source", problem: format!("`{path}` cannot be moved; move what is in it") }
}
