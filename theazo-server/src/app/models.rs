//! Models: which ones agents can use, whose keys they are asked with, and what they cost.

use theazo_api::{
    AgentModelConfig, Cost, ErrorCode, ModelChoice, Page, SessionId,
    models::{Model, ModelCapability, ModelCost, ModelEstimate, ModelEstimateOpts, ModelListOpts},
};

use super::{App, Context, credentials::Credentials, providers::find_provider, session_providers::check_reference};
use crate::{
    error::{AppError, AppResult},
    model::{ChosenModel, ModelChoiceError, ModelEntry, ProviderAccess, TokenCount, margin_on},
    records::AgentRecord,
    store::{Tenant, World},
};

/// How many models a page has where the caller does not say: all of them, usually.
const DEFAULT_LIMIT: i64 = 100;

/// The provider of a gateway that has no name.
const GATEWAY: &str = "openai";

/// The providers of models that customers can bring, in the order in which their usual models are preferred.
const OWN_PROVIDERS: [&str; 2] = ["anthropic", "openai"];

impl App {
    /// The model that an agent asks.
    pub fn model_of(&self, tenant: &Tenant, agent: &AgentRecord) -> AppResult<ChosenModel> {
        self.model(tenant, &agent.data.session_id, &agent.data.model, agent.model_config.as_ref())
    }

    /// A model over the customer's own way to it, or else over the plane's.
    fn model(
        &self,
        tenant: &Tenant,
        session_id: &SessionId,
        id: &str,
        config: Option<&AgentModelConfig>,
    ) -> AppResult<ChosenModel> {
        if tenant.world() == World::Test {
            return Ok(self.models.simulated(id));
        }
        if config.is_none() && self.models.is_offline(id) {
            return Ok(self.models.choose(id)?);
        }
        let provider = config.and_then(provider_in).unwrap_or_else(|| self.models.provider_of(id));
        if let Some(access) = self.own_access(tenant, session_id, provider, config)? {
            return Ok(self.models.choose_own(id, provider, &access)?);
        }
        // A gateway of the customer's own has the models of other providers, too.
        let gateway = self.credentials_for(tenant, session_id, GATEWAY)?.filter(|own| own.base_url.is_some());
        match gateway {
            Some(gateway) => Ok(self.models.choose_own(id, GATEWAY, &access_of(gateway))?),
            None => Ok(self.models.choose(id)?),
        }
    }

    /// The customer's own way to a provider, if there is one.
    fn own_access(
        &self,
        tenant: &Tenant,
        session_id: &SessionId,
        provider: &str,
        config: Option<&AgentModelConfig>,
    ) -> AppResult<Option<ProviderAccess>> {
        let base_url = config.and_then(|config| config.base_url.clone());
        if let Some(name) = config.and_then(|config| config.credential_ref.as_deref()) {
            let key = Some(self.credential(tenant, provider, name)?);
            return Ok(Some(ProviderAccess { base_url, key }));
        }
        let own = self.credentials_for(tenant, session_id, provider)?.map(access_of);
        Ok(match (own, base_url) {
            (Some(own), base_url) => Some(ProviderAccess { base_url: base_url.or(own.base_url), key: own.key }),
            (None, Some(base_url)) => Some(ProviderAccess { base_url: Some(base_url), key: None }),
            (None, None) => None,
        })
    }
}

impl Context {
    /// The id of the model to use: the one asked for, or the default. One that cannot be asked is refused.
    pub(super) fn pick_model(&self, session_id: &SessionId, asked: Option<&ModelChoice>) -> AppResult<String> {
        let config = match asked {
            Some(ModelChoice::Config(config)) => Some(config),
            _ => None,
        };
        if let Some(config) = config {
            let reference = config.credential_ref.as_deref();
            let field = "model.credentialRef";
            self.app.store.read(|view| check_reference(view, &self.tenant, field, reference))?;
            if config.base_url.is_some() && config.name.is_none() {
                return Err(AppError::invalid_field("model.name", "must be given where `baseUrl` is"));
            }
        }
        let provider = config.and_then(|config| config.provider.as_deref());
        let id = match (asked.and_then(ModelChoice::id), provider) {
            (Some(named), Some(provider)) if self.app.models.provider_of(named) != provider => {
                format!("{provider}/{named}")
            }
            (Some(named), _) => named.to_owned(),
            (None, Some(provider)) => {
                let message = format!("must be given, because nobody knows a usual model of `{provider}`");
                let usual = self.app.models.usual_of(provider);
                usual.ok_or_else(|| AppError::invalid_field("model.name", message))?.to_owned()
            }
            (None, None) => self.default_model(session_id)?,
        };
        self.app.model(&self.tenant, session_id, &id, config)?;
        Ok(id)
    }

    /// The model that is used where none is asked for: the usual one of the provider that the customer has a key of, or
    /// else the plane's.
    fn default_model(&self, session_id: &SessionId) -> AppResult<String> {
        for provider in OWN_PROVIDERS {
            let own = self.app.credentials_for(&self.tenant, session_id, provider)?;
            // What a gateway has is not known.
            let usual = own.filter(|own| own.base_url.is_none()).and_then(|_| self.app.models.usual_of(provider));
            if let Some(id) = usual {
                return Ok(id.to_owned());
            }
        }
        Ok(self.app.models.default_id().to_owned())
    }

    /// Lists the models that agents can use, by id.
    pub fn list_models(&self, opts: &ModelListOpts) -> AppResult<Page<Model>> {
        let limit = usize::try_from(opts.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
        let after = opts.cursor.as_deref().unwrap_or_default();
        let entries = self.app.models.table().entries();
        let mut rest = entries.into_iter().filter(|entry| entry.id.as_str() > after);
        let data: Vec<Model> = rest.by_ref().take(limit).map(shown).collect();
        let has_more = rest.next().is_some();
        let cursor = data.last().filter(|_| has_more).map(|model| model.id.clone()).unwrap_or_default();
        Ok(Page { data, has_more, cursor })
    }

    /// Fetches a model.
    pub fn get_model(&self, id: &str) -> AppResult<Model> {
        let entry = self.app.models.table().find(id);
        entry.map(shown).ok_or_else(|| {
            AppError::new(
                ErrorCode::NotFound,
                format!("there is no model `{id}`; `GET /v1/models` lists those there are"),
            )
        })
    }

    /// Estimates what a call of a model costs.
    pub fn estimate_model(&self, opts: &ModelEstimateOpts) -> AppResult<ModelEstimate> {
        let models = &self.app.models;
        let Some(entry) = models.table().find(&opts.model) else {
            let message = format!("is not a model that is known here; there is {}", ids(&models.table().entries()));
            return Err(AppError::invalid_field("model", message));
        };
        let tokens = TokenCount::plain(opts.input_tokens, opts.output_tokens);
        let own = self.app.store.read(|view| find_provider(view, &self.tenant, &entry.provider))?;
        let provider = entry.price.of_provider(tokens);
        let margin = if own.is_some() { 0 } else { margin_on(entry.price, tokens) };
        let (model_cost, total) = (Cost::from_micro_cents(provider), Cost::from_micro_cents(provider + margin));
        // The rest, so that the cents add up.
        let theazo_margin = Cost { amount: total.amount - model_cost.amount, ..Cost::from_micro_cents(margin) };
        Ok(ModelEstimate { estimated_cost: ModelCost { model_cost, theazo_margin, total } })
    }
}

/// A customer's credentials as a way to a provider.
fn access_of(own: Credentials) -> ProviderAccess {
    ProviderAccess { key: own.api_key().cloned(), base_url: own.base_url }
}

/// The provider that a configuration names, or means.
fn provider_in(config: &AgentModelConfig) -> Option<&str> {
    config.provider.as_deref().or_else(|| config.base_url.is_some().then_some(GATEWAY))
}

fn ids(entries: &[&ModelEntry]) -> String {
    entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ")
}

fn shown(entry: &ModelEntry) -> Model {
    let mut capabilities = vec![ModelCapability::Text, ModelCapability::ToolUse];
    if entry.vision {
        capabilities.insert(1, ModelCapability::Vision);
    }
    // Thousandths of a cent.
    let cents = |price: i64| price as f64 / 1000.0;
    Model {
        id: entry.id.clone(),
        name: entry.name.clone(),
        provider: entry.provider.clone(),
        max_tokens: entry.context,
        capabilities,
        input_cost_per1_m: cents(entry.price.input),
        output_cost_per1_m: cents(entry.price.output),
    }
}

impl From<ModelChoiceError> for AppError {
    fn from(error: ModelChoiceError) -> Self {
        let message = error.to_string();
        let unavailable = |id: String| Self::new(ErrorCode::NoProvidersAvailable, message.clone()).with("model", id);
        match error {
            ModelChoiceError::Unknown { id, .. } | ModelChoiceError::NoPrice { id } => {
                Self::invalid_field("model", message).with("model", id)
            }
            ModelChoiceError::NoKey { id, provider, .. } => unavailable(id).with("provider", provider),
            ModelChoiceError::NoAddress { .. } => Self::invalid_field("model.baseUrl", message),
            ModelChoiceError::NoNetwork(_) => Self::new(ErrorCode::NoProvidersAvailable, message),
        }
    }
}
