//! Knowledge: documents that agents look things up in, kept apart for each end user.
//!
//! The first version's routes, `/v1/sessions/{sessionId}/knowledge/...`, name a session where these name a user. They
//! would need a translation, so they are not among the older routes.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Repeat, Reply, TimeClass, endpoints},
    id::{KnowledgeSourceId, SessionId},
    open_enum::open_enum,
    page::Page,
    sessions::check_user_id,
    stored_files::is_base64,
};

endpoints! {
    /// Adds files to a collection and returns when they can be found.
    ///
    /// PDF, TXT, MD, DOCX, HTML and CSV are read. A file that cannot be read is no error of this call: its result says
    /// why, and the others are added.
    UploadKnowledge: Post "/v1/knowledge/upload" => "session.knowledge.upload",
        body: KnowledgeUploadOpts, response: KnowledgeUpload,
        with {
            positional: &["files"], fills: &["userId", "sessionId"], status: 201, time: TimeClass::Run, planned: true,
        };

    /// Finds what fits the question best, the best first.
    QueryKnowledge: Post "/v1/knowledge/query" => "session.knowledge.query",
        body: KnowledgeQueryOpts, response: Page<KnowledgeResult>,
        with {
            positional: &["query"], fills: &["userId", "sessionId"], repeat: Repeat::Idempotent, planned: true,
        };

    /// Reports how much knowledge there is.
    GetKnowledgeStats: Get "/v1/knowledge/stats" => "session.knowledge.stats",
        query: KnowledgeScopeOpts, response: KnowledgeStats,
        with { fills: &["userId", "sessionId"], planned: true };

    /// Removes a collection with all that is in it, and ends its syncs.
    DeleteKnowledgeCollection: Delete "/v1/knowledge/collections/{name}" => "session.knowledge.deleteCollection",
        path: KnowledgeCollectionPath, query: KnowledgeScopeOpts,
        with { fills: &["userId", "sessionId"], status: 204, reply: Reply::Empty, planned: true };
}

/// The path of a collection of knowledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeCollectionPath {
    /// The name of the collection.
    pub name: String,
}

open_enum! {
    /// Whose knowledge is meant.
    KnowledgeScope {
        /// The user's: all sessions of the user share it.
        User = "user",
        /// The session's own: no other session has it, and it goes with the session.
        Session = "session",
    }
}

/// Whose knowledge is meant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeScopeOpts {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose knowledge is meant; the user's by default, the session's own in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<KnowledgeScope>,
}

impl Check for KnowledgeScopeOpts {
    fn check(&self, problems: &mut Problems) {
        check_owner(&self.user_id, self.session_id.as_ref(), self.scope.as_ref(), problems);
    }
}

/// Checks that it is known whose knowledge is meant.
pub(crate) fn check_owner(
    user_id: &str,
    session_id: Option<&SessionId>,
    scope: Option<&KnowledgeScope>,
    problems: &mut Problems,
) {
    if !user_id.is_empty() {
        check_user_id(user_id, problems);
    } else if session_id.is_none() {
        problems.add("userId", "must be given; an anonymous session has `sessionId` instead");
    }
    match scope {
        Some(KnowledgeScope::User) => {
            problems.require(!user_id.is_empty(), "scope", "cannot be `user`: the session has no user");
        }
        Some(KnowledgeScope::Session) => {
            problems.require(session_id.is_some(), "sessionId", "must be given where `scope` is `session`");
        }
        Some(KnowledgeScope::Other(_)) => problems.add("scope", "must be `user` or `session`"),
        None => {}
    }
}

/// Checks the name of a collection.
pub(crate) fn check_collection(collection: Option<&String>, problems: &mut Problems) {
    if let Some(name) = collection {
        problems.require(
            !name.trim().is_empty() && name.len() <= 128 && !name.chars().any(char::is_control) && !name.contains('/'),
            "collection",
            "must be 1 to 128 bytes of text without control characters and slashes",
        );
    }
}

fn is_http(address: &str) -> bool {
    (address.starts_with("https://") || address.starts_with("http://")) && address.len() <= 2048
}

/// What an upload is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeUploadOpts {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose knowledge is meant; the user's by default, the session's own in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<KnowledgeScope>,
    /// The files, 1 to 100; 32 MiB in all as they are sent.
    pub files: Vec<KnowledgeFile>,
    /// The collection, which is made if there is none; `default` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
}

impl Check for KnowledgeUploadOpts {
    fn check(&self, problems: &mut Problems) {
        check_owner(&self.user_id, self.session_id.as_ref(), self.scope.as_ref(), problems);
        problems.require((1..=100).contains(&self.files.len()), "files", "must be 1 to 100 files");
        for file in &self.files {
            file.check(problems);
        }
        check_collection(self.collection.as_ref(), problems);
    }
}

/// A file of an upload: its content, or the address that has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct KnowledgeFile {
    /// The name, which results show as their source.
    pub filename: String,
    /// The content as base64; left out where `url` is given.
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The address that has the content: `https`, and reachable from the internet; left out where `data` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What kind of file it is, for example `text/markdown`; told from the name if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

compatible!(KnowledgeFile, accepts { "name" as "filename", "content" as "data", "type" as "mimeType" });

impl Check for KnowledgeFile {
    fn check(&self, problems: &mut Problems) {
        let name = &self.filename;
        problems.require(
            !name.trim().is_empty() && name.len() <= 255 && !name.chars().any(char::is_control),
            "files",
            "has a file whose `filename` is not 1 to 255 bytes of text without control characters",
        );
        problems.require(
            self.data.is_some() != self.url.is_some(),
            "files",
            "has a file without exactly one of `data` and `url`",
        );
        problems.require(
            self.data.iter().all(|data| is_base64(data)),
            "files",
            "has a file whose `data` is not base64",
        );
        problems.require(
            self.url.iter().all(|url| is_http(url)),
            "files",
            "has a file whose `url` is not an `https` address of at most 2048 bytes",
        );
    }
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeUpload {
    /// The collection.
    pub collection: String,
    /// How many chunks were added.
    pub chunks: i64,
    /// How many files were added as sources.
    pub sources: i64,
    /// What became of each file, in the order of the upload.
    #[serde(default)]
    pub files: Vec<KnowledgeFileResult>,
}

/// What became of a file of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeFileResult {
    /// The name.
    pub filename: String,
    /// The source that it became; absent if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<KnowledgeSourceId>,
    /// How many chunks it was cut into.
    #[serde(default)]
    pub chunks: i64,
    /// Why it could not be read, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What to find.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeQueryOpts {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose knowledge is meant; the user's by default, the session's own in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<KnowledgeScope>,
    /// The question, in plain words.
    pub query: String,
    /// The collection; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// How many results to return at most: 1 to 100, 5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// How well a result must fit at least, 0 to 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The `cursor` of the page before: the results that fit less well than those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for KnowledgeQueryOpts {
    fn check(&self, problems: &mut Problems) {
        check_owner(&self.user_id, self.session_id.as_ref(), self.scope.as_ref(), problems);
        problems.require(
            !self.query.trim().is_empty() && self.query.len() <= 8192,
            "query",
            "must be 1 to 8192 bytes of text",
        );
        check_collection(self.collection.as_ref(), problems);
        if let Some(top_k) = self.top_k {
            problems.require((1..=100).contains(&top_k), "topK", "must be a whole number from 1 to 100");
        }
        if let Some(threshold) = self.threshold {
            problems.require((0.0..=1.0).contains(&threshold), "threshold", "must be a number from 0 to 1");
        }
    }
}

/// A chunk of a document that fits a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeResult {
    /// The text of the chunk.
    pub content: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// The document that it is from, for people.
    pub source: String,
    /// Which chunk of the document it is, from 0.
    pub chunk: i64,
    /// The source that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<KnowledgeSourceId>,
    /// The collection that it is from; empty where the server does not say.
    #[serde(default)]
    pub collection: String,
    /// Where in the document it is, as far as that is known.
    #[serde(default)]
    pub metadata: KnowledgeMetadata,
}

/// Where a chunk is from, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeMetadata {
    /// The name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The page, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<i64>,
    /// The heading that it is under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// The address of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A hash of the document's content, which changes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
}

/// How much knowledge there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct KnowledgeStats {
    /// How many collections there are.
    pub collections: i64,
    /// How many chunks are in them.
    pub total_chunks: i64,
    /// How many tokens are in them.
    pub total_tokens: i64,
    /// How much storage they take, in gigabytes.
    pub storage_gb: f64,
}

compatible!(KnowledgeStats, accepts { "storageGB" as "storageGb" }, serves { "storageGb" as "storageGB" });

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(of: &impl Check) -> Vec<String> {
        Problems::of(of).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_file_has_the_documented_names_too() {
        let read = |json: Value| serde_json::from_value::<KnowledgeFile>(json).unwrap();

        let documented = read(json!({ "name": "a.md", "content": "IyBB", "type": "text/markdown" }));

        assert_eq!(documented, read(json!({ "filename": "a.md", "data": "IyBB", "mimeType": "text/markdown" })));
        assert_eq!(problems(&documented), Vec::<String>::new());
    }

    #[test]
    fn a_file_has_content_or_an_address() {
        let file = |json: Value| problems(&serde_json::from_value::<KnowledgeFile>(json).unwrap()).len();

        assert_eq!(file(json!({ "filename": "a.md", "url": "https://example.com/a.md" })), 0);
        assert_eq!(file(json!({ "filename": "a.md" })), 1);
        assert_eq!(file(json!({ "filename": "a.md", "data": "IyBB", "url": "https://example.com/a.md" })), 1);
        assert_eq!(file(json!({ "filename": "", "data": "# A" })), 2);
        assert_eq!(file(json!({ "filename": "a.md", "url": "file:///etc/passwd" })), 1);
    }

    #[test]
    fn nobody_asks_for_knowledge_that_belongs_to_nobody() {
        let scope = |user: &str, session: Option<&str>, scope: Option<&str>| KnowledgeScopeOpts {
            user_id: user.to_owned(),
            session_id: session.map(Into::into),
            scope: scope.map(Into::into),
        };

        assert_eq!(problems(&scope("ada", None, None)), Vec::<String>::new());
        assert_eq!(problems(&scope("", Some("ses_1"), None)), Vec::<String>::new());
        assert_eq!(problems(&scope("", None, None)), ["userId"]);
        assert_eq!(problems(&scope("", Some("ses_1"), Some("user"))), ["scope"]);
        assert_eq!(problems(&scope("ada", None, Some("session"))), ["sessionId"]);
        assert_eq!(problems(&scope("ada", None, Some("everyone"))), ["scope"]);
    }

    #[test]
    fn the_storage_is_served_in_the_published_casing() {
        let published = json!({ "collections": 2, "totalChunks": 342, "totalTokens": 175_104, "storageGB": 0.5 });

        let stats: KnowledgeStats = serde_json::from_value(published).unwrap();

        assert_eq!(serde_json::to_value(&stats).unwrap()["storageGb"], 0.5);
        assert_eq!(for_published_clients(|| serde_json::to_value(&stats).unwrap())["storageGB"], 0.5);
    }
}
