//! API keys.

use theazo_api::{AccountId, ApiKeyId, Timestamp};

use crate::{
    error::AppError,
    random,
    store::{ApiKeyRecord, Store, World},
};

/// The keys of a new plane, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstKeys {
    /// For real work.
    pub live: String,
    /// For tests.
    pub test: String,
}

/// A key to create.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The world.
    pub world: World,
    /// The name.
    pub name: String,
}

impl FirstKeys {
    /// Creates an account with a live and a test key, unless the store has keys already.
    pub async fn ensure(store: &Store, now: Timestamp) -> Result<Option<Self>, AppError> {
        store
            .write(move |tx| {
                if tx.has_keys()? {
                    return Ok(None);
                }
                let account_id = AccountId::from_suffix(random::id_suffix(now)).to_string();
                let create = |world| {
                    let new = NewKey { world, name: "first key".to_owned() };
                    new.insert(tx, &account_id, now)
                };
                Ok(Some(Self { live: create(World::Live)?, test: create(World::Test)? }))
            })
            .await
    }
}

impl NewKey {
    /// Creates a key of the first account, or of a new one where there is none, and returns it. It is not kept.
    pub async fn create(self, store: &Store, now: Timestamp) -> Result<String, AppError> {
        store
            .write(move |tx| {
                let account_id = match tx.first_account()? {
                    Some(account_id) => account_id,
                    None => AccountId::from_suffix(random::id_suffix(now)).to_string(),
                };
                self.insert(tx, &account_id, now)
            })
            .await
    }

    /// Creates a key of an account of its own.
    pub async fn create_account(self, store: &Store, now: Timestamp) -> Result<String, AppError> {
        let account_id = AccountId::from_suffix(random::id_suffix(now)).to_string();
        store.write(move |tx| self.insert(tx, &account_id, now)).await
    }

    fn insert(&self, tx: &crate::store::Tx<'_>, account_id: &str, now: Timestamp) -> Result<String, AppError> {
        let key = format!("th_{}_{}", self.world.as_str(), random::secret());
        let record = ApiKeyRecord {
            id: ApiKeyId::from_suffix(random::id_suffix(now)).to_string(),
            account_id: account_id.to_owned(),
            world: self.world,
            name: self.name.clone(),
            prefix: key.chars().take(12).collect(),
            created_at: now,
        };
        tx.insert_key(&record, &key)?;
        Ok(key)
    }
}
