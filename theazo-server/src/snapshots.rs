//! The records of snapshots: what an agent's files were at one moment, and for how long that was kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use theazo_api::{AgentId, CheckpointData, CheckpointId, SessionId, Snapshot, SnapshotId, Timestamp};

use crate::store::{Document, Owner};

/// Why a snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotCause {
    /// The agent was paused. Of these only the newest are kept.
    Pause,
    /// Somebody made a checkpoint, which needs it for as long as the session lives.
    Checkpoint,
    /// The agent made a checkpoint by itself. Of these only the newest are kept.
    Interval,
}

impl SnapshotCause {
    /// How many snapshots of an agent are kept that were made for this reason; all if absent.
    pub fn kept(self) -> Option<usize> {
        match self {
            Self::Pause | Self::Interval => Some(10),
            Self::Checkpoint => None,
        }
    }
}

/// What a checkpoint says beside its snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointNote {
    /// What the agent was at.
    pub phase: Option<String>,
    /// How far it was, 0 to 100.
    pub progress: f64,
    /// The caller's own notes.
    pub metadata: Option<Map<String, Value>>,
}

/// A snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotRecord {
    /// The id.
    pub id: SnapshotId,
    /// The agent whose files they were.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// Its user.
    pub user_id: String,
    /// The provider that keeps it.
    pub provider: String,
    /// Why it was made.
    pub cause: SnapshotCause,
    /// How many bytes of data it has. They count for storage from `created_at` to `deleted_at`.
    pub bytes: i64,
    /// The place in the log up to which the agent had come.
    pub sequence: i64,
    /// The place in the list of stored files up to which those of its user were among its files.
    #[serde(default)]
    pub input_files_up_to: i64,
    /// What it says as a checkpoint, if it is one.
    #[serde(default)]
    pub note: Option<CheckpointNote>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was removed; absent while it is kept.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl SnapshotRecord {
    /// The status of checkpoints that are kept.
    pub const CHECKPOINT: &'static str = "checkpoint";

    /// The states of those that are kept.
    pub const KEPT: [&'static str; 2] = ["kept", Self::CHECKPOINT];

    /// What the wire shows.
    pub fn data(&self) -> Snapshot {
        Snapshot {
            id: self.id.clone(),
            size: human_size(self.bytes),
            provider: self.provider.clone(),
            size_bytes: Some(self.bytes),
            created_at: Some(self.created_at),
        }
    }

    /// The checkpoint that it is, if it is one. A checkpoint has the id of its snapshot, with a prefix of its own.
    pub fn checkpoint(&self) -> Option<CheckpointData> {
        let CheckpointNote { phase, progress, metadata } = self.note.clone()?;
        let id = self.id.as_str();
        Some(CheckpointData {
            id: CheckpointId::from_suffix(id.strip_prefix(SnapshotId::PREFIX).unwrap_or(id)),
            agent_id: self.agent_id.clone(),
            snapshot_id: self.id.clone(),
            phase,
            progress,
            metadata,
            created_at: self.created_at,
        })
    }
}

impl Document for SnapshotRecord {
    const KIND: &'static str = "snapshot";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, session_id: self.session_id.as_str(), agent_id: self.agent_id.as_str() }
    }

    fn status(&self) -> &str {
        match (&self.deleted_at, &self.note) {
            (Some(_), _) => "deleted",
            (None, None) => "kept",
            (None, Some(_)) => Self::CHECKPOINT,
        }
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

/// The snapshot that an agent began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkOrigin {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// The agent that it is of.
    pub agent_id: AgentId,
    /// The place in the log up to which that agent is remembered.
    pub sequence: i64,
}

/// A part of the log that an agent does not remember, because it went back to a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewind {
    /// The place in the log to which it went back.
    pub to: i64,
    /// The end of the log when it did.
    pub from: i64,
}

/// How far an agent is by its checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointMark {
    /// What it is at.
    pub phase: Option<String>,
    /// How far it is, 0 to 100.
    pub progress: f64,
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
