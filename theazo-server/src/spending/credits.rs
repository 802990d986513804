//! Credits: what an account paid in advance, which is a budget without a period.

use serde::{Deserialize, Serialize};
use theazo_api::Timestamp;

use crate::store::{Document, StoreError, Tenant, View, World};

/// The credits that an account was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditsRecord {
    /// Made of the account's.
    pub id: String,
    /// All that it was ever given, in micro-cents.
    pub granted: i64,
    /// When it was first given some.
    pub created_at: Timestamp,
}

impl CreditsRecord {
    /// The id of an account's record.
    pub fn id_of(tenant: &Tenant) -> String {
        format!("cred_{}", tenant.as_str())
    }

    /// Whose record says what every account begins with: no account's.
    pub fn of_new_accounts() -> Tenant {
        Tenant::new("", World::Live)
    }
}

impl Document for CreditsRecord {
    const KIND: &'static str = "credits";

    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

/// The credits that an account was given in all, in micro-cents: what it was granted, or what every account begins with.
/// None if it was never given any: then credits do not limit it.
pub fn granted_credits(view: &View<'_>, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
    for owner in [tenant, &CreditsRecord::of_new_accounts()] {
        let found: Option<CreditsRecord> = view.find(owner, &CreditsRecord::id_of(owner))?;
        if let Some(record) = found {
            return Ok(Some(record.granted));
        }
    }
    Ok(None)
}
