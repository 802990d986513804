//! The scripted model: it answers what a test told it to, and the offline model answers when the script is used up.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::stream::{self, BoxStream, StreamExt};
use theazo_api::{testing::ScriptedTurn, usage::TokenUsage};

use super::{Model, ModelChunk, ModelError, ModelRequest, OfflineModel, estimate_request_tokens, estimate_tokens};

/// Answers by agent, in the order in which they were scripted.
#[derive(Default)]
pub struct ScriptedModel {
    scripts: Mutex<HashMap<String, VecDeque<ScriptedTurn>>>,
    offline: OfflineModel,
}

impl ScriptedModel {
    /// Adds answers of an agent behind those that it already has.
    pub fn script(&self, agent: &str, turns: Vec<ScriptedTurn>) {
        self.scripts().entry(agent.to_owned()).or_default().extend(turns);
    }

    fn scripts(&self) -> MutexGuard<'_, HashMap<String, VecDeque<ScriptedTurn>>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count of tokens that a provider can give: not negative, and its price is an amount that fits.
fn possible(tokens: i64) -> i64 {
    tokens.clamp(0, 1_000_000_000_000)
}

impl Model for ScriptedModel {
    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
        let Some(turn) = self.scripts().get_mut(&request.agent).and_then(VecDeque::pop_front) else {
            return self.offline.complete(request);
        };
        if let Some(message) = turn.error {
            return stream::iter([Err(ModelError { message })]).boxed();
        }
        let text = turn.text.unwrap_or_default();
        let tokens = TokenUsage {
            input: turn.input_tokens.map_or_else(|| estimate_request_tokens(&request), possible),
            output: turn.output_tokens.map_or_else(|| estimate_tokens(&text), possible),
        };
        let mut chunks: Vec<_> =
            text.split_inclusive(' ').map(|piece| Ok(ModelChunk::Text(piece.to_owned()))).collect();
        for call in turn.tool_calls.into_iter().flatten() {
            chunks.push(Ok(ModelChunk::ToolCall { tool: call.tool, input: call.input }));
        }
        chunks.push(Ok(ModelChunk::Finished(tokens)));
        stream::iter(chunks).boxed()
    }

    /// A scripted turn says what it counts, so that tests can drive a budget to its edge.
    fn bound(&self, request: &ModelRequest) -> TokenUsage {
        let usual = self.offline.bound(request);
        let scripts = self.scripts();
        let Some(turn) = scripts.get(&request.agent).and_then(VecDeque::front) else { return usual };
        TokenUsage {
            input: turn.input_tokens.map_or(usual.input, possible),
            output: turn.output_tokens.map_or(usual.output, possible),
        }
    }

    fn charges_for_lost_calls(&self) -> bool {
        false
    }
}
