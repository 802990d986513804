//! Text that is never shown: keys, tokens, passwords.
//!
//! ```
//! use theazo_api::Secret;
//!
//! let key = Secret::new("th_live_0123456789");
//! assert_eq!(format!("{key:?}"), "[hidden]");
//! assert!(key.expose().starts_with("th_live_"));
//! ```

use std::cell::RefCell;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

thread_local! {
    /// The secrets that were read on this thread, while somebody asks for them.
    static FOUND: RefCell<Option<Vec<Secret>>> = const { RefCell::new(None) };
}

/// Text that is never shown. `Debug` hides it, nothing prints it, and its memory is wiped when it goes.
///
/// On the wire it is plain text: it is sealed by TLS on the way and by the vault at rest.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text. Whoever asks for it must not print it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = String::deserialize(deserializer).map(Self::new)?;
        FOUND.with_borrow_mut(|found| found.iter_mut().for_each(|found| found.push(secret.clone())));
        Ok(secret)
    }
}

/// The secrets in the JSON of a `T`; those that were found until something cannot be read, if it is not one.
pub(crate) fn secrets_in<T: DeserializeOwned>(json: &[u8]) -> Vec<Secret> {
    FOUND.set(Some(Vec::new()));
    // What is wrong with it is for others to say.
    let _ = serde_json::from_slice::<T>(json);
    FOUND.take().unwrap_or_default()
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Secret {
    fn from(text: &String) -> Self {
        Self::new(text.as_str())
    }
}

impl From<&Secret> for Secret {
    fn from(secret: &Secret) -> Self {
        secret.clone()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "password" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_but_goes_over_the_wire() {
        let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();

        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[hidden] Some([hidden])");
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#""hunter2""#);
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn secrets_are_found_wherever_they_stand_in_a_body() {
        let found = |id: &str, json: &str| {
            let operation = crate::operations().into_iter().find(|operation| operation.id == id).unwrap();
            let secrets = (operation.secrets_in_body)(json.as_bytes());
            secrets.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
        };

        let session = r#"{"userId":"u","compute":{"providers":[{"provider":"e2b","credentials":{"apiKey":"k1"}}]},
            "models":{"credentials":{"apiKey":"k2"}}}"#;
        assert_eq!(found("CreateSession", session), ["k1", "k2"]);
        assert_eq!(found("SetSessionSecrets", r#"{"A":"k1","B":"k2"}"#), ["k1", "k2"]);
        assert_eq!(found("SetSessionSecrets", r#"{"A":"k1","B":7}"#), ["k1"]);
        assert_eq!(found("SetSessionSecrets", "nonsense"), [""; 0]);
        assert_eq!(found("RunInSession", r#"{"agent":"a","task":"t"}"#), [""; 0]);
        assert!(FOUND.with_borrow(Option::is_none));
    }
}
