//! Files in sandboxes.

use base64::{Engine, prelude::BASE64_STANDARD};
use theazo_api::{AgentId, ErrorCode, FileContent, FileEncoding, FileEntry, FileListOpts, FileWriteOpts};

use super::{
    Context,
    agents::check_usable,
    commands::{AgentCommand, FileCommand},
};
use crate::error::{AppError, AppResult};

impl Context {
    /// Writes a file.
    pub async fn write_file(&self, agent_id: AgentId, opts: FileWriteOpts) -> AppResult<()> {
        let content = match opts.encoding {
            Some(FileEncoding::Base64) => {
                BASE64_STANDARD
                    .decode(&opts.data)
                    .map_err(|_| AppError::invalid_field("data", "is not base64, as `encoding` says"))?;
                opts.data
            }
            _ => BASE64_STANDARD.encode(opts.data),
        };
        let command = AgentCommand::File(FileCommand::Write { path: opts.path, content });
        self.command::<()>(agent_id, command, check_usable).await
    }

    /// Reads a file.
    pub async fn read_file(&self, agent_id: AgentId, path: String) -> AppResult<FileContent> {
        let read = |path: String| {
            let command = AgentCommand::File(FileCommand::Read { path });
            self.command::<String>(agent_id.clone(), command, check_usable)
        };
        // The published client strips a leading slash, so `data/a.txt` is most likely `/data/a.txt`.
        let is_stripped = path.starts_with("data/") || path.starts_with("workspace/");
        let data = match read(if is_stripped { format!("/{path}") } else { path.clone() }).await {
            Err(error) if is_stripped && error.detail.code == ErrorCode::NotFound => read(path).await?,
            outcome => outcome?,
        };
        let bytes = BASE64_STANDARD.decode(&data).map_err(AppError::internal)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => FileContent { data: text, encoding: FileEncoding::Utf8 },
            Err(_) => FileContent { data, encoding: FileEncoding::Base64 },
        })
    }

    /// Lists a folder.
    pub async fn list_files(&self, agent_id: AgentId, opts: FileListOpts) -> AppResult<Vec<FileEntry>> {
        let dir = opts.dir.unwrap_or_else(|| "/data".to_owned());
        self.command(agent_id, AgentCommand::File(FileCommand::List { dir }), check_usable).await
    }
}
