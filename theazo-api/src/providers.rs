//! Providers: whose machines and models the account or one session brings along.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, compatible},
    endpoint::{Reply, endpoints},
    open_enum::open_enum,
    page::Page,
    secret::Secret,
    secrets::check_secret_name,
    sessions::check_page_limit,
    time::Timestamp,
};

endpoints! {
    /// Lets the account use a provider of its own, in the place of the settings that it had for that provider.
    ///
    /// There are `e2b`, `fly` and `webhook` for sandboxes, `anthropic` and `openai` for models. `openai` with a `baseUrl`
    /// is any gateway that speaks as OpenAI does.
    SetProvider: Put "/v1/providers/{name}" => "providers.set",
        path: ProviderPath, body: ProviderSetOpts, response: ProviderData,
        with { positional: &["credentialRef"] };

    /// Lists the account's own providers, by their names. Credentials are never returned.
    ListProviders: Get "/v1/providers" => "providers.list",
        query: ProviderListOpts, response: Page<ProviderData>,
        with { ours: true };

    /// Fetches the settings of one of the account's own providers. Credentials are never returned.
    GetProvider: Get "/v1/providers/{name}" => "providers.get",
        path: ProviderPath, response: ProviderData,
        with { ours: true };

    /// Forgets one of the account's own providers. Sandboxes that it runs go on until they end.
    DeleteProvider: Delete "/v1/providers/{name}" => "providers.delete",
        path: ProviderPath,
        with { status: 204, reply: Reply::Empty, ours: true };
}

/// The path of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderPath {
    /// The name of the provider, for example `e2b`.
    pub name: String,
}

/// How the account uses a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderSetOpts {
    /// The name of the account's secret that has the key; only a provider with an address in `config` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
    /// Where the provider is; its public address by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ProviderConfig>,
}

impl Check for ProviderSetOpts {
    fn check(&self, problems: &mut Problems) {
        check_credential_ref(self.credential_ref.as_deref(), problems);
        let has_address =
            self.config.as_ref().is_some_and(|config| config.base_url.is_some() || config.endpoint.is_some());
        let has_key = self.credential_ref.is_some();
        problems.require(has_key || has_address, "credentialRef", "must be given unless `config` has an address");
        if let Some(config) = &self.config {
            problems.within("config", config);
        }
    }
}

/// Where a provider is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfig {
    /// The address of a gateway for models, for example `https://openrouter.ai/api/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The address that is called for sandboxes, where the provider is `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl Check for ProviderConfig {
    fn check(&self, problems: &mut Problems) {
        check_address(self.base_url.as_deref(), "baseUrl", problems);
        check_address(self.endpoint.as_deref(), "endpoint", problems);
    }
}

/// Checks the address of a provider, if there is one.
pub(crate) fn check_address(address: Option<&str>, field: &str, problems: &mut Problems) {
    if let Some(address) = address {
        let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or_default();
        let is_address = !host.is_empty() && address.len() <= 2048 && !address.contains(char::is_whitespace);
        problems.require(is_address, field, "must be an `https` address of at most 2048 bytes");
    }
}

/// Checks the name of a secret that has credentials, if there is one.
pub(crate) fn check_credential_ref(name: Option<&str>, problems: &mut Problems) {
    if let Some(name) = name {
        check_secret_name(name, "credentialRef", problems);
    }
}

/// Which providers to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderListOpts {
    /// Only providers of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProviderKind>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ProviderListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

open_enum! {
    /// What a provider provides.
    ProviderKind {
        /// Sandboxes.
        Compute = "compute",
        /// Models.
        Model = "model",
    }
}

/// One of the account's own providers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderData {
    /// The name, for example `e2b`.
    pub name: String,
    /// What it provides.
    pub kind: ProviderKind,
    /// The name of the account's secret that has the key; absent if it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
    /// Where it is.
    #[serde(default)]
    pub config: ProviderConfig,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// Whose machines a session's sandboxes run on: one or more providers of your own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ComputeProviders {
    /// The providers. One that fails is left out for a while, and the next one takes its place.
    pub providers: Vec<ComputeProviderConfig>,
}

compatible!(ComputeProviders by functions);

impl Compatible for ComputeProviders {
    const TOUCHED: &[&str] =
        &["providers", "provider", "credentials", "credentialRef", "endpoint", "priority", "limits"];

    /// One provider may stand alone.
    fn accept(members: &mut Map<String, Value>) {
        if members.contains_key("provider") && !members.contains_key("providers") {
            let provider = std::mem::take(members);
            members.insert("providers".to_owned(), vec![Value::Object(provider)].into());
        }
    }
}

impl Check for ComputeProviders {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.providers.is_empty(), "providers", "must have at least one provider");
        problems.require(self.providers.len() <= 20, "providers", "must have at most 20 providers");
        for (index, provider) in self.providers.iter().enumerate() {
            problems.within(&format!("providers[{index}]"), provider);
        }
    }
}

/// A provider of sandboxes with your own credentials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComputeProviderConfig {
    /// The name of the provider, for example `e2b`.
    pub provider: String,
    /// The credentials themselves, by the names that the provider gives them, for example `apiKey`. They are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeMap<String, Secret>>,
    /// The name of the account's secret that has the key, in the place of `credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
    /// The address that is called, where the provider is `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Which provider is tried first: the one with the smallest number; the order of the list by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// What the provider may be used for; no limits by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ComputeProviderLimits>,
}

impl ComputeProviderConfig {
    /// A provider without credentials.
    ///
    /// ```
    /// use theazo_api::ComputeProviderConfig;
    ///
    /// let e2b = ComputeProviderConfig::new("e2b").credential("apiKey", "e2b_0123456789");
    /// ```
    pub fn new(provider: impl Into<String>) -> Self {
        Self { provider: provider.into(), ..Self::default() }
    }

    /// The provider with this credential, for example `apiKey`.
    pub fn credential(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.credentials.get_or_insert_default().insert(name.into(), value.into());
        self
    }
}

impl From<ComputeProviderConfig> for ComputeProviders {
    fn from(provider: ComputeProviderConfig) -> Self {
        Self { providers: vec![provider] }
    }
}

impl Check for ComputeProviderConfig {
    fn check(&self, problems: &mut Problems) {
        check_provider(&self.provider, problems);
        check_credentials(self.credentials.as_ref(), self.credential_ref.as_deref(), problems);
        check_address(self.endpoint.as_deref(), "endpoint", problems);
        if let Some(limits) = &self.limits {
            problems.within("limits", limits);
        }
    }
}

/// Checks the name of a provider.
pub(crate) fn check_provider(provider: &str, problems: &mut Problems) {
    let is_name = provider.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let message = "must be the name of a provider, for example `e2b`";
    problems.require(is_name && (1..=64).contains(&provider.len()), "provider", message);
}

/// Checks credentials, which are given or named, but not both.
pub(crate) fn check_credentials(
    credentials: Option<&BTreeMap<String, Secret>>,
    credential_ref: Option<&str>,
    problems: &mut Problems,
) {
    check_credential_ref(credential_ref, problems);
    let both = credentials.is_some() && credential_ref.is_some();
    problems.require(!both, "credentialRef", "must not be given beside `credentials`");
    for (name, value) in credentials.into_iter().flatten() {
        let is_given = !name.is_empty() && !value.expose().trim().is_empty();
        problems.require(is_given, "credentials", "must not have an empty name or value");
    }
}

/// What a provider of sandboxes may be used for. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComputeProviderLimits {
    /// How many sandboxes it may run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<i64>,
}

impl Check for ComputeProviderLimits {
    fn check(&self, problems: &mut Problems) {
        if let Some(max_concurrent) = self.max_concurrent {
            problems.require(max_concurrent >= 1, "maxConcurrent", "must be a whole number from 1");
        }
    }
}

/// Whose models a session's agents ask: a provider or a gateway of your own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelProviderConfig {
    /// The name of the provider, for example `anthropic`; a gateway at `baseUrl` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The credentials themselves, by the names that the provider gives them, for example `apiKey`. They are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeMap<String, Secret>>,
    /// The address of a gateway that speaks as OpenAI does; the provider's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The name of the account's secret that has the key, in the place of `credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
}

impl ModelProviderConfig {
    /// A provider without credentials.
    ///
    /// ```
    /// use theazo_api::ModelProviderConfig;
    ///
    /// let anthropic = ModelProviderConfig::new("anthropic").credential("apiKey", "sk-ant-0123456789");
    /// ```
    pub fn new(provider: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..Self::default() }
    }

    /// The provider with this credential, for example `apiKey`.
    pub fn credential(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.credentials.get_or_insert_default().insert(name.into(), value.into());
        self
    }
}

impl Check for ModelProviderConfig {
    fn check(&self, problems: &mut Problems) {
        match &self.provider {
            Some(provider) => check_provider(provider, problems),
            None => {
                problems.require(self.base_url.is_some(), "provider", "must be given unless `baseUrl` is");
            }
        }
        check_credentials(self.credentials.as_ref(), self.credential_ref.as_deref(), problems);
        check_address(self.base_url.as_deref(), "baseUrl", problems);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_provider_may_stand_alone() {
        let alone = json!({ "provider": "e2b", "credentials": { "apiKey": "e2b_123" } });

        let one: ComputeProviders = serde_json::from_value(alone.clone()).unwrap();

        assert_eq!(one, serde_json::from_value(json!({ "providers": [alone] })).unwrap());
        assert_eq!(one.providers[0].provider, "e2b");
        assert_eq!(serde_json::to_value(&one).unwrap(), json!({ "providers": [alone] }));
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_told_at_its_place() {
        let both: ComputeProviders = serde_json::from_value(json!({
            "providers": [
                { "provider": "fly", "credentialRef": "fly_token" },
                { "provider": "e2b", "credentialRef": "e2b_key", "credentials": { "apiKey": "x" } },
            ],
        }))
        .unwrap();
        let fields: Vec<String> = Problems::of(&both).into_iter().map(|problem| problem.field).collect();

        assert_eq!(fields, ["providers[1].credentialRef"]);
    }

    #[test]
    fn a_provider_needs_a_key_or_an_address() {
        let problems = |json| Problems::of(&serde_json::from_value::<ProviderSetOpts>(json).unwrap()).len();

        assert_eq!(problems(json!({ "credentialRef": "e2b_key" })), 0);
        assert_eq!(problems(json!({ "config": { "baseUrl": "http://localhost:11434/v1" } })), 0);
        assert_eq!(problems(json!({ "config": { "baseUrl": "localhost" } })), 1);
        assert_eq!(problems(json!({})), 1);
    }
}
