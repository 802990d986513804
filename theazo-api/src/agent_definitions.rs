//! Agent definitions: what agents are made from, kept under a name, in versions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    agents::{ComputeRuntime, check_name, check_runtime},
    check::{Check, Problems},
    compatible::{Compatible, accept, compatible, serve},
    endpoint::{Method, Repeat, Reply, endpoints},
    id::AgentDefinitionId,
    money::Cost,
    page::Page,
    patch::Patch,
    sessions::check_page_limit,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Defines an agent under a name: its first version.
    ///
    /// Wherever the name of an agent is asked for, the name or the id of a definition may be given. Of two definitions with
    /// one name the newest counts.
    DefineAgent: Post "/v1/agent-definitions" => "agents.define",
        body: AgentDefinitionOpts, response: AgentDefinition,
        with {
            positional: &["name"], status: 201, strict: &["config.costCap"],
            older: &[(Method::Post, "/v1/agents/definitions")],
        };

    /// Lists the agent definitions, each in its newest version, the newest definition first.
    ListAgentDefinitions: Get "/v1/agent-definitions" => "agents.definitions",
        query: AgentDefinitionListOpts, response: Page<AgentDefinition>,
        with { bare_list: true, older: &[(Method::Get, "/v1/agents/definitions")] };

    /// Fetches an agent definition, in its newest version or an earlier one.
    GetAgentDefinition: Get "/v1/agent-definitions/{definitionId}" => "agents.getDefinition",
        path: AgentDefinitionPath, query: AgentDefinitionGetOpts, response: AgentDefinition,
        with { ours: true };

    /// Changes what is given of an agent definition and keeps the rest, as a new version.
    ///
    /// Agents that were made from an earlier version stay as they are. Repeated with the same idempotency key it answers with
    /// the version that it made, and leaves what was changed since as it is.
    UpdateAgentDefinition: Put "/v1/agent-definitions/{definitionId}" => "agents.updateDefinition",
        path: AgentDefinitionPath, body: AgentDefinitionUpdate, response: AgentDefinition,
        with {
            strict: &["config.costCap"], repeat: Repeat::Keyed,
            older: &[
                (Method::Patch, "/v1/agent-definitions/{definitionId}"),
                (Method::Put, "/v1/agents/definitions/{definitionId}"),
                (Method::Patch, "/v1/agents/definitions/{definitionId}"),
            ],
        };

    /// Goes back to an earlier version of an agent definition: what it says becomes a new version.
    RollBackAgentDefinition: Post "/v1/agent-definitions/{definitionId}/rollback" => "agents.rollback",
        path: AgentDefinitionPath, body: AgentDefinitionRollbackOpts, response: AgentDefinition,
        with {
            positional: &["version"], older: &[(Method::Post, "/v1/agents/definitions/{definitionId}/rollback")],
        };

    /// Lists the versions of an agent definition, the newest first.
    ListAgentDefinitionVersions: Get "/v1/agent-definitions/{definitionId}/versions" => "agents.versions",
        path: AgentDefinitionPath, query: AgentDefinitionListOpts, response: Page<AgentDefinitionVersion>,
        with {
            bare_list: true, older: &[(Method::Get, "/v1/agents/definitions/{definitionId}/versions")],
        };

    /// Makes a definition of its own of what an agent definition says in its newest version.
    DuplicateAgentDefinition: Post "/v1/agent-definitions/{definitionId}/duplicate" => "agents.duplicateDefinition",
        path: AgentDefinitionPath, body: AgentDefinitionDuplicateOpts, response: AgentDefinition,
        with { status: 201, ours: true };

    /// Removes an agent definition with all its versions. Agents that were made from it go on.
    DeleteAgentDefinition: Delete "/v1/agent-definitions/{definitionId}" => "agents.deleteDefinition",
        path: AgentDefinitionPath,
        with { status: 204, reply: Reply::Empty, ours: true };
}

/// The path of an agent definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionPath {
    /// The agent definition.
    pub definition_id: AgentDefinitionId,
}

/// What a new agent definition says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AgentDefinitionOpts {
    /// The name.
    pub name: String,
    /// What the agent is for, for people; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The model; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The system prompt; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The language of the sandbox; `python` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeRuntime>,
    /// The provider of the sandbox; the plane's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region; the provider's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The tools that the model may use; all built-in ones by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Whether agents need a browser; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// How long one run of an agent may take; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// How the model is asked, and what runs may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<AgentDefinitionConfig>,
}

compatible!(AgentDefinitionOpts by functions);

impl Compatible for AgentDefinitionOpts {
    const TOUCHED: &[&str] = OTHER_FORMS;

    fn accept(members: &mut Map<String, Value>) {
        accept_other_forms(members);
    }
}

/// The members that stand in other forms.
const OTHER_FORMS: &[&str] = &["instructions", "systemPrompt", "compute", "provider", "region"];

/// Takes the prompt by its other name, and `compute` with a provider and a region in it.
fn accept_other_forms(members: &mut Map<String, Value>) {
    accept(members, "instructions", "systemPrompt");
    let Some(Value::Object(compute)) = members.get_mut("compute") else { return };
    let compute = std::mem::take(compute);
    members.remove("compute");
    for (theirs, ours) in [("runtime", "compute"), ("provider", "provider"), ("region", "region")] {
        if let Some(value) = compute.get(theirs)
            && members.get(ours).is_none_or(Value::is_null)
        {
            members.insert(ours.to_owned(), value.clone());
        }
    }
}

impl Check for AgentDefinitionOpts {
    fn check(&self, problems: &mut Problems) {
        check_name(&self.name, "name", problems);
        check_contents(self.model.as_deref(), self.compute.as_ref(), self.tools.as_deref(), problems);
        check_timeout(self.timeout, problems);
        if let Some(config) = &self.config {
            problems.within("config", config);
        }
    }
}

fn check_contents(
    model: Option<&str>,
    compute: Option<&ComputeRuntime>,
    tools: Option<&[String]>,
    problems: &mut Problems,
) {
    problems.require(model.is_none_or(|model| !model.trim().is_empty()), "model", "must name a model");
    if let Some(compute) = compute {
        check_runtime(compute, "compute", problems);
    }
    let is_named = tools.into_iter().flatten().all(|tool| !tool.trim().is_empty());
    problems.require(is_named, "tools", "must not have an empty name");
}

fn check_timeout(timeout: Option<DurationInput>, problems: &mut Problems) {
    let is_long = timeout.is_none_or(|timeout| !timeout.0.is_zero());
    problems.require(is_long, "timeout", "must be longer than nothing");
}

/// How a model is asked, and what runs may cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionConfig {
    /// How freely the model chooses its words, 0 to 2; the model's default if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How many tokens one answer of the model may have; the model's limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// How often a run that failed is tried again; never by default, 100 times at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// What each run of an agent may cost; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_cap: Option<Cost>,
}

impl Check for AgentDefinitionConfig {
    fn check(&self, problems: &mut Problems) {
        if let Some(temperature) = self.temperature {
            problems.require((0.0..=2.0).contains(&temperature), "temperature", "must be a number from 0 to 2");
        }
        if let Some(max_tokens) = self.max_tokens {
            problems.require(max_tokens >= 1, "maxTokens", "must be a whole number from 1");
        }
        if let Some(max_retries) = self.max_retries {
            let is_count = (0..=100).contains(&max_retries);
            problems.require(is_count, "maxRetries", "must be a whole number from 0 to 100");
        }
        if let Some(cost_cap) = &self.cost_cap {
            problems.within("costCap", cost_cap);
        }
    }
}

/// An agent definition in one of its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AgentDefinition {
    /// The id.
    pub id: AgentDefinitionId,
    /// The name.
    pub name: String,
    /// What the agent is for, for people.
    #[serde(default)]
    pub description: String,
    /// The version: 1, and one more with each change.
    pub version: i64,
    /// The model.
    pub model: String,
    /// The system prompt.
    #[serde(default)]
    pub system_prompt: String,
    /// The language of the sandbox.
    pub compute: ComputeRuntime,
    /// The provider of the sandbox; absent if it is the plane's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region; absent if it is the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The tools that the model may use.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Whether agents need a browser.
    #[serde(default)]
    pub browser: bool,
    /// How long one run of an agent may take, for people; empty if there is no limit.
    #[serde(default)]
    pub timeout: String,
    /// How long one run of an agent may take, in milliseconds; absent if there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
    /// How the model is asked, and what runs may cost.
    #[serde(default)]
    pub config: AgentDefinitionConfig,
    /// When it was defined.
    pub created_at: Timestamp,
    /// When this version was made; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

compatible!(AgentDefinition by functions);

impl Compatible for AgentDefinition {
    const TOUCHED: &[&str] = &["instructions"];

    fn accept(members: &mut Map<String, Value>) {
        accept(members, "instructions", "systemPrompt");
    }

    fn serve(members: &mut Map<String, Value>) {
        serve(members, "systemPrompt", "instructions");
    }
}

/// Which agent definitions, or which versions of one, to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for AgentDefinitionListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which version of an agent definition to fetch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionGetOpts {
    /// The version; the newest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl Check for AgentDefinitionGetOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(version) = self.version {
            check_version(version, problems);
        }
    }
}

fn check_version(version: i64, problems: &mut Problems) {
    problems.require(version >= 1, "version", "must be a whole number from 1");
}

/// What changes in an agent definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AgentDefinitionUpdate {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the agent is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The language of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeRuntime>,
    /// The provider of the sandbox; null for the plane's default.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub provider: Patch<String>,
    /// The region; null for the provider's default.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub region: Patch<String>,
    /// The tools that the model may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Whether agents need a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// How long one run of an agent may take; null for no limit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub timeout: Patch<DurationInput>,
    /// How the model is asked, and what runs may cost, in the place of what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<AgentDefinitionConfig>,
    /// What changes and why, for people; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog: Option<String>,
}

compatible!(AgentDefinitionUpdate by functions);

impl Compatible for AgentDefinitionUpdate {
    const TOUCHED: &[&str] = OTHER_FORMS;

    fn accept(members: &mut Map<String, Value>) {
        accept_other_forms(members);
    }
}

impl Check for AgentDefinitionUpdate {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(name, "name", problems);
        }
        check_contents(self.model.as_deref(), self.compute.as_ref(), self.tools.as_deref(), problems);
        check_timeout(self.timeout.value().copied(), problems);
        if let Some(config) = &self.config {
            problems.within("config", config);
        }
    }
}

/// The version to go back to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionRollbackOpts {
    /// The version to go back to.
    pub version: i64,
}

impl Check for AgentDefinitionRollbackOpts {
    fn check(&self, problems: &mut Problems) {
        check_version(self.version, problems);
    }
}

/// A version of an agent definition; `agents.getDefinition` fetches what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionVersion {
    /// The version.
    pub version: i64,
    /// What changed and why, for people.
    #[serde(default)]
    pub changelog: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How the copy of an agent definition differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinitionDuplicateOpts {
    /// The name of the copy; that of the original with `-copy` after it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Check for AgentDefinitionDuplicateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(name, "name", problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn a_definition_is_accepted_in_every_published_form() {
        let ours = json!({
            "name": "researcher", "systemPrompt": "Name your sources.", "provider": "e2b", "region": "us-east-1",
            "timeout": "900000ms",
        });
        let read = |json| serde_json::from_value::<AgentDefinitionOpts>(json).unwrap();

        let store = read(json!({
            "name": "researcher", "systemPrompt": "Name your sources.", "timeout": "15m",
            "compute": { "provider": "e2b", "region": "us-east-1" },
        }));
        let older = read(json!({ "name": "a", "instructions": "Be brief.", "compute": "node" }));

        assert_eq!(serde_json::to_value(&store).unwrap(), ours);
        assert_eq!(store, read(ours));
        assert_eq!(older, read(json!({ "name": "a", "systemPrompt": "Be brief.", "compute": "node" })));
    }

    #[test]
    fn an_update_is_accepted_in_every_published_form() {
        let read = |json| serde_json::from_value::<AgentDefinitionUpdate>(json).unwrap();

        let theirs = read(json!({ "instructions": "Be brief.", "compute": { "runtime": "go", "region": null } }));

        assert_eq!(theirs, read(json!({ "systemPrompt": "Be brief.", "compute": "go", "region": null })));
        assert_eq!((theirs.region, theirs.provider), (Patch::Clear, Patch::Keep));
    }

    #[test]
    fn a_prompt_is_served_under_both_names() {
        let published = json!({
            "id": "adef_1", "name": "a", "version": 1, "model": "gpt-4o", "instructions": "Be brief.",
            "compute": "python", "createdAt": "2026-11-24T09:00:00.000Z",
        });

        let definition: AgentDefinition = serde_json::from_value(published).unwrap();
        let served = for_published_clients(|| serde_json::to_value(&definition).unwrap());

        assert_eq!(definition.system_prompt, "Be brief.");
        assert_eq!((&served["instructions"], &served["systemPrompt"]), (&json!("Be brief."), &json!("Be brief.")));
    }
}
