//! The scripted model: it answers what a test told it to, and the offline model answers when nothing of that fits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{future::BoxFuture, stream::BoxStream};
use serde_json::Value;
use theazo_api::testing::{Conversation, ConversationMessage, ModelFailureKind, ScriptedToolCall, ScriptedTurn};

use super::{
    Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest, OfflineModel, StopReason, TokenCount,
    ToolRequest, estimate_request_tokens, estimate_tokens,
};
use crate::clock::Clock;

/// The name under which every agent's script is found.
const EVERY_AGENT: &str = "*";

/// A function of a test that answers for a model. Its error is the message with which the model fails.
pub type ModelFunction = Arc<dyn Fn(Conversation) -> BoxFuture<'static, Result<ScriptedTurn, String>> + Send + Sync>;

/// Answers by agent, in the order in which they were scripted.
pub struct ScriptedModel {
    clock: Clock,
    scripts: Mutex<HashMap<String, Script>>,
    offline: OfflineModel,
}

/// What one agent answers.
#[derive(Default)]
struct Script {
    lines: Vec<Line>,
    /// Answers when no line fits.
    function: Option<ModelFunction>,
}

/// How a request is answered.
enum Answer {
    Turn(Box<ScriptedTurn>),
    Function(ModelFunction),
}

/// A turn that is not used up.
struct Line {
    turn: ScriptedTurn,
    left: i64,
}

impl ScriptedModel {
    /// A model without a script, which takes its time by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, scripts: Mutex::default(), offline: OfflineModel::default() }
    }

    /// Adds answers of an agent behind those that it already has.
    pub fn script(&self, agent: &str, turns: Vec<ScriptedTurn>) {
        let lines = turns.into_iter().map(|turn| Line { left: turn.times.unwrap_or(1), turn });
        self.scripts().entry(agent.to_owned()).or_default().lines.extend(lines);
    }

    /// Lets a function answer for an agent whenever none of its turns fits; it takes the place of the one before.
    pub fn script_with(&self, agent: &str, function: ModelFunction) {
        self.scripts().entry(agent.to_owned()).or_default().function = Some(function);
    }

    fn scripts(&self) -> MutexGuard<'_, HashMap<String, Script>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What answers a request; with `take` a turn is used.
    fn answer(&self, request: &ModelRequest, take: bool) -> Option<Answer> {
        let mut scripts = self.scripts();
        for agent in [request.agent.as_str(), EVERY_AGENT] {
            let Some(Script { lines, function }) = scripts.get_mut(agent) else { continue };
            if let Some(place) = lines.iter().position(|line| fits(&line.turn, request)) {
                let turn = Box::new(lines[place].turn.clone());
                if take {
                    lines[place].left -= 1;
                    if lines[place].left <= 0 {
                        lines.remove(place);
                    }
                }
                return Some(Answer::Turn(turn));
            }
            if let Some(function) = function {
                return Some(Answer::Function(function.clone()));
            }
        }
        None
    }
}

/// What a function sees of a request.
fn conversation(request: &ModelRequest) -> Conversation {
    let messages = request.messages.iter().map(|message| match message {
        Message::User(text) => ConversationMessage::User { text: text.clone() },
        Message::Assistant { text, tool_calls, .. } => {
            let called = |call: &ToolRequest| ScriptedToolCall { tool: call.tool.clone(), input: call.input.clone() };
            ConversationMessage::Assistant { text: text.clone(), tool_calls: tool_calls.iter().map(called).collect() }
        }
        Message::ToolResult { tool, output, failed, .. } => {
            ConversationMessage::Tool { tool: tool.clone(), output: output.clone(), failed: *failed }
        }
    });
    Conversation {
        agent: request.agent.clone(),
        model: request.model.clone(),
        instructions: request.instructions.clone(),
        messages: messages.collect(),
        tools: request.tools.iter().map(|tool| tool.name.to_owned()).collect(),
    }
}

fn fits(turn: &ScriptedTurn, request: &ModelRequest) -> bool {
    let Some(wanted) = turn.when.as_deref() else { return true };
    let in_messages = request.messages.iter().any(|message| match message {
        Message::User(text) | Message::Assistant { text, .. } => text.contains(wanted),
        Message::ToolResult { output, .. } => output.contains(wanted),
    });
    in_messages || request.instructions.as_deref().is_some_and(|text| text.contains(wanted))
}

/// A count of tokens that a provider can give: not negative, and its price is an amount that fits.
fn possible(tokens: i64) -> i64 {
    tokens.clamp(0, 1_000_000_000_000)
}

/// What a turn counts.
fn tokens(turn: &ScriptedTurn, request: &ModelRequest) -> TokenCount {
    let text = turn.text.as_deref().unwrap_or_default();
    let input = turn.input_tokens.map_or_else(|| estimate_request_tokens(request), possible);
    let output = turn.output_tokens.map_or_else(|| estimate_tokens(text), possible);
    TokenCount { cache_read: turn.cached_tokens.map_or(0, possible).min(input), ..TokenCount::plain(input, output) }
}

/// The turn with no more tokens than were reserved: what a function will say is not known when that is done.
fn within(mut turn: ScriptedTurn, bound: &TokenCount) -> ScriptedTurn {
    turn.input_tokens = turn.input_tokens.map(|tokens| tokens.min(bound.input));
    turn.output_tokens = turn.output_tokens.map(|tokens| tokens.min(bound.output));
    turn
}

fn failure(turn: &ScriptedTurn, message: &str, request: &ModelRequest) -> ModelError {
    let kind = turn.error_kind.as_ref().map(ModelFailureKind::as_str).unwrap_or_default();
    let kind = serde_json::from_value(Value::from(kind)).unwrap_or(ModelErrorKind::Rejected);
    let retry_after = turn.retry_after.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let error = ModelError { retry_after, ..ModelError::new(kind, message) };
    // A model that fails before it says anything is not paid.
    if turn.text.is_some() { error.after(tokens(turn, request)) } else { error }
}

impl Model for ScriptedModel {
    fn provider(&self) -> &str {
        "scripted"
    }

    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
        let Some(answer) = self.answer(&request, true) else { return self.offline.complete(request) };
        let (clock, bound) = (self.clock.clone(), self.offline.bound(&request));
        Box::pin(async_stream::stream! {
            let turn = match answer {
                Answer::Turn(turn) => *turn,
                Answer::Function(function) => match function(conversation(&request)).await {
                    Ok(turn) => within(turn, &bound),
                    Err(message) => return yield Err(ModelError::new(ModelErrorKind::Rejected, &message)),
                },
            };
            if let Some(delay) = turn.delay {
                clock.reached(clock.now().plus(delay.0)).await;
            }
            for piece in turn.text.as_deref().unwrap_or_default().split_inclusive(' ') {
                yield Ok(ModelChunk::Text(piece.to_owned()));
            }
            if let Some(message) = &turn.error {
                return yield Err(failure(&turn, message, &request));
            }
            let tokens = tokens(&turn, &request);
            let calls = turn.tool_calls.unwrap_or_default();
            let stop = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
            for (index, call) in calls.into_iter().enumerate() {
                let id = format!("call_{}_{index}", request.messages.len());
                yield Ok(ModelChunk::ToolCall(ToolRequest { id, tool: call.tool, input: call.input }));
            }
            yield Ok(ModelChunk::Finished { tokens, stop });
        })
    }

    /// A scripted turn says what it counts, so that tests can drive a budget to its edge.
    fn bound(&self, request: &ModelRequest) -> TokenCount {
        let usual = self.offline.bound(request);
        let Some(Answer::Turn(turn)) = self.answer(request, false) else { return usual };
        let (input, output) = (turn.input_tokens.map(possible), turn.output_tokens.map(possible));
        let cache_read = turn.cached_tokens.map_or(0, possible).min(input.unwrap_or(0));
        let plain = TokenCount::plain(input.unwrap_or(usual.input), output.unwrap_or(usual.output));
        TokenCount { cache_read, ..plain }
    }

    fn charges_for_lost_calls(&self) -> bool {
        false
    }
}
