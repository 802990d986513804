//! Idempotency: the effect of a request and the record of its key are one transaction.

use rusqlite::OptionalExtension;
use serde::{Serialize, de::DeserializeOwned};
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Tx};
use crate::error::AppError;

/// A request that must take effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The idempotency key.
    pub key: String,
    /// What the request is: operation, path and canonical body, as a hash.
    pub fingerprint: String,
}

/// What came of a request that must take effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once<T> {
    /// It took effect now.
    Fresh(T),
    /// It took effect before; this is what came of it then.
    Replayed(T),
}

impl<T> Once<T> {
    /// What came of it.
    pub fn into_inner(self) -> T {
        match self {
            Self::Fresh(value) | Self::Replayed(value) => value,
        }
    }
}

impl Tx<'_> {
    /// Runs `effect` unless the claim's key was used before. What fails is not recorded, so it may be tried again.
    pub fn once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &Tenant,
        claim: Option<&Claim>,
        now: Timestamp,
        effect: impl FnOnce() -> Result<T, AppError>,
    ) -> Result<Once<T>, AppError> {
        let Some(claim) = claim else { return effect().map(Once::Fresh) };
        let earlier: Option<(String, String)> = self
            .connection
            .prepare_cached("SELECT fingerprint, response FROM idempotency WHERE tenant = ?1 AND key = ?2")
            .map_err(StoreError::from)?
            .query_row((tenant.as_str(), &claim.key), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(StoreError::from)?;
        let unreadable = |source| StoreError::Document { kind: "idempotency", source };
        if let Some((fingerprint, response)) = earlier {
            if fingerprint != claim.fingerprint {
                return Err(AppError::idempotency_key_reused(&claim.key));
            }
            return Ok(Once::Replayed(serde_json::from_str(&response).map_err(unreadable)?));
        }
        let value = effect()?;
        self.connection
            .prepare_cached(
                "INSERT INTO idempotency (tenant, key, fingerprint, response, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .map_err(StoreError::from)?
            .execute((
                tenant.as_str(),
                &claim.key,
                &claim.fingerprint,
                serde_json::to_string(&value).map_err(unreadable)?,
                now.as_millis(),
            ))
            .map_err(StoreError::from)?;
        Ok(Once::Fresh(value))
    }

    /// Forgets keys that were used before `time`.
    pub fn forget_claims(&self, time: Timestamp) -> Result<usize, StoreError> {
        Ok(self
            .connection
            .prepare_cached("DELETE FROM idempotency WHERE created_at < ?1")?
            .execute([time.as_millis()])?)
    }
}
