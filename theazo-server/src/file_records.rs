//! The documents of stored files.

use serde::{Deserialize, Serialize};
use theazo_api::{StoredFile, Timestamp};

use crate::store::{Document, Owner, Tenant};

/// A file of the account. It stays when the file is deleted: what it took until then is charged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFileRecord {
    /// What the wire shows.
    pub data: StoredFile,
    /// The SHA-256 hash of its content.
    pub sha256: String,
    /// When it was deleted.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl StoredFileRecord {
    /// The state of a file that is there.
    pub const STORED: &'static str = "stored";
}

impl Document for StoredFileRecord {
    const KIND: &'static str = "file";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            user_id: &self.data.user_id,
            session_id: self.data.session_id.as_ref().map_or("", |id| id.as_str()),
            agent_id: self.data.agent_id.as_ref().map_or("", |id| id.as_str()),
        }
    }

    fn status(&self) -> &str {
        if self.deleted_at.is_none() { Self::STORED } else { "deleted" }
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}

/// What the files of one tenant take together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileTotals {
    /// The id; there is one for each tenant.
    pub id: String,
    /// Bytes.
    pub bytes: i64,
    /// How many files.
    pub files: i64,
}

impl FileTotals {
    /// The id of a tenant's.
    pub fn id_of(tenant: &Tenant) -> String {
        format!("file-totals:{}", tenant.as_str())
    }
}

impl Document for FileTotals {
    const KIND: &'static str = "file totals";

    fn id(&self) -> &str {
        &self.id
    }
}
