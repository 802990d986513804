//! How a client is set up: what the caller says, then the environment, then the defaults.

use std::{fmt, time::Duration};

use secrecy::SecretString;
use theazo_api::DurationInput;

use crate::error::Error;

/// The public API.
pub const DEFAULT_BASE_URL: &str = "https://api.theazo.com";

/// How long one attempt of a plain request may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take to connect.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a call is tried again.
pub const DEFAULT_MAX_RETRIES: u32 = 2;

/// How a client is set up. What is `None` is inherited: from the environment where [`Config::or_environment`] is asked,
/// then from the defaults.
///
/// | field | environment | default |
/// | --- | --- | --- |
/// | `api_key` | `THEAZO_API_KEY` | none: an error |
/// | `base_url` | `THEAZO_BASE_URL` | `https://api.theazo.com` |
/// | `timeout` | `THEAZO_TIMEOUT`, for example `45s` | 30 s |
/// | `connect_timeout` | | 5 s |
/// | `max_retries` | `THEAZO_MAX_RETRIES` | 2 |
#[derive(Clone, Default)]
pub struct Config {
    /// The API key.
    pub api_key: Option<SecretString>,
    /// Where the API is: an `http` or `https` address, or `local` for a control plane inside this process.
    pub base_url: Option<String>,
    /// How long one attempt of a plain request may take, its body included. Runs and streams are not bound by it.
    pub timeout: Option<Duration>,
    /// How long it may take to connect.
    pub connect_timeout: Option<Duration>,
    /// How often a call is tried again after a failure that may pass; 0 turns retries off.
    pub max_retries: Option<u32>,
    /// Headers that every request carries besides those of the client.
    pub headers: Vec<(String, String)>,
    /// The language that stands in `User-Agent`; `rust` by default.
    pub user_agent_language: Option<&'static str>,
}

impl Config {
    /// A configuration with a key and otherwise the defaults.
    pub fn with_api_key(api_key: impl Into<String>) -> Self {
        Self { api_key: Some(SecretString::from(api_key.into())), ..Self::default() }
    }

    /// Takes what is not set from the environment: `THEAZO_API_KEY`, `THEAZO_BASE_URL`, `THEAZO_TIMEOUT` and
    /// `THEAZO_MAX_RETRIES`. A variable that is empty counts as not set.
    ///
    /// # Errors
    ///
    /// If a variable that is needed cannot be understood.
    pub fn or_environment(self) -> Result<Self, Error> {
        self.or_lookup(|name| std::env::var(name).ok())
    }

    fn or_lookup(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        if self.api_key.is_none() {
            self.api_key = lookup("THEAZO_API_KEY").map(|key| SecretString::from(key.trim().to_owned()));
        }
        if self.base_url.is_none() {
            self.base_url = lookup("THEAZO_BASE_URL");
        }
        if self.timeout.is_none()
            && let Some(text) = lookup("THEAZO_TIMEOUT")
        {
            let timeout: DurationInput =
                text.parse().map_err(|problem| Error::configuration(format!("THEAZO_TIMEOUT: {problem}")))?;
            self.timeout = Some(timeout.0);
        }
        if self.max_retries.is_none()
            && let Some(text) = lookup("THEAZO_MAX_RETRIES")
        {
            let retries = text.trim().parse().map_err(|_| {
                Error::configuration(format!("THEAZO_MAX_RETRIES: `{text}` is not a whole number such as `2`"))
            })?;
            self.max_retries = Some(retries);
        }
        Ok(self)
    }

    /// Whether the base address is `local`: a control plane inside this process.
    pub fn is_local(&self) -> bool {
        self.base_url.as_deref().is_some_and(|url| url.trim() == "local")
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of headers and the user part of an address can be secrets, so only their presence is shown.
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Config")
            .field("api_key", &self.api_key.as_ref().map(|_| "[hidden]"))
            .field("base_url", &self.base_url.as_deref().map(crate::transport::without_user_part))
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_retries", &self.max_retries)
            .field("headers", &headers)
            .field("user_agent_language", &self.user_agent_language)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "THEAZO_API_KEY" => "th_test_environment",
            "THEAZO_BASE_URL" => "http://localhost:4000",
            "THEAZO_TIMEOUT" => "45s",
            "THEAZO_MAX_RETRIES" => "7",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn the_environment_fills_in_what_is_not_set() {
        let config = Config::default().or_lookup(environment).unwrap();

        assert_eq!(config.api_key.unwrap().expose_secret(), "th_test_environment");
        assert_eq!(config.base_url.as_deref(), Some("http://localhost:4000"));
        assert_eq!(config.timeout, Some(Duration::from_secs(45)));
        assert_eq!(config.max_retries, Some(7));
    }

    #[test]
    fn what_is_set_wins_over_the_environment() {
        let given = Config { max_retries: Some(0), base_url: Some("local".to_owned()), ..Config::with_api_key("mine") };

        let config = given.or_lookup(environment).unwrap();

        assert_eq!(config.api_key.as_ref().unwrap().expose_secret(), "mine");
        assert_eq!(config.max_retries, Some(0));
        assert!(config.is_local());
    }

    #[test]
    fn a_variable_that_cannot_be_understood_is_named() {
        let timeout = Config::default().or_lookup(|name| (name == "THEAZO_TIMEOUT").then(|| "45".to_owned()));
        let retries = Config::default().or_lookup(|name| (name == "THEAZO_MAX_RETRIES").then(|| "many".to_owned()));

        assert_eq!(
            timeout.unwrap_err().to_string(),
            "THEAZO_TIMEOUT: `45` is not a duration such as `90s`, `10m`, `1h 30m` or `7d`"
        );
        assert_eq!(retries.unwrap_err().to_string(), "THEAZO_MAX_RETRIES: `many` is not a whole number such as `2`");
    }

    #[test]
    fn debug_hides_secrets() {
        let config = Config {
            base_url: Some("https://user:hunter2@example.com".to_owned()),
            headers: vec![("x-secret".to_owned(), "s3cr3t".to_owned())],
            ..Config::with_api_key("th_live_abc")
        };

        let debug = format!("{config:?}");

        for secret in ["hunter2", "s3cr3t", "th_live_abc"] {
            assert!(!debug.contains(secret), "{debug}");
        }
    }
}
