//! What a model answers, piece by piece.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TokenCount;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChunk {
    /// A piece of text.
    Text(String),
    /// Something that the model thought, in the form that its provider wants back.
    Reasoning(Value),
    /// A call of a tool. Its input is whole.
    ToolCall(ToolRequest),
    /// The end.
    Finished {
        /// What the provider counted.
        tokens: TokenCount,
        /// Why the model stopped.
        stop: StopReason,
    },
}

/// A call of a tool that a model asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRequest {
    /// The name that the provider gave the call, by which it knows the result.
    pub id: String,
    /// The name of the tool.
    pub tool: String,
    /// What it is given.
    pub input: Map<String, Value>,
}

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had no more to say.
    #[default]
    EndTurn,
    /// It wants tools to be called.
    ToolUse,
    /// It wrote as much as it may.
    MaxTokens,
}
