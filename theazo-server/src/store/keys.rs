//! API keys: only their hashes are kept.

use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Tx, View};

/// The two worlds of an account. Nothing of one is seen in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum World {
    /// Real sandboxes, real models, real money.
    Live,
    /// Simulated sandboxes and models; no usage is kept.
    Test,
}

impl World {
    /// The world as it stands in a key: `th_live_...`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// A record of an API key, without the key.
#[derive(Debug, Clone)]
pub struct ApiKeyRecord {
    /// The id of the record.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// The world.
    pub world: World,
    /// The name that people gave it.
    pub name: String,
    /// The first characters of the key.
    pub prefix: String,
    /// When it was created.
    pub created_at: Timestamp,
}

fn hash(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Tx<'_> {
    /// Keeps a key's hash.
    pub fn insert_key(&self, record: &ApiKeyRecord, key: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO api_keys (id, account_id, world, name, prefix, hash, created_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                &record.id,
                &record.account_id,
                record.world.as_str(),
                &record.name,
                &record.prefix,
                hash(key),
                record.created_at.as_millis(),
            ))?;
        Ok(())
    }
}

impl View<'_> {
    /// The owner that a key stands for, if the key is valid.
    pub fn authenticate(&self, key: &str) -> Result<Option<Tenant>, StoreError> {
        let wanted = hash(key);
        let row: Option<(String, String, String)> = self
            .connection
            .prepare_cached("SELECT account_id, world, hash FROM api_keys WHERE hash = ?1 AND revoked_at IS NULL")?
            .query_row([&wanted], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(row.and_then(|(account_id, world, found)| {
            let same: bool = found.as_bytes().ct_eq(wanted.as_bytes()).into();
            let world = if world == "test" { World::Test } else { World::Live };
            same.then(|| Tenant::new(&account_id, world))
        }))
    }

    /// Whether there is any key.
    pub fn has_keys(&self) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM api_keys)")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Whether there is an account with this id.
    pub fn has_account(&self, account_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE account_id = ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([account_id], |row| row.get(0))?)
    }

    /// The first account of the plane.
    pub fn first_account(&self) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT account_id FROM api_keys ORDER BY rowid LIMIT 1")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }
}
