//! Health of a control plane.

use serde::{Deserialize, Serialize};

use crate::endpoint::{Access, endpoints};

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
}
