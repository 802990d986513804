//! MCP: servers whose tools agents can use, and the server as which the account's own tools are offered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    choice::choice,
    compatible::compatible,
    endpoint::{Repeat, Reply, endpoints},
    id::McpConnectionId,
    open_enum::open_enum,
    page::Page,
    patch::Patch,
    secret::Secret,
    sessions::check_page_limit,
    time::Timestamp,
    tools::{check_headers, check_url, is_tool_name},
};

endpoints! {
    /// Connects an MCP server, so that agents can use its tools.
    ///
    /// Tools are called by the name of the connection and their own: `github_list_issues`. A server of `sse` or
    /// `streamable-http` is connected before the call returns, or the call fails with `mcp_connect_failed`; where it
    /// asks for OAuth, the answer has `authUrl` and the connection waits in the state `configured`. A `stdio` server is
    /// started in each agent's sandbox. A name that another connection has fails with `mcp_name_conflict`.
    ConnectMcpServer: Post "/v1/mcp/connections" => "mcp.connect",
        body: McpConnectOpts, response: McpConnection,
        with { positional: &["server"], status: 201, planned: true };

    /// Lists the connections, the newest first.
    ListMcpConnections: Get "/v1/mcp/connections" => "mcp.list",
        query: McpConnectionListOpts, response: Page<McpConnection>,
        with { planned: true };

    /// Fetches a connection.
    GetMcpConnection: Get "/v1/mcp/connections/{connectionId}" => "mcp.get",
        path: McpConnectionPath, response: McpConnection,
        with { planned: true };

    /// Lists the tools of a connection that agents can use, by name.
    ListMcpTools: Get "/v1/mcp/connections/{connectionId}/tools" => "mcp.tools",
        path: McpConnectionPath, query: McpToolListOpts, response: Page<McpTool>,
        with { planned: true };

    /// Asks the server again which tools it has. Fails with `mcp_refresh_failed` if it does not say.
    RefreshMcpTools: Post "/v1/mcp/connections/{connectionId}/refresh" => "mcp.refresh",
        path: McpConnectionPath, response: McpRefreshResult,
        with { repeat: Repeat::Idempotent, planned: true };

    /// Changes what is given of a connection and keeps the rest. A connection whose headers change is made anew.
    UpdateMcpConnection: Put "/v1/mcp/connections/{connectionId}" => "mcp.update",
        path: McpConnectionPath, body: McpUpdateOpts, response: McpConnection,
        with { positional: &["changes"], planned: true };

    /// Asks the server for a sign of life and tells how long that took.
    ///
    /// A server that does not answer is no error of this call: the answer says `error` and why.
    GetMcpHealth: Get "/v1/mcp/connections/{connectionId}/health" => "mcp.health",
        path: McpConnectionPath, response: McpHealth,
        with { planned: true };

    /// Removes a connection with the credentials of its users. Agents that used its tools work on without them.
    DisconnectMcpServer: Delete "/v1/mcp/connections/{connectionId}" => "mcp.disconnect",
        path: McpConnectionPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Sets the credentials that one end user has at a server whose `credentialsType` is `per_user`.
    ///
    /// Agents in the user's sessions call the server with these headers, in place of those of the connection. They are
    /// kept sealed and never shown.
    SetMcpUserCredentials: Put "/v1/mcp/connections/{connectionId}/users/{userId}/credentials"
        => "mcp.setUserCredentials",
        path: McpUserPath, body: McpUserCredentialsOpts,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Removes the credentials of one end user.
    DeleteMcpUserCredentials: Delete "/v1/mcp/connections/{connectionId}/users/{userId}/credentials"
        => "mcp.deleteUserCredentials",
        path: McpUserPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Says which of the account's tools its MCP server offers to programs outside.
    SetMcpServerConfig: Put "/v1/mcp/server/config" => "mcp.serverConfig",
        body: McpServerConfig, response: McpServerConfigResponse,
        with { planned: true };

    /// Tells what the account's MCP server offers, and its address.
    GetMcpServerConfig: Get "/v1/mcp/server/config" => "mcp.getServerConfig",
        response: McpServerConfigResponse,
        with { planned: true };
}

/// The path of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpConnectionPath {
    /// The connection.
    pub connection_id: McpConnectionId,
}

/// The path of an end user at a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpUserPath {
    /// The connection.
    pub connection_id: McpConnectionId,
    /// The end user, by the id that your own system uses.
    pub user_id: String,
}

open_enum! {
    /// How an MCP server is spoken to.
    McpTransport {
        /// HTTP with server-sent events, as older servers have it.
        Sse = "sse",
        /// Streamable HTTP, as servers have it today.
        StreamableHttp = "streamable-http",
        /// The input and output of a program that is started in each agent's sandbox.
        Stdio = "stdio",
    }
}

open_enum! {
    /// Whose credentials a server is called with.
    McpCredentialsType {
        /// Those of the connection, for everyone.
        Platform = "platform",
        /// Those of the end user whose session the agent is in.
        PerUser = "per_user",
    }
}

/// An MCP server to connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpConnectOpts {
    /// The name, with which the names of its tools begin: 1 to 32 letters, digits, `_` and `-`.
    pub name: String,
    /// How it is spoken to.
    pub transport: McpTransport,
    /// The address of the server; needed for `sse` and `streamable-http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers that are sent with each request, by their names. They are kept sealed and never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// The program to start; needed for `stdio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The arguments of the program; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// The server's own names of the tools that agents may use; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_filter: Option<Vec<String>>,
    /// The server's own names of the tools of which a person must approve each call; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<Vec<String>>,
    /// Whose credentials the server is called with; `platform` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_type: Option<McpCredentialsType>,
}

impl McpConnectOpts {
    /// A server at an address, spoken to by streamable HTTP.
    ///
    /// ```
    /// use theazo_api::McpConnectOpts;
    ///
    /// let github = McpConnectOpts {
    ///     tool_filter: Some(vec!["list_issues".to_owned()]),
    ///     ..McpConnectOpts::http("github", "https://mcp.github.example/mcp")
    /// };
    /// let files = McpConnectOpts::stdio("files", "npx", ["mcp-server-files", "/workspace"]);
    /// ```
    pub fn http(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::new(name.into(), McpTransport::StreamableHttp) }
    }

    /// A server that is a program in each agent's sandbox.
    pub fn stdio(
        name: impl Into<String>,
        command: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { command: Some(command.into()), args: Some(args), ..Self::new(name.into(), McpTransport::Stdio) }
    }

    fn new(name: String, transport: McpTransport) -> Self {
        Self {
            name,
            transport,
            url: None,
            headers: None,
            command: None,
            args: None,
            tool_filter: None,
            requires_approval: None,
            credentials_type: None,
        }
    }
}

impl Check for McpConnectOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            is_tool_name(&self.name) && self.name.len() <= 32,
            "name",
            "must be 1 to 32 letters, digits, `_` and `-`: names of tools begin with it",
        );
        match &self.transport {
            McpTransport::Sse | McpTransport::StreamableHttp => {
                check_url("url", self.url.as_deref().unwrap_or_default(), problems);
                problems.require(self.command.is_none(), "command", "is only for `stdio`");
                problems.require(self.args.is_none(), "args", "is only for `stdio`");
            }
            McpTransport::Stdio => {
                let command = self.command.as_deref().unwrap_or_default();
                problems.require(!command.trim().is_empty(), "command", "must name the program to start");
                problems.require(self.url.is_none(), "url", "is only for `sse` and `streamable-http`");
                problems.require(self.headers.is_none(), "headers", "is only for `sse` and `streamable-http`");
            }
            McpTransport::Other(_) => problems.add("transport", "must be `sse`, `streamable-http` or `stdio`"),
        }
        if let Some(headers) = &self.headers {
            check_headers(headers, problems);
        }
        check_names("toolFilter", self.tool_filter.as_ref(), problems);
        check_names("requiresApproval", self.requires_approval.as_ref(), problems);
        if let Some(McpCredentialsType::Other(_)) = &self.credentials_type {
            problems.add("credentialsType", "must be `platform` or `per_user`");
        }
    }
}

fn check_names(field: &str, names: Option<&Vec<String>>, problems: &mut Problems) {
    let named = names.is_none_or(|names| names.iter().all(|name| !name.trim().is_empty()));
    problems.require(named, field, "must be names of tools");
}

open_enum! {
    /// The state of a connection.
    McpStatus {
        /// The server answers.
        Connected = "connected",
        /// The server was connected and does not answer.
        Disconnected = "disconnected",
        /// The server could not be connected; `error` says why.
        Error = "error",
        /// It is set up and not connected yet: it waits for OAuth, for a user's credentials, or for a sandbox.
        Configured = "configured",
    }
}

/// A connection to an MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpConnection {
    /// The id.
    pub id: McpConnectionId,
    /// The name, with which the names of its tools begin.
    pub name: String,
    /// How the server is spoken to.
    pub transport: McpTransport,
    /// The address of the server; null for `stdio`.
    #[serde(default)]
    pub url: Option<String>,
    /// The program that is started; null for other transports than `stdio`.
    #[serde(default)]
    pub command: Option<String>,
    /// The arguments of the program; null for other transports than `stdio`.
    #[serde(default)]
    pub args: Option<Vec<String>>,
    /// The server's own names of the tools that agents may use; null if they may use all.
    #[serde(default)]
    pub tool_filter: Option<Vec<String>>,
    /// The server's own names of the tools of which a person must approve each call.
    #[serde(default)]
    pub requires_approval: Vec<String>,
    /// Whose credentials the server is called with.
    pub credentials_type: McpCredentialsType,
    /// The state.
    pub status: McpStatus,
    /// Why it is not connected; null if it is.
    #[serde(default)]
    pub error: Option<String>,
    /// How many tools the server has, those that are filtered out included.
    pub tool_count: i64,
    /// The tools that agents can use.
    #[serde(default)]
    pub discovered_tools: Vec<McpTool>,
    /// When the server was last asked for a sign of life; null if it never was.
    #[serde(default)]
    pub last_health_check: Option<Timestamp>,
    /// Where a person must give consent before the server can be used; absent if nobody must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A tool of an MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpTool {
    /// The server's own name of it. Agents call it by the name of the connection, `_` and this.
    pub name: String,
    /// What it does and when to use it.
    #[serde(default)]
    pub description: String,
    /// What it is given: a JSON Schema of an object.
    #[serde(default)]
    pub input_schema: serde_json::Map<String, serde_json::Value>,
    /// The connection.
    pub server_id: McpConnectionId,
    /// The name of the connection.
    pub server_name: String,
}

/// Which connections to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpConnectionListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for McpConnectionListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which tools of a connection to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpToolListOpts {
    /// How many items a page has at most: 1 to 100, 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for McpToolListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What came of asking a server again which tools it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct McpRefreshResult {
    /// The tools that agents can use now.
    pub tools: Vec<McpTool>,
    /// The names of those that were not there before.
    #[serde(default)]
    pub added: Vec<String>,
    /// The names of those that are gone.
    #[serde(default)]
    pub removed: Vec<String>,
}

compatible!(McpRefreshResult, accepts { "data" as "tools" }, serves { "tools" as "data" });

/// A change of a connection. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpUpdateOpts {
    /// Headers that are sent with each request, in place of all those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// The server's own names of the tools that agents may use; null lets them use all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub tool_filter: Patch<Vec<String>>,
    /// The server's own names of the tools of which a person must approve each call, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<Vec<String>>,
}

impl Check for McpUpdateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(headers) = &self.headers {
            check_headers(headers, problems);
        }
        check_names("toolFilter", self.tool_filter.value(), problems);
        check_names("requiresApproval", self.requires_approval.as_ref(), problems);
    }
}

/// Whether the server of a connection is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpHealth {
    /// The state of the connection.
    pub status: McpStatus,
    /// How long the server took to answer, in milliseconds; if it did not, how long it was waited for.
    pub latency_ms: i64,
    /// When it was asked.
    pub last_ping_at: Timestamp,
    /// Why it did not answer; absent if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The credentials of one end user at a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpUserCredentialsOpts {
    /// Headers that are sent with each request for this user, by their names, in place of all those before.
    pub headers: BTreeMap<String, Secret>,
}

impl Check for McpUserCredentialsOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.headers.is_empty(), "headers", "must have at least one header");
        check_headers(&self.headers, problems);
    }
}

choice! {
    /// Which tools an MCP server offers.
    McpExpose {
        /// All of them, written `*`.
        text All(String),
        /// Those with these names.
        list Names(Vec<String>),
    }
}

open_enum! {
    /// How programs outside prove who they are.
    McpServerAuth {
        /// By an API key of the account.
        ApiKey = "api_key",
    }
}

/// What the account's MCP server offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpServerConfig {
    /// The names of the registered tools that are offered, or `*` for all; an empty list offers nothing.
    pub expose: McpExpose,
    /// How programs outside prove who they are; `api_key` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<McpServerAuth>,
}

impl Check for McpServerConfig {
    fn check(&self, problems: &mut Problems) {
        match &self.expose {
            McpExpose::All(text) => problems.require(text == "*", "expose", "must be `*` or a list of names of tools"),
            McpExpose::Names(names) => check_names("expose", Some(names), problems),
        }
        if let Some(McpServerAuth::Other(_)) = &self.auth {
            problems.add("auth", "must be `api_key`");
        }
    }
}

/// What the account's MCP server offers, and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpServerConfigResponse {
    /// The names of the registered tools that are offered, or `*` for all; an empty list offers nothing.
    pub expose: McpExpose,
    /// How programs outside prove who they are.
    pub auth: McpServerAuth,
    /// The address of the account's MCP server, for streamable HTTP.
    pub url: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(opts: Value) -> Vec<String> {
        let opts: McpConnectOpts = serde_json::from_value(opts).unwrap();
        Problems::of(&opts).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_tools_of_a_refresh_are_served_as_data_too() {
        let tool = json!({ "name": "list_issues", "description": "", "inputSchema": {}, "serverId": "mcp_1", "serverName": "github" });
        let result: McpRefreshResult = serde_json::from_value(json!({ "data": [tool] })).unwrap();

        assert_eq!(result.tools[0].name, "list_issues");
        let served = for_published_clients(|| serde_json::to_value(&result).unwrap());
        assert_eq!(served["data"], json!([tool]));
    }

    #[test]
    fn servers_made_in_code_are_right() {
        assert_eq!(Problems::of(&McpConnectOpts::http("github", "https://mcp.example.com")), []);
        assert_eq!(Problems::of(&McpConnectOpts::stdio("files", "npx", ["-y", "server-filesystem"])), []);
    }

    #[test]
    fn each_transport_needs_its_own_fields() {
        assert_eq!(
            problems(json!({ "name": "github", "transport": "sse", "url": "https://mcp.example.com" })),
            [""; 0]
        );
        assert_eq!(problems(json!({ "name": "github", "transport": "sse", "command": "npx" })), ["url", "command"]);
        assert_eq!(
            problems(json!({ "name": "files", "transport": "stdio", "command": "npx", "args": ["-y"] })),
            [""; 0]
        );
        assert_eq!(
            problems(json!({ "name": "a b", "transport": "stdio", "url": "https://a" })),
            ["name", "command", "url"]
        );
        assert_eq!(problems(json!({ "name": "github", "transport": "carrier-pigeon" })), ["transport"]);
    }

    #[test]
    fn a_filter_is_kept_cleared_or_set() {
        let read = |json: Value| serde_json::from_value::<McpUpdateOpts>(json).unwrap().tool_filter;

        assert_eq!(read(json!({})), Patch::Keep);
        assert_eq!(read(json!({ "toolFilter": null })), Patch::Clear);
        assert_eq!(read(json!({ "toolFilter": ["a"] })), Patch::Set(vec!["a".to_owned()]));
    }

    #[test]
    fn only_a_star_exposes_everything() {
        let read = |expose: Value| {
            let config: McpServerConfig = serde_json::from_value(json!({ "expose": expose })).unwrap();
            Problems::of(&config).len()
        };

        assert_eq!(read(json!("*")), 0);
        assert_eq!(read(json!([])), 0);
        assert_eq!(read(json!("all")), 1);
    }
}
