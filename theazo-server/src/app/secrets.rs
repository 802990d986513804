//! Secrets of accounts and of sessions: sealed in the vault, listed by name, never returned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theazo_api::{Page, Secret, SecretInfo, SecretListOpts, SessionId, SessionStatus, Timestamp};

use super::{Context, pages::page_by_name, sessions::find_session};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    store::{Document, EventScope, Filter, Owner, Tenant, Tx, View},
    vault::{Label, Sealed, Vault},
};

/// How many secrets an account or a session has at most.
const MOST: usize = 500;

/// How many bytes the secrets of a session have at most: more do not fit into the environment of a program.
const MOST_BYTES: usize = 1 << 20;

/// A secret, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretRecord {
    id: String,
    name: String,
    /// The session that it belongs to; empty if it belongs to the account.
    session_id: String,
    user_id: String,
    version: i64,
    bytes: usize,
    sealed: Sealed,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Document for SecretRecord {
    const KIND: &'static str = "secret";

    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, session_id: &self.session_id, agent_id: "" }
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl SecretRecord {
    /// The name of the environment variable; names that differ in capitals alone are the same.
    pub fn variable(&self) -> String {
        self.name.to_ascii_uppercase()
    }

    /// The value.
    pub fn open(&self, vault: &Vault, view: &View<'_>, tenant: &Tenant) -> AppResult<Secret> {
        Ok(vault.unseal(view, tenant, &label(&self.session_id, &self.variable(), self.version), &self.sealed)?)
    }

    fn info(&self) -> SecretInfo {
        SecretInfo { name: self.name.clone(), created_at: self.created_at, updated_at: Some(self.updated_at) }
    }
}

fn label<'a>(session_id: &'a str, variable: &'a str, version: i64) -> Label<'a> {
    Label { kind: "secret", owner: session_id, name: variable, version }
}

/// The id of the one secret of this name.
fn id_of(tenant: &Tenant, session_id: &str, name: &str) -> String {
    format!("secret/{}/{session_id}/{}", tenant.as_str(), name.to_ascii_uppercase())
}

/// Finds a secret of a session, or of the account if `session_id` is empty.
pub(super) fn find_secret(
    view: &View<'_>,
    tenant: &Tenant,
    session_id: &str,
    name: &str,
) -> AppResult<Option<SecretRecord>> {
    Ok(view.find(tenant, &id_of(tenant, session_id, name))?)
}

/// The secrets of a session, or of the account if `session_id` is empty.
pub(super) fn secrets_of(view: &View<'_>, tenant: &Tenant, session_id: &str) -> AppResult<Vec<SecretRecord>> {
    let filter = Filter { session_id: Some(session_id.to_owned()), ..Filter::default() };
    Ok(view.list::<SecretRecord>(tenant, &filter)?.into_iter().map(|(_, record)| record).collect())
}

/// Forgets the secrets of a session that has ended.
pub(super) fn forget_secrets_of(tx: &Tx<'_>, tenant: &Tenant, session_id: &SessionId) -> AppResult<()> {
    for record in secrets_of(tx, tenant, session_id.as_str())? {
        tx.remove::<SecretRecord>(tenant, &record.id)?;
    }
    Ok(())
}

impl Context {
    /// Seals secrets of the account.
    pub async fn set_secrets(&self, secrets: BTreeMap<String, Secret>) -> AppResult<()> {
        let context = self.clone();
        self.app.store.write(move |tx| context.seal_secrets(tx, &EventScope::default(), secrets)).await
    }

    /// Lists the secrets of the account.
    pub fn list_secrets(&self, opts: &SecretListOpts) -> AppResult<Page<SecretInfo>> {
        self.app.store.read(|view| self.page_of_secrets(view, "", opts))
    }

    /// Removes a secret of the account.
    pub async fn delete_secret(&self, name: String) -> AppResult<()> {
        let context = self.clone();
        self.app.store.write(move |tx| context.remove_secret(tx, &EventScope::default(), &name)).await
    }

    /// Seals secrets of a session.
    pub async fn set_session_secrets(&self, id: SessionId, secrets: BTreeMap<String, Secret>) -> AppResult<()> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let session = find_session(tx, &context.tenant, &id)?;
                if session.data.status == SessionStatus::Terminated {
                    return Err(AppError::conflict(format!("the session `{id}` has ended")));
                }
                context.seal_secrets(tx, &session.scope(), secrets)
            })
            .await
    }

    /// Lists the secrets of a session.
    pub fn list_session_secrets(&self, id: &SessionId, opts: &SecretListOpts) -> AppResult<Page<SecretInfo>> {
        self.app.store.read(|view| {
            find_session(view, &self.tenant, id)?;
            self.page_of_secrets(view, id.as_str(), opts)
        })
    }

    /// Removes a secret of a session.
    pub async fn delete_session_secret(&self, id: SessionId, name: String) -> AppResult<()> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let session = find_session(tx, &context.tenant, &id)?;
                context.remove_secret(tx, &session.scope(), &name)
            })
            .await
    }

    fn seal_secrets(&self, tx: &Tx<'_>, scope: &EventScope, secrets: BTreeMap<String, Secret>) -> AppResult<()> {
        let now = self.app.clock.now();
        let names: Vec<String> = secrets.keys().cloned().collect();
        for (name, value) in secrets {
            self.seal_secret(tx, scope, name, &value, now)?;
        }
        let all = secrets_of(tx, &self.tenant, &scope.session_id)?;
        if all.len() > MOST {
            return Err(AppError::invalid_field("", format!("would make more than {MOST} secrets")));
        }
        if !scope.session_id.is_empty() && all.iter().map(|record| record.bytes).sum::<usize>() > MOST_BYTES {
            return Err(AppError::invalid_field("", "would make more than 1 MiB of secrets in one session"));
        }
        tx.append(&self.tenant, now, scope, &Event::SecretsSet { names })?;
        Ok(())
    }

    fn seal_secret(
        &self,
        tx: &Tx<'_>,
        scope: &EventScope,
        name: String,
        value: &Secret,
        now: Timestamp,
    ) -> AppResult<()> {
        let earlier = find_secret(tx, &self.tenant, &scope.session_id, &name)?;
        let version = earlier.as_ref().map_or(1, |record| record.version + 1);
        let variable = name.to_ascii_uppercase();
        let sealed =
            self.app.vault.seal(tx, &self.tenant, &label(&scope.session_id, &variable, version), value, now)?;
        let record = SecretRecord {
            id: id_of(&self.tenant, &scope.session_id, &name),
            name,
            session_id: scope.session_id.clone(),
            user_id: scope.user_id.clone(),
            version,
            bytes: value.expose().len(),
            sealed,
            created_at: earlier.as_ref().map_or(now, |record| record.created_at),
            updated_at: now,
        };
        match earlier {
            Some(_) => tx.update(&self.tenant, &record)?,
            None => tx.insert(&self.tenant, &record)?,
        }
        Ok(())
    }

    fn remove_secret(&self, tx: &Tx<'_>, scope: &EventScope, name: &str) -> AppResult<()> {
        let id = id_of(&self.tenant, &scope.session_id, name);
        if !tx.remove::<SecretRecord>(&self.tenant, &id)? {
            return Err(AppError::not_found("secret", name, ""));
        }
        let removed = Event::SecretRemoved { name: name.to_owned() };
        tx.append(&self.tenant, self.app.clock.now(), scope, &removed)?;
        Ok(())
    }

    fn page_of_secrets(&self, view: &View<'_>, session_id: &str, opts: &SecretListOpts) -> AppResult<Page<SecretInfo>> {
        let named = secrets_of(view, &self.tenant, session_id)?
            .into_iter()
            .map(|record| (record.variable(), record.info()))
            .collect();
        page_by_name(named, opts.limit, opts.cursor.as_deref())
    }
}
