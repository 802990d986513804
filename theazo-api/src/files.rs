//! Files in a sandbox.

use serde::{Deserialize, Serialize};

use crate::{
    agents::AgentPath,
    check::{Check, Problems},
    endpoint::{Repeat, Reply, endpoints},
    id::AgentId,
    open_enum::open_enum,
    time::Timestamp,
};

endpoints! {
    /// Writes a file in the agent's sandbox and makes the folders that it needs.
    ///
    /// A relative path is relative to `/workspace`. Only `/workspace` and `/data` can be written.
    WriteFile: Post "/v1/agents/{agentId}/files" => "agent.files.write",
        path: AgentPath, body: FileWriteOpts,
        with { positional: &["path", "data"], status: 204, reply: Reply::Empty, repeat: Repeat::Idempotent };

    /// Reads a file from the agent's sandbox.
    ReadFile: Get "/v1/agents/{agentId}/files/{path...}" => "agent.files.read",
        path: AgentFilePath, response: FileContent;

    /// Lists a folder of the agent's sandbox, by name.
    ListFiles: Get "/v1/agents/{agentId}/files" => "agent.files.list",
        path: AgentPath, query: FileListOpts, response: Vec<FileEntry>,
        with { positional: &["dir"] };

    /// Removes a file or folder from the agent's sandbox.
    DeleteFile: Delete "/v1/agents/{agentId}/files/{path...}" => "agent.files.delete",
        path: AgentFilePath, query: FileDeleteOpts,
        with { status: 204, reply: Reply::Empty, ours: true };

    /// Moves a file or folder in the agent's sandbox, or gives it another name, and makes the folders that it needs.
    MoveFile: Post "/v1/agents/{agentId}/file-moves" => "agent.files.rename",
        path: AgentPath, body: FileMoveOpts, response: FileEntry,
        with { positional: &["source", "target"], ours: true };

    /// Makes a folder in the agent's sandbox, with those that it is in. A folder that is there already stays as it is.
    MakeFolder: Post "/v1/agents/{agentId}/folders" => "agent.files.makeDir",
        path: AgentPath, body: FolderMakeOpts, response: FileEntry,
        with { positional: &["path"], status: 201, repeat: Repeat::Idempotent, ours: true };
}

/// The path of a file in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentFilePath {
    /// The agent.
    pub agent_id: AgentId,
    /// The path of the file; a relative one is relative to `/workspace`.
    pub path: String,
}

open_enum! {
    /// How the content of a file stands in JSON.
    FileEncoding {
        /// As text.
        Utf8 = "utf-8",
        /// As base64, for any bytes.
        Base64 = "base64",
    }
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileWriteOpts {
    /// The path; a relative one is relative to `/workspace`.
    pub path: String,
    /// The content, as `encoding` says.
    pub data: String,
    /// How the content stands in `data`; `utf-8` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<FileEncoding>,
}

impl Check for FileWriteOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.path.is_empty(), "path", "must name a file");
        check_encoding(self.encoding.as_ref(), problems);
    }
}

/// Checks how content stands in JSON.
pub(crate) fn check_encoding(encoding: Option<&FileEncoding>, problems: &mut Problems) {
    problems.require(!matches!(encoding, Some(FileEncoding::Other(_))), "encoding", "must be `utf-8` or `base64`");
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileContent {
    /// The content, as `encoding` says.
    pub data: String,
    /// How the content stands in `data`: `utf-8` where it is text, `base64` otherwise.
    pub encoding: FileEncoding,
}

/// Which folder to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileListOpts {
    /// The folder; `/data` by default. A relative path is relative to `/workspace`, and `/` shows both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}

impl Check for FileListOpts {}

/// A file or folder in a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// The name, without its folder.
    pub name: String,
    /// Bytes; 0 for a folder.
    pub size: i64,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Whether it is a folder.
    #[serde(default)]
    pub directory: bool,
}

/// How to remove a file or folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileDeleteOpts {
    /// Whether a folder goes with all that is in it; false by default: then only an empty one goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
}

impl Check for FileDeleteOpts {}

/// A file or folder to move.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileMoveOpts {
    /// Where it is; a relative path is relative to `/workspace`.
    pub source: String,
    /// Where it is to be, with its name; a relative path is relative to `/workspace`.
    pub target: String,
    /// Whether a file that is there already is replaced; false by default: then the call fails with `conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
}

impl Check for FileMoveOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.source.is_empty(), "source", "must name a file or folder");
        problems.require(!self.target.is_empty(), "target", "must name a file or folder");
    }
}

/// A folder to make.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FolderMakeOpts {
    /// The path; a relative one is relative to `/workspace`.
    pub path: String,
}

impl Check for FolderMakeOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.path.is_empty(), "path", "must name a folder");
    }
}
