//! Tools: what agents can call. Some are built in; others are yours, and calling them is a signed HTTP call to your server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, accept, compatible, serve},
    endpoint::{Reply, TimeClass, endpoints},
    id::ToolId,
    page::Page,
    secret::Secret,
    sessions::check_page_limit,
    tagged_union::tagged_union,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Registers a tool of yours, so that agents can call it by its name. The answer has the signing secret, this once.
    ///
    /// A name can be registered once: a second tool with it, or one with the name of a built-in tool, fails with
    /// `conflict`. Calls are signed as Standard Webhooks are; the SDKs verify them.
    RegisterTool: Post "/v1/tools" => "tools.register",
        body: ToolRegisterOpts, response: Tool,
        with { positional: &["name", "description", "parameters", "handler"], status: 201, planned: true };

    /// Lists tools by name, the built-in ones included.
    ListTools: Get "/v1/tools" => "tools.list",
        query: ToolListOpts, response: Page<Tool>,
        with { bare_list: true, planned: true };

    /// Fetches a tool, built-in or registered.
    GetTool: Get "/v1/tools/{name}" => "tools.get",
        path: ToolPath, response: Tool,
        with { ours: true, planned: true };

    /// Changes what is given of a registered tool and keeps the rest. Its signing secret stays the same.
    ///
    /// A built-in tool cannot be changed: that fails with `forbidden`.
    UpdateTool: Patch "/v1/tools/{name}" => "tools.update",
        path: ToolPath, body: ToolUpdateOpts, response: Tool,
        with { ours: true, planned: true };

    /// Calls a tool with this input, as an agent would, and tells what came of it.
    ///
    /// A tool that fails is no error of this call: the answer says `success: false` and why. A handler that cannot be
    /// reached fails with `tool_handler_unreachable`.
    TestTool: Post "/v1/tools/{name}/test" => "tools.test",
        path: ToolPath, body: Map<String, Value>, response: ToolResult,
        with {
            positional: &["input"], body_doc: "What the tool is given, as its `parameters` describe it.",
            time: TimeClass::Run, planned: true,
        };

    /// Removes a registered tool. Agents that have it in their list work on without it.
    DeleteTool: Delete "/v1/tools/{name}" => "tools.delete",
        path: ToolPath,
        with { status: 204, reply: Reply::Empty, planned: true };
}

/// The path of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolPath {
    /// The name of the tool.
    pub name: String,
}

/// A tool to register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolRegisterOpts {
    /// The name by which models call it: 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// What it is given: a JSON Schema of an object.
    pub parameters: Map<String, Value>,
    /// What does its work.
    pub handler: ToolHandler,
    /// Whether a person must approve each call; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
}

impl Check for ToolRegisterOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            is_tool_name(&self.name),
            "name",
            "must be 1 to 64 letters, digits, `_` and `-`, as models call tools",
        );
        check_description(&self.description, problems);
        check_parameters(&self.parameters, problems);
        problems.within("handler", &self.handler);
    }
}

/// Whether models can call a tool by this name.
pub(crate) fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn check_description(description: &str, problems: &mut Problems) {
    problems.require(
        !description.trim().is_empty() && description.len() <= 4096,
        "description",
        "must be 1 to 4096 bytes of text: the model chooses tools by it",
    );
}

fn check_parameters(parameters: &Map<String, Value>, problems: &mut Problems) {
    let kind = parameters.get("type").and_then(Value::as_str);
    problems.require(
        parameters.is_empty() || kind == Some("object"),
        "parameters",
        "must be a JSON Schema of an object, with `\"type\": \"object\"`",
    );
}

/// Checks an address on the web.
pub(crate) fn check_url(field: &str, url: &str, problems: &mut Problems) {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    problems.require(
        !host.is_empty() && !host.starts_with('/') && url.len() <= 2048 && !url.contains(char::is_whitespace),
        field,
        "must be an `https` or `http` address of at most 2048 bytes",
    );
}

/// Checks headers that are sent to a server of the customer.
pub(crate) fn check_headers(headers: &BTreeMap<String, Secret>, problems: &mut Problems) {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_value = |value: &Secret| value.expose().len() <= 8192 && !value.expose().contains(['\r', '\n', '\0']);
    problems.require(headers.len() <= 50, "headers", "must be at most 50 headers");
    problems.require(headers.keys().all(|name| is_name(name)), "headers", "has a name that HTTP does not allow");
    problems.require(
        headers.values().all(is_value),
        "headers",
        "has a value of several lines, or of more than 8192 bytes",
    );
}

tagged_union! {
    /// What does the work of a tool.
    ToolHandler by "type" {
        /// Your server: each call of the tool is a signed HTTP POST to it, and the tool returns what it answers.
        Webhook = "webhook" {
            /// The address that is called: `https`, and reachable from the control plane.
            url: String,
            /// Headers that are sent with each call, by their names. They are kept sealed, and answers leave them out.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            headers: Option<BTreeMap<String, Secret>>,
            /// How long a call may take: 30 seconds by default, 10 minutes at most.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            timeout: Option<DurationInput>,
        },
    }
}

impl Check for ToolHandler {
    fn check(&self, problems: &mut Problems) {
        match self {
            Self::Webhook { url, headers, timeout } => {
                check_url("url", url, problems);
                if let Some(headers) = headers {
                    check_headers(headers, problems);
                }
                if let Some(timeout) = timeout {
                    problems.require(
                        !timeout.0.is_zero() && timeout.0.as_secs() <= 600,
                        "timeout",
                        "must be longer than nothing and at most 10 minutes",
                    );
                }
            }
            Self::Other(_) => problems.add("type", "must be `webhook`"),
        }
    }
}

/// Which tools to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ToolListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// The id; absent for a built-in tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ToolId>,
    /// The name by which models call it.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// Whether it is built in.
    pub builtin: bool,
    /// What it is given: a JSON Schema of an object.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// What does its work, without its headers; absent for a built-in tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<ToolHandler>,
    /// Whether a person must approve each call.
    pub requires_approval: bool,
    /// The secret that calls of the handler are signed with: in the answer that registers the tool, never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Secret>,
    /// When it was registered; absent for a built-in tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed; absent for a built-in tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A change of a registered tool. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolUpdateOpts {
    /// What it does and when to use it, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is given: a JSON Schema of an object, in place of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// What does its work, in place of the one before, headers and all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<ToolHandler>,
    /// Whether a person must approve each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
}

impl Check for ToolUpdateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(description) = &self.description {
            check_description(description, problems);
        }
        if let Some(parameters) = &self.parameters {
            check_parameters(parameters, problems);
        }
        if let Some(handler) = &self.handler {
            problems.within("handler", handler);
        }
    }
}

/// What came of a test of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolResult {
    /// The name of the tool.
    #[serde(default)]
    pub tool: String,
    /// What it was given.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// What it returned; null if it failed.
    #[serde(default)]
    pub output: Value,
    /// Whether it did its work.
    pub success: bool,
    /// Why it failed; absent if it did its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: i64,
}

compatible!(ToolResult by functions);

impl Compatible for ToolResult {
    const TOUCHED: &[&str] = &["duration", "error", "success"];

    fn accept(members: &mut Map<String, Value>) {
        accept(members, "duration", "durationMs");
        // The newest published version tells of success by the absence of an error.
        let failed = members.get("error").is_some_and(|error| !error.is_null());
        members.entry("success").or_insert(Value::Bool(!failed));
    }

    fn serve(members: &mut Map<String, Value>) {
        serve(members, "durationMs", "duration");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn the_duration_of_a_test_is_served_under_both_names() {
        let result: ToolResult = serde_json::from_value(json!({
            "tool": "crm_lookup", "input": { "id": 7 }, "output": "Ada", "duration": 412,
        }))
        .unwrap();

        assert_eq!((result.success, result.duration_ms), (true, 412));
        let served = for_published_clients(|| serde_json::to_value(&result).unwrap());
        assert_eq!((&served["duration"], &served["durationMs"]), (&json!(412), &json!(412)));
    }

    #[test]
    fn a_test_failed_if_it_says_so_or_has_an_error() {
        let read = |json: Value| serde_json::from_value::<ToolResult>(json).unwrap().success;

        assert!(!read(json!({ "error": "status 500" })));
        assert!(!read(json!({ "output": "", "success": false })));
        assert!(read(json!({ "output": "", "success": true, "error": null })));
    }

    #[test]
    fn only_tools_that_a_model_can_call_are_registered() {
        let handler = json!({ "type": "webhook", "url": "ftp://example.com", "timeout": "1h" });
        let opts: ToolRegisterOpts = serde_json::from_value(json!({
            "name": "look up", "description": " ", "parameters": { "type": "array" }, "handler": handler,
        }))
        .unwrap();

        let fields: Vec<String> = Problems::of(&opts).into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["name", "description", "parameters", "handler.url", "handler.timeout"]);
    }

    #[test]
    fn headers_cannot_smuggle_lines() {
        let headers = BTreeMap::from([("x-key".to_owned(), Secret::from("a\r\nHost: other"))]);
        let mut problems = Problems::default();
        check_headers(&headers, &mut problems);

        let problems = problems.into_result().unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "headers");
        assert!(!problems[0].message.contains("other"));
    }
}
