//! Ports: what programs in a sandbox listen on, reachable from outside.

use serde::{Deserialize, Serialize};

use crate::{
    agents::AgentPath,
    check::{Check, Problems},
    endpoint::{Repeat, Reply, TimeClass, endpoints},
    id::AgentId,
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Makes a port of the agent's sandbox reachable from outside. A port that is exposed already keeps its address.
    ///
    /// The address works as long as the agent has its sandbox; while nothing listens on the port it answers 502. Whoever
    /// knows the address may call it.
    ExposePort: Post "/v1/agents/{agentId}/ports" => "agent.ports.expose",
        path: AgentPath, body: PortExposeOpts, response: ExposedPort,
        with {
            positional: &["port"], status: 201, time: TimeClass::Run, repeat: Repeat::Idempotent,
        };

    /// Lists the ports of the agent that are exposed, by their numbers.
    ListPorts: Get "/v1/agents/{agentId}/ports" => "agent.ports.list",
        path: AgentPath, query: PortListOpts, response: Page<ExposedPort>,
        with { ours: true };

    /// Makes a port unreachable from outside. What listens on it goes on.
    ClosePort: Delete "/v1/agents/{agentId}/ports/{port}" => "agent.ports.close",
        path: AgentPortPath,
        with { status: 204, reply: Reply::Empty, ours: true };
}

/// The path of a port of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentPortPath {
    /// The agent.
    pub agent_id: AgentId,
    /// The number of the port, as text.
    pub port: String,
}

/// A port to expose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PortExposeOpts {
    /// The number of the port, 1 to 65535.
    pub port: i64,
}

impl Check for PortExposeOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require((1..=65_535).contains(&self.port), "port", "must be a whole number from 1 to 65535");
    }
}

/// Which exposed ports to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PortListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for PortListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A port that is reachable from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExposedPort {
    /// The number of the port in the sandbox.
    #[serde(default)]
    pub port: i64,
    /// The address at which it is reached.
    pub url: String,
    /// Since when it is reachable; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}
