//! What happens in a run of a workflow, as it is streamed.

use serde_json::Value;

use crate::{
    error::{ErrorCode, ErrorDetail},
    id::{AgentId, ApprovalId, WorkflowId, WorkflowRunId},
    tagged_union::tagged_union,
    time::Timestamp,
    workflow_steps::WorkflowStep,
};

tagged_union! {
    /// Something that happens in a run of a workflow.
    ///
    /// `run.completed`, `run.failed` and `run.cancelled` end the stream. A run that is paused keeps it open.
    WorkflowStreamEvent by "event", common {
        /// The run of the workflow.
        #[serde(default = "no_run")]
        run_id: WorkflowRunId,
    } {
        /// The run began.
        RunStarted = "run.started" {
            /// The workflow.
            workflow_id: WorkflowId,
        },
        /// A step began.
        StepStarted = "step.started" {
            /// The step.
            step_id: String,
            /// The agent that works on it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            agent_id: Option<AgentId>,
        },
        /// A step is completed.
        StepCompleted = "step.completed" {
            /// The step.
            step_id: String,
            /// What it returned.
            #[serde(default)]
            output: Value,
            /// What it cost: cents, rounded half up.
            #[serde(default)]
            cost: i64,
            /// What it cost, exactly, in millionths of a cent.
            #[serde(default)]
            cost_micro_cents: i64,
            /// How long it took, in milliseconds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            duration_ms: Option<i64>,
        },
        /// A step failed.
        StepFailed = "step.failed" {
            /// The step.
            step_id: String,
            /// Why, for people.
            error: String,
            /// Why, as a code that programs branch on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            code: Option<ErrorCode>,
            /// Whether it is tried again.
            #[serde(default)]
            will_retry: bool,
            /// What it cost: cents, rounded half up.
            #[serde(default)]
            cost: i64,
            /// What it cost, exactly, in millionths of a cent.
            #[serde(default)]
            cost_micro_cents: i64,
        },
        /// A step is not run.
        StepSkipped = "step.skipped" {
            /// The step.
            step_id: String,
            /// Why, for people.
            #[serde(default)]
            reason: String,
        },
        /// A step waits: for an approval, for an event, or for a time.
        StepWaiting = "step.waiting" {
            /// The step.
            step_id: String,
            /// The approval that it waits for.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            approval_id: Option<ApprovalId>,
            /// The name of the event that it waits for.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            waits_for: Option<String>,
            /// Until when it waits; absent where there is no end.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            until: Option<Timestamp>,
        },
        /// A planner added steps to the run.
        RunSpliced = "run.spliced" {
            /// The planner.
            step_id: String,
            /// The steps that it added.
            steps: Vec<WorkflowStep>,
        },
        /// The run stands still, until somebody approves, resumes or retries it, or the event comes that it waits for.
        RunPaused = "run.paused" {
            /// Why, for people.
            #[serde(default)]
            reason: String,
            /// The step because of which it is paused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            step_id: Option<String>,
            /// The error because of which it is paused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            error: Option<ErrorDetail>,
        },
        /// The run is completed.
        RunCompleted = "run.completed" {
            /// What it returned.
            #[serde(default)]
            output: Value,
            /// Whether steps failed or were skipped because of that: the run is `partial`.
            #[serde(default)]
            partial: bool,
            /// What it cost: cents, rounded half up.
            #[serde(default)]
            total_cost: i64,
            /// What it cost, exactly, in millionths of a cent.
            #[serde(default)]
            total_cost_micro_cents: i64,
        },
        /// The run failed.
        RunFailed = "run.failed" {
            /// Why.
            error: ErrorDetail,
            /// What it cost: cents, rounded half up.
            #[serde(default)]
            total_cost: i64,
            /// What it cost, exactly, in millionths of a cent.
            #[serde(default)]
            total_cost_micro_cents: i64,
        },
        /// The run was cancelled.
        RunCancelled = "run.cancelled" {
            /// What it cost: cents, rounded half up.
            #[serde(default)]
            total_cost: i64,
            /// What it cost, exactly, in millionths of a cent.
            #[serde(default)]
            total_cost_micro_cents: i64,
        },
    }
}

/// A stream of another server than ours need not say which run it is of.
fn no_run() -> WorkflowRunId {
    WorkflowRunId::from("")
}

impl WorkflowStreamEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::RunCompleted { .. } | Self::RunFailed { .. } | Self::RunCancelled { .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_events_that_the_published_client_reads_have_plain_cents() {
        let event = WorkflowStreamEvent::StepCompleted {
            run_id: "run_1".into(),
            step_id: "research".to_owned(),
            output: json!("Found it."),
            cost: 3,
            cost_micro_cents: 2_500_000,
            duration_ms: None,
        };
        let published: WorkflowStreamEvent =
            serde_json::from_value(json!({ "event": "run.completed", "totalCost": 41, "output": { "n": 1 } })).unwrap();

        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            json!({
                "event": "step.completed", "runId": "run_1", "stepId": "research", "output": "Found it.", "cost": 3,
                "costMicroCents": 2_500_000,
            })
        );
        assert!(published.is_terminal() && !event.is_terminal());
        assert!(matches!(published, WorkflowStreamEvent::RunCompleted { total_cost: 41, partial: false, .. }));
    }
}
