//! Everything that can happen. Logs, run streams and usage are views of these; a run's journal is, too.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use theazo_api::{
    AgentId, BillingBudgetConfig, BridgeSpanStatus, BudgetEventData, CheckpointId, Cost, ErrorDetail,
    GuardrailViolation, Isolation, LogLevel, ReservationId, RunResult, SessionLimits, SnapshotId, SpanId, Timestamp,
    ToolCall, TraceId, testing::Charge, usage::TokenUsage,
};

use crate::model::{ModelErrorKind, StopReason};

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident $fields:tt = $kind:literal,)+) => {
        /// Something that happened.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all_fields = "camelCase")]
        pub enum Event { $($(#[doc = $doc])+ $variant $fields,)+ }

        impl Event {
            /// The name of what happened, as queries use it.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $kind,)+ }
            }
        }
    };
}

events! {
    /// A session was created.
    SessionCreated {} = "session.created",
    /// The limits of a session were changed.
    LimitsUpdated { limits: SessionLimits } = "session.limits_updated",
    /// A session was paused.
    SessionPaused {} = "session.paused",
    /// A session was resumed.
    SessionResumed {} = "session.resumed",
    /// A session ended.
    SessionTerminated { reason: String } = "session.terminated",
    /// A limit of a session was reached.
    SessionLimitReached { error: ErrorDetail } = "session.limit_reached",

    /// Secrets were set.
    SecretsSet { names: Vec<String> } = "secrets.set",
    /// A secret was removed.
    SecretRemoved { name: String } = "secrets.removed",
    /// The account was given a provider of its own, or other settings of one.
    ProviderSet { name: String } = "provider.set",
    /// A provider of the account's own was forgotten.
    ProviderRemoved { name: String } = "provider.removed",

    /// An API key was created.
    ApiKeyCreated { key_id: String, name: String } = "api_key.created",
    /// An API key was revoked.
    ApiKeyRevoked { key_id: String } = "api_key.revoked",

    /// An agent was created.
    AgentCreated { name: String, provider: String } = "agent.created",
    /// The sandbox of an agent is ready.
    AgentReady { isolation: Isolation } = "agent.ready",
    /// An agent was paused.
    AgentPaused { reason: String } = "agent.paused",
    /// An agent was resumed.
    AgentResumed {} = "agent.resumed",
    /// An agent ended.
    AgentTerminated {} = "agent.terminated",
    /// An agent ended because of an error.
    AgentFailed { error: ErrorDetail } = "agent.failed",

    /// The files of an agent were kept as they were.
    SnapshotTaken { snapshot_id: SnapshotId, bytes: i64 } = "agent.snapshot_taken",
    /// A checkpoint of an agent was made.
    CheckpointMade {
        checkpoint_id: CheckpointId,
        phase: Option<String>,
        progress: f64,
    } = "agent.checkpoint_made",
    /// The checkpoint that an agent was to make by itself could not be made.
    CheckpointFailed { error: ErrorDetail } = "agent.checkpoint_failed",
    /// An agent went back to a checkpoint.
    AgentRestored { checkpoint_id: CheckpointId } = "agent.restored",
    /// An agent began with a snapshot of another.
    AgentForked { agent_id: AgentId, snapshot_id: SnapshotId } = "agent.forked",

    /// A port of an agent's sandbox is reachable.
    PortExposed { port: u16, url: String } = "port.exposed",
    /// A port of an agent's sandbox is no longer reachable.
    PortClosed { port: u16 } = "port.closed",

    /// A run was asked for.
    RunQueued { agent: String, task: String } = "run.queued",
    /// A worker took a run for the first time.
    RunStarted {} = "run.started",
    /// A worker took a run that another had begun, or that was paused.
    RunContinued { reason: String } = "run.continued",
    /// A run stands still.
    RunPaused { error: Option<ErrorDetail> } = "run.paused",
    /// A run failed and is tried again later.
    RunRetried { retry: i64, delay_ms: i64, error: ErrorDetail } = "run.retried",
    /// A run is done.
    RunCompleted { result: RunResult } = "run.completed",
    /// A run ended with an error.
    RunFailed { error: ErrorDetail } = "run.failed",
    /// A run was cancelled.
    RunCancelled { reason: String } = "run.cancelled",

    /// Something was said to an agent while it works.
    InputReceived { content: String, kind: String, metadata: Option<Map<String, Value>> } = "input.received",

    /// A model was asked; what it may cost is reserved.
    ModelRequested {
        step: u32,
        model: String,
        reservation: ReservationId,
        /// How often it failed before.
        #[serde(default)]
        attempt: u32,
        /// About how many tokens went in, for the bill of an answer that is lost.
        #[serde(default)]
        prompt_tokens: i64,
    } = "model.requested",
    /// A model wrote a piece of text.
    ModelText { step: u32, text: String } = "model.text",
    /// A model answered.
    ModelResponded {
        step: u32,
        text: String,
        tool_calls: Vec<RequestedCall>,
        tokens: TokenUsage,
        /// The part of what went in that the provider had in its cache.
        #[serde(default)]
        cached_tokens: i64,
        /// The part of what came out that the model thought.
        #[serde(default)]
        reasoning_tokens: i64,
        /// What it thought, in the form that its provider wants back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasoning: Vec<Value>,
        #[serde(default)]
        stop: StopReason,
    } = "model.responded",
    /// A model failed. It is asked again at `retry_at`, if it is.
    ModelFailed {
        step: u32,
        message: String,
        #[serde(default)]
        reason: ModelErrorKind,
        #[serde(default)]
        retry_at: Option<Timestamp>,
    } = "model.failed",

    /// A tool began to work.
    ToolStarted { step: u32, index: u32, tool: String, input: Map<String, Value> } = "tool.started",
    /// A tool did nothing, because its agent stands still or has ended.
    ToolPostponed { step: u32, index: u32 } = "tool.postponed",
    /// A tool returned.
    ToolFinished { step: u32, index: u32, call: ToolCall, failed: bool } = "tool.finished",

    /// A guardrail held something back.
    GuardrailViolated { violation: GuardrailViolation } = "guardrail.violated",

    /// A program began to run.
    ExecStarted { exec_id: String, language: String, repeatable: bool } = "exec.started",
    /// A program that began runs in its sandbox.
    ExecRunning { exec_id: String, pid: Option<i64> } = "exec.running",
    /// A program ended.
    ExecFinished {
        exec_id: String,
        exit_code: Option<i32>,
        duration_ms: i64,
        #[serde(default)]
        truncated: bool,
        #[serde(default)]
        limit: Option<String>,
        error: Option<ErrorDetail>,
    } = "exec.finished",
    /// A program printed. One that a tool ran has no id.
    Output {
        stream: String,
        text: String,
        #[serde(default)]
        exec_id: Option<String>,
    } = "output",
    /// A program was sent a signal.
    ExecSignalled { exec_id: String, signal: String } = "exec.signalled",
    /// A file was written.
    FileWritten { path: String, bytes: i64 } = "file.written",
    /// A file or folder was removed.
    FileRemoved { path: String } = "file.removed",
    /// A file or folder was moved.
    FileMoved { source: String, target: String } = "file.moved",
    /// A folder was made.
    FolderMade { path: String } = "folder.made",

    /// A program wrote a log entry.
    ProgramLogged {
        level: LogLevel,
        message: String,
        metadata: Option<Map<String, Value>>,
        at: Option<Timestamp>,
        trace_id: Option<TraceId>,
        span_id: Option<SpanId>,
    } = "program.logged",
    /// A program called a model itself.
    ProgramAskedModel {
        model: String,
        tokens: TokenUsage,
        cost: Option<Cost>,
        at: Option<Timestamp>,
        trace_id: Option<TraceId>,
        span_id: Option<SpanId>,
        parent_span_id: Option<SpanId>,
    } = "program.asked_model",
    /// A program did something, from a beginning to an end.
    ProgramDidSpan { span: Box<ProgramSpan> } = "program.span",
    /// A program said how far it is.
    ProgramProgressed { percentage: f64, message: String, at: Option<Timestamp> } = "program.progressed",
    /// A program said what it came to.
    ProgramCompleted { output: String, artifacts: Vec<String>, at: Option<Timestamp> } = "program.completed",

    /// Something was charged.
    Charged {
        charge: Charge,
        tokens: TokenUsage,
        milliseconds: i64,
        #[serde(default)]
        byte_hours: i64,
        #[serde(default)]
        model: String,
        #[serde(default)]
        reservation: Option<ReservedAmount>,
    } = "charged",
    /// A budget of the account, of each user or of one user was set, or removed.
    BudgetChanged { of: String, config: Option<BillingBudgetConfig> } = "budget.changed",
    /// So much of a budget is spent that an alert was to be given.
    BudgetAlert { data: BudgetEventData } = "budget.alert",
    /// An account was given credits; `granted` is what it was given in all, in micro-cents.
    CreditsGranted { cost: Cost, granted: i64 } = "credits.granted",
}

/// What was held back for a charge before it was known how much it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedAmount {
    /// The reservation.
    pub id: ReservationId,
    /// How much, in micro-cents.
    pub micro_cents: i64,
}

/// What is said to an agent, where nobody says what it is.
pub const DEFAULT_INPUT: &str = "user_input";

/// What was said to an agent, as its model reads it.
pub fn worded_input(content: &str, kind: &str, metadata: Option<&Map<String, Value>>) -> String {
    let mut text = if kind == DEFAULT_INPUT { content.to_owned() } else { format!("{kind}: {content}") };
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
        text.push_str(&format!("\n{}", Value::Object(metadata.clone())));
    }
    text
}

/// Something that a program did, from a beginning to an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramSpan {
    /// What it did.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How long it took by the program's own clock, in milliseconds.
    pub duration_ms: i64,
    /// How it ended.
    pub status: BridgeSpanStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// What belongs to it.
    pub attributes: Option<Map<String, Value>>,
    /// The trace; that of the run if absent.
    pub trace_id: Option<TraceId>,
    /// Its id.
    pub span_id: Option<SpanId>,
    /// The span that it is a part of.
    pub parent_span_id: Option<SpanId>,
}

/// A call of a tool that a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestedCall {
    /// The name that the provider gave the call; empty in the oldest logs.
    #[serde(default)]
    pub id: String,
    /// The name of the tool.
    pub tool: String,
    /// What it is given.
    pub input: Map<String, Value>,
}
