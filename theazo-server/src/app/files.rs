//! Files in sandboxes.

use base64::{Engine, prelude::BASE64_STANDARD};
use theazo_api::{
    AgentId, ErrorCode, FileContent, FileDeleteOpts, FileEncoding, FileEntry, FileListOpts, FileMoveOpts,
    FileWriteOpts, FolderMakeOpts,
};

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
        let data = match read(absolute(&path)).await {
            Err(error) if is_stripped(&path) && error.detail.code == ErrorCode::NotFound => read(path).await?,
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

    /// Removes a file or folder.
    pub async fn delete_file(&self, agent_id: AgentId, path: String, opts: FileDeleteOpts) -> AppResult<()> {
        let recursive = opts.recursive.unwrap_or(false);
        let remove = |path: String| {
            let command = AgentCommand::File(FileCommand::Remove { path, recursive });
            self.command::<()>(agent_id.clone(), command, check_usable)
        };
        match remove(absolute(&path)).await {
            Err(error) if is_stripped(&path) && error.detail.code == ErrorCode::NotFound => remove(path).await,
            outcome => outcome,
        }
    }

    /// Moves a file or folder.
    pub async fn move_file(&self, agent_id: AgentId, opts: FileMoveOpts) -> AppResult<FileEntry> {
        let FileMoveOpts { source, target, overwrite } = opts;
        let command = FileCommand::Move { source, target, overwrite: overwrite.unwrap_or(false) };
        self.command(agent_id, AgentCommand::File(command), check_usable).await
    }

    /// Makes a folder.
    pub async fn make_folder(&self, agent_id: AgentId, opts: FolderMakeOpts) -> AppResult<FileEntry> {
        self.command(agent_id, AgentCommand::File(FileCommand::MakeFolder { path: opts.path }), check_usable).await
    }
}

/// Whether a path in an address most likely lost its leading slash, which the published client strips.
fn is_stripped(path: &str) -> bool {
    path.starts_with("data/") || path.starts_with("workspace/")
}

/// The path with the slash that it lost.
fn absolute(path: &str) -> String {
    if is_stripped(path) { format!("/{path}") } else { path.to_owned() }
}
