//! The bridge: what programs in a sandbox tell the control plane of themselves.
//!
//! A program finds the address in `THEAZO_ENDPOINT`, with a token of its sandbox in it, and the ids in
//! `THEAZO_AGENT_ID` and `THEAZO_SESSION_ID`. It never has an API key.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Access, Plane, Reply, endpoints},
    id::{AgentId, SessionId, SpanId, TraceId},
    logs::LogLevel,
    money::Cost,
    open_enum::open_enum,
    time::Timestamp,
};

endpoints! {
    /// Writes a log entry of the agent.
    LogFromSandbox: Post "/v1/sandbox/log" => "sandbox.log",
        body: BridgeLog,
        with {
            positional: &["level", "message"], status: 204, reply: Reply::Empty, access: Access::Sandbox,
            plane: Plane::Bridge,
        };

    /// Reports a call of a model that the program made itself.
    ///
    /// It counts in what the agent used. Nothing is charged for it: whoever calls a model with a key of their own pays its
    /// provider.
    TrackModelFromSandbox: Post "/v1/sandbox/model" => "sandbox.model",
        body: BridgeModelCall,
        with {
            positional: &["model", "inputTokens", "outputTokens"], status: 204, reply: Reply::Empty,
            access: Access::Sandbox, plane: Plane::Bridge,
        };

    /// Adds a span to the agent's trace.
    AddSpanFromSandbox: Post "/v1/sandbox/span" => "sandbox.span",
        body: BridgeSpan,
        with {
            positional: &["name", "startTime", "endTime", "durationMs", "status"], status: 204, reply: Reply::Empty,
            access: Access::Sandbox, plane: Plane::Bridge,
        };

    /// Reports how far the program is. It shows in `agent.progress` and in the streams of the run.
    ReportProgressFromSandbox: Post "/v1/sandbox/progress" => "sandbox.progress",
        body: BridgeProgress,
        with {
            positional: &["percentage", "message"], status: 204, reply: Reply::Empty, access: Access::Sandbox,
            plane: Plane::Bridge,
        };

    /// Reports what the program came to. It becomes the output of the run that is under way.
    CompleteFromSandbox: Post "/v1/sandbox/complete" => "sandbox.complete",
        body: BridgeCompletion,
        with {
            positional: &["output"], status: 204, reply: Reply::Empty, access: Access::Sandbox, plane: Plane::Bridge,
        };
}

/// A log entry of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BridgeLog {
    /// The agent that the program runs in.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// How much it matters.
    pub level: LogLevel,
    /// What happened.
    pub message: String,
    /// What belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// When it happened; when it arrives by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The trace that it belongs to; that of the run by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The span in which it happened; absent if it was in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
}

impl Check for BridgeLog {
    fn check(&self, problems: &mut Problems) {
        let is_level = !matches!(self.level, LogLevel::Other(_));
        problems.require(is_level, "level", "must be `debug`, `info`, `warn` or `error`");
        check_text(&self.message, "message", problems);
    }
}

/// Checks a text that a program reports: anything, but not endless.
fn check_text(text: &str, field: &str, problems: &mut Problems) {
    problems.require(text.len() <= 1 << 20, field, "is larger than 1 MiB");
}

/// A call of a model that a program made itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BridgeModelCall {
    /// The agent that the program runs in.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// The model.
    pub model: String,
    /// How many tokens it read.
    pub input_tokens: i64,
    /// How many tokens it wrote.
    pub output_tokens: i64,
    /// What it cost, if the program knows; noted, and not charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// When it was made; when it arrives by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The trace that it belongs to; that of the run by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The span that the call is; a new one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// The span in which it was made; absent if it was in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<SpanId>,
}

impl Check for BridgeModelCall {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.model.trim().is_empty(), "model", "must name the model");
        for (field, tokens) in [("inputTokens", self.input_tokens), ("outputTokens", self.output_tokens)] {
            problems.require(tokens >= 0, field, "must be a whole number that is not negative");
        }
        if let Some(cost) = &self.cost {
            problems.within("cost", cost);
        }
    }
}

open_enum! {
    /// How a span of a program ended.
    BridgeSpanStatus {
        /// As it should.
        Completed = "completed",
        /// With an error.
        Failed = "failed",
    }
}

/// A span of a program: something that it did, with its beginning and its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BridgeSpan {
    /// The agent that the program runs in.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// What the program did.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// How it ended.
    pub status: BridgeSpanStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<serde_json::Map<String, serde_json::Value>>,
    /// The trace that it belongs to; that of the run by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The id of the span; a new one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// The span that it is a part of; absent if it is a part of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<SpanId>,
}

impl Check for BridgeSpan {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.name.trim().is_empty(), "name", "must say what was done");
        check_text(&self.name, "name", problems);
        problems.require(self.duration_ms >= 0, "durationMs", "must be a whole number that is not negative");
        let is_status = !matches!(self.status, BridgeSpanStatus::Other(_));
        problems.require(is_status, "status", "must be `completed` or `failed`");
        check_text(self.error.as_deref().unwrap_or_default(), "error", problems);
    }
}

/// How far a program is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BridgeProgress {
    /// The agent that the program runs in.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// How far it is, 0 to 100; what is outside of that is taken as the nearer end.
    pub percentage: f64,
    /// What it is at.
    pub message: String,
    /// When that was so; when it arrives by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

impl Check for BridgeProgress {
    fn check(&self, problems: &mut Problems) {
        check_text(&self.message, "message", problems);
    }
}

/// What a program came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BridgeCompletion {
    /// The agent that the program runs in.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// What it came to.
    pub output: String,
    /// Paths of the files that belong to it.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// When it was done; when it arrives by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

impl Check for BridgeCompletion {
    fn check(&self, problems: &mut Problems) {
        problems.require(self.output.len() <= 4 << 20, "output", "is larger than 4 MiB");
        for path in &self.artifacts {
            problems.require(!path.is_empty(), "artifacts", "must be paths of files");
        }
    }
}
