//! Attachments: which customizations belong to an agent definition.

use serde::{Deserialize, Serialize};

use crate::{
    agent_definitions::AgentDefinitionPath,
    check::{Check, Problems},
    customizations::CustomizationKind,
    endpoint::{Repeat, Reply, endpoints},
    id::CustomizationId,
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Attaches a customization to an agent definition, or moves one that is attached to another place.
    ///
    /// It is no part of a version: agents have what is attached when they are made.
    AttachCustomization: Post "/v1/agent-definitions/{definitionId}/attach" => "agents.attach",
        path: AgentDefinitionPath, body: CustomizationAttachOpts, response: CustomizationAttachment,
        with { positional: &["customizationId"], repeat: Repeat::Idempotent, planned: true };

    /// Detaches a customization from an agent definition. One that is not attached is no error.
    DetachCustomization: Post "/v1/agent-definitions/{definitionId}/detach" => "agents.detach",
        path: AgentDefinitionPath, body: CustomizationDetachOpts,
        with {
            positional: &["customizationId"], status: 204, reply: Reply::Empty, repeat: Repeat::Idempotent,
            planned: true,
        };

    /// Lists the customizations that are attached to an agent definition, in the order in which they apply.
    ListAttachments: Get "/v1/agent-definitions/{definitionId}/attachments" => "agents.attachments",
        path: AgentDefinitionPath, query: AttachmentListOpts, response: Page<CustomizationAttachment>,
        with { planned: true };
}

/// A customization to attach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationAttachOpts {
    /// The customization.
    pub customization_id: CustomizationId,
    /// Its place: those with smaller numbers apply first; after all others by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
}

impl Check for CustomizationAttachOpts {}

/// A customization to detach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationDetachOpts {
    /// The customization.
    pub customization_id: CustomizationId,
}

impl Check for CustomizationDetachOpts {}

/// Which attachments to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttachmentListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for AttachmentListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A customization that is attached to an agent definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationAttachment {
    /// The customization.
    pub customization_id: CustomizationId,
    /// What kind of customization it is.
    pub kind: CustomizationKind,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its place: those with smaller numbers apply first.
    #[serde(default)]
    pub order: i64,
    /// When it was attached.
    pub created_at: Timestamp,
}
