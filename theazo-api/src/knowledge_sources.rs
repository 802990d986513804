//! Sources of knowledge: files that were uploaded, and syncs with what is elsewhere.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Reply, endpoints},
    error::ErrorDetail,
    id::{KnowledgeSourceId, SessionId},
    knowledge::{KnowledgeScope, KnowledgeScopeOpts, check_collection, check_owner},
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Connects a collection with a source elsewhere, which is read at once and again on a schedule.
    SyncKnowledge: Post "/v1/knowledge/sync" => "session.knowledge.sync",
        body: KnowledgeSyncOpts, response: KnowledgeSourceData,
        with { positional: &["source"], fills: &["userId", "sessionId"], status: 201, planned: true };

    /// Lists where the knowledge comes from, the newest source first.
    ListKnowledgeSources: Get "/v1/knowledge/sources" => "session.knowledge.sources",
        query: KnowledgeSourceListOpts, response: Page<KnowledgeSourceData>,
        with { fills: &["userId", "sessionId"], planned: true };

    /// Removes a source with all that comes from it, and ends its sync.
    DeleteKnowledgeSource: Delete "/v1/knowledge/sources/{sourceId}" => "session.knowledge.deleteSource",
        path: KnowledgeSourcePath, query: KnowledgeScopeOpts,
        with { fills: &["userId", "sessionId"], status: 204, reply: Reply::Empty, planned: true };
}

/// The path of a source of knowledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeSourcePath {
    /// The source.
    pub source_id: KnowledgeSourceId,
}

open_enum! {
    /// What kind of source knowledge comes from.
    KnowledgeSourceType {
        /// A file that was uploaded.
        Upload = "upload",
        /// Pages of Notion.
        Notion = "notion",
        /// Files of Google Drive.
        GoogleDrive = "google_drive",
        /// Pages of Confluence.
        Confluence = "confluence",
        /// Files of a repository on GitHub.
        Github = "github",
        /// A page of the web.
        Url = "url",
    }
}

/// A source elsewhere, and how it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeSyncSource {
    /// What kind of source it is: any but `upload`.
    pub r#type: KnowledgeSourceType,
    /// What is needed to read it, depending on its type. Name the secret that has a credential, as `credentialRef`.
    pub config: serde_json::Map<String, serde_json::Value>,
}

impl Check for KnowledgeSyncSource {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !matches!(self.r#type, KnowledgeSourceType::Upload | KnowledgeSourceType::Other(_)),
            "type",
            "must be `notion`, `google_drive`, `confluence`, `github` or `url`",
        );
    }
}

/// What a sync is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct KnowledgeSyncOpts {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose knowledge is meant; the user's by default, the session's own in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<KnowledgeScope>,
    /// The source.
    pub source: KnowledgeSyncSource,
    /// The collection, which is made if there is none; `default` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// When the source is read again, as five cron fields in UTC, for example `0 */6 * * *`; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_schedule: Option<String>,
}

compatible!(KnowledgeSyncOpts, accepts { "schedule" as "syncSchedule" });

impl Check for KnowledgeSyncOpts {
    fn check(&self, problems: &mut Problems) {
        check_owner(&self.user_id, self.session_id.as_ref(), self.scope.as_ref(), problems);
        problems.within("source", &self.source);
        check_collection(self.collection.as_ref(), problems);
        if let Some(schedule) = &self.sync_schedule {
            problems.require(
                schedule.split(' ').filter(|field| !field.is_empty()).count() == 5,
                "syncSchedule",
                "must be five fields as cron has them, for example `0 */6 * * *`",
            );
        }
    }
}

/// Which sources to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeSourceListOpts {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose knowledge is meant; the user's by default, the session's own in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<KnowledgeScope>,
    /// Only sources of this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for KnowledgeSourceListOpts {
    fn check(&self, problems: &mut Problems) {
        check_owner(&self.user_id, self.session_id.as_ref(), self.scope.as_ref(), problems);
        check_collection(self.collection.as_ref(), problems);
        check_page_limit(self.limit, problems);
    }
}

open_enum! {
    /// The state of a source of knowledge.
    KnowledgeSourceStatus {
        /// What comes from it can be found.
        Active = "active",
        /// It is being read; what was read before can be found.
        Syncing = "syncing",
        /// It could not be read the last time; what was read before can be found.
        Error = "error",
    }
}

/// A source of knowledge: a file that was uploaded, or a sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnowledgeSourceData {
    /// The id.
    pub id: KnowledgeSourceId,
    /// What kind of source it is.
    pub source: KnowledgeSourceType,
    /// The name of the file; empty for a sync.
    #[serde(default)]
    pub filename: String,
    /// The state.
    pub status: KnowledgeSourceStatus,
    /// The collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// When it is read again, as five cron fields in UTC; absent if it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_schedule: Option<String>,
    /// How many chunks come from it.
    pub chunk_count: i64,
    /// When it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Timestamp>,
    /// Why it could not be read the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// When it was added.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(of: &impl Check) -> Vec<String> {
        Problems::of(of).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_schedule_has_five_fields_under_either_name() {
        let sync = |schedule: &str| -> KnowledgeSyncOpts {
            serde_json::from_value(json!({
                "userId": "ada", "source": { "type": "notion", "config": {} }, "schedule": schedule,
            }))
            .unwrap()
        };

        assert_eq!(sync("0 */6 * * *").sync_schedule.as_deref(), Some("0 */6 * * *"));
        assert_eq!(problems(&sync("0 */6 * * *")), Vec::<String>::new());
        assert_eq!(problems(&sync("daily")), ["syncSchedule"]);
    }

    #[test]
    fn an_upload_is_no_sync() {
        let source = |kind: &str| KnowledgeSyncSource { r#type: kind.into(), config: serde_json::Map::new() };

        assert_eq!(problems(&source("github")), Vec::<String>::new());
        assert_eq!(problems(&source("upload")), ["type"]);
        assert_eq!(problems(&source("gopher")), ["type"]);
    }
}
