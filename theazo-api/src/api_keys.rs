//! API keys: what programs prove with that they act for the account.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::endpoints,
    id::ApiKeyId,
    open_enum::open_enum,
    page::Page,
    secret::Secret,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Creates an API key. The answer has the key itself, this once: only a hash of it is kept.
    ///
    /// A test key can make test keys alone; asking it for a live one fails with `forbidden`.
    CreateApiKey: Post "/v1/api-keys" => "apiKeys.create",
        body: ApiKeyCreateOpts, response: ApiKeyCreated,
        with { positional: &["name", "environment"], status: 201, ours: true };

    /// Lists API keys, the newest first, revoked ones included. The keys themselves are not shown.
    ListApiKeys: Get "/v1/api-keys" => "apiKeys.list",
        query: ApiKeyListOpts, response: Page<ApiKey>,
        with { ours: true };

    /// Revokes an API key: it is refused from now on. A key that is revoked already stays as it is.
    RevokeApiKey: Delete "/v1/api-keys/{keyId}" => "apiKeys.revoke",
        path: ApiKeyPath, response: ApiKey,
        with { ours: true };
}

/// The path of an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyPath {
    /// The id of the key, which is not the key itself.
    pub key_id: ApiKeyId,
}

open_enum! {
    /// The world that an API key acts in.
    ApiKeyEnvironment {
        /// The real one: sandboxes run, usage is billed.
        Live = "live",
        /// The simulated one: nothing runs at a provider, nothing is billed.
        Test = "test",
    }
}

/// An API key to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCreateOpts {
    /// What it is for, for people.
    pub name: String,
    /// The world that it acts in.
    pub environment: ApiKeyEnvironment,
    /// When it ends by itself; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Check for ApiKeyCreateOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.name.trim().is_empty() && self.name.len() <= 128 && !self.name.chars().any(char::is_control),
            "name",
            "must be 1 to 128 bytes of text without control characters",
        );
        if let ApiKeyEnvironment::Other(_) = &self.environment {
            problems.add("environment", "must be `live` or `test`");
        }
    }
}

/// A new API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCreated {
    /// The id.
    pub id: ApiKeyId,
    /// What it is for, for people.
    pub name: String,
    /// The key itself. It is never shown again.
    pub key: Secret,
    /// The beginning of the key, by which people recognize it.
    pub prefix: String,
    /// The world that it acts in.
    pub environment: ApiKeyEnvironment,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends by itself; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used: null, since it is new.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked: null, since it is new.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

/// Which API keys to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ApiKeyListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// An API key, without the key itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// What it is for, for people.
    pub name: String,
    /// The beginning of the key, by which people recognize it.
    pub prefix: String,
    /// The world that it acts in.
    pub environment: ApiKeyEnvironment,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends by itself; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute; null if it never was.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked; null if it is valid.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}
