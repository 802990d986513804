//! Traces: what one run did, as a tree of spans with their times.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::endpoints,
    id::{AgentId, SessionId, SpanId, TraceId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Lists traces, the newest first.
    ListTraces: Get "/v1/traces" => "traces.list",
        query: TraceListFilters, response: Page<Trace>,
        with { bare_list: true };

    /// Fetches a trace with its spans.
    GetTrace: Get "/v1/traces/{traceId}" => "traces.get",
        path: TracePath, response: TraceDetail;
}

/// The path of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TracePath {
    /// The trace.
    pub trace_id: TraceId,
}

/// Which traces to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceListFilters {
    /// Only traces of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only traces of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for TraceListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

open_enum! {
    /// How a trace or a span stands.
    TraceStatus {
        /// It is under way.
        Running = "running",
        /// It did what it was to do.
        Completed = "completed",
        /// It failed; its error says why.
        Failed = "failed",
    }
}

/// A trace: what one run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The id.
    pub trace_id: TraceId,
    /// The agent.
    pub agent_id: AgentId,
    /// The session; empty if it is not known.
    #[serde(default)]
    pub session_id: String,
    /// The run; empty where programs ran without one.
    #[serde(default)]
    pub run_id: String,
    /// How it stands; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TraceStatus>,
    /// When it began; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How long it took, or takes so far, in milliseconds.
    pub duration_ms: i64,
    /// What it cost.
    pub cost: Cost,
}

/// A trace with its spans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceDetail {
    /// The id.
    pub trace_id: TraceId,
    /// The agent.
    pub agent_id: AgentId,
    /// The session; empty if it is not known.
    #[serde(default)]
    pub session_id: String,
    /// The run; empty where programs ran without one.
    #[serde(default)]
    pub run_id: String,
    /// How it stands; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TraceStatus>,
    /// When it began; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How long it took, or takes so far, in milliseconds.
    pub duration_ms: i64,
    /// What it cost.
    pub cost: Cost,
    /// The spans, by the times at which they began. A span comes after the one that it is part of.
    #[serde(default)]
    pub spans: Vec<TraceSpan>,
}

open_enum! {
    /// What a span is of.
    SpanKind {
        /// A run as a whole.
        Run = "run",
        /// A call of a model.
        Model = "model",
        /// A call of a tool, built-in, registered or of an MCP server.
        Tool = "tool",
        /// A file that was written or read.
        File = "file",
        /// A program that ran in the sandbox.
        Exec = "exec",
        /// The sandbox itself: making, pausing, resuming and removing it.
        Sandbox = "sandbox",
        /// What a program in the sandbox reported of itself.
        Custom = "custom",
    }
}

/// A span: one thing that was done in a trace, with its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TraceSpan {
    /// The id.
    pub span_id: SpanId,
    /// The span that it is part of; null for the outermost.
    #[serde(default)]
    pub parent_span_id: Option<SpanId>,
    /// What was done, for people.
    pub name: String,
    /// What it is of.
    #[serde(default = "custom")]
    pub kind: SpanKind,
    /// How it stands.
    #[serde(default = "completed")]
    pub status: TraceStatus,
    /// Why it failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended; for one that is under way, the time of the answer.
    pub end_time: Timestamp,
    /// How long it took, or takes so far, in milliseconds.
    pub duration_ms: i64,
    /// More, by name: of a call of a model, for example, the tokens and what they cost.
    #[serde(default)]
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// The published client's spans do not say of what they are.
fn custom() -> SpanKind {
    SpanKind::Custom
}

/// The published client's spans do not say how they stand.
fn completed() -> TraceStatus {
    TraceStatus::Completed
}
