//! Another master key in the place of the one in use, while control planes go on.

use super::{MASTER_KEY, MasterKeySource, VaultError, data_key::DataKeyRecord, master::MasterKey};
use crate::store::Store;

/// Wraps every data key with another master key, and returns how many there were.
///
/// With a key file the other one is new, and stands beside the old one until no data key needs that any more. So a crash at
/// any moment leaves a file with which everything opens. With keys from the configuration it is the first of them.
pub async fn rotate_master_key(store: &Store, source: &MasterKeySource) -> Result<usize, VaultError> {
    let mut keys = source.load()?;
    let in_use = store.read(|view| view.meta(MASTER_KEY))?.ok_or(VaultError::NothingToRotate)?;
    if !keys.iter().any(|key| key.id == in_use) {
        return Err(VaultError::MissingKey(in_use));
    }
    if let MasterKeySource::File(_) = source {
        keys.insert(0, MasterKey::random());
        source.save(&keys)?;
    }
    let Some(new) = keys.first().cloned() else { return Err(VaultError::NothingToRotate) };
    let (target, known) = (new.clone(), keys);
    let count = store
        .write(move |tx| {
            if tx.meta(MASTER_KEY)?.is_none_or(|in_use| in_use == target.id) {
                return Err(VaultError::NothingToRotate);
            }
            let records = tx.list_everywhere::<DataKeyRecord>(&[DataKeyRecord::STATUS])?;
            let count = records.len();
            for (tenant, mut record) in records {
                let old = known.iter().find(|key| key.id == record.master_key_id);
                let old = old.ok_or_else(|| VaultError::MissingKey(record.master_key_id.clone()))?;
                record.rewrap(old, &target, &tenant)?;
                tx.update(&tenant, &record)?;
            }
            tx.set_meta(MASTER_KEY, &target.id)?;
            Ok(count)
        })
        .await?;
    source.save(&[new])?;
    Ok(count)
}
