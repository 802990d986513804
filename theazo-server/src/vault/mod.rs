//! The vault: what is secret is sealed with a data key of its account and world, which a master key wraps.
//!
//! A sealed text is bound to its owner, its name and its version, so a row that is moved or replaced does not open. The
//! store says which master key wraps data keys now; rotation wraps them all with another in one transaction, while other
//! processes go on: they find the new key in its file when they first need it.

mod cipher;
mod data_key;
mod master;
mod rotation;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};
use theazo_api::{Secret, Timestamp};

use crate::{
    error::AppError,
    store::{Store, StoreError, Tenant, Tx, View},
};
use cipher::{Binding, Ciphertext, Key};
use data_key::DataKeyRecord;
use master::MasterKey;

pub use master::MasterKeySource;
pub use rotation::rotate_master_key;

/// The name under which the store says which master key wraps data keys.
const MASTER_KEY: &str = "master_key";

/// The vault could not seal or open something.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of the master key cannot be used.
    #[error("the master key `{path}` cannot be used: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The master key of the configuration is none.
    #[error("the master key that is configured cannot be used: {0}; `openssl rand -base64 32` makes one")]
    GivenKey(String),
    /// What is sealed here was sealed with a master key that is not at hand.
    #[error("the master key `{0}`, with which the secrets here are sealed, is missing; restore it from a backup")]
    MissingKey(String),
    /// A sealed text is not what was sealed.
    #[error("the {0} was changed or moved since it was sealed")]
    Broken(String),
    /// There is no other key to rotate to.
    #[error("the newest master key is in use already; put a new one before it: THEAZO_MASTER_KEY=NEW,OLD")]
    NothingToRotate,
}

impl From<VaultError> for AppError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

/// What a sealed text is: it opens under the same label alone.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// What kind of thing.
    pub kind: &'static str,
    /// Whose it is within its tenant: a session, or nobody's.
    pub owner: &'a str,
    /// Its name.
    pub name: &'a str,
    /// How often it was set.
    pub version: i64,
}

/// A sealed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    data_key_id: String,
    text: Ciphertext,
}

/// Seals and opens.
pub struct Vault {
    source: MasterKeySource,
    /// Those that were read so far. Old ones stay, for a reader that found a row just before it was wrapped anew.
    master_keys: RwLock<Vec<MasterKey>>,
    /// Unwrapped, by their ids.
    data_keys: Mutex<HashMap<String, Key>>,
}

impl Vault {
    /// The vault of a store, whose first master key is made if nothing was ever sealed.
    pub async fn open(store: &Store, source: MasterKeySource) -> Result<Self, VaultError> {
        let in_use = store.read(|view| view.meta(MASTER_KEY))?;
        let mut keys = source.load()?;
        match in_use {
            Some(id) if keys.iter().any(|key| key.id == id) => {}
            Some(id) => return Err(VaultError::MissingKey(id)),
            None => {
                if keys.is_empty() {
                    keys = source.create()?;
                }
                let id = keys[0].id.clone();
                store.write(move |tx| tx.set_meta(MASTER_KEY, &id)).await?;
            }
        }
        Ok(Self { source, master_keys: RwLock::new(keys), data_keys: Mutex::default() })
    }

    /// Seals a text.
    pub fn seal(
        &self,
        tx: &Tx<'_>,
        tenant: &Tenant,
        label: &Label<'_>,
        text: &Secret,
        now: Timestamp,
    ) -> Result<Sealed, VaultError> {
        let record = match tx.find::<DataKeyRecord>(tenant, &DataKeyRecord::id_for(tenant))? {
            Some(record) => record,
            None => self.create_data_key(tx, tenant, now)?,
        };
        let text = self.unwrap(tenant, &record)?.seal(&label.binding(tenant), text.expose().as_bytes());
        Ok(Sealed { data_key_id: record.data_key_id, text })
    }

    /// Opens a sealed text.
    pub fn unseal(
        &self,
        view: &View<'_>,
        tenant: &Tenant,
        label: &Label<'_>,
        sealed: &Sealed,
    ) -> Result<Secret, VaultError> {
        let broken = || VaultError::Broken(format!("{} `{}`", label.kind, label.name));
        let record = view.find::<DataKeyRecord>(tenant, &DataKeyRecord::id_for(tenant))?.ok_or_else(broken)?;
        if record.data_key_id != sealed.data_key_id {
            return Err(broken());
        }
        let text = self.unwrap(tenant, &record)?.open(&label.binding(tenant), &sealed.text).map_err(|_| broken())?;
        Ok(Secret::new(std::str::from_utf8(&text).map_err(|_| broken())?))
    }

    fn create_data_key(&self, tx: &Tx<'_>, tenant: &Tenant, now: Timestamp) -> Result<DataKeyRecord, VaultError> {
        // A rotation beside this process may have changed it; the transaction keeps the next one away.
        let master_key_id = tx.meta(MASTER_KEY)?.unwrap_or_default();
        let record = DataKeyRecord::create(&self.master_key(&master_key_id)?, tenant, now);
        tx.insert(tenant, &record)?;
        Ok(record)
    }

    fn unwrap(&self, tenant: &Tenant, record: &DataKeyRecord) -> Result<Key, VaultError> {
        // A data key that was made in a transaction that failed is never asked for again: its id is in no row.
        let mut unwrapped = self.data_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = unwrapped.get(&record.data_key_id) {
            return Ok(key.clone());
        }
        let key = Key::new(&record.unwrap(&self.master_key(&record.master_key_id)?, tenant)?);
        unwrapped.insert(record.data_key_id.clone(), key.clone());
        Ok(key)
    }

    fn master_key(&self, id: &str) -> Result<MasterKey, VaultError> {
        let find = || {
            let keys = self.master_keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().find(|key| key.id == id).cloned()
        };
        if let Some(key) = find() {
            return Ok(key);
        }
        let newer = self.source.load()?;
        self.master_keys.write().unwrap_or_else(PoisonError::into_inner).extend(newer);
        find().ok_or_else(|| VaultError::MissingKey(id.to_owned()))
    }
}

impl Label<'_> {
    fn binding(&self, tenant: &Tenant) -> Binding {
        Binding::of(&[self.kind, tenant.as_str(), self.owner, self.name, &self.version.to_string()])
    }
}
