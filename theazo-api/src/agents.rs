//! Agents: what runs tasks and programs in a sandbox of its own.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Reply, TimeClass, endpoints},
    id::{AgentId, SessionId, SnapshotId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    runs::{RunResult, StreamEvent},
    sessions::{SessionPath, check_page_limit, check_task},
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Creates an agent that lives until it is terminated.
    ///
    /// Its sandbox is ready when the call returns. One agent more than `maxAgents` allows is refused with
    /// `session_limit_exceeded`.
    CreateAgent: Post "/v1/sessions/{sessionId}/agents" => "session.agents.create",
        path: SessionPath, body: AgentCreateOpts, response: AgentData,
        with {
            status: 201, time: TimeClass::Run, strict: &["costCap"],
            planned_fields: &[
                "storage", "gpu", "providerFallback", "approvals", "knowledge", "metadata", "guardrails", "lifecycle",
                "definition", "overrides", "secrets",
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

    /// Runs a program in the agent's sandbox and returns what it printed. Files stay between calls.
    ///
    /// The program has 120 seconds unless `timeout` says otherwise; then it is killed and the call fails with `timeout`.
    /// Of each output stream the first MiB is kept.
    ExecInAgent: Post "/v1/agents/{agentId}/exec" => "agent.exec",
        path: AgentPath, body: ExecOpts, response: ExecResult,
        with { positional: &["language", "code"], time: TimeClass::Run };

    /// Reports the state of the agent, its present or last task, and what it cost so far.
    GetAgentStatus: Get "/v1/agents/{agentId}/status" => "agent.status",
        path: AgentPath, response: AgentStatusInfo;

    /// Pauses the agent. Its files stay, its programs stop, and it costs nothing until it is resumed.
    PauseAgent: Post "/v1/agents/{agentId}/pause" => "agent.pause",
        path: AgentPath, response: Snapshot,
        with { time: TimeClass::Run };

    /// Resumes a paused agent; a run that was paused with it goes on.
    ResumeAgent: Post "/v1/agents/{agentId}/resume" => "agent.resume",
        path: AgentPath, body: ResumeOpts, response: AgentData,
        with { time: TimeClass::Run, planned_fields: &["checkpoint", "provider", "region"] };

    /// Runs the task of the agent's last failed run again.
    RetryAgent: Post "/v1/agents/{agentId}/retry" => "agent.retry",
        path: AgentPath, response: AgentData;

    /// Ends the agent and removes its sandbox with everything in it.
    TerminateAgent: Post "/v1/agents/{agentId}/terminate" => "agent.terminate",
        path: AgentPath, response: AgentData,
        with { time: TimeClass::Run };
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
    /// The limits that are enforced: of `memory`, `cpu`, `processes`, `network`, `syscalls`, `time`.
    #[serde(default)]
    pub enforced: Vec<String>,
}

/// What a new agent is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentCreateOpts {
    /// The name of the agent, used in logs and to pick its script on a test plane; `agent` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of the sandbox; `python` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeRuntime>,
    /// Whether the agent needs a browser; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// The model; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The tools that the model may use; all built-in ones by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// How long one run of the agent may take; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What each run of the agent may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_cap: Option<Cost>,
    /// The provider of the sandbox; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region; `local` where the provider has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// The tools that every plane has.
pub const BUILT_IN_TOOLS: &[&str] = &["run_code", "write_file", "read_file", "list_files"];

impl Check for AgentCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            problems.require(!name.trim().is_empty() && name.len() <= 128, "name", "must be 1 to 128 bytes of text");
        }
        if let Some(compute) = &self.compute {
            check_runtime(compute, "compute", problems);
        }
        if let Some(cost_cap) = &self.cost_cap {
            problems.within("costCap", cost_cap);
        }
        for tool in self.tools.iter().flatten() {
            problems.require(
                BUILT_IN_TOOLS.contains(&tool.as_str()),
                "tools",
                "has a tool that does not exist; there are `run_code`, `write_file`, `read_file` and `list_files`",
            );
        }
        if let Some(timeout) = self.timeout {
            problems.require(!timeout.0.is_zero(), "timeout", "must be longer than nothing");
        }
    }
}

fn check_runtime(runtime: &ComputeRuntime, field: &str, problems: &mut Problems) {
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

/// A program to run in a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ExecOpts {
    /// The language of the program.
    pub language: ComputeRuntime,
    /// The program.
    pub code: String,
    /// How long it may take; 120 seconds by default, an hour at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// Whether the program may be run again if its worker dies while it runs; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeatable: Option<bool>,
}

compatible!(ExecOpts, accepts { "lang" as "language" });

impl Check for ExecOpts {
    fn check(&self, problems: &mut Problems) {
        check_runtime(&self.language, "language", problems);
        problems.require(self.code.len() <= 4 << 20, "code", "is larger than 4 MiB");
        if let Some(timeout) = self.timeout {
            let seconds = timeout.0.as_secs_f64();
            problems.require(seconds > 0.0 && seconds <= 3600.0, "timeout", "must be between nothing and an hour");
        }
    }
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecResult {
    /// What it printed; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it printed as errors; bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// The exit code; 128 plus the signal if one ended it.
    pub exit_code: i32,
    /// Whether output was cut at the limit.
    #[serde(default)]
    pub truncated: bool,
    /// How long it ran, in milliseconds.
    #[serde(default)]
    pub duration_ms: i64,
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

/// A snapshot of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The id.
    pub id: SnapshotId,
    /// Its size for people, for example `256MB`.
    pub size: String,
    /// The provider that keeps it.
    pub provider: String,
}

/// How to resume an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResumeOpts {}

impl Check for ResumeOpts {}
