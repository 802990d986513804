//! Webhooks: signed HTTP calls that report what happens, and the events that they carry.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::{Reply, endpoints},
    error::ErrorDetail,
    id::{AgentId, ApprovalId, FleetId, RunId, SessionId, WebhookId},
    money::{Cost, Period},
    page::Page,
    secret::Secret,
    sessions::check_page_limit,
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Registers an address that is told of events. The answer has the signing secret, this once.
    ///
    /// Deliveries are signed as Standard Webhooks are; the SDKs verify them.
    CreateWebhook: Post "/v1/webhooks" => "webhooks.create",
        body: WebhookCreateOpts, response: Webhook,
        with { positional: &["url", "events"], status: 201, planned: true };

    /// Lists webhooks, the newest first. Their secrets are masked.
    ListWebhooks: Get "/v1/webhooks" => "webhooks.list",
        query: WebhookListOpts, response: Page<Webhook>,
        with { bare_list: true, planned: true };

    /// Sends an `agent.completed` event with made-up data to the webhook.
    TestWebhook: Post "/v1/webhooks/{webhookId}/test" => "webhooks.test",
        path: WebhookPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Removes a webhook. Nothing is delivered to it any more.
    DeleteWebhook: Delete "/v1/webhooks/{webhookId}" => "webhooks.delete",
        path: WebhookPath,
        with { status: 204, reply: Reply::Empty, planned: true };
}

/// The path of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookPath {
    /// The webhook.
    pub webhook_id: WebhookId,
}

/// What a new webhook is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookCreateOpts {
    /// The address that is called: `https`, and reachable from the internet.
    pub url: String,
    /// The types of the events to report, for example `agent.completed`; `*` is all of them.
    pub events: Vec<String>,
    /// The signing secret, `whsec_` and the base64 of 24 to 64 bytes; generated if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

impl Check for WebhookCreateOpts {
    fn check(&self, problems: &mut Problems) {
        let is_http = self.url.starts_with("https://") || self.url.starts_with("http://");
        problems.require(is_http && self.url.len() <= 2048, "url", "must be an `https` address of at most 2048 bytes");
        problems.require(!self.events.is_empty(), "events", "must name at least one type of event, or be `*`");
        if let Some(secret) = &self.secret {
            problems.require(secret.expose().starts_with("whsec_"), "secret", "must start with `whsec_`");
        }
    }
}

/// Which webhooks to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for WebhookListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The id.
    pub id: WebhookId,
    /// The address that is called.
    pub url: String,
    /// The types of the events that it is told of.
    pub events: Vec<String>,
    /// The signing secret: whole when the webhook is created, its first 8 characters afterwards.
    pub secret: Secret,
    /// When it was created.
    pub created_at: Timestamp,
}

tagged_union! {
    /// What a webhook reports. Its id, in the header `webhook-id`, stays the same when it is delivered again.
    WebhookEvent by "type", common {
        /// When it happened.
        timestamp: Timestamp,
    } {
        /// An agent's run is completed.
        AgentCompleted = "agent.completed" {
            /// The run and its outcome.
            data: AgentEventData,
        },
        /// An agent's run failed.
        AgentFailed = "agent.failed" {
            /// The run and why it failed.
            data: AgentEventData,
        },
        /// A session reached one of its limits, and its agents were paused.
        SessionLimitReached = "session.limit_reached" {
            /// The limit.
            data: LimitEventData,
        },
        /// An agent waits for someone to approve what it is about to do.
        ApprovalRequested = "approval.requested" {
            /// What is to be approved.
            data: ApprovalEventData,
        },
        /// Somebody approved, and the agent goes on.
        ApprovalApproved = "approval.approved" {
            /// What was approved.
            data: ApprovalEventData,
        },
        /// Somebody denied, and the agent was told.
        ApprovalDenied = "approval.denied" {
            /// What was denied.
            data: ApprovalEventData,
        },
        /// Nobody decided in time, and the default applied.
        ApprovalExpired = "approval.expired" {
            /// What nobody decided.
            data: ApprovalEventData,
        },
        /// A fleet has no item left to work on.
        FleetCompleted = "fleet.completed" {
            /// The fleet and its counts.
            data: FleetEventData,
        },
        /// A budget's alert threshold was passed.
        BudgetAlert = "budget.alert" {
            /// The budget.
            data: BudgetEventData,
        },
    }
}

/// What events of an agent carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentEventData {
    /// The agent.
    pub agent_id: AgentId,
    /// Its session.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What the agent answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What the run cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
}

/// What the event of a limit carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitEventData {
    /// The session.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The limit that was reached: `maxCost`, `maxAgents`, `maxComputeMinutes` or `maxDuration`.
    pub limit: String,
    /// Its value, in the limit's own unit: cents, agents, minutes or seconds.
    pub value: f64,
    /// How much is used, in the same unit.
    pub used: f64,
}

/// What events of an approval carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalEventData {
    /// The approval.
    pub approval_id: ApprovalId,
    /// The agent that waits; absent for a step of a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The name of the action.
    pub action: String,
    /// What the action is to be done with.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// What events of a fleet carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetEventData {
    /// The fleet.
    pub fleet_id: FleetId,
    /// Its session.
    pub session_id: SessionId,
    /// How many items it has.
    pub total: i64,
    /// How many are completed.
    pub completed: i64,
    /// How many failed.
    pub failed: i64,
    /// What it cost.
    pub cost: Cost,
}

/// What the alert of a budget carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetEventData {
    /// The end user whose budget it is; empty for the account's own.
    #[serde(default)]
    pub user_id: String,
    /// The period of the budget, by the UTC calendar.
    pub period: Period,
    /// The threshold that was passed, 0 to 1.
    pub threshold: f64,
    /// The budget of the period.
    pub budget: Cost,
    /// What is spent.
    pub spent: Cost,
}
