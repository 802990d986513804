//! Secrets: values that are sealed in the vault, delivered to sandboxes, and never shown again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Repeat, Reply, endpoints},
    id::SessionId,
    page::Page,
    secret::Secret,
    sessions::{SessionPath, check_page_limit},
    time::Timestamp,
};

endpoints! {
    /// Seals secrets of the session. One of the same name is replaced; the others stay.
    ///
    /// The session's sandboxes find them in the environment, their names in capitals: `hubspot_api_key` is
    /// `HUBSPOT_API_KEY`, so names that differ in capitals alone are the same. They are never logged, never in a snapshot, and never returned.
    SetSessionSecrets: Post "/v1/sessions/{sessionId}/secrets" => "session.secrets.set",
        path: SessionPath, body: BTreeMap<String, Secret>,
        with {
            positional: &["secrets"], body_doc: "The values by their names: letters, digits and underscores.",
            status: 204, reply: Reply::Empty, repeat: Repeat::Idempotent,
        };

    /// Lists the names of the session's secrets, in alphabetical order. Their values are never returned.
    ListSessionSecrets: Get "/v1/sessions/{sessionId}/secrets" => "session.secrets.list",
        path: SessionPath, query: SecretListOpts, response: Page<SecretInfo>,
        with { bare_list: true };

    /// Removes a secret of the session. Sandboxes that have it keep it until they end.
    DeleteSessionSecret: Delete "/v1/sessions/{sessionId}/secrets/{name}" => "session.secrets.delete",
        path: SessionSecretPath,
        with { status: 204, reply: Reply::Empty };

    /// Seals secrets of the account. One of the same name is replaced; the others stay.
    ///
    /// Agents have those that `secrets` names; providers and models have those that a `credentialRef` names.
    SetSecrets: Post "/v1/secrets" => "secrets.set",
        body: BTreeMap<String, Secret>,
        with {
            positional: &["secrets"], body_doc: "The values by their names: letters, digits and underscores.",
            status: 204, reply: Reply::Empty, repeat: Repeat::Idempotent,
        };

    /// Lists the names of the account's secrets, in alphabetical order. Their values are never returned.
    ListSecrets: Get "/v1/secrets" => "secrets.list",
        query: SecretListOpts, response: Page<SecretInfo>,
        with { bare_list: true };

    /// Removes a secret of the account. What refers to it fails from then on.
    DeleteSecret: Delete "/v1/secrets/{name}" => "secrets.delete",
        path: SecretPath,
        with { status: 204, reply: Reply::Empty };
}

/// The path of a secret of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionSecretPath {
    /// The session.
    pub session_id: SessionId,
    /// The name of the secret.
    pub name: String,
}

/// The path of a secret of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretPath {
    /// The name of the secret.
    pub name: String,
}

/// The longest secret: 64 KiB.
const LONGEST: usize = 64 << 10;

/// Values by their names, which become the names of environment variables.
impl Check for BTreeMap<String, Secret> {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.is_empty(), "", "must have at least one secret");
        let mut variables = BTreeSet::new();
        for (name, value) in self {
            check_secret_name(name, name, problems);
            let is_new = variables.insert(name.to_ascii_uppercase());
            problems.require(is_new, name, "differs from another name in capitals alone");
            problems.require(!name.to_ascii_uppercase().starts_with("THEAZO_"), name, "must not begin with `THEAZO_`");
            problems.require(!value.expose().contains('\0'), name, "must not have a NUL character in its value");
            problems.require(value.expose().len() <= LONGEST, name, "is larger than 64 KiB");
        }
    }
}

/// Checks the name of a secret.
pub(crate) fn check_secret_name(name: &str, field: &str, problems: &mut Problems) {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    problems.require(
        is_word && (1..=128).contains(&name.len()),
        field,
        "must be the name of a secret: 1 to 128 letters, digits and underscores",
    );
}

/// Which secrets to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for SecretListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What is told of a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretInfo {
    /// The name.
    pub name: String,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_be_able_to_be_variables_of_their_own() {
        let fields = |names: &[&str]| {
            let secrets: BTreeMap<String, Secret> =
                names.iter().map(|name| ((*name).to_owned(), Secret::from("x"))).collect();
            Problems::of(&secrets).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(fields(&["hubspot_api_key", "E2B_KEY", "_9"]), Vec::<String>::new());
        assert_eq!(fields(&["a-b", "key"]), ["a-b"]);
        assert_eq!(fields(&["KEY", "key"]), ["key"]);
        assert_eq!(fields(&[]), [""]);
    }
}
