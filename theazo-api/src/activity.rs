//! Activity: everything that happens, in one stream.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Reply, TimeClass, endpoints},
    id::{AgentId, SessionId, TraceId},
    logs::LogEntry,
    metrics::MetricName,
    open_enum::open_enum,
    tagged_union::tagged_union,
    time::Timestamp,
    traces::TraceSpan,
};

endpoints! {
    /// Streams everything that happens, from now on: log entries, spans, metrics and changes of state.
    ///
    /// A stream that breaks resumes after the last event that arrived.
    StreamActivity: Get "/v1/activity/stream" => "activity.stream",
        query: ActivityFilters, response: ActivityEvent,
        with { time: TimeClass::Stream, reply: Reply::Events, last_events: &[], ours: true };

    /// Streams everything that happens over a WebSocket: from now on, or after the last event that was seen.
    OpenActivitySocket: Get "/v1/activity/socket" => "activity.socket",
        query: ActivitySocketFilters, response: ActivityMessage,
        with { time: TimeClass::Stream, reply: Reply::Socket, last_events: &[], ours: true };
}

/// What to stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityFilters {
    /// Only what happens in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only what happens to this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only what happens for this end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only events of these kinds, with commas between them: `log`, `span`, `metric`, `state`; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
}

impl Check for ActivityFilters {
    fn check(&self, problems: &mut Problems) {
        check_kinds(self.kinds.as_deref(), problems);
    }
}

fn check_kinds(kinds: Option<&str>, problems: &mut Problems) {
    problems.require(
        kinds.is_none_or(|kinds| kinds.split(',').all(|kind| ActivityEvent::KNOWN.contains(&kind.trim()))),
        "kinds",
        "must be some of `log`, `span`, `metric` and `state`, with commas between them",
    );
}

/// What to stream over a WebSocket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivitySocketFilters {
    /// Only what happens in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only what happens to this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only what happens for this end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only events of these kinds, with commas between them: `log`, `span`, `metric`, `state`; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
    /// The id of the last message that was seen, to go on after it; from now on by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Check for ActivitySocketFilters {
    fn check(&self, problems: &mut Problems) {
        check_kinds(self.kinds.as_deref(), problems);
    }
}

/// A message of a WebSocket that streams everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityMessage {
    /// The place of the event: `since` goes on after it.
    pub id: String,
    /// What happened.
    pub event: ActivityEvent,
}

open_enum! {
    /// What has a state that changes.
    ActivityResource {
        /// A session.
        Session = "session",
        /// An agent.
        Agent = "agent",
        /// A run of an agent.
        Run = "run",
        /// A fleet.
        Fleet = "fleet",
        /// A run of a team.
        TeamRun = "team_run",
        /// A run of a workflow.
        WorkflowRun = "workflow_run",
        /// A task.
        Task = "task",
        /// An approval.
        Approval = "approval",
        /// A schedule.
        Schedule = "schedule",
        /// A conversation.
        Conversation = "conversation",
        /// A connection to an MCP server.
        McpConnection = "mcp_connection",
    }
}

tagged_union! {
    /// Something that happens.
    ActivityEvent by "type", common {
        /// When it happened.
        timestamp: Timestamp,
        /// The session; empty where none was involved.
        #[serde(default)]
        session_id: String,
        /// The agent; empty where none was involved.
        #[serde(default)]
        agent_id: String,
        /// The end user; empty where none was involved.
        #[serde(default)]
        user_id: String,
    } {
        /// Something was logged.
        Log = "log" {
            /// The entry.
            entry: LogEntry,
        },
        /// Something that is traced began or ended. A span comes twice: while it is under way, and when it has ended.
        Span = "span" {
            /// The trace.
            trace_id: TraceId,
            /// The span.
            span: TraceSpan,
        },
        /// Something was measured.
        Metric = "metric" {
            /// The metric.
            name: MetricName,
            /// The value, in the unit of the metric.
            value: f64,
        },
        /// The state of something changed.
        State = "state" {
            /// What it is.
            resource: ActivityResource,
            /// Its id.
            id: String,
            /// Its new state.
            status: String,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kinds_that_exist_can_be_asked_for() {
        let problems = |kinds: &str| {
            let filters = ActivityFilters { kinds: Some(kinds.to_owned()), ..ActivityFilters::default() };
            Problems::of(&filters).len()
        };

        assert_eq!(problems("log"), 0);
        assert_eq!(problems("log, state,metric,span"), 0);
        assert_eq!(problems("logs"), 1);
        assert_eq!(problems(""), 1);
    }
}
