//! Models: one interface to streaming completion with tools.

mod offline;
mod prices;
mod scripted;

use futures_util::stream::BoxStream;
use serde_json::{Map, Value};
use theazo_api::usage::TokenUsage;

pub use offline::OfflineModel;
pub use prices::{Price, price_of};
pub use scripted::ScriptedModel;

/// A model that can be asked.
pub trait Model: Send + Sync {
    /// The name of its provider.
    fn provider(&self) -> &'static str;

    /// Asks it. Dropping the stream ends the call.
    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>>;

    /// The most tokens that a request can be charged for: never fewer than the provider will count.
    fn bound(&self, request: &ModelRequest) -> TokenUsage;

    /// Whether the provider charges for a call whose answer was lost because this process died.
    fn charges_for_lost_calls(&self) -> bool;
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The same when a call is repeated, so that a provider can tell.
    pub call_id: String,
    /// The name of the agent.
    pub agent: String,
    /// The model.
    pub model: String,
    /// The system prompt.
    pub instructions: Option<String>,
    /// What was said so far.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Vec<ToolSpec>,
    /// At most how many tokens it may write.
    pub max_output_tokens: i64,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// By the user: a task.
    User(String),
    /// By the model.
    Assistant {
        /// What it wrote.
        text: String,
        /// The tools that it called.
        tool_calls: Vec<(String, Map<String, Value>)>,
    },
    /// By a tool.
    ToolResult {
        /// The name of the tool.
        tool: String,
        /// What it returned.
        output: String,
    },
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// The name.
    pub name: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// The JSON Schema of its input.
    pub input_schema: Value,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChunk {
    /// A piece of text.
    Text(String),
    /// A call of a tool.
    ToolCall {
        /// The name of the tool.
        tool: String,
        /// What it is given.
        input: Map<String, Value>,
    },
    /// The end, with what the provider counted.
    Finished(TokenUsage),
}

/// A model failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What the provider said.
    pub message: String,
}

/// About how many tokens a text has: one for every four characters.
pub fn estimate_tokens(text: &str) -> i64 {
    i64::try_from(text.len().div_ceil(4)).unwrap_or(i64::MAX)
}

/// About how many tokens a request has.
pub fn estimate_request_tokens(request: &ModelRequest) -> i64 {
    let map_length = |map: &Map<String, Value>| map.iter().map(|(k, v)| k.len() + v.to_string().len()).sum::<usize>();
    let messages = request.messages.iter().map(|message| match message {
        Message::User(text) => text.len(),
        Message::Assistant { text, tool_calls } => {
            text.len() + tool_calls.iter().map(|(tool, input)| tool.len() + map_length(input)).sum::<usize>()
        }
        Message::ToolResult { tool, output } => tool.len() + output.len(),
    });
    let tools = request.tools.iter().map(|tool| tool.description.len() + tool.input_schema.to_string().len());
    let bytes = messages.sum::<usize>() + tools.sum::<usize>() + request.instructions.as_deref().map_or(0, str::len);
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}
