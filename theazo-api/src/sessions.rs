//! Sessions: the isolated container of one end user, with its limits and its usage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{TimeClass, endpoints},
    id::SessionId,
    money::{Cost, CostLimit},
    open_enum::open_enum,
    page::Page,
    runs::RunResult,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Creates a session.
    ///
    /// Every call makes a new one; `sessions.forUser` returns the one that a user already has.
    CreateSession: Post "/v1/sessions" => "sessions.create",
        body: SessionCreateOpts, response: SessionData,
        with { status: 201, strict: &["limits"] };

    /// Fetches a session.
    GetSession: Get "/v1/sessions/{sessionId}" => "sessions.get",
        path: SessionPath, response: SessionData;

    /// Returns the active session of a user, or creates it.
    ///
    /// Meant to be called on every request of the user. On an existing session `limits` and `metadata` are ignored:
    /// only `session.updateLimits` changes limits.
    GetOrCreateUserSession: Post "/v1/sessions/by-user/{userId}" => "sessions.forUser",
        path: UserPath, body: SessionForUserOpts, response: SessionData,
        with { strict: &["limits"] };

    /// Lists sessions, the newest first.
    ListSessions: Get "/v1/sessions" => "sessions.list",
        query: SessionListFilters, response: Page<SessionData>;

    /// Creates an agent, gives it a task, waits for the result and ends the agent.
    ///
    /// A sandbox is created, the model loop runs, its tools work in the sandbox, and the sandbox goes. A call that is
    /// repeated with the same idempotency key re-attaches to the first run. When a limit is reached the run stays
    /// paused and the call fails with `session_limit_exceeded`; raising the limit resumes that run.
    RunInSession: Post "/v1/sessions/{sessionId}/run" => "session.run",
        path: SessionPath, body: SessionRunOpts, response: RunResult,
        with {
            positional: &["agent", "task"], time: TimeClass::Run, strict: &["maxCost"],
            planned_fields: &["knowledge", "mcp"],
        };

    /// Reports what the session used so far.
    GetSessionUsage: Get "/v1/sessions/{sessionId}/usage" => "session.usage",
        path: SessionPath, response: UsageReport;

    /// Reports the session's limits and how far they are used.
    GetSessionLimits: Get "/v1/sessions/{sessionId}/limits" => "session.limits",
        path: SessionPath, response: LimitsStatus;

    /// Changes the limits that are given and keeps the others. Runs that wait at a raised limit go on.
    UpdateSessionLimits: Patch "/v1/sessions/{sessionId}/limits" => "session.updateLimits",
        path: SessionPath, body: SessionLimits, response: SessionData,
        with { strict: &[""], positional: &["limits"] };

    /// Pauses the session and all its agents. Paused sandboxes cost nothing.
    PauseSession: Post "/v1/sessions/{sessionId}/pause" => "session.pause",
        path: SessionPath, response: SessionData;

    /// Resumes the session and the agents that were paused with it.
    ResumeSession: Post "/v1/sessions/{sessionId}/resume" => "session.resume",
        path: SessionPath, response: SessionData;

    /// Ends the session and all its agents. A session that has ended stays readable.
    TerminateSession: Post "/v1/sessions/{sessionId}/terminate" => "session.terminate",
        path: SessionPath, response: SessionData;
}

/// The path of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionPath {
    /// The session.
    pub session_id: SessionId,
}

/// The path of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserPath {
    /// The end user, by the id that your own system uses.
    pub user_id: String,
}

open_enum! {
    /// The state of a session.
    SessionStatus {
        /// Agents can be created and run.
        Active = "active",
        /// All its agents are paused.
        Paused = "paused",
        /// It has ended.
        Terminated = "terminated",
    }
}

open_enum! {
    /// Separates workloads of one account.
    Environment {
        /// The default.
        Production = "production",
        /// For staging.
        Staging = "staging",
        /// For development.
        Development = "development",
    }
}

/// What a new session is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionCreateOpts {
    /// The end user, by the id that your own system uses; leave it out for an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Separates workloads; `production` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What the session may use; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<SessionLimits>,
    /// Your own notes: text by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Check for SessionCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(user_id) = &self.user_id {
            check_user_id(user_id, problems);
        }
        if let Some(environment) = &self.environment {
            problems.require(
                !matches!(environment, Environment::Other(_)),
                "environment",
                "must be `production`, `staging` or `development`",
            );
        }
        if let Some(limits) = &self.limits {
            problems.within("limits", limits);
        }
    }
}

/// Checks an end user's id: any text, but not empty, not blank and not longer than 256 bytes.
pub fn check_user_id(user_id: &str, problems: &mut Problems) {
    problems.require(
        !user_id.trim().is_empty() && user_id.len() <= 256 && !user_id.chars().any(char::is_control),
        "userId",
        "must be 1 to 256 bytes of text without control characters",
    );
}

/// What a user's session is made of, if the user has none yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionForUserOpts {
    /// What the session may use; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<SessionLimits>,
    /// Your own notes: text by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Check for SessionForUserOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(limits) = &self.limits {
            problems.within("limits", limits);
        }
    }
}

/// What a session may use. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionLimits {
    /// What the user may spend in a period. It is held per user, so that a new session does not reset it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<CostLimit>,
    /// How many agents may exist at once that are neither paused nor ended, one-shot ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<i64>,
    /// How many minutes sandboxes of the session may run in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_compute_minutes: Option<f64>,
    /// How long the session may live; then it is terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<DurationInput>,
}

impl SessionLimits {
    /// These limits with those of `changes` that are given put in their place.
    pub fn merged(&self, changes: &Self) -> Self {
        Self {
            max_cost: changes.max_cost.clone().or_else(|| self.max_cost.clone()),
            max_agents: changes.max_agents.or(self.max_agents),
            max_compute_minutes: changes.max_compute_minutes.or(self.max_compute_minutes),
            max_duration: changes.max_duration.or(self.max_duration),
        }
    }
}

impl Check for SessionLimits {
    fn check(&self, problems: &mut Problems) {
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
        if let Some(max_agents) = self.max_agents {
            problems.require(
                (0..=1_000_000).contains(&max_agents),
                "maxAgents",
                "must be a whole number from 0 to 1000000",
            );
        }
        if let Some(minutes) = self.max_compute_minutes {
            problems.require(
                minutes.is_finite() && (0.0..=1e9).contains(&minutes),
                "maxComputeMinutes",
                "must be a number of minutes that is not negative",
            );
        }
        if let Some(duration) = self.max_duration {
            problems.require(!duration.0.is_zero(), "maxDuration", "must be longer than nothing");
        }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionData {
    /// The id.
    pub id: SessionId,
    /// The end user; empty for an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The state.
    pub status: SessionStatus,
    /// Separates workloads.
    pub environment: Environment,
    /// Your own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What the session may use.
    #[serde(default)]
    pub limits: SessionLimits,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it is paused.
    #[serde(default)]
    pub paused_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub terminated_at: Option<Timestamp>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionListFilters {
    /// Only sessions in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionStatus>,
    /// Only sessions created after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for SessionListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Checks the `limit` of a list.
pub fn check_page_limit(limit: Option<i64>, problems: &mut Problems) {
    if let Some(limit) = limit {
        problems.require((1..=100).contains(&limit), "limit", "must be a whole number from 1 to 100");
    }
}

/// What one call of `session.run` is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionRunOpts {
    /// The name of the agent, or the id of a definition. A name that was never defined is a general agent.
    pub agent: String,
    /// What the agent is to do.
    pub task: String,
    /// Whether the agent needs a browser; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// How long the run may take; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What the run may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
    /// The model; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider of the sandbox; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl Check for SessionRunOpts {
    fn check(&self, problems: &mut Problems) {
        check_agent_name(&self.agent, problems);
        check_task(&self.task, problems);
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
    }
}

/// Checks the name of an agent.
pub fn check_agent_name(agent: &str, problems: &mut Problems) {
    problems.require(!agent.trim().is_empty() && agent.len() <= 128, "agent", "must be 1 to 128 bytes of text");
}

/// Checks a task.
pub fn check_task(task: &str, problems: &mut Problems) {
    problems.require(!task.trim().is_empty(), "task", "must say what to do");
    problems.require(task.len() <= 1 << 20, "task", "is larger than 1 MiB");
}

/// A cap on spending and how far it is used, in cents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostLimitStatus {
    /// Cents that may be spent in the period.
    pub limit: i64,
    /// Cents that were spent in the period, rounded half up.
    pub used: i64,
    /// Cents that are left.
    pub remaining: i64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
    /// The currency, `usd`.
    pub currency: String,
    /// What was spent, exactly, in millionths of a cent.
    #[serde(default)]
    pub used_micro_cents: i64,
    /// What steps in flight have reserved, in millionths of a cent.
    #[serde(default)]
    pub reserved_micro_cents: i64,
}

/// A count and how far it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// How many there may be.
    pub limit: i64,
    /// How many there are.
    pub used: i64,
    /// How many more there may be.
    pub remaining: i64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
}

/// Compute minutes and how far they are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinutesLimitStatus {
    /// Minutes that sandboxes may run.
    pub limit: f64,
    /// Minutes that sandboxes ran.
    pub used: f64,
    /// Minutes that are left.
    pub remaining: f64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
}

/// The limits of a session and how far they are used; a limit that is not set is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitsStatus {
    /// Spending of the user in the present period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<CostLimitStatus>,
    /// Agents that are neither paused nor ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<LimitStatus>,
    /// Minutes that sandboxes of the session ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_compute_minutes: Option<MinutesLimitStatus>,
}

/// What a session used so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// What it cost in all.
    pub cost: Cost,
    /// The part that sandboxes cost.
    pub compute_cost: Cost,
    /// The part that models cost.
    pub model_cost: Cost,
    /// The part that orchestration cost.
    pub orchestration_cost: Cost,
    /// Minutes that sandboxes ran.
    pub compute_minutes: f64,
    /// Calls of models.
    pub model_calls: i64,
    /// Agents that are neither paused nor ended.
    pub active_agents: i64,
    /// Agents that were ever created.
    pub total_agents_created: i64,
}
