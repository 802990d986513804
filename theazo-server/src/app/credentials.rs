//! What is opened from the vault while something runs: the environment of sandboxes, and the credentials of providers.

use std::collections::BTreeMap;

use theazo_api::{ErrorCode, Secret, SessionId};

use super::{
    App,
    providers::find_provider,
    secrets::{SecretRecord, find_secret, secrets_of},
    session_providers::SessionProviders,
    sessions::find_session,
};
use crate::{
    error::{AppError, AppResult},
    store::{Tenant, View},
};

/// How a provider of the customer's own is reached.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credentials {
    /// The credentials, by the names that the provider gives them; a key that the account keeps in its vault is `apiKey`.
    pub values: BTreeMap<String, Secret>,
    /// Where models are asked, if not at the provider's public address.
    pub base_url: Option<String>,
    /// Where sandboxes are asked for, if not at the provider's public address.
    pub endpoint: Option<String>,
}

impl Credentials {
    /// The one key that most providers want.
    pub fn api_key(&self) -> Option<&Secret> {
        self.values.get("apiKey")
    }
}

impl App {
    /// The secrets that the sandboxes of a session find in their environment, by the names of the variables: those that
    /// are named, each the session's or else the account's; all of the session's if none are named.
    pub fn environment_for(
        &self,
        tenant: &Tenant,
        session_id: &SessionId,
        named: Option<&[String]>,
    ) -> AppResult<Vec<(String, Secret)>> {
        self.store.read(|view| {
            let records = match named {
                None => secrets_of(view, tenant, session_id.as_str())?,
                Some(names) => {
                    names.iter().map(|name| named_secret(view, tenant, session_id, name)).collect::<AppResult<_>>()?
                }
            };
            let open = |record: &SecretRecord| Ok((record.variable(), record.open(&self.vault, view, tenant)?));
            records.iter().map(open).collect()
        })
    }

    /// The customer's own credentials for a provider: those that were sealed into the session, or else the account's. None
    /// if the customer brings none, and then the provider is the plane's own and costs money.
    pub fn credentials_for(
        &self,
        tenant: &Tenant,
        session_id: &SessionId,
        provider: &str,
    ) -> AppResult<Option<Credentials>> {
        self.store.read(|view| {
            let session = find_session(view, tenant, session_id)?;
            if let Some(sealed) = &session.providers {
                let providers = sealed.open(&self.vault, view, tenant, session_id)?;
                if let Some(credentials) = self.sealed_credentials(view, tenant, providers, provider)? {
                    return Ok(Some(credentials));
                }
            }
            let Some(record) = find_provider(view, tenant, provider)? else { return Ok(None) };
            let name = record.data.credential_ref.as_deref();
            let values = self.named_values(view, tenant, provider, name)?;
            let config = record.data.config;
            Ok(Some(Credentials { values, base_url: config.base_url, endpoint: config.endpoint }))
        })
    }

    /// The account's secret that a `credentialRef` names, for a provider that needs it.
    pub fn credential(&self, tenant: &Tenant, provider: &str, name: &str) -> AppResult<Secret> {
        self.store.read(|view| self.open_credential(view, tenant, provider, name))
    }

    fn sealed_credentials(
        &self,
        view: &View<'_>,
        tenant: &Tenant,
        providers: SessionProviders,
        provider: &str,
    ) -> AppResult<Option<Credentials>> {
        // A gateway without a name speaks as OpenAI does.
        let models = providers.models.filter(|models| models.provider.as_deref().unwrap_or("openai") == provider);
        if let Some(models) = models {
            let values = match models.credentials {
                Some(values) => values,
                None => self.named_values(view, tenant, provider, models.credential_ref.as_deref())?,
            };
            return Ok(Some(Credentials { values, base_url: models.base_url, endpoint: None }));
        }
        let mut compute = providers.compute.into_iter().flat_map(|compute| compute.providers);
        let Some(own) = compute.find(|own| own.provider == provider) else { return Ok(None) };
        let values = match own.credentials {
            Some(values) => values,
            None => self.named_values(view, tenant, provider, own.credential_ref.as_deref())?,
        };
        Ok(Some(Credentials { values, base_url: None, endpoint: own.endpoint }))
    }

    fn named_values(
        &self,
        view: &View<'_>,
        tenant: &Tenant,
        provider: &str,
        name: Option<&str>,
    ) -> AppResult<BTreeMap<String, Secret>> {
        let Some(name) = name else { return Ok(BTreeMap::new()) };
        Ok(BTreeMap::from([("apiKey".to_owned(), self.open_credential(view, tenant, provider, name)?)]))
    }

    fn open_credential(&self, view: &View<'_>, tenant: &Tenant, provider: &str, name: &str) -> AppResult<Secret> {
        let record = find_secret(view, tenant, "", name)?.ok_or_else(|| {
            let message =
                format!("the provider `{provider}` needs the secret `{name}`, which the account does not have");
            AppError::new(ErrorCode::NoProvidersAvailable, message).with("credentialRef", name)
        })?;
        record.open(&self.vault, view, tenant)
    }
}

fn named_secret(view: &View<'_>, tenant: &Tenant, session_id: &SessionId, name: &str) -> AppResult<SecretRecord> {
    let own = find_secret(view, tenant, session_id.as_str(), name)?;
    let found = match own {
        None => find_secret(view, tenant, "", name)?,
        own => own,
    };
    found.ok_or_else(|| {
        AppError::invalid_field("secrets", format!("names `{name}`, which neither the session nor the account has"))
    })
}

/// Refuses names of secrets that neither the session nor the account has.
pub(super) fn check_named_secrets(
    view: &View<'_>,
    tenant: &Tenant,
    session_id: &SessionId,
    names: Option<&[String]>,
) -> AppResult<()> {
    for name in names.into_iter().flatten() {
        named_secret(view, tenant, session_id, name)?;
    }
    Ok(())
}
