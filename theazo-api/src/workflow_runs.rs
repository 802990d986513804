//! Runs of workflows: started, watched, waited for, resumed and tried again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Method, Reply, TimeClass, endpoints},
    error::{ErrorCode, ErrorDetail},
    events::check_event,
    id::{AgentId, ApprovalId, SessionId, WorkflowId, WorkflowRunId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{check_page_limit, check_user_id},
    time::Timestamp,
    workflow_stream::WorkflowStreamEvent,
    workflows::WorkflowPath,
};

/// The events after which a run of a workflow has nothing to say.
const LAST_EVENTS: &[&str] = &["run.completed", "run.failed", "run.cancelled"];

endpoints! {
    /// Starts a run of a workflow and returns at once.
    ///
    /// An input that does not fit the workflow's `inputSchema` is refused before anything starts.
    RunWorkflow: Post "/v1/workflows/{workflowId}/runs" => "workflows.run",
        path: WorkflowPath, body: WorkflowRunOpts, response: WorkflowRun,
        with { status: 202, planned: true };

    /// Starts a run of a workflow and streams what happens until it is over.
    ///
    /// A stream that breaks resumes after the last event that arrived; the run is not started again. Leaving the stream
    /// early cancels the run.
    RunAndStreamWorkflow: Post "/v1/workflows/{workflowId}/runs/stream" => "workflows.runAndStream",
        path: WorkflowPath, body: WorkflowRunOpts, response: WorkflowStreamEvent,
        with {
            time: TimeClass::Stream, reply: Reply::Events, ends_with_caller: true, farewell: "CancelWorkflowRun",
            last_events: LAST_EVENTS, ours: true, planned: true,
        };

    /// Lists runs of workflows, the newest first.
    ListWorkflowRuns: Get "/v1/workflow-runs" => "workflows.runs",
        query: WorkflowRunFilters, response: Page<WorkflowRun>,
        with { older: &[(Method::Get, "/v1/workflows/runs")], planned: true };

    /// Fetches a run of a workflow, with what its steps returned so far.
    GetWorkflowRun: Get "/v1/workflow-runs/{workflowRunId}" => "workflows.getRun",
        path: WorkflowRunPath, response: WorkflowRun,
        with { older: &[(Method::Get, "/v1/workflows/runs/{workflowRunId}")], planned: true };

    /// Waits until a run of a workflow is over, and returns it whatever it came to.
    ///
    /// A run that is paused is waited for. A call that ends early ends the waiting and not the run.
    WaitForWorkflowRun: Get "/v1/workflow-runs/{workflowRunId}/result" => "workflows.waitForRun",
        path: WorkflowRunPath, response: WorkflowRun,
        with { time: TimeClass::Run, ours: true, planned: true };

    /// Streams what happened and happens in a run of a workflow, from its beginning, until it is over.
    ///
    /// Older versions of the client give the id of a workflow here. Then the run of it that is under way is streamed, or
    /// else one is started without input, in an anonymous session.
    StreamWorkflowRun: Get "/v1/workflow-runs/{workflowRunId}/stream" => "workflows.streamRun",
        path: WorkflowStreamPath, response: WorkflowStreamEvent,
        with {
            time: TimeClass::Stream, reply: Reply::Events, last_events: LAST_EVENTS,
            older: &[(Method::Get, "/v1/workflows/runs/{workflowRunId}/stream")], planned: true,
        };

    /// Cancels a run of a workflow. What its steps did so far is kept and paid for; a run that is over stays as it is.
    CancelWorkflowRun: Post "/v1/workflow-runs/{workflowRunId}/cancel" => "workflows.cancelRun",
        path: WorkflowRunPath, response: WorkflowRun,
        with { older: &[(Method::Post, "/v1/workflows/runs/{workflowRunId}/cancel")], planned: true };

    /// Takes a run of a workflow up again at the step that failed. What the steps before it returned is kept.
    ///
    /// A run that neither failed nor is paused or partial is refused with `conflict`.
    RetryWorkflowRun: Post "/v1/workflow-runs/{workflowRunId}/retry" => "workflows.retryRun",
        path: WorkflowRunPath, response: WorkflowRun,
        with { older: &[(Method::Post, "/v1/workflows/runs/{workflowRunId}/retry")], planned: true };

    /// Resumes a run of a workflow that waits: it is told of the event that it waits for, or just goes on.
    ///
    /// A run that does not wait for the event, or that is not paused, is refused with `conflict`. An approval is decided
    /// with `approvals.approve` and not resumed.
    ResumeWorkflowRun: Post "/v1/workflow-runs/{workflowRunId}/resume" => "workflows.resumeRun",
        path: WorkflowRunPath, body: WorkflowResumeOpts, response: WorkflowRun,
        with { planned: true };
}

/// The path of a run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRunPath {
    /// The run of the workflow.
    pub workflow_run_id: WorkflowRunId,
}

/// The path of what is streamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowStreamPath {
    /// The run of the workflow; older versions of the client give the id of a workflow, `wf_...`, in its place.
    pub workflow_run_id: WorkflowRunId,
}

/// What one run of a workflow is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct WorkflowRunOpts {
    /// The end user that the run is for; the user of the session by default. One of the two must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The session in which the agents work; the user's active session by default, which is created where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The input, which steps read as `$.input` and `$.trigger`; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
    /// Your own key for the run: a second call with it returns the first run and starts none. It is kept as long as the
    /// run, unlike the idempotency key that every call has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<String>,
}

compatible!(WorkflowRunOpts, accepts { "idempotencyKey" as "runKey" });

impl Check for WorkflowRunOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.user_id.is_some() || self.session_id.is_some(),
            "sessionId",
            "must be given, or else `userId`: the run needs a session to work in",
        );
        if let Some(user_id) = &self.user_id {
            check_user_id(user_id, problems);
        }
        if let Some(key) = &self.run_key {
            problems.require(!key.is_empty() && key.len() <= 255, "runKey", "must be 1 to 255 bytes of text");
        }
    }
}

/// Which runs of workflows to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRunFilters {
    /// Only runs of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// Only runs in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkflowRunStatus>,
    /// Only runs in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for WorkflowRunFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What a waiting run is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowResumeOpts {
    /// The event that a `wait` step of the run waits for; leave it out for a run that is paused because a step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What the event carries: the output of the `wait` step; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Map<String, Value>>,
}

impl Check for WorkflowResumeOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(event) = &self.event {
            check_event(event, "event", problems);
        }
        problems.require(
            self.event.is_some() || self.payload.is_none(),
            "payload",
            "belongs to an event: name it in `event`",
        );
    }
}

open_enum! {
    /// The state of a run of a workflow.
    WorkflowRunStatus {
        /// It has not begun: it waits for a worker, or for other runs of the workflow.
        Pending = "pending",
        /// Steps work.
        Running = "running",
        /// It is over, and every step that was to run is completed.
        Completed = "completed",
        /// It is over, and steps failed or were skipped because of that.
        Partial = "partial",
        /// It ended with an error.
        Failed = "failed",
        /// It stands still: a step waits for an approval or an event, or a step failed and somebody has to look.
        Paused = "paused",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl WorkflowRunStatus {
    /// Whether the run is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Partial | Self::Failed | Self::Cancelled)
    }
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct WorkflowRun {
    /// The id.
    pub id: WorkflowRunId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The version of the workflow that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_version: Option<i64>,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The session in which its agents work.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The state.
    pub status: WorkflowRunStatus,
    /// The input.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// What it returned: the output of its last step, or the outputs of its last steps by their ids; null before it is
    /// over.
    #[serde(default)]
    pub output: Value,
    /// Why it failed, or why it is paused.
    #[serde(default)]
    pub error: Option<ErrorDetail>,
    /// The step that works or waits; the one that began last if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_step_id: Option<String>,
    /// What became of each step, by its id. Steps that a planner added are in it too.
    #[serde(default)]
    pub step_results: BTreeMap<String, WorkflowRunStepResult>,
    /// What its steps share, by name.
    #[serde(default)]
    pub shared_state: Map<String, Value>,
    /// What it cost so far.
    pub total_cost: Cost,
    /// The step at which `workflows.retryRun` would take it up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_retry_from: Option<String>,
    /// Your own key for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

compatible!(WorkflowRun, accepts { "idempotencyKey" as "runKey" }, serves { "runKey" as "idempotencyKey" });

open_enum! {
    /// The state of a step in a run.
    WorkflowStepStatus {
        /// It has not begun.
        Pending = "pending",
        /// It works.
        Running = "running",
        /// It is done and has an output.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// It did not run: a condition did not choose it, or a step that it depends on failed.
        Skipped = "skipped",
        /// It stands still: a limit was reached, or its session was paused.
        Paused = "paused",
        /// It waits: for an approval, for an event, or for a time.
        Waiting = "waiting",
        /// It was cancelled with its run.
        Cancelled = "cancelled",
    }
}

/// What became of a step in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct WorkflowRunStepResult {
    /// The state.
    pub status: WorkflowStepStatus,
    /// What it returned; absent before it is completed.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// What it cost so far: cents, rounded half up.
    #[serde(default)]
    pub cost: i64,
    /// What it cost so far, exactly, in millionths of a cent.
    #[serde(default)]
    pub micro_cents: i64,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: i64,
    /// The agent that worked on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The approval that it waits for or waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<ApprovalId>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it failed, as a code that programs branch on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

compatible!(
    WorkflowRunStepResult,
    accepts { "duration" as "durationMs" },
    serves { "durationMs" as "duration" }
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn the_duration_of_a_step_has_the_published_name_too() {
        let published = json!({ "status": "completed", "output": "done", "cost": 12, "duration": 4200 });
        let clean = json!({ "status": "completed", "output": "done", "cost": 12, "durationMs": 4200 });

        let result: WorkflowRunStepResult = serde_json::from_value(published).unwrap();

        assert_eq!(result, serde_json::from_value(clean).unwrap());
        let served = for_published_clients(|| serde_json::to_value(&result).unwrap());
        assert_eq!(
            served,
            json!({
                "status": "completed", "output": "done", "cost": 12, "microCents": 0, "durationMs": 4200, "attempts": 0,
                "duration": 4200,
            })
        );
    }

    #[test]
    fn the_key_of_a_run_is_known_under_both_names() {
        let opts: WorkflowRunOpts =
            serde_json::from_value(json!({ "userId": "ada", "sessionId": "ses_1", "idempotencyKey": "order-7" }))
                .unwrap();
        let run: WorkflowRun = serde_json::from_value(json!({
            "id": "run_1", "workflowId": "wf_1", "status": "pending", "stepResults": {}, "sharedState": {},
            "totalCost": { "amount": 0, "currency": "usd" }, "idempotencyKey": "order-7",
            "createdAt": "2026-11-24T09:00:00.000Z",
        }))
        .unwrap();

        assert_eq!(serde_json::to_value(&opts).unwrap()["runKey"], "order-7");
        assert_eq!(run.run_key.as_deref(), Some("order-7"));
        let served = for_published_clients(|| serde_json::to_value(&run).unwrap());
        assert_eq!((&served["runKey"], &served["idempotencyKey"]), (&json!("order-7"), &json!("order-7")));
    }

    #[test]
    fn a_run_needs_a_user_or_a_session() {
        let user = WorkflowRunOpts { user_id: Some("ada".to_owned()), ..WorkflowRunOpts::default() };
        let session = WorkflowRunOpts { session_id: Some("ses_1".into()), ..WorkflowRunOpts::default() };

        assert_eq!((Problems::of(&user), Problems::of(&session)), (vec![], vec![]));
        let problems = Problems::of(&WorkflowRunOpts::default());
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "sessionId");
    }

    #[test]
    fn a_payload_needs_an_event() {
        let resume = |json: Value| Problems::of(&serde_json::from_value::<WorkflowResumeOpts>(json).unwrap()).len();

        assert_eq!(resume(json!({})), 0);
        assert_eq!(resume(json!({ "event": "order.paid", "payload": { "orderId": 7 } })), 0);
        assert_eq!(resume(json!({ "payload": {} })), 1);
        assert_eq!(resume(json!({ "event": "" })), 1);
    }
}
