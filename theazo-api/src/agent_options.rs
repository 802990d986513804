//! What an agent is made of: the options of its creation, and those that go over its definition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    agent_network::NetworkAccess,
    agent_policies::{ApprovalConfig, LifecycleConfig, LongRunningOpts, MetadataExtraction},
    agents::{BUILT_IN_TOOLS, ComputeRuntime, check_name, check_runtime},
    check::{Check, Problems},
    choice::choice,
    compatible::compatible,
    guardrails::GuardrailConfig,
    id::AgentDefinitionId,
    money::Cost,
    providers::{check_address, check_credential_ref, check_credentials, check_provider},
    secret::Secret,
    secrets::check_secret_name,
    size::parse_size,
    time::DurationInput,
};

/// What a new agent is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AgentCreateOpts {
    /// The name of the agent, used in logs and to pick its script on a test plane; `agent` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of the sandbox, or whose machine it is on as well; `python` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeChoice>,
    /// Whether the agent needs a browser; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// How much room the sandbox has for files: a number and a unit, for example `10GB` or `512MiB`; what the provider gives by
    /// default. More than a provider can give is refused with `no_providers_available`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The graphics processor of the sandbox, as the provider names it; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The model; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The tools that the model may use; all that the plane has by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// The MCP servers whose tools the model may use; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpChoice>,
    /// The knowledge that the agent may search; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgeChoice>,
    /// How long one run of the agent may take; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What each run of the agent may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_cap: Option<Cost>,
    /// The provider of the sandbox; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider of the sandbox where `provider` has none to give; none by default: then the call fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_fallback: Option<String>,
    /// The region; `local` where the provider has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the agent must ask for before it does it; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalConfig>,
    /// What is read out of the agent's answers; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataExtraction>,
    /// What may go into the model and come out of it; what is left out is as the account has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailConfig>,
    /// When the agent pauses by itself, and what happens when a run fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<LifecycleConfig>,
    /// How the agent works for hours or days; as any other agent if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_running: Option<LongRunningOpts>,
    /// The names of the secrets that the sandbox finds in its environment; all of the session's and none of the account's
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// What the programs of the sandbox may reach of the network; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAccess>,
    /// The definition that the agent is made from; what is given beside it goes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<AgentDefinitionId>,
    /// What goes over the definition, and over what is given beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<AgentOverrides>,
}

compatible!(AgentCreateOpts, accepts { "systemPrompt" as "instructions" });

impl Check for AgentCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(name, "name", problems);
        }
        match &self.compute {
            Some(ComputeChoice::Runtime(runtime)) => check_runtime(runtime, "compute", problems),
            Some(ComputeChoice::Config(config)) => problems.within("compute", config),
            None => {}
        }
        match &self.model {
            Some(ModelChoice::Id(id)) => problems.require(!id.trim().is_empty(), "model", "must name a model"),
            Some(ModelChoice::Config(config)) => problems.within("model", config),
            None => {}
        }
        if let Some(Err(problem)) = self.storage.as_deref().map(parse_size) {
            problems.add("storage", problem);
        }
        for tool in self.tools.iter().flatten() {
            if !BUILT_IN_TOOLS.contains(&tool.as_str()) {
                let known = BUILT_IN_TOOLS.join(", ");
                problems.add("tools", format!("has `{tool}`, which is no tool; there are {known}"));
            }
        }
        check_sources(self.mcp.as_ref(), self.knowledge.as_ref(), problems);
        if let Some(timeout) = self.timeout {
            problems.require(!timeout.0.is_zero(), "timeout", "must be longer than nothing");
        }
        if let Some(cost_cap) = &self.cost_cap {
            problems.within("costCap", cost_cap);
        }
        if let Some(approvals) = &self.approvals {
            problems.within("approvals", approvals);
        }
        if let Some(metadata) = &self.metadata {
            problems.within("metadata", metadata);
        }
        if let Some(guardrails) = &self.guardrails {
            problems.within("guardrails", guardrails);
        }
        if let Some(lifecycle) = &self.lifecycle {
            problems.within("lifecycle", lifecycle);
        }
        if let Some(long_running) = &self.long_running {
            problems.within("longRunning", long_running);
        }
        if let Some(network) = &self.network {
            problems.within("network", network);
        }
        for secret in self.secrets.iter().flatten() {
            check_secret_name(secret, "secrets", problems);
        }
        if let Some(overrides) = &self.overrides {
            problems.within("overrides", overrides);
        }
    }
}

/// What goes over the definition that an agent is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AgentOverrides {
    /// The name of the agent, used in logs and to pick its script on a test plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of the sandbox, or whose machine it is on as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeChoice>,
    /// Whether the agent needs a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// How much room the sandbox has for files: a number and a unit, for example `10GB` or `512MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The graphics processor of the sandbox, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The tools that the model may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// The MCP servers whose tools the model may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpChoice>,
    /// The knowledge that the agent may search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgeChoice>,
    /// How long one run of the agent may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What each run of the agent may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_cap: Option<Cost>,
    /// The provider of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider of the sandbox where `provider` has none to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_fallback: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the agent must ask for before it does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalConfig>,
    /// What is read out of the agent's answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataExtraction>,
    /// What may go into the model and come out of it; what is left out stays as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailConfig>,
    /// When the agent pauses by itself, and what happens when a run fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<LifecycleConfig>,
    /// How the agent works for hours or days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_running: Option<LongRunningOpts>,
    /// The names of the secrets that the sandbox finds in its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// What the programs of the sandbox may reach of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAccess>,
}

compatible!(AgentOverrides, accepts { "systemPrompt" as "instructions" });

impl Check for AgentOverrides {
    fn check(&self, problems: &mut Problems) {
        AgentCreateOpts::from(self.clone()).check(problems);
    }
}

impl From<AgentOverrides> for AgentCreateOpts {
    fn from(overrides: AgentOverrides) -> Self {
        Self {
            name: overrides.name,
            compute: overrides.compute,
            browser: overrides.browser,
            storage: overrides.storage,
            gpu: overrides.gpu,
            model: overrides.model,
            instructions: overrides.instructions,
            tools: overrides.tools,
            mcp: overrides.mcp,
            knowledge: overrides.knowledge,
            timeout: overrides.timeout,
            cost_cap: overrides.cost_cap,
            provider: overrides.provider,
            provider_fallback: overrides.provider_fallback,
            region: overrides.region,
            approvals: overrides.approvals,
            metadata: overrides.metadata,
            guardrails: overrides.guardrails,
            lifecycle: overrides.lifecycle,
            long_running: overrides.long_running,
            secrets: overrides.secrets,
            network: overrides.network,
            definition: None,
            overrides: None,
        }
    }
}

choice! {
    /// The language of a sandbox, or whose machine it is on as well.
    ComputeChoice {
        /// The language.
        text Runtime(ComputeRuntime),
        /// The provider, with the language, the region and your own credentials.
        object Config(ComputeConfig),
    }
}

impl ComputeChoice {
    /// The language, if one is chosen.
    ///
    /// ```
    /// use theazo_api::{ComputeChoice, ComputeRuntime};
    ///
    /// assert_eq!(ComputeChoice::from("python").runtime(), Some(&ComputeRuntime::Python));
    /// ```
    pub fn runtime(&self) -> Option<&ComputeRuntime> {
        match self {
            Self::Runtime(runtime) => Some(runtime),
            Self::Config(config) => config.runtime.as_ref(),
        }
    }
}

impl From<&str> for ComputeChoice {
    fn from(runtime: &str) -> Self {
        Self::Runtime(runtime.into())
    }
}

/// Whose machine a sandbox is on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComputeConfig {
    /// The name of the provider, for example `e2b`.
    pub provider: String,
    /// The language of the sandbox; `python` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<ComputeRuntime>,
    /// The region; the provider's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name of the account's secret that has the key; the account's own key for the provider by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
    /// The credentials themselves, by the names that the provider gives them, for example `apiKey`. They are sealed and
    /// never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeMap<String, Secret>>,
    /// The address that is called, where the provider is `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl Check for ComputeConfig {
    fn check(&self, problems: &mut Problems) {
        check_provider(&self.provider, problems);
        if let Some(runtime) = &self.runtime {
            check_runtime(runtime, "runtime", problems);
        }
        check_credentials(self.credentials.as_ref(), self.credential_ref.as_deref(), problems);
        check_address(self.endpoint.as_deref(), "endpoint", problems);
    }
}

choice! {
    /// The model of an agent.
    ModelChoice {
        /// Its id, for example `anthropic/claude-sonnet`.
        text Id(String),
        /// Its provider or gateway, with its id there.
        object Config(AgentModelConfig),
    }
}

impl ModelChoice {
    /// The id of the model, if one is chosen.
    ///
    /// ```
    /// use theazo_api::ModelChoice;
    ///
    /// assert_eq!(ModelChoice::from("anthropic/claude-sonnet").id(), Some("anthropic/claude-sonnet"));
    /// ```
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Config(config) => config.name.as_deref(),
        }
    }
}

impl From<&str> for ModelChoice {
    fn from(id: &str) -> Self {
        Self::Id(id.to_owned())
    }
}

/// A model at a provider or a gateway of your own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentModelConfig {
    /// The name of the provider, for example `anthropic`; a gateway at `baseUrl` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The address of a gateway that speaks as OpenAI does; the provider's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The name of the account's secret that has the key; the account's own key for the provider by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<String>,
    /// The id of the model there; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Check for AgentModelConfig {
    fn check(&self, problems: &mut Problems) {
        if let Some(provider) = &self.provider {
            check_provider(provider, problems);
        }
        check_address(self.base_url.as_deref(), "baseUrl", problems);
        check_credential_ref(self.credential_ref.as_deref(), problems);
        if let Some(name) = &self.name {
            problems.require(!name.trim().is_empty(), "name", "must name a model");
        }
    }
}

choice! {
    /// The knowledge that an agent may search.
    KnowledgeChoice {
        /// All collections of the user, or none.
        flag All(bool),
        /// The name of one collection of the user.
        text Collection(String),
        /// The names or ids of several.
        list Ids(Vec<String>),
    }
}

impl From<&str> for KnowledgeChoice {
    fn from(collection: &str) -> Self {
        Self::Collection(collection.to_owned())
    }
}

choice! {
    /// The MCP servers whose tools a model may use.
    McpChoice {
        /// All connections of the account: `*`.
        text All(String),
        /// The names of connections.
        list Names(Vec<String>),
    }
}

impl From<&str> for McpChoice {
    fn from(all: &str) -> Self {
        Self::All(all.to_owned())
    }
}

/// Checks where the tools and the knowledge of an agent come from.
pub(crate) fn check_sources(mcp: Option<&McpChoice>, knowledge: Option<&KnowledgeChoice>, problems: &mut Problems) {
    let is_blank = |name: &String| name.trim().is_empty();
    match mcp {
        Some(McpChoice::All(all)) => problems.require(all == "*", "mcp", "must be `*` or a list of names"),
        Some(McpChoice::Names(names)) => {
            problems.require(!names.iter().any(is_blank), "mcp", "must not have an empty name");
        }
        None => {}
    }
    let has_blank = match knowledge {
        Some(KnowledgeChoice::Collection(name)) => is_blank(name),
        Some(KnowledgeChoice::Ids(ids)) => ids.iter().any(is_blank),
        Some(KnowledgeChoice::All(_)) | None => false,
    };
    problems.require(!has_blank, "knowledge", "must not have an empty name");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: Value) -> AgentCreateOpts {
        serde_json::from_value(json).unwrap()
    }

    fn problems(json: Value) -> Vec<String> {
        Problems::of(&read(json)).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_system_prompt_is_accepted_as_instructions_also_in_overrides() {
        let theirs = json!({ "systemPrompt": "Be brief.", "overrides": { "systemPrompt": "Be kind." } });
        let ours = json!({ "instructions": "Be brief.", "overrides": { "instructions": "Be kind." } });

        assert_eq!(read(theirs), read(ours.clone()));
        assert_eq!(serde_json::to_value(read(ours.clone())).unwrap(), ours);
    }

    #[test]
    fn a_language_and_a_model_are_found_in_each_form() {
        let short = read(json!({ "compute": "node", "model": "gpt-4o" }));
        let long = read(json!({
            "compute": { "provider": "e2b", "credentialRef": "e2b_key", "runtime": "node" },
            "model": { "baseUrl": "https://openrouter.ai/api/v1", "name": "gpt-4o" },
        }));

        for opts in [short, long] {
            assert_eq!(opts.compute.as_ref().and_then(ComputeChoice::runtime), Some(&ComputeRuntime::Node));
            assert_eq!(opts.model.as_ref().and_then(ModelChoice::id), Some("gpt-4o"));
        }
        assert_eq!(read(json!({ "compute": { "provider": "e2b" } })).compute.unwrap().runtime(), None);
    }

    #[test]
    fn what_is_wrong_is_found_in_overrides_too() {
        assert_eq!(
            problems(json!({ "compute": "cobol", "mcp": "all", "knowledge": ["kb_docs", " "] })),
            ["compute", "mcp", "knowledge"]
        );
        assert_eq!(
            problems(json!({ "overrides": { "timeout": 0, "model": { "baseUrl": "x" } } })),
            ["overrides.model.baseUrl", "overrides.timeout"]
        );
        assert_eq!(problems(json!({ "mcp": "*", "knowledge": true, "secrets": ["hubspot_api_key"] })), [""; 0]);
    }
}
