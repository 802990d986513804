//! Calls that carry files: the one place where the typed face is written by hand, because JSON has no bytes.

use std::path::Path;

use bytes::Bytes;
use theazo_api::{DownloadFile, FileId, FileWriteOpts, ReadFile, WriteFile};

use super::{
    Draft,
    file_data::{FileData, NewFile, bytes_of, text_of},
    request_type,
};
use crate::{
    error::Error,
    generated::parts::{AgentFiles, Files},
    transport::ResponseMeta,
};

impl AgentFiles {
    /// Writes a file in the agent's sandbox and makes the folders that it needs.
    ///
    /// A relative path is relative to `/workspace`. Only `/workspace` and `/data` can be written.
    ///
    /// ```no_run
    /// # async fn example(agent: theazo::Agent) -> Result<(), theazo::Error> {
    /// use theazo::FileData;
    ///
    /// agent.files().write("notes.txt", "hello").await?;
    /// agent.files().write("/data/pixel.bin", b"\xFF\x00\x7F").await?;
    /// agent.files().write("/data/sales.xlsx", FileData::from_path("reports/sales.xlsx").await?).await?;
    /// # Ok(()) }
    /// ```
    pub fn write(&self, path: impl Into<String>, data: impl Into<FileData>) -> WriteFileRequest {
        let (data, encoding) = data.into().into_parts();
        let body = FileWriteOpts { path: path.into(), data, encoding };
        WriteFileRequest { draft: Draft::new(&self.transport, vec![self.path_id()], (), body) }
    }

    /// Reads a file from the agent's sandbox.
    ///
    /// ```no_run
    /// # async fn example(agent: theazo::Agent) -> Result<(), theazo::Error> {
    /// let bytes = agent.files().read("chart.png").await?;
    /// let notes = agent.files().read("notes.txt").text().await?;
    /// agent.files().read("chart.png").save("downloads/chart.png").await?;
    /// # Ok(()) }
    /// ```
    pub fn read(&self, path: impl Into<String>) -> ReadFileRequest {
        ReadFileRequest { draft: Draft::new(&self.transport, vec![self.path_id(), path.into()], (), ()) }
    }
}

impl Files {
    /// Fetches the content of a file.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// for file in theazo.files().list().user_id("user_123").purpose("agent_output").await?.data {
    ///     theazo.files().download(file.id).save(format!("downloads/{}", file.filename)).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn download(&self, file_id: impl Into<FileId>) -> DownloadFileRequest {
        DownloadFileRequest { draft: Draft::new(&self.transport, vec![file_id.into().to_string()], (), ()) }
    }
}

/// Writes a file; made by [`AgentFiles::write`], sent when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request is sent when it is awaited"]
pub struct WriteFileRequest {
    draft: Draft<WriteFile>,
}

impl WriteFileRequest {
    fn answer(self) -> impl Future<Output = Result<((), ResponseMeta), Error>> + Send {
        self.draft.empty()
    }
}

request_type!(WriteFileRequest, ());

/// Declares a request that is answered with the content of a file.
macro_rules! content_request {
    ($(#[doc = $doc:literal])+ $Request:ident, $Endpoint:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[must_use = "a request is sent when it is awaited"]
        pub struct $Request {
            draft: Draft<$Endpoint>,
        }

        impl $Request {
            /// Fetches the content as text.
            ///
            /// # Errors
            ///
            /// When it cannot be fetched or is not UTF-8.
            pub async fn text(self) -> Result<String, Error> {
                text_of(self.draft.json().await?.0)
            }

            /// Fetches the content into a file on this machine, in the place of one that is there already. The file is
            /// there as a whole or not at all, also when this is dropped before its end. Its folder must be there.
            ///
            /// # Errors
            ///
            /// When the content cannot be fetched, or the file cannot be written: then [`kind`](Error::kind) names the
            /// parameter `path`. A folder that cannot be written shows before anything is sent.
            pub async fn save(self, path: impl AsRef<Path>) -> Result<(), Error> {
                let file = NewFile::begin(path.as_ref()).await?;
                file.finish(self.await?).await
            }

            async fn answer(self) -> Result<(Bytes, ResponseMeta), Error> {
                let (content, meta) = self.draft.json().await?;
                Ok((bytes_of(content)?, meta))
            }
        }

        request_type!($Request, Bytes);
    };
}

content_request! {
    /// Reads a file from a sandbox; made by [`AgentFiles::read`], sent when it is awaited.
    ReadFileRequest, ReadFile
}

content_request! {
    /// Fetches the content of a stored file; made by [`Files::download`], sent when it is awaited.
    DownloadFileRequest, DownloadFile
}
