//! What a test plane saw, as tests look back at it.

use serde::{Deserialize, Serialize};

use crate::{
    check::Check,
    id::{AgentId, RunId, SessionId},
    time::Timestamp,
};

/// A request that the plane was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordedRequest {
    /// The id of the operation; empty where the path is none of ours.
    pub operation: String,
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The HTTP status of the answer; 0 if the connection ended first.
    pub status: i32,
    /// The idempotency key; empty if there was none.
    #[serde(default)]
    pub idempotency_key: String,
    /// Which attempt of the client it was, from 1; 0 if the client did not say.
    #[serde(default)]
    pub attempt: i32,
    /// When it came.
    pub at: Timestamp,
}

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordedEventFilters {
    /// Only what happened in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only what happened to this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only what happened in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Only events of this kind, for example `tool.finished`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Check for RecordedEventFilters {}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordedEvent {
    /// Its place in the log; streams resume after it.
    pub id: String,
    /// What happened, for example `tool.finished`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The end user; empty where none was involved.
    #[serde(default)]
    pub user_id: String,
    /// The session; empty where none was involved.
    #[serde(default)]
    pub session_id: String,
    /// The agent; empty where none was involved.
    #[serde(default)]
    pub agent_id: String,
    /// The run; empty where none was involved.
    #[serde(default)]
    pub run_id: String,
    /// The particulars, as the plane keeps them.
    #[serde(default)]
    pub data: serde_json::Map<String, serde_json::Value>,
}
