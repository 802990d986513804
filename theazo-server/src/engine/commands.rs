//! Commands to agents: what a caller asked for and waits for.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use theazo_api::{AgentId, AgentStatus, ErrorCode, ExecOpts, ExecResult, Snapshot, SnapshotId};

use super::{Engine, limits::pause_agent, programs::DEFAULT_TIMEOUT, run::is_limit};
use crate::{
    app::{
        AgentCommand, FileCommand, RunEnd, check_room, check_session, continue_run, end_run, find_agent, find_run,
        find_session, run_job,
    },
    compute::Exec,
    error::{AppError, AppResult},
    event::Event,
    random,
    records::PausedBy,
    spending::stop_meter,
    store::{Job, JobResult, Tenant},
};

/// What became of a command.
pub(super) enum Done {
    /// Its outcome is stored already, together with what it changed.
    Finished,
    /// Its outcome is to be stored.
    Outcome(JobResult),
}

impl Engine {
    pub(super) async fn command(&self, job: &Job) -> Done {
        let agent_id = AgentId::from(job.subject.as_str());
        let tenant = &job.tenant;
        let command = match serde_json::from_value(job.payload.clone()) {
            Ok(command) => command,
            Err(error) => return Done::Outcome(Err(AppError::internal(error))),
        };
        let outcome = match command {
            AgentCommand::Boot => self.boot(tenant, &agent_id).await,
            AgentCommand::Exec(opts) => return self.exec(job, &agent_id, opts).await,
            AgentCommand::Pause { by } => self.pause(tenant, &agent_id, by).await,
            AgentCommand::Resume { by } => self.resume(tenant, &agent_id, by).await,
            AgentCommand::Terminate => self.terminate(tenant, &agent_id).await,
            AgentCommand::File(command) => self.file(tenant, &agent_id, command).await,
        };
        Done::Outcome(outcome)
    }

    async fn boot(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Value> {
        let Err(error) = self.ensure_sandbox(tenant, agent_id).await else { return Ok(Value::Null) };
        let (clock, owner, id, failure) =
            (self.app.clock.clone(), tenant.clone(), agent_id.clone(), error.clone().into_detail());
        let stopped_by_limit = is_limit(&error);
        let agent = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut agent = find_agent(tx, &owner, &id)?;
                // Whoever paused or ended it before it was ready has said what becomes of it.
                if agent.has_ended() || (agent.data.status == AgentStatus::Paused && !stopped_by_limit) {
                    return Ok(agent);
                }
                stop_meter(tx, &owner, &mut agent, now)?;
                agent.data.status = AgentStatus::Failed;
                tx.update(&owner, &agent)?;
                tx.append(&owner, now, &agent.scope(), &Event::AgentFailed { error: failure })?;
                Ok::<_, AppError>(agent)
            })
            .await?;
        if agent.has_ended() {
            self.remove_sandbox(agent_id).await;
        }
        Err(error)
    }

    /// Runs a program once. What it came to and that the job is done are one transaction.
    async fn exec(&self, job: &Job, agent_id: &AgentId, opts: ExecOpts) -> Done {
        let started = match self.begin_exec(job, agent_id, &opts).await {
            Ok(started) => started,
            Err(error) => return Done::Outcome(Err(error)),
        };
        let outcome = match started {
            Began::Interrupted => Err(AppError::new(
                ErrorCode::Interrupted,
                "the process that ran the program died; whether the program took effect is not known",
            )),
            Began::Now => self.exec_now(job, agent_id, opts).await,
        };
        let (clock, job, agent_id) = (self.app.clock.clone(), job.clone(), agent_id.clone());
        let stored = self.app.store.write(move |tx| {
            if !tx.is_held(&job)? {
                // Another worker has it by now, and tells what became of it.
                return Ok(false);
            }
            let agent = find_agent(tx, &job.tenant, &agent_id)?;
            let event = Event::ExecFinished {
                exec_id: job.id.to_string(),
                exit_code: outcome.as_ref().ok().map(|result| result.exit_code),
                duration_ms: outcome.as_ref().map_or(0, |result| result.duration_ms),
                error: outcome.as_ref().err().map(|error| error.clone().into_detail()),
            };
            tx.append(&job.tenant, clock.now(), &agent.scope(), &event)?;
            let outcome: JobResult =
                outcome.and_then(|result| serde_json::to_value(result).map_err(AppError::internal));
            Ok::<_, AppError>(tx.finish(&job, Some(&outcome))?)
        });
        match stored.await {
            Ok(_) => Done::Finished,
            Err(error) => Done::Outcome(Err(error)),
        }
    }

    async fn begin_exec(&self, job: &Job, agent_id: &AgentId, opts: &ExecOpts) -> AppResult<Began> {
        let (clock, tenant, id, agent_id) =
            (self.app.clock.clone(), job.tenant.clone(), job.id.to_string(), agent_id.clone());
        let repeatable = opts.repeatable.unwrap_or(false);
        let language = opts.language.to_string();
        let attempts = job.attempts;
        self.app
            .store
            .write(move |tx| {
                let agent = find_agent(tx, &tenant, &agent_id)?;
                if attempts > 0 && !repeatable {
                    let filter = crate::store::EventFilter {
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

    async fn exec_now(&self, job: &Job, agent_id: &AgentId, opts: ExecOpts) -> AppResult<ExecResult> {
        let scope = self.app.store.read(|view| find_agent(view, &job.tenant, agent_id))?.scope();
        let sandbox = self.ensure_sandbox(&job.tenant, agent_id).await?;
        let timeout = opts.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0);
        let exec = Exec { language: opts.language, code: opts.code, timeout };
        let outcome = self.exec_logged(&job.tenant, &scope, &sandbox, exec).await;
        Ok(outcome.inspect_err(|error| self.forget_if_gone(agent_id, &sandbox, error))?)
    }

    async fn pause(&self, tenant: &Tenant, agent_id: &AgentId, by: PausedBy) -> AppResult<Value> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let agent = self
            .app
            .store
            .write(move |tx| {
                let mut agent = find_agent(tx, &owner, &id)?;
                if !agent.has_ended() && agent.data.status != AgentStatus::Paused {
                    pause_agent(tx, &owner, &mut agent, by, None, clock.now())?;
                }
                Ok::<_, AppError>(agent)
            })
            .await?;
        let bytes = self.align_sandbox(tenant, agent_id).await?;
        let now = self.app.clock.now();
        let snapshot = Snapshot {
            id: SnapshotId::from_suffix(random::id_suffix(now)),
            size: human_size(bytes),
            provider: agent.data.provider,
            size_bytes: Some(bytes),
            created_at: Some(now),
        };
        serde_json::to_value(snapshot).map_err(AppError::internal)
    }

    async fn resume(&self, tenant: &Tenant, agent_id: &AgentId, by: PausedBy) -> AppResult<Value> {
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        let may = by == PausedBy::Caller || agent.paused_by == Some(by);
        if agent.data.status == AgentStatus::Paused && may {
            self.resume_paused(tenant, agent_id, by).await?;
        }
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        serde_json::to_value(agent.data).map_err(AppError::internal)
    }

    async fn resume_paused(&self, tenant: &Tenant, agent_id: &AgentId, by: PausedBy) -> AppResult<()> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let refused = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut agent = find_agent(tx, &owner, &id)?;
                if agent.data.status != AgentStatus::Paused {
                    return Ok(None);
                }
                let session = find_session(tx, &owner, &agent.data.session_id)?;
                if let Err(error) = check_session(&session) {
                    // What a limit paused goes on with its session; nobody waits for it.
                    return Ok((by != PausedBy::Limit).then_some(error));
                }
                if let Err(error) = check_room(tx, &owner, &session) {
                    // Its run was to go on after a limit: now it stands at this one, and whoever waits is told.
                    if by == PausedBy::Limit {
                        pause_agent(tx, &owner, &mut agent, by, Some(&error), now)?;
                    }
                    return Ok(Some(error));
                }
                let run_id = agent.current_run.clone();
                agent.data.status = if run_id.is_some() { AgentStatus::Running } else { AgentStatus::Ready };
                agent.paused_by = None;
                tx.update(&owner, &agent)?;
                tx.append(&owner, now, &agent.scope(), &Event::AgentResumed {})?;
                if let Some(run_id) = run_id {
                    continue_run(tx, &owner, &run_id, now)?;
                    tx.enqueue(&owner, &run_job(&run_id, now))?;
                }
                Ok::<_, AppError>(None)
            })
            .await?;
        if let Some(error) = refused {
            return Err(error);
        }
        if self.sandboxes.get(agent_id).is_some() {
            // The meter first: where there is nothing left to spend, the sandbox stays still.
            self.meter_agent(tenant, agent_id).await?;
            self.align_sandbox(tenant, agent_id).await?;
        }
        Ok(())
    }

    /// Ends an agent: what it works on is cancelled, and its sandbox and files go.
    pub(super) async fn terminate(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Value> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let agent = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut agent = find_agent(tx, &owner, &id)?;
                if agent.has_ended() {
                    return Ok(agent);
                }
                stop_meter(tx, &owner, &mut agent, now)?;
                agent.data.status = AgentStatus::Completed;
                agent.paused_by = None;
                tx.update(&owner, &agent)?;
                if let Some(run_id) = &agent.current_run {
                    let mut run = find_run(tx, &owner, run_id)?;
                    end_run(tx, &owner, &mut run, RunEnd::Cancelled("its agent was terminated".to_owned()), now)?;
                }
                tx.append(&owner, now, &agent.scope(), &Event::AgentTerminated {})?;
                Ok::<_, AppError>(agent)
            })
            .await?;
        self.remove_sandbox(agent_id).await;
        serde_json::to_value(agent.data).map_err(AppError::internal)
    }

    async fn file(&self, tenant: &Tenant, agent_id: &AgentId, command: FileCommand) -> AppResult<Value> {
        let sandbox = self.ensure_sandbox(tenant, agent_id).await?;
        match command {
            FileCommand::Write { path, content } => {
                let content = BASE64_STANDARD.decode(content).map_err(AppError::internal)?;
                let bytes = i64::try_from(content.len()).unwrap_or(i64::MAX);
                sandbox.write_file(path.clone(), content).await?;
                let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
                self.app
                    .store
                    .write(move |tx| {
                        let agent = find_agent(tx, &owner, &id)?;
                        tx.append(&owner, clock.now(), &agent.scope(), &Event::FileWritten { path, bytes })?;
                        Ok::<_, AppError>(())
                    })
                    .await?;
                Ok(Value::Null)
            }
            FileCommand::Read { path } => Ok(json!(BASE64_STANDARD.encode(sandbox.read_file(path).await?))),
            FileCommand::List { dir } => {
                serde_json::to_value(sandbox.list_files(dir).await?).map_err(AppError::internal)
            }
        }
    }
}

/// How a program began.
enum Began {
    /// Now.
    Now,
    /// In a process that died.
    Interrupted,
}

fn human_size(bytes: i64) -> String {
    const UNITS: [(&str, i64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{}{unit}", (bytes + size / 2) / size);
        }
    }
    format!("{bytes}B")
}
