//! Logs: what happened, as people read it.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Reply, TimeClass, endpoints},
    id::{AgentId, LogId, SessionId},
    open_enum::open_enum,
    page::Page,
    time::Timestamp,
};

endpoints! {
    /// Finds log entries, the oldest first.
    QueryLogs: Get "/v1/logs" => "logs.query",
        query: LogQueryFilters, response: Page<LogEntry>;

    /// Streams log entries as they happen, from now on.
    StreamLogs: Get "/v1/logs/stream" => "logs.stream",
        query: LogStreamFilters, response: LogEntry,
        with { time: TimeClass::Stream, reply: Reply::Events };
}

open_enum! {
    /// How much a log entry matters.
    LogLevel {
        /// Details.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What deserves a look.
        Warn = "warn",
        /// What failed.
        Error = "error",
    }
}

open_enum! {
    /// Where a log entry comes from.
    LogSource {
        /// The agent's own work.
        Agent = "agent",
        /// The control plane.
        System = "system",
        /// A compute provider.
        Provider = "provider",
        /// A model.
        Model = "model",
    }
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The id. Its order is the order in which things happened.
    pub id: LogId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// Where it comes from.
    pub source: LogSource,
    /// What happened, for people.
    pub message: String,
    /// The agent; empty where none was involved.
    #[serde(default)]
    pub agent_id: String,
    /// The session; empty where none was involved.
    #[serde(default)]
    pub session_id: String,
    /// The end user; empty where none was involved.
    #[serde(default)]
    pub user_id: String,
    /// The provider; empty where none was involved.
    #[serde(default)]
    pub provider: String,
    /// What happened, for programs: the kind of event and its particulars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Which log entries to find.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogQueryFilters {
    /// Only entries of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only entries of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only entries of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// Only entries whose message has this text, in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only entries at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only entries before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many entries at most: 1 to 1000, 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for LogQueryFilters {
    fn check(&self, problems: &mut Problems) {
        if let Some(limit) = self.limit {
            problems.require((1..=1000).contains(&limit), "limit", "must be a whole number from 1 to 1000");
        }
    }
}

/// Which log entries to stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogStreamFilters {
    /// Only entries of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only entries of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only entries of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
}

impl Check for LogStreamFilters {}
