//! The providers of models: where they are, how they are spoken to, and the keys of them that a plane has.

use std::collections::BTreeMap;

use theazo_api::Secret;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's chat completions.
    ChatCompletions,
}

/// A provider that is known by name.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownProvider {
    /// The name, which is the first part of its models' ids.
    pub name: &'static str,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Where it is.
    pub base_url: &'static str,
    /// The environment variable with its key, if it needs one.
    pub key_variable: Option<&'static str>,
    /// The environment variable with another address.
    pub address_variable: &'static str,
    /// The model that is used where none is asked for.
    pub usual_model: Option<&'static str>,
}

impl KnownProvider {
    /// Whether it has a public address, where customers have accounts of their own.
    pub fn is_public(&self) -> bool {
        self.key_variable.is_some()
    }
}

/// The name of the provider whose models run on the operator's own machine.
pub const OLLAMA: &str = "ollama";

/// The providers that are known, in the order in which a plane that has keys of several prefers them.
const KNOWN: &[KnownProvider] = &[
    KnownProvider {
        name: "anthropic",
        protocol: Protocol::Messages,
        base_url: "https://api.anthropic.com",
        key_variable: Some("ANTHROPIC_API_KEY"),
        address_variable: "ANTHROPIC_BASE_URL",
        usual_model: Some("anthropic/claude-sonnet"),
    },
    KnownProvider {
        name: "openai",
        protocol: Protocol::ChatCompletions,
        base_url: "https://api.openai.com/v1",
        key_variable: Some("OPENAI_API_KEY"),
        address_variable: "OPENAI_BASE_URL",
        usual_model: Some("openai/gpt-4o"),
    },
    KnownProvider {
        name: "google",
        protocol: Protocol::ChatCompletions,
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable: Some("GEMINI_API_KEY"),
        address_variable: "GEMINI_BASE_URL",
        usual_model: Some("google/gemini-2.0-flash"),
    },
    KnownProvider {
        name: OLLAMA,
        protocol: Protocol::ChatCompletions,
        base_url: "http://127.0.0.1:11434/v1",
        key_variable: None,
        address_variable: "OLLAMA_HOST",
        usual_model: None,
    },
];

/// The provider with this name.
pub fn known(name: &str) -> Option<&'static KnownProvider> {
    KNOWN.iter().find(|provider| provider.name == name)
}

/// A way to a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderAccess {
    /// Where it is, if not at its public address.
    pub base_url: Option<String>,
    /// The key, if it needs one.
    pub key: Option<Secret>,
}

/// The providers of models that a plane has keys of its own for. Whoever has an account there pays it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelKeys {
    providers: BTreeMap<&'static str, ProviderAccess>,
}

impl ModelKeys {
    /// The keys in the environment: `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`, `GEMINI_API_KEY`, each with an address in
    /// `..._BASE_URL` where it is another than the public one, and `OLLAMA_HOST`.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut keys = Self::default();
        for provider in KNOWN {
            let key = provider.key_variable.and_then(set);
            let address = set(provider.address_variable);
            let base_url = if provider.name == OLLAMA { address.map(|host| ollama_address(&host)) } else { address };
            // A gateway may want no key, and a machine of one's own does not.
            if key.is_some() || base_url.is_some() {
                keys.providers.insert(provider.name, ProviderAccess { base_url, key: key.map(Secret::from) });
            }
        }
        keys
    }

    /// The same with a way to this provider: `anthropic`, `openai`, `google` or `ollama`. Others are left out, because
    /// nobody knows how to speak to them.
    #[must_use]
    pub fn with(mut self, provider: &str, key: Option<&str>, base_url: Option<&str>) -> Self {
        if let Some(provider) = known(provider) {
            let access = ProviderAccess { base_url: base_url.map(str::to_owned), key: key.map(Secret::from) };
            self.providers.insert(provider.name, access);
        }
        self
    }

    /// The way to a provider.
    pub fn access(&self, provider: &str) -> Option<&ProviderAccess> {
        self.providers.get(provider)
    }

    /// The gateway that takes the ids of other providers' models, too: `openai` at an address of its own.
    pub fn gateway(&self) -> Option<&ProviderAccess> {
        self.access("openai").filter(|access| access.base_url.is_some())
    }

    /// The model that is used where none is asked for: that of the first provider that there is a key of.
    pub fn usual_model(&self) -> Option<&'static str> {
        KNOWN.iter().filter(|provider| self.providers.contains_key(provider.name)).find_map(|known| known.usual_model)
    }
}

/// The address of an Ollama from `OLLAMA_HOST`, which may be `host`, `host:port` or a URL.
fn ollama_address(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.trim_end_matches('/');
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port { "" } else { ":11434" };
    // A server is told to listen on every address; a client cannot call there.
    let rest = if let Some(port) = rest.strip_prefix("0.0.0.0") { format!("127.0.0.1{port}") } else { rest.to_owned() };
    format!("{scheme}://{rest}{port}/v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> ModelKeys {
        ModelKeys::from_variables(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_which_providers_there_are_and_which_model_is_the_usual_one() {
        let none = from(&[("ANTHROPIC_API_KEY", " ")]);
        let both = from(&[("ANTHROPIC_API_KEY", "sk-ant"), ("OPENAI_API_KEY", "sk-oai")]);
        let gateway = from(&[("OPENAI_BASE_URL", "http://localhost:8000/v1")]);
        let ollama = from(&[("OLLAMA_HOST", "0.0.0.0")]);

        assert_eq!((none == ModelKeys::default(), none.usual_model()), (true, None));
        assert_eq!(both.usual_model(), Some("anthropic/claude-sonnet"));
        assert_eq!((both.gateway(), gateway.gateway().is_some()), (None, true));
        assert_eq!((gateway.usual_model(), ollama.usual_model()), (Some("openai/gpt-4o"), None));
        let base_url = ollama.access("ollama").and_then(|access| access.base_url.clone());
        assert_eq!(base_url.as_deref(), Some("http://127.0.0.1:11434/v1"));
        assert_eq!(format!("{both:?}").matches("sk-").count(), 0);
    }

    #[test]
    fn an_ollama_is_found_in_every_spelling_of_its_host() {
        for (host, address) in [
            ("gpu", "http://gpu:11434/v1"),
            ("gpu:80", "http://gpu:80/v1"),
            ("https://gpu.example.com/", "https://gpu.example.com:11434/v1"),
        ] {
            assert_eq!(ollama_address(host), address);
        }
    }
}
