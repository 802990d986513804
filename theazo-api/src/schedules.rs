//! Schedules: agents and workflows that run again and again, as a cron expression says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, accept, compatible, serve, serve_value},
    endpoint::{Reply, endpoints},
    error::ErrorDetail,
    id::{AgentId, RunId, ScheduleExecutionId, ScheduleId, SessionId, WorkflowId, WorkflowRunId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    patch::Patch,
    sessions::{check_agent_name, check_page_limit, check_user_id},
    time::Timestamp,
};

endpoints! {
    /// Creates a schedule for an agent or a workflow.
    ///
    /// Each run is in the user's active session, which is created where there is none. A run that would begin while the
    /// one before is still active is skipped.
    CreateSchedule: Post "/v1/schedules" => "schedules.create",
        body: ScheduleCreateOpts, response: Schedule,
        with { positional: &["cron", "userId"], status: 201, planned: true };

    /// Lists schedules, the newest first.
    ListSchedules: Get "/v1/schedules" => "schedules.list",
        query: ScheduleListOpts, response: Page<Schedule>,
        with { bare_list: true, planned: true };

    /// Fetches a schedule.
    GetSchedule: Get "/v1/schedules/{scheduleId}" => "schedules.get",
        path: SchedulePath, response: Schedule,
        with { ours: true, planned: true };

    /// Changes what is given and keeps the rest. A run that is under way is not affected.
    UpdateSchedule: Patch "/v1/schedules/{scheduleId}" => "schedules.update",
        path: SchedulePath, body: ScheduleUpdateOpts, response: Schedule,
        with { ours: true, planned: true };

    /// Pauses a schedule: nothing more begins until it is resumed. A run that is under way ends as it would.
    PauseSchedule: Post "/v1/schedules/{scheduleId}/pause" => "schedules.pause",
        path: SchedulePath, response: Schedule,
        with { planned: true };

    /// Resumes a schedule. The times that passed meanwhile are not made up for.
    ResumeSchedule: Post "/v1/schedules/{scheduleId}/resume" => "schedules.resume",
        path: SchedulePath, response: Schedule,
        with { planned: true };

    /// Removes a schedule and its history. A run that is under way ends as it would.
    DeleteSchedule: Delete "/v1/schedules/{scheduleId}" => "schedules.delete",
        path: SchedulePath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Lists what the schedule has run, the newest first.
    ListScheduleHistory: Get "/v1/schedules/{scheduleId}/history" => "schedules.history",
        path: SchedulePath, query: ScheduleHistoryOpts, response: Page<ScheduleExecution>,
        with { bare_list: true, planned: true };
}

/// The path of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SchedulePath {
    /// The schedule.
    pub schedule_id: ScheduleId,
}

/// What a new schedule is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleCreateOpts {
    /// The times: minute, hour, day of the month, month and day of the week, for example `0 9 * * 1-5`.
    pub cron: String,
    /// The end user that the runs are for.
    pub user_id: String,
    /// The name, for people; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of the agent that is run, or the id of a definition. Either this or `workflowId` must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The workflow that is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The time zone in which the times are meant, by its IANA name such as `Europe/Berlin`; `UTC` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What the agent is told, or the input of the workflow; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
    /// Whether it is active at once; true by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl Check for ScheduleCreateOpts {
    fn check(&self, problems: &mut Problems) {
        check_cron(&self.cron, problems);
        check_user_id(&self.user_id, problems);
        check_name(self.name.as_deref(), problems);
        check_target(self.agent.as_deref(), self.workflow_id.as_ref(), problems);
        if let Some(timezone) = &self.timezone {
            check_timezone(timezone, problems);
        }
    }
}

/// Checks what a schedule or a trigger runs: an agent or a workflow.
pub(crate) fn check_target(agent: Option<&str>, workflow: Option<&WorkflowId>, problems: &mut Problems) {
    match (agent, workflow) {
        (Some(agent), None) => check_agent_name(agent, problems),
        (None, Some(workflow)) => {
            problems.require(workflow.is_well_formed(), "workflowId", "must be an id such as `wf_a1b2c3`");
        }
        (Some(_), Some(_)) => problems.add("workflowId", "must not be given together with `agent`"),
        (None, None) => problems.add("agent", "must be given, or else `workflowId`"),
    }
}

fn check_name(name: Option<&str>, problems: &mut Problems) {
    let fits = name.is_none_or(|name| !name.trim().is_empty() && name.len() <= 128);
    problems.require(fits, "name", "must be 1 to 128 bytes of text");
}

/// Checks a cron expression: five fields of the letters that they can have. Their values are checked by the server.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_cron("0 9 * * 1-5", &mut problems);
/// assert!(problems.into_result().is_ok());
/// ```
pub fn check_cron(cron: &str, problems: &mut Problems) {
    let is_field =
        |field: &str| field.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"*/,-?".contains(&letter));
    problems.require(
        cron.split_ascii_whitespace().count() == 5 && cron.split_ascii_whitespace().all(is_field),
        "cron",
        "must have five fields: minute, hour, day of the month, month and day of the week, such as `0 9 * * 1-5`",
    );
}

/// Checks that a text can be the IANA name of a time zone.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_timezone("half past nine", &mut problems);
/// assert_eq!(problems.into_result().unwrap_err()[0].field, "timezone");
/// ```
pub fn check_timezone(timezone: &str, problems: &mut Problems) {
    let is_name = timezone.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"/_+-".contains(&letter));
    problems.require(
        is_name && (1..=64).contains(&timezone.len()),
        "timezone",
        "must be the IANA name of a time zone, such as `UTC` or `Europe/Berlin`",
    );
}

/// What is changed in a schedule. What is absent stays as it is; null takes it away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleUpdateOpts {
    /// The times: minute, hour, day of the month, month and day of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The time zone in which the times are meant, by its IANA name; null is `UTC`.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub timezone: Patch<String>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub name: Patch<String>,
    /// What the agent is told, or the input of the workflow, in the place of all that there was.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub input: Patch<Map<String, Value>>,
    /// Whether it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl Check for ScheduleUpdateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(cron) = &self.cron {
            check_cron(cron, problems);
        }
        if let Some(timezone) = self.timezone.value() {
            check_timezone(timezone, problems);
        }
        check_name(self.name.value().map(String::as_str), problems);
    }
}

/// Which schedules to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ScheduleListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which part of a schedule's history to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleHistoryOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ScheduleHistoryOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A schedule of an agent or a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Schedule {
    /// The id.
    pub id: ScheduleId,
    /// The name; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The agent that is run; absent for a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The workflow that is run; absent for an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The end user that the runs are for.
    pub user_id: String,
    /// The times: minute, hour, day of the month, month and day of the week.
    pub cron: String,
    /// The time zone in which the times are meant.
    pub timezone: String,
    /// What the agent is told, or the input of the workflow.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Whether it is active; false while it is paused.
    pub enabled: bool,
    /// When it last ran; null if it never did.
    #[serde(default)]
    pub last_run_at: Option<Timestamp>,
    /// When it runs next; null while it is paused.
    #[serde(default)]
    pub next_run_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

compatible!(Schedule by functions);

/// Version 0.1.6 has a status in the place of `enabled`, and the documentation has `nextRun`.
impl Compatible for Schedule {
    const TOUCHED: &[&str] = &["nextRun", "status", "enabled"];

    fn accept(members: &mut Map<String, Value>) {
        accept(members, "nextRun", "nextRunAt");
        if let Some(status) = members.remove("status") {
            members.entry("enabled").or_insert_with(|| (status == "active").into());
        }
    }

    fn serve(members: &mut Map<String, Value>) {
        serve(members, "nextRunAt", "nextRun");
        let is_active = members.get("enabled").and_then(Value::as_bool).unwrap_or_default();
        serve_value(members, "status", if is_active { "active" } else { "paused" });
    }
}

open_enum! {
    /// The state of one execution of a schedule.
    ScheduleExecutionStatus {
        /// It is under way.
        Running = "running",
        /// It is done.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
        /// It did not begin, because the one before was still active.
        Skipped = "skipped",
    }
}

/// One execution of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ScheduleExecution {
    /// The id.
    pub id: ScheduleExecutionId,
    /// The schedule.
    #[serde(default)]
    pub schedule_id: Option<ScheduleId>,
    /// The session that it worked in; null if it did not begin.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The agent that worked; null for a workflow, and if it did not begin.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The run of the agent; null for a workflow, and if it did not begin.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The run of the workflow; null for an agent, and if it did not begin.
    #[serde(default)]
    pub workflow_run_id: Option<WorkflowRunId>,
    /// The state.
    pub status: ScheduleExecutionStatus,
    /// What it cost so far.
    pub cost: Cost,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// When it began, or should have.
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

compatible!(ScheduleExecution, accepts { "executionId" as "id" }, serves { "id" as "executionId" });

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn a_schedule_is_served_with_its_status_and_next_run() {
        let published = json!({
            "id": "sch_1", "name": "Daily report", "agent": "daily_reporter", "userId": "ada", "cron": "0 9 * * *",
            "timezone": "Europe/Berlin", "status": "active", "createdAt": "2026-11-24T09:00:00.000Z",
            "nextRun": "2026-11-25T08:00:00.000Z",
        });
        let clean = json!({
            "id": "sch_1", "name": "Daily report", "agent": "daily_reporter", "userId": "ada", "cron": "0 9 * * *",
            "timezone": "Europe/Berlin", "enabled": true, "createdAt": "2026-11-24T09:00:00.000Z",
            "nextRunAt": "2026-11-25T08:00:00.000Z",
        });

        let schedule: Schedule = serde_json::from_value(published.clone()).unwrap();

        assert_eq!(schedule, serde_json::from_value(clean).unwrap());
        let served = for_published_clients(|| serde_json::to_value(&schedule).unwrap());
        for (name, value) in published.as_object().unwrap() {
            assert_eq!(&served[name], value, "{name}");
        }
        let own = serde_json::to_value(&schedule).unwrap();
        assert!(own.get("status").is_none() && own.get("nextRun").is_none());
    }

    #[test]
    fn a_paused_schedule_is_served_as_paused() {
        let schedule: Schedule = serde_json::from_value(json!({
            "id": "sch_1", "workflowId": "wf_1", "userId": "ada", "cron": "0 9 * * *", "timezone": "UTC",
            "status": "paused", "createdAt": "2026-11-24T09:00:00.000Z",
        }))
        .unwrap();

        let served = for_published_clients(|| serde_json::to_value(&schedule).unwrap());

        assert!(!schedule.enabled);
        assert_eq!((&served["status"], &served["nextRun"]), (&json!("paused"), &Value::Null));
    }

    #[test]
    fn an_execution_is_served_under_both_names_of_its_id() {
        let published = json!({
            "executionId": "sexe_1", "agentId": "agt_1", "status": "completed",
            "cost": { "amount": 12, "currency": "usd" }, "startedAt": "2026-11-24T09:00:00.000Z",
            "completedAt": "2026-11-24T09:01:00.000Z",
        });

        let execution: ScheduleExecution = serde_json::from_value(published.clone()).unwrap();

        assert_eq!(execution.id, "sexe_1".into());
        let served = for_published_clients(|| serde_json::to_value(&execution).unwrap());
        for (name, value) in published.as_object().unwrap() {
            assert_eq!(&served[name], value, "{name}");
        }
    }

    #[test]
    fn a_schedule_runs_an_agent_or_a_workflow_at_times_that_can_be_read() {
        let problems = |changes: Value| {
            let mut json = json!({ "cron": "0 9 * * *", "userId": "ada" });
            json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let opts: ScheduleCreateOpts = serde_json::from_value(json).unwrap();
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(problems(json!({ "agent": "daily_reporter" })), Vec::<String>::new());
        assert_eq!(problems(json!({ "workflowId": "wf_1", "timezone": "America/New_York" })), Vec::<String>::new());
        assert_eq!(problems(json!({})), ["agent"]);
        assert_eq!(problems(json!({ "agent": "a", "workflowId": "wf_1" })), ["workflowId"]);
        assert_eq!(problems(json!({ "agent": "a", "cron": "0 9 * *" })), ["cron"]);
        assert_eq!(problems(json!({ "agent": "a", "cron": "0 9 * * MON-FRI" })), Vec::<String>::new());
        assert_eq!(problems(json!({ "agent": "a", "cron": "0 9 * * $(rm)" })), ["cron"]);
        assert_eq!(problems(json!({ "agent": "a", "timezone": "Berlin time", "userId": " " })), ["userId", "timezone"]);
    }
}
