//! The providers that a session brings along: sealed into it, and known by a digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use theazo_api::{ComputeProviders, ErrorCode, ModelProviderConfig, Secret, SessionId, Timestamp};

use super::{Context, providers::compute_providers_of, secrets::find_secret, sessions::find_session};
use crate::{
    error::{AppError, AppResult},
    records::{SealedProviders, SessionRecord},
    store::{Tenant, Tx, View},
    vault::{Label, Vault},
};

/// The providers of a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionProviders {
    /// Whose machines its sandboxes run on.
    pub compute: Option<ComputeProviders>,
    /// Whose models its agents ask.
    pub models: Option<ModelProviderConfig>,
}

impl SealedProviders {
    /// The providers.
    pub(super) fn open(
        &self,
        vault: &Vault,
        view: &View<'_>,
        tenant: &Tenant,
        session_id: &SessionId,
    ) -> AppResult<SessionProviders> {
        let opened = vault.unseal(view, tenant, &label(session_id, self.version), &self.sealed)?;
        serde_json::from_str(opened.expose()).map_err(|_| AppError::internal("sealed providers cannot be read"))
    }
}

fn label(session_id: &SessionId, version: i64) -> Label<'_> {
    Label { kind: "providers", owner: session_id.as_str(), name: "", version }
}

/// What a call says about the providers of a session.
#[derive(Debug, Clone, Default)]
pub struct AskedProviders {
    given: Option<SessionProviders>,
    digest: Option<String>,
}

impl AskedProviders {
    /// What the members of a body say.
    pub fn new(
        compute: Option<ComputeProviders>,
        models: Option<ModelProviderConfig>,
        digest: Option<String>,
    ) -> AppResult<Self> {
        if compute.is_none() && models.is_none() {
            return Ok(Self { given: None, digest });
        }
        let given = SessionProviders { compute, models };
        let digest = match digest {
            Some(digest) => digest,
            None => digest_of(&given)?,
        };
        Ok(Self { given: Some(given), digest: Some(digest) })
    }

    /// Whether a session has what is asked for. It is an error if it has not, and the call did not bring it either.
    pub fn are_those_of(&self, session: &SessionRecord) -> AppResult<bool> {
        let same = self.digest.is_none() || self.digest == session.data.providers_digest;
        if same || self.given.is_some() { Ok(same) } else { Err(providers_required()) }
    }
}

fn providers_required() -> AppError {
    let message =
        "the session does not have the providers that `providersDigest` names; send `compute` and `models` too";
    AppError::new(ErrorCode::ProvidersRequired, message)
}

/// The digest of providers that came without one.
fn digest_of(providers: &SessionProviders) -> AppResult<String> {
    let mut value = serde_json::to_value(providers).map_err(AppError::internal)?;
    value.sort_all_objects();
    Ok(format!("{:x}", Sha256::digest(value.to_string())))
}

impl Context {
    /// Seals what a call brings into the record of a session, in the place of what it has.
    pub(super) fn seal_providers(
        &self,
        tx: &Tx<'_>,
        session: &mut SessionRecord,
        asked: AskedProviders,
        now: Timestamp,
    ) -> AppResult<()> {
        if asked.are_those_of(session)? {
            return Ok(());
        }
        let AskedProviders { given: Some(given), digest } = asked else { return Err(providers_required()) };
        self.check_references(tx, &given)?;
        let compute = given.compute.iter().flat_map(|compute| &compute.providers);
        let compute = compute.map(|provider| provider.provider.clone()).collect();
        let version = session.providers.as_ref().map_or(1, |earlier| earlier.version + 1);
        let text = Secret::new(serde_json::to_string(&given).map_err(AppError::internal)?);
        let sealed = self.app.vault.seal(tx, &self.tenant, &label(&session.data.id, version), &text, now)?;
        session.providers = Some(SealedProviders { sealed, version, compute });
        session.data.providers_digest = digest;
        Ok(())
    }

    /// Refuses names of secrets that the account does not have.
    fn check_references(&self, view: &View<'_>, providers: &SessionProviders) -> AppResult<()> {
        let compute = providers.compute.iter().flat_map(|compute| &compute.providers).enumerate();
        let of_compute = compute.map(|(index, provider)| {
            (format!("compute.providers[{index}].credentialRef"), provider.credential_ref.as_deref())
        });
        let of_models =
            providers.models.iter().map(|models| ("models.credentialRef".to_owned(), models.credential_ref.as_deref()));
        for (field, name) in of_compute.chain(of_models) {
            check_reference(view, &self.tenant, &field, name)?;
        }
        Ok(())
    }
}

/// Refuses the name of a secret that the account does not have.
pub(super) fn check_reference(view: &View<'_>, tenant: &Tenant, field: &str, name: Option<&str>) -> AppResult<()> {
    match name {
        Some(name) if find_secret(view, tenant, "", name)?.is_none() => {
            let message = format!("names the secret `{name}`, which the account does not have; set it first");
            Err(AppError::invalid_field(field, message))
        }
        _ => Ok(()),
    }
}

/// The names of the customer's own compute providers: those of the session, or else the account's.
pub(super) fn own_compute(view: &View<'_>, tenant: &Tenant, session_id: &SessionId) -> AppResult<Vec<String>> {
    let session = find_session(view, tenant, session_id)?;
    match session.providers {
        Some(providers) if !providers.compute.is_empty() => Ok(providers.compute),
        _ => compute_providers_of(view, tenant),
    }
}
