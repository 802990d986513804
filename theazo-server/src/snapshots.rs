//! The records of snapshots: what an agent's files were at one moment, and for how long that was kept.

use serde::{Deserialize, Serialize};
use theazo_api::{AgentId, SessionId, Snapshot, SnapshotId, Timestamp};

use crate::store::{Document, Owner};

/// Why a snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotCause {
    /// The agent was paused. Of these only the newest are kept.
    Pause,
    /// A checkpoint was made, which needs it for as long as the session lives.
    Checkpoint,
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
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was removed; absent while it is kept.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl SnapshotRecord {
    /// The status of those that are kept.
    pub const KEPT: &'static str = "kept";

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
        if self.deleted_at.is_none() { Self::KEPT } else { "deleted" }
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

fn human_size(bytes: i64) -> String {
    const UNITS: [(&str, i64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{}{unit}", (bytes + size / 2) / size);
        }
    }
    format!("{bytes}B")
}
