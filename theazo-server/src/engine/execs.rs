//! Programs that callers ask for: run once, written to, signalled, listed.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use theazo_api::{
    AgentId, ErrorCode, ErrorDetail, ExecId, ExecOpts, ExecResult, ExecSignal, ExecStreamOpts, ProcessInfo,
};

use super::{
    Engine,
    commands::Done,
    lifecycle::idle_again,
    places::without_place,
    programs::{Asked, Channels},
};
use crate::{
    app::{AgentCommand, exec_id_of, find_agent, job_id_of},
    compute::{Attached, DEFAULT_TIMEOUT, Exec, Process},
    error::{AppError, AppResult},
    event::Event,
    store::{EventFilter, Job, JobResult, StoreError, Tenant},
};

/// How long a program may take until it has room for what is written to it, and how long its turn to begin is waited for.
const INPUT_TIMEOUT: Duration = Duration::from_secs(10);

/// A program as it is asked for.
pub(super) struct Wanted {
    pub program: ExecOpts,
    /// Whether its standard input stays open.
    pub input: bool,
    /// Whether somebody watches it.
    pub watched: bool,
}

impl Wanted {
    /// One that somebody watches.
    pub fn watched(opts: ExecStreamOpts) -> Self {
        let ExecStreamOpts { language, code, timeout, environment, directory, stdin } = opts;
        // Whoever watches a program must not see it begin a second time.
        let program = ExecOpts { language, code, timeout, environment, directory, repeatable: None };
        Self { program, input: stdin.unwrap_or(false), watched: true }
    }
}

/// How a program began.
enum Began {
    /// Now.
    Now,
    /// In a process that died.
    Interrupted,
}

impl Engine {
    /// Runs a program once. What it came to and that the job is done are one transaction.
    pub(super) async fn exec(&self, job: &Job, agent_id: &AgentId, wanted: Wanted) -> Done {
        let exec_id = exec_id_of(&job.id);
        // Known from now on, so that whoever says something to it need not wait for its sandbox.
        let (attached, registered) = self.programs.register(&exec_id, agent_id, wanted.input);
        let outcome = match self.begin_exec(job, &exec_id, agent_id, &wanted.program).await {
            // It has not begun, so it can begin later.
            Err(error) if error.is_outage => return Done::Outcome(Err(error)),
            Err(error) => Err(error),
            Ok(Began::Interrupted) => Err(AppError::new(
                ErrorCode::Interrupted,
                "the process that ran the program died; whether the program took effect is not known",
            )),
            Ok(Began::Now) => self.exec_now(job, &exec_id, agent_id, wanted, attached).await,
        };
        drop(registered);
        let outcome = outcome.map_err(|error| error.with("execId", exec_id.as_str()));
        let (clock, job, agent_id) = (self.app.clock.clone(), job.clone(), agent_id.clone());
        let stored = self.write_at_last(move |tx| {
            if !tx.is_held(&job)? {
                // Another worker has it by now, and tells what became of it.
                return Ok(false);
            }
            let mut agent = find_agent(tx, &job.tenant, &agent_id)?;
            let now = clock.now();
            idle_again(tx, &job.tenant, &mut agent, now)?;
            tx.append(&job.tenant, now, &agent.scope(), &finished(&exec_id, &outcome))?;
            let outcome: JobResult =
                outcome.clone().and_then(|result| serde_json::to_value(result).map_err(AppError::internal));
            Ok(tx.finish(&job, Some(&outcome))?)
        });
        match stored.await {
            Ok(_) => Done::Finished,
            Err(error) => Done::Outcome(Err(error)),
        }
    }

    /// Tells those who watch a program that its job ended without it.
    pub(super) async fn note_lost_exec(&self, job: &Job, error: &AppError) {
        let command = serde_json::from_value(job.payload.clone());
        if !matches!(command, Ok(AgentCommand::Exec(_) | AgentCommand::StreamExec(_))) {
            return;
        }
        let (clock, job, outcome) = (self.app.clock.clone(), job.clone(), Err(error.clone()));
        let noted = self.app.store.write(move |tx| {
            let agent = find_agent(tx, &job.tenant, &AgentId::from(job.subject.as_str()))?;
            let event = finished(&exec_id_of(&job.id), &outcome);
            Ok::<_, AppError>(tx.append(&job.tenant, clock.now(), &agent.scope(), &event)?)
        });
        if let Err(error) = noted.await {
            tracing::error!(%error, "the end of a program cannot be stored");
        }
    }

    async fn begin_exec(&self, job: &Job, exec_id: &ExecId, agent_id: &AgentId, opts: &ExecOpts) -> AppResult<Began> {
        let (clock, tenant, id, agent_id) =
            (self.app.clock.clone(), job.tenant.clone(), exec_id.to_string(), agent_id.clone());
        let repeatable = opts.repeatable.unwrap_or(false);
        let language = opts.language.to_string();
        let attempts = job.attempts;
        self.app
            .store
            .write(move |tx| {
                let agent = find_agent(tx, &tenant, &agent_id)?;
                if attempts > 0 && !repeatable {
                    let filter = EventFilter {
                        agent_id: Some(agent_id.to_string()),
                        kinds: vec!["exec.started"],
                        ..Default::default()
                    };
                    let began = tx
                        .events(&tenant, &filter)?
                        .iter()
                        .any(|stored| matches!(&stored.event, Event::ExecStarted { exec_id, .. } if *exec_id == id));
                    if began {
                        return Ok(Began::Interrupted);
                    }
                }
                let event = Event::ExecStarted { exec_id: id, language, repeatable };
                tx.append(&tenant, clock.now(), &agent.scope(), &event)?;
                Ok::<_, AppError>(Began::Now)
            })
            .await
    }

    async fn exec_now(
        &self,
        job: &Job,
        exec_id: &ExecId,
        agent_id: &AgentId,
        wanted: Wanted,
        attached: Attached,
    ) -> AppResult<ExecResult> {
        let scope = self.app.store.read(|view| find_agent(view, &job.tenant, agent_id))?.scope();
        let sandbox = self.ensure_sandbox(&job.tenant, agent_id).await?;
        let opts = wanted.program;
        let environment = opts.environment.into_iter().flatten();
        let exec = Exec {
            label: exec_id.to_string(),
            timeout: opts.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0),
            environment: environment.map(|(name, value)| (name, value.as_str().into())).collect(),
            directory: opts.directory,
            input: wanted.input,
            ..Exec::new(opts.language, opts.code)
        };
        let asked = Asked { exec_id, watched: wanted.watched, attached };
        let outcome = self.run_program(&job.tenant, &scope, &sandbox, exec, Some(asked)).await;
        Ok(outcome.inspect_err(|error| self.forget_if_gone(agent_id, &sandbox, error))?)
    }

    /// Writes to the standard input of a program; `data` is base64.
    pub(super) async fn write_to_exec(
        &self,
        agent_id: &AgentId,
        exec_id: &ExecId,
        data: String,
        close: bool,
    ) -> AppResult<Value> {
        let Some(channels) = self.channels(agent_id, exec_id).await? else {
            return Err(AppError::conflict(format!("the program `{exec_id}` has ended")));
        };
        let Some(input) = channels.input else {
            let message = format!("the input of the program `{exec_id}` is closed; it must be started with `stdin`");
            return Err(AppError::conflict(message));
        };
        let bytes = BASE64_STANDARD.decode(data).map_err(AppError::internal)?;
        if !bytes.is_empty() {
            // The machine's own time: the program runs by it, whatever clock the plane has.
            match without_place(tokio::time::timeout(INPUT_TIMEOUT, input.send(bytes))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(AppError::conflict(format!("the program `{exec_id}` has ended"))),
                Err(_) => {
                    let message = format!("the program `{exec_id}` does not read its input; nothing more was written");
                    return Err(AppError::conflict(message));
                }
            }
        }
        if close {
            self.programs.close_input(exec_id);
        }
        Ok(Value::Null)
    }

    /// Sends a signal to a program. One that has ended stays as it is.
    pub(super) async fn signal_exec(
        &self,
        tenant: &Tenant,
        agent_id: &AgentId,
        exec_id: &ExecId,
        signal: &ExecSignal,
    ) -> AppResult<Value> {
        let Some(channels) = self.channels(agent_id, exec_id).await? else { return Ok(Value::Null) };
        if channels.signals.send(number_of(signal)).await.is_err() {
            return Ok(Value::Null);
        }
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let event = Event::ExecSignalled { exec_id: exec_id.to_string(), signal: signal.to_string() };
        self.app
            .store
            .write(move |tx| {
                let agent = find_agent(tx, &owner, &id)?;
                Ok::<_, AppError>(tx.append(&owner, clock.now(), &agent.scope(), &event)?)
            })
            .await?;
        Ok(Value::Null)
    }

    /// Lists the processes in the sandbox of an agent.
    pub(super) async fn processes(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Value> {
        let sandbox = self.ensure_sandbox(tenant, agent_id).await?;
        let processes = sandbox.processes().await;
        let processes = processes.inspect_err(|error| self.forget_if_gone(agent_id, &sandbox, error))?;
        let shown: Vec<ProcessInfo> = processes.into_iter().map(show).collect();
        serde_json::to_value(shown).map_err(AppError::internal)
    }

    /// The ways to a program, which may still wait for its turn; none if it has ended.
    async fn channels(&self, agent_id: &AgentId, exec_id: &ExecId) -> AppResult<Option<Channels>> {
        let begun = without_place(tokio::time::timeout(INPUT_TIMEOUT, self.channels_once_begun(exec_id))).await;
        let channels = begun.unwrap_or_else(|_| {
            Err(AppError::conflict(format!("the program `{exec_id}` waits for its turn and has not begun yet")))
        })?;
        Ok(channels.filter(|channels| channels.agent_id == *agent_id))
    }

    async fn channels_once_begun(&self, exec_id: &ExecId) -> AppResult<Option<Channels>> {
        let job_id = job_id_of(exec_id);
        let mut commits = self.app.store.commits();
        loop {
            commits.mark_unchanged();
            if let Some(channels) = self.programs.get(exec_id) {
                return Ok(Some(channels));
            }
            if !self.app.store.read(|view| Ok::<_, AppError>(view.is_pending(&job_id)?))? {
                return Ok(None);
            }
            commits.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }
}

/// The event that a program ended.
fn finished(exec_id: &ExecId, outcome: &AppResult<ExecResult>) -> Event {
    let result = outcome.as_ref().ok();
    Event::ExecFinished {
        exec_id: exec_id.to_string(),
        exit_code: result.map(|result| result.exit_code),
        duration_ms: result.map_or(0, |result| result.duration_ms),
        truncated: result.is_some_and(|result| result.truncated),
        limit: result.and_then(|result| result.limit.clone()),
        error: outcome.as_ref().err().map(|error| without_output(error.clone().into_detail())),
    }
}

/// What the program printed is in the log already.
fn without_output(mut error: ErrorDetail) -> ErrorDetail {
    error.details.retain(|name, _| name != "stdout" && name != "stderr");
    error
}

fn show(process: Process) -> ProcessInfo {
    ProcessInfo {
        pid: process.pid,
        parent_pid: process.parent,
        exec_id: (!process.label.is_empty()).then(|| ExecId::from(process.label.as_str())),
        command: process.command,
        cpu_ms: i64::try_from(process.processor_time.as_millis()).unwrap_or(i64::MAX),
        memory_bytes: i64::try_from(process.memory).unwrap_or(i64::MAX),
        started_at: process.started_at,
    }
}

/// The number of a signal, which is the same on every Linux.
fn number_of(signal: &ExecSignal) -> i32 {
    match signal {
        ExecSignal::Hangup => 1,
        ExecSignal::Interrupt => 2,
        ExecSignal::Quit => 3,
        ExecSignal::UserOne => 10,
        ExecSignal::UserTwo => 12,
        ExecSignal::Terminate => 15,
        // Others are refused when they are asked for.
        _ => 9,
    }
}
