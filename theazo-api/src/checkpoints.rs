//! Checkpoints: points in a long-running agent's work from which it can go on.

use serde::{Deserialize, Serialize};

use crate::{
    agents::AgentPath,
    check::{Check, Problems},
    endpoint::{TimeClass, endpoints},
    id::{AgentId, CheckpointId, SnapshotId},
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Lists the checkpoints of the agent, the newest first.
    ListCheckpoints: Get "/v1/agents/{agentId}/checkpoints" => "agent.checkpoints",
        path: AgentPath, query: CheckpointListOpts, response: Page<CheckpointData>;

    /// Makes a checkpoint: a snapshot of the agent's files and memory with a note of how far it is.
    ///
    /// `agent.resume` goes on from it: the agent has the files again that it had, and remembers what it had done until then. It is
    /// kept until the session ends, and its bytes count for storage; those that an agent makes by itself give way to newer
    /// ones, ten of which are kept.
    CreateCheckpoint: Post "/v1/agents/{agentId}/checkpoints" => "agent.checkpoint",
        path: AgentPath, body: CheckpointCreateOpts, response: CheckpointData,
        with { status: 201, time: TimeClass::Run };
}

/// Which checkpoints to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for CheckpointListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What a new checkpoint notes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointCreateOpts {
    /// What the agent is at, in a word of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How far the agent is, 0 to 100; as far as at the checkpoint before by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Your own notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Check for CheckpointCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(phase) = &self.phase {
            problems.require(!phase.trim().is_empty() && phase.len() <= 256, "phase", "must be 1 to 256 bytes of text");
        }
        if let Some(progress) = self.progress {
            problems.require((0.0..=100.0).contains(&progress), "progress", "must be a number from 0 to 100");
        }
    }
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointData {
    /// The id.
    pub id: CheckpointId,
    /// The agent.
    pub agent_id: AgentId,
    /// The snapshot of its sandbox.
    pub snapshot_id: SnapshotId,
    /// What the agent was at.
    #[serde(default)]
    pub phase: Option<String>,
    /// How far the agent was, 0 to 100.
    #[serde(default)]
    pub progress: f64,
    /// Your own notes.
    #[serde(default)]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// When it was made.
    pub created_at: Timestamp,
}
