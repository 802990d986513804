//! Models: which ones agents can use, what they can do, and what they cost.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Repeat, endpoints},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
};

endpoints! {
    /// Lists the models that agents can use, by id.
    ListModels: Get "/v1/models" => "models.list",
        query: ModelListOpts, response: Page<Model>;

    /// Fetches a model.
    GetModel: Get "/v1/models/{modelId...}" => "models.get",
        path: ModelPath, response: Model;

    /// Estimates what a call of a model costs. Nothing is called and nothing is charged.
    EstimateModel: Post "/v1/models/estimate" => "models.estimate",
        body: ModelEstimateOpts, response: ModelEstimate,
        with { positional: &["model", "inputTokens", "outputTokens"], repeat: Repeat::Idempotent };
}

/// The path of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelPath {
    /// The id of the model, for example `anthropic/claude-sonnet`.
    pub model_id: String,
}

/// Which models to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelListOpts {
    /// How many items a page has at most: 1 to 100, 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ModelListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

open_enum! {
    /// What a model can do.
    ModelCapability {
        /// It reads and writes text.
        Text = "text",
        /// It sees images.
        Vision = "vision",
        /// It calls tools.
        ToolUse = "tool_use",
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The id, as agents name it: the provider, `/` and the provider's own name.
    pub id: String,
    /// The name, for people.
    pub name: String,
    /// The provider.
    #[serde(default)]
    pub provider: String,
    /// How many tokens a call can have, what goes in and what comes out together.
    pub max_tokens: i64,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<ModelCapability>,
    /// What a million tokens that go in cost, in cents, without the margin of managed models.
    #[serde(rename = "inputCostPer1M")]
    pub input_cost_per1_m: f64,
    /// What a million tokens that come out cost, in cents, without the margin of managed models.
    #[serde(rename = "outputCostPer1M")]
    pub output_cost_per1_m: f64,
}

/// A call to estimate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelEstimateOpts {
    /// The id of the model.
    pub model: String,
    /// How many tokens go in.
    pub input_tokens: i64,
    /// How many tokens come out.
    pub output_tokens: i64,
}

/// More tokens than any call has, and few enough that no price makes an amount that cannot be counted.
const MAX_TOKENS: i64 = 1_000_000_000;

impl Check for ModelEstimateOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.model.trim().is_empty(), "model", "must be the id of a model");
        for (field, tokens) in [("inputTokens", self.input_tokens), ("outputTokens", self.output_tokens)] {
            problems.require((0..=MAX_TOKENS).contains(&tokens), field, "must be a whole number from 0 to 1000000000");
        }
    }
}

/// What a call of a model costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelEstimate {
    /// What it costs, part by part.
    pub estimated_cost: ModelCost,
}

/// What a call of a model costs, part by part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelCost {
    /// What the provider takes.
    pub model_cost: Cost,
    /// What managed models cost on top: a tenth. Nothing for models of your own account with the provider.
    pub theazo_margin: Cost,
    /// Both together.
    pub total: Cost,
}
