//! Files in a sandbox, as text and bytes: the one place where the typed face is written by hand, because JSON has no
//! bytes.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use theazo_api::{FileContent, FileEncoding, FileWriteOpts, ReadFile, WriteFile};

use super::{Draft, request_type};
use crate::{error::Error, generated::parts::AgentFiles, transport::ResponseMeta};

/// The content of a file to write: text or bytes.
///
/// ```
/// use theazo::FileData;
///
/// assert_eq!(FileData::from("hello"), FileData::Text("hello".to_owned()));
/// assert_eq!(FileData::from(b"\xFF\x00"), FileData::Bytes(vec![0xFF, 0x00].into()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum FileData {
    /// Text.
    Text(String),
    /// Any bytes.
    Bytes(Bytes),
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

impl AgentFiles {
    /// Writes a file in the agent's sandbox and makes the folders that it needs.
    ///
    /// A relative path is relative to `/workspace`. Only `/workspace` and `/data` can be written.
    ///
    /// ```no_run
    /// # async fn example(agent: theazo::Agent) -> Result<(), theazo::Error> {
    /// agent.files().write("notes.txt", "hello").await?;
    /// agent.files().write("/data/pixel.bin", b"\xFF\x00\x7F").await?;
    /// # Ok(()) }
    /// ```
    pub fn write(&self, path: impl Into<String>, data: impl Into<FileData>) -> WriteFileRequest {
        let (data, encoding) = match data.into() {
            FileData::Text(text) => (text, None),
            FileData::Bytes(bytes) => (STANDARD.encode(&bytes), Some(FileEncoding::Base64)),
        };
        let body = FileWriteOpts { path: path.into(), data, encoding };
        WriteFileRequest { draft: Draft::new(&self.transport, vec![self.path_id()], (), body) }
    }

    /// Reads a file from the agent's sandbox.
    ///
    /// ```no_run
    /// # async fn example(agent: theazo::Agent) -> Result<(), theazo::Error> {
    /// let bytes = agent.files().read("chart.png").await?;
    /// let notes = agent.files().read("notes.txt").text().await?;
    /// # Ok(()) }
    /// ```
    pub fn read(&self, path: impl Into<String>) -> ReadFileRequest {
        ReadFileRequest { draft: Draft::new(&self.transport, vec![self.path_id(), path.into()], (), ()) }
    }
}

/// Writes a file; made by [`AgentFiles::write`], sent when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request is sent when it is awaited"]
pub struct WriteFileRequest {
    draft: Draft<WriteFile>,
}

impl WriteFileRequest {
    async fn answer(self) -> Result<((), ResponseMeta), Error> {
        self.draft.empty().await
    }
}

request_type!(WriteFileRequest, ());

/// Reads a file; made by [`AgentFiles::read`], sent when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request is sent when it is awaited"]
pub struct ReadFileRequest {
    draft: Draft<ReadFile>,
}

impl ReadFileRequest {
    /// Reads the file as text.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        let content = self.draft.json().await?.0;
        if content.encoding == FileEncoding::Utf8 {
            return Ok(content.data);
        }
        String::from_utf8(decode(content)?.into()).map_err(|_| {
            Error::unreadable("the file is not UTF-8 text").with_hint("read it as bytes: await the request itself")
        })
    }

    async fn answer(self) -> Result<(Bytes, ResponseMeta), Error> {
        let (content, meta) = self.draft.json().await?;
        Ok((decode(content)?, meta))
    }
}

request_type!(ReadFileRequest, Bytes);

fn decode(content: FileContent) -> Result<Bytes, Error> {
    match content.encoding {
        FileEncoding::Utf8 => Ok(content.data.into()),
        FileEncoding::Base64 => {
            let bytes = STANDARD.decode(content.data);
            bytes.map(Bytes::from).map_err(|problem| Error::unreadable(format!("the file is not base64: {problem}")))
        }
        other => Err(Error::unreadable(format!("the file is encoded as `{other}`, which this version cannot read"))),
    }
}
