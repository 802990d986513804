//! Agents: what runs tasks and programs in a sandbox of its own.

use serde::{Deserialize, Serialize};

use crate::{
    agent_options::AgentCreateOpts,
    check::{Check, Problems},
    endpoint::{Reply, TimeClass, endpoints},
    id::{AgentDefinitionId, AgentId, CheckpointId, SessionId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    runs::{RunResult, StreamEvent},
    sessions::{SessionPath, check_page_limit, check_task},
    snapshots::Snapshot,
    time::Timestamp,
};

endpoints! {
    /// Creates an agent that lives until it is terminated.
    ///
    /// Its sandbox is ready when the call returns. One agent more than `maxAgents` allows is refused with
    /// `session_limit_exceeded`.
    CreateAgent: Post "/v1/sessions/{sessionId}/agents" => "session.agents.create",
        path: SessionPath, body: AgentCreateOpts, response: AgentData,
        with {
            status: 201, time: TimeClass::Run,
            strict: &[
                "costCap", "guardrails", "longRunning", "network", "overrides.costCap", "overrides.guardrails",
                "overrides.longRunning", "overrides.network",
            ],
            planned_fields: &[
                "approvals", "knowledge", "mcp", "metadata", "overrides.approvals", "overrides.knowledge", "overrides.mcp",
                "overrides.metadata",
            ],
        };

    /// Lists the agents of the session, the newest first.
    ListSessionAgents: Get "/v1/sessions/{sessionId}/agents" => "session.agents.list",
        path: SessionPath, query: SessionAgentListFilters, response: Page<AgentData>;

    /// Fetches an agent.
    GetAgent: Get "/v1/agents/{agentId}" => "agents.get",
        path: AgentPath, response: AgentData;

    /// Lists the agents of all sessions, the newest first.
    ListAgents: Get "/v1/agents" => "agents.list",
        query: AgentListFilters, response: Page<AgentData>;

    /// Gives the agent a task and waits for the result. What it did before is remembered.
    RunAgent: Post "/v1/agents/{agentId}/run" => "agent.run",
        path: AgentPath, body: RunOpts, response: RunResult,
        with { positional: &["task"], time: TimeClass::Run, strict: &["maxCost"] };

    /// Streams what the agent does, from now on, until the run that is under way or comes next is done.
    ///
    /// This is the published stream: open it, then post a run with `stream: true`. `agent.stream` does both in one call.
    WatchAgent: Get "/v1/agents/{agentId}/stream" => "agent.watch",
        path: AgentPath, response: StreamEvent,
        with { time: TimeClass::Stream, reply: Reply::Events };

    /// Reports the state of the agent, its present or last task, and what it cost so far.
    GetAgentStatus: Get "/v1/agents/{agentId}/status" => "agent.status",
        path: AgentPath, response: AgentStatusInfo;

    /// Pauses the agent. Its files stay, its programs stop, and it costs nothing until it is resumed.
    PauseAgent: Post "/v1/agents/{agentId}/pause" => "agent.pause",
        path: AgentPath, response: Snapshot,
        with { time: TimeClass::Run };

    /// Resumes a paused agent; a run that was paused with it goes on.
    ///
    /// With a checkpoint it goes on from there: its files and its memory are as they were. What it did since is forgotten, not
    /// undone, and what that cost stays spent.
    ResumeAgent: Post "/v1/agents/{agentId}/resume" => "agent.resume",
        path: AgentPath, body: ResumeOpts, response: AgentData,
        with { time: TimeClass::Run };

    /// Runs the task of the agent's last failed run again.
    RetryAgent: Post "/v1/agents/{agentId}/retry" => "agent.retry",
        path: AgentPath, response: AgentData;

    /// Ends the agent and removes its sandbox with everything in it.
    TerminateAgent: Post "/v1/agents/{agentId}/terminate" => "agent.terminate",
        path: AgentPath, response: AgentData,
        with { time: TimeClass::Run };

    /// Says something to the agent while it works, or wakes it if it hibernates.
    ///
    /// An agent that works reads it before its next step; for one that has nothing to do, or hibernates, it is the next task. An
    /// agent that was paused or has ended refuses it with `conflict`.
    SendToAgent: Post "/v1/agents/{agentId}/send" => "agent.send",
        path: AgentPath, body: SendInputOpts,
        with { positional: &["content"], status: 204, reply: Reply::Empty };

    /// Reports how far a long-running agent is: its phase, its checkpoints and how long it was active.
    GetAgentProgress: Get "/v1/agents/{agentId}/progress" => "agent.progress",
        path: AgentPath, response: AgentProgressData;
}

/// The path of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentPath {
    /// The agent.
    pub agent_id: AgentId,
}

open_enum! {
    /// The language of an agent's sandbox, or of one program.
    ComputeRuntime {
        /// Python 3.
        Python = "python",
        /// Node.js.
        Node = "node",
        /// Go, where its toolchain is on the machine.
        Go = "go",
        /// A POSIX shell.
        Shell = "shell",
    }
}

open_enum! {
    /// The state of an agent.
    AgentStatus {
        /// Its sandbox is being made.
        Booting = "booting",
        /// It waits for a task.
        Ready = "ready",
        /// It works on a task.
        Running = "running",
        /// Its programs stand still.
        Paused = "paused",
        /// It has ended.
        Completed = "completed",
        /// It ended because of an error.
        Failed = "failed",
    }
}

open_enum! {
    /// How far a sandbox is kept apart from its host.
    IsolationLevel {
        /// A virtual machine with a kernel of its own.
        MicroVm = "microvm",
        /// Namespaces, cgroup limits, a system call filter and no capabilities, set up as root.
        Container = "container",
        /// Namespaces and a system call filter, set up without root; limits only as far as `limits` says.
        Namespaces = "namespaces",
        /// No program runs at all: answers come from a script.
        Simulated = "simulated",
    }
}

/// How far a sandbox is kept apart from its host, and which limits hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// The level that was reached.
    pub level: IsolationLevel,
    /// The limits that are enforced: of `memory`, `cpu`, `processes`, `paths`, `network`, `syscalls`, `time`.
    #[serde(default)]
    pub enforced: Vec<String>,
}

/// The tools that are built in. Some need something set up, such as a search service, and an agent has them only on a plane
/// where that is done.
pub const BUILT_IN_TOOLS: &[&str] = &[
    "run_code",
    "run_command",
    "write_file",
    "read_file",
    "list_files",
    "http_request",
    "read_spreadsheet",
    "pdf_reader",
    "knowledge_search",
    "web_search",
    "send_email",
    "screenshot",
];

/// Checks a name that people give: of an agent, of a definition.
pub(crate) fn check_name(name: &str, field: &str, problems: &mut Problems) {
    problems.require(!name.trim().is_empty() && name.len() <= 128, field, "must be 1 to 128 bytes of text");
}

/// Checks a language.
pub(crate) fn check_runtime(runtime: &ComputeRuntime, field: &str, problems: &mut Problems) {
    problems.require(!matches!(runtime, ComputeRuntime::Other(_)), field, "must be `python`, `node`, `go` or `shell`");
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentData {
    /// The id.
    pub id: AgentId,
    /// The session that it belongs to.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The definition that it was made from; absent if it was made from none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_id: Option<AgentDefinitionId>,
    /// The version of that definition. Later versions change nothing about the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_version: Option<i64>,
    /// The state.
    pub status: AgentStatus,
    /// The provider of its sandbox.
    pub provider: String,
    /// The language of its sandbox.
    pub compute: ComputeRuntime,
    /// The model.
    pub model: String,
    /// Whether it has a browser.
    #[serde(default)]
    pub browser: bool,
    /// The region.
    #[serde(default)]
    pub region: String,
    /// How far its sandbox is kept apart from the host; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Which agents of a session to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionAgentListFilters {
    /// Only agents in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AgentStatus>,
    /// Only agents of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only agents with this language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeRuntime>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for SessionAgentListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which agents to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentListFilters {
    /// Only agents in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AgentStatus>,
    /// Only agents of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only agents with this language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeRuntime>,
    /// Only agents of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for AgentListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What one run of an agent is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunOpts {
    /// What the agent is to do.
    pub task: String,
    /// What the run may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
    /// Whether to return at once, with progress on the agent's stream, as the published client asks; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

impl Check for RunOpts {
    fn check(&self, problems: &mut Problems) {
        check_task(&self.task, problems);
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
    }
}

/// The state of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentStatusInfo {
    /// The state.
    pub status: AgentStatus,
    /// How long the agent has existed, for people.
    pub duration: String,
    /// What it cost so far.
    pub cost: Cost,
    /// Its present or last task; empty if there was none.
    #[serde(default)]
    pub task: String,
    /// The provider of its sandbox.
    pub provider: String,
    /// The region.
    pub region: String,
}

/// How to resume an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResumeOpts {
    /// The checkpoint to go on from; the state in which the agent was paused if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointId>,
    /// The provider to go on with; the one that it had by default. One that cannot take over its files is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region to go on in; the one that it had by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Check for ResumeOpts {}

/// Something to say to an agent while it works.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SendInputOpts {
    /// What to say.
    pub content: String,
    /// What it is, in a word of your own, for example `new_failure`; `user_input` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// What the agent may want to know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Check for SendInputOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.content.trim().is_empty(), "content", "must say something");
        problems.require(self.content.len() <= 1 << 20, "content", "is larger than 1 MiB");
        if let Some(r#type) = &self.r#type {
            problems.require(!r#type.trim().is_empty() && r#type.len() <= 64, "type", "must be 1 to 64 bytes of text");
        }
    }
}

open_enum! {
    /// Whether a long-running agent works.
    AgentProgressStatus {
        /// Its sandbox runs.
        Active = "active",
        /// It has a snapshot and no sandbox, and goes on when it is resumed or something is sent to it.
        Hibernated = "hibernated",
        /// It has ended.
        Terminated = "terminated",
    }
}

/// How far a long-running agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentProgressData {
    /// The phase of its last checkpoint.
    #[serde(default)]
    pub phase: Option<String>,
    /// How far it is, 0 to 100, as its program or its last checkpoint says; absent if neither said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<f64>,
    /// What its program last said about that; absent if it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many checkpoints it has.
    pub checkpoints: i64,
    /// How long the agent has existed, for people.
    pub total_duration: String,
    /// How long the agent has existed, in milliseconds.
    #[serde(default)]
    pub total_duration_ms: i64,
    /// How long it was active, for people: without the time in which it was paused or hibernated.
    pub active_duration: String,
    /// How long it was active, in milliseconds.
    #[serde(default)]
    pub active_duration_ms: i64,
    /// Whether it works.
    pub status: AgentProgressStatus,
    /// When it made its last checkpoint.
    #[serde(default)]
    pub last_checkpoint_at: Option<Timestamp>,
}
