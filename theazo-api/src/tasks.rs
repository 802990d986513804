//! Tasks: work that is handed in and fetched later, in the session's isolation, limits and bill.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Repeat, TimeClass, endpoints},
    error::ErrorDetail,
    id::{RunId, SessionId, TaskId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{SessionPath, check_agent_name, check_page_limit},
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Hands in a task for an agent and returns at once.
    SubmitTask: Post "/v1/sessions/{sessionId}/tasks" => "session.tasks.submit",
        path: SessionPath, body: TaskSubmitOpts, response: Task,
        with { positional: &["agent", "input"], status: 201, planned_fields: &["webhook"] };

    /// Lists the tasks of the session, the newest first.
    ListTasks: Get "/v1/sessions/{sessionId}/tasks" => "session.tasks.list",
        path: SessionPath, query: TaskListFilters, response: Page<Task>,
        with { bare_list: true };

    /// Fetches a task of the session.
    GetSessionTask: Get "/v1/sessions/{sessionId}/tasks/{taskId}" => "session.tasks.get",
        path: SessionTaskPath, response: Task;

    /// Waits until a task of the session is over, or until `timeout` has passed, and returns it as it is then.
    WaitForSessionTask: Get "/v1/sessions/{sessionId}/tasks/{taskId}/wait" => "session.tasks.wait",
        path: SessionTaskPath, query: TaskWaitOpts, response: Task,
        with { time: TimeClass::Wait };

    /// Cancels a task of the session. What it did so far is paid for; a task that is over stays as it is.
    CancelSessionTask: Post "/v1/sessions/{sessionId}/tasks/{taskId}/cancel" => "session.tasks.cancel",
        path: SessionTaskPath, response: Task,
        with { repeat: Repeat::Idempotent };

    /// Fetches a task.
    GetTask: Get "/v1/tasks/{taskId}" => "tasks.get",
        path: TaskPath, response: Task;

    /// Waits until the task is over, or until `timeout` has passed, and returns it as it is then.
    WaitForTask: Get "/v1/tasks/{taskId}/wait" => "tasks.wait",
        path: TaskPath, query: TaskWaitOpts, response: Task,
        with { time: TimeClass::Wait };

    /// Cancels the task. What it did so far is paid for; a task that is over stays as it is.
    CancelTask: Post "/v1/tasks/{taskId}/cancel" => "tasks.cancel",
        path: TaskPath, response: Task,
        with { repeat: Repeat::Idempotent };
}

/// The path of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskPath {
    /// The task.
    pub task_id: TaskId,
}

/// The path of a task of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionTaskPath {
    /// The session.
    pub session_id: SessionId,
    /// The task.
    pub task_id: TaskId,
}

open_enum! {
    /// Which tasks of a session come first when more wait than may run.
    TaskPriority {
        /// After all others.
        Low = "low",
        /// In the order in which they were handed in.
        Normal = "normal",
        /// Before all others.
        High = "high",
    }
}

open_enum! {
    /// The state of a task.
    TaskStatus {
        /// It waits for its turn.
        Queued = "queued",
        /// An agent works on it.
        Running = "running",
        /// It is done and has a result.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// Whether the task is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a new task is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskSubmitOpts {
    /// The name of the agent, or the id of a definition.
    pub agent: String,
    /// What the agent is given.
    pub input: serde_json::Map<String, serde_json::Value>,
    /// The address that is called, with the task, when it is over: `https`, and reachable from the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Which tasks come first when more wait than may run; `normal` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<TaskPriority>,
}

impl Check for TaskSubmitOpts {
    fn check(&self, problems: &mut Problems) {
        check_agent_name(&self.agent, problems);
        if let Some(webhook) = &self.webhook {
            let is_http = webhook.starts_with("https://") || webhook.starts_with("http://");
            problems.require(
                is_http && webhook.len() <= 2048,
                "webhook",
                "must be an `https` address of at most 2048 bytes",
            );
        }
        if let Some(TaskPriority::Other(_)) = &self.priority {
            problems.add("priority", "must be `low`, `normal` or `high`");
        }
    }
}

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskListFilters {
    /// Only tasks in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TaskStatus>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for TaskListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// How long to wait for a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskWaitOpts {
    /// How long to wait; 30 seconds by default, an hour at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
}

impl Check for TaskWaitOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(timeout) = self.timeout {
            let seconds = timeout.0.as_secs_f64();
            problems.require(seconds > 0.0 && seconds <= 3600.0, "timeout", "must be between nothing and an hour");
        }
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Task {
    /// The id.
    pub id: TaskId,
    /// The session.
    pub session_id: SessionId,
    /// The name of the agent, or the id of its definition.
    pub agent: String,
    /// What the agent is given.
    #[serde(default)]
    pub input: serde_json::Map<String, serde_json::Value>,
    /// The state.
    pub status: TaskStatus,
    /// Which tasks come first when more wait than may run.
    pub priority: TaskPriority,
    /// The address that is called when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The run that works on it; absent until it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// How many tasks of its session come before it; absent unless it waits for its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// How far it is, 0 to 1; absent if the agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// What the agent does, in its own words; absent if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_message: Option<String>,
    /// What the agent answered; absent until it is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What it cost so far; absent until it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// When it was handed in.
    pub queued_at: Timestamp,
    /// When it began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

compatible!(
    Task,
    accepts { "taskId" as "id", "message" as "progressMessage" },
    serves { "id" as "taskId", "progressMessage" as "message" }
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn a_task_has_the_names_of_every_version() {
        let clean = json!({
            "id": "task_1", "sessionId": "ses_1", "agent": "analyst", "input": { "a": 1 }, "status": "running",
            "priority": "high", "progress": 0.65, "progressMessage": "reading", "queuedAt": "2026-11-24T09:00:00.000Z",
            "startedAt": null, "completedAt": null,
        });
        let mut published = clean.clone();
        let members = published.as_object_mut().unwrap();
        for (other, ours) in [("taskId", "id"), ("message", "progressMessage")] {
            let value = members.remove(ours).unwrap();
            members.insert(other.to_owned(), value);
        }

        let task: Task = serde_json::from_value(published).unwrap();
        let served = for_published_clients(|| serde_json::to_value(&task).unwrap());

        assert_eq!(task, serde_json::from_value(clean.clone()).unwrap());
        assert_eq!(serde_json::to_value(&task).unwrap(), clean);
        assert_eq!((&served["taskId"], &served["message"]), (&json!("task_1"), &json!("reading")));
    }

    #[test]
    fn a_wait_has_an_end_and_a_priority_is_known() {
        let wait = |seconds| TaskWaitOpts { timeout: Some(DurationInput(Duration::from_secs(seconds))) };
        let submit = TaskSubmitOpts {
            agent: "analyst".to_owned(),
            webhook: Some("ftp://example.com".to_owned()),
            priority: Some("urgent".into()),
            ..TaskSubmitOpts::default()
        };

        assert_eq!(Problems::of(&wait(300)), []);
        assert_eq!(Problems::of(&wait(0)).len(), 1);
        assert_eq!(Problems::of(&wait(3601)).len(), 1);
        let fields: Vec<String> = Problems::of(&submit).into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["webhook", "priority"]);
    }
}
