//! Error codes, each with its HTTP status and its meaning, and the envelope that carries them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::compatible::{Compatible, compatible};

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $status:literal;)+) => {
        crate::open_enum::open_enum! {
            /// What went wrong, as a code that programs branch on.
            ErrorCode { $($(#[doc = $doc])+ $variant = $text),+ }
        }

        impl ErrorCode {
            /// The HTTP status that carries this code; 0 for codes that only a client makes.
            ///
            /// ```
            /// assert_eq!(theazo_api::ErrorCode::SessionLimitExceeded.status(), 402);
            /// ```
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
    NoProvidersAvailable = "no_providers_available", 422;
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
    /// The disk of the server is full; what was asked for goes through once there is room.
    InsufficientStorage = "insufficient_storage", 507;
    /// The server cannot do it for the moment: its store does not answer, or it is stopping.
    Unavailable = "unavailable", 503;
    /// Something took longer than it may: a program its timeout (504), or a call the client's own.
    Timeout = "timeout", 504;
    /// The client could not reach the server, or the connection ended before the answer.
    ConnectionError = "connection_error", 0;
    /// The client is not set up correctly; nothing was sent.
    Configuration = "configuration", 0;
    /// The server answered with something that is not what the API describes.
    UnreadableAnswer = "unreadable_answer", 0;
    /// A webhook delivery is not what it says, or cannot be shown to be.
    WebhookUnverified = "webhook_unverified", 0;
}

/// The body of an error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
    /// The id of the request, as in the header `x-request-id`.
    #[serde(default)]
    pub request_id: String,
}

compatible!(ErrorBody by functions);

/// The published client looks for the id of the request beside the error, the documentation says that it is inside.
impl Compatible for ErrorBody {
    const TOUCHED: &[&str] = &["error", "requestId"];

    fn accept(members: &mut Map<String, Value>) {
        let inside = members.get("error").and_then(|error| error.get("requestId")).filter(|id| id.is_string()).cloned();
        let is_beside = members.get("requestId").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
        if let Some(inside) = inside
            && !is_beside
        {
            members.insert("requestId".to_owned(), inside);
        }
    }

    fn serve(members: &mut Map<String, Value>) {
        let beside = members.get("requestId").cloned();
        if let (Some(id), Some(Value::Object(error))) = (beside, members.get_mut("error")) {
            error.insert("requestId".to_owned(), id);
        }
    }
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
    pub details: Map<String, Value>,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn the_id_of_the_request_is_read_and_served_in_both_places() {
        let body = ErrorBody {
            error: ErrorDetail { code: ErrorCode::NotFound, message: "no such agent".to_owned(), details: Map::new() },
            request_id: "req_1".to_owned(),
        };
        let error = json!({ "code": "not_found", "message": "no such agent", "details": {} });
        let error_with_id =
            json!({ "code": "not_found", "message": "no such agent", "details": {}, "requestId": "req_1" });

        for json in [
            json!({ "error": error, "requestId": "req_1" }),
            json!({ "error": error_with_id }),
            json!({ "error": error_with_id, "requestId": "" }),
        ] {
            assert_eq!(serde_json::from_value::<ErrorBody>(json).unwrap(), body);
        }
        assert_eq!(serde_json::to_value(&body).unwrap(), json!({ "error": error, "requestId": "req_1" }));
        let served = for_published_clients(|| serde_json::to_value(&body).unwrap());
        assert_eq!(served, json!({ "error": error_with_id, "requestId": "req_1" }));
    }

    #[test]
    fn every_published_code_is_known() {
        let published = [
            "unauthorized",
            "forbidden",
            "not_found",
            "conflict",
            "rate_limited",
            "session_limit_exceeded",
            "fleet_cost_limit",
            "no_providers_available",
            "provider_error",
            "invalid_request",
            "workflow_circular_dependency",
            "approval_expired",
            "schedule_overlap",
            "knowledge_quota_exceeded",
            "tool_handler_unreachable",
            "guardrail_blocked",
            "mcp_connect_failed",
            "mcp_refresh_failed",
            "mcp_server_unreachable",
            "mcp_name_conflict",
            "approval_required",
            "redis_required",
            "redis_unavailable",
            "connection_error",
            "timeout",
            "internal_error",
        ];
        for code in published {
            assert!(!matches!(ErrorCode::from(code), ErrorCode::Other(_)), "{code}");
        }
    }
}
