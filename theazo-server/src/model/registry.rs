//! Which models can be asked, and who plays them.

use std::sync::{Arc, OnceLock};

use reqwest::Client;

use super::{
    AnthropicModel, Model, ModelEntry, ModelKeys, OpenAiModel, Price, ProviderAccess, Table,
    providers::{self, KnownProvider, OLLAMA, Protocol},
    wire::{Way, first_model, http_client},
};
use crate::outbound::OutboundClient;

/// The model that needs no network.
const OFFLINE: &str = "offline";

/// How many tokens an answer may have of a model that is not in the table.
const ANSWER_OF_UNKNOWN: i64 = 8192;

/// Which models can be asked, and who plays them.
pub struct Models {
    table: Table,
    keys: ModelKeys,
    default_id: String,
    offline: Arc<dyn Model>,
    /// Plays every model of a test plane.
    scripted: Option<Arc<dyn Model>>,
    /// Made when it is first needed: many planes never ask a model over the network.
    client: OnceLock<Result<Client, String>>,
    outbound: OutboundClient,
}

/// A model that can be asked.
#[derive(Clone)]
pub struct ChosenModel {
    /// Who plays it.
    pub model: Arc<dyn Model>,
    /// Its name at its provider.
    pub upstream: String,
    /// What it costs.
    pub price: Price,
    /// How many tokens an answer may have where nobody says.
    pub answer: i64,
    /// How many tokens an answer can have.
    pub max_output: i64,
}

/// A model cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelChoiceError {
    /// Nobody knows it.
    #[error("no model `{id}` is known here; there is {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Nobody knows what it costs, so no limit could hold.
    #[error("the model `{id}` has no price here; add it to the table of models, or use a key of your own account")]
    NoPrice {
        /// What was asked for.
        id: String,
    },
    /// Its provider has no key here.
    #[error("the model `{id}` needs a key of `{provider}`: {how}")]
    NoKey {
        /// What was asked for.
        id: String,
        /// Its provider.
        provider: String,
        /// How to give one.
        how: String,
    },
    /// Nobody knows where its provider is.
    #[error("the provider `{provider}` is not known here, so its address must be given")]
    NoAddress {
        /// The provider.
        provider: String,
    },
    /// No connection to any provider can be made from here.
    #[error("no provider of models can be reached: {0}")]
    NoNetwork(String),
}

impl Models {
    /// The models of a table, with the keys for them. On a test plane `scripted` plays them all.
    ///
    /// Without a `default_id` the default is a model of the first provider that there is a key of.
    ///
    /// # Errors
    ///
    /// When `default_id` cannot be asked.
    pub async fn new(
        table: Table,
        keys: ModelKeys,
        default_id: Option<String>,
        offline: Arc<dyn Model>,
        scripted: Option<Arc<dyn Model>>,
        outbound: OutboundClient,
    ) -> Result<Self, ModelChoiceError> {
        let default = default_id.clone().unwrap_or_default();
        let mut models =
            Self { table, keys, default_id: default, offline, scripted, client: OnceLock::new(), outbound };
        match default_id {
            Some(id) => drop(models.choose(&id)?),
            None => models.default_id = models.usual_id().await,
        }
        Ok(models)
    }

    /// The model that is used where neither a caller nor the operator of the plane names one.
    async fn usual_id(&self) -> String {
        if self.scripted.is_some() {
            return OFFLINE.to_owned();
        }
        if let Some(id) = self.keys.usual_model() {
            return id.to_owned();
        }
        let Some(base_url) = self.keys.access(OLLAMA).and_then(|access| access.base_url.as_deref()) else {
            return OFFLINE.to_owned();
        };
        let first = match self.client() {
            Ok(client) => first_model(&client, base_url).await,
            Err(_) => None,
        };
        match first {
            Some(name) => format!("{OLLAMA}/{name}"),
            None => {
                tracing::warn!(
                    base_url,
                    "there is no Ollama with a model where OLLAMA_HOST says; the default is offline"
                );
                OFFLINE.to_owned()
            }
        }
    }

    fn client(&self) -> Result<Client, ModelChoiceError> {
        self.client.get_or_init(http_client).clone().map_err(ModelChoiceError::NoNetwork)
    }

    /// The models that are known.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The model that is used where none is asked for.
    pub fn default_id(&self) -> &str {
        &self.default_id
    }

    /// The name of the provider of a model, whether it is known or not.
    pub fn provider_of<'a>(&'a self, id: &'a str) -> &'a str {
        match self.table.find(id) {
            Some(entry) => &entry.provider,
            None => id.split_once('/').map_or(id, |(provider, _)| provider),
        }
    }

    /// The model that is used where none is asked for, of those of one provider.
    pub fn usual_of(&self, provider: &str) -> Option<&'static str> {
        providers::known(provider).and_then(|known| known.usual_model)
    }

    /// Whether it is the model that needs no provider.
    pub fn is_offline(&self, id: &str) -> bool {
        id == OFFLINE
    }

    /// A model of the simulated world: whatever it is called, the offline one plays it.
    pub fn simulated(&self, id: &str) -> ChosenModel {
        let entry = self.table.find(id).or_else(|| self.table.find(OFFLINE));
        chosen(self.offline.clone(), entry, id)
    }

    /// A model of the real world, or of a test plane, over the plane's own keys.
    pub fn choose(&self, id: &str) -> Result<ChosenModel, ModelChoiceError> {
        let entry = self.table.find(id);
        if let Some(scripted) = &self.scripted {
            return Ok(chosen(scripted.clone(), Some(entry.ok_or_else(|| self.unknown(id))?), id));
        }
        if id == OFFLINE {
            return Ok(chosen(self.offline.clone(), entry, id));
        }
        let provider = self.provider_of(id);
        if let Some(access) = self.keys.access(provider) {
            let model = connect(Way::Trusted(self.client()?), provider, access);
            return match entry {
                Some(entry) => Ok(chosen(model, Some(entry), id)),
                // The operator's own machine, which sends no bill.
                None if provider == OLLAMA => Ok(chosen(model, None, own_name(id, provider))),
                None => Err(ModelChoiceError::NoPrice { id: id.to_owned() }),
            };
        }
        match (entry, self.keys.gateway()) {
            (Some(entry), Some(gateway)) => {
                let model = connect(Way::Trusted(self.client()?), "openai", gateway);
                Ok(ChosenModel { upstream: id.to_owned(), ..chosen(model, Some(entry), id) })
            }
            (Some(entry), None) => Err(self.no_key(id, &entry.provider)),
            (None, _) => Err(self.unknown(id)),
        }
    }

    /// A model over a key of the customer's own, who pays its provider.
    pub fn choose_own(
        &self,
        id: &str,
        provider: &str,
        access: &ProviderAccess,
    ) -> Result<ChosenModel, ModelChoiceError> {
        let is_known = providers::known(provider).is_some_and(KnownProvider::is_public);
        if access.base_url.is_none() && !is_known {
            return Err(ModelChoiceError::NoAddress { provider: provider.to_owned() });
        }
        let model = match (&self.scripted, &access.base_url) {
            (Some(scripted), _) => scripted.clone(),
            (None, Some(_)) => connect(Way::Guarded(self.outbound.clone()), provider, access),
            (None, None) => connect(Way::Trusted(self.client()?), provider, access),
        };
        let entry = self.table.find(id);
        let known_name = entry.filter(|entry| entry.provider == provider).map(|entry| entry.upstream.clone());
        let upstream = known_name.unwrap_or_else(|| own_name(id, provider).to_owned());
        Ok(ChosenModel { price: Price::FREE, upstream, ..chosen(model, entry, id) })
    }

    fn unknown(&self, id: &str) -> ModelChoiceError {
        let known = self.table.entries().iter().map(|entry| entry.id.clone()).collect();
        ModelChoiceError::Unknown { id: id.to_owned(), known }
    }

    fn no_key(&self, id: &str, provider: &str) -> ModelChoiceError {
        let own = format!("give the account one with `PUT /v1/providers/{provider}`");
        let how = match providers::known(provider).and_then(|known| known.key_variable) {
            Some(variable) => format!("set {variable} where the control plane runs, or {own}"),
            None => own,
        };
        ModelChoiceError::NoKey { id: id.to_owned(), provider: provider.to_owned(), how }
    }
}

fn connect(way: Way, provider: &str, access: &ProviderAccess) -> Arc<dyn Model> {
    let known = providers::known(provider);
    let base_url = access.base_url.as_deref().or(known.map(|known| known.base_url)).unwrap_or_default();
    let key = access.key.clone();
    match known.map(|known| known.protocol) {
        Some(Protocol::Messages) => Arc::new(AnthropicModel::new(way, provider, base_url, key)),
        // A gateway of any name speaks it.
        Some(Protocol::ChatCompletions) | None => Arc::new(OpenAiModel::new(way, provider, base_url, key)),
    }
}

/// The name of a model at its provider, where the table does not know it.
fn own_name<'a>(id: &'a str, provider: &str) -> &'a str {
    id.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id)
}

fn chosen(model: Arc<dyn Model>, entry: Option<&ModelEntry>, upstream: &str) -> ChosenModel {
    ChosenModel {
        model,
        upstream: entry.map_or(upstream, |entry| &entry.upstream).to_owned(),
        price: entry.map_or(Price::FREE, |entry| entry.price),
        answer: entry.map_or(ANSWER_OF_UNKNOWN, |entry| entry.answer),
        max_output: entry.map_or(ANSWER_OF_UNKNOWN, |entry| entry.max_output),
    }
}
