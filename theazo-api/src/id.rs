//! Every typed id, in one list. An id is text with a prefix that tells its kind.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident = $prefix:literal),+ $(,)?) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(String);

            impl $name {
                /// The prefix of this kind of id, with its underscore.
                pub const PREFIX: &'static str = $prefix;

                /// Makes an id from its part after the prefix.
                pub fn from_suffix(suffix: impl std::fmt::Display) -> Self {
                    Self(format!("{}{suffix}", $prefix))
                }

                /// The id as text.
                pub fn as_str(&self) -> &str {
                    &self.0
                }

                /// Whether the text has this kind's prefix and is safe in a path.
                pub fn is_well_formed(&self) -> bool {
                    self.0.len() > $prefix.len()
                        && self.0.starts_with($prefix)
                        && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
                }
            }

            impl From<&str> for $name {
                fn from(text: &str) -> Self {
                    Self(text.to_owned())
                }
            }

            impl From<&$name> for $name {
                fn from(id: &$name) -> Self {
                    id.clone()
                }
            }

            impl From<String> for $name {
                fn from(text: String) -> Self {
                    Self(text)
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            #[cfg(feature = "schema")]
            impl schemars::JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({
                        "type": "string",
                        "description": concat!($($doc, "\n"),+),
                        "x-theazo-id": $prefix,
                        "examples": [concat!($prefix, "a1b2c3")],
                    })
                }
            }
        )+

        /// Every id type with its prefix.
        pub const PREFIXES: &[(&str, &str)] = &[$((stringify!($name), $prefix)),+];
    };
}

/// What is wrong with a path parameter that is clearly the id of another kind: an agent's id given for a session's.
///
/// Parameters are called as their types: `sessionId` takes a `SessionId`. A text with no prefix of ours is left to the
/// server to judge.
///
/// ```
/// use theazo_api::wrong_kind;
///
/// assert_eq!(wrong_kind("sessionId", "ses_9f27c4e1b0a3"), None);
/// assert!(wrong_kind("sessionId", "agt_51d0e7a9c2f4").unwrap().contains("the id of another kind"));
/// ```
pub fn wrong_kind(parameter: &str, value: &str) -> Option<String> {
    let is_of = |kind: &str| {
        kind.len() == parameter.len() && kind[1..] == parameter[1..] && kind[..1].eq_ignore_ascii_case(&parameter[..1])
    };
    let (_, expected) = PREFIXES.iter().find(|(kind, _)| is_of(kind))?;
    // The published client gives a workflow where a run of it is meant; the server starts one or finds the newest.
    let also = if parameter == "workflowRunId" { WorkflowId::PREFIX } else { *expected };
    if value.starts_with(expected) || value.starts_with(also) {
        return None;
    }
    let (kind, prefix) = PREFIXES.iter().find(|(_, prefix)| value.starts_with(prefix))?;
    let kind = kind.trim_end_matches("Id");
    Some(format!("is `{value}`, the id of another kind ({kind}, `{prefix}`); it starts with `{expected}`"))
}

ids! {
    /// An account: one customer of the control plane.
    AccountId = "acct_",
    /// A session: the isolated container of one end user.
    SessionId = "ses_",
    /// An agent.
    AgentId = "agt_",
    /// A run of an agent. The published prefix `run_` belongs to workflow runs.
    RunId = "arun_",
    /// One execution of a program in a sandbox.
    ExecId = "exec_",
    /// A snapshot of a sandbox.
    SnapshotId = "snap_",
    /// A checkpoint of an agent's work.
    CheckpointId = "ckpt_",
    /// An agent definition.
    AgentDefinitionId = "adef_",
    /// A customization: an instruction, a prompt, a skill or a hook.
    CustomizationId = "cust_",
    /// A fleet.
    FleetId = "flt_",
    /// An item of a fleet.
    FleetItemId = "item_",
    /// A team.
    TeamId = "team_",
    /// A run of a team.
    TeamRunId = "trun_",
    /// A workflow.
    WorkflowId = "wf_",
    /// A run of a workflow.
    WorkflowRunId = "run_",
    /// An approval.
    ApprovalId = "apr_",
    /// A schedule.
    ScheduleId = "sch_",
    /// One execution of a schedule.
    ScheduleExecutionId = "sexe_",
    /// A trigger.
    TriggerId = "trg_",
    /// An event that was emitted to triggers and waiting workflows.
    EventId = "evt_",
    /// A task.
    TaskId = "task_",
    /// A tool that was registered.
    ToolId = "tool_",
    /// A connection to an MCP server.
    McpConnectionId = "mcp_",
    /// A channel.
    ChannelId = "ch_",
    /// A conversation.
    ConversationId = "conv_",
    /// A message of a conversation.
    MessageId = "msg_",
    /// A thread of a conversation.
    ThreadId = "thread_",
    /// A handoff of a conversation.
    HandoffId = "ho_",
    /// A source of knowledge.
    KnowledgeSourceId = "src_",
    /// A file of the account.
    FileId = "file_",
    /// A webhook.
    WebhookId = "wh_",
    /// A subscription.
    SubscriptionId = "sub_",
    /// A violation of a guardrail.
    ViolationId = "vio_",
    /// A trace.
    TraceId = "tr_",
    /// A span of a trace.
    SpanId = "span_",
    /// A log entry.
    LogId = "log_",
    /// A record of an API key.
    ApiKeyId = "key_",
    /// A request, as it stands in `x-request-id`.
    RequestId = "req_",
    /// A reservation in the ledger.
    ReservationId = "rsv_",
    /// A job in the queue.
    JobId = "job_",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_unique_and_none_begins_another() {
        for (index, (kind, prefix)) in PREFIXES.iter().enumerate() {
            for (other, longer) in &PREFIXES[index + 1..] {
                assert!(!longer.starts_with(prefix) && !prefix.starts_with(longer), "{kind} and {other}");
            }
        }
    }

    #[test]
    fn an_id_of_another_kind_is_recognised_and_a_strange_one_is_left_alone() {
        assert_eq!(
            wrong_kind("sessionId", "agt_1").unwrap(),
            "is `agt_1`, the id of another kind (Agent, `agt_`); it starts with `ses_`"
        );
        assert_eq!(wrong_kind("sessionId", "ses_1"), None);
        assert_eq!(wrong_kind("sessionId", "mine-1"), None);
        assert_eq!(wrong_kind("userId", "agt_1"), None, "users have ids of your own");
        assert_eq!(wrong_kind("workflowRunId", "wf_1"), None);
        assert!(wrong_kind("workflowRunId", "ses_1").is_some());
    }
}
