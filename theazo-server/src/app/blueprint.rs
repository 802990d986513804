//! Blueprints: what an agent is made from, put together from its definition, what was asked for beside it, and what goes
//! over both.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use theazo_api::{
    AgentCreateOpts, AgentDefinition, AgentDefinitionId, AgentFailureAction, ComputeChoice, DurationInput,
    LifecycleConfig, ModelChoice, Problems, SessionId,
};

use super::{
    Context,
    agents::{NewAgent, refuse_own_providers},
    definitions::{DefinitionRecord, definition_named, find_definition},
    guardrails::refuse_unserved,
};
use crate::{
    error::{AppError, AppResult},
    store::{Tenant, View},
};

/// What an agent is made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blueprint {
    /// What it is made of in the end.
    pub opts: AgentCreateOpts,
    /// The definition that it is made from, if it is made from one.
    pub definition: Option<Pin>,
    /// How freely its model chooses its words.
    pub temperature: Option<f64>,
    /// How many tokens one answer of its model may have.
    pub max_output_tokens: Option<i64>,
}

/// A definition in the version that an agent was made from. Later versions change nothing about the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pin {
    /// The definition.
    pub id: AgentDefinitionId,
    /// The version.
    pub version: i64,
}

impl Blueprint {
    /// What the options of a new agent come to.
    fn of_options(view: &View<'_>, tenant: &Tenant, mut opts: AgentCreateOpts) -> AppResult<Self> {
        let definition = opts.definition.take();
        let overrides = opts.overrides.take();
        let mut blueprint = match definition {
            None => Self { opts, definition: None, temperature: None, max_output_tokens: None },
            Some(id) => Self::of_definition(&find_definition(view, tenant, &id)?, opts)?,
        };
        if let Some(overrides) = overrides {
            blueprint.opts = over(blueprint.opts, overrides.into())?;
        }
        blueprint.checked()
    }

    /// What the name of an agent, or the id of a definition, comes to.
    fn of_name(view: &View<'_>, tenant: &Tenant, name: &str, mut opts: AgentCreateOpts) -> AppResult<Self> {
        let defined = if name.starts_with(AgentDefinitionId::PREFIX) {
            Some(find_definition(view, tenant, &AgentDefinitionId::from(name))?)
        } else {
            definition_named(view, tenant, name)?
        };
        match defined {
            Some(definition) => Self::of_definition(&definition, opts)?.checked(),
            None => {
                opts.instructions.get_or_insert_with(|| {
                    format!(
                        "You are the agent `{name}`. Do the task with the tools that you have, and say what came of it."
                    )
                });
                opts.name = Some(name.to_owned());
                Ok(Self { opts, definition: None, temperature: None, max_output_tokens: None })
            }
        }
    }

    fn of_definition(record: &DefinitionRecord, opts: AgentCreateOpts) -> AppResult<Self> {
        let AgentDefinition { id, version, config, .. } = &record.data;
        Ok(Self {
            opts: over(defined_options(record), opts)?,
            definition: Some(Pin { id: id.clone(), version: *version }),
            temperature: config.temperature,
            max_output_tokens: config.max_tokens,
        })
    }

    /// What was right in each part need not be right together, and a definition can name what there no longer is.
    fn checked(self) -> AppResult<Self> {
        let problems = Problems::of(&self.opts);
        if problems.is_empty() { Ok(self) } else { Err(AppError::invalid_fields(&problems)) }
    }
}

/// What a definition says, as the options of an agent.
fn defined_options(record: &DefinitionRecord) -> AgentCreateOpts {
    let AgentDefinition {
        name,
        model,
        system_prompt,
        compute,
        provider,
        region,
        tools,
        browser,
        timeout_ms,
        config,
        ..
    } = record.data.clone();
    let retries = config.max_retries.filter(|retries| *retries > 0);
    AgentCreateOpts {
        name: Some(name),
        model: Some(ModelChoice::Id(model)),
        instructions: Some(system_prompt).filter(|prompt| !prompt.is_empty()),
        compute: Some(ComputeChoice::Runtime(compute)),
        provider,
        region,
        tools: (!record.every_tool).then_some(tools),
        browser: Some(browser),
        timeout: timeout_ms
            .map(|milliseconds| DurationInput(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)))),
        cost_cap: config.cost_cap,
        lifecycle: retries.map(|retries| LifecycleConfig {
            on_failure: Some(AgentFailureAction::Retry),
            max_retries: Some(retries),
            ..LifecycleConfig::default()
        }),
        ..AgentCreateOpts::default()
    }
}

/// Lays options over others: what they leave out stays as it was. Guardrails are laid over one by one, so that a change of
/// one lifts no other.
fn over(base: AgentCreateOpts, mut options: AgentCreateOpts) -> AppResult<AgentCreateOpts> {
    let json = |options| serde_json::to_value(options).map_err(AppError::internal);
    options.guardrails = match (&base.guardrails, options.guardrails) {
        (Some(beneath), Some(own)) => Some(own.over(beneath.clone())),
        (_, own) => own,
    };
    let mut merged = json(base)?;
    if let (Value::Object(merged), Value::Object(options)) = (&mut merged, json(options)?) {
        merged.extend(options);
    }
    serde_json::from_value(merged).map_err(AppError::internal)
}

impl Context {
    /// What an agent with these options is made of.
    pub(super) fn agent_with(&self, session_id: &SessionId, opts: AgentCreateOpts) -> AppResult<NewAgent> {
        if let Some(guardrails) = opts.overrides.as_ref().and_then(|overrides| overrides.guardrails.as_ref()) {
            refuse_unserved(guardrails, "overrides.guardrails.")?;
        }
        let blueprint = self.app.store.read(|view| Blueprint::of_options(view, &self.tenant, opts))?;
        self.new_agent(session_id, blueprint, false)
    }

    /// What a one-shot agent is made of that has this name, or is made from the definition with this id.
    pub(super) fn one_shot_agent(
        &self,
        session_id: &SessionId,
        name: &str,
        opts: AgentCreateOpts,
    ) -> AppResult<NewAgent> {
        let blueprint = self.app.store.read(|view| Blueprint::of_name(view, &self.tenant, name, opts))?;
        if blueprint.definition.is_none() && self.app.require_definitions {
            let message = format!("no agent is defined under the name `{name}`, and this plane runs only defined ones");
            return Err(AppError::new(theazo_api::ErrorCode::NotFound, message).with("agent", name));
        }
        self.new_agent(session_id, blueprint, true)
    }

    fn new_agent(&self, session_id: &SessionId, blueprint: Blueprint, one_shot: bool) -> AppResult<NewAgent> {
        let opts = &blueprint.opts;
        let provider = self.pick_provider(session_id, opts)?.name;
        refuse_own_providers(opts)?;
        if let Some(guardrails) = &opts.guardrails {
            refuse_unserved(guardrails, "guardrails.")?;
        }
        let model = self.pick_model(session_id, opts.model.as_ref())?;
        Ok(NewAgent { provider: provider.to_owned(), model, one_shot, blueprint })
    }
}
