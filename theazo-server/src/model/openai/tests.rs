//! What only the chat completions protocol has, and what gateways make of it.

use serde_json::{Value, json};
use theazo_api::Secret;

use super::OpenAiModel;
use crate::model::{
    ModelChunk, ModelError, ModelErrorKind, StopReason, TokenCount, ToolRequest,
    conformance::{collect, request},
    estimate_request_tokens,
    fake_provider::{FakeProvider, Reply},
    wire::{Way, http_client},
};

const KEY: &str = "sk-secret";

async fn model(provider: &FakeProvider) -> OpenAiModel {
    let way = Way::Trusted(http_client().expect("it can be made"));
    // Gateways are given with and without a slash.
    OpenAiModel::new(way, "openai", &format!("{}/v1/", provider.url), Some(Secret::from(KEY)))
}

async fn answer(reply: Reply) -> Vec<Result<ModelChunk, ModelError>> {
    let provider = FakeProvider::start(vec![reply]).await;
    collect(&model(&provider).await).await
}

fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn delta(delta: Value, finish_reason: Option<&str>) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }] })
}

fn hello() -> Vec<Value> {
    vec![
        delta(json!({ "role": "assistant", "content": "" }), None),
        delta(json!({ "content": "Grüße" }), None),
        delta(json!({ "content": "!" }), None),
        delta(json!({}), Some("stop")),
        json!({ "choices": [], "usage": {
            "prompt_tokens": 60, "completion_tokens": 7, "total_tokens": 67,
            "prompt_tokens_details": { "cached_tokens": 50 },
            "completion_tokens_details": { "reasoning_tokens": 4 },
        } }),
    ]
}

fn text(piece: &str) -> Result<ModelChunk, ModelError> {
    Ok(ModelChunk::Text(piece.to_owned()))
}

fn finished(tokens: TokenCount, stop: StopReason) -> Result<ModelChunk, ModelError> {
    Ok(ModelChunk::Finished { tokens, stop })
}

fn failed(mut chunks: Vec<Result<ModelChunk, ModelError>>) -> ModelError {
    chunks.pop().expect("something came").expect_err("it failed")
}

const COUNTED: TokenCount = TokenCount { input: 60, output: 7, cache_read: 50, cache_write: 0, reasoning: 4 };

#[tokio::test]
async fn an_answer_is_the_same_however_its_bytes_are_cut_and_with_or_without_its_last_line() {
    let expected = [text("Grüße"), text("!"), finished(COUNTED, StopReason::EndTurn)];
    let done = stream(&hello()) + "data: [DONE]\n\n";
    let unended = stream(&hello()).trim_end().to_owned();

    assert_eq!(answer(Reply::events(done.clone())).await, expected);
    assert_eq!(answer(Reply::events(format!(": keep-alive\n\n{done}")).byte_by_byte()).await, expected);
    assert_eq!(answer(Reply::events(stream(&hello()))).await, expected);
    assert_eq!(answer(Reply::events(unended)).await, expected);
    // The whole answer is there: how the connection ends does not matter.
    assert_eq!(answer(Reply::events(stream(&hello())).cut()).await, expected);
}

#[tokio::test]
async fn a_gateway_is_asked_below_its_address_in_the_words_that_it_knows() {
    let provider = FakeProvider::start(vec![Reply::events(stream(&hello()))]).await;

    collect(&model(&provider).await).await;

    let request = &provider.requests()[0];
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", request.head);
    assert!(request.head.contains(&format!("authorization: Bearer {KEY}")), "{}", request.head);
    assert_eq!(request.body["max_tokens"], 1024);
    assert_eq!(request.body["stream_options"]["include_usage"], true);
    assert_eq!(request.body["messages"][0], json!({ "role": "system", "content": "Be brief." }));
}

#[tokio::test]
async fn what_nobody_counted_is_estimated() {
    let mut events = hello();
    events.pop();

    let chunks = answer(Reply::events(stream(&events) + "data: [DONE]\n\n")).await;

    let estimate = TokenCount::plain(estimate_request_tokens(&request()), 3);
    assert_eq!(chunks[2], finished(estimate, StopReason::EndTurn));
}

#[tokio::test]
async fn an_error_inside_the_stream_is_typed() {
    let begun = stream(&hello()[..2]);
    let error = json!({ "error": { "message": "Provider returned error", "code": 429 } });

    let chunks = answer(Reply::events(begun + &stream(&[error]))).await;

    assert_eq!(chunks[0], text("Grüße"));
    let error = failed(chunks);
    assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::RateLimited, "Provider returned error"));
    assert!(error.tokens.input > 0 && error.tokens.output > 0);
}

#[tokio::test]
async fn what_is_no_answer_is_said_to_be_none() {
    let begun = stream(&hello()[..3]);

    let not_json = failed(answer(Reply::events(begun.clone() + "data: {oops\n\n")).await);
    let ended = failed(answer(Reply::events(begun.clone())).await);
    let done_too_early = failed(answer(Reply::events(begun.clone() + "data: [DONE]\n\n")).await);
    let cut = failed(answer(Reply::events(begun).cut()).await);

    assert_eq!(not_json.kind, ModelErrorKind::Unreadable);
    for error in [ended, done_too_early, cut] {
        assert_eq!(error.kind, ModelErrorKind::ConnectionCut, "{error}");
    }
}

#[tokio::test]
async fn calls_are_put_together_from_what_gateways_send() {
    let fragment = |index: u64, id: Value, name: Value, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        delta(json!({ "tool_calls": [{ "index": index, "id": id, "function": function }] }), None)
    };
    let chunks = answer(Reply::events(stream(&[
        fragment(1, json!("call_b"), json!("list_files"), ""),
        fragment(0, json!("call_a"), json!("read_file"), "{\"path\":"),
        // Some send the name again with each fragment, and null where there is nothing new.
        fragment(0, Value::Null, json!("read_file"), " \"a.txt\"}"),
        delta(json!({ "content": null }), Some("stop")),
    ])))
    .await;

    let input = serde_json::Map::from_iter([("path".to_owned(), json!("a.txt"))]);
    assert_eq!(
        chunks[..2],
        [
            Ok(ModelChunk::ToolCall(ToolRequest { id: "call_a".into(), tool: "read_file".into(), input })),
            Ok(ModelChunk::ToolCall(ToolRequest {
                id: "call_b".into(),
                tool: "list_files".into(),
                input: serde_json::Map::new()
            })),
        ]
    );
    assert!(matches!(chunks[2], Ok(ModelChunk::Finished { stop: StopReason::ToolUse, .. })), "{:?}", chunks[2]);
}

#[tokio::test]
async fn the_reason_to_stop_decides_what_an_answer_is_worth() {
    let call = json!({ "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "f", "arguments": "{\"a" } }] });
    let cut_call = |reason| stream(&[delta(call.clone(), None), delta(json!({}), Some(reason))]);
    let filtered = stream(&[delta(json!({ "content": "I" }), None), delta(json!({}), Some("content_filter"))]);
    let long = stream(&[delta(json!({ "content": "I" }), None), delta(json!({}), Some("length"))]);

    assert_eq!(failed(answer(Reply::events(cut_call("length"))).await).kind, ModelErrorKind::AnswerTooLong);
    assert_eq!(failed(answer(Reply::events(cut_call("tool_calls"))).await).kind, ModelErrorKind::Unreadable);
    assert_eq!(failed(answer(Reply::events(filtered)).await).kind, ModelErrorKind::ContentRefused);
    let chunks = answer(Reply::events(long)).await;
    assert!(matches!(chunks[1], Ok(ModelChunk::Finished { stop: StopReason::MaxTokens, .. })), "{:?}", chunks[1]);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_tried_again_later() {
    let way = Way::Trusted(http_client().expect("it can be made"));
    let nobody = OpenAiModel::new(way.clone(), "openai", "http://127.0.0.1:1/v1", None);
    let nowhere = OpenAiModel::new(way, "openai", "not an address", None);

    assert_eq!(failed(collect(&nobody).await).kind, ModelErrorKind::ConnectionCut);
    assert_eq!(failed(collect(&nowhere).await).kind, ModelErrorKind::Rejected);
}
