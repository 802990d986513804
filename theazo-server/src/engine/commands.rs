//! Commands to agents: what a caller asked for and waits for.

use serde_json::Value;
use theazo_api::{AgentId, AgentStatus, ResumeOpts};

use super::{Engine, execs::Wanted, lifecycle::idle_again, limits::pause_agent, run::is_limit};
use crate::{
    app::{
        AgentCommand, PortCommand, RunEnd, check_room, check_session, continue_run, end_run, find_agent, find_run,
        find_session, look_at_tasks, run_job,
    },
    error::{AppError, AppResult},
    event::Event,
    records::PausedBy,
    snapshots::SnapshotCause,
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
        let uses_sandbox = matches!(command, AgentCommand::File(_) | AgentCommand::Processes);
        let outcome = match command {
            AgentCommand::Boot => self.boot(tenant, &agent_id).await,
            AgentCommand::Exec(program) => {
                let wanted = Wanted { program, input: false, watched: false };
                return self.exec(job, &agent_id, wanted).await;
            }
            AgentCommand::StreamExec(opts) => return self.exec(job, &agent_id, Wanted::watched(opts)).await,
            AgentCommand::Pause { by } => self.pause(tenant, &agent_id, by).await,
            AgentCommand::Resume { by, opts } => self.resume(tenant, &agent_id, by, opts).await,
            AgentCommand::Checkpoint(opts) => {
                self.checkpoint(tenant, &agent_id, SnapshotCause::Checkpoint, opts).await.and_then(as_value)
            }
            AgentCommand::Recover => self.recover_agent(tenant, &agent_id).await.map(|()| Value::Null),
            AgentCommand::Terminate => self.terminate(tenant, &agent_id).await,
            AgentCommand::Port(PortCommand::Expose { port }) => {
                self.expose_port(tenant, &agent_id, port).await.and_then(as_value)
            }
            AgentCommand::Port(PortCommand::Close { port }) => {
                self.close_port(tenant, &agent_id, port).await.map(|()| Value::Null)
            }
            AgentCommand::File(command) => self.file(tenant, &agent_id, command).await,
            AgentCommand::Input { exec_id, data, close } => self.write_to_exec(&agent_id, &exec_id, data, close).await,
            AgentCommand::Signal { exec_id, signal } => self.signal_exec(tenant, &agent_id, &exec_id, &signal).await,
            AgentCommand::Processes => self.processes(tenant, &agent_id).await,
        };
        if uses_sandbox && let Err(error) = self.note_idle(tenant, &agent_id).await {
            return Done::Outcome(Err(error));
        }
        Done::Outcome(outcome)
    }

    async fn boot(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Value> {
        let Err(error) = self.ensure_sandbox(tenant, agent_id).await else { return Ok(Value::Null) };
        if error.is_outage {
            return Err(error);
        }
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

    async fn pause(&self, tenant: &Tenant, agent_id: &AgentId, by: PausedBy) -> AppResult<Value> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let agent = self
            .app
            .store
            .write(move |tx| {
                let mut agent = find_agent(tx, &owner, &id)?;
                if !agent.has_ended() && agent.data.status != AgentStatus::Paused {
                    pause_agent(tx, &owner, &mut agent, by, None, clock.now())?;
                } else if agent.is_asleep() && by == PausedBy::Caller {
                    // From now on it is the caller who resumes it, and not the next thing to do.
                    agent.paused_by = Some(by);
                    tx.update(&owner, &agent)?;
                }
                Ok::<_, AppError>(agent)
            })
            .await?;
        self.align_sandbox(tenant, agent_id).await?;
        if !matches!(by, PausedBy::Caller | PausedBy::Idle) || agent.has_ended() {
            return Ok(Value::Null);
        }
        let snapshot = self.take_snapshot(tenant, agent_id, SnapshotCause::Pause, None).await?;
        serde_json::to_value(snapshot.data()).map_err(AppError::internal)
    }

    async fn resume(&self, tenant: &Tenant, agent_id: &AgentId, by: PausedBy, opts: ResumeOpts) -> AppResult<Value> {
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        let may = by == PausedBy::Caller || agent.paused_by == Some(by);
        if agent.data.status == AgentStatus::Paused && may {
            if let Some(checkpoint_id) = &opts.checkpoint {
                self.go_back(tenant, &agent, checkpoint_id).await?;
            }
            self.resume_paused(tenant, agent_id, by, opts.region).await?;
        }
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        serde_json::to_value(agent.data).map_err(AppError::internal)
    }

    pub(super) async fn resume_paused(
        &self,
        tenant: &Tenant,
        agent_id: &AgentId,
        by: PausedBy,
        region: Option<String>,
    ) -> AppResult<()> {
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
                agent.data.region = region.unwrap_or(agent.data.region);
                idle_again(tx, &owner, &mut agent, now)?;
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
                look_at_tasks(tx, &owner, &agent.data.session_id, now)?;
                Ok::<_, AppError>(agent)
            })
            .await?;
        self.remove_sandbox(agent_id).await;
        serde_json::to_value(agent.data).map_err(AppError::internal)
    }
}

fn as_value(outcome: impl serde::Serialize) -> AppResult<Value> {
    serde_json::to_value(outcome).map_err(AppError::internal)
}
