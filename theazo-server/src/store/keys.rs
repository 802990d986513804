//! API keys: only their hashes are kept.

use rusqlite::{OptionalExtension, Row, params};
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

    fn parse(text: &str) -> Self {
        if text == "test" { Self::Test } else { Self::Live }
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
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Whose key a valid one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// The id of the key's record.
    pub key_id: String,
    /// What may be seen with it.
    pub tenant: Tenant,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// An account, as its keys show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKeys {
    /// The account.
    pub account_id: String,
    /// When its first key was created.
    pub created_at: Timestamp,
    /// How many of its keys are not revoked.
    pub keys: i64,
}

const COLUMNS: &str = "id, account_id, world, name, prefix, created_at, expires_at, last_used_at, revoked_at";

/// What a tenant sees of the keys of its account: in the live world all of them, in the test world its own.
const VISIBLE: &str = "account_id = ?1 AND (world = ?2 OR ?2 = 'live')";

fn hash(key: &str) -> String {
    format!("{:x}", Sha256::digest(key))
}

impl Tx<'_> {
    /// Keeps a key's hash.
    pub fn insert_key(&self, record: &ApiKeyRecord, key: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO api_keys (id, account_id, world, name, prefix, hash, created_at, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                &record.id,
                &record.account_id,
                record.world.as_str(),
                &record.name,
                &record.prefix,
                hash(key),
                record.created_at.as_millis(),
                record.expires_at.map(Timestamp::as_millis),
            ))?;
        Ok(())
    }

    /// Revokes a key. One that is revoked already stays as it is.
    pub fn revoke_key(&self, tenant: &Tenant, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = format!("UPDATE api_keys SET revoked_at = ?4 WHERE {VISIBLE} AND id = ?3 AND revoked_at IS NULL");
        let owner = (tenant.account_id(), tenant.world().as_str());
        self.connection.prepare_cached(&sql)?.execute((owner.0, owner.1, id, now.as_millis()))?;
        Ok(())
    }

    /// Notes when a key was used.
    pub fn note_key_use(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached("UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1")?;
        statement.execute((id, at.as_millis()))?;
        Ok(())
    }
}

impl View<'_> {
    /// Whose key this is, if it is valid now.
    pub fn authenticate(&self, key: &str, now: Timestamp) -> Result<Option<KeyHolder>, StoreError> {
        let wanted = hash(key);
        let found = self
            .connection
            .prepare_cached(
                "SELECT id, account_id, world, last_used_at, hash FROM api_keys \
                 WHERE hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
            )?
            .query_row((&wanted, now.as_millis()), |row| {
                let (account_id, world): (String, String) = (row.get(1)?, row.get(2)?);
                let tenant = Tenant::new(&account_id, World::parse(&world));
                let last_used_at = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
                Ok((KeyHolder { key_id: row.get(0)?, tenant, last_used_at }, row.get::<_, String>(4)?))
            })
            .optional()?;
        Ok(found.and_then(|(holder, hash)| bool::from(hash.as_bytes().ct_eq(wanted.as_bytes())).then_some(holder)))
    }

    /// Finds a key of the tenant's account.
    pub fn find_key(&self, tenant: &Tenant, id: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE {VISIBLE} AND id = ?3");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row((tenant.account_id(), tenant.world().as_str(), id), read).optional()?)
    }

    /// Lists the keys of the tenant's account with their positions, the newest first.
    pub fn list_keys(
        &self,
        tenant: &Tenant,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<(i64, ApiKeyRecord)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, rowid FROM api_keys WHERE {VISIBLE} AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let before = before.unwrap_or(i64::MAX);
        let parameters = params![tenant.account_id(), tenant.world().as_str(), before, limit];
        let rows = statement.query_map(parameters, |row| Ok((row.get(9)?, read(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
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

    /// The accounts of the plane, the oldest first: for whoever runs the plane.
    pub fn accounts(&self) -> Result<Vec<AccountKeys>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT account_id, min(created_at), sum(revoked_at IS NULL) FROM api_keys \
             GROUP BY account_id ORDER BY min(rowid)",
        )?;
        let rows = statement.query_map([], |row| {
            let created_at = Timestamp::from_millis(row.get(1)?);
            Ok(AccountKeys { account_id: row.get(0)?, created_at, keys: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The first account of the plane.
    pub fn first_account(&self) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT account_id FROM api_keys ORDER BY rowid LIMIT 1")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ApiKeyRecord> {
    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis));
    Ok(ApiKeyRecord {
        id: row.get(0)?,
        account_id: row.get(1)?,
        world: World::parse(&row.get::<_, String>(2)?),
        name: row.get(3)?,
        prefix: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        expires_at: time(6)?,
        last_used_at: time(7)?,
        revoked_at: time(8)?,
    })
}
