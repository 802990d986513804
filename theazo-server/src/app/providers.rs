//! The account's own providers: whose machines and models it brings along.

use serde::{Deserialize, Serialize};
use theazo_api::{Page, ProviderData, ProviderKind, ProviderListOpts, ProviderSetOpts, Timestamp};

use super::{Context, pages::page_by_name, session_providers::check_reference};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    store::{Document, EventScope, Filter, Tenant, View},
};

/// The providers that an account can bring, and what they provide.
const KNOWN: [(&str, ProviderKind); 5] = [
    ("e2b", ProviderKind::Compute),
    ("fly", ProviderKind::Compute),
    ("webhook", ProviderKind::Compute),
    ("anthropic", ProviderKind::Model),
    ("openai", ProviderKind::Model),
];

/// The settings of a provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ProviderRecord {
    id: String,
    /// What the wire shows.
    pub data: ProviderData,
}

impl Document for ProviderRecord {
    const KIND: &'static str = "provider";

    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}

fn id_of(tenant: &Tenant, name: &str) -> String {
    format!("provider/{}/{name}", tenant.as_str())
}

/// Finds the settings of a provider.
pub(super) fn find_provider(view: &View<'_>, tenant: &Tenant, name: &str) -> AppResult<Option<ProviderRecord>> {
    Ok(view.find(tenant, &id_of(tenant, name))?)
}

/// The names of the account's own compute providers.
pub(super) fn compute_providers_of(view: &View<'_>, tenant: &Tenant) -> AppResult<Vec<String>> {
    let found = view.list::<ProviderRecord>(tenant, &Filter::default())?;
    let compute = found.into_iter().filter(|(_, record)| record.data.kind == ProviderKind::Compute);
    Ok(compute.map(|(_, record)| record.data.name).collect())
}

impl Context {
    /// Lets the account use a provider of its own.
    pub async fn set_provider(&self, name: String, opts: ProviderSetOpts) -> AppResult<ProviderData> {
        let kind = KNOWN.into_iter().find_map(|(known, kind)| (known == name).then_some(kind)).ok_or_else(|| {
            let known = KNOWN.map(|(name, _)| format!("`{name}`")).join(", ");
            AppError::invalid_field("name", format!("is not a provider that can be brought; there are {known}"))
        })?;
        check_config(&name, &kind, &opts)?;
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let (tenant, now) = (&context.tenant, context.app.clock.now());
                check_reference(tx, tenant, "credentialRef", opts.credential_ref.as_deref())?;
                let earlier = find_provider(tx, tenant, &name)?;
                let data = ProviderData {
                    name: name.clone(),
                    kind,
                    credential_ref: opts.credential_ref,
                    config: opts.config.unwrap_or_default(),
                    created_at: earlier.as_ref().map_or(now, |record| record.data.created_at),
                    updated_at: now,
                };
                let record = ProviderRecord { id: id_of(tenant, &name), data };
                match earlier {
                    Some(_) => tx.update(tenant, &record)?,
                    None => tx.insert(tenant, &record)?,
                }
                tx.append(tenant, now, &EventScope::default(), &Event::ProviderSet { name })?;
                Ok::<_, AppError>(record.data)
            })
            .await
    }

    /// Fetches the settings of a provider.
    pub fn get_provider(&self, name: &str) -> AppResult<ProviderData> {
        let found = self.app.store.read(|view| find_provider(view, &self.tenant, name))?;
        found.map(|record| record.data).ok_or_else(|| AppError::not_found("provider", name, ""))
    }

    /// Lists the account's own providers.
    pub fn list_providers(&self, opts: &ProviderListOpts) -> AppResult<Page<ProviderData>> {
        let found = self
            .app
            .store
            .read(|view| Ok::<_, AppError>(view.list::<ProviderRecord>(&self.tenant, &Filter::default())?))?;
        let named = found
            .into_iter()
            .map(|(_, record)| (record.data.name.clone(), record.data))
            .filter(|(_, data)| opts.kind.as_ref().is_none_or(|kind| data.kind == *kind))
            .collect();
        page_by_name(named, opts.limit, opts.cursor.as_deref())
    }

    /// Forgets a provider.
    pub async fn delete_provider(&self, name: String) -> AppResult<()> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let tenant = &context.tenant;
                if !tx.remove::<ProviderRecord>(tenant, &id_of(tenant, &name))? {
                    return Err(AppError::not_found("provider", &name, ""));
                }
                let removed = Event::ProviderRemoved { name };
                tx.append(tenant, context.app.clock.now(), &EventScope::default(), &removed)?;
                Ok(())
            })
            .await
    }
}

/// Refuses an address where the provider has none to take it, and `webhook` without one.
fn check_config(name: &str, kind: &ProviderKind, opts: &ProviderSetOpts) -> AppResult<()> {
    let config = opts.config.clone().unwrap_or_default();
    if *kind == ProviderKind::Compute && config.base_url.is_some() {
        return Err(AppError::invalid_field("config.baseUrl", "is for models; `endpoint` is for sandboxes"));
    }
    if *kind == ProviderKind::Model && config.endpoint.is_some() {
        return Err(AppError::invalid_field("config.endpoint", "is for sandboxes; `baseUrl` is for models"));
    }
    if name == "webhook" && config.endpoint.is_none() {
        return Err(AppError::invalid_field("config.endpoint", "must say what is called for sandboxes"));
    }
    Ok(())
}
