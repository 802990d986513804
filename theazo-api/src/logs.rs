//! Logs: what happened, as people read it.

#![allow(
    clippy::large_enum_variant,
    reason = "nearly every event of an agent's log is an entry, so a box would only cost"
)]

use serde::{Deserialize, Serialize};

use crate::{
    agents::AgentPath,
    check::{Check, Problems},
    endpoint::{Reply, TimeClass, endpoints},
    id::{AgentId, LogId, SessionId, TraceId},
    open_enum::open_enum,
    page::Page,
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Finds log entries, the oldest first.
    QueryLogs: Get "/v1/logs" => "logs.query",
        query: LogQueryFilters, response: Page<LogEntry>;

    /// Streams log entries as they happen, from now on.
    StreamLogs: Get "/v1/logs/stream" => "logs.stream",
        query: LogStreamFilters, response: LogEntry,
        with { time: TimeClass::Stream, reply: Reply::Events, last_events: &[] };

    /// Streams the log entries of the agent as they happen, from now on, with a heartbeat every 15 seconds.
    StreamAgentLogs: Get "/v1/agents/{agentId}/logs/stream" => "agent.logs",
        path: AgentPath, query: AgentLogFilters, response: AgentLogEvent,
        with { time: TimeClass::Stream, reply: Reply::Events, last_events: &[] };

    /// Streams log entries over a WebSocket, as they happen: from now on, or after the last one that was seen.
    OpenLogSocket: Get "/v1/logs/socket" => "logs.socket",
        query: LogSocketFilters, response: LogEntry,
        with { time: TimeClass::Stream, reply: Reply::Socket, last_events: &[], ours: true };
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

/// A level that is none would find nothing for ever.
fn check_level(level: Option<&LogLevel>, problems: &mut Problems) {
    let is_known = !matches!(level, Some(LogLevel::Other(_)));
    problems.require(is_known, "level", "must be `debug`, `info`, `warn` or `error`");
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
    /// The trace that it belongs to; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
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
        check_level(self.level.as_ref(), problems);
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

impl Check for LogStreamFilters {
    fn check(&self, problems: &mut Problems) {
        check_level(self.level.as_ref(), problems);
    }
}

/// Which log entries of an agent to stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentLogFilters {
    /// Only entries of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
}

impl Check for AgentLogFilters {
    fn check(&self, problems: &mut Problems) {
        check_level(self.level.as_ref(), problems);
    }
}

tagged_union! {
    /// Something in the log stream of an agent.
    AgentLogEvent by "event" {
        /// Something was logged.
        Log = "log" {
            /// The id. Its order is the order in which things happened.
            id: LogId,
            /// When it happened.
            timestamp: Timestamp,
            /// How much it matters.
            level: LogLevel,
            /// Where it comes from.
            source: LogSource,
            /// What happened, for people.
            message: String,
            /// The agent.
            #[serde(default)]
            agent_id: String,
            /// The session.
            #[serde(default)]
            session_id: String,
            /// The end user; empty in an anonymous session.
            #[serde(default)]
            user_id: String,
            /// The provider; empty where none was involved.
            #[serde(default)]
            provider: String,
            /// What happened, for programs: the kind of event and its particulars.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            metadata: Option<serde_json::Map<String, serde_json::Value>>,
            /// The trace that it belongs to; absent where there is none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            trace_id: Option<TraceId>,
        },
        /// Nothing happened, and the stream is alive.
        Heartbeat = "heartbeat" {
            /// The time on the server, in milliseconds since the start of 1970.
            t: i64,
        },
    }
}

impl From<LogEntry> for AgentLogEvent {
    fn from(entry: LogEntry) -> Self {
        let LogEntry {
            id,
            timestamp,
            level,
            source,
            message,
            agent_id,
            session_id,
            user_id,
            provider,
            metadata,
            trace_id,
        } = entry;
        Self::Log { id, timestamp, level, source, message, agent_id, session_id, user_id, provider, metadata, trace_id }
    }
}

/// Which log entries to stream over a WebSocket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogSocketFilters {
    /// Only entries of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only entries of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only entries of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// The id of the last entry that was seen, to go on after it; from now on by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<LogId>,
}

impl Check for LogSocketFilters {
    fn check(&self, problems: &mut Problems) {
        if let Some(since) = &self.since {
            problems.require(since.is_well_formed(), "since", "must be the id of a log entry");
        }
        check_level(self.level.as_ref(), problems);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_stands_in_the_stream_of_its_agent_as_it_does_elsewhere() {
        let json = json!({
            "id": "log_1", "timestamp": "2026-11-24T09:00:00.000Z", "level": "info", "source": "agent", "message": "hi",
            "agentId": "agt_1", "sessionId": "ses_1", "userId": "", "provider": "", "traceId": "tr_1",
        });
        let entry: LogEntry = serde_json::from_value(json.clone()).unwrap();

        let mut event = serde_json::to_value(AgentLogEvent::from(entry)).unwrap();
        assert_eq!(event.as_object_mut().unwrap().remove("event"), Some(json!("log")));
        assert_eq!(event, json);
    }
}
