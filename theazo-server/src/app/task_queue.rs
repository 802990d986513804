//! The queue of a session's tasks: who comes next, and when.
//!
//! A task begins as soon as `maxAgents` leaves a place for its agent. Whatever frees a place asks for the job of the
//! session's queue.

use serde::{Deserialize, Serialize};
use theazo_api::{ErrorCode, RunStatus, SessionId, SessionStatus, Task, TaskPriority, TaskStatus, Timestamp};

use super::{
    agents::{NewAgent, add_agent, check_room, check_session},
    runs::{NewRun, add_run},
    sessions::find_session,
    tasks::task_text,
};
use crate::{
    error::{AppError, AppResult},
    records::RunRecord,
    store::{Document, Filter, NewJob, Owner, Tenant, Tx, View},
};

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    /// What the wire shows.
    pub data: Task,
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// What its agent is made of: as it was when the task was handed in.
    pub(super) agent: NewAgent,
}

impl TaskRecord {
    /// Ends a task that waits.
    pub(super) fn cancel(&mut self, reason: String, now: Timestamp) {
        self.data.status = TaskStatus::Cancelled;
        self.data.error = Some(AppError::new(ErrorCode::Cancelled, reason).into_detail());
        self.data.completed_at = Some(now);
    }
}

impl Document for TaskRecord {
    const KIND: &'static str = "task";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, session_id: self.data.session_id.as_str(), agent_id: "" }
    }

    fn status(&self) -> &str {
        self.data.status.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.queued_at
    }
}

/// The priorities, in the order in which their tasks come.
const PRIORITIES: [TaskPriority; 3] = [TaskPriority::High, TaskPriority::Normal, TaskPriority::Low];

/// The tasks of a session that wait, of one priority.
fn waiting(session_id: &SessionId, priority: &TaskPriority) -> Filter {
    Filter {
        session_id: Some(session_id.to_string()),
        statuses: vec![TaskStatus::Queued.to_string()],
        members: vec![("$.data.priority", priority.to_string())],
        ..Filter::default()
    }
}

/// How many tasks come before one that waits; nothing if it does not wait.
pub(super) fn waiting_before(view: &View<'_>, tenant: &Tenant, record: &TaskRecord) -> AppResult<Option<i64>> {
    if record.data.status != TaskStatus::Queued {
        return Ok(None);
    }
    let mut before = 0;
    for priority in PRIORITIES {
        let filter = waiting(&record.data.session_id, &priority);
        if priority == record.data.priority {
            let position = view.position::<TaskRecord>(tenant, record.data.id.as_str())?;
            before += view.count::<TaskRecord>(tenant, &Filter { before: position, ..filter })?;
            break;
        }
        before += view.count::<TaskRecord>(tenant, &filter)?;
    }
    Ok(Some(before))
}

fn next(view: &View<'_>, tenant: &Tenant, session_id: &SessionId) -> AppResult<Option<TaskRecord>> {
    for priority in PRIORITIES {
        let filter = Filter { limit: Some(1), oldest_first: true, ..waiting(session_id, &priority) };
        if let Some((_, record)) = view.list(tenant, &filter)?.into_iter().next() {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Lets the tasks of a session begin for which there is a place. In a session that has ended they are cancelled.
pub fn start_tasks(tx: &Tx<'_>, tenant: &Tenant, session_id: &SessionId, now: Timestamp) -> AppResult<()> {
    let session = find_session(tx, tenant, session_id)?;
    while let Some(mut record) = next(tx, tenant, session_id)? {
        if session.data.status == SessionStatus::Terminated {
            record.cancel("its session has ended".to_owned(), now);
            tx.update(tenant, &record)?;
            continue;
        }
        if check_session(&session).is_err() || check_room(tx, tenant, &session).is_err() {
            return Ok(());
        }
        let started = add_agent(tx, tenant, session_id, record.agent.clone(), now).and_then(|mut agent| {
            let task_id = Some(record.data.id.clone());
            let new = NewRun { task: task_text(&record.data.input), max_cost: None, task_id, trace: None };
            add_run(tx, tenant, &mut agent, new, now)
        });
        match started {
            Ok(run_id) => {
                record.data.status = TaskStatus::Running;
                record.data.run_id = Some(run_id);
                record.data.started_at = Some(now);
            }
            // What it needs is there no longer, for example a secret: the tasks behind it need not wait for that.
            Err(error) => {
                record.data.status = TaskStatus::Failed;
                record.data.error = Some(error.into_detail());
                record.data.completed_at = Some(now);
            }
        }
        tx.update(tenant, &record)?;
    }
    Ok(())
}

/// Asks for the queue of a session to be looked at, if anything waits in it.
pub fn look_at_tasks(tx: &Tx<'_>, tenant: &Tenant, session_id: &SessionId, now: Timestamp) -> AppResult<()> {
    let filter = Filter {
        session_id: Some(session_id.to_string()),
        statuses: vec![TaskStatus::Queued.to_string()],
        ..Filter::default()
    };
    if tx.count::<TaskRecord>(tenant, &filter)? > 0 {
        let job = NewJob::about("tasks", "session.tasks", session_id, now);
        tx.enqueue(tenant, &job)?;
    }
    Ok(())
}

/// Notes on the task of a run that the run is over.
pub fn finish_task(tx: &Tx<'_>, tenant: &Tenant, run: &RunRecord, now: Timestamp) -> AppResult<()> {
    let Some(task_id) = &run.task_id else { return Ok(()) };
    let Some(mut record) = tx.find::<TaskRecord>(tenant, task_id.as_str())? else { return Ok(()) };
    record.data.status = match run.data.status {
        RunStatus::Completed => TaskStatus::Completed,
        RunStatus::Cancelled => TaskStatus::Cancelled,
        _ => TaskStatus::Failed,
    };
    record.data.output = run.data.result.as_ref().map(|result| result.output.clone());
    record.data.error = run.data.error.clone();
    record.data.completed_at = Some(now);
    Ok(tx.update(tenant, &record)?)
}
