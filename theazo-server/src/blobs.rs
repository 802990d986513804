//! Content of files on the plane's own disk, by id. What is known of a file is a document in the store; this is the rest.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What a file is called until all of it is there.
const UNFINISHED: &str = "unfinished-";

/// The content of files, by id.
#[derive(Debug, Clone)]
pub struct Blobs {
    directory: PathBuf,
    /// Whether what was put must outlive the machine's next moment; a plane in memory ends with it anyway.
    is_durable: bool,
}

impl Blobs {
    /// The content of files in a folder, which is made if it is not there.
    pub fn open(directory: PathBuf, is_durable: bool) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, is_durable })
    }

    /// Stores content. When this returns, all of it is on disk; if the process dies before, none of it is there.
    pub async fn put(&self, id: &str, content: Vec<u8>) -> io::Result<()> {
        let (unfinished, path) = (self.directory.join(format!("{UNFINISHED}{id}")), self.path(id));
        let blobs = self.clone();
        apart(move || {
            let mut file = File::options().create_new(true).write(true).mode(0o600).open(&unfinished)?;
            let written = file.write_all(&content).and_then(|()| blobs.sync(&file));
            let moved = written.and_then(|()| fs::rename(&unfinished, &path));
            if moved.is_err() {
                let _ = fs::remove_file(&unfinished);
            }
            moved?;
            blobs.sync(&File::open(&blobs.directory)?)
        })
        .await
    }

    /// Reads content.
    pub async fn get(&self, id: &str) -> io::Result<Vec<u8>> {
        let path = self.path(id);
        apart(move || fs::read(path)).await
    }

    /// Removes content, if it is there.
    pub async fn remove(&self, id: &str) -> io::Result<()> {
        let path = self.path(id);
        apart(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// Removes what a process that died left: content whose document was never stored, or is gone.
    pub fn keep_only(&self, ids: &HashSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if !ids.contains(entry.file_name().to_string_lossy().as_ref()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(is_plain && !id.is_empty(), "ids are made here, and only of letters, digits and underscores: {id}");
        Path::new(&self.directory).join(id)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.is_durable { file.sync_all() } else { Ok(()) }
    }
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_knows_of_is_removed_and_the_rest_is_as_it_was() {
        let directory = tempfile::tempdir().expect("a folder is made");
        let blobs = Blobs::open(directory.path().join("files"), true).expect("it opens");
        blobs.put("file_1", b"one".to_vec()).await.expect("it is stored");
        blobs.put("file_2", b"two".to_vec()).await.expect("it is stored");
        fs::write(directory.path().join("files/unfinished-file_3"), b"thr").expect("it is written");

        blobs.keep_only(&HashSet::from(["file_1".to_owned()])).expect("it is tidied");

        assert_eq!(blobs.get("file_1").await.expect("it is there"), b"one");
        assert_eq!(fs::read_dir(directory.path().join("files")).expect("it is listed").count(), 1);
        blobs.remove("file_1").await.expect("it is removed");
        blobs.remove("file_1").await.expect("it is gone already");
        assert_eq!(blobs.get("file_1").await.expect_err("it is gone").kind(), io::ErrorKind::NotFound);
    }
}
