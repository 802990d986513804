//! The events of a chat completions answer.

use std::{collections::BTreeMap, pin::pin};

use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value};

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
            match data {
                Ok(data) if data.trim() == "[DONE]" => break,
                Ok(data) => match answer.read(&data, &endpoint) {
                    Ok(Some(chunk)) => yield Ok(chunk),
                    Ok(None) => {}
                    Err(error) => return yield Err(answer.charge(error)),
                },
                // Some gateways drop the connection behind the last event.
                Err(_) if answer.counted.is_some() && !answer.stop.is_empty() => break,
                Err(error) => return yield Err(answer.charge(error)),
            }
        }
        match answer.finish() {
            Ok(chunks) => {
                for chunk in chunks {
                    yield Ok(chunk);
                }
            }
            Err(error) => yield Err(answer.charge(error)),
        }
    }
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    calls: BTreeMap<u64, Fragments>,
    counted: Option<TokenCount>,
    prompt_estimate: i64,
    /// About how many tokens came, for the bill of an answer that is cut or that nobody counted.
    written: i64,
    has_begun: bool,
    stop: String,
}

/// A call of a tool as it comes: its name first, then its input in pieces.
#[derive(Default)]
struct Fragments {
    id: String,
    name: String,
    arguments: String,
}

impl Answer {
    fn read(&mut self, data: &str, endpoint: &Endpoint) -> Result<Option<ModelChunk>, ModelError> {
        let event: Value = serde_json::from_str(data).map_err(|_| unreadable("an event is not JSON"))?;
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(endpoint.complain(&Complaint::read(&event), classify));
        }
        self.has_begun = true;
        if event["usage"].is_object() {
            self.counted = Some(count(&event["usage"]));
        }
        let choice = &event["choices"][0];
        if let Some(reason) = choice["finish_reason"].as_str() {
            reason.clone_into(&mut self.stop);
        }
        let delta = &choice["delta"];
        for (position, call) in (0..).zip(delta["tool_calls"].as_array().into_iter().flatten()) {
            self.add(call["index"].as_u64().unwrap_or(position), call);
        }
        // A refusal is said in a field of its own; it is an answer like any other.
        let piece = [&delta["content"], &delta["refusal"]].into_iter().find_map(Value::as_str);
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return Ok(None) };
        self.written += estimate_tokens(piece);
        Ok(Some(ModelChunk::Text(piece.to_owned())))
    }

    fn add(&mut self, index: u64, fragment: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let call = self.calls.entry(index).or_default();
        // Gateways repeat the name, or send it with every fragment: the first one counts.
        if call.id.is_empty() {
            call.id = text(&fragment["id"]);
        }
        if call.name.is_empty() {
            call.name = text(&fragment["function"]["name"]);
        }
        let piece = text(&fragment["function"]["arguments"]);
        self.written += estimate_tokens(&piece);
        call.arguments.push_str(&piece);
    }

    fn finish(&mut self) -> Result<Vec<ModelChunk>, ModelError> {
        let stop = match self.stop.as_str() {
            "" => return Err(ModelError::new(ModelErrorKind::ConnectionCut, "the answer ended before it was whole")),
            "content_filter" => {
                return Err(ModelError::new(ModelErrorKind::ContentRefused, "the provider refuses the content"));
            }
            "length" => StopReason::MaxTokens,
            // Gateways say `stop` where tools are called, too.
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        };
        let mut chunks = Vec::new();
        for call in std::mem::take(&mut self.calls).into_values() {
            let input = if call.arguments.trim().is_empty() {
                Ok(Map::new())
            } else {
                serde_json::from_str(&call.arguments).map_err(|_| match stop {
                    StopReason::MaxTokens => {
                        let message = "the answer was cut in the middle of a tool call";
                        ModelError::new(ModelErrorKind::AnswerTooLong, message)
                    }
                    _ => unreadable("the input of a tool call is not a JSON object"),
                })
            };
            chunks.push(ModelChunk::ToolCall(ToolRequest { id: call.id, tool: call.name, input: input? }));
        }
        chunks.push(ModelChunk::Finished { tokens: self.tokens(), stop });
        Ok(chunks)
    }

    fn tokens(&self) -> TokenCount {
        self.counted.unwrap_or_else(|| TokenCount::plain(self.prompt_estimate, self.written))
    }

    /// An error after what has come. The provider charges for what it read and wrote, if it began to.
    fn charge(&self, error: ModelError) -> ModelError {
        if self.has_begun { error.after(self.tokens()) } else { error }
    }
}

fn count(usage: &Value) -> TokenCount {
    let number = |value: &Value| value.as_i64().unwrap_or(0).max(0);
    TokenCount {
        input: number(&usage["prompt_tokens"]),
        output: number(&usage["completion_tokens"]),
        cache_read: number(&usage["prompt_tokens_details"]["cached_tokens"]),
        cache_write: number(&usage["prompt_tokens_details"]["cache_write_tokens"]),
        reasoning: number(&usage["completion_tokens_details"]["reasoning_tokens"]),
    }
}

fn unreadable(message: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Unreadable, message)
}
