//! The content of files: text and bytes here, text with an encoding in JSON, and files on this machine.

use std::{
    borrow::Cow,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use theazo_api::{FileContent, FileEncoding, KnowledgeFile};

use crate::error::Error;

/// The content of a file that is on its way to the control plane: text or bytes.
///
/// Text, bytes and [files on this machine](FileData::from_path) become one:
///
/// ```no_run
/// # async fn example(theazo: theazo::Theazo, session: theazo::Session) -> Result<(), theazo::Error> {
/// use theazo::{FileData, types::FilePurpose};
///
/// theazo.files().upload("orders.csv", "id,total\n1,99\n", FilePurpose::AgentInput, "user_123").await?;
///
/// let handbook = FileData::from_path("docs/handbook.pdf").await?;
/// session.knowledge().upload([handbook.named("handbook.pdf")]).collection("handbook").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum FileData {
    /// Text.
    Text(String),
    /// Any bytes.
    Bytes(Bytes),
}

impl FileData {
    /// Reads a file on this machine.
    ///
    /// # Errors
    ///
    /// If it cannot be read; nothing was sent then. [`kind`](Error::kind) names the parameter `path`.
    pub async fn from_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || fs::read(&path).map_err(|error| local("read", &path, error))).await.map(Self::from)
    }

    /// The content as a file of knowledge with this name, from which its kind is told: `handbook.pdf`.
    pub fn named(self, filename: impl Into<String>) -> KnowledgeFile {
        KnowledgeFile { filename: filename.into(), data: Some(self.to_base64()), ..KnowledgeFile::default() }
    }

    /// What a request carries that takes bytes alone.
    pub(crate) fn to_base64(&self) -> String {
        match self {
            Self::Text(text) => STANDARD.encode(text),
            Self::Bytes(bytes) => STANDARD.encode(bytes),
        }
    }

    /// What a request carries that takes text too: text as it is, which needs no encoding to be named.
    pub(crate) fn into_parts(self) -> (String, Option<FileEncoding>) {
        match self {
            Self::Text(text) => (text, None),
            Self::Bytes(bytes) => (STANDARD.encode(&bytes), Some(FileEncoding::Base64)),
        }
    }
}

impl From<&str> for FileData {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for FileData {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Cow<'_, str>> for FileData {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(text.into_owned())
    }
}

impl From<Vec<u8>> for FileData {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&[u8]> for FileData {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl<const LENGTH: usize> From<&[u8; LENGTH]> for FileData {
    fn from(bytes: &[u8; LENGTH]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<Bytes> for FileData {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl std::fmt::Debug for FileData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The content is the user's, and may be large.
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// The bytes of an answer.
pub(crate) fn bytes_of(content: FileContent) -> Result<Bytes, Error> {
    match content.encoding {
        FileEncoding::Utf8 => Ok(content.data.into()),
        FileEncoding::Base64 => {
            let bytes = STANDARD.decode(content.data);
            bytes.map(Bytes::from).map_err(|problem| Error::unreadable(format!("the file is not base64: {problem}")))
        }
        other => Err(Error::unreadable(format!("the file is encoded as `{other}`, which this version cannot read"))),
    }
}

/// The text of an answer.
pub(crate) fn text_of(content: FileContent) -> Result<String, Error> {
    if content.encoding == FileEncoding::Utf8 {
        return Ok(content.data);
    }
    String::from_utf8(bytes_of(content)?.into()).map_err(|_| {
        Error::unreadable("the file is not UTF-8 text").with_hint("read it as bytes: await the request itself")
    })
}

/// A file on this machine that gets its name when all of it is there. Whoever looks sees the whole file or the one from
/// before, and one that is given up leaves nothing behind.
pub(crate) struct NewFile {
    path: PathBuf,
    /// Where the content is until it has its name; in the same folder, because no other place is sure to be on its disk.
    part: PathBuf,
    file: Option<fs::File>,
}

impl NewFile {
    /// Begins a file, so that a folder that cannot be written shows before anything is asked for.
    pub async fn begin(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        blocking(move || {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name =
                name.ok_or_else(|| Error::invalid_input("path", format!("names no file: {}", path.display())))?;
            let part = path.with_file_name(format!(".{name}.{:08x}.part", rand::random::<u32>()));
            let file = fs::File::create_new(&part).map_err(|error| local("written", &path, error))?;
            Ok(Self { path, part, file: Some(file) })
        })
        .await
    }

    /// Writes the whole content and gives the file its name, in the place of one that is there already.
    pub async fn finish(mut self, content: Bytes) -> Result<(), Error> {
        blocking(move || {
            let written = self.file.take().map_or(Ok(()), |mut file| {
                file.write_all(&content)?;
                file.sync_all()
            });
            written
                .and_then(|()| fs::rename(&self.part, &self.path))
                .map_err(|error| local("written", &self.path, error))
        })
        .await
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `finish` it has its name, and there is nothing to remove.
        let _ = fs::remove_file(&self.part);
    }
}

/// Does what waits for a disk where waiting stops nothing else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(stopped) => {
            Err(Error::configuration(format!("the runtime stopped before the file was dealt with: {stopped}")))
        }
    }
}

/// A file on this machine could not be read or written.
fn local(what: &str, path: &Path, error: io::Error) -> Error {
    let mut refused = Error::invalid_input("path", format!("cannot be {what}: {}: {error}", path.display()));
    refused.parts().source = Some(error.into());
    refused
}
