//! The body of a chat completions request.

use serde_json::{Map, Value, json};

use super::super::{Message, ModelRequest, request::well_formed};

/// The body.
pub fn body(request: &ModelRequest, is_gateway: bool) -> Value {
    let mut messages = Vec::new();
    if let Some(instructions) = request.instructions.as_ref().filter(|text| !text.is_empty()) {
        messages.push(json!({ "role": "system", "content": instructions }));
    }
    messages.extend(well_formed(&request.messages).iter().map(message));
    // The newer name is the only one that OpenAI's models that think take, and the older the only one of many gateways.
    let limit = if is_gateway { "max_tokens" } else { "max_completion_tokens" };
    let mut body = Map::from_iter([
        ("model".to_owned(), json!(request.model)),
        ("messages".to_owned(), Value::Array(messages)),
        (limit.to_owned(), json!(request.max_output_tokens)),
        ("stream".to_owned(), json!(true)),
        ("stream_options".to_owned(), json!({ "include_usage": true })),
    ]);
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function =
                json!({ "name": tool.name, "description": tool.description, "parameters": tool.input_schema.as_value() });
            json!({ "type": "function", "function": function })
        });
        body.insert("tools".to_owned(), tools.collect());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Assistant { text, tool_calls, .. } if tool_calls.is_empty() => {
            json!({ "role": "assistant", "content": text })
        }
        Message::Assistant { text, tool_calls, .. } => {
            let calls = tool_calls.iter().map(|call| {
                let arguments = Value::Object(call.input.clone()).to_string();
                let function = json!({ "name": call.tool, "arguments": arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            });
            let content = if text.is_empty() { Value::Null } else { json!(text) };
            json!({ "role": "assistant", "content": content, "tool_calls": calls.collect::<Value>() })
        }
        Message::ToolResult { call_id, output, .. } => {
            json!({ "role": "tool", "tool_call_id": call_id, "content": output })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{InputSchema, ToolRequest, ToolSpec};

    #[test]
    fn a_conversation_with_tools_is_asked_as_the_protocol_wants_it() {
        let call = ToolRequest {
            id: "call_1".to_owned(),
            tool: "read_file".to_owned(),
            input: Map::from_iter([("path".to_owned(), json!("a.txt"))]),
        };
        let request = ModelRequest {
            call_id: "run_1-0".to_owned(),
            agent: "reader".to_owned(),
            model: "gpt-4o".to_owned(),
            instructions: Some("Be brief.".to_owned()),
            messages: vec![
                Message::User("Read it.".to_owned()),
                Message::Assistant { text: String::new(), tool_calls: vec![call], reasoning: Vec::new() },
                Message::ToolResult {
                    call_id: "call_1".to_owned(),
                    tool: "read_file".to_owned(),
                    output: "A".to_owned(),
                    failed: false,
                },
                Message::Assistant { text: "It is A.".to_owned(), tool_calls: Vec::new(), reasoning: Vec::new() },
                Message::User("Thanks.".to_owned()),
            ],
            tools: vec![Arc::new(ToolSpec {
                name: "read_file",
                description: "Reads a file.",
                input_schema: InputSchema::new(json!({ "type": "object" })),
            })],
            max_output_tokens: 100,
            temperature: None,
        };

        let function = json!({ "name": "read_file", "arguments": r#"{"path":"a.txt"}"# });
        let asked = body(&request, false);
        assert_eq!(
            asked,
            json!({
                "model": "gpt-4o",
                "messages": [
                    { "role": "system", "content": "Be brief." },
                    { "role": "user", "content": "Read it." },
                    { "role": "assistant", "content": null, "tool_calls": [
                        { "id": "call_1", "type": "function", "function": function },
                    ] },
                    { "role": "tool", "tool_call_id": "call_1", "content": "A" },
                    { "role": "assistant", "content": "It is A." },
                    { "role": "user", "content": "Thanks." },
                ],
                "max_completion_tokens": 100,
                "stream": true,
                "stream_options": { "include_usage": true },
                "tools": [{ "type": "function", "function": {
                    "name": "read_file", "description": "Reads a file.", "parameters": { "type": "object" },
                } }],
            })
        );
        assert_eq!(body(&request, true)["max_tokens"], 100);
    }
}
