//! What a model is asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use super::{chunk::ToolRequest, tokens::json_bytes};

/// What a tool is said to have returned when nobody knows what it did.
const NEVER_RETURNED: &str = "error: the call was interrupted and its outcome is not known";

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The same when a call is repeated, so that a provider can tell.
    pub call_id: String,
    /// The name of the agent.
    pub agent: String,
    /// The model, as its provider names it.
    pub model: String,
    /// The system prompt.
    pub instructions: Option<String>,
    /// What was said so far.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Vec<Arc<ToolSpec>>,
    /// At most how many tokens it may write.
    pub max_output_tokens: i64,
    /// How freely it chooses its words; as the provider has it if absent.
    pub temperature: Option<f64>,
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
        tool_calls: Vec<ToolRequest>,
        /// What it thought, in the form that its provider wants back; nobody else reads it.
        reasoning: Vec<Value>,
    },
    /// By a tool.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// The name of the tool.
        tool: String,
        /// What it returned.
        output: String,
        /// Whether it failed.
        failed: bool,
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
    pub input_schema: InputSchema,
}

/// The JSON Schema of a tool's input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSchema {
    schema: Value,
    /// Every request is measured, and a schema stays as it is.
    bytes: usize,
}

impl InputSchema {
    /// A schema.
    pub fn new(schema: Value) -> Self {
        let bytes = json_bytes(&schema);
        Self { schema, bytes }
    }

    /// The schema as it is sent.
    pub fn as_value(&self) -> &Value {
        &self.schema
    }

    /// How many bytes it has as JSON.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A conversation as providers accept it: the result of every call stands right behind the message that asked for it, in
/// the order of the calls, and no message is empty. A run that was cut short leaves calls without results, and tools that
/// work side by side return in any order.
pub fn well_formed(messages: &[Message]) -> Vec<Message> {
    let mut results: HashMap<&str, VecDeque<&Message>> = HashMap::new();
    for message in messages {
        if let Message::ToolResult { call_id, .. } = message {
            results.entry(call_id).or_default().push_back(message);
        }
    }
    let mut ordered = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::User(_) => ordered.push(message.clone()),
            Message::Assistant { text, tool_calls, .. } if text.trim().is_empty() && tool_calls.is_empty() => {}
            Message::Assistant { tool_calls, .. } => {
                ordered.push(message.clone());
                for call in tool_calls {
                    let result = results.get_mut(call.id.as_str()).and_then(VecDeque::pop_front);
                    ordered.push(result.cloned().unwrap_or_else(|| Message::ToolResult {
                        call_id: call.id.clone(),
                        tool: call.tool.clone(),
                        output: NEVER_RETURNED.to_owned(),
                        failed: true,
                    }));
                }
            }
            Message::ToolResult { .. } => {}
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn asks(calls: &[&str]) -> Message {
        let tool_calls = calls
            .iter()
            .map(|id| ToolRequest { id: (*id).to_owned(), tool: "run_code".to_owned(), input: Map::new() })
            .collect();
        Message::Assistant { text: String::new(), tool_calls, reasoning: Vec::new() }
    }

    fn returns(call_id: &str, output: &str, failed: bool) -> Message {
        let (call_id, tool, output) = (call_id.to_owned(), "run_code".to_owned(), output.to_owned());
        Message::ToolResult { call_id, tool, output, failed }
    }

    #[test]
    fn results_stand_behind_their_calls_in_the_order_of_the_calls() {
        let user = |text: &str| Message::User(text.to_owned());
        let said = [
            user("go"),
            asks(&["a", "b", "c"]),
            returns("c", "third", false),
            user("hurry"),
            returns("a", "first", false),
            asks(&[]),
            Message::Assistant { text: " \n".to_owned(), tool_calls: Vec::new(), reasoning: Vec::new() },
            returns("nobody asked", "for this", false),
        ];

        assert_eq!(
            well_formed(&said),
            [
                user("go"),
                asks(&["a", "b", "c"]),
                returns("a", "first", false),
                returns("b", NEVER_RETURNED, true),
                returns("c", "third", false),
                user("hurry"),
            ]
        );
    }
}
