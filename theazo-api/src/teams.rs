//! Teams: several agents, each in a role of its own, that work on one task together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, accept, compatible, serve, serve_value},
    endpoint::{Repeat, Reply, TimeClass, endpoints},
    error::ErrorDetail,
    id::{SessionId, TeamId, TeamRunId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{SessionPath, check_page_limit, check_task},
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Creates a team. Its members work only in its runs, each in a sandbox of its own.
    CreateTeam: Post "/v1/sessions/{sessionId}/teams" => "session.teams.create",
        path: SessionPath, body: TeamCreateOpts, response: TeamData,
        with { positional: &["agents"], status: 201, planned: true };

    /// Lists the teams of the session, the newest first.
    ListTeams: Get "/v1/sessions/{sessionId}/teams" => "session.teams.list",
        path: SessionPath, query: TeamListFilters, response: Page<TeamData>,
        with { ours: true, planned: true };

    /// Fetches a team, to go on with it where its id alone is known.
    GetTeam: Get "/v1/teams/{teamId}" => "teams.get",
        path: TeamPath, response: TeamData,
        with { ours: true, planned: true };

    /// Gives the team a task and waits for the result.
    ///
    /// A run that failed or was cancelled is an error of this call. When a limit is reached the run stays paused and the
    /// call fails with `session_limit_exceeded`; raising the limit resumes that run.
    RunTeam: Post "/v1/teams/{teamId}/runs" => "team.run",
        path: TeamPath, body: TeamRunOpts, response: TeamRun,
        with { positional: &["task"], time: TimeClass::Run, ours: true, planned: true };

    /// Gives the team a task and returns at once; `teamRuns.wait` waits for the result.
    StartTeamRun: Post "/v1/teams/{teamId}/run" => "team.start",
        path: TeamPath, body: TeamRunOpts, response: TeamRunStarted,
        with { positional: &["task"], status: 202, planned: true };

    /// Lists the runs of the team, the newest first.
    ListTeamRuns: Get "/v1/teams/{teamId}/runs" => "team.runs",
        path: TeamPath, query: TeamRunListFilters, response: Page<TeamRun>,
        with { ours: true, planned: true };

    /// Cancels every run of the team that is not over; `teamRuns.cancel` cancels one.
    CancelTeam: Post "/v1/teams/{teamId}/cancel" => "team.cancel",
        path: TeamPath, response: TeamCancellation,
        with { planned: true };

    /// Fetches a run of a team.
    GetTeamRun: Get "/v1/team-runs/{teamRunId}" => "teamRuns.get",
        path: TeamRunPath, response: TeamRun,
        with { planned: true };

    /// Waits until the run is done and returns it, or fails as the run failed.
    WaitForTeamRun: Get "/v1/team-runs/{teamRunId}/result" => "teamRuns.wait",
        path: TeamRunPath, response: TeamRun,
        with { time: TimeClass::Run, ours: true, planned: true };

    /// Streams what happened and happens in the run, from its beginning, until it is done.
    StreamTeamRun: Get "/v1/team-runs/{teamRunId}/stream" => "teamRuns.stream",
        path: TeamRunPath, response: TeamStreamEvent,
        with { time: TimeClass::Stream, reply: Reply::Events, ours: true, planned: true };

    /// Cancels the run. What it did so far is kept and paid for; a run that is over stays as it is.
    CancelTeamRun: Post "/v1/team-runs/{teamRunId}/cancel" => "teamRuns.cancel",
        path: TeamRunPath, response: TeamRun,
        with { repeat: Repeat::Idempotent, ours: true, planned: true };
}

/// The path of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamPath {
    /// The team.
    pub team_id: TeamId,
}

/// The path of a run of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamRunPath {
    /// The run of the team.
    pub team_run_id: TeamRunId,
}

open_enum! {
    /// How the members of a team work together.
    TeamCoordination {
        /// One after the other, in their order; each is given what the one before answered.
        Sequential = "sequential",
        /// All at once, in rounds; in each they see what the others said, and after the last an arbiter sums up.
        Collaborative = "collaborative",
        /// The first is the manager: it gives parts of the task to the others and makes the result of their answers.
        Hierarchical = "hierarchical",
    }
}

/// A member of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamAgentConfig {
    /// The role: the name of the member in the team, which no other member has.
    pub role: String,
    /// The name of the agent, or the id of a definition.
    pub agent: String,
    /// What the member is told beside the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

impl Check for TeamAgentConfig {
    fn check(&self, problems: &mut Problems) {
        let is_name = |text: &str| !text.trim().is_empty() && text.len() <= 128;
        problems.require(is_name(&self.role), "agents", "has a member whose `role` is not 1 to 128 bytes of text");
        problems.require(is_name(&self.agent), "agents", "has a member whose `agent` is not 1 to 128 bytes of text");
    }
}

/// What a new team is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamCreateOpts {
    /// The members, 1 to 50, in their order.
    pub agents: Vec<TeamAgentConfig>,
    /// The name, used in logs; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the members work together; `sequential` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordination: Option<TeamCoordination>,
    /// Whether each member sees what all others answered; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_context: Option<bool>,
    /// How many rounds a run has at most, 1 to 100; 3 by default. A sequential team has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rounds: Option<i64>,
}

impl Check for TeamCreateOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require((1..=50).contains(&self.agents.len()), "agents", "must be 1 to 50 members");
        for agent in &self.agents {
            agent.check(problems);
        }
        let roles: BTreeSet<&str> = self.agents.iter().map(|agent| agent.role.as_str()).collect();
        problems.require(roles.len() == self.agents.len(), "agents", "has two members with the same `role`");
        if let Some(name) = &self.name {
            problems.require(name.len() <= 128, "name", "must be at most 128 bytes of text");
        }
        if let Some(TeamCoordination::Other(_)) = &self.coordination {
            problems.add("coordination", "must be `sequential`, `collaborative` or `hierarchical`");
        }
        if let Some(max_rounds) = self.max_rounds {
            problems.require((1..=100).contains(&max_rounds), "maxRounds", "must be a whole number from 1 to 100");
        }
    }
}

/// A team: several agents that work on one task together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamData {
    /// The id.
    pub id: TeamId,
    /// The session.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The name; empty if it has none.
    #[serde(default)]
    pub name: String,
    /// The members, in their order.
    pub agents: Vec<TeamAgentConfig>,
    /// How the members work together.
    pub coordination: TeamCoordination,
    /// Whether each member sees what all others answered.
    #[serde(default)]
    pub shared_context: bool,
    /// How many rounds a run has at most.
    pub max_rounds: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Which teams to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamListFilters {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for TeamListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What one run of a team is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamRunOpts {
    /// What the team is to do.
    pub task: String,
}

impl Check for TeamRunOpts {
    fn check(&self, problems: &mut Problems) {
        check_task(&self.task, problems);
    }
}

open_enum! {
    /// The state of a run of a team.
    TeamRunStatus {
        /// It is under way.
        Running = "running",
        /// It stands still: a limit was reached, or its session was paused.
        Paused = "paused",
        /// It is done and has a result.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl TeamRunStatus {
    /// Whether the run is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A run of a team that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamRunStarted {
    /// The run.
    pub run_id: TeamRunId,
    /// The state.
    pub status: TeamRunStatus,
}

/// Which runs of a team to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamRunListFilters {
    /// Only runs in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TeamRunStatus>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for TeamRunListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which runs of a team were cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamCancellation {
    /// The runs that were cancelled; empty if all were over.
    #[serde(default)]
    pub cancelled: Vec<TeamRunId>,
}

/// A run of a team, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct TeamRun {
    /// The id.
    pub id: TeamRunId,
    /// The team.
    pub team_id: TeamId,
    /// The task.
    pub task: String,
    /// The state.
    pub status: TeamRunStatus,
    /// What the team answered; null until it is completed.
    #[serde(default)]
    pub output: Option<String>,
    /// What each member answered last, by its role.
    #[serde(default)]
    pub agent_outputs: BTreeMap<String, String>,
    /// What the members said to one another, in order.
    #[serde(default)]
    pub messages: Vec<TeamMessage>,
    /// What all members cost so far.
    pub cost: Cost,
    /// How long it took, for people: `3m 12s`; until it is over, how long it has taken so far.
    #[serde(default)]
    pub duration: String,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: i64,
    /// When its first member began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// Why it failed, or why it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
}

/// The published client reads the cost as text with a number of cents; what is not there yet, its server answers as null.
impl Compatible for TeamRun {
    const TOUCHED: &[&str] = &["runId", "agentOutputs", "messages", "totalCost", "cost"];

    fn accept(members: &mut Map<String, Value>) {
        accept(members, "runId", "id");
        members.retain(|name, value| !(value.is_null() && matches!(name.as_str(), "agentOutputs" | "messages")));
        if let Some(total) = members.remove("totalCost") {
            let cents = total.as_str().and_then(|text| text.parse().ok()).or(total.as_f64()).unwrap_or_default();
            members.entry("cost").or_insert_with(|| serde_json::json!({ "amount": whole_cents(cents) }));
        }
    }

    fn serve(members: &mut Map<String, Value>) {
        serve(members, "id", "runId");
        if let Some(cents) = members.get("cost").and_then(|cost| cost.get("amount")).map(Value::to_string) {
            serve_value(members, "totalCost", cents);
        }
    }
}

compatible!(TeamRun by functions);

/// The published server counts parts of a cent, which its client rounds.
#[allow(clippy::cast_possible_truncation, reason = "`as` goes to the nearest whole number that there is")]
fn whole_cents(cents: f64) -> i64 {
    cents.round() as i64
}

/// What a member of a team said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamMessage {
    /// The role of the member who said it; `arbiter` where the arbiter of a collaborative team sums up.
    #[serde(default)]
    pub role: String,
    /// The role of the member to whom it was said; absent if it was said to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What was said.
    #[serde(default)]
    pub content: String,
    /// In which round, from 1.
    #[serde(default)]
    pub round: i64,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

tagged_union! {
    /// Something that happens in a run of a team.
    ///
    /// `done` ends a stream whose run completed; `error` ends one whose run failed, was cancelled or is paused.
    TeamStreamEvent by "type" {
        /// A member begins.
        MemberStarted = "member_started" {
            /// The role of the member.
            role: String,
            /// In which round, from 1.
            round: i64,
        },
        /// The model of a member wrote a piece of text.
        Text = "text" {
            /// The role of the member.
            role: String,
            /// The piece.
            text: String,
        },
        /// The model of a member called a tool.
        ToolCall = "tool_call" {
            /// The role of the member.
            role: String,
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
            /// The role of the member that called it.
            role: String,
            /// The id of the call, the same at its beginning and its end; null from a server that gives none.
            #[serde(default)]
            tool_call_id: Option<String>,
            /// The name of the tool.
            tool: String,
            /// What it returned.
            output: String,
        },
        /// A member said something to the others.
        Message = "message" {
            /// What it said.
            message: TeamMessage,
        },
        /// A member has answered.
        MemberCompleted = "member_completed" {
            /// The role of the member.
            role: String,
            /// In which round, from 1.
            round: i64,
            /// What it answered.
            output: String,
            /// What its answer cost.
            cost: Cost,
        },
        /// The run is completed.
        Done = "done" {
            /// The run.
            run_id: TeamRunId,
            /// What the team answered.
            output: String,
            /// What each member answered last, by its role.
            agent_outputs: BTreeMap<String, String>,
            /// What all members cost.
            cost: Cost,
            /// How long it took, for people: `3m 12s`.
            duration: String,
            /// How long it took, in milliseconds.
            duration_ms: i64,
        },
        /// The run failed, was cancelled, or is paused at a limit.
        Error = "error" {
            /// The run.
            run_id: TeamRunId,
            /// Why.
            error: ErrorDetail,
        },
    }
}

impl TeamStreamEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    fn run() -> TeamRun {
        TeamRun {
            id: "trun_1".into(),
            team_id: "team_1".into(),
            task: "Write it up".to_owned(),
            status: TeamRunStatus::Completed,
            output: Some("Done.".to_owned()),
            agent_outputs: BTreeMap::from([("writer".to_owned(), "Done.".to_owned())]),
            messages: Vec::new(),
            cost: Cost::cents(31),
            duration: String::new(),
            duration_ms: 0,
            started_at: None,
            completed_at: None,
            error: None,
        }
    }

    #[test]
    fn a_run_is_served_with_its_cost_as_text() {
        let served = for_published_clients(|| serde_json::to_value(run()).unwrap());

        assert_eq!(served["totalCost"], json!("31"));
        assert_eq!((&served["runId"], &served["id"]), (&json!("trun_1"), &json!("trun_1")));
        assert_eq!(served["startedAt"], Value::Null);
        assert_eq!(served["agentOutputs"], json!({ "writer": "Done." }));
    }

    #[test]
    fn a_published_run_is_read() {
        let published = json!({
            "id": "trun_1", "teamId": "team_1", "task": "Write it up", "status": "completed", "output": "Done.",
            "agentOutputs": { "writer": "Done." }, "messages": null, "totalCost": "30.6", "startedAt": null,
            "completedAt": null,
        });

        assert_eq!(serde_json::from_value::<TeamRun>(published).unwrap(), run());
    }

    #[test]
    fn a_published_run_without_results_has_cost_nothing() {
        let published = json!({
            "runId": "trun_1", "teamId": "team_1", "task": "Write it up", "status": "running", "output": null,
            "agentOutputs": null, "totalCost": null,
        });

        let read: TeamRun = serde_json::from_value(published).unwrap();

        assert_eq!((read.cost, read.output, read.agent_outputs.len()), (Cost::cents(0), None, 0));
    }

    #[test]
    fn members_have_roles_of_their_own() {
        let member =
            |role: &str| TeamAgentConfig { role: role.to_owned(), agent: "writer".to_owned(), instructions: None };
        let team = |agents: Vec<TeamAgentConfig>| TeamCreateOpts { agents, ..TeamCreateOpts::default() };
        let problem = |agents| Problems::of(&team(agents)).first().map(|problem| problem.message.clone());

        assert_eq!(problem(vec![member("a"), member("b")]), None);
        assert_eq!(problem(vec![member("a"), member("a")]).unwrap(), "has two members with the same `role`");
        assert_eq!(problem(vec![]).unwrap(), "must be 1 to 50 members");
        assert_eq!(problem(vec![member("")]).unwrap(), "has a member whose `role` is not 1 to 128 bytes of text");
    }
}
