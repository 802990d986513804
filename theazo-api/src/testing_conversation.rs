//! What a model is asked, as a function of a test that stands in for the model sees it.

use serde::{Deserialize, Serialize};

use crate::testing::ScriptedToolCall;

/// What a model is asked.
///
/// It does not cross the wire: a function that answers for a model lives in the process of the test plane.
///
/// ```
/// use theazo_api::testing::{Conversation, ConversationMessage};
///
/// fn last_task(conversation: &Conversation) -> Option<&str> {
///     conversation.messages.iter().rev().find_map(|message| match message {
///         ConversationMessage::User { text } => Some(text.as_str()),
///         _ => None,
///     })
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// The name of the agent.
    pub agent: String,
    /// The model, as its provider names it.
    pub model: String,
    /// The system prompt.
    pub instructions: Option<String>,
    /// What was said so far, the oldest first.
    pub messages: Vec<ConversationMessage>,
    /// The names of the tools that the model may call.
    pub tools: Vec<String>,
}

/// Something that was said.
///
/// ```
/// use theazo_api::testing::ConversationMessage;
///
/// let task = ConversationMessage::User { text: "analyze competitor pricing".to_owned() };
/// assert_eq!(serde_json::to_value(task).unwrap()["role"], "user");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ConversationMessage {
    /// By the user: a task.
    User {
        /// The task.
        text: String,
    },
    /// By the model.
    Assistant {
        /// What it wrote.
        text: String,
        /// The tools that it called.
        tool_calls: Vec<ScriptedToolCall>,
    },
    /// By a tool.
    Tool {
        /// The name of the tool.
        tool: String,
        /// What it returned.
        output: String,
        /// Whether it failed.
        failed: bool,
    },
}
