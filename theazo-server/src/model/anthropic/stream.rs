//! The events of a Messages answer.

use std::{collections::BTreeMap, pin::pin};

use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value, json};

use super::{
    super::{
        ModelChunk, ModelError, ModelErrorKind, ModelRequest, StopReason, TokenCount, ToolRequest,
        estimate_request_tokens, estimate_tokens,
        wire::{Complaint, Endpoint},
    },
    classify,
};

/// The pieces of an answer.
pub fn chunks(
    events: impl Stream<Item = Result<String, ModelError>> + Send,
    endpoint: Endpoint,
    request: &ModelRequest,
) -> impl Stream<Item = Result<ModelChunk, ModelError>> + Send {
    let mut answer = Answer { prompt_estimate: estimate_request_tokens(request), ..Answer::default() };
    async_stream::stream! {
        let mut events = pin!(events);
        while let Some(data) = events.next().await {
            let read = data.and_then(|data| answer.read(&data, &endpoint));
            match read {
                Ok(chunks) => {
                    for chunk in chunks {
                        yield Ok(chunk);
                    }
                    if answer.is_whole {
                        return;
                    }
                }
                Err(error) => return yield Err(answer.charge(error)),
            }
        }
        let cut = ModelError::new(ModelErrorKind::ConnectionCut, "the answer ended before it was whole");
        yield Err(answer.charge(cut));
    }
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    blocks: BTreeMap<u64, Block>,
    /// What the provider counted so far; nothing until it says so.
    counted: Option<TokenCount>,
    prompt_estimate: i64,
    /// About how many tokens came, for the bill of an answer that is cut.
    written: i64,
    stop: String,
    is_whole: bool,
}

/// A part of an answer that has begun.
enum Block {
    Text,
    Tool {
        id: String,
        name: String,
        initial: Map<String, Value>,
        json: String,
    },
    /// Something to be sent back as it is; `thinking` and `signature` come in pieces.
    Opaque(Value),
}

impl Answer {
    fn read(&mut self, data: &str, endpoint: &Endpoint) -> Result<Vec<ModelChunk>, ModelError> {
        let event: Value = serde_json::from_str(data).map_err(|_| unreadable("an event is not JSON"))?;
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.count(&event["message"]["usage"]),
            "content_block_start" => return Ok(self.start(index, &event["content_block"])),
            "content_block_delta" => return Ok(self.extend(index, &event["delta"]).into_iter().collect()),
            "content_block_stop" => return Ok(self.finish_block(index)?.into_iter().collect()),
            "message_delta" => {
                self.count(&event["usage"]);
                if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                    reason.clone_into(&mut self.stop);
                }
            }
            "message_stop" => return Ok(vec![self.finish()?]),
            "error" => return Err(endpoint.complain(&Complaint::read(&event), classify)),
            // Pings, and what is not known yet.
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Counts are totals so far, and say only what has changed.
    fn count(&mut self, usage: &Value) {
        let before = self.counted.unwrap_or_default();
        let number = |name: &str, before: i64| usage[name].as_i64().unwrap_or(before).max(0);
        let cache_read = number("cache_read_input_tokens", before.cache_read);
        let cache_write = number("cache_creation_input_tokens", before.cache_write);
        let fresh = number("input_tokens", before.input - before.cache_read - before.cache_write);
        let details = &usage["output_tokens_details"];
        self.counted = Some(TokenCount {
            input: fresh + cache_read + cache_write,
            output: number("output_tokens", before.output),
            cache_read,
            cache_write,
            reasoning: details["thinking_tokens"].as_i64().unwrap_or(before.reasoning),
        });
    }

    fn start(&mut self, index: u64, block: &Value) -> Vec<ModelChunk> {
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let begun = match block["type"].as_str().unwrap_or_default() {
            "text" => Block::Text,
            "tool_use" => Block::Tool {
                id: text("id"),
                name: text("name"),
                initial: block["input"].as_object().cloned().unwrap_or_default(),
                json: String::new(),
            },
            "thinking" | "redacted_thinking" => Block::Opaque(block.clone()),
            // Blocks of tools that run at the provider, which we never ask for.
            _ => return Vec::new(),
        };
        self.blocks.insert(index, begun);
        let first = text("text");
        if first.is_empty() { Vec::new() } else { vec![ModelChunk::Text(first)] }
    }

    fn extend(&mut self, index: u64, delta: &Value) -> Option<ModelChunk> {
        let block = self.blocks.get_mut(&index)?;
        let kind = delta["type"].as_str().unwrap_or_default();
        let name = match kind {
            "text_delta" => "text",
            "input_json_delta" => "partial_json",
            "thinking_delta" => "thinking",
            "signature_delta" => "signature",
            _ => return None,
        };
        let piece = delta[name].as_str().filter(|piece| !piece.is_empty())?;
        self.written += estimate_tokens(piece);
        match block {
            Block::Text if kind == "text_delta" => return Some(ModelChunk::Text(piece.to_owned())),
            Block::Tool { json, .. } if kind == "input_json_delta" => json.push_str(piece),
            Block::Opaque(value) => {
                let so_far = value[name].as_str().unwrap_or_default();
                value[name] = json!(format!("{so_far}{piece}"));
            }
            _ => {}
        }
        None
    }

    fn finish_block(&mut self, index: u64) -> Result<Option<ModelChunk>, ModelError> {
        Ok(match self.blocks.remove(&index) {
            Some(Block::Tool { id, name, initial, json }) if json.is_empty() => {
                Some(ModelChunk::ToolCall(ToolRequest { id, tool: name, input: initial }))
            }
            Some(Block::Tool { id, name, json, .. }) => match serde_json::from_str(&json) {
                Ok(input) => Some(ModelChunk::ToolCall(ToolRequest { id, tool: name, input })),
                // The reason comes with the end of the message; a call that is cut by the limit is no broken answer.
                Err(_) => {
                    self.blocks.insert(index, Block::Tool { id, name, initial: Map::new(), json });
                    None
                }
            },
            Some(Block::Opaque(value)) => Some(ModelChunk::Reasoning(value)),
            Some(Block::Text) | None => None,
        })
    }

    fn finish(&mut self) -> Result<ModelChunk, ModelError> {
        let has_open_call = self.blocks.values().any(|block| matches!(block, Block::Tool { .. }));
        let stop = match self.stop.as_str() {
            "refusal" => Err((ModelErrorKind::ContentRefused, "the model refuses to answer")),
            "model_context_window_exceeded" => {
                Err((ModelErrorKind::ContextTooLong, "the conversation is longer than the model can read"))
            }
            "max_tokens" if has_open_call => {
                Err((ModelErrorKind::AnswerTooLong, "the answer was cut in the middle of a tool call"))
            }
            _ if has_open_call => Err((ModelErrorKind::Unreadable, "the input of a tool call is not a JSON object")),
            "max_tokens" => Ok(StopReason::MaxTokens),
            "tool_use" => Ok(StopReason::ToolUse),
            _ => Ok(StopReason::EndTurn),
        };
        let stop = stop.map_err(|(kind, message)| ModelError::new(kind, message))?;
        self.is_whole = true;
        Ok(ModelChunk::Finished { tokens: self.tokens(), stop })
    }

    /// What the provider counted; what it must have counted, as far as it does not say.
    fn tokens(&self) -> TokenCount {
        let counted = self.counted.unwrap_or_default();
        match self.counted {
            Some(_) if counted.input > 0 => TokenCount { output: counted.output.max(1), ..counted },
            _ => TokenCount::plain(self.prompt_estimate, counted.output.max(self.written)),
        }
    }

    /// An error after what has come. The provider charges for what it read and wrote, if it began to.
    fn charge(&self, error: ModelError) -> ModelError {
        if self.counted.is_none() && self.written == 0 {
            return error;
        }
        let tokens = self.tokens();
        error.after(TokenCount { output: tokens.output.max(self.written), ..tokens })
    }
}

fn unreadable(message: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unreadable, message)
}
