//! The data key of an account in one world, as it is kept: wrapped by a master key.

use serde::{Deserialize, Serialize};
use theazo_api::Timestamp;
use zeroize::Zeroizing;

use super::{
    VaultError,
    cipher::{Binding, Ciphertext, KeyBytes, random_key},
    master::MasterKey,
};
use crate::{
    random,
    store::{Document, Tenant},
};

/// A wrapped data key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataKeyRecord {
    id: String,
    /// What sealed texts call it.
    pub data_key_id: String,
    /// The master key that wraps it.
    pub master_key_id: String,
    wrapped: Ciphertext,
    created_at: Timestamp,
}

impl DataKeyRecord {
    /// The one state of a data key.
    pub const STATUS: &'static str = "active";

    /// The id of the data key of a tenant.
    pub fn id_for(tenant: &Tenant) -> String {
        format!("data-key/{}", tenant.as_str())
    }

    /// A new data key.
    pub fn create(master_key: &MasterKey, tenant: &Tenant, now: Timestamp) -> Self {
        let data_key_id = random::id_suffix(now);
        let wrapped = master_key.key.seal(&binding(tenant, &data_key_id), random_key().as_slice());
        let (id, master_key_id) = (Self::id_for(tenant), master_key.id.clone());
        Self { id, data_key_id, master_key_id, wrapped, created_at: now }
    }

    /// The bytes of the key.
    pub fn unwrap(&self, master_key: &MasterKey, tenant: &Tenant) -> Result<KeyBytes, VaultError> {
        let broken = || VaultError::Broken(format!("data key of `{}`", tenant.as_str()));
        let opened = master_key.key.open(&binding(tenant, &self.data_key_id), &self.wrapped);
        let bytes = opened.map_err(|_| broken())?;
        bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| broken())
    }

    /// Wraps the same key with another master key.
    pub fn rewrap(&mut self, old: &MasterKey, new: &MasterKey, tenant: &Tenant) -> Result<(), VaultError> {
        let bytes = self.unwrap(old, tenant)?;
        self.wrapped = new.key.seal(&binding(tenant, &self.data_key_id), bytes.as_slice());
        self.master_key_id.clone_from(&new.id);
        Ok(())
    }
}

fn binding(tenant: &Tenant, data_key_id: &str) -> Binding {
    Binding::of(&["data key", tenant.as_str(), data_key_id])
}

impl Document for DataKeyRecord {
    const KIND: &'static str = "data_key";

    fn id(&self) -> &str {
        &self.id
    }

    fn status(&self) -> &str {
        Self::STATUS
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}
