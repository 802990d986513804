//! Models: which ones agents can use, whose keys they are asked with, and what they cost.

use theazo_api::{
    AgentModelConfig, Cost, ErrorCode, ModelChoice, Page, SessionId,
    models::{Model, ModelCapability, ModelCost, ModelEstimate, ModelEstimateOpts, ModelListOpts},
};

use super::{App, Context};
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

impl App {
    /// The model that an agent asks.
    pub fn model_of(&self, tenant: &Tenant, agent: &AgentRecord) -> AppResult<ChosenModel> {
        self.model(tenant, &agent.data.session_id, &agent.data.model, agent.model_config.as_ref())
    }

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
        let provider = config.and_then(provider_in).unwrap_or_else(|| self.models.provider_of(id));
        match self.own_access(tenant, session_id, provider, config)? {
            Some(access) => Ok(self.models.choose_own(id, provider, &access)?),
            None => Ok(self.models.choose(id)?),
        }
    }

    /// The customer's own way to a provider, if there is one.
    fn own_access(
        &self,
        _tenant: &Tenant,
        _session_id: &SessionId,
        _provider: &str,
        config: Option<&AgentModelConfig>,
    ) -> AppResult<Option<ProviderAccess>> {
        let Some(config) = config else { return Ok(None) };
        if config.credential_ref.is_some() || config.base_url.is_some() {
            let message = "keys and gateways of your own are part of the API, but this version does not serve them";
            return Err(AppError::new(ErrorCode::NotImplemented, message).with("field", "model"));
        }
        Ok(None)
    }
}

impl Context {
    /// The id of the model to use: the one asked for, or the default. One that cannot be asked is refused.
    pub(super) fn pick_model(&self, session_id: &SessionId, asked: Option<&ModelChoice>) -> AppResult<String> {
        let config = match asked {
            Some(ModelChoice::Config(config)) => Some(config),
            _ => None,
        };
        let named = asked.and_then(ModelChoice::id).unwrap_or_else(|| self.app.models.default_id());
        let id = match config.and_then(|config| config.provider.as_deref()) {
            Some(provider) if self.app.models.provider_of(named) != provider => format!("{provider}/{named}"),
            _ => named.to_owned(),
        };
        self.app.model(&self.tenant, session_id, &id, config)?;
        Ok(id)
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
        let [provider, margin] = [entry.price.of_provider(tokens), margin_on(entry.price, tokens)];
        let (model_cost, total) = (Cost::from_micro_cents(provider), Cost::from_micro_cents(provider + margin));
        // The rest, so that the cents add up.
        let theazo_margin = Cost { amount: total.amount - model_cost.amount, ..Cost::from_micro_cents(margin) };
        Ok(ModelEstimate { estimated_cost: ModelCost { model_cost, theazo_margin, total } })
    }
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
            ModelChoiceError::NoNetwork(_) => Self::new(ErrorCode::NoProvidersAvailable, message),
        }
    }
}
