//! Snapshots: what an agent's sandbox held at one moment.

use serde::{Deserialize, Serialize};

use crate::{
    agents::{AgentData, AgentPath, check_name},
    check::{Check, Problems},
    endpoint::{TimeClass, endpoints},
    id::{AgentId, SnapshotId},
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Lists the snapshots of the agent, the newest first: those of its pauses and of its checkpoints.
    ListSnapshots: Get "/v1/agents/{agentId}/snapshots" => "agent.snapshots.list",
        path: AgentPath, query: SnapshotListOpts, response: Page<Snapshot>,
        with { ours: true };

    /// Creates an agent in the same session whose sandbox begins with what the snapshot holds.
    ///
    /// The new agent has the options of the old one and remembers what the old one did until then. One agent more than
    /// `maxAgents` allows is refused with `session_limit_exceeded`.
    ForkSnapshot: Post "/v1/agents/{agentId}/snapshots/{snapshotId}/fork" => "agent.snapshots.fork",
        path: SnapshotPath, body: SnapshotForkOpts, response: AgentData,
        with { status: 201, time: TimeClass::Run, ours: true };
}

/// The path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SnapshotPath {
    /// The agent.
    pub agent_id: AgentId,
    /// The snapshot.
    pub snapshot_id: SnapshotId,
}

/// Which snapshots to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SnapshotListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for SnapshotListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// How the agent that a fork makes differs from the one that the snapshot is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SnapshotForkOpts {
    /// The name of the new agent; that of the old one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The provider of its sandbox; that of the old one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region; that of the old one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Check for SnapshotForkOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(name, "name", problems);
        }
    }
}

/// A snapshot of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The id.
    pub id: SnapshotId,
    /// Its size for people, for example `256MB`.
    pub size: String,
    /// The provider that keeps it.
    pub provider: String,
    /// Its size in bytes; absent where the provider does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// When it was made; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}
