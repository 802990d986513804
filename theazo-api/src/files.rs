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
        if let Some(encoding) = &self.encoding {
            problems.require(!matches!(encoding, FileEncoding::Other(_)), "encoding", "must be `utf-8` or `base64`");
        }
    }
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
