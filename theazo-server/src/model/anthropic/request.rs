//! The body of a Messages request.

use serde_json::{Map, Value, json};

use super::super::{Message, ModelRequest, request::well_formed};

/// The body. What comes before the last message is the same in the next call, so the provider is asked to keep it.
pub fn body(request: &ModelRequest) -> Value {
    let mut body = Map::from_iter([
        ("model".to_owned(), json!(request.model)),
        ("max_tokens".to_owned(), json!(request.max_output_tokens)),
        ("stream".to_owned(), json!(true)),
        ("messages".to_owned(), Value::Array(messages(&well_formed(&request.messages)))),
    ]);
    if let Some(instructions) = request.instructions.as_ref().filter(|text| !text.is_empty()) {
        body.insert("system".to_owned(), json!(instructions));
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(
            |tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.input_schema.as_value() }),
        );
        body.insert("tools".to_owned(), tools.collect());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    Value::Object(body)
}

/// The messages. What the user says and what tools return is one message until the model speaks.
fn messages(said: &[Message]) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in said {
        let (role, blocks) =
            match message {
                Message::User(text) => ("user", vec![json!({ "type": "text", "text": spoken(text) })]),
                Message::Assistant { text, tool_calls, reasoning } => {
                    let mut blocks = reasoning.clone();
                    if !text.trim().is_empty() {
                        blocks.push(json!({ "type": "text", "text": text.trim_end() }));
                    }
                    blocks.extend(tool_calls.iter().map(
                        |call| json!({ "type": "tool_use", "id": call.id, "name": call.tool, "input": call.input }),
                    ));
                    ("assistant", blocks)
                }
                Message::ToolResult { call_id, output, failed, .. } => {
                    let mut block = json!({ "type": "tool_result", "tool_use_id": call_id, "content": output });
                    if *failed {
                        block["is_error"] = json!(true);
                    }
                    ("user", vec![block])
                }
            };
        match messages.last_mut() {
            Some((last, together)) if *last == role => together.extend(blocks),
            _ => messages.push((role, blocks)),
        }
    }
    if let Some(block) = messages.last_mut().and_then(|(_, blocks)| blocks.last_mut()) {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
    messages.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

/// The provider takes no empty text.
fn spoken(text: &str) -> &str {
    if text.trim().is_empty() { "(nothing)" } else { text }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{InputSchema, ToolRequest, ToolSpec};

    #[test]
    fn a_conversation_with_tools_is_asked_as_the_protocol_wants_it() {
        let call = |id: &str| ToolRequest {
            id: id.to_owned(),
            tool: "read_file".to_owned(),
            input: Map::from_iter([("path".to_owned(), json!("a.txt"))]),
        };
        let result = |call_id: &str, output: &str, failed| Message::ToolResult {
            call_id: call_id.to_owned(),
            tool: "read_file".to_owned(),
            output: output.to_owned(),
            failed,
        };
        let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "c2ln" });
        let request = ModelRequest {
            call_id: "run_1-0".to_owned(),
            agent: "reader".to_owned(),
            model: "claude-sonnet-4-6".to_owned(),
            instructions: Some("Be brief.".to_owned()),
            messages: vec![
                Message::User("Read both.".to_owned()),
                Message::Assistant {
                    text: "I read them.\n".to_owned(),
                    tool_calls: vec![call("toolu_1"), call("toolu_2")],
                    reasoning: vec![thought.clone()],
                },
                result("toolu_2", "error: no", true),
                result("toolu_1", "A", false),
                Message::User("Quick!".to_owned()),
            ],
            tools: vec![Arc::new(ToolSpec {
                name: "read_file",
                description: "Reads a file.",
                input_schema: InputSchema::new(json!({ "type": "object" })),
            })],
            max_output_tokens: 100,
            temperature: Some(0.5),
        };

        let input = json!({ "path": "a.txt" });
        assert_eq!(
            body(&request),
            json!({
                "model": "claude-sonnet-4-6",
                "max_tokens": 100,
                "stream": true,
                "messages": [
                    { "role": "user", "content": [{ "type": "text", "text": "Read both." }] },
                    { "role": "assistant", "content": [
                        thought,
                        { "type": "text", "text": "I read them." },
                        { "type": "tool_use", "id": "toolu_1", "name": "read_file", "input": input },
                        { "type": "tool_use", "id": "toolu_2", "name": "read_file", "input": input },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "toolu_1", "content": "A" },
                        { "type": "tool_result", "tool_use_id": "toolu_2", "content": "error: no", "is_error": true },
                        { "type": "text", "text": "Quick!", "cache_control": { "type": "ephemeral" } },
                    ] },
                ],
                "system": "Be brief.",
                "tools": [
                    { "name": "read_file", "description": "Reads a file.", "input_schema": { "type": "object" } },
                ],
                "temperature": 0.5,
            })
        );
    }
}
