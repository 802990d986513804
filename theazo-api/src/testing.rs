//! The test plane: what tests do to a control plane whose edges are fake. Only a test plane serves these operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Plane, Reply, endpoints},
    money::Cost,
    open_enum::open_enum,
    time::{DurationInput, Timestamp},
};
pub use crate::{
    testing_conversation::{Conversation, ConversationMessage},
    testing_records::{RecordedEvent, RecordedEventFilters, RecordedRequest},
};

endpoints! {
    /// Scripts what the model of an agent answers, turn by turn, in the order of the calls.
    ///
    /// A turn with tool calls is followed by the next turn when the tools have returned. A turn with `when` waits for a
    /// conversation that contains its text. When no turn is left that fits, the offline model answers.
    ScriptAgent: Post "/testing/scripts" => "testing.script",
        body: AgentScript,
        with { positional: &["agent", "turns"], status: 204, reply: Reply::Empty, ours: true, plane: Plane::Test };

    /// Scripts what programs do in the simulated sandboxes of an agent, program by program, whatever their code is.
    ///
    /// When the results are used up, programs print again that they were not run.
    ScriptExecs: Post "/testing/execs" => "testing.scriptExecs",
        body: ExecScript,
        with { positional: &["agent", "results"], status: 204, reply: Reply::Empty, ours: true, plane: Plane::Test };

    /// Makes the next simulated sandboxes fail: at being created, paused or resumed, or by being lost.
    BreakSandbox: Post "/testing/sandbox-faults" => "testing.breakSandbox",
        body: SandboxFault,
        with { positional: &["action"], status: 204, reply: Reply::Empty, ours: true, plane: Plane::Test };

    /// Moves the clock of the plane; everything that becomes due on the way happens.
    AdvanceClock: Post "/testing/clock/advance" => "testing.advance",
        body: ClockAdvance, response: ClockState,
        with { positional: &["by"], ours: true, plane: Plane::Test };

    /// Tells the time of the plane.
    GetClock: Get "/testing/clock" => "testing.clock",
        response: ClockState,
        with { ours: true, plane: Plane::Test };

    /// Makes the next calls of the API fail.
    InjectFault: Post "/testing/faults" => "testing.failNext",
        body: Fault,
        with { status: 204, reply: Reply::Empty, ours: true, plane: Plane::Test };

    /// Lets calls of the API work again: what was asked to fail and did not yet is forgotten.
    ClearFaults: Delete "/testing/faults" => "testing.clearFaults",
        with { status: 204, reply: Reply::Empty, ours: true, plane: Plane::Test };

    /// Makes another account, to test that its things and yours are kept apart.
    CreateTestAccount: Post "/testing/accounts" => "testing.createAccount",
        response: TestAccount,
        with { status: 201, ours: true, plane: Plane::Test };

    /// Lists the requests that the plane was sent, the oldest first.
    ListRecordedRequests: Get "/testing/requests" => "testing.requests",
        response: Vec<RecordedRequest>,
        with { ours: true, plane: Plane::Test };

    /// Lists what happened, as the plane keeps it, the oldest first: more than logs and streams show of it.
    ListRecordedEvents: Get "/testing/events" => "testing.events",
        query: RecordedEventFilters, response: Vec<RecordedEvent>,
        with { ours: true, plane: Plane::Test };

    /// Lists what was charged, the oldest charge first.
    ListCharges: Get "/testing/charges" => "testing.charges",
        response: Vec<Charge>,
        with { ours: true, plane: Plane::Test };
}

/// What the model of an agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentScript {
    /// The name of the agent; `*` for every agent whose own script has nothing to say.
    pub agent: String,
    /// Its answers, in order.
    pub turns: Vec<ScriptedTurn>,
}

impl Check for AgentScript {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.turns.is_empty(), "turns", "must have at least one turn");
        for (index, turn) in self.turns.iter().enumerate() {
            problems.within(&format!("turns[{index}]"), turn);
        }
    }
}

/// One answer of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScriptedTurn {
    /// The text; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The tools that it calls, all at once; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ScriptedToolCall>>,
    /// Makes the model fail with this message; after the text, if there is one, as a connection that is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tokens that the call is charged for; counted from the text by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<i64>,
    /// Tokens that the call is charged for; counted from the text by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<i64>,
    /// How the model fails; in a way that is not tried again by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ModelFailureKind>,
    /// Seconds that the provider of a model that fails asks to wait; it asks for nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<i64>,
    /// Answers only a conversation that contains this text; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How often the turn answers; once by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// How long the model takes before it answers, on the clock of the plane; no time by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DurationInput>,
    /// The part of the tokens that go in which the provider had in its cache; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<i64>,
}

impl Check for ScriptedTurn {
    fn check(&self, problems: &mut Problems) {
        if let Some(ModelFailureKind::Other(_)) = &self.error_kind {
            problems.add("errorKind", "is not a way in which a model fails, for example `overloaded`");
        }
        let fails = self.error.is_some();
        problems.require(fails || self.error_kind.is_none(), "errorKind", "must stand beside an `error`");
        problems.require(fails || self.retry_after.is_none(), "retryAfter", "must stand beside an `error`");
        if let Some(seconds) = self.retry_after {
            problems.require((0..=86_400).contains(&seconds), "retryAfter", "must be from 0 to 86400 seconds");
        }
        if let Some(times) = self.times {
            problems.require((1..=1_000_000).contains(&times), "times", "must be a whole number from 1 to 1,000,000");
        }
    }
}

open_enum! {
    /// How a model fails.
    ModelFailureKind {
        /// The provider has too much to do. The model is asked again after a pause.
        Overloaded = "overloaded",
        /// The key was used too often. The model is asked again after a pause.
        RateLimited = "rate_limited",
        /// The provider failed inside. The model is asked again after a pause.
        Unavailable = "unavailable",
        /// The connection ended before the answer did. The model is asked again after a pause.
        ConnectionCut = "connection_cut",
        /// The answer is not what the protocol allows. The model is asked again after a pause.
        Unreadable = "unreadable",
        /// The conversation is longer than the model can read.
        ContextTooLong = "context_too_long",
        /// The answer was cut in the middle of a tool call, because it was as long as it may be.
        AnswerTooLong = "answer_too_long",
        /// The provider does not know the key, or the key may not do this.
        InvalidKey = "invalid_key",
        /// The account at the provider is used up.
        OutOfCredit = "out_of_credit",
        /// The provider does not have the model.
        UnknownModel = "unknown_model",
        /// The provider or the model refuses what it was asked.
        ContentRefused = "content_refused",
        /// The provider takes no such request.
        Rejected = "rejected",
    }
}

impl ScriptedTurn {
    /// A turn that answers with a text.
    ///
    /// ```
    /// use theazo_api::testing::ScriptedTurn;
    ///
    /// let turns = [
    ///     ScriptedTurn::tool_call("write_file", serde_json::json!({ "path": "report.md", "content": "# Report" })),
    ///     ScriptedTurn::text("The report is done."),
    ///     ScriptedTurn::error("the model is overloaded"),
    /// ];
    /// ```
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// A turn that calls a tool with this input, which must be a JSON object.
    pub fn tool_call(tool: impl Into<String>, input: serde_json::Value) -> Self {
        let input = match input {
            serde_json::Value::Object(input) => input,
            _ => serde_json::Map::new(),
        };
        Self { tool_calls: Some(vec![ScriptedToolCall { tool: tool.into(), input }]), ..Self::default() }
    }

    /// A turn in which the model fails.
    pub fn error(message: impl Into<String>) -> Self {
        Self { error: Some(message.into()), ..Self::default() }
    }

    /// A turn in which the model fails in this way. Ways that pass are tried again when the clock of the plane has reached
    /// the time of the next attempt.
    ///
    /// ```
    /// use theazo_api::testing::{ModelFailureKind, ScriptedTurn};
    ///
    /// let turns = [
    ///     ScriptedTurn::failure(ModelFailureKind::Overloaded, "try again later"),
    ///     ScriptedTurn::text("It went well the second time."),
    /// ];
    /// ```
    pub fn failure(kind: ModelFailureKind, message: impl Into<String>) -> Self {
        Self { error_kind: Some(kind), ..Self::error(message) }
    }

    /// The same turn for a conversation that contains this text.
    ///
    /// ```
    /// use theazo_api::testing::ScriptedTurn;
    ///
    /// let turns = [
    ///     ScriptedTurn::text("It rains.").when("weather"),
    ///     ScriptedTurn::text("It is noon.").when("time"),
    /// ];
    /// ```
    #[must_use]
    pub fn when(self, text: impl Into<String>) -> Self {
        Self { when: Some(text.into()), ..self }
    }
}

/// One call of a tool by a scripted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScriptedToolCall {
    /// The name of the tool.
    pub tool: String,
    /// What it is given.
    #[serde(default)]
    pub input: serde_json::Map<String, serde_json::Value>,
}

/// What programs do in the simulated sandboxes of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecScript {
    /// The name of the agent.
    pub agent: String,
    /// What its programs do, in order.
    pub results: Vec<ScriptedExec>,
}

impl Check for ExecScript {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.results.is_empty(), "results", "must have at least one result");
        for (index, result) in self.results.iter().enumerate() {
            problems.within(&format!("results[{index}]"), result);
        }
    }
}

/// What one program does in a simulated sandbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScriptedExec {
    /// What it prints; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it prints as errors; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Its exit code; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long it runs by the clock of the plane, in milliseconds; it ends at once by default. One that has a shorter
    /// timeout is stopped by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// The text files that it writes, by path, before it ends; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, String>>,
    /// Makes it fail in this way, after what it prints; it ends well by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ExecFailure>,
    /// What the provider says about a failure; something general by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ScriptedExec {
    /// A program that prints a text and ends well.
    ///
    /// ```
    /// use theazo_api::testing::{ExecFailure, ScriptedExec};
    ///
    /// let results = [
    ///     ScriptedExec::prints("45\n"),
    ///     ScriptedExec { exit_code: Some(1), stderr: Some("no such file\n".into()), ..ScriptedExec::default() },
    ///     ScriptedExec::fails(ExecFailure::Lost),
    /// ];
    /// ```
    pub fn prints(stdout: impl Into<String>) -> Self {
        Self { stdout: Some(stdout.into()), ..Self::default() }
    }

    /// A program that fails in this way.
    pub fn fails(failure: ExecFailure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

impl Check for ScriptedExec {
    fn check(&self, problems: &mut Problems) {
        let known = !matches!(self.failure, Some(ExecFailure::Other(_)));
        problems.require(known, "failure", "must be `timeout`, `failed`, `lost` or `memory`");
        let possible = self.duration_ms.is_none_or(|duration| (0..=86_400_000).contains(&duration));
        problems.require(possible, "durationMs", "must be from 0 to a day");
    }
}

open_enum! {
    /// How a program fails in a simulated sandbox.
    ExecFailure {
        /// It takes longer than it may and is stopped, without the clock being moved.
        Timeout = "timeout",
        /// The provider fails to run it.
        Failed = "failed",
        /// Its sandbox is lost; the next program gets another, with the same files.
        Lost = "lost",
        /// It uses up the memory of its sandbox and is ended, with exit code 137.
        Memory = "memory",
    }
}

/// How simulated sandboxes fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SandboxFault {
    /// At what.
    pub action: SandboxAction,
    /// How many times; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// Only sandboxes of the agents of this name; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the provider says; something general by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Check for SandboxFault {
    fn check(&self, problems: &mut Problems) {
        let known = !matches!(self.action, SandboxAction::Other(_));
        problems.require(known, "action", "must be `create`, `pause`, `resume` or `lose`");
        let possible = self.times.is_none_or(|times| (1..=1_000_000).contains(&times));
        problems.require(possible, "times", "must be a whole number from 1 to 1,000,000");
    }
}

open_enum! {
    /// At what a simulated sandbox fails.
    SandboxAction {
        /// At being created.
        Create = "create",
        /// At being paused.
        Pause = "pause",
        /// At being resumed.
        Resume = "resume",
        /// It is gone when it is next asked for something; another with the same files takes its place.
        Lose = "lose",
    }
}

/// How far to move the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClockAdvance {
    /// How far.
    pub by: DurationInput,
}

impl Check for ClockAdvance {}

/// The time of the plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClockState {
    /// The time.
    pub now: Timestamp,
}

open_enum! {
    /// How a call fails.
    FaultKind {
        /// An error answer; nothing happens on the server.
        Status = "status",
        /// The request takes effect, and an error is the answer.
        StatusAfter = "status_after",
        /// The connection ends before the request has any effect.
        ResetBefore = "reset_before",
        /// The request takes effect, and the connection ends before the answer.
        ResetAfter = "reset_after",
        /// The call takes longer.
        Latency = "latency",
        /// The request takes effect, and the connection ends in the middle of the answer.
        Truncate = "truncate",
        /// The request takes effect, and the answer stops in its middle, on a connection that stays open.
        Stall = "stall",
    }
}

/// How the next calls fail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// How; `status` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FaultKind>,
    /// The HTTP status of the error answer; 503 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The code in the error answer; the usual one of the status by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Seconds in the header `Retry-After`; no header by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<i64>,
    /// How much longer a call takes, for `latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<DurationInput>,
    /// Whether that is the machine's time; the time of the plane, which the test moves, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_time: Option<bool>,
    /// How many bytes of the answer still come, for `truncate` and `stall`; none by default. An answer or a stream that has
    /// no more is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<i64>,
    /// How likely it is that a call fails, more than 0 to 1; certain by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Decides with `probability` which calls fail: the same seed, the same calls. 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// How many calls fail; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// Only calls of this operation, for example `RunInSession`; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

impl Check for Fault {
    fn check(&self, problems: &mut Problems) {
        if let Some(FaultKind::Other(_)) = &self.kind {
            problems.add("kind", format!("must be one of `{}`", FaultKind::KNOWN.join("`, `")));
        }
        if let Some(status) = self.status {
            problems.require((400..=599).contains(&status), "status", "must be from 400 to 599");
        }
        let is_latency = matches!(self.kind, Some(FaultKind::Latency));
        problems.require(
            is_latency == self.latency.is_some(),
            "latency",
            "belongs to the kind `latency` and to no other",
        );
        if let Some(bytes) = self.after_bytes {
            problems.require(bytes >= 0, "afterBytes", "must be a whole number of at least 0");
        }
        if let Some(probability) = self.probability {
            problems.require(
                probability > 0.0 && probability <= 1.0,
                "probability",
                "must be more than 0 and at most 1",
            );
        }
        if let Some(times) = self.times {
            problems.require((1..=1_000_000).contains(&times), "times", "must be a whole number from 1 to 1,000,000");
        }
    }
}

/// Another account of the plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestAccount {
    /// A live key of it.
    pub api_key: String,
}

open_enum! {
    /// What a charge is for.
    ChargeKind {
        /// A call of a model.
        Model = "model",
        /// A sandbox that ran.
        Compute = "compute",
        /// The control plane's own work.
        Orchestration = "orchestration",
        /// Snapshots and files that were kept.
        Storage = "storage",
    }
}

/// Something that was charged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// Stable and unique: a charge is never counted twice.
    pub id: String,
    /// What for.
    pub kind: ChargeKind,
    /// How much.
    pub cost: Cost,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The session; empty for files that belong to none.
    pub session_id: String,
    /// The agent.
    #[serde(default)]
    pub agent_id: String,
    /// The run; empty where there was none.
    #[serde(default)]
    pub run_id: String,
    /// The provider of the sandbox or the model.
    #[serde(default)]
    pub provider: String,
    /// When.
    pub at: Timestamp,
}
