//! Runs: one task given to one agent, as a resource that outlives the call that started it.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    agents::AgentPath,
    check::{Check, Problems},
    compatible::{compatible, serve, serve_value},
    endpoint::{Reply, TimeClass, endpoints},
    error::ErrorDetail,
    id::{AgentId, FileId, RunId, SessionId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{SessionPath, SessionRunOpts, check_page_limit, check_task},
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Starts a run of a one-shot agent and returns at once.
    StartRun: Post "/v1/sessions/{sessionId}/runs" => "session.runs.start",
        path: SessionPath, body: SessionRunOpts, response: RunData,
        with {
            positional: &["agent", "task"], status: 202, strict: &["maxCost"], planned_fields: &["knowledge", "mcp"],
            ours: true,
        };

    /// Starts a run of a one-shot agent and streams what happens until it is done.
    ///
    /// It is `session.run` with every step shown. A stream that breaks resumes after the last event that arrived; the run
    /// is not started again. Leaving the stream early cancels the run.
    StreamInSession: Post "/v1/sessions/{sessionId}/runs/stream" => "session.stream",
        path: SessionPath, body: SessionRunOpts, response: StreamEvent,
        with {
            positional: &["agent", "task"], time: TimeClass::Stream, reply: Reply::Events, strict: &["maxCost"],
            planned_fields: &["knowledge", "mcp"], ends_with_caller: true, farewell: "CancelRun", ours: true,
        };

    /// Lists the runs of the session, the newest first.
    ListRuns: Get "/v1/sessions/{sessionId}/runs" => "session.runs.list",
        path: SessionPath, query: RunListFilters, response: Page<RunData>,
        with { ours: true };

    /// Starts a run of the agent and streams what happens until it is done.
    ///
    /// A stream that breaks resumes after the last event that arrived; the run is not started again. Leaving the
    /// stream early cancels the run.
    StreamAgentRun: Post "/v1/agents/{agentId}/runs/stream" => "agent.stream",
        path: AgentPath, body: RunStreamOpts, response: StreamEvent,
        with {
            positional: &["task"], time: TimeClass::Stream, reply: Reply::Events, strict: &["maxCost"],
            ends_with_caller: true, farewell: "CancelRun", ours: true,
        };

    /// Fetches a run.
    GetRun: Get "/v1/runs/{runId}" => "runs.get",
        path: RunPath, response: RunData,
        with { ours: true };

    /// Waits until the run is done and returns its result, or fails as the run failed.
    WaitForRun: Get "/v1/runs/{runId}/result" => "run.wait",
        path: RunPath, response: RunResult,
        with { time: TimeClass::Run, ours: true };

    /// Streams what happened and happens in the run, from its beginning, until it is done.
    StreamRun: Get "/v1/runs/{runId}/stream" => "run.stream",
        path: RunPath, response: StreamEvent,
        with { time: TimeClass::Stream, reply: Reply::Events, ours: true };

    /// Cancels the run. What it did so far is kept and paid for; a run that is done stays as it is.
    CancelRun: Post "/v1/runs/{runId}/cancel" => "run.cancel",
        path: RunPath, response: RunData,
        with { ours: true };
}

/// The path of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunPath {
    /// The run.
    pub run_id: RunId,
}

open_enum! {
    /// The state of a run.
    RunStatus {
        /// It waits for a worker.
        Queued = "queued",
        /// It is under way.
        Running = "running",
        /// It stands still: a limit was reached, or its agent or session was paused.
        Paused = "paused",
        /// It is done and has a result.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunData {
    /// The id.
    pub id: RunId,
    /// The session.
    pub session_id: SessionId,
    /// The agent.
    pub agent_id: AgentId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The name of the agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// The state.
    pub status: RunStatus,
    /// What it cost so far.
    pub cost: Cost,
    /// The result, when it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// Why it failed, or why it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When a worker first took it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunListFilters {
    /// Only runs in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for RunListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What one streamed run of an agent is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunStreamOpts {
    /// What the agent is to do.
    pub task: String,
    /// What the run may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
}

impl Check for RunStreamOpts {
    fn check(&self, problems: &mut Problems) {
        check_task(&self.task, problems);
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// The run.
    pub run_id: RunId,
    /// What the agent answered.
    pub output: String,
    /// Paths of the files that the agent wrote in `/workspace`, without those in hidden folders, `node_modules` and
    /// `__pycache__`, and of those that its program reported.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// What became of the artifacts of a one-shot agent, whose sandbox is gone: each is a stored file, or says why it was
    /// left out. Absent where the sandbox still has them, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<KeptArtifact>>,
    /// What the run cost: its model calls, its sandbox and its orchestration.
    pub cost: Cost,
    /// How long it took, for people: `3m 12s`.
    pub duration: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// The provider of the sandbox.
    pub provider: String,
    /// The tools that the model called, in order.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// What became of an artifact whose sandbox is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptArtifact {
    /// Where it was in the sandbox.
    pub path: String,
    /// The stored file that it is now, which `files.download` fetches; absent if it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// Bytes; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Why it was left out; absent if it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolCall>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolCall {
    /// The name of the tool.
    pub tool: String,
    /// What it was given.
    pub input: serde_json::Map<String, serde_json::Value>,
    /// What it returned.
    #[serde(default)]
    pub output: String,
}

compatible!(ToolCall, accepts { "name" as "tool" }, serves { "tool" as "name" });

tagged_union! {
    /// Something that happens in a run.
    ///
    /// `done` ends a stream whose run completed; `error` ends one whose run failed, was cancelled or is paused.
    StreamEvent by "type", serves other_names {
        /// The model wrote a piece of text.
        Text = "text" {
            /// The piece.
            text: String,
        },
        /// The model called a tool.
        ToolCall = "tool_call" {
            /// The id of the call, the same at its beginning and its end; null from a server that gives none.
            #[serde(default)]
            tool_call_id: Option<String>,
            /// The name of the tool.
            tool: String,
            /// What it is given.
            input: serde_json::Map<String, serde_json::Value>,
        },
        /// A tool returned.
        ToolResult = "tool_result" {
            /// The id of the call, the same at its beginning and its end; null from a server that gives none.
            #[serde(default)]
            tool_call_id: Option<String>,
            /// The name of the tool.
            tool: String,
            /// What it returned.
            output: String,
        },
        /// Something that a person who waits may want to know.
        Progress = "progress" {
            /// What happens.
            message: String,
            /// How far it is, 0 to 100.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            percentage: Option<f64>,
        },
        /// The run is completed.
        Done = "done" {
            /// The run.
            #[serde(default = "no_run")]
            run_id: RunId,
            /// What the agent answered.
            output: String,
            /// What the run cost.
            cost: Cost,
            /// How long it took, for people.
            duration: String,
            /// How long it took, in milliseconds.
            duration_ms: i64,
            /// Paths of the files that the agent wrote in `/workspace`, and of those that its program reported.
            #[serde(default)]
            artifacts: Vec<String>,
            /// What became of the artifacts of a one-shot agent, whose sandbox is gone. Absent where the sandbox still has
            /// them.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            files: Option<Vec<KeptArtifact>>,
        },
        /// The run failed, was cancelled, or is paused at a limit.
        Error = "error" {
            /// The run.
            run_id: RunId,
            /// Why.
            error: ErrorDetail,
        },
    }
}

/// A stream of another server than ours does not say which run it is of.
fn no_run() -> RunId {
    RunId::from("")
}

/// The documentation's first revision has other names than the published client.
fn other_names(members: &mut serde_json::Map<String, serde_json::Value>) {
    match members.get("type").and_then(|kind| kind.as_str()) {
        Some("text") => serve(members, "text", "delta"),
        Some("tool_call" | "tool_result") => serve(members, "tool", "name"),
        Some("done") => {
            let result = serde_json::json!({ "output": members.get("output"), "cost": members.get("cost") });
            serve_value(members, "result", result);
        }
        _ => {}
    }
}

impl StreamEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }
}
