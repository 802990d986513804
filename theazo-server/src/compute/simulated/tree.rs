//! The files of a simulated sandbox. They behave as those of a real one, down to the errors.

use std::collections::BTreeMap;

use theazo_api::{FileEntry, Timestamp};

use crate::compute::{ComputeError, STORAGE_BYTES};

/// Folders and files.
pub struct Tree {
    /// By their absolute path. Every folder that something is in is there itself.
    nodes: BTreeMap<String, Node>,
    /// How many bytes the files may have together.
    room: Option<u64>,
}

struct Node {
    /// `None` for a folder.
    content: Option<Vec<u8>>,
    modified: Timestamp,
}

impl Tree {
    /// Nothing but the two folders that every sandbox has.
    pub fn new(now: Timestamp) -> Self {
        let folder = |path: &str| (path.to_owned(), Node { content: None, modified: now });
        Self { nodes: BTreeMap::from(["/data", "/workspace"].map(folder)), room: None }
    }

    /// The files and folders that [`Tree::nodes`] gave.
    pub fn of(nodes: Vec<(String, Option<Vec<u8>>, Timestamp)>) -> Self {
        let nodes = nodes.into_iter().map(|(path, content, modified)| (path, Node { content, modified }));
        Self { nodes: nodes.collect(), room: None }
    }

    /// Every file and folder with its path, its content if it is a file, and when it was changed.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, Option<&[u8]>, Timestamp)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node.content.as_deref(), node.modified))
    }

    /// Sets how many bytes the files may have together; any number if there is no limit.
    pub fn set_room(&mut self, room: Option<u64>) {
        self.room = room;
    }

    /// Writes a file and makes the folders that it needs.
    pub fn write(&mut self, given: &str, content: Vec<u8>, now: Timestamp) -> Result<(), ComputeError> {
        let path = inside(given)?;
        if is_top(&path) || self.nodes.get(&path).is_some_and(|node| node.content.is_none()) {
            return Err(not_a_file(given));
        }
        self.check_room(content.len())?;
        self.make_folders(parent(&path), given, now)?;
        self.nodes.insert(path, Node { content: Some(content), modified: now });
        Ok(())
    }

    /// The content of a file.
    pub fn read(&self, given: &str) -> Result<Vec<u8>, ComputeError> {
        let path = inside(given)?;
        self.find(&path, given)?.content.clone().ok_or_else(|| not_a_file(given))
    }

    /// What is in a folder, by name.
    pub fn list(&self, given: &str) -> Result<Vec<FileEntry>, ComputeError> {
        let path = absolute(given)?;
        if path != "/" && self.find(&path, given)?.content.is_some() {
            return Err(not_a_folder(given));
        }
        let inside = self.below(&path).filter(|inner| parent(inner) == path);
        Ok(inside.map(|inner| self.entry(inner)).collect())
    }

    /// Removes a file or folder.
    pub fn remove(&mut self, given: &str, recursive: bool) -> Result<(), ComputeError> {
        let path = inside(given)?;
        if is_top(&path) {
            let reason = format!("`{given}` cannot be removed; remove what is in it");
            return Err(ComputeError::Invalid { field: "path", reason });
        }
        self.find(&path, given)?;
        if !recursive && self.below(&path).next().is_some() {
            return Err(ComputeError::Conflict(format!("`{given}` is not empty")));
        }
        self.take(&path);
        Ok(())
    }

    /// Moves a file or folder and makes the folders that it needs.
    pub fn rename(
        &mut self,
        source: &str,
        target: &str,
        overwrite: bool,
        now: Timestamp,
    ) -> Result<FileEntry, ComputeError> {
        let (from, to) = (inside(source)?, inside(target)?);
        let there = || ComputeError::Conflict(format!("there is a `{target}` in the sandbox already"));
        if is_top(&from) {
            let reason = format!("`{source}` cannot be moved; move what is in it");
            return Err(ComputeError::Invalid { field: "source", reason });
        }
        let moves_folder = self.find(&from, source)?.content.is_none();
        if to.starts_with(&format!("{from}/")) {
            let reason = format!("`{target}` is inside `{source}`, which cannot be moved into itself");
            return Err(ComputeError::Invalid { field: "target", reason });
        }
        if is_top(&to) {
            return Err(there());
        }
        if let Some(old) = self.nodes.get(&to) {
            match (overwrite, moves_folder, old.content.is_none()) {
                (false, _, _) => return Err(there()),
                _ if from == to => return Ok(self.entry(&to)),
                (true, false, true) => return Err(not_a_file(target)),
                (true, true, false) => return Err(not_a_folder(target)),
                (true, _, _) if self.below(&to).next().is_some() => {
                    return Err(ComputeError::Conflict(format!("`{target}` is not empty")));
                }
                (true, _, _) => {}
            }
        }
        self.make_folders(parent(&to), target, now)?;
        for (path, node) in self.take(&from) {
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
        }
        Ok(self.entry(&to))
    }

    /// Makes a folder and those that it is in.
    pub fn make_folder(&mut self, given: &str, now: Timestamp) -> Result<FileEntry, ComputeError> {
        let path = inside(given)?;
        self.make_folders(&path, given, now)?;
        Ok(self.entry(&path))
    }

    /// Checks that a program can start in a folder, which for a program may be anywhere.
    pub fn check_folder(&self, given: &str) -> Result<(), String> {
        let found = absolute(given).and_then(|path| if path == "/" { Ok(()) } else { self.list(given).map(drop) });
        found.map_err(|error| error.to_string())
    }

    /// How many bytes the files have.
    pub fn size(&self) -> i64 {
        let bytes: usize = self.nodes.values().filter_map(|node| node.content.as_ref()).map(Vec::len).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// Checks that so many bytes more may be stored, as a real sandbox does before it writes a file.
    fn check_room(&self, bytes: usize) -> Result<(), ComputeError> {
        let Some(room) = self.room else { return Ok(()) };
        let used = u64::try_from(self.size()).unwrap_or(0).saturating_add(bytes as u64);
        if used <= room {
            return Ok(());
        }
        let reason = format!("the files of the sandbox may take {room} bytes and would take {used}; remove some");
        let (stdout, stderr) = (String::new(), String::new());
        Err(ComputeError::OutOfSpace { reason, limit: STORAGE_BYTES, value: room, used, stdout, stderr })
    }

    fn find(&self, path: &str, given: &str) -> Result<&Node, ComputeError> {
        match self.nodes.get(path) {
            Some(node) => Ok(node),
            // A name below a file is no folder's.
            None if self.is_below_a_file(path) => Err(not_a_folder(given)),
            None => Err(ComputeError::NotFound(given.to_owned())),
        }
    }

    fn is_below_a_file(&self, path: &str) -> bool {
        above(path).any(|folder| self.nodes.get(folder).is_some_and(|node| node.content.is_some()))
    }

    fn make_folders(&mut self, path: &str, given: &str, now: Timestamp) -> Result<(), ComputeError> {
        let is_file = |path: &str| self.nodes.get(path).is_some_and(|node| node.content.is_some());
        if is_file(path) || self.is_below_a_file(path) {
            return Err(not_a_folder(given));
        }
        for folder in above(path).chain([path]).filter(|folder| !folder.is_empty()) {
            self.nodes.entry(folder.to_owned()).or_insert(Node { content: None, modified: now });
        }
        Ok(())
    }

    /// The paths of everything in a folder, at any depth.
    fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let from = self.nodes.range(prefix.clone()..);
        from.map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(&prefix))
    }

    fn take(&mut self, path: &str) -> Vec<(String, Node)> {
        let mut paths: Vec<String> = self.below(path).map(str::to_owned).collect();
        paths.push(path.to_owned());
        paths.into_iter().filter_map(|path| self.nodes.remove_entry(&path)).collect()
    }

    fn entry(&self, path: &str) -> FileEntry {
        let node = &self.nodes[path];
        FileEntry {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            size: node.content.as_ref().map_or(0, |content| i64::try_from(content.len()).unwrap_or(i64::MAX)),
            modified: node.modified,
            directory: node.content.is_none(),
        }
    }
}

/// The folder that a path is in; `/` for the two that every sandbox has.
fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

/// Every folder that a path is in, but not `/`.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(index, _)| &path[..index]).filter(|folder| !folder.is_empty())
}

/// Whether it is one of the folders that are always there.
fn is_top(path: &str) -> bool {
    ["/workspace", "/data"].contains(&path)
}

/// The path in the sandbox that `given` means, which must be in one of the two folders.
fn inside(given: &str) -> Result<String, ComputeError> {
    absolute(given).and_then(|path| if path == "/" { Err(outside(given)) } else { Ok(path) })
}

/// The same, or `/`: a relative one is relative to `/workspace`.
fn absolute(given: &str) -> Result<String, ComputeError> {
    let mut parts: Vec<&str> = if given.starts_with('/') { Vec::new() } else { vec!["workspace"] };
    for part in given.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or_else(|| outside(given))?),
            name if name.contains('\0') => return Err(outside(given)),
            name => parts.push(name),
        }
    }
    match parts.first() {
        // What is above the two folders can be listed, and nothing else.
        None if given.starts_with('/') && given.trim_matches('/').is_empty() => Ok("/".to_owned()),
        Some(&"workspace" | &"data") => Ok(format!("/{}", parts.join("/"))),
        _ => Err(outside(given)),
    }
}

fn outside(path: &str) -> ComputeError {
    ComputeError::InvalidPath { path: path.to_owned(), reason: "is outside `/workspace` and `/data`".to_owned() }
}

fn not_a_file(path: &str) -> ComputeError {
    ComputeError::InvalidPath { path: path.to_owned(), reason: "is not a regular file".to_owned() }
}

fn not_a_folder(path: &str) -> ComputeError {
    ComputeError::InvalidPath { path: path.to_owned(), reason: "is not a folder".to_owned() }
}
