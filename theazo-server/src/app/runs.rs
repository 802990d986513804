//! Runs.

use std::time::Duration;

use theazo_api::{
    AgentCreateOpts, AgentId, AgentStatus, Cost, ErrorCode, ErrorDetail, ModelChoice, Page, RunData, RunId,
    RunListFilters, RunResult, RunStatus, SessionId, SessionRunOpts, StreamEvent, TaskId, Timestamp,
};

use super::{
    Context,
    agents::{add_agent, check_session, check_usable, find_agent, wake},
    pages::{page, require},
    sessions::{find_session, resume_after_limit},
    task_queue::finish_task,
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    random,
    records::{AgentRecord, CallerTrace, RunRecord},
    store::{Filter, NewJob, Once, StoredEvent, Tenant, Topic, Tx, UsageOf, View},
};

/// How long a worker may take to let go of an agent whose run is over.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

impl Context {
    /// Runs a task with a one-shot agent and waits for the result.
    pub async fn run_in_session(&self, session_id: SessionId, opts: SessionRunOpts) -> AppResult<RunResult> {
        let run_id = self.start_one_shot_run(session_id, opts).await?;
        self.wait_for_run(&run_id).await
    }

    /// Starts a run of a one-shot agent.
    pub async fn start_run(&self, session_id: SessionId, opts: SessionRunOpts) -> AppResult<RunData> {
        let run_id = self.start_one_shot_run(session_id, opts).await?;
        self.get_run(&run_id)
    }

    /// Starts a run of a one-shot agent and tells its id.
    pub async fn start_one_shot_run(&self, session_id: SessionId, opts: SessionRunOpts) -> AppResult<RunId> {
        let asked = AgentCreateOpts {
            browser: opts.browser,
            timeout: opts.timeout,
            model: opts.model.map(ModelChoice::Id),
            provider: opts.provider,
            ..AgentCreateOpts::default()
        };
        let new_agent = self.one_shot_agent(&session_id, &opts.agent, asked)?;
        let (task, max_cost) = (opts.task, opts.max_cost.map(|cost| cost.to_micro_cents()));
        let context = self.clone();
        let started = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut agent = add_agent(tx, &context.tenant, &session_id, new_agent, now)?;
                    let new = NewRun { task, max_cost, task_id: None, trace: context.trace.clone() };
                    add_run(tx, &context.tenant, &mut agent, new, now)
                })
            })
            .await?;
        self.attach(started).await
    }

    /// Gives an agent a task and waits for the result.
    pub async fn run_agent(&self, agent_id: AgentId, task: String, max_cost: Option<Cost>) -> AppResult<RunResult> {
        let run_id = self.start_agent_run(agent_id, task, max_cost).await?;
        self.wait_for_run(&run_id).await
    }

    /// Gives an agent a task.
    pub async fn start_agent_run(&self, agent_id: AgentId, task: String, max_cost: Option<Cost>) -> AppResult<RunId> {
        let max_cost = max_cost.map(|cost| cost.to_micro_cents());
        self.start_chosen_run(agent_id, move |_, _| Ok((task, max_cost))).await
    }

    /// Gives an agent the task of its last run again, if that failed.
    pub async fn retry_last_run(&self, agent_id: AgentId) -> AppResult<RunId> {
        self.start_chosen_run(agent_id, |view, context| {
            let filter = Filter { agent_id: Some(context.id.to_string()), limit: Some(1), ..Filter::default() };
            match view.list::<RunRecord>(context.tenant, &filter)?.into_iter().next() {
                Some((_, run)) if run.data.status == RunStatus::Failed => Ok((run.data.task, run.max_cost)),
                _ => Err(AppError::conflict(format!("the last run of the agent `{}` did not fail", context.id))),
            }
        })
        .await
    }

    /// Starts a run of an agent, once, with the task and the cap that `choose` gives.
    async fn start_chosen_run(
        &self,
        agent_id: AgentId,
        choose: impl FnOnce(&View<'_>, Chooser<'_>) -> AppResult<(String, Option<i64>)> + Send + 'static,
    ) -> AppResult<RunId> {
        self.wait_until_free(&agent_id).await?;
        let context = self.clone();
        let started = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut agent = find_agent(tx, &context.tenant, &agent_id)?;
                    check_usable(&agent)?;
                    check_session(&find_session(tx, &context.tenant, &agent.data.session_id)?)?;
                    if let Some(run_id) = &agent.current_run {
                        return Err(AppError::conflict(format!("the agent `{agent_id}` works on the run `{run_id}`"))
                            .with("runId", run_id.as_str()));
                    }
                    let chooser = Chooser { tenant: &context.tenant, id: &agent_id };
                    let (task, max_cost) = choose(tx, chooser)?;
                    wake(tx, &context.tenant, &mut agent, now)?;
                    let new = NewRun { task, max_cost, task_id: None, trace: context.trace.clone() };
                    add_run(tx, &context.tenant, &mut agent, new, now)
                })
            })
            .await?;
        self.attach(started).await
    }

    /// Waits until the worker has let go of an agent whose run is over. Whoever was told that a run has ended may give its
    /// agent the next task at once.
    pub(super) async fn wait_until_free(&self, agent_id: &AgentId) -> AppResult<()> {
        let changes = self.app.store.commits_about(&[Topic::Document(agent_id.as_str())]);
        let free = async {
            loop {
                let is_held = self.app.store.read(|view| {
                    let agent = find_agent(view, &self.tenant, agent_id)?;
                    let Some(run_id) = &agent.current_run else { return Ok(false) };
                    Ok::<_, AppError>(find_run(view, &self.tenant, run_id)?.data.status.is_terminal())
                })?;
                if !is_held {
                    return Ok(());
                }
                changes.changed().await;
            }
        };
        // Who is still not free by then is told as an agent that is busy.
        tokio::time::timeout(LET_GO_WITHIN, free).await.unwrap_or(Ok(()))
    }

    /// Notes which run a request is about. A repeated request of a run that stands at a limit lets it try again: the day
    /// may be a new one.
    async fn attach(&self, started: Once<RunId>) -> AppResult<RunId> {
        let was_replayed = matches!(started, Once::Replayed(_));
        let run_id = self.note_run(self.replayable(started));
        if was_replayed {
            let (context, id) = (self.clone(), run_id.clone());
            self.app
                .store
                .write(move |tx| {
                    let run = find_run(tx, &context.tenant, &id)?;
                    let at_limit = run.data.status == RunStatus::Paused && run.data.error.is_some();
                    let session = find_session(tx, &context.tenant, &run.data.session_id)?;
                    if at_limit && check_session(&session).is_ok() {
                        resume_after_limit(tx, &context.tenant, &session, context.app.clock.now())?;
                    }
                    Ok::<_, AppError>(())
                })
                .await?;
        }
        Ok(run_id)
    }

    fn note_run(&self, run_id: RunId) -> RunId {
        let _ = self.report.run_id.set(run_id.clone());
        run_id
    }

    /// Waits until a run is done, or stands still at a limit.
    pub async fn wait_for_run(&self, run_id: &RunId) -> AppResult<RunResult> {
        self.note_run(run_id.clone());
        let changes = self.app.store.commits_about(&[Topic::Document(run_id.as_str())]);
        loop {
            let run = self.app.store.read(|view| find_run(view, &self.tenant, run_id))?;
            match (run.data.status, run.data.result, run.data.error) {
                (RunStatus::Completed, Some(result), _) => return Ok(result),
                (RunStatus::Failed | RunStatus::Cancelled | RunStatus::Paused, _, Some(error)) => {
                    let error = AppError::from(error);
                    return Err(error.with("runId", run_id.as_str()));
                }
                _ => changes.changed().await,
            }
        }
    }

    /// Fetches a run.
    pub fn get_run(&self, id: &RunId) -> AppResult<RunData> {
        self.note_run(id.clone());
        self.app.store.read(|view| with_cost_so_far(view, &self.tenant, find_run(view, &self.tenant, id)?.data))
    }

    /// Lists the runs of a session.
    pub fn list_runs(&self, session_id: &SessionId, filters: &RunListFilters) -> AppResult<Page<RunData>> {
        let filter = Filter {
            session_id: Some(session_id.to_string()),
            statuses: filters.status.iter().map(ToString::to_string).collect(),
            ..Filter::default()
        };
        self.app.store.read(|view| {
            find_session(view, &self.tenant, session_id)?;
            let page = page::<RunRecord>(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            page.try_map(|record| with_cost_so_far(view, &self.tenant, record.data))
        })
    }

    /// Cancels a run.
    pub async fn cancel_run(&self, id: RunId) -> AppResult<RunData> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let mut run = find_run(tx, &context.tenant, &id)?;
                let reason = "the run was cancelled";
                end_run(tx, &context.tenant, &mut run, RunEnd::Cancelled(reason.to_owned()), context.app.clock.now())?;
                Ok(run.data)
            })
            .await
    }
}

/// A run with what it cost so far; one that is over has that in its record.
pub(super) fn with_cost_so_far(view: &View<'_>, tenant: &Tenant, mut run: RunData) -> AppResult<RunData> {
    if !run.status.is_terminal() {
        run.cost = Cost::from_micro_cents(view.usage(tenant, UsageOf::Run(run.id.as_str()))?.total());
    }
    Ok(run)
}

/// For which agent a run is chosen.
struct Chooser<'a> {
    tenant: &'a Tenant,
    id: &'a AgentId,
}

/// How a run ends early.
pub enum RunEnd {
    /// Somebody cancelled it.
    Cancelled(String),
    /// It failed.
    Failed(ErrorDetail),
}

/// Ends a run that is not over. What its worker holds is freed by the run's job, which is asked for once more.
pub fn end_run(tx: &Tx<'_>, tenant: &Tenant, run: &mut RunRecord, end: RunEnd, now: Timestamp) -> AppResult<bool> {
    if run.data.status.is_terminal() {
        return Ok(false);
    }
    let (status, error, event) = match end {
        RunEnd::Cancelled(reason) => {
            let error = AppError::new(ErrorCode::Cancelled, reason.clone()).into_detail();
            (RunStatus::Cancelled, error, Event::RunCancelled { reason })
        }
        RunEnd::Failed(error) => (RunStatus::Failed, error.clone(), Event::RunFailed { error }),
    };
    run.data.status = status;
    run.data.error = Some(error);
    run.data.completed_at = Some(now);
    // The bill so far; what the last step and the sandbox add comes when the worker frees what it holds.
    run.data.cost = Cost::from_micro_cents(tx.usage(tenant, UsageOf::Run(run.data.id.as_str()))?.total());
    tx.update(tenant, run)?;
    tx.append(tenant, now, &run.scope(), &event)?;
    tx.enqueue(tenant, &run_job(&run.data.id, now))?;
    finish_task(tx, tenant, run, now)?;
    Ok(true)
}

/// Marks a paused run as one that goes on. Its job is asked for when its agent goes on.
pub fn continue_run(tx: &Tx<'_>, tenant: &Tenant, run_id: &RunId, now: Timestamp) -> AppResult<()> {
    let mut run = find_run(tx, tenant, run_id)?;
    if run.data.status == RunStatus::Paused {
        run.data.status = RunStatus::Queued;
        run.data.error = None;
        tx.update(tenant, &run)?;
        let reason = "the run goes on".to_owned();
        tx.append(tenant, now, &run.scope(), &Event::RunContinued { reason })?;
    }
    Ok(())
}

/// What a run is made of.
pub(super) struct NewRun {
    /// What its agent is to do.
    pub task: String,
    /// What it may cost, in micro-cents.
    pub max_cost: Option<i64>,
    /// The task that it does, if it was handed in as one.
    pub task_id: Option<TaskId>,
    /// The trace that its caller is in.
    pub trace: Option<CallerTrace>,
}

/// Adds a run of an agent and the job that does it.
pub(super) fn add_run(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    new: NewRun,
    now: Timestamp,
) -> AppResult<RunId> {
    let NewRun { task, max_cost, task_id, trace } = new;
    let data = RunData {
        id: RunId::from_suffix(random::id_suffix(now)),
        session_id: agent.data.session_id.clone(),
        agent_id: agent.data.id.clone(),
        user_id: agent.data.user_id.clone(),
        agent: agent.data.name.clone(),
        task: task.clone(),
        status: RunStatus::Queued,
        cost: Cost::from_micro_cents(0),
        result: None,
        error: None,
        created_at: now,
        started_at: None,
        completed_at: None,
    };
    let max_cost = match (max_cost, agent.cost_cap) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let run = RunRecord {
        data,
        max_cost,
        timeout_ms: agent.timeout_ms,
        reported: None,
        lease: 0,
        retries: 0,
        task_id,
        trace,
    };
    tx.insert(tenant, &run)?;
    let event = Event::RunQueued { agent: run.data.agent.clone(), task: task.clone() };
    tx.append(tenant, now, &run.scope(), &event)?;
    tx.enqueue(tenant, &run_job(&run.data.id, now))?;
    agent.task = task;
    agent.current_run = Some(run.data.id.clone());
    if agent.data.status == AgentStatus::Ready {
        agent.data.status = AgentStatus::Running;
    }
    tx.update(tenant, agent)?;
    Ok(run.data.id)
}

/// The job that does a run. There is one for each, however often it is asked for.
pub fn run_job(run_id: &RunId, now: Timestamp) -> NewJob {
    NewJob::about("run", "run", run_id, now)
}

/// Finds a run or says that there is none.
pub fn find_run(view: &View<'_>, tenant: &Tenant, id: &RunId) -> AppResult<RunRecord> {
    require(view, tenant, id.as_str(), RunId::PREFIX)
}

/// How people are told that a run is tried again.
pub(super) fn retry_message(retry: i64, error: &ErrorDetail) -> String {
    format!("the run failed and is tried again, for the {retry}. time: {}", error.message)
}

/// The id of a tool call, which is unique in its run.
fn tool_call_id(step: u32, index: u32) -> String {
    format!("call_{step}_{index}")
}

/// What a stream of a run shows of an event, if anything.
pub fn run_event(stored: &StoredEvent) -> Option<StreamEvent> {
    let run_id = || RunId::from(stored.scope.run_id.as_str());
    Some(match &stored.event {
        Event::ModelText { text, .. } => StreamEvent::Text { text: text.clone() },
        Event::ToolStarted { step, index, tool, input } => {
            let tool_call_id = Some(tool_call_id(*step, *index));
            StreamEvent::ToolCall { tool_call_id, tool: tool.clone(), input: input.clone() }
        }
        Event::ToolFinished { step, index, call, .. } => {
            let tool_call_id = Some(tool_call_id(*step, *index));
            StreamEvent::ToolResult { tool_call_id, tool: call.tool.clone(), output: call.output.clone() }
        }
        Event::ProgramProgressed { percentage, message, .. } => {
            StreamEvent::Progress { message: message.clone(), percentage: Some(*percentage) }
        }
        Event::RunContinued { reason } => StreamEvent::Progress { message: reason.clone(), percentage: None },
        Event::ModelFailed { retry_at: Some(_), message, .. } => {
            StreamEvent::Progress { message: format!("the model is asked again: {message}"), percentage: None }
        }
        Event::RunRetried { retry, error, .. } => {
            StreamEvent::Progress { message: retry_message(*retry, error), percentage: None }
        }
        Event::RunPaused { error: None } => {
            StreamEvent::Progress { message: "the run is paused".to_owned(), percentage: None }
        }
        Event::RunCompleted { result } => StreamEvent::Done {
            run_id: run_id(),
            output: result.output.clone(),
            cost: result.cost.clone(),
            duration: result.duration.clone(),
            duration_ms: result.duration_ms,
            artifacts: result.artifacts.clone(),
            files: result.files.clone(),
        },
        Event::RunFailed { error } | Event::RunPaused { error: Some(error) } => {
            StreamEvent::Error { run_id: run_id(), error: error.clone() }
        }
        Event::RunCancelled { reason } => StreamEvent::Error {
            run_id: run_id(),
            error: AppError::new(ErrorCode::Cancelled, reason.clone()).into_detail(),
        },
        _ => return None,
    })
}
