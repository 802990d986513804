//! Checkpoints: made when they are asked for or by the clock, and gone back to.

use theazo_api::{AgentId, AgentStatus, CheckpointCreateOpts, CheckpointData, CheckpointId};

use super::{Engine, limits::pause_agent};
use crate::{
    app::{
        AgentCommand, check_room, check_session, checkpoint_job, find_agent, find_checkpoint, find_run, find_session,
        last_checkpoint,
    },
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PausedBy, RunRecord},
    snapshots::{CheckpointMark, Rewind, SnapshotCause},
    store::{EventFilter, Tenant, View},
};

/// What an agent does that a checkpoint is worth making after.
const WORK: [&str; 8] = [
    "model.responded",
    "tool.finished",
    "exec.finished",
    "output",
    "file.written",
    "file.removed",
    "file.moved",
    "folder.made",
];

impl Engine {
    /// Makes a checkpoint of an agent.
    pub(super) async fn checkpoint(
        &self,
        tenant: &Tenant,
        agent_id: &AgentId,
        cause: SnapshotCause,
        opts: CheckpointCreateOpts,
    ) -> AppResult<CheckpointData> {
        let snapshot = self.take_snapshot(tenant, agent_id, cause, Some(opts)).await?;
        snapshot.checkpoint().ok_or_else(|| AppError::internal("a checkpoint was kept as a plain snapshot"))
    }

    /// Makes the checkpoint that an agent makes by itself from time to time, if it has done anything since the last, and sets
    /// the timer for the next.
    pub(super) async fn checkpoint_in_time(&self, tenant: &Tenant, agent_id: &str) -> AppResult<()> {
        let agent_id = &AgentId::from(agent_id);
        let (agent, has_worked) = self.app.store.read(|view| {
            let agent = find_agent(view, tenant, agent_id)?;
            let has_worked = has_worked(view, tenant, &agent)?;
            Ok::<_, AppError>((agent, has_worked))
        })?;
        let Some(interval) = agent.checkpoint_interval().filter(|_| !agent.has_ended()) else { return Ok(()) };
        let stands_still = matches!(agent.data.status, AgentStatus::Paused | AgentStatus::Booting);
        let made = if has_worked && !stands_still {
            let phase = agent.checkpoint.as_ref().and_then(|mark| mark.phase.clone());
            let progress = agent.progress.as_ref().map(|progress| progress.percentage);
            let opts = CheckpointCreateOpts { phase, progress, metadata: None };
            self.checkpoint(tenant, agent_id, SnapshotCause::Interval, opts).await.map(drop)
        } else {
            Ok(())
        };
        if made.as_ref().is_err_and(|error| error.is_outage) {
            return made;
        }
        let (owner, clock) = (tenant.clone(), self.app.clock.clone());
        let noted = self.app.store.write(move |tx| {
            let now = clock.now();
            if let Err(error) = made {
                let event = Event::CheckpointFailed { error: error.into_detail() };
                tx.append(&owner, now, &agent.scope(), &event)?;
            }
            Ok::<_, AppError>(tx.enqueue(&owner, &checkpoint_job(&agent.data.id, now.plus(interval)))?)
        });
        noted.await
    }

    /// Gives a paused agent the files and the memory that it had at a checkpoint. What it did since is forgotten, not undone: what
    /// it cost stays spent, and what it told others stays told.
    pub(super) async fn go_back(
        &self,
        tenant: &Tenant,
        agent: &AgentRecord,
        checkpoint_id: &CheckpointId,
    ) -> AppResult<()> {
        let agent_id = &agent.data.id;
        let (snapshot, run) = self.app.store.read(|view| {
            // What cannot go on afterwards does not go back.
            let session = find_session(view, tenant, &agent.data.session_id)?;
            check_session(&session)?;
            check_room(view, tenant, &session)?;
            let run = agent.current_run.as_ref().map(|run_id| find_run(view, tenant, run_id)).transpose()?;
            Ok::<_, AppError>((find_checkpoint(view, tenant, agent_id, checkpoint_id)?, run))
        })?;
        if let Some(run) = run {
            self.take_from_worker(tenant, &run).await?;
            self.settle_lost_call(tenant, &run, agent).await?;
        }
        self.end_sandbox(agent_id).await;
        self.restore_snapshot(tenant, agent, &snapshot.id).await?;
        let (owner, id, clock) = (tenant.clone(), agent_id.clone(), self.app.clock.clone());
        let checkpoint_id = checkpoint_id.clone();
        let forgotten = self.app.store.write(move |tx| {
            let mut agent = find_agent(tx, &owner, &id)?;
            agent.rewinds.push(Rewind { to: snapshot.sequence, from: tx.last_sequence()? });
            agent.checkpoint = snapshot.note.map(|note| CheckpointMark { phase: note.phase, progress: note.progress });
            agent.progress = None;
            agent.input_files_up_to = snapshot.input_files_up_to;
            tx.update(&owner, &agent)?;
            tx.append(&owner, clock.now(), &agent.scope(), &Event::AgentRestored { checkpoint_id })?;
            Ok::<_, AppError>(())
        });
        forgotten.await
    }

    /// Sees to it that nothing more is written by whoever works on a run that stands still.
    async fn take_from_worker(&self, tenant: &Tenant, run: &RunRecord) -> AppResult<()> {
        let (owner, id) = (tenant.clone(), run.data.id.clone());
        let taken = self.app.store.write(move |tx| {
            let mut run = find_run(tx, &owner, &id)?;
            run.lease += 1;
            Ok::<_, AppError>(tx.update(&owner, &run)?)
        });
        taken.await?;
        if let Some(token) = self.runs().get(run.data.id.as_str()) {
            token.cancel();
        }
        Ok(())
    }

    /// Lets an agent whose sandbox was lost under its run go on from its last checkpoint.
    pub(super) async fn recover_agent(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<()> {
        let (owner, id, clock) = (tenant.clone(), agent_id.clone(), self.app.clock.clone());
        let paused = self.app.store.write(move |tx| {
            let mut agent = find_agent(tx, &owner, &id)?;
            if agent.data.status == AgentStatus::Running {
                pause_agent(tx, &owner, &mut agent, PausedBy::Loss, None, clock.now())?;
            }
            Ok::<_, AppError>(agent)
        });
        let agent = paused.await?;
        // Paused by somebody else it goes on when that one says so, on the files as they are.
        if agent.data.status != AgentStatus::Paused || agent.paused_by != Some(PausedBy::Loss) {
            return Ok(());
        }
        if let Some(checkpoint) = self.app.store.read(|view| last_checkpoint(view, tenant, agent_id))? {
            self.go_back(tenant, &agent, &checkpoint.id).await?;
        }
        self.resume_paused(tenant, agent_id, PausedBy::Loss, None).await
    }

    /// Asks for an agent to go on from its last checkpoint, if it is made so and has one. Says whether it is.
    pub(super) async fn ask_to_recover(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<bool> {
        let (owner, id, clock) = (tenant.clone(), agent_id.clone(), self.app.clock.clone());
        let asked = self.app.store.write(move |tx| {
            let agent = find_agent(tx, &owner, &id)?;
            let is_asked = agent.resumes_when_lost() && last_checkpoint(tx, &owner, &id)?.is_some();
            if is_asked {
                AgentCommand::enqueue_recovery(tx, &owner, &agent, clock.now())?;
            }
            Ok::<_, AppError>(is_asked)
        });
        asked.await
    }
}

/// Whether an agent has done anything since its last checkpoint.
fn has_worked(view: &View<'_>, tenant: &Tenant, agent: &AgentRecord) -> AppResult<bool> {
    let after = match last_checkpoint(view, tenant, &agent.data.id)? {
        Some(checkpoint) => find_checkpoint(view, tenant, &agent.data.id, &checkpoint.id)?.sequence,
        None => 0,
    };
    let filter = EventFilter {
        after,
        agent_id: Some(agent.data.id.to_string()),
        kinds: WORK.to_vec(),
        limit: Some(1),
        ..EventFilter::default()
    };
    Ok(!view.events(tenant, &filter)?.is_empty())
}
