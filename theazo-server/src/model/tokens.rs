//! Tokens: counted by a provider, or estimated.

use serde_json::{Map, Value};
use theazo_api::usage::TokenUsage;

use super::{Message, ModelRequest};

/// The tokens of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// All that went in, what came from a cache and went into one included.
    pub input: i64,
    /// All that came out, what the model thought included.
    pub output: i64,
    /// The part of `input` that the provider had in its cache.
    pub cache_read: i64,
    /// The part of `input` that the provider put into its cache.
    pub cache_write: i64,
    /// The part of `output` that the model thought.
    pub reasoning: i64,
}

impl TokenCount {
    /// Nothing cached and nothing thought.
    pub fn plain(input: i64, output: i64) -> Self {
        Self { input, output, ..Self::default() }
    }

    /// As usage shows it.
    pub fn usage(self) -> TokenUsage {
        TokenUsage { input: self.input, output: self.output }
    }
}

/// About how many tokens a text has: one for every four bytes.
pub fn estimate_tokens(text: &str) -> i64 {
    tokens_of(text.len())
}

/// About how many tokens a request has.
pub fn estimate_request_tokens(request: &ModelRequest) -> i64 {
    tokens_of(request_bytes(request))
}

/// The most tokens that a request can have: no model makes more than one of a byte, and each message and the list of tools
/// come with a few of their own.
pub fn most_request_tokens(request: &ModelRequest) -> i64 {
    const EACH_MESSAGE: usize = 16;
    const LIST_OF_TOOLS: usize = 1024;
    let calls = request.messages.iter().map(|message| match message {
        Message::Assistant { tool_calls, .. } => 1 + tool_calls.len(),
        _ => 1,
    });
    let around = (1 + calls.sum::<usize>()) * EACH_MESSAGE;
    let tools = if request.tools.is_empty() { 0 } else { LIST_OF_TOOLS };
    i64::try_from(request_bytes(request) + around + tools).unwrap_or(i64::MAX)
}

fn tokens_of(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}

/// How many bytes of text a request has.
fn request_bytes(request: &ModelRequest) -> usize {
    let map_length = |map: &Map<String, Value>| map.iter().map(|(k, v)| k.len() + json_bytes(v)).sum::<usize>();
    let messages = request.messages.iter().map(|message| match message {
        Message::User(text) => text.len(),
        Message::Assistant { text, tool_calls, reasoning } => {
            let calls = tool_calls.iter().map(|call| call.tool.len() + map_length(&call.input));
            let thoughts = reasoning.iter().map(json_bytes);
            text.len() + calls.sum::<usize>() + thoughts.sum::<usize>()
        }
        Message::ToolResult { tool, output, .. } => tool.len() + output.len(),
    });
    let tools = request.tools.iter().map(|tool| tool.description.len() + tool.input_schema.bytes());
    messages.sum::<usize>() + tools.sum::<usize>() + request.instructions.as_deref().map_or(0, str::len)
}

/// How many bytes a value has as JSON.
pub(super) fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);

    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // Neither a value nor a counter can fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}
