//! How a run ends: its bill is closed, its result stored, and its agent freed, in one transaction.

use theazo_api::{AgentStatus, Cost, KeptArtifact, RunId, RunResult, RunStatus, Timestamp, time::human_duration};

use super::{
    Engine,
    artifacts::Produced,
    journal::{Journal, has_new_input},
    lifecycle::{after_failure, begin_idle, try_again},
    step::Step,
    timers::meter_job,
};
use crate::{
    app::{RunEnd, end_run, find_agent, find_run, finish_task, look_at_tasks},
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, RunRecord},
    spending::{RateCard, start_meter, stop_meter},
    store::{Job, Tenant, Tx, UsageOf},
};

/// What became of a run that was to be completed.
enum Ending {
    /// It goes on: there is something that it has not read.
    GoesOn,
    /// Somebody else paused or ended it.
    Stopped,
    /// It is completed, and its agent is free or has ended. These are the artifacts that are kept.
    Released(Box<AgentRecord>, Vec<KeptArtifact>),
}

impl Engine {
    /// Completes a run, unless something was said to it since its journal was read, or its program reported something:
    /// then it goes on.
    pub(super) async fn complete_run(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        journal: &Journal,
        produced: Produced,
    ) -> AppResult<Step> {
        let (clock, owner) = (self.app.clock.clone(), tenant.clone());
        let (read_up_to, tool_calls) = (journal.read_up_to(), journal.tool_calls.clone());
        let (rates, limits) = (self.app.rates, self.app.files.config);
        let put = produced.kept.clone().unwrap_or_default();
        let ended = self
            .write_held(tenant, run, move |tx, mut run| {
                let now = clock.now();
                if run.data.status != RunStatus::Running {
                    return Ok(Ending::Stopped);
                }
                let Produced { reported, output, artifacts, kept } = produced;
                if run.reported != reported || has_new_input(tx, &owner, &run.data.id, read_up_to)? {
                    return Ok(Ending::GoesOn);
                }
                let kept: Option<Vec<KeptArtifact>> = kept
                    .map(|kept| kept.into_iter().map(|artifact| artifact.keep(tx, &owner, limits, now)).collect())
                    .transpose()?;
                let mut agent = find_agent(tx, &owner, &run.data.agent_id)?;
                let cost = close_bill(tx, &owner, &run, &mut agent, now)?;
                let duration = now.since(run.data.started_at.unwrap_or(now));
                let result = RunResult {
                    run_id: run.data.id.clone(),
                    output,
                    artifacts,
                    files: kept.clone(),
                    cost: cost.clone(),
                    duration: human_duration(duration),
                    duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
                    provider: agent.data.provider.clone(),
                    tool_calls,
                };
                run.data.status = RunStatus::Completed;
                run.data.completed_at = Some(now);
                run.data.cost = cost;
                run.data.result = Some(result.clone());
                tx.update(&owner, &run)?;
                tx.append(&owner, now, &run.scope(), &Event::RunCompleted { result })?;
                finish_task(tx, &owner, &run, now)?;
                release_agent(tx, &owner, &mut agent, &run, &rates, now)?;
                Ok(Ending::Released(Box::new(agent), kept.unwrap_or_default()))
            })
            .await;
        let kept = match &ended {
            Ok(Some(Ending::Released(_, kept))) => kept.as_slice(),
            _ => &[],
        };
        self.drop_artifacts(&put, kept).await;
        match ended?.unwrap_or(Ending::Stopped) {
            Ending::GoesOn => return Ok(Step::Done),
            Ending::Stopped => {}
            Ending::Released(agent, _) => self.after_release(tenant, Some(*agent)).await?,
        }
        Ok(Step::Stopped)
    }

    /// Ends a run whose work failed, or lets it try again.
    pub(super) async fn fail_run(&self, job: &Job, run_id: &RunId, error: AppError) -> AppResult<()> {
        let tenant = &job.tenant;
        let (run, agent) = self.app.store.read(|view| {
            let run = find_run(view, tenant, run_id)?;
            let agent = find_agent(view, tenant, &run.data.agent_id)?;
            Ok::<_, AppError>((run, agent))
        })?;
        self.settle_lost_call(tenant, &run, &agent).await?;
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), run_id.clone());
        let held = job.clone();
        let rates = self.app.rates;
        let ended = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut run = find_run(tx, &owner, &id)?;
                if run.data.status.is_terminal() || !tx.is_held(&held)? {
                    return Ok(None);
                }
                let agent = find_agent(tx, &owner, &run.data.agent_id)?;
                if try_again(tx, &owner, &agent, &mut run, &error, now)? {
                    return Ok(None);
                }
                if !end_run(tx, &owner, &mut run, RunEnd::Failed(error.into_detail()), now)? {
                    return Ok(None);
                }
                // Nobody works on it any more, so whoever learns of the failure finds the agent free.
                let mut agent = find_agent(tx, &owner, &run.data.agent_id)?;
                run.data.cost = close_bill(tx, &owner, &run, &mut agent, now)?;
                tx.update(&owner, &run)?;
                release_agent(tx, &owner, &mut agent, &run, &rates, now)?;
                Ok::<_, AppError>(Some(agent))
            })
            .await?;
        tracing::debug!(run = %run_id, failed = ended.is_some(), "a run failed");
        self.after_release(tenant, ended).await
    }

    /// Frees what an ended run still holds.
    pub(super) async fn free_agent(&self, tenant: &Tenant, run_id: &RunId) -> AppResult<()> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), run_id.clone());
        let rates = self.app.rates;
        let ended = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut run = find_run(tx, &owner, &id)?;
                let mut agent = find_agent(tx, &owner, &run.data.agent_id)?;
                run.data.cost = close_bill(tx, &owner, &run, &mut agent, now)?;
                tx.update(&owner, &run)?;
                release_agent(tx, &owner, &mut agent, &run, &rates, now)?;
                Ok::<_, AppError>(Some(agent))
            })
            .await?;
        self.after_release(tenant, ended).await
    }

    async fn after_release(&self, tenant: &Tenant, released: Option<AgentRecord>) -> AppResult<()> {
        let Some(agent) = released else { return Ok(()) };
        if agent.has_ended() {
            self.remove_sandbox(&agent.data.id).await;
        } else if agent.data.status == AgentStatus::Paused {
            self.align_sandbox(tenant, &agent.data.id).await?;
        }
        Ok(())
    }
}

/// Stops the meter and sums up what the run cost.
fn close_bill(
    tx: &Tx<'_>,
    tenant: &Tenant,
    run: &RunRecord,
    agent: &mut AgentRecord,
    now: Timestamp,
) -> AppResult<Cost> {
    stop_meter(tx, tenant, agent, now)?;
    Ok(Cost::from_micro_cents(tx.usage(tenant, UsageOf::Run(run.data.id.as_str()))?.total()))
}

/// Lets an agent wait for its next run, or ends it if it had just this one.
fn release_agent(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    run: &RunRecord,
    rates: &RateCard,
    now: Timestamp,
) -> AppResult<()> {
    agent.current_run = None;
    look_at_tasks(tx, tenant, &agent.data.session_id, now)?;
    if agent.has_ended() {
        return Ok(tx.update(tenant, agent)?);
    }
    if agent.one_shot {
        agent.data.status = AgentStatus::Completed;
        tx.append(tenant, now, &agent.scope(), &Event::AgentTerminated {})?;
        return Ok(tx.update(tenant, agent)?);
    }
    if let (RunStatus::Failed, Some(error)) = (&run.data.status, &run.data.error)
        && !after_failure(tx, tenant, agent, error, now)?
    {
        return Ok(tx.update(tenant, agent)?);
    }
    if agent.data.status == AgentStatus::Running {
        agent.data.status = AgentStatus::Ready;
    }
    if agent.data.status == AgentStatus::Ready {
        begin_idle(tx, tenant, agent, now)?;
        match start_meter(tx, tenant, agent, rates, now)? {
            Ok(()) if agent.meter.is_some() => tx.enqueue(tenant, &meter_job(agent, now))?,
            Ok(()) => {}
            Err(shortfall) => {
                tx.update(tenant, agent)?;
                let error = AppError::limit_exceeded(&shortfall);
                super::limits::pause_agent(tx, tenant, agent, crate::records::PausedBy::Limit, Some(&error), now)?;
                return Ok(());
            }
        }
    }
    Ok(tx.update(tenant, agent)?)
}
