//! Approvals: what an agent or a workflow does only when somebody allows it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::endpoints,
    error::ErrorDetail,
    id::{AgentId, ApprovalId, RunId, SessionId, WorkflowRunId},
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Lists approvals, the newest first.
    ListApprovals: Get "/v1/approvals" => "approvals.list",
        query: ApprovalListFilters, response: Page<Approval>,
        with { bare_list: true, planned: true };

    /// Fetches an approval.
    GetApproval: Get "/v1/approvals/{approvalId}" => "approvals.get",
        path: ApprovalPath, response: Approval,
        with { planned: true };

    /// Approves. What waits goes on from where it stood.
    ///
    /// Approving again what is approved changes nothing. What was denied is refused with `conflict`, and what expired
    /// with `approval_expired`.
    ApproveAction: Post "/v1/approvals/{approvalId}/approve" => "approvals.approve",
        path: ApprovalPath, body: ApproveOpts, response: Approval,
        with { planned: true };

    /// Denies. An agent that waits gets an error that it can handle; a step of a workflow that waits fails.
    ///
    /// Denying again what is denied changes nothing. What was approved is refused with `conflict`, and what expired
    /// with `approval_expired`.
    DenyAction: Post "/v1/approvals/{approvalId}/deny" => "approvals.deny",
        path: ApprovalPath, body: DenyOpts, response: Approval,
        with { planned: true };

    /// Approves several. Each is decided on its own, and the answer has a result for each.
    BulkApproveActions: Post "/v1/approvals/bulk-approve" => "approvals.bulkApprove",
        body: BulkApproveOpts, response: BulkApprovalResult,
        with { positional: &["ids"], planned: true };

    /// Denies several. Each is decided on its own, and the answer has a result for each.
    BulkDenyActions: Post "/v1/approvals/bulk-deny" => "approvals.bulkDeny",
        body: BulkDenyOpts, response: BulkApprovalResult,
        with { positional: &["ids"], planned: true };
}

/// The path of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPath {
    /// The approval.
    pub approval_id: ApprovalId,
}

open_enum! {
    /// The state of an approval.
    ApprovalStatus {
        /// Nobody has decided yet.
        Pending = "pending",
        /// Somebody approved, or nobody decided in time and that counts as approved.
        Approved = "approved",
        /// Somebody denied.
        Denied = "denied",
        /// Nobody decided in time, and that counts as denied.
        Expired = "expired",
    }
}

open_enum! {
    /// What counts when nobody decides in time.
    ApprovalDefault {
        /// It counts as approved.
        Approve = "approve",
        /// It counts as denied.
        Deny = "deny",
    }
}

/// Which approvals to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalListFilters {
    /// Only approvals of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only approvals in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ApprovalStatus>,
    /// Only approvals that this agent waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ApprovalListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// How to approve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApproveOpts {
    /// Members of the action's `params` to change before it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modifications: Option<Map<String, Value>>,
    /// Who approves, by the id that your own system uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

impl Check for ApproveOpts {
    fn check(&self, problems: &mut Problems) {
        check_decider(self.decided_by.as_deref(), problems);
    }
}

/// How to deny.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DenyOpts {
    /// Why, as the agent is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who denies, by the id that your own system uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

impl Check for DenyOpts {
    fn check(&self, problems: &mut Problems) {
        check_reason(self.reason.as_deref(), problems);
        check_decider(self.decided_by.as_deref(), problems);
    }
}

/// Which to approve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BulkApproveOpts {
    /// The approvals, 1 to 100.
    pub ids: Vec<ApprovalId>,
    /// Who approves, by the id that your own system uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

impl Check for BulkApproveOpts {
    fn check(&self, problems: &mut Problems) {
        check_ids(&self.ids, problems);
        check_decider(self.decided_by.as_deref(), problems);
    }
}

/// Which to deny.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BulkDenyOpts {
    /// The approvals, 1 to 100.
    pub ids: Vec<ApprovalId>,
    /// Why, as the agents are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who denies, by the id that your own system uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

impl Check for BulkDenyOpts {
    fn check(&self, problems: &mut Problems) {
        check_ids(&self.ids, problems);
        check_reason(self.reason.as_deref(), problems);
        check_decider(self.decided_by.as_deref(), problems);
    }
}

fn check_ids(ids: &[ApprovalId], problems: &mut Problems) {
    problems.require((1..=100).contains(&ids.len()), "ids", "must name 1 to 100 approvals");
    problems.require(ids.iter().all(ApprovalId::is_well_formed), "ids", "must be ids such as `apr_a1b2c3`");
}

fn check_reason(reason: Option<&str>, problems: &mut Problems) {
    problems.require(reason.is_none_or(|reason| reason.len() <= 8192), "reason", "is longer than 8192 bytes");
}

fn check_decider(decided_by: Option<&str>, problems: &mut Problems) {
    let fits = decided_by.is_none_or(|name| !name.trim().is_empty() && name.len() <= 256);
    problems.require(fits, "decidedBy", "must be 1 to 256 bytes of text");
}

/// An approval: an action that waits until somebody allows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Approval {
    /// The id.
    pub id: ApprovalId,
    /// The agent that waits; null for a step of a workflow.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The session of what waits.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The run of the agent that waits; null for a step of a workflow.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The run of the workflow that waits, if one does.
    #[serde(default)]
    pub workflow_run_id: Option<WorkflowRunId>,
    /// The step of the workflow that waits, if one does.
    #[serde(default)]
    pub step_id: Option<String>,
    /// The name of the action.
    pub action: String,
    /// What the action is to be done with.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The state.
    pub status: ApprovalStatus,
    /// How long there is to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What counts when nobody decides in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_action: Option<ApprovalDefault>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it is too late to decide.
    pub expires_at: Timestamp,
    /// When it was decided, or expired; absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who decided, by the id that your own system uses; absent where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Members of `params` that were changed by who approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modifications: Option<Map<String, Value>>,
    /// Why it was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

compatible!(
    Approval,
    accepts { "resolvedAt" as "decidedAt", "resolvedBy" as "decidedBy" },
    serves { "decidedAt" as "resolvedAt", "decidedBy" as "resolvedBy" }
);

/// What became of several approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BulkApprovalResult {
    /// What became of each, in the order in which they were named.
    pub results: Vec<ApprovalResult>,
    /// How many were decided as was asked.
    pub succeeded: i64,
    /// How many were not.
    pub failed: i64,
}

/// What became of one of several approvals: it, or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalResult {
    /// The id that was named.
    pub id: ApprovalId,
    /// The approval, if it is decided as was asked.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Why it is not.
    #[serde(default)]
    pub error: Option<ErrorDetail>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn a_decision_is_known_under_both_names() {
        let published = json!({
            "id": "apr_1", "agentId": "agt_1", "action": "send_email", "params": { "to": "ada@example.com" },
            "status": "approved", "requestedAt": "2026-11-24T09:00:00.000Z", "expiresAt": "2026-11-25T09:00:00.000Z",
            "resolvedAt": "2026-11-24T10:00:00.000Z", "resolvedBy": "grace",
        });
        let mut clean = published.clone();
        clean["decidedAt"] = json!("2026-11-24T10:00:00.000Z");
        clean["decidedBy"] = json!("grace");

        let approval: Approval = serde_json::from_value(published.clone()).unwrap();

        assert_eq!(approval, serde_json::from_value(clean).unwrap());
        assert_eq!(approval.decided_by.as_deref(), Some("grace"));
        let served = for_published_clients(|| serde_json::to_value(&approval).unwrap());
        for (name, value) in published.as_object().unwrap() {
            assert_eq!(&served[name], value, "{name}");
        }
    }

    #[test]
    fn what_is_pending_was_decided_by_nobody() {
        let approval: Approval = serde_json::from_value(json!({
            "id": "apr_1", "action": "deploy", "status": "pending", "requestedAt": "2026-11-24T09:00:00.000Z",
            "expiresAt": "2026-11-25T09:00:00.000Z",
        }))
        .unwrap();

        let served = for_published_clients(|| serde_json::to_value(&approval).unwrap());

        assert!(served.get("resolvedAt").is_none() && served.get("resolvedBy").is_none());
        assert_eq!(served["agentId"], Value::Null);
    }

    #[test]
    fn bulk_decisions_name_approvals() {
        let problems = |ids: &[&str]| {
            let ids = ids.iter().map(|&id| id.into()).collect();
            Problems::of(&BulkApproveOpts { ids, decided_by: None }).len()
        };

        assert_eq!(problems(&["apr_1", "apr_2"]), 0);
        assert_eq!(problems(&[]), 1);
        assert_eq!(problems(&["agt_1"]), 1);
    }
}
