//! Tasks: work that is handed in and fetched later. A task waits in its session's queue until an agent may begin, and is a
//! run from then on.

use std::time::Duration;

use serde_json::{Map, Value};
use theazo_api::{
    AgentCreateOpts, Page, SessionId, Task, TaskId, TaskListFilters, TaskPriority, TaskStatus, TaskSubmitOpts,
    TaskWaitOpts,
};

use super::{
    Context,
    agents::check_session,
    pages::{page, require},
    runs::{RunEnd, end_run, find_run, with_cost_so_far},
    sessions::find_session,
    task_queue::{TaskRecord, start_tasks, waiting_before},
};
use crate::{
    error::{AppError, AppResult},
    random,
    store::{Filter, Tenant, Topic, View},
};

/// How long to wait for a task where the caller does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

impl Context {
    /// Hands in a task.
    pub async fn submit_task(&self, session_id: SessionId, opts: TaskSubmitOpts) -> AppResult<Task> {
        let agent = self.one_shot_agent(&session_id, &opts.agent, AgentCreateOpts::default())?;
        let context = self.clone();
        let submitted = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let session = find_session(tx, &context.tenant, &session_id)?;
                    check_session(&session)?;
                    let id = TaskId::from_suffix(random::id_suffix(now));
                    let data = Task {
                        id: id.clone(),
                        session_id: session_id.clone(),
                        agent: opts.agent,
                        input: opts.input,
                        status: TaskStatus::Queued,
                        priority: opts.priority.unwrap_or(TaskPriority::Normal),
                        webhook: None,
                        run_id: None,
                        position: None,
                        progress: None,
                        progress_message: None,
                        output: None,
                        cost: None,
                        error: None,
                        queued_at: now,
                        started_at: None,
                        completed_at: None,
                    };
                    let user_id = session.data.user_id.clone();
                    tx.insert(&context.tenant, &TaskRecord { data, user_id, agent })?;
                    start_tasks(tx, &context.tenant, &session_id, now)?;
                    Ok(id)
                })
            })
            .await?;
        self.get_task(&self.replayable(submitted), None)
    }

    /// Fetches a task; if a session is given, only one of that session.
    pub fn get_task(&self, id: &TaskId, session_id: Option<&SessionId>) -> AppResult<Task> {
        self.app.store.read(|view| {
            let record = find_task(view, &self.tenant, id, session_id)?;
            as_it_is(view, &self.tenant, record)
        })
    }

    /// Lists the tasks of a session.
    pub fn list_tasks(&self, session_id: &SessionId, filters: &TaskListFilters) -> AppResult<Page<Task>> {
        let filter = Filter {
            session_id: Some(session_id.to_string()),
            statuses: filters.status.iter().map(ToString::to_string).collect(),
            ..Filter::default()
        };
        self.app.store.read(|view| {
            find_session(view, &self.tenant, session_id)?;
            let page = page(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            page.try_map(|record: TaskRecord| as_it_is(view, &self.tenant, record))
        })
    }

    /// Waits until a task is over or the time has passed, and returns it as it is then. Who can ask again (`hold`) is
    /// answered after that time, and told whether there is more to wait for.
    pub async fn wait_for_task(
        &self,
        id: &TaskId,
        session_id: Option<&SessionId>,
        opts: &TaskWaitOpts,
        hold: Option<Duration>,
    ) -> AppResult<Task> {
        let timeout = opts.timeout.map_or(DEFAULT_WAIT, |timeout| timeout.0);
        let now = hold.map_or(timeout, |hold| hold.min(timeout));
        let changes = self.app.store.commits_about(&[Topic::Document(id.as_str())]);
        let over = async {
            loop {
                let task = self.get_task(id, session_id)?;
                if task.status.is_terminal() {
                    return Ok(task);
                }
                changes.changed().await;
            }
        };
        // The caller's own time: it holds a connection, whatever a test's clock shows.
        if let Ok(outcome) = tokio::time::timeout(now, over).await {
            return outcome;
        }
        let task = self.get_task(id, session_id)?;
        if now < timeout && !task.status.is_terminal() {
            let _ = self.report.goes_on.set(());
        }
        Ok(task)
    }

    /// Cancels a task.
    pub async fn cancel_task(&self, id: TaskId, session_id: Option<SessionId>) -> AppResult<Task> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                let mut record = find_task(tx, &context.tenant, &id, session_id.as_ref())?;
                let reason = "the task was cancelled".to_owned();
                if let Some(run_id) = &record.data.run_id {
                    let mut run = find_run(tx, &context.tenant, run_id)?;
                    end_run(tx, &context.tenant, &mut run, RunEnd::Cancelled(reason), now)?;
                    record = find_task(tx, &context.tenant, &id, None)?;
                } else if !record.data.status.is_terminal() {
                    record.cancel(reason, now);
                    tx.update(&context.tenant, &record)?;
                }
                as_it_is(tx, &context.tenant, record)
            })
            .await
    }
}

fn find_task(view: &View<'_>, tenant: &Tenant, id: &TaskId, session_id: Option<&SessionId>) -> AppResult<TaskRecord> {
    let record: TaskRecord = require(view, tenant, id.as_str(), TaskId::PREFIX)?;
    if session_id.is_some_and(|session_id| *session_id != record.data.session_id) {
        return Err(AppError::not_found("task", id.as_str(), TaskId::PREFIX));
    }
    Ok(record)
}

/// A task with what is not in its record: its place in the queue, or what its run cost so far.
fn as_it_is(view: &View<'_>, tenant: &Tenant, record: TaskRecord) -> AppResult<Task> {
    let position = waiting_before(view, tenant, &record)?;
    let mut task = record.data;
    task.position = position;
    if let Some(run_id) = &task.run_id {
        task.cost = Some(with_cost_so_far(view, tenant, find_run(view, tenant, run_id)?.data)?.cost);
    }
    Ok(task)
}

/// What an agent is told to do with the input of a task: what its member `task` says, if it has one, and the rest as JSON.
pub(super) fn task_text(input: &Map<String, Value>) -> String {
    let mut rest = input.clone();
    let told = match rest.remove("task") {
        Some(Value::String(task)) if !task.trim().is_empty() => task,
        Some(other) => {
            rest.insert("task".to_owned(), other);
            String::new()
        }
        None => String::new(),
    };
    if rest.is_empty() && !told.is_empty() {
        return told;
    }
    let input = serde_json::to_string_pretty(&rest).unwrap_or_default();
    if told.is_empty() {
        format!("Do your work with this input:\n{input}")
    } else {
        format!("{told}\n\nInput:\n{input}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_is_told_the_task_and_the_rest_of_its_input() {
        let text = |input: Value| task_text(input.as_object().expect("it is an object"));

        assert_eq!(text(json!({ "task": "Sum up the report" })), "Sum up the report");
        assert_eq!(
            text(json!({ "task": "Sum it up", "report": "q3" })),
            "Sum it up\n\nInput:\n{\n  \"report\": \"q3\"\n}"
        );
        assert_eq!(text(json!({ "task": 7 })), "Do your work with this input:\n{\n  \"task\": 7\n}");
        assert_eq!(text(json!({})), "Do your work with this input:\n{}");
    }
}
