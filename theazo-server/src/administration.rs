//! What whoever runs a control plane does with its data directory, whether the plane is running or not.

use std::path::Path;

use serde::Serialize;
use theazo_api::{ApiKey, Secret, Timestamp};

use crate::{
    app::{AccountRecord, FirstKeys, NewKey, revoke_key, shown_key},
    clock::Clock,
    error::AppError,
    plane::{StartError, grant},
    store::{Store, Tenant, World},
    vault::{MasterKeySource, rotate_master_key},
};

/// An API key to make.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyOptions {
    /// The account that it acts for; the first one if absent.
    pub account: Option<String>,
    /// Whether it is a live key, and not a test key.
    pub live: bool,
    /// A name for people.
    pub name: String,
    /// How many days it is valid; for ever if absent.
    pub expires_in_days: Option<u32>,
}

/// An API key of an account, without the key itself.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// The account that it acts for.
    pub account: String,
    /// The key.
    pub key: ApiKey,
}

impl ListedKey {
    /// Whether it is valid, or why not.
    pub fn state(&self) -> &'static str {
        match (self.key.revoked_at, self.key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(time)) if time <= now() => "expired",
            _ => "valid",
        }
    }
}

/// An account.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAccount {
    /// Its id.
    pub account: String,
    /// The name that people gave it; empty if none is known.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many of its keys are not revoked.
    pub keys: i64,
}

/// A new account with its first keys, told once.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAccount {
    /// Its id.
    pub account: String,
    /// For real work.
    pub live_key: String,
    /// For tests.
    pub test_key: String,
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// Makes another API key and returns it. Only its hash is kept.
///
/// # Errors
///
/// When the directory cannot be used, no control plane ever used it, or it has no such account.
pub async fn create_key_in(directory: &Path, options: ApiKeyOptions) -> Result<String, StartError> {
    let store = Store::open_beside(directory)?;
    let accounts = store.read(|view| view.accounts())?;
    let found = match &options.account {
        Some(wanted) => accounts.into_iter().find(|account| account.account_id == *wanted),
        None => accounts.into_iter().next(),
    };
    let account = found.ok_or_else(|| StartError::UnknownAccount(options.account.clone().unwrap_or_default()))?;
    let expires_at = options.expires_in_days.map(|days| now().plus(std::time::Duration::from_secs(86_400) * days));
    let world = if options.live { World::Live } else { World::Test };
    let new = NewKey { world, name: options.name, expires_at };
    Ok(new.create(&store, account.account_id, now()).await?)
}

/// Lists the API keys of all accounts, account by account, the newest first.
///
/// # Errors
///
/// When the directory cannot be used.
pub fn list_keys_in(directory: &Path) -> Result<Vec<ListedKey>, StartError> {
    let store = Store::open_beside(directory)?;
    store.read(|view| {
        let mut listed = Vec::new();
        for account in view.accounts()? {
            let tenant = Tenant::new(&account.account_id, World::Live);
            for (_, record) in view.list_keys(&tenant, None, i64::MAX)? {
                listed.push(ListedKey { account: account.account_id.clone(), key: shown_key(record) });
            }
        }
        Ok(listed)
    })
}

/// Revokes an API key of any account.
///
/// # Errors
///
/// When the directory cannot be used, or there is no such key.
pub async fn revoke_key_in(directory: &Path, key_id: &str) -> Result<(), StartError> {
    let store = Store::open_beside(directory)?;
    let key_id = key_id.to_owned();
    let revoked: Result<(), AppError> = store
        .write(move |tx| {
            for account in tx.accounts()? {
                let tenant = Tenant::new(&account.account_id, World::Live);
                if tx.find_key(&tenant, &key_id)?.is_some() {
                    return revoke_key(tx, &tenant, &key_id, now());
                }
            }
            Err(AppError::not_found("API key", &key_id, "key_"))
        })
        .await;
    Ok(revoked?)
}

/// Makes another account.
///
/// # Errors
///
/// When the directory cannot be used, or no control plane ever used it.
pub async fn create_account_in(directory: &Path, name: &str) -> Result<NewAccount, StartError> {
    let store = Store::open_beside(directory)?;
    let FirstKeys { account_id, live, test } = FirstKeys::create(&store, name.to_owned(), now()).await?;
    Ok(NewAccount { account: account_id, live_key: live, test_key: test })
}

/// Lists the accounts, the oldest first.
///
/// # Errors
///
/// When the directory cannot be used.
pub fn list_accounts_in(directory: &Path) -> Result<Vec<ListedAccount>, StartError> {
    let store = Store::open_beside(directory)?;
    store.read(|view| {
        let mut listed = Vec::new();
        for account in view.accounts()? {
            let tenant = Tenant::new(&account.account_id, World::Live);
            let record = view.find::<AccountRecord>(&tenant, &account.account_id)?;
            listed.push(ListedAccount {
                name: record.map(|record| record.name).unwrap_or_default(),
                account: account.account_id,
                created_at: account.created_at,
                keys: account.keys,
            });
        }
        Ok(listed)
    })
}

/// Wraps what is sealed with another master key, and returns how many data keys there were. `given` is the master key of the
/// configuration, if it has one.
///
/// # Errors
///
/// When the directory or its master key cannot be used.
pub async fn rotate_master_key_in(directory: &Path, given: Option<Secret>) -> Result<usize, StartError> {
    let store = Store::open_beside(directory)?;
    let source = given.map_or_else(|| MasterKeySource::in_directory(directory), MasterKeySource::Given);
    Ok(rotate_master_key(&store, &source).await?)
}

/// Gives an account credits, the first one if none is named. A credit is worth a cent. Returns how many the account was ever
/// given.
///
/// # Errors
///
/// When the directory cannot be used, there is no such account, or the number is not positive or absurd.
pub async fn grant_credits_in(directory: &Path, account_id: Option<&str>, credits: i64) -> Result<i64, StartError> {
    grant(&Store::open_beside(directory)?, account_id, credits, now()).await
}
