//! API keys.

use serde::{Deserialize, Serialize};
use theazo_api::{
    AccountId, ApiKey, ApiKeyCreateOpts, ApiKeyCreated, ApiKeyEnvironment, ApiKeyId, ApiKeyListOpts, ErrorCode, Page,
    Secret, Timestamp,
};

use super::{
    App, Context,
    pages::{DEFAULT_LIMIT, parse_cursor},
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    random,
    store::{ApiKeyRecord, Document, EventScope, KeyHolder, Store, Tenant, Tx, World},
    vault::{Label, Sealed},
};

/// How exactly the last use of a key is known.
const LAST_USE_MILLIS: i64 = 60_000;

/// The keys of a new plane or account, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstKeys {
    /// The account.
    pub account_id: String,
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
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// An account, with the name that people gave it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    id: String,
    /// The name.
    pub name: String,
    created_at: Timestamp,
}

impl AccountRecord {
    /// The one state of an account.
    pub const STATUS: &'static str = "active";
}

impl Document for AccountRecord {
    const KIND: &'static str = "account";

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

impl FirstKeys {
    /// Creates an account with a live and a test key, unless the store has keys already.
    pub async fn ensure(store: &Store, now: Timestamp) -> Result<Option<Self>, AppError> {
        store
            .write(move |tx| match tx.has_keys()? {
                true => Ok(None),
                false => Self::insert(tx, "first account", now).map(Some),
            })
            .await
    }

    /// Creates another account.
    pub async fn create(store: &Store, name: String, now: Timestamp) -> Result<Self, AppError> {
        store.write(move |tx| Self::insert(tx, &name, now)).await
    }

    fn insert(tx: &Tx<'_>, name: &str, now: Timestamp) -> Result<Self, AppError> {
        let account_id = AccountId::from_suffix(random::id_suffix(now)).to_string();
        let record = AccountRecord { id: account_id.clone(), name: name.to_owned(), created_at: now };
        tx.insert(&Tenant::new(&account_id, World::Live), &record)?;
        let create = |world| {
            let new = NewKey { world, name: "first key".to_owned(), expires_at: None };
            new.insert(tx, &account_id, now).map(|(key, _)| key)
        };
        let (live, test) = (create(World::Live)?, create(World::Test)?);
        Ok(Self { account_id, live, test })
    }
}

impl NewKey {
    /// Creates a key of an account and returns it. It is not kept.
    pub async fn create(self, store: &Store, account_id: String, now: Timestamp) -> Result<String, AppError> {
        store.write(move |tx| self.insert(tx, &account_id, now).map(|(key, _)| key)).await
    }

    fn insert(&self, tx: &Tx<'_>, account_id: &str, now: Timestamp) -> Result<(String, ApiKeyRecord), AppError> {
        let key = format!("th_{}_{}", self.world.as_str(), random::secret());
        let record = ApiKeyRecord {
            id: ApiKeyId::from_suffix(random::id_suffix(now)).to_string(),
            account_id: account_id.to_owned(),
            world: self.world,
            name: self.name.clone(),
            prefix: key.chars().take(12).collect(),
            created_at: now,
            expires_at: self.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        tx.insert_key(&record, &key)?;
        Ok((key, record))
    }
}

/// A new key as the record of its idempotency key has it: sealed, and gone with that record.
#[derive(Serialize, Deserialize)]
struct SealedKey {
    id: String,
    sealed: Sealed,
}

fn label(key_id: &str) -> Label<'_> {
    Label { kind: "api key", owner: "", name: key_id, version: 1 }
}

impl Context {
    /// Creates an API key.
    pub async fn create_api_key(&self, opts: ApiKeyCreateOpts) -> AppResult<ApiKeyCreated> {
        let world = if opts.environment == ApiKeyEnvironment::Test { World::Test } else { World::Live };
        if world == World::Live && self.tenant.world() == World::Test {
            return Err(AppError::new(ErrorCode::Forbidden, "a test key cannot make a live key"));
        }
        let context = self.clone();
        let created = self
            .app
            .store
            .write(move |tx| {
                let (tenant, now) = (&context.tenant, context.app.clock.now());
                tx.once(tenant, context.claim.as_ref(), now, || {
                    if opts.expires_at.is_some_and(|time| time <= now) {
                        return Err(AppError::invalid_field("expiresAt", "must be in the future"));
                    }
                    let new = NewKey { world, name: opts.name, expires_at: opts.expires_at };
                    let (key, record) = new.insert(tx, tenant.account_id(), now)?;
                    let sealed = context.app.vault.seal(tx, tenant, &label(&record.id), &Secret::new(key), now)?;
                    let created = Event::ApiKeyCreated { key_id: record.id.clone(), name: record.name };
                    tx.append(tenant, now, &EventScope::default(), &created)?;
                    Ok(SealedKey { id: record.id, sealed })
                })
            })
            .await?;
        let SealedKey { id, sealed } = self.replayable(created);
        self.app.store.read(|view| {
            let key = self.app.vault.unseal(view, &self.tenant, &label(&id), &sealed)?;
            let record = view.find_key(&self.tenant, &id)?.ok_or_else(|| no_key(&id))?;
            let ApiKey { id, name, prefix, environment, created_at, expires_at, .. } = shown(record);
            Ok(ApiKeyCreated {
                id,
                name,
                key,
                prefix,
                environment,
                created_at,
                expires_at,
                last_used_at: None,
                revoked_at: None,
            })
        })
    }

    /// Lists API keys.
    pub fn list_api_keys(&self, opts: &ApiKeyListOpts) -> AppResult<Page<ApiKey>> {
        let limit = opts.limit.unwrap_or(DEFAULT_LIMIT);
        let before = opts.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(parse_cursor).transpose()?;
        let mut found =
            self.app.store.read(|view| Ok::<_, AppError>(view.list_keys(&self.tenant, before, limit + 1)?))?;
        let has_more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let cursor = match found.last() {
            Some((position, _)) if has_more => format!("c{position}"),
            _ => String::new(),
        };
        Ok(Page { data: found.into_iter().map(|(_, record)| shown(record)).collect(), has_more, cursor })
    }

    /// Revokes an API key.
    pub async fn revoke_api_key(&self, id: ApiKeyId) -> AppResult<ApiKey> {
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let (tenant, now) = (&context.tenant, context.app.clock.now());
                revoke_key(tx, tenant, id.as_str(), now)?;
                tx.find_key(tenant, id.as_str())?.map(shown).ok_or_else(|| no_key(id.as_str()))
            })
            .await
    }
}

/// Revokes a key of the tenant's account.
pub fn revoke_key(tx: &Tx<'_>, tenant: &Tenant, id: &str, now: Timestamp) -> AppResult<()> {
    let record = tx.find_key(tenant, id)?.ok_or_else(|| no_key(id))?;
    if record.revoked_at.is_none() {
        tx.revoke_key(tenant, id, now)?;
        tx.append(tenant, now, &EventScope::default(), &Event::ApiKeyRevoked { key_id: record.id })?;
    }
    Ok(())
}

fn no_key(id: &str) -> AppError {
    AppError::not_found("API key", id, ApiKeyId::PREFIX)
}

/// A key as the wire shows it.
pub fn shown(record: ApiKeyRecord) -> ApiKey {
    ApiKey {
        id: record.id.into(),
        name: record.name,
        prefix: record.prefix,
        environment: match record.world {
            World::Live => ApiKeyEnvironment::Live,
            World::Test => ApiKeyEnvironment::Test,
        },
        created_at: record.created_at,
        expires_at: record.expires_at,
        last_used_at: record.last_used_at,
        revoked_at: record.revoked_at,
    }
}

impl App {
    /// Notes that a key is used, once a minute at most: requests must not wait for a write each.
    pub async fn note_key_use(&self, holder: &KeyHolder, now: Timestamp) {
        let is_known = |last: Timestamp| now.as_millis() - last.as_millis() < LAST_USE_MILLIS;
        if holder.last_used_at.is_some_and(is_known) {
            return;
        }
        let key_id = holder.key_id.clone();
        let minute = Timestamp::from_millis(now.as_millis().div_euclid(LAST_USE_MILLIS) * LAST_USE_MILLIS);
        let noted: AppResult<()> = self.store.write(move |tx| Ok(tx.note_key_use(&key_id, minute)?)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the last use of an API key could not be noted");
        }
    }
}
