//! Error codes, each with its HTTP status and its meaning, and the envelope that carries them.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $status:literal;)+) => {
        crate::open_enum::open_enum! {
            /// What went wrong, as a code that programs branch on.
            ErrorCode { $($(#[doc = $doc])+ $variant = $text),+ }
        }

        impl ErrorCode {
            /// The HTTP status that carries this code; 0 for codes that only a client makes.
            pub fn status(&self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                    Self::Other(_) => 500,
                }
            }
        }
    };
}

error_codes! {
    /// The API key is missing or not valid.
    Unauthorized = "unauthorized", 401;
    /// The key is valid, but this is not allowed with it.
    Forbidden = "forbidden", 403;
    /// There is no such resource, or it belongs to another account.
    NotFound = "not_found", 404;
    /// The request clashes with the present state of the resource.
    Conflict = "conflict", 409;
    /// Too many requests; `details.retryAfter` and the header `Retry-After` say how many seconds to wait.
    RateLimited = "rate_limited", 429;
    /// A limit of the session or user was reached; `details` names the limit, its value and what is used.
    SessionLimitExceeded = "session_limit_exceeded", 402;
    /// A fleet reached its cost limit.
    FleetCostLimit = "fleet_cost_limit", 402;
    /// The session does not have the providers of your own that `providersDigest` names; give `compute` and `models`.
    ProvidersRequired = "providers_required", 409;
    /// No provider can give what was asked for; `details` says why.
    NoProvidersAvailable = "no_providers_available", 503;
    /// A compute or model provider failed.
    ProviderError = "provider_error", 502;
    /// The request is not readable (400) or a check failed (422); `details.fields` says where.
    InvalidRequest = "invalid_request", 422;
    /// The steps of a workflow depend on one another in a circle.
    WorkflowCircularDependency = "workflow_circular_dependency", 422;
    /// The approval expired before it was decided.
    ApprovalExpired = "approval_expired", 410;
    /// The previous run of the schedule is still active.
    ScheduleOverlap = "schedule_overlap", 409;
    /// The knowledge quota is used up.
    KnowledgeQuotaExceeded = "knowledge_quota_exceeded", 402;
    /// The handler of a tool could not be reached.
    ToolHandlerUnreachable = "tool_handler_unreachable", 502;
    /// A guardrail stopped the content.
    GuardrailBlocked = "guardrail_blocked", 422;
    /// An MCP server could not be connected.
    McpConnectFailed = "mcp_connect_failed", 502;
    /// The tools of an MCP server could not be read.
    McpRefreshFailed = "mcp_refresh_failed", 502;
    /// An MCP server could not be reached.
    McpServerUnreachable = "mcp_server_unreachable", 502;
    /// Two MCP servers have the same name.
    McpNameConflict = "mcp_name_conflict", 409;
    /// The action needs an approval first.
    ApprovalRequired = "approval_required", 403;
    /// The feature needs Redis, which is not set up.
    RedisRequired = "redis_required", 501;
    /// Redis could not be reached.
    RedisUnavailable = "redis_unavailable", 503;
    /// The idempotency key was used before with a different request.
    IdempotencyKeyReused = "idempotency_key_reused", 422;
    /// A program or an agent was in flight when its worker died; whether it took effect is not known.
    Interrupted = "interrupted", 500;
    /// The run was cancelled.
    Cancelled = "cancelled", 409;
    /// The operation or field is part of the API but not served by this version.
    NotImplemented = "not_implemented", 501;
    /// The server failed; the request id helps to find out why.
    InternalError = "internal_error", 500;
    /// Something took longer than it may: a program its timeout (504), or a call the client's own.
    Timeout = "timeout", 504;
    /// The client could not reach the server, or the connection ended before the answer.
    ConnectionError = "connection_error", 0;
}

/// The body of an error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
    /// The id of the request, as in the header `x-request-id`.
    #[serde(default)]
    pub request_id: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// What went wrong, as a code that programs branch on.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: String,
    /// More, depending on the code.
    #[serde(default)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldProblem {
    /// The path of the field, for example `limits.maxCost.amount`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}
