//! Snapshots of agents' files: made, kept within bounds, given back, and removed.

use std::{
    collections::HashSet,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use theazo_api::{AgentId, CheckpointCreateOpts, CheckpointData, SessionId, SessionStatus, SnapshotId, Timestamp};

use super::{Engine, places::without_place};
use crate::{
    app::{find_agent, find_session, find_snapshot},
    compute::{ComputeError, SandboxFiles, SnapshotPlace, remove_tree},
    error::{AppError, AppResult},
    event::Event,
    random,
    records::AgentRecord,
    snapshots::{CheckpointMark, CheckpointNote, SnapshotCause, SnapshotRecord},
    spending::note_stored,
    store::{Document, Filter, Tenant, Tx, View},
};

/// How many bytes the snapshots of one session may have together.
const ROOM_PER_SESSION: i64 = 10 << 30;

impl Engine {
    /// Makes a snapshot of an agent's files, with what it says if it is a checkpoint. The agent's programs stand still meanwhile;
    /// an agent whose sandbox does not run has files all the same.
    pub(super) async fn take_snapshot(
        &self,
        tenant: &Tenant,
        agent_id: &AgentId,
        cause: SnapshotCause,
        note: Option<CheckpointCreateOpts>,
    ) -> AppResult<SnapshotRecord> {
        let now = self.app.clock.now();
        let id = SnapshotId::from_suffix(random::id_suffix(now));
        let (agent, sequence, room) = self.app.store.read(|view| {
            let agent = find_agent(view, tenant, agent_id)?;
            let room = ROOM_PER_SESSION - bytes_kept(view, tenant, &agent.data.session_id)?;
            Ok::<_, AppError>((agent, view.last_sequence()?, room))
        })?;
        let place = SnapshotPlace { limit: u64::try_from(room).unwrap_or(0), ..self.snapshot_place(&id)? };
        let stopped = async {
            let provider = self.provider(&agent.data.provider)?;
            Ok::<_, AppError>(provider.snapshot(self.files_of(agent_id), place.clone()).await?)
        };
        let taking = async {
            match self.sandboxes.get(agent_id) {
                None => stopped.await,
                Some(sandbox) => match sandbox.snapshot(place.clone()).await {
                    Err(ComputeError::Gone) => stopped.await,
                    taken => Ok(taken?),
                },
            }
        };
        // However large it is, pauses and endings of others go on.
        let bytes = without_place(taking).await?;
        let record = SnapshotRecord {
            id,
            agent_id: agent_id.clone(),
            session_id: agent.data.session_id.clone(),
            user_id: agent.data.user_id.clone(),
            provider: agent.data.provider.clone(),
            cause,
            bytes,
            sequence,
            input_files_up_to: agent.input_files_up_to,
            note: None,
            created_at: now,
            deleted_at: None,
        };
        let (owner, id) = (tenant.clone(), record.id.clone());
        match self.app.store.write(move |tx| keep(tx, &owner, record, note)).await {
            Ok((record, outdated)) => {
                self.remove_snapshot_files(outdated).await;
                Ok(record)
            }
            Err(error) => {
                self.remove_snapshot_files(vec![id]).await;
                Err(error)
            }
        }
    }

    /// Gives an agent the files of a snapshot in place of its own. Its sandbox must have ended; the next one begins with them.
    pub(super) async fn restore_snapshot(
        &self,
        tenant: &Tenant,
        agent: &AgentRecord,
        snapshot_id: &SnapshotId,
    ) -> AppResult<()> {
        let snapshot = self.app.store.read(|view| find_snapshot(view, tenant, snapshot_id))?;
        if agent.data.provider != snapshot.provider {
            let message = format!("the snapshot `{snapshot_id}` is kept by the provider `{}`", snapshot.provider);
            return Err(AppError::conflict(message));
        }
        let place = self.snapshot_place(snapshot_id)?;
        let restored = self.provider(&snapshot.provider)?.restore(place, self.files_of(&agent.data.id));
        Ok(without_place(restored).await?)
    }

    /// Removes every snapshot of a session that has ended.
    pub(super) async fn remove_session_snapshots(&self, tenant: &Tenant, session_id: &str) -> AppResult<()> {
        let (clock, owner, session_id) = (self.app.clock.clone(), tenant.clone(), session_id.to_owned());
        let removed = self.app.store.write(move |tx| {
            let now = clock.now();
            let filter = Filter {
                session_id: Some(session_id),
                statuses: SnapshotRecord::KEPT.map(str::to_owned).to_vec(),
                ..Filter::default()
            };
            let mut removed = Vec::new();
            for (_, mut snapshot) in tx.list::<SnapshotRecord>(&owner, &filter)? {
                forget(tx, &owner, &mut snapshot, now)?;
                removed.push(snapshot.id);
            }
            Ok::<_, AppError>(removed)
        });
        self.remove_snapshot_files(removed.await?).await;
        Ok(())
    }

    /// Removes the folders of snapshots that are not kept: a process that died left them.
    pub(super) async fn sweep_snapshots(&self) -> AppResult<()> {
        let kept: HashSet<String> = self.app.store.read(|view| {
            let kept = view.list_everywhere::<SnapshotRecord>(&SnapshotRecord::KEPT)?;
            Ok::<_, AppError>(kept.into_iter().map(|(_, snapshot)| snapshot.id.to_string()).collect())
        })?;
        let names = match std::fs::read_dir(self.snapshots_directory()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(AppError::internal)?.flatten(),
        };
        let abandoned = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !kept.contains(name))
            .map(|name| SnapshotId::from(name.as_str()));
        self.remove_snapshot_files(abandoned.collect()).await;
        Ok(())
    }

    async fn remove_snapshot_files(&self, ids: Vec<SnapshotId>) {
        for id in ids {
            let directory = self.snapshots_directory().join(id.as_str());
            match tokio::task::spawn_blocking(move || remove_tree(&directory)).await {
                Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(snapshot = %id, %error, "the files of a snapshot could not be removed");
                }
                _ => {}
            }
        }
    }

    fn files_of(&self, agent_id: &AgentId) -> SandboxFiles {
        SandboxFiles { id: agent_id.to_string(), directory: self.agent_directory(agent_id) }
    }

    fn snapshots_directory(&self) -> PathBuf {
        self.directory.parent().unwrap_or(&self.directory).join("snapshots")
    }

    fn snapshot_place(&self, id: &SnapshotId) -> AppResult<SnapshotPlace> {
        let parent = self.snapshots_directory();
        make_private(&parent).map_err(|error| AppError::of_disk(&error))?;
        Ok(SnapshotPlace { id: id.to_string(), directory: parent.join(id.as_str()), limit: u64::MAX })
    }
}

/// Makes a folder that other users of the host cannot look into.
fn make_private(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn bytes_kept(view: &View<'_>, tenant: &Tenant, session_id: &SessionId) -> AppResult<i64> {
    let filter = Filter {
        session_id: Some(session_id.to_string()),
        statuses: SnapshotRecord::KEPT.map(str::to_owned).to_vec(),
        ..Filter::default()
    };
    Ok(view.list::<SnapshotRecord>(tenant, &filter)?.iter().map(|(_, snapshot)| snapshot.bytes).sum())
}

/// Records a snapshot, and returns it with those that it takes the place of.
fn keep(
    tx: &Tx<'_>,
    tenant: &Tenant,
    mut snapshot: SnapshotRecord,
    note: Option<CheckpointCreateOpts>,
) -> AppResult<(SnapshotRecord, Vec<SnapshotId>)> {
    let mut agent = find_agent(tx, tenant, &snapshot.agent_id)?;
    let session = find_session(tx, tenant, &snapshot.session_id)?;
    if agent.has_ended() || session.data.status == SessionStatus::Terminated {
        // Its files may have been on the way out while they were copied.
        return Err(AppError::conflict(format!("the agent `{}` has ended", snapshot.agent_id)));
    }
    let now = snapshot.created_at;
    snapshot.note = note.map(|opts| noted(&agent, opts));
    tx.insert(tenant, &snapshot)?;
    note_stored(tx, tenant, snapshot.owner(), snapshot.bytes, now)?;
    let event = Event::SnapshotTaken { snapshot_id: snapshot.id.clone(), bytes: snapshot.bytes };
    tx.append(tenant, now, &agent.scope(), &event)?;
    if let Some(CheckpointData { id, phase, progress, .. }) = snapshot.checkpoint() {
        agent.checkpoint = Some(CheckpointMark { phase: phase.clone(), progress });
        tx.update(tenant, &agent)?;
        let event = Event::CheckpointMade { checkpoint_id: id, phase, progress };
        tx.append(tenant, now, &agent.scope(), &event)?;
    }
    let mut outdated = Vec::new();
    let Some(most) = snapshot.cause.kept() else { return Ok((snapshot, outdated)) };
    let filter = Filter {
        agent_id: Some(snapshot.agent_id.to_string()),
        statuses: SnapshotRecord::KEPT.map(str::to_owned).to_vec(),
        ..Filter::default()
    };
    let alike = tx.list::<SnapshotRecord>(tenant, &filter)?.into_iter().map(|(_, snapshot)| snapshot);
    for mut old in alike.filter(|other| other.cause == snapshot.cause).skip(most) {
        forget(tx, tenant, &mut old, now)?;
        outdated.push(old.id);
    }
    Ok((snapshot, outdated))
}

/// What a checkpoint says: what is left out is as at the one before.
fn noted(agent: &AgentRecord, opts: CheckpointCreateOpts) -> CheckpointNote {
    let CheckpointCreateOpts { phase, progress, metadata } = opts;
    let before = agent.checkpoint.as_ref().map_or(0.0, |mark| mark.progress);
    CheckpointNote { phase, progress: progress.unwrap_or(before), metadata }
}

/// Records that a snapshot is removed: from now on its bytes cost nothing.
fn forget(tx: &Tx<'_>, tenant: &Tenant, snapshot: &mut SnapshotRecord, now: Timestamp) -> AppResult<()> {
    snapshot.deleted_at = Some(now);
    tx.update(tenant, snapshot)?;
    Ok(note_stored(tx, tenant, snapshot.owner(), -snapshot.bytes, now)?)
}
