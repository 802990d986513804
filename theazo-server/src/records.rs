//! The documents that the control plane keeps: each is what the wire shows, and what only the plane knows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use theazo_api::{
    AgentData, AgentModelConfig, AgentStatus, ExposedPort, GuardrailConfig, LifecycleConfig, LongRunningOpts,
    NetworkAccess, RunData, RunId, SessionData, SpanId, TaskId, Timestamp, TraceId,
};

use crate::{
    snapshots::{CheckpointMark, ForkOrigin, Rewind},
    spending::{Payer, RateCard},
    store::{Document, EventScope, Owner},
    vault::Sealed,
};

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// What the wire shows.
    pub data: SessionData,
    /// The providers of the customer's own that it brings along.
    #[serde(default)]
    pub providers: Option<SealedProviders>,
}

/// The providers of a session, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedProviders {
    /// What was given, as JSON.
    pub sealed: Sealed,
    /// How often the session was given providers.
    pub version: i64,
    /// The names of the compute providers, in the order in which they are tried.
    pub compute: Vec<String>,
}

impl SessionRecord {
    /// Whose budget its spending counts on: the user's, or its own in an anonymous session.
    pub fn payer(&self) -> Payer<'_> {
        Payer::of(&self.data.user_id, self.data.id.as_str())
    }

    /// What its events are about.
    pub fn scope(&self) -> EventScope {
        EventScope { user_id: self.data.user_id.clone(), session_id: self.data.id.to_string(), ..EventScope::default() }
    }
}

impl Document for SessionRecord {
    const KIND: &'static str = "session";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.data.user_id, session_id: self.data.id.as_str(), agent_id: "" }
    }

    fn status(&self) -> &str {
        self.data.status.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}

/// Why an agent is paused. What paused it must resume it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PausedBy {
    /// A call of `agent.pause`.
    Caller,
    /// Its session was paused.
    Session,
    /// A limit was reached.
    Limit,
    /// A run of it failed, and it was made to pause then.
    Failure,
    /// Its sandbox was lost, and it goes on from its last checkpoint by itself.
    Loss,
    /// It had nothing to do for as long as it was made to wait. The next thing to do wakes it.
    Idle,
}

/// An agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRecord {
    /// What the wire shows.
    pub data: AgentData,
    /// Whose model it asks, where it is told so as an object.
    #[serde(default)]
    pub model_config: Option<AgentModelConfig>,
    /// How freely the model chooses its words; as its provider has it if absent.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// How many tokens one answer may have; what is usual for the model if absent.
    #[serde(default)]
    pub max_output_tokens: Option<i64>,
    /// The system prompt.
    pub instructions: Option<String>,
    /// The tools that the model may use; all if absent.
    pub tools: Option<Vec<String>>,
    /// The names of the secrets that its sandbox has; all of the session's if absent.
    #[serde(default)]
    pub secrets: Option<Vec<String>>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// What a run may cost, in micro-cents.
    pub cost_cap: Option<i64>,
    /// Whether it ends with its one run.
    pub one_shot: bool,
    /// Why it is paused.
    pub paused_by: Option<PausedBy>,
    /// The present or last task.
    pub task: String,
    /// The run that is under way.
    pub current_run: Option<RunId>,
    /// The meter of its sandbox, while one runs.
    pub meter: Option<Meter>,
    /// When it pauses by itself, and what happens when a run fails.
    #[serde(default)]
    pub lifecycle: Option<LifecycleConfig>,
    /// How it works for hours or days, if it does.
    #[serde(default)]
    pub long_running: Option<LongRunningOpts>,
    /// How far it is by the checkpoint that it made last or went back to.
    #[serde(default)]
    pub checkpoint: Option<CheckpointMark>,
    /// What it does not remember, because it went back to a checkpoint.
    #[serde(default)]
    pub rewinds: Vec<Rewind>,
    /// Since when it has nothing to do; kept only where it pauses then.
    #[serde(default)]
    pub idle_since: Option<Timestamp>,
    /// The place in the list of stored files up to which those of its user are in its sandbox.
    #[serde(default)]
    pub input_files_up_to: i64,
    /// Its own guardrails; what they leave out is as the account has it.
    #[serde(default)]
    pub guardrails: Option<GuardrailConfig>,
    /// How far its programs said that they are.
    #[serde(default)]
    pub progress: Option<ProgramProgress>,
    /// What its programs may reach of the network; nothing if absent.
    #[serde(default)]
    pub network: Option<NetworkAccess>,
    /// How many bytes its files may take; what its provider gives if absent.
    #[serde(default)]
    pub storage: Option<u64>,
    /// Its ports that are reachable from outside, by their numbers.
    #[serde(default)]
    pub ports: Vec<PortRecord>,
    /// The snapshot that it began with, if it is a fork.
    #[serde(default)]
    pub origin: Option<ForkOrigin>,
}

/// A port of a sandbox that is reachable from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortRecord {
    /// Its number in the sandbox.
    pub port: u16,
    /// The number of the port of this machine that leads there.
    pub host_port: u16,
    /// Since when.
    pub created_at: Timestamp,
}

impl PortRecord {
    /// The address at which it is reached.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.host_port)
    }

    /// What the wire shows.
    pub fn data(&self) -> ExposedPort {
        ExposedPort { port: i64::from(self.port), url: self.url(), created_at: Some(self.created_at) }
    }
}

/// How far a program is, as it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramProgress {
    /// From 0 to 100.
    pub percentage: f64,
    /// What it is at.
    pub message: String,
}

/// What a program came to, as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramResult {
    /// What it came to.
    pub output: String,
    /// Paths of the files that belong to it.
    pub artifacts: Vec<String>,
}

/// What a running sandbox has reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meter {
    /// The reservation of the present tick.
    pub reservation: theazo_api::ReservationId,
    /// When the tick began.
    pub since: Timestamp,
    /// What a minute of compute costs, as agreed when it began: a new rate card does not change it.
    #[serde(default = "usual_compute_rate")]
    pub compute_per_minute: i64,
    /// What a minute of orchestration costs.
    #[serde(default = "usual_orchestration_rate")]
    pub orchestration_per_minute: i64,
}

fn usual_compute_rate() -> i64 {
    RateCard::default().compute_per_minute
}

fn usual_orchestration_rate() -> i64 {
    RateCard::default().orchestration_per_minute
}

impl AgentRecord {
    /// Whether it counts for `maxAgents`: it is neither paused nor ended.
    pub const ACTIVE: [&'static str; 3] = ["booting", "ready", "running"];

    /// How long it must have had nothing to do to stand still by itself, in whichever way comes first.
    pub fn rests_after_idle(&self) -> Option<Duration> {
        self.pauses_after_idle().into_iter().chain(self.hibernates_after_idle()).min()
    }

    fn pauses_after_idle(&self) -> Option<Duration> {
        let auto_pause = self.lifecycle.as_ref()?.auto_pause.as_ref()?;
        Some(auto_pause.after_idle.0)
    }

    /// How long it must have had nothing to do to hibernate, without a sandbox.
    pub fn hibernates_after_idle(&self) -> Option<Duration> {
        Some(self.long_running.as_ref()?.hibernate_after_idle?.0)
    }

    /// How often it makes a checkpoint by itself.
    pub fn checkpoint_interval(&self) -> Option<Duration> {
        Some(self.long_running.as_ref()?.checkpoint_interval?.0)
    }

    /// Whether a run of it goes back to the last checkpoint when its sandbox is lost.
    pub fn resumes_when_lost(&self) -> bool {
        self.long_running.as_ref().is_some_and(|opts| opts.auto_resume.unwrap_or(true))
    }

    /// Whether the next thing to do wakes it.
    pub fn is_asleep(&self) -> bool {
        self.data.status == AgentStatus::Paused && self.paused_by == Some(PausedBy::Idle)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.data.status, AgentStatus::Completed | AgentStatus::Failed)
    }

    /// What its events are about.
    pub fn scope(&self) -> EventScope {
        EventScope {
            user_id: self.data.user_id.clone(),
            session_id: self.data.session_id.to_string(),
            agent_id: self.data.id.to_string(),
            run_id: String::new(),
        }
    }
}

impl Document for AgentRecord {
    const KIND: &'static str = "agent";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            user_id: &self.data.user_id,
            session_id: self.data.session_id.as_str(),
            agent_id: self.data.id.as_str(),
        }
    }

    fn status(&self) -> &str {
        self.data.status.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// What the wire shows.
    pub data: RunData,
    /// What it may cost, in micro-cents.
    pub max_cost: Option<i64>,
    /// How long it may take once a worker has it, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// How often a worker took it up. What one found out that took it up before the last is not written any more.
    #[serde(default)]
    pub lease: i64,
    /// How often it was tried again.
    #[serde(default)]
    pub retries: i64,
    /// The task that it does, if it was handed in as one.
    #[serde(default)]
    pub task_id: Option<TaskId>,
    /// What its program reported as the result.
    #[serde(default)]
    pub reported: Option<ProgramResult>,
    /// The trace that its caller was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<CallerTrace>,
}

/// The trace that the caller of a run was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerTrace {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span, of which the run is a part.
    pub parent_span_id: SpanId,
}

impl RunRecord {
    /// What its events are about.
    pub fn scope(&self) -> EventScope {
        EventScope {
            user_id: self.data.user_id.clone(),
            session_id: self.data.session_id.to_string(),
            agent_id: self.data.agent_id.to_string(),
            run_id: self.data.id.to_string(),
        }
    }
}

impl Document for RunRecord {
    const KIND: &'static str = "run";

    fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().map(|trace| trace.trace_id.as_str())
    }

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            user_id: &self.data.user_id,
            session_id: self.data.session_id.as_str(),
            agent_id: self.data.agent_id.as_str(),
        }
    }

    fn status(&self) -> &str {
        self.data.status.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}
