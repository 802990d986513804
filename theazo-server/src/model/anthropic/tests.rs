//! What only the Messages protocol has.

use serde_json::{Value, json};
use theazo_api::Secret;

use super::AnthropicModel;
use crate::model::{
    ModelChunk, ModelError, ModelErrorKind, StopReason, TokenCount, ToolRequest,
    conformance::collect,
    fake_provider::{FakeProvider, Reply},
    wire::{Way, http_client},
};

const KEY: &str = "sk-ant-secret";

async fn model(provider: &FakeProvider) -> AnthropicModel {
    let way = Way::Trusted(http_client().expect("it can be made"));
    AnthropicModel::new(way, "anthropic", &provider.url, Some(Secret::from(KEY)))
}

async fn answer(reply: Reply) -> Vec<Result<ModelChunk, ModelError>> {
    let provider = FakeProvider::start(vec![reply]).await;
    collect(&model(&provider).await).await
}

fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))).collect()
}

/// What the provider says for a short answer, with what it says in between that does not matter.
fn hello() -> String {
    stream(&[
        json!({ "type": "message_start", "message": { "id": "msg_1", "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 1,
        } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Grüße" } }),
        json!({ "type": "an_event_of_next_year", "index": 0 }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "citations_delta", "citation": {} } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "!" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 7 } }),
        json!({ "type": "message_stop" }),
    ])
}

fn text(piece: &str) -> Result<ModelChunk, ModelError> {
    Ok(ModelChunk::Text(piece.to_owned()))
}

/// The last piece of an answer that failed.
fn failed(mut chunks: Vec<Result<ModelChunk, ModelError>>) -> ModelError {
    chunks.pop().expect("something came").expect_err("it failed")
}

#[tokio::test]
async fn an_answer_is_the_same_however_its_bytes_are_cut() {
    // Counts are totals, and what a cache had and took is input, too.
    let tokens = TokenCount { cache_read: 30, cache_write: 20, ..TokenCount::plain(60, 7) };
    let end = Ok(ModelChunk::Finished { tokens, stop: StopReason::EndTurn });
    let expected = [text("Grüße"), text("!"), end];

    assert_eq!(answer(Reply::events(hello())).await, expected);
    assert_eq!(answer(Reply::events(hello()).byte_by_byte()).await, expected);
    assert_eq!(answer(Reply::events(hello().replace('\n', "\r\n")).byte_by_byte()).await, expected);
}

#[tokio::test]
async fn the_key_goes_in_its_header_and_never_into_a_message() {
    let error = json!({ "type": "error", "error": {
        "type": "authentication_error", "message": format!("the key {KEY} is not valid"),
    } });
    let provider = FakeProvider::start(vec![Reply::error(401, &error)]).await;

    let error = failed(collect(&model(&provider).await).await);

    assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::InvalidKey, "the key [hidden] is not valid"));
    let request = &provider.requests()[0];
    assert!(request.head.starts_with("POST /v1/messages HTTP/1.1"), "{}", request.head);
    for header in
        [format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01".into(), "idempotency-key: run_1-0".into()]
    {
        assert!(request.head.contains(&header), "{header}");
    }
    assert_eq!(request.body["messages"][0]["content"][0]["text"], "Read both files.");
}

#[tokio::test]
async fn an_error_inside_the_stream_is_typed_and_what_was_counted_is_kept() {
    let begun = hello().split_inclusive("\n\n").take(4).collect::<String>();
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });

    let chunks = answer(Reply::events(begun + &stream(&[error]))).await;

    assert_eq!(chunks[0], text("Grüße"));
    let tokens = TokenCount { cache_read: 30, cache_write: 20, ..TokenCount::plain(60, 2) };
    assert_eq!(chunks[1], Err(ModelError::new(ModelErrorKind::Overloaded, "Overloaded").after(tokens)));
}

#[tokio::test]
async fn what_is_no_answer_is_said_to_be_none() {
    let begun = hello().split_inclusive("\n\n").take(4).collect::<String>();
    let html = Reply { status: 502, ..Reply::events("<html>bad gateway</html>") };

    let not_json = failed(answer(Reply::events(begun.clone() + "data: {\"type\": \n\n")).await);
    let not_text = failed(answer(Reply { pieces: vec![b"data: \xff\n\n".to_vec()], ..Reply::events("") }).await);
    let ended = failed(answer(Reply::events(begun.clone())).await);
    let cut = failed(answer(Reply::events(begun).cut()).await);
    let gateway = failed(answer(html).await);

    assert_eq!(not_json.kind, ModelErrorKind::Unreadable);
    assert_eq!(not_text.kind, ModelErrorKind::Unreadable);
    assert_eq!((ended.kind, ended.tokens.input), (ModelErrorKind::ConnectionCut, 60));
    assert_eq!(cut.kind, ModelErrorKind::ConnectionCut);
    assert_eq!((gateway.kind, gateway.message.as_str()), (ModelErrorKind::Unavailable, "<html>bad gateway</html>"));
}

#[tokio::test]
async fn a_line_without_an_end_is_given_up() {
    let endless = Reply { pieces: vec![vec![b'x'; 1 << 20]; 5], ..Reply::events("") };

    assert_eq!(failed(answer(endless).await).message, "a line of the answer is longer than any model's");
}

#[tokio::test]
async fn thoughts_are_kept_as_they_must_be_sent_back() {
    let thinking = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let delta = |kind: &str, name: &str, piece: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": kind, name: piece } });
    let chunks = answer(Reply::events(stream(&[
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 5, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": thinking }),
        delta("thinking_delta", "thinking", "Hm"),
        delta("thinking_delta", "thinking", "..."),
        delta("signature_delta", "signature", "c2ln"),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "server_tool_use", "id": "x" } }),
        json!({ "type": "content_block_stop", "index": 1 }),
        json!({ "type": "content_block_start", "index": 2, "content_block": {
            "type": "tool_use", "id": "toolu_1", "name": "list_files", "input": {},
        } }),
        json!({ "type": "content_block_stop", "index": 2 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": {
            "output_tokens": 9, "output_tokens_details": { "thinking_tokens": 6 },
        } }),
        json!({ "type": "message_stop" }),
    ])))
    .await;

    let call = ToolRequest { id: "toolu_1".into(), tool: "list_files".into(), input: serde_json::Map::new() };
    let tokens = TokenCount { reasoning: 6, ..TokenCount::plain(5, 9) };
    assert_eq!(
        chunks,
        [
            Ok(ModelChunk::Reasoning(json!({ "type": "thinking", "thinking": "Hm...", "signature": "c2ln" }))),
            Ok(ModelChunk::ToolCall(call)),
            Ok(ModelChunk::Finished { tokens, stop: StopReason::ToolUse }),
        ]
    );
}

#[tokio::test]
async fn the_reason_to_stop_decides_what_an_answer_is_worth() {
    let ends = |reason: &str| {
        let events = hello().replace("end_turn", reason);
        async move { answer(Reply::events(events)).await.pop().expect("something came") }
    };

    let Ok(ModelChunk::Finished { stop, .. }) = ends("max_tokens").await else { panic!("it is an answer") };
    let refused = ends("refusal").await.expect_err("it is none");
    let too_long = ends("model_context_window_exceeded").await.expect_err("it is none");

    assert_eq!(stop, StopReason::MaxTokens);
    assert_eq!((refused.kind, refused.tokens.output), (ModelErrorKind::ContentRefused, 7));
    assert_eq!(too_long.kind, ModelErrorKind::ContextTooLong);
}

#[tokio::test]
async fn a_call_that_is_cut_by_the_limit_is_not_made() {
    let call_until = |reason: &str| {
        let events = stream(&[
            json!({ "type": "message_start", "message": { "usage": { "input_tokens": 5, "output_tokens": 1 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": {
                "type": "tool_use", "id": "toolu_1", "name": "write_file", "input": {},
            } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": {
                "type": "input_json_delta", "partial_json": "{\"path\": \"a",
            } }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 9 } }),
            json!({ "type": "message_stop" }),
        ]);
        async move { answer(Reply::events(events)).await }
    };

    assert_eq!(failed(call_until("max_tokens").await).kind, ModelErrorKind::AnswerTooLong);
    assert_eq!(failed(call_until("tool_use").await).kind, ModelErrorKind::Unreadable);
}
