//! The events of a run, as a server writes them and as a stream gives them.

use std::collections::HashMap;

use theazo::{
    EventStream,
    transport::Call,
    types::{StreamEvent, operations},
};
use tokio::time::timeout;

use super::{PATIENCE, call};

/// What `POST /v1/runs/{runId}/cancel` answers.
pub const RUN: &str = r#"{"id":"arun_1","sessionId":"ses_1","agentId":"agt_1","agent":"a","task":"t","status":"cancelled","cost":{"amount":0},"createdAt":"2026-11-24T09:00:00.000Z"}"#;

/// The data line of the last event of a run.
pub const DONE: &str =
    r#"data: {"type":"done","runId":"arun_1","output":"x","cost":{"amount":1},"duration":"1s","durationMs":1000}"#;

/// One POST that starts a run and streams it.
pub fn stream_call() -> Call {
    call("StreamAgentRun", &["agt_1"]).body(r#"{"task":"t"}"#)
}

/// Every operation whose stream ends with its caller, with path parameters and a body.
pub fn streams_that_start_work() -> Vec<Call> {
    let starts: Vec<_> = operations().into_iter().filter(|operation| operation.ends_with_caller).collect();
    assert!(starts.len() >= 5, "runs, programs, messages and workflows");
    let ids = HashMap::from([
        ("sessionId", "ses_1"),
        ("agentId", "agt_1"),
        ("conversationId", "conv_1"),
        ("workflowId", "wf_1"),
    ]);
    starts
        .into_iter()
        .map(|operation| {
            let path: Vec<&str> = operation.path_parameters().map(|name| ids[name]).collect();
            call(operation.id, &path).body("{}")
        })
        .collect()
}

pub fn text(id: u32, text: &str) -> String {
    format!("id: {id}\ndata: {{\"type\":\"text\",\"text\":\"{text}\"}}\n\n")
}

pub fn done(id: u32) -> String {
    format!("id: {id}\n{DONE}\n\n")
}

/// The texts of all events until the stream ends; `done` is the text of the last one, and other events give their type.
pub async fn texts(stream: &mut EventStream) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(event) = timeout(PATIENCE, stream.next()).await.expect("the stream goes on") {
        texts.push(text_of(&event.unwrap().data));
    }
    texts
}

pub fn text_of(data: &[u8]) -> String {
    match serde_json::from_slice(data).unwrap() {
        StreamEvent::Text { text } => text,
        other => other.tag().to_owned(),
    }
}
