//! Workflows: steps of agents and other work, in the order that their dependencies give.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    endpoint::{Repeat, Reply, endpoints},
    error::ErrorCode,
    id::WorkflowId,
    money::CURRENCY,
    open_enum::open_enum,
    page::Page,
    patch::Patch,
    schedules::{Schedule, check_cron, check_timezone},
    sessions::{check_page_limit, check_user_id},
    time::{DurationInput, Timestamp},
    workflow_check::{check_steps, refusal_of},
    workflow_policies::{PlannerPolicy, RetryConfig, WorkflowFailurePolicy, WorkflowPolicy, failure_policy, retries},
    workflow_steps::{WorkflowStep, WorkflowStepType},
};

endpoints! {
    /// Creates a workflow. It is checked as a whole, and runs as often as `workflows.run` asks.
    ///
    /// Steps that depend on one another in a circle are refused with `workflow_circular_dependency`; every other mistake
    /// that shows without running, such as a reference to a step that is not there, with `invalid_request`.
    CreateWorkflow: Post "/v1/workflows" => "workflows.create",
        body: WorkflowCreateOpts, response: Workflow,
        with { positional: &["definition"], status: 201, strict: &["policy", "plannerPolicy"], planned: true };

    /// Lists workflows, the newest first.
    ListWorkflows: Get "/v1/workflows" => "workflows.list",
        query: WorkflowListOpts, response: Page<Workflow>,
        with { planned: true };

    /// Fetches a workflow.
    GetWorkflow: Get "/v1/workflows/{workflowId}" => "workflows.get",
        path: WorkflowPath, response: Workflow,
        with { planned: true };

    /// Changes what is given and keeps the rest, as a new version. Runs that have begun keep the version they began with.
    UpdateWorkflow: Patch "/v1/workflows/{workflowId}" => "workflows.update",
        path: WorkflowPath, body: WorkflowUpdateOpts, response: Workflow,
        with { strict: &["policy", "plannerPolicy"], planned: true };

    /// Removes a workflow and its schedules. Runs that have begun go on, and all its runs stay readable.
    DeleteWorkflow: Delete "/v1/workflows/{workflowId}" => "workflows.delete",
        path: WorkflowPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Estimates what a run would cost, from runs of the past and from the prices of its models. Nothing is run.
    EstimateWorkflow: Post "/v1/workflows/{workflowId}/estimate" => "workflows.estimate",
        path: WorkflowPath, body: WorkflowEstimateOpts, response: WorkflowEstimate,
        with { repeat: Repeat::Idempotent, planned: true };

    /// Runs a workflow again and again, as a cron expression says.
    ///
    /// Each run is in the user's active session, which is created where there is none. A run that would begin while the
    /// one before is still active is skipped.
    ScheduleWorkflow: Post "/v1/workflows/{workflowId}/schedule" => "workflows.schedule",
        path: WorkflowPath, body: WorkflowScheduleOpts, response: Schedule,
        with { positional: &["cron", "userId"], status: 201, planned: true };
}

/// The path of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowPath {
    /// The workflow.
    pub workflow_id: WorkflowId,
}

/// What a new workflow is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowCreateOpts {
    /// The steps, at most 500 with those inside of others. They need not be in the order in which they run.
    pub steps: Vec<WorkflowStep>,
    /// The name, for people; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the workflow is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long a run may take; no limit by default. The time in which a run is paused does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// The JSON Schema that the input of a run must fit; any object by default. It is checked before anything starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Map<String, Value>>,
    /// The JSON Schema that the output of a run must fit; anything by default. It is checked before a run is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Value>>,
    /// What the steps may do, and what they may cost; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<WorkflowPolicy>,
    /// What happens when a step fails that does not say so itself; `abort` by default.
    #[serde(default, deserialize_with = "failure_policy", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<WorkflowFailurePolicy>,
    /// How often a failed step is tried again before it counts as failed; not at all by default.
    #[serde(default, deserialize_with = "retries", skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetryConfig>,
    /// How many runs of the workflow work at once; further ones stay `pending` until one is over. No limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// What planner steps may do at most, whatever they say themselves; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planner_policy: Option<PlannerPolicy>,
}

impl Check for WorkflowCreateOpts {
    fn check(&self, problems: &mut Problems) {
        check_steps(&self.steps, problems);
        check_settings(
            &Settings {
                name: self.name.as_deref(),
                timeout: self.timeout,
                policy: self.policy.as_ref(),
                on_failure: self.on_failure.as_ref(),
                retries: self.retries.as_ref(),
                concurrency: self.concurrency,
                planner_policy: self.planner_policy.as_ref(),
            },
            problems,
        );
    }

    fn refusal(&self) -> ErrorCode {
        refusal_of(&self.steps)
    }
}

/// What is changed in a workflow. What is absent stays as it is; null takes a setting away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowUpdateOpts {
    /// The steps, in the place of all that there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<WorkflowStep>>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub name: Patch<String>,
    /// What the workflow is for.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub description: Patch<String>,
    /// How long a run may take.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub timeout: Patch<DurationInput>,
    /// The JSON Schema that the input of a run must fit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub input_schema: Patch<Map<String, Value>>,
    /// The JSON Schema that the output of a run must fit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub output_schema: Patch<Map<String, Value>>,
    /// What the steps may do, and what they may cost, in the place of all that was said.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub policy: Patch<WorkflowPolicy>,
    /// What happens when a step fails that does not say so itself.
    #[serde(default, deserialize_with = "failure_policy", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<WorkflowFailurePolicy>,
    /// How often a failed step is tried again before it counts as failed.
    #[serde(default, deserialize_with = "retries", skip_serializing_if = "Patch::is_keep")]
    pub retries: Patch<RetryConfig>,
    /// How many runs of the workflow work at once.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub concurrency: Patch<i64>,
    /// What planner steps may do at most, in the place of all that was said.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub planner_policy: Patch<PlannerPolicy>,
}

impl Check for WorkflowUpdateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(steps) = &self.steps {
            check_steps(steps, problems);
        }
        check_settings(
            &Settings {
                name: self.name.value().map(String::as_str),
                timeout: self.timeout.value().copied(),
                policy: self.policy.value(),
                on_failure: self.on_failure.as_ref(),
                retries: self.retries.value(),
                concurrency: self.concurrency.value().copied(),
                planner_policy: self.planner_policy.value(),
            },
            problems,
        );
    }

    fn refusal(&self) -> ErrorCode {
        refusal_of(self.steps.as_deref().unwrap_or_default())
    }
}

/// What a new workflow and a changed one have in common beside their steps.
struct Settings<'a> {
    name: Option<&'a str>,
    timeout: Option<DurationInput>,
    policy: Option<&'a WorkflowPolicy>,
    on_failure: Option<&'a WorkflowFailurePolicy>,
    retries: Option<&'a RetryConfig>,
    concurrency: Option<i64>,
    planner_policy: Option<&'a PlannerPolicy>,
}

fn check_settings(settings: &Settings<'_>, problems: &mut Problems) {
    if let Some(name) = settings.name {
        problems.require(!name.trim().is_empty() && name.len() <= 128, "name", "must be 1 to 128 bytes of text");
    }
    if let Some(timeout) = settings.timeout {
        problems.require(!timeout.0.is_zero(), "timeout", "must be longer than nothing");
    }
    if let Some(policy) = settings.policy {
        problems.within("policy", policy);
    }
    if let Some(on_failure) = settings.on_failure {
        problems.require(
            !matches!(on_failure, WorkflowFailurePolicy::Other(_)),
            "onFailure",
            "must be `pause`, `retry`, `skip` or `abort`",
        );
    }
    if let Some(retries) = settings.retries {
        problems.within("retries", retries);
    }
    if let Some(concurrency) = settings.concurrency {
        problems.require((1..=10_000).contains(&concurrency), "concurrency", "must be a whole number from 1 to 10000");
    }
    if let Some(planner_policy) = settings.planner_policy {
        problems.within("plannerPolicy", planner_policy);
    }
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// The id.
    pub id: WorkflowId,
    /// The name; empty if it has none.
    #[serde(default)]
    pub name: String,
    /// The version: 1 when it is created, and one more with each update.
    pub version: i64,
    /// The steps.
    pub steps: Vec<WorkflowStep>,
    /// What happens when a step fails that does not say so itself.
    pub on_failure: WorkflowFailurePolicy,
    /// What the workflow is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// The JSON Schema that the input of a run must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Map<String, Value>>,
    /// The JSON Schema that the output of a run must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Value>>,
    /// What the steps may do, and what they may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<WorkflowPolicy>,
    /// How often a failed step is tried again before it counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetryConfig>,
    /// How many runs of the workflow work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// What planner steps may do at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planner_policy: Option<PlannerPolicy>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Which workflows to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for WorkflowListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What a run whose cost is estimated would be made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowEstimateOpts {
    /// The input; how long its lists are says how often the step of a `map` would run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
}

impl Check for WorkflowEstimateOpts {}

/// What a run of a workflow would cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowEstimate {
    /// The whole run.
    pub estimated: CostRange,
    /// How far the estimate is to be trusted.
    pub confidence: EstimateConfidence,
    /// Each step, in the order of the workflow.
    #[serde(default)]
    pub breakdown: Vec<StepEstimate>,
    /// How many runs of the past it is based on.
    #[serde(default)]
    pub based_on: i64,
}

/// What something costs at least and at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostRange {
    /// The least, in cents.
    pub min: i64,
    /// The most, in cents.
    pub max: i64,
    /// The currency, `usd`.
    #[serde(default = "currency")]
    pub currency: String,
}

fn currency() -> String {
    CURRENCY.to_owned()
}

open_enum! {
    /// How far an estimate is to be trusted.
    EstimateConfidence {
        /// There was no run yet, or the runs differ much.
        Low = "low",
        /// There were a few runs.
        Medium = "medium",
        /// There were many runs that cost about the same.
        High = "high",
    }
}

/// What one step would cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepEstimate {
    /// The id of the step.
    pub step_id: String,
    /// The kind of the step.
    pub r#type: WorkflowStepType,
    /// What it would cost.
    pub estimated: CostRange,
}

/// When a workflow is run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowScheduleOpts {
    /// The times: minute, hour, day of the month, month and day of the week, for example `0 9 * * 1-5`.
    pub cron: String,
    /// The end user that the runs are for.
    pub user_id: String,
    /// The input of each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
    /// The time zone in which the times are meant, by its IANA name such as `Europe/Berlin`; `UTC` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

impl Check for WorkflowScheduleOpts {
    fn check(&self, problems: &mut Problems) {
        check_cron(&self.cron, problems);
        check_user_id(&self.user_id, problems);
        if let Some(timezone) = &self.timezone {
            check_timezone(timezone, problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(value: &impl Check) -> Vec<String> {
        Problems::of(value).into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
    }

    #[test]
    fn a_workflow_is_checked_as_a_whole() {
        let opts: WorkflowCreateOpts = serde_json::from_value(json!({
            "name": "", "timeout": 0, "onFailure": "panic", "concurrency": 0, "retries": { "maxAttempts": 101 },
            "policy": { "maxStepsTotal": 0 }, "plannerPolicy": { "allowedStepTypes": [] },
            "steps": [{ "id": "a", "agent": "writer", "dependsOn": ["b"] }],
        }))
        .unwrap();

        assert_eq!(
            problems(&opts),
            [
                "steps.0.dependsOn: names `b`, which is no step of the workflow",
                "name: must be 1 to 128 bytes of text",
                "timeout: must be longer than nothing",
                "policy.maxStepsTotal: must be a whole number from 1 to 1000000",
                "onFailure: must be `pause`, `retry`, `skip` or `abort`",
                "retries.maxAttempts: must be a whole number from 1 to 100; the first try counts",
                "concurrency: must be a whole number from 1 to 10000",
                "plannerPolicy.allowedStepTypes: must name at least one kind of step",
            ]
        );
    }

    #[test]
    fn an_update_is_checked_where_it_says_something() {
        let update = |json: Value| problems(&serde_json::from_value::<WorkflowUpdateOpts>(json).unwrap());

        assert_eq!(update(json!({})), Vec::<String>::new());
        assert_eq!(update(json!({ "policy": null, "name": null, "concurrency": null })), Vec::<String>::new());
        assert_eq!(
            update(json!({ "steps": [], "name": " " })),
            ["steps: must have at least one step", "name: must be 1 to 128 bytes of text"]
        );
    }

    #[test]
    fn the_examples_of_the_documentation_are_right() {
        let examples = include_str!("../fixtures/WorkflowCreateOpts.json");

        for example in serde_json::from_str::<Vec<WorkflowCreateOpts>>(examples).unwrap() {
            assert_eq!(problems(&example), Vec::<String>::new());
        }
    }
}
