//! One suite that every adapter must pass: whatever a provider is like, the worker sees the same.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use theazo_api::{
    Secret, Timestamp,
    testing::{ModelFailureKind, ScriptedToolCall, ScriptedTurn},
};

use super::{
    AnthropicModel, InputSchema, Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest, OfflineModel,
    OpenAiModel, ScriptedModel, StopReason, TokenCount, ToolRequest, ToolSpec,
    fake_provider::{FakeProvider, Reply},
    wire::{Way, http_client},
};
use crate::clock::Clock;

/// An adapter whose provider says these turns.
type Bench = (&'static str, fn(Vec<ScriptedTurn>) -> Pin<Box<dyn Future<Output = Arc<dyn Model>>>>);

const BENCHES: [Bench; 3] = [
    ("scripted", |turns| {
        Box::pin(async move {
            let model = ScriptedModel::new(Clock::manual(Timestamp::EPOCH));
            model.script("reader", turns);
            Arc::new(model) as Arc<dyn Model>
        })
    }),
    ("anthropic", |turns| {
        Box::pin(async move {
            let provider = FakeProvider::start(turns.iter().map(messages_reply).collect()).await;
            let way = Way::Trusted(http_client().expect("it can be made"));
            let key = Some(Secret::from("sk-ant-1"));
            Arc::new(AnthropicModel::new(way, "anthropic", &provider.url, key)) as Arc<dyn Model>
        })
    }),
    ("openai", |turns| {
        Box::pin(async move {
            let provider = FakeProvider::start(turns.iter().map(completions_reply).collect()).await;
            let way = Way::Trusted(http_client().expect("it can be made"));
            Arc::new(OpenAiModel::new(way, "openai", &provider.url, Some(Secret::from("sk-1")))) as Arc<dyn Model>
        })
    }),
];

/// A turn as the Messages protocol says it.
fn messages_reply(turn: &ScriptedTurn) -> Reply {
    if let (None, Some(kind)) = (&turn.text, &turn.error_kind) {
        let (status, name) = match kind {
            ModelFailureKind::Overloaded => (529, "overloaded_error"),
            ModelFailureKind::RateLimited => (429, "rate_limit_error"),
            ModelFailureKind::Unavailable => (500, "api_error"),
            ModelFailureKind::InvalidKey => (401, "authentication_error"),
            ModelFailureKind::UnknownModel => (404, "not_found_error"),
            ModelFailureKind::OutOfCredit => (402, "billing_error"),
            _ => (400, "invalid_request_error"),
        };
        return failure(status, turn, &json!({ "type": "error", "error": { "type": name, "message": turn.error } }));
    }
    let cached = turn.cached_tokens.unwrap_or(0);
    let fresh = turn.input_tokens.unwrap_or(0) - cached;
    let usage = json!({ "input_tokens": fresh, "cache_read_input_tokens": cached, "output_tokens": 1 });
    let mut events = vec![json!({ "type": "message_start", "message": { "usage": usage } })];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        let mut block = vec![json!({ "type": "content_block_start", "index": index, "content_block": start })];
        block.extend(
            deltas.into_iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })),
        );
        block.push(json!({ "type": "content_block_stop", "index": index }));
        index += 1;
        block
    };
    if let Some(text) = &turn.text {
        let deltas = text.split_inclusive(' ').map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
        events.extend(block(json!({ "type": "text", "text": "" }), deltas));
    }
    for (number, call) in turn.tool_calls.iter().flatten().enumerate() {
        let start = json!({ "type": "tool_use", "id": format!("toolu_{number}"), "name": call.tool, "input": {} });
        let deltas = pieces_of(&call.input).into_iter();
        events.extend(block(
            start,
            deltas.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect(),
        ));
    }
    let reason = if turn.tool_calls.is_some() { "tool_use" } else { "end_turn" };
    let usage = json!({ "output_tokens": turn.output_tokens });
    events.push(json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": usage }));
    events.push(json!({ "type": "message_stop" }));
    let is_cut = turn.error.is_some();
    let kept = if is_cut { events.len() - 3 } else { events.len() };
    let text: String = events[..kept]
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    Reply { is_cut, ..Reply::events(text) }
}

/// A turn as the chat completions protocol says it.
fn completions_reply(turn: &ScriptedTurn) -> Reply {
    if let (None, Some(kind)) = (&turn.text, &turn.error_kind) {
        let (status, code) = match kind {
            ModelFailureKind::Overloaded => (503, "engine_overloaded"),
            ModelFailureKind::RateLimited => (429, "rate_limit_exceeded"),
            ModelFailureKind::Unavailable => (500, "server_error"),
            ModelFailureKind::InvalidKey => (401, "invalid_api_key"),
            ModelFailureKind::UnknownModel => (404, "model_not_found"),
            ModelFailureKind::OutOfCredit => (429, "insufficient_quota"),
            ModelFailureKind::ContextTooLong => (400, "context_length_exceeded"),
            _ => (400, "invalid_value"),
        };
        return failure(
            status,
            turn,
            &json!({ "error": { "message": turn.error, "type": "some_error", "code": code } }),
        );
    }
    let delta = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }))];
    let text = turn.text.as_deref().unwrap_or_default();
    events.extend(text.split_inclusive(' ').map(|piece| delta(json!({ "content": piece }))));
    let calls: Vec<&ScriptedToolCall> = turn.tool_calls.iter().flatten().collect();
    for (index, call) in calls.iter().enumerate() {
        let function = json!({ "name": call.tool, "arguments": "" });
        let begun = json!({ "index": index, "id": format!("call_{index}"), "type": "function", "function": function });
        events.push(delta(json!({ "tool_calls": [begun] })));
    }
    // The fragments of all calls take turns.
    let fragments: Vec<Vec<String>> = calls.iter().map(|call| pieces_of(&call.input)).collect();
    for round in 0..fragments.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, pieces) in fragments.iter().enumerate() {
            if let Some(piece) = pieces.get(round) {
                let fragment = json!({ "index": index, "function": { "arguments": piece } });
                events.push(delta(json!({ "tool_calls": [fragment] })));
            }
        }
    }
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }));
    let details = json!({ "cached_tokens": turn.cached_tokens.unwrap_or(0) });
    let (input, output) = (turn.input_tokens, turn.output_tokens);
    let usage = json!({ "prompt_tokens": input, "completion_tokens": output, "prompt_tokens_details": details });
    events.push(json!({ "choices": [], "usage": usage }));
    let is_cut = turn.error.is_some();
    let kept = if is_cut { events.len() - 2 } else { events.len() };
    let mut text: String = events[..kept].iter().map(|event| format!("data: {event}\n\n")).collect();
    if !is_cut {
        text.push_str("data: [DONE]\n\n");
    }
    Reply { is_cut, ..Reply::events(text) }
}

fn failure(status: u16, turn: &ScriptedTurn, body: &Value) -> Reply {
    let reply = Reply::error(status, body);
    match turn.retry_after {
        Some(seconds) => reply.header("retry-after", &seconds.to_string()),
        None => reply,
    }
}

/// The JSON of an input in pieces of three characters; none of an empty one.
fn pieces_of(input: &Map<String, Value>) -> Vec<String> {
    if input.is_empty() {
        return Vec::new();
    }
    let text: Vec<char> = Value::Object(input.clone()).to_string().chars().collect();
    text.chunks(3).map(|piece| piece.iter().collect()).collect()
}

pub fn request() -> ModelRequest {
    ModelRequest {
        call_id: "run_1-0".to_owned(),
        agent: "reader".to_owned(),
        model: "some-model".to_owned(),
        instructions: Some("Be brief.".to_owned()),
        messages: vec![Message::User("Read both files.".to_owned())],
        tools: vec![Arc::new(ToolSpec {
            name: "read_file",
            description: "Reads a file.",
            input_schema: InputSchema::new(json!({ "type": "object", "properties": { "path": { "type": "string" } } })),
        })],
        max_output_tokens: 1024,
        temperature: None,
    }
}

pub async fn collect(model: &dyn Model) -> Vec<Result<ModelChunk, ModelError>> {
    model.complete(request()).collect().await
}

/// The text, the calls and the end of an answer that is whole.
fn whole(chunks: Vec<Result<ModelChunk, ModelError>>) -> (Vec<String>, Vec<ToolRequest>, (TokenCount, StopReason)) {
    let (mut text, mut calls, mut end) = (Vec::new(), Vec::new(), None);
    for chunk in chunks {
        assert_eq!(end, None, "nothing follows the end");
        match chunk.expect("it does not fail") {
            ModelChunk::Text(piece) => text.push(piece),
            ModelChunk::ToolCall(call) => calls.push(call),
            ModelChunk::Reasoning(_) => {}
            ModelChunk::Finished { tokens, stop } => end = Some((tokens, stop)),
        }
    }
    (text, calls, end.expect("it has an end"))
}

fn turn(text: &str) -> ScriptedTurn {
    ScriptedTurn { input_tokens: Some(1_200), output_tokens: Some(85), ..ScriptedTurn::text(text) }
}

#[tokio::test]
async fn text_comes_in_pieces_and_the_end_says_what_was_counted() {
    for (name, bench) in BENCHES {
        let model = bench(vec![ScriptedTurn { cached_tokens: Some(1_000), ..turn("Grüße aus Köln") }]).await;

        let (text, calls, end) = whole(collect(&*model).await);

        assert_eq!(
            (text.as_slice(), calls.as_slice()),
            (&["Grüße ", "aus ", "Köln"].map(str::to_owned)[..], &[][..]),
            "{name}"
        );
        let tokens = TokenCount { cache_read: 1_000, ..TokenCount::plain(1_200, 85) };
        assert_eq!(end, (tokens, StopReason::EndTurn), "{name}");
    }
}

#[tokio::test]
async fn several_tools_are_called_at_once_with_names_of_their_own() {
    let call = |tool: &str, input: Value| ScriptedToolCall {
        tool: tool.to_owned(),
        input: input.as_object().cloned().expect("it is an object"),
    };
    let asked = [
        call("read_file", json!({ "path": "a \"quoted\" \\ name.txt" })),
        call("list_files", json!({})),
        call("read_file", json!({ "path": "ü.txt", "deep": { "list": [1, 2.5, null] } })),
    ];
    for (name, bench) in BENCHES {
        let model = bench(vec![ScriptedTurn { tool_calls: Some(asked.to_vec()), ..turn("I read them.") }]).await;

        let (text, calls, (_, stop)) = whole(collect(&*model).await);

        assert_eq!((text.concat().as_str(), stop), ("I read them.", StopReason::ToolUse), "{name}");
        let seen: Vec<_> =
            calls.iter().map(|call| ScriptedToolCall { tool: call.tool.clone(), input: call.input.clone() }).collect();
        assert_eq!(seen, asked, "{name}");
        let mut ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3, "{name}: {ids:?}");
    }
}

#[tokio::test]
async fn every_way_to_fail_is_known_and_costs_nothing_before_the_first_word() {
    use ModelFailureKind as Wire;
    let cases = [
        (Wire::Overloaded, "busy", ModelErrorKind::Overloaded, true),
        (Wire::RateLimited, "slow down", ModelErrorKind::RateLimited, true),
        (Wire::Unavailable, "oh no", ModelErrorKind::Unavailable, true),
        (Wire::InvalidKey, "who are you?", ModelErrorKind::InvalidKey, false),
        (Wire::UnknownModel, "no such model", ModelErrorKind::UnknownModel, false),
        (Wire::OutOfCredit, "pay first", ModelErrorKind::OutOfCredit, false),
        (Wire::ContextTooLong, "prompt is too long: 9 > 8", ModelErrorKind::ContextTooLong, false),
        (Wire::Rejected, "`tools` is wrong", ModelErrorKind::Rejected, false),
    ];
    for (name, bench) in BENCHES {
        for (wire, message, kind, is_retryable) in cases.clone() {
            let turn = ScriptedTurn { retry_after: Some(7), ..ScriptedTurn::failure(wire, message) };
            let model = bench(vec![turn]).await;

            let chunks = collect(&*model).await;

            let retry_after = Some(Duration::from_secs(7));
            let error = ModelError { retry_after, ..ModelError::new(kind, message) };
            assert_eq!(chunks, [Err(error)], "{name}");
            assert_eq!(kind.is_retryable(), is_retryable);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_gives_what_came_and_says_what_must_have_been_counted() {
    for (name, bench) in BENCHES {
        let cut = ScriptedTurn {
            error: Some("the connection was cut".to_owned()),
            error_kind: Some(ModelFailureKind::ConnectionCut),
            ..turn("Once upon a time")
        };
        let model = bench(vec![cut]).await;

        let mut chunks = collect(&*model).await;

        let error = chunks.pop().expect("something came").expect_err("it was cut");
        assert_eq!(error.kind, ModelErrorKind::ConnectionCut, "{name}: {error}");
        assert!(error.tokens.input > 0 && error.tokens.output > 0, "{name}: {:?}", error.tokens);
        let text: String = chunks
            .into_iter()
            .map(|chunk| match chunk {
                Ok(ModelChunk::Text(piece)) => piece,
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        assert_eq!(text, "Once upon a time", "{name}");
    }
}

#[tokio::test]
async fn the_bound_of_a_request_is_never_below_what_is_counted() {
    for (name, bench) in BENCHES {
        let model = bench(vec![ScriptedTurn::text("fine")]).await;

        let bound = model.bound(&request());

        assert!(bound.input >= super::estimate_request_tokens(&request()), "{name}: {bound:?}");
        assert_eq!(bound.output, 1024, "{name}");
    }
}

#[tokio::test]
async fn the_offline_model_streams_an_answer_with_an_end_like_any_other() {
    let model = OfflineModel::default();

    let (text, calls, (tokens, stop)) = whole(collect(&model).await);

    assert!(text.len() > 5, "{text:?}");
    assert_eq!((calls.len(), stop), (0, StopReason::EndTurn));
    let bound = model.bound(&request());
    assert!((1..=bound.input).contains(&tokens.input) && (1..=bound.output).contains(&tokens.output), "{tokens:?}");
}
