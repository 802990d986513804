//! Sessions: the isolated container of one end user, with its limits and its usage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    agent_options::{KnowledgeChoice, McpChoice, check_sources},
    check::{Check, Problems},
    endpoint::{TimeClass, endpoints},
    id::SessionId,
    money::Cost,
    open_enum::open_enum,
    page::Page,
    providers::{ComputeProviders, ModelProviderConfig},
    runs::RunResult,
    session_limits::{LimitsStatus, SessionLimits, SessionLimitsUpdate},
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Creates a session.
    ///
    /// Every call makes a new one; `sessions.forUser` returns the one that a user already has.
    CreateSession: Post "/v1/sessions" => "sessions.create",
        body: SessionCreateOpts, response: SessionData,
        with {
            status: 201, strict: &["limits"],
        };

    /// Fetches a session.
    GetSession: Get "/v1/sessions/{sessionId}" => "sessions.get",
        path: SessionPath, response: SessionData;

    /// Returns the active session of a user, or creates it.
    ///
    /// Meant to be called on every request of the user. On an existing session `limits`, `metadata` and `environment` are
    /// ignored: only `session.updateLimits` changes limits. `compute` and `models` take the place of those that it has.
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

    /// Changes the limits that are given and keeps the others; null removes one. Runs that wait at a raised limit go on.
    UpdateSessionLimits: Patch "/v1/sessions/{sessionId}/limits" => "session.updateLimits",
        path: SessionPath, body: SessionLimitsUpdate, response: SessionData,
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
    /// The providers of your own that its sandboxes run on; those of the account by default. Credentials are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeProviders>,
    /// The provider of your own whose models its agents ask; those of the account by default. Credentials are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelProviderConfig>,
    /// Which providers of your own the session must have: the SHA-256 of `compute` and `models`, in hexadecimal digits.
    /// Without them a session that has others or none is refused with `providers_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers_digest: Option<String>,
}

impl Check for SessionCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(user_id) = &self.user_id {
            check_user_id(user_id, problems);
        }
        check_environment(self.environment.as_ref(), problems);
        if let Some(limits) = &self.limits {
            problems.within("limits", limits);
        }
        check_providers(self.compute.as_ref(), self.models.as_ref(), self.providers_digest.as_deref(), problems);
    }
}

fn check_environment(environment: Option<&Environment>, problems: &mut Problems) {
    let is_known = !matches!(environment, Some(Environment::Other(_)));
    problems.require(is_known, "environment", "must be `production`, `staging` or `development`");
}

fn check_providers(
    compute: Option<&ComputeProviders>,
    models: Option<&ModelProviderConfig>,
    digest: Option<&str>,
    problems: &mut Problems,
) {
    if let Some(compute) = compute {
        problems.within("compute", compute);
    }
    if let Some(models) = models {
        problems.within("models", models);
    }
    if let Some(digest) = digest {
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        problems.require(is_digest, "providersDigest", "must be 64 hexadecimal digits, the letters small");
    }
}

/// Checks an end user's id: any text, but not empty, not blank and not longer than 256 bytes.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_user_id("  ", &mut problems);
/// assert_eq!(problems.into_result().unwrap_err()[0].field, "userId");
/// ```
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
    /// Separates workloads; `production` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What the session may use; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<SessionLimits>,
    /// Your own notes: text by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The providers of your own that its sandboxes run on; those of the account by default. Credentials are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeProviders>,
    /// The provider of your own whose models its agents ask; those of the account by default. Credentials are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelProviderConfig>,
    /// Which providers of your own the session must have: the SHA-256 of `compute` and `models`, in hexadecimal digits.
    /// Without them a session that has others or none is refused with `providers_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers_digest: Option<String>,
}

impl Check for SessionForUserOpts {
    fn check(&self, problems: &mut Problems) {
        check_environment(self.environment.as_ref(), problems);
        if let Some(limits) = &self.limits {
            problems.within("limits", limits);
        }
        check_providers(self.compute.as_ref(), self.models.as_ref(), self.providers_digest.as_deref(), problems);
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
    /// The providers of your own that were sealed into it, as the `providersDigest` that came with them; absent if there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers_digest: Option<String>,
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
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_page_limit(Some(101), &mut problems);
/// assert_eq!(problems.into_result().unwrap_err()[0].field, "limit");
/// ```
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
    /// The knowledge that the agent may search; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgeChoice>,
    /// The MCP servers whose tools the model may use; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpChoice>,
}

impl Check for SessionRunOpts {
    fn check(&self, problems: &mut Problems) {
        check_agent_name(&self.agent, problems);
        check_task(&self.task, problems);
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
        check_sources(self.mcp.as_ref(), self.knowledge.as_ref(), problems);
    }
}

/// Checks the name of an agent.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_agent_name("researcher", &mut problems);
/// assert!(problems.into_result().is_ok());
/// ```
pub fn check_agent_name(agent: &str, problems: &mut Problems) {
    problems.require(!agent.trim().is_empty() && agent.len() <= 128, "agent", "must be 1 to 128 bytes of text");
}

/// Checks a task.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_task("", &mut problems);
/// assert_eq!(problems.into_result().unwrap_err()[0].message, "must say what to do");
/// ```
pub fn check_task(task: &str, problems: &mut Problems) {
    problems.require(!task.trim().is_empty(), "task", "must say what to do");
    problems.require(task.len() <= 1 << 20, "task", "is larger than 1 MiB");
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
    /// The part that storage cost.
    #[serde(default = "no_cost")]
    pub storage_cost: Cost,
    /// Gigabytes times hours that snapshots and files of the session were kept.
    #[serde(default)]
    pub gb_hours: f64,
    /// Minutes that sandboxes ran.
    pub compute_minutes: f64,
    /// Calls of models.
    pub model_calls: i64,
    /// Agents that are neither paused nor ended.
    pub active_agents: i64,
    /// Agents that were ever created.
    pub total_agents_created: i64,
}

fn no_cost() -> Cost {
    Cost::from_micro_cents(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha_256() {
        let fields = |digest: String| {
            let opts = SessionForUserOpts { providers_digest: Some(digest), ..SessionForUserOpts::default() };
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(fields("0f".repeat(32)), [""; 0]);
        assert_eq!(fields("0F".repeat(32)), ["providersDigest"]);
    }
}
