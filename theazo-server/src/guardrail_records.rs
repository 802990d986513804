//! The documents of guardrails.

use serde::{Deserialize, Serialize};
use theazo_api::{GuardrailConfig, GuardrailViolation, Timestamp};

use crate::store::{Document, Owner, Tenant};

/// The guardrails of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailRecord {
    /// The id; there is one for each tenant.
    pub id: String,
    /// What was set.
    pub config: GuardrailConfig,
}

impl GuardrailRecord {
    /// The id of a tenant's.
    pub fn id_of(tenant: &Tenant) -> String {
        format!("guardrails:{}", tenant.as_str())
    }
}

impl Document for GuardrailRecord {
    const KIND: &'static str = "guardrails";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Something that a guardrail held back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViolationRecord {
    /// What the wire shows.
    pub data: GuardrailViolation,
    /// The end user; empty in an anonymous session.
    pub user_id: String,
}

impl Document for ViolationRecord {
    const KIND: &'static str = "violation";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            user_id: &self.user_id,
            session_id: self.data.session_id.as_ref().map_or("", |id| id.as_str()),
            agent_id: self.data.agent_id.as_str(),
        }
    }

    /// Its type, as it is listed by.
    fn status(&self) -> &str {
        self.data.r#type.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.timestamp
    }
}
