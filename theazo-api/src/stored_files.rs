//! Files of the account: what users gave to agents, what agents made, and documents for knowledge.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Reply, endpoints},
    files::FileContent,
    id::{AgentId, FileId, SessionId},
    open_enum::open_enum,
    page::Page,
    sessions::{check_page_limit, check_user_id},
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Stores a file for an end user.
    ///
    /// What is stored as `agent_input` is in the sandboxes of the user's agents, as `/data/` and its name.
    UploadFile: Post "/v1/files" => "files.upload",
        body: FileUploadOpts, response: StoredFile,
        with { positional: &["filename", "data", "purpose", "userId"], status: 201 };

    /// Fetches what is known of a file; `files.download` fetches its content.
    GetFile: Get "/v1/files/{fileId}" => "files.get",
        path: StoredFilePath, response: StoredFile;

    /// Lists files, the newest first.
    ListStoredFiles: Get "/v1/files" => "files.list",
        query: FileListFilters, response: Page<StoredFile>;

    /// Makes an address at which anyone who has it can download the file for a while, without a key.
    GetFileUrl: Get "/v1/files/{fileId}/url" => "files.getUrl",
        path: StoredFilePath, query: FileUrlOpts, response: FileUrl;

    /// Fetches the content of a file.
    DownloadFile: Get "/v1/files/{fileId}/content" => "files.download",
        path: StoredFilePath, response: FileContent,
        with { ours: true };

    /// Deletes a file. Addresses that were made for it stop working; what knowledge took from it stays.
    DeleteStoredFile: Delete "/v1/files/{fileId}" => "files.delete",
        path: StoredFilePath,
        with { status: 204, reply: Reply::Empty };
}

/// The path of a file of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredFilePath {
    /// The file.
    pub file_id: FileId,
}

open_enum! {
    /// What a file is for.
    FilePurpose {
        /// A user gave it to agents.
        AgentInput = "agent_input",
        /// An agent made it.
        AgentOutput = "agent_output",
        /// A document for knowledge.
        Knowledge = "knowledge",
    }
}

/// A file to store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileUploadOpts {
    /// The name of the file, without folders.
    pub filename: String,
    /// The content, as base64.
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub data: String,
    /// What it is for.
    pub purpose: FilePurpose,
    /// The end user, by the id that your own system uses.
    pub user_id: String,
    /// The kind of content, for example `application/pdf`; told from the name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Whether a document is taken into knowledge at once; false by default. Only for the purpose `knowledge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_ingest: Option<bool>,
    /// The collection of knowledge that takes it; the user's default one if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
}

impl Check for FileUploadOpts {
    fn check(&self, problems: &mut Problems) {
        let is_name = !matches!(self.filename.as_str(), "" | "." | "..") && self.filename.len() <= 255;
        let has_folders = self.filename.contains(['/', '\\']) || self.filename.chars().any(char::is_control);
        problems.require(
            is_name && !has_folders,
            "filename",
            "must be a name of 1 to 255 bytes, without folders and control characters",
        );
        problems.require(is_base64(&self.data), "data", "must be base64");
        if let FilePurpose::Other(_) = &self.purpose {
            problems.add("purpose", "must be `agent_input`, `agent_output` or `knowledge`");
        }
        check_user_id(&self.user_id, problems);
        if let Some(mime_type) = &self.mime_type {
            let is_type = mime_type.len() <= 255
                && mime_type.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
            problems.require(is_type, "mimeType", "must be a kind of content such as `application/pdf`");
        }
        problems.require(
            self.auto_ingest != Some(true) || self.purpose == FilePurpose::Knowledge,
            "autoIngest",
            "is only for the purpose `knowledge`",
        );
        if let Some(collection) = &self.collection {
            problems.require(!collection.trim().is_empty(), "collection", "must name a collection");
        }
    }
}

/// Whether a text is base64 of the standard alphabet, with its padding.
pub(crate) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// A file of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// The id.
    pub id: FileId,
    /// The name, without folders.
    pub filename: String,
    /// The kind of content; null if it is not known.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// Bytes.
    pub size: i64,
    /// What it is for.
    pub purpose: FilePurpose,
    /// The end user; empty where an agent in an anonymous session made it.
    #[serde(default)]
    pub user_id: String,
    /// The agent that made it; null if none did.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The session in which it was made; null if it was uploaded.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Which files to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileListFilters {
    /// Only files of this end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only files for this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<FilePurpose>,
    /// Only files that this agent made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only files that were made in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for FileListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// How long the address of a file works.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileUrlOpts {
    /// How long it works: 1 hour by default, 7 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<DurationInput>,
}

impl Check for FileUrlOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(expires_in) = self.expires_in {
            problems.require(
                !expires_in.0.is_zero() && expires_in.0.as_secs() <= 7 * 24 * 3600,
                "expiresIn",
                "must be longer than nothing and at most 7 days",
            );
        }
    }
}

/// An address at which a file can be downloaded without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileUrl {
    /// The address. Whoever has it can read the file.
    pub url: String,
    /// When it stops working; null if that is not known.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn base64_is_told_from_other_text() {
        for text in ["", "aGk=", "aGVsbG8=", "aGV5", "+/+/"] {
            assert!(is_base64(text), "{text}");
        }
        for text in ["a", "hi there", "aGk", "a===", "=aaa", "aG-_", "aGk=\n"] {
            assert!(!is_base64(text), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_plain_name_and_only_documents_are_ingested() {
        let fields = |json: Value| {
            let opts: FileUploadOpts = serde_json::from_value(json).unwrap();
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        let upload =
            json!({ "filename": "a.pdf", "data": "aGk=", "purpose": "knowledge", "userId": "u", "autoIngest": true });
        assert_eq!(fields(upload), [""; 0]);
        let upload = json!({
            "filename": "../a", "data": "hi!", "purpose": "gift", "userId": " ", "mimeType": "pdf", "autoIngest": true,
        });
        assert_eq!(fields(upload), ["filename", "data", "purpose", "userId", "mimeType", "autoIngest"]);
    }
}
