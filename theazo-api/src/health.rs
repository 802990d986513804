//! Health of a control plane.

use serde::{Deserialize, Serialize};

use crate::{
    agents::ComputeRuntime,
    endpoint::{Access, endpoints},
};

endpoints! {
    /// Tells whether the control plane works. It needs no key.
    GetHealth: Get "/healthz" => "health",
        response: Health,
        with { ours: true, access: Access::Open };

    /// Describes the API as an OpenAPI 3.1 document. It needs no key.
    GetOpenApi: Get "/v1/openapi.json" => "openapi",
        response: serde_json::Map<String, serde_json::Value>,
        with { ours: true, access: Access::Open };
}

/// Whether a control plane works, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The version of the control plane.
    pub version: String,
    /// The compute providers, available or not.
    #[serde(default)]
    pub providers: Vec<ProviderHealth>,
}

/// Whether a compute provider can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderHealth {
    /// The name.
    pub name: String,
    /// Whether it can be used.
    pub available: bool,
    /// Why it cannot, or how far its sandboxes are kept apart from the host.
    pub detail: String,
    /// What its sandboxes can do; absent if it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<ComputeCapabilities>,
}

/// What the sandboxes of a compute provider can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComputeCapabilities {
    /// The languages that programs can be in.
    #[serde(default)]
    pub languages: Vec<ComputeRuntime>,
    /// Whether programs really run; where they do not, their outcome is scripted.
    #[serde(default)]
    pub programs: bool,
    /// Whether a program can be written to while it runs, and be sent signals.
    #[serde(default)]
    pub input: bool,
    /// Whether its processes can be listed.
    #[serde(default)]
    pub processes: bool,
    /// Whether a sandbox can stand still, with its files and for as long as its host runs with its programs.
    #[serde(default)]
    pub pause: bool,
    /// Whether its files can be kept as a snapshot, and other sandboxes be made from that.
    #[serde(default)]
    pub snapshots: bool,
    /// Whether a snapshot has the memory of its programs, too.
    #[serde(default)]
    pub memory_snapshots: bool,
    /// Whether its ports can be reached from outside.
    #[serde(default)]
    pub ports: bool,
    /// Whether it can be given access to the network.
    #[serde(default)]
    pub network: bool,
    /// Whether it can have a browser.
    #[serde(default)]
    pub browser: bool,
    /// How many bytes of files a sandbox can be given room for; absent if any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<i64>,
}
